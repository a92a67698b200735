/*
 * bench pages: what our HTTP and REST clients add to libcurl's own time, for many small pages.
 *
 *   pages [PAGES [BYTES [ROUNDS]]]
 *
 * A server of its own (another process) answers PAGES requests over one connection; they are asked
 * for one after the other by libcurl alone (one easy handle, used again), by ingest/loop/http and
 * by ingest/source/rest_client, in turns, so that all meet the same weather. Prints one JSON
 * object: microseconds a page, of the wall and of this process (best of ROUNDS), and how they
 * compare.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <curl/curl.h>

#include "ingest/base/clock.h"
#include "ingest/source/rest/client.h"

#define MAX_BODY (1 << 20)

struct bench {
        struct loop *loop;
        struct http *http;
        struct rest_client *rest;
        CURL *easy;
        char url[128];
        int pages, left;
        size_t expected, bytes;
        bool done, failed;
        struct err err;
};

/* ---- the server ---- */

/* Answers whatever ends in a blank line; requests have no bodies. */
static void serve_connection(int fd, const char *reply, size_t len)
{
        char in[16384];
        size_t have = 0;

        for (;;) {
                ssize_t n = recv(fd, in + have, sizeof(in) - 1 - have, 0);
                if (n <= 0)
                        return;
                have += (size_t)n;
                in[have] = '\0';
                if (!strstr(in, "\r\n\r\n"))
                        continue;
                have = 0;
                if (send(fd, reply, len, MSG_NOSIGNAL) < (ssize_t)len)
                        return;
        }
}

static pid_t start_server(size_t body, int *port)
{
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof(a);
        int listener = socket(AF_INET, SOCK_STREAM, 0);
        char *reply = calloc(1, body + 512);

        if (listener < 0 || !reply || bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
                listen(listener, 8) < 0 || getsockname(listener, (struct sockaddr *)&a, &size) < 0)
                exit(1);
        *port = ntohs(a.sin_port);
        int head = snprintf(reply, 512,
                "HTTP/1.1 200 OK\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\nServer: bench\r\n"
                "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                body);
        memset(reply + head, 'x', body);
        pid_t pid = fork();
        if (pid != 0) {
                close(listener);
                free(reply);
                return pid;
        }
        for (int fd; (fd = accept(listener, NULL, NULL)) >= 0; close(fd))
                serve_connection(fd, reply, (size_t)head + body);
        _exit(0);
}

/* ---- the clients ---- */

static size_t on_curl_body(char *bytes, size_t size, size_t count, void *ctx)
{
        struct bench *b = ctx;

        (void)bytes;
        b->bytes += size * count;
        return size * count;
}

static bool run_curl(struct bench *b)
{
        for (int i = 0; i < b->pages; i++)
                if (curl_easy_perform(b->easy) != CURLE_OK)
                        return false;
        return true;
}

static int on_body(void *ctx, struct str bytes, struct err *e)
{
        struct bench *b = ctx;

        (void)e;
        b->bytes += bytes.len;
        return 0;
}

static void http_next(struct bench *b);

static void on_http_done(void *ctx, const struct http_reply *reply)
{
        struct bench *b = ctx;

        if (reply->rc < 0) {
                b->err = reply->err;
                b->failed = b->done = true;
        } else if (--b->left == 0) {
                b->done = true;
        } else {
                http_next(b);
        }
}

static void http_next(struct bench *b)
{
        const struct http_request q = {.method = "GET",
                .url = b->url,
                .headers = {"Accept: application/json"},
                .on_body = on_body,
                .on_done = on_http_done,
                .ctx = b};

        if (http_start(b->http, &q, NULL, &b->err) < 0)
                b->failed = b->done = true;
}

static void rest_next(struct bench *b);

static void on_rest_done(void *ctx, const struct rest_reply *reply)
{
        struct bench *b = ctx;

        if (reply->rc < 0) {
                b->err = reply->err;
                b->failed = b->done = true;
        } else if (--b->left == 0) {
                b->done = true;
        } else {
                rest_next(b);
        }
}

static void rest_next(struct bench *b)
{
        static const char *const headers[] = {"Accept: application/json", NULL};
        const struct rest_request q = {.method = "GET",
                .url = b->url,
                .headers = headers,
                .on_body = on_body,
                .on_done = on_rest_done,
                .ctx = b};

        if (rest_client_send(b->rest, &q, NULL, &b->err) < 0)
                b->failed = b->done = true;
}

static bool run_ours(struct bench *b, void (*next)(struct bench *b))
{
        b->left = b->pages;
        b->done = b->failed = false;
        next(b);
        int rc = loop_run_until(b->loop, &b->done, &b->err);
        return rc == 0 && !b->failed;
}

static bool run_http(struct bench *b)
{
        return run_ours(b, http_next);
}

static bool run_rest(struct bench *b)
{
        return run_ours(b, rest_next);
}

/* ---- figures ---- */

static double cpu_us(void)
{
        struct rusage u;

        getrusage(RUSAGE_SELF, &u);
        return 1e6 * (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
               (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

struct figure {
        const char *name;
        bool (*run)(struct bench *b);
        double wall_us, cpu_us; /* a page */
};

static void measure(struct bench *b, struct figure *f)
{
        int64_t began = clock_monotonic_us();
        double cpu = cpu_us();

        b->bytes = 0;
        if (!f->run(b) || b->bytes != b->expected) {
                fprintf(stderr, "%s: %s (%zu of %zu bytes)\n", f->name, b->err.text, b->bytes,
                        b->expected);
                exit(1);
        }
        double wall = (double)(clock_monotonic_us() - began) / b->pages;
        cpu = (cpu_us() - cpu) / b->pages;
        if (f->wall_us == 0 || wall < f->wall_us)
                f->wall_us = wall;
        if (f->cpu_us == 0 || cpu < f->cpu_us)
                f->cpu_us = cpu;
}

static void print_figures(const struct bench *b, const struct figure *f, size_t count)
{
        printf("{\"pages\": %d, \"bytes\": %zu", b->pages, b->expected / (size_t)b->pages);
        for (size_t i = 0; i < count; i++)
                printf(", \"%s\": {\"wall_us\": %.2f, \"cpu_us\": %.2f, \"wall_ratio\": %.3f, "
                       "\"cpu_ratio\": %.3f}",
                        f[i].name, f[i].wall_us, f[i].cpu_us, f[i].wall_us / f[0].wall_us,
                        f[i].cpu_us / f[0].cpu_us);
        printf("}\n");
}

static void set_up(struct bench *b, const struct rest_options *options, struct curl_slist *headers)
{
        const struct http_options http = {.compressed = true};

        b->easy = curl_easy_init();
        curl_easy_setopt(b->easy, CURLOPT_URL, b->url);
        curl_easy_setopt(b->easy, CURLOPT_WRITEFUNCTION, on_curl_body);
        curl_easy_setopt(b->easy, CURLOPT_WRITEDATA, b);
        curl_easy_setopt(b->easy, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(b->easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
        if (loop_new(&b->loop, &b->err) < 0 || http_new(b->loop, &http, &b->http, &b->err) < 0 ||
                rest_client_open(options, "bench", NULL, b->loop, NULL, &b->rest, &b->err) < 0) {
                fprintf(stderr, "%s\n", b->err.text);
                exit(1);
        }
}

int main(int argc, char **argv)
{
        struct bench b = {.pages = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 10000};
        size_t body = argc > 2 ? strtoul(argv[2], NULL, 10) : 4096;
        int rounds = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 5, port;
        struct figure figures[] = {{.name = "curl", .run = run_curl},
                {.name = "http", .run = run_http}, {.name = "rest", .run = run_rest}};
        const size_t count = sizeof(figures) / sizeof(*figures);

        if (b.pages < 1 || body < 1 || body > MAX_BODY || rounds < 1) {
                fprintf(stderr, "usage: pages [PAGES [BYTES [ROUNDS]]]\n");
                return 2;
        }
        b.expected = body * (size_t)b.pages;
        if (http_global_init(&b.err) < 0)
                return 1;
        pid_t servers[3];
        const char *const headers[] = {"Accept: application/json"};
        struct curl_slist *list = curl_slist_append(NULL, headers[0]);
        struct rest_options options = {
                .max_concurrent = 4, .retry_for_ms = 1000, .max_redirects = 5, .compressed = true};
        /* Each client has a server of its own: the one that waits keeps its connection. */
        struct bench each[3];
        for (size_t i = 0; i < count; i++) {
                servers[i] = start_server(body, &port);
                each[i] = b;
                snprintf(
                        each[i].url, sizeof(each[i].url), "http://127.0.0.1:%d/items?page=1", port);
                options.url = each[i].url;
                set_up(&each[i], &options, list);
        }
        for (int r = 0; r < rounds; r++)
                for (size_t i = 0; i < count; i++)
                        measure(&each[i], &figures[i]);
        print_figures(&each[0], figures, count);
        for (size_t i = 0; i < count; i++) {
                rest_client_close(each[i].rest);
                http_free(each[i].http);
                curl_easy_cleanup(each[i].easy);
                loop_free(each[i].loop);
                kill(servers[i], SIGKILL);
                waitpid(servers[i], NULL, 0);
        }
        curl_slist_free_all(list);
        http_global_cleanup();
        return 0;
}
