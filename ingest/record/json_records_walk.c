/*
 * What lies around the records: JSON proved byte by byte, a handler for each state, the open
 * brackets as bits. A reply of one big array passes here for a comma a record only.
 */
#include <stdio.h>
#include <strings.h>

#include "ingest/record/json_records_internal.h"

static const char *const expected_in[RECORDS_STATES] = {
        [RECORDS_START] = "a value",
        [RECORDS_VALUE] = "a value",
        [RECORDS_VALUE_OR_CLOSE] = "a value or ']'",
        [RECORDS_KEY] = "a name in quotes",
        [RECORDS_KEY_OR_CLOSE] = "a name in quotes or '}'",
        [RECORDS_IN_KEY] = "the end of a name",
        [RECORDS_COLON] = "':'",
        [RECORDS_IN_SCALAR] = "the end of a value",
        [RECORDS_IN_RECORD] = "the end of a record",
        [RECORDS_IN_SCALAR_RECORD] = "the end of a record",
        [RECORDS_DONE] = "nothing more",
};

int records_in_object(const struct json_records *j)
{
        size_t i = j->depth - 1;

        return j->objects[i / 64] >> (i % 64) & 1;
}

const char *records_expected(const struct json_records *j)
{
        if (j->state == RECORDS_AFTER_VALUE)
                return records_in_object(j) ? "',' or '}'" : "',' or ']'";
        return expected_in[j->state];
}

/* The bytes before the one that is wrong, whatever feeds they came with. */
static struct str bytes_before(const struct json_records *j, char shown[RECORDS_BEFORE])
{
        size_t here = (size_t)(j->p - j->from), n = 0;

        if (here < RECORDS_BEFORE) {
                n = RECORDS_BEFORE - here < j->before_count ? RECORDS_BEFORE - here
                                                            : j->before_count;
                memcpy(shown, j->before + j->before_count - n, n);
        } else {
                here = RECORDS_BEFORE;
        }
        if (here)
                memcpy(shown + n, j->p - here, here);
        n += here;
        for (size_t i = 0; i < n; i++)
                if (shown[i] < ' ' || shown[i] == 0x7F)
                        shown[i] = (unsigned char)shown[i] >= 0x80 ? '?' : ' ';
        return (struct str){shown, n};
}

/* What a program that knows no JSON may have sent, by the first bytes. */
static const char *other_encoding(const struct json_records *j)
{
        uint64_t at = j->offset + (uint64_t)(j->p - j->from);
        unsigned char c = (unsigned char)*j->p;

        if (at == 0 && (c == 0xFE || c == 0xFF))
                return "it begins with the byte order mark of UTF-16";
        if (at == 0 && c == 0xEF)
                return "it begins with a byte order mark";
        if (at == 0 && c == 0x1F)
                return "it is compressed (gzip), and no header of it said so";
        if (at < 2 && c == 0)
                return "it is UTF-16 or UTF-32";
        return NULL;
}

int records_malformed(struct json_records *j, const char *expected, struct err *e)
{
        const char *encoding = j->p < j->end ? other_encoding(j) : NULL;
        uint64_t at = j->offset + (uint64_t)(j->p - j->from);
        char before[RECORDS_BEFORE];

        if (encoding)
                return err_set(e, ERR_RETRY,
                        "the reply is not JSON in UTF-8: %s; the server must send UTF-8 without "
                        "a mark",
                        encoding);
        struct str shown = bytes_before(j, before);
        const char *behind = shown.len ? ", behind " : "";
        if (j->p == j->end)
                return err_set(e, ERR_RETRY,
                        "the reply is cut off: %s expected at its end, byte %llu%s%.*s", expected,
                        (unsigned long long)at, behind, STR_ARG(shown));
        unsigned char c = (unsigned char)*j->p;
        char quoted[8] = {'\'', (char)c, '\''};
        if (c < ' ' || c >= 0x7F)
                snprintf(quoted, sizeof(quoted), "0x%02X", c);
        return err_set(e, ERR_RETRY,
                "the reply is not JSON: %s expected at byte %llu, not %s%s%.*s", expected,
                (unsigned long long)at, quoted, behind, STR_ARG(shown));
}

/* The text between <title> and the next tag; .len 0: none. */
static struct str html_title(struct str page)
{
        static const char open[] = "<title>";
        const char *end = page.ptr + page.len;

        for (const char *p = page.ptr; p + sizeof(open) - 1 <= end; p++) {
                if (strncasecmp(p, open, sizeof(open) - 1) != 0)
                        continue;
                p += sizeof(open) - 1;
                const char *stop = memchr(p, '<', (size_t)(end - p));
                return str_trim((struct str){p, (size_t)((stop ? stop : end) - p)});
        }
        return (struct str){"", 0};
}

int records_markup(const struct json_records *j, struct err *e)
{
        struct str text = buf_str(&j->begin), title = html_title(text);
        bool html = title.len > 0 || memmem(text.ptr, text.len, "html", 4) ||
                    memmem(text.ptr, text.len, "HTML", 4);
        bool known = title.len > 0 && str_utf8_valid(title);

        for (size_t i = 0; known && i < title.len; i++)
                known = (unsigned char)title.ptr[i] >= ' ';
        return err_set(e, ERR_RETRY,
                "the reply is %s, not JSON%s%.*s%s; is the address right, and is it this server "
                "that answers?",
                html ? "an HTML page" : "XML", known ? ": \"" : "", known ? (int)title.len : 0,
                title.ptr, known ? "\"" : "");
}

static int on_markup(struct json_records *j, struct err *e)
{
        size_t room = RECORDS_START_BYTES - j->begin.len, n = (size_t)(j->end - j->p);

        n = n < room ? n : room;
        buf_put(&j->begin, j->p, n);
        j->p += n;
        int rc = buf_check(&j->begin, "reply", e);
        if (rc || j->begin.len < RECORDS_START_BYTES)
                return rc;
        return records_markup(j, e);
}

static int open_bracket(struct json_records *j, struct err *e)
{
        size_t i = j->depth;
        bool object = *j->p == '{';
        uint64_t bit = UINT64_C(1) << (i % 64);

        if (i == JSON_RECORDS_MAX_DEPTH)
                return err_set(e, ERR_RETRY, "the reply is nested deeper than %d levels",
                        JSON_RECORDS_MAX_DEPTH);
        j->objects[i / 64] = object ? j->objects[i / 64] | bit : j->objects[i / 64] & ~bit;
        if (i < JSON_PATH_MAX_STEPS)
                j->index[i] = 0;
        j->depth++;
        j->p++;
        j->state = object ? RECORDS_KEY_OR_CLOSE : RECORDS_VALUE_OR_CLOSE;
        return 0;
}

/* Behind a value: j->p is behind it as well. */
static int end_value(struct json_records *j, struct err *e)
{
        int rc = records_facts_end(j, e);

        records_leave(j);
        j->state = j->depth ? RECORDS_AFTER_VALUE : RECORDS_DONE;
        return rc;
}

static int close_bracket(struct json_records *j, struct err *e)
{
        if (j->list_open && j->depth == j->list_depth)
                j->list_open = false;
        j->depth--;
        j->p++;
        return end_value(j, e);
}

/* The value at the records' path. Return: whether the value is records. */
static bool note_found(struct json_records *j)
{
        switch (*j->p) {
        case '[':
                j->found = JSON_RECORDS_ARRAY;
                j->list_open = true;
                j->list_depth = j->depth + 1;
                return false;
        case '{':
                j->found = JSON_RECORDS_OBJECT;
                j->single = true;
                return true;
        case 'n':
                j->found = JSON_RECORDS_NULL;
                return false;
        default:
                j->found = JSON_RECORDS_OTHER;
                return false;
        }
}

static int on_value(struct json_records *j, struct err *e)
{
        if (j->list_open && j->depth == j->list_depth)
                return records_begin(j, e);
        if (j->depth > 0 && !records_in_object(j))
                records_match_index(j);
        if (!strchr("{[\"-0123456789tfn", *j->p) || !*j->p)
                return records_malformed(j, records_expected(j), e);
        records_facts_begin(j);
        if (records_at_path(j) && note_found(j))
                return records_begin(j, e);
        if (*j->p == '{' || *j->p == '[')
                return open_bracket(j, e);
        json_lex_begin(&j->lex, *j->p);
        j->state = RECORDS_IN_SCALAR;
        return 0;
}

static int on_start(struct json_records *j, struct err *e)
{
        if (*j->p == '<') {
                j->state = RECORDS_MARKUP;
                return 0;
        }
        return on_value(j, e);
}

static int on_value_or_close(struct json_records *j, struct err *e)
{
        return *j->p == ']' ? close_bracket(j, e) : on_value(j, e);
}

static int on_key(struct json_records *j, struct err *e)
{
        if (*j->p != '"')
                return records_malformed(j, records_expected(j), e);
        json_lex_begin(&j->lex, '"');
        buf_clear(&j->key);
        j->start = j->p;
        j->state = RECORDS_IN_KEY;
        return 0;
}

static int on_key_or_close(struct json_records *j, struct err *e)
{
        return *j->p == '}' ? close_bracket(j, e) : on_key(j, e);
}

/* What came of the key; one that is too long to be of any path is kept as far as it fits. */
static void hold_key(struct json_records *j)
{
        size_t n = (size_t)(j->p - j->start), room = RECORDS_KEY_MAX + 1 - j->key.len;

        buf_put(&j->key, j->start, n < room ? n : room);
        j->start = j->p;
}

static int on_in_key(struct json_records *j, struct err *e)
{
        const char *expected;

        switch (json_lex_run(&j->lex, &j->p, j->end, &expected)) {
        case JSON_LEX_BAD:
                return records_malformed(j, expected, e);
        case JSON_LEX_MORE:
                hold_key(j);
                return buf_check(&j->key, "name", e);
        default:
                break;
        }
        struct str key = {j->start, (size_t)(j->p - j->start)};
        if (j->key.len) {
                hold_key(j);
                key = buf_str(&j->key);
        }
        j->state = RECORDS_COLON;
        int rc = buf_check(&j->key, "name", e);
        return rc ? rc : records_match_key(j, key, e);
}

static int on_colon(struct json_records *j, struct err *e)
{
        if (*j->p != ':')
                return records_malformed(j, records_expected(j), e);
        j->p++;
        j->state = RECORDS_VALUE;
        return 0;
}

static int on_in_scalar(struct json_records *j, struct err *e)
{
        const char *expected;

        switch (json_lex_run(&j->lex, &j->p, j->end, &expected)) {
        case JSON_LEX_BAD:
                return records_malformed(j, expected, e);
        case JSON_LEX_MORE:
                return 0;
        default:
                return end_value(j, e);
        }
}

static int on_after_value(struct json_records *j, struct err *e)
{
        bool object = records_in_object(j);

        if (*j->p == (object ? '}' : ']'))
                return close_bracket(j, e);
        if (*j->p != ',')
                return records_malformed(j, records_expected(j), e);
        j->p++;
        if (!object && j->depth <= JSON_PATH_MAX_STEPS)
                j->index[j->depth - 1]++;
        j->state = object ? RECORDS_KEY : RECORDS_VALUE;
        return 0;
}

static int on_done(struct json_records *j, struct err *e)
{
        return records_malformed(j, records_expected(j), e);
}

const records_handler records_walk[RECORDS_STATES] = {
        [RECORDS_START] = on_start,
        [RECORDS_VALUE] = on_value,
        [RECORDS_VALUE_OR_CLOSE] = on_value_or_close,
        [RECORDS_KEY] = on_key,
        [RECORDS_KEY_OR_CLOSE] = on_key_or_close,
        [RECORDS_IN_KEY] = on_in_key,
        [RECORDS_COLON] = on_colon,
        [RECORDS_IN_SCALAR] = on_in_scalar,
        [RECORDS_IN_RECORD] = records_in_record,
        [RECORDS_IN_SCALAR_RECORD] = records_in_scalar_record,
        [RECORDS_AFTER_VALUE] = on_after_value,
        [RECORDS_DONE] = on_done,
        [RECORDS_MARKUP] = on_markup,
};
