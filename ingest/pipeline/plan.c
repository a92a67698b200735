/*
 * PROTOCOL.md section 5: a run reads what changed since the last finished one only where everything
 * that makes this right holds: the same mapper, a state that was trusted, a source that is the one
 * it was, a position. In doubt everything is read; unchanged records cost no revision.
 *
 * Kept in the state: `position` (the source's text), `fingerprint` (of the mapper of the last
 * finished full read; none while another mapper's documents may stand there, or what a standby
 * showed that was behind), `full` and `swept` (when all was read, when all keys were), `unclaimed`
 * (documents that no record claims stayed, and why: only a full read finds them again).
 */
#include "ingest/pipeline/run_internal.h"

#include <stdio.h>

#include "mappers/schedule.h"

#define NOTE_MAX 300

static int meta_number(struct run *r, const char *name, int64_t *out, struct err *e)
{
        struct str text;
        int rc = state_meta_get(r->state, name, &text, e);

        *out = 0;
        if (rc == 0 && !str_to_int64(text, out))
                *out = 0; /* as if it were not there: a full read sets it anew */
        return rc < 0 ? rc : 0;
}

static int put_number(struct run *r, const char *name, int64_t n, struct err *e)
{
        char text[24];

        snprintf(text, sizeof(text), "%lld", (long long)n);
        return state_batch_meta(r->batch, name, str_of(text), e);
}

/* From here on everything must be read, whatever becomes of this run. */
static int void_fingerprint(struct run *r, struct err *e)
{
        if (r->options.dry_run)
                return 0;
        int rc = state_batch_meta(r->batch, "fingerprint", (struct str){0}, e);
        if (!rc)
                rc = mark_erase(r, e);
        if (!rc)
                rc = state_apply(r->state, r->batch, e);
        crash_point(CRASH_FINGERPRINT_VOID);
        return rc;
}

/* Whether the mapper is the one whose documents all stand there. Another one voids what is stored,
 * durably and before its first write: A, then B killed half way, then A must read everything. */
static int check_fingerprint(struct run *r, bool *same, struct err *e)
{
        struct str stored;
        int rc = state_meta_get(r->state, "fingerprint", &stored, e);

        if (rc < 0)
                return rc;
        r->incomplete = rc == STATE_ABSENT;
        *same = rc == 0 && str_is(stored, r->fingerprint);
        if (!*same && !r->incomplete)
                return void_fingerprint(r, e);
        return r->options.dry_run ? 0 : mark_check_fingerprint(r, e);
}

int plan_read_older(struct run *r, struct err *e)
{
        return r->held_position ? void_fingerprint(r, e) : 0;
}

static int full_is_due(struct run *r, bool *due, struct err *e)
{
        cleanup_(tz_freep) struct tz *own = NULL;
        const struct schedule *full = &r->spec->full;
        int64_t last;
        int rc = meta_number(r, "full", &last, e);

        if (!rc && full->timezone)
                rc = tz_load(full->timezone, &own, e);
        *due = rc == 0 &&
               schedule_is_due(full, own ? own : r->zone, last / 1000000, r->now_us / 1000000);
        return rc;
}

/* Whether documents that no record claims stayed, and may go now. */
static int orphans_wait(struct run *r, bool *wait, struct err *e)
{
        int64_t why;
        int rc = meta_number(r, "unclaimed", &why, e);

        r->unclaimed_before = why != UNCLAIMED_NONE;
        *wait = (why == UNCLAIMED_WITHHELD && (!r->shifts || r->options.allow_deletes)) ||
                (why == UNCLAIMED_REJECTS && state_reject_count(r->state) == 0);
        return rc;
}

/* Why everything is read whatever the position says; "" where that need not be. */
static int reason_for_all(struct run *r, bool same, char *why, size_t size, struct err *e)
{
        static const char *const changed[2][2] = {
                {"the mapper or its columns changed since the last full read",
                        "the mapper, its columns or its schema changed since the last full read"},
                {"the mapper, its columns or its look-ups changed since the last full read",
                        "the mapper, its columns, look-ups or schema changed since the last full "
                        "read"},
        };
        bool due = false, orphans = false;
        int rc = full_is_due(r, &due, e);

        if (!rc)
                rc = orphans_wait(r, &orphans, e);
        if (rc)
                return rc;
        r->begins_anew = r->rebuilt || r->control_lost || r->overflow || orphans;
        snprintf(why, size, "%s",
                !r->mapper->extract->cursor ? "the mapper has no cursor"
                : r->options.full           ? "--full"
                : r->rebuilt                ? "the state was rebuilt"
                : r->control_lost           ? "the control database and its rejects were lost"
                : r->incomplete             ? "no full read of it is complete"
                : !same                     ? changed[r->lookups != NULL][r->mapper->schema != NULL]
                : due                       ? "its schedule `full` is due"
                : r->overflow               ? "others changed very many documents"
                : orphans                   ? "documents that no record claims are to be deleted"
                                            : "");
        return 0;
}

/* Where the read may go on: at the newest mark of this run, else at the one that was kept. */
static int offer_mark(struct run *r, struct source_watch *watch, uint64_t *behind, struct err *e)
{
        int rc = 0;

        if (r->mark.len)
                watch->mark = buf_str(&r->mark);
        else if (!run_takes_some(r))
                rc = mark_find(r, &watch->mark, behind, e);
        watch->mark_full = r->mode == RUN_READS_ALL;
        return rc;
}

/* A mark that is not gone on from is void: what this run writes may be behind it. */
static int take_up(
        struct run *r, const struct source_observation *seen, uint64_t behind, struct err *e)
{
        if (r->mark.len || run_takes_some(r))
                return 0; /* the same run goes on */
        r->resumed = seen->resumes;
        if (!r->resumed)
                return mark_forget(r, e);
        r->resumed_behind = behind;
        log_info(r->log, "going on behind %llu records that an earlier run has read",
                (unsigned long long)behind);
        return 0;
}

static int look(struct run *r, struct source_observation *seen, struct err *e)
{
        struct source_watch watch = {.zone = r->zone};
        uint64_t behind = 0;
        int rc = offer_mark(r, &watch, &behind, e);

        if (!rc)
                rc = state_meta_get(r->state, "position", &watch.position, e);
        if (rc < 0)
                return rc;
        if (rc == STATE_ABSENT || r->rebuilt)
                watch.position = (struct str){0};
        *seen = (struct source_observation){.usable = false};
        rc = source_observe(r->source, r->mapper->extract, &watch, seen, e);
        if (rc || (!seen->usable && r->mode == RUN_READS_SINCE))
                return rc;
        return take_up(r, seen, behind, e);
}

int plan_observe(struct run *r, struct err *e)
{
        struct source_observation seen;
        int rc = look(r, &seen, e);

        if (rc)
                return rc;
        r->observed = true;
        r->held_position = seen.behind;
        if (seen.held[0] && r->mapper->extract->cursor)
                log_info(r->log, "the cursor waits for %s", seen.held);
        if (seen.behind)
                log_warn(r->log, "the standby is behind what the last run read: nothing is deleted "
                                 "and the cursor stays; rejects stay, too");
        if (!seen.usable && r->mode == RUN_READS_SINCE) {
                r->mode = RUN_READS_ALL;
                buf_clear(&r->mark); /* of another kind of read */
                log_info(r->log, "reading everything: %s", seen.why);
                if (r->shifts) {
                        rc = look(r, &seen, e);
                        if (rc)
                                return rc;
                }
        } else if (r->mode == RUN_READS_SINCE) {
                log_info(r->log, "reading what changed since %s", seen.cursor);
        }
        return r->mode == RUN_READS_ALL ? plan_read_older(r, e) : 0;
}

static void drop_wanted(struct run *r)
{
        buf_deinit(&r->wanted.bytes);
        r->wanted = (struct key_list){.count = 0};
        r->overflow = false;
}

int plan_run(struct run *r, struct err *e)
{
        char why[NOTE_MAX];
        bool same;

        /* A service counts from when it decided to run; a `full` that was due then is due here. */
        r->now_us = r->options.started_us > 0 ? r->options.started_us : clock_wall_us();
        int rc = check_fingerprint(r, &same, e);
        if (rc)
                return rc;
        if (r->options.key_count || r->options.given) {
                r->mode = r->options.given ? RUN_READS_GIVEN : RUN_READS_KEYS;
                drop_wanted(r); /* what others changed is found again: there is no checkpoint */
                return plan_observe(r, e);
        }
        rc = reason_for_all(r, same, why, sizeof(why), e);
        if (rc)
                return rc;
        r->mode = why[0] ? RUN_READS_ALL : RUN_READS_SINCE;
        if (r->mapper->extract->cursor && why[0])
                log_info(r->log, "reading everything: %s", why);
        rc = plan_observe(r, e);
        if (rc || r->mode != RUN_READS_ALL || r->resumed)
                return rc;
        drop_wanted(r); /* it all comes anyway */
        return 0;
}

/* The position as it was, for those who look at `_local`. */
static int keep_position(struct run *r, struct buf *position, struct err *e)
{
        struct str stored;
        int rc = state_meta_get(r->state, "position", &stored, e);

        if (rc == 0)
                buf_put_str(position, stored);
        return rc < 0 ? rc : buf_check(position, "position", e);
}

/* A record that could not be read, not even its key, can be read again in one way only. */
static bool is_held(const struct run *r)
{
        if (!r->unread || r->mode != RUN_READS_SINCE)
                return r->held_position;
        log_warn(r->log, "the cursor stays where it was: a record could not be read, nor its key");
        return true;
}

int plan_store(struct run *r, struct buf *position, struct err *e)
{
        bool held = is_held(r);
        int rc = mark_erase(r, e);

        buf_clear(position);
        if (!rc && r->observed && !held) {
                rc = source_position(r->source, position, e);
                const char *ahead = source_ahead(r->source);
                if (!rc && ahead[0])
                        log_warn(r->log, "%s", ahead);
                if (!rc)
                        rc = state_batch_meta(r->batch, "position", buf_str(position), e);
        }
        if (held)
                return rc ? rc : keep_position(r, position, e);
        if (!rc && ((r->mode == RUN_READS_ALL && !r->resumed) || r->swept_keys))
                rc = put_number(r, "swept", r->now_us, e);
        if (rc || r->mode != RUN_READS_ALL)
                return rc;
        rc = state_batch_meta(r->batch, "fingerprint", str_of(r->fingerprint), e);
        if (!rc && !r->resumed)
                rc = put_number(r, "unclaimed", r->unclaimed, e);
        return rc ? rc : put_number(r, "full", r->now_us, e);
}
