/*
 * A format and values for it: the first line begins with d (dates) or n (numbers), then the format;
 * each further line is a value. A format is compiled or refused; a value becomes a day that is in
 * the calendar, or a decimal with the digits of the text, or is refused inside its bytes.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "mappers/format.h"

#define ARENA_BYTES (1 << 16)
#define MAX_SCRATCH (1 << 20)

static void require(bool what)
{
        if (!what)
                abort();
}

static bool all_digits(struct str s)
{
        for (size_t i = 0; i < s.len; i++)
                if (s.ptr[i] < '0' || s.ptr[i] > '9')
                        return false;
        return true;
}

static void check_time(const struct format *f, struct str text)
{
        cleanup_buf_ struct buf scratch = {.max = MAX_SCRATCH}, expected = {.max = MAX_SCRATCH};
        struct format_time t;
        struct civil back;

        enum format_result result = format_read_time(f, text, &scratch, &t);
        require(result >= FORMAT_OK && result < FORMAT_RESULTS);
        if (result != FORMAT_OK && result != FORMAT_EMPTY) {
                require(t.at <= text.len);
                if (t.item)
                        format_put_expected(t.item, &expected);
                return;
        }
        if (result != FORMAT_OK)
                return;
        const struct civil *c = &t.civil;
        require(c->year >= 1 && c->year <= 9999 && c->month >= 1 && c->month <= 12);
        require(c->day >= 1 && c->day <= civil_month_days(c->year, c->month));
        require(c->hour >= 0 && c->hour < 24 && c->minute >= 0 && c->minute < 60);
        require(c->second >= 0 && c->second < 60 && all_digits(c->fraction));
        require(c->fraction.len == 0 || c->fraction.ptr[c->fraction.len - 1] != '0');
        require(c->has_offset || c->offset_s == 0);
        require(c->offset_s > -86400 && c->offset_s < 86400);
        civil_set_seconds(&back, civil_seconds(c));
        require(back.year == c->year && back.month == c->month && back.day == c->day &&
                back.hour == c->hour && back.minute == c->minute && back.second == c->second);
}

static void put_digits(struct buf *out, struct str s)
{
        for (size_t i = 0; i < s.len; i++)
                if (s.ptr[i] >= '0' && s.ptr[i] <= '9' && (out->len > 0 || s.ptr[i] != '0'))
                        buf_putc(out, s.ptr[i]);
}

static void check_number(const struct format *f, struct str text)
{
        cleanup_buf_ struct buf scratch = {.max = MAX_SCRATCH}, expanded = {.max = MAX_SCRATCH};
        cleanup_buf_ struct buf written = {.max = MAX_SCRATCH}, read = {.max = MAX_SCRATCH};
        cleanup_buf_ struct buf plain = {.max = MAX_SCRATCH};
        struct decimal d, again;
        size_t at;

        enum format_result result = format_read_number(f, text, &scratch, &d, &at);
        require(at <= text.len);
        if (result != FORMAT_OK)
                return;
        require(all_digits(d.whole) && all_digits(d.fraction));
        require(d.whole.len == 0 || *d.whole.ptr != '0');
        put_digits(&written, text);
        put_digits(&read, d.whole);
        put_digits(&read, d.fraction);
        require(str_eq(buf_str(&written), buf_str(&read)));
        require(decimal_put(&d, DECIMAL_AS_IS, ROUND_NONE, &plain));
        require(decimal_parse(buf_str(&plain), &expanded, &again));
        require(str_eq(again.whole, d.whole) && str_eq(again.fraction, d.fraction));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const enum field_type dates[] = {FIELD_TYPE_DATE, FIELD_TYPE_DATETIME};
        static const enum field_type numbers[] = {FIELD_TYPE_DECIMAL, FIELD_TYPE_INTEGER};
        cleanup_(arena_freep) struct arena *arena = arena_new(ARENA_BYTES);
        const char *p = (const char *)data, *end = p + size;
        const struct format *f = NULL;
        struct err e = {.text = ""};

        if (!arena || size < 1)
                return 0;
        const char *stop = memchr(p, '\n', size);
        if (!stop)
                stop = end;
        bool is_number = *p == 'n';
        struct str text = {p + 1, stop > p ? (size_t)(stop - p) - 1 : 0};
        int rc = format_compile(arena, text, (is_number ? numbers : dates)[size % 2], &f, &e);
        require(rc == 0 ? f != NULL : rc == -ERR_CONFIG && e.text[0] && !f);
        for (p = stop; !rc && p < end; p = stop) {
                p++;
                stop = memchr(p, '\n', (size_t)(end - p));
                if (!stop)
                        stop = end;
                (is_number ? check_number : check_time)(f, (struct str){p, (size_t)(stop - p)});
        }
        return 0;
}
