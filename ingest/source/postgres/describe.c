/*
 * Two round trips, three where the cursor is an expression: the query with LIMIT 0 (in the extended
 * protocol, which takes no second statement), then one look-up in pg_type that follows domains to
 * their base and arrays to the base of their elements.
 */
#include "ingest/source/postgres/describe.h"

#include <stdio.h>

#include "ingest/source/postgres/error.h"
#include "ingest/source/postgres/query.h"
#include "ingest/source/postgres/sql.h"

#define DESCRIBE_PREFIX "SELECT * FROM "
#define DESCRIBE_SUFFIX " AS q LIMIT 0"

static const char *extract_place(const struct pg_target *t)
{
        if (t->deletes)
                return "query";
        if (t->child)
                return t->child->table ? "table" : "query";
        return t->x->table ? "table" : "query";
}

const char *pg_target_table(const struct pg_target *t)
{
        if (t->deletes)
                return NULL;
        return t->child ? t->child->table : t->x->table;
}

static const char *target_query(const struct pg_target *t)
{
        if (t->deletes)
                return t->x->deletes.query;
        return t->child ? t->child->query : t->x->query;
}

const char *pg_target_name(const struct pg_target *t, char *out, size_t size)
{
        const char *table = pg_target_table(t);

        snprintf(out, size, "%s%s%s%s%s",
                t->child     ? "child "
                : t->deletes ? "deletes"
                             : "",
                t->child ? t->child->name : "", t->child || t->deletes ? ": " : "",
                table ? "table " : "query", table ? table : "");
        return out;
}

int pg_target_error(const struct pg_target *t, const char *key, struct err *e, const char *fmt, ...)
{
        char text[ERR_TEXT_MAX];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        if (!t->child && !t->deletes)
                return extract_error(t->x, key, e, "%s: %s", key, text);
        if (t->deletes) {
                const struct ynode *deletes = ynode_get(t->x->node, "deletes");
                return ynode_error(
                        t->x->doc, ynode_get(deletes, key), e, "deletes.%s: %s", key, text);
        }
        const struct ynode *node = ynode_get(t->child->node, key);
        return ynode_error(t->x->doc, node ? node : t->child->node, e, "children.%s.%s: %s",
                t->child->name, key, text);
}

/* The place in the query for a place in characters of a statement; NULL: not in the query. */
static const char *find_position(
        const struct pg_target *t, size_t position, size_t prefix, int *line, int *column)
{
        const char *query = target_query(t);
        size_t skip = prefix + 2; /* "(\n" in front of the query */

        *line = *column = 1;
        if (!query || position <= skip)
                return NULL;
        for (size_t n = position - skip - 1; n > 0 && *query; query++) {
                if (((unsigned char)*query & 0xC0) == 0x80)
                        continue;
                n--;
                *column = *query == '\n' ? 1 : *column + 1;
                *line += *query == '\n';
        }
        return query;
}

#define WORD_SHOWN 30 /* bytes of a query in a message */

/* What most often stands behind a syntax error at @at. */
static int hint_syntax(const struct pg_target *t, const char *at, int rc, struct err *e)
{
        const char *query = target_query(t);
        struct str first;

        if (!at)
                return rc;
        if (!pg_sql_reads(str_of(query), &first))
                return err_hint(e, rc,
                        "a query only reads: it begins with SELECT or WITH, not with %.*s",
                        (int)(first.len > WORD_SHOWN ? WORD_SHOWN : first.len), first.ptr);
        if (strchr(query, '`'))
                return err_hint(e, rc, "names stand in double quotes, not in backticks");
        if (*at == ':' || *at == '%' || strchr(query, '?'))
                return err_hint(e, rc,
                        "a query has no parameters (:name, %%s, ?): write the value in their "
                        "place");
        if (!at[strspn(at, " \t\r\n;")])
                return err_hint(e, rc, "the query ends too early");
        return err_hint(e, rc, "psql can try it out");
}

/* The table's name at @position of our statement, its quotes taken off. */
static void note_missing(struct pg_target *t, size_t position)
{
        const char *p = t->describe_sql;
        size_t n = 0;

        while (position > 1 && *p) {
                p++;
                position -= ((unsigned char)*p & 0xC0) != 0x80;
        }
        for (bool quoted = false; *p && n + 1 < sizeof(t->missing); p++) {
                if (*p == '"')
                        quoted = !quoted;
                else if (!quoted && strchr(" \t\r\n,;()", *p))
                        break;
                else
                        t->missing[n++] = *p;
        }
        t->missing[n] = '\0';
}

int pg_target_sql_error(const struct pg_target *t, const PGresult *result, size_t prefix,
        const struct err *cause, struct err *e)
{
        char where[64] = "", name[256];
        struct err copy = *cause; /* @e may be the same */
        size_t position = result ? pg_error_position(result) : 0;
        int line, column;

        if (copy.class != ERR_CONFIG) {
                *e = copy;
                return err_wrap(e, -(int)copy.class, "%s", pg_target_name(t, name, sizeof(name)));
        }
        const char *at = find_position(t, position, prefix, &line, &column);
        if (at)
                snprintf(
                        where, sizeof(where), "at line %d, column %d of the query: ", line, column);
        int rc = pg_target_error(t, extract_place(t), e, "%s%s", where, copy.text);
        memcpy(e->sqlstate, copy.sqlstate, sizeof(e->sqlstate));
        if (strcmp(copy.sqlstate, "42601") == 0)
                return hint_syntax(t, at, rc, e);
        if (strncmp(copy.sqlstate, "22", 2) == 0) /* data exception */
                return err_hint(e, rc,
                        "a value of the ERP does not fit what the query does with it: mend one of "
                        "them");
        return rc;
}

static int init_from(struct pg_target *t, struct buf *from, struct err *e)
{
        const char *table = pg_target_table(t);
        struct str query;
        int rc;

        if (table) {
                rc = pg_sql_table(from, table, e);
        } else {
                rc = pg_sql_single(str_of(target_query(t)), &query, e);
                if (!rc) {
                        buf_puts(from, "(\n");
                        buf_put_str(from, query);
                        buf_puts(from, "\n)");
                }
        }
        return rc ? rc : buf_check(from, "query", e);
}

const char *pg_target_cursor(const struct pg_target *t)
{
        if (t->deletes)
                return NULL;
        return t->child ? t->child->cursor : t->x->cursor;
}

static const char *describe_sql(struct str from, struct arena *arena)
{
        size_t size = from.len + sizeof(DESCRIBE_PREFIX DESCRIBE_SUFFIX);
        char *sql = arena_alloc(arena, size);

        if (sql)
                snprintf(sql, size, "%s%.*s%s", DESCRIBE_PREFIX, STR_ARG(from), DESCRIBE_SUFFIX);
        return sql;
}

int pg_target_init(struct pg_target *t, const struct extract *x, const struct extract_child *child,
        bool deletes, struct arena *arena, struct err *e)
{
        cleanup_buf_ struct buf from = BUF_INIT(PG_SQL_MAX_BYTES);
        struct err cause;

        *t = (struct pg_target){.x = x, .child = child, .deletes = deletes, .arena = arena};
        int rc = init_from(t, &from, &cause);
        if (rc == -ERR_CONFIG)
                return pg_target_error(t, extract_place(t), e, "%s", cause.text);
        if (rc) {
                if (e)
                        *e = cause;
                return rc;
        }
        t->from = arena_dup(arena, buf_str(&from));
        if (t->from.ptr)
                t->describe_sql = describe_sql(t->from, arena);
        return t->describe_sql ? 0 : arena_failed(arena, "a query", e);
}

static void finish(struct pg_target *t, int rc, const struct err *e)
{
        t->fn(t->ctx, rc, e);
}

/* ---- names ---- */

/* Whether the cursor is one of the columns; all else is an expression over them. */
static bool find_cursor(struct pg_target *t)
{
        const char *cursor = pg_target_cursor(t);

        for (t->cursor = 0; cursor && t->cursor < t->count; t->cursor++)
                if (strcmp(t->columns[t->cursor].column.name, cursor) == 0)
                        break;
        return !cursor || t->cursor < t->count;
}

static int check_duplicates(const struct pg_target *t, struct err *e)
{
        for (size_t i = 0; i < t->count; i++) {
                for (size_t k = 0; k < i; k++) {
                        if (strcmp(t->columns[i].column.name, t->columns[k].column.name) != 0)
                                continue;
                        return pg_target_error(t, extract_place(t), e,
                                "two columns of the query are named \"%s\" (number %zu and "
                                "number %zu): give one another name with AS",
                                t->columns[i].column.name, k + 1, i + 1);
                }
        }
        return 0;
}

static int take_names(struct pg_target *t, const PGresult *result, struct err *e)
{
        int count = PQnfields(result);

        if (count == 0)
                return pg_target_error(t, extract_place(t), e, "there are no columns to read");
        t->count = (size_t)count;
        t->columns = arena_array(t->arena, t->count + 1, sizeof(*t->columns)); /* the cursor too */
        if (!t->columns)
                return arena_failed(t->arena, "columns", e);
        for (int i = 0; i < count; i++) {
                t->columns[i].column.name = arena_strdup(t->arena, str_of(PQfname(result, i)));
                if (!t->columns[i].column.name)
                        return arena_failed(t->arena, "columns", e);
        }
        return check_duplicates(t, e);
}

/* ---- types ---- */

/* want: the columns, and where they come from; leaf: their types without domains; element: those of
 * arrays, likewise. */
static const char types_head[] = "WITH RECURSIVE want(n, type, mod, rel, att) AS (VALUES ";
static const char types_tail[] =
        "), base(n, type) AS ("
        " SELECT n, type FROM want"
        " UNION ALL SELECT b.n, t.typbasetype FROM base b"
        " JOIN pg_catalog.pg_type t ON t.oid = b.type WHERE t.typtype = 'd'"
        "), leaf AS ("
        " SELECT b.n, t.oid, t.typtype, t.typcategory, t.typelem FROM base b"
        " JOIN pg_catalog.pg_type t ON t.oid = b.type WHERE t.typtype <> 'd'"
        "), inner_base(n, type) AS ("
        " SELECT l.n, t.oid FROM leaf l"
        " JOIN pg_catalog.pg_type t ON t.oid = l.typelem AND t.typarray = l.oid"
        " UNION ALL SELECT i.n, t.typbasetype FROM inner_base i"
        " JOIN pg_catalog.pg_type t ON t.oid = i.type WHERE t.typtype = 'd'"
        "), element AS ("
        " SELECT i.n, t.oid, t.typdelim FROM inner_base i"
        " JOIN pg_catalog.pg_type t ON t.oid = i.type WHERE t.typtype <> 'd'"
        ") SELECT pg_catalog.format_type(w.type, w.mod), l.oid,"
        " pg_catalog.format_type(l.oid, -1), l.typtype, l.typcategory, e.oid, e.typdelim,"
        " (SELECT a.attnotnull OR t.typnotnull FROM pg_catalog.pg_attribute a"
        " JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
        " JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')"
        " WHERE a.attrelid = w.rel AND a.attnum = w.att)"
        " FROM want w JOIN leaf l ON l.n = w.n LEFT JOIN element e ON e.n = w.n ORDER BY w.n";

enum types_column {
        T_NAME,
        T_BASE,
        T_BASE_NAME,
        T_CLASS,
        T_CATEGORY,
        T_ELEMENT,
        T_DELIMITER,
        T_NOT_NULL
};

static Oid oid_at(const PGresult *result, int row, int column)
{
        int64_t oid;

        return str_to_int64(str_of(PQgetvalue(result, row, column)), &oid) ? (Oid)oid : InvalidOid;
}

static int take_type(
        struct pg_target *t, struct pg_column *c, const PGresult *result, int row, struct err *e)
{
        bool is_array = !PQgetisnull(result, row, T_ELEMENT);

        c->base = oid_at(result, row, T_BASE);
        c->class = PQgetvalue(result, row, T_CLASS)[0];
        c->category = PQgetvalue(result, row, T_CATEGORY)[0];
        c->money = pg_type_is_money(c->base);
        c->column.kind = is_array ? COL_ARRAY : pg_type_kind(c->base);
        if (is_array) {
                c->money = pg_type_is_money(oid_at(result, row, T_ELEMENT));
                c->column.elem = pg_type_kind(oid_at(result, row, T_ELEMENT));
                c->column.delimiter = PQgetvalue(result, row, T_DELIMITER)[0];
        }
        if (!PQgetisnull(result, row, T_NOT_NULL))
                c->column.nulls = pg_query_nulls(
                        target_query(t), PQgetvalue(result, row, T_NOT_NULL)[0] == 't');
        c->column.source_type = arena_strdup(t->arena, str_of(PQgetvalue(result, row, T_NAME)));
        c->base_name = arena_strdup(t->arena, str_of(PQgetvalue(result, row, T_BASE_NAME)));
        if (!c->column.source_type || !c->base_name)
                return arena_failed(t->arena, "column types", e);
        return 0;
}

static size_t described(const struct pg_target *t)
{
        return t->count + (pg_target_cursor(t) && t->cursor == t->count);
}

static int take_types(struct pg_target *t, const PGresult *result, struct err *e)
{
        if (PQntuples(result) != (int)described(t) || PQnfields(result) != T_NOT_NULL + 1)
                return err_set(e, ERR_BUG, "the types of %d of %zu columns were found",
                        PQntuples(result), described(t));
        for (size_t i = 0; i < described(t); i++) {
                int rc = take_type(t, &t->columns[i], result, (int)i, e);
                if (rc)
                        return rc;
        }
        return 0;
}

/* ---- keys ---- */

#define NAMES_SHOWN 12 /* columns in a message */

/* @e: there is no column @name */
static int hint_column(
        const struct pg_target *t, struct str name, const char *const *names, struct err *e)
{
        cleanup_buf_ struct buf list = BUF_INIT(ERR_TEXT_MAX);
        const char *nearest = str_nearest(name, names, t->count);

        if (name.len > 0 && memchr(name.ptr, ',', name.len))
                return err_hint(
                        e, -ERR_CONFIG, "write several columns as a list: [%.*s]", STR_ARG(name));
        if (nearest)
                return err_hint(e, -ERR_CONFIG, "did you mean \"%s\"?", nearest);
        for (size_t i = 0; i < t->count && i < NAMES_SHOWN; i++)
                buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
        const char *text = buf_cstr(&list);
        return err_hint(e, -ERR_CONFIG, "there is %s%s", text ? text : "",
                t->count > NAMES_SHOWN ? " ..." : "");
}

static int find_column(
        const struct pg_target *t, const char *key, const char *name, size_t *out, struct err *e)
{
        const char *names[RECORD_MAX_COLUMNS];

        for (size_t i = 0; i < t->count; i++) {
                names[i] = t->columns[i].column.name;
                if (strcmp(names[i], name) == 0) {
                        *out = i;
                        return 0;
                }
        }
        pg_target_error(t, key, e, "there is no column \"%s\"", name);
        return hint_column(t, str_of(name), names, e);
}

static int find_columns(struct pg_target *t, const char *key, const struct string_list *names,
        size_t **out, size_t *count, struct err *e)
{
        size_t *found = arena_array(t->arena, names->count ? names->count : 1, sizeof(*found));

        if (!found)
                return arena_failed(t->arena, "key columns", e);
        for (size_t i = 0; i < names->count; i++) {
                int rc = find_column(t, key, names->items[i], &found[i], e);
                if (rc)
                        return rc;
        }
        *out = found;
        *count = names->count;
        return 0;
}

static int find_keys(struct pg_target *t, struct err *e)
{
        const struct extract *x = t->x;

        if (t->deletes)
                return find_columns(t, "key", &x->deletes.key, &t->key, &t->key_count, e);
        if (!t->child && x->group.count > 0)
                return find_columns(t, "group", &x->group, &t->key, &t->key_count, e);
        if (!t->child)
                return find_columns(t, "key", &x->key, &t->key, &t->key_count, e);
        if (t->child->parent.count != x->key.count)
                return pg_target_error(t, "parent", e,
                        "%zu columns for a key of %zu: name the columns that hold the parent's "
                        "key, "
                        "in its order",
                        t->child->parent.count, x->key.count);
        int rc = find_columns(t, "parent", &t->child->parent, &t->key, &t->key_count, e);
        if (rc)
                return rc;
        return find_columns(t, "key", &t->child->key, &t->tie, &t->tie_count, e);
}

/* ---- the cursor ---- */

static int take_cursor(struct pg_target *t, struct err *e)
{
        const struct pg_column *c = &t->columns[t->cursor];

        if (!pg_target_cursor(t))
                return 0;
        enum pg_cursor_kind kind = pg_cursor_kind(c->column.kind);
        if (kind == PG_CURSOR_NONE || c->money || (kind == PG_CURSOR_TEXT && c->category != 'S'))
                return pg_target_error(t, "cursor", e,
                        "%s is %s; a cursor is a timestamp, date, integer, numeric or text that "
                        "grows with every change",
                        pg_target_cursor(t), c->column.source_type);
        t->order =
                (struct pg_cursor){.kind = kind, .text = pg_target_cursor(t), .type = c->base_name};
        return 0;
}

/* ---- the round trips ---- */

static void on_types(void *ctx, int rc, const PGresult *result, const struct err *cause)
{
        struct pg_target *t = ctx;
        struct err e;

        if (rc)
                rc = pg_target_sql_error(t, NULL, 0, cause, &e);
        else
                rc = take_types(t, result, &e);
        if (!rc)
                rc = find_keys(t, &e);
        if (!rc)
                rc = take_cursor(t, &e);
        finish(t, rc, rc ? &e : NULL);
}

static int types_sql(const PGresult *result, struct buf *sql, struct err *e)
{
        buf_puts(sql, types_head);
        for (int i = 0; i < PQnfields(result); i++)
                buf_printf(sql, "%s(%d, %u::pg_catalog.oid, %d, %u::pg_catalog.oid, %d)",
                        i ? ", " : "", i, PQftype(result, i), PQfmod(result, i),
                        PQftable(result, i), PQftablecol(result, i));
        buf_puts(sql, types_tail);
        if (!buf_cstr(sql))
                return buf_check(sql, "statement", e);
        return 0;
}

static void ask_types(struct pg_target *t, const PGresult *result)
{
        cleanup_buf_ struct buf sql = BUF_INIT(PG_SQL_MAX_BYTES);
        struct err e;
        int rc = types_sql(result, &sql, &e);

        if (rc)
                finish(t, rc, &e);
        else
                pg_conn_query(t->conn, sql.data, on_types, t);
}

/* The columns again, and the cursor behind them. It will stand in WHERE, where no function may give
 * several rows or look at other ones. */
static void on_cursor(void *ctx, int rc, const PGresult *result, const struct err *cause)
{
        struct pg_target *t = ctx;
        struct err e;

        if (rc == -ERR_CONFIG)
                rc = pg_target_error(t, "cursor", &e, "%s", cause->text);
        else if (rc)
                rc = pg_target_sql_error(t, NULL, 0, cause, &e);
        else if (PQnfields(result) != (int)t->count + 1)
                rc = err_set(&e, ERR_BUG, "the columns changed while they were described");
        if (rc)
                finish(t, rc, &e);
        else
                ask_types(t, result);
}

static void ask_cursor(struct pg_target *t)
{
        cleanup_buf_ struct buf sql = BUF_INIT(PG_SQL_MAX_BYTES);
        struct str cursor;
        struct err cause, e;
        int rc = pg_sql_single(str_of(pg_target_cursor(t)), &cursor, &cause);

        if (rc) {
                rc = pg_target_error(t, "cursor", &e, "%s", cause.text);
                finish(t, rc, &e);
                return;
        }
        buf_printf(&sql, "SELECT q.*, (%.*s) FROM %.*s AS q WHERE (%.*s) IS NULL LIMIT 0",
                STR_ARG(cursor), STR_ARG(t->from), STR_ARG(cursor));
        if (buf_cstr(&sql))
                pg_conn_query(t->conn, sql.data, on_cursor, t);
        else
                finish(t, buf_check(&sql, "statement", &e), &e);
}

static void on_columns(void *ctx, int rc, const PGresult *result, const struct err *cause)
{
        struct pg_target *t = ctx;
        struct err e;

        if (rc && result && strcmp(cause->sqlstate, "42P01") == 0)
                note_missing(t, pg_error_position(result));
        if (rc)
                rc = pg_target_sql_error(t, result, strlen(DESCRIBE_PREFIX), cause, &e);
        else
                rc = take_names(t, result, &e);
        if (rc)
                finish(t, rc, &e);
        else if (find_cursor(t))
                ask_types(t, result);
        else
                ask_cursor(t);
}

void pg_describe(struct pg_target *t, struct pg_conn *conn,
        void (*fn)(void *ctx, int rc, const struct err *e), void *ctx)
{
        t->conn = conn;
        t->fn = fn;
        t->ctx = ctx;
        pg_conn_query(conn, t->describe_sql, on_columns, t);
}
