/*
 * Text in the usual layout is read eight bytes at a time, any other digit by digit, both strictly;
 * days are counted in years that begin in March, so that
 * the leap day is the last one (the usual 400-year era arithmetic).
 */
#include "mappers/calendar.h"

#define YEAR_MAX     9999
#define DAY_S        86400
#define DAYS_PER_ERA 146097 /* 400 years */
#define DAYS_TO_1970 719468 /* from 0000-03-01 */
#define OFFSET_MAX_H 15     /* PostgreSQL's limit of an offset: +-15:59:59 */

/* ---- the usual layout: YYYY-MM-DD HH:MM:SS, read eight bytes at a time ---- */

#define LAYOUT_BYTES 19

/* Bytes of which each is a digit ('0' in @pattern) or exactly the pattern's byte. */
static inline bool matches8(const char *text, const char *pattern)
{
        unsigned char slack_bytes[8]; /* becomes a constant */
        uint64_t bytes, wanted, slack;

        for (size_t i = 0; i < 8; i++)
                slack_bytes[i] = pattern[i] == '0' ? 0x76 : 0x7F;
        memcpy(&bytes, text, 8);
        memcpy(&wanted, pattern, 8);
        memcpy(&slack, slack_bytes, 8);
        /* '0' ^ digit is 0 .. 9; adding the slack sets the high bit of any byte beyond that. */
        bytes ^= wanted;
        return ((bytes | (bytes + slack)) & UINT64_C(0x8080808080808080)) == 0;
}

struct reader {
        const char *p, *end;
};

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static bool take_char(struct reader *r, char c)
{
        if (r->p == r->end || *r->p != c)
                return false;
        r->p++;
        return true;
}

/* Exactly two digits, at most @max; -1 for anything else. */
static int take_two(struct reader *r, int max)
{
        if (r->end - r->p < 2 || !is_digit(r->p[0]) || !is_digit(r->p[1]))
                return -1;
        int value = (r->p[0] - '0') * 10 + (r->p[1] - '0');
        r->p += 2;
        return value <= max ? value : -1;
}

static bool is_leap(int year)
{
        return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int civil_month_days(int year, int month)
{
        static const signed char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

        return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Two digits that are known to be digits. */
static inline int two(const char *p)
{
        return (p[0] - '0') * 10 + (p[1] - '0');
}

/* YYYY-MM-DD at @p, ten bytes. Return: false for anything else, and for days that are not. */
static inline bool read_date(const char *p, struct civil *c)
{
        if (!matches8(p, "0000-00-") || !matches8(p + 2, "00-00-00"))
                return false;
        c->year = two(p) * 100 + two(p + 2);
        c->month = two(p + 5);
        c->day = two(p + 8);
        return c->year > 0 && c->month >= 1 && c->month <= 12 && c->day >= 1 &&
               (c->day <= 28 || c->day <= civil_month_days(c->year, c->month));
}

/* HH:MM:SS at @p, eight bytes, below 24:00:00. */
static inline bool read_time(const char *p, struct civil *c)
{
        if (!matches8(p, "00:00:00"))
                return false;
        c->hour = two(p);
        c->minute = two(p + 3);
        c->second = two(p + 6);
        return c->hour < 24 && c->minute < 60 && c->second < 60;
}

/* ---- any layout ---- */

/* At least four digits. */
static enum civil_result take_year(struct reader *r, int *year)
{
        size_t n = 0;

        *year = 0;
        while (r->p + n < r->end && is_digit(r->p[n])) {
                if (*year <= YEAR_MAX)
                        *year = *year * 10 + (r->p[n] - '0');
                n++;
        }
        r->p += n;
        if (n < 4 || *year == 0 || (n > 4 && *year <= YEAR_MAX))
                return CIVIL_MALFORMED;
        return *year > YEAR_MAX ? CIVIL_YEAR : CIVIL_OK;
}

static enum civil_result take_date(struct reader *r, struct civil *c)
{
        enum civil_result year = take_year(r, &c->year);

        if (year == CIVIL_MALFORMED || !take_char(r, '-'))
                return CIVIL_MALFORMED;
        c->month = take_two(r, 12);
        if (c->month < 1 || !take_char(r, '-'))
                return CIVIL_MALFORMED;
        c->day = take_two(r, 31);
        if (year != CIVIL_OK)
                return year;
        if (c->day < 1 || c->day > civil_month_days(c->year, c->month))
                return CIVIL_MALFORMED;
        return CIVIL_OK;
}

static bool take_fraction(struct reader *r, struct civil *c)
{
        c->fraction = (struct str){r->p, 0};
        if (!take_char(r, '.'))
                return true;
        const char *start = r->p;
        while (r->p < r->end && is_digit(*r->p))
                r->p++;
        const char *last = r->p;
        while (last > start && last[-1] == '0')
                last--;
        c->fraction = (struct str){start, (size_t)(last - start)};
        return r->p > start;
}

static enum civil_result take_time(struct reader *r, struct civil *c)
{
        c->hour = take_two(r, 24);
        if (c->hour < 0 || !take_char(r, ':'))
                return CIVIL_MALFORMED;
        c->minute = take_two(r, 59);
        if (c->minute < 0 || !take_char(r, ':'))
                return CIVIL_MALFORMED;
        c->second = take_two(r, 59);
        if (c->second < 0 || !take_fraction(r, c))
                return CIVIL_MALFORMED;
        if (c->hour == 24 && (c->minute || c->second || c->fraction.len))
                return CIVIL_MALFORMED;
        return CIVIL_OK;
}

/* Nothing, Z, or a sign and HH[[:]MM[:SS]]. */
static enum civil_result take_offset(struct reader *r, struct civil *c)
{
        if (r->p == r->end)
                return CIVIL_OK;
        c->has_offset = true;
        if (take_char(r, 'Z'))
                return CIVIL_OK;
        bool west = *r->p == '-';
        if (*r->p != '-' && *r->p != '+')
                return CIVIL_MALFORMED;
        r->p++;
        int hours = take_two(r, OFFSET_MAX_H), minutes = 0, seconds = 0;
        bool colon = take_char(r, ':');
        if (colon || r->p < r->end)
                minutes = take_two(r, 59);
        if (minutes >= 0 && colon && take_char(r, ':'))
                seconds = take_two(r, 59);
        if (hours < 0 || minutes < 0 || seconds < 0)
                return CIVIL_MALFORMED;
        c->offset_s = (hours * 60 + minutes) * 60 + seconds;
        if (west)
                c->offset_s = -c->offset_s;
        return CIVIL_OK;
}

/* What PostgreSQL writes for dates that have no number. */
static enum civil_result classify(struct str text)
{
        static const struct str infinite = {"infinity", 8}, bc = {" BC", 3};

        if (text.len > 0 && *text.ptr == '-') {
                text.ptr++;
                text.len--;
        }
        if (str_eq(text, infinite))
                return CIVIL_INFINITE;
        if (text.len > bc.len && is_digit(*text.ptr) &&
                memcmp(text.ptr + text.len - bc.len, bc.ptr, bc.len) == 0)
                return CIVIL_BC;
        return CIVIL_MALFORMED;
}

static enum civil_result finish(const struct reader *r, enum civil_result result, struct str text)
{
        if (result == CIVIL_OK && r->p != r->end)
                result = CIVIL_MALFORMED;
        if (result == CIVIL_OK)
                return CIVIL_OK;
        enum civil_result special = classify(text);
        return special == CIVIL_MALFORMED ? result : special;
}

enum civil_result civil_parse_date(struct str text, struct civil *out)
{
        struct reader r = {text.ptr, text.ptr + text.len};

        *out = (struct civil){.year = 0};
        if (text.len == CIVIL_DATE_BYTES && read_date(text.ptr, out))
                return CIVIL_OK;
        enum civil_result result = take_date(&r, out);
        return finish(&r, result, text);
}

enum civil_result civil_parse_time(struct str text, struct civil *out)
{
        struct reader r = {text.ptr, text.ptr + text.len};

        *out = (struct civil){.year = 0};
        enum civil_result result = take_time(&r, out);
        return finish(&r, result, text);
}

static enum civil_result take_date_and_time(struct reader *r, struct civil *c)
{
        enum civil_result result = take_date(r, c);

        if (result == CIVIL_OK && !take_char(r, ' ') && !take_char(r, 'T'))
                return CIVIL_MALFORMED;
        if (result == CIVIL_OK)
                result = take_time(r, c);
        return result == CIVIL_OK && c->hour == 24 ? CIVIL_MALFORMED : result;
}

enum civil_result civil_parse(struct str text, struct civil *out)
{
        struct reader r = {text.ptr, text.ptr + text.len};
        const char *p = text.ptr;
        enum civil_result result;

        *out = (struct civil){.year = 0};
        if (text.len >= LAYOUT_BYTES && (p[10] == ' ' || p[10] == 'T') && read_date(p, out) &&
                read_time(p + 11, out)) {
                r.p += LAYOUT_BYTES;
                result = take_fraction(&r, out) ? CIVIL_OK : CIVIL_MALFORMED;
        } else {
                result = take_date_and_time(&r, out);
        }
        if (result == CIVIL_OK)
                result = take_offset(&r, out);
        return finish(&r, result, text);
}

int64_t civil_seconds(const struct civil *c)
{
        int year = c->month > 2 ? c->year : c->year - 1;
        int era = (year >= 0 ? year : year - 399) / 400;
        int year_of_era = year - era * 400;
        int month = c->month > 2 ? c->month - 3 : c->month + 9; /* from March */
        int day_of_year = (153 * month + 2) / 5 + c->day - 1;
        int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        int64_t days = (int64_t)era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970;

        return days * DAY_S + (c->hour * 60 + c->minute) * 60 + c->second;
}

void civil_set_seconds(struct civil *c, int64_t seconds)
{
        int64_t days = seconds / DAY_S;
        int rest = (int)(seconds % DAY_S);

        if (rest < 0) {
                rest += DAY_S;
                days--;
        }
        c->hour = rest / 3600;
        c->minute = rest / 60 % 60;
        c->second = rest % 60;

        days += DAYS_TO_1970;
        int era = (int)((days >= 0 ? days : days - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA);
        int day_of_era = (int)(days - (int64_t)era * DAYS_PER_ERA);
        int year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
                                  day_of_era / (DAYS_PER_ERA - 1)) /
                          365;
        int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        int month = (5 * day_of_year + 2) / 153;
        c->day = day_of_year - (153 * month + 2) / 5 + 1;
        c->month = month < 10 ? month + 3 : month - 9;
        c->year = year_of_era + era * 400 + (c->month <= 2);
}

static char *put_two(char *to, int value)
{
        to[0] = (char)('0' + value / 10 % 10);
        to[1] = (char)('0' + value % 10);
        return to + 2;
}

char *civil_put_date(char *to, const struct civil *c)
{
        to = put_two(to, c->year / 100);
        to = put_two(to, c->year % 100);
        *to++ = '-';
        to = put_two(to, c->month);
        *to++ = '-';
        return put_two(to, c->day);
}

char *civil_put_time(char *to, const struct civil *c)
{
        to = put_two(to, c->hour);
        *to++ = ':';
        to = put_two(to, c->minute);
        *to++ = ':';
        return put_two(to, c->second);
}
