/*
 * bench_schema: nanoseconds of CPU for checking one document, by what its schema asks for.
 *
 *     bench_schema [ROUNDS]
 *
 * The document is a mapper's body of 12 fields. "tree" is the same check when the schema has
 * something that the quick path leaves alone; "refused" a document with a fault, message included.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "schemas/schema.h"

static const char body[] =
        "\"type\":\"product\",\"sku\":\"ACME-10023\",\"name\":\"Hexagon bolt M8 x 40, zinc\","
        "\"price\":\"12.50\",\"currency\":\"EUR\",\"active\":true,\"stock\":1840,"
        "\"category\":\"category:17\",\"weight\":\"0.041\",\"ean\":\"4006381333931\","
        "\"updated\":\"2026-03-01T12:30:45Z\",\"note\":null";
static const char refused[] = "\"type\":\"product\",\"sku\":\"ACME-10023\",\"name\":\"\"";

#define COMMON                                                                                     \
        "\"type\":\"object\",\"required\":[\"type\",\"sku\",\"name\",\"price\"],\"properties\":{"  \
        "\"type\":{\"const\":\"product\"},\"sku\":{\"type\":\"string\",\"maxLength\":40},"         \
        "\"name\":{\"type\":\"string\",\"minLength\":1},"                                          \
        "\"currency\":{\"enum\":[\"EUR\",\"USD\",\"GBP\",\"CHF\",\"SEK\",\"DKK\"]},"               \
        "\"active\":{\"type\":\"boolean\"},\"stock\":{\"type\":\"integer\",\"minimum\":0},"        \
        "\"category\":{\"type\":[\"string\",\"null\"]},\"note\":{\"type\":[\"string\",\"null\"]}"
#define PLAIN                                                                                      \
        ",\"price\":{\"type\":\"string\"},\"weight\":{\"type\":\"string\"},"                       \
        "\"ean\":{\"type\":\"string\"},\"updated\":{\"type\":\"string\"}}"
#define PATTERNS                                                                                   \
        ",\"price\":{\"$ref\":\"#/$defs/decimal\"},\"weight\":{\"$ref\":\"#/$defs/decimal\"},"     \
        "\"ean\":{\"type\":\"string\",\"pattern\":\"^[0-9]{8,14}$\"},"                             \
        "\"updated\":{\"type\":\"string\",\"format\":\"date-time\"}},"                             \
        "\"$defs\":{\"decimal\":{\"type\":\"string\",\"pattern\":\"^-?[0-9]+(\\\\.[0-9]+)?$\"}}"

static const struct {
        const char *name, *schema, *body;
} cases[] = {
        {"types and limits", "{" COMMON PLAIN ",\"additionalProperties\":false}", body},
        {"patterns, $ref, format", "{" COMMON PATTERNS ",\"additionalProperties\":false}", body},
        {"tree", "{" COMMON PATTERNS ",\"unevaluatedProperties\":false}", body},
        {"refused", "{" COMMON PATTERNS ",\"additionalProperties\":false}", refused},
};

static double cpu_ns(void)
{
        struct rusage u;

        getrusage(RUSAGE_SELF, &u);
        return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e9 +
               (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e3;
}

static int measure(size_t i, long rounds)
{
        struct schema_options options = {.assert_formats = true};
        cleanup_(schema_freep) struct schema *s = NULL;
        cleanup_(schema_checker_freep) struct schema_checker *c = NULL;
        struct schema_fault fault;
        struct err e = {0};
        long faults = 0;

        if (schema_compile_text(str_of(cases[i].schema), "bench", &options, &s, &e)) {
                fprintf(stderr, "bench_schema: %s\n", e.text);
                return 1;
        }
        c = schema_checker_new(s);
        if (!c)
                return 70;
        double start = cpu_ns();
        for (long k = 0; k < rounds; k++)
                faults += schema_check(c, str_of(cases[i].body), SCHEMA_MEMBERS, &fault, &e) != 0;
        double ns = (cpu_ns() - start) / (double)rounds;
        printf("%-24s %7.0f ns  %s%s\n", cases[i].name, ns, faults ? "refused" : "fits",
                schema_is_quick(s) ? ", quick" : "");
        return 0;
}

int main(int argc, char **argv)
{
        long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 1000000;
        int rc = 0;

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]) && !rc; i++)
                rc = measure(i, rounds);
        return rc;
}
