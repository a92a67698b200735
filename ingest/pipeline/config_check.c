/*
 * Every mapper is compared with those before it. Two of them must never claim the same document:
 * a mapper finds and deletes its documents by the literal prefix of their ids.
 */
#include "ingest/pipeline/config_internal.h"

static const struct ynode *target_node(const struct mapper_spec *m, const char *key)
{
        return ynode_get(ynode_get(m->doc->root, "target"), key);
}

/* ---- one mapper ---- */

/* The name with a letter for every ${...}: only literal text can be judged now. */
static int check_database(const struct mapper_spec *m, struct err *e)
{
        cleanup_buf_ struct buf name = BUF_INIT(YDOC_MAX_VALUE);
        char shown[YNODE_SHOW_MAX];

        for (size_t i = 0; i < m->database.count; i++) {
                const struct template_part *part = &m->database.parts[i];
                buf_put_str(&name, part->scope == TEMPLATE_LITERAL ? part->text : STR("a"));
        }
        int rc = buf_check(&name, "a database name", e);
        if (rc || couch_database_name_valid(buf_str(&name)))
                return rc;
        return mapper_spec_error(m, target_node(m, "database"), e,
                "%s is not a CouchDB database name: a-z, then a-z 0-9 _ $ ( ) + - /",
                ynode_show(target_node(m, "database"), shown));
}

/* A child that was deleted or moved leaves no trace at its old parent (PROTOCOL.md section 5). */
static int check_full(const struct config_mapper *m, struct err *e)
{
        const struct extract *x = m->extract;
        const char *nested = x->child_count ? "children" : x->group.count ? "group" : NULL;

        if (!x->cursor || !nested || schedule_is_set(&m->spec->full))
                return 0;
        return extract_error(x, "cursor", e,
                "'cursor' with '%s' needs a 'full' schedule: only a full read sees rows that were "
                "deleted or moved to another record",
                nested);
}

static int unknown_kept(const struct config_mapper *m, const char *name, struct err *e)
{
        const struct mapper_spec *spec = m->spec;
        const char **names = arena_array(spec->arena, spec->field_count, sizeof(*names));
        const struct ynode *at = ynode_get(ynode_get(spec->extract, "deletes"), "keep");

        if (!names)
                return err_nomem(e, "field names");
        for (size_t i = 0; i < spec->field_count; i++)
                names[i] = spec->fields[i].name.ptr;
        const char *near = str_nearest(str_of(name), names, spec->field_count);
        int rc = mapper_spec_error(spec, at, e, "'keep': there is no field '%s'", name);
        return near ? err_hint(e, rc, "did you mean '%s'?", near) : rc;
}

static int check_kept(const struct config_mapper *m, struct err *e)
{
        const struct string_list *keep = &m->extract->deletes.keep;

        for (size_t i = 0; i < keep->count; i++) {
                bool known = false;
                for (size_t k = 0; k < m->spec->field_count && !known; k++)
                        known = str_is(m->spec->fields[k].name, keep->items[i]);
                if (!known)
                        return unknown_kept(m, keep->items[i], e);
        }
        return 0;
}

static int check_notify(const struct config_mapper *m, struct err *e)
{
        const struct ynode *schedule = ynode_get(m->spec->doc->root, "schedule");
        const struct source_config *source = m->source;

        if (!m->spec->schedule.notify || source_can_listen(source))
                return 0;
        return mapper_spec_error(m->spec, ynode_get(schedule, "notify"), e,
                "schedule.notify: source '%s' is of type %s, which tells of no changes: give the "
                "schedule an interval (every: 30s)",
                source->name, source->ops->type);
}

/* ---- two mappers ---- */

static struct str literal_start(const struct field_template *t)
{
        return t->parts[0].scope == TEMPLATE_LITERAL ? t->parts[0].text : STR("");
}

static bool is_literal(const struct field_template *t)
{
        return t->count == 1 && t->parts[0].scope == TEMPLATE_LITERAL;
}

/* Whether some records could give both templates the same text. */
static bool may_be_equal(const struct field_template *a, const struct field_template *b)
{
        struct str x = literal_start(a), y = literal_start(b);

        if (is_literal(a) && is_literal(b))
                return str_eq(x, y);
        if (is_literal(a))
                return str_starts(x, y);
        if (is_literal(b))
                return str_starts(y, x);
        return str_starts(x, y) || str_starts(y, x);
}

static int check_pair(const struct mapper_spec *before, const struct mapper_spec *m, struct err *e)
{
        char mine[YNODE_SHOW_MAX], theirs[YNODE_SHOW_MAX];

        if (strcmp(before->name, m->name) == 0)
                return mapper_spec_error(m, ynode_get(m->doc->root, "mapper"), e,
                        "there is another mapper '%s', in %s: give one of them another name",
                        m->name, before->path);
        if (!may_be_equal(&before->database, &m->database))
                return 0;
        if (!str_starts(before->id_prefix, m->id_prefix) &&
                !str_starts(m->id_prefix, before->id_prefix))
                return 0;
        return mapper_spec_error(m, target_node(m, "id"), e,
                "id %s overlaps with id %s of mapper %s (%s): in one database no id may begin "
                "with the literal prefix of another mapper's; give each a prefix of its own",
                ynode_show(target_node(m, "id"), mine),
                ynode_show(target_node(before, "id"), theirs), before->name, before->path);
}

static int check_mapper(const struct config *c, size_t i, struct err *e)
{
        const struct config_mapper *m = &c->mappers[i];
        int rc = check_database(m->spec, e);

        if (rc == 0)
                rc = check_full(m, e);
        if (rc == 0)
                rc = check_kept(m, e);
        if (rc == 0)
                rc = check_notify(m, e);
        for (size_t k = 0; k < i && rc == 0; k++)
                rc = check_pair(c->mappers[k].spec, m->spec, e);
        return rc;
}

int config_check(const struct config *c, struct config_problems *problems, struct err *e)
{
        for (size_t i = 0; i < c->mapper_count; i++) {
                int rc = check_mapper(c, i, e);
                if (rc)
                        rc = config_problem(problems, c->mappers[i].spec->path, rc, e);
                if (rc)
                        return rc;
        }
        return 0;
}
