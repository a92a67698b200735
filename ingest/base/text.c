/* Characters one by one; what is not visible is a table of ranges. */
#include "ingest/base/text.h"

/* In ascending order. */
static const struct {
        uint32_t first, last;
} invisible[] = {
        {0x0000, 0x001F},    /* controls */
        {0x007F, 0x00A0},    /* DEL, C1 controls (NEL among them), no-break space */
        {0x00AD, 0x00AD},    /* soft hyphen */
        {0x061C, 0x061C},    /* Arabic letter mark */
        {0x180E, 0x180E},    /* Mongolian vowel separator */
        {0x2000, 0x200F},    /* spaces, zero width, marks of direction */
        {0x2028, 0x202F},    /* line and paragraph separators, direction, narrow space */
        {0x205F, 0x206F},    /* spaces and invisible operators */
        {0x3000, 0x3000},    /* ideographic space */
        {0xD800, 0xF8FF},    /* surrogates, private use */
        {0xFE00, 0xFE0F},    /* variation selectors */
        {0xFEFF, 0xFEFF},    /* byte order mark */
        {0xFFF0, 0xFFFB},    /* specials */
        {0xFFFE, 0xFFFF},    /* no characters */
        {0xE0000, 0x10FFFF}, /* tags, private use */
};

size_t text_next(struct str s, uint32_t *character)
{
        size_t n = 1;

        while (n <= 4 && n <= s.len && !str_utf8_valid((struct str){s.ptr, n}))
                n++;
        if (n > 4 || n > s.len)
                return 0;
        unsigned char lead = (unsigned char)s.ptr[0];
        *character = n == 1 ? lead : lead & (0xFFu >> (n + 1));
        for (size_t i = 1; i < n; i++)
                *character = *character << 6 | ((unsigned char)s.ptr[i] & 0x3F);
        return n;
}

bool text_char_is_visible(uint32_t c)
{
        for (size_t i = 0; i < sizeof(invisible) / sizeof(invisible[0]); i++)
                if (c >= invisible[i].first && c <= invisible[i].last)
                        return false;
        return (c & 0xFFFE) != 0xFFFE;
}

bool text_is_visible(struct str s)
{
        while (s.len > 0) {
                uint32_t c;
                size_t n = text_next(s, &c);
                if (n == 0 || !text_char_is_visible(c))
                        return false;
                s = (struct str){s.ptr + n, s.len - n};
        }
        return true;
}

size_t text_width(struct str s)
{
        size_t width = 0;

        for (; s.len > 0; width++) {
                uint32_t c;
                size_t n = text_next(s, &c);
                n = n ? n : 1;
                s = (struct str){s.ptr + n, s.len - n};
        }
        return width;
}

void text_put_line(struct buf *out, struct str s, size_t max)
{
        size_t written = 0;
        bool space = false;

        while (s.len > 0) {
                uint32_t c = 0xFFFD;
                size_t n = text_next(s, &c);
                struct str one = n ? (struct str){s.ptr, n} : STR("\xEF\xBF\xBD");

                n = n ? n : 1;
                s = (struct str){s.ptr + n, s.len - n};
                if (c == ' ' || !text_char_is_visible(c)) {
                        space = written > 0;
                        continue;
                }
                if (written + space >= max) {
                        buf_puts(out, "...");
                        return;
                }
                if (space)
                        buf_putc(out, ' ');
                buf_put_str(out, one);
                written += 1 + space;
                space = false;
        }
}
