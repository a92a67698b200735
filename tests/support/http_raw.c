/* Sending what is larger than a socket's buffer needs the loop to run between pieces. */
#include "tests/support/http_raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "ingest/base/clock.h"

#define IN_MAX  (64 << 20)
#define SEND_MS 10000

static void must(bool ok, const char *what)
{
        if (!ok) {
                fprintf(stderr, "http_raw: %s: %s\n", what, strerror(errno));
                abort();
        }
}

static void turn(struct http_raw *c)
{
        struct err e;

        must(loop_sleep(c->loop, 1, &e) == 0, "loop");
}

void http_raw_connect(struct http_raw *c, struct loop *l, int port)
{
        struct sockaddr_in a = {.sin_family = AF_INET,
                .sin_port = htons((uint16_t)port),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

        *c = (struct http_raw){.loop = l, .in = BUF_INIT(IN_MAX)};
        c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        must(c->fd >= 0, "socket");
        must(connect(c->fd, (struct sockaddr *)&a, sizeof(a)) == 0, "connect");
}

void http_raw_close(struct http_raw *c)
{
        if (c->fd >= 0)
                close(c->fd);
        c->fd = -1;
        buf_deinit(&c->in);
}

void http_raw_send(struct http_raw *c, struct str bytes)
{
        int64_t until = clock_monotonic_ms() + SEND_MS;

        while (bytes.len > 0) {
                ssize_t n = send(c->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
                if (n < 0 && errno != EAGAIN) {
                        c->reset = true; /* recv() would not tell any more */
                        return;
                }
                if (n < 0) {
                        must(clock_monotonic_ms() < until, "the server does not read");
                        turn(c);
                        continue;
                }
                bytes = (struct str){bytes.ptr + n, bytes.len - (size_t)n};
        }
}

bool http_raw_read(struct http_raw *c)
{
        char bytes[65536];
        ssize_t n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

        if (n > 0)
                buf_put(&c->in, bytes, (size_t)n);
        c->eof = c->eof || n == 0;
        c->reset = c->reset || (n < 0 && errno != EAGAIN);
        return n > 0;
}

const char *http_raw_text(struct http_raw *c)
{
        return c->in.len ? buf_cstr(&c->in) : "";
}

int http_raw_count(struct http_raw *c, const char *needle)
{
        int count = 0;

        for (const char *p = http_raw_text(c); (p = strstr(p, needle)); p += strlen(needle))
                count++;
        return count;
}

bool http_raw_wait(struct http_raw *c, const char *needle, int times, int ms)
{
        int64_t until = clock_monotonic_ms() + ms;

        while (http_raw_count(c, needle) < times) {
                if (c->eof || c->reset || clock_monotonic_ms() > until)
                        return false;
                turn(c);
                while (http_raw_read(c))
                        ;
        }
        return true;
}

bool http_raw_wait_end(struct http_raw *c, int ms)
{
        int64_t until = clock_monotonic_ms() + ms;

        while (http_raw_read(c))
                ;
        while (!c->eof && !c->reset && clock_monotonic_ms() < until) {
                turn(c);
                while (http_raw_read(c))
                        ;
        }
        return c->eof || c->reset;
}
