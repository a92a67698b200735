/* What a REST client does for the sake of the server: credentials, budgets, and ends. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ingest/base/clock.h"
#include "tests/unit/rest_client_fixture.h"

/* ---- credentials ---- */

struct token_server {
        pthread_mutex_t mutex;
        int tokens, good; /* how many were given; the one that is taken */
        int refusals;     /* 401s so far */
        bool always_401;
};

static void serve_tokens(void *ctx, const struct fake_request *q, struct fake_reply *reply)
{
        struct token_server *s = ctx;
        char value[64], want[64], text[128];

        pthread_mutex_lock(&s->mutex);
        if (strcmp(q->path, "/token") == 0) {
                snprintf(text, sizeof(text),
                        "{\"access_token\":\"tok-%d\",\"token_type\":\"bearer\",\"expires_in\":"
                        "3600}",
                        ++s->tokens);
                *reply = (struct fake_reply){.headers = "Content-Type: application/json\r\n",
                        .body = strdup(text),
                        .owned = true};
        } else {
                snprintf(want, sizeof(want), "Bearer tok-%d", s->good);
                fake_http_header(q, "Authorization", value, sizeof(value));
                bool good = !s->always_401 && strcmp(value, want) == 0;
                *reply = (struct fake_reply){.status = good ? 200 : 401,
                        .body = good ? "yes" : "expired",
                        .delay_ms = 30};
                s->refusals += !good;
        }
        pthread_mutex_unlock(&s->mutex);
}

static void tokens_are_renewed_once(void **state)
{
        struct token_server s = {.mutex = PTHREAD_MUTEX_INITIALIZER, .good = 1};
        struct rest_test t;
        struct rest_result r[4] = {0};
        char token_url[128];

        (void)state;
        rest_test_begin_handler(&t, serve_tokens, &s);
        snprintf(token_url, sizeof(token_url), "%s", fake_http_url(t.server, "/token"));
        t.options.auth = (struct rest_auth_options){.kind = REST_AUTH_OAUTH2,
                .oauth2 = {.token_url = token_url,
                        .grant = REST_OAUTH2_CLIENT_CREDENTIALS,
                        .client_id = "id",
                        .client_secret = "s3cret"}};
        rest_test_open(&t);
        for (size_t i = 0; i < COUNT(r); i++) /* one token serves all */
                rest_test_send(&t, "/items", (struct rest_request){0}, &r[i]);
        for (size_t i = 0; i < COUNT(r); i++) {
                rest_test_wait(&t, &r[i]);
                assert_int_equal(r[i].reply.rc, 0);
        }
        assert_int_equal(s.tokens, 1);
        s.good = 2; /* it expires: all four are refused, and one new token serves all again */
        for (size_t i = 0; i < COUNT(r); i++)
                rest_test_send(&t, "/items", (struct rest_request){0}, &r[i]);
        for (size_t i = 0; i < COUNT(r); i++) {
                rest_test_wait(&t, &r[i]);
                if (r[i].reply.rc)
                        fail_msg("%s", r[i].reply.err.text);
                assert_string_equal(r[i].body, "yes");
        }
        assert_int_equal(s.tokens, 2);
        assert_int_equal(s.refusals, 4);
        s.always_401 = true; /* a new token is refused as well: no third try */
        rest_test_get(&t, "/items", &r[0]);
        assert_int_equal(r[0].reply.rc, -ERR_CONFIG);
        rest_test_says(&r[0], "401 Unauthorized: expired; check `auth`");
        assert_int_equal(s.refusals, 6);
        assert_int_equal(s.tokens, 3);
        rest_test_end(&t);
}

static void refused_credentials_are_not_sent_again(void **state)
{
        static const struct fake_reply script[] = {
                {.status = 400, .body = "{\"error\":\"invalid_client\"}"}};
        struct rest_test t;
        struct rest_result r[3] = {0};
        char token_url[128];

        (void)state;
        rest_test_begin(&t, script, COUNT(script));
        snprintf(token_url, sizeof(token_url), "%s", fake_http_url(t.server, "/token"));
        t.options.auth = (struct rest_auth_options){.kind = REST_AUTH_OAUTH2,
                .oauth2 = {.token_url = token_url,
                        .grant = REST_OAUTH2_CLIENT_CREDENTIALS,
                        .client_id = "id",
                        .client_secret = "s3cret"}};
        rest_test_open(&t);
        for (size_t i = 0; i < COUNT(r); i++)
                rest_test_send(&t, "/items", (struct rest_request){0}, &r[i]);
        for (size_t i = 0; i < COUNT(r); i++) {
                rest_test_wait(&t, &r[i]);
                assert_int_equal(r[i].reply.rc, -ERR_CONFIG);
                rest_test_says(&r[i], "invalid_client");
        }
        rest_test_get(&t, "/items", &r[0]);
        assert_int_equal(r[0].reply.rc, -ERR_CONFIG);
        assert_int_equal(fake_http_count(t.server), 1);
        rest_test_end(&t);
}

/* ---- manners ---- */

struct crowd {
        pthread_mutex_t mutex;
        int inside, most;
};

static void count_crowd(void *ctx, const struct fake_request *q, struct fake_reply *reply)
{
        struct crowd *c = ctx;

        (void)q;
        (void)reply;
        pthread_mutex_lock(&c->mutex);
        c->inside++;
        c->most = c->inside > c->most ? c->inside : c->most;
        pthread_mutex_unlock(&c->mutex);
        nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
        pthread_mutex_lock(&c->mutex);
        c->inside--;
        pthread_mutex_unlock(&c->mutex);
}

static void concurrency_is_bounded(void **state)
{
        struct crowd c = {.mutex = PTHREAD_MUTEX_INITIALIZER};
        struct rest_test t;
        struct rest_result r[12] = {0};

        (void)state;
        rest_test_begin_handler(&t, count_crowd, &c);
        t.options.max_concurrent = 3;
        rest_test_open(&t);
        for (size_t i = 0; i < COUNT(r); i++)
                rest_test_send(&t, "/items", (struct rest_request){0}, &r[i]);
        for (size_t i = 0; i < COUNT(r); i++)
                rest_test_wait(&t, &r[i]);
        assert_int_equal(c.most, 3);
        assert_int_equal(fake_http_connections(t.server), 3);
        rest_test_end(&t);
}

/* Mappers of one source that run side by side have its turns together. */
static void concurrency_is_bounded_for_all(void **state)
{
        struct crowd crowd = {.mutex = PTHREAD_MUTEX_INITIALIZER};
        _Atomic int64_t running = 0;
        struct rest_test t[3];
        struct rest_result r[COUNT(t)][4] = {0};

        (void)state;
        for (size_t i = 0; i < COUNT(t); i++) {
                rest_test_begin_handler(&t[i], count_crowd, &crowd);
                rest_test_share_loop(&t[i], &t[0]);
                t[i].options.max_concurrent = 2;
                rest_test_open(&t[i]);
                rest_client_share(t[i].client, &running);
        }
        for (size_t i = 0; i < COUNT(t); i++)
                for (size_t k = 0; k < COUNT(r[0]); k++)
                        rest_test_send(&t[i], "/items", (struct rest_request){0}, &r[i][k]);
        for (size_t i = 0; i < COUNT(t); i++)
                for (size_t k = 0; k < COUNT(r[0]); k++)
                        rest_test_wait(&t[i], &r[i][k]);
        assert_int_equal(crowd.most, 2);
        assert_int_equal(running, 0);
        for (size_t i = COUNT(t); i > 0; i--)
                rest_test_end(&t[i - 1]);
}

/* A page that waits until its records' children were asked for must not keep them from it. */
static void a_paused_request_leaves_its_turn(void **state)
{
        static const struct fake_reply script[] = {
                {.body = "page"}, {.body = "child"}, {.body = "2"}};
        struct rest_test t;
        struct rest_result page = {.pause = true}, child = {0}, third = {0};
        struct err e;

        (void)state;
        rest_test_begin(&t, script, COUNT(script));
        t.options.max_concurrent = 1;
        rest_test_open(&t);
        struct rest_pending *p = rest_test_send(
                &t, "/page", (struct rest_request){.on_body = rest_test_body}, &page);
        while (!page.paused)
                assert_int_equal(loop_sleep(t.loop, 1, &e), 0);
        rest_test_perform(&t, "/child", (struct rest_request){0}, &child);
        assert_string_equal(child.body, "child");
        assert_false(page.done);
        page.pause = page.paused = false;
        rest_client_resume(p);
        rest_client_resume(p);
        rest_test_wait(&t, &page);
        assert_string_equal(page.streamed, "page");
        rest_test_perform(
                &t, "/third", (struct rest_request){0}, &third); /* its turn came back once */
        assert_string_equal(third.body, "2");
        rest_test_end(&t);
}

static void budgets_are_kept(void **state)
{
        static const struct fake_reply script[9] = {0};
        struct rest_test t;
        struct rest_result r[7] = {0};

        (void)state;
        rest_test_begin(&t, script, COUNT(script));
        t.options.budgets[0] = (struct rest_budget_spec){.count = 3, .window_ms = 400};
        t.options.budget_count = 1;
        rest_test_open(&t);
        int64_t began_ms = clock_monotonic_ms();
        for (size_t i = 0; i < COUNT(r); i++)
                rest_test_send(&t, "/items", (struct rest_request){0}, &r[i]);
        for (size_t i = 0; i < COUNT(r); i++) {
                rest_test_wait(&t, &r[i]);
                assert_int_equal(r[i].reply.rc, 0);
        }
        assert_true(clock_monotonic_ms() - began_ms >= 800); /* 3, 3, 1 */
        rest_test_end(&t);

        /* A day's budget that is spent is not waited for. */
        rest_test_begin(&t, script, COUNT(script));
        t.options.budgets[0] = (struct rest_budget_spec){.count = 1, .window_ms = 86400000};
        t.options.budget_count = 1;
        rest_test_open(&t);
        rest_test_get(&t, "/items", &r[0]);
        assert_int_equal(r[0].reply.rc, 0);
        rest_test_get(&t, "/items", &r[0]);
        assert_int_equal(r[0].reply.rc, -ERR_RETRY);
        rest_test_says(&r[0], "source shop: no request may go out before 20");
        rest_test_says(&r[0], "1/day");
        assert_int_equal(fake_http_count(t.server), 1);
        rest_test_end(&t);
}

static void servers_limits_are_obeyed(void **state)
{
        static const struct {
                struct fake_reply first;
                int tries;
        } cases[] = {
                {{.headers = "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1\r\n"}, 1},
                {{.headers = "RateLimit: limit=10, remaining=0, reset=1\r\n"}, 1},
                {{.status = 429, .headers = "Retry-After: 1\r\n"}, 2},
                {{.status = 503, .headers = "Retry-After: 1\r\n"}, 2},
        };
        struct rest_test t[COUNT(cases)];
        struct rest_result first[COUNT(cases)], other[COUNT(cases)];
        struct fake_reply script[COUNT(cases)][3];
        int64_t began_ms[COUNT(cases)];

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                script[i][0] = cases[i].first;
                script[i][1] = script[i][2] = (struct fake_reply){0};
                rest_test_begin(&t[i], script[i], 3);
                rest_test_share_loop(&t[i], &t[0]);
                t[i].options.max_concurrent = 1;
                rest_test_open(&t[i]);
                began_ms[i] = clock_monotonic_ms();
                first[i] = other[i] = (struct rest_result){0};
                rest_test_send(&t[i], "/items", (struct rest_request){0}, &first[i]);
                rest_test_send(&t[i], "/items", (struct rest_request){0}, &other[i]);
        }
        for (size_t i = 0; i < COUNT(cases); i++) {
                rest_test_wait(&t[i], &other[i]); /* the other one waits, too */
                rest_test_wait(&t[i], &first[i]);
                assert_int_equal(first[i].reply.rc, 0);
                assert_int_equal(other[i].reply.rc, 0);
                assert_true(clock_monotonic_ms() - began_ms[i] >= 900);
                assert_int_equal(fake_http_count(t[i].server), cases[i].tries + 1);
        }
        for (size_t i = COUNT(cases); i > 0; i--)
                rest_test_end(&t[i - 1]);
}

static void errors_spend_their_budget(void **state)
{
        static const struct fake_reply script[] = {
                {.status = 404}, {.status = 500}, {.status = 404}, {.status = 404}, {0}};
        static const int accept[] = {404};
        struct rest_test t;
        struct rest_result r = {0};

        (void)state;
        rest_test_begin(&t, script, COUNT(script));
        t.options.errors = (struct rest_budget_spec){.count = 2, .window_ms = 3600000};
        rest_test_open(&t);
        /* One that was expected does not count. */
        rest_test_perform(
                &t, "/items", (struct rest_request){.accept = accept, .accept_count = 1}, &r);
        assert_int_equal(r.reply.rc, 0);
        rest_test_get(&t, "/items", &r); /* 500, then 404: two errors */
        assert_int_equal(r.reply.rc, -ERR_CONFIG);
        rest_test_says(&r, "404");
        assert_int_equal(fake_http_count(t.server), 3);
        rest_test_get(&t, "/items", &r);
        assert_int_equal(r.reply.rc, -ERR_RETRY);
        assert_int_equal(fake_http_count(t.server), 3);
        rest_test_end(&t);
}

/* ---- ends ---- */

static void requests_can_be_cancelled(void **state)
{
        static const struct fake_reply script[] = {
                {.fault = FAKE_HANG}, {.status = 503, .headers = "Retry-After: 10\r\n"}};
        struct rest_test t;
        struct rest_result sent = {0}, waiting = {0}, queued = {0}, left = {0};
        struct err e;

        (void)state;
        rest_test_begin(&t, script, COUNT(script));
        t.options.max_concurrent = 1;
        rest_test_open(&t);
        struct rest_pending *a = rest_test_send(&t, "/sent", (struct rest_request){0}, &sent);
        struct rest_pending *b = rest_test_send(&t, "/queued", (struct rest_request){0}, &queued);
        while (fake_http_count(t.server) < 1)
                assert_int_equal(loop_sleep(t.loop, 2, &e), 0);
        rest_client_cancel(b);
        rest_client_cancel(a);
        rest_client_cancel(a);
        assert_int_equal(sent.calls + queued.calls, 0); /* never from inside */
        rest_test_wait(&t, &queued);
        rest_test_wait(&t, &sent);
        assert_int_equal(sent.reply.rc, -ERR_CANCEL);
        assert_int_equal(queued.reply.rc, -ERR_CANCEL);
        struct rest_pending *c = rest_test_send(&t, "/waiting", (struct rest_request){0}, &waiting);
        while (fake_http_count(t.server) < 2)
                assert_int_equal(loop_sleep(t.loop, 2, &e), 0);
        assert_int_equal(loop_sleep(t.loop, 50, &e), 0); /* for its next try */
        rest_client_cancel(c);
        rest_test_wait(&t, &waiting);
        assert_int_equal(waiting.reply.rc, -ERR_CANCEL);
        rest_test_send(&t, "/left", (struct rest_request){0}, &left); /* waits for Retry-After */
        rest_test_end(&t);
        assert_int_equal(left.calls, 1);
        assert_int_equal(left.reply.rc, -ERR_CANCEL);
}

static void closing_ends_everything(void **state)
{
        static const struct fake_reply script[] = {
                {.body = "page"}, {.fault = FAKE_HANG}, {.fault = FAKE_HANG}};
        struct rest_test t;
        struct rest_result paused = {.pause = true}, r[5] = {0};
        struct err e;

        (void)state;
        rest_test_begin(&t, script, COUNT(script));
        t.options.max_concurrent = 2;
        rest_test_open(&t);
        rest_test_send(&t, "/page", (struct rest_request){.on_body = rest_test_body}, &paused);
        while (!paused.paused)
                assert_int_equal(loop_sleep(t.loop, 1, &e), 0);
        struct rest_pending *p[5];
        for (size_t i = 0; i < COUNT(r); i++)
                p[i] = rest_test_send(&t, "/items", (struct rest_request){0}, &r[i]);
        rest_client_cancel(p[4]); /* not reported yet */
        rest_test_end(&t);
        assert_int_equal(paused.calls, 1);
        for (size_t i = 0; i < COUNT(r); i++) {
                assert_int_equal(r[i].calls, 1);
                assert_int_equal(r[i].reply.rc, -ERR_CANCEL);
        }
}

static void *cancel_soon(void *loop)
{
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        loop_cancel(loop);
        return NULL;
}

static void fetching_is_one_call(void **state)
{
        static const struct fake_reply script[] = {{.body = "0123456789"}, {.status = 404},
                {.body = "0123456789"}, {.fault = FAKE_HANG}};
        struct rest_test t;
        struct rest_reply reply;
        struct err e;
        pthread_t thread;

        (void)state;
        rest_test_begin(&t, script, COUNT(script));
        rest_test_open(&t);
        cleanup_buf_ struct buf body = BUF_INIT(100);
        cleanup_buf_ struct buf small = BUF_INIT(5);
        const struct rest_request q = {.method = "GET", .url = t.url};
        assert_int_equal(rest_client_fetch(t.client, &q, &body, &reply, &e), 0);
        assert_string_equal(buf_cstr(&body), "0123456789");
        assert_int_equal(reply.status, 200);
        assert_int_equal(rest_client_fetch(t.client, &q, NULL, &reply, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "404"));
        assert_int_equal(reply.status, 404);
        assert_int_equal(rest_client_fetch(t.client, &q, &small, NULL, &e), -ERR_REJECT);
        assert_int_equal(pthread_create(&thread, NULL, cancel_soon, t.loop), 0);
        assert_int_equal(rest_client_fetch(t.client, &q, &body, &reply, &e), -ERR_CANCEL);
        pthread_join(thread, NULL);
        rest_test_end(&t);
}

static void replies_have_an_end(void **state)
{
        enum { SIZE = (16 << 20) + 1 };
        char *large = calloc(1, SIZE);
        const struct fake_reply script[] = {{.body = large, .body_len = SIZE}};
        struct rest_test t;
        struct rest_result r;

        (void)state;
        rest_test_begin(&t, script, COUNT(script));
        rest_test_open(&t);
        rest_test_get(&t, "/items", &r);
        assert_int_equal(r.reply.rc, -ERR_CONFIG);
        rest_test_says(&r, "larger than its limit of 16777216 bytes");
        assert_int_equal(fake_http_count(t.server), 1);
        rest_test_end(&t);
        free(large);
}

static void requests_that_cannot_be_are_refused(void **state)
{
        static const struct {
                const char *url, *header, *text;
        } cases[] = {
                {"/items", NULL, "not a usable URL"},
                {"ftp://h/", NULL, "not a usable URL"},
                {"http://h/", "X-A: 1\r\nX-B: 2", "line break"},
        };
        struct rest_test t;

        (void)state;
        rest_test_begin(&t, NULL, 0);
        rest_test_open(&t);
        for (size_t i = 0; i < COUNT(cases); i++) {
                const char *const headers[] = {cases[i].header, NULL};
                struct rest_result r = {0};
                rest_test_send_to(&t, cases[i].url, (struct rest_request){.headers = headers}, &r);
                rest_test_wait(&t, &r);
                assert_int_equal(r.reply.rc, -ERR_CONFIG);
                rest_test_says(&r, cases[i].text);
        }
        rest_test_end(&t);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(tokens_are_renewed_once),
                cmocka_unit_test(refused_credentials_are_not_sent_again),
                cmocka_unit_test(concurrency_is_bounded),
                cmocka_unit_test(concurrency_is_bounded_for_all),
                cmocka_unit_test(a_paused_request_leaves_its_turn),
                cmocka_unit_test(budgets_are_kept),
                cmocka_unit_test(servers_limits_are_obeyed),
                cmocka_unit_test(errors_spend_their_budget),
                cmocka_unit_test(requests_can_be_cancelled),
                cmocka_unit_test(closing_ends_everything),
                cmocka_unit_test(fetching_is_one_call),
                cmocka_unit_test(replies_have_an_end),
                cmocka_unit_test(requests_that_cannot_be_are_refused),
        };
        struct err e;

        if (http_global_init(&e) < 0)
                return 1;
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        http_global_cleanup();
        return failed;
}
