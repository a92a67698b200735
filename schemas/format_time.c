/* RFC 3339: dates and times of section 5.6, durations of appendix A. */
#include "schemas/format.h"

static bool take_char(struct str *s, char c)
{
        if (s->len == 0 || *s->ptr != c)
                return false;
        s->ptr++;
        s->len--;
        return true;
}

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

/* Exactly @count digits; -1: there are not. */
static int take_digits(struct str *s, size_t count)
{
        int value = 0;

        if (s->len < count)
                return -1;
        for (size_t i = 0; i < count; i++) {
                if (!is_digit(s->ptr[i]))
                        return -1;
                value = value * 10 + (s->ptr[i] - '0');
        }
        s->ptr += count;
        s->len -= count;
        return value;
}

static int days_of(int year, int month)
{
        static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

        return days[month - 1] + (month == 2 && leap);
}

static bool take_date(struct str *s)
{
        int year = take_digits(s, 4);
        int month = year >= 0 && take_char(s, '-') ? take_digits(s, 2) : -1;
        int day = month >= 1 && month <= 12 && take_char(s, '-') ? take_digits(s, 2) : -1;

        return day >= 1 && day <= days_of(year, month);
}

/* Z or +hh:mm; *minutes: east of UTC. */
static bool take_offset(struct str *s, int *minutes)
{
        bool west = s->len > 0 && *s->ptr == '-';

        *minutes = 0;
        if (take_char(s, 'Z') || take_char(s, 'z'))
                return true;
        if (!take_char(s, '+') && !take_char(s, '-'))
                return false;
        int hour = take_digits(s, 2);
        int minute = hour >= 0 && hour < 24 && take_char(s, ':') ? take_digits(s, 2) : -1;
        if (minute < 0 || minute > 59)
                return false;
        *minutes = (west ? -1 : 1) * (hour * 60 + minute);
        return true;
}

static bool take_fraction(struct str *s)
{
        size_t n = 0;

        if (!take_char(s, '.'))
                return true;
        while (n < s->len && is_digit(s->ptr[n]))
                n++;
        s->ptr += n;
        s->len -= n;
        return n > 0;
}

#define DAY_MINUTES (24 * 60)

static bool take_time(struct str *s)
{
        int hour = take_digits(s, 2), offset;
        int minute = hour >= 0 && hour < 24 && take_char(s, ':') ? take_digits(s, 2) : -1;
        int second = minute >= 0 && minute < 60 && take_char(s, ':') ? take_digits(s, 2) : -1;

        if (second < 0 || second > 60 || !take_fraction(s) || !take_offset(s, &offset))
                return false;
        /* A leap second is the last one of a day in UTC. */
        int utc = (hour * 60 + minute - offset + DAY_MINUTES) % DAY_MINUTES;
        return second < 60 || utc == DAY_MINUTES - 1;
}

bool format_date(struct str s)
{
        return take_date(&s) && s.len == 0;
}

bool format_time(struct str s)
{
        return take_time(&s) && s.len == 0;
}

bool format_date_time(struct str s)
{
        return take_date(&s) && (take_char(&s, 'T') || take_char(&s, 't')) && take_time(&s) &&
               s.len == 0;
}

/* Numbers with a unit each, of @units in this order, without a gap between the first and the last.
 * Return: how many; -1: something else stands here. */
static int take_units(struct str *s, const char *units)
{
        const char *next = NULL;
        int count = 0;

        while (s->len > 0 && *s->ptr != 'T') {
                size_t n = 0;
                while (n < s->len && is_digit(s->ptr[n]))
                        n++;
                if (n == 0 || n == s->len)
                        return -1;
                const char *unit = s->ptr[n] ? strchr(units, s->ptr[n]) : NULL;
                if (!unit || (next && unit != next))
                        return -1;
                next = unit + 1;
                s->ptr += n + 1;
                s->len -= n + 1;
                count++;
        }
        return count;
}

bool format_duration(struct str s)
{
        struct str weeks = s;

        if (take_char(&weeks, 'P') && take_units(&weeks, "W") == 1 && weeks.len == 0)
                return true;
        if (!take_char(&s, 'P'))
                return false;
        int dates = take_units(&s, "YMD");
        if (dates < 0 || !take_char(&s, 'T'))
                return dates > 0 && s.len == 0;
        return take_units(&s, "HMS") > 0 && s.len == 0;
}
