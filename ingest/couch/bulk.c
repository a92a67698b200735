/*
 * The way in: a document goes into the open batch of its database, unless one with its id is on
 * its way; then it is parked until that one is settled, and takes over its revision.
 *
 * A batch is closed when it has as many documents as adapt.c says, or as many bytes as help: more
 * than a mebibyte a request makes CouchDB no faster and only costs memory (measured with 2 kB
 * documents). With several databases, the oldest open batch is closed early when together they
 * hold more than two full ones, so that memory does not grow with the number of databases.
 */
#include "ingest/couch/writer.h"

#include <xxhash.h>

#include "ingest/base/clock.h"
#include "ingest/couch/meter.h"

#define SOFT_BYTES  (1 << 20)
#define SPARE_MAX   4         /* empty batches kept, with their memory */
#define SCRATCH_MAX (1 << 30) /* bytes: a term is three times its document at most */

void batch_list_insert(struct batch_list *list, struct batch *after, struct batch *b)
{
        struct batch *next = after ? after->next : list->first;

        b->prev = after;
        b->next = next;
        *(after ? &after->next : &list->first) = b;
        *(next ? &next->prev : &list->last) = b;
        list->count++;
}

void batch_list_append(struct batch_list *list, struct batch *b)
{
        batch_list_insert(list, list->last, b);
}

void batch_list_remove(struct batch_list *list, struct batch *b)
{
        *(b->prev ? &b->prev->next : &list->first) = b->next;
        *(b->next ? &b->next->prev : &list->last) = b->prev;
        b->next = b->prev = NULL;
        list->count--;
}

/* ---- databases ---- */

static struct database *database_free(struct database *d)
{
        if (!d)
                return NULL;
        for (int i = 0; i < STEPS; i++)
                free(d->paths[i]);
        free(d->name);
        free(d);
        return NULL;
}
DEFINE_CLEANUP(struct database *, database_free);

static int database_new(const char *name, struct database **out, struct err *e)
{
        static const char *const tails[STEPS] = {
                [STEP_SEND] = "/_bulk_docs",
                [STEP_ASK] = "/_revs_diff",
                [STEP_READ] = "/_all_docs?include_docs=true",
                [STEP_PROBE] = "/_local/erp2couch-probe",
        };
        cleanup_(database_freep) struct database *d = calloc(1, sizeof(*d));
        cleanup_buf_ struct buf path = BUF_INIT(COUCH_PATH_MAX);

        if (!d || !(d->name = str_dup(str_of(name))))
                return err_nomem(e, "a database");
        for (int i = 0; i < STEPS; i++) {
                buf_clear(&path);
                couch_path_put(&path, str_of(name));
                buf_puts(&path, tails[i]);
                d->paths[i] = path.error ? NULL : str_dup(buf_str(&path));
                if (!d->paths[i])
                        return err_nomem(e, "a database");
        }
        *out = TAKE(d);
        return 0;
}

static int find_database(struct bulk *bulk, const char *name, struct database **out, struct err *e)
{
        struct database *d = bulk->last_database;

        if (d && strcmp(d->name, name) == 0) {
                *out = d;
                return 0;
        }
        struct database **bucket =
                &bulk->databases[XXH3_64bits(name, strlen(name)) % DATABASE_BUCKETS];
        for (d = *bucket; d && strcmp(d->name, name) != 0; d = d->next)
                ;
        if (!d) {
                int rc = database_new(name, &d, e);
                if (rc < 0)
                        return rc;
                d->next = *bucket;
                *bucket = d;
        }
        *out = bulk->last_database = d;
        return 0;
}

/* ---- parked documents ---- */

static size_t parked_size(const struct bulk_doc *doc)
{
        return sizeof(struct parked) + doc->id.len + doc->parent.len + doc->body.len;
}

static struct str copy_behind(char **to, struct str s)
{
        struct str copy = {*to, s.len};

        if (s.len)
                memcpy(*to, s.ptr, s.len);
        *to += s.len;
        return copy;
}

static int park(struct bulk *bulk, struct database *d, const struct bulk_doc *doc, uint32_t claim,
        struct err *e)
{
        struct parked *p = malloc(parked_size(doc));

        if (!p)
                return err_nomem(e, "a document that waits");
        char *to = (char *)(p + 1);
        *p = (struct parked){.claim = claim, .database = d, .doc = *doc};
        p->doc.id = copy_behind(&to, doc->id);
        p->doc.parent = copy_behind(&to, doc->parent);
        p->doc.body = copy_behind(&to, doc->body);
        *bulk->parked_end = p;
        bulk->parked_end = &p->next;
        bulk->parked_count++;
        bulk->undispatched = true;
        bulk->parked_bytes += parked_size(doc);
        return 0;
}

/* The first one that waits for @claim, out of the list. */
static struct parked *unpark(struct bulk *bulk, uint32_t claim)
{
        struct parked **at = &bulk->parked;

        while (*at && (*at)->claim != claim)
                at = &(*at)->next;
        struct parked *p = *at;
        if (!p)
                return NULL;
        *at = p->next;
        if (!p->next)
                bulk->parked_end = at;
        bulk->parked_count--;
        bulk->parked_bytes -= parked_size(&p->doc);
        return p;
}

void bulk_abandon_parked(struct bulk *bulk)
{
        while (bulk->parked) {
                struct parked *p = unpark(bulk, bulk->parked->claim);
                const struct bulk_outcome outcome = {.result = BULK_ABANDONED,
                        .database = p->doc.database,
                        .id = p->doc.id,
                        .rev = STR(""),
                        .reason = bulk->failure.text,
                        .cookie = p->doc.cookie};
                bulk->callbacks.on_outcome(bulk->callbacks.ctx, &outcome);
                free(p);
        }
}

/* ---- batches ---- */

static struct batch *fresh_batch(struct bulk *bulk, struct err *e)
{
        struct batch *b = bulk->spare.first;

        if (!b)
                return batch_new(bulk, e);
        batch_list_remove(&bulk->spare, b);
        return b;
}

static int open_batch(struct bulk *bulk, struct database *d, struct err *e)
{
        if (d->open)
                return 0;
        struct batch *b = fresh_batch(bulk, e);
        if (!b)
                return -ERR_NOMEM;
        b->database = d;
        b->state = BATCH_OPEN;
        d->open = b;
        batch_list_append(&bulk->open, b);
        return 0;
}

void bulk_close(struct batch *b)
{
        struct bulk *bulk = b->bulk;
        struct err e;

        b->database->open = NULL;
        bulk->open_bytes -= b->body.len;
        bulk->open_docs -= b->count;
        batch_list_remove(&bulk->open, b);
        batch_list_append(&bulk->closed, b);
        bulk->undispatched = true;
        b->state = BATCH_WAITING;
        int rc = pack_close(b, bulk->predicts, &bulk->scratch, &e);
        if (rc < 0)
                dispatch_fail(bulk, rc, &e);
        else
                batch_choose(b);
}

/* Memory that a batch of unusual size needed is given back. */
static bool worth_keeping(const struct batch *b)
{
        size_t bytes = b->body.cap + b->request.cap + b->reply.cap + b->stubs.cap + b->rows.row.cap;

        return bytes <= 2 * SOFT_BYTES && b->bulk->spare.count < SPARE_MAX;
}

void bulk_retire(struct batch *b)
{
        struct bulk *bulk = b->bulk;

        batch_list_remove(&bulk->closed, b);
        if (!worth_keeping(b)) {
                batch_free(b);
                return;
        }
        struct batch empty = {.bulk = bulk,
                .body = b->body,
                .stubs = b->stubs,
                .request = b->request,
                .reply = b->reply,
                .rows = b->rows,
                .items = b->items,
                .room = b->room};
        *b = empty;
        buf_clear(&b->body);
        buf_clear(&b->stubs);
        buf_clear(&b->request);
        buf_clear(&b->reply);
        batch_list_append(&bulk->spare, b);
}

/* Whether the open batch has all it should have. */
static bool is_complete(const struct bulk *bulk, const struct batch *b)
{
        return b->count >= bulk->adapt.docs || b->body.len >= bulk->soft_bytes;
}

static void close_if_due(struct bulk *bulk, struct batch *b)
{
        if (is_complete(bulk, b))
                bulk_close(b);
        while (bulk->open.count > 1 &&
                (bulk->open_bytes > 2 * bulk->soft_bytes || bulk->open_docs > 2 * bulk->adapt.docs))
                bulk_close(bulk->open.first);
}

/* Into the open batch of its database; the claim is the document's already. */
static int add(struct bulk *bulk, struct database *d, const struct bulk_doc *doc, uint32_t claim,
        struct err *e)
{
        size_t need = pack_bytes_max(doc);
        int rc;

        if (d->open && d->open->count > 0 && d->open->body.len + need > bulk->soft_bytes)
                bulk_close(d->open);
        rc = open_batch(bulk, d, e);
        if (rc < 0)
                return rc;
        struct batch *b = d->open;
        size_t before = b->body.len;
        rc = pack_add(b, doc, claim, &bulk->scratch, e);
        if (rc < 0)
                return rc;
        bulk->open_bytes += b->body.len - before;
        bulk->open_docs++;
        close_if_due(bulk, b);
        return 0;
}

static bool is_open(const struct database *d, uint32_t claim)
{
        for (size_t n = 0; d->open && n < d->open->count; n++)
                if (d->open->items[n].claim == claim)
                        return true;
        return false;
}

static int check_size(const struct bulk *bulk, const struct bulk_doc *doc, struct err *e)
{
        size_t max = (size_t)couch_options(bulk->couch)->max_batch_bytes;
        size_t bytes = doc->id.len + doc->body.len;

        if (bytes <= max && bytes <= UINT32_MAX / 8)
                return 0;
        return err_set(e, ERR_REJECT,
                "the document has %zu bytes, more than couchdb.max_batch_bytes (%zu); raise it if "
                "CouchDB's max_document_size allows",
                bytes, max);
}

static int take(struct bulk *bulk, struct database *d, const struct bulk_doc *doc, struct err *e)
{
        uint32_t claim = claims_hash(d, doc->id);
        int rc = claims_take(&bulk->claims, claim, e);

        if (rc < 0)
                return rc;
        bulk->idle = false;
        if (rc == CLAIMS_HELD) {
                rc = park(bulk, d, doc, claim, e);
                if (rc == 0 && is_open(d, claim))
                        bulk_close(d->open); /* or it would wait for a batch that never fills */
        } else {
                rc = add(bulk, d, doc, claim, e);
        }
        if (rc < 0)
                claims_release(&bulk->claims, claim);
        return rc;
}

int bulk_push(struct bulk *bulk, const struct bulk_doc *doc, struct err *e)
{
        struct database *d;

        if (bulk->failed)
                return bulk_failed(bulk, e);
        int rc = check_size(bulk, doc, e);
        if (rc == 0 && !str_utf8_valid(doc->id))
                rc = err_set(e, ERR_REJECT, "the document id is not UTF-8");
        if (rc == 0)
                rc = find_database(bulk, doc->database, &d, e);
        if (rc == 0)
                rc = take(bulk, d, doc, e);
        if (rc < 0)
                return rc;
        if (bulk->undispatched)
                dispatch(bulk);
        if (bulk->failed)
                return bulk_failed(bulk, e);
        if (bulk->room)
                return 0;
        bulk->full = true;
        return BULK_FULL;
}

/* ---- outcomes ---- */

/* What waited for a claim comes after it: over the revision that was left, if it is the same
 * document (another one may have the same hash). */
static void follow(struct bulk *bulk, const struct batch *b, const struct item *item,
        enum bulk_result result, struct str rev)
{
        struct parked *p = unpark(bulk, item->claim);
        struct err e;

        if (!p)
                return;
        bool same = p->database == b->database && str_eq(p->doc.id, pack_id(b, item, &bulk->told));
        if (same && (result == BULK_WRITTEN || result == BULK_EQUAL || result == BULK_GONE)) {
                p->doc.parent = rev;
                p->doc.parent_deleted = item->deleted;
        }
        int rc = add(bulk, p->database, &p->doc, p->claim, &e);
        free(p);
        if (rc < 0)
                dispatch_fail(bulk, rc, &e);
}

void bulk_settle(struct batch *b, struct item *item, enum bulk_result result, struct str rev,
        const char *reason)
{
        struct bulk *bulk = b->bulk;
        const struct bulk_outcome outcome = {.result = result,
                .database = b->database->name,
                .id = pack_id(b, item, &bulk->told),
                .rev = rev,
                .existed = item->existed,
                .foreign = item->foreign && result == BULK_WRITTEN,
                .attachments = item->stubs.len > 0 || item->attachments,
                .reason = reason,
                .cookie = item->cookie};

        item->state = ITEM_DONE;
        bulk->stats.docs += result == BULK_WRITTEN;
        bool wanted = claims_release(&bulk->claims, item->claim);
        bulk->callbacks.on_outcome(bulk->callbacks.ctx, &outcome);
        if (wanted && !bulk->failed)
                follow(bulk, b, item, result, rev);
}

/* ---- life ---- */

int bulk_new(struct couch *c, const struct log *log, bool predicts,
        const struct bulk_callbacks *callbacks, struct bulk **out, struct err *e)
{
        const struct couch_options *o = couch_options(c);
        const struct retry_policy policy = {RETRY_BASE_MS, RETRY_CAP_MS, o->retry_for_ms};
        const struct adapt_limits limits = {(size_t)o->max_batch_docs, (unsigned)o->max_in_flight};
        cleanup_(bulk_freep) struct bulk *bulk = calloc(1, sizeof(*bulk));

        if (!bulk)
                return err_nomem(e, "the bulk writer");
        bulk->couch = c;
        bulk->log = log;
        bulk->callbacks = *callbacks;
        bulk->predicts = predicts;
        bulk->soft_bytes =
                o->max_batch_bytes < SOFT_BYTES ? (size_t)o->max_batch_bytes : SOFT_BYTES;
        bulk->parked_end = &bulk->parked;
        bulk->waiter.fn = dispatch_session;
        bulk->waiter.ctx = bulk;
        bulk->idle = bulk->room = true;
        buf_init(&bulk->scratch, SCRATCH_MAX);
        buf_init(&bulk->told, COUCH_PATH_MAX + (size_t)o->max_batch_bytes);
        retry_init(&bulk->retry, &policy, 0);
        adapt_init(&bulk->adapt, &limits, clock_monotonic_us());
        int rc = loop_timer_new(couch_loop(c), dispatch_timer, bulk, &bulk->timer, e);
        if (rc == 0)
                rc = loop_timer_new(couch_loop(c), dispatch_replies, bulk, &bulk->replies, e);
        if (rc < 0)
                return rc;
        *out = TAKE(bulk);
        return 0;
}

static void free_batches(struct bulk *bulk, struct batch_list *list)
{
        while (list->first) {
                struct batch *b = list->first;
                batch_list_remove(list, b);
                b->bulk = NULL;
                if (b->state != BATCH_RUNNING) {
                        batch_free(b);
                        continue;
                }
                meter_batch_ends(bulk->couch->options->meter);
                http_cancel(b->call); /* its reply frees it: curl reads from the body */
        }
}

struct bulk *bulk_free(struct bulk *bulk)
{
        struct database *next;

        if (!bulk)
                return NULL;
        session_forget(bulk->couch, &bulk->waiter);
        free_batches(bulk, &bulk->open);
        free_batches(bulk, &bulk->closed);
        free_batches(bulk, &bulk->spare);
        while (bulk->parked)
                free(unpark(bulk, bulk->parked->claim));
        for (size_t i = 0; i < DATABASE_BUCKETS; i++) {
                for (struct database *d = bulk->databases[i]; d; d = next) {
                        next = d->next;
                        database_free(d);
                }
        }
        claims_deinit(&bulk->claims);
        buf_deinit(&bulk->scratch);
        buf_deinit(&bulk->told);
        loop_timer_free(bulk->timer);
        loop_timer_free(bulk->replies);
        free(bulk);
        return NULL;
}

void bulk_flush(struct bulk *bulk)
{
        while (bulk->open.first)
                bulk_close(bulk->open.first);
        dispatch(bulk);
}

int bulk_drain(struct bulk *bulk, bool finish, struct err *e)
{
        struct loop *loop = couch_loop(bulk->couch);

        bulk_flush(bulk);
        bulk->flushing = true;
        bulk->idle = bulk->closed.count == 0 && !bulk->parked;
        int rc = finish ? loop_run_until_done(loop, &bulk->idle, e)
                        : loop_run_until(loop, &bulk->idle, e);
        bulk->flushing = false;
        if (rc == 0 && bulk->failed)
                rc = bulk_failed(bulk, e);
        return rc;
}

int bulk_failed(const struct bulk *bulk, struct err *e)
{
        if (bulk->failed && e)
                *e = bulk->failure;
        return bulk->failed;
}

const struct bulk_stats *bulk_stats(const struct bulk *bulk)
{
        struct bulk_stats *stats = (struct bulk_stats *)&bulk->stats; /* a view, made when asked */

        stats->in_flight = bulk->running;
        stats->limit_in_flight = bulk->adapt.in_flight;
        stats->batch_docs = bulk->adapt.docs;
        return stats;
}
