/*
 * Databases have numbers, so that entries stay small. A number is never given again, not even
 * after state_wipe(): callers keep them. Templated targets can make hundreds of databases, and a
 * look-up happens for every record: the last answer is tried first, then a sorted index.
 */
#include "ingest/state/state_env.h"

#define MAX_DATABASES 65535 /* numbers are 16 bits */
#define KEY_BYTES     (sizeof(SELF_DATABASE) - 1 + 2)

struct state_names {
        char **items;     /* owned; by number */
        uint16_t *sorted; /* numbers, in the order of their names */
        size_t count;
        size_t capacity;
        uint16_t last; /* found last */
};

struct state_names *state_names_free(struct state_names *n)
{
        if (!n)
                return NULL;
        for (size_t i = 0; i < n->count; i++)
                free(n->items[i]);
        free(n->items);
        free(n->sorted);
        free(n);
        return NULL;
}

/* Where @name is in the index, or would be. */
static size_t find(const struct state_names *n, struct str name, bool *found)
{
        size_t low = 0, high = n->count;

        *found = false;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int c = str_cmp(str_of(n->items[n->sorted[middle]]), name);
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

static int make_room(struct state_names *n, struct err *e)
{
        size_t capacity = n->capacity ? n->capacity * 2 : 8;

        if (n->count < n->capacity)
                return 0;
        char **items = realloc(n->items, capacity * sizeof(*items));
        if (items)
                n->items = items;
        uint16_t *sorted = items ? realloc(n->sorted, capacity * sizeof(*sorted)) : NULL;
        if (!sorted)
                return err_nomem(e, "names of databases");
        n->sorted = sorted;
        n->capacity = capacity;
        return 0;
}

/* Gives @name the next number. It must not be there yet. */
static int add(struct state_names *n, struct str name, struct err *e)
{
        bool found;
        int rc = make_room(n, e);

        if (rc)
                return rc;
        char *copy = str_dup(name);
        if (!copy)
                return err_nomem(e, "the name of a database");
        size_t at = find(n, name, &found);
        memmove(n->sorted + at + 1, n->sorted + at, (n->count - at) * sizeof(*n->sorted));
        n->sorted[at] = (uint16_t)n->count;
        n->items[n->count++] = copy;
        return 0;
}

static void remove_last(struct state_names *n)
{
        bool found;
        size_t at = find(n, str_of(n->items[n->count - 1]), &found);

        n->count--;
        memmove(n->sorted + at, n->sorted + at + 1, (n->count - at) * sizeof(*n->sorted));
        free(n->items[n->count]);
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

        s->names = calloc(1, sizeof(*s->names));
        if (!s->names)
                return err_nomem(e, "names of databases");
        for (;;) {
                MDB_val key = state_val(self_key(s->names->count, space)), value;
                rc = mdb_get(s->reader, s->dbi[TABLE_SELF], &key, &value);
                if (rc == MDB_NOTFOUND)
                        return 0;
                if (rc)
                        return state_env_error(s, rc, "read", e);
                if (value.mv_size == 0 || s->names->count == MAX_DATABASES)
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
        MDB_val key = state_val(self_key(n->count - 1, space));
        MDB_val value = state_val(str_of(n->items[n->count - 1]));

        return mdb_put(txn, s->dbi[TABLE_SELF], &key, &value, 0);
}

int state_database(struct state *s, struct str name, uint16_t *number, struct err *e)
{
        struct state_names *n = s->names;
        bool found;

        if (n->last < n->count && str_eq(str_of(n->items[n->last]), name)) {
                *number = n->last;
                return 0;
        }
        size_t at = find(n, name, &found);
        if (found) {
                *number = n->last = n->sorted[at];
                return 0;
        }
        if (name.len == 0 || memchr(name.ptr, '\0', name.len) || n->count == MAX_DATABASES)
                return err_set(e, ERR_BUG, "state %s: database number %zu, '%.*s'", s->path,
                        n->count, STR_ARG(name));
        int rc = add(n, name, e);
        if (rc)
                return rc;
        rc = state_env_write(s, put_last, n, e);
        if (rc) {
                remove_last(n);
                return rc;
        }
        *number = n->last = (uint16_t)(n->count - 1);
        return 0;
}

const char *state_database_name(const struct state *s, uint16_t number)
{
        return number < s->names->count ? s->names->items[number] : NULL;
}

size_t state_database_count(const struct state *s)
{
        return s->names->count;
}
