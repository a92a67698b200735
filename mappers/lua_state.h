/*
 * lua_state.h: the sandbox in which a mapper's Lua runs.
 *
 * One for each program, of the thread that renders. It offers a subset of Lua 5.4 that is pure and
 * deterministic: no files, clock, random numbers, modules, bytecode, metatables or coroutines;
 * globals cannot be written; what order, addresses or seeds would decide is decided by value
 * (pairs goes by ascending keys, sort is stable). So nothing passes from one call to the next.
 *
 * Limits hold for each call: steps (instructions, and what library functions do in one of them),
 * bytes held, bytes taken in all, and as a last resort processor time. Whoever reaches one is
 * stopped: pcall in a script does not catch that.
 */
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "ingest/base/buf.h"

/* Steps of one call: some 10 ms, more than any record should cost. */
#define SANDBOX_MAX_STEPS  1000000
/* Memory held at once: far more than a record, little enough for a run of several mappers. */
#define SANDBOX_MAX_BYTES  ((size_t)16 << 20)
/* Memory taken in one call, held or not: copying texts of megabytes is work too. */
#define SANDBOX_MAX_TAKEN  ((size_t)512 << 20)
/* Processor time of one call, for what no step counts (comparing texts of megabytes): a hundred
 * times what the steps take. */
#define SANDBOX_MAX_MS     2000
/* Between two looks at the limits: a look costs as much as some ten instructions. */
#define SANDBOX_LOOK_EVERY 1000

enum sandbox_stop {
        SANDBOX_RAN_ON, /* not stopped */
        SANDBOX_STEPS,
        SANDBOX_MEMORY,
        SANDBOX_TIME
};

/* What a userdata of ours is; its first member. Scripts see no other userdata. */
enum object_kind {
        OBJECT_DECIMAL = 1,
        OBJECT_ROW,
        OBJECT_RECORD,
        OBJECT_LINES,
        OBJECT_LINE,
        OBJECT_DOC
};

struct object {
        enum object_kind kind;
};

struct lua_record;

struct sandbox {
        lua_State *L;
        size_t held, taken; /* bytes */
        int64_t steps;      /* left in this call */
        int64_t begun_ns;   /* processor time at the first look of this call; 0: not looked yet */
        enum sandbox_stop stop;
        bool no_memory;   /* the machine had none, which is no limit of ours */
        bool explained;   /* the error says by itself what to do */
        int env;          /* registry references: what chunks see as globals ... */
        int decimal_meta; /* metatables */
        int array_meta, object_meta;
        struct buf text;           /* scratch of one library function */
        struct buf number;         /* of decimal_parse() */
        struct lua_record *record; /* what lua_record.c needs; NULL: none */
};

/** sandbox_open() - an empty sandbox with its library
 * Return: 0; -ERR_NOMEM. */
int sandbox_open(struct sandbox **out, struct err *e) __attribute__((warn_unused_result));
struct sandbox *sandbox_free(struct sandbox *s);
DEFINE_CLEANUP(struct sandbox *, sandbox_free);

static inline struct sandbox *sandbox_of(lua_State *L)
{
        return *(struct sandbox **)lua_getextraspace(L);
}

/** sandbox_protected() - runs @fn with the light userdata @arg where Lua may raise errors
 * Return: 0; -ERR_CONFIG with Lua's message; -ERR_NOMEM. */
int sandbox_protected(struct sandbox *s, lua_CFunction fn, void *arg, struct err *e)
        __attribute__((warn_unused_result));

/** sandbox_load() - compiles @code, named @name in messages; @ref: of the function
 * Return: 0; -ERR_CONFIG with Lua's message; -ERR_NOMEM. */
int sandbox_load(struct sandbox *s, struct str code, const char *name, int *ref, struct err *e)
        __attribute__((warn_unused_result));

/* Outcome of a call, beside 0. */
#define SANDBOX_FAILED 1

/** sandbox_call() - calls the function @ref without arguments; its first result, or the error's
 * text where SANDBOX_FAILED is returned, is then on the top of an otherwise empty stack, and
 * stays there until sandbox_clear()
 * Return: 0; SANDBOX_FAILED; -ERR_NOMEM. */
int sandbox_call(struct sandbox *s, int ref);

/** sandbox_call_c() - goes on with the value on the stack: @fn takes it
 * Return: as sandbox_call(); with 0 the stack is empty. */
int sandbox_call_c(struct sandbox *s, lua_CFunction fn);

/** sandbox_clear() - empties the stack; behind a stopped call, gives back what it held */
void sandbox_clear(struct sandbox *s);

/** sandbox_why() - one line for the failed call: Lua's message, and what to do
 * Must be called before sandbox_clear(); borrows from the stack, the sandbox or constants. */
const char *sandbox_why(struct sandbox *s);

/** sandbox_check_syntax() - whether @code is a chunk, without a sandbox
 * @why: Lua's message, cut at ERR_TEXT_MAX
 * Return: 0; -ERR_CONFIG; -ERR_NOMEM. */
int sandbox_check_syntax(struct str code, const char *name, struct err *e)
        __attribute__((warn_unused_result));

/* ---- for the parts of the library: they run inside of calls, and raise Lua's errors ---- */

/** sandbox_charge() - @n steps are used */
void sandbox_charge(lua_State *L, size_t n);

/** sandbox_error() - raises an error that says what to do by itself. Never returns. */
int sandbox_error(lua_State *L, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** sandbox_new_object() - pushes a userdata of @size bytes, of @kind, with the metatable @meta */
void *sandbox_new_object(lua_State *L, enum object_kind kind, size_t size, int values, int meta);

/** sandbox_object() - the userdata at @index if it is of @kind; else NULL */
void *sandbox_object(lua_State *L, int index, enum object_kind kind);

/** sandbox_check_bufs() - raises an error where an append to a scratch buffer failed */
void sandbox_check_bufs(lua_State *L);

/* What each part adds; @env is on the top of the stack: the table of globals. */
void lua_base_open(lua_State *L);
void lua_table_open(lua_State *L);
void lua_string_open(lua_State *L);
void lua_decimal_open(lua_State *L);
void lua_json_open(lua_State *L);

/** lua_add_metered() - adds the standard functions @names of the library @library, at the top but
 * one of the stack, to the table at the top: each call costs steps by the size of its arguments */
void lua_add_metered(lua_State *L, const char *const *names);

/** lua_sort() - sorts elements 1..@n of the table at @index, stable
 * @less: whether the value at the top but one is less than that at the top; leaves both */
typedef bool (*lua_less_fn)(lua_State *L);
void lua_sort(lua_State *L, int index, lua_Integer n, lua_less_fn less);

/** lua_sorted_keys() - pushes an array of the keys of the table at @index in ascending order
 * Return: how many. */
lua_Integer lua_sorted_keys(lua_State *L, int index);
