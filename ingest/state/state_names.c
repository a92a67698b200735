/*
 * Databases have numbers, so that entries stay small. A number is never given again, not even
 * after state_wipe(): callers keep them. Templated targets can make hundreds of databases, and a
 * look-up happens for every record: the last answer is tried first, then a sorted index.
 */
#include "ingest/state/state_env.h"

#define MAX_DATABASES 65535 /* numbers are 16 bits */
#define KEY_BYTES     (sizeof(SELF_DATABASE) - 1 + 2)

struct state_names {
        struct buf items;  /* of char *, owned, by number */
        struct buf sorted; /* of uint16_t: numbers in the order of their names */
        uint16_t last;     /* found last */
};

static size_t count(const struct state_names *n)
{
        return n->items.len / sizeof(char *);
}

static const char *name_at(const struct state_names *n, size_t number)
{
        return ((char **)n->items.data)[number];
}

static uint16_t *sorted(const struct state_names *n)
{
        return (uint16_t *)n->sorted.data;
}

static struct state_names *names_new(void)
{
        struct state_names *n = calloc(1, sizeof(*n));

        if (!n)
                return NULL;
        buf_init(&n->items, MAX_DATABASES * sizeof(char *));
        buf_init(&n->sorted, MAX_DATABASES * sizeof(uint16_t));
        return n;
}

struct state_names *state_names_free(struct state_names *n)
{
        if (!n)
                return NULL;
        for (size_t i = 0; i < count(n); i++)
                free((char *)name_at(n, i));
        buf_deinit(&n->items);
        buf_deinit(&n->sorted);
        free(n);
        return NULL;
}

/* Where @name is in the index, or would be. */
static size_t find(const struct state_names *n, struct str name, bool *found)
{
        size_t low = 0, high = count(n);

        *found = false;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int c = str_cmp(str_of(name_at(n, sorted(n)[middle])), name);
                if (c == 0) {
                        *found = true;
                        return middle;
                }
                if (c < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

/* Gives @name the next number. It must not be there yet, and there must be a number left. */
static int add(struct state_names *n, struct str name, struct err *e)
{
        cleanup_(freep) char *copy = str_dup(name);
        bool found;
        size_t at = find(n, name, &found), before = count(n);

        if (!copy || !buf_room(&n->items, sizeof(char *)) ||
                !buf_room(&n->sorted, sizeof(uint16_t))) {
                n->items.error = n->sorted.error = 0;
                return err_nomem(e, "the name of a database");
        }
        n->sorted.len += sizeof(uint16_t);
        memmove(sorted(n) + at + 1, sorted(n) + at, (before - at) * sizeof(uint16_t));
        sorted(n)[at] = (uint16_t)before;
        buf_put(&n->items, &copy, sizeof(copy));
        copy = NULL; /* now owned by items */
        return 0;
}

static void remove_last(struct state_names *n)
{
        size_t number = count(n) - 1;
        bool found;
        size_t at = find(n, str_of(name_at(n, number)), &found);

        free((char *)name_at(n, number));
        n->items.len -= sizeof(char *);
        memmove(sorted(n) + at, sorted(n) + at + 1, (number - at) * sizeof(uint16_t));
        n->sorted.len -= sizeof(uint16_t);
}

static struct str self_key(size_t number, char out[KEY_BYTES])
{
        memcpy(out, SELF_DATABASE, KEY_BYTES - 2);
        out[KEY_BYTES - 2] = (char)(number >> 8);
        out[KEY_BYTES - 1] = (char)(number & 0xFF);
        return (struct str){out, KEY_BYTES};
}

int state_names_load(struct state *s, struct err *e)
{
        char space[KEY_BYTES];
        int rc;

        s->names = names_new();
        if (!s->names)
                return err_nomem(e, "names of databases");
        for (;;) {
                MDB_val key = state_val(self_key(count(s->names), space)), value;
                rc = mdb_get(s->reader, s->dbi[TABLE_SELF], &key, &value);
                if (rc == MDB_NOTFOUND)
                        return 0;
                if (rc)
                        return state_env_error(s, rc, "read", e);
                if (value.mv_size == 0 || count(s->names) == MAX_DATABASES)
                        return state_env_damaged(s, e);
                rc = add(s->names, state_str(&value), e);
                if (rc)
                        return rc;
        }
}

static int put_last(struct state *s, MDB_txn *txn, void *ctx)
{
        struct state_names *n = ctx;
        char space[KEY_BYTES];
        MDB_val key = state_val(self_key(count(n) - 1, space));
        MDB_val value = state_val(str_of(name_at(n, count(n) - 1)));

        return mdb_put(txn, s->dbi[TABLE_SELF], &key, &value, 0);
}

int state_database(struct state *s, struct str name, uint16_t *number, struct err *e)
{
        struct state_names *n = s->names;
        bool found;

        if (n->last < count(n) && str_eq(str_of(name_at(n, n->last)), name)) {
                *number = n->last;
                return 0;
        }
        size_t at = find(n, name, &found);
        if (found) {
                *number = n->last = sorted(n)[at];
                return 0;
        }
        if (name.len == 0 || memchr(name.ptr, '\0', name.len) || count(n) == MAX_DATABASES)
                return err_set(e, ERR_BUG, "state %s: database number %zu, '%.*s'", s->path,
                        count(n), STR_ARG(name));
        int rc = add(n, name, e);
        if (rc)
                return rc;
        rc = state_env_write(s, put_last, n, e);
        if (rc) {
                remove_last(n);
                return rc;
        }
        *number = n->last = (uint16_t)(count(n) - 1);
        return 0;
}

const char *state_database_name(const struct state *s, uint16_t number)
{
        return number < count(s->names) ? name_at(s->names, number) : NULL;
}

size_t state_database_count(const struct state *s)
{
        return count(s->names);
}
