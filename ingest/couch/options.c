/* The `couchdb:` block: a table, and what several keys say together. */
#include "ingest/couch/couch.h"
#include "ingest/loop/http_options.h"

struct couch_auth_draft {
        const char *user, *password, *jwt_file, *bearer;
        const char *session_user, *session_password;
        bool has_session;
};

struct couch_draft {
        struct couch_options options;
        struct couch_auth_draft auth;
        struct http_tls tls;
        bool has_auth, has_tls;
};

#define AT(member)      offsetof(struct couch_draft, options.member)
#define AUTH_AT(member) offsetof(struct couch_auth_draft, member)

static const struct option session_options[] = {
        {.name = "user",
                .type = OPTION_STRING,
                .offset = AUTH_AT(session_user),
                .required = true,
                .min = 1,
                .help = "Name of the CouchDB user."},
        {.name = "password",
                .type = OPTION_STRING,
                .offset = AUTH_AT(session_password),
                .required = true,
                .secret = true,
                .help = "Password of the user."},
};
static OPTION_TABLE(session_table, "session", session_options);

static const struct option auth_options[] = {
        {.name = "user",
                .type = OPTION_STRING,
                .offset = AUTH_AT(user),
                .min = 1,
                .help = "Name of the CouchDB user, for basic authentication."},
        {.name = "password",
                .type = OPTION_STRING,
                .offset = AUTH_AT(password),
                .secret = true,
                .help = "Password of the user, for basic authentication."},
        {.name = "session",
                .type = OPTION_MAP,
                .offset = 0,
                .present_offset = AUTH_AT(has_session),
                .table = &session_table,
                .help = "Log in once and use CouchDB's session cookie."},
        {.name = "jwt_file",
                .type = OPTION_STRING,
                .offset = AUTH_AT(jwt_file),
                .min = 1,
                .help = "File that holds a JSON web token; read again when it is refused."},
        {.name = "bearer",
                .type = OPTION_STRING,
                .offset = AUTH_AT(bearer),
                .min = 1,
                .secret = true,
                .help = "Token sent as Authorization: Bearer."},
};
static OPTION_TABLE(auth_table, "auth", auth_options);

#define DEFAULT_Q 2 /* shards; CouchDB's own default, written out so that it is one everywhere */

static const struct option create_options[] = {
        {.name = "q",
                .type = OPTION_INT,
                .offset = AT(create_q),
                .default_text = "2",
                .min = 1,
                .max = 256,
                .help = "Shards of a new database."},
        {.name = "partitioned",
                .type = OPTION_BOOL,
                .offset = AT(create_partitioned),
                .default_text = "false",
                .help = "New databases are partitioned."},
};
static OPTION_TABLE(create_table, "create", create_options);

/* {q: 2, partitioned: false}, true, or false. @field: the draft. */
static int decode_create(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        struct couch_draft *d = field;

        if (n->kind == YNODE_BOOL) {
                d->options.create = ynode_bool(n);
                return 0;
        }
        if (n->kind == YNODE_MAP)
                return options_decode(cx, &create_table, n, d, e);
        return ynode_error(cx->doc, n, e,
                "'create' must be false or a map with q and partitioned, "
                "not %s",
                ynode_kind_name(n->kind));
}

static int decode_control_database(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        char shown[YNODE_SHOW_MAX];

        if (n->kind != YNODE_STRING || !couch_database_name_valid(n->text))
                return ynode_error(cx->doc, n, e,
                        "'control_database' must be a CouchDB database name (a-z, then a-z 0-9 _ "
                        "$ ( ) + - /), not %s",
                        ynode_show(n, shown));
        *(const char **)field = arena_strdup(cx->arena, n->text);
        return *(const char **)field ? 0 : options_nomem(cx, e);
}

#define DAY_MS INT64_C(86400000)

static const struct option couch_option_list[] = {
        {.name = "url",
                .type = OPTION_STRING,
                .offset = AT(url),
                .required = true,
                .secret = true,
                .min = 1,
                .help = "URL of the server; user and password in it are basic auth."},
        {.name = "auth",
                .type = OPTION_MAP,
                .offset = offsetof(struct couch_draft, auth),
                .present_offset = offsetof(struct couch_draft, has_auth),
                .table = &auth_table,
                .help = "How to log in: user and password, session, jwt_file, or bearer."},
        {.name = "tls",
                .type = OPTION_MAP,
                .offset = offsetof(struct couch_draft, tls),
                .present_offset = offsetof(struct couch_draft, has_tls),
                .table = &http_tls_table,
                .help = "Certificates for https."},
        {.name = "control_database",
                .type = OPTION_HANDLER,
                .offset = AT(control_database),
                .handler = decode_control_database,
                .default_text = "erp2couch",
                .help = "Database of rejects and run history; created when missing."},
        {.name = "create",
                .type = OPTION_HANDLER,
                .offset = 0,
                .handler = decode_create,
                .table = &create_table,
                .help = "How missing target databases are made; false refuses instead."},
        {.name = "max_batch_docs",
                .type = OPTION_INT,
                .offset = AT(max_batch_docs),
                .default_text = "1000",
                .min = 1,
                .max = 100000,
                .help = "Ceiling of documents in one request."},
        {.name = "max_batch_bytes",
                .type = OPTION_SIZE,
                .offset = AT(max_batch_bytes),
                .default_text = "4MiB",
                .min = 1024,
                .max = INT64_C(1) << 30,
                .help = "Ceiling of one request's size."},
        {.name = "max_in_flight",
                .type = OPTION_INT,
                .offset = AT(max_in_flight),
                .default_text = "8",
                .min = 1,
                .max = 64,
                .help = "Ceiling of requests under way at once."},
        {.name = "retry_for",
                .type = OPTION_DURATION,
                .offset = AT(retry_for_ms),
                .default_text = "5m",
                .min = 0,
                .max = DAY_MS,
                .help = "How long an unavailable server is tried again."},
};
OPTION_TABLE(couch_option_table, "couchdb", couch_option_list);

/* ---- url ---- */

static int decode_url(const struct option_context *cx, const struct ynode *n, struct couch_draft *d,
        struct err *e)
{
        static const struct http_address_words words = {
                "couchdb", "http://127.0.0.1:5984", "couchdb.auth", NULL};
        struct http_address address;

        int rc = http_address_decode(cx, n, d->options.url, &words, &address, e);
        if (rc)
                return rc;
        if (d->has_tls && !address.https)
                return ynode_error(cx->doc, n, e, "'url' of couchdb: 'tls' needs https://");
        if (address.user && d->has_auth)
                return ynode_error(cx->doc, n, e,
                        "'url' of couchdb: it holds a user, and there is 'auth', too: keep one");
        if (address.user)
                d->options.auth = COUCH_AUTH_BASIC;
        d->options.user = address.user;
        d->options.password = address.password;
        d->options.url = address.url;
        return 0;
}

/* ---- auth and tls ---- */

static void use_basic(struct couch_options *o, const struct couch_auth_draft *a)
{
        o->auth = COUCH_AUTH_BASIC;
        o->user = a->user;
        o->password = a->password;
}

static void use_session(struct couch_options *o, const struct couch_auth_draft *a)
{
        o->auth = COUCH_AUTH_SESSION;
        o->user = a->session_user;
        o->password = a->session_password;
}

static int decode_auth(const struct option_context *cx, const struct ynode *n,
        struct couch_draft *d, struct err *e)
{
        const struct couch_auth_draft *a = &d->auth;
        struct couch_options *o = &d->options;
        bool basic = a->user || a->password;

        if (basic + a->has_session + !!a->jwt_file + !!a->bearer != 1)
                return ynode_error(cx->doc, n, e,
                        "'auth' has exactly one form: {user, password}, {session: {user, "
                        "password}}, {jwt_file} or {bearer}");
        int rc = basic ? http_basic_check(cx, n, a->user, a->password, "session", e) : 0;
        if (rc)
                return rc;
        if (basic)
                use_basic(o, a);
        if (a->has_session)
                use_session(o, a);
        if (a->jwt_file)
                o->auth = COUCH_AUTH_JWT_FILE;
        if (a->bearer)
                o->auth = COUCH_AUTH_BEARER;
        o->jwt_file = a->jwt_file;
        o->bearer = a->bearer;
        return 0;
}

/* File names are relative to the configuration's folder. */
static int decode_files(const struct option_context *cx, const struct ynode *tls,
        struct couch_draft *d, struct err *e)
{
        struct couch_options *o = &d->options;
        int rc = http_tls_check(cx, tls, &d->tls, e);

        if (rc)
                return rc;
        o->ca_file = d->tls.ca_file;
        o->cert_file = d->tls.cert_file;
        o->key_file = d->tls.key_file;
        if (o->jwt_file)
                o->jwt_file = ydoc_path(cx->doc, cx->arena, o->jwt_file);
        return o->jwt_file || !d->auth.jwt_file ? 0 : options_nomem(cx, e);
}

int couch_options_decode(const struct ydoc *doc, const struct ynode *node, struct arena *arena,
        struct couch_options *out, struct err *e)
{
        struct option_context cx = {doc, arena, NULL};
        struct couch_draft d = {.options = {.create = true, .create_q = DEFAULT_Q}};

        int rc = options_decode(&cx, &couch_option_table, node, &d, e);
        if (rc == 0)
                rc = decode_url(&cx, ynode_get(node, "url"), &d, e);
        if (rc == 0 && d.has_auth)
                rc = decode_auth(&cx, ynode_get(node, "auth"), &d, e);
        if (rc == 0)
                rc = decode_files(&cx, ynode_get(node, "tls"), &d, e);
        if (rc == 0)
                *out = d.options;
        return rc;
}
