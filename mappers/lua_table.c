/*
 * `table`: the standard functions where their cost follows the size of the table, and a sort of
 * our own. Lua's takes its pivot from the clock when it meets large tables; this one is stable, so
 * that equal elements keep their order on every machine.
 */
#include "mappers/lua_state.h"

#include <lauxlib.h>
#include <lualib.h>

#define MAX_UNPACKED 250 /* values: what follows copies all of them in one instruction */

/* ---- merge sort, bottom up ---- */

struct sorting {
        lua_State *L;
        int from, to; /* tables */
        lua_less_fn less;
};

/* Merges @low .. @middle and @middle + 1 .. @high of one table into the other. */
static void merge(const struct sorting *s, lua_Integer low, lua_Integer middle, lua_Integer high)
{
        lua_Integer a = low, b = middle + 1;
        lua_State *L = s->L;

        sandbox_charge(L, (size_t)(high - low) + 1);
        for (lua_Integer at = low; at <= high; at++) {
                bool take_b = a > middle;
                if (!take_b && b <= high) {
                        lua_rawgeti(L, s->from, b);
                        lua_rawgeti(L, s->from, a);
                        take_b = s->less(L);
                        lua_pop(L, 2);
                }
                lua_rawgeti(L, s->from, take_b ? b++ : a++);
                lua_rawseti(L, s->to, at);
        }
}

void lua_sort(lua_State *L, int index, lua_Integer n, lua_less_fn less)
{
        luaL_checkstack(L, 10, "sort");
        lua_createtable(L, n < 1000 ? (int)n : 1000, 0);
        struct sorting s = {L, index, lua_gettop(L), less};

        for (lua_Integer width = 1; width < n; width *= 2) {
                for (lua_Integer low = 1; low <= n; low += 2 * width) {
                        lua_Integer middle = low + width - 1, high = middle + width;
                        merge(&s, low, middle < n ? middle : n, high < n ? high : n);
                }
                int other = s.from;
                s.from = s.to;
                s.to = other;
        }
        for (lua_Integer i = 1; s.from != index && i <= n; i++) {
                lua_rawgeti(L, s.from, i);
                lua_rawseti(L, index, i);
        }
        lua_settop(L, lua_gettop(L) - 1);
}

/* The comparison of a script lies at 2. */
static bool script_is_less(lua_State *L)
{
        lua_pushvalue(L, 2);
        lua_pushvalue(L, -3);
        lua_pushvalue(L, -3);
        lua_call(L, 2, 1);
        bool less = lua_toboolean(L, -1);
        lua_pop(L, 1);
        return less;
}

static bool value_is_less(lua_State *L)
{
        return lua_compare(L, -2, -1, LUA_OPLT);
}

/* Only tables of the script itself: libraries and what a record shows cannot be changed. */
static void check_plain(lua_State *L)
{
        luaL_checktype(L, 1, LUA_TTABLE);
        if (luaL_getmetafield(L, 1, "__newindex") != LUA_TNIL)
                sandbox_error(
                        L, "this table cannot be changed: copy what you need into a local one");
}

static int table_sort(lua_State *L)
{
        check_plain(L);
        lua_settop(L, 2);
        lua_Integer n = (lua_Integer)lua_rawlen(L, 1);
        if (!lua_isnil(L, 2))
                luaL_checktype(L, 2, LUA_TFUNCTION);
        lua_sort(L, 1, n, lua_isnil(L, 2) ? value_is_less : script_is_less);
        return 0;
}

static int table_unpack(lua_State *L)
{
        luaL_checktype(L, 1, LUA_TTABLE);
        lua_Integer first = luaL_optinteger(L, 2, 1);
        lua_Integer last = luaL_optinteger(L, 3, (lua_Integer)lua_rawlen(L, 1));

        if (first > last)
                return 0;
        lua_Unsigned more = (lua_Unsigned)last - (lua_Unsigned)first;
        if (more >= MAX_UNPACKED)
                return sandbox_error(
                        L, "table.unpack gives at most %d values: use a loop", MAX_UNPACKED);
        luaL_checkstack(L, (int)more + 1, "unpack");
        sandbox_charge(L, (size_t)more);
        for (lua_Unsigned i = 0; i <= more; i++)
                lua_rawgeti(L, 1, first + (lua_Integer)i);
        return (int)more + 1;
}

void lua_table_open(lua_State *L)
{
        static const char *const names[] = {"concat", "insert", "remove", "pack", NULL};
        static const luaL_Reg own[] = {
                {"sort", table_sort}, {"unpack", table_unpack}, {NULL, NULL}};

        lua_pushcfunction(L, luaopen_table);
        lua_call(L, 0, 1);
        lua_newtable(L);
        lua_add_metered(L, names);
        luaL_setfuncs(L, own, 0);
        lua_remove(L, -2);
        lua_setfield(L, -2, "table");
}
