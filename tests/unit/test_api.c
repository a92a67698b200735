/* The HTTP interface without HTTP: who is let in, which path is which route, and that openapi.json
 * has them all. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "ingest/serve/api_internal.h"
#include "ingest/serve/assets.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- tokens ---- */

static void tokens_are_compared_whole(void **state)
{
        static const struct {
                const char *header;
                enum api_token expected;
        } cases[] = {{NULL, API_TOKEN_NONE}, {"Bearer secret", API_TOKEN_RIGHT},
                {"bearer  secret ", API_TOKEN_RIGHT}, {"Bearer secre", API_TOKEN_WRONG},
                {"Bearer secrets", API_TOKEN_WRONG}, {"Bearer ", API_TOKEN_WRONG},
                {"Bearer", API_TOKEN_WRONG}, {"", API_TOKEN_WRONG}, {"secret", API_TOKEN_WRONG},
                {"Basic secret", API_TOKEN_WRONG}, {"Bearer SECRET", API_TOKEN_WRONG}};

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                if (api_token_check(cases[i].header, "secret") != cases[i].expected)
                        fail_msg("%s", cases[i].header ? cases[i].header : "(none)");
}

static void wrong_tokens_are_counted_for_each_network(void **state)
{
        struct api_limiter *l = calloc(1, sizeof(*l));

        (void)state;
        assert_non_null(l);
        for (int i = 0; i < API_WRONG_MAX; i++) {
                assert_int_equal(api_limiter_wait_s(l, "10.0.0.1", 1000), 0);
                api_limiter_note(l, "10.0.0.1", 1000);
                api_limiter_note(l, i % 2 ? "2001:db8::1" : "2001:db8::2", 1000);
        }
        assert_int_equal(api_limiter_wait_s(l, "10.0.0.1", 1000), 60);
        assert_int_equal(api_limiter_wait_s(l, "::ffff:10.0.0.1", 1000), 60);
        assert_int_equal(api_limiter_wait_s(l, "10.0.0.1", 60999), 1);
        assert_int_equal(api_limiter_wait_s(l, "10.0.0.1", 61000), 0);
        assert_int_equal(api_limiter_wait_s(l, "10.0.0.2", 1000), 0);
        assert_int_equal(api_limiter_wait_s(l, "2001:db8::ffff", 1000), 60);
        assert_int_equal(api_limiter_wait_s(l, "2001:db8:0:1::1", 1000), 0);
        api_limiter_note(l, "10.0.0.1", 61000); /* another minute */
        assert_int_equal(api_limiter_wait_s(l, "10.0.0.1", 61000), 0);
        free(l);
}

static void many_addresses_push_the_oldest_out(void **state)
{
        struct api_limiter *l = calloc(1, sizeof(*l));
        char peer[32];

        (void)state;
        assert_non_null(l);
        for (int i = 0; i < API_WRONG_MAX; i++)
                api_limiter_note(l, "10.0.0.1", 1000);
        for (int i = 0; i < API_PEERS - 1; i++) {
                snprintf(peer, sizeof(peer), "10.1.%d.%d", i / 256, i % 256);
                api_limiter_note(l, peer, 2000 + i);
        }
        assert_int_equal(api_limiter_wait_s(l, "10.0.0.1", 3000), 58);
        api_limiter_note(l, "10.2.0.0", 3000);
        assert_int_equal(api_limiter_wait_s(l, "10.0.0.1", 3000), 0);
        free(l);
}

/* ---- names ---- */

static const char *listed[] = {"erp.example.com", "Other"};
static const struct string_list names = {listed, 2};

static void hosts_are_addresses_or_listed(void **state)
{
        static const struct {
                const char *host;
                bool allowed;
        } cases[] = {{"127.0.0.1", true}, {"127.0.0.1:8090", true}, {"192.168.1.5:1", true},
                {"[::1]", true}, {"[::1]:8090", true}, {"[fe80::1]:80", true}, {"localhost", true},
                {"LocalHost:8090", true}, {"localhost.", true}, {"erp.example.com", true},
                {"ERP.example.com:443", true}, {"other", true}, {NULL, false}, {"", false},
                {":8090", false}, {"evil.example.com", false}, {"127.0.0.1.evil.com", false},
                {"localhost.evil.com", false}, {"erp.example.com.evil.com", false},
                {"127.0.0.1:80:80", false}, {"127.0.0.1:x", false}, {"[::1", false},
                {"[::1]x", false}, {"[]", false}, {"[localhost", false}, {"127.1", false},
                {"2130706433", false}, {"a@127.0.0.1", false}};

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                if (api_host_allowed(cases[i].host, &names) != cases[i].allowed)
                        fail_msg("%s", cases[i].host ? cases[i].host : "(none)");
}

static void the_name_listened_on_is_ours(void **state)
{
        static const struct {
                const char *host, *listen;
                bool same;
        } cases[] = {{"erp-host:8090", "erp-host:8090", true}, {"ERP-host", "erp-host:8090", true},
                {"erp-host.", "erp-host:8090", true}, {"erp-host:80", "erp-host:0", true},
                {"erp-host.evil.com", "erp-host:8090", false}, {"evil", "erp-host:8090", false},
                {"", "erp-host:8090", false}, {NULL, "erp-host:8090", false},
                {"erp-host:x", "erp-host:8090", false}};

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                if (api_host_is(cases[i].host, cases[i].listen) != cases[i].same)
                        fail_msg("%s", cases[i].host ? cases[i].host : "(none)");
}

static void origins_are_our_own(void **state)
{
        static const struct {
                const char *origin, *host;
                bool allowed;
        } cases[] = {{NULL, "127.0.0.1:8090", true},
                {"http://127.0.0.1:8090", "127.0.0.1:8090", true},
                {"http://localhost:8090", "localhost:8090", true},
                {"http://[::1]:8090", "[::1]:8090", true},
                {"https://erp.example.com", "erp.example.com", true},
                {"https://erp.example.com:8443", "127.0.0.1:8090", true},
                {"http://127.0.0.1", "127.0.0.1:80", true},
                {"https://127.0.0.1", "127.0.0.1:443", true}, {"null", "127.0.0.1:8090", false},
                {"", "127.0.0.1:8090", false}, {"http://localhost:3000", "localhost:8090", false},
                {"http://127.0.0.1", "127.0.0.1:8090", false},
                {"http://evil.example.com", "127.0.0.1:8090", false},
                {"https://erp.example.com.evil.com", "erp.example.com", false},
                {"ftp://127.0.0.1:8090", "127.0.0.1:8090", false},
                {"http://127.0.0.1:8090/", "127.0.0.1:8090", false},
                {"http://127.0.0.1:8090", "localhost:8090", false}};

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                if (api_origin_allowed(cases[i].origin, cases[i].host, &names) != cases[i].allowed)
                        fail_msg("%s at %s", cases[i].origin ? cases[i].origin : "(none)",
                                cases[i].host);
}

static void other_sites_may_only_link(void **state)
{
        (void)state;
        assert_true(api_fetch_allowed(NULL, NULL, NULL, false));
        assert_true(api_fetch_allowed("same-origin", "cors", "empty", false));
        assert_true(api_fetch_allowed("none", "navigate", "document", true));
        assert_true(api_fetch_allowed("cross-site", "navigate", "document", true));
        assert_false(api_fetch_allowed("cross-site", "navigate", "document", false));
        assert_false(api_fetch_allowed("cross-site", "navigate", "iframe", true));
        assert_false(api_fetch_allowed("cross-site", "no-cors", "image", true));
        assert_false(api_fetch_allowed("same-site", "cors", "empty", true));
        assert_false(api_fetch_allowed("cross-site", NULL, NULL, true));
}

/* ---- routes ---- */

static const struct api_route *find(const char *path, struct str *part)
{
        const struct api_route *found = NULL;

        for (size_t i = 0; i < api_route_count; i++) {
                struct str here;
                if (!api_route_match(&api_routes[i], str_of(path), &here))
                        continue;
                assert_null(found); /* one path, one route */
                found = &api_routes[i];
                *part = here;
        }
        return found;
}

static void paths_lead_to_one_route(void **state)
{
        static const struct {
                const char *path, *route, *part;
        } cases[] = {{"/healthz", "/healthz", ""}, {"/healthz/", NULL, ""}, {"", NULL, ""},
                {"/api/v1/mappers/product", "/api/v1/mappers/{name}", "product"},
                {"/api/v1/mappers/", NULL, ""}, {"/api/v1/mappers/a/b", NULL, ""},
                {"/api/v1/mappers/run/run", "/api/v1/mappers/{name}/run", "run"},
                {"/api/v1/mappers//run", NULL, ""}, {"/api/v1/mappers/../run/pause", NULL, ""},
                {"/api/v1/runs/a:1/events", "/api/v1/runs/{id}/events", "a:1"},
                {"/api/v1/rejects/reject:a:x/y/retry", "/api/v1/rejects/{id}/retry",
                        "reject:a:x/y"},
                {"/api/v1/rejects/reject:a:/drop/drop", "/api/v1/rejects/{id}/drop",
                        "reject:a:/drop"},
                {"/api/v1/rejects//drop", NULL, ""}, {"/api/v1/rejects/drop", NULL, ""},
                {"/api/v1/status", "/api/v1/status", ""}, {"/api/v1/statusx", NULL, ""}};

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct str part = STR("");
                const struct api_route *route = find(cases[i].path, &part);
                if (!route != !cases[i].route ||
                        (route && !str_is(str_of(route->path), cases[i].route)) ||
                        !str_is(part, cases[i].part))
                        fail_msg("%s -> %s with %.*s", cases[i].path,
                                route ? route->path : "(none)", STR_ARG(part));
        }
}

static void what_changes_something_needs_the_token(void **state)
{
        (void)state;
        for (size_t i = 0; i < api_route_count; i++)
                assert_int_equal(api_routes[i].token, str_is(str_of(api_routes[i].method), "POST"));
}

static void lower_case(const char *method, char out[8])
{
        size_t i = 0;

        for (; method[i]; i++)
                out[i] = (char)(method[i] | 0x20);
        out[i] = 0;
}

static size_t described(const cJSON *paths)
{
        size_t count = 0;
        const cJSON *path;

        cJSON_ArrayForEach(path, paths) count += (size_t)cJSON_GetArraySize(path);
        return count;
}

static void every_route_is_described_and_no_other(void **state)
{
        struct str text = asset_openapi()->plain.body;
        cJSON *openapi = cJSON_ParseWithLength(text.ptr, text.len);
        const cJSON *paths = cJSON_GetObjectItemCaseSensitive(openapi, "paths");
        char method[8];

        (void)state;
        assert_non_null(paths);
        for (size_t i = 0; i < api_route_count; i++) {
                const cJSON *path = cJSON_GetObjectItemCaseSensitive(paths, api_routes[i].path);
                lower_case(api_routes[i].method, method);
                const cJSON *operation = cJSON_GetObjectItemCaseSensitive(path, method);
                const cJSON *security = cJSON_GetObjectItemCaseSensitive(operation, "security");
                if (!operation || !cJSON_GetArraySize(security) != !api_routes[i].token)
                        fail_msg("%s %s", api_routes[i].method, api_routes[i].path);
        }
        assert_int_equal(described(paths), api_route_count + 1); /* and the page */
        cJSON_Delete(openapi);
}

/* ---- files ---- */

static void gzip_is_sent_to_who_takes_it(void **state)
{
        static const struct {
                const char *accept;
                bool takes;
        } cases[] = {{NULL, false}, {"", false}, {"gzip", true}, {"gzip, deflate, br", true},
                {"br,GZip", true}, {"deflate", false}, {"gzip;q=0", false},
                {"gzip; q=0.000 , *", false}, {"gzip;q=0.001", true}, {"gzip ; Q=1", true},
                {"x-gzip", true}, {"*", true}, {"*;q=0", false}, {"identity, *;q=0.5", true},
                {"gzipped", false}, {"gzi", false}, {"gzip;", true}, {"gzip;x", false},
                {";gzip", false}, {",,gzip", true}, {"identity", false}, {"gzip;q", false}};

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                if (asset_takes_gzip(cases[i].accept) != cases[i].takes)
                        fail_msg("%s", cases[i].accept ? cases[i].accept : "(none)");
}

static void forms_of_a_file_have_tags_of_their_own(void **state)
{
        const struct asset *page = asset_find(STR("/")), *api = asset_openapi();

        (void)state;
        assert_non_null(page);
        assert_null(asset_find(STR("/index.html")));
        assert_string_not_equal(page->plain.etag, page->gzip.etag);
        assert_memory_equal(page->gzip.body.ptr, "\x1f\x8b\x08", 3);
        assert_true(api->gzip.body.len > 0 && api->gzip.body.len < api->plain.body.len / 2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(tokens_are_compared_whole),
                cmocka_unit_test(wrong_tokens_are_counted_for_each_network),
                cmocka_unit_test(many_addresses_push_the_oldest_out),
                cmocka_unit_test(hosts_are_addresses_or_listed),
                cmocka_unit_test(the_name_listened_on_is_ours),
                cmocka_unit_test(origins_are_our_own),
                cmocka_unit_test(other_sites_may_only_link),
                cmocka_unit_test(paths_lead_to_one_route),
                cmocka_unit_test(what_changes_something_needs_the_token),
                cmocka_unit_test(every_route_is_described_and_no_other),
                cmocka_unit_test(gzip_is_sent_to_who_takes_it),
                cmocka_unit_test(forms_of_a_file_have_tags_of_their_own),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
