#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "ingest/couch/rev.h"
#include "tests/support/couch.h"

#define SCRATCH_MAX (64 << 20)

static struct buf scratch = {.max = SCRATCH_MAX};

/* The prediction, made from a copy that ends where its memory ends; "" for REV_UNKNOWN. */
static const char *predict(bool deleted, const char *parent, struct str body)
{
        static char out[REV_MAX];
        struct err e;
        char *copy = malloc(body.len ? body.len : 1);

        memcpy(copy, body.ptr, body.len);
        int rc = rev_predict(
                deleted, str_of(parent), (struct str){copy, body.len}, &scratch, out, &e);
        free(copy);
        if (rc == REV_UNKNOWN)
                return "";
        assert_int_equal(rc, 0);
        return out;
}

/* Golden values: CouchDB's own test/elixir/test/conflicts_test.exs, and tried on 3.4.3. */
static void known_revisions(void **state)
{
        static const char first[] = "1-7a7e4b29f3af401e69b6f86e4c26b727";

        (void)state;
        assert_string_equal(predict(false, "", STR("\"v\":1")), first);
        assert_string_equal(
                predict(false, first, STR("\"v\":2")), "2-d0df861eb528e79690cd2ff3c4d394f3");
        assert_string_equal(predict(true, "", STR("")), "1-de715bf126efc93d225d9e3f8e8eb81a");
        assert_string_not_equal(predict(false, "", STR("\"v\":1.0")), first);
}

static void no_prediction(void **state)
{
        static const char *const bodies[] = {"\"v\"", "\"v\":", "\"v\":1,", "v:1", "\"v\":01",
                "\"v\":-", "\"v\":[", "\"v\":[1", "\"v\":[1,]", "\"v\":[1}", "\"v\":{\"a\":1]",
                "\"v\":{\"a\"}", "\"v\":tru", "\"v\":\"", "\"v\":\"\\", "\"v\":\"\\u12", "\"v\":1}",
                "\"v\":\"\\ud800\"", "\"v\":\"\\udc00\"", "\"v\":\"\\ud800\\u0041\"",
                "\"v\":\"\\x\"", "\"v\":1e400", "\"v\":5e-324", "\"v\":1.5.5", "\"v\": 1", ","};
        static const char *const parents[] = {"x", "1", "1-", "-1", "0-1", "99999999999999999999-1",
                "18446744073709551615-1", "1-7a7e4b29f3af401e69b6f86e4c26b72g"};

        (void)state;
        for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
                assert_string_equal(predict(false, "", str_of(bodies[i])), "");
        for (size_t i = 0; i < sizeof(parents) / sizeof(parents[0]); i++)
                assert_string_equal(predict(false, parents[i], STR("")), "");
}

static void depth_and_length_are_limited(void **state)
{
        char body[2048] = "\"a\":";

        (void)state;
        memset(body + 4, '[', 200);
        memset(body + 204, ']', 200);
        assert_string_not_equal(predict(false, "", (struct str){body, 404}), "");
        memset(body + 4, '[', 201);
        memset(body + 205, ']', 201);
        assert_string_equal(predict(false, "", (struct str){body, 406}), "");
        memset(body + 4, '9', 300);
        assert_string_not_equal(predict(false, "", (struct str){body, 304}), "");
        memset(body + 4, '9', 301);
        assert_string_equal(predict(false, "", (struct str){body, 305}), "");
}

static void no_room_is_no_prediction(void **state)
{
        cleanup_buf_ struct buf small;
        char out[REV_MAX] = "untouched";
        struct err e;

        (void)state;
        buf_init(&small, 100);
        assert_int_equal(rev_predict(false, STR(""), STR("\"v\":1"), &small, out, &e), REV_UNKNOWN);
        assert_string_equal(out, "untouched");
}

static void generations(void **state)
{
        (void)state;
        assert_int_equal(rev_generation(STR("12-abc")), 12);
        assert_int_equal(rev_generation(STR("")), 0);
        assert_int_equal(rev_generation(STR("abc")), 0);
        assert_int_equal(rev_generation(STR("7")), 0);
}

static void put_random_members(struct buf *b, int depth);
static uint32_t dice(uint32_t sides);

/* Side by side or one after the other: the same, in groups of any size and of mixed lengths. */
static void many_at_once(void **state)
{
        enum { MANY = 100 };
        struct buf bodies[MANY];
        struct rev_query queries[MANY];
        char many[MANY][REV_MAX], one[REV_MAX];
        struct err e;

        (void)state;
        for (size_t n = 0; n < MANY; n++) {
                bodies[n] = (struct buf){.max = SCRATCH_MAX};
                buf_puts(&bodies[n], "\"pad\":\"");
                for (uint32_t pad = dice(n % 10 ? 300 : 20000); pad > 0; pad--)
                        buf_putc(&bodies[n], 'x');
                buf_puts(&bodies[n], n == 50 ? "\",broken" : "\",\"o\":{");
                put_random_members(&bodies[n], 0);
                buf_putc(&bodies[n], '}');
                queries[n] = (struct rev_query){.deleted = n % 3 == 0,
                        .parent = n % 2 ? STR("7-7a7e4b29f3af401e69b6f86e4c26b727") : STR(""),
                        .body = buf_str(&bodies[n]),
                        .out = many[n]};
        }
        for (size_t count = 0; count <= MANY; count += count < 20 ? 1 : 40) {
                memset(many, '?', sizeof(many));
                assert_int_equal(rev_predict_many(queries, count, &scratch, &e), 0);
                for (size_t n = 0; n < count; n++) {
                        int rc = rev_predict(queries[n].deleted, queries[n].parent, queries[n].body,
                                &scratch, one, &e);
                        assert_string_equal(many[n], rc == REV_UNKNOWN ? "" : one);
                        assert_int_equal(rc, n == 50 ? REV_UNKNOWN : 0);
                }
        }
        for (size_t n = 0; n < MANY; n++)
                buf_deinit(&bodies[n]);
}

/* ---- against CouchDB: random documents ---- */

static uint64_t seed = 88172645463325252;

static uint32_t dice(uint32_t sides)
{
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        return (uint32_t)(seed >> 32) % sides;
}

static void put_random_string(struct buf *b)
{
        static const char *const pieces[] = {"a", "B", " ", "7", "\\\"", "\\\\", "\\b", "\\f",
                "\\n", "\\r", "\\t", "\\u0000", "\\u001f", "\x7f", "\xc3\xa4", "\xe2\x82\xac",
                "\xf0\x9f\x98\x80", "/", "\xe2\x80\xa8"};
        static const uint32_t lengths[] = {1, 4, 8, 9, 20, 100};

        buf_putc(b, '"');
        for (uint32_t n = dice(lengths[dice(6)]); n > 0; n--)
                buf_puts(b, pieces[dice(dice(2) ? 4 : 19)]);
        buf_putc(b, '"');
}

static void put_random_integer(struct buf *b)
{
        static const char *const edges[] = {"0", "255", "256", "2147483647", "2147483648",
                "4294967295", "4294967296", "576460752303423487", "576460752303423488",
                "1152921504606846976", "9223372036854775807", "9223372036854775808",
                "9999999999999999999", "18446744073709551615", "18446744073709551616",
                "99999999999999999999"};

        if (dice(3) == 0) {
                buf_printf(b, "%s%s", dice(2) ? "-" : "", edges[1 + dice(15)]);
                return;
        }
        buf_printf(b, "%s%c", dice(2) ? "-" : "", '1' + dice(9));
        for (uint32_t n = dice(dice(4) ? 12 : 300); n > 0; n--)
                buf_putc(b, (char)('0' + dice(10)));
}

/* In the form that Apache CouchDB prints: shortest, with a point. */
static void put_random_double(struct buf *b)
{
        char text[40];
        double d = ldexp((double)(int32_t)dice(UINT32_MAX), (int)dice(dice(2) ? 8 : 1900) - 950);

        if (dice(4) == 0)
                d = (double)(int32_t)dice(2000000) / 100 - 10000;
        if (dice(40) == 0)
                d = -0.0;
        for (int digits = 1; digits < 18; digits++) {
                snprintf(text, sizeof(text), "%.*g", digits, d);
                if (strtod(text, NULL) == d)
                        break;
        }
        char *exponent = strchr(text, 'e');
        if (strchr(text, '.'))
                buf_puts(b, text);
        else
                buf_printf(b, "%.*s.0%s", (int)(exponent ? exponent - text : (int)strlen(text)),
                        text, exponent ? exponent : "");
}

static void put_random_value(struct buf *b, int depth);

static void put_random_members(struct buf *b, int depth)
{
        for (uint32_t n = dice(6), i = 0; i < n; i++) {
                buf_printf(b, "%s\"k%u", i ? "," : "", i);
                buf_putc(b, '"');
                buf_putc(b, ':');
                put_random_value(b, depth + 1);
        }
}

static void put_random_array(struct buf *b, int depth)
{
        bool bytes = dice(2);
        uint32_t n = bytes && dice(200) == 0 ? 65533 + dice(5) : dice(bytes ? 300 : 6);

        buf_putc(b, '[');
        for (uint32_t i = 0; i < n; i++) {
                if (i)
                        buf_putc(b, ',');
                if (bytes)
                        buf_printf(b, "%u", dice(256));
                else
                        put_random_value(b, depth + 1);
        }
        buf_putc(b, ']');
}

static void put_random_value(struct buf *b, int depth)
{
        static const char *const words[] = {"true", "false", "null"};

        switch (dice(depth > 6 ? 6 : 9)) {
        case 0:
        case 1:
                put_random_string(b);
                return;
        case 2:
        case 3:
                put_random_integer(b);
                return;
        case 4:
                put_random_double(b);
                return;
        case 5:
                buf_puts(b, words[dice(3)]);
                return;
        case 6:
                put_random_array(b, depth);
                return;
        default:
                buf_putc(b, '{');
                put_random_members(b, depth);
                buf_putc(b, '}');
        }
}

#define ROUNDS        20
#define DOCS_PER_POST 250

struct guess {
        char rev[REV_MAX]; /* predicted for this round; parent of the next one */
        bool deleted;
};

/* Document @i of the next round, with its prediction. A deleted one comes back without _rev. */
static void put_random_document(struct buf *post, int i, struct guess *g)
{
        struct buf body = {.max = SCRATCH_MAX};
        bool deleted = !g->deleted && dice(8) == 0;
        char rev[REV_MAX];
        struct err e;

        put_random_members(&body, 0);
        assert_int_equal(
                rev_predict(deleted, str_of(g->rev), buf_str(&body), &scratch, rev, &e), 0);
        buf_printf(post, "%s{\"_id\":\"d%d\"", i ? "," : "", i);
        if (*g->rev && !g->deleted)
                buf_printf(post, ",\"_rev\":\"%s\"", g->rev);
        if (deleted)
                buf_puts(post, ",\"_deleted\":true");
        if (body.len)
                buf_putc(post, ',');
        buf_put_str(post, buf_str(&body));
        buf_putc(post, '}');
        buf_deinit(&body);
        memcpy(g->rev, rev, sizeof(rev));
        g->deleted = deleted;
}

static void couchdb_gives_the_same(void **state)
{
        struct guess *guesses = calloc(DOCS_PER_POST, sizeof(*guesses));
        struct buf post = {.max = SCRATCH_MAX};
        char path[80];

        (void)state;
        test_apache_or_skip();
        const char *db = test_database(2);
        snprintf(path, sizeof(path), "/%s/_bulk_docs", db);
        for (int round = 0; round < ROUNDS; round++) {
                buf_clear(&post);
                buf_puts(&post, "{\"docs\":[");
                for (int i = 0; i < DOCS_PER_POST; i++)
                        put_random_document(&post, i, &guesses[i]);
                buf_puts(&post, "]}");
                cJSON *reply = test_call("POST", path, buf_cstr(&post));
                assert_int_equal(cJSON_GetArraySize(reply), DOCS_PER_POST);
                int i = 0;
                for (const cJSON *row = reply->child; row; row = row->next)
                        assert_string_equal(test_field(row, "rev"), guesses[i++].rev);
                cJSON_Delete(reply);
        }
        test_database_drop(db);
        buf_deinit(&post);
        free(guesses);
}

static int stop(void **state)
{
        (void)state;
        buf_deinit(&scratch);
        test_couch_stop();
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(known_revisions),
                cmocka_unit_test(no_prediction),
                cmocka_unit_test(depth_and_length_are_limited),
                cmocka_unit_test(no_room_is_no_prediction),
                cmocka_unit_test(generations),
                cmocka_unit_test(many_at_once),
                cmocka_unit_test(couchdb_gives_the_same),
        };
        return cmocka_run_group_tests(tests, NULL, stop);
}
