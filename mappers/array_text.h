/*
 * array_text.h: the elements of an array as PostgreSQL writes it: {1,2,NULL,"a b",{...}}.
 *
 * Strict: what is not such a text is reported, never guessed. Elements borrow from the text.
 */
#pragma once

#include "ingest/base/buf.h"
#include "ingest/base/str.h"

enum array_item { ARRAY_END, ARRAY_NULL, ARRAY_TEXT, ARRAY_NESTED, ARRAY_BAD };

struct array_walk {
        const char *p, *end;
        char delimiter;
        bool first;
};

/** array_open() - begin at the first element of the array @text (its bounds, "[0:2]=", are
 * skipped). Return: false where @text is not an array. */
bool array_open(struct array_walk *w, struct str text, char delimiter);

/** array_next() - the next element
 * @scratch: emptied (an error stays) and used where the element holds escapes
 * @out: the text of ARRAY_TEXT, unescaped; of ARRAY_NESTED, with its braces
 * Return: ARRAY_END behind the last one; ARRAY_BAD where the text is not an array. */
enum array_item array_next(struct array_walk *w, struct buf *scratch, struct str *out);
