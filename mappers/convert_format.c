/*
 * Values in local notations: read by the field's format, then written as any date or number.
 * What reading refused is told with the place where it stopped, and with a remedy.
 */
#include "mappers/convert.h"
#include "mappers/format.h"

#define EXPECTED_BYTES 512 /* of what should have stood there */
#define MEND           "mend it in the ERP, or name it in null_if or map"

static const char *const texts[FORMAT_RESULTS] = {
        [FORMAT_EMPTY] = "is empty: write null_if: \"\" where it means null",
        [FORMAT_BLANKS] = "has blanks around it: write trim: true; replace takes "
                          "no-break spaces off",
        [FORMAT_NO_DAY] = "is a day that the calendar does not have: " MEND,
        [FORMAT_WEEKDAY] = "names a weekday that its day is not: " MEND,
        [FORMAT_YEAR_ZERO] = "lies before year 1, which RFC 3339 cannot write: " MEND,
        [FORMAT_YEAR_BEYOND] = "lies beyond year 9999, which RFC 3339 cannot write: " MEND,
        [FORMAT_HOUR_24] = "has an hour 24: the day ends at 23:59:59, and 24:00 is 00:00 of the "
                           "next; " MEND,
        [FORMAT_SECOND_60] = "has a leap second, 60, which JSON's readers do not know: " MEND,
        [FORMAT_ZONE_NAME] = "names a zone by letters that mean several: only Z, UTC, GMT and "
                             "offsets are read; take it off with replace, and write timezone:",
        [FORMAT_TOO_FINE] = "counts parts of a nanosecond: round it in the query",
        [FORMAT_NO_SERIAL] = "is no day of a spreadsheet, which count from 1: " MEND,
        [FORMAT_EXCEL_LEAP] = "is 1900-02-29, a day that only spreadsheets have: " MEND,
        [FORMAT_INFINITE] = "has no place in a calendar: " MEND,
        [FORMAT_GROUPS] = "has separators of groups in other places than format shows: " MEND,
};

/* Characters before the byte @at, from 1 on. */
static size_t column_of(struct str text, size_t at)
{
        size_t n = 1;

        for (size_t i = 0; i < at && i < text.len; i++)
                n += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
        return n;
}

static int reject_place(struct render *r, const struct format *f, struct str text,
        enum format_result result, const struct format_time *t)
{
        char bytes[EXPECTED_BYTES];
        cleanup_buf_ struct buf expected = {.max = sizeof(bytes)};
        size_t column = column_of(text, t->at);

        if (t->item)
                format_put_expected(t->item, &expected);
        const char *what = buf_cstr(&expected);
        if (result == FORMAT_TRAILING)
                return reject_value(r, text,
                        "goes on behind what format \"%s\" describes, at character %zu: mend it in "
                        "the ERP, or take the rest off with replace",
                        f->text, column);
        if (result == FORMAT_RANGE)
                return reject_value(r, text,
                        "is not as format \"%s\" says: %s at character %zu is out of range; " MEND,
                        f->text, what ? what : "a number", column);
        if (t->item && what)
                return reject_value(r, text,
                        "is not as format \"%s\" says: %s is missing at character %zu; " MEND,
                        f->text, what, column);
        return reject_value(r, text, "is not as format: %s says; " MEND, f->text);
}

static int reject_format(struct render *r, const struct format *f, struct str text,
        enum format_result result, const struct format_time *t)
{
        if (result == FORMAT_YEAR_BEYOND && f->kind == FORMAT_UNIX)
                return reject_value(r, text,
                        "lies beyond year 9999 as seconds since 1970: milliseconds are "
                        "format: unix_ms");
        if (texts[result])
                return reject_value(r, text, "%s", texts[result]);
        return reject_place(r, f, text, result, t);
}

/* An instant's day is the one that its own clock showed, or the field's zone. */
static void show_in_zone(const struct tz *zone, struct civil *civil)
{
        int64_t until, utc_s = civil_seconds(civil) - civil->offset_s;

        civil_set_seconds(civil, utc_s + tz_offset(zone, utc_s, &until));
}

static int convert_format_time(struct render *r, const struct chain *c, struct str text)
{
        struct format_time t;
        enum format_result result = format_read_time(c->format, text, &r->number, &t);

        if (result != FORMAT_OK)
                return reject_format(r, c->format, text, result, &t);
        if (c->type == FIELD_TYPE_DATETIME)
                return convert_put_datetime(r, c, text, &t.civil);
        if (c->zone && t.civil.has_offset)
                show_in_zone(c->zone, &t.civil);
        if (t.civil.year < 1 || t.civil.year > 9999)
                return reject_value(r, text, "lies outside the years 1 to 9999 in its time zone");
        return convert_put_date(r, text, &t.civil);
}

static int convert_format_number(struct render *r, const struct chain *c, struct str text)
{
        struct format_time t = {.item = NULL};
        struct decimal d;
        enum format_result result = format_read_number(c->format, text, &r->number, &d, &t.at);

        if (result == FORMAT_OK)
                return convert_put_number(r, c, text, &d);
        if (result == FORMAT_MISMATCH || result == FORMAT_TRAILING)
                return reject_value(r, text,
                        "is not a number as format \"%s\" shows, at character %zu: take currency "
                        "and units off with replace, or mend it in the ERP",
                        c->format->text, column_of(text, t.at));
        return reject_format(r, c->format, text, result, &t);
}

#define ON(kind) (1u << (kind))
#define TEXTS    (ON(COL_TEXT) | ON(COL_CHAR))
#define EXACT    (ON(COL_INT) | ON(COL_NUMERIC))
#define INEXACT  (ON(COL_FLOAT4) | ON(COL_FLOAT8))

convert_fn convert_format_find(const struct format *f, enum col_kind kind)
{
        static const unsigned kinds[FORMAT_KINDS] = {
                [FORMAT_NUMBER] = TEXTS,
                [FORMAT_PATTERN] = TEXTS | EXACT, /* 20261231 */
                [FORMAT_UNIX] = TEXTS | EXACT | INEXACT,
                [FORMAT_UNIX_MS] = TEXTS | EXACT | INEXACT,
                [FORMAT_EXCEL] = TEXTS | EXACT | INEXACT,
                [FORMAT_EXCEL_1904] = TEXTS | EXACT | INEXACT,
                [FORMAT_ODATA] = TEXTS,
        };

        if (!(kinds[f->kind] & ON(kind)))
                return NULL;
        return f->kind == FORMAT_NUMBER ? convert_format_number : convert_format_time;
}
