/*
 * A change only sets a timer. When that fires all who watch are called, and once more a little
 * later while runs are under way: their counters move without anybody telling.
 */
#include "ingest/serve/service_internal.h"

#include <stdio.h>
#include <string.h>

#define EVENT_GAP_MS    200 /* between two calls, whatever happens */
#define PROGRESS_GAP_MS 500 /* while only counters move */
#define STATE_GAP_MS    1000

/* ---- the line for the life cycle ---- */

static void log_condition(struct service *s, const struct service_health *health)
{
        if (health->condition == s->logged)
                return;
        s->logged = health->condition;
        log_at(s->log, health->condition == SERVICE_DEGRADED ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
                "%s%s%s", service_condition_name(health->condition), health->reason[0] ? ": " : "",
                health->reason);
}

/* What a server answered may have lines, and to a manager each is a message. */
static void flatten(char *text)
{
        for (char *p = text; *p; p++)
                if ((unsigned char)*p < ' ')
                        *p = ' ';
}

static void on_state_timer(void *ctx)
{
        struct service *s = ctx;
        char line[sizeof(s->told)];
        struct service_health health;

        service_health(s, &health);
        log_condition(s, &health);
        snprintf(line, sizeof(line), "%zu mapper%s, %u running; %s%s%s", s->served_count,
                s->served_count == 1 ? "" : "s", s->running_count,
                service_condition_name(health.condition), health.reason[0] ? ": " : "",
                health.reason);
        flatten(line);
        if (strcmp(line, s->told) == 0)
                return;
        snprintf(s->told, sizeof(s->told), "%s", line);
        s->told_ms = loop_now_ms(s->loop);
        if (s->options.on_state)
                s->options.on_state(s->options.ctx, line);
}

static void tell_state(struct service *s)
{
        if (!s->state_timer &&
                loop_timer_new(s->loop, on_state_timer, s, &s->state_timer, NULL) != 0)
                return;
        /* Who starts or stops it waits for that: it is not held back. */
        bool at_once = !s->told[0] || (s->logged == SERVICE_STARTING && s->control_known) ||
                       (s->logged != SERVICE_STOPPING && s->is_stopping);
        int64_t wait = s->told_ms + STATE_GAP_MS - loop_now_ms(s->loop);
        loop_timer_set(s->state_timer, at_once ? 0 : wait);
}

/* ---- who watches ---- */

static void remove_over(struct service *s)
{
        struct service_watch **at = &s->watches;

        while (*at) {
                struct service_watch *w = *at;
                if (!w->is_over) {
                        at = &w->next;
                        continue;
                }
                *at = w->next;
                free(w);
        }
}

static void on_watch_timer(void *ctx)
{
        struct service *s = ctx;

        s->watched_ms = loop_now_ms(s->loop);
        s->in_watch = true;
        for (struct service_watch *w = s->watches; w; w = w->next)
                if (!w->is_over)
                        w->fn(w->ctx);
        s->in_watch = false;
        remove_over(s);
        if (s->watches && s->running)
                loop_timer_set(s->watch_timer, PROGRESS_GAP_MS);
}

void watch_changed(struct service *s)
{
        tell_state(s);
        if (s->watches)
                loop_timer_set(s->watch_timer, s->watched_ms + EVENT_GAP_MS - loop_now_ms(s->loop));
}

struct service_watch *service_watch(struct service *s, loop_fn fn, void *ctx)
{
        struct service_watch *w = calloc(1, sizeof(*w));

        if (!w)
                return NULL;
        if (!s->watch_timer &&
                loop_timer_new(s->loop, on_watch_timer, s, &s->watch_timer, NULL) != 0) {
                free(w);
                return NULL;
        }
        *w = (struct service_watch){.service = s, .fn = fn, .ctx = ctx, .next = s->watches};
        s->watches = w;
        if (s->running)
                watch_changed(s);
        return w;
}

void service_unwatch(struct service_watch *w)
{
        if (!w)
                return;
        w->is_over = true;
        if (!w->service->in_watch)
                remove_over(w->service);
}

void watch_free(struct service *s)
{
        for (struct service_watch *w = s->watches, *next; w; w = next) {
                next = w->next;
                free(w);
        }
        loop_timer_free(s->watch_timer);
        loop_timer_free(s->state_timer);
}
