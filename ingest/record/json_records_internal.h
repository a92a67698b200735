/*
 * json_records_internal.h: what json_records.c (records and the outside), json_records_walk.c (what
 * lies around the records) and json_records_match.c (paths and kept values) share.
 *
 * The bytes of one feed are walked over by a state machine; states whose bytes are kept (a record,
 * a key, a fact) remember where these begin in the feed, and copy what they have when it ends.
 */
#pragma once

#include "ingest/record/json_lex.h"
#include "ingest/record/json_path.h"
#include "ingest/record/json_pick.h"
#include "ingest/record/json_records.h"
#include "ingest/record/json_span.h"

#define RECORDS_TRACKS      (1 + JSON_RECORDS_FACTS) /* the path of the records, then the facts */
#define RECORDS_KEY_MAX     (6 * JSON_PATH_MAX_NAME + 2) /* as written: every byte as \u00xx */
#define RECORDS_NAMES_MAX   400                          /* bytes of json_records_names() */
#define RECORDS_NAME_SHOWN  60
#define RECORDS_BEFORE      32  /* bytes before an error that it shows */
#define RECORDS_START_BYTES 512 /* of a reply that is markup: its title is among them */

enum records_state {
        RECORDS_START, /* nothing but blanks yet */
        RECORDS_VALUE,
        RECORDS_VALUE_OR_CLOSE,
        RECORDS_KEY,
        RECORDS_KEY_OR_CLOSE,
        RECORDS_IN_KEY,
        RECORDS_COLON,
        RECORDS_IN_SCALAR,
        RECORDS_IN_RECORD,        /* an object or an array */
        RECORDS_IN_SCALAR_RECORD, /* anything else among the records */
        RECORDS_AFTER_VALUE,
        RECORDS_DONE,
        RECORDS_MARKUP, /* it begins with '<': its first bytes are collected for the error */
        RECORDS_STATES
};

/* A path that is looked for. */
struct records_track {
        struct json_path path;
        const char *text;
        size_t matched; /* its first steps that lead to where the walk is */
};

struct records_fact {
        struct buf text;
        bool keeping, whole;
        size_t depth;      /* of the value that is being kept */
        const char *start; /* of its bytes in this feed */
};

struct json_records {
        struct json_records_options o;
        struct arena *arena;
        struct records_track tracks[RECORDS_TRACKS];
        struct records_fact facts[JSON_RECORDS_FACTS];
        struct json_pick *inside; /* facts inside a record that is the value at the path */
        size_t inside_facts[JSON_RECORDS_FACTS], inside_count;

        enum records_state state;
        bool failed;
        uint64_t offset;             /* bytes of the reply before this feed */
        const char *from, *p, *end;  /* the feed */
        char before[RECORDS_BEFORE]; /* the last bytes of the feeds before */
        size_t before_count;
        size_t depth;                                         /* open brackets around the walk */
        uint64_t objects[(JSON_RECORDS_MAX_DEPTH + 63) / 64]; /* which of them are objects */
        size_t index[JSON_PATH_MAX_STEPS]; /* elements seen in the outermost ones */
        uint32_t steps_seen; /* steps of the records' path that were found: a bit each */
        struct json_lex lex;
        struct json_span span;
        const char *start; /* of a record or key in this feed */
        struct buf key, begin, names;
        bool names_full;

        size_t list_depth; /* of the array of records, once open; 0: none is */
        bool list_open, single;
        struct buf held; /* the part of a record that came with feeds before */
        bool oversize;
        size_t record_bytes; /* in feeds before */
        void *hashing;       /* XXH3 state, for records that are not held */
        uint64_t hash;
        size_t count;
        enum json_records_found found;
};

/* What a handler returns when it took what there was: 0, JSON_RECORDS_PAUSE or -class. */
typedef int (*records_handler)(struct json_records *j, struct err *e);

/* json_records_walk.c */
extern const records_handler records_walk[RECORDS_STATES];
const char *records_expected(const struct json_records *j);
int records_malformed(struct json_records *j, const char *expected, struct err *e);
int records_markup(const struct json_records *j, struct err *e);
int records_in_object(const struct json_records *j);

/* json_records_match.c */
int records_tracks_init(struct json_records *j, struct err *e);
int records_match_key(struct json_records *j, struct str quoted, struct err *e);
void records_match_index(struct json_records *j);
void records_leave(struct json_records *j);
bool records_at_path(const struct json_records *j);
void records_facts_begin(struct json_records *j);
int records_facts_end(struct json_records *j, struct err *e);
int records_facts_hold(struct json_records *j, struct err *e);
int records_facts_inside(struct json_records *j, struct str record, struct err *e);

/* json_records.c */
int records_begin(struct json_records *j, struct err *e);
int records_in_record(struct json_records *j, struct err *e);
int records_in_scalar_record(struct json_records *j, struct err *e);
