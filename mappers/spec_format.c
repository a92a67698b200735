/* The key `format` of a field: proved when the file is read, before any source is known. */
#include "mappers/format.h"
#include "mappers/spec_internal.h"

int spec_format_decode(const struct option_context *cx, const struct ynode *field,
        struct field_spec *f, struct err *e)
{
        const struct ynode *n = ynode_get(field, "format");

        if (!n)
                return 0;
        int rc = format_compile(cx->arena, n->text, f->type, &f->format, e);
        if (rc == -ERR_CONFIG && n->expanded) /* whatever it holds is not shown */
                return ynode_error(
                        cx->doc, n, e, "'format' is none for this type as the environment has it");
        if (rc == -ERR_CONFIG)
                return err_wrap(e, rc, "%s:%d:%d: 'format'", cx->doc->name, n->line, n->column);
        return rc;
}
