/* A record that came, from a page or by its key. */
#include "ingest/source/rest/read_internal.h"

#include <stdio.h>

#define HEAD_SHOWN 80 /* bytes of a record that is too large */

int read_compare_wanted(const void *a, const void *b)
{
        return str_cmp(((const struct wanted *)a)->key, ((const struct wanted *)b)->key);
}

/* Of a read by key that has nothing but pages. */
static bool is_wanted(struct rest_read *r, const struct value *values)
{
        struct wanted probe = {.key = read_encode_key(r, values)};
        struct wanted *w = bsearch(
                &probe, r->wanted, r->wanted_count, sizeof(*r->wanted), read_compare_wanted);

        if (!w)
                return false;
        r->found_count += !w->found;
        w->found = true;
        return true;
}

/* Whoever asks for "a1" and gets "A1" would take "a1" for gone. */
static int check_key(
        struct rest_read *r, const struct value *values, const struct value *asked, struct err *e)
{
        for (size_t i = 0; i < r->shape->key_count; i++) {
                struct value got = values[r->shape->key[i]];

                if (got.len == asked[i].len && memcmp(got.ptr, asked[i].ptr, got.len) == 0)
                        continue;
                return err_set(e, ERR_CONFIG,
                        "the record with key %.*s was asked for, and one with key %.*s came: see "
                        "by_key.path of the mapper",
                        (int)(asked[i].len < 60 ? asked[i].len : 60), asked[i].ptr,
                        (int)(got.len < 60 ? got.len : 60), got.ptr);
        }
        return 0;
}

static int pass_on(struct rest_read *r, const struct value *values, struct err *e)
{
        if (r->children)
                return read_take_into_window(r, values, e);
        if (r->assembler)
                return read_take_into_group(r, values, e);
        return read_give_alone(r, values, e);
}

/* How far the cursor may go. Return: 0; -ERR_REJECT; -class. */
static int see_cursor(struct rest_read *r, struct err *e)
{
        int64_t now_us = r->walk ? rest_walk_page_us(r->walk) : -1;

        if (now_us >= 0)
                rest_progress_clock(r->since->seen, now_us);
        return rest_progress_see(r->since->seen, rest_rows_cursor(r->rows), e);
}

/* @asked: the key it was asked for by; NULL
 * Return: 0; REST_WALK_PAUSE: it was taken, no more; -class: the read ends. */
int read_take(struct rest_read *r, struct str text, const struct value *asked, struct err *e)
{
        const struct value *values;
        struct err why;
        int rc = rest_rows_read(r->rows, text, &values, &why);

        if (rc == -ERR_REJECT && r->wanted) {
                r->unreadable = true; /* it may be one of those */
                return 0;
        }
        if (rc == -ERR_REJECT)
                return read_reject(r, NULL, why.text, e);
        if (rc) {
                *e = why;
                return rc;
        }
        if (r->wanted && !is_wanted(r, values))
                return 0;
        rc = asked ? check_key(r, values, asked, e) : 0;
        if (rc)
                return rc;
        if (r->since) {
                rc = see_cursor(r, &why);
                if (rc == -ERR_REJECT)
                        return read_reject(r, values, why.text, e);
                if (rc)
                        *e = why;
        }
        return rc ? rc : pass_on(r, values, e);
}

int read_take_oversize(struct rest_read *r, struct str head, struct err *e)
{
        char reason[ERR_TEXT_MAX];
        size_t shown = head.len < HEAD_SHOWN ? head.len : HEAD_SHOWN;

        snprintf(reason, sizeof(reason),
                "the record has more than the limit of %lld bytes (max_record of the source); it "
                "begins %.*s",
                (long long)r->source->options->max_record, (int)shown, head.ptr);
        return read_reject(r, NULL, reason, e);
}

/* ---- pages ---- */

int read_on_record(void *ctx, struct str text, struct err *e)
{
        struct rest_read *r = ctx;

        if (r->enough)
                return REST_WALK_PAUSE;
        int rc = read_take(r, text, NULL, e);
        if (r->wanted && r->found_count == r->wanted_count && !r->assembler) {
                r->enough = true;
                rest_walk_cancel(r->walk);
                return rc < 0 ? rc : REST_WALK_PAUSE;
        }
        return rc;
}

int read_on_oversize(void *ctx, struct str head, struct err *e)
{
        return read_take_oversize(ctx, head, e);
}

int read_on_page(void *ctx, struct err *e)
{
        struct rest_read *r = ctx;
        cleanup_buf_ struct buf mark = BUF_INIT(READ_MARK_MAX);

        if (!r->since)
                return 0;
        rest_since_clock(r->since, rest_walk_server_us(r->walk));
        if (!r->sink.on_mark || r->assembler)
                return 0; /* a group may go on */
        int rc = rest_since_mark(r->since, r->walk, &mark, e);
        if (rc)
                return rc;
        if (r->children && rest_children_mark(r->children, buf_str(&mark)))
                return r->paused || rest_children_full(r->children) ? REST_WALK_PAUSE : 0;
        return read_give_mark(r, buf_str(&mark), e);
}

void read_on_walk_end(void *ctx, int rc, const struct err *e)
{
        struct rest_read *r = ctx;
        struct err ignored; /* the read fails in any case */

        r->input_ended = true;
        if (r->since) {
                rest_since_clock(r->since, rest_walk_server_us(r->walk));
                rest_progress_etag(r->since->seen, rest_walk_etag(r->walk));
        }
        if (rc && r->since && r->sink.on_mark && rest_walk_astray(r->walk))
                (void)r->sink.on_mark(r->sink.ctx, (struct str){0}, &ignored);
        if (rc && !r->enough)
                read_stop(r, rc, e);
        read_wake(r);
}
