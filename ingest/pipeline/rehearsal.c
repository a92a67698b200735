/*
 * A dry run goes through every stage of a run, on a copy of the state, so that it sees what a run
 * would see: moves, claims, deletions, the brake. Its writer says yes to everything.
 */
#include "ingest/pipeline/run_internal.h"

#include <fcntl.h>
#include <stdio.h>

#include "ingest/couch/rev.h"

static int scratch_path(struct run *r, struct err *e)
{
        cleanup_buf_ struct buf path = BUF_INIT(4096);

        buf_printf(&path, "%s/%s/dry-run", r->config->state_dir, r->spec->name);
        if (!buf_cstr(&path))
                return err_set(e, ERR_CONFIG, "state_dir: the path is too long");
        r->scratch_state = str_dup(buf_str(&path));
        return r->scratch_state ? 0 : err_nomem(e, "path");
}

/* What an earlier dry run that was killed may have left, too. */
static void remove_files(const char *folder)
{
        static const char *const files[] = {"data.mdb", "lock.mdb", "closed", "corrupt"};
        char path[4200];

        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
                snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
                (void)unlink(path);
        }
}

/* The state itself is only looked at: where there is none, none is made. */
static int copy_state(struct run *r, const char *data, struct err *e)
{
        cleanup_(state_closep) struct state *real = NULL;
        const char *why;
        int rc = state_peek(data, r->log, false, &real, &why, e);

        if (rc == STATE_DAMAGED || rc == STATE_FOREIGN)
                log_warn(r->log,
                        "the state in %s is not used: %s; a run sets it aside and makes a "
                        "new one from what CouchDB holds",
                        data, why);
        return rc ? rc : state_copy(real, r->scratch_state, e);
}

int rehearsal_begin(struct run *r, const char *data, struct err *e)
{
        bool fresh;
        int rc = scratch_path(r, e);

        if (rc)
                return rc;
        remove_files(r->scratch_state);
        if (!r->options.rebuild)
                rc = copy_state(r, data, e);
        return rc < 0 ? rc : state_open(r->scratch_state, r->log, &r->state, &fresh, e);
}

void rehearsal_end(struct run *r)
{
        if (!r->scratch_state)
                return;
        remove_files(r->scratch_state);
        (void)rmdir(r->scratch_state);
        free(r->scratch_state);
        r->scratch_state = NULL;
}

static void show(struct run *r, const struct pending *p, const struct bulk_doc *doc)
{
        struct run_difference d = {.database = doc->database,
                .id = doc->id,
                .old_id = p->moved ? p->old_id : STR(""),
                .key = p->key,
                .body = doc->body};

        if (!r->options.on_difference || p->kind >= PENDING_BRANCH || p->kind == PENDING_OLD_ID)
                return;
        d.change = p->kind != PENDING_RECORD ? RUN_DELETES
                   : p->moved                ? RUN_MOVES
                   : p->existed              ? RUN_UPDATES
                                             : RUN_CREATES;
        r->options.on_difference(r->options.on_difference_ctx, &d);
}

/* The next generation, with a hash that no document has. */
int rehearsal_write(struct run *r, struct pending *p, const struct bulk_doc *doc, struct err *e)
{
        char rev[REV_MAX];
        struct bulk_outcome yes = {
                .result = BULK_WRITTEN, .database = doc->database, .id = doc->id, .cookie = p};

        snprintf(rev, sizeof(rev), "%llu-00000000000000000000000000000000",
                (unsigned long long)rev_generation(doc->parent) + 1);
        yes.rev = str_of(rev);
        show(r, p, doc);
        settle_outcome(r, &yes);
        if (r->failed)
                *e = r->why;
        return r->failed;
}
