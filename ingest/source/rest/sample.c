/*
 * The key is looked for as in tables that declare none: columns whose names and types could be a
 * key, the likeliest first, until one is there and different in every record that was looked at.
 */
#include "ingest/source/rest/sample.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "ingest/base/buf.h"
#include "ingest/base/text.h"
#include "ingest/record/json_scan.h"
#include "ingest/source/rest/infer.h"
#include "ingest/source/rest/reply.h"

#define NAME_MAX_BYTES 200
#define KEY_NAME_MAX   4096 /* bytes of a member's name that are looked at */

/* ---- the call ---- */

static int hex(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c |= 0x20;
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Appends @s without percent-encoding; in a query + is a blank. */
static bool decode(struct str s, bool query, struct buf *out)
{
        for (size_t i = 0; i < s.len; i++) {
                if (s.ptr[i] != '%') {
                        buf_putc(out, query && s.ptr[i] == '+' ? ' ' : s.ptr[i]);
                        continue;
                }
                if (s.len - i < 3 || hex(s.ptr[i + 1]) < 0 || hex(s.ptr[i + 2]) < 0)
                        return false;
                buf_putc(out, (char)(hex(s.ptr[i + 1]) * 16 + hex(s.ptr[i + 2])));
                i += 2;
        }
        return true;
}

static int keep_decoded(struct str s, struct arena *arena, const char **out, struct err *e)
{
        cleanup_buf_ struct buf text = BUF_INIT(REST_SAMPLE_MAX_PATH);

        if (!decode(s, true, &text) || !str_utf8_valid(buf_str(&text)) ||
                (text.len && memchr(text.data, '\0', text.len)))
                return err_set(e, ERR_CONFIG,
                        "the query of the path is not percent-encoded text at '%.*s'",
                        (int)(s.len < 40 ? s.len : 40), s.ptr);
        *out = arena_strdup(arena, buf_str(&text));
        return *out ? 0 : arena_failed(arena, "the query", e);
}

static int add_param(struct str part, struct arena *arena, struct rest_pairs *out, struct err *e)
{
        const char *equals = memchr(part.ptr, '=', part.len);
        size_t n = equals ? (size_t)(equals - part.ptr) : part.len;
        struct str value = {part.ptr + n, part.len - n};
        struct rest_pair *pair = &out->items[out->count];

        if (equals)
                value = (struct str){equals + 1, value.len - 1};
        if (out->count == REST_SAMPLE_MAX_PARAMS)
                return err_set(e, ERR_CONFIG, "the query of the path has more than %d parameters",
                        REST_SAMPLE_MAX_PARAMS);
        int rc = keep_decoded((struct str){part.ptr, n}, arena, &pair->name, e);
        if (!rc)
                rc = keep_decoded(value, arena, &pair->value, e);
        out->count += rc == 0;
        return rc;
}

static int split_query(
        const char *query, struct arena *arena, struct rest_pairs *out, struct err *e)
{
        int rc = 0;

        out->items = arena_array(arena, REST_SAMPLE_MAX_PARAMS, sizeof(*out->items));
        if (!out->items)
                return arena_failed(arena, "the query", e);
        while (*query && !rc) {
                size_t n = strcspn(query, "&");
                if (n > 0 && *query != '=')
                        rc = add_param((struct str){query, n}, arena, out, e);
                query += n + (query[n] == '&');
        }
        return rc;
}

int rest_sample_call(
        const char *target, struct arena *arena, struct rest_sample_call *out, struct err *e)
{
        struct rest_sample_call call = {.path = NULL};
        size_t n = strcspn(target, "?#");

        if (strlen(target) > REST_SAMPLE_MAX_PATH)
                return err_set(
                        e, ERR_CONFIG, "the path has more than %d bytes", REST_SAMPLE_MAX_PATH);
        if (target[0] != '/' || !text_is_visible(str_of(target)))
                return err_set(e, ERR_CONFIG,
                        "'%.100s' is no path under the source's url: give one such as "
                        "'/products?limit=5'",
                        text_is_visible(str_of(target)) ? target : "");
        call.path = arena_strdup(arena, (struct str){target, n});
        if (!call.path)
                return arena_failed(arena, "the path", e);
        if (target[n] == '?') {
                const char *query = target + n + 1;
                const char *copy = arena_strdup(arena, (struct str){query, strcspn(query, "#")});
                if (!copy)
                        return arena_failed(arena, "the path", e);
                int rc = split_query(copy, arena, &call.params, e);
                if (rc)
                        return rc;
        }
        *out = call;
        return 0;
}

/* ---- the name ---- */

/* The last part of the path that is a word: products of /api/v2/products.json */
static const char *name_of(const char *path, struct arena *arena)
{
        cleanup_buf_ struct buf name = BUF_INIT(REST_SAMPLE_MAX_PATH);
        size_t end = strlen(path);

        while (end > 0 && path[end - 1] == '/')
                end--;
        size_t start = end;
        while (start > 0 && path[start - 1] != '/')
                start--;
        struct str part = {path + start, end - start};
        const char *dot = memchr(part.ptr, '.', part.len);
        if (dot && dot > part.ptr)
                part.len = (size_t)(dot - part.ptr);
        if (part.len > NAME_MAX_BYTES)
                part.len = NAME_MAX_BYTES;
        if (part.len == 0)
                part = STR("record");
        if (!decode(part, false, &name) || !text_is_visible(buf_str(&name)) || !name.len) {
                buf_clear(&name);
                buf_puts(&name, "record");
        }
        return name.error ? NULL : arena_strdup(arena, buf_str(&name));
}

/* ---- the key ---- */

/* The scalar member @name of @record, as text of a key; .ptr NULL: it can be none. */
static struct str key_value(struct str record, const char *name, struct buf *scratch)
{
        const struct str none = {NULL, 0};
        struct json_walk w;
        struct str key, value, found = none;

        if (!json_walk_open(&w, record, '{'))
                return none;
        while (json_walk_next(&w, &key, &value)) {
                if (scratch->error != -ERR_NOMEM) /* which the caller wants to see */
                        buf_clear(scratch);
                if (!json_unquote(key, scratch, NULL) && str_is(buf_str(scratch), name))
                        found = value;
        }
        if (found.len == 0 || str_is(found, "\"\"") || strchr("ntf{[", found.ptr[0]))
                return none;
        return found;
}

static int compare_values(const void *a, const void *b)
{
        return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Whether the columns @key are there in all records, and differ. */
static bool is_unique(const struct rest_reply_found *found, const char *name, struct str *values,
        struct buf *scratch)
{
        for (size_t i = 0; i < found->count; i++) {
                values[i] = key_value(found->records[i], name, scratch);
                if (!values[i].ptr)
                        return false;
        }
        qsort(values, found->count, sizeof(*values), compare_values);
        for (size_t i = 1; i < found->count; i++)
                if (str_eq(values[i - 1], values[i]))
                        return false;
        return true;
}

/* Frappe's records are known by their name; its first integers are flags. */
static bool is_frappe(const struct catalog_table *t)
{
        static const char *const names[] = {"name", "modified"};
        size_t found = 0;

        for (size_t i = 0; i < t->column_count; i++)
                for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
                        found += strcmp(t->columns[i].name, names[k]) == 0;
        return found == sizeof(names) / sizeof(names[0]);
}

/* Moves the column `name` to the front of the candidates. */
static void prefer_name(const struct catalog_table *t, size_t *candidates, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                size_t c = candidates[i];
                if (strcmp(t->columns[c].name, "name") != 0)
                        continue;
                memmove(candidates + 1, candidates, i * sizeof(*candidates));
                candidates[0] = c;
        }
}

static int find_key(const struct rest_reply_found *found, struct arena *arena,
        struct catalog_table *t, struct err *e)
{
        cleanup_buf_ struct buf scratch = BUF_INIT(KEY_NAME_MAX);
        size_t candidates[CATALOG_MAX_CANDIDATES];
        size_t count = catalog_key_candidates(t, candidates), i = 0;
        struct str *values = arena_array(arena, found->count + 1, sizeof(*values));
        size_t *key = arena_array(arena, 1, sizeof(*key));

        if (!values || !key)
                return arena_failed(arena, "the key", e);
        if (is_frappe(t))
                prefer_name(t, candidates, count);
        t->key_rows = (int64_t)found->count;
        if (count == 0)
                return 0;
        while (i < count && !is_unique(found, t->columns[candidates[i]].name, values, &scratch))
                i++;
        if (scratch.error == -ERR_NOMEM)
                return err_nomem(e, "the key");
        key[0] = candidates[i < count ? i : 0];
        t->key = key;
        t->key_count = 1;
        t->key_from = i < count ? CATALOG_KEY_SEEN : CATALOG_KEY_GUESS;
        return 0;
}

/* ---- the cursor ---- */

/* How OData filters by it; elsewhere nothing in a reply tells how it is asked for. */
static int add_cursor(const struct catalog_table *t, struct arena *arena, struct catalog_rest *rest,
        struct err *e)
{
        cleanup_buf_ struct buf filter = BUF_INIT(NAME_MAX_BYTES + 64);

        if (t->cursor_count == 0)
                return 0;
        const struct catalog_column *c = &t->columns[t->cursors[0]];
        struct rest_cursor_spec *cursor = &rest->cursor;
        cursor->kind = c->kind == COL_INT ? REST_CURSOR_INTEGER : REST_CURSOR_TIME;
        cursor->fields[cursor->field_count++] = c->name;
        cursor->format = c->kind == COL_INT    ? "integer"
                         : c->format           ? c->format
                         : c->kind == COL_DATE ? "%Y-%m-%d"
                                               : "rfc3339";
        if (strcmp(c->name, "UpdatedDateUTC") == 0) { /* Xero */
                cursor->header = "If-Modified-Since";
                rest->cursor_usable = true;
        }
        if (rest->odata != 4)
                return 0;
        buf_printf(&filter, "%.*s ge ${cursor}", NAME_MAX_BYTES, c->name);
        const char *text = buf_cstr(&filter);
        cursor->filter = text ? arena_strdup(arena, buf_str(&filter)) : NULL;
        rest->cursor_usable = true;
        return cursor->filter ? 0 : arena_failed(arena, "the cursor", e);
}

/* ---- all of it ---- */

/* What is not of the paging, and stays in every call. */
static void keep_params(const struct rest_sample_call *call, const struct rest_reply_found *found,
        struct catalog_rest *rest)
{
        for (size_t i = 0; i < call->params.count; i++) {
                bool paging = i < 8 * sizeof(size_t) && (found->paging_params >> i & 1);
                bool odata = rest->odata && call->params.items[i].name[0] == '$';
                if (!paging && !odata)
                        rest->params.items[rest->params.count++] = call->params.items[i];
        }
}

static int fill(const struct rest_sample_call *call, const struct rest_reply_found *found,
        struct arena *arena, struct catalog_rest *rest, struct catalog_table *t, struct err *e)
{
        rest->params.items =
                arena_array(arena, call->params.count + 1, sizeof(*rest->params.items));
        if (!rest->params.items)
                return arena_failed(arena, "the query", e);
        keep_params(call, found, rest);
        int rc = rest_infer_columns(
                found->records, found->count, arena, &t->columns, &t->column_count, e);
        if (!rc)
                rc = find_key(found, arena, t, e);
        if (!rc)
                rc = catalog_rank_cursors(t, arena, e);
        return rc ? rc : add_cursor(t, arena, rest, e);
}

int rest_sample_table(const struct rest_sample_call *call, const struct rest_sample_reply *reply,
        struct arena *arena, struct catalog_table *out, struct err *e)
{
        const struct rest_reply_input in = {reply->body, reply->link, call->path, call->params};
        struct catalog_rest *rest = arena_alloc(arena, sizeof(*rest));
        struct rest_reply_found found;
        struct catalog_table t = {
                .schema = "", .kind = CATALOG_REPLY, .rows = -1, .readable = true, .remedy = ""};

        t.name = name_of(call->path, arena);
        if (!rest || !t.name)
                return arena_failed(arena, "the reply", e);
        t.sql = t.name;
        t.rest = rest;
        rest->path = call->path;
        int rc = rest_reply_read(&in, arena, rest, &found, e);
        if (!rc)
                rc = fill(call, &found, arena, rest, &t, e);
        if (!rc)
                *out = t;
        return rc;
}
