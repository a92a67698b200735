/*
 * metadata.h: the model of an OData service, read from its $metadata.
 *
 * CSDL of versions 2, 3 and 4 as XML, fed as it arrives. What is kept: entity sets, entity and
 * complex types with their properties, keys and navigation properties, associations, labels.
 * The XML is others': a document type (and with it entities, inner and outer) is refused, depth,
 * size, single tokens and the number of properties are limited. Names are as they stand there,
 * types with their namespace; an alias of a namespace is replaced by it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ingest/base/arena.h"
#include "ingest/base/err.h"
#include "ingest/base/str.h"

#define REST_METADATA_MAX_BYTES      (128 << 20) /* the largest known, of Dynamics 365, has 60 MB */
#define REST_METADATA_MAX_TOKEN      (1 << 20)   /* bytes of one tag or comment */
#define REST_METADATA_MAX_DEPTH      64          /* elements in elements */
#define REST_METADATA_MAX_PROPERTIES 500000
#define REST_METADATA_MAX_SETS       50000
#define REST_METADATA_MAX_NAME       512 /* bytes of a name */

struct rest_property {
        const char *name;
        const char *type;  /* "Edm.Decimal", "NS.Type", without Collection(); NULL: not resolved */
        const char *label; /* for people; NULL */
        int64_t max_length, precision, scale; /* -1: not told */
        bool collection;
        bool nullable;
        bool navigation;
        bool contained; /* navigation: its entities cannot be without the one they belong to */
        bool date_only; /* a v2 Edm.DateTime that is a day (SAP) */
};

enum rest_type_kind { REST_TYPE_ENTITY, REST_TYPE_COMPLEX, REST_TYPE_ENUM, REST_TYPE_ALIAS };

struct rest_type {
        const char *name; /* with its namespace */
        const char *base; /* the type it extends, or stands for (ALIAS); NULL */
        enum rest_type_kind kind;
        const struct rest_property *properties; /* its own */
        size_t property_count;
        const char *const *key; /* its own; the base's where there is none */
        size_t key_count;
        const char *label; /* NULL */
        bool stream;       /* a media entity */
};

struct rest_set {
        const char *name;
        const char *type;
        const char *label; /* NULL */
};

struct rest_metadata {
        int version;                   /* 2, 3, 4 */
        const char *name_space;        /* of the first schema with an entity type; "" */
        const struct rest_type *types; /* by name */
        size_t type_count;
        const struct rest_set *sets; /* by name */
        size_t set_count;
};

struct rest_metadata_reader;

/** rest_metadata_reader_new() - @arena: where the model lives
 * Return: 0; -ERR_NOMEM. */
int rest_metadata_reader_new(struct arena *arena, struct rest_metadata_reader **out, struct err *e)
        __attribute__((warn_unused_result));
struct rest_metadata_reader *rest_metadata_reader_free(struct rest_metadata_reader *r);
DEFINE_CLEANUP(struct rest_metadata_reader *, rest_metadata_reader_free);

/** rest_metadata_feed() - the next @bytes of the reply
 * Return: 0; -ERR_CONFIG no metadata of OData (what it is instead, with line), or beyond a limit;
 * -ERR_NOMEM. After an error it takes no more. */
int rest_metadata_feed(struct rest_metadata_reader *r, struct str bytes, struct err *e)
        __attribute__((warn_unused_result));

/** rest_metadata_end() - no more bytes: the model
 * Return: 0; -ERR_RETRY it was cut off; -ERR_CONFIG, -ERR_NOMEM as above. */
int rest_metadata_end(struct rest_metadata_reader *r, struct rest_metadata *out, struct err *e)
        __attribute__((warn_unused_result));

/** rest_metadata_type() - the type @name; NULL: not in the model (Edm types never are) */
const struct rest_type *rest_metadata_type(const struct rest_metadata *m, const char *name);

#define REST_METADATA_MAX_BASES 16 /* of a type, one behind the other; a loop ends here */
