/*
 * Options are set from tables. HTTP/1.1 is asked for explicitly: CouchDB speaks nothing else, and
 * one request a connection keeps the failure of one request out of the others. Paths are sent
 * as they are, because a document named ".." must not become a request for its database.
 */
#include "ingest/loop/http_call.h"

#include <errno.h>
#include <stdio.h>

#include "ingest/base/clock.h"
#include "ingest/loop/http_url.h"

#define LABEL_MAX       600         /* bytes of a label: leaves room for the cause in an error */
#define HEADERS_MAX     (256 << 10) /* bytes of all headers of a reply: no honest one has more */
#define MAX_REPLY       (16 << 20)  /* bytes of a buffered reply unless the request says other */
#define READ_SIZE       (64 << 10)  /* bytes of curl's read buffer; default 16 KiB */
#define RETRY_AFTER_MAX (7 * 86400) /* s; a server that asks for more is not believed */
#define IDLE_BYTES_S    1           /* slower than this for idle_timeout_ms counts as idle */

/* Appends to *@list; false when out of memory (the list stays as it was). */
static bool list_add(struct curl_slist **list, const char *line)
{
        struct curl_slist *longer = curl_slist_append(*list, line);

        if (longer)
                *list = longer;
        return longer != NULL;
}

static bool is_header(const char *line, const char *name)
{
        size_t n = strlen(name);

        return strncasecmp(line, name, n) == 0 && line[n] == ':';
}

static int copy_headers(struct http_call *c, const struct http_request *r, struct err *e)
{
        bool typed = false;
        bool ok = list_add(&c->headers, "Expect:");

        for (size_t i = 0; i < HTTP_MAX_HEADERS && r->headers[i]; i++) {
                const char *line = r->headers[i];
                if (line[strcspn(line, "\r\n")] != '\0') /* the value may be a secret */
                        return err_set(e, ERR_CONFIG,
                                "%s: the value of header %.*s holds a line break; remove it",
                                c->label, (int)strcspn(line, ":\r\n"), line);
                typed = typed || is_header(line, "Content-Type");
                ok = ok && list_add(&c->headers, line);
        }
        if (!typed) /* curl would call every body a form */
                ok = ok && list_add(&c->headers, "Content-Type:");
        return ok ? 0 : err_nomem(e, "request headers");
}

static int make_label(struct http_call *c, const struct http_request *r, struct err *e)
{
        cleanup_buf_ struct buf url = BUF_INIT(strlen(r->url) + 1);

        http_url_public(&url, r->url);
        const char *shown = buf_cstr(&url);
        if (!shown)
                return err_nomem(e, "a request");
        char label[LABEL_MAX];
        snprintf(label, sizeof(label), "%s %s", r->method, shown);
        c->label = strdup(label);
        return c->label ? 0 : err_nomem(e, "a request");
}

static bool header_named(const char *line, size_t n, const char *name, struct str *value)
{
        size_t len = strlen(name);

        if (n <= len || line[len] != ':' || strncasecmp(line, name, len) != 0)
                return false;
        *value = str_trim((struct str){line + len + 1, n - len - 1});
        return true;
}

/* Seconds or a date. Return: -1 where it is neither. */
static int64_t parse_retry_after(struct str value)
{
        char text[64];
        int64_t seconds;

        if (!str_to_int64(value, &seconds)) {
                snprintf(text, sizeof(text), "%.*s", (int)(value.len < 63 ? value.len : 63),
                        value.ptr);
                time_t when = curl_getdate(text, NULL);
                if (when < 0)
                        return -1;
                seconds = (int64_t)when - clock_wall_us() / 1000000;
        }
        if (seconds < 0)
                seconds = 0;
        return (seconds < RETRY_AFTER_MAX ? seconds : RETRY_AFTER_MAX) * 1000;
}

static size_t on_header(char *line, size_t size, size_t count, void *ctx)
{
        struct http_call *c = ctx;
        size_t n = size * count;
        struct str value;

        c->header_bytes += n;
        if (c->header_bytes > HEADERS_MAX) {
                c->rc = err_set(&c->err, ERR_RETRY,
                        "the headers of the reply are larger than %d bytes", HEADERS_MAX);
                return 0;
        }
        if (n >= 5 && memcmp(line, "HTTP/", 5) == 0)
                c->retry_after_ms = -1; /* what came before was of an interim reply */
        else if (header_named(line, n, "Retry-After", &value))
                c->retry_after_ms = parse_retry_after(value);
        return n;
}

static int status_of(const struct http_call *c)
{
        long status = 0;

        curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
        return (int)status;
}

static void keep_body(struct http_call *c, struct str bytes, bool success)
{
        size_t room = c->body.max - c->body.len;

        /* The status of a failure counts for more than the end of its explanation. */
        if (!success && bytes.len > room)
                bytes.len = room;
        buf_put_str(&c->body, bytes);
        c->rc = buf_check(&c->body, "the reply", &c->err);
}

static size_t on_bytes(char *ptr, size_t size, size_t count, void *ctx)
{
        struct http_call *c = ctx;
        struct str bytes = {ptr, size * count};
        int status = status_of(c);
        bool success = status >= 200 && status < 300;

        if (success && c->on_body)
                c->rc = c->on_body(c->ctx, bytes, &c->err);
        else
                keep_body(c, bytes, success);
        return c->rc == 0 && !c->cancelled ? bytes.len : 0;
}

/* Bytes of the request that were handed to the system count as sent. */
static bool was_sent(const struct http_call *c)
{
        long request_bytes = 0;

        curl_easy_getinfo(c->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
        return request_bytes > 0;
}

/* CURLOPT_PREREQFUNCTION: a connection is there, the request goes out next. libcurl sends a request
 * again by itself when a reused connection dies before a reply; the first copy may have been
 * carried out, and who asked must know. Reading twice does no harm. */
static int on_before_send(void *ctx, char *ip, char *local_ip, int port, int local_port)
{
        struct http_call *c = ctx;

        (void)ip;
        (void)local_ip;
        (void)port;
        (void)local_port;
        if (c->safe || !was_sent(c))
                return CURL_PREREQFUNC_OK;
        c->rc = err_set(&c->err, ERR_RETRY, "the connection was closed before a reply came");
        return CURL_PREREQFUNC_ABORT;
}

struct number_option {
        CURLoption option;
        long value;
};

struct text_option {
        CURLoption option;
        const char *value;
};

static CURLcode set_numbers(CURL *easy, const struct number_option *options, size_t n)
{
        CURLcode code = CURLE_OK;

        for (size_t i = 0; i < n && code == CURLE_OK; i++)
                code = curl_easy_setopt(easy, options[i].option, options[i].value);
        return code;
}

static CURLcode set_texts(CURL *easy, const struct text_option *options, size_t n)
{
        CURLcode code = CURLE_OK;

        for (size_t i = 0; i < n && code == CURLE_OK; i++)
                if (options[i].value)
                        code = curl_easy_setopt(easy, options[i].option, options[i].value);
        return code;
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* curl counts idle time in whole seconds. */
static long idle_seconds(int64_t ms)
{
        return (long)((ms + 999) / 1000);
}

static CURLcode set_client_options(CURL *easy, const struct http_options *o, int64_t timeout_ms)
{
        const struct number_option numbers[] = {
                {CURLOPT_NOSIGNAL, 1},
                {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
                {CURLOPT_PATH_AS_IS, 1},
                {CURLOPT_FOLLOWLOCATION, 0},
                {CURLOPT_SUPPRESS_CONNECT_HEADERS, 1},
                {CURLOPT_TCP_KEEPALIVE, 1},
                {CURLOPT_BUFFERSIZE, READ_SIZE},
                {CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_timeout_ms},
                {CURLOPT_TIMEOUT_MS, (long)timeout_ms},
                {CURLOPT_LOW_SPEED_LIMIT, IDLE_BYTES_S},
                {CURLOPT_LOW_SPEED_TIME, idle_seconds(o->idle_timeout_ms)},
        };
        const struct text_option texts[] = {
                {CURLOPT_CAINFO, o->ca_file}, {CURLOPT_SSLCERT, o->cert_file},
                {CURLOPT_SSLKEY, o->key_file}, {CURLOPT_PROXY, o->proxy},
                {CURLOPT_USERAGENT, o->user_agent},
                {CURLOPT_COOKIEFILE, o->cookies ? "" : NULL}, /* "" starts the cookie engine */
        };
        CURLcode code = set_numbers(easy, numbers, COUNT(numbers));

        return code == CURLE_OK ? set_texts(easy, texts, COUNT(texts)) : code;
}

static CURLcode set_method(CURL *easy, const struct http_request *r)
{
        const struct number_option head = {CURLOPT_NOBODY, 1}, get = {CURLOPT_HTTPGET, 1};
        CURLcode code;

        if (!r->body.ptr && strcmp(r->method, "HEAD") == 0)
                return set_numbers(easy, &head, 1);
        if (!r->body.ptr && strcmp(r->method, "GET") == 0)
                return set_numbers(easy, &get, 1);
        code = curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, r->method);
        if (code == CURLE_OK && (r->body.ptr || strcmp(r->method, "DELETE") != 0)) {
                code = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
                if (code == CURLE_OK)
                        code = curl_easy_setopt(
                                easy, CURLOPT_POSTFIELDS, r->body.ptr ? r->body.ptr : "");
        }
        return code;
}

static CURLcode set_callbacks(struct http_call *c, CURLSH *share)
{
        struct {
                CURLoption option;
                const void *value;
        } pointers[] = {
                {CURLOPT_PRIVATE, c},
                {CURLOPT_ERRORBUFFER, c->curl_error},
                {CURLOPT_WRITEDATA, c},
                {CURLOPT_HEADERDATA, c},
                {CURLOPT_PREREQDATA, c},
                {CURLOPT_HTTPHEADER, c->headers},
                {CURLOPT_SHARE, share},
        };
        CURLcode code = curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_bytes);

        if (code == CURLE_OK)
                code = curl_easy_setopt(c->easy, CURLOPT_HEADERFUNCTION, on_header);
        if (code == CURLE_OK)
                code = curl_easy_setopt(c->easy, CURLOPT_PREREQFUNCTION, on_before_send);
        for (size_t i = 0; i < COUNT(pointers) && code == CURLE_OK; i++)
                if (pointers[i].value)
                        code = curl_easy_setopt(c->easy, pointers[i].option, pointers[i].value);
        return code;
}

static int set_options(struct http_call *c, const struct http_options *o, CURLSH *share,
        const struct http_request *r, struct err *e)
{
        CURLcode code = curl_easy_setopt(c->easy, CURLOPT_URL, r->url);

        if (code == CURLE_OK)
                code = set_client_options(
                        c->easy, o, r->timeout_ms > 0 ? r->timeout_ms : o->timeout_ms);
        if (code == CURLE_OK)
                code = set_method(c->easy, r);
        if (code == CURLE_OK)
                code = set_callbacks(c, share);
        if (code == CURLE_OUT_OF_MEMORY)
                return err_nomem(e, "a request");
        if (code != CURLE_OK)
                return err_set(e, ERR_CONFIG, "%s: libcurl refuses an option: %s", c->label,
                        curl_easy_strerror(code));
        return 0;
}

int http_call_new(const struct http_options *options, CURLSH *share, const struct http_request *r,
        struct http_call **out, struct err *e)
{
        cleanup_(http_call_freep) struct http_call *c = calloc(1, sizeof(*c));
        if (!c)
                return err_nomem(e, "a request");
        c->retry_after_ms = -1;
        c->on_body = r->on_body;
        c->on_done = r->on_done;
        c->ctx = r->ctx;
        c->safe = !r->body.ptr && (strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0);
        buf_init(&c->body, r->max_reply ? r->max_reply : MAX_REPLY);
        int rc = make_label(c, r, e);
        if (rc < 0)
                return rc;
        rc = http_url_check(r->url, e);
        if (rc < 0)
                return err_wrap(e, rc, "%s", c->label);
        rc = copy_headers(c, r, e);
        if (rc < 0)
                return rc;
        c->easy = curl_easy_init();
        if (!c->easy)
                return err_nomem(e, "a request");
        rc = set_options(c, options, share, r, e);
        if (rc < 0)
                return rc;
        *out = TAKE(c);
        return 0;
}

struct http_call *http_call_free(struct http_call *c)
{
        if (!c)
                return NULL;
        curl_easy_cleanup(c->easy);
        curl_slist_free_all(c->headers);
        buf_deinit(&c->body);
        free(c->label);
        free(c);
        return NULL;
}

struct verdict {
        CURLcode code;
        enum err_class class;
        const char *hint; /* what to do, or NULL */
};

/* Everything that is not here is the network's doing and may pass. */
static const struct verdict *verdict_of(CURLcode code)
{
        static const char ca_hint[] =
                "set ca_file to the authority that signed the server's certificate, use the host "
                "name that stands in the certificate, and renew one that has expired";
        static const char pair_hint[] =
                "cert_file and key_file must be readable PEM files that belong together";
        static const struct verdict verdicts[] = {
                {CURLE_COULDNT_RESOLVE_HOST, ERR_RETRY, "check the host name"},
                {CURLE_COULDNT_RESOLVE_PROXY, ERR_RETRY, "check the name of the proxy"},
                {CURLE_UNSUPPORTED_PROTOCOL, ERR_RETRY, "is this the port of an HTTP server?"},
                {CURLE_SSL_CONNECT_ERROR, ERR_RETRY, "does the server speak TLS on this port?"},
                {CURLE_PEER_FAILED_VERIFICATION, ERR_CONFIG, ca_hint},
                {CURLE_SSL_ISSUER_ERROR, ERR_CONFIG, ca_hint},
                {CURLE_SSL_INVALIDCERTSTATUS, ERR_CONFIG, ca_hint},
                {CURLE_SSL_CACERT_BADFILE, ERR_CONFIG, "ca_file must be a readable PEM file"},
                {CURLE_SSL_CERTPROBLEM, ERR_CONFIG, pair_hint},
                {CURLE_URL_MALFORMAT, ERR_CONFIG, "write it as http://HOST:PORT/PATH"},
                {CURLE_OUT_OF_MEMORY, ERR_NOMEM, NULL},
                {CURLE_FAILED_INIT, ERR_BUG, NULL},
                {CURLE_BAD_FUNCTION_ARGUMENT, ERR_BUG, NULL},
                {CURLE_UNKNOWN_OPTION, ERR_BUG, NULL},
        };
        static const struct verdict network = {CURLE_OK, ERR_RETRY, NULL};

        for (size_t i = 0; i < COUNT(verdicts); i++)
                if (verdicts[i].code == code)
                        return &verdicts[i];
        return &network;
}

/* libcurl's words for @code into @e, with the system's where a call failed. */
static int set_curl_error(const struct http_call *c, CURLcode code, struct err *e)
{
        const struct verdict *v = verdict_of(code);
        const char *words = *c->curl_error ? c->curl_error : curl_easy_strerror(code);
        long errnum = 0;

        curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &errnum);
        int rc = code == CURLE_COULDNT_CONNECT && errnum
                         ? err_set_errno(e, v->class, (int)errnum, "%s: %s", c->label, words)
                         : err_set(e, v->class, "%s: %s", c->label, words);
        return v->hint ? err_hint(e, rc, "%s", v->hint) : rc;
}

static int verdict(struct http_call *c, CURLcode code, int rc, const struct err *e, struct err *out)
{
        if (rc < 0) {
                *out = *e;
                return err_wrap(out, rc, "%s", c->label);
        }
        if (c->rc < 0) {
                *out = c->err;
                return err_wrap(out, c->rc, "%s", c->label);
        }
        if (code != CURLE_OK)
                return set_curl_error(c, code, out);
        if (!buf_cstr(&c->body))
                return err_nomem(out, "a reply");
        return 0;
}

void http_call_finish(struct http_call *c, CURLcode code, int rc, const struct err *e)
{
        struct http_reply reply = {
                .status = status_of(c),
                .retry_after_ms = c->retry_after_ms,
                .sent = was_sent(c),
                .body = {"", 0},
                .elapsed_us = c->started_us ? clock_monotonic_us() - c->started_us : 0,
        };
        char *content_type = NULL;

        curl_easy_getinfo(c->easy, CURLINFO_CONTENT_TYPE, &content_type);
        reply.content_type = content_type ? content_type : "";
        reply.rc = verdict(c, code, rc, e, &reply.err);
        if (reply.rc == 0)
                reply.body = buf_str(&c->body);
        c->on_done(c->ctx, &reply);
        http_call_free(c);
}
