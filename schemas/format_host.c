/* Host names: RFC 1123 for ASCII; labels of other alphabets by format_idn.c. */
#include "schemas/format.h"

#include "ingest/base/text.h"
#include "schemas/idn.h"

#define HOST_MAX  253 /* octets of a name */
#define LABEL_MAX 63

static bool is_ldh(char c)
{
        return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-';
}

/* Letters, digits, hyphens; none at either end. */
static bool is_ascii_label(struct str s)
{
        if (s.len == 0 || s.len > LABEL_MAX || s.ptr[0] == '-' || s.ptr[s.len - 1] == '-')
                return false;
        for (size_t i = 0; i < s.len; i++)
                if (!is_ldh(s.ptr[i]))
                        return false;
        if (s.len < 4 || s.ptr[2] != '-' || s.ptr[3] != '-')
                return true;
        /* Hyphens here are reserved: for what is encoded, and then must decode. */
        return strncasecmp(s.ptr, "xn--", 4) == 0 &&
               idn_a_label_is_valid((struct str){s.ptr + 4, s.len - 4});
}

bool format_hostname(struct str s)
{
        if (s.len > HOST_MAX)
                return false;
        for (;;) {
                const char *dot = s.len ? memchr(s.ptr, '.', s.len) : NULL;
                struct str label = {s.ptr, dot ? (size_t)(dot - s.ptr) : s.len};
                if (!is_ascii_label(label))
                        return false;
                if (!dot)
                        return true;
                s = (struct str){dot + 1, s.len - label.len - 1};
        }
}

/* Bytes of a dot of any script at the beginning of @s. */
static size_t dot_bytes(struct str s)
{
        static const struct str dots[] = {
                STR("."), STR("\xE3\x80\x82"), STR("\xEF\xBC\x8E"), STR("\xEF\xBD\xA1")};

        for (size_t i = 0; i < sizeof(dots) / sizeof(dots[0]); i++)
                if (str_starts(s, dots[i]))
                        return dots[i].len;
        return 0;
}

static bool is_ascii(struct str s)
{
        for (size_t i = 0; i < s.len; i++)
                if (s.ptr[i] & 0x80)
                        return false;
        return true;
}

bool format_idn_hostname(struct str s)
{
        size_t total = 0; /* octets of the name in its ASCII form */
        bool bidi = idn_is_bidi(s);

        for (;;) {
                struct str label = {s.ptr, 0};
                while (label.len < s.len &&
                        dot_bytes((struct str){s.ptr + label.len, s.len - label.len}) == 0)
                        label.len++;
                size_t octets = label.len;
                if (is_ascii(label) ? !is_ascii_label(label)
                                    : !idn_u_label_is_valid(label, &octets))
                        return false;
                if (bidi && !idn_label_fits_bidi(label))
                        return false;
                total += octets + (total > 0);
                if (octets > LABEL_MAX || total > HOST_MAX)
                        return false;
                if (label.len == s.len)
                        return true;
                size_t dot = dot_bytes((struct str){s.ptr + label.len, s.len - label.len});
                s = (struct str){s.ptr + label.len + dot, s.len - label.len - dot};
        }
}
