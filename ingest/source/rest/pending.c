/* Texts live in buffers of the request, which a second try fills again. */
#include "ingest/source/rest/pending.h"

#include <curl/curl.h>
#include <stdio.h>
#include <strings.h>

#include "ingest/loop/http_url.h"
#include "ingest/source/rest/url.h"

#define URL_MAX     (64 << 10) /* bytes; servers refuse addresses that are much shorter */
#define LINES_MAX   (64 << 10) /* of headers, as above */
#define CONTENT_MAX (64 << 20) /* of a request's body: lists of keys */
#define BODY_MAX    (16 << 20) /* of a reply that is kept whole */
#define TEXT_MAX    (16 << 10) /* of one header */
#define SHOWN_MAX   400        /* bytes of an address in an error */

static int copy_headers(struct rest_pending *p, const char *const *headers, struct err *e)
{
        for (; headers && *headers; headers++)
                buf_put(&p->lines, *headers, strlen(*headers) + 1);
        return buf_check(&p->lines, "the request's headers", e);
}

/* A server behind a TLS proxy may not know that it is https: see rest_url_next(). */
static int copy_url(struct rest_pending *p, const char *source_url, const char *url, struct err *e)
{
        int rc = 0;

        if (rest_url_is_secure(source_url) && !rest_url_is_secure(url))
                rc = rest_url_next(source_url, url, &p->url, e);
        else
                buf_puts(&p->url, url);
        if (rc == 0)
                rc = buf_check(&p->url, "the address", e);
        return rc == 0 && !buf_cstr(&p->url) ? buf_check(&p->url, "the address", e) : rc;
}

static int copy_request(
        struct rest_pending *p, const char *source_url, const struct rest_request *r, struct err *e)
{
        p->method = strdup(r->method);
        buf_put_str(&p->content, r->body);
        p->has_content = r->body.ptr != NULL;
        if (!p->method)
                return err_nomem(e, "a request");
        int rc = copy_url(p, source_url, r->url, e);
        if (rc == 0)
                rc = copy_headers(p, r->headers, e);
        return rc == 0 ? buf_check(&p->content, "the request's body", e) : rc;
}

int rest_pending_new(const char *source_url, const struct rest_request *r,
        struct rest_pending **out, struct err *e)
{
        if (r->accept_count > REST_ACCEPT_MAX)
                return err_set(e, ERR_BUG, "more than %d statuses", REST_ACCEPT_MAX);
        cleanup_(rest_pending_freep) struct rest_pending *p = calloc(1, sizeof(*p));
        if (!p)
                return err_nomem(e, "a request");
        buf_init(&p->url, URL_MAX);
        buf_init(&p->lines, LINES_MAX);
        buf_init(&p->content, CONTENT_MAX);
        buf_init(&p->visited, URL_MAX * 4);
        buf_init(&p->body, BODY_MAX);
        struct buf *const texts[] = {&p->link, &p->etag, &p->type, &p->location};
        for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
                buf_init(texts[i], TEXT_MAX);
        if (r->accept_count > 0)
                memcpy(p->accept, r->accept, r->accept_count * sizeof(*r->accept));
        p->accept_count = r->accept_count;
        p->on_body = r->on_body;
        p->on_done = r->on_done;
        p->ctx = r->ctx;
        rest_pending_clear(p);
        int rc = copy_request(p, source_url, r, e);
        if (rc == -ERR_REJECT && e) /* no record is to blame */
                e->class = ERR_CONFIG;
        if (rc < 0)
                return rc == -ERR_REJECT ? -ERR_CONFIG : rc;
        *out = TAKE(p);
        return 0;
}

struct rest_pending *rest_pending_free(struct rest_pending *p)
{
        if (!p)
                return NULL;
        struct buf *const bufs[] = {&p->url, &p->lines, &p->content, &p->visited, &p->link,
                &p->etag, &p->type, &p->location, &p->body};
        for (size_t i = 0; i < sizeof(bufs) / sizeof(*bufs); i++)
                buf_deinit(bufs[i]);
        free(p->method);
        free(p);
        return NULL;
}

const char *rest_pending_url(const struct rest_pending *p)
{
        return p->url.data; /* buf_cstr() was called when it was set */
}

void rest_pending_clear(struct rest_pending *p)
{
        struct buf *const bufs[] = {&p->link, &p->etag, &p->type, &p->location, &p->body};

        for (size_t i = 0; i < sizeof(bufs) / sizeof(*bufs); i++)
                buf_clear(bufs[i]);
        rest_limits_init(&p->limits);
        p->server_us = -1;
        p->body_rc = 0;
}

static bool is_named(struct str name, const char *what)
{
        return name.len == strlen(what) && strncasecmp(name.ptr, what, name.len) == 0;
}

/* Days from 1970-01-01 to the first of a month (0 to 11), in the Gregorian calendar. */
static int64_t days_before(int64_t year, int month)
{
        static const int days[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        int64_t past = year - 1;

        return past * 365 + past / 4 - past / 100 + past / 400 - 719162 + days[month] +
               (leap && month > 1);
}

static int two_digits(const char *p)
{
        return p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9'
                       ? -1
                       : (p[0] - '0') * 10 + p[1] - '0';
}

/* "Tue, 14 Nov 2023 22:13:20 GMT", as all servers write it: each reply has one, and libcurl's
 * parser, which takes any form, costs as much as all the rest that is done for a small reply. */
static int64_t parse_fixed_date(struct str v)
{
        static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

        if (v.len != 29 || memcmp(v.ptr + 25, " GMT", 4) != 0 || v.ptr[19] != ':' ||
                v.ptr[22] != ':')
                return -1;
        int day = two_digits(v.ptr + 5), month = 0;
        int century = two_digits(v.ptr + 12), year = two_digits(v.ptr + 14);
        int hour = two_digits(v.ptr + 17), minute = two_digits(v.ptr + 20);
        int second = two_digits(v.ptr + 23);
        while (month < 12 && memcmp(v.ptr + 8, months + 3 * month, 3) != 0)
                month++;
        if (day < 1 || day > 31 || month == 12 || century < 19 || year < 0 || hour < 0 ||
                hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
                return -1;
        int64_t days = days_before(century * 100 + year, month) + day - 1;
        return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000000;
}

/* -1 for what is no date. */
static int64_t parse_date(struct str value)
{
        int64_t fixed = parse_fixed_date(value);

        if (fixed >= 0)
                return fixed;
        char text[64];

        snprintf(text, sizeof(text), "%.*s", (int)(value.len < 63 ? value.len : 63), value.ptr);
        time_t when = curl_getdate(text, NULL);
        return when < 0 ? -1 : (int64_t)when * 1000000;
}

void rest_pending_header(void *ctx, struct str name, struct str value)
{
        struct rest_pending *p = ctx;

        if (is_named(name, "Link")) {
                if (p->link.len > 0)
                        buf_puts(&p->link, ", ");
                buf_put_str(&p->link, value);
        } else if (is_named(name, "ETag")) {
                buf_put_str(&p->etag, value);
        } else if (is_named(name, "Location")) {
                buf_put_str(&p->location, value);
        } else if (is_named(name, "Date")) {
                p->server_us = parse_date(value);
        } else {
                rest_limits_header(&p->limits, name, value);
        }
}

bool rest_pending_accepts(const struct rest_pending *p, int status)
{
        for (size_t i = 0; i < p->accept_count; i++)
                if (p->accept[i] == status)
                        return true;
        return (status >= 200 && status < 300) || status == 304;
}

/* ---- redirects ---- */

static bool was_visited(const struct rest_pending *p, struct str url)
{
        const char *from = p->visited.data, *end = from + p->visited.len;

        while (from < end) {
                const char *stop = memchr(from, '\n', (size_t)(end - from));
                if (str_eq((struct str){from, (size_t)(stop - from)}, url))
                        return true;
                from = stop + 1;
        }
        return false;
}

static int check_redirect(const struct rest_pending *p, struct str target, const char *source_url,
        int64_t max_redirects, struct err *e)
{
        if (rest_url_is_secure(rest_pending_url(p)) && !rest_url_is_secure(target.ptr))
                return err_set(e, ERR_CONFIG,
                        "it redirects from https to http: what is sent there could be read by all");
        if (p->redirects >= max_redirects)
                return err_set(e, ERR_CONFIG, "it redirects more than %lld times",
                        (long long)max_redirects);
        if (str_eq(target, buf_str(&p->url)) || was_visited(p, target))
                return err_set(e, ERR_CONFIG, "it redirects round and round");
        if (p->has_content && !rest_url_same_origin(source_url, target.ptr))
                return err_set(e, ERR_CONFIG,
                        "it redirects to another host, and the body may hold secrets; if that host "
                        "is right, write it as the source's url");
        return 0;
}

int rest_pending_redirect(struct rest_pending *p, const char *source_url, int status,
        int64_t max_redirects, struct err *e)
{
        cleanup_buf_ struct buf target = BUF_INIT(URL_MAX);
        const char *location = buf_cstr(&p->location);

        if (!location)
                return buf_check(&p->location, "the address of a redirect", e);
        if (*location == '\0')
                return err_set(e, ERR_CONFIG, "it redirects without saying where");
        int rc = rest_url_join(rest_pending_url(p), location, &target, e);
        if (rc == 0 && !buf_cstr(&target))
                rc = err_nomem(e, "an address");
        if (rc < 0)
                return rc;
        if (status == 303 && strcmp(p->method, "HEAD") != 0) {
                char *get = strdup("GET");
                if (!get)
                        return err_nomem(e, "a request");
                free(p->method);
                p->method = get;
                p->has_content = false;
        }
        rc = check_redirect(p, buf_str(&target), source_url, max_redirects, e);
        if (rc < 0)
                return rc;
        buf_put_str(&p->visited, buf_str(&p->url));
        buf_putc(&p->visited, '\n');
        rc = buf_check(&p->visited, "addresses that redirect", e);
        if (rc < 0)
                return rc;
        buf_deinit(&p->url);
        p->url = target;
        target = BUF_INIT(URL_MAX);
        p->redirects++;
        return 0;
}

/* ---- reports ---- */

int rest_pending_wrap(const struct rest_pending *p, int rc, struct err *e)
{
        cleanup_buf_ struct buf shown = BUF_INIT(URL_MAX);

        http_url_public(&shown, rest_pending_url(p));
        return err_wrap(e, rc, "%s %.*s", p->method,
                shown.len < SHOWN_MAX ? (int)shown.len : SHOWN_MAX, buf_str(&shown).ptr);
}

static const char *text_of(struct buf *b)
{
        const char *text = buf_cstr(b);

        return text ? text : "";
}

void rest_pending_report(
        struct rest_pending *p, int status, struct str body, int rc, const struct err *err)
{
        struct rest_reply reply = {.status = status,
                .url = rest_pending_url(p),
                .link = text_of(&p->link),
                .etag = text_of(&p->etag),
                .content_type = text_of(&p->type),
                .server_us = p->server_us,
                .body = rc == 0 && body.ptr ? body : (struct str){"", 0},
                .delivered = p->delivered,
                .rc = rc};

        if (rc < 0)
                reply.err = *err;
        p->on_done(p->ctx, &reply);
        if (p->call)
                p->abandoned = true;
        else
                rest_pending_free(p);
}
