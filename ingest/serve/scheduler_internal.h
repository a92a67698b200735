/*
 * scheduler_internal.h: what the parts of scheduler.h share, and nobody else includes.
 *
 * scheduler.c keeps what is known of each mapper and takes events, scheduler_rules.c says who may
 * start, scheduler_due.c knows the times of schedules.
 */
#pragma once

#include "ingest/loop/retry.h"
#include "ingest/serve/scheduler.h"

#define NEVER INT64_MAX

static inline int64_t least_ms(int64_t a, int64_t b)
{
        return a < b ? a : b;
}

/* ---- scheduler_due.c: the firings of one schedule ---- */

struct timer {
        const struct schedule *schedule;
        const struct tz *zone; /* NULL: UTC */
        int64_t jitter_ms;
        uint64_t draw;   /* random, of the jitter of the next firing */
        int64_t base_ms; /* when it was last served: firings up to then do not count */
        int64_t fire_ms; /* its next firing; NEVER */
        int64_t next_ms; /* the same with jitter: then it is due */
        bool missed;     /* that firing fell into the time before the service */
};

/** timer_set() - the next firing after @base_ms */
void timer_set(struct timer *t, int64_t base_ms);

/** timer_serve() - a run at @now_ms serves what fired up to then */
void timer_serve(struct timer *t, int64_t now_ms, uint64_t *random);

/** timer_begin() - the first firing of a service that began at @now_ms
 * @last_ms: when it was last served, as far as is known; 0: never
 * @tried_ms: when a run last tried to; 0: never */
void timer_begin(
        struct timer *t, int64_t last_ms, int64_t tried_ms, int64_t now_ms, uint64_t *random);

/** timer_inherit() - @t goes on where @old was; of another expression only firings to come count */
void timer_inherit(struct timer *t, const struct timer *old, int64_t now_ms);

/* Zones that were loaded, each once. */
struct zone_list {
        struct tz **items; /* owned */
        size_t count, room;
};

/** zone_find() - that of @schedule's cron expression; NULL: UTC
 * @fallback: the mapper's zone; NULL: none      Return: 0; -ERR_CONFIG; -ERR_NOMEM. */
int zone_find(struct zone_list *zones, const struct schedule *schedule, const char *fallback,
        const struct tz **out, struct err *e) __attribute__((warn_unused_result));
void zone_list_deinit(struct zone_list *zones);

/* ---- one mapper ---- */

/* What it is due for beside its schedules. */
struct wish {
        bool is_set;
        bool manual; /* by an operator: neither pauses nor back-offs count */
        bool full, allow_deletes;
        enum run_trigger trigger;
        int64_t since_ms;
};

struct entry {
        const struct config_mapper *mapper;
        size_t source; /* in config->sources */
        bool follows;  /* it has no schedule of its own: it runs when one that it comes after has */
        struct timer schedule, full;
        struct wish wish;
        int64_t last_ms; /* of its past: before it was here */
        int64_t good_ms; /* when its last run ended that others follow; 0: never */

        bool running, held, paused;
        int64_t run_since_ms;  /* of the run under way: since when it was due */
        bool run_full;         /* ... and as it was asked */
        struct retry retry;    /* failures one after the other */
        int64_t back_off_ms;   /* after the last of them; 0: none */
        int64_t not_before_ms; /* the end of it */
        int64_t coming_ms;     /* see scheduler_rules.c */
};

struct scheduler {
        const struct config *config;
        struct entry *entries; /* config->mapper_count of them, in its order */
        size_t count;
        size_t *source_runs; /* under way, of each source */
        size_t runs;         /* under way */
        struct zone_list zones;
        uint64_t random;
        int64_t now_ms; /* the latest time it was told */

        /* The entries' coming_ms are of this moment; unless something changed since. */
        struct {
                int64_t at_ms;
                bool valid;
        } * coming;
};

/* ---- scheduler_rules.c ---- */

struct due {
        bool is_due;
        bool manual;
        enum run_trigger trigger;
        int64_t since_ms;
};

/** entry_due() - whether, why and since when @m is due at @now_ms */
struct due entry_due(const struct entry *m, int64_t now_ms);

/** rules_wait() - why @m, which is due and does not run, does not start; WAIT_NOTHING: it may
 * @after: set for WAIT_AFTER */
enum scheduler_wait rules_wait(const struct scheduler *s, const struct entry *m,
        const struct due *due, int64_t now_ms, size_t *after);
