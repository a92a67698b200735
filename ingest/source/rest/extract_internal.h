/*
 * extract_internal.h: what the parts of extract.h share, and nobody else includes.
 *
 * extract.c has the block and its rules, extract_call.c one call with its templates,
 * extract_child.c calls for each parent, extract_paging.c pages, extract_cursor.c
 * the cursor. First everything is decoded, then templates are compiled, which need to know what may
 * stand in them, then come the rules that look at all of it.
 */
#pragma once

#include "ingest/source/extract_internal.h"
#include "ingest/source/rest/extract.h"

/* A call as it is written. */
struct rest_call_draft {
        int method;
        bool has_method;
        const struct ynode *path, *params, *headers, *body;
        const char *records;
};

enum rest_method { REST_GET, REST_POST };

struct rest_draft {
        struct extract_draft base; /* first: see extract_kind */
        struct rest_extract rest;
        struct rest_call_draft call, feed;
        const struct ynode *by_key;
};

/* Rows of the table of whatever has a call; @draft: offset of its struct rest_call_draft. */
#define REST_CALL_OPTIONS(draft, path_help, path_required)                                         \
        {.name = "path",                                                                           \
                .type = OPTION_NODE,                                                               \
                .offset = (draft) + offsetof(struct rest_call_draft, path),                        \
                .required = path_required,                                                         \
                .help = path_help},                                                                \
                {.name = "method",                                                                 \
                        .type = OPTION_CHOICE,                                                     \
                        .offset = (draft) + offsetof(struct rest_call_draft, method),              \
                        .present_offset = (draft) + offsetof(struct rest_call_draft, has_method),  \
                        .choices = rest_methods,                                                   \
                        .help = "Method of the call; absent: GET, and POST where there is a "      \
                                "body."},                                                          \
                {.name = "params",                                                                 \
                        .type = OPTION_NODE,                                                       \
                        .offset = (draft) + offsetof(struct rest_call_draft, params),              \
                        .help = "Parameters behind the ? of the address, by name."},               \
                {.name = "headers",                                                                \
                        .type = OPTION_NODE,                                                       \
                        .offset = (draft) + offsetof(struct rest_call_draft, headers),             \
                        .help = "Headers of the call, by name."},                                  \
                {.name = "body",                                                                   \
                        .type = OPTION_NODE,                                                       \
                        .offset = (draft) + offsetof(struct rest_call_draft, body),                \
                        .help = "What is sent: a map or list as JSON, a text as it is."},          \
        {                                                                                          \
                .name = "records", .type = OPTION_STRING,                                          \
                .offset = (draft) + offsetof(struct rest_call_draft, records), .min = 1,           \
                .help = "Where the reply has its records; absent: the reply itself."               \
        }

extern const char *const rest_methods[];

/* What may stand in the templates of a call. */
struct rest_scope {
        const char *what;                      /* "a child", for messages; NULL: the block itself */
        bool cursor;                           /* ${cursor} has a value */
        const struct rest_paging_spec *paging; /* NULL: one page */
        const struct string_list *keys;        /* by_key: parts of the key, and all must be used */
        struct string_list *columns;           /* a child: any other name is one of the parent */
};

/** rest_call_compile() - @d at @node, with what @scope allows in it */
int rest_call_compile(const struct option_context *cx, const struct ynode *node,
        const struct rest_call_draft *d, const struct rest_scope *scope, struct rest_call *out,
        struct err *e) __attribute__((warn_unused_result));

/** rest_call_names() - whether the variable @name stands anywhere in @call */
bool rest_call_names(const struct rest_call *call, const char *name);

/** rest_call_param() - whether @call has a parameter @name */
bool rest_call_param(const struct rest_call *call, const char *name);

/** rest_path_check() - @path, of the key @key of @n, is a dotted path into a reply; NULL is one
 * Return: 0; -ERR_CONFIG with place; -ERR_NOMEM. */
int rest_path_check(const struct option_context *cx, const struct ynode *n, const char *key,
        const char *path, struct err *e) __attribute__((warn_unused_result));

/** rest_field_check() - the same of a path into a record, which is an object */
int rest_field_check(const struct option_context *cx, const struct ynode *n, const char *key,
        const char *path, struct err *e) __attribute__((warn_unused_result));

extern const struct option_table rest_paging_table, rest_cursor_table;

/** rest_paging_decode() - the handler of `paging`; @field: a struct rest_paging_spec */
int rest_paging_decode(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e);

/** rest_paging_finish() - defaults, and what @p and @call say together
 * @key: of the record; NULL: none that pages could follow */
int rest_paging_finish(const struct option_context *cx, struct rest_paging_spec *p,
        const struct rest_call *call, const struct string_list *key, struct err *e)
        __attribute__((warn_unused_result));

/** rest_cursor_decode() - the handler of `cursor`; @field: a struct rest_cursor_spec */
int rest_cursor_decode(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e);

/** rest_cursor_finish() - how it is sent: exactly one way; the name for people into @x->cursor */
int rest_cursor_finish(const struct option_context *cx, struct extract *x, struct rest_extract *r,
        struct err *e) __attribute__((warn_unused_result));

/** rest_children_decode() - `children` of @x, whose names are there */
int rest_children_decode(const struct option_context *cx, const struct extract *x,
        struct rest_extract *r, struct err *e) __attribute__((warn_unused_result));
