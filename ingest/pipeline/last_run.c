/* {"run": {...}, "success": "2026-..."}, written aside and renamed: it is never half there. */
#include "ingest/pipeline/last_run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ingest/base/buf.h"
#include "ingest/base/cleanup.h"

#define FILE_NAME "last-run.json"
#define FILE_MAX  (64 << 10) /* the longest error and all counters are far below it */

static bool put_path(
        const struct config *config, const char *mapper, const char *end, char *out, size_t size)
{
        return snprintf(out, size, "%s/%s/" FILE_NAME "%s", config->state_dir, mapper, end) <
               (int)size;
}

static cJSON *read_file(const char *path)
{
        cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        cleanup_(freep) char *text = fd < 0 ? NULL : malloc(FILE_MAX);
        ssize_t n = text ? read(fd, text, FILE_MAX) : -1;

        return n > 0 ? cJSON_ParseWithLength(text, (size_t)n) : NULL;
}

cJSON *last_run_read(const struct config *config, const char *mapper, char *success, size_t size)
{
        char path[4200];
        cJSON *file = put_path(config, mapper, "", path, sizeof(path)) ? read_file(path) : NULL;
        const char *at = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(file, "success"));
        cJSON *run = cJSON_DetachItemFromObjectCaseSensitive(file, "run");

        snprintf(success, size, "%s", at ? at : "");
        cJSON_Delete(file);
        if (cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(run, "started")))
                return run;
        cJSON_Delete(run);
        return NULL;
}

static bool write_file(const char *path, const char *text)
{
        size_t len = strlen(text);
        cleanup_(closep) int fd =
                open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);

        return fd >= 0 && write(fd, text, len) == (ssize_t)len;
}

void last_run_write(const struct config *config, const char *mapper, cJSON *run, bool finished,
        const struct log *log)
{
        char path[4200], aside[4200], success[40];

        if (!put_path(config, mapper, "", path, sizeof(path)) ||
                !put_path(config, mapper, ".new", aside, sizeof(aside)))
                return;
        cJSON_Delete(last_run_read(config, mapper, success, sizeof(success)));
        if (finished)
                snprintf(success, sizeof(success), "%s",
                        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(run, "started")));
        cJSON *file = cJSON_CreateObject();
        cJSON_AddItemReferenceToObject(file, "run", run);
        if (success[0])
                cJSON_AddStringToObject(file, "success", success);
        char *text = cJSON_PrintUnformatted(file);
        if (text && (!write_file(aside, text) || rename(aside, path) != 0))
                log_debug(log, "%s cannot be written: %s", path, strerror(errno));
        cJSON_free(text);
        cJSON_Delete(file);
}
