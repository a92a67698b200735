/* Notifications of sources (listen.h) only wake. The threads come with the loop's first turn, and
 * anew after each reload. */
#include "ingest/serve/service_internal.h"

#include <stdio.h>
#include <string.h>

#include "ingest/serve/listen.h"

static void on_notify(void *ctx, const char *mapper)
{
        struct service *s = ctx;
        size_t index;

        if (s->is_stopping || !service_mapper_find(s, str_of(mapper), &index))
                return;
        s->served[index]->totals.notifications++;
        scheduler_wake(s->scheduler, index, TRIGGER_NOTIFY, false, false, wall_ms());
        watch_changed(s);
        service_later(s);
}

static void on_health(void *ctx)
{
        watch_changed(ctx);
}

static void release(void *ctx)
{
        shared_config_leave(ctx);
}

static bool is_wanted(const struct service *s)
{
        for (size_t i = 0; i < s->served_count; i++)
                if (current_config(s)->mappers[i].spec->schedule.notify)
                        return true;
        return false;
}

int listen_new(struct service *s, struct err *e)
{
        const struct listeners_options options = {.loop = s->loop,
                .log = s->log,
                .on_notify = on_notify,
                .on_health = on_health,
                .ctx = s};

        s->listen_again = true;
        return listeners_new(&options, &s->listeners, e);
}

void listen_pump(struct service *s)
{
        struct err e;

        if (!s->listen_again)
                return;
        s->listen_again = false;
        if (!is_wanted(s) && !s->is_listening)
                return;
        s->is_listening = true;
        if (listeners_set(s->listeners, current_config(s), release, shared_config_use(s->current),
                    &e) != 0)
                log_error(s->log, "notifications of sources are not listened to: %s", e.text);
}

static void on_stopped(void *ctx)
{
        struct service *s = ctx;

        s->is_listening = false;
        service_later(s);
}

void listen_stop(struct service *s)
{
        if (s->is_listening)
                listeners_stop(s->listeners, on_stopped, s);
}

/* A mapper that only notifications wake: without them nothing of it arrives. */
static const char *woken_alone(const struct config *config, const struct source_config *source)
{
        for (size_t i = 0; i < config->mapper_count; i++) {
                const struct config_mapper *m = &config->mappers[i];
                if (m->source == source && m->spec->schedule.notify &&
                        !schedule_is_set(&m->spec->schedule))
                        return m->spec->name;
        }
        return NULL;
}

bool listen_trouble(const struct service *s, char *out, size_t size, bool *alone)
{
        const struct config *config = current_config(s);
        char why[256];
        bool any = false;

        *alone = false;
        for (size_t i = 0; s->is_listening && i < config->source_count && !*alone; i++) {
                const struct source_config *source = &config->sources[i];
                if (!listeners_health(s->listeners, source->name, why, sizeof(why)) || !why[0] ||
                        strcmp(why, "connecting") == 0)
                        continue;
                const char *mapper = woken_alone(config, source);
                if (any && !mapper)
                        continue;
                any = true;
                *alone = mapper != NULL;
                snprintf(out, size, "source %s: notifications do not come (%s%s): %s", source->name,
                        mapper ? "nothing else wakes mapper " : "schedules still run",
                        mapper ? mapper : "", why);
        }
        return any;
}
