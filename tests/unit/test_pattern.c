/* Searches: places, groups, pieces of long texts; and that none runs away. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ingest/base/pattern.h"
#include "tests/support/alloc_fail.h"

#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))
#define LONG_BYTES (4 << 20) /* pieces are short then */

/* Each table is run with JIT code and without. */
static const char *const engines[] = {"", "(*NO_JIT)"};

static struct pattern *compile_for(const char *engine, const char *pattern)
{
        char text[128];
        struct pattern_fault fault;
        struct pattern *p = NULL;
        struct err e = {0};

        snprintf(text, sizeof(text), "%s%s", engine, pattern);
        if (pattern_compile(str_of(text), PATTERN_PERL, &p, &fault, &e))
                fail_msg("%s: %s", text, e.text);
        return p;
}

static struct pattern *compile(const char *pattern)
{
        return compile_for("", pattern);
}

static void groups_have_places_and_names(void **state)
{
        cleanup_(pattern_room_freep) struct pattern_room *room = pattern_room_new();
        cleanup_(pattern_freep) struct pattern *p = compile("(?<a>x+)|(y)");
        struct str text = STR("__xx_y");

        assert_int_equal(pattern_group_count(p), 2);
        assert_int_equal(pattern_group_find(p, STR("a")), 1);
        assert_int_equal(pattern_group_find(p, STR("b")), -1);
        pattern_begin(room);
        assert_int_equal(pattern_find(p, room, text, 0, PATTERN_EMPTY_ANYWHERE), PATTERN_YES);
        assert_true(str_is(pattern_part(room, text, 0), "xx"));
        assert_true(str_is(pattern_part(room, text, 1), "xx"));
        assert_null(pattern_part(room, text, 2).ptr);
        assert_int_equal(pattern_find(p, room, text, 4, PATTERN_EMPTY_ANYWHERE), PATTERN_YES);
        assert_ptr_equal(pattern_part(room, text, 2).ptr, text.ptr + 5);
        assert_int_equal(pattern_find(p, room, text, 6, PATTERN_EMPTY_ANYWHERE), PATTERN_NO);
}

static void faults_have_places(void **state)
{
        static const struct {
                const char *text;
                size_t at;
        } cases[] = {{"a(b", 3}, {"[z-a]", 3}, {"\\C", 2}, {"a\\\\\\G", 3}, {"(?<n>a)(?<n>b)", 12}};

        for (size_t i = 0; i < COUNT(cases); i++) {
                struct pattern_fault fault = {.at = 99};
                struct pattern *p = NULL;
                struct err e = {0};
                int rc = pattern_compile(str_of(cases[i].text), PATTERN_PERL, &p, &fault, &e);
                if (rc != -ERR_CONFIG || p || fault.at != cases[i].at)
                        fail_msg("%s: %d at %zu: %s", cases[i].text, rc, fault.at, e.text);
        }
}

static void check_long_text(const char *engine, const char *pattern, const char *tail)
{
        cleanup_(pattern_room_freep) struct pattern_room *room = pattern_room_new();
        cleanup_(pattern_freep) struct pattern *p = compile_for(engine, pattern);
        cleanup_(freep) char *bytes = malloc(LONG_BYTES + 16);
        size_t n = strlen(tail);

        for (size_t k = 0; k < LONG_BYTES; k += 2)
                memcpy(bytes + k, "\xC3\xA9", 2);
        memcpy(bytes + LONG_BYTES - 2, "..", 2);
        memcpy(bytes + LONG_BYTES, tail, n);
        struct str text = {bytes, LONG_BYTES + n};
        pattern_begin(room);
        enum pattern_verdict v = pattern_find(p, room, text, 0, PATTERN_EMPTY_ANYWHERE);
        if (v != PATTERN_YES)
                fail_msg("%s%s: %d", engine, pattern, v);
        struct str found = pattern_part(room, text, 0);
        assert_ptr_equal(found.ptr + found.len, bytes + text.len);
        pattern_begin(room);
        text.len = LONG_BYTES;
        assert_int_equal(pattern_find(p, room, text, 0, PATTERN_EMPTY_ANYWHERE), PATTERN_NO);
}

/* The same answers at any distance, whatever the pieces are. */
static void long_texts_are_searched_whole(void **state)
{
        static const struct {
                const char *pattern, *tail;
        } cases[] = {{"xyz", "xyz"}, {"\\.x", "x"}, {"(?<=z)x", "zx"}, {"x$", "x"}, {"\\bx", " x"}};

        for (size_t k = 0; k < COUNT(engines); k++)
                for (size_t i = 0; i < COUNT(cases); i++)
                        check_long_text(engines[k], cases[i].pattern, cases[i].tail);
}

/* A match need not lie in one piece, and an empty one is refused only where the search begins. */
static void pieces_hide_nothing(void **state)
{
        cleanup_(pattern_room_freep) struct pattern_room *room = pattern_room_new();
        cleanup_(pattern_freep) struct pattern *whole = compile("a+"), *empty = compile("(?=b)");
        cleanup_(freep) char *bytes = malloc(LONG_BYTES);
        struct str text = {bytes, LONG_BYTES};

        memset(bytes, 'a', LONG_BYTES);
        bytes[LONG_BYTES - 1] = 'b';
        pattern_begin(room);
        assert_int_equal(pattern_find(whole, room, text, 1, PATTERN_EMPTY_NOT_HERE), PATTERN_YES);
        assert_int_equal(pattern_part(room, text, 0).len, LONG_BYTES - 2);
        assert_int_equal(pattern_find(empty, room, text, 0, PATTERN_EMPTY_NOT_HERE), PATTERN_YES);
        assert_ptr_equal(pattern_part(room, text, 0).ptr, bytes + LONG_BYTES - 1);
        assert_int_equal(pattern_find(empty, room, text, LONG_BYTES - 1, PATTERN_EMPTY_NOT_HERE),
                PATTERN_NO);
        assert_int_equal(pattern_find(empty, room, text, 0, PATTERN_EMPTY_NOWHERE), PATTERN_NO);
}

static int64_t cpu_ms(void)
{
        struct timespec t;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* All matches in @n bytes 'a' behind which there is '!'. */
static enum pattern_verdict search_all(const char *engine, const char *pattern, size_t n)
{
        cleanup_(pattern_room_freep) struct pattern_room *room = pattern_room_new();
        cleanup_(pattern_freep) struct pattern *p = compile_for(engine, pattern);
        cleanup_(freep) char *bytes = malloc(n);
        struct str text = {bytes, n};
        enum pattern_verdict v = PATTERN_YES;

        memset(bytes, 'a', n);
        bytes[n - 1] = '!';
        pattern_begin(room);
        for (size_t at = 0; v == PATTERN_YES && at < n;) {
                v = pattern_find(p, room, text, at, PATTERN_EMPTY_NOWHERE);
                if (v != PATTERN_YES)
                        break; /* there are no parts */
                struct str found = pattern_part(room, text, 0);
                at = (size_t)(found.ptr + found.len - bytes);
        }
        return v;
}

static void check_limit(const char *engine, const char *pattern, size_t n)
{
        int64_t begun_ms = cpu_ms();
        enum pattern_verdict v = search_all(engine, pattern, n);
        int64_t took_ms = cpu_ms() - begun_ms;

        if (v != PATTERN_LIMIT || took_ms > 5 * PATTERN_CPU_MS)
                fail_msg("%s%s on %zu: %d in %d ms", engine, pattern, n, v, (int)took_ms);
}

static void no_search_runs_away(void **state)
{
        static const struct {
                const char *pattern;
                size_t bytes;
        } cases[] = {{"(a+)+$", 30}, {"(a|aa)+$", 60}, {"(.*)(.*)(.*)(.*)(.*)(.*)[xy]", 1000},
                {"((a*)*)*[bc]$", 50}, {"(a|b)*x", LONG_BYTES}};

        for (size_t i = 0; i < COUNT(cases); i++)
                for (size_t k = 0; k < COUNT(engines); k++)
                        check_limit(engines[k], cases[i].pattern, cases[i].bytes);
        check_limit("", "a(?=.*!)", LONG_BYTES); /* no step back, but all bytes again and again */
}

/* What people write is no trouble in long texts. */
static void usual_patterns_have_no_limit(void **state)
{
        static const char *const patterns[] = {"b", "\\s+", "a{2}", "[^a]+$", "^\\W+", "(?i)A"};

        for (size_t i = 0; i < COUNT(patterns); i++)
                if (search_all("", patterns[i], LONG_BYTES / 4) == PATTERN_LIMIT)
                        fail_msg("%s", patterns[i]);
}

static void running_out_of_memory_is_an_error(void **state)
{
        ALLOC_FAIL_EACH(i)
        {
                struct pattern_fault fault;
                struct err e = {0};
                alloc_fail_at(i);
                cleanup_(pattern_freep) struct pattern *p = NULL;
                int rc = pattern_compile(STR("(?<n>a)+"), PATTERN_PERL, &p, &fault, &e);
                assert_true(rc == 0 || rc == -ERR_NOMEM);
                cleanup_(pattern_room_freep) struct pattern_room *room = pattern_room_new();
                if (rc || !room)
                        continue;
                pattern_begin(room);
                enum pattern_verdict v =
                        pattern_find(p, room, STR("ba"), 0, PATTERN_EMPTY_ANYWHERE);
                assert_int_not_equal(v, PATTERN_NO);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(groups_have_places_and_names),
                cmocka_unit_test(faults_have_places),
                cmocka_unit_test(long_texts_are_searched_whole),
                cmocka_unit_test(pieces_hide_nothing),
                cmocka_unit_test(no_search_runs_away),
                cmocka_unit_test(usual_patterns_have_no_limit),
                cmocka_unit_test(running_out_of_memory_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
