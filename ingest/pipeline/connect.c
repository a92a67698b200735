#include "ingest/pipeline/connect.h"

#include "ingest/pipeline/lookups.h"
#include "ingest/source/source.h"
#include "mappers/compile.h"

#define RETRY_FOR_MS 3000 /* a server that starts just now is met; nobody waits for minutes */

/* The zone of the mapper must be there where its cursors need one. */
static int check_cursor(struct source *source, const struct config_mapper *m, struct err *e)
{
        cleanup_(tz_freep) struct tz *zone = NULL;
        int rc = m->spec->timezone ? tz_load(m->spec->timezone, &zone, e) : 0;
        struct source_watch watch = {.zone = zone};

        return rc ? rc : source_check_watch(source, m->extract, &watch, e);
}

static int check_mapper(struct source *source, const struct config_mapper *m, struct loop *loop,
        const struct log *log, struct connect_report *report, struct err *e)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(16 << 20);
        cleanup_(lookup_set_freep) struct lookup_set *lookups = NULL;
        struct mapper_program *program = NULL;
        struct shape shape;

        if (!arena)
                return err_nomem(e, "check");
        int rc = source_describe(source, m->extract, arena, &shape, e);
        if (rc)
                return rc;
        rc = source_probe(source, m->extract, &shape, e);
        if (rc)
                return rc;
        report->columns = shape.columns.count;
        rc = lookups_read(source, m, LOOKUPS_COLUMNS, loop, log, &lookups, e);
        if (!rc)
                rc = mapper_compile_with(m->spec, &shape, lookups, &program, e);
        mapper_program_free(program);
        if (!rc)
                rc = static_check_mapper(m, &shape, &report->found, e);
        report->analysed = !rc;
        return rc || !m->extract->cursor ? rc : check_cursor(source, m, e);
}

/* All mappers of one source over one connection. */
static int check_source(const struct config *config, const struct source_config *source,
        struct loop *loop, const struct log *log, struct connect_report *reports)
{
        cleanup_(source_closep) struct source *open = NULL;
        struct err failure;
        int first = 0;
        int rc = source_open(source, loop, log, &open, &failure);

        for (size_t i = 0; i < config->mapper_count; i++) {
                if (config->mappers[i].source != source)
                        continue;
                reports[i].err = (struct err){0};
                reports[i].repeated = rc && first;
                int mapper_rc = rc;
                if (rc)
                        reports[i].err = failure;
                else
                        mapper_rc = check_mapper(
                                open, &config->mappers[i], loop, log, &reports[i], &reports[i].err);
                if (mapper_rc == 0)
                        reports[i].err.class = ERR_NONE;
                first = first ? first : mapper_rc;
        }
        return first;
}

/* Whether @name is there for us, or a run could make it. */
static int check_database(struct couch *couch, const struct couch_server *server, const char *what,
        const char *name, struct err *e)
{
        struct couch_database db = {0};
        int rc = couch_database(couch, name, &db, e);

        couch_database_deinit(&db);
        if (rc == COUCH_ABSENT && !couch_options(couch)->create)
                return err_set(e, ERR_CONFIG,
                        "%s database %s is missing and couchdb.create is false: make it", what,
                        name);
        if (rc == COUCH_ABSENT && !server->makes_databases)
                return err_set(e, ERR_CONFIG,
                        "%s database %s is missing, and CouchDB lets only a server admin make it, "
                        "not %s: use the credentials of one in couchdb.auth, or have it made",
                        what, name, server->user[0] ? server->user : "us without credentials");
        return rc < 0 ? rc : 0;
}

/* The control database, and the targets whose names are no templates. */
static int check_databases(const struct config *config, struct couch *couch,
        const struct couch_server *server, struct err *e)
{
        int rc = check_database(couch, server, "control", config->couch.control_database, e);

        for (size_t i = 0; i < config->mapper_count && !rc; i++) {
                const struct field_template *t = &config->mappers[i].spec->database;
                if (t->count != 1 || t->parts[0].scope != TEMPLATE_LITERAL)
                        continue;
                rc = check_database(couch, server, "target", t->parts[0].text.ptr, e);
                if (rc)
                        rc = err_wrap(e, rc, "mapper %s", config->mappers[i].spec->name);
        }
        return rc;
}

static int check_couch(const struct config *config, struct loop *loop, const struct log *log,
        struct couch_server *server, struct err *e)
{
        cleanup_(couch_closep) struct couch *couch = NULL;
        struct couch_options options = config->couch;

        if (options.retry_for_ms > RETRY_FOR_MS)
                options.retry_for_ms = RETRY_FOR_MS;
        int rc = couch_open(&options, loop, log, &couch, e);
        if (!rc)
                rc = couch_server(couch, server, e);
        return rc ? rc : check_databases(config, couch, server, e);
}

int connect_check(const struct config *config, struct loop *loop, const struct log *log,
        struct connect_report *reports, struct couch_server *server, struct err *couch_err)
{
        int first = check_couch(config, loop, log, server, couch_err);

        if (first == 0)
                *couch_err = (struct err){0};
        for (size_t i = 0; i < config->source_count; i++) {
                int rc = check_source(config, &config->sources[i], loop, log, reports);
                first = first ? first : rc;
        }
        return first;
}
