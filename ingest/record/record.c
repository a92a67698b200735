/* Names of kinds and the look-up of a column: used when a mapper is compiled or a reject is
 * written, never per row. */
#include "ingest/record/record.h"

#include <string.h>
#include <strings.h>

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

static bool is_secret(const char *name)
{
        static const char *const parts[] = {"passw", "pwd", "secret", "token", "api_key", "apikey",
                "private_key", "privatekey", "credential", "access_key", "totp"};

        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
                if (strcasestr(name, parts[i]))
                        return true;
        return strcasecmp(name, "pin") == 0;
}

bool column_holds_secret(const char *name, enum col_kind kind, enum col_kind elem)
{
        enum col_kind of = kind == COL_ARRAY ? elem : kind;
        bool may = of == COL_TEXT || of == COL_CHAR || of == COL_JSON || of == COL_BYTES;

        return may && is_secret(name);
}
