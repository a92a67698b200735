/*
 * What each kind of column can become. A gap in the table is a mistake that the compiler reports:
 * no value of that kind could ever be written as that type. JSON and arrays decide value by value.
 */
#include "mappers/convert.h"

#define FIELD_TYPES (FIELD_TYPE_BYTES + 1)

#define NONE     FIELD_TYPE_NONE
#define STRING   FIELD_TYPE_STRING
#define INTEGER  FIELD_TYPE_INTEGER
#define NUMBER   FIELD_TYPE_NUMBER
#define DECIMAL  FIELD_TYPE_DECIMAL
#define BOOLEAN  FIELD_TYPE_BOOLEAN
#define DATE     FIELD_TYPE_DATE
#define DATETIME FIELD_TYPE_DATETIME
#define JSON     FIELD_TYPE_JSON
#define BYTES    FIELD_TYPE_BYTES

#define TEXT_ROW                                                                                   \
        {                                                                                          \
                [NONE] = convert_text, [STRING] = convert_text, [INTEGER] = convert_to_integer,    \
                [NUMBER] = convert_to_number, [DECIMAL] = convert_to_decimal,                      \
                [BOOLEAN] = convert_text_bool, [DATE] = convert_date,                              \
                [DATETIME] = convert_datetime, [JSON] = convert_text_json,                         \
                [BYTES] = convert_text_bytes                                                       \
        }
#define FLOAT_ROW                                                                                  \
        {                                                                                          \
                [NONE] = convert_float, [STRING] = convert_number_string,                          \
                [INTEGER] = convert_to_integer, [NUMBER] = convert_float,                          \
                [DECIMAL] = convert_to_decimal                                                     \
        }
#define EVERY_TYPE(fn)                                                                             \
        {                                                                                          \
                [NONE] = fn, [STRING] = fn, [INTEGER] = fn, [NUMBER] = fn, [DECIMAL] = fn,         \
                [BOOLEAN] = fn, [DATE] = fn, [DATETIME] = fn, [JSON] = fn, [BYTES] = fn            \
        }

static const convert_fn conversions[COL_KINDS][FIELD_TYPES] = {
        [COL_TEXT] = TEXT_ROW,
        [COL_CHAR] = TEXT_ROW,
        [COL_BOOL] =
                {[NONE] = convert_bool, [BOOLEAN] = convert_bool, [STRING] = convert_bool_string},
        [COL_INT] = {[NONE] = convert_int,
                [INTEGER] = convert_int,
                [STRING] = convert_int_string,
                [NUMBER] = convert_to_number,
                [DECIMAL] = convert_to_decimal},
        [COL_NUMERIC] = {[NONE] = convert_numeric,
                [STRING] = convert_number_string,
                [INTEGER] = convert_to_integer,
                [NUMBER] = convert_to_number,
                [DECIMAL] = convert_to_decimal},
        [COL_FLOAT4] = FLOAT_ROW,
        [COL_FLOAT8] = FLOAT_ROW,
        [COL_BYTES] = {[NONE] = convert_bytes, [STRING] = convert_bytes, [BYTES] = convert_bytes},
        [COL_DATE] = {[NONE] = convert_date,
                [STRING] = convert_date,
                [DATE] = convert_date,
                [DATETIME] = convert_date_datetime},
        [COL_TIME] = {[NONE] = convert_time, [STRING] = convert_time},
        [COL_TIMESTAMP] = {[NONE] = convert_datetime,
                [STRING] = convert_datetime,
                [DATETIME] = convert_datetime,
                [DATE] = convert_timestamp_date},
        [COL_TIMESTAMPTZ] = {[NONE] = convert_datetime,
                [STRING] = convert_datetime,
                [DATETIME] = convert_datetime},
        [COL_INTERVAL] = {[NONE] = convert_interval, [STRING] = convert_interval},
        [COL_JSON] = EVERY_TYPE(convert_json),
        [COL_ARRAY] = EVERY_TYPE(convert_array),
};

convert_fn convert_find(enum col_kind kind, enum field_type type)
{
        return conversions[kind][type];
}

convert_fn chain_convert(const struct chain *c, enum col_kind kind)
{
        bool nested = kind == COL_JSON || kind == COL_ARRAY; /* the format is of what is in it */

        if (!c->format || nested)
                return convert_find(kind, c->type);
        convert_fn convert = convert_format_find(c->format, kind);
        /* A number in JSON is one already, where others of its field are texts. */
        return convert ? convert : convert_find(kind, c->type);
}

const char *field_type_name(enum field_type type)
{
        static const char *const names[FIELD_TYPES] = {
                [NONE] = "none",
                [STRING] = "string",
                [INTEGER] = "integer",
                [NUMBER] = "number",
                [DECIMAL] = "decimal",
                [BOOLEAN] = "boolean",
                [DATE] = "date",
                [DATETIME] = "datetime",
                [JSON] = "json",
                [BYTES] = "bytes",
        };
        return names[type];
}
