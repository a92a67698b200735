/*
 * JUnit's XML, the form that CI servers take: a suite for each mapper, a case for each test. XML
 * has no place for control characters, not even escaped: out_text() makes \x07 of them.
 */
#include "cmd/trial_show.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#define XML_MAX (256 << 20)

static void put_escaped(struct buf *out, struct str text)
{
        for (size_t i = 0; i < text.len; i++) {
                switch (text.ptr[i]) {
                case '<':
                        buf_puts(out, "&lt;");
                        break;
                case '>':
                        buf_puts(out, "&gt;");
                        break;
                case '&':
                        buf_puts(out, "&amp;");
                        break;
                case '"':
                        buf_puts(out, "&quot;");
                        break;
                default:
                        buf_putc(out, text.ptr[i]);
                }
        }
}

static void put_text(struct buf *out, const char *text)
{
        cleanup_buf_ struct buf shown = BUF_INIT(XML_MAX);

        out_text(&shown, str_of(text), 0);
        put_escaped(out, buf_str(&shown));
        if (shown.error)
                out->error = shown.error;
}

static void put_attribute(struct buf *out, const char *name, const char *text)
{
        buf_printf(out, " %s=\"", name);
        put_text(out, text);
        buf_putc(out, '"');
}

/* The first difference is the message, all of them are the text. */
static void put_failure(const struct trial_result *r, struct buf *out)
{
        cleanup_buf_ struct buf first = BUF_INIT(1 << 20), all = BUF_INIT(XML_MAX);

        for (size_t i = 0; i < r->count; i++) {
                trial_put_difference(&r->differences[i], "", i ? &all : &first);
                if (i == 0)
                        buf_put_str(&all, buf_str(&first));
                buf_putc(&all, '\n');
        }
        if (r->more)
                buf_printf(&all, "... and %zu more\n", r->more);
        for (size_t i = 0; i < first.len; i++)
                if (first.data[i] == '\n')
                        first.data[i] = ' ';
        buf_puts(out, "\n      <failure message=\"");
        put_escaped(out, buf_str(&first));
        buf_puts(out, "\">");
        put_escaped(out, buf_str(&all));
        buf_puts(out, "</failure>\n    ");
        if (first.error || all.error)
                out->error = first.error ? first.error : all.error;
}

static void put_case(const struct trial_run *run, const struct trial_result *r, struct buf *out)
{
        buf_puts(out, "    <testcase");
        put_attribute(out, "name", r->name);
        put_attribute(out, "classname", run->mapper->spec->name);
        put_attribute(out, "file", run->mapper->spec->path);
        buf_printf(out, " line=\"%d\">", r->test->node->line);
        if (r->outcome == TRIAL_FAILED)
                put_failure(r, out);
        if (r->outcome == TRIAL_ERROR) {
                buf_puts(out, "\n      <error");
                put_attribute(out, "message", r->error);
                buf_puts(out, "/>\n    ");
        }
        buf_puts(out, "</testcase>\n");
}

static void put_counts(struct buf *out, size_t tests, size_t failures, size_t errors)
{
        buf_printf(
                out, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\">\n", tests, failures, errors);
}

static void put_all(const struct trial_run *runs, size_t count, struct buf *out)
{
        size_t tests = 0, failed = 0, errors = 0;

        for (size_t i = 0; i < count; i++) {
                tests += runs[i].report.count;
                failed += runs[i].report.failed;
                errors += runs[i].report.errors;
        }
        buf_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                      "<testsuites name=\"erp2couch\"");
        put_counts(out, tests, failed, errors);
        for (size_t i = 0; i < count; i++) {
                const struct trial_report *r = &runs[i].report;
                buf_puts(out, "  <testsuite");
                put_attribute(out, "name", runs[i].mapper->spec->name);
                put_counts(out, r->count, r->failed, r->errors);
                for (size_t k = 0; k < r->count; k++)
                        put_case(&runs[i], &r->results[k], out);
                buf_puts(out, "  </testsuite>\n");
        }
        buf_puts(out, "</testsuites>\n");
}

/* ---- the file ---- */

static int failed(const char *path, enum err_class class, int errnum, struct err *e)
{
        return err_set_errno(e, class, errnum, "--junit: cannot write %s", path);
}

static int write_all(int fd, struct str text, const char *path, struct err *e)
{
        for (size_t at = 0; at < text.len;) {
                ssize_t n = write(fd, text.ptr + at, text.len - at);
                if (n < 0 && errno != EINTR)
                        return failed(path, ERR_SYSTEM, errno, e);
                at += n > 0 ? (size_t)n : 0;
        }
        return 0;
}

/* /dev/stdout and pipes are written to as they are. */
static int write_special(const char *path, struct str text, struct err *e)
{
        cleanup_(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

        return fd < 0 ? failed(path, ERR_CONFIG, errno, e) : write_all(fd, text, path, e);
}

static int write_file(const char *path, struct str text, struct err *e)
{
        char name[PATH_MAX];
        struct stat st;

        if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
                return write_special(path, text, e);
        int n = snprintf(name, sizeof(name), "%s.XXXXXX", path);
        if (n < 0 || (size_t)n >= sizeof(name))
                return failed(path, ERR_CONFIG, ENAMETOOLONG, e);
        mode_t mask = umask(0);
        umask(mask);
        cleanup_(closep) int fd = mkostemp(name, O_CLOEXEC);
        if (fd < 0)
                return failed(path, ERR_CONFIG, errno, e);
        int rc = write_all(fd, text, path, e);
        if (!rc && fchmod(fd, 0666 & ~mask) != 0)
                rc = failed(path, ERR_SYSTEM, errno, e);
        if (!rc && rename(name, path) != 0)
                rc = failed(path, ERR_CONFIG, errno, e);
        if (rc)
                unlink(name);
        return rc;
}

int trial_junit(const struct trial_run *runs, size_t count, const char *path, struct err *e)
{
        cleanup_buf_ struct buf xml = BUF_INIT(XML_MAX);

        put_all(runs, count, &xml);
        int rc = buf_check(&xml, "the JUnit report", e);
        return rc ? rc : write_file(path, buf_str(&xml), e);
}
