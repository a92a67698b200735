/*
 * pg_fixture.h: a source on the private cluster, extracts from YAML, and a sink that writes down
 * what it is given. Shared by the tests of the PostgreSQL connector.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ingest/source/source.h"
#include "tests/support/pg_cluster.h"

struct fixture {
        struct loop *loop;
        struct arena *arena;
        struct ydoc *docs[16];
        size_t doc_count;
        struct source_config config;
        struct source *source;
};

/* Records as text: "1|abc|-[1|x 2|y];" with "-" for NULL; rejects as "!KEY: REASON;". */
struct sink {
        struct buf text;
        const struct shape *shape;
        size_t records, rejects, ends;
        bool ended;
        int rc;
        struct err err;

        bool count_only;
        size_t pause_every, hold_every; /* records; 0: never */
        bool is_held;
        size_t fail_at, cancel_at;   /* records; 0: never */
        void (*at_first)(void *ctx); /* called with the first record */
        void *at_first_ctx;
        struct fixture *fixture;
        struct source_read *read;
        struct loop_timer *resume;
};

struct fixture *fixture_new(const char *source_yaml);
void fixture_free(struct fixture *f);

/** fixture_dsn() - "{type: postgres, dsn: "... dbname=DATABASE", MORE}"; valid until the next call
 */
const char *fixture_dsn(const char *database, const char *more);

/** fixture_open() - a fixture with an open source on @database; fails the test if it cannot */
struct fixture *fixture_open(const char *database, const char *more);

int fixture_extract(struct fixture *f, const char *yaml, struct extract **out, struct err *e);

/** fixture_start() - describes @yaml and starts a read; @s must have been zeroed or set up */
int fixture_start(struct fixture *f, const char *yaml, const struct value *keys, size_t key_rows,
        struct sink *s, struct err *e);

/** fixture_read() - the same to the end: its text is in @s->text. Return: rc of the read. */
int fixture_read(struct fixture *f, const char *yaml, struct sink *s);

/** fixture_read_keys() - the same by keys */
int fixture_read_keys(
        struct fixture *f, const char *yaml, const struct value *keys, size_t rows, struct sink *s);

void sink_deinit(struct sink *s);

/* ---- incremental runs ---- */

/* A mapper from run to run. */
struct mapper {
        struct fixture *fixture;
        struct extract *x;
        struct shape shape;
        struct tz *zone;                /* owned; NULL: none */
        struct buf position;            /* of the last finished run; empty: none */
        struct source_observation seen; /* of the last run */
        bool was_full;                  /* the last run read everything */
        struct buf text;                /* what the last run read, as in struct sink */
};

/** mapper_new() - @zone: NULL: no `timezone:`; fails the test where @yaml is refused */
struct mapper *mapper_new(struct fixture *f, const char *yaml, const char *zone);
void mapper_free(struct mapper *m);

/** mapper_observe() - Return: as source_observe() */
int mapper_observe(struct mapper *m, struct err *e);

enum mapper_what { MAPPER_CHANGES, MAPPER_ALL, MAPPER_KEYS, MAPPER_DELETED };

/** mapper_read() - one read without an observation. Return: rc of the read; e is filled. */
int mapper_read(struct mapper *m, enum mapper_what what, struct err *e);

/** mapper_run() - observes, reads what changed (all where that cannot be, or @full), stores the
 * position. Return: what was read, as text; fails the test on an error. */
const char *mapper_run(struct mapper *m, bool full);
