/*
 * Pages shift while they are read: a record that another one pushes to the next page comes twice,
 * perhaps changed in between. What the run knows of it by then is in one of four places: on its way
 * to CouchDB, parked, rejected, or in the state, where the usual comparison finds it. The later one
 * counts; of two equal ones, only the first is counted.
 */
#include "ingest/pipeline/run_internal.h"

/* The drain of the writer is the linear part's (reading.c); the record comes again after it. */
static int wait_for_it(struct run *r)
{
        r->settle_wanted = r->wake = true;
        return AGAIN_WAIT;
}

int again_parked(struct run *r, const struct state_parked *parked, struct err *e)
{
        struct pending what = {.kind = PENDING_PARKED, .key = parked->key, .id = parked->id};
        struct pending *p = r->shifts ? pending_add(r->pending, &what) : NULL;

        if (!r->shifts)
                return 0;
        return p ? settle_keep(r, p, e) : err_nomem(e, "parked record");
}

/* ---- it was parked ---- */

struct unparking {
        struct run *r;
        struct str key;
};

static int unpark_one(void *ctx, const struct state_parked *p, struct err *e)
{
        struct unparking *u = ctx;

        return str_eq(p->key, u->key) ? state_batch_unpark(u->r->batch, p, e) : 0;
}

/* As if it had not come: it is counted when it is taken. */
static int forget_coming(struct run *r, struct str key, struct err *e)
{
        struct state_entry entry;
        int rc = state_get(r->state, key, &entry, e);

        if (rc == 0)
                (void)bitmap_unset(&r->seen, entry.ordinal);
        r->counts->read -= r->counts->read > 0;
        return rc < 0 ? rc : 0;
}

/* Rare: a walk over all claims. */
static int unpark(struct run *r, struct str key, struct err *e)
{
        struct unparking u = {r, key};
        int rc = state_each_parked(r->state, unpark_one, &u, e);

        if (!rc)
                rc = settle_apply(r, e);
        return rc ? rc : forget_coming(r, key, e);
}

/* ---- it was rejected ---- */

static int take_back(struct run *r, struct str key, struct err *e)
{
        int rc = rejects_take_back(r, key, e);

        if (rc)
                return rc == REJECTS_NONE ? 0 : rc;
        rc = settle_apply(r, e);
        return rc ? rc : forget_coming(r, key, e);
}

int again_meet(struct run *r, struct str key, const struct target *t, const struct mapped *m,
        struct err *e)
{
        const struct pending *p = pending_by_key(r->pending, key);
        int rc = 0;

        if (p && m && p->database == t->number && str_eq(p->id, m->id) &&
                digest_eq(&p->digest, &m->digest))
                return AGAIN_SAME;
        if (p)
                return wait_for_it(r);
        if (m && rejects_is_pending(r, key))
                return wait_for_it(r);
        if (pending_of_kind(r->pending, PENDING_PARKED, key))
                rc = settle_apply(r, e); /* then the state shows it */
        if (!rc && state_has_parked(r->state, key))
                rc = unpark(r, key, e);
        return rc || !m ? rc : take_back(r, key, e);
}
