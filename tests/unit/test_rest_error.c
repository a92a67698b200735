#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "ingest/source/rest/error.h"
#include "ingest/source/rest/limits.h"
#include "ingest/source/rest/url.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Bodies as the vendors' documents have them. */
static const struct {
        const char *who, *type, *body, *line;
} servers[] = {
        {"nobody", "", "", ""},
        {"OData v4, Business Central", "application/json; odata.metadata=minimal",
                "{\"error\":{\"code\":\"BadRequest_NotFound\",\"message\":\"The company "
                "\\\"CRONUS\\\" does not exist.  CorrelationId:  1b2c.\"}}",
                "BadRequest_NotFound: The company \"CRONUS\" does not exist. "
                "CorrelationId: 1b2c."},
        {"OData v4 with details", "application/json",
                "{\"error\":{\"code\":\"501\",\"message\":\"Unsupported functionality\","
                "\"target\":\"query\",\"details\":[{\"code\":\"301\",\"target\":\"$"
                "search\","
                "\"message\":\"$search query option not supported\"}]}}",
                "501: Unsupported functionality: 301: $search query option not supported"},
        {"SAP Business One", "application/json",
                "{\"error\":{\"code\":-5002,\"message\":{\"lang\":\"en-us\",\"value\":"
                "\"Invalid session or session already timeout.\"}}}",
                "-5002: Invalid session or session already timeout."},
        {"SAP Gateway, OData v2", "application/json",
                "{\"error\":{\"code\":\"/IWBEP/CM_MGW_RT/"
                "021\",\"message\":{\"lang\":\"en\","
                "\"value\":\"Data Services Request contains invalid format\"},"
                "\"innererror\":{\"transactionid\":\"5F\",\"errordetails\":[{\"code\":\"SY/"
                "530\",\"message\":\"Field BUKRS is unknown\",\"severity\":\"error\"}]}}}",
                "/IWBEP/CM_MGW_RT/021: Data Services Request contains invalid format: "
                "SY/530: Field BUKRS is unknown"},
        {"OData as XML", "application/xml",
                "<?xml version=\"1.0\"?><error "
                "xmlns=\"http://schemas.microsoft.com/ado/2007"
                "/08/dataservices/metadata\"><code>005056A509B11EE1B9AF4F65B0FB6E3D</code>"
                "<message xml:lang=\"en\">Resource not found for segment 'Foo'</message>"
                "</error>",
                "Resource not found for segment 'Foo'"},
        {"SOAP", "text/xml",
                "<soap:Envelope><soap:Body><soap:Fault><faultcode>x</"
                "faultcode><faultstring>"
                "<![CDATA[Not <allowed>]]></faultstring></soap:Fault></soap:Body>"
                "</soap:Envelope>",
                "Not <allowed>"},
        {"Odoo JSON-RPC", "application/json",
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":200,\"message\":\"Odoo "
                "Server "
                "Error\",\"data\":{\"name\":\"odoo.exceptions.AccessError\",\"debug\":"
                "\"Traceback (most recent call last):\\n  File \\\"x.py\\\", line 1\","
                "\"message\":\"You are not allowed to access 'Product' (product.product)"
                " records.\\n\\nContact your administrator.\",\"arguments\":[\"x\"],"
                "\"context\":{}}}}",
                "Odoo Server Error: You are not allowed to access 'Product' "
                "(product.product) records. Contact your administrator."},
        {"Odoo JSON-2", "application/json",
                "{\"name\":\"werkzeug.exceptions.Unauthorized\",\"message\":\"Invalid "
                "apikey\",\"arguments\":[\"Invalid apikey\",401],\"context\":{},\"debug\":"
                "\"Traceback (most recent call last):\\n ...\"}",
                "Invalid apikey"},
        {"Frappe", "application/json",
                "{\"exception\":\"frappe.exceptions.ValidationError: Qty is mandatory\","
                "\"exc_type\":\"ValidationError\",\"exc\":\"[\\\"Traceback (most recent "
                "call"
                " last):\\\\n\\\"]\",\"_server_messages\":\"[\\\"{\\\\\\\"message\\\\\\\": "
                "\\\\\\\"Row 1: <b>Item</b> is missing\\\\\\\", \\\\\\\"title\\\\\\\": "
                "\\\\\\\"Message\\\\\\\"}\\\"]\"}",
                "frappe.exceptions.ValidationError: Qty is mandatory: Row 1: Item is "
                "missing"},
        {"Frappe without exception", "application/json", "{\"exc_type\":\"PermissionError\"}",
                "PermissionError"},
        {"Tryton", "application/json",
                "{\"id\": 3, \"error\": [\"UserError\", [\"You cannot read it.\", "
                "\"Ask for the group Sales.\"], \"\"]}",
                "UserError: You cannot read it. Ask for the group Sales."},
        {"Tryton with a trace", "application/json",
                "{\"id\":1,\"error\":[\"NotImplementedError\",\"Traceback (most recent "
                "call "
                "last):\\n  File \\\"a.py\\\"\"]}",
                "NotImplementedError"},
        {"Xero", "application/json",
                "{\"ErrorNumber\":10,\"Type\":\"ValidationException\",\"Message\":\"A "
                "validation exception occurred\",\"Elements\":[{\"ContactID\":\"7\","
                "\"ValidationErrors\":[{\"Message\":\"The contact name must be unique\"},"
                "{\"Message\":\"Email is not valid\"}]}]}",
                "10: A validation exception occurred: The contact name must be unique: "
                "Email is not valid"},
        {"Xero, refused", "application/json",
                "{\"Title\":\"Unauthorized\",\"Status\":401,\"Detail\":"
                "\"AuthenticationUnsuccessful\",\"Instance\":\"3f\"}",
                "Unauthorized: AuthenticationUnsuccessful"},
        {"Dolibarr", "application/json",
                "{\"error\":{\"code\":404,\"message\":\"Not Found: No product found\"}}",
                "Not Found: No product found"},
        {"Exact Online", "application/json",
                "{\"error\":{\"code\":\"\",\"message\":{\"lang\":\"\",\"value\":"
                "\"Mandatory "
                "filter missing\"}}}",
                "Mandatory filter missing"},
        {"NetSuite", "application/vnd.oracle.resource+json; type=error",
                "{\"type\":\"https://www.w3.org/Protocols/rfc2616\",\"title\":\"Bad "
                "Request\",\"status\":400,\"o:errorDetails\":[{\"detail\":\"Invalid search "
                "query.\",\"o:errorCode\":\"INVALID_PARAMETER\"}]}",
                "Bad Request: INVALID_PARAMETER: Invalid search query."},
        {"Sage Intacct", "application/json",
                "{\"ia::result\":{\"ia::error\":{\"code\":\"invalidRequest\",\"message\":"
                "\"A "
                "POST request requires a "
                "payload\",\"errorId\":\"REST-1028\"}},\"ia::meta\":"
                "{\"totalCount\":1}}",
                "invalidRequest: A POST request requires a payload"},
        {"Sage Accounting", "application/json",
                "[{\"$severity\":\"error\",\"$dataCode\":\"RecordNotFound\",\"$message\":"
                "\"Resource not found\",\"$source\":\"\"}]",
                "RecordNotFound: Resource not found"},
        {"OAuth2", "application/json",
                "{\"error\":\"invalid_grant\",\"error_description\":\"Token has been "
                "revoked.\"}",
                "invalid_grant: Token has been revoked."},
        {"RFC 9457", "application/problem+json",
                "{\"type\":\"about:blank\",\"title\":\"Out of credit\",\"status\":403,"
                "\"detail\":\"Your balance is 30.\",\"instance\":\"/x\"}",
                "Out of credit: Your balance is 30."},
        {"ASP.NET", "application/problem+json",
                "{\"title\":\"One or more validation errors occurred.\",\"status\":400,"
                "\"errors\":{\"PageSize\":[\"must be below 100\"],\"Name\":\"is empty\"}}",
                "One or more validation errors occurred. PageSize: must be below 100: "
                "Name: is empty"},
        {"Django", "application/json", "{\"modified_after\":[\"Enter a valid date.\"]}",
                "modified_after: Enter a valid date."},
        {"Spring", "application/json",
                "{\"timestamp\":\"2026\",\"status\":404,\"error\":\"Not "
                "Found\",\"message\":"
                "\"No static resource\",\"path\":\"/x\"}",
                "Not Found: No static resource"},
        {"Shopify", "application/json", "{\"errors\":\"[API] Invalid API key\"}",
                "[API] Invalid API key"},
        {"JSON:API", "application/vnd.api+json",
                "{\"errors\":[{\"status\":\"400\",\"title\":\"Bad page\",\"detail\":\"page "
                "0 "
                "is none\"}]}",
                "Bad page: page 0 is none"},
        {"a gateway", "application/json", "{\"message\":\"Forbidden\"}", "Forbidden"},
        {"a text in JSON", "application/json", "\"Unauthorized\"", "Unauthorized"},
        {"itself twice", "application/json",
                "{\"message\":\"gone\",\"error\":{\"message\":\"gone\"}}", "gone"},
        {"JSON that says nothing", "application/json", "{\"id\":7,\"ok\":false}",
                "{\"id\":7,\"ok\":false}"},
        {"JSON cut off", "application/json", "{\"message\":\"half of", "{\"message\":\"half of"},
        {"JSON under a wrong type", "text/html", "{\"message\":\"as JSON\"}", "as JSON"},
        {"a BOM", "application/json", "\xEF\xBB\xBF{\"message\":\"behind it\"}", "behind it"},
        {"nginx", "text/html",
                "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>x</body></"
                "html>",
                "an HTML page, titled \"502 Bad Gateway\""},
        {"HTML under a wrong type", "application/json",
                "\n<!DOCTYPE html>\n<html><TITLE lang=\"en\">\n Sign  in\n</TITLE>",
                "an HTML page, titled \"Sign in\""},
        {"HTML without a title", "text/html; charset=utf-8", "<p>no</p>", "an HTML page"},
        {"XML without words", "application/xml", "<a><b/></a>", "an XML document"},
        {"plain text", "text/plain", "  no such\r\n\tthing\x01 here \n", "no such thing here"},
        {"not UTF-8", "text/plain", "caf\xE9", "caf\xEF\xBF\xBD"},
};

static void servers_are_quoted(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(servers); i++) {
                char line[512];
                rest_error_line(servers[i].type, str_of(servers[i].body), line, sizeof(line));
                if (strcmp(line, servers[i].line) != 0)
                        fail_msg("%s: %s", servers[i].who, line);
        }
}

static void lines_are_cut_between_characters(void **state)
{
        static const char body[] = "\xC3\xA4\xC3\xB6\xC3\xBC\xC3\xA4\xC3\xB6\xC3\xBC";
        char line[32];

        (void)state;
        for (size_t size = 1; size <= sizeof(line); size++) {
                memset(line, 'x', sizeof(line));
                rest_error_line("text/plain", str_of(body), line, size);
                size_t n = strlen(line);
                assert_true(n < size);
                assert_true(str_utf8_valid((struct str){line, n}));
                assert_true(n == strlen(body) || size <= 4 || strcmp(line + n - 3, "...") == 0);
        }
        assert_string_equal(line, body);
        rest_error_line(NULL, STR("x"), line, 0); /* nothing is written */
}

/* Deep, large and broken bodies end, in a line. */
static void hostile_bodies_are_survived(void **state)
{
        static const char *const parts[] = {"[", "{\"error\":", "{\"errors\":[", "<title>", "<",
                "\\", "{\"message\":\"<", "\xFF", "\"", "<![CDATA[", "<message>"};
        const size_t n = 1 << 20;
        char *body = malloc(n), line[200];

        (void)state;
        for (size_t i = 0; i < COUNT(parts); i++) {
                size_t len = 0, part = strlen(parts[i]);
                for (; len + part <= n; len += part)
                        memcpy(body + len, parts[i], part);
                rest_error_line("", (struct str){body, len}, line, sizeof(line));
                assert_true(strlen(line) < sizeof(line));
                assert_null(strchr(line, '\n'));
        }
        free(body);
}

static void statuses_have_a_class(void **state)
{
        static const struct {
                int status;
                enum err_class class;
                bool again;
        } cases[] = {
                {400, ERR_CONFIG, false},
                {401, ERR_CONFIG, false},
                {403, ERR_CONFIG, false},
                {404, ERR_CONFIG, false},
                {405, ERR_CONFIG, false},
                {406, ERR_CONFIG, false},
                {410, ERR_CONFIG, false},
                {415, ERR_CONFIG, false},
                {422, ERR_CONFIG, false},
                {418, ERR_CONFIG, false},
                {300, ERR_CONFIG, false},
                {408, ERR_RETRY, true},
                {429, ERR_RETRY, true},
                {500, ERR_RETRY, true},
                {501, ERR_CONFIG, false},
                {502, ERR_RETRY, true},
                {503, ERR_RETRY, true},
                {504, ERR_RETRY, true},
                {522, ERR_RETRY, true},
                {529, ERR_RETRY, true},
                {100, ERR_CONFIG, false},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct rest_status s = rest_status_of(cases[i].status);
                assert_int_equal(s.class, cases[i].class);
                assert_int_equal(s.again, cases[i].again);
                assert_non_null(s.name);
        }
}

static void limits_are_read(void **state)
{
        enum { NOW = 1700000000 };
        static const struct {
                const char *headers[4][2];
                int64_t remaining; /* -1: nothing is known */
                int64_t seconds;
        } cases[] = {
                {{{"Content-Type", "x"}}, -1, 0},
                {{{"RateLimit-Limit", "100"}, {"RateLimit-Remaining", "50"},
                         {"RateLimit-Reset", "30"}},
                        50, 30},
                {{{"x-ratelimit-remaining", "0"}, {"x-ratelimit-reset", "1700000090"}}, 0, 90},
                {{{"X-RateLimit-Remaining", "4"}, {"X-RateLimit-Reset", "1700000090500"}}, 4, 90},
                {{{"X-Rate-Limit-Remaining", "7"}, {"X-Rate-Limit-Reset", "12.7"}}, 7, 12},
                {{{"X-RateLimit-Remaining", "7"}, {"X-RateLimit-Reset", "1600000000"}}, 7, 0},
                {{{"X-RateLimit-Remaining", "7"}, {"X-RateLimit-Reset", "99999999"}}, 7, 604800},
                {{{"X-RateLimit-Remaining", "7"}}, -1, 0},
                {{{"X-RateLimit-Remaining", "seven"}, {"X-RateLimit-Reset", "10"}}, -1, 0},
                {{{"X-RateLimit-Remaining", "7"}, {"X-RateLimit-Reset", "2023-11-14T22:13:20Z"}},
                        -1, 0},
                {{{"X-RateLimit-Remaining", "99999999999999999999"}, {"X-RateLimit-Reset", "1"}},
                        -1, 0},
                {{{"RateLimit-Remaining", "9, 9;w=60"}, {"RateLimit-Reset", "5"}}, 9, 5},
                {{{"RateLimit", "limit=100, remaining=50, reset=5"}}, 50, 5},
                {{{"RateLimit", "reset=5,remaining=50"}}, 50, 5},
                {{{"RateLimit", "\"default\";r=50;t=30"}}, 50, 30},
                {{{"RateLimit", "\"day\";r=500;t=3600, \"burst\";r=3;t=9"}}, 3, 9},
                {{{"RateLimit", "\"burst\";r=3;t=9, \"day\";r=500;t=3600"}}, 3, 9},
                {{{"RateLimit", ";=,;r=;t"}}, -1, 0},
                /* Exact Online: the day, and the minute with fewer left */
                {{{"X-RateLimit-Remaining", "4000"}, {"X-RateLimit-Reset", "1700050000000"},
                         {"X-RateLimit-Minutely-Remaining", "2"},
                         {"X-RateLimit-Minutely-Reset", "1700000020000"}},
                        2, 20},
                {{{"X-MinLimit-Remaining", "11"}, {"X-DayLimit-Remaining", "4500"}}, 11,
                        60}, /* Xero */
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct rest_limits l;
                int64_t remaining = -1, reset_us = 0;
                const int64_t now_us = NOW * INT64_C(1000000);
                rest_limits_init(&l);
                for (size_t h = 0; h < 4 && cases[i].headers[h][0]; h++)
                        rest_limits_header(
                                &l, str_of(cases[i].headers[h][0]), str_of(cases[i].headers[h][1]));
                bool known = rest_limits_get(&l, now_us, -1, &remaining, &reset_us);
                if (known != (cases[i].remaining >= 0) || remaining != cases[i].remaining ||
                        (known && reset_us != now_us + cases[i].seconds * 1000000))
                        fail_msg("case %zu: %d %lld %lld", i, known, (long long)remaining,
                                (long long)(reset_us - now_us));
                /* A clock of theirs that is an hour ahead: a time counts from it. */
                bool same = rest_limits_get(
                        &l, now_us - INT64_C(3600000000), now_us, &remaining, &reset_us);
                assert_true(same == known);
                if (known)
                        assert_true(reset_us == now_us + (cases[i].seconds - 3600) * 1000000);
        }
}

static void addresses_are_joined(void **state)
{
        static const struct {
                const char *base, *ref, *out; /* NULL: refused */
                const char *next;             /* rest_url_next(); NULL: the same */
        } cases[] = {
                {"http://h/api/v1/items?page=1", "/api/v1/items?page=2",
                        "http://h/api/v1/items?page=2", NULL},
                {"http://h/api/v1/items?page=1", "?page=2", "http://h/api/v1/items?page=2", NULL},
                {"http://h/api/v1/items", "other", "http://h/api/v1/other", NULL},
                {"http://h/b1s/v1/Items", "Items?$skip=20", "http://h/b1s/v1/Items?$skip=20", NULL},
                {"http://h/a/b/", "../c", "http://h/a/c", NULL},
                {"https://h/a", "//other/b", "https://other/b", NULL},
                {"http://h/a", "https://o:8443/b#frag", "https://o:8443/b", NULL},
                {"http://h/a", "/b?q=a b", "http://h/b?q=a+b", NULL},
                {"http://h/a", "/b?filter=x%20eq%20'y'&t=$z", "http://h/b?filter=x%20eq%20'y'&t=$z",
                        NULL},
                {"http://h/a", "ftp://h/b", NULL, NULL},
                {"http://h/a", "file:///etc/passwd", NULL, NULL},
                {"http://h/a", "javascript:alert(1)", NULL, NULL},
                {"http://h/a", "http://", NULL, NULL},
                {"http://h/a", "http://h:99999/", NULL, NULL},
                {"https://h/a", "http://h/b", "http://h/b", "https://h/b"},
                {"https://h:8443/a", "http://h/b", "http://h/b", "https://h:8443/b"},
                {"https://h/a", "http://h:8080/b", "http://h:8080/b", NULL},
                {"https://h/a", "http://other/b", "http://other/b", NULL},
                {"http://h/a", "http://h/b", "http://h/b", NULL},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                const char *want[] = {cases[i].out, cases[i].next ? cases[i].next : cases[i].out};
                int (*const join[])(const char *, const char *, struct buf *, struct err *) = {
                        rest_url_join, rest_url_next};
                for (int k = 0; k < 2; k++) {
                        cleanup_buf_ struct buf out = BUF_INIT(1000);
                        struct err e;
                        int rc = join[k](cases[i].base, cases[i].ref, &out, &e);
                        assert_int_equal(rc, want[k] ? 0 : -ERR_CONFIG);
                        if (want[k] && strcmp(buf_cstr(&out), want[k]) != 0)
                                fail_msg("%s: %s", cases[i].ref, buf_cstr(&out));
                }
        }
}

static void origins_are_told_apart(void **state)
{
        static const struct {
                const char *a, *b;
                bool same;
        } cases[] = {
                {"http://h/a", "http://h/b?x", true},
                {"http://h/a", "http://H:80/b", true},
                {"https://h/a", "https://h:443", true},
                {"http://h/a", "https://h/a", false},
                {"http://h/a", "http://h:81/a", false},
                {"http://h/a", "http://h.evil/a", false},
                {"http://h/a", "http://h@evil/a", false},
                {"http://h/a", "/a", false},
                {"http://h/a", "", false},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                assert_int_equal(rest_url_same_origin(cases[i].a, cases[i].b), cases[i].same);
}

static void parameters_are_found(void **state)
{
        (void)state;
        assert_true(rest_url_has_param("http://h/?a=1&b=2", STR("a")));
        assert_true(rest_url_has_param("http://h/?a=1&b=2", STR("b")));
        assert_true(rest_url_has_param("http://h/?a&b", STR("a")));
        assert_false(rest_url_has_param("http://h/?ab=1", STR("a")));
        assert_false(rest_url_has_param("http://h/?x=a", STR("a")));
        assert_false(rest_url_has_param("http://h/a=1", STR("a")));
        assert_false(rest_url_has_param("http://h/?x=1#a=1", STR("a")));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(servers_are_quoted),
                cmocka_unit_test(lines_are_cut_between_characters),
                cmocka_unit_test(hostile_bodies_are_survived),
                cmocka_unit_test(statuses_have_a_class),
                cmocka_unit_test(limits_are_read),
                cmocka_unit_test(addresses_are_joined),
                cmocka_unit_test(origins_are_told_apart),
                cmocka_unit_test(parameters_are_found),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
