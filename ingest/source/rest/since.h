/*
 * since.h: where a read begins, and the position after it.
 *
 * Made by an observation, used by the next read of everything or of what changed. A mark is text:
 * what the pager needs, what was sent as cursor, the clocks when the first part began, and what the
 * cursor has seen.
 */
#pragma once

#include "ingest/base/arena.h"
#include "ingest/source/rest/rest.h"
#include "ingest/source/rest/cursor.h"
#include "ingest/source/rest/walk.h"

struct rest_since {
        const struct extract *x;
        struct arena *arena;
        char *origin; /* names the source, without secrets */
        const struct tz *zone;
        const struct rest_position *before; /* NULL: none that holds */
        struct rest_position *after;        /* of the last rest_since_position(); NULL */
        struct rest_progress *seen;
        struct str from; /* ${cursor} of a read since; .ptr NULL: absent */
        bool resumes;    /* the next read begins at `pager_mark` */
        struct str pager_mark;
        struct str seen_mark;
        int64_t server_us;          /* the server's clock when the read began; -1: not known yet */
        int64_t began_us, ended_us; /* ours; of a resumed read, when its first part began */
        bool full;                  /* the read that was started last was one of everything */
};

/** rest_since_new() - what @watch says of @x. No request is sent.
 * Return: 0; -class. */
int rest_since_new(struct rest_source *s, const struct extract *x, const struct source_watch *watch,
        struct source_observation *out, struct rest_since **since, struct err *e)
        __attribute__((warn_unused_result));
struct rest_since *rest_since_free(struct rest_since *since);
DEFINE_CLEANUP(struct rest_since *, rest_since_free);

/** rest_since_begin() - a read of it begins */
int rest_since_begin(struct rest_since *since, bool full, struct err *e)
        __attribute__((warn_unused_result));

/** rest_since_clock() - @server_us: at the first reply of the read; later calls change nothing */
void rest_since_clock(struct rest_since *since, int64_t server_us);

/** rest_since_finished() - the read that was begun has read all */
void rest_since_finished(struct rest_since *since);

/** rest_since_mark() - appends the mark of a read whose pages stand where @walk does */
int rest_since_mark(struct rest_since *since, const struct rest_walk *walk, struct buf *out,
        struct err *e) __attribute__((warn_unused_result));

/** rest_since_position() - appends the position after the read that was begun and finished */
int rest_since_position(struct rest_since *since, struct buf *out, struct err *e)
        __attribute__((warn_unused_result));
