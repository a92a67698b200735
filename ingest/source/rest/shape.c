/* Names are few: looking for each among those before it is no work. */
#include "ingest/source/rest/shape.h"

#include <stdio.h>

#define NAME_MAX_BYTES (64 << 10) /* of a column */

struct draft {
        struct arena *arena;
        struct column *items;
        size_t count, max;
};

void rest_path_escaped(struct buf *out, const char *name)
{
        for (; *name; name++) {
                if (strchr(".[]\\", *name))
                        buf_putc(out, '\\');
                buf_putc(out, *name);
        }
}

void rest_path_head(struct buf *out, const char *path)
{
        for (; *path && *path != '.' && *path != '['; path++) {
                if (*path == '\\' && path[1])
                        path++;
                buf_putc(out, *path);
        }
}

static int add_column(
        struct draft *d, const char *prefix, const char *name, enum col_kind kind, struct err *e)
{
        cleanup_buf_ struct buf full = BUF_INIT(NAME_MAX_BYTES);

        buf_puts(&full, prefix);
        buf_puts(&full, name);
        int rc = buf_check(&full, "a column's name", e);
        if (rc)
                return rc;
        if (d->count == d->max)
                return err_set(
                        e, ERR_CONFIG, "the mapper names more than %d columns", RECORD_MAX_COLUMNS);
        const char *copy = arena_strdup(d->arena, buf_str(&full));
        if (!copy)
                return arena_failed(d->arena, "a shape", e);
        d->items[d->count++] = (struct column){
                .name = copy,
                .kind = kind,
                .source_type = kind == COL_JSON ? "a JSON value" : "the source key",
        };
        return 0;
}

static bool has_column(const struct draft *d, struct str name)
{
        return columns_find(&(struct columns){d->items, d->count}, name) >= 0;
}

static int add_name(struct draft *d, const char *name, struct err *e)
{
        return has_column(d, str_of(name)) ? 0 : add_column(d, "", name, COL_JSON, e);
}

static int add_path(struct draft *d, const char *path, struct err *e)
{
        cleanup_buf_ struct buf head = BUF_INIT(NAME_MAX_BYTES);

        rest_path_head(&head, path);
        const char *name = buf_cstr(&head);
        return name ? add_name(d, name, e) : buf_check(&head, "a column's name", e);
}

static int add_visible(struct draft *d, const struct extract *x, struct err *e)
{
        const struct rest_extract *own = rest_own(x);
        const struct string_list *keys = rest_key_paths(x);
        int rc = 0;

        for (size_t i = 0; !rc && i < x->names.count; i++)
                rc = add_name(d, x->names.items[i], e);
        for (size_t i = 0; !rc && i < keys->count; i++)
                rc = add_path(d, keys->items[i], e);
        for (size_t i = 0; !rc && i < own->cursor.field_count; i++)
                rc = add_path(d, own->cursor.fields[i], e);
        if (!rc && x->deletes.column)
                rc = add_path(d, x->deletes.column, e);
        return rc;
}

int rest_shape(const struct extract *x, struct arena *arena, struct shape *out, struct err *e)
{
        const struct string_list *keys = rest_key_paths(x);
        struct draft d = {.arena = arena, .max = RECORD_MAX_COLUMNS};
        size_t *key = arena_array(arena, keys->count + 1, sizeof(*key));
        struct child_shape *rows = arena_array(arena, 1, sizeof(*rows));

        d.items = arena_array(arena, d.max, sizeof(*d.items));
        if (!d.items || !key || !rows)
                return arena_failed(arena, "a shape", e);
        int rc = add_visible(&d, x, e);
        for (size_t i = 0; !rc && i < keys->count; i++) {
                key[i] = d.count;
                rc = add_column(&d, "(key) ", keys->items[i], COL_TEXT, e);
        }
        if (rc)
                return rc;
        *out = (struct shape){.columns = {d.items, d.count}, .key = key, .key_count = keys->count};
        if (x->group.count) {
                *rows = (struct child_shape){"rows", out->columns};
                out->children = rows;
                out->child_count = 1;
        }
        return 0;
}

int rest_shape_child(const struct extract *x, const struct shape *shape, size_t i)
{
        return columns_find(&shape->columns, str_of(rest_own(x)->children[i].name));
}
