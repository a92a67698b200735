/*
 * session.h: the credentials that go with requests, and what to do when they are refused.
 *
 * A 401 is answered at most once: by a new log-in (cookie sessions), by reading the token file
 * again (JWT), else by a lasting ERR_CONFIG after which no request is sent any more, because
 * CouchDB locks an account after five wrong passwords. Every set of credentials has a generation:
 * of several requests that were refused together only the first one renews, the others just go
 * again. A generation that was refused before it was ever accepted is not renewed.
 */
#pragma once

#include <stdbool.h>

#include "ingest/base/buf.h"
#include "ingest/loop/http.h"

struct couch;

/* Who waits for a log-in; embedded in its owner, who takes it back with session_forget(). */
struct session_waiter {
        void (*fn)(void *ctx, int rc, const struct http_reply *reply, const struct err *e);
        void *ctx;
        struct session_waiter *next;
        bool waiting;
};

struct session {
        char *authorization; /* whole header line, owned, secret; NULL: none */
        unsigned generation;
        bool logged_in; /* cookie sessions: a log-in has succeeded */
        bool accepted;  /* a request of this generation was let in */
        bool renewing;
        struct session_waiter *waiters, *waking;
        struct buf login; /* body of the log-in request; secret */
        int refused;      /* 0, or -class of refusal: for good */
        struct err refusal;
};

/** session_init() - of c->session. Return: 0; -ERR_CONFIG token file; -ERR_NOMEM. */
int session_init(struct couch *c, struct err *e) __attribute__((warn_unused_result));
void session_deinit(struct couch *c);

#define SESSION_WAIT 1

/** session_ensure() - before the first request
 * Return: 0 go ahead; SESSION_WAIT @waiter->fn is called from the loop when it is clear; -class. */
int session_ensure(struct couch *c, struct session_waiter *waiter, struct err *e)
        __attribute__((warn_unused_result));

/** session_refused() - a request of @generation was answered 401
 * Return: 0 send it again now; SESSION_WAIT, as above; -ERR_CONFIG for good. */
int session_refused(struct couch *c, unsigned generation, struct session_waiter *waiter,
        struct err *e) __attribute__((warn_unused_result));

/** session_accepted() - a request of @generation was let in */
void session_accepted(struct couch *c, unsigned generation);

/** session_forget() - @waiter is not called any more */
void session_forget(struct couch *c, struct session_waiter *waiter);
