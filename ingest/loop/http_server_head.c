/*
 * Lines are kept where they came, with NUL for their ends (no NUL passes in a line), so that names
 * and values are strings without being copied. Names that mean something to us are a table with a
 * handler each.
 *
 * What is refused here is what differs between readers of HTTP: request smuggling lives on a proxy
 * and a server that see the end of one request in two places.
 */
#include "ingest/loop/http_server_head.h"

#include <strings.h>

#define EMPTY_LINES_MAX 2  /* before a request line: some old clients end a body with CR LF */
#define METHOD_MAX      32 /* bytes; longer ones are no method of anybody */

static int refuse(struct http_head *h, int status, const char *why)
{
        h->refused = why;
        return status;
}

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
        return is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

static bool is_token_char(char c)
{
        return is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(const char *s)
{
        const char *p = s;

        while (is_token_char(*p))
                p++;
        return p > s && *p == '\0';
}

static bool is_control(char c)
{
        return ((unsigned char)c < ' ' && c != '\t') || c == 0x7f;
}

bool http_field_is_clean(const char *name, const char *value)
{
        while (*value && !is_control(*value))
                value++;
        return *value == '\0' && is_token(name);
}

int http_line_take(struct buf *text, size_t begin, struct str *in)
{
        while (in->len > 0) {
                char c = *in->ptr++;
                bool after_cr = text->len > begin && text->data[text->len - 1] == '\r';
                in->len--;
                if (c == '\n' && after_cr) {
                        text->len--;
                        return 1;
                }
                if (after_cr || (c != '\r' && is_control(c)))
                        return 400;
                buf_putc(text, c);
                if (text->error)
                        return HTTP_LINE_TOO_LONG;
        }
        return 0;
}

void http_head_init(struct http_head *h, size_t max_bytes)
{
        /* An absolute address is kept twice. */
        *h = (struct http_head){
                .text = BUF_INIT(2 * max_bytes + 4), .max = max_bytes, .length = -1, .host = -1};
}

void http_head_deinit(struct http_head *h)
{
        buf_deinit(&h->text);
}

/* ---- the request line ---- */

/* CONNECT is for proxies. */
static const char *const methods[] = {
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"};

static int take_method(struct http_head *h, const char *name)
{
        if (!is_token(name) || strlen(name) > METHOD_MAX)
                return refuse(h, 400, "no HTTP method");
        for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
                if (strcmp(methods[i], name) == 0)
                        h->method = methods[i];
        return h->method ? 0 : refuse(h, 501, "a method that is not known");
}

static int take_version(struct http_head *h, const char *version)
{
        if (strncmp(version, "HTTP/", 5) != 0 || !is_digit(version[5]) || version[6] != '.' ||
                !is_digit(version[7]) || version[8] != '\0')
                return refuse(h, 400, "no HTTP version");
        if (version[5] != '1')
                return refuse(h, 505, "a version that is not HTTP/1");
        h->http10 = version[7] == '0';
        h->close = h->http10;
        return 0;
}

/* HOST[:PORT], [V6][:PORT]; without user and password. */
static bool is_authority(const char *s)
{
        while (is_alnum(*s) || (*s && strchr("-._~%:[]!$&'()*+,;=", *s)))
                s++;
        return *s == '\0';
}

/* Appends @n bytes at @from, which are in the text themselves, and NUL. Return: where. */
static uint32_t append_again(struct http_head *h, const char *prefix, size_t from, size_t n)
{
        uint32_t where = (uint32_t)h->text.len;

        if (!buf_room(&h->text, n + strlen(prefix) + 1)) /* may move what @from points to */
                return 0;
        buf_puts(&h->text, prefix);
        buf_put(&h->text, h->text.data + from, n);
        buf_putc(&h->text, '\0');
        return where;
}

/* "http://HOST/PATH" is as good as "/PATH" with that Host. */
static int take_absolute(struct http_head *h, size_t scheme)
{
        size_t host = h->target + scheme;
        size_t len = strcspn(h->text.data + host, "/?");
        size_t path = host + len;
        const char *root = h->text.data[path] == '/' ? "" : "/";

        h->authority = append_again(h, "", host, len);
        h->target = append_again(h, root, path, strlen(h->text.data + path));
        if (h->text.error)
                return 503;
        if (len == 0 || !is_authority(h->text.data + h->authority))
                return refuse(h, 400, "no host in the request's address");
        return 0;
}

static int take_target(struct http_head *h, const char *target)
{
        for (const char *p = target; *p; p++)
                if (*p <= ' ' || *p == '#' || *p == 0x7f) /* bytes above 127 are negative */
                        return refuse(h, 400, "a character that must be percent-encoded");
        h->target = (uint32_t)(target - h->text.data);
        if (target[0] == '/' || (strcmp(target, "*") == 0 && strcmp(h->method, "OPTIONS") == 0))
                return 0;
        if (strncasecmp(target, "http://", 7) == 0)
                return take_absolute(h, 7);
        if (strncasecmp(target, "https://", 8) == 0)
                return take_absolute(h, 8);
        return refuse(h, 400, "an address that does not begin with /");
}

/* METHOD SP TARGET SP VERSION, one space each. */
static int take_request_line(struct http_head *h, char *line)
{
        char *target = strchr(line, ' '), *version = target ? strchr(target + 1, ' ') : NULL;
        int status = version ? 0 : refuse(h, 400, "no request line of HTTP/1");

        if (status)
                return status;
        *target = *version = '\0';
        status = take_version(h, version + 1);
        if (!status)
                status = take_method(h, line);
        if (!status)
                status = take_target(h, target + 1);
        return status;
}

/* ---- headers ---- */

static int take_host(struct http_head *h, const char *value)
{
        if (!is_authority(value))
                return refuse(h, 400, "a Host that is none");
        h->host = h->count - 1;
        return 0;
}

static int take_length(struct http_head *h, const char *value)
{
        if (strlen(value) == 0 || value[strspn(value, "0123456789")] != '\0')
                return refuse(h, 400, "a Content-Length that is no number");
        if (!str_to_int64(str_of(value), &h->length))
                return refuse(h, 413, "a Content-Length beyond all bounds");
        return 0;
}

static int take_encoding(struct http_head *h, const char *value)
{
        if (strcasecmp(value, "chunked") != 0)
                return refuse(h, 501, "a Transfer-Encoding other than chunked");
        h->chunked = true;
        return 0;
}

static int take_expect(struct http_head *h, const char *value)
{
        if (strcasecmp(value, "100-continue") != 0)
                return refuse(h, 417, "an Expect other than 100-continue");
        h->expects = !h->http10;
        return 0;
}

/* A list of names; we know "close". */
static int take_connection(struct http_head *h, const char *value)
{
        while (*value) {
                struct str name = str_trim((struct str){value, strcspn(value, ",")});
                value += strcspn(value, ",");
                value += *value == ',';
                if (name.len == 5 && strncasecmp(name.ptr, "close", 5) == 0)
                        h->close = true;
        }
        return 0;
}

static int take_once(struct http_head *h, const char *value)
{
        (void)h;
        (void)value;
        return 0;
}

static const struct known_field {
        const char *name;
        bool once; /* two of them could be read as either */
        int (*take)(struct http_head *h, const char *value);
} known_fields[] = {
        {"Host", true, take_host},
        {"Content-Length", true, take_length},
        {"Transfer-Encoding", true, take_encoding},
        {"Expect", true, take_expect},
        {"Connection", false, take_connection},
        {"Authorization", true, take_once},
        {"Content-Type", true, take_once},
        {"Content-Encoding", true, take_once},
        {"Origin", true, take_once},
};

static int take_known(struct http_head *h, const char *name, const char *value, bool seen)
{
        for (size_t i = 0; i < sizeof(known_fields) / sizeof(*known_fields); i++) {
                const struct known_field *k = &known_fields[i];
                if (strcasecmp(k->name, name) != 0)
                        continue;
                if (k->once && seen)
                        return refuse(h, 400, "a header twice that may come once");
                return k->take(h, value);
        }
        return 0;
}

/* White space around the value is none of it. */
static char *trim_value(char *value, char *end)
{
        while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
                *--end = '\0';
        return value + strspn(value, " \t");
}

static int take_field(struct http_head *h, char *line)
{
        char *end = h->text.data + h->text.len - 1; /* the NUL */
        char *colon = strchr(line, ':');

        if (*line == ' ' || *line == '\t')
                return refuse(h, 400, "a folded header line");
        if (colon)
                *colon = '\0';
        if (!colon || !is_token(line))
                return refuse(h, 400, "a header line without a name");
        if (h->count == HTTP_HEAD_MAX_HEADERS)
                return refuse(h, 431, "too many headers");
        char *value = trim_value(colon + 1, end);
        bool seen = http_head_field(h, line) != NULL;
        h->fields[h->count++] = (struct http_head_field){
                (uint32_t)(line - h->text.data), (uint32_t)(value - h->text.data)};
        return take_known(h, line, value, seen);
}

static int take_end(struct http_head *h)
{
        if (h->host < 0 && !h->http10)
                return refuse(h, 400, "no Host");
        if (h->chunked && h->length >= 0)
                return refuse(h, 400, "Content-Length and Transfer-Encoding");
        if (h->chunked && h->http10)
                return refuse(h, 400, "Transfer-Encoding in HTTP/1.0");
        if (h->authority && h->host >= 0)
                h->fields[h->host].value = h->authority;
        return 1;
}

/* ---- all of it ---- */

/* Return: 1 it was the last one; 0; a status. */
static int take_line(struct http_head *h)
{
        size_t len = h->text.len - h->line;

        if (len == 0 && !h->method)
                return h->bytes <= 2 * EMPTY_LINES_MAX ? 0 : refuse(h, 400, "empty lines");
        if (len == 0)
                return take_end(h);
        buf_putc(&h->text, '\0');
        if (h->text.error)
                return 503;
        char *line = h->text.data + h->line;
        int status = h->method ? take_field(h, line) : take_request_line(h, line);
        h->line = h->text.len;
        return status;
}

static int too_long(struct http_head *h)
{
        if (h->text.error == -ERR_NOMEM)
                return refuse(h, 503, "no memory");
        return refuse(h, h->method ? 431 : 414, "more than may be in a head");
}

int http_head_take(struct http_head *h, struct str *in)
{
        int status = 0;

        while (status == 0 && in->len > 0) {
                size_t room = h->max - h->bytes;
                struct str some = {in->ptr, in->len < room ? in->len : room};
                int rc = http_line_take(&h->text, h->line, &some);
                h->bytes += (size_t)(some.ptr - in->ptr);
                in->len -= (size_t)(some.ptr - in->ptr);
                in->ptr = some.ptr;
                if (rc == 1)
                        status = take_line(h);
                else if (rc == 400)
                        status = refuse(h, 400, "a control character or a bare line end");
                else if (rc == HTTP_LINE_TOO_LONG || h->bytes == h->max)
                        status = too_long(h);
        }
        return status;
}

const char *http_head_field(const struct http_head *h, const char *name)
{
        for (int i = 0; i < h->count; i++)
                if (strcasecmp(h->text.data + h->fields[i].name, name) == 0)
                        return h->text.data + h->fields[i].value;
        return NULL;
}
