/*
 * push CONFIG MAPPER: the records on standard input as a run of MAPPER, as the service starts one;
 * prints how it ended as one JSON object. Exit code 0 whatever the outcome, 64 for a wrong use.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "ingest/pipeline/given.h"
#include "ingest/pipeline/run.h"

#define BODY_MAX (64 << 20)

static int read_body(struct buf *out, struct err *e)
{
        char part[65536];
        ssize_t n;

        while ((n = read(STDIN_FILENO, part, sizeof(part))) > 0)
                buf_put(out, part, (size_t)n);
        return buf_check(out, "the body", e);
}

static int push(const char *path, const char *name, const struct log *log,
        struct run_report *report, size_t *received, struct err *e)
{
        cleanup_(config_freep) struct config *config = NULL;
        cleanup_(given_freep) struct given *given = NULL;
        cleanup_(loop_freep) struct loop *loop = NULL;
        cleanup_buf_ struct buf body = BUF_INIT(BODY_MAX);
        const struct config_mapper *mapper;
        struct run_progress progress = {0};

        int rc = config_load(path, &config, e);
        if (!rc)
                rc = config_mapper(config, name, &mapper, e);
        if (!rc)
                rc = read_body(&body, e);
        if (!rc)
                rc = given_new(buf_str(&body), &given, e);
        if (!rc)
                rc = loop_new(&loop, e);
        if (rc)
                return rc;
        struct run_options options = {.given = given};
        *received = given_count(given);
        run_mapper(config, mapper, &options, loop, log, &progress, report);
        *e = report->err;
        return 0;
}

static void print(const struct run_report *report, int rc, size_t received, const struct err *e)
{
        cJSON *json = cJSON_CreateObject();

        cJSON_AddStringToObject(
                json, "outcome", rc ? "refused-body" : run_outcome_name(report->outcome));
        cJSON_AddNumberToObject(json, "received", (double)received);
        run_counts_json(&report->counts, json);
        cJSON_AddStringToObject(json, "class", err_class_name(e->class));
        cJSON_AddStringToObject(json, "error", e->text);
        char *text = cJSON_Print(json);
        if (text)
                puts(text);
        cJSON_free(text);
        cJSON_Delete(json);
}

int main(int argc, char **argv)
{
        cleanup_(log_sink_freep) struct log_sink *sink =
                log_sink_new(STDERR_FILENO, LOG_LEVEL_DEBUG, LOG_FORMAT_LOGFMT);
        cleanup_(log_freep) struct log *log = sink ? log_new(sink) : NULL;
        struct run_report report = {.outcome = RUN_FAILED};
        struct err e = {0};
        size_t received = 0;

        if (argc != 3 || !log) {
                fprintf(stderr, "usage: push CONFIG MAPPER < BODY\n");
                return 64;
        }
        signal(SIGPIPE, SIG_IGN);
        int rc = push(argv[1], argv[2], log, &report, &received, &e);
        print(&report, rc, received, &e);
        return 0;
}
