/* Rows of COPY text: a table of cases, and any bytes through the server's own escaping. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "ingest/source/postgres/copy.h"

#define MAX_FIELDS 16

struct copy_case {
        const char *row;
        size_t found;
        const char *fields[8]; /* "\1" stands for NULL */
};

#define IS_NULL "\1"

static const struct copy_case cases[] = {
        {"1\tabc\t2.50\n", 3, {"1", "abc", "2.50"}},
        {"1\tabc\t2.50", 3, {"1", "abc", "2.50"}},
        {"\n", 1, {""}},
        {"", 1, {""}},
        {"\t\n", 2, {"", ""}},
        {"\\N\n", 1, {IS_NULL}},
        {"\\N\t\\N\t\\N\n", 3, {IS_NULL, IS_NULL, IS_NULL}},
        {"a\t\\N\tb\n", 3, {"a", IS_NULL, "b"}},
        {"\\\\N\n", 1, {"\\N"}},
        {"\\Nx\n", 1, {"Nx"}},
        {"x\\N\n", 1, {"xN"}},
        {"a\\tb\\nc\\rd\\be\\ff\\vg\\\\h\n", 1, {"a\tb\nc\rd\be\ff\vg\\h"}},
        {"\\t\t\\t\n", 2, {"\t", "\t"}},
        {"12345678\tabcdefgh\t\\N\t12345\\\\78\n", 4,
                {"12345678", "abcdefgh", IS_NULL, "12345\\78"}},
        {"\x80\x89\xC3\xA9\xDC\t\xFF\n", 2, {"\x80\x89\xC3\xA9\xDC", "\xFF"}},
        {"ends with \\\\\n", 1, {"ends with \\"}},
        {"a\\", 1, {"a\\"}},
};

static void check_row(const struct copy_case *c, struct value *values, size_t found)
{
        assert_int_equal(found, c->found);
        for (size_t i = 0; i < found; i++) {
                if (strcmp(c->fields[i], IS_NULL) == 0) {
                        assert_null(values[i].ptr);
                        continue;
                }
                assert_non_null(values[i].ptr);
                assert_int_equal(values[i].len, strlen(c->fields[i]));
                assert_memory_equal(values[i].ptr, c->fields[i], values[i].len);
        }
}

static void rows_are_taken_apart(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct value values[MAX_FIELDS];
                size_t len = strlen(cases[i].row);
                char *row = malloc(len + 1); /* no byte more: the sanitizer sees a read behind */

                memcpy(row, cases[i].row, len + 1);
                check_row(&cases[i], values, pg_copy_parse(row, len, values, MAX_FIELDS));
                free(row);
        }
}

static void other_counts_of_columns_are_seen(void **state)
{
        struct value values[3];
        char two[] = "a\tb\n", three[] = "a\tb\tc\n", four[] = "a\tb\tc\td\n";

        (void)state;
        assert_int_equal(pg_copy_parse(two, strlen(two), values, 3), 2);
        assert_int_equal(pg_copy_parse(three, strlen(three), values, 3), 3);
        assert_int_equal(pg_copy_parse(four, strlen(four), values, 3), 4);
}

/* What the server does (CopyAttributeOutText). */
static size_t put_escaped(char *out, const char *bytes, size_t len)
{
        static const char plain[] = "\b\f\n\r\t\v\\", escaped[] = "bfnrtv\\";
        size_t n = 0;

        for (size_t i = 0; i < len; i++) {
                const char *at = bytes[i] ? strchr(plain, bytes[i]) : NULL;
                if (at)
                        out[n++] = '\\';
                out[n++] = at ? escaped[at - plain] : bytes[i];
        }
        return n;
}

static void any_bytes_come_back(void **state)
{
        static const char alphabet[] = "ab\t\n\\\r\v\f\bN\x80\xFF 0";

        (void)state;
        srand(7);
        for (int round = 0; round < 20000; round++) {
                char bytes[MAX_FIELDS][40], row[MAX_FIELDS * 81 + 2];
                size_t lens[MAX_FIELDS], count = 1 + rand() % MAX_FIELDS, n = 0;
                struct value values[MAX_FIELDS];
                bool nulls[MAX_FIELDS];

                for (size_t i = 0; i < count; i++) {
                        nulls[i] = rand() % 5 == 0;
                        lens[i] = rand() % 40;
                        for (size_t k = 0; k < lens[i]; k++)
                                bytes[i][k] = alphabet[rand() % (sizeof(alphabet) - 1)];
                        n += nulls[i] ? (size_t)snprintf(row + n, 3, "\\N")
                                      : put_escaped(row + n, bytes[i], lens[i]);
                        row[n++] = i + 1 < count ? '\t' : '\n';
                }
                row[n] = '\0';
                assert_int_equal(pg_copy_parse(row, n, values, MAX_FIELDS), count);
                for (size_t i = 0; i < count; i++) {
                        assert_int_equal(values[i].ptr == NULL, nulls[i]);
                        if (nulls[i])
                                continue;
                        assert_int_equal(values[i].len, lens[i]);
                        assert_memory_equal(values[i].ptr, bytes[i], lens[i]);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(rows_are_taken_apart),
                cmocka_unit_test(other_counts_of_columns_are_seen),
                cmocka_unit_test(any_bytes_come_back),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
