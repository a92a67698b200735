/*
 * rest_fixture.h: REST sources and extracts from YAML text, for unit tests.
 */
#pragma once

#include "ingest/source/rest/extract.h"
#include "ingest/source/source.h"

struct rest_fixture {
        struct ydoc *doc;
        struct arena *arena;
        struct source_config source;
        struct extract *x;
};

void rest_fixture_free(struct rest_fixture *f);

/** rest_fixture_extract() - @text, an `extract:` block, of the source `shop`, in f->x
 * Return: as extract_decode(); what is no YAML fails the test. Free it in any case. */
int rest_fixture_extract(struct rest_fixture *f, const char *text, struct err *e);

/** rest_fixture_source() - @text, an entry of `sources:` without type, as f->source */
int rest_fixture_source(struct rest_fixture *f, const char *text, struct err *e);

static inline const struct rest_extract *rest_fixture_own(const struct rest_fixture *f)
{
        return f->x->own;
}
static inline const struct rest_options *rest_fixture_options(const struct rest_fixture *f)
{
        return f->source.own;
}
