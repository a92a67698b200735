/*
 * A turn is one event_base_loop(EVLOOP_ONCE): wait, then run what became ready. Cancellation is
 * a counter and an eventfd, so that loop_cancel() needs no lock and works from any thread and
 * from a signal handler; the eventfd also keeps the base from ever having nothing to wait for.
 *
 * Arming a timer or a watch can fail (memory, a bad descriptor) in places that have nobody to
 * tell. Such a failure sticks to the loop and ends the next loop_run_until().
 *
 * A timer or watch may be freed in its own callback: nothing here touches it after that call.
 */
#include "ingest/loop/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

#include "ingest/base/clock.h"

struct loop_posted {
        struct loop_posted *next;
        loop_fn fn;
        void *ctx;
};

struct loop {
        struct event_base *base;
        struct event *wake; /* readable when loop_cancel() or loop_post() was called */
        int wake_fd;
        atomic_int cancels;
        bool running;
        int failed_errno;           /* of the first event that could not be armed */
        int64_t turn_ms;            /* monotonic time of this turn; 0: not read yet */
        struct loop_timer *sleeper; /* of loop_sleep() */
        pthread_mutex_t post_mutex; /* guards what was posted */
        struct loop_posted *posted, **posted_end;
};

struct loop_timer {
        struct loop *loop;
        struct event *event;
        loop_fn fn;
        void *ctx;
};

struct loop_fd {
        struct loop *loop;
        struct event *event;
        int fd;
        short watched; /* EV_READ, EV_WRITE */
        loop_fd_fn fn;
        void *ctx;
};

static void arm(struct loop *l, struct event *ev, const struct timeval *timeout)
{
        errno = 0;
        if (event_add(ev, timeout) == 0 || l->failed_errno)
                return;
        l->failed_errno = errno ? errno : ENOMEM;
}

static void call_posted(struct loop *l)
{
        pthread_mutex_lock(&l->post_mutex);
        struct loop_posted *next = l->posted;
        l->posted = NULL;
        l->posted_end = &l->posted;
        pthread_mutex_unlock(&l->post_mutex);
        while (next) {
                struct loop_posted p = *next;
                free(next);
                next = p.next;
                p.fn(p.ctx);
        }
}

static void on_wake(evutil_socket_t fd, short what, void *ctx)
{
        uint64_t count;

        (void)what;
        /* Only empties the descriptor; the counter and the list say what happened. */
        while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
                ;
        call_posted(ctx);
}

static struct event_base *new_base(void)
{
        struct event_config *config = event_config_new();

        if (!config)
                return NULL;
        /* One thread per base: no locks. */
        struct event_base *base = NULL;
        if (event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0)
                base = event_base_new_with_config(config);
        event_config_free(config);
        return base;
}

/* libevent would write to standard error, between log lines; our own errors say the same. */
static void keep_quiet(int severity, const char *text)
{
        (void)severity;
        (void)text;
}

static void on_slept(void *ctx)
{
        *(bool *)ctx = true;
}

int loop_new(struct loop **out, struct err *e)
{
        cleanup_(loop_freep) struct loop *l = calloc(1, sizeof(*l));

        if (!l)
                return err_nomem(e, "the event loop");
        pthread_mutex_init(&l->post_mutex, NULL);
        l->posted_end = &l->posted;
        event_set_log_callback(keep_quiet);
        l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (l->wake_fd < 0)
                return err_set_errno(e, ERR_SYSTEM, errno, "event loop: eventfd");
        l->base = new_base();
        if (!l->base)
                return err_nomem(e, "the event loop");
        l->wake = event_new(l->base, l->wake_fd, EV_READ | EV_PERSIST, on_wake, l);
        if (!l->wake || event_add(l->wake, NULL) < 0)
                return err_nomem(e, "the event loop");
        int rc = loop_timer_new(l, on_slept, NULL, &l->sleeper, e);
        if (rc < 0)
                return rc;
        *out = TAKE(l);
        return 0;
}

struct loop *loop_free(struct loop *l)
{
        if (!l)
                return NULL;
        loop_timer_free(l->sleeper);
        if (l->wake)
                event_free(l->wake);
        if (l->base)
                event_base_free(l->base);
        if (l->wake_fd >= 0)
                close(l->wake_fd);
        for (struct loop_posted *p = l->posted, *next; p; p = next) {
                next = p->next;
                free(p);
        }
        pthread_mutex_destroy(&l->post_mutex);
        free(l);
        return NULL;
}

static int run_turn(struct loop *l, struct err *e)
{
        if (l->failed_errno)
                return err_set_errno(e, ERR_SYSTEM, l->failed_errno,
                        "event loop: watching a descriptor or setting a timer");
        l->turn_ms = 0;
        errno = 0;
        if (event_base_loop(l->base, EVLOOP_ONCE) < 0)
                return err_set_errno(e, ERR_SYSTEM, errno, "event loop: waiting for events");
        return 0;
}

/* @limit: how many cancellations end it. */
static int run(struct loop *l, const bool *done, int limit, struct err *e)
{
        int rc = 0;

        if (l->running)
                return err_set(e, ERR_BUG, "the event loop was run from one of its own callbacks");
        l->running = true;
        while (rc == 0 && !*done) {
                if (atomic_load(&l->cancels) >= limit)
                        rc = err_set(e, ERR_CANCEL, "interrupted");
                else
                        rc = run_turn(l, e);
        }
        l->running = false;
        return rc;
}

int loop_run_until(struct loop *l, const bool *done, struct err *e)
{
        return run(l, done, 1, e);
}

int loop_run_until_done(struct loop *l, const bool *done, struct err *e)
{
        return run(l, done, 2, e);
}

static void wake_up(struct loop *l)
{
        const uint64_t one = 1;

        /* Fails only when the counter is full, and then the descriptor is readable anyway. */
        while (write(l->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
                ;
}

void loop_cancel(struct loop *l)
{
        int saved = errno; /* a signal handler must not change it */

        atomic_fetch_add(&l->cancels, 1);
        wake_up(l);
        errno = saved;
}

int loop_post(struct loop *l, loop_fn fn, void *ctx, struct err *e)
{
        struct loop_posted *p = malloc(sizeof(*p));

        if (!p)
                return err_nomem(e, "the event loop");
        *p = (struct loop_posted){.fn = fn, .ctx = ctx};
        pthread_mutex_lock(&l->post_mutex);
        *l->posted_end = p;
        l->posted_end = &p->next;
        pthread_mutex_unlock(&l->post_mutex);
        wake_up(l);
        return 0;
}

int loop_cancelled(const struct loop *l)
{
        return atomic_load(&l->cancels);
}

int loop_sleep(struct loop *l, int64_t ms, struct err *e)
{
        bool slept = false;

        if (l->running)
                return err_set(e, ERR_BUG, "the event loop was run from one of its own callbacks");
        l->sleeper->ctx = &slept;
        loop_timer_set(l->sleeper, ms);
        int rc = loop_run_until(l, &slept, e);
        loop_timer_stop(l->sleeper);
        return rc;
}

int64_t loop_now_ms(const struct loop *l)
{
        if (!l->running) /* between turns the caller may have worked for long */
                return clock_monotonic_ms();
        if (!l->turn_ms)
                ((struct loop *)l)->turn_ms = clock_monotonic_ms(); /* a cache, not state */
        return l->turn_ms;
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
        struct loop_timer *t = ctx;

        (void)fd;
        (void)what;
        t->fn(t->ctx);
}

int loop_timer_new(struct loop *l, loop_fn fn, void *ctx, struct loop_timer **out, struct err *e)
{
        cleanup_(loop_timer_freep) struct loop_timer *t = calloc(1, sizeof(*t));

        if (!t)
                return err_nomem(e, "a timer");
        *t = (struct loop_timer){.loop = l, .fn = fn, .ctx = ctx};
        t->event = event_new(l->base, -1, 0, on_timer, t);
        if (!t->event)
                return err_nomem(e, "a timer");
        *out = TAKE(t);
        return 0;
}

void loop_timer_set(struct loop_timer *t, int64_t delay_ms)
{
        if (delay_ms < 0)
                delay_ms = 0;
        arm(t->loop, t->event,
                &(struct timeval){.tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000});
}

void loop_timer_soon(struct loop_timer *t)
{
        /* Not event_active(): that runs it in this turn, and a timer that re-arms itself would
         * keep the loop from ever looking at its descriptors. */
        loop_timer_set(t, 0);
}

void loop_timer_stop(struct loop_timer *t)
{
        event_del(t->event);
}

struct loop_timer *loop_timer_free(struct loop_timer *t)
{
        if (!t)
                return NULL;
        if (t->event)
                event_free(t->event);
        free(t);
        return NULL;
}

static void on_fd(evutil_socket_t fd, short what, void *ctx)
{
        struct loop_fd *f = ctx;

        (void)fd;
        f->fn(f->ctx, what & EV_READ, what & EV_WRITE);
}

int loop_fd_new(
        struct loop *l, int fd, loop_fd_fn fn, void *ctx, struct loop_fd **out, struct err *e)
{
        cleanup_(loop_fd_freep) struct loop_fd *f = calloc(1, sizeof(*f));

        if (!f)
                return err_nomem(e, "a watch on a descriptor");
        *f = (struct loop_fd){.loop = l, .fd = fd, .fn = fn, .ctx = ctx};
        f->event = event_new(l->base, fd, EV_PERSIST, on_fd, f);
        if (!f->event)
                return err_nomem(e, "a watch on a descriptor");
        *out = TAKE(f);
        return 0;
}

void loop_fd_set(struct loop_fd *f, bool readable, bool writable)
{
        short wanted = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));

        if (wanted == f->watched)
                return;
        event_del(f->event);
        f->watched = wanted;
        if (!wanted)
                return;
        event_assign(f->event, f->loop->base, f->fd, (short)(wanted | EV_PERSIST), on_fd, f);
        arm(f->loop, f->event, NULL);
}

struct loop_fd *loop_fd_free(struct loop_fd *f)
{
        if (!f)
                return NULL;
        if (f->event)
                event_free(f->event);
        free(f);
        return NULL;
}

struct event_base *loop_base(struct loop *l)
{
        return l->base;
}
