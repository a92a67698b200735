/* Any text as a date, a time and both: what is one is written again, and means the same. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "mappers/calendar.h"

#define TEXT_BYTES (CIVIL_DATE_BYTES + 1 + CIVIL_TIME_BYTES)

static void require(bool holds)
{
        if (!holds)
                abort();
}

static void put(char to[TEXT_BYTES], const struct civil *c)
{
        char *p = civil_put_date(to, c);

        *p++ = 'T';
        require(civil_put_time(p, c) == to + TEXT_BYTES);
}

static void check_fields(const struct civil *c)
{
        require(c->year >= 1 && c->year <= 9999 && c->month >= 1 && c->month <= 12);
        require(c->day >= 1 && c->day <= 31);
        require(c->hour >= 0 && c->hour <= 24 && c->minute >= 0 && c->minute <= 59);
        require(c->second >= 0 && c->second <= 59);
        require(c->fraction.len == 0 || c->fraction.ptr[c->fraction.len - 1] != '0');
}

static void check_both(struct str text)
{
        struct civil c, again;
        char first[TEXT_BYTES], second[TEXT_BYTES];

        if (civil_parse(text, &c) != CIVIL_OK)
                return;
        check_fields(&c);
        require(!c.has_offset || (c.offset_s > -86400 && c.offset_s < 86400));
        put(first, &c);
        require(civil_parse((struct str){first, TEXT_BYTES}, &again) == CIVIL_OK);
        require(civil_seconds(&again) == civil_seconds(&c) && !again.has_offset);
        /* through the number of seconds and back; 24:00:00 is the next day then */
        civil_set_seconds(&again, civil_seconds(&c));
        require(civil_seconds(&again) == civil_seconds(&c));
        put(second, &again);
        require(c.hour == 24 || memcmp(first, second, TEXT_BYTES) == 0);
}

static void check_parts(struct str text)
{
        struct civil c;
        char date[CIVIL_DATE_BYTES], time[CIVIL_TIME_BYTES];

        if (civil_parse_date(text, &c) == CIVIL_OK) {
                civil_put_date(date, &c);
                require(str_eq(text, (struct str){date, sizeof(date)}));
        }
        if (civil_parse_time(text, &c) == CIVIL_OK) {
                civil_put_time(time, &c);
                require(str_starts(text, (struct str){time, sizeof(time)}));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct str text = {(const char *)data, size};

        check_both(text);
        check_parts(text);
        return 0;
}
