/* A row a family; docs/metrics.md says the same with more words, and a test compares. */
#include "ingest/base/clock.h"
#include "ingest/serve/metrics_internal.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct labelled {
        const char *label;
        uint64_t value;
};

static double seconds_of_us(int64_t us)
{
        return (double)us / 1e6;
}

/* ---- the service ---- */

static void put_build_info(struct metrics *m, const struct metric_family *f)
{
        metrics_labelled(m, f, "version", ERP2COUCH_VERSION, 1);
}

static void put_condition(struct metrics *m, const struct metric_family *f)
{
        struct service_health health;

        service_health(m->service, &health);
        for (int i = 0; i < SERVICE_CONDITIONS; i++)
                metrics_labelled(
                        m, f, "condition", service_condition_name(i), health.condition == i);
}

static void put_reload_time(struct metrics *m, const struct metric_family *f)
{
        struct service_configured c;

        service_configured(m->service, &c);
        metrics_plain(m, f, seconds_of_us(c.loaded_us));
}

static void put_reload_successful(struct metrics *m, const struct metric_family *f)
{
        struct service_configured c;

        service_configured(m->service, &c);
        metrics_plain(m, f, !c.refused);
}

static void put_start(struct metrics *m, const struct metric_family *f)
{
        metrics_plain(m, f, seconds_of_us(service_started_us(m->service)));
}

static void put_listeners(struct metrics *m, const struct metric_family *f)
{
        const struct config *config = service_config(m->service);
        char why[512];

        for (size_t i = 0; i < config->source_count; i++)
                if (service_listens(m->service, i, why, sizeof(why)))
                        metrics_labelled(m, f, "source", config->sources[i].name, !why[0]);
}

static void put_durations(struct metrics *m, const struct metric_family *f)
{
        const struct service_durations *d = service_durations(m->service);

        metrics_histogram(
                m, f, service_duration_bounds, SERVICE_DURATIONS - 1, d->buckets, d->sum_s);
}

/* ---- its queues ---- */

static void each_queue(struct metrics *m, const struct metric_family *f,
        double (*value)(const struct service_queue *queue))
{
        static const char *const names[SERVICE_QUEUES] = {[SERVICE_QUEUE_RUNS] = "runs",
                [SERVICE_QUEUE_REQUESTS] = "requests",
                [SERVICE_QUEUE_TASKS] = "questions"};
        struct service_queue queue;

        for (int i = 0; i < SERVICE_QUEUES; i++) {
                service_queue(m->service, i, &queue);
                metrics_labelled(m, f, "queue", names[i], value(&queue));
        }
}

static double queue_limit(const struct service_queue *queue)
{
        return queue->limit;
}

static double queue_running(const struct service_queue *queue)
{
        return queue->running;
}

static double queue_waiting(const struct service_queue *queue)
{
        return (double)queue->waiting;
}

static void put_queue_limit(struct metrics *m, const struct metric_family *f)
{
        each_queue(m, f, queue_limit);
}

static void put_queue_running(struct metrics *m, const struct metric_family *f)
{
        each_queue(m, f, queue_running);
}

static void put_queue_waiting(struct metrics *m, const struct metric_family *f)
{
        each_queue(m, f, queue_waiting);
}

/* ---- its HTTP server ---- */

static void put_http_connections(struct metrics *m, const struct metric_family *f)
{
        struct http_server_stats stats = {.open = 0};

        if (m->server)
                http_server_stats(m->server, &stats);
        metrics_plain(m, f, stats.open);
}

static void put_http_requests(struct metrics *m, const struct metric_family *f)
{
        struct http_server_stats stats = {.open = 0};

        if (m->server)
                http_server_stats(m->server, &stats);
        metrics_plain(m, f, stats.open_exchanges);
}

static void put_http_connections_total(struct metrics *m, const struct metric_family *f)
{
        struct http_server_stats stats = {.open = 0};

        if (m->server)
                http_server_stats(m->server, &stats);
        metrics_labelled(m, f, "result", "accepted", (double)stats.connections);
        metrics_labelled(m, f, "result", "refused", (double)stats.refused);
}

/* ---- CouchDB ---- */

static void put_couch_up(struct metrics *m, const struct metric_family *f)
{
        bool answers;

        if (service_couch_known(m->service, &answers))
                metrics_plain(m, f, answers);
}

static void put_couch_requests(struct metrics *m, const struct metric_family *f)
{
        const struct couch_meter *meter = service_couch_meter(m->service);

        for (size_t i = 0; i < METER_CODES; i++)
                metrics_labelled(
                        m, f, "code", meter_code_names[i], (double)meter_read(&meter->requests[i]));
}

static void put_meter_histogram(struct metrics *m, const struct metric_family *f,
        const struct meter_bounds *bounds, const struct meter_histogram *h, double unit)
{
        uint64_t counts[METER_BOUNDS_MAX + 1];

        for (size_t i = 0; i <= bounds->count; i++)
                counts[i] = meter_read(&h->buckets[i]);
        metrics_histogram(
                m, f, bounds->list, bounds->count, counts, (double)meter_read(&h->sum) / unit);
}

static void put_couch_durations(struct metrics *m, const struct metric_family *f)
{
        put_meter_histogram(
                m, f, &meter_duration_bounds, &service_couch_meter(m->service)->durations, 1e6);
}

static void put_batch_documents(struct metrics *m, const struct metric_family *f)
{
        put_meter_histogram(
                m, f, &meter_batch_bounds, &service_couch_meter(m->service)->batches, 1);
}

#define PUT_METER(name, member)                                                                    \
        static void name(struct metrics *m, const struct metric_family *f)                         \
        {                                                                                          \
                metrics_plain(m, f, (double)meter_read(&service_couch_meter(m->service)->member)); \
        }
PUT_METER(put_couch_in_flight, batches_in_flight)
PUT_METER(put_couch_conflicts, conflicts)
PUT_METER(put_couch_logins, logins)
PUT_METER(put_couch_received, bytes_received)
PUT_METER(put_couch_retries, retries)
PUT_METER(put_couch_sent, bytes_sent)

/* ---- mappers, with more than one label ---- */

static void put_pairs(struct metrics *m, const struct metric_family *f, const char *mapper,
        const char *label, const struct labelled *list, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                const struct metric_label labels[] = {{"mapper", mapper}, {label, list[i].label}};
                metrics_sample(m, f, "", labels, COUNT(labels), (double)list[i].value);
        }
}

static void put_mapper_info(struct metrics *m, const struct metric_family *f)
{
        for (size_t i = 0; i < m->mapper_count; i++) {
                const struct metric_label labels[] = {
                        {"mapper", m->mappers[i].name}, {"source", m->mappers[i].source}};
                metrics_sample(m, f, "", labels, COUNT(labels), 1);
        }
}

static void put_records(struct metrics *m, const struct metric_family *f)
{
        for (size_t i = 0; i < m->mapper_count; i++) {
                const struct run_counts *n = &m->mappers[i].totals.counts;
                const struct labelled results[] = {{"read", n->read}, {"created", n->created},
                        {"updated", n->updated}, {"moved", n->moved}, {"deleted", n->deleted},
                        {"unchanged", n->unchanged}, {"rejected", n->rejected}};
                put_pairs(m, f, m->mappers[i].name, "result", results, COUNT(results));
        }
}

static void put_runs(struct metrics *m, const struct metric_family *f)
{
        struct labelled outcomes[RUN_OUTCOMES];

        for (size_t i = 0; i < m->mapper_count; i++) {
                for (int n = 0; n < RUN_OUTCOMES; n++)
                        outcomes[n] = (struct labelled){
                                run_outcome_name(n), m->mappers[i].totals.runs[n]};
                put_pairs(m, f, m->mappers[i].name, "outcome", outcomes, RUN_OUTCOMES);
        }
}

static void put_run_records(struct metrics *m, const struct metric_family *f)
{
        for (size_t i = 0; i < m->mapper_count; i++) {
                const struct service_run *run = m->mappers[i].run;
                if (!run)
                        continue;
                const struct labelled results[] = {{"read", run->counts.read},
                        {"written", run->written}, {"rejected", run->counts.rejected}};
                put_pairs(m, f, m->mappers[i].name, "result", results, COUNT(results));
        }
}

static void put_waiting(struct metrics *m, const struct metric_family *f)
{
        static const struct {
                const char *reason;
                enum scheduler_wait wait;
        } reasons[] = {{"limit", WAIT_LIMIT}, {"source", WAIT_SOURCE}, {"after", WAIT_AFTER},
                {"back_off", WAIT_BACK_OFF}};
        struct labelled list[COUNT(reasons)];

        for (size_t i = 0; i < m->mapper_count; i++) {
                const struct service_mapper *mapper = &m->mappers[i];
                const struct scheduler_view *v = &mapper->schedule;
                bool waits = v->due && !v->paused && !v->running && !mapper->run;
                for (size_t n = 0; n < COUNT(reasons); n++)
                        list[n] = (struct labelled){
                                reasons[n].reason, waits && v->wait == reasons[n].wait};
                put_pairs(m, f, mapper->name, "reason", list, COUNT(reasons));
        }
}

/* Of the moment that all the others are of. */
static void put_lag(struct metrics *m, const struct metric_family *f)
{
        for (size_t i = 0; i < m->mapper_count; i++) {
                int64_t lag_us = m->now_us - m->mappers[i].success_us;
                if (m->mappers[i].success_us)
                        metrics_labelled(m, f, "mapper", m->mappers[i].name,
                                seconds_of_us(lag_us < 0 ? 0 : lag_us));
        }
}

/* ---- mappers ---- */

static bool failures_of(const struct service_mapper *m, double *out)
{
        *out = m->schedule.failures;
        return true;
}

static bool success_of(const struct service_mapper *m, double *out)
{
        *out = seconds_of_us(m->success_us);
        return m->success_us != 0;
}

static bool next_of(const struct service_mapper *m, double *out)
{
        *out = (double)m->schedule.next_ms / 1e3;
        return m->schedule.next_ms != INT64_MAX;
}

static bool notifications_of(const struct service_mapper *m, double *out)
{
        *out = (double)m->totals.notifications;
        return true;
}

static bool paused_of(const struct service_mapper *m, double *out)
{
        *out = m->schedule.paused;
        return true;
}

static bool rejects_of(const struct service_mapper *m, double *out)
{
        *out = (double)m->rejects;
        return m->rejects_known;
}

static bool in_flight_of(const struct service_mapper *m, double *out)
{
        *out = m->run ? m->run->in_flight : 0;
        return m->run != NULL;
}

static bool expected_of(const struct service_mapper *m, double *out)
{
        *out = m->run ? (double)m->run->expected : 0;
        return m->run && m->run->expected;
}

static bool run_seconds_of(const struct service_mapper *m, double *out)
{
        *out = m->totals.run_seconds;
        return true;
}

static bool run_started_of(const struct service_mapper *m, double *out)
{
        *out = m->run ? seconds_of_us(m->run->started_us) : 0;
        return m->run != NULL;
}

static bool running_of(const struct service_mapper *m, double *out)
{
        *out = m->run != NULL;
        return true;
}

static bool state_bytes_of(const struct service_mapper *m, double *out)
{
        *out = (double)m->state_bytes;
        return true;
}

static bool state_records_of(const struct service_mapper *m, double *out)
{
        *out = (double)m->records;
        return true;
}

/* ---- the table ---- */

#define COUNTER(name, help, ...)                                                                   \
        {                                                                                          \
                "erp2couch_" name, help, METRIC_COUNTER, __VA_ARGS__                               \
        }
#define GAUGE(name, help, ...)                                                                     \
        {                                                                                          \
                "erp2couch_" name, help, METRIC_GAUGE, __VA_ARGS__                                 \
        }
#define HISTOGRAM(name, help, ...)                                                                 \
        {                                                                                          \
                "erp2couch_" name, help, METRIC_HISTOGRAM, __VA_ARGS__                             \
        }

const struct metric_family metric_families[] = {
        GAUGE("build_info", "Always 1; the version is a label.", put_build_info),
        GAUGE("condition", "1 for the condition that the service is in.", put_condition),
        GAUGE("config_last_reload_success_timestamp_seconds",
                "When the configuration of now was loaded.", put_reload_time),
        GAUGE("config_last_reload_successful", "0 when the last reload was refused.",
                put_reload_successful),
        GAUGE("consecutive_failures", "Runs that failed one after the other, up to now.",
                .value = failures_of),
        HISTOGRAM("couchdb_batch_documents", "Documents in a request to _bulk_docs.",
                put_batch_documents),
        GAUGE("couchdb_batches_in_flight", "Requests of batches that CouchDB has not answered.",
                put_couch_in_flight),
        COUNTER("couchdb_conflicts_total", "Documents that CouchDB called a conflict.",
                put_couch_conflicts),
        COUNTER("couchdb_logins_total", "Log-ins for a session cookie.", put_couch_logins),
        COUNTER("couchdb_received_bytes_total", "Bytes of bodies that came from CouchDB.",
                put_couch_received),
        HISTOGRAM("couchdb_request_duration_seconds", "How long requests to CouchDB took.",
                put_couch_durations),
        COUNTER("couchdb_requests_total", "Requests to CouchDB, by the status of their reply.",
                put_couch_requests),
        COUNTER("couchdb_retries_total", "Requests to CouchDB that failed and were tried again.",
                put_couch_retries),
        COUNTER("couchdb_sent_bytes_total", "Bytes of bodies that went to CouchDB.",
                put_couch_sent),
        GAUGE("couchdb_up", "0 while CouchDB does not answer the service.", put_couch_up),
        GAUGE("http_connections", "Open connections to this service.", put_http_connections),
        COUNTER("http_connections_total", "Connections to this service so far.",
                put_http_connections_total),
        GAUGE("http_requests_in_flight", "Requests to this service without a whole answer.",
                put_http_requests),
        GAUGE("lag_seconds", "Time since the last run that finished well began.", put_lag),
        GAUGE("last_success_timestamp_seconds", "When the last run that finished well began.",
                .value = success_of),
        GAUGE("listener_up", "0 while notifications of the source do not come.", put_listeners),
        GAUGE("mapper_info", "Always 1; the source of the mapper is a label.", put_mapper_info),
        GAUGE("next_run_timestamp_seconds", "When the mapper runs next, as far as time decides.",
                .value = next_of),
        COUNTER("notifications_total", "Notifications that woke the mapper.",
                .value = notifications_of),
        GAUGE("paused", "1 while the mapper is paused.", .value = paused_of),
        GAUGE("queue_limit", "How many may be at work at a time.", put_queue_limit),
        GAUGE("queue_running", "How many are at work.", put_queue_running),
        GAUGE("queue_waiting", "How many wait for their turn.", put_queue_waiting),
        COUNTER("records_total", "Records of runs that ended.", put_records),
        GAUGE("rejects", "Rejects in the control database.", .value = rejects_of),
        GAUGE("run_documents_in_flight", "Documents of the run under way that are not settled.",
                .value = in_flight_of),
        HISTOGRAM("run_duration_seconds", "How long runs took.", put_durations),
        GAUGE("run_expected_records", "Records that the run under way is likely to read.",
                .value = expected_of),
        GAUGE("run_records", "Records of the run under way.", put_run_records),
        COUNTER("run_seconds_total", "Time that runs took.", .value = run_seconds_of),
        GAUGE("run_started_timestamp_seconds", "When the run under way began.",
                .value = run_started_of),
        GAUGE("running", "1 while a run is under way.", .value = running_of),
        COUNTER("runs_total", "Runs that ended.", put_runs),
        GAUGE("state_bytes", "Size of the local state on disk.", .value = state_bytes_of),
        GAUGE("state_records", "Records in the local state.", .value = state_records_of),
        GAUGE("waiting", "1 while the mapper is due and has to wait, by the reason.", put_waiting),
        {"process_cpu_seconds_total", "User and system time of the process.", METRIC_COUNTER,
                metrics_put_cpu},
        {"process_max_fds", "How many files the process may have open.", METRIC_GAUGE,
                metrics_put_max_fds},
        {"process_open_fds", "Open files of the process.", METRIC_GAUGE, metrics_put_open_fds},
        {"process_resident_memory_bytes", "Memory of the process in RAM.", METRIC_GAUGE,
                metrics_put_resident},
        {"process_start_time_seconds", "When the process began.", METRIC_GAUGE, put_start},
        {"process_threads", "Threads of the process.", METRIC_GAUGE, metrics_put_threads},
        {"process_virtual_memory_bytes", "Address space of the process.", METRIC_GAUGE,
                metrics_put_virtual},
};
const size_t metric_family_count = COUNT(metric_families);
