/* libyaml's own errors, with the place and what most often stands behind them. */
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

/* What most often stands behind an error at this place; "" where nothing is known. */
static const char *syntax_hint(struct str text, yaml_mark_t mark, const char *context)
{
        struct str at = text_from(text, mark);

        if (context && (strstr(context, "alias") || strstr(context, "anchor")))
                return "; put a value that begins with * or & in quotes";
        if (at.len == 0)
                return "";
        if (at.ptr[0] == '\t')
                return "; indent with spaces, not tabs";
        if (strchr("@`%", at.ptr[0]))
                return "; put a value that begins with this character in quotes";
        if (at.ptr[0] == '{' && at.ptr > text.ptr && at.ptr[-1] == '$')
                return "; inside {} or [] put ${...} in quotes";
        if (at.ptr[0] == '[' && at.ptr > text.ptr && !strchr(" ,:[{", at.ptr[-1]))
                return "; inside {} or [] put a value with [n] in quotes";
        return "";
}

/* The reader (encoding) knows an offset only. */
static int encoding_error(
        const yaml_parser_t *p, const struct ydoc *d, struct str text, struct err *e)
{
        struct yaml_place at = {d, 1, 1};

        for (size_t i = 0; i < p->problem_offset && i < text.len; i++) {
                unsigned char c = (unsigned char)text.ptr[i];
                at.column += (c & 0xC0) != 0x80;
                if (c == '\n') {
                        at.line++;
                        at.column = 1;
                }
        }
        return yaml_error(&at, e, "the file is not plain UTF-8 text: %s", p->problem);
}

int yaml_syntax_error(const yaml_parser_t *p, const struct ydoc *d, struct str text, struct err *e)
{
        struct yaml_place at = yaml_place_of(d, p->problem_mark);
        const char *hint = syntax_hint(text, p->problem_mark, p->context);

        if (p->error == YAML_MEMORY_ERROR)
                return err_nomem(e, d->name);
        if (p->error == YAML_READER_ERROR)
                return encoding_error(p, d, text, e);
        if (!p->context)
                return yaml_error(&at, e, "%s%s", p->problem, hint);
        return yaml_error(&at, e, "%s (%s from line %zu)%s", p->problem, p->context,
                p->context_mark.line + 1, hint);
}
