/*
 * bench state: what the state costs a run, without source and CouchDB.
 *
 *   state DIR ENTRIES BATCH [ids]      ids: ordered (the default) or shuffled
 *
 * Loads ENTRIES entries of one document in batches as a first load does (an entry and an id
 * each), opens the state again, asks for every key in ascending order as a run over unchanged
 * rows does, then for 100,000 random ones, then rewrites 1 % of the entries. Prints one JSON
 * object. DIR must be on the disk that matters: a tmpfs has no fsync to pay for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "ingest/base/clock.h"
#include "ingest/state/state.h"

#define RANDOM_GETS 100000

struct bench {
        struct state *s;
        struct state_batch *b;
        uint32_t entries, batch;
        bool shuffled;
        struct state_entry entry; /* large: not on the stack of each call */
        long peak_anon_kb;
};

static double cpu_s(void)
{
        struct rusage u;

        getrusage(RUSAGE_SELF, &u);
        return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
               ((double)u.ru_utime.tv_usec + (double)u.ru_stime.tv_usec) / 1e6;
}

static double wall_s(void)
{
        return (double)clock_monotonic_us() / 1e6;
}

static void sample_memory(struct bench *be)
{
        FILE *f = fopen("/proc/self/status", "r");
        char line[256];
        long kb;

        while (f && fgets(line, sizeof(line), f))
                if (sscanf(line, "RssAnon: %ld kB", &kb) == 1 && kb > be->peak_anon_kb)
                        be->peak_anon_kb = kb;
        if (f)
                fclose(f);
}

/* A bijection on 32 bits: ids in no order, each once. */
static uint32_t shuffle(uint32_t n)
{
        n = (n ^ (n >> 16)) * UINT32_C(0x7feb352d);
        n = (n ^ (n >> 15)) * UINT32_C(0x846ca68b);
        return n ^ (n >> 16);
}

static struct str key_of(char space[16], uint32_t n)
{
        memcpy(space, "i\x80\0\0\0", 5);
        for (int i = 0; i < 4; i++)
                space[5 + i] = (char)(n >> (24 - 8 * i));
        return (struct str){space, 9};
}

static int put(struct bench *be, uint32_t n, uint32_t generation, struct err *e)
{
        char key_space[16], id_space[40], rev_space[STATE_MAX_REV];
        struct str key = key_of(key_space, n);
        int id_len = snprintf(
                id_space, sizeof(id_space), "product:%010u", be->shuffled ? shuffle(n) : n);
        int rev_len = snprintf(rev_space, sizeof(rev_space), "%u-%08x%08x%08x%08x", generation,
                shuffle(n), shuffle(n + 1), shuffle(n + 2), shuffle(n + 3));
        struct state_entry *en = &be->entry;

        en->ordinal = n;
        en->run = generation;
        en->doc_count = 1;
        en->docs[0] = (struct state_doc){
                .id = {id_space, (size_t)id_len}, .rev = {rev_space, (size_t)rev_len}};
        memset(en->docs[0].digest.bytes, (int)(n % 255) + 1, DIGEST_BYTES);
        int rc = state_batch_put(be->b, key, en, e);
        if (rc || generation > 1)
                return rc;
        return state_batch_hold(be->b, 0, en->docs[0].id, key, NULL, e);
}

struct times {
        double wall, cpu, apply_wall, apply_cpu;
        uint32_t commits;
};

static int apply(struct bench *be, struct times *t, struct err *e)
{
        double wall = wall_s(), cpu = cpu_s();
        int rc = state_apply(be->s, be->b, e);

        t->apply_wall += wall_s() - wall;
        t->apply_cpu += cpu_s() - cpu;
        t->commits++;
        sample_memory(be);
        return rc;
}

/* Every @step-th entry. */
static int load(
        struct bench *be, uint32_t step, uint32_t generation, struct times *t, struct err *e)
{
        double wall = wall_s(), cpu = cpu_s();
        uint32_t pending = 0;
        int rc = 0;

        for (uint32_t n = 0; n < be->entries && rc == 0; n += step) {
                rc = put(be, n, generation, e);
                if (rc == 0 && ++pending == be->batch) {
                        rc = apply(be, t, e);
                        pending = 0;
                }
        }
        rc = rc ? rc : apply(be, t, e);
        t->wall = wall_s() - wall;
        t->cpu = cpu_s() - cpu;
        return rc;
}

static int get_all(struct bench *be, double *ns, struct err *e)
{
        double cpu = cpu_s();
        char space[16];

        for (uint32_t n = 0; n < be->entries; n++) {
                int rc = state_get(be->s, key_of(space, n), &be->entry, e);
                if (rc)
                        return rc < 0 ? rc : err_set(e, ERR_BUG, "entry %u is missing", n);
        }
        *ns = (cpu_s() - cpu) * 1e9 / be->entries;
        sample_memory(be);
        return 0;
}

static int get_random(struct bench *be, double *ns, struct err *e)
{
        double cpu = cpu_s();
        char space[16];

        for (uint32_t n = 0; n < RANDOM_GETS; n++) {
                int rc = state_get(be->s, key_of(space, shuffle(n) % be->entries), &be->entry, e);
                if (rc)
                        return rc < 0 ? rc : err_set(e, ERR_BUG, "an entry is missing");
        }
        *ns = (cpu_s() - cpu) * 1e9 / RANDOM_GETS;
        return 0;
}

static int count_one(void *ctx, struct str key, const struct state_entry *entry, struct err *e)
{
        ++*(uint32_t *)ctx;
        return 0;
}

static int walk(struct bench *be, double *ns, struct err *e)
{
        double cpu = cpu_s();
        uint32_t count = 0;
        int rc = state_each_record(be->s, count_one, &count, e);

        *ns = (cpu_s() - cpu) * 1e9 / be->entries;
        if (rc == 0 && count != be->entries)
                return err_set(e, ERR_BUG, "a walk saw %u entries", count);
        return rc;
}

static void print_times(const char *name, const struct times *t, double entries)
{
        printf("\"%s\": {\"wall_us\": %.3f, \"cpu_us\": %.3f, \"apply_cpu_us\": %.3f, "
               "\"commit_wall_us\": %.0f, \"commit_cpu_us\": %.0f, \"commits\": %u}, ",
                name, t->wall * 1e6 / entries, t->cpu * 1e6 / entries, t->apply_cpu * 1e6 / entries,
                t->apply_wall * 1e6 / t->commits, t->apply_cpu * 1e6 / t->commits, t->commits);
}

/* @checked: as after a crash, when every page is looked at. */
static int open_again(struct bench *be, const char *dir, bool checked, double *ms, struct err *e)
{
        char seal[4096];
        bool fresh;

        be->s = state_close(be->s);
        snprintf(seal, sizeof(seal), "%s/closed", dir);
        if (checked && unlink(seal) < 0)
                return err_set(e, ERR_BUG, "%s is not there", seal);
        double wall = wall_s();
        int rc = state_open(dir, NULL, &be->s, &fresh, e);
        *ms = (wall_s() - wall) * 1e3;
        return rc;
}

static int run(struct bench *be, const char *dir, struct err *e)
{
        struct times first = {0}, update = {0};
        double ascending = 0, scattered = 0, walked = 0, open_ms = 0, checked_ms = 0;
        bool fresh;

        int rc = state_batch_new(&be->b, e);
        rc = rc ? rc : state_open(dir, NULL, &be->s, &fresh, e);
        if (rc == 0 && !fresh)
                rc = err_set(e, ERR_USAGE, "%s holds a state already", dir);
        rc = rc ? rc : load(be, 1, 1, &first, e);
        rc = rc ? rc : open_again(be, dir, true, &checked_ms, e);
        rc = rc ? rc : open_again(be, dir, false, &open_ms, e);
        rc = rc ? rc : get_all(be, &ascending, e);
        rc = rc ? rc : get_random(be, &scattered, e);
        rc = rc ? rc : walk(be, &walked, e);
        rc = rc ? rc : load(be, 100, 2, &update, e);
        if (rc)
                return rc;
        printf("{\"entries\": %u, \"batch\": %u, \"ids\": \"%s\", ", be->entries, be->batch,
                be->shuffled ? "shuffled" : "ordered");
        print_times("first_load", &first, be->entries);
        print_times("update_of_1_percent", &update, (be->entries + 99) / 100);
        printf("\"open_ms\": %.1f, \"open_checked_ms\": %.1f, ", open_ms, checked_ms);
        printf("\"get_ascending_ns\": %.0f, \"get_random_ns\": %.0f, \"walk_ns\": %.0f, "
               "\"bytes_per_entry\": %.0f, \"peak_anon_kib\": %ld}\n",
                ascending, scattered, walked, (double)state_size_bytes(be->s) / be->entries,
                be->peak_anon_kb);
        return 0;
}

int main(int argc, char **argv)
{
        struct bench be = {0};
        struct err e;

        if (argc < 4 || (be.entries = (uint32_t)strtoul(argv[2], NULL, 10)) == 0 ||
                (be.batch = (uint32_t)strtoul(argv[3], NULL, 10)) == 0) {
                fprintf(stderr, "usage: state DIR ENTRIES BATCH [ordered|shuffled]\n");
                return 64;
        }
        be.shuffled = argc > 4 && strcmp(argv[4], "shuffled") == 0;
        int rc = run(&be, argv[1], &e);
        if (rc)
                fprintf(stderr, "bench state: %s\n", e.text);
        state_close(be.s);
        state_batch_free(be.b);
        return rc ? 70 : 0;
}
