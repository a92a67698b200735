/*
 * schema.h: documents against JSON Schema, draft 2020-12.
 *
 * A schema is compiled once, with everything it refers to, and is constant from then on: any
 * number of threads may use it, each with a checker of its own. All vocabularies of the draft are
 * known, and custom metaschemas that choose among them; content* are annotations, and so is format
 * unless asked for. Numbers are compared as decimals of any size, never as doubles.
 *
 * Checking reads the bytes of a document in one pass. A tree is built only where the schema has
 * something that needs a whole value (unevaluated*, $dynamicRef, contains, uniqueItems,
 * propertyNames, an enum of objects), and for a document that is refused.
 *
 * References lead to: the schema itself; the metaschemas of the draft, which are built in; what a
 * resolver gives; files in the schema folder. Nothing else is opened, and never the network.
 * A file NAME in the folder is found by a reference relative to another file
 * ("address.schema.json") or by the last segments of an absolute URI; then its own $id, if any,
 * must be that URI.
 *
 * Endless references are an error of the schema. Each check has a limit of depth and of steps, each
 * match of a regular expression too, so that no schema and no document can hold up a run.
 */
#pragma once

#include <stdbool.h>

#include "ingest/base/cleanup.h"
#include "ingest/base/err.h"
#include "ingest/base/str.h"

#define SCHEMA_MAX_FILE_BYTES (1 << 20)   /* of one schema */
#define SCHEMA_MAX_FILES      1000        /* that one schema refers to */
#define SCHEMA_MAX_PATTERNS   1000        /* regular expressions, of all of them */
#define SCHEMA_MAX_MEMORY     (256 << 20) /* of a compiled schema; of the tree of a document */
#define SCHEMA_MAX_DEPTH      600         /* schemas under way at once, in one document */
#define SCHEMA_MAX_IN_PLACE   64          /* schemas in a row for one value: $ref, allOf ... */
#define SCHEMA_BASE_STEPS     1000000     /* schemas applied to values of one document ... */
#define SCHEMA_BYTE_STEPS     16          /* ... and as many more for each byte of it */

struct schema;
struct schema_checker;

/* schema_resolve_fn - the text of the schema @uri (absolute, without fragment)
 * @text: takes it; valid until the next call      @arg: of schema_options
 * Return: 0; SCHEMA_UNKNOWN: the folder is asked then; -class. */
typedef int (*schema_resolve_fn)(void *arg, struct str uri, struct str *text, struct err *e);
#define SCHEMA_UNKNOWN 1

struct schema_options {
        const char *folder; /* for references; NULL: none are followed there */
        schema_resolve_fn resolve;
        void *resolve_arg;
        bool assert_formats; /* a format that does not fit is a fault, whatever the metaschema says
                              */
};

/** schema_compile_file() - the schema in the file @path; options->folder may be the file's own
 * Return: 0; -ERR_CONFIG "PATH#/pointer: what is wrong" or "PATH:LINE:COLUMN: ..."; -ERR_NOMEM. */
int schema_compile_file(const char *path, const struct schema_options *options, struct schema **out,
        struct err *e) __attribute__((warn_unused_result));

/** schema_compile_text() - the schema @text (copied); @name stands for it in messages */
int schema_compile_text(struct str text, const char *name, const struct schema_options *options,
        struct schema **out, struct err *e) __attribute__((warn_unused_result));

struct schema *schema_free(struct schema *s);
DEFINE_CLEANUP(struct schema *, schema_free);

/** schema_is_quick() - whether documents that fit are checked without a tree */
bool schema_is_quick(const struct schema *s);

/** schema_digest() - of the texts of @s and of all that it refers to: equal for equal texts */
void schema_digest(const struct schema *s, uint64_t out[2]);

/** schema_checker_new() - room for checks; @s must outlive it
 * Return: NULL when out of memory. */
struct schema_checker *schema_checker_new(const struct schema *s);
struct schema_checker *schema_checker_free(struct schema_checker *c);
DEFINE_CLEANUP(struct schema_checker *, schema_checker_free);

/* The first thing found wrong; everything valid until the checker's next check. */
struct schema_fault {
        const char *keyword; /* "required", "type", ... */
        const char *path;    /* JSON pointer of the value in the document; "" is the document */
        const char *field;   /* the same as "lines[2].qty"; where a member is missing: its own */
        const char *value;   /* as written, in one line, shortened */
        const char *message; /* path, value, what the schema wants, where it says so */
        const char *reason;  /* the same without the path */
};

enum schema_form {
        SCHEMA_DOCUMENT, /* JSON text */
        SCHEMA_MEMBERS   /* the members of an object without its braces: a mapper's body */
};

#define SCHEMA_FAULT 1

/** schema_check() - whether @text fits
 * @text: JSON in any spelling. Canonical text (json.h) is quickest. That no key stands twice is
 * the caller's promise: where one does, the text may be refused, or either value be judged.
 * Return: 0; SCHEMA_FAULT (@fault is filled); -ERR_REJECT @text is not JSON, or beyond a limit;
 * -ERR_NOMEM. */
int schema_check(struct schema_checker *c, struct str text, enum schema_form form,
        struct schema_fault *fault, struct err *e) __attribute__((warn_unused_result));
