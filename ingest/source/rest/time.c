/*
 * One table has the directives of patterns: which part of a time they are, and how many digits. The
 * words are read and printed with the same parts. Reading is generous in what does not matter for
 * a cursor (one digit for two, any weekday) and takes the earlier time where two are possible.
 */
#include "ingest/source/rest/time.h"

#include <ctype.h>
#include <stdlib.h>

#define SECOND_US       INT64_C(1000000)
#define DAY_S           INT64_C(86400)
#define PIVOT_YEAR      69 /* of %y, as POSIX has it */
#define FRACTION_DIGITS 6
#define EXPANDED_MAX    256 /* bytes of a pattern with %T and its like written out */

enum part {
        YEAR,
        SHORT_YEAR,
        MONTH,
        DAY,
        YEAR_DAY,
        HOUR,
        HALF_HOUR, /* 1 to 12 */
        HALF,      /* 0 AM, 12 PM */
        MINUTE,
        SECOND,
        FRACTION, /* microseconds */
        OFFSET,   /* seconds */
        WEEKDAY,
        PARTS
};
#define BIT(part) (1u << (part))

struct parts {
        int64_t v[PARTS];
        unsigned has;
};

struct scan {
        const char *p, *end;
};

/* ---- the calendar ---- */

static int64_t floor_div(int64_t a, int64_t b)
{
        return a / b - (a % b < 0);
}

/* Days since 1970-01-01 of the proleptic Gregorian calendar; years begin in March, so that the day
 * that comes and goes is the last one. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
        int64_t y = month <= 2 ? year - 1 : year;
        int64_t era = floor_div(y, 400), of_era = y - era * 400;
        int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

        return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void set_date(struct parts *t, int64_t days)
{
        int64_t z = days + 719468, era = floor_div(z, 146097), of_era = z - era * 146097;
        int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
        int64_t of_year = of_era - (365 * y + y / 4 - y / 100), m = (5 * of_year + 2) / 153;

        t->v[DAY] = of_year - (153 * m + 2) / 5 + 1;
        t->v[MONTH] = m < 10 ? m + 3 : m - 9;
        t->v[YEAR] = y + era * 400 + (t->v[MONTH] <= 2);
        t->v[YEAR_DAY] = days - days_of(t->v[YEAR], 1, 1) + 1;
        t->v[WEEKDAY] = ((days + 3) % 7 + 7) % 7; /* Monday 0; 1970 began with a Thursday */
}

static int64_t month_days(int64_t year, int64_t month)
{
        int64_t after = month == 12 ? days_of(year + 1, 1, 1) : days_of(year, month + 1, 1);

        return after - days_of(year, month, 1);
}

/* ---- reading parts ---- */

static bool take_number(struct scan *s, int least, int most, int64_t *out)
{
        int n = 0;
        int64_t value = 0;

        for (; n < most && s->p + n < s->end && isdigit((unsigned char)s->p[n]); n++)
                value = value * 10 + (s->p[n] - '0');
        if (n < least)
                return false;
        s->p += n;
        *out = value;
        return true;
}

static bool take_char(struct scan *s, const char *any)
{
        if (s->p == s->end || !strchr(any, *s->p) || *s->p == '\0')
                return false;
        s->p++;
        return true;
}

static bool take_word(struct scan *s, const char *word, size_t len)
{
        if ((size_t)(s->end - s->p) < len || strncasecmp(s->p, word, len) != 0)
                return false;
        s->p += len;
        return true;
}

static bool take_fraction(struct scan *s, struct parts *t)
{
        int64_t us = 0, n = 0;

        for (; s->p < s->end && isdigit((unsigned char)*s->p); s->p++, n++)
                if (n < FRACTION_DIGITS)
                        us = us * 10 + (*s->p - '0');
        for (int64_t k = n; k < FRACTION_DIGITS; k++)
                us *= 10;
        t->v[FRACTION] = us;
        t->has |= BIT(FRACTION);
        return n > 0;
}

static bool take_offset(struct scan *s, struct parts *t)
{
        int64_t hours, minutes = 0;

        t->has |= BIT(OFFSET);
        t->v[OFFSET] = 0;
        if (take_word(s, "UTC", 3) || take_word(s, "GMT", 3) || take_char(s, "Zz"))
                return true;
        bool west = s->p < s->end && *s->p == '-';
        if (!take_char(s, "+-") || !take_number(s, 2, 2, &hours))
                return false;
        bool colon = take_char(s, ":");
        if (!take_number(s, 2, 2, &minutes) && colon)
                return false;
        t->v[OFFSET] = (hours * 60 + minutes) * (west ? -60 : 60);
        return hours <= 23 && minutes <= 59;
}

static const char *const months[] = {"January", "February", "March", "April", "May", "June", "July",
        "August", "September", "October", "November", "December"};
static const char *const weekdays[] = {
        "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};

static bool take_name(struct scan *s, const char *const *names, int count, int64_t *out)
{
        for (int i = 0; i < count; i++)
                if (take_word(s, names[i], strlen(names[i])) || take_word(s, names[i], 3)) {
                        *out = i;
                        return true;
                }
        return false;
}

static void pass_blanks(struct scan *s)
{
        while (s->p < s->end && isspace((unsigned char)*s->p))
                s->p++;
}

/* ---- directives ---- */

enum form { NUMBER, MONTH_NAME, DAY_NAME, HALF_NAME, DIGITS, ZONE, BLANKS, PERCENT };

struct directive {
        char letter;
        enum form form;
        enum part part;
        int least, most, low, high;
};

static const struct directive directives[] = {
        {'Y', NUMBER, YEAR, 4, 4, 0, 9999},
        {'y', NUMBER, SHORT_YEAR, 2, 2, 0, 99},
        {'m', NUMBER, MONTH, 1, 2, 0, 12},
        {'d', NUMBER, DAY, 1, 2, 0, 31},
        {'e', NUMBER, DAY, 1, 2, 0, 31},
        {'j', NUMBER, YEAR_DAY, 1, 3, 1, 366},
        {'H', NUMBER, HOUR, 1, 2, 0, 24},
        {'I', NUMBER, HALF_HOUR, 1, 2, 1, 12},
        {'M', NUMBER, MINUTE, 1, 2, 0, 59},
        {'S', NUMBER, SECOND, 1, 2, 0, 60},
        {'f', DIGITS, FRACTION, 0, 0, 0, 0},
        {'p', HALF_NAME, HALF, 0, 0, 0, 0},
        {'z', ZONE, OFFSET, 0, 0, 0, 0},
        {'Z', ZONE, OFFSET, 0, 0, 0, 0},
        {'b', MONTH_NAME, MONTH, 0, 0, 0, 0},
        {'B', MONTH_NAME, MONTH, 0, 0, 0, 0},
        {'h', MONTH_NAME, MONTH, 0, 0, 0, 0},
        {'a', DAY_NAME, WEEKDAY, 0, 0, 0, 0},
        {'A', DAY_NAME, WEEKDAY, 0, 0, 0, 0},
        {'n', BLANKS, PARTS, 0, 0, 0, 0},
        {'t', BLANKS, PARTS, 0, 0, 0, 0},
        {'%', PERCENT, PARTS, 0, 0, 0, 0},
};

static const struct {
        char letter;
        const char *stands_for;
} short_forms[] = {{'T', "%H:%M:%S"}, {'R', "%H:%M"}, {'F', "%Y-%m-%d"}, {'D', "%m/%d/%y"}};

/* Words are patterns too, as far as they can be. */
static const struct {
        const char *word, *pattern;
} words[] = {
        {"rfc3339", NULL},
        {"unix", NULL},
        {"unix_ms", NULL},
        {"odata", NULL},
        {"http", "%a, %d %b %Y %H:%M:%S %Z"},
};
enum word { RFC3339, UNIX, UNIX_MS, ODATA, HTTP, PATTERN };

static enum word word_of(const char *format)
{
        int k = RFC3339;

        while (k < PATTERN && strcmp(format, words[k].word) != 0)
                k++;
        return (enum word)k;
}

static const struct directive *find(char letter)
{
        for (size_t i = 0; i < sizeof(directives) / sizeof(directives[0]); i++)
                if (directives[i].letter == letter)
                        return &directives[i];
        return NULL;
}

static const char *stands_for(char letter)
{
        for (size_t i = 0; i < sizeof(short_forms) / sizeof(short_forms[0]); i++)
                if (short_forms[i].letter == letter)
                        return short_forms[i].stands_for;
        return NULL;
}

/* The pattern of @format without short forms. Return: false where it is too long. */
static bool expand(const char *format, char out[EXPANDED_MAX])
{
        enum word word = word_of(format);
        size_t n = 0;

        for (const char *p = word == HTTP ? words[HTTP].pattern : format; *p; p++) {
                const char *more = *p == '%' ? stands_for(p[1]) : NULL;
                bool pair = *p == '%' && p[1] && !more;
                size_t len = more ? strlen(more) : pair ? 2 : 1;
                if (n + len >= EXPANDED_MAX)
                        return false;
                memcpy(out + n, more ? more : p, len);
                n += len;
                p += more || pair;
        }
        out[n] = '\0';
        return true;
}

int rest_time_check(const char *format, struct err *e)
{
        char pattern[EXPANDED_MAX];
        unsigned has = 0;

        if (word_of(format) != PATTERN)
                return 0;
        if (!strchr(format, '%'))
                return err_set(e, ERR_CONFIG,
                        "'%.40s' is no format of times: write rfc3339, unix, unix_ms, odata, http, "
                        "or a pattern such as %%Y-%%m-%%d %%H:%%M:%%S",
                        format);
        if (!expand(format, pattern))
                return err_set(e, ERR_CONFIG, "the pattern has more than %d bytes", EXPANDED_MAX);
        for (const char *p = strchr(pattern, '%'); p; p = strchr(p + 2, '%')) {
                const struct directive *d = p[1] ? find(p[1]) : NULL;
                if (!d)
                        return err_set(e, ERR_CONFIG,
                                "'%.2s' in '%.40s' is no directive; there are %%Y %%y %%m %%d %%e "
                                "%%j %%b %%B %%H %%I %%p %%M %%S %%f %%z %%Z %%a %%A %%T %%R %%F "
                                "%%D %%%%",
                                p, format);
                has |= BIT(d->part);
        }
        if (!(has & (BIT(YEAR) | BIT(SHORT_YEAR))) ||
                (!(has & BIT(YEAR_DAY)) && (~has & (BIT(MONTH) | BIT(DAY)))))
                return err_set(
                        e, ERR_CONFIG, "'%.40s' names no day: it needs %%Y, %%m and %%d", format);
        return 0;
}

/* ---- reading ---- */

static bool take_directive(struct scan *s, const struct directive *d, struct parts *t)
{
        int64_t *v = &t->v[d->part];

        t->has |= BIT(d->part);
        switch (d->form) {
        case NUMBER:
                if (s->p < s->end && *s->p == ' ' && d->letter == 'e')
                        s->p++;
                return take_number(s, d->least, d->most, v) && *v >= d->low && *v <= d->high;
        case DIGITS:
                return take_fraction(s, t);
        case HALF_NAME:
                *v = s->p < s->end && tolower((unsigned char)*s->p) == 'p' ? 12 : 0;
                return take_word(s, *v ? "PM" : "AM", 2);
        case ZONE:
                return take_offset(s, t);
        case MONTH_NAME:
                return take_name(s, months, 12, v) && ++*v;
        case DAY_NAME:
                return take_name(s, weekdays, 7, v);
        case BLANKS:
                pass_blanks(s);
                return true;
        case PERCENT:
                return take_char(s, "%");
        }
        return false;
}

static bool take_pattern(struct scan *s, const char *pattern, struct parts *t)
{
        for (const char *p = pattern; *p; p++) {
                const struct directive *d = *p == '%' ? find(p[1]) : NULL;
                bool taken;
                if (d) {
                        taken = take_directive(s, d, t);
                        p++;
                } else if (isspace((unsigned char)*p)) {
                        taken = s->p < s->end && isspace((unsigned char)*s->p);
                        pass_blanks(s);
                } else {
                        taken = s->p < s->end && *s->p++ == *p;
                }
                if (!taken)
                        return false;
        }
        return true;
}

static bool take_rfc3339(struct scan *s, struct parts *t)
{
        if (!take_pattern(s, "%Y-%m-%d", t))
                return false;
        if (s->p == s->end)
                return true;
        if (!take_char(s, "Tt ") || !take_pattern(s, "%H:%M", t))
                return false;
        if (take_char(s, ":") && !take_pattern(s, "%S", t))
                return false;
        if (take_char(s, ".,") && !take_fraction(s, t))
                return false;
        return s->p == s->end || take_offset(s, t);
}

/* A number with a fraction, times @unit_us. */
static bool take_count(struct scan *s, int64_t unit_us, int64_t *us)
{
        bool minus = take_char(s, "-");
        int64_t whole;
        struct parts t = {0};

        if (!take_number(s, 1, 15, &whole) || whole > REST_TIME_US_MAX / unit_us)
                return false;
        if (take_char(s, ".") && !take_fraction(s, &t))
                return false;
        *us = whole * unit_us + t.v[FRACTION] * unit_us / SECOND_US;
        if (minus)
                *us = -*us - (t.v[FRACTION] != 0); /* down */
        return *us >= REST_TIME_US_MIN;
}

/* /Date(ms)/, /Date(ms+hhmm)/: the offset is how it was shown, the number is UTC. */
static bool take_odata(struct scan *s, int64_t *us)
{
        struct parts t;

        if (!take_word(s, "/Date(", 6) || !take_count(s, 1000, us))
                return false;
        if (s->p < s->end && *s->p != ')' && !take_offset(s, &t))
                return false;
        return take_word(s, ")/", 2);
}

static bool is_day(const struct parts *t)
{
        return t->v[MONTH] >= 1 && t->v[MONTH] <= 12 && t->v[DAY] >= 1 &&
               t->v[DAY] <= month_days(t->v[YEAR], t->v[MONTH]) &&
               (t->v[HOUR] < 24 || (t->v[MINUTE] == 0 && t->v[SECOND] == 0));
}

static enum rest_time_result to_instant(struct parts *t, const struct tz *zone, int64_t *us)
{
        int64_t days, s;

        if (t->has & BIT(SHORT_YEAR))
                t->v[YEAR] = t->v[SHORT_YEAR] + (t->v[SHORT_YEAR] >= PIVOT_YEAR ? 1900 : 2000);
        if (t->v[YEAR] <= 1)
                return REST_TIME_NONE; /* what those write who have no NULL; MySQL: 0000-00-00 */
        if (t->has & BIT(HALF_HOUR))
                t->v[HOUR] = t->v[HALF_HOUR] % 12 + t->v[HALF];
        if (t->has & BIT(YEAR_DAY)) {
                days = days_of(t->v[YEAR], 1, 1) + t->v[YEAR_DAY] - 1;
        } else {
                if (!is_day(t))
                        return REST_TIME_BAD;
                days = days_of(t->v[YEAR], t->v[MONTH], t->v[DAY]);
        }
        s = days * DAY_S + t->v[HOUR] * 3600 + t->v[MINUTE] * 60;
        s += t->v[SECOND] > 59 ? 59 : t->v[SECOND];
        if (t->has & BIT(OFFSET))
                s -= t->v[OFFSET];
        else if (zone && tz_to_utc(zone, s, &s) != TZ_OK)
                return REST_TIME_NONE;
        *us = s * SECOND_US + t->v[FRACTION];
        return *us <= REST_TIME_US_MAX && *us >= REST_TIME_US_MIN ? REST_TIME_OK : REST_TIME_BAD;
}

enum rest_time_result rest_time_read(
        const char *format, struct str text, const struct tz *zone, int64_t *us)
{
        struct str all = str_trim(text);
        struct scan s = {all.ptr, all.ptr + all.len};
        enum word word = word_of(format);
        char pattern[EXPANDED_MAX];
        struct parts t = {0};
        int64_t found = 0;
        bool taken;

        if (word == ODATA && str_starts(all, STR("/")))
                taken = take_odata(&s, &found);
        else if (word == UNIX || word == UNIX_MS)
                taken = take_count(&s, word == UNIX ? SECOND_US : 1000, &found);
        else if (word == RFC3339 || word == ODATA)
                taken = take_rfc3339(&s, &t);
        else
                taken = expand(format, pattern) && take_pattern(&s, pattern, &t);
        if (!taken || s.p != s.end)
                return REST_TIME_BAD;
        enum rest_time_result result = t.has ? to_instant(&t, zone, &found) : REST_TIME_OK;
        if (result == REST_TIME_OK)
                *us = found;
        return result;
}

/* ---- printing ---- */

int64_t rest_time_unit(const char *format, int64_t precision_ms)
{
        static const struct {
                const char *letters;
                int64_t us;
        } steps[] = {{"f", 1}, {"S", SECOND_US}, {"M", 60 * SECOND_US}, {"HI", 3600 * SECOND_US}};
        int64_t asked = precision_ms * 1000, unit = DAY_S * SECOND_US;
        enum word word = word_of(format);
        char pattern[EXPANDED_MAX];

        if (word == RFC3339)
                return asked ? asked : SECOND_US;
        if (word == UNIX || word == HTTP)
                return asked > SECOND_US ? asked : SECOND_US;
        if (word != PATTERN || !expand(format, pattern))
                return asked > 1000 ? asked : 1000;
        for (size_t i = sizeof(steps) / sizeof(steps[0]); i-- > 0;)
                for (const char *p = strchr(pattern, '%'); p && p[1]; p = strchr(p + 2, '%'))
                        if (strchr(steps[i].letters, p[1]))
                                unit = steps[i].us;
        return asked > unit ? asked : unit;
}

static void set_time(struct parts *t, int64_t us)
{
        int64_t s = floor_div(us, SECOND_US), days = floor_div(s, DAY_S), of_day = s - days * DAY_S;

        set_date(t, days);
        t->v[SHORT_YEAR] = t->v[YEAR] % 100;
        t->v[HOUR] = of_day / 3600;
        t->v[HALF_HOUR] = (t->v[HOUR] + 11) % 12 + 1;
        t->v[MINUTE] = of_day / 60 % 60;
        t->v[SECOND] = of_day % 60;
        t->v[FRACTION] = us - s * SECOND_US;
}

static void put_fraction(struct buf *out, int64_t fraction, int64_t unit_us)
{
        if (unit_us >= 1000)
                buf_printf(out, "%03d", (int)(fraction / 1000));
        else
                buf_printf(out, "%06d", (int)fraction);
}

static void put_directive(
        struct buf *out, const struct directive *d, const struct parts *t, int64_t unit_us)
{
        int v = d->part < PARTS ? (int)t->v[d->part] : 0;

        switch (d->form) {
        case NUMBER:
                buf_printf(out, d->letter == 'e' ? "%*d" : "%0*d", d->most, v);
                break;
        case DIGITS:
                put_fraction(out, t->v[FRACTION], unit_us);
                break;
        case MONTH_NAME:
                buf_put(out, months[v - 1], d->letter == 'B' ? strlen(months[v - 1]) : 3);
                break;
        case DAY_NAME:
                buf_put(out, weekdays[v], d->letter == 'A' ? strlen(weekdays[v]) : 3);
                break;
        case HALF_NAME:
                buf_puts(out, t->v[HOUR] >= 12 ? "PM" : "AM");
                break;
        case ZONE:
                buf_puts(out, d->letter == 'Z' ? "GMT" : "+00:00");
                break;
        case BLANKS:
                buf_putc(out, ' ');
                break;
        case PERCENT:
                buf_putc(out, '%');
                break;
        }
}

static void put_pattern(
        struct buf *out, const char *pattern, const struct parts *t, int64_t unit_us)
{
        for (const char *p = pattern; *p; p++) {
                const struct directive *d = *p == '%' ? find(p[1]) : NULL;
                if (d) {
                        put_directive(out, d, t, unit_us);
                        p++;
                } else {
                        buf_putc(out, *p);
                }
        }
}

static bool has_zone(const char *pattern)
{
        return strstr(pattern, "%z") || strstr(pattern, "%Z");
}

void rest_time_print(const char *format, int64_t us, int64_t unit_us, int64_t less_us,
        const struct tz *zone, struct buf *out)
{
        enum word word = word_of(format);
        char pattern[EXPANDED_MAX] = "";
        struct parts t = {0};

        if (word == PATTERN || word == HTTP)
                (void)expand(format, pattern);
        if (word == PATTERN && zone && !has_zone(pattern)) {
                int64_t until, s = floor_div(us, SECOND_US), local = tz_local_floor(zone, s);
                bool repeats = local != s + tz_offset(zone, s, &until); /* then the fraction too */
                us = local * SECOND_US + (repeats ? 0 : us - s * SECOND_US);
        }
        us = us - REST_TIME_US_MIN > less_us ? us - less_us : REST_TIME_US_MIN;
        us = floor_div(us, unit_us) * unit_us;
        if (us < REST_TIME_US_MIN)
                us = REST_TIME_US_MIN;
        set_time(&t, us);
        if (word == UNIX)
                buf_printf(out, "%lld", (long long)floor_div(us, SECOND_US));
        else if (word == UNIX_MS)
                buf_printf(out, "%lld", (long long)floor_div(us, 1000));
        else if (word == ODATA)
                buf_printf(out, "/Date(%lld)/", (long long)floor_div(us, 1000));
        else
                put_pattern(out, word == RFC3339 ? "%Y-%m-%dT%H:%M:%S" : pattern, &t, unit_us);
        if (word == RFC3339 && unit_us < SECOND_US) {
                buf_putc(out, '.');
                put_fraction(out, t.v[FRACTION], unit_us);
        }
        if (word == RFC3339)
                buf_putc(out, 'Z');
}
