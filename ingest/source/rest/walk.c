/*
 * One request after the other. A page that breaks is asked for again; what was handed on of it is
 * passed over then, if it is the same.
 */
#include "ingest/source/rest/walk_internal.h"

#include "ingest/loop/http_url.h"
#include "ingest/source/rest/rows.h"

#define URL_SHOWN_MAX   (64 << 10)
#define PAGE_TRIES      4   /* of a page that breaks: what is still broken then is told */
#define MALFORMED_TRIES 2   /* of one that is whole, but no JSON */
#define PAGE_RETRY_MS   100 /* three times as long each time: 1.3 s in all */

static void ask(struct rest_walk *w);

/* ---- ending ---- */

void walk_finish(struct rest_walk *w, int rc, const struct err *e)
{
        if (w->state >= WALK_ENDING)
                return;
        w->state = WALK_ENDING;
        w->rc = rc;
        if (rc)
                w->err = *e;
        loop_timer_soon(w->soon);
}

static void shown_url(const struct rest_walk *w, struct buf *out)
{
        const char *url = w->asked.url.data ? w->asked.url.data : "";

        http_url_public(out, url);
}

/* "GET https://erp/api/items: " before an error of the reply. */
int walk_wrap(const struct rest_walk *w, int rc, struct err *e)
{
        cleanup_buf_ struct buf url = BUF_INIT(URL_SHOWN_MAX);

        shown_url(w, &url);
        const char *text = buf_cstr(&url);
        return err_wrap(e, rc, "%s %s", w->plan.call->method, text ? text : "?");
}

/* ---- a page that broke ---- */

/* What was handed on of it before must not be handed on twice. */
static void note_given(struct rest_walk *w)
{
        size_t count = w->records ? json_records_count(w->records) : 0;

        if (count <= w->given)
                return;
        w->given = count;
        w->given_hash = json_records_hash(w->records);
}

static void page_broke(struct rest_walk *w, int rc, int tries, struct err *e)
{
        note_given(w);
        if (rc != -ERR_RETRY || ++w->tries >= tries) {
                walk_finish(w, rc, e);
                return;
        }
        int64_t delay = PAGE_RETRY_MS;
        for (int i = 1; i < w->tries; i++)
                delay *= 3;
        log_info(w->plan.source->log, "%s: the page is asked for again in %lld ms", e->text,
                (long long)delay);
        w->state = WALK_AGAIN;
        loop_timer_set(w->soon, delay);
}

int walk_changed_meanwhile(struct rest_walk *w, struct err *e)
{
        return walk_wrap(w,
                err_set(e, ERR_RETRY,
                        "the reply broke off, and the page has other records now that it is asked "
                        "for again"),
                e);
}

/* ---- the end of a page ---- */

/* Of a first page without records at the likeliest place. Return: whether it is asked again. */
static bool try_other_place(struct rest_walk *w)
{
        if (!w->first_page || walk_is_accepted(w) || !w->places || !w->places[1] ||
                json_records_found(w->records) != JSON_RECORDS_ABSENT)
                return false;
        w->options.path = *++w->places;
        ask(w);
        return true;
}

static void next_page(struct rest_walk *w)
{
        w->given = w->skip = 0;
        w->tries = 0;
        w->first_page = false;
        buf_clear(&w->last_field);
        ask(w);
}

static void page_done(struct rest_walk *w)
{
        struct err e;
        bool more = false;

        if (try_other_place(w))
                return;
        int rc = walk_advance(w, &more, &e);

        w->astray = rc == -ERR_RETRY;
        if (rc)
                walk_wrap(w, rc, &e);
        if (rc || !more) {
                walk_finish(w, rc, &e);
                return;
        }
        w->state = WALK_PAGE;
        rc = w->plan.on_page ? w->plan.on_page(w->plan.ctx, &e) : 0;
        if (rc < 0)
                walk_finish(w, rc, &e);
        else if (rc == REST_WALK_PAUSE)
                w->paused = true;
        else
                next_page(w);
}

/* Not cut off, but something else. */
static bool is_malformed(const struct rest_walk *w)
{
        return (w->body_rc || json_records_is_markup(w->records)) && !w->named;
}

/* The reply is whole, and all of it was taken. */
static void page_whole(struct rest_walk *w)
{
        struct err e;
        int rc = w->body_rc;

        if (rc) {
                e = w->body_err;
                if (w->own) {
                        walk_finish(w, rc, &e);
                        return;
                }
        } else if (!walk_is_accepted(w)) {
                rc = json_records_end(w->records, &e);
                rc = rc ? rc : walk_check_error(w, &e);
        }
        if (rc) {
                if (!w->named)
                        walk_wrap(w, rc, &e);
                page_broke(w, rc, is_malformed(w) ? MALFORMED_TRIES : PAGE_TRIES, &e);
                return;
        }
        /* Fewer than were handed on. */
        if (w->skip > 0) {
                walk_finish(w, walk_changed_meanwhile(w, &e), &e);
                return;
        }
        page_done(w);
}

/* ---- requests ---- */

/* 500: many say so of a token that they do not know any more. */
static bool mark_is_refused(const struct rest_walk *w, const struct rest_reply *reply)
{
        return w->from_mark && w->first_page &&
               (reply->status == 400 || reply->status == 404 || reply->status == 410 ||
                       reply->status == 500);
}

static void begin_anew(struct rest_walk *w, const struct err *why)
{
        struct err e;
        const struct rest_paging_spec *spec = w->plan.paging ? w->plan.paging : &w->one_page;

        log_warn(w->plan.source->log,
                "%s: the page where the last run stopped is not to be had any more; reading from "
                "the beginning",
                why->text);
        w->from_mark = false;
        w->pager = rest_pager_free(w->pager);
        int rc = rest_pager_new(spec, (struct str){0}, &w->pager, &e);
        if (!rc && !w->plan.key)
                rest_pager_each_counts(w->pager);
        if (rc)
                walk_finish(w, rc, &e);
        else
                ask(w);
}

static int keep_reply(struct rest_walk *w, const struct rest_reply *reply, struct err *e)
{
        w->status = reply->status;
        if (w->server_us < 0)
                w->server_us = reply->server_us;
        buf_clear(&w->base);
        buf_puts(&w->base, reply->url ? reply->url : "");
        buf_clear(&w->link);
        buf_puts(&w->link, reply->link ? reply->link : "");
        buf_clear(&w->etag);
        buf_puts(&w->etag, reply->etag ? reply->etag : "");
        int rc = buf_check(&w->link, "the Link header", e);
        return rc ? rc : buf_check(&w->base, "the address of the reply", e);
}

/* The page broke while nobody wants records: it is asked for again once they are wanted. */
static void reply_broke(struct rest_walk *w, const struct rest_reply *reply)
{
        struct err e = reply->err;

        if (!w->paused) {
                page_broke(w, reply->rc, PAGE_TRIES, &e);
                return;
        }
        w->body_rc = reply->rc;
        w->body_err = e;
        w->named = true;
        w->state = WALK_DRAIN;
}

static void on_done(void *ctx, const struct rest_reply *reply)
{
        struct rest_walk *w = ctx;
        struct err e = reply->err;

        w->pending = NULL;
        if (w->state == WALK_ENDING) {
                loop_timer_soon(w->soon);
                return;
        }
        if (w->body_rc) {
                page_whole(w);
        } else if (reply->rc && mark_is_refused(w, reply)) {
                begin_anew(w, &e);
        } else if (reply->rc && reply->delivered) {
                reply_broke(w, reply);
        } else if (reply->rc) {
                walk_finish(w, reply->rc, &e);
        } else {
                int rc = keep_reply(w, reply, &e);
                if (rc)
                        walk_finish(w, rc, &e);
                else if (w->paused || w->left.len)
                        w->state = WALK_DRAIN;
                else
                        page_whole(w);
        }
}

static int begin_page(struct rest_walk *w, struct err *e)
{
        w->records = json_records_free(w->records);
        buf_deinit(&w->left);
        w->left = BUF_INIT(LEFT_MAX);
        w->paused = w->own = w->named = w->any = false;
        w->body_rc = 0;
        w->skip = w->given;
        rest_pager_again(w->pager);
        return json_records_new(&w->options, &w->records, e);
}

static int send(struct rest_walk *w, struct err *e)
{
        const struct rest_walk_plan *p = &w->plan;
        const struct rest_asking asking = {
                .options = p->source->options,
                .call = p->call,
                .odata = p->odata,
                .paging = p->paging,
                .cursor = p->cursor,
                .key = p->key,
                .only = p->only,
                .entity = p->entity,
                .from = p->from,
                .path = p->path,
                .page = rest_pager_page(w->pager),
                .base = w->base.len ? buf_cstr(&w->base) : NULL,
                .after_is_number = w->after_is_number,
                .vars = w->vars,
                .var_count = REST_PAGE_VARS + p->vars.count,
        };
        int rc = begin_page(w, e);

        if (!rc)
                rc = rest_request_make(&asking, &w->asked, e);
        if (rc)
                return rc;
        const struct rest_request request = {
                .method = p->call->method,
                .url = w->asked.url.data,
                .headers = w->asked.headers,
                .body = w->asked.has_body ? buf_str(&w->asked.body) : (struct str){0},
                .accept = w->accept,
                .accept_count = w->accept_count,
                .on_body = walk_on_body,
                .on_done = on_done,
                .ctx = w,
        };
        return rest_client_send(p->source->client, &request, &w->pending, e);
}

static void ask(struct rest_walk *w)
{
        struct err e;

        w->state = WALK_ASKED;
        int rc = send(w, &e);
        if (rc)
                walk_finish(w, rc, &e);
}

void walk_on_soon(void *ctx)
{
        struct rest_walk *w = ctx;

        if (w->state == WALK_IDLE || w->state == WALK_AGAIN) {
                ask(w);
        } else if (w->state == WALK_ENDING && w->pending) {
                rest_client_cancel(w->pending); /* on_done comes back here */
        } else if (w->state == WALK_ENDING) {
                w->state = WALK_ENDED;
                w->plan.on_end(w->plan.ctx, w->rc, w->rc ? &w->err : NULL);
        }
}

void rest_walk_resume(struct rest_walk *w)
{
        if (!w->paused)
                return;
        w->paused = false;
        switch (w->state) {
        case WALK_ASKED:
                if (!walk_feed_left(w))
                        return;
                if (w->body_rc && w->pending)
                        rest_client_cancel(w->pending); /* on_done takes body_err */
                else if (w->pending)
                        rest_client_resume(w->pending);
                return;
        case WALK_DRAIN:
                if (walk_feed_left(w))
                        page_whole(w);
                return;
        case WALK_PAGE:
                next_page(w);
                return;
        default:
                return;
        }
}

void rest_walk_cancel(struct rest_walk *w)
{
        struct err e;

        walk_finish(w, err_set(&e, ERR_CANCEL, "the read was cancelled"), &e);
}

bool rest_walk_ended(const struct rest_walk *w)
{
        return w->state == WALK_ENDED;
}

int rest_walk_mark(const struct rest_walk *w, struct buf *out, struct err *e)
{
        return rest_pager_mark(w->pager, out, e);
}

int rest_walk_status(const struct rest_walk *w)
{
        return w->status;
}

int64_t rest_walk_server_us(const struct rest_walk *w)
{
        return w->server_us;
}

int64_t rest_walk_page_us(const struct rest_walk *w)
{
        return w->page_us;
}

struct str rest_walk_etag(const struct rest_walk *w)
{
        return w->status == 200 ? buf_str(&w->etag) : (struct str){0};
}

const char *rest_walk_doubt(const struct rest_walk *w)
{
        return w->pager ? rest_pager_doubt(w->pager) : "";
}

bool rest_walk_astray(const struct rest_walk *w)
{
        return w->astray;
}

bool rest_walk_from_mark(const struct rest_walk *w)
{
        return w->from_mark;
}
