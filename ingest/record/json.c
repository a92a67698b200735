/*
 * The canonicaliser: one pass over the text, a handler for each state, the open containers on a
 * stack of bytes. No tree, no recursion.
 *
 * Duplicate keys are found when an object closes: its keys are entries of hash and place on one
 * stack for all open objects, compared pairwise where there are few and sorted where there are
 * many.
 */
#include "ingest/record/json.h"

#include <stdlib.h>

#include <xxhash.h>

#include "ingest/record/json_scan.h"

#define KEYS_INLINE    64                /* keys of all open objects before memory is allocated */
#define KEYS_MAX_BYTES ((size_t)1 << 30) /* of entries: an input below 1 GiB holds fewer keys */
#define KEYS_PAIRWISE  16                /* keys of one object that are compared each with each */
#define DEPTH_FOREIGN  (2 * JSON_MAX_DEPTH) /* of documents that CouchDB gives back */
#define SHOWN_BYTES    40                   /* of a refused number in an error */

struct key_seen {
        uint64_t hash;
        size_t at, len; /* of the canonical key in the output */
};

struct canon {
        const char *start, *p, *end;
        struct buf *out;
        enum json_numbers numbers;
        struct err *e;
        size_t depth, max_depth;
        char closers[DEPTH_FOREIGN]; /* of the open containers */
        size_t first_key[DEPTH_FOREIGN];
        struct key_seen *keys; /* in few or many */
        size_t key_count, key_room;
        struct buf many;
        struct key_seen few[KEYS_INLINE];
};

enum state { VALUE, VALUE_OR_CLOSE, KEY, KEY_OR_CLOSE, AFTER_VALUE, DONE };

static int malformed(struct canon *c, const char *expected)
{
        size_t at = (size_t)(c->p - c->start);

        if (c->p == c->end)
                return err_set(c->e, ERR_REJECT, "not JSON: %s expected at its end", expected);
        return err_set(c->e, ERR_REJECT, "not JSON: %s expected at byte %zu", expected, at);
}

static inline bool skip_space(struct canon *c)
{
        if (c->p<c->end && * c->p> ' ')
                return true;
        while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\r' || *c->p == '\t'))
                c->p++;
        return c->p < c->end;
}

static int compare_keys(const void *a, const void *b, void *text)
{
        const struct key_seen *x = a, *y = b;

        if (x->hash != y->hash)
                return x->hash < y->hash ? -1 : 1;
        return str_cmp((struct str){(char *)text + x->at, x->len},
                (struct str){(char *)text + y->at, y->len});
}

static int refuse_duplicate(struct canon *c, const struct key_seen *k)
{
        int shown = k->len < SHOWN_BYTES ? (int)k->len : SHOWN_BYTES;

        return err_set(c->e, ERR_REJECT,
                "an object holds the key %.*s twice, and CouchDB would keep only the last; "
                "use jsonb or remove one",
                shown, c->out->data + k->at);
}

static int check_keys(struct canon *c, struct key_seen *keys, size_t count)
{
        char *text = c->out->data;

        if (count > KEYS_PAIRWISE) {
                qsort_r(keys, count, sizeof(*keys), compare_keys, text);
                for (size_t i = 1; i < count; i++)
                        if (compare_keys(&keys[i - 1], &keys[i], text) == 0)
                                return refuse_duplicate(c, &keys[i]);
                return 0;
        }
        for (size_t i = 1; i < count; i++)
                for (size_t k = 0; k < i; k++)
                        if (compare_keys(&keys[k], &keys[i], text) == 0)
                                return refuse_duplicate(c, &keys[i]);
        return 0;
}

/* Moves the keys from @few to the heap, or to more of it. */
static int grow_keys(struct canon *c)
{
        size_t bytes = c->key_room * sizeof(*c->keys);

        c->many.len = c->keys == c->few ? 0 : bytes;
        if (c->keys == c->few)
                buf_put(&c->many, c->few, bytes);
        if (!buf_room(&c->many, bytes))
                return buf_check(&c->many, "keys of JSON", c->e);
        c->keys = (struct key_seen *)c->many.data;
        c->key_room *= 2;
        return 0;
}

static int remember_key(struct canon *c, size_t at)
{
        if (c->numbers == JSON_NUMBERS_NEAREST || c->out->error)
                return 0;
        if (c->key_count == c->key_room) {
                int rc = grow_keys(c);
                if (rc)
                        return rc;
        }
        size_t len = c->out->len - at;
        uint64_t hash = XXH3_64bits(c->out->data + at, len);
        c->keys[c->key_count++] = (struct key_seen){.hash = hash, .at = at, .len = len};
        return 0;
}

static int open_container(struct canon *c, char closer, enum state next)
{
        if (c->depth == c->max_depth)
                return err_set(
                        c->e, ERR_REJECT, "JSON is nested deeper than %zu levels", c->max_depth);
        c->closers[c->depth] = closer;
        c->first_key[c->depth++] = c->key_count;
        buf_putc(c->out, *c->p++);
        return (int)next;
}

static int close_container(struct canon *c)
{
        size_t first = c->first_key[--c->depth];
        int rc = c->out->error ? 0 : check_keys(c, c->keys + first, c->key_count - first);

        if (rc)
                return rc;
        c->key_count = first;
        buf_putc(c->out, *c->p++);
        return c->depth ? AFTER_VALUE : DONE;
}

static int copy_string(struct canon *c)
{
        const char *stop = json_copy_string(c->p, c->end, JSON_STRING_CANONICAL, c->out, c->e);

        if (!stop)
                return err_wrap(c->e, -ERR_REJECT, "not JSON");
        c->p = stop;
        return 0;
}

static int refuse_number(struct canon *c, size_t len, enum json_number why)
{
        int shown = len < SHOWN_BYTES ? (int)len : SHOWN_BYTES;
        const char *dots = len < SHOWN_BYTES ? "" : "...";

        switch (why) {
        case JSON_NUMBER_TOO_LONG:
                return err_set(c->e, ERR_REJECT,
                        "the integer %.*s%s has %zu digits, more than %d; use numbers: string",
                        shown, c->p, dots, len, JSON_MAX_INT_DIGITS);
        case JSON_NUMBER_RANGE:
                return err_set(c->e, ERR_REJECT,
                        "the number %.*s%s is outside the range of a double; use numbers: string",
                        shown, c->p, dots);
        case JSON_NUMBER_INEXACT:
                return err_set(c->e, ERR_REJECT,
                        "the number %.*s%s would change: a double cannot hold it; "
                        "use numbers: string",
                        shown, c->p, dots);
        default:
                return malformed(c, "a number");
        }
}

static int copy_number(struct canon *c)
{
        bool nearest = c->numbers == JSON_NUMBERS_NEAREST;
        size_t start = c->out->len;
        enum json_number why;

        if (c->numbers == JSON_NUMBERS_STRING)
                buf_putc(c->out, '"');
        size_t value = c->out->len;
        size_t used = json_copy_number(c->p, c->end, nearest, c->out, &why);
        if (why == JSON_NUMBER_MALFORMED)
                return malformed(c, "a number");
        if (c->numbers == JSON_NUMBERS_STRING) {
                c->out->len = c->out->error ? start : value;
                buf_put(c->out, c->p, used);
                buf_putc(c->out, '"');
        } else if (why != JSON_NUMBER_OK) {
                return refuse_number(c, used, why);
        }
        c->p += used;
        return 0;
}

static int copy_word(struct canon *c, const char *word)
{
        size_t n = strlen(word);

        if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0)
                return malformed(c, word);
        buf_put(c->out, word, n);
        c->p += n;
        return 0;
}

static int copy_scalar(struct canon *c)
{
        switch (*c->p) {
        case '"':
                return copy_string(c);
        case 't':
                return copy_word(c, "true");
        case 'f':
                return copy_word(c, "false");
        case 'n':
                return copy_word(c, "null");
        case '-':
        case '0' ... '9':
                return copy_number(c);
        default:
                return malformed(c, "a value");
        }
}

static int on_value(struct canon *c)
{
        if (*c->p == '{')
                return open_container(c, '}', KEY_OR_CLOSE);
        if (*c->p == '[')
                return open_container(c, ']', VALUE_OR_CLOSE);
        int rc = copy_scalar(c);
        if (rc)
                return rc;
        return c->depth ? AFTER_VALUE : DONE;
}

static int on_value_or_close(struct canon *c)
{
        return *c->p == ']' ? close_container(c) : on_value(c);
}

static int on_key(struct canon *c)
{
        size_t at = c->out->len;

        if (*c->p != '"')
                return malformed(c, "a key in quotes");
        int rc = copy_string(c);
        if (!rc)
                rc = remember_key(c, at);
        if (rc)
                return rc;
        if (!skip_space(c) || *c->p != ':')
                return malformed(c, "':'");
        buf_putc(c->out, *c->p++);
        return VALUE;
}

static int on_key_or_close(struct canon *c)
{
        return *c->p == '}' ? close_container(c) : on_key(c);
}

static int on_after_value(struct canon *c)
{
        char closer = c->closers[c->depth - 1];

        if (*c->p == closer)
                return close_container(c);
        if (*c->p != ',')
                return malformed(c, closer == '}' ? "',' or '}'" : "',' or ']'");
        buf_putc(c->out, *c->p++);
        return closer == '}' ? KEY : VALUE;
}

/* Return: 0 or negative. */
static int canon_run(struct canon *c)
{
        static int (*const handlers[DONE])(struct canon *) = {
                [VALUE] = on_value,
                [VALUE_OR_CLOSE] = on_value_or_close,
                [KEY] = on_key,
                [KEY_OR_CLOSE] = on_key_or_close,
                [AFTER_VALUE] = on_after_value,
        };
        static const char *const expected[DONE] = {
                [VALUE] = "a value",
                [VALUE_OR_CLOSE] = "a value or ']'",
                [KEY] = "a key in quotes",
                [KEY_OR_CLOSE] = "a key or '}'",
                [AFTER_VALUE] = "',' or a closing bracket",
        };
        int state = VALUE;

        while (state != DONE) {
                if (!skip_space(c))
                        return malformed(c, expected[state]);
                state = handlers[state](c);
                if (state < 0)
                        return state;
        }
        return buf_check(c->out, "JSON", c->e);
}

static void canon_init(
        struct canon *c, struct str in, enum json_numbers numbers, struct buf *out, struct err *e)
{
        /* Not an initialiser: it would clear the stacks, more bytes than most inputs have. */
        c->start = c->p = in.ptr ? in.ptr : "";
        c->end = c->start + in.len;
        c->out = out;
        c->numbers = numbers;
        c->e = e;
        c->depth = 0;
        c->max_depth = numbers == JSON_NUMBERS_NEAREST ? DEPTH_FOREIGN : JSON_MAX_DEPTH;
        c->keys = c->few;
        c->key_count = 0;
        c->key_room = KEYS_INLINE;
        buf_init(&c->many, KEYS_MAX_BYTES);
}

int json_copy_value(struct str *in, enum json_numbers numbers, struct buf *out, struct err *e)
{
        struct canon c;

        canon_init(&c, *in, numbers, out, e);
        int rc = canon_run(&c);
        buf_deinit(&c.many);
        if (!rc)
                *in = (struct str){c.p, (size_t)(c.end - c.p)};
        return rc;
}

int json_canonical(struct str in, enum json_numbers numbers, struct buf *out, struct err *e)
{
        struct canon c;

        canon_init(&c, in, numbers, out, e);
        int rc = canon_run(&c);
        buf_deinit(&c.many);
        if (!rc && skip_space(&c))
                return malformed(&c, "nothing more");
        return rc;
}
