/*
 * A source is a client and the reads that use it. Opening sends nothing: what a REST source may be
 * asked is known to its mappers alone, and some APIs count every request and every error. The first
 * request proves all of it: address, TLS, credentials and path.
 */
#include "ingest/source/rest/rest.h"

#include "ingest/source/rest/keys.h"
#include "ingest/source/rest/probe.h"
#include "ingest/source/rest/pushed.h"
#include "ingest/source/rest/read.h"
#include "ingest/source/rest/shape.h"
#include "ingest/source/rest/since.h"

static struct source *rest_close(struct source *source)
{
        struct rest_source *s = (struct rest_source *)source;

        if (!s)
                return NULL;
        rest_reads_reap(s, true);
        s->client = rest_client_close(s->client);
        rest_reads_reap(s, true); /* cancelled twice: those that were left behind */
        rest_since_free(s->since);
        free(s);
        return NULL;
}

static int rest_open(const struct source_config *config, struct loop *loop, const struct log *log,
        struct source **out, struct err *e)
{
        struct rest_source *s = calloc(1, sizeof(*s));

        if (!s)
                return err_nomem(e, "a source");
        s->base.ops = &source_rest;
        s->config = config;
        s->options = config->own;
        s->loop = loop;
        s->log = log;
        int rc = rest_client_open(
                s->options, config->name, config->folder, loop, log, &s->client, e);
        if (rc) {
                rest_close((struct source *)s);
                return rc;
        }
        struct rest_options *all = config->own;
        rest_client_share(s->client, &all->running);
        *out = (struct source *)s;
        return 0;
}

static int rest_describe(struct source *source, const struct extract *x, struct arena *arena,
        struct shape *out, struct err *e)
{
        rest_reads_reap((struct rest_source *)source, false);
        return rest_shape(x, arena, out, e);
}

/* ---- reads ---- */

static int start(struct source *source, const struct extract *x, const struct shape *shape,
        enum rest_what what, const struct source_sink *sink, struct source_read **out,
        struct err *e)
{
        const struct rest_reading reading = {.what = what};

        return rest_read_start((struct rest_source *)source, x, shape, &reading, sink, out, e);
}

static int rest_read_all(struct source *source, const struct extract *x, const struct shape *shape,
        const struct source_sink *sink, struct source_read **out, struct err *e)
{
        return start(source, x, shape, REST_ALL, sink, out, e);
}

static int rest_read_since(struct source *source, const struct extract *x,
        const struct shape *shape, const struct source_sink *sink, struct source_read **out,
        struct err *e)
{
        return start(source, x, shape, REST_SINCE, sink, out, e);
}

static int rest_read_keys(struct source *source, const struct extract *x, const struct shape *shape,
        const struct source_sink *sink, struct source_read **out, struct err *e)
{
        return start(source, x, shape, REST_KEYS, sink, out, e);
}

static int rest_read_deleted(struct source *source, const struct extract *x,
        const struct shape *shape, const struct source_sink *sink, struct source_read **out,
        struct err *e)
{
        return start(source, x, shape, REST_DELETED, sink, out, e);
}

static int rest_read_by_keys(struct source *source, const struct extract *x,
        const struct shape *shape, const struct value *keys, size_t count,
        const struct source_sink *sink, struct source_read **out, struct err *e)
{
        const struct rest_reading reading = {.what = REST_BY_KEYS, .keys = keys, .key_rows = count};

        return rest_read_start((struct rest_source *)source, x, shape, &reading, sink, out, e);
}

/* ---- positions ---- */

/* Times without zone are taken as UTC where neither cursor nor mapper has one: nothing to refuse.
 */
static int rest_check_watch(struct source *source, const struct extract *x,
        const struct source_watch *watch, struct err *e)
{
        (void)source;
        (void)x;
        (void)watch;
        (void)e;
        return 0;
}

static int rest_observe(struct source *source, const struct extract *x,
        const struct source_watch *watch, struct source_observation *out, struct err *e)
{
        struct rest_source *s = (struct rest_source *)source;

        rest_reads_reap(s, false);
        *out = (struct source_observation){0};
        s->since = rest_since_free(s->since);
        return rest_since_new(s, x, watch, out, &s->since, e);
}

static int rest_position_of(struct source *source, struct buf *out, struct err *e)
{
        struct rest_source *s = (struct rest_source *)source;

        if (!s->since)
                return err_set(e, ERR_BUG, "a position without an observation");
        return rest_since_position(s->since, out, e);
}

static const char *rest_ahead(struct source *source)
{
        struct rest_source *s = (struct rest_source *)source;

        return s->since && s->since->after ? rest_position_ahead(s->since->after) : "";
}

static const char *rest_doubt(struct source *source)
{
        return ((struct rest_source *)source)->doubt;
}

static bool rest_reads_all_for_keys(struct source *source, const struct extract *x)
{
        (void)source;
        return !rest_keys_possible(x);
}

const struct source_ops source_rest = {
        .type = "rest",
        .no_snapshot = true,
        .open_shape = true,
        .help = "REST and OData APIs over HTTP, described in the mapper",
        .options = &rest_option_table,
        .options_size = sizeof(struct rest_options),
        .check = rest_options_check,
        .extract = &extract_rest,
        .decode_extract = rest_extract_decode,
        .open = rest_open,
        .close = rest_close,
        .describe = rest_describe,
        .discover = rest_discover,
        .probe = rest_probe,
        .read_all = rest_read_all,
        .read_by_keys = rest_read_by_keys,
        .check_watch = rest_check_watch,
        .observe = rest_observe,
        .read_since = rest_read_since,
        .position = rest_position_of,
        .ahead = rest_ahead,
        .doubt = rest_doubt,
        .reads_all_for_keys = rest_reads_all_for_keys,
        .read_keys = rest_read_keys,
        .read_deleted = rest_read_deleted,
        .convert = rest_convert,
        .resume = rest_read_resume,
        .cancel = rest_read_cancel,
};
