/*
 * bench http_server: what a request, and an idle connection, cost our HTTP server.
 *
 *   http_server [REQUESTS [CONNECTIONS]]
 *
 * The server runs in this process, its clients in another one, which asks REQUESTS times for a
 * small reply: over one kept connection, then over CONNECTIONS of them in turn. Prints one JSON
 * object: requests a second, microseconds of the server's CPU a request, and bytes of anonymous
 * memory an idle connection.
 *
 *   http_server serve      only serves, on a port that it prints: for wrk and its like
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "ingest/base/clock.h"
#include "ingest/loop/http_server.h"

#define REPLY_MAX 4096

struct bench {
        struct loop *loop;
        struct http_server *server;
        uint64_t wanted_requests, requests;
        bool done;
};

static void must(bool ok, const char *what)
{
        if (!ok) {
                perror(what);
                exit(70);
        }
}

static void on_request(void *ctx, struct http_exchange *x)
{
        struct bench *b = ctx;

        b->requests++;
        b->done = b->requests == b->wanted_requests;
        http_exchange_reply(x, 200, "application/json", STR("{\"status\":\"ok\"}"));
}

static double cpu_s(void)
{
        struct rusage u;

        getrusage(RUSAGE_SELF, &u);
        return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
               (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static long anonymous_kb(void)
{
        FILE *f = fopen("/proc/self/status", "r");
        char line[256];
        long kb = 0;

        must(f != NULL, "/proc/self/status");
        while (fgets(line, sizeof(line), f))
                if (strncmp(line, "RssAnon:", 8) == 0)
                        kb = strtol(line + 8, NULL, 10);
        fclose(f);
        return kb;
}

/* ---- the clients ---- */

static int connect_to(int port)
{
        struct sockaddr_in a = {.sin_family = AF_INET,
                .sin_port = htons((uint16_t)port),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        must(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0, "connect");
        return fd;
}

static void ask(int fd)
{
        static const char request[] = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
        char reply[REPLY_MAX];

        must(send(fd, request, sizeof(request) - 1, 0) == sizeof(request) - 1, "send");
        must(recv(fd, reply, sizeof(reply), 0) > 0, "recv");
}

/* Connects, and asks when @control says so. */
static void run_clients(int port, int connections, int requests, int control)
{
        int *fds = calloc((size_t)connections, sizeof(*fds));
        char byte;

        must(fds != NULL, "memory");
        for (int i = 0; i < connections; i++)
                fds[i] = connect_to(port);
        must(read(control, &byte, 1) == 1, "read");
        for (int i = 0; i < requests; i++)
                ask(fds[i % connections]);
        must(read(control, &byte, 1) == 0, "read"); /* until the server has measured */
        free(fds);
}

/* ---- one measurement ---- */

static pid_t start_clients(struct bench *b, int connections, int requests, int *control)
{
        int pair[2];
        int port = http_server_port(b->server);

        must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
        pid_t child = fork();
        must(child >= 0, "fork");
        if (child == 0) {
                close(pair[0]);
                run_clients(port, connections, requests, pair[1]);
                _exit(0);
        }
        close(pair[1]);
        *control = pair[0];
        return child;
}

static void wait_connections(struct bench *b, unsigned wanted)
{
        struct http_server_stats s = {0};
        struct err e;

        while (s.open != wanted) {
                must(loop_sleep(b->loop, 1, &e) == 0, "loop");
                http_server_stats(b->server, &s);
        }
}

static void measure(struct bench *b, const char *name, int connections, int requests)
{
        struct err e;
        long before_kb = anonymous_kb();
        int control = -1, status = 0;
        pid_t child = start_clients(b, connections, requests, &control);

        wait_connections(b, (unsigned)connections);
        double idle = (double)(anonymous_kb() - before_kb) * 1024 / connections;
        b->requests = 0;
        b->done = false;
        b->wanted_requests = (uint64_t)requests;
        double cpu = cpu_s();
        int64_t begin = clock_monotonic_us();
        must(write(control, "g", 1) == 1, "write");
        must(loop_run_until(b->loop, &b->done, &e) == 0, "loop");
        double wall = (double)(clock_monotonic_us() - begin) / 1e6;
        cpu = cpu_s() - cpu;
        must(loop_sleep(b->loop, 20, &e) == 0, "loop"); /* the last reply */
        close(control);
        must(waitpid(child, &status, 0) == child && status == 0, "clients");
        wait_connections(b, 0);
        printf("\"%s\":{\"connections\":%d,\"requests_s\":%.0f,\"cpu_us\":%.2f", name, connections,
                requests / wall, cpu * 1e6 / requests);
        if (connections > 1) /* of one there is only what the first of all costs */
                printf(",\"idle_connection_bytes\":%.0f", idle);
        printf("}");
}

int main(int argc, char **argv)
{
        bool serve = argc > 1 && strcmp(argv[1], "serve") == 0;
        int requests = argc > 1 && !serve ? (int)strtol(argv[1], NULL, 10) : 50000;
        int connections = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 1000;
        struct bench b = {0};
        const struct http_server_options o = {.listen = "127.0.0.1:0",
                .fd = -1,
                .max_connections = connections + 1,
                .on_request = on_request,
                .ctx = &b};
        struct rlimit limit;
        struct err e;

        must(getrlimit(RLIMIT_NOFILE, &limit) == 0, "limit");
        limit.rlim_cur = limit.rlim_max;
        must(setrlimit(RLIMIT_NOFILE, &limit) == 0, "limit");
        must(loop_new(&b.loop, &e) == 0, "loop");
        must(http_server_new(b.loop, &o, NULL, &b.server, &e) == 0, "server");
        if (serve) {
                printf("%d\n", http_server_port(b.server));
                fflush(stdout);
                b.wanted_requests = UINT64_MAX;
                must(loop_run_until(b.loop, &b.done, &e) == 0, "loop");
        }
        printf("{");
        measure(&b, "many", connections, requests);
        printf(",");
        measure(&b, "one", 1, requests);
        printf("}\n");
        http_server_free(b.server);
        loop_free(b.loop);
        return 0;
}
