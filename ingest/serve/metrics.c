/* A family at a time, a sample for each mapper; all of it is told anew for each request. */
#include "ingest/serve/metrics.h"

#include <inttypes.h>
#include <stdio.h>

#include "ingest/base/clock.h"

struct metrics {
        const struct service *service;
        struct buf *out;
};

static void family(struct metrics *m, const char *name, const char *type, const char *help)
{
        buf_printf(
                m->out, "# HELP erp2couch_%s %s\n# TYPE erp2couch_%s %s\n", name, help, name, type);
}

/* Mappers' names need no escapes. */
static void each_mapper(
        struct metrics *m, void (*fn)(struct metrics *m, const struct service_mapper *mapper))
{
        struct service_mapper mapper;

        for (size_t i = 0; i < service_mapper_count(m->service); i++) {
                service_mapper_at(m->service, i, &mapper);
                fn(m, &mapper);
        }
}

static void put_records(struct metrics *m, const struct service_mapper *mapper)
{
        const struct run_counts *n = &mapper->totals.counts;
        const struct {
                const char *result;
                uint64_t count;
        } results[] = {{"read", n->read}, {"created", n->created}, {"updated", n->updated},
                {"moved", n->moved}, {"deleted", n->deleted}, {"unchanged", n->unchanged},
                {"rejected", n->rejected}};

        for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
                buf_printf(m->out,
                        "erp2couch_records_total{mapper=\"%s\",result=\"%s\"} %" PRIu64 "\n",
                        mapper->name, results[i].result, results[i].count);
}

static void put_runs(struct metrics *m, const struct service_mapper *mapper)
{
        for (int i = 0; i < RUN_OUTCOMES; i++)
                buf_printf(m->out,
                        "erp2couch_runs_total{mapper=\"%s\",outcome=\"%s\"} %" PRIu64 "\n",
                        mapper->name, run_outcome_name(i), mapper->totals.runs[i]);
}

static void put_durations(struct metrics *m, const struct service_mapper *mapper)
{
        static const char name[] = "erp2couch_run_duration_seconds";
        uint64_t count = 0;

        for (int i = 0; i < SERVICE_DURATIONS; i++) {
                char bound[32] = "+Inf";
                count += mapper->durations.buckets[i];
                if (i < SERVICE_DURATIONS - 1)
                        snprintf(bound, sizeof(bound), "%g", service_duration_bounds[i]);
                buf_printf(m->out, "%s_bucket{mapper=\"%s\",le=\"%s\"} %" PRIu64 "\n", name,
                        mapper->name, bound, count);
        }
        buf_printf(m->out, "%s_sum{mapper=\"%s\"} %.3f\n", name, mapper->name,
                mapper->durations.sum_s);
        buf_printf(m->out, "%s_count{mapper=\"%s\"} %" PRIu64 "\n", name, mapper->name, count);
}

static void put_success(struct metrics *m, const struct service_mapper *mapper)
{
        if (mapper->success_us)
                buf_printf(m->out, "erp2couch_last_success_timestamp_seconds{mapper=\"%s\"} %.3f\n",
                        mapper->name, (double)mapper->success_us / 1e6);
}

static void put_lag(struct metrics *m, const struct service_mapper *mapper)
{
        int64_t lag_us = clock_wall_us() - mapper->success_us;

        if (mapper->success_us)
                buf_printf(m->out, "erp2couch_lag_seconds{mapper=\"%s\"} %.3f\n", mapper->name,
                        lag_us < 0 ? 0 : (double)lag_us / 1e6);
}

static void put_rejects(struct metrics *m, const struct service_mapper *mapper)
{
        if (mapper->rejects_known)
                buf_printf(m->out, "erp2couch_rejects{mapper=\"%s\"} %" PRIu64 "\n", mapper->name,
                        mapper->rejects);
}

void metrics_write(const struct service *s, const struct http_server *server, struct buf *out)
{
        struct metrics m = {.service = s, .out = out};
        struct http_server_stats stats;

        family(&m, "build_info", "gauge", "Always 1; the version is a label.");
        buf_puts(out, "erp2couch_build_info{version=\"" ERP2COUCH_VERSION "\"} 1\n");
        family(&m, "records_total", "counter", "Records of runs since the service began.");
        each_mapper(&m, put_records);
        family(&m, "runs_total", "counter", "Runs that ended since the service began.");
        each_mapper(&m, put_runs);
        family(&m, "run_duration_seconds", "histogram", "How long runs took.");
        each_mapper(&m, put_durations);
        family(&m, "last_success_timestamp_seconds", "gauge",
                "When the last run that finished well began.");
        each_mapper(&m, put_success);
        family(&m, "lag_seconds", "gauge", "Time since then.");
        each_mapper(&m, put_lag);
        family(&m, "rejects", "gauge", "Rejects in the control database.");
        each_mapper(&m, put_rejects);
        if (!server)
                return;
        http_server_stats(server, &stats);
        family(&m, "http_connections", "gauge", "Connections to this service.");
        buf_printf(out, "erp2couch_http_connections %u\n", stats.open);
        family(&m, "http_connections_total", "counter", "Connections accepted so far.");
        buf_printf(out, "erp2couch_http_connections_total %" PRIu64 "\n", stats.connections);
}
