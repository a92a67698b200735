/* Addresses: IPv4 (RFC 2673), IPv6 (RFC 4291), mailboxes (RFC 5321, 6531). */
#include "schemas/format.h"

#define LOCAL_PART_MAX 64 /* octets, RFC 5321 */

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
        return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

bool format_ipv4(struct str s)
{
        int parts = 0;

        for (size_t i = 0; i <= s.len; i++) {
                size_t start = i;
                int value = 0;
                for (; i < s.len && is_digit(s.ptr[i]) && i - start < 3; i++)
                        value = value * 10 + (s.ptr[i] - '0');
                bool leading_zero = i - start > 1 && s.ptr[start] == '0';
                if (i == start || leading_zero || value > 255 || ++parts > 4)
                        return false;
                if (i < s.len && s.ptr[i] != '.')
                        return false;
                if (i + 1 == s.len) /* a dot at the end */
                        return false;
        }
        return parts == 4;
}

/* Groups of up to four hexadecimal digits with ':' between them; the last may be an IPv4 address
 * where @ipv4. Return: how many 16-bit groups they are; -1: something else. */
static int count_groups(struct str s, bool ipv4)
{
        int groups = 0;

        if (s.len == 0)
                return 0;
        for (;;) {
                size_t n = 0;
                while (n < s.len && is_hex(s.ptr[n]) && n < 5)
                        n++;
                if (ipv4 && n < s.len && s.ptr[n] == '.')
                        return format_ipv4(s) ? groups + 2 : -1;
                if (n == 0 || n > 4)
                        return -1;
                groups++;
                if (n == s.len)
                        return groups;
                if (s.ptr[n] != ':' || n + 1 == s.len)
                        return -1;
                s.ptr += n + 1;
                s.len -= n + 1;
        }
}

bool format_ipv6(struct str s)
{
        const char *gap = s.len >= 2 ? memmem(s.ptr, s.len, "::", 2) : NULL;

        if (!gap)
                return count_groups(s, true) == 8;
        struct str before = {s.ptr, (size_t)(gap - s.ptr)};
        struct str after = {gap + 2, (size_t)(s.ptr + s.len - gap - 2)};
        int first = count_groups(before, false), second = count_groups(after, true);
        return first >= 0 && second >= 0 && first + second < 8;
}

static bool is_atom_char(unsigned char c, bool international)
{
        if (c >= 0x80)
                return international;
        return is_digit((char)c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
               (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* Bytes of the local part in quotes that begins @s; 0: it does not end, or holds what it must not.
 */
static size_t quoted_part(struct str s, bool international)
{
        for (size_t i = 1; i < s.len; i++) {
                unsigned char c = (unsigned char)s.ptr[i];
                if (c == '"')
                        return i + 1;
                if (c == '\\' && ++i == s.len)
                        return 0;
                c = (unsigned char)s.ptr[i];
                if (c < 0x20 || c == 0x7F || (c >= 0x80 && !international))
                        return 0;
        }
        return 0;
}

static size_t dotted_part(struct str s, bool international)
{
        size_t i = 0;

        for (;;) {
                size_t start = i;
                while (i < s.len && is_atom_char((unsigned char)s.ptr[i], international))
                        i++;
                if (i == start)
                        return 0;
                if (i == s.len || s.ptr[i] != '.')
                        return i;
                i++;
        }
}

static bool is_address_literal(struct str s)
{
        if (s.len < 2 || *s.ptr != '[' || s.ptr[s.len - 1] != ']')
                return false;
        s = (struct str){s.ptr + 1, s.len - 2};
        if (s.len > 5 && strncasecmp(s.ptr, "IPv6:", 5) == 0)
                return format_ipv6((struct str){s.ptr + 5, s.len - 5});
        return format_ipv4(s);
}

static bool is_mailbox(struct str s, bool international)
{
        size_t n = s.len > 0 && *s.ptr == '"' ? quoted_part(s, international)
                                              : dotted_part(s, international);

        if (n == 0 || n > LOCAL_PART_MAX || n >= s.len || s.ptr[n] != '@')
                return false;
        struct str domain = {s.ptr + n + 1, s.len - n - 1};
        return is_address_literal(domain) ||
               (international ? format_idn_hostname(domain) : format_hostname(domain));
}

bool format_email(struct str s)
{
        return is_mailbox(s, false);
}

bool format_idn_email(struct str s)
{
        return is_mailbox(s, true);
}
