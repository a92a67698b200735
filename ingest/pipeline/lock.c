/* The holder's pid stands in the lock file, for the message only: the lock itself is the flock. */
#include "ingest/pipeline/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "ingest/base/buf.h"

#define LOCK_NAME      "lock"
#define SERVICE_FOLDER ".service" /* no name of a mapper begins with a dot */

struct lock {
        int fd;
};

static enum err_class class_of_errno(int errnum)
{
        switch (errnum) {
        case EACCES:
        case ENOENT: /* a parent that cannot hold folders, as in /proc */
        case EPERM:
        case EROFS:
        case ENOTDIR:
        case ENAMETOOLONG:
        case ELOOP:
                return ERR_CONFIG;
        default:
                return ERR_SYSTEM;
        }
}

/* mkdir -p: state_dir/MAPPER may be two levels away from anything that exists. */
int lock_make_folder(const char *path, struct err *e)
{
        cleanup_(freep) char *copy = str_dup(str_of(path));
        if (!copy)
                return err_nomem(e, "path");
        for (char *p = copy + 1;; p++) {
                if (*p != '/' && *p != '\0')
                        continue;
                char end = *p;
                *p = '\0';
                if (mkdir(copy, 0750) != 0 && errno != EEXIST) {
                        int errnum = errno;
                        int rc = err_set_errno(e, class_of_errno(errnum), errnum,
                                "state folder %s: mkdir %s", path, copy);
                        return err_hint(e, rc,
                                errnum == ENOTDIR
                                        ? "a file stands where a folder should: set state_dir"
                                        : "make it writable for this user, or set state_dir");
                }
                *p = end;
                if (end == '\0')
                        return 0;
        }
}

static long holder_pid(int fd)
{
        char text[32] = "";
        ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

        return n > 0 ? strtol(text, NULL, 10) : 0;
}

static void write_pid(int fd)
{
        char text[32];
        int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

        /* Only for the message of a loser: a full disk must not fail the run here. */
        if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) != n)
                (void)ftruncate(fd, 0);
}

/* @holder, @remedy: of the message for a loser */
static int take(const char *folder, const char *holder, const char *remedy, struct lock **out,
        struct err *e)
{
        cleanup_buf_ struct buf path = BUF_INIT(4096);
        cleanup_(closep) int fd = -1;
        int rc = lock_make_folder(folder, e);

        if (rc)
                return rc;
        buf_printf(&path, "%s/%s", folder, LOCK_NAME);
        if (!buf_cstr(&path))
                return err_set(e, ERR_CONFIG, "state folder %s: the path is too long", folder);
        fd = open(buf_cstr(&path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
        if (fd < 0) {
                int errnum = errno;
                rc = err_set_errno(
                        e, class_of_errno(errnum), errnum, "state: open %s", buf_cstr(&path));
                return err_hint(e, rc, "the user of erp2couch must own its state_dir");
        }
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
                if (errno == EWOULDBLOCK)
                        return err_set(e, ERR_LOCKED, "another %s (pid %ld) holds %s; %s", holder,
                                holder_pid(fd), buf_cstr(&path), remedy);
                return err_set_errno(e, ERR_SYSTEM, errno, "flock %s", buf_cstr(&path));
        }
        struct lock *l = malloc(sizeof(*l));
        if (!l)
                return err_nomem(e, "lock");
        write_pid(fd);
        l->fd = fd;
        fd = -1;
        *out = l;
        return 0;
}

int lock_take(const char *folder, struct lock **out, struct err *e)
{
        return take(folder, "run of this mapper", "wait for it", out, e);
}

int lock_take_service(const char *state_dir, struct lock **out, struct err *e)
{
        cleanup_buf_ struct buf folder = BUF_INIT(4096);

        buf_printf(&folder, "%s/" SERVICE_FOLDER, state_dir);
        if (!buf_cstr(&folder))
                return err_set(e, ERR_CONFIG, "state_dir: the path is too long");
        return take(buf_cstr(&folder), "service",
                "stop that one, or give this one a state_dir of its own", out, e);
}

struct lock *lock_release(struct lock *l)
{
        if (l) {
                close(l->fd);
                free(l);
        }
        return NULL;
}
