/*
 * compile.h: a mapper compiled against the shape of its source.
 *
 * Compiling proves every column and type once; rendering then is pure and does no look-up by
 * name: a record in, the bytes of a document out. A program belongs to one thread; what it
 * returns is valid until its next call.
 *
 * What mappers can count on, beside DESIGN.md section 3:
 *  - A path into JSON that finds nothing, or runs into another kind of value, gives null. In JSON
 *    a key that stands twice in one object is a reject: CouchDB would keep the last silently.
 *  - trim, replace, upper, lower, null_if, map and type work on the elements of arrays, and on the
 *    scalars of JSON, where numbers are exact decimals. null_if and map compare booleans as "true"
 *    and "false". replace, upper and lower change strings alone; on columns that are no text they
 *    are configuration errors.
 *  - split makes an array of a text, by a text or by {pattern: RE}; what follows works on each
 *    element. Empty elements stay (null_if makes them null), an empty text is an empty array, null
 *    stays null. In JSON, what is neither text nor an array of texts is a reject. `default` is for
 *    the whole field: an element that `map` does not name is null beside it.
 *  - Patterns are PCRE2's with (*UTF) and (*UCP): \w, \d, \s, \b and (?i) know Unicode; no \G, no
 *    \C. In `with`, $1, ${1}, ${name} are groups ("" where one took no part), $0 the match, $$ a
 *    dollar sign. A value on which a pattern runs too long is a reject (ingest/base/pattern.h).
 *  - upper and lower follow Unicode's full rules, of no language: "ß" becomes "SS".
 *  - type: bytes is base64 with padding: of the bytes of bytea, of the UTF-8 bytes of text. Text
 *    that is base64 already needs no type.
 *  - A value that `map` does not name is null where there is a default, else a reject.
 *  - Inside `each`, `from` names the columns of the child, the members of the JSON element, or
 *    `value`: the element of an SQL array, or a JSON element that is no object (value[0], and each:
 *    value, go into one that is an array). each may stand in each to any depth. ${x} is a field or
 *    column of the element; ${doc.x} and ${row.x} are those of the record.
 *  - A template with a null in it is null. An object's fields are those of the scope around it.
 *  - format (format.h) reads the texts and numbers of a field: whole values only, none in two ways.
 *    Local times go through the field's timezone or the mapper's. With type: date an instant gives
 *    the day that its own clock showed (unix, /Date()/: UTC), or the clock of the field's timezone;
 *    its time of day must be 00:00:00. Numbers in JSON need no format and pass by one of numbers.
 *  - lookup: from (inside it or beside it) is a column or path; in `each`, of the element. Without
 *    from, the column named like key is looked up, of the record where the element has none; where
 *    then no column of the query or file is named key, its first one holds the keys. A list of
 *    keys is looked up by a list of froms. A key that is NULL, or that the table does not have,
 *    gives null; an array is looked up element by element, to an array with such nulls. Numbers
 *    are sought without zeros at their end, and else as the record writes them. One
 *    value keeps its kind (numeric stays exact), and goes through the field's steps; `value:
 *    [a, b]` gives an object without what is NULL. Files: in CSV an empty field is null, "" an
 *    empty text; JSON and YAML are a list of objects, or one object by key.
 *  - type: date of a timestamp needs a time of 00:00:00; type: integer of a decimal zeros behind
 *    the point. Without a format numbers in text may have leading zeros and an exponent, but no
 *    sign '+', blanks or group separators. NaN and Infinity are texts under type: string, else
 *    rejects.
 *  - `expr` and `when` are Lua 5.4: an expression, or a block with `return`, whose first value
 *    counts. nil and null are null, integers, floats, booleans and texts what they are, a decimal
 *    is a decimal, a table JSON: keys 1 to n an array, texts an object, its keys ascending; an
 *    empty one an array. Then the field's chain, as for the scalars of JSON.
 *  - row.NAME is a column: integers (beyond 64 bits a decimal), numeric and money as exact
 *    decimals, floats, booleans, JSON and arrays as tables (a null in them is `null`, their
 *    numbers that are no integers are decimals, and numbers again in the document as long as
 *    nothing was computed from them), all other kinds the text that `from` would give; NULL is nil,
 *    and so is a JSON column that is null.
 *    row.CHILD are the rows of a child: #row.lines, row.lines[1].sku, ipairs(row.lines).
 *  - Inside `each`, row is the element and falls back to the record; record is always the record.
 *    doc.NAME is a field of the element, else of the document, also of one that comes later, but
 *    for objects and arrays. A field that is a decimal is one in doc, too.
 *  - Decimals add, subtract, multiply and compare, also with integers, and keep their digits: the
 *    product of 1.50 and 1.5 is 2.250. a:div(b, scale, rounding), a:round(scale, rounding),
 *    a:abs(), a:scale(), decimal(x), tonumber(a), math.max, min, floor, ceil, abs. With a float
 *    they are an error.
 *  - The library: string (no dump, pack), table (no move; sort is stable), math (no random, exp,
 *    log, trigonometry), utf8, pairs and next in ascending order of keys, ipairs, select, type,
 *    tonumber, tostring, error, assert, pcall. A text is no number: '10' + 1 is an error.
 *  - Globals cannot be written. A call may take a million steps and 16 MiB; no pcall catches that.
 *  - `when` that gives false, nil or null leaves the field out before anything else of it is looked
 *    at; of an object or each, with all that is in it.
 */
#pragma once

#include "ingest/base/arena.h"
#include "ingest/base/err.h"
#include "ingest/record/digest.h"
#include "ingest/record/record.h"
#include "mappers/spec.h"

/* Part of the fingerprint: raise it when the same record renders to other bytes than before. */
#define MAPPER_RENDERER_VERSION 2

#define MAPPER_MAX_DOCUMENT (64 << 20) /* bytes of one rendered document: a reject beyond */
#define MAPPER_MAX_ID       4096       /* bytes of a document id */

struct lookup_set;
struct mapper_program;

/** mapper_compile() - @spec and @shape must outlive the program
 * Return: 0; -ERR_CONFIG "FILE:LINE:COLUMN: ..." (unknown column with the nearest one, a type
 * that a column can never have, a zoneless timestamp without `timezone`); -ERR_NOMEM. */
int mapper_compile(const struct mapper_spec *spec, const struct shape *shape,
        struct mapper_program **out, struct err *e) __attribute__((warn_unused_result));

/** mapper_compile_with() - the same with tables for its look-ups, as whoever asks has filled them
 * @lookups: of lookup_set_new() for @spec; outlives the program. Without it (and in
 * mapper_compile()) those in the mapper and in files are loaded, and a query is -ERR_BUG. */
int mapper_compile_with(const struct mapper_spec *spec, const struct shape *shape,
        const struct lookup_set *lookups, struct mapper_program **out, struct err *e)
        __attribute__((warn_unused_result));
struct mapper_program *mapper_program_free(struct mapper_program *p);
DEFINE_CLEANUP(struct mapper_program *, mapper_program_free);

struct mapped {
        struct str database;
        struct str id;
        struct str body;      /* canonical members without braces: "type":"product","sku":"A1" */
        struct digest digest; /* of the significant members */
};

#define MAPPER_REJECT 1

struct mapper_reject {
        const char *field;  /* dotted path of the document's field: "lines[2].qty"; or "_id" */
        const char *reason; /* one line: what is wrong with which value, and the remedy */
};

/** mapper_render() - maps one record
 * Return: 0 (@out is filled); MAPPER_REJECT (@why is filled); -ERR_NOMEM, -ERR_BUG. */
int mapper_render(struct mapper_program *p, const struct record *record, struct mapped *out,
        struct mapper_reject *why, struct err *e) __attribute__((warn_unused_result));

/** mapper_record_json() - @record as JSON for a reject: columns by name, without `bytes` and what
 * looks like a secret; each value cut at 1 KiB, all at @max bytes; never fails on bad text (it is
 * escaped) */
void mapper_record_json(
        const struct shape *shape, const struct record *record, size_t max, struct buf *out);
