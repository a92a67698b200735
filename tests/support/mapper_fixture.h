/*
 * mapper_fixture.h: a mapper from YAML text over a fixed set of columns, for unit tests.
 *
 * The columns are one of each kind, and two children; rows are written "name=value|name=value",
 * all other columns are NULL.
 */
#pragma once

#include "mappers/compile.h"

struct fixture {
        struct mapper_spec *spec;
        struct mapper_program *program;
};

/* The columns: id, code, name, price, weight, ratio (float4), active, data, tags, amounts, flags,
 * stamps, docs, grid, day, clock, local, stamp, span, raw, padded, money and "with.dot"; the
 * child `lines` has id, sku, qty, due, extra (JSON) and labels (text[]), the child `empty` id. */
extern const struct shape fixture_shape;

/** fixture_yaml() - appends a whole mapper with @fields, each line of it indented
 * @head: more lines for the top, or ""      @id: the target's id      @database: its database */
void fixture_yaml(struct buf *out, const char *head, const char *database, const char *id,
        const char *fields);

/** fixture_load() - parses and compiles @yaml. Return: 0 or -class (the error says FILE "m.yaml").
 */
int fixture_load(struct fixture *f, const char *yaml, struct err *e);

/** fixture_open() - the same for @fields alone, with ids "t:${row.id}" in the database "db" */
int fixture_open(struct fixture *f, const char *fields, struct err *e);

void fixture_close(struct fixture *f);

/** fixture_render() - maps the row @row and @lines (rows of the child, separated by newlines)
 * Return: what mapper_render() returns. */
int fixture_render(struct fixture *f, const char *row, const char *lines, struct mapped *out,
        struct mapper_reject *why, struct err *e);

/** fixture_value() - sets @column of @row; @text must live as long */
void fixture_value(struct value *row, const char *column, struct str text);

#define FIXTURE_COLUMNS 23
