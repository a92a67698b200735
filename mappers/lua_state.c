/*
 * Memory is counted in the allocator, steps in a count hook and in what library functions charge.
 * The allocator cannot raise errors: it gives no memory, and Lua raises its own. A stop is noted
 * in the sandbox, so that neither pcall in a script nor Lua's own text of it can hide it.
 */
#include "mappers/lua_state.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <time.h>

#define GC_PAUSE 1000 /* percent: a collection when garbage is nine times what lives */
#define GC_STEP  400

/* ---- limits ---- */

static void stop(struct sandbox *s, enum sandbox_stop why)
{
        if (s->stop == SANDBOX_RAN_ON)
                s->stop = why;
}

static void *take_memory(void *user, void *old, size_t old_size, size_t size)
{
        struct sandbox *s = user;

        if (!old)
                old_size = 0; /* it was the type of the object */
        if (size == 0) {
                free(old);
                s->held -= old_size;
                return NULL;
        }
        size_t more = size > old_size ? size - old_size : 0;
        if (more > SANDBOX_MAX_BYTES - s->held || size > SANDBOX_MAX_TAKEN - s->taken) {
                stop(s, SANDBOX_MEMORY);
                return NULL;
        }
        void *p = realloc(old, size);
        if (!p) {
                s->no_memory = true;
                return NULL;
        }
        s->held = s->held + size - old_size;
        s->taken += size;
        return p;
}

static int64_t processor_ns(void)
{
        struct timespec t;

        if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t))
                return 1;
        return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void look_at_clock(lua_State *L, struct sandbox *s)
{
        int64_t now = processor_ns();

        if (s->begun_ns == 0)
                s->begun_ns = now;
        if (now - s->begun_ns <= (int64_t)SANDBOX_MAX_MS * 1000000)
                return;
        stop(s, SANDBOX_TIME);
        luaL_error(L, "stopped");
}

void sandbox_charge(lua_State *L, size_t n)
{
        struct sandbox *s = sandbox_of(L);

        s->steps -= n < SANDBOX_MAX_STEPS ? (int64_t)n : SANDBOX_MAX_STEPS;
        if (s->steps > 0)
                return;
        stop(s, SANDBOX_STEPS);
        luaL_error(L, "stopped");
}

static void look(lua_State *L, lua_Debug *ar)
{
        sandbox_charge(L, SANDBOX_LOOK_EVERY);
        look_at_clock(L, sandbox_of(L));
}

static void begin(struct sandbox *s)
{
        s->steps = SANDBOX_MAX_STEPS;
        s->taken = 0;
        s->begun_ns = 0;
        s->stop = SANDBOX_RAN_ON;
        s->no_memory = false;
        s->explained = false;
        buf_clear(&s->text);
        buf_clear(&s->number);
}

/* ---- calls ---- */

void sandbox_clear(struct sandbox *s)
{
        lua_settop(s->L, 0);
        if (s->stop == SANDBOX_RAN_ON)
                return;
        lua_gc(s->L, LUA_GCCOLLECT, 0);
        s->stop = SANDBOX_RAN_ON;
}

/* What a status of Lua means to the caller. */
static int outcome(struct sandbox *s, int status)
{
        if (status == LUA_OK)
                return s->text.error == -ERR_NOMEM || s->number.error == -ERR_NOMEM ? -ERR_NOMEM
                                                                                    : 0;
        if (status == LUA_ERRMEM && s->stop == SANDBOX_RAN_ON && s->no_memory)
                return -ERR_NOMEM;
        if (s->text.error == -ERR_NOMEM || s->number.error == -ERR_NOMEM)
                return -ERR_NOMEM;
        return SANDBOX_FAILED;
}

/* The error's text where the top of the stack is one. */
static const char *message(lua_State *L)
{
        switch (lua_type(L, -1)) {
        case LUA_TSTRING:
                return lua_tostring(L, -1);
        case LUA_TTABLE:
                return "error() was given a table: give it a text";
        default:
                return "error() was given no text";
        }
}

int sandbox_protected(struct sandbox *s, lua_CFunction fn, void *arg, struct err *e)
{
        begin(s);
        lua_pushcfunction(s->L, fn);
        lua_pushlightuserdata(s->L, arg);
        int rc = outcome(s, lua_pcall(s->L, 1, 0, 0));
        if (rc == -ERR_NOMEM)
                rc = err_nomem(e, "expressions");
        else if (rc)
                rc = err_set(e, ERR_CONFIG, "%s", message(s->L));
        sandbox_clear(s);
        return rc;
}

int sandbox_call(struct sandbox *s, int ref)
{
        begin(s);
        lua_rawgeti(s->L, LUA_REGISTRYINDEX, ref);
        return outcome(s, lua_pcall(s->L, 0, 1, 0));
}

int sandbox_call_c(struct sandbox *s, lua_CFunction fn)
{
        lua_pushcfunction(s->L, fn);
        lua_insert(s->L, -2);
        return outcome(s, lua_pcall(s->L, 1, 0, 0));
}

/* What to do about Lua's own messages. */
static const struct {
        const char *text, *remedy;
} remedies[] = {
        {"call a nil value",
                "there is no such function here: a column's name, or a typing mistake?"},
        {" a nil value",
                "a NULL is nil: write what it means, as in (row.x or 0), or test it first"},
        {" with nil", "a NULL is nil: write what it means, as in (row.x or 0), or test it first"},
        {"nil with ", "a NULL is nil: write what it means, as in (row.x or 0), or test it first"},
        {" on a string value", "decimal(x) or tonumber(x) makes a number of a text"},
        {"number with string", "decimal(x) or tonumber(x) makes a number of a text"},
        {"string with number", "decimal(x) or tonumber(x) makes a number of a text"},
        {"got decimal",
                "tonumber(x) makes a float of a decimal, d:round(scale, rounding) a shorter one"},
        {"stack overflow", "it calls itself without an end"},
};

static const char *remedy_for(const char *text)
{
        for (size_t i = 0; i < sizeof(remedies) / sizeof(remedies[0]); i++)
                if (strstr(text, remedies[i].text))
                        return remedies[i].remedy;
        return "mend the expression, or the record in the ERP";
}

/* What stopped the call, to s->text. */
static void put_stop(struct sandbox *s)
{
        switch (s->stop) {
        case SANDBOX_STEPS:
                buf_printf(&s->text,
                        "it ran for more than %d steps, which is an endless loop or too much for "
                        "one record: do less, or do it in the query",
                        SANDBOX_MAX_STEPS);
                break;
        case SANDBOX_MEMORY:
                buf_printf(&s->text,
                        "it held more than %zu MiB, or took more than %zu MiB in all: work on less "
                        "at a time, or do it in the query",
                        SANDBOX_MAX_BYTES >> 20, SANDBOX_MAX_TAKEN >> 20);
                break;
        default:
                buf_printf(&s->text,
                        "it ran for more than %d s: work on less at a time, or do it in the query",
                        SANDBOX_MAX_MS / 1000);
                break;
        }
}

const char *sandbox_why(struct sandbox *s)
{
        const char *text = message(s->L);

        if (s->explained && s->stop == SANDBOX_RAN_ON)
                return text;
        buf_clear(&s->text);
        if (s->stop != SANDBOX_RAN_ON)
                put_stop(s);
        else
                buf_printf(&s->text, "%.*s; %s", ERR_TEXT_MAX, text, remedy_for(text));
        const char *whole = buf_cstr(&s->text);
        return whole ? whole : text;
}

/* ---- chunks ---- */

struct loading {
        struct str code;
        const char *name;
        int ref;
};

static int load(lua_State *L)
{
        struct loading *l = lua_touserdata(L, 1);
        struct sandbox *s = sandbox_of(L);

        if (luaL_loadbufferx(L, l->code.ptr, l->code.len, l->name, "t"))
                return lua_error(L);
        lua_rawgeti(L, LUA_REGISTRYINDEX, s->env);
        if (!lua_setupvalue(L, -2, 1))
                lua_pop(L, 1);
        l->ref = luaL_ref(L, LUA_REGISTRYINDEX);
        return 0;
}

int sandbox_load(struct sandbox *s, struct str code, const char *name, int *ref, struct err *e)
{
        struct loading l = {code, name, LUA_NOREF};
        int rc = sandbox_protected(s, load, &l, e);

        if (!rc)
                *ref = l.ref;
        return rc;
}

static int load_only(lua_State *L)
{
        struct loading *l = lua_touserdata(L, 1);

        if (luaL_loadbufferx(L, l->code.ptr, l->code.len, l->name, "t"))
                return lua_error(L);
        return 0;
}

static struct sandbox *sandbox_new(void)
{
        struct sandbox *s = calloc(1, sizeof(*s));

        if (!s)
                return NULL;
        buf_init(&s->text, SANDBOX_MAX_BYTES);
        buf_init(&s->number, SANDBOX_MAX_BYTES);
        s->L = lua_newstate(take_memory, s);
        if (!s->L)
                return sandbox_free(s);
        *(struct sandbox **)lua_getextraspace(s->L) = s;
        return s;
}

struct sandbox *sandbox_free(struct sandbox *s)
{
        if (s) {
                if (s->L)
                        lua_close(s->L);
                buf_deinit(&s->text);
                buf_deinit(&s->number);
                free(s);
        }
        return NULL;
}

int sandbox_check_syntax(struct str code, const char *name, struct err *e)
{
        cleanup_(sandbox_freep) struct sandbox *s = sandbox_new();
        struct loading l = {code, name, LUA_NOREF};

        if (!s)
                return err_nomem(e, "an expression");
        return sandbox_protected(s, load_only, &l, e);
}

/* ---- opening ---- */

static int refuse_write(lua_State *L)
{
        const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";

        return sandbox_error(L, "'%s' is not a local variable: write local %s = ...", name, name);
}

static int unknown_global(lua_State *L)
{
        const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";

        return sandbox_error(L, "there is no '%s' here: a column is row.%s", name, name);
}

static int unknown_member(lua_State *L)
{
        const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";

        return sandbox_error(L, "there is no function '%s' here", name);
}

static int refuse_change(lua_State *L)
{
        return sandbox_error(
                L, "this table cannot be changed: copy what you need into a local one");
}

/* Replaces the table at the top by an empty one that shows it and cannot be changed. */
static void make_read_only(lua_State *L, lua_CFunction on_write, lua_CFunction on_miss)
{
        if (on_miss) {
                lua_createtable(L, 0, 1);
                lua_pushcfunction(L, on_miss);
                lua_setfield(L, -2, "__index");
                lua_setmetatable(L, -2);
        }
        lua_createtable(L, 0, 2);
        lua_insert(L, -2);
        lua_setfield(L, -2, "__index");
        lua_pushcfunction(L, on_write);
        lua_setfield(L, -2, "__newindex");
        lua_newtable(L);
        lua_insert(L, -2);
        lua_setmetatable(L, -2);
}

/* The libraries inside the table of globals. */
static void protect_libraries(lua_State *L)
{
        static const char *const names[] = {"string", "table", "math", "utf8"};

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                lua_getfield(L, -1, names[i]);
                make_read_only(L, refuse_change, unknown_member);
                lua_setfield(L, -2, names[i]);
        }
}

static int open_library(lua_State *L)
{
        struct sandbox *s = sandbox_of(L);

        lua_newtable(L);
        lua_base_open(L);
        lua_table_open(L);
        lua_string_open(L);
        lua_decimal_open(L);
        lua_json_open(L);
        protect_libraries(L);
        make_read_only(L, refuse_write, unknown_global);
        s->env = luaL_ref(L, LUA_REGISTRYINDEX);
        lua_gc(L, LUA_GCINC, GC_PAUSE, GC_STEP, 0);
        lua_sethook(L, look, LUA_MASKCOUNT, SANDBOX_LOOK_EVERY);
        return 0;
}

int sandbox_open(struct sandbox **out, struct err *e)
{
        cleanup_(sandbox_freep) struct sandbox *s = sandbox_new();

        if (!s)
                return err_nomem(e, "expressions");
        int rc = sandbox_protected(s, open_library, NULL, e);
        if (rc)
                return rc;
        *out = TAKE(s);
        return 0;
}

/* ---- for the library ---- */

int sandbox_error(lua_State *L, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        luaL_where(L, 1);
        lua_pushvfstring(L, fmt, ap);
        va_end(ap);
        lua_concat(L, 2);
        sandbox_of(L)->explained = true;
        return lua_error(L);
}

void *sandbox_new_object(lua_State *L, enum object_kind kind, size_t size, int values, int meta)
{
        struct object *o = lua_newuserdatauv(L, size, values);

        o->kind = kind;
        lua_rawgeti(L, LUA_REGISTRYINDEX, meta);
        lua_setmetatable(L, -2);
        return o;
}

void *sandbox_object(lua_State *L, int index, enum object_kind kind)
{
        struct object *o = lua_type(L, index) == LUA_TUSERDATA ? lua_touserdata(L, index) : NULL;

        return o && o->kind == kind ? o : NULL;
}

void sandbox_check_bufs(lua_State *L)
{
        struct sandbox *s = sandbox_of(L);

        if (!s->text.error && !s->number.error)
                return;
        if (s->text.error == -ERR_REJECT || s->number.error == -ERR_REJECT)
                stop(s, SANDBOX_MEMORY);
        luaL_error(L, "not enough memory");
}

static int metered(lua_State *L)
{
        int n = lua_gettop(L);
        size_t steps = (size_t)n;

        for (int i = 1; i <= n; i++) {
                int type = lua_type(L, i);
                if (type == LUA_TSTRING)
                        steps +=
                                lua_rawlen(L, i) / 64; /* bytes that one instruction's time moves */
                else if (type == LUA_TTABLE)
                        steps += lua_rawlen(L, i);
        }
        sandbox_charge(L, steps);
        return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

void lua_add_metered(lua_State *L, const char *const *names)
{
        for (; *names; names++) {
                lua_getfield(L, -2, *names);
                if (lua_iscfunction(L, -1))
                        lua_pushcclosure(L, metered, 1);
                lua_setfield(L, -2, *names);
        }
}
