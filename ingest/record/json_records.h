/*
 * json_records.h: the records of a JSON reply, handed on as its bytes arrive.
 *
 * A reply is one JSON value. The records are the elements of the array at a dotted path in it (or
 * the value itself); beside them some other values (next link, total, error) are kept as text. What
 * arrives is looked at once; memory is that of one record, whatever the reply's size.
 *
 * The whole reply is proved to be one JSON value (brackets, strings, commas, literals, UTF-8, no
 * BOM, nothing behind it), but for the inside of records that are objects or arrays: there only
 * strings and brackets are followed, and who picks from a record (json_pick.h) proves the rest. A
 * record that is no JSON, or is nested too deep, is so a reject of one record.
 *
 * Paths are those of json_path.h: names and [n]. All results are the same however the reply is cut.
 */
#pragma once

#include "ingest/base/buf.h"
#include "ingest/base/err.h"

#define JSON_RECORDS_PAUSE     1
#define JSON_RECORDS_MAX_DEPTH 200
#define JSON_RECORDS_MAX_FACT  (64 << 10) /* bytes of one kept value: longer ones are an error */
#define JSON_RECORDS_FACTS     8

enum json_records_found {
        JSON_RECORDS_ABSENT,
        JSON_RECORDS_NULL,
        JSON_RECORDS_ARRAY,
        JSON_RECORDS_OBJECT,
        JSON_RECORDS_OTHER
};

struct json_records_options {
        const char *path;                      /* dotted; NULL or "": the body itself */
        const char *facts[JSON_RECORDS_FACTS]; /* dotted paths; a literal dot in a name:
                                                  "@odata\.nextLink". Where the value at @path is
                                                  one record (an object), also inside of it: that
                                                  record must then be JSON, and not oversized. */
        size_t fact_count;
        size_t max_record; /* bytes of one record's text */

        /* One record, whole, without blanks around it; borrowed until it returns. An object at the
         * path is one record; elements of an array may be anything. With PAUSE the record counts
         * as taken. Return: 0; JSON_RECORDS_PAUSE; -class. */
        int (*on_record)(void *ctx, struct str text, struct err *e);
        /* A record larger than max_record was passed over. @head: its first 256 bytes, or fewer.
         * Return: as above. */
        int (*on_oversize)(void *ctx, struct str head, struct err *e);
        void *ctx;
};

struct json_records;

/** json_records_new() - the strings of @o outlive it
 * Return: 0; -ERR_CONFIG a path that is none, or a fact that would hold the records; -ERR_NOMEM. */
int json_records_new(const struct json_records_options *o, struct json_records **out, struct err *e)
        __attribute__((warn_unused_result));
struct json_records *json_records_free(struct json_records *j);
DEFINE_CLEANUP(struct json_records *, json_records_free);

/** json_records_feed() - the next @bytes
 * @taken: how many were used: fewer only with JSON_RECORDS_PAUSE or an error
 * After JSON_RECORDS_PAUSE the rest is fed when reading goes on. After an error only what was found
 * may be asked for.
 * Return: 0; JSON_RECORDS_PAUSE; -ERR_RETRY not JSON (what, at which byte, and an excerpt; an HTML
 * page, a BOM and UTF-16 are named), too deep, or the name of the records twice; -ERR_CONFIG a fact
 * is too long; what a callback returned; -ERR_NOMEM. */
int json_records_feed(struct json_records *j, struct str bytes, size_t *taken, struct err *e)
        __attribute__((warn_unused_result));

/** json_records_end() - no more bytes. Return: 0; -ERR_RETRY the reply was cut off, or empty. */
int json_records_end(struct json_records *j, struct err *e) __attribute__((warn_unused_result));

enum json_records_found json_records_found(const struct json_records *j);
/** json_records_is_markup() - whether it begins as a web page or XML does: another try is vain */
bool json_records_is_markup(const struct json_records *j);
size_t json_records_count(const struct json_records *j); /* handed on or oversized */

/** json_records_hash() - over the records' bytes, in order, and where each ends; inside a callback
 * with the record it is told of */
uint64_t json_records_hash(const struct json_records *j);

/** json_records_fact() - the kept value @i as it stood; .ptr NULL: absent. The last one counts.
 * Borrowed until the next feed. */
struct str json_records_fact(const struct json_records *j, size_t i);

/** json_records_names() - appends the names at the reply's top level seen so far, for a message:
 * "value, @odata.context"; nothing where it is no object, or is itself the record */
void json_records_names(const struct json_records *j, struct buf *out);
