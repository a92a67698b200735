/*
 * Records of JSON replies: every reply is fed whole, byte by byte, and cut at random, with pauses
 * and without, and must give the same records, facts, hash and error.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ingest/record/json_block.h"
#include "ingest/record/json_records.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/random_json.h"

#define MAX_TEXT (1 << 20)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* What came of a reply, as text: records, what was found, facts, hash, error. */
struct run {
        struct buf log;
        size_t pause_every; /* records; 0: never */
        size_t seen;
};

static int on_record(void *ctx, struct str text, struct err *e)
{
        struct run *r = ctx;

        buf_printf(&r->log, "<%.*s>", STR_ARG(text));
        return r->pause_every && ++r->seen % r->pause_every == 0 ? JSON_RECORDS_PAUSE : 0;
}

static int on_oversize(void *ctx, struct str head, struct err *e)
{
        struct run *r = ctx;

        buf_printf(&r->log, "<!%.*s>", STR_ARG(head));
        return r->pause_every && ++r->seen % r->pause_every == 0 ? JSON_RECORDS_PAUSE : 0;
}

/* Piece sizes: all at once, one byte, or random ones. */
enum cut { CUT_NOWHERE, CUT_BYTES, CUT_RANDOM };

static size_t piece(enum cut cut, size_t left, uint64_t *seed)
{
        size_t n = cut == CUT_NOWHERE ? left
                   : cut == CUT_BYTES ? 1
                                      : 1 + random_next(seed) % (random_next(seed) % 4 ? 7 : 150);

        return n < left ? n : left;
}

static int feed_all(struct json_records *j, struct str text, enum cut cut, uint64_t seed,
        struct run *r, struct err *e)
{
        while (text.len) {
                size_t n = piece(cut, text.len, &seed), taken;
                /* A copy of exactly this size: reading beyond it is then seen. */
                char *copy = malloc(n);
                assert_non_null(copy);
                memcpy(copy, text.ptr, n);
                int rc = json_records_feed(j, (struct str){copy, n}, &taken, e);
                free(copy);
                assert_true(taken <= n);
                if (rc < 0)
                        return rc;
                assert_true(rc == JSON_RECORDS_PAUSE || taken == n);
                if (rc == JSON_RECORDS_PAUSE)
                        assert_true(r->pause_every && r->seen % r->pause_every == 0);
                text.ptr += taken;
                text.len -= taken;
        }
        return json_records_end(j, e);
}

static void tell(struct run *r, const struct json_records *j, size_t facts)
{
        static const char *const found[] = {"absent", "null", "array", "object", "other"};

        buf_printf(&r->log, " %s %zu", found[json_records_found(j)], json_records_count(j));
        for (size_t i = 0; i < facts; i++) {
                struct str fact = json_records_fact(j, i);
                buf_printf(&r->log, " %zu=%.*s", i, fact.ptr ? (int)fact.len : 1,
                        fact.ptr ? fact.ptr : "-");
        }
}

static void run_once(struct run *r, const struct json_records_options *base, struct str text,
        enum cut cut, uint64_t seed, uint64_t *hash)
{
        cleanup_(json_records_freep) struct json_records *j = NULL;
        struct json_records_options o = *base;
        struct err e = {.text = ""};

        o.on_record = on_record;
        o.on_oversize = on_oversize;
        o.ctx = r;
        buf_clear(&r->log);
        r->seen = 0;
        assert_int_equal(json_records_new(&o, &j, &e), 0);
        int rc = feed_all(j, text, cut, seed, r, &e);
        tell(r, j, o.fact_count);
        if (rc)
                buf_printf(&r->log, " %d: %s", rc, e.text);
        *hash = json_records_hash(j);
        assert_non_null(buf_cstr(&r->log));
}

/* The log of @text, the same however it is cut and wherever it is paused. */
static void run_all(struct run *r, const struct json_records_options *o, struct str text)
{
        cleanup_buf_ struct buf first = BUF_INIT(MAX_TEXT);
        uint64_t hash, expected;

        r->pause_every = 0;
        run_once(r, o, text, CUT_NOWHERE, 0, &expected);
        buf_put_str(&first, buf_str(&r->log));
        for (uint64_t i = 0; i < 24; i++) {
                r->pause_every = i % 3;
                run_once(r, o, text,
                        i == 0  ? CUT_BYTES
                        : i < 3 ? CUT_NOWHERE
                                : CUT_RANDOM,
                        i, &hash);
                if (!str_eq(buf_str(&first), buf_str(&r->log)))
                        fail_msg("%.*s\nwhole: %.*s\ncut:   %.*s", STR_ARG(text),
                                STR_ARG(buf_str(&first)), STR_ARG(buf_str(&r->log)));
                assert_true(hash == expected);
        }
}

struct reply {
        const char *path, *facts[3], *text, *log;
};

static void assert_replies(const struct reply *replies, size_t count, size_t max_record)
{
        struct run r = {.log = BUF_INIT(MAX_TEXT)};

        for (size_t i = 0; i < count; i++) {
                struct json_records_options o = {.path = replies[i].path, .max_record = max_record};
                while (o.fact_count < 3 && replies[i].facts[o.fact_count]) {
                        o.facts[o.fact_count] = replies[i].facts[o.fact_count];
                        o.fact_count++;
                }
                run_all(&r, &o, str_of(replies[i].text));
                if (strcmp(buf_cstr(&r.log), replies[i].log) != 0)
                        fail_msg("%s: %s\n  is %s\n  not %s",
                                replies[i].path ? replies[i].path : "", replies[i].text,
                                buf_cstr(&r.log), replies[i].log);
        }
        buf_deinit(&r.log);
}

static void records_and_facts_are_found(void **state)
{
        static const struct reply replies[] = {
                {NULL, {0}, "[]", " array 0"},
                {"", {0}, " [ ] \n", " array 0"},
                {NULL, {0}, "[{},{\"a\":1} , [2],{\"b\":\"}]\\\"\"}]",
                        "<{}><{\"a\":1}><[2]><{\"b\":\"}]\\\"\"}> array 4"},
                {NULL, {0}, "[1, -2.5e3 ,\"a\\n]\",null,true]",
                        "<1><-2.5e3><\"a\\n]\"><null><true> array 5"},
                {NULL, {0}, "{\"id\":1}", "<{\"id\":1}> object 1"},
                {NULL, {0}, "null", " null 0"},
                {NULL, {0}, "12", " other 0"},
                {NULL, {0}, "\"x\"", " other 0"},
                {"value", {"@odata\\.nextLink", "@odata\\.count"},
                        "{\"@odata.count\":2,\"value\":[{\"a\":1},{\"a\":2}],\"@odata.nextLink\": "
                        "\"http://x/?$skip=2\" }",
                        "<{\"a\":1}><{\"a\":2}> array 2 0=\"http://x/?$skip=2\" 1=2"},
                {"value", {"next"}, "{\"other\":[{\"value\":[1]}],\"next\":null}",
                        " absent 0 0=null"},
                {"value", {"next"}, "{\"value\":null,\"next\":{\"a\" : [1, 2]} }",
                        " null 0 0={\"a\" : [1, 2]}"},
                {"value", {0}, "{\"value\":{\"a\":{}}}", "<{\"a\":{}}> object 1"},
                {"value", {0}, "{\"value\":0}", " other 0"},
                {"data.items", {"data.total", "meta.page.next", "data"}, NULL, NULL},
                {"data.items", {"data.total", "meta.page.next", "x"},
                        "{\"meta\":{\"page\":{\"n\":1,\"next\":\"p2\"},\"next\":3},\"data\":{"
                        "\"items\":[{\"items\":[1]}],\"total\":1.50,\"page\":{\"next\":9}}}",
                        "<{\"items\":[1]}> array 1 0=1.50 1=\"p2\" 2=-"},
                {"d[1].r", {"d[0]", "d[2].x"}, "{\"d\":[\"a\",{\"r\":[{}]},{\"x\":[ ]}]}",
                        "<{}> array 1 0=\"a\" 1=[ ]"},
                {"[0]", {"[1].n"}, "[[{\"a\":1}],{\"n\":5}]", "<{\"a\":1}> array 1 0=5"},
                {"a\\\\b", {"c\\[d\\]"}, "{\"a\\\\b\":[1],\"c[d]\":2}", "<1> array 1 0=2"},
                {"value", {"n"}, "{\"\\u0076alue\":[1],\"\\u006e\":2}", "<1> array 1 0=2"},
                {"value", {"n", "n.a"}, "{\"n\":{\"a\":1},\"value\":[],\"n\":{\"a\":2}}",
                        " array 0 0={\"a\":2} 1=2"},
                /* A body that is the record may hold an error as well. */
                {"", {"error.text", "id"}, "{\"id\":7,\"error\":{\"text\":\"no\"}}",
                        "<{\"id\":7,\"error\":{\"text\":\"no\"}}> object 1 0=\"no\" 1=7"},
                {"", {"n"}, "{\"n\":1,\"n\":2}",
                        " object 1 0=- -1: the reply, which is one record: an object holds the "
                        "name "
                        "n twice"},
                {"", {"n"}, "{\"a\":01}",
                        " object 1 0=- -1: the reply, which is one record: not JSON: ',' or '}' "
                        "expected at byte 6"},
                {"r", {"r.id", "id"}, "{\"id\":1,\"r\":{\"id\":2}}",
                        "<{\"id\":2}> object 1 0=2 1=1"},
        };

        for (size_t i = 0; i < COUNT(replies); i++)
                if (replies[i].text)
                        assert_replies(&replies[i], 1, MAX_TEXT);
}

static void oversized_records_are_passed_over(void **state)
{
        static const struct reply replies[] = {
                {NULL, {0}, "[{\"a\":12},{\"a\":1234},\"1234567\",\"12345678\"]",
                        "<{\"a\":12}><!{\"a\":1234}><\"1234567\"><!\"12345678\"> array 4"},
                {NULL, {0}, "{\"a\":\"longer\"}", "<!{\"a\":\"longer\"}> object 1"},
                {NULL, {"a"}, "{\"a\":\"longer\"}",
                        " object 1 0=- -3: the reply is one record of more than 9 bytes, too large "
                        "to find a in it"},
        };

        assert_replies(replies, COUNT(replies), 9);
}

static void only_the_head_of_an_oversized_record_is_kept(void **state)
{
        struct run r = {.log = BUF_INIT(MAX_TEXT)};
        struct json_records_options o = {.max_record = 5000};
        cleanup_buf_ struct buf text = BUF_INIT(MAX_TEXT);

        buf_puts(&text, "[{\"a\":\"");
        for (int i = 0; i < 5000; i++)
                buf_putc(&text, "x}"[i % 2]);
        buf_puts(&text, "\"},{\"b\":1}]");
        run_all(&r, &o, buf_str(&text));
        assert_int_equal(r.log.len, strlen("<!") + 256 + strlen("><{\"b\":1}> array 2"));
        assert_non_null(strstr(buf_cstr(&r.log), "x}x}><{\"b\":1}> array 2"));
        buf_deinit(&r.log);
}

/* What must be refused, and with which words. */
static void assert_refused(struct str text, const char *path, const char *words)
{
        struct run r = {.log = BUF_INIT(MAX_TEXT)};
        struct json_records_options o = {
                .path = path, .facts = {"n"}, .fact_count = 1, .max_record = MAX_TEXT};

        run_all(&r, &o, text);
        const char *class = strstr(buf_cstr(&r.log), " -1: ");
        if (!class || !strstr(class, words))
                fail_msg("%.*s\n  is %s\n  not %s", STR_ARG(text), buf_cstr(&r.log), words);
        buf_deinit(&r.log);
}

static void what_is_no_json_is_refused(void **state)
{
        static const struct {
                struct str text;
                const char *words;
        } cases[] = {
                {STR(""), "empty"},
                {STR(" \n"), "nothing but blanks"},
                {STR("["), "cut off: a value or ']' expected at its end, byte 1"},
                {STR("[{\"a\":1}"), "cut off: ',' or ']'"},
                {STR("[{\"a\":1},"), "cut off: a value"},
                {STR("[{\"a\":1},]"), "a value expected at byte 9, not ']', behind [{\"a\":1},"},
                {STR("[{\"a\":1}{}]"), "',' or ']' expected at byte 8, not '{'"},
                {STR("[{\"a\":1"), "cut off: the end of a record"},
                {STR("[{\"a]}"), "cut off: the end of a record"},
                {STR("[{\"a\":[1}]"), "expected at byte 8, not '}'"},
                {STR("[[1}]"), "expected at byte 3, not '}'"},
                {STR("[{\"a\":1]]"), "expected at byte 7, not ']'"},
                {STR("[] []"), "nothing more expected at byte 3"},
                {STR("[]x"), "nothing more"},
                {STR("{}{}"), "nothing more"},
                {STR("1 2"), "nothing more"},
                {STR("01"), "leading zeros"},
                {STR("-"), "cut off"},
                {STR("1."), "cut off"},
                {STR("[1.]"), "a digit expected at byte 3, not ']'"},
                {STR("[tru]"), "true, false or null expected at byte 4"},
                {STR("[nul"), "cut off"},
                {STR("nope"), "true, false or null expected at byte 1"},
                {STR("[+1]"), "a value"},
                {STR("['a']"), "a value"},
                {STR("[\"a\tb\"]"), "control characters"},
                {STR("[\"\\x\"]"), "an escape of JSON expected at byte 3"},
                {STR("[\"\\u12g4\"]"), "hexadecimal"},
                {STR("[\"\\ud800\"]"), "surrogate"},
                {STR("[\"\\ud800\\n\"]"), "surrogate"},
                {STR("[\"\\ud800\\u0041\"]"), "whole character"},
                {STR("[\"\\udc00\"]"), "whole character"},
                {STR("[\"\xC3(\"]"), "UTF-8"},
                {STR("[\"\xFF\"]"), "UTF-8"},
                {STR("[\"\xC0\x80\"]"), "UTF-8"},
                {STR("[\"\xED\xA0\x80\"]"), "UTF-8"},
                {STR("[\"\xF4\x90\x80\x80\"]"), "UTF-8"},
                {STR("[\"\xE2\x82"), "cut off"},
                {STR("\xEF\xBB\xBF[]"), "byte order mark"},
                {STR("\xFF\xFE[\0]\0"), "byte order mark of UTF-16"},
                {STR("\xFE\xFF\0[\0]"), "byte order mark of UTF-16"},
                {STR("[\0]\0"), "UTF-16"},
                {STR("\0[\0]"), "UTF-16"},
                {STR("{\0\"\0a\0\"\0:\0001\0}\0"), "UTF-16"},
                {STR("{\0\"\0a\0\"\0:\0001\0"), "UTF-16"},
                {STR("\x1F\x8B\x08"), "compressed"},
                {STR("<!DOCTYPE html><head><TITLE> 502 Bad Gateway </title>"),
                        "an HTML page, not JSON: \"502 Bad Gateway\""},
                {STR("  <html>"), "an HTML page, not JSON;"},
                {STR("<?xml version=\"1.0\"?><error/>"), "XML, not JSON"},
                {STR("Service Unavailable"), "a value expected at byte 0, not 'S'"},
                {STR("[1]\0"), "nothing more expected at byte 3, not 0x00"},
        };

        for (size_t i = 0; i < COUNT(cases); i++)
                assert_refused(cases[i].text, NULL, cases[i].words);
}

/* The same around the records: what lies there is proved byte by byte. */
static void what_lies_around_the_records_is_proved(void **state)
{
        static const char *const good[] = {"0", "-0.5e+10", "1E5", "1.25", "true", "[]", "{}",
                "[[],[{}]]", "\"\\\\ \\u00e9 \\ud83d\\ude00 \xC3\xA9 \xF0\x9F\x98\x80\"",
                "{\"a\":{\"b\":[1,2 , 3]},\"c\":\"\"}", "\"eight plain bytes and more of them\"",
                "\"\xE0\xA0\x80\xE1\x80\x80\xED\x9F\xBF\xEE\x80\x80\"",
                "\"\xF0\x90\x80\x80\xF1\x80\x80\x80\xF4\x8F\xBF\xBF\""};
        static const char *const bad[] = {"00", "1.e5", ".5", "1e", "- 1", "tru", "nulls", "[1,]",
                "[,1]", "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\":1,}", "{,}", "\"\\ud800\"",
                "\"\x01\"", "\"\x80\"", "\"\xC3\"", "\"\xE0\x80\x80\"", "{\"\xFF\":1}", "[}", "{]",
                "\"\\u00\"", "'a'"};
        struct run r = {.log = BUF_INIT(MAX_TEXT)};
        struct json_records_options o = {
                .path = "v", .facts = {"n"}, .fact_count = 1, .max_record = MAX_TEXT};
        cleanup_buf_ struct buf text = BUF_INIT(MAX_TEXT), log = BUF_INIT(MAX_TEXT);

        for (size_t i = 0; i < COUNT(good) + COUNT(bad); i++) {
                const char *value = i < COUNT(good) ? good[i] : bad[i - COUNT(good)];
                for (int named = 0; named < 2; named++) {
                        buf_clear(&text);
                        buf_clear(&log);
                        buf_printf(&text, "{\"%s\": %s ,\"v\":[{}]}", named ? "n" : "m", value);
                        buf_printf(&log, "<{}> array 1 0=%s", named ? value : "-");
                        run_all(&r, &o, buf_str(&text));
                        if ((strcmp(buf_cstr(&r.log), buf_cstr(&log)) == 0) != (i < COUNT(good)))
                                fail_msg("%s: %s", buf_cstr(&text), buf_cstr(&r.log));
                        if (i >= COUNT(good))
                                assert_non_null(strstr(buf_cstr(&r.log), " -1: the reply is not"));
                }
        }
        buf_deinit(&r.log);
}

static void put_nested(struct buf *out, size_t depth, const char *open, const char *close)
{
        for (size_t i = 0; i < depth; i++)
                buf_puts(out, open);
        for (size_t i = 0; i < depth; i++)
                buf_puts(out, close);
}

static void depth_is_limited_around_records_and_counted_inside(void **state)
{
        struct run r = {.log = BUF_INIT(MAX_TEXT)};
        struct json_records_options o = {.path = "v", .max_record = MAX_TEXT};
        cleanup_buf_ struct buf text = BUF_INIT(MAX_TEXT);

        buf_puts(&text, "{\"a\":");
        put_nested(&text, 10000, "[", "]");
        buf_puts(&text, ",\"v\":[1]}");
        assert_refused(buf_str(&text), "v", "nested deeper than 200");

        buf_clear(&text);
        buf_puts(&text, "{\"a\":");
        put_nested(&text, 199, "[", "]");
        buf_puts(&text, ",\"v\":[");
        put_nested(&text, 10000, "[{\"a\":", "}]");
        buf_puts(&text, ",1]}");
        run_all(&r, &o, buf_str(&text));
        assert_non_null(strstr(buf_cstr(&r.log), "}]}]}]><1> array 2"));
        buf_deinit(&r.log);
}

static void the_records_come_once(void **state)
{
        assert_refused(STR("{\"v\":[1],\"v\":[2]}"), "v", "holds the name v twice");
        assert_refused(STR("{\"d\":{},\"d\":{\"v\":[2]}}"), "d.v", "holds the name d twice");
}

static void long_facts_and_wrong_paths_are_configuration_errors(void **state)
{
        static const struct {
                const char *path, *fact, *words;
        } cases[] = {
                {"a..b", "n", "a name is missing"},
                {"a", "n[", "between [ and ]"},
                {"a", "n[x]", "between [ and ]"},
                {"a", "n\\x", "behind a backslash"},
                {"a", "n[1]x", "behind ]"},
                {"a", "]", "without ["},
                {"a", ".n", "a name is missing"},
                {"a.b", "a", "a holds the records (a.b)"},
                {"a", "a", "a holds the records (a)"},
                {"", "", "the whole reply holds"},
                {"a", "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q", "too many steps"},
        };
        cleanup_(json_records_freep) struct json_records *j = NULL;
        cleanup_buf_ struct buf text = BUF_INIT(MAX_TEXT);
        struct json_records_options o = {.fact_count = 1};
        struct err e;
        size_t taken;

        for (size_t i = 0; i < COUNT(cases); i++) {
                o.path = cases[i].path;
                o.facts[0] = cases[i].fact;
                assert_int_equal(json_records_new(&o, &j, &e), -ERR_CONFIG);
                if (!strstr(e.text, cases[i].words))
                        fail_msg("%s, %s: %s", cases[i].path, cases[i].fact, e.text);
        }
        o.path = "v";
        o.facts[0] = "n";
        assert_int_equal(json_records_new(&o, &j, &e), 0);
        buf_printf(&text, "{\"n\":\"%0*d\"}", JSON_RECORDS_MAX_FACT, 0);
        assert_int_equal(json_records_feed(j, buf_str(&text), &taken, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "the value n is longer than 64 KiB"));
        assert_int_equal(json_records_feed(j, STR("]"), &taken, &e), -ERR_BUG);
}

static void names_are_told(void **state)
{
        static const struct {
                const char *text, *names;
        } cases[] = {
                {"{\"error\":{\"a\":1},\"@odata.context\":\"x\"}", "error, @odata.context"},
                {"{\"caf\\u00e9\":1,\"a\\nb\":2}", "caf\xC3\xA9, ..."},
                {"[]", ""},
        };

        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_(json_records_freep) struct json_records *j = NULL;
                cleanup_buf_ struct buf names = BUF_INIT(MAX_TEXT);
                struct json_records_options o = {.path = "value"};
                size_t taken;
                struct err e;
                assert_int_equal(json_records_new(&o, &j, &e), 0);
                assert_int_equal(json_records_feed(j, str_of(cases[i].text), &taken, &e), 0);
                json_records_names(j, &names);
                assert_string_equal(buf_cstr(&names), cases[i].names);
        }
}

static int ignore_record(void *ctx, struct str text, struct err *e)
{
        return 0;
}

static int fail_second(void *ctx, struct str text, struct err *e)
{
        size_t *seen = ctx;

        return ++*seen == 2 ? err_set(e, ERR_GUARD, "enough") : 0;
}

static void what_a_callback_returns_comes_back(void **state)
{
        cleanup_(json_records_freep) struct json_records *j = NULL;
        size_t seen = 0, taken;
        struct json_records_options o = {.on_record = fail_second, .ctx = &seen, .max_record = 9};
        struct err e;

        assert_int_equal(json_records_new(&o, &j, &e), 0);
        assert_int_equal(json_records_feed(j, STR("[1, 2, 3]"), &taken, &e), -ERR_GUARD);
        assert_int_equal(taken, 5);
        assert_int_equal(json_records_count(j), 2);
}

/* Facts, names, spanning and oversized records: whatever allocation fails, it is told. */
static void failed_allocations_are_told(void **state)
{
        static const struct json_records_options options = {
                .path = "d.r",
                .facts = {"n", "d.next"},
                .fact_count = 2,
                .max_record = 700,
                .on_record = ignore_record,
                .on_oversize = ignore_record,
        };
        cleanup_buf_ struct buf text = BUF_INIT(MAX_TEXT);
        size_t taken;

        buf_printf(&text, "{\"n\":\"%0600d\",\"d\":{\"r\":[\"%0600d\",\"%0800d\"],\"next\":5}}", 1,
                2, 3);
        ALLOC_FAIL_EACH(i)
        {
                alloc_fail_at(i);
                cleanup_(json_records_freep) struct json_records *j = NULL;
                struct err e = {.text = ""};
                int rc = json_records_new(&options, &j, &e);
                for (size_t k = 0; k < text.len && !rc; k++)
                        rc = json_records_feed(j, (struct str){text.data + k, 1}, &taken, &e);
                if (!rc)
                        rc = json_records_end(j, &e);
                if (rc != 0 && rc != -ERR_NOMEM)
                        fail_msg("allocation %ld: %s", i, e.text);
                if (!rc) {
                        assert_int_equal(json_records_fact(j, 0).len, 602);
                        assert_true(str_is(json_records_fact(j, 1), "5"));
                        assert_int_equal(json_records_count(j), 2);
                }
        }
}

/* Arrays of random documents: what comes is what was put in, at any cut. */
static void random_records_come_as_they_are(void **state)
{
        struct run r = {.log = BUF_INIT(MAX_TEXT)};
        struct json_records_options o = {
                .path = "a.b", .facts = {"z"}, .fact_count = 1, .max_record = MAX_TEXT};
        cleanup_buf_ struct buf text = BUF_INIT(MAX_TEXT), log = BUF_INIT(MAX_TEXT);
        struct random_pair p;

        random_pair_init(&p, 1);
        for (int i = 0; i < 200; i++) {
                size_t count = random_next(&p.seed) % 9;
                buf_clear(&text);
                buf_clear(&log);
                random_pair_next(&p);
                buf_printf(&text, "{\"x\":%.*s,\"a\":{\"b\":[", STR_ARG(buf_str(&p.other)));
                for (size_t k = 0; k < count; k++) {
                        random_pair_next(&p);
                        buf_printf(&text, "%s%.*s", k ? " ," : "", STR_ARG(buf_str(&p.other)));
                        buf_printf(&log, "<%.*s>", STR_ARG(buf_str(&p.other)));
                }
                random_pair_next(&p);
                buf_printf(&text, "]},\"z\":%.*s}", STR_ARG(buf_str(&p.other)));
                buf_printf(&log, " array %zu 0=%.*s", count, STR_ARG(buf_str(&p.other)));
                run_all(&r, &o, buf_str(&text));
                assert_string_equal(buf_cstr(&r.log), buf_cstr(&log));
        }
        random_pair_deinit(&p);
        buf_deinit(&r.log);
}

static void the_hash_tells_records_apart(void **state)
{
        static const char *const texts[] = {
                "[]", "[1]", "[1,2]", "[12]", "[2,1]", "[\"1\",2]", "[{}]", "[{},{}]"};
        struct run r = {.log = BUF_INIT(MAX_TEXT)};
        struct json_records_options o = {.max_record = 3};
        uint64_t hashes[COUNT(texts)], same;

        for (size_t i = 0; i < COUNT(texts); i++) {
                run_once(&r, &o, str_of(texts[i]), CUT_NOWHERE, 0, &hashes[i]);
                for (size_t k = 0; k < i; k++)
                        assert_true(hashes[i] != hashes[k]);
        }
        run_once(&r, &o, STR(" [ 1 ,\n2 ]"), CUT_NOWHERE, 0, &same);
        assert_true(same == hashes[2]);
        /* One that was not kept counts as well as one that was. */
        o.max_record = 2;
        run_once(&r, &o, STR("[\"1\",2]"), CUT_BYTES, 0, &same);
        assert_true(same == hashes[5]);
        buf_deinit(&r.log);
}

static void both_ways_of_reading_blocks_agree(void **state)
{
        char text[JSON_BLOCK_BYTES];
        uint64_t seed = 7;

        for (int i = 0; i < 20000; i++) {
                struct json_block a, b;
                struct json_chunk c, d;
                for (size_t k = 0; k < sizeof(text); k++)
                        text[k] = random_next(&seed) % 3
                                          ? "\"\\{}[] \x1F\x7F\x80\xFB\xFD\xA2\xDC\x01!"
                                                    [random_next(&seed) % 16]
                                          : (char)random_next(&seed);
                json_block_read(text, &a);
                json_block_by_words(text, &b);
                assert_memory_equal(&a, &b, sizeof(a));
                json_chunk_read(text, &c);
                json_chunk_by_words(text, &d);
                assert_memory_equal(&c, &d, sizeof(c));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(records_and_facts_are_found),
                cmocka_unit_test(oversized_records_are_passed_over),
                cmocka_unit_test(only_the_head_of_an_oversized_record_is_kept),
                cmocka_unit_test(what_is_no_json_is_refused),
                cmocka_unit_test(what_lies_around_the_records_is_proved),
                cmocka_unit_test(depth_is_limited_around_records_and_counted_inside),
                cmocka_unit_test(the_records_come_once),
                cmocka_unit_test(long_facts_and_wrong_paths_are_configuration_errors),
                cmocka_unit_test(names_are_told),
                cmocka_unit_test(what_a_callback_returns_comes_back),
                cmocka_unit_test(failed_allocations_are_told),
                cmocka_unit_test(random_records_come_as_they_are),
                cmocka_unit_test(the_hash_tells_records_apart),
                cmocka_unit_test(both_ways_of_reading_blocks_agree),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
