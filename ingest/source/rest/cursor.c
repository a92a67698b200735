/*
 * Why times end at the largest stamp less the duration of the read, capped by Date: let r be
 * stamped s, at least the lookback before the cursor, and committed before s + lookback. When the
 * read began, the clock of stamps showed no less than the largest stamp less the duration; so r was
 * there from the beginning of the read, which therefore found it. This holds whatever that clock
 * and Date differ by. Date caps stamps that somebody invented. A stamp that is cut to a step (a
 * second, a day) is less than what it was cut from by less than the step, which is taken off for
 * it.
 *
 * Why integers need two reads: nothing tells when a value was assigned but that a read which ended
 * at E saw it or a larger one, and that read may have passed a smaller one's place before it was
 * there. Whoever commits within the lookback is visible to a read that begins at E + lookback. When
 * such a read has finished, from a value that was itself so proved or from the beginning, all up to
 * that value has been read.
 */
#include "ingest/source/rest/cursor_internal.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "ingest/base/text.h"
#include "ingest/record/json_scan.h"
#include "ingest/source/rest/time.h"

#define SECOND_US       INT64_C(1000000)
#define DAY_US          (86400 * SECOND_US)
#define AHEAD_US        (60 * SECOND_US)          /* servers of one system differ by so much */
#define LOOKBACK_MAX_MS (REST_TIME_US_MAX / 1000) /* longer than there are times */
#define SHOWN           60                        /* characters of a value in an error */
#define DATE_BYTES      10                        /* YYYY-MM-DD */
#define DATE            "%Y-%m-%d"

static const char *format_of(const struct rest_cursor_spec *spec)
{
        return spec->format ? spec->format : "rfc3339";
}

static bool is_ordered(enum rest_cursor_kind kind)
{
        return kind == REST_CURSOR_INTEGER || kind == REST_CURSOR_TEXT;
}

/* ---- integers and texts ---- */

bool cursor_has_text(enum rest_cursor_kind kind)
{
        return is_ordered(kind) || kind == REST_CURSOR_ETAG;
}

bool cursor_is_value(enum rest_cursor_kind kind, struct str text)
{
        size_t i = kind == REST_CURSOR_INTEGER && text.len > 1 && text.ptr[0] == '-';

        if (text.len == 0 || text.len > CURSOR_MAX_BYTES || memchr(text.ptr, '\0', text.len))
                return false;
        if (kind != REST_CURSOR_INTEGER)
                return str_utf8_valid(text);
        while (i < text.len && isdigit((unsigned char)text.ptr[i]))
                i++;
        return i == text.len;
}

static struct str digits_of(struct str n, bool *negative)
{
        size_t i = n.len && n.ptr[0] == '-';

        *negative = i;
        while (i < n.len && n.ptr[i] == '0')
                i++;
        *negative &= i < n.len; /* -0 */
        return (struct str){n.ptr + i, n.len - i};
}

int cursor_compare(enum rest_cursor_kind kind, struct str a, struct str b)
{
        bool minus_a, minus_b;

        if (kind != REST_CURSOR_INTEGER)
                return str_cmp(a, b);
        struct str x = digits_of(a, &minus_a), y = digits_of(b, &minus_b);
        if (minus_a != minus_b)
                return minus_a ? -1 : 1;
        int order = x.len != y.len ? (x.len < y.len ? -1 : 1) : str_cmp(x, y);
        return minus_a ? -order : order;
}

/* ---- what a read has seen ---- */

struct rest_progress *rest_progress_new(
        const struct rest_cursor_spec *spec, const struct tz *zone, struct err *e)
{
        struct rest_progress *p = calloc(1, sizeof(*p));

        if (!p) {
                (void)err_nomem(e, "a cursor");
                return NULL;
        }
        p->spec = spec;
        p->zone = zone;
        p->step_us = DAY_US;
        p->clock_us = INT64_MAX;
        p->ahead_us = INT64_MIN;
        buf_init(&p->largest, CURSOR_MAX_BYTES);
        buf_init(&p->value, 2 * CURSOR_MAX_BYTES);
        buf_init(&p->date, CURSOR_MAX_BYTES);
        return p;
}

void rest_progress_clock(struct rest_progress *p, int64_t server_us)
{
        p->clock_us = server_us < REST_TIME_US_MAX ? server_us : REST_TIME_US_MAX;
}

void rest_progress_etag(struct rest_progress *p, struct str etag)
{
        if (p->spec->kind != REST_CURSOR_ETAG || !cursor_is_value(REST_CURSOR_ETAG, etag))
                return;
        buf_clear(&p->largest);
        buf_put_str(&p->largest, etag);
        p->any = p->largest.error == 0;
}

struct rest_progress *rest_progress_free(struct rest_progress *p)
{
        if (!p)
                return NULL;
        buf_deinit(&p->largest);
        buf_deinit(&p->value);
        buf_deinit(&p->date);
        free(p);
        return NULL;
}

static int not_of_format(
        const struct rest_progress *p, size_t field, struct str json, struct err *e)
{
        cleanup_buf_ struct buf shown = BUF_INIT(1024);
        static const char *const kinds[] = {[REST_CURSOR_INTEGER] = "an integer",
                [REST_CURSOR_TEXT] = "a text of at most 1024 bytes"};
        bool time = p->spec->kind == REST_CURSOR_TIME;

        if (p->value.error == -ERR_NOMEM || p->date.error == -ERR_NOMEM)
                return err_nomem(e, "a cursor");
        text_put_line(&shown, json, SHOWN);
        return err_set(e, ERR_REJECT, "%s: the cursor's value %s is not %s%s",
                p->spec->fields[field], buf_cstr(&shown) ? shown.data : "",
                time ? "a time by the format " : kinds[p->spec->kind],
                time ? format_of(p->spec) : "");
}

/* The text that @json is; empty: no value.
 * Return: false where it is neither text nor number. */
static bool take_text(struct str json, struct buf *out)
{
        struct err e;

        buf_clear(out);
        if (!json.ptr || str_is(json, "null") || str_is(json, "false"))
                return true;
        if (json.len && json.ptr[0] == '"')
                return json_unquote(json, out, &e) == 0 && !out->error;
        buf_put_str(out, json);
        return json.len && strchr("-0123456789", json.ptr[0]) && !out->error;
}

static int see_ordered(struct rest_progress *p, struct str json, struct err *e)
{
        if (!take_text(json, &p->value))
                return not_of_format(p, 0, json, e);
        struct str value = buf_str(&p->value);
        if (p->spec->kind == REST_CURSOR_INTEGER)
                value = str_trim(value);
        if (value.len == 0)
                return 0;
        if (!cursor_is_value(p->spec->kind, value))
                return not_of_format(p, 0, json, e);
        if (p->any && cursor_compare(p->spec->kind, value, buf_str(&p->largest)) <= 0)
                return 0;
        buf_clear(&p->largest);
        buf_put_str(&p->largest, value);
        p->any = true;
        return buf_check(&p->largest, "a cursor", e);
}

/* PT13H45M59S, without its fraction. */
static void put_duration(struct buf *out, struct str t)
{
        static const char units[] = "HMS";
        int n[3] = {0}, number = 0;

        for (size_t i = 2; i < t.len; i++) {
                const char *unit = memchr(units, t.ptr[i] == '.' ? 'S' : t.ptr[i], 3);
                if (unit) {
                        n[unit - units] = number;
                        number = 0;
                } else if (isdigit((unsigned char)t.ptr[i]) && number < 100) {
                        number = number * 10 + (t.ptr[i] - '0');
                }
                if (t.ptr[i] == '.')
                        break;
        }
        buf_printf(out, "%02d:%02d:%02d", n[0], n[1], n[2]);
}

/* 1345, 134559, PT13H45M59S, or as it is. Nothing is midnight. */
static void put_time_of_day(struct buf *out, struct str t)
{
        size_t digits = 0;
        int n = 0;

        if (str_starts(t, STR("PT"))) {
                put_duration(out, t);
                return;
        }
        for (; digits < t.len && digits < 6 && isdigit((unsigned char)t.ptr[digits]); digits++)
                n = n * 10 + (t.ptr[digits] - '0');
        if (digits < t.len) {
                buf_put_str(out, t);
                return;
        }
        n *= digits <= 4 ? 100 : 1;
        buf_printf(out, "%02d:%02d:%02d", n / 10000, n / 100 % 100, n % 100);
}

/* The date of a value that may have a time of no meaning behind it. */
static bool put_date(struct buf *out, struct str date)
{
        int64_t us;

        if (date.len > DATE_BYTES && date.ptr[4] == '-' && strchr("T ", date.ptr[DATE_BYTES]))
                date.len = DATE_BYTES;
        if (!str_starts(date, STR("/"))) {
                buf_put_str(out, date);
                return true;
        }
        if (rest_time_read("odata", date, NULL, &us) == REST_TIME_BAD)
                return false;
        rest_time_print(DATE, us, rest_time_unit(DATE, 0), 0, NULL, out);
        return true;
}

/* Digits of a time of day in front of which zeros got lost. */
static void put_padded(struct buf *out, const char *pattern, struct str t)
{
        size_t width = strstr(pattern, "%H%M%S") ? 6 : strstr(pattern, "%H%M") ? 4 : 0;

        for (size_t n = t.len; n < width; n++)
                buf_putc(out, '0');
        buf_put_str(out, t);
}

/* Date and time of day as one text, in p->value. Return: false where they are none. */
static bool join_fields(struct rest_progress *p, const struct str *values)
{
        const char *format = format_of(p->spec);

        if (!take_text(values[0], &p->value) || !take_text(values[1], &p->date))
                return false;
        struct str date = str_trim(buf_str(&p->value)), time = str_trim(buf_str(&p->date));
        cleanup_buf_ struct buf joined = BUF_INIT(2 * CURSOR_MAX_BYTES);
        if (date.len == 0) {
                buf_clear(&p->value);
                return true;
        }
        if (!put_date(&joined, date))
                return false;
        buf_putc(&joined, ' ');
        if (strchr(format, '%') && time.len)
                put_padded(&joined, format, time);
        else
                put_time_of_day(&joined, time);
        buf_clear(&p->value);
        buf_put_str(&p->value, buf_str(&joined));
        p->value.error = p->value.error ? p->value.error : joined.error;
        return !p->value.error;
}

static const int64_t steps_us[] = {DAY_US, 60 * SECOND_US, SECOND_US, 1000, 1};

bool cursor_is_step(int64_t us)
{
        for (size_t i = 0; i < sizeof(steps_us) / sizeof(steps_us[0]); i++)
                if (us == steps_us[i])
                        return true;
        return false;
}

/* The largest step that all stamps so far are multiples of, on the clock that they show. */
static void note_step(struct rest_progress *p, int64_t us)
{
        int64_t until, offset_s = p->zone ? tz_offset(p->zone, us / SECOND_US, &until) : 0;
        int64_t local = us + offset_s * SECOND_US;

        for (size_t i = 0; i < sizeof(steps_us) / sizeof(steps_us[0]); i++)
                if (steps_us[i] <= p->step_us && local % steps_us[i] == 0) {
                        p->step_us = steps_us[i];
                        return;
                }
}

static int see_time(struct rest_progress *p, const struct str *values, struct err *e)
{
        bool two = p->spec->field_count == 2;
        int64_t us;

        if (two ? !join_fields(p, values) : !take_text(values[0], &p->value))
                return not_of_format(p, 0, values[0], e);
        struct str text = str_trim(buf_str(&p->value));
        if (text.len == 0)
                return 0;
        const char *format =
                two && !strchr(format_of(p->spec), '%') ? "rfc3339" : format_of(p->spec);
        enum rest_time_result result = rest_time_read(format, text, p->zone, &us);
        if (result == REST_TIME_BAD)
                return not_of_format(p, 0, two ? text : values[0], e);
        if (result != REST_TIME_OK)
                return 0;
        if (p->clock_us != INT64_MAX && us > p->clock_us + AHEAD_US) {
                p->ahead_us = us > p->ahead_us ? us : p->ahead_us;
                return 0;
        }
        note_step(p, us);
        if (!p->any || us > p->largest_us)
                p->largest_us = us;
        p->any = true;
        return 0;
}

int rest_progress_see(struct rest_progress *p, const struct str *values, struct err *e)
{
        if (p->spec->kind == REST_CURSOR_TIME)
                return see_time(p, values, e);
        return is_ordered(p->spec->kind) ? see_ordered(p, values[0], e) : 0;
}

/* ---- where the next read begins ---- */

static const char *zone_name(const struct rest_cursor_spec *spec, const struct tz *zone)
{
        if (spec->kind != REST_CURSOR_TIME)
                return "";
        return zone ? tz_name(zone) : "UTC";
}

const char *rest_position_refused(const struct rest_position *p, const char *origin,
        const struct rest_cursor_spec *spec, const struct tz *zone)
{
        const char *format = spec->kind == REST_CURSOR_TIME ? format_of(spec) : "";
        bool same = p->kind == spec->kind && p->field_count == spec->field_count;

        if (strcmp(p->origin, origin) != 0)
                return "the source is another one now";
        for (size_t i = 0; same && i < spec->field_count; i++)
                same = strcmp(p->fields[i], spec->fields[i]) == 0;
        if (!same)
                return "the cursor is another one now";
        if (strcmp(p->format, format) != 0)
                return "the cursor's format is another one now";
        return strcmp(p->zone, zone_name(spec, zone)) == 0
                       ? NULL
                       : "the time zone of the cursor is another one now";
}

/* Whether the ${cursor} at @here is compared by "ge" or ">=". */
static bool is_inclusive_at(const char *filter, const char *here)
{
        const char *operand = here;

        while (operand > filter && operand[-1] != ' ')
                operand--;
        struct str tight = {operand, (size_t)(here - operand)}; /* x>='${cursor}' */
        if (memmem(tight.ptr, tight.len, ">=", 2))
                return true;
        struct str before = str_trim((struct str){filter, (size_t)(operand - filter)});
        if (before.len < 3)
                return false;
        const char *last = before.ptr + before.len - 2;
        return strncmp(last, ">=", 2) == 0 || (last[-1] == ' ' && strncasecmp(last, "ge", 2) == 0);
}

/* Whether what has the cursor's own value comes again: all comparisons with it say so. */
static bool is_inclusive(const struct rest_cursor_spec *spec)
{
        const char *here = spec->filter ? strstr(spec->filter, "${cursor}") : NULL;
        bool inclusive = here;

        for (; here && inclusive; here = strstr(here + 1, "${cursor}"))
                inclusive = is_inclusive_at(spec->filter, here);
        return inclusive;
}

static int64_t back_us(int64_t lookback_ms)
{
        return (lookback_ms < LOOKBACK_MAX_MS ? lookback_ms : LOOKBACK_MAX_MS) * 1000;
}

/* @us less @by, no earlier than the year 1. */
static int64_t less(int64_t us, int64_t by)
{
        return us - REST_TIME_US_MIN > by ? us - by : REST_TIME_US_MIN;
}

static int put_time(const struct rest_position *p, const struct rest_cursor_spec *spec,
        int64_t lookback_ms, const struct tz *zone, struct buf *out, struct err *e)
{
        const char *format = spec->send               ? spec->send
                             : spec->field_count == 2 ? DATE
                                                      : format_of(spec);
        bool header = p->kind == REST_CURSOR_HEADER;

        if (header)
                format = "http";
        int64_t unit = rest_time_unit(format, header ? 0 : spec->precision_ms);
        int64_t us = less(p->value_us, back_us(lookback_ms));
        rest_time_print(format, us, unit, is_inclusive(spec) ? 0 : unit, zone, out);
        return buf_check(out, "the cursor", e);
}

/* The newest value up to which all was read; NULL: there is none. */
static const char *proved(const struct rest_position *p, int64_t lookback_ms)
{
        for (size_t k = p->past_count; k-- > 0;)
                if (p->past[k].at_us <= less(p->proof_us, back_us(lookback_ms)))
                        return p->past[k].value;
        return NULL;
}

static const char *ordered_from(const struct rest_position *p, int64_t lookback_ms, int64_t now_us)
{
        const char *value = proved(p, lookback_ms);

        if (value || p->past_count == 0)
                return value;
        /* What the first read may have missed is there by now: then it is the time to look. */
        return less(now_us, back_us(lookback_ms)) >= p->past[0].at_us ? NULL : p->past[0].value;
}

int rest_position_from(const struct rest_position *p, const struct rest_cursor_spec *spec,
        int64_t lookback_ms, const struct tz *zone, int64_t now_us, struct buf *out, struct err *e)
{
        if (is_ordered(p->kind)) {
                const char *value = ordered_from(p, lookback_ms, now_us);
                if (!value)
                        return REST_ABSENT;
                buf_puts(out, value);
                return buf_check(out, "the cursor", e);
        }
        if (p->kind == REST_CURSOR_ETAG && p->past_count) {
                buf_puts(out, p->past[0].value);
                return buf_check(out, "the ETag", e);
        }
        if (!p->has_value)
                return REST_ABSENT;
        return put_time(p, spec, lookback_ms, zone, out, e);
}

/* ---- after a read ---- */

static void tell_ahead(struct rest_position *p, const struct rest_cursor_spec *spec, int64_t us)
{
        cleanup_buf_ struct buf text = BUF_INIT(64);

        rest_time_print("rfc3339", us, SECOND_US, 0, NULL, &text);
        snprintf(p->ahead, sizeof(p->ahead), "%.120s is up to %s, later than the source's clock",
                spec->fields[0], buf_cstr(&text) ? text.data : "");
}

static void advance_time(struct rest_position *p, const struct rest_position *before,
        const struct rest_progress *seen, const struct rest_finished *done)
{
        int64_t took = done->ended_us > done->began_us ? done->ended_us - done->began_us : 0;
        int64_t value = seen->largest_us;

        if (before) {
                p->has_value = before->has_value;
                p->value_us = before->value_us;
        }
        int64_t ahead = seen->ahead_us;
        if (seen->any && value > done->ended_us + AHEAD_US && value > ahead)
                ahead = value;
        if (ahead != INT64_MIN)
                tell_ahead(p, seen->spec, ahead);
        if (!seen->any)
                return;
        value = less(value, took);
        value = less(value < done->began_us ? value : done->began_us, seen->step_us);
        if (done->full || !p->has_value || value > p->value_us)
                p->value_us = value;
        p->has_value = true;
}

/* Makes room for one more: of the values between the oldest and the newest, the one goes whose
 * neighbours are the nearest, for its age. What is left serves any lookback. */
static void thin_past(struct rest_position *p, int64_t now_us)
{
        size_t least = 1;
        double least_gap = -1;

        if (p->past_count < POSITION_PAST)
                return;
        for (size_t i = 1; i + 1 < p->past_count; i++) {
                double age = (double)now_us - (double)p->past[i].at_us;
                double gap = (double)p->past[i + 1].at_us - (double)p->past[i - 1].at_us;
                gap = age > 1 ? gap / age : gap;
                if (least_gap < 0 || gap < least_gap) {
                        least_gap = gap;
                        least = i;
                }
        }
        p->past_count--;
        memmove(&p->past[least], &p->past[least + 1], (p->past_count - least) * sizeof(p->past[0]));
}

static int advance_ordered(struct rest_position *p, const struct rest_position *before,
        const struct rest_progress *seen, const struct rest_finished *done, struct arena *arena,
        struct err *e)
{
        bool proves = done->full || !before || before->past_count == 0 ||
                      proved(before, done->lookback_ms);

        if (before) {
                memcpy(p->past, before->past, sizeof(p->past));
                p->past_count = before->past_count;
                p->proof_us = before->proof_us;
        }
        if (proves)
                p->proof_us = done->began_us;
        if (!seen->any)
                return 0;
        struct str value = buf_str(&seen->largest);
        const char *copy = arena_strdup(arena, value);
        if (!copy)
                return arena_failed(arena, "a position", e);
        /* A full read that saw less than one before: the source began anew, or was restored. */
        for (size_t i = 0; done->full && i < p->past_count; i++)
                if (cursor_compare(p->kind, str_of(p->past[i].value), value) > 0)
                        p->past[i].value = copy;
        const char *newest = p->past_count ? p->past[p->past_count - 1].value : NULL;
        if (newest && cursor_compare(p->kind, value, str_of(newest)) <= 0)
                return 0;
        thin_past(p, done->ended_us);
        /* Date has seconds: the read may have ended so much later. */
        p->past[p->past_count++] = (struct rest_past){done->ended_us + SECOND_US, copy};
        return 0;
}

/* A reply without an ETag, such as a 304, leaves the one that was. */
static int advance_etag(struct rest_position *p, const struct rest_position *before,
        const struct rest_progress *seen, struct arena *arena, struct err *e)
{
        const char *kept = before && before->past_count ? before->past[0].value : NULL;
        struct str etag = seen->any ? buf_str(&seen->largest) : kept ? str_of(kept) : STR("");

        if (etag.len == 0)
                return 0;
        p->past[0] = (struct rest_past){p->began_us, arena_strdup(arena, etag)};
        p->past_count = p->past[0].value != NULL;
        return p->past_count ? 0 : arena_failed(arena, "a position", e);
}

static int copy_text(struct arena *arena, const char *text, const char **out, struct err *e)
{
        *out = arena_strdup(arena, str_of(text));
        return *out ? 0 : arena_failed(arena, "a position", e);
}

/* What the position was read from, and the texts of @before that it goes on with. */
static int describe(struct rest_position *p, const struct rest_cursor_spec *spec,
        const struct tz *zone, const struct rest_finished *done, struct arena *arena, struct err *e)
{
        bool time = spec->kind == REST_CURSOR_TIME;
        int rc = copy_text(arena, done->origin, &p->origin, e);

        if (!rc)
                rc = copy_text(arena, time ? format_of(spec) : "", &p->format, e);
        if (!rc)
                rc = copy_text(arena, zone_name(spec, zone), &p->zone, e);
        for (size_t i = 0; !rc && i < spec->field_count; i++)
                rc = copy_text(arena, spec->fields[i], &p->fields[i], e);
        p->kind = spec->kind;
        p->field_count = spec->field_count;
        p->began_us = done->began_us;
        return rc;
}

/* @before may live elsewhere. */
static int copy_past(struct rest_position *p, struct arena *arena, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; !rc && i < p->past_count; i++)
                if (!arena_holds(arena, p->past[i].value))
                        rc = copy_text(arena, p->past[i].value, &p->past[i].value, e);
        return rc;
}

int rest_position_advance(const struct rest_position *before, const struct rest_cursor_spec *spec,
        const struct tz *zone, const struct rest_progress *seen, const struct rest_finished *done,
        struct arena *arena, struct rest_position **out, struct err *e)
{
        struct rest_position *p = arena_alloc(arena, sizeof(*p));
        int rc;

        if (!p)
                return arena_failed(arena, "a position", e);
        if ((rc = describe(p, spec, zone, done, arena, e)))
                return rc;
        if (spec->kind == REST_CURSOR_TIME)
                advance_time(p, before, seen, done);
        if (spec->kind == REST_CURSOR_HEADER) {
                p->has_value = true;
                p->value_us = done->began_us;
        }
        if (spec->kind == REST_CURSOR_ETAG)
                rc = advance_etag(p, before, seen, arena, e);
        if (is_ordered(spec->kind)) {
                rc = advance_ordered(p, before, seen, done, arena, e);
                if (!rc)
                        rc = copy_past(p, arena, e);
        }
        if (!rc)
                *out = p;
        return rc;
}

const char *rest_position_ahead(const struct rest_position *p)
{
        return p->ahead;
}
