/*
 * Orders of keys, merges and groups: tables of cases, then random streams against an
 * implementation that keeps everything in memory. Streams say ROW_WAIT at random, and every byte
 * of a row must be given back exactly once.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "ingest/source/group.h"
#include "ingest/source/merge.h"

static size_t rows_out; /* handed over and not given back */

static struct value value_of(const char *z)
{
        return (struct value){z, z ? (uint32_t)strlen(z) : 0};
}

/* ---- a stream from a table ---- */

struct fake_row {
        const char *fields[4]; /* NULL is NULL */
        size_t size;           /* 0: as long as its text */
};

struct fake {
        const struct fake_row *rows;
        size_t count, columns, at;
        int waits; /* one in so many calls has nothing yet; 0: never */
        int fail_at;
        struct value values[4];
};

static int fake_next(void *ctx, struct row *out, struct err *e)
{
        struct fake *f = ctx;
        char *bytes, *p;

        if (f->waits && rand() % f->waits == 0)
                return ROW_WAIT;
        if (f->fail_at && (size_t)f->fail_at == f->at)
                return err_set(e, ERR_RETRY, "the stream broke");
        if (f->at == f->count)
                return ROW_END;
        const struct fake_row *row = &f->rows[f->at++];
        bytes = p = calloc(4, 64);
        memset(f->values, 0x55, sizeof(f->values)); /* a stream's values do not last */
        for (size_t i = 0; i < f->columns; i++) {
                f->values[i] = (struct value){NULL, 0};
                if (!row->fields[i])
                        continue;
                size_t len = strlen(row->fields[i]);
                memcpy(p, row->fields[i], len);
                f->values[i] = (struct value){p, (uint32_t)len};
                p += len;
        }
        *out = (struct row){f->values, bytes, row->size ? row->size : (size_t)(p - bytes)};
        rows_out++;
        return 0;
}

static void fake_release(char *bytes)
{
        assert_non_null(bytes);
        assert_true(rows_out > 0);
        rows_out--;
        free(bytes);
}

static struct row_stream stream_of(struct fake *f)
{
        return (struct row_stream){fake_next, fake_release, f};
}

/* ---- what comes out, as text ---- */

static void put_row(struct buf *out, const struct value *row, size_t columns)
{
        for (size_t i = 0; i < columns; i++) {
                if (i)
                        buf_putc(out, ',');
                if (row[i].ptr)
                        buf_put(out, row[i].ptr, row[i].len);
                else
                        buf_putc(out, '-');
        }
}

/* "1,a[x1 x2][]" for each record, "!1" for a reject. Return: of the last call. */
static int run(struct assembler *a, size_t columns, const size_t *child_columns, size_t children,
        struct buf *out, struct err *e)
{
        struct assembled got;
        int rc;

        while ((rc = assembler_next(a, &got, e)) != RECORD_END && rc >= 0) {
                if (rc == RECORD_WAIT)
                        continue;
                if (rc == RECORD_REJECT) {
                        assert_non_null(got.reason);
                        buf_putc(out, '!');
                        put_row(out, got.key_row, 1);
                        buf_putc(out, ';');
                        continue;
                }
                put_row(out, got.record.row, columns);
                for (size_t i = 0; i < children; i++) {
                        const struct child_rows *c = &got.record.children[i];

                        buf_putc(out, '[');
                        for (size_t k = 0; k < c->count; k++) {
                                if (k)
                                        buf_putc(out, ' ');
                                put_row(out, c->values + k * child_columns[i], child_columns[i]);
                        }
                        buf_putc(out, ']');
                }
                buf_putc(out, ';');
        }
        return rc;
}

/* ---- orders ---- */

struct order_case {
        enum row_order order;
        const char *a, *b;
        int sign;
};

static const struct order_case order_cases[] = {
        {ROW_ORDER_DECIMAL, "1", "1", 0},
        {ROW_ORDER_DECIMAL, "9", "10", -1},
        {ROW_ORDER_DECIMAL, "-9", "-10", 1},
        {ROW_ORDER_DECIMAL, "-1", "1", -1},
        {ROW_ORDER_DECIMAL, "0", "-0.0", 0},
        {ROW_ORDER_DECIMAL, "1", "1.000", 0},
        {ROW_ORDER_DECIMAL, "1.5", "1.45", 1},
        {ROW_ORDER_DECIMAL, "1.5", "1.51", -1},
        {ROW_ORDER_DECIMAL, "-1.5", "-1.51", 1},
        {ROW_ORDER_DECIMAL, "0.001", "0.01", -1},
        {ROW_ORDER_DECIMAL, "99999999999999999999999999", "100000000000000000000000000", -1},
        {ROW_ORDER_DECIMAL, "-9223372036854775808", "9223372036854775807", -1},
        {ROW_ORDER_DECIMAL, "NaN", "Infinity", 1},
        {ROW_ORDER_DECIMAL, "NaN", "NaN", 0},
        {ROW_ORDER_DECIMAL, "Infinity", "1e9", 1},
        {ROW_ORDER_DECIMAL, "-Infinity", "-5", -1},
        {ROW_ORDER_BYTES, "a", "a", 0},
        {ROW_ORDER_BYTES, "a", "ab", -1},
        {ROW_ORDER_BYTES, "B", "a", -1},
        {ROW_ORDER_BYTES, "a", "\xC3\xA9", -1},
        {ROW_ORDER_BYTES, "10", "9", -1},
        {ROW_ORDER_BYTES, "a", "a ", -1},
        {ROW_ORDER_PADDED, "a", "a   ", 0},
        {ROW_ORDER_PADDED, "a  ", "a\x01", -1},
        {ROW_ORDER_PADDED, "  ", "", 0},
};

static int sign_of(int n)
{
        return (n > 0) - (n < 0);
}

static void keys_compare_as_the_server_sorts(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(order_cases) / sizeof(order_cases[0]); i++) {
                const struct order_case *c = &order_cases[i];
                struct value a = value_of(c->a), b = value_of(c->b);

                if (sign_of(row_value_compare(c->order, a, b)) != c->sign ||
                        sign_of(row_value_compare(c->order, b, a)) != -c->sign)
                        fail_msg("%s and %s do not compare as %d", c->a, c->b, c->sign);
        }
}

static void null_sorts_last(void **state)
{
        static const enum row_order orders[] = {ROW_ORDER_DECIMAL, ROW_ORDER_BYTES};
        static const size_t columns[] = {0, 1};
        struct value one[] = {value_of("1"), value_of(NULL)};
        struct value two[] = {value_of("1"), value_of("x")};

        (void)state;
        assert_true(row_key_compare(orders, 2, one, columns, two, columns) > 0);
        assert_true(row_key_compare(orders, 2, two, columns, one, columns) < 0);
        assert_int_equal(row_key_compare(orders, 2, one, columns, one, columns), 0);
        assert_true(row_key_has_null(one, columns, 2));
        assert_false(row_key_has_null(one, columns, 1));
}

/* ---- merges: a table ---- */

static const size_t first_column[] = {0}, two_columns[] = {0, 1};
static const enum row_order decimal_order[] = {ROW_ORDER_DECIMAL};
static const enum row_order decimal_bytes_order[] = {ROW_ORDER_DECIMAL, ROW_ORDER_BYTES};

struct merge_case {
        const char *name;
        struct fake_row parents[6], a[8], b[4];
        size_t parent_count, a_count, b_count;
        const char *expected;
        size_t skipped;
};

#define ROWS(...)                                                                                  \
        {                                                                                          \
                __VA_ARGS__                                                                        \
        }

static const struct merge_case merge_cases[] = {
        {"children find their parents", ROWS({{"1"}}, {{"2"}}, {{"10"}}),
                ROWS({{"1", "x"}}, {{"1", "y"}}, {{"10", "z"}}), ROWS({{"2", "q"}}), 3, 3, 1,
                "1[1,x 1,y][];2[][2,q];10[10,z][];", 0},
        {"no lines: an empty array", ROWS({{"1"}}), ROWS({{NULL}}), ROWS({{NULL}}), 1, 0, 0,
                "1[][];", 0},
        {"children without a parent are skipped", ROWS({{"2"}}, {{"4"}}),
                ROWS({{"1", "a"}}, {{"1", "b"}}, {{"2", "c"}}, {{"3", "d"}}, {{"5", "e"}},
                        {{NULL, "f"}}),
                ROWS({{NULL}}), 2, 6, 0, "2[2,c][];4[][];", 5},
        {"no parents at all", ROWS({{NULL}}), ROWS({{"1", "a"}}, {{"2", "b"}}), ROWS({{"1", "c"}}),
                0, 2, 1, "", 2},
        {"a NULL key has no children", ROWS({{"1"}}, {{NULL}}), ROWS({{"1", "a"}}, {{NULL, "b"}}),
                ROWS({{NULL, "c"}}), 2, 2, 1, "1[1,a][];-[][];", 1},
        {"equal keys have the same children", ROWS({{"1"}}, {{"1"}}, {{"2"}}),
                ROWS({{"1", "a"}}, {{"2", "b"}}), ROWS({{"1", "c"}}), 3, 2, 1,
                "1[1,a][1,c];1[1,a][1,c];2[2,b][];", 0},
        {"integer and decimal are equal by value", ROWS({{"1"}}, {{"2"}}),
                ROWS({{"1.00", "a"}}, {{"2.0", "b"}}), ROWS({{NULL}}), 2, 2, 0,
                "1[1.00,a][];2[2.0,b][];", 0},
};

static int run_merge(struct fake *fakes, const struct row_limits *limits, struct buf *out,
        size_t *skipped, struct err *e)
{
        const size_t child_columns[] = {2, 2};
        struct merge_child children[] = {
                {"a", stream_of(&fakes[1]), 2, first_column},
                {"b", stream_of(&fakes[2]), 2, first_column},
        };
        struct merge_plan plan = {.parent = stream_of(&fakes[0]),
                .key_count = 1,
                .key = first_column,
                .orders = decimal_order,
                .children = children,
                .child_count = 2,
                .limits = limits ? *limits : row_limits_default};
        struct assembler *a;

        assert_int_equal(merge_new(&plan, &a, e), 0);
        int rc = run(a, 1, child_columns, 2, out, e);
        *skipped = merge_skipped(a, 0);
        assembler_free(a);
        assert_int_equal(rows_out, 0);
        return rc;
}

static void merges_by_table(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(merge_cases) / sizeof(merge_cases[0]); i++) {
                for (int waits = 0; waits < 4; waits++) {
                        const struct merge_case *c = &merge_cases[i];
                        struct fake fakes[] = {
                                {c->parents, c->parent_count, 1, .waits = waits ? waits + 1 : 0},
                                {c->a, c->a_count, 2, .waits = waits ? waits + 1 : 0},
                                {c->b, c->b_count, 2, .waits = waits ? waits + 1 : 0},
                        };
                        cleanup_buf_ struct buf out;
                        size_t skipped;
                        struct err e;

                        buf_init(&out, 1 << 20);
                        assert_int_equal(run_merge(fakes, NULL, &out, &skipped, &e), RECORD_END);
                        if (!str_is(buf_str(&out), c->expected))
                                fail_msg("%s: %s", c->name, buf_cstr(&out));
                        assert_int_equal(skipped, c->skipped);
                }
        }
}

static void too_many_children_are_one_reject(void **state)
{
        static const struct fake_row parents[] = {{{"1"}}, {{"2"}}, {{"3"}, 4000}, {{"4"}}};
        static const struct fake_row a[] = {
                {{"1", "a"}}, {{"2", "b"}}, {{"2", "c"}}, {{"2", "d"}}, {{"2", "e"}}, {{"4", "f"}}};
        static const struct fake_row b[] = {{{"1", "x"}, 3000}, {{"4", "y"}}};
        struct row_limits limits = {.max_bytes = 2000, .max_rows = 3};
        struct fake fakes[] = {{parents, 4, 1}, {a, 6, 2}, {b, 2, 2}};
        cleanup_buf_ struct buf out;
        size_t skipped;
        struct err e;

        (void)state;
        buf_init(&out, 4096);
        assert_int_equal(run_merge(fakes, &limits, &out, &skipped, &e), RECORD_END);
        assert_string_equal(buf_cstr(&out), "!1;!2;!3;4[4,f][4,y];");
        assert_int_equal(skipped, 0);
}

static void wrong_order_ends_the_merge(void **state)
{
        static const struct fake_row up[] = {{{"1", "a"}}, {{"2", "b"}}, {{"3", "c"}}};
        static const struct fake_row down[] = {{{"2", "a"}}, {{"1", "b"}}};
        static const struct fake_row back[] = {{{"3", "a"}}, {{"2", "b"}}};
        static const struct fake_row orphans[] = {{{"0.5", "a"}}, {{"0.2", "b"}}};
        const struct {
                const struct fake_row *parents, *children;
                size_t parent_count;
        } cases[] = {{down, up, 2}, {up, back, 3}, {up, orphans, 3}, {up, down, 1}};

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct fake fakes[] = {{cases[i].parents, cases[i].parent_count, 1},
                        {cases[i].children, 2, 2}, {NULL, 0, 2}};
                cleanup_buf_ struct buf out;
                size_t skipped;
                struct err e;

                buf_init(&out, 4096);
                assert_int_equal(run_merge(fakes, NULL, &out, &skipped, &e), -ERR_BUG);
                assert_non_null(strstr(e.text, "order"));
        }
}

static void a_broken_stream_ends_the_merge(void **state)
{
        static const struct fake_row rows[] = {{{"1", "a"}}, {{"2", "b"}}, {{"3", "c"}}};

        (void)state;
        for (int which = 0; which < 3; which++) {
                struct fake fakes[] = {{rows, 3, 1}, {rows, 3, 2}, {rows, 3, 2}};
                cleanup_buf_ struct buf out;
                size_t skipped;
                struct err e;

                fakes[which].fail_at = 2;
                buf_init(&out, 4096);
                assert_int_equal(run_merge(fakes, NULL, &out, &skipped, &e), -ERR_RETRY);
                assert_string_equal(e.text, "the stream broke");
        }
}

/* ---- merges: random ---- */

#define MANY 60

struct random_rows {
        struct fake_row rows[MANY];
        char text[MANY][3][24];
        size_t count;
};

static int compare_rows(const void *a, const void *b)
{
        const struct fake_row *x = a, *y = b;
        struct value v[] = {value_of(x->fields[0]), value_of(x->fields[1])};
        struct value w[] = {value_of(y->fields[0]), value_of(y->fields[1])};

        return row_key_compare(decimal_bytes_order, 2, v, two_columns, w, two_columns);
}

/* Keys (number, letter) from a small space, so that all coincidences happen. */
static void make_random(struct random_rows *r, bool unique, char tag)
{
        r->count = 0;
        for (size_t i = 0, n = rand() % MANY; i < n; i++) {
                struct fake_row *row = &r->rows[r->count];
                bool taken = false;

                snprintf(r->text[i][0], 24, "%d", rand() % 12 - 3);
                snprintf(r->text[i][1], 24, "%c", 'A' + rand() % 3);
                snprintf(r->text[i][2], 24, "%c%zu", tag, i);
                *row = (struct fake_row){{rand() % 15 ? r->text[i][0] : NULL,
                        rand() % 15 ? r->text[i][1] : NULL, r->text[i][2]}};
                for (size_t k = 0; unique && k < r->count; k++)
                        taken = taken || compare_rows(&r->rows[k], row) == 0;
                r->count += !taken;
        }
        qsort(r->rows, r->count, sizeof(r->rows[0]), compare_rows);
}

static void put_fake_row(struct buf *out, const struct fake_row *row)
{
        struct value v[] = {
                value_of(row->fields[0]), value_of(row->fields[1]), value_of(row->fields[2])};

        put_row(out, v, 3);
}

/* Each parent looks at all children. Return: children that no parent took. */
static size_t naive_merge(const struct random_rows *parents, const struct random_rows *children,
        size_t child_count, struct buf *out)
{
        size_t taken = 0;

        for (size_t i = 0; i < parents->count; i++) {
                const struct fake_row *p = &parents->rows[i];

                put_fake_row(out, p);
                for (size_t c = 0; c < child_count; c++) {
                        bool first = true;

                        buf_putc(out, '[');
                        for (size_t k = 0; k < children[c].count; k++) {
                                const struct fake_row *row = &children[c].rows[k];

                                if (!p->fields[0] || !p->fields[1] || compare_rows(p, row) != 0)
                                        continue;
                                if (!first)
                                        buf_putc(out, ' ');
                                first = false;
                                put_fake_row(out, row);
                                taken++;
                        }
                        buf_putc(out, ']');
                }
                buf_putc(out, ';');
        }
        return children[0].count + children[1].count - taken;
}

static void merges_at_random(void **state)
{
        static struct random_rows parents, children[2];
        const size_t child_columns[] = {3, 3};

        (void)state;
        srand(11);
        for (int round = 0; round < 3000; round++) {
                cleanup_buf_ struct buf got, expected;
                struct assembler *a;
                struct err e;

                make_random(&parents, true, 'p');
                make_random(&children[0], false, 'c');
                make_random(&children[1], false, 'd');
                buf_init(&got, 1 << 20);
                buf_init(&expected, 1 << 20);
                size_t skipped = naive_merge(&parents, children, 2, &expected);
                struct fake fakes[] = {
                        {parents.rows, parents.count, 3, .waits = rand() % 4},
                        {children[0].rows, children[0].count, 3, .waits = 2 + rand() % 4},
                        {children[1].rows, children[1].count, 3, .waits = 2 + rand() % 4},
                };
                fakes[0].waits += fakes[0].waits == 1;
                struct merge_child plans[] = {
                        {"c", stream_of(&fakes[1]), 3, two_columns},
                        {"d", stream_of(&fakes[2]), 3, two_columns},
                };
                struct merge_plan plan = {stream_of(&fakes[0]), 2, two_columns, decimal_bytes_order,
                        plans, 2, row_limits_default};
                assert_int_equal(merge_new(&plan, &a, &e), 0);
                assert_int_equal(run(a, 3, child_columns, 2, &got, &e), RECORD_END);
                assert_string_equal(buf_cstr(&got), buf_cstr(&expected));
                assert_int_equal(merge_skipped(a, 0) + merge_skipped(a, 1), skipped);
                assembler_free(a);
                assert_int_equal(rows_out, 0);
        }
}

/* A read that is given up in the middle gives back what it holds. */
static void a_merge_can_be_left_at_any_point(void **state)
{
        static struct random_rows parents, child;

        (void)state;
        srand(5);
        for (int round = 0; round < 500; round++) {
                struct assembled got;
                struct assembler *a;
                struct err e;

                make_random(&parents, true, 'p');
                make_random(&child, false, 'c');
                struct fake fakes[] = {{parents.rows, parents.count, 3, .waits = 3},
                        {child.rows, child.count, 3, .waits = 3}};
                struct merge_child plans[] = {{"c", stream_of(&fakes[1]), 3, two_columns}};
                struct merge_plan plan = {stream_of(&fakes[0]), 2, two_columns, decimal_bytes_order,
                        plans, 1, row_limits_default};
                assert_int_equal(merge_new(&plan, &a, &e), 0);
                for (int i = rand() % 60; i > 0; i--)
                        assert_true(assembler_next(a, &got, &e) >= 0);
                assembler_free(a);
                assert_int_equal(rows_out, 0);
        }
}

/* ---- groups and plain rows ---- */

static void groups_by_table(void **state)
{
        static const struct fake_row rows[] = {{{"1", "a"}}, {{"1", "b"}}, {{"2", "c"}},
                {{NULL, "d"}}, {{NULL, "e"}}, {{"", "f"}}, {{"1", "g"}}};
        const size_t child_columns[] = {2};

        (void)state;
        for (int waits = 0; waits < 4; waits++) {
                struct fake fake = {rows, 7, 2, .waits = waits ? waits + 1 : 0};
                struct row_stream stream = stream_of(&fake);
                cleanup_buf_ struct buf out;
                struct assembler *a;
                struct err e;

                buf_init(&out, 4096);
                assert_int_equal(group_new(&stream, 2, first_column, 1, NULL, &a, &e), 0);
                assert_int_equal(run(a, 2, child_columns, 1, &out, &e), RECORD_END);
                assert_string_equal(
                        buf_cstr(&out), "1,a[1,a 1,b];2,c[2,c];-,d[-,d -,e];,f[,f];1,g[1,g];");
                assembler_free(a);
                assert_int_equal(rows_out, 0);
        }
}

static void too_large_groups_are_rejects(void **state)
{
        static const struct fake_row rows[] = {{{"1", "a"}}, {{"2", "b"}}, {{"2", "c"}},
                {{"2", "d"}}, {{"2", "e"}}, {{"3", "f"}, 5000}, {{"4", "g"}}};
        struct row_limits limits = {.max_bytes = 1000, .max_rows = 2};
        struct fake fake = {rows, 7, 2};
        struct row_stream stream = stream_of(&fake);
        const size_t child_columns[] = {2};
        cleanup_buf_ struct buf out;
        struct assembler *a;
        struct err e;

        (void)state;
        buf_init(&out, 4096);
        assert_int_equal(group_new(&stream, 2, first_column, 1, &limits, &a, &e), 0);
        assert_int_equal(run(a, 2, child_columns, 1, &out, &e), RECORD_END);
        assert_string_equal(buf_cstr(&out), "1,a[1,a];!2;!3;4,g[4,g];");
        assembler_free(a);
        assert_int_equal(rows_out, 0);
}

static void large_rows_are_rejects(void **state)
{
        static const struct fake_row rows[] = {
                {{"1", "a"}}, {{"2", "b"}, 5001}, {{"3", "c"}, 5000}};
        struct row_limits limits = {.max_bytes = 5000, .max_rows = 2};
        struct fake fake = {rows, 3, 2};
        struct row_stream stream = stream_of(&fake);
        cleanup_buf_ struct buf out;
        struct assembler *a;
        struct err e;

        (void)state;
        buf_init(&out, 4096);
        assert_int_equal(rows_plain_new(&stream, &limits, &a, &e), 0);
        assert_int_equal(run(a, 2, NULL, 0, &out, &e), RECORD_END);
        assert_string_equal(buf_cstr(&out), "1,a;!2;3,c;");
        assembler_free(a);
        assert_int_equal(rows_out, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(keys_compare_as_the_server_sorts),
                cmocka_unit_test(null_sorts_last),
                cmocka_unit_test(merges_by_table),
                cmocka_unit_test(too_many_children_are_one_reject),
                cmocka_unit_test(wrong_order_ends_the_merge),
                cmocka_unit_test(a_broken_stream_ends_the_merge),
                cmocka_unit_test(merges_at_random),
                cmocka_unit_test(a_merge_can_be_left_at_any_point),
                cmocka_unit_test(groups_by_table),
                cmocka_unit_test(too_large_groups_are_rejects),
                cmocka_unit_test(large_rows_are_rejects),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
