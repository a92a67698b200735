/*
 * A run as server-sent events. Each stream watches the service and looks at its run when something
 * changed; what it last said it does not say again.
 *
 *   watch, timer -> step: ended? end : changed, and half a second since? progress : later
 *
 * A run that the service has forgotten, or that another process made, is asked of the history.
 */
#include "ingest/serve/api_internal.h"

#include <string.h>

#include "ingest/pipeline/run_list.h"

#define STREAMS_MAX  200   /* each costs work at every change; a browser has six at the most */
#define PROGRESS_MS  500   /* between two events */
#define HEARTBEAT_MS 15000 /* proxies hang up on what is silent for a minute */
#define EVENT_MAX    ((size_t)64 << 10)
#define EVENT_TYPE   "text/event-stream"

struct api_stream {
        struct api *api;
        struct http_exchange *x;
        struct api_stream *prev, *next;
        struct service_watch *watch;
        struct loop_timer *timer;
        char id[sizeof(((struct service_run *)NULL)->id)];
        struct buf said;  /* the RUN of the last event */
        int64_t said_ms;  /* when; comments do not count */
        int64_t heard_ms; /* when anything was sent */
};

/* ---- streams ---- */

static void stream_free(struct api_stream *s)
{
        if (!s)
                return;
        if (s->prev)
                s->prev->next = s->next;
        else if (s->api->streams == s)
                s->api->streams = s->next;
        if (s->next)
                s->next->prev = s->prev;
        s->api->stream_count--;
        if (s->watch)
                service_unwatch(s->watch);
        loop_timer_free(s->timer);
        buf_deinit(&s->said);
        free(s);
}

static void on_close(void *ctx)
{
        stream_free(ctx);
}

static void end_stream(struct api_stream *s)
{
        http_exchange_end(s->x);
        stream_free(s);
}

/* ---- events ---- */

static bool put_run(const struct service_run *run, struct buf *out)
{
        cJSON *json = api_run_json(run);
        char *text = cJSON_PrintUnformatted(json);

        cJSON_Delete(json);
        buf_clear(out);
        if (text)
                buf_puts(out, text);
        cJSON_free(text);
        return text && !out->error;
}

static bool send_event(struct http_exchange *x, const char *name, struct str run)
{
        cleanup_buf_ struct buf event = BUF_INIT(EVENT_MAX + 64);

        buf_printf(&event, "event: %s\ndata: ", name);
        buf_put_str(&event, run);
        buf_puts(&event, "\n\n");
        return !event.error && http_exchange_send(x, buf_str(&event));
}

static void arm(struct api_stream *s, int64_t now_ms, bool behind)
{
        int64_t heartbeat = s->heard_ms + HEARTBEAT_MS - now_ms;
        int64_t progress = s->said_ms + PROGRESS_MS - now_ms;

        if (progress <= 0) /* the client does not read: it has had its turn */
                progress = PROGRESS_MS;
        loop_timer_set(s->timer, behind && progress < heartbeat ? progress : heartbeat);
}

/* The time that a run has taken changes always: it alone is no news. */
static bool is_news(struct str before, struct str now)
{
        static const char member[] = "\"seconds\":";
        struct str parts[2][2];
        const struct str texts[2] = {before, now};

        for (int i = 0; i < 2; i++) {
                const char *at = memmem(texts[i].ptr, texts[i].len, member, sizeof(member) - 1);
                if (!at)
                        return true;
                const char *end = texts[i].ptr + texts[i].len;
                const char *after = memchr(at, ',', (size_t)(end - at));
                after = after ? after : end;
                parts[i][0] = (struct str){texts[i].ptr, (size_t)(at - texts[i].ptr)};
                parts[i][1] = (struct str){after, (size_t)(end - after)};
        }
        return !str_eq(parts[0][0], parts[1][0]) || !str_eq(parts[0][1], parts[1][1]);
}

/* Return: whether something is left to be said. */
static bool say_progress(struct api_stream *s, const struct service_run *run, int64_t now_ms)
{
        cleanup_buf_ struct buf text = BUF_INIT(EVENT_MAX);

        if (!put_run(run, &text) || (s->said.len && !is_news(buf_str(&s->said), buf_str(&text))))
                return false;
        if (s->said.len && now_ms - s->said_ms < PROGRESS_MS)
                return true;
        if (!send_event(s->x, "progress", buf_str(&text)))
                return true; /* it does not read: later, what is true then */
        s->said_ms = s->heard_ms = now_ms;
        buf_clear(&s->said);
        buf_put_str(&s->said, buf_str(&text));
        return false;
}

static void say_end(struct http_exchange *x, const struct service_run *run)
{
        cleanup_buf_ struct buf text = BUF_INIT(EVENT_MAX);

        if (put_run(run, &text))
                send_event(x, "end", buf_str(&text));
}

void api_streams_end(struct api *a)
{
        while (a->streams) {
                struct api_stream *s = a->streams;
                const struct service_run *run = service_run_find(a->service, str_of(s->id));
                if (run && run->ended_us) /* the last ones end just before the service */
                        say_end(s->x, run);
                end_stream(s);
        }
}

static void step(void *ctx)
{
        struct api_stream *s = ctx;
        int64_t now_ms = loop_now_ms(s->api->loop);
        const struct service_run *run = service_run_find(s->api->service, str_of(s->id));

        if (!run || run->ended_us) {
                if (run)
                        say_end(s->x, run);
                end_stream(s);
                return;
        }
        bool behind = say_progress(s, run, now_ms);
        if (now_ms - s->heard_ms >= HEARTBEAT_MS) {
                http_exchange_send(s->x, STR(":\n\n"));
                s->heard_ms = now_ms;
        }
        arm(s, now_ms, behind);
}

/* ---- a run under way ---- */

static void stream_run(struct api *a, struct http_exchange *x, const struct service_run *run)
{
        struct api_stream *s = a->stream_count < STREAMS_MAX ? calloc(1, sizeof(*s)) : NULL;
        struct err e;

        if (!s) {
                api_error(x, API_UNAVAILABLE, "%d event streams are open already", STREAMS_MAX);
                return;
        }
        *s = (struct api_stream){.api = a, .x = x, .next = a->streams};
        if (a->streams)
                a->streams->prev = s;
        a->streams = s;
        a->stream_count++;
        memcpy(s->id, run->id, sizeof(s->id));
        buf_init(&s->said, EVENT_MAX);
        s->watch = service_watch(a->service, step, s);
        if (!s->watch || loop_timer_new(a->loop, step, s, &s->timer, &e) != 0) {
                stream_free(s);
                api_error(x, API_INTERNAL, "out of memory");
                return;
        }
        s->heard_ms = loop_now_ms(a->loop);
        http_exchange_stream(x, EVENT_TYPE, on_close, s);
        step(s);
}

/* ---- one that ended ---- */

static void reply_end(struct http_exchange *x, cJSON *run)
{
        char *text = cJSON_PrintUnformatted(run);
        cleanup_buf_ struct buf event = BUF_INIT(EVENT_MAX + 64);

        cJSON_Delete(run);
        if (text)
                buf_printf(&event, "event: end\ndata: %s\n\n", text);
        if (text && !event.error)
                http_exchange_reply(x, 200, EVENT_TYPE, buf_str(&event));
        else
                api_error(x, API_INTERNAL, "out of memory");
        cJSON_free(text);
}

struct history {
        struct api_call call;
        struct buf id;
        cJSON *run; /* owned: its document; NULL: none */
};

static void history_free(struct history *h)
{
        if (!h)
                return;
        buf_deinit(&h->id);
        cJSON_Delete(h->run);
        free(h);
}
DEFINE_CLEANUP(struct history *, history_free);

static int find_run(void *ctx, const struct config *config, struct loop *loop,
        const struct log *log, struct err *e)
{
        struct history *h = ctx;
        struct control control;
        int rc = control_open_within(config, loop, log, API_PATIENCE_MS, &control, e);

        if (!rc)
                rc = run_find(&control, buf_str(&h->id), &h->run, e);
        control_close(&control);
        return rc;
}

static void on_found(void *ctx, int rc, const struct err *e)
{
        cleanup_(history_freep) struct history *h = ctx;
        struct http_exchange *x = api_call_end(&h->call);

        if (x && rc)
                api_fail(x, e);
        else if (x && !h->run)
                api_error(x, API_NOT_FOUND, "there is no run of this id");
        else if (x)
                reply_end(x, api_history_json(h->run));
}

static void ask_history(struct api *a, struct http_exchange *x, struct str id)
{
        cleanup_(history_freep) struct history *h = calloc(1, sizeof(*h));
        const struct service_task task = {.what = "looking for a run in the history",
                .is_public = true,
                .only_reads = true,
                .work = find_run,
                .on_done = on_found,
                .ctx = h};

        if (id.len >= sizeof(((struct service_run *)NULL)->id)) {
                api_error(x, API_NOT_FOUND, "there is no run of this id");
                return;
        }
        if (!h) {
                api_error(x, API_INTERNAL, "out of memory");
                return;
        }
        buf_init(&h->id, id.len);
        buf_put_str(&h->id, id);
        if (api_call_task(a, x, &h->call, &task))
                TAKE(h);
}

void api_get_events(struct api *a, struct http_exchange *x, struct str part)
{
        const struct service_run *run = service_run_find(a->service, part);

        if (!run)
                ask_history(a, x, part);
        else if (run->ended_us)
                reply_end(x, api_run_json(run));
        else if (strcmp(http_exchange_method(x), "HEAD") == 0)
                http_exchange_reply(x, 200, EVENT_TYPE, STR(""));
        else
                stream_run(a, x, run);
}
