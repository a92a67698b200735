/* Values of documents and names of tests may hold anything: all go through out_text(). */
#include "cmd/trial_show.h"

#include "ingest/base/text.h"
#include "ingest/record/json_scan.h"

#define SHOWN_MAX  400 /* characters of a value: more is for --json */
#define LINE_WIDTH 80
#define NAMES_LINE 76 /* characters of names in a line of the coverage */

void trial_where(const struct trial_run *run, const struct trial_result *r, struct buf *out)
{
        buf_printf(out, "%s:%d", run->mapper->spec->path, r->test->node->line);
}

/* ---- differences ---- */

static const char *kind_of(const char *json)
{
        switch (json ? *json : '\0') {
        case '"':
                return "string";
        case '{':
                return "object";
        case '[':
                return "array";
        case 't':
        case 'f':
                return "boolean";
        case 'n':
                return "null";
        default:
                return "number";
        }
}

static void put_value(struct buf *out, const char *json, const char *other, const char *absent)
{
        if (!json) {
                buf_puts(out, absent);
                return;
        }
        out_text(out, str_of(json), SHOWN_MAX);
        if (other && strcmp(kind_of(json), kind_of(other)) != 0 && *json != 'n')
                buf_printf(out, " (%s)", kind_of(json));
}

/* A reject is a sentence with values in quotes: shown without escapes around them. */
static void put_sentence(struct buf *out, const char *json)
{
        cleanup_buf_ struct buf text = BUF_INIT(1 << 22);

        if (!json)
                buf_puts(out, "a document");
        else if (json_unquote(str_of(json), &text, NULL) == 0)
                out_text(out, buf_str(&text), SHOWN_MAX);
}

static void put_reject(const struct trial_difference *d, const char *indent, struct buf *out)
{
        buf_puts(out, d->expected ? "expected reject: " : "expected ");
        put_sentence(out, d->expected);
        buf_printf(out, d->got ? "\n%sgot reject:      " : "\n%sgot ", indent);
        put_sentence(out, d->got);
}

static void put_both(const struct trial_difference *d, struct buf *expected, struct buf *got)
{
        if (d->masked)
                buf_puts(expected, "what a variable holds");
        else
                put_value(expected, d->expected, d->got, "nothing");
        put_value(got, d->got, d->expected, "nothing");
}

void trial_put_difference(const struct trial_difference *d, const char *indent, struct buf *out)
{
        cleanup_buf_ struct buf expected = BUF_INIT(1 << 16), got = BUF_INIT(1 << 16);
        size_t before = out->len;

        if (strcmp(d->field, TRIAL_REJECT) == 0) {
                put_reject(d, indent, out);
                return;
        }
        put_both(d, &expected, &got);
        out_text(out, str_of(d->field), SHOWN_MAX);
        struct str field = {out->data + before, out->len - before};
        size_t width = strlen(indent) + text_width(field) + text_width(buf_str(&expected)) +
                       text_width(buf_str(&got)) + strlen(": expected , got ");
        if (width <= LINE_WIDTH) {
                buf_puts(out, ": expected ");
                buf_put_str(out, buf_str(&expected));
                buf_puts(out, ", got ");
        } else {
                buf_printf(out, ":\n%s  expected ", indent);
                buf_put_str(out, buf_str(&expected));
                buf_printf(out, "\n%s  got      ", indent);
        }
        buf_put_str(out, buf_str(&got));
}

/* ---- the report ---- */

static void put_result(const struct trial_run *run, const struct trial_result *r, struct buf *out)
{
        static const char *const words[] = {
                [TRIAL_OK] = "ok", [TRIAL_FAILED] = "FAILED", [TRIAL_ERROR] = "ERROR"};

        buf_printf(out, "%s: ", run->mapper->spec->name);
        out_text(out, str_of(r->name), 0);
        buf_printf(out, ": %s", words[r->outcome]);
        if (r->outcome != TRIAL_OK) {
                buf_puts(out, " (");
                trial_where(run, r, out);
                buf_putc(out, ')');
        }
        buf_putc(out, '\n');
        if (r->outcome == TRIAL_ERROR) {
                buf_puts(out, "    ");
                out_text(out, str_of(r->error), 0);
                buf_putc(out, '\n');
        }
        for (size_t i = 0; i < r->count; i++) {
                buf_puts(out, "    ");
                trial_put_difference(&r->differences[i], "    ", out);
                buf_putc(out, '\n');
        }
        if (r->more)
                buf_printf(out, "    ... and %zu more\n", r->more);
}

static void put_coverage(const struct trial_run *run, struct buf *out)
{
        const struct trial_report *r = &run->report;
        size_t width = 0;

        if (!r->unasserted_count) {
                buf_printf(out, "%s: all %zu fields are asserted\n", run->mapper->spec->name,
                        r->field_count);
                return;
        }
        buf_printf(out, "%s: %zu of %zu fields are asserted, in no test:", run->mapper->spec->name,
                r->field_count - r->unasserted_count, r->field_count);
        width = NAMES_LINE; /* names begin on a line of their own */
        for (size_t i = 0; i < r->unasserted_count; i++) {
                size_t len = text_width(str_of(r->unasserted[i])) + 2;
                bool wraps = width + len > NAMES_LINE;
                buf_puts(out, wraps ? "\n    " : " ");
                width = wraps ? len : width + len;
                out_text(out, str_of(r->unasserted[i]), 0);
                if (i + 1 < r->unasserted_count)
                        buf_putc(out, ',');
        }
        buf_putc(out, '\n');
}

static void put_summary(const struct trial_run *runs, size_t count, struct buf *out)
{
        size_t passed = 0, failed = 0, errors = 0, without = 0;

        for (size_t i = 0; i < count; i++) {
                passed += runs[i].report.passed;
                failed += runs[i].report.failed;
                errors += runs[i].report.errors;
                without += runs[i].report.count == 0;
        }
        buf_printf(out, "%zu mapper%s, %zu test%s: %zu passed, %zu failed", count,
                count == 1 ? "" : "s", passed + failed + errors,
                passed + failed + errors == 1 ? "" : "s", passed, failed);
        if (errors)
                buf_printf(out, ", %zu with errors", errors);
        if (without)
                buf_printf(out, "; %zu without tests", without);
        buf_putc(out, '\n');
}

int trial_text(const struct trial_run *runs, size_t count, struct out *out, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; i < count && !rc; i++) {
                const struct trial_report *r = &runs[i].report;
                for (size_t k = 0; k < r->count && !rc; k++) {
                        put_result(&runs[i], &r->results[k], &out->buf);
                        rc = out_more(out, e);
                }
                if (r->count)
                        put_coverage(&runs[i], &out->buf);
                else
                        buf_printf(&out->buf, "%s: no tests\n", runs[i].mapper->spec->name);
        }
        put_summary(runs, count, &out->buf);
        return rc ? rc : out_flush(out, e);
}
