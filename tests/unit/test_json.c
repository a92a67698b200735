/*
 * Canonical JSON: strings, numbers (against a table recorded from Apache CouchDB 3.4.3; the live
 * comparison is test_couch_form.c), whole texts, hostile and mutated texts.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "ingest/record/json.h"
#include "ingest/record/json_scan.h"
#include "tests/support/random_json.h"

#define MAX_TEXT (1 << 20)

struct recorded {
        const char *sent, *returned;
};

/* What CouchDB gave back for what was sent. */
static const struct recorded couchdb_numbers[] = {
        {"1e2", "100.0"},
        {"1.0", "1.0"},
        {"100.0", "100.0"},
        {"1e21", "1e+21"},
        {"1e20", "100000000000000000000.0"},
        {"123456789012345678901.5", "123456789012345680000.0"},
        {"999999999999999900000.0", "999999999999999900000.0"},
        {"1e22", "1e+22"},
        {"1e23", "1e+23"},
        {"1e25", "1e+25"},
        {"1E+25", "1e+25"},
        {"1e-7", "1e-7"},
        {"1e-6", "0.000001"},
        {"1e-5", "0.00001"},
        {"0.0001", "0.0001"},
        {"0.00001234", "0.00001234"},
        {"0.000001234", "0.000001234"},
        {"0.0000001234", "1.234e-7"},
        {"123456789.125", "123456789.125"},
        {"-0.0", "0.0"},
        {"0.0", "0.0"},
        {"0e5", "0.0"},
        {"1.7976931348623157e308", "1.7976931348623157e+308"},
        {"0.1", "0.1"},
        {"-0.1", "-0.1"},
        {"0.30000000000000004", "0.30000000000000004"},
        {"1e15", "1000000000000000.0"},
        {"1e16", "10000000000000000.0"},
        {"1e17", "100000000000000000.0"},
        {"1.5e300", "1.5e+300"},
        {"2.2250738585072014e-308", "2.2250738585072014e-308"},
        {"2.225073858507201e-308", "2.225073858507201e-308"},
        {"2.5e-323", "2.5e-323"},
        {"1.10", "1.1"},
        {"12.50", "12.5"},
        {"5e-7", "5e-7"},
        {"-1.5E-10", "-1.5e-10"},
        {"9007199254740993.0", "9007199254740992.0"},
        {"9007199254740992.0", "9007199254740992.0"},
        {"4503599627370497.5", "4503599627370498.0"},
        {"0.1e1", "1.0"},
        {"10.0e-1", "1.0"},
        {"123456.789e3", "123456789.0"},
        {"1e308", "1e+308"},
        {"8.98846567431158e307", "8.98846567431158e+307"},
        {"5.684341886080802e-14", "5.684341886080802e-14"},
        {"5.684341886080801e-14", "5.684341886080801e-14"},
        {"9.5367431640625e-7", "9.5367431640625e-7"},
        {"1.3877787807814457e-17", "1.3877787807814457e-17"},
        {"6.103515625e-05", "0.00006103515625"},
        {"1.4901161193847656e-8", "1.4901161193847656e-8"},
        {"8.900295434028806e-308", "8.900295434028806e-308"},
        {"8.406091369059075e-286", "8.406091369059075e-286"},
        {"7.939328826636877e-264", "7.939328826636877e-264"},
        {"7.498484069478155e-242", "7.498484069478155e-242"},
        {"7.082117968407124e-220", "7.082117968407124e-220"},
        {"6.688871304346933e-198", "6.688871304346933e-198"},
        {"6.317460331175305e-176", "6.317460331175305e-176"},
        {"5.966672584960166e-154", "5.966672584960166e-154"},
        {"5.635362925894614e-132", "5.635362925894614e-132"},
        {"5.3224498000101884e-110", "5.3224498000101884e-110"},
        {"5.026911708464872e-88", "5.026911708464872e-88"},
        {"4.7477838728798994e-66", "4.7477838728798994e-66"},
        {"4.484155085839415e-44", "4.484155085839415e-44"},
        {"4.235164736271502e-22", "4.235164736271502e-22"},
        {"4.0", "4.0"},
        {"3.777893186295716e+22", "3.777893186295716e+22"},
        {"3.5681192317649e+44", "3.5681192317649e+44"},
        {"3.36999333339383e+66", "3.36999333339383e+66"},
        {"3.1828687130226345e+88", "3.1828687130226345e+88"},
        {"3.0061345059505065e+110", "3.0061345059505065e+110"},
        {"2.8392137667797144e+132", "2.8392137667797144e+132"},
        {"2.6815615859885194e+154", "2.6815615859885194e+154"},
        {"2.5326633110845904e+176", "2.5326633110845904e+176"},
        {"2.3920328665319055e+198", "2.3920328665319055e+198"},
        {"2.259211166966574e+220", "2.259211166966574e+220"},
        {"2.1337646185215534e+242", "2.1337646185215534e+242"},
        {"2.0152837033678636e+264", "2.0152837033678636e+264"},
        {"1.9033816428515623e+286", "1.9033816428515623e+286"},
        {"-1.2143721666352482e+132", "-1.2143721666352482e+132"},
        {"-686.998598004533", "-686.998598004533"},
        {"1.6260771785726701e-74", "1.6260771785726701e-74"},
        {"4.8959585264576934e+278", "4.8959585264576934e+278"},
        {"5859.537450399053", "5859.537450399053"},
        {"7.893354548061464e-134", "7.893354548061464e-134"},
        {"-2.471417988383651e+173", "-2.471417988383651e+173"},
        {"-9162.39327260308", "-9162.39327260308"},
        {"9295.155622511335", "9295.155622511335"},
        {"2311.2540915714144", "2311.2540915714144"},
        {"-1.1547680013076696e+101", "-1.1547680013076696e+101"},
        {"1.0259476444142278e-264", "1.0259476444142278e-264"},
        {"-7.616900394922395e-186", "-7.616900394922395e-186"},
        {"2.4990667113411633e+94", "2.4990667113411633e+94"},
        {"7.688121853400444e-68", "7.688121853400444e-68"},
        {"5.654411402250841e+54", "5.654411402250841e+54"},
        {"7.106101800028059e-204", "7.106101800028059e-204"},
        {"4.254739997646274e+193", "4.254739997646274e+193"},
        {"9913.832833123983", "9913.832833123983"},
        {"4156.19242995899", "4156.19242995899"},
        {"-8.89603834440535e-293", "-8.89603834440535e-293"},
        {"-8.402816815872519e-231", "-8.402816815872519e-231"},
        {"-1992.0039016301798", "-1992.0039016301798"},
        {"-2269.7293658813096", "-2269.7293658813096"},
        {"6946.195466056088", "6946.195466056088"},
        {"-4.111104105007642e+218", "-4.111104105007642e+218"},
        {"-600.254479726671", "-600.254479726671"},
        {"-2051.512238414377", "-2051.512238414377"},
        {"6.171919835623171e-64", "6.171919835623171e-64"},
        {"-4604.488262997146", "-4604.488262997146"},
        {"5.399361342713712e-290", "5.399361342713712e-290"},
        {"5160.810339875177", "5160.810339875177"},
        {"-2.0230178791490352e-53", "-2.0230178791490352e-53"},
        {"2.246794185000636e+265", "2.246794185000636e+265"},
        {"-6446.4374360326765", "-6446.4374360326765"},
        {"-1.0037049327814946e-297", "-1.0037049327814946e-297"},
        {"-2.372065358411878e+24", "-2.372065358411878e+24"},
        {"1.7021004551247649e+165", "1.7021004551247649e+165"},
        {"-2.050291543292753e+296", "-2.050291543292753e+296"},
        {"-1.999594777184923e+141", "-1.999594777184923e+141"},
        {"6068.230061641429", "6068.230061641429"},
        {"1.8929301343429817e-284", "1.8929301343429817e-284"},
        {"2836.7131318092106", "2836.7131318092106"},
        {"3.427385883019569e-128", "3.427385883019569e-128"},
        {"7.462803201584231e-297", "7.462803201584231e-297"},
        {"-3420.8914890454016", "-3420.8914890454016"},
        {"4.550544609882556e-217", "4.550544609882556e-217"},
        {"-3.069294655753937e-140", "-3.069294655753937e-140"},
        {"4.370015838755655e+146", "4.370015838755655e+146"},
        {"8.382530048134057e-152", "8.382530048134057e-152"},
        {"-325.50933474909834", "-325.50933474909834"},
        {"1.3713029962237035e+168", "1.3713029962237035e+168"},
        {"1.95945436602899e+75", "1.95945436602899e+75"},
        {"6356.038989192964", "6356.038989192964"},
        {"2.9016511834537835e-113", "2.9016511834537835e-113"},
        {"8808.09792189765", "8808.09792189765"},
        {"5.351917985767459e+170", "5.351917985767459e+170"},
        {"2070.6842956688706", "2070.6842956688706"},
        {"3.3510053402371645e-174", "3.3510053402371645e-174"},
        {"5082511.850726038", "5082511.850726038"},
        {"8.219597356351074e+174", "8.219597356351074e+174"},
        {"-1.652973258755454e+191", "-1.652973258755454e+191"},
        {"-6.58493041852723e-284", "-6.58493041852723e-284"},
        {"-2.76271793374875e+280", "-2.76271793374875e+280"},
        {"1.1267912157435466e+283", "1.1267912157435466e+283"},
        {"-8.714056170349967e-166", "-8.714056170349967e-166"},
        {"-4395.612148582899", "-4395.612148582899"},
        {"-5920.422412606313", "-5920.422412606313"},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void assert_canonical(const char *in, enum json_numbers numbers, const char *expected)
{
        cleanup_buf_ struct buf out;
        struct err e = {.text = ""};

        buf_init(&out, MAX_TEXT);
        if (json_canonical(str_of(in), numbers, &out, &e))
                fail_msg("%s: %s", in, e.text);
        assert_string_equal(buf_cstr(&out), expected);
}

static void assert_refused(const char *in, const char *part)
{
        cleanup_buf_ struct buf out;
        struct err e = {.text = ""};

        buf_init(&out, MAX_TEXT);
        assert_int_equal(json_canonical(str_of(in), JSON_NUMBERS_EXACT, &out, &e), -ERR_REJECT);
        if (!strstr(e.text, part))
                fail_msg("%s: \"%s\" does not contain \"%s\"", in, e.text, part);
}

static void strings_are_escaped_only_where_they_must(void **state)
{
        static const struct {
                struct str in;
                const char *out; /* NULL: not UTF-8 */
        } cases[] = {
                {{"", 0}, "\"\""},
                {STR("a"), "\"a\""},
                {STR("abc"), "\"abc\""},
                {STR("abcd"), "\"abcd\""},
                {STR("abcdefg"), "\"abcdefg\""},
                {STR("abcdefgh"), "\"abcdefgh\""},
                {STR("Hex bolt M8 x 40, zinc plated"), "\"Hex bolt M8 x 40, zinc plated\""},
                {STR("a\"b"), "\"a\\\"b\""},
                {STR("back\\slash in a longer text"), "\"back\\\\slash in a longer text\""},
                {STR("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\""},
                {STR("\x00\x01\x1f\x7f/"), "\"\\u0000\\u0001\\u001f\x7f/\""},
                {STR("caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80"),
                        "\"caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\""},
                {STR("\xE2\x80\xA8"), "\"\xE2\x80\xA8\""},
                {STR("bad \xFF"), NULL},
                {STR("cut \xE2\x82"), NULL},
                {STR("overlong \xC0\x80"), NULL},
                {STR("surrogate \xED\xA0\x80"), NULL},
                {STR("beyond \xF4\x90\x80\x80"), NULL},
        };

        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_buf_ struct buf out;

                buf_init(&out, MAX_TEXT);
                buf_puts(&out, "x");
                assert_int_equal(json_put_string(&out, cases[i].in), cases[i].out != NULL);
                assert_string_equal(buf_cstr(&out) + 1, cases[i].out ? cases[i].out : "");
        }
}

/* Every byte at every place of texts of every short length, against a plain loop. */
static void every_byte_is_seen_at_every_place(void **state)
{
        cleanup_buf_ struct buf out, expected;
        char text[40];

        buf_init(&out, 1024);
        buf_init(&expected, 1024);
        for (size_t len = 1; len <= sizeof(text); len++)
                for (size_t at = 0; at < len; at++)
                        for (int byte = 0; byte < 256; byte++) {
                                memset(text, 'x', sizeof(text));
                                text[at] = (char)byte;
                                buf_clear(&out);
                                bool ok = json_put_string(&out, (struct str){text, len});
                                assert_int_equal(ok, byte < 0x80);
                                if (!ok)
                                        continue;
                                buf_clear(&expected);
                                buf_putc(&expected, '"');
                                for (size_t i = 0; i < len; i++)
                                        json_put_escape(&expected, (unsigned char)text[i]);
                                buf_putc(&expected, '"');
                                assert_true(str_eq(buf_str(&out), buf_str(&expected)));
                        }
}

static void lossy_strings_replace_what_is_not_utf8(void **state)
{
        cleanup_buf_ struct buf out;

        buf_init(&out, MAX_TEXT);
        json_put_lossy(&out, STR("a\xFF"
                                 "b\xC3\xA9\xE2\x82\n"));
        assert_string_equal(buf_cstr(&out), "\"a\xEF\xBF\xBD"
                                            "b\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD\\n\"");
}

static void numbers_are_written_as_couchdb_writes_them(void **state)
{
        for (size_t i = 0; i < COUNT(couchdb_numbers); i++) {
                cleanup_buf_ struct buf out;

                assert_canonical(
                        couchdb_numbers[i].sent, JSON_NUMBERS_NEAREST, couchdb_numbers[i].returned);
                assert_canonical(couchdb_numbers[i].returned, JSON_NUMBERS_EXACT,
                        couchdb_numbers[i].returned);
                buf_init(&out, MAX_TEXT);
                json_put_double(&out, strtod(couchdb_numbers[i].sent, NULL));
                assert_string_equal(buf_cstr(&out), couchdb_numbers[i].returned);
        }
        assert_canonical("5e-324", JSON_NUMBERS_NEAREST, "5.0e-324");
        assert_canonical("4.9406564584124654e-324", JSON_NUMBERS_NEAREST, "5.0e-324");
        assert_canonical("5.0e-324", JSON_NUMBERS_EXACT, "5.0e-324");
        assert_canonical("1e-400", JSON_NUMBERS_NEAREST, "0.0");
}

static void integers_keep_their_digits(void **state)
{
        assert_canonical("0", JSON_NUMBERS_EXACT, "0");
        assert_canonical("-0", JSON_NUMBERS_EXACT, "0");
        assert_canonical("-17", JSON_NUMBERS_EXACT, "-17");
        assert_canonical("9007199254740993", JSON_NUMBERS_EXACT, "9007199254740993");
        assert_canonical("-1234567890123456789012345678901234567890", JSON_NUMBERS_EXACT,
                "-1234567890123456789012345678901234567890");
}

/* @digits times '7'. */
static char *sevens(char *text, size_t digits)
{
        memset(text, '7', digits);
        text[digits] = '\0';
        return text;
}

static void integers_end_at_300_digits(void **state)
{
        char text[400];

        assert_canonical(sevens(text, 300), JSON_NUMBERS_EXACT, sevens(text + 0, 300));
        assert_refused(sevens(text, 301), "has 301 digits, more than 300; use numbers: string");
        assert_refused(sevens(text, 320), "320 digits");
        assert_canonical(sevens(text, 320), JSON_NUMBERS_NEAREST, sevens(text, 320));
}

static void values_that_would_change_are_refused(void **state)
{
        assert_canonical("1.50", JSON_NUMBERS_EXACT, "1.5");
        assert_canonical("1500e-3", JSON_NUMBERS_EXACT, "1.5");
        assert_canonical("0.30000000000000004", JSON_NUMBERS_EXACT, "0.30000000000000004");
        assert_refused("0.1000000000000000055511151231257827", "use numbers: string");
        assert_refused("9007199254740993.0", "9007199254740993.0 would change");
        assert_refused("0.30000000000000001", "would change");
        assert_refused("1e400", "outside the range of a double");
        assert_refused("-1e999999999999999999999", "outside the range");
        assert_refused("1e-400", "outside the range");
        assert_canonical("0e999999999999999999999", JSON_NUMBERS_EXACT, "0.0");
}

static void numbers_can_be_strings(void **state)
{
        assert_canonical(" [1.10, -0, 1e400, {\"a\":9007199254740993}]", JSON_NUMBERS_STRING,
                "[\"1.10\",\"-0\",\"1e400\",{\"a\":\"9007199254740993\"}]");
}

static void numbers_are_strict(void **state)
{
        static const char *const bad[] = {"+1", "01", "-", "1.", ".5", "1e", "1e+", "1.e5", "0x10",
                "Infinity", "NaN", "1_000", "--1", "-01", "1.5.5", "1e5.5", "- 1"};

        for (size_t i = 0; i < COUNT(bad); i++) {
                cleanup_buf_ struct buf out;

                buf_init(&out, MAX_TEXT);
                assert_int_equal(json_canonical(str_of(bad[i]), JSON_NUMBERS_EXACT, &out, NULL),
                        -ERR_REJECT);
                buf_clear(&out);
                assert_int_equal(json_put_number(&out, str_of(bad[i])), JSON_NUMBER_MALFORMED);
                assert_int_equal(out.len, 0);
        }
}

/* Shortest digits: they read back as the same double, and no fewer digits do. */
static void random_doubles_are_shortest(void **state)
{
        uint64_t seed = 1;

        for (int i = 0; i < 40000; i++) {
                cleanup_buf_ struct buf out, again;
                char shorter[64];
                double d = random_double(&seed);

                buf_init(&out, 64);
                buf_init(&again, 64);
                json_put_double(&out, d);
                assert_true(strtod(buf_cstr(&out), NULL) == d);
                assert_int_equal(json_put_number(&again, buf_str(&out)), JSON_NUMBER_OK);
                assert_true(str_eq(buf_str(&out), buf_str(&again)));
                int digits = 0;
                for (int n = DBL_DECIMAL_DIG; n >= 1; n--) {
                        snprintf(shorter, sizeof(shorter), "%.*e", n - 1, d);
                        if (strtod(shorter, NULL) == d)
                                digits = n;
                }
                snprintf(shorter, sizeof(shorter), "%.*e", digits - 1, d);
                buf_clear(&again);
                assert_true(json_copy_number(shorter, shorter + strlen(shorter), true, &again,
                                    &(enum json_number){0}) > 0);
                assert_true(str_eq(buf_str(&out), buf_str(&again)));
        }
}

static void texts_become_canonical(void **state)
{
        assert_canonical(" { \"b\" : [ 1 , 2.50 , { } , [ ] ] ,\n\"a\":\tnull,\"c\":true,"
                         "\"d\":false}\r\n",
                JSON_NUMBERS_EXACT, "{\"b\":[1,2.5,{},[]],\"a\":null,\"c\":true,\"d\":false}");
        assert_canonical("\"\\u0041\\/\\\"\\\\\\b\\f\\n\\r\\t\\u001F\\u0000\\u00e9\\uD83D\\uDE00\"",
                JSON_NUMBERS_EXACT,
                "\"A/\\\"\\\\\\b\\f\\n\\r\\t\\u001f\\u0000\xC3\xA9\xF0\x9F\x98\x80\"");
        assert_canonical("\"\\u20ac\\uFFFF\"", JSON_NUMBERS_EXACT, "\"\xE2\x82\xAC\xEF\xBF\xBF\"");
        assert_canonical("{\"\":1,\"\\u0061\":2}", JSON_NUMBERS_EXACT, "{\"\":1,\"a\":2}");
}

static void malformed_texts_are_refused(void **state)
{
        static const struct {
                const char *in, *part;
        } cases[] = {
                {"", "a value expected at its end"},
                {"   ", "a value expected at its end"},
                {"{", "a key or '}' expected at its end"},
                {"[", "expected at its end"},
                {"[1", "expected at its end"},
                {"[1,]", "a value expected at byte 3"},
                {"[,1]", "a value expected at byte 1"},
                {"{\"a\"}", "':' expected at byte 4"},
                {"{\"a\":}", "a value expected"},
                {"{\"a\":1,}", "a key in quotes expected at byte 7"},
                {"{a:1}", "a key in quotes"},
                {"{\"a\":1]", "',' or '}' expected"},
                {"[1}", "',' or ']' expected"},
                {"[1 2]", "',' or ']' expected at byte 3"},
                {"1 2", "nothing more expected at byte 2"},
                {"]", "a value expected"},
                {"tru", "true expected"},
                {"nul", "null expected"},
                {"falsy", "false expected"},
                {"'a'", "a value expected"},
                {"\"abc", "it does not end"},
                {"\"abc\\", "no such escape"},
                {"\"\\x\"", "no such escape"},
                {"\"\\u12\"", "four hexadecimal digits"},
                {"\"\\u12g4\"", "four hexadecimal digits"},
                {"\"\\ud800\"", "half of a surrogate pair"},
                {"\"\\ud800\\u0041\"", "half of a surrogate pair"},
                {"\"\\udc00\\ud800\"", "half of a surrogate pair"},
                {"\"a\nb\"", "control character must be escaped"},
                {"\"\xFF\"", "not UTF-8"},
                {"\"\xED\xA0\x80\"", "not UTF-8"},
                {"{\"a\":1,\"b\":2,\"a\":3}", "holds the key \"a\" twice"},
                {"{\"a\":1,\"\\u0061\":3}", "holds the key \"a\" twice"},
                {"[{\"x\":{\"k\":1,\"k\":2}}]", "holds the key \"k\" twice"},
        };

        for (size_t i = 0; i < COUNT(cases); i++)
                assert_refused(cases[i].in, cases[i].part);
        assert_canonical("[{\"a\":1},{\"a\":1,\"b\":{\"a\":2}}]", JSON_NUMBERS_EXACT,
                "[{\"a\":1},{\"a\":1,\"b\":{\"a\":2}}]");
        assert_canonical("{\"a\":1,\"a\":2}", JSON_NUMBERS_NEAREST, "{\"a\":1,\"a\":2}");
}

/* More keys than are compared pairwise or kept on the stack, in nested objects. */
static void duplicates_are_found_among_many_keys(void **state)
{
        cleanup_buf_ struct buf in, out;
        struct err e;

        buf_init(&in, MAX_TEXT);
        buf_init(&out, MAX_TEXT);
        for (int duplicate = 0; duplicate < 2; duplicate++) {
                buf_clear(&in);
                buf_clear(&out);
                buf_puts(&in, "{");
                for (int i = 0; i < 3000; i++)
                        buf_printf(&in, "\"k%d\":{\"a\":%d,\"b\":2},", i, i);
                buf_puts(&in, duplicate ? "\"k1717\":1}" : "\"k\":1}");
                assert_int_equal(json_canonical(buf_str(&in), JSON_NUMBERS_EXACT, &out, &e),
                        duplicate ? -ERR_REJECT : 0);
                if (duplicate)
                        assert_non_null(strstr(e.text, "\"k1717\" twice"));
                else
                        assert_true(str_eq(buf_str(&in), buf_str(&out)));
        }
}

static void nesting_is_bounded(void **state)
{
        char text[2 * JSON_MAX_DEPTH + 8];

        for (size_t depth = JSON_MAX_DEPTH; depth <= JSON_MAX_DEPTH + 1; depth++) {
                memset(text, '[', depth);
                memset(text + depth, ']', depth);
                text[2 * depth] = '\0';
                if (depth == JSON_MAX_DEPTH)
                        assert_canonical(text, JSON_NUMBERS_EXACT, text);
                else
                        assert_refused(text, "nested deeper than 200 levels");
                assert_canonical(text, JSON_NUMBERS_NEAREST, text);
        }
}

/* Any mutation of good texts is refused or becomes text that is canonical already. */
static void mutated_texts_never_break_it(void **state)
{
        static const char *const seeds[] = {
                "{\"a\":[1,-2.5e-3,\"x\\u00e9\\ud83d\\ude00\"],\"b\":{\"c\":null,\"d\":true}}",
                "[\"caf\xC3\xA9\",0.1,123456789012345678901234567890,false,{},[]]",
                "\"\\\\\\\"\\b\\f\\n\\r\\t\\/\\u0000\"",
        };
        static const char alphabet[] = "{}[],:\"\\u0019eE+-. \ntfn\xC3\xA9\xFF\x01";
        cleanup_buf_ struct buf out, again;
        uint64_t seed = 7;
        char text[128];

        buf_init(&out, MAX_TEXT);
        buf_init(&again, MAX_TEXT);
        for (int i = 0; i < 200000; i++) {
                const char *from = seeds[random_next(&seed) % COUNT(seeds)];
                size_t len = strlen(from);
                memcpy(text, from, len);
                for (uint64_t n = 1 + random_next(&seed) % 4; n > 0; n--)
                        text[random_next(&seed) % len] =
                                alphabet[random_next(&seed) % (sizeof(alphabet) - 1)];
                if (random_next(&seed) % 4 == 0)
                        len = random_next(&seed) % len;
                /* An exact copy on the heap, so that a read past its end is seen. */
                char *exact = malloc(len ? len : 1);
                memcpy(exact, text, len);
                buf_clear(&out);
                buf_clear(&again);
                if (!json_canonical((struct str){exact, len}, i % 3, &out, NULL)) {
                        assert_int_equal(
                                json_canonical(buf_str(&out), JSON_NUMBERS_NEAREST, &again, NULL),
                                0);
                        assert_true(str_eq(buf_str(&out), buf_str(&again)));
                }
                free(exact);
        }
}

/* Walking the same mutated texts ends, inside the text. */
static void mutated_texts_can_be_walked(void **state)
{
        static const char from[] = "{\"a\":[1,[2,3]],\"b\":{\"c\":\"x\\\"y\"}, \"d\" : true }";
        static const char alphabet[] = "{}[],:\"\\ 1";
        uint64_t seed = 3;

        for (int i = 0; i < 100000; i++) {
                size_t len = sizeof(from) - 1 - random_next(&seed) % 8;
                char *text = malloc(len);
                struct json_walk w;
                struct str key, value;

                memcpy(text, from, len);
                for (uint64_t n = random_next(&seed) % 4; n > 0; n--)
                        text[1 + random_next(&seed) % (len - 1)] =
                                alphabet[random_next(&seed) % (sizeof(alphabet) - 1)];
                assert_true(json_walk_open(&w, (struct str){text, len}, '{'));
                for (int k = 0; json_walk_next(&w, &key, &value); k++) {
                        assert_true(k < (int)len && value.len > 0);
                        assert_true(value.ptr + value.len <= text + len);
                }
                free(text);
        }
}

static void what_is_plain_is_canonical(void **state)
{
        static const struct {
                const char *text;
                bool plain;
        } cases[] = {
                {"\"\"", true},
                {"\"short\"", true},
                {"\"fourteen bytes\"", true},
                {"\"seventeen bytes !\"", true},
                {"\"more than thirty two bytes, and then some\"", true},
                {"\"caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\"", true},
                {"\"a\\n\"", false},
                {"\"\\\"", false},
                {"\"a\"b\"", false},
                {"\"more than sixteen bytes \" and a quote\"", false},
                {"\"a tab\tin it, of more than 16 bytes\"", false},
                {"\"\xFF\"", false},
                {"\"cut \xE2\x82\"", false},
                {"\"open", false},
                {"\"", false},
                {"", false},
                {" 1", false},
                {"1 ", false},
                {"true", true},
                {"false", true},
                {"null", false},
                {"truE", false},
                {"[]", false},
                {"0", true},
                {"-0", false},
                {"-7", true},
                {"123456789012345", true},
                {"1234567890123456", false}, /* left to the canonicaliser */
                {"12345678901.2345", true},
                {"0.000001", true},
                {"0.0000001", false},
                {"-0.5", true},
                {"-0.05", true},
                {"0.0", false},
                {"-0.0", false},
                {"1.50", false},
                {"01", false},
                {"1.", false},
                {".5", false},
                {"1e2", false},
                {"1.5x", false},
                {"-", false},
                {"+1", false},
        };
        cleanup_buf_ struct buf out = {.max = MAX_TEXT};
        struct str inside;

        for (size_t i = 0; i < COUNT(cases); i++) {
                struct str text = str_of(cases[i].text);
                if (json_is_plain(text) != cases[i].plain)
                        fail_msg("%s", cases[i].text);
                if (cases[i].plain)
                        assert_canonical(cases[i].text, JSON_NUMBERS_EXACT, cases[i].text);
                bool string = cases[i].plain && text.ptr[0] == '"';
                assert_int_equal(json_plain_inside(text, &inside), string);
                if (!string)
                        continue;
                buf_clear(&out);
                assert_int_equal(json_unquote(text, &out, NULL), 0);
                assert_true(str_eq(buf_str(&out), inside));
        }
}

/* Every text of up to six bytes of a number's alphabet. */
static void plain_numbers_are_canonical(void **state)
{
        static const char alphabet[] = "0125-.e";
        cleanup_buf_ struct buf out = {.max = MAX_TEXT};
        size_t plain = 0;

        for (size_t code = 0; code < 7 * 7 * 7 * 7 * 7 * 7; code++) {
                char text[6];
                size_t n = 0;
                for (size_t k = code; k > 0; k /= 7)
                        text[n++] = alphabet[k % 7];
                if (!json_is_plain((struct str){text, n}))
                        continue;
                buf_clear(&out);
                if (json_canonical((struct str){text, n}, JSON_NUMBERS_EXACT, &out, NULL) ||
                        !str_eq(buf_str(&out), (struct str){text, n}))
                        fail_msg("%.*s", (int)n, text);
                plain++;
        }
        assert_true(plain > 1000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(strings_are_escaped_only_where_they_must),
                cmocka_unit_test(every_byte_is_seen_at_every_place),
                cmocka_unit_test(lossy_strings_replace_what_is_not_utf8),
                cmocka_unit_test(numbers_are_written_as_couchdb_writes_them),
                cmocka_unit_test(integers_keep_their_digits),
                cmocka_unit_test(integers_end_at_300_digits),
                cmocka_unit_test(values_that_would_change_are_refused),
                cmocka_unit_test(numbers_can_be_strings),
                cmocka_unit_test(numbers_are_strict),
                cmocka_unit_test(random_doubles_are_shortest),
                cmocka_unit_test(texts_become_canonical),
                cmocka_unit_test(malformed_texts_are_refused),
                cmocka_unit_test(duplicates_are_found_among_many_keys),
                cmocka_unit_test(nesting_is_bounded),
                cmocka_unit_test(mutated_texts_never_break_it),
                cmocka_unit_test(mutated_texts_can_be_walked),
                cmocka_unit_test(what_is_plain_is_canonical),
                cmocka_unit_test(plain_numbers_are_canonical),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
