/* A merged row is written anew as text: members of the record that the row does not have, then its
 * own. Names are compared as they are written; one that is written in two ways comes twice, and
 * whoever takes the row decides. */
#include "ingest/source/pushed.h"

#include <stdarg.h>
#include <stdio.h>

#include "ingest/record/json_scan.h"

int pushed_refuse(
        struct source_pushed *item, struct arena *arena, struct err *e, const char *fmt, ...)
{
        char text[ERR_TEXT_MAX];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        item->reason = arena_strdup(arena, str_of(text));
        return item->reason ? 0 : arena_failed(arena, "a reject", e);
}

int pushed_rows(struct str list, const char *name, pushed_row_fn fn, void *ctx, struct err *e)
{
        struct json_walk w;
        struct str key, row;
        size_t n = 0;
        int rc = 0;

        if (!list.ptr || str_is(list, "null"))
                return 0;
        if (!json_walk_open(&w, list, '['))
                return err_set(e, ERR_REJECT, "\"%s\" is an array of rows", name);
        while (!rc && json_walk_next(&w, &key, &row)) {
                n++;
                if (!row.len || row.ptr[0] != '{')
                        return err_set(
                                e, ERR_REJECT, "row %zu of \"%s\" is not an object", n, name);
                rc = fn(ctx, row, e);
        }
        return rc;
}

/* ---- groups ---- */

struct group {
        struct str names[PUSHED_MAX_MEMBERS]; /* of the record, without `rows` */
        struct str values[PUSHED_MAX_MEMBERS];
        size_t count;
        struct str rows;
        struct buf *scratch;
        pushed_row_fn fn;
        void *ctx;
        size_t row_count, bytes;
};

static int take_members(struct group *g, struct str record, struct err *e)
{
        struct json_walk w;
        struct str name, value;

        (void)json_walk_open(&w, record, '{');
        while (json_walk_next(&w, &name, &value)) {
                if (str_is(name, "\"rows\"")) {
                        g->rows = value;
                        continue;
                }
                if (g->count == PUSHED_MAX_MEMBERS)
                        return err_set(
                                e, ERR_REJECT, "it has more than %d members", PUSHED_MAX_MEMBERS);
                g->names[g->count] = name;
                g->values[g->count++] = value;
        }
        return 0;
}

static bool has_member(struct str row, struct str name)
{
        struct json_walk w;
        struct str key, value;

        (void)json_walk_open(&w, row, '{');
        while (json_walk_next(&w, &key, &value))
                if (str_eq(key, name))
                        return true;
        return false;
}

static size_t count_members(struct str row)
{
        struct json_walk w;
        struct str key, value;
        size_t n = 0;

        (void)json_walk_open(&w, row, '{');
        while (n <= PUSHED_MAX_MEMBERS && json_walk_next(&w, &key, &value))
                n++;
        return n;
}

static int merge(void *ctx, struct str row, struct err *e)
{
        struct group *g = ctx;
        struct buf *out = g->scratch;
        size_t own = count_members(row);

        if (own > PUSHED_MAX_MEMBERS)
                return err_set(e, ERR_REJECT, "a row has more than %d members", PUSHED_MAX_MEMBERS);
        buf_clear(out);
        buf_putc(out, '{');
        for (size_t i = 0; i < g->count; i++) {
                if (has_member(row, g->names[i]))
                        continue;
                buf_put_str(out, g->names[i]);
                buf_putc(out, ':');
                buf_put_str(out, g->values[i]);
                buf_putc(out, ',');
        }
        if (own == 0 && out->len > 1 && !out->error)
                out->len--; /* the last comma */
        buf_put(out, row.ptr + 1, row.len - 1);
        g->row_count++;
        g->bytes += out->len;
        if (g->bytes > PUSHED_MAX_TEXT)
                return err_set(e, ERR_REJECT,
                        "its rows, each with what is common to all, have more than %zu MiB",
                        PUSHED_MAX_TEXT >> 20);
        int rc = buf_check(out, "a row", e);
        return rc ? rc : g->fn(g->ctx, buf_str(out), e);
}

int pushed_group(struct str record, struct buf *scratch, pushed_row_fn fn, void *ctx, struct err *e)
{
        cleanup_(freep) struct group *g = calloc(1, sizeof(*g));

        if (!g)
                return err_nomem(e, "a group");
        g->scratch = scratch;
        g->fn = fn;
        g->ctx = ctx;
        int rc = take_members(g, record, e);
        if (!rc && !g->rows.ptr)
                return fn(ctx, record, e);
        if (!rc)
                rc = pushed_rows(g->rows, "rows", merge, g, e);
        if (!rc && !g->row_count)
                return err_set(e, ERR_REJECT,
                        "a group has at least one row: leave \"rows\" out where it has one alone");
        return rc;
}
