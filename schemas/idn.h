/* idn.h: labels of internationalised host names (RFC 5890 to 5893). */
#pragma once

#include <stdbool.h>

#include "ingest/base/str.h"

/** idn_u_label_is_valid() - @label: UTF-8, not all ASCII; *octets: takes the length of its A-label
 */
bool idn_u_label_is_valid(struct str label, size_t *octets);

/** idn_a_label_is_valid() - @encoded: what follows "xn--" */
bool idn_a_label_is_valid(struct str encoded);

/** idn_is_bidi() - whether @name has a character that is written from right to left */
bool idn_is_bidi(struct str name);

/** idn_label_fits_bidi() - whether @label may stand in such a name */
bool idn_label_fits_bidi(struct str label);
