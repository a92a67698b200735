/*
 * Strings from JSON text to canonical form or to plain bytes. What needs no change is copied in
 * runs; UTF-8 is proved over the whole string at the end, and only if it has such bytes.
 */
#include "ingest/record/json_scan.h"

#define SURROGATE_HIGH 0xD800
#define SURROGATE_LOW  0xDC00
#define SURROGATE_END  0xE000

struct copy {
        const char *start, *p, *end;
        struct buf *out;
        enum json_string_form form;
        struct err *e;
};

static const char *fail(struct copy *c, const char *what)
{
        err_set(c->e, ERR_REJECT, "byte %zu of the string: %s", (size_t)(c->p - c->start), what);
        return NULL;
}

/* The four hexadecimal digits at @p; -1 where there are none. */
static long hex4(const char *p, const char *end)
{
        long value = 0;

        if (end - p < 4)
                return -1;
        for (int i = 0; i < 4; i++) {
                unsigned char c = (unsigned char)p[i];
                unsigned char lower = c | 0x20;
                int digit = c >= '0' && c <= '9'           ? c - '0'
                            : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10
                                                           : -1;
                if (digit < 0)
                        return -1;
                value = value << 4 | digit;
        }
        return value;
}

static void put_character(struct copy *c, long code)
{
        char utf8[4];

        if (code < 0x80) {
                if (c->form == JSON_STRING_CANONICAL)
                        json_put_escape(c->out, (unsigned char)code);
                else
                        buf_putc(c->out, (char)code);
        } else if (code < 0x800) {
                utf8[0] = (char)(0xC0 | code >> 6);
                utf8[1] = (char)(0x80 | (code & 0x3F));
                buf_put(c->out, utf8, 2);
        } else if (code < 0x10000) {
                utf8[0] = (char)(0xE0 | code >> 12);
                utf8[1] = (char)(0x80 | (code >> 6 & 0x3F));
                utf8[2] = (char)(0x80 | (code & 0x3F));
                buf_put(c->out, utf8, 3);
        } else {
                utf8[0] = (char)(0xF0 | code >> 18);
                utf8[1] = (char)(0x80 | (code >> 12 & 0x3F));
                utf8[2] = (char)(0x80 | (code >> 6 & 0x3F));
                utf8[3] = (char)(0x80 | (code & 0x3F));
                buf_put(c->out, utf8, 4);
        }
}

/* c->p behind "\u". */
static const char *copy_unicode(struct copy *c)
{
        long code = hex4(c->p, c->end);

        if (code < 0)
                return fail(c, "\\u needs four hexadecimal digits");
        c->p += 4;
        if (code >= SURROGATE_HIGH && code < SURROGATE_END) {
                bool pair = code < SURROGATE_LOW && c->end - c->p >= 6 && c->p[0] == '\\' &&
                            c->p[1] == 'u';
                long low = pair ? hex4(c->p + 2, c->end) : -1;
                if (low < SURROGATE_LOW || low >= SURROGATE_END)
                        return fail(c, "half of a surrogate pair stands for no character");
                c->p += 6;
                code = 0x10000 + ((code - SURROGATE_HIGH) << 10) + (low - SURROGATE_LOW);
        }
        put_character(c, code);
        return c->p;
}

/* What the letter behind a backslash stands for; 0: no such escape, or \u. */
static char meaning(char letter)
{
        switch (letter) {
        case '"':
        case '\\':
        case '/':
                return letter;
        case 'b':
                return '\b';
        case 'f':
                return '\f';
        case 'n':
                return '\n';
        case 'r':
                return '\r';
        case 't':
                return '\t';
        default:
                return 0;
        }
}

/* c->p at a backslash. */
static const char *copy_escape(struct copy *c)
{
        char letter = c->p + 1 < c->end ? c->p[1] : 0;
        char byte = meaning(letter);

        if (!byte && letter != 'u')
                return fail(c, "no such escape");
        c->p += 2;
        if (!byte)
                return copy_unicode(c);
        /* As it is written is canonical already. */
        if (c->form == JSON_STRING_CANONICAL && letter != '/')
                buf_put(c->out, c->p - 2, 2);
        else
                buf_putc(c->out, byte);
        return c->p;
}

/* Copies what stands for itself. */
static void copy_run(struct copy *c, uint64_t *seen)
{
        const char *p = json_run_end(c->p, c->end, seen);

        buf_put(c->out, c->p, (size_t)(p - c->p));
        c->p = p;
}

const char *json_copy_string(
        const char *p, const char *end, enum json_string_form form, struct buf *out, struct err *e)
{
        struct copy c = {.start = p, .p = p + 1, .end = end, .out = out, .form = form, .e = e};
        uint64_t seen = 0;

        if (form == JSON_STRING_CANONICAL)
                buf_putc(out, '"');
        for (;;) {
                copy_run(&c, &seen);
                if (c.p == end)
                        return fail(&c, "it does not end");
                if (*c.p == '"')
                        break;
                if (*c.p != '\\')
                        return fail(&c, "a control character must be escaped");
                if (!copy_escape(&c))
                        return NULL;
        }
        if (seen && !str_utf8_valid((struct str){p, (size_t)(c.p - p)}))
                return fail(&c, "it is not UTF-8");
        if (form == JSON_STRING_CANONICAL)
                buf_putc(out, '"');
        return c.p + 1;
}
