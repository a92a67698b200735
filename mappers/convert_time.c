/* Dates and times: RFC 3339 in UTC, as the calendar has them and no further. */
#include "mappers/calendar.h"
#include "mappers/convert.h"

#define YEAR_MIN 1
#define YEAR_MAX 9999

static int reject_civil(struct render *r, enum civil_result why, struct str text, const char *what)
{
        switch (why) {
        case CIVIL_INFINITE:
                return reject_value(r, text,
                        "has no place in a calendar: write null_if: [infinity, -infinity] where "
                        "it means null, or map it");
        case CIVIL_BC:
                return reject_value(r, text,
                        "lies before year 1, which RFC 3339 cannot write: "
                        "mend the value, or cast it to text in the query");
        case CIVIL_YEAR:
                return reject_value(r, text,
                        "lies beyond year 9999, which RFC 3339 cannot write: "
                        "mend the value, or cast it to text in the query");
        default:
                return reject_value(r, text,
                        "is not %s: say how it is written, format: \"%%d.%%m.%%Y\" for one, or "
                        "mend it "
                        "in the ERP",
                        what);
        }
}

#define A_DATE     "a date (YYYY-MM-DD)"
#define A_TIME     "a time of day (HH:MM:SS)"
#define A_DATETIME "a date and time (YYYY-MM-DD HH:MM:SS)"

static int put_date(struct render *r, const struct civil *civil)
{
        char *to = buf_room(r->out, CIVIL_DATE_BYTES + 2);

        if (!to)
                return 0; /* the buffer remembers */
        *to++ = '"';
        to = civil_put_date(to, civil);
        *to = '"';
        r->out->len += CIVIL_DATE_BYTES + 2;
        return 0;
}

int convert_date(struct render *r, const struct chain *c, struct str text)
{
        struct civil civil;
        enum civil_result result = civil_parse_date(text, &civil);

        if (result != CIVIL_OK)
                return reject_civil(r, result, text, A_DATE);
        return convert_text(r, c, text); /* it is YYYY-MM-DD already */
}

/* Behind the seconds: the fraction where there is one. */
static char *put_fraction(char *to, struct str fraction)
{
        if (fraction.len == 0)
                return to;
        *to++ = '.';
        memcpy(to, fraction.ptr, fraction.len);
        return to + fraction.len;
}

int convert_time(struct render *r, const struct chain *c, struct str text)
{
        struct civil civil;
        enum civil_result result = civil_parse_time(text, &civil);

        if (result != CIVIL_OK)
                return reject_civil(r, result, text, A_TIME);
        char *to = buf_room(r->out, CIVIL_TIME_BYTES + 3 + civil.fraction.len);
        if (!to)
                return 0;
        char *start = to;
        *to++ = '"';
        to = civil_put_time(to, &civil);
        to = put_fraction(to, civil.fraction);
        *to++ = '"';
        r->out->len += (size_t)(to - start);
        return 0;
}

/* @date and @time: text of CIVIL_DATE_BYTES and CIVIL_TIME_BYTES */
static int put_instant(struct render *r, const char *date, const char *time, struct str fraction)
{
        char *to = buf_room(r->out, CIVIL_DATE_BYTES + CIVIL_TIME_BYTES + 5 + fraction.len);

        if (!to)
                return 0;
        char *start = to;
        *to++ = '"';
        memcpy(to, date, CIVIL_DATE_BYTES);
        to += CIVIL_DATE_BYTES;
        *to++ = 'T';
        memcpy(to, time, CIVIL_TIME_BYTES);
        to = put_fraction(to + CIVIL_TIME_BYTES, fraction);
        *to++ = 'Z';
        *to++ = '"';
        r->out->len += (size_t)(to - start);
        return 0;
}

static int put_datetime(struct render *r, const struct civil *civil)
{
        char date[CIVIL_DATE_BYTES], time[CIVIL_TIME_BYTES];

        civil_put_date(date, civil);
        civil_put_time(time, civil);
        return put_instant(r, date, time, civil->fraction);
}

/* @civil shows local time: shifts it to UTC. */
static int to_utc(struct render *r, const struct chain *c, struct str text, struct civil *civil)
{
        int64_t seconds = civil_seconds(civil);

        if (civil->has_offset) {
                seconds -= civil->offset_s;
        } else if (!c->zone) {
                return reject_value(r, text,
                        "has no time zone: write timezone: with the zone that its clock showed");
        } else if (tz_to_utc(c->zone, seconds, &seconds) == TZ_GAP) {
                return reject_value(r, text,
                        "never was in its time zone: clocks skipped that time; mend the value, or "
                        "the mapper's timezone");
        }
        civil_set_seconds(civil, seconds);
        if (civil->year < YEAR_MIN || civil->year > YEAR_MAX)
                return reject_value(r, text, "lies outside the years 1 to 9999 in UTC");
        return 0;
}

int convert_put_datetime(
        struct render *r, const struct chain *c, struct str text, struct civil *civil)
{
        int rc = to_utc(r, c, text, civil);

        return rc ? rc : put_datetime(r, civil);
}

int convert_datetime(struct render *r, const struct chain *c, struct str text)
{
        struct civil civil;
        enum civil_result result = civil_parse(text, &civil);

        if (result != CIVIL_OK)
                return reject_civil(r, result, text, A_DATETIME);
        if (civil.has_offset && civil.offset_s == 0) /* usual, and the digits are there already */
                return put_instant(r, text.ptr, text.ptr + CIVIL_DATE_BYTES + 1, civil.fraction);
        return convert_put_datetime(r, c, text, &civil);
}

/* Midnight of that day in the zone. */
int convert_date_datetime(struct render *r, const struct chain *c, struct str text)
{
        struct civil civil;
        enum civil_result result = civil_parse_date(text, &civil);

        if (result != CIVIL_OK)
                return reject_civil(r, result, text, A_DATE);
        return convert_put_datetime(r, c, text, &civil);
}

/* Only a time of 00:00:00 may be left out. */
int convert_put_date(struct render *r, struct str text, const struct civil *civil)
{
        if (civil->hour || civil->minute || civil->second || civil->fraction.len)
                return reject_value(r, text,
                        "would lose its time of day as a date: cast it to "
                        "date in the query, or write type: datetime");
        return put_date(r, civil);
}

int convert_timestamp_date(struct render *r, const struct chain *c, struct str text)
{
        struct civil civil;
        enum civil_result result = civil_parse(text, &civil);

        if (result != CIVIL_OK)
                return reject_civil(r, result, text, A_DATETIME);
        return convert_put_date(r, text, &civil);
}
