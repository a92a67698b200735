/*
 * scheduler.h: which mapper runs when. Pure: times come in, decisions go out; no clock, no thread.
 *
 * A mapper is due when its `schedule` is, when its `full` is (the run itself decides to read
 * everything: plan.c), when somebody wakes it (NOTIFY, an operator), or when a mapper that it
 * comes `after` has finished well. What is due starts as soon as the rules permit:
 *   - one run of a mapper at a time; a firing during its run counts once, after it
 *   - at most `max_runs` runs in all, and of its source
 *   - not while a mapper that it comes `after` is running or about to
 *   - not paused, unless an operator asks for it by name
 *   - after failures that may pass (RUN_UNAVAILABLE, RUN_LOCKED, RUN_FAILED) not before its
 *     back-off: 5 s doubled each time up to 10 minutes, jittered; NOTIFY waits for it too, an
 *     operator does not. A run that ended well, or with rejects, resets it. RUN_REFUSED counts as
 *     ended: the next firing tries again. RUN_INTERRUPTED is for the end of the service; one that
 *     took too long is told as RUN_FAILED.
 * Of several that may start, the one that has been due longest goes first.
 *
 * Firings that were missed (downtime, a sleeping machine, a clock that jumped) count as one. After
 * a clock that went back nothing waits until it is there again. Jitter delays each firing by a
 * random time below `jitter`, decided when the firing before it was served.
 *
 * Mappers are known by their index in the configuration. Times are milliseconds since 1970 UTC.
 */
#pragma once

#include "ingest/pipeline/config.h"
#include "ingest/pipeline/run.h"

struct scheduler;

/* Why a run was, or will be, started. */
enum run_trigger {
        TRIGGER_SCHEDULE,
        TRIGGER_CATCH_UP, /* a firing, or a wake-up by one that it comes after, that was missed
                           * while the service was down */
        TRIGGER_AFTER,
        TRIGGER_NOTIFY,
        TRIGGER_MANUAL,
        TRIGGER_RETRY, /* after a failure */
        TRIGGERS
};
const char *run_trigger_name(enum run_trigger t); /* "schedule", "catch-up", "after", ... */

/* Why a mapper that is due does not run yet. */
enum scheduler_wait {
        WAIT_NOTHING, /* it is not due */
        WAIT_LIMIT,   /* serve.max_runs */
        WAIT_SOURCE,  /* max_runs of its source */
        WAIT_AFTER,
        WAIT_BACK_OFF,
        WAIT_PAUSED
};

/* What is known of a mapper from before. One that never ran begins with its first firing, where
 * its schedule is a cron expression: somebody chose the hour; an interval begins at once. So does
 * what was tried and never came to an end, and one that has no schedule of its own and has not run
 * since a mapper that it comes `after` ended well. */
struct scheduler_past {
        int64_t last_ms;      /* when its last run began that need not be tried again (RUN_OK,
                               * RUN_REJECTS, RUN_REFUSED); 0: never */
        int64_t last_full_ms; /* when the last one began that read everything; 0: as last_ms */
        int64_t good_ms;      /* when the last one ended that others follow (RUN_OK, RUN_REJECTS);
                               * 0: never */
        int64_t tried_ms;     /* when its last run began, however it ended; 0: never */
        bool paused;
};

/** scheduler_new() - for all mappers of @config, which outlives it
 * @past: config->mapper_count of them      @seed: of the jitter
 * Return: 0; -ERR_CONFIG a time zone is gone from the system; -ERR_NOMEM. `after` names and cycles
 * were proved by config_load(). */
int scheduler_new(const struct config *config, const struct scheduler_past *past, int64_t now_ms,
        uint64_t seed, struct scheduler **out, struct err *e) __attribute__((warn_unused_result));
struct scheduler *scheduler_free(struct scheduler *s);
DEFINE_CLEANUP(struct scheduler *, scheduler_free);

/** scheduler_inherit() - a reload: what @old knew of mappers of the same name goes on in @s: times,
 * pauses, back-offs, wake-ups, and runs under way; new ones follow what they come after */
void scheduler_inherit(struct scheduler *s, const struct scheduler *old);

struct scheduler_start {
        size_t mapper;
        enum run_trigger trigger;
        bool full, allow_deletes; /* as an operator asked */
};

/** scheduler_take() - the next mapper to start now; it counts as running from here
 * Return: false: none may start. */
bool scheduler_take(struct scheduler *s, int64_t now_ms, struct scheduler_start *out);

/** scheduler_hold() - @mapper runs for another reason (pushed records, rejects tried again): none
 * of its own starts until scheduler_ended()
 * Return: false: it is running. */
bool scheduler_hold(struct scheduler *s, size_t mapper);

/** scheduler_ended() - its run, from scheduler_take(), is over; or what held it (RUN_OUTCOMES) */
void scheduler_ended(struct scheduler *s, size_t mapper, enum run_outcome outcome, int64_t now_ms);

/** scheduler_wake() - it is due now: a notification, or somebody asks for it
 * @full, @allow_deletes: of TRIGGER_MANUAL; wishes add up until it starts */
void scheduler_wake(struct scheduler *s, size_t mapper, enum run_trigger trigger, bool full,
        bool allow_deletes, int64_t now_ms);

void scheduler_pause(struct scheduler *s, size_t mapper, bool paused);

/** scheduler_next_change() - when to look again; INT64_MAX: only an event can change something
 * Clocks jump and machines sleep: look at least once a minute all the same. */
int64_t scheduler_next_change(const struct scheduler *s, int64_t now_ms);

struct scheduler_view {
        bool running, due, paused;
        enum scheduler_wait wait; /* of what is due */
        size_t after;             /* WAIT_AFTER: the mapper it waits for */
        int64_t next_ms;          /* its next start as far as time decides; INT64_MAX: none */
        int64_t next_full_ms;     /* the next `full`; INT64_MAX: none */
        unsigned failures;        /* one after the other */
};
void scheduler_look(
        const struct scheduler *s, size_t mapper, int64_t now_ms, struct scheduler_view *out);

struct firing {
        int64_t at_ms;
        bool own, full; /* of `schedule`, of `full`, or of both at once */
        bool missed;    /* it should have been before */
};

/** scheduler_firings() - the next firings of @mapper's schedules alone, without jitter, for
 * `erp2couch schedule`; what was missed comes at @now_ms
 * @max: the room in @out      @count: how many there are
 * Return: 0; -ERR_CONFIG a time zone is gone from the system; -ERR_NOMEM. */
int scheduler_firings(const struct config_mapper *mapper, const struct scheduler_past *past,
        int64_t now_ms, size_t max, struct firing *out, size_t *count, struct err *e)
        __attribute__((warn_unused_result));
