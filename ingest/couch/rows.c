/*
 * Follows brackets and strings only; whether a row is JSON is for its reader to see. A row that
 * lies whole in the bytes at hand is handed over from there, without a copy.
 */
#include "ingest/couch/rows.h"

#define FRAME_MAX (64 << 10) /* bytes: the names, numbers and one sequence around the rows */
#define ROW_DEPTH 3          /* brackets open inside of a row: object, array, row */

void rows_init(struct rows *r, rows_fn fn, void *ctx)
{
        *r = (struct rows){.fn = fn, .ctx = ctx};
        buf_init(&r->row, ROWS_MAX_ROW);
        buf_init(&r->frame, FRAME_MAX);
}

void rows_reset(struct rows *r)
{
        buf_clear(&r->row);
        buf_clear(&r->frame);
        r->depth = 0;
        r->in_row = r->in_string = r->escaped = r->ended = false;
}

void rows_deinit(struct rows *r)
{
        buf_deinit(&r->row);
        buf_deinit(&r->frame);
}

/* Behind the string that goes on at @p; NULL: it goes on in the next bytes. */
static const char *follow_string(struct rows *r, const char *p, const char *end)
{
        for (; p < end; p++) {
                if (r->escaped) {
                        r->escaped = false;
                } else if (*p == '\\') {
                        r->escaped = true;
                } else if (*p == '"') {
                        r->in_string = false;
                        return p + 1;
                }
        }
        return end;
}

/* Behind the row that goes on at @p, or @end. */
static const char *follow_row(struct rows *r, const char *p, const char *end)
{
        while (p < end) {
                if (r->in_string) {
                        p = follow_string(r, p, end);
                        continue;
                }
                char c = *p++;
                if (c == '"') {
                        r->in_string = true;
                } else if (c == '{' || c == '[') {
                        r->depth++;
                } else if (c == '}' || c == ']') {
                        if (--r->depth < ROW_DEPTH) {
                                r->in_row = false;
                                return p;
                        }
                }
        }
        return p;
}

static int hand_over(struct rows *r, struct str piece, struct err *e)
{
        if (r->row.len == 0)
                return r->fn(r->ctx, piece, e);
        buf_put_str(&r->row, piece);
        int rc = buf_check(&r->row, "a row of the reply", e);
        if (rc == 0)
                rc = r->fn(r->ctx, buf_str(&r->row), e);
        buf_clear(&r->row);
        return rc;
}

/* One byte around the rows. *@starts: it begins a row. */
static int follow_frame(struct rows *r, char c, bool *starts, struct err *e)
{
        if (r->in_string) {
                r->in_string = r->escaped || c != '"';
                r->escaped = !r->escaped && c == '\\';
        } else if (c == '"') {
                r->in_string = true;
        } else if (c == '{' && r->depth == ROW_DEPTH - 1) {
                *starts = r->in_row = true;
                r->depth++;
                return 0;
        } else if (c == '{' || c == '[') {
                if (r->ended || r->depth == ROW_DEPTH - 1)
                        return err_set(e, ERR_RETRY, "the reply is not a list of rows");
                r->depth++;
        } else if (c == '}' || c == ']') {
                if (r->depth == 0)
                        return err_set(e, ERR_RETRY, "the reply is not JSON");
                r->ended = --r->depth == 0;
        } else if ((c == ',' && r->depth == ROW_DEPTH - 1) || c == '\r' || c == '\n') {
                return 0; /* between rows: would grow with their number */
        }
        buf_putc(&r->frame, c);
        return buf_check(&r->frame, "the reply around its rows", e);
}

int rows_feed(struct rows *r, struct str bytes, struct err *e)
{
        const char *p = bytes.ptr;
        const char *end = p + bytes.len;

        while (p < end) {
                const char *start = p;
                bool starts = false;
                int rc = 0;
                if (!r->in_row) {
                        rc = follow_frame(r, *p++, &starts, e);
                        if (rc < 0)
                                return rc;
                        if (!starts)
                                continue;
                }
                p = follow_row(r, p, end);
                struct str piece = {start, (size_t)(p - start)};
                if (r->in_row) {
                        buf_put_str(&r->row, piece);
                        return buf_check(&r->row, "a row of the reply", e);
                }
                rc = hand_over(r, piece, e);
                if (rc < 0)
                        return rc;
        }
        return 0;
}

int rows_frame(const struct rows *r, struct str *frame, struct err *e)
{
        if (!r->ended)
                return err_set(e, ERR_RETRY, "the reply ended before its end");
        *frame = buf_str(&r->frame);
        return 0;
}
