/*
 * spec_internal.h: what the parts of the mapper's decoder share; nobody else includes it.
 *
 * spec.c decodes the file, spec_field.c its fields, spec_path.c and spec_template.c the two small
 * languages inside values, spec_text.c regular expressions, spec_schedule.c when it runs,
 * spec_filter.c what the digest leaves out, spec_test.c the tests.
 */
#pragma once

#include "mappers/spec.h"

#define SPEC_MAX_JSON  (1 << 20) /* bytes of one constant */
#define SPEC_MAX_STEPS 32 /* of a path: more is a mistake, and CouchDB's views would suffer */

/* `object` and `each` inside each other: what one file of YDOC_MAX_DEPTH can hold. Files that
 * include each other may not make more of it. */
#define SPEC_MAX_FIELD_DEPTH (YDOC_MAX_DEPTH / 2)

struct include_frame; /* of spec_include.c */

/* What all of a mapper's decoders share: option_context.user. */
struct spec_decoding {
        struct mapper_spec *spec;          /* being made; fields come last */
        const struct include_frame *frame; /* the included file that is decoded; NULL: the mapper */
        size_t field_depth;
        size_t include_bytes; /* of all included files */
};

static inline struct spec_decoding *spec_decoding_of(const struct option_context *cx)
{
        return cx->user;
}

/** spec_path_parse() - "a.b[2].c"; @n for the place of errors
 * @what: how the text is called in errors: "'from'" */
int spec_path_parse(const struct option_context *cx, const struct ynode *n, const char *what,
        struct str text, struct field_path *out, struct err *e) __attribute__((warn_unused_result));

/** spec_template_parse() - the string @n as a template */
int spec_template_parse(const struct option_context *cx, const struct ynode *n, const char *what,
        struct field_template *out, struct err *e) __attribute__((warn_unused_result));

/** spec_template_is_constant() - no ${...} in it */
bool spec_template_is_constant(const struct field_template *t);

/** spec_template_check() - every ${doc.x} of @t names one of @m's fields; @n for the place */
int spec_template_check(const struct mapper_spec *m, const struct field_template *t,
        const struct ynode *n, struct err *e) __attribute__((warn_unused_result));

/** spec_expr_parse() - the scalar @n as Lua: an expression, or a block with return
 * @what: how the text is called in errors: "'expr'", "'when'"; a constant */
int spec_expr_parse(const struct option_context *cx, const struct ynode *n, const char *what,
        struct expr_spec **out, struct err *e) __attribute__((warn_unused_result));

/** spec_fields_decode() - the map @n of fields; @what: "'fields'" or "'object'" */
int spec_fields_decode(const struct option_context *cx, const struct ynode *n, const char *what,
        struct field_spec **fields, size_t *count, struct err *e)
        __attribute__((warn_unused_result));

/** spec_fields_check() - what needs all fields of @m at once: ${doc.x} of nested templates */
int spec_fields_check(const struct mapper_spec *m, const struct field_spec *fields, size_t count,
        struct err *e) __attribute__((warn_unused_result));

/** spec_json() - the value @n as canonical JSON in the arena */
int spec_json(const struct option_context *cx, const struct ynode *n, struct str *out,
        struct err *e) __attribute__((warn_unused_result));

/** spec_split_decode() - option handler: a text or {pattern: ...} as a struct split_spec */
int spec_split_decode(const struct option_context *cx, const struct ynode *n, void *field,
        struct err *e) __attribute__((warn_unused_result));

/** spec_replace_decode() - option handler: {pattern, with} or a list of them as a replace_list */
int spec_replace_decode(const struct option_context *cx, const struct ynode *n, void *field,
        struct err *e) __attribute__((warn_unused_result));

/* Fields while they are collected. */
struct field_list {
        struct field_spec *items;
        size_t count, room;
};

/** spec_include_is() - whether @pair of a map of fields is an include: a field of that name is
 * written in the long form */
bool spec_include_is(const struct ynode_pair *pair);

/** spec_include_expand() - adds the fields of the files that @n names, an include of the map @map
 * A field that stands beside it in @map replaces the included one, where the first of both is. */
int spec_include_expand(const struct option_context *cx, const struct ynode *map,
        const struct ynode *n, struct field_list *list, struct err *e)
        __attribute__((warn_unused_result));

/** spec_include_add() - adds @f, or replaces the field of its name */
int spec_include_add(const struct option_context *cx, struct field_list *list,
        const struct field_spec *f, struct err *e) __attribute__((warn_unused_result));

/** spec_include_refuse() - whether the file of @cx is no mapper, but one that mappers include
 * Return: 0 it may be a mapper; -ERR_CONFIG. */
int spec_include_refuse(const struct option_context *cx, struct err *e)
        __attribute__((warn_unused_result));

/** spec_includes_free() - the documents of included files */
void spec_includes_free(struct mapper_spec *m);

/** spec_lookup_decode() - the value @n of a field's `lookup`
 * @from: of the field, beside it; NULL: none */
int spec_lookup_decode(const struct option_context *cx, const struct ynode *n,
        const struct ynode *from, struct field_spec *f, struct err *e)
        __attribute__((warn_unused_result));

/** spec_schedule_decode() - option handler: a cron expression or a map as a struct schedule */
int spec_schedule_decode(const struct option_context *cx, const struct ynode *n, void *field,
        struct err *e) __attribute__((warn_unused_result));

/** spec_full_decode() - the same for `full`, which says no more than when */
int spec_full_decode(const struct option_context *cx, const struct ynode *n, void *field,
        struct err *e) __attribute__((warn_unused_result));

/** spec_timezone_decode() - option handler: the name of a zone that the system knows */
int spec_timezone_decode(const struct option_context *cx, const struct ynode *n, void *field,
        struct err *e) __attribute__((warn_unused_result));

/** spec_tests_decode() - option handler: `tests:` as a struct mapper_tests */
int spec_tests_decode(const struct option_context *cx, const struct ynode *n, void *field,
        struct err *e) __attribute__((warn_unused_result));

/** spec_tests_check() - what the tests of @m expect are its fields */
int spec_tests_check(const struct mapper_spec *m, struct err *e)
        __attribute__((warn_unused_result));

/** spec_timezone_check() - whether the system knows the zone @name that stands at @n */
int spec_timezone_check(const struct option_context *cx, const struct ynode *n, const char *name,
        struct err *e) __attribute__((warn_unused_result));

/** spec_format_decode() - `format` of the map @field into f->format, as f->type needs it */
int spec_format_decode(const struct option_context *cx, const struct ynode *field,
        struct field_spec *f, struct err *e) __attribute__((warn_unused_result));

/** spec_filter_build() - the tree of insignificant fields; *@out NULL when there is none */
int spec_filter_build(const struct option_context *cx, const struct field_spec *fields,
        size_t count, const struct digest_filter **out, struct err *e)
        __attribute__((warn_unused_result));
