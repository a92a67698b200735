/*
 * Two failures must be told apart when on_body gives an error back: that of whoever takes the
 * records (`own`: the walk ends with it, as it is) and that of the reply's text (the page may be
 * asked for again). The client hears of either; what counts is noted here.
 */
#include "ingest/source/rest_walk.h"

#include <stdio.h>
#include <xxhash.h>

#include "ingest/loop/http_url.h"
#include "ingest/record/json_pick.h"
#include "ingest/record/json_records.h"
#include "ingest/source/rest_odata.h"
#include "ingest/source/rest_request.h"
#include "ingest/source/rest_rows.h"
#include "ingest/source/rest_shape.h"

#ifndef REST_ACCEPT_MAX
#define REST_ACCEPT_MAX 16
#endif
#define PAGE_TRIES      4          /* of a page that breaks: what is still broken then is told */
#define MALFORMED_TRIES 2          /* of one that is whole, but no JSON */
#define PAGE_RETRY_MS   100        /* three times as long each time: 1.3 s in all */
#define LEFT_MAX        (64 << 20) /* bytes of one piece of a body that wait while we are paused */
#define URL_MAX         (64 << 10)
#define FIELD_MAX       (64 << 10) /* of a keyset's value */
#define SHOWN_MAX       300        /* bytes of an error inside a reply */
#define ARENA_MAX       (1 << 20)

/* OData servers keep the address of the next page in one of several places. */
enum fact {
        FACT_NEXT,
        FACT_NEXT_2,
        FACT_NEXT_3,
        FACT_TOTAL,
        FACT_PAGES,
        FACT_MORE,
        FACT_ERROR,
        FACT_MESSAGE,
        FACTS
};

enum state { WALK_IDLE, WALK_ASKED, WALK_DRAIN, WALK_PAGE, WALK_AGAIN, WALK_ENDING, WALK_ENDED };

struct rest_walk {
        struct rest_walk_plan plan;
        struct rest_paging_spec one_page; /* where the plan has no paging */
        struct arena *arena;
        enum state state;
        bool paused;
        struct loop_timer *soon;
        struct rest_pager *pager;
        struct rest_pending *pending;
        struct rest_var *vars;
        struct rest_asked asked;
        int accept[REST_ACCEPT_MAX];
        size_t accept_count;
        struct buf base; /* address of the last reply */
        bool first_page, from_mark, after_is_number;
        int64_t server_us, page_us; /* of the first reply, and of this page's */

        struct json_records *records; /* of the page under way */
        struct json_records_options options;
        const char *const *places; /* where the records may be: OData; the last one was tried */
        size_t fact_at[FACTS];     /* in options.facts; FACTS: it is not asked for */
        struct buf left;           /* of the body, while paused */
        size_t left_at;
        struct json_pick *pick; /* the key, then a keyset's field: what paging looks at */
        struct str *picked;
        size_t keys; /* of them; the field stands behind */
        bool is_keyset;
        struct buf last_field;

        size_t given; /* records of this page that were handed on, and their hash */
        uint64_t given_hash;
        size_t skip; /* of those, still to be passed over */
        int tries;   /* of this page */
        bool own;    /* body_rc is of a callback */
        int body_rc; /* of what came so far */
        bool named;  /* body_err names the request already */
        struct err body_err;
        int status; /* of the reply */
        bool any;   /* bytes came */
        struct buf link, etag;

        int rc; /* of the walk */
        struct err err;
};

static void ask(struct rest_walk *w);
static void page_whole(struct rest_walk *w);

/* ---- ending ---- */

static void finish(struct rest_walk *w, int rc, const struct err *e)
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
static int wrap(const struct rest_walk *w, int rc, struct err *e)
{
        cleanup_buf_ struct buf url = BUF_INIT(URL_MAX);

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
                finish(w, rc, e);
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

static int changed_meanwhile(struct rest_walk *w, struct err *e)
{
        return wrap(w,
                err_set(e, ERR_RETRY,
                        "the reply broke off, and the page has other records now that it is asked "
                        "for again"),
                e);
}

/* ---- records ---- */

/* The record counts, and is in the hash, before it is handed on.
 * Return: 0; 1: it was handed on before the page broke; -class. */
static int pass_over(struct rest_walk *w, struct err *e)
{
        if (w->skip == 0)
                return 0;
        if (--w->skip == 0 && json_records_hash(w->records) != w->given_hash)
                return changed_meanwhile(w, e);
        return 1;
}

static uint64_t hash_of(struct str bytes)
{
        return XXH3_64bits(bytes.ptr, bytes.len);
}

/* By its key; a record without one is told from others by all of it. */
static uint64_t key_hash(const struct rest_walk *w, struct str text, bool is_picked)
{
        uint64_t hash = 0;

        for (size_t i = 0; is_picked && i < w->keys; i++) {
                is_picked = w->picked[i].ptr != NULL;
                if (is_picked)
                        hash = XXH3_64bits_withSeed(w->picked[i].ptr, w->picked[i].len, hash);
        }
        return is_picked && w->keys ? hash : hash_of(text);
}

/* Return: 0; 1: it came with the page before; -class. */
static int tell_pager(struct rest_walk *w, struct str text, struct err *e)
{
        struct err ignored; /* whoever takes the record rejects it */
        bool is_picked;

        if (!w->pick)
                return 0;
        is_picked = json_pick_values(w->pick, text, w->picked, &ignored) == 0;
        if (w->is_keyset && is_picked) {
                buf_clear(&w->last_field);
                buf_put_str(&w->last_field, w->picked[w->keys]);
                int rc = buf_check(&w->last_field, "the field of the paging", e);
                if (rc)
                        return rc;
        }
        return rest_pager_record(w->pager, key_hash(w, text, is_picked), hash_of(text)) ? 1 : 0;
}

/* Return: 0: it is to be handed on; 1: it need not; -class. */
static int judge(struct rest_walk *w, struct str text, struct err *e)
{
        int known = tell_pager(w, text, e);
        int rc = known < 0 ? known : pass_over(w, e);

        w->own |= rc < 0;
        return rc ? rc : known;
}

static int on_record(void *ctx, struct str text, struct err *e)
{
        struct rest_walk *w = ctx;
        int rc = judge(w, text, e);

        if (rc)
                return rc < 0 ? rc : 0;
        rc = w->plan.on_record(w->plan.ctx, text, e);
        w->own |= rc < 0;
        return rc;
}

static int on_oversize(void *ctx, struct str head, struct err *e)
{
        struct rest_walk *w = ctx;
        int rc = judge(w, head, e);

        if (rc)
                return rc < 0 ? rc : 0;
        rc = w->plan.on_oversize(w->plan.ctx, head, e);
        w->own |= rc < 0;
        return rc;
}

/* Return: 0; HTTP_PAUSE; -class (noted). */
static int feed(struct rest_walk *w, struct str bytes)
{
        size_t taken = 0;
        int rc = json_records_feed(w->records, bytes, &taken, &w->body_err);

        if (rc == JSON_RECORDS_PAUSE) {
                w->paused = true;
                struct str rest = {bytes.ptr + taken, bytes.len - taken};
                buf_put_str(&w->left, rest);
                rc = buf_check(&w->left, "what waits of a reply", &w->body_err);
                if (!rc)
                        return HTTP_PAUSE;
                w->own = true;
        }
        if (rc < 0)
                w->body_rc = rc;
        return rc;
}

static int on_body(void *ctx, struct str bytes, struct err *e)
{
        struct rest_walk *w = ctx;

        if (!w->any && w->pending)
                w->page_us = rest_client_server_us(w->pending);
        w->any |= bytes.len > 0;
        if (w->body_rc) {
                *e = w->body_err;
                return w->body_rc;
        }
        if (w->paused) { /* a piece that was under way */
                buf_put_str(&w->left, bytes);
                w->body_rc = buf_check(&w->left, "what waits of a reply", &w->body_err);
                w->own |= w->body_rc < 0;
                return w->body_rc ? w->body_rc : HTTP_PAUSE;
        }
        int rc = feed(w, bytes);
        if (rc < 0)
                *e = w->body_err;
        return rc;
}

/* What waited while we were paused. Return: whether all of it went. */
static bool feed_left(struct rest_walk *w)
{
        struct buf bytes = w->left;

        w->left = BUF_INIT(LEFT_MAX);
        if (bytes.len && !w->body_rc)
                (void)feed(w, buf_str(&bytes));
        buf_deinit(&bytes);
        return !w->paused;
}

/* ---- the end of a page ---- */

static struct str fact(const struct rest_walk *w, enum fact f)
{
        return w->fact_at[f] == FACTS ? (struct str){0}
                                      : json_records_fact(w->records, w->fact_at[f]);
}

static bool is_nothing(struct str json)
{
        static const char *const nothing[] = {"null", "false", "\"\"", "0", "[]", "{}"};

        if (!json.ptr)
                return true;
        for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++)
                if (str_is(json, nothing[i]))
                        return true;
        return false;
}

/* A scalar without its quotes, anything else as it stands. */
static struct str plain(struct str json, struct buf *room)
{
        struct str text;
        struct err ignored;

        return rest_value_text(json, room, &text, &ignored) == 0 ? text : json;
}

static int check_error_inside(struct rest_walk *w, struct err *e)
{
        const struct rest_extract *x = w->plan.extract;
        cleanup_buf_ struct buf room = BUF_INIT(JSON_RECORDS_MAX_FACT);
        cleanup_buf_ struct buf shown = BUF_INIT(JSON_RECORDS_MAX_FACT);
        struct str found = fact(w, FACT_ERROR), message = fact(w, FACT_MESSAGE);

        if (!x->error_path || is_nothing(found))
                return 0;
        if (x->error_equals && !str_is(plain(found, &room), x->error_equals))
                return 0;
        buf_clear(&room);
        struct str text = plain(message.ptr ? message : found, &room);
        for (size_t i = 0; i < text.len && i < SHOWN_MAX; i++)
                buf_putc(&shown, (unsigned char)text.ptr[i] < 0x20 ? ' ' : text.ptr[i]);
        const char *words = buf_cstr(&shown);
        return err_set(e, ERR_CONFIG, "the reply says that it is an error: %s%s",
                words ? words : "?", text.len > SHOWN_MAX ? "..." : "");
}

static int wrong_place(struct rest_walk *w, enum json_records_found found, struct err *e)
{
        cleanup_buf_ struct buf names = BUF_INIT(4096);
        const char *path = w->options.path;

        json_records_names(w->records, &names);
        const char *there = names.len ? buf_cstr(&names) : NULL;
        if (!path || !path[0])
                return err_set(e, ERR_CONFIG, "the reply is neither an array nor an object");
        return err_set(e, ERR_CONFIG,
                "the reply has no array of records at '%s'%s%s%s: set `records` of the mapper",
                path, found == JSON_RECORDS_OTHER ? ", but a single value" : "", there ? "; " : "",
                there ? there : "");
}

static int check_found(struct rest_walk *w, struct err *e)
{
        enum json_records_found found = json_records_found(w->records);
        int rc = check_error_inside(w, e);

        if (rc)
                return rc;
        if (found == JSON_RECORDS_ABSENT || found == JSON_RECORDS_OTHER)
                return wrong_place(w, found, e);
        return 0;
}

static bool is_accepted(const struct rest_walk *w)
{
        for (size_t i = 0; i < w->accept_count; i++)
                if (w->accept[i] == w->status)
                        return true;
        return w->status == 304 || (w->status == 204 && !w->any);
}

static struct str first_next(const struct rest_walk *w)
{
        struct str next = {0};

        for (int f = FACT_NEXT; !next.ptr && f <= FACT_NEXT_3; f++)
                next = fact(w, (enum fact)f);
        return next;
}

static void get_facts(struct rest_walk *w, struct rest_page_facts *f)
{
        *f = (struct rest_page_facts){
                .records = json_records_count(w->records),
                .hash = json_records_hash(w->records),
                .next = first_next(w),
                .total = fact(w, FACT_TOTAL),
                .pages = fact(w, FACT_PAGES),
                .more = fact(w, FACT_MORE),
        };
        if (w->link.len && !rest_link_next(buf_str(&w->link), &f->link_next))
                f->link_next = (struct str){0};
        if (w->last_field.len)
                f->last_field = buf_str(&w->last_field);
}

/* Whether what `after` comes from is a number: then it is one in a body, too. */
static void note_after(struct rest_walk *w, const struct rest_page_facts *f)
{
        struct str from = w->is_keyset ? f->last_field : f->next;

        if (from.ptr)
                w->after_is_number = from.len && from.ptr[0] != '"';
}

static int advance(struct rest_walk *w, bool *more, struct err *e)
{
        struct rest_page_facts facts = {0}; /* of a page that its status says is empty */
        int rc = is_accepted(w) ? 0 : check_found(w, e);

        if (rc)
                return rc;
        if (!is_accepted(w)) {
                get_facts(w, &facts);
                note_after(w, &facts);
        }
        return rest_pager_advance(w->pager, &facts, more, e);
}

/* Of a first page without records at the likeliest place. Return: whether it is asked again. */
static bool try_other_place(struct rest_walk *w)
{
        if (!w->first_page || is_accepted(w) || !w->places || !w->places[1] ||
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
        int rc = advance(w, &more, &e);

        if (rc)
                wrap(w, rc, &e);
        if (rc || !more) {
                finish(w, rc, &e);
                return;
        }
        w->state = WALK_PAGE;
        rc = w->plan.on_page ? w->plan.on_page(w->plan.ctx, &e) : 0;
        if (rc < 0)
                finish(w, rc, &e);
        else if (rc == REST_WALK_PAUSE)
                w->paused = true;
        else
                next_page(w);
}

/* The reply is whole, and all of it was taken. */
static void page_whole(struct rest_walk *w)
{
        struct err e;
        int rc = w->body_rc;

        if (rc) {
                e = w->body_err;
                if (w->own) {
                        finish(w, rc, &e);
                        return;
                }
        } else if (!is_accepted(w)) {
                rc = json_records_end(w->records, &e);
        }
        if (rc) {
                if (!w->named)
                        wrap(w, rc, &e);
                page_broke(w, rc, w->named ? PAGE_TRIES : MALFORMED_TRIES, &e);
                return;
        }
        /* Fewer than were handed on. */
        if (w->skip > 0) {
                finish(w, changed_meanwhile(w, &e), &e);
                return;
        }
        page_done(w);
}

/* ---- requests ---- */

static bool mark_is_refused(const struct rest_walk *w, const struct rest_reply *reply)
{
        return w->from_mark && w->first_page &&
               (reply->status == 400 || reply->status == 404 || reply->status == 410);
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
        if (rc)
                finish(w, rc, &e);
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
                finish(w, reply->rc, &e);
        } else {
                int rc = keep_reply(w, reply, &e);
                if (rc)
                        finish(w, rc, &e);
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
                .on_body = on_body,
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
                finish(w, rc, &e);
}

static void on_soon(void *ctx)
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
                if (!feed_left(w))
                        return;
                if (w->body_rc && w->pending)
                        rest_client_cancel(w->pending); /* on_done takes body_err */
                else if (w->pending)
                        rest_client_resume(w->pending);
                return;
        case WALK_DRAIN:
                if (feed_left(w))
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

        finish(w, err_set(&e, ERR_CANCEL, "the read was cancelled"), &e);
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

struct str rest_walk_etag(const struct rest_walk *w)
{
        return w->status == 200 ? buf_str(&w->etag) : (struct str){0};
}

int64_t rest_walk_page_us(const struct rest_walk *w)
{
        return w->page_us;
}

const char *rest_walk_doubt(const struct rest_walk *w)
{
        return w->pager ? rest_pager_doubt(w->pager) : "";
}

bool rest_walk_from_mark(const struct rest_walk *w)
{
        return w->from_mark;
}

/* ---- made ---- */

static void add_fact(struct rest_walk *w, enum fact f, const char *path)
{
        w->fact_at[f] = FACTS;
        if (!path || !path[0])
                return;
        w->fact_at[f] = w->options.fact_count;
        w->options.facts[w->options.fact_count++] = path;
}

static bool is_odata(const struct rest_walk *w)
{
        return w->plan.odata && w->plan.odata->version;
}

static void set_next(struct rest_walk *w, const struct rest_paging_spec *p)
{
        const char *const *next = NULL;

        if (is_odata(w) && p->kind == REST_PAGING_ODATA && !p->next)
                next = rest_odata_next(w->plan.odata->version);
        add_fact(w, FACT_NEXT, next ? next[0] : p->next);
        add_fact(w, FACT_NEXT_2, next && next[0] ? next[1] : NULL);
        add_fact(w, FACT_NEXT_3, next && next[0] && next[1] ? next[2] : NULL);
}

static void set_place(struct rest_walk *w)
{
        int version = is_odata(w) ? w->plan.odata->version : 0;

        w->options.path = w->plan.call->records;
        if (!version || w->options.path)
                return;
        w->places = w->plan.entity ? rest_odata_entity(version) : rest_odata_records(version);
        w->options.path = w->places[0];
}

static void accept(struct rest_walk *w, int status)
{
        if (w->accept_count < REST_ACCEPT_MAX)
                w->accept[w->accept_count++] = status;
}

static void set_options(struct rest_walk *w)
{
        const struct rest_paging_spec *p = w->plan.paging ? w->plan.paging : &w->one_page;
        const struct rest_extract *x = w->plan.extract;

        set_place(w);
        w->options.max_record = (size_t)w->plan.source->options->max_record;
        w->options.on_record = on_record;
        w->options.on_oversize = on_oversize;
        w->options.ctx = w;
        set_next(w, p);
        add_fact(w, FACT_TOTAL, p->total);
        add_fact(w, FACT_PAGES, p->pages);
        add_fact(w, FACT_MORE, p->more);
        add_fact(w, FACT_ERROR, x->error_path);
        add_fact(w, FACT_MESSAGE, x->error_message);
        if (w->plan.entity)
                accept(w, 404);
        if (w->plan.entity)
                accept(w, 410);
        if (w->plan.guessed)
                accept(w, 400);
        for (size_t i = 0; i < x->empty_count; i++)
                accept(w, x->empty_on[i]);
}

/* Pages by number or offset shift: the pager wants to know each record. */
static int set_pick(struct rest_walk *w, struct err *e)
{
        const struct rest_paging_spec *p = w->plan.paging;
        const struct string_list *key = w->plan.key;
        size_t count = key ? key->count : 0;

        w->is_keyset = p && p->kind == REST_PAGING_KEYSET;
        if (!p || (!w->is_keyset && p->kind != REST_PAGING_PAGE && p->kind != REST_PAGING_OFFSET))
                return 0;
        const char **paths = arena_array(w->arena, count + 1, sizeof(*paths));
        w->picked = arena_array(w->arena, count + 1, sizeof(*w->picked));
        if (!paths || !w->picked)
                return arena_failed(w->arena, "a read", e);
        if (count)
                memcpy(paths, key->items, count * sizeof(*paths));
        w->keys = count;
        if (w->is_keyset)
                paths[count] = p->field ? p->field : count ? key->items[0] : "id";
        return json_pick_new(paths, count + w->is_keyset, w->arena, &w->pick, e);
}

static int copy_plan(struct rest_walk *w, struct err *e)
{
        struct rest_walk_plan *p = &w->plan;
        size_t count = REST_PAGE_VARS + p->vars.count;

        w->arena = arena_new(ARENA_MAX);
        if (!w->arena)
                return err_nomem(e, "a read");
        w->vars = arena_array(w->arena, count, sizeof(*w->vars));
        if (w->vars && p->vars.count)
                memcpy(w->vars + REST_PAGE_VARS, p->vars.items,
                        p->vars.count * sizeof(*p->vars.items));
        if (w->vars && p->from.ptr) {
                p->from = arena_dup(w->arena, p->from);
                return p->from.ptr ? 0 : arena_failed(w->arena, "a cursor", e);
        }
        return w->vars ? 0 : arena_failed(w->arena, "a read", e);
}

static int init(struct rest_walk *w, struct err *e)
{
        const struct rest_paging_spec *spec = w->plan.paging ? w->plan.paging : &w->one_page;
        int rc = copy_plan(w, e);

        if (rc)
                return rc;
        set_options(w);
        rc = set_pick(w, e);
        if (!rc)
                rc = rest_pager_new(spec, w->plan.mark, &w->pager, e);
        if (!rc)
                rc = loop_timer_new(w->plan.source->loop, on_soon, w, &w->soon, e);
        return rc;
}

int rest_walk_new(const struct rest_walk_plan *plan, struct rest_walk **out, struct err *e)
{
        struct rest_walk *w = calloc(1, sizeof(*w));

        if (!w)
                return err_nomem(e, "a read");
        w->plan = *plan;
        w->one_page.max_pages = 1;
        w->first_page = true;
        w->from_mark = plan->mark.len > 0;
        w->server_us = w->page_us = -1;
        w->left = BUF_INIT(LEFT_MAX);
        w->base = BUF_INIT(URL_MAX);
        w->link = BUF_INIT(URL_MAX);
        w->etag = BUF_INIT(URL_MAX);
        w->last_field = BUF_INIT(FIELD_MAX);
        rest_asked_init(&w->asked);
        int rc = init(w, e);
        if (rc) {
                rest_walk_free(w);
                return rc;
        }
        loop_timer_soon(w->soon);
        *out = w;
        return 0;
}

struct rest_walk *rest_walk_free(struct rest_walk *w)
{
        if (!w)
                return NULL;
        loop_timer_free(w->soon);
        json_records_free(w->records);
        rest_pager_free(w->pager);
        rest_asked_deinit(&w->asked);
        buf_deinit(&w->left);
        buf_deinit(&w->base);
        buf_deinit(&w->link);
        buf_deinit(&w->etag);
        buf_deinit(&w->last_field);
        arena_free(w->arena);
        free(w);
        return NULL;
}
