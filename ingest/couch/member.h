/*
 * member.h: picking members out of CouchDB's JSON as it is written, without a tree.
 *
 * Everything borrows from the text. Sequences and names of errors hold no character that JSON
 * escapes, so that they can be used between their quotes; revisions are checked for that.
 */
#pragma once

#include "ingest/record/json_scan.h"

/** member_unquoted() - what stands between the quotes; anything but a string as it is */
static inline struct str member_unquoted(struct str written)
{
        if (written.len < 2 || *written.ptr != '"')
                return written;
        return (struct str){written.ptr + 1, written.len - 2};
}

/** member_find() - the value of member @name of the object @text; .ptr NULL: there is none */
static inline struct str member_find(struct str text, const char *name)
{
        struct str key, value, found = {NULL, 0};
        struct json_walk w;

        if (!json_walk_open(&w, text, '{'))
                return found;
        while (json_walk_next(&w, &key, &value))
                if (str_is(member_unquoted(key), name))
                        found = value;
        return found;
}

/** member_rev() - a revision as written; "" where it is none that could be sent again as it is */
static inline struct str member_rev(struct str written, size_t max)
{
        struct str rev = member_unquoted(written);

        if (rev.len == written.len || rev.len >= max)
                return STR("");
        for (size_t i = 0; i < rev.len; i++)
                if (rev.ptr[i] <= ' ' || rev.ptr[i] > '~' || rev.ptr[i] == '"' ||
                        rev.ptr[i] == '\\')
                        return STR("");
        return rev;
}
