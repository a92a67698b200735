/*
 * One pass over a record: a stack of open brackets, for each the node of the tree that it stands
 * for (NULL: nothing is picked below it).
 *
 * The text of an object ends with '}', at which every run of digits, blanks or letters stops by
 * itself: only strings, and what follows a closing bracket, must look for the end.
 */
#include "ingest/record/json_pick_internal.h"

#include "ingest/record/json_block.h"

#define SHOWN_BYTES 60 /* of a name in an error */

struct frame {
        const struct pick_node *node;
        const char *start; /* of its text, where it is picked */
        size_t index;      /* of the element */
        char close;
};

struct walk {
        const struct json_pick *pick;
        const char *start, *end;
        struct str *values;
        struct err *e;
        unsigned high; /* not 0: there are bytes outside ASCII */
        size_t depth;
        size_t missing; /* values until the walk ends early; of a whole one: never 0 */
        uint64_t seen[PICK_MAX_NODES / 64]; /* nodes that were found; as many words as needed */
        struct frame frames[JSON_MAX_DEPTH];
};

static const char *malformed(struct walk *w, const char *p, const char *expected)
{
        if (p >= w->end)
                err_set(w->e, ERR_REJECT, "not JSON: %s expected at its end", expected);
        else
                err_set(w->e, ERR_REJECT, "not JSON: %s expected at byte %zu", expected,
                        (size_t)(p - w->start));
        return NULL;
}

static inline const char *skip_space(const char *p)
{
        while (__builtin_expect(*p <= ' ', 0) &&
                (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
                p++;
        return p;
}

/* Four hexadecimal digits at @p. Return: -1 where there are none. */
static long hex4(const struct walk *w, const char *p)
{
        long value = 0;

        if (w->end - p < 4)
                return -1;
        for (int i = 0; i < 4; i++) {
                unsigned char c = (unsigned char)p[i], lower = c | 0x20;
                int digit = c >= '0' && c <= '9'           ? c - '0'
                            : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10
                                                           : -1;
                if (digit < 0)
                        return -1;
                value = value << 4 | digit;
        }
        return value;
}

/* @p at a backslash. Return: behind the escape; NULL. */
static const char *take_escape(struct walk *w, const char *p)
{
        char letter = w->end - p > 1 ? p[1] : 0;

        if (letter != 'u') {
                if (letter && strchr("\"\\/bfnrt", letter))
                        return p + 2;
                return malformed(w, p, "an escape of JSON");
        }
        long code = hex4(w, p + 2);
        if (code < 0)
                return malformed(w, p, "\\u with four hexadecimal digits");
        if (code < 0xD800 || code >= 0xE000)
                return p + 6;
        bool pair = code < 0xDC00 && w->end - p >= 12 && p[6] == '\\' && p[7] == 'u';
        long low = pair ? hex4(w, p + 8) : -1;
        if (low < 0xDC00 || low >= 0xE000)
                return malformed(w, p, "both halves of a surrogate pair");
        return p + 12;
}

/* The first byte from @p on that ends a run, or the end. */
static inline const char *run_end(struct walk *w, const char *p)
{
        struct json_chunk c;
        uint64_t high = 0;

        for (; w->end - p >= JSON_CHUNK_BYTES; p += JSON_CHUNK_BYTES) {
                json_chunk_read(p, &c);
                w->high |= c.high;
                if (c.stops)
                        return p + __builtin_ctz(c.stops);
        }
        p = json_run_end(p, w->end, &high);
        w->high |= high != 0;
        return p;
}

/* @p at the opening quote. Return: at the closing one; NULL. */
static inline const char *take_string(struct walk *w, const char *p, bool *escapes)
{
        p = run_end(w, p + 1);
        while (__builtin_expect(p == w->end || *p != '"', 0)) {
                if (p == w->end)
                        return malformed(w, p, "the end of a string");
                if (*p != '\\')
                        return malformed(w, p, "an escape instead of a control character");
                *escapes = true;
                p = take_escape(w, p);
                if (!p)
                        return NULL;
                p = run_end(w, p);
        }
        return p;
}

static inline bool is_digit(char c)
{
        return (unsigned char)(c - '0') < 10;
}

static inline const char *skip_digits(const char *p)
{
        while (is_digit(*p))
                p++;
        return p;
}

static inline const char *take_number(struct walk *w, const char *p)
{
        p += *p == '-';
        if (!is_digit(*p))
                return malformed(w, p, "a digit");
        p = *p == '0' ? p + 1 : skip_digits(p + 1);
        if (*p == '.') {
                if (!is_digit(p[1]))
                        return malformed(w, p + 1, "a digit");
                p = skip_digits(p + 2);
        }
        if (__builtin_expect((*p | 0x20) == 'e', 0)) {
                p++;
                p += *p == '+' || *p == '-';
                if (!is_digit(*p))
                        return malformed(w, p, "a digit");
                p = skip_digits(p);
        }
        return p;
}

static inline const char *take_word(struct walk *w, const char *p, const char *word, size_t n)
{
        if ((size_t)(w->end - p) < n || memcmp(p, word, n) != 0)
                return malformed(w, p, word);
        return p + n;
}

static inline const char *take_scalar(struct walk *w, const char *p)
{
        bool escapes;

        switch (*p) {
        case '"':
                p = take_string(w, p, &escapes);
                return p ? p + 1 : NULL;
        case 't':
                return take_word(w, p, "true", 4);
        case 'f':
                return take_word(w, p, "false", 5);
        case 'n':
                return take_word(w, p, "null", 4);
        case '-':
        case '0' ... '9':
                return take_number(w, p);
        default:
                return malformed(w, p, "a value");
        }
}

static const struct pick_node *find_slot(
        const struct pick_node *n, struct str name, uint64_t head, uint64_t tail)
{
        size_t at = pick_hash(head, tail, name.len) & n->mask;

        for (; n->slots[at].node; at = (at + 1) & n->mask) {
                const struct pick_slot *s = &n->slots[at];
                if (s->head == head && s->tail == tail && s->len == name.len &&
                        (name.len <= 16 || memcmp(s->name, name.ptr, name.len) == 0))
                        return s->node;
        }
        return NULL;
}

/* A name with escapes, by what it stands for. */
static const struct pick_node *find_escaped(const struct pick_node *n, struct str quoted)
{
        char plain[6 * JSON_PATH_MAX_NAME];
        struct buf b = {.data = plain, .cap = sizeof(plain), .max = sizeof(plain)};
        struct err ignored;
        uint64_t head, tail;

        if (quoted.len - 2 > sizeof(plain) || json_unquote(quoted, &b, &ignored))
                return NULL;
        pick_ends(buf_str(&b), &head, &tail);
        return find_slot(n, buf_str(&b), head, tail);
}

/* The node of the name between the quotes at @p and @stop. */
static inline const struct pick_node *find_name(const struct walk *w, const struct pick_node *n,
        const char *p, const char *stop, bool escapes)
{
        struct str name = {p + 1, (size_t)(stop - p) - 1};
        uint64_t head, tail;

        if (!n || !n->slots)
                return NULL;
        if (__builtin_expect(escapes, 0))
                return find_escaped(n, (struct str){p, name.len + 2});
        if (name.len < 8 && w->end - name.ptr >= 8) {
                head = pick_load(name.ptr) & ((UINT64_C(1) << (8 * name.len)) - 1);
                tail = head;
        } else {
                pick_ends(name, &head, &tail);
        }
        return find_slot(n, name, head, tail);
}

static const struct pick_node *find_element(const struct pick_node *n, size_t index)
{
        const struct pick_node *c = n ? n->first : NULL;

        while (c && (c->step.name.ptr || c->step.index != index))
                c = c->next;
        return c;
}

static bool note_twice(struct walk *w, const struct pick_node *n)
{
        uint64_t bit = UINT64_C(1) << (n->id % 64), *word = &w->seen[n->id / 64];
        struct str name = n->step.name;
        int shown = name.len < SHOWN_BYTES ? (int)name.len : SHOWN_BYTES;

        if (!(*word & bit)) {
                *word |= bit;
                return false;
        }
        err_set(w->e, ERR_REJECT, "an object holds the name %.*s twice", shown, name.ptr);
        return true;
}

/* @p at what must be a name. Return: at the value; *@node: of the name. */
static inline const char *take_name(struct walk *w, const char *p, const struct pick_node **node)
{
        bool escapes = false;

        if (*p != '"')
                return malformed(w, p, "a name in quotes");
        const char *stop = take_string(w, p, &escapes);
        if (!stop)
                return NULL;
        *node = find_name(w, *node, p, stop, escapes);
        if (*node && note_twice(w, *node))
                return NULL;
        p = skip_space(stop + 1);
        if (*p != ':')
                return malformed(w, p, "':'");
        return skip_space(p + 1);
}

static inline void keep(struct walk *w, const struct pick_node *n, const char *p, const char *stop)
{
        if (!n || n->value == PICK_NOTHING)
                return;
        w->values[n->value] = (struct str){p, (size_t)(stop - p)};
        w->missing--;
}

static const char *open_bracket(struct walk *w, const char *p, const struct pick_node *node)
{
        if (w->depth == JSON_MAX_DEPTH) {
                err_set(w->e, ERR_REJECT, "JSON is nested deeper than %d levels", JSON_MAX_DEPTH);
                return NULL;
        }
        w->frames[w->depth++] =
                (struct frame){.node = node, .start = p, .close = *p == '{' ? '}' : ']'};
        return skip_space(p + 1);
}

/* Behind a value: closes what ends here. Return: at the next element, behind the comma; behind the
 * text when the outermost bracket was closed; NULL. */
static inline const char *after_value(struct walk *w, const char *p)
{
        for (;;) {
                struct frame *f = &w->frames[w->depth - 1];
                if (p == w->end)
                        return malformed(w, p, "',' or a closing bracket");
                p = skip_space(p);
                if (*p == ',') {
                        f->index++;
                        return skip_space(p + 1);
                }
                if (*p != f->close)
                        return malformed(w, p, f->close == '}' ? "',' or '}'" : "',' or ']'");
                p++;
                keep(w, f->node, f->start, p);
                if (--w->depth == 0)
                        return p;
        }
}

/* Elements, one after the other, until the outermost bracket is closed, or nothing is missing.
 * @p: behind it. */
static const char *take_elements(struct walk *w, const char *p)
{
        bool opened = true;

        while (p && w->depth && w->missing) {
                struct frame *f = &w->frames[w->depth - 1];
                const struct pick_node *node = f->node;
                if (opened && *p == f->close) {
                        p = after_value(w, p);
                        opened = false;
                        continue;
                }
                if (f->close == '}')
                        p = take_name(w, p, &node);
                else
                        node = find_element(node, f->index);
                if (!p)
                        return NULL;
                opened = *p == '{' || *p == '[';
                if (opened) {
                        p = open_bracket(w, p, node);
                        continue;
                }
                const char *stop = take_scalar(w, p);
                if (!stop)
                        return NULL;
                keep(w, node, p, stop);
                p = after_value(w, stop);
        }
        return p;
}

static int refuse_start(struct str text, struct err *e)
{
        if (text.len == 0)
                return err_set(e, ERR_REJECT, "not JSON: it is empty");
        if (text.ptr[0] == '{')
                return err_set(e, ERR_REJECT, "not JSON: '}' expected at its end");
        return err_set(e, ERR_REJECT, "not a JSON object, but %s",
                text.ptr[0] == '['   ? "an array"
                : text.ptr[0] == '"' ? "a string"
                : text.ptr[0] == 'n' ? "null"
                                     : "something else");
}

/* @missing: how many values are enough */
static int pick(const struct json_pick *p, size_t missing, struct str text, struct str *values,
        struct err *e)
{
        struct walk w;

        text = json_trim(text);
        if (text.len < 2 || text.ptr[0] != '{' || text.ptr[text.len - 1] != '}')
                return refuse_start(text, e);
        w.pick = p;
        w.start = text.ptr;
        w.end = text.ptr + text.len;
        w.values = values;
        w.e = e;
        w.high = 0;
        w.depth = 0;
        w.missing = missing;
        memset(w.seen, 0, (p->node_count + 63) / 64 * sizeof(w.seen[0]));
        for (size_t i = 0; i < p->count; i++)
                values[i] = (struct str){NULL, 0};

        const char *stop = open_bracket(&w, text.ptr, p->root);
        stop = take_elements(&w, stop);
        if (stop && stop < w.end && w.missing)
                stop = malformed(&w, stop, "nothing more");
        if (!stop)
                return -ERR_REJECT;
        size_t valid = w.high && w.missing ? str_utf8_prefix(text) : text.len;
        if (valid < text.len)
                return err_set(
                        e, ERR_REJECT, "not JSON in UTF-8: not a character at byte %zu", valid);
        for (size_t i = 0; p->has_same && i < p->count; i++)
                values[i] = values[p->same_as[i]];
        return 0;
}

int json_pick_values(const struct json_pick *p, struct str text, struct str *values, struct err *e)
{
        return pick(p, SIZE_MAX, text, values, e);
}

int json_pick_glance(const struct json_pick *p, struct str text, struct str *values, struct err *e)
{
        size_t distinct = 0;

        for (size_t i = 0; i < p->count; i++)
                distinct += p->same_as[i] == i;
        return pick(p, distinct ? distinct : SIZE_MAX, text, values, e);
}
