/*
 * A state for each place inside a scalar, one byte at a time; runs of plain ASCII in strings are
 * passed over by words. What lies here is outside records, or a list of keys: records themselves go
 * through json_span.c, which is what has to be fast.
 */
#include "ingest/record/json_lex.h"

#include "ingest/record/json_scan.h"

enum state {
        STRING_OPEN,
        STRING_TEXT,
        STRING_ESCAPE,
        STRING_HEX,
        STRING_PAIR_BACKSLASH, /* a first half of a surrogate pair: \u must follow */
        STRING_PAIR_U,
        STRING_CHARACTER, /* inside one of several bytes */
        WORD,
        NUMBER_MINUS,
        NUMBER_ZERO,
        NUMBER_WHOLE,
        NUMBER_POINT,
        NUMBER_FRACTION,
        NUMBER_E,
        NUMBER_SIGN,
        NUMBER_EXPONENT,
        STATES
};

/* What a handler makes of one byte: the next state, or one of these. */
#define WHOLE_WITH    (-1) /* the byte is the last one */
#define WHOLE_WITHOUT (-2) /* the byte is the first one behind it */
#define WRONG         (-3)

static bool is_digit(unsigned char c)
{
        return c >= '0' && c <= '9';
}

static int on_text(struct json_lex *l, unsigned char c)
{
        /* RFC 3629: what the second byte may be depends on the first one; no overlong forms, no
         * surrogates, nothing beyond U+10FFFF. */
        static const struct {
                unsigned char from, to, left, low, high;
        } leads[] = {
                {0xC2, 0xDF, 1, 0x80, 0xBF},
                {0xE0, 0xE0, 2, 0xA0, 0xBF},
                {0xE1, 0xEC, 2, 0x80, 0xBF},
                {0xED, 0xED, 2, 0x80, 0x9F},
                {0xEE, 0xEF, 2, 0x80, 0xBF},
                {0xF0, 0xF0, 3, 0x90, 0xBF},
                {0xF1, 0xF3, 3, 0x80, 0xBF},
                {0xF4, 0xF4, 3, 0x80, 0x8F},
        };

        if (c == '"')
                return WHOLE_WITH;
        if (c == '\\')
                return STRING_ESCAPE;
        if (c < 0x80)
                return c < 0x20 ? WRONG : STRING_TEXT;
        for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]); i++) {
                if (c < leads[i].from || c > leads[i].to)
                        continue;
                l->left = leads[i].left;
                l->low = leads[i].low;
                l->high = leads[i].high;
                return STRING_CHARACTER;
        }
        return WRONG;
}

static int on_character(struct json_lex *l, unsigned char c)
{
        if (c < l->low || c > l->high)
                return WRONG;
        l->low = 0x80;
        l->high = 0xBF;
        return --l->left ? STRING_CHARACTER : STRING_TEXT;
}

static int on_open(struct json_lex *l, unsigned char c)
{
        return STRING_TEXT;
}

static int begin_hex(struct json_lex *l, bool second)
{
        l->left = 4;
        l->code = 0;
        l->second = second;
        return STRING_HEX;
}

static int on_escape(struct json_lex *l, unsigned char c)
{
        if (c == 'u')
                return begin_hex(l, false);
        return c && strchr("\"\\/bfnrt", c) ? STRING_TEXT : WRONG;
}

static int on_hex(struct json_lex *l, unsigned char c)
{
        unsigned char lower = c | 0x20;

        if (is_digit(c))
                l->code = l->code << 4 | (c - '0');
        else if (lower >= 'a' && lower <= 'f')
                l->code = l->code << 4 | (lower - 'a' + 10u);
        else
                return WRONG;
        if (--l->left)
                return STRING_HEX;
        bool is_second = l->code >= 0xDC00 && l->code < 0xE000;
        if (is_second != l->second)
                return WRONG;
        return l->code >= 0xD800 && l->code < 0xDC00 ? STRING_PAIR_BACKSLASH : STRING_TEXT;
}

static int on_pair_backslash(struct json_lex *l, unsigned char c)
{
        return c == '\\' ? STRING_PAIR_U : WRONG;
}

static int on_pair_u(struct json_lex *l, unsigned char c)
{
        return c == 'u' ? begin_hex(l, true) : WRONG;
}

static int on_word(struct json_lex *l, unsigned char c)
{
        if (c != (unsigned char)*l->word)
                return WRONG;
        return *++l->word ? WORD : WHOLE_WITH;
}

static int on_minus(struct json_lex *l, unsigned char c)
{
        if (c == '0')
                return NUMBER_ZERO;
        return is_digit(c) ? NUMBER_WHOLE : WRONG;
}

static int on_zero(struct json_lex *l, unsigned char c)
{
        if (c == '.')
                return NUMBER_POINT;
        if (is_digit(c))
                return WRONG;
        return (c | 0x20) == 'e' ? NUMBER_E : WHOLE_WITHOUT;
}

static int on_whole(struct json_lex *l, unsigned char c)
{
        return is_digit(c) ? NUMBER_WHOLE : on_zero(l, c);
}

static int on_point(struct json_lex *l, unsigned char c)
{
        return is_digit(c) ? NUMBER_FRACTION : WRONG;
}

static int on_fraction(struct json_lex *l, unsigned char c)
{
        if (is_digit(c))
                return NUMBER_FRACTION;
        return (c | 0x20) == 'e' ? NUMBER_E : WHOLE_WITHOUT;
}

static int on_sign(struct json_lex *l, unsigned char c)
{
        return is_digit(c) ? NUMBER_EXPONENT : WRONG;
}

static int on_e(struct json_lex *l, unsigned char c)
{
        return c == '+' || c == '-' ? NUMBER_SIGN : on_sign(l, c);
}

static int on_exponent(struct json_lex *l, unsigned char c)
{
        return is_digit(c) ? NUMBER_EXPONENT : WHOLE_WITHOUT;
}

static const struct {
        int (*handle)(struct json_lex *l, unsigned char c);
        const char *expected;
} states[STATES] = {
        [STRING_OPEN] = {on_open, ""},
        [STRING_TEXT] = {on_text, "a string without control characters, in UTF-8,"},
        [STRING_ESCAPE] = {on_escape, "an escape of JSON"},
        [STRING_HEX] = {on_hex, "\\u with four hexadecimal digits, of a whole character,"},
        [STRING_PAIR_BACKSLASH] = {on_pair_backslash, "the other half of a surrogate pair"},
        [STRING_PAIR_U] = {on_pair_u, "the other half of a surrogate pair"},
        [STRING_CHARACTER] = {on_character, "a string in UTF-8"},
        [WORD] = {on_word, "true, false or null"},
        [NUMBER_MINUS] = {on_minus, "a digit"},
        [NUMBER_ZERO] = {on_zero, "a number without leading zeros"},
        [NUMBER_WHOLE] = {on_whole, "a digit"},
        [NUMBER_POINT] = {on_point, "a digit"},
        [NUMBER_FRACTION] = {on_fraction, "a digit"},
        [NUMBER_E] = {on_e, "a sign or a digit"},
        [NUMBER_SIGN] = {on_sign, "a digit"},
        [NUMBER_EXPONENT] = {on_exponent, "a digit"},
};

bool json_lex_begin(struct json_lex *l, char c)
{
        *l = (struct json_lex){.state = WORD};
        switch (c) {
        case '"':
                l->state = STRING_OPEN;
                return true;
        case 't':
                l->word = "true";
                return true;
        case 'f':
                l->word = "false";
                return true;
        case 'n':
                l->word = "null";
                return true;
        case '-':
        case '0' ... '9':
                /* As if the sign, or nothing, had been read: the byte itself is yet to come. */
                l->state = c == '-' ? STATES : NUMBER_MINUS;
                return true;
        default:
                return false;
        }
}

static const char *skip_plain(const char *p, const char *end)
{
        uint64_t w;

        for (; end - p >= 8; p += 8) {
                memcpy(&w, p, 8);
                if (!json_word_is_plain(w))
                        break;
        }
        return p;
}

enum json_lex_outcome json_lex_run(
        struct json_lex *l, const char **p, const char *end, const char **expected)
{
        if (l->state == STATES && *p < end) { /* the minus */
                l->state = NUMBER_MINUS;
                ++*p;
        }
        while (*p < end) {
                if (l->state == STRING_TEXT) {
                        *p = skip_plain(*p, end);
                        if (*p == end)
                                break;
                }
                int next = states[l->state].handle(l, (unsigned char)**p);
                if (next == WRONG) {
                        *expected = states[l->state].expected;
                        return JSON_LEX_BAD;
                }
                *p += next != WHOLE_WITHOUT;
                if (next < 0)
                        return JSON_LEX_WHOLE;
                l->state = (unsigned char)next;
        }
        return JSON_LEX_MORE;
}

bool json_lex_end(const struct json_lex *l)
{
        return l->state == NUMBER_ZERO || l->state == NUMBER_WHOLE || l->state == NUMBER_FRACTION ||
               l->state == NUMBER_EXPONENT;
}
