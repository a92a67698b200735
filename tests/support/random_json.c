/* SplitMix64 drives everything. */
#include "tests/support/random_json.h"

#include <math.h>
#include <stdio.h>

#include "ingest/record/json.h"

#define MAX_TEXT (1 << 20)
#define DEPTH    4

uint64_t random_next(uint64_t *state)
{
        uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));

        z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
        return z ^ (z >> 31);
}

double random_double(uint64_t *state)
{
        uint64_t bits = random_next(state);
        double d;

        switch (bits % 5) {
        case 0:
                return (double)(int64_t)random_next(state) / 1e13;
        case 1:
                return (double)(int64_t)(random_next(state) % 200000000) / 1000;
        case 2:
                return ldexp(1, (int)(random_next(state) % 2040) - 1020);
        default:
                memcpy(&d, &bits, sizeof(d));
                return isfinite(d) ? d : 0.5;
        }
}

static void put_both(struct random_pair *p, const char *text)
{
        buf_puts(&p->canonical, text);
        buf_puts(&p->other, text);
        if (random_next(&p->seed) % 3 == 0)
                buf_puts(&p->other, random_next(&p->seed) % 2 ? " " : "\n\t");
}

static void put_string(struct random_pair *p, const char *prefix)
{
        static const struct {
                const char *canonical, *other;
        } parts[] = {
                {"a", "\\u0061"},
                {"Zz 9", "Zz 9"},
                {"\\\"", "\\u0022"},
                {"\\\\", "\\u005C"},
                {"/", "\\/"},
                {"\\n", "\\u000a"},
                {"\\u001f", "\\u001F"},
                {"\\u0000", "\\u0000"},
                {"\xC3\xA9", "\\u00e9"},
                {"\xF0\x9F\x98\x80", "\\uD83D\\ude00"},
        };
        uint64_t count = random_next(&p->seed) % 6;

        buf_printf(&p->canonical, "\"%s", prefix);
        buf_printf(&p->other, "\"%s", prefix);
        for (uint64_t i = 0; i < count; i++) {
                size_t k = random_next(&p->seed) % (sizeof(parts) / sizeof(parts[0]));
                buf_puts(&p->canonical, parts[k].canonical);
                buf_puts(&p->other, parts[k].other);
        }
        put_both(p, "\"");
}

static void put_number(struct random_pair *p)
{
        int64_t n = (int64_t)(random_next(&p->seed) % 2000000) - 1000000;
        char text[64];

        switch (random_next(&p->seed) % 4) {
        case 0:
                snprintf(text, sizeof(text), "%lld", (long long)n);
                put_both(p, text);
                break;
        case 1:
                snprintf(text, sizeof(text), "%lld%018llu", (long long)n + (n >= 0) * 1000001,
                        (unsigned long long)(random_next(&p->seed) % UINT64_C(1000000000000)));
                put_both(p, text);
                break;
        case 2:
                json_put_double(&p->canonical, (double)n / 1000);
                buf_printf(&p->other, n % 2 ? "%llde-3" : "%lld000E-6", (long long)n);
                break;
        default:
                n = (int64_t)p->canonical.len;
                json_put_double(&p->canonical, random_double(&p->seed));
                buf_put(&p->other, p->canonical.data + n, p->canonical.len - (size_t)n);
                break;
        }
}

static void put_value(struct random_pair *p, int depth);

static void put_container(struct random_pair *p, bool object, int depth)
{
        uint64_t count = 1 + random_next(&p->seed) % 4;

        put_both(p, object ? "{" : "[");
        for (uint64_t i = 0; i < count; i++) {
                char name[8];

                snprintf(name, sizeof(name), "k%d", (int)i);
                if (i > 0)
                        put_both(p, ",");
                if (object) {
                        put_string(p, name);
                        put_both(p, ":");
                }
                put_value(p, depth - 1);
        }
        put_both(p, object ? "}" : "]");
}

static void put_value(struct random_pair *p, int depth)
{
        static const char *const words[] = {"null", "true", "false", "{}", "[]"};
        uint64_t kind = random_next(&p->seed) % (depth > 0 ? 6 : 3);

        if (kind == 0)
                put_string(p, "");
        else if (kind == 1)
                put_number(p);
        else if (kind == 2)
                put_both(p, words[random_next(&p->seed) % 5]);
        else
                put_container(p, kind > 3, depth);
}

void random_pair_init(struct random_pair *p, uint64_t seed)
{
        p->seed = seed;
        buf_init(&p->canonical, MAX_TEXT);
        buf_init(&p->other, MAX_TEXT);
}

void random_pair_next(struct random_pair *p)
{
        uint64_t count = random_next(&p->seed) % 5;

        buf_clear(&p->canonical);
        buf_clear(&p->other);
        buf_puts(&p->other, "{\"_id\":\"a\", \"_rev\":\"1-a7a7\"");
        for (uint64_t i = 0; i < count; i++) {
                char name[8];

                snprintf(name, sizeof(name), "f%d", (int)i);
                buf_puts(&p->canonical, i > 0 ? "," : "");
                buf_puts(&p->other, ",");
                put_string(p, name);
                put_both(p, ":");
                put_value(p, DEPTH);
                if (random_next(&p->seed) % 4 == 0)
                        buf_puts(&p->other, ",\"_attachments\":{\"a\":{\"stub\":true}}");
        }
        buf_puts(&p->other, "}");
}

void random_pair_deinit(struct random_pair *p)
{
        buf_deinit(&p->canonical);
        buf_deinit(&p->other);
}
