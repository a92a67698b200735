/*
 * The plain functions and `math`. Standard ones are taken where they are pure; those whose result
 * would hang on an address, a seed or the order inside a hash table are our own.
 */
#include "mappers/lua_decimal.h"
#include "mappers/lua_state.h"

#include <lauxlib.h>
#include <lualib.h>

/* ---- order of keys: numbers, texts, then the rest ---- */

static int rank(lua_State *L, int index)
{
        switch (lua_type(L, index)) {
        case LUA_TNUMBER:
                return 0;
        case LUA_TSTRING:
                return 1;
        case LUA_TBOOLEAN:
                return 2;
        default:
                return 3;
        }
}

static bool key_is_less(lua_State *L)
{
        int a = rank(L, -2), b = rank(L, -1);
        size_t a_len, b_len;

        if (a != b)
                return a < b;
        if (a == 0)
                return lua_compare(L, -2, -1, LUA_OPLT);
        if (a == 2)
                return !lua_toboolean(L, -2) && lua_toboolean(L, -1);
        if (a == 3)
                sandbox_error(
                        L, "keys that are no numbers, texts or booleans have no order: use ipairs");
        const char *left = lua_tolstring(L, -2, &a_len), *right = lua_tolstring(L, -1, &b_len);
        return str_cmp((struct str){left, a_len}, (struct str){right, b_len}) < 0;
}

lua_Integer lua_sorted_keys(lua_State *L, int index)
{
        lua_Integer n = 0;

        lua_newtable(L);
        lua_pushnil(L);
        while (lua_next(L, index)) {
                lua_pop(L, 1);
                lua_pushvalue(L, -1);
                lua_rawseti(L, -3, ++n);
                sandbox_charge(L, 1);
        }
        lua_sort(L, lua_gettop(L), n, key_is_less);
        return n;
}

/* ---- pairs, next ---- */

/* Upvalues: the keys, the last one's index. Argument: the table. */
static int next_sorted(lua_State *L)
{
        lua_Integer i = lua_tointeger(L, lua_upvalueindex(2));

        luaL_checktype(L, 1, LUA_TTABLE);
        do {
                lua_settop(L, 1);
                lua_rawgeti(L, lua_upvalueindex(1), ++i);
                if (lua_isnil(L, 2))
                        return 1;
                lua_pushvalue(L, 2);
                lua_rawget(L, 1);
        } while (lua_isnil(L, 3)); /* taken out meanwhile */
        lua_pushinteger(L, i);
        lua_replace(L, lua_upvalueindex(2));
        return 2;
}

static int base_pairs(lua_State *L)
{
        if (lua_type(L, 1) == LUA_TUSERDATA)
                return sandbox_error(L,
                        "pairs goes over tables: name a row's columns one by one, and "
                        "write ipairs for the rows of a child");
        luaL_checktype(L, 1, LUA_TTABLE);
        lua_settop(L, 1);
        lua_sorted_keys(L, 1);
        lua_pushinteger(L, 0);
        lua_pushcclosure(L, next_sorted, 2);
        lua_pushvalue(L, 1);
        return 2;
}

/* The least key above the given one: a look at each, for each step. */
static int base_next(lua_State *L)
{
        luaL_checktype(L, 1, LUA_TTABLE);
        lua_settop(L, 2);
        lua_pushnil(L); /* 3: the best so far */
        lua_pushnil(L);
        while (lua_next(L, 1)) {
                sandbox_charge(L, 2);
                lua_pop(L, 1); /* 4: a key */
                bool above = true, better = true;
                if (!lua_isnil(L, 2)) {
                        lua_pushvalue(L, 2);
                        lua_pushvalue(L, 4);
                        above = key_is_less(L);
                        lua_pop(L, 2);
                }
                if (above && !lua_isnil(L, 3)) {
                        lua_pushvalue(L, 4);
                        lua_pushvalue(L, 3);
                        better = key_is_less(L);
                        lua_pop(L, 2);
                }
                if (above && better)
                        lua_copy(L, 4, 3);
        }
        lua_settop(L, 3);
        if (lua_isnil(L, 3))
                return 1;
        lua_pushvalue(L, 3);
        lua_rawget(L, 1);
        return 2;
}

/* ---- errors ---- */

static int base_error(lua_State *L)
{
        sandbox_of(L)->explained = true;
        if (lua_type(L, 1) == LUA_TSTRING && luaL_optinteger(L, 2, 1) == 0)
                lua_settop(L, 1);
        else if (lua_type(L, 1) == LUA_TSTRING) {
                luaL_where(L, 1);
                lua_pushvalue(L, 1);
                lua_concat(L, 2);
        }
        return lua_error(L);
}

static int base_assert(lua_State *L)
{
        luaL_checkany(L, 1);
        if (lua_toboolean(L, 1))
                return lua_gettop(L);
        sandbox_of(L)->explained = lua_type(L, 2) == LUA_TSTRING;
        lua_settop(L, 2);
        if (lua_isnil(L, 2))
                return luaL_error(L, "assertion failed");
        return lua_error(L);
}

/* A stop goes on through any number of these. */
static int base_pcall(lua_State *L)
{
        struct sandbox *s = sandbox_of(L);

        luaL_checkany(L, 1);
        lua_pushboolean(L, 1);
        lua_insert(L, 1);
        int status = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0);
        if (s->stop != SANDBOX_RAN_ON || status == LUA_ERRMEM)
                return status == LUA_OK ? luaL_error(L, "stopped") : lua_error(L);
        if (status == LUA_OK)
                return lua_gettop(L);
        s->explained = false;
        lua_pushboolean(L, 0);
        lua_insert(L, -2);
        return 2;
}

/* ---- values ---- */

static int base_type(lua_State *L)
{
        luaL_checkany(L, 1);
        if (sandbox_object(L, 1, OBJECT_DECIMAL))
                lua_pushliteral(L, "decimal");
        else if (lua_type(L, 1) == LUA_TLIGHTUSERDATA)
                lua_pushliteral(L, "null");
        else
                lua_pushstring(L, luaL_typename(L, 1));
        return 1;
}

/* Never an address: two runs would differ. */
static int base_tostring(lua_State *L)
{
        luaL_checkany(L, 1);
        if (lua_type(L, 1) == LUA_TLIGHTUSERDATA)
                lua_pushliteral(L, "null");
        else if (lua_type(L, 1) > LUA_TSTRING && !sandbox_object(L, 1, OBJECT_DECIMAL))
                return sandbox_error(
                        L, "a %s has no text: name one of its values", luaL_typename(L, 1));
        else
                luaL_tolstring(L, 1, NULL);
        return 1;
}

/* Upvalue: the standard one. */
static int base_tonumber(lua_State *L)
{
        const struct big *d = sandbox_object(L, 1, OBJECT_DECIMAL);

        sandbox_charge(L, lua_rawlen(L, 1) / 64);
        if (!d)
                return lua_tocfunction(L, lua_upvalueindex(1))(L);
        if (!big_push_integer(L, d))
                big_push_float(L, d);
        return 1;
}

static int math_tointeger(lua_State *L)
{
        const struct big *d = sandbox_object(L, 1, OBJECT_DECIMAL);

        if (!d)
                return lua_tocfunction(L, lua_upvalueindex(1))(L);
        if (!big_push_integer(L, d))
                lua_pushnil(L);
        return 1;
}

/* `==` and `~=` as the rewritten source calls them: Lua itself would never call a metamethod for a
 * decimal and a number. */
static bool equals(lua_State *L)
{
        bool a = sandbox_object(L, 1, OBJECT_DECIMAL) && lua_type(L, 2) == LUA_TNUMBER;
        bool b = sandbox_object(L, 2, OBJECT_DECIMAL) && lua_type(L, 1) == LUA_TNUMBER;

        return a || b ? big_compare_values(L) == 0 : lua_compare(L, 1, 2, LUA_OPEQ);
}

static int base_equal(lua_State *L)
{
        lua_settop(L, 2);
        lua_pushboolean(L, equals(L));
        return 1;
}

static int base_differ(lua_State *L)
{
        lua_settop(L, 2);
        lua_pushboolean(L, !equals(L));
        return 1;
}

/* ---- math over all kinds of numbers ---- */

static void check_number(lua_State *L, int index)
{
        if (!sandbox_object(L, index, OBJECT_DECIMAL))
                luaL_checknumber(L, index);
}

static int best(lua_State *L, bool least)
{
        int n = lua_gettop(L), found = 1;

        sandbox_charge(L, (size_t)n);
        for (int i = 1; i <= n || i == 1; i++) {
                check_number(L, i);
                if (lua_compare(L, least ? i : found, least ? found : i, LUA_OPLT))
                        found = i;
        }
        lua_pushvalue(L, found);
        return 1;
}

static int math_min(lua_State *L)
{
        return best(L, true);
}

static int math_max(lua_State *L)
{
        return best(L, false);
}

/* Upvalue: the standard one, for what is no decimal. */
static int math_abs(lua_State *L)
{
        const struct big *d = sandbox_object(L, 1, OBJECT_DECIMAL);

        return d ? big_push_abs(L, d) : lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static int math_floor(lua_State *L)
{
        const struct big *d = sandbox_object(L, 1, OBJECT_DECIMAL);

        return d ? big_push_rounded(L, d, 0, ROUND_FLOOR)
                 : lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static int math_ceil(lua_State *L)
{
        const struct big *d = sandbox_object(L, 1, OBJECT_DECIMAL);

        return d ? big_push_rounded(L, d, 0, ROUND_CEILING)
                 : lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* Puts @fn over the standard function @name of the library at the top but one. */
static void add_over(lua_State *L, const char *name, lua_CFunction fn)
{
        lua_getfield(L, -2, name);
        lua_pushcclosure(L, fn, 1);
        lua_setfield(L, -2, name);
}

/* At the top: the table of globals. */
static void open_math(lua_State *L)
{
        static const char *const names[] = {"fmod", "modf", "sqrt", "type", "ult", "pi", "huge",
                "maxinteger", "mininteger", NULL};
        static const luaL_Reg own[] = {{"min", math_min}, {"max", math_max}, {NULL, NULL}};

        lua_pushcfunction(L, luaopen_math);
        lua_call(L, 0, 1);
        lua_newtable(L);
        lua_add_metered(L, names);
        add_over(L, "abs", math_abs);
        add_over(L, "floor", math_floor);
        add_over(L, "ceil", math_ceil);
        add_over(L, "tointeger", math_tointeger);
        luaL_setfuncs(L, own, 0);
        lua_remove(L, -2);
        lua_setfield(L, -2, "math");
}

void lua_base_open(lua_State *L)
{
        static const char *const names[] = {"ipairs", "select", NULL};
        static const luaL_Reg own[] = {{"pairs", base_pairs}, {"next", base_next},
                {"error", base_error}, {"assert", base_assert}, {"pcall", base_pcall},
                {"type", base_type}, {"tostring", base_tostring}, {"__equal", base_equal},
                {"__differ", base_differ}, {NULL, NULL}};

        lua_pushcfunction(L, luaopen_base); /* into the registry's own table, which nobody sees */
        lua_call(L, 0, 1);
        lua_insert(L, -2);
        lua_add_metered(L, names);
        add_over(L, "tonumber", base_tonumber);
        luaL_setfuncs(L, own, 0);
        lua_remove(L, -2);
        lua_pushlightuserdata(L, NULL);
        lua_setfield(L, -2, "null");
        open_math(L);
}
