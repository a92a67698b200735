/*
 * PROTOCOL.md section 8. A reject is a document "reject:MAPPER:KEY" in the control database. Its
 * revision, its first time and its attempts are kept in the state by document id, read anew from
 * the control database at the start of every run. An incremental run reads rejected records again,
 * by key. Those that did not come again are removed: they were acknowledged, or are gone.
 */
#include "ingest/pipeline/run_internal.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "ingest/pipeline/reject_view.h"
#include "ingest/record/json_scan.h"

#define REJECT_MAX_KEY   200        /* bytes of a key that stands in the id as it is */
#define REJECTS_LOGGED   20         /* of a run; the others stand in the control database */
#define REJECTS_SHARE_OF 100        /* max_rejects' default needs so many records to judge */
#define REJECTS_REREAD   10000      /* rejected records that an incremental run looks at again */
#define REJECT_STAYS     UINT64_MAX /* in place of a run: its record is not read in this one */
#define REJECTS_EARLY    1000       /* and so many to judge before the read has ended */

static void put_prefix(const struct run *r, struct buf *out)
{
        buf_printf(out, "reject:%s:", r->spec->name);
}

/* KEY is the source key as JSON; long or unprintable ones are their hash. */
static void put_id(const struct run *r, const struct reject_note *note, struct buf *out)
{
        struct str key = note->key;
        cleanup_buf_ struct buf text = BUF_INIT(1 << 20);

        put_prefix(r, out);
        if (key.len)
                key_json(key, &text);
        else if (note->key_text)
                buf_puts(&text, note->key_text);
        else
                buf_puts(&text, note->reason);
        if (!key.len && note->record) /* records without a key are told apart by what they hold */
                mapper_record_json(&r->shape, note->record, REJECT_MAX_RECORD, &text);
        bool plain = key.len || note->key_text;
        if (!text.error && plain && text.len <= REJECT_MAX_KEY && str_utf8_valid(buf_str(&text))) {
                buf_put_str(out, buf_str(&text));
                return;
        }
        XXH128_hash_t h = XXH3_128bits(text.data, text.len);
        buf_printf(
                out, "%016llx%016llx", (unsigned long long)h.high64, (unsigned long long)h.low64);
}

static void put_text_member(struct buf *out, const char *name, const char *value)
{
        buf_printf(out, ",\"%s\":", name);
        if (!json_put_string(out, str_of(value)))
                buf_puts(out, "\"(not UTF-8)\"");
}

/* The document that the record has, or was about to get. */
static void put_document(struct run *r, struct str key, struct buf *out)
{
        const struct pending *p = key.len ? pending_by_key(r->pending, key) : NULL;
        struct state_entry entry;
        struct str id = {NULL, 0};
        uint16_t database = 0;

        if (p) {
                id = p->id;
                database = p->database;
        } else if (key.len && state_get(r->state, key, &entry, NULL) == 0 && entry.doc_count > 0 &&
                   !entry.docs[0].deleted) {
                id = entry.docs[0].id;
                database = entry.docs[0].database;
        }
        const char *name = id.ptr ? state_database_name(r->state, database) : NULL;
        if (!name)
                return;
        put_text_member(out, "database", name);
        buf_puts(out, ",\"document\":");
        json_put_lossy(out, id);
}

static void put_key(const struct reject_note *note, struct buf *out)
{
        if (note->key.len)
                key_json(note->key, out);
        else if (!note->key_text || !json_put_string(out, str_of(note->key_text)))
                buf_puts(out, "null");
}

static void put_body(struct run *r, const struct reject_note *note, const char *first,
        const char *now, uint32_t attempts, struct buf *out)
{
        buf_puts(out, "\"type\":\"reject\"");
        put_text_member(out, "mapper", r->spec->name);
        buf_puts(out, ",\"key\":");
        put_key(note, out);
        put_document(r, note->key, out);
        put_text_member(out, "stage", note->stage);
        put_text_member(out, "field", note->field);
        put_text_member(out, "reason", note->reason);
        buf_printf(out, ",\"attempts\":%u", attempts);
        put_text_member(out, "first", first);
        put_text_member(out, "last", now);
        if (note->record) {
                buf_puts(out, ",\"record\":");
                mapper_record_json(&r->shape, note->record, REJECT_MAX_RECORD, out);
        }
}

/* Whoever asked for the run hears of it. @reason: NULL: it is none after all. */
static void tell(struct run *r, const struct reject_note *note, const char *reason)
{
        cleanup_buf_ struct buf key = BUF_INIT(1 << 20);

        if (!r->options.on_reject)
                return;
        put_key(note, &key);
        if (!key.error)
                r->options.on_reject(r->options.on_reject_ctx, buf_str(&key), note->field, reason);
}

static int too_many(const struct run *r, uint64_t rejected, uint64_t of, struct err *e)
{
        if (r->spec->max_rejects >= 0)
                return err_set(e, ERR_GUARD,
                        "%llu records were rejected, max_rejects is %lld: the run stops; see the "
                        "rejects in the control database",
                        (unsigned long long)rejected, (long long)r->spec->max_rejects);
        return err_set(e, ERR_GUARD,
                "%llu of %llu records were rejected: the run stops; mend the mapper, or raise "
                "max_rejects",
                (unsigned long long)rejected, (unsigned long long)of);
}

/* The share of the default is judged at the end of the read, and before only over so many records
 * that it says something whatever their order. An incremental run reads earlier rejects again: they
 * say nothing of what is new, and would stop every run. */
static int check_limit(const struct run *r, uint64_t at_least, struct err *e)
{
        uint64_t before = r->rejected_before;
        uint64_t rejected = r->counts->rejected - before;
        uint64_t read = r->counts->read > before ? r->counts->read - before : 0;
        int64_t max = r->spec->max_rejects;

        if (r->options.key_count > 0 || r->options.given)
                return 0; /* somebody asks for these records, and is told: nothing is to guard */
        if (max >= 0 ? rejected > (uint64_t)max : read > at_least && rejected > read / 2)
                return too_many(r, rejected, read, e);
        return 0;
}

int rejects_judge(struct run *r, struct err *e)
{
        return check_limit(r, REJECTS_SHARE_OF, e);
}

/* What is known of the reject of the record @key. */
static bool find_reject(struct run *r, struct str key, struct state_reject *out)
{
        struct reject_note note = {.key = key, .reason = ""};
        cleanup_buf_ struct buf id = BUF_INIT(MAPPER_MAX_ID);
        struct err ignored;

        if (state_reject_count(r->state) == 0)
                return false;
        put_id(r, &note, &id);
        return !id.error && state_reject_get(r->state, buf_str(&id), out, &ignored) == 0;
}

/* Whether an earlier run rejected it, and this one only reads it again. */
static bool is_old(const struct run *r, const struct state_reject *reject)
{
        return (r->mode == RUN_READS_SINCE || r->resumed) &&
               (reject->run != r->number || reject->attempts > 1);
}

bool rejects_held(struct run *r, struct str key)
{
        struct state_reject reject;

        return r->spec->on_conflict == ON_CONFLICT_REJECT && find_reject(r, key, &reject);
}

bool rejects_came_again(struct run *r, struct str key)
{
        struct state_reject reject;

        return find_reject(r, key, &reject) && reject.run == r->number;
}

bool rejects_is_pending(struct run *r, struct str key)
{
        struct reject_note note = {.key = key, .reason = ""};
        cleanup_buf_ struct buf id = BUF_INIT(MAPPER_MAX_ID);

        if (r->counts->rejected == 0)
                return false;
        put_id(r, &note, &id);
        return !id.error && pending_reject(r->pending, buf_str(&id));
}

int rejects_take_back(struct run *r, struct str key, struct err *e)
{
        struct reject_note note = {.key = key, .reason = ""};
        cleanup_buf_ struct buf id = BUF_INIT(MAPPER_MAX_ID);
        struct state_reject reject;

        if (r->counts->rejected == 0 || !rejects_forget(r, key))
                return REJECTS_NONE;
        put_id(r, &note, &id);
        int rc = state_reject_get(r->state, buf_str(&id), &reject, e);
        reject.run = 0; /* no run's: it goes at the end, as others that did not come again */
        return rc ? rc : state_batch_reject(r->batch, buf_str(&id), &reject, e);
}

bool rejects_forget(struct run *r, struct str key)
{
        struct state_reject reject;

        if (!find_reject(r, key, &reject) || reject.run != r->number)
                return false;
        tell(r, &(struct reject_note){.key = key, .field = ""}, NULL);
        r->counts->rejected--;
        r->rejected_before -= is_old(r, &reject);
        return true;
}

static int push_reject(struct run *r, const struct reject_note *note, struct buf *id, struct err *e)
{
        struct state_reject before = {.attempts = 0};
        char now[CLOCK_RFC3339_MAX], first[CLOCK_RFC3339_MAX];
        cleanup_buf_ struct buf body = BUF_INIT(1 << 20);
        int rc = state_reject_get(r->state, buf_str(id), &before, e);

        if (rc < 0)
                return rc;
        if (rc == 0 && before.run == r->number && before.attempts)
                return 0; /* written in this run already */
        clock_rfc3339(clock_wall_us(), now);
        snprintf(first, sizeof(first), "%.*s", STR_ARG(rc == 0 ? before.first : str_of(now)));
        put_body(r, note, first, now, before.attempts + 1, &body);
        rc = buf_check(&body, "reject", e);
        if (rc)
                return rc;
        struct pending what = {.kind = PENDING_REJECT,
                .database = UINT16_MAX,
                .id = buf_str(id),
                .attempts = before.attempts + 1,
                .first = str_of(first)};
        struct bulk_doc doc = {.database = r->control,
                .id = buf_str(id),
                .parent = before.rev,
                .body = buf_str(&body),
                .digest = digest_body(buf_str(&body))};
        if (!note->record && note->key.len && !note->unreadable)
                reject_record_missing(r, note->key, buf_str(id), buf_str(&body), &what);
        return pass_push(r, &what, &doc, e);
}

/* A dry run writes no reject, but knows it like one: what reads rejected records again leaves out
 * those that this run has read. */
static int note_reject(
        struct run *r, const struct state_reject *before, struct str id, struct err *e)
{
        struct state_reject reject = *before;

        if (before->run == r->number && before->attempts)
                return 0;
        reject.run = r->number;
        reject.attempts++;
        struct pending what = {.kind = PENDING_REJECT, .database = UINT16_MAX, .id = id};
        struct pending *p = r->shifts ? pending_add(r->pending, &what) : NULL;
        if (r->shifts && !p)
                return err_nomem(e, "reject");
        int rc = p ? settle_keep(r, p, e) : 0;
        if (!rc)
                rc = state_batch_reject(r->batch, id, &reject, e);
        if (rc || state_batch_count(r->batch) < crash_batch(RUN_APPLY_CHANGES))
                return rc;
        return settle_apply(r, e);
}

static void log_reject(const struct run *r, const struct reject_note *note)
{
        cleanup_buf_ struct buf key = BUF_INIT(4096);

        if (note->key.len)
                key_text(note->key, &key);
        else
                buf_puts(&key, note->key_text ? note->key_text : "?");
        log_warn(r->log, "reject: key %s: %s%s%s", buf_cstr(&key) ? buf_cstr(&key) : "?",
                note->field, note->field[0] ? ": " : "", note->reason);
}

/* Without a snapshot a record may come twice. @found: whether @before is what the state knows. */
static bool came_before(
        const struct run *r, int found, const struct state_reject *before, struct str id)
{
        return (found == 0 && before->run == r->number && before->attempts) ||
               pending_reject(r->pending, id);
}

int rejects_add(struct run *r, const struct reject_note *note, struct err *e)
{
        cleanup_buf_ struct buf id = BUF_INIT(MAPPER_MAX_ID);
        struct state_reject before = {.attempts = 0};
        struct err limit;

        put_id(r, note, &id);
        int rc = buf_check(&id, "reject id", e);
        if (!rc)
                rc = state_reject_get(r->state, buf_str(&id), &before, e);
        if (rc < 0)
                return rc;
        if (r->shifts && came_before(r, rc, &before, buf_str(&id)))
                return 0;
        tell(r, note, note->reason);
        r->counts->rejected++;
        r->rejected_before += rc == 0 && is_old(r, &before);
        atomic_store_explicit(&r->progress->rejected, r->counts->rejected, memory_order_relaxed);
        if (r->counts->rejected <= REJECTS_LOGGED)
                log_reject(r, note);
        else if (r->counts->rejected == REJECTS_LOGGED + 1)
                log_warn(r->log, "more rejects follow; they stand in the control database %s",
                        r->control);
        rc = r->options.dry_run ? note_reject(r, &before, buf_str(&id), e)
                                : push_reject(r, note, &id, e);
        if (rc < 0)
                return rc;
        int over = check_limit(r, REJECTS_EARLY, &limit);
        if (over)
                *e = limit;
        return over ? over : rc;
}

static int compare_keys(const void *a, const void *b)
{
        return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static bool is_given(const struct run *r, struct str key)
{
        return bsearch(&key, r->options.keys, r->options.key_count, sizeof(key), compare_keys);
}

/* Whether this run reads the record of the reject: then it is settled, or comes again. What a
 * source without a snapshot does not deliver is read by key. */
static int take_up(struct run *r, const struct reject_view *reject, bool *read, struct err *e)
{
        cleanup_buf_ struct buf key = BUF_INIT(1 << 20), exact = BUF_INIT(1 << 20);
        bool sure = r->mode == RUN_READS_ALL && !r->shifts;

        *read = r->mode == RUN_READS_ALL && !r->resumed;
        if (sure || !reject_view_key(reject, r->shape.key_count, &key) ||
                key_recode(&r->shape, buf_str(&key), &exact, NULL) != 0)
                return 0;
        if (r->mode == RUN_READS_GIVEN)
                *read = given_has(r, buf_str(&exact));
        else if (r->mode == RUN_READS_KEYS)
                *read = is_given(r, buf_str(&key)) || is_given(r, buf_str(&exact));
        else
                *read = r->wanted.count < REJECTS_REREAD;
        if (!*read || run_takes_some(r))
                return 0;
        int rc = keyed_want(r, buf_str(&exact), e);
        *read = !r->overflow; /* else it is not on the list: its reject stays */
        return rc;
}

static int load_reject(void *ctx, const struct scan_doc *doc, struct err *e)
{
        struct run *r = ctx;
        struct reject_view view = {.id = doc->id};
        cleanup_buf_ struct buf first = BUF_INIT(MAPPER_MAX_ID);
        int64_t attempts = 1;
        bool read = false;

        reject_view_read(doc->json, &view);
        if (!view.first.ptr || json_unquote(view.first, &first, NULL) != 0)
                buf_clear(&first);
        if (view.attempts.ptr && !str_to_int64(view.attempts, &attempts))
                attempts = 1;
        struct state_reject reject = {
                .rev = doc->rev, .first = buf_str(&first), .attempts = (uint32_t)attempts};
        int rc = take_up(r, &view, &read, e);
        if (!read)
                reject.run = REJECT_STAYS;
        if (!rc)
                rc = state_batch_reject(r->batch, doc->id, &reject, e);
        if (rc || state_batch_count(r->batch) < crash_batch(RUN_APPLY_CHANGES))
                return rc;
        rc = state_apply(r->state, r->batch, e);
        crash_point(CRASH_REJECTS_LOADED);
        return rc;
}

int rejects_load(struct run *r, struct err *e)
{
        cleanup_buf_ struct buf prefix = BUF_INIT(256);
        int rc = state_batch_unreject_all(r->batch, e);

        put_prefix(r, &prefix);
        if (!rc)
                rc = scan_prefix(r->couch, r->control, buf_str(&prefix), true, load_reject, r, e);
        if (!rc && state_batch_count(r->batch) > 0)
                rc = state_apply(r->state, r->batch, e);
        crash_point(CRASH_REJECTS_LOADED);
        return rc ? err_wrap(e, rc, "reading the rejects in database %s", r->control) : 0;
}

static int clear_reject(void *ctx, struct str id, const struct state_reject *reject, struct err *e)
{
        struct run *r = ctx;

        if (reject->run == r->number || reject->run == REJECT_STAYS)
                return 0;
        struct pending what = {.kind = PENDING_UNREJECT, .database = UINT16_MAX, .id = id};
        struct bulk_doc doc = {
                .database = r->control, .id = id, .parent = reject->rev, .deleted = true};
        return pass_push_wait(r, &what, &doc, e);
}

/* Of a run restricted to keys: those that gave no record, and no reject either. */
static int count_gone(struct run *r, struct err *e)
{
        cleanup_buf_ struct buf key = BUF_INIT(1 << 20), text = BUF_INIT(1 << 20);
        struct state_entry entry;

        for (size_t i = 0; i < r->options.key_count; i++) {
                buf_clear(&key);
                buf_clear(&text);
                if (key_recode(&r->shape, r->options.keys[i], &key, NULL) != 0)
                        continue; /* not a key of this mapper: it was not asked for */
                int rc = state_get(r->state, buf_str(&key), &entry, e);
                if (rc < 0)
                        return rc;
                if ((rc == 0 && bitmap_test(&r->seen, entry.ordinal)) ||
                        rejects_came_again(r, buf_str(&key)))
                        continue;
                if (r->report->gone++ >= REJECTS_LOGGED)
                        continue;
                key_text(buf_str(&key), &text);
                log_info(r->log,
                        "key %s is gone from the source: its reject is removed; a document of its "
                        "own, if it has one, goes with the next run that looks for deletions",
                        buf_cstr(&text) ? text.data : "?");
        }
        return 0;
}

int rejects_clear(struct run *r, struct err *e)
{
        if (r->options.dry_run)
                return 0;
        int rc = reject_record_complete(r, e);
        if (!rc && gone_by_absence(r)) /* else the one that did not come may be theirs */
                rc = count_gone(r, e);
        if (!rc && gone_by_absence(r))
                rc = state_each_reject(r->state, clear_reject, r, e);
        if (!rc)
                rc = settle_all(r, false, e);
        crash_point(CRASH_REJECTS_REMOVED);
        return rc ? err_wrap(e, rc, "removing settled rejects") : 0;
}
