/* Bytes to a real server, on a connection of their own, in pieces of random sizes. What comes back
 * must be HTTP to the last byte, and the connection must end when the client has said all. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "ingest/loop/http_server.h"

#define TURNS_MAX  20000 /* of the loop, for one input: more is a hang */
#define REPLIES    512
#define OUTPUT_MAX (4 << 20)

struct setting {
        struct loop *loop;
        struct http_server *server;
        struct sockaddr_un address;
        socklen_t address_len;
        bool head[REPLIES]; /* of the requests of this connection */
        int requests;
        struct http_exchange *held; /* answered in a later turn */
        bool stream, cut;           /* the client went before the stream's end */
};

static _Noreturn void fail(const char *what)
{
        fprintf(stderr, "fuzz_http_server: %s (%s)\n", what, strerror(errno));
        abort();
}

static void must(bool ok, const char *what)
{
        if (!ok)
                fail(what);
}

/* ---- the handler ---- */

static uint64_t touch(struct str s)
{
        uint64_t sum = s.len;

        for (size_t i = 0; i < s.len; i++)
                sum = sum * 31 + (unsigned char)s.ptr[i];
        return sum;
}

static uint64_t touch_all(struct http_exchange *x)
{
        struct str segments[5];
        struct str path = http_exchange_path(x), value = http_exchange_query(x, "a");
        size_t count = http_exchange_segments(x, segments, 5), sum = 0;
        const char *host = http_exchange_header(x, "Host");

        must(str_utf8_valid(path) && !memchr(path.ptr, '\0', path.len), "a path");
        must(path.len > 0 && (path.ptr[0] == '/' || str_is(path, "*")), "a path's begin");
        must(!value.ptr || (str_utf8_valid(value) && strlen(value.ptr) == value.len), "a value");
        for (size_t i = 0; i < count && i < 5; i++) {
                must(segments[i].ptr >= path.ptr &&
                                segments[i].ptr + segments[i].len <= path.ptr + path.len,
                        "a segment");
                sum += touch(segments[i]);
        }
        must(!host || strpbrk(host, "\r\n\t ") == NULL, "a host");
        return sum + touch(path) + touch(value) + touch(http_exchange_body(x));
}

static void on_close(void *ctx)
{
        struct setting *s = ctx;

        s->held = NULL;
        s->stream = false;
        s->cut = true;
}

static void on_request(void *ctx, struct http_exchange *x)
{
        struct setting *s = ctx;
        uint64_t sum = touch_all(x);

        must(s->requests < REPLIES && !s->held, "requests");
        s->head[s->requests++] = strcmp(http_exchange_method(x), "HEAD") == 0;
        http_exchange_set_header(x, "X-Sum", http_exchange_peer(x));
        http_exchange_set_header(x, "X-Bad", http_exchange_path(x).ptr);
        switch (sum % 5) {
        case 0:
                s->held = x;
                break;
        case 1:
                s->held = x;
                s->stream = true;
                http_exchange_stream(x, "text/event-stream", on_close, s);
                break;
        case 2:
                http_exchange_reply(x, 204, NULL, STR("no"));
                break;
        case 3:
                http_exchange_reply(x, 404, "text/plain", http_exchange_body(x));
                break;
        default:
                http_exchange_reply(x, 200, "text/plain", http_exchange_path(x));
        }
}

static void answer_held(struct setting *s)
{
        struct http_exchange *x = s->held;

        if (!x)
                return;
        if (s->stream) {
                http_exchange_send(x, STR("data: 1\n\n"));
                http_exchange_end(x);
        } else {
                http_exchange_reply(x, 200, "text/plain", http_exchange_path(x));
        }
        s->held = NULL;
        s->stream = false;
}

static size_t body_limit(void *ctx, struct http_exchange *x)
{
        (void)ctx;
        return http_exchange_header(x, "Authorization") ? 4096 : 64;
}

static struct str error_body(void *ctx, int status)
{
        (void)ctx;
        (void)status;
        return STR("{}");
}

/* ---- what comes back ---- */

static const char *line_end(const char *p, const char *end)
{
        for (; end - p >= 2; p++)
                if (p[0] == '\r' && p[1] == '\n')
                        return p;
        fail("a line without an end");
}

/* Return: behind the body. @cut: it may end between two chunks. */
static const char *skip_chunks(const char *p, const char *end, bool cut)
{
        while (!cut || p < end) {
                const char *stop = line_end(p, end);
                char *digits_end;
                unsigned long n = strtoul(p, &digits_end, 16);
                must(digits_end == stop && stop > p, "the size of a chunk");
                p = stop + 2 + n + 2;
                must(p <= end && memcmp(p - 2, "\r\n", 2) == 0, "a chunk");
                if (n == 0)
                        break;
        }
        return p;
}

struct reply {
        int status;
        long length;
        bool chunked, close;
};

static const char *skip_head(const char *p, const char *end, struct reply *r)
{
        const char *stop = line_end(p, end);

        *r = (struct reply){.length = -1};
        must(stop - p > 13 && memcmp(p, "HTTP/1.", 7) == 0 && (p[7] == '0' || p[7] == '1'),
                "a status line");
        r->status = (int)strtol(p + 9, NULL, 10);
        must(r->status >= 100 && r->status < 600, "a status");
        for (p = stop + 2; (stop = line_end(p, end)) > p; p = stop + 2) {
                must(memchr(p, ':', (size_t)(stop - p)) != NULL, "a header");
                if (strncmp(p, "Content-Length: ", 16) == 0)
                        r->length = strtol(p + 16, NULL, 10);
                r->chunked = r->chunked || strncmp(p, "Transfer-Encoding: chunked\r\n", 28) == 0;
                r->close = r->close || strncmp(p, "Connection: close\r\n", 19) == 0;
        }
        return stop + 2;
}

static const char *skip_reply(const char *p, const char *end, bool head, bool cut, bool *last)
{
        struct reply r;

        p = skip_head(p, end, &r);
        *last = r.close;
        if (r.status == 204 || r.status == 304 || head)
                return p;
        if (r.chunked)
                return skip_chunks(p, end, cut);
        if (r.length < 0 || (*last && p == end)) { /* HTTP/1.0; HEAD that was refused */
                must(r.close, "no length");
                return end;
        }
        must(end - p >= r.length, "a body that is cut short");
        return p + r.length;
}

static void check_output(const struct setting *s, const char *p, size_t len)
{
        const char *end = p + len;
        bool last = false;
        int number = 0;

        while (p < end) {
                if (end - p >= 25 && memcmp(p, "HTTP/1.1 100 Continue\r\n\r\n", 25) == 0) {
                        p += 25;
                        continue;
                }
                must(!last, "a reply after the last one");
                p = skip_reply(p, end, number < s->requests && s->head[number], s->cut, &last);
                number++;
        }
        must(number + s->cut >= s->requests && number <= s->requests + 1, "replies");
}

/* ---- the connection ---- */

static void turn(struct setting *s)
{
        struct err e;

        must(loop_sleep(s->loop, 0, &e) == 0, "loop");
}

static void begin(struct setting *s)
{
        struct http_server_options o = {.max_head = 2048,
                .max_body = 8192,
                .body_limit = body_limit,
                .on_request = on_request,
                .error_body = error_body,
                .ctx = s};
        struct err e;

        o.fd = socket(AF_UNIX, SOCK_STREAM, 0);
        s->address.sun_family = AF_UNIX; /* a name that the kernel picks */
        must(bind(o.fd, (struct sockaddr *)&s->address, sizeof(sa_family_t)) == 0, "bind");
        s->address_len = sizeof(s->address);
        must(getsockname(o.fd, (struct sockaddr *)&s->address, &s->address_len) == 0, "name");
        must(listen(o.fd, 16) == 0, "listen");
        must(loop_new(&s->loop, &e) == 0, "loop");
        must(http_server_new(s->loop, &o, NULL, &s->server, &e) == 0, "server");
}

/* The first byte seeds the sizes of the pieces. */
static void send_pieces(struct setting *s, int fd, const uint8_t *data, size_t size)
{
        unsigned random = size ? data[0] : 0;

        for (size_t i = 1; i < size;) {
                random = random * 1103515245 + 12345;
                size_t n = 1 + (random >> 16) % (random & 0x40000000 ? 8 : 600);
                n = n < size - i ? n : size - i;
                if (send(fd, data + i, n, MSG_NOSIGNAL) < 0)
                        return; /* hung up on */
                i += n;
                turn(s);
                if (random & 0x20000000)
                        answer_held(s);
        }
}

static size_t receive_all(struct setting *s, int fd, char *out)
{
        size_t len = 0;

        for (int turns = 0; turns < TURNS_MAX; turns++) {
                turn(s);
                ssize_t n = recv(fd, out + len, OUTPUT_MAX - len, MSG_DONTWAIT);
                if (n == 0 || (n < 0 && errno != EAGAIN))
                        return len;
                len += n > 0 ? (size_t)n : 0;
                must(len < OUTPUT_MAX, "too much output");
                answer_held(s);
        }
        fail("the connection does not end");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct setting s;
        static char out[OUTPUT_MAX];
        struct http_server_stats stats = {.open = 1};

        if (size > 8192)
                return 0;
        if (!s.server)
                begin(&s);
        s.requests = 0;
        s.cut = false;
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        must(connect(fd, (struct sockaddr *)&s.address, s.address_len) == 0, "connect");
        send_pieces(&s, fd, data, size);
        shutdown(fd, SHUT_WR);
        check_output(&s, out, receive_all(&s, fd, out));
        close(fd);
        for (int turns = 0; turns < TURNS_MAX && (stats.open || stats.open_exchanges); turns++) {
                turn(&s);
                answer_held(&s);
                http_server_stats(s.server, &stats);
        }
        must(stats.open == 0 && stats.open_exchanges == 0, "something is left");
        return 0;
}
