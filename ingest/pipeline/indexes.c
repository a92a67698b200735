/*
 * What a mapper's schema asks of its databases beyond documents (schemas/annotation.h): indexes.
 * Looked at once in a run and database: before the read, so that a mistake shows at once, but
 * behind a first load, which CouchDB would index document by document while it writes them.
 * Documents matter more than indexes: where these credentials may not write design documents, that
 * is a warning and the run goes on.
 *
 * The revision counts as a write of ours. A run that dies before that is stored leaves it to look
 * like somebody else's: the next one follows the changes, and finds no document of ours among them.
 */
#include "ingest/pipeline/run_internal.h"

#include "ingest/couch/index.h"

static struct couch_index *wanted_indexes(struct run *r, struct err *e)
{
        const struct schema_annotation *a = &r->mapper->annotation;
        struct couch_index *wanted = arena_array(r->arena, a->index_count + 1, sizeof(*wanted));

        if (!wanted)
                arena_failed(r->arena, "indexes", e);
        for (size_t i = 0; wanted && i < a->index_count; i++)
                wanted[i] = (struct couch_index){.name = a->indexes[i].name,
                        .fields = a->indexes[i].fields,
                        .field_count = a->indexes[i].field_count,
                        .filter = a->indexes[i].filter};
        return wanted;
}

static int keep_indexes(struct run *r, struct target *t, struct err *e)
{
        size_t count = r->mapper->annotation.index_count;

        if (!r->indexes)
                r->indexes = wanted_indexes(r, e);
        if (!r->indexes)
                return -ERR_NOMEM;
        int rc = couch_indexes_keep(r->couch, t->name, r->spec->name, r->indexes, count, e);
        if (rc == COUCH_INDEXES_WRITTEN) {
                t->own_writes++;
                log_info(r->log, "database %s: %s the indexes in _design/erp2couch-%s", t->name,
                        count ? "wrote" : "removed", r->spec->name);
        }
        if (rc == COUCH_INDEXES_REFUSED) {
                log_warn(r->log, "%s", e->text);
                r->indexes_refused = true;
        }
        t->indexed = rc >= 0;
        return rc < 0 ? rc : 0;
}

int indexes_keep(struct run *r, struct err *e)
{
        int rc = 0;

        if (r->options.dry_run || run_takes_some(r))
                return 0;
        for (size_t i = 0; !rc && !r->indexes_refused && i < r->targets.count; i++)
                if (!r->targets.items[i]->indexed)
                        rc = keep_indexes(r, r->targets.items[i], e);
        return rc;
}
