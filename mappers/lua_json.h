/*
 * lua_json.h: JSON as Lua values, and Lua values as JSON.
 *
 * JSON null is `null`, integers are integers (beyond 64 bits: decimals), other numbers decimals
 * that go back as numbers as long as nothing is computed from them. An object or array is a table.
 *
 * A table with the keys 1 to n is an array, one with texts as keys an object, its keys ascending;
 * anything else is an error. An empty table is an array, unless it came from an empty object.
 */
#pragma once

#include "mappers/lua_state.h"

/** lua_json_push() - pushes the value of the JSON text @json; raises an error where it is none */
void lua_json_push(lua_State *L, struct str json);

/** lua_json_put() - appends the value at @index as JSON to @out; raises an error where it is none
 */
void lua_json_put(lua_State *L, int index, struct buf *out);

/* Of one value: a document is a reject beyond, and tables may share parts without end. */
#define LUA_JSON_MAX (16 << 20)
