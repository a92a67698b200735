/*
 * One pass over an ECMA-262 pattern. Groups are counted and classes followed just so far that each
 * construct is known for what it is; whether brackets and references fit is left to PCRE2. Unlike
 * a browser in Unicode mode, a backslash in front of any ASCII punctuation is let pass, and so are
 * brackets and braces that stand alone: people write them, and they mean themselves.
 */
#include "schemas/regex.h"

#include "ingest/base/text.h"

#define CODE_POINTS 0x110000

struct translate {
        const char *start, *p, *end;
        struct buf *out;
        const char *wrong;
        bool in_class;
        bool can_repeat; /* what stands before may take a quantifier */
};

/* White space and line ends of ECMA-262, and all others, as the inside of a class. */
#define SPACES                                                                                     \
        "\\x{9}-\\x{d}\\x{20}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"       \
        "\\x{205f}\\x{3000}\\x{feff}"
#define NO_SPACES                                                                                  \
        "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}"           \
        "\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}"             \
        "\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}"

static bool fail(struct translate *t, const char *wrong)
{
        t->wrong = wrong;
        return false;
}

static void put_code(struct translate *t, uint32_t code)
{
        buf_printf(t->out, "\\x{%x}", code);
}

static int hex_value(char c)
{
        char lower = (char)(c | 0x20);

        if (c >= '0' && c <= '9')
                return c - '0';
        return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Exactly @digits of them. Return: -1: there are not that many. */
static int64_t take_hex(struct translate *t, int digits)
{
        int64_t value = 0;

        if (t->end - t->p < digits)
                return -1;
        for (int i = 0; i < digits; i++) {
                int digit = hex_value(t->p[i]);
                if (digit < 0)
                        return -1;
                value = value << 4 | digit;
        }
        t->p += digits;
        return value;
}

/* t->p behind "\u{" */
static bool escape_braced(struct translate *t)
{
        int64_t value = 0;
        const char *first = t->p;

        for (; t->p < t->end && hex_value(*t->p) >= 0 && value < CODE_POINTS; t->p++)
                value = value << 4 | hex_value(*t->p);
        if (t->p == first || t->p == t->end || *t->p != '}' || value >= CODE_POINTS)
                return fail(t, "\\u{...} needs the number of a character");
        t->p++;
        put_code(t, (uint32_t)value);
        return true;
}

static bool is_surrogate(int64_t code)
{
        return code >= 0xD800 && code < 0xE000;
}

/* t->p behind "\u" */
static bool escape_unicode(struct translate *t)
{
        if (t->p < t->end && *t->p == '{') {
                t->p++;
                return escape_braced(t);
        }
        int64_t code = take_hex(t, 4);
        if (code < 0)
                return fail(t, "\\u needs four hexadecimal digits");
        if (code >= 0xD800 && code < 0xDC00 && t->end - t->p >= 6 && t->p[0] == '\\' &&
                t->p[1] == 'u') {
                t->p += 2;
                int64_t low = take_hex(t, 4);
                if (low < 0xDC00 || low >= 0xE000)
                        return fail(t, "half of a surrogate pair");
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        }
        if (is_surrogate(code))
                return fail(t, "half of a surrogate pair");
        put_code(t, (uint32_t)code);
        return true;
}

static bool escape_hex(struct translate *t)
{
        int64_t code = take_hex(t, 2);

        if (code < 0)
                return fail(t, "\\x needs two hexadecimal digits");
        put_code(t, (uint32_t)code);
        return true;
}

static bool escape_control(struct translate *t)
{
        if (t->p == t->end || (*t->p | 0x20) < 'a' || (*t->p | 0x20) > 'z')
                return fail(t, "\\c needs a letter");
        put_code(t, *t->p++ & 0x1F);
        return true;
}

/* Names of general categories; PCRE2 knows the short ones. */
static const struct {
        const char *name, *category;
} categories[] = {{"Letter", "L"}, {"Cased_Letter", "L&"}, {"LC", "L&"}, {"Uppercase_Letter", "Lu"},
        {"Lowercase_Letter", "Ll"}, {"Titlecase_Letter", "Lt"}, {"Modifier_Letter", "Lm"},
        {"Other_Letter", "Lo"}, {"Mark", "M"}, {"Combining_Mark", "M"}, {"Nonspacing_Mark", "Mn"},
        {"Spacing_Mark", "Mc"}, {"Enclosing_Mark", "Me"}, {"Number", "N"}, {"Decimal_Number", "Nd"},
        {"digit", "Nd"}, {"Letter_Number", "Nl"}, {"Other_Number", "No"}, {"Punctuation", "P"},
        {"punct", "P"}, {"Connector_Punctuation", "Pc"}, {"Dash_Punctuation", "Pd"},
        {"Open_Punctuation", "Ps"}, {"Close_Punctuation", "Pe"}, {"Initial_Punctuation", "Pi"},
        {"Final_Punctuation", "Pf"}, {"Other_Punctuation", "Po"}, {"Symbol", "S"},
        {"Math_Symbol", "Sm"}, {"Currency_Symbol", "Sc"}, {"Modifier_Symbol", "Sk"},
        {"Other_Symbol", "So"}, {"Separator", "Z"}, {"Space_Separator", "Zs"},
        {"Line_Separator", "Zl"}, {"Paragraph_Separator", "Zp"}, {"Other", "C"}, {"Control", "Cc"},
        {"cntrl", "Cc"}, {"Format", "Cf"}, {"Surrogate", "Cs"}, {"Private_Use", "Co"},
        {"Unassigned", "Cn"}};

/* t->p behind "\p" or "\P". */
static bool escape_property(struct translate *t, char letter)
{
        const char *stop = t->p < t->end ? memchr(t->p, '}', (size_t)(t->end - t->p)) : NULL;

        if (!stop || *t->p != '{' || stop == t->p + 1 || t->p[1] == '^')
                return fail(t, "\\p needs the name of a property: \\p{L}");
        struct str name = {t->p + 1, (size_t)(stop - t->p - 1)};
        static const struct str prefixes[] = {STR("General_Category="), STR("gc=")};
        for (size_t i = 0; i < 2; i++)
                if (str_starts(name, prefixes[i])) {
                        name.ptr += prefixes[i].len;
                        name.len -= prefixes[i].len;
                }
        for (size_t i = 0; i < sizeof(categories) / sizeof(categories[0]); i++)
                if (str_is(name, categories[i].name))
                        name = str_of(categories[i].category);
        buf_printf(t->out, "\\%c{%.*s}", letter, STR_ARG(name));
        t->p = stop + 1;
        return true;
}

/* \k<name>: checked by PCRE2 but for its form, since it knows more forms than ECMA-262. */
static bool escape_name(struct translate *t)
{
        if (t->in_class || t->p == t->end || *t->p != '<')
                return fail(t, "\\k needs a name: \\k<name>");
        buf_puts(t->out, "\\k");
        return true;
}

static bool escape_digit(struct translate *t, char digit)
{
        bool more = t->p < t->end && *t->p >= '0' && *t->p <= '9';

        if (digit == '0') {
                if (more)
                        return fail(t, "\\0 followed by a digit; octal numbers are not known");
                put_code(t, 0);
                return true;
        }
        if (t->in_class)
                return fail(t, "a back reference inside a class");
        buf_puts(t->out, "\\g{");
        for (t->p--; t->p < t->end && *t->p >= '0' && *t->p <= '9'; t->p++)
                buf_putc(t->out, *t->p);
        buf_putc(t->out, '}');
        return true;
}

/* t->p behind the backslash and its letter @c. */
static bool escape_letter(struct translate *t, char c)
{
        switch (c) {
        case 'd':
        case 'D':
        case 'w':
        case 'W':
        case 't':
        case 'n':
        case 'r':
        case 'f':
                buf_printf(t->out, "\\%c", c);
                return true;
        case 'v':
                put_code(t, 0x0B);
                return true;
        case 's':
                buf_puts(t->out, t->in_class ? SPACES : "[" SPACES "]");
                return true;
        case 'S':
                buf_puts(t->out, t->in_class ? NO_SPACES : "[" NO_SPACES "]");
                return true;
        case 'b':
                buf_puts(t->out, "\\b");
                t->can_repeat = t->in_class;
                return true;
        case 'B':
                buf_puts(t->out, "\\B");
                t->can_repeat = false;
                return !t->in_class || fail(t, "\\B inside a class");
        case 'c':
                return escape_control(t);
        case 'x':
                return escape_hex(t);
        case 'u':
                return escape_unicode(t);
        case 'p':
        case 'P':
                return escape_property(t, c);
        case 'k':
                return escape_name(t);
        default:
                return fail(t, "no such escape");
        }
}

static bool escape(struct translate *t)
{
        if (t->p + 1 == t->end)
                return fail(t, "a backslash at the end");
        char c = t->p[1];
        t->p += 2;
        t->can_repeat = true;
        if (c >= '0' && c <= '9')
                return escape_digit(t, c);
        if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
                return escape_letter(t, c);
        if ((unsigned char)c <= ' ' || (unsigned char)c >= 0x7F)
                return fail(t, "no such escape");
        buf_printf(t->out, "\\%c", c);
        return true;
}

static bool open_class(struct translate *t)
{
        t->in_class = true;
        t->p++;
        buf_putc(t->out, '[');
        if (t->p < t->end && *t->p == '^') {
                buf_putc(t->out, '^');
                t->p++;
        }
        return true;
}

static bool class_char(struct translate *t)
{
        if (*t->p == '\\')
                return escape(t);
        if (*t->p == ']') {
                t->in_class = false;
                t->can_repeat = true;
        }
        if (*t->p == '[') /* PCRE2 would see [:alpha:] in it */
                buf_putc(t->out, '\\');
        buf_putc(t->out, *t->p++);
        return true;
}

static bool open_group(struct translate *t)
{
        static const char *const kinds[] = {"?:", "?=", "?!", "?<=", "?<!"};
        struct str rest = {t->p + 1, (size_t)(t->end - t->p - 1)};

        t->can_repeat = false;
        t->p++;
        buf_putc(t->out, '(');
        if (rest.len == 0 || (*rest.ptr != '?' && *rest.ptr != '*'))
                return true;
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
                if (str_starts(rest, str_of(kinds[i]))) {
                        buf_puts(t->out, kinds[i]);
                        t->p += strlen(kinds[i]);
                        return true;
                }
        if (!str_starts(rest, STR("?<")))
                return fail(t, *rest.ptr == '*' ? "nothing to repeat" : "no such kind of group");
        buf_puts(t->out, "?<");
        t->p += 2;
        return true;
}

/* Bytes of {n}, {n,} or {n,m} at t->p; 0: it is none. */
static size_t braces(const struct translate *t)
{
        const char *p = t->p + 1, *digits = p;

        while (p < t->end && *p >= '0' && *p <= '9')
                p++;
        if (p == digits)
                return 0;
        if (p < t->end && *p == ',')
                p++;
        while (p < t->end && *p >= '0' && *p <= '9')
                p++;
        return p < t->end && *p == '}' ? (size_t)(p + 1 - t->p) : 0;
}

static bool quantifier(struct translate *t, size_t bytes)
{
        if (!t->can_repeat)
                return fail(t, "nothing to repeat");
        buf_put(t->out, t->p, bytes);
        t->p += bytes;
        if (t->p < t->end && *t->p == '?')
                buf_putc(t->out, *t->p++);
        t->can_repeat = false;
        return true;
}

static bool plain_char(struct translate *t)
{
        char c = *t->p;

        switch (c) {
        case '\\':
                return escape(t);
        case '[':
                return open_class(t);
        case '(':
                return open_group(t);
        case '*':
        case '+':
        case '?':
                return quantifier(t, 1);
        case '{':
                if (braces(t))
                        return quantifier(t, braces(t));
                buf_puts(t->out, "\\{");
                break;
        case '.':
                buf_puts(t->out, "[^\\n\\r\\x{2028}\\x{2029}]");
                break;
        default:
                buf_putc(t->out, c);
        }
        t->p++;
        t->can_repeat = c != '^' && c != '$' && c != '|';
        return true;
}

const char *regex_translate(struct str pattern, struct buf *out, size_t *at_byte)
{
        struct translate t = {.start = pattern.ptr,
                .p = pattern.ptr,
                .end = pattern.ptr + pattern.len,
                .out = out};

        while (t.p < t.end && !t.wrong) {
                *at_byte = (size_t)(t.p - t.start);
                (void)(t.in_class ? class_char(&t) : plain_char(&t));
        }
        if (!t.wrong && t.in_class)
                t.wrong = "a class that does not end";
        return t.wrong;
}
