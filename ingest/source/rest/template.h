/*
 * template.h: ${...} in the addresses, headers and bodies of a REST mapper.
 *
 * A template is compiled once, against the names that may stand in it; putting it is pure. $$ is a
 * dollar sign. A variable that has no value now (the cursor of a first read, the key of the first
 * page) makes the whole absent: such a parameter or header is left out. In a body (YAML, sent as
 * JSON) a member or element that is absent is left out, and a list of which a scalar is absent is
 * left out itself: [["write_date", ">=", "${cursor}"]] becomes []. A scalar that is one variable
 * alone is a JSON number where the variable is one (${page}, ${offset}, ${size}).
 */
#pragma once

#include "ingest/base/buf.h"
#include "ingest/base/options.h"

struct rest_template; /* in the arena of the mapper */
struct rest_body;

struct rest_var {
        struct str name;  /* "cursor", "page", a column of the parent ... */
        struct str value; /* .ptr NULL: absent */
        bool number;
};
struct rest_vars {
        const struct rest_var *items;
        size_t count;
};

enum rest_encoding {
        REST_ENCODE_NONE,  /* headers: as it is (a line break is refused) */
        REST_ENCODE_PATH,  /* what variables give is percent-encoded, "/" too */
        REST_ENCODE_QUERY, /* all of it is percent-encoded: for values of parameters */
        REST_ENCODE_ODATA, /* what variables give, as text of an OData literal: ' doubled */
        REST_ENCODE_TEXT   /* bodies that are text: as it is */
};

#define REST_ABSENT 1

/** rest_template_compile() - @n, a scalar; @names: what may stand in ${...}; NULL: any name (who
 * gives none looks at them with rest_template_each_var())
 * Return: 0; -ERR_CONFIG with place (an unknown name with the nearest); -ERR_NOMEM. */
int rest_template_compile(const struct option_context *cx, const struct ynode *n,
        const struct string_list *names, struct rest_template **out, struct err *e)
        __attribute__((warn_unused_result));

/** rest_template_put() - appends it
 * In an address an empty value is as good as absent: /orders/${id} without an id is another
 * address, that of all orders.
 * Return: 0; REST_ABSENT (nothing was appended); -ERR_CONFIG a line break in a header, "." or ".."
 * in an address (servers take them for folders); -ERR_REJECT longer than @out may be; -ERR_NOMEM.
 */
int rest_template_put(const struct rest_template *t, const struct rest_vars *vars,
        enum rest_encoding encoding, struct buf *out, struct err *e)
        __attribute__((warn_unused_result));

/** rest_template_uses() - whether the variable @name stands in it */
bool rest_template_uses(const struct rest_template *t, const char *name);

/* Called for each ${name}; @at: the text it stands in. -class ends the walk. */
typedef int (*rest_var_fn)(void *ctx, const struct ynode *at, struct str name, struct err *e);

int rest_template_each_var(const struct rest_template *t, rest_var_fn fn, void *ctx, struct err *e)
        __attribute__((warn_unused_result));

/** rest_template_text() - its text where no variable stands in it; .ptr NULL where one does */
struct str rest_template_text(const struct rest_template *t);

/** rest_template_number() - the value where it is one variable alone that is a number; else .ptr
 * NULL, also where that is absent */
struct str rest_template_number(const struct rest_template *t, const struct rest_vars *vars);

/** rest_body_compile() - @n: a map or list (JSON), or a scalar (text, sent as it is) */
int rest_body_compile(const struct option_context *cx, const struct ynode *n,
        const struct string_list *names, struct rest_body **out, struct err *e)
        __attribute__((warn_unused_result));

/** rest_body_put() - Return: 0; REST_ABSENT a body that is one absent text, or a list of which a
 * scalar is absent: then there is no body; -ERR_REJECT a value that is not UTF-8, or longer than
 * @out may be; -ERR_NOMEM. */
int rest_body_put(const struct rest_body *b, const struct rest_vars *vars, struct buf *out,
        struct err *e) __attribute__((warn_unused_result));
int rest_body_each_var(const struct rest_body *b, rest_var_fn fn, void *ctx, struct err *e)
        __attribute__((warn_unused_result));
bool rest_body_uses(const struct rest_body *b, const char *name);
bool rest_body_is_json(const struct rest_body *b);
