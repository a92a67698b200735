/* See rest_fixture.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/rest_client_fixture.h"

#include <stdio.h>
#include <string.h>

static void rest_test_done(void *ctx, const struct rest_reply *reply)
{
        struct rest_result *r = ctx;

        r->done = true;
        r->calls++;
        r->reply = *reply;
        r->body_len = reply->body.len;
        snprintf(r->body, sizeof(r->body), "%.*s", STR_ARG(reply->body));
        snprintf(r->url, sizeof(r->url), "%s", reply->url);
        snprintf(r->link, sizeof(r->link), "%s", reply->link);
        snprintf(r->etag, sizeof(r->etag), "%s", reply->etag);
        snprintf(r->type, sizeof(r->type), "%s", reply->content_type);
}

int rest_test_body(void *ctx, struct str bytes, struct err *e)
{
        struct rest_result *r = ctx;

        assert_false(r->paused);
        assert_true(r->streamed_len + bytes.len < sizeof(r->streamed));
        memcpy(r->streamed + r->streamed_len, bytes.ptr, bytes.len);
        r->streamed_len += bytes.len;
        if (r->refuse)
                return err_set(e, (enum err_class) - r->refuse, "refused here");
        r->paused = r->pause;
        return r->pause ? HTTP_PAUSE : 0;
}

void rest_test_begin(struct rest_test *t, const struct fake_reply *script, size_t count)
{
        struct err e;

        *t = (struct rest_test){.options = {.max_concurrent = 4,
                                        .retry_for_ms = 20000,
                                        .timeout_ms = 10000,
                                        .max_redirects = 5,
                                        .compressed = true}};
        assert_int_equal(loop_new(&t->loop, &e), 0);
        t->server = fake_http_start(script, count);
        snprintf(t->url, sizeof(t->url), "%s", fake_http_url(t->server, "/api"));
        t->options.url = t->url;
}

void rest_test_begin_handler(struct rest_test *t, fake_http_fn fn, void *ctx)
{
        rest_test_begin(t, NULL, 0);
        fake_http_stop(t->server);
        t->server = fake_http_start_handler(fn, ctx);
        snprintf(t->url, sizeof(t->url), "%s", fake_http_url(t->server, "/api"));
}

void rest_test_open(struct rest_test *t)
{
        struct err e;

        if (rest_client_open(&t->options, "shop", NULL, t->loop, NULL, &t->client, &e) < 0)
                fail_msg("%s", e.text);
}

void rest_test_end(struct rest_test *t)
{
        rest_client_close(t->client);
        fake_http_stop(t->server);
        if (!t->shares_loop)
                loop_free(t->loop);
}

void rest_test_share_loop(struct rest_test *t, const struct rest_test *other)
{
        if (t == other)
                return;
        loop_free(t->loop);
        t->loop = other->loop;
        t->shares_loop = true;
}

struct rest_pending *rest_test_send_to(
        struct rest_test *t, const char *url, struct rest_request q, struct rest_result *r)
{
        struct rest_pending *p;
        struct err e;

        *r = (struct rest_result){.refuse = r->refuse, .pause = r->pause};
        q.method = q.method ? q.method : "GET";
        q.url = url;
        q.on_done = rest_test_done;
        q.ctx = r;
        assert_int_equal(rest_client_send(t->client, &q, &p, &e), 0);
        assert_false(r->done);
        return p;
}

struct rest_pending *rest_test_send(
        struct rest_test *t, const char *path, struct rest_request q, struct rest_result *r)
{
        char url[256];

        snprintf(url, sizeof(url), "%s%s", t->url, path);
        return rest_test_send_to(t, url, q, r);
}

void rest_test_wait(struct rest_test *t, struct rest_result *r)
{
        struct err e;

        assert_int_equal(loop_run_until(t->loop, &r->done, &e), 0);
        assert_int_equal(r->calls, 1);
}

void rest_test_perform(
        struct rest_test *t, const char *path, struct rest_request q, struct rest_result *r)
{
        rest_test_send(t, path, q, r);
        rest_test_wait(t, r);
}

void rest_test_get(struct rest_test *t, const char *path, struct rest_result *r)
{
        *r = (struct rest_result){0};
        rest_test_perform(t, path, (struct rest_request){0}, r);
}

const char *rest_test_seen(struct rest_test *t, int number, const char *name)
{
        static char value[512];

        return fake_http_header(fake_http_request(t->server, number), name, value, sizeof(value));
}

void rest_test_says(const struct rest_result *r, const char *text)
{
        if (!strstr(r->reply.err.text, text))
                fail_msg("not \"%s\": %s", text, r->reply.err.text);
}
