/* quick_internal.h: shared by the files quick*.c. */
#pragma once

#include "schemas/rule.h"

struct quick {
        const char *end;
        bool unsure; /* from then on every answer is NULL, and means nothing */
        size_t depth;
        uint64_t steps; /* left */
        struct buf *scratch;
        struct regex_room *room;
};

static inline const char *quick_unsure(struct quick *q)
{
        q->unsure = true;
        return NULL;
}

static inline const char *quick_space(const struct quick *q, const char *p)
{
        while (p < q->end && *p <= ' ' && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
                p++;
        return p;
}

/* An array or object under a rule that has enum or const, or not this type: only the type can be
 * judged here. */
static inline const char *quick_fails_or_unsure(
        struct quick *q, const struct rule *r, enum rule_type type)
{
        if (r->types & type)
                q->unsure = true;
        return NULL;
}

/* The string whose quote is at @p: *text is what it stands for, in the document or in the scratch
 * buffer. Return: where it ends; NULL: it is none, and q->unsure. */
const char *quick_text(struct quick *q, const char *p, struct str *text);

/* Each: the value at @p against what @r says of its kind. Return: where it ends; NULL: it does not
 * fit, or q->unsure. */
const char *quick_value(struct quick *q, const struct rule *r, const char *p);
const char *quick_string(struct quick *q, const struct rule *r, const char *p);
const char *quick_number(struct quick *q, const struct rule *r, const char *p);
const char *quick_word(
        struct quick *q, const struct rule *r, const char *p, struct str word, enum node_kind kind);
