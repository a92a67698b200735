/*
 * Most strings of an ERP are short clean ASCII: they are copied eight bytes at a time with one
 * test per word. Anything else takes the slow way: one pass proves UTF-8, one escapes.
 */
#include "ingest/record/json.h"
#include "ingest/record/json_scan.h"

#define MAX_ESCAPE 6 /* bytes of \u001f, for one byte of text */

static inline uint64_t load8(const char *p)
{
        uint64_t w;

        memcpy(&w, p, sizeof(w));
        return w;
}

/* Copies up to 7 bytes and gives them in one word, the rest of it blanks or repeated bytes. */
static inline uint64_t copy_short(char *to, struct str s)
{
        uint32_t first, last;
        uint64_t w = JSON_EVERY_BYTE(' ');

        if (s.len >= 4) {
                memcpy(&first, s.ptr, 4);
                memcpy(&last, s.ptr + s.len - 4, 4);
                memcpy(to, &first, 4);
                memcpy(to + s.len - 4, &last, 4);
                return (uint64_t)first << 32 | last;
        }
        for (size_t i = 0; i < s.len; i++) {
                to[i] = s.ptr[i];
                w = w << 8 | (unsigned char)s.ptr[i];
        }
        return w;
}

/* Copies @s to @to if all of it is clean; else false, and @to holds anything. */
static inline bool copy_clean(char *to, struct str s)
{
        size_t i = 0;

        if (s.len < 8)
                return json_word_is_plain(copy_short(to, s));
        for (; i + 8 <= s.len; i += 8) {
                uint64_t w = load8(s.ptr + i);
                if (!json_word_is_plain(w))
                        return false;
                memcpy(to + i, &w, 8);
        }
        uint64_t last = load8(s.ptr + s.len - 8); /* overlaps the loop's last word */
        memcpy(to + s.len - 8, &last, 8);
        return json_word_is_plain(last);
}

/* What follows the backslash; 0: the byte stands for itself. */
static inline char escape_letter(unsigned char c)
{
        static const char letters[256] = {
                [0] = 'u',
                'u',
                'u',
                'u',
                'u',
                'u',
                'u',
                'u',
                'b',
                't',
                'n',
                'u',
                'f',
                'r',
                'u',
                'u',
                'u',
                'u',
                'u',
                'u',
                'u',
                'u',
                'u',
                'u',
                'u',
                'u',
                'u',
                'u',
                'u',
                'u',
                'u',
                'u',
                ['"'] = '"',
                ['\\'] = '\\',
        };
        return letters[c];
}

void json_put_escape(struct buf *out, unsigned char c)
{
        static const char hex[] = "0123456789abcdef";
        char letter = escape_letter(c);
        char text[MAX_ESCAPE] = {'\\', letter, '0', '0', hex[c >> 4], hex[c & 15]};

        if (letter)
                buf_put(out, text, letter == 'u' ? MAX_ESCAPE : 2);
        else
                buf_putc(out, (char)c);
}

/* The bytes of valid UTF-8, escaped, without quotes. */
static void put_escaped(struct buf *out, struct str s)
{
        const char *p = s.ptr, *end = s.ptr + s.len;
        uint64_t seen = 0;

        while (p < end) {
                const char *stop = json_run_end(p, end, &seen);
                buf_put(out, p, (size_t)(stop - p));
                if (stop < end)
                        json_put_escape(out, (unsigned char)*stop++);
                p = stop;
        }
}

bool json_put_string(struct buf *out, struct str s)
{
        char *to = s.len < SIZE_MAX - 2 ? buf_room(out, s.len + 2) : NULL;

        if (to && copy_clean(to + 1, s)) {
                to[0] = '"';
                to[1 + s.len] = '"';
                out->len += s.len + 2;
                return true;
        }
        if (!str_utf8_valid(s))
                return false;
        buf_putc(out, '"');
        put_escaped(out, s);
        buf_putc(out, '"');
        return true;
}

/* Bytes of the character that begins @s; 0 where it is not UTF-8. */
static size_t character_bytes(struct str s)
{
        static const unsigned char by_lead[16] = {1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 2, 2, 3, 4};
        size_t n = by_lead[(unsigned char)s.ptr[0] >> 4];

        return n <= s.len && str_utf8_valid((struct str){s.ptr, n}) ? n : 0;
}

void json_put_lossy(struct buf *out, struct str s)
{
        if (json_put_string(out, s))
                return;
        buf_putc(out, '"');
        while (s.len > 0) {
                size_t n = character_bytes(s);

                if (n > 0)
                        put_escaped(out, (struct str){s.ptr, n});
                else
                        buf_puts(out, "\xEF\xBF\xBD");
                s.ptr += n ? n : 1;
                s.len -= n ? n : 1;
        }
        buf_putc(out, '"');
}
