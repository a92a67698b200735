/*
 * Which of the formats a text is, and the formats that are words: numbers that count seconds or
 * days. They are read as exact decimals, because a double holds neither all milliseconds nor the
 * text's own digits.
 */
#include "mappers/format.h"

#include "ingest/base/yaml.h"

#define DAY_S    86400
#define DAY_MS   (DAY_S * UINT64_C(1000))
#define SECOND_S INT64_C(1000000000) /* in nanoseconds */

/* 0001-01-01 00:00:00 and the last second of 9999. */
#define FIRST_SECOND INT64_C(-62135596800)
#define LAST_SECOND  INT64_C(253402300799)

#define MAX_DIGITS    18 /* that an int64_t holds, whatever they are */
#define SERIAL_DIGITS 11 /* of a day: the last is a microsecond; times DAY_MS in 64 bits */

/* ---- compiling ---- */

static const struct {
        const char *name;
        enum format_kind kind;
        bool local;
} words[] = {
        {"unix", FORMAT_UNIX, false}, {"unix_ms", FORMAT_UNIX_MS, false},
        {"excel", FORMAT_EXCEL, true}, {"excel_1904", FORMAT_EXCEL_1904, true},
        {"odata", FORMAT_ODATA, false}, /* ISO 8601 may be local: the value says */
};
#define WORDS (sizeof(words) / sizeof(words[0]))

static bool is_word(struct str text)
{
        for (size_t i = 0; i < WORDS; i++)
                if (str_is(text, words[i].name))
                        return true;
        return false;
}

static bool is_of_numbers(enum field_type type)
{
        return type == FIELD_TYPE_DECIMAL || type == FIELD_TYPE_INTEGER ||
               type == FIELD_TYPE_NUMBER;
}

static bool is_of_dates(enum field_type type)
{
        return type == FIELD_TYPE_DATE || type == FIELD_TYPE_DATETIME;
}

/* Names of the form that needs no format. */
static const char *const plain[] = {
        "iso", "ISO", "iso8601", "ISO8601", "ISO 8601", "rfc3339", "RFC3339", "RFC 3339"};

static int compile_word(struct str text, struct format *out, struct err *e)
{
        const char *names[WORDS];
        char shown[YNODE_SHOW_MAX];

        for (size_t i = 0; i < WORDS; i++) {
                names[i] = words[i].name;
                if (!str_is(text, names[i]))
                        continue;
                out->kind = words[i].kind;
                out->local = words[i].local;
                return 0;
        }
        const char *near = str_nearest(text, names, WORDS);
        int rc = err_set(e, ERR_CONFIG, "%s is no format of dates", yaml_show(text, shown));
        for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
                if (str_is(text, plain[i]))
                        return err_hint(e, rc, "ISO 8601 is read without: leave format out");
        if (near)
                return err_hint(e, rc, "did you mean '%s'?", near);
        return err_hint(e, rc,
                "write a pattern of strptime's, such as \"%%d.%%m.%%Y %%H:%%M\", or unix, unix_ms, "
                "excel, excel_1904 or odata");
}

static int compile_number(
        struct str text, enum field_type type, struct number_format *out, struct err *e)
{
        char shown[YNODE_SHOW_MAX];

        if (is_word(text) || memchr(text.ptr, '%', text.len))
                return err_set(e, ERR_CONFIG,
                        "%s is a format of dates, for type: date or datetime; numbers are "
                        "described by an example: \"1.234,56\"",
                        yaml_show(text, shown));
        return format_number_compile(text, type == FIELD_TYPE_INTEGER, out, e);
}

static int compile_any(struct arena *arena, struct str text, enum field_type type,
        struct format *out, struct err *e)
{
        if (text.len == 0 || text.len > FORMAT_MAX_BYTES || memchr(text.ptr, '\0', text.len))
                return err_set(e, ERR_CONFIG, "it must have from 1 to %d bytes, none of them 0",
                        FORMAT_MAX_BYTES);
        if (is_of_numbers(type))
                return compile_number(text, type, &out->number, e);
        if (!is_of_dates(type))
                return err_set(e, ERR_CONFIG,
                        "it needs type: date or datetime (for a pattern of dates), or type: "
                        "decimal, integer or number (for an example of numbers)");
        if (memchr(text.ptr, '%', text.len))
                return format_pattern_compile(arena, text, out, e);
        return compile_word(text, out, e);
}

int format_compile(struct arena *arena, struct str text, enum field_type type,
        const struct format **out, struct err *e)
{
        struct format *f = arena_alloc(arena, sizeof(*f));

        if (!f)
                return arena_failed(arena, "a format", e);
        *f = (struct format){.kind = FORMAT_NUMBER};
        int rc = compile_any(arena, text, type, f, e);
        if (rc)
                return rc;
        f->text = arena_strdup(arena, text);
        if (!f->text)
                return arena_failed(arena, "a format", e);
        *out = f;
        return 0;
}

/* ---- reading ---- */

size_t format_blank(const char *p, const char *end)
{
        static const struct str wide[] = {
                {"\xC2\xA0", 2},     /* U+00A0 no-break space */
                {"\xE2\x80\xAF", 3}, /* U+202F narrow no-break space */
                {"\xE2\x80\x89", 3}, /* U+2009 thin space */
        };

        if (p == end)
                return 0;
        if (*p == ' ' || (*p >= '\t' && *p <= '\r'))
                return 1;
        for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++)
                if (str_starts((struct str){p, (size_t)(end - p)}, wide[i]))
                        return wide[i].len;
        return 0;
}

/* At most MAX_DIGITS digits. */
static int64_t integer_of(struct str digits)
{
        int64_t value = 0;

        for (size_t i = 0; i < digits.len; i++)
                value = value * 10 + (digits.ptr[i] - '0');
        return value;
}

/* @digits as if there were @count of them. */
static int64_t padded_integer(struct str digits, size_t count)
{
        int64_t value = integer_of(digits);

        for (size_t i = digits.len; i < count; i++)
                value *= 10;
        return value;
}

static struct str without_trailing_zeros(struct str digits)
{
        while (digits.len > 0 && digits.ptr[digits.len - 1] == '0')
                digits.len--;
        return digits;
}

static void set_fraction(struct format_time *out, int64_t nanoseconds)
{
        for (size_t i = FORMAT_FRACTION_DIGITS; i > 0; i--) {
                out->fraction[i - 1] = (char)('0' + nanoseconds % 10);
                nanoseconds /= 10;
        }
        out->civil.fraction =
                without_trailing_zeros((struct str){out->fraction, FORMAT_FRACTION_DIGITS});
}

/* @nanoseconds: of the second that began at @seconds */
static enum format_result set_time(struct format_time *out, int64_t seconds, int64_t nanoseconds)
{
        if (seconds < FIRST_SECOND)
                return FORMAT_YEAR_ZERO;
        if (seconds > LAST_SECOND)
                return FORMAT_YEAR_BEYOND;
        civil_set_seconds(&out->civil, seconds);
        if (nanoseconds)
                set_fraction(out, nanoseconds);
        return FORMAT_OK;
}

static enum format_result set_instant(
        struct format_time *out, bool negative, int64_t seconds, int64_t nanoseconds)
{
        out->civil.has_offset = true;
        if (negative) {
                seconds = -seconds - (nanoseconds != 0);
                nanoseconds = nanoseconds ? SECOND_S - nanoseconds : 0;
        }
        return set_time(out, seconds, nanoseconds);
}

/* The decimal @text with at most @places digits behind the point that are not zero. */
static enum format_result read_decimal(
        struct str text, size_t places, struct buf *scratch, struct decimal *out)
{
        if (!decimal_parse(text, scratch, out))
                return FORMAT_MISMATCH;
        out->fraction = without_trailing_zeros(out->fraction);
        if (out->whole.len > MAX_DIGITS)
                return out->negative ? FORMAT_YEAR_ZERO : FORMAT_YEAR_BEYOND;
        return out->fraction.len > places ? FORMAT_TOO_FINE : FORMAT_OK;
}

static enum format_result read_unix(
        const struct format *f, struct str text, struct buf *scratch, struct format_time *out)
{
        struct decimal d;
        enum format_result result = read_decimal(text, FORMAT_FRACTION_DIGITS, scratch, &d);

        if (result != FORMAT_OK)
                return result;
        return set_instant(out, d.negative, integer_of(d.whole),
                padded_integer(d.fraction, FORMAT_FRACTION_DIGITS));
}

static enum format_result read_unix_ms(
        const struct format *f, struct str text, struct buf *scratch, struct format_time *out)
{
        const size_t places = FORMAT_FRACTION_DIGITS - 3;
        struct decimal d;
        enum format_result result = read_decimal(text, places, scratch, &d);

        if (result != FORMAT_OK)
                return result;
        int64_t ms = integer_of(d.whole);
        return set_instant(out, d.negative, ms / 1000,
                ms % 1000 * 1000000 + padded_integer(d.fraction, places));
}

/* ---- spreadsheets ---- */

/* The fraction of a day as milliseconds, rounded: a serial is a double, and 0.3472222222222222
 * means 08:20. May be a whole day. */
static uint64_t day_ms(struct str fraction)
{
        const uint64_t whole = UINT64_C(100000000000); /* SERIAL_DIGITS */
        size_t n = fraction.len < SERIAL_DIGITS ? fraction.len : SERIAL_DIGITS;
        uint64_t part = (uint64_t)padded_integer((struct str){fraction.ptr, n}, SERIAL_DIGITS);

        return (part * DAY_MS + whole / 2) / whole;
}

/* Days from 1970 to the spreadsheet's day @serial; in the system of 1900 a day that never was,
 * 29 February 1900, is the 60th. */
static enum format_result serial_days(bool from_1904, int64_t serial, int64_t *days)
{
        if (from_1904) {
                *days = serial - 24107;
                return FORMAT_OK;
        }
        if (serial == 0)
                return FORMAT_NO_SERIAL;
        if (serial == 60)
                return FORMAT_EXCEL_LEAP;
        *days = serial - (serial < 60 ? 25568 : 25569);
        return FORMAT_OK;
}

static enum format_result read_excel(
        const struct format *f, struct str text, struct buf *scratch, struct format_time *out)
{
        struct decimal d;
        int64_t days;
        enum format_result result = read_decimal(text, SIZE_MAX, scratch, &d);

        if (result == FORMAT_OK && d.negative)
                result = FORMAT_NO_SERIAL;
        if (result == FORMAT_OK && d.whole.len > 7)
                result = FORMAT_YEAR_BEYOND;
        if (result != FORMAT_OK)
                return result;
        uint64_t ms = day_ms(d.fraction);
        int64_t serial = integer_of(d.whole) + (int64_t)(ms / DAY_MS);
        ms %= DAY_MS;
        result = serial_days(f->kind == FORMAT_EXCEL_1904, serial, &days);
        if (result != FORMAT_OK)
                return result;
        return set_time(out, days * DAY_S + (int64_t)(ms / 1000), (int64_t)(ms % 1000) * 1000000);
}

/* ---- OData ---- */

struct reader {
        const char *p, *end;
};

static struct str take_digits(struct reader *r)
{
        const char *start = r->p;

        while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
                r->p++;
        return (struct str){start, (size_t)(r->p - start)};
}

/* Nothing, or a sign and hhmm: how far the clock was from UTC that the time was taken from. */
static bool take_clock(struct reader *r, struct civil *c)
{
        if (r->p == r->end || (*r->p != '+' && *r->p != '-'))
                return true;
        bool west = *r->p++ == '-';
        struct str digits = take_digits(r);
        if (digits.len != 4)
                return false;
        int hhmm = (int)integer_of(digits);
        c->offset_s = (hhmm / 100 * 60 + hhmm % 100) * 60;
        if (west)
                c->offset_s = -c->offset_s;
        return c->offset_s > -DAY_S && c->offset_s < DAY_S;
}

/* Behind "/Date(". civil shows the clock's time, as with any offset. */
static enum format_result read_ticks(struct reader r, struct format_time *out)
{
        bool negative = r.p < r.end && *r.p == '-';
        static const struct str end = {")/", 2};

        r.p += negative;
        struct str digits = take_digits(&r);
        if (digits.len == 0 || !take_clock(&r, &out->civil) ||
                !str_eq((struct str){r.p, (size_t)(r.end - r.p)}, end))
                return FORMAT_MISMATCH;
        if (digits.len > MAX_DIGITS)
                return negative ? FORMAT_YEAR_ZERO : FORMAT_YEAR_BEYOND;
        int64_t ms = integer_of(digits);
        enum format_result result = set_instant(out, negative, ms / 1000, ms % 1000 * 1000000);
        if (result == FORMAT_OK && out->civil.offset_s)
                result = set_time(out, civil_seconds(&out->civil) + out->civil.offset_s, 0);
        return result;
}

static enum format_result read_odata(
        const struct format *f, struct str text, struct buf *scratch, struct format_time *out)
{
        static const enum format_result results[CIVIL_RESULTS] = {
                [CIVIL_OK] = FORMAT_OK,
                [CIVIL_INFINITE] = FORMAT_INFINITE,
                [CIVIL_BC] = FORMAT_YEAR_ZERO,
                [CIVIL_YEAR] = FORMAT_YEAR_BEYOND,
                [CIVIL_MALFORMED] = FORMAT_MISMATCH,
        };
        static const struct str ticks = {"/Date(", 6};

        if (str_starts(text, ticks))
                return read_ticks((struct reader){text.ptr + ticks.len, text.ptr + text.len}, out);
        if (text.len == CIVIL_DATE_BYTES)
                return results[civil_parse_date(text, &out->civil)];
        return results[civil_parse(text, &out->civil)];
}

/* ---- any ---- */

static enum format_result read_pattern(
        const struct format *f, struct str text, struct buf *scratch, struct format_time *out)
{
        return format_pattern_read(f, text, out);
}

static bool has_blanks_around(struct str text)
{
        const char *end = text.ptr + text.len;

        if (format_blank(text.ptr, end))
                return true;
        for (size_t n = 1; n <= 3 && n <= text.len; n++)
                if (format_blank(end - n, end) == n)
                        return true;
        return false;
}

enum format_result format_read_time(
        const struct format *f, struct str text, struct buf *scratch, struct format_time *out)
{
        typedef enum format_result (*read_fn)(
                const struct format *, struct str, struct buf *, struct format_time *);
        static const read_fn readers[FORMAT_KINDS] = {
                [FORMAT_PATTERN] = read_pattern,
                [FORMAT_UNIX] = read_unix,
                [FORMAT_UNIX_MS] = read_unix_ms,
                [FORMAT_EXCEL] = read_excel,
                [FORMAT_EXCEL_1904] = read_excel,
                [FORMAT_ODATA] = read_odata,
        };

        if (text.len == 0)
                return FORMAT_EMPTY;
        out->civil = (struct civil){.year = 0};
        out->at = 0;
        out->item = NULL;
        enum format_result result = readers[f->kind](f, text, scratch, out);
        if ((result == FORMAT_MISMATCH || result == FORMAT_TRAILING) && has_blanks_around(text))
                result = FORMAT_BLANKS;
        return result;
}
