/*
 * set.h: the texts that one schema is made of, and which URI means which part of them.
 *
 * Finds every subschema of a text by the places where the draft allows one, with its base URI and
 * its anchors; loads further texts when a reference asks for them. Used while compiling only.
 */
#pragma once

#include "ingest/base/buf.h"
#include "schemas/rule.h"

/* Of all texts: they are compared one by one. */
#define SET_MAX_ANCHORS   10000
#define SET_MAX_RESOURCES 10000

struct anchor {
        const struct resource *resource;
        struct str name;
        uint64_t hash;
        struct node *node;
        bool dynamic;
        struct anchor *next;
};

struct set {
        const struct schema_options *options;
        struct arena *arena; /* of the schema */
        struct buf scratch, text, uri;
        struct resource *resources;
        struct alias *aliases; /* URIs that texts were asked for by */
        struct anchor *anchors;
        size_t file_count, anchor_count, resource_count;
        uint64_t digest[2]; /* of the texts so far */
};

/** set_init() - @options and @arena must outlive the set */
void set_init(struct set *s, const struct schema_options *options, struct arena *arena);
void set_deinit(struct set *s);

/** set_add() - parses @text (copied) and finds its schemas
 * @uri: where it comes from      @name: of it in messages; copied
 * Return: 0; -ERR_CONFIG, -ERR_NOMEM. */
int set_add(struct set *s, struct str text, struct str uri, const char *name, struct resource **out,
        struct err *e) __attribute__((warn_unused_result));

/** set_find() - the schema that @reference, seen from @base, leads to
 * @anchor: takes the anchor's name where it went by one; NULL: not wanted
 * Return: 0 (its node has a site); -ERR_CONFIG nothing there; -ERR_NOMEM. */
int set_find(struct set *s, const struct resource *base, struct str reference, struct node **out,
        const struct anchor **anchor, struct err *e) __attribute__((warn_unused_result));

/** set_find_resource() - the same without fragment; loads it where it is not there yet */
int set_find_resource(struct set *s, struct str uri, struct resource **out, struct err *e)
        __attribute__((warn_unused_result));

/** set_mark() - makes @n and the schemas in it schemas of @resource or of resources of their own */
int set_mark(struct set *s, struct node *n, struct resource *resource, struct err *e)
        __attribute__((warn_unused_result));

/** set_error() - -ERR_CONFIG "FILE#POINTER: ..." for the node @n of @resource */
int set_error(const struct resource *resource, const struct node *n, struct err *e, const char *fmt,
        ...) __attribute__((format(printf, 4, 5)));

/** set_wrap() - puts "FILE#POINTER" in front of the error @rc */
int set_wrap(const struct resource *resource, const struct node *n, int rc, struct err *e);
