/*
 * couch.h: a real CouchDB for unit tests.
 *
 * $COUCHDB_URL where it is set (with an administrator's name and password), else an installed
 * CouchDB that tests/support/couch_server.sh starts for this program and stops with it. A test
 * that needs one begins with test_couch_or_skip(). One thread.
 */
#pragma once

#include "ingest/couch/couch.h"

struct test_couch {
        struct couch_options options; /* base for tests: change a copy */
        struct loop *loop;
        struct couch *client;
};

/** test_couch() - the server, a loop and a client as administrator; NULL: there is none */
struct test_couch *test_couch(void);

/** test_couch_apache() - whether it is Apache CouchDB, which predicts */
bool test_couch_apache(void);

/** test_couch_stop() - at the end of the program */
void test_couch_stop(void);

/** test_database() - an empty database with a name of its own; @q shards
 * Return: its name, valid until the next call but seven. */
const char *test_database(int q);
void test_database_drop(const char *name);

/** test_call() - one request that must be answered 2xx or 404; the reply is the caller's */
cJSON *test_call(const char *method, const char *path, const char *body);

/** test_field() - the member at @dotted ("value.rev"); "" where it is no string */
const char *test_field(const cJSON *json, const char *dotted);

#define test_couch_or_skip()                                                                       \
        do {                                                                                       \
                if (!test_couch()) {                                                               \
                        print_message("skipped: no CouchDB: set COUCHDB_URL, or install one\n");   \
                        skip();                                                                    \
                }                                                                                  \
        } while (0)

#define test_apache_or_skip()                                                                      \
        do {                                                                                       \
                test_couch_or_skip();                                                              \
                if (!test_couch_apache()) {                                                        \
                        print_message("skipped: $COUCHDB_URL is not Apache CouchDB\n");            \
                        skip();                                                                    \
                }                                                                                  \
        } while (0)
