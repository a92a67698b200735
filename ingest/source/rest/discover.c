/*
 * `discover` of a REST source: an OData service tells all of itself in $metadata, other APIs show
 * one page of records.
 *
 * Where the source's url lies below the service's root (a company of Business Central), $metadata
 * is not there; what is there names it as its context.
 */
#include <stdio.h>

#include "ingest/record/json_scan.h"
#include "ingest/source/rest/rest.h"
#include "ingest/source/rest/entity.h"
#include "ingest/source/rest/sample.h"
#include "ingest/source/rest/url.h"

#define REPLY_MAX    (16 << 20) /* of one page */
#define URL_MAX      (8 << 10)
#define LINK_MAX     (8 << 10)
#define ACCEPT_XML   "Accept: application/xml"
#define ACCEPT_JSON  "Accept: application/json"
#define UNAUTHORIZED 401
#define FORBIDDEN    403

/* One request in a straight line. On the heap: after a second interrupt it is left behind, and its
 * end comes when the client is closed. */
struct asking {
        struct buf body, link;
        struct rest_metadata_reader *reader; /* takes the body, where there is one */
        bool done, abandoned;
        int rc;
        struct err err;
};

static struct asking *asking_free(struct asking *a)
{
        if (!a)
                return NULL;
        buf_deinit(&a->body);
        buf_deinit(&a->link);
        free(a);
        return NULL;
}
DEFINE_CLEANUP(struct asking *, asking_free);

static int on_xml(void *ctx, struct str bytes, struct err *e)
{
        struct asking *a = ctx;

        return a->abandoned ? err_set(e, ERR_CANCEL, "cancelled")
                            : rest_metadata_feed(a->reader, bytes, e);
}

static void on_done(void *ctx, const struct rest_reply *reply)
{
        struct asking *a = ctx;

        if (a->abandoned) {
                asking_free(a);
                return;
        }
        a->done = true;
        a->rc = reply->rc;
        a->err = reply->err;
        buf_put_str(&a->body, reply->body);
        buf_puts(&a->link, reply->link);
}

/* @reader: where the body goes; NULL: into (*out)->body */
static int ask(struct rest_source *s, const char *url, const char *accept,
        struct rest_metadata_reader *reader, struct asking **out, struct err *e)
{
        const char *headers[] = {accept, NULL};
        cleanup_(asking_freep) struct asking *a = calloc(1, sizeof(*a));
        struct rest_request r = {.method = "GET",
                .url = url,
                .headers = headers,
                .on_body = reader ? on_xml : NULL,
                .on_done = on_done,
                .ctx = a};
        struct rest_pending *pending;

        if (!a)
                return err_nomem(e, "a request");
        buf_init(&a->body, REPLY_MAX);
        buf_init(&a->link, LINK_MAX);
        a->reader = reader;
        int rc = rest_client_send(s->client, &r, &pending, e);
        if (rc)
                return rc;
        rc = loop_run_until(s->loop, &a->done, e);
        if (rc) {
                struct err late;
                rest_client_cancel(pending);
                if (loop_run_until_done(s->loop, &a->done, &late))
                        TAKE(a)->abandoned = true;
                return rc;
        }
        if (a->rc && e)
                *e = a->err;
        if (a->rc)
                return a->rc;
        rc = buf_check(&a->body, "the reply", e);
        if (!rc)
                *out = TAKE(a);
        return rc;
}

static int put_url(struct buf *url, const char *base, const char *rest, struct err *e)
{
        buf_puts(url, base);
        buf_puts(url, rest);
        return buf_cstr(url) ? 0 : err_set(e, ERR_CONFIG, "the address is too long");
}

/* ---- OData ---- */

static int read_metadata(struct rest_source *s, const char *url, struct arena *arena,
        struct rest_metadata *out, struct err *e)
{
        cleanup_(rest_metadata_reader_freep) struct rest_metadata_reader *reader = NULL;
        cleanup_(asking_freep) struct asking *a = NULL;
        int rc = rest_metadata_reader_new(arena, &reader, e);

        if (!rc)
                rc = ask(s, url, ACCEPT_XML, reader, &a, e);
        if (rc)
                return rc;
        rc = rest_metadata_end(reader, out, e);
        return rc ? err_wrap(e, rc, "GET %s", url) : 0;
}

/* What a reply says about its own metadata: "https://.../$metadata#companies(...)/items" */
static bool find_context(struct str body, struct buf *out)
{
        struct json_walk w;
        struct str key, value;

        if (!json_walk_open(&w, body, '{'))
                return false;
        while (json_walk_next(&w, &key, &value)) {
                if (!str_is(key, "\"@odata.context\"") && !str_is(key, "\"odata.metadata\""))
                        continue;
                if (json_unquote(value, out, NULL))
                        return false;
                const char *hash = out->len ? memchr(out->data, '#', out->len) : NULL;
                if (hash)
                        out->len = (size_t)(hash - out->data);
                return out->len > 0;
        }
        return false;
}

/* The address of the metadata, from what stands at the source's url. */
static int find_metadata(struct rest_source *s, struct buf *out, struct err *e)
{
        cleanup_buf_ struct buf context = BUF_INIT(URL_MAX);
        cleanup_(asking_freep) struct asking *a = NULL;
        const char *url = s->options->url;
        int rc = ask(s, url, ACCEPT_JSON, NULL, &a, e);

        if (rc)
                return rc;
        if (!find_context(buf_str(&a->body), &context) || !buf_cstr(&context))
                return err_set(e, ERR_CONFIG, "%s is no OData either", url);
        rc = rest_url_join(url, buf_cstr(&context), out, e);
        if (!rc && (!buf_cstr(out) || !rest_url_same_origin(url, buf_cstr(out))))
                rc = err_set(e, ERR_CONFIG, "%s names metadata at another host", url);
        return rc;
}

/* Whether another address may answer better. */
static bool may_be_elsewhere(int rc, const struct err *e)
{
        return rc == -ERR_CONFIG && e->code != UNAUTHORIZED && e->code != FORBIDDEN;
}

static int no_metadata(const struct rest_source *s, const struct catalog_query *q, int rc,
        const struct err *why, struct err *e)
{
        if (e)
                *e = *why;
        if (!may_be_elsewhere(rc, why))
                return rc;
        return err_hint(e, rc,
                "an OData source's url ends where $metadata is; of any other API name a path that "
                "gives a page of records: erp2couch discover %s '/%s%s'",
                s->config->name, q->table ? q->table : "products",
                q->table && strchr(q->table, '?') ? "" : "?limit=5");
}

static int load_metadata(struct rest_source *s, const struct catalog_query *q, struct arena *arena,
        struct rest_metadata *out, struct err *e)
{
        cleanup_buf_ struct buf url = BUF_INIT(URL_MAX), other = BUF_INIT(URL_MAX);
        struct err why, ignored;
        int rc = put_url(&url, s->options->url, "/$metadata", e);

        if (rc)
                return rc;
        rc = read_metadata(s, buf_cstr(&url), arena, out, &why);
        if (rc == 0)
                return 0;
        if (may_be_elsewhere(rc, &why) && find_metadata(s, &other, &ignored) == 0)
                return read_metadata(s, buf_cstr(&other), arena, out, e);
        return no_metadata(s, q, rc, &why, e);
}

static void add_notes(
        const struct rest_source *s, const struct rest_metadata *m, const struct catalog *catalog)
{
        struct catalog_rest *rest = (struct catalog_rest *)catalog->tables[0].rest;

        if (strncmp(m->name_space, "Microsoft.NAV", 13) == 0 &&
                !strstr(s->options->url, "companies("))
                rest->notes[0] = "CHECK THIS: Business Central keeps this set under a company: let "
                                 "the source's url end in /companies(ID).";
}

static int discover_entities(struct rest_source *s, const struct catalog_query *q,
        struct arena *arena, struct catalog *out, struct err *e)
{
        struct rest_metadata m;
        int rc = load_metadata(s, q, arena, &m, e);

        if (!rc)
                rc = rest_entities(&m, q, arena, out, e);
        if (!rc && q->table)
                add_notes(s, &m, out);
        return rc;
}

/* ---- JSON ---- */

static int discover_reply(struct rest_source *s, const struct catalog_query *q, struct arena *arena,
        struct catalog *out, struct err *e)
{
        cleanup_buf_ struct buf url = BUF_INIT(URL_MAX);
        cleanup_(asking_freep) struct asking *a = NULL;
        struct catalog_table *table = arena_alloc(arena, sizeof(*table));
        struct rest_sample_call call;

        if (!table)
                return arena_failed(arena, "the reply", e);
        int rc = rest_sample_call(q->table, arena, &call, e);
        if (!rc)
                rc = put_url(&url, s->options->url, q->table, e);
        if (!rc)
                rc = ask(s, buf_cstr(&url), ACCEPT_JSON, NULL, &a, e);
        if (rc)
                return rc;
        const char *link = buf_cstr(&a->link);
        struct rest_sample_reply reply = {buf_str(&a->body), link ? link : ""};
        rc = rest_sample_table(&call, &reply, arena, table, e);
        if (rc)
                return err_wrap(e, rc, "GET %s%s", s->options->url, call.path);
        *out = (struct catalog){table, 1};
        return 0;
}

int rest_discover(struct source *source, const struct catalog_query *q, struct arena *arena,
        struct catalog *out, struct err *e)
{
        struct rest_source *s = (struct rest_source *)source;

        if (q->schema)
                return err_set(e, ERR_USAGE, "a REST source has no schemas: leave --schema out");
        if (q->table && q->table[0] == '/')
                return discover_reply(s, q, arena, out, e);
        return discover_entities(s, q, arena, out, e);
}
