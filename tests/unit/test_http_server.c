/* Requests and replies as a well-behaved client knows them. What others send: test_http_refusals.c;
 * connections: test_http_connections.c. */
#include "tests/unit/http_server_fixture.h"

#define HOST  "Host: h\r\n"
#define CLOSE "Connection: close\r\n"

/* One request on a connection of its own, and what must stand in the reply. */
static const struct talk {
        const char *request, *wanted, *not_wanted;
} talks[] = {
        {"GET /echo HTTP/1.1\r\n" HOST CLOSE "\r\n", "HTTP/1.1 200 OK\r\n", NULL},
        {"GET /echo HTTP/1.1\r\n" HOST CLOSE "\r\n", "\r\nConnection: close\r\n", NULL},
        {"GET /echo HTTP/1.1\r\n" HOST CLOSE "\r\n", "\r\nDate: ", NULL},
        {"GET /echo HTTP/1.1\r\n" HOST CLOSE "\r\n", "\r\n\r\nGET /echo from 127.0.0.1\n", "q="},
        {"GET /echo HTTP/1.1\r\n" HOST "Connection: x , CLOSE\r\n\r\n", "body=[]", NULL},
        /* addresses */
        {"GET /echo/a%2Fb//c HTTP/1.1\r\n" HOST CLOSE "\r\n",
                "GET /echo/a/b//c from 127.0.0.1\nsegment=[echo]\nsegment=[a/b]\nsegment=[]\n"
                "segment=[c]\n",
                NULL},
        {"GET /echo/../%2e%2e HTTP/1.1\r\n" HOST CLOSE "\r\n",
                "GET /echo/../.. from 127.0.0.1\nsegment=[echo]\nsegment=[..]\nsegment=[..]\n",
                NULL},
        {"GET /echo/a+b%2B%c3%a4?q=a+b%2b%C3%A4%26&q=2 HTTP/1.1\r\n" HOST CLOSE "\r\n",
                "segment=[a+b+\xc3\xa4]\nq=[a b+\xc3\xa4&]\n", NULL},
        {"GET /echo?x=1&q HTTP/1.1\r\n" HOST CLOSE "\r\n", "\nq=[]\n", NULL},
        {"GET /echo?x=1&&=2&%71=%253D= HTTP/1.1\r\n" HOST CLOSE "\r\n", "\nq=[%3D=]\n", NULL},
        {"GET /echo?r=1 HTTP/1.1\r\n" HOST CLOSE "\r\n", "200", "q="},
        {"GET /echo?a?q=1 HTTP/1.1\r\n" HOST CLOSE "\r\n", "200", "q="},
        {"GET //echo HTTP/1.1\r\n" HOST CLOSE "\r\n", "\r\n\r\n//echo", NULL},
        {"GET /%25%32%46 HTTP/1.1\r\n" HOST CLOSE "\r\n", "\r\n\r\n/%2F", NULL},
        {"OPTIONS * HTTP/1.1\r\n" HOST CLOSE "\r\n", "\r\n\r\n*", NULL},
        {"GET http://other:1/echo?q=1 HTTP/1.1\r\n" HOST CLOSE "\r\n",
                "segment=[echo]\nq=[1]\nHost=[other:1]\n", NULL},
        {"GET HTTPS://other?q=1 HTTP/1.1\r\n" HOST CLOSE "\r\n", "404 Not Found", NULL},
        /* headers */
        {"GET /echo HTTP/1.1\r\nHOST:\t [::1]:80 \t\r\nx-a:b:  c\r\n" CLOSE "\r\n",
                "Host=[[::1]:80]\nX-A=[b:  c]\n", NULL},
        {"GET /echo HTTP/1.1\r\nHost:\r\nX-A:\r\n" CLOSE "\r\n", "Host=[]\nX-A=[]\n", NULL},
        {"GET /echo HTTP/1.1\r\n" HOST "X-A: 1\r\nX-A: 2\r\n" CLOSE "\r\n", "X-A=[1]\n", NULL},
        {"GET /echo HTTP/1.1\r\n" HOST "X-A: \xe4\xff\r\n" CLOSE "\r\n", "X-A=[\xe4\xff]\n", NULL},
        {"\r\nGET /echo HTTP/1.1\r\n" HOST CLOSE "\r\n", "HTTP/1.1 200 OK\r\n", NULL},
        /* methods: which are allowed where is not known here */
        {"PATCH /x HTTP/1.1\r\n" HOST CLOSE "\r\n", "404 Not Found", NULL},
        {"TRACE /echo HTTP/1.1\r\n" HOST CLOSE "\r\n", "TRACE /echo", NULL},
        {"DELETE /echo HTTP/1.1\r\n" HOST CLOSE "Content-Length: 2\r\n\r\nab", "body=[ab]", NULL},
        {"HEAD /echo HTTP/1.1\r\n" HOST CLOSE "\r\n", "\r\nContent-Length: 58\r\n", "/echo"},
        {"HEAD /echo HTTP/1.1\r\n" HOST "Content-Length: 29\r\n\r\n"
         "GET /evil HTTP/1.1\r\nHost: h\r\n"
         "GET /echo HTTP/1.1\r\n" HOST CLOSE "\r\n",
                "\r\n\r\nHTTP/1.1 200 OK\r\n", "404"},
        /* bodies */
        {"POST /echo HTTP/1.1\r\n" HOST CLOSE "Content-Length: 05\r\n\r\nabcde", "body=[abcde]",
                NULL},
        {"POST /echo HTTP/1.1\r\n" HOST CLOSE "Transfer-Encoding: Chunked\r\n\r\n"
         "3\r\nabc\r\n00A;x=\"y\"\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n",
                "body=[abc0123456789]", NULL},
        {"POST /echo HTTP/1.1\r\n" HOST CLOSE "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "body=[]", NULL},
        {"POST /echo HTTP/1.1\r\n" HOST CLOSE "\r\n", "body=[]", NULL},
        {"POST /limited HTTP/1.1\r\n" HOST CLOSE "Content-Length: 10\r\n\r\n0123456789", "404",
                NULL},
        /* older clients */
        {"GET /echo HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\n", NULL},
        {"GET /echo HTTP/1.0\r\n\r\n", "\r\nContent-Length: 48\r\n", NULL},
        {"GET /echo HTTP/1.0\r\n\r\n", "\r\nConnection: close\r\n", "chunked"},
        {"GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "Connection: close", NULL},
        {"GET /echo HTTP/1.7\r\n" HOST CLOSE "\r\n", "HTTP/1.1 200 OK\r\n", NULL},
        /* replies */
        {"GET /204 HTTP/1.1\r\n" HOST CLOSE "\r\n", "HTTP/1.1 204 No Content\r\n", "none"},
        {"GET /204 HTTP/1.1\r\n" HOST CLOSE "\r\n", "204", "Content-"},
        {"GET /304 HTTP/1.1\r\n" HOST CLOSE "\r\n", "HTTP/1.1 304 Not Modified\r\n", "none"},
        {"GET /headers HTTP/1.1\r\n" HOST CLOSE "\r\n", "HTTP/1.1 429 Too Many Requests\r\n",
                "Evil"},
        {"GET /headers HTTP/1.1\r\n" HOST CLOSE "\r\n", "\r\nx-one: 2\r\n", "X-One"},
        {"GET /headers HTTP/1.1\r\n" HOST CLOSE "\r\n", "\r\nX-Null: \r\n", "X-Split"},
        {"GET /headers HTTP/1.1\r\n" HOST CLOSE "\r\n", "429", "X-Fold"},
        {"GET /headers HTTP/1.1\r\n" HOST CLOSE "\r\n", "429", "X Name"},
};

static void check_talk(const struct talk *t, struct http_raw *c)
{
        const char *text = http_raw_text(c);

        if (!strstr(text, t->wanted))
                fail_msg("%s\nhas no \"%s\" but:\n%s", t->request, t->wanted, text);
        if (t->not_wanted && strstr(text, t->not_wanted))
                fail_msg("%s\nhas a \"%s\":\n%s", t->request, t->not_wanted, text);
        if (!c->eof)
                fail_msg("%s\nthe connection stays open", t->request);
}

static void test_talks(void **state)
{
        struct server_fixture f;

        (void)state;
        server_begin(&f, NULL);
        for (size_t i = 0; i < sizeof(talks) / sizeof(*talks); i++) {
                struct http_raw c;
                server_talk(&f, &c, str_of(talks[i].request));
                check_talk(&talks[i], &c);
                http_raw_close(&c);
        }
        assert_int_equal(server_stats(&f).open, 0);
        assert_int_equal(server_stats(&f).open_exchanges, 0);
        assert_int_equal(server_stats(&f).connections, sizeof(talks) / sizeof(*talks));
        server_end(&f);
}

/* The same, a byte at a time. */
static void test_bytes_alone(void **state)
{
        struct server_fixture f;

        (void)state;
        server_begin(&f, NULL);
        for (size_t i = 0; i < sizeof(talks) / sizeof(*talks); i += 3) {
                struct http_raw c;
                server_connect(&f, &c);
                for (const char *p = talks[i].request; *p; p++) {
                        http_raw_send(&c, (struct str){p, 1});
                        server_run(&f, 0);
                }
                http_raw_wait_end(&c, 3000);
                check_talk(&talks[i], &c);
                http_raw_close(&c);
        }
        server_end(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_talks),
                cmocka_unit_test(test_bytes_alone),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
