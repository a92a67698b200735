/*
 * Expressions while a record is rendered. What an expression gives is a value of the kind that its
 * Lua type says, and takes the field's chain like any other.
 */
#include "mappers/program.h"

#include <math.h>
#include <stdio.h>

#include "mappers/lua_decimal.h"
#include "mappers/lua_json.h"
#include "mappers/lua_record.h"
#include "mappers/lua_state.h"

/* Memory that is missing is found by render_check(). */
static int no_memory(struct render *r)
{
        r->out->error = -ERR_NOMEM;
        return 0;
}

static int reject_failure(struct render *r, const struct expr *x)
{
        int rc = reject(r, "%s failed: %s", x->spec->what, sandbox_why(r->lua));

        sandbox_clear(r->lua);
        return rc;
}

/* Leaves the value on the stack. Return: 0; MAPPER_REJECT; -ERR_NOMEM. */
static int evaluate(struct render *r, const struct plan *p, const struct expr *x)
{
        struct lua_record *rec = r->lua->record;

        r->plan = p;
        rec->scope = p->scope;
        rec->expr = x;
        int rc = sandbox_call(r->lua, x->chunk);
        if (rc == SANDBOX_FAILED)
                return reject_failure(r, x);
        if (rc)
                sandbox_clear(r->lua);
        return rc;
}

/* Called with the value on the stack. */
static int put_result_json(lua_State *L)
{
        lua_json_put(L, 1, &sandbox_of(L)->record->r->lua_result);
        return 0;
}

/* A table, or what is no value. */
static int put_json(struct render *r, const struct op *op, struct expr *x)
{
        render_reuse(&r->lua_result);
        int rc = sandbox_call_c(r->lua, put_result_json);
        if (rc == SANDBOX_FAILED)
                return reject_failure(r, x);
        sandbox_clear(r->lua);
        return rc ? rc : render_member(r, op, COL_JSON, buf_str(&r->lua_result));
}

static int put_float(struct render *r, const struct op *op, double v)
{
        if (isfinite(v)) {
                json_put_double(&r->lua_result, v);
                return render_member(r, op, COL_FLOAT8, buf_str(&r->lua_result));
        }
        buf_puts(&r->lua_result, isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity");
        return render_member(r, op, COL_FLOAT8, buf_str(&r->lua_result));
}

static int put_number(struct render *r, const struct op *op, lua_State *L)
{
        if (!lua_isinteger(L, 1))
                return put_float(r, op, lua_tonumber(L, 1));
        buf_printf(&r->lua_result, "%lld", (long long)lua_tointeger(L, 1));
        return render_member(r, op, COL_INT, buf_str(&r->lua_result));
}

/* The value at 1 as a member. */
static int put_value(struct render *r, const struct op *op, struct expr *x)
{
        lua_State *L = r->lua->L;
        const struct big *d = sandbox_object(L, 1, OBJECT_DECIMAL);
        struct str s;

        render_reuse(&r->lua_result);
        x->gave_decimal = d && !d->json;
        if (x->gave_decimal) {
                big_put(d, &r->lua_result);
                return render_member(r, op, COL_NUMERIC, buf_str(&r->lua_result));
        }
        switch (lua_type(L, 1)) {
        case LUA_TNIL:
        case LUA_TLIGHTUSERDATA:
                return render_null(r, op);
        case LUA_TBOOLEAN:
                return render_member(r, op, COL_BOOL, lua_toboolean(L, 1) ? STR("t") : STR("f"));
        case LUA_TNUMBER:
                return put_number(r, op, L);
        case LUA_TSTRING:
                s.ptr = lua_tolstring(L, 1, &s.len);
                return render_member(r, op, COL_TEXT, s);
        default:
                return put_json(r, op, x);
        }
}

int op_expr(struct render *r, const struct op *op)
{
        struct expr *x = op->plan->expr;
        int rc = evaluate(r, op->plan, x);

        if (!rc) {
                rc = put_value(r, op, x);
                sandbox_clear(r->lua);
        }
        return rc < 0 ? no_memory(r) : rc;
}

/* ---- when ---- */

/* Members that are not rendered must not show what another record left in their slots. */
static void forget_members(struct render *r, const struct plan *p)
{
        for (size_t i = 0; p->members && !p->inner && i < p->spec->field_count; i++) {
                const struct plan *member = &p->members[i];
                if (member->slot != NO_SLOT)
                        r->slots[member->slot] = (struct slot){NULL, 0, 0};
                forget_members(r, member);
        }
}

/* Whether the `when` of @p wants it. Return: 0, MAPPER_REJECT, -ERR_NOMEM. */
static int ask_when(struct render *r, const struct plan *p, bool *wanted)
{
        int rc = evaluate(r, p, p->when);

        *wanted = false;
        if (rc)
                return rc;
        lua_State *L = r->lua->L;
        *wanted = lua_toboolean(L, 1) && lua_type(L, 1) != LUA_TLIGHTUSERDATA;
        sandbox_clear(r->lua);
        return 0;
}

int op_when(struct render *r, const struct op *op)
{
        const struct plan *p = op->plan;
        bool wanted;
        int rc = ask_when(r, p, &wanted);

        if (rc)
                return rc < 0 ? no_memory(r) : rc;
        if (wanted)
                return p->always(r, op);
        forget_members(r, p);
        return 0;
}

/* From the outermost object on: what stands inside may rely on it. */
static int ask_guards(struct render *r, const struct plan *object, bool *wanted)
{
        int rc = 0;

        *wanted = true;
        if (!object)
                return 0;
        rc = ask_guards(r, object->around, wanted);
        if (rc || !*wanted || !object->when || object->looks_inside)
                return rc;
        return ask_when(r, object, wanted);
}

/* A field that is rendered before the objects around it is there only if they will be. */
int op_guarded(struct render *r, const struct op *op)
{
        const struct plan *p = op->plan;
        bool wanted;
        int rc = ask_guards(r, p->around, &wanted);

        if (rc)
                return rc < 0 ? no_memory(r) : rc;
        if (wanted)
                return op_tracked(r, op);
        r->slots[p->slot] = (struct slot){NULL, 0, 0};
        return 0;
}
