/* One way in, for every run that ended: what is remembered, counted, and made of its failures. */
#include "ingest/serve/service_internal.h"

#include <string.h>

#include "ingest/base/clock.h"

const double service_duration_bounds[SERVICE_DURATIONS - 1] = {
        0.1, 0.5, 1, 5, 15, 60, 300, 900, 1800, 3600, 14400};

/* ---- remembered ---- */

static void remember(struct service *s, struct running *r)
{
        struct service_run *kept = &s->ended[s->ended_at];

        free((char *)kept->error);
        run_refresh(r);
        *kept = r->view;
        kept->ended_us = r->view.started_us + r->report.elapsed_ms * 1000;
        kept->counts = r->report.counts;
        kept->written = kept->counts.created + kept->counts.updated + kept->counts.moved +
                        kept->counts.deleted;
        kept->in_flight = 0;
        kept->phase = RUN_ENDED;
        kept->outcome = r->report.outcome;
        kept->error = r->report.err.class != ERR_NONE ? str_dup(str_of(r->report.err.text)) : NULL;
        s->ended_at = (s->ended_at + 1) % ENDED_KEPT;
        if (s->ended_count < ENDED_KEPT)
                s->ended_count++;
}

void ended_free(struct service *s)
{
        for (size_t i = 0; i < ENDED_KEPT; i++)
                free((char *)s->ended[i].error);
}

/* ---- counted ---- */

static void add_counts(struct run_counts *to, const struct run_counts *n)
{
        to->read += n->read;
        to->created += n->created;
        to->updated += n->updated;
        to->moved += n->moved;
        to->deleted += n->deleted;
        to->unchanged += n->unchanged;
        to->rejected += n->rejected;
}

static void count(struct service *s, struct served *m, const struct run_report *report)
{
        double seconds = (double)report->elapsed_ms / 1000.0;
        size_t i = 0;

        add_counts(&m->totals.counts, &report->counts);
        m->totals.runs[report->outcome]++;
        while (i < SERVICE_DURATIONS - 1 && seconds > service_duration_bounds[i])
                i++;
        s->durations.buckets[i]++;
        s->durations.sum_s += seconds;
        m->totals.run_seconds += seconds;
}

/* ---- its troubles ---- */

void served_healthy(struct service *s, const struct served *m)
{
        const struct config *config = current_config(s);

        if (m->is_gone)
                return;
        for (size_t i = 0; i < s->served_count; i++)
                if (config->mappers[i].source == config->mappers[m->index].source)
                        s->served[i]->is_unavailable = false;
        if (s->couch_trouble && s->control_waits)
                loop_timer_soon(s->control_timer); /* what was asked in vain is not known */
        replace_text(&s->couch_trouble, NULL);
}

static void note_well(struct service *s, struct served *m)
{
        m->is_unavailable = false;
        m->bad_runs = 0;
        replace_text(&m->trouble, NULL);
        served_healthy(s, m); /* so do the source and CouchDB answer the others */
}

/* A push or a retry tells less: that it failed is its caller's to know. */
static void note_trouble(struct service *s, const struct running *r)
{
        struct served *m = r->served;

        switch (r->report.outcome) {
        case RUN_OK:
        case RUN_REJECTS:
                if (r->request)
                        served_healthy(s, m);
                else
                        note_well(s, m);
                return;
        case RUN_LOCKED: /* somebody else does the work */
                return;
        case RUN_INTERRUPTED:
                if (!r->took_too_long)
                        return;
                break;
        default:
                break;
        }
        if (r->request)
                return;
        m->bad_runs++;
        m->is_unavailable = r->report.outcome == RUN_UNAVAILABLE;
        replace_text(&m->trouble, r->report.err.text);
}

/* Without rejects before or after it, what is on this machine says all. */
static bool rejects_may_differ(const struct served *m, const struct run_report *report)
{
        bool is_well = report->outcome == RUN_OK || report->outcome == RUN_REJECTS;

        return !is_well || !m->rejects_known || m->rejects || report->counts.rejected;
}

void ended_note(struct service *s, struct running *r)
{
        remember(s, r);
        count(s, r->served, &r->report);
        note_trouble(s, r);
        r->served->ask_control |= rejects_may_differ(r->served, &r->report);
}
