/*
 * The reply is walked once, down to a few levels: every array of objects is a candidate for the
 * records, every scalar a fact about them. One whose name says so (data, value, the last part of
 * the path) goes before a larger one.
 */
#include "ingest/source/rest/reply_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "ingest/base/text.h"
#include "ingest/record/json_scan.h"
#include "ingest/source/rest/client.h"

#define PATH_MAX_BYTES 300
#define SHOWN          4 /* arrays named in a note */
#define LENGTH(array)  (sizeof(array) / sizeof((array)[0]))

struct array {
        const char *path, *name;
        struct str text;
        size_t elements, objects;
        int rank; /* the more the likelier by its name */
};

struct reader {
        const struct rest_reply_input *in;
        struct arena *arena;
        struct err *e;
        struct array arrays[REST_REPLY_MAX_ARRAYS];
        size_t array_count;
        struct rest_fact *facts;
        size_t fact_count;
        struct buf path, plain; /* of where the walk is */
        struct buf name;        /* scratch */
        int rc;
};

static void no_memory(struct reader *r)
{
        if (!r->rc)
                r->rc = err_nomem(r->e, "the reply");
}

static const char *keep(struct reader *r, const struct buf *text)
{
        const char *copy = text->error ? NULL : arena_strdup(r->arena, buf_str(text));

        if (!copy)
                no_memory(r);
        return copy;
}

/* ---- arrays ---- */

static bool is_in(const char *name, const char *const *list, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (strcasecmp(name, list[i]) == 0)
                        return true;
        return false;
}

/* Whether @name is the last part of the path that was called. */
static bool is_called(const struct reader *r, const char *name)
{
        const char *slash = strrchr(r->in->path, '/'), *last = slash ? slash + 1 : r->in->path;
        size_t n = strcspn(last, ".");

        return n > 0 && strlen(name) == n && strncasecmp(name, last, n) == 0;
}

static int rank_of(const struct reader *r, const char *name)
{
        static const char *const names[] = {"data", "value", "results", "result", "items",
                "records", "rows", "list", "entries", "content", "elements", "objects", "hits",
                "docs", "documents", "collection", "resources", "message"};

        return is_called(r, name) ? 2 : is_in(name, names, LENGTH(names)) ? 1 : 0;
}

static void count_elements(struct array *a)
{
        struct json_walk w;
        struct str key, value;

        if (!json_walk_open(&w, a->text, '['))
                return;
        while (json_walk_next(&w, &key, &value)) {
                a->elements++;
                a->objects += value.len > 0 && value.ptr[0] == '{';
        }
}

static void add_array(struct reader *r, const char *name, struct str text)
{
        struct array a = {.text = text, .rank = rank_of(r, name)};

        count_elements(&a);
        if (r->array_count == REST_REPLY_MAX_ARRAYS)
                return;
        if (a.objects < a.elements || (a.elements == 0 && a.rank == 0))
                return;
        a.path = keep(r, &r->path);
        r->arrays[r->array_count++] = a;
}

/* ---- facts ---- */

static void add_fact(struct reader *r, const char *name, struct str value)
{
        if (r->fact_count == REST_REPLY_MAX_FACTS)
                return;
        struct rest_fact *f = &r->facts[r->fact_count];
        *f = (struct rest_fact){
                .path = keep(r, &r->path),
                .name = arena_strdup(r->arena, str_of(name)),
                .plain = keep(r, &r->plain),
                .value = value,
        };
        if (f->path && f->name && f->plain)
                r->fact_count++;
        else
                no_memory(r);
}

/* ---- the walk ---- */

static void walk(struct reader *r, struct str object, int depth);

/* A dot or a bracket in a name is no step of a path. */
static void put_step(struct buf *out, const char *name)
{
        if (out->len)
                buf_putc(out, '.');
        for (; *name; name++) {
                if (strchr(".[]\\", *name))
                        buf_putc(out, '\\');
                buf_putc(out, *name);
        }
}

static void put_plain(struct buf *out, const char *name)
{
        if (out->len)
                buf_putc(out, '.');
        for (; *name; name++)
                if (isalnum((unsigned char)*name))
                        buf_putc(out, (char)tolower((unsigned char)*name));
}

static void visit(struct reader *r, const char *name, struct str value, int depth)
{
        size_t path = r->path.len, plain = r->plain.len;

        if (value.len == 0)
                return;
        put_step(&r->path, name);
        put_plain(&r->plain, name);
        if (r->path.error == -ERR_NOMEM || r->plain.error == -ERR_NOMEM)
                no_memory(r);
        if (r->path.error || r->plain.error) { /* too long to be a step on the way to anything */
                r->path.error = r->plain.error = 0;
        } else if (value.ptr[0] == '[') {
                add_array(r, name, value);
        } else if (value.ptr[0] == '{') {
                walk(r, value, depth + 1);
        } else {
                add_fact(r, name, value);
        }
        r->path.len = path;
        r->plain.len = plain;
}

static void walk(struct reader *r, struct str object, int depth)
{
        struct json_walk w;
        struct str key, value;

        if (depth == REST_REPLY_MAX_DEPTH || !json_walk_open(&w, object, '{'))
                return;
        while (!r->rc && json_walk_next(&w, &key, &value)) {
                buf_clear(&r->name);
                int rc = json_unquote(key, &r->name, NULL);
                const char *name = rc ? NULL : buf_cstr(&r->name);
                if (rc == -ERR_NOMEM || r->name.error == -ERR_NOMEM)
                        no_memory(r);
                if (!name || !*name || strlen(name) != r->name.len ||
                        !text_is_visible(buf_str(&r->name)) ||
                        strstr(name, "${")) /* which a mapper would take for its own */
                        continue;
                const char *copy = arena_strdup(r->arena, buf_str(&r->name));
                if (!copy)
                        no_memory(r);
                else
                        visit(r, copy, value, depth);
        }
}

/* ---- the choice ---- */

static bool is_likelier(const struct array *a, const struct array *b)
{
        if ((a->elements > 0) != (b->elements > 0))
                return a->elements > 0;
        if (a->rank != b->rank)
                return a->rank > b->rank;
        return a->elements > b->elements;
}

static const struct array *choose(const struct reader *r)
{
        const struct array *best = NULL;

        for (size_t i = 0; i < r->array_count; i++)
                if (!best || is_likelier(&r->arrays[i], best))
                        best = &r->arrays[i];
        return best;
}

static const char *keep_note(struct reader *r, struct buf *note)
{
        if (note->error == -ERR_NOMEM)
                no_memory(r);
        return note->error ? NULL : keep(r, note);
}

/* Says which array was taken where there are others. */
static void note_choice(struct reader *r, const struct array *taken, struct catalog_rest *rest)
{
        cleanup_buf_ struct buf note = BUF_INIT(8 * PATH_MAX_BYTES);
        size_t others = 0;

        for (size_t i = 0; i < r->array_count; i++) {
                const struct array *a = &r->arrays[i];
                if (a == taken || a->objects == 0)
                        continue;
                if (others++ < SHOWN)
                        buf_printf(
                                &note, "%s%s (%zu)", others > 1 ? ", " : "", a->path, a->elements);
        }
        if (others == 0)
                return;
        if (others > SHOWN)
                buf_printf(&note, " and %zu more", others - SHOWN);
        buf_printf(&note, ". Taken: %s (%zu).", taken->path, taken->elements);
        cleanup_buf_ struct buf whole = BUF_INIT(16 * PATH_MAX_BYTES);
        buf_puts(&whole, "the reply has other arrays of objects: ");
        buf_put_str(&whole, buf_str(&note));
        rest->records_note = keep_note(r, &whole);
        rest->records_doubtful = taken->rank == 0;
}

static void hand_on(struct reader *r, struct str array, struct rest_reply_found *found)
{
        struct str *list = arena_array(r->arena, REST_REPLY_MAX_RECORDS, sizeof(*list));
        struct json_walk w;
        struct str key, value;

        if (!list) {
                no_memory(r);
                return;
        }
        found->records = list;
        if (!json_walk_open(&w, array, '['))
                return;
        while (json_walk_next(&w, &key, &value)) {
                found->total++;
                if (found->count < REST_REPLY_MAX_RECORDS && value.len && value.ptr[0] == '{')
                        list[found->count++] = value;
        }
}

/* ---- replies that have none ---- */

static bool is_error_name(const char *plain)
{
        static const char *const names[] = {"error", "errors", "fault", "exception", "error.code",
                "error.message", "errormessage", "errornumber"};

        return is_in(plain, names, LENGTH(names));
}

static int no_records(struct reader *r)
{
        char said[200] = "";

        for (size_t i = 0; i < r->fact_count; i++) {
                if (!is_error_name(r->facts[i].plain) || str_is(r->facts[i].value, "null") ||
                        str_is(r->facts[i].value, "false") || str_is(r->facts[i].value, "0"))
                        continue;
                rest_error_line("application/json", r->in->body, said, sizeof(said));
                return err_set(r->e, ERR_CONFIG, "the reply is an error: %s", said);
        }
        return 0;
}

static int take_object(struct reader *r, struct catalog_rest *rest, struct rest_reply_found *found)
{
        struct str *list = arena_array(r->arena, 1, sizeof(*list));

        if (!list)
                return arena_failed(r->arena, "the reply", r->e);
        list[0] = json_trim(r->in->body);
        found->records = list;
        found->count = found->total = 1;
        rest->records_note = "there is no array of objects in the reply: all of it is read as one "
                             "record";
        rest->records_doubtful = true;
        return 0;
}

static int read_object(struct reader *r, struct catalog_rest *rest, struct rest_reply_found *found)
{
        walk(r, r->in->body, 0);
        if (r->rc)
                return r->rc;
        const struct array *taken = choose(r);
        if (taken && taken->elements == 0)
                return err_set(r->e, ERR_CONFIG,
                        "the reply holds no records (%s is empty): give a path with which there "
                        "are some",
                        taken->path);
        if (!taken) {
                int rc = no_records(r);
                return rc ? rc : take_object(r, rest, found);
        }
        rest->records = taken->path;
        note_choice(r, taken, rest);
        hand_on(r, taken->text, found);
        return r->rc;
}

static int read_array(struct reader *r, struct rest_reply_found *found)
{
        hand_on(r, r->in->body, found);
        if (r->rc)
                return r->rc;
        if (found->total == 0)
                return err_set(r->e, ERR_CONFIG,
                        "the reply is an empty array: give a path with which there are records");
        if (found->count == 0)
                return err_set(r->e, ERR_CONFIG,
                        "the reply is an array of %zu values, but not of objects: records have "
                        "names for their fields",
                        found->total);
        return 0;
}

/* Facts beside the records, not in them; members of a record are no facts of its page. */
static int read_parts(struct reader *r, struct catalog_rest *rest, struct rest_reply_found *found)
{
        struct str body = json_trim(r->in->body);

        r->facts = arena_array(r->arena, REST_REPLY_MAX_FACTS, sizeof(*r->facts));
        if (!r->facts)
                return arena_failed(r->arena, "the reply", r->e);
        int rc = body.ptr[0] == '['   ? read_array(r, found)
                 : body.ptr[0] == '{' ? read_object(r, rest, found)
                                      : err_set(r->e, ERR_CONFIG,
                                                "the reply is one JSON value, neither an array "
                                                "nor an object: it holds no records");
        if (rc)
                return rc;
        bool is_record = body.ptr[0] == '{' && !rest->records;
        struct rest_facts facts = {r->facts, is_record ? 0 : r->fact_count, found->total};
        return rest_reply_pages(r->in, &facts, r->arena, rest, found, r->e);
}

static int not_json(const struct rest_reply_input *in, const struct err *why, struct err *e)
{
        struct str body = json_trim(in->body);

        if (body.len == 0)
                return err_set(e, ERR_CONFIG, "the reply is empty");
        if (body.ptr[0] == '<')
                return err_set(e, ERR_CONFIG,
                        "the reply is not JSON, but HTML or XML: check the url and the path, and "
                        "whether the server wants another address, log-in or an Accept header");
        return err_set(e, ERR_CONFIG, "the reply is not JSON: %s", why->text);
}

int rest_reply_read(const struct rest_reply_input *in, struct arena *arena,
        struct catalog_rest *rest, struct rest_reply_found *found, struct err *e)
{
        cleanup_buf_ struct buf proof = BUF_INIT(in->body.len * 4 + 64);
        struct reader r = {
                .in = in,
                .arena = arena,
                .e = e,
                .path = BUF_INIT(PATH_MAX_BYTES),
                .plain = BUF_INIT(PATH_MAX_BYTES),
                .name = BUF_INIT(PATH_MAX_BYTES),
        };
        struct err why;

        int rc = json_canonical(in->body, JSON_NUMBERS_NEAREST, &proof, &why);
        if (rc == -ERR_REJECT)
                return not_json(in, &why, e);
        if (rc) {
                if (e)
                        *e = why;
                return rc;
        }
        *found = (struct rest_reply_found){.records = NULL};
        rc = read_parts(&r, rest, found);
        buf_deinit(&r.path);
        buf_deinit(&r.plain);
        buf_deinit(&r.name);
        return rc;
}
