/* Shape only: five cron fields within their ranges, or {every: DURATION}. serve computes times. */
#include "mappers/spec_internal.h"

struct cron_field {
        const char *name;
        int64_t min, max;
        const char *words; /* three letters each, from min on; "" where there are none */
};

static const struct cron_field cron_fields[] = {
        {"minute", 0, 59, ""},
        {"hour", 0, 23, ""},
        {"day of month", 1, 31, ""},
        {"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
        {"day of week", 0, 7, "sunmontuewedthufrisat"},
};

#define CRON_FIELDS (sizeof(cron_fields) / sizeof(cron_fields[0]))

static bool cron_value(const struct cron_field *f, struct str s, int64_t *out)
{
        size_t words = strlen(f->words) / 3;

        for (size_t i = 0; i < words && s.len == 3; i++) {
                if (strncasecmp(s.ptr, f->words + 3 * i, 3) == 0) {
                        *out = f->min + (int64_t)i;
                        return true;
                }
        }
        return s.len > 0 && s.ptr[0] >= '0' && s.ptr[0] <= '9' && str_to_int64(s, out) &&
               *out >= f->min && *out <= f->max;
}

/* What stands before the first @c, which is taken off @s with it; all of @s where there is none. */
static struct str cut(struct str *s, char c, bool *found)
{
        const char *p = memchr(s->ptr, c, s->len);
        struct str head = {s->ptr, p ? (size_t)(p - s->ptr) : s->len};

        *found = p != NULL;
        *s = p ? (struct str){p + 1, s->len - head.len - 1} : (struct str){s->ptr + s->len, 0};
        return head;
}

/* One of a comma list: star, value or range, then maybe a step. */
static bool cron_item(const struct cron_field *f, struct str item)
{
        bool has_step, has_range;
        int64_t from, to, step;

        struct str range = cut(&item, '/', &has_step);
        if (has_step && (!str_to_int64(item, &step) || step < 1 || step > f->max))
                return false;
        if (str_is(range, "*"))
                return true;
        struct str first = cut(&range, '-', &has_range);
        if (!cron_value(f, first, &from))
                return false;
        if (!has_range)
                return !has_step;
        return cron_value(f, range, &to) && from <= to;
}

static bool cron_field(const struct cron_field *f, struct str text)
{
        bool more = true;

        while (more)
                if (!cron_item(f, cut(&text, ',', &more)))
                        return false;
        return true;
}

static int check_cron(const struct option_context *cx, const struct ynode *n, struct err *e)
{
        struct str rest = str_trim(n->text);
        bool more = rest.len > 0;
        size_t count = 0;
        char shown[YNODE_SHOW_MAX];

        for (; more; count++, rest = str_trim(rest)) {
                struct str field = cut(&rest, ' ', &more);
                if (count < CRON_FIELDS && !cron_field(&cron_fields[count], field))
                        return ynode_error(cx->doc, n, e,
                                "the %s of a cron expression is from %lld to %lld, with * , - and "
                                "/, not %s",
                                cron_fields[count].name, (long long)cron_fields[count].min,
                                (long long)cron_fields[count].max, yaml_show(field, shown));
        }
        if (count != CRON_FIELDS)
                return ynode_error(cx->doc, n, e,
                        "a schedule is five cron fields (minute hour day month weekday) or "
                        "{every: 30s}");
        return 0;
}

struct every {
        int64_t ms;
};

int spec_schedule_decode(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        static const struct option options[] = {
                {.name = "every",
                        .type = OPTION_DURATION,
                        .offset = offsetof(struct every, ms),
                        .required = true,
                        .min = 1000,
                        .max = INT64_C(366) * 86400000,
                        .help = "Time between the starts of two runs."},
        };
        static OPTION_TABLE(table, "a schedule", options);
        struct every every;
        int rc;

        if (n->kind == YNODE_MAP)
                rc = options_decode(cx, &table, n, &every, e);
        else if (n->kind == YNODE_STRING)
                rc = check_cron(cx, n, e);
        else
                rc = ynode_error(cx->doc, n, e,
                        "a schedule is a cron expression or {every: 30s}, not %s",
                        ynode_kind_name(n->kind));
        if (rc == 0)
                *(const struct ynode **)field = n;
        return rc;
}
