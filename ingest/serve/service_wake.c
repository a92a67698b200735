/* Mappers that their sources wake (listen.h). */
#include "ingest/serve/service_internal.h"

static void on_notify(void *ctx, const char *mapper)
{
        struct service *s = ctx;
        size_t index;

        if (s->is_stopping || !service_mapper_find(s, str_of(mapper), &index))
                return;
        s->served[index]->totals.notifications++;
        scheduler_wake(s->scheduler, index, TRIGGER_NOTIFY, false, false, wall_ms());
        service_later(s);
}

static void release(void *ctx)
{
        shared_config_leave(ctx);
}

int wake_new(struct service *s, struct err *e)
{
        struct listeners_options options = {
                .loop = s->loop, .log = s->log, .on_notify = on_notify, .ctx = s};

        return listeners_new(&options, &s->listeners, e);
}

void wake_begin(struct service *s)
{
        struct shared_config *config = shared_config_use(s->current);
        struct err e;

        if (listeners_set(s->listeners, config->config, release, config, &e) != 0)
                log_error(s->log, "mappers are not woken by their sources: %s", e.text);
}

static void on_stopped(void *ctx)
{
        struct service *s = ctx;

        s->listeners_stopped = true;
        service_later(s);
}

void wake_stop(struct service *s)
{
        listeners_stop(s->listeners, on_stopped, s);
}
