/* The operations of a REST source, as far as decoding goes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/rest_fixture.h"

static const struct source_ops rest_ops = {
        .type = "rest",
        .options = &rest_option_table,
        .options_size = sizeof(struct rest_options),
        .check = rest_options_check,
        .extract = &extract_rest,
        .decode_extract = rest_extract_decode,
};

static void parse(struct rest_fixture *f, const char *text, const char *name)
{
        struct err e;

        *f = (struct rest_fixture){
                .arena = arena_new(16 << 20), .source = {.name = "shop", .ops = &rest_ops}};
        if (!f->arena || ydoc_parse(str_of(text), name, YDOC_EXPAND_NONE, &f->doc, &e))
                fail_msg("%s", e.text);
}

void rest_fixture_free(struct rest_fixture *f)
{
        ydoc_free(f->doc);
        arena_free(f->arena);
}

int rest_fixture_extract(struct rest_fixture *f, const char *text, struct err *e)
{
        parse(f, text, "m.yaml");
        return extract_decode(&f->source, f->doc, f->doc->root, f->arena, &f->x, e);
}

int rest_fixture_source(struct rest_fixture *f, const char *text, struct err *e)
{
        struct option_context cx;

        parse(f, text, "c.yaml");
        cx = (struct option_context){f->doc, f->arena, NULL};
        f->source.doc = f->doc;
        f->source.node = f->doc->root;
        f->source.own = arena_alloc(f->arena, sizeof(struct rest_options));
        assert_non_null(f->source.own);
        int rc = options_decode(&cx, &rest_option_table, f->doc->root, f->source.own, e);
        return rc ? rc : rest_options_check(&f->source, e);
}
