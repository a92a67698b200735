/*
 * service_internal.h: what the parts of the service share.
 *
 *   service.c         made, stopped, freed; its condition
 *   service_run.c     starts what the scheduler says is due, and takes runs back
 *   service_request.c runs that somebody waits for, and tasks that no run may disturb
 *   service_ended.c   what is kept of runs that ended: the last few hundred, totals, troubles
 *   service_task.c    questions that take time
 *   service_facts.c   what runs left behind on this machine, read on a thread
 *   service_control.c what they left in the control database, asked on a thread
 *   service_listen.c  mappers that their source wakes
 *   service_watch.c   who wants to know of changes, and how often
 *   service_reload.c  another configuration takes the place of the current one
 *   service_pause.c   pauses on disk
 *   service_figures.c how much there is to do, for metrics
 *
 * All of it belongs to one thread. What runs elsewhere is a struct work, and touches nothing here.
 */
#pragma once

#include "ingest/couch/meter.h"
#include "ingest/pipeline/status.h"
#include "ingest/serve/service.h"
#include "ingest/serve/work.h"

/* What an interrupted run may take to flush what is in flight; then that is interrupted, too. */
#define INTERRUPT_PATIENCE_MS 10000
#define ENDED_KEPT            300 /* runs that are remembered: a day of one every five minutes */
#define BAD_RUNS              3   /* so many one after the other: it fails for good */
#define REQUEST_RUNS_MAX      16  /* at a time: each has a thread, and connections */
#define TASKS_MAX             4   /* at a time in a lane: each has a connection to CouchDB */

/* A configuration and how many still need it: the service, runs, tasks. */
struct shared_config {
        struct config *config;
        unsigned users;
};
struct shared_config *shared_config_use(struct shared_config *c);
void shared_config_leave(struct shared_config *c);

struct running;

/* A mapper, as long as it is configured or runs. Known by its name: reloads change its index. */
struct served {
        char *name;
        size_t index;   /* in the current configuration */
        bool is_gone;   /* not configured any more */
        unsigned users; /* runs, requests and questions that point here */
        struct running *running;
        bool is_read;       /* its state is open for facts */
        bool is_held;       /* by a task, service_task_hold() */
        int64_t started_us; /* of its last run: each has a time, and so an id, of its own */

        /* What runs left behind, as far as it was read. */
        cJSON *last; /* owned */
        int64_t success_us;
        uint64_t rejects, records, state_bytes;
        bool rejects_known;
        enum state_condition state;
        long busy;                  /* pid of another process that ran it */
        bool is_stale, ask_control; /* to be read again, here and there */

        struct service_totals totals;

        bool is_unavailable; /* its last run did not reach the source or CouchDB */
        unsigned bad_runs;   /* one after the other */
        char *trouble;       /* owned: the error of the last bad one */
};

/* A run under way. */
struct running {
        struct work work;
        struct service *service;
        struct shared_config *config;
        const struct config_mapper *mapper;
        struct served *served;
        struct log *log;
        struct loop_timer *patience;     /* its time-out, then that of its interruption */
        struct service_request *request; /* owned; NULL: one of the scheduler's */
        struct run_options options;
        struct run_progress progress;
        struct run_report report;
        struct status here; /* what it left */
        struct service_run view;
        bool took_too_long;
        unsigned interrupts;
        struct running *next;
};

/* A request that waits for its mapper. */
struct waiting_request {
        struct service *service;
        struct served *served;
        struct service_request request;
        struct service_task task; /* in place of a run; .work is NULL: none */
        struct loop_timer *timer; /* gives up */
        struct err why;           /* of one that was given up */
        bool is_over;
        struct waiting_request *next;
};

struct task {
        struct work work;
        struct service *service;
        struct shared_config *config;
        struct service_task what;
        struct served *held; /* no run of it is under way meanwhile; NULL: that is not needed */
        int64_t asked_ms;    /* monotonic */
        int rc;
        struct err err;
        struct task *next;
};

enum { LANE_OF_TOKEN, LANE_OF_ANYBODY, TASK_LANES };

struct task_lane {
        struct task *tasks; /* on their threads */
        struct task *waiting, **waiting_end;
        size_t count, waiting_count;
};

struct service_watch {
        struct service *service;
        loop_fn fn;
        void *ctx;
        bool is_over;
        struct service_watch *next;
};

struct facts;
struct listeners;
struct questions;
struct reload;
struct reload_wish;

struct service {
        struct loop *loop;
        const struct log *log;
        struct service_options options; /* config: of the beginning, not used any more */
        char *config_path;              /* owned: that configuration goes with a reload */
        struct shared_config *current;
        struct scheduler *scheduler;
        struct loop_timer *tick;  /* when the scheduler wants to be asked */
        struct loop_timer *later; /* what must not happen inside somebody's call */

        struct served **served; /* of the current configuration, in its order */
        size_t served_count;
        struct served **gone; /* no longer configured, still in use */
        size_t gone_count;

        struct running *running; /* newest first */
        unsigned running_count, request_runs;
        bool trim_wanted; /* runs took memory that the next may not need for long */
        int64_t trimmed_ms;
        bool schedule_first; /* a request's run has just ended: no request before the schedule */
        struct service_run ended[ENDED_KEPT]; /* a ring; .error is owned */
        size_t ended_at, ended_count;
        struct service_durations durations;

        struct couch_meter couch_meter; /* of every configuration, one after the other */
        int64_t loaded_us;              /* wall time: the current configuration */

        struct waiting_request *requests, **requests_end;
        size_t request_count;
        struct task_lane lanes[TASK_LANES];

        struct facts *facts; /* being read; NULL: none are */
        int64_t facts_ms;    /* monotonic: when all were read last */

        struct questions *questions; /* to the control database, under way; NULL: none */
        struct loop_timer *control_timer;
        unsigned control_failures;
        bool control_waits, control_known;
        char *couch_trouble; /* owned: CouchDB does not answer */

        struct listeners *listeners;
        bool is_listening, listen_again;

        struct reload *reload; /* under way; NULL: none */
        struct reload_wish *reload_wishes;
        char *reload_trouble; /* owned: the last one was refused */

        struct service_watch *watches;
        struct loop_timer *watch_timer, *state_timer;
        int64_t watched_ms, told_ms; /* monotonic */
        enum service_condition logged;
        char told[700]; /* the last line of on_state */
        bool in_watch;

        bool is_stopping;
        struct loop_timer *stop_timer;
        loop_fn on_stopped;
        void *on_stopped_ctx;
        bool is_stopped;
};

static inline const struct config *current_config(const struct service *s)
{
        return s->current->config;
}
int64_t wall_ms(void);

/** replace_text() - @text in place of what *@at held; NULL removes it */
void replace_text(char **at, const char *text);

/* ---- service.c ---- */

/** service_later() - looks for what can go on, in a later turn */
void service_later(struct service *s);
/** configured() - the current configuration has just become that */
void configured(struct service *s);
struct served *served_new(const char *name);
struct served *served_free(struct served *m);
void served_leave(struct service *s, struct served *m); /* one user less */

/* ---- service_run.c ---- */

/** runs_pump() - starts what is due, and sets the clock for what comes next */
void runs_pump(struct service *s);
int run_start(struct service *s, const struct scheduler_start *start,
        struct service_request *request, struct err *e) __attribute__((warn_unused_result));
void runs_interrupt(struct service *s);
void run_refresh(struct running *r);

/* ---- service_request.c ---- */

/** requests_pump() - starts those whose mapper is free; ends those that waited in vain */
void requests_pump(struct service *s);
void requests_stop(struct service *s);
void requests_reload(struct service *s);
void requests_pause(struct service *s, const struct served *m);

/* ---- service_ended.c ---- */
void ended_note(struct service *s, struct running *r);
void ended_free(struct service *s);
void served_healthy(struct service *s, const struct served *m);

/* ---- service_task.c ---- */

/** task_start() - as service_task_start()
 * @held: the scheduler holds it already, and gets it back when the task has ended; may be NULL */
int task_start(struct service *s, const struct service_task *task, struct served *held,
        struct err *e) __attribute__((warn_unused_result));
void tasks_init(struct service *s);
bool tasks_at_rest(const struct service *s);
void tasks_end_waiting(struct service *s); /* the service stops: they never begin */
void tasks_interrupt(struct service *s, bool only_reads);

/* ---- service_facts.c ---- */
void facts_want_all(struct service *s);
void facts_pump(struct service *s);
void facts_stop(struct service *s);

/** facts_take_here() - what was read on this machine becomes known; @status is used up */
void facts_take_here(struct served *m, struct status *status);
void facts_take_control(struct served *m, struct status *status);

/** facts_lose_control() - it was asked for in vain: not known until it is asked again */
void facts_lose_control(struct served *m);

/** facts_read() - what is known of @mapper on this machine; any thread
 * @past: what the scheduler wants to know of it      @status: status_deinit() */
void facts_read(const struct config *config, const struct config_mapper *mapper,
        const struct log *log, struct scheduler_past *past, struct status *status);

/* ---- service_control.c ---- */
void control_pump(struct service *s);
void control_on_timer(void *ctx);
void control_stop(struct service *s);

/* ---- service_listen.c ---- */
int listen_new(struct service *s, struct err *e) __attribute__((warn_unused_result));
void listen_pump(struct service *s);
void listen_stop(struct service *s);

/** listen_trouble() - whether some source is not listened to: why in @out
 * @alone: a mapper of it has no schedule beside notifications
 * Return: false: all are. */
bool listen_trouble(const struct service *s, char *out, size_t size, bool *alone);

/* ---- service_watch.c ---- */
void watch_changed(struct service *s);
void watch_free(struct service *s);

/* ---- service_reload.c ---- */
void reload_stop(struct service *s);
void reload_pump(struct service *s);

/* ---- service_pause.c ---- */
bool pause_read(const struct config *config, const char *mapper);
int pause_write(const struct config *config, const char *mapper, bool paused, struct err *e)
        __attribute__((warn_unused_result));
