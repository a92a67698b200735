/* Rejects as a stream of documents, and the list of their keys. */
#include "ingest/pipeline/reject_list.h"

#include <string.h>

#include "ingest/record/json.h"
#include "ingest/record/key.h"

#define KEYS_MAX_BYTES ((size_t)256 << 20) /* of keys to be tried again: some millions */
#define KEY_TEXT_MAX   (1 << 20)
#define KEY_PLAIN_MAX  256 /* bytes of a key that may stand in an id as it is, and some more */

struct listing {
        reject_fn fn;
        void *ctx;
        const char *key;
        bool found; /* the one that key names */
};

static int on_doc(void *ctx, const struct scan_doc *doc, struct err *e)
{
        struct listing *l = ctx;
        struct reject_view view = {.id = doc->id, .rev = doc->rev};

        reject_view_read(doc->json, &view);
        if (l->key && !reject_view_is(&view, l->key))
                return 0;
        l->found = true;
        return l->fn(l->ctx, &view, e);
}

static int put_prefix(const char *mapper, struct buf *out, struct err *e)
{
        buf_puts(out, "reject:");
        if (mapper) {
                buf_puts(out, mapper);
                buf_putc(out, ':');
        }
        return buf_check(out, "a mapper's name", e);
}

/* ---- one of many: ids as rejects.c makes them of a key ---- */

static void put_part(struct str part, struct buf *out)
{
        int64_t number;

        if (str_to_int64(part, &number))
                buf_put_str(out, part);
        else
                json_put_lossy(out, part);
}

static void id_of_text(struct str key, struct buf *out)
{
        buf_put_str(out, key); /* of an integer, of JSON, of what the source refused */
}

static void id_of_string(struct str key, struct buf *out)
{
        json_put_lossy(out, key);
}

static void id_of_list(struct str key, struct buf *out)
{
        const char *comma;

        buf_putc(out, '[');
        for (; (comma = memchr(key.ptr, ',', key.len)) != NULL;) {
                size_t n = (size_t)(comma - key.ptr);
                put_part((struct str){key.ptr, n}, out);
                buf_putc(out, ',');
                key = (struct str){comma + 1, key.len - n - 1};
        }
        put_part(key, out);
        buf_putc(out, ']');
}

/* Looks where the reject of the key is likely to be: among very many a scan takes long. What is not
 * found there (long keys stand under a hash) may be anywhere. */
static int look_up(struct control *c, const char *prefix, struct listing *l, struct err *e)
{
        static void (*const forms[])(struct str, struct buf *) = {
                id_of_text, id_of_string, id_of_list};
        struct str key = str_of(l->key);
        int rc = 0;

        if (c->absent || key.len > KEY_PLAIN_MAX || !str_utf8_valid(key))
                return 0;
        if (str_starts(key, str_of(prefix)))
                return scan_document(c->couch, c->database, key, on_doc, l, e);
        for (size_t i = 0; !rc && i < sizeof(forms) / sizeof(forms[0]); i++) {
                cleanup_buf_ struct buf id = BUF_INIT(16 * KEY_PLAIN_MAX);
                buf_puts(&id, prefix);
                forms[i](key, &id);
                if (!id.error)
                        rc = scan_document(c->couch, c->database, buf_str(&id), on_doc, l, e);
        }
        return rc;
}

int reject_page(struct control *c, const char *mapper, const char *key, struct str after,
        reject_fn fn, void *ctx, struct err *e)
{
        struct listing l = {.fn = fn, .ctx = ctx, .key = key};
        cleanup_buf_ struct buf prefix = BUF_INIT(4096);
        int rc = put_prefix(mapper, &prefix, e);

        if (!rc && mapper && key && !after.ptr && buf_cstr(&prefix))
                rc = look_up(c, prefix.data, &l, e);
        if (!rc && !l.found)
                rc = control_scan(c, buf_str(&prefix), after, true, on_doc, &l, e);
        return rc ? err_wrap(e, rc, "rejects in database %s", c->database) : 0;
}

int reject_each(struct control *c, const char *mapper, const char *key, reject_fn fn, void *ctx,
        struct err *e)
{
        return reject_page(c, mapper, key, (struct str){0}, fn, ctx, e);
}

static int found_one(void *ctx, const struct scan_doc *doc, struct err *e)
{
        *(bool *)ctx = true;
        return CONTROL_STOP;
}

int reject_exists(struct control *c, const char *mapper, struct err *e)
{
        cleanup_buf_ struct buf prefix = BUF_INIT(4096);
        bool found = false;
        int rc = put_prefix(mapper, &prefix, e);

        if (!rc)
                rc = control_scan(
                        c, buf_str(&prefix), (struct str){0}, false, found_one, &found, e);
        return rc ? rc : found;
}

/* ---- keys ---- */

struct key_list {
        struct reject_keys *out;
        size_t columns;
};

static int grow(struct reject_keys *k, struct err *e)
{
        size_t room = k->room ? 2 * k->room : 256;
        struct str *keys =
                k->count < k->room ? k->keys : reallocarray(k->keys, room, sizeof(*keys));

        if (!keys)
                return err_nomem(e, "keys");
        k->room = k->count < k->room ? k->room : room;
        k->keys = keys;
        return 0;
}

static int add_key(void *ctx, const struct reject_view *reject, struct err *e)
{
        struct key_list *l = ctx;
        struct reject_keys *k = l->out;
        cleanup_buf_ struct buf key = BUF_INIT(KEY_TEXT_MAX);

        if (!reject_view_key(reject, l->columns, &key)) {
                k->without++;
                return 0;
        }
        int rc = grow(k, e);
        if (rc)
                return rc;
        struct str copy = arena_dup(k->arena, buf_str(&key));
        if (!copy.ptr)
                return arena_failed(k->arena, "keys of rejects", e);
        k->keys[k->count++] = copy;
        return 0;
}

static int compare_keys(const void *a, const void *b)
{
        return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* In the state's order, each once: a record may have two rejects, one of the source and one of
 * what came after it. */
static void sort_keys(struct reject_keys *k)
{
        size_t kept = 0;

        if (k->count > 1)
                qsort(k->keys, k->count, sizeof(*k->keys), compare_keys);
        for (size_t i = 0; i < k->count; i++)
                if (kept == 0 || !str_eq(k->keys[kept - 1], k->keys[i]))
                        k->keys[kept++] = k->keys[i];
        k->count = kept;
}

void reject_keys_deinit(struct reject_keys *k)
{
        k->arena = arena_free(k->arena);
        free(k->keys);
        *k = (struct reject_keys){0};
}

int reject_keys(struct control *c, const char *mapper, const char *key, size_t columns,
        struct reject_keys *out, struct err *e)
{
        struct key_list l = {.out = out, .columns = columns};

        *out = (struct reject_keys){.arena = arena_new(KEYS_MAX_BYTES)};
        if (!out->arena)
                return err_nomem(e, "keys of rejects");
        int rc = reject_each(c, mapper, key, add_key, &l, e);
        if (!rc)
                sort_keys(out);
        return rc;
}
