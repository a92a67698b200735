/* Values nest at most JSON_MAX_DEPTH deep: a table that holds itself ends there too. */
#include "mappers/lua_json.h"

#include <lauxlib.h>
#include <math.h>

#include "ingest/record/json_scan.h"
#include "mappers/lua_decimal.h"

#define BYTES_A_STEP 32 /* read in the time of an instruction */

/* ---- from JSON ---- */

static void push_value(lua_State *L, struct str json, int depth);

static void push_string(lua_State *L, struct str json)
{
        struct sandbox *s = sandbox_of(L);
        struct err e;

        if (json.len >= 2 && json.ptr[json.len - 1] == '"' && json.len < 256 &&
                !memchr(json.ptr, '\\', json.len)) {
                lua_pushlstring(L, json.ptr + 1, json.len - 2);
                return;
        }
        buf_clear(&s->text);
        if (json_unquote(json, &s->text, &e))
                luaL_error(L, "a text in JSON: %s", e.text);
        sandbox_check_bufs(L);
        lua_pushlstring(L, s->text.data ? s->text.data : "", s->text.len);
}

static void push_number(lua_State *L, struct str json)
{
        int64_t v;

        if (str_to_int64(json, &v)) {
                lua_pushinteger(L, v);
                return;
        }
        if (!big_push_text(L, json))
                luaL_error(L, "JSON with what is no number");
        bool integer = !memchr(json.ptr, '.', json.len) && !memchr(json.ptr, 'e', json.len) &&
                       !memchr(json.ptr, 'E', json.len);
        struct big *d = lua_touserdata(L, -1);
        d->json = integer ? BIG_JSON_INTEGER : BIG_JSON_NUMBER;
}

static void set_meta(lua_State *L, int meta)
{
        lua_rawgeti(L, LUA_REGISTRYINDEX, meta);
        lua_setmetatable(L, -2);
}

static void push_array(lua_State *L, struct str json, int depth)
{
        struct str key, value;
        struct json_walk w;
        lua_Integer n = 0;

        lua_newtable(L);
        set_meta(L, sandbox_of(L)->array_meta);
        if (!json_walk_open(&w, json, '['))
                luaL_error(L, "not JSON");
        while (json_walk_next(&w, &key, &value)) {
                push_value(L, value, depth + 1);
                lua_rawseti(L, -2, ++n);
        }
        if (w.bad)
                luaL_error(L, "not JSON");
}

static void push_object(lua_State *L, struct str json, int depth)
{
        struct str key, value;
        struct json_walk w;

        lua_newtable(L);
        set_meta(L, sandbox_of(L)->object_meta);
        if (!json_walk_open(&w, json, '{'))
                luaL_error(L, "not JSON");
        while (json_walk_next(&w, &key, &value)) {
                push_string(L, key);
                lua_pushvalue(L, -1);
                if (lua_rawget(L, -3) != LUA_TNIL)
                        luaL_error(L, "JSON that holds the key \"%s\" twice", lua_tostring(L, -2));
                lua_pop(L, 1);
                push_value(L, value, depth + 1);
                lua_rawset(L, -3);
        }
        if (w.bad)
                luaL_error(L, "not JSON");
}

static void push_word(lua_State *L, struct str json)
{
        if (str_is(json, "true") || str_is(json, "false"))
                lua_pushboolean(L, *json.ptr == 't');
        else if (str_is(json, "null"))
                lua_pushlightuserdata(L, NULL);
        else
                luaL_error(L, "not JSON");
}

static void push_value(lua_State *L, struct str json, int depth)
{
        if (depth > JSON_MAX_DEPTH)
                luaL_error(L, "JSON nested deeper than %d levels", JSON_MAX_DEPTH);
        luaL_checkstack(L, 8, "JSON");
        json = json_trim(json);
        sandbox_charge(L, 1 + (json.len / BYTES_A_STEP));
        switch (json.len ? *json.ptr : '\0') {
        case '"':
                push_string(L, json);
                break;
        case '-':
        case '0' ... '9':
                push_number(L, json);
                break;
        case '[':
                push_array(L, json, depth);
                break;
        case '{':
                push_object(L, json, depth);
                break;
        default:
                push_word(L, json);
                break;
        }
}

void lua_json_push(lua_State *L, struct str json)
{
        push_value(L, json, 0);
}

/* ---- to JSON ---- */

static void put_value(lua_State *L, int index, struct buf *out, int depth);

static void put_text(lua_State *L, int index, struct buf *out)
{
        struct str s;

        s.ptr = lua_tolstring(L, index, &s.len);
        sandbox_charge(L, s.len / BYTES_A_STEP);
        if (!json_put_string(out, s))
                sandbox_error(L,
                        "a text of the result is not valid UTF-8: mend it in the ERP, or cut it "
                        "with utf8.offset");
}

static void put_float(lua_State *L, int index, struct buf *out)
{
        double v = lua_tonumber(L, index);

        if (!isfinite(v))
                sandbox_error(L, "the result holds %s, which JSON cannot write: test for it first",
                        isnan(v) ? "not-a-number (0/0)" : "an infinite number");
        json_put_double(out, v);
}

static void put_decimal(lua_State *L, const struct big *d, struct buf *out)
{
        if (!d->json) {
                buf_putc(out, '"');
                big_put(d, out);
                buf_putc(out, '"');
                return;
        }
        struct sandbox *s = sandbox_of(L);
        buf_clear(&s->text);
        big_put(d, &s->text);
        if (d->scale == 0 && d->json == BIG_JSON_NUMBER)
                buf_puts(&s->text, ".0"); /* 1e25 is no integer */
        sandbox_check_bufs(L);
        if (json_put_number(out, buf_str(&s->text)) != JSON_NUMBER_OK)
                sandbox_error(L,
                        "a number of the JSON would change as a double: take it out, or make a "
                        "text of it");
}

struct keys {
        lua_Integer numbers, highest, texts, others;
};

static struct keys count_keys(lua_State *L, int index)
{
        struct keys k = {0};

        lua_pushnil(L);
        while (lua_next(L, index)) {
                lua_pop(L, 1);
                if (lua_isinteger(L, -1) && lua_tointeger(L, -1) > 0) {
                        lua_Integer i = lua_tointeger(L, -1);
                        k.numbers++;
                        k.highest = i > k.highest ? i : k.highest;
                } else if (lua_type(L, -1) == LUA_TSTRING) {
                        k.texts++;
                } else {
                        k.others++;
                }
                sandbox_charge(L, 1);
        }
        return k;
}

static void check_keys(lua_State *L, const struct keys *k)
{
        if (k->others)
                sandbox_error(L,
                        "a table of the result has a key that is neither a text nor a number "
                        "from 1 on");
        if (k->numbers && k->texts)
                sandbox_error(L,
                        "a table of the result has numbers and texts as keys: JSON has arrays "
                        "or objects, not both in one");
        if (k->numbers && k->highest != k->numbers)
                sandbox_error(L,
                        "a table of the result has holes (%d of %d elements): write null for "
                        "what is missing",
                        (int)k->numbers, (int)k->highest);
}

static void check_size(lua_State *L, struct buf *out)
{
        if (out->error == -ERR_NOMEM)
                luaL_error(L, "not enough memory"); /* who owns @out sees its error */
        if (out->error || out->len > LUA_JSON_MAX)
                sandbox_error(L, "the result is larger than %d bytes", LUA_JSON_MAX);
}

static void put_array(lua_State *L, int index, lua_Integer n, struct buf *out, int depth)
{
        buf_putc(out, '[');
        for (lua_Integer i = 1; i <= n; i++) {
                if (i > 1)
                        buf_putc(out, ',');
                lua_rawgeti(L, index, i);
                put_value(L, lua_gettop(L), out, depth + 1);
                lua_pop(L, 1);
        }
        buf_putc(out, ']');
}

static void put_object(lua_State *L, int index, struct buf *out, int depth)
{
        lua_Integer n = lua_sorted_keys(L, index);
        int keys = lua_gettop(L);

        buf_putc(out, '{');
        for (lua_Integer i = 1; i <= n; i++) {
                if (i > 1)
                        buf_putc(out, ',');
                lua_rawgeti(L, keys, i);
                put_text(L, keys + 1, out);
                buf_putc(out, ':');
                lua_rawget(L, index);
                put_value(L, keys + 1, out, depth + 1);
                lua_settop(L, keys);
        }
        buf_putc(out, '}');
        lua_pop(L, 1);
}

/* Whether an empty table came from an empty object. */
static bool is_object(lua_State *L, int index)
{
        if (!lua_getmetatable(L, index))
                return false;
        lua_rawgeti(L, LUA_REGISTRYINDEX, sandbox_of(L)->object_meta);
        bool is = lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
        return is;
}

/* Libraries have metatables of their own, and nothing to show. */
static void check_readable(lua_State *L, int index)
{
        if (luaL_getmetafield(L, index, "__index") != LUA_TNIL)
                sandbox_error(L, "a library is no value of a document");
}

static void put_table(lua_State *L, int index, struct buf *out, int depth)
{
        if (depth >= JSON_MAX_DEPTH)
                sandbox_error(L,
                        "the result is nested deeper than %d levels, or a table holds itself",
                        JSON_MAX_DEPTH);
        check_readable(L, index);
        struct keys k = count_keys(L, index);
        check_keys(L, &k);
        if (k.texts || (k.numbers == 0 && is_object(L, index)))
                put_object(L, index, out, depth);
        else
                put_array(L, index, k.numbers, out, depth);
}

static void put_value(lua_State *L, int index, struct buf *out, int depth)
{
        const struct big *d;

        luaL_checkstack(L, 12, "JSON");
        sandbox_charge(L, 1);
        check_size(L, out);
        switch (lua_type(L, index)) {
        case LUA_TLIGHTUSERDATA:
                buf_puts(out, "null");
                return;
        case LUA_TBOOLEAN:
                buf_puts(out, lua_toboolean(L, index) ? "true" : "false");
                return;
        case LUA_TNUMBER:
                if (lua_isinteger(L, index))
                        buf_printf(out, "%lld", (long long)lua_tointeger(L, index));
                else
                        put_float(L, index, out);
                return;
        case LUA_TSTRING:
                put_text(L, index, out);
                return;
        case LUA_TTABLE:
                put_table(L, index, out, depth);
                return;
        default:
                break;
        }
        d = sandbox_object(L, index, OBJECT_DECIMAL);
        if (!d)
                sandbox_error(L, "the result holds a %s: name its values one by one",
                        lua_type(L, index) == LUA_TUSERDATA ? "row" : luaL_typename(L, index));
        put_decimal(L, d, out);
}

void lua_json_put(lua_State *L, int index, struct buf *out)
{
        put_value(L, index, out, 0);
        check_size(L, out);
}

/* Marks without any function: tables that came from JSON stay what they were when empty. */
void lua_json_open(lua_State *L)
{
        struct sandbox *s = sandbox_of(L);

        lua_newtable(L);
        s->array_meta = luaL_ref(L, LUA_REGISTRYINDEX);
        lua_newtable(L);
        s->object_meta = luaL_ref(L, LUA_REGISTRYINDEX);
}
