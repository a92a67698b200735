/*
 * A query is read like any extract, as a stream of rows without a key, straight into its table.
 * What it gives is as old as its own snapshot: a key that comes into the ERP between it and the
 * read of the records is not found, and since the table is another one in the next run, that one
 * reads everything again.
 */
#include "ingest/pipeline/lookups.h"

#define ARENA_MAX ((size_t)16 << 20) /* what one description needs */

struct lookup_read {
        struct lookup_table *table;
        struct source_read *read;
        bool ended;
        int rc;
        struct err err;
};

static int on_record(void *ctx, const struct record *record, struct err *e)
{
        return lookup_table_row(((struct lookup_read *)ctx)->table, record->row, e);
}

static int on_reject(void *ctx, struct str key, const char *reason, struct err *e)
{
        (void)key;
        return lookup_table_error(((struct lookup_read *)ctx)->table, NULL, e, "%s", reason);
}

static void on_end(void *ctx, int rc, const struct err *e)
{
        struct lookup_read *l = ctx;

        l->rc = rc;
        if (rc)
                l->err = *e;
        l->read = NULL;
        l->ended = true;
}

static int read_rows(struct source *source, const struct extract *x, const struct shape *shape,
        struct lookup_table *table, struct loop *loop, struct err *e)
{
        struct lookup_read l = {.table = table};
        struct source_sink sink = {
                .on_record = on_record, .on_reject = on_reject, .on_end = on_end, .ctx = &l};
        struct err ignored;
        int rc = source_read_all(source, x, shape, &sink, &l.read, e);

        if (rc)
                return rc;
        rc = loop_run_until(loop, &l.ended, e);
        if (rc) {
                source_cancel(l.read);
                (void)!loop_run_until_done(loop, &l.ended, &ignored);
                return rc;
        }
        if (l.rc && e)
                *e = l.err;
        return l.rc;
}

static void warn_of_nulls(const struct lookup_table *t, const struct log *log)
{
        const struct lookup_spec *spec = lookup_table_spec(t);
        size_t nulls, count = lookup_table_count(t, &nulls);

        log_debug(log, "%s:%d:%d: lookup: %zu keys", spec->doc->name, spec->node->line,
                spec->node->column, count);
        if (nulls)
                log_warn(log, "%s:%d:%d: lookup: %zu rows have no key (NULL) and were left out",
                        spec->doc->name, spec->node->line, spec->node->column, nulls);
}

static int read_query(struct source *source, const struct extract *x, enum lookups_what what,
        struct lookup_table *table, struct loop *loop, struct err *e)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(ARENA_MAX);
        struct shape shape;

        if (!arena)
                return err_nomem(e, "a look-up");
        int rc = source_describe(source, x, arena, &shape, e);
        if (!rc)
                rc = lookup_table_columns(table, &shape.columns, e);
        if (!rc && what == LOOKUPS_ROWS)
                rc = read_rows(source, x, &shape, table, loop, e);
        lookup_table_end(table); /* before the columns go */
        return rc;
}

int lookups_read(struct source *source, const struct config_mapper *m, enum lookups_what what,
        struct loop *loop, const struct log *log, struct lookup_set **out, struct err *e)
{
        cleanup_(lookup_set_freep) struct lookup_set *set = NULL;

        *out = NULL;
        if (m->spec->lookup_count == 0)
                return 0;
        int rc = lookup_set_new(m->spec, &set, e);
        if (!rc)
                rc = lookup_set_load(set, e);
        for (size_t i = 0; i < m->spec->lookup_count && !rc; i++)
                if (m->lookups[i])
                        rc = read_query(
                                source, m->lookups[i], what, lookup_set_table(set, i), loop, e);
        if (rc)
                return rc;
        for (size_t i = 0; i < m->spec->lookup_count; i++)
                warn_of_nulls(lookup_set_table(set, i), log);
        *out = TAKE(set);
        return 0;
}
