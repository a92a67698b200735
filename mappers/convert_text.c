/* Texts, booleans and bytes. */
#include "mappers/convert.h"

int convert_text(struct render *r, const struct chain *c, struct str text)
{
        if (__builtin_expect(json_put_string(r->out, text), 1))
                return 0;
        return reject_value(r, text,
                "is not valid UTF-8: mend the value in the ERP, or convert it in the query");
}

int convert_bool(struct render *r, const struct chain *c, struct str text)
{
        if (text.len == 1 && *text.ptr == 't')
                buf_put(r->out, "true", 4);
        else if (text.len == 1 && *text.ptr == 'f')
                buf_put(r->out, "false", 5);
        else
                return reject_value(r, text, "is not a boolean");
        return 0;
}

int convert_bool_string(struct render *r, const struct chain *c, struct str text)
{
        buf_putc(r->out, '"');
        int rc = convert_bool(r, c, text);
        buf_putc(r->out, '"');
        return rc;
}

int convert_text_bool(struct render *r, const struct chain *c, struct str text)
{
        if (str_is(text, "true"))
                text = STR("t");
        else if (str_is(text, "false"))
                text = STR("f");
        else if (!str_is(text, "t") && !str_is(text, "f"))
                return reject_value(r, text,
                        "is not true, false, t or f: name the values that mean them in map");
        return convert_bool(r, c, text);
}

/* The digit of PostgreSQL's lower-case hexadecimal; -1 for anything else. */
static int hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode_hex(char *to, struct str hex)
{
        int wrong = 0;

        for (size_t i = 0; i < hex.len; i += 2) {
                int high = hex_digit(hex.ptr[i]);
                int low = hex_digit(hex.ptr[i + 1]);
                wrong |= high | low;
                to[i / 2] = (char)((unsigned)high << 4 | (unsigned)low);
        }
        return wrong >= 0;
}

static char *put_base64(char *to, const unsigned char *bytes, size_t n)
{
        static const char digits[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        unsigned group = 0;

        for (size_t i = 0; i < 3; i++)
                group = group << 8 | (i < n ? bytes[i] : 0);
        to[0] = digits[group >> 18];
        to[1] = digits[group >> 12 & 63];
        to[2] = n > 1 ? digits[group >> 6 & 63] : '=';
        to[3] = n > 2 ? digits[group & 63] : '=';
        return to + 4;
}

static void put_bytes(struct buf *out, const char *bytes, size_t n)
{
        char *to = buf_room(out, 2 + (n + 2) / 3 * 4), *start = to;

        if (!to)
                return; /* the buffer remembers */
        *to++ = '"';
        for (size_t i = 0; i < n; i += 3)
                to = put_base64(to, (const unsigned char *)bytes + i, n - i < 3 ? n - i : 3);
        *to++ = '"';
        out->len += (size_t)(to - start);
}

/* The bytes of the text, as it stands in the document otherwise. */
int convert_text_bytes(struct render *r, const struct chain *c, struct str text)
{
        if (!str_utf8_valid(text))
                return reject_value(r, text,
                        "is not valid UTF-8: mend the value in the ERP, or convert it in the "
                        "query (to bytea, for bytes of any kind)");
        put_bytes(r->out, text.ptr, text.len);
        return 0;
}

int convert_bytes(struct render *r, const struct chain *c, struct str text)
{
        struct str hex = {text.ptr + 2, text.len - 2};

        if (text.len < 2 || memcmp(text.ptr, "\\x", 2) != 0 || hex.len % 2)
                return reject_value(r, text, "is not binary data in hexadecimal");
        size_t bytes = hex.len / 2;
        render_reuse(&r->string);
        char *decoded = buf_room(&r->string, bytes);
        if (!decoded)
                return 0; /* the buffer remembers */
        if (!decode_hex(decoded, hex))
                return reject_value(r, text, "is not binary data in hexadecimal");
        put_bytes(r->out, decoded, bytes);
        return 0;
}

int convert_interval(struct render *r, const struct chain *c, struct str text)
{
        static const char alphabet[] = "PYMWDTHS0123456789.-";

        for (size_t i = 0; i < text.len; i++)
                if (!memchr(alphabet, text.ptr[i], sizeof(alphabet) - 1))
                        return reject_value(r, text, "is not an ISO 8601 interval");
        if (text.len < 2 || (*text.ptr != 'P' && *text.ptr != '-'))
                return reject_value(r, text, "is not an ISO 8601 interval");
        return convert_text(r, c, text);
}
