/*
 * RFC 3986 and 3987 by the character sets of each component; RFC 6570 for templates.
 */
#include "schemas/format.h"
#include "schemas/uri.h"

#include "ingest/base/text.h"

#define UNRESERVED "-._~"
#define SUB_DELIMS "!$&'()*+,;="

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
        return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_hex(char c)
{
        return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool is_escape(struct str s, size_t i)
{
        return i + 2 < s.len && s.ptr[i] == '%' && is_hex(s.ptr[i + 1]) && is_hex(s.ptr[i + 2]);
}

/* ucschar of RFC 3987, and iprivate where @private. */
static bool is_international(uint32_t c, bool private)
{
        bool is_private = (c >= 0xE000 && c < 0xF900) || c >= 0xF0000;

        if (is_private)
                return private && (c & 0xFFFE) != 0xFFFE;
        if (c < 0xA0 || (c >= 0xFDD0 && c < 0xFDF0) || (c >= 0xFFF0 && c < 0x10000))
                return false;
        return (c & 0xFFFE) != 0xFFFE && (c < 0xE0000 || c >= 0xE1000);
}

/* Letters, digits, unreserved, %XX, and what @others has. */
static bool is_made_of(struct str s, const char *others, bool international, bool private)
{
        for (size_t i = 0; i < s.len;) {
                char c = s.ptr[i];
                uint32_t character;
                size_t n = 1;
                bool fits = is_letter(c) || is_digit(c) ||
                            (c > 0 && (strchr(UNRESERVED SUB_DELIMS, c) || strchr(others, c)));
                if (is_escape(s, i)) {
                        fits = true;
                        n = 3;
                } else if (c & 0x80) {
                        n = text_next((struct str){s.ptr + i, s.len - i}, &character);
                        fits = n > 0 && international && is_international(character, private);
                }
                if (!fits)
                        return false;
                i += n;
        }
        return true;
}

static bool is_scheme(struct str s)
{
        for (size_t i = 0; i < s.len; i++)
                if (!is_letter(s.ptr[i]) &&
                        (i == 0 || (!is_digit(s.ptr[i]) && !strchr("+-.", s.ptr[i]))))
                        return false;
        return s.len > 0;
}

/* [v1.anything], [::1] */
static bool is_ip_literal(struct str s)
{
        size_t n = 1;

        if (s.len < 2 || s.ptr[s.len - 1] != ']')
                return false;
        s = (struct str){s.ptr + 1, s.len - 2};
        if (s.len == 0 || (*s.ptr | 0x20) != 'v')
                return format_ipv6(s);
        while (n < s.len && is_hex(s.ptr[n]))
                n++;
        if (n == 1 || n + 1 >= s.len || s.ptr[n] != '.')
                return false;
        s = (struct str){s.ptr + n + 1, s.len - n - 1};
        return is_made_of(s, ":", false, false) && !memchr(s.ptr, '%', s.len);
}

static bool is_authority(struct str s, bool international)
{
        const char *at = s.len ? memrchr(s.ptr, '@', s.len) : NULL;
        size_t host;

        if (at) {
                struct str user = {s.ptr, (size_t)(at - s.ptr)};
                if (!is_made_of(user, ":", international, false))
                        return false;
                s = (struct str){at + 1, s.len - user.len - 1};
        }
        const char *close = s.len && *s.ptr == '[' ? memchr(s.ptr, ']', s.len) : NULL;
        if (close) {
                host = (size_t)(close + 1 - s.ptr);
        } else {
                const char *colon = s.len ? memchr(s.ptr, ':', s.len) : NULL;
                host = colon ? (size_t)(colon - s.ptr) : s.len;
        }
        struct str name = {s.ptr, host}, port = {s.ptr + host, s.len - host};
        if (port.len > 0 && *port.ptr != ':')
                return false;
        for (size_t i = 1; i < port.len; i++)
                if (!is_digit(port.ptr[i]))
                        return false;
        return close ? is_ip_literal(name) : is_made_of(name, "", international, false);
}

/* The first segment of a relative path must not look like a scheme. */
static bool is_relative_path(struct str path)
{
        const char *colon = path.len ? memchr(path.ptr, ':', path.len) : NULL;
        const char *slash = path.len ? memchr(path.ptr, '/', path.len) : NULL;

        return !colon || (slash && slash < colon);
}

static bool is_reference(struct str s, bool international, bool absolute)
{
        struct uri u = uri_split(s);

        if (u.scheme.ptr ? !is_scheme(u.scheme) : absolute || !is_relative_path(u.path))
                return false;
        if (u.authority.ptr && !is_authority(u.authority, international))
                return false;
        return is_made_of(u.path, ":@/", international, false) &&
               is_made_of(u.query, ":@/?", international, true) &&
               is_made_of(u.fragment, ":@/?", international, false);
}

bool format_uri(struct str s)
{
        return is_reference(s, false, true);
}

bool format_uri_reference(struct str s)
{
        return is_reference(s, false, false);
}

bool format_iri(struct str s)
{
        return is_reference(s, true, true);
}

bool format_iri_reference(struct str s)
{
        return is_reference(s, true, false);
}

/* ---- templates ---- */

/* Bytes of a variable's name at the beginning of @s: a.b, %41b. */
static size_t variable_name(struct str s)
{
        size_t i = 0;

        for (;;) {
                size_t start = i;
                while (i < s.len && (is_letter(s.ptr[i]) || is_digit(s.ptr[i]) || s.ptr[i] == '_' ||
                                            is_escape(s, i)))
                        i += s.ptr[i] == '%' ? 3 : 1;
                if (i == start)
                        return 0;
                if (i == s.len || s.ptr[i] != '.')
                        return i;
                i++;
        }
}

/* Behind the name: nothing, '*', or ':' and 1 to 9999. */
static bool is_modifier(struct str s)
{
        if (s.len == 0 || str_is(s, "*"))
                return true;
        if (*s.ptr != ':' || s.len < 2 || s.len > 5 || s.ptr[1] == '0')
                return false;
        for (size_t i = 1; i < s.len; i++)
                if (!is_digit(s.ptr[i]))
                        return false;
        return true;
}

/* @s: what stands between braces. */
static bool is_expression(struct str s)
{
        if (s.len > 0 && *s.ptr && strchr("+#./;?&=,!@|", *s.ptr)) {
                if (strchr("=,!@|", *s.ptr)) /* reserved for later */
                        return false;
                s = (struct str){s.ptr + 1, s.len - 1};
        }
        for (;;) {
                const char *comma = s.len ? memchr(s.ptr, ',', s.len) : NULL;
                struct str one = {s.ptr, comma ? (size_t)(comma - s.ptr) : s.len};
                size_t n = variable_name(one);
                if (n == 0 || !is_modifier((struct str){one.ptr + n, one.len - n}))
                        return false;
                if (!comma)
                        return true;
                s = (struct str){comma + 1, s.len - one.len - 1};
        }
}

/* Bytes of the literal character at the beginning of @s; 0: not allowed outside braces. */
static size_t literal(struct str s)
{
        uint32_t character;
        size_t n = text_next(s, &character);

        if (is_escape(s, 0))
                return 3;
        if (n == 0 || character <= 0x20 || character == 0x7F || strchr("\"%<>\\^`{|}", *s.ptr))
                return 0;
        return n == 1 || is_international(character, true) ? n : 0;
}

bool format_uri_template(struct str s)
{
        while (s.len > 0) {
                size_t n;
                if (*s.ptr == '{') {
                        const char *stop = memchr(s.ptr, '}', s.len);
                        if (!stop)
                                return false;
                        n = (size_t)(stop + 1 - s.ptr);
                        if (!is_expression((struct str){s.ptr + 1, n - 2}))
                                return false;
                } else {
                        n = literal(s);
                }
                if (n == 0)
                        return false;
                s = (struct str){s.ptr + n, s.len - n};
        }
        return true;
}
