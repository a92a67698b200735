/*
 * An address of the server's (a next page) is taken as it stands, and only from the source's own
 * host: our credentials go with it.
 */
#include "ingest/source/rest/request.h"

#include <stdio.h>
#include <strings.h>

#include "ingest/loop/http_url.h"
#include "ingest/source/rest/odata.h"
#include "ingest/source/rest/url.h"

#define URL_MAX   (64 << 10) /* servers refuse addresses that are much shorter */
#define LINES_MAX (64 << 10) /* of headers */
#define BODY_MAX  (4 << 20)

struct making {
        const struct rest_asking *a;
        struct rest_asked *out;
        struct rest_vars vars;
        size_t starts[HTTP_MAX_HEADERS]; /* of header lines in out->lines */
        size_t headers;
};

void rest_asked_init(struct rest_asked *r)
{
        *r = (struct rest_asked){0};
        buf_init(&r->url, URL_MAX);
        buf_init(&r->lines, LINES_MAX);
        buf_init(&r->body, BODY_MAX);
}

void rest_asked_deinit(struct rest_asked *r)
{
        buf_deinit(&r->url);
        buf_deinit(&r->lines);
        buf_deinit(&r->body);
}

/* ---- variables ---- */

static void set_number(struct making *m, size_t var, size_t text, int64_t n)
{
        char *to = m->out->numbers[text];

        snprintf(to, sizeof(m->out->numbers[text]), "%lld", (long long)n);
        m->a->vars[var].value = str_of(to);
        m->a->vars[var].number = true;
}

static bool cursor_is_number(const struct rest_cursor_spec *c)
{
        const char *format = c->send ? c->send : c->format;

        return c->kind == REST_CURSOR_INTEGER || (format && strncmp(format, "unix", 4) == 0);
}

static void set_vars(struct making *m)
{
        static const char *const names[] = {"cursor", "page", "offset", "size", "after"};
        const struct rest_asking *a = m->a;
        const struct rest_page *p = a->page;

        for (size_t i = 0; i < REST_PAGE_VARS; i++)
                a->vars[i] = (struct rest_var){.name = str_of(names[i])};
        if (a->cursor && a->from.ptr) {
                a->vars[REST_VAR_CURSOR].value = a->from;
                a->vars[REST_VAR_CURSOR].number = cursor_is_number(a->cursor);
        }
        set_number(m, REST_VAR_PAGE, 0, p->page);
        set_number(m, REST_VAR_OFFSET, 1, p->offset);
        if (p->size)
                set_number(m, REST_VAR_SIZE, 2, p->size);
        if (p->after) {
                a->vars[REST_VAR_AFTER].value = str_of(p->after);
                a->vars[REST_VAR_AFTER].number = a->after_is_number;
        }
        m->vars = (struct rest_vars){a->vars, a->var_count};
}

/* ---- the address ---- */

static int put_path(struct making *m, struct err *e)
{
        const struct rest_asking *a = m->a;
        cleanup_buf_ struct buf path = BUF_INIT(URL_MAX);
        int rc = 0;

        if (a->path)
                buf_puts(&path, a->path);
        else if (a->call->path)
                rc = rest_template_put(a->call->path, &m->vars, REST_ENCODE_PATH, &path, e);
        if (!rc)
                rc = buf_check(&path, "the address", e);
        if (rc == REST_ABSENT)
                return err_set(e, ERR_CONFIG, "a variable in `path` has no value");
        if (rc)
                return rc;
        const char *text = buf_cstr(&path);
        if (!text)
                return buf_check(&path, "the address", e);
        bool absolute =
                strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0;
        if (!absolute) {
                buf_puts(&m->out->url, a->options->url);
                if (text[0] && text[0] != '/' && text[0] != '?')
                        buf_putc(&m->out->url, '/');
        }
        buf_put_str(&m->out->url, buf_str(&path));
        return 0;
}

static void put_name(struct buf *url, const char *name)
{
        buf_putc(url, memchr(url->data ? url->data : "", '?', url->len) ? '&' : '?');
        http_url_encode(url, str_of(name));
        buf_putc(url, '=');
}

static void put_param(struct making *m, const char *name, struct str value)
{
        put_name(&m->out->url, name);
        http_url_encode(&m->out->url, value);
}

static int put_params(struct making *m, struct err *e)
{
        const struct rest_params *params = &m->a->call->params;

        for (size_t i = 0; i < params->count; i++) {
                size_t mark = m->out->url.len;

                put_name(&m->out->url, params->items[i].name);
                int rc = rest_template_put(
                        params->items[i].value, &m->vars, REST_ENCODE_QUERY, &m->out->url, e);
                if (rc == REST_ABSENT)
                        m->out->url.len = mark;
                else if (rc)
                        return err_wrap(e, rc, "params.%s", params->items[i].name);
        }
        return 0;
}

static void put_page(struct making *m)
{
        const struct rest_paging_spec *p = m->a->paging;

        if (!p)
                return;
        if (p->param && p->kind == REST_PAGING_PAGE)
                put_param(m, p->param, m->a->vars[REST_VAR_PAGE].value);
        if (p->param && p->kind == REST_PAGING_OFFSET)
                put_param(m, p->param, m->a->vars[REST_VAR_OFFSET].value);
        if (p->param && m->a->vars[REST_VAR_AFTER].value.ptr)
                put_param(m, p->param, m->a->vars[REST_VAR_AFTER].value);
        if (p->size_param && m->a->vars[REST_VAR_SIZE].value.ptr)
                put_param(m, p->size_param, m->a->vars[REST_VAR_SIZE].value);
}

static void put_cursor(struct making *m)
{
        const struct rest_cursor_spec *c = m->a->cursor;

        if (c && c->param && m->a->from.ptr)
                put_param(m, c->param, m->a->from);
}

/* One entity takes neither filter nor order; where only keys are wanted nothing is expanded. */
static void put_odata(struct making *m)
{
        const struct rest_asking *a = m->a;

        if (!a->odata || !a->odata->version)
                return;
        struct rest_odata_spec spec = *a->odata;
        struct rest_odata_query q = {
                .spec = &spec,
                .key = a->key,
                .cursor = a->entity ? NULL : a->cursor,
                .from = a->from,
        };

        if (a->only) {
                spec.select = *a->only;
                spec.expand = (struct string_list){0};
        }
        if (a->entity) {
                spec.filter = NULL;
                spec.orderby = (struct string_list){0};
        }
        rest_odata_put_query(&q, &m->out->url);
}

static int put_own_address(struct making *m, struct err *e)
{
        int rc = put_path(m, e);

        if (!rc)
                rc = put_params(m, e);
        if (rc)
                return rc;
        put_odata(m);
        put_page(m);
        put_cursor(m);
        return 0;
}

static int put_next_address(struct making *m, struct err *e)
{
        const struct rest_asking *a = m->a;
        int rc = rest_url_next(a->base ? a->base : a->options->url, a->page->url, &m->out->url, e);
        const char *url = rc ? NULL : buf_cstr(&m->out->url);

        if (!url)
                return rc ? rc : buf_check(&m->out->url, "the address", e);
        if (rest_url_same_origin(a->options->url, url))
                return 0;
        cleanup_buf_ struct buf shown = BUF_INIT(URL_MAX);
        http_url_public(&shown, url);
        return err_set(e, ERR_CONFIG,
                "the server says that the next page is at %s, which is another host than that of "
                "the source: it is not asked with our credentials; if it is right, write that host "
                "as the source's url",
                buf_cstr(&shown) ? buf_cstr(&shown) : "?");
}

/* ---- headers and body ---- */

static int begin_header(struct making *m, const char *name, struct err *e)
{
        if (m->headers == HTTP_MAX_HEADERS / 2) /* the rest is for credentials and the source */
                return err_set(e, ERR_CONFIG, "more than %d headers", HTTP_MAX_HEADERS / 2);
        m->starts[m->headers++] = m->out->lines.len;
        buf_puts(&m->out->lines, name);
        buf_puts(&m->out->lines, ": ");
        return 0;
}

static int put_header(struct making *m, const char *name, struct str value, struct err *e)
{
        int rc = begin_header(m, name, e);

        if (rc)
                return rc;
        buf_put_str(&m->out->lines, value);
        buf_putc(&m->out->lines, '\0');
        return 0;
}

static bool has_header(const struct rest_params *headers, const char *name)
{
        for (size_t i = 0; i < headers->count; i++)
                if (strcasecmp(headers->items[i].name, name) == 0)
                        return true;
        return false;
}

static int put_call_headers(struct making *m, struct err *e)
{
        const struct rest_params *headers = &m->a->call->headers;

        for (size_t i = 0; i < headers->count; i++) {
                size_t mark = m->out->lines.len;
                int rc = begin_header(m, headers->items[i].name, e);

                if (!rc)
                        rc = rest_template_put(headers->items[i].value, &m->vars, REST_ENCODE_NONE,
                                &m->out->lines, e);
                if (rc == REST_ABSENT) {
                        m->out->lines.len = mark;
                        m->headers--;
                        continue;
                }
                if (rc)
                        return err_wrap(e, rc, "headers.%s", headers->items[i].name);
                buf_putc(&m->out->lines, '\0');
        }
        return 0;
}

static int put_odata_headers(struct making *m, struct err *e)
{
        const struct rest_asking *a = m->a;
        char lines[REST_ODATA_HEADERS][REST_ODATA_HEADER_BYTES];

        if (!a->odata || !a->odata->version)
                return has_header(&a->call->headers, "Accept")
                               ? 0
                               : put_header(m, "Accept", STR("application/json"), e);
        size_t count = rest_odata_headers(a->odata, !a->entity, lines);
        for (size_t i = 0; i < count; i++) {
                char *colon = strchr(lines[i], ':');

                *colon = '\0';
                if (has_header(&a->call->headers, lines[i]))
                        continue;
                int rc = put_header(m, lines[i], str_trim(str_of(colon + 1)), e);
                if (rc)
                        return rc;
        }
        return 0;
}

static int put_headers(struct making *m, struct err *e)
{
        const struct rest_asking *a = m->a;
        const struct rest_params *given = &a->call->headers;
        int rc = put_call_headers(m, e);

        if (!rc)
                rc = put_odata_headers(m, e);
        if (!rc && a->cursor && a->cursor->header && a->from.ptr)
                rc = put_header(m, a->cursor->header, a->from, e);
        if (!rc && a->call->body && rest_body_is_json(a->call->body) &&
                !has_header(given, "Content-Type"))
                rc = put_header(m, "Content-Type", STR("application/json"), e);
        return rc;
}

static int put_body(struct making *m, struct err *e)
{
        m->out->has_body = m->a->call->body != NULL;
        if (!m->out->has_body)
                return 0;
        int rc = rest_body_put(m->a->call->body, &m->vars, &m->out->body, e);
        if (rc == REST_ABSENT)
                m->out->has_body = false;
        return rc == REST_ABSENT ? 0 : rc ? err_wrap(e, rc, "body") : 0;
}

static int finish(struct making *m, struct err *e)
{
        struct rest_asked *out = m->out;
        int rc = buf_check(&out->url, "the address", e);

        if (!rc)
                rc = buf_check(&out->lines, "the headers", e);
        if (!rc)
                rc = buf_check(&out->body, "the body", e);
        if (!rc && !buf_cstr(&out->url))
                rc = buf_check(&out->url, "the address", e);
        if (rc == -ERR_REJECT) { /* too long: nothing that a record could mend */
                e->class = ERR_CONFIG;
                rc = -ERR_CONFIG;
        }
        for (size_t i = 0; !rc && i < m->headers; i++)
                out->headers[i] = out->lines.data + m->starts[i];
        out->headers[m->headers] = NULL;
        return rc;
}

int rest_request_make(const struct rest_asking *a, struct rest_asked *out, struct err *e)
{
        struct making m = {.a = a, .out = out};

        buf_clear(&out->url);
        buf_clear(&out->lines);
        buf_clear(&out->body);
        set_vars(&m);
        int rc = a->page->url ? put_next_address(&m, e) : put_own_address(&m, e);
        if (!rc)
                rc = put_headers(&m, e);
        if (!rc)
                rc = put_body(&m, e);
        return rc ? rc : finish(&m, e);
}

static bool params_use(const struct rest_params *params, const char *name)
{
        for (size_t i = 0; i < params->count; i++)
                if (rest_template_uses(params->items[i].value, name))
                        return true;
        return false;
}

bool rest_call_uses(const struct rest_call *call, const char *name)
{
        return (call->path && rest_template_uses(call->path, name)) ||
               params_use(&call->params, name) || params_use(&call->headers, name) ||
               (call->body && rest_body_uses(call->body, name));
}
