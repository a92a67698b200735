/*
 * Reads of a REST source against a scripted server: whatever the sink says (pause, hold), whatever
 * breaks, and wherever a read is cut short, the records come in order and none is lost.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "ingest/loop/http.h"
#include "ingest/record/json_scan.h"
#include "ingest/source/source.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/fake_http.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ROWS     12

/* ---- a server of /items (12 rows), /items/N/lines (N % 3 of them) and /items/N ---- */

struct service {
        struct fake_http *http;
        _Atomic int cut;      /* replies to be cut, from now on */
        _Atomic int deny;     /* status of offsets other than 0; 0: none */
        _Atomic bool changes; /* names are others each time */
        _Atomic bool ahead;   /* the stamp of record 5 is of 2099 */
        _Atomic bool page;    /* of HTML, in place of any reply */
        _Atomic bool runs;    /* its clock is ours, less ten seconds */
        char headers[128];
        _Atomic int asked;
};

static int number_behind(const char *path, const char *name, int otherwise)
{
        const char *at = strstr(path, name);

        return at ? (int)strtol(at + strlen(name), NULL, 10) : otherwise;
}

static void put_rows(struct buf *out, int from, int count, const char *word, bool ahead)
{
        buf_puts(out, "{\"value\": [");
        for (int i = from; i < from + count && i < ROWS; i++)
                buf_printf(out,
                        "%s{\"id\": %d, \"name\": \"%s %d\", \"kind\": \"k%d\", \"at\": "
                        "\"%d-01-%02dT00:00:00Z\"}",
                        i > from ? ", " : "", i, word, i, i / 4, ahead && i == 5 ? 2099 : 2026,
                        i + 1);
        buf_printf(out, "], \"total\": %d}", ROWS + 2); /* two more than there are */
}

static void put_lines(struct buf *out, int of)
{
        buf_puts(out, "[");
        for (int i = 0; i < of % 3; i++)
                buf_printf(out, "%s{\"n\": %d}", i ? "," : "", i);
        buf_puts(out, "]");
}

static void put_headers(struct service *s)
{
        char date[64] = "Sat, 31 Jan 2026 00:00:00 GMT";
        time_t now = time(NULL) - 10;
        struct tm tm;

        if (atomic_load(&s->runs) && gmtime_r(&now, &tm))
                strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        snprintf(s->headers, sizeof(s->headers), "Content-Type: application/json\r\nDate: %s\r\n",
                date);
}

/* An entity whose key is a string, as OData servers have it: others are not there. */
static void put_thing(struct buf *out, const char *path, struct fake_reply *reply)
{
        char name[16];
        int length = 0;

        if (sscanf(path, "/things('%15[A-Z0-9]')%n", name, &length) == 1 && length &&
                strcmp(name, "99") != 0)
                buf_printf(out, "{\"id\": \"%s\", \"name\": \"thing\"}", name);
        else
                reply->status = 404;
}

/* The set itself: "open" things whose key is a string, of those with a filter for them. */
static void put_open_things(struct buf *out, const char *path, struct fake_reply *reply)
{
        static const char open[] = "/things?$filter=(state%20eq%20'open')%20and%20id%20eq%20";
        const char *key = path + sizeof(open) - 1;

        buf_puts(out, "{\"value\": [");
        if (strncmp(path, open, sizeof(open) - 1) != 0)
                reply->status = 403;
        else if (strcmp(key, "'7'") == 0)
                buf_puts(out, "{\"id\": \"7\", \"name\": \"thing\"}");
        else if (key[0] != '\'')
                reply->status = 400; /* a number */
        buf_puts(out, "]}");
}

static void answer(void *ctx, const struct fake_request *q, struct fake_reply *reply)
{
        struct service *s = ctx;
        struct buf body = BUF_INIT(1 << 20);
        char word[32] = "row";
        int id, length = 0;

        int asked = atomic_fetch_add(&s->asked, 1);
        if (atomic_load(&s->changes))
                snprintf(word, sizeof(word), "row of %d", asked);
        if (sscanf(q->path, "/items/%d/lines%n", &id, &length) == 1 && length)
                put_lines(&body, id);
        else if (sscanf(q->path, "/items/%d", &id) == 1 && id < ROWS)
                buf_printf(&body, "{\"id\": %d, \"name\": \"alone\"}", id);
        else if (sscanf(q->path, "/items/%d", &id) == 1)
                reply->status = 404;
        else if (strncmp(q->path, "/things?", 8) == 0)
                put_open_things(&body, q->path, reply);
        else if (strncmp(q->path, "/things", 7) == 0)
                put_thing(&body, q->path, reply);
        else if (strncmp(q->path, "/from", 5) == 0) /* the record that is named comes again */
                put_rows(&body, number_behind(q->path, "from=", 0), 4, word, false);
        else {
                int offset = number_behind(q->path, "offset=", 0);

                put_rows(&body, offset, number_behind(q->path, "limit=", ROWS), word,
                        atomic_load(&s->ahead));
                if (offset && atomic_load(&s->deny))
                        reply->status = atomic_load(&s->deny);
                if (atomic_load(&s->cut) > 0 && atomic_fetch_sub(&s->cut, 1) > 0)
                        reply->fault = FAKE_HALF;
        }
        if (atomic_load(&s->page)) {
                buf_clear(&body);
                buf_puts(&body, "<html><title>Maintenance</title></html>");
        }
        put_headers(s);
        reply->headers = s->headers;
        reply->body = buf_cstr(&body);
        reply->body_len = body.len;
        reply->owned = true;
}

/* ---- a source, a mapper's extract and a sink ---- */

#define PAGED  "paging: {type: offset, param: offset, size_param: limit, size: 4}\nrecords: value\n"
#define PLAIN  "path: /items\nkey: id\n" PAGED
#define CURSOR PLAIN "cursor: {field: at, param: since}\nlookback: 0s\n"

struct scene {
        struct service service;
        struct loop *loop;
        struct ydoc *doc, *source_doc;
        struct arena *arena;
        struct source_config config;
        struct source *source;
        struct extract *x;
        struct shape shape;
        struct source_read *read;
        struct loop_timer *resume;
        struct buf got;   /* keys, and what the second column and children have */
        struct buf marks; /* NUL-terminated, each */
        int records, rejects, mark_count;
        int hold_every, pause_every, stop_after_marks;
        bool held, ended, cancelled;
        int rc;
        struct err err;
};

static const char *const column_names[] = {"name", "lines"};

static void resume(void *ctx)
{
        struct scene *s = ctx;

        if (!s->ended)
                source_resume(s->read);
}

static void put_value(struct buf *out, struct value v)
{
        buf_put(out, v.ptr ? v.ptr : "-", v.ptr ? v.len : 1);
}

static int on_record(void *ctx, const struct record *record, struct err *e)
{
        struct scene *s = ctx;
        int n = s->records;

        (void)e;
        if (s->hold_every && !s->held && n % s->hold_every == 0) {
                s->held = true;
                loop_timer_set(s->resume, 1);
                return SOURCE_HOLD;
        }
        s->held = false;
        s->records++;
        buf_putc(&s->got, ' ');
        put_value(&s->got, record->row[s->shape.key[0]]);
        if (s->x->group.count)
                buf_printf(&s->got, "x%zu", record->children[0].count);
        if (s->x->child_count) {
                buf_putc(&s->got, '=');
                put_value(&s->got, record->row[1]);
        }
        if (!s->pause_every || n % s->pause_every)
                return 0;
        loop_timer_set(s->resume, 1);
        return SOURCE_PAUSE;
}

static int on_reject(void *ctx, struct str key, const char *reason, struct err *e)
{
        struct scene *s = ctx;

        (void)key;
        (void)e;
        s->rejects++;
        buf_printf(&s->got, " (%s)", reason);
        return 0;
}

static int on_mark(void *ctx, struct str mark, struct err *e)
{
        struct scene *s = ctx;

        (void)e;
        buf_clear(&s->marks);
        buf_put_str(&s->marks, mark);
        if (++s->mark_count == s->stop_after_marks) {
                s->cancelled = true;
                source_cancel(s->read);
        }
        if (!s->pause_every)
                return 0;
        loop_timer_set(s->resume, 1);
        return SOURCE_PAUSE;
}

static void on_end(void *ctx, int rc, const struct err *e)
{
        struct scene *s = ctx;

        assert_false(s->ended);
        s->ended = true;
        s->rc = rc;
        if (rc)
                s->err = *e;
}

static void begin(struct scene *s, const char *extract)
{
        char source[200];
        struct err e;

        memset(s, 0, sizeof(*s));
        s->got = BUF_INIT(1 << 20);
        s->marks = BUF_INIT(1 << 20);
        s->service.http = fake_http_start_handler(answer, &s->service);
        s->arena = arena_new(1 << 22);
        snprintf(source, sizeof(source), "type: rest\nurl: %s\nretry_for: 1s\n",
                fake_http_url(s->service.http, ""));
        if (loop_new(&s->loop, &e) ||
                ydoc_parse(str_of(source), "c.yaml", YDOC_EXPAND_MAPPER, &s->source_doc, &e) ||
                source_config_decode(
                        s->source_doc, "erp", s->source_doc->root, s->arena, &s->config, &e) ||
                ydoc_parse(str_of(extract), "m.yaml", YDOC_EXPAND_MAPPER, &s->doc, &e) ||
                extract_decode(&s->config, s->doc, s->doc->root, s->arena, &s->x, &e) ||
                source_open(&s->config, s->loop, NULL, &s->source, &e) ||
                loop_timer_new(s->loop, resume, s, &s->resume, &e))
                fail_msg("%s", e.text);
        s->x->names = (struct string_list){(const char **)column_names, COUNT(column_names)};
        if (source_describe(s->source, s->x, s->arena, &s->shape, &e))
                fail_msg("%s", e.text);
}

static void finish(struct scene *s)
{
        source_close(s->source);
        loop_timer_free(s->resume);
        loop_free(s->loop);
        fake_http_stop(s->service.http);
        ydoc_free(s->doc);
        ydoc_free(s->source_doc);
        arena_free(s->arena);
        buf_deinit(&s->got);
        buf_deinit(&s->marks);
}

enum way { ALL, SINCE, KEYS, BY_KEYS };

static void read_it(struct scene *s, enum way way, const char *const *keys, size_t count)
{
        const struct source_sink sink = {on_record, on_reject, on_mark, on_end, s};
        struct value values[16];
        struct err e;
        int rc = 0;

        for (size_t i = 0; i < count; i++)
                values[i] = (struct value){keys[i], (uint32_t)strlen(keys[i])};
        buf_clear(&s->got);
        s->ended = s->held = false;
        s->records = s->rejects = s->mark_count = 0;
        switch (way) {
        case ALL:
                rc = source_read_all(s->source, s->x, &s->shape, &sink, &s->read, &e);
                break;
        case SINCE:
                rc = source_read_since(s->source, s->x, &s->shape, &sink, &s->read, &e);
                break;
        case KEYS:
                rc = source_read_keys(s->source, s->x, &s->shape, &sink, &s->read, &e);
                break;
        case BY_KEYS:
                rc = source_read_by_keys(
                        s->source, s->x, &s->shape, values, count, &sink, &s->read, &e);
                break;
        }
        if (rc || loop_run_until(s->loop, &s->ended, &e))
                fail_msg("%s", e.text);
}

static void expect(struct scene *s, const char *got)
{
        if (s->rc)
                fail_msg("%s", s->err.text);
        assert_string_equal(buf_cstr(&s->got), got);
}

#define KEYSET "path: /from\nkey: id\nrecords: value\npaging: {type: keyset, param: from"
#define EVERY  " 0 1 2 3 4 5 6 7 8 9 10 11"

/* ---- pages that begin with the last record of the one before ---- */

static void keysets_may_include_the_record_they_name(void **state)
{
        static const char *const extracts[] = {
                KEYSET "}\n", KEYSET ", stop: empty}\n", KEYSET ", size: 4, stop: short}\n"};

        (void)state;
        for (size_t i = 0; i < COUNT(extracts); i++) {
                struct scene s;

                begin(&s, extracts[i]);
                read_it(&s, ALL, NULL, 0);
                expect(&s, EVERY);
                finish(&s);
        }
}

/* ---- sinks that pause and hold ---- */

static const struct {
        const char *extract, *got;
} ways_out[] = {
        {PLAIN, EVERY},
        {"path: /items\nkey: id\nrecords: value\n", EVERY},
        {"path: /items\ngroup: kind\n" PAGED, " k0x4 k1x4 k2x4"},
        {PLAIN "children: {lines: {path: '/items/${id}/lines', concurrency: 3}}\n",
                " 0=[] 1=[{\"n\": 0}] 2=[{\"n\": 0},{\"n\": 1}] 3=[] 4=[{\"n\": 0}]"
                " 5=[{\"n\": 0},{\"n\": 1}] 6=[] 7=[{\"n\": 0}] 8=[{\"n\": 0},{\"n\": 1}]"
                " 9=[] 10=[{\"n\": 0}] 11=[{\"n\": 0},{\"n\": 1}]"},
};

static void sinks_may_pause_and_hold(void **state)
{
        static const int every[][2] = {{0, 0}, {1, 0}, {0, 1}, {2, 3}, {1, 1}};

        (void)state;
        for (size_t i = 0; i < COUNT(ways_out); i++) {
                struct scene s;

                begin(&s, ways_out[i].extract);
                for (size_t k = 0; k < COUNT(every); k++) {
                        s.hold_every = every[k][0];
                        s.pause_every = every[k][1];
                        read_it(&s, ALL, NULL, 0);
                        expect(&s, ways_out[i].got);
                }
                finish(&s);
        }
}

static void a_read_that_is_cancelled_ends_once(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(ways_out); i++) {
                struct scene s;
                struct err e;
                const struct source_sink sink = {on_record, on_reject, NULL, on_end, &s};

                begin(&s, ways_out[i].extract);
                if (source_read_all(s.source, s.x, &s.shape, &sink, &s.read, &e))
                        fail_msg("%s", e.text);
                source_cancel(s.read);
                assert_int_equal(loop_run_until(s.loop, &s.ended, &e), 0);
                assert_int_equal(s.rc, -ERR_CANCEL);
                /* One that nobody ended goes with the source. */
                s.ended = false;
                if (source_read_all(s.source, s.x, &s.shape, &sink, &s.read, &e))
                        fail_msg("%s", e.text);
                finish(&s);
        }
}

/* ---- pages that break ---- */

static void a_page_that_breaks_gives_no_record_twice(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(ways_out); i++) {
                struct scene s;

                begin(&s, ways_out[i].extract);
                atomic_store(&s.service.cut, 2);
                read_it(&s, ALL, NULL, 0);
                expect(&s, ways_out[i].got);
                finish(&s);
        }
}

static void a_page_that_changed_meanwhile_ends_the_read(void **state)
{
        struct scene s;

        (void)state;
        begin(&s, PLAIN);
        atomic_store(&s.service.changes, true);
        atomic_store(&s.service.cut, 1);
        read_it(&s, ALL, NULL, 0);
        assert_int_equal(s.rc, -ERR_RETRY);
        assert_non_null(strstr(s.err.text, "the page has other records now"));
        finish(&s);
}

static void a_page_that_stays_broken_ends_the_read(void **state)
{
        struct scene s;

        (void)state;
        begin(&s, PLAIN);
        atomic_store(&s.service.cut, 1000);
        read_it(&s, ALL, NULL, 0);
        assert_int_equal(s.rc, -ERR_RETRY);
        finish(&s);
}

static void a_web_page_is_not_asked_for_again_and_again(void **state)
{
        struct scene s;

        (void)state;
        begin(&s, PLAIN);
        atomic_store(&s.service.page, true);
        read_it(&s, ALL, NULL, 0);
        assert_int_equal(s.rc, -ERR_RETRY);
        assert_non_null(strstr(s.err.text, "an HTML page, not JSON: \"Maintenance\""));
        assert_int_equal(atomic_load(&s.service.asked), 2);
        finish(&s);
}

/* ---- marks ---- */

static struct source_observation observe(
        struct scene *s, const char *position, const struct buf *mark, bool full)
{
        struct source_watch watch = {.position = str_of(position), .mark_full = full};
        struct source_observation seen;
        struct err e;

        if (mark)
                watch.mark = buf_str(mark);
        if (source_observe(s->source, s->x, &watch, &seen, &e))
                fail_msg("%s", e.text);
        return seen;
}

static const char *position_of(struct scene *s)
{
        static char text[4096];
        cleanup_buf_ struct buf out = BUF_INIT(sizeof(text) - 1);
        struct err e;

        if (source_position(s->source, &out, &e))
                fail_msg("%s", e.text);
        memcpy(text, out.data, out.len);
        text[out.len] = '\0';
        return text;
}

/* A cut read and the one that goes on give all records, and the cursor of one that was not cut. */
static void a_read_goes_on_at_its_mark(void **state)
{
        (void)state;
        for (int stop = 1; stop <= 3; stop++) {
                struct scene s;
                cleanup_buf_ struct buf mark = BUF_INIT(1 << 20);

                begin(&s, CURSOR);
                assert_false(observe(&s, "", NULL, false).usable);
                s.stop_after_marks = stop;
                read_it(&s, ALL, NULL, 0);
                assert_int_equal(s.rc, s.cancelled ? -ERR_CANCEL : 0);
                buf_put_str(&mark, buf_str(&s.marks));
                s.stop_after_marks = 0;
                struct source_observation seen = observe(&s, "", &mark, true);
                assert_true(seen.resumes);
                read_it(&s, ALL, NULL, 0);
                if (s.rc)
                        fail_msg("%s", s.err.text);
                assert_true(s.records < ROWS);
                const char *got = buf_cstr(&s.got);
                const char *tail = EVERY + strlen(EVERY) - strlen(got);
                assert_string_equal(got, tail);
                cleanup_(freep) char *resumed = str_dup(str_of(position_of(&s)));
                seen = observe(&s, resumed, NULL, false);
                assert_true(seen.usable);
                assert_non_null(strstr(seen.cursor, "2026-01-1"));
                finish(&s);
        }
}

static void a_stamp_beyond_the_servers_clock_moves_no_cursor(void **state)
{
        struct scene s;

        (void)state;
        begin(&s, CURSOR);
        atomic_store(&s.service.ahead, true);
        observe(&s, "", NULL, false);
        read_it(&s, ALL, NULL, 0);
        expect(&s, EVERY);
        struct source_observation seen = observe(&s, position_of(&s), NULL, false);
        assert_true(seen.usable);
        assert_non_null(strstr(seen.cursor, "2026-01-1")); /* that of record 11 */
        finish(&s);
}

/* Before the second read nothing is proved: the first one's value serves for the lookback. */
static void an_integer_serves_while_the_lookback_lasts(void **state)
{
        struct scene s;

        (void)state;
        begin(&s, PLAIN "cursor: {field: id, param: since, format: integer}\nlookback: 5m\n");
        atomic_store(&s.service.runs, true);
        observe(&s, "", NULL, false);
        read_it(&s, ALL, NULL, 0);
        expect(&s, EVERY);
        struct source_observation seen = observe(&s, position_of(&s), NULL, false);
        if (!seen.usable)
                fail_msg("%s", seen.why);
        assert_string_equal(seen.cursor, "11");
        finish(&s);
}

static void a_mark_that_is_refused_begins_anew(void **state)
{
        struct scene s;
        cleanup_buf_ struct buf mark = BUF_INIT(1 << 20);

        (void)state;
        begin(&s, CURSOR);
        observe(&s, "", NULL, false);
        s.stop_after_marks = 1;
        read_it(&s, ALL, NULL, 0);
        assert_true(s.cancelled);
        s.stop_after_marks = 0;
        buf_put_str(&mark, buf_str(&s.marks));
        assert_true(observe(&s, "", &mark, true).resumes);
        /* Whatever is not the first page: the mark's page, too. */
        atomic_store(&s.service.deny, 410);
        read_it(&s, ALL, NULL, 0);
        assert_int_equal(s.rc, -ERR_CONFIG);
        assert_memory_equal(buf_cstr(&s.got), " 0 1 2 3", 8);
        finish(&s);
}

static void marks_that_are_none_are_not_followed(void **state)
{
        static const char *const marks[] = {"x", "{", "{}", "[1]", "{\"page\":\"p\"}",
                "{\"origin\":\"http://elsewhere\",\"page\":\"p\",\"seen\":\"{}\",\"clock\":1}",
                "{\"origin\":7}", "{\"clock\":\"x\"}"};

        (void)state;
        for (size_t i = 0; i < COUNT(marks); i++) {
                struct scene s;
                cleanup_buf_ struct buf mark = BUF_INIT(1 << 20);

                begin(&s, CURSOR);
                buf_puts(&mark, marks[i]);
                assert_false(observe(&s, "", &mark, true).resumes);
                read_it(&s, ALL, NULL, 0);
                expect(&s, EVERY);
                finish(&s);
        }
}

/* ---- keys ---- */

static void records_by_key(void **state)
{
        static const char *const keys[] = {"7", "99", "3"};
        static const struct {
                const char *extract, *got;
                int most; /* requests */
        } cases[] = {
                {PLAIN "by_key: {path: '/items/${id}'}\n", " 7 3", 3},
                {PLAIN, " 3 7", 5},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct scene s;

                begin(&s, cases[i].extract);
                read_it(&s, BY_KEYS, keys, COUNT(keys));
                expect(&s, cases[i].got);
                assert_true(atomic_load(&s.service.asked) <= cases[i].most);
                read_it(&s, BY_KEYS, keys, 0);
                expect(&s, "");
                s.hold_every = s.pause_every = 1;
                read_it(&s, BY_KEYS, keys, COUNT(keys));
                expect(&s, cases[i].got);
                read_it(&s, KEYS, NULL, 0);
                expect(&s, EVERY);
                finish(&s);
        }
}

/* Codes of which some look like numbers: 404 for Things(7) does not mean that 'A1' knows better. */
static void keys_of_strings_may_look_like_numbers(void **state)
{
        static const struct {
                const char *keys[4], *got;
        } cases[] = {
                {{"A1", "7", "99", "B"}, " A1 7 B"},
                {{"7", "A1", "B", "99"}, " 7 A1 B"},
                {{"99", "7", "A1", "8"}, " 7 A1 8"},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct scene s;

                begin(&s, "path: /things\nkey: id\nodata: {version: 4}\n");
                read_it(&s, BY_KEYS, cases[i].keys, COUNT(cases[i].keys));
                expect(&s, cases[i].got);
                finish(&s);
        }
}

/* A thing that is not open any more has its address still: it is none of the mapper's. */
static void a_key_is_looked_for_behind_the_filter(void **state)
{
        static const char *const keys[] = {"8", "7", "A1"};
        struct scene s;

        (void)state;
        begin(&s, "path: /things\nkey: id\nodata: {version: 4, filter: \"state eq 'open'\"}\n");
        read_it(&s, BY_KEYS, keys, COUNT(keys));
        expect(&s, " 7");
        finish(&s);
}

/* What such a read did not find may be among those that never came. */
static void a_read_by_key_tells_its_doubt(void **state)
{
        static const char *const keys[] = {"7", "99"};
        struct scene s;

        (void)state;
        begin(&s, "path: /items\nkey: id\nrecords: value\n"
                  "paging: {type: offset, param: offset, size_param: limit, size: 4, total: "
                  "total}\n");
        read_it(&s, BY_KEYS, keys, 2);
        expect(&s, " 7");
        assert_non_null(strstr(source_doubt(s.source), "the source counts 14 records"));
        read_it(&s, BY_KEYS, keys, 1);
        expect(&s, " 7");
        assert_string_equal(source_doubt(s.source), "");
        finish(&s);
}

static void another_record_than_was_asked_for_is_an_error(void **state)
{
        static const char *const keys[] = {"7"};
        struct scene s;

        (void)state;
        begin(&s, PLAIN "by_key: {path: /items/3, params: {of: '${id}'}}\n");
        read_it(&s, BY_KEYS, keys, 1);
        assert_int_equal(s.rc, -ERR_CONFIG);
        assert_non_null(strstr(s.err.text, "key 7 was asked for, and one with key 3 came"));
        finish(&s);
}

/* ---- out of memory ---- */

static void a_read_without_memory_ends(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(ways_out); i++) {
                struct scene s;
                bool hit = true;

                begin(&s, ways_out[i].extract);
                for (long n = 1; hit; n += n < 40 ? 1 : 7) {
                        const struct source_sink sink = {on_record, on_reject, NULL, on_end, &s};
                        struct err e;

                        s.ended = false;
                        alloc_fail_at(n);
                        int rc = source_read_all(s.source, s.x, &s.shape, &sink, &s.read, &e);
                        if (!rc)
                                rc = loop_run_until(s.loop, &s.ended, &e);
                        hit = alloc_fail_hit();
                        if (rc)
                                assert_int_equal(rc, -ERR_NOMEM);
                }
                finish(&s);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(keysets_may_include_the_record_they_name),
                cmocka_unit_test(sinks_may_pause_and_hold),
                cmocka_unit_test(a_read_that_is_cancelled_ends_once),
                cmocka_unit_test(a_page_that_breaks_gives_no_record_twice),
                cmocka_unit_test(a_page_that_changed_meanwhile_ends_the_read),
                cmocka_unit_test(a_page_that_stays_broken_ends_the_read),
                cmocka_unit_test(a_web_page_is_not_asked_for_again_and_again),
                cmocka_unit_test(a_read_goes_on_at_its_mark),
                cmocka_unit_test(a_stamp_beyond_the_servers_clock_moves_no_cursor),
                cmocka_unit_test(an_integer_serves_while_the_lookback_lasts),
                cmocka_unit_test(a_mark_that_is_refused_begins_anew),
                cmocka_unit_test(marks_that_are_none_are_not_followed),
                cmocka_unit_test(records_by_key),
                cmocka_unit_test(a_read_by_key_tells_its_doubt),
                cmocka_unit_test(a_key_is_looked_for_behind_the_filter),
                cmocka_unit_test(keys_of_strings_may_look_like_numbers),
                cmocka_unit_test(another_record_than_was_asked_for_is_an_error),
                cmocka_unit_test(a_read_without_memory_ends),
        };
        struct err e;

        if (http_global_init(&e))
                return 1;
        int rc = cmocka_run_group_tests(tests, NULL, NULL);
        http_global_cleanup();
        return rc;
}
