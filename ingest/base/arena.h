/*
 * arena.h: memory that is released all at once.
 *
 * One arena per record or per loaded file. Nothing long-lived may point into an arena that is
 * reset. An arena never holds more than its maximum; an allocation that would returns NULL,
 * which callers report with arena_failed(). Not shared between threads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ingest/base/cleanup.h"
#include "ingest/base/err.h"
#include "ingest/base/str.h"

struct arena;

/** arena_new() - an empty arena of at most @max_bytes. Return: NULL when out of memory. */
struct arena *arena_new(size_t max_bytes);
struct arena *arena_free(struct arena *a);
DEFINE_CLEANUP(struct arena *, arena_free);

/** arena_alloc() - @n zeroed bytes, aligned for any type; NULL at the maximum or without memory */
void *arena_alloc(struct arena *a, size_t n);

/** arena_array() - @count zeroed elements of @size bytes; overflow-safe */
void *arena_array(struct arena *a, size_t count, size_t size);

/** arena_dup() - a copy of @s with a NUL behind it; .ptr NULL on failure */
struct str arena_dup(struct arena *a, struct str s);

/** arena_strdup() - NUL-terminated copy, NULL on failure */
char *arena_strdup(struct arena *a, struct str s);

/** arena_reset() - forgets everything allocated; keeps the largest chunk for the next use */
void arena_reset(struct arena *a);

/** arena_holds() - whether @p is in memory that @a handed out: for the paths of errors */
bool arena_holds(const struct arena *a, const void *p);

/** arena_used() - bytes handed out since the last reset */
size_t arena_used(const struct arena *a);

/** arena_failed() - the error of an allocation that returned NULL; @what names its purpose
 * Return: -ERR_NOMEM, or -ERR_REJECT where the maximum was the reason. */
int arena_failed(const struct arena *a, const char *what, struct err *e);
