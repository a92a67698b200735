/* Formats: in each line a name, what fits, and behind it what does not. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "schemas/format.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
        const char *name;
        const char *fits[8], *fails[12];
} cases[] = {
        {"date", {"2026-02-28", "2024-02-29", "0000-01-01", "9999-12-31"},
                {"2026-02-29", "1900-02-29", "2026-13-01", "2026-00-10", "2026-1-1", "26-01-01",
                        "2026-01-01 ", "20260101", "", "2026-04-31"}},
        {"time", {"12:00:00Z", "23:59:60Z", "00:59:60+01:00", "08:30:06.283185z", "12:00:00-23:59"},
                {"12:00:00", "24:00:00Z", "12:60:00Z", "12:00:60Z", "12:00:00.Z", "12:00Z",
                        "12:00:00+24:00", "12:00:00 Z"}},
        {"date-time", {"2026-03-01T12:30:45Z", "2026-03-01t12:30:45.5+05:30"},
                {"2026-03-01 12:30:45Z", "2026-02-30T12:30:45Z", "2026-03-01T12:30:45",
                        "2026-03-01"}},
        {"duration", {"P1D", "PT0S", "P2W", "P1Y2M3DT4H5M6S", "PT1H30M"},
                {"P", "PT", "P1", "P1YT", "P1Y2D", "PT1H2S", "P1W2D", "PT0.5S", "-P1D", "P2D1Y"}},
        {"email", {"a.b@example.com", "\"a b\"@x.org", "a@[127.0.0.1]", "a@[IPv6:::1]", "a+b@x"},
                {"a", "@x", "a@", ".a@x", "a.@x", "a..b@x", "a b@x", "a@x_y", "a@[1.2.3]", "\"a@x",
                        "\xC3\xA9@x.org"}},
        {"idn-email", {"\xC3\xA9@x.org", "a@\xCE\xB1.org"}, {"a", "\xC3\xA9@", "a@-\xCE\xB1"}},
        {"hostname", {"a", "www.example.com", "1-2.x", "a--b.com", "xn--9n2bp8q"},
                {"", ".", "a.", ".a", "-a", "a-", "a_b", "a..b", "xn--X", "ab--c", "a b",
                        "xn--9n2bp8q-"}},
        {"idn-hostname",
                {"\xEC\x8B\xA4\xEB\xA1\x80.x", "l\xC2\xB7l",
                        "a\xE3\x80\x82"
                        "b"},
                {"\xC2\xB7l",
                        "\xCC\x80"
                        "a",
                        "", "\xEF\xBD\x81.x", "0\xD8\xA7", "\xE3\x80\x82"}},
        {"ipv4", {"0.0.0.0", "255.255.255.255"},
                {"256.1.1.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.4.", "1..2.3", "",
                        "0x1.2.3.4", "1.2.3.4 "}},
        {"ipv6", {"::", "::1", "1::", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4", "1:2::7:8"},
                {"", ":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "::g",
                        "1.2.3.4", "::1.2.3", "1:2:3:4:5:6:7::8", "1:"}},
        {"uri", {"http://a/b?c#d", "urn:x:y", "mailto:a@b", "http://[::1]:80/", "http://a:80"},
                {"", "/a", "a", "//a/b", "http://a b", "http://a/%zz", "1a:b", "http://a/{x}",
                        "http://[::1", "http://a:x/", "http://\xC3\xA9/"}},
        {"uri-reference", {"", "/a", "a/b:c", "?q", "#f", "//a"},
                {"\\a", "a b", "#a#b", "%", "1a:b"}},
        {"iri", {"http://\xC3\xA9/\xCE\xB1?\xEE\x80\x80", "http://a"},
                {"\xC3\xA9", "http://a/\xEE\x80\x80"}},
        {"iri-reference", {"\xC3\xA9", "/\xCE\xB1"}, {"\\\xC3\xA9", "a b"}},
        {"uri-template", {"", "a/{b}", "{+a,b:3,c*}", "{?a.b}", "{%41}"},
                {"{", "}", "{}", "{a", "{a,,b}", "{a:0}", "{a:10000}", "{=a}", "a b", "{a..b}",
                        "{a:}"}},
        {"uuid", {"2eb8aa08-AA98-11ea-b4aa-73b441d16380"},
                {"", "2eb8aa08aa9811eab4aa73b441d16380", "2eb8aa08-aa98-11ea-b4aa-73b441d1638g",
                        "2eb8aa08-aa98-11ea-b4aa-73b441d163800"}},
        {"json-pointer", {"", "/", "/a~0~1/0"}, {"a", "/~", "/~2", "#/a"}},
        {"relative-json-pointer", {"0", "1/a", "2#", "10"}, {"", "01", "-1", "/a", "1#a", "1~"}},
        {"regex", {"^a+$", "[^]", "(?<=a+)b"}, {"(", "a**", "\\a", "(?i)a"}},
};

static void formats_fit_and_fail(void **state)
{
        for (size_t i = 0; i < COUNT(cases); i++) {
                const struct format *f = format_find(str_of(cases[i].name));
                assert_non_null(f);
                for (size_t k = 0; k < COUNT(cases[i].fits) && cases[i].fits[k]; k++)
                        if (!f->fits(str_of(cases[i].fits[k])))
                                fail_msg("%s: %s must fit", f->name, cases[i].fits[k]);
                for (size_t k = 0; k < COUNT(cases[i].fails) && cases[i].fails[k]; k++)
                        if (f->fits(str_of(cases[i].fails[k])))
                                fail_msg("%s: %s must fail", f->name, cases[i].fails[k]);
        }
}

static void unknown_formats_are_none(void **state)
{
        assert_null(format_find(STR("colour")));
        assert_null(format_find(STR("")));
}

/* Every single byte, alone and in front of something: no format reads past the end. */
static void no_byte_confuses_a_format(void **state)
{
        for (size_t i = 0; i < COUNT(cases); i++) {
                const struct format *f = format_find(str_of(cases[i].name));
                for (int c = 0; c < 128; c++) {
                        char *one = malloc(1);
                        assert_non_null(one);
                        *one = (char)c;
                        (void)f->fits((struct str){one, 1});
                        free(one);
                }
                assert_true(f->fits(str_of(cases[i].fits[0])));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(formats_fit_and_fail),
                cmocka_unit_test(unknown_formats_are_none),
                cmocka_unit_test(no_byte_confuses_a_format),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
