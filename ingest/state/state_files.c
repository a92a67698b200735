/*
 * Only the data file is renamed, not the folder: a lock of the caller may live in the folder, and
 * a lock in a renamed folder would exclude nobody.
 */
#include "ingest/state/state_env.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "ingest/base/clock.h"

#define DATA_FILE "data.mdb"            /* LMDB's own name */
#define ASIDE     DATA_FILE ".corrupt-" /* and a time */
#define MARK_FILE "corrupt"
#define SEAL_FILE "closed"

#define FULL_BELOW (1u << 20) /* bytes left on a file system that has no room for a batch */

/* PATH_MAX bounds it: a longer name could not be opened. */
static int join(const char *path, const char *name, char out[PATH_MAX], struct err *e)
{
        int n = snprintf(out, PATH_MAX, "%s/%s", path, name);

        if (n < 0 || n >= PATH_MAX)
                return err_set(e, ERR_CONFIG, "state folder %s: its name is too long", path);
        return 0;
}

static bool is_about_rights(int errnum)
{
        return errnum == EACCES || errnum == EPERM || errnum == EROFS;
}

static bool is_about_names(int errnum)
{
        return errnum == ENOTDIR || errnum == EISDIR || errnum == ENOENT || errnum == ELOOP ||
               errnum == ENAMETOOLONG || errnum == EEXIST;
}

/* LMDB answers EIO to a write that was cut short: on a full disk that is what ENOSPC means. */
static int real_cause(const char *path, int errnum)
{
        struct statvfs fs;

        if (errnum != EIO || statvfs(path, &fs) < 0)
                return errnum;
        return (uint64_t)fs.f_bavail * fs.f_frsize < FULL_BELOW ? ENOSPC : EIO;
}

int state_files_error(const char *path, const char *what, int errnum, struct err *e)
{
        errnum = real_cause(path, errnum);
        bool config = is_about_rights(errnum) || is_about_names(errnum);
        int rc = err_set_errno(
                e, config ? ERR_CONFIG : ERR_SYSTEM, errnum, "state folder %s: %s", path, what);

        if (is_about_rights(errnum))
                return err_hint(e, rc,
                        "give user id %u read and write rights on it and on the files in it, or "
                        "set state_dir to another folder",
                        (unsigned)geteuid());
        if (is_about_names(errnum))
                return err_hint(e, rc, "set state_dir to a folder");
        if (errnum == ENOSPC || errnum == EDQUOT)
                return err_hint(e, rc, "free space there and run again: nothing is lost");
        if (errnum == EIO || errnum == EFBIG)
                return err_hint(e, rc,
                        "look at the disk's health, its free space and the limit of file sizes "
                        "(ulimit -f), and run again: nothing is lost");
        return rc;
}

static int make_folder(const char *path, const char *whole, struct err *e)
{
        struct stat st;

        if (mkdir(path, 0700) == 0)
                return 0;
        if (errno != EEXIST)
                return state_files_error(whole, "create", errno, e);
        if (stat(path, &st) < 0)
                return state_files_error(whole, "create", errno, e);
        return S_ISDIR(st.st_mode) ? 0 : state_files_error(whole, "create", ENOTDIR, e);
}

int state_files_folder(const char *path, struct err *e)
{
        char part[PATH_MAX];
        size_t len = strlen(path);

        if (len == 0 || len >= sizeof(part))
                return err_set(e, ERR_CONFIG, "state folder '%s': not a usable name", path);
        memcpy(part, path, len + 1);
        for (size_t i = 1; i <= len; i++) {
                if (part[i] != '/' && part[i] != '\0')
                        continue;
                part[i] = '\0';
                /* Parents may be unreadable or on a read-only file system, as long as they
                 * are there: mkdir() says EEXIST before it looks at rights. */
                int rc = make_folder(part, path, e);
                if (rc)
                        return rc;
                part[i] = i < len ? '/' : '\0';
        }
        return 0;
}

int state_files_sync(const char *path, struct err *e)
{
        cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        /* EINVAL: a file system that cannot sync folders. */
        if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL))
                return state_files_error(path, "sync", errno, e);
        return 0;
}

bool state_files_present(const char *path)
{
        char name[PATH_MAX];
        struct stat st;

        return !join(path, DATA_FILE, name, NULL) && stat(name, &st) == 0 && st.st_size > 0;
}

void state_files_mark(const char *path)
{
        char name[PATH_MAX];

        if (join(path, MARK_FILE, name, NULL))
                return;
        cleanup_(closep) int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        (void)fd;
}

bool state_files_marked(const char *path)
{
        char mark[PATH_MAX], data[PATH_MAX];

        return !join(path, MARK_FILE, mark, NULL) && !join(path, DATA_FILE, data, NULL) &&
               access(mark, F_OK) == 0 && access(data, F_OK) == 0;
}

#define SEAL_MAX 128 /* bytes of the text in the seal */

/* What changes with every write to the data file. False where there is none. */
static bool describe(const char *path, char out[SEAL_MAX])
{
        char name[PATH_MAX];
        struct stat st;

        if (join(path, DATA_FILE, name, NULL) || stat(name, &st) < 0)
                return false;
        snprintf(out, SEAL_MAX, "%lld %lld.%09ld %llu\n", (long long)st.st_size,
                (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (unsigned long long)st.st_ino);
        return true;
}

void state_files_seal(const char *path)
{
        char name[PATH_MAX], text[SEAL_MAX];

        if (join(path, SEAL_FILE, name, NULL) || !describe(path, text))
                return;
        cleanup_(closep) int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd >= 0 && write(fd, text, strlen(text)) < 0)
                unlink(name);
}

bool state_files_sealed(const char *path)
{
        char name[PATH_MAX], text[SEAL_MAX], sealed[SEAL_MAX];

        if (join(path, SEAL_FILE, name, NULL) || !describe(path, text))
                return false;
        cleanup_(closep) int fd = open(name, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, sealed, sizeof(sealed));
        return n >= 0 && str_eq((struct str){sealed, (size_t)n}, str_of(text));
}

static DIR *closedir_null(DIR *d)
{
        if (d)
                closedir(d);
        return NULL;
}
DEFINE_CLEANUP(DIR *, closedir_null);

/* Best effort: what stays only takes space. */
static void remove_aside_but(const char *path, const char *keep)
{
        cleanup_(closedir_nullp) DIR *d = opendir(path);
        const struct dirent *entry;

        while (d && (entry = readdir(d)) != NULL)
                if (strncmp(entry->d_name, ASIDE, sizeof(ASIDE) - 1) == 0 &&
                        strcmp(entry->d_name, keep) != 0)
                        unlinkat(dirfd(d), entry->d_name, 0);
}

int state_files_set_aside(const char *path, const char *why, const struct log *log, struct err *e)
{
        char from[PATH_MAX], to[PATH_MAX], mark[PATH_MAX], name[64];
        time_t now = (time_t)(clock_wall_us() / 1000000);
        struct tm tm;

        gmtime_r(&now, &tm);
        strftime(name, sizeof(name), ASIDE "%Y%m%dT%H%M%SZ", &tm);
        int rc = join(path, DATA_FILE, from, e);
        rc = rc ? rc : join(path, name, to, e);
        rc = rc ? rc : join(path, MARK_FILE, mark, e);
        if (rc)
                return rc;
        if (rename(from, to) < 0)
                return state_files_error(path, "rename data.mdb", errno, e);
        unlink(mark);
        remove_aside_but(path, name);
        log_warn(log, "state %s is unusable (%s): set aside as %s, an empty one takes its place",
                from, why, to);
        return state_files_sync(path, e);
}
