/*
 * erp2couch serve: the service, until a signal ends it.
 *
 * Signals are blocked in all threads and read from a descriptor by the service's loop: nothing is
 * ever interrupted, and what a signal asks for is done between two events.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#include "cmd/cli.h"
#include "ingest/base/clock.h"
#include "ingest/serve/service.h"

#define ARENAS_MAX 2 /* of malloc: each keeps what its threads once needed */

struct serve {
        struct cli *cli;
        struct loop *loop;
        struct service *service;
        int signals; /* descriptor */
        struct loop_fd *on_signals;
        bool is_stopped;
};

static void on_stopped(void *ctx)
{
        ((struct serve *)ctx)->is_stopped = true;
}

static void on_config(void *ctx, const struct config *config)
{
        cli_set_log(((struct serve *)ctx)->cli, config);
}

/* ---- signals ---- */

static void take_signal(struct serve *s, int number)
{
        struct err e;

        log_info(s->cli->log, "%s", strsignal(number));
        if (number != SIGHUP) {
                service_stop(s->service, on_stopped, s);
                return;
        }
        if (service_reload(s->service, NULL, NULL, &e) != 0)
                log_warn(s->cli->log, "%s", e.text);
}

static void on_signal(void *ctx, bool readable, bool writable)
{
        struct serve *s = ctx;
        struct signalfd_siginfo info;

        (void)readable;
        (void)writable;
        while (read(s->signals, &info, sizeof(info)) == sizeof(info))
                take_signal(s, (int)info.ssi_signo);
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

static int serve_on(struct serve *s, struct err *e)
{
        cleanup_(config_freep) struct config *config = NULL;
        int rc = cli_load_config(s->cli, &config, e);

        if (rc)
                return rc;
        rc = loop_new(&s->loop, e);
        rc = rc ? rc : take_signals(s, e);
        if (rc)
                return rc;
        const struct service_options options = {.config_path = config->path,
                .config = config,
                .started_us = clock_wall_us(),
                .on_config = on_config,
                .ctx = s};
        log_info(s->cli->log, "erp2couch %s serves %s", ERP2COUCH_VERSION, config->path);
        rc = service_new(s->loop, &options, s->cli->log, &s->service, e);
        if (rc)
                return rc;
        config = NULL; /* the service's now */
        return loop_run_until(s->loop, &s->is_stopped, e);
}

static int serve(struct cli *cli)
{
        struct serve s = {.cli = cli, .signals = -1};
        struct err e;

        mallopt(M_ARENA_MAX, ARENAS_MAX);
        int rc = serve_on(&s, &e);
        service_free(s.service);
        loop_fd_free(s.on_signals);
        loop_free(s.loop);
        if (s.signals >= 0)
                close(s.signals);
        if (rc)
                return cli_fail(cli, NULL, &e);
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
                "goes on as before. Ends with 0 when it was asked to.",
        .run = serve,
};
