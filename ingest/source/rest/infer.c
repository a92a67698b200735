/*
 * Every member has a node that counts what its values were; the counts become a column at the end.
 * Work is bounded: by values looked at, by members of an object, by nodes.
 */
#include "ingest/source/rest/infer.h"

#include <stdio.h>
#include <strings.h>

#include "ingest/base/buf.h"
#include "ingest/record/json_scan.h"

#define NAME_MAX_BYTES 512                 /* of a member; longer ones are data */
#define SECONDS_MIN    INT64_C(946684800)  /* 2000-01-01 */
#define SECONDS_MAX    INT64_C(4102444800) /* 2100-01-01 */
#define INTEGER_DIGITS 18
#define LENGTH(array)  (sizeof(array) / sizeof((array)[0]))

struct node {
        const char *name;
        size_t present, nulls, bools, integers, decimals, texts, objects, arrays;
        size_t falses;                 /* of the bools */
        size_t kinds[REST_TEXT_KINDS]; /* of the texts */
        size_t seconds, millis; /* integers, also in quotes, that could be a time since 1970 */
        size_t elements;        /* of the arrays ... */
        size_t element_objects; /* ... and how many of them are objects */
        const char *null_date;  /* the text that stands for no date */
        struct node *first, *last, *next, *expected;
        size_t members;
        bool is_map; /* it has more members than an object has */
};

struct infer {
        struct arena *arena;
        struct buf name; /* scratch */
        size_t values, nodes;
        int rc;
        struct err *e;
};

/* ---- texts ---- */

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

/* Whether @s begins like @pattern, where 0 is any digit. */
static bool fits(struct str s, const char *pattern)
{
        size_t n = strlen(pattern);

        if (s.len < n)
                return false;
        for (size_t i = 0; i < n; i++)
                if (pattern[i] == '0' ? !is_digit(s.ptr[i]) : pattern[i] != s.ptr[i])
                        return false;
        return true;
}

static int two(const char *p)
{
        return (p[0] - '0') * 10 + (p[1] - '0');
}

static struct str from(struct str s, size_t at)
{
        return (struct str){s.ptr + at, s.len - at};
}

/* What stands behind the seconds: a fraction, then nothing or an offset. */
static enum rest_text clock_kind(struct str rest)
{
        size_t i = 0;

        if (rest.len > 1 && rest.ptr[0] == '.' && is_digit(rest.ptr[1]))
                for (i = 1; i < rest.len && is_digit(rest.ptr[i]);)
                        i++;
        rest = from(rest, i);
        if (rest.len == 0)
                return REST_TEXT_CLOCK;
        if (str_is(rest, "Z"))
                return REST_TEXT_INSTANT;
        if (rest.ptr[0] != '+' && rest.ptr[0] != '-')
                return REST_TEXT_OTHER;
        rest = from(rest, 1);
        bool fine = (rest.len == 2 && fits(rest, "00")) || (rest.len == 4 && fits(rest, "0000")) ||
                    (rest.len == 5 && fits(rest, "00:00"));
        return fine ? REST_TEXT_INSTANT : REST_TEXT_OTHER;
}

static enum rest_text date_kind(struct str s)
{
        int month = two(s.ptr + 5), day = two(s.ptr + 8);
        bool no_date = fits(s, "0000-") && (memcmp(s.ptr, "0000-00-00", 10) == 0 ||
                                                   memcmp(s.ptr, "0001-01-01", 10) == 0);

        if (!no_date && (month < 1 || month > 12 || day < 1 || day > 31))
                return REST_TEXT_OTHER;
        if (s.len == 10)
                return no_date ? REST_TEXT_NO_DATE : REST_TEXT_DATE;
        struct str time = from(s, 11);
        if ((s.ptr[10] != 'T' && s.ptr[10] != ' ') || !fits(time, "00:00:00"))
                return REST_TEXT_OTHER;
        if (two(time.ptr) > 23 || two(time.ptr + 3) > 59 || two(time.ptr + 6) > 59)
                return REST_TEXT_OTHER;
        enum rest_text kind = clock_kind(from(time, 8));
        return no_date && kind != REST_TEXT_OTHER ? REST_TEXT_NO_DATE : kind;
}

static enum rest_text number_kind(struct str s)
{
        size_t digits = 0, behind = 0;

        if (s.len && s.ptr[0] == '-')
                s = from(s, 1);
        while (digits < s.len && is_digit(s.ptr[digits]))
                digits++;
        if (digits == 0 || digits > INTEGER_DIGITS || (digits > 1 && s.ptr[0] == '0'))
                return REST_TEXT_OTHER;
        if (digits == s.len)
                return REST_TEXT_INTEGER;
        for (size_t i = digits + 1; i < s.len && is_digit(s.ptr[i]); i++)
                behind++;
        return s.ptr[digits] == '.' && behind > 0 && digits + 1 + behind == s.len
                       ? REST_TEXT_DECIMAL
                       : REST_TEXT_OTHER;
}

static bool is_ticks(struct str s)
{
        const struct str open = STR("/Date("), close = STR(")/");
        size_t i = open.len;

        if (!str_starts(s, open) || s.len < open.len + close.len + 1 ||
                memcmp(s.ptr + s.len - close.len, close.ptr, close.len) != 0)
                return false;
        while (i < s.len - close.len && (is_digit(s.ptr[i]) || strchr("+-", s.ptr[i])))
                i++;
        return i == s.len - close.len;
}

enum rest_text rest_text_kind(struct str s)
{
        if (s.len == 0)
                return REST_TEXT_EMPTY;
        if (fits(s, "0000-00-00"))
                return date_kind(s);
        return is_ticks(s) ? REST_TEXT_TICKS : number_kind(s);
}

/* ---- looking at values ---- */

static void look(struct infer *f, struct node *n, struct str value, int depth);

static void fail(struct infer *f)
{
        if (!f->rc)
                f->rc = err_nomem(f->e, "the fields of the reply");
}

/* Members that describe the reply. */
static bool is_annotation(const char *name)
{
        static const char *const names[] = {"__metadata", "__deferred", "_links", "_self"};

        for (size_t i = 0; i < LENGTH(names); i++)
                if (strcmp(name, names[i]) == 0)
                        return true;
        return strchr(name, '@') || strncmp(name, "odata.", 6) == 0;
}

static struct node *add_node(struct infer *f, struct node *parent, const char *name)
{
        if (parent->members == REST_INFER_MAX_MEMBERS || f->nodes == REST_INFER_MAX_NODES) {
                parent->is_map = true;
                return NULL;
        }
        struct node *n = arena_alloc(f->arena, sizeof(*n));
        const char *copy = arena_strdup(f->arena, str_of(name));
        if (!n || !copy) {
                fail(f);
                return NULL;
        }
        n->name = copy;
        if (parent->last)
                parent->last->next = n;
        else
                parent->first = n;
        parent->last = n;
        parent->members++;
        f->nodes++;
        return n;
}

/* Records have their members in one order mostly: the search begins where it would end. */
static struct node *member(struct infer *f, struct node *parent, const char *name)
{
        struct node *n = parent->expected;

        if (!n || strcmp(n->name, name) != 0)
                for (n = parent->first; n && strcmp(n->name, name) != 0;)
                        n = n->next;
        if (!n)
                n = add_node(f, parent, name);
        if (n)
                parent->expected = n->next;
        return n;
}

/* @quoted without quotes and escapes, in f->name; NULL: not text, or too long for a name. */
static const char *unquote(struct infer *f, struct str quoted)
{
        buf_clear(&f->name);
        int rc = json_unquote(quoted, &f->name, NULL);
        const char *text = rc ? NULL : buf_cstr(&f->name);

        if (rc == -ERR_NOMEM || f->name.error == -ERR_NOMEM)
                fail(f);
        return text;
}

static void look_at_members(struct infer *f, struct node *n, struct str object, int depth)
{
        struct json_walk w;
        struct str key, value;

        n->expected = n->first;
        if (n->is_map || !json_walk_open(&w, object, '{'))
                return;
        while (!f->rc && json_walk_next(&w, &key, &value)) {
                const char *name = unquote(f, key);
                if (!name || f->name.len > NAME_MAX_BYTES || strlen(name) != f->name.len ||
                        is_annotation(name))
                        continue;
                struct node *m = member(f, n, name);
                if (m)
                        look(f, m, value, depth);
        }
}

static void look_at_elements(struct infer *f, struct node *n, struct str array, int depth)
{
        struct json_walk w;
        struct str key, value;

        if (!json_walk_open(&w, array, '['))
                return;
        while (!f->rc && json_walk_next(&w, &key, &value)) {
                if (f->values++ >= REST_INFER_MAX_VALUES)
                        return;
                n->elements++;
                if (value.ptr[0] != '{')
                        continue;
                n->element_objects++;
                if (depth < REST_INFER_MAX_DEPTH)
                        look_at_members(f, n, value, depth + 1);
        }
}

static void look_at_integer(struct node *n, struct str digits)
{
        int64_t i;

        if (!str_to_int64(digits, &i))
                return;
        n->seconds += i >= SECONDS_MIN && i < SECONDS_MAX;
        n->millis += i >= SECONDS_MIN * 1000 && i < SECONDS_MAX * 1000;
}

static void look_at_text(struct infer *f, struct node *n, struct str quoted)
{
        struct str s = {quoted.ptr + 1, quoted.len - 2};

        if (quoted.len < 2)
                return;
        if (memchr(s.ptr, '\\', s.len)) { /* "\/Date(0)\/" */
                if (s.len > NAME_MAX_BYTES || !unquote(f, quoted))
                        return;
                s = buf_str(&f->name);
        }
        enum rest_text kind = rest_text_kind(s);
        n->kinds[kind]++;
        if (kind == REST_TEXT_INTEGER)
                look_at_integer(n, s);
        if (kind == REST_TEXT_NO_DATE && !n->null_date) {
                n->null_date = arena_strdup(f->arena, s);
                if (!n->null_date)
                        fail(f);
        }
}

static void look_at_number(struct node *n, struct str number)
{
        bool whole = true;

        for (size_t i = 0; i < number.len; i++)
                whole = whole && (is_digit(number.ptr[i]) || number.ptr[i] == '-');
        n->integers += whole;
        n->decimals += !whole;
        if (whole)
                look_at_integer(n, number);
}

static void look(struct infer *f, struct node *n, struct str value, int depth)
{
        n->present++;
        if (f->values++ >= REST_INFER_MAX_VALUES || value.len == 0)
                return;
        switch (value.ptr[0]) {
        case 'n':
                n->nulls++;
                break;
        case 't':
        case 'f':
                n->bools++;
                n->falses += value.ptr[0] == 'f';
                break;
        case '"':
                n->texts++;
                look_at_text(f, n, value);
                break;
        case '{':
                n->objects++;
                if (depth < REST_INFER_MAX_DEPTH)
                        look_at_members(f, n, value, depth + 1);
                break;
        case '[':
                n->arrays++;
                look_at_elements(f, n, value, depth);
                break;
        default:
                look_at_number(n, value);
        }
}

/* ---- what a name says ---- */

static bool has_part(const char *name, const char *const *parts, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (strcasestr(name, parts[i]))
                        return true;
        return false;
}

static bool ends_with(const char *name, const char *end)
{
        size_t n = strlen(name), m = strlen(end);

        return n >= m && strcmp(name + n - m, end) == 0;
}

static bool means_time(const char *name)
{
        static const char *const parts[] = {"date", "time", "stamp", "tms", "created", "creation",
                "modif", "updated", "changed", "expires", "_on"};

        return has_part(name, parts, LENGTH(parts)) || ends_with(name, "_at") ||
               ends_with(name, "At") || ends_with(name, "On");
}

/* Integers by chance: the next record may have a fraction. */
static bool means_amount(const char *name)
{
        static const char *const parts[] = {"price", "amount", "total", "cost", "qty", "quantity",
                "discount", "balance", "weight", "margin", "subtotal", "stock", "tva", "vat"};
        static const char *const others[] = {"count", "number", "_id", "_no", "code", "name",
                "type", "unit", "list", "date", "currency"};

        return has_part(name, parts, LENGTH(parts)) && !has_part(name, others, LENGTH(others)) &&
               !ends_with(name, "Id") && !ends_with(name, "No");
}

/* ---- what it is ---- */

static size_t scalars(const struct node *n)
{
        return n->bools + n->integers + n->decimals + n->texts;
}

static size_t filled_texts(const struct node *n)
{
        return n->texts - n->kinds[REST_TEXT_EMPTY] - n->kinds[REST_TEXT_NO_DATE];
}

static void add_null_text(struct catalog_column *c, const char *text)
{
        for (size_t i = 0; i < CATALOG_NULL_TEXTS; i++) {
                if (c->null_texts[i])
                        continue;
                c->null_texts[i] = text;
                return;
        }
}

/* A meaning that empty texts do not have: they are null. */
static void mean(const struct node *n, struct catalog_column *c, enum col_kind kind,
        const char *type, const char *format)
{
        c->kind = kind;
        c->type = type;
        c->format = format;
        if (n->kinds[REST_TEXT_EMPTY])
                add_null_text(c, "");
        if (n->null_date)
                add_null_text(c, n->null_date);
}

/* Dates of all notations. */
static bool conclude_dates(const struct node *n, struct catalog_column *c)
{
        const size_t *k = n->kinds;
        size_t ticks = k[REST_TEXT_TICKS], dates = k[REST_TEXT_DATE];
        size_t instants = k[REST_TEXT_INSTANT], clocks = k[REST_TEXT_CLOCK];

        if (filled_texts(n) == 0 || ticks + dates + instants + clocks != filled_texts(n))
                return false;
        if (ticks + instants == filled_texts(n))
                mean(n, c, COL_TIMESTAMPTZ, ticks ? "ticks, /Date()/" : "date and time",
                        ticks ? "odata" : NULL);
        else if (dates == filled_texts(n))
                mean(n, c, COL_DATE, "date", NULL);
        else if (dates + ticks == 0)
                mean(n, c, COL_TIMESTAMP, "date and time without zone", NULL);
        else
                mean(n, c, COL_TIMESTAMP, "dates with and without time", "odata");
        return true;
}

static bool conclude_stamps(const struct node *n, struct catalog_column *c)
{
        size_t numbers = n->integers + n->decimals + filled_texts(n);

        if (numbers == 0 || n->bools || !means_time(c->name))
                return false;
        if (n->seconds == numbers)
                mean(n, c, COL_TIMESTAMPTZ, "seconds since 1970", "unix");
        else if (n->millis == numbers)
                mean(n, c, COL_TIMESTAMPTZ, "milliseconds since 1970", "unix_ms");
        else
                return false;
        return true;
}

static void conclude_numbers(const struct node *n, struct catalog_column *c)
{
        bool decimal = n->decimals > 0 || means_amount(c->name);

        c->kind = decimal ? COL_NUMERIC : COL_INT;
        c->type = n->decimals ? "decimal" : "integer";
}

static void conclude_texts(const struct node *n, struct catalog_column *c)
{
        size_t integers = n->kinds[REST_TEXT_INTEGER], decimals = n->kinds[REST_TEXT_DECIMAL];
        bool numeric = filled_texts(n) > 0 && integers + decimals == filled_texts(n);

        if (numeric && (decimals || means_amount(c->name))) {
                mean(n, c, COL_NUMERIC, "decimal in quotes", NULL);
                return;
        }
        c->kind = COL_TEXT;
        c->type = filled_texts(n) ? numeric ? "integer in quotes" : "text"
                  : n->null_date  ? "date, none in any record"
                                  : "always empty";
}

static void conclude_mixed(const struct node *n, struct catalog_column *c)
{
        size_t numeric = n->kinds[REST_TEXT_INTEGER] + n->kinds[REST_TEXT_DECIMAL];

        if (!n->bools && filled_texts(n) == numeric) { /* numbers, some of them in quotes */
                if (filled_texts(n) == 0) {
                        conclude_numbers(n, c);
                        add_null_text(c, "");
                        return;
                }
                mean(n, c, COL_NUMERIC, "number, sometimes in quotes", NULL);
                return;
        }
        c->kind = COL_TEXT;
        c->type = "mixed";
        c->doubt = n->bools && n->bools == n->falses && n->bools < scalars(n)
                           ? "sometimes false: where that means none, null_if: \"false\""
                           : "values of several types, as they stand in the source";
}

static void conclude_scalars(const struct node *n, struct catalog_column *c)
{
        if (conclude_stamps(n, c))
                return;
        if (n->bools == scalars(n)) {
                c->kind = COL_BOOL;
                c->type = "boolean";
        } else if (n->texts == 0 && n->bools == 0) {
                conclude_numbers(n, c);
        } else if (n->texts < scalars(n)) {
                conclude_mixed(n, c);
        } else if (!conclude_dates(n, c)) {
                conclude_texts(n, c);
        }
}

/* ---- columns ---- */

static int conclude(struct infer *f, const struct node *n, size_t total, struct catalog_column *c);

static int conclude_members(struct infer *f, const struct node *parent, size_t total,
        const struct catalog_column **out, size_t *count)
{
        struct catalog_column *list = arena_array(f->arena, parent->members + 1, sizeof(*list));
        size_t n = 0;

        if (!list)
                return arena_failed(f->arena, "the fields of the reply", f->e);
        for (const struct node *m = parent->first; m; m = m->next) {
                int rc = conclude(f, m, total, &list[n++]);
                if (rc)
                        return rc;
        }
        *out = list;
        *count = n;
        return 0;
}

static int conclude_nested(struct infer *f, const struct node *n, struct catalog_column *c)
{
        bool array = n->element_objects > 0;
        bool clean = array ? n->objects == 0 && n->element_objects == n->elements
                           : n->elements == 0; /* PHP writes an empty object as [] */

        c->kind = COL_JSON;
        if (n->objects == 0 && !array && scalars(n) == 0) {
                c->type = n->elements ? "array" : "array, always empty";
                return 0;
        }
        c->type = array ? "array of objects" : "object";
        if (!clean || scalars(n) > n->falses || (n->objects == 0 && !array)) {
                c->type = "mixed";
                c->doubt = "objects, arrays or other values, as they stand in the source";
                return 0;
        }
        if (n->falses)
                c->doubt = "sometimes false";
        if (n->is_map || n->members == 0)
                return 0;
        c->nest = array ? CATALOG_OBJECTS : CATALOG_OBJECT;
        return conclude_members(
                f, n, array ? n->element_objects : n->objects, &c->fields, &c->field_count);
}

static int conclude(struct infer *f, const struct node *n, size_t total, struct catalog_column *c)
{
        *c = (struct catalog_column){
                .name = n->name,
                .sql = catalog_is_step(n->name) ? n->name : NULL,
                .kind = COL_TEXT,
                .type = "always null",
                .nullable = n->present < total || n->nulls > 0 || n->kinds[REST_TEXT_NO_DATE] > 0,
                .readable = true,
        };
        if (n->objects + n->arrays > 0)
                return conclude_nested(f, n, c);
        if (scalars(n) > 0)
                conclude_scalars(n, c);
        return 0;
}

int rest_infer_columns(const struct str *records, size_t count, struct arena *arena,
        const struct catalog_column **out, size_t *out_count, struct err *e)
{
        struct infer f = {.arena = arena, .name = BUF_INIT(6 * NAME_MAX_BYTES + 64), .e = e};
        struct node root = {.name = ""};

        for (size_t i = 0; i < count && i < REST_INFER_MAX_RECORDS && !f.rc; i++) {
                if (f.values >= REST_INFER_MAX_VALUES)
                        break;
                root.objects++;
                look_at_members(&f, &root, records[i], 0);
        }
        int rc = f.rc;
        if (!rc)
                rc = conclude_members(&f, &root, root.objects, out, out_count);
        buf_deinit(&f.name);
        return rc;
}
