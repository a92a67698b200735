/*
 * state_batch.h: inside the state module: changes collected for one transaction.
 *
 * Per table a list of changes in the order they were added; keys and values are already in their
 * stored form. Changes of different tables do not depend on each other, so each table may be
 * written in the order of its keys.
 */
#pragma once

#include "ingest/state/state_env.h"

enum change_kind {
        CHANGE_PUT,
        CHANGE_DELETE,
        /* of TABLE_ID, which stands for TABLE_UNATTACHED too: */
        CHANGE_HOLD,       /* value: a holder */
        CHANGE_UNATTACH,   /* value: an unattached document */
        CHANGE_RELEASE,    /* where the value stored is equal to this one */
        CHANGE_RELEASE_ANY /* where it begins with this one */
};

struct change {
        size_t at;          /* of the key in bytes; the value follows it */
        uint32_t value_len; /* the batch's maximum is below 4 GiB */
        uint16_t key_len;   /* CODEC_KEY_MAX at most */
        uint16_t kind;
};

struct state_batch {
        struct buf bytes;                 /* keys and values */
        struct buf changes[STATE_TABLES]; /* of struct change */
        bool cleared[STATE_TABLES];       /* emptied before the changes */
        uint32_t next_ordinal;            /* one above the largest in it */
        struct buf order;                 /* scratch of state_apply() */
};

static inline size_t change_count(const struct state_batch *b, enum state_table table)
{
        return b->changes[table].len / sizeof(struct change);
}

static inline const struct change *change_list(const struct state_batch *b, enum state_table table)
{
        return (const struct change *)b->changes[table].data;
}

static inline struct str change_key(const struct state_batch *b, const struct change *c)
{
        return (struct str){b->bytes.data + c->at, c->key_len};
}

static inline struct str change_value(const struct state_batch *b, const struct change *c)
{
        return (struct str){b->bytes.data + c->at + c->key_len, c->value_len};
}

/** state_batch_clear() - empties it and keeps its memory */
void state_batch_clear(struct state_batch *b);
