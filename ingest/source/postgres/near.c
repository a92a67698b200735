/*
 * All tables are fetched and compared here: names are near by the same measure as keys of YAML,
 * and the server need not have an extension for it.
 */
#include "ingest/source/postgres/near.h"

#include "ingest/source/postgres/describe.h"
#include "ingest/source/postgres/sql.h"

#define TABLES_MAX "20000" /* looked at: a few MiB, for one message */

/* Those in the search path come first. */
static const char tables_sql[] =
        "SELECT c.relname, n.nspname, pg_catalog.quote_ident(c.relname),"
        " pg_catalog.quote_ident(n.nspname), pg_catalog.pg_table_is_visible(c.oid)"
        " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p')"
        " AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
        " ORDER BY 5 DESC, 1, 2 LIMIT " TABLES_MAX;

enum tables_column { NAME, SCHEMA, QUOTED_NAME, QUOTED_SCHEMA, VISIBLE };

struct lookup {
        const struct pg_target *t;
        struct arena *arena;
        struct err *e;
        bool done;
};

/* The last part of the name that was given. */
static struct str bare_name(const struct pg_target *t)
{
        const char *dot = strrchr(t->missing, '.');

        return str_of(dot ? dot + 1 : t->missing);
}

static void hint_table(const struct lookup *l, const PGresult *tables, int row)
{
        bool quoted = !pg_target_table(l->t); /* table: takes names as they are */
        const char *name = PQgetvalue(tables, row, quoted ? QUOTED_NAME : NAME);
        const char *schema = PQgetvalue(tables, row, quoted ? QUOTED_SCHEMA : SCHEMA);
        bool visible = PQgetvalue(tables, row, VISIBLE)[0] == 't';

        err_hint(l->e, 0, "did you mean %s%s%s?%s", visible ? "" : schema, visible ? "" : ".", name,
                quoted && name[0] == '"' ? " A name with capitals stands in double quotes" : "");
}

static void hint_nearest(const struct lookup *l, const PGresult *tables)
{
        size_t count = (size_t)PQntuples(tables);
        const char **names = arena_array(l->arena, count, sizeof(*names));

        for (size_t i = 0; names && i < count; i++)
                names[i] = PQgetvalue(tables, (int)i, NAME);
        const char *near = names ? str_nearest(bare_name(l->t), names, count) : NULL;
        for (size_t i = 0; near && i < count; i++) {
                if (names[i] != near)
                        continue;
                hint_table(l, tables, (int)i);
                return;
        }
        err_hint(l->e, 0,
                "no table has a name like it: check the name, and that dbname in the dsn is the "
                "right database");
}

static void on_tables(void *ctx, int rc, const PGresult *result, const struct err *e)
{
        struct lookup *l = ctx;

        (void)e;
        if (rc == 0 && PQnfields(result) == VISIBLE + 1)
                hint_nearest(l, result);
        l->done = true;
}

void pg_near_table(
        struct pg_source *s, const struct pg_target *t, struct arena *arena, struct err *e)
{
        struct lookup l = {.t = t, .arena = arena, .e = e};
        struct err ignored;

        if (!t->missing[0] || pg_conn_exec_wait(s->conn, "ROLLBACK", &ignored))
                return;
        pg_conn_query(s->conn, tables_sql, on_tables, &l);
        if (loop_run_until(s->loop, &l.done, &ignored))
                s->conn = pg_conn_free(s->conn); /* on_tables must not come later */
}
