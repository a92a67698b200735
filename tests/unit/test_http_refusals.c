/* What no client should send, and what the server says to it: one status, the error's body, and the
 * end of the connection. */
#include "tests/unit/http_server_fixture.h"

#define HOST       "Host: h\r\n"
#define G          "GET /echo HTTP/1.1\r\n" HOST
#define P          "POST /echo HTTP/1.1\r\n" HOST
#define CHUNK      P "Transfer-Encoding: chunked\r\n\r\n"
#define LINE(text) "GET " text " HTTP/1.1\r\n" HOST "\r\n"

static const struct refusal {
        struct str bytes;
        int status;
} refusals[] = {
        /* request lines */
        {STR("GET /echo\r\n\r\n"), 400}, /* HTTP/0.9 */
        {STR("GET /echo\r\n"), 400},
        {STR("GET  /echo HTTP/1.1\r\n" HOST "\r\n"), 400},
        {STR("GET /echo  HTTP/1.1\r\n" HOST "\r\n"), 400},
        {STR("GET /echo HTTP/1.1 \r\n" HOST "\r\n"), 400},
        {STR(" GET /echo HTTP/1.1\r\n" HOST "\r\n"), 400},
        {STR("GET\t/echo\tHTTP/1.1\r\n" HOST "\r\n"), 400},
        {STR("GET /a b HTTP/1.1\r\n" HOST "\r\n"), 400},
        {STR("GET /echo HTTP/1.1\n" HOST "\r\n"), 400},
        {STR("GET /echo HTTP/1.1\r" HOST "\r\n"), 400},
        {STR("GET /echo HTTP/1.10\r\n" HOST "\r\n"), 400},
        {STR("GET /echo HTTP/11\r\n" HOST "\r\n"), 400},
        {STR("GET /echo http/1.1\r\n" HOST "\r\n"), 400},
        {STR("GET /echo HTTP/2.0\r\n" HOST "\r\n"), 505},
        {STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505},
        {STR("\x16\x03\x01\x02\x00\x01\x00\x01\xfc"), 400}, /* TLS */
        {STR("\r\n\r\n\r\nGET /echo HTTP/1.1\r\n" HOST "\r\n"), 400},
        {STR("BREW /pot HTTP/1.1\r\n" HOST "\r\n"), 501},
        {STR("get /echo HTTP/1.1\r\n" HOST "\r\n"), 501},
        {STR("CONNECT h:1 HTTP/1.1\r\n" HOST "\r\n"), 501},
        {STR("G(T /echo HTTP/1.1\r\n" HOST "\r\n"), 400},
        /* addresses */
        {STR(LINE("echo")), 400},
        {STR(LINE("*")), 400},
        {STR(LINE("ftp://h/echo")), 400},
        {STR(LINE("http:///echo")), 400},
        {STR(LINE("http://user@h/echo")), 400},
        {STR(LINE("/echo#a")), 400},
        {STR(LINE("/\xc3\xa4")), 400},
        {STR(LINE("/%")), 400},
        {STR(LINE("/%2")), 400},
        {STR(LINE("/%2g")), 400},
        {STR(LINE("/%+1")), 400},
        {STR(LINE("/%00")), 400},
        {STR(LINE("/%c3")), 400},
        {STR(LINE("/%c0%af")), 400},
        {STR(LINE("/%ed%a0%80")), 400},
        {STR(LINE("/echo?a=%00")), 400},
        {STR(LINE("/echo?a=%ff")), 400},
        {STR(LINE("/echo?%=1")), 400},
        {STR(LINE("/echo?a=%c3&b=%a4")), 400},
        /* headers */
        {STR("GET /echo HTTP/1.1\r\n\r\n"), 400},
        {STR("GET /echo HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"), 400},
        {STR("GET /echo HTTP/1.1\r\nHost: a b\r\n\r\n"), 400},
        {STR("GET /echo HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400},
        {STR("GET /echo HTTP/1.1\r\nHost: u@a\r\n\r\n"), 400},
        {STR(G "X-A: 1\r\n folded\r\n\r\n"), 400},
        {STR("GET /echo HTTP/1.1\r\n " HOST "\r\n"), 400},
        {STR(G "X-A : 1\r\n\r\n"), 400},
        {STR(G ": 1\r\n\r\n"), 400},
        {STR(G "X-A\r\n\r\n"), 400},
        {STR(G "X A: 1\r\n\r\n"), 400},
        {STR(G "X-A: a\0b\r\n\r\n"), 400},
        {STR(G "X-\0A: a\r\n\r\n"), 400},
        {STR(G "X-A: a\x01\r\n\r\n"), 400},
        {STR(G "X-A: a\x7f\r\n\r\n"), 400},
        {STR(G "X-A: a\rb\r\n\r\n"), 400},
        {STR(G "X-A: a\nX-B: b\r\n\r\n"), 400},
        {STR(G "X-A: a\n\n"), 400},
        {STR(G "Authorization: a\r\nAuthorization: b\r\n\r\n"), 400},
        {STR(G "Expect: magic\r\n\r\n"), 417},
        /* lengths */
        {STR(P "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), 400},
        {STR(P "Content-Length: 1\r\nContent-Length: 1\r\n\r\na"), 400},
        {STR(P "Content-Length: 1, 1\r\n\r\na"), 400},
        {STR(P "Content-Length: +1\r\n\r\na"), 400},
        {STR(P "Content-Length: -1\r\n\r\na"), 400},
        {STR(P "Content-Length: 0x1\r\n\r\na"), 400},
        {STR(P "Content-Length: 1 1\r\n\r\na"), 400},
        {STR(P "Content-Length:\r\n\r\n"), 400},
        {STR(P "Content-Length: 99999999999999999999\r\n\r\n"), 413},
        {STR(P "Content-Length: 9223372036854775807\r\n\r\n"), 413},
        {STR(P "Content-Length: 16777217\r\n\r\n"), 413},
        {STR(P "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400},
        {STR(P "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n"), 400},
        {STR(P "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
        {STR(P "Transfer-Encoding: gzip, chunked\r\n\r\n"), 501},
        {STR(P "Transfer-Encoding: xchunked\r\n\r\n"), 501},
        {STR(P "Transfer-Encoding:\r\n\r\n"), 501},
        {STR("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400},
        {STR("POST /limited HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n"), 413},
        {STR("POST /limited HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nb\r\n"), 413},
        {STR("POST /limited HTTP/1.1\r\n" HOST
             "Transfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n5\r\n"),
                413},
        /* chunks */
        {STR(CHUNK "\r\n"), 400},
        {STR(CHUNK "x\r\n"), 400},
        {STR(CHUNK "+1\r\na\r\n"), 400},
        {STR(CHUNK "-1\r\na\r\n"), 400},
        {STR(CHUNK "0x1\r\na\r\n"), 400},
        {STR(CHUNK " 1\r\na\r\n"), 400},
        {STR(CHUNK "1 \r\na\r\n"), 400},
        {STR(CHUNK "1\na\r\n"), 400},
        {STR(CHUNK "1\r\nab\r\n"), 400},
        {STR(CHUNK "1\r\na\n0\r\n"), 400},
        {STR(CHUNK "1;a\x01\r\n"), 400},
        {STR(CHUNK "1000000000000000\r\n"), 400},
        {STR(CHUNK "fffffffffffffff\r\n"), 413},
        {STR(CHUNK "0\r\nX\r\n\r\n"), 400},
        {STR(CHUNK "0\r\n X: 1\r\n\r\n"), 400},
        {STR(CHUNK "0\r\nX : 1\r\n\r\n"), 400},
};

static void check_refused(struct http_raw *c, struct str bytes, int status)
{
        char wanted[32];
        const char *text = http_raw_text(c);

        snprintf(wanted, sizeof(wanted), "HTTP/1.%c %d ", text[7] == '0' ? '0' : '1', status);
        if (strncmp(text, wanted, strlen(wanted)) != 0)
                fail_msg("not refused with %d:\n%.*s\n%s", status, STR_ARG(bytes), text);
        if (!strstr(text, "\r\nConnection: close\r\n") ||
                !strstr(text, "\r\nContent-Type: application/json\r\n") ||
                !strstr(text, "\r\n\r\n{\"error\":"))
                fail_msg("badly refused:\n%.*s\n%s", STR_ARG(bytes), text);
        if (!c->eof || c->reset)
                fail_msg("the connection did not end well:\n%.*s", STR_ARG(bytes));
        assert_int_equal(http_raw_count(c, "HTTP/1."), 1);
}

static void refuse_one(struct server_fixture *f, const struct refusal *r)
{
        struct http_raw c;
        int before = f->requests;

        server_talk(f, &c, r->bytes);
        check_refused(&c, r->bytes, r->status);
        assert_int_equal(f->requests, before);
        http_raw_close(&c);
}

static void test_refusals(void **state)
{
        struct server_fixture f;

        (void)state;
        server_begin(&f, NULL);
        for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++)
                refuse_one(&f, &refusals[i]);
        assert_int_equal(server_stats(&f).open, 0);
        server_end(&f);
}

/* Behind a request that is answered, as behind none. */
static void test_refused_second(void **state)
{
        struct server_fixture f;

        (void)state;
        server_begin(&f, NULL);
        for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i += 3) {
                cleanup_buf_ struct buf b = BUF_INIT(1 << 20);
                struct http_raw c;
                char wanted[32];
                buf_puts(&b, G "\r\n");
                buf_put_str(&b, refusals[i].bytes);
                server_talk(&f, &c, buf_str(&b));
                snprintf(wanted, sizeof(wanted), " %d ", refusals[i].status);
                if (http_raw_count(&c, "HTTP/1.") != 2 || !http_raw_count(&c, wanted) || !c.eof)
                        fail_msg("%.*s\n%s", STR_ARG(refusals[i].bytes), http_raw_text(&c));
                http_raw_close(&c);
        }
        server_end(&f);
}

/* @count times @piece between @begin and @end. */
static void refuse_many(struct server_fixture *f, const char *begin, const char *piece, int count,
        const char *end, int status)
{
        cleanup_buf_ struct buf b = BUF_INIT(64 << 20);
        struct http_raw c;

        buf_puts(&b, begin);
        for (int i = 0; i < count; i++)
                buf_puts(&b, piece);
        buf_puts(&b, end);
        server_talk(f, &c, buf_str(&b));
        if (status)
                check_refused(&c, STR("(long)"), status);
        else if (!http_raw_count(&c, "HTTP/1.1 200 OK"))
                fail_msg("%s...%s: %s", begin, end, http_raw_text(&c));
        http_raw_close(&c);
}

static void test_too_large(void **state)
{
        struct server_fixture f;
        const struct http_server_options small = {.max_head = 1000, .max_body = 1000};

        (void)state;
        server_begin(&f, &small);
        refuse_many(&f, "GET /echo", "/", 2000, " HTTP/1.1\r\n" HOST "\r\n", 414);
        refuse_many(&f, "", "a", 2000, "", 414);
        refuse_many(&f, G "X: ", "a", 2000, "\r\n\r\n", 431);
        refuse_many(&f, G, "A: b\r\n", 300, "\r\n", 431);
        refuse_many(&f, G "Connection: close\r\n", "A:b\r\n", 98, "\r\n", 0);
        refuse_many(&f, G "Connection: close\r\n", "A:b\r\n", 99, "\r\n", 431);
        refuse_many(&f, G "Connection: close\r\nX: ", "a", 1000 - 29 - 19 - 3 - 4, "\r\n\r\n", 0);
        refuse_many(&f, G "Connection: close\r\nX: ", "a", 1000 - 29 - 19 - 3 - 3, "\r\n\r\n", 431);
        refuse_many(&f, P "Connection: close\r\nContent-Length: 1000\r\n\r\n", "a", 1000, "", 0);
        refuse_many(&f, P "Content-Length: 1001\r\n\r\n", "a", 1001, "", 413);
        refuse_many(&f, CHUNK, "1\r\na\r\n", 1001, "0\r\n\r\n", 413);
        refuse_many(&f, CHUNK "1;", "a", 2000, "\r\na\r\n0\r\n\r\n", 400);
        refuse_many(&f, CHUNK "0\r\n", "A: b\r\n", 10000, "\r\n", 431);
        assert_int_equal(server_stats(&f).open, 0);
        server_end(&f);
}

/* Extensions of chunks are bounded in all, not only one by one. */
static void test_extensions(void **state)
{
        struct server_fixture f;
        char piece[1000] = "1;";

        (void)state;
        memset(piece + 2, 'x', 900);
        memcpy(piece + 902, "\r\na\r\n", 6);
        server_begin(&f, NULL);
        refuse_many(&f, CHUNK, piece, 100, "0\r\n\r\n", 431);
        server_end(&f);
}

/* Megabytes behind a refusal: the client sees the reply, not a reset. */
static void test_refusal_is_seen(void **state)
{
        struct server_fixture f;

        (void)state;
        server_begin(&f, NULL);
        refuse_many(&f, "POST /limited HTTP/1.1\r\n" HOST "Content-Length: 20000000\r\n\r\n",
                "0123456789", 2000000, "", 413);
        server_end(&f);
}

/* HEAD is refused without a body. */
static void test_refused_head(void **state)
{
        struct server_fixture f;
        struct http_raw c;

        (void)state;
        server_begin(&f, NULL);
        server_talk(&f, &c, STR("HEAD /echo HTTP/1.1\r\n\r\n"));
        assert_non_null(strstr(http_raw_text(&c), "HTTP/1.1 400 Bad Request\r\n"));
        assert_non_null(strstr(http_raw_text(&c), "\r\nContent-Length: 13\r\n"));
        assert_int_equal(http_raw_count(&c, "error"), 0);
        http_raw_close(&c);
        server_end(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_refused_second),
                cmocka_unit_test(test_too_large),
                cmocka_unit_test(test_extensions),
                cmocka_unit_test(test_refusal_is_seen),
                cmocka_unit_test(test_refused_head),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
