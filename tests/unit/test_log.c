#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ingest/base/log.h"
#include "ingest/base/log_line.h"
#include "ingest/base/str.h"
#include "tests/support/alloc_fail.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOON         INT64_C(1769860800123456) /* 2026-01-31 12:00:00.123 UTC */

static const char *line_text(struct log_line *l)
{
        static char text[LOG_LINE_MAX + 1];

        memcpy(text, l->data, l->len);
        text[l->len] = '\0';
        return text;
}

static void lines_have_three_forms(void **state)
{
        static const struct {
                enum log_format format;
                enum log_level level;
                const char *message, *context, *line;
        } cases[] = {
                {LOG_FORMAT_TEXT, LOG_LEVEL_INFO, "200 rows", " mapper=product",
                        "12:00:00 info 200 rows mapper=product\n"},
                {LOG_FORMAT_TEXT, LOG_LEVEL_ERROR, "say \"x\" \\ a\tb\r\nc \x1b[31m\x7f", "",
                        "12:00:00 error say \"x\" \\ a\\tb\\r\\nc \\x1b[31m\\x7f\n"},
                {LOG_FORMAT_LOGFMT, LOG_LEVEL_WARN, "say \"x\" \\ a\nb", " mapper=product",
                        "ts=2026-01-31T12:00:00.123Z level=warn msg=\"say \\\"x\\\" \\\\ a\\nb\" "
                        "mapper=product\n"},
                {LOG_FORMAT_JSON, LOG_LEVEL_DEBUG, "say \"x\" \\ a\nb\x01",
                        ",\"mapper\":\"product\"",
                        "{\"ts\":\"2026-01-31T12:00:00.123Z\",\"level\":\"debug\","
                        "\"msg\":\"say \\\"x\\\" \\\\ a\\nb\\u0001\",\"mapper\":\"product\"}\n"},
                /* C1 controls, and bytes that are no UTF-8 */
                {LOG_FORMAT_TEXT, LOG_LEVEL_INFO,
                        "\u00e9\u20ac\U0001F600 \xc2\x9b"
                        "31m \xff\xc3",
                        "", "12:00:00 info \u00e9\u20ac\U0001F600 \\u009b31m \\xff\\xc3\n"},
                {LOG_FORMAT_JSON, LOG_LEVEL_INFO, "\u00e9 \xc2\x9b \xff\xe2\x82", "",
                        "{\"ts\":\"2026-01-31T12:00:00.123Z\",\"level\":\"info\","
                        "\"msg\":\"\u00e9 \\u009b \\ufffd\\ufffd\\ufffd\"}\n"},
                {LOG_FORMAT_JOURNAL, LOG_LEVEL_ERROR, "say \"x\"", " mapper=product",
                        "<3>level=error msg=\"say \\\"x\\\"\" mapper=product\n"},
                {LOG_FORMAT_JOURNAL, LOG_LEVEL_WARN, "a", "", "<4>level=warn msg=\"a\"\n"},
                {LOG_FORMAT_JOURNAL, LOG_LEVEL_INFO, "a", "", "<6>level=info msg=\"a\"\n"},
                {LOG_FORMAT_JOURNAL, LOG_LEVEL_DEBUG, "a", "", "<7>level=debug msg=\"a\"\n"},
                {LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO, "", "",
                        "ts=2026-01-31T12:00:00.123Z level=info msg=\"\"\n"},
        };
        struct log_line l;

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                log_line_format(&l, cases[i].format, NOON, cases[i].level, cases[i].message,
                        cases[i].context);
                assert_string_equal(line_text(&l), cases[i].line);
        }
}

static void pairs_are_quoted_where_needed(void **state)
{
        static const struct {
                enum log_format format;
                const char *key, *value, *text;
        } cases[] = {
                {LOG_FORMAT_LOGFMT, "mapper", "product", " mapper=product"},
                {LOG_FORMAT_LOGFMT, "file", "a b.yaml", " file=\"a b.yaml\""},
                {LOG_FORMAT_LOGFMT, "k", "", " k=\"\""},
                {LOG_FORMAT_LOGFMT, "k", "a=b", " k=\"a=b\""},
                {LOG_FORMAT_LOGFMT, "k", "a\"b\\c\nd", " k=\"a\\\"b\\\\c\\nd\""},
                {LOG_FORMAT_LOGFMT, "k", "\u00e9", " k=\"\u00e9\""},
                {LOG_FORMAT_TEXT, "k", "v", " k=v"},
                {LOG_FORMAT_JSON, "k", "a\"b", ",\"k\":\"a\\\"b\""},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct log_line l = {0};
                log_line_pair(&l, cases[i].format, cases[i].key, cases[i].value, LOG_LINE_MAX);
                assert_string_equal(line_text(&l), cases[i].text);
        }
}

/* Messages of every length around the limit, of characters and escapes of several lengths. */
static void long_messages_are_cut_and_context_stays(void **state)
{
        static const char *const units[] = {"x", "\u20ac", "\n", "\x01", "\xff", "\""};
        static const enum log_format formats[] = {
                LOG_FORMAT_TEXT, LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON};
        static char message[3 * LOG_LINE_MAX];
        struct log_line l;

        (void)state;
        for (size_t u = 0; u < COUNT(units); u++)
                for (size_t f = 0; f < COUNT(formats); f++)
                        for (size_t n = 600; n<4200; n += n> 4040 ? 1 : 11) {
                                size_t len = 0, unit = strlen(units[u]);
                                for (; len + unit <= n; len += unit)
                                        memcpy(message + len, units[u], unit);
                                message[len] = '\0';
                                log_line_format(
                                        &l, formats[f], NOON, LOG_LEVEL_INFO, message, " tail=1");
                                const char *text = line_text(&l);
                                assert_true(l.len <= LOG_LINE_MAX);
                                assert_true(str_utf8_valid(str_of(text)));
                                bool json = formats[f] == LOG_FORMAT_JSON;
                                const char *end = json                              ? "\" tail=1}\n"
                                                  : formats[f] == LOG_FORMAT_LOGFMT ? "\" tail=1\n"
                                                                                    : " tail=1\n";
                                assert_string_equal(text + l.len - strlen(end), end);
                                if (l.len > LOG_LINE_MAX - 4 && n > 4100)
                                        assert_memory_equal(
                                                text + l.len - strlen(end) - 3, "...", 3);
                        }
}

/* --- sinks ---------------------------------------------------------------------------------- */

struct output {
        int in, out; /* read and write end */
        char text[1 << 16];
        size_t len;
};

static void output_open(struct output *o)
{
        int fds[2];

        assert_int_equal(pipe(fds), 0);
        *o = (struct output){.in = fds[0], .out = fds[1]};
}

/* What was written since the last call. */
static const char *output_read(struct output *o)
{
        struct pollfd p = {.fd = o->in, .events = POLLIN};

        o->len = 0;
        while (poll(&p, 1, 0) > 0 && (p.revents & POLLIN)) {
                ssize_t n = read(o->in, o->text + o->len, sizeof(o->text) - 1 - o->len);
                if (n <= 0)
                        break;
                o->len += (size_t)n;
        }
        o->text[o->len] = '\0';
        return o->text;
}

static void output_close(struct output *o)
{
        close(o->in);
        close(o->out);
}

/* From level= on: what is before it is the time. */
static const char *after_time(const char *line)
{
        const char *level = strstr(line, "level=");

        return level ? level : line;
}

static void contexts_are_inherited(void **state)
{
        struct output o;
        cleanup_(log_sink_freep) struct log_sink *sink = NULL;

        (void)state;
        output_open(&o);
        sink = log_sink_new(o.out, LOG_LEVEL_INFO, LOG_FORMAT_AUTO); /* a pipe: logfmt */
        struct log *root = log_new(sink), *mapper = log_child(root, "mapper", "product");
        struct log *source = log_child(mapper, "source", "my erp");
        log_free(mapper); /* a child does not need its parent */
        log_info(source, "%d rows", 5);
        assert_string_equal(after_time(output_read(&o)),
                "level=info msg=\"5 rows\" mapper=product source=\"my erp\"\n");
        log_info(root, "done");
        assert_string_equal(after_time(output_read(&o)), "level=info msg=\"done\"\n");
        log_sink_set(sink, LOG_LEVEL_INFO, LOG_FORMAT_JSON);
        log_info(source, "x");
        assert_non_null(strstr(output_read(&o), "\"level\":\"info\",\"msg\":\"x\",\"mapper\":"
                                                "\"product\",\"source\":\"my erp\"}\n"));
        log_free(source);
        log_free(root);
        output_close(&o);
}

static const char *auto_line(const struct output *o)
{
        cleanup_(log_sink_freep) struct log_sink *sink =
                log_sink_new(o->out, LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
        cleanup_(log_freep) struct log *l = log_new(sink);

        log_warn(l, "x");
        return output_read((struct output *)o);
}

static void journald_gets_priorities(void **state)
{
        struct output o;
        struct stat st;
        char stream[64];

        (void)state;
        output_open(&o);
        assert_int_equal(fstat(o.out, &st), 0);
        snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
        setenv("JOURNAL_STREAM", stream, 1);
        assert_string_equal(auto_line(&o), "<4>level=warn msg=\"x\"\n");
        setenv("JOURNAL_STREAM", "1:2", 1); /* that of a parent, before it was redirected */
        assert_string_equal(after_time(auto_line(&o)), "level=warn msg=\"x\"\n");
        unsetenv("JOURNAL_STREAM");
        output_close(&o);
}

static void levels_filter(void **state)
{
        struct output o;
        cleanup_(log_sink_freep) struct log_sink *sink = NULL;
        cleanup_(log_freep) struct log *l = NULL;

        (void)state;
        output_open(&o);
        sink = log_sink_new(o.out, LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
        l = log_new(sink);
        for (int set = LOG_LEVEL_ERROR; set <= LOG_LEVEL_DEBUG; set++) {
                log_sink_set(sink, (enum log_level)set, LOG_FORMAT_LOGFMT);
                log_error(l, "e");
                log_warn(l, "w");
                log_info(l, "i");
                log_debug(l, "d");
                int lines = 0;
                for (const char *p = output_read(&o); (p = strchr(p, '\n')); p++)
                        lines++;
                assert_int_equal(lines, set + 1);
                assert_true(log_enabled(l, (enum log_level)set));
                assert_int_equal(log_enabled(l, LOG_LEVEL_DEBUG), set == LOG_LEVEL_DEBUG);
        }
        log_info(NULL, "nobody listens");
        assert_false(log_enabled(NULL, LOG_LEVEL_ERROR));
        assert_null(log_child(NULL, "a", "b"));
        assert_string_equal(output_read(&o), "");
        errno = EIO;
        log_error(l, "x");
        assert_int_equal(errno, EIO);
        output_close(&o);
}

static void a_context_that_is_too_long_is_left_out(void **state)
{
        struct output o;
        cleanup_(log_sink_freep) struct log_sink *sink = NULL;
        char value[900];

        (void)state;
        output_open(&o);
        sink = log_sink_new(o.out, LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
        memset(value, 'v', sizeof(value) - 1);
        value[sizeof(value) - 1] = '\0';
        struct log *a = log_new(sink), *b = log_child(a, "long", value);
        struct log *c = log_child(b, "second", value), *d = log_child(c, "short", "s");
        log_info(d, "x");
        const char *line = output_read(&o);
        assert_non_null(strstr(line, " long=vvv"));
        assert_null(strstr(line, "second="));
        assert_non_null(strstr(line, " short=s\n"));
        log_free(a);
        log_free(b);
        log_free(c);
        log_free(d);
        output_close(&o);
}

enum { THREADS = 6, LINES = 400 };

static void *write_lines(void *ctx)
{
        struct log *l = ctx;
        char filler[800];

        memset(filler, 'f', sizeof(filler) - 1);
        filler[sizeof(filler) - 1] = '\0';
        for (int i = 0; i < LINES; i++)
                log_info(l, "%s", filler + i);
        return NULL;
}

static void threads_do_not_mix_lines(void **state)
{
        struct output o;
        cleanup_(log_sink_freep) struct log_sink *sink = NULL;
        pthread_t threads[THREADS];
        struct log *logs[THREADS];
        int whole[THREADS] = {0}, total = 0;

        (void)state;
        output_open(&o);
        sink = log_sink_new(o.out, LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
        cleanup_(log_freep) struct log *root = log_new(sink);
        for (int i = 0; i < THREADS; i++) {
                char name[2] = {(char)('0' + i), '\0'};
                logs[i] = log_child(root, "thread", name);
                assert_int_equal(pthread_create(&threads[i], NULL, write_lines, logs[i]), 0);
        }
        FILE *in = fdopen(o.in, "r");
        char line[LOG_LINE_MAX + 2];
        while (total < THREADS * LINES && fgets(line, sizeof(line), in)) {
                int thread, year;
                char filler[1000];
                assert_int_equal(sscanf(line, "ts=%d-%*s level=info msg=\"%999[f]\" thread=%d\n",
                                         &year, filler, &thread),
                        3);
                /* Each thread's lines come in its order, whole. */
                assert_int_equal(strlen(filler), 799 - whole[thread]);
                whole[thread]++;
                total++;
        }
        for (int i = 0; i < THREADS; i++) {
                pthread_join(threads[i], NULL);
                assert_int_equal(whole[i], LINES);
                log_free(logs[i]);
        }
        fclose(in);
        close(o.out);
}

static void a_full_pipe_does_not_stop_the_program(void **state)
{
        struct output o;
        cleanup_(log_sink_freep) struct log_sink *sink = NULL;
        char fill[4096] = {0};

        (void)state;
        output_open(&o);
        fcntl(o.out, F_SETFL, O_NONBLOCK);
        while (write(o.out, fill, sizeof(fill)) > 0)
                ;
        sink = log_sink_new(o.out, LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
        cleanup_(log_freep) struct log *l = log_new(sink);
        log_info(l, "lost"); /* returns after a second */
        close(o.in);
        log_info(l, "lost"); /* nobody reads: SIGPIPE is ignored by the program, see main() */
        close(o.out);
        log_info(l, "lost");
}

/* --- the progress line ---------------------------------------------------------------------- */

static void terminal_open(struct output *o, int columns)
{
        struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};

        *o = (struct output){0};
        if (openpty(&o->in, &o->out, NULL, NULL, &size) != 0)
                skip(); /* no pseudo-terminals here (/dev/pts) */
        setenv("TERM", "xterm", 1);
        setenv("TZ", "UTC", 1);
        tzset();
}

static void the_progress_line_stays_below(void **state)
{
        struct output o;
        char expected[64];

        (void)state;
        terminal_open(&o, 80);
        struct log_sink *sink = log_sink_new(o.out, LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
        cleanup_(log_freep) struct log *l = log_new(sink);
        assert_true(log_sink_is_terminal(sink));
        log_sink_progress(sink, NULL); /* nothing there: nothing to erase */
        assert_string_equal(output_read(&o), "");
        log_sink_progress(sink, "100 rows");
        assert_string_equal(output_read(&o), "100 rows");
        log_sink_progress(sink, "200 rows\n\x1b[2J");
        assert_string_equal(output_read(&o), "\r\x1b[K200 rows\\n\\x1b[2J");
        time_t before, after;
        do {
                before = time(NULL);
                log_warn(l, "slow");
                after = time(NULL);
        } while (before != after); /* else the line may show either second */
        strftime(expected, sizeof(expected), "\r\x1b[K%H:%M:%S warn slow\r\n200 rows\\n\\x1b[2J",
                gmtime(&after));
        const char *got = output_read(&o);
        assert_true(o.len >= strlen(expected));
        assert_string_equal(got + o.len - strlen(expected), expected);
        log_sink_progress(sink, NULL);
        assert_string_equal(output_read(&o), "\r\x1b[K");
        log_sink_progress(sink, "300 rows");
        output_read(&o);
        log_sink_free(sink); /* leaves a clean line */
        assert_string_equal(output_read(&o), "\r\x1b[K");
        output_close(&o);
}

static void the_progress_line_fits_the_terminal(void **state)
{
        struct output o;
        char longer[2000];

        (void)state;
        terminal_open(&o, 10);
        struct log_sink *sink = log_sink_new(o.out, LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
        log_sink_progress(sink, "\u20ac23456789abc"); /* characters, not bytes */
        assert_string_equal(output_read(&o), "\u20ac23456789");
        memset(longer, 'x', sizeof(longer) - 1);
        longer[sizeof(longer) - 1] = '\0';
        log_sink_progress(sink, longer);
        assert_string_equal(output_read(&o), "\r\x1b[Kxxxxxxxxx");
        log_sink_free(sink);
        output_close(&o);
}

static void no_progress_line_without_a_terminal(void **state)
{
        struct output o;

        (void)state;
        for (int dumb = 0; dumb < 2; dumb++) {
                if (dumb) {
                        terminal_open(&o, 80);
                        setenv("TERM", "dumb", 1);
                } else {
                        output_open(&o);
                }
                struct log_sink *sink = log_sink_new(o.out, LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
                assert_false(log_sink_is_terminal(sink));
                log_sink_progress(sink, "100 rows");
                assert_string_equal(output_read(&o), "");
                log_sink_free(sink);
                output_close(&o);
        }
}

static void every_allocation_may_fail(void **state)
{
        struct output o;

        (void)state;
        output_open(&o);
        ALLOC_FAIL_EACH(i)
        {
                alloc_fail_at(i);
                struct log_sink *sink = log_sink_new(o.out, LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
                struct log *root = sink ? log_new(sink) : NULL;
                struct log *child = log_child(root, "mapper", "product");
                log_info(child, "%0*d", 600, 1); /* a missing logger is silent */
                const char *line = output_read(&o);
                assert_int_equal(*line != '\0', child != NULL);
                log_free(child);
                log_free(root);
                log_sink_free(sink);
        }
        output_close(&o);
}

/* Not one allocation: "out of memory" must be told as well. */
static void a_line_needs_no_memory(void **state)
{
        struct output o;
        cleanup_(log_sink_freep) struct log_sink *sink = NULL;
        cleanup_(log_freep) struct log *l = NULL;

        (void)state;
        output_open(&o);
        sink = log_sink_new(o.out, LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
        l = log_new(sink);
        alloc_fail_at(1);
        log_error(l, "out of memory for %s", "the batch");
        assert_false(alloc_fail_hit());
        assert_non_null(strstr(output_read(&o), "out of memory for the batch"));
        output_close(&o);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lines_have_three_forms),
                cmocka_unit_test(pairs_are_quoted_where_needed),
                cmocka_unit_test(long_messages_are_cut_and_context_stays),
                cmocka_unit_test(contexts_are_inherited),
                cmocka_unit_test(journald_gets_priorities),
                cmocka_unit_test(levels_filter),
                cmocka_unit_test(a_context_that_is_too_long_is_left_out),
                cmocka_unit_test(threads_do_not_mix_lines),
                cmocka_unit_test(a_full_pipe_does_not_stop_the_program),
                cmocka_unit_test(the_progress_line_stays_below),
                cmocka_unit_test(the_progress_line_fits_the_terminal),
                cmocka_unit_test(no_progress_line_without_a_terminal),
                cmocka_unit_test(every_allocation_may_fail),
                cmocka_unit_test(a_line_needs_no_memory),
        };

        signal(SIGPIPE, SIG_IGN);
        setenv("TZ", "UTC", 1);
        tzset();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
