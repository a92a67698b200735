/* {"pid": 4711, "address": "127.0.0.1:8090"}. No name of a mapper begins with a dot. */
#include "cmd/service_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ingest/pipeline/lock.h"

#define FILE_NAME ".service.json"
#define FILE_MAX  1024 /* an address and a number are far below it */
#define PATH_SIZE 4200

static bool put_path(const char *state_dir, const char *end, char path[PATH_SIZE])
{
        return snprintf(path, PATH_SIZE, "%s/" FILE_NAME "%s", state_dir, end) < PATH_SIZE;
}

/* ---- written ---- */

static bool write_text(const char *path, const char *text)
{
        size_t len = strlen(text);
        cleanup_(closep) int fd =
                open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);

        return fd >= 0 && write(fd, text, len) == (ssize_t)len;
}

static char *text_of(const char *address)
{
        cJSON *json = cJSON_CreateObject();

        cJSON_AddNumberToObject(json, "pid", (double)getpid());
        cJSON_AddStringToObject(json, "address", address);
        char *text = cJSON_PrintUnformatted(json);
        cJSON_Delete(json);
        return text;
}

int service_file_write(const char *state_dir, const char *address, struct err *e)
{
        char path[PATH_SIZE], aside[PATH_SIZE];
        int rc = lock_make_folder(state_dir, e);

        if (rc)
                return rc;
        if (!put_path(state_dir, "", path) || !put_path(state_dir, ".new", aside))
                return err_set(e, ERR_CONFIG, "state_dir: the path is too long");
        cleanup_(freep) char *text = text_of(address);
        if (!text)
                return err_nomem(e, "the address of the service");
        if (write_text(aside, text) && rename(aside, path) == 0)
                return 0;
        return err_set_errno(e, ERR_SYSTEM, errno, "writing %s", path);
}

/* ---- read ---- */

static cJSON *read_file(const char *path)
{
        cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        char text[FILE_MAX];
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

        return n > 0 ? cJSON_ParseWithLength(text, (size_t)n) : NULL;
}

static pid_t pid_of(const cJSON *json)
{
        const cJSON *pid = cJSON_GetObjectItemCaseSensitive(json, "pid");

        return cJSON_IsNumber(pid) && pid->valueint > 0 ? (pid_t)pid->valueint : 0;
}

/* One of another user may not be signalled, and is there. */
static bool is_alive(pid_t pid)
{
        return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

/* What becomes part of a URL is HOST:PORT and nothing more. */
static bool is_address(const char *text)
{
        return text && strlen(text) < SERVICE_ADDRESS_MAX && strchr(text, ':') &&
               text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789.-_:[]")] == '\0';
}

bool service_file_read(const char *state_dir, char out[SERVICE_ADDRESS_MAX])
{
        char path[PATH_SIZE];
        cJSON *json = put_path(state_dir, "", path) ? read_file(path) : NULL;
        const char *address =
                cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "address"));
        bool found = is_address(address) && is_alive(pid_of(json));

        if (found)
                snprintf(out, SERVICE_ADDRESS_MAX, "%s", address);
        cJSON_Delete(json);
        return found;
}

void service_file_remove(const char *state_dir)
{
        char path[PATH_SIZE];
        cJSON *json = put_path(state_dir, "", path) ? read_file(path) : NULL;

        if (pid_of(json) == getpid())
                (void)unlink(path); /* one that stays is passed over: its process is gone */
        cJSON_Delete(json);
}
