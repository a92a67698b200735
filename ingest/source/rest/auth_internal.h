/*
 * auth_internal.h: what the files of rest_auth share.
 *
 * auth.c has the callers and the static kinds; auth_oauth2.c and auth_session.c get
 * tokens and sessions; auth_call.c sends their requests and tells what refused them;
 * auth_secret.c keeps secrets out of texts.
 */
#pragma once

#include "ingest/source/rest/auth.h"
#include "ingest/source/rest/token.h"

#define AUTH_MAX_TEXT (64 << 10) /* bytes of a form, a log-in's body, a query of ours */
#define AUTH_LINES    (HTTP_MAX_HEADERS - 1)

/* Takes a renewal from its beginning to auth_finish(), which may be called from inside. */
struct auth_kind {
        int (*open)(struct rest_auth *a, struct err *e);
        bool (*ready)(const struct rest_auth *a);
        void (*get)(struct rest_auth *a);
        void (*close)(struct rest_auth *a); /* may be NULL */
        bool renews;
};

extern const struct auth_kind auth_oauth2, auth_session;

struct auth_waiter {
        rest_auth_fn fn;
        void *ctx;
        struct auth_waiter *next;
};

/* A request of ours. It outlives rest_auth_close(), because http.h gives it back later. */
struct auth_call {
        struct rest_auth *auth; /* NULL: nobody waits any more */
        struct buf body;
        struct http_call *http;
        bool cookie; /* the reply sets one */
        void (*on_reply)(struct rest_auth *a, const struct http_reply *reply, bool cookie);
};

struct auth_oauth2_state {
        struct rest_token_store *store; /* NULL: nothing is kept */
        struct rest_token token;        /* in use, and the chain that it belongs to */
        char chain[REST_TOKEN_HASH], config[REST_TOKEN_HASH];
        int64_t asked_us; /* wall: when the request went out */
        int64_t wait_until_ms;
        bool unkept;  /* the refresh token in `token` is not on disk yet: the lock stays */
        bool damaged; /* the file was, and the configured token is tried instead */
};

struct auth_session_state {
        bool logged_in, gone;     /* gone: logged out, or no time left for it */
        int64_t idle_ms, used_ms; /* 0: it did not say; monotonic */
        int64_t expires_ms;       /* 0: it did not say */
        char *token;              /* owned */
};

struct rest_auth {
        const struct rest_options *options; /* borrowed */
        const struct auth_kind *kind;
        char *source, *folder; /* owned; folder may be NULL */
        struct http *http;
        struct loop *loop;
        const struct log *log;
        struct loop_timer *deliver, *wait;
        struct auth_waiter *waiters;
        bool busy, refused;
        unsigned generation; /* of the credentials in use */
        int rc;              /* of what is delivered */
        struct err err;
        struct auth_call *call;

        char *lines[AUTH_LINES]; /* owned: headers that go into every request */
        size_t line_count;
        struct buf query; /* "a=1&b=2" */

        const char **known; /* owned array of borrowed texts of the configuration */
        size_t known_count;
        char *past[4]; /* owned: tokens of before, in case somebody still names them */
        struct auth_oauth2_state oauth2;
        struct auth_session_state session;
};

/** auth_finish() - the end of what kind->get() began; those who wait hear of it in the next turn
 * @e: borrowed; of rc < 0 */
void auth_finish(struct rest_auth *a, int rc, const struct err *e);

/** auth_is_line() - whether @s can stand in a header: no control characters */
bool auth_is_line(struct str s);

/** auth_lines_clear(), auth_line_add() - "@name: @value" of every request from now on
 * Return: 0; -ERR_CONFIG it is no line, too many; -ERR_NOMEM. */
void auth_lines_clear(struct rest_auth *a);
int auth_line_add(struct rest_auth *a, const char *name, struct str value, struct err *e)
        __attribute__((warn_unused_result));

/** auth_forget_text(), auth_forget_buf() - freed, and not a byte of it left */
void auth_forget_text(char **text);
void auth_forget_buf(struct buf *b);

/** auth_call_new() - an empty call with room for a body */
struct auth_call *auth_call_new(struct rest_auth *a);
struct auth_call *auth_call_free(struct auth_call *c);
DEFINE_CLEANUP(struct auth_call *, auth_call_free);

/** auth_call_start() - sends it; takes @c whatever happens; a->call is it from then on
 * @headers: NULL-terminated */
int auth_call_start(struct rest_auth *a, struct auth_call *c, const char *method, const char *url,
        const char *const *headers, int64_t timeout_ms, struct err *e)
        __attribute__((warn_unused_result));

/** auth_call_forget() - on_reply does not come any more */
void auth_call_forget(struct rest_auth *a);

/** auth_refusal() - the error of a reply that is no token and no session
 * @what: "auth.oauth2"      @url: as sent      @words: of the server, NULL: what its body says
 * Its class is @class, or ERR_RETRY where status or connection say that it passes. */
int auth_refusal(const struct rest_auth *a, const struct http_reply *reply, const char *what,
        const char *method, const char *url, enum err_class class, const char *words, struct err *e)
        __attribute__((warn_unused_result));

/** auth_secrets_init() - collects the secrets of the configuration */
int auth_secrets_init(struct rest_auth *a, struct err *e) __attribute__((warn_unused_result));
void auth_secrets_deinit(struct rest_auth *a);

/** auth_secret_past() - @token (taken) is used no more, but may still stand in a server's words */
void auth_secret_past(struct rest_auth *a, char *token);
