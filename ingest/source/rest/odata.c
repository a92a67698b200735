/*
 * Servers differ in what they forgive. So names keep their dollar sign and lists their commas, as
 * the specifications show them, and only what would end or change a value is percent-encoded.
 *
 * The key of an entity is known as text alone, and its type is not asked for: its form tells what
 * it may be, and the server says (400, 404) where that was not it.
 */
#include "ingest/source/rest/odata.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#define GUID_BYTES      36
#define KEY_LITERAL_MAX (16 << 10) /* longer than addresses may be */

/* ---- query options ---- */

static bool is_plain(unsigned char c)
{
        return isalnum(c) || strchr("-._~,()/:$'@*", c);
}

static void put_encoded(struct buf *out, struct str s)
{
        for (size_t i = 0; i < s.len; i++) {
                unsigned char c = (unsigned char)s.ptr[i];
                if (c && is_plain(c))
                        buf_putc(out, (char)c);
                else
                        buf_printf(out, "%%%02X", c);
        }
}

/* Begins the option @name. */
static void put_option(struct buf *url, const char *name)
{
        bool query = url->len && memchr(url->data, '?', url->len);
        bool open = url->len && strchr("?&", url->data[url->len - 1]);

        if (!open)
                buf_putc(url, query ? '&' : '?');
        buf_puts(url, name);
        buf_putc(url, '=');
}

static void put_items(struct buf *out, const struct string_list *list)
{
        for (size_t i = 0; i < list->count; i++) {
                if (i > 0)
                        buf_putc(out, ',');
                put_encoded(out, str_of(list->items[i]));
        }
}

static bool holds(const struct string_list *list, struct str name)
{
        for (size_t i = 0; i < list->count; i++)
                if (str_is(name, list->items[i]) || strcmp(list->items[i], "*") == 0)
                        return true;
        return false;
}

/* The property that a dotted path begins with. */
static struct str first_of(const char *path)
{
        return (struct str){path, strcspn(path, ".[")};
}

/* "Lines" of Lines($select=...) or Lines/Item */
static struct str expanded(const char *item)
{
        return (struct str){item, strcspn(item, "(/")};
}

static void put_more(struct buf *url, const struct string_list *select, struct str name)
{
        if (holds(select, name))
                return;
        buf_putc(url, ',');
        put_encoded(url, name);
}

static bool is_early(const char *const *names, size_t count, struct str name)
{
        for (size_t i = 0; i < count; i++)
                if (str_eq(first_of(names[i]), name))
                        return true;
        return false;
}

/* What the mapper selects, and what we need beside it; before version 4 also what is expanded. */
static void put_select(const struct rest_odata_query *q, struct buf *url)
{
        const struct string_list *select = &q->spec->select;
        size_t keys = q->key ? q->key->count : 0, fields = q->cursor ? q->cursor->field_count : 0;

        if (select->count == 0)
                return;
        put_option(url, "$select");
        put_items(url, select);
        for (size_t i = 0; i < keys; i++)
                if (!is_early(q->key->items, i, first_of(q->key->items[i])))
                        put_more(url, select, first_of(q->key->items[i]));
        for (size_t i = 0; i < fields; i++) {
                struct str name = first_of(q->cursor->fields[i]);
                if (!(keys && is_early(q->key->items, keys, name)) &&
                        !is_early(q->cursor->fields, i, name))
                        put_more(url, select, name);
        }
        for (size_t i = 0; q->spec->version < 4 && i < q->spec->expand.count; i++)
                put_more(url, select, expanded(q->spec->expand.items[i]));
}

/* The cursor's filter with ${cursor} put in, as the inside of a literal. */
static void put_cursor(struct buf *out, const char *filter, struct str from)
{
        static const char name[] = "${cursor}";

        for (const char *p = filter; *p;) {
                bool here = strncmp(p, name, sizeof(name) - 1) == 0;
                for (size_t i = 0; here && i < from.len; i++) {
                        if (from.ptr[i] == '\'')
                                buf_putc(out, '\'');
                        buf_putc(out, from.ptr[i]);
                }
                if (!here)
                        buf_putc(out, *p);
                p += here ? sizeof(name) - 1 : p[0] == '$' && p[1] == '$' ? 2 : 1;
        }
}

#define FILTER_MAX (64 << 10)

static void put_filter(const struct rest_odata_query *q, struct buf *url)
{
        cleanup_buf_ struct buf filter = BUF_INIT(FILTER_MAX);
        const char *own = q->spec->filter;
        bool since = q->cursor && q->cursor->filter && q->from.ptr;

        if (own && since)
                buf_printf(&filter, "(%s) and (", own);
        else if (own)
                buf_puts(&filter, own);
        if (since)
                put_cursor(&filter, q->cursor->filter, q->from);
        if (own && since)
                buf_putc(&filter, ')');
        if (filter.error)
                url->error = url->error ? url->error : filter.error;
        if (!filter.len)
                return;
        put_option(url, "$filter");
        put_encoded(url, buf_str(&filter));
}

void rest_odata_put_query(const struct rest_odata_query *q, struct buf *url)
{
        put_select(q, url);
        if (q->spec->expand.count) {
                put_option(url, "$expand");
                put_items(url, &q->spec->expand);
        }
        put_filter(q, url);
        if (q->spec->orderby.count) {
                put_option(url, "$orderby");
                put_items(url, &q->spec->orderby);
        }
        if (q->top > 0) {
                put_option(url, "$top");
                buf_printf(url, "%" PRId64, q->top);
        }
}

/* ---- headers ---- */

size_t rest_odata_headers(const struct rest_odata_spec *spec, bool pages,
        char out[REST_ODATA_HEADERS][REST_ODATA_HEADER_BYTES])
{
        static const struct {
                const char *accept, *version;
        } of[] = {
                [2] = {"Accept: application/json", "MaxDataServiceVersion: 2.0"},
                [3] = {"Accept: application/json", "MaxDataServiceVersion: 3.0"},
                [4] = {"Accept: application/json;odata.metadata=minimal", "OData-MaxVersion: 4.0"},
        };
        int version = spec->version >= 2 && spec->version <= 4 ? spec->version : 4;
        size_t n = 0;

        snprintf(out[n++], REST_ODATA_HEADER_BYTES, "%s", of[version].accept);
        snprintf(out[n++], REST_ODATA_HEADER_BYTES, "%s", of[version].version);
        if (pages && spec->page_size > 0)
                snprintf(out[n++], REST_ODATA_HEADER_BYTES, "Prefer: odata.maxpagesize=%" PRId64,
                        spec->page_size);
        return n;
}

/* ---- literals ---- */

static void put_quoted(struct buf *out, const char *before, struct str value)
{
        buf_puts(out, before);
        buf_putc(out, '\'');
        for (size_t i = 0; i < value.len; i++) {
                if (value.ptr[i] == '\'')
                        buf_putc(out, '\'');
                buf_putc(out, value.ptr[i]);
        }
        buf_putc(out, '\'');
}

/* Edm.DateTime of version 2 has no zone. */
static struct str without_zone(struct str t)
{
        if (t.len && (t.ptr[t.len - 1] == 'Z' || t.ptr[t.len - 1] == 'z'))
                t.len--;
        return t;
}

void rest_odata_put_literal(
        int version, enum rest_odata_type type, struct str value, struct buf *out)
{
        static const struct {
                const char *prefix, *suffix; /* of versions 2 and 3; quoted where there is one */
        } old[] = {
                [REST_ODATA_STRING] = {"", NULL},
                [REST_ODATA_GUID] = {"guid", NULL},
                [REST_ODATA_NUMBER] = {NULL, ""},
                [REST_ODATA_INT64] = {NULL, "L"},
                [REST_ODATA_DECIMAL] = {NULL, "M"},
                [REST_ODATA_DATE] = {"datetime", NULL},
                [REST_ODATA_DATETIME] = {"datetime", NULL},
                [REST_ODATA_DATETIMEOFFSET] = {"datetimeoffset", NULL},
                [REST_ODATA_BOOLEAN] = {NULL, ""},
        };

        if (version < 4 && old[type].prefix) {
                bool local = type == REST_ODATA_DATETIME;
                cleanup_buf_ struct buf midnight = BUF_INIT(64);
                if (type == REST_ODATA_DATE && value.len == sizeof("2026-01-31") - 1) {
                        buf_put_str(&midnight, value);
                        buf_puts(&midnight, "T00:00:00");
                        value = buf_str(&midnight);
                }
                put_quoted(out, old[type].prefix, local ? without_zone(value) : value);
        } else if (type == REST_ODATA_STRING) {
                put_quoted(out, "", value);
        } else {
                buf_put_str(out, value);
                buf_puts(out, version < 4 ? old[type].suffix : "");
        }
}

/* ---- the address of an entity ---- */

static bool is_guid(struct str s)
{
        if (s.len != GUID_BYTES)
                return false;
        for (size_t i = 0; i < s.len; i++) {
                bool dash = i == 8 || i == 13 || i == 18 || i == 23;
                if (dash ? s.ptr[i] != '-' : !isxdigit((unsigned char)s.ptr[i]))
                        return false;
        }
        return true;
}

static size_t digits_at(struct str s, size_t i)
{
        size_t n = 0;

        while (i + n < s.len && isdigit((unsigned char)s.ptr[i + n]))
                n++;
        return n;
}

/* Text that a server writes for a number: 007 and +5 are codes. */
static bool is_number(struct str s, bool *fraction)
{
        size_t i = s.len && s.ptr[0] == '-', whole = digits_at(s, i);

        *fraction = false;
        if (whole == 0 || (whole > 1 && s.ptr[i] == '0'))
                return false;
        i += whole;
        if (i < s.len && s.ptr[i] == '.') {
                *fraction = true;
                size_t n = digits_at(s, i + 1);
                if (n == 0)
                        return false;
                i += 1 + n;
        }
        return i == s.len;
}

static bool has_form(struct str s, const char *form)
{
        for (size_t i = 0; form[i]; i++)
                if (i >= s.len ||
                        (form[i] == '0' ? !isdigit((unsigned char)s.ptr[i]) : s.ptr[i] != form[i]))
                        return false;
        return true;
}

#define SPELLINGS 4

/* The types whose literals @value can be, the likeliest first. */
static unsigned spellings(int version, struct str value, enum rest_odata_type out[SPELLINGS])
{
        unsigned n = 0;
        bool fraction;

        if (is_guid(value))
                out[n++] = REST_ODATA_GUID;
        if (is_number(value, &fraction)) {
                if (!fraction)
                        out[n++] = REST_ODATA_NUMBER;
                out[n++] = REST_ODATA_STRING;
                if (version < 4 && !fraction)
                        out[n++] = REST_ODATA_INT64;
                out[n++] = fraction && version >= 4 ? REST_ODATA_NUMBER : REST_ODATA_DECIMAL;
                return version >= 4 && !fraction ? n - 1 : n;
        }
        if (has_form(value, "0000-00-00T00:00")) {
                out[n++] = REST_ODATA_DATETIMEOFFSET;
                if (version < 4)
                        out[n++] = REST_ODATA_DATETIME;
        } else if (value.len == sizeof("0000-00-00") - 1 && has_form(value, "0000-00-00")) {
                out[n++] = REST_ODATA_DATE;
        }
        if (str_is(value, "true") || str_is(value, "false"))
                out[n++] = REST_ODATA_BOOLEAN;
        out[n++] = REST_ODATA_STRING;
        return n;
}

/* In a path a slash is more than a sign of a value. */
static void put_segment(struct buf *out, struct str s)
{
        for (size_t i = 0; i < s.len; i++) {
                unsigned char c = (unsigned char)s.ptr[i];
                if (isalnum(c) || (c && strchr("-._~'", c)))
                        buf_putc(out, (char)c);
                else
                        buf_printf(out, "%%%02X", c);
        }
}

/* One part of the key, spelled as @attempt says. Return: how many spellings it has. */
static unsigned put_part(
        int version, struct str value, unsigned attempt, struct buf *out, struct buf *literal)
{
        enum rest_odata_type types[SPELLINGS];
        unsigned count = spellings(version, value, types);

        buf_clear(literal);
        rest_odata_put_literal(version, types[attempt % count], value, literal);
        put_segment(out, buf_str(literal));
        return count;
}

int rest_odata_put_entity(int version, struct str path, const char *const *names,
        const struct str *values, size_t count, unsigned attempt, struct buf *out, struct err *e)
{
        const char *query = memchr(path.ptr, '?', path.len);
        cleanup_buf_ struct buf literal = BUF_INIT(KEY_LITERAL_MAX);
        size_t start = out->len;

        if (query)
                path.len = (size_t)(query - path.ptr);
        while (path.len && path.ptr[path.len - 1] == '/')
                path.len--;
        buf_put_str(out, path);
        buf_putc(out, '(');
        for (size_t i = 0; i < count; i++) {
                if (count > 1)
                        buf_printf(out, "%s%s=", i ? "," : "", names[i]);
                attempt /= put_part(version, values[i], attempt, out, &literal);
        }
        buf_putc(out, ')');
        if (attempt > 0 && !out->error && !literal.error) {
                out->len = start;
                return REST_ABSENT;
        }
        int rc = buf_check(&literal, "the key of an entity", e);
        return rc ? rc : buf_check(out, "an address", e);
}

int rest_odata_put_key_filter(int version, const char *const *names, const struct str *values,
        size_t count, unsigned attempt, struct buf *out, struct err *e)
{
        enum rest_odata_type types[SPELLINGS];
        size_t start = out->len;

        for (size_t i = 0; i < count; i++) {
                unsigned n = spellings(version, values[i], types);

                buf_puts(out, i ? " and " : "");
                for (const char *c = names[i]; *c; c++)
                        buf_putc(out, *c == '.' ? '/' : *c);
                buf_puts(out, " eq ");
                rest_odata_put_literal(version, types[attempt % n], values[i], out);
                attempt /= n;
        }
        if (attempt > 0 && !out->error) {
                out->len = start;
                return REST_ABSENT;
        }
        return buf_check(out, "a filter", e);
}

void rest_odata_types(int version, const struct str *values, size_t count, unsigned attempt,
        enum rest_odata_type *types)
{
        enum rest_odata_type can_be[SPELLINGS];

        for (size_t i = 0; i < count; i++) {
                unsigned n = spellings(version, values[i], can_be);

                types[i] = can_be[attempt % n];
                attempt /= n;
        }
}

bool rest_odata_attempt(int version, const struct str *values, size_t count,
        const enum rest_odata_type *types, unsigned *attempt)
{
        enum rest_odata_type can_be[SPELLINGS];
        unsigned found = 0, weight = 1;

        for (size_t i = 0; i < count; i++) {
                unsigned n = spellings(version, values[i], can_be), at = 0;

                while (at < n && can_be[at] != types[i])
                        at++;
                if (at == n)
                        return false;
                found += at * weight;
                weight *= n;
        }
        *attempt = found;
        return true;
}

/* ---- where things are ---- */

const char *const *rest_odata_records(int version)
{
        static const char *const v4[] = {"value", NULL},
                                 *const v3[] = {"value", "d.results", "d", NULL},
                                 *const v2[] = {"d.results", "d", "value", NULL};

        return version >= 4 ? v4 : version == 3 ? v3 : v2;
}

const char *const *rest_odata_entity(int version)
{
        static const char *const v4[] = {"", NULL}, *const v3[] = {"", "d", NULL},
                                 *const v2[] = {"d", "", NULL};

        return version >= 4 ? v4 : version == 3 ? v3 : v2;
}

const char *const *rest_odata_next(int version)
{
        static const char *const v4[] = {"@odata\\.nextLink", "odata\\.nextLink", NULL},
                                 *const old[] = {
                                         "d.__next", "odata\\.nextLink", "@odata\\.nextLink", NULL};

        return version >= 4 ? v4 : old;
}

const char *const *rest_odata_count(int version)
{
        static const char *const v4[] = {"@odata\\.count", NULL}, *const old[] = {"d.__count",
                                                                          "odata\\.count", NULL};

        return version >= 4 ? v4 : old;
}
