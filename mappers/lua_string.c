/*
 * `string` and `utf8`: the standard functions where their cost is that of their arguments; find,
 * match, gmatch and gsub over our own matcher. Texts have methods, but no arithmetic: what looks
 * like a number in a text column becomes one only where the mapper says so.
 */
#include "mappers/lua_pattern.h"
#include "mappers/lua_state.h"

#include <lauxlib.h>
#include <lualib.h>

#define REP_BYTES_A_STEP 64

static struct str check_text(lua_State *L, int index)
{
        struct str s;

        s.ptr = luaL_checklstring(L, index, &s.len);
        return s;
}

/* The offset of a position that may count from the end; beyond the end: len + 1. */
static size_t offset_of(lua_Integer position, size_t len)
{
        if (position > 0)
                return (lua_Unsigned)position > len + 1 ? len + 1 : (size_t)position - 1;
        if (position == 0 || position < -(lua_Integer)len)
                return 0;
        return len + (size_t)position;
}

/* ---- captures ---- */

static void push_capture(
        lua_State *L, const struct lua_pattern_match *m, const char *begin, size_t i)
{
        const struct lua_pattern_capture *c = &m->captures[i];

        if (i >= m->count && i > 0)
                luaL_error(L, "invalid capture index %%%d", (int)i + 1);
        if (i >= m->count)
                lua_pushlstring(L, m->start, (size_t)(m->end - m->start));
        else if (c->len == CAPTURE_POSITION)
                lua_pushinteger(L, c->start - begin + 1);
        else
                lua_pushlstring(L, c->start, c->len);
}

static int push_captures(
        lua_State *L, const struct lua_pattern_match *m, const char *begin, bool whole)
{
        size_t n = m->count ? m->count : whole;

        luaL_checkstack(L, (int)n, "too many captures");
        for (size_t i = 0; i < n; i++)
                push_capture(L, m, begin, i);
        return (int)n;
}

/* ---- find and match ---- */

static bool search(lua_State *L, const struct lua_pattern *p, struct str s, size_t from,
        struct lua_pattern_match *m)
{
        for (size_t at = from; at <= s.len; at++) {
                if (lua_pattern_match_at(L, p, s, s.ptr + at, m))
                        return true;
                if (p->anchored)
                        break;
        }
        return false;
}

static bool has_specials(struct str pattern)
{
        for (size_t i = 0; i < pattern.len; i++)
                if (memchr("^$*+?.([%-", pattern.ptr[i], 10))
                        return true;
        return false;
}

static int find_plain(lua_State *L, struct str s, struct str word, size_t from)
{
        sandbox_charge(L, (s.len - from) / REP_BYTES_A_STEP + 1);
        const char *found =
                word.len ? memmem(s.ptr + from, s.len - from, word.ptr, word.len) : s.ptr + from;
        if (!found) {
                lua_pushnil(L);
                return 1;
        }
        lua_pushinteger(L, found - s.ptr + 1);
        lua_pushinteger(L, found - s.ptr + (lua_Integer)word.len);
        return 2;
}

static int find_or_match(lua_State *L, bool find)
{
        struct str s = check_text(L, 1), text = check_text(L, 2);
        size_t from = offset_of(luaL_optinteger(L, 3, 1), s.len);
        struct lua_pattern_match m;
        struct lua_pattern p;

        if (from > s.len) {
                lua_pushnil(L);
                return 1;
        }
        if (find && (lua_toboolean(L, 4) || !has_specials(text)))
                return find_plain(L, s, text, from);
        lua_pattern_compile(L, text, true, &p);
        if (!search(L, &p, s, from, &m)) {
                lua_pushnil(L);
                return 1;
        }
        if (!find)
                return push_captures(L, &m, s.ptr, true);
        lua_pushinteger(L, m.start - s.ptr + 1);
        lua_pushinteger(L, m.end - s.ptr);
        return push_captures(L, &m, s.ptr, false) + 2;
}

static int string_find(lua_State *L)
{
        return find_or_match(L, true);
}

static int string_match(lua_State *L)
{
        return find_or_match(L, false);
}

/* ---- gmatch ---- */

/* Upvalues: text, pattern, offset to go on from, end of the last match (-1: none). */
static int next_match(lua_State *L)
{
        struct str s = check_text(L, lua_upvalueindex(1));
        struct str text = check_text(L, lua_upvalueindex(2));
        size_t from = (size_t)lua_tointeger(L, lua_upvalueindex(3));
        lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
        struct lua_pattern_match m;
        struct lua_pattern p;

        lua_pattern_compile(L, text, false, &p);
        for (; from <= s.len; from++) {
                if (!lua_pattern_match_at(L, &p, s, s.ptr + from, &m) || m.end - s.ptr == last)
                        continue;
                lua_pushinteger(L, m.end - s.ptr);
                lua_copy(L, -1, lua_upvalueindex(3));
                lua_copy(L, -1, lua_upvalueindex(4));
                lua_pop(L, 1);
                return push_captures(L, &m, s.ptr, true);
        }
        return 0;
}

static int string_gmatch(lua_State *L)
{
        struct str s = check_text(L, 1);
        size_t from;

        check_text(L, 2);
        from = offset_of(luaL_optinteger(L, 3, 1), s.len);
        lua_settop(L, 2);
        lua_pushinteger(L, (lua_Integer)from);
        lua_pushinteger(L, -1);
        lua_pushcclosure(L, next_match, 4);
        return 1;
}

/* ---- gsub ---- */

/* The replacement text at 3, with its %0 to %9. */
static void add_text(
        lua_State *L, luaL_Buffer *b, const struct lua_pattern_match *m, const char *begin)
{
        struct str with = check_text(L, 3);

        for (size_t i = 0; i < with.len; i++) {
                unsigned char c = (unsigned char)with.ptr[i];
                if (c != '%') {
                        luaL_addchar(b, (char)c);
                        continue;
                }
                c = ++i < with.len ? (unsigned char)with.ptr[i] : 0;
                if (c == '%') {
                        luaL_addchar(b, '%');
                } else if (c == '0') {
                        luaL_addlstring(b, m->start, (size_t)(m->end - m->start));
                } else if (c >= '1' && c <= '9') {
                        push_capture(L, m, begin, (size_t)(c - '1'));
                        luaL_tolstring(L, -1, NULL);
                        lua_remove(L, -2);
                        luaL_addvalue(b);
                } else {
                        luaL_error(L, "invalid use of '%%' in replacement string");
                }
        }
}

static void add_replacement(
        lua_State *L, luaL_Buffer *b, const struct lua_pattern_match *m, const char *begin)
{
        switch (lua_type(L, 3)) {
        case LUA_TFUNCTION:
                lua_pushvalue(L, 3);
                lua_call(L, push_captures(L, m, begin, true), 1);
                break;
        case LUA_TTABLE:
                push_capture(L, m, begin, 0);
                lua_gettable(L, 3);
                break;
        default:
                add_text(L, b, m, begin);
                return;
        }
        if (!lua_toboolean(L, -1)) {
                lua_pop(L, 1);
                luaL_addlstring(b, m->start, (size_t)(m->end - m->start));
                return;
        }
        if (!lua_isstring(L, -1))
                luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
        luaL_addvalue(b);
}

static int string_gsub(lua_State *L)
{
        struct str s = check_text(L, 1), text = check_text(L, 2);
        int type = lua_type(L, 3);
        lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)s.len + 1), n = 0;
        const char *at = s.ptr, *end = s.ptr + s.len, *last = NULL;
        struct lua_pattern_match m;
        struct lua_pattern p;
        luaL_Buffer b;

        if (type != LUA_TNUMBER && type != LUA_TSTRING && type != LUA_TTABLE &&
                type != LUA_TFUNCTION)
                luaL_typeerror(L, 3, "string/function/table");
        lua_pattern_compile(L, text, true, &p);
        luaL_buffinit(L, &b);
        while (n < most) {
                if (lua_pattern_match_at(L, &p, s, at, &m) && m.end != last) {
                        n++;
                        add_replacement(L, &b, &m, s.ptr);
                        at = last = m.end;
                } else if (at < end) {
                        luaL_addchar(&b, *at++);
                } else {
                        break;
                }
                if (p.anchored)
                        break;
        }
        luaL_addlstring(&b, at, (size_t)(end - at));
        luaL_pushresult(&b);
        lua_pushinteger(L, n);
        return 2;
}

/* ---- the standard ones, with a look at their arguments first ---- */

/* Upvalue: the standard function. */
static int string_rep(lua_State *L)
{
        struct str s = check_text(L, 1);
        lua_Integer n = luaL_checkinteger(L, 2);
        size_t each = s.len + lua_rawlen(L, 3) + 1;

        if (n > 0 && (lua_Unsigned)n > SANDBOX_MAX_BYTES / each)
                return sandbox_error(L, "string.rep would make a text of more than 16 MiB");
        if (n > 0)
                sandbox_charge(L, (size_t)n * each / REP_BYTES_A_STEP + (size_t)n / 8);
        return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* Upvalue: the standard function. What has no text of its own would show its address. */
static int string_format(lua_State *L)
{
        struct str form = check_text(L, 1);
        size_t steps = form.len / 4;

        for (size_t i = 0; i + 1 < form.len; i++) {
                if (form.ptr[i] != '%')
                        continue;
                for (i++; i < form.len && memchr("-+ #0123456789.", form.ptr[i], 15); i++)
                        ;
                if (i < form.len && form.ptr[i] == 'p')
                        return sandbox_error(L, "string.format has no %%p here: addresses differ");
        }
        for (int i = 2; i <= lua_gettop(L); i++) {
                steps += lua_rawlen(L, i) / REP_BYTES_A_STEP;
                if (lua_type(L, i) > LUA_TSTRING && !sandbox_object(L, i, OBJECT_DECIMAL))
                        return sandbox_error(L,
                                "a %s has no text: give string.format one of its values",
                                luaL_typename(L, i));
        }
        sandbox_charge(L, steps + 1);
        return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static void add_over(lua_State *L, const char *name, lua_CFunction fn)
{
        lua_getfield(L, -2, name);
        lua_pushcclosure(L, fn, 1);
        lua_setfield(L, -2, name);
}

/* Texts have methods and nothing else. At the top: the table of `string`. */
static void set_methods(lua_State *L)
{
        lua_pushliteral(L, "");
        lua_createtable(L, 0, 1);
        lua_pushvalue(L, -3);
        lua_setfield(L, -2, "__index");
        lua_setmetatable(L, -2);
        lua_pop(L, 1);
}

static void open_utf8(lua_State *L)
{
        static const char *const names[] = {
                "char", "charpattern", "codepoint", "codes", "len", "offset", NULL};

        lua_pushcfunction(L, luaopen_utf8);
        lua_call(L, 0, 1);
        lua_newtable(L);
        lua_add_metered(L, names);
        lua_remove(L, -2);
        lua_setfield(L, -2, "utf8");
}

void lua_string_open(lua_State *L)
{
        static const char *const names[] = {
                "byte", "char", "len", "lower", "reverse", "sub", "upper", NULL};
        static const luaL_Reg own[] = {{"find", string_find}, {"gmatch", string_gmatch},
                {"gsub", string_gsub}, {"match", string_match}, {NULL, NULL}};

        lua_pushcfunction(L, luaopen_string);
        lua_call(L, 0, 1);
        lua_newtable(L);
        lua_add_metered(L, names);
        add_over(L, "rep", string_rep);
        add_over(L, "format", string_format);
        luaL_setfuncs(L, own, 0);
        set_methods(L);
        lua_remove(L, -2);
        lua_setfield(L, -2, "string");
        open_utf8(L);
}
