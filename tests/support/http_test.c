/* See http_test.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/http_test.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void http_test_done(void *ctx, const struct http_reply *reply)
{
        struct http_result *r = ctx;

        r->calls++;
        r->done = true;
        r->reply = *reply;
        r->body_len = reply->body.len;
        r->nul_behind = reply->body.ptr[reply->body.len] == '\0';
        snprintf(r->body, sizeof(r->body), "%s", reply->body.ptr);
        snprintf(r->content_type, sizeof(r->content_type), "%s", reply->content_type);
        if (r->cancel_other)
                http_cancel(r->cancel_other);
}

int http_test_body(void *ctx, struct str bytes, struct err *e)
{
        struct http_result *r = ctx;

        assert_true(r->streamed_len + bytes.len <= sizeof(r->streamed));
        memcpy(r->streamed + r->streamed_len, bytes.ptr, bytes.len);
        r->streamed_len += bytes.len;
        r->pieces++;
        if (r->cancel_self)
                http_cancel(r->cancel_self);
        if (r->refuse)
                return err_set(e, (enum err_class) - r->refuse, "refused here");
        return 0;
}

void http_test_begin(struct http_test *f, const struct http_options *options,
        const struct fake_reply *script, size_t count)
{
        const struct http_options none = {0};
        struct err e;

        assert_int_equal(loop_new(&f->loop, &e), 0);
        assert_int_equal(http_new(f->loop, options ? options : &none, &f->http, &e), 0);
        f->server = fake_http_start(script, count);
}

void http_test_end(struct http_test *f)
{
        http_free(f->http);
        fake_http_stop(f->server);
        loop_free(f->loop);
}

struct http_request http_test_get(struct http_test *f, const char *path, struct http_result *r)
{
        *r = (struct http_result){0};
        return (struct http_request){.method = "GET",
                .url = fake_http_url(f->server, path),
                .on_done = http_test_done,
                .ctx = r};
}

struct http_call *http_test_start(struct http_test *f, const struct http_request *q)
{
        struct http_call *c;
        struct err e;

        assert_int_equal(http_start(f->http, q, &c, &e), 0);
        return c;
}

void http_test_wait(struct http_test *f, struct http_result *r)
{
        struct err e;

        assert_int_equal(loop_run_until(f->loop, &r->done, &e), 0);
        assert_int_equal(r->calls, 1);
}

void http_test_perform(struct http_test *f, struct http_request q, struct http_result *r)
{
        http_test_start(f, &q);
        assert_false(r->done);
        http_test_wait(f, r);
}

/* Allocations of the libraries pass the wrapped functions too. */
static void *counted_malloc(size_t n)
{
        return malloc(n);
}

static void *counted_realloc(void *p, size_t n)
{
        return realloc(p, n);
}

static void *counted_calloc(size_t count, size_t n)
{
        return calloc(count, n);
}

static char *counted_strdup(const char *s)
{
        return strdup(s);
}

void http_test_main_begin(void)
{
        struct err e;

        event_set_mem_functions(counted_malloc, counted_realloc, free);
        curl_global_init_mem(CURL_GLOBAL_DEFAULT, counted_malloc, free, counted_realloc,
                counted_strdup, counted_calloc);
        if (http_global_init(&e) < 0)
                abort();
}

void http_test_main_end(void)
{
        http_global_cleanup();
        curl_global_cleanup();
        libevent_global_shutdown();
}
