/*
 * render_case.h: tables of mappers, records, and what comes of them, for cmocka tests.
 */
#pragma once

#include "tests/support/mapper_fixture.h"

/* The body; "!FIELD: reason" with a part of the reason; or, where the mapper itself is refused,
 * "?" and a part of the error. */
struct render_case {
        const char *fields, *row, *expected;
};

/** render_reject_check() - fails the test unless what mapper_render() returned is the reject of @c
 * @m: what it gave in place of one */
void render_reject_check(const struct render_case *c, int rc, const struct mapper_reject *why,
        const struct mapped *m);

/** render_case_check() - fails the test where @c with @lines (of the child) gives something else
 * @head: more lines for the top of the mapper, or "" */
void render_case_check(const char *head, const struct render_case *c, const char *lines);

/** render_cases_check() - each of @cases, without lines */
void render_cases_check(const struct render_case *cases, size_t count);

#define RENDER_CASES(cases) render_cases_check(cases, sizeof(cases) / sizeof((cases)[0]))
