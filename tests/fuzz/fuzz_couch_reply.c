/*
 * Any bytes as what CouchDB answers to the bulk writer and to scans. The first byte says to what: A
 * _bulk_docs, R _revs_diff, D rows of _all_docs for comparing, S a stream of rows. Whatever comes,
 * each document keeps one outcome at most, and what is sent next is JSON.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "ingest/couch/writer.h"
#include "ingest/record/json_scan.h"

static const char *const ids[] = {"a", "b \"\x01", "c", "d"};

#define DOCS (sizeof(ids) / sizeof(ids[0]))

static unsigned outcomes;

static void on_outcome(void *ctx, const struct bulk_outcome *o)
{
        (void)ctx;
        outcomes++;
        if (o->id.len == 0 || o->rev.len >= REV_MAX)
                abort();
}

static void on_drain(void *ctx)
{
        (void)ctx;
}

/* A writer that never sends: made once. */
static struct bulk *writer(void)
{
        static const struct couch_options options = {.url = "http://127.0.0.1:1",
                .max_batch_docs = 10,
                .max_batch_bytes = 1 << 20,
                .max_in_flight = 1,
                .retry_for_ms = 1000};
        static const struct bulk_callbacks callbacks = {on_outcome, on_drain, NULL};
        static struct loop *loop;
        static struct couch *couch;
        static struct bulk *bulk;
        struct err e;

        if (!bulk && (loop_new(&loop, &e) || couch_open(&options, loop, NULL, &couch, &e) ||
                             bulk_new(couch, NULL, true, &callbacks, &bulk, &e)))
                abort();
        bulk->predicts = true;
        bulk->failed = 0;
        return bulk;
}

static struct batch *batch_of(struct bulk *bulk, struct database *database)
{
        struct err e;
        struct batch *b = batch_new(bulk, &e);

        if (!b)
                abort();
        b->database = database;
        for (size_t i = 0; i < DOCS; i++) {
                const struct bulk_doc doc = {.id = str_of(ids[i]),
                        .parent = i == 1 ? STR("1-7a7e4b29f3af401e69b6f86e4c26b727") : STR(""),
                        .deleted = i == 1,
                        .reject_conflicts = i == 2,
                        .body = STR("\"v\":1"),
                        .digest = digest_body(STR("\"v\":1"))};
                uint32_t claim = claims_hash(database, doc.id);
                if (claims_take(&bulk->claims, claim, &e) ||
                        pack_add(b, &doc, claim, &bulk->scratch, &e))
                        abort();
        }
        if (pack_close(b, true, &bulk->scratch, &e))
                abort();
        return b;
}

static int on_row(void *ctx, struct str row, struct err *e)
{
        (void)e;
        *(size_t *)ctx += row.len;
        return 0;
}

static void stream(struct str bytes)
{
        struct str frame;
        struct rows r;
        struct err e;
        size_t seen = 0;

        rows_init(&r, on_row, &seen);
        for (size_t at = 0; at < bytes.len;) {
                size_t n = 1 + (at * 7 + bytes.len) % 13;
                n = n < bytes.len - at ? n : bytes.len - at;
                if (rows_feed(&r, (struct str){bytes.ptr + at, n}, &e) < 0)
                        break;
                at += n;
        }
        if (seen > bytes.len || (rows_frame(&r, &frame, &e) == 0 && frame.len > bytes.len))
                abort();
        rows_deinit(&r);
}

static void feed(struct batch *b, char kind, struct str bytes)
{
        struct answer answer;
        struct err e;
        int rc = 0;

        for (size_t i = 0; i < DOCS; i++)
                b->items[i].state = kind == 'R'   ? ITEM_DOUBT
                                    : kind == 'D' ? ITEM_COMPARE
                                                  : ITEM_TODO;
        if (kind == 'A')
                answer_read(b, bytes, &answer);
        else if (kind == 'R')
                rc = doubt_told(b, bytes, &e);
        else
                rc = rows_feed(&b->rows, bytes, &e);
        if (rc > 0)
                abort();
}

/* What is left is sent again: it must be JSON, and name each document once. */
static void check(struct batch *b)
{
        cleanup_buf_ struct buf canonical = BUF_INIT(1 << 20);
        struct bulk *bulk = b->bulk;
        struct err e;
        size_t done = 0;

        for (size_t i = 0; i < DOCS; i++) {
                done += b->items[i].state == ITEM_DONE;
                if (b->items[i].state != ITEM_DONE)
                        claims_release(&bulk->claims, b->items[i].claim);
        }
        if (outcomes != done || bulk->claims.count != 0)
                abort();
        pack_drop(b);
        if (b->count != DOCS - done)
                abort();
        if (b->count == 0)
                return;
        if (pack_again(b, bulk->predicts, &bulk->scratch, &e) ||
                json_canonical(buf_str(&b->body), JSON_NUMBERS_EXACT, &canonical, &e) ||
                !str_eq(buf_str(&canonical), buf_str(&b->body)))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct database database = {.name = (char *)"db"};
        struct str bytes = {(const char *)data + 1, size ? size - 1 : 0};

        if (size == 0 || !memchr("ARDS", data[0], 4))
                return 0;
        if (data[0] == 'S') {
                stream(bytes);
                return 0;
        }
        outcomes = 0;
        struct batch *b = batch_of(writer(), &database);
        feed(b, (char)data[0], bytes);
        check(b);
        batch_free(b);
        return 0;
}
