/*
 * service.h: `serve`: runs mappers by their schedules, and knows how each is doing.
 *
 * Everything here belongs to the service's thread and its loop. Runs (run_mapper) and questions to
 * CouchDB (tasks) are on threads of their own with loops of their own; they come back by
 * loop_post(). So the service answers within milliseconds whatever a run does.
 *
 * A configuration is shared by the runs that began under it and freed with the last of them: a
 * reload swaps the current one, all or nothing, and lets them finish.
 */
#pragma once

#include "ingest/loop/loop.h"
#include "ingest/pipeline/run.h"
#include "ingest/serve/scheduler.h"

struct service;
struct couch_meter;

struct service_options {
        const char *config_path; /* for reloads; copied */
        struct config *config;   /* loaded; taken over, unless service_new() fails */
        int64_t started_us;      /* wall time of the process */

        /* For the life cycle: the state in one line, "3 mappers, 1 running; degraded: ...". At most
         * once a second. May be NULL, as the others. */
        void (*on_state)(void *ctx, const char *line);

        /* A reload has put @config in the place of the one before: where to log, and how. */
        void (*on_config)(void *ctx, const struct config *config);
        void *ctx;
};

int service_new(struct loop *l, const struct service_options *options, const struct log *log,
        struct service **out, struct err *e) __attribute__((warn_unused_result));

/** service_stop() - starts nothing more; runs may go on for serve.stop_timeout, then they are
 * interrupted cleanly; a second call interrupts at once
 * @on_stopped: when the last has ended */
void service_stop(struct service *s, loop_fn on_stopped, void *ctx);
struct service *service_free(struct service *s); /* after on_stopped */
DEFINE_CLEANUP(struct service *, service_free);

enum service_condition {
        SERVICE_STARTING,
        SERVICE_READY,
        SERVICE_DEGRADED,
        SERVICE_STOPPING,
        SERVICE_CONDITIONS
};
const char *service_condition_name(enum service_condition condition); /* "starting" ... */

struct service_health {
        enum service_condition condition;
        /* Of SERVICE_DEGRADED: CouchDB or a source that does not answer, mappers that fail, a
         * reload that was refused. Of SERVICE_READY: "", or notifications that do not come while
         * schedules do the work. */
        char reason[512];
};
void service_health(const struct service *s, struct service_health *out);
const struct config *service_config(const struct service *s);
int64_t service_started_us(const struct service *s);

/* ---- runs ---- */

struct service_run {
        char id[120]; /* MAPPER:STARTED; its document in the control database is "run:" + id */
        char mapper[64];
        enum run_trigger trigger;
        bool pushed, retry, full;     /* records that were pushed; rejects alone; as asked */
        int64_t started_us, ended_us; /* wall time; 0: under way */
        /* Under way: what is known of it so far; ended: the report. */
        struct run_counts counts;
        uint64_t expected, written; /* records; 0: not known */
        unsigned in_flight;
        enum run_phase phase;
        enum run_outcome outcome; /* of one that ended */
        const char *error;        /* NULL: none */
};

/** service_runs() - under way and ended (the last few hundred), newest first
 * @fn: returns false to stop */
void service_runs(
        const struct service *s, bool (*fn)(void *ctx, const struct service_run *run), void *ctx);

/** service_run_find() - Return: NULL: not among them. */
const struct service_run *service_run_find(const struct service *s, struct str id);

/** service_watch() - calls @fn when something changed (a run began, moved on, ended; a mapper
 * changed), at most a few times a second. From the loop, never from inside a call of the service.
 * Return: NULL when out of memory; service_unwatch() ends it, also from inside @fn. */
struct service_watch;
struct service_watch *service_watch(struct service *s, loop_fn fn, void *ctx);
void service_unwatch(struct service_watch *w);

/* Durations of all runs that ended: bucket i counts those of at most service_duration_bounds[i]
 * seconds, the last all others. A mapper that goes takes nothing away. */
#define SERVICE_DURATIONS 12
extern const double service_duration_bounds[SERVICE_DURATIONS - 1];
struct service_durations {
        uint64_t buckets[SERVICE_DURATIONS]; /* each run in one of them */
        double sum_s;
};
const struct service_durations *service_durations(const struct service *s);

/* ---- mappers ---- */

/* Of a mapper since the service began. */
struct service_totals {
        struct run_counts counts;
        uint64_t runs[RUN_OUTCOMES];
        uint64_t notifications;
        double run_seconds; /* of the runs that ended */
};

struct service_mapper {
        const char *name, *source;
        struct scheduler_view schedule;
        const struct service_run *run; /* under way; NULL: none */
        const cJSON *last;             /* document of the last run; NULL: none known */
        int64_t success_us;            /* when the last run that finished well began; 0: never */
        uint64_t rejects, records;     /* in the control database, in the state */
        bool rejects_known;
        uint64_t state_bytes; /* of the state on disk */
        const char *state;    /* its condition, as `status` names it */
        struct service_totals totals;
};

size_t service_mapper_count(const struct service *s);
void service_mapper_at(const struct service *s, size_t index, struct service_mapper *out);

/** service_mapper_find() - Return: false: there is none of that name. */
bool service_mapper_find(const struct service *s, struct str name, size_t *index);

/** service_start_run() - as soon as the rules permit, whatever the schedule says
 * Return: 0; SERVICE_BUSY it runs already; -ERR_CANCEL the service stops. */
#define SERVICE_BUSY 1
int service_start_run(struct service *s, size_t mapper, bool full, bool allow_deletes,
        struct err *e) __attribute__((warn_unused_result));

/** service_pause() - no more runs by schedule until it is resumed; survives a restart
 * Return: 0; -ERR_SYSTEM it cannot be kept on disk: then nothing changed. */
int service_pause(struct service *s, size_t mapper, bool paused, struct err *e)
        __attribute__((warn_unused_result));

/** service_look_again() - something of @mapper was changed that no run tells: its rejects */
void service_look_again(struct service *s, size_t mapper);

/* ---- questions that take time ---- */

/* A piece of work on a thread and loop of its own, a few at a time; more wait in order. */
struct service_task {
        const char *what; /* for errors: "reading rejects" */
        bool is_public;   /* anybody may ask for it: no other task waits for those, and what waited
                           * for them for some seconds ends with -ERR_RETRY */
        bool only_reads;  /* a stop interrupts it at once */

        /* On the thread. @config lives until on_done returned. Return: 0; -class. */
        int (*work)(void *ctx, const struct config *config, struct loop *loop,
                const struct log *log, struct err *e);

        /* On the service's thread, exactly once, never from inside service_task_start(). */
        void (*on_done)(void *ctx, int rc, const struct err *e);
        void *ctx;
};

/** service_task_start() - Return: 0; -ERR_RETRY too many wait already; -ERR_CANCEL stopping. */
int service_task_start(struct service *s, const struct service_task *task, struct err *e)
        __attribute__((warn_unused_result));

/** service_task_hold() - the same, while no run of @mapper is under way: it waits for one, for at
 * most a minute (-ERR_LOCKED for on_done), and those that come wait for it; also while it is paused
 * Return: 0; -ERR_RETRY too many wait already; -ERR_CANCEL stopping. */
int service_task_hold(struct service *s, size_t mapper, const struct service_task *task,
        struct err *e) __attribute__((warn_unused_result));

/* A run that somebody waits for: pushed records, rejects that are tried again. It has the mapper
 * for itself like any run, waits for one that is under way for at most a minute, does not count
 * for serve.max_runs, and takes place while the mapper is paused only where @although_paused. */
struct service_request {
        size_t mapper;
        struct run_options options; /* keys, given: borrowed until on_done */
        bool although_paused;
        void (*on_done)(void *ctx, const struct run_report *report);
        void *ctx;
};

/** service_request_run() - Return: 0; -ERR_LOCKED paused; -ERR_RETRY too many wait; -ERR_CANCEL. */
int service_request_run(struct service *s, const struct service_request *request, struct err *e)
        __attribute__((warn_unused_result));

/* ---- reload ---- */

/** service_reload() - loads and checks everything (on a thread), then swaps all or nothing
 * @on_done: 0, or -ERR_CONFIG with file and line: the service goes on as before. May be NULL. */
int service_reload(struct service *s, void (*on_done)(void *ctx, int rc, const struct err *e),
        void *ctx, struct err *e) __attribute__((warn_unused_result));

/* ---- how much there is to do ---- */

enum service_queue_name {
        SERVICE_QUEUE_RUNS,     /* by schedule, after others, notified, asked for */
        SERVICE_QUEUE_REQUESTS, /* service_request_run() */
        SERVICE_QUEUE_TASKS,    /* service_task_start() */
        SERVICE_QUEUES
};
struct service_queue {
        unsigned running, limit; /* how many may run at a time */
        size_t waiting;          /* of mappers: due and not paused, whatever they wait for */
};
void service_queue(
        const struct service *s, enum service_queue_name name, struct service_queue *out);

/** service_couch_meter() - what all clients of CouchDB did since the service began */
const struct couch_meter *service_couch_meter(const struct service *s);

/** service_couch_known() - whether CouchDB was asked already
 * @answers: whether it answered, when it was asked last */
bool service_couch_known(const struct service *s, bool *answers);

struct service_configured {
        int64_t loaded_us; /* wall time: when the configuration of now was loaded */
        bool refused;      /* a reload after that was refused */
};
void service_configured(const struct service *s, struct service_configured *out);

/** service_listens() - whether notifications come from source @index of the configuration
 * @why: "" where they do; "connecting" before the first try has ended
 * Return: false: no mapper listens to it. */
bool service_listens(const struct service *s, size_t index, char *why, size_t size);
