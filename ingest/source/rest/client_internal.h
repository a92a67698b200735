/*
 * client_internal.h: the inside of struct rest_client, for rest_client*.c only.
 */
#pragma once

#include "ingest/source/rest/auth.h"
#include "ingest/source/rest/budget.h"
#include "ingest/source/rest/pending.h"

struct pending_list {
        struct rest_pending *first, *last;
};

struct rest_client {
        const struct rest_options *options; /* borrowed */
        const char *source;                 /* owned */
        struct loop *loop;                  /* borrowed */
        const struct log *log;              /* borrowed */
        struct http *http;
        struct rest_auth *auth;
        struct rest_budget *budget;
        struct loop_timer *timer;
        struct buf header_lines; /* of the source, "Name: value", each with NUL */
        struct buf *params;      /* "name=value" encoded, options->params.count */
        int64_t retry_for_ms;
        size_t origin; /* bytes of options->url up to its path */
        struct pending_list queued, sent, ended;
        int64_t running;       /* sent, and not paused */
        _Atomic int64_t alone; /* the same, where nobody else uses the source */
        _Atomic int64_t *all;  /* of all who do: see rest_client_share() */
        bool getting, refused; /* credentials; those in use are no good */
        int auth_rc;           /* 0, or why there will be none */
        struct err auth_err;
        struct buf url;    /* of what is sent now */
        int64_t logged_ms; /* no wait is logged before */
        uint64_t seed;     /* of the jitter */
        bool redirect_logged, closing;
};

/* ---- client_queue.c ---- */

void rest_list_append(struct rest_pending *p); /* to that of p->state */
void rest_list_remove(struct rest_pending *p);

/** rest_turn_take() - one of the turns that max_concurrent allows
 * Return: false: there is none now; the timer is set where others hold them. */
bool rest_turn_take(struct rest_client *c);
void rest_turn_give(struct rest_client *c);
void rest_turn_take_back(struct rest_client *c); /* after a pause, whatever others do */

/** rest_queue_pump() - sends what may go now; calls nobody back */
void rest_queue_pump(struct rest_client *c);

/** rest_queue_turn() - loop_fn of the timer */
void rest_queue_turn(void *ctx);

/** rest_queue_again() - @p once more, after @delay_ms, before those that were never sent */
void rest_queue_again(struct rest_pending *p, int64_t delay_ms);

/** rest_queue_retry() - another try after a failure, if there is one left
 * @retry_after_ms: what the server asked for; -1: nothing */
bool rest_queue_retry(struct rest_pending *p, int64_t retry_after_ms);

/** rest_queue_end() - @p has failed; on_done comes in a later turn */
void rest_queue_end(struct rest_pending *p, int rc, const struct err *e);

/** rest_queue_finish() - on_done now; @p is gone */
void rest_queue_finish(
        struct rest_pending *p, int status, struct str body, int rc, const struct err *e);

/* ---- client_transmit.c ---- */

/** rest_client_is_own() - whether @url is at the source's own host */
bool rest_client_is_own(const struct rest_client *c, const char *url);

/** rest_client_transmit() - hands @p to HTTP: it is SENT then
 * Return: 0; -ERR_CONFIG; -ERR_NOMEM; what rest_auth_put() returns. */
int rest_client_transmit(struct rest_client *c, struct rest_pending *p, struct err *e)
        __attribute__((warn_unused_result));

/* ---- client_answer.c ---- */

/** rest_client_answer() - http_request.on_done; @ctx: the pending request */
void rest_client_answer(void *ctx, const struct http_reply *reply);
