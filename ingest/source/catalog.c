/* Tables of words and small scores: what a person would guess from the same names. */
#include "ingest/source/catalog.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <strings.h>

#include "ingest/base/buf.h"
#include "ingest/base/text.h"

#define SHOWN_NAMES 12 /* in a message */

const char *catalog_kind_name(enum catalog_kind kind)
{
        static const char *const names[] = {
                [CATALOG_TABLE] = "table",
                [CATALOG_VIEW] = "view",
                [CATALOG_MATERIALIZED_VIEW] = "materialized view",
                [CATALOG_PARTITIONED_TABLE] = "partitioned table",
                [CATALOG_FOREIGN_TABLE] = "foreign table",
                [CATALOG_ENTITY_SET] = "entity set",
                [CATALOG_REPLY] = "reply",
        };
        return names[kind];
}

const char *catalog_key_from_name(enum catalog_key_from from)
{
        static const char *const names[] = {
                [CATALOG_KEY_NONE] = "none",
                [CATALOG_KEY_PRIMARY] = "primary key",
                [CATALOG_KEY_UNIQUE] = "unique index",
                [CATALOG_KEY_NULLABLE] = "unique index, may be NULL",
                [CATALOG_KEY_SEEN] = "unique in the rows looked at",
                [CATALOG_KEY_GUESS] = "guess",
        };
        return names[from];
}

/* ---- names ---- */

bool catalog_wants(const struct catalog_query *q, const struct catalog_name *name)
{
        if (q->schema && strcmp(q->schema, name->schema) != 0)
                return false;
        return !q->like || fnmatch(q->like, name->name, FNM_CASEFOLD | FNM_NOESCAPE) == 0;
}

static bool is_qualified(struct str wanted, const char *schema, const char *name)
{
        struct str prefix = str_of(schema);

        if (!str_starts(wanted, prefix) || wanted.len <= prefix.len ||
                wanted.ptr[prefix.len] != '.')
                return false;
        return strcmp(wanted.ptr + prefix.len + 1, name) == 0;
}

/* With or without the schema, each part as it is or as SQL writes it. */
static bool is_meant(const char *wanted, const struct catalog_name *n)
{
        const char *schemas[] = {n->schema, n->schema_sql}, *names[] = {n->name, n->name_sql};

        for (int i = 0; i < 2; i++) {
                if (strcmp(wanted, names[i]) == 0)
                        return true;
                for (int k = 0; k < 2; k++)
                        if (is_qualified(str_of(wanted), schemas[k], names[i]))
                                return true;
        }
        return false;
}

static void put_name(struct buf *list, const struct catalog_name *n, size_t shown)
{
        if (shown < SHOWN_NAMES)
                buf_printf(list, "%s%s.%s", shown ? ", " : "", n->schema_sql, n->name_sql);
        else if (shown == SHOWN_NAMES)
                buf_puts(list, ", ...");
}

/* The names nearest to @wanted: the spelling that is nearest, in every schema. */
static int unknown_table(const struct catalog_query *q, const struct catalog_name *names,
        size_t count, struct err *e)
{
        cleanup_buf_ struct buf list = BUF_INIT(ERR_TEXT_MAX);
        cleanup_(freep) const char **plain = calloc(count + 1, sizeof(*plain));
        const char *dot = strrchr(q->table, '.');
        size_t shown = 0;

        if (!plain)
                return err_nomem(e, "names of tables");
        for (size_t i = 0; i < count; i++)
                plain[i] = names[i].name;
        const char *near = str_nearest(str_of(q->table), plain, count);
        if (!near && dot)
                near = str_nearest(str_of(dot + 1), plain, count);
        for (size_t i = 0; i < count; i++) {
                bool same = strcasecmp(names[i].name, q->table) == 0 ||
                            (dot && strcasecmp(names[i].name, dot + 1) == 0);
                if (same || (near && strcmp(names[i].name, near) == 0))
                        put_name(&list, &names[i], shown++);
        }
        const char *text = buf_cstr(&list);
        if (text && shown)
                return err_set(e, ERR_CONFIG, "there is no table %s%s%s; did you mean %s?",
                        q->table, q->schema ? " in schema " : "", q->schema ? q->schema : "", text);
        return err_set(e, ERR_CONFIG,
                "there is no table %s%s%s among the %zu that this user can see; without a table, "
                "discover lists them",
                q->table, q->schema ? " in schema " : "", q->schema ? q->schema : "", count);
}

int catalog_choose(const struct catalog_query *q, const struct catalog_name *names, size_t count,
        size_t *out, struct err *e)
{
        cleanup_buf_ struct buf list = BUF_INIT(ERR_TEXT_MAX);
        size_t found = 0, at = 0;

        for (size_t i = 0; i < count; i++) {
                if (!catalog_wants(q, &names[i]) || !is_meant(q->table, &names[i]))
                        continue;
                at = i;
                put_name(&list, &names[i], found++);
        }
        if (found == 0)
                return unknown_table(q, names, count, e);
        const char *text = buf_cstr(&list);
        if (found > 1)
                return err_set(e, ERR_CONFIG, "%s may be %zu tables: %s; name one of them",
                        q->table, found, text ? text : "");
        *out = at;
        return 0;
}

int catalog_no_schema(const struct catalog_query *q, const struct catalog_name *names, size_t count,
        struct err *e)
{
        cleanup_buf_ struct buf list = BUF_INIT(ERR_TEXT_MAX);
        size_t shown = 0;

        for (size_t i = 0; i < count; i++) {
                if (i > 0 && strcmp(names[i].schema, names[i - 1].schema) == 0)
                        continue;
                if (shown++ < SHOWN_NAMES)
                        buf_printf(&list, "%s%s", shown > 1 ? ", " : "", names[i].schema_sql);
        }
        const char *text = buf_cstr(&list);
        return err_set(e, ERR_CONFIG, "there is no schema %s with tables in it; there is: %s%s",
                q->schema, text && shown ? text : "none at all",
                shown > SHOWN_NAMES ? ", ..." : "");
}

bool catalog_is_step(const char *name)
{
        struct str s = str_of(name);

        return s.len > 0 && text_is_visible(s) && !strpbrk(name, ".[]{}\\") &&
               str_trim(s).len == s.len;
}

/* ---- cursors ---- */

/* Part of a name, unless another part says that it means something else. */
struct word {
        const char *part, *unless;
};

static const struct word modified_words[] = {
        {"write_date", NULL},
        {"modif", NULL},
        {"updat", NULL},
        {"change", "exchange"},
        {"mtime", NULL},
        {"edited", "credited"},
        {"touched", NULL},
        {"last_write", NULL},
        {"sync_date", NULL},
        {"aedat", NULL}, /* SAP */
        {"laeda", NULL},
};

static const char *const modified_names[] = {"tms", "timestamp", "ts", "lastmod", "dtstamp"};
static const char *const version_words[] = {"rowversion", "row_version", "change_seq", "changeseq"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool is_modification_name(const char *name)
{
        for (size_t i = 0; i < COUNT(modified_words); i++) {
                const struct word *w = &modified_words[i];
                if (strcasestr(name, w->part) && !(w->unless && strcasestr(name, w->unless)) &&
                        !strcasestr(name, "creat") && !strcasestr(name, "passw"))
                        return true;
        }
        for (size_t i = 0; i < COUNT(modified_names); i++)
                if (strcasecmp(name, modified_names[i]) == 0)
                        return true;
        return false;
}

static bool is_version_name(const char *name)
{
        for (size_t i = 0; i < COUNT(version_words); i++)
                if (strcasestr(name, version_words[i]))
                        return true;
        return false;
}

/* The less the better; -1: no cursor. An index counts most, then how fine it is. */
static int cursor_score(const struct catalog_column *c)
{
        int score = c->indexed ? 0 : 100;

        if (!c->readable || !c->sql)
                return -1;
        if (c->kind == COL_INT)
                return is_version_name(c->name) ? score : -1;
        if (!is_modification_name(c->name))
                return -1;
        if (c->kind == COL_TIMESTAMP || c->kind == COL_TIMESTAMPTZ)
                return score + 10 + c->nullable;
        return c->kind == COL_DATE ? score + 20 + c->nullable : -1;
}

/* Puts @column in its place in @list; equal scores stay in the order of columns. */
static void insert_scored(
        size_t *list, int *scores, size_t *count, size_t max, size_t column, int score)
{
        size_t at = *count;

        while (at > 0 && scores[at - 1] > score)
                at--;
        if (at >= max)
                return;
        if (*count < max)
                (*count)++;
        for (size_t i = *count - 1; i > at; i--) {
                list[i] = list[i - 1];
                scores[i] = scores[i - 1];
        }
        list[at] = column;
        scores[at] = score;
}

#define MAX_CURSORS 8 /* a table with more has none that means the row */

int catalog_rank_cursors(struct catalog_table *t, struct arena *arena, struct err *e)
{
        size_t list[MAX_CURSORS], count = 0;
        int scores[MAX_CURSORS];

        for (size_t i = 0; i < t->column_count; i++) {
                int score = cursor_score(&t->columns[i]);
                if (score >= 0)
                        insert_scored(list, scores, &count, MAX_CURSORS, i, score);
        }
        if (count == 0)
                return 0;
        size_t *cursors = arena_array(arena, count, sizeof(*cursors));
        if (!cursors)
                return arena_failed(arena, "the catalog", e);
        memcpy(cursors, list, count * sizeof(*cursors));
        t->cursors = cursors;
        t->cursor_count = count;
        return 0;
}

/* ---- keys that nobody declared ---- */

static bool ends_with(const char *name, const char *end)
{
        size_t n = strlen(name), m = strlen(end);

        return n >= m && strcasecmp(name + n - m, end) == 0;
}

/* Whether @name is the table's own name (or its singular) with @end behind it: order_id. */
static bool is_own(const struct catalog_table *t, const char *name, const char *end)
{
        size_t own = strlen(t->name), n = strlen(name), m = strlen(end);

        if (n <= m || !ends_with(name, end))
                return false;
        n -= m;
        bool singular = n + 1 == own && (t->name[own - 1] | 0x20) == 's';
        return (n == own || singular) && strncasecmp(name, t->name, n) == 0;
}

/* The less the better; -1: no key. */
static int key_score(const struct catalog_table *t, const struct catalog_column *c)
{
        static const char *const names[] = {"id", "uuid", "guid", "key", "code", "number", "no",
                "nr", "num", "ref", "reference", "sku"};
        static const char *const ends[] = {"_id", "uuid", "guid", "_key", "_code", "code", "number",
                "_no", "_nr", "id", "_ref"};
        bool is_key_kind = c->kind == COL_INT || c->kind == COL_TEXT || c->kind == COL_CHAR ||
                           c->kind == COL_NUMERIC || c->kind == COL_DATE ||
                           c->kind == COL_TIMESTAMP || c->kind == COL_TIMESTAMPTZ;

        if (!is_key_kind || !c->readable || !c->sql)
                return -1;
        if (strcasecmp(c->name, "id") == 0)
                return 0;
        if (is_own(t, c->name, "_id") || is_own(t, c->name, "id") || is_own(t, c->name, "_no"))
                return 1;
        for (size_t i = 0; i < COUNT(names); i++)
                if (strcasecmp(c->name, names[i]) == 0)
                        return 2 + (int)i;
        for (size_t i = 0; i < COUNT(ends); i++)
                if (ends_with(c->name, ends[i]))
                        return 20 + (int)i;
        return c->kind == COL_INT ? 40 : c->kind == COL_TEXT ? 41 : c->kind == COL_CHAR ? 41 : 42;
}

size_t catalog_key_candidates(const struct catalog_table *t, size_t *out)
{
        int scores[CATALOG_MAX_CANDIDATES];
        size_t count = 0;

        for (size_t i = 0; i < t->column_count; i++) {
                int score = key_score(t, &t->columns[i]);
                if (score >= 0)
                        insert_scored(out, scores, &count, CATALOG_MAX_CANDIDATES, i,
                                2 * score + t->columns[i].nullable);
        }
        return count;
}
