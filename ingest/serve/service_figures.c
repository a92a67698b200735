/* How much there is to do, and what it does it with: for metrics. Nothing here changes anything. */
#include "ingest/serve/service_internal.h"

#include "ingest/serve/listen.h"

static size_t waiting_count(const struct service *s)
{
        struct scheduler_view view;
        size_t count = 0;

        for (size_t i = 0; i < s->served_count; i++) {
                scheduler_look(s->scheduler, i, wall_ms(), &view);
                count += view.due && !view.running && !view.paused && view.wait != WAIT_NOTHING;
        }
        return count;
}

void service_queue(const struct service *s, enum service_queue_name name, struct service_queue *out)
{
        switch (name) {
        case SERVICE_QUEUE_RUNS:
                *out = (struct service_queue){.running = s->running_count - s->request_runs,
                        .limit = (unsigned)current_config(s)->serve.max_runs,
                        .waiting = waiting_count(s)};
                break;
        case SERVICE_QUEUE_REQUESTS:
                *out = (struct service_queue){.running = s->request_runs,
                        .limit = REQUEST_RUNS_MAX,
                        .waiting = s->request_count};
                break;
        default:
                *out = (struct service_queue){.limit = TASK_LANES * TASKS_MAX};
                for (size_t i = 0; i < TASK_LANES; i++) {
                        out->running += (unsigned)s->lanes[i].count;
                        out->waiting += s->lanes[i].waiting_count;
                }
        }
}

const struct service_durations *service_durations(const struct service *s)
{
        return &s->durations;
}

const struct couch_meter *service_couch_meter(const struct service *s)
{
        return &s->couch_meter;
}

bool service_couch_known(const struct service *s, bool *answers)
{
        *answers = !s->couch_trouble;
        return s->control_known || s->couch_trouble;
}

void service_configured(const struct service *s, struct service_configured *out)
{
        *out = (struct service_configured){
                .loaded_us = s->loaded_us, .refused = s->reload_trouble != NULL};
}

bool service_listens(const struct service *s, size_t index, char *why, size_t size)
{
        const char *source = current_config(s)->sources[index].name;

        return s->is_listening && listeners_health(s->listeners, source, why, size);
}
