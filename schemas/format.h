/*
 * format.h: the formats of draft 2020-12 as predicates on the bytes of a string (valid UTF-8).
 */
#pragma once

#include <stdbool.h>

#include "ingest/base/str.h"

struct format {
        const char *name;
        bool (*fits)(struct str text);
};

/** format_find() - NULL: not known, hence never asserted */
const struct format *format_find(struct str name);

bool format_date(struct str s);
bool format_time(struct str s);
bool format_date_time(struct str s);
bool format_duration(struct str s);
bool format_email(struct str s);
bool format_idn_email(struct str s);
bool format_hostname(struct str s);
bool format_idn_hostname(struct str s);
bool format_ipv4(struct str s);
bool format_ipv6(struct str s);
bool format_uri(struct str s);
bool format_uri_reference(struct str s);
bool format_iri(struct str s);
bool format_iri_reference(struct str s);
bool format_uri_template(struct str s);
bool format_uuid(struct str s);
bool format_json_pointer(struct str s);
bool format_relative_json_pointer(struct str s);
bool format_regex(struct str s);
