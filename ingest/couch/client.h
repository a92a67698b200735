/*
 * client.h: the inside of struct couch, for the files of ingest/couch only.
 */
#pragma once

#include "ingest/couch/couch.h"
#include "ingest/couch/session.h"

#define COUCH_PATH_MAX (64 << 10) /* bytes of a path and query: start keys are document ids */

struct couch {
        const struct couch_options *options; /* borrowed */
        struct loop *loop;                   /* borrowed */
        const struct log *log;               /* borrowed */
        struct http *http;
        char *base; /* URL without a slash at its end */
        struct session session;
        bool speaks_json; /* a JSON reply has come: whatever comes now is no wrong URL */
        struct couch_stats stats;
};

/** couch_path_put() - appends '/' and @segment, percent-encoded */
void couch_path_put(struct buf *path, struct str segment);

/** couch_send() - couch_start() that also names the session's generation it was sent with */
int couch_send(struct couch *c, const struct couch_request *request, unsigned *generation,
        struct http_call **out, struct err *e) __attribute__((warn_unused_result));

/** couch_json_text() - member @name of @object where it is a string, else "" */
const char *couch_json_text(const cJSON *object, const char *name);

/** couch_reply_reason() - CouchDB's "error: reason", or the status, into @out */
void couch_reply_reason(const struct http_reply *reply, char *out, size_t size);
