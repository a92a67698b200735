/*
 * convert.h: the conversions of one value, by purpose; convert.c has the table that names them.
 *
 * Each appends the JSON of @text to r->out and rejects what it cannot write without changing it.
 */
#pragma once

#include "mappers/calendar.h"
#include "mappers/decimal.h"
#include "mappers/program.h"

/* convert_text.c */
int convert_text(struct render *r, const struct chain *c, struct str text);
int convert_bool(struct render *r, const struct chain *c, struct str text);
int convert_bool_string(struct render *r, const struct chain *c, struct str text);
int convert_text_bool(struct render *r, const struct chain *c, struct str text);
int convert_text_bytes(struct render *r, const struct chain *c, struct str text);
int convert_bytes(struct render *r, const struct chain *c, struct str text);
int convert_interval(struct render *r, const struct chain *c, struct str text);

/* convert_number.c */
int convert_int(struct render *r, const struct chain *c, struct str text);
int convert_int_string(struct render *r, const struct chain *c, struct str text);
int convert_numeric(struct render *r, const struct chain *c, struct str text);
int convert_number_string(struct render *r, const struct chain *c, struct str text);
int convert_float(struct render *r, const struct chain *c, struct str text);
int convert_to_integer(struct render *r, const struct chain *c, struct str text);
int convert_to_number(struct render *r, const struct chain *c, struct str text);
int convert_to_decimal(struct render *r, const struct chain *c, struct str text);

/** convert_put_number() - @d, which @text was read as, by c->type */
int convert_put_number(
        struct render *r, const struct chain *c, struct str text, const struct decimal *d);

/* convert_time.c */
int convert_date(struct render *r, const struct chain *c, struct str text);
int convert_time(struct render *r, const struct chain *c, struct str text);
int convert_datetime(struct render *r, const struct chain *c, struct str text);
int convert_date_datetime(struct render *r, const struct chain *c, struct str text);
int convert_timestamp_date(struct render *r, const struct chain *c, struct str text);

/** convert_put_datetime() - @civil, which @text was read as, in UTC; may be changed */
int convert_put_datetime(
        struct render *r, const struct chain *c, struct str text, struct civil *civil);

/** convert_put_date() - the day of @civil, whose time must be 00:00:00 */
int convert_put_date(struct render *r, struct str text, const struct civil *civil);

/* convert_format.c */

/** convert_format_find() - how a value of @kind is read by @f; NULL: it never can
 * FORMAT_NUMBER leaves numbers to the conversions of their kind. */
convert_fn convert_format_find(const struct format *f, enum col_kind kind);

/* convert_json.c */
int convert_json(struct render *r, const struct chain *c, struct str text);
int convert_text_json(struct render *r, const struct chain *c, struct str text);

/* convert_array.c */
int convert_array(struct render *r, const struct chain *c, struct str text);
