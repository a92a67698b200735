/*
 * The tables of a test: those that it gives inline, in place of whatever the mapper says; maps and
 * files of the mapper as they are; queries, which nobody can ask here, empty.
 *
 * A key of several columns is given as maps in maps: {IE: {reduced: 13.5}}.
 */
#include "ingest/pipeline/trial_internal.h"

#define VALUE_MAX_BYTES (16 << 20) /* of one value as JSON: a mapper file is smaller */

struct filling {
        struct lookup_table *table;
        struct str key[LOOKUP_MAX_KEYS];
        size_t parts; /* of a key */
};

static int put_value(struct filling *f, const struct ynode *value, struct err *e)
{
        cleanup_buf_ struct buf json = BUF_INIT(VALUE_MAX_BYTES);

        ynode_json(value, &json);
        int rc = buf_check(&json, "the value of a look-up", e);
        return rc ? rc : lookup_table_put(f->table, f->key, f->parts, buf_str(&json), e);
}

static int put_entries(
        struct trial *t, struct filling *f, size_t part, const struct ynode *entries, struct err *e)
{
        int rc = 0;

        if (entries->kind != YNODE_MAP)
                return mapper_spec_error(t->mapper->spec, entries, e,
                        "this look-up has keys of %zu columns: write a map of maps, {a: {b: "
                        "value}}",
                        f->parts);
        for (size_t i = 0; i < entries->count && !rc; i++) {
                const struct ynode_pair *pair = &entries->pairs[i];
                f->key[part] = pair->key;
                rc = part + 1 < f->parts ? put_entries(t, f, part + 1, pair->value, e)
                                         : put_value(f, pair->value, e);
        }
        return rc;
}

static int put_given(struct trial *t, struct lookup_set *set, struct err *e)
{
        const struct ynode *given = t->test->lookups;
        int rc = 0;

        for (size_t i = 0; given && i < given->count && !rc; i++) {
                struct filling f = {.table = lookup_set_of_field(set, given->pairs[i].key)};
                if (!f.table)
                        return mapper_spec_error(t->mapper->spec, given->pairs[i].value, e,
                                "lookups: '%s' is no field with a look-up",
                                given->pairs[i].key.ptr);
                f.parts = lookup_table_spec(f.table)->parts;
                lookup_table_clear(f.table);
                rc = put_entries(t, &f, 0, given->pairs[i].value, e);
                lookup_table_end(f.table);
        }
        return rc;
}

static bool is_given(
        const struct trial *t, const struct lookup_set *set, const struct lookup_table *table)
{
        const struct ynode *given = t->test->lookups;

        for (size_t i = 0; given && i < given->count; i++)
                if (lookup_set_of_field(set, given->pairs[i].key) == table)
                        return true;
        return false;
}

int trial_lookups(struct trial *t, struct lookup_set **out, struct err *e)
{
        cleanup_(lookup_set_freep) struct lookup_set *set = NULL;
        int rc = t->mapper->spec->lookup_count ? lookup_set_new(t->mapper->spec, &set, e) : 0;

        for (size_t i = 0; set && i < lookup_set_count(set) && !rc; i++) {
                struct lookup_table *table = lookup_set_table(set, i);
                if (!is_given(t, set, table))
                        rc = lookup_table_load(table, e);
        }
        if (!rc && set)
                rc = put_given(t, set, e);
        if (!rc)
                *out = TAKE(set);
        return rc;
}
