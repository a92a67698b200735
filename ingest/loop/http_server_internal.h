/*
 * http_server_internal.h: what the files of the HTTP server share.
 *
 * A connection goes round:
 *
 *      IDLE -> HEAD -> BODY -> WORKING -> REPLYING -> IDLE
 *                 \      \         \-> STREAMING -> (closed)
 *                  refused, answered by REPLYING -> (closed)
 *
 * Until WORKING nothing that came is seen by evhttp (http_server_connection.c says why); from then
 * on nothing is read, but while a stream goes out.
 */
#pragma once

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <sys/socket.h>

#include "ingest/loop/http_server.h"
#include "ingest/loop/http_server_body.h"
#include "ingest/loop/http_server_head.h"
#include "ingest/loop/http_server_target.h"

enum connection_state {
        CONNECTION_IDLE,
        CONNECTION_HEAD,
        CONNECTION_BODY,
        CONNECTION_WORKING,
        CONNECTION_REPLYING,
        CONNECTION_STREAMING
};

struct http_connection {
        struct http_server *server;
        struct bufferevent *bev;         /* evhttp's */
        struct evhttp_connection *evcon; /* NULL until adopted */
        struct evbuffer *in;             /* came, and was not looked at yet */
        struct event *event;             /* its deadline, and "look at what came" */
        struct http_exchange *exchange;  /* from a request's first byte until it is answered */
        struct evhttp_request *request;  /* from WORKING until the reply is written */
        enum connection_state state;
        int64_t deadline_ms, reply_until_ms;
        int refusal; /* the status that the request gets from the server itself */
        bool close;  /* after this reply */
        bool linger; /* and read for a while: more may come that was not wanted */
        bool failed; /* a part of the reply could not be made */
        struct http_connection *idle_prev, *idle_next;
};

struct http_exchange {
        struct http_server *server;
        struct http_connection *connection; /* NULL: the client is gone */
        struct http_head head;
        struct http_body body;
        struct http_target target;
        int64_t began_ms;
        size_t counted; /* of server->body_bytes */
        bool handed, streaming;
        char peer[64];
        void (*on_close)(void *ctx);
        void *on_close_ctx;
        struct http_exchange *prev, *next; /* of server->exchanges */
};

struct http_linger;

#define HTTP_SERVER_MAX_LISTENERS 8 /* addresses of one name */

struct http_server {
        struct loop *loop;
        const struct log *log;
        struct http_server_options options; /* without 0 */
        struct evhttp *evhttp;
        struct evhttp_bound_socket *bound[HTTP_SERVER_MAX_LISTENERS];
        struct loop_fd *watches[HTTP_SERVER_MAX_LISTENERS]; /* of the same sockets */
        int bound_count, port;
        bool stopping;
        bool accept_logged;
        int64_t accept_logged_ms;
        struct loop_timer *accept_again;                /* after a failed accept() */
        struct event *later;                            /* adopts, and reaps */
        struct http_connection *pending;                /* accepted by evhttp, not adopted yet */
        struct http_connection *feeding;                /* evhttp is being given its request */
        struct http_connection *idle_first, *idle_last; /* longest idle first */
        struct http_exchange *exchanges;
        struct evhttp_request **orphans; /* of closed connections; freed later */
        size_t orphan_count, orphan_max;
        bool closed_streams; /* some on_close() is to be called */
        size_t body_bytes;   /* of all requests that are in memory */
        struct http_linger *lingers;
        int linger_count;
        struct http_server_stats stats;
};

/* http_server.c */

/** http_server_later() - the rest is done from the loop, outside evhttp's callbacks */
void http_server_later(struct http_server *s);

/* http_server_connection.c */

/** http_connection_new() - for the next accept(): @s->pending
 * Return: the bufferevent that evhttp shall use; NULL: no memory. */
struct bufferevent *http_connection_new(struct http_server *s);

/** http_connection_adopt() - @s->pending, which evhttp has connected by now, or dropped */
void http_connection_adopt(struct http_server *s);

/** http_connection_take_request() - from evhttp: the request that it was given */
void http_connection_take_request(struct http_connection *c, struct evhttp_request *q);

/** http_connection_close() - at once; @c is gone */
void http_connection_close(struct http_connection *c);

/** http_connection_refuse() - answers @status from here and closes; @c may be gone */
void http_connection_refuse(struct http_connection *c, int status, const char *why);

/** http_connection_replying() - the reply of @c is being written: it has this long */
void http_connection_replying(struct http_connection *c);

/** http_connection_close_idle() - the one that has been idle longest
 * Return: whether there was one. */
bool http_connection_close_idle(struct http_server *s);

/* http_server_exchange.c */

struct http_exchange *http_exchange_new(struct http_connection *c);
struct http_exchange *http_exchange_free(struct http_exchange *x);

/** http_exchange_refuse() - the server's own reply, @c->refusal; @c may be gone */
void http_exchange_refuse(struct http_connection *c);

/* http_server_linger.c */

/** http_linger_begin() - reads from @fd (borrowed) for a while and forgets what comes */
void http_linger_begin(struct http_server *s, int fd);
void http_linger_free_all(struct http_server *s);

/* http_server_listen.c */

/** http_listen_port() - of a socket's address; 0: it has none */
int http_listen_port(const struct sockaddr_storage *a);

/** http_listen() - sockets that listen on @address, "HOST:PORT"
 * @fds: up to HTTP_SERVER_MAX_LISTENERS; owned by the caller      @port: of all of them
 * Return: how many; -ERR_CONFIG. */
int http_listen(const char *address, int *fds, int *port, struct err *e)
        __attribute__((warn_unused_result));
