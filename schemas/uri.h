/*
 * uri.h: URI references (RFC 3986): taken apart and resolved. Borrows from the text.
 */
#pragma once

#include "ingest/base/buf.h"
#include "ingest/base/str.h"

struct uri {
        struct str scheme;    /* .ptr NULL: none */
        struct str authority; /* .ptr NULL: none; may be empty */
        struct str path;
        struct str query;    /* .ptr NULL: none */
        struct str fragment; /* .ptr NULL: none */
};

/** uri_split() - any text: what is not there is empty; nothing is proved */
struct uri uri_split(struct str text);

/** uri_resolve() - appends @reference, seen from @base (an absolute URI), without its fragment */
void uri_resolve(struct str base, struct str reference, struct buf *out);

/** uri_unescape() - appends @s with each %XX as a byte. Return: false where % is not followed so.
 */
bool uri_unescape(struct str s, struct buf *out);
