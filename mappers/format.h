/*
 * format.h: dates and numbers in local notations, the key `format` of a field.
 *
 * A format is compiled once, when the mapper's file is read; reading a value then looks nothing
 * up. Here values are text that becomes a calendar's date or a decimal; convert_format.c has the
 * rest of the way. Immutable once compiled; any thread. Readers borrow from the text.
 *
 * With type: date or datetime, a pattern of strptime's directives, or a word:
 *
 *   %Y year, four digits      %y two: 69-99 are 1969-1999, 00-68 are 2000-2068
 *   %m month  %d %e day       %j day of the year          %b %B %h English name of the month
 *   %H hour   %I with %p      hour of 1-12, AM or PM      %a %A English weekday, which must be true
 *   %M minute  %S second      %f digits of a fraction of a second
 *   %z %Z     Z, UTC, GMT, or an offset (+01, +0100, +01:00)
 *   %n %t     white space or none      %%      %T %R %F %D as in strptime
 *   unix unix_ms              seconds, milliseconds since 1970 in UTC, with fraction
 *   excel excel_1904          days of a spreadsheet with fraction (to its millisecond), local time
 *   odata                     /Date(ms)/ and /Date(ms+hhmm)/, ms in UTC; and ISO 8601
 *
 * The whole text must be as the pattern says. A blank in the pattern is one or more of white
 * space, no-break spaces among it. Numbers may have fewer digits than their width ("1.2.2026"),
 * but not where digits follow digits (%Y%m%d): there no other reading is possible. Names come in
 * upper or lower case. There is no hour 24 and no second 60: RFC 3339 has neither for a clock.
 *
 * With type: decimal, integer or number, an example: "1.234,56" "1,234.56" "1 234,56" "1'234.56"
 * "1234,56" "12,34,567.89" "(1,234.56)". It shows the separators of groups and decimals. In values
 * groups may be missing, but stand nowhere else; a sign may stand in front or behind; no-break and
 * thin spaces are blanks. Anything else in the text, such as a currency, is refused.
 */
#pragma once

#include "ingest/base/arena.h"
#include "mappers/calendar.h"
#include "mappers/decimal.h"

enum format_kind {
        FORMAT_NUMBER,
        FORMAT_PATTERN,
        FORMAT_UNIX,
        FORMAT_UNIX_MS,
        FORMAT_EXCEL,
        FORMAT_EXCEL_1904,
        FORMAT_ODATA,
        FORMAT_KINDS
};

enum format_separator { SEPARATOR_NONE, POINT, COMMA, BLANK, APOSTROPHE };

struct number_format {
        enum format_separator group, decimal;
        bool parentheses;  /* around negative numbers */
        size_t group_size; /* of all groups but the last, which has three digits */
};

struct date_item; /* one step of a pattern */

struct format {
        enum format_kind kind;
        const char *text; /* as written */
        bool local;       /* values show a clock without saying how far it is from UTC */
        struct number_format number;
        const struct date_item *items; /* FORMAT_PATTERN */
        size_t item_count;
        unsigned parts; /* which of them it has */
};

#define FORMAT_MAX_BYTES 256 /* of a format: a longer one is a mistake */

/** format_compile() - @text as a format for values of @type
 * @arena: where it lives
 * Return: 0; -ERR_CONFIG what is wrong, with its column in @text, and what to write; -ERR_NOMEM. */
int format_compile(struct arena *arena, struct str text, enum field_type type,
        const struct format **out, struct err *e) __attribute__((warn_unused_result));

enum format_result {
        FORMAT_OK,
        FORMAT_EMPTY,
        FORMAT_BLANKS,   /* in front or behind */
        FORMAT_MISMATCH, /* something else was expected where it stopped */
        FORMAT_TRAILING, /* it goes on behind what the format describes */
        FORMAT_RANGE,    /* the number where it stopped is too large or too small */
        FORMAT_NO_DAY,   /* 31 April */
        FORMAT_WEEKDAY,  /* of another day */
        FORMAT_YEAR_ZERO,
        FORMAT_YEAR_BEYOND, /* 9999 */
        FORMAT_HOUR_24,
        FORMAT_SECOND_60,
        FORMAT_ZONE_NAME,  /* CET: letters that no rule explains */
        FORMAT_TOO_FINE,   /* below a nanosecond */
        FORMAT_NO_SERIAL,  /* Excel has no day 0 and none before it */
        FORMAT_EXCEL_LEAP, /* Excel's 29 February 1900 */
        FORMAT_INFINITE,
        FORMAT_GROUPS, /* separators of groups stand elsewhere */
        FORMAT_RESULTS
};

#define FORMAT_FRACTION_DIGITS 9

/* A value that was read, or where reading stopped. */
struct format_time {
        struct civil civil; /* has_offset: an instant; else what a clock showed */
        char fraction[FORMAT_FRACTION_DIGITS]; /* what civil.fraction may borrow */
        size_t at;                             /* bytes of the text before it stopped */
        const struct date_item *item;          /* what was expected there; may be NULL */
};

/** format_read_time() - the whole of @text, by any format but FORMAT_NUMBER
 * @scratch: emptied (an error stays), used for exponents */
enum format_result format_read_time(
        const struct format *f, struct str text, struct buf *scratch, struct format_time *out);

/** format_read_number() - the whole of @text, by a FORMAT_NUMBER
 * @scratch: emptied, used where there are groups; must live as long as @out
 * @at: set to the bytes before it stopped */
enum format_result format_read_number(const struct format *f, struct str text, struct buf *scratch,
        struct decimal *out, size_t *at);

/** format_put_expected() - what @item stands for, for people: "the month (%m)" */
void format_put_expected(const struct date_item *item, struct buf *out);

/* ---- between the files of this module ---- */

/** format_pattern_compile() - format_date.c: the pattern @text into @out */
int format_pattern_compile(struct arena *arena, struct str text, struct format *out, struct err *e)
        __attribute__((warn_unused_result));

/** format_pattern_read() - format_date.c: FORMAT_PATTERN */
enum format_result format_pattern_read(
        const struct format *f, struct str text, struct format_time *out);

/** format_number_compile() - format_number.c: the example @text
 * @integer: no decimals are expected, so that 1.234 can only be grouped */
int format_number_compile(struct str text, bool integer, struct number_format *out, struct err *e)
        __attribute__((warn_unused_result));

/** format_blank() - bytes of the blank that @p begins with; 0: none. Not beyond @end. */
size_t format_blank(const char *p, const char *end);
