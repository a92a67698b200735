/*
 * A reset that is a time is one of the server's clock: it counts from the reply's Date, so that a
 * clock that is wrong, theirs or ours, costs nothing. What is no number is passed over: a limit
 * that is not understood shows as 429 soon enough.
 */
#include "ingest/source/rest/limits.h"

#include <strings.h>

#define UNIX_S   INT64_C(1000000000)    /* from here on a time in s: 2001; as seconds 31 years */
#define UNIX_MS  INT64_C(1000000000000) /* and a time in ms */
#define WAIT_MAX (7 * 86400)            /* s; a server that asks for more is not believed */

enum { WHOLE, MINUTE, FIELD }; /* windows */
enum part { REMAINING, RESET, BOTH };

static const struct {
        const char *name;
        int window;
        enum part part;
        int64_t reset; /* s that the name implies; 0: none */
} headers[] = {
        {"RateLimit", FIELD, BOTH, 0},
        {"RateLimit-Remaining", WHOLE, REMAINING, 0},
        {"RateLimit-Reset", WHOLE, RESET, 0},
        {"X-RateLimit-Remaining", WHOLE, REMAINING, 0},
        {"X-RateLimit-Reset", WHOLE, RESET, 0},
        {"X-Rate-Limit-Remaining", WHOLE, REMAINING, 0},
        {"X-Rate-Limit-Reset", WHOLE, RESET, 0},
        {"X-RateLimit-Minutely-Remaining", MINUTE, REMAINING, 60},
        {"X-RateLimit-Minutely-Reset", MINUTE, RESET, 0},
        {"X-MinLimit-Remaining", MINUTE, REMAINING, 60},
};

void rest_limits_init(struct rest_limits *l)
{
        *l = (struct rest_limits){0};
        for (int i = 0; i < REST_LIMIT_WINDOWS; i++)
                l->windows[i].remaining = l->windows[i].reset = -1;
}

/* The number that @s begins with ("12", "12.5", "10, 10;w=1"). Return: -1 for none (a date). */
static int64_t leading_number(struct str s)
{
        int64_t n = 0;
        size_t i = 0;

        for (; i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9'; i++) {
                if (n > UNIX_MS * 1000)
                        return -1;
                n = n * 10 + (s.ptr[i] - '0');
        }
        return i > 0 && (i == s.len || strchr(".,; ", s.ptr[i])) ? n : -1;
}

/* Whether "name=value", without blanks around, is called one of two names. */
static bool named(struct str item, const char *name, const char *other, int64_t *value)
{
        const char *equals = memchr(item.ptr, '=', item.len);

        if (!equals)
                return false;
        struct str key = str_trim((struct str){item.ptr, (size_t)(equals - item.ptr)});
        if (!str_is(key, name) && !str_is(key, other))
                return false;
        *value = leading_number(
                str_trim((struct str){equals + 1, (size_t)(item.ptr + item.len - equals - 1)}));
        return true;
}

/* Members are separated by commas in the older draft, their parameters by semicolons in the newer:
 * there several windows may stand, and the one with the fewest left counts. */
static void take_field(struct rest_limits *l, struct str value)
{
        int64_t remaining = -1, reset = -1, n;

        for (size_t from = 0, i = 0; i <= value.len; i++) {
                if (i < value.len && value.ptr[i] != ',' && value.ptr[i] != ';')
                        continue;
                struct str item = {value.ptr + from, i - from};
                from = i + 1;
                if (named(item, "remaining", "r", &n))
                        remaining = n;
                else if (named(item, "reset", "t", &n))
                        reset = n;
                if (remaining < 0 || reset < 0)
                        continue;
                if (l->windows[FIELD].remaining < 0 || remaining < l->windows[FIELD].remaining) {
                        l->windows[FIELD].remaining = remaining;
                        l->windows[FIELD].reset = reset;
                }
                remaining = reset = -1;
        }
}

bool rest_limits_header(struct rest_limits *l, struct str name, struct str value)
{
        for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++) {
                if (name.len != strlen(headers[i].name) ||
                        strncasecmp(name.ptr, headers[i].name, name.len) != 0)
                        continue;
                l->any = true;
                int w = headers[i].window;
                if (headers[i].part == BOTH)
                        take_field(l, value);
                else if (headers[i].part == REMAINING)
                        l->windows[w].remaining = leading_number(value);
                else
                        l->windows[w].reset = leading_number(value);
                if (headers[i].reset && l->windows[w].reset < 0)
                        l->windows[w].reset = headers[i].reset;
                return true;
        }
        return false;
}

static int64_t seconds_left(int64_t reset, int64_t server_us)
{
        int64_t left = reset;

        if (reset >= UNIX_MS)
                left = reset / 1000 - server_us / 1000000;
        else if (reset >= UNIX_S)
                left = reset - server_us / 1000000;
        if (left < 0)
                return 0;
        return left < WAIT_MAX ? left : WAIT_MAX;
}

bool rest_limits_get(const struct rest_limits *l, int64_t now_us, int64_t server_us,
        int64_t *remaining, int64_t *reset_us)
{
        bool found = false;

        for (int i = 0; l->any && i < REST_LIMIT_WINDOWS; i++) {
                if (l->windows[i].remaining < 0 || l->windows[i].reset < 0)
                        continue;
                if (found && l->windows[i].remaining >= *remaining)
                        continue;
                *remaining = l->windows[i].remaining;
                *reset_us = now_us + 1000000 * seconds_left(l->windows[i].reset,
                                                       server_us >= 0 ? server_us : now_us);
                found = true;
        }
        return found;
}
