#include "tests/unit/http_server_fixture.h"

#define BIG (8 << 20)

static struct str error_body(void *ctx, int status)
{
        (void)ctx;
        switch (status) {
        case 400:
                return STR("{\"error\":400}");
        case 503:
                return STR("{\"error\":503}");
        default:
                return STR("{\"error\":true}");
        }
}

static size_t body_limit(void *ctx, struct http_exchange *x)
{
        struct server_fixture *f = ctx;

        return str_is(http_exchange_path(x), "/limited") ? f->body_limit : SIZE_MAX;
}

static void put_header(struct buf *b, struct http_exchange *x, const char *name)
{
        const char *value = http_exchange_header(x, name);

        if (value)
                buf_printf(b, "%s=[%s]\n", name, value);
}

static void echo(struct http_exchange *x)
{
        cleanup_buf_ struct buf b = BUF_INIT(32 << 20);
        struct str segments[4];
        size_t count = http_exchange_segments(x, segments, 4);
        struct str value = http_exchange_query(x, "q");

        buf_printf(&b, "%s ", http_exchange_method(x));
        buf_put_str(&b, http_exchange_path(x));
        buf_printf(&b, " from %s\n", http_exchange_peer(x));
        for (size_t i = 0; i < count && i < 4; i++)
                buf_printf(&b, "segment=[%.*s]\n", STR_ARG(segments[i]));
        if (value.ptr)
                buf_printf(&b, "q=[%.*s]\n", STR_ARG(value));
        put_header(&b, x, "Host");
        put_header(&b, x, "X-A");
        buf_puts(&b, "body=[");
        buf_put_str(&b, http_exchange_body(x));
        buf_puts(&b, "]\n");
        http_exchange_reply(x, 200, "text/plain", buf_str(&b));
}

static void big(struct http_exchange *x)
{
        cleanup_(freep) char *bytes = malloc(BIG);

        assert_non_null(bytes);
        memset(bytes, 'b', BIG);
        http_exchange_reply(x, 200, "text/plain", (struct str){bytes, BIG});
}

static void set_headers(struct http_exchange *x)
{
        http_exchange_set_header(x, "X-One", "1");
        http_exchange_set_header(x, "x-one", "2");
        http_exchange_set_header(x, "X-Split", "a\r\nX-Evil: 1");
        http_exchange_set_header(x, "X-Fold", "a\r\n b");
        http_exchange_set_header(x, "X Name", "a");
        http_exchange_set_header(x, "X-Null", "");
        http_exchange_reply(x, 429, "application/json", STR("{}"));
}

static void on_close(void *ctx)
{
        ((struct server_fixture *)ctx)->closed++;
}

static void on_request(void *ctx, struct http_exchange *x)
{
        struct server_fixture *f = ctx;
        struct str path = http_exchange_path(x);

        f->requests++;
        if (path.len >= 5 && memcmp(path.ptr, "/echo", 5) == 0) {
                echo(x);
        } else if (str_is(path, "/later") || str_is(path, "/stream")) {
                assert_true(f->held_count < MAX_HELD);
                f->held[f->held_count++] = x;
                if (str_is(path, "/stream"))
                        http_exchange_stream(x, "text/event-stream", on_close, f);
        } else if (str_is(path, "/big")) {
                big(x);
        } else if (str_is(path, "/headers")) {
                set_headers(x);
        } else if (str_is(path, "/204") || str_is(path, "/304")) {
                http_exchange_reply(x, path.ptr[1] == '2' ? 204 : 304, "text/plain", STR("none"));
        } else {
                http_exchange_reply(x, 404, "text/plain", path);
        }
}

void server_begin(struct server_fixture *f, const struct http_server_options *options)
{
        struct http_server_options o = {.fd = -1};
        struct err e;

        if (options)
                o = *options;
        if (!o.listen)
                o.listen = "127.0.0.1:0";
        o.fd = o.fd ? o.fd : -1;
        o.ctx = f;
        o.on_request = on_request;
        o.error_body = error_body;
        o.body_limit = body_limit;
        *f = (struct server_fixture){.body_limit = 10};
        assert_int_equal(loop_new(&f->loop, &e), 0);
        if (http_server_new(f->loop, &o, NULL, &f->server, &e) != 0)
                fail_msg("%s", e.text);
}

void server_end(struct server_fixture *f)
{
        f->server = http_server_free(f->server);
        f->loop = loop_free(f->loop);
}

void server_run(struct server_fixture *f, int ms)
{
        struct err e;

        assert_int_equal(loop_sleep(f->loop, ms, &e), 0);
}

void server_connect(struct server_fixture *f, struct http_raw *c)
{
        http_raw_connect(c, f->loop, http_server_port(f->server));
}

void server_send(struct http_raw *c, const char *text)
{
        http_raw_send(c, str_of(text));
}

void server_talk(struct server_fixture *f, struct http_raw *c, struct str bytes)
{
        server_connect(f, c);
        http_raw_send(c, bytes);
        http_raw_wait_end(c, 3000);
}

struct http_server_stats server_stats(const struct server_fixture *f)
{
        struct http_server_stats s;

        http_server_stats(f->server, &s);
        return s;
}
