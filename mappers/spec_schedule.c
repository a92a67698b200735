/*
 * `schedule` and `full`: a cron expression, or a map with more to say. What is decided here needs
 * no other mapper: that the source of a `notify` can notify is proved by the configuration.
 */
#include "mappers/spec_internal.h"

#include <stdio.h>

#define EVERY_MIN_MS   1000 /* times of runs are kept to the second */
#define EVERY_MAX_MS   (INT64_C(366) * 86400000)
#define JITTER_MAX_MS  86400000 /* a day: more is another schedule */
#define TIMEOUT_MIN_MS 1000
#define CHANNEL_MAX    63 /* bytes, as PostgreSQL has it */

/* Firings that are looked at for the shortest time between two of them, from a leap year on. */
#define FIRINGS_SEEN 500
#define SEEN_FROM_S  INT64_C(1704067200)

/* ---- a cron expression ---- */

static int decode_cron(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        struct schedule *out = field;
        struct err why;
        char shown[YNODE_SHOW_MAX];
        int64_t ms;

        if (n->kind != YNODE_STRING)
                return ynode_error(cx->doc, n, e,
                        "'cron' must be a cron expression such as \"*/5 * * * *\", not %s",
                        ynode_kind_name(n->kind));
        int rc = cron_parse(n->text, &out->cron, &why);
        if (rc) {
                rc = ynode_error(cx->doc, n, e, "%s: %s", ynode_show(n, shown), why.text);
                return str_to_duration(str_trim(n->text), &ms)
                               ? err_hint(e, rc, "an interval is written {every: 30s}")
                               : rc;
        }
        out->is_cron = true;
        out->text = arena_strdup(cx->arena, str_trim(n->text));
        return out->text ? 0 : options_nomem(cx, e);
}

/* ---- the long form ---- */

static int decode_channel(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        char shown[YNODE_SHOW_MAX];

        if (n->kind != YNODE_STRING || n->text.len == 0 || n->text.len > CHANNEL_MAX)
                return ynode_error(cx->doc, n, e,
                        "'notify' must be the name of a channel, at most %d bytes, not %s",
                        CHANNEL_MAX, ynode_show(n, shown));
        *(const char **)field = arena_strdup(cx->arena, n->text);
        return *(const char **)field ? 0 : options_nomem(cx, e);
}

#define AT(member) offsetof(struct schedule, member)

#define EVERY                                                                                      \
        {                                                                                          \
                .name = "every", .type = OPTION_DURATION, .offset = AT(every_ms),                  \
                .min = EVERY_MIN_MS, .max = EVERY_MAX_MS,                                          \
                .help = "Time between the starts of two runs."                                     \
        }
#define CRON                                                                                       \
        {                                                                                          \
                .name = "cron", .type = OPTION_HANDLER, .offset = 0, .handler = decode_cron,       \
                .help = "Cron expression of five fields, or @hourly, @daily, @weekly, @monthly, "  \
                        "@yearly."                                                                 \
        }
#define TIMEZONE                                                                                   \
        {                                                                                          \
                .name = "timezone", .type = OPTION_HANDLER, .offset = AT(timezone),                \
                .handler = spec_timezone_decode,                                                   \
                .help = "Time zone of the cron expression; absent: the mapper's, else UTC."        \
        }

static const struct option schedule_options[] = {
        EVERY,
        CRON,
        TIMEZONE,
        {.name = "jitter",
                .type = OPTION_DURATION,
                .offset = AT(jitter_ms),
                .min = 0,
                .max = JITTER_MAX_MS,
                .help = "Each firing comes later by a random time below this."},
        {.name = "timeout",
                .type = OPTION_DURATION,
                .offset = AT(timeout_ms),
                .min = TIMEOUT_MIN_MS,
                .max = EVERY_MAX_MS,
                .help = "A run that takes longer is interrupted; absent: none is."},
        {.name = "notify",
                .type = OPTION_HANDLER,
                .offset = AT(notify),
                .handler = decode_channel,
                .help = "Channel of PostgreSQL whose notifications start a run."},
};
OPTION_TABLE(mapper_schedule_table, "a schedule", schedule_options);

static const struct option full_options[] = {EVERY, CRON, TIMEZONE};
OPTION_TABLE(mapper_full_table, "a schedule of full reads", full_options);

static int64_t shortest_gap_ms(const struct schedule *s)
{
        int64_t last = SEEN_FROM_S, next, least = INT64_MAX;

        if (!s->is_cron)
                return s->every_ms;
        bool found = cron_next(&s->cron, NULL, last, &last);
        for (int i = 0; found && i < FIRINGS_SEEN; i++) {
                found = cron_next(&s->cron, NULL, last, &next);
                if (found && (next - last) * 1000 < least)
                        least = (next - last) * 1000;
                last = found ? next : last;
        }
        return least;
}

static int check_jitter(const struct option_context *cx, const struct ynode *n,
        const struct schedule *s, struct err *e)
{
        const struct ynode *at = ynode_get(n, "jitter");
        int64_t gap = shortest_gap_ms(s);

        if (!at || s->jitter_ms < gap)
                return 0;
        return ynode_error(cx->doc, at, e,
                "'jitter' must be shorter than the time between two runs, which is %lld s",
                (long long)(gap / 1000));
}

static int misplaced(const struct option_context *cx, const struct ynode *n, const char *key,
        const char *why, struct err *e)
{
        return ynode_error(cx->doc, ynode_get(n, key), e, "'%s' %s", key, why);
}

/* @n: a map of @table, decoded into @s */
static int check_map(const struct option_context *cx, const struct option_table *table,
        const struct ynode *n, const struct schedule *s, struct err *e)
{
        bool may_notify = table == &mapper_schedule_table;

        if (s->is_cron && s->every_ms)
                return misplaced(cx, n, "every", "and 'cron' exclude each other: keep one", e);
        if (!s->is_cron && !s->every_ms && !s->notify)
                return ynode_error(cx->doc, n, e, "%s needs %s", table->what,
                        may_notify ? "one of 'every', 'cron' and 'notify'"
                                   : "one of 'every' and 'cron'");
        if (s->timezone && !s->is_cron)
                return misplaced(cx, n, "timezone", "is for 'cron': an interval has no hour", e);
        if (ynode_get(n, "jitter") && !schedule_is_set(s))
                return misplaced(cx, n, "jitter", "is for 'every' and 'cron'", e);
        return check_jitter(cx, n, s, e);
}

static int decode_map(const struct option_context *cx, const struct option_table *table,
        const struct ynode *n, struct schedule *s, struct err *e)
{
        cleanup_buf_ struct buf text = BUF_INIT(YDOC_MAX_VALUE);
        int rc = options_decode(cx, table, n, s, e);

        if (rc == 0)
                rc = check_map(cx, table, n, s, e);
        if (rc || !s->every_ms)
                return rc;
        buf_puts(&text, "every ");
        buf_put_str(&text, str_trim(ynode_get(n, "every")->text));
        rc = buf_check(&text, "a schedule", e);
        if (rc)
                return rc;
        s->text = arena_strdup(cx->arena, buf_str(&text));
        return s->text ? 0 : options_nomem(cx, e);
}

static int decode(const struct option_context *cx, const struct option_table *table,
        const struct ynode *n, struct schedule *out, struct err *e)
{
        struct schedule s = {.is_set = true};
        int rc;

        if (n->kind == YNODE_MAP)
                rc = decode_map(cx, table, n, &s, e);
        else if (n->kind == YNODE_STRING)
                rc = decode_cron(cx, n, &s, e);
        else
                rc = ynode_error(cx->doc, n, e,
                        "a schedule is a cron expression or {every: 30s}, not %s",
                        ynode_kind_name(n->kind));
        if (rc == 0)
                *out = s;
        return rc;
}

int spec_schedule_decode(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        return decode(cx, &mapper_schedule_table, n, field, e);
}

int spec_full_decode(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        return decode(cx, &mapper_full_table, n, field, e);
}
