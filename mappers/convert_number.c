/*
 * Numbers. Integers and decimals stay text from the column to the document; a double is only
 * asked whether it could hold the value.
 */
#include "mappers/convert.h"
#include "mappers/decimal.h"

#include "ingest/record/json_scan.h"

#define NO_NUMBER "is not a number that JSON has"
#define AS_TEXT   "write type: string to keep its text, or null_if to leave it out"

/* PostgreSQL's numbers that have no digits. */
static bool is_not_finite(struct str text)
{
        return text.len > 0 && (text.ptr[text.len - 1] == 'N' || text.ptr[text.len - 1] == 'y');
}

/* Digits from @at on. */
static size_t digits_end(struct str text, size_t at)
{
        while (at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9')
                at++;
        return at;
}

/* -?[0-9]+, as it stands */
static bool is_integer(struct str text)
{
        size_t first = text.len > 0 && *text.ptr == '-';

        return first < text.len && digits_end(text, first) == text.len;
}

/* "-0" and "007" are integers, but not JSON's, or not what CouchDB gives back. */
static bool has_leading_zero(struct str integer)
{
        bool negative = *integer.ptr == '-';

        return integer.ptr[negative] == '0' && integer.len > 1;
}

/* -?[0-9]+(.[0-9]+)?, as it stands */
static bool is_plain_decimal(struct str text)
{
        size_t first = text.len > 0 && *text.ptr == '-';
        size_t end = digits_end(text, first);

        if (end == first || end == text.len)
                return end > first;
        first = end + 1;
        return text.ptr[end] == '.' && first < text.len && digits_end(text, first) == text.len;
}

static void put_quoted(struct buf *out, struct str text)
{
        char *to = buf_room(out, text.len + 2);

        if (!to)
                return;
        to[0] = '"';
        memcpy(to + 1, text.ptr, text.len);
        to[1 + text.len] = '"';
        out->len += text.len + 2;
}

static int reject_large(struct render *r, struct str text)
{
        return reject_value(
                r, text, "is beyond 2^53-1, where JSON readers lose digits: write type: string");
}

int convert_int(struct render *r, const struct chain *c, struct str text)
{
        if (!is_integer(text))
                return reject_value(r, text, "is not an integer");
        if (has_leading_zero(text))
                return convert_to_integer(r, c, text);
        if (!decimal_is_safe_integer(text))
                return reject_large(r, text);
        buf_put_str(r->out, text);
        return 0;
}

int convert_int_string(struct render *r, const struct chain *c, struct str text)
{
        if (!is_integer(text))
                return reject_value(r, text, "is not an integer");
        put_quoted(r->out, text);
        return 0;
}

int convert_numeric(struct render *r, const struct chain *c, struct str text)
{
        if (!is_plain_decimal(text))
                return reject_value(
                        r, text, is_not_finite(text) ? NO_NUMBER ": " AS_TEXT : "is not a decimal");
        put_quoted(r->out, text);
        return 0;
}

/* Also NaN and Infinity: their text was asked for. */
int convert_number_string(struct render *r, const struct chain *c, struct str text)
{
        struct decimal d;

        if (!is_not_finite(text) && !decimal_parse(text, &r->number, &d))
                return reject_value(r, text, "is not a number");
        return convert_text(r, c, text);
}

/* JSON of a double's text: "5" is the double 5.0. */
static int put_double(struct render *r, struct str text)
{
        enum json_number why;

        render_reuse(&r->number_text);
        buf_put_str(&r->number_text, text);
        if (is_integer(text))
                buf_put(&r->number_text, ".0", 2);
        struct str json = buf_str(&r->number_text);
        size_t used = json_copy_number(json.ptr, json.ptr + json.len, true, r->out, &why);
        if (why != JSON_NUMBER_OK || used != json.len)
                return reject_value(r, text, "is not a double");
        return 0;
}

int convert_float(struct render *r, const struct chain *c, struct str text)
{
        if (is_not_finite(text))
                return reject_value(r, text, NO_NUMBER ": " AS_TEXT);
        return put_double(r, text);
}

/* The decimal @text; what it is not names the remedy. */
static int parse(struct render *r, struct str text, struct decimal *d)
{
        if (decimal_parse(text, &r->number, d))
                return 0;
        if (str_is(text, "NaN") || str_is(text, "Infinity") || str_is(text, "-Infinity"))
                return reject_value(r, text, NO_NUMBER ": " AS_TEXT);
        if (text.len == 0)
                return reject_value(r, text,
                        "is not a number: write null_if: \"\" where it means "
                        "null");
        if (str_trim(text).len != text.len)
                return reject_value(r, text, "has blanks around its number: write trim: true");
        if (memchr(text.ptr, ',', text.len))
                return reject_value(r, text,
                        "is not a number (digits with one decimal point): say how it is written, "
                        "format: \"1.234,56\" for one");
        return reject_value(r, text,
                "is not a number (digits with one decimal point): mend it in the ERP, convert it "
                "in the query, or write null_if");
}

static int reject_lost(struct render *r, const struct chain *c, struct str text)
{
        return reject_value(r, text,
                "has digits beyond scale: %lld that would be lost: write a rounding or a larger "
                "scale",
                (long long)(c->type == FIELD_TYPE_DECIMAL ? c->scale : 0));
}

static int put_integer(
        struct render *r, const struct chain *c, struct str text, const struct decimal *d)
{
        render_reuse(&r->number_text);
        if (!decimal_put(d, 0, c->rounding, &r->number_text))
                return reject_value(
                        r, text, "is not a whole number: write type: decimal to keep its digits");
        if (!decimal_is_safe_integer(buf_str(&r->number_text)))
                return reject_large(r, text);
        buf_put_str(r->out, buf_str(&r->number_text));
        return 0;
}

int convert_to_integer(struct render *r, const struct chain *c, struct str text)
{
        struct decimal d;

        if (is_integer(text) && !has_leading_zero(text) && decimal_is_safe_integer(text)) {
                buf_put_str(r->out, text);
                return 0;
        }
        int rc = parse(r, text, &d);
        return rc ? rc : put_integer(r, c, text, &d);
}

/* The decimal text in r->number_text as a JSON number, if its value survives a double. */
static int put_number(struct render *r, struct str text)
{
        bool integer = is_integer(buf_str(&r->number_text));

        if (integer && decimal_is_safe_integer(buf_str(&r->number_text))) {
                buf_put_str(r->out, buf_str(&r->number_text));
                return 0;
        }
        if (integer)
                buf_put(&r->number_text, ".0", 2);
        if (json_put_number(r->out, buf_str(&r->number_text)) != JSON_NUMBER_OK)
                return reject_value(r, text,
                        "would change as a JSON number (a double): write type: decimal or "
                        "as: string");
        return 0;
}

static int put_exact_number(
        struct render *r, const struct chain *c, struct str text, const struct decimal *d)
{
        render_reuse(&r->number_text);
        if (!decimal_put(d, DECIMAL_AS_IS, ROUND_NONE, &r->number_text))
                return reject_lost(r, c, text);
        return put_number(r, text);
}

int convert_to_number(struct render *r, const struct chain *c, struct str text)
{
        struct decimal d;
        int rc = parse(r, text, &d);

        return rc ? rc : put_exact_number(r, c, text, &d);
}

static int put_minor(
        struct render *r, const struct chain *c, struct str text, const struct decimal *d)
{
        render_reuse(&r->number_text);
        if (!decimal_minor(d, c->scale, c->rounding, &r->number_text))
                return reject_lost(r, c, text);
        if (!decimal_is_safe_integer(buf_str(&r->number_text)))
                return reject_value(r, text, "is beyond 2^53-1 in minor units: write as: string");
        buf_put_str(r->out, buf_str(&r->number_text));
        return 0;
}

static int put_decimal(
        struct render *r, const struct chain *c, struct str text, const struct decimal *d)
{
        if (c->as == AS_MINOR)
                return put_minor(r, c, text, d);
        if (c->as == AS_NUMBER) {
                render_reuse(&r->number_text);
                if (!decimal_put(d, c->scale, c->rounding, &r->number_text))
                        return reject_lost(r, c, text);
                return put_number(r, text);
        }
        size_t start = r->out->len;
        buf_putc(r->out, '"');
        if (!decimal_put(d, c->scale, c->rounding, r->out)) {
                r->out->len = start;
                return reject_lost(r, c, text);
        }
        buf_putc(r->out, '"');
        return 0;
}

int convert_to_decimal(struct render *r, const struct chain *c, struct str text)
{
        struct decimal d;
        int rc = parse(r, text, &d);

        return rc ? rc : put_decimal(r, c, text, &d);
}

int convert_put_number(
        struct render *r, const struct chain *c, struct str text, const struct decimal *d)
{
        if (c->type == FIELD_TYPE_INTEGER)
                return put_integer(r, c, text, d);
        if (c->type == FIELD_TYPE_NUMBER)
                return put_exact_number(r, c, text, d);
        return put_decimal(r, c, text, d);
}
