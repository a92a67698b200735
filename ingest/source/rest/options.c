/*
 * The table of a REST source, and what it cannot say: rates, names of headers, addresses.
 */
#include "ingest/source/rest/options_internal.h"

#include <stdio.h>
#include <strings.h>

#include "ingest/source/rest/budget.h"
#include "ingest/source/source.h"

#define AT(member) offsetof(struct rest_options, member)
#define DAY_MS     INT64_C(86400000)
#define MIB        (INT64_C(1) << 20)

/* ---- headers and parameters ---- */

/* Names that HTTP or curl sets, by what the request is. */
static const char *const our_headers[] = {"Host", "Content-Length", "Transfer-Encoding",
        "Connection", "Expect", "Upgrade", "TE", "Trailer", "Accept-Encoding", "Range", NULL};
static const char *const credential_headers[] = {"Authorization", "Cookie", NULL};

static bool is_listed(const char *const *names, struct str name)
{
        for (; *names; names++)
                if (strlen(*names) == name.len && strncasecmp(*names, name.ptr, name.len) == 0)
                        return true;
        return false;
}

/* RFC 9110: token. */
static bool is_token(struct str s)
{
        for (size_t i = 0; i < s.len; i++) {
                unsigned char c = (unsigned char)s.ptr[i];
                bool alnum =
                        (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
                if (!alnum && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c)))
                        return false;
        }
        return s.len > 0;
}

int rest_header_check(const struct option_context *cx, const struct ynode_pair *p, bool credentials,
        struct err *e)
{
        char shown[YNODE_SHOW_MAX];

        yaml_show(p->key, shown);
        if (!is_token(p->key))
                return ydoc_error_at(cx->doc, p->line, p->column, e,
                        "%s is no name of a header: letters, digits and -", shown);
        if (is_listed(our_headers, p->key))
                return ydoc_error_at(cx->doc, p->line, p->column, e,
                        "header %s is set by the program itself", shown);
        if (!credentials && is_listed(credential_headers, p->key))
                return ydoc_error_at(cx->doc, p->line, p->column, e,
                        "header %s carries credentials: they stand in the source's 'auth', such as "
                        "auth: {header: {%s: ...}}",
                        shown, p->key.ptr);
        return 0;
}

/* A header's value: one line. Its text may be a secret: it is not shown. */
static int check_value(const struct option_context *cx, enum rest_pair_kind kind,
        const struct ynode_pair *p, struct err *e)
{
        const struct ynode *n = p->value;

        if (!ynode_is_scalar(n) || (n->kind == YNODE_NULL && !n->expanded))
                return ynode_error(cx->doc, n, e, "'%s' must be a text, not %s", p->key.ptr,
                        ynode_kind_name(n->kind));
        for (size_t i = 0; kind != REST_PAIR_PARAM && i < n->text.len; i++)
                if ((unsigned char)n->text.ptr[i] < ' ' && n->text.ptr[i] != '\t')
                        return ynode_error(cx->doc, n, e,
                                "'%s' holds a line break or another control character: a header is "
                                "one line",
                                p->key.ptr);
        return 0;
}

static int decode_pair(const struct option_context *cx, enum rest_pair_kind kind,
        const struct ynode_pair *p, struct rest_pair *out, struct err *e)
{
        int rc = 0;

        if (p->key.len == 0)
                return ydoc_error_at(cx->doc, p->line, p->column, e, "a name is empty");
        if (kind != REST_PAIR_PARAM)
                rc = rest_header_check(cx, p, kind == REST_PAIR_CREDENTIAL, e);
        if (rc == 0)
                rc = check_value(cx, kind, p, e);
        if (rc)
                return rc;
        out->name = p->key.ptr;
        out->value = arena_strdup(cx->arena, p->value->text);
        return out->value ? 0 : options_nomem(cx, e);
}

int rest_pairs_decode(const struct option_context *cx, const char *what, enum rest_pair_kind kind,
        const struct ynode *n, struct rest_pairs *out, struct err *e)
{
        struct rest_pairs pairs = {0};
        int rc = 0;

        if (n->kind != YNODE_MAP)
                return ynode_error(cx->doc, n, e, "%s must be a map of names and texts, not %s",
                        what, ynode_kind_name(n->kind));
        if (n->count > REST_MAX_PAIRS)
                return ynode_error(
                        cx->doc, n, e, "%s has more than %d entries", what, REST_MAX_PAIRS);
        pairs.items = arena_array(cx->arena, n->count, sizeof(*pairs.items));
        if (!pairs.items)
                return options_nomem(cx, e);
        for (; pairs.count < n->count && rc == 0; pairs.count++)
                rc = decode_pair(cx, kind, &n->pairs[pairs.count], &pairs.items[pairs.count], e);
        if (rc == 0)
                *out = pairs;
        return rc;
}

static int decode_headers(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        return rest_pairs_decode(cx, "'headers'", REST_PAIR_HEADER, n, field, e);
}

static int decode_params(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        return rest_pairs_decode(cx, "'params'", REST_PAIR_PARAM, n, field, e);
}

/* ---- addresses ---- */

int rest_address_check(const struct option_context *cx, const struct ynode *n, const char *what,
        struct str text, struct err *e)
{
        bool absolute = str_starts(text, STR("http://")) || str_starts(text, STR("https://"));
        size_t host = absolute ? (size_t)(strchr(text.ptr, ':') - text.ptr) + 3 : 0;

        if (!absolute && (text.len == 0 || text.ptr[0] != '/'))
                return ynode_error(cx->doc, n, e,
                        "'%s' must begin with / (it is under the source's url), or be an address "
                        "with http:// or https://",
                        what);
        if (memchr(text.ptr, '#', text.len))
                return ynode_error(cx->doc, n, e, "'%s' must end before #", what);
        if (absolute && text.ptr[host + strcspn(text.ptr + host, "/?@")] == '@')
                return ynode_error(cx->doc, n, e,
                        "'%s' holds a user: credentials stand in the source's 'auth'", what);
        return 0;
}

static int decode_url(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        static const struct http_address_words words = {"a REST source",
                "https://erp.example.com/api", "auth",
                "parameters of every request stand in 'params'"};
        struct rest_options *o = field;
        struct http_address address;
        char shown[YNODE_SHOW_MAX];

        if (!ynode_is_scalar(n) || (n->kind == YNODE_NULL && !n->expanded))
                return ynode_error(
                        cx->doc, n, e, "'url' must be a string, not %s", ynode_show(n, shown));
        int rc = http_address_decode(cx, n, n->text.ptr, &words, &address, e);
        if (rc)
                return rc;
        o->url = address.url;
        o->url_user = address.user;
        o->url_password = address.password;
        o->https = address.https;
        return 0;
}

static int decode_tls(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        struct rest_options *o = field;
        struct http_tls tls = {0};

        int rc = options_decode(cx, &http_tls_table, n, &tls, e);
        if (rc == 0)
                rc = http_tls_check(cx, n, &tls, e);
        if (rc)
                return rc;
        o->ca_file = tls.ca_file;
        o->cert_file = tls.cert_file;
        o->key_file = tls.key_file;
        o->has_tls = true;
        return 0;
}

static int decode_proxy(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        static const char *const schemes[] = {
                "http://", "https://", "socks5://", "socks5h://", NULL};
        bool known = false;

        for (size_t i = 0; schemes[i] && n->kind == YNODE_STRING; i++)
                known |=
                        str_starts(n->text, str_of(schemes[i])) && n->text.len > strlen(schemes[i]);
        if (!known)
                return ynode_error(cx->doc, n, e,
                        "'proxy' must begin with http://, https://, socks5:// or socks5h://, such "
                        "as http://proxy.example.com:3128");
        *(const char **)field = arena_strdup(cx->arena, n->text);
        return *(const char **)field ? 0 : options_nomem(cx, e);
}

/* ---- rates ---- */

#define RATE_FORM "a rate such as 10/s, 60/min, 6000/5min or 5000/day"

static int decode_rate(const struct option_context *cx, const char *what, const struct ynode *n,
        struct rest_budget_spec *out, struct err *e)
{
        char shown[YNODE_SHOW_MAX];

        if (ynode_is_scalar(n) && rest_budget_parse(n->text, out))
                return 0;
        return ynode_error(
                cx->doc, n, e, "'%s' must be " RATE_FORM ", not %s", what, ynode_show(n, shown));
}

static int decode_rate_limit(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        struct rest_options *o = field;
        const struct ynode *const *items = n->kind == YNODE_LIST ? n->items : &n;
        size_t count = n->kind == YNODE_LIST ? n->count : 1;
        int rc = 0;

        if (count == 0)
                return ynode_error(cx->doc, n, e, "'rate_limit' must not be empty");
        if (count > REST_MAX_BUDGETS)
                return ynode_error(
                        cx->doc, n, e, "'rate_limit' has more than %d rates", REST_MAX_BUDGETS);
        for (size_t i = 0; i < count && rc == 0; i++) {
                rc = decode_rate(cx, "rate_limit", items[i], &o->budgets[i], e);
                for (size_t k = 0; k < i && rc == 0; k++)
                        if (o->budgets[k].window_ms == o->budgets[i].window_ms)
                                rc = ynode_error(cx->doc, items[i], e,
                                        "'rate_limit' has two rates of the same time: keep the "
                                        "smaller one");
        }
        if (rc == 0)
                o->budget_count = count;
        return rc;
}

static int decode_error_limit(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        return decode_rate(cx, "error_limit", n, field, e);
}

/* ---- the table ---- */

static const struct option rest_options[] = {
        {.name = "url",
                .type = OPTION_HANDLER,
                .offset = 0,
                .handler = decode_url,
                .required = true,
                .secret = true,
                .help = "Address of the API, which paths of mappers stand under; user and password "
                        "in it are basic auth."},
        {.name = "auth",
                .type = OPTION_HANDLER,
                .offset = AT(auth),
                .handler = rest_auth_decode,
                .table = &rest_auth_table,
                .help = "Who we are: user and password, bearer, header, query, oauth2, or "
                        "session."},
        {.name = "headers",
                .type = OPTION_HANDLER,
                .offset = AT(headers),
                .handler = decode_headers,
                .secret = true,
                .help = "Headers of every request: company, tenant, language."},
        {.name = "params",
                .type = OPTION_HANDLER,
                .offset = AT(params),
                .handler = decode_params,
                .secret = true,
                .help = "Parameters of every request, behind the ? of its address."},
        {.name = "rate_limit",
                .type = OPTION_HANDLER,
                .offset = 0,
                .handler = decode_rate_limit,
                .help = "Requests that may go out in a time, such as 10/s; a list for several "
                        "limits at once."},
        {.name = "error_limit",
                .type = OPTION_HANDLER,
                .offset = AT(errors),
                .handler = decode_error_limit,
                .help = "Failed requests in a time, such as 10/h, after which no more go out: some "
                        "APIs block who fails more."},
        {.name = "max_concurrent",
                .type = OPTION_INT,
                .offset = AT(max_concurrent),
                .default_text = "4",
                .min = 1,
                .max = 64,
                .help = "Requests under way at once, of all mappers."},
        {.name = "retry_for",
                .type = OPTION_DURATION,
                .offset = AT(retry_for_ms),
                .default_text = "5m",
                .min = 0,
                .max = DAY_MS,
                .help = "How long a request that fails for now is tried again."},
        {.name = "timeout",
                .type = OPTION_DURATION,
                .offset = AT(timeout_ms),
                .default_text = "10m",
                .min = 100,
                .max = DAY_MS,
                .help = "How long one request may take, its reply included."},
        {.name = "connect_timeout",
                .type = OPTION_DURATION,
                .offset = AT(connect_timeout_ms),
                .default_text = "10s",
                .min = 100,
                .max = DAY_MS,
                .help = "How long the server may take to accept a connection."},
        {.name = "idle_timeout",
                .type = OPTION_DURATION,
                .offset = AT(idle_timeout_ms),
                .default_text = "90s",
                .min = 100,
                .max = DAY_MS,
                .help = "How long a request may go without a byte either way."},
        {.name = "max_record",
                .type = OPTION_SIZE,
                .offset = AT(max_record),
                .default_text = "24MiB",
                .min = 1024,
                .max = 256 * MIB,
                .help = "Ceiling of one record; a larger one is a reject."},
        {.name = "max_redirects",
                .type = OPTION_INT,
                .offset = AT(max_redirects),
                .default_text = "5",
                .min = 0,
                .max = 50,
                .help = "Redirects of one request that are followed."},
        {.name = "compressed",
                .type = OPTION_BOOL,
                .offset = AT(compressed),
                .default_text = "true",
                .help = "Replies may come compressed."},
        {.name = "tls",
                .type = OPTION_HANDLER,
                .offset = 0,
                .handler = decode_tls,
                .table = &http_tls_table,
                .help = "Certificates for https."},
        {.name = "proxy",
                .type = OPTION_HANDLER,
                .offset = AT(proxy),
                .handler = decode_proxy,
                .secret = true,
                .help = "Proxy in place of the one that the environment names; user and password "
                        "in it are its own."},
};
OPTION_TABLE(rest_option_table, "REST source", rest_options);

/* ---- what several keys say together ---- */

int rest_options_check(const struct source_config *config, struct err *e)
{
        struct rest_options *o = config->own;
        const struct ynode *url = ynode_get(config->node, "url");

        if (o->url_user && o->auth.kind != REST_AUTH_NONE)
                return ynode_error(config->doc, url, e,
                        "'url' of a REST source: it holds a user, and there is 'auth', too: keep "
                        "one");
        if (o->has_tls && !o->https)
                return ynode_error(config->doc, ynode_get(config->node, "tls"), e,
                        "'tls' needs a 'url' with https://");
        if (o->idle_timeout_ms > o->timeout_ms && ynode_get(config->node, "idle_timeout"))
                return ynode_error(config->doc, ynode_get(config->node, "idle_timeout"), e,
                        "'idle_timeout' is longer than 'timeout'");
        if (!o->url_user)
                return 0;
        o->auth.kind = REST_AUTH_BASIC;
        o->auth.user = o->url_user;
        o->auth.password = o->url_password;
        return 0;
}
