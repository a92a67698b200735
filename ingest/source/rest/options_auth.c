/* `auth:` of a REST source: six forms, of which an operator chooses one. */
#include "ingest/record/json_path.h"
#include "ingest/source/rest/options_internal.h"
#include "ingest/source/rest/template.h"

struct auth_draft {
        struct rest_auth_options options;
        bool has_oauth2, has_session;
};

#define AT(member) offsetof(struct auth_draft, options.member)

/* ---- oauth2 ---- */

static int decode_token_url(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        struct str text = n->text;
        bool web = n->kind == YNODE_STRING &&
                   (str_starts(text, STR("http://")) || str_starts(text, STR("https://")));

        if (!web)
                return ynode_error(cx->doc, n, e,
                        "'token_url' must be an address such as "
                        "https://login.example.com/oauth2/token");
        int rc = rest_address_check(cx, n, "token_url", text, e);
        if (rc)
                return rc;
        *(const char **)field = arena_strdup(cx->arena, text);
        return *(const char **)field ? 0 : options_nomem(cx, e);
}

static int decode_client_auth(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        bool basic = ynode_is_scalar(n) && str_is(n->text, "basic");
        char shown[YNODE_SHOW_MAX];

        if (!basic && (!ynode_is_scalar(n) || !str_is(n->text, "body")))
                return ynode_error(cx->doc, n, e, "'client_auth' must be body or basic, not %s",
                        ynode_show(n, shown));
        *(bool *)field = basic;
        return 0;
}

static int decode_params(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        return rest_pairs_decode(cx, "'params'", REST_PAIR_PARAM, n, field, e);
}

static const char *const grants[] = {"client_credentials", "refresh_token", NULL};

static const struct option oauth2_options[] = {
        {.name = "token_url",
                .type = OPTION_HANDLER,
                .offset = AT(oauth2.token_url),
                .handler = decode_token_url,
                .required = true,
                .help = "Address that gives tokens."},
        {.name = "grant",
                .type = OPTION_CHOICE,
                .offset = AT(oauth2.grant),
                .choices = grants,
                .default_text = "client_credentials",
                .help = "What a token is given for."},
        {.name = "client_id",
                .type = OPTION_STRING,
                .offset = AT(oauth2.client_id),
                .required = true,
                .min = 1,
                .help = "Name of the client, from the API's registration."},
        {.name = "client_secret",
                .type = OPTION_STRING,
                .offset = AT(oauth2.client_secret),
                .min = 1,
                .secret = true,
                .help = "Secret of the client; absent for public clients."},
        {.name = "client_auth",
                .type = OPTION_HANDLER,
                .offset = AT(oauth2.basic),
                .handler = decode_client_auth,
                .default_text = "body",
                .help = "Where client_id and client_secret are sent: in the body, or as basic "
                        "auth."},
        {.name = "scope",
                .type = OPTION_STRING,
                .offset = AT(oauth2.scope),
                .min = 1,
                .help = "What the token is for, as the API's documentation names it."},
        {.name = "refresh_token",
                .type = OPTION_STRING,
                .offset = AT(oauth2.refresh_token),
                .min = 1,
                .secret = true,
                .help = "The first refresh token; those that replace it are kept in state_dir."},
        {.name = "params",
                .type = OPTION_HANDLER,
                .offset = AT(oauth2.params),
                .handler = decode_params,
                .secret = true,
                .help = "More of the form that asks for a token: resource, audience."},
};
static OPTION_TABLE(oauth2_table, "oauth2", oauth2_options);

static int check_oauth2(const struct option_context *cx, const struct ynode *n,
        const struct rest_oauth2_options *o, struct err *e)
{
        bool refresh = o->grant == REST_OAUTH2_REFRESH_TOKEN;
        static const char *const ours[] = {
                "grant_type", "client_id", "client_secret", "refresh_token", "scope"};

        if (refresh && !o->refresh_token)
                return ynode_error(cx->doc, n, e,
                        "'grant: refresh_token' needs 'refresh_token': the one that the API gave "
                        "when access was granted");
        if (!refresh && o->refresh_token)
                return ynode_error(cx->doc, ynode_get(n, "refresh_token"), e,
                        "'refresh_token' needs 'grant: refresh_token'");
        if (!refresh && !o->client_secret)
                return ynode_error(
                        cx->doc, n, e, "'grant: client_credentials' needs 'client_secret'");
        if (o->basic && !o->client_secret)
                return ynode_error(cx->doc, ynode_get(n, "client_auth"), e,
                        "'client_auth: basic' needs 'client_secret'");
        for (size_t i = 0; i < o->params.count; i++)
                for (size_t k = 0; k < sizeof(ours) / sizeof(ours[0]); k++)
                        if (strcmp(o->params.items[i].name, ours[k]) == 0)
                                return ynode_error(cx->doc, ynode_get(n, "params"), e,
                                        "'%s' is sent already: it has a key of its own in oauth2",
                                        ours[k]);
        return 0;
}

/* ---- session ---- */

static int decode_body(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        if (n->kind == YNODE_NULL && !n->expanded)
                return ynode_error(
                        cx->doc, n, e, "'body' must be a map, a list or a text, not null");
        int rc = ynode_json_check(cx->doc, n, e);
        if (rc == 0)
                *(const struct ynode **)field = n;
        return rc;
}

static int decode_headers(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        return rest_pairs_decode(cx, "'headers'", REST_PAIR_HEADER, n, field, e);
}

static int decode_send(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        return rest_pairs_decode(cx, "'send'", REST_PAIR_CREDENTIAL, n, field, e);
}

static const struct option session_options[] = {
        {.name = "path",
                .type = OPTION_STRING,
                .offset = AT(session.path),
                .required = true,
                .min = 1,
                .help = "Where to log in, under the source's url."},
        {.name = "method",
                .type = OPTION_STRING,
                .offset = AT(session.method),
                .default_text = "POST",
                .min = 1,
                .help = "Method of the log-in."},
        {.name = "body",
                .type = OPTION_HANDLER,
                .offset = AT(session.body),
                .handler = decode_body,
                .secret = true,
                .help = "What the log-in sends: a map is sent as JSON, a text as it is."},
        {.name = "headers",
                .type = OPTION_HANDLER,
                .offset = AT(session.headers),
                .handler = decode_headers,
                .secret = true,
                .help = "Headers of the log-in alone."},
        {.name = "token",
                .type = OPTION_STRING,
                .offset = AT(session.token),
                .min = 1,
                .help = "Where the reply has a token; absent: cookies alone."},
        {.name = "send",
                .type = OPTION_HANDLER,
                .offset = AT(session.send),
                .handler = decode_send,
                .secret = true,
                .help = "Headers of later requests, in which $${token} is that token; absent: "
                        "Authorization: Bearer."},
        {.name = "logout",
                .type = OPTION_STRING,
                .offset = AT(session.logout),
                .min = 1,
                .help = "Path that is called at the end."},
};
static OPTION_TABLE(session_table, "session", session_options);

/* A header of `send` is a template, in which ${token} may stand. */
static int check_send(
        const struct option_context *cx, const struct ynode *send, bool *uses, struct err *e)
{
        static const char *const names[] = {"token"};
        const struct string_list list = {(const char **)names, 1};
        int rc = 0;

        for (size_t i = 0; send && i < send->count && rc == 0; i++) {
                struct rest_template *t;
                rc = rest_template_compile(cx, send->pairs[i].value, &list, &t, e);
                *uses |= rc == 0 && rest_template_uses(t, "token");
        }
        return rc;
}

/* A token that no `send` names is a bearer. */
static int default_send(const struct option_context *cx, const struct ynode *n,
        struct rest_session_options *s, struct err *e)
{
        struct json_path path;
        struct err cause;
        int rc = json_path_parse(str_of(s->token), cx->arena, &path, &cause);

        if (rc == -ERR_CONFIG)
                return ynode_error(cx->doc, ynode_get(n, "token"), e, "'token': %s", cause.text);
        if (rc) {
                *e = cause;
                return rc;
        }
        if (s->send.count)
                return 0;
        s->send.items = arena_array(cx->arena, 1, sizeof(*s->send.items));
        if (!s->send.items)
                return options_nomem(cx, e);
        s->send.items[s->send.count++] = (struct rest_pair){"Authorization", "Bearer ${token}"};
        return 0;
}

static int check_session(const struct option_context *cx, const struct ynode *n,
        struct rest_session_options *s, struct err *e)
{
        const struct ynode *send = ynode_get(n, "send");
        bool uses = false;
        int rc = rest_address_check(cx, ynode_get(n, "path"), "path", str_of(s->path), e);

        if (rc == 0 && s->logout)
                rc = rest_address_check(cx, ynode_get(n, "logout"), "logout", str_of(s->logout), e);
        if (rc == 0 && strcmp(s->method, "POST") != 0 && strcmp(s->method, "GET") != 0 &&
                strcmp(s->method, "PUT") != 0)
                rc = ynode_error(cx->doc, ynode_get(n, "method"), e,
                        "'method' of a log-in must be POST, GET or PUT");
        if (rc == 0 && s->body && strcmp(s->method, "GET") == 0)
                rc = ynode_error(
                        cx->doc, ynode_get(n, "method"), e, "'method: GET' sends no 'body'");
        if (rc == 0)
                rc = check_send(cx, send, &uses, e);
        if (rc)
                return rc;
        if (uses && !s->token)
                return ynode_error(cx->doc, send, e,
                        "${token} needs 'token': where the reply of the log-in has it");
        if (s->token && send && !uses)
                return ynode_error(cx->doc, send, e,
                        "'send' does not name the token: write it as $${token}, such as "
                        "{X-Session: \"$${token}\"}; without 'send' it goes out as Authorization: "
                        "Bearer");
        return s->token ? default_send(cx, n, s, e) : 0;
}

/* ---- auth ---- */

static int decode_header(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        struct rest_auth_options *o = field;

        o->kind = REST_AUTH_HEADER;
        return rest_pairs_decode(cx, "'header'", REST_PAIR_CREDENTIAL, n, &o->pairs, e);
}

static int decode_query(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        struct rest_auth_options *o = field;

        o->kind = REST_AUTH_QUERY;
        return rest_pairs_decode(cx, "'query'", REST_PAIR_PARAM, n, &o->pairs, e);
}

static const struct option auth_options[] = {
        {.name = "user",
                .type = OPTION_STRING,
                .offset = AT(user),
                .min = 1,
                .help = "Name of the user, for basic authentication."},
        {.name = "password",
                .type = OPTION_STRING,
                .offset = AT(password),
                .secret = true,
                .help = "Password of the user, for basic authentication."},
        {.name = "bearer",
                .type = OPTION_STRING,
                .offset = AT(bearer),
                .min = 1,
                .secret = true,
                .help = "Token sent as Authorization: Bearer."},
        {.name = "header",
                .type = OPTION_HANDLER,
                .offset = offsetof(struct auth_draft, options),
                .handler = decode_header,
                .secret = true,
                .help = "Headers that carry a key, by name."},
        {.name = "query",
                .type = OPTION_HANDLER,
                .offset = offsetof(struct auth_draft, options),
                .handler = decode_query,
                .secret = true,
                .help = "Parameters that carry a key, by name."},
        {.name = "oauth2",
                .type = OPTION_MAP,
                .offset = 0,
                .present_offset = offsetof(struct auth_draft, has_oauth2),
                .table = &oauth2_table,
                .help = "Tokens of OAuth2, which are got and renewed as needed."},
        {.name = "session",
                .type = OPTION_MAP,
                .offset = 0,
                .present_offset = offsetof(struct auth_draft, has_session),
                .table = &session_table,
                .help = "Log in once and use the session: its cookies, or a token of the reply."},
};
OPTION_TABLE(rest_auth_table, "auth", auth_options);

static const char auth_forms[] =
        "'auth' has exactly one form: {user, password}, {bearer}, {header: {NAME: VALUE}}, {query: "
        "{NAME: VALUE}}, {oauth2: {token_url, client_id, ...}} or {session: {path, body, ...}}";

/* A token with a line break in it, from a file for example, would be two headers. */
static int check_bearer(
        const struct option_context *cx, const struct ynode *n, const char *bearer, struct err *e)
{
        for (const char *c = bearer; *c; c++)
                if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f)
                        return ynode_error(cx->doc, n, e,
                                "'bearer' holds a blank or a character that no token has");
        return 0;
}

static int check_auth(
        const struct option_context *cx, const struct ynode *n, struct auth_draft *d, struct err *e)
{
        struct rest_auth_options *o = &d->options;
        bool basic = o->user || o->password, header = ynode_get(n, "header"),
             query = ynode_get(n, "query");

        if (basic + !!o->bearer + header + query + d->has_oauth2 + d->has_session != 1)
                return ynode_error(cx->doc, n, e, "%s", auth_forms);
        if ((header || query) && o->pairs.count == 0)
                return ynode_error(cx->doc, ynode_get(n, header ? "header" : "query"), e,
                        "'%s' must not be empty", header ? "header" : "query");
        if (basic) {
                o->kind = REST_AUTH_BASIC;
                return http_basic_check(cx, n, o->user, o->password, "header or session", e);
        }
        if (o->bearer) {
                o->kind = REST_AUTH_BEARER;
                return check_bearer(cx, ynode_get(n, "bearer"), o->bearer, e);
        }
        if (d->has_oauth2) {
                o->kind = REST_AUTH_OAUTH2;
                return check_oauth2(cx, ynode_get(n, "oauth2"), &o->oauth2, e);
        }
        if (d->has_session) {
                o->kind = REST_AUTH_SESSION;
                return check_session(cx, ynode_get(n, "session"), &o->session, e);
        }
        return 0;
}

int rest_auth_decode(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        struct auth_draft d = {0};

        int rc = options_decode(cx, &rest_auth_table, n, &d, e);
        if (rc == 0)
                rc = check_auth(cx, n, &d, e);
        if (rc == 0)
                *(struct rest_auth_options *)field = d.options;
        return rc;
}
