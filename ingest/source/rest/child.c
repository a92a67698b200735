/*
 * The window is a ring. A slot holds a copy of its parent's values and a call for each child; a
 * call is a walk of pages whose records are written behind each other. Slots that cannot begin a
 * call because others of that child are under way begin it when one of those ends.
 */
#include "ingest/source/rest/child.h"

#include <stdio.h>

#include "ingest/source/rest/shape.h"
#include "ingest/source/rest/walk.h"

#define WINDOW_MAX   64         /* parents whose calls are under way */
#define WINDOW_BYTES (16 << 20) /* of parents and children in it: about one reply ahead */
#define REASON_MAX   ERR_TEXT_MAX

struct slot;

struct child_call {
        struct slot *slot;
        size_t child;           /* of the extract */
        struct rest_walk *walk; /* owned; NULL: not begun, or reaped */
        bool begun, done;
        struct buf array;
        size_t records;
};

struct slot {
        struct rest_children *all;
        struct value *values; /* of the parent */
        char *bytes;
        size_t size;
        struct rest_var *vars;
        struct buf var_text; /* what has escapes */
        struct child_call *calls;
        struct buf mark;
        bool keyless; /* a reject that has no values, but its key */
        struct buf key;
        char reason[REASON_MAX];
};

struct rest_children {
        struct rest_children_plan plan;
        size_t *child; /* of the extract: those that are used */
        int *column;
        size_t *running; /* calls of each */
        size_t child_count;
        struct slot *slots;
        size_t window, first, count;
        size_t bytes; /* of parents, and of children that are whole */
        bool cancelled;
        int rc;
        struct err err;
};

#define MARK_MAX (2 << 20)

/* ---- made ---- */

static int find_used(struct rest_children *c, struct err *e)
{
        const struct extract *x = c->plan.x;

        c->child = calloc(x->child_count + 1, sizeof(*c->child));
        c->column = calloc(x->child_count + 1, sizeof(*c->column));
        c->running = calloc(x->child_count + 1, sizeof(*c->running));
        if (!c->child || !c->column || !c->running)
                return err_nomem(e, "children");
        c->window = 1;
        for (size_t i = 0; i < x->child_count; i++) {
                int column = rest_shape_child(x, c->plan.shape, i);
                size_t concurrency = (size_t)rest_own(x)->children[i].concurrency;

                if (column < 0)
                        continue;
                c->child[c->child_count] = i;
                c->column[c->child_count++] = column;
                if (concurrency > c->window)
                        c->window = concurrency < WINDOW_MAX ? concurrency : WINDOW_MAX;
        }
        return 0;
}

static int init_slot(struct rest_children *c, struct slot *s, struct err *e)
{
        size_t columns = c->plan.shape->columns.count;

        s->all = c;
        buf_init(&s->var_text, RECORD_MAX_BYTES);
        buf_init(&s->mark, MARK_MAX);
        buf_init(&s->key, RECORD_MAX_BYTES);
        s->values = calloc(columns, sizeof(*s->values));
        s->vars = calloc(columns + c->plan.shape->key_count, sizeof(*s->vars));
        s->calls = calloc(c->child_count, sizeof(*s->calls));
        if (!s->values || !s->vars || !s->calls)
                return err_nomem(e, "children");
        for (size_t i = 0; i < c->child_count; i++) {
                s->calls[i].slot = s;
                s->calls[i].child = i;
                buf_init(&s->calls[i].array, RECORD_MAX_BYTES);
        }
        return 0;
}

int rest_children_new(
        const struct rest_children_plan *plan, struct rest_children **out, struct err *e)
{
        cleanup_(rest_children_freep) struct rest_children *c = calloc(1, sizeof(*c));

        *out = NULL;
        if (!c)
                return err_nomem(e, "children");
        c->plan = *plan;
        int rc = find_used(c, e);
        if (rc || c->child_count == 0)
                return rc;
        c->slots = calloc(c->window, sizeof(*c->slots));
        if (!c->slots)
                return err_nomem(e, "children");
        for (size_t i = 0; !rc && i < c->window; i++)
                rc = init_slot(c, &c->slots[i], e);
        if (!rc)
                *out = TAKE(c);
        return rc;
}

static void slot_deinit(struct rest_children *c, struct slot *s)
{
        for (size_t i = 0; s->calls && i < c->child_count; i++) {
                rest_walk_free(s->calls[i].walk);
                buf_deinit(&s->calls[i].array);
        }
        buf_deinit(&s->var_text);
        buf_deinit(&s->mark);
        buf_deinit(&s->key);
        free(s->calls);
        free(s->vars);
        free(s->values);
        free(s->bytes);
}

struct rest_children *rest_children_free(struct rest_children *c)
{
        if (!c)
                return NULL;
        for (size_t i = 0; c->slots && i < c->window; i++)
                slot_deinit(c, &c->slots[i]);
        free(c->slots);
        free(c->child);
        free(c->column);
        free(c->running);
        free(c);
        return NULL;
}

/* ---- calls ---- */

static struct slot *slot_at(const struct rest_children *c, size_t i)
{
        return &c->slots[(c->first + i) % c->window];
}

static const struct rest_child *spec_of(const struct child_call *call)
{
        const struct rest_children *c = call->slot->all;

        return &rest_own(c->plan.x)->children[c->child[call->child]];
}

static void too_large(struct child_call *call)
{
        struct slot *s = call->slot;

        snprintf(s->reason, sizeof(s->reason),
                "the records of child %s have more than the limit of %d bytes", spec_of(call)->name,
                RECORD_MAX_BYTES);
        buf_clear(&call->array);
        buf_puts(&call->array, "[");
}

static int on_record(void *ctx, struct str text, struct err *e)
{
        struct child_call *call = ctx;

        (void)e;
        if (call->slot->reason[0])
                return 0;
        if (call->records++ > 0)
                buf_putc(&call->array, ',');
        buf_put_str(&call->array, text);
        if (call->array.error == -ERR_NOMEM)
                return buf_check(&call->array, "children", e);
        if (call->array.error)
                too_large(call);
        return 0;
}

static int on_oversize(void *ctx, struct str head, struct err *e)
{
        (void)head;
        (void)e;
        too_large(ctx);
        return 0;
}

static void fail(struct rest_children *c, int rc, const struct err *e)
{
        if (!c->rc) {
                c->rc = rc;
                c->err = *e;
        }
}

static void on_end(void *ctx, int rc, const struct err *e)
{
        struct child_call *call = ctx;
        struct rest_children *c = call->slot->all;

        call->done = true;
        c->running[call->child]--;
        buf_putc(&call->array, ']');
        c->bytes += call->array.len;
        if (rc && !c->cancelled) {
                struct err why = *e;
                err_wrap(&why, rc, "child %s", spec_of(call)->name);
                fail(c, rc, &why);
        }
        c->plan.on_change(c->plan.ctx);
}

/* The columns of the parent, and the parts of its key by the paths that name them. */
static int set_vars(struct slot *s, size_t *count, struct err *e)
{
        const struct rest_children_plan *p = &s->all->plan;
        const struct string_list *keys = rest_key_paths(p->x);
        size_t columns = p->shape->columns.count - p->shape->key_count, n = 0;

        buf_clear(&s->var_text);
        if (!buf_room(&s->var_text, s->size + 1)) /* so that it never moves under a value */
                return buf_check(&s->var_text, "the columns of a parent", e);
        for (size_t i = 0; i < columns; i++) {
                struct str json = {s->values[i].ptr, s->values[i].len}, text;
                struct err ignored;

                if (!json.ptr || rest_value_text(json, &s->var_text, &text, &ignored) != 0)
                        continue;
                s->vars[n++] = (struct rest_var){
                        .name = str_of(p->shape->columns.items[i].name),
                        .value = text,
                        .number = json.ptr[0] != '"',
                };
        }
        for (size_t k = 0; k < keys->count; k++) {
                struct value v = s->values[p->shape->key[k]];

                s->vars[n++] =
                        (struct rest_var){.name = str_of(keys->items[k]), .value = {v.ptr, v.len}};
        }
        *count = n;
        return buf_check(&s->var_text, "the columns of a parent", e);
}

static int begin_call(struct child_call *call, struct err *e)
{
        struct rest_children *c = call->slot->all;
        const struct rest_child *spec = spec_of(call);
        size_t vars = 0;
        int rc = set_vars(call->slot, &vars, e);
        struct rest_walk_plan plan = {
                .source = c->plan.source,
                .extract = rest_own(c->plan.x),
                .call = &spec->call,
                .paging = spec->paging.kind != REST_PAGING_NONE ? &spec->paging : NULL,
                .vars = {call->slot->vars, vars},
                .on_record = on_record,
                .on_oversize = on_oversize,
                .on_end = on_end,
                .ctx = call,
        };

        if (!rc)
                rc = rest_walk_new(&plan, &call->walk, e);
        if (rc)
                return rc;
        call->begun = true;
        c->running[call->child]++;
        return 0;
}

/* In the order of the parents, as far as the concurrency allows. */
static int begin_calls(struct rest_children *c, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; !rc && i < c->count; i++) {
                struct slot *s = slot_at(c, i);

                for (size_t k = 0; !rc && k < c->child_count; k++) {
                        struct child_call *call = &s->calls[k];

                        if (!call->begun && c->running[k] < (size_t)spec_of(call)->concurrency)
                                rc = begin_call(call, e);
                }
        }
        return rc;
}

/* ---- the window ---- */

bool rest_children_full(const struct rest_children *c)
{
        return c->count == c->window || (c->count > 0 && c->bytes >= WINDOW_BYTES);
}

/* The next free slot, as new. */
static struct slot *open_slot(struct rest_children *c, bool keyless)
{
        struct slot *s = slot_at(c, c->count);

        s->reason[0] = '\0';
        s->keyless = keyless;
        s->size = 0;
        buf_clear(&s->mark);
        for (size_t k = 0; k < c->child_count; k++) {
                struct child_call *call = &s->calls[k];

                call->begun = call->done = keyless;
                call->records = 0;
                buf_clear(&call->array);
                if (!keyless)
                        buf_putc(&call->array, '[');
        }
        return s;
}

int rest_children_add(struct rest_children *c, const struct value *values, struct err *e)
{
        struct row row = {0};

        if (c->count == c->window)
                return err_set(e, ERR_BUG, "a parent for a window that is full");
        struct slot *s = open_slot(c, false);
        row.values = s->values;
        int rc = rest_rows_copy(c->plan.rows, values, &row, e);
        if (rc)
                return rc;
        s->bytes = row.bytes;
        s->size = row.size;
        c->count++;
        c->bytes += s->size;
        rc = begin_calls(c, e);
        if (rc)
                return rc;
        return rest_children_full(c) ? REST_CHILDREN_FULL : 0;
}

int rest_children_reject(struct rest_children *c, struct str key, const char *reason, struct err *e)
{
        if (c->count == c->window)
                return err_set(e, ERR_BUG, "a parent for a window that is full");
        struct slot *s = open_slot(c, true);
        buf_clear(&s->key);
        buf_put_str(&s->key, key);
        snprintf(s->reason, sizeof(s->reason), "%s", reason);
        int rc = buf_check(&s->key, "a key", e);
        if (rc)
                return rc;
        c->count++;
        return rest_children_full(c) ? REST_CHILDREN_FULL : 0;
}

bool rest_children_mark(struct rest_children *c, struct str mark)
{
        if (c->count == 0)
                return false;
        struct slot *s = slot_at(c, c->count - 1);
        buf_clear(&s->mark);
        buf_put_str(&s->mark, mark);
        if (s->mark.error)
                buf_clear(&s->mark); /* a later one will do */
        return true;
}

static bool is_ready(const struct rest_children *c, const struct slot *s)
{
        for (size_t k = 0; k < c->child_count; k++)
                if (!s->calls[k].done)
                        return false;
        return true;
}

int rest_children_head(struct rest_children *c, struct rest_parent *out, struct err *e)
{
        int rc = c->rc ? c->rc : begin_calls(c, e);

        if (c->rc)
                *e = c->err;
        if (rc)
                return rc;
        if (c->count == 0)
                return REST_CHILDREN_NONE;
        struct slot *s = slot_at(c, 0);
        if (!is_ready(c, s))
                return REST_CHILDREN_WAIT;
        *out = (struct rest_parent){.key = buf_str(&s->key), .mark = buf_str(&s->mark)};
        for (size_t k = 0; !s->keyless && k < c->child_count; k++)
                s->values[c->column[k]] =
                        (struct value){s->calls[k].array.data, (uint32_t)s->calls[k].array.len};
        out->values = s->keyless ? NULL : s->values;
        out->reason = s->reason[0] ? s->reason : NULL;
        return 0;
}

void rest_children_pop(struct rest_children *c)
{
        struct slot *s = slot_at(c, 0);

        c->bytes -= s->size;
        for (size_t k = 0; k < c->child_count; k++) {
                struct child_call *call = &s->calls[k];

                c->bytes -= call->array.len;
                call->walk = rest_walk_free(call->walk);
                buf_deinit(&call->array); /* one large parent does not stay in memory */
        }
        free(TAKE(s->bytes));
        c->first = (c->first + 1) % c->window;
        c->count--;
}

void rest_children_cancel(struct rest_children *c)
{
        c->cancelled = true;
        for (size_t i = 0; i < c->count; i++)
                for (size_t k = 0; k < c->child_count; k++) {
                        struct child_call *call = &slot_at(c, i)->calls[k];

                        if (call->begun && !call->done)
                                rest_walk_cancel(call->walk);
                }
}

bool rest_children_idle(const struct rest_children *c)
{
        for (size_t k = 0; k < c->child_count; k++)
                if (c->running[k])
                        return false;
        return true;
}
