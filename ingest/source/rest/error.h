/*
 * error.h: what an answer that is none means, and what it says.
 *
 * Pure. Bodies come from anybody: they are cut, made one line, and never trusted.
 */
#pragma once

#include <stdbool.h>

#include "ingest/base/err.h"
#include "ingest/base/str.h"

/** rest_error_line() - what the body of an error says, in one line of at most @size bytes (with the
 * NUL): OData's error.message (text or {value}), Odoo's error.data.message, Frappe's exception,
 * Xero's Message and Elements, {"message"}, {"error_description"}, RFC 9457 problem details,
 * Tryton's list, a SOAP fault, plain text; 'an HTML page, titled "..."'; "" for an empty body */
void rest_error_line(const char *content_type, struct str body, char *out, size_t size);

struct rest_status {
        enum err_class class; /* ERR_RETRY passes by itself; ERR_CONFIG does not */
        bool again;           /* worth another try soon */
        const char *name;     /* "Not Found"; "" where it has none */
        const char *hint;     /* what the operator can do; NULL: nothing */
};

/** rest_status_of() - a status that is an error: 3xx that is not followed, 4xx, 5xx, others */
struct rest_status rest_status_of(int status);
