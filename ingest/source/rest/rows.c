/*
 * Values are slices of the record's text. Only a key whose string has escapes is written anew, into
 * `room`, which is as large as the text before the first is: it never moves under a value.
 */
#include "ingest/source/rest/rows.h"

#include "ingest/record/json_pick.h"
#include "ingest/record/json_scan.h"
#include "ingest/source/rest/shape.h"

#define ROOM_MAX       (256 << 20) /* above any record's text */
#define PATH_MAX_BYTES (64 << 10)

struct rest_rows {
        const struct shape *shape;
        struct json_pick *pick;
        const struct string_list *keys; /* their paths */
        enum rest_rows_of what;
        size_t columns; /* that are picked: those before the key, or none */
        size_t *from;   /* column -> picked; SIZE_MAX: none (a child's) */
        bool *is_list;  /* column: a child that stands in the record: none is an empty array */
        size_t cursors; /* picked behind the keys */
        struct str *picked;
        struct value *values;
        struct buf room;
};

/* ---- made once ---- */

static bool is_child(const struct extract *x, const char *name)
{
        for (size_t i = 0; i < x->child_count; i++)
                if (strcmp(rest_own(x)->children[i].name, name) == 0)
                        return true;
        return false;
}

static int escaped(struct arena *arena, const char *name, const char **out, struct err *e)
{
        cleanup_buf_ struct buf path = BUF_INIT(PATH_MAX_BYTES);

        rest_path_escaped(&path, name);
        int rc = buf_check(&path, "a path", e);
        if (rc)
                return rc;
        *out = arena_strdup(arena, buf_str(&path));
        return *out ? 0 : arena_failed(arena, "a path", e);
}

/* The columns, then the key, then the cursor. */
static int list_paths(struct rest_rows *rows, const struct extract *x, struct arena *arena,
        const char **paths, size_t *count, struct err *e)
{
        const struct rest_cursor_spec *cursor = &rest_own(x)->cursor;
        size_t at = 0;
        int rc = 0;

        for (size_t i = 0; !rc && i < rows->columns; i++) {
                const char *name = rows->shape->columns.items[i].name;
                bool fetched = rows->what == REST_ROWS_RECORDS && is_child(x, name);

                rows->is_list[i] = !fetched && is_child(x, name);
                rows->from[i] = fetched ? SIZE_MAX : at;
                if (rows->from[i] != SIZE_MAX)
                        rc = escaped(arena, name, &paths[at++], e);
        }
        for (size_t i = 0; i < rows->keys->count; i++)
                paths[at++] = rows->keys->items[i];
        rows->cursors = rows->what == REST_ROWS_RECORDS ? cursor->field_count : 0;
        for (size_t i = 0; i < rows->cursors; i++)
                paths[at++] = cursor->fields[i];
        *count = at;
        return rc;
}

int rest_rows_new(const struct extract *x, const struct shape *shape, enum rest_rows_of what,
        struct arena *arena, struct rest_rows **out, struct err *e)
{
        struct rest_rows *rows = arena_alloc(arena, sizeof(*rows));
        size_t max = shape->columns.count + REST_CURSOR_FIELDS + x->deletes.key.count;
        const char **paths = arena_array(arena, max, sizeof(*paths));
        size_t count;

        if (!rows || !paths)
                return arena_failed(arena, "a read", e);
        rows->shape = shape;
        rows->what = what;
        rows->keys = what == REST_ROWS_DELETED && x->deletes.key.count ? &x->deletes.key
                                                                       : rest_key_paths(x);
        if (what == REST_ROWS_RECORDS || what == REST_ROWS_PUSHED)
                rows->columns = shape->columns.count - shape->key_count;
        rows->from = arena_array(arena, max, sizeof(*rows->from));
        rows->is_list = arena_array(arena, max, sizeof(*rows->is_list));
        rows->picked = arena_array(arena, max, sizeof(*rows->picked));
        rows->values = arena_array(arena, shape->columns.count, sizeof(*rows->values));
        buf_init(&rows->room, ROOM_MAX);
        if (!rows->from || !rows->is_list || !rows->picked || !rows->values)
                return arena_failed(arena, "a read", e);
        int rc = list_paths(rows, x, arena, paths, &count, e);
        if (!rc)
                rc = json_pick_new(paths, count, arena, &rows->pick, e);
        if (!rc)
                *out = rows;
        return rc;
}

void rest_rows_deinit(struct rest_rows *rows)
{
        if (rows)
                buf_deinit(&rows->room);
}

/* ---- each record ---- */

static const char *kind_of(struct str json)
{
        switch (json.len ? json.ptr[0] : 'n') {
        case '{':
                return "an object";
        case '[':
                return "an array";
        case 't':
        case 'f':
                return "true or false";
        default:
                return json.ptr ? "null" : "not there";
        }
}

int rest_value_text(struct str json, struct buf *room, struct str *out, struct err *e)
{
        if (json.len && (json.ptr[0] == '-' || (json.ptr[0] >= '0' && json.ptr[0] <= '9'))) {
                *out = json;
                return 0;
        }
        if (json.len < 2 || json.ptr[0] != '"')
                return err_set(e, ERR_REJECT, "it is %s", kind_of(json));
        if (!memchr(json.ptr, '\\', json.len)) {
                *out = (struct str){json.ptr + 1, json.len - 2};
                return 0;
        }
        size_t start = room->len;
        int rc = json_unquote(json, room, e);
        if (!rc)
                rc = buf_check(room, "a text", e);
        if (!rc)
                *out = (struct str){room->data ? room->data + start : "", room->len - start};
        return rc;
}

static int take_key(struct rest_rows *rows, size_t i, struct str json, struct err *e)
{
        struct str text;
        int rc = rest_value_text(json, &rows->room, &text, e);

        if (rc)
                return rc == -ERR_REJECT ? err_wrap(e, rc, "key %s", rows->keys->items[i]) : rc;
        rows->values[rows->shape->key[i]] = (struct value){text.ptr, (uint32_t)text.len};
        return 0;
}

static struct value column_value(struct str json)
{
        if (!json.ptr || str_is(json, "null"))
                return (struct value){0};
        return (struct value){json.ptr, (uint32_t)json.len};
}

/* A feed of deletions may list bare keys: [17, 18]. */
static bool is_bare_key(const struct rest_rows *rows, struct str text)
{
        return rows->what == REST_ROWS_DELETED && rows->keys->count == 1 && text.len &&
               text.ptr[0] != '{';
}

int rest_rows_read(
        struct rest_rows *rows, struct str text, const struct value **values, struct err *e)
{
        size_t at = 0;
        int rc = 0;

        if (text.len > UINT32_MAX)
                return err_set(e, ERR_REJECT, "the record has %zu bytes", text.len);
        buf_clear(&rows->room);
        if (memchr(text.ptr, '\\', text.len) && !buf_room(&rows->room, text.len))
                return buf_check(&rows->room, "a record", e);
        *values = rows->values;
        if (is_bare_key(rows, text))
                return take_key(rows, 0, text, e);
        rc = json_pick_values(rows->pick, text, rows->picked, e);
        if (rc)
                return rc;
        for (size_t i = 0; i < rows->columns; i++) {
                bool child = rows->from[i] == SIZE_MAX;

                rows->values[i] = child ? (struct value){0} : column_value(rows->picked[at]);
                if (rows->is_list[i] && !rows->values[i].ptr)
                        rows->values[i] = (struct value){"[]", 2};
                at += !child;
        }
        for (size_t i = 0; !rc && i < rows->keys->count; i++)
                rc = take_key(rows, i, rows->picked[at + i], e);
        return rc;
}

const struct str *rest_rows_cursor(const struct rest_rows *rows)
{
        size_t at = rows->keys->count;

        for (size_t i = 0; i < rows->columns; i++)
                at += rows->from[i] != SIZE_MAX;
        return rows->picked + at;
}

int rest_rows_copy(
        const struct rest_rows *rows, const struct value *values, struct row *out, struct err *e)
{
        size_t count = rows->shape->columns.count, size = 0;
        size_t head = out->values ? 0 : count * sizeof(*values);

        for (size_t i = 0; i < count; i++)
                size += values[i].ptr ? values[i].len : 0;
        char *bytes = malloc(head + size + 1);
        if (!bytes)
                return err_nomem(e, "a record");
        struct value *to = out->values ? out->values : (struct value *)bytes;
        char *p = bytes + head;
        for (size_t i = 0; i < count; i++) {
                to[i] = (struct value){values[i].ptr ? p : NULL, values[i].len};
                if (!values[i].ptr)
                        continue;
                memcpy(p, values[i].ptr, values[i].len);
                p += values[i].len;
        }
        *out = (struct row){to, bytes, size};
        return 0;
}
