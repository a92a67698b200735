/* Only in builds with `crash_points`. Passings are counted for the whole process: mappers that run
 * side by side share them. */
#include "ingest/pipeline/crash.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[] = {
#define CRASH_NAME(name, durable, missing) [CRASH_##name] = #name,
        CRASH_TABLE(CRASH_NAME)
#undef CRASH_NAME
};

#define POINTS (sizeof(names) / sizeof(names[0]))

static _Atomic unsigned long passed[POINTS];

/* The N of NAME:N, 1 without it; 0 where @spec names another point. */
static unsigned long passing_of(const char *spec, const char *name)
{
        size_t len = strlen(name);

        if (!spec || strncmp(spec, name, len) != 0 || (spec[len] && spec[len] != ':'))
                return 0;
        return spec[len] ? strtoul(spec + len + 1, NULL, 10) : 1;
}

/* One write() of one line: lines of several threads do not mix. */
static void trace(const char *path, const char *name)
{
        char line[64];
        int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        int len = snprintf(line, sizeof(line), "%s\n", name);

        if (fd < 0 || write(fd, line, (size_t)len) != len)
                perror(path);
        if (fd >= 0)
                close(fd);
}

void crash_point(enum crash_at at)
{
        unsigned long n = atomic_fetch_add(&passed[at], 1) + 1;
        const char *path = getenv("ERP2COUCH_CRASH_TRACE");

        if (path)
                trace(path, names[at]);
        if (passing_of(getenv("ERP2COUCH_CRASH_AT"), names[at]) == n)
                kill(getpid(), SIGKILL);
}

/* The number in @name of the environment where it is less than @usual. */
static unsigned long less_than(const char *name, unsigned long usual)
{
        const char *text = getenv(name);
        unsigned long n = text ? strtoul(text, NULL, 10) : 0;

        return n > 0 && n < usual ? n : usual;
}

size_t crash_batch(size_t usual)
{
        return less_than("ERP2COUCH_CRASH_BATCH", usual);
}

int64_t crash_wait(int64_t usual_ms)
{
        return (int64_t)less_than("ERP2COUCH_CRASH_WAIT", (unsigned long)usual_ms);
}
