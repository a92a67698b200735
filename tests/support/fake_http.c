/*
 * One thread accepts, one thread serves each connection with blocking calls. fake_http_stop()
 * shuts the sockets down, which ends every blocking call, and joins the threads.
 */
#include "tests/support/fake_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 1024
#define MAX_INPUT       (256u << 20) /* bytes of a request */
#define CHUNK           7            /* bytes: small, so that every piece boundary occurs */

struct connection {
        struct fake_http *server;
        pthread_t thread;
        int fd, number;
        char *in; /* bytes that came and were not used yet */
        size_t len, cap;
};

struct fake_http {
        pthread_mutex_t mutex;
        pthread_t acceptor;
        int listener, port;
        bool stopping;
        const struct fake_reply *script;
        size_t script_len;
        fake_http_fn fn;
        void *ctx;
        struct connection connections[MAX_CONNECTIONS];
        int connection_count;
        struct fake_request requests[FAKE_HTTP_MAX_REQUESTS];
        char *memory[FAKE_HTTP_MAX_REQUESTS]; /* what the strings of requests[] point into */
        int request_count;
        char url[512];
};

static void must(bool ok, const char *what)
{
        if (!ok) {
                fprintf(stderr, "fake_http: %s: %s\n", what, strerror(errno));
                abort();
        }
}

/* Reads more of the connection. Return: false at its end. */
static bool read_more(struct connection *c)
{
        if (c->cap - c->len < 65536) {
                c->cap = c->cap ? c->cap * 2 : 131072;
                must(c->cap <= MAX_INPUT, "request too large");
                c->in = realloc(c->in, c->cap);
                must(c->in != NULL, "memory");
        }
        ssize_t n = recv(c->fd, c->in + c->len, c->cap - c->len - 1, 0);
        if (n <= 0)
                return false;
        c->len += (size_t)n;
        c->in[c->len] = '\0';
        return true;
}

static const char *find_header(const char *headers, const char *name, size_t *len)
{
        size_t n = strlen(name);

        for (const char *p = headers; p && *p; p = strstr(p, "\r\n")) {
                p += strncmp(p, "\r\n", 2) == 0 ? 2 : 0;
                if (strncasecmp(p, name, n) == 0 && p[n] == ':') {
                        p += n + 1 + strspn(p + n + 1, " ");
                        *len = strcspn(p, "\r\n");
                        return p;
                }
        }
        return NULL;
}

const char *fake_http_header(const struct fake_request *r, const char *name, char *out, size_t size)
{
        size_t len = 0;
        const char *value = find_header(r->headers, name, &len);

        snprintf(out, size, "%.*s", (int)len, value ? value : "");
        return out;
}

/* Splits the head at c->in (of @head bytes, blank line included) and the body behind it. */
static struct fake_request *record(struct connection *c, size_t head, size_t body)
{
        struct fake_http *f = c->server;
        char *m = malloc(head + body + 2);

        must(m != NULL, "memory");
        memcpy(m, c->in, head);
        m[head - 2] = '\0'; /* keeps the \r\n of the last header */
        memcpy(m + head, c->in + head, body);
        m[head + body] = '\0';
        char *path = strchr(m, ' '), *end = path ? strchr(path + 1, ' ') : NULL;
        char *line_end = strstr(m, "\r\n");
        must(end && line_end, "request line");
        *path = *end = '\0';
        pthread_mutex_lock(&f->mutex);
        int number = f->request_count++;
        must(number < FAKE_HTTP_MAX_REQUESTS, "too many requests");
        f->memory[number] = m;
        f->requests[number] = (struct fake_request){.number = number,
                .connection = c->number,
                .method = m,
                .path = path + 1,
                .headers = line_end + 2,
                .body = m + head,
                .body_len = body};
        pthread_mutex_unlock(&f->mutex);
        return &f->requests[number];
}

static struct fake_request *read_request(struct connection *c)
{
        char *end;
        size_t unused;

        while (!c->len || !(end = strstr(c->in, "\r\n\r\n")))
                if (!read_more(c))
                        return NULL;
        size_t head = (size_t)(end - c->in) + 4;
        const char *length = find_header(c->in, "Content-Length", &unused);
        size_t body = length && length < c->in + head ? strtoul(length, NULL, 10) : 0;
        while (c->len < head + body)
                if (!read_more(c))
                        return NULL;
        struct fake_request *r = record(c, head, body);
        c->len -= head + body;
        memmove(c->in, c->in + head + body, c->len + 1);
        return r;
}

static bool send_all(struct connection *c, const void *bytes, size_t n)
{
        const char *p = bytes;

        while (n > 0) {
                ssize_t w = send(c->fd, p, n, MSG_NOSIGNAL);
                if (w <= 0)
                        return false;
                p += w;
                n -= (size_t)w;
        }
        return true;
}

static bool send_chunks(struct connection *c, const char *body, size_t n)
{
        for (size_t i = 0; i < n; i += CHUNK) {
                char piece[CHUNK + 16];
                size_t len = n - i < CHUNK ? n - i : CHUNK;
                int size = snprintf(piece, sizeof(piece), "%zx\r\n", len);
                memcpy(piece + size, body + i, len); /* any bytes */
                memcpy(piece + size + len, "\r\n", 2);
                if (!send_all(c, piece, (size_t)size + len + 2))
                        return false;
        }
        return send_all(c, "0\r\n\r\n", 5);
}

static bool is_stopping(struct fake_http *f)
{
        pthread_mutex_lock(&f->mutex);
        bool stopping = f->stopping;
        pthread_mutex_unlock(&f->mutex);
        return stopping;
}

static void wait_ms(struct fake_http *f, int ms)
{
        while (ms > 0 && !is_stopping(f)) {
                int part = ms < 20 ? ms : 20;
                poll(NULL, 0, part);
                ms -= part;
        }
}

/* Until the other side or fake_http_stop() closes the connection. */
static void hang(struct connection *c)
{
        char byte;

        while (recv(c->fd, &byte, 1, 0) > 0)
                ;
}

/* The kernel drops what it has and sends a RST when the socket is closed. */
static void reset_on_close(struct connection *c)
{
        struct linger now = {.l_onoff = 1, .l_linger = 0};

        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

/* Return: whether the connection lives on. */
static bool send_reply(
        struct connection *c, const struct fake_request *q, const struct fake_reply *r)
{
        char head[4096], length[64];
        size_t n = r->body_len ? r->body_len : r->body ? strlen(r->body) : 0;
        int status = r->status ? r->status : 200;

        snprintf(length, sizeof(length), "Content-Length: %zu\r\n", n);
        int len = snprintf(head, sizeof(head), "HTTP/1.1 %d Scripted\r\n%s%s%s\r\n", status,
                r->chunked ? "Transfer-Encoding: chunked\r\n" : length,
                r->close ? "Connection: close\r\n" : "", r->headers ? r->headers : "");
        must(len < (int)sizeof(head), "headers too long");
        if (r->fault == FAKE_HALF_HEAD)
                return send_all(c, head, (size_t)len / 2) && false;
        if (r->fault == FAKE_RAW)
                return send_all(c, r->body, n) && false;
        if (!send_all(c, head, (size_t)len))
                return false;
        if (strcmp(q->method, "HEAD") == 0)
                return !r->close;
        if (r->fault == FAKE_HALF || r->fault == FAKE_STALL) {
                send_all(c, r->body, n / 2);
                if (r->fault == FAKE_STALL)
                        hang(c);
                return false;
        }
        return (r->chunked ? send_chunks(c, r->body, n) : send_all(c, r->body, n)) && !r->close;
}

static bool answer(struct connection *c, const struct fake_request *q)
{
        struct fake_http *f = c->server;
        struct fake_reply r = {.status = 404, .body = "the script is over"};

        if (f->fn) {
                r = (struct fake_reply){0};
                f->fn(f->ctx, q, &r);
        } else if ((size_t)q->number < f->script_len) {
                r = f->script[q->number];
        }
        wait_ms(f, r.delay_ms);
        bool alive = false;
        switch (r.fault) {
        case FAKE_CLOSE:
                break;
        case FAKE_RESET:
                reset_on_close(c);
                break;
        case FAKE_HANG:
                hang(c);
                break;
        default:
                alive = send_reply(c, q, &r);
        }
        if (r.owned)
                free((void *)r.body);
        return alive;
}

static void *serve(void *ctx)
{
        struct connection *c = ctx;
        const struct fake_request *q;

        while ((q = read_request(c)) && answer(c, q))
                ;
        pthread_mutex_lock(&c->server->mutex);
        close(c->fd);
        c->fd = -1;
        pthread_mutex_unlock(&c->server->mutex);
        free(c->in);
        return NULL;
}

static void *accept_all(void *ctx)
{
        struct fake_http *f = ctx;

        for (;;) {
                int fd = accept(f->listener, NULL, NULL);
                pthread_mutex_lock(&f->mutex);
                if (fd < 0 || f->stopping) {
                        pthread_mutex_unlock(&f->mutex);
                        if (fd >= 0)
                                close(fd);
                        return NULL;
                }
                must(f->connection_count < MAX_CONNECTIONS, "too many connections");
                struct connection *c = &f->connections[f->connection_count];
                *c = (struct connection){.server = f, .fd = fd, .number = f->connection_count++};
                must(pthread_create(&c->thread, NULL, serve, c) == 0, "thread");
                pthread_mutex_unlock(&f->mutex);
        }
}

static struct fake_http *start(void)
{
        struct fake_http *f = calloc(1, sizeof(*f));
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof(a);

        must(f != NULL, "memory");
        pthread_mutex_init(&f->mutex, NULL);
        f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        must(f->listener >= 0, "socket");
        must(bind(f->listener, (struct sockaddr *)&a, sizeof(a)) == 0, "bind");
        must(listen(f->listener, 64) == 0, "listen");
        must(getsockname(f->listener, (struct sockaddr *)&a, &len) == 0, "getsockname");
        f->port = ntohs(a.sin_port);
        return f;
}

static void run(struct fake_http *f)
{
        must(pthread_create(&f->acceptor, NULL, accept_all, f) == 0, "thread");
}

struct fake_http *fake_http_start(const struct fake_reply *script, size_t count)
{
        struct fake_http *f = start();

        f->script = script;
        f->script_len = count;
        run(f);
        return f;
}

struct fake_http *fake_http_start_handler(fake_http_fn fn, void *ctx)
{
        struct fake_http *f = start();

        f->fn = fn;
        f->ctx = ctx;
        run(f);
        return f;
}

void fake_http_stop(struct fake_http *f)
{
        pthread_mutex_lock(&f->mutex);
        f->stopping = true;
        shutdown(f->listener, SHUT_RDWR); /* ends accept() */
        for (int i = 0; i < f->connection_count; i++)
                if (f->connections[i].fd >= 0)
                        shutdown(f->connections[i].fd, SHUT_RDWR);
        pthread_mutex_unlock(&f->mutex);
        pthread_join(f->acceptor, NULL);
        for (int i = 0; i < f->connection_count; i++)
                pthread_join(f->connections[i].thread, NULL);
        close(f->listener);
        for (int i = 0; i < f->request_count; i++)
                free(f->memory[i]);
        pthread_mutex_destroy(&f->mutex);
        free(f);
}

int fake_http_port(const struct fake_http *f)
{
        return f->port;
}

const char *fake_http_url(struct fake_http *f, const char *path)
{
        snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%d%s", f->port, path);
        return f->url;
}

int fake_http_count(struct fake_http *f)
{
        pthread_mutex_lock(&f->mutex);
        int n = f->request_count;
        pthread_mutex_unlock(&f->mutex);
        return n;
}

int fake_http_connections(struct fake_http *f)
{
        pthread_mutex_lock(&f->mutex);
        int n = f->connection_count;
        pthread_mutex_unlock(&f->mutex);
        return n;
}

const struct fake_request *fake_http_request(struct fake_http *f, int number)
{
        return number >= 0 && number < fake_http_count(f) ? &f->requests[number] : NULL;
}
