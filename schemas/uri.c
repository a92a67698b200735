/* Splitting follows the expression of RFC 3986, appendix B; resolving its section 5.2. */
#include "schemas/uri.h"

static bool is_scheme_char(char c, bool first)
{
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

        return letter || (!first && ((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'));
}

static struct str take(struct str *s, size_t n)
{
        struct str taken = {s->ptr, n};

        s->ptr += n;
        s->len -= n;
        return taken;
}

/* Bytes of @s in front of any of @stops. */
static size_t span(struct str s, const char *stops)
{
        size_t n = 0;

        while (n < s.len && (s.ptr[n] == '\0' || !strchr(stops, s.ptr[n])))
                n++;
        return n;
}

struct uri uri_split(struct str text)
{
        struct uri u = {0};
        size_t n = 0;

        while (n < text.len && is_scheme_char(text.ptr[n], n == 0))
                n++;
        if (n > 0 && n < text.len && text.ptr[n] == ':') {
                u.scheme = take(&text, n);
                take(&text, 1);
        }
        if (str_starts(text, STR("//"))) {
                take(&text, 2);
                u.authority = take(&text, span(text, "/?#"));
        }
        u.path = take(&text, span(text, "?#"));
        if (text.len > 0 && *text.ptr == '?') {
                take(&text, 1);
                u.query = take(&text, span(text, "#"));
        }
        if (text.len > 0) {
                take(&text, 1);
                u.fragment = text;
        }
        return u;
}

/* Takes the last segment of what @out holds from @start on away, with its slash. */
static void drop_segment(struct buf *out, size_t start)
{
        while (out->len > start && out->data[out->len - 1] != '/')
                out->len--;
        if (out->len > start)
                out->len--;
}

/* Appends @path without segments "." and ".." (section 5.2.4). */
static void put_path(struct str path, struct buf *out)
{
        size_t start = out->len;

        while (path.len > 0) {
                bool slash = *path.ptr == '/';
                struct str rest = {path.ptr + slash, path.len - slash};
                struct str segment = {rest.ptr, span(rest, "/")};
                bool last = segment.len == rest.len;
                bool up = str_is(segment, "..");

                take(&path, slash + segment.len);
                if (up)
                        drop_segment(out, start);
                if (up || str_is(segment, ".")) {
                        if (last)
                                buf_putc(out, '/');
                        continue;
                }
                if (slash)
                        buf_putc(out, '/');
                buf_put_str(out, segment);
        }
}

static void put_merged(const struct uri *base, struct str path, struct buf *out)
{
        cleanup_buf_ struct buf merged = BUF_INIT(out->max);
        size_t keep = base->path.len;

        while (keep > 0 && base->path.ptr[keep - 1] != '/')
                keep--;
        if (base->authority.ptr && base->path.len == 0)
                buf_putc(&merged, '/');
        buf_put(&merged, base->path.ptr, keep);
        buf_put_str(&merged, path);
        if (merged.error)
                out->error = merged.error;
        put_path(buf_str(&merged), out);
}

static void put_front(struct str scheme, struct str authority, struct buf *out)
{
        buf_put_str(out, scheme);
        buf_putc(out, ':');
        if (authority.ptr) {
                buf_puts(out, "//");
                buf_put_str(out, authority);
        }
}

void uri_resolve(struct str base_text, struct str reference, struct buf *out)
{
        struct uri base = uri_split(base_text), r = uri_split(reference);
        struct str query = r.query;

        if (r.scheme.ptr || r.authority.ptr) {
                put_front(r.scheme.ptr ? r.scheme : base.scheme, r.authority, out);
                if (r.authority.ptr || (r.path.len > 0 && *r.path.ptr == '/'))
                        put_path(r.path, out);
                else /* urn:uuid:... is no hierarchy */
                        buf_put_str(out, r.path);
        } else {
                put_front(base.scheme, base.authority, out);
                if (r.path.len == 0) {
                        buf_put_str(out, base.path);
                        query = query.ptr ? query : base.query;
                } else if (*r.path.ptr == '/') {
                        put_path(r.path, out);
                } else {
                        put_merged(&base, r.path, out);
                }
        }
        if (query.ptr) {
                buf_putc(out, '?');
                buf_put_str(out, query);
        }
}

static int hex_digit(char c)
{
        char lower = (char)(c | 0x20);

        if (c >= '0' && c <= '9')
                return c - '0';
        return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool uri_unescape(struct str s, struct buf *out)
{
        for (size_t i = 0; i < s.len; i++) {
                if (s.ptr[i] != '%') {
                        buf_putc(out, s.ptr[i]);
                        continue;
                }
                int high = i + 2 < s.len ? hex_digit(s.ptr[i + 1]) : -1;
                int low = i + 2 < s.len ? hex_digit(s.ptr[i + 2]) : -1;
                if (high < 0 || low < 0)
                        return false;
                buf_putc(out, (char)(high << 4 | low));
                i += 2;
        }
        return true;
}
