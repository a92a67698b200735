#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ingest/base/buf.h"
#include "ingest/base/clock.h"
#include "ingest/base/file.h"
#include "ingest/source/rest/budget.h"
#include "tests/support/alloc_fail.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define T0           INT64_C(1700000000000000) /* us: any wall time */
#define MS           INT64_C(1000)
#define S            INT64_C(1000000)

static char folder[256];

static int make_folder(void **state)
{
        (void)state;
        snprintf(folder, sizeof(folder), "/tmp/test_rest_budget.XXXXXX");
        return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
        char path[300];

        (void)state;
        snprintf(path, sizeof(path), "%s/budget", folder);
        unlink(path);
        return rmdir(folder);
}

static struct rest_options options_of(const char *budgets, const char *errors)
{
        struct rest_options o = {0};
        char copy[128], *rest = copy, *word;

        snprintf(copy, sizeof(copy), "%s", budgets);
        while ((word = strsep(&rest, " ")) && *word)
                assert_true(rest_budget_parse(str_of(word), &o.budgets[o.budget_count++]));
        if (errors)
                assert_true(rest_budget_parse(str_of(errors), &o.errors));
        return o;
}

static struct rest_budget *opened(const struct rest_options *o, const char *in)
{
        struct rest_budget *b;
        struct err e;

        assert_int_equal(rest_budget_open(o, in, &b, &e), 0);
        return b;
}

static const char *last_why;

/* Return: what take says to wait, in ms; 0: taken. */
static int64_t take(struct rest_budget *b, int64_t now_us)
{
        int64_t wait_ms = -1;
        struct err e;

        assert_int_equal(rest_budget_take(b, now_us, &wait_ms, &last_why, &e), 0);
        assert_true(wait_ms >= 0);
        return wait_ms;
}

/* How many are taken at once. */
static int take_all(struct rest_budget *b, int64_t now_us)
{
        int n = 0;

        while (take(b, now_us) == 0)
                n++;
        return n;
}

static void texts_are_parsed(void **state)
{
        static const struct {
                const char *text;
                int64_t count, window_ms; /* 0: refused */
        } cases[] = {{"60/min", 60, 60000}, {"10/s", 10, 1000}, {"5000/day", 5000, 86400000},
                {"6000/5min", 6000, 300000}, {"100/h", 100, 3600000}, {"1/500ms", 1, 500},
                {" 3 / 10 s ", 3, 10000}, {"5/d", 5, 86400000}, {"9/minute", 9, 60000},
                {"100000/30d", 100000, INT64_C(30) * 86400000}, {"1000000000/s", 1000000000, 1000},
                {"", 0, 0}, {"60", 0, 0}, {"/min", 0, 0}, {"60/", 0, 0}, {"0/s", 0, 0},
                {"-1/s", 0, 0}, {"+1/s", 0, 0}, {"1/0s", 0, 0}, {"1/week", 0, 0}, {"1/mon", 0, 0},
                {"1.5/s", 0, 0}, {"1/1.5s", 0, 0}, {"10/s/s", 0, 0}, {"1e3/s", 0, 0},
                {"1000000001/s", 0, 0}, {"99999999999999999999/s", 0, 0}, {"1/367d", 0, 0},
                {"1/99999999999999999999s", 0, 0}, {"10/5", 0, 0}};

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct rest_budget_spec s = {-7, -7};
                bool ok = rest_budget_parse(str_of(cases[i].text), &s);
                if (ok != (cases[i].count > 0))
                        fail_msg("%s", cases[i].text);
                assert_int_equal(s.count, ok ? cases[i].count : -7);
                assert_int_equal(s.window_ms, ok ? cases[i].window_ms : -7);
        }
}

/* One line a request: when it is asked for, what it is told. */
static void waits_are_as_the_windows_say(void **state)
{
        static const struct {
                const char *budgets;
                struct {
                        int64_t at_ms, wait_ms;
                        const char *why;
                } steps[10];
        } cases[] = {
                {"2/2s", {{0, 0}, {600, 0}, {800, 1200, "2/2s"}, {1999, 1, "2/2s"}, {2000, 0},
                                 {2001, 599, "2/2s"}, {2600, 0}}},
                /* Of a second or less: spaced. */
                {"2/s", {{0, 0}, {300, 200, "2/s"}, {500, 0}, {600, 400}, {2000, 0}, {2001, 499}}},
                {"1/s", {{0, 0}, {1, 999}, {1000, 0}, {1500, 500}, {9000, 0}}},
                /* The wait is that of the budget that frees last; nothing is taken from others. */
                {"2/s 3/min", {{0, 0}, {1, 499, "2/s"}, {500, 0}, {1000, 0}, {1001, 58999, "3/min"},
                                      {60000, 0}, {60001, 499, "2/s"}, {60500, 0}}},
                {"1/500ms 5000/day", {{0, 0}, {100, 400, "1/500ms"}, {500, 0}}},
                /* The last tenth of ten, one request, comes in the middle of what is left. */
                {"10/2s", {{0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0},
                                  {0, 1000, "10/2s"}}},
                {"3/7min", {{0, 0}, {0, 0}, {0, 0}, {1000, 419000, "3/7min"}}},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct rest_options o = options_of(cases[i].budgets, NULL);
                struct rest_budget *b = opened(&o, NULL);
                for (size_t j = 0; j < COUNT(cases[i].steps); j++) {
                        if (j > 0 && cases[i].steps[j].at_ms == 0 && cases[i].steps[j - 1].at_ms)
                                break;
                        int64_t wait = take(b, T0 + cases[i].steps[j].at_ms * MS);
                        if (wait != cases[i].steps[j].wait_ms)
                                fail_msg("%s step %zu: %lld", cases[i].budgets, j, (long long)wait);
                        if (wait && cases[i].steps[j].why)
                                assert_string_equal(last_why, cases[i].steps[j].why);
                }
                rest_budget_close(b);
        }
}

static void a_burst_leaves_something_for_others(void **state)
{
        struct rest_options o = options_of("60/min", NULL);
        struct rest_budget *b = opened(&o, NULL);
        int64_t now = T0, longest = 0;
        int n = 0;

        (void)state;
        assert_int_equal(take_all(b, now), 54);
        for (int64_t wait; now < T0 + 60 * S; n += wait == 0) {
                wait = take(b, now);
                now += wait * MS;
                longest = wait > longest ? wait : longest;
        }
        assert_in_range(longest, 8000, 9000);              /* not the rest of the minute */
        assert_in_range(n, 6, 7);                          /* the seventh at the end of it */
        assert_in_range(take_all(b, T0 + 60 * S), 46, 48); /* sixty in any minute */
        rest_budget_close(b);
}

/* With a demand that never ends, what comes through is what the budgets allow, but for the grain
 * of the marks: 1/64. */
static void the_whole_rate_comes_through(void **state)
{
        static const struct {
                const char *budgets;
                int64_t limit;
        } cases[] = {{"10/s", 10}, {"7/s", 7}, {"64/s", 64}, {"100/s", 100}, {"1000/s", 1000}};

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct rest_options o = options_of(cases[i].budgets, NULL);
                struct rest_budget *b = opened(&o, NULL);
                int64_t n = 0, now = T0;
                while (now < T0 + 20 * S) {
                        int64_t wait = take(b, now);
                        n += wait == 0;
                        now += wait ? wait * MS : 50;
                }
                assert_in_range(n, 20 * cases[i].limit * 96 / 100, 21 * cases[i].limit);
                rest_budget_close(b);
        }
}

static uint64_t dice(uint64_t *seed)
{
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        return *seed;
}

#define TAKES 4000

/* Any window (t - w, t] holds at most the limit: looked at from each request. */
static void assert_never_more(const int64_t *at, int n, const struct rest_budget_spec *spec)
{
        for (int i = 0; i + spec->count < n; i++)
                if (at[i + spec->count] - at[i] < spec->window_ms * MS)
                        fail_msg("%lld/%lldms: %d and %d are %lld us apart", (long long)spec->count,
                                (long long)spec->window_ms, i, i + (int)spec->count,
                                (long long)(at[i + spec->count] - at[i]));
}

/* Random demand, at random grains of time; the object is opened anew now and then, and there are
 * two of them. */
static void no_window_ever_holds_more(void **state)
{
        static const char *const budgets[] = {"1/s", "3/s", "10/s", "64/s", "65/s", "200/s",
                "10/s 60/min", "5/s 100/min 1000/h", "1000/min", "7/100ms 300/10s"};
        static int64_t at[TAKES];
        uint64_t seed = 88172645463325252;

        (void)state;
        for (size_t i = 0; i < 3 * COUNT(budgets); i++) {
                struct rest_options o = options_of(budgets[i % COUNT(budgets)], NULL);
                struct rest_budget *b[2] = {opened(&o, folder), opened(&o, folder)};
                int64_t now = T0 + (int64_t)i * 86400 * 100 * S, pause = 1;
                int n = 0;
                for (int k = 0; k < TAKES; k++) {
                        if (dice(&seed) % 100 == 0)
                                pause = (int64_t)(1 << dice(&seed) % 20);
                        now += (int64_t)(dice(&seed) % (uint64_t)pause);
                        if (dice(&seed) % 200 == 0) {
                                rest_budget_close(b[k % 2]);
                                b[k % 2] = opened(&o, folder);
                        }
                        if (take(b[k % 2], now) == 0)
                                at[n++] = now;
                }
                assert_true(n > 0);
                for (size_t j = 0; j < o.budget_count; j++)
                        assert_never_more(at, n, &o.budgets[j]);
                rest_budget_close(b[0]);
                rest_budget_close(b[1]);
        }
}

static void waits_that_are_kept_are_enough(void **state)
{
        static const char *const budgets[] = {"1/s", "2/s", "9/min", "200/min", "10/s 60/min"};

        (void)state;
        for (size_t i = 0; i < COUNT(budgets); i++) {
                struct rest_options o = options_of(budgets[i], NULL);
                struct rest_budget *b = opened(&o, NULL);
                int64_t now = T0;
                for (int n = 0; n < 500; n++) {
                        int asked = 0;
                        for (int64_t wait; (wait = take(b, now)); now += wait * MS)
                                assert_true(++asked <= 4); /* no busy waiting */
                }
                rest_budget_close(b);
        }
}

#define PROCESSES 2

/* Each takes what it gets at one and the same moment: together exactly the limit. */
static void processes_share_the_counts(void **state)
{
        struct rest_options o = options_of("5/2s 400/min", NULL);

        (void)state;
        for (int64_t second = 0; second < 20; second++) {
                pid_t pids[PROCESSES];
                int together = 0, status;
                for (int p = 0; p < PROCESSES; p++) {
                        pids[p] = fork();
                        if (pids[p] == 0) {
                                struct rest_budget *b = opened(&o, folder);
                                int n = take_all(b, T0 + 2 * second * S);
                                rest_budget_close(b);
                                _exit(n);
                        }
                }
                for (int p = 0; p < PROCESSES; p++) {
                        assert_int_equal(waitpid(pids[p], &status, 0), pids[p]);
                        assert_true(WIFEXITED(status));
                        together += WEXITSTATUS(status);
                }
                assert_int_equal(together, 5);
        }
}

static void *take_in_thread(void *ctx)
{
        struct rest_budget *b = opened(ctx, folder);
        int64_t n = 0;

        for (int i = 0; i < 2000; i++)
                n += take(b, T0) == 0;
        rest_budget_close(b);
        return (void *)(intptr_t)n;
}

static void threads_share_the_counts(void **state)
{
        struct rest_options o = options_of("3000/h", NULL);
        pthread_t threads[4];
        int64_t together = 0;

        (void)state;
        for (size_t i = 0; i < COUNT(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, take_in_thread, &o), 0);
        for (size_t i = 0; i < COUNT(threads); i++) {
                void *n;
                pthread_join(threads[i], &n);
                together += (intptr_t)n;
        }
        assert_int_equal(together, 2700); /* nine tenths at once */
}

/* A process that dies anywhere leaves a file that the next one reads. */
static void killed_processes_leave_good_counts(void **state)
{
        struct rest_options o = options_of("1000000/day 500000/h", NULL);

        (void)state;
        for (int i = 0; i < 20; i++) {
                pid_t pid = fork();
                int status;
                if (pid == 0) {
                        struct rest_budget *b = opened(&o, folder);
                        for (int64_t n = 0;; n++)
                                take(b, T0 + n);
                }
                usleep((useconds_t)(1000 + i * 500));
                kill(pid, SIGKILL);
                waitpid(pid, &status, 0);
        }
        int fds[2];
        char said[256] = "";
        assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
        struct log_sink *sink = log_sink_new(fds[1], LOG_LEVEL_DEBUG, LOG_FORMAT_LOGFMT);
        struct log *log = log_new(sink);
        struct rest_budget *b = opened(&o, folder);
        rest_budget_log(b, log);
        take(b, T0 + 3600 * S);
        assert_true(read(fds[0], said, sizeof(said) - 1) < 0); /* no damage */
        rest_budget_close(b);
        log_free(log);
        log_sink_free(sink);
        close(fds[0]);
        close(fds[1]);
}

static void the_next_run_knows_what_is_left(void **state)
{
        struct rest_options o = options_of("5/day", NULL), other = options_of("5/day 2/2s", NULL);
        struct rest_budget *b = opened(&o, folder);

        (void)state;
        assert_int_equal(take_all(b, T0), 5);
        rest_budget_close(b);
        b = opened(&o, folder);
        assert_int_equal(take(b, T0 + 3600 * S), 23 * 3600 * 1000);
        rest_budget_close(b);

        b = opened(&other, folder); /* another configuration keeps the windows it shares */
        assert_int_equal(take(b, T0 + 3600 * S), 23 * 3600 * 1000);
        assert_int_equal(take_all(b, T0 + 86400 * S), 2);
        rest_budget_close(b);
        b = opened(&o, folder);
        assert_int_equal(take_all(b, T0 + 86400 * S), 3);
        rest_budget_close(b);
}

/* More windows than the file has places for: ours push out those that we do not know. */
static void many_configurations_fit(void **state)
{
        (void)state;
        for (int i = 1; i < 40; i++) {
                char text[128] = "";
                for (int j = 0, n = 0; j < REST_MAX_BUDGETS; j++)
                        n += snprintf(text + n, sizeof(text) - (size_t)n, "%s3/%dmin", j ? " " : "",
                                i * 3 + j);
                struct rest_options o = options_of(text, "2/h");
                struct rest_budget *b = opened(&o, folder);
                struct err e;
                assert_int_equal(take_all(b, T0 + i * 86400 * S), 3);
                assert_int_equal(rest_budget_error(b, T0 + i * 86400 * S, &e), 0);
                rest_budget_close(b);
        }
}

static void clocks_that_go_back_do_no_harm(void **state)
{
        static const int64_t back_us[] = {
                1, 500 * MS, 1999 * MS, 3 * S, 3600 * S, INT64_C(400) * 86400 * S};

        (void)state;
        for (size_t i = 0; i < COUNT(back_us); i++) {
                struct rest_options o = options_of("4/10s", NULL);
                struct rest_budget *b = opened(&o, folder);
                int64_t now = T0 + (int64_t)i * 86400 * 1000 * S;
                assert_int_equal(take_all(b, now), 4);
                now -= back_us[i];
                int64_t wait = take(b, now);
                assert_int_equal(wait, 10000); /* nothing was freed, nothing is later than due */
                rest_budget_close(b);
                b = opened(&o, folder); /* and time goes on from there */
                wait = take(b, now + 4 * S);
                assert_in_range(wait, 6000, 8000);
                now += 4 * S + wait * MS;
                assert_in_range(take_all(b, now), 4, 4);
                assert_int_equal(rest_budget_refuse(b, now, 5000, NULL), 0);
                now -= back_us[i];
                assert_in_range(take(b, now), 5000, 10000);
                assert_int_equal(take(b, now + 12 * S), 0);
                rest_budget_close(b);
        }
}

static void servers_are_obeyed(void **state)
{
        struct rest_options o = options_of("1000/s", NULL);
        struct rest_budget *b = opened(&o, folder), *other = opened(&o, folder);
        struct err e;
        int64_t now = T0, wait;

        (void)state;
        assert_int_equal(rest_budget_refuse(b, now, 3000, &e), 0);
        assert_int_equal(take(other, now + 1 * S), 2000);
        assert_string_equal(last_why, "the server asked to wait");
        assert_int_equal(rest_budget_refuse(b, now, 1000, &e), 0); /* shortens nothing */
        assert_int_equal(take(other, now + 1 * S), 2000);
        assert_int_equal(rest_budget_refuse(b, now, -1, &e), 0);
        assert_int_equal(take(other, now += 3 * S), 0);
        assert_int_equal(rest_budget_refuse(b, now, INT64_MAX / 2, &e), 0); /* not for ever */
        assert_int_equal(take(other, now), 86400000);

        now += 86400 * S;
        assert_int_equal(rest_budget_note(b, now, -1, now + 10 * S, &e), 0);
        assert_int_equal(rest_budget_note(b, now, 0, 0, &e), 0); /* until when? it does not say */
        assert_int_equal(take(other, now), 0);
        assert_int_equal(rest_budget_note(b, now, 0, now + 10 * S, &e), 0);
        assert_int_equal(take(other, now), 10000);
        assert_string_equal(last_why, "the server's own limit");
        assert_int_equal(rest_budget_note(b, now, 3, now + 10 * S, &e), 0); /* overtaken: not now */
        assert_int_equal(take(other, now), 10000);
        assert_int_equal(take(other, now + 10 * S), 0);

        /* Four left for ten seconds: one each two seconds, then none before the end. */
        now += 10 * S;
        assert_int_equal(rest_budget_note(b, now, 4, now + 10 * S, &e), 0);
        for (int i = 0; i < 4; i++) {
                wait = take(i % 2 ? b : other, now);
                assert_int_equal(wait, 2000);
                now += wait * MS;
                assert_int_equal(take(b, now), 0);
        }
        assert_int_equal(take(b, now), 2000);
        rest_budget_close(b);
        rest_budget_close(other);
}

static void plenty_left_is_not_spread(void **state)
{
        struct rest_options o = options_of("1000/s", NULL);
        struct rest_budget *b = opened(&o, NULL);
        struct err e;

        (void)state;
        assert_int_equal(rest_budget_note(b, T0, 30, T0 + 60 * S, &e), 0);
        for (int i = 0; i < 20; i++)
                assert_int_equal(take(b, T0 + i), 0);
        assert_in_range(take(b, T0 + 20), 5000, 6000);                              /* 60 s / 11 */
        assert_int_equal(rest_budget_note(b, T0 + 1 * S, 300, T0 + 90 * S, &e), 0); /* a new one */
        assert_int_equal(take(b, T0 + 1 * S), 0);
        rest_budget_close(b);
}

/* Nothing is counted where nothing limits the source; but what comes up is obeyed, by the one that
 * heard it at once, by others 10 ms later. */
static void unlimited_sources_listen(void **state)
{
        struct rest_options o = options_of("", NULL), limited = options_of("2/min", NULL);
        struct rest_budget *b = opened(&o, folder), *other = opened(&o, folder);
        struct err e;

        (void)state;
        assert_int_equal(take(b, T0), 0);
        assert_int_equal(take(other, T0), 0);
        assert_int_equal(rest_budget_refuse(b, T0 + 1 * MS, 3000, &e), 0);
        assert_int_equal(take(b, T0 + 1 * MS), 3000);
        assert_int_equal(take(other, T0 + 9 * MS), 0);
        assert_int_equal(take(other, T0 + 10 * MS), 2991);
        assert_int_equal(take(other, T0 + 11 * MS), 2990);

        /* Requests that were not counted are known all the same: two seconds after the last. */
        int64_t now = T0 + 4 * S;
        assert_int_equal(take(b, now), 0);
        assert_int_equal(take(b, now += 1 * MS), 0);
        assert_int_equal(rest_budget_note(b, now, 4, now + 10 * S, &e), 0);
        assert_int_equal(take(b, now), 2000);

        /* One with budgets comes: all are counted in from then on. */
        now += 11 * S;
        assert_int_equal(take(b, now), 0);
        struct rest_budget *strict = opened(&limited, folder);
        assert_int_equal(take(strict, now), 0);
        assert_int_equal(take(b, now + 10 * MS), 0);
        assert_int_equal(take(b, now - 5 * S), 0); /* the clock goes back, too */
        assert_true(take(strict, now + 11 * MS) > 0);
        rest_budget_close(b);
        rest_budget_close(other);
        rest_budget_close(strict);
}

static void errors_have_a_budget(void **state)
{
        struct rest_options o = options_of("1000/s", "3/h");
        struct rest_budget *b = opened(&o, folder), *other = opened(&o, folder);
        struct err e;

        (void)state;
        assert_int_equal(rest_budget_error(b, T0, &e), 0);
        assert_int_equal(rest_budget_error(other, T0 + 60 * S, &e), 0);
        assert_int_equal(take(b, T0 + 61 * S), 0);
        assert_int_equal(rest_budget_error(b, T0 + 90 * S, &e), -ERR_RETRY);
        assert_non_null(strstr(e.text, "error_limit 3/h is spent"));
        assert_non_null(strstr(e.text, "2023-11-14T23:13:20"));
        assert_int_equal(take(other, T0 + 90 * S), (3600 - 90) * 1000);
        assert_string_equal(last_why, "error_limit 3/h");
        assert_int_equal(take(other, T0 + 3600 * S), 0);
        assert_int_equal(rest_budget_error(other, T0 + 3600 * S, &e), -ERR_RETRY);
        assert_int_equal(take(b, T0 + 3600 * S), 60 * 1000);
        rest_budget_close(b);
        rest_budget_close(other);

        o = options_of("", NULL); /* no budgets at all */
        b = opened(&o, NULL);
        for (int i = 0; i < 100; i++)
                assert_int_equal(rest_budget_error(b, T0, &e), 0);
        assert_int_equal(take(b, T0), 0);
        rest_budget_close(b);
}

struct told {
        int fds[2];
        struct log_sink *sink;
        struct log *log;
        char text[2048];
};

static void told_begin(struct told *t)
{
        assert_int_equal(pipe2(t->fds, O_NONBLOCK | O_CLOEXEC), 0);
        t->sink = log_sink_new(t->fds[1], LOG_LEVEL_DEBUG, LOG_FORMAT_LOGFMT);
        t->log = log_new(t->sink);
}

/* Return: warnings that came since. */
static int told_count(struct told *t)
{
        ssize_t n = read(t->fds[0], t->text, sizeof(t->text) - 1);
        int lines = 0;

        t->text[n > 0 ? n : 0] = '\0';
        for (char *p = t->text; (p = strchr(p, '\n')); p++)
                lines++;
        return lines;
}

static void told_end(struct told *t)
{
        log_free(t->log);
        log_sink_free(t->sink);
        close(t->fds[0]);
        close(t->fds[1]);
}

static void put_file(const char *text, size_t n, off_t at)
{
        char path[300];

        snprintf(path, sizeof(path), "%s/budget", folder);
        int fd = open(path, O_RDWR | O_CREAT, 0600);
        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, text, n, at), n);
        close(fd);
}

static void one_damaged_copy_costs_one_request(void **state)
{
        struct rest_options o = options_of("5/min", NULL);

        (void)state;
        for (off_t copy = 0; copy < 2; copy++)
                for (off_t at = 0; at < 200; at += 9) {
                        struct rest_budget *b = opened(&o, folder);
                        int64_t now = T0 + (copy * 1000 + at) * 3600 * S;
                        assert_int_equal(take(b, now), 0);
                        assert_int_equal(take(b, now), 0);
                        put_file("\xff\x01\x80", 3, copy * 16384 + at);
                        assert_in_range(take_all(b, now), 3, 4);
                        rest_budget_close(b);
                }
}

static void damaged_files_are_begun_anew(void **state)
{
        static const struct {
                size_t bytes;
                const char *text;
        } cases[] = {{5, "hello"}, {1, "\n"}, {0, NULL}};
        struct rest_options o = options_of("3/min", NULL);
        char path[300], *noise = malloc(40000);
        struct told t;

        (void)state;
        memset(noise, 0x5a, 40000);
        told_begin(&t);
        snprintf(path, sizeof(path), "%s/budget", folder);
        for (size_t i = 0; i < COUNT(cases); i++) {
                unlink(path);
                put_file(cases[i].text ? cases[i].text : noise,
                        cases[i].text ? cases[i].bytes : 40000, 0);
                struct rest_budget *b = opened(&o, folder);
                rest_budget_log(b, t.log);
                assert_int_equal(take_all(b, T0), 3);
                assert_int_equal(told_count(&t), 1);
                assert_non_null(strstr(t.text, "is damaged"));
                rest_budget_close(b);
        }
        struct rest_budget *b = opened(&o, folder);
        rest_budget_log(b, t.log);
        assert_int_equal(truncate(path, 10), 0); /* under our feet */
        assert_int_equal(take_all(b, T0), 3);
        assert_int_equal(told_count(&t), 1);
        assert_int_equal(take(b, T0), 60000);
        unlink(path); /* another one is made, which others find */
        struct rest_budget *other = opened(&o, folder);
        assert_int_equal(take(other, T0), 0);
        assert_int_equal(take_all(b, T0), 2);
        assert_int_equal(take(other, T0), 60000);
        rest_budget_close(b);
        rest_budget_close(other);
        told_end(&t);
        free(noise);
}

/* A limit of the file size stands for a disk that is full. */
static void limit_files(rlim_t bytes)
{
        struct rlimit l;

        signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &l), 0);
        l.rlim_cur = bytes;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

static void full_disks_are_told_once(void **state)
{
        struct rest_options o = options_of("3/min", NULL);
        struct told t;

        (void)state;
        told_begin(&t);
        limit_files(100);
        struct rest_budget *b = opened(&o, folder); /* full from the beginning */
        limit_files(RLIM_INFINITY);
        rest_budget_log(b, t.log);
        assert_int_equal(told_count(&t), 1);
        assert_non_null(strstr(t.text, "counted in memory"));
        assert_int_equal(take_all(b, T0), 3);
        assert_int_equal(take(b, T0), 60000);
        rest_budget_close(b);

        b = opened(&o, folder); /* later on: what was counted stays counted */
        rest_budget_log(b, t.log);
        assert_int_equal(take(b, T0), 0);
        limit_files(100);
        assert_int_equal(take_all(b, T0), 2);
        limit_files(RLIM_INFINITY);
        assert_int_equal(told_count(&t), 1);
        assert_int_equal(take(b, T0 + 1 * S), 59000);
        assert_int_equal(told_count(&t), 0);
        rest_budget_close(b);
        told_end(&t);
}

static void folders_that_cannot_be_are_errors(void **state)
{
        struct rest_options o = options_of("3/min", NULL);
        char path[320];
        struct rest_budget *b;
        struct err e;
        struct stat s;

        (void)state;
        put_file("", 0, 0);
        snprintf(path, sizeof(path), "%s/budget/x", folder);
        assert_int_equal(rest_budget_open(&o, path, &b, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "set state_dir"));
        assert_int_equal(rest_budget_open(&o, "/proc/none/x", &b, &e), -ERR_CONFIG);
        snprintf(path, sizeof(path), "%s/a/b", folder); /* two levels, narrow */
        b = opened(&o, path);
        rest_budget_close(b);
        assert_int_equal(stat(path, &s), 0);
        assert_int_equal(s.st_mode & 0777, 0700);
        snprintf(path, sizeof(path), "%s/a/b/budget", folder);
        assert_int_equal(stat(path, &s), 0);
        assert_int_equal(s.st_mode & 0777, 0600);
        unlink(path);
        snprintf(path, sizeof(path), "%s/a/b", folder);
        rmdir(path);
        snprintf(path, sizeof(path), "%s/a", folder);
        rmdir(path);
}

static void memory_may_run_out(void **state)
{
        struct rest_options o = options_of("3/min", NULL);

        (void)state;
        ALLOC_FAIL_EACH(i)
        {
                struct rest_budget *b = NULL;
                struct err e;
                alloc_fail_at(i);
                int rc = rest_budget_open(&o, folder, &b, &e);
                assert_true(rc == 0 || rc == -ERR_NOMEM);
                assert_true((rc == 0) == (b != NULL));
                rest_budget_close(b);
        }
}

/* The goal is 10 us; slow machines and sanitizers get room, so that this fails for a reason. */
static void a_take_is_cheap(void **state)
{
        struct rest_options o = options_of("1000000/s 5000000/min 100000000/day", "10/h");
        struct rest_budget *b = opened(&o, folder);
        int64_t best = INT64_MAX;

        (void)state;
        for (int round = 0; round < 20; round++) {
                int64_t began = clock_monotonic_us();
                for (int i = 0; i < 500; i++)
                        take(b, clock_wall_us());
                int64_t took = clock_monotonic_us() - began;
                best = took < best ? took : best;
        }
        print_message("a take of 3 budgets: %.2f us\n", (double)best / 500);
        assert_true(best < 500 * 50);
        rest_budget_close(b);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, make_folder, remove_folder)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(texts_are_parsed),
                TEST(waits_are_as_the_windows_say),
                TEST(a_burst_leaves_something_for_others),
                TEST(the_whole_rate_comes_through),
                TEST(no_window_ever_holds_more),
                TEST(waits_that_are_kept_are_enough),
                TEST(processes_share_the_counts),
                TEST(threads_share_the_counts),
                TEST(killed_processes_leave_good_counts),
                TEST(the_next_run_knows_what_is_left),
                TEST(many_configurations_fit),
                TEST(clocks_that_go_back_do_no_harm),
                TEST(servers_are_obeyed),
                TEST(plenty_left_is_not_spread),
                TEST(unlimited_sources_listen),
                TEST(errors_have_a_budget),
                TEST(one_damaged_copy_costs_one_request),
                TEST(damaged_files_are_begun_anew),
                TEST(full_disks_are_told_once),
                TEST(folders_that_cannot_be_are_errors),
                TEST(memory_may_run_out),
                TEST(a_take_is_cheap),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
