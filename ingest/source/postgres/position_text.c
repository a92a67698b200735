/*
 * The text is JSON, so that a person who looks at a checkpoint can read it. What is read back is
 * checked as if a stranger had written it: it comes from a file or from CouchDB.
 */
#include "ingest/source/postgres/position.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define POSITION_VERSION 1
#define OPEN_MAX         (1 << 18) /* transactions: PostgreSQL has fewer backends */
#define TIME_MAX_US      (INT64_C(253402300800) * PG_SECOND_US) /* the end of the year 9999 */

static const char *const kind_names[PG_CURSOR_KINDS] = {
        [PG_CURSOR_NONE] = "none",
        [PG_CURSOR_INSTANT] = "instant",
        [PG_CURSOR_LOCAL] = "local time",
        [PG_CURSOR_DATE] = "date",
        [PG_CURSOR_NUMBER] = "number",
        [PG_CURSOR_TEXT] = "text",
};

/* ---- printing ---- */

/* Numbers beyond 2^53 do not survive as JSON numbers: text. */
static void put_number(cJSON *to, const char *name, int64_t n)
{
        char text[24];

        snprintf(text, sizeof(text), "%lld", (long long)n);
        cJSON_AddStringToObject(to, name, text);
}

static void put_text(cJSON *to, const char *name, const char *text)
{
        if (text)
                cJSON_AddStringToObject(to, name, text);
}

static void put_values(cJSON *to, const char *const *values, size_t count)
{
        cJSON *list = cJSON_AddArrayToObject(to, "values");

        for (size_t i = 0; i < count; i++)
                cJSON_AddItemToArray(
                        list, values[i] ? cJSON_CreateString(values[i]) : cJSON_CreateNull());
}

static void put_cursors(cJSON *to, const struct pg_position *p)
{
        cJSON *list = cJSON_AddArrayToObject(to, "cursors");

        for (size_t i = 0; i < p->count; i++) {
                const struct pg_cursor *c = &p->cursors[i];
                cJSON *item = cJSON_CreateObject();
                put_text(item, "kind", kind_names[c->kind]);
                put_text(item, "cursor", c->text);
                put_text(item, "type", c->type);
                put_text(item, "value", c->value);
                put_text(item, "latest", c->latest);
                cJSON_AddItemToArray(list, item);
        }
}

static void put_open(cJSON *to, const struct pg_position *p)
{
        cJSON *list = cJSON_AddArrayToObject(to, "open");

        for (size_t i = 0; i < p->open_count; i++) {
                cJSON *item = cJSON_CreateObject();
                put_text(item, "id", p->open[i].id);
                if (p->open[i].start_us != PG_START_HIDDEN)
                        put_number(item, "start_us", p->open[i].start_us);
                cJSON_AddItemToArray(list, item);
        }
}

static void put_ids(cJSON *to, const struct pg_waiting *w)
{
        cJSON *list = cJSON_AddArrayToObject(to, "open");

        for (size_t i = 0; i < w->open_count; i++)
                cJSON_AddItemToArray(list, cJSON_CreateString(w->open[i]));
}

static void put_waiting(cJSON *to, const struct pg_position *p)
{
        cJSON *list = cJSON_AddArrayToObject(to, "waiting");

        for (size_t k = 0; k < p->waiting_count; k++) {
                cJSON *item = cJSON_CreateObject();
                put_ids(item, &p->waiting[k]);
                put_values(item, p->waiting[k].values, p->count);
                cJSON_AddItemToArray(list, item);
        }
}

static void put_past(cJSON *to, const struct pg_position *p)
{
        cJSON *list = cJSON_AddArrayToObject(to, "past");

        for (size_t k = 0; k < p->past_count; k++) {
                cJSON *item = cJSON_CreateObject();
                put_number(item, "at_us", p->past[k].at_us);
                put_values(item, p->past[k].values, p->count);
                cJSON_AddItemToArray(list, item);
        }
}

int pg_position_print(const struct pg_position *p, struct buf *out, struct err *e)
{
        cJSON *json = cJSON_CreateObject();

        put_number(json, "version", POSITION_VERSION);
        put_text(json, "system", p->system);
        put_text(json, "zone", p->zone);
        put_number(json, "timeline", p->timeline);
        put_number(json, "database", p->database);
        put_number(json, "server_start_us", p->server_start_us);
        put_number(json, "wal", p->wal);
        put_number(json, "observed_us", p->observed_us);
        put_cursors(json, p);
        put_open(json, p);
        put_waiting(json, p);
        put_past(json, p);
        char *text = cJSON_PrintUnformatted(json);
        cJSON_Delete(json);
        if (!text)
                return err_nomem(e, "a position");
        buf_puts(out, text);
        cJSON_free(text);
        return buf_check(out, "position", e);
}

/* ---- parsing ---- */

struct reader {
        struct arena *arena;
        struct pg_position *p;
        bool bad; /* sticky: what was read is not a position */
};

static const char *take_text(struct reader *r, const cJSON *from, const char *name)
{
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(from, name));
        const char *copy = text ? arena_strdup(r->arena, str_of(text)) : NULL;

        r->bad |= text && !copy;
        return copy;
}

static int64_t take_number(struct reader *r, const cJSON *from, const char *name, int64_t max)
{
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(from, name));
        int64_t n = 0;

        r->bad |= !text || !str_to_int64(str_of(text), &n) || n < 0 || n > max;
        return n;
}

static int64_t take_time(struct reader *r, const cJSON *from, const char *name)
{
        return take_number(r, from, name, TIME_MAX_US);
}

/* The list @name of at most @max items. */
static const cJSON *take_list(
        struct reader *r, const cJSON *from, const char *name, size_t max, size_t *count)
{
        const cJSON *list = cJSON_GetObjectItemCaseSensitive(from, name);

        r->bad |= !cJSON_IsArray(list) || (size_t)cJSON_GetArraySize(list) > max;
        *count = r->bad ? 0 : (size_t)cJSON_GetArraySize(list);
        return r->bad ? NULL : list;
}

/* It becomes a literal in a statement: one that the server refuses would end every run. */
static bool is_value(enum pg_cursor_kind kind, const char *value)
{
        struct str v = str_of(value);

        if (!value || !pg_cursor_is_time(kind))
                return !value || pg_cursor_may_follow(kind, v);
        return v.len < PG_CURSOR_TIME_BYTES && strspn(value, "0123456789-+:. ") == v.len
                       ? v.len >= sizeof("0001-01-01") - 1
                       : strcmp(value, "-infinity") == 0;
}

static void take_values(struct reader *r, const cJSON *from, const char **values)
{
        const cJSON *item;
        size_t count, i = 0;
        const cJSON *list = take_list(r, from, "values", PG_POSITION_STREAMS, &count);

        r->bad |= count != r->p->count;
        cJSON_ArrayForEach(item, list)
        {
                const char *text = cJSON_GetStringValue(item);
                if (r->bad)
                        return;
                values[i] = text ? arena_strdup(r->arena, str_of(text)) : NULL;
                r->bad |= text && (!values[i] || !is_value(r->p->cursors[i].kind, text));
                i++;
        }
}

static enum pg_cursor_kind take_kind(struct reader *r, const cJSON *from)
{
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(from, "kind"));
        unsigned k = 0;

        while (k < PG_CURSOR_KINDS && strcmp(name ? name : "", kind_names[k]) != 0)
                k++;
        r->bad |= k == PG_CURSOR_KINDS;
        return r->bad ? PG_CURSOR_NONE : (enum pg_cursor_kind)k;
}

static void take_cursors(struct reader *r, const cJSON *json)
{
        const cJSON *item;
        size_t i = 0;
        const cJSON *list = take_list(r, json, "cursors", PG_POSITION_STREAMS, &r->p->count);

        cJSON_ArrayForEach(item, list)
        {
                struct pg_cursor *c = &r->p->cursors[i++];
                c->kind = take_kind(r, item);
                c->text = take_text(r, item, "cursor");
                c->type = take_text(r, item, "type");
                c->value = take_text(r, item, "value");
                c->latest = take_text(r, item, "latest");
                r->bad |= c->kind != PG_CURSOR_NONE && (!c->type || !c->text);
                r->bad |= !is_value(c->kind, c->value) || !is_value(c->kind, c->latest);
        }
}

static void take_open(struct reader *r, const cJSON *json)
{
        const cJSON *item;
        const cJSON *list = take_list(r, json, "open", OPEN_MAX, &r->p->open_count);
        size_t i = 0;

        r->p->open = arena_array(r->arena, r->p->open_count + 1, sizeof(*r->p->open));
        r->bad |= !r->p->open;
        cJSON_ArrayForEach(item, list)
        {
                if (r->bad)
                        return;
                struct pg_bound *b = &r->p->open[i++];
                b->id = take_text(r, item, "id");
                b->start_us = PG_START_HIDDEN;
                if (cJSON_GetObjectItemCaseSensitive(item, "start_us"))
                        b->start_us = take_time(r, item, "start_us");
                r->bad |= !b->id;
        }
}

static void take_ids(struct reader *r, const cJSON *from, struct pg_waiting *w)
{
        const cJSON *item;
        const cJSON *list = take_list(r, from, "open", OPEN_MAX, &w->open_count);
        size_t i = 0;

        w->open = arena_array(r->arena, w->open_count + 1, sizeof(*w->open));
        r->bad |= !w->open;
        cJSON_ArrayForEach(item, list)
        {
                const char *text = cJSON_GetStringValue(item);
                r->bad |= !text;
                if (r->bad)
                        return;
                w->open[i] = arena_strdup(r->arena, str_of(text));
                r->bad |= !w->open[i++];
        }
}

static void take_waiting(struct reader *r, const cJSON *json)
{
        const cJSON *item;
        const cJSON *list =
                take_list(r, json, "waiting", PG_POSITION_WAITING, &r->p->waiting_count);
        size_t i = 0;

        cJSON_ArrayForEach(item, list)
        {
                take_ids(r, item, &r->p->waiting[i]);
                take_values(r, item, r->p->waiting[i++].values);
        }
}

static void take_past(struct reader *r, const cJSON *json)
{
        const cJSON *item;
        const cJSON *list = take_list(r, json, "past", PG_POSITION_PAST, &r->p->past_count);
        size_t i = 0;

        cJSON_ArrayForEach(item, list)
        {
                r->p->past[i].at_us = take_time(r, item, "at_us");
                take_values(r, item, r->p->past[i++].values);
        }
}

int pg_position_parse(struct str text, struct arena *arena, struct pg_position *out, struct err *e)
{
        struct reader r = {.arena = arena, .p = out};
        cJSON *json = cJSON_ParseWithLength(text.ptr, text.len);

        *out = (struct pg_position){0};
        r.bad = !json || take_number(&r, json, "version", INT64_MAX) != POSITION_VERSION;
        out->system = take_text(&r, json, "system");
        out->zone = take_text(&r, json, "zone");
        out->timeline = take_number(&r, json, "timeline", INT64_MAX);
        out->database = take_number(&r, json, "database", INT64_MAX);
        out->server_start_us = take_time(&r, json, "server_start_us");
        out->wal = take_number(&r, json, "wal", INT64_MAX);
        out->observed_us = take_time(&r, json, "observed_us");
        take_cursors(&r, json);
        take_open(&r, json);
        take_waiting(&r, json);
        take_past(&r, json);
        cJSON_Delete(json);
        if (r.bad || !out->system || !out->zone)
                return err_set(e, ERR_CONFIG, "what is kept of the cursor cannot be read");
        return 0;
}
