/*
 * key.h: source keys as bytes.
 *
 * The bytes sort integers by value and keep components apart, so that composite keys are
 * unambiguous and a table read in the order of its integer key is written to the state in order.
 * Per component: COL_INT that fits 64 bits: 'i' and 8 bytes, big-endian, sign bit flipped; any
 * other: 't', the text with 0x00 written as 0x00 0xFF, and a closing 0x00 0x01.
 */
#pragma once

#include "ingest/base/buf.h"
#include "ingest/record/record.h"

/** key_encode() - appends the source key of @row to @out
 * Return: 0; -ERR_REJECT a key column is NULL (the error names the column). */
int key_encode(const struct shape *shape, const struct value *row, struct buf *out, struct err *e)
        __attribute__((warn_unused_result));

/** key_values() - the components of @key as the text that a source gave
 * @text: cleared; the values point into it      @out: room for @max of them
 * Return: 0; -ERR_BUG the key has not exactly @max components; -ERR_REJECT @text is full. */
int key_values(struct str key, struct buf *text, struct value *out, size_t max, struct err *e)
        __attribute__((warn_unused_result));

/** key_text() - appends a key as people read it: "7", or "7,A1" for composite keys */
void key_text(struct str key, struct buf *out);

/** key_json() - appends it as JSON: 7, "A1", or [7,"A1"] for composite keys */
void key_json(struct str key, struct buf *out);

#define KEY_MAX_PARTS 32 /* columns of a composite key: as many as a PostgreSQL index has */

/** key_recode() - appends @key as a row of @shape would be encoded: integers as integers
 * Return: 0; -ERR_REJECT another number of components, or above KEY_MAX_PARTS; -ERR_NOMEM. */
int key_recode(const struct shape *shape, struct str key, struct buf *out, struct err *e)
        __attribute__((warn_unused_result));

/** key_of_json() - appends the key that key_json() wrote as @json; strings stay text
 * Return: 0; -ERR_REJECT it is no key: null, an object, a list of anything else; -ERR_NOMEM. */
int key_of_json(struct str json, struct buf *out, struct err *e)
        __attribute__((warn_unused_result));
