/* A record is read as one of a reply is, by the same paths; its children, which a read asks for one
 * by one, are members of it. Rows of a group stand in the order in which they are given, as those
 * of a reply do. */
#include "ingest/source/rest/pushed.h"

#include "ingest/source/pushed.h"
#include "ingest/source/rest/rows.h"

struct pushing {
        const struct shape *shape;
        struct arena *arena;
        struct rest_rows *rows;
        struct value *values; /* of the record's rows so far */
        size_t count, capacity;
};

static int make_room(struct pushing *p, struct err *e)
{
        size_t width = p->shape->columns.count, capacity = p->capacity ? 2 * p->capacity : 1;

        if (p->count < p->capacity)
                return 0;
        struct value *values = arena_array(p->arena, capacity * width, sizeof(*values));
        if (!values)
                return arena_failed(p->arena, "pushed records", e);
        if (p->count)
                memcpy(values, p->values, p->count * width * sizeof(*values));
        p->values = values;
        p->capacity = capacity;
        return 0;
}

static int take_row(void *ctx, struct str row, struct err *e)
{
        struct pushing *p = ctx;
        size_t width = p->shape->columns.count;
        const struct value *values;
        int rc = rest_rows_read(p->rows, row, &values, e);

        if (!rc)
                rc = make_room(p, e);
        for (size_t i = 0; !rc && i < width; i++) {
                struct value *to = &p->values[p->count * width + i];
                *to = values[i];
                if (!values[i].ptr)
                        continue;
                to->ptr = arena_dup(p->arena, (struct str){values[i].ptr, values[i].len}).ptr;
                if (!to->ptr)
                        rc = arena_failed(p->arena, "pushed records", e);
        }
        p->count += rc == 0;
        return rc;
}

static int take_record(
        struct pushing *p, const struct extract *x, struct source_pushed *item, struct err *e)
{
        cleanup_buf_ struct buf merged = BUF_INIT(PUSHED_MAX_TEXT);
        struct child_rows *rows = arena_array(p->arena, 1, sizeof(*rows));
        struct err why;

        if (!rows)
                return arena_failed(p->arena, "pushed records", e);
        p->values = NULL;
        p->count = p->capacity = 0;
        int rc = x->group.count ? pushed_group(item->json, &merged, take_row, p, &why)
                                : take_row(p, item->json, &why);
        if (rc == -ERR_REJECT)
                return pushed_refuse(item, p->arena, e, "%s", why.text);
        if (rc) {
                *e = why;
                return rc;
        }
        *rows = (struct child_rows){p->values, p->count};
        item->record = (struct record){p->values, rows};
        return 0;
}

int rest_convert(struct source *source, const struct extract *x, const struct shape *shape,
        struct source_pushed *items, size_t count, struct arena *arena, struct err *e)
{
        struct pushing p = {.shape = shape, .arena = arena};
        int rc = rest_rows_new(x, shape, REST_ROWS_PUSHED, arena, &p.rows, e);

        (void)source;
        for (size_t i = 0; !rc && i < count; i++)
                rc = take_record(&p, x, &items[i], e);
        rest_rows_deinit(p.rows);
        return rc;
}
