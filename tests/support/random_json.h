/* random_json.h: random numbers and documents, the same for the same seed. */
#pragma once

#include <stdint.h>

#include "ingest/base/buf.h"

/** random_next() - the next number of the sequence @state */
uint64_t random_next(uint64_t *state);

/** random_double() - a finite double: any bits, few decimals, many decimals, powers of two */
double random_double(uint64_t *state);

/* A document written twice at once: its canonical members without braces, and the same as
 * another program might give it back: with _id and other members of CouchDB, other white space,
 * escapes and spellings of numbers. */
struct random_pair {
        struct buf canonical, other;
        uint64_t seed;
};

void random_pair_init(struct random_pair *p, uint64_t seed);

/** random_pair_next() - another document */
void random_pair_next(struct random_pair *p);
void random_pair_deinit(struct random_pair *p);
