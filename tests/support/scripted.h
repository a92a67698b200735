/*
 * scripted.h: a source that plays a script: pages of rows that shift, break off and repeat.
 *
 * For tests of runs over sources without a snapshot; in no program. A row is {id, code, v, gone};
 * the source key is the id. scripted_use() puts it in place of a configured source.
 */
#pragma once

#include "ingest/pipeline/config.h"

struct scripted_row {
        const char *id;   /* JSON; also the source key, as text */
        const char *code; /* JSON; NULL: absent */
        const char *v;
        const char *gone;
};

struct script {
        /* What a full read delivers, in this order. */
        const struct scripted_row *rows;
        size_t count;
        size_t page; /* rows between two marks; 0: it gives none */
        /* What a read by key finds, and a read of all keys lists; NULL: the same rows. */
        const struct scripted_row *there;
        size_t there_count;
        bool refuses_marks; /* each read begins at its beginning */
        bool reads_all;     /* for keys, too */
        const char *doubt;  /* of reads by key; NULL: none */
        size_t fails_at;    /* behind so many rows the read breaks off; 0: never */
        size_t fails_times; /* so often; 0: once */
        size_t dies_at;     /* SIGKILL behind so many rows; 0: never */
        size_t dies_at_mark;

        /* What was asked of it. */
        size_t reads, keyed_reads, keys_asked, began_at, delivered, marks;
        size_t failed;
};

/** scripted_use() - @source, of a configuration that is loaded, plays @script from now on */
void scripted_use(struct source_config *source, struct script *script);
