/*
 * curl tells through two callbacks which descriptors and which time-out it waits for; they only
 * arm watches and a timer, because curl must not be called from its own callbacks. Everything
 * else happens in http_step(), which the loop alone runs, at once where curl has finished calls,
 * else by a timer: cancelled calls end, finished ones are reported, waiting ones start.
 *
 * The queue in front of curl is ours: a call's time-outs begin when it has a connection, not
 * while it waits for one.
 *
 * When curl cannot watch a descriptor any more (memory), the client is broken: every call ends
 * with that error and no new one starts.
 */
#include "ingest/loop/http.h"

#include <curl/curl.h>
#include <signal.h>

#include "ingest/base/clock.h"
#include "ingest/loop/http_call.h"

#define CONNECT_TIMEOUT_MS 10000
#define TIMEOUT_MS         300000
#define IDLE_TIMEOUT_MS    90000 /* CouchDB itself gives up on a silent shard after 60 s */
#define MAX_CONNECTIONS    16
#define SPARE_HANDLES      16 /* each a few KiB */

struct watch {
        struct http *http;
        struct watch *next, *prev;
        struct loop_fd *event; /* owned */
        curl_socket_t fd;      /* borrowed from curl */
};

struct call_list {
        struct http_call *first, *last;
};

struct http {
        struct loop *loop; /* borrowed */
        CURLM *multi;
        struct http_shared shared;
        struct loop_timer *curl_timer, *step;
        struct call_list waiting, running;
        long running_count;
        size_t cancelled_count, resume_count;
        CURL *spare[SPARE_HANDLES]; /* owned; of calls that are over */
        size_t spare_count;
        struct watch *watches;
        bool stepping; /* before waiting calls are looked at */
        bool closing;
        int broken; /* 0 or the rc of broken_err */
        struct err broken_err;
};

static struct call_list *list_of(struct http_call *c)
{
        return c->state == HTTP_CALL_WAITING ? &c->http->waiting : &c->http->running;
}

static void list_append(struct http_call *c)
{
        struct call_list *list = list_of(c);

        c->next = NULL;
        c->prev = list->last;
        *(list->last ? &list->last->next : &list->first) = c;
        list->last = c;
}

static void list_remove(struct http_call *c)
{
        struct call_list *list = list_of(c);

        *(c->prev ? &c->prev->next : &list->first) = c->next;
        *(c->next ? &c->next->prev : &list->last) = c->prev;
        c->next = c->prev = NULL;
}

static void call_set_state(struct http_call *c, enum http_call_state state)
{
        list_remove(c);
        c->state = state;
        list_append(c);
        c->http->running_count += state == HTTP_CALL_RUNNING;
}

/* Takes @c out of curl and the lists and reports it. */
static void call_end(struct http_call *c, CURLcode code, int rc, const struct err *e)
{
        struct http *h = c->http;

        if (c->state == HTTP_CALL_RUNNING) {
                curl_multi_remove_handle(h->multi, c->easy);
                h->running_count--;
        }
        list_remove(c);
        h->cancelled_count -= c->cancelled;
        h->resume_count -= c->paused && c->resume;
        CURL *easy = http_call_finish(c, code, rc, e);
        /* libcurl 7.88 keeps the buffer of a call that failed early, and then refuses a size. */
        if (code == CURLE_OK && rc == 0 && h->spare_count < SPARE_HANDLES)
                h->spare[h->spare_count++] = easy;
        else
                curl_easy_cleanup(easy);
}

static void call_end_cancelled(struct http_call *c)
{
        struct err e;
        int rc = err_set(&e, ERR_CANCEL, "cancelled");

        call_end(c, CURLE_OK, rc, &e);
}

static void set_broken(struct http *h, int rc)
{
        if (!h->broken)
                h->broken = rc;
        loop_timer_soon(h->step);
}

/* Lets curl work on @fd or, for CURL_SOCKET_TIMEOUT, on what is due.
 * Return: whether calls have finished: a step is needed. */
static bool run_curl(struct http *h, curl_socket_t fd, int what)
{
        int alive = 0;
        CURLMcode code = curl_multi_socket_action(h->multi, fd, what, &alive);

        if (code != CURLM_OK && !h->broken)
                set_broken(h,
                        err_set(&h->broken_err, code == CURLM_OUT_OF_MEMORY ? ERR_NOMEM : ERR_BUG,
                                "HTTP client: %s", curl_multi_strerror(code)));
        return alive < h->running_count;
}

static void http_step(void *http);

static void on_ready(void *ctx, bool readable, bool writable)
{
        struct watch *w = ctx; /* may be gone after the call */
        struct http *h = w->http;

        if (run_curl(
                    h, w->fd, (readable ? CURL_CSELECT_IN : 0) | (writable ? CURL_CSELECT_OUT : 0)))
                http_step(h);
}

static struct watch *watch_free(struct watch *w)
{
        if (!w)
                return NULL;
        *(w->prev ? &w->prev->next : &w->http->watches) = w->next;
        if (w->next)
                w->next->prev = w->prev;
        loop_fd_free(w->event);
        free(w);
        return NULL;
}

static int watch_new(struct http *h, curl_socket_t fd, struct watch **out, struct err *e)
{
        struct watch *w = calloc(1, sizeof(*w));

        if (!w)
                return err_nomem(e, "a connection");
        *w = (struct watch){.http = h, .fd = fd};
        int rc = loop_fd_new(h->loop, fd, on_ready, w, &w->event, e);
        if (rc < 0) {
                free(w);
                return rc;
        }
        w->next = h->watches;
        if (w->next)
                w->next->prev = w;
        h->watches = w;
        *out = w;
        return 0;
}

/* CURLMOPT_SOCKETFUNCTION: what curl wants to know of @fd. -1 makes curl give up. */
static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *watch)
{
        struct http *h = ctx;
        struct watch *w = watch;

        (void)easy;
        if (what == CURL_POLL_REMOVE) {
                watch_free(w);
                return 0;
        }
        if (!w) {
                int rc = watch_new(h, fd, &w, &h->broken_err);
                if (rc < 0) {
                        set_broken(h, rc);
                        return -1;
                }
                curl_multi_assign(
                        h->multi, fd, w); /* fails only for a descriptor unknown to curl */
        }
        loop_fd_set(w->event, what & CURL_POLL_IN, what & CURL_POLL_OUT);
        return 0;
}

static int on_curl_timeout(CURLM *multi, long ms, void *ctx)
{
        struct http *h = ctx;

        (void)multi;
        if (ms < 0)
                loop_timer_stop(h->curl_timer);
        else
                loop_timer_set(h->curl_timer, ms);
        return 0;
}

static void on_curl_timer(void *ctx)
{
        if (run_curl(ctx, CURL_SOCKET_TIMEOUT, 0))
                http_step(ctx);
}

static struct http_call *first_cancelled(const struct http *h)
{
        const struct call_list *lists[] = {&h->running, &h->waiting};

        for (size_t i = 0; i < 2; i++)
                for (struct http_call *c = lists[i]->first; c; c = c->next)
                        if (c->cancelled)
                                return c;
        return NULL;
}

/* Those that are cancelled meanwhile come in the next step. */
static void end_cancelled(struct http *h)
{
        for (size_t n = h->cancelled_count; n > 0; n--)
                call_end_cancelled(first_cancelled(h));
        if (h->cancelled_count > 0)
                loop_timer_soon(h->step);
}

static struct http_call *first_resumed(const struct http *h)
{
        struct http_call *c = h->running.first;

        while (!c->paused || !c->resume)
                c = c->next;
        return c;
}

/* Here, because curl gives what it kept from inside curl_easy_pause(). */
static void resume_calls(struct http *h)
{
        for (size_t n = h->resume_count; n > 0; n--) {
                struct http_call *c = first_resumed(h);
                h->resume_count--;
                c->resume = false;
                CURLcode code = http_call_resume(c);
                if (code != CURLE_OK && !c->cancelled)
                        call_end(c, code, 0, NULL);
        }
}

static void end_finished(struct http *h)
{
        CURLMsg *m;
        int left;

        while ((m = curl_multi_info_read(h->multi, &left))) {
                struct http_call *c = NULL;
                CURLcode code = m->data.result; /* m is gone once the call leaves the multi */
                if (m->msg != CURLMSG_DONE)
                        continue;
                curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c);
                if (c->cancelled)
                        call_end_cancelled(c);
                else
                        call_end(c, code, 0, NULL);
        }
}

static void end_all(struct http *h, int rc, const struct err *e)
{
        while (h->running.first || h->waiting.first) {
                struct http_call *c = h->running.first ? h->running.first : h->waiting.first;
                call_end(c, CURLE_OK, rc, e);
        }
}

static void start_waiting(struct http *h)
{
        bool started = false;

        while (h->waiting.first && h->running_count < h->shared.options.max_connections &&
                !h->broken) {
                struct http_call *c = h->waiting.first;
                c->started_us = clock_monotonic_us();
                if (curl_multi_add_handle(h->multi, c->easy) != CURLM_OK) {
                        struct err e;
                        int rc = err_nomem(&e, "a request");
                        call_end(c, CURLE_OK, rc, &e);
                        continue;
                }
                call_set_state(c, HTTP_CALL_RUNNING);
                started = true;
        }
        h->stepping = false;
        if (started && run_curl(h, CURL_SOCKET_TIMEOUT, 0)) /* by its timer: another turn */
                loop_timer_soon(h->step);
}

static void http_step(void *ctx)
{
        struct http *h = ctx;

        if (h->broken) {
                end_all(h, h->broken, &h->broken_err);
                return;
        }
        h->stepping = true;
        end_cancelled(h);
        end_finished(h);
        resume_calls(h);
        start_waiting(h);
}

int http_start(
        struct http *h, const struct http_request *request, struct http_call **out, struct err *e)
{
        struct http_call *c;

        if (h->closing)
                return err_set(e, ERR_CANCEL, "the HTTP client is closing");
        if (h->broken) {
                if (e)
                        *e = h->broken_err;
                return h->broken;
        }
        CURL *spare = h->spare_count > 0 ? h->spare[--h->spare_count] : NULL;
        int rc = http_call_new(&h->shared, spare, request, &c, e);
        if (rc < 0)
                return rc;
        c->http = h;
        c->state = HTTP_CALL_WAITING;
        list_append(c);
        if (!h->stepping)
                loop_timer_soon(h->step);
        if (out)
                *out = c;
        return 0;
}

void http_cancel(struct http_call *c)
{
        if (c->cancelled)
                return;
        c->cancelled = true;
        c->http->cancelled_count++;
        loop_timer_soon(c->http->step);
}

void http_resume(struct http_call *c)
{
        if (c->resume || (!c->paused && !c->taking))
                return;
        c->resume = true;
        if (c->taking)
                return;
        c->http->resume_count++;
        loop_timer_soon(c->http->step);
}

static const char *const version_agent = "erp2couch/" ERP2COUCH_VERSION;

static bool copy_text(const char **to, const char *from)
{
        *to = from ? strdup(from) : NULL;
        return !from || *to;
}

static int copy_options(struct http *h, const struct http_options *o, struct err *e)
{
        h->shared.options = (struct http_options){
                .connect_timeout_ms =
                        o->connect_timeout_ms > 0 ? o->connect_timeout_ms : CONNECT_TIMEOUT_MS,
                .timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : TIMEOUT_MS,
                .idle_timeout_ms = o->idle_timeout_ms > 0 ? o->idle_timeout_ms : IDLE_TIMEOUT_MS,
                .max_connections = o->max_connections > 0 ? o->max_connections : MAX_CONNECTIONS,
                .cookies = o->cookies,
                .compressed = o->compressed,
        };
        bool ok = copy_text(&h->shared.options.ca_file, o->ca_file) &&
                  copy_text(&h->shared.options.cert_file, o->cert_file) &&
                  copy_text(&h->shared.options.key_file, o->key_file) &&
                  copy_text(&h->shared.options.proxy, o->proxy) &&
                  copy_text(&h->shared.options.user_agent,
                          o->user_agent ? o->user_agent : version_agent);
        return ok ? 0 : err_nomem(e, "the HTTP client");
}

static bool set_up_share(struct http *h)
{
        h->shared.share = curl_share_init();
        if (!h->shared.share)
                return false;
        CURLSHcode code =
                curl_share_setopt(h->shared.share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
        if (code == CURLSHE_OK && h->shared.options.cookies)
                code = curl_share_setopt(h->shared.share, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE);
        return code == CURLSHE_OK;
}

static bool set_up_multi(struct http *h)
{
        h->multi = curl_multi_init();
        return h->multi &&
               curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket) == CURLM_OK &&
               curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h) == CURLM_OK &&
               curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_curl_timeout) == CURLM_OK &&
               curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h) == CURLM_OK &&
               curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS,
                       h->shared.options.max_connections) == CURLM_OK;
}

int http_new(struct loop *l, const struct http_options *options, struct http **out, struct err *e)
{
        cleanup_(http_freep) struct http *h = calloc(1, sizeof(*h));

        if (!h)
                return err_nomem(e, "the HTTP client");
        h->loop = l;
        int rc = copy_options(h, options, e);
        if (rc == 0)
                rc = loop_timer_new(l, on_curl_timer, h, &h->curl_timer, e);
        if (rc == 0)
                rc = loop_timer_new(l, http_step, h, &h->step, e);
        if (rc == 0 && (!set_up_share(h) || !set_up_multi(h)))
                rc = err_nomem(e, "the HTTP client");
        if (rc < 0)
                return rc;
        *out = TAKE(h);
        return 0;
}

struct http *http_free(struct http *h)
{
        struct err e;

        if (!h)
                return NULL;
        h->closing = true;
        end_all(h, err_set(&e, ERR_CANCEL, "cancelled"), &e);
        while (h->spare_count > 0)
                curl_easy_cleanup(h->spare[--h->spare_count]);
        curl_multi_cleanup(h->multi);
        curl_share_cleanup(h->shared.share);
        while (h->watches)
                watch_free(h->watches);
        loop_timer_free(h->curl_timer);
        loop_timer_free(h->step);
        free((void *)h->shared.options.ca_file);
        free((void *)h->shared.options.cert_file);
        free((void *)h->shared.options.key_file);
        free((void *)h->shared.options.proxy);
        free((void *)h->shared.options.user_agent);
        free(h);
        return NULL;
}

int http_global_init(struct err *e)
{
        struct sigaction pipe;

        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                return err_set(e, ERR_NOMEM, "libcurl could not be initialised");
        /* With CURLOPT_NOSIGNAL curl leaves SIGPIPE to us: a server that closes a TLS connection
         * must be an error, not the end of the process. */
        if (sigaction(SIGPIPE, NULL, &pipe) == 0 && pipe.sa_handler == SIG_DFL)
                signal(SIGPIPE, SIG_IGN);
        return 0;
}

void http_global_cleanup(void)
{
        curl_global_cleanup();
}
