/*
 * options_internal.h: what options.c and options_auth.c share, and nobody else
 * includes.
 */
#pragma once

#include "ingest/source/rest/options.h"

/* Names and values of HTTP: what may be sent at all, and what is not for operators to set. */
enum rest_pair_kind { REST_PAIR_HEADER, REST_PAIR_CREDENTIAL, REST_PAIR_PARAM };

/** rest_header_check() - the name @name of a header that stands at @line, @column
 * @credentials: whether it may be one that carries credentials
 * Return: 0; -ERR_CONFIG no name of a header, or one that is ours. */
int rest_header_check(const struct option_context *cx, const struct ynode_pair *p, bool credentials,
        struct err *e) __attribute__((warn_unused_result));

/** rest_pairs_decode() - @n, a map of names and texts; @what names it in errors: "'headers'" */
int rest_pairs_decode(const struct option_context *cx, const char *what, enum rest_pair_kind kind,
        const struct ynode *n, struct rest_pairs *out, struct err *e)
        __attribute__((warn_unused_result));

extern const struct option_table rest_auth_table;

/** rest_auth_decode() - the handler of `auth`; @field: a struct rest_auth_options */
int rest_auth_decode(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e);

/** rest_address_check() - @text at @n is a path ("/x") or an absolute http or https address without
 * credentials and fragment
 * @what: the key, for messages */
int rest_address_check(const struct option_context *cx, const struct ynode *n, const char *what,
        struct str text, struct err *e) __attribute__((warn_unused_result));
