/*
 * auth.h: who we are to a REST source.
 *
 * Puts credentials into requests, gets tokens and sessions, and gets new ones when they are
 * refused. One for each open source. Tokens are shared by all that use the source, in a file of its
 * folder (0600, replaced whole, under a lock): a refresh token that rotates is used once and kept
 * before anything else is done with what came with it. Secrets never show in errors or logs.
 */
#pragma once

#include "ingest/base/log.h"
#include "ingest/loop/http.h"
#include "ingest/source/rest/options.h"

struct rest_auth;

/** rest_auth_open() - @folder: of the source; NULL: nothing is kept
 * @http, @loop, @o, @log outlive it */
int rest_auth_open(const struct rest_options *o, const char *source, const char *folder,
        struct http *http, struct loop *loop, const struct log *log, struct rest_auth **out,
        struct err *e) __attribute__((warn_unused_result));

/** rest_auth_close() - logs out where `logout` says so (runs the loop, 2 s at most); who still
 * waits is forgotten. Not from a callback of the loop; before http_free(). */
struct rest_auth *rest_auth_close(struct rest_auth *a);
DEFINE_CLEANUP(struct rest_auth *, rest_auth_close);

/* rc: 0; -ERR_CONFIG refused (what the server said, and the key to look at); -ERR_RETRY;
 * -ERR_SYSTEM a token that came could not be kept; -ERR_NOMEM. @err: begins with "auth".
 */
typedef void (*rest_auth_fn)(void *ctx, int rc, const struct err *e);

/** rest_auth_ready() - whether requests can go out now: else rest_auth_get() first */
bool rest_auth_ready(const struct rest_auth *a);

/** rest_auth_generation() - of the credentials in use: who is answered with 401 compares it with
 * that of when the request was made, and tells `refused` only where they are equal: else others got
 * new ones meanwhile, which are to be tried first */
unsigned rest_auth_generation(const struct rest_auth *a);

/** rest_auth_get() - gets a token or a session; @fn from the loop, once, never from inside
 * Several may wait at once: one request serves them all.
 * @refused: the one in use was answered with 401 (another process may have stored a newer one: then
 * that) */
int rest_auth_get(struct rest_auth *a, bool refused, rest_auth_fn fn, void *ctx, struct err *e)
        __attribute__((warn_unused_result));

/** rest_auth_forget() - @fn of those who wait with @ctx is not called any more */
void rest_auth_forget(struct rest_auth *a, const void *ctx);

/** rest_auth_can_renew() - whether a 401 is worth rest_auth_get(refused): OAuth2, sessions */
bool rest_auth_can_renew(const struct rest_auth *a);

/** rest_auth_put() - adds our headers to @headers (NULL-terminated, room for HTTP_MAX_HEADERS), and
 * appends our parameters to @url. Header texts live until the loop runs again. */
int rest_auth_put(struct rest_auth *a, const char **headers, struct buf *url, struct err *e)
        __attribute__((warn_unused_result));

/** rest_auth_hide() - puts stars in the place of every secret of the source in @text: for what a
 * server says, which may be what it was sent. It gets no longer. */
void rest_auth_hide(const struct rest_auth *a, char *text);
