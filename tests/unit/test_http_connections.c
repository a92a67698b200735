/* Connections: who is slow, who is idle, who hangs up, who sends two requests at once, who does not
 * read, and how many there can be. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/unit/http_server_fixture.h"

#define HOST  "Host: h\r\n"
#define ECHO  "GET /echo HTTP/1.1\r\n" HOST "\r\n"
#define LATER "GET /later HTTP/1.1\r\n" HOST "\r\n"
#define OK    "HTTP/1.1 200 OK\r\n"

static const struct http_server_options quick = {.head_timeout_ms = 200,
        .request_timeout_ms = 400,
        .idle_timeout_ms = 600,
        .write_timeout_ms = 300};

/* Turns of the loop until @f has @requests. */
static void wait_requests(struct server_fixture *f, int requests)
{
        for (int i = 0; i < 3000 && f->requests < requests; i++)
                server_run(f, 1);
        assert_int_equal(f->requests, requests);
}

static void wait_open(struct server_fixture *f, unsigned open)
{
        for (int i = 0; i < 3000 && server_stats(f).open != open; i++)
                server_run(f, 1);
        assert_int_equal(server_stats(f).open, open);
}

static void answer(struct server_fixture *f, int number, const char *body)
{
        http_exchange_reply(f->held[number], 200, "text/plain", str_of(body));
}

/* ---- who is slow ---- */

/* A byte of head every 20 ms: the time of a whole head counts, not that of a byte. */
static void drip(
        struct server_fixture *f, const char *begin, const char *piece, int least, int most)
{
        struct http_raw c;
        int ms = 0;

        server_connect(f, &c);
        server_send(&c, begin);
        for (; ms < 2000 && !c.eof; ms += 20) {
                server_send(&c, piece);
                server_run(f, 20);
                http_raw_read(&c);
        }
        assert_non_null(strstr(http_raw_text(&c), "HTTP/1.1 408 Request Timeout\r\n"));
        assert_true(ms >= least && ms <= most);
        http_raw_close(&c);
}

static void test_slow(void **state)
{
        struct server_fixture f;

        (void)state;
        server_begin(&f, &quick);
        drip(&f, "GET /echo HTTP/1.1\r\nX: ", "a", 160, 380);
        drip(&f, "GET /echo HTTP/1.1\r\n", "A: b\r\n", 160, 380);
        drip(&f, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1000\r\n\r\n", "a", 340, 600);
        drip(&f, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n",
                340, 600);
        assert_int_equal(f.requests, 0);
        server_end(&f);
}

/* Who says nothing is idle; so is who has got a reply. No 408 for either: none was asked. */
static void test_idle(void **state)
{
        struct server_fixture f;
        struct http_raw silent, served;

        (void)state;
        server_begin(&f, &quick);
        server_connect(&f, &silent);
        server_connect(&f, &served);
        server_run(&f, 200);
        server_send(&served, ECHO);
        assert_true(http_raw_wait(&served, "body=[]", 1, 1000));
        assert_true(http_raw_wait_end(&silent, 1000));
        assert_false(served.eof);
        assert_true(http_raw_wait_end(&served, 1000));
        assert_int_equal(silent.in.len, 0);
        assert_int_equal(http_raw_count(&served, "HTTP/1."), 1);
        http_raw_close(&silent);
        http_raw_close(&served);
        server_end(&f);
}

/* An answer may take as long as it takes. */
static void test_long_work(void **state)
{
        struct server_fixture f;
        struct http_raw c;

        (void)state;
        server_begin(&f, &quick);
        server_connect(&f, &c);
        server_send(&c, LATER);
        server_run(&f, 900);
        assert_int_equal(server_stats(&f).open_exchanges, 1);
        answer(&f, 0, "at last");
        assert_true(http_raw_wait(&c, "at last", 1, 1000));
        assert_int_equal(server_stats(&f).open_exchanges, 0);
        http_raw_close(&c);
        server_end(&f);
}

/* ---- several requests on a connection ---- */

static void test_pipeline(void **state)
{
        cleanup_buf_ struct buf b = BUF_INIT(1 << 20);
        struct server_fixture f;
        struct http_raw c;

        (void)state;
        for (int i = 0; i < 200; i++)
                buf_printf(&b,
                        "POST /echo/%d HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"
                        "POST /echo HTTP/1.1\r\n" HOST
                        "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
                        i);
        server_begin(&f, NULL);
        server_connect(&f, &c);
        http_raw_send(&c, buf_str(&b));
        assert_true(http_raw_wait(&c, OK, 400, 5000));
        assert_true(http_raw_wait(&c, "body=[x]", 200, 1000));
        assert_int_equal(http_raw_count(&c, "body=[abc]"), 200);
        assert_int_equal(server_stats(&f).connections, 1);
        /* in order */
        assert_true(strstr(http_raw_text(&c), "/echo/7 ") < strstr(http_raw_text(&c), "/echo/8 "));
        http_raw_close(&c);
        server_end(&f);
}

/* The second waits for the first, however long that takes. */
static void test_pipeline_waits(void **state)
{
        struct server_fixture f;
        struct http_raw c;

        (void)state;
        server_begin(&f, NULL);
        server_connect(&f, &c);
        server_send(&c, LATER ECHO);
        server_run(&f, 50);
        assert_int_equal(f.requests, 1);
        answer(&f, 0, "first");
        assert_true(http_raw_wait(&c, "body=[]", 1, 1000));
        assert_int_equal(f.requests, 2);
        http_raw_close(&c);
        server_end(&f);
}

/* A client that has said all it wants to say still gets its replies. */
static void test_half_closed(void **state)
{
        struct server_fixture f;
        struct http_raw c;

        (void)state;
        server_begin(&f, NULL);
        server_connect(&f, &c);
        server_send(&c, LATER ECHO "GET /big HTTP/1.1\r\n" HOST "\r\n");
        shutdown(c.fd, SHUT_WR);
        server_run(&f, 50);
        answer(&f, 0, "first");
        assert_true(http_raw_wait_end(&c, 5000));
        assert_int_equal(http_raw_count(&c, OK), 3);
        assert_true(c.in.len > 8 << 20);
        assert_false(c.reset);
        http_raw_close(&c);
        server_end(&f);
}

static void test_expect(void **state)
{
        struct server_fixture f;
        struct http_raw c;

        (void)state;
        server_begin(&f, NULL);
        server_connect(&f, &c);
        server_send(&c,
                "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\nExpect: 100-Continue\r\n\r\n");
        assert_true(http_raw_wait(&c, "HTTP/1.1 100 Continue\r\n\r\n", 1, 1000));
        assert_int_equal(f.requests, 0);
        server_send(&c, "abc");
        assert_true(http_raw_wait(&c, "body=[abc]", 1, 1000));
        /* not where the body is refused */
        server_send(&c, "POST /limited HTTP/1.1\r\n" HOST
                        "Content-Length: 11\r\nExpect: 100-continue\r\n\r\n");
        assert_true(http_raw_wait(&c, "HTTP/1.1 413 Content Too Large\r\n", 1, 1000));
        assert_int_equal(http_raw_count(&c, " 100 "), 1);
        http_raw_close(&c);
        /* nor where it has come, nor by HTTP/1.0 */
        server_talk(&f, &c,
                STR("POST /echo HTTP/1.1\r\n" HOST "Connection: close\r\n"
                    "Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc"));
        assert_int_equal(http_raw_count(&c, "HTTP/1.1 "), 1);
        http_raw_close(&c);
        server_connect(&f, &c);
        server_send(&c, "POST /echo HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
        server_run(&f, 50);
        assert_false(http_raw_read(&c));
        http_raw_close(&c);
        server_end(&f);
}

/* ---- who hangs up ---- */

static void test_hang_up(void **state)
{
        struct server_fixture f;
        struct http_raw c[4];
        static const char *const begun[] = {"", "GET /echo HT",
                "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\nabc", LATER};

        (void)state;
        server_begin(&f, NULL);
        for (int reset = 0; reset < 2; reset++) {
                for (int i = 0; i < 4; i++) {
                        server_connect(&f, &c[i]);
                        server_send(&c[i], begun[i]);
                }
                wait_requests(&f, reset + 1);
                for (int i = 0; i < 4; i++) {
                        struct linger now = {.l_onoff = reset};
                        setsockopt(c[i].fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
                        http_raw_close(&c[i]);
                }
                wait_open(&f, 1);
                assert_int_equal(server_stats(&f).open_exchanges, 1);
                assert_string_equal(http_exchange_header(f.held[reset], "host"), "h");
                answer(&f, reset, "nobody listens");
                wait_open(&f, 0);
                assert_int_equal(server_stats(&f).open_exchanges, 0);
        }
        server_end(&f);
}

/* In the middle of a reply. */
static void test_hang_up_in_reply(void **state)
{
        struct server_fixture f;
        struct http_raw c;

        (void)state;
        server_begin(&f, NULL);
        server_connect(&f, &c);
        server_send(&c, "GET /big HTTP/1.1\r\n" HOST "\r\n");
        assert_true(http_raw_wait(&c, "bbb", 1, 1000));
        http_raw_close(&c);
        wait_open(&f, 0);
        server_end(&f);
}

/* The whole of a large reply comes to who reads; who does not, is hung up on. */
static void test_big(void **state)
{
        struct server_fixture f;
        struct http_raw reader, sleeper;

        (void)state;
        server_begin(&f, &quick);
        server_connect(&f, &sleeper);
        server_send(&sleeper, "GET /big HTTP/1.1\r\n" HOST "\r\n");
        server_talk(&f, &reader, STR("GET /big HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"));
        assert_non_null(strstr(http_raw_text(&reader), "Content-Length: 8388608\r\n"));
        const char *body = strstr(http_raw_text(&reader), "\r\n\r\n") + 4;
        assert_int_equal(strlen(body), 8388608);
        wait_open(&f, 0);
        http_raw_wait_end(&sleeper, 3000);
        assert_true(sleeper.in.len < 8388608);
        http_raw_close(&reader);
        http_raw_close(&sleeper);
        server_end(&f);
}

/* ---- streams ---- */

static void test_stream(void **state)
{
        struct server_fixture f;
        struct http_raw c;

        (void)state;
        server_begin(&f, &quick);
        server_connect(&f, &c);
        server_send(&c, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
        assert_true(http_raw_wait(&c, "Transfer-Encoding: chunked\r\n", 1, 1000));
        assert_true(http_exchange_send(f.held[0], STR("one")));
        assert_true(http_raw_wait(&c, "3\r\none\r\n", 1, 1000));
        server_run(&f, 900);   /* a stream may be silent */
        server_send(&c, ECHO); /* and the client talk: nobody listens */
        assert_true(http_exchange_send(f.held[0], STR("")));
        assert_true(http_exchange_send(f.held[0], STR("two")));
        assert_true(http_raw_wait(&c, "3\r\ntwo\r\n", 1, 1000));
        assert_int_equal(server_stats(&f).open_exchanges, 1);
        http_exchange_end(f.held[0]);
        assert_true(http_raw_wait_end(&c, 1000));
        assert_non_null(strstr(http_raw_text(&c), "two\r\n0\r\n\r\n"));
        assert_int_equal(http_raw_count(&c, "HTTP/1."), 1);
        assert_int_equal(f.closed, 0);
        assert_int_equal(server_stats(&f).open_exchanges, 0);
        http_raw_close(&c);
        server_end(&f);
}

/* HTTP/1.0 knows no chunks, HEAD no body. */
static void test_stream_plain(void **state)
{
        static const char *const requests[] = {
                "GET /stream HTTP/1.0\r\n\r\n", "HEAD /stream HTTP/1.1\r\n" HOST "\r\n"};

        (void)state;
        for (int i = 0; i < 2; i++) {
                struct server_fixture f;
                struct http_raw c;
                server_begin(&f, NULL);
                server_connect(&f, &c);
                server_send(&c, requests[i]);
                assert_true(http_raw_wait(&c, "\r\n\r\n", 1, 1000));
                assert_true(http_exchange_send(f.held[0], STR("one")));
                server_run(&f, 20);
                http_exchange_end(f.held[0]);
                assert_true(http_raw_wait_end(&c, 1000));
                assert_string_equal(strstr(http_raw_text(&c), "\r\n\r\n") + 4, i == 0 ? "one" : "");
                assert_int_equal(server_stats(&f).open, 0);
                http_raw_close(&c);
                server_end(&f);
        }
}

static void test_stream_hang_up(void **state)
{
        struct server_fixture f;
        struct http_raw c;

        (void)state;
        for (int reset = 0; reset < 2; reset++) {
                struct linger now = {.l_onoff = reset};
                server_begin(&f, NULL);
                server_connect(&f, &c);
                server_send(&c, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
                wait_requests(&f, 1);
                assert_true(http_raw_wait(&c, "chunked", 1, 1000));
                setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
                http_raw_close(&c);
                for (int i = 0; i < 1000 && !f.closed; i++)
                        server_run(&f, 1);
                assert_int_equal(f.closed, 1);
                assert_int_equal(server_stats(&f).open_exchanges, 0);
                server_end(&f);
        }
}

/* 256 KiB wait for who does not read, and not a byte more; after some time it is hung up on. */
static void test_stream_unread(void **state)
{
        static char piece[10000];
        struct server_fixture f;
        struct http_raw c;
        size_t taken = 0;

        (void)state;
        memset(piece, 's', sizeof(piece));
        server_begin(&f, &quick);
        server_connect(&f, &c);
        server_send(&c, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
        wait_requests(&f, 1);
        while (http_exchange_send(f.held[0], (struct str){piece, sizeof(piece)}))
                taken += sizeof(piece);
        assert_in_range(taken, 240000, 256 << 10);
        for (int i = 0; i < 5000 && !f.closed; i++) {
                server_run(&f, 1);
                while (!f.closed && http_exchange_send(f.held[0], (struct str){piece, 10000}))
                        taken += sizeof(piece);
        }
        assert_int_equal(f.closed, 1);
        assert_true(taken < 32 << 20); /* the kernel's buffers */
        http_raw_close(&c);
        server_end(&f);
}

/* Ended, or sent to, in the same turn in which its client has gone. */
static void test_stream_races(void **state)
{
        struct server_fixture f;
        struct http_raw c;

        (void)state;
        server_begin(&f, NULL);
        server_connect(&f, &c);
        server_send(&c, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
        wait_requests(&f, 1);
        http_raw_close(&c);
        assert_true(http_exchange_send(f.held[0], STR("x")));
        http_exchange_end(f.held[0]);
        wait_open(&f, 0);
        assert_int_equal(f.closed, 0);
        /* a client that was gone before its stream began */
        server_connect(&f, &c);
        server_send(&c, LATER);
        wait_requests(&f, 2);
        server_end(&f);
        http_raw_close(&c);
}

/* ---- how many ---- */

/* Return: whether there can be @count descriptors. */
static bool raise_descriptors(unsigned count)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_max < count)
                return false;
        if (limit.rlim_cur < count)
                limit.rlim_cur = count;
        return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

/* Idle ones go, those idle longest first; one that is working stays. */
static void test_idle_make_room(void **state)
{
        enum { COUNT = 1100, LIMIT = 1000 };
        static struct http_raw c[COUNT];
        struct server_fixture f;
        struct http_raw worker, late;
        struct http_server_options o = {.max_connections = LIMIT};

        (void)state;
        if (!raise_descriptors(2 * COUNT + 100))
                skip();
        server_begin(&f, &o);
        server_connect(&f, &worker);
        server_send(&worker, LATER);
        wait_requests(&f, 1);
        for (int i = 0; i < COUNT; i++) {
                server_connect(&f, &c[i]);
                if (i % 50 == 0)
                        server_run(&f, 0);
        }
        for (int i = 0; i < 3000 && server_stats(&f).connections <= COUNT; i++)
                server_run(&f, 1);
        assert_int_equal(server_stats(&f).open, LIMIT);
        for (int i = 0; i < COUNT; i++)
                http_raw_read(&c[i]);
        for (int i = 0; i < COUNT; i++)
                assert_int_equal(c[i].eof, i < COUNT - LIMIT + 1);
        server_talk(&f, &late, STR("GET /echo HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"));
        assert_non_null(strstr(http_raw_text(&late), OK));
        answer(&f, 0, "still here");
        assert_true(http_raw_wait(&worker, "still here", 1, 1000));
        assert_int_equal(server_stats(&f).refused, 0);
        for (int i = 0; i < COUNT; i++)
                http_raw_close(&c[i]);
        http_raw_close(&worker);
        http_raw_close(&late);
        wait_open(&f, 0);
        server_end(&f);
}

/* None is idle: new ones are told so. */
static void test_too_many(void **state)
{
        struct server_fixture f;
        struct http_raw c[5];
        struct http_server_options o = {.max_connections = 3};

        (void)state;
        server_begin(&f, &o);
        for (int i = 0; i < 3; i++) {
                server_connect(&f, &c[i]);
                server_send(&c[i], i == 1 ? "GET /ec" : LATER);
        }
        wait_requests(&f, 2);
        server_talk(&f, &c[3], STR(ECHO));
        assert_non_null(strstr(http_raw_text(&c[3]), "HTTP/1.1 503 Service Unavailable\r\n"));
        assert_non_null(strstr(http_raw_text(&c[3]), "\r\nRetry-After: 1\r\n"));
        assert_non_null(strstr(http_raw_text(&c[3]), "\r\n\r\n{\"error\":503}"));
        assert_true(c[3].eof && !c[3].reset);
        assert_int_equal(server_stats(&f).refused, 1);
        answer(&f, 0, "done");
        assert_true(http_raw_wait(&c[0], "done", 1, 1000));
        server_connect(&f, &c[4]); /* the first one is idle now */
        server_send(&c[4], ECHO);
        assert_true(http_raw_wait(&c[4], OK, 1, 1000));
        assert_true(http_raw_wait_end(&c[0], 1000));
        for (int i = 0; i < 5; i++)
                http_raw_close(&c[i]);
        server_end(&f);
}

/* Bodies of all requests together are bounded: eight times what one may have. */
static void test_bodies_together(void **state)
{
        enum { COUNT = 10, BODY = 100000 };
        static char body[BODY];
        struct server_fixture f;
        struct http_raw c[COUNT];
        struct http_server_options o = {.max_body = BODY};
        int refused = 0;

        (void)state;
        memset(body, 'x', sizeof(body));
        server_begin(&f, &o);
        for (int i = 0; i < COUNT; i++) {
                server_connect(&f, &c[i]);
                server_send(&c[i], "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n");
                http_raw_send(&c[i], (struct str){body, BODY - 1});
                server_run(&f, 20);
        }
        for (int i = 0; i < COUNT; i++) {
                server_send(&c[i], "x");
                server_run(&f, 20);
                http_raw_read(&c[i]);
                refused += http_raw_count(&c[i], "HTTP/1.1 503 ");
                assert_int_equal(http_raw_count(&c[i], "HTTP/1.1 "), 1);
        }
        assert_in_range(refused, 1, 3);
        for (int i = 0; i < COUNT; i++)
                http_raw_close(&c[i]);
        server_end(&f);
}

static int64_t cpu_us(const struct rusage *u)
{
        return (u->ru_utime.tv_sec + u->ru_stime.tv_sec) * INT64_C(1000000) + u->ru_utime.tv_usec +
               u->ru_stime.tv_usec;
}

/* accept() fails: the loop does not spin, and goes on when there are descriptors again. */
static void test_no_descriptors(void **state)
{
        struct server_fixture f;
        struct http_raw c;
        struct rlimit before, none;
        struct rusage begin, end;

        (void)state;
        server_begin(&f, NULL);
        server_connect(&f, &c); /* in the kernel's queue */
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = before;
        none.rlim_cur = 3;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        getrusage(RUSAGE_SELF, &begin);
        server_run(&f, 1000);
        getrusage(RUSAGE_SELF, &end);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(server_stats(&f).connections, 0);
        assert_true(cpu_us(&end) - cpu_us(&begin) < 100000); /* of a second; a spin takes its all */
        server_send(&c, ECHO);
        assert_true(http_raw_wait(&c, OK, 1, 1000));
        http_raw_close(&c);
        server_end(&f);
}

/* ---- the end ---- */

static void test_stop(void **state)
{
        struct server_fixture f;
        struct http_raw idle, worker, begun, stream;

        (void)state;
        server_begin(&f, NULL);
        server_connect(&f, &idle);
        server_connect(&f, &worker);
        server_connect(&f, &begun);
        server_connect(&f, &stream);
        server_send(&worker, LATER);
        wait_requests(&f, 1);
        server_send(&stream, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
        server_send(&begun, "GET /echo HTTP/1.1\r\nHo");
        wait_requests(&f, 2);
        http_server_stop(f.server);
        assert_true(http_raw_wait_end(&idle, 1000));
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in a = {.sin_family = AF_INET,
                .sin_port = htons((uint16_t)http_server_port(f.server)),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), -1);
        close(fd);
        answer(&f, 0, "finished");
        http_exchange_end(f.held[1]);
        server_send(&begun, "st: h\r\n\r\n");
        assert_true(http_raw_wait_end(&worker, 1000));
        assert_true(http_raw_wait_end(&begun, 1000));
        assert_true(http_raw_wait_end(&stream, 1000));
        assert_int_equal(http_raw_count(&worker, "Connection: close\r\n"), 1);
        assert_int_equal(http_raw_count(&begun, "Connection: close\r\n"), 1);
        assert_int_equal(server_stats(&f).open, 0);
        http_raw_close(&idle);
        http_raw_close(&worker);
        http_raw_close(&begun);
        http_raw_close(&stream);
        server_end(&f);
}

/* Freed with connections in every state. */
static void test_freed(void **state)
{
        static const char *const begun[] = {"", "GET /e", LATER,
                "GET /stream HTTP/1.1\r\n" HOST "\r\n", "GET /big HTTP/1.1\r\n" HOST "\r\n",
                "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\nabc", "BAD\r\n"};
        enum { COUNT = sizeof(begun) / sizeof(*begun) };
        struct server_fixture f;
        struct http_raw c[COUNT], unseen;

        (void)state;
        server_begin(&f, NULL);
        for (int i = 0; i < COUNT; i++) {
                server_connect(&f, &c[i]);
                server_send(&c[i], begun[i]);
        }
        wait_requests(&f, 3);
        server_run(&f, 5);
        server_connect(&f, &unseen);
        server_end(&f);
        for (int i = 0; i < COUNT; i++)
                http_raw_close(&c[i]);
        http_raw_close(&unseen);
}

/* ---- where it listens ---- */

static int try_listen(const char *address, int fd, struct err *e)
{
        cleanup_(loop_freep) struct loop *l = NULL;
        cleanup_(http_server_freep) struct http_server *s = NULL;
        const struct http_server_options o = {.listen = address, .fd = fd};

        assert_int_equal(loop_new(&l, e), 0);
        return http_server_new(l, &o, NULL, &s, e);
}

static void test_addresses(void **state)
{
        static const char *const bad[] = {"", "8090", ":8090", "127.0.0.1",
                "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1", "::1:80", "[]:80",
                "[::1]", "127.0.0.1:80 ", "no such host:80"};
        static const char *const good[] = {"127.0.0.1:0", "localhost:0", "0.0.0.0:0"};
        struct server_fixture f;
        char taken[32];
        struct err e;

        (void)state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
                e = (struct err){0};
                assert_int_equal(try_listen(bad[i], -1, &e), -ERR_CONFIG);
                assert_non_null(strstr(e.text, bad[i]));
        }
        for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
                assert_int_equal(try_listen(good[i], -1, &e), 0);
        assert_int_equal(try_listen("192.0.2.1:0", -1, &e), -ERR_RETRY); /* it may come later */
        assert_non_null(strstr(e.text, "does not have that address"));
        server_begin(&f, NULL);
        snprintf(taken, sizeof(taken), "127.0.0.1:%d", http_server_port(f.server));
        assert_int_equal(try_listen(taken, -1, &e), -ERR_RETRY);
        assert_non_null(strstr(e.text, "another process listens there"));
        server_end(&f);
        assert_int_equal(try_listen("127.0.0.1:0", STDERR_FILENO, &e), -ERR_CONFIG);
}

/* A socket from outside: IPv6 where there is any, and the file of a Unix socket. */
static void ask_given(int fd, const struct sockaddr *a, socklen_t len, const char *peer)
{
        struct server_fixture f;
        struct http_server_options o = {.fd = fd};
        struct http_raw c = {.in = BUF_INIT(1 << 20)};

        server_begin(&f, &o);
        c.loop = f.loop;
        c.fd = socket(a->sa_family, SOCK_STREAM, 0);
        assert_int_equal(connect(c.fd, a, len), 0);
        server_send(&c, ECHO);
        assert_true(http_raw_wait(&c, OK, 1, 1000));
        if (!http_raw_count(&c, peer))
                fail_msg("not \"%s\": %s", peer, http_raw_text(&c));
        http_raw_close(&c);
        server_end(&f);
}

static void test_given_ipv6(void **state)
{
        struct sockaddr_in6 a = {.sin6_family = AF_INET6};
        struct sockaddr_in four = {
                .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof(a);

        (void)state;
        for (int i = 0; i < 2; i++) {
                int fd = socket(AF_INET6, SOCK_STREAM, 0);
                if (fd < 0)
                        skip();
                a.sin6_addr = i == 0 ? in6addr_loopback : in6addr_any;
                a.sin6_port = 0;
                if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
                        close(fd);
                        skip();
                }
                assert_int_equal(listen(fd, 5), 0);
                assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
                four.sin_port = a.sin6_port;
                if (i == 0)
                        ask_given(fd, (struct sockaddr *)&a, sizeof(a), " from ::1\n");
                else
                        ask_given(fd, (struct sockaddr *)&four, sizeof(four), " from 127.0.0.1\n");
        }
}

static void test_given_unix(void **state)
{
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        char folder[] = "/tmp/http-server-XXXXXX";
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        (void)state;
        assert_non_null(mkdtemp(folder));
        snprintf(a.sun_path, sizeof(a.sun_path), "%s/socket", folder);
        assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
        assert_int_equal(listen(fd, 5), 0);
        ask_given(fd, (struct sockaddr *)&a, sizeof(a), " from unix\n");
        unlink(a.sun_path);
        rmdir(folder);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_slow),
                cmocka_unit_test(test_idle),
                cmocka_unit_test(test_long_work),
                cmocka_unit_test(test_pipeline),
                cmocka_unit_test(test_pipeline_waits),
                cmocka_unit_test(test_half_closed),
                cmocka_unit_test(test_expect),
                cmocka_unit_test(test_hang_up),
                cmocka_unit_test(test_hang_up_in_reply),
                cmocka_unit_test(test_big),
                cmocka_unit_test(test_stream),
                cmocka_unit_test(test_stream_plain),
                cmocka_unit_test(test_stream_hang_up),
                cmocka_unit_test(test_stream_unread),
                cmocka_unit_test(test_stream_races),
                cmocka_unit_test(test_idle_make_room),
                cmocka_unit_test(test_too_many),
                cmocka_unit_test(test_bodies_together),
                cmocka_unit_test(test_no_descriptors),
                cmocka_unit_test(test_stop),
                cmocka_unit_test(test_freed),
                cmocka_unit_test(test_addresses),
                cmocka_unit_test(test_given_ipv6),
                cmocka_unit_test(test_given_unix),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
