/* The names are those that Prometheus' own clients give every process; what /proc does not tell is
 * left out. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ingest/serve/metrics_internal.h"

void metrics_put_cpu(struct metrics *m, const struct metric_family *f)
{
        struct rusage usage;

        if (getrusage(RUSAGE_SELF, &usage) == 0)
                metrics_plain(m, f,
                        (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
                                (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
}

void metrics_put_open_fds(struct metrics *m, const struct metric_family *f)
{
        DIR *dir = opendir("/proc/self/fd");
        unsigned count = 0;

        if (!dir)
                return;
        for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
                count += entry->d_name[0] != '.';
        closedir(dir);
        metrics_plain(m, f, count - 1.0); /* without the one that was open for this */
}

void metrics_put_max_fds(struct metrics *m, const struct metric_family *f)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
                metrics_plain(m, f, (double)limit.rlim_cur);
}

/* Return: whether /proc/self/status has the number of @name. */
static bool status_number(const char *name, unsigned long *out)
{
        FILE *file = fopen("/proc/self/status", "re");
        size_t n = strlen(name);
        char line[256];
        bool found = false;

        if (!file)
                return false;
        while (!found && fgets(line, sizeof(line), file))
                found = strncmp(line, name, n) == 0 && sscanf(line + n, ": %lu", out) == 1;
        fclose(file);
        return found;
}

static void put_memory(struct metrics *m, const struct metric_family *f, const char *name)
{
        unsigned long kib;

        if (status_number(name, &kib))
                metrics_plain(m, f, (double)kib * 1024);
}

void metrics_put_resident(struct metrics *m, const struct metric_family *f)
{
        put_memory(m, f, "VmRSS");
}

void metrics_put_virtual(struct metrics *m, const struct metric_family *f)
{
        put_memory(m, f, "VmSize");
}

void metrics_put_threads(struct metrics *m, const struct metric_family *f)
{
        unsigned long count;

        if (status_number("Threads", &count))
                metrics_plain(m, f, (double)count);
}
