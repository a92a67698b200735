/*
 * A key that nobody declared, as in views: one look at the first rows counts the values of each
 * candidate and of pairs of the likeliest. Rows that differ beyond the prefix compared are taken
 * for equal, which can only make the search miss a key.
 */
#include "ingest/source/postgres/postgres.h"

#include "ingest/source/postgres/sql.h"

#define LOOKED_AT    10000 /* rows: read and sorted in less than a second */
#define LOOK_TIME_MS 5000  /* a view may need the whole database for its first row */
#define PAIRED       8     /* of the candidates: 28 pairs */
#define PREFIX_CHARS 200   /* of a value: texts may be megabytes */

struct look {
        struct pg_source *s;
        struct catalog_table *t;
        struct arena *arena;
        size_t candidates[CATALOG_MAX_CANDIDATES];
        size_t count;
        int64_t rows; /* -1: they could not be read */
        size_t key[CATALOG_MAX_CANDIDATES];
        size_t key_count;
        bool proved;
};

static void put_counts(const struct look *l, struct buf *sql)
{
        buf_puts(sql, "SELECT pg_catalog.count(*)");
        for (size_t i = 0; i < l->count; i++)
                buf_printf(sql, ", pg_catalog.count(c%zu), pg_catalog.count(DISTINCT c%zu)", i, i);
        for (size_t i = 0; i < l->count && i < PAIRED; i++)
                for (size_t k = i + 1; k < l->count && k < PAIRED; k++)
                        buf_printf(sql, ", pg_catalog.count(DISTINCT ROW(c%zu, c%zu))", i, k);
}

static void put_look(const struct look *l, struct buf *sql)
{
        put_counts(l, sql);
        buf_puts(sql, " FROM (SELECT ");
        for (size_t i = 0; i < l->count; i++) {
                const struct catalog_column *c = &l->t->columns[l->candidates[i]];
                buf_printf(sql, "%spg_catalog.left(q.%s::pg_catalog.text, %d) AS c%zu",
                        i ? ", " : "", c->sql, PREFIX_CHARS, i);
        }
        buf_printf(sql, " FROM %s AS q LIMIT %d) AS looked_at", l->t->sql, LOOKED_AT);
}

static int64_t count_at(const PGresult *r, size_t column)
{
        int64_t n = -1;

        return str_to_int64(str_of(PQgetvalue(r, 0, (int)column)), &n) ? n : -1;
}

static size_t filled_column(size_t candidate)
{
        return 1 + 2 * candidate;
}

static bool is_filled(const struct look *l, const PGresult *r, size_t candidate)
{
        return count_at(r, filled_column(candidate)) == l->rows;
}

static void propose(struct look *l, size_t candidate)
{
        l->key[l->key_count++] = l->candidates[candidate];
}

static bool find_single(struct look *l, const PGresult *r)
{
        for (size_t i = 0; i < l->count; i++) {
                if (!is_filled(l, r, i) || count_at(r, filled_column(i) + 1) != l->rows)
                        continue;
                propose(l, i);
                return true;
        }
        return false;
}

static bool find_pair(struct look *l, const PGresult *r)
{
        size_t column = filled_column(l->count);

        for (size_t i = 0; i < l->count && i < PAIRED; i++) {
                for (size_t k = i + 1; k < l->count && k < PAIRED; k++, column++) {
                        if (!is_filled(l, r, i) || !is_filled(l, r, k) ||
                                count_at(r, column) != l->rows)
                                continue;
                        propose(l, i);
                        propose(l, k);
                        return true;
                }
        }
        return false;
}

static int take_look(void *ctx, const PGresult *r, struct err *e)
{
        struct look *l = ctx;

        (void)e;
        l->rows = count_at(r, 0);
        if (l->rows <= 0)
                return 0;
        l->proved = find_single(l, r) || find_pair(l, r);
        for (size_t i = 0; i < l->count && !l->proved; i++)
                if (is_filled(l, r, i))
                        propose(l, i);
        return 0;
}

static int look(struct look *l, struct err *e)
{
        cleanup_buf_ struct buf set = BUF_INIT(256), sql = BUF_INIT(PG_SQL_MAX_BYTES);

        buf_printf(&set, "SET LOCAL statement_timeout = %d", LOOK_TIME_MS);
        put_look(l, &sql);
        if (!buf_cstr(&set) || !buf_cstr(&sql))
                return buf_check(&sql, "statement", e);
        int rc = pg_conn_exec_wait(l->s->conn, set.data, e);
        return rc ? rc : pg_conn_query_wait(l->s->conn, sql.data, take_look, l, e);
}

static int set_key(struct look *l, struct err *e)
{
        struct catalog_table *t = l->t;
        size_t *key;

        if (l->key_count == 0) /* no rows, or every candidate holds NULL: the likeliest name */
                propose(l, 0);
        key = arena_array(l->arena, l->key_count, sizeof(*key));
        if (!key)
                return arena_failed(l->arena, "the catalog", e);
        memcpy(key, l->key, l->key_count * sizeof(*key));
        t->key = key;
        t->key_count = l->key_count;
        t->key_from = l->proved ? CATALOG_KEY_SEEN : CATALOG_KEY_GUESS;
        t->key_rows = l->rows;
        return 0;
}

int pg_key_seen(struct pg_source *s, struct catalog_table *t, struct arena *arena, struct err *e)
{
        struct look l = {.s = s, .t = t, .arena = arena, .rows = -1};
        struct err why;

        l.count = catalog_key_candidates(t, l.candidates);
        if (l.count == 0)
                return 0;
        if (t->readable && t->sql) {
                int rc = look(&l, &why);
                if (rc == -ERR_CANCEL || rc == -ERR_NOMEM) {
                        if (e)
                                *e = why;
                        return rc;
                }
                if (rc)
                        log_debug(s->log, "table %s: no look at its rows: %s", t->sql, why.text);
        }
        return set_key(&l, e);
}
