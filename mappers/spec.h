/*
 * spec.h: a mapper file, decoded but not yet compiled.
 *
 * The decoder is strict and needs no network: names, kinds and combinations are checked here,
 * columns and types by the compiler (compile.h) once a source has described them. Everything
 * lives in the arena of the spec; positions come from its YAML document.
 *
 * Dollars: in target.database, target.id and `template`, ${...} is record data and $$ a dollar
 * sign. Everywhere else (a query, a constant) text is taken as it stands; only ${env:VAR} is
 * replaced, everywhere, when the file is read (yaml.h). What a variable gave is then read like
 * text of the file: a $$ in it becomes $ in a template.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ingest/base/options.h"
#include "ingest/record/digest.h"
#include "mappers/schedule.h"
#include "mappers/spec_test.h"

enum field_type {
        FIELD_TYPE_NONE, /* as the column's kind says */
        FIELD_TYPE_STRING,
        FIELD_TYPE_INTEGER,
        FIELD_TYPE_NUMBER,
        FIELD_TYPE_DECIMAL,
        FIELD_TYPE_BOOLEAN,
        FIELD_TYPE_DATE,
        FIELD_TYPE_DATETIME,
        FIELD_TYPE_JSON,
        FIELD_TYPE_BYTES
};

enum field_rounding {
        ROUND_NONE, /* digits other than zero that would be lost are a reject */
        ROUND_HALF_EVEN,
        ROUND_HALF_UP,
        ROUND_DOWN,
        ROUND_UP,
        ROUND_FLOOR,
        ROUND_CEILING
};

enum field_as { AS_STRING, AS_NUMBER, AS_MINOR };

enum field_origin {
        FIELD_FROM,
        FIELD_VALUE,
        FIELD_TEMPLATE,
        FIELD_OBJECT,
        FIELD_EACH,
        FIELD_LOOKUP,
        FIELD_EXPR
};

/* A path into a record: column, then members and elements of JSON. */
struct path_step {
        struct str name; /* .ptr NULL: an index */
        int64_t index;
};
struct field_path {
        struct path_step *steps; /* steps[0] is the column (or child) */
        size_t count;
        const char *text; /* as written */
};

enum template_scope { TEMPLATE_LITERAL, TEMPLATE_ANY, TEMPLATE_ROW, TEMPLATE_DOC };

struct template_part {
        enum template_scope scope;
        struct str text;        /* the literal, or the name inside ${...} without its scope */
        struct field_path path; /* of the name */
};
struct field_template {
        struct template_part *parts;
        size_t count;
        const char *text; /* as written */
};

/* A name in the text of an expression: row.data.k, doc["price"]; its first steps. */
enum expr_scope { EXPR_ROW, EXPR_RECORD, EXPR_DOC };
#define EXPR_MAX_STEPS 4 /* looked at: deeper ones are found, or not, when it runs */

struct expr_name {
        enum expr_scope scope;
        struct str steps[EXPR_MAX_STEPS];
        size_t count;
        int line; /* of the expression, from 1 */
};

#define EXPR_CHUNK "=expr" /* how Lua calls it: "expr:1: ..." */

/* Lua: a proved syntax, and what it names. */
struct expr_spec {
        const struct ynode *node;
        const char *what; /* "'expr'" or "'when'" */
        struct str code;  /* what Lua compiles */
        struct expr_name *names;
        size_t name_count;
};

struct map_entry {
        struct str from;        /* compared as text */
        const struct ynode *to; /* any value; its JSON is in json */
        struct str json;
};

/* What stands between two elements of a text: a text or a regular expression. */
struct split_spec {
        struct str by;      /* .ptr NULL: the pattern; neither: no split */
        struct str pattern; /* .ptr NULL */
};

struct replace_part {
        struct str literal; /* .ptr NULL: a group */
        int group;          /* 0: the whole match */
};
struct replace_spec {
        struct str pattern;
        struct replace_part *parts; /* of `with` */
        size_t part_count;
};
struct replace_list {
        struct replace_spec *items;
        size_t count;
};

struct format; /* format.h */

enum lookup_origin { LOOKUP_QUERY, LOOKUP_MAP, LOOKUP_FILE };

/* `lookup`, which mappers/lookup.h makes a table of. Those that read the same are one. */
struct lookup_spec {
        const struct ydoc *doc;   /* of the file it stands in */
        const struct ynode *node; /* its map */
        enum lookup_origin origin;
        const char *query;        /* QUERY */
        const struct ynode *map;  /* MAP */
        const char *file;         /* FILE: as it is opened */
        struct string_list key;   /* columns; may be empty */
        struct string_list value; /* columns; may be empty */
        bool value_is_list;       /* the value is an object of them */
        size_t parts;             /* of a key: 1 where it is one column */
        bool key_is_column;       /* there is no from: key names what the record has */
};

struct field_spec {
        struct str name;
        const struct ynode *node; /* for positions: the value (short form: the scalar) */
        int key_line, key_column;
        enum field_origin origin;
        struct field_path from; /* FROM, EACH */
        struct str value_json;  /* VALUE: canonical JSON */
        struct field_template template;
        size_t lookup;                      /* LOOKUP: index into the mapper's look-ups */
        const struct field_path *looked_up; /* LOOKUP: what is looked up ... */
        size_t looked_up_count;             /* ... one for each part of the key */
        struct expr_spec *expr;             /* EXPR */
        struct expr_spec *when;             /* any; NULL: always */
        struct field_spec *fields;          /* OBJECT, EACH */
        size_t field_count;
        struct split_spec split;
        bool trim;
        struct replace_list replace;
        bool upper, lower; /* not both */
        struct string_list null_if;
        bool has_map;
        struct map_entry *map;
        size_t map_count;
        enum field_type type;
        bool has_scale;
        int64_t scale; /* 0..38 */
        enum field_rounding rounding;
        enum field_as as;
        bool numbers_as_strings; /* numbers: string */
        const char *timezone;    /* NULL: the mapper's */
        bool has_default;
        struct str default_json;
        bool required;
        bool keep_null;
        bool significant;
        const struct format *format; /* NULL: none */
};

enum on_conflict { ON_CONFLICT_OVERWRITE, ON_CONFLICT_REJECT };

struct mapper_spec {
        struct ydoc *doc;    /* owned */
        struct arena *arena; /* owned */
        const char *path;    /* of the file */
        const char *name;    /* mapper: */
        const char *source;
        const struct ynode *extract; /* decoded by ingest/source/extract.h */
        struct mapper_tests tests;
        struct schedule schedule, full;
        struct string_list after; /* mappers that run before this one; may be empty */
        const char *timezone;     /* NULL: none */
        int64_t max_rejects;      /* -1: the default (half of more than 100 records) */
        struct field_template database;
        struct field_template id;
        struct str id_prefix; /* the literal up to the first ${ */
        const char *schema;   /* NULL: none */
        enum on_conflict on_conflict;
        struct field_spec *fields;
        size_t field_count;
        const struct digest_filter *filter; /* NULL: all fields are significant */
        const struct lookup_spec **lookups; /* each once, however many fields use it */
        size_t lookup_count;
        struct ydoc **includes; /* owned: files that `include` names, in the order they are met */
        size_t include_count;
};

/** mapper_spec_load() - the file @path
 * Return: 0; -ERR_CONFIG "FILE:LINE:COLUMN: ..."; -ERR_NOMEM. */
int mapper_spec_load(const char *path, struct mapper_spec **out, struct err *e)
        __attribute__((warn_unused_result));

/** mapper_spec_parse() - the same from memory; @name stands in errors */
int mapper_spec_parse(struct str text, const char *name, struct mapper_spec **out, struct err *e)
        __attribute__((warn_unused_result));
struct mapper_spec *mapper_spec_free(struct mapper_spec *m);
DEFINE_CLEANUP(struct mapper_spec *, mapper_spec_free);

/** mapper_spec_doc() - the file that @node stands in: the mapper's, or one that it includes */
const struct ydoc *mapper_spec_doc(const struct mapper_spec *m, const struct ynode *node);

/** mapper_spec_error() - "FILE:LINE:COLUMN: ..." at @node, which may be one of an included file
 * Return: -ERR_CONFIG. */
int mapper_spec_error(const struct mapper_spec *m, const struct ynode *node, struct err *e,
        const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* The option tables, for the test that keeps the editor schema in step. */
extern const struct option_table mapper_spec_table, mapper_target_table, mapper_field_table,
        mapper_test_table, mapper_replace_table, mapper_split_table, mapper_lookup_table,
        mapper_fields_file_table, mapper_schedule_table, mapper_full_table;
