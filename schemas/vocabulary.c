/* Only the $vocabulary of a metaschema is read, never that of the metaschema's own metaschema. */
#include "schemas/vocabulary.h"

#define DRAFT "https://json-schema.org/draft/2020-12/"

static const struct {
        const char *uri;
        enum vocabulary bit;
} vocabularies[] = {
        {DRAFT "vocab/core", VOCABULARY_CORE},
        {DRAFT "vocab/applicator", VOCABULARY_APPLICATOR},
        {DRAFT "vocab/unevaluated", VOCABULARY_UNEVALUATED},
        {DRAFT "vocab/validation", VOCABULARY_VALIDATION},
        {DRAFT "vocab/meta-data", VOCABULARY_META_DATA},
        {DRAFT "vocab/format-annotation", VOCABULARY_FORMAT_ANNOTATION},
        {DRAFT "vocab/format-assertion", VOCABULARY_FORMAT_ASSERTION},
        {DRAFT "vocab/content", VOCABULARY_CONTENT},
};

static unsigned bit_of(struct str uri)
{
        for (size_t i = 0; i < sizeof(vocabularies) / sizeof(vocabularies[0]); i++)
                if (str_is(uri, vocabularies[i].uri))
                        return vocabularies[i].bit;
        return 0;
}

/* The bits of the metaschema @meta. One that is not known and must be is an error. */
static int read_vocabularies(const struct resource *meta, unsigned *out, struct err *e)
{
        const struct node *list = node_member(meta->root, STR("$vocabulary"));

        *out = VOCABULARY_STANDARD;
        if (!list || list->kind != NODE_OBJECT)
                return 0;
        *out = VOCABULARY_CORE;
        for (const struct node *m = list->first; m; m = m->next) {
                unsigned bit = bit_of(m->key);
                if (!bit && m->kind == NODE_TRUE)
                        return set_error(meta, m, e,
                                "the vocabulary is required, and this program does not know it");
                *out |= bit;
        }
        return 0;
}

static int read_schema(
        struct set *s, struct resource *r, const struct node *uri, unsigned *out, struct err *e)
{
        struct resource *meta;
        struct str text = uri->text;

        if (text.len > 0 && text.ptr[text.len - 1] == '#')
                text.len--;
        if (str_is(text, DRAFT "schema")) {
                *out = VOCABULARY_STANDARD;
                return 0;
        }
        if (str_starts(text, STR("http://json-schema.org/draft-")) ||
                str_starts(text, STR("https://json-schema.org/draft/2019-")))
                return set_error(r, uri, e, "an earlier draft: only " DRAFT "schema is known");
        int rc = set_find_resource(s, text, &meta, e);
        if (rc)
                return set_wrap(r, uri, rc, e);
        return read_vocabularies(meta, out, e);
}

int vocabulary_of(struct set *s, struct resource *r, unsigned *out, struct err *e)
{
        struct resource *from = r;
        const struct node *uri = node_member(from->root, STR("$schema"));
        int rc = 0;

        while (!uri && from->parent) {
                from = (struct resource *)from->parent;
                uri = node_member(from->root, STR("$schema"));
        }
        if (!from->vocabularies_known) {
                unsigned bits = VOCABULARY_STANDARD;
                if (uri && uri->kind != NODE_STRING)
                        return set_error(from, uri, e, "must be a string");
                if (uri)
                        rc = read_schema(s, from, uri, &bits, e);
                if (rc)
                        return rc;
                from->vocabularies = bits;
                from->vocabularies_known = true;
        }
        *out = from->vocabularies;
        return 0;
}
