/*
 * Built-in types have fixed oids (catalog/pg_type.dat). Everything that is not listed is text to
 * us, as the server prints it.
 */
#include "ingest/source/postgres/types.h"

#include "ingest/source/postgres/sql.h"

enum type_flag {
        SORTED = 1,  /* ORDER BY of the plain column works */
        EXACT = 2,   /* equal values have equal text */
        DECIMAL = 4, /* merges by value */
        NATIVE = 8,  /* its own order is the order of its text's bytes */
        BY_TEXT = 16 /* merges by its text: COPY prints what a cast to text gives, or as ordered */
};

enum type_oid {
        OID_BOOL = 16,
        OID_BYTEA = 17,
        OID_TEXT = 25,
        OID_MONEY = 790,
        OID_MONEY_ARRAY = 791,
        OID_BPCHAR = 1042,
        OID_VARCHAR = 1043
};

struct type_row {
        Oid oid;
        enum col_kind kind;
        int flags;
};

static const struct type_row types[] = {
        {OID_BOOL, COL_BOOL, SORTED | EXACT | BY_TEXT},
        {OID_BYTEA, COL_BYTES, SORTED | EXACT | NATIVE}, {18, COL_TEXT, 0}, /* "char" */
        {19, COL_TEXT, 0},                                                  /* name */
        {20, COL_INT, SORTED | EXACT | DECIMAL}, {21, COL_INT, SORTED | EXACT | DECIMAL},
        {23, COL_INT, SORTED | EXACT | DECIMAL}, {OID_TEXT, COL_TEXT, 0},
        {26, COL_INT, SORTED | EXACT | DECIMAL}, /* oid */
        {114, COL_JSON, 0}, {700, COL_FLOAT4, SORTED}, {701, COL_FLOAT8, SORTED},
        {OID_MONEY, COL_NUMERIC, SORTED | EXACT | DECIMAL}, {OID_BPCHAR, COL_CHAR, 0},
        {OID_VARCHAR, COL_TEXT, 0}, {1082, COL_DATE, SORTED | EXACT | BY_TEXT},
        {1083, COL_TIME, SORTED | EXACT | BY_TEXT}, {1114, COL_TIMESTAMP, SORTED | EXACT | BY_TEXT},
        {1184, COL_TIMESTAMPTZ, SORTED | EXACT | BY_TEXT}, {1186, COL_INTERVAL, SORTED},
        {1700, COL_NUMERIC, SORTED | DECIMAL}, {2950, COL_TEXT, SORTED | EXACT | NATIVE}, /* uuid */
        {3802, COL_JSON, 0}, /* jsonb */
};

static const struct type_row *find_type(Oid oid)
{
        for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
                if (types[i].oid == oid)
                        return &types[i];
        }
        return NULL;
}

static int flags_of(const struct pg_column *c)
{
        const struct type_row *t = find_type(c->base);

        if (!t)
                return c->class == 'e' ? BY_TEXT : 0;
        return t->flags;
}

enum col_kind pg_type_kind(Oid oid)
{
        const struct type_row *t = find_type(oid);

        return t ? t->kind : COL_TEXT;
}

bool pg_type_is_money(Oid oid)
{
        return oid == OID_MONEY || oid == OID_MONEY_ARRAY;
}

static bool is_string(const struct pg_column *c)
{
        return c->category == 'S' || c->base == OID_TEXT || c->base == OID_VARCHAR ||
               c->base == OID_BPCHAR;
}

bool pg_merge_order(const struct pg_column *const *columns, size_t count, enum row_order *out)
{
        const struct pg_column *first = columns[0];
        bool strings = is_string(first), decimals = flags_of(first) & DECIMAL;
        bool same = flags_of(first) & (NATIVE | BY_TEXT), padded = false;

        for (size_t i = 0; i < count; i++) {
                strings = strings && is_string(columns[i]);
                decimals = decimals && (flags_of(columns[i]) & DECIMAL);
                same = same && columns[i]->base == first->base;
                padded = padded || columns[i]->base == OID_BPCHAR;
        }
        if (!strings && !decimals && !same)
                return false;
        *out = decimals            ? ROW_ORDER_DECIMAL
               : strings && padded ? ROW_ORDER_PADDED
                                   : ROW_ORDER_BYTES;
        return true;
}

static void put_column(struct buf *sql, const struct pg_column *c)
{
        buf_puts(sql, "q.");
        pg_sql_ident(sql, str_of(c->column.name));
}

static void put_as_text(struct buf *sql, const struct pg_column *c)
{
        put_column(sql, c);
        if (c->base != OID_TEXT && c->base != OID_VARCHAR)
                buf_puts(sql, "::pg_catalog.text");
        buf_puts(sql, " COLLATE \"C\"");
}

void pg_sql_order_merge(struct buf *sql, const struct pg_column *c, enum row_order order)
{
        if (order == ROW_ORDER_PADDED) {
                put_column(sql, c);
                buf_puts(sql, "::pg_catalog.bpchar COLLATE \"C\"");
        } else if (order == ROW_ORDER_DECIMAL || (flags_of(c) & NATIVE)) {
                put_column(sql, c);
        } else {
                put_as_text(sql, c);
        }
}

void pg_sql_order_group(struct buf *sql, const struct pg_column *c)
{
        if ((flags_of(c) & (SORTED | EXACT)) == (SORTED | EXACT))
                put_column(sql, c);
        else
                put_as_text(sql, c);
}

void pg_sql_order_tie(struct buf *sql, const struct pg_column *c)
{
        if (flags_of(c) & SORTED)
                put_column(sql, c);
        else
                put_as_text(sql, c);
}
