/*
 * One pass over the body proves all of it and notes where records begin and end: brackets on a
 * stack, scalars by json_lex.h. That no object has a name twice is asked of json_canonical(), which
 * knows what names stand for. Nothing is made of values here: they stay text.
 */
#include "ingest/pipeline/given_internal.h"

#include <string.h>

#include "ingest/record/json.h"
#include "ingest/record/json_lex.h"
#include "ingest/record/json_scan.h"

#define GIVEN_MAX_BYTES ((size_t)256 << 20) /* of a body; whoever takes it in has a lower limit */
#define FIRST_RECORDS   64

static const char bom[] = "\xEF\xBB\xBF";

struct parse {
        const char *start, *p, *end;
        size_t depth;
        char open[JSON_MAX_DEPTH]; /* '{' or '[' */
        struct given *g;
        struct buf scratch;
        struct err *e;
};

/* ---- errors ---- */

static size_t line_of(const struct parse *s, const char *at)
{
        size_t line = 1;

        for (const char *p = s->start; (p = memchr(p, '\n', (size_t)(at - p))); p++)
                line++;
        return line;
}

static size_t byte_of(const struct parse *s, const char *at)
{
        const char *p = at;

        while (p > s->start && p[-1] != '\n')
                p--;
        return (size_t)(at - p) + 1;
}

static int wrong(struct parse *s, const char *expected)
{
        if (s->p >= s->end)
                return err_set(s->e, ERR_REJECT,
                        "line %zu, byte %zu: not JSON: %s expected where the body ends",
                        line_of(s, s->end), byte_of(s, s->end), expected);
        return err_set(s->e, ERR_REJECT, "line %zu, byte %zu: not JSON: %s expected",
                line_of(s, s->p), byte_of(s, s->p), expected);
}

/* ---- values ---- */

static bool is_blank(char c)
{
        return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Return: whether a line ended among them. */
static bool skip_blanks(struct parse *s)
{
        bool line = false;

        for (; s->p < s->end && is_blank(*s->p); s->p++)
                line |= *s->p == '\n';
        return line;
}

static int scalar(struct parse *s)
{
        struct json_lex lex;
        const char *expected = "";

        if (s->p == s->end || !json_lex_begin(&lex, *s->p))
                return wrong(s, "a value");
        switch (json_lex_run(&lex, &s->p, s->end, &expected)) {
        case JSON_LEX_WHOLE:
                return 0;
        case JSON_LEX_MORE:
                return json_lex_end(&lex) ? 0 : wrong(s, "the rest of a value");
        case JSON_LEX_BAD:
                break;
        }
        return wrong(s, expected);
}

static int member_name(struct parse *s)
{
        skip_blanks(s);
        if (s->p == s->end || *s->p != '"')
                return wrong(s, "the name of a member, in double quotes,");
        int rc = scalar(s);
        if (rc)
                return rc;
        skip_blanks(s);
        if (s->p == s->end || *s->p != ':')
                return wrong(s, "':'");
        s->p++;
        skip_blanks(s);
        return 0;
}

static int open_bracket(struct parse *s)
{
        if (s->depth == JSON_MAX_DEPTH)
                return err_set(s->e, ERR_REJECT, "line %zu, byte %zu: nested deeper than %d levels",
                        line_of(s, s->p), byte_of(s, s->p), JSON_MAX_DEPTH);
        s->open[s->depth++] = *s->p++;
        skip_blanks(s);
        return 0;
}

static char closing(const struct parse *s)
{
        return s->open[s->depth - 1] == '{' ? '}' : ']';
}

/* Behind a value inside brackets: closes what ends, and leads to the next value.
 * @base: the depth at which the walk ends */
static int behind_value(struct parse *s, size_t base)
{
        for (;;) {
                if (s->depth == base)
                        return 0;
                skip_blanks(s);
                if (s->p < s->end && *s->p == closing(s)) {
                        s->p++;
                        s->depth--;
                        continue;
                }
                if (s->p == s->end || *s->p != ',')
                        return wrong(s, closing(s) == '}' ? "',' or '}'" : "',' or ']'");
                s->p++;
                skip_blanks(s);
                return s->open[s->depth - 1] == '{' ? member_name(s) : 0;
        }
}

/* One object, with all in it. */
static int object(struct parse *s)
{
        size_t base = s->depth;
        int rc = 0;

        do {
                bool opens = s->p < s->end && (*s->p == '{' || *s->p == '[');
                rc = opens ? open_bracket(s) : scalar(s);
                if (!rc && opens && (s->p == s->end || *s->p != closing(s))) {
                        rc = closing(s) == '}' ? member_name(s) : 0;
                        continue;
                }
                if (!rc)
                        rc = behind_value(s, base);
        } while (!rc && s->depth > base);
        return rc;
}

/* ---- records ---- */

static int add_record(struct parse *s, struct str json)
{
        struct given *g = s->g;

        if (g->count == GIVEN_MAX_RECORDS)
                return err_set(s->e, ERR_REJECT,
                        "line %zu: more than %d records: push them in parts", line_of(s, json.ptr),
                        GIVEN_MAX_RECORDS);
        if (g->count == g->capacity) {
                size_t capacity = g->capacity ? 2 * g->capacity : FIRST_RECORDS;
                void *items = realloc(g->items, capacity * sizeof(*g->items));
                if (!items)
                        return err_nomem(s->e, "pushed records");
                g->items = items;
                g->capacity = capacity;
        }
        g->items[g->count++] = (struct given_record){json, 0};
        return 0;
}

static int record(struct parse *s)
{
        const char *from = s->p;
        struct err why;

        if (s->p == s->end || *s->p != '{')
                return wrong(s, "a record, which is an object,");
        int rc = object(s);
        if (rc)
                return rc;
        struct str json = {from, (size_t)(s->p - from)};
        buf_clear(&s->scratch);
        rc = json_canonical(json, JSON_NUMBERS_STRING, &s->scratch, &why);
        if (rc == -ERR_REJECT)
                return err_set(
                        s->e, ERR_REJECT, "the record on line %zu: %s", line_of(s, from), why.text);
        if (rc)
                *s->e = why;
        return rc ? rc : add_record(s, json);
}

static int array(struct parse *s)
{
        int rc = 0;

        s->open[s->depth++] = *s->p++;
        skip_blanks(s);
        if (s->p < s->end && *s->p == ']')
                return behind_value(s, 0);
        while (!rc && s->depth) {
                rc = record(s);
                if (!rc)
                        rc = behind_value(s, 0);
        }
        return rc;
}

/* A line each; an object of several lines is one record, too. */
static int lines(struct parse *s)
{
        bool line = true;
        int rc = 0;

        while (!rc && s->p < s->end) {
                if (!line)
                        return wrong(s, "the end of the line, or of the body,");
                rc = record(s);
                line = skip_blanks(s);
        }
        return rc;
}

static int body(struct parse *s)
{
        if (s->end - s->p >= 3 && memcmp(s->p, bom, 3) == 0)
                s->p += 3;
        skip_blanks(s);
        if (s->p == s->end)
                return err_set(s->e, ERR_REJECT,
                        "the body is empty: push an object, an array of objects, or an object a "
                        "line");
        if (*s->p != '[')
                return lines(s);
        int rc = array(s);
        if (rc)
                return rc;
        skip_blanks(s);
        return s->p == s->end ? 0 : wrong(s, "nothing behind the array");
}

/* Once for all: counting from the beginning for each would be a square. */
static void number_lines(struct given *g)
{
        const char *p = g->body;
        size_t line = 1;

        for (size_t i = 0; i < g->count; i++) {
                for (; p < g->items[i].json.ptr; p++)
                        line += *p == '\n';
                g->items[i].line = line;
        }
}

int given_new(struct str text, struct given **out, struct err *e)
{
        cleanup_(given_freep) struct given *g = calloc(1, sizeof(*g));
        struct err ignored;

        if (text.len > GIVEN_MAX_BYTES)
                return err_set(
                        e, ERR_REJECT, "the body has more than %zu MiB", GIVEN_MAX_BYTES >> 20);
        if (g)
                g->body = malloc(text.len + 1);
        if (!g || !g->body)
                return err_nomem(e, "pushed records");
        if (text.len)
                memcpy(g->body, text.ptr, text.len);
        struct parse s = {.start = g->body,
                .p = g->body,
                .end = g->body + text.len,
                .g = g,
                .scratch = BUF_INIT(4 * GIVEN_MAX_BYTES),
                .e = e ? e : &ignored};
        int rc = body(&s);
        buf_deinit(&s.scratch);
        if (rc)
                return rc;
        number_lines(g);
        *out = TAKE(g);
        return 0;
}

struct given *given_free(struct given *g)
{
        if (g) {
                free(g->items);
                free(g->body);
                free(g);
        }
        return NULL;
}

size_t given_count(const struct given *g)
{
        return g->count;
}
