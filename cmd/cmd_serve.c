/*
 * erp2couch serve: the service and its HTTP interface, until a signal ends them.
 *
 * Signals are blocked in all threads and read from a descriptor by the service's loop: nothing is
 * ever interrupted, and what a signal asks for is done between two events.
 */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "cmd/cli.h"
#include "cmd/notify.h"
#include "cmd/service_file.h"
#include "ingest/base/clock.h"
#include "ingest/pipeline/lock.h"
#include "ingest/serve/api.h"
#include "ingest/serve/service.h"

#define ARENAS_MAX    2     /* of malloc: each keeps what its threads once needed */
#define STOP_EXTRA_MS 60000 /* what a manager waits beside stop_timeout: interrupted runs flush */
#define ANSWER_MS     2000  /* for the last replies to leave */
#define DESCRIPTORS   8192  /* twice what clients may have, and the rest for many runs */

struct serve {
        struct cli *cli;
        struct loop *loop;
        struct service *service;
        struct api *api;
        struct notify *notify; /* NULL: there is no manager */
        struct lock *lock;     /* no other service of this state */
        struct loop_timer *watchdog;
        int64_t watchdog_ms;
        int signals; /* descriptor */
        struct loop_fd *on_signals;
        bool is_ready, is_stopping, is_stopped;
};

/* ---- the manager ---- */

static void on_state(void *ctx, const char *line)
{
        struct serve *s = ctx;
        struct service_health health;

        service_health(s->service, &health);
        bool is_first = !s->is_ready && health.condition != SERVICE_STARTING && !s->is_stopping;
        s->is_ready |= is_first;
        notify_status(s->notify, is_first ? "READY=1\n" : "", line);
}

static void on_watchdog(void *ctx)
{
        struct serve *s = ctx;

        notify_send(s->notify, "WATCHDOG=1");
        loop_timer_set(s->watchdog, s->watchdog_ms / 2);
}

static int feed_watchdog(struct serve *s, struct err *e)
{
        s->watchdog_ms = s->notify ? notify_watchdog_ms() : 0;
        if (!s->watchdog_ms)
                return 0;
        int rc = loop_timer_new(s->loop, on_watchdog, s, &s->watchdog, e);
        if (!rc)
                on_watchdog(s);
        return rc;
}

static void on_config(void *ctx, const struct config *config)
{
        cli_set_log(((struct serve *)ctx)->cli, config);
}

static void on_reloaded(void *ctx, int rc, const struct err *e)
{
        const struct serve *s = ctx;

        (void)rc; /* the service has said it */
        (void)e;
        if (s->is_ready && !s->is_stopping)
                notify_send(s->notify, "READY=1");
}

/* ---- signals ---- */

static void on_stopped(void *ctx)
{
        ((struct serve *)ctx)->is_stopped = true;
}

static void stop(struct serve *s)
{
        int64_t patience = service_config(s->service)->serve.stop_timeout_ms + STOP_EXTRA_MS;

        if (!s->is_stopping)
                notify_send(s->notify, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRId64, patience * 1000);
        s->is_stopping = true;
        service_stop(s->service, on_stopped, s);
}

static void reload(struct serve *s)
{
        struct err e;

        if (s->is_ready) /* before that it is starting, and READY would say too much */
                notify_send(
                        s->notify, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_monotonic_us());
        if (service_reload(s->service, on_reloaded, s, &e) == 0)
                return;
        log_warn(s->cli->log, "%s", e.text);
        on_reloaded(s, 0, NULL);
}

static void on_signal(void *ctx, bool readable, bool writable)
{
        struct serve *s = ctx;
        struct signalfd_siginfo info;

        (void)readable;
        (void)writable;
        while (read(s->signals, &info, sizeof(info)) == sizeof(info)) {
                log_info(s->cli->log, "%s", strsignal((int)info.ssi_signo));
                if (info.ssi_signo != SIGHUP)
                        stop(s);
                else if (!s->is_stopping)
                        reload(s);
        }
}

static int take_signals(struct serve *s, struct err *e)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGHUP);
        pthread_sigmask(SIG_BLOCK, &set, NULL); /* threads to come inherit it */
        signal(SIGPIPE, SIG_IGN);               /* a closed connection is an error code */
        s->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
        if (s->signals < 0)
                return err_set_errno(e, ERR_SYSTEM, errno, "signalfd");
        int rc = loop_fd_new(s->loop, s->signals, on_signal, s, &s->on_signals, e);
        if (!rc)
                loop_fd_set(s->on_signals, true, false);
        return rc;
}

/* ---- from beginning to end ---- */

/* The usual 1024 are for programs that select(2): connections and runs may need more. */
static void raise_descriptors(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= DESCRIPTORS)
                return;
        limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
}

#define HOST_MAX 64 /* an address in digits */

/* "127.0.0.1:8090" of a socket that was given. Return: false: it is none of the network. */
static bool put_given(int fd, char out[SERVICE_ADDRESS_MAX])
{
        struct sockaddr_storage a = {0};
        socklen_t len = sizeof(a);
        char host[HOST_MAX], port[8];

        if (getsockname(fd, (struct sockaddr *)&a, &len) != 0 ||
                (a.ss_family != AF_INET && a.ss_family != AF_INET6) ||
                getnameinfo((struct sockaddr *)&a, len, host, sizeof(host), port, sizeof(port),
                        NI_NUMERICHOST | NI_NUMERICSERV) != 0)
                return false;
        bool v6 = a.ss_family == AF_INET6;
        return snprintf(out, SERVICE_ADDRESS_MAX, "%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "",
                       port) < SERVICE_ADDRESS_MAX;
}

/* @given: "": http.listen, of which the port may be one that the kernel picked. */
static void tell_address(struct serve *s, bool is_given, const char *given)
{
        const struct config *config = service_config(s->service);
        const char *listen = is_given ? given : config->http.listen;
        char address[SERVICE_ADDRESS_MAX];
        struct err e;

        if (!is_given)
                log_info(s->cli->log, "listening on %.*s:%d", (int)(strrchr(listen, ':') - listen),
                        listen, api_port(s->api));
        else if (*given)
                log_info(s->cli->log, "listening on a socket of the service manager, port %d",
                        api_port(s->api));
        else
                log_info(s->cli->log, "listening on a socket of the service manager");
        /* Without the file the service does all it should, and only `status` may not find it. */
        if (service_address(listen, api_port(s->api), address) &&
                service_file_write(config->state_dir, address, &e) != 0)
                log_warn(s->cli->log, "%s", e.text);
}

static int listen_on(struct serve *s, struct err *e)
{
        char given[SERVICE_ADDRESS_MAX] = "";
        int fd = -1;
        int rc = notify_listening_fd(&fd, e);

        if (!rc && fd >= 0 && !put_given(fd, given))
                *given = '\0';
        rc = rc ? rc : api_new(s->loop, s->service, fd, s->cli->log, &s->api, e);
        if (!rc)
                tell_address(s, fd >= 0, given);
        return rc;
}

/* Replies to what ended with the service leave first. */
static void say_goodbye(struct serve *s)
{
        int64_t until = clock_monotonic_ms() + ANSWER_MS;

        api_stop(s->api);
        while (!api_is_idle(s->api) && clock_monotonic_ms() < until)
                if (loop_sleep(s->loop, 10, NULL) != 0)
                        return;
}

static int begin(struct serve *s, struct err *e)
{
        cleanup_(config_freep) struct config *config = NULL;
        int rc = cli_load_config(s->cli, &config, e);

        rc = rc ? rc : lock_take_service(config->state_dir, &s->lock, e);
        rc = rc ? rc : loop_new(&s->loop, e);
        rc = rc ? rc : take_signals(s, e);
        if (rc)
                return rc;
        const struct service_options options = {.config_path = config->path,
                .config = config,
                .started_us = clock_wall_us(),
                .on_state = on_state,
                .on_config = on_config,
                .ctx = s};
        log_info(s->cli->log, "erp2couch %s serves %s", ERP2COUCH_VERSION, config->path);
        rc = service_new(s->loop, &options, s->cli->log, &s->service, e);
        if (rc)
                return rc;
        config = NULL; /* the service's now */
        s->notify = notify_new();
        rc = listen_on(s, e);
        return rc ? rc : feed_watchdog(s, e);
}

static void end(struct serve *s)
{
        if (s->api)
                service_file_remove(service_config(s->service)->state_dir);
        api_free(s->api);
        service_free(s->service);
        loop_timer_free(s->watchdog);
        loop_fd_free(s->on_signals);
        loop_free(s->loop);
        notify_free(s->notify);
        lock_release(s->lock);
        if (s->signals >= 0)
                close(s->signals);
}

static int serve(struct cli *cli)
{
        struct serve s = {.cli = cli, .signals = -1};
        struct err e;

        mallopt(M_ARENA_MAX, ARENAS_MAX);
        raise_descriptors();
        int rc = begin(&s, &e);
        if (rc) {
                end(&s); /* nothing is at work before the loop runs */
                return cli_fail(cli, NULL, &e);
        }
        rc = loop_run_until(s.loop, &s.is_stopped, &e);
        if (rc) /* threads may still be at work: what they use goes with the process */
                return cli_fail(cli, NULL, &e);
        say_goodbye(&s);
        end(&s);
        if (!cli->values.json)
                return EXIT_OK;
        cJSON *json = cJSON_CreateObject();
        cJSON_AddStringToObject(json, "outcome", "stopped");
        return cli_print_json(json, EXIT_OK);
}

const struct cli_command command_serve = {
        .name = "serve",
        .words = "",
        .summary = "run mappers by their schedules; HTTP interface, metrics, status page",
        .detail =
                "Stays in the foreground. Each mapper runs by its schedule: and full:, after the\n"
                "mappers of its after:, when the database notifies, and when somebody asks; never\n"
                "twice at a time. What was missed while the service was down is caught up once.\n\n"
                "SIGTERM or SIGINT ends it: nothing more starts, and runs may go on for\n"
                "serve.stop_timeout; a second one interrupts them at once. Either way nothing is\n"
                "lost. SIGHUP reads the configuration again: where anything in it is wrong, all\n"
                "goes on as before. Ends with 0 when it was asked to.\n\n"
                "Under a service manager it speaks Type=notify: readiness, status lines, reloads,\n"
                "the watchdog, and a socket that was opened for it.",
        .run = serve,
};
