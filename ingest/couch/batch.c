/*
 * The state machine of one batch. A step's request is sent by batch_start(); on_reply() reads the
 * reply into the items' states; batch_choose() decides from them alone what comes next. Nothing
 * here sends at once: a batch that has a next step waits until dispatch() finds a slot for it.
 */
#include "ingest/couch/batch.h"

#include "ingest/base/clock.h"
#include "ingest/couch/meter.h"
#include "ingest/couch/writer.h"

/* A document's part of a reply: {"ok":true,"id":...,"rev":...} or an error with its reason. */
#define REPLY_BYTES_DOC 2048
#define REPLY_BYTES_MIN (1 << 20)

#define STRIKES_SPLIT  2 /* server errors with nothing written, until a batch is split */
#define STRIKES_REFUSE 3 /* the same for a single document, until it is the suspect */
#define SOFT_BYTES_MIN (64 << 10)

static const struct {
        const char *method;
} steps[STEPS] = {
        [STEP_SEND] = {"POST"},
        [STEP_ASK] = {"POST"},
        [STEP_READ] = {"POST"},
        [STEP_PROBE] = {"PUT"},
};

static void on_reply(void *ctx, const struct http_reply *reply);
static void split(struct batch *b);

static int on_rows(void *ctx, struct str bytes, struct err *e)
{
        struct batch *b = ctx;

        return rows_feed(&b->rows, bytes, e);
}

/* The body of the step's request. */
static int make_body(struct batch *b, struct str *body, struct err *e)
{
        int rc = 0;

        switch (b->step) {
        case STEP_SEND:
                if (b->stale)
                        rc = pack_again(b, b->bulk->predicts, &b->bulk->scratch, e);
                *body = buf_str(&b->body);
                break;
        case STEP_ASK:
                rc = doubt_ask(b, e);
                *body = buf_str(&b->request);
                break;
        case STEP_READ:
                rc = doubt_read(b, e);
                *body = buf_str(&b->request);
                break;
        default:
                *body = STR("{}");
        }
        return rc;
}

int batch_start(struct batch *b, struct err *e)
{
        struct bulk *bulk = b->bulk;
        struct str body;
        int rc = make_body(b, &body, e);

        if (rc < 0)
                return rc;
        const struct couch_request request = {
                .method = steps[b->step].method,
                .path = b->database->paths[b->step],
                .body = body,
                .max_reply = REPLY_BYTES_MIN + b->count * REPLY_BYTES_DOC + body.len,
                .on_body = b->step == STEP_READ ? on_rows : NULL,
                .on_done = on_reply,
                .ctx = b,
        };
        rc = couch_send(bulk->couch, &request, &b->generation, &b->call, e);
        if (rc < 0)
                return rc;
        b->state = BATCH_RUNNING;
        b->sent_us = clock_monotonic_us();
        bulk->running++;
        meter_batch_begins(bulk->couch->options->meter);
        if (b->step == STEP_SEND) {
                meter_batch_size(bulk->couch->options->meter, b->count);
                bulk->stats.batches++;
                bulk->stats.bytes += body.len;
        }
        return 0;
}

/* ---- replies that are no success ---- */

/* Documents that were sent and may or may not have been written. */
static void doubt_all(struct batch *b)
{
        for (size_t n = 0; n < b->count; n++) {
                struct item *i = &b->items[n];
                if (b->step != STEP_SEND || i->state != ITEM_TODO)
                        continue;
                i->state = ITEM_DOUBT;
                i->unsure = true;
                i->conflicted = false;
        }
}

static void network_failed(struct batch *b, const struct http_reply *reply)
{
        if (reply->rc == -ERR_CONFIG || reply->rc == -ERR_NOMEM || reply->rc == -ERR_BUG ||
                reply->rc == -ERR_CANCEL) {
                dispatch_fail(b->bulk, reply->rc, &reply->err);
                return;
        }
        if (reply->sent)
                doubt_all(b);
        dispatch_trouble(b, TROUBLE_SERVER, reply->retry_after_ms, &reply->err);
}

static void refuse_first(struct batch *b, const char *reason)
{
        for (size_t n = 0; n < b->count; n++)
                if (b->items[n].state != ITEM_DONE)
                        bulk_settle(b, &b->items[n], BULK_REFUSED, STR(""), reason);
}

/* In two halves that go on on their own. */
static void split(struct batch *b)
{
        struct bulk *bulk = b->bulk;
        struct err e;
        struct batch *half = batch_new(bulk, &e);
        int rc = half ? pack_move(b, b->count / 2, half, &e) : -ERR_NOMEM;

        if (rc < 0) {
                batch_free(half);
                dispatch_fail(bulk, rc, &e);
                return;
        }
        half->database = b->database;
        half->state = BATCH_WAITING;
        half->strikes = b->strikes = b->strikes ? 1 : 0;
        half->trouble_since_ms = b->trouble_since_ms;
        half->wake_ms = b->wake_ms;
        memcpy(half->reason, b->reason, sizeof(b->reason));
        batch_choose(half);
        batch_list_insert(&bulk->closed, b, half);
        bulk->stats.bisections++;
        log_debug(bulk->log, "database %s: split a batch into %zu and %zu documents: %s",
                b->database->name, b->count, half->count, b->reason);
}

/* A proxy's limit, unlike CouchDB's, is on the request: later batches had better stay below. */
static void learn_limit(struct batch *b)
{
        size_t bytes = b->body.len / 2;

        if (bytes < SOFT_BYTES_MIN)
                bytes = SOFT_BYTES_MIN;
        if (bytes < b->bulk->soft_bytes)
                b->bulk->soft_bytes = bytes;
}

/* 400, 412 and 413: nothing was written, and one document at least is the cause. */
static void refused_whole(struct batch *b, const struct http_reply *reply)
{
        couch_reply_reason(reply, b->reason, sizeof(b->reason));
        if (b->count == 1) {
                refuse_first(b, b->reason);
                return;
        }
        if (reply->status == 413 && !strstr(b->reason, "document_too_large"))
                learn_limit(b);
        split(b);
}

static void unauthorized(struct batch *b)
{
        struct bulk *bulk = b->bulk;
        struct err e;

        if (bulk->waiter.waiting)
                return;
        int rc = session_refused(bulk->couch, b->generation, &bulk->waiter, &e);
        if (rc < 0)
                dispatch_fail(bulk, rc, &e);
}

/* Remembers that CouchDB failed at it; whether something was written is asked next. */
static void strike(struct batch *b, const char *reason)
{
        b->strikes++;
        memcpy(b->reason, reason, sizeof(b->reason));
}

static void server_error(struct batch *b, const struct http_reply *reply, const struct err *e)
{
        char reason[REASON_MAX];

        doubt_all(b);
        if (reply->status != 500) { /* overload, or a proxy without its CouchDB */
                dispatch_trouble(b, TROUBLE_SERVER, reply->retry_after_ms, e);
                return;
        }
        couch_reply_reason(reply, reason, sizeof(reason));
        if (b->step == STEP_SEND)
                strike(b, reason);
        else if (b->step == STEP_PROBE)
                b->strikes = 0; /* nothing at all can be written: the document is not to blame */
        dispatch_trouble(b, TROUBLE_BATCH, reply->retry_after_ms, e);
}

static bool refuses_document(int status)
{
        return status == 400 || status == 412 || status == 413;
}

/* It was there when the run began. A 404 that is not CouchDB's says nothing of the kind. */
static bool is_database_gone(const struct http_reply *reply)
{
        char reason[REASON_MAX];

        couch_reply_reason(reply, reason, sizeof(reason));
        return reply->status == 404 && str_starts(str_of(reason), STR("not_found"));
}

static void database_gone(struct batch *b)
{
        struct err e;
        int rc = err_set_code(&e, ERR_RETRY, 404,
                "database %s was deleted during the run; the next run %s", b->database->name,
                couch_options(b->bulk->couch)->create
                        ? "makes it again and fills it"
                        : "fills it when it is there again: couchdb.create is false");

        dispatch_fail(b->bulk, rc, &e);
}

static void request_failed(struct batch *b, const struct http_reply *reply)
{
        struct err e;
        int rc = couch_reply_error(reply, steps[b->step].method, b->database->paths[b->step], &e);

        if (reply->status == 401) {
                unauthorized(b);
        } else if (is_database_gone(reply)) {
                database_gone(b);
        } else if (refuses_document(reply->status) && b->step == STEP_SEND) {
                refused_whole(b, reply);
        } else if (reply->status == 413 && b->count > 1) {
                learn_limit(b);
                split(b);
        } else if (reply->status == 429) {
                dispatch_trouble(b, TROUBLE_SERVER, reply->retry_after_ms, &e);
        } else if (rc == -ERR_RETRY) {
                server_error(b, reply, &e);
        } else {
                dispatch_fail(b->bulk, rc, &e);
        }
}

/* ---- replies ---- */

static void trouble_text(struct batch *b, enum trouble kind, const char *reason, const char *hint)
{
        struct err e;

        err_set(&e, ERR_RETRY, "POST %s: %s", b->database->paths[STEP_SEND], reason);
        if (hint)
                err_hint(&e, 0, "%s", hint);
        dispatch_trouble(b, kind, -1, &e);
}

static size_t count_state(const struct batch *b, enum item_state state)
{
        size_t count = 0;

        for (size_t n = 0; n < b->count; n++)
                count += b->items[n].state == state;
        return count;
}

/* Documents of it were written. */
static void progressed(struct batch *b)
{
        dispatch_success(b->bulk);
        b->strikes = 0;
        b->trouble_since_ms = 0;
}

/* An array of results, under 2xx, 500 or 417: what it says counts, not the status. */
static void sent_reply(struct batch *b)
{
        struct bulk *bulk = b->bulk;
        /* Batches that are small for another reason say nothing about the best size. */
        bool busy = bulk->closed.count > bulk->adapt.in_flight && b->count * 2 > bulk->adapt.docs;
        struct answer answer;

        answer_read(b, buf_str(&b->reply), &answer);
        if (answer.written > 0)
                progressed(b);
        if (answer.no_space > 0) {
                trouble_text(b, TROUBLE_SERVER, answer.reason, NULL);
        } else if (answer.server_errors > 0) {
                strike(b, answer.reason);
                trouble_text(b, TROUBLE_BATCH, answer.reason, couch_server_error_hint);
        } else if (answer.broken || b->reply_status >= 300) {
                trouble_text(b, TROUBLE_SERVER, "the reply is not a list of results", NULL);
        } else if (count_state(b, ITEM_DOUBT) == 0) {
                adapt_reply(&bulk->adapt, clock_monotonic_us(), b->count, busy);
        }
}

static void asked_reply(struct batch *b, const struct http_reply *reply)
{
        uint64_t before = b->bulk->stats.docs;
        struct err e;
        int rc = doubt_told(b, reply->body, &e);

        if (b->bulk->stats.docs > before)
                progressed(b);
        if (rc < 0)
                dispatch_trouble(b, TROUBLE_BATCH, reply->retry_after_ms, &e);
}

/* Rows were handled as they came; what they did not name is asked for again. */
static void read_reply(struct batch *b, const struct http_reply *reply)
{
        struct str frame;
        struct err e;
        int rc = rows_frame(&b->rows, &frame, &e);

        if (rc == 0 && count_state(b, ITEM_COMPARE) > 0)
                rc = err_set(&e, ERR_RETRY, "_all_docs: rows are missing in the reply");
        if (rc < 0)
                dispatch_trouble(b, TROUBLE_BATCH, reply->retry_after_ms, &e);
}

/* CouchDB does write, and has failed at this one document again and again. */
static void probed_reply(struct batch *b, const struct http_reply *reply)
{
        (void)reply;
        refuse_first(b, b->reason);
}

static bool is_results(const struct batch *b, const struct http_reply *reply)
{
        bool success = reply->status >= 200 && reply->status < 300;

        return b->step == STEP_SEND &&
               (success || (reply->status == 500 && reply->body.len && *reply->body.ptr == '['));
}

static void read_step(struct batch *b, const struct http_reply *reply)
{
        bool success = reply->status >= 200 && reply->status < 300;

        if (reply->rc < 0)
                network_failed(b, reply);
        else if (b->step == STEP_PROBE && (success || reply->status == 409))
                probed_reply(b, reply);
        else if (!success)
                request_failed(b, reply);
        else if (b->step == STEP_ASK)
                asked_reply(b, reply);
        else
                read_reply(b, reply);
}

/* Without a prediction only the body can tell. */
static size_t split_doubts(struct batch *b)
{
        size_t asked = 0;

        for (size_t n = 0; n < b->count; n++) {
                struct item *i = &b->items[n];
                if (i->state != ITEM_DOUBT)
                        continue;
                if (b->bulk->predicts && *i->rev)
                        asked++;
                else
                        i->state = ITEM_COMPARE;
        }
        return asked;
}

void batch_choose(struct batch *b)
{
        b->state = BATCH_WAITING;
        if (split_doubts(b) > 0)
                b->step = STEP_ASK;
        else if (count_state(b, ITEM_COMPARE) > 0)
                b->step = STEP_READ;
        else if (b->strikes >= STRIKES_REFUSE && b->count == 1)
                b->step = STEP_PROBE;
        else
                b->step = STEP_SEND;
        if (b->step == STEP_SEND && b->strikes >= STRIKES_SPLIT && b->count > 1)
                split(b);
}

/* After a reply: what is settled leaves. */
static void go_on(struct batch *b)
{
        if (b->step == STEP_SEND)
                b->bulk->stats.doubts += count_state(b, ITEM_DOUBT);
        pack_drop(b);
        if (b->count > 0)
                batch_choose(b);
        else
                bulk_retire(b);
}

void batch_read_reply(struct batch *b)
{
        sent_reply(b);
        b->state = BATCH_WAITING; /* not before: an outcome may push, and a push starts who waits */
        if (!b->bulk->failed)
                go_on(b);
}

/* Return: whether the reply was put aside; else it is to be read now. */
static bool put_aside(struct batch *b, const struct http_reply *reply)
{
        if (reply->rc < 0 || !is_results(b, reply))
                return false;
        buf_clear(&b->reply);
        buf_put_str(&b->reply, reply->body);
        if (b->reply.error) /* no memory: what is missing is in doubt */
                buf_clear(&b->reply);
        b->reply_status = reply->status;
        b->state = BATCH_REPLIED;
        loop_timer_soon(b->bulk->replies);
        return true;
}

static void on_reply(void *ctx, const struct http_reply *reply)
{
        struct batch *b = ctx;
        struct bulk *bulk = b->bulk;

        b->call = NULL;
        if (!bulk) {
                batch_free(b);
                return;
        }
        bulk->running--;
        meter_batch_ends(bulk->couch->options->meter);
        if (put_aside(b, reply)) {
                dispatch(bulk);
                return;
        }
        if (!bulk->failed)
                read_step(b, reply);
        b->state = BATCH_WAITING; /* not before, as above */
        if (bulk->failed)
                dispatch_sweep(bulk);
        else
                go_on(b);
        dispatch(bulk);
        dispatch_room(bulk);
}
