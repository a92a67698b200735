/* Strings, numbers and words where they stand in the text. */
#include "schemas/quick_internal.h"

#include "ingest/record/json_scan.h"

#define SMALL_DIGITS 18 /* of an integer that is compared in 64 bits */

/* ---- strings ---- */

static size_t count_characters(struct str s)
{
        size_t n = 0;

        for (size_t i = 0; i < s.len; i++)
                n += ((unsigned char)s.ptr[i] & 0xC0) != 0x80;
        return n;
}

static bool string_fits(struct quick *q, const struct string_rule *s, struct str text, bool ascii)
{
        if (s->min > 0 || s->max != NO_LIMIT) {
                size_t length = ascii ? text.len : count_characters(text);
                if (length < s->min || length > s->max)
                        return false;
        }
        if (s->pattern) {
                enum regex_verdict match = regex_match(s->pattern, q->room, text);
                if (match == REGEX_LIMIT)
                        q->unsure = true;
                if (match != REGEX_YES)
                        return false;
        }
        return !s->format || s->format->fits(text);
}

static bool is_choice(const struct choice *c, struct str text)
{
        return (c->kinds >> NODE_STRING & 1) && names_find(&c->strings, text) != NAMES_NONE;
}

/* A string with escapes, or that is not ASCII. Return: where it ends; *text: what it stands for. */
static const char *decode(struct quick *q, const char *p, struct str *text)
{
        buf_clear(q->scratch);
        const char *stop = json_copy_string(p, q->end, JSON_STRING_PLAIN, q->scratch, NULL);

        if (!stop || q->scratch->error)
                return quick_unsure(q);
        *text = buf_str(q->scratch);
        return stop;
}

/* *ascii: it is, and stands for itself */
static inline const char *read_text(struct quick *q, const char *p, struct str *text, bool *ascii)
{
        uint64_t seen = 0;
        const char *stop = json_run_end(p + 1, q->end, &seen);

        if (stop == q->end)
                return quick_unsure(q);
        *text = (struct str){p + 1, (size_t)(stop - p - 1)};
        *ascii = *stop == '"' && !seen;
        if (*stop == '"' && (!seen || str_utf8_valid(*text)))
                return stop + 1;
        return decode(q, p, text);
}

const char *quick_text(struct quick *q, const char *p, struct str *text)
{
        bool ascii;

        return read_text(q, p, text, &ascii);
}

const char *quick_string(struct quick *q, const struct rule *r, const char *p)
{
        struct str text;
        bool ascii;

        if (!(r->types & TYPE_STRING))
                return NULL;
        const char *stop = read_text(q, p, &text, &ascii);
        if (!stop || (r->string && !string_fits(q, r->string, text, ascii)))
                return NULL;
        if ((r->choice && !is_choice(r->choice, text)) ||
                (r->constant && !is_choice(r->constant, text)))
                return NULL;
        return stop;
}

/* ---- numbers ---- */

struct quick_number {
        struct str text;
        bool is_small, is_parsed;
        int64_t small;        /* the number itself, where is_small */
        struct number number; /* after parse() */
};

/* A whole number of few digits without fraction or exponent is read while it is scanned. */
static const char *scan(struct quick *q, const char *p, struct quick_number *n)
{
        bool negative = *p == '-';
        const char *digits = p + negative, *s = digits;
        int64_t value = 0;

        for (; s < q->end && *s >= '0' && *s <= '9' && s - digits < SMALL_DIGITS; s++)
                value = value * 10 + (*s - '0');
        bool ends = s == q->end || (*s != '.' && (*s | 0x20) != 'e' && !(*s >= '0' && *s <= '9'));
        if (ends && s > digits && (*digits != '0' || s - digits == 1)) {
                n->is_small = true;
                n->small = negative ? -value : value;
        } else {
                s = number_scan(p, q->end);
                if (!s)
                        return quick_unsure(q);
        }
        n->text = (struct str){p, (size_t)(s - p)};
        return s;
}

static bool parse(struct quick *q, struct quick_number *n)
{
        if (!n->is_parsed && !number_parse(n->text, &n->number))
                q->unsure = true;
        n->is_parsed = true;
        return !q->unsure;
}

static int compare(struct quick *q, struct quick_number *n, const struct bound *b)
{
        if (n->is_small && b->is_small)
                return (n->small > b->small) - (n->small < b->small);
        return parse(q, n) ? number_compare(&n->number, &b->number) : 0;
}

static bool number_fits(struct quick *q, struct quick_number *n, const struct number_rule *r)
{
        const struct bound *b = r->bounds;

        if (b[MINIMUM].set && compare(q, n, &b[MINIMUM]) < 0)
                return false;
        if (b[EXCLUSIVE_MINIMUM].set && compare(q, n, &b[EXCLUSIVE_MINIMUM]) <= 0)
                return false;
        if (b[MAXIMUM].set && compare(q, n, &b[MAXIMUM]) > 0)
                return false;
        if (b[EXCLUSIVE_MAXIMUM].set && compare(q, n, &b[EXCLUSIVE_MAXIMUM]) >= 0)
                return false;
        return !r->has_divisor || (parse(q, n) && number_is_multiple(&n->number, &r->divisor));
}

static bool is_one_of(struct quick *q, struct quick_number *n, const struct choice *c)
{
        struct number other;

        for (size_t i = 0; i < c->other_count; i++)
                if (c->others[i]->kind == NODE_NUMBER && parse(q, n) &&
                        number_parse(c->others[i]->text, &other) &&
                        number_compare(&n->number, &other) == 0)
                        return true;
        return false;
}

const char *quick_number(struct quick *q, const struct rule *r, const char *p)
{
        struct quick_number n = {.is_small = false};
        const char *stop = scan(q, p, &n);

        if (!stop)
                return NULL;
        if (!(r->types & TYPE_NUMBER)) {
                if (!(r->types & TYPE_INTEGER))
                        return NULL;
                if (!n.is_small && (!parse(q, &n) || !number_is_integer(&n.number)))
                        return NULL;
        }
        if (!n.is_small && !parse(q, &n))
                return NULL;
        if (r->number && !number_fits(q, &n, r->number))
                return NULL;
        if ((r->choice && !is_one_of(q, &n, r->choice)) ||
                (r->constant && !is_one_of(q, &n, r->constant)))
                return NULL;
        return q->unsure ? NULL : stop;
}

/* ---- true, false, null ---- */

static bool has_kind(const struct choice *c, enum node_kind kind)
{
        return c->kinds >> kind & 1;
}

const char *quick_word(
        struct quick *q, const struct rule *r, const char *p, struct str word, enum node_kind kind)
{
        if ((size_t)(q->end - p) < word.len || memcmp(p, word.ptr, word.len) != 0)
                return quick_unsure(q);
        if (!(r->types & (kind == NODE_NULL ? TYPE_NULL : TYPE_BOOLEAN)))
                return NULL;
        if ((r->choice && !has_kind(r->choice, kind)) ||
                (r->constant && !has_kind(r->constant, kind)))
                return NULL;
        return p + word.len;
}
