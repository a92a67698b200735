/*
 * OAuth2 access tokens (RFC 6749: client credentials, refresh tokens).
 *
 * Getting one:
 *
 *     stored one good? --yes--> in use
 *            | no
 *        lock the file (others hold it while they ask: look again until they are done)
 *            |
 *     stored one good? --yes--> unlock, in use: somebody else was faster
 *            | no
 *     reserve room -> POST token_url -> store durably -> unlock -> in use
 *
 * A refresh token that rotates is worth one request: from the reply on, its successor is all there
 * is. So room for it is made before, it is stored before the access token beside it is used, and
 * where storing fails the lock stays ours and storing is tried again before anything else.
 *
 * The stored chain belongs to the configured refresh token that it began with, of which a hash is
 * kept. Another one in the configuration begins another chain. A request that is lost with its
 * reply leaves the old token on disk, and many servers take it once more.
 *
 * A token is replaced shortly before it ends, and not earlier: Exact Online gives one in ten
 * minutes, each good for ten minutes, and refuses to give the next before nine and a half.
 */
#include "ingest/source/rest/auth_internal.h"

#include <stdio.h>

#include "ingest/base/clock.h"
#include "ingest/base/text.h"
#include "ingest/source/rest/json_at.h"

#define WHAT           "auth.oauth2"
#define US_PER_S       INT64_C(1000000)
#define MARGIN_US      (25 * US_PER_S) /* before its end a token is replaced; see above */
#define MARGIN_PART    10              /* of a short life: a tenth */
#define MAX_LIFE_S     (INT64_C(366) * 86400)
#define ASK_TIMEOUT_MS 30000 /* of a request for a token: others wait for it */
#define WAIT_MS        90000 /* for others: two such requests, and a slow disk */
#define WORDS_MAX      300   /* characters of error_description */
#define LOOK_AGAIN_MS  50    /* whether others are done */

struct refusal {
        const char *code; /* RFC 6749 5.2, RFC 8628, OpenID Connect */
        enum err_class class;
        const char *hint;
};

static const struct refusal refusals[] = {
        {"invalid_client", ERR_CONFIG,
                "check client_id, client_secret and client_auth of auth.oauth2 (how they are "
                "sent); a secret may have expired"},
        {"unauthorized_client", ERR_CONFIG,
                "allow this kind of grant to the application at the provider, and check "
                "auth.oauth2.client_id"},
        {"unsupported_grant_type", ERR_CONFIG, "check auth.oauth2.grant and token_url"},
        {"invalid_scope", ERR_CONFIG, "check auth.oauth2.scope"},
        {"invalid_target", ERR_CONFIG, "check auth.oauth2.params (resource, audience)"},
        {"invalid_resource", ERR_CONFIG, "check auth.oauth2.params (resource, audience)"},
        {"invalid_request", ERR_CONFIG, "check auth.oauth2: token_url, scope and params"},
        {"access_denied", ERR_CONFIG, "give the application its rights at the provider"},
        {"consent_required", ERR_CONFIG, "consent to the application at the provider"},
        {"interaction_required", ERR_CONFIG,
                "authorise the application anew at the provider, and put the new token into "
                "auth.oauth2.refresh_token"},
        {"temporarily_unavailable", ERR_RETRY, NULL},
        {"server_error", ERR_RETRY, NULL},
        {"slow_down", ERR_RETRY, NULL},
};

static const char refresh_hint[] =
        "the refresh token has expired, was revoked, or was used by another program: authorise the "
        "application anew at the provider, and put the new token into auth.oauth2.refresh_token";

static const struct rest_oauth2_options *options(const struct rest_auth *a)
{
        return &a->options->auth.oauth2;
}

static bool refreshes(const struct rest_auth *a)
{
        return options(a)->grant == REST_OAUTH2_REFRESH_TOKEN;
}

/* What a chain and an access token belong to. */
static int hash_options(struct rest_auth *a, struct err *e)
{
        const struct rest_oauth2_options *o = options(a);
        size_t n = 0;
        cleanup_(freep) const char **texts = calloc(8 + 2 * o->params.count, sizeof(*texts));

        if (!texts)
                return err_nomem(e, "credentials");
        texts[n++] = refreshes(a) ? "refresh_token" : "client_credentials";
        texts[n++] = o->token_url;
        texts[n++] = o->client_id;
        texts[n++] = refreshes(a) ? o->refresh_token : NULL;
        rest_token_hash(texts, n, a->oauth2.chain);
        texts[n++] = o->client_secret;
        texts[n++] = o->scope;
        texts[n++] = o->basic ? "basic" : "form";
        for (size_t i = 0; i < o->params.count; i++) {
                texts[n++] = o->params.items[i].name;
                texts[n++] = o->params.items[i].value;
        }
        rest_token_hash(texts, n, a->oauth2.config);
        return 0;
}

static int oauth2_open(struct rest_auth *a, struct err *e)
{
        int rc = hash_options(a, e);

        if (rc == 0 && refreshes(a) && !a->folder)
                return err_set(e, ERR_CONFIG,
                        "refresh tokens change with each use and must be kept: set state_dir");
        if (rc == 0 && a->folder)
                rc = rest_token_store_open(a->folder, &a->oauth2.store, e);
        return rc;
}

static void oauth2_close(struct rest_auth *a)
{
        struct auth_oauth2_state *s = &a->oauth2;
        struct err e;

        if (s->unkept && rest_token_write(s->store, &s->token, &e) < 0)
                log_error(a->log,
                        "source %s: " WHAT ": the new refresh token is lost: %s; authorise the "
                        "application anew at the provider, and put the new token into "
                        "auth.oauth2.refresh_token",
                        a->source, e.text);
        s->store = rest_token_store_close(s->store);
        rest_token_clear(&s->token);
}

static int64_t margin_us(const struct rest_token *t)
{
        int64_t part_us = (t->expires_us - t->got_us) / MARGIN_PART;

        return part_us < MARGIN_US ? part_us : MARGIN_US;
}

static bool is_fresh(const struct rest_token *t)
{
        return t->access && (t->expires_us == 0 || clock_wall_us() < t->expires_us - margin_us(t));
}

static bool oauth2_ready(const struct rest_auth *a)
{
        return a->line_count > 0 && !a->oauth2.unkept && is_fresh(&a->oauth2.token);
}

static void end(struct rest_auth *a, int rc, const struct err *e)
{
        if (a->oauth2.store && !a->oauth2.unkept)
                rest_token_unlock(a->oauth2.store);
        auth_finish(a, rc, e);
}

static void end_wrapped(struct rest_auth *a, int rc, struct err *e)
{
        rest_auth_hide(a, e->text);
        end(a, err_wrap(e, rc, WHAT), e);
}

/* The access token of a->oauth2.token goes into requests. */
static void use(struct rest_auth *a)
{
        struct buf value = BUF_INIT(REST_TOKEN_MAX + 16);
        struct err e;

        auth_lines_clear(a);
        buf_printf(&value, "Bearer %s", a->oauth2.token.access);
        int rc = buf_check(&value, "access token", &e);
        if (rc == 0)
                rc = auth_line_add(a, "Authorization", buf_str(&value), &e);
        auth_forget_buf(&value);
        if (rc < 0) {
                end_wrapped(a, rc, &e);
                return;
        }
        a->generation++;
        end(a, 0, NULL);
}

/* @t (taken) instead of the one before. */
static void replace(struct rest_auth *a, struct rest_token *t)
{
        struct rest_token *now = &a->oauth2.token;

        auth_secret_past(a, TAKE(now->access));
        auth_secret_past(a, TAKE(now->refresh));
        *now = *t;
        *t = (struct rest_token){0};
}

/* Whether @t, which was stored, can be used as it is. */
static bool suits(const struct rest_auth *a, const struct rest_token *t)
{
        const char *ours = a->oauth2.token.access;
        bool refused = a->refused && ours && strcmp(ours, t->access) == 0;

        return strcmp(t->config, a->oauth2.config) == 0 && is_fresh(t) && !refused &&
               auth_is_line(str_of(t->access));
}

#define IN_USE 1

/* Takes what is stored. Return: IN_USE it is good, and in use; 0 a new one is needed; -class. */
static int take_stored(struct rest_auth *a, struct err *e)
{
        struct auth_oauth2_state *s = &a->oauth2;
        struct rest_token t = {0};
        int rc = rest_token_read(s->store, &t, e);

        if (rc < 0)
                return rc;
        s->damaged = rc == REST_TOKEN_DAMAGED;
        if (rc == 0 && suits(a, &t)) {
                replace(a, &t);
                use(a);
                return IN_USE;
        }
        if (rc == 0 && strcmp(t.chain, s->chain) == 0)
                replace(a, &t); /* its refresh token is the one to use */
        rest_token_clear(&t);
        return 0;
}

static void put_field(struct buf *b, const char *name, const char *value)
{
        if (!value)
                return;
        buf_puts(b, b->len ? "&" : "");
        http_url_encode(b, str_of(name));
        buf_putc(b, '=');
        http_url_encode(b, str_of(value));
}

static const char *refresh_token(const struct rest_auth *a)
{
        const char *kept = a->oauth2.token.refresh; /* of our chain: see take_stored() */

        return kept ? kept : options(a)->refresh_token;
}

static void put_form(const struct rest_auth *a, struct buf *b)
{
        const struct rest_oauth2_options *o = options(a);

        put_field(b, "grant_type", refreshes(a) ? "refresh_token" : "client_credentials");
        if (refreshes(a))
                put_field(b, "refresh_token", refresh_token(a));
        if (!o->basic) {
                put_field(b, "client_id", o->client_id);
                put_field(b, "client_secret", o->client_secret);
        }
        put_field(b, "scope", o->scope);
        for (size_t i = 0; i < o->params.count; i++)
                put_field(b, o->params.items[i].name, o->params.items[i].value);
}

/* RFC 6749 2.3.1: both are form-encoded before they are joined. */
static void put_basic(const struct rest_auth *a, struct buf *b)
{
        const struct rest_oauth2_options *o = options(a);
        struct buf plain = BUF_INIT(AUTH_MAX_TEXT / 2);

        http_url_encode(&plain, str_of(o->client_id));
        buf_putc(&plain, ':');
        http_url_encode(&plain, str_of(o->client_secret ? o->client_secret : ""));
        buf_puts(b, "Authorization: Basic ");
        buf_put_base64(b, buf_str(&plain));
        auth_forget_buf(&plain);
}

static void on_token(struct rest_auth *a, const struct http_reply *reply, bool cookie);

static int ask(struct rest_auth *a, struct err *e)
{
        struct auth_call *c = auth_call_new(a);
        struct buf basic = BUF_INIT(AUTH_MAX_TEXT);
        const char *headers[4] = {
                "Content-Type: application/x-www-form-urlencoded", "Accept: application/json"};

        if (!c)
                return err_nomem(e, "a request");
        put_form(a, &c->body);
        if (options(a)->basic) {
                put_basic(a, &basic);
                headers[2] = buf_cstr(&basic);
        }
        c->on_reply = on_token;
        a->oauth2.asked_us = clock_wall_us();
        int rc = buf_check(&basic, "client_id and client_secret", e);
        if (rc < 0)
                auth_call_free(c);
        else
                rc = auth_call_start(
                        a, c, "POST", options(a)->token_url, headers, ASK_TIMEOUT_MS, e);
        auth_forget_buf(&basic);
        return rc;
}

/* Keeps a->oauth2.token. Return: 0 it may be used; -class: not before it is kept. */
static int keep(struct rest_auth *a, struct err *e)
{
        struct auth_oauth2_state *s = &a->oauth2;
        int rc = s->store ? rest_token_write(s->store, &s->token, e) : 0;

        if (rc < 0 && !s->unkept) { /* nothing rotated: the one on disk is as good as before */
                log_warn(a->log, "source %s: " WHAT ": the token is not kept for other runs: %s",
                        a->source, e->text);
                return 0;
        }
        if (rc == 0)
                s->unkept = false;
        return rc < 0 ? err_wrap(e, rc,
                                "the new refresh token could not be kept, and the old one "
                                "is used up; it is held in memory until this run ends")
                      : 0;
}

static void keep_and_use(struct rest_auth *a)
{
        struct err e;
        int rc = keep(a, &e);

        if (rc < 0)
                end_wrapped(a, rc, &e);
        else
                use(a);
}

/* The text at @name of the reply. Return: whether there is one. */
static bool reply_text(struct str body, const char *name, struct buf *out)
{
        buf_clear(out);
        return rest_json_at(body, name, out) && out->len > 0 && buf_cstr(out);
}

/* "600", 600, 3599.97; 0 where it does not say, or says nonsense */
static int64_t life_s(struct str body, struct buf *scratch)
{
        int64_t s;

        if (!reply_text(body, "expires_in", scratch))
                return 0;
        char *dot = memchr(scratch->data, '.', scratch->len);
        struct str whole = {scratch->data, dot ? (size_t)(dot - scratch->data) : scratch->len};
        if (!str_to_int64(whole, &s) || s <= 0)
                return 0;
        return s < MAX_LIFE_S ? s : MAX_LIFE_S;
}

/* What the server says of the next refresh token: the one before is good for more where it says
 * nothing. Return: 0; -ERR_NOMEM. */
static int take_refresh(struct rest_auth *a, struct str body, struct buf *scratch,
        struct rest_token *t, struct err *e)
{
        const char *before = refresh_token(a);

        if (!reply_text(body, "refresh_token", scratch))
                return scratch->error == -ERR_NOMEM
                               ? err_nomem(e, "a refresh token")
                               : rest_token_set(&t->refresh, str_of(before), e);
        a->oauth2.unkept = !str_is(buf_str(scratch), before);
        return rest_token_set(&t->refresh, buf_str(scratch), e);
}

/* The tokens of @body instead of those before; @scratch: its access token
 * Return: 0; -ERR_NOMEM. */
static int take_reply(struct rest_auth *a, struct str body, struct buf *scratch, struct err *e)
{
        struct auth_oauth2_state *s = &a->oauth2;
        struct rest_token t = {.got_us = s->asked_us};

        memcpy(t.chain, s->chain, sizeof(t.chain));
        memcpy(t.config, s->config, sizeof(t.config));
        int rc = rest_token_set(&t.access, buf_str(scratch), e);
        if (rc == 0 && refreshes(a))
                rc = take_refresh(a, body, scratch, &t, e);
        int64_t life = life_s(body, scratch);
        t.expires_us = life ? t.got_us + life * US_PER_S : 0;
        if (rc == 0)
                replace(a, &t);
        else
                s->unkept = false; /* it is gone */
        rest_token_clear(&t);
        return rc;
}

static const struct refusal *refusal_of(struct str code)
{
        for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
                if (str_is(code, refusals[i].code))
                        return &refusals[i];
        return NULL;
}

/* "invalid_grant: the token is not valid any more"; hidden before it is cut, so that no half of a
 * secret is left */
static void put_words(
        const struct rest_auth *a, struct str body, struct str code, char *out, size_t size)
{
        cleanup_buf_ struct buf text = BUF_INIT(REST_TOKEN_MAX);
        cleanup_buf_ struct buf line = BUF_INIT(4096);

        rest_json_at(body, "error_description", &text);
        char *plain = text.len && buf_cstr(&text) ? text.data : NULL;
        if (plain)
                rest_auth_hide(a, plain);
        text_put_line(&line, str_of(plain), WORDS_MAX);
        snprintf(out, size, "%.*s%s%s", STR_ARG(code), line.len ? ": " : "",
                buf_cstr(&line) ? buf_cstr(&line) : "");
}

static int hint_of(struct rest_auth *a, struct str code, const struct refusal *r, int rc,
        int status, struct err *e)
{
        if (str_is(code, "invalid_grant") && a->oauth2.damaged)
                rc = err_hint(e, rc, "%s was damaged, and the configured one is used up",
                        rest_token_path(a->oauth2.store));
        if (str_is(code, "invalid_grant"))
                return err_hint(e, rc, "%s",
                        refreshes(a) ? refresh_hint : "check auth.oauth2: grant, scope, params");
        if (r && r->hint)
                return err_hint(e, rc, "%s", r->hint);
        return rc == -ERR_CONFIG && status ? err_hint(e, rc, "check auth.oauth2.token_url") : rc;
}

static int refuse(struct rest_auth *a, const struct http_reply *reply, struct err *e)
{
        cleanup_buf_ struct buf code = BUF_INIT(128);
        char words[4 * WORDS_MAX + 160];
        const struct refusal *r = NULL;
        enum err_class class = ERR_CONFIG;
        bool json = reply->rc == 0 && rest_json_check(reply->body, e) == 0 &&
                    rest_json_at(reply->body, "error", &code) && code.len > 0 && buf_cstr(&code);

        if (json) {
                put_words(a, reply->body, buf_str(&code), words, sizeof(words));
                r = refusal_of(buf_str(&code));
                class = r ? r->class : class;
        }
        int rc = auth_refusal(
                a, reply, WHAT, "POST", options(a)->token_url, class, json ? words : NULL, e);
        return hint_of(a, buf_str(&code), r, rc, reply->status, e);
}

#define NO_TOKEN 1

/* Return: 0 the tokens of @reply are ours; NO_TOKEN it has none; -ERR_NOMEM. */
static int take_good(struct rest_auth *a, const struct http_reply *reply, struct err *e)
{
        struct buf scratch = BUF_INIT(REST_TOKEN_MAX);
        bool good = reply->rc == 0 && reply->status / 100 == 2;
        int rc = good ? rest_json_check(reply->body, e) : NO_TOKEN;

        if (rc == 0) {
                good = reply_text(reply->body, "access_token", &scratch) &&
                       auth_is_line(buf_str(&scratch));
                rc = good                          ? take_reply(a, reply->body, &scratch, e)
                     : scratch.error == -ERR_NOMEM ? err_nomem(e, "a token")
                                                   : NO_TOKEN;
        }
        auth_forget_buf(&scratch);
        return rc;
}

static void on_token(struct rest_auth *a, const struct http_reply *reply, bool cookie)
{
        const struct rest_token *t = &a->oauth2.token;
        struct err e;
        int rc = take_good(a, reply, &e);

        (void)cookie;
        if (rc == NO_TOKEN) {
                rc = refuse(a, reply, &e);
                end(a, rc, &e);
        } else if (rc < 0) {
                end_wrapped(a, rc, &e);
        } else {
                log_debug(a->log, "source %s: " WHAT ": a new access token, good for %lld s",
                        a->source,
                        (long long)(t->expires_us ? (t->expires_us - t->got_us) / US_PER_S : 0));
                keep_and_use(a);
        }
}

/* Under the lock, or where nothing is kept. */
static void renew(struct rest_auth *a)
{
        struct auth_oauth2_state *s = &a->oauth2;
        struct err e;
        int rc = 0;

        if (s->unkept) {
                keep_and_use(a);
                return;
        }
        if (s->store)
                rc = take_stored(a, &e);
        if (rc == IN_USE)
                return;
        if (rc == 0 && s->damaged)
                log_warn(a->log, "source %s: " WHAT ": %s is damaged: the configured %s is used",
                        a->source, rest_token_path(s->store),
                        refreshes(a) ? "refresh token" : "client");
        if (rc == 0 && s->store && refreshes(a))
                rc = rest_token_reserve(s->store, &e);
        if (rc == 0)
                rc = ask(a, &e);
        if (rc < 0)
                end_wrapped(a, rc, &e);
}

static void oauth2_get(struct rest_auth *a)
{
        struct auth_oauth2_state *s = &a->oauth2;
        int64_t now_ms = clock_monotonic_ms();
        struct err e;
        int rc = s->store ? rest_token_lock(s->store, &e) : 0;

        if (rc < 0 && !refreshes(a)) { /* nothing that must be kept: do without */
                log_warn(a->log, "source %s: " WHAT ": tokens are not kept for other runs: %s",
                        a->source, e.text);
                s->store = rest_token_store_close(s->store);
                rc = 0;
        }
        if (rc == REST_TOKEN_BUSY && s->wait_until_ms == 0)
                s->wait_until_ms = now_ms + WAIT_MS;
        if (rc == REST_TOKEN_BUSY && now_ms < s->wait_until_ms) {
                loop_timer_set(a->wait, LOOK_AGAIN_MS);
                return;
        }
        s->wait_until_ms = 0;
        if (rc == REST_TOKEN_BUSY)
                rc = err_set(&e, ERR_RETRY,
                        "another run has been getting a token for %d s (it holds %s)",
                        WAIT_MS / 1000, rest_token_path(s->store));
        if (rc < 0)
                end_wrapped(a, rc, &e);
        else
                renew(a);
}

const struct auth_kind auth_oauth2 = {oauth2_open, oauth2_ready, oauth2_get, oauth2_close, true};
