/*
 * Which characters a label may have follows from their properties (RFC 5892), which PCRE2 knows;
 * expressions are compiled for each label, because such names are rare. What normalisation (NFKC)
 * would change is not among those properties and stands in a table, of Unicode 14.
 *
 * One rule is narrower than the RFC: a zero-width non-joiner without a virama in front of it is
 * allowed between letters of the Arabic script only, without marks in front of it.
 */
#include "schemas/idn.h"

#include "ingest/base/text.h"
#include "schemas/regex.h"

#define LABEL_MAX 63 /* octets of an A-label, "xn--" among them */
#define PREFIX    4  /* "xn--" */

/* ---- characters ---- */

#define VIRAMAS                                                                                    \
        "\\u{94d}\\u{9cd}\\u{a4d}\\u{acd}\\u{b4d}\\u{bcd}\\u{c4d}\\u{ccd}"                         \
        "\\u{d3b}\\u{d3c}\\u{d4d}\\u{dca}\\u{e3a}\\u{eba}\\u{f84}\\u{1039}"                        \
        "\\u{103a}\\u{1714}\\u{1715}\\u{1734}\\u{17d2}\\u{1a60}\\u{1b44}"                          \
        "\\u{1baa}\\u{1bab}\\u{1bf2}\\u{1bf3}\\u{2d7f}\\u{a806}\\u{a82c}"                          \
        "\\u{a8c4}\\u{a953}\\u{a9c0}\\u{aaf6}\\u{abed}\\u{10a3f}\\u{11046}"                        \
        "\\u{11070}\\u{1107f}\\u{110b9}\\u{11133}\\u{11134}\\u{111c0}\\u{11235}"                   \
        "\\u{112ea}\\u{1134d}\\u{11442}\\u{114c2}\\u{115bf}\\u{1163f}\\u{116b6}"                   \
        "\\u{1172b}\\u{11839}\\u{1193d}\\u{1193e}\\u{119e0}\\u{11a34}\\u{11a47}"                   \
        "\\u{11a99}\\u{11c3f}\\u{11d44}\\u{11d45}\\u{11d97}"

/* Letters of the Arabic script that join on one side only, and those that join on both. */
#define JOIN_RIGHT                                                                                 \
        "\\u0622-\\u0625\\u0627\\u0629\\u062f-\\u0632\\u0648\\u0671-\\u0673\\u0675-\\u0677"        \
        "\\u0688-\\u0699\\u06c0\\u06c3-\\u06cb\\u06cd\\u06cf\\u06d2\\u06d3\\u06d5\\u06ee\\u06ef"
#define JOIN_BOTH                                                                                  \
        "\\u0620\\u0626\\u0628\\u062a-\\u062e\\u0633-\\u063f\\u0641-\\u0647\\u0649\\u064a\\u066e"  \
        "\\u066f\\u0678-\\u0687\\u069a-\\u06bf\\u06c1\\u06c2\\u06cc\\u06ce\\u06d0\\u06d1"          \
        "\\u06fa-\\u06fc\\u06ff"

/* All characters of a label: PVALID, CONTEXTJ and CONTEXTO of RFC 5892. */
static const char allowed[] =
        "^(?:[-0-9a-"
        "z\\xdf\\u03c2\\u06fd\\u06fe\\u0f0b\\u3007\\xb7\\u0375\\u05f3\\u05f4\\u30fb\\u200c"
        "\\u200d]|(?![\\x00-\\x7f\\p{CWCF}\\p{DI}\\u0640\\u07fa\\u302e\\u302f\\u3031-\\u3035\\u303b"
        "\\u20d0-\\u20ff\\u{1d100}-\\u{1d24f}\\u1100-\\u11ff\\ua960-\\ua97c\\ud7b0-\\ud7fb])"
        "[\\p{Ll}\\p{Lo}\\p{Lm}\\p{Mn}\\p{Mc}\\p{Nd}])+$";

/* What must not be found in a label: rules of its ends, and of characters in their context. */
static const char forbidden[] =
        "^[-\\p{M}]|-$|^..--"
        "|(?<!l)\\xb7|\\xb7(?!l)"
        "|\\u0375(?!\\p{Script=Greek})"
        "|(?<!\\p{Script=Hebrew})[\\u05f3\\u05f4]"
        "|^(?=.*\\u30fb)(?!.*[\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Han}])"
        "|[\\u0660-\\u0669].*[\\u06f0-\\u06f9]|[\\u06f0-\\u06f9].*[\\u0660-\\u0669]"
        "|(?<![" VIRAMAS "])\\u200d"
        "|(?<![" VIRAMAS JOIN_BOTH "])\\u200c"
        "|(?<![" VIRAMAS "])\\u200c(?!\\p{Mn}*[" JOIN_BOTH JOIN_RIGHT "])";

#define RIGHT    "\\p{bc=R}\\p{bc=AL}"
#define ANY_SIDE "\\p{bc=EN}\\p{bc=ES}\\p{bc=CS}\\p{bc=ET}\\p{bc=ON}\\p{bc=BN}\\p{bc=NSM}"

static const char right_to_left[] = "[" RIGHT "\\p{bc=AN}]";
static const char bidi_label[] =
        "^(?=[" RIGHT "])(?!.*\\p{bc=EN}.*\\p{bc=AN})(?!.*\\p{bc=AN}.*\\p{bc=EN})"
        "[" RIGHT "\\p{bc=AN}" ANY_SIDE "]*[" RIGHT "\\p{bc=EN}\\p{bc=AN}]\\p{bc=NSM}*$"
        "|^(?=\\p{bc=L})[\\p{bc=L}" ANY_SIDE "]*[\\p{bc=L}\\p{bc=EN}]\\p{bc=NSM}*$";

/* Letters and marks that NFKC changes, beside those whose case folding does. */
static const struct {
        uint32_t first, last;
} unstable[] = {{0xAA, 0xAA}, {0xBA, 0xBA}, {0x133, 0x133}, {0x140, 0x140}, {0x1C6, 0x1CC},
        {0x1F3, 0x1F3}, {0x2B0, 0x2B8}, {0x2E0, 0x2E4}, {0x340, 0x341}, {0x343, 0x344},
        {0x374, 0x374}, {0x37A, 0x37A}, {0x3D2, 0x3D4}, {0x3F2, 0x3F2}, {0x675, 0x678},
        {0x958, 0x95F}, {0x9DC, 0x9DF}, {0xA33, 0xA33}, {0xA36, 0xA36}, {0xA59, 0xA5B},
        {0xA5E, 0xA5E}, {0xB5C, 0xB5D}, {0xE33, 0xE33}, {0xEB3, 0xEB3}, {0xEDC, 0xEDD},
        {0xF43, 0xF43}, {0xF4D, 0xF4D}, {0xF52, 0xF52}, {0xF57, 0xF57}, {0xF5C, 0xF5C},
        {0xF69, 0xF69}, {0xF73, 0xF73}, {0xF75, 0xF79}, {0xF81, 0xF81}, {0xF93, 0xF93},
        {0xF9D, 0xF9D}, {0xFA2, 0xFA2}, {0xFA7, 0xFA7}, {0xFAC, 0xFAC}, {0xFB9, 0xFB9},
        {0x10FC, 0x10FC}, {0x1D2C, 0x1D2E}, {0x1D30, 0x1D3A}, {0x1D3C, 0x1D4D}, {0x1D4F, 0x1D6A},
        {0x1D78, 0x1D78}, {0x1D9B, 0x1DBF}, {0x1F71, 0x1F71}, {0x1F73, 0x1F73}, {0x1F75, 0x1F75},
        {0x1F77, 0x1F77}, {0x1F79, 0x1F79}, {0x1F7B, 0x1F7B}, {0x1F7D, 0x1F7D}, {0x2071, 0x209C},
        {0x2102, 0x2149}, {0x2C7C, 0x2C7D}, {0x2D6F, 0x2D6F}, {0x309F, 0x309F}, {0x30FF, 0x30FF},
        {0x3131, 0x318E}, {0xA69C, 0xA69D}, {0xA770, 0xA770}, {0xA7F2, 0xA7F4}, {0xA7F8, 0xA7F9},
        {0xAB5C, 0xAB5F}, {0xAB69, 0xAB69}, {0xF900, 0xFA0D}, {0xFA10, 0xFA10}, {0xFA12, 0xFA12},
        {0xFA15, 0xFA1E}, {0xFA20, 0xFA20}, {0xFA22, 0xFA22}, {0xFA25, 0xFA26}, {0xFA2A, 0xFB1D},
        {0xFB1F, 0xFDFB}, {0xFE70, 0xFE72}, {0xFE74, 0xFFDC}, {0x10781, 0x107BA},
        {0x1D400, 0x1D7FF}, {0x1EE00, 0x1FBF9}, {0x2F800, 0x2FA1D}};

static bool is_unstable(uint32_t c)
{
        for (size_t i = 0; i < sizeof(unstable) / sizeof(unstable[0]); i++)
                if (c >= unstable[i].first && c <= unstable[i].last)
                        return true;
        return false;
}

/* Without memory nothing matches; a label is then refused, or taken for one of one direction. */
static bool matches(const char *pattern, struct str text)
{
        cleanup_(regex_freep) struct regex *regex = NULL;
        cleanup_(regex_room_freep) struct regex_room *room = regex_room_new();
        struct err e;

        return room && regex_compile(str_of(pattern), &regex, &e) == 0 &&
               regex_match(regex, room, text) == REGEX_YES;
}

/* ---- Punycode (RFC 3492) ---- */

enum { BASE = 36, T_MIN = 1, T_MAX = 26, SKEW = 38, DAMP = 700, FIRST_BIAS = 72, FIRST_CODE = 128 };

struct code_points {
        uint32_t list[LABEL_MAX];
        size_t count;
};

static uint32_t adapt(uint32_t delta, size_t count, bool first)
{
        uint32_t k = 0;

        delta = first ? delta / DAMP : delta / 2;
        delta += delta / (uint32_t)count;
        for (; delta > (BASE - T_MIN) * T_MAX / 2; k += BASE)
                delta /= BASE - T_MIN;
        return k + (BASE - T_MIN + 1) * delta / (delta + SKEW);
}

static uint32_t threshold(uint32_t k, uint32_t bias)
{
        return k <= bias ? T_MIN : k >= bias + T_MAX ? T_MAX : k - bias;
}

static int digit_value(char c)
{
        char lower = (char)(c | 0x20);

        if (lower >= 'a' && lower <= 'z')
                return lower - 'a';
        return c >= '0' && c <= '9' ? c - '0' + 26 : -1;
}

/* One number of variable length. Return: false: none, or too large. */
static bool decode_delta(struct str *s, uint32_t bias, uint32_t *delta)
{
        uint64_t weight = 1, value = 0;

        for (uint32_t k = BASE;; k += BASE) {
                int digit = s->len ? digit_value(*s->ptr) : -1;
                if (digit < 0)
                        return false;
                s->ptr++;
                s->len--;
                value += (uint64_t)digit * weight;
                uint32_t t = threshold(k, bias);
                if (value > UINT32_MAX)
                        return false;
                *delta = (uint32_t)value;
                if ((uint32_t)digit < t)
                        return true;
                weight *= BASE - t;
                if (weight > UINT32_MAX)
                        return false;
        }
}

static bool decode(struct str s, struct code_points *out)
{
        const char *dash = s.len ? memrchr(s.ptr, '-', s.len) : NULL;
        uint32_t code = FIRST_CODE, bias = FIRST_BIAS, delta;
        uint64_t at = 0;

        out->count = 0;
        for (; dash && s.ptr < dash; s.ptr++, s.len--)
                out->list[out->count++] =
                        (unsigned char)*s.ptr | (*s.ptr >= 'A' && *s.ptr <= 'Z' ? 0x20 : 0);
        if (dash) {
                s.ptr++;
                s.len--;
        }
        while (s.len > 0) {
                if (out->count == LABEL_MAX || !decode_delta(&s, bias, &delta))
                        return false;
                bias = adapt(delta, out->count + 1, at == 0 && code == FIRST_CODE);
                at += delta;
                uint64_t next = code + at / (out->count + 1);
                at %= out->count + 1;
                if (next > 0x10FFFF || (next >= 0xD800 && next < 0xE000))
                        return false;
                code = (uint32_t)next;
                memmove(out->list + at + 1, out->list + at, (out->count - at) * sizeof(*out->list));
                out->list[at++] = code;
                out->count++;
        }
        return true;
}

static char digit_of(uint32_t value)
{
        return (char)(value < 26 ? 'a' + value : '0' + value - 26);
}

static void encode_delta(uint32_t delta, uint32_t bias, struct buf *out)
{
        uint32_t k = BASE;

        for (; delta >= threshold(k, bias); k += BASE) {
                uint32_t t = threshold(k, bias);
                buf_putc(out, digit_of(t + (delta - t) % (BASE - t)));
                delta = (delta - t) / (BASE - t);
        }
        buf_putc(out, digit_of(delta));
}

/* The least code point from @code on. */
static uint32_t least_from(const struct code_points *c, uint32_t code)
{
        uint32_t least = UINT32_MAX;

        for (size_t i = 0; i < c->count; i++)
                if (c->list[i] >= code && c->list[i] < least)
                        least = c->list[i];
        return least;
}

static void encode(const struct code_points *c, struct buf *out)
{
        uint32_t code = FIRST_CODE, bias = FIRST_BIAS, delta = 0;
        size_t done = 0, basic;

        for (size_t i = 0; i < c->count; i++)
                if (c->list[i] < FIRST_CODE)
                        buf_putc(out, (char)c->list[i]);
        done = basic = out->len;
        if (basic > 0)
                buf_putc(out, '-');
        for (; done < c->count; delta++, code++) {
                uint32_t next = least_from(c, code);
                delta += (next - code) * (uint32_t)(done + 1); /* 63 * 0x10FFFF fits */
                code = next;
                for (size_t i = 0; i < c->count; i++) {
                        delta += c->list[i] < code;
                        if (c->list[i] != code)
                                continue;
                        encode_delta(delta, bias, out);
                        bias = adapt(delta, done + 1, done == basic);
                        delta = 0;
                        done++;
                }
        }
}

/* ---- labels ---- */

static bool split(struct str label, struct code_points *out)
{
        out->count = 0;
        while (label.len > 0) {
                uint32_t c;
                size_t n = text_next(label, &c);
                if (n == 0 || out->count == LABEL_MAX)
                        return false;
                out->list[out->count++] = c;
                label = (struct str){label.ptr + n, label.len - n};
        }
        return true;
}

static bool characters_are_valid(const struct code_points *c, struct str label)
{
        for (size_t i = 0; i < c->count; i++)
                if (is_unstable(c->list[i]))
                        return false;
        return matches(allowed, label) && !matches(forbidden, label);
}

bool idn_u_label_is_valid(struct str label, size_t *octets)
{
        cleanup_buf_ struct buf encoded = BUF_INIT(LABEL_MAX);
        struct code_points c;

        if (!split(label, &c) || !characters_are_valid(&c, label))
                return false;
        encode(&c, &encoded);
        *octets = encoded.len + PREFIX;
        return !encoded.error;
}

static void put_utf8(uint32_t c, struct buf *out)
{
        if (c < 0x80) {
                buf_putc(out, (char)c);
                return;
        }
        int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
        static const unsigned char lead[] = {0, 0xC0, 0xE0, 0xF0};
        buf_putc(out, (char)(lead[more] | c >> (6 * more)));
        while (more-- > 0)
                buf_putc(out, (char)(0x80 | (c >> (6 * more) & 0x3F)));
}

bool idn_a_label_is_valid(struct str encoded)
{
        cleanup_buf_ struct buf text = BUF_INIT(LABEL_MAX * 4), again = BUF_INIT(LABEL_MAX);
        struct code_points c;
        bool ascii = true;

        if (encoded.len > LABEL_MAX - PREFIX || !decode(encoded, &c))
                return false;
        for (size_t i = 0; i < c.count; i++) {
                put_utf8(c.list[i], &text);
                ascii &= c.list[i] < FIRST_CODE;
        }
        encode(&c, &again);
        struct str label = buf_str(&text);
        return !ascii && !text.error && !again.error && again.len == encoded.len &&
               strncasecmp(again.data, encoded.ptr, encoded.len) == 0 &&
               characters_are_valid(&c, label) &&
               (!idn_is_bidi(label) || idn_label_fits_bidi(label));
}

bool idn_is_bidi(struct str name)
{
        return matches(right_to_left, name);
}

bool idn_label_fits_bidi(struct str label)
{
        return matches(bidi_label, label);
}
