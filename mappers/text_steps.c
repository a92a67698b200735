/*
 * Each step reads one of two buffers and writes the other. What is searched is proved to be UTF-8
 * first: PCRE2 and libunistring rely on it.
 */
#include "mappers/text_steps.h"

#include "mappers/text_case.h"

/* ---- compiling ---- */

static int keep_pattern(struct compiler *c, const struct plan *p, struct str text,
        const struct pattern **out, struct err *e)
{
        struct mapper_program *program = c->program;
        struct program_pattern *kept = arena_alloc(c->arena, sizeof(*kept));
        struct pattern_fault fault;
        struct err why = {0};

        if (!kept)
                return compile_nomem(c, e);
        if (!program->render.room)
                program->render.room = pattern_room_new();
        if (!program->render.room)
                return err_nomem(e, "a regular expression");
        int rc = pattern_compile(text, PATTERN_PERL, &kept->pattern, &fault, &why);
        if (rc == -ERR_CONFIG) /* never: the decoder proved it */
                return compile_error(c, p, e, "%s", why.text);
        if (rc) {
                if (e)
                        *e = why;
                return rc;
        }
        kept->next = program->patterns;
        program->patterns = kept;
        *out = kept->pattern;
        return 0;
}

/* What the steps of all fields share. */
static int make_texts(struct compiler *c, struct err *e)
{
        struct render *r = &c->program->render;

        if (r->texts)
                return 0;
        r->texts = arena_alloc(c->arena, sizeof(*r->texts));
        if (!r->texts)
                return compile_nomem(c, e);
        for (size_t i = 0; i < TEXT_BUFS; i++)
                buf_init(&r->texts->bufs[i], MAPPER_MAX_DOCUMENT);
        return 0;
}

void text_steps_free(struct mapper_program *p)
{
        for (size_t i = 0; p->render.texts && i < TEXT_BUFS; i++)
                buf_deinit(&p->render.texts->bufs[i]);
        for (struct program_pattern *kept = p->patterns; kept; kept = kept->next)
                pattern_free(kept->pattern);
        p->patterns = NULL;
        p->render.room = pattern_room_free(p->render.room);
}

static int compile_split(struct compiler *c, struct plan *p, struct err *e)
{
        const struct split_spec *spec = &p->spec->split;
        struct splitter *s = arena_alloc(c->arena, sizeof(*s));

        if (!s)
                return compile_nomem(c, e);
        s->by = spec->by;
        p->chain.split = s;
        return spec->pattern.ptr ? keep_pattern(c, p, spec->pattern, &s->pattern, e) : 0;
}

static int compile_replace(struct compiler *c, struct plan *p, struct text_steps *s, struct err *e)
{
        const struct replace_list *list = &p->spec->replace;
        struct replacement *replace = arena_array(c->arena, list->count, sizeof(*replace));
        int rc = 0;

        if (!replace)
                return compile_nomem(c, e);
        for (size_t i = 0; i < list->count && !rc; i++) {
                replace[i].with = list->items[i].parts;
                replace[i].with_count = list->items[i].part_count;
                rc = keep_pattern(c, p, list->items[i].pattern, &replace[i].pattern, e);
        }
        s->replace = replace;
        s->replace_count = list->count;
        return rc;
}

static const char *first_key(const struct field_spec *f)
{
        if (f->split.by.ptr || f->split.pattern.ptr)
                return "split";
        if (f->replace.count)
                return "replace";
        if (f->upper)
                return "upper";
        return f->lower ? "lower" : NULL;
}

static int compile_steps(struct compiler *c, struct plan *p, struct err *e)
{
        const struct field_spec *f = p->spec;
        struct text_steps *s = arena_alloc(c->arena, sizeof(*s));

        if (!s)
                return compile_nomem(c, e);
        s->upper = f->upper;
        s->lower = f->lower;
        p->chain.text = s;
        return compile_replace(c, p, s, e);
}

int text_steps_compile(struct compiler *c, struct plan *p, enum col_kind kind, struct err *e)
{
        const struct field_spec *f = p->spec;
        const char *key = f ? first_key(f) : NULL;
        int rc = 0;

        if (!key)
                return 0;
        if (kind != COL_TEXT && kind != COL_CHAR && kind != COL_JSON)
                return compile_error(c, p, e,
                        "'%s' works on text, and column '%s' is %s; make it text in the query: "
                        "CAST(... AS text)",
                        key, p->column ? p->column : "?",
                        p->source_type ? p->source_type : col_kind_name(kind));
        p->chain.has_steps = true;
        rc = make_texts(c, e);
        if (!rc && (f->split.by.ptr || f->split.pattern.ptr))
                rc = compile_split(c, p, e);
        if (!rc && (f->replace.count || f->upper || f->lower))
                rc = compile_steps(c, p, e);
        return rc;
}

/* ---- replace, upper, lower ---- */

static int reject_limit(struct render *r, struct str text, const char *key)
{
        return reject_value(r, text,
                "takes the pattern of %s too long: write one that looks back less, or do it in the "
                "query",
                key);
}

static void put_with(
        struct render *r, const struct replacement *re, struct str text, struct buf *to)
{
        for (size_t i = 0; i < re->with_count; i++) {
                const struct replace_part *part = &re->with[i];
                buf_put_str(to, part->literal.ptr ? part->literal
                                                  : pattern_part(r->room, text, part->group));
        }
}

static int replace_all(
        struct render *r, const struct replacement *re, struct str text, struct buf *to)
{
        enum pattern_empty empty = PATTERN_EMPTY_ANYWHERE;
        enum pattern_verdict found = PATTERN_YES;
        size_t at = 0;

        pattern_begin(r->room);
        while (!to->error) {
                found = pattern_find(re->pattern, r->room, text, at, empty);
                if (found != PATTERN_YES)
                        break;
                struct str match = pattern_part(r->room, text, 0);
                size_t start = match.ptr ? (size_t)(match.ptr - text.ptr) : text.len;
                buf_put_str(to, (struct str){text.ptr + at, start - at});
                put_with(r, re, text, to);
                at = start + match.len;
                empty = match.len ? PATTERN_EMPTY_ANYWHERE : PATTERN_EMPTY_NOT_HERE;
        }
        if (found == PATTERN_LIMIT)
                return reject_limit(r, text, "replace");
        buf_put_str(to, (struct str){text.ptr + at, text.len - at});
        return 0;
}

/* The buffer that @text does not lie in, empty. */
static struct buf *other_buffer(struct render *r, struct str text)
{
        struct buf *to = text.ptr == r->texts->changed[0].data ? &r->texts->changed[1]
                                                               : &r->texts->changed[0];

        render_reuse(to);
        return to;
}

static int reject_bytes(struct render *r, struct str text)
{
        return reject_value(r, text,
                "is not valid UTF-8: mend the value in the ERP, or convert it in the query");
}

int text_steps_run(struct render *r, const struct text_steps *s, struct str *text)
{
        struct str now = *text;

        if (!str_utf8_valid(now))
                return reject_bytes(r, now);
        for (size_t i = 0; i < s->replace_count; i++) {
                struct buf *to = other_buffer(r, now);
                int rc = replace_all(r, &s->replace[i], now, to);
                if (rc)
                        return rc;
                now = buf_str(to);
        }
        if (s->upper || s->lower) {
                struct buf *to = other_buffer(r, now);
                if (s->upper)
                        text_put_upper(now, to);
                else
                        text_put_lower(now, to);
                now = buf_str(to);
        }
        *text = now;
        return 0;
}

/* ---- split ---- */

/* The first separator of @text from @from on. */
static enum pattern_verdict find_separator(
        struct render *r, const struct splitter *s, struct str text, size_t from, struct str *out)
{
        if (s->pattern) {
                enum pattern_verdict found =
                        pattern_find(s->pattern, r->room, text, from, PATTERN_EMPTY_NOWHERE);
                if (found == PATTERN_YES)
                        *out = pattern_part(r->room, text, 0);
                return found;
        }
        const char *start = text.ptr + from;
        size_t n = text.len - from;
        const char *p = s->by.len == 1 ? memchr(start, *s->by.ptr, n)
                                       : memmem(start, n, s->by.ptr, s->by.len);
        *out = (struct str){p, s->by.len};
        return p ? PATTERN_YES : PATTERN_NO;
}

static int put_element(struct render *r, const struct chain *c, struct str text, element_fn put)
{
        buf_putc(r->out, ',');
        int rc = put(r, c, text);
        if (rc != PUT_NULL)
                return rc;
        buf_put(r->out, "null", 4);
        return 0;
}

/* @text is copied: what the elements go through may use the buffer that it lies in. */
int text_split_put(struct render *r, const struct chain *c, struct str text, element_fn put)
{
        size_t start = r->out->len, at = 0;
        enum pattern_verdict found = text.len ? PATTERN_YES : PATTERN_NO;
        struct str separator = {NULL, 0};

        render_reuse(&r->texts->split);
        buf_put_str(&r->texts->split, text);
        text = buf_str(&r->texts->split);
        if (c->split->pattern && !str_utf8_valid(text))
                return reject_bytes(r, text);
        if (r->room)
                pattern_begin(r->room);
        while (found == PATTERN_YES && !r->out->error) {
                found = find_separator(r, c->split, text, at, &separator);
                if (found == PATTERN_LIMIT)
                        return reject_limit(r, text, "split");
                size_t end = found == PATTERN_YES ? (size_t)(separator.ptr - text.ptr) : text.len;
                int rc = put_element(r, c, (struct str){text.ptr + at, end - at}, put);
                if (rc)
                        return rc;
                at = end + separator.len;
        }
        render_close(r->out, start, '[', ']');
        return 0;
}
