/*
 * What a request carries depends on where it goes: credentials, and what the source adds to every
 * request, go to the host of its url and to no other.
 */
#include "ingest/source/rest/client_internal.h"

#include <strings.h>

#include "ingest/source/rest/url.h"

#define ERROR_BODY (256 << 10) /* bytes of an error's body that are kept */

bool rest_client_is_own(const struct rest_client *c, const char *url)
{
        const char *source = c->options->url;

        if (strncmp(url, source, c->origin) == 0 &&
                (url[c->origin] == '\0' || strchr("/?#", url[c->origin])))
                return true;
        return rest_url_same_origin(source, url);
}

static void put_param(struct buf *url, struct str param)
{
        buf_putc(url, memchr(url->data, '?', url->len) ? '&' : '?');
        buf_put_str(url, param);
}

static int make_url(struct rest_client *c, const struct rest_pending *p, struct err *e)
{
        const char *url = rest_pending_url(p);

        buf_clear(&c->url);
        buf_put_str(&c->url, buf_str(&p->url));
        for (size_t i = 0; p->own && c->url.data && i < c->options->params.count; i++) {
                struct str param = buf_str(&c->params[i]);
                struct str name = {param.ptr, strcspn(param.ptr, "=")};
                if (!rest_url_has_param(url, name))
                        put_param(&c->url, param);
        }
        return buf_check(&c->url, "the address", e);
}

static bool has_header(const char *const *headers, const char *line)
{
        size_t n = strcspn(line, ":");

        for (; *headers; headers++)
                if (strncasecmp(*headers, line, n) == 0 && (*headers)[n] == ':')
                        return true;
        return false;
}

/* What says how a reply should look: no secret is ever in it. */
static bool is_harmless(const char *line)
{
        static const char *const names[] = {"Accept", "Content-Type", "Prefer", "If-None-Match",
                "If-Modified-Since", "Accept-Language"};
        size_t n = strcspn(line, ":");

        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
                if (n == strlen(names[i]) && strncasecmp(line, names[i], n) == 0)
                        return true;
        return false;
}

static int put_lines(const char **headers, const struct buf *lines, bool harmless_only,
        bool unless_given, struct err *e)
{
        size_t n = 0;

        while (headers[n])
                n++;
        for (size_t at = 0; at < lines->len; at += strlen(lines->data + at) + 1) {
                const char *line = lines->data + at;
                if ((harmless_only && !is_harmless(line)) ||
                        (unless_given && has_header(headers, line)))
                        continue;
                if (n + 1 >= HTTP_MAX_HEADERS)
                        return err_set(e, ERR_CONFIG, "more than %d headers", HTTP_MAX_HEADERS - 1);
                headers[n++] = line;
                headers[n] = NULL;
        }
        return 0;
}

static int make_headers(
        struct rest_client *c, const struct rest_pending *p, const char **headers, struct err *e)
{
        headers[0] = NULL;
        int rc = put_lines(headers, &p->lines, p->bare, false, e);
        if (rc == 0 && p->own)
                rc = put_lines(headers, &c->header_lines, false, true, e);
        if (rc == 0 && p->own)
                rc = rest_auth_put(c->auth, headers, &c->url, e);
        return rc;
}

static int on_http_body(void *ctx, struct str bytes, struct err *e)
{
        struct rest_pending *p = ctx;

        if (p->abandoned)
                return err_set(e, ERR_CANCEL, "cancelled");
        if (!p->on_body) {
                buf_put_str(&p->body, bytes);
                return buf_check(&p->body, "the reply", e);
        }
        p->delivered = p->delivered || bytes.len > 0;
        int rc = p->on_body(p->ctx, bytes, e);
        if (rc < 0)
                p->body_rc = rc;
        if (rc != HTTP_PAUSE)
                return rc;
        p->paused = true;
        rest_turn_give(p->client);
        loop_timer_soon(p->client->timer); /* others may go now */
        return rc;
}

int rest_client_transmit(struct rest_client *c, struct rest_pending *p, struct err *e)
{
        struct http_request q = {.method = p->method,
                .body = p->has_content ? buf_str(&p->content) : (struct str){0},
                .max_reply = ERROR_BODY,
                .on_header = rest_pending_header,
                .on_body = on_http_body,
                .on_done = rest_client_answer,
                .ctx = p};

        int rc = make_url(c, p, e);
        if (rc == 0)
                rc = make_headers(c, p, q.headers, e);
        if (rc == 0 && !(q.url = buf_cstr(&c->url)))
                rc = buf_check(&c->url, "the address", e);
        if (rc == 0)
                rc = http_start(c->http, &q, &p->call, e);
        if (rc < 0)
                return rc;
        rest_list_remove(p);
        p->state = REST_SENT;
        p->tries++;
        p->generation = rest_auth_generation(c->auth);
        rest_list_append(p);
        return 0;
}
