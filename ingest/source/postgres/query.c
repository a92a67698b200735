/*
 * The select list is cut at the commas that stand in no bracket. Of an item only its end counts:
 * `AS name`, or a column alone. All else (a star, a function without AS, an alias without AS) has a
 * name as well, but which one only PostgreSQL knows for sure.
 */
#include "ingest/source/postgres/query.h"

#include <string.h>
#include <strings.h>

#include "ingest/source/postgres/sql.h"

#define MAX_NAME 63 /* bytes: PostgreSQL cuts longer ones */

static bool is_word(struct str token, const char *word)
{
        return token.len == strlen(word) && strncasecmp(token.ptr, word, token.len) == 0;
}

static bool is_one_of(struct str token, const char *const *words)
{
        while (*words && !is_word(token, *words))
                words++;
        return *words;
}

static bool is_char(struct str token, char c)
{
        return token.len == 1 && *token.ptr == c;
}

/* ---- names ---- */

static bool is_name(struct str token)
{
        char c = token.len ? *token.ptr : '\0';

        if (c == '"')
                return token.len > 2;
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'))
                return false;
        for (size_t i = 0; i < token.len; i++)
                if (token.ptr[i] & 0x80 || token.ptr[i] == '\'') /* E'..', or folding by locale */
                        return false;
        return true;
}

/* The name that @token stands for: folded, or without its quotes. */
static const char *name_of(struct str token, struct arena *arena)
{
        char *out = arena_alloc(arena, token.len + 1);
        size_t n = 0;

        if (!out)
                return NULL;
        if (*token.ptr != '"') {
                for (; n < token.len; n++)
                        out[n] = token.ptr[n] >= 'A' && token.ptr[n] <= 'Z'
                                         ? (char)(token.ptr[n] | 0x20)
                                         : token.ptr[n];
        } else {
                n = token.len - 2; /* a doubled quote would have made two tokens of it */
                memcpy(out, token.ptr + 1, n);
        }
        return n <= MAX_NAME ? out : NULL;
}

/* ---- the select list ---- */

struct list {
        struct str text;
        size_t at;
        struct str token;    /* the one read last ... */
        int depth;           /* ... and the brackets open before it */
        struct str last, as; /* of an item: the token before; the one behind AS */
        size_t tokens;       /* of an item, brackets counted as one */
        bool column;         /* it is names and dots alone */
};

static bool next(struct list *l)
{
        if (!pg_sql_token(l->text, &l->at, &l->token))
                return false;
        if (is_char(l->token, ')') || is_char(l->token, ']'))
                l->depth--;
        return true;
}

static void opened(struct list *l)
{
        l->depth += is_char(l->token, '(') || is_char(l->token, '[');
}

/* Behind SELECT, which may follow common table expressions; false: there is none. */
static bool find_select(struct list *l)
{
        bool with = false;

        for (bool first = true; next(l); first = false) {
                if (l->depth == 0 && is_word(l->token, "select"))
                        return true;
                with = with || (first && is_word(l->token, "with"));
                if (!with)
                        return false;
                opened(l);
        }
        return false;
}

/* Ends the list: of the words that may, those that cannot be a column without quotes. */
static bool ends_list(const struct list *l)
{
        static const char *const words[] = {"from", "where", "group", "having", "window", "union",
                "intersect", "except", "order", "limit", "offset", "fetch", "for", "into", NULL};

        if (l->depth != 0 || !is_one_of(l->token, words))
                return false;
        if (is_char(l->last, '.') || is_word(l->last, "as"))
                return false; /* there any word is a name */
        return !(is_word(l->token, "from") && is_word(l->last, "distinct"));
}

static void begin_item(struct list *l)
{
        l->last = l->as = (struct str){0};
        l->tokens = 0;
        l->column = true;
}

/* Takes note of one more token of an item. */
static void take_token(struct list *l)
{
        bool inside = l->depth > 0;

        if (!inside) {
                bool dot_due = l->tokens % 2;
                l->column = l->column && (dot_due ? is_char(l->token, '.') : is_name(l->token));
                l->as = is_word(l->last, "as") ? l->token : (struct str){0};
                l->last = l->token;
                l->tokens++;
        }
        opened(l);
}

/* The name of the item that has ended; NULL: not known. */
static const char *item_name(const struct list *l, struct arena *arena)
{
        if (l->as.ptr && is_name(l->as))
                return name_of(l->as, arena);
        if (l->column && l->tokens % 2 && !is_word(l->last, "null") && !is_word(l->last, "true") &&
                !is_word(l->last, "false"))
                return name_of(l->last, arena);
        return NULL;
}

static bool add_item(struct list *l, struct arena *arena, const char **names, size_t *count)
{
        if (*count == RECORD_MAX_COLUMNS)
                return false;
        names[*count] = item_name(l, arena);
        begin_item(l);
        return names[(*count)++];
}

bool pg_query_outputs(const char *query, struct arena *arena, struct string_list *out)
{
        struct list l = {.text = str_trim(str_of(query))};
        const char **names = arena_array(arena, RECORD_MAX_COLUMNS, sizeof(*names));
        size_t count = 0;
        bool more;

        if (!names || !find_select(&l))
                return false;
        begin_item(&l);
        while ((more = next(&l)) && !ends_list(&l) && !(l.depth == 0 && is_char(l.token, ';'))) {
                if (l.tokens == 0 && (is_word(l.token, "distinct") || is_word(l.token, "all")))
                        return false; /* DISTINCT ON (...) has a list of its own */
                if (l.depth == 0 && is_char(l.token, ',')) {
                        if (!add_item(&l, arena, names, &count))
                                return false;
                } else {
                        take_token(&l);
                }
        }
        if (l.depth != 0 || (!more && l.at < l.text.len) || !add_item(&l, arena, names, &count))
                return false;
        *out = (struct string_list){names, count};
        return true;
}

/* ---- nulls ---- */

enum column_nulls pg_query_nulls(const char *query, bool not_null)
{
        static const char *const outer[] = {
                "left", "right", "full", "grouping", "rollup", "cube", NULL};
        struct str text = str_of(query ? query : ""), token, before = {0};
        bool joins_outer = false, leaves_out = false;

        for (size_t at = 0; pg_sql_token(text, &at, &token); before = token) {
                joins_outer = joins_outer || is_one_of(token, outer);
                leaves_out = leaves_out || is_word(token, "notnull") ||
                             (is_word(token, "null") && is_word(before, "not"));
        }
        if (not_null)
                return joins_outer ? NULLS_UNKNOWN : NULLS_NEVER;
        return leaves_out ? NULLS_UNKNOWN : NULLS_POSSIBLE;
}
