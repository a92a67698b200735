/*
 * Four statements in one snapshot, whatever the number of tables: names of all tables, foreign
 * keys to those that were asked for, then columns and indexes of these and of their children. The
 * rest is put together here, by oid. Only pg_catalog is read; what it shows needs no rights.
 */
#include "ingest/source/postgres/postgres.h"

#include <stdlib.h>

#include "ingest/base/text.h"
#include "ingest/source/postgres/sql.h"
#include "ingest/source/postgres/types.h"

#define MAX_FOREIGN_KEYS 100000 /* the children of a whole database */

struct rel {
        Oid oid;
        bool wanted; /* asked for */
        bool loaded; /* its columns are: it or its parent was asked for */
        struct catalog_table table;
        struct catalog_name names;
        int *numbers;            /* attnum of each column */
        struct pg_column *types; /* of each column: for merging */
};

struct foreign_key {
        struct rel *parent, *child;
        const char *columns, *parent_columns; /* attnums: "2 3" */
        bool cascades;
};

struct build {
        struct pg_source *s;
        const struct catalog_query *q;
        struct arena *arena;
        struct rel *rels; /* by schema and name */
        size_t count;
        struct rel **by_oid;
        struct foreign_key *keys; /* by parent */
        size_t key_count;
};

/* ---- results ---- */

static const char *text_at(const PGresult *r, int row, int column)
{
        return PQgetvalue(r, row, column);
}

static bool bool_at(const PGresult *r, int row, int column)
{
        return text_at(r, row, column)[0] == 't';
}

static int64_t int_at(const PGresult *r, int row, int column)
{
        int64_t value = 0;

        return str_to_int64(str_of(text_at(r, row, column)), &value) ? value : 0;
}

static char *dup_at(struct build *b, const PGresult *r, int row, int column)
{
        return arena_strdup(b->arena, str_of(text_at(r, row, column)));
}

static int nomem(const struct build *b, struct err *e)
{
        return arena_failed(b->arena, "the catalog", e);
}

static int comment_at(
        struct build *b, const PGresult *r, int row, int column, const char **out, struct err *e)
{
        if (PQgetisnull(r, row, column) || !text_at(r, row, column)[0])
                return 0;
        *out = dup_at(b, r, row, column);
        return *out ? 0 : nomem(b, e);
}

static int keep(struct build *b, const struct buf *text, const char **out, struct err *e)
{
        int rc = buf_check(text, "a name", e);

        if (rc)
                return rc;
        const char *copy = arena_strdup(b->arena, buf_str(text));
        if (!copy)
                return nomem(b, e);
        *out = copy;
        return 0;
}

/* ---- names ---- */

/* U&"..." for names that a file or terminal would not show, or whose ${ a mapper would read. */
static void put_escaped(struct buf *sql, struct str name)
{
        buf_puts(sql, "U&\"");
        while (name.len > 0) {
                uint32_t c = 0;
                size_t n = text_next(name, &c);
                if (c == '"' || c == '\\')
                        buf_printf(sql, "%c%c", (char)c, (char)c);
                else if (c == '$' || !text_char_is_visible(c))
                        buf_printf(sql, c > 0xFFFF ? "\\+%06X" : "\\%04X", c);
                else
                        buf_put(sql, name.ptr, n);
                name = (struct str){name.ptr + n, name.len - n};
        }
        buf_putc(sql, '"');
}

/* @quoted: as quote_ident() gave it. NULL in @out: a mapper file cannot hold the name. */
static int name_sql(
        struct build *b, const char *name, const char *quoted, const char **out, struct err *e)
{
        cleanup_buf_ struct buf sql = BUF_INIT(4096);
        struct str s = str_of(name);

        *out = NULL;
        if (!str_utf8_valid(s))
                return 0;
        if (text_is_visible(s) && !strstr(name, "${"))
                buf_puts(&sql, quoted);
        else
                put_escaped(&sql, s);
        return keep(b, &sql, out, e);
}

static int spell(
        struct build *b, const char *name, const char *quoted, const char **out, struct err *e)
{
        cleanup_buf_ struct buf shown = BUF_INIT(4096);
        int rc = name_sql(b, name, quoted, out, e);

        if (rc || *out)
                return rc;
        text_put_line(&shown, str_of(name), 255);
        return keep(b, &shown, out, e);
}

/* ---- tables ---- */

/* Partitions count for the table that they are parts of, at any depth. */
static const char rels_sql[] =
        "WITH RECURSIVE part(root, rel) AS ("
        " SELECT i.inhparent, i.inhrelid FROM pg_catalog.pg_inherits i"
        " JOIN pg_catalog.pg_class p ON p.oid = i.inhparent AND NOT p.relispartition"
        " UNION ALL SELECT t.root, i.inhrelid FROM part t"
        " JOIN pg_catalog.pg_inherits i ON i.inhparent = t.rel"
        "), parts AS ("
        " SELECT t.root, pg_catalog.count(*) AS n,"
        " pg_catalog.sum(CASE WHEN c.relkind = 'p' THEN 0 WHEN c.reltuples < 0 THEN NULL"
        " ELSE c.reltuples END) AS n_rows,"
        " pg_catalog.bool_or(c.relkind <> 'p' AND c.reltuples < 0) AS unknown"
        " FROM part t JOIN pg_catalog.pg_class c ON c.oid = t.rel"
        " WHERE c.relkind <> 'p' GROUP BY t.root"
        ") SELECT c.oid, n.nspname, c.relname, pg_catalog.quote_ident(n.nspname),"
        " pg_catalog.quote_ident(c.relname), pg_catalog.pg_table_is_visible(c.oid), c.relkind,"
        " pg_catalog.obj_description(c.oid, 'pg_class'),"
        " CASE WHEN c.relkind = 'v' THEN -1"
        " WHEN c.relkind = 'p' THEN CASE WHEN p.unknown THEN -1"
        " WHEN p.n_rows IS NULL THEN 0 ELSE p.n_rows END"
        " WHEN c.reltuples = 0 AND c.relpages = 0"
        " AND pg_catalog.current_setting('server_version_num')::int < 140000 THEN -1"
        " ELSE c.reltuples END::int8,"
        " CASE WHEN p.n IS NULL THEN 0 ELSE p.n END,"
        " pg_catalog.has_schema_privilege(n.oid, 'USAGE'),"
        " pg_catalog.has_table_privilege(c.oid, 'SELECT')"
        " OR pg_catalog.has_any_column_privilege(c.oid, 'SELECT'),"
        " pg_catalog.quote_ident(CURRENT_USER)"
        " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " LEFT JOIN parts p ON p.root = c.oid"
        " WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND NOT c.relispartition"
        " AND c.relpersistence <> 't' AND n.nspname <> 'information_schema'"
        " AND n.nspname !~ '^pg_'"
        " ORDER BY n.nspname, c.relname LIMIT ";

enum rels_column {
        R_OID,
        R_SCHEMA,
        R_NAME,
        R_SCHEMA_SQL,
        R_NAME_SQL,
        R_VISIBLE,
        R_KIND,
        R_COMMENT,
        R_ROWS,
        R_PARTS,
        R_USAGE,
        R_SELECT,
        R_USER
};

static enum catalog_kind kind_of(char relkind)
{
        switch (relkind) {
        case 'v':
                return CATALOG_VIEW;
        case 'm':
                return CATALOG_MATERIALIZED_VIEW;
        case 'p':
                return CATALOG_PARTITIONED_TABLE;
        case 'f':
                return CATALOG_FOREIGN_TABLE;
        default:
                return CATALOG_TABLE;
        }
}

static int take_rel_names(
        struct build *b, struct rel *rel, const PGresult *r, int row, struct err *e)
{
        struct catalog_name *n = &rel->names;
        struct catalog_table *t = &rel->table;
        cleanup_buf_ struct buf sql = BUF_INIT(8192);
        const char *own;

        t->schema = n->schema = dup_at(b, r, row, R_SCHEMA);
        t->name = n->name = dup_at(b, r, row, R_NAME);
        if (!t->schema || !t->name)
                return nomem(b, e);
        int rc = name_sql(b, t->name, text_at(r, row, R_NAME_SQL), &own, e);
        if (!rc)
                rc = spell(b, t->schema, text_at(r, row, R_SCHEMA_SQL), &n->schema_sql, e);
        if (!rc)
                rc = spell(b, t->name, text_at(r, row, R_NAME_SQL), &n->name_sql, e);
        if (rc || !own || !str_utf8_valid(str_of(t->schema)))
                return rc;
        t->schema_needed = !bool_at(r, row, R_VISIBLE);
        if (t->schema_needed)
                buf_printf(&sql, "%s.", n->schema_sql);
        buf_puts(&sql, own);
        return keep(b, &sql, &t->sql, e);
}

static int take_remedy(struct build *b, struct rel *rel, const PGresult *r, int row, struct err *e)
{
        cleanup_buf_ struct buf text = BUF_INIT(16384);
        const struct catalog_name *n = &rel->names;
        const char *user = text_at(r, row, R_USER);

        if (!bool_at(r, row, R_USAGE))
                buf_printf(&text, "GRANT USAGE ON SCHEMA %s TO %s; ", n->schema_sql, user);
        buf_printf(&text, "GRANT SELECT ON %s.%s TO %s", n->schema_sql, n->name_sql, user);
        return keep(b, &text, &rel->table.remedy, e);
}

static int take_rel(struct build *b, struct rel *rel, const PGresult *r, int row, struct err *e)
{
        struct catalog_table *t = &rel->table;

        rel->oid = (Oid)int_at(r, row, R_OID);
        t->kind = kind_of(text_at(r, row, R_KIND)[0]);
        t->rows = int_at(r, row, R_ROWS);
        t->parts = int_at(r, row, R_PARTS);
        t->readable = bool_at(r, row, R_USAGE) && bool_at(r, row, R_SELECT);
        int rc = take_rel_names(b, rel, r, row, e);
        if (!rc)
                rc = comment_at(b, r, row, R_COMMENT, &t->comment, e);
        if (!rc && !t->readable)
                rc = take_remedy(b, rel, r, row, e);
        return rc;
}

static int compare_oids(const void *a, const void *b)
{
        Oid x = (*(struct rel *const *)a)->oid, y = (*(struct rel *const *)b)->oid;

        return (x > y) - (x < y);
}

static struct rel *find_rel(const struct build *b, Oid oid)
{
        struct rel wanted = {.oid = oid}, *key = &wanted;
        struct rel **found = bsearch(&key, b->by_oid, b->count, sizeof(struct rel *), compare_oids);

        return found ? *found : NULL;
}

static int take_rels(void *ctx, const PGresult *r, struct err *e)
{
        struct build *b = ctx;
        size_t count = (size_t)PQntuples(r);
        int rc = 0;

        if (count > CATALOG_MAX_TABLES)
                return err_set(
                        e, ERR_CONFIG, "the database has more than %d tables", CATALOG_MAX_TABLES);
        b->rels = arena_array(b->arena, count + 1, sizeof(*b->rels));
        b->by_oid = arena_array(b->arena, count + 1, sizeof(struct rel *));
        if (!b->rels || !b->by_oid)
                return nomem(b, e);
        for (; b->count < count && !rc; b->count++) {
                b->by_oid[b->count] = &b->rels[b->count];
                rc = take_rel(b, &b->rels[b->count], r, (int)b->count, e);
        }
        qsort(b->by_oid, b->count, sizeof(struct rel *), compare_oids);
        return rc;
}

/* Marks what was asked for. */
static int choose_rels(struct build *b, struct err *e)
{
        struct catalog_name *names = arena_array(b->arena, b->count + 1, sizeof(*names));
        bool found = !b->q->schema;
        size_t one;

        if (!names)
                return nomem(b, e);
        for (size_t i = 0; i < b->count; i++) {
                names[i] = b->rels[i].names;
                found = found || strcmp(b->q->schema, names[i].schema) == 0;
                b->rels[i].wanted = !b->q->table && catalog_wants(b->q, &names[i]);
        }
        if (!found)
                return catalog_no_schema(b->q, names, b->count, e);
        if (b->q->table) {
                int rc = catalog_choose(b->q, names, b->count, &one, e);
                if (rc)
                        return rc;
                b->rels[one].wanted = true;
        }
        for (size_t i = 0; i < b->count; i++)
                b->rels[i].loaded = b->rels[i].wanted;
        return 0;
}

/* ---- statements about some tables ---- */

static void put_oids(const struct build *b, bool loaded, struct buf *sql)
{
        const char *separator = "";

        buf_puts(sql, "('{");
        for (size_t i = 0; i < b->count; i++) {
                if (!(loaded ? b->rels[i].loaded : b->rels[i].wanted))
                        continue;
                buf_printf(sql, "%s%u", separator, b->rels[i].oid);
                separator = ",";
        }
        buf_puts(sql, "}'::pg_catalog.oid[])");
}

/* @head, the oids, @tail. */
static int query(struct build *b, const char *head, bool loaded, const char *tail,
        int (*take)(void *ctx, const PGresult *r, struct err *e), struct err *e)
{
        cleanup_buf_ struct buf sql = BUF_INIT(PG_SQL_MAX_BYTES);

        buf_puts(&sql, head);
        put_oids(b, loaded, &sql);
        buf_puts(&sql, tail);
        if (!buf_cstr(&sql))
                return buf_check(&sql, "statement", e);
        return pg_conn_query_wait(b->s->conn, sql.data, take, b, e);
}

/* ---- foreign keys ---- */

static const char keys_head[] =
        "SELECT k.confrelid, k.conrelid, pg_catalog.array_to_string(k.conkey, ' '),"
        " pg_catalog.array_to_string(k.confkey, ' '), k.confdeltype = 'c'"
        " FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid"
        " WHERE k.contype = 'f' AND NOT c.relispartition AND k.confrelid = ANY ";
static const char keys_tail[] = " ORDER BY k.confrelid, k.confdeltype = 'c' DESC,"
                                " c.relname, k.conkey, k.conname LIMIT ";

enum keys_column { K_PARENT, K_CHILD, K_COLUMNS, K_PARENT_COLUMNS, K_CASCADES };

static int take_keys(void *ctx, const PGresult *r, struct err *e)
{
        struct build *b = ctx;
        size_t count = (size_t)PQntuples(r);

        if (count > MAX_FOREIGN_KEYS)
                return err_set(e, ERR_CONFIG,
                        "more than %d foreign keys: ask for fewer tables with --schema or --like",
                        MAX_FOREIGN_KEYS);
        b->keys = arena_array(b->arena, count + 1, sizeof(*b->keys));
        if (!b->keys)
                return nomem(b, e);
        for (int row = 0; row < (int)count; row++) {
                struct foreign_key *k = &b->keys[b->key_count];
                k->parent = find_rel(b, (Oid)int_at(r, row, K_PARENT));
                k->child = find_rel(b, (Oid)int_at(r, row, K_CHILD));
                if (!k->parent || !k->child)
                        continue;
                k->columns = dup_at(b, r, row, K_COLUMNS);
                k->parent_columns = dup_at(b, r, row, K_PARENT_COLUMNS);
                k->cascades = bool_at(r, row, K_CASCADES);
                if (!k->columns || !k->parent_columns)
                        return nomem(b, e);
                k->child->loaded = true;
                b->key_count++;
        }
        return 0;
}

/* ---- columns ---- */

/* base: types without domains; leaf: where they end; element: the same for arrays. */
static const char columns_head[] =
        "WITH RECURSIVE want AS ("
        " SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull"
        " FROM pg_catalog.pg_attribute a"
        " WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = ANY ";
static const char columns_tail[] =
        "), base(root, type, not_null) AS ("
        " SELECT DISTINCT w.atttypid, w.atttypid, false FROM want w"
        " UNION ALL SELECT b.root, t.typbasetype, b.not_null OR t.typnotnull FROM base b"
        " JOIN pg_catalog.pg_type t ON t.oid = b.type WHERE t.typtype = 'd'"
        "), leaf AS ("
        " SELECT b.root, b.not_null, t.oid, t.typtype, t.typcategory, t.typelem FROM base b"
        " JOIN pg_catalog.pg_type t ON t.oid = b.type WHERE t.typtype <> 'd'"
        "), inner_base(root, type) AS ("
        " SELECT l.root, t.oid FROM leaf l"
        " JOIN pg_catalog.pg_type t ON t.oid = l.typelem AND t.typarray = l.oid"
        " UNION ALL SELECT i.root, t.typbasetype FROM inner_base i"
        " JOIN pg_catalog.pg_type t ON t.oid = i.type WHERE t.typtype = 'd'"
        "), element AS ("
        " SELECT i.root, t.oid FROM inner_base i"
        " JOIN pg_catalog.pg_type t ON t.oid = i.type WHERE t.typtype <> 'd'"
        ") SELECT w.attrelid, w.attnum, w.attname, pg_catalog.quote_ident(w.attname),"
        " pg_catalog.format_type(w.atttypid, w.atttypmod), l.oid, l.typtype, l.typcategory, e.oid,"
        " w.attnotnull OR l.not_null, d.description,"
        " CASE WHEN pg_catalog.has_table_privilege(w.attrelid, 'SELECT') THEN true"
        " ELSE pg_catalog.has_column_privilege(w.attrelid, w.attnum, 'SELECT') END"
        " FROM want w JOIN leaf l ON l.root = w.atttypid LEFT JOIN element e ON e.root = w.atttypid"
        " LEFT JOIN pg_catalog.pg_description d ON d.objoid = w.attrelid"
        " AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid = w.attnum"
        " ORDER BY w.attrelid, w.attnum LIMIT ";

enum columns_column {
        C_TABLE,
        C_NUMBER,
        C_NAME,
        C_NAME_SQL,
        C_TYPE,
        C_BASE,
        C_CLASS,
        C_CATEGORY,
        C_ELEMENT,
        C_NOT_NULL,
        C_COMMENT,
        C_READABLE
};

static int take_column(struct build *b, struct catalog_column *c, struct pg_column *type,
        const PGresult *r, int row, struct err *e)
{
        bool is_array = !PQgetisnull(r, row, C_ELEMENT);

        c->name = dup_at(b, r, row, C_NAME);
        c->type = dup_at(b, r, row, C_TYPE);
        if (!c->name || !c->type)
                return nomem(b, e);
        type->base = (Oid)int_at(r, row, C_BASE);
        type->class = text_at(r, row, C_CLASS)[0];
        type->category = text_at(r, row, C_CATEGORY)[0];
        c->kind = is_array ? COL_ARRAY : pg_type_kind(type->base);
        if (is_array)
                c->elem = pg_type_kind((Oid)int_at(r, row, C_ELEMENT));
        type->column.name = c->name;
        type->column.kind = c->kind;
        c->nullable = !bool_at(r, row, C_NOT_NULL);
        c->readable = bool_at(r, row, C_READABLE);
        int rc = name_sql(b, c->name, text_at(r, row, C_NAME_SQL), &c->sql, e);
        return rc ? rc : comment_at(b, r, row, C_COMMENT, &c->comment, e);
}

/* The rows @from to @to are the columns of one table. */
static int take_columns_of(
        struct build *b, struct rel *rel, const PGresult *r, int from, int to, struct err *e)
{
        size_t count = (size_t)(to - from);
        struct catalog_column *columns = arena_array(b->arena, count, sizeof(*columns));
        int rc = 0;

        rel->numbers = arena_array(b->arena, count, sizeof(*rel->numbers));
        rel->types = arena_array(b->arena, count, sizeof(*rel->types));
        if (!columns || !rel->numbers || !rel->types)
                return nomem(b, e);
        for (size_t i = 0; i < count && !rc; i++) {
                rel->numbers[i] = (int)int_at(r, from + (int)i, C_NUMBER);
                rc = take_column(b, &columns[i], &rel->types[i], r, from + (int)i, e);
        }
        rel->table.columns = columns;
        rel->table.column_count = count;
        return rc;
}

static int take_columns(void *ctx, const PGresult *r, struct err *e)
{
        struct build *b = ctx;
        int count = PQntuples(r), rc = 0;

        if (count > CATALOG_MAX_COLUMNS)
                return err_set(e, ERR_CONFIG,
                        "more than %d columns: ask for fewer tables with --schema or --like",
                        CATALOG_MAX_COLUMNS);
        for (int from = 0, to; from < count && !rc; from = to) {
                Oid oid = (Oid)int_at(r, from, C_TABLE);
                for (to = from + 1; to < count && (Oid)int_at(r, to, C_TABLE) == oid;)
                        to++;
                struct rel *rel = find_rel(b, oid);
                if (rel)
                        rc = take_columns_of(b, rel, r, from, to, e);
        }
        return rc;
}

#define NO_COLUMN 1 /* an attnum that is no column of the table: a system column */

/* The columns with the attnums in "2 3 5", @max at the most. Return: 0; NO_COLUMN; -class. */
static int columns_numbered(struct build *b, const struct rel *rel, const char *numbers, size_t max,
        size_t **out, size_t *count, struct err *e)
{
        struct str rest = str_of(numbers);
        size_t *found = arena_array(b->arena, rest.len + 1, sizeof(*found));

        if (!found)
                return nomem(b, e);
        *count = 0;
        while (rest.len > 0 && *count < max) {
                const char *space = memchr(rest.ptr, ' ', rest.len);
                struct str word = {rest.ptr, space ? (size_t)(space - rest.ptr) : rest.len};
                int64_t number = 0;
                size_t i = 0;

                rest.ptr += word.len + (space != NULL);
                rest.len -= word.len + (space != NULL);
                if (!str_to_int64(word, &number))
                        return NO_COLUMN;
                while (i < rel->table.column_count && rel->numbers[i] != number)
                        i++;
                if (i == rel->table.column_count)
                        return NO_COLUMN;
                found[(*count)++] = i;
        }
        *out = found;
        return 0;
}

/* ---- indexes ---- */

/* %s: how many of the columns are the key (the others are only included). */
static const char indexes_head[] =
        "SELECT i.indrelid, i.indisprimary, i.indisunique, i.indkey::pg_catalog.text, i.%s"
        " FROM pg_catalog.pg_index i WHERE i.indisvalid AND i.indpred IS NULL"
        " AND i.indexprs IS NULL AND i.indrelid = ANY ";
static const char indexes_tail[] = " ORDER BY i.indrelid, i.indexrelid";

enum indexes_column { I_TABLE, I_PRIMARY, I_UNIQUE, I_COLUMNS, I_KEYS };

static bool all_usable(const struct catalog_table *t, const size_t *key, size_t count, bool *null)
{
        *null = false;
        for (size_t i = 0; i < count; i++) {
                const struct catalog_column *c = &t->columns[key[i]];
                if (!c->readable || !c->sql || c->kind == COL_ARRAY || c->kind == COL_JSON)
                        return false;
                *null = *null || c->nullable;
        }
        return count > 0;
}

/* The primary key, else the smallest unique index, rather one without NULLs. */
static void offer_key(
        struct catalog_table *t, const size_t *key, size_t count, enum catalog_key_from from)
{
        bool better = t->key_from == CATALOG_KEY_NONE || from < t->key_from ||
                      (from == t->key_from && count < t->key_count);

        if (!better)
                return;
        t->key = key;
        t->key_count = count;
        t->key_from = from;
}

static int take_index(struct build *b, struct rel *rel, const PGresult *r, int row, struct err *e)
{
        struct catalog_table *t = &rel->table;
        size_t *columns, count;
        bool null;
        int rc = columns_numbered(b, rel, text_at(r, row, I_COLUMNS),
                (size_t)int_at(r, row, I_KEYS), &columns, &count, e);

        if (rc)
                return rc == NO_COLUMN ? 0 : rc;
        if (count > 0)
                ((struct catalog_column *)t->columns)[columns[0]].indexed = true;
        if (bool_at(r, row, I_UNIQUE) && all_usable(t, columns, count, &null))
                offer_key(t, columns, count,
                        bool_at(r, row, I_PRIMARY) ? CATALOG_KEY_PRIMARY
                        : null                     ? CATALOG_KEY_NULLABLE
                                                   : CATALOG_KEY_UNIQUE);
        return 0;
}

static int take_indexes(void *ctx, const PGresult *r, struct err *e)
{
        struct build *b = ctx;
        int rc = 0;

        for (int row = 0; row < PQntuples(r) && !rc; row++) {
                struct rel *rel = find_rel(b, (Oid)int_at(r, row, I_TABLE));
                if (rel && rel->table.column_count)
                        rc = take_index(b, rel, r, row, e);
        }
        return rc;
}

/* indnkeyatts came with included columns, in version 11. */
static int query_indexes(struct build *b, struct err *e)
{
        cleanup_buf_ struct buf head = BUF_INIT(4096);
        const char *version = pg_conn_parameter(b->s->conn, "server_version");
        bool ten = strncmp(version, "10.", 3) == 0;

        buf_printf(&head, indexes_head, ten ? "indnatts" : "indnkeyatts");
        if (!buf_cstr(&head))
                return buf_check(&head, "statement", e);
        return query(b, head.data, true, indexes_tail, take_indexes, e);
}

/* ---- children ---- */

/* Where the parent's key column @wanted stands among the columns a foreign key refers to. */
static size_t place_of(const size_t *columns, size_t count, size_t wanted)
{
        for (size_t i = 0; i < count; i++)
                if (columns[i] == wanted)
                        return i;
        return count;
}

static bool can_merge(const struct foreign_key *k, size_t parent, size_t child)
{
        const struct pg_column *pair[] = {&k->parent->types[parent], &k->child->types[child]};
        enum row_order order;

        return pg_merge_order(pair, 2, &order);
}

/* Puts @columns into the order of the parent's key. Return: whether they hold just that. */
static bool order_by_key(const struct foreign_key *k, size_t *columns, const size_t *parents,
        size_t count, size_t *ordered)
{
        const struct catalog_table *t = &k->parent->table;

        if (t->key_count != count)
                return false;
        for (size_t i = 0; i < count; i++) {
                size_t at = place_of(parents, count, t->key[i]);
                if (at == count || !can_merge(k, t->key[i], columns[at]))
                        return false;
                ordered[i] = columns[at];
        }
        memcpy(columns, ordered, count * sizeof(*columns));
        return true;
}

static int make_child(
        struct build *b, const struct foreign_key *k, struct catalog_child *out, struct err *e)
{
        const struct catalog_table *t = &k->child->table;
        size_t *columns, *parents, *ordered, count, parent_count;
        bool usable, null;

        int rc = columns_numbered(b, k->child, k->columns, SIZE_MAX, &columns, &count, e);
        if (!rc)
                rc = columns_numbered(
                        b, k->parent, k->parent_columns, SIZE_MAX, &parents, &parent_count, e);
        if (rc)
                return rc;
        ordered = arena_array(b->arena, count + 1, sizeof(*ordered));
        if (!ordered)
                return nomem(b, e);
        usable = all_usable(t, columns, count, &null);
        *out = (struct catalog_child){.table = t,
                .columns = columns,
                .column_count = count,
                .nests = usable && count == parent_count &&
                         order_by_key(k, columns, parents, count, ordered),
                .composition = k->cascades && !null};
        return 0;
}

/* Keys @from to @to have the same parent. */
static int make_children(struct build *b, size_t from, size_t to, struct err *e)
{
        struct catalog_table *t = &b->keys[from].parent->table;
        struct catalog_child *children = arena_array(b->arena, to - from, sizeof(*children));

        if (!children)
                return nomem(b, e);
        t->children = children;
        for (size_t i = from; i < to; i++) {
                int rc = make_child(b, &b->keys[i], &children[t->child_count], e);
                if (rc < 0)
                        return rc;
                t->child_count += rc == 0;
        }
        return 0;
}

static int make_all_children(struct build *b, struct err *e)
{
        int rc = 0;

        for (size_t from = 0, to; from < b->key_count && !rc; from = to) {
                for (to = from + 1;
                        to < b->key_count && b->keys[to].parent == b->keys[from].parent;)
                        to++;
                rc = make_children(b, from, to, e);
        }
        return rc;
}

/* ---- all of it ---- */

static int limit(const char *sql, long max, struct buf *out, struct err *e)
{
        buf_printf(out, "%s%ld", sql, max + 1);
        return buf_cstr(out) ? 0 : buf_check(out, "statement", e);
}

static int query_tables(struct build *b, struct err *e)
{
        cleanup_buf_ struct buf rels = BUF_INIT(16384), keys = BUF_INIT(4096);
        int rc = limit(rels_sql, CATALOG_MAX_TABLES, &rels, e);

        if (!rc)
                rc = limit(keys_tail, MAX_FOREIGN_KEYS, &keys, e);
        if (!rc)
                rc = pg_conn_query_wait(b->s->conn, rels.data, take_rels, b, e);
        if (!rc)
                rc = choose_rels(b, e);
        return rc ? rc : query(b, keys_head, false, keys.data, take_keys, e);
}

static int query_all(struct build *b, struct err *e)
{
        cleanup_buf_ struct buf columns = BUF_INIT(8192);
        int rc = limit(columns_tail, CATALOG_MAX_COLUMNS, &columns, e);

        if (!rc)
                rc = query_tables(b, e);
        if (!rc)
                rc = query(b, columns_head, true, columns.data, take_columns, e);
        if (!rc)
                rc = query_indexes(b, e);
        for (size_t i = 0; i < b->count && !rc; i++)
                if (b->rels[i].loaded)
                        rc = catalog_rank_cursors(&b->rels[i].table, b->arena, e);
        /* Before the children, which refer to the key. */
        for (size_t i = 0; i < b->count && !rc; i++)
                if (b->q->table && b->rels[i].wanted &&
                        b->rels[i].table.key_from == CATALOG_KEY_NONE)
                        rc = pg_key_seen(b->s, &b->rels[i].table, b->arena, e);
        return rc ? rc : make_all_children(b, e);
}

static int collect(struct build *b, struct catalog *out, struct err *e)
{
        struct catalog_table *tables = arena_array(b->arena, b->count + 1, sizeof(*tables));
        size_t count = 0;

        if (!tables)
                return nomem(b, e);
        for (size_t i = 0; i < b->count; i++)
                if (b->rels[i].wanted)
                        tables[count++] = b->rels[i].table;
        *out = (struct catalog){tables, count};
        return 0;
}

int pg_discover(struct source *source, const struct catalog_query *q, struct arena *arena,
        struct catalog *out, struct err *e)
{
        struct pg_source *s = (struct pg_source *)source;
        struct build b = {.s = s, .q = q, .arena = arena};

        pg_reads_reap(s, false);
        int rc = pg_source_begin(s, e);
        if (!rc)
                rc = query_all(&b, e);
        /* Whatever state the transaction is in: the next user opens another connection. */
        s->conn = pg_conn_free(s->conn);
        if (!rc)
                rc = collect(&b, out, e);
        return rc ? err_wrap(e, rc, "source %s", s->config->name) : 0;
}
