/*
 * A thread of a source borrows the configuration it was started with, so it says when it is at its
 * end, and the configuration waits for that: a look-up of a host's name may hold it up for long.
 * What a thread has to tell stands in flags under a mutex; one call on the service's loop takes
 * them, and none is posted while one is on its way.
 */
#include "ingest/serve/listen.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/loop/retry.h"
#include "ingest/serve/work.h"
#include "ingest/source/source.h"

#define AGAIN_MS     1000
#define AGAIN_MAX_MS 60000
#define FOR_EVER_MS  (INT64_MAX / 4)
#define STEADY_MS    10000 /* a connection that lasted so long begins with short delays again */
#define STORM_MS     100   /* between two wake-ups by one source */
#define WHY_MAX      ERR_TEXT_MAX

/* Threads that use one configuration. */
struct generation {
        const struct config *config;
        loop_fn release;
        void *ctx;
        size_t users;
};

struct listener {
        struct listener *next;
        struct listeners *set;
        struct generation *generation;
        const struct source_config *source;
        const char **channels; /* owned; each once */
        size_t channel_count;
        struct log *log; /* owned */
        struct loop *loop;
        pthread_t thread;
        bool retired; /* of the service's thread: it was told to end */
        bool *taken;  /* owned; of the service's thread: by channel, for deliver() */

        pthread_mutex_t mutex; /* over what follows */
        bool *notified;        /* owned; by channel */
        bool all;              /* some may have been missed */
        bool changed;          /* `why` is another one */
        bool posted;           /* a call of deliver() is on its way */
        char why[WHY_MAX];     /* it is not connected; "" it is */

        /* Of the thread. */
        struct loop_timer *timer; /* until the next post of a storm */
        bool waits, lost;
        int64_t told_ms;
        struct err err;
};

struct listeners {
        struct listeners_options options;
        struct listener *items; /* those that were told to end, too, until they have */
        bool stopping;
        loop_fn on_stopped;
        void *ctx;
};

/* ---- the thread tells ---- */

static void deliver(void *ctx);

static void post(struct listener *l)
{
        struct err e;

        pthread_mutex_lock(&l->mutex);
        bool posted = l->posted;
        l->posted = true;
        pthread_mutex_unlock(&l->mutex);
        if (posted || loop_post(l->set->options.loop, deliver, l, &e) == 0)
                return;
        log_warn(l->log, "a notification waits: %s", e.text);
        pthread_mutex_lock(&l->mutex);
        l->posted = false;
        pthread_mutex_unlock(&l->mutex);
        l->waits = true;
        loop_timer_set(l->timer, STORM_MS);
}

static void set_why(struct listener *l, const char *why)
{
        pthread_mutex_lock(&l->mutex);
        l->changed |= strncmp(l->why, why, WHY_MAX - 1) != 0;
        snprintf(l->why, sizeof(l->why), "%.*s", WHY_MAX - 1, why);
        bool changed = l->changed;
        pthread_mutex_unlock(&l->mutex);
        if (changed)
                post(l);
}

static void tell(struct listener *l)
{
        l->told_ms = loop_now_ms(l->loop);
        post(l);
}

static void on_timer(void *ctx)
{
        struct listener *l = ctx;

        l->waits = false;
        tell(l);
}

static void on_notify(void *ctx, size_t channel)
{
        struct listener *l = ctx;
        int64_t next_ms = l->told_ms + STORM_MS, now_ms = loop_now_ms(l->loop);

        pthread_mutex_lock(&l->mutex);
        if (channel == SOURCE_LISTEN_ALL)
                l->all = true;
        else
                l->notified[channel] = true;
        pthread_mutex_unlock(&l->mutex);
        if (l->waits)
                return;
        if (now_ms >= next_ms) {
                tell(l);
                return;
        }
        l->waits = true;
        loop_timer_set(l->timer, next_ms - now_ms);
}

static void on_end(void *ctx, const struct err *e)
{
        struct listener *l = ctx;

        l->err = *e;
        l->lost = true;
}

/* ---- the thread ---- */

/* One connection, until it is lost. Return: -class; -ERR_CANCEL: it is the end. */
static int listen_once(struct listener *l, struct err *e)
{
        cleanup_(source_closep) struct source *source = NULL;
        struct source_listener listener = {.channels = l->channels,
                .channel_count = l->channel_count,
                .on_notify = on_notify,
                .on_end = on_end,
                .ctx = l};
        int rc = source_open(l->source, l->loop, l->log, &source, e);

        l->lost = false;
        if (!rc)
                rc = source_listen(source, &listener, e);
        if (rc)
                return rc;
        set_why(l, "");
        log_info(l->log, "listening for notifications");
        on_notify(l, SOURCE_LISTEN_ALL);
        rc = loop_run_until(l->loop, &l->lost, e);
        if (rc)
                return rc;
        *e = l->err;
        return e->class ? -(int)e->class : -ERR_RETRY;
}

static void listen_on(struct listener *l)
{
        static const struct retry_policy policy = {
                .base_ms = AGAIN_MS, .cap_ms = AGAIN_MAX_MS, .budget_ms = FOR_EVER_MS};
        struct retry retry;
        struct err e;
        int64_t delay_ms = AGAIN_MAX_MS;
        unsigned failures = 0;

        retry_init(&retry, &policy, 0);
        while (!loop_cancelled(l->loop)) {
                int64_t began_ms = loop_now_ms(l->loop);
                if (listen_once(l, &e) == -ERR_CANCEL)
                        return;
                if (loop_now_ms(l->loop) - began_ms >= STEADY_MS) {
                        retry_success(&retry);
                        failures = 0;
                }
                set_why(l, e.text);
                (void)!retry_failure(&retry, loop_now_ms(l->loop), -1, &delay_ms);
                log_at(l->log, failures++ ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN,
                        "notifications do not come: %s; trying again until they do", e.text);
                if (loop_sleep(l->loop, delay_ms, &e) != 0)
                        return;
        }
}

static void ended(void *ctx);

static void *run(void *ctx)
{
        struct listener *l = ctx;

        listen_on(l);
        loop_timer_stop(l->timer);
        work_post(l->set->options.loop, ended, l);
        return NULL;
}

/* ---- the service's thread takes ---- */

/* Return: whether anybody is to be woken. */
static bool take_flags(struct listener *l, bool *changed)
{
        bool any;

        pthread_mutex_lock(&l->mutex);
        any = l->all;
        for (size_t i = 0; i < l->channel_count; i++) {
                l->taken[i] = l->all || l->notified[i];
                any |= l->taken[i];
                l->notified[i] = false;
        }
        *changed = l->changed;
        l->all = l->posted = l->changed = false;
        pthread_mutex_unlock(&l->mutex);
        return any;
}

static size_t channel_of(const struct listener *l, const char *channel)
{
        size_t i = 0;

        while (i < l->channel_count && strcmp(l->channels[i], channel) != 0)
                i++;
        return i;
}

static bool listens(const struct config_mapper *m, const struct source_config *source)
{
        return m->source == source && m->spec->schedule.notify;
}

static void deliver(void *ctx)
{
        struct listener *l = ctx;
        const struct listeners_options *o = &l->set->options;
        const struct config *config = l->generation->config;
        bool changed, any = take_flags(l, &changed);

        if (changed && !l->retired && o->on_health)
                o->on_health(o->ctx);
        if (!any)
                return;
        for (size_t i = 0; i < config->mapper_count && !l->retired; i++) {
                const struct config_mapper *m = &config->mappers[i];
                if (listens(m, l->source) && l->taken[channel_of(l, m->spec->schedule.notify)])
                        o->on_notify(o->ctx, m->spec->name);
        }
}

/* ---- beginning and end ---- */

static void leave(struct generation *g)
{
        if (--g->users)
                return;
        if (g->release)
                g->release(g->ctx);
        free(g);
}

static void listener_free(struct listener *l)
{
        loop_timer_free(l->timer);
        loop_free(l->loop);
        log_free(l->log);
        free(l->channels);
        free(l->notified);
        free(l->taken);
        pthread_mutex_destroy(&l->mutex);
        free(l);
}

static void unlink_item(struct listener *l)
{
        struct listener **at = &l->set->items;

        while (*at != l)
                at = &(*at)->next;
        *at = l->next;
}

static void say_stopped(void *ctx)
{
        struct listeners *ls = ctx;
        loop_fn fn = TAKE(ls->on_stopped);

        if (fn)
                fn(ls->ctx);
}

/* The last thing that its thread posted. */
static void ended(void *ctx)
{
        struct listener *l = ctx;
        struct listeners *ls = l->set;
        struct generation *g = l->generation;

        pthread_join(l->thread, NULL);
        unlink_item(l);
        listener_free(l);
        leave(g);
        if (ls->stopping && !ls->items)
                say_stopped(ls);
}

static void retire_all(struct listeners *ls)
{
        for (struct listener *l = ls->items; l; l = l->next) {
                if (!l->retired)
                        loop_cancel(l->loop);
                l->retired = true;
        }
}

static int take_channels(struct listener *l, const struct config *config, struct err *e)
{
        l->channels = calloc(config->mapper_count, sizeof(*l->channels));
        l->notified = calloc(config->mapper_count, sizeof(*l->notified));
        l->taken = calloc(config->mapper_count, sizeof(*l->taken));
        if (!l->channels || !l->notified || !l->taken)
                return err_nomem(e, "a listener");
        for (size_t i = 0; i < config->mapper_count; i++) {
                const struct config_mapper *m = &config->mappers[i];
                if (!listens(m, l->source))
                        continue;
                const char *channel = m->spec->schedule.notify;
                if (channel_of(l, channel) == l->channel_count)
                        l->channels[l->channel_count++] = channel;
        }
        return 0;
}

static int prepare(struct listener *l, const struct config *config, struct err *e)
{
        int rc = take_channels(l, config, e);

        l->log = log_child(l->set->options.log, "source", l->source->name);
        if (!rc)
                rc = loop_new(&l->loop, e);
        if (!rc)
                rc = loop_timer_new(l->loop, on_timer, l, &l->timer, e);
        if (!rc)
                l->told_ms = loop_now_ms(l->loop) - STORM_MS;
        return rc;
}

static int start(struct listeners *ls, struct generation *g, const struct source_config *source,
        struct err *e)
{
        struct listener *l = calloc(1, sizeof(*l));

        if (!l)
                return err_nomem(e, "a listener");
        l->set = ls;
        l->generation = g;
        l->source = source;
        snprintf(l->why, sizeof(l->why), "connecting");
        pthread_mutex_init(&l->mutex, NULL);
        int rc = prepare(l, g->config, e);
        int errnum = rc ? 0 : pthread_create(&l->thread, NULL, run, l);
        if (errnum)
                rc = err_set_errno(
                        e, ERR_SYSTEM, errnum, "a thread that listens to source %s", source->name);
        if (rc) {
                listener_free(l);
                return rc;
        }
        l->next = ls->items;
        ls->items = l;
        g->users++;
        return 0;
}

static bool is_listened_to(const struct config *config, const struct source_config *source)
{
        for (size_t i = 0; i < config->mapper_count; i++)
                if (listens(&config->mappers[i], source))
                        return true;
        return false;
}

int listeners_set(struct listeners *ls, const struct config *config, loop_fn release, void *ctx,
        struct err *e)
{
        struct generation *g = calloc(1, sizeof(*g));
        int rc = g ? 0 : err_nomem(e, "listeners");

        retire_all(ls);
        if (!g) {
                if (release)
                        release(ctx);
                return rc;
        }
        *g = (struct generation){config, release, ctx, 1};
        for (size_t i = 0; !rc && !ls->stopping && i < config->source_count; i++)
                if (is_listened_to(config, &config->sources[i]))
                        rc = start(ls, g, &config->sources[i], e);
        if (rc)
                retire_all(ls);
        leave(g);
        return rc;
}

int listeners_new(const struct listeners_options *options, struct listeners **out, struct err *e)
{
        struct listeners *ls = calloc(1, sizeof(*ls));

        if (!ls)
                return err_nomem(e, "listeners");
        ls->options = *options;
        *out = ls;
        return 0;
}

void listeners_stop(struct listeners *ls, loop_fn on_stopped, void *ctx)
{
        struct err e;

        ls->stopping = true;
        ls->on_stopped = on_stopped;
        ls->ctx = ctx;
        retire_all(ls);
        if (!ls->items && loop_post(ls->options.loop, say_stopped, ls, &e) != 0)
                say_stopped(ls);
}

struct listeners *listeners_free(struct listeners *ls)
{
        if (!ls)
                return NULL;
        retire_all(ls);
        while (ls->items) {
                struct listener *l = ls->items;
                struct generation *g = l->generation;
                pthread_join(l->thread, NULL);
                ls->items = l->next;
                listener_free(l);
                leave(g);
        }
        free(ls);
        return NULL;
}

bool listeners_health(struct listeners *ls, const char *source, char *why, size_t size)
{
        for (struct listener *l = ls->items; l; l = l->next) {
                if (l->retired || strcmp(l->source->name, source) != 0)
                        continue;
                pthread_mutex_lock(&l->mutex);
                snprintf(why, size, "%s", l->why);
                pthread_mutex_unlock(&l->mutex);
                return true;
        }
        return false;
}
