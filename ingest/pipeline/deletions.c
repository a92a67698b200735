/*
 * PROTOCOL.md sections 4 and 6. Former ids of moved records are deleted after all writes, if
 * nobody claimed them. The sweep deletes what a finished full read did not deliver, under the
 * brake; documents with our prefix that no record claims are swept with it.
 */
#include "ingest/pipeline/run_internal.h"

#include <string.h>

#define BRAKE_FREE  10  /* so many deletions never need permission */
#define SWEEP_CHUNK 500 /* documents whose `keep` fields are read in one request */

/* ---- former ids ---- */

static int delete_old_id(void *ctx, const struct state_owed *owed, struct err *e)
{
        struct run *r = ctx;
        struct state_holder holder;

        if (owed->reason != STATE_OWED_OLD_ID)
                return 0;
        int rc = state_holder(r->state, owed->database, owed->id, &holder, e);
        if (rc < 0)
                return rc;
        if (rc == STATE_ABSENT || holder.key.len || holder.deleted)
                return state_batch_settle(r->batch, owed, e);
        struct pending what = {.kind = PENDING_OLD_ID,
                .database = owed->database,
                .key = owed->key,
                .id = owed->id};
        struct bulk_doc doc = {.database = state_database_name(r->state, owed->database),
                .id = owed->id,
                .parent = holder.rev,
                .deleted = true};
        return pass_push_wait(r, &what, &doc, e);
}

int deletions_old_ids(struct run *r, struct err *e)
{
        if (r->options.dry_run)
                return 0;
        int rc = state_each_owed(r->state, delete_old_id, r, e);
        if (!rc)
                rc = settle_all(r, false, e);
        return rc ? err_wrap(e, rc, "deleting former document ids") : 0;
}

/* ---- the sweep ---- */

struct gone {
        struct pending what; /* strings point into names */
        struct str rev;
};

struct sweep {
        struct run *r;
        uint64_t live, gone; /* counted before anything is deleted */
        bool deleting;
        struct gone chunk[SWEEP_CHUNK];
        size_t count;
        struct arena *names; /* of the chunk; reset with it */
};

static char *all_docs_path(const char *database)
{
        cleanup_buf_ struct buf path = BUF_INIT(4096);

        buf_putc(&path, '/');
        http_url_encode(&path, str_of(database));
        buf_puts(&path, "/_all_docs?include_docs=true");
        return buf_cstr(&path) ? str_dup(buf_str(&path)) : NULL;
}

/* The `keep` fields of the document @doc as canonical members. */
static int put_kept(
        const struct string_list *keep, const cJSON *doc, struct buf *out, struct err *e)
{
        for (size_t i = 0; i < keep->count; i++) {
                const cJSON *field = cJSON_GetObjectItemCaseSensitive(doc, keep->items[i]);
                if (!field)
                        continue;
                char *text = cJSON_PrintUnformatted(field);
                if (!text)
                        return err_nomem(e, "tombstone");
                if (out->len)
                        buf_putc(out, ',');
                bool ok = json_put_string(out, str_of(keep->items[i]));
                buf_putc(out, ':');
                int rc = ok ? json_canonical(str_of(text), JSON_NUMBERS_NEAREST, out, e)
                            : err_set(e, ERR_CONFIG, "deletes.keep: a name is not UTF-8");
                cJSON_free(text);
                if (rc)
                        return rc;
        }
        return buf_check(out, "tombstone", e);
}

/* Current documents of the chunk (all of one database), in its order. */
static int fetch_current(struct sweep *s, const char *database, cJSON **out, struct err *e)
{
        cleanup_buf_ struct buf body = BUF_INIT(64 << 20);
        cleanup_(freep) char *path = all_docs_path(database);

        buf_puts(&body, "{\"keys\":[");
        for (size_t i = 0; i < s->count; i++) {
                if (i)
                        buf_putc(&body, ',');
                if (!json_put_string(&body, s->chunk[i].what.id))
                        return err_set(e, ERR_BUG, "a document id is not UTF-8");
        }
        buf_puts(&body, "]}");
        int rc = buf_check(&body, "request", e);
        if (rc || !path)
                return rc ? rc : err_nomem(e, "request");
        struct couch_request request = {
                .method = "POST", .path = path, .body = buf_str(&body), .max_reply = 256u << 20};
        return couch_call(s->r->couch, &request, NULL, out, e);
}

static int delete_chunk(struct sweep *s, struct err *e)
{
        struct run *r = s->r;
        const struct string_list *keep = &r->mapper->extract->deletes.keep;
        cleanup_buf_ struct buf body = BUF_INIT(8 << 20);
        cJSON *current = NULL;
        int rc = 0;

        if (s->count == 0)
                return 0;
        const char *database = state_database_name(r->state, s->chunk[0].what.database);
        if (keep->count)
                rc = fetch_current(s, database, &current, e);
        const cJSON *row = cJSON_GetArrayItem(cJSON_GetObjectItem(current, "rows"), 0);
        for (size_t i = 0; !rc && i < s->count; i++, row = row ? row->next : NULL) {
                struct bulk_doc doc = {.database = database,
                        .id = s->chunk[i].what.id,
                        .parent = s->chunk[i].rev,
                        .deleted = true};
                buf_clear(&body);
                if (keep->count)
                        rc = put_kept(keep, cJSON_GetObjectItem(row, "doc"), &body, e);
                doc.body = buf_str(&body);
                if (!rc)
                        rc = pass_push_wait(r, &s->chunk[i].what, &doc, e);
        }
        cJSON_Delete(current);
        s->count = 0;
        arena_reset(s->names);
        return rc;
}

/* Copies, because the walk lends its strings only until the next state_apply(). */
static int add_to_chunk(struct sweep *s, const struct pending *what, struct str rev, struct err *e)
{
        int rc = 0;

        if (s->count == SWEEP_CHUNK || (s->count && s->chunk[0].what.database != what->database))
                rc = delete_chunk(s, e);
        if (rc)
                return rc;
        struct gone *g = &s->chunk[s->count];
        *g = (struct gone){.what = *what};
        g->what.key = arena_dup(s->names, what->key);
        g->what.id = arena_dup(s->names, what->id);
        g->rev = arena_dup(s->names, rev);
        if (!g->what.key.ptr || !g->what.id.ptr || !g->rev.ptr)
                return arena_failed(s->names, "deletions", e);
        s->count++;
        return 0;
}

static int sweep_record(void *ctx, struct str key, const struct state_entry *entry, struct err *e)
{
        struct sweep *s = ctx;
        struct state_holder holder;

        if (entry->doc_count == 0 || entry->docs[0].deleted)
                return 0;
        s->live += !s->deleting;
        if (bitmap_test(&s->r->seen, entry->ordinal))
                return 0;
        s->gone += !s->deleting;
        if (!s->deleting)
                return 0;
        const struct state_doc *doc = &entry->docs[0];
        int rc = state_holder(s->r->state, doc->database, doc->id, &holder, e);
        if (rc < 0)
                return rc;
        if (rc == STATE_ABSENT || !str_eq(holder.key, key))
                return state_batch_delete(s->r->batch, key, e);
        struct pending what = {.kind = PENDING_DELETE,
                .ordinal = entry->ordinal,
                .database = doc->database,
                .key = key,
                .id = doc->id};
        return add_to_chunk(s, &what, doc->rev, e);
}

static int sweep_orphan(
        void *ctx, uint16_t database, struct str id, const struct state_holder *doc, struct err *e)
{
        struct sweep *s = ctx;

        if (doc->deleted)
                return 0;
        s->live += !s->deleting;
        s->gone += !s->deleting;
        if (!s->deleting)
                return 0;
        struct pending what = {.kind = PENDING_ORPHAN, .database = database, .id = id};
        return add_to_chunk(s, &what, doc->rev, e);
}

static int walk(struct sweep *s, struct err *e)
{
        int rc = 0;

        /* Every known record was seen: an ordinary run looks no further. */
        if (bitmap_count(&s->r->seen) < state_count(s->r->state) || s->r->counts->read == 0)
                rc = state_each_record(s->r->state, sweep_record, s, e);
        else
                s->live = state_count(s->r->state);
        return rc ? rc : state_each_unattached(s->r->state, sweep_orphan, s, e);
}

static bool brake_holds(const struct sweep *s)
{
        const struct extract_deletes *d = &s->r->mapper->extract->deletes;

        if (s->r->options.allow_deletes || s->gone == 0)
                return false;
        if (s->r->counts->read == 0)
                return true;
        return s->gone > BRAKE_FREE && (double)s->gone > d->max_percent / 100.0 * (double)s->live;
}

static int delete_all(struct sweep *s, struct err *e)
{
        s->deleting = true;
        int rc = walk(s, e);
        if (!rc)
                rc = delete_chunk(s, e);
        if (!rc)
                rc = settle_all(s->r, false, e);
        return rc;
}

int deletions_sweep(struct run *r, struct err *e)
{
        if (!r->mapper->extract->deletes.sweep || r->blind)
                return 0;
        cleanup_(freep) struct sweep *s = calloc(1, sizeof(*s));
        if (!s)
                return err_nomem(e, "sweep");
        s->r = r;
        s->names = arena_new(64 << 20);
        if (!s->names)
                return err_nomem(e, "sweep");
        int rc = walk(s, e);
        if (!rc && brake_holds(s))
                r->report->withheld = s->gone;
        else if (!rc && r->options.dry_run)
                r->counts->deleted += s->gone;
        else if (!rc && s->gone > 0)
                rc = delete_all(s, e);
        arena_free(s->names);
        return rc ? err_wrap(e, rc, "deleting documents of records that are gone") : 0;
}
