/*
 * The rows of a group gather in a set; the row that ends it waits in `ahead`. A group that grows
 * past the limits keeps its first row only: its key names the reject.
 */
#include "ingest/source/group.h"

#include <stdio.h>

struct group {
        struct assembler base;
        struct row_stream stream;
        size_t columns;
        const size_t *key;
        size_t key_count;
        struct row_limits limits;
        struct row_set rows;
        struct row ahead; /* bytes NULL: none */
        struct child_rows view;
        size_t count, bytes; /* of the group, dropped rows too */
        bool delivered, ended;
        char reason[128];
};

static struct assembler *group_free(struct assembler *a)
{
        struct group *g = (struct group *)a;

        row_set_deinit(&g->rows);
        if (g->ahead.bytes)
                g->stream.release(g->ahead.bytes);
        free(g);
        return NULL;
}

static bool same_group(const struct group *g, const struct value *a, const struct value *b)
{
        for (size_t i = 0; i < g->key_count; i++) {
                struct value x = a[g->key[i]], y = b[g->key[i]];

                if (!x.ptr != !y.ptr || x.len != y.len)
                        return false;
                if (x.ptr && memcmp(x.ptr, y.ptr, x.len) != 0)
                        return false;
        }
        return true;
}

static bool too_large(const struct group *g)
{
        return g->count > g->limits.max_rows || g->bytes > g->limits.max_bytes;
}

/* The first row is always kept: the key stands in it. */
static int take_ahead(struct group *g, struct err *e)
{
        g->count++;
        g->bytes += row_set_cost(&g->ahead, g->columns);
        if (g->rows.count > 0 && too_large(g)) {
                g->stream.release(TAKE(g->ahead.bytes));
                return 0;
        }
        int rc = row_set_add(&g->rows, &g->ahead, e);
        if (!rc)
                g->ahead.bytes = NULL;
        return rc;
}

/* Return: 0 (a row is ahead, or the stream has ended), RECORD_WAIT, -class. */
static int look_ahead(struct group *g, struct err *e)
{
        if (g->ahead.bytes || g->ended)
                return 0;
        int rc = g->stream.next(g->stream.ctx, &g->ahead, e);
        if (rc == ROW_END) {
                g->ended = true;
                return 0;
        }
        return rc == ROW_WAIT ? RECORD_WAIT : rc;
}

static int hand_over(struct group *g, struct assembled *out)
{
        g->delivered = true;
        out->key_row = row_set_values(&g->rows);
        if (too_large(g)) {
                snprintf(g->reason, sizeof(g->reason),
                        "the group has %zu rows and %zu bytes: more than the limit of %zu rows or "
                        "%zu bytes",
                        g->count, g->bytes, g->limits.max_rows, g->limits.max_bytes);
                out->reason = g->reason;
                return RECORD_REJECT;
        }
        g->view = (struct child_rows){row_set_values(&g->rows), g->rows.count};
        out->record = (struct record){.row = g->view.values, .children = &g->view};
        return 0;
}

static int group_next(struct assembler *a, struct assembled *out, struct err *e)
{
        struct group *g = (struct group *)a;

        if (g->delivered) {
                row_set_clear(&g->rows);
                g->count = g->bytes = 0;
                g->delivered = false;
        }
        for (;;) {
                int rc = look_ahead(g, e);
                if (rc)
                        return rc;
                if (g->ended && g->rows.count == 0)
                        return RECORD_END;
                if (g->ended || (g->rows.count > 0 &&
                                        !same_group(g, row_set_values(&g->rows), g->ahead.values)))
                        return hand_over(g, out);
                rc = take_ahead(g, e);
                if (rc)
                        return rc;
        }
}

static const struct assembler_ops group_ops = {group_next, group_free};

int group_new(const struct row_stream *stream, size_t columns, const size_t *key, size_t key_count,
        const struct row_limits *limits, struct assembler **out, struct err *e)
{
        struct group *g = calloc(1, sizeof(*g));

        if (!g)
                return err_nomem(e, "a group");
        g->base.ops = &group_ops;
        g->stream = *stream;
        g->columns = columns;
        g->key = key;
        g->key_count = key_count;
        g->limits = limits ? *limits : row_limits_default;
        row_set_init(&g->rows, columns, stream->release);
        *out = &g->base;
        return 0;
}
