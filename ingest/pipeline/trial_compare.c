/*
 * The expected part is YAML, the document canonical JSON: the first is walked, and what it names
 * is looked up in the text of the second. No tree, and numbers keep their digits.
 */
#include "ingest/pipeline/trial_internal.h"

#include "ingest/record/json_scan.h"
#include "mappers/decimal.h"

#define PATH_MAX_BYTES (1 << 16)

struct compare {
        struct trial_result *result;
        struct arena *arena;
        struct trial_difference *differences;
        /* Emptied, never cleared: an append that failed is asked for at the end. */
        struct buf path;    /* of what is compared */
        struct buf scratch; /* keys, strings */
        struct buf a, b;    /* decimals with exponents */
        int rc;             /* of memory */
};

/* ---- differences ---- */

static const char *keep(struct compare *c, struct str text)
{
        const char *copy = arena_strdup(c->arena, text);

        if (!copy)
                c->rc = -ERR_NOMEM;
        return copy;
}

static void add(struct compare *c, struct trial_difference d)
{
        struct trial_result *r = c->result;

        r->outcome = TRIAL_FAILED;
        if (!c->differences)
                c->differences =
                        arena_array(c->arena, TRIAL_MAX_DIFFERENCES, sizeof(*c->differences));
        if (!c->differences) {
                c->rc = -ERR_NOMEM;
                return;
        }
        r->differences = c->differences;
        if (r->count == TRIAL_MAX_DIFFERENCES)
                r->more++;
        else
                c->differences[r->count++] = d;
}

/* Whether a variable stands anywhere in @n. */
static bool holds_variable(const struct ynode *n)
{
        bool found = n->expanded;

        for (size_t i = 0; i < n->count && !found; i++)
                found = holds_variable(n->kind == YNODE_MAP ? n->pairs[i].value : n->items[i]);
        return found;
}

/* @expected NULL: nothing was expected there; @got.ptr NULL: nothing is there. */
static void differ(struct compare *c, const struct ynode *expected, struct str got)
{
        struct trial_difference d = {.masked = expected && holds_variable(expected)};

        if (c->result->count == TRIAL_MAX_DIFFERENCES) {
                c->result->more++;
                return;
        }
        d.field = keep(c, buf_str(&c->path));
        if (expected && !d.masked) {
                c->scratch.len = 0;
                ynode_json(expected, &c->scratch);
                d.expected = keep(c, buf_str(&c->scratch));
        }
        if (got.ptr)
                d.got = keep(c, got);
        add(c, d);
}

/* ---- values ---- */

static struct str fraction_of(const struct decimal *d)
{
        struct str s = d->fraction;

        while (s.len > 0 && s.ptr[s.len - 1] == '0')
                s.len--;
        return s;
}

/* By value: 2.50 is 2.5, 1e2 is 100.0. */
static bool same_number(struct compare *c, struct str a, struct str b)
{
        struct decimal x, y;

        if (!decimal_parse(a, &c->a, &x) || !decimal_parse(b, &c->b, &y))
                return str_eq(a, b);
        bool zero = x.whole.len == 0 && fraction_of(&x).len == 0;
        return (zero || x.negative == y.negative) && str_eq(x.whole, y.whole) &&
               str_eq(fraction_of(&x), fraction_of(&y));
}

static bool same_string(struct compare *c, struct str text, struct str json)
{
        c->scratch.len = 0;
        return json.len > 0 && *json.ptr == '"' && json_unquote(json, &c->scratch, NULL) == 0 &&
               str_eq(text, buf_str(&c->scratch));
}

static bool same_scalar(struct compare *c, const struct ynode *expected, struct str got)
{
        bool number = got.len > 0 && (*got.ptr == '-' || (*got.ptr >= '0' && *got.ptr <= '9'));

        switch (expected->kind) {
        case YNODE_NULL:
                return str_is(got, "null");
        case YNODE_BOOL:
                return str_is(got, ynode_bool(expected) ? "true" : "false");
        case YNODE_INT:
        case YNODE_FLOAT:
                return number && same_number(c, expected->text, got);
        default:
                return same_string(c, expected->text, got);
        }
}

static void compare_value(struct compare *c, const struct ynode *expected, struct str got);

/* The value of the member @name of the canonical object @object; .ptr NULL: it has none. */
static struct str find_member(struct compare *c, struct str object, struct str name)
{
        struct json_walk w;
        struct str key, value;

        c->scratch.len = 0;
        bool found = json_put_string(&c->scratch, name) && json_walk_open(&w, object, '{');
        while (found && json_walk_next(&w, &key, &value))
                if (str_eq(key, buf_str(&c->scratch)))
                        return value;
        return (struct str){NULL, 0};
}

static void compare_member(struct compare *c, const struct ynode_pair *pair, struct str object)
{
        size_t len = c->path.len;
        struct str got = find_member(c, object, pair->key);

        buf_printf(&c->path, "%s%s", len ? "." : "", pair->key.ptr);
        if (got.ptr)
                compare_value(c, pair->value, got);
        else if (pair->value->kind != YNODE_NULL)
                differ(c, pair->value, got);
        c->path.len = len;
}

static void compare_list(struct compare *c, const struct ynode *expected, struct str got)
{
        size_t len = c->path.len, i = 0;
        struct json_walk w;
        struct str key, value;

        if (!json_walk_open(&w, got, '[')) {
                differ(c, expected, got);
                return;
        }
        for (; json_walk_next(&w, &key, &value); i++) {
                buf_printf(&c->path, "[%zu]", i);
                if (i < expected->count)
                        compare_value(c, expected->items[i], value);
                else
                        differ(c, NULL, value);
                c->path.len = len;
        }
        for (; i < expected->count; i++) {
                buf_printf(&c->path, "[%zu]", i);
                differ(c, expected->items[i], (struct str){NULL, 0});
                c->path.len = len;
        }
}

static void compare_value(struct compare *c, const struct ynode *expected, struct str got)
{
        if (expected->kind == YNODE_LIST)
                compare_list(c, expected, got);
        else if (expected->kind != YNODE_MAP && !same_scalar(c, expected, got))
                differ(c, expected, got);
        else if (expected->kind == YNODE_MAP && (got.len == 0 || *got.ptr != '{'))
                differ(c, expected, got);
        for (size_t i = 0; expected->kind == YNODE_MAP && i < expected->count; i++)
                if (got.len > 0 && *got.ptr == '{')
                        compare_member(c, &expected->pairs[i], got);
}

/* ---- the document ---- */

static void compare_name(struct compare *c, const struct ynode_pair *pair, const struct mapped *got)
{
        struct str name = str_is(pair->key, TEST_ID) ? got->id : got->database;
        cleanup_buf_ struct buf json = BUF_INIT(PATH_MAX_BYTES);

        if (str_eq(pair->value->text, name))
                return;
        json_put_lossy(&json, name);
        buf_puts(&c->path, pair->key.ptr);
        differ(c, pair->value, buf_str(&json));
        c->path.len = 0;
        if (json.error)
                c->rc = json.error;
}

static void init(struct compare *c, struct trial_result *r, struct arena *arena)
{
        *c = (struct compare){.result = r,
                .arena = arena,
                .path = BUF_INIT(PATH_MAX_BYTES),
                .scratch = BUF_INIT(2 * MAPPER_MAX_DOCUMENT),
                .a = BUF_INIT(YDOC_MAX_BYTES),
                .b = BUF_INIT(MAPPER_MAX_DOCUMENT)};
        r->outcome = TRIAL_OK;
}

static int deinit(struct compare *c, struct err *e)
{
        const struct buf *const all[] = {&c->path, &c->scratch, &c->a, &c->b};
        int rc = c->rc ? arena_failed(c->arena, "differences", e) : 0;

        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && !rc; i++)
                rc = buf_check(all[i], "a comparison", e);
        buf_deinit(&c->path);
        buf_deinit(&c->scratch);
        buf_deinit(&c->a);
        buf_deinit(&c->b);
        return rc;
}

int trial_compare(
        struct trial_result *r, struct arena *arena, const struct mapped *got, struct err *e)
{
        cleanup_buf_ struct buf document = BUF_INIT(MAPPER_MAX_DOCUMENT + 2);
        const struct ynode *expect = r->test->expect;
        struct compare c;

        buf_putc(&document, '{');
        buf_put_str(&document, got->body);
        buf_putc(&document, '}');
        int rc = buf_check(&document, "a document", e);
        if (rc)
                return rc;
        init(&c, r, arena);
        for (size_t i = 0; i < expect->count; i++) {
                const struct ynode_pair *pair = &expect->pairs[i];
                if (pair->key.len && pair->key.ptr[0] == '_')
                        compare_name(&c, pair, got);
                else
                        compare_member(&c, pair, buf_str(&document));
        }
        return deinit(&c, e);
}

int trial_compare_reject(
        struct trial_result *r, struct arena *arena, const struct mapper_reject *why, struct err *e)
{
        cleanup_buf_ struct buf got = BUF_INIT(1 << 20), json = BUF_INIT(1 << 22);
        const char *expected = r->test->reject;
        struct compare c;

        if (why)
                buf_printf(&got, "%s: %s", why->field, why->reason);
        int rc = buf_check(&got, "a reject", e);
        if (rc)
                return rc;
        init(&c, r, arena);
        if (!why || !expected || !str_starts(buf_str(&got), str_of(expected))) {
                struct trial_difference d = {.field = TRIAL_REJECT};
                if (expected) {
                        json_put_lossy(&json, str_of(expected));
                        d.expected = keep(&c, buf_str(&json));
                        json.len = 0;
                }
                if (why) {
                        json_put_lossy(&json, buf_str(&got));
                        d.got = keep(&c, buf_str(&json));
                }
                add(&c, d);
        }
        rc = deinit(&c, e);
        return rc ? rc : buf_check(&json, "a reject", e);
}
