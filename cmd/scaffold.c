/*
 * Everything that was made is remembered in the order in which it was made, so that a failure can
 * be undone backwards. A crash between two files leaves a part: the next attempt then refuses and
 * names the first file that is there.
 */
#include "cmd/scaffold.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ingest/base/cleanup.h"
#include "ingest/base/str.h"

#define PATH_BYTES  4096 /* PATH_MAX of Linux */
#define MAX_FOLDERS 8    /* below the one that is made: mappers, schemas */

struct scaffold {
        const char *dir;
        const struct template_set *set;
        bool made_dir;
        struct str made[MAX_FOLDERS]; /* folders in it, borrowed from the names of files */
        size_t made_count;
        size_t files; /* written, the one that failed included */
};

static int join(char out[PATH_BYTES], const char *dir, const char *name, struct err *e)
{
        int n = snprintf(out, PATH_BYTES, "%s/%s", dir, name);

        return n < PATH_BYTES ? 0 : err_set(e, ERR_USAGE, "init: the path %s is too long", dir);
}

static int join_folder(char out[PATH_BYTES], const char *dir, struct str folder, struct err *e)
{
        char name[256];

        snprintf(name, sizeof(name), "%.*s", STR_ARG(folder));
        return join(out, dir, name, e);
}

static int refuse_existing(const struct scaffold *s, struct err *e)
{
        char path[PATH_BYTES];
        struct stat st;

        for (size_t i = 0; i < s->set->file_count; i++) {
                int rc = join(path, s->dir, s->set->files[i].name, e);
                if (rc)
                        return rc;
                if (lstat(path, &st) == 0)
                        return err_set(e, ERR_CONFIG,
                                "init: %s is there already and is not overwritten; name a new "
                                "folder",
                                path);
        }
        return 0;
}

static int make_folder(const char *path, bool *made, struct err *e)
{
        *made = mkdir(path, 0755) == 0;
        if (*made || errno == EEXIST)
                return 0;
        int rc = err_set_errno(e, ERR_CONFIG, errno, "init: making the folder %s", path);
        return errno == ENOENT ? err_hint(e, rc, "make the folder above it first") : rc;
}

static int write_bytes(int fd, const char *path, const struct template_file *t, struct err *e)
{
        for (size_t at = 0; at < t->size;) {
                ssize_t n = write(fd, t->data + at, t->size - at);
                if (n < 0 && errno != EINTR)
                        return err_set_errno(e, ERR_SYSTEM, errno, "init: writing %s", path);
                at += n > 0 ? (size_t)n : 0;
        }
        return 0;
}

static int write_file(struct scaffold *s, const struct template_file *t, struct err *e)
{
        char path[PATH_BYTES];
        int rc = join(path, s->dir, t->name, e);

        if (rc)
                return rc;
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0)
                return err_set_errno(e, ERR_CONFIG, errno, "init: making %s", path);
        s->files++;
        rc = write_bytes(fd, path, t, e);
        /* A network or quota file system may tell only here that there is no room. */
        if (close(fd) != 0 && rc == 0)
                rc = err_set_errno(e, ERR_SYSTEM, errno, "init: writing %s", path);
        return rc;
}

/* Removes what was made. Return: whether nothing of it is left. */
static bool undo(const struct scaffold *s)
{
        char path[PATH_BYTES];
        struct err ignored;
        bool gone = true;

        for (size_t i = s->files; i-- > 0;)
                if (join(path, s->dir, s->set->files[i].name, &ignored) || unlink(path) != 0)
                        gone = false;
        for (size_t i = s->made_count; i-- > 0;)
                if (join_folder(path, s->dir, s->made[i], &ignored) || rmdir(path) != 0)
                        gone = false;
        if (s->made_dir && rmdir(s->dir) != 0)
                gone = false;
        return gone;
}

/* The folder that the file @name is in, where it is not there yet. */
static int make_folder_of(struct scaffold *s, const char *name, struct err *e)
{
        const char *slash = strchr(name, '/');
        struct str folder = {name, slash ? (size_t)(slash - name) : 0};
        char path[PATH_BYTES];
        bool made = false;

        if (!slash)
                return 0;
        int rc = join_folder(path, s->dir, folder, e);
        if (!rc)
                rc = make_folder(path, &made, e);
        if (!rc && made && s->made_count == MAX_FOLDERS)
                return err_set(e, ERR_BUG, "init: more than %d folders", MAX_FOLDERS);
        if (!rc && made)
                s->made[s->made_count++] = folder;
        return rc;
}

static int write_all(struct scaffold *s, struct err *e)
{
        int rc = make_folder(s->dir, &s->made_dir, e);

        for (size_t i = 0; !rc && i < s->set->file_count; i++)
                rc = make_folder_of(s, s->set->files[i].name, e);
        for (size_t i = 0; !rc && i < s->set->file_count; i++)
                rc = write_file(s, &s->set->files[i], e);
        return rc;
}

int scaffold_write(const char *dir, const struct template_set *set, struct err *e)
{
        struct scaffold s = {.dir = dir, .set = set};
        int rc = refuse_existing(&s, e);

        if (rc)
                return rc;
        rc = write_all(&s, e);
        if (rc == 0)
                return 0;
        bool began = s.made_dir || s.made_count > 0 || s.files > 0;
        if (!undo(&s))
                return err_hint(e, rc,
                        "what was written could not be removed: remove %s by hand, and run init "
                        "again when there is room",
                        dir);
        return began ? err_hint(e, rc,
                               "nothing is left of it: make room or get the rights, then "
                               "run init again")
                     : rc;
}
