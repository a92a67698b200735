/* Comments and blanks are skipped, everything else is a word; the longest symbol wins. */
#include "mappers/lua_lex.h"

#include <ctype.h>

void lexer_init(struct lexer *x, struct str source)
{
        *x = (struct lexer){source.ptr, source.ptr + source.len, 1};
}

static bool is_name_byte(unsigned char c)
{
        return c < 0x80 && (isalnum(c) || c == '_');
}

static bool at(const struct lexer *x, const char *text)
{
        size_t n = strlen(text);

        return (size_t)(x->end - x->p) >= n && memcmp(x->p, text, n) == 0;
}

/* The level of the long bracket at @p: "[==[" is 2; -1: none. */
static int long_level(const struct lexer *x, const char *p)
{
        int level = 0;

        if (p == x->end || *p != '[')
                return -1;
        for (p++; p < x->end && *p == '='; p++)
                level++;
        return p < x->end && *p == '[' ? level : -1;
}

static void skip_to(struct lexer *x, const char *to)
{
        for (; x->p < to; x->p++)
                x->line += *x->p == '\n';
}

/* Skips the long bracket at x->p, whose level is @level. */
static void skip_long(struct lexer *x, int level)
{
        const char *p = x->p + level + 2;

        for (; p < x->end; p++) {
                int count = 0;
                if (*p != ']')
                        continue;
                while (p + 1 + count < x->end && p[1 + count] == '=')
                        count++;
                if (count == level && p + 1 + count < x->end && p[1 + count] == ']') {
                        skip_to(x, p + count + 2);
                        return;
                }
        }
        skip_to(x, x->end);
}

static void skip_comment(struct lexer *x)
{
        x->p += 2;
        int level = long_level(x, x->p);
        if (level >= 0) {
                skip_long(x, level);
                return;
        }
        while (x->p < x->end && *x->p != '\n' && *x->p != '\r')
                x->p++;
}

static void skip_blanks(struct lexer *x)
{
        while (x->p < x->end) {
                if (at(x, "--"))
                        skip_comment(x);
                else if (*x->p == ' ' || (*x->p >= '\t' && *x->p <= '\r'))
                        skip_to(x, x->p + 1);
                else
                        return;
        }
}

static void skip_string(struct lexer *x)
{
        char quote = *x->p;
        const char *p = x->p + 1;

        while (p < x->end && *p != quote)
                p += *p == '\\' && p + 1 < x->end ? 2 : 1;
        skip_to(x, p < x->end ? p + 1 : x->end);
}

static void skip_number(struct lexer *x)
{
        bool hexadecimal = at(x, "0x") || at(x, "0X");

        for (x->p += hexadecimal ? 2 : 1; x->p < x->end; x->p++) {
                char mark = (char)(x->p[-1] | 0x20);
                bool sign = (*x->p == '+' || *x->p == '-') && mark == (hexadecimal ? 'p' : 'e');
                if (!sign && *x->p != '.' && !is_name_byte((unsigned char)*x->p))
                        break;
        }
}

static size_t symbol_length(const struct lexer *x)
{
        static const char *const symbols[] = {
                "...", "..", "==", "~=", "<=", ">=", "//", "::", "<<", ">>"};

        for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
                if (at(x, symbols[i]))
                        return strlen(symbols[i]);
        return 1;
}

static bool is_keyword(struct str s)
{
        static const char *const words[] = {"and", "break", "do", "else", "elseif", "end", "false",
                "for", "function", "goto", "if", "in", "local", "nil", "not", "or", "repeat",
                "return", "then", "true", "until", "while"};

        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (str_is(s, words[i]))
                        return true;
        return false;
}

static enum token_kind skip_word(struct lexer *x)
{
        unsigned char c = (unsigned char)*x->p;
        const char *start = x->p;
        bool point = c == '.' && x->end - x->p > 1;
        int level = long_level(x, x->p);

        if (level >= 0) {
                skip_long(x, level);
                return TOKEN_STRING;
        }
        if (c == '"' || c == '\'') {
                skip_string(x);
                return TOKEN_STRING;
        }
        if (isdigit(c) || (point && isdigit((unsigned char)x->p[1]))) {
                skip_number(x);
                return TOKEN_NUMBER;
        }
        if (!is_name_byte(c)) {
                x->p += symbol_length(x);
                return TOKEN_SYMBOL;
        }
        while (x->p < x->end && is_name_byte((unsigned char)*x->p))
                x->p++;
        return is_keyword((struct str){start, (size_t)(x->p - start)}) ? TOKEN_KEYWORD : TOKEN_NAME;
}

struct token lexer_next(struct lexer *x)
{
        struct token t = {.kind = TOKEN_END};

        skip_blanks(x);
        t.line = x->line;
        t.text.ptr = x->p;
        if (x->p < x->end)
                t.kind = skip_word(x);
        t.text.len = (size_t)(x->p - t.text.ptr);
        return t;
}

struct str token_plain_string(const struct token *t)
{
        bool plain = t->kind == TOKEN_STRING && t->text.len >= 2 && *t->text.ptr != '[' &&
                     !memchr(t->text.ptr, '\\', t->text.len);

        return plain ? (struct str){t->text.ptr + 1, t->text.len - 2} : (struct str){NULL, 0};
}
