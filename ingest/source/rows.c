/*
 * A set keeps the buffers that the rows came in, so that child rows are not copied: only their
 * values (a pointer and a length each) are.
 */
#include "ingest/source/rows.h"

#include <stdio.h>

const struct row_limits row_limits_default = {
        .max_bytes = RECORD_MAX_BYTES,
        .max_rows = RECORD_MAX_CHILD_ROWS,
};

/* A set is bounded by the row_limits of its user; this is the ceiling of its own arrays: every
 * row of the most there may be, each with the most columns that fit the bytes. */
#define SET_MAX_BYTES ((size_t)2 * RECORD_MAX_BYTES)

void row_set_init(struct row_set *s, size_t columns, void (*release)(char *bytes))
{
        *s = (struct row_set){.columns = columns, .release = release};
        buf_init(&s->values, SET_MAX_BYTES);
        buf_init(&s->owners, SET_MAX_BYTES);
}

void row_set_clear(struct row_set *s)
{
        char **owners = (char **)s->owners.data;

        for (size_t i = 0; i < s->count; i++)
                s->release(owners[i]);
        s->count = 0;
        buf_clear(&s->values);
        buf_clear(&s->owners);
}

void row_set_deinit(struct row_set *s)
{
        if (!s->release)
                return;
        row_set_clear(s);
        buf_deinit(&s->values);
        buf_deinit(&s->owners);
}

int row_set_add(struct row_set *s, const struct row *r, struct err *e)
{
        buf_put(&s->values, r->values, s->columns * sizeof(*r->values));
        buf_put(&s->owners, &r->bytes, sizeof(r->bytes));
        int rc = buf_check(&s->values, "rows of one record", e);
        if (!rc)
                rc = buf_check(&s->owners, "rows of one record", e);
        if (rc)
                return rc;
        s->count++;
        return 0;
}

size_t row_set_cost(const struct row *r, size_t columns)
{
        return r->size + columns * sizeof(struct value) + sizeof(char *);
}

struct rows_plain {
        struct assembler base;
        struct row_stream stream;
        struct row_limits limits;
        struct row row; /* of the record handed over last */
        char reason[96];
};

static void plain_drop(struct rows_plain *p)
{
        if (p->row.bytes)
                p->stream.release(TAKE(p->row.bytes));
}

static int plain_next(struct assembler *a, struct assembled *out, struct err *e)
{
        struct rows_plain *p = (struct rows_plain *)a;

        plain_drop(p);
        int rc = p->stream.next(p->stream.ctx, &p->row, e);
        if (rc)
                return rc == ROW_WAIT ? RECORD_WAIT : rc == ROW_END ? RECORD_END : rc;
        out->key_row = p->row.values;
        if (p->row.size > p->limits.max_bytes) {
                snprintf(p->reason, sizeof(p->reason),
                        "the row has %zu bytes: more than the limit of %zu", p->row.size,
                        p->limits.max_bytes);
                out->reason = p->reason;
                return RECORD_REJECT;
        }
        out->record = (struct record){.row = p->row.values};
        return 0;
}

static struct assembler *plain_free(struct assembler *a)
{
        struct rows_plain *p = (struct rows_plain *)a;

        plain_drop(p);
        free(p);
        return NULL;
}

static const struct assembler_ops plain_ops = {plain_next, plain_free};

int rows_plain_new(const struct row_stream *stream, const struct row_limits *limits,
        struct assembler **out, struct err *e)
{
        struct rows_plain *p = calloc(1, sizeof(*p));

        if (!p)
                return err_nomem(e, "a read");
        p->base.ops = &plain_ops;
        p->stream = *stream;
        p->limits = limits ? *limits : row_limits_default;
        *out = &p->base;
        return 0;
}
