/*
 * The server: listening sockets, limits, and what must wait until evhttp's callbacks are over.
 * http_server_connection.c reads requests, http_server_exchange.c answers them.
 */
#include <errno.h>
#include <event2/listener.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "ingest/loop/http_server_internal.h"

#define MAX_HEAD           (16 << 10)
#define MAX_BODY           (16 << 20)
#define MAX_CONNECTIONS    2000
#define HEAD_TIMEOUT_MS    (10 * 1000)
#define REQUEST_TIMEOUT_MS (60 * 1000)
#define IDLE_TIMEOUT_MS    (120 * 1000)
#define WRITE_TIMEOUT_MS   (30 * 1000)
#define ACCEPT_PAUSE_MS    100         /* after accept() failed: descriptors are short */
#define ACCEPT_LOG_MS      (60 * 1000) /* between two lines about it */

void http_server_later(struct http_server *s)
{
        event_active(s->later, EV_READ, 0);
}

static void reap_orphans(struct http_server *s)
{
        while (s->orphan_count > 0)
                evhttp_request_free(s->orphans[--s->orphan_count]);
}

static struct http_exchange *closed_stream(struct http_server *s)
{
        for (struct http_exchange *x = s->exchanges; x; x = x->next)
                if (x->streaming && !x->connection)
                        return x;
        s->closed_streams = false;
        return NULL;
}

static void on_later(evutil_socket_t fd, short what, void *ctx)
{
        struct http_server *s = ctx;
        struct http_exchange *x;

        (void)fd;
        (void)what;
        http_connection_adopt(s);
        reap_orphans(s);
        while (s->closed_streams && (x = closed_stream(s))) {
                void (*on_close)(void *) = x->on_close;
                void *on_close_ctx = x->on_close_ctx;
                http_exchange_free(x);
                if (on_close)
                        on_close(on_close_ctx);
        }
}

static struct bufferevent *on_accept(struct event_base *base, void *ctx)
{
        struct http_server *s = ctx;

        (void)base;
        http_connection_adopt(s); /* the one before */
        return http_connection_new(s);
}

static void on_request(struct evhttp_request *q, void *ctx)
{
        struct http_server *s = ctx;

        if (s->feeding)
                http_connection_take_request(s->feeding, q);
        else /* a connection without ours beside it: there was no memory */
                evhttp_send_error(q, 503, NULL);
}

/* ---- when descriptors are short ---- */

static void enable_accept(struct http_server *s, bool on)
{
        for (int i = 0; i < s->bound_count; i++) {
                struct evconnlistener *l = evhttp_bound_socket_get_listener(s->bound[i]);
                if (on)
                        evconnlistener_enable(l);
                else
                        evconnlistener_disable(l);
                loop_fd_set(s->watches[i], on, false);
        }
}

static void on_accept_again(void *ctx)
{
        enable_accept(ctx, true);
}

static void pause_accept(struct http_server *s, int errnum)
{
        int64_t now = loop_now_ms(s->loop);

        enable_accept(s, false);
        loop_timer_set(s->accept_again, ACCEPT_PAUSE_MS);
        http_connection_adopt(s);
        http_connection_close_idle(s);
        if (s->accept_logged && now - s->accept_logged_ms < ACCEPT_LOG_MS)
                return;
        s->accept_logged = true;
        s->accept_logged_ms = now;
        log_warn(s->log, "http: a connection cannot be accepted: %s; idle ones are closed",
                strerror(errnum));
}

/* Somebody wants to connect, and evhttp is about to accept. Where it cannot, it does not say so (an
 * error callback of its listener is given evhttp, which knows nothing of us), the socket stays
 * readable, and the loop would turn for nothing else. So whether a descriptor can be had is tried
 * here. */
static void on_knock(void *ctx, bool readable, bool writable)
{
        int fd = eventfd(0, EFD_CLOEXEC);

        (void)readable;
        (void)writable;
        if (fd < 0)
                pause_accept(ctx, errno);
        else
                close(fd);
}

/* ---- begin and end ---- */

static void set_defaults(struct http_server_options *o)
{
        o->error_type = o->error_type ? o->error_type : "application/json";
        o->max_head = o->max_head ? o->max_head : MAX_HEAD;
        o->max_body = o->max_body ? o->max_body : MAX_BODY;
        o->max_connections = o->max_connections ? o->max_connections : MAX_CONNECTIONS;
        o->head_timeout_ms = o->head_timeout_ms ? o->head_timeout_ms : HEAD_TIMEOUT_MS;
        o->request_timeout_ms = o->request_timeout_ms ? o->request_timeout_ms : REQUEST_TIMEOUT_MS;
        o->write_timeout_ms = o->write_timeout_ms ? o->write_timeout_ms : WRITE_TIMEOUT_MS;
        o->idle_timeout_ms = o->idle_timeout_ms ? o->idle_timeout_ms : IDLE_TIMEOUT_MS;
}

/* Takes @fd over, also where it fails. */
static int bind_fd(struct http_server *s, int fd, struct err *e)
{
        struct evhttp_bound_socket *b = evhttp_accept_socket_with_handle(s->evhttp, fd);

        if (!b) {
                close(fd);
                return err_nomem(e, "the HTTP server");
        }
        int rc = loop_fd_new(s->loop, fd, on_knock, s, &s->watches[s->bound_count], e);
        s->bound[s->bound_count++] = b;
        /* It is enabled already, but whether that worked is not told. */
        if (rc == 0 && evconnlistener_enable(evhttp_bound_socket_get_listener(b)) < 0)
                rc = err_nomem(e, "the HTTP server");
        if (rc == 0)
                loop_fd_set(s->watches[s->bound_count - 1], true, false);
        return rc;
}

static int port_of(int fd)
{
        struct sockaddr_storage a = {0};
        socklen_t len = sizeof(a);

        (void)getsockname(fd, (struct sockaddr *)&a, &len);
        return http_listen_port(&a);
}

static int take_given(struct http_server *s, int fd, struct err *e)
{
        int listening = 0;
        socklen_t len = sizeof(listening);

        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0 || !listening)
                return err_set(e, ERR_CONFIG, "descriptor %d, given to listen on, does not", fd);
        if (evutil_make_socket_nonblocking(fd) < 0 || evutil_make_socket_closeonexec(fd) < 0)
                return err_set_errno(e, ERR_SYSTEM, errno, "descriptor %d", fd);
        s->port = port_of(fd);
        return bind_fd(s, fd, e);
}

static int listen_here(struct http_server *s, struct err *e)
{
        int fds[HTTP_SERVER_MAX_LISTENERS];
        int count = http_listen(s->options.listen, fds, &s->port, e), rc = 0;

        for (int i = 0; i < count; i++) {
                if (rc == 0)
                        rc = bind_fd(s, fds[i], e);
                else
                        close(fds[i]);
        }
        return count < 0 ? count : rc;
}

/* libevent writes with writev(): a client that has gone would end the process. */
static void ignore_sigpipe(void)
{
        struct sigaction pipe;

        if (sigaction(SIGPIPE, NULL, &pipe) == 0 && pipe.sa_handler == SIG_DFL)
                signal(SIGPIPE, SIG_IGN);
}

int http_server_new(struct loop *l, const struct http_server_options *options,
        const struct log *log, struct http_server **out, struct err *e)
{
        cleanup_(http_server_freep) struct http_server *s = calloc(1, sizeof(*s));

        if (!s)
                return err_nomem(e, "the HTTP server");
        *s = (struct http_server){.loop = l, .log = log, .options = *options};
        set_defaults(&s->options);
        ignore_sigpipe();
        s->later = event_new(loop_base(l), -1, 0, on_later, s);
        s->evhttp = evhttp_new(loop_base(l));
        if (!s->later || !s->evhttp)
                return err_nomem(e, "the HTTP server");
        int rc = loop_timer_new(l, on_accept_again, s, &s->accept_again, e);
        if (rc < 0)
                return rc;
        evhttp_set_bevcb(s->evhttp, on_accept, s);
        evhttp_set_gencb(s->evhttp, on_request, s);
        evhttp_set_default_content_type(s->evhttp, NULL);
        /* What it is given to read is ours and short. */
        evhttp_set_max_headers_size(s->evhttp, MAX_HEAD);
        evhttp_set_max_body_size(s->evhttp, 0);
        rc = options->fd >= 0 ? take_given(s, options->fd, e) : listen_here(s, e);
        if (rc < 0)
                return rc;
        s->options.listen = NULL; /* borrowed */
        *out = TAKE(s);
        return 0;
}

static void stop_listening(struct http_server *s)
{
        while (s->bound_count > 0) {
                s->bound_count--;
                loop_fd_free(s->watches[s->bound_count]);
                evhttp_del_accept_socket(s->evhttp, s->bound[s->bound_count]);
        }
}

void http_server_stop(struct http_server *s)
{
        s->stopping = true;
        loop_timer_stop(s->accept_again);
        http_connection_adopt(s);
        stop_listening(s);
        while (http_connection_close_idle(s))
                ;
}

struct http_server *http_server_free(struct http_server *s)
{
        if (!s)
                return NULL;
        if (s->evhttp) {
                http_connection_adopt(s);
                stop_listening(s);
                evhttp_free(s->evhttp);
        }
        reap_orphans(s);
        while (s->exchanges)
                http_exchange_free(s->exchanges);
        http_linger_free_all(s);
        loop_timer_free(s->accept_again);
        if (s->later)
                event_free(s->later);
        free(s->orphans);
        free(s);
        return NULL;
}

int http_server_port(const struct http_server *s)
{
        return s->port;
}

void http_server_stats(const struct http_server *s, struct http_server_stats *out)
{
        *out = s->stats;
}
