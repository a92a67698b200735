/*
 * Names are Lua tables made once: a column's name gives its index from 1, a child's name the
 * negative of its own. The objects themselves hold nothing but, for rows of a child, which one:
 * nothing is made for a record that no expression asks for.
 */
#include "mappers/lua_record.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "mappers/array_text.h"
#include "mappers/lua_decimal.h"
#include "mappers/lua_json.h"
#include "mappers/lua_state.h"

#define FLOAT_BYTES    64 /* longer is no float */
#define MAX_DIMENSIONS 6  /* PostgreSQL's own limit */

struct lines {
        struct object object;
        size_t child, row;
};

/* ---- values ---- */

static void push_integer(lua_State *L, const char *name, struct str text)
{
        int64_t v;

        if (str_to_int64(text, &v))
                lua_pushinteger(L, v);
        else if (!big_push_text(L, text))
                luaL_error(L, "column '%s' is not an integer", name);
}

static void push_numeric(lua_State *L, const char *name, struct str text)
{
        if (!big_push_text(L, text))
                sandbox_error(L,
                        "column '%s' is not a number that a decimal can be (NaN, Infinity): "
                        "make it NULL in the query",
                        name);
}

static void push_float(lua_State *L, const char *name, struct str text)
{
        char copy[FLOAT_BYTES];
        char *end;

        if (text.len == 0 || text.len >= sizeof(copy))
                luaL_error(L, "column '%s' is not a float", name);
        memcpy(copy, text.ptr, text.len);
        copy[text.len] = '\0';
        double v = strtod(copy, &end);
        if (*end)
                luaL_error(L, "column '%s' is not a float", name);
        lua_pushnumber(L, v);
}

/* The text that a document would have. */
static void push_converted(lua_State *L, struct lua_record *rec, const struct column *c,
        enum col_kind kind, struct str text)
{
        struct render *r = rec->r;
        struct chain chain = {.scale = DECIMAL_AS_IS, .zone = rec->expr->zone};
        struct buf *before = r->out;

        render_reuse(&r->lua_value);
        r->out = &r->lua_value;
        int rc = convert_find(kind, FIELD_TYPE_NONE)(r, &chain, text);
        r->out = before;
        if (r->lua_value.error)
                luaL_error(L, "not enough memory");
        if (rc)
                sandbox_error(L, "column '%s': %s", c->name, buf_cstr(&r->reject_reason));
        /* quotes around it, and nothing in these kinds that needs escapes */
        lua_pushlstring(L, r->lua_value.data + 1, r->lua_value.len - 2);
}

/* A whole value that is a JSON null is a NULL to fields, and nil here; `null` stands inside. */
static void push_json(lua_State *L, struct str text)
{
        lua_json_push(L, text);
        if (lua_type(L, -1) == LUA_TLIGHTUSERDATA) {
                lua_pop(L, 1);
                lua_pushnil(L);
        }
}

static void push_array(lua_State *L, struct lua_record *rec, const struct column *c,
        struct str text, int dimensions);

static void push_kind(lua_State *L, struct lua_record *rec, const struct column *c,
        enum col_kind kind, struct str text)
{
        switch (kind) {
        case COL_TEXT:
                lua_pushlstring(L, text.ptr, text.len);
                break;
        case COL_CHAR:
                while (text.len > 0 && text.ptr[text.len - 1] == ' ')
                        text.len--;
                lua_pushlstring(L, text.ptr, text.len);
                break;
        case COL_BOOL:
                lua_pushboolean(L, str_is(text, "t"));
                break;
        case COL_INT:
                push_integer(L, c->name, text);
                break;
        case COL_NUMERIC:
                push_numeric(L, c->name, text);
                break;
        case COL_FLOAT4:
        case COL_FLOAT8:
                push_float(L, c->name, text);
                break;
        case COL_JSON:
                lua_json_push(L, text);
                break;
        case COL_ARRAY:
                push_array(L, rec, c, text, MAX_DIMENSIONS);
                break;
        default:
                push_converted(L, rec, c, kind, text);
                break;
        }
}

static void push_array(lua_State *L, struct lua_record *rec, const struct column *c,
        struct str text, int dimensions)
{
        struct render *r = rec->r;
        struct array_walk w;
        enum array_item item;
        struct str element;
        lua_Integer n = 0;

        luaL_checkstack(L, 8, "arrays");
        lua_newtable(L);
        if (dimensions == 0 || !array_open(&w, text, c->delimiter ? c->delimiter : ','))
                luaL_error(L, "column '%s' is not an array", c->name);
        while ((item = array_next(&w, &r->lua_element, &element)) != ARRAY_END) {
                sandbox_charge(L, 1);
                if (item == ARRAY_BAD)
                        luaL_error(L, "column '%s' is not an array", c->name);
                if (item == ARRAY_NULL)
                        lua_pushlightuserdata(L, NULL);
                else if (item == ARRAY_NESTED)
                        push_array(L, rec, c, element, dimensions - 1);
                else
                        push_kind(L, rec, c, c->elem, element);
                lua_rawseti(L, -2, ++n);
        }
}

static int push_column(
        lua_State *L, struct lua_record *rec, const struct column *c, const struct value *v)
{
        if (!v->ptr)
                lua_pushnil(L);
        else if (c->kind == COL_JSON)
                push_json(L, (struct str){v->ptr, v->len});
        else
                push_kind(L, rec, c, c->kind, (struct str){v->ptr, v->len});
        return 1;
}

/* ---- names ---- */

/* What the name at 2 is in the table @names; 0: nothing. */
static lua_Integer find_name(lua_State *L, int names)
{
        lua_rawgeti(L, LUA_REGISTRYINDEX, names);
        lua_pushvalue(L, 2);
        lua_rawget(L, -2);
        lua_Integer i = lua_tointeger(L, -1);
        lua_pop(L, 2);
        return i;
}

static int unknown_name(lua_State *L, const struct lua_record *rec, const struct columns *columns)
{
        const char *names[RECORD_MAX_COLUMNS + RECORD_MAX_CHILDREN];
        size_t count = 0;
        struct str name;

        if (lua_type(L, 2) != LUA_TSTRING)
                return sandbox_error(
                        L, "columns are named by texts, not by a %s", luaL_typename(L, 2));
        name.ptr = lua_tolstring(L, 2, &name.len);
        for (size_t i = 0; columns && i < columns->count && count < RECORD_MAX_COLUMNS; i++)
                names[count++] = columns->items[i].name;
        for (size_t i = 0; rec && i < rec->shape->child_count && count < RECORD_MAX_COLUMNS; i++)
                names[count++] = rec->shape->children[i].name;
        const char *near = name.len < ERR_TEXT_MAX ? str_nearest(name, names, count) : NULL;
        return near ? sandbox_error(
                              L, "there is no column '%s'; did you mean '%s'?", name.ptr, near)
                    : sandbox_error(L,
                              "there is no column '%s'; leave it out, or add it to the query",
                              name.ptr);
}

static void push_lines(lua_State *L, struct lua_record *rec, size_t child)
{
        struct lines *l = sandbox_new_object(L, OBJECT_LINES, sizeof(*l), 0, rec->lines_meta);

        l->child = child;
}

static int record_index(lua_State *L)
{
        struct lua_record *rec = sandbox_of(L)->record;
        lua_Integer i = find_name(L, rec->record_names);

        if (i > 0)
                return push_column(
                        L, rec, &rec->shape->columns.items[i - 1], &rec->r->record->row[i - 1]);
        if (i == 0)
                return unknown_name(L, rec, &rec->shape->columns);
        push_lines(L, rec, (size_t)(-i - 1));
        return 1;
}

/* The member of the JSON element that is rendered; pushes nothing where it has none. */
static bool push_member(lua_State *L, struct lua_record *rec)
{
        struct render *r = rec->r;
        struct str name;
        struct datum d;

        name.ptr = luaL_checklstring(L, 2, &name.len);
        render_reuse(&r->lua_value);
        if (!json_put_string(&r->lua_value, name) || r->lua_value.error)
                return false;
        struct locate_step step = {.name = buf_str(&r->lua_value)};
        struct locate where = {.from = LOCATE_ELEMENT,
                .steps = &step,
                .step_count = 1,
                .element_value = str_is(name, "value")};
        sandbox_charge(L, r->element.len / 32 + 1);
        if (locate_get(r, &where, &d))
                sandbox_error(L, "%s", buf_cstr(&r->reject_reason));
        if (!d.text.ptr)
                return false;
        push_json(L, d.text);
        return true;
}

static int row_index(lua_State *L)
{
        struct lua_record *rec = sandbox_of(L)->record;
        const struct scope *scope = rec->scope;

        if (!scope->outer)
                return record_index(L);
        if (scope->columns) {
                lua_Integer i = find_name(L, scope->names);
                if (i > 0)
                        return push_column(
                                L, rec, &scope->columns->items[i - 1], &rec->r->row[i - 1]);
                if (find_name(L, rec->record_names) == 0)
                        return unknown_name(L, rec, scope->columns);
                return record_index(L);
        }
        if (push_member(L, rec))
                return 1;
        if (find_name(L, rec->record_names) != 0)
                return record_index(L);
        lua_pushnil(L);
        return 1;
}

/* ---- rows of a child ---- */

static const struct child_rows *rows_of(const struct lua_record *rec, const struct lines *l)
{
        return &rec->r->record->children[l->child];
}

static int lines_length(lua_State *L)
{
        struct lua_record *rec = sandbox_of(L)->record;
        const struct lines *l = sandbox_object(L, 1, OBJECT_LINES);

        lua_pushinteger(L, l ? (lua_Integer)rows_of(rec, l)->count : 0);
        return 1;
}

static int lines_index(lua_State *L)
{
        struct lua_record *rec = sandbox_of(L)->record;
        const struct lines *l = sandbox_object(L, 1, OBJECT_LINES);
        lua_Integer i = lua_tointeger(L, 2);

        if (l && !lua_isinteger(L, 2))
                return sandbox_error(L,
                        "the rows of '%s' are numbered from 1: write ipairs(row.%s)",
                        rec->shape->children[l->child].name, rec->shape->children[l->child].name);
        if (!l || i < 1 || (size_t)i > rows_of(rec, l)->count)
                return 0;
        struct lines *line = sandbox_new_object(L, OBJECT_LINE, sizeof(*line), 0, rec->line_meta);
        line->child = l->child;
        line->row = (size_t)i - 1;
        return 1;
}

static int line_index(lua_State *L)
{
        struct lua_record *rec = sandbox_of(L)->record;
        const struct lines *l = sandbox_object(L, 1, OBJECT_LINE);

        if (!l)
                return 0;
        const struct columns *columns = &rec->shape->children[l->child].columns;
        lua_Integer i = find_name(L, rec->child_names[l->child]);
        if (i == 0)
                return unknown_name(L, NULL, columns);
        return push_column(L, rec, &columns->items[i - 1],
                &rows_of(rec, l)->values[l->row * columns->count + (size_t)i - 1]);
}

/* ---- fields ---- */

/* Whether the field's text is that of a decimal. */
static bool is_decimal(const struct plan *p)
{
        const struct chain *c = &p->chain;

        if (p->spec->origin == FIELD_EXPR && p->expr->gave_decimal && c->type == FIELD_TYPE_NONE)
                return true;
        if (c->has_map)
                return false;
        if (c->type == FIELD_TYPE_DECIMAL)
                return c->as == AS_STRING;
        return (p->spec->origin == FIELD_FROM || p->spec->origin == FIELD_LOOKUP) &&
               c->type == FIELD_TYPE_NONE && p->locate.kind == COL_NUMERIC;
}

static void push_field(lua_State *L, const struct lua_record *rec, const struct plan *p)
{
        const struct slot *slot = &rec->r->slots[p->slot];
        size_t start = slot->start + p->prefix.len;

        if (!slot->in || slot->end <= start) {
                lua_pushnil(L);
                return;
        }
        struct str json = {slot->in->data + start, slot->end - start};
        if (json.len > 2 && *json.ptr == '"' && is_decimal(p) &&
                big_push_text(L, (struct str){json.ptr + 1, json.len - 2}))
                return;
        push_json(L, json);
}

/* `doc` itself has no user value: its names are those of the expression that runs. */
static int doc_index(lua_State *L)
{
        struct lua_record *rec = sandbox_of(L)->record;

        if (lua_getiuservalue(L, 1, 1) != LUA_TTABLE)
                lua_rawgeti(L, LUA_REGISTRYINDEX, rec->expr->names);
        lua_pushvalue(L, 2);
        switch (lua_rawget(L, -2)) {
        case LUA_TNUMBER:
                push_field(L, rec, rec->expr->fields[lua_tointeger(L, -1)]);
                return 1;
        case LUA_TTABLE:
                sandbox_new_object(L, OBJECT_DOC, sizeof(struct object), 1, rec->doc_meta);
                lua_insert(L, -2);
                lua_setiuservalue(L, -2, 1);
                return 1;
        default:
                return sandbox_error(L, "doc needs the name of a field: doc.NAME");
        }
}

/* ---- opening ---- */

static int refuse_write(lua_State *L)
{
        return sandbox_error(L, "row, record and doc cannot be changed: write local x = ...");
}

static int push_meta(lua_State *L, const char *name, lua_CFunction index)
{
        lua_createtable(L, 0, 5);
        lua_pushstring(L, name);
        lua_setfield(L, -2, "__name");
        lua_pushcfunction(L, index);
        lua_setfield(L, -2, "__index");
        lua_pushcfunction(L, refuse_write);
        lua_setfield(L, -2, "__newindex");
        if (index == lines_index) {
                lua_pushcfunction(L, lines_length);
                lua_setfield(L, -2, "__len");
        }
        return luaL_ref(L, LUA_REGISTRYINDEX);
}

static int make_names(lua_State *L, const struct columns *columns, const struct shape *children)
{
        lua_createtable(L, 0, (int)columns->count);
        for (size_t i = 0; children && i < children->child_count; i++) {
                lua_pushinteger(L, -(lua_Integer)i - 1);
                lua_setfield(L, -2, children->children[i].name);
        }
        for (size_t i = 0; i < columns->count; i++) {
                lua_pushinteger(L, (lua_Integer)i + 1);
                lua_setfield(L, -2, columns->items[i].name);
        }
        return luaL_ref(L, LUA_REGISTRYINDEX);
}

/* At the top: the table behind the globals. */
static void add_global(lua_State *L, const char *name, enum object_kind kind, int meta, int values)
{
        sandbox_new_object(L, kind, sizeof(struct object), values, meta);
        lua_setfield(L, -2, name);
}

static int open_record(lua_State *L)
{
        struct lua_record *rec = lua_touserdata(L, 1);

        rec->record_names = make_names(L, &rec->shape->columns, rec->shape);
        for (size_t i = 0; i < rec->shape->child_count; i++)
                rec->child_names[i] = make_names(L, &rec->shape->children[i].columns, NULL);
        rec->lines_meta = push_meta(L, "rows", lines_index);
        rec->line_meta = push_meta(L, "row", line_index);
        rec->doc_meta = push_meta(L, "doc", doc_index);
        lua_rawgeti(L, LUA_REGISTRYINDEX, sandbox_of(L)->env);
        lua_getmetatable(L, -1);
        lua_getfield(L, -1, "__index");
        add_global(L, "row", OBJECT_ROW, push_meta(L, "row", row_index), 0);
        add_global(L, "record", OBJECT_RECORD, push_meta(L, "record", record_index), 0);
        add_global(L, "doc", OBJECT_DOC, rec->doc_meta, 1);
        return 0;
}

int lua_record_open(struct render *r, const struct shape *shape, struct arena *arena, struct err *e)
{
        struct lua_record *rec = arena_alloc(arena, sizeof(*rec));
        int *child_names = arena_array(arena, shape->child_count, sizeof(int));

        if (!rec || !child_names)
                return arena_failed(arena, "a compiled mapper", e);
        *rec = (struct lua_record){.r = r, .shape = shape, .child_names = child_names};
        r->lua->record = rec;
        return sandbox_protected(r->lua, open_record, rec, e);
}

static int open_scope(lua_State *L)
{
        struct scope *scope = lua_touserdata(L, 1);

        scope->names = make_names(L, scope->columns, NULL);
        return 0;
}

int lua_record_scope(struct render *r, struct scope *scope, struct err *e)
{
        if (scope->names || !scope->columns)
                return 0;
        return sandbox_protected(r->lua, open_scope, scope, e);
}

/* A tree of names: the leaves are indexes of x->fields. */
static int open_fields(lua_State *L)
{
        struct expr *x = lua_touserdata(L, 1);

        lua_newtable(L);
        for (size_t i = 0; i < x->field_count; i++) {
                const struct expr_name *name = x->field_names[i];
                int depth = x->field_depths[i];
                lua_pushvalue(L, -1);
                for (int k = 0; k < depth - 1; k++) {
                        lua_pushlstring(L, name->steps[k].ptr, name->steps[k].len);
                        if (lua_rawget(L, -2) == LUA_TNIL) {
                                lua_pop(L, 1);
                                lua_newtable(L);
                                lua_pushlstring(L, name->steps[k].ptr, name->steps[k].len);
                                lua_pushvalue(L, -2);
                                lua_rawset(L, -4);
                        }
                        lua_remove(L, -2);
                        if (!lua_istable(L, -1)) /* the whole object is there */
                                break;
                }
                if (lua_istable(L, -1)) {
                        lua_pushlstring(L, name->steps[depth - 1].ptr, name->steps[depth - 1].len);
                        lua_pushinteger(L, (lua_Integer)i);
                        lua_rawset(L, -3);
                }
                lua_pop(L, 1);
        }
        x->names = luaL_ref(L, LUA_REGISTRYINDEX);
        return 0;
}

int lua_record_fields(struct render *r, struct expr *x, struct err *e)
{
        return sandbox_protected(r->lua, open_fields, x, e);
}
