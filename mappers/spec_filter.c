/* The filter keeps only branches that end in an insignificant field: most mappers have none. */
#include "mappers/spec_internal.h"

static bool any_insignificant(const struct field_spec *f)
{
        for (size_t i = 0; i < f->field_count; i++)
                if (any_insignificant(&f->fields[i]))
                        return true;
        return !f->significant;
}

static int build_members(const struct option_context *cx, const struct field_spec *fields,
        size_t count, const struct digest_filter **members, size_t *member_count, struct err *e)
{
        size_t n = 0;

        for (size_t i = 0; i < count; i++)
                n += any_insignificant(&fields[i]);
        struct digest_filter *out = arena_array(cx->arena, n, sizeof(*out));
        if (!out)
                return options_nomem(cx, e);
        n = 0;
        for (size_t i = 0; i < count; i++) {
                struct digest_filter *m = &out[n];
                if (!any_insignificant(&fields[i]))
                        continue;
                n++;
                m->name = fields[i].name;
                m->insignificant = !fields[i].significant;
                int rc = m->insignificant
                                 ? 0
                                 : build_members(cx, fields[i].fields, fields[i].field_count,
                                           &m->members, &m->member_count, e);
                if (rc)
                        return rc;
        }
        *members = out;
        *member_count = n;
        return 0;
}

int spec_filter_build(const struct option_context *cx, const struct field_spec *fields,
        size_t count, const struct digest_filter **out, struct err *e)
{
        struct digest_filter *root = arena_alloc(cx->arena, sizeof(*root));

        if (!root)
                return options_nomem(cx, e);
        int rc = build_members(cx, fields, count, &root->members, &root->member_count, e);
        if (rc == 0)
                *out = root->member_count ? root : NULL;
        return rc;
}
