/*
 * Numbers and strings look alike as text, so the address of an OData entity is a guess until one
 * was answered: 400 and 404 then ask for the next spelling. The types that were right once are
 * taken from then on, and a 404 is believed; a value that cannot be of them is a guess again.
 *
 * Where the mapper has a filter, the key is added to it: the address would find what does not pass,
 * and is no record of the mapper's any more.
 */
#include "ingest/source/rest/keys.h"

#include <stdio.h>

#include "ingest/record/key.h"
#include "ingest/source/rest/odata.h"
#include "ingest/source/rest/walk.h"

#define CALLS_MAX      8 /* at once; the source's max_concurrent is below it as a rule */
#define PATH_MAX_BYTES (64 << 10)
#define ARENA_MAX      (64 << 20) /* keys of one read: the pipeline asks for 4 MiB of them */

struct keys_call {
        struct rest_keys *all;
        size_t at; /* of the key */
        struct rest_walk *walk;
        bool done;
        unsigned attempt;        /* spelling of the entity's address */
        bool guess;              /* nobody knows yet whether it is the right one */
        bool refused;            /* one spelling was answered with 400 */
        bool missing;            /* one with 404 */
        struct buf path, filter; /* one of the two */
        struct rest_odata_spec odata;
        struct rest_var vars[KEY_MAX_PARTS];
        struct buf records; /* length and text, one behind the other */
        size_t read_at;
};

struct record_head {
        uint32_t len;
        bool oversize;
};

struct rest_keys {
        struct rest_keys_plan plan;
        struct arena *arena;
        struct value *keys;
        size_t next; /* key to be asked for */
        struct keys_call calls[CALLS_MAX];
        size_t window, first, count;
        bool spelled;                              /* an entity was answered: */
        enum rest_odata_type types[KEY_MAX_PARTS]; /* of its key */
        struct rest_odata_spec odata;
        struct rest_call entity;
        bool cancelled;
        int rc;
        struct err err;
};

bool rest_keys_possible(const struct extract *x)
{
        const struct rest_extract *own = rest_own(x);

        return own->has_by_key || (own->odata.version && !x->group.count && own->call.path);
}

static bool is_entity(const struct rest_keys *k)
{
        return !rest_own(k->plan.x)->has_by_key;
}

/* ---- made ---- */

static int copy_keys(struct rest_keys *k, struct err *e)
{
        size_t count = k->plan.count * k->plan.shape->key_count;

        k->keys = arena_array(k->arena, count + 1, sizeof(*k->keys));
        if (!k->keys)
                return arena_failed(k->arena, "keys", e);
        for (size_t i = 0; i < count; i++) {
                struct value v = k->plan.keys[i];
                struct str copy = arena_dup(k->arena, (struct str){v.ptr ? v.ptr : "", v.len});

                if (!copy.ptr)
                        return arena_failed(k->arena, "keys", e);
                k->keys[i] = (struct value){copy.ptr, v.len};
        }
        return 0;
}

int rest_keys_new(const struct rest_keys_plan *plan, struct rest_keys **out, struct err *e)
{
        cleanup_(rest_keys_freep) struct rest_keys *k = calloc(1, sizeof(*k));
        size_t concurrent = (size_t)plan->source->options->max_concurrent;

        if (!k)
                return err_nomem(e, "keys");
        k->plan = *plan;
        k->window = concurrent > CALLS_MAX ? CALLS_MAX : concurrent ? concurrent : 1;
        k->odata = rest_own(plan->x)->odata;
        k->entity = rest_own(plan->x)->call;
        k->entity.records = NULL;
        for (size_t i = 0; i < CALLS_MAX; i++) {
                k->calls[i].all = k;
                buf_init(&k->calls[i].path, PATH_MAX_BYTES);
                buf_init(&k->calls[i].filter, PATH_MAX_BYTES);
                buf_init(&k->calls[i].records, RECORD_MAX_BYTES);
        }
        k->arena = arena_new(ARENA_MAX);
        int rc = k->arena ? copy_keys(k, e) : err_nomem(e, "keys");
        if (!rc)
                *out = TAKE(k);
        return rc;
}

struct rest_keys *rest_keys_free(struct rest_keys *k)
{
        if (!k)
                return NULL;
        for (size_t i = 0; i < CALLS_MAX; i++) {
                rest_walk_free(k->calls[i].walk);
                buf_deinit(&k->calls[i].path);
                buf_deinit(&k->calls[i].filter);
                buf_deinit(&k->calls[i].records);
        }
        arena_free(k->arena);
        free(k);
        return NULL;
}

/* ---- calls ---- */

static int keep(struct keys_call *c, struct str text, bool oversize, struct err *e)
{
        struct record_head head = {(uint32_t)text.len, oversize};

        buf_put(&c->records, &head, sizeof(head));
        buf_put_str(&c->records, text);
        return buf_check(&c->records, "the records of one key", e);
}

static int on_record(void *ctx, struct str text, struct err *e)
{
        /* A body that is `null` is no record. */
        return str_is(text, "null") ? 0 : keep(ctx, text, false, e);
}

static int on_oversize(void *ctx, struct str head, struct err *e)
{
        return keep(ctx, head, true, e);
}

static void on_end(void *ctx, int rc, const struct err *e)
{
        struct keys_call *c = ctx;
        struct rest_keys *k = c->all;

        c->done = true;
        if (rc && !k->cancelled && !k->rc) {
                k->rc = rc;
                k->err = *e;
        }
        k->plan.on_change(k->plan.ctx);
}

static const struct value *key_of(const struct keys_call *c)
{
        return c->all->keys + c->at * c->all->plan.shape->key_count;
}

static size_t list_parts(const struct keys_call *c, struct str parts[KEY_MAX_PARTS])
{
        size_t count = rest_key_paths(c->all->plan.x)->count;

        for (size_t i = 0; i < count; i++)
                parts[i] = c->vars[i].value;
        return count;
}

/* As what was right before, where the key can be that. */
static void choose_spelling(struct keys_call *c)
{
        struct rest_keys *k = c->all;
        struct str parts[KEY_MAX_PARTS];
        size_t count = list_parts(c, parts);

        c->attempt = 0;
        c->guess = is_entity(k) && !(k->spelled && rest_odata_attempt(k->odata.version, parts,
                                                           count, k->types, &c->attempt));
}

/* The address of the entity. Return: 0; REST_ABSENT no other spelling; -class. */
static int put_entity(struct keys_call *c, struct err *e)
{
        struct rest_keys *k = c->all;
        const struct string_list *names = rest_key_paths(k->plan.x);
        cleanup_buf_ struct buf set = BUF_INIT(PATH_MAX_BYTES);
        struct str parts[KEY_MAX_PARTS];

        int rc = rest_template_put(
                k->entity.path, &(struct rest_vars){0}, REST_ENCODE_PATH, &set, e);
        if (rc)
                return rc == REST_ABSENT
                               ? err_set(e, ERR_CONFIG, "a variable in `path` has no value")
                               : rc;
        (void)list_parts(c, parts);
        buf_clear(&c->path);
        rc = rest_odata_put_entity(k->odata.version, buf_str(&set),
                (const char *const *)names->items, parts, names->count, c->attempt, &c->path, e);
        if (!rc && !buf_cstr(&c->path))
                rc = buf_check(&c->path, "the address of an entity", e);
        return rc;
}

static bool is_filtered(const struct rest_keys *k)
{
        return is_entity(k) && k->odata.filter;
}

/* The filter that finds the entity. Return: as put_entity(). */
static int put_filter(struct keys_call *c, struct err *e)
{
        struct rest_keys *k = c->all;
        struct str parts[KEY_MAX_PARTS];
        size_t count = list_parts(c, parts);

        buf_clear(&c->filter);
        buf_printf(&c->filter, "(%s) and ", k->odata.filter);
        int rc = rest_odata_put_key_filter(k->odata.version,
                (const char *const *)rest_key_paths(k->plan.x)->items, parts, count, c->attempt,
                &c->filter, e);
        if (!rc && !buf_cstr(&c->filter))
                rc = buf_check(&c->filter, "a filter", e);
        c->odata = k->odata;
        c->odata.filter = c->filter.data;
        return rc;
}

static int begin_walk(struct keys_call *c, struct err *e)
{
        struct rest_keys *k = c->all;
        const struct rest_extract *own = rest_own(k->plan.x);
        const struct string_list *names = rest_key_paths(k->plan.x);
        struct rest_walk_plan plan = {
                .source = k->plan.source,
                .extract = own,
                .call = is_entity(k) ? &k->entity : &own->by_key,
                .odata = is_filtered(k) ? &c->odata
                         : is_entity(k) ? &k->odata
                                        : NULL,
                .key = names,
                .entity = !is_filtered(k),
                .guessed = c->guess,
                .vars = {c->vars, names->count},
                .on_record = on_record,
                .on_oversize = on_oversize,
                .on_end = on_end,
                .ctx = c,
        };
        int rc = is_filtered(k) ? put_filter(c, e) : is_entity(k) ? put_entity(c, e) : 0;

        if (rc)
                return rc;
        if (is_entity(k) && !is_filtered(k))
                plan.path = c->path.data;
        c->walk = rest_walk_free(c->walk);
        c->done = false;
        return rest_walk_new(&plan, &c->walk, e);
}

static int begin_call(struct rest_keys *k, struct err *e)
{
        struct keys_call *c = &k->calls[(k->first + k->count) % k->window];
        const struct string_list *names = rest_key_paths(k->plan.x);

        c->at = k->next++;
        c->refused = c->missing = false;
        c->read_at = 0;
        buf_clear(&c->records);
        for (size_t i = 0; i < names->count; i++) {
                struct value v = key_of(c)[i];

                c->vars[i] =
                        (struct rest_var){.name = str_of(names->items[i]), .value = {v.ptr, v.len}};
        }
        choose_spelling(c);
        int rc = begin_walk(c, e);
        if (rc == REST_ABSENT)
                return err_set(e, ERR_BUG, "an entity without an address");
        k->count += !rc;
        return rc;
}

/* The call has ended. Return: 0: its records stand; 1: another spelling is asked for; -class. */
static int judge_spelling(struct keys_call *c, struct err *e)
{
        struct rest_keys *k = c->all;
        int status = rest_walk_status(c->walk);

        if (!c->guess)
                return 0;
        if (status < 300 && (c->records.len || !is_filtered(k))) {
                struct str parts[KEY_MAX_PARTS];
                size_t count = list_parts(c, parts);

                rest_odata_types(k->odata.version, parts, count, c->attempt, k->types);
                k->spelled = true;
                c->guess = false;
                return 0;
        }
        c->refused |= status == 400;
        c->missing |= status != 400;
        c->attempt++;
        int rc = begin_walk(c, e);
        if (rc != REST_ABSENT)
                return rc ? rc : 1;
        c->guess = false;
        if (c->missing)
                return 0;
        return err_set(e, ERR_CONFIG,
                "%s(...) is answered with 400 whatever the spelling of the key: give the mapper "
                "`by_key: {path: ...}`",
                c->path.data ? c->path.data : "the entity");
}

/* ---- records ---- */

static bool next_record(struct keys_call *c, struct rest_found *out)
{
        struct record_head head;

        if (c->read_at + sizeof(head) > c->records.len)
                return false;
        memcpy(&head, c->records.data + c->read_at, sizeof(head));
        out->text = (struct str){c->records.data + c->read_at + sizeof(head), head.len};
        out->oversize = head.oversize;
        out->key = key_of(c);
        c->read_at += sizeof(head) + head.len;
        return true;
}

static int fill(struct rest_keys *k, struct err *e)
{
        int rc = 0;

        /* The first answer tells how addresses are spelled. */
        size_t window = is_entity(k) && !k->spelled ? 1 : k->window;
        while (!rc && k->count < window && k->next < k->plan.count)
                rc = begin_call(k, e);
        return rc;
}

int rest_keys_next(struct rest_keys *k, struct rest_found *out, struct err *e)
{
        for (;;) {
                int rc = k->rc ? k->rc : fill(k, e);

                if (k->rc)
                        *e = k->err;
                if (rc)
                        return rc;
                if (k->count == 0)
                        return REST_KEYS_END;
                struct keys_call *c = &k->calls[k->first];
                if (!c->done)
                        return REST_KEYS_WAIT;
                rc = judge_spelling(c, e);
                if (rc)
                        return rc < 0 ? rc : REST_KEYS_WAIT;
                if (next_record(c, out))
                        return 0;
                c->walk = rest_walk_free(c->walk);
                k->first = (k->first + 1) % k->window;
                k->count--;
        }
}

void rest_keys_cancel(struct rest_keys *k)
{
        k->cancelled = true;
        for (size_t i = 0; i < k->count; i++) {
                struct keys_call *c = &k->calls[(k->first + i) % k->window];

                if (!c->done)
                        rest_walk_cancel(c->walk);
        }
}

bool rest_keys_idle(const struct rest_keys *k)
{
        for (size_t i = 0; i < k->count; i++)
                if (!k->calls[(k->first + i) % k->window].done)
                        return false;
        return true;
}
