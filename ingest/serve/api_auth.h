/*
 * api_auth.h: who may ask for what. Pure: texts of a request come in, decisions go out.
 *
 * The token is compared in constant time. A page that another site shows in the operator's browser
 * must get nothing either: not by a request of its own (Origin, Sec-Fetch-Site), and not under a
 * name that it made point here (Host).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ingest/base/options.h"
#include "ingest/base/str.h"

/* Wrong tokens of one address in a minute; then it is refused, whatever it says, until the minute
 * is over: a right one must not tell itself apart. */
#define API_WRONG_MAX       10
#define API_WRONG_WINDOW_MS 60000

/* Addresses that are remembered. More at a time push the oldest out: with a token of any length
 * worth the name that many guesses are none. */
#define API_PEERS 256

struct api_wrong {
        char peer[48]; /* an IPv4 address, or the network of an IPv6 address; "": free */
        int64_t since_ms;
        unsigned count;
};

struct api_limiter {
        struct api_wrong peers[API_PEERS];
};

/** api_limiter_wait_s() - how long @peer is refused still, in seconds; 0: it is not */
int64_t api_limiter_wait_s(const struct api_limiter *l, const char *peer, int64_t now_ms);

/** api_limiter_note() - it sent a wrong token */
void api_limiter_note(struct api_limiter *l, const char *peer, int64_t now_ms);

enum api_token { API_TOKEN_RIGHT, API_TOKEN_WRONG, API_TOKEN_NONE };

/** api_token_check() - @authorization, the header (NULL: none), against @token */
enum api_token api_token_check(const char *authorization, const char *token);

/** api_host_allowed() - a Host header: an address, localhost, or one of @names, with any port */
bool api_host_allowed(const char *host, const struct string_list *names);

/** api_host_is() - a Host header (NULL: none): the name in @listen, HOST:PORT, with any port */
bool api_host_is(const char *host, const char *listen);

/** api_origin_allowed() - an Origin header (NULL: none): that of @host itself; of @names with any
 * port, which a proxy may have changed */
bool api_origin_allowed(const char *origin, const char *host, const struct string_list *names);

/** api_fetch_allowed() - Sec-Fetch-Site, -Mode and -Dest (NULL: none): of our own pages, of no
 * page, or a link that somebody follows */
bool api_fetch_allowed(const char *site, const char *mode, const char *dest, bool reads);
