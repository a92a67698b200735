/*
 * evhttp reads requests leniently: folded lines, lengths twice, white space before a colon, chunk
 * sizes with a sign, bodies of HEAD taken for the next request; it has no deadline for a head, asks
 * nobody before it reads a body, and answers in HTML. So what comes is read here first (head,
 * body), and evhttp is given a request of our own making, one line that says no more than it must
 * know to reply: GET or HEAD, and the version. Nothing that a client sent reaches its parser;
 * connections and replies are its work.
 *
 * How: evhttp reads from a bufferevent that we made. A callback of its input takes away what comes
 * (with a low watermark of one byte evhttp is not called for nothing) and wakes our event, which
 * reads it outside libevent's callbacks. What is given to evhttp is put in front of the input.
 *
 * evhttp frees its connection whenever it likes; it tells us (closecb), and we forget ours. One
 * that it has just accepted cannot tell yet: we hold a reference to its bufferevent until we have
 * asked it who its owner is, before the next one is accepted.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>

#include "ingest/loop/http_server_internal.h"

#define REPLY_TIMEOUT_MS (600 * 1000) /* of a whole reply, streams aside */
#define BODIES_MAX       8            /* times max_body that bodies of all requests may hold */
#define NEVER_MS         INT64_MAX

/* ---- deadlines, and who is idle ---- */

static int64_t now_ms(const struct http_connection *c)
{
        return loop_now_ms(c->server->loop);
}

/* The event fires early where the deadline was put off since it was set. */
static void arm(struct http_connection *c)
{
        int64_t wait = c->deadline_ms - now_ms(c);

        if (c->deadline_ms == NEVER_MS)
                return;
        if (wait < 0)
                wait = 0;
        event_add(
                c->event, &(struct timeval){.tv_sec = wait / 1000, .tv_usec = wait % 1000 * 1000});
}

static void set_deadline(struct http_connection *c, int64_t at_ms)
{
        bool sooner = at_ms < c->deadline_ms;

        c->deadline_ms = at_ms;
        if (sooner)
                arm(c);
}

static void look_soon(struct http_connection *c)
{
        event_active(c->event, EV_READ, 0);
}

static void leave_idle(struct http_connection *c)
{
        struct http_server *s = c->server;

        if (c->idle_prev)
                c->idle_prev->idle_next = c->idle_next;
        else if (s->idle_first == c)
                s->idle_first = c->idle_next;
        if (c->idle_next)
                c->idle_next->idle_prev = c->idle_prev;
        else if (s->idle_last == c)
                s->idle_last = c->idle_prev;
        c->idle_prev = c->idle_next = NULL;
}

static void enter_idle(struct http_connection *c)
{
        struct http_server *s = c->server;

        c->idle_prev = s->idle_last;
        if (s->idle_last)
                s->idle_last->idle_next = c;
        else
                s->idle_first = c;
        s->idle_last = c;
        set_deadline(c, now_ms(c) + s->options.idle_timeout_ms);
}

static void set_state(struct http_connection *c, enum connection_state state)
{
        if (c->state == CONNECTION_IDLE)
                leave_idle(c);
        c->state = state;
        if (state == CONNECTION_IDLE)
                enter_idle(c);
}

bool http_connection_close_idle(struct http_server *s)
{
        if (!s->idle_first)
                return false;
        http_connection_close(s->idle_first);
        return true;
}

/* ---- the end ---- */

static void forget(struct http_connection *c)
{
        struct http_server *s = c->server;

        leave_idle(c);
        if (s->feeding == c)
                s->feeding = NULL;
        if (c->event)
                event_free(c->event);
        if (c->in)
                evbuffer_free(c->in);
        free(c);
}

/* evhttp would free a request of ours with its connection, but not one that is not answered yet: so
 * it was told that all are ours, and they are freed when it is through with the connection. */
static void orphan_request(struct http_connection *c)
{
        struct http_server *s = c->server;

        if (!c->request)
                return;
        s->orphans[s->orphan_count++] = c->request; /* there is room: see make_room_for_orphan() */
        http_server_later(s);
}

static void let_go_of_exchange(struct http_connection *c)
{
        struct http_exchange *x = c->exchange;

        if (!x)
                return;
        x->connection = NULL;
        if (!x->handed) {
                http_exchange_free(x);
        } else if (x->streaming) {
                c->server->closed_streams = true;
                http_server_later(c->server);
        }
}

static void on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *ctx);
static void on_output(struct evbuffer *output, const struct evbuffer_cb_info *info, void *ctx);

/* From evhttp: the connection ends. */
static void on_closed(struct evhttp_connection *evcon, void *ctx)
{
        struct http_connection *c = ctx;

        (void)evcon;
        evbuffer_remove_cb(bufferevent_get_input(c->bev), on_input, c);
        evbuffer_remove_cb(bufferevent_get_output(c->bev), on_output, c);
        c->server->stats.open--;
        orphan_request(c);
        let_go_of_exchange(c);
        forget(c);
}

void http_connection_close(struct http_connection *c)
{
        evhttp_connection_free(c->evcon); /* on_closed() */
}

/* ---- a request for evhttp ---- */

static bool make_room_for_orphan(struct http_server *s)
{
        size_t wanted = (size_t)s->stats.open + s->orphan_count + 1;

        if (wanted <= s->orphan_max)
                return true;
        struct evhttp_request **more =
                realloc(s->orphans, 2 * wanted * sizeof(struct evhttp_request *));
        if (!more)
                return false;
        s->orphans = more;
        s->orphan_max = 2 * wanted;
        return true;
}

/* @c may be gone. */
static void feed(struct http_connection *c)
{
        struct http_server *s = c->server;
        const struct http_head *h = c->exchange ? &c->exchange->head : NULL;
        bool head_only = h && h->method && strcmp(h->method, "HEAD") == 0;
        char line[64];
        int n = snprintf(line, sizeof(line), "%s / HTTP/1.%d\r\n\r\n", head_only ? "HEAD" : "GET",
                h && h->http10 ? 0 : 1);

        set_state(c, CONNECTION_WORKING);
        set_deadline(c, NEVER_MS);
        s->feeding = c;
        if (make_room_for_orphan(s) &&
                evbuffer_prepend(bufferevent_get_input(c->bev), line, (size_t)n) == 0)
                bufferevent_trigger(c->bev, EV_READ, 0); /* http_connection_take_request() */
        if (s->feeding == c)                             /* not taken: no memory */
                http_connection_close(c);
}

static void on_reply_written(struct evhttp_request *q, void *ctx)
{
        struct http_connection *c = ctx;

        (void)q;
        c->request = NULL; /* evhttp frees it now */
        if (c->linger)
                http_linger_begin(c->server, bufferevent_getfd(c->bev));
        if (c->close)
                return; /* as evhttp does next */
        set_state(c, CONNECTION_IDLE);
        if (evbuffer_get_length(c->in) > 0)
                look_soon(c);
}

void http_connection_take_request(struct http_connection *c, struct evhttp_request *q)
{
        struct http_server *s = c->server;

        s->feeding = NULL;
        evhttp_request_own(q);
        evhttp_request_set_on_complete_cb(q, on_reply_written, c);
        c->request = q;
        if (c->refusal) {
                http_exchange_refuse(c);
                return;
        }
        c->exchange->handed = true;
        s->stats.open_exchanges++;
        s->options.on_request(s->options.ctx, c->exchange);
}

void http_connection_refuse(struct http_connection *c, int status, const char *why)
{
        char *peer = NULL;
        ev_uint16_t port;

        evhttp_connection_get_peer(c->evcon, &peer, &port);
        log_debug(c->server->log, "http: a request from %s was refused with %d: %s",
                peer ? peer : "nowhere", status, why ? why : "out of memory");
        c->refusal = status;
        c->close = true;
        c->linger = true;
        feed(c);
}

void http_connection_replying(struct http_connection *c)
{
        bool streaming = c->exchange && c->exchange->streaming;

        set_state(c, streaming ? CONNECTION_STREAMING : CONNECTION_REPLYING);
        c->reply_until_ms = streaming ? NEVER_MS : now_ms(c) + REPLY_TIMEOUT_MS;
        set_deadline(c, now_ms(c) + c->server->options.write_timeout_ms);
        /* A client that has closed its half may still read the reply; of a stream it is the end. */
        if (!streaming)
                bufferevent_disable(c->bev, EV_READ);
}

/* ---- what comes ---- */

static int64_t min64(int64_t a, int64_t b)
{
        return a < b ? a : b;
}

static bool begin_request(struct http_connection *c)
{
        const struct http_server_options *o = &c->server->options;

        c->exchange = http_exchange_new(c);
        if (!c->exchange)
                return false;
        c->close = c->linger = c->failed = false;
        c->refusal = 0;
        c->exchange->began_ms = now_ms(c);
        set_state(c, CONNECTION_HEAD);
        set_deadline(c, now_ms(c) + min64(o->head_timeout_ms, o->request_timeout_ms));
        return true;
}

/* The first bytes in @c->in, in one piece. */
static struct str peek(struct http_connection *c)
{
        struct evbuffer_iovec v = {0};

        return evbuffer_peek(c->in, -1, NULL, &v, 1) > 0 ? (struct str){v.iov_base, v.iov_len}
                                                         : (struct str){0};
}

/* The client waits for this before it sends a body, for a second or so: no harm where the socket
 * takes none now. */
static void send_continue(struct http_connection *c)
{
        static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";

        if (evbuffer_get_length(c->in) == 0 && c->exchange->body.state != HTTP_BODY_WHOLE)
                (void)!send(bufferevent_getfd(c->bev), interim, sizeof(interim) - 1,
                        MSG_NOSIGNAL | MSG_DONTWAIT);
}

static size_t body_limit(struct http_connection *c)
{
        const struct http_server_options *o = &c->server->options;
        size_t limit = o->body_limit ? o->body_limit(o->ctx, c->exchange) : o->max_body;

        return limit < o->max_body ? limit : o->max_body;
}

static int begin_body(struct http_connection *c)
{
        struct http_exchange *x = c->exchange;
        int64_t length = x->head.chunked ? -1 : x->head.length < 0 ? 0 : x->head.length;
        int status = http_target_decode(&x->target, http_head_target(&x->head));

        if (status) {
                x->head.refused = "an address that is not percent-encoded UTF-8";
                return status;
        }
        c->close = x->head.close;
        status = http_body_init(&x->body, length, length == 0 ? 0 : body_limit(c));
        if (status == 0 && x->head.expects)
                send_continue(c);
        set_state(c, CONNECTION_BODY);
        set_deadline(c, x->began_ms + c->server->options.request_timeout_ms);
        return status;
}

static int take_body(struct http_connection *c, struct str *some)
{
        struct http_server *s = c->server;
        struct http_exchange *x = c->exchange;
        int status = x->body.state == HTTP_BODY_WHOLE ? 1 : http_body_take(&x->body, some);

        s->body_bytes += x->body.bytes.len - x->counted;
        x->counted = x->body.bytes.len;
        if (status <= 1 && s->body_bytes / BODIES_MAX > s->options.max_body) {
                x->body.refused = "the bodies of all requests are too much";
                return 503;
        }
        return status;
}

/* Return: 0 more is needed; 1 a request is whole; a status. */
static int take_some(struct http_connection *c)
{
        struct http_exchange *x = c->exchange;
        struct str all = peek(c), some = all;
        int status = 0;

        if (c->state == CONNECTION_HEAD) {
                status = http_head_take(&x->head, &some);
                evbuffer_drain(c->in, all.len - some.len);
                return status == 1 ? begin_body(c) : status;
        }
        status = take_body(c, &some);
        evbuffer_drain(c->in, all.len - some.len);
        return status;
}

static bool is_waiting_for_bytes(const struct http_connection *c)
{
        return c->state != CONNECTION_BODY || c->exchange->body.state != HTTP_BODY_WHOLE;
}

/* @c may be gone afterwards. */
static void look(struct http_connection *c)
{
        int status = 0;

        if (c->state > CONNECTION_BODY)
                return;
        if (c->state == CONNECTION_IDLE && evbuffer_get_length(c->in) > 0 && !begin_request(c)) {
                http_connection_close(c);
                return;
        }
        while (status == 0 && c->state != CONNECTION_IDLE &&
                (evbuffer_get_length(c->in) > 0 || !is_waiting_for_bytes(c)))
                status = take_some(c);
        if (status == 1)
                feed(c);
        else if (status != 0)
                http_connection_refuse(c, status,
                        c->exchange->head.refused ? c->exchange->head.refused
                                                  : c->exchange->body.refused);
}

static void on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *ctx)
{
        struct http_connection *c = ctx;

        if (info->n_added == 0 || c->server->feeding == c)
                return;
        if (c->state > CONNECTION_BODY) { /* a stream goes out: no request can follow it */
                evbuffer_drain(input, evbuffer_get_length(input));
                return;
        }
        evbuffer_add_buffer(c->in, input);
        look_soon(c);
}

static void on_output(struct evbuffer *output, const struct evbuffer_cb_info *info, void *ctx)
{
        struct http_connection *c = ctx;

        (void)output;
        bool moves = info->n_deleted > 0 || info->orig_size == 0;
        if (moves && c->state >= CONNECTION_REPLYING)
                set_deadline(c,
                        min64(now_ms(c) + c->server->options.write_timeout_ms, c->reply_until_ms));
}

static void on_deadline(struct http_connection *c)
{
        bool quiet = evbuffer_get_length(bufferevent_get_output(c->bev)) == 0;

        switch (c->state) {
        case CONNECTION_HEAD:
        case CONNECTION_BODY:
                http_connection_refuse(c, 408, "it did not come in time");
                break;
        case CONNECTION_STREAMING:
                if (quiet) { /* nothing to send is no fault of the client */
                        set_deadline(c, now_ms(c) + c->server->options.write_timeout_ms);
                        arm(c);
                        break;
                }
                http_connection_close(c);
                break;
        default:
                http_connection_close(c);
        }
}

static void on_event(evutil_socket_t fd, short what, void *ctx)
{
        struct http_connection *c = ctx;

        (void)fd;
        /* Whatever it was, it is no longer set. */
        if (what & EV_READ) {
                arm(c);
                look(c);
        } else if (now_ms(c) >= c->deadline_ms) {
                on_deadline(c);
        } else {
                arm(c);
        }
}

/* ---- the beginning ---- */

static struct http_connection *allocate(struct http_server *s)
{
        struct http_connection *c = calloc(1, sizeof(*c));

        if (!c)
                return NULL;
        *c = (struct http_connection){.server = s,
                .deadline_ms = NEVER_MS,
                .state = CONNECTION_WORKING, /* until adopted */
                .in = evbuffer_new(),
                .event = event_new(loop_base(s->loop), -1, 0, on_event, c),
                .bev = bufferevent_socket_new(loop_base(s->loop), -1, 0)};
        return c;
}

struct bufferevent *http_connection_new(struct http_server *s)
{
        struct http_connection *c = allocate(s);

        if (!c)
                return NULL;
        if (!c->in || !c->event || !c->bev ||
                !evbuffer_add_cb(bufferevent_get_input(c->bev), on_input, c) ||
                !evbuffer_add_cb(bufferevent_get_output(c->bev), on_output, c)) {
                if (c->bev)
                        bufferevent_free(c->bev);
                forget(c);
                return NULL;
        }
        bufferevent_setwatermark(c->bev, EV_READ, 1, 0);
        bufferevent_incref(c->bev);
        s->pending = c;
        http_server_later(s);
        return c->bev;
}

/* evhttp is the one that the bufferevent calls; where it gave up, nobody is. */
static struct evhttp_connection *owner(struct http_connection *c)
{
        bufferevent_data_cb on_read = NULL;
        void *ctx = NULL;

        bufferevent_getcb(c->bev, &on_read, NULL, NULL, &ctx);
        return on_read ? ctx : NULL;
}

static void admit(struct http_connection *c)
{
        struct http_server *s = c->server;
        const int on = 1;

        s->stats.connections++;
        s->stats.open++;
        (void)setsockopt(bufferevent_getfd(c->bev), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        c->state = CONNECTION_IDLE;
        if (s->stats.open > (unsigned)s->options.max_connections &&
                !http_connection_close_idle(s)) {
                s->stats.refused++;
                enter_idle(c);
                http_connection_refuse(c, 503, "there are too many connections");
                return;
        }
        enter_idle(c);
}

void http_connection_adopt(struct http_server *s)
{
        struct http_connection *c = TAKE(s->pending);
        struct evhttp_connection *evcon = c ? owner(c) : NULL;

        if (!c)
                return;
        if (!evcon) {
                evbuffer_remove_cb(bufferevent_get_input(c->bev), on_input, c);
                evbuffer_remove_cb(bufferevent_get_output(c->bev), on_output, c);
                bufferevent_decref(c->bev);
                forget(c);
                return;
        }
        c->evcon = evcon;
        evhttp_connection_set_closecb(evcon, on_closed, c);
        bufferevent_decref(c->bev);
        admit(c);
}
