/* {"run": {...}, "success": "2026-...", "success_end": "2026-...", "begun": "2026-..."}, written
 * aside and renamed: it is never half there. */
#include "ingest/pipeline/last_run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ingest/base/buf.h"
#include "ingest/base/cleanup.h"
#include "ingest/base/clock.h"

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

static const char *text_of(const cJSON *object, const char *name)
{
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

        return text ? text : "";
}

void last_run_read(const struct config *config, const char *mapper, struct last_run *out)
{
        char path[4200];
        cJSON *file = put_path(config, mapper, "", path, sizeof(path)) ? read_file(path) : NULL;

        *out = (struct last_run){.run = cJSON_DetachItemFromObjectCaseSensitive(file, "run")};
        snprintf(out->success, sizeof(out->success), "%s", text_of(file, "success"));
        snprintf(out->success_end, sizeof(out->success_end), "%s", text_of(file, "success_end"));
        snprintf(out->begun, sizeof(out->begun), "%s", text_of(file, "begun"));
        cJSON_Delete(file);
        if (*text_of(out->run, "started"))
                return;
        cJSON_Delete(out->run);
        out->run = NULL;
}

void last_run_deinit(struct last_run *l)
{
        cJSON_Delete(l->run);
        *l = (struct last_run){.run = NULL};
}

static bool write_file(const char *path, const char *text)
{
        size_t len = strlen(text);
        cleanup_(closep) int fd =
                open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);

        return fd >= 0 && write(fd, text, len) == (ssize_t)len;
}

static void store(const struct config *config, const char *mapper, const struct last_run *l,
        const struct log *log)
{
        char path[4200], aside[4200];

        if (!put_path(config, mapper, "", path, sizeof(path)) ||
                !put_path(config, mapper, ".new", aside, sizeof(aside)))
                return;
        cJSON *file = cJSON_CreateObject();
        if (l->run)
                cJSON_AddItemReferenceToObject(file, "run", l->run);
        if (l->success[0])
                cJSON_AddStringToObject(file, "success", l->success);
        if (l->success_end[0])
                cJSON_AddStringToObject(file, "success_end", l->success_end);
        if (l->begun[0])
                cJSON_AddStringToObject(file, "begun", l->begun);
        char *text = cJSON_PrintUnformatted(file);
        if (text && (!write_file(aside, text) || rename(aside, path) != 0))
                log_debug(log, "%s cannot be written: %s", path, strerror(errno));
        cJSON_free(text);
        cJSON_Delete(file);
}

void last_run_begin(
        const struct config *config, const char *mapper, const char *started, const struct log *log)
{
        struct last_run l;

        last_run_read(config, mapper, &l);
        snprintf(l.begun, sizeof(l.begun), "%s", started);
        store(config, mapper, &l, log);
        last_run_deinit(&l);
}

void last_run_write(const struct config *config, const char *mapper, const cJSON *run,
        bool finished, const struct log *log)
{
        struct last_run l;

        last_run_read(config, mapper, &l);
        l.begun[0] = '\0';
        if (finished) {
                snprintf(l.success, sizeof(l.success), "%s", text_of(run, "started"));
                clock_rfc3339(clock_wall_us(), l.success_end);
        }
        if (run) {
                cJSON_Delete(l.run);
                l.run = cJSON_Duplicate(run, true);
        }
        store(config, mapper, &l, log);
        last_run_deinit(&l);
}
