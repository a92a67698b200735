/* mkdir -p with narrow rights: what is kept there are credentials. */
#include "ingest/source/rest/folder.h"

#include <errno.h>
#include <sys/stat.h>

#include "ingest/base/cleanup.h"
#include "ingest/base/str.h"

#define FOLDER_MODE 0700

enum err_class rest_folder_class(int errnum)
{
        switch (errnum) {
        case EACCES:
        case EPERM:
        case EROFS:
        case ENOENT: /* a parent that cannot hold folders, as in /proc */
        case ENOTDIR:
        case EEXIST: /* a file where a folder should be */
        case EISDIR:
        case ENAMETOOLONG:
        case ELOOP:
                return ERR_CONFIG;
        default:
                return ERR_SYSTEM;
        }
}

bool rest_folder_is_full(int errnum)
{
        return errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG;
}

static int make_failed(const char *path, int errnum, struct err *e)
{
        int rc = err_set_errno(e, rest_folder_class(errnum), errnum, "mkdir %s", path);

        if (errnum == ENOTDIR || errnum == EEXIST)
                return err_hint(e, rc, "a file stands where a folder should: set state_dir");
        return rc == -ERR_CONFIG
                       ? err_hint(e, rc, "make it writable for this user, or set state_dir")
                       : rc;
}

static bool is_folder(const char *path)
{
        struct stat s;

        return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

int rest_folder_make(const char *path, struct err *e)
{
        cleanup_(freep) char *copy = str_dup(str_of(path));

        if (!copy)
                return err_nomem(e, "a path");
        for (char *p = copy + (*copy == '/');; p++) {
                if (*p != '/' && *p != '\0')
                        continue;
                char end = *p;
                *p = '\0';
                int errnum = is_folder(copy) || mkdir(copy, FOLDER_MODE) == 0 ? 0 : errno;
                if (errnum && !is_folder(copy)) /* others may make it at the same time */
                        return make_failed(copy, errnum, e);
                *p = end;
                if (end == '\0')
                        return 0;
        }
}
