/* What is no query: the map in the mapper, or a file, whose ending says what it is. */
#include "mappers/lookup_internal.h"

#include "ingest/base/file.h"

static bool ends_with(const char *text, const char *end)
{
        size_t len = strlen(text), n = strlen(end);

        return len >= n && strcmp(text + len - n, end) == 0;
}

/* The words of @why at the look-up's place; what is no mistake of an operator stays as it is. */
static int at_lookup(const struct lookup_table *t, int rc, const struct err *why, struct err *e)
{
        if (rc == -ERR_CONFIG)
                return lookup_table_error(t, NULL, e, "%s", why->text);
        if (e)
                *e = *why;
        return rc;
}

static int load_node(
        struct lookup_table *t, const struct ydoc *doc, const char *name, struct err *e)
{
        const struct ynode *n = name ? doc->root : t->spec->map;
        cleanup_buf_ struct buf json = BUF_INIT(LOOKUP_MAX_FILE);
        struct err why;
        int rc = ynode_json_check(doc, n, &why);

        if (rc)
                return at_lookup(t, rc, &why, e);
        ynode_json(n, &json);
        rc = lookup_check(t, &json, e);
        return rc ? rc : lookup_json(t, buf_str(&json), name, e);
}

static int load_yaml(struct lookup_table *t, struct err *e)
{
        cleanup_(ydoc_freep) struct ydoc *doc = NULL;
        struct err why;
        int rc = ydoc_load(t->spec->file, YDOC_EXPAND_NONE, &doc, &why);

        if (rc)
                return at_lookup(t, rc, &why, e);
        return load_node(t, doc, t->spec->file, e);
}

static int load_text(struct lookup_table *t, struct err *e)
{
        cleanup_buf_ struct buf text = BUF_INIT(LOOKUP_MAX_FILE);
        const char *name = t->spec->file;
        struct err why;
        int rc = file_read(name, &text, &why);

        if (rc)
                return at_lookup(t, rc, &why, e);
        struct str s = buf_str(&text);
        if (str_starts(s, STR("\xEF\xBB\xBF"))) /* as spreadsheets begin UTF-8 */
                s = (struct str){s.ptr + 3, s.len - 3};
        return ends_with(name, ".csv") ? lookup_csv(t, s, name, e) : lookup_json(t, s, name, e);
}

int lookup_file(struct lookup_table *t, struct err *e)
{
        lookup_table_clear(t);
        if (t->spec->origin == LOOKUP_MAP)
                return load_node(t, t->spec->doc, NULL, e);
        return ends_with(t->spec->file, ".csv") || ends_with(t->spec->file, ".json")
                       ? load_text(t, e)
                       : load_yaml(t, e);
}
