/*
 * Options are set from tables. HTTP/1.1 is asked for explicitly: CouchDB speaks nothing else, and
 * one request a connection keeps the failure of one request out of the others. Paths are sent
 * as they are, because a document named ".." must not become a request for its database.
 */
#include "ingest/loop/http_call.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "ingest/base/clock.h"

#define LABEL_MAX       600         /* bytes of a label: leaves room for the cause in an error */
#define HEADERS_MAX     (256 << 10) /* bytes of all headers of a reply: no honest one has more */
#define MAX_REPLY       (16 << 20)  /* bytes of a buffered reply unless the request says other */
#define READ_SIZE       (64 << 10)  /* bytes of curl's read buffer; default 16 KiB */
#define COMPRESSED_SIZE (32 << 10)  /* the same; its content is held decompressed by a pause */
#define INFLATED_MIN    (64 << 20)  /* bytes of a body that is no bomb, whatever it came from */
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

static int copy_request(struct http_call *c, const struct http_request *r, struct err *e)
{
        size_t method = strlen(r->method), url = strlen(r->url);

        c->request = malloc(method + url + 2);
        if (!c->request)
                return err_nomem(e, "a request");
        memcpy(c->request, r->method, method);
        c->request[method] = ' ';
        memcpy(c->request + method + 1, r->url, url + 1);
        return 0;
}

/* "METHOD URL: ", without secrets, before @e. Few calls need it. */
static int wrap(const struct http_call *c, int rc, struct err *e)
{
        size_t method = strcspn(c->request, " ");
        const char *url = c->request + method + 1;
        cleanup_buf_ struct buf shown = BUF_INIT(strlen(url) + 1);

        http_url_public(&shown, url);
        return err_wrap(e, rc, "%.*s %.*s", (int)method, c->request,
                shown.len < LABEL_MAX ? (int)shown.len : LABEL_MAX, buf_str(&shown).ptr);
}

static int copy_headers(struct http_call *c, const struct http_request *r, struct err *e)
{
        bool typed = false;
        bool ok = list_add(&c->headers, "Expect:");

        for (size_t i = 0; i < HTTP_MAX_HEADERS && r->headers[i]; i++) {
                const char *line = r->headers[i];
                if (line[strcspn(line, "\r\n")] != '\0') /* the value may be a secret */
                        return wrap(c,
                                err_set(e, ERR_CONFIG,
                                        "the value of header %.*s holds a line break; remove it",
                                        (int)strcspn(line, ":\r\n"), line),
                                e);
                typed = typed || is_header(line, "Content-Type");
                ok = ok && list_add(&c->headers, line);
        }
        if (!typed) /* curl would call every body a form */
                ok = ok && list_add(&c->headers, "Content-Type:");
        return ok ? 0 : err_nomem(e, "request headers");
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

/* "HTTP/1.1 200 OK": whether these are the headers of the reply, or of an interim one. */
static bool is_final_status(struct str line)
{
        const char *space = memchr(line.ptr, ' ', line.len);

        return space && space + 1 < line.ptr + line.len && space[1] != '1';
}

/* What curl cannot decompress, or we did not ask for, as an error that says so. Stacked encodings
 * multiply what a few bytes become; no honest server sends them. */
static int check_encoding(struct http_call *c, struct str value)
{
        static const char *const known[] = {"gzip", "x-gzip", "deflate", "identity", "none", ""};

        for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
                if (value.len == strlen(known[i]) &&
                        strncasecmp(value.ptr, known[i], value.len) == 0)
                        return 0;
        return err_set(&c->err, ERR_RETRY,
                "the reply is encoded as \"%.*s\", though gzip or deflate was asked for; "
                "`compressed: false` asks for none",
                value.len < 40 ? (int)value.len : 40, value.ptr);
}

/* A header line of the reply that is not an interim one's nor a trailer. */
static void take_header(struct http_call *c, struct str line)
{
        const char *colon = memchr(line.ptr, ':', line.len);
        struct str value;

        if (header_named(line.ptr, line.len, "Retry-After", &value))
                c->retry_after_ms = parse_retry_after(value);
        else if (c->compressed && header_named(line.ptr, line.len, "Content-Encoding", &value))
                c->rc = check_encoding(c, value);
        if (c->on_header && colon && colon > line.ptr)
                c->on_header(c->ctx, (struct str){line.ptr, (size_t)(colon - line.ptr)},
                        str_trim((struct str){
                                colon + 1, (size_t)(line.ptr + line.len - colon - 1)}));
}

static size_t on_header(char *line, size_t size, size_t count, void *ctx)
{
        struct http_call *c = ctx;
        size_t n = size * count;

        c->header_bytes += n;
        if (c->header_bytes > HEADERS_MAX) {
                c->rc = err_set(&c->err, ERR_RETRY,
                        "the headers of the reply are larger than %d bytes", HEADERS_MAX);
                return 0;
        }
        if (n >= 5 && memcmp(line, "HTTP/", 5) == 0)
                c->head_final = is_final_status((struct str){line, n});
        else if (n <= 2)
                c->head_over = c->head_final;
        else if (c->head_final && !c->head_over)
                take_header(c, (struct str){line, n});
        return c->rc == 0 ? n : 0;
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

/* The few bytes that a bomb is were counted by curl before it gave us what they became; of a
 * chunked body those of the last read were not. */
static int check_inflation(struct http_call *c)
{
        curl_off_t came = 0;

        if (!c->compressed || c->body_bytes <= INFLATED_MIN)
                return 0;
        curl_easy_getinfo(c->easy, CURLINFO_SIZE_DOWNLOAD_T, &came);
        if (c->body_bytes / HTTP_MAX_INFLATION <= came + COMPRESSED_SIZE)
                return 0;
        return err_set(&c->err, ERR_REJECT,
                "%" PRId64 " bytes became more than %d times as many when they were decompressed; "
                "`compressed: false` asks for others",
                (int64_t)came, HTTP_MAX_INFLATION);
}

/* Both directions: where only one is paused, libcurl 7.88 reads once more (its curl_easy_pause()
 * pretends that the socket is readable). Its time limit goes on during a pause. */
static void pause_call(struct http_call *c)
{
        c->paused = true;
        c->paused_at_us = clock_monotonic_us();
        curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, 0L);
        curl_easy_pause(c->easy, CURLPAUSE_ALL);
}

CURLcode http_call_resume(struct http_call *c)
{
        c->paused = false;
        c->paused_us += clock_monotonic_us() - c->paused_at_us;
        curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, (long)(c->timeout_ms + c->paused_us / 1000));
        return curl_easy_pause(c->easy, CURLPAUSE_CONT);
}

static void stream_body(struct http_call *c, struct str bytes)
{
        c->resume = false;
        c->taking = true;
        int rc = c->on_body(c->ctx, bytes, &c->err);
        c->taking = false;
        if (rc < 0)
                c->rc = rc;
        else if (rc == HTTP_PAUSE && !c->resume && !c->cancelled)
                pause_call(c);
        c->resume = false;
}

static size_t on_bytes(char *ptr, size_t size, size_t count, void *ctx)
{
        struct http_call *c = ctx;
        struct str bytes = {ptr, size * count};
        int status = status_of(c);
        bool success = status >= 200 && status < 300;

        if (c->paused) /* curl keeps what it has read: one buffer, decompressed */
                return CURL_WRITEFUNC_PAUSE;
        c->body_bytes += (int64_t)bytes.len;
        c->rc = check_inflation(c);
        if (c->rc < 0)
                return 0;
        if (success && c->on_body)
                stream_body(c, bytes);
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
                {CURLOPT_BUFFERSIZE, o->compressed ? COMPRESSED_SIZE : READ_SIZE},
                {CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_timeout_ms},
                {CURLOPT_TIMEOUT_MS, (long)timeout_ms},
                {CURLOPT_LOW_SPEED_LIMIT, IDLE_BYTES_S},
                {CURLOPT_LOW_SPEED_TIME, idle_seconds(o->idle_timeout_ms)},
        };
        const struct text_option texts[] = {
                {CURLOPT_CAINFO, o->ca_file},
                {CURLOPT_SSLCERT, o->cert_file},
                {CURLOPT_SSLKEY, o->key_file},
                {CURLOPT_PROXY, o->proxy},
                {CURLOPT_USERAGENT, o->user_agent},
                {CURLOPT_COOKIEFILE, o->cookies ? "" : NULL}, /* "" starts the cookie engine */
                {CURLOPT_ACCEPT_ENCODING, o->compressed ? "gzip, deflate" : NULL},
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
                code = set_client_options(c->easy, o, c->timeout_ms);
        if (code == CURLE_OK)
                code = set_method(c->easy, r);
        if (code == CURLE_OK)
                code = set_callbacks(c, share);
        if (code == CURLE_OUT_OF_MEMORY)
                return err_nomem(e, "a request");
        if (code != CURLE_OK)
                return wrap(c,
                        err_set(e, ERR_CONFIG, "libcurl refuses an option: %s",
                                curl_easy_strerror(code)),
                        e);
        return 0;
}

int http_call_new(struct http_shared *shared, CURL *easy, const struct http_request *r,
        struct http_call **out, struct err *e)
{
        cleanup_(http_call_freep) struct http_call *c = calloc(1, sizeof(*c));
        if (!c) {
                curl_easy_cleanup(easy);
                return err_nomem(e, "a request");
        }
        c->easy = easy;
        c->retry_after_ms = -1;
        c->timeout_ms = r->timeout_ms > 0 ? r->timeout_ms : shared->options.timeout_ms;
        c->compressed = shared->options.compressed;
        c->on_header = r->on_header;
        c->on_body = r->on_body;
        c->on_done = r->on_done;
        c->ctx = r->ctx;
        c->safe = !r->body.ptr && (strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0);
        buf_init(&c->body, r->max_reply ? r->max_reply : MAX_REPLY);
        int rc = copy_request(c, r, e);
        if (rc < 0)
                return rc;
        rc = http_url_check_again(&shared->origin, r->url, e);
        if (rc < 0)
                return wrap(c, rc, e);
        rc = copy_headers(c, r, e);
        if (rc < 0)
                return rc;
        if (!c->easy)
                c->easy = curl_easy_init();
        if (!c->easy)
                return err_nomem(e, "a request");
        rc = set_options(c, &shared->options, shared->share, r, e);
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
        free(c->request);
        free(c);
        return NULL;
}

struct verdict {
        CURLcode code;
        enum err_class class;
        const char *hint; /* what to do, or NULL */
};

/* OpenSSL's name of an alert that the server sent: it takes no client without a certificate, or
 * not with this one. TLS 1.3 tells so behind the handshake, as an error of reading. */
static bool is_about_our_certificate(const char *words)
{
        const char *alert = strstr(words, " alert ");

        return alert && (strstr(alert, "certificate") || strstr(alert, "unknown ca"));
}

/* Everything that is not here is the network's doing and may pass. */
static const struct verdict *verdict_of(CURLcode code, const char *words)
{
        static const struct verdict ours = {CURLE_OK, ERR_CONFIG,
                "the server wants a client certificate that it knows: set cert_file and key_file"};
        static const char ca_hint[] =
                "set ca_file to the authority that signed the server's certificate, use the host "
                "name that stands in the certificate, and renew one that has expired";
        static const char pair_hint[] =
                "cert_file and key_file must be readable PEM files that belong together";
        static const struct verdict verdicts[] = {
                {CURLE_COULDNT_RESOLVE_HOST, ERR_RETRY, "check the host name"},
                {CURLE_COULDNT_RESOLVE_PROXY, ERR_RETRY, "check the name of the proxy"},
                {CURLE_UNSUPPORTED_PROTOCOL, ERR_RETRY, "is this the port of an HTTP server?"},
                {CURLE_SSL_CONNECT_ERROR, ERR_RETRY,
                        "does the server speak TLS on this port, and without a client certificate "
                        "(cert_file)?"},
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

        if (is_about_our_certificate(words))
                return &ours;
        for (size_t i = 0; i < COUNT(verdicts); i++)
                if (verdicts[i].code == code)
                        return &verdicts[i];
        return &network;
}

/* libcurl's words for @code into @e, with the system's where a call failed. */
static int set_curl_error(const struct http_call *c, CURLcode code, struct err *e)
{
        const char *words = *c->curl_error ? c->curl_error : curl_easy_strerror(code);
        const struct verdict *v = verdict_of(code, words);
        long errnum = 0;

        curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &errnum);
        int rc = code == CURLE_COULDNT_CONNECT && errnum
                         ? err_set_errno(e, v->class, (int)errnum, "%s", words)
                         : err_set(e, v->class, "%s", words);
        rc = wrap(c, rc, e);
        return v->hint ? err_hint(e, rc, "%s", v->hint) : rc;
}

static int verdict(struct http_call *c, CURLcode code, int rc, const struct err *e, struct err *out)
{
        if (rc < 0) {
                *out = *e;
                return wrap(c, rc, out);
        }
        if (c->rc < 0) {
                *out = c->err;
                return wrap(c, c->rc, out);
        }
        if (code != CURLE_OK)
                return set_curl_error(c, code, out);
        if (!buf_cstr(&c->body))
                return err_nomem(out, "a reply");
        return 0;
}

CURL *http_call_finish(struct http_call *c, CURLcode code, int rc, const struct err *e)
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
        CURL *easy = TAKE(c->easy);
        curl_easy_setopt(easy, CURLOPT_COOKIEFILE, NULL); /* libcurl 7.88: a reset leaks it */
        curl_easy_reset(easy);                            /* it points into the call */
        http_call_free(c);
        return easy;
}
