/* Scalars are quoted as soon as any reader of YAML, old or new, could take them for another kind.
 */
#include <stdio.h>
#include <strings.h>

#include "ingest/base/text.h"
#include "ingest/pipeline/starter_internal.h"

#define COMMENT_MAX 2000 /* characters of one comment of the source */

static bool is_word_char(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_';
}

/* Words that YAML 1.1 or 1.2 takes for something else than text. */
static bool is_special_word(struct str s)
{
        static const char *const words[] = {
                "true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf"};

        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (s.len == strlen(words[i]) && strncasecmp(s.ptr, words[i], s.len) == 0)
                        return true;
        return false;
}

static bool is_plain(struct str s)
{
        if (s.len == 0 || (s.ptr[0] >= '0' && s.ptr[0] <= '9') || is_special_word(s))
                return false;
        for (size_t i = 0; i < s.len; i++) {
                bool hyphen = s.ptr[i] == '-' && i > 0;
                if (!is_word_char(s.ptr[i]) && !hyphen)
                        return false;
        }
        return true;
}

void starter_put_scalar(struct buf *out, struct str s)
{
        if (is_plain(s)) {
                buf_put_str(out, s);
                return;
        }
        buf_putc(out, '"');
        while (s.len > 0) {
                uint32_t c = 0xFFFD;
                size_t n = text_next(s, &c);

                if (c == '"' || c == '\\')
                        buf_printf(out, "\\%c", (char)c);
                else if (n > 0 && (c == ' ' || text_char_is_visible(c)))
                        buf_put(out, s.ptr, n);
                else
                        buf_printf(out, "\\U%08X", c);
                n = n ? n : 1;
                s = (struct str){s.ptr + n, s.len - n};
        }
        buf_putc(out, '"');
}

void starter_put_path(struct buf *out, const char *path)
{
        static const char allowed[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789.";
        bool letter = (*path | 0x20) >= 'a' && (*path | 0x20) <= 'z';

        if (letter && path[strspn(path, allowed)] == '\0' && strchr(path, '.'))
                buf_puts(out, path);
        else
                starter_put_scalar(out, str_of(path));
}

void starter_put_list(struct buf *out, const char *const *names, size_t count)
{
        if (count == 1) {
                starter_put_scalar(out, str_of(names[0]));
                return;
        }
        buf_putc(out, '[');
        for (size_t i = 0; i < count; i++) {
                if (i)
                        buf_puts(out, ", ");
                starter_put_scalar(out, str_of(names[i]));
        }
        buf_putc(out, ']');
}

static void put_indent(struct buf *out, size_t indent)
{
        while (indent-- > 0)
                buf_putc(out, ' ');
}

/* Bytes of @rest that go on a line of @room characters: up to the last space in it, if any. */
static size_t line_bytes(struct str rest, size_t room)
{
        size_t at = 0, space = 0, width = 0;

        while (at < rest.len && width < room) {
                uint32_t c;
                size_t n = text_next((struct str){rest.ptr + at, rest.len - at}, &c);
                if (rest.ptr[at] == ' ')
                        space = at;
                at += n ? n : 1;
                width++;
        }
        return at == rest.len || space == 0 ? at : space;
}

void starter_put_comment(struct buf *out, size_t indent, struct str text)
{
        cleanup_buf_ struct buf line = BUF_INIT(STARTER_MAX_BYTES);

        text_put_line(&line, text, COMMENT_MAX);
        struct str rest = buf_str(&line);
        while (rest.len > 0) {
                size_t n = line_bytes(rest, STARTER_PAGE_WIDTH - indent - 2);
                put_indent(out, indent);
                buf_printf(out, "# %.*s\n", (int)n, rest.ptr);
                n += n < rest.len && rest.ptr[n] == ' ';
                rest = (struct str){rest.ptr + n, rest.len - n};
        }
        starter_fail_with(out, &line);
}

void starter_comment(struct buf *out, size_t indent, const char *fmt, ...)
{
        char text[2 * ERR_TEXT_MAX];
        va_list ap;

        va_start(ap, fmt);
        if (vsnprintf(text, sizeof(text), fmt, ap) > 0)
                starter_put_comment(out, indent, str_of(text));
        va_end(ap);
}

void starter_pad(struct buf *out, size_t line, size_t width)
{
        size_t used;

        if (out->error)
                return;
        used = text_width((struct str){out->data + line, out->len - line});
        do
                buf_putc(out, ' ');
        while (++used < width);
}
