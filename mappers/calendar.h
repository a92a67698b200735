/*
 * calendar.h: dates and times of day as text, as numbers, and as text again.
 *
 * The proleptic Gregorian calendar, years 1 to 9999: what RFC 3339 can write. Borrows from the
 * text for fractions of a second, which are never rounded.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ingest/base/str.h"

struct civil {
        int year, month, day;
        int hour, minute, second;
        struct str fraction; /* digits behind the point, no trailing zeros */
        bool has_offset;     /* the text said how far it is from UTC */
        int offset_s;        /* seconds east of UTC */
};

enum civil_result {
        CIVIL_OK,
        CIVIL_INFINITE, /* infinity or -infinity */
        CIVIL_BC,
        CIVIL_YEAR,      /* beyond 9999 */
        CIVIL_MALFORMED, /* anything else */
        CIVIL_RESULTS
};

/** civil_parse_date() - the whole of @text: YYYY-MM-DD */
enum civil_result civil_parse_date(struct str text, struct civil *out);

/** civil_parse_time() - the whole of @text: HH:MM:SS[.f]; 24:00:00 is one */
enum civil_result civil_parse_time(struct str text, struct civil *out);

/** civil_parse() - date, 'T' or a blank, time, then nothing or an offset
 * Offsets: Z, +HH, +HH:MM, +HHMM, +HH:MM:SS, and with '-'. */
enum civil_result civil_parse(struct str text, struct civil *out);

/** civil_seconds() - since 1970-01-01 00:00:00, as if @c were UTC */
int64_t civil_seconds(const struct civil *c);

/** civil_set_seconds() - sets date and time of @c; years -9999 .. 19999 */
void civil_set_seconds(struct civil *c, int64_t seconds);

/** civil_month_days() - how many days the month 1..12 of @year has */
int civil_month_days(int year, int month);

#define CIVIL_DATE_BYTES 10 /* YYYY-MM-DD */
#define CIVIL_TIME_BYTES 8  /* HH:MM:SS */

/** civil_put_date() - writes CIVIL_DATE_BYTES to @to. Return: behind them. */
char *civil_put_date(char *to, const struct civil *c);

/** civil_put_time() - writes CIVIL_TIME_BYTES to @to, without fraction. Return: behind them. */
char *civil_put_time(char *to, const struct civil *c);
