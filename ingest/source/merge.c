/*
 * One state machine over all streams:
 *
 *   PARENT --row--> CHILDREN --all have passed its key--> record --next call--> PARENT
 *     |end
 *   REST (child rows behind the last parent are read to their end and counted) --> RECORD_END
 *
 * Each child has one row ahead. A row below the parent's key has no parent; an equal one is kept;
 * a greater one waits for its parent. The previous parent row is kept until the next one came, to
 * see duplicates and a stream that is out of order.
 */
#include "ingest/source/merge.h"

#include <stdio.h>

enum merge_state { MERGE_PARENT, MERGE_CHILDREN, MERGE_REST, MERGE_ENDED };

struct child {
        const struct merge_child *plan;
        struct row ahead;    /* bytes NULL: none */
        struct value *last;  /* key of the row before `ahead`: key_count values ... */
        char *last_bytes;    /* ... that point into this; owned */
        struct row_set rows; /* of the current parent */
        size_t taken;        /* rows of the current parent, dropped ones too */
        size_t skipped;
        bool ended;
};

struct merge {
        struct assembler base;
        const struct merge_plan *plan;
        enum merge_state state;
        struct row parent;  /* bytes NULL: none */
        struct value *last; /* key of the parent before: key_count values */
        char *last_bytes;   /* owned */
        struct child *children;
        struct child_rows *view; /* what the record shows */
        size_t rows, bytes;      /* of the current record */
        bool too_large;
        char reason[128];
};

static void release(const struct row_stream *s, char **bytes)
{
        if (*bytes)
                s->release(TAKE(*bytes));
}

static struct assembler *merge_free(struct assembler *a)
{
        struct merge *m = (struct merge *)a;

        for (size_t i = 0; m->children && i < m->plan->child_count; i++) {
                struct child *c = &m->children[i];

                row_set_deinit(&c->rows);
                if (c->plan) {
                        release(&c->plan->stream, &c->ahead.bytes);
                        release(&c->plan->stream, &c->last_bytes);
                }
                free(c->last);
        }
        release(&m->plan->parent, &m->parent.bytes);
        release(&m->plan->parent, &m->last_bytes);
        free(m->children);
        free(m->view);
        free(m->last);
        free(m);
        return NULL;
}

static void keep_key(struct value *to, const struct value *row, const size_t *columns, size_t n)
{
        for (size_t i = 0; i < n; i++)
                to[i] = row[columns[i]];
}

/* Compares the key kept in @last with the key in @row. */
static int compare_last(const struct value *last, const enum row_order *orders, size_t n,
        const struct value *row, const size_t *columns)
{
        static const size_t one = 0;

        for (size_t i = 0; i < n; i++) {
                int order = row_key_compare(&orders[i], 1, &last[i], &one, row, &columns[i]);
                if (order)
                        return order;
        }
        return 0;
}

static int out_of_order(const char *what, struct value last, struct value now, struct err *e)
{
        return err_set(e, ERR_BUG,
                "%s: the server's order is not the one asked for: \"%.*s\" came before \"%.*s\"",
                what, (int)(last.len < 100 ? last.len : 100), last.ptr ? last.ptr : "",
                (int)(now.len < 100 ? now.len : 100), now.ptr ? now.ptr : "");
}

static void forget_rows(struct merge *m)
{
        for (size_t i = 0; i < m->plan->child_count; i++) {
                row_set_clear(&m->children[i].rows);
                m->children[i].taken = 0;
        }
        m->rows = m->bytes = 0;
        m->too_large = false;
}

/* The parent that was handed over becomes the last one; its row's bytes hold the kept key. */
static void retire_parent(struct merge *m)
{
        const struct merge_plan *p = m->plan;

        if (!m->parent.bytes)
                return;
        release(&p->parent, &m->last_bytes);
        keep_key(m->last, m->parent.values, p->key, p->key_count);
        m->last_bytes = TAKE(m->parent.bytes);
}

static int next_parent(struct merge *m, struct err *e)
{
        const struct merge_plan *p = m->plan;

        retire_parent(m);
        int rc = p->parent.next(p->parent.ctx, &m->parent, e);
        if (rc == ROW_END) {
                forget_rows(m);
                m->state = MERGE_REST;
                return 0;
        }
        if (rc)
                return rc == ROW_WAIT ? RECORD_WAIT : rc;
        int order = m->last_bytes ? compare_last(m->last, p->orders, p->key_count, m->parent.values,
                                            p->key)
                                  : -1;
        if (order > 0)
                return out_of_order("key", m->last[0], m->parent.values[p->key[0]], e);
        if (order < 0)
                forget_rows(m);
        m->state = MERGE_CHILDREN;
        return 0;
}

/* Makes sure that @c has a row ahead, or has ended. Return: 0, RECORD_WAIT, -class. */
static int look_ahead(struct merge *m, struct child *c, struct err *e)
{
        const struct merge_child *p = c->plan;
        const enum row_order *orders = m->plan->orders;

        if (c->ahead.bytes || c->ended)
                return 0;
        int rc = p->stream.next(p->stream.ctx, &c->ahead, e);
        if (rc == ROW_END) {
                c->ended = true;
                return 0;
        }
        if (rc)
                return rc == ROW_WAIT ? RECORD_WAIT : rc;
        if (c->last_bytes &&
                compare_last(c->last, orders, m->plan->key_count, c->ahead.values, p->parent) > 0)
                return out_of_order(p->name, c->last[0], c->ahead.values[p->parent[0]], e);
        return 0;
}

/* The row ahead has no parent: its bytes stay until the next one was compared with it. */
static void skip_ahead(struct merge *m, struct child *c)
{
        release(&c->plan->stream, &c->last_bytes);
        keep_key(c->last, c->ahead.values, c->plan->parent, m->plan->key_count);
        c->last_bytes = TAKE(c->ahead.bytes);
        c->skipped++;
}

/* Beyond the limits the rows are dropped, and those that follow are counted only. */
static int take_ahead(struct merge *m, struct child *c, struct err *e)
{
        const struct row_limits *limits = &m->plan->limits;

        c->taken++;
        m->rows++;
        m->bytes += row_set_cost(&c->ahead, c->plan->columns);
        if (!m->too_large && (m->rows > limits->max_rows || m->bytes > limits->max_bytes)) {
                for (size_t i = 0; i < m->plan->child_count; i++)
                        row_set_clear(&m->children[i].rows);
                m->too_large = true;
        }
        if (m->too_large) {
                release(&c->plan->stream, &c->ahead.bytes);
                return 0;
        }
        int rc = row_set_add(&c->rows, &c->ahead, e);
        if (rc)
                return rc;
        c->ahead.bytes = NULL;
        /* What follows is compared with the parent's key: no need of a last one. */
        release(&c->plan->stream, &c->last_bytes);
        return 0;
}

/* Moves @c past the key of the current parent. Return: 0, RECORD_WAIT, -class. */
static int collect(struct merge *m, struct child *c, struct err *e)
{
        const struct merge_plan *p = m->plan;

        for (;;) {
                int rc = look_ahead(m, c, e);
                if (rc)
                        return rc;
                if (c->ended)
                        return 0;
                int order = row_key_compare(p->orders, p->key_count, c->ahead.values,
                        c->plan->parent, m->parent.values, p->key);
                if (order > 0)
                        return 0;
                if (order < 0 && c->taken > 0)
                        return out_of_order(c->plan->name, m->parent.values[p->key[0]],
                                c->ahead.values[c->plan->parent[0]], e);
                if (order < 0 || row_key_has_null(m->parent.values, p->key, p->key_count))
                        skip_ahead(m, c);
                else
                        rc = take_ahead(m, c, e);
                if (rc)
                        return rc;
        }
}

static int hand_over(struct merge *m, struct assembled *out)
{
        const struct row_limits *limits = &m->plan->limits;

        m->state = MERGE_PARENT;
        out->key_row = m->parent.values;
        if (m->too_large || m->parent.size > limits->max_bytes) {
                snprintf(m->reason, sizeof(m->reason),
                        "the record has %zu child rows and %zu bytes: more than the limit of %zu "
                        "rows or %zu bytes",
                        m->rows, m->bytes + m->parent.size, limits->max_rows, limits->max_bytes);
                out->reason = m->reason;
                return RECORD_REJECT;
        }
        for (size_t i = 0; i < m->plan->child_count; i++)
                m->view[i] = (struct child_rows){
                        row_set_values(&m->children[i].rows), m->children[i].rows.count};
        out->record = (struct record){.row = m->parent.values, .children = m->view};
        return 0;
}

static int collect_all(struct merge *m, struct err *e)
{
        for (size_t i = 0; i < m->plan->child_count; i++) {
                int rc = collect(m, &m->children[i], e);
                if (rc)
                        return rc;
        }
        return 0;
}

static int read_rest(struct merge *m, struct err *e)
{
        for (size_t i = 0; i < m->plan->child_count; i++) {
                struct child *c = &m->children[i];

                for (;;) {
                        int rc = look_ahead(m, c, e);
                        if (rc)
                                return rc;
                        if (c->ended)
                                break;
                        skip_ahead(m, c);
                }
        }
        m->state = MERGE_ENDED;
        return 0;
}

static int merge_next(struct assembler *a, struct assembled *out, struct err *e)
{
        struct merge *m = (struct merge *)a;
        int rc = 0;

        if (m->state == MERGE_PARENT)
                rc = next_parent(m, e);
        if (!rc && m->state == MERGE_CHILDREN) {
                rc = collect_all(m, e);
                return rc ? rc : hand_over(m, out);
        }
        if (!rc && m->state == MERGE_REST)
                rc = read_rest(m, e);
        return rc ? rc : RECORD_END;
}

static const struct assembler_ops merge_ops = {merge_next, merge_free};

static int init_child(
        struct merge *m, struct child *c, const struct merge_child *plan, struct err *e)
{
        c->plan = plan;
        row_set_init(&c->rows, plan->columns, plan->stream.release);
        c->last = calloc(m->plan->key_count, sizeof(*c->last));
        return c->last ? 0 : err_nomem(e, "a merge");
}

int merge_new(const struct merge_plan *plan, struct assembler **out, struct err *e)
{
        cleanup_(assembler_freep) struct assembler *a = calloc(1, sizeof(struct merge));
        struct merge *m = (struct merge *)a;

        if (!m)
                return err_nomem(e, "a merge");
        a->ops = &merge_ops;
        m->plan = plan;
        m->last = calloc(plan->key_count, sizeof(*m->last));
        m->children = calloc(plan->child_count, sizeof(*m->children));
        m->view = calloc(plan->child_count, sizeof(*m->view));
        if (!m->last || !m->children || !m->view)
                return err_nomem(e, "a merge");
        for (size_t i = 0; i < plan->child_count; i++) {
                int rc = init_child(m, &m->children[i], &plan->children[i], e);
                if (rc)
                        return rc;
        }
        *out = TAKE(a);
        return 0;
}

size_t merge_skipped(const struct assembler *a, size_t i)
{
        const struct merge *m = (const struct merge *)a;

        return m->children[i].skipped;
}
