/* What a field with a `format` needs of its column, and of time zones. */
#include "mappers/compile_internal.h"
#include "mappers/convert.h"
#include "mappers/format.h"

static bool is_number(enum col_kind kind)
{
        return kind == COL_INT || kind == COL_NUMERIC || kind == COL_FLOAT4 || kind == COL_FLOAT8;
}

static bool is_date(enum col_kind kind)
{
        return kind == COL_DATE || kind == COL_TIMESTAMP || kind == COL_TIMESTAMPTZ;
}

static int check_kind(
        const struct compiler *c, const struct plan *p, enum col_kind kind, struct err *e)
{
        const struct format *f = p->chain.format;

        if (kind == COL_JSON || p->chain.has_map || convert_format_find(f, kind))
                return 0;
        int rc = compile_error(c, p, e, "column '%s' is %s, which no format: %s describes",
                p->column ? p->column : "?",
                p->column && p->source_type ? p->source_type : col_kind_name(kind), f->text);
        if (f->kind == FORMAT_NUMBER && is_number(kind))
                return err_hint(e, rc, "it is a number already: leave format out");
        if (f->kind != FORMAT_NUMBER && is_date(kind))
                return err_hint(e, rc, "it is a date already: leave format out");
        return err_hint(e, rc, "format reads texts; cast the column in the query");
}

/* Local times need a zone to become instants. Instants become the day of the field's zone; the
 * mapper's is of zoneless times alone. */
static int find_zone(struct compiler *c, struct plan *p, struct err *e)
{
        const struct format *f = p->chain.format;
        const char *name = p->spec->timezone;

        if (!name && p->chain.type == FIELD_TYPE_DATETIME)
                name = c->spec->timezone;
        if (name)
                return compile_load_zone(c, name, &p->chain.zone, e);
        if (!f->local || p->chain.type != FIELD_TYPE_DATETIME)
                return 0;
        return compile_error(c, p, e,
                "format: %s is of local times: write timezone: with the zone that their clock "
                "shows, for the mapper or the field (timezone: Europe/Dublin; timezone: UTC)",
                f->text);
}

int compile_notation(struct compiler *c, struct plan *p, enum col_kind kind, struct err *e)
{
        int rc = check_kind(c, p, kind, e);

        return rc || p->chain.format->kind == FORMAT_NUMBER ? rc : find_zone(c, p, e);
}
