#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ingest/base/clock.h"
#include "ingest/loop/loop.h"
#include "tests/support/alloc_fail.h"

static struct loop *loop;
static struct err e;

static int set_up(void **state)
{
        (void)state;
        return loop_new(&loop, &e);
}

static int tear_down(void **state)
{
        (void)state;
        loop = loop_free(loop);
        return 0;
}

static void set_flag(void *ctx)
{
        *(bool *)ctx = true;
}

struct bell {
        struct loop_timer *timer;
        int rung;  /* how often */
        int order; /* of the last time among all bells */
        bool done;
};

static int bells_rung;

static void ring(void *ctx)
{
        struct bell *b = ctx;

        b->rung++;
        b->order = ++bells_rung;
        b->done = true;
}

static void timers_fire_once_and_in_order(void **state)
{
        struct bell bells[4] = {0};

        (void)state;
        bells_rung = 0;
        for (size_t i = 0; i < 4; i++)
                assert_int_equal(loop_timer_new(loop, ring, &bells[i], &bells[i].timer, &e), 0);
        int64_t begun = clock_monotonic_ms();
        loop_timer_set(bells[1].timer, 60);
        loop_timer_set(bells[0].timer, 100000);
        loop_timer_set(bells[0].timer, 20); /* the later call counts */
        loop_timer_set(bells[2].timer, 30);
        loop_timer_stop(bells[2].timer);
        loop_timer_stop(bells[2].timer); /* stopping twice is harmless */
        assert_int_equal(loop_run_until(loop, &bells[1].done, &e), 0);
        assert_true(clock_monotonic_ms() - begun >= 55); /* libevent's clock may be 4 ms old */
        assert_int_equal(bells[0].order, 1);
        assert_int_equal(bells[1].order, 2);
        loop_timer_set(bells[3].timer, -5); /* overdue is now */
        assert_int_equal(loop_run_until(loop, &bells[3].done, &e), 0);
        assert_int_equal(loop_sleep(loop, 60, &e), 0);
        assert_int_equal(bells_rung, 3);
        for (size_t i = 0; i < 4; i++) {
                assert_int_equal(bells[i].rung, i != 2);
                loop_timer_free(bells[i].timer);
        }
}

static void a_flag_that_is_set_needs_no_turn(void **state)
{
        bool done = true;

        (void)state;
        assert_int_equal(loop_run_until(loop, &done, &e), 0);
        loop_cancel(loop);
        assert_int_equal(loop_run_until(loop, &done, &e), 0); /* done counts before cancelled */
}

struct pair {
        int fds[2];
        struct loop_fd *watch;
        int reads, writes;
        bool done;
        char got[16];
        bool free_itself;
};

static void on_pair(void *ctx, bool readable, bool writable)
{
        struct pair *p = ctx;

        p->reads += readable;
        p->writes += writable;
        if (readable)
                assert_int_equal(read(p->fds[0], p->got, 1), 1);
        if (p->free_itself)
                p->watch = loop_fd_free(p->watch);
        p->done = true;
}

static void pair_open(struct pair *p)
{
        *p = (struct pair){0};
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->fds), 0);
        assert_int_equal(loop_fd_new(loop, p->fds[0], on_pair, p, &p->watch, &e), 0);
}

static void pair_close(struct pair *p)
{
        loop_fd_free(p->watch);
        close(p->fds[0]);
        close(p->fds[1]);
}

static void descriptors_are_watched_as_asked(void **state)
{
        struct pair p;

        (void)state;
        pair_open(&p);
        assert_int_equal(write(p.fds[1], "xyz", 3), 3);
        assert_int_equal(loop_sleep(loop, 10, &e), 0);
        assert_int_equal(p.reads, 0); /* nothing until it is set */

        loop_fd_set(p.watch, true, false);
        loop_fd_set(p.watch, true, false);
        assert_int_equal(loop_run_until(loop, &p.done, &e), 0);
        assert_int_equal(p.reads, 1);
        p.done = false;
        assert_int_equal(loop_run_until(loop, &p.done, &e), 0); /* it stays set */
        assert_int_equal(p.reads, 2);
        assert_int_equal(p.writes, 0);

        p.done = false;
        loop_fd_set(p.watch, false, true);
        assert_int_equal(loop_run_until(loop, &p.done, &e), 0);
        assert_int_equal(p.reads, 2);
        assert_true(p.writes >= 1);

        p.done = false;
        p.writes = 0;
        loop_fd_set(p.watch, true, true);
        assert_int_equal(loop_run_until(loop, &p.done, &e), 0);
        assert_int_equal(p.reads, 3);
        assert_int_equal(p.writes, 1); /* both in one call */

        p.writes = 0;
        loop_fd_set(p.watch, false, false);
        assert_int_equal(loop_sleep(loop, 10, &e), 0);
        assert_int_equal(p.writes, 0);
        pair_close(&p);
}

static void a_watch_may_free_itself(void **state)
{
        struct pair p;

        (void)state;
        pair_open(&p);
        p.free_itself = true;
        loop_fd_set(p.watch, false, true);
        assert_int_equal(loop_run_until(loop, &p.done, &e), 0);
        assert_null(p.watch);
        assert_int_equal(loop_sleep(loop, 10, &e), 0);
        assert_int_equal(p.writes, 1);
        pair_close(&p);
}

static void a_bad_descriptor_ends_the_run(void **state)
{
        struct loop_fd *watch;
        bool never = false;

        (void)state;
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        close(fd);
        assert_int_equal(loop_fd_new(loop, fd, NULL, NULL, &watch, &e), 0);
        loop_fd_set(watch, true, false);
        assert_int_equal(loop_run_until(loop, &never, &e), -ERR_SYSTEM);
        assert_non_null(strstr(e.text, "Bad file descriptor"));
        loop_fd_free(watch);
}

static void *cancel_later(void *ctx)
{
        (void)ctx;
        usleep(30000);
        loop_cancel(loop);
        return NULL;
}

static void another_thread_can_cancel(void **state)
{
        bool never = false;
        pthread_t t;

        (void)state;
        assert_int_equal(pthread_create(&t, NULL, cancel_later, NULL), 0);
        assert_int_equal(loop_run_until(loop, &never, &e), -ERR_CANCEL);
        assert_int_equal(e.class, ERR_CANCEL);
        pthread_join(t, NULL);
        assert_int_equal(loop_cancelled(loop), 1);
        assert_int_equal(loop_run_until(loop, &never, &e), -ERR_CANCEL); /* and later ones */
        assert_int_equal(loop_sleep(loop, 60000, &e), -ERR_CANCEL);

        /* Clean-up goes on until the second one. */
        bool flushed = false;
        struct loop_timer *flush;
        assert_int_equal(loop_timer_new(loop, set_flag, &flushed, &flush, &e), 0);
        loop_timer_set(flush, 10);
        assert_int_equal(loop_run_until_done(loop, &flushed, &e), 0);
        loop_timer_free(flush);
        assert_int_equal(pthread_create(&t, NULL, cancel_later, NULL), 0);
        assert_int_equal(loop_run_until_done(loop, &never, &e), -ERR_CANCEL);
        pthread_join(t, NULL);
        assert_int_equal(loop_cancelled(loop), 2);
}

static void on_signal(int number)
{
        (void)number;
        loop_cancel(loop);
}

static void a_signal_handler_can_cancel(void **state)
{
        struct sigaction action = {.sa_handler = on_signal}, before;
        bool never = false;

        (void)state;
        assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
        ualarm(20000, 0);
        assert_int_equal(loop_run_until(loop, &never, &e), -ERR_CANCEL);
        sigaction(SIGALRM, &before, NULL);
}

static void an_unrelated_signal_changes_nothing(void **state)
{
        struct sigaction action = {.sa_handler = on_signal}, before;

        (void)state;
        struct loop *real = loop, *other;
        assert_int_equal(loop_new(&other, &e), 0);
        assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
        int64_t begun = clock_monotonic_ms();
        loop = other; /* what the handler cancels */
        ualarm(20000, 0);
        assert_int_equal(loop_sleep(real, 80, &e), 0);
        assert_in_range(clock_monotonic_ms() - begun, 75, 5000);
        assert_int_equal(loop_cancelled(other), 1);
        loop = real;
        sigaction(SIGALRM, &before, NULL);
        loop_free(other);
}

static int nested_rc[2];

static void run_nested(void *ctx)
{
        bool never = false;

        nested_rc[0] = loop_run_until(loop, &never, NULL);
        nested_rc[1] = loop_sleep(loop, 1, NULL);
        *(bool *)ctx = true;
}

static void loops_do_not_nest(void **state)
{
        struct loop_timer *t;
        bool done = false;

        (void)state;
        assert_int_equal(loop_timer_new(loop, run_nested, &done, &t, &e), 0);
        loop_timer_soon(t);
        assert_int_equal(loop_run_until(loop, &done, &e), 0);
        assert_int_equal(nested_rc[0], -ERR_BUG);
        assert_int_equal(nested_rc[1], -ERR_BUG);
        loop_timer_free(t);
}

struct spinner {
        struct loop_timer *timer;
        int turns;
        bool done; /* after ten turns */
};

static void spin(void *ctx)
{
        struct spinner *s = ctx;

        s->done = ++s->turns >= 10;
        loop_timer_soon(s->timer);
}

static void soon_is_the_next_turn(void **state)
{
        struct spinner s = {0};
        struct pair p;

        (void)state;
        pair_open(&p);
        assert_int_equal(loop_timer_new(loop, spin, &s, &s.timer, &e), 0);
        loop_timer_soon(s.timer);
        /* A timer that always wants the next turn does not starve a descriptor. */
        loop_fd_set(p.watch, false, true);
        assert_int_equal(loop_run_until(loop, &p.done, &e), 0);
        assert_in_range(s.turns, 0, 2);
        assert_int_equal(loop_run_until(loop, &s.done, &e), 0);
        loop_timer_free(s.timer);
        pair_close(&p);
}

struct clock_watcher {
        int64_t first, second;
        bool done;
};

static void read_clock_twice(void *ctx)
{
        struct clock_watcher *w = ctx;

        w->first = loop_now_ms(loop);
        usleep(5000);
        w->second = loop_now_ms(loop);
        w->done = true;
}

static void time_stands_still_within_a_turn(void **state)
{
        struct clock_watcher w = {0};
        struct loop_timer *t;

        (void)state;
        assert_int_equal(loop_timer_new(loop, read_clock_twice, &w, &t, &e), 0);
        int64_t begun = loop_now_ms(loop);
        usleep(5000);
        assert_true(loop_now_ms(loop) >= begun + 5); /* but not between turns */
        loop_timer_set(t, 20);
        assert_int_equal(loop_run_until(loop, &w.done, &e), 0);
        assert_true(w.first >= begun + 20);
        assert_int_equal(w.first, w.second);
        assert_true(loop_now_ms(loop) >= w.first + 5);
        loop_timer_free(t);
}

static void every_allocation_may_fail(void **state)
{
        (void)state;
        ALLOC_FAIL_EACH(i)
        {
                struct loop *l = NULL;
                struct loop_timer *t = NULL;
                struct loop_fd *f = NULL;
                bool done = false;
                alloc_fail_at(i);
                int rc = loop_new(&l, &e);
                if (rc == 0)
                        rc = loop_timer_new(l, set_flag, &done, &t, &e);
                if (rc == 0)
                        rc = loop_fd_new(l, 0, NULL, NULL, &f, &e);
                if (rc == 0) {
                        loop_timer_soon(t);
                        rc = loop_run_until(l, &done, &e);
                }
                assert_true(rc == 0 || rc == -ERR_NOMEM);
                if (rc < 0)
                        assert_non_null(strstr(e.text, "emory"));
                loop_fd_free(f);
                loop_timer_free(t);
                loop_free(l);
        }
}

/* libevent's own allocations pass the wrapped functions too. */
#define POSTERS 4
#define POSTS   1000

struct post_log {
        unsigned last[POSTERS]; /* of each thread, the number posted last */
        unsigned count;
        bool in_order, done;
};

struct post {
        struct post_log *log;
        unsigned thread, number;
};

static void note_post(void *ctx)
{
        struct post *p = ctx;
        struct post_log *log = p->log;

        log->in_order &= p->number == log->last[p->thread] + 1;
        log->last[p->thread] = p->number;
        log->done = ++log->count == POSTERS * POSTS;
        free(p);
}

struct poster {
        pthread_t thread;
        struct post_log *log;
        unsigned index;
};

static void *post_all(void *arg)
{
        struct poster *me = arg;
        struct err failure;

        for (unsigned i = 1; i <= POSTS; i++) {
                struct post *p = malloc(sizeof(*p));
                if (!p)
                        abort();
                *p = (struct post){me->log, me->index, i};
                if (loop_post(loop, note_post, p, &failure))
                        abort();
        }
        return NULL;
}

static void other_threads_post_in_order(void **state)
{
        struct post_log log = {.in_order = true};
        struct poster posters[POSTERS];

        (void)state;
        for (unsigned i = 0; i < POSTERS; i++) {
                posters[i] = (struct poster){.log = &log, .index = i};
                assert_int_equal(
                        pthread_create(&posters[i].thread, NULL, post_all, &posters[i]), 0);
        }
        assert_int_equal(loop_run_until(loop, &log.done, &e), 0);
        for (unsigned i = 0; i < POSTERS; i++)
                pthread_join(posters[i].thread, NULL);
        assert_true(log.in_order);
}

static bool post_again_done;

static void post_again(void *ctx)
{
        int *left = ctx;

        post_again_done = --*left == 0;
        if (*left)
                assert_int_equal(loop_post(loop, post_again, left, &e), 0);
}

static void what_is_posted_may_post(void **state)
{
        int left = 3;

        (void)state;
        post_again_done = false;
        assert_int_equal(loop_post(loop, post_again, &left, &e), 0);
        assert_int_equal(left, 3); /* not from inside */
        assert_int_equal(loop_run_until(loop, &post_again_done, &e), 0);
        assert_int_equal(left, 0);
}

static void what_was_not_called_is_forgotten(void **state)
{
        int left = 1;

        (void)state;
        assert_int_equal(loop_post(loop, post_again, &left, &e), 0);
        loop = loop_free(loop);
        assert_int_equal(left, 1);
}

static void *counted_malloc(size_t n)
{
        return malloc(n);
}

static void *counted_realloc(void *p, size_t n)
{
        return realloc(p, n);
}

int main(void)
{
#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                LOOP_TEST(timers_fire_once_and_in_order),
                LOOP_TEST(a_flag_that_is_set_needs_no_turn),
                LOOP_TEST(descriptors_are_watched_as_asked),
                LOOP_TEST(a_watch_may_free_itself),
                LOOP_TEST(a_bad_descriptor_ends_the_run),
                LOOP_TEST(another_thread_can_cancel),
                LOOP_TEST(a_signal_handler_can_cancel),
                LOOP_TEST(an_unrelated_signal_changes_nothing),
                LOOP_TEST(loops_do_not_nest),
                LOOP_TEST(soon_is_the_next_turn),
                LOOP_TEST(time_stands_still_within_a_turn),
                LOOP_TEST(other_threads_post_in_order),
                LOOP_TEST(what_is_posted_may_post),
                LOOP_TEST(what_was_not_called_is_forgotten),
                LOOP_TEST(every_allocation_may_fail),
        };

        event_set_mem_functions(counted_malloc, counted_realloc, free);
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        libevent_global_shutdown();
        return failed;
}
