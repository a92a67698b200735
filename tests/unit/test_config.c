/* Whole configurations in a temporary folder; loaded, or the exact message. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "ingest/pipeline/config.h"
#include "tests/support/alloc_fail.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct bad {
        const char *text, *message;
};

/* ---- a folder with files, the working directory of each test ---- */

static char folder[] = "/tmp/test_config_XXXXXX";

static void write_file(const char *path, const char *text)
{
        cleanup_(closep) int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static int make_folder(void **state)
{
        (void)state;
        return mkdtemp(folder) && chdir(folder) == 0 && mkdir("mappers", 0700) == 0 ? 0 : -1;
}

static void remove_mappers(void)
{
        static const char *const names[] = {"a", "b", "c", "d", "e", "product", "order"};

        for (size_t i = 0; i < COUNT(names); i++) {
                char path[64];
                snprintf(path, sizeof(path), "mappers/%s.yaml", names[i]);
                unlink(path);
        }
}

static int remove_folder(void **state)
{
        (void)state;
        remove_mappers();
        unlink("erp2couch.yaml");
        unlink("token");
        return rmdir("mappers") || chdir("/") || rmdir(folder) ? -1 : 0;
}

#define MINIMAL                                                                                    \
        "version: 1\ncouchdb: {url: 'http://127.0.0.1:5984'}\n"                                    \
        "sources:\n  erp: {type: postgres, dsn: 'host=127.0.0.1'}\n"                               \
        "mappers: [mappers/*.yaml]\nstate_dir: state\n"

#define MAPPER(name, database, id)                                                                 \
        "mapper: " name "\nsource: erp\nextract: {table: t, key: id}\n"                            \
        "target: {database: '" database "', id: '" id "'}\nfields: {type: a, sku: b}\n"

static int load(const char *text, struct config **c, struct err *e)
{
        *c = NULL;
        write_file("erp2couch.yaml", text);
        return config_load("erp2couch.yaml", c, e);
}

static void expect_error(const char *text, const char *message)
{
        struct config *c;
        struct err e = {0};

        int rc = load(text, &c, &e);
        if (rc == 0)
                fail_msg("no error in: %s", text);
        assert_string_equal(e.text, message);
        assert_int_equal(rc, -ERR_CONFIG);
        assert_null(c);
}

/* ---- erp2couch.yaml ---- */

static void a_minimal_configuration_gets_the_defaults(void **state)
{
        cleanup_(config_freep) struct config *c = NULL;
        struct err e = {0};

        (void)state;
        write_file("mappers/product.yaml", MAPPER("product", "catalog", "product:${sku}"));
        if (load(MINIMAL, &c, &e))
                fail_msg("%s", e.text);
        assert_string_equal(c->path, "erp2couch.yaml");
        assert_string_equal(c->couch.url, "http://127.0.0.1:5984");
        assert_int_equal(c->couch.auth, COUCH_AUTH_NONE);
        assert_string_equal(c->couch.control_database, "erp2couch");
        assert_true(c->couch.create);
        assert_int_equal(c->couch.create_q, 2);
        assert_false(c->couch.create_partitioned);
        assert_int_equal(c->couch.max_batch_docs, 1000);
        assert_int_equal(c->couch.max_batch_bytes, 4 << 20);
        assert_int_equal(c->couch.max_in_flight, 8);
        assert_int_equal(c->couch.retry_for_ms, 300000);
        assert_int_equal(c->source_count, 1);
        assert_string_equal(c->sources[0].name, "erp");
        assert_string_equal(c->sources[0].folder, "state/.sources/erp");
        assert_ptr_equal(config_source(c, "erp"), &c->sources[0]);
        assert_null(config_source(c, "shop"));
        assert_null(c->schemas);
        assert_string_equal(c->state_dir, "state");
        assert_string_equal(c->http.listen, "127.0.0.1:8090");
        assert_int_equal(c->http.hosts.count, 0);
        assert_int_equal(c->serve.max_runs, 4);
        assert_int_equal(c->serve.stop_timeout_ms, 30000);
        assert_int_equal(c->sources[0].max_runs, 0);
        assert_null(c->http.token);
        assert_int_equal(c->log.level, LOG_LEVEL_INFO);
        assert_int_equal(c->log.format, LOG_FORMAT_AUTO);
        assert_int_equal(c->mapper_count, 1);
        assert_string_equal(c->mappers[0].spec->name, "product");
        assert_ptr_equal(c->mappers[0].source, &c->sources[0]);
        assert_string_equal(c->mappers[0].extract->table, "t");
        remove_mappers();
}

static void every_key_is_decoded_and_paths_are_relative_to_the_file(void **state)
{
        cleanup_(config_freep) struct config *c = NULL;
        struct err e = {0};
        char path[64], expected[80];

        (void)state;
        setenv("C_PORT", "5985", 1);
        setenv("C_DSN", "host=127.0.0.1 port=1 password=hunter2", 1);
        setenv("C_FLIGHT", "3", 1);
        write_file("token", "s3cret\n");
        write_file("mappers/product.yaml", MAPPER("product", "catalog", "product:${sku}"));
        write_file("erp2couch.yaml",
                "version: 1\n"
                "couchdb:\n"
                "  url: https://couch:${C_PORT}/db//\n"
                "  auth: {session: {user: ingest, password: '${file:token}'}}\n"
                "  tls: {ca_file: ca.pem, cert_file: /etc/c.pem, key_file: k.pem}\n"
                "  control_database: ctl\n"
                "  create: {q: 8, partitioned: true}\n"
                "  max_batch_docs: 500\n"
                "  max_batch_bytes: 1MiB\n"
                "  max_in_flight: ${C_FLIGHT}\n"
                "  retry_for: 1m30s\n"
                "sources:\n"
                "  erp: {type: postgres, dsn: \"${C_DSN}\"}\n"
                "mappers: mappers/product.yaml\n"
                "schemas: schemas\n"
                "state_dir: /var/lib/erp2couch\n"
                "http: {listen: '[::1]:0', token: \"${file:token}\", hosts: [a.b-c.org, d]}\n"
                "serve: {max_runs: 9, stop_timeout: 0}\n"
                "log: {level: debug, format: json}\n");
        snprintf(path, sizeof(path), "%s/erp2couch.yaml", folder);
        if (config_load(path, &c, &e))
                fail_msg("%s", e.text);
        assert_string_equal(c->couch.url, "https://couch:5985/db");
        assert_int_equal(c->couch.auth, COUCH_AUTH_SESSION);
        assert_string_equal(c->couch.user, "ingest");
        assert_string_equal(c->couch.password, "s3cret");
        snprintf(expected, sizeof(expected), "%s/ca.pem", folder);
        assert_string_equal(c->couch.ca_file, expected);
        assert_string_equal(c->couch.cert_file, "/etc/c.pem");
        assert_string_equal(c->couch.control_database, "ctl");
        assert_true(c->couch.create);
        assert_int_equal(c->couch.create_q, 8);
        assert_true(c->couch.create_partitioned);
        assert_int_equal(c->couch.max_batch_docs, 500);
        assert_int_equal(c->couch.max_batch_bytes, 1 << 20);
        assert_int_equal(c->couch.max_in_flight, 3);
        assert_int_equal(c->couch.retry_for_ms, 90000);
        snprintf(expected, sizeof(expected), "%s/schemas", folder);
        assert_string_equal(c->schemas, expected);
        assert_string_equal(c->state_dir, "/var/lib/erp2couch");
        assert_string_equal(c->http.listen, "[::1]:0");
        assert_int_equal(c->http.hosts.count, 2);
        assert_string_equal(c->http.hosts.items[1], "d");
        assert_int_equal(c->serve.max_runs, 9);
        assert_int_equal(c->serve.stop_timeout_ms, 0);
        assert_string_equal(c->http.token, "s3cret");
        assert_int_equal(c->log.level, LOG_LEVEL_DEBUG);
        assert_int_equal(c->log.format, LOG_FORMAT_JSON);
        snprintf(expected, sizeof(expected), "%s/mappers/product.yaml", folder);
        assert_string_equal(c->mappers[0].spec->path, expected);
        remove_mappers();
}

/* A source may have any name; its folder stays in the state's. */
static void names_of_sources_become_folders(void **state)
{
        static const struct {
                const char *name, *folder;
        } cases[] = {
                {"Shop_2-b", "state/.sources/Shop_2-b"},
                {"'..'", "state/.sources/%2E%2E"},
                {"'a/../b c'", "state/.sources/a%2F%2E%2E%2Fb%20c"},
                {"'\xc3\xa4'", "state/.sources/%C3%A4"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_(config_freep) struct config *c = NULL;
                char text[512];
                struct err e;

                snprintf(text, sizeof(text),
                        "version: 1\ncouchdb: {url: 'http://127.0.0.1:5984'}\nsources:\n  %s: "
                        "{type: postgres, dsn: 'host=x'}\nmappers: [x]\nstate_dir: state\n",
                        cases[i].name);
                write_file("erp2couch.yaml", text);
                assert_int_equal(config_load_sources("erp2couch.yaml", &c, &e), 0);
                assert_string_equal(c->sources[0].folder, cases[i].folder);
                assert_int_not_equal(access("state", F_OK), 0); /* not made before it is needed */
        }
}

static void long_names_of_sources_are_refused(void **state)
{
        struct config *c = NULL;
        char text[1024];
        struct err e = {0};

        (void)state;
        snprintf(text, sizeof(text),
                "version: 1\ncouchdb: {url: 'http://127.0.0.1:5984'}\nsources:\n  %0256d: "
                "{type: postgres, dsn: 'host=x'}\nmappers: [x]\nstate_dir: state\n",
                1);
        write_file("erp2couch.yaml", text);
        assert_int_equal(config_load_sources("erp2couch.yaml", &c, &e), -ERR_CONFIG);
        assert_string_equal(e.text, "erp2couch.yaml:4:261: the name of a source is too long for a "
                                    "folder: 255 bytes at most");
}

static void wrong_configurations_are_refused(void **state)
{
        static const struct bad cases[] = {
                {"", "erp2couch.yaml:1:1: the configuration is empty: write its keys, indented "
                     "below it"},
                {"version: 2\n",
                        "erp2couch.yaml:1:10: 'version' must be 1, the only version of this file "
                        "there is, not '2'"},
                {"version: '1'\n", "erp2couch.yaml:1:10: 'version' must be 1 without quotes"},
                {"couchdb: {}\n", "erp2couch.yaml:1:1: key 'version' is missing in the "
                                  "configuration; add it: version of this file's form: 1"},
                {"version: 1\ncouchdb: {url: x}\nmappers: x\nstate_dir: x\n",
                        "erp2couch.yaml:1:1: key 'sources' is missing in the configuration; add "
                        "it: the ERPs to read, by name"},
                {"version: 1\ncouchdb: {url: 'http://x'}\nsources: {}\nmappers: x\nstate_dir: x\n",
                        "erp2couch.yaml:3:10: 'sources' must be a map of sources, not an empty "
                        "one; write NAME: {type: ..., dsn: ...}"},
                {"version: 1\ncouchdb: {url: 'http://x'}\nsources: [a]\nmappers: x\nstate_dir: x\n",
                        "erp2couch.yaml:3:10: 'sources' must be a map of sources, not a list; "
                        "write NAME: {type: ..., dsn: ...}"},
                {"version: 1\ncouchdb: {url: 'http://x'}\nsources: {shop: {type: odbc}}\n"
                 "mappers: x\nstate_dir: x\n",
                        "erp2couch.yaml:3:24: source type 'odbc' is not in this version; this "
                        "version has: postgres, rest"},
                {"mapper: [x]\n",
                        "erp2couch.yaml:1:1: unknown key 'mapper', did you mean 'mappers'?"},
                {"mapper: x\nextract: {}\n", "erp2couch.yaml is a mapper: name the configuration, "
                                             "erp2couch.yaml, with -c FILE"},
                {"mappers: []\n", "erp2couch.yaml:1:10: 'mappers' must not be empty"},
                {"state_dir: ''\n", "erp2couch.yaml:1:12: 'state_dir' must not be empty"},
                {"log: {level: warning}\n",
                        "erp2couch.yaml:1:14: 'level' must be error, warn, info or debug, not "
                        "'warning'"},
                {"http: {hosts: [a, 'http://b']}\n",
                        "erp2couch.yaml:1:19: 'hosts' must be names without scheme and port, such "
                        "as erp2couch.example.com, not 'http://b'"},
                {"http: {hosts: 'b:80'}\n",
                        "erp2couch.yaml:1:15: 'hosts' must be names without scheme and port, such "
                        "as erp2couch.example.com, not 'b:80'"},
                {"serve: {max_runs: 0}\n",
                        "erp2couch.yaml:1:19: 'max_runs' must be from 1 to 100, not '0'"},
                {"serve: {stop_timeout: 2h}\n",
                        "erp2couch.yaml:1:23: 'stop_timeout' must be from 0 to 3600000 ms, not "
                        "'2h'"},
                {"serve: {maxruns: 1}\n",
                        "erp2couch.yaml:1:9: unknown key 'maxruns', did you mean 'max_runs'?"},
                {"http: {listen: 8090}\n",
                        "erp2couch.yaml:1:16: 'listen' must be HOST:PORT, such as 127.0.0.1:8090, "
                        "not '8090'"},
                {"http: {listen: '::1:80'}\n",
                        "erp2couch.yaml:1:16: 'listen' must be HOST:PORT, such as 127.0.0.1:8090, "
                        "not '::1:80'"},
                {"http: {listen: 'x:65536'}\n",
                        "erp2couch.yaml:1:16: 'listen' must be HOST:PORT, such as 127.0.0.1:8090, "
                        "not 'x:65536'"},
                {"http: {listen: ':80'}\n",
                        "erp2couch.yaml:1:16: 'listen' must be HOST:PORT, such as 127.0.0.1:8090, "
                        "not ':80'"},
                {"state_dir: ${C_UNSET}\n",
                        "erp2couch.yaml:1:12: environment variable C_UNSET is not set; set it, or "
                        "give a default: ${C_UNSET:-default}"},
        };
        (void)state;
        unsetenv("C_UNSET");
        for (size_t i = 0; i < COUNT(cases); i++)
                expect_error(cases[i].text, cases[i].message);
}

/* No request could carry it. */
static void tokens_that_no_header_carries_are_refused(void **state)
{
        static const char *const bad[] = {
                "'abc '", "' abc'", "'a b'", "\"abc\\n\"", "\"a\\u00e9\""};
        char text[1024];

        (void)state;
        for (size_t i = 0; i < COUNT(bad); i++) {
                snprintf(text, sizeof(text), "http: {token: %s}\n" MINIMAL, bad[i]);
                expect_error(text,
                        "erp2couch.yaml:1:15: 'token' must be of visible ASCII characters, without "
                        "white space: a header cannot carry others");
        }
}

/* ---- couchdb: ---- */

static int decode_couch(
        const char *text, struct arena *arena, struct couch_options *o, struct err *e)
{
        cleanup_(ydoc_freep) struct ydoc *d = NULL;

        if (ydoc_parse(str_of(text), "c.yaml", YDOC_EXPAND_CONFIG, &d, e))
                fail_msg("%s", e->text);
        return couch_options_decode(d, d->root, arena, o, e);
}

static void credentials_leave_the_url(void **state)
{
        static const struct {
                const char *text, *url;
                enum couch_auth auth;
                const char *user, *password;
        } cases[] = {
                {"url: http://127.0.0.1:5984/", "http://127.0.0.1:5984", COUCH_AUTH_NONE, NULL,
                        NULL},
                {"url: http://adm:pass@127.0.0.1:5984", "http://127.0.0.1:5984", COUCH_AUTH_BASIC,
                        "adm", "pass"},
                {"url: http://a%40b:p%3A%2F%C3%BC%25@couch", "http://couch", COUCH_AUTH_BASIC,
                        "a@b", "p:/\303\274%"},
                {"url: https://adm@[::1]:6984/couch/", "https://[::1]:6984/couch", COUCH_AUTH_BASIC,
                        "adm", ""},
                {"url: http://h\nauth: {user: u, password: ''}", "http://h", COUCH_AUTH_BASIC, "u",
                        ""},
                {"url: http://h\nauth: {session: {user: 'u:v', password: p}}", "http://h",
                        COUCH_AUTH_SESSION, "u:v", "p"},
                {"url: http://h\nauth: {jwt_file: /run/t}", "http://h", COUCH_AUTH_JWT_FILE, NULL,
                        NULL},
                {"url: http://h\nauth: {bearer: 12345}", "http://h", COUCH_AUTH_BEARER, NULL, NULL},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
                struct couch_options o = {0};
                struct err e = {0};
                if (decode_couch(cases[i].text, arena, &o, &e))
                        fail_msg("%s", e.text);
                assert_string_equal(o.url, cases[i].url);
                assert_int_equal(o.auth, cases[i].auth);
                if (cases[i].user) {
                        assert_string_equal(o.user, cases[i].user);
                        assert_string_equal(o.password, cases[i].password);
                }
        }
}

static void missing_databases_may_be_refused(void **state)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
        struct couch_options o = {0};
        struct err e = {0};

        (void)state;
        assert_int_equal(decode_couch("url: http://h\ncreate: false\n", arena, &o, &e), 0);
        assert_false(o.create);
        assert_int_equal(
                decode_couch("url: http://h\ncreate: {partitioned: true}\n", arena, &o, &e), 0);
        assert_true(o.create && o.create_partitioned);
        assert_int_equal(o.create_q, 2);
}

#define FORMS                                                                                      \
        "'auth' has exactly one form: {user, password}, {session: {user, password}}, {jwt_file} "  \
        "or {bearer}"

static void wrong_couchdb_blocks_are_refused(void **state)
{
        static const struct bad cases[] = {
                {"[]", "c.yaml:1:1: couchdb must be a map, not a list"},
                {"auth: {}", "c.yaml:1:1: key 'url' is missing in couchdb; add it: URL of the "
                             "server; user and password in it are basic auth"},
                {"urll: x", "c.yaml:1:1: unknown key 'urll', did you mean 'url'?"},
                {"url: ''", "c.yaml:1:6: 'url' must not be empty"},
                {"url: 127.0.0.1:5984", "c.yaml:1:6: 'url' of couchdb: it must begin with http:// "
                                        "or https://, such as http://127.0.0.1:5984"},
                {"url: localhost", "c.yaml:1:6: 'url' of couchdb: it must begin with http:// or "
                                   "https://, such as http://127.0.0.1:5984"},
                {"url: 'http://'",
                        "c.yaml:1:6: 'url' of couchdb: it is not a URL such as "
                        "http://127.0.0.1:5984; the characters @ : / ? # % of a user or password "
                        "are percent-encoded (@ is %40), or stand in couchdb.auth as they are"},
                {"url: ftp://h", "c.yaml:1:6: 'url' of couchdb: it must begin with http:// or "
                                 "https://"},
                {"url: http://h/?a=b",
                        "c.yaml:1:6: 'url' of couchdb: it must end before ? and #, such as "
                        "http://127.0.0.1:5984; in a password they are %3F and %23"},
                {"url: 'http://h/#x'",
                        "c.yaml:1:6: 'url' of couchdb: it must end before ? and #, such as "
                        "http://127.0.0.1:5984; in a password they are %3F and %23"},
                {"url: http://:p@h",
                        "c.yaml:1:6: 'url' of couchdb: its user or password is empty or holds "
                        "control codes"},
                {"url: http://u:%0a@h",
                        "c.yaml:1:6: 'url' of couchdb: its user or password is empty or holds "
                        "control codes"},
                {"url: http://u:p@h\nauth: {bearer: x}",
                        "c.yaml:1:6: 'url' of couchdb: it holds a user, and there is 'auth', too: "
                        "keep one"},
                {"url: http://h\nauth: {}", "c.yaml:2:7: " FORMS},
                {"url: http://h\nauth: basic", "c.yaml:2:7: 'auth' must be a map, not a string"},
                {"url: http://h\nauth: {bearer: x, jwt_file: y}", "c.yaml:2:7: " FORMS},
                {"url: http://h\nauth: {user: u, password: p, session: {user: u, password: p}}",
                        "c.yaml:2:7: " FORMS},
                {"url: http://h\nauth: {user: u}", "c.yaml:2:7: key 'password' is missing in auth"},
                {"url: http://h\nauth: {password: p}", "c.yaml:2:7: key 'user' is missing in auth"},
                {"url: http://h\nauth: {user: 'u:v', password: p}",
                        "c.yaml:2:14: basic authentication takes no ':' in 'user'; use session"},
                {"url: http://h\nauth: {session: {user: u}}",
                        "c.yaml:2:17: key 'password' is missing in session; add it: password of "
                        "the user"},
                {"url: http://h\nauth: {tokn: u}",
                        "c.yaml:2:8: unknown key 'tokn'; auth takes user, password, session, "
                        "jwt_file or bearer"},
                {"url: http://h\ntls: {ca_file: x}", "c.yaml:1:6: 'url' of couchdb: 'tls' needs "
                                                     "https://"},
                {"url: https://h\ntls: {cert_file: x}",
                        "c.yaml:2:6: 'cert_file' and 'key_file' stand together"},
                {"url: http://h\ncontrol_database: _users",
                        "c.yaml:2:19: 'control_database' must be a CouchDB database name (a-z, "
                        "then a-z 0-9 _ $ ( ) + - /), not '_users'"},
                {"url: http://h\ncontrol_database:",
                        "c.yaml:2:18: 'control_database' must be a CouchDB database name (a-z, "
                        "then a-z 0-9 _ $ ( ) + - /), not null"},
                {"url: http://h\ncontrol_database: {}",
                        "c.yaml:2:19: 'control_database' must be a CouchDB database name (a-z, "
                        "then a-z 0-9 _ $ ( ) + - /), not a map"},
                {"url: http://h\ncreate: 2",
                        "c.yaml:2:9: 'create' must be false or a map with q and partitioned, not "
                        "an integer"},
                {"url: http://h\ncreate: {q: 0}",
                        "c.yaml:2:13: 'q' must be from 1 to 256, not '0'"},
                {"url: http://h\nmax_batch_docs: 0",
                        "c.yaml:2:17: 'max_batch_docs' must be from 1 to 100000, not '0'"},
                {"url: http://h\nmax_batch_bytes: 4 MiB",
                        "c.yaml:2:18: 'max_batch_bytes' must be a size such as 4MiB, 512KiB or "
                        "100000 (bytes), not '4 MiB'"},
                {"url: http://h\nmax_in_flight: 65",
                        "c.yaml:2:16: 'max_in_flight' must be from 1 to 64, not '65'"},
                {"url: http://h\nretry_for: 2d",
                        "c.yaml:2:12: 'retry_for' must be from 0 to 86400000 ms, not '2d'"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
                struct couch_options o = {.url = "untouched"};
                struct err e = {0};
                int rc = decode_couch(cases[i].text, arena, &o, &e);
                if (rc == 0)
                        fail_msg("no error in: %s", cases[i].text);
                assert_string_equal(e.text, cases[i].message);
                assert_int_equal(rc, -ERR_CONFIG);
                assert_string_equal(o.url, "untouched");
        }
}

static void no_message_shows_a_password(void **state)
{
        static const char *const texts[] = {
                "url: http://u:hunter2@h:x\n",
                "url: ftp://u:hunter2@h\n",
                "url: 'http://u:hunter2@h/?q'\n",
                "url: [http://u:hunter2@h]\n",
                "url: http://u:hunter2@h\nauth: {user: u, password: hunter2}\n",
                "url: http://h\nauth: {password: hunter2}\n",
                "url: http://h\nauth: {user: u, password: [hunter2]}\n",
                "url: http://h\nauth: {bearer: {a: hunter2}}\n",
                "url: http://h\nauth: hunter2\n",
                "url: http://h\nretry_for: ${C_SECRET}\n",
                "url: http://h\ncontrol_database: H${C_SECRET}\n",
        };
        (void)state;
        setenv("C_SECRET", "hunter2", 1);
        for (size_t i = 0; i < COUNT(texts); i++) {
                cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
                struct couch_options o;
                struct err e = {0};
                assert_int_equal(decode_couch(texts[i], arena, &o, &e), -ERR_CONFIG);
                assert_null(strstr(e.text, "hunter2"));
        }
}

/* ---- mappers ---- */

static void mappers_are_sorted_and_loaded_once(void **state)
{
        static const char *const names[] = {"third", "second", "first"};
        cleanup_(config_freep) struct config *c = NULL;
        const struct config_mapper *m;
        struct err e = {0};

        (void)state;
        write_file("mappers/b.yaml", MAPPER("second", "d", "b:${x}"));
        write_file("mappers/a.yaml", MAPPER("third", "d", "a:${x}"));
        write_file("mappers/c.yaml", MAPPER("first", "d", "c:${x}"));
        if (load("version: 1\ncouchdb: {url: 'http://h'}\nstate_dir: s\n"
                 "sources: {erp: {type: postgres, dsn: 'host=h'}}\n"
                 "mappers: [mappers/c.yaml, 'mappers/[ab].yaml', mappers/*.yaml]\n",
                    &c, &e))
                fail_msg("%s", e.text);
        assert_int_equal(c->mapper_count, 3);
        for (size_t i = 0; i < COUNT(names); i++)
                assert_string_equal(c->mappers[i].spec->name, names[i]);
        assert_int_equal(config_mapper(c, "first", &m, &e), 0);
        assert_ptr_equal(m, &c->mappers[2]);
        assert_int_equal(config_mapper(c, "frist", &m, &e), -ERR_USAGE);
        assert_string_equal(e.text, "there is no mapper 'frist', did you mean 'first'?");
        assert_int_equal(config_mapper(c, "product", &m, &e), -ERR_USAGE);
        assert_string_equal(e.text,
                "there is no mapper 'product' in erp2couch.yaml; there is third, second, first");
        remove_mappers();
}

static void globs_must_match(void **state)
{
        static const struct bad cases[] = {
                {"[mappers/*.yml]",
                        "erp2couch.yaml:5:11: 'mappers': no file matches 'mappers/*.yml'; names "
                        "are relative to the folder of erp2couch.yaml"},
                {"[mappers/*.yaml, mappers/x.yaml]",
                        "erp2couch.yaml:5:27: 'mappers': no file matches 'mappers/x.yaml'; names "
                        "are relative to the folder of erp2couch.yaml"},
                {"nowhere/*.yaml",
                        "erp2couch.yaml:5:10: 'mappers': no file matches 'nowhere/*.yaml'; names "
                        "are relative to the folder of erp2couch.yaml"},
                {"[mappers/*.yaml, '']", "erp2couch.yaml:5:27: 'mappers': a file name is empty"},
                {"[mappers/*.yaml, mappers]", "erp2couch.yaml:5:27: 'mappers': mappers is a "
                                              "folder: name its files with mappers/*.yaml"},
        };
        (void)state;
        write_file("mappers/a.yaml", MAPPER("a", "d", "a:${x}"));
        for (size_t i = 0; i < COUNT(cases); i++) {
                char text[400];
                snprintf(text, sizeof(text),
                        "version: 1\ncouchdb: {url: 'http://h'}\nstate_dir: s\n"
                        "sources: {erp: {type: postgres, dsn: 'host=h'}}\nmappers: %s\n",
                        cases[i].text);
                expect_error(text, cases[i].message);
        }
        remove_mappers();
}

static void a_folder_may_look_like_a_glob(void **state)
{
        cleanup_(config_freep) struct config *c = NULL;
        struct err e = {0};
        char text[300];

        (void)state;
        assert_int_equal(mkdir("x[1]*", 0700), 0);
        write_file("x[1]*/a.yaml", MAPPER("a", "d", "a:${x}"));
        snprintf(text, sizeof(text),
                "version: 1\ncouchdb: {url: 'http://h'}\nstate_dir: s\n"
                "sources: {erp: {type: postgres, dsn: 'host=h'}}\nmappers: a*.yaml\n");
        write_file("x[1]*/erp2couch.yaml", text);
        if (config_load("x[1]*/erp2couch.yaml", &c, &e))
                fail_msg("%s", e.text);
        assert_int_equal(c->mapper_count, 1);
        unlink("x[1]*/a.yaml");
        unlink("x[1]*/erp2couch.yaml");
        rmdir("x[1]*");
}

struct pair {
        const char *a, *b, *message;
};

static void two_mappers_never_claim_one_document(void **state)
{
        static const struct pair cases[] = {
                {MAPPER("a", "d", "a:${x}"), MAPPER("a", "e", "b:${x}"),
                        "mappers/b.yaml:1:9: there is another mapper 'a', in mappers/a.yaml: give "
                        "one of them another name"},
                {MAPPER("a", "d", "p:${x}"), MAPPER("b", "d", "p:${x}"),
                        "mappers/b.yaml:4:29: id 'p:${x}' overlaps with id 'p:${x}' of mapper a "
                        "(mappers/a.yaml): in one database no id may begin with the literal prefix "
                        "of another mapper's; give each a prefix of its own"},
                {MAPPER("a", "d", "p:v:${x}"), MAPPER("b", "d", "p:${x}"),
                        "mappers/b.yaml:4:29: id 'p:${x}' overlaps with id 'p:v:${x}' of mapper a "
                        "(mappers/a.yaml): in one database no id may begin with the literal prefix "
                        "of another mapper's; give each a prefix of its own"},
                {MAPPER("a", "d", "p${x}"), MAPPER("b", "d", "product:${x}"),
                        "mappers/b.yaml:4:29: id 'product:${x}' overlaps with id 'p${x}' of mapper "
                        "a (mappers/a.yaml): in one database no id may begin with the literal "
                        "prefix of another mapper's; give each a prefix of its own"},
                {MAPPER("a", "d", "p:${x}"), MAPPER("b", "e", "p:${x}"), NULL},
                {MAPPER("a", "d", "p:${x}"), MAPPER("b", "d", "q:${x}"), NULL},
                {MAPPER("a", "rep-${r}", "p:${x}"), MAPPER("b", "rep-1", "p:${x}"),
                        "mappers/b.yaml:4:33: id 'p:${x}' overlaps with id 'p:${x}' of mapper a "
                        "(mappers/a.yaml): in one database no id may begin with the literal prefix "
                        "of another mapper's; give each a prefix of its own"},
                {MAPPER("a", "${r}", "p:${x}"), MAPPER("b", "rep-${r}", "p:${x}"),
                        "mappers/b.yaml:4:36: id 'p:${x}' overlaps with id 'p:${x}' of mapper a "
                        "(mappers/a.yaml): in one database no id may begin with the literal prefix "
                        "of another mapper's; give each a prefix of its own"},
                {MAPPER("a", "rep-${r}", "p:${x}"), MAPPER("b", "catalog", "p:${x}"), NULL},
                {MAPPER("a", "rep-${r}", "p:${x}"), MAPPER("b", "shop-${r}", "p:${x}"), NULL},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct config *c;
                struct err e = {0};
                write_file("mappers/a.yaml", cases[i].a);
                write_file("mappers/b.yaml", cases[i].b);
                int rc = load(MINIMAL, &c, &e);
                assert_string_equal(e.text, cases[i].message ? cases[i].message : "");
                assert_int_equal(rc, cases[i].message ? -ERR_CONFIG : 0);
                config_free(c);
        }
        remove_mappers();
}

#define NAME_RULE " is not a CouchDB database name: a-z, then a-z 0-9 _ $ ( ) + - /"
#define TAIL      "\ntarget: {database: d, id: 'a:${x}'}\nfields: {type: a, sku: b}\n"

static void a_mapper_fits_the_configuration(void **state)
{
        static const struct bad cases[] = {
                {MAPPER("a", "Catalog", "a:${x}"), "mappers/a.yaml:4:20: 'Catalog'" NAME_RULE},
                {MAPPER("a", "_users", "a:${x}"), "mappers/a.yaml:4:20: '_users'" NAME_RULE},
                {MAPPER("a", "cat alog", "a:${x}"), "mappers/a.yaml:4:20: 'cat alog'" NAME_RULE},
                {MAPPER("a", "Rep-${r}", "a:${x}"), "mappers/a.yaml:4:20: 'Rep-${r}'" NAME_RULE},
                {MAPPER("a", "rep:${r}", "a:${x}"), "mappers/a.yaml:4:20: 'rep:${r}'" NAME_RULE},
                {"mapper: a\nsource: epr\nextract: {table: t, key: id}" TAIL,
                        "mappers/a.yaml:2:9: unknown source 'epr', did you mean 'erp'?"},
                {"mapper: a\nsource: warehouse\nextract: {table: t, key: id}" TAIL,
                        "mappers/a.yaml:2:9: unknown source 'warehouse': it is not in 'sources' of "
                        "erp2couch.yaml; there is erp"},
                {"mapper: a\nsource: erp\nextract: {tabel: t, key: id}" TAIL,
                        "mappers/a.yaml:3:11: unknown key 'tabel', did you mean 'table'?"},
                {"mapper: a\nsource: erp\nextract: {table: t, key: id, cursor: w, children: {l: "
                 "{table: u, parent: t}}}" TAIL,
                        "mappers/a.yaml:3:30: 'cursor' with 'children' needs a 'full' schedule: "
                        "only a full read sees rows that were deleted or moved to another record"},
                {"mapper: a\nsource: erp\nextract: {table: t, group: id, cursor: w}" TAIL,
                        "mappers/a.yaml:3:32: 'cursor' with 'group' needs a 'full' schedule: only "
                        "a full read sees rows that were deleted or moved to another record"},
                {"mapper: a\nsource: erp\nextract: {table: t, key: id, deletes: {keep: "
                 "[typ]}}" TAIL,
                        "mappers/a.yaml:3:46: 'keep': there is no field 'typ'; did you mean "
                        "'type'?"},
                {"mapper: a\nfields: {expr: x}\n",
                        "mappers/a.yaml:1:1: key 'source' is missing in the mapper; add it: name "
                        "of a source in erp2couch.yaml"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                write_file("mappers/a.yaml", cases[i].text);
                expect_error(MINIMAL, cases[i].message);
        }
        remove_mappers();
}

static void a_cursor_with_children_is_fine_with_full_reads(void **state)
{
        cleanup_(config_freep) struct config *c = NULL;
        struct err e = {0};

        (void)state;
        write_file("mappers/a.yaml",
                "mapper: a\nsource: erp\nfull: '0 3 * * *'\nextract: {table: t, key: id, cursor: "
                "w, children: {l: {table: u, parent: t}}, deletes: {keep: [type]}}" TAIL);
        if (load(MINIMAL, &c, &e))
                fail_msg("%s", e.text);
        remove_mappers();
}

#define AFTER(name, more)                                                                          \
        "mapper: " name "\nsource: erp\nextract: {table: t, key: id}\n" more                       \
        "target: {database: d, id: '" name ":${x}'}\nfields: {x: x}\n"

static void mappers_come_after_others(void **state)
{
        static const struct {
                const char *a, *b, *c;
                const char *message; /* NULL: right */
        } cases[] = {
                {AFTER("a", "after: [c, b]\n"), AFTER("b", ""), AFTER("c", "after: b\n"), NULL},
                {AFTER("alpha", "after: beto\n"), AFTER("beta", ""), AFTER("c", ""),
                        "mappers/a.yaml:4:8: 'after': there is no mapper 'beto'; did you mean "
                        "'beta'?"},
                {AFTER("a", "after: [b, zzzzzz]\n"), AFTER("b", ""), AFTER("c", ""),
                        "mappers/a.yaml:4:12: 'after': there is no mapper 'zzzzzz'"},
                {AFTER("a", "after: a\n"), AFTER("b", ""), AFTER("c", ""),
                        "mappers/a.yaml:4:8: 'after': a mapper cannot come after itself"},
                {AFTER("a", "after: [b, b]\n"), AFTER("b", ""), AFTER("c", ""),
                        "mappers/a.yaml:4:12: 'after' names mapper 'b' twice"},
                {AFTER("a", "after: []\n"), AFTER("b", ""), AFTER("c", ""),
                        "mappers/a.yaml:4:8: 'after' must not be empty"},
                {AFTER("a", "after: b\n"), AFTER("b", "after: [c]\n"), AFTER("c", "after: b\n"),
                        "mappers/b.yaml:4:9: 'after' makes a ring: b after c after b"},
                {AFTER("a", "after: b\n"), AFTER("b", "after: c\n"), AFTER("c", "after: a\n"),
                        "mappers/a.yaml:4:8: 'after' makes a ring: a after b after c after a"},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_(config_freep) struct config *c = NULL;
                struct err e = {0};
                write_file("mappers/a.yaml", cases[i].a);
                write_file("mappers/b.yaml", cases[i].b);
                write_file("mappers/c.yaml", cases[i].c);
                int rc = load(MINIMAL, &c, &e);
                assert_int_equal(rc, cases[i].message ? -ERR_CONFIG : 0);
                assert_string_equal(e.text, cases[i].message ? cases[i].message : "");
                if (!c)
                        continue;
                static const size_t order[] = {1, 2, 0};
                assert_memory_equal(c->after_order, order, sizeof(order));
                assert_int_equal(c->mappers[0].after_count, 2);
                assert_int_equal(c->mappers[0].after[0], 2);
                assert_int_equal(c->mappers[0].after[1], 1);
        }
        remove_mappers();
}

struct seen {
        char text[2 * ERR_TEXT_MAX];
        size_t count;
};

static void note(void *ctx, const char *file, const struct err *e)
{
        struct seen *s = ctx;
        size_t n = strlen(s->text);

        s->count++;
        assert_int_equal(e->class, ERR_CONFIG);
        snprintf(s->text + n, sizeof(s->text) - n, "%s|%s\n", file, e->text);
}

/* One mistake of each file, of whatever kind; the good ones are looked at, too. */
static void every_bad_mapper_is_named(void **state)
{
        cleanup_(config_freep) struct config *c = NULL;
        struct seen seen = {.count = 0};
        struct err e = {0};

        (void)state;
        write_file("erp2couch.yaml", MINIMAL);
        write_file("mappers/a.yaml", "mapper: [");
        write_file("mappers/b.yaml", MAPPER("b", "d", "b:${x}"));
        write_file("mappers/c.yaml", "mapper: c\nsource: epr\nextract: {table: t, key: id}" TAIL);
        write_file("mappers/d.yaml", "mapper: d\nsource: erp\nextract: {table: t}" TAIL);
        write_file("mappers/e.yaml", MAPPER("b", "d", "e:${x}"));
        assert_int_equal(config_load_all("erp2couch.yaml", note, &seen, &c, &e), -ERR_CONFIG);
        assert_null(c);
        assert_int_equal(seen.count, 4);
        assert_non_null(strstr(seen.text, "mappers/a.yaml|mappers/a.yaml:2:1: a value is missing"));
        assert_non_null(strstr(seen.text, "mappers/c.yaml|mappers/c.yaml:2:9: unknown source"));
        assert_non_null(strstr(seen.text, "mappers/d.yaml|mappers/d.yaml:3:10: extract needs"));
        assert_non_null(strstr(seen.text, "mappers/e.yaml|mappers/e.yaml:1:9: there is another"));
        assert_int_equal(strncmp(e.text, "mappers/a.yaml:2:1: ", 20), 0);

        /* What is wrong in erp2couch.yaml is nobody's mapper. */
        seen.count = 0;
        write_file("erp2couch.yaml", "version: 2\n");
        assert_int_equal(config_load_all("erp2couch.yaml", note, &seen, &c, &e), -ERR_CONFIG);
        assert_int_equal(seen.count, 0);
        remove_mappers();
        write_file("erp2couch.yaml", MINIMAL);
        write_file("mappers/b.yaml", MAPPER("b", "d", "b:${x}"));
        assert_int_equal(config_load_all("erp2couch.yaml", note, &seen, &c, &e), 0);
        assert_int_equal(seen.count, 0);
        assert_int_equal(c->mapper_count, 1);
        remove_mappers();
}

static void a_hundred_mappers_load(void **state)
{
        cleanup_(config_freep) struct config *c = NULL;
        char path[64], text[512];
        struct err e = {0};

        (void)state;
        for (int i = 0; i < 100; i++) {
                snprintf(path, sizeof(path), "mappers/m%02d.yaml", i);
                snprintf(text, sizeof(text),
                        "mapper: m%02d\nsource: erp\nextract: {table: t, key: id}\n"
                        "target: {database: d, id: 'm%02d:${x}'}\nfields: {a: a}\n",
                        i, i);
                write_file(path, text);
        }
        int rc = load(MINIMAL, &c, &e);
        for (int i = 0; i < 100; i++) {
                snprintf(path, sizeof(path), "mappers/m%02d.yaml", i);
                unlink(path);
        }
        assert_string_equal(e.text, "");
        assert_int_equal(rc, 0);
        assert_int_equal(c->mapper_count, 100);
}

/* Each allocation of ours fails once: the error says so, nothing leaks. */
static void running_out_of_memory_is_an_error(void **state)
{
        (void)state;
        write_file("mappers/a.yaml", MAPPER("a", "d", "a:${x}"));
        write_file("mappers/b.yaml", MAPPER("b", "d", "b:${x}"));
        write_file("erp2couch.yaml", MINIMAL);
        ALLOC_FAIL_EACH(i)
        {
                cleanup_(config_freep) struct config *c = NULL;
                struct err e = {0};
                alloc_fail_at(i);
                int rc = config_load("erp2couch.yaml", &c, &e);
                if (rc && rc != -ERR_NOMEM)
                        fail_msg("allocation %ld: %s", i, e.text);
                assert_true((rc == 0) == (c != NULL));
                if (rc)
                        assert_non_null(strstr(e.text, "out of memory"));
        }
        remove_mappers();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_of_sources_become_folders),
                cmocka_unit_test(long_names_of_sources_are_refused),
                cmocka_unit_test(a_minimal_configuration_gets_the_defaults),
                cmocka_unit_test(every_key_is_decoded_and_paths_are_relative_to_the_file),
                cmocka_unit_test(wrong_configurations_are_refused),
                cmocka_unit_test(tokens_that_no_header_carries_are_refused),
                cmocka_unit_test(credentials_leave_the_url),
                cmocka_unit_test(missing_databases_may_be_refused),
                cmocka_unit_test(wrong_couchdb_blocks_are_refused),
                cmocka_unit_test(no_message_shows_a_password),
                cmocka_unit_test(mappers_are_sorted_and_loaded_once),
                cmocka_unit_test(globs_must_match),
                cmocka_unit_test(a_folder_may_look_like_a_glob),
                cmocka_unit_test(two_mappers_never_claim_one_document),
                cmocka_unit_test(a_mapper_fits_the_configuration),
                cmocka_unit_test(a_cursor_with_children_is_fine_with_full_reads),
                cmocka_unit_test(mappers_come_after_others),
                cmocka_unit_test(every_bad_mapper_is_named),
                cmocka_unit_test(a_hundred_mappers_load),
                cmocka_unit_test(running_out_of_memory_is_an_error),
        };
        return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
