/*
 * Both clocks are read through the vDSO; neither call enters the kernel. The calendar is computed
 * here because gmtime_r() takes the C library's time zone lock.
 */
#include "ingest/base/clock.h"

#include <time.h>

static int64_t read_us(clockid_t id)
{
        struct timespec t;

        clock_gettime(id, &t); /* cannot fail for these clocks with a valid pointer */
        return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_monotonic_ms(void)
{
        return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_monotonic_us(void)
{
        return read_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_us(void)
{
        return read_us(CLOCK_REALTIME);
}

/* Years before 0000 or after 9999 have no RFC 3339 form: the nearest one that has is shown. */
#define RFC3339_FIRST_US (INT64_C(-62167219200) * 1000000)
#define RFC3339_LAST_US  (INT64_C(253402300799) * 1000000 + 999999)

static char *put_digits(char *p, int64_t value, int digits)
{
        for (int i = digits - 1; i >= 0; i--) {
                p[i] = (char)('0' + value % 10);
                value /= 10;
        }
        return p + digits;
}

char *clock_rfc3339(int64_t wall_us, char out[CLOCK_RFC3339_MAX])
{
        if (wall_us < RFC3339_FIRST_US)
                wall_us = RFC3339_FIRST_US;
        if (wall_us > RFC3339_LAST_US)
                wall_us = RFC3339_LAST_US;
        int64_t us_of_day = wall_us % 86400000000;
        int64_t days = wall_us / 86400000000;
        if (us_of_day < 0) {
                us_of_day += 86400000000;
                days--;
        }
        /* Days to year, month, day with years that begin in March: the leap day comes last. */
        int64_t z = days + 719468;
        int64_t era = (z >= 0 ? z : z - 146096) / 146097;
        int64_t of_era = z - era * 146097;
        int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
        int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
        int month = (int)((5 * of_year + 2) / 153);
        int day = (int)(of_year - (153 * month + 2) / 5) + 1;
        month += month < 10 ? 3 : -9;
        year += era * 400 + (month <= 2);
        int64_t ms = us_of_day / 1000, seconds = ms / 1000;
        const struct {
                int64_t value;
                int digits;
                char behind;
        } parts[] = {{year, 4, '-'}, {month, 2, '-'}, {day, 2, 'T'}, {seconds / 3600, 2, ':'},
                {seconds / 60 % 60, 2, ':'}, {seconds % 60, 2, '.'}, {ms % 1000, 3, 'Z'}};
        char *p = out;
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
                p = put_digits(p, parts[i].value, parts[i].digits);
                *p++ = parts[i].behind;
        }
        *p = '\0';
        return out;
}

bool clock_rfc3339_parse(const char *text, int64_t *wall_us)
{
        struct tm tm = {.tm_year = 0};
        const char *p = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
        int64_t ms = 0;

        if (!p || *p++ != '.')
                return false;
        for (int i = 0; i < 3; i++, p++) {
                if (*p < '0' || *p > '9')
                        return false;
                ms = ms * 10 + (*p - '0');
        }
        if (*p != 'Z' || p[1])
                return false;
        *wall_us = ((int64_t)timegm(&tm) * 1000 + ms) * 1000;
        return true;
}
