/* erp2couch schedule: when serve will run which mapper, from schedules and what was run last. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cmd/cli.h"
#include "cmd/table.h"
#include "ingest/base/clock.h"
#include "ingest/serve/past.h"

#define COUNT_DEFAULT 3
#define COUNT_MAX     1000 /* of a mapper: a day of a run each two minutes */
#define WHEN_MAX      32

struct planned {
        const struct config_mapper *mapper;
        struct scheduler_past past;
        struct tz *zone; /* owned; NULL: UTC */
        struct firing *firings;
        size_t count;
};

/* One run in the list of all. */
struct coming {
        const struct planned *of;
        const struct firing *firing; /* NULL: no hour is known */
};

struct schedule_command {
        struct cli *cli;
        const struct config *config;
        int64_t now_ms;
        size_t max; /* runs of a mapper */
        struct planned *planned;
        size_t count;
        struct coming *list;
        size_t length;
};

/* ---- what is known ---- */

static const char *zone_name(const struct mapper_spec *spec)
{
        const struct schedule *s = schedule_is_set(&spec->schedule) ? &spec->schedule : &spec->full;
        const char *name = s->timezone ? s->timezone : spec->timezone;

        return name ? name : "UTC";
}

/* @p->mapper is set */
static int plan(const struct schedule_command *c, struct planned *p, struct err *e)
{
        struct status s;

        status_read_here(c->config, p->mapper, c->cli->log, &s);
        p->past = past_of(&s);
        status_deinit(&s);
        int rc = tz_load(zone_name(p->mapper->spec), &p->zone, e);
        if (rc)
                return rc;
        p->firings = calloc(c->max, sizeof(*p->firings));
        if (!p->firings)
                return err_nomem(e, "the runs of a mapper");
        return scheduler_firings(p->mapper, &p->past, c->now_ms, c->max, p->firings, &p->count, e);
}

/* By time; those without an hour last, as they stand in the configuration. */
static int by_time(const void *a, const void *b)
{
        const struct coming *x = a, *y = b;

        if (!x->firing || !y->firing)
                return x->firing ? -1 : y->firing ? 1 : (x->of > y->of) - (x->of < y->of);
        if (x->firing->at_ms != y->firing->at_ms)
                return x->firing->at_ms < y->firing->at_ms ? -1 : 1;
        return (x->of > y->of) - (x->of < y->of);
}

static int plan_all(struct schedule_command *c, struct err *e)
{
        size_t room = 0;
        int rc = 0;

        for (size_t i = 0; i < c->count && rc == 0; i++) {
                rc = plan(c, &c->planned[i], e);
                room += c->planned[i].count + 1;
        }
        if (rc)
                return rc;
        c->list = calloc(room + 1, sizeof(*c->list));
        if (!c->list)
                return err_nomem(e, "the runs of all mappers");
        for (size_t i = 0; i < c->count; i++) {
                const struct planned *p = &c->planned[i];
                for (size_t k = 0; k < p->count; k++)
                        c->list[c->length++] = (struct coming){p, &p->firings[k]};
                if (p->count == 0)
                        c->list[c->length++] = (struct coming){p, NULL};
        }
        qsort(c->list, c->length, sizeof(*c->list), by_time);
        return 0;
}

static bool reads_all(const struct coming *r)
{
        bool next = !r->firing || r->firing == r->of->firings;

        return !r->of->mapper->extract->cursor || (r->firing && r->firing->full) ||
               (next && r->of->past.last_full_ms == 0);
}

/* ---- words ---- */

static void put_word(struct buf *out, const char *before, const char *word)
{
        buf_printf(out, "%s%s%s", out->len ? ", " : "", before, word);
}

static void put_triggers(struct buf *out, const struct mapper_spec *spec)
{
        if (spec->after.count && !schedule_is_set(&spec->schedule))
                for (size_t i = 0; i < spec->after.count; i++)
                        put_word(out, i ? "" : "after ", spec->after.items[i]);
        if (spec->schedule.notify)
                put_word(out, "notify ", spec->schedule.notify);
}

/* What starts it. */
static void put_by(struct buf *out, const struct coming *r)
{
        const struct mapper_spec *spec = r->of->mapper->spec;

        if (r->firing && r->firing->own)
                put_word(out, "", spec->schedule.text);
        if (r->firing && r->firing->full)
                put_word(out, "full ", spec->full.text);
        if (!r->firing)
                put_triggers(out, spec);
        if (out->len == 0)
                buf_puts(out, "never by itself");
}

static const char *local_time(const struct tz *zone, int64_t at_ms, char out[WHEN_MAX])
{
        int64_t until, s = at_ms / 1000;
        time_t local = s + tz_offset(zone, s, &until);
        struct tm tm;

        gmtime_r(&local, &tm);
        strftime(out, WHEN_MAX, "%Y-%m-%d %H:%M:%S", &tm);
        return out;
}

/* ---- for programs ---- */

static void add_time(cJSON *json, const char *name, int64_t ms)
{
        char text[CLOCK_RFC3339_MAX];

        if (ms > 0)
                cJSON_AddStringToObject(json, name, clock_rfc3339(ms * 1000, text));
        else
                cJSON_AddNullToObject(json, name);
}

static void add_text(cJSON *json, const char *name, const char *text)
{
        if (text)
                cJSON_AddStringToObject(json, name, text);
        else
                cJSON_AddNullToObject(json, name);
}

static void add_seconds(cJSON *json, const char *name, int64_t ms)
{
        if (ms > 0)
                cJSON_AddNumberToObject(json, name, (double)ms / 1000.0);
        else
                cJSON_AddNullToObject(json, name);
}

static cJSON *run_json(const struct coming *r)
{
        cleanup_buf_ struct buf by = BUF_INIT(ERR_TEXT_MAX);
        cJSON *json = cJSON_CreateObject();
        char when[WHEN_MAX];

        cJSON_AddStringToObject(json, "mapper", r->of->mapper->spec->name);
        add_time(json, "at", r->firing->at_ms);
        cJSON_AddStringToObject(json, "local", local_time(r->of->zone, r->firing->at_ms, when));
        cJSON_AddStringToObject(json, "timezone", tz_name(r->of->zone));
        cJSON_AddBoolToObject(json, "full", reads_all(r));
        cJSON_AddBoolToObject(json, "missed", r->firing->missed);
        put_by(&by, r);
        add_text(json, "by", buf_cstr(&by));
        return json;
}

static cJSON *mapper_json(const struct planned *p)
{
        const struct mapper_spec *spec = p->mapper->spec;
        cJSON *json = cJSON_CreateObject();

        cJSON_AddStringToObject(json, "mapper", spec->name);
        add_text(json, "schedule", spec->schedule.text);
        add_text(json, "full", spec->full.text);
        cJSON_AddStringToObject(json, "timezone", tz_name(p->zone));
        add_seconds(json, "jitter_seconds", spec->schedule.jitter_ms);
        add_seconds(json, "timeout_seconds", spec->schedule.timeout_ms);
        cJSON *after = cJSON_AddArrayToObject(json, "after");
        for (size_t i = 0; i < spec->after.count; i++)
                cJSON_AddItemToArray(after, cJSON_CreateString(spec->after.items[i]));
        add_text(json, "notify", spec->schedule.notify);
        add_time(json, "last_run", p->past.last_ms);
        add_time(json, "last_full", p->past.last_full_ms);
        add_time(json, "next_run", p->count ? p->firings[0].at_ms : 0);
        return json;
}

static int print_json(const struct schedule_command *c)
{
        cJSON *json = cJSON_CreateObject();

        add_time(json, "now", c->now_ms);
        cJSON *runs = cJSON_AddArrayToObject(json, "runs");
        for (size_t i = 0; i < c->length; i++)
                if (c->list[i].firing)
                        cJSON_AddItemToArray(runs, run_json(&c->list[i]));
        cJSON *mappers = cJSON_AddArrayToObject(json, "mappers");
        for (size_t i = 0; i < c->count; i++)
                cJSON_AddItemToArray(mappers, mapper_json(&c->planned[i]));
        return cli_print_json(json, EXIT_OK);
}

/* ---- for people ---- */

static const struct table_column columns[] = {
        {"WHEN", 20}, {"ZONE", 40}, {"MAPPER", 63}, {"READS", 12}, {"LAST RUN", 20}, {"BY", 0}};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static int print_row(struct table *t, size_t row, const void *ctx, struct err *e)
{
        const struct coming *r = &((const struct schedule_command *)ctx)->list[row];
        cleanup_buf_ struct buf by = BUF_INIT(ERR_TEXT_MAX);
        char when[WHEN_MAX] = "", last[WHEN_MAX] = "never";
        int rc = 0;

        if (r->firing)
                local_time(r->of->zone, r->firing->at_ms, when);
        if (r->of->past.last_ms)
                local_time(r->of->zone, r->of->past.last_ms, last);
        put_by(&by, r);
        const char *text = buf_cstr(&by);
        const char *const cells[COLUMNS] = {
                r->firing && r->firing->missed ? "missed: at once" : when, tz_name(r->of->zone),
                r->of->mapper->spec->name, reads_all(r) ? "everything" : "changes", last,
                text ? text : "..."};
        for (size_t i = 0; i < COLUMNS && rc == 0; i++)
                rc = table_cell(t, str_of(cells[i]), e);
        return rc;
}

/* ---- the command ---- */

static int read_count(struct cli *cli, size_t *max, struct err *e)
{
        int64_t given = cli->values.limit;

        if (given == 0 || given > COUNT_MAX)
                return err_set(e, ERR_USAGE, "--count is from 1 to %d", COUNT_MAX);
        *max = given < 0 ? COUNT_DEFAULT : (size_t)given;
        return 0;
}

static int run(struct schedule_command *c, const struct config_mapper **chosen, struct err *e)
{
        c->planned = calloc(c->count + 1, sizeof(*c->planned));
        if (!c->planned)
                return err_nomem(e, "mappers");
        for (size_t i = 0; i < c->count; i++)
                c->planned[i].mapper = chosen[i];
        return plan_all(c, e);
}

static void deinit(struct schedule_command *c)
{
        for (size_t i = 0; c->planned && i < c->count; i++) {
                tz_free(c->planned[i].zone);
                free(c->planned[i].firings);
        }
        free(c->planned);
        free(c->list);
}

static int schedule(struct cli *cli)
{
        cleanup_(config_freep) struct config *config = NULL;
        struct schedule_command c = {.cli = cli, .now_ms = clock_wall_us() / 1000};
        struct err e;

        if (read_count(cli, &c.max, &e) || cli_load_config(cli, &config, &e))
                return cli_fail(cli, NULL, &e);
        c.config = config;
        cleanup_(freep) const struct config_mapper **chosen =
                calloc(config->mapper_count + 1, sizeof(*chosen));
        int rc = chosen ? cli_select(cli, config, chosen, &c.count, &e) : err_nomem(&e, "mappers");
        if (rc == 0)
                rc = run(&c, chosen, &e);
        int code = rc == 0 && cli->values.json ? print_json(&c) : EXIT_OK;
        if (rc == 0 && !cli->values.json)
                rc = table_print(columns, COLUMNS, c.length, print_row, &c, &e);
        deinit(&c);
        return rc ? cli_fail(cli, NULL, &e) : code;
}

static const struct cli_option options[] = {
        {"count", 0, CLI_NUMBER, "N", offsetof(struct cli_values, limit),
                "the next N runs of each mapper (default 3, at most 1000)"},
};

const struct cli_command command_schedule = {
        .name = "schedule",
        .words = "[MAPPER...]",
        .max_words = CLI_MAX_WORDS,
        .summary = "the next runs that serve will start",
        .detail =
                "From the mappers' schedules and what is known here of their last runs; no server\n"
                "is asked. Times are of each mapper's zone. READS says whether a run reads\n"
                "everything, or what changed. A run that was missed comes as soon as serve runs.\n"
                "Jitter, limits, pauses and failures are not in it: the status page and\n"
                "/api/v1/mappers of the service have them. Mappers without a schedule come last,\n"
                "with what starts them.\n\n"
                "With --json:\n"
                "  {\"now\": TIME,\n"
                "   \"runs\": [{\"mapper\", \"at\": TIME, \"local\": \"2026-03-29 02:00:00\",\n"
                "     \"timezone\", \"full\": reads everything, \"missed\": BOOL, \"by\"}],\n"
                "   \"mappers\": [{\"mapper\", \"schedule\", \"full\", \"timezone\",\n"
                "     \"jitter_seconds\", \"timeout_seconds\", \"after\": [NAME], \"notify\",\n"
                "     \"last_run\": TIME, \"last_full\": TIME, \"next_run\": TIME}]}\n"
                "TIME is RFC 3339 in UTC; what a mapper has not is null.",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .run = schedule,
};
