/* The rows of a page that broke count as progress: they make the budget for retries whole. */
#include "ingest/couch/stream.h"

/* A page may hold a thousand large documents; the client's idle time-out finds what hangs. */
#define PAGE_TIMEOUT_MS (3600 * 1000)

static int on_row(void *ctx, struct str row, struct err *e)
{
        struct stream *s = ctx;

        s->page_rows++;
        return s->on_row(s->ctx, row, e);
}

static int on_body(void *ctx, struct str bytes, struct err *e)
{
        return rows_feed(ctx, bytes, e);
}

void stream_init(struct stream *s, struct couch *c, rows_fn fn, void *ctx)
{
        *s = (struct stream){.couch = c, .on_row = fn, .ctx = ctx};
        rows_init(&s->rows, on_row, s);
        couch_retry_init(c, &s->retry);
}

void stream_deinit(struct stream *s)
{
        rows_deinit(&s->rows);
}

int stream_page(struct stream *s, const char *path, struct str *frame, struct err *e)
{
        const struct couch_request request = {.method = "GET",
                .path = path,
                .timeout_ms = PAGE_TIMEOUT_MS,
                .on_body = on_body,
                .ctx = &s->rows};
        struct couch_result result;

        rows_reset(&s->rows);
        s->page_rows = 0;
        int rc = couch_try(s->couch, &request, &result, e);
        cJSON_Delete(result.json);
        if (rc == 0 && result.status == 404)
                return err_set_code(
                        e, ERR_CONFIG, 404, "GET %s: the database does not exist", path);
        if (rc == 0)
                rc = rows_frame(&s->rows, frame, e);
        if (rc == 0 || s->page_rows > 0)
                retry_success(&s->retry);
        if (rc != -ERR_RETRY || s->refused)
                return rc;
        rc = couch_back_off(s->couch, &s->retry, result.retry_after_ms, e);
        return rc < 0 ? rc : STREAM_BROKEN;
}
