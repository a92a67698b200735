/*
 * Defaults run through the same decoders as what an operator wrote, as nodes without a place: a
 * default that its own decoder refuses fails every load, so no test can miss it.
 */
#include "ingest/base/options.h"

#include <ctype.h>
#include <stdio.h>

#define LISTED_MAX  600 /* bytes of a list of names in a message */
#define SUGGEST_MAX 64  /* names that are compared for a suggestion */

/* One value on its way into its field. */
struct decoding {
        const struct option_context *cx;
        const struct option *o;
        const struct ynode *n;
        void *field;
};

typedef int (*decode_fn)(const struct decoding *d, struct err *e);

int options_nomem(const struct option_context *cx, struct err *e)
{
        int rc = arena_failed(cx->arena, cx->doc->name, e);

        if (rc == -ERR_REJECT)
                return err_set(
                        e, ERR_CONFIG, "%s is larger than this program reads", cx->doc->name);
        return rc;
}

/* ---- values ---- */

/* How the value is named in a message; secrets and expanded text never are. */
static const char *shown(const struct decoding *d, char out[YNODE_SHOW_MAX])
{
        if (d->o->secret || d->n->expanded)
                return ynode_kind_name(d->n->kind);
        return ynode_show(d->n, out);
}

/* A value that is not there was often meant to be: YAML takes # and ~ for its own. */
static int hint_nothing(const struct decoding *d, int rc, struct err *e)
{
        if (d->n->kind != YNODE_NULL || d->n->expanded)
                return rc;
        return err_hint(e, rc,
                "nothing stands there: a value that begins with # or is ~ or null "
                "needs quotes");
}

static int wrong_type(const struct decoding *d, struct err *e, const char *expected)
{
        int rc = ynode_error(d->cx->doc, d->n, e, "'%s' must be %s, not %s", d->o->name, expected,
                ynode_kind_name(d->n->kind));

        return hint_nothing(d, rc, e);
}

static int wrong_value(const struct decoding *d, struct err *e, const char *expected)
{
        char text[YNODE_SHOW_MAX];

        int rc = ynode_error(d->cx->doc, d->n, e, "'%s' must be %s, not %s", d->o->name, expected,
                shown(d, text));

        return hint_nothing(d, rc, e);
}

/* What a variable gave is text even where a file would say null: a password may be "null". */
static bool is_text(const struct ynode *n)
{
        return ynode_is_scalar(n) && (n->kind != YNODE_NULL || n->expanded);
}

static int copy_text(
        const struct option_context *cx, const struct ynode *n, const char **out, struct err *e)
{
        const char *copy = arena_strdup(cx->arena, n->text);

        if (!copy)
                return options_nomem(cx, e);
        *out = copy;
        return 0;
}

static int decode_string(const struct decoding *d, struct err *e)
{
        if (!is_text(d->n))
                return wrong_type(d, e, "a string");
        if (d->n->text.len == 0 && d->o->min > 0)
                return ynode_error(d->cx->doc, d->n, e, "'%s' must not be empty", d->o->name);
        if ((int64_t)d->n->text.len < d->o->min)
                return ynode_error(d->cx->doc, d->n, e, "'%s' must have at least %lld characters",
                        d->o->name, (long long)d->o->min);
        return copy_text(d->cx, d->n, d->field, e);
}

static int decode_bool(const struct decoding *d, struct err *e)
{
        bool quoted = d->n->kind == YNODE_STRING && !d->n->expanded &&
                      (str_is(d->n->text, "true") || str_is(d->n->text, "false"));

        if (quoted)
                return wrong_type(d, e, "true or false without quotes");
        if (d->n->kind != YNODE_BOOL)
                return wrong_value(d, e, "true or false");
        *(bool *)d->field = ynode_bool(d->n);
        return 0;
}

/* @unit: behind the limits in the message, " ms" or "". */
static int store_limited(const struct decoding *d, int64_t value, const char *unit, struct err *e)
{
        const struct option *o = d->o;
        bool limited = o->min != 0 || o->max != 0;
        char text[YNODE_SHOW_MAX];

        if (limited && (value < o->min || value > o->max))
                return ynode_error(d->cx->doc, d->n, e, "'%s' must be from %lld to %lld%s, not %s",
                        o->name, (long long)o->min, (long long)o->max, unit, shown(d, text));
        *(int64_t *)d->field = value;
        return 0;
}

static int decode_int(const struct decoding *d, struct err *e)
{
        int64_t value;
        bool digits = ynode_is_scalar(d->n) && str_to_int64(d->n->text, &value);

        if (digits && d->n->kind == YNODE_STRING)
                return wrong_type(d, e, "an integer without quotes");
        if (!digits || d->n->kind != YNODE_INT)
                return wrong_value(d, e, "an integer");
        return store_limited(d, value, "", e);
}

static int decode_size(const struct decoding *d, struct err *e)
{
        int64_t value;

        if (!ynode_is_scalar(d->n) || !str_to_size(d->n->text, &value))
                return wrong_value(d, e, "a size such as 4MiB, 512KiB or 100000 (bytes)");
        return store_limited(d, value, " bytes", e);
}

static int decode_duration(const struct decoding *d, struct err *e)
{
        int64_t value;

        if (!ynode_is_scalar(d->n) || !str_to_duration(d->n->text, &value))
                return wrong_value(d, e, "a duration such as 500ms, 30s, 5m or 1h30m");
        return store_limited(d, value, " ms", e);
}

/* "a, b or c" */
static void list_choices(const char *const *choices, char out[LISTED_MAX])
{
        size_t at = 0;

        out[0] = '\0';
        for (size_t i = 0; choices[i] && at < LISTED_MAX; i++) {
                const char *before = i == 0 ? "" : choices[i + 1] ? ", " : " or ";
                at += (size_t)snprintf(out + at, LISTED_MAX - at, "%s%s", before, choices[i]);
        }
}

static int wrong_choice(const struct decoding *d, size_t count, struct err *e)
{
        char listed[LISTED_MAX];

        list_choices(d->o->choices, listed);
        int rc = wrong_value(d, e, listed);
        const char *near = str_nearest(d->n->text, d->o->choices, count);
        return near ? err_hint(e, rc, "did you mean '%s'?", near) : rc;
}

static int decode_choice(const struct decoding *d, struct err *e)
{
        size_t count = 0;

        for (; d->o->choices[count]; count++) {
                if (ynode_is_scalar(d->n) && str_is(d->n->text, d->o->choices[count])) {
                        *(int *)d->field = (int)count;
                        return 0;
                }
        }
        return wrong_choice(d, count, e);
}

int options_strings(const struct option_context *cx, const char *what, const struct ynode *n,
        struct string_list *out, struct err *e)
{
        const struct ynode *const *items = n->kind == YNODE_LIST ? n->items : &n;
        size_t count = n->kind == YNODE_LIST ? n->count : 1;

        const char **copies = arena_array(cx->arena, count, sizeof(*copies));
        if (!copies)
                return options_nomem(cx, e);
        for (size_t i = 0; i < count; i++) {
                if (!is_text(items[i]))
                        return ynode_error(cx->doc, items[i], e,
                                "%s must be a string or a list of strings, not %s%s", what,
                                n->kind == YNODE_LIST ? "a list with " : "",
                                ynode_kind_name(items[i]->kind));
                int rc = copy_text(cx, items[i], &copies[i], e);
                if (rc)
                        return rc;
        }
        *out = (struct string_list){copies, count};
        return 0;
}

static int decode_strings(const struct decoding *d, struct err *e)
{
        char what[80];

        snprintf(what, sizeof(what), "'%s'", d->o->name);
        if (d->n->kind == YNODE_LIST && (int64_t)d->n->count < d->o->min)
                return ynode_error(d->cx->doc, d->n, e, "'%s' must not be empty", d->o->name);
        return options_strings(d->cx, what, d->n, d->field, e);
}

static int decode_map(const struct decoding *d, struct err *e)
{
        if (d->n->kind != YNODE_MAP)
                return wrong_type(d, e, "a map");
        return options_decode(d->cx, d->o->table, d->n, d->field, e);
}

static int decode_node(const struct decoding *d, struct err *e)
{
        (void)e;
        *(const struct ynode **)d->field = d->n;
        return 0;
}

static int decode_by_handler(const struct decoding *d, struct err *e)
{
        return d->o->handler(d->cx, d->n, d->field, e);
}

/* ---- maps ---- */

static int decode_value(const struct option_context *cx, const struct option *o,
        const struct ynode *n, void *target, struct err *e)
{
        static const decode_fn decoders[] = {
                [OPTION_STRING] = decode_string,
                [OPTION_BOOL] = decode_bool,
                [OPTION_INT] = decode_int,
                [OPTION_SIZE] = decode_size,
                [OPTION_DURATION] = decode_duration,
                [OPTION_CHOICE] = decode_choice,
                [OPTION_STRINGS] = decode_strings,
                [OPTION_MAP] = decode_map,
                [OPTION_NODE] = decode_node,
                [OPTION_HANDLER] = decode_by_handler,
        };
        struct decoding d = {cx, o, n, (char *)target + o->offset};

        return decoders[o->type](&d, e);
}

/* The node an operator's @text would be. */
static struct ynode default_node(const char *text, enum option_type type)
{
        struct ynode n = {.kind = YNODE_STRING, .text = str_of(text)};

        if (type == OPTION_BOOL)
                n.kind = YNODE_BOOL;
        else if (type == OPTION_INT)
                n.kind = YNODE_INT;
        return n;
}

static int set_defaults(const struct option_context *cx, const struct option_table *table,
        void *target, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; i < table->count && rc == 0; i++) {
                const struct option *o = &table->options[i];
                if (o->type == OPTION_MAP) {
                        rc = set_defaults(cx, o->table, (char *)target + o->offset, e);
                } else if (o->default_text) {
                        struct ynode n = default_node(o->default_text, o->type);
                        rc = decode_value(cx, o, &n, target, e);
                }
        }
        return rc;
}

/* The names an operator may write, for messages. Return: how many. */
static size_t valid_names(const struct option_table *table, const char *names[SUGGEST_MAX])
{
        size_t n = 0;

        for (size_t i = 0; i < table->count && n < SUGGEST_MAX; i++)
                if (table->options[i].type != OPTION_LATER)
                        names[n++] = table->options[i].name;
        return n;
}

int options_unknown_key(const struct option_context *cx, const struct option_table *table,
        const struct ynode_pair *pair, struct err *e)
{
        const char *names[SUGGEST_MAX + 1];
        size_t count = valid_names(table, names);
        char listed[LISTED_MAX], shown[YNODE_SHOW_MAX];

        const char *near = str_nearest(pair->key, names, count);
        yaml_show(pair->key, shown);
        if (near)
                return ydoc_error_at(cx->doc, pair->line, pair->column, e,
                        "unknown key %s, did you mean '%s'?", shown, near);
        names[count] = NULL;
        list_choices(names, listed);
        int rc = ydoc_error_at(cx->doc, pair->line, pair->column, e, "unknown key %s; %s takes %s",
                shown, table->what, listed);
        if (pair->value->kind == YNODE_NULL && pair->value->line == pair->line)
                return err_hint(e, rc, "a value with a comma in it needs quotes inside {}");
        return rc;
}

static const struct option *find_option(const struct option_table *table, struct str key)
{
        for (size_t i = 0; i < table->count; i++)
                if (str_is(key, table->options[i].name))
                        return &table->options[i];
        return NULL;
}

static int later(const struct option_context *cx, const struct option *o,
        const struct ynode_pair *pair, struct err *e)
{
        int rc = ydoc_error_at(
                cx->doc, pair->line, pair->column, e, "'%s' is not in this version", o->name);

        return o->help ? err_hint(e, rc, "%s", o->help) : rc;
}

static int decode_pair(const struct option_context *cx, const struct option_table *table,
        const struct ynode_pair *pair, void *target, struct err *e)
{
        const struct option *o = find_option(table, pair->key);

        if (!o)
                return options_unknown_key(cx, table, pair, e);
        if (o->type == OPTION_LATER)
                return later(cx, o, pair, e);
        if (o->present_offset)
                *(bool *)((char *)target + o->present_offset) = true;
        return decode_value(cx, o, pair->value, target, e);
}

/* What the key is for stands in its help, a sentence: here it goes on after a colon. */
static int missing(const struct option_context *cx, const struct option *o,
        const struct option_table *table, const struct ynode *n, struct err *e)
{
        struct str help = str_of(o->help ? o->help : "");
        size_t word = 1;
        int rc = ynode_error(cx->doc, n, e, "key '%s' is missing in %s", o->name, table->what);

        if (help.len > 0 && help.ptr[help.len - 1] == '.')
                help.len--;
        if (help.len == 0)
                return rc;
        while (word < help.len && islower((unsigned char)help.ptr[word]))
                word++;
        bool name = word < help.len && isupper((unsigned char)help.ptr[word]); /* URL, CouchDB */
        char first = name ? help.ptr[0] : (char)tolower((unsigned char)help.ptr[0]);
        return err_hint(e, rc, "add it: %c%.*s", first, (int)help.len - 1, help.ptr + 1);
}

static int check_required(const struct option_context *cx, const struct option_table *table,
        const struct ynode *n, struct err *e)
{
        for (size_t i = 0; i < table->count; i++) {
                const struct option *o = &table->options[i];
                if (o->required && !ynode_key(n, o->name))
                        return missing(cx, o, table, n, e);
        }
        return 0;
}

int options_decode(const struct option_context *cx, const struct option_table *table,
        const struct ynode *n, void *target, struct err *e)
{
        int rc = set_defaults(cx, table, target, e);

        if (rc || !n)
                return rc;
        if (n->kind == YNODE_NULL)
                return ynode_error(cx->doc, n, e, "%s is empty: write its keys, indented below it",
                        table->what);
        if (n->kind != YNODE_MAP)
                return ynode_error(cx->doc, n, e, "%s must be a map, not %s", table->what,
                        ynode_kind_name(n->kind));
        for (size_t i = 0; i < n->count && rc == 0; i++)
                rc = decode_pair(cx, table, &n->pairs[i], target, e);
        return rc ? rc : check_required(cx, table, n, e);
}
