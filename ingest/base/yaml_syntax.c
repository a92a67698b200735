/*
 * libyaml says which token it missed; whoever wrote the file wants to know which character to
 * change. Each of its problems has an explanation that looks at the text around it, and names the
 * place where the mistake begins, not where the parser gave up.
 */
#include "ingest/base/yaml_syntax.h"

/* The bytes of the file from @mark on. */
static struct str text_from(struct str text, yaml_mark_t mark)
{
        const char *p = text.ptr, *end = p + text.len;

        for (size_t line = 0; line < mark.line && p < end; p++)
                line += *p == '\n';
        for (size_t column = 0; column < mark.column && p < end; column++) {
                p++;
                while (p < end && ((unsigned char)*p & 0xC0) == 0x80)
                        p++;
        }
        return (struct str){p, (size_t)(end - p)};
}

/* Line and column of the byte at @offset of @text. */
static struct yaml_place place_at(const struct ydoc *d, struct str text, size_t offset)
{
        struct yaml_place at = {d, 1, 1};

        for (size_t i = 0; i < offset && i < text.len; i++) {
                unsigned char c = (unsigned char)text.ptr[i];
                at.column += (c & 0xC0) != 0x80;
                if (c == '\n') {
                        at.line++;
                        at.column = 1;
                }
        }
        return at;
}

/* An error of libyaml on its way into our words. */
struct syntax {
        const yaml_parser_t *p;
        const struct ydoc *d;
        struct str text;
        struct str at;   /* the file from the problem on */
        struct str line; /* what stands before it on its line */
};

/* An error where libyaml stopped, or where the thing begins that it was reading then. */
#define AT_MARK(s, mark, e, ...)                                                                   \
        ydoc_error_at((s)->d, (int)(s)->p->mark.line + 1, (int)(s)->p->mark.column + 1, (e),       \
                __VA_ARGS__)
#define AT_PROBLEM(s, e, ...) AT_MARK(s, problem_mark, e, __VA_ARGS__)
#define AT_CONTEXT(s, e, ...) AT_MARK(s, context_mark, e, __VA_ARGS__)

typedef int (*explain_fn)(const struct syntax *s, struct err *e);

static bool is_blank(struct str s)
{
        for (size_t i = 0; i < s.len; i++)
                if (s.ptr[i] != ' ')
                        return false;
        return true;
}

static bool context_is(const struct syntax *s, const char *words)
{
        return s->p->context && strstr(s->p->context, words);
}

/* libyaml's own words. */
static int as_it_is(const struct syntax *s, struct err *e)
{
        if (!s->p->context)
                return AT_PROBLEM(s, e, "%s", s->p->problem);
        return AT_PROBLEM(s, e, "%s (%s from line %zu)", s->p->problem, s->p->context,
                s->p->context_mark.line + 1);
}

/* cannot start any token */
static int bad_start(const struct syntax *s, struct err *e)
{
        if (s->at.len == 0)
                return as_it_is(s, e);
        if (s->at.ptr[0] == '\t')
                return AT_PROBLEM(s, e, "a tab stands here: indent with spaces, not tabs");
        return AT_PROBLEM(s, e, "a value cannot begin with %c: put it in quotes", s->at.ptr[0]);
}

/* mapping values are not allowed in this context */
static int second_colon(const struct syntax *s, struct err *e)
{
        if (memmem(s->line.ptr, s->line.len, ": ", 2))
                return AT_PROBLEM(s, e,
                        "a second ': ' on this line: put a value with a colon in "
                        "quotes");
        return AT_PROBLEM(s, e,
                "this line is indented deeper than the line above, which has its value already: "
                "indent both the same");
}

/* did not find expected key */
static int no_key(const struct syntax *s, struct err *e)
{
        size_t from = s->p->context_mark.line + 1;

        if (!is_blank(s->line))
                return AT_PROBLEM(
                        s, e, "the value ended before this: put the whole value in quotes");
        if (s->at.len > 0 && s->at.ptr[0] == '-')
                return AT_PROBLEM(s, e,
                        "a list element (-) stands among the keys that begin on line %zu: write "
                        "KEY: VALUE without -",
                        from);
        return AT_PROBLEM(s, e,
                "this line is indented like no line above that it could belong to (since line "
                "%zu): indent it like its neighbours",
                from);
}

/* did not find expected '-' indicator */
static int no_element(const struct syntax *s, struct err *e)
{
        return AT_PROBLEM(s, e,
                "no list element (-) stands here, in the list that begins on line %zu: begin it "
                "with -, or indent it otherwise",
                s->p->context_mark.line + 1);
}

/* could not find expected ':' */
static int no_colon(const struct syntax *s, struct err *e)
{
        return AT_CONTEXT(
                s, e, "this is no KEY: VALUE: a colon is missing, or the blank behind the colon");
}

/* The end of the file, or ---, inside something. */
static int early_end(const struct syntax *s, struct err *e)
{
        if (context_is(s, "quoted scalar"))
                return AT_CONTEXT(s, e, "the quote that begins here does not end: close it");
        return as_it_is(s, e);
}

/* did not find expected ',' or '}' */
static int open_flow(const struct syntax *s, struct err *e)
{
        bool map = context_is(s, "mapping");
        bool dollar = s->line.len > 0 && s->line.ptr[s->line.len - 1] == '$';
        char before = s->line.len > 0 ? s->line.ptr[s->line.len - 1] : ' ';

        if (s->p->problem_mark.line != s->p->context_mark.line)
                return AT_CONTEXT(s, e,
                        "the %s that begins here does not end: a %s or a comma is missing before "
                        "line %zu, column %zu",
                        map ? "{" : "[", map ? "}" : "]", s->p->problem_mark.line + 1,
                        s->p->problem_mark.column + 1);
        if (dollar && s->at.len > 0 && s->at.ptr[0] == '{')
                return AT_PROBLEM(s, e, "inside {} or [] put a value with ${...} in quotes");
        if (s->at.len > 0 && s->at.ptr[0] == '[' && !strchr(" ,:[{", before))
                return AT_PROBLEM(s, e, "inside {} or [] put a value with [n] in quotes");
        return AT_PROBLEM(s, e,
                "a comma or a %s is missing here; a value with , [ ] { } in it needs quotes",
                map ? "}" : "]");
}

/* did not find expected node content */
static int no_value(const struct syntax *s, struct err *e)
{
        return AT_PROBLEM(s, e,
                "a value is missing here: close the { or [ before it, or put a value that begins "
                "with , ] or } in quotes");
}

/* An alias or an anchor without a name. */
static int bad_alias(const struct syntax *s, struct err *e)
{
        bool alias = context_is(s, "alias");

        return AT_PROBLEM(s, e, "a value that begins with %s is %s in YAML: put it in quotes",
                alias ? "*" : "&", alias ? "an alias" : "an anchor");
}

struct explanation {
        const char *problem, *context; /* how they begin; NULL: any */
        explain_fn fn;
};

static const struct explanation explanations[] = {
        {NULL, "while scanning an alias", bad_alias},
        {NULL, "while scanning an anchor", bad_alias},
        {"found character that cannot start any token", NULL, bad_start},
        {"mapping values are not allowed", NULL, second_colon},
        {"did not find expected key", NULL, no_key},
        {"did not find expected '-' indicator", NULL, no_element},
        {"could not find expected ':'", NULL, no_colon},
        {"found unexpected end of stream", NULL, early_end},
        {"found unexpected document indicator", NULL, early_end},
        {"did not find expected ',' or", NULL, open_flow},
        {"did not find expected node content", NULL, no_value},
        {"", NULL, as_it_is},
};

static bool begins(const char *text, const char *start)
{
        return !start || (text && strncmp(text, start, strlen(start)) == 0);
}

/* What an editor or a web page puts where a blank was typed: on the line of the problem, or on the
 * one above, which the parser then took for the beginning of a text. Return: its place, or 0. */
static const char *no_break_space(const struct syntax *s)
{
        const char *from = s->line.ptr;
        bool above = from > s->text.ptr;

        for (from -= above; above && from > s->text.ptr && from[-1] != '\n';)
                from--;
        return memmem(from, (size_t)(s->at.ptr - from), "\xC2\xA0", 2);
}

static int explain(const struct syntax *s, struct err *e)
{
        const struct explanation *x = explanations;

        const char *space = no_break_space(s);

        if (space) {
                struct yaml_place at = place_at(s->d, s->text, (size_t)(space - s->text.ptr));
                return yaml_error(&at, e,
                        "a no-break space (U+00A0) stands here, which is no blank to YAML: type "
                        "the blanks of this line again");
        }
        while (!begins(s->p->problem, x->problem) || !begins(s->p->context, x->context))
                x++;
        return x->fn(s, e);
}

/* The reader (encoding) knows an offset only. */
static int encoding_error(
        const yaml_parser_t *p, const struct ydoc *d, struct str text, struct err *e)
{
        struct yaml_place at = place_at(d, text, p->problem_offset);

        return yaml_error(
                &at, e, "the file is not plain UTF-8 text: %s; save it as UTF-8", p->problem);
}

int yaml_syntax_error(const yaml_parser_t *p, const struct ydoc *d, struct str text, struct err *e)
{
        yaml_mark_t start = p->problem_mark;
        struct syntax s = {p, d, text, text_from(text, p->problem_mark), {NULL, 0}};

        if (p->error == YAML_MEMORY_ERROR)
                return err_nomem(e, d->name);
        if (p->error == YAML_READER_ERROR)
                return encoding_error(p, d, text, e);
        start.column = 0;
        s.line.ptr = text_from(text, start).ptr;
        s.line.len = (size_t)(s.at.ptr - s.line.ptr);
        return explain(&s, e);
}
