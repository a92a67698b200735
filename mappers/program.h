/*
 * program.h: a compiled mapper, as the compiler leaves it and the renderer runs it; nobody else
 * includes it.
 *
 * A program is an array of ops for each scope: the document, and the elements of each `each`. An
 * op appends one member, `,"name":value`, with its leading comma: the first comma of a container
 * becomes its opening bracket. What is needed once per value (how to convert, where to look) lies
 * in the op; the rest in its plan.
 *
 * Text that is not in the source's form is converted in scratch buffers of the renderer; who uses
 * which is written beside them. Nothing is allocated once they have grown.
 */
#pragma once

#include "ingest/base/tz.h"
#include "ingest/record/json.h"
#include "mappers/compile.h"

struct lookup_set;
struct lookup_table;
struct mapper_trace;
struct render;
struct text_steps;
struct splitter;
struct pattern_room;
struct program_pattern;
struct sandbox;
struct chain;
struct plan;
struct op;

/* Outcomes of putting a value, beside 0 (appended) and MAPPER_REJECT. */
#define PUT_NULL 2 /* it is null: nothing was appended */

/* Appends the JSON of @text, which is in the form of the kind it is registered for. */
typedef int (*convert_fn)(struct render *r, const struct chain *c, struct str text);

/* Appends the op's member, or nothing. Return: 0 or MAPPER_REJECT. */
typedef int (*op_fn)(struct render *r, const struct op *op);

struct mapping {
        struct str from;
        struct str to; /* canonical JSON, converted to the field's type; "null": null */
};

/* What happens to one value: split; trim, text steps, null_if, map, then the conversion. */
struct chain {
        const struct format *format;  /* NULL: none */
        bool has_steps;               /* any in front of the conversion */
        const struct splitter *split; /* NULL: none */
        bool trim;
        const struct text_steps *text; /* replace, upper, lower; NULL: none */
        const struct str *null_if;
        size_t null_if_count;
        const struct mapping *map; /* sorted by str_cmp(from) */
        size_t map_count;
        bool has_map;
        bool unmapped_is_null; /* there is a default for what the map does not name */

        enum field_type type;
        int64_t scale; /* DECIMAL_AS_IS: none given */
        enum field_rounding rounding;
        enum field_as as;
        enum json_numbers numbers;
        const struct tz *zone; /* NULL: none set */
        enum col_kind elem;    /* of an array's elements */
        char delimiter;
};

/* One step into JSON or into an array. */
struct locate_step {
        struct str name; /* canonical JSON string, with quotes; .ptr NULL: an index */
        int64_t index;
};

/* Where a value is taken from. */
enum locate_from { LOCATE_ROW, LOCATE_RECORD, LOCATE_ELEMENT };

struct locate {
        enum locate_from from; /* the row of this scope; the record's row; the JSON element */
        size_t column;
        enum col_kind kind, elem;
        char delimiter;
        const struct locate_step *steps;
        size_t step_count;
        bool element_value; /* of LOCATE_ELEMENT: steps[0] is `value`, also the element itself */
};

/* A value found: text in the form of its kind; .ptr NULL is null. */
struct datum {
        enum col_kind kind;
        struct str text;
};

struct lookup_plan {
        const struct lookup_table *table;
        const struct locate *keys; /* the parts of its keys */
        size_t count;
        bool lists;   /* what is looked up may be an array */
        bool numbers; /* ... or a number with a point */
};

/* An expression, of `expr` or `when`. */
struct expr {
        const struct expr_spec *spec;
        int chunk;             /* in the sandbox: its function ... */
        int names;             /* ... and the tree of the fields it names */
        const struct tz *zone; /* of local times; NULL: none set */
        struct plan **fields;  /* behind doc: with slots */
        const struct expr_name **field_names;
        int *field_depths; /* steps of the name that lead to the field */
        size_t field_count;
        bool gave_decimal; /* the last time */
};

enum part_kind { PART_LITERAL, PART_FIELD, PART_COLUMN };

struct part {
        enum part_kind kind;
        struct str text;          /* the literal; else what stands between ${ and } */
        const struct plan *field; /* PART_FIELD: has a slot */
        const struct plan *value; /* PART_COLUMN: locate and chain */
};

struct text_plan {
        const struct part *parts;
        size_t count;
};

enum plan_state { PLAN_NEW, PLAN_VISITING, PLAN_EARLY };

#define NO_SLOT SIZE_MAX

struct plan {
        const struct field_spec *spec;  /* NULL for the parts of templates */
        const char *path;               /* "lines[].qty": for rejects */
        struct str prefix;              /* ,"name": */
        const struct field_spec *owner; /* of a part: the field it stands in; may be NULL */
        const char *column;             /* its name, for messages; may be NULL */
        const char *source_type;        /* of the column: "numeric(12,2)"; may be NULL */
        struct locate locate;
        struct chain chain;
        struct text_plan text;
        const struct lookup_plan *lookup; /* LOOKUP; locate is what its values are */
        struct expr *expr;                /* FIELD_EXPR */
        struct expr *when;                /* NULL: always there */
        op_fn always;                     /* what op_when runs */
        struct str fallback;              /* canonical JSON of default; .ptr NULL: none */
        struct str constant;              /* FIELD_VALUE: canonical JSON; .ptr NULL: null */
        struct plan *members;             /* OBJECT, EACH: one for each of spec->fields */
        struct scope *scope;              /* the scope it belongs to */
        struct plan *around;              /* the object it stands in; NULL: its scope's own */
        struct scope *inner;              /* EACH: the scope of its elements */
        struct op *ops;                   /* OBJECT */
        size_t op_count;
        op_fn run;    /* the op without bookkeeping */
        size_t slot;  /* where its bytes are noted; NO_SLOT */
        size_t order; /* place in the document */
        enum plan_state state;
        bool looks_inside; /* `when` reads members of this very object */
        size_t child;      /* EACH over a child: index; SIZE_MAX otherwise */
};

struct op {
        op_fn run;
        struct str prefix;  /* of the member; all of its bytes for a literal */
        size_t column;      /* op_column, op_json */
        convert_fn convert; /* op_column, op_json */
        const struct plan *plan;
};

/* The document, or the elements of one `each`. */
struct scope {
        struct scope *outer;           /* NULL: the document */
        const struct columns *columns; /* of its rows; NULL: JSON elements */
        const struct field_spec *fields;
        size_t field_count;
        int names;                 /* of its columns, in the sandbox; 0: not needed */
        struct plan *plans;        /* one for each field */
        struct plan **early_plans; /* rendered first: templates before them need their text */
        struct op *early;
        size_t early_count;
        struct op *ops;
        size_t op_count;
};

/* The bytes of a member that templates refer to; start == end: it was left out. */
struct slot {
        const struct buf *in;
        size_t start, end;
};

/* Bytes of the body that the digest leaves out: members with their leading commas. */
struct span {
        size_t start, end;
};

#define RENDER_BUFS 18 /* buffers of a renderer */

/* A buffer that one huge record made larger is given back: memory stays small for all others. */
#define RENDER_KEEP_BYTES (1 << 20)

#define RENDER_MAX_DEPTH YDOC_MAX_DEPTH /* of nested objects and each */

/* Scratch of the steps that change texts. */
#define TEXT_BUFS 3
union text_bufs {
        struct {
                struct buf changed[2]; /* a text that is changed step by step */
                struct buf split;      /* a text while its elements are put */
        };
        struct buf bufs[TEXT_BUFS];
};

struct render {
        const struct record *record;
        const struct value *row;        /* of the scope that is rendered */
        struct str element;             /* JSON of the element that is rendered */
        struct buf *out;                /* body, early, or part */
        const struct plan *plan;        /* whose value is put: for rejects */
        size_t index[RENDER_MAX_DEPTH]; /* of the elements that are rendered */
        size_t depth;
        bool renew; /* the last record's buffers failed, or grew beyond RENDER_KEEP_BYTES */
        struct slot *slots;
        struct pattern_room *room;  /* owned by the program; NULL without patterns */
        struct sandbox *lua;        /* owned; NULL: no expressions */
        union text_bufs *texts;     /* NULL where no field has such steps */
        struct mapper_trace *trace; /* of a traced program (trace.h); else NULL */
        /* Buffers grow to what the largest record needs. */
        union {
                struct {
                        struct buf body, early;  /* canonical members with leading commas */
                        struct buf part;         /* one column's JSON inside a template */
                        struct buf text;         /* a template's text */
                        struct buf string;       /* bytes of a JSON string or of bytea; a key */
                        struct buf element_text; /* an array element without its escapes */
                        struct buf each_text;    /* the same for the array of an `each` */
                        struct buf number;       /* a decimal without its exponent */
                        struct buf number_text;  /* a number's text before it is JSON */
                        struct buf spans;        /* struct span, ascending */
                        struct buf significant;  /* the body without spans */
                        struct buf id, database;
                        struct buf reject_field, reject_reason;
                        struct buf lua_value;   /* a column on its way into an expression */
                        struct buf lua_element; /* an array's element on the same way */
                        struct buf lua_result;  /* what an expression gave, as text */
                };
                struct buf bufs[RENDER_BUFS]; /* all of them */
        };
};
_Static_assert(offsetof(struct render, lua_result) ==
                       offsetof(struct render, bufs) + (RENDER_BUFS - 1) * sizeof(struct buf),
        "RENDER_BUFS");

struct named_zone {
        const char *name;
        struct tz *zone;
};

struct mapper_program {
        const struct mapper_spec *spec;
        const struct shape *shape;
        struct arena *arena;      /* owned: everything the compiler made */
        struct named_zone *zones; /* owned zones */
        size_t zone_count;
        struct lookup_set *own_lookups; /* owned; NULL: others hold the tables */
        struct scope root;
        struct plan id_plan, database_plan, document_plan; /* paths of their rejects */
        struct text_plan id, database;
        struct str constant_database; /* .ptr NULL: a template */
        size_t slot_count;
        struct program_pattern *patterns; /* owned */
        struct render render;
};

/** reject() - fills the reject of the plan that is rendered. Return: MAPPER_REJECT. */
int reject(struct render *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** reject_value() - the same, beginning with @value, quoted, escaped and cut */
int reject_value(struct render *r, struct str value, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

/* Said of a name that CouchDB would refuse. */
#define DATABASE_NAME_RULE                                                                         \
        "is no name of a CouchDB database: those begin with a-z and go on with a-z 0-9 _ $ ( ) "   \
        "+ - /, at most 238 bytes"

/** database_name_valid() - whether CouchDB takes @s as a database's name */
bool database_name_valid(struct str s);

/** convert_find() - how a value of @kind becomes @type; NULL: it never can */
convert_fn convert_find(enum col_kind kind, enum field_type type);

/** chain_convert() - how a value of @kind is converted at the end of @c; NULL: it never can */
convert_fn chain_convert(const struct chain *c, enum col_kind kind);

/** field_type_name() - as mappers write it: "decimal" */
const char *field_type_name(enum field_type type);

/** chain_put() - a value through all steps of @c. Return: 0, PUT_NULL, MAPPER_REJECT. */
int chain_put(struct render *r, const struct chain *c, enum col_kind kind, struct str text);

/** chain_steps() - all steps but split and the conversion; @text may be narrowed, or replaced
 * Return: 0 go on with @text; PUT_NULL; MAPPER_REJECT; STEPS_DONE the map's value was appended. */
int chain_steps(struct render *r, const struct chain *c, enum col_kind kind, struct str *text);
#define STEPS_DONE 3

/** locate_get() - the value @l names. Return: 0 or MAPPER_REJECT. */
int locate_get(struct render *r, const struct locate *l, struct datum *out);

/** text_put() - appends the text of a template to @out
 * @null_part: the part that was null      Return: 0, PUT_NULL, MAPPER_REJECT. */
int text_put(struct render *r, const struct text_plan *t, struct buf *out,
        const struct part **null_part);

/* Empties a scratch buffer, but keeps its error: buffers are asked for theirs at the end of the
 * record, and what was lost in between must not be forgotten. */
static inline void render_reuse(struct buf *b)
{
        b->len = 0;
}

/** render_clear() - makes ready for the next record: empties the buffers that collect, forgets
 * failures, gives back what is too large to keep */
void render_clear(struct render *r);

/** render_check() - whether no append to any buffer failed since then
 * Return: 0; -ERR_REJECT one reached its maximum; -ERR_NOMEM. */
int render_check(struct render *r, struct err *e) __attribute__((warn_unused_result));

/* Bytes that are copied at once where fewer may be meant: a copy of fixed size is an instruction
 * or two. Prefixes are stored with so many readable bytes. */
#define PREFIX_PAD 32

/* Appends the prefix of a member. */
static inline void render_prefix(struct buf *out, struct str prefix)
{
        char *to = buf_room(out, prefix.len + PREFIX_PAD);

        if (!to)
                return;
        memcpy(to, prefix.ptr, PREFIX_PAD);
        if (prefix.len > PREFIX_PAD)
                memcpy(to + PREFIX_PAD, prefix.ptr + PREFIX_PAD, prefix.len - PREFIX_PAD);
        out->len += prefix.len;
}

/** render_ops() - runs @ops. Return: 0 or MAPPER_REJECT. */
int render_ops(struct render *r, const struct op *ops, size_t count);

/** render_null() - what a null becomes: default, reject, null or nothing */
int render_null(struct render *r, const struct op *op);

/** render_member() - appends the member of a value that may turn out to be null */
int render_member(struct render *r, const struct op *op, enum col_kind kind, struct str text);

/** mapper_trace_value() - notes the value that the op at hand found, before its chain */
void mapper_trace_value(struct mapper_trace *t, enum col_kind kind, struct str text);

/** render_close() - puts brackets around what was appended since @start */
void render_close(struct buf *out, size_t start, char open, char close);

/* The ops. */
int op_literal(struct render *r, const struct op *op);
int op_column(struct render *r, const struct op *op);
int op_json(struct render *r, const struct op *op);
int op_field(struct render *r, const struct op *op);
int op_text(struct render *r, const struct op *op);
int op_object(struct render *r, const struct op *op);
int op_lookup(struct render *r, const struct op *op);
int op_each_child(struct render *r, const struct op *op);
int op_each(struct render *r, const struct op *op);
int op_tracked(struct render *r, const struct op *op);
int op_expr(struct render *r, const struct op *op);
int op_when(struct render *r, const struct op *op);
int op_early(struct render *r, const struct op *op);
int op_guarded(struct render *r, const struct op *op);
