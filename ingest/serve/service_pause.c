/*
 * A mapper is paused while a file named "paused" stands in its state folder. The file and the
 * folder are flushed: what the caller was told holds after a power failure, too.
 */
#include "ingest/serve/service_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ingest/base/clock.h"
#include "ingest/pipeline/lock.h"

#define FILE_NAME "paused"
#define PATH_SIZE 4200

static bool put_path(
        const struct config *config, const char *mapper, const char *end, char path[PATH_SIZE])
{
        return snprintf(path, PATH_SIZE, "%s/%s%s", config->state_dir, mapper, end) < PATH_SIZE;
}

bool pause_read(const struct config *config, const char *mapper)
{
        char path[PATH_SIZE];

        return put_path(config, mapper, "/" FILE_NAME, path) && access(path, F_OK) == 0;
}

static int flush_folder(const char *folder)
{
        cleanup_(closep) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd >= 0 && fsync(fd) == 0 ? 0 : -1;
}

static int make_file(const char *path)
{
        cleanup_(closep) int fd =
                open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
        char text[CLOCK_RFC3339_MAX + 1];

        if (fd < 0)
                return -1;
        int n = snprintf(text, sizeof(text), "%s\n",
                clock_rfc3339(clock_wall_us(), (char[CLOCK_RFC3339_MAX]){0}));
        return write(fd, text, (size_t)n) == n && fsync(fd) == 0 ? 0 : -1;
}

int pause_write(const struct config *config, const char *mapper, bool paused, struct err *e)
{
        char path[PATH_SIZE], folder[PATH_SIZE];

        if (!put_path(config, mapper, "/" FILE_NAME, path) || !put_path(config, mapper, "", folder))
                return err_set(e, ERR_SYSTEM, "state_dir: the path is too long");
        int rc = lock_make_folder(folder, e);
        if (rc)
                return err_set(e, ERR_SYSTEM, "%s", e->text);
        bool is_done = paused ? make_file(path) == 0 : unlink(path) == 0 || errno == ENOENT;
        /* The mapper's folder may be new itself. */
        if (is_done && flush_folder(folder) == 0 && flush_folder(config->state_dir) == 0)
                return 0;
        int errnum = errno;
        if (paused) /* nothing changed, after a restart either */
                unlink(path);
        else
                (void)!make_file(path);
        return err_set_errno(e, ERR_SYSTEM, errnum, "%s %s", paused ? "writing" : "removing", path);
}
