/* The core schema of YAML 1.2 (section 10.3.2): its regular expressions as small scanners. */
#include "ingest/base/yaml_internal.h"

static bool is_one_of(struct str text, const char *const *words, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (str_is(text, words[i]))
                        return true;
        return false;
}

#define IS_ONE_OF(text, words) is_one_of((text), (words), sizeof(words) / sizeof((words)[0]))

/* How many bytes from @i on are digits of the base. */
static size_t digits(struct str s, size_t i, int base)
{
        size_t start = i;

        for (; i < s.len; i++) {
                char c = s.ptr[i];
                bool decimal = c >= '0' && c <= (base == 8 ? '7' : '9');
                bool letter = base == 16 && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'));
                if (!decimal && !letter)
                        break;
        }
        return i - start;
}

static bool is_based_integer(struct str s)
{
        if (s.len < 3 || s.ptr[0] != '0' || (s.ptr[1] != 'o' && s.ptr[1] != 'x'))
                return false;
        return digits(s, 2, s.ptr[1] == 'o' ? 8 : 16) == s.len - 2;
}

/* Bytes of the exponent at @i: e, a sign, digits; 0 where there is none. */
static size_t exponent(struct str s, size_t i)
{
        size_t start = i;

        if (i >= s.len || (s.ptr[i] != 'e' && s.ptr[i] != 'E'))
                return 0;
        i++;
        if (i < s.len && (s.ptr[i] == '+' || s.ptr[i] == '-'))
                i++;
        size_t n = digits(s, i, 10);
        return n ? i + n - start : 0;
}

/* The number at @i without a sign: kind INT, FLOAT, or STRING where it is none. */
static enum ynode_kind resolve_number(struct str s, size_t i)
{
        size_t whole = digits(s, i, 10);
        size_t fraction = 0;
        bool point = false;

        i += whole;
        if (whole > 0 && i == s.len)
                return YNODE_INT;
        if (i < s.len && s.ptr[i] == '.') {
                point = true;
                fraction = digits(s, i + 1, 10);
                i += 1 + fraction;
        }
        if (whole == 0 && (!point || fraction == 0))
                return YNODE_STRING;
        i += exponent(s, i);
        return i == s.len ? YNODE_FLOAT : YNODE_STRING;
}

enum ynode_kind yaml_resolve(struct str text)
{
        static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
        static const char *const bools[] = {"true", "True", "TRUE", "false", "False", "FALSE"};
        static const char *const infinities[] = {".inf", ".Inf", ".INF"};
        static const char *const nans[] = {".nan", ".NaN", ".NAN"};

        if (IS_ONE_OF(text, nulls))
                return YNODE_NULL;
        if (IS_ONE_OF(text, bools))
                return YNODE_BOOL;
        if (is_based_integer(text))
                return YNODE_INT;
        if (IS_ONE_OF(text, nans))
                return YNODE_FLOAT;
        size_t sign = text.ptr[0] == '-' || text.ptr[0] == '+';
        struct str unsigned_text = {text.ptr + sign, text.len - sign};
        if (IS_ONE_OF(unsigned_text, infinities))
                return YNODE_FLOAT;
        return resolve_number(text, sign);
}

bool yaml_is_json_number(struct str s)
{
        size_t i = s.len > 0 && s.ptr[0] == '-';
        size_t whole = digits(s, i, 10);

        if (whole == 0 || (whole > 1 && s.ptr[i] == '0'))
                return false;
        i += whole;
        if (i < s.len && s.ptr[i] == '.') {
                size_t fraction = digits(s, i + 1, 10);
                if (fraction == 0)
                        return false;
                i += 1 + fraction;
        }
        i += exponent(s, i);
        return i == s.len;
}
