/*
 * The three ways out. Whatever the sink does not take is kept, and goes first when it resumes.
 */
#include "ingest/source/rest/read_internal.h"

#include "ingest/record/key.h"

/* Return: 0; REST_WALK_PAUSE; -class. */
static int read_note_pause(struct rest_read *r, int rc)
{
        if (rc > 0)
                r->paused = true;
        return rc > 0 ? REST_WALK_PAUSE : rc;
}

/* Return: 0; SOURCE_PAUSE, SOURCE_HOLD; -class. */
static int give(struct rest_read *r, const struct value *values, struct err *e)
{
        const struct record record = {.row = values, .children = r->none};

        return r->sink.on_record(r->sink.ctx, &record, e);
}

int read_give_alone(struct rest_read *r, const struct value *values, struct err *e)
{
        int rc = give(r, values, e);

        if (rc == SOURCE_HOLD) {
                int copied = rest_rows_copy(r->rows, values, &r->held, e);
                if (copied)
                        return copied;
        }
        return read_note_pause(r, rc);
}

int read_give_held(struct rest_read *r, struct err *e)
{
        int rc = give(r, r->held.values, e);

        if (rc != SOURCE_HOLD) {
                free(r->held.bytes);
                r->held = (struct row){0};
        }
        return read_note_pause(r, rc);
}

struct str read_encode_key(struct rest_read *r, const struct value *values)
{
        struct err ignored;

        buf_clear(&r->key);
        if (values && key_encode(r->shape, values, &r->key, &ignored) != 0)
                buf_clear(&r->key);
        return buf_str(&r->key);
}

static int give_reject(struct rest_read *r, struct str key, const char *reason, struct err *e)
{
        return read_note_pause(r, r->sink.on_reject(r->sink.ctx, key, reason, e));
}

/* One that is waiting for its turn behind others, or not. */
int read_reject(struct rest_read *r, const struct value *values, const char *reason, struct err *e)
{
        struct str key = read_encode_key(r, values);

        if (!r->children)
                return give_reject(r, key, reason, e);
        int rc = rest_children_reject(r->children, key, reason, e);
        read_wake(r);
        return rc == REST_CHILDREN_FULL || (!rc && r->paused) ? REST_WALK_PAUSE : rc;
}

int read_give_mark(struct rest_read *r, struct str mark, struct err *e)
{
        return read_note_pause(r, r->sink.on_mark(r->sink.ctx, mark, e));
}

/* ---- groups ---- */

int read_stream_next(void *ctx, struct row *out, struct err *e)
{
        struct rest_read *r = ctx;

        (void)e;
        if (r->ahead.bytes) {
                *out = r->ahead;
                r->ahead = (struct row){0};
                return 0;
        }
        return r->input_ended ? ROW_END : ROW_WAIT;
}

void read_release_row(char *bytes)
{
        free(bytes);
}

static int give_group(struct rest_read *r, bool is_reject, struct err *e)
{
        if (is_reject)
                return give_reject(r, read_encode_key(r, r->record.key_row), r->record.reason, e);
        int rc = r->sink.on_record(r->sink.ctx, &r->record.record, e);
        r->record_held = rc == SOURCE_HOLD;
        return read_note_pause(r, rc);
}

/* Groups that are whole leave. */
int read_flush_groups(struct rest_read *r, struct err *e)
{
        while (!r->paused && !r->group_ended) {
                int rc = r->record_held ? 0 : assembler_next(r->assembler, &r->record, e);

                r->record_held = false;
                if (rc == RECORD_WAIT)
                        return 0;
                if (rc == RECORD_END)
                        r->group_ended = true;
                else if (rc >= 0)
                        rc = give_group(r, rc == RECORD_REJECT, e);
                if (rc < 0)
                        return rc;
        }
        return 0;
}

int read_take_into_group(struct rest_read *r, const struct value *values, struct err *e)
{
        int rc = rest_rows_copy(r->rows, values, &r->ahead, e);

        if (!rc)
                rc = read_flush_groups(r, e);
        return rc ? rc : r->paused ? REST_WALK_PAUSE : 0;
}

/* ---- children ---- */

static int give_parent(struct rest_read *r, const struct rest_parent *p, struct err *e)
{
        if (p->reason)
                return r->sink.on_reject(r->sink.ctx,
                        p->values ? read_encode_key(r, p->values) : p->key, p->reason, e);
        return give(r, p->values, e);
}

/* Parents whose children are there leave. */
int read_flush_parents(struct rest_read *r, struct err *e)
{
        cleanup_buf_ struct buf mark = BUF_INIT(READ_MARK_MAX);
        struct rest_parent p;

        while (!r->paused) {
                int rc = rest_children_head(r->children, &p, e);

                if (rc)
                        return rc < 0 ? rc : 0;
                rc = give_parent(r, &p, e);
                if (rc < 0)
                        return rc;
                read_note_pause(r, rc);
                if (rc == SOURCE_HOLD && !p.reason)
                        return 0;
                buf_clear(&mark);
                buf_put_str(&mark, p.mark);
                rest_children_pop(r->children);
                rc = mark.len && r->sink.on_mark ? read_give_mark(r, buf_str(&mark), e) : 0;
                if (rc < 0)
                        return rc;
        }
        return 0;
}

int read_take_into_window(struct rest_read *r, const struct value *values, struct err *e)
{
        int rc = rest_children_add(r->children, values, e);

        return rc < 0 ? rc : rc == REST_CHILDREN_FULL || r->paused ? REST_WALK_PAUSE : 0;
}
