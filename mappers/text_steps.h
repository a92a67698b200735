/*
 * text_steps.h: the steps that change a text itself: split, replace, upper and lower.
 *
 * A field that has none has no pointers to them in its chain, and pays nothing.
 */
#pragma once

#include "ingest/base/pattern.h"
#include "mappers/compile_internal.h"

struct replacement {
        const struct pattern *pattern;   /* of the program */
        const struct replace_part *with; /* of the spec */
        size_t with_count;
};

struct text_steps {
        const struct replacement *replace;
        size_t replace_count;
        bool upper, lower;
};

struct splitter {
        struct str by;
        const struct pattern *pattern; /* NULL: by */
};

/* Patterns of a program, owned: the JIT code of each lies outside its arena. */
struct program_pattern {
        struct pattern *pattern;
        struct program_pattern *next;
};

/** text_steps_compile() - p->chain.split and p->chain.text, for values of @kind
 * Return: 0; -ERR_CONFIG values of that kind are no texts; -ERR_NOMEM. */
int text_steps_compile(struct compiler *c, struct plan *p, enum col_kind kind, struct err *e)
        __attribute__((warn_unused_result));

/** text_steps_free() - the patterns of @p and what they are searched with */
void text_steps_free(struct mapper_program *p);

/** text_steps_run() - replace, then upper or lower; @text then lies in a buffer of @r
 * Return: 0 or MAPPER_REJECT. */
int text_steps_run(struct render *r, const struct text_steps *s, struct str *text);

/* Appends one element. Return: as chain_put(). */
typedef int (*element_fn)(struct render *r, const struct chain *c, struct str text);

/** text_split_put() - appends the array of the parts of @text, each through @put; no part of an
 * empty text. Return: 0 or MAPPER_REJECT. */
int text_split_put(struct render *r, const struct chain *c, struct str text, element_fn put);
