/*
 * http_options.h: what a configuration says of a server that is reached by HTTP: its address, who
 * we are there, and the certificates. Shared by CouchDB and REST sources.
 *
 * curl's own parser takes the credentials out of the address, so that what is requested later and
 * what is shown in messages never holds them.
 */
#pragma once

#include "ingest/base/options.h"

struct http_address {
        const char *url;             /* without credentials, and without a slash at its end */
        const char *user, *password; /* of the address, decoded; NULL: it has none */
        bool https;
};

/* How messages name an address. */
struct http_address_words {
        const char *of;      /* whose it is: "couchdb" */
        const char *example; /* one, without credentials */
        const char *auth;    /* the key that credentials can stand in, too: "couchdb.auth" */
        const char *query;   /* where what comes behind a ? belongs; NULL: nowhere */
};

/** http_address_decode() - @text, the value of the key `url` at @n
 * Return: 0; -ERR_CONFIG no absolute http or https address, one with a query or fragment, an empty
 * user: with place, and without the text itself; -ERR_NOMEM. */
int http_address_decode(const struct option_context *cx, const struct ynode *n, const char *text,
        const struct http_address_words *words, struct http_address *out, struct err *e)
        __attribute__((warn_unused_result));

struct http_tls {
        const char *ca_file, *cert_file, *key_file; /* NULL: not given */
};

/* Keys ca_file, cert_file and key_file; the target is a struct http_tls. */
extern const struct option_table http_tls_table;

/** http_tls_check() - @n, the map that @t was decoded from
 * Names of files become relative to the folder of the file that they stand in.
 * Return: 0; -ERR_CONFIG a certificate without its key, a key without certificate; -ERR_NOMEM. */
int http_tls_check(const struct option_context *cx, const struct ynode *n, struct http_tls *t,
        struct err *e) __attribute__((warn_unused_result));

/** http_basic_check() - user and password of basic authentication; @n: the map they stand in
 * @instead: what to use for a user with a colon in it
 * Return: 0; -ERR_CONFIG one of them is missing, or the user cannot be sent. */
int http_basic_check(const struct option_context *cx, const struct ynode *n, const char *user,
        const char *password, const char *instead, struct err *e)
        __attribute__((warn_unused_result));
