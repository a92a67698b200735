/*
 * client.h: the inside of struct couch, for the files of ingest/couch only.
 */
#pragma once

#include "ingest/couch/couch.h"
#include "ingest/couch/session.h"
#include "ingest/loop/retry.h"

#define COUCH_PATH_MAX (64 << 10) /* bytes of a path and query: start keys are document ids */

/* base 100 ms: a CouchDB that restarts is away for a second or more, one that is full for less.
 * cap 10 s: an outage of minutes is noticed as over within seconds. */
#define RETRY_BASE_MS 100
#define RETRY_CAP_MS  10000

struct couch {
        const struct couch_options *options; /* borrowed */
        struct loop *loop;                   /* borrowed */
        const struct log *log;               /* borrowed */
        struct http *http;
        char *base; /* URL without a slash at its end */
        struct session session;
        bool speaks_json; /* a JSON reply has come: whatever comes now is no wrong URL */

        /* couch_patience(); monotonic. */
        int64_t patience_ms;           /* 0: none */
        int64_t asked_ms, deadline_ms; /* since when, and until when an answer is waited for */
        bool patience_is_renewed;
        struct couch_stats stats;
};

/** couch_path_put() - appends '/' and @segment, percent-encoded */
void couch_path_put(struct buf *path, struct str segment);

/** couch_send() - couch_start() that also names the session's generation it was sent with */
int couch_send(struct couch *c, const struct couch_request *request, unsigned *generation,
        struct http_call **out, struct err *e) __attribute__((warn_unused_result));

struct couch_result {
        int status;             /* HTTP status; 0 where none came */
        int64_t retry_after_ms; /* -1: not given */
        cJSON *json;            /* owned by the caller; NULL under on_body */
};

/** couch_try() - couch_call() without retries: one attempt (two after a new log-in)
 * on_body of @request gets the bytes of a success as they come.
 * Return: as couch_call(); @out is filled whatever it returns. */
int couch_try(struct couch *c, const struct couch_request *request, struct couch_result *out,
        struct err *e) __attribute__((warn_unused_result));

/** couch_retry_init() - before a question: with the policy of the options; patience is renewed */
void couch_retry_init(struct couch *c, struct retry *retry);

/** couch_back_off() - sleeps after a failure that may pass
 * @e: the failure      Return: 0 try again; -ERR_RETRY the budget is spent; -ERR_CANCEL. */
int couch_back_off(struct couch *c, struct retry *retry, int64_t retry_after_ms, struct err *e)
        __attribute__((warn_unused_result));

/** couch_patience_renew() - CouchDB has answered something, or is asked something new */
void couch_patience_renew(struct couch *c);

/** couch_json_text() - member @name of @object where it is a string, else "" */
const char *couch_json_text(const cJSON *object, const char *name);

/* What to do about a 500, and about its like in the results of single documents. */
extern const char couch_server_error_hint[];

/** couch_reply_reason() - CouchDB's "error: reason", or the status, into @out */
void couch_reply_reason(const struct http_reply *reply, char *out, size_t size);
