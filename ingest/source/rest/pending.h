/*
 * pending.h: one request of a REST client, from what was asked to what came. For
 * client.c only.
 *
 *     QUEUED --(its turn)--> SENT --(a good reply, or no other try)--> gone
 *       ^                     |
 *       \--(again, redirected, new credentials)
 *     QUEUED --(it cannot be sent, cancelled)--> ENDED --(a turn later)--> gone
 */
#pragma once

#include "ingest/loop/retry.h"
#include "ingest/source/rest/client.h"
#include "ingest/source/rest/limits.h"

enum rest_pending_state { REST_QUEUED, REST_SENT, REST_ENDED };

struct rest_pending {
        struct rest_client *client; /* borrowed */
        struct rest_pending *next, *prev;
        enum rest_pending_state state;
        bool cancelled, abandoned; /* abandoned: on_done was called, the HTTP call still runs */

        /* What is asked. */
        char *method;          /* owned */
        struct buf url;        /* now: redirects change it; NUL behind */
        struct buf lines;      /* of the caller's headers, each with NUL */
        struct buf content;    /* the body */
        bool has_content, own; /* own: at the source's own host */
        bool bare;             /* redirected to another host: what the source is stays here */
        int accept[REST_ACCEPT_MAX];
        size_t accept_count;
        int (*on_body)(void *ctx, struct str bytes, struct err *e);
        void (*on_done)(void *ctx, const struct rest_reply *reply);
        void *ctx;

        /* Its tries. */
        struct retry retry;
        int64_t due_ms;             /* not before: monotonic */
        unsigned tries, generation; /* of the credentials it was sent with */
        bool renewed;               /* new credentials were got for it */
        int64_t redirects;
        struct buf visited; /* addresses that redirected, each with a line end */
        struct http_call *call;
        bool paused;

        /* The reply. */
        struct buf link, etag, type, location, body;
        struct rest_limits limits;
        int64_t server_us;
        bool delivered;
        int body_rc; /* what on_body refused */
        int rc;      /* ENDED */
        struct err err;
};

/** rest_pending_new() - a copy of @r, for the source at @source_url
 * Return: 0; -ERR_CONFIG; -ERR_NOMEM. */
int rest_pending_new(const char *source_url, const struct rest_request *r,
        struct rest_pending **out, struct err *e) __attribute__((warn_unused_result));
struct rest_pending *rest_pending_free(struct rest_pending *p);
DEFINE_CLEANUP(struct rest_pending *, rest_pending_free);

/** rest_pending_url() - the address as it is now */
const char *rest_pending_url(const struct rest_pending *p);

/** rest_pending_clear() - forgets what came of a reply: before another try */
void rest_pending_clear(struct rest_pending *p);

/** rest_pending_header() - one header of the reply (http_request.on_header) */
void rest_pending_header(void *ctx, struct str name, struct str value);

/** rest_pending_accepts() - whether @status is no error */
bool rest_pending_accepts(const struct rest_pending *p, int status);

/** rest_pending_redirect() - the address becomes that of Location
 * @source_url: of the source     @status: 301, 302, 303, 307, 308
 * Return: 0; -ERR_CONFIG it leads nowhere, round and round, from https to http, or a body would go
 * to another host; -ERR_NOMEM. */
int rest_pending_redirect(struct rest_pending *p, const char *source_url, int status,
        int64_t max_redirects, struct err *e) __attribute__((warn_unused_result));

/** rest_pending_wrap() - "METHOD ADDRESS: " before @e. Return: @rc. */
int rest_pending_wrap(const struct rest_pending *p, int rc, struct err *e);

/** rest_pending_report() - calls on_done with what came; frees @p once its HTTP call is over */
void rest_pending_report(
        struct rest_pending *p, int status, struct str body, int rc, const struct err *err);
