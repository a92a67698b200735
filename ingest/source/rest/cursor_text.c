/*
 * Positions and progress as text: one line of JSON, so that a person who looks at a checkpoint can
 * read it. What is read back is checked as if a stranger had written it: it comes from a file or
 * from CouchDB. Numbers are text, since JSON numbers end at 2^53.
 */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>

#include "ingest/source/rest/cursor_internal.h"
#include "ingest/source/rest/time.h"

#define POSITION_VERSION 1
#define POSITION_MAX     (256 << 10) /* 32 values of 1 KiB, escaped */
#define PROGRESS_MAX     (16 << 10)
#define ORIGIN_MAX       (8 << 10)
#define KINDS            (REST_CURSOR_ETAG + 1)

static const char *const kind_names[KINDS] = {
        [REST_CURSOR_NONE] = "none",
        [REST_CURSOR_TIME] = "time",
        [REST_CURSOR_INTEGER] = "integer",
        [REST_CURSOR_TEXT] = "text",
        [REST_CURSOR_HEADER] = "if-modified-since",
        [REST_CURSOR_ETAG] = "etag",
};

/* ---- printing ---- */

static bool put_text(cJSON *to, const char *name, const char *text)
{
        return cJSON_AddStringToObject(to, name, text) != NULL;
}

static bool put_number(cJSON *to, const char *name, int64_t n)
{
        char text[24];

        snprintf(text, sizeof(text), "%" PRId64, n);
        return put_text(to, name, text);
}

static bool add(cJSON *list, cJSON *item)
{
        if (item && cJSON_AddItemToArray(list, item))
                return true;
        cJSON_Delete(item);
        return false;
}

static bool put_fields(cJSON *to, const struct rest_position *p)
{
        cJSON *list = cJSON_AddArrayToObject(to, "fields");
        bool ok = list;

        for (size_t i = 0; ok && i < p->field_count; i++)
                ok = add(list, cJSON_CreateString(p->fields[i]));
        return ok;
}

static bool put_past(cJSON *to, const struct rest_position *p)
{
        cJSON *list = cJSON_AddArrayToObject(to, "past");
        bool ok = list;

        for (size_t i = 0; ok && i < p->past_count; i++) {
                cJSON *item = cJSON_CreateObject();
                ok = item && put_number(item, "at_us", p->past[i].at_us) &&
                     put_text(item, "value", p->past[i].value);
                ok = add(list, item) && ok;
        }
        return ok;
}

static bool put_position(cJSON *to, const struct rest_position *p)
{
        return put_number(to, "version", POSITION_VERSION) && put_text(to, "origin", p->origin) &&
               put_text(to, "kind", kind_names[p->kind]) && put_fields(to, p) &&
               put_text(to, "format", p->format) && put_text(to, "zone", p->zone) &&
               put_number(to, "began_us", p->began_us) &&
               (!p->has_value || put_number(to, "value_us", p->value_us)) &&
               put_number(to, "proof_us", p->proof_us) && put_past(to, p);
}

/* Prints and deletes @json; @ok: it is whole. */
static int print(cJSON *json, bool ok, const char *what, struct buf *out, struct err *e)
{
        char *text = json && ok ? cJSON_PrintUnformatted(json) : NULL;

        cJSON_Delete(json);
        if (!text)
                return err_nomem(e, what);
        buf_puts(out, text);
        cJSON_free(text);
        return buf_check(out, what, e);
}

int rest_position_print(const struct rest_position *p, struct buf *out, struct err *e)
{
        cJSON *json = cJSON_CreateObject();

        return print(json, json && put_position(json, p), "position", out, e);
}

/* ---- parsing ---- */

struct reader {
        struct arena *arena;
        bool bad;     /* sticky: what was read is not a position */
        bool no_room; /* in the arena */
};

static const char *text_of(const cJSON *from, const char *name)
{
        return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(from, name));
}

static const char *keep(struct reader *r, const char *text, size_t max)
{
        r->bad |= !text || strlen(text) > max;
        if (r->bad)
                return "";
        const char *copy = arena_strdup(r->arena, str_of(text));
        r->no_room |= !copy;
        return copy ? copy : "";
}

static int64_t take_time(struct reader *r, const cJSON *from, const char *name)
{
        const char *text = text_of(from, name);
        int64_t n = 0;

        r->bad |= !text || !str_to_int64(str_of(text), &n) || n < REST_TIME_US_MIN ||
                  n > REST_TIME_US_MAX;
        return r->bad ? 0 : n;
}

static enum rest_cursor_kind take_kind(struct reader *r, const cJSON *json)
{
        const char *name = text_of(json, "kind");
        int k = 0;

        while (k < KINDS && strcmp(name ? name : "", kind_names[k]) != 0)
                k++;
        r->bad |= k == KINDS;
        return r->bad ? REST_CURSOR_NONE : (enum rest_cursor_kind)k;
}

static const cJSON *take_list(struct reader *r, const cJSON *from, const char *name, size_t max)
{
        const cJSON *list = cJSON_GetObjectItemCaseSensitive(from, name);

        r->bad |= !cJSON_IsArray(list) || (size_t)cJSON_GetArraySize(list) > max;
        return r->bad ? NULL : list;
}

static void take_fields(struct reader *r, const cJSON *json, struct rest_position *p)
{
        const cJSON *item, *list = take_list(r, json, "fields", REST_CURSOR_FIELDS);

        cJSON_ArrayForEach(item, list) p->fields[p->field_count++] =
                keep(r, cJSON_GetStringValue(item), ORIGIN_MAX);
}

static void take_past(struct reader *r, const cJSON *json, struct rest_position *p)
{
        const cJSON *item, *list = take_list(r, json, "past", POSITION_PAST);

        cJSON_ArrayForEach(item, list)
        {
                struct rest_past *past = &p->past[p->past_count++];
                past->at_us = take_time(r, item, "at_us");
                past->value = keep(r, text_of(item, "value"), CURSOR_MAX_BYTES);
                r->bad |= !cursor_is_value(p->kind, str_of(past->value));
        }
        r->bad |= p->past_count && !cursor_has_text(p->kind);
}

static void take_position(struct reader *r, const cJSON *json, struct rest_position *p)
{
        const char *version = text_of(json, "version");

        r->bad |= !version || strcmp(version, "1") != 0;
        p->origin = keep(r, text_of(json, "origin"), ORIGIN_MAX);
        p->kind = take_kind(r, json);
        take_fields(r, json, p);
        p->format = keep(r, text_of(json, "format"), ORIGIN_MAX);
        p->zone = keep(r, text_of(json, "zone"), ORIGIN_MAX);
        p->began_us = take_time(r, json, "began_us");
        p->has_value = cJSON_GetObjectItemCaseSensitive(json, "value_us") != NULL;
        if (p->has_value)
                p->value_us = take_time(r, json, "value_us");
        p->proof_us = take_time(r, json, "proof_us");
        take_past(r, json, p);
}

static cJSON *parse(struct str text, size_t max)
{
        if (text.len > max || !str_utf8_valid(text))
                return NULL;
        return cJSON_ParseWithLength(text.ptr, text.len);
}

int rest_position_parse(
        struct str text, struct arena *arena, struct rest_position **out, struct err *e)
{
        struct rest_position *p = arena_alloc(arena, sizeof(*p));
        struct reader r = {.arena = arena};
        cJSON *json = parse(text, POSITION_MAX);

        r.bad = !cJSON_IsObject(json);
        r.no_room = !p;
        if (p && !r.bad)
                take_position(&r, json, p);
        cJSON_Delete(json);
        if (r.no_room)
                return arena_failed(arena, "a position", e);
        if (r.bad)
                return err_set(e, ERR_CONFIG, "the stored position is not one of a REST source");
        *out = p;
        return 0;
}

/* ---- progress ---- */

int rest_progress_print(const struct rest_progress *p, struct buf *out, struct err *e)
{
        cJSON *json = cJSON_CreateObject();
        bool ok = json && put_text(json, "kind", kind_names[p->spec->kind]);

        if (ok && p->any && p->spec->kind == REST_CURSOR_TIME)
                ok = put_number(json, "largest_us", p->largest_us) &&
                     put_number(json, "step_us", p->step_us);
        if (ok && p->ahead_us != INT64_MIN)
                ok = put_number(json, "ahead_us", p->ahead_us);
        if (ok && p->any && p->largest.len) {
                cleanup_buf_ struct buf text = BUF_INIT(CURSOR_MAX_BYTES);
                buf_put_str(&text, buf_str(&p->largest));
                ok = buf_cstr(&text) && put_text(json, "largest", text.data);
        }
        return print(json, ok, "progress", out, e);
}

static bool take_progress(struct rest_progress *p, const cJSON *json, struct reader *r)
{
        enum rest_cursor_kind kind = take_kind(r, json);
        const char *text = text_of(json, "largest");
        bool has_time = cJSON_GetObjectItemCaseSensitive(json, "largest_us") != NULL;
        int64_t us = has_time ? take_time(r, json, "largest_us") : 0;
        int64_t step_us = has_time ? take_time(r, json, "step_us") : p->step_us;
        bool has_ahead = cJSON_GetObjectItemCaseSensitive(json, "ahead_us") != NULL;
        int64_t ahead_us = has_ahead ? take_time(r, json, "ahead_us") : INT64_MIN;

        if (r->bad || kind != p->spec->kind || (has_time && kind != REST_CURSOR_TIME) ||
                (has_time && !cursor_is_step(step_us)) ||
                (text && (!cursor_has_text(kind) || !cursor_is_value(kind, str_of(text)))))
                return false;
        if (text) {
                buf_clear(&p->largest);
                buf_puts(&p->largest, text);
        }
        p->largest_us = us;
        p->step_us = step_us;
        p->ahead_us = ahead_us;
        p->any = has_time || text;
        return true;
}

int rest_progress_parse(struct rest_progress *p, struct str text, struct err *e)
{
        struct reader r = {0};
        cJSON *json = parse(text, PROGRESS_MAX);
        bool ok = cJSON_IsObject(json) && take_progress(p, json, &r);

        cJSON_Delete(json);
        if (!ok)
                return err_set(e, ERR_CONFIG, "what the last read saw is not of this cursor");
        return buf_check(&p->largest, "a cursor", e);
}
