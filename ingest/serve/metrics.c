/* The text format. All of it is told anew for each request: some hundred samples a mapper. */
#include "ingest/serve/metrics_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "ingest/base/clock.h"

static void put_escaped(struct buf *out, const char *text)
{
        for (; *text; text++) {
                if (*text == '\n') {
                        buf_puts(out, "\\n");
                        continue;
                }
                if (*text == '\\' || *text == '"')
                        buf_putc(out, '\\');
                buf_putc(out, *text);
        }
}

/* printf() of doubles took a third of the time, and most values are whole. */
static void put_whole(struct buf *out, double value)
{
        char text[24]; /* 2^53 has 16 digits */
        size_t at = sizeof(text);
        uint64_t left = (uint64_t)fabs(value);

        text[--at] = '\n';
        do
                text[--at] = (char)('0' + left % 10);
        while (left /= 10);
        if (value < 0)
                text[--at] = '-';
        buf_put(out, text + at, sizeof(text) - at);
}

/* Whole numbers as such, up to what a double holds exactly. */
static void put_number(struct buf *out, double value)
{
        if (value == floor(value) && fabs(value) < 9007199254740992.0)
                put_whole(out, value);
        else
                buf_printf(out, "%.6f\n", value);
}

void metrics_sample(struct metrics *m, const struct metric_family *f, const char *suffix,
        const struct metric_label *labels, size_t count, double value)
{
        buf_puts(m->out, f->name);
        buf_puts(m->out, suffix);
        for (size_t i = 0; i < count; i++) {
                buf_putc(m->out, i ? ',' : '{');
                buf_puts(m->out, labels[i].name);
                buf_puts(m->out, "=\"");
                put_escaped(m->out, labels[i].value);
                buf_putc(m->out, '"');
        }
        buf_puts(m->out, count ? "} " : " ");
        put_number(m->out, value);
}

void metrics_plain(struct metrics *m, const struct metric_family *f, double value)
{
        metrics_sample(m, f, "", NULL, 0, value);
}

void metrics_labelled(struct metrics *m, const struct metric_family *f, const char *label,
        const char *value_of_label, double value)
{
        const struct metric_label one = {label, value_of_label};

        metrics_sample(m, f, "", &one, 1, value);
}

void metrics_histogram(struct metrics *m, const struct metric_family *f, const double *bounds,
        size_t bound_count, const uint64_t *counts, double sum)
{
        uint64_t total = 0;

        for (size_t i = 0; i <= bound_count; i++) {
                char bound[32] = "+Inf";
                const struct metric_label le = {"le", bound};
                total += counts[i];
                if (i < bound_count)
                        snprintf(bound, sizeof(bound), "%g", bounds[i]);
                metrics_sample(m, f, "_bucket", &le, 1, (double)total);
        }
        metrics_sample(m, f, "_sum", NULL, 0, sum);
        metrics_sample(m, f, "_count", NULL, 0, (double)total);
}

static void put_mappers(struct metrics *m, const struct metric_family *f)
{
        double value;

        for (size_t i = 0; i < m->mapper_count; i++)
                if (f->value(&m->mappers[i], &value))
                        metrics_labelled(m, f, "mapper", m->mappers[i].name, value);
}

static void put_family(struct metrics *m, const struct metric_family *f)
{
        static const char *const types[] = {[METRIC_COUNTER] = "counter",
                [METRIC_GAUGE] = "gauge",
                [METRIC_HISTOGRAM] = "histogram"};

        buf_printf(
                m->out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, types[f->type]);
        if (f->put)
                f->put(m, f);
        else
                put_mappers(m, f);
}

int metrics_write(
        const struct service *s, const struct http_server *server, struct buf *out, struct err *e)
{
        size_t count = service_mapper_count(s);
        cleanup_(freep) struct service_mapper *mappers = calloc(count + 1, sizeof(*mappers));
        struct metrics m = {.service = s,
                .server = server,
                .mappers = mappers,
                .mapper_count = count,
                .now_us = clock_wall_us(),
                .out = out};

        if (!mappers)
                return err_nomem(e, "metrics");
        for (size_t i = 0; i < count; i++)
                service_mapper_at(s, i, &mappers[i]);
        for (size_t i = 0; i < metric_family_count; i++)
                put_family(&m, &metric_families[i]);
        return buf_check(out, "metrics", e);
}
