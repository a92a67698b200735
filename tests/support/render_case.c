/* A reject must be one line of UTF-8, and name its field. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "tests/support/render_case.h"

#define MAX_TEXT (1 << 20)

void render_reject_check(const struct render_case *c, int rc, const struct mapper_reject *why,
        const struct mapped *m)
{
        char text[4096];

        if (rc != MAPPER_REJECT)
                fail_msg("%s with %s: not rejected: %.*s", c->fields, c->row, STR_ARG(m->body));
        snprintf(text, sizeof(text), "%s: %s", why->field, why->reason);
        const char *colon = strchr(c->expected, ':');
        size_t field = (size_t)(colon - c->expected) + 1;
        if (strncmp(text, c->expected + 1, field) != 0 || !strstr(text, colon + 2))
                fail_msg("%s with %s:\n    \"%s\"\n    does not say\n    \"%s\"", c->fields, c->row,
                        text, c->expected + 1);
        if (strchr(text, '\n') || !str_utf8_valid(str_of(text)))
                fail_msg("not one line of UTF-8: %s", text);
}

static void check_record(struct fixture *f, const struct render_case *c, const char *lines)
{
        struct mapper_reject why;
        struct mapped m;
        struct err e;

        int rc = fixture_render(f, c->row, lines, &m, &why, &e);
        if (*c->expected == '!')
                render_reject_check(c, rc, &why, &m);
        else if (rc)
                fail_msg("%s with %s: %s: %s", c->fields, c->row,
                        rc == MAPPER_REJECT ? why.field : "error",
                        rc == MAPPER_REJECT ? why.reason : e.text);
        else if (!str_is(m.body, c->expected))
                fail_msg("%s with %s:\n    %.*s\n    is not\n    %s", c->fields, c->row,
                        STR_ARG(m.body), c->expected);
}

void render_case_check(const char *head, const struct render_case *c, const char *lines)
{
        cleanup_buf_ struct buf yaml = {.max = MAX_TEXT};
        struct fixture f;
        struct err e;

        fixture_yaml(&yaml, head, "db", "t:${row.id}", c->fields);
        int rc = fixture_load(&f, buf_cstr(&yaml), &e);
        if (*c->expected != '?') {
                if (rc)
                        fail_msg("%s: %s", c->fields, e.text);
                check_record(&f, c, lines);
                fixture_close(&f);
        } else if (rc != -ERR_CONFIG || !strstr(e.text, c->expected + 1)) {
                fail_msg("%s:\n    \"%s\"\n    does not say\n    \"%s\"", c->fields,
                        rc ? e.text : "no error", c->expected + 1);
        }
}

void render_cases_check(const struct render_case *cases, size_t count)
{
        for (size_t i = 0; i < count; i++)
                render_case_check("", &cases[i], "");
}
