/* Whole texts in, JSON or the exact message out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "ingest/base/yaml.h"
#include "tests/support/alloc_fail.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct good {
        const char *text, *json;
};

struct bad {
        const char *text, *message;
};

static void expect_json(const char *text, enum ydoc_expand expand, const char *json)
{
        cleanup_(ydoc_freep) struct ydoc *d = NULL;
        cleanup_buf_ struct buf out;
        struct err e = {0};

        buf_init(&out, 1 << 20);
        if (ydoc_parse(str_of(text), "f.yaml", expand, &d, &e))
                fail_msg("%s\nin: %s", e.text, text);
        ynode_json(d->root, &out);
        assert_string_equal(buf_cstr(&out), json);
}

static void expect_error(const char *text, enum ydoc_expand expand, const char *message)
{
        struct ydoc *d = NULL;
        struct err e = {0};

        int rc = ydoc_parse(str_of(text), "f.yaml", expand, &d, &e);
        if (rc == 0)
                fail_msg("no error in: %s", text);
        assert_string_equal(e.text, message);
        assert_int_equal(rc, -ERR_CONFIG);
        assert_null(d);
}

static void plain_scalars_resolve_as_in_yaml_1_2_core(void **state)
{
        static const struct good cases[] = {
                {"", "null"},
                {"# nothing\n", "null"},
                {"~", "null"},
                {"[null, Null, NULL, ~, ]", "[null,null,null,null]"},
                {"[true, True, TRUE, false, False, FALSE]", "[true,true,true,false,false,false]"},
                {"[yes, no, on, off, y, n, tRUE]",
                        "[\"yes\",\"no\",\"on\",\"off\",\"y\",\"n\",\"tRUE\"]"},
                {"[0, 1, -1, 12345678901234567890]", "[0,1,-1,12345678901234567890]"},
                {"[1.5, -0.5, 1e3, 1.5E-7, 6.]", "[1.5,-0.5,1e3,1.5E-7,\"6.\"]"},
                {"[007, +1, 0x1F, 0o17, .5, .inf, -.INF, .NaN]",
                        "[\"007\",\"+1\",\"0x1F\",\"0o17\",\".5\",\".inf\",\"-.INF\",\".NaN\"]"},
                {"[1:30, 2001-01-01, 1_000, 0b1, 0xg, 1e, ., -, +, e3, 1.2.3, =]",
                        "[\"1:30\",\"2001-01-01\",\"1_000\",\"0b1\",\"0xg\",\"1e\",\".\",\"-\",\"+"
                        "\","
                        "\"e3\",\"1.2.3\",\"=\"]"},
                {"['true', \"null\", '12']", "[\"true\",\"null\",\"12\"]"},
                {"a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{\"a\":\"x\\ny\\n\",\"b\":\"x y\"}"},
                {"\"\\t\\u0001\\\"\\\\\\u00fc\"", "\"\\t\\u0001\\\"\\\\\303\274\""},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                expect_json(cases[i].text, YDOC_EXPAND_NONE, cases[i].json);
}

static void keys_are_strings(void **state)
{
        static const struct good cases[] = {
                {"no: 1\n1: 2\ntrue: 3\n~: 4\n", "{\"no\":1,\"1\":2,\"true\":3,\"~\":4}"},
                {"'': 1\n'<<': 2\n", "{\"\":1,\"<<\":2}"},
                {"{a: {b: [1, {c: 2}]}}", "{\"a\":{\"b\":[1,{\"c\":2}]}}"},
                {"b: 1\na: 2\n", "{\"b\":1,\"a\":2}"},
                {"${HOME}: 1\n", "{\"${HOME}\":1}"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                expect_json(cases[i].text, YDOC_EXPAND_CONFIG, cases[i].json);
}

static void kinds_and_places_are_kept(void **state)
{
        static const struct {
                const char *key;
                enum ynode_kind kind;
                int line, column, value_column;
        } cases[] = {
                {"i", YNODE_INT, 1, 1, 4},
                {"h", YNODE_INT, 2, 1, 4},
                {"f", YNODE_FLOAT, 3, 1, 4},
                {"s", YNODE_STRING, 4, 1, 5},
                {"n", YNODE_NULL, 5, 1, 3},
                {"\303\274\303\274", YNODE_STRING, 6, 1, 6},
                {"l", YNODE_LIST, 7, 1, 4},
                {"m", YNODE_MAP, 8, 1, 4},
        };
        const char *text = "i: 007\nh: 0x1F\nf: .inf\ns:  x\nn:\n\303\274\303\274:  \303\274\n"
                           "l: []\nm: {}\n";
        cleanup_(ydoc_freep) struct ydoc *d = NULL;

        (void)state;
        assert_int_equal(ydoc_parse(str_of(text), "f", YDOC_EXPAND_NONE, &d, NULL), 0);
        for (size_t i = 0; i < COUNT(cases); i++) {
                const struct ynode_pair *p = ynode_key(d->root, cases[i].key);
                assert_non_null(p);
                assert_int_equal(p->value->kind, cases[i].kind);
                assert_int_equal(p->line, cases[i].line);
                assert_int_equal(p->column, cases[i].column);
                assert_int_equal(p->value->line, cases[i].line);
                assert_int_equal(p->value->column, cases[i].value_column);
        }
        assert_null(ynode_get(d->root, "missing"));
        assert_null(ynode_get(ynode_get(d->root, "i"), "i"));
}

static void aliases_share_nodes(void **state)
{
        static const struct good cases[] = {
                {"a: &x {k: 1}\nb: *x\n", "{\"a\":{\"k\":1},\"b\":{\"k\":1}}"},
                {"- &x 1\n- *x\n- &x 2\n- *x\n", "[1,1,2,2]"},
                {"- &x [1]\n- &y [*x, *x]\n- *y\n", "[[1],[[1],[1]],[[1],[1]]]"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                expect_json(cases[i].text, YDOC_EXPAND_NONE, cases[i].json);
}

static void what_is_not_read_is_refused_with_its_place(void **state)
{
        static const struct bad cases[] = {
                {"a: 1\nb: 2\na: 3\n",
                        "f.yaml:3:1: duplicate key 'a', first on line 1: keep one of them"},
                {"x: {b: 1, c: 1, b: 2, c: 2}",
                        "f.yaml:1:17: duplicate key 'b', first on line 1: keep one of them"},
                {"a: !!str 1\n",
                        "f.yaml:1:4: tags (!...) are not supported; put a value in quotes to make "
                        "it text"},
                {"!x a: 1\n",
                        "f.yaml:1:1: tags (!...) are not supported; put a value in quotes to make "
                        "it text"},
                {"a: !m {b: 1}\n",
                        "f.yaml:1:4: tags (!...) are not supported; put a value in quotes to make "
                        "it text"},
                {"a: ! [b]\n",
                        "f.yaml:1:4: tags (!...) are not supported; put a value in quotes to make "
                        "it text"},
                {"a: &x {b: 1}\nc:\n  <<: *x\n",
                        "f.yaml:3:3: merge keys (<<) are not supported; write the keys out"},
                {"? [a, b]\n: 1\n", "f.yaml:1:3: a key must be a word or a string in quotes"},
                {"? {a: b}\n: 1\n", "f.yaml:1:3: a key must be a word or a string in quotes"},
                {"- &x a\n- *x : 1\n", "f.yaml:2:3: a key must be a word or a string in quotes"},
                {"&x a: 1\n", "f.yaml:1:1: an anchor (&x) on a key is not supported"},
                {"? \n: 1\n", "f.yaml:1:2: a key is missing before ':'"},
                {"a: *nope\n", "f.yaml:1:4: alias *nope has no anchor &nope before it; a value "
                               "that begins with * needs quotes"},
                {"a: &x [1, *x]\n", "f.yaml:1:11: alias *x has no anchor &x before it; a value "
                                    "that begins with * needs quotes"},
                {"a: 1\n---\nb: 2\n",
                        "f.yaml:2:1: a second document begins here; a file holds one: remove ---"},
                {"---\n---\n",
                        "f.yaml:2:1: a second document begins here; a file holds one: remove ---"},
                {"%YAML 1.1\n---\na: 1\n", "f.yaml:1:1: %YAML 1.1: only YAML 1.2 is read"},
                {"%TAG ! tag:x,2000:\n---\na: 1\n", "f.yaml:1:1: tags (%TAG) are not supported"},
                {"a: \"x\\0y\"\n", "f.yaml:1:4: a NUL character (\\0) is not allowed"},
                {"\"x\\0\": 1\n", "f.yaml:1:1: a NUL character (\\0) is not allowed"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                expect_error(cases[i].text, YDOC_EXPAND_NONE, cases[i].message);
}

static void broken_syntax_names_place_and_cause(void **state)
{
        static const struct bad cases[] = {
                {"a: b: c\n", "f.yaml:1:5: a second ': ' on this line: put a value with a colon in "
                              "quotes"},
                {"a: [1, 2\n", "f.yaml:1:4: the [ that begins here does not end: a ] or a comma is "
                               "missing before line 2, column 1"},
                {"a:\n  b: 1\n c: 2\n",
                        "f.yaml:3:2: this line is indented like no line above that it could belong "
                        "to (since line 1): indent it like its neighbours"},
                {"a:\n\tb: 1\n", "f.yaml:2:1: a tab stands here: indent with spaces, not tabs"},
                {"a: @b\n", "f.yaml:1:4: a value cannot begin with @: put it in quotes"},
                {"a: [*.yaml]\n", "f.yaml:1:6: a value that begins with * is an alias in YAML: put "
                                  "it in quotes"},
                {"a: {b: ${C}}\n", "f.yaml:1:9: inside {} or [] put a value with ${...} in quotes"},
                {"a: {b: c[0].d}\n", "f.yaml:1:9: inside {} or [] put a value with [n] in quotes"},
                {"a: \"b\n", "f.yaml:1:4: the quote that begins here does not end: close it"},
                {"a: 1\nb\n", "f.yaml:2:1: this is no KEY: VALUE: a colon is missing, or the blank "
                              "behind the colon"},
                {"a: [\n",
                        "f.yaml:2:1: a value is missing here: close the { or [ before it, or put "
                        "a value that begins with , ] or } in quotes"},
                {"a: b\n   c: d\n",
                        "f.yaml:2:5: this line is indented deeper than the line above, which has "
                        "its value already: indent both the same"},
                {"a:\n  b: c\n  - d\n",
                        "f.yaml:3:3: a list element (-) stands among the keys that begin on line "
                        "2: write KEY: VALUE without -"},
                {"a:\n- b\nc: [d]\n- e\n",
                        "f.yaml:4:1: a list element (-) stands among the keys that begin on line "
                        "1: write KEY: VALUE without -"},
                {"- a\nb: c\n",
                        "f.yaml:2:1: no list element (-) stands here, in the list that begins on "
                        "line 1: begin it with -, or indent it otherwise"},
                {"a: \"b\" c\n",
                        "f.yaml:1:8: the value ended before this: put the whole value in quotes"},
                {"a: {b: c\nd: e\n", "f.yaml:1:4: the { that begins here does not end: a } or a "
                                     "comma is missing before line 2, column 2"},
                {"a: &\n", "f.yaml:1:5: a value that begins with & is an anchor in YAML: put it in "
                           "quotes"},
                {"a:\n  b: c\n\xC2\xA0 d: e\n  f: g\n",
                        "f.yaml:3:1: a no-break space (U+00A0) stands here, which is no blank to "
                        "YAML: type the blanks of this line again"},
                {"a: \xE2\x80\x9C"
                 "b\xE2\x80\x9D\n",
                        "f.yaml:1:4: typographic quotes are text to YAML: write \" or ' in their "
                        "place"},
                {"ok: 1\n\303\274: \xff\n", "f.yaml:2:4: the file is not plain UTF-8 text: invalid "
                                            "leading UTF-8 octet; save it as UTF-8"},
                {"a: \x01\n", "f.yaml:1:4: the file is not plain UTF-8 text: control characters "
                              "are not allowed; save it as UTF-8"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                expect_error(cases[i].text, YDOC_EXPAND_NONE, cases[i].message);
}

static void set_variables(void)
{
        setenv("Y_NAME", "bolt", 1);
        setenv("Y_PORT", "5984", 1);
        setenv("Y_TRUE", "true", 1);
        setenv("Y_EMPTY", "", 1);
        setenv("Y_TRICKY", "${Y_NAME} $$ {a: 1} # x", 1);
        setenv("Y_LATIN1", "\xfc", 1);
        unsetenv("Y_UNSET");
}

static void configuration_expands_variables_in_values(void **state)
{
        static const struct good cases[] = {
                {"${Y_NAME}", "\"bolt\""},
                {"a ${Y_NAME} b${Y_PORT}", "\"a bolt b5984\""},
                {"${Y_PORT}", "5984"},
                {"${Y_TRUE}", "true"},
                {"${Y_EMPTY}", "null"},
                {"'${Y_PORT}'", "\"5984\""},
                {"\"${Y_TRUE}\"", "\"true\""},
                {"${Y_PORT}0", "\"59840\""},
                {"|\n  ${Y_NAME}\n", "\"bolt\\n\""},
                {"${Y_UNSET:-8090}", "8090"},
                {"${Y_EMPTY:-a b}", "\"a b\""},
                {"${Y_UNSET:-}x", "\"x\""},
                {"${Y_NAME:-x}", "\"bolt\""},
                {"${Y_TRICKY}", "\"${Y_NAME} $$ {a: 1} # x\""},
                {"$Y_NAME $$ a$ $(x)", "\"$Y_NAME $$ a$ $(x)\""},
                {"$${Y_NAME}", "\"${Y_NAME}\""},
                {"$$${Y_NAME}", "\"$$bolt\""},
                {"a$$$${Y_NAME}", "\"a$$${Y_NAME}\""},
                {"{a: '${Y_NAME}'}", "{\"a\":\"bolt\"}"},
        };
        (void)state;
        set_variables();
        for (size_t i = 0; i < COUNT(cases); i++)
                expect_json(cases[i].text, YDOC_EXPAND_CONFIG, cases[i].json);
}

static void mappers_expand_the_environment_only(void **state)
{
        static const struct good cases[] = {
                {"${env:Y_NAME}", "\"bolt\""},
                {"${env:Y_PORT}", "5984"},
                {"'${env:Y_PORT}'", "\"5984\""},
                {"${env:Y_UNSET:-1}", "1"},
                {"product:${sku}", "\"product:${sku}\""},
                {"${Y_NAME} ${file:/etc/passwd} ${", "\"${Y_NAME} ${file:/etc/passwd} ${\""},
                {"$${env:Y_NAME}", "\"$${env:Y_NAME}\""},
                {"$$ x $$ $tag$ y $tag$", "\"$$ x $$ $tag$ y $tag$\""},
                {"$$${env:Y_NAME}$$", "\"$$bolt$$\""},
                {"$$$${env:Y_NAME}", "\"$$$${env:Y_NAME}\""},
                {"$$${sku}", "\"$$${sku}\""},
        };
        (void)state;
        set_variables();
        for (size_t i = 0; i < COUNT(cases); i++)
                expect_json(cases[i].text, YDOC_EXPAND_MAPPER, cases[i].json);
}

#define CONFIG_FORMS "write ${VAR}, ${VAR:-default} or ${file:PATH}; $${ is a literal ${"

static void bad_references_are_refused(void **state)
{
        static const struct bad config[] = {
                {"a:\n  b: x${Y_UNSET}\n",
                        "f.yaml:2:6: environment variable Y_UNSET is not set; set it, or give a "
                        "default: ${Y_UNSET:-default}"},
                {"${Y_LATIN1}", "f.yaml:1:1: environment variable Y_LATIN1 is not valid UTF-8"},
                {"'${Y_NAME'", "f.yaml:1:1: '${' without a '}' behind it; " CONFIG_FORMS},
                {"'${}'", "f.yaml:1:1: '${}' is not understood; " CONFIG_FORMS},
                {"'${1A}'", "f.yaml:1:1: '${1A}' is not understood; " CONFIG_FORMS},
                {"'${Y_NAME-x}'", "f.yaml:1:1: '${Y_NAME-x}' is not understood; " CONFIG_FORMS},
                {"'${Y_NAME:?x}'", "f.yaml:1:1: '${Y_NAME:?x}' is not understood; " CONFIG_FORMS},
                {"'${env:Y_NAME}'", "f.yaml:1:1: '${env:Y_NAME}' is not understood; " CONFIG_FORMS},
                {"'${ Y_NAME }'", "f.yaml:1:1: '${ Y_NAME }' is not understood; " CONFIG_FORMS},
                {"'${Y_UNSET:-${Y_NAME}}'", "f.yaml:1:1: a ${...} cannot stand inside another one"},
                {"${file:}", "f.yaml:1:1: '${file:}' names no file"},
                {"${file:${Y_EMPTY}}", "f.yaml:1:1: '${file:${Y_EMPTY}}' names no file"},
                {"k: ${file:/nonexistent/${Y_NAME}${Y_UNSET:-/x}}",
                        "f.yaml:1:4: cannot read /nonexistent/bolt/x: No such file or directory; "
                        "check the path in ${file:...}, and who may read it"},
                {"k: ${file:/nonexistent/${Y_TRICKY}}",
                        "f.yaml:1:4: cannot read /nonexistent/${Y_NAME} $$ {a: 1} # x: No such "
                        "file or directory; check the path in ${file:...}, and who may read it"},
                {"'${file:${Y_UNSET}/x}'",
                        "f.yaml:1:1: environment variable Y_UNSET is not set; set it, or give a "
                        "default: ${Y_UNSET:-default}"},
                {"'${file:${Y_NAME}'", "f.yaml:1:1: '${' without a '}' behind it; " CONFIG_FORMS},
                {"'${file:${Y_UNSET:-${Y_NAME}}}'",
                        "f.yaml:1:1: a ${...} cannot stand inside another one"},
                {"k: ${file:/nonexistent/x}",
                        "f.yaml:1:4: cannot read /nonexistent/x: No such file or directory; check "
                        "the path in ${file:...}, and who may read it"},
                {"k: ${file:/tmp}", "f.yaml:1:4: cannot read /tmp: Is a directory; check the path "
                                    "in ${file:...}, and who may read it"},
                {"k: ${file:/dev/zero}",
                        "f.yaml:1:4: cannot read /dev/zero: larger than 1048576 bytes; check the "
                        "path in ${file:...}, and who may read it"},
        };
        static const struct bad mapper[] = {
                {"${env:Y_UNSET}",
                        "f.yaml:1:1: environment variable Y_UNSET is not set; set it, or give a "
                        "default: ${env:Y_UNSET:-default}"},
                {"${env:Y-X}", "f.yaml:1:1: '${env:Y-X}' is not understood; write ${env:VAR} or "
                               "${env:VAR:-default}; $${ is a literal ${"},
                {"${env:Y_NAME", "f.yaml:1:1: '${' without a '}' behind it; write ${env:VAR} or "
                                 "${env:VAR:-default}; $${ is a literal ${"},
        };
        (void)state;
        set_variables();
        for (size_t i = 0; i < COUNT(config); i++)
                expect_error(config[i].text, YDOC_EXPAND_CONFIG, config[i].message);
        for (size_t i = 0; i < COUNT(mapper); i++)
                expect_error(mapper[i].text, YDOC_EXPAND_MAPPER, mapper[i].message);
}

static void write_file(const char *path, struct str content)
{
        cleanup_(closep) int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, content.ptr, content.len), content.len);
}

static void files_are_read_relative_to_the_configuration(void **state)
{
        static const struct {
                struct str content;
                const char *expected;
        } cases[] = {
                {{"secret\n", 7}, "secret"},
                {{"secret\r\n", 8}, "secret"},
                {{"a\n\n", 3}, "a\n"},
                {{"no newline", 10}, "no newline"},
                {{"", 0}, ""},
                {{"5984\n", 5}, "5984"},
                {{"${Y_NAME}\n", 10}, "${Y_NAME}"},
        };
        char folder[] = "/tmp/test_yaml_XXXXXX";
        char path[64], name[64], binary[160];
        struct err e = {0};

        (void)state;
        assert_non_null(mkdtemp(folder));
        snprintf(path, sizeof(path), "%s/secret", folder);
        snprintf(name, sizeof(name), "%s/c.yaml", folder);
        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_(ydoc_freep) struct ydoc *d = NULL;
                write_file(path, cases[i].content);
                write_file(name, STR("k: ${file:secret}\n"));
                if (ydoc_load(name, YDOC_EXPAND_CONFIG, &d, &e))
                        fail_msg("%s", e.text);
                const struct ynode *k = ynode_get(d->root, "k");
                assert_string_equal(k->text.ptr, cases[i].expected);
                assert_int_equal(k->kind, YNODE_STRING);
                assert_true(k->expanded);
        }
        write_file(path, (struct str){"a\0b", 3});
        struct ydoc *none = NULL;
        assert_int_equal(ydoc_load(name, YDOC_EXPAND_CONFIG, &none, &e), -ERR_CONFIG);
        snprintf(binary, sizeof(binary), "%s/c.yaml:1:4: %s/secret does not hold UTF-8 text",
                folder, folder);
        assert_string_equal(e.text, binary);
        unlink(path);
        unlink(name);
        assert_int_equal(ydoc_load(name, YDOC_EXPAND_CONFIG, &none, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "cannot read "));
        rmdir(folder);
}

/* @open and @close, 70 times each. */
static void nest(struct buf *b, const char *open, const char *close, int times)
{
        buf_clear(b);
        for (int i = 0; i < times; i++)
                buf_puts(b, open);
        for (int i = 0; i < times; i++)
                buf_puts(b, close);
}

static void depth_is_limited(void **state)
{
        cleanup_buf_ struct buf b;
        cleanup_(ydoc_freep) struct ydoc *d = NULL;
        struct err e = {0};

        (void)state;
        buf_init(&b, 4 << 20);
        nest(&b, "[", "]", YDOC_MAX_DEPTH);
        assert_int_equal(ydoc_parse(buf_str(&b), "f", YDOC_EXPAND_NONE, &d, &e), 0);
        nest(&b, "[", "]", YDOC_MAX_DEPTH + 1);
        expect_error(buf_cstr(&b), YDOC_EXPAND_NONE, "f.yaml:1:65: nested deeper than 64 levels");
        nest(&b, "{a: ", "}", 100000);
        expect_error(buf_cstr(&b), YDOC_EXPAND_NONE, "f.yaml:1:257: nested deeper than 64 levels");

        buf_clear(&b);
        buf_puts(&b, "- &a0 [x]\n");
        for (int i = 1; i < 70; i++)
                buf_printf(&b, "- &a%d [*a%d]\n", i, i - 1);
        expect_error(buf_cstr(&b), YDOC_EXPAND_NONE, "f.yaml:63:9: nested deeper than 64 levels");
}

static void aliases_cannot_multiply_without_end(void **state)
{
        cleanup_buf_ struct buf b;

        (void)state;
        buf_init(&b, 4 << 20);
        buf_puts(&b, "a0: &a0 [1,1,1,1,1,1,1,1,1]\n");
        for (int i = 1; i < 20; i++) {
                buf_printf(&b, "a%d: &a%d [", i, i);
                for (int k = 0; k < 9; k++)
                        buf_printf(&b, "%s*a%d", k ? "," : "", i - 1);
                buf_puts(&b, "]\n");
        }
        expect_error(buf_cstr(&b), YDOC_EXPAND_NONE,
                "f.yaml:6:14: the file has more than 200000 values (aliases included)");

        buf_clear(&b);
        for (int i = 0; i <= YDOC_MAX_ANCHORS; i++)
                buf_printf(&b, "- &a%d 1\n", i);
        expect_error(buf_cstr(&b), YDOC_EXPAND_NONE,
                "f.yaml:1001:3: the file has more than 1000 anchors");
}

static void size_is_limited(void **state)
{
        cleanup_buf_ struct buf b;

        (void)state;
        buf_init(&b, 8 << 20);
        buf_puts(&b, "a: 1 #");
        while (b.len <= YDOC_MAX_BYTES)
                buf_puts(&b, "0123456789abcdef");
        expect_error(buf_cstr(&b), YDOC_EXPAND_NONE, "f.yaml is larger than 4194304 bytes");

        buf_clear(&b);
        buf_puts(&b, "a: ");
        while (b.len < YDOC_MAX_VALUE + 16)
                buf_puts(&b, "0123456789abcdef");
        expect_error(buf_cstr(&b), YDOC_EXPAND_CONFIG,
                "f.yaml:1:4: the value is larger than 1048576 bytes");
}

static void large_maps_and_lists_are_read(void **state)
{
        cleanup_buf_ struct buf b;
        cleanup_(ydoc_freep) struct ydoc *d = NULL;
        struct err e = {0};

        (void)state;
        buf_init(&b, 4 << 20);
        for (int i = 0; i < 100000; i++)
                buf_printf(&b, "k%d: v%d\n", i * 7919 % 100000, i);
        assert_int_equal(ydoc_parse(buf_str(&b), "f.yaml", YDOC_EXPAND_NONE, &d, &e), 0);
        assert_int_equal(d->root->count, 100000);
        buf_puts(&b, "k5: again\n");
        expect_error(buf_cstr(&b), YDOC_EXPAND_NONE,
                "f.yaml:100001:1: duplicate key 'k5', first on line 88396: keep one of them");
}

static void expanded_text_is_never_shown(void **state)
{
        cleanup_(ydoc_freep) struct ydoc *d = NULL;
        char out[YNODE_SHOW_MAX];

        (void)state;
        set_variables();
        assert_int_equal(ydoc_parse(STR("[\"${Y_NAME}\", bolt, \"a\\nb\", '', [], ~, "
                                        "0123456789012345678901234567890123456789012345678901234567"
                                        "8901234567890123456789012345]"),
                                 "f", YDOC_EXPAND_CONFIG, &d, NULL),
                0);
        static const char *const expected[] = {"the value", "'bolt'", "'a...'", "''", "a list",
                "null",
                "'01234567890123456789012345678901234567890123456789012345678901234567890123...'"};
        for (size_t i = 0; i < COUNT(expected); i++)
                assert_string_equal(ynode_show(d->root->items[i], out), expected[i]);
}

static void numbers_that_json_cannot_write_are_found(void **state)
{
        cleanup_(ydoc_freep) struct ydoc *d = NULL;
        struct err e = {0};

        (void)state;
        assert_int_equal(ydoc_parse(STR("a: [1, 1.5, -1e5]\nb: {c: [x, 007]}\n"), "f",
                                 YDOC_EXPAND_NONE, &d, NULL),
                0);
        assert_int_equal(ynode_json_check(d, ynode_get(d->root, "a"), &e), 0);
        assert_int_equal(ynode_json_check(d, d->root, &e), -ERR_CONFIG);
        assert_string_equal(e.text, "f:2:12: JSON cannot write the number '007': write it in plain "
                                    "decimal digits, or in quotes for text");
}

static void paths_are_relative_to_the_file(void **state)
{
        static const struct {
                const char *file, *path, *expected;
        } cases[] = {
                {"/etc/x/c.yaml", "a/b", "/etc/x/a/b"},
                {"/etc/x/c.yaml", "/a", "/a"},
                {"c.yaml", "a", "a"},
                {"./c.yaml", "../a", "./../a"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_(arena_freep) struct arena *a = arena_new(1000);
                struct ydoc d = {.name = cases[i].file};
                assert_string_equal(ydoc_path(&d, a, cases[i].path), cases[i].expected);
        }
}

/* Each allocation of ours fails once: the error says so, nothing leaks. */
static void running_out_of_memory_is_an_error(void **state)
{
        static const char text[] = "a: [1, {b: &x 'c'}, *x]\nd: ${Y_NAME} ${Y_UNSET:-e}\n"
                                   "f: ${file:/proc/self/comm}\ng: {h: 1, i: 2}\n";
        (void)state;
        set_variables();
        ALLOC_FAIL_EACH(i)
        {
                cleanup_(ydoc_freep) struct ydoc *d = NULL;
                struct err e = {0};
                alloc_fail_at(i);
                int rc = ydoc_parse(str_of(text), "f.yaml", YDOC_EXPAND_CONFIG, &d, &e);
                assert_true(rc == 0 || rc == -ERR_NOMEM);
                assert_true((rc == 0) == (d != NULL));
                if (rc)
                        assert_non_null(strstr(e.text, "out of memory"));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(plain_scalars_resolve_as_in_yaml_1_2_core),
                cmocka_unit_test(keys_are_strings),
                cmocka_unit_test(kinds_and_places_are_kept),
                cmocka_unit_test(aliases_share_nodes),
                cmocka_unit_test(what_is_not_read_is_refused_with_its_place),
                cmocka_unit_test(broken_syntax_names_place_and_cause),
                cmocka_unit_test(configuration_expands_variables_in_values),
                cmocka_unit_test(mappers_expand_the_environment_only),
                cmocka_unit_test(bad_references_are_refused),
                cmocka_unit_test(files_are_read_relative_to_the_configuration),
                cmocka_unit_test(depth_is_limited),
                cmocka_unit_test(aliases_cannot_multiply_without_end),
                cmocka_unit_test(size_is_limited),
                cmocka_unit_test(large_maps_and_lists_are_read),
                cmocka_unit_test(expanded_text_is_never_shown),
                cmocka_unit_test(numbers_that_json_cannot_write_are_found),
                cmocka_unit_test(paths_are_relative_to_the_file),
                cmocka_unit_test(running_out_of_memory_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
