/*
 * Schoolbook arithmetic on limbs; division digit by digit, which gives exactly the digits that
 * decimal.h needs to round: those of the scale, one more, and whether anything is left.
 */
#include "mappers/lua_decimal.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ingest/record/json.h"

#define MAX_LIMBS     ((BIG_MAX_DIGITS + BIG_LIMB_DIGITS - 1) / BIG_LIMB_DIGITS)
#define MAX_SCALE     38                  /* as fields have it */
#define OPERAND_LIMBS (3 * MAX_LIMBS + 8) /* of a division, scaled */

static size_t limbs_for(size_t digits)
{
        return (digits + BIG_LIMB_DIGITS - 1) / BIG_LIMB_DIGITS;
}

static int refuse_size(lua_State *L)
{
        return sandbox_error(L,
                "a decimal of more than %d digits before or behind the point: round "
                "what it is made of",
                BIG_MAX_DIGITS);
}

static struct big *new_big(lua_State *L, size_t whole, size_t fraction, size_t scale)
{
        size_t size = sizeof(struct big) + (whole + fraction) * sizeof(uint32_t);

        if (scale > BIG_MAX_DIGITS)
                refuse_size(L);
        struct big *d = sandbox_new_object(L, OBJECT_DECIMAL, size, 0, sandbox_of(L)->decimal_meta);
        d->negative = false;
        d->json = BIG_NO_JSON;
        d->scale = (uint32_t)scale;
        d->whole = (uint32_t)whole;
        d->fraction = (uint32_t)fraction;
        return d;
}

/* Leading zeros are not kept, and zero has no sign. */
static void normalize(lua_State *L, struct big *d)
{
        uint32_t *limb = d->limb;
        size_t n = d->whole + d->fraction;

        while (d->whole > 0 && limb[n - 1] == 0) {
                d->whole--;
                n--;
        }
        for (size_t i = 0; d->negative; i++) {
                if (i == n)
                        d->negative = false;
                else if (limb[i])
                        break;
        }
        if (d->whole > MAX_LIMBS)
                refuse_size(L);
}

/* ---- text ---- */

static uint32_t read_limb(const char *digits, size_t n)
{
        uint32_t v = 0;

        for (size_t i = 0; i < n; i++)
                v = v * 10 + (uint32_t)(digits[i] - '0');
        return v;
}

static const uint32_t powers[] = {
        1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000};

static void push_decimal(lua_State *L, const struct decimal *from)
{
        struct str w = from->whole, f = from->fraction;
        size_t fraction = limbs_for(f.len);

        if (w.len > BIG_MAX_DIGITS)
                refuse_size(L);
        struct big *d = new_big(L, limbs_for(w.len), fraction, f.len);

        for (size_t i = 0; i < fraction; i++) {
                size_t at = i * BIG_LIMB_DIGITS;
                size_t n = f.len - at < BIG_LIMB_DIGITS ? f.len - at : BIG_LIMB_DIGITS;
                d->limb[fraction - 1 - i] = read_limb(f.ptr + at, n) * powers[BIG_LIMB_DIGITS - n];
        }
        size_t left = w.len;
        for (size_t i = 0; i < d->whole; i++) {
                size_t n = left < BIG_LIMB_DIGITS ? left : BIG_LIMB_DIGITS;
                left -= n;
                d->limb[fraction + i] = read_limb(w.ptr + left, n);
        }
        d->negative = from->negative;
        normalize(L, d);
}

bool big_push_text(lua_State *L, struct str text)
{
        struct decimal d;

        if (!decimal_parse(text, &sandbox_of(L)->number, &d))
                return false;
        sandbox_check_bufs(L);
        push_decimal(L, &d);
        return true;
}

static char *put_limb(char *to, uint32_t v)
{
        for (size_t i = BIG_LIMB_DIGITS; i-- > 0; v /= 10)
                to[i] = (char)('0' + v % 10);
        return to + BIG_LIMB_DIGITS;
}

static char *put_whole(char *to, const struct big *d)
{
        char first[BIG_LIMB_DIGITS];
        size_t zeros = 0;

        if (d->whole == 0) {
                *to++ = '0';
                return to;
        }
        put_limb(first, d->limb[d->fraction + d->whole - 1]);
        while (zeros < BIG_LIMB_DIGITS - 1 && first[zeros] == '0')
                zeros++;
        memcpy(to, first + zeros, BIG_LIMB_DIGITS - zeros);
        to += BIG_LIMB_DIGITS - zeros;
        for (size_t i = d->whole - 1; i-- > 0;)
                to = put_limb(to, d->limb[d->fraction + i]);
        return to;
}

void big_put(const struct big *d, struct buf *out)
{
        char *start = buf_room(out, 3 + (d->whole + d->fraction + 1) * BIG_LIMB_DIGITS);
        char *to = start;

        if (!start)
                return;
        if (d->negative)
                *to++ = '-';
        to = put_whole(to, d);
        if (d->scale) {
                *to++ = '.';
                char *fraction = to;
                for (size_t i = d->fraction; i-- > 0;)
                        to = put_limb(to, d->limb[i]);
                to = fraction + d->scale;
        }
        out->len += (size_t)(to - start);
}

/* ---- operands ---- */

/* The decimal at @index; an integer is replaced by one. */
static const struct big *operand(lua_State *L, int index)
{
        const struct big *d = sandbox_object(L, index, OBJECT_DECIMAL);
        char text[24];

        if (d)
                return d;
        if (lua_isinteger(L, index)) {
                int n = snprintf(text, sizeof(text), "%lld", (long long)lua_tointeger(L, index));
                big_push_text(L, (struct str){text, (size_t)n});
                lua_replace(L, index);
                return lua_touserdata(L, index);
        }
        if (lua_type(L, index) == LUA_TNUMBER)
                sandbox_error(L,
                        "a decimal and a float (%f): the float may not be what it seems; write "
                        "decimal(x), or decimal(\"0.5\") for a constant",
                        lua_tonumber(L, index));
        if (lua_isnil(L, index))
                sandbox_error(L, "a decimal and nil: a NULL is nil; write what it means, as in "
                                 "(row.x or 0)");
        if (lua_type(L, index) == LUA_TSTRING)
                sandbox_error(L, "a decimal and a text (%s): decimal(x) makes a number of a text",
                        lua_tostring(L, index));
        sandbox_error(L, "a decimal and a %s", luaL_typename(L, index));
        return NULL;
}

/* The limb of 10^(9 * @i); zero beyond both ends. */
static uint32_t limb_at(const struct big *d, int64_t i)
{
        i += d->fraction;
        return i >= 0 && i < (int64_t)d->whole + d->fraction ? d->limb[i] : 0;
}

static int compare_magnitudes(const struct big *a, const struct big *b)
{
        int64_t high = a->whole > b->whole ? a->whole : b->whole;
        int64_t low = a->fraction > b->fraction ? a->fraction : b->fraction;

        for (int64_t i = high - 1; i >= -low; i--) {
                uint32_t x = limb_at(a, i), y = limb_at(b, i);
                if (x != y)
                        return x < y ? -1 : 1;
        }
        return 0;
}

static int compare(const struct big *a, const struct big *b)
{
        if (a->negative != b->negative)
                return a->negative ? -1 : 1;
        return a->negative ? compare_magnitudes(b, a) : compare_magnitudes(a, b);
}

/* ---- sums and products ---- */

static void add_magnitudes(struct big *sum, const struct big *a, const struct big *b)
{
        uint32_t carry = 0;

        for (int64_t i = 0; i < (int64_t)sum->whole + sum->fraction; i++) {
                int64_t at = i - sum->fraction;
                uint32_t v = limb_at(a, at) + limb_at(b, at) + carry;
                carry = v >= BIG_LIMB;
                sum->limb[i] = carry ? v - BIG_LIMB : v;
        }
}

/* @a is not less than @b. */
static void subtract_magnitudes(struct big *rest, const struct big *a, const struct big *b)
{
        uint32_t borrow = 0;

        for (int64_t i = 0; i < (int64_t)rest->whole + rest->fraction; i++) {
                int64_t at = i - rest->fraction;
                uint32_t x = limb_at(a, at), y = limb_at(b, at) + borrow;
                borrow = x < y;
                rest->limb[i] = borrow ? x + BIG_LIMB - y : x - y;
        }
}

static int push_sum(lua_State *L, bool negate)
{
        const struct big *a = operand(L, 1), *b = operand(L, 2);
        bool b_negative = b->negative != negate;
        uint32_t whole = a->whole > b->whole ? a->whole : b->whole;
        uint32_t fraction = a->fraction > b->fraction ? a->fraction : b->fraction;
        uint32_t scale = a->scale > b->scale ? a->scale : b->scale;

        struct big *sum = new_big(L, whole + 1, fraction, scale);
        if (a->negative == b_negative) {
                add_magnitudes(sum, a, b);
                sum->negative = a->negative;
        } else if (compare_magnitudes(a, b) >= 0) {
                subtract_magnitudes(sum, a, b);
                sum->negative = a->negative;
        } else {
                subtract_magnitudes(sum, b, a);
                sum->negative = b_negative;
        }
        normalize(L, sum);
        return 1;
}

static int decimal_add(lua_State *L)
{
        return push_sum(L, false);
}

static int decimal_subtract(lua_State *L)
{
        return push_sum(L, true);
}

static void multiply(uint32_t *to, const struct big *a, const struct big *b)
{
        size_t n = a->whole + a->fraction, m = b->whole + b->fraction;

        memset(to, 0, (n + m) * sizeof(*to));
        for (size_t i = 0; i < n; i++) {
                uint64_t carry = 0;
                for (size_t k = 0; k < m; k++) {
                        uint64_t v = (uint64_t)a->limb[i] * b->limb[k] + to[i + k] + carry;
                        to[i + k] = (uint32_t)(v % BIG_LIMB);
                        carry = v / BIG_LIMB;
                }
                to[i + m] = (uint32_t)carry;
        }
}

static int decimal_multiply(lua_State *L)
{
        const struct big *a = operand(L, 1), *b = operand(L, 2);
        size_t scale = (size_t)a->scale + b->scale;
        size_t fraction = a->fraction + b->fraction, needed = limbs_for(scale);

        sandbox_charge(L, (size_t)(a->whole + a->fraction) * (b->whole + b->fraction) / 4);
        struct big *d = new_big(L, a->whole + b->whole, fraction, scale);
        multiply(d->limb, a, b);
        /* Two halves of a limb behind the point may fit into one. */
        size_t spare = fraction - needed;
        memmove(d->limb, d->limb + spare, (d->whole + needed) * sizeof(uint32_t));
        d->fraction = (uint32_t)needed;
        d->negative = a->negative != b->negative;
        normalize(L, d);
        return 1;
}

static struct big *push_copy(lua_State *L, const struct big *d)
{
        struct big *copy = new_big(L, d->whole, d->fraction, d->scale);

        memcpy(copy->limb, d->limb, (d->whole + d->fraction) * sizeof(uint32_t));
        copy->negative = d->negative;
        return copy;
}

static int decimal_negate(lua_State *L)
{
        struct big *d = push_copy(L, operand(L, 1));

        d->negative = !d->negative;
        normalize(L, d);
        return 1;
}

int big_push_abs(lua_State *L, const struct big *d)
{
        push_copy(L, d)->negative = false;
        return 1;
}

/* ---- comparisons ---- */

int big_compare_values(lua_State *L)
{
        const struct big *a = operand(L, 1), *b = operand(L, 2);

        return compare(a, b);
}

static int decimal_equal(lua_State *L)
{
        const struct big *a = sandbox_object(L, 1, OBJECT_DECIMAL);
        const struct big *b = sandbox_object(L, 2, OBJECT_DECIMAL);

        lua_pushboolean(L, a && b && compare(a, b) == 0);
        return 1;
}

static int decimal_less(lua_State *L)
{
        lua_pushboolean(L, big_compare_values(L) < 0);
        return 1;
}

static int decimal_less_or_equal(lua_State *L)
{
        lua_pushboolean(L, big_compare_values(L) <= 0);
        return 1;
}

/* ---- rounding ---- */

static enum field_rounding check_rounding(lua_State *L, int index)
{
        static const char *const names[] = {
                "none", "half_even", "half_up", "down", "up", "floor", "ceiling", NULL};

        return (enum field_rounding)luaL_checkoption(L, index, "none", names);
}

static int64_t check_scale(lua_State *L, int index)
{
        lua_Integer scale = luaL_checkinteger(L, index);

        if (scale < 0 || scale > MAX_SCALE)
                sandbox_error(L, "a scale is from 0 to %d", MAX_SCALE);
        return scale;
}

/* The text in s->text, rounded, as a decimal. */
static int push_rounded_text(lua_State *L, int64_t scale, enum field_rounding rounding)
{
        struct sandbox *s = sandbox_of(L);
        struct decimal d;

        sandbox_check_bufs(L);
        if (!decimal_parse(buf_str(&s->text), &s->number, &d))
                return luaL_error(L, "no decimal");
        size_t start = s->text.len;
        /* What is appended may move what @d borrows from: have the room before. */
        if (!buf_room(&s->text, start + MAX_SCALE + 8))
                sandbox_check_bufs(L);
        decimal_parse((struct str){s->text.data, start}, &s->number, &d);
        if (!decimal_put(&d, scale, rounding, &s->text))
                return sandbox_error(L,
                        "digits beyond scale %d would be lost: name a rounding, as in "
                        "\"half_up\" or \"half_even\"",
                        (int)scale);
        sandbox_check_bufs(L);
        big_push_text(L, (struct str){s->text.data + start, s->text.len - start});
        return 1;
}

int big_push_rounded(lua_State *L, const struct big *d, int64_t scale, enum field_rounding rounding)
{
        struct sandbox *s = sandbox_of(L);

        buf_clear(&s->text);
        big_put(d, &s->text);
        sandbox_charge(L, s->text.len / 16);
        return push_rounded_text(L, scale, rounding);
}

static int decimal_round(lua_State *L)
{
        const struct big *d = operand(L, 1);
        int64_t scale = luaL_opt(L, check_scale, 2, 0);

        return big_push_rounded(L, d, scale, check_rounding(L, 3));
}

/* ---- division ---- */

struct magnitude {
        size_t count;
        uint32_t limb[OPERAND_LIMBS];
};

/* @m = @m * 10 + @digit */
static void shift_in(struct magnitude *m, uint32_t digit)
{
        uint64_t carry = digit;

        for (size_t i = 0; i < m->count; i++) {
                uint64_t v = (uint64_t)m->limb[i] * 10 + carry;
                m->limb[i] = (uint32_t)(v % BIG_LIMB);
                carry = v / BIG_LIMB;
        }
        if (carry)
                m->limb[m->count++] = (uint32_t)carry;
}

static bool is_less(const struct magnitude *a, const struct magnitude *b)
{
        if (a->count != b->count)
                return a->count < b->count;
        for (size_t i = a->count; i-- > 0;)
                if (a->limb[i] != b->limb[i])
                        return a->limb[i] < b->limb[i];
        return false;
}

static void subtract(struct magnitude *from, const struct magnitude *m)
{
        uint32_t borrow = 0;

        for (size_t i = 0; i < from->count; i++) {
                uint32_t y = (i < m->count ? m->limb[i] : 0) + borrow;
                borrow = from->limb[i] < y;
                from->limb[i] = borrow ? from->limb[i] + BIG_LIMB - y : from->limb[i] - y;
        }
        while (from->count > 0 && from->limb[from->count - 1] == 0)
                from->count--;
}

/* The digits of @d without its point. */
static void put_digits(const struct big *d, struct buf *out)
{
        size_t start = out->len, kept = start;

        big_put(d, out);
        for (size_t i = start; i < out->len; i++)
                if (out->data[i] >= '0' && out->data[i] <= '9')
                        out->data[kept++] = out->data[i];
        out->len = kept;
}

/* One digit of a quotient: what is left of @rest is less than @divisor. */
static char take_digit(struct magnitude *rest, const struct magnitude *divisor)
{
        char digit = '0';

        while (!is_less(rest, divisor)) {
                subtract(rest, divisor);
                digit++;
        }
        return digit;
}

/* |@a| / |@b| with @places digits behind the point, and one more where anything is left, to
 * s->text, as digits with an exponent. */
static void put_quotient(lua_State *L, const struct big *a, const struct big *b, int64_t places)
{
        struct sandbox *s = sandbox_of(L);
        struct magnitude divisor = {0}, rest = {0};
        int64_t zeros = places + b->scale - a->scale;

        buf_clear(&s->number);
        put_digits(b, &s->number);
        sandbox_check_bufs(L);
        for (size_t i = 0; i < s->number.len; i++)
                shift_in(&divisor, (uint32_t)(s->number.data[i] - '0'));
        for (int64_t i = zeros; i < 0; i++)
                shift_in(&divisor, 0);
        buf_clear(&s->number);
        put_digits(a, &s->number);
        for (int64_t i = 0; i < zeros; i++)
                buf_putc(&s->number, '0');
        sandbox_check_bufs(L);
        sandbox_charge(L, s->number.len * (divisor.count + 1) / 2);
        for (size_t i = 0; i < s->number.len; i++) {
                shift_in(&rest, (uint32_t)(s->number.data[i] - '0'));
                buf_putc(&s->text, take_digit(&rest, &divisor));
        }
        if (rest.count)
                buf_putc(&s->text, '1');
        buf_printf(&s->text, "e-%d", (int)places + (rest.count > 0));
}

/* d:div(by, scale, rounding) */
static int decimal_div(lua_State *L)
{
        struct sandbox *s = sandbox_of(L);
        lua_settop(L, 4);
        const struct big *a = operand(L, 1), *b = operand(L, 2);

        if (lua_isnil(L, 3))
                return sandbox_error(
                        L, "a quotient has no end of digits: write a:div(b, 2, \"half_up\")");
        int64_t scale = check_scale(L, 3);
        enum field_rounding rounding = check_rounding(L, 4);
        buf_clear(&s->text);
        if (a->negative != b->negative)
                buf_putc(&s->text, '-');
        size_t n = b->whole + b->fraction;
        while (n > 0 && b->limb[n - 1] == 0)
                n--;
        if (n == 0)
                return sandbox_error(L, "a decimal divided by zero: test for it first");
        put_quotient(L, a, b, scale + 1);
        return push_rounded_text(L, scale, rounding);
}

static int decimal_divide(lua_State *L)
{
        return sandbox_error(L, "decimals have no operator / // %% or ^: write "
                                "a:div(b, 2, \"half_up\"), or tonumber(a) for a float");
}

/* ---- other values ---- */

bool big_push_integer(lua_State *L, const struct big *d)
{
        struct sandbox *s = sandbox_of(L);
        int64_t v;

        for (size_t i = 0; i < d->fraction; i++)
                if (d->limb[i])
                        return false;
        buf_clear(&s->text);
        big_put(d, &s->text);
        sandbox_check_bufs(L);
        const char *point = memchr(s->text.data, '.', s->text.len);
        if (!str_to_int64((struct str){s->text.data,
                                  point ? (size_t)(point - s->text.data) : s->text.len},
                    &v))
                return false;
        lua_pushinteger(L, v);
        return true;
}

void big_push_float(lua_State *L, const struct big *d)
{
        struct sandbox *s = sandbox_of(L);

        buf_clear(&s->text);
        big_put(d, &s->text);
        const char *text = buf_cstr(&s->text);
        sandbox_check_bufs(L);
        lua_pushnumber(L, text ? strtod(text, NULL) : 0);
}

static int decimal_tostring(lua_State *L)
{
        struct sandbox *s = sandbox_of(L);

        buf_clear(&s->text);
        big_put(operand(L, 1), &s->text);
        sandbox_check_bufs(L);
        lua_pushlstring(L, s->text.data, s->text.len);
        return 1;
}

static int decimal_concat(lua_State *L)
{
        for (int i = 1; i <= 2; i++) {
                if (lua_type(L, i) != LUA_TUSERDATA && !lua_isstring(L, i))
                        return luaL_error(
                                L, "attempt to concatenate a %s value", luaL_typename(L, i));
                if (lua_type(L, i) == LUA_TUSERDATA && !sandbox_object(L, i, OBJECT_DECIMAL))
                        return luaL_error(L, "attempt to concatenate a row");
                luaL_tolstring(L, i, NULL);
        }
        lua_concat(L, 2);
        return 1;
}

/* The digits behind the point. */
static int decimal_scale(lua_State *L)
{
        lua_pushinteger(L, operand(L, 1)->scale);
        return 1;
}

static int decimal_abs(lua_State *L)
{
        return big_push_abs(L, operand(L, 1));
}

static void push_float(lua_State *L, double v)
{
        struct sandbox *s = sandbox_of(L);

        if (!isfinite(v))
                sandbox_error(L, "decimal(x): %f is no number that a decimal can be", v);
        buf_clear(&s->text);
        json_put_double(&s->text, v); /* the shortest text that means it */
        sandbox_check_bufs(L);
        size_t len = s->text.len;
        if (len > 2 && memcmp(s->text.data + len - 2, ".0", 2) == 0)
                len -= 2;
        big_push_text(L, (struct str){s->text.data, len});
}

/* decimal(x) */
static int decimal_make(lua_State *L)
{
        struct str text;

        luaL_checkany(L, 1);
        lua_settop(L, 1);
        switch (lua_type(L, 1)) {
        case LUA_TNUMBER:
                if (lua_isinteger(L, 1))
                        operand(L, 1);
                else
                        push_float(L, lua_tonumber(L, 1));
                return 1;
        case LUA_TSTRING:
                text.ptr = lua_tolstring(L, 1, &text.len);
                sandbox_charge(L, text.len / 16);
                if (!big_push_text(L, text))
                        return sandbox_error(L,
                                "decimal(x): \"%s\" is not a number (digits with one "
                                "decimal point)",
                                lua_pushfstring(L, "%s", text.len < 64 ? text.ptr : "a long text"));
                return 1;
        default:
                if (sandbox_object(L, 1, OBJECT_DECIMAL))
                        return 1;
                return sandbox_error(L, "decimal(x) needs a number or a text, not %s%s",
                        luaL_typename(L, 1),
                        lua_isnil(L, 1) ? ": a NULL is nil; write what it means, as in (row.x or 0)"
                                        : "");
        }
}

void lua_decimal_open(lua_State *L)
{
        static const luaL_Reg meta[] = {{"__add", decimal_add}, {"__sub", decimal_subtract},
                {"__mul", decimal_multiply}, {"__unm", decimal_negate}, {"__eq", decimal_equal},
                {"__lt", decimal_less}, {"__le", decimal_less_or_equal},
                {"__tostring", decimal_tostring}, {"__concat", decimal_concat},
                {"__div", decimal_divide}, {"__idiv", decimal_divide}, {"__mod", decimal_divide},
                {"__pow", decimal_divide}, {NULL, NULL}};
        static const luaL_Reg methods[] = {{"div", decimal_div}, {"round", decimal_round},
                {"abs", decimal_abs}, {"scale", decimal_scale}, {NULL, NULL}};

        lua_newtable(L);
        luaL_setfuncs(L, meta, 0);
        lua_pushliteral(L, "decimal");
        lua_setfield(L, -2, "__name");
        luaL_newlib(L, methods);
        lua_setfield(L, -2, "__index");
        sandbox_of(L)->decimal_meta = luaL_ref(L, LUA_REGISTRYINDEX);
        lua_pushcfunction(L, decimal_make);
        lua_setfield(L, -2, "decimal");
}
