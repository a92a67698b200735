/*
 * catalog.h: how the records of a catalog's table are called from a REST source.
 *
 * What `discover` found, or guesses, of the `extract:` of a mapper. Guesses come with what somebody
 * has to check. Everything lives in the arena of the catalog; texts are others' and hold any bytes
 * that are UTF-8.
 */
#pragma once

#include "ingest/source/catalog.h"
#include "ingest/source/rest/extract.h"

struct catalog_rest {
        const char *path;         /* under the source's url, without query */
        struct rest_pairs params; /* of the query, without those of the paging */
        const char *records;      /* dotted path of the array; NULL: the body itself */
        const char *records_note; /* how it was found; NULL: as documented */
        bool records_doubtful;
        int odata;   /* version: 4, 3, 2; 0: none */
        bool select; /* the columns are named in the call: the reply has no others */

        struct rest_paging_spec paging; /* of odata 0; kind NONE: no sign of pages */
        const char *paging_note;
        bool paging_doubtful;
        int empty_on; /* a status that means no records; 0: none */

        struct rest_cursor_spec cursor; /* field_count and header 0: none */
        const char *cursor_note;
        bool cursor_usable; /* how it is sent is known; else it stands as a comment */

        const char *notes[4]; /* worth knowing; NULL: no more */
};
