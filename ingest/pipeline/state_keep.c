/*
 * Forgetting and taking over. Files of a state go while its lock is held; the lock's own file and
 * folder stay, because a lock on a file that was removed would exclude nobody.
 *
 * A rename copies the checkpoints to the new name, moves the folder, moves the rejects, and then
 * deletes the old checkpoints, that of the control database last: while it is there, the rename
 * can be repeated from wherever it broke off. A run in between finds a checkpoint that is not its
 * state's, and rebuilds.
 */
#include "ingest/pipeline/state_tool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "ingest/pipeline/lock.h"
#include "ingest/pipeline/reject_move.h"
#include "ingest/state/state.h"

#define PATH_BYTES 4200

static int put_path(const struct config *config, const char *name, const char *below,
        char out[PATH_BYTES], struct err *e)
{
        int n = snprintf(out, PATH_BYTES, "%s/%s%s", config->state_dir, name, below);

        return n < PATH_BYTES ? 0 : err_set(e, ERR_CONFIG, "state_dir: the path is too long");
}

static int lock_mapper(
        const struct config *config, const char *name, struct lock **out, struct err *e)
{
        char folder[PATH_BYTES];
        int rc = put_path(config, name, "", folder, e);

        return rc ? rc : lock_take(folder, out, e);
}

/* ---- files ---- */

static DIR *closedir_null(DIR *d)
{
        if (d)
                closedir(d);
        return NULL;
}
DEFINE_CLEANUP(DIR *, closedir_null);

static int file_error(const char *path, const char *what, struct err *e)
{
        int errnum = errno;
        bool rights = errnum == EACCES || errnum == EPERM || errnum == EROFS;
        int rc = err_set_errno(
                e, rights ? ERR_CONFIG : ERR_SYSTEM, errnum, "state folder %s: %s", path, what);

        return rights ? err_hint(e, rc, "the user of erp2couch must own its state_dir") : rc;
}

/* The files in the folder @path, and the folder. One that is not there is fine; what is no file of
 * ours (a folder in it) stays, and is told. */
static int remove_folder(const char *path, uint64_t *bytes, struct err *e)
{
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : file_error(path, "open", e);
        cleanup_(closedir_nullp) DIR *d = fdopendir(fd);
        const struct dirent *entry;
        struct stat st;

        if (!d) {
                close(fd);
                return err_nomem(e, "a folder");
        }
        while ((entry = readdir(d)) != NULL) {
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
                        *bytes += (uint64_t)st.st_size;
                if (unlinkat(fd, entry->d_name, 0) != 0 && errno != ENOENT)
                        return file_error(path, entry->d_name, e);
        }
        return rmdir(path) == 0 || errno == ENOENT ? 0 : file_error(path, "remove", e);
}

static int remove_files(
        const struct config *config, const char *name, uint64_t *bytes, struct err *e)
{
        static const char *const folders[] = {"/data", "/dry-run"};
        char path[PATH_BYTES];
        int rc = 0;

        *bytes = 0;
        for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && !rc; i++) {
                rc = put_path(config, name, folders[i], path, e);
                rc = rc ? rc : remove_folder(path, bytes, e);
        }
        return rc;
}

int state_rebuild(const struct config *config, const char *name, uint64_t *bytes, struct err *e)
{
        cleanup_(lock_releasep) struct lock *lock = NULL;
        int rc = lock_mapper(config, name, &lock, e);

        *bytes = 0;
        return rc ? rc : remove_files(config, name, bytes, e);
}

/* ---- the databases that may hold a checkpoint ---- */

struct places {
        char **names; /* owned, each too */
        size_t count;
};

static void places_deinit(struct places *p)
{
        for (size_t i = 0; i < p->count; i++)
                free(p->names[i]);
        free(p->names);
}

static int add_place(struct places *p, struct str name, struct err *e)
{
        for (size_t i = 0; i < p->count; i++)
                if (str_is(name, p->names[i]))
                        return 0;
        if (!couch_database_name_valid(name))
                return 0;
        char **names = reallocarray(p->names, p->count + 1, sizeof(*names));
        if (!names)
                return err_nomem(e, "names of databases");
        p->names = names;
        p->names[p->count] = str_dup(name);
        if (!p->names[p->count])
                return err_nomem(e, "names of databases");
        p->count++;
        return 0;
}

/* Those that the state knows. A state that cannot be read knows none. */
static int add_of_state(const struct config *config, const char *name, const struct log *log,
        struct places *p, struct err *e)
{
        cleanup_(state_closep) struct state *state = NULL;
        char path[PATH_BYTES];
        const char *why;
        int rc = put_path(config, name, "/data", path, e);

        if (rc || state_peek(path, log, false, &state, &why, e) != 0)
                return rc;
        for (size_t i = 0; !rc && i < state_database_count(state); i++)
                rc = add_place(p, str_of(state_database_name(state, (uint16_t)i)), e);
        return rc;
}

static const char *text_of(const cJSON *object, const char *name)
{
        return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

/* Those that runs listed in the control database. */
static int add_of_control(const cJSON *local, struct places *p, struct err *e)
{
        const cJSON *item;
        int rc = 0;

        cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(local, "targets"))
        {
                const char *name = text_of(item, "database");
                if (name && !rc)
                        rc = add_place(p, str_of(name), e);
        }
        return rc;
}

static int add_literal(const struct config_mapper *m, struct places *p, struct err *e)
{
        const struct field_template *t = &m->spec->database;

        if (t->count != 1 || t->parts[0].scope != TEMPLATE_LITERAL)
                return 0;
        return add_place(p, t->parts[0].text, e);
}

static void local_name(const char *mapper, char out[96])
{
        snprintf(out, 96, "erp2couch-%s", mapper);
}

/* ---- reset ---- */

static int find_places(const struct config *config, const char *name,
        const struct config_mapper *mapper, struct control *c, const struct log *log,
        struct places *out, struct err *e)
{
        cJSON *local = NULL;
        char id[96];
        int rc = add_of_state(config, name, log, out, e);

        local_name(name, id);
        if (!rc && mapper)
                rc = add_literal(mapper, out, e);
        if (!rc && !c->absent)
                rc = couch_local_get(c->couch, c->database, id, &local, e);
        if (rc == 0 && local)
                rc = add_of_control(local, out, e);
        cJSON_Delete(local);
        return rc < 0 ? rc : 0;
}

/* The control database's own goes last: it names the others. */
static int delete_checkpoints(
        struct control *c, const struct places *p, const char *name, size_t *count, struct err *e)
{
        char id[96];
        int rc = 0;

        local_name(name, id);
        for (size_t i = 0; i < p->count && rc >= 0; i++) {
                if (strcmp(p->names[i], c->database) == 0)
                        continue;
                rc = couch_local_delete(c->couch, p->names[i], id, e);
                *count += rc == 0;
        }
        if (rc >= 0 && !c->absent) {
                rc = couch_local_delete(c->couch, c->database, id, e);
                *count += rc == 0;
        }
        return rc < 0 ? err_wrap(e, rc, "deleting the checkpoints of %s", name) : 0;
}

int state_reset(const struct config *config, const char *name, const struct config_mapper *mapper,
        struct loop *loop, const struct log *log, struct state_reset *out, struct err *e)
{
        cleanup_(lock_releasep) struct lock *lock = NULL;
        cleanup_(places_deinit) struct places places = {.count = 0};
        struct control control = {.absent = false};

        *out = (struct state_reset){.bytes = 0};
        int rc = lock_mapper(config, name, &lock, e);
        if (rc)
                return rc;
        rc = control_open(config, loop, log, &control, e);
        rc = rc ? rc : find_places(config, name, mapper, &control, log, &places, e);
        rc = rc ? rc : delete_checkpoints(&control, &places, name, &out->checkpoints, e);
        control_close(&control);
        return rc ? rc : remove_files(config, name, &out->bytes, e);
}

/* ---- rename ---- */

struct rename {
        const struct config *config;
        const char *old;
        const struct config_mapper *mapper;
        const char *new;
        struct control control;
        const struct log *log;
        struct places places;
        cJSON *local; /* of the control database, under the old name; NULL: none */
        struct state_rename *out;
};

static bool has_files(const struct rename *n, const char *name)
{
        char path[PATH_BYTES];

        return put_path(n->config, name, "/data/data.mdb", path, NULL) == 0 &&
               access(path, F_OK) == 0;
}

/* Documents of another prefix would be orphans of the new mapper's state. */
static int check_prefix(const struct rename *n, struct err *e)
{
        const char *other = NULL;
        const cJSON *item;

        cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(n->local, "targets"))
        {
                const char *prefix = text_of(item, "prefix");
                if (prefix && str_is(n->mapper->spec->id_prefix, prefix))
                        return 0; /* the list may hold former ones beside it */
                other = prefix ? prefix : other;
        }
        if (!other)
                return 0;
        return err_set(e, ERR_CONFIG,
                "the documents of %s begin with \"%s\", those of %s with \"%.*s\": they are not "
                "the "
                "same mapper",
                n->old, other, n->new, STR_ARG(n->mapper->spec->id_prefix));
}

/* Return: 0; -ERR_CONFIG the new name has a state, and it is not the one that a rename left. */
static int check_files(const struct rename *n, struct err *e)
{
        if (!has_files(n, n->old) && !n->local)
                return err_set(e, ERR_USAGE,
                        "there is nothing of a mapper %s: neither a state in %s nor a checkpoint "
                        "in "
                        "database %s",
                        n->old, n->config->state_dir, n->control.database);
        if (has_files(n, n->old) && has_files(n, n->new))
                return err_set(e, ERR_CONFIG,
                        "mapper %s has a state of its own already; to give it that of %s: "
                        "erp2couch "
                        "state reset %s, then this again",
                        n->new, n->old, n->new);
        return 0;
}

static int copy_local(struct rename *n, const char *database, struct err *e)
{
        char from[96], to[96];
        cJSON *local = NULL;

        local_name(n->old, from);
        local_name(n->new, to);
        int rc = couch_local_get(n->control.couch, database, from, &local, e);
        if (rc)
                return rc;
        cJSON_DeleteItemFromObjectCaseSensitive(local, "_id");
        cJSON_DeleteItemFromObjectCaseSensitive(local, "mapper");
        cJSON_AddStringToObject(local, "mapper", n->new);
        rc = couch_local_put(n->control.couch, database, to, local, e);
        cJSON_Delete(local);
        n->out->checkpoints += rc == 0;
        return rc;
}

static int copy_locals(struct rename *n, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; i < n->places.count && rc >= 0; i++)
                rc = copy_local(n, n->places.names[i], e);
        if (rc >= 0 && !n->control.absent)
                rc = copy_local(n, n->control.database, e);
        return rc < 0 ? err_wrap(e, rc, "copying the checkpoints of %s", n->old) : 0;
}

static int move_folder(struct rename *n, struct err *e)
{
        char from[PATH_BYTES], to[PATH_BYTES];
        uint64_t bytes;
        int rc = put_path(n->config, n->old, "/data", from, e);

        rc = rc ? rc : put_path(n->config, n->new, "/data", to, e);
        if (rc || !has_files(n, n->old))
                return rc;
        rc = remove_folder(to, &bytes, e); /* it may be there, without a state */
        if (rc)
                return rc;
        return rename(from, to) == 0 ? 0 : file_error(from, "rename", e);
}

static int take_over(struct rename *n, struct err *e)
{
        size_t ignored = 0;
        char id[96];
        int rc = 0;

        local_name(n->old, id);
        if (!n->control.absent)
                rc = couch_local_get(n->control.couch, n->control.database, id, &n->local, e);
        rc = rc < 0 ? rc : check_files(n, e);
        rc = rc ? rc : check_prefix(n, e);
        rc = rc ? rc : add_of_state(n->config, n->old, n->log, &n->places, e);
        rc = rc ? rc : add_of_state(n->config, n->new, n->log, &n->places, e);
        rc = rc ? rc : add_of_control(n->local, &n->places, e);
        rc = rc ? rc : copy_locals(n, e);
        rc = rc ? rc : move_folder(n, e);
        rc = rc ? rc : reject_move(&n->control, n->log, n->old, n->new, &n->out->rejects, e);
        return rc ? rc : delete_checkpoints(&n->control, &n->places, n->old, &ignored, e);
}

int state_rename(const struct config *config, const char *old, const struct config_mapper *mapper,
        struct loop *loop, const struct log *log, struct state_rename *out, struct err *e)
{
        cleanup_(lock_releasep) struct lock *old_lock = NULL, *new_lock = NULL;
        struct rename n = {.config = config,
                .old = old,
                .mapper = mapper,
                .new = mapper->spec->name,
                .log = log,
                .out = out};
        const struct config_mapper *configured;

        *out = (struct state_rename){.checkpoints = 0};
        if (config_mapper(config, old, &configured, NULL) == 0)
                return err_set(e, ERR_USAGE,
                        "mapper %s is in the configuration: its state is in use", old);
        int rc = control_open(config, loop, log, &n.control, e);
        rc = rc ? rc : lock_mapper(config, old, &old_lock, e);
        rc = rc ? rc : lock_mapper(config, n.new, &new_lock, e);
        rc = rc ? rc : take_over(&n, e);
        control_close(&n.control);
        places_deinit(&n.places);
        cJSON_Delete(n.local);
        return rc;
}
