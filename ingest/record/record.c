/* Names of kinds and the look-up of a column: used when a mapper is compiled, never per row. */
#include "ingest/record/record.h"

const char *col_kind_name(enum col_kind kind)
{
        static const char *const names[COL_KINDS] = {
                [COL_TEXT] = "text",
                [COL_CHAR] = "blank-padded text",
                [COL_BOOL] = "boolean",
                [COL_INT] = "integer",
                [COL_NUMERIC] = "exact decimal",
                [COL_FLOAT4] = "float (4 bytes)",
                [COL_FLOAT8] = "float (8 bytes)",
                [COL_BYTES] = "binary",
                [COL_DATE] = "date",
                [COL_TIME] = "time of day",
                [COL_TIMESTAMP] = "timestamp without time zone",
                [COL_TIMESTAMPTZ] = "timestamp with time zone",
                [COL_INTERVAL] = "interval",
                [COL_JSON] = "JSON",
                [COL_ARRAY] = "array",
        };
        return (unsigned)kind < COL_KINDS ? names[kind] : "unknown";
}

int columns_find(const struct columns *columns, struct str name)
{
        for (size_t i = 0; i < columns->count; i++)
                if (str_is(name, columns->items[i].name))
                        return (int)i;
        return -1;
}
