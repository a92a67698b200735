/* Bodies of replies: compressed ones, ones that are held up, and what stands before them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "ingest/base/clock.h"
#include "tests/support/http_test.h"

enum { GZIP = 15 + 16, ZLIB = 15, RAW = -15 };

/* @n bytes of records that compress about as JSON does; @zeros: as a bomb does. */
static char *make_body(size_t n, bool zeros)
{
        char *body = calloc(1, n + 64);

        assert_non_null(body);
        for (size_t i = 0, k = 0; !zeros && i < n; k++)
                i += (size_t)snprintf(body + i, 64, "{\"id\":%zu,\"name\":\"n%zu\"},", k, k * 7919);
        return body;
}

/* Owned by the caller. */
static struct fake_reply compressed(const char *body, size_t n, int window, const char *headers)
{
        z_stream z = {0};
        uLong room = compressBound(n) + 64;
        char *out = malloc(room);

        assert_non_null(out);
        assert_int_equal(
                deflateInit2(&z, body[0] ? 1 : 9, Z_DEFLATED, window, 9, Z_DEFAULT_STRATEGY), Z_OK);
        z.next_in = (Bytef *)body;
        z.avail_in = (uInt)n;
        z.next_out = (Bytef *)out;
        z.avail_out = (uInt)room;
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        size_t len = z.total_out;
        deflateEnd(&z);
        return (struct fake_reply){.headers = headers, .body = out, .body_len = len};
}

/* Takes a body of any size: counts and sums it, and pauses when told. */
struct taker {
        struct http_call *call;
        size_t bytes, pause_every, pauses;
        uLong sum;
        bool resume_inside, refuse_second, done;
        int after_pause; /* calls while it was paused: must stay 0 */
        bool paused;
        struct http_reply reply;
        char text[1024];
};

static int take(void *ctx, struct str bytes, struct err *e)
{
        struct taker *t = ctx;

        t->after_pause += t->paused;
        t->sum = adler32(t->sum, (const Bytef *)bytes.ptr, (uInt)bytes.len);
        size_t before = t->bytes;
        t->bytes += bytes.len;
        if (t->refuse_second && t->pauses > 0)
                return err_set(e, ERR_GUARD, "enough");
        if (!t->pause_every || before / t->pause_every == t->bytes / t->pause_every)
                return 0;
        t->pauses++;
        if (t->resume_inside)
                http_resume(t->call);
        else
                t->paused = true;
        return HTTP_PAUSE;
}

static void taken(void *ctx, const struct http_reply *reply)
{
        struct taker *t = ctx;

        t->after_pause += t->paused && reply->rc != -ERR_CANCEL;
        t->done = true;
        t->reply = *reply;
        snprintf(t->text, sizeof(t->text), "%s", reply->err.text);
}

static void start(struct http_test *f, struct taker *t)
{
        struct http_request q = {.method = "GET",
                .url = fake_http_url(f->server, "/"),
                .on_body = take,
                .on_done = taken,
                .ctx = t};

        t->sum = adler32(0, NULL, 0);
        t->call = http_test_start(f, &q);
}

/* Until it is paused or done. */
static void turn(struct http_test *f, struct taker *t)
{
        struct err e;

        while (!t->done && !t->paused)
                assert_int_equal(loop_sleep(f->loop, 1, &e), 0);
}

static void go_on(struct taker *t)
{
        t->paused = false;
        http_resume(t->call);
}

static void run(struct http_test *f, struct taker *t)
{
        start(f, t);
        for (turn(f, t); !t->done; turn(f, t))
                go_on(t);
        assert_int_equal(t->after_pause, 0);
}

static void bodies_are_decompressed(void **state)
{
        static const struct {
                int window; /* 0: as it is */
                const char *headers;
                bool chunked;
        } cases[] = {
                {GZIP, "Content-Encoding: gzip\r\n", false},
                {GZIP, "content-encoding: X-GZIP\r\n", true},
                {ZLIB, "Content-Encoding: deflate\r\n", false},
                {RAW, "Content-Encoding: deflate\r\n", false},
                {0, "Content-Encoding: identity\r\n", false},
                {0, "", true},
        };
        enum { SIZE = 300000 };
        const struct http_options options = {.compressed = true};
        char *body = make_body(SIZE, false), value[64];
        struct fake_reply script[2 * COUNT(cases)];

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                script[2 * i] = cases[i].window
                                        ? compressed(body, SIZE, cases[i].window, cases[i].headers)
                                        : (struct fake_reply){.headers = cases[i].headers,
                                                  .body = body,
                                                  .body_len = SIZE};
                script[2 * i].chunked = cases[i].chunked;
                script[2 * i + 1] = script[2 * i];
        }
        struct http_test f;
        http_test_begin(&f, &options, script, COUNT(script));
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct taker t = {0};
                run(&f, &t);
                assert_int_equal(t.reply.rc, 0);
                assert_int_equal(t.bytes, SIZE);
                assert_int_equal(t.sum, adler32(adler32(0, NULL, 0), (const Bytef *)body, SIZE));
                struct http_result r; /* the same, kept whole */
                http_test_perform(&f, http_test_get(&f, "/", &r), &r);
                assert_int_equal(r.body_len, SIZE);
                fake_http_header(fake_http_request(f.server, (int)(2 * i)), "Accept-Encoding",
                        value, sizeof(value));
                assert_string_equal(value, "gzip, deflate");
                if (cases[i].window)
                        free((void *)script[2 * i].body);
        }
        assert_int_equal(fake_http_connections(f.server), 1);
        http_test_end(&f);
        free(body);
}

static void nothing_is_decompressed_unasked(void **state)
{
        static const struct fake_reply script[] = {
                {.headers = "Content-Encoding: gzip\r\n", .body = "as it came"}};
        struct http_test f;
        struct http_result r;
        char value[64];

        (void)state;
        http_test_begin(&f, NULL, script, COUNT(script));
        http_test_perform(&f, http_test_get(&f, "/", &r), &r);
        assert_string_equal(r.body, "as it came");
        fake_http_header(fake_http_request(f.server, 0), "Accept-Encoding", value, sizeof(value));
        assert_string_equal(value, "");
        http_test_end(&f);
}

static void encodings_that_are_wrong_are_named(void **state)
{
        static const struct {
                const char *headers, *text;
        } cases[] = {
                {"Content-Encoding: br\r\n", "encoded as \"br\", though gzip or deflate"},
                {"Content-Encoding: gzip, gzip\r\n", "encoded as \"gzip, gzip\""},
                {"Content-Encoding: utf-8\r\n", "`compressed: false` asks for none"},
                {"Content-Encoding: gzip\r\n", "GET http://127.0.0.1"}, /* and it is none */
        };
        const struct http_options options = {.compressed = true};
        struct fake_reply script[COUNT(cases)];
        struct http_test f;

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                script[i] = (struct fake_reply){
                        .headers = cases[i].headers, .body = "{\"no\": \"gzip\"}"};
        http_test_begin(&f, &options, script, COUNT(script));
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct taker t = {0};
                run(&f, &t);
                assert_int_equal(t.reply.rc, -ERR_RETRY);
                assert_int_equal(t.bytes, 0);
                if (!strstr(t.text, cases[i].text))
                        fail_msg("%s: %s", cases[i].headers, t.text);
        }
        http_test_end(&f);
}

static void bombs_are_defused(void **state)
{
        static const struct {
                size_t size;
                bool zeros, chunked;
                int rc;
        } cases[] = {
                {(60 << 20), true, false, 0}, /* not large enough to be one */
                {(90 << 20), true, false, -ERR_REJECT}, {(90 << 20), true, true, -ERR_REJECT},
                {(70 << 20), false, false, 0}, /* large, and honest */
        };
        const struct http_options options = {.compressed = true};

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                char *body = make_body(cases[i].size, cases[i].zeros);
                struct fake_reply reply =
                        compressed(body, cases[i].size, GZIP, "Content-Encoding: gzip\r\n");
                struct taker t = {0};
                struct http_test f;
                free(body);
                reply.chunked = cases[i].chunked;
                http_test_begin(&f, &options, &reply, 1);
                run(&f, &t);
                assert_int_equal(t.reply.rc, cases[i].rc);
                if (cases[i].rc == 0)
                        assert_int_equal(t.bytes, cases[i].size);
                else
                        assert_in_range(t.bytes, 63 << 20, (64 << 20) + (1 << 20));
                if (cases[i].rc)
                        assert_non_null(strstr(t.text, "more than 250 times as many"));
                http_test_end(&f);
                free((void *)reply.body);
        }
}

static void pauses_lose_nothing(void **state)
{
        enum { SIZE = 2000000 };
        char *body = make_body(SIZE, false);
        const struct http_options options = {.compressed = true};
        const struct fake_reply script[] = {
                {.body = body, .body_len = SIZE},
                {.body = body, .body_len = SIZE / 20, .chunked = true},
                compressed(body, SIZE, GZIP, "Content-Encoding: gzip\r\n"),
                {.body = body, .body_len = 10},
        };
        struct http_test f;

        (void)state;
        http_test_begin(&f, &options, script, COUNT(script));
        for (size_t i = 0; i < COUNT(script); i++) {
                size_t n = i == 1 ? SIZE / 20 : i == 3 ? 10 : SIZE;
                struct taker t = {.pause_every = n / 50 + 1};
                run(&f, &t);
                assert_int_equal(t.reply.rc, 0);
                assert_int_equal(t.bytes, n);
                assert_int_equal(t.sum, adler32(adler32(0, NULL, 0), (const Bytef *)body, (uInt)n));
                if (t.pauses < (i == 3 ? 1 : 5)) /* at the last byte, too */
                        fail_msg("case %zu: %zu pauses", i, t.pauses);
        }
        assert_int_equal(fake_http_connections(f.server), 1);
        http_test_end(&f);
        free((void *)script[2].body);
        free(body);
}

/* 100 MB wait at the server, none of it here. */
static void pauses_take_no_memory(void **state)
{
        enum { SIZE = 100 << 20 };
        char *body = make_body(SIZE, false);
        const struct fake_reply script[] = {{.body = body, .body_len = SIZE}};
        struct taker t = {.pause_every = 1000};
        struct http_test f;
        struct err e;

        (void)state;
        http_test_begin(&f, NULL, script, COUNT(script));
        start(&f, &t);
        turn(&f, &t);
        size_t before = mallinfo2().uordblks, bytes = t.bytes;
        assert_int_equal(loop_sleep(f.loop, 200, &e), 0);
        assert_int_equal(t.bytes, bytes);
        assert_true(bytes <= 64 << 10);
        assert_true(mallinfo2().uordblks < before + (256 << 10));
        http_cancel(t.call);
        t.paused = false;
        turn(&f, &t);
        assert_int_equal(t.reply.rc, -ERR_CANCEL);
        http_test_end(&f);
        free(body);
}

static void pauses_do_not_time_out(void **state)
{
        static const char body[200000] = "begin";
        static const struct fake_reply script[] = {
                {.body = body, .body_len = sizeof(body)},
                {.body = body, .body_len = sizeof(body), .fault = FAKE_STALL},
                {.body = body, .body_len = sizeof(body), .fault = FAKE_HALF},
        };
        const struct http_options options = {.timeout_ms = 300, .idle_timeout_ms = 1000};
        struct http_test f;
        struct err e;

        (void)state;
        http_test_begin(&f, &options, script, COUNT(script));
        for (size_t i = 0; i < COUNT(script); i++) {
                struct taker t = {.pause_every = 1000};
                start(&f, &t);
                turn(&f, &t);
                assert_int_equal(loop_sleep(f.loop, i == 0 ? 1500 : 500, &e), 0);
                assert_false(t.done);
                t.pause_every = 0;
                int64_t resumed_ms = clock_monotonic_ms();
                for (go_on(&t); !t.done; turn(&f, &t))
                        ;
                assert_int_equal(t.after_pause, 0);
                assert_int_equal(t.reply.rc, i == 0 ? 0 : -ERR_RETRY);
                assert_int_equal(t.bytes, i == 0 ? sizeof(body) : sizeof(body) / 2);
                if (i == 1) /* the limit of the whole request holds again */
                        assert_in_range(clock_monotonic_ms() - resumed_ms, 100, 1700);
                if (i > 0)
                        assert_non_null(strstr(t.text, i == 1 ? "timed out" : "remaining"));
        }
        http_test_end(&f);
}

static void pauses_may_end_otherwise(void **state)
{
        enum { SIZE = 500000 };
        char *body = make_body(SIZE, false);
        const struct fake_reply reply = {.body = body, .body_len = SIZE};
        const struct fake_reply script[] = {reply, reply, reply, reply};
        struct taker t[4] = {{.pause_every = 1000, .resume_inside = true},
                {.pause_every = 1000, .refuse_second = true}, {.pause_every = 1000},
                {.pause_every = 1000}};
        struct http_test f;

        (void)state;
        http_test_begin(&f, NULL, script, COUNT(script));
        run(&f, &t[0]); /* resumed from inside: it never was paused */
        assert_int_equal(t[0].reply.rc, 0);
        assert_int_equal(t[0].bytes, SIZE);
        run(&f, &t[1]); /* what is held comes from inside of the resume, and is refused */
        assert_int_equal(t[1].reply.rc, -ERR_GUARD);
        assert_non_null(strstr(t[1].text, ": enough"));
        start(&f, &t[2]);
        turn(&f, &t[2]);
        http_resume(t[2].call);
        http_resume(t[2].call); /* twice is once */
        http_cancel(t[2].call);
        t[2].paused = false;
        turn(&f, &t[2]);
        assert_int_equal(t[2].reply.rc, -ERR_CANCEL);
        start(&f, &t[3]);
        turn(&f, &t[3]);
        http_test_end(&f); /* while one is paused */
        assert_true(t[3].done);
        assert_int_equal(t[3].reply.rc, -ERR_CANCEL);
        free(body);
}

struct headers {
        struct http_result r; /* first: what http_test_done() fills */
        char text[1024];
        size_t len;
};

static void note_header(void *ctx, struct str name, struct str value)
{
        struct headers *h = ctx;

        assert_int_equal(h->r.streamed_len, 0); /* before the body */
        h->len += (size_t)snprintf(h->text + h->len, sizeof(h->text) - h->len, "%.*s=%.*s|",
                STR_ARG(name), STR_ARG(value));
}

static void headers_of_the_reply_are_given(void **state)
{
        static const struct fake_reply script[] = {
                {.fault = FAKE_RAW,
                        .body = "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=early\r\n\r\n"
                                "HTTP/1.1 200 OK\r\nLink: </b>; rel=\"next\"\r\nETag:W/\"1\"  \r\n"
                                "X-Empty:\r\nX-Colon: a:b\r\n"
                                "Transfer-Encoding: chunked\r\nTrailer: X-Late\r\n\r\n"
                                "2\r\nok\r\n0\r\nX-Late: yes\r\n\r\n"},
                {.status = 404, .headers = "X-Error: 1\r\n", .body = "no"},
        };
        struct http_test f;
        struct headers h = {0};

        (void)state;
        http_test_begin(&f, NULL, script, COUNT(script));
        struct http_request q = http_test_get(&f, "/", &h.r);
        q.on_header = note_header;
        q.on_body = http_test_body;
        http_test_perform(&f, q, &h.r);
        assert_string_equal(h.r.reply.rc < 0 ? h.r.reply.err.text : "", "");
        assert_int_equal(h.r.streamed_len, 2);
        assert_string_equal(h.text, "Link=</b>; rel=\"next\"|ETag=W/\"1\"|X-Empty=|X-Colon=a:b|"
                                    "Transfer-Encoding=chunked|Trailer=X-Late|");
        h.len = 0;
        q = http_test_get(&f, "/", &h.r);
        q.on_header = note_header;
        http_test_perform(&f, q, &h.r);
        assert_string_equal(h.text, "Content-Length=2|X-Error=1|");
        http_test_end(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(bodies_are_decompressed),
                cmocka_unit_test(nothing_is_decompressed_unasked),
                cmocka_unit_test(encodings_that_are_wrong_are_named),
                cmocka_unit_test(bombs_are_defused),
                cmocka_unit_test(pauses_lose_nothing),
                cmocka_unit_test(pauses_take_no_memory),
                cmocka_unit_test(pauses_do_not_time_out),
                cmocka_unit_test(pauses_may_end_otherwise),
                cmocka_unit_test(headers_of_the_reply_are_given),
        };

        http_test_main_begin();
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        http_test_main_end();
        return failed;
}
