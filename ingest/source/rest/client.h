/*
 * client.h: requests to a REST source, with manners.
 *
 * Each request waits for its budgets and its turn (max_concurrent), goes out with credentials, is
 * sent again after 408, 429, 5xx, resets and time-outs (jittered, Retry-After obeyed) until
 * retry_for, and after 401 once with new credentials. Redirects are followed (max_redirects): to
 * another host without credentials and without the source's headers, never with a body, and never
 * from https to http. Errors are one line: the server's own words (OData, vendors' JSON, plain
 * text; an HTML page is named as such), with status and address, without secrets.
 *
 * The source's `headers` and `params` are added here, where the request does not have one of that
 * name. They and the credentials go to the host of the source's url only.
 *
 * One client for each open source; one thread. A request whose body is paused does not count for
 * max_concurrent: what waits for other requests before it resumes cannot block them.
 */
#pragma once

#include "ingest/base/log.h"
#include "ingest/loop/http.h"
#include "ingest/source/rest/error.h"
#include "ingest/source/rest/options.h"

struct rest_client;
struct rest_pending;

struct rest_reply {
        int status;       /* of the last reply; 0: none */
        const char *url;  /* that answered: relative addresses are relative to it */
        const char *link; /* the Link header, several joined by commas; "" */
        const char *etag; /* ""; for If-None-Match: then 304 is a reply without a body */
        const char *content_type;
        int64_t server_us; /* Date; -1: absent */
        struct str body;   /* of a 2xx without on_body, and of a status in accept[]; else empty */
        bool delivered;    /* some of the body went to on_body: sending it again is the caller's */
        int rc;            /* 0: a 2xx, 304, or one of accept[]; else -class and err */
        struct err err;    /* ERR_CONFIG 401, 403, 404, 400 ...; ERR_RETRY; what on_body returned */
};

struct rest_request {
        const char *method; /* copied */
        const char *url; /* absolute; copied; may hold the call's own secrets: shown without query;
                          * http:// at the host of a source that is https is asked as https */
        const char *const *headers; /* NULL-terminated "Name: value"; copied; NULL: none */
        struct str body;            /* copied; .ptr NULL: none */
        const int *accept;          /* statuses beside 2xx that are no errors (empty_on); copied */
        size_t accept_count;        /* at most REST_ACCEPT_MAX */

        /* Bytes of a 2xx body, as they come, decompressed. NULL: they are kept for `body` (16 MiB).
         * Return: 0; HTTP_PAUSE: taken, no more until rest_client_resume(); -class. */
        int (*on_body)(void *ctx, struct str bytes, struct err *e);
        void (*on_done)(void *ctx, const struct rest_reply *reply); /* once, from the loop */
        void *ctx;
};

#define REST_ACCEPT_MAX 16

/** rest_client_open() - @folder: where tokens and budgets of the source are kept; NULL: nowhere
 * Nothing is sent. @o, @loop, @log outlive it. */
int rest_client_open(const struct rest_options *o, const char *source, const char *folder,
        struct loop *loop, const struct log *log, struct rest_client **out, struct err *e)
        __attribute__((warn_unused_result));
/** rest_client_share() - max_concurrent counts what all who have @running have under way; before
 * the first request, any thread. @running outlives it. */
void rest_client_share(struct rest_client *c, _Atomic int64_t *running);
struct rest_client *rest_client_close(struct rest_client *c); /* on_done of what is pending comes */
DEFINE_CLEANUP(struct rest_client *, rest_client_close);

/** rest_client_hurry() - somebody waits: from now on nothing is tried again for longer than this */
void rest_client_hurry(struct rest_client *c, int64_t retry_for_ms);

/** rest_client_send() - queues a request; on_done never from inside
 * @out: may be NULL; valid until on_done has returned */
int rest_client_send(struct rest_client *c, const struct rest_request *r, struct rest_pending **out,
        struct err *e) __attribute__((warn_unused_result));
void rest_client_resume(struct rest_pending *p);
void rest_client_cancel(struct rest_pending *p); /* on_done comes with -ERR_CANCEL */

/** rest_client_server_us() - Date of the reply whose body comes, from on_body; -1: absent */
int64_t rest_client_server_us(const struct rest_pending *p);

/** rest_client_fetch() - one request in a straight line: runs the loop; the body into @body
 * (@r's callbacks are not used; @body NULL: not wanted)
 * @out: may be NULL; its texts and body are "" but err: they are gone with the request
 * Return: 0; -class. */
int rest_client_fetch(struct rest_client *c, const struct rest_request *r, struct buf *body,
        struct rest_reply *out, struct err *e) __attribute__((warn_unused_result));
