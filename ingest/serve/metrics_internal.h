/*
 * metrics_internal.h: what the parts of the metrics share.
 *
 *   metrics.c           the text format: families, samples, labels, histograms
 *   metrics_families.c  the table of our families, and where their values come from
 *   metrics_process.c   process_*: what the operating system knows
 */
#pragma once

#include "ingest/couch/meter.h"
#include "ingest/serve/metrics.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metrics;

struct metric_family {
        const char *name, *help;
        enum metric_type type;
        /* One of them; @value is asked for each mapper. Return of @value: false: no sample. */
        void (*put)(struct metrics *m, const struct metric_family *f);
        bool (*value)(const struct service_mapper *mapper, double *out);
};

/* One reply: everything is looked at once, so that families agree with each other. */
struct metrics {
        const struct service *service;
        const struct http_server *server; /* may be NULL */
        const struct service_mapper *mappers;
        size_t mapper_count;
        int64_t now_us;
        struct buf *out;
};

struct metric_label {
        const char *name, *value;
};

/** metrics_sample() - a line: name, @count labels, value; labels are escaped
 * @suffix: behind the family's name, "" as a rule */
void metrics_sample(struct metrics *m, const struct metric_family *f, const char *suffix,
        const struct metric_label *labels, size_t count, double value);

/** metrics_plain() - the only sample of a family without labels */
void metrics_plain(struct metrics *m, const struct metric_family *f, double value);

/** metrics_labelled() - a sample with one label */
void metrics_labelled(struct metrics *m, const struct metric_family *f, const char *label,
        const char *value_of_label, double value);

/** metrics_histogram() - buckets, sum and count of a family without labels
 * @counts: of each bucket alone, one more than @bounds      @sum: in the unit of the family */
void metrics_histogram(struct metrics *m, const struct metric_family *f, const double *bounds,
        size_t bound_count, const uint64_t *counts, double sum);

/* Sorted by name. */
extern const struct metric_family metric_families[];
extern const size_t metric_family_count;

/* ---- metrics_process.c: families of the same table ---- */
void metrics_put_cpu(struct metrics *m, const struct metric_family *f);
void metrics_put_open_fds(struct metrics *m, const struct metric_family *f);
void metrics_put_max_fds(struct metrics *m, const struct metric_family *f);
void metrics_put_resident(struct metrics *m, const struct metric_family *f);
void metrics_put_virtual(struct metrics *m, const struct metric_family *f);
void metrics_put_threads(struct metrics *m, const struct metric_family *f);
