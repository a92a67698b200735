/*
 * options.h: a `type: rest` entry of `sources:`, decoded.
 *
 * Everything here lives in the configuration's arena and never changes. Credentials are in it:
 * nothing of `auth`, nor values of `headers` and `params`, is ever printed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ingest/base/options.h"
#include "ingest/loop/http_options.h"

#define REST_MAX_BUDGETS 8
#define REST_MAX_PAIRS   64 /* headers or parameters of one kind: more is a mistake */

struct rest_pair {
        const char *name;
        const char *value;
};
struct rest_pairs {
        struct rest_pair *items;
        size_t count;
};

/* "60/min": at most @count requests in any @window_ms. */
struct rest_budget_spec {
        int64_t count, window_ms;
};

enum rest_auth_kind {
        REST_AUTH_NONE,
        REST_AUTH_BASIC,  /* {user, password} */
        REST_AUTH_BEARER, /* {bearer: TOKEN} */
        REST_AUTH_HEADER, /* {header: {NAME: VALUE}} */
        REST_AUTH_QUERY,  /* {query: {NAME: VALUE}}: percent-encoded behind every address */
        REST_AUTH_OAUTH2, /* {oauth2: {...}} */
        REST_AUTH_SESSION /* {session: {...}} */
};

enum rest_oauth2_grant { REST_OAUTH2_CLIENT_CREDENTIALS, REST_OAUTH2_REFRESH_TOKEN };

struct rest_oauth2_options {
        const char *token_url;
        enum rest_oauth2_grant grant;
        const char *client_id, *client_secret; /* the secret may be NULL (public clients) */
        bool basic;                /* client in an Authorization header, not in the form */
        const char *scope;         /* NULL: none */
        const char *refresh_token; /* the first one; those that replace it are kept on disk */
        struct rest_pairs params;  /* more of the form: resource, audience, ... */
};

struct rest_session_options {
        const char *path;   /* of the log-in, under the source's url; or an absolute address */
        const char *method; /* POST */
        const struct ynode *body; /* a map (sent as JSON) or a text; NULL: none */
        struct rest_pairs headers;
        const char *token;      /* path of a token in the reply; NULL: cookies alone */
        struct rest_pairs send; /* headers of later requests; ${token} is the token; with a token
                                 * by default Authorization: Bearer */
        const char *logout;     /* path called at the end; NULL: none */
};

struct rest_auth_options {
        enum rest_auth_kind kind;
        const char *user, *password, *bearer;
        struct rest_pairs pairs; /* HEADER, QUERY */
        struct rest_oauth2_options oauth2;
        struct rest_session_options session;
};

struct rest_options {
        const char *url; /* without a slash at its end, credentials, query and fragment */
        struct rest_auth_options auth;
        struct rest_pairs headers, params; /* of every request: company, tenant, language */
        struct rest_budget_spec budgets[REST_MAX_BUDGETS]; /* rate_limit: 10/s, or a list */
        size_t budget_count;
        struct rest_budget_spec errors; /* error_limit: 10/h; count 0: none */
        int64_t max_concurrent;  /* requests at once, of all mappers of one process; default 4 */
        _Atomic int64_t running; /* of them, those that are under way: no option */
        int64_t retry_for_ms;    /* default 5 min */
        int64_t timeout_ms, connect_timeout_ms, idle_timeout_ms;
        int64_t max_record;    /* bytes of one record; default 24 MiB ... a reject beyond */
        int64_t max_redirects; /* default 5 */
        bool compressed;       /* default true: Accept-Encoding */
        const char *ca_file, *cert_file, *key_file; /* NULL: not given */
        const char *proxy; /* NULL: from the environment, as curl does; may hold a password */
        bool https;        /* of url */
        bool has_tls;      /* tls was written */
        const char *url_user, *url_password; /* of url; `auth` has them, too */
};

struct source_config;

extern const struct option_table rest_option_table;

/** rest_options_check() - source_ops.check of REST: what several keys say together
 * Return: 0; -ERR_CONFIG with place. */
int rest_options_check(const struct source_config *config, struct err *e)
        __attribute__((warn_unused_result));
