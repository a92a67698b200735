/* `schedule` and `full`: a cron expression, or {every: DURATION}. */
#include "mappers/spec_internal.h"

#define EVERY_MIN_MS 1000 /* times of runs are kept to the second */
#define EVERY_MAX_MS (INT64_C(366) * 86400000)

static int decode_cron(
        const struct option_context *cx, const struct ynode *n, struct schedule *out, struct err *e)
{
        struct err why;
        char shown[YNODE_SHOW_MAX];
        int64_t ms;

        out->is_cron = true;
        out->text = n->text;
        int rc = cron_parse(n->text, &out->cron, &why);
        if (rc == 0)
                return 0;
        rc = ynode_error(cx->doc, n, e, "%s: %s", ynode_show(n, shown), why.text);
        return str_to_duration(str_trim(n->text), &ms)
                       ? err_hint(e, rc, "an interval is written {every: 30s}")
                       : rc;
}

static int decode_every(
        const struct option_context *cx, const struct ynode *n, struct schedule *out, struct err *e)
{
        static const struct option options[] = {
                {.name = "every",
                        .type = OPTION_DURATION,
                        .offset = offsetof(struct schedule, every_ms),
                        .required = true,
                        .min = EVERY_MIN_MS,
                        .max = EVERY_MAX_MS,
                        .help = "Time between the starts of two runs."},
        };
        static OPTION_TABLE(table, "a schedule", options);

        return options_decode(cx, &table, n, out, e);
}

int spec_schedule_decode(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        struct schedule s = {.is_set = true};
        int rc;

        if (n->kind == YNODE_MAP)
                rc = decode_every(cx, n, &s, e);
        else if (n->kind == YNODE_STRING)
                rc = decode_cron(cx, n, &s, e);
        else
                rc = ynode_error(cx->doc, n, e,
                        "a schedule is a cron expression or {every: 30s}, not %s",
                        ynode_kind_name(n->kind));
        if (rc == 0)
                *(struct schedule *)field = s;
        return rc;
}
