/*
 * Runs over a source without a snapshot, into a real CouchDB: what comes twice, what does not come,
 * and reads that are cut short. Each run is a process of its own, which may be killed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "ingest/pipeline/crash.h"
#include "ingest/pipeline/run.h"
#include "ingest/state/state.h"
#include "tests/support/couch.h"
#include "tests/support/scripted.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ROWS(a)  (a), COUNT(a)

/* ---- a configuration and its databases ---- */

struct scene {
        char folder[32], target[64], control[64];
        const char *value; /* of field `round`: another one is another mapper */
};

static void write_file(const struct scene *s, const char *name, const struct buf *text)
{
        char path[96];

        snprintf(path, sizeof(path), "%s/%s", s->folder, name);
        cleanup_(closep) int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text->data, text->len), text->len);
}

static void write_mapper(const struct scene *s)
{
        cleanup_buf_ struct buf text = BUF_INIT(1 << 16);

        buf_printf(&text,
                "mapper: item\nsource: shop\nextract: {table: t, key: id, deletes: {column: gone, "
                "when: 'yes'}}\ntarget: {database: %s, id: 'item:${code}'}\nfields:\n"
                "  id: id\n  code: code\n  v: {from: v, required: true}\n  round: {value: %s}\n",
                s->target, s->value);
        write_file(s, "item.yaml", &text);
}

static void open_scene(struct scene *s)
{
        const struct couch_options *o = &test_couch()->options;
        cleanup_buf_ struct buf text = BUF_INIT(1 << 16);

        *s = (struct scene){.folder = "/tmp/test_shifting_XXXXXX", .value = "1"};
        assert_non_null(mkdtemp(s->folder));
        snprintf(s->target, sizeof(s->target), "%s", test_database(1));
        snprintf(s->control, sizeof(s->control), "%s", test_database(1));
        buf_printf(&text,
                "version: 1\ncouchdb: {url: '%s', auth: {user: '%s', password: '%s'}, "
                "control_database: %s}\nsources:\n  shop: {type: postgres, dsn: 'host=none'}\n"
                "mappers: [item.yaml]\nstate_dir: state\n",
                o->url, o->user ? o->user : "", o->password ? o->password : "", s->control);
        write_file(s, "erp2couch.yaml", &text);
        write_mapper(s);
}

static void close_scene(struct scene *s)
{
        char command[64];

        test_database_drop(s->target);
        test_database_drop(s->control);
        snprintf(command, sizeof(command), "rm -rf %s", s->folder);
        assert_int_equal(system(command), 0);
}

/* ---- runs ---- */

struct result {
        bool killed;
        struct run_report report;
        struct script script;
};

static void child(const struct scene *s, const struct script *script,
        const struct run_options *options, int fd)
{
        cleanup_(config_freep) struct config *config = NULL;
        cleanup_(log_sink_freep) struct log_sink *sink =
                log_sink_new(2, LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
        cleanup_(log_freep) struct log *log = log_new(sink);
        struct run_options given = options ? *options : (struct run_options){.dry_run = false};
        struct result out = {.script = *script};
        struct run_progress progress = {0};
        struct loop *loop;
        char path[64];
        struct err e = {0};

        given.marks_every_ms = 1;
        snprintf(path, sizeof(path), "%s/erp2couch.yaml", s->folder);
        if (loop_new(&loop, &e) || config_load(path, &config, &e)) {
                fprintf(stderr, "%s\n", e.text);
                _exit(1);
        }
        scripted_use(&config->sources[0], &out.script);
        run_mapper(config, &config->mappers[0], &given, loop, log, &progress, &out.report);
        loop_free(loop);
        _exit(write(fd, &out, sizeof(out)) == sizeof(out) ? 0 : 1);
}

static struct result run_with(
        const struct scene *s, const struct script *script, const struct run_options *options)
{
        struct result out = {.killed = false};
        int fds[2], status;

        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        if (pid == 0) {
                signal(SIGSEGV, SIG_DFL); /* cmocka's would go on with the tests */
                child(s, script, options, fds[1]);
        }
        close(fds[1]);
        ssize_t n = read(fds[0], &out, sizeof(out));
        close(fds[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        out.killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        if (!out.killed && (n != sizeof(out) || status != 0))
                fail_msg("the run ended with status %d", status);
        return out;
}

static struct result run(const struct scene *s, const struct script *script)
{
        return run_with(s, script, NULL);
}

/* "read 3 created 2", of what is not 0 */
static void expect_counts(const struct result *r, const char *wanted)
{
        const struct run_counts *n = &r->report.counts;
        const struct {
                const char *name;
                uint64_t n;
        } all[] = {{"read", n->read}, {"created", n->created}, {"updated", n->updated},
                {"moved", n->moved}, {"deleted", n->deleted}, {"unchanged", n->unchanged},
                {"rejected", n->rejected}, {"withheld", r->report.withheld}};
        cleanup_buf_ struct buf text = BUF_INIT(1 << 12);

        for (size_t i = 0; i < COUNT(all); i++)
                if (all[i].n)
                        buf_printf(&text, "%s%s %llu", text.len ? " " : "", all[i].name,
                                (unsigned long long)all[i].n);
        if (strcmp(buf_cstr(&text), wanted) != 0)
                fail_msg("counted  %s\nexpected %s\n%s: %s", text.data, wanted,
                        run_outcome_name(r->report.outcome), r->report.err.text);
}

/* "a=1@2 b=null@1": code, v, and how many revisions the document had; live ones alone. */
static void put_docs(const char *database, struct buf *out)
{
        char path[96];
        const cJSON *row;

        snprintf(path, sizeof(path), "/%s/_all_docs?include_docs=true", database);
        cJSON *all = test_call("GET", path, NULL);
        cJSON_ArrayForEach(row, cJSON_GetObjectItem(all, "rows"))
        {
                const cJSON *doc = cJSON_GetObjectItem(row, "doc");
                const char *id = test_field(doc, "_id");
                if (strncmp(id, "item:", 5) == 0)
                        buf_printf(out, "%s%s=%s@%d", out->len ? " " : "", id + 5,
                                test_field(doc, "v"),
                                (int)strtol(test_field(doc, "_rev"), NULL, 10));
        }
        cJSON_Delete(all);
}

static void expect_docs(const struct scene *s, const char *wanted)
{
        cleanup_buf_ struct buf text = BUF_INIT(1 << 16);

        put_docs(s->target, &text);
        if (strcmp(buf_cstr(&text), wanted) != 0)
                fail_msg("there is %s\nexpected %s", text.data, wanted);
}

static size_t rejects(const struct scene *s)
{
        char path[160];

        snprintf(path, sizeof(path), "/%s/_all_docs?startkey=%%22reject:%%22&endkey=%%22rejecu%%22",
                s->control);
        cJSON *all = test_call("GET", path, NULL);
        int n = cJSON_GetArraySize(cJSON_GetObjectItem(all, "rows"));
        cJSON_Delete(all);
        return (size_t)n;
}

#define A(v)                                                                                       \
        {                                                                                          \
                "1", "\"a\"", v, NULL                                                              \
        }
#define B(v)                                                                                       \
        {                                                                                          \
                "2", "\"b\"", v, NULL                                                              \
        }
#define C(v)                                                                                       \
        {                                                                                          \
                "3", "\"c\"", v, NULL                                                              \
        }
#define D(v)                                                                                       \
        {                                                                                          \
                "4", "\"d\"", v, NULL                                                              \
        }
#define FLAGGED(n)                                                                                 \
        {                                                                                          \
                n, NULL, NULL, "\"yes\""                                                           \
        }

/* ---- what comes twice ---- */

struct twice_case {
        struct scripted_row rows[6];
        size_t count;
        const char *counts, *docs;
        size_t rejects;
};

static const struct twice_case from_nothing[] = {
        {{A("\"x\""), B("\"y\""), A("\"x\"")}, 3, "read 2 created 2", "a=x@1 b=y@1", 0},
        {{A("\"x\""), A("\"x\""), A("\"x\"")}, 3, "read 1 created 1", "a=x@1", 0},
        {{A("\"x\""), B("\"y\""), A("\"z\"")}, 3, "read 3 created 2 updated 1", "a=z@2 b=y@1", 0},
        {{A("\"x\""), A("\"z\""), A("\"x\"")}, 3, "read 3 created 1 updated 2", "a=x@3", 0},
        /* a reject that came again is none any more, and counts once if it is */
        {{A(NULL), B("\"y\""), A("\"x\"")}, 3, "read 2 created 2", "a=x@1 b=y@1", 0},
        {{A(NULL), B("\"y\""), A(NULL)}, 3, "read 2 created 1 rejected 1", "b=y@1", 1},
        {{A("\"x\""), B("\"y\""), A(NULL)}, 3, "read 3 created 2 rejected 1", "a=x@1 b=y@1", 1},
        {{A(NULL), A("\"x\""), A(NULL)}, 3, "read 2 created 1 rejected 1", "a=x@1", 1},
        /* another record claims the id meanwhile */
        {{A("\"x\""), {"2", "\"a\"", "\"y\"", NULL}, B("\"y\"")}, 3, "read 2 created 2",
                "a=x@1 b=y@1", 0},
        {{A("\"x\""), {"2", "\"a\"", "\"y\"", NULL}, {"2", "\"a\"", "\"y\"", NULL}}, 3,
                "read 2 created 1 rejected 2", "a=x@1", 2},
        /* the row says that it is deleted, and then not, or the other way round */
        {{A("\"x\""), FLAGGED("1")}, 2, "read 2 created 1 deleted 1", "", 0},
        {{FLAGGED("1"), A("\"x\"")}, 2, "read 2 created 1", "a=x@1", 0},
};

static void what_comes_twice_is_compared_again(void **state)
{
        (void)state;
        test_couch_or_skip();
        for (size_t i = 0; i < COUNT(from_nothing); i++) {
                struct script script = {
                        .rows = from_nothing[i].rows, .count = from_nothing[i].count};
                struct scene s;

                open_scene(&s);
                struct result r = run(&s, &script);
                print_message("case %zu\n", i);
                expect_counts(&r, from_nothing[i].counts);
                expect_docs(&s, from_nothing[i].docs);
                assert_int_equal(rejects(&s), from_nothing[i].rejects);
                close_scene(&s);
        }
}

/* ---- over what an earlier run wrote ---- */

static const struct scripted_row three[] = {A("\"x\""), B("\"y\""), C("\"z\"")};

static const struct {
        struct scripted_row rows[6];
        size_t count;
        struct scripted_row there[6]; /* what a read by key finds */
        size_t there_count;
        const char *counts, *docs;
        size_t asked, rejects;
} later[] = {
        /* one did not come, and is there */
        {{A("\"x\""), C("\"z\"")}, 2, {A("\"x\""), B("\"y\""), C("\"z\"")}, 3, "read 3 unchanged 3",
                "a=x@1 b=y@1 c=z@1", 1, 0},
        {{A("\"x\""), C("\"z\"")}, 2, {A("\"x\""), B("\"new\""), C("\"z\"")}, 3,
                "read 3 updated 1 unchanged 2", "a=x@1 b=new@2 c=z@1", 1, 0},
        /* ... and is gone */
        {{A("\"x\""), C("\"z\"")}, 2, {A("\"x\""), C("\"z\"")}, 2, "read 2 deleted 1 unchanged 2",
                "a=x@1 c=z@1", 1, 0},
        /* ... and says of itself that it is */
        {{A("\"x\""), C("\"z\"")}, 2, {FLAGGED("2")}, 1, "read 3 deleted 1 unchanged 2",
                "a=x@1 c=z@1", 1, 0},
        {{A("\"x\""), FLAGGED("2"), C("\"z\""), B("\"y\"")}, 4, {A("\"x\"")}, 1,
                "read 4 unchanged 3", "a=x@1 b=y@1 c=z@1", 0, 0},
        /* nothing came: nothing is looked at */
        {{{NULL, NULL, NULL, NULL}}, 0, {{NULL, NULL, NULL, NULL}}, 0, "withheld 3",
                "a=x@1 b=y@1 c=z@1", 0, 0},
        /* the holder of an id did not come: it keeps it, has left it, is gone */
        {{{"2", "\"a\"", "\"y\"", NULL}, C("\"z\"")}, 2, {A("\"x\"")}, 1,
                "read 3 unchanged 1 rejected 2", "a=x@1 b=y@1 c=z@1", 3,
                2}, /* and for the rejects */
        {{{"2", "\"a\"", "\"y\"", NULL}, C("\"z\"")}, 2, {{"1", "\"d\"", "\"x\"", NULL}}, 1,
                "read 3 moved 2 unchanged 1", "a=y@2 c=z@1 d=x@1", 1, 0},
        {{{"2", "\"a\"", "\"y\"", NULL}, C("\"z\"")}, 2, {C("\"z\"")}, 1,
                "read 2 moved 1 unchanged 1", "a=y@2 c=z@1", 1, 0},
};

static void what_does_not_come_is_asked_for(void **state)
{
        (void)state;
        test_couch_or_skip();
        for (size_t i = 0; i < COUNT(later); i++) {
                struct script first = {.rows = three, .count = 3};
                struct script then = {.rows = later[i].rows,
                        .count = later[i].count,
                        .there = later[i].there,
                        .there_count = later[i].there_count};
                struct scene s;

                open_scene(&s);
                struct result r = run(&s, &first);
                expect_counts(&r, "read 3 created 3");
                assert_int_equal(r.script.keys_asked, 0);
                r = run(&s, &then);
                print_message("case %zu\n", i);
                expect_counts(&r, later[i].counts);
                expect_docs(&s, later[i].docs);
                assert_int_equal(r.script.keys_asked, later[i].asked);
                assert_int_equal(rejects(&s), later[i].rejects);
                close_scene(&s);
        }
}

/* ---- many rows ---- */

#define MANY 24

static struct scripted_row many[MANY];
static char many_text[MANY][2][16];

static void make_many(void)
{
        for (int i = 0; i < MANY; i++) {
                snprintf(many_text[i][0], 16, "%d", 100 + i);
                snprintf(many_text[i][1], 16, "\"m%02d\"", i);
                many[i] = (struct scripted_row){many_text[i][0], many_text[i][1], "\"v\"", NULL};
        }
}

/* "m00=v@1 m01=v@1 ..." but for @without */
static void expect_many(const struct scene *s, int from, int to)
{
        cleanup_buf_ struct buf text = BUF_INIT(1 << 12);

        for (int i = from; i < to; i++)
                buf_printf(&text, "%sm%02d=v@1", text.len ? " " : "", i);
        expect_docs(s, text.len ? buf_cstr(&text) : "");
}

static void nothing_is_asked_beyond_the_brake(void **state)
{
        struct script all = {.rows = many, .count = MANY};
        struct script few = {.rows = many, .count = MANY - 11};
        struct run_options allow = {.allow_deletes = true};
        struct scene s;

        (void)state;
        test_couch_or_skip();
        open_scene(&s);
        struct result r = run(&s, &all);
        r = run(&s, &few);
        expect_counts(&r, "read 13 unchanged 13 withheld 11");
        assert_int_equal(r.report.outcome, RUN_REFUSED);
        assert_int_equal(r.script.keys_asked, 0);
        expect_many(&s, 0, MANY);
        r = run(&s, &few); /* they are owed, and still too many */
        expect_counts(&r, "read 13 unchanged 13 withheld 11");
        assert_int_equal(r.script.keys_asked, 0);
        r = run(&s, &all); /* they were only out of sight */
        expect_counts(&r, "read 24 unchanged 24");
        assert_int_equal(r.report.outcome, RUN_OK);
        r = run_with(&s, &few, &allow);
        expect_counts(&r, "read 13 deleted 11 unchanged 13");
        assert_int_equal(r.script.keys_asked, 11);
        expect_many(&s, 0, MANY - 11);
        close_scene(&s);
}

/* More did not come than the brake lets pass, and one of them holds an id that another wants. */
static void holders_are_asked_for_beyond_the_brake(void **state)
{
        static const struct {
                bool there;
                const char *counts;
        } cases[] = {{true, "read 14 unchanged 12 rejected 2 withheld 10"},
                {false, "read 13 moved 1 unchanged 12 withheld 10"}};
        struct scripted_row rows[MANY];

        (void)state;
        test_couch_or_skip();
        memcpy(rows, many, sizeof(rows));
        rows[11].code = many[0].code;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct script all = {.rows = many, .count = MANY};
                struct script few = {.rows = rows + 11, .count = MANY - 11};
                struct scene s;

                few.there = cases[i].there ? rows : rows + 11;
                few.there_count = cases[i].there ? MANY : MANY - 11;
                open_scene(&s);
                (void)run(&s, &all);
                struct result r = run(&s, &few);
                expect_counts(&r, cases[i].counts);
                assert_int_equal(r.report.outcome, RUN_REFUSED);
                close_scene(&s);
        }
}

static void a_doubtful_read_by_key_deletes_nothing(void **state)
{
        struct script all = {.rows = many, .count = MANY};
        struct script few = {
                .rows = many, .count = MANY - 2, .doubt = "the source counts 24 records, 22 came"};
        struct scene s;

        (void)state;
        test_couch_or_skip();
        open_scene(&s);
        struct result r = run(&s, &all);
        r = run(&s, &few);
        expect_counts(&r, "read 22 unchanged 22");
        assert_int_equal(r.script.keys_asked, 2);
        expect_many(&s, 0, MANY);
        few.doubt = NULL;
        r = run(&s, &few);
        expect_counts(&r, "read 22 deleted 2 unchanged 22");
        close_scene(&s);
}

#define CROWD 2100

static void keys_that_cost_a_whole_read_are_asked_for_at_once(void **state)
{
        static struct scripted_row crowd[CROWD];
        static char text[CROWD][2][16];
        static const size_t reads[] = {3, 1};
        struct run_options allow = {.allow_deletes = true};

        (void)state;
        test_couch_or_skip();
        for (int i = 0; i < CROWD; i++) {
                snprintf(text[i][0], 16, "%d", 10000 + i);
                snprintf(text[i][1], 16, "\"c%d\"", i);
                crowd[i] = (struct scripted_row){text[i][0], text[i][1], "\"v\"", NULL};
        }
        for (int all = 0; all < 2; all++) {
                struct script first = {.rows = crowd, .count = CROWD};
                struct script then = {.rows = crowd, .count = 1, .reads_all = all};
                struct scene s;

                then.there = crowd;
                then.there_count = CROWD;
                open_scene(&s);
                struct result r = run(&s, &first);
                r = run_with(&s, &then, &allow);
                expect_counts(&r, "read 2100 unchanged 2100");
                assert_int_equal(r.script.keys_asked, CROWD - 1);
                assert_int_equal(r.script.keyed_reads, reads[all]);
                close_scene(&s);
        }
}

static void unclaimed_documents_go_after_a_second_read(void **state)
{
        struct script script = {.rows = three, .count = 3};
        struct scene s;
        char path[96];

        (void)state;
        test_couch_or_skip();
        open_scene(&s);
        snprintf(path, sizeof(path), "/%s/item:q", s.target);
        cJSON_Delete(test_call("PUT", path, "{\"v\":\"old\"}"));
        struct result r = run(&s, &script);
        expect_counts(&r, "read 3 created 3");
        expect_docs(&s, "a=x@1 b=y@1 c=z@1 q=old@1");
        r = run(&s, &script);
        expect_counts(&r, "read 3 deleted 1 unchanged 3");
        expect_docs(&s, "a=x@1 b=y@1 c=z@1");
        close_scene(&s);
}

/* ---- reads that are cut short ---- */

static void a_read_goes_on_where_it_was_killed(void **state)
{
        (void)state;
        test_couch_or_skip();
        for (size_t at = 1; at <= MANY; at += 3) {
                struct script dies = {.rows = many, .count = MANY, .page = 4, .dies_at = at};
                struct script all = {.rows = many, .count = MANY, .page = 4};
                struct scene s;

                open_scene(&s);
                assert_true(run(&s, &dies).killed);
                struct result r = run(&s, &all);
                /* a mark is kept before the row behind it is asked for */
                assert_int_equal(r.script.began_at, (at - 1) / 4 * 4);
                assert_int_equal(r.report.counts.read, MANY - r.script.began_at);
                expect_many(&s, 0, MANY);
                r = run(&s, &all);
                expect_counts(&r, "read 24 unchanged 24");
                assert_int_equal(r.script.began_at, 0);
                close_scene(&s);
        }
}

static void a_resumed_read_proves_no_absence(void **state)
{
        struct script all = {.rows = many, .count = MANY, .page = 4};
        struct script dies = {.rows = many + 2, .count = MANY - 2, .page = 4, .dies_at = 10};
        struct script rest = {.rows = many + 2, .count = MANY - 2, .page = 4};
        struct scene s;

        (void)state;
        test_couch_or_skip();
        open_scene(&s);
        struct result r = run(&s, &all);
        expect_counts(&r, "read 24 created 24");
        assert_true(run(&s, &dies).killed);
        r = run(&s, &rest);
        assert_int_equal(r.script.began_at, 8);
        expect_counts(&r, "read 14 unchanged 14");
        assert_int_equal(r.script.keys_asked, 0);
        r = run(&s, &rest);
        expect_counts(&r, "read 22 deleted 2 unchanged 22");
        expect_many(&s, 2, MANY);
        close_scene(&s);
}

static void rejects_before_the_mark_stay(void **state)
{
        struct scripted_row rows[MANY];
        struct script dies = {.rows = rows, .count = MANY, .page = 4, .dies_at = 10};
        struct script all = {.rows = rows, .count = MANY, .page = 4};
        struct scene s;

        (void)state;
        test_couch_or_skip();
        memcpy(rows, many, sizeof(rows));
        rows[1].v = NULL;
        open_scene(&s);
        assert_true(run(&s, &dies).killed);
        assert_int_equal(rejects(&s), 1);
        struct result r = run(&s, &all);
        assert_int_equal(r.script.began_at, 8);
        expect_counts(&r, "read 17 created 16 rejected 1"); /* the reject by key */
        assert_int_equal(rejects(&s), 1);
        rows[1].v = "\"v\"";
        r = run(&s, &all);
        assert_int_equal(rejects(&s), 0);
        expect_many(&s, 0, MANY);
        close_scene(&s);
}

/* Ids swapped before the mark: the claims wait for the end of a read that does not come. */
static void claims_before_the_mark_are_taken_up(void **state)
{
        struct scripted_row rows[MANY];
        struct script all = {.rows = many, .count = MANY, .page = 4};
        struct script dies = {.rows = rows, .count = MANY, .page = 4, .dies_at = 10};
        struct script rest = {.rows = rows, .count = MANY, .page = 4};
        struct scene s;
        char path[96];

        (void)state;
        test_couch_or_skip();
        memcpy(rows, many, sizeof(rows));
        rows[0].code = many[1].code;
        rows[1].code = many[0].code;
        open_scene(&s);
        (void)run(&s, &all);
        assert_true(run(&s, &dies).killed);
        struct result r = run(&s, &rest);
        assert_int_equal(r.script.began_at, 8);
        expect_counts(&r, "read 18 moved 2 unchanged 16");
        snprintf(path, sizeof(path), "/%s/item:m00", s.target);
        cJSON *doc = test_call("GET", path, NULL);
        assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(doc, "id")), 101);
        cJSON_Delete(doc);
        r = run(&s, &rest);
        expect_counts(&r, "read 24 unchanged 24");
        close_scene(&s);
}

/* A, then B killed half way, then A: what A had read has B's shape by now. */
static void another_mapper_voids_the_mark(void **state)
{
        struct script dies = {.rows = many, .count = MANY, .page = 4, .dies_at = 10};
        struct script early = {.rows = many, .count = MANY, .page = 4, .dies_at = 3};
        struct script all = {.rows = many, .count = MANY, .page = 4};
        struct scene s;

        (void)state;
        test_couch_or_skip();
        open_scene(&s);
        assert_true(run(&s, &dies).killed);
        s.value = "2";
        write_mapper(&s);
        assert_true(run(&s, &early).killed);
        s.value = "1";
        write_mapper(&s);
        struct result r = run(&s, &all);
        assert_int_equal(r.script.began_at, 0);
        assert_int_equal(r.report.counts.read, MANY);
        r = run(&s, &all);
        expect_counts(&r, "read 24 unchanged 24");
        close_scene(&s);
}

/* Puts the mark's time @back_us back. */
static void age_mark(const struct scene *s, int64_t back_us)
{
        cleanup_(state_closep) struct state *state = NULL;
        cleanup_(state_batch_freep) struct state_batch *batch = NULL;
        cleanup_buf_ struct buf text = BUF_INIT(1 << 12);
        struct str mark;
        char path[96], fingerprint[64], mode[16];
        long long at;
        unsigned long long records;
        int rest;
        bool fresh;
        struct err e;

        snprintf(path, sizeof(path), "%s/state/item/data", s->folder);
        assert_int_equal(state_open(path, NULL, &state, &fresh, &e), 0);
        assert_int_equal(state_batch_new(&batch, &e), 0);
        assert_int_equal(state_meta_get(state, "mark", &mark, &e), 0);
        buf_put_str(&text, mark);
        assert_int_equal(sscanf(buf_cstr(&text), "%63s %15s %lld %llu %n", fingerprint, mode, &at,
                                 &records, &rest),
                4);
        cleanup_buf_ struct buf aged = BUF_INIT(1 << 12);
        buf_printf(&aged, "%s %s %lld %llu %s", fingerprint, mode, at - (long long)back_us, records,
                text.data + rest);
        assert_int_equal(state_batch_meta(batch, "mark", buf_str(&aged), &e), 0);
        assert_int_equal(state_apply(state, batch, &e), 0);
}

static void an_old_mark_is_void(void **state)
{
        static const struct {
                int64_t hours;
                size_t began_at;
        } cases[] = {{23, 8}, {25, 0}, {-1, 0}}; /* nor does one of the future count */

        (void)state;
        test_couch_or_skip();
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct script dies = {.rows = many, .count = MANY, .page = 4, .dies_at = 10};
                struct script all = {.rows = many, .count = MANY, .page = 4};
                struct scene s;

                open_scene(&s);
                assert_true(run(&s, &dies).killed);
                age_mark(&s, cases[i].hours * 3600 * 1000000);
                struct result r = run(&s, &all);
                assert_int_equal(r.script.began_at, cases[i].began_at);
                expect_many(&s, 0, MANY);
                close_scene(&s);
        }
}

static void a_read_that_breaks_goes_on_within_the_run(void **state)
{
        (void)state;
        test_couch_or_skip();
        for (int refuses = 0; refuses < 2; refuses++) {
                struct script all = {.rows = many, .count = MANY, .page = 4};
                struct script breaks = {.rows = many + 2,
                        .count = MANY - 2,
                        .page = 4,
                        .fails_at = 11,
                        .refuses_marks = refuses};
                struct scene s;

                open_scene(&s);
                (void)run(&s, &all);
                struct result r = run(&s, &breaks);
                assert_int_equal(r.script.reads, 2);
                assert_int_equal(r.script.began_at, refuses ? 0 : 8);
                expect_counts(
                        &r, "read 22 deleted 2 unchanged 22"); /* all was seen, in two parts */
                expect_many(&s, 2, MANY);
                close_scene(&s);
        }
}

/* ---- every crash point, where the build has them ---- */

#ifdef CRASH_POINTS
static const char *const points[] = {
#define CRASH_NAME(name, durable, missing) #name,
        CRASH_TABLE(CRASH_NAME)
#undef CRASH_NAME
};

/* Those that only such a source passes: tests/integration/test_crash_points.py leaves them to us.
 */
static bool is_ours(enum crash_at at)
{
        return at == CRASH_CLAIMS_OWED || at == CRASH_MARK_OPENED || at == CRASH_MARK_STORED ||
               at == CRASH_MARK_FORGOTTEN;
}

/* How often a point is looked at: those that marks meet in the middle of a read more than once; the
 * others have tests/integration/test_crash_points.py. */
static int passings(enum crash_at at)
{
        return is_ours(at) ? 3 : 1;
}

/* A mark that another mapper left. */
static void leave_mark(struct scene *s)
{
        struct script dies = {.rows = many, .count = MANY, .page = 4, .dies_at = 10};

        s->value = "0";
        write_mapper(s);
        assert_true(run(s, &dies).killed);
        s->value = "1";
        write_mapper(s);
}

/* Swapped ids, a reject, duplicates: then the end must be as without a crash. */
static void a_crash_anywhere_loses_nothing(void **state)
{
        struct scripted_row before[MANY], rows[MANY + 1];
        struct script first = {.rows = before, .count = MANY - 2, .page = 4};
        struct script then = {.rows = rows, .count = MANY + 1, .page = 4};
        char spec[64];

        (void)state;
        test_couch_or_skip();
        memcpy(before, many, sizeof(before));
        memcpy(rows, many, sizeof(many));
        rows[0].code = many[1].code;
        rows[1].code = many[0].code;
        rows[3].v = NULL;
        rows[MANY] = many[2];
        for (size_t i = 0; i < COUNT(points); i++) {
                for (int n = 1; n <= passings((enum crash_at)i); n++) {
                        struct scene s;

                        open_scene(&s);
                        if (i == CRASH_MARK_FORGOTTEN)
                                leave_mark(&s);
                        snprintf(spec, sizeof(spec), "%s:%d", points[i], n);
                        setenv("ERP2COUCH_CRASH_BATCH", "4", 1);
                        setenv("ERP2COUCH_CRASH_AT", spec, 1);
                        bool killed = run(&s, &first).killed;
                        killed |= run(&s, &then).killed;
                        unsetenv("ERP2COUCH_CRASH_AT");
                        /* A run that goes on sees nothing of what changed before its mark. */
                        if (killed)
                                (void)run(&s, &then);
                        (void)run(&s, &then);
                        print_message("%s%s\n", spec, killed ? "" : " is not passed");
                        assert_int_equal(rejects(&s), 1);
                        struct result r = run(&s, &then);
                        expect_counts(&r, "read 24 unchanged 23 rejected 1");
                        close_scene(&s);
                        assert_true(killed || n > 1 || !is_ours((enum crash_at)i));
                        if (!killed)
                                break;
                }
        }
}
#endif

/* Records that are others each time are no progress. */
static void a_read_that_always_breaks_ends(void **state)
{
        static const struct scripted_row rows[] = {A("\"x\""), A("\"z\""), B("\"y\"")};
        struct script script = {ROWS(rows), .fails_at = 2, .fails_times = 8};
        struct scene s;

        (void)state;
        test_couch_or_skip();
        open_scene(&s);
        struct result r = run(&s, &script);
        assert_int_equal(r.report.outcome, RUN_UNAVAILABLE);
        assert_true(r.script.reads <= 4);
        close_scene(&s);
}

static int prepare(void **state)
{
        (void)state;
        make_many();
        return 0;
}

static int finish(void **state)
{
        (void)state;
        test_couch_stop();
        return 0;
}

/* With an argument only the crash points, which take as long as all the others: a test of its own
 * (tests/unit/meson.build). */
int main(int argc, char **argv)
{
        (void)argv;
        if (argc > 1)
                cmocka_set_test_filter("a_crash_*");
        else
                cmocka_set_skip_filter("a_crash_*");
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_comes_twice_is_compared_again),
                cmocka_unit_test(what_does_not_come_is_asked_for),
                cmocka_unit_test(nothing_is_asked_beyond_the_brake),
                cmocka_unit_test(holders_are_asked_for_beyond_the_brake),
                cmocka_unit_test(a_doubtful_read_by_key_deletes_nothing),
                cmocka_unit_test(keys_that_cost_a_whole_read_are_asked_for_at_once),
                cmocka_unit_test(unclaimed_documents_go_after_a_second_read),
                cmocka_unit_test(a_read_goes_on_where_it_was_killed),
                cmocka_unit_test(a_resumed_read_proves_no_absence),
                cmocka_unit_test(rejects_before_the_mark_stay),
                cmocka_unit_test(claims_before_the_mark_are_taken_up),
                cmocka_unit_test(another_mapper_voids_the_mark),
                cmocka_unit_test(an_old_mark_is_void),
                cmocka_unit_test(a_read_that_breaks_goes_on_within_the_run),
                cmocka_unit_test(a_read_that_always_breaks_ends),
#ifdef CRASH_POINTS
                cmocka_unit_test(a_crash_anywhere_loses_nothing),
#endif
        };
        return cmocka_run_group_tests(tests, prepare, finish);
}
