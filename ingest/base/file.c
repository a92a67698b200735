/* Plain read() until the end: a size from fstat() would be wrong for pipes and /proc. */
#include "ingest/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

#define READ_STEP 16384

static int read_failed(const char *path, int errnum, struct err *e)
{
        enum err_class class = errnum == EIO ? ERR_SYSTEM : ERR_CONFIG;

        int rc = err_set_errno(e, class, errnum, "cannot read %s", path);
        return errnum == EACCES ? err_hint(e, rc, "give this user the right to read it") : rc;
}

int file_read(const char *path, struct buf *out, struct err *e)
{
        cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        char step[READ_STEP];

        if (fd < 0)
                return read_failed(path, errno, e);
        for (;;) {
                ssize_t n = read(fd, step, sizeof(step));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return read_failed(path, errno, e);
                if (n == 0)
                        return 0;
                buf_put(out, step, (size_t)n);
                if (out->error == -ERR_NOMEM)
                        return err_nomem(e, path);
                if (out->error)
                        return err_set(e, ERR_CONFIG, "cannot read %s: larger than %zu bytes", path,
                                out->max);
        }
}

char *file_absolute(const char *path)
{
        cleanup_buf_ struct buf joined = BUF_INIT((size_t)2 * PATH_MAX);
        char folder[PATH_MAX];
        char *real = realpath(path, NULL);

        if (real)
                return real;
        if (*path != '/' && getcwd(folder, sizeof(folder)))
                buf_printf(&joined, "%s/", folder);
        buf_puts(&joined, path);
        return joined.error ? NULL : str_dup(buf_str(&joined));
}
