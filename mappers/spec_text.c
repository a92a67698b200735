/*
 * The keys of a field that hold regular expressions: split and replace. Patterns are compiled here
 * to be proved, so that `check` needs no source, and once more by the compiler, which keeps them.
 */
#include "mappers/spec_internal.h"

#include "ingest/base/pattern.h"
#include "ingest/base/text.h"

#define MAX_PARTS 64 /* of one `with`: literals and groups */

struct pattern_draft {
        const char *pattern, *with;
};

#define AT(member) offsetof(struct pattern_draft, member)

static const struct option replace_options[] = {
        {.name = "pattern",
                .type = OPTION_STRING,
                .offset = AT(pattern),
                .required = true,
                .min = 1,
                .help = "Regular expression (PCRE2, Unicode); every match is replaced."},
        {.name = "with",
                .type = OPTION_STRING,
                .offset = AT(with),
                .default_text = "",
                .help = "What takes the place of a match; $1 or ${name} is a group, $$ a dollar "
                        "sign."},
};
OPTION_TABLE(mapper_replace_table, "'replace'", replace_options);

static const struct option split_options[] = {
        {.name = "pattern",
                .type = OPTION_STRING,
                .offset = AT(pattern),
                .required = true,
                .min = 1,
                .help = "Regular expression (PCRE2, Unicode) of the text between two elements."},
};
OPTION_TABLE(mapper_split_table, "'split'", split_options);

/* The pattern at @n, proved and thrown away. */
static int prove_pattern(const struct option_context *cx, const struct ynode *n, struct str text,
        struct pattern **out, struct err *e)
{
        struct pattern_fault fault = {.at = 0};
        struct err why = {0};

        if (text.len > PATTERN_MAX_BYTES)
                return ynode_error(
                        cx->doc, n, e, "'pattern' is longer than %d bytes", PATTERN_MAX_BYTES);
        int rc = pattern_compile(text, PATTERN_PERL, out, &fault, &why);
        if (rc == -ERR_CONFIG)
                return ynode_error(cx->doc, n, e,
                        "'pattern' is no regular expression: behind its character %zu: %s",
                        text_width((struct str){text.ptr, fault.at}), why.text);
        if (rc && e)
                *e = why;
        return rc;
}

/* ---- with ---- */

struct with_parser {
        const struct option_context *cx;
        const struct ynode *n;
        const struct pattern *pattern;
        struct buf literal;
        struct replace_part parts[MAX_PARTS];
        size_t count;
};

static int add_part(struct with_parser *w, struct replace_part part, struct err *e)
{
        if (w->count == MAX_PARTS)
                return ynode_error(w->cx->doc, w->n, e, "'with' has more than %d parts", MAX_PARTS);
        w->parts[w->count++] = part;
        return 0;
}

static int end_literal(struct with_parser *w, struct err *e)
{
        int rc = buf_check(&w->literal, "'with'", e);

        if (rc || w->literal.len == 0)
                return rc;
        struct str copy = arena_dup(w->cx->arena, buf_str(&w->literal));
        if (!copy.ptr)
                return options_nomem(w->cx, e);
        buf_clear(&w->literal);
        return add_part(w, (struct replace_part){.literal = copy}, e);
}

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

/* The name or number behind a dollar: 1, {1}, {name}. Return: bytes; 0: none. */
static size_t group_name(struct str rest, struct str *name)
{
        size_t n = 0;

        while (n < rest.len && n < 2 && is_digit(rest.ptr[n]))
                n++;
        *name = (struct str){rest.ptr, n};
        if (n > 0 || rest.len == 0 || *rest.ptr != '{')
                return n;
        const char *stop = memchr(rest.ptr, '}', rest.len);
        if (!stop || stop == rest.ptr + 1)
                return 0;
        *name = (struct str){rest.ptr + 1, (size_t)(stop - rest.ptr) - 1};
        return (size_t)(stop - rest.ptr) + 1;
}

static int group_number(const struct with_parser *w, struct str name, struct err *e)
{
        int64_t number;

        if (!str_to_int64(name, &number))
                number = pattern_group_find(w->pattern, name);
        if (number < 0 || number > PATTERN_MAX_GROUPS ||
                (size_t)number > pattern_group_count(w->pattern))
                return ynode_error(w->cx->doc, w->n, e, "'with': the pattern has no group %.*s",
                        STR_ARG(name));
        return (int)number;
}

static int take_group(struct with_parser *w, struct str *rest, struct err *e)
{
        struct str name;
        size_t used = group_name(*rest, &name);

        if (used == 0)
                return ynode_error(w->cx->doc, w->n, e,
                        "'with': a $ stands before a group, $1 or ${name}; write $$ for a dollar "
                        "sign");
        int rc = end_literal(w, e);
        int group = rc ? rc : group_number(w, name, e);
        if (group < 0)
                return group;
        *rest = (struct str){rest->ptr + used, rest->len - used};
        return add_part(w, (struct replace_part){.group = group}, e);
}

static int parse_with(struct with_parser *w, struct str rest, struct err *e)
{
        while (rest.len > 0) {
                const char *dollar = memchr(rest.ptr, '$', rest.len);
                size_t n = dollar ? (size_t)(dollar - rest.ptr) : rest.len;
                int rc = 0;

                buf_put(&w->literal, rest.ptr, n);
                if (!dollar)
                        break;
                rest = (struct str){dollar + 1, rest.len - n - 1};
                if (rest.len > 0 && *rest.ptr == '$') {
                        buf_putc(&w->literal, '$');
                        rest = (struct str){rest.ptr + 1, rest.len - 1};
                        continue;
                }
                rc = take_group(w, &rest, e);
                if (rc)
                        return rc;
        }
        return end_literal(w, e);
}

static int decode_with(const struct option_context *cx, const struct ynode *n,
        const struct pattern *pattern, struct str text, struct replace_spec *out, struct err *e)
{
        struct with_parser w = {.cx = cx, .n = n, .pattern = pattern};

        buf_init(&w.literal, YDOC_MAX_VALUE);
        int rc = parse_with(&w, text, e);
        buf_deinit(&w.literal);
        if (rc)
                return rc;
        out->parts = arena_array(cx->arena, w.count, sizeof(*out->parts));
        if (!out->parts)
                return options_nomem(cx, e);
        if (w.count)
                memcpy(out->parts, w.parts, w.count * sizeof(*w.parts));
        out->part_count = w.count;
        return 0;
}

/* ---- the keys ---- */

static int decode_replacement(const struct option_context *cx, const struct ynode *n,
        struct replace_spec *out, struct err *e)
{
        cleanup_(pattern_freep) struct pattern *pattern = NULL;
        struct pattern_draft d = {NULL, NULL};

        if (n->kind != YNODE_MAP)
                return ynode_error(cx->doc, n, e,
                        "'replace' must be {pattern: ..., with: ...} or a list of them, not %s",
                        ynode_kind_name(n->kind));
        int rc = options_decode(cx, &mapper_replace_table, n, &d, e);
        if (rc)
                return rc;
        const struct ynode *with = ynode_get(n, "with");
        out->pattern = str_of(d.pattern);
        rc = prove_pattern(cx, ynode_get(n, "pattern"), out->pattern, &pattern, e);
        return rc ? rc : decode_with(cx, with ? with : n, pattern, str_of(d.with), out, e);
}

int spec_replace_decode(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        bool list = n->kind == YNODE_LIST;
        size_t count = list ? n->count : 1;
        struct replace_list *out = field;
        struct replace_spec *items = arena_array(cx->arena, count, sizeof(*items));
        int rc = 0;

        if (!items)
                return options_nomem(cx, e);
        if (count == 0)
                return ynode_error(cx->doc, n, e, "'replace' is an empty list");
        for (size_t i = 0; i < count && !rc; i++)
                rc = decode_replacement(cx, list ? n->items[i] : n, &items[i], e);
        if (rc)
                return rc;
        *out = (struct replace_list){items, count};
        return 0;
}

int spec_split_decode(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        cleanup_(pattern_freep) struct pattern *pattern = NULL;
        struct pattern_draft d = {NULL, NULL};
        struct split_spec *out = field;

        if (n->kind == YNODE_MAP) {
                int rc = options_decode(cx, &mapper_split_table, n, &d, e);
                if (!rc)
                        rc = prove_pattern(
                                cx, ynode_get(n, "pattern"), str_of(d.pattern), &pattern, e);
                if (!rc)
                        *out = (struct split_spec){.pattern = str_of(d.pattern)};
                return rc;
        }
        if (n->kind != YNODE_STRING || n->text.len == 0)
                return ynode_error(cx->doc, n, e,
                        "'split' must be the text between two elements, or {pattern: ...}, not %s",
                        n->kind == YNODE_STRING ? "an empty text" : ynode_kind_name(n->kind));
        *out = (struct split_spec){.by = n->text};
        return 0;
}
