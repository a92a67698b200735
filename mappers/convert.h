/*
 * convert.h: the conversions of one value, by purpose; convert.c has the table that names them.
 *
 * Each appends the JSON of @text to r->out and rejects what it cannot write without changing it.
 */
#pragma once

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

/* convert_time.c */
int convert_date(struct render *r, const struct chain *c, struct str text);
int convert_time(struct render *r, const struct chain *c, struct str text);
int convert_datetime(struct render *r, const struct chain *c, struct str text);
int convert_date_datetime(struct render *r, const struct chain *c, struct str text);
int convert_timestamp_date(struct render *r, const struct chain *c, struct str text);

/* convert_json.c */
int convert_json(struct render *r, const struct chain *c, struct str text);
int convert_text_json(struct render *r, const struct chain *c, struct str text);

/* convert_array.c */
int convert_array(struct render *r, const struct chain *c, struct str text);
