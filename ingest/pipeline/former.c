/*
 * A mapper whose target.id begins otherwise than before still owns the documents under the prefix
 * that it had: the control database lists it until none of them is left, so that a rebuild finds
 * them. What another mapper of the configuration has taken over is that one's.
 */
#include "ingest/pipeline/run_internal.h"

#define FORMER_MAX 100 /* prefixes of one target: changed more often than it was read in full */

static bool may_overlap(struct str a, struct str b)
{
        return str_starts(a, b) || str_starts(b, a);
}

/* Whether the mapper @m may write into the database @name. */
static bool may_write(const struct mapper_spec *m, const char *name)
{
        const struct field_template *t = &m->database;

        if (t->parts[0].scope != TEMPLATE_LITERAL)
                return true;
        return t->count == 1 ? str_is(t->parts[0].text, name)
                             : str_starts(str_of(name), t->parts[0].text);
}

static bool is_anothers(const struct run *r, const struct target *t, struct str prefix)
{
        for (size_t i = 0; i < r->config->mapper_count; i++) {
                const struct mapper_spec *m = r->config->mappers[i].spec;
                if (m != r->spec && may_overlap(m->id_prefix, prefix) && may_write(m, t->name))
                        return true;
        }
        return false;
}

static bool is_known(const struct run *r, const struct target *t, struct str prefix)
{
        bool known = str_starts(prefix, r->spec->id_prefix);

        for (size_t i = 0; i < t->former_count; i++)
                known |= str_is(prefix, t->former[i]);
        return known;
}

int former_note(struct run *r, struct target *t, struct str prefix, struct err *e)
{
        if (prefix.len == 0 || is_known(r, t, prefix) || is_anothers(r, t, prefix))
                return 0;
        if (t->former_count == FORMER_MAX)
                return err_set(e, ERR_CONFIG,
                        "database %s holds documents of %d former prefixes of target.id; a full "
                        "read that deletes them is due before it changes again",
                        t->name, FORMER_MAX);
        char **former = reallocarray(t->former, t->former_count + 1, sizeof(*former));
        if (former)
                t->former = former;
        char *copy = former ? str_dup(prefix) : NULL;
        if (!copy)
                return err_nomem(e, "former prefixes");
        t->former[t->former_count++] = copy;
        return 0;
}

void former_deinit(struct target *t)
{
        for (size_t i = 0; i < t->former_count; i++)
                free(t->former[i]);
        free(t->former);
        t->former = NULL;
        t->former_count = 0;
}

bool former_is_ours(const struct run *r, const struct target *t, struct str id)
{
        bool ours = str_starts(id, r->spec->id_prefix);

        for (size_t i = 0; i < t->former_count; i++)
                ours |= str_starts(id, str_of(t->former[i]));
        return ours;
}

struct left {
        const struct target *t;
        struct str prefix;
        bool any;
};

static int find_left(
        void *ctx, uint16_t database, struct str id, const struct state_holder *doc, struct err *e)
{
        struct left *l = ctx;

        (void)e;
        l->any = !doc->deleted && database == l->t->number && str_starts(id, l->prefix);
        return l->any;
}

int former_forget(struct run *r, struct err *e)
{
        for (size_t i = 0; i < r->targets.count; i++) {
                struct target *t = r->targets.items[i];
                for (size_t k = t->former_count; k-- > 0;) {
                        struct left l = {.t = t, .prefix = str_of(t->former[k])};
                        int rc = state_each_unattached(r->state, find_left, &l, e);
                        if (rc < 0)
                                return rc;
                        if (l.any)
                                continue; /* some are left: withheld, or there is no sweep */
                        free(t->former[k]);
                        t->former[k] = t->former[--t->former_count];
                }
        }
        return 0;
}
