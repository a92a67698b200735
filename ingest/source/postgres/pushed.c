/*
 * Pushed records of PostgreSQL: names first, for all of them, before the server is asked for
 * anything; then the rows of each table in portions, and what it refuses by halves. A record of
 * which any value is refused is none; its key is asked for alone, so that its reject has one.
 */
#include <stdio.h>
#include <string.h>

#include "ingest/record/json_scan.h"
#include "ingest/source/postgres/convert.h"
#include "ingest/source/postgres/sql.h"
#include "ingest/source/pushed.h"

#define PORTION_RECORDS   1000      /* in one statement */
#define PORTION_BYTES     (4 << 20) /* of their text, but at least one record */
#define SCRATCH_MAX_BYTES ((size_t)1 << 30)
#define NAME_SHOWN        60

struct pushing {
        struct pg_source *s;
        const struct extract *x;
        const struct shape *shape;
        struct source_pushed *items;
        size_t count;
        struct arena *arena;   /* of the caller */
        struct arena *scratch; /* rows as text, descriptions */
        struct pg_target *targets;
        size_t target_count;
        struct pg_pushed_table tables[1 + RECORD_MAX_CHILDREN];
        enum row_order orders[RECORD_MAX_COLUMNS];
        bool grouped;
        bool unknown; /* a name was met that nobody has: the whole push is refused */
        size_t hint;  /* where the next name is likely to be: objects of one list look alike */
        struct source_pushed *item;
        size_t row; /* of a child, that is being looked at */
        struct pg_pushed_table *table;
        struct str *lists;    /* of the record being split: a child's array each */
        struct str *key_json; /* and its key, as written */
        struct buf text;
};

/* ---- names and forms ---- */

static const char *list_name(const struct pushing *p, struct str name)
{
        if (p->grouped)
                return str_is(name, "rows") ? "rows" : NULL;
        for (size_t i = 0; i < p->x->child_count; i++)
                if (str_is(name, p->x->children[i].name))
                        return p->x->children[i].name;
        return NULL;
}

static const struct pg_column *find_column(
        struct pushing *p, const struct pg_target *t, struct str name)
{
        for (size_t i = 0; i < t->count; i++) {
                size_t at = (p->hint + i) % t->count;
                if (!str_is(name, t->columns[at].column.name))
                        continue;
                p->hint = at + 1;
                return &t->columns[at];
        }
        return NULL;
}

static int unknown(struct pushing *p, const struct pg_target *t, struct str name, struct err *e)
{
        const char **names =
                arena_array(p->scratch, t->count + p->x->child_count + 1, sizeof(*names));
        char of[PG_NAME_MAX + 64];
        size_t count = 0;

        if (!names)
                return arena_failed(p->scratch, "names of columns", e);
        for (size_t i = 0; i < t->count; i++)
                names[count++] = t->columns[i].column.name;
        for (size_t i = 0; !t->child && i < p->x->child_count; i++)
                names[count++] = p->x->children[i].name;
        int rc = err_set(e, ERR_REJECT, "there is no column \"%.*s\" in %s",
                (int)(name.len > NAME_SHOWN ? NAME_SHOWN : name.len), name.ptr,
                pg_target_name(t, of, sizeof(of)));
        const char *near = str_nearest(name, names, count);
        if (near)
                rc = err_hint(e, rc, "did you mean \"%s\"?", near);
        p->unknown = true;
        (void)pushed_refuse(p->item, p->arena, NULL, "%s", e->text);
        return rc;
}

static bool takes_several(const struct pg_column *c)
{
        return c->column.kind == COL_JSON || c->column.kind == COL_ARRAY || c->class == 'c';
}

/* An escape of the character that PostgreSQL holds nowhere: its JSON parser would refuse all of the
 * record for it, and not say where it stands. */
static bool has_nul(struct str json)
{
        const char *p = json.ptr, *end = json.ptr + json.len;

        while ((p = memchr(p, '\\', (size_t)(end - p)))) {
                if (end - p > 5 && memcmp(p, "\\u0000", 6) == 0)
                        return true;
                p += 2; /* what is escaped is not looked at */
        }
        return false;
}

static int check_form(struct pushing *p, const struct pg_column *c, struct str value, struct err *e)
{
        bool several = value.ptr[0] == '{' || value.ptr[0] == '[';

        if (p->item->reason)
                return 0;
        if (has_nul(value))
                return pushed_refuse(p->item, p->arena, e,
                        "column \"%s\": there is a \\u0000 in it, which PostgreSQL cannot hold",
                        c->column.name);
        if (!several || takes_several(c))
                return 0;
        return pushed_refuse(p->item, p->arena, e, "column \"%s\" (%s) takes single values, not %s",
                c->column.name, c->column.source_type,
                value.ptr[0] == '{' ? "an object" : "an array");
}

static int check_names(
        struct pushing *p, const struct pg_target *t, struct str object, struct err *e)
{
        struct json_walk w;
        struct str key, value, name;
        int rc = 0;

        (void)json_walk_open(&w, object, '{');
        while (!rc && json_walk_next(&w, &key, &value)) {
                buf_clear(&p->text);
                if (!json_plain_inside(key, &name)) {
                        rc = json_unquote(key, &p->text, e);
                        name = buf_str(&p->text);
                }
                if (rc || (!t->child && list_name(p, name)))
                        continue;
                const struct pg_column *c = find_column(p, t, name);
                rc = c ? check_form(p, c, value, e) : unknown(p, t, name, e);
        }
        return rc;
}

/* ---- rows ---- */

static int add_row(struct pushing *p, struct pg_pushed_table *t, struct str row, struct err *e)
{
        if (t->count == t->capacity) {
                size_t capacity = t->capacity ? 2 * t->capacity : p->count + 1;
                struct str *rows = arena_array(p->scratch, capacity, sizeof(*rows));
                if (!rows)
                        return arena_failed(p->scratch, "pushed rows", e);
                if (t->count)
                        memcpy(rows, t->rows, t->count * sizeof(*rows));
                t->rows = rows;
                t->capacity = capacity;
        }
        if (row.len > PG_SQL_MAX_BYTES / 2 && !p->item->reason)
                return pushed_refuse(
                        p->item, p->arena, e, "a row of %zu bytes is too large", row.len);
        t->rows[t->count++] = row;
        return 0;
}

static int take_group_row(void *ctx, struct str row, struct err *e)
{
        struct pushing *p = ctx;
        struct str copy = arena_dup(p->scratch, row);
        int rc = copy.ptr ? check_names(p, &p->targets[0], copy, e)
                          : arena_failed(p->scratch, "pushed rows", e);

        return rc ? rc : add_row(p, &p->tables[0], copy, e);
}

/* The record's key as members of @t, each with a comma behind it. */
static void put_key_members(const struct pushing *p, const struct pg_target *t, struct buf *out)
{
        for (size_t k = 0; k < t->key_count; k++) {
                if (!p->key_json[k].ptr)
                        continue;
                json_put_lossy(out, str_of(t->columns[t->key[k]].column.name));
                buf_putc(out, ':');
                buf_put_str(out, p->key_json[k]);
                buf_putc(out, ',');
        }
}

/* The parent's key first: what the row says of it goes before it. */
static int take_child_row(void *ctx, struct str row, struct err *e)
{
        struct pushing *p = ctx;
        const struct pg_target *t = p->table->target;
        int rc = check_names(p, t, row, e);

        if (rc)
                return rc;
        buf_clear(&p->text);
        buf_putc(&p->text, '{');
        put_key_members(p, t, &p->text);
        struct str own = json_trim((struct str){row.ptr + 1, row.len - 2});
        if (!own.len && p->text.len > 1)
                p->text.len--; /* the comma */
        buf_put_str(&p->text, own);
        buf_putc(&p->text, '}');
        rc = buf_check(&p->text, "a row", e);
        struct str copy = rc ? own : arena_dup(p->scratch, buf_str(&p->text));
        if (!rc && !copy.ptr)
                rc = arena_failed(p->scratch, "pushed rows", e);
        return rc ? rc : add_row(p, p->table, copy, e);
}

/* The arrays of the children, and the key as written. */
static void find_lists(struct pushing *p, struct str record)
{
        const struct pg_target *t = &p->targets[0];
        struct json_walk w;
        struct str key, value;

        memset(p->lists, 0, p->target_count * sizeof(*p->lists));
        memset(p->key_json, 0, t->key_count * sizeof(*p->key_json));
        (void)json_walk_open(&w, record, '{');
        while (json_walk_next(&w, &key, &value)) {
                buf_clear(&p->text);
                if (json_unquote(key, &p->text, NULL) != 0)
                        continue;
                for (size_t i = 1; i < p->target_count; i++)
                        if (str_is(buf_str(&p->text), p->targets[i].child->name))
                                p->lists[i] = value;
                for (size_t k = 0; k < t->key_count; k++)
                        if (str_is(buf_str(&p->text), t->columns[t->key[k]].column.name))
                                p->key_json[k] = value;
        }
}

static int split_children(struct pushing *p, struct err *e)
{
        int rc = 0;

        find_lists(p, p->item->json);
        for (size_t i = 1; !rc && i < p->target_count; i++) {
                p->table = &p->tables[i];
                rc = pushed_rows(p->lists[i], p->targets[i].child->name, take_child_row, p, e);
        }
        return rc;
}

/* What is wrong with the form of one record is a reject of it; a name is of the whole push. */
static int split_record(struct pushing *p, struct err *e)
{
        cleanup_buf_ struct buf merged = BUF_INIT(PUSHED_MAX_TEXT);
        struct err why;
        int rc;

        p->hint = 0;
        if (p->grouped) {
                rc = pushed_group(p->item->json, &merged, take_group_row, p, &why);
        } else {
                rc = check_names(p, &p->targets[0], p->item->json, &why);
                if (!rc)
                        rc = add_row(p, &p->tables[0], p->item->json, &why);
                if (!rc)
                        rc = split_children(p, &why);
        }
        if (rc == -ERR_REJECT && !p->unknown)
                return pushed_refuse(p->item, p->arena, e, "%s", why.text);
        if (rc)
                *e = why;
        return rc;
}

static int split(struct pushing *p, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; !rc && i < p->count; i++) {
                p->item = &p->items[i];
                for (size_t t = 0; t < p->target_count; t++)
                        p->tables[t].first[i] = p->tables[t].count;
                rc = split_record(p, e);
                /* Of one that is none already no row is looked at. */
                for (size_t t = 0; p->item->reason && t < p->target_count; t++)
                        p->tables[t].count = p->tables[t].first[i];
        }
        for (size_t t = 0; t < p->target_count; t++)
                p->tables[t].first[p->count] = p->tables[t].count;
        return rc;
}

/* ---- what is refused ---- */

/* Says which row and column of the record @i it is. */
static int blame(struct pushing *p, struct pg_pushed_table *t, size_t i, const struct err *refused,
        struct err *e)
{
        size_t width = t->target->count, column = width, row = t->first[i];
        struct err why = *refused;
        char of[128] = "";
        int rc = 0;

        for (; !rc && column == width && row < t->first[i + 1]; row++) {
                rc = pg_pushed_culprit(p->s, t, t->rows[row], &column, &why);
                if (rc)
                        *e = why;
        }
        if (rc)
                return rc;
        if (t->target->child || p->grouped)
                snprintf(of, sizeof(of), "row %zu of \"%s\": ", row - t->first[i],
                        p->grouped ? "rows" : t->target->child->name);
        if (column == width)
                return pushed_refuse(&p->items[i], p->arena, e, "%s", refused->text);
        return pushed_refuse(&p->items[i], p->arena, e, "%scolumn \"%s\": %s", of,
                t->target->columns[column].column.name, why.text);
}

static int convert(
        struct pushing *p, struct pg_pushed_table *t, size_t from, size_t to, struct err *e)
{
        struct err why;
        int rc = pg_pushed_convert(p->s, t, from, to, &why);

        if (rc < 0)
                *e = why;
        if (rc != PG_PUSHED_REFUSED)
                return rc;
        if (to - from == 1)
                return p->items[from].reason ? 0 : blame(p, t, from, &why, e);
        size_t middle = from + (to - from) / 2;
        rc = convert(p, t, from, middle, e);
        return rc ? rc : convert(p, t, middle, to, e);
}

static size_t portion_end(const struct pg_pushed_table *t, size_t from, size_t count)
{
        size_t bytes = 0, to = from;

        while (to < count && to - from < PORTION_RECORDS && bytes < PORTION_BYTES) {
                for (size_t row = t->first[to]; row < t->first[to + 1]; row++)
                        bytes += t->rows[row].len;
                to++;
        }
        return to;
}

static int convert_table(struct pushing *p, struct pg_pushed_table *t, struct err *e)
{
        int rc = 0;

        t->values = arena_array(p->arena, t->count * t->target->count, sizeof(*t->values));
        if (!t->values)
                return arena_failed(p->arena, "pushed records", e);
        for (size_t from = 0, to; !rc && from < p->count; from = to) {
                to = portion_end(t, from, p->count);
                rc = convert(p, t, from, to, e);
        }
        return rc;
}

/* ---- records ---- */

/* Of a record nothing but the key, lest the rest of it is in the way. */
static int find_key(struct pushing *p, struct source_pushed *item, struct err *e)
{
        const struct pg_target *t = &p->targets[0];
        struct value *row = arena_array(p->arena, t->count, sizeof(*row));
        cleanup_buf_ struct buf key = BUF_INIT(PG_SQL_MAX_BYTES);
        struct err why;

        if (!row)
                return arena_failed(p->arena, "pushed records", e);
        find_lists(p, item->json);
        buf_putc(&key, '{');
        put_key_members(p, t, &key);
        if (key.len > 1)
                key.len--; /* the comma */
        buf_putc(&key, '}');
        if (key.error == -ERR_REJECT)
                return 0; /* too large to be one */
        int rc = buf_check(&key, "a key", e);
        if (rc)
                return rc;
        rc = pg_pushed_try(p->s, &p->tables[0], buf_str(&key), t->key, t->key_count, row, &why);
        if (rc < 0)
                *e = why;
        if (rc == 0)
                item->key = row;
        return rc < 0 ? rc : 0;
}

/* A row of a child says itself whose it is, if it likes. */
static int check_parents(struct pushing *p, size_t i, struct err *e)
{
        const struct pg_target *parent = &p->targets[0];
        const struct value *row = p->tables[0].values + p->tables[0].first[i] * parent->count;

        for (size_t c = 1; c < p->target_count; c++) {
                struct pg_pushed_table *t = &p->tables[c];
                for (size_t at = t->first[i]; at < t->first[i + 1]; at++)
                        if (row_key_compare(p->orders, parent->key_count, row, parent->key,
                                    t->values + at * t->target->count, t->target->key))
                                return pushed_refuse(&p->items[i], p->arena, e,
                                        "a row of \"%s\" names another record in its column "
                                        "\"%s\"",
                                        t->target->child->name,
                                        t->target->columns[t->target->key[0]].column.name);
        }
        return 0;
}

static int make_record(struct pushing *p, size_t i, struct err *e)
{
        struct source_pushed *item = &p->items[i];
        size_t lists = p->grouped ? 1 : p->target_count - 1;
        struct child_rows *rows = arena_array(p->arena, lists, sizeof(*rows));

        if (!rows)
                return arena_failed(p->arena, "pushed records", e);
        for (size_t c = 0; c < lists; c++) {
                const struct pg_pushed_table *t = &p->tables[p->grouped ? 0 : c + 1];
                rows[c] = (struct child_rows){
                        t->values + t->first[i] * t->target->count, t->first[i + 1] - t->first[i]};
        }
        const struct pg_pushed_table *t = &p->tables[0];
        item->record = (struct record){t->values + t->first[i] * t->target->count, rows};
        return 0;
}

static int make_records(struct pushing *p, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; !rc && i < p->count; i++) {
                if (!p->items[i].reason)
                        rc = check_parents(p, i, e);
                if (!rc)
                        rc = p->items[i].reason ? find_key(p, &p->items[i], e)
                                                : make_record(p, i, e);
        }
        return rc;
}

/* ---- the whole ---- */

static int prepare(struct pushing *p, struct err *e)
{
        int rc = pg_source_targets(p->s, p->x, p->scratch, &p->targets, &p->target_count, e);

        if (!rc)
                rc = pg_shape_check(p->targets, p->target_count, p->shape, e);
        if (!rc)
                rc = pg_merge_orders(p->targets, p->target_count, p->orders, e);
        if (rc)
                return rc;
        p->lists = arena_array(p->scratch, p->target_count, sizeof(*p->lists));
        p->key_json = arena_array(p->scratch, p->targets[0].key_count, sizeof(*p->key_json));
        for (size_t i = 0; i < p->target_count; i++) {
                p->tables[i] = (struct pg_pushed_table){.target = &p->targets[i],
                        .orders = p->target_count > 1 ? p->orders : NULL,
                        .first = arena_array(p->scratch, p->count + 1, sizeof(size_t)),
                        .arena = p->arena};
                if (!p->tables[i].first || !p->lists || !p->key_json)
                        return arena_failed(p->scratch, "pushed records", e);
        }
        return 0;
}

static int convert_all(struct pushing *p, struct err *e)
{
        int rc = prepare(p, e);

        if (!rc)
                rc = split(p, e);
        if (!rc)
                rc = pg_pushed_begin(p->s, e);
        for (size_t i = 0; !rc && i < p->target_count; i++)
                rc = convert_table(p, &p->tables[i], e);
        if (!rc)
                rc = make_records(p, e);
        return rc ? rc : pg_conn_exec_wait(p->s->conn, "ROLLBACK", e);
}

int pg_convert(struct source *source, const struct extract *x, const struct shape *shape,
        struct source_pushed *items, size_t count, struct arena *arena, struct err *e)
{
        struct pg_source *s = (struct pg_source *)source;
        cleanup_(arena_freep) struct arena *scratch = arena_new(SCRATCH_MAX_BYTES);
        cleanup_(freep) struct pushing *p = calloc(1, sizeof(*p));

        if (!p || !scratch)
                return err_nomem(e, "pushed records");
        pg_reads_reap(s, false);
        *p = (struct pushing){.s = s,
                .x = x,
                .shape = shape,
                .items = items,
                .count = count,
                .arena = arena,
                .scratch = scratch,
                .grouped = x->group.count > 0,
                .text = BUF_INIT(PUSHED_MAX_TEXT)};
        int rc = convert_all(p, e);
        buf_deinit(&p->text);
        if (rc)
                s->conn = pg_conn_free(s->conn); /* whatever state it is in */
        return rc;
}
