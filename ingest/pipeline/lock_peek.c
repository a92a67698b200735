/* A line of /proc/locks: "5: FLOCK  ADVISORY  WRITE 1234 08:01:123456 0 EOF". */
#include "ingest/pipeline/lock_peek.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ingest/base/cleanup.h"

static FILE *fclose_null(FILE *f)
{
        if (f)
                fclose(f);
        return NULL;
}
DEFINE_CLEANUP(FILE *, fclose_null);

/* Devices are left out: what the kernel lists is not always what stat() says (overlays). */
static long holder(const char *line, unsigned long long inode)
{
        char kind[16];
        long pid;
        unsigned long long number;

        if (sscanf(line, "%*s %15s %*s %*s %ld %*[0-9a-f]:%*[0-9a-f]:%llu", kind, &pid, &number) !=
                3)
                return 0;
        return strcmp(kind, "FLOCK") == 0 && number == inode ? pid : 0;
}

long lock_peek(const char *folder)
{
        char path[4096], line[256];
        struct stat st;

        if (snprintf(path, sizeof(path), "%s/lock", folder) >= (int)sizeof(path) ||
                stat(path, &st) != 0)
                return 0;
        cleanup_(fclose_nullp) FILE *f = fopen("/proc/locks", "re");
        long pid = 0;
        while (f && !pid && fgets(line, sizeof(line), f))
                pid = holder(line, st.st_ino);
        return pid;
}
