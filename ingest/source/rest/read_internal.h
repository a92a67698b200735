/*
 * read_internal.h: the inside of struct rest_read, for rest_read*.c only.
 *
 *   read.c      begins and ends reads, and moves them on
 *   read_plan.c what is asked for, and the way out
 *   read_take.c a record that came: is it wanted, how far is the cursor
 *   read_give.c records, groups, parents and marks, to the sink
 */
#pragma once

#include "ingest/source/group.h"
#include "ingest/source/rest/child.h"
#include "ingest/source/rest/keys.h"
#include "ingest/source/rest/read.h"
#include "ingest/source/rest/since.h"
#include "ingest/source/rest/walk.h"

#define READ_MARK_MAX (2 << 20)

struct wanted {
        struct str key; /* as key_encode() has it */
        bool found;
};

struct rest_read {
        struct source_base base;
        struct rest_source *source;
        struct rest_read *next; /* of the source's reads */
        const struct extract *x;
        const struct shape *shape; /* borrowed until on_end */
        struct source_sink sink;
        enum rest_what what;
        struct arena *arena;
        struct rest_rows *rows;
        struct rest_since *since; /* of the source, where this read moves the position; or NULL */
        struct rest_paging_spec paging; /* of a preview */
        struct rest_cursor_spec feed_cursor;
        struct rest_odata_spec feed_odata;
        struct rest_odata_spec odata;
        struct string_list select;
        struct loop_timer *soon;

        struct rest_walk *walk; /* one of the two; neither: no key is asked for */
        struct rest_keys *keys;
        struct wanted *wanted; /* of pages, these alone; sorted */
        size_t wanted_count, found_count;

        struct rest_children *children; /* one of the two, or neither */
        struct assembler *assembler;
        struct row ahead; /* of the assembler's stream; bytes NULL: none */
        struct assembled record;
        bool record_held; /* the sink did not take it */
        struct row held;  /* the same of a record on its own; bytes NULL: none */
        struct child_rows none[1];
        struct buf key;

        bool input_ended; /* no record comes any more */
        bool group_ended, enough;
        bool unreadable; /* of a read by key: a record could not be told from those wanted */
        bool paused, stopping, ended;
        int rc; /* of the first failure */
        struct err err;
};

/* ---- read.c ---- */

/** read_wake() - moves the read on, in a turn of its own; @read: struct rest_read */
void read_wake(void *read);

/** read_stop() - ends the read, once all that is under way has ended; the first reason counts */
void read_stop(struct rest_read *r, int rc, const struct err *e);

/* ---- read_plan.c ---- */

/** read_start_input() - the walk, or the calls by key */
int read_start_input(struct rest_read *r, const struct rest_reading *reading, struct err *e);

/** read_start_way_out() - groups or children, where the mapper has them */
int read_start_way_out(struct rest_read *r, struct err *e);

/* ---- read_take.c ---- */

/** read_take() - one record
 * @asked: the key it was asked for by; NULL
 * Return: 0; REST_WALK_PAUSE: it was taken, no more; -class: the read ends. */
int read_take(struct rest_read *r, struct str text, const struct value *asked, struct err *e);
int read_take_oversize(struct rest_read *r, struct str head, struct err *e);

/** read_compare_wanted() - for qsort() of r->wanted */
int read_compare_wanted(const void *a, const void *b);

/* Of the walk. */
int read_on_record(void *ctx, struct str text, struct err *e);
int read_on_oversize(void *ctx, struct str head, struct err *e);
int read_on_page(void *ctx, struct err *e);
void read_on_walk_end(void *ctx, int rc, const struct err *e);

/* ---- read_give.c ---- */

/** read_encode_key() - as key_encode(); .len 0: it is not known. Until the next call. */
struct str read_encode_key(struct rest_read *r, const struct value *values);

/* To the sink, or into what stands before it. Return: 0; REST_WALK_PAUSE; -class. */
int read_give_alone(struct rest_read *r, const struct value *values, struct err *e);
int read_give_held(struct rest_read *r, struct err *e);
int read_give_mark(struct rest_read *r, struct str mark, struct err *e);
int read_reject(struct rest_read *r, const struct value *values, const char *reason, struct err *e);
int read_take_into_group(struct rest_read *r, const struct value *values, struct err *e);
int read_take_into_window(struct rest_read *r, const struct value *values, struct err *e);

/** read_flush_groups(), read_flush_parents() - those that are whole leave. Return: 0; -class. */
int read_flush_groups(struct rest_read *r, struct err *e);
int read_flush_parents(struct rest_read *r, struct err *e);

/** read_stream_next(), read_release_row() - of the assembler's stream */
int read_stream_next(void *ctx, struct row *out, struct err *e);
void read_release_row(char *bytes);
