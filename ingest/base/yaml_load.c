/*
 * libyaml's events become nodes by recursive descent: its depth is limited, so is the stack.
 * libyaml resolves no kinds and knows no anchors at this level, which is what lets us be stricter
 * than it: YAML 1.2's kinds, duplicate keys refused, aliases counted with all they stand for.
 */
#include "ingest/base/yaml_syntax.h"

#include "ingest/base/file.h"

/* Of the nodes and texts of one file with everything expanded. */
#define ARENA_MAX ((size_t)256 << 20)

struct anchor {
        const char *name;
        const struct ynode_full *node;
};

struct loader {
        yaml_parser_t parser;
        struct str text;
        struct ydoc *doc; /* borrowed */
        enum ydoc_expand expand;
        size_t nodes;       /* so far, aliases counted in full */
        struct buf items;   /* const struct ynode *: elements of the lists that are open */
        struct buf pairs;   /* struct ynode_pair: of the maps that are open */
        struct buf anchors; /* struct anchor: of nodes that are complete */
        struct buf value;   /* a scalar that is being expanded */
};

static int next_event(struct loader *l, yaml_event_t *ev, struct err *e)
{
        if (!yaml_parser_parse(&l->parser, ev))
                return yaml_syntax_error(&l->parser, l->doc, l->text, e);
        return 0;
}

/* ---- nodes ---- */

static int out_of_arena(const struct loader *l, struct err *e)
{
        int rc = arena_failed(l->doc->arena, l->doc->name, e);

        if (rc == -ERR_REJECT)
                return err_set(e, ERR_CONFIG, "%s is larger than this program reads", l->doc->name);
        return rc;
}

static int count_nodes(struct loader *l, const struct yaml_place *at, size_t n, struct err *e)
{
        l->nodes += n;
        if (l->nodes > YDOC_MAX_NODES)
                return yaml_error(at, e, "the file has more than %d values (aliases included)",
                        YDOC_MAX_NODES);
        return 0;
}

static int new_node(
        struct loader *l, const struct yaml_place *at, struct ynode_full **out, struct err *e)
{
        int rc = count_nodes(l, at, 1, e);

        if (rc)
                return rc;
        struct ynode_full *n = arena_alloc(l->doc->arena, sizeof(*n));
        if (!n)
                return out_of_arena(l, e);
        n->node.line = at->line;
        n->node.column = at->column;
        n->size = 1;
        *out = n;
        return 0;
}

static void add_child(struct ynode_full *parent, const struct ynode *child)
{
        const struct ynode_full *full = (const struct ynode_full *)child;

        parent->size += full->size;
        if (parent->height < full->height + 1)
                parent->height = full->height + 1;
}

static int refuse_tag(const struct yaml_place *at, const yaml_char_t *tag, struct err *e)
{
        if (!tag)
                return 0;
        return yaml_error(
                at, e, "tags (!...) are not supported; put a value in quotes to make it text");
}

static int keep_anchor(
        struct loader *l, const yaml_char_t *name, const struct ynode_full *n, struct err *e)
{
        if (!name)
                return 0;
        if (l->anchors.len / sizeof(struct anchor) == YDOC_MAX_ANCHORS)
                return ynode_error(
                        l->doc, &n->node, e, "the file has more than %d anchors", YDOC_MAX_ANCHORS);
        struct anchor a = {arena_strdup(l->doc->arena, str_of((const char *)name)), n};
        if (!a.name)
                return out_of_arena(l, e);
        buf_put(&l->anchors, &a, sizeof(a));
        return buf_check(&l->anchors, "the anchors of a file", e);
}

static int load_alias(struct loader *l, const yaml_event_t *ev, int depth, const struct ynode **out,
        struct err *e)
{
        const struct anchor *anchors = (const struct anchor *)l->anchors.data;
        const char *name = (const char *)ev->data.alias.anchor;
        struct yaml_place at = yaml_place_of(l->doc, ev->start_mark);
        const struct ynode_full *found = NULL;

        /* The newest of a name counts, as YAML says. */
        for (size_t i = l->anchors.len / sizeof(*anchors); i > 0 && !found; i--)
                if (strcmp(anchors[i - 1].name, name) == 0)
                        found = anchors[i - 1].node;
        if (!found)
                return yaml_error(&at, e,
                        "alias *%s has no anchor &%s before it; a value that begins with * needs "
                        "quotes",
                        name, name);
        if (depth + found->height > YDOC_MAX_DEPTH)
                return yaml_error(&at, e, "nested deeper than %d levels", YDOC_MAX_DEPTH);
        *out = &found->node;
        return count_nodes(l, &at, found->size, e);
}

/* “text”: quotes of a word processor, which are part of the text to YAML. */
static bool has_typographic_quotes(struct str s)
{
        static const struct str open[] = {
                {"\xE2\x80\x9C", 3}, {"\xE2\x80\x9E", 3}, {"\xE2\x80\x98", 3}};
        static const struct str close[] = {
                {"\xE2\x80\x9D", 3}, {"\xE2\x80\x9C", 3}, {"\xE2\x80\x99", 3}};

        for (size_t i = 0; i < 3 && s.len >= 6; i++) {
                struct str tail = {s.ptr + s.len - 3, 3};
                if (str_starts(s, open[i]) && str_eq(tail, close[i]))
                        return true;
        }
        return false;
}

static int load_scalar(
        struct loader *l, const yaml_event_t *ev, const struct ynode **out, struct err *e)
{
        struct str text = {(const char *)ev->data.scalar.value, ev->data.scalar.length};
        bool plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        struct yaml_place at = yaml_place_of(l->doc, ev->start_mark);
        struct yaml_expansion what;
        struct ynode_full *n;

        int rc = refuse_tag(&at, ev->data.scalar.tag, e);
        if (rc == 0 && memchr(text.ptr, '\0', text.len))
                rc = yaml_error(&at, e, "a NUL character (\\0) is not allowed");
        if (rc == 0 && plain && has_typographic_quotes(text))
                rc = yaml_error(&at, e,
                        "typographic quotes are text to YAML: write \" or ' in their place");
        if (rc == 0)
                rc = yaml_expand(&at, l->expand, text, &l->value, &what, e);
        if (rc == 0)
                rc = new_node(l, &at, &n, e);
        if (rc)
                return rc;
        n->node.text = arena_dup(l->doc->arena, buf_str(&l->value));
        if (!n->node.text.ptr)
                return out_of_arena(l, e);
        n->node.expanded = what.value;
        n->node.kind =
                plain && (!what.any || what.whole) ? yaml_resolve(n->node.text) : YNODE_STRING;
        *out = &n->node;
        return keep_anchor(l, ev->data.scalar.anchor, n, e);
}

static int load_node(struct loader *l, const yaml_event_t *ev, int depth, const struct ynode **out,
        struct err *e);

/* Copies what lies in @stack from @from on into the arena and takes it off. */
static int take_from(
        struct loader *l, struct buf *stack, size_t from, const void **out, struct err *e)
{
        size_t bytes = stack->len - from;
        void *copy = arena_alloc(l->doc->arena, bytes);

        if (!copy)
                return out_of_arena(l, e);
        if (bytes)
                memcpy(copy, stack->data + from, bytes);
        stack->len = from;
        *out = copy;
        return 0;
}

static int load_list(struct loader *l, const yaml_event_t *start, int depth,
        const struct ynode **out, struct err *e)
{
        struct yaml_place at = yaml_place_of(l->doc, start->start_mark);
        size_t from = l->items.len;
        struct ynode_full *n;

        int rc = refuse_tag(&at, start->data.sequence_start.tag, e);
        if (rc == 0)
                rc = new_node(l, &at, &n, e);
        while (rc == 0) {
                cleanup_(yaml_event_delete) yaml_event_t ev = {0};
                const struct ynode *item;
                rc = next_event(l, &ev, e);
                if (rc == 0 && ev.type == YAML_SEQUENCE_END_EVENT)
                        break;
                if (rc == 0)
                        rc = load_node(l, &ev, depth + 1, &item, e);
                if (rc)
                        break;
                add_child(n, item);
                buf_put(&l->items, &item, sizeof(item));
                rc = buf_check(&l->items, "the lists of a file", e);
        }
        if (rc)
                return rc;
        n->node.kind = YNODE_LIST;
        n->node.count = (l->items.len - from) / sizeof(const struct ynode *);
        rc = take_from(l, &l->items, from, (const void **)&n->node.items, e);
        *out = &n->node;
        return rc ? rc : keep_anchor(l, start->data.sequence_start.anchor, n, e);
}

static int load_key(
        struct loader *l, const yaml_event_t *ev, struct ynode_pair *pair, struct err *e)
{
        struct yaml_place at = yaml_place_of(l->doc, ev->start_mark);
        struct str text = {(const char *)ev->data.scalar.value, ev->data.scalar.length};

        if (ev->type != YAML_SCALAR_EVENT)
                return yaml_error(&at, e, "a key must be a word or a string in quotes");
        bool plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        int rc = refuse_tag(&at, ev->data.scalar.tag, e);
        if (rc)
                return rc;
        if (ev->data.scalar.anchor)
                return yaml_error(&at, e, "an anchor (&%s) on a key is not supported",
                        (const char *)ev->data.scalar.anchor);
        if (plain && text.len == 0)
                return yaml_error(&at, e, "a key is missing before ':'");
        if (plain && str_is(text, "<<"))
                return yaml_error(&at, e, "merge keys (<<) are not supported; write the keys out");
        if (memchr(text.ptr, '\0', text.len))
                return yaml_error(&at, e, "a NUL character (\\0) is not allowed");
        *pair = (struct ynode_pair){arena_dup(l->doc->arena, text), at.line, at.column, NULL};
        return pair->key.ptr ? 0 : out_of_arena(l, e);
}

static int compare_keys(const void *a, const void *b)
{
        const struct ynode_pair *x = *(const struct ynode_pair *const *)a;
        const struct ynode_pair *y = *(const struct ynode_pair *const *)b;
        int order = str_cmp(x->key, y->key);

        return order ? order : (x > y) - (x < y);
}

static int duplicate_key(const struct loader *l, const struct ynode_pair *first,
        const struct ynode_pair *second, struct err *e)
{
        char shown[YNODE_SHOW_MAX];

        return ydoc_error_at(l->doc, second->line, second->column, e,
                "duplicate key %s, first on line %d: keep one of them",
                yaml_show(second->key, shown), first->line);
}

/* Sorted, so that a map of 100,000 entries costs no square. */
static int refuse_duplicates(const struct loader *l, const struct ynode *n, struct err *e)
{
        const struct ynode_pair *first = NULL, *second = NULL;

        if (n->count < 2)
                return 0;
        cleanup_(freep) const struct ynode_pair **sorted = calloc(n->count, sizeof(*sorted));
        if (!sorted)
                return err_nomem(e, "keys");
        for (size_t i = 0; i < n->count; i++)
                sorted[i] = &n->pairs[i];
        qsort(sorted, n->count, sizeof(*sorted), compare_keys);
        for (size_t i = 1; i < n->count; i++) {
                if (!str_eq(sorted[i - 1]->key, sorted[i]->key))
                        continue;
                if (!second || sorted[i] < second) {
                        first = sorted[i - 1];
                        second = sorted[i];
                }
        }
        return second ? duplicate_key(l, first, second, e) : 0;
}

/* One key and its value. Return: 1 at the end of the map. */
static int load_pair(struct loader *l, int depth, struct ynode_full *n, struct err *e)
{
        cleanup_(yaml_event_delete) yaml_event_t key = {0};
        cleanup_(yaml_event_delete) yaml_event_t value = {0};
        struct ynode_pair pair;

        int rc = next_event(l, &key, e);
        if (rc)
                return rc;
        if (key.type == YAML_MAPPING_END_EVENT)
                return 1;
        rc = load_key(l, &key, &pair, e);
        if (rc == 0)
                rc = next_event(l, &value, e);
        if (rc == 0)
                rc = load_node(l, &value, depth + 1, &pair.value, e);
        if (rc)
                return rc;
        add_child(n, pair.value);
        buf_put(&l->pairs, &pair, sizeof(pair));
        return buf_check(&l->pairs, "the maps of a file", e);
}

static int load_map(struct loader *l, const yaml_event_t *start, int depth,
        const struct ynode **out, struct err *e)
{
        struct yaml_place at = yaml_place_of(l->doc, start->start_mark);
        size_t from = l->pairs.len;
        struct ynode_full *n;

        int rc = refuse_tag(&at, start->data.mapping_start.tag, e);
        if (rc == 0)
                rc = new_node(l, &at, &n, e);
        while (rc == 0)
                rc = load_pair(l, depth, n, e);
        if (rc < 0)
                return rc;
        n->node.kind = YNODE_MAP;
        n->node.count = (l->pairs.len - from) / sizeof(struct ynode_pair);
        rc = take_from(l, &l->pairs, from, (const void **)&n->node.pairs, e);
        if (rc == 0)
                rc = refuse_duplicates(l, &n->node, e);
        *out = &n->node;
        return rc ? rc : keep_anchor(l, start->data.mapping_start.anchor, n, e);
}

static int load_node(struct loader *l, const yaml_event_t *ev, int depth, const struct ynode **out,
        struct err *e)
{
        struct yaml_place at = yaml_place_of(l->doc, ev->start_mark);

        if (depth > YDOC_MAX_DEPTH)
                return yaml_error(&at, e, "nested deeper than %d levels", YDOC_MAX_DEPTH);
        switch (ev->type) {
        case YAML_ALIAS_EVENT:
                return load_alias(l, ev, depth, out, e);
        case YAML_SCALAR_EVENT:
                return load_scalar(l, ev, out, e);
        case YAML_SEQUENCE_START_EVENT:
                return load_list(l, ev, depth, out, e);
        case YAML_MAPPING_START_EVENT:
                return load_map(l, ev, depth, out, e);
        default:
                return err_set(e, ERR_BUG, "libyaml: event %d where a value begins", ev->type);
        }
}

/* ---- the file ---- */

static int refuse_directives(const struct yaml_place *at, const yaml_event_t *ev, struct err *e)
{
        const yaml_version_directive_t *version = ev->data.document_start.version_directive;

        if (version && (version->major != 1 || version->minor != 2))
                return yaml_error(at, e, "%%YAML %d.%d: only YAML 1.2 is read", version->major,
                        version->minor);
        if (ev->data.document_start.tag_directives.start !=
                ev->data.document_start.tag_directives.end)
                return yaml_error(at, e, "tags (%%TAG) are not supported");
        return 0;
}

/* The root is a null node where the file has no content. */
static int load_document(struct loader *l, struct err *e)
{
        for (;;) {
                cleanup_(yaml_event_delete) yaml_event_t ev = {0};
                struct yaml_place at;
                int rc = next_event(l, &ev, e);
                if (rc || ev.type == YAML_STREAM_END_EVENT)
                        return rc;
                at = yaml_place_of(l->doc, ev.start_mark);
                if (ev.type == YAML_STREAM_START_EVENT || ev.type == YAML_DOCUMENT_END_EVENT)
                        continue;
                if (l->doc->root)
                        return yaml_error(&at, e,
                                "a second document begins here; a file holds one: remove ---");
                if (ev.type == YAML_DOCUMENT_START_EVENT)
                        rc = refuse_directives(&at, &ev, e);
                else
                        rc = load_node(l, &ev, 1, &l->doc->root, e);
                if (rc)
                        return rc;
        }
}

static int load_text(struct loader *l, struct err *e)
{
        struct yaml_place start = {l->doc, 1, 1};
        struct ynode_full *empty;

        if (!yaml_parser_initialize(&l->parser))
                return err_nomem(e, "the YAML parser");
        yaml_parser_set_input_string(&l->parser, (const unsigned char *)l->text.ptr, l->text.len);
        int rc = load_document(l, e);
        yaml_parser_delete(&l->parser);
        if (rc || l->doc->root)
                return rc;
        rc = new_node(l, &start, &empty, e);
        if (rc)
                return rc;
        empty->node.text = STR("");
        l->doc->root = &empty->node;
        return 0;
}

static int new_doc(const char *name, struct ydoc **out, struct err *e)
{
        cleanup_(ydoc_freep) struct ydoc *d = calloc(1, sizeof(*d));

        if (!d)
                return err_nomem(e, name);
        d->arena = arena_new(ARENA_MAX);
        if (!d->arena)
                return err_nomem(e, name);
        d->name = arena_strdup(d->arena, str_of(name));
        if (!d->name)
                return err_nomem(e, name);
        *out = TAKE(d);
        return 0;
}

int ydoc_parse(struct str text, const char *name, enum ydoc_expand expand, struct ydoc **out,
        struct err *e)
{
        cleanup_(ydoc_freep) struct ydoc *d = NULL;
        struct loader l = {.text = text.ptr ? text : STR(""), .expand = expand};

        if (text.len > YDOC_MAX_BYTES)
                return err_set(e, ERR_CONFIG, "%s is larger than %d bytes", name, YDOC_MAX_BYTES);
        int rc = new_doc(name, &d, e);
        if (rc)
                return rc;
        l.doc = d;
        buf_init(&l.items, YDOC_MAX_NODES * sizeof(struct ynode *));
        buf_init(&l.pairs, YDOC_MAX_NODES * sizeof(struct ynode_pair));
        buf_init(&l.anchors, YDOC_MAX_ANCHORS * sizeof(struct anchor));
        buf_init(&l.value, expand == YDOC_EXPAND_NONE ? YDOC_MAX_BYTES : YDOC_MAX_VALUE);
        rc = load_text(&l, e);
        buf_deinit(&l.items);
        buf_deinit(&l.pairs);
        buf_deinit(&l.anchors);
        buf_deinit(&l.value);
        if (rc == 0)
                *out = TAKE(d);
        return rc;
}

int ydoc_load(const char *path, enum ydoc_expand expand, struct ydoc **out, struct err *e)
{
        cleanup_buf_ struct buf text = BUF_INIT(YDOC_MAX_BYTES);

        int rc = file_read(path, &text, e);
        return rc ? rc : ydoc_parse(buf_str(&text), path, expand, out, e);
}

struct ydoc *ydoc_free(struct ydoc *d)
{
        if (d) {
                arena_free(d->arena);
                free(d);
        }
        return NULL;
}
