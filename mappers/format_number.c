/*
 * Numbers by example. The example is cut into runs of digits and the separators between them; the
 * last separator is the decimal one when it differs from the others, or when it cannot be one of
 * groups. Values are then read by those two separators alone.
 */
#include "mappers/format.h"

#include "ingest/base/yaml.h"

#define LAST_GROUP 3  /* digits of the last group, everywhere */
#define MAX_RUNS   32 /* of an example: numbers of a hundred digits */

struct reader {
        const char *p, *end;
};

static const struct {
        struct str bytes;
        enum format_separator is;
} spellings[] = {
        {{".", 1}, POINT}, {{",", 1}, COMMA}, {{"'", 1}, APOSTROPHE},
        {{"\xE2\x80\x99", 3}, APOSTROPHE}, /* U+2019, as Swiss locales have it */
};

/* Bytes of the separator that @p begins with; 0: none. */
static size_t separator_at(const char *p, const char *end, enum format_separator *is)
{
        size_t n = format_blank(p, end);

        if (n) {
                *is = BLANK;
                return n;
        }
        for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
                if (!str_starts((struct str){p, (size_t)(end - p)}, spellings[i].bytes))
                        continue;
                *is = spellings[i].is;
                return spellings[i].bytes.len;
        }
        *is = SEPARATOR_NONE;
        return 0;
}

/* Bytes of the sign that @p begins with; 0: none. */
static size_t sign_at(const char *p, const char *end)
{
        static const struct str minus = {"\xE2\x88\x92", 3}; /* U+2212 */

        if (p < end && (*p == '-' || *p == '+'))
                return 1;
        return str_starts((struct str){p, (size_t)(end - p)}, minus) ? minus.len : 0;
}

/* Takes a sign. Return: whether there was one. */
static bool take_sign(struct reader *r, bool *negative)
{
        size_t n = sign_at(r->p, r->end);

        if (n == 0)
                return false;
        *negative = *r->p != '+';
        r->p += n;
        return true;
}

static size_t digits_at(const char *p, const char *end)
{
        const char *start = p;

        while (p < end && *p >= '0' && *p <= '9')
                p++;
        return (size_t)(p - start);
}

/* ---- the example ---- */

struct example {
        struct str text;
        const char *p, *end;
        size_t runs[MAX_RUNS];                 /* digits */
        enum format_separator after[MAX_RUNS]; /* what stands behind a run */
        size_t count;
        char first; /* digit */
};

static int refuse(const struct example *x, struct err *e, const char *why)
{
        char shown[YNODE_SHOW_MAX];

        return err_set(e, ERR_CONFIG,
                "%s is no example of a number: %s at column %zu; write one such as "
                "\"1.234,56\", \"1,234.56\", \"1 234,56\", \"1'234.56\" or \"1234,56\"",
                yaml_show(x->text, shown), why, (size_t)(x->p - x->text.ptr) + 1);
}

/* Takes off what may stand around the digits. */
static void strip(struct example *x, struct number_format *out)
{
        size_t sign = sign_at(x->p, x->end);

        if (x->end - x->p > 2 && *x->p == '(' && x->end[-1] == ')') {
                x->p++;
                x->end--;
                out->parentheses = true;
        }
        x->p += sign;
        for (size_t n = 1; !sign && n <= 3 && n < (size_t)(x->end - x->p); n++) {
                if (sign_at(x->end - n, x->end) != n)
                        continue;
                x->end -= n;
                return;
        }
}

static int cut(struct example *x, struct err *e)
{
        x->first = x->p < x->end ? *x->p : '\0';
        while (true) {
                size_t n = digits_at(x->p, x->end);
                if (n == 0)
                        return refuse(x, e, "a digit is missing");
                if (x->count == MAX_RUNS)
                        return refuse(x, e, "there are too many separators");
                x->runs[x->count] = n;
                x->p += n;
                if (x->p == x->end)
                        break;
                n = separator_at(x->p, x->end, &x->after[x->count]);
                if (n == 0)
                        return refuse(x, e, "there is something else than digits and separators");
                x->p += n;
                x->count++;
        }
        x->count++;
        return 0;
}

/* Whether @separators separators from the first on are of groups. Sets the size of the groups. */
static bool are_groups(const struct example *x, size_t separators, size_t *size)
{
        *size = separators > 1 ? x->runs[1] : LAST_GROUP;
        if (*size < 2 || *size > LAST_GROUP || x->runs[0] > *size)
                return false;
        for (size_t i = 0; i < separators; i++)
                if (x->after[i] != x->after[0] ||
                        x->runs[i + 1] != (i + 1 < separators ? *size : LAST_GROUP))
                        return false;
        return true;
}

static bool may_be_decimal(enum format_separator s)
{
        return s == POINT || s == COMMA;
}

static int ambiguous(const struct example *x, struct err *e)
{
        bool point = x->after[0] == POINT;
        char shown[YNODE_SHOW_MAX];

        return err_set(e, ERR_CONFIG,
                "%s may be read in two ways: write \"%s\" if the %s separates groups, \"%s\" "
                "if it separates decimals",
                yaml_show(x->text, shown), point ? "1.234,56" : "1,234.56",
                point ? "point" : "comma", point ? "1234.56" : "1234,56");
}

/* One separator: of groups or of decimals? */
static int decide_one(
        const struct example *x, bool integer, struct number_format *out, struct err *e)
{
        bool group = are_groups(x, 1, &out->group_size) && x->first != '0';
        bool decimal = may_be_decimal(x->after[0]);

        if (group && decimal && !integer)
                return ambiguous(x, e);
        if (group)
                out->group = x->after[0];
        else if (decimal)
                out->decimal = x->after[0];
        else
                return refuse(x, e, "a group has not three digits");
        return 0;
}

static int decide(const struct example *x, bool integer, struct number_format *out, struct err *e)
{
        size_t separators = x->count - 1;

        if (separators == 0)
                return 0;
        if (separators == 1)
                return decide_one(x, integer, out, e);
        enum format_separator last = x->after[separators - 1];
        if (last != x->after[0]) {
                if (!may_be_decimal(last))
                        return refuse(x, e, "the last separator is not one of decimals");
                out->decimal = last;
                separators--;
        }
        if (!are_groups(x, separators, &out->group_size))
                return refuse(x, e, "groups have not three digits");
        out->group = x->after[0];
        return 0;
}

int format_number_compile(struct str text, bool integer, struct number_format *out, struct err *e)
{
        struct example x = {.text = text, .p = text.ptr, .end = text.ptr + text.len};
        struct number_format f = {.group_size = LAST_GROUP};

        strip(&x, &f);
        int rc = cut(&x, e);
        if (!rc)
                rc = decide(&x, integer, &f, e);
        if (!rc)
                *out = f;
        return rc;
}

/* ---- values ---- */

static bool take_separator(struct reader *r, enum format_separator wanted)
{
        enum format_separator is;
        size_t n = wanted == SEPARATOR_NONE ? 0 : separator_at(r->p, r->end, &is);

        if (n == 0 || is != wanted)
                return false;
        r->p += n;
        return true;
}

static struct str take_digits(struct reader *r)
{
        struct str digits = {r->p, digits_at(r->p, r->end)};

        r->p += digits.len;
        return digits;
}

/* Whether the separator of groups and a digit come next: "1 234 " ends behind its digits. */
static bool group_follows(const struct reader *r, enum format_separator group)
{
        struct reader next = *r;

        return take_separator(&next, group) && digits_at(next.p, next.end) > 0;
}

/* The digits before the decimals, without the separators of their groups. */
static enum format_result take_whole(
        struct reader *r, const struct number_format *f, struct buf *scratch, struct str *out)
{
        struct str run = take_digits(r);

        *out = run;
        if (run.len == 0)
                return FORMAT_MISMATCH;
        if (!group_follows(r, f->group))
                return FORMAT_OK;
        if (run.len > f->group_size)
                return FORMAT_GROUPS;
        scratch->len = 0;
        buf_put_str(scratch, run);
        while (group_follows(r, f->group)) {
                take_separator(r, f->group);
                run = take_digits(r);
                size_t wanted = group_follows(r, f->group) ? f->group_size : LAST_GROUP;
                if (run.len != wanted)
                        return FORMAT_GROUPS;
                buf_put_str(scratch, run);
        }
        *out = scratch->error ? (struct str){"", 0} : buf_str(scratch);
        return FORMAT_OK;
}

static enum format_result take_number(
        struct reader *r, const struct number_format *f, struct buf *scratch, struct decimal *d)
{
        enum format_result result = take_whole(r, f, scratch, &d->whole);

        if (result != FORMAT_OK)
                return result;
        d->fraction = (struct str){r->p, 0};
        if (!take_separator(r, f->decimal))
                return FORMAT_OK;
        d->fraction = take_digits(r);
        return d->fraction.len ? FORMAT_OK : FORMAT_MISMATCH;
}

static bool take_char(struct reader *r, char c)
{
        if (r->p == r->end || *r->p != c)
                return false;
        r->p++;
        return true;
}

static struct str without_leading_zeros(struct str s)
{
        while (s.len > 0 && *s.ptr == '0') {
                s.ptr++;
                s.len--;
        }
        return s;
}

/* A sign in front or behind, or the parentheses that the example shows. */
static enum format_result read_number(
        struct reader *r, const struct number_format *f, struct buf *scratch, struct decimal *d)
{
        bool sign = take_sign(r, &d->negative);
        bool open = !sign && f->parentheses && take_char(r, '(');

        enum format_result result = take_number(r, f, scratch, d);
        if (result != FORMAT_OK)
                return result;
        if (open && !take_char(r, ')'))
                return FORMAT_MISMATCH;
        d->negative |= open;
        if (!sign && !open)
                take_sign(r, &d->negative);
        return r->p == r->end ? FORMAT_OK : FORMAT_TRAILING;
}

enum format_result format_read_number(const struct format *f, struct str text, struct buf *scratch,
        struct decimal *out, size_t *at)
{
        struct reader r = {text.ptr, text.ptr + text.len};
        struct decimal d = {.negative = false};

        *at = 0;
        if (text.len == 0)
                return FORMAT_EMPTY;
        if (format_blank(r.p, r.end))
                return FORMAT_BLANKS;
        enum format_result result = read_number(&r, &f->number, scratch, &d);
        *at = (size_t)(r.p - text.ptr);
        if (result == FORMAT_TRAILING &&
                str_trim((struct str){r.p, (size_t)(r.end - r.p)}).len == 0)
                return FORMAT_BLANKS;
        if (result != FORMAT_OK)
                return result;
        d.whole = without_leading_zeros(d.whole);
        *out = d;
        return FORMAT_OK;
}
