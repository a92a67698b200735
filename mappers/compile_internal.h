/*
 * compile_internal.h: what the parts of the compiler share; nobody else includes it.
 *
 * compile.c builds scopes and ops, compile_value.c places and conversions, compile_text.c
 * templates and the order in which fields are rendered.
 */
#pragma once

#include "mappers/program.h"

struct compiler {
        const struct mapper_spec *spec;
        const struct shape *shape;
        struct mapper_program *program;
        struct arena *arena;
        const struct lookup_set *lookups;
        size_t plan_count; /* all plans so far: their order */
        size_t depth;      /* of objects and each around the plan that is made */
};

/** compile_error() - "FILE:LINE:COLUMN: field 'PATH': ..." at the field of @p */
int compile_error(const struct compiler *c, const struct plan *p, struct err *e, const char *fmt,
        ...) __attribute__((format(printf, 4, 5)));

/** compile_nomem() - the arena gave no more */
int compile_nomem(const struct compiler *c, struct err *e);

/** compile_locate() - @path as seen from @scope; errors are @p's
 * @record: the record's row, wherever @scope is */
int compile_locate(struct compiler *c, const struct scope *scope, const struct plan *p,
        const struct field_path *path, bool record, struct locate *out, struct err *e)
        __attribute__((warn_unused_result));

/** compile_load_zone() - the time zone @name; owned by the program */
int compile_load_zone(struct compiler *c, const char *name, const struct tz **out, struct err *e)
        __attribute__((warn_unused_result));

/** compile_expr() - the expression @spec of @p, as seen from @scope */
int compile_expr(struct compiler *c, struct scope *scope, struct plan *p,
        const struct expr_spec *spec, struct expr **out, struct err *e)
        __attribute__((warn_unused_result));

/** compile_chain() - steps and conversion of @p for what p->locate finds */
int compile_chain(struct compiler *c, struct plan *p, struct err *e)
        __attribute__((warn_unused_result));

/** compile_load_zone() - the zone @name, once for the program */
int compile_load_zone(struct compiler *c, const char *name, const struct tz **out, struct err *e)
        __attribute__((warn_unused_result));

/** compile_notation() - proves that values of @kind can be read by p->spec->format, and finds the
 * zone they are in */
int compile_notation(struct compiler *c, struct plan *p, enum col_kind kind, struct err *e)
        __attribute__((warn_unused_result));

/** compile_constant() - p->constant of a FIELD_VALUE */
int compile_constant(struct compiler *c, struct plan *p, struct err *e)
        __attribute__((warn_unused_result));

/** compile_fallback() - p->fallback of any field */
int compile_fallback(struct compiler *c, struct plan *p, struct err *e)
        __attribute__((warn_unused_result));

/** compile_unknown() - the error for a name that @scope does not have; @also: more names */
int compile_unknown(struct compiler *c, const struct scope *scope, const struct plan *p,
        struct str name, bool record, struct err *e);

/** compile_is_child() - whether the source has a child @name */
bool compile_is_child(const struct compiler *c, struct str name);

/** compile_find_plan() - the plan of the field @name among @plans of @fields; NULL: none */
struct plan *compile_find_plan(
        struct plan *plans, const struct field_spec *fields, size_t count, struct str name);

/** compile_text() - the template @t of @p, as seen from @scope */
int compile_text(struct compiler *c, struct scope *scope, struct plan *p,
        const struct field_template *t, struct text_plan *out, struct err *e)
        __attribute__((warn_unused_result));

/** compile_guard() - whether an object around @p may be left out: asked before @p is rendered early
 */
bool compile_guard(const struct plan *p);

/** compile_order() - finds what must be rendered early in @scope and the scopes inside it */
int compile_order(struct compiler *c, struct scope *scope, struct err *e)
        __attribute__((warn_unused_result));

/** compile_lookup() - p->lookup, and the chain of its values */
int compile_lookup(struct compiler *c, struct scope *scope, struct plan *p, struct err *e)
        __attribute__((warn_unused_result));

/** compile_lookups() - the tables of the mapper: @given, or without them the program's own */
int compile_lookups(struct compiler *c, const struct lookup_set *given, struct err *e)
        __attribute__((warn_unused_result));
