/*
 * A hash table with open addressing over entries that stand one after the other: a million of them
 * are two allocations. The digest of a table is the sum of its entries' digests, because a query
 * gives its rows in any order.
 */
#include "mappers/lookup_internal.h"

#include <stdio.h>
#define XXH_STATIC_LINKING_ONLY /* the state of a hash on the stack */
#include <xxhash.h>

#include "ingest/record/json.h"
#include "ingest/record/json_scan.h"
#include "mappers/decimal.h"

#define ARENA_MAX   ((size_t)16 << 20) /* names of columns */
#define FIRST_ROOM  64
#define NO_VALUE    UINT32_MAX
#define SHOWN_BYTES 64 /* of a key in a message */

struct entry {
        struct str key, value; /* value.ptr NULL: null */
};

/* ---- the text of a key ---- */

/* 7.00, 7 and 7e0 are one number. */
static void put_number(struct buf *key, struct str text, struct buf *scratch)
{
        struct decimal d;

        if (!decimal_parse(text, scratch, &d)) {
                buf_put_str(key, text); /* NaN, Infinity */
                return;
        }
        while (d.fraction.len > 0 && d.fraction.ptr[d.fraction.len - 1] == '0')
                d.fraction.len--;
        if (d.negative && d.whole.len + d.fraction.len > 0)
                buf_putc(key, '-');
        buf_put_str(key, d.whole.len ? d.whole : STR("0"));
        if (d.fraction.len) {
                buf_putc(key, '.');
                buf_put_str(key, d.fraction);
        }
}

static int put_json(struct buf *key, struct str text, struct buf *scratch)
{
        text = json_trim(text);
        switch (text.len ? *text.ptr : '\0') {
        case '"':
                return json_unquote(text, key, NULL) && !key->error ? LOOKUP_NO_KEY : 0;
        case '-':
        case '0' ... '9':
                put_number(key, text, scratch);
                return 0;
        default:
                if (str_is(text, "null"))
                        return LOOKUP_NULL;
                if (!str_is(text, "true") && !str_is(text, "false"))
                        return LOOKUP_NO_KEY;
                buf_put_str(key, text);
                return 0;
        }
}

static int put_key(struct buf *key, enum col_kind kind, struct str text, struct buf *scratch)
{
        switch (kind) {
        case COL_CHAR:
                while (text.len > 0 && text.ptr[text.len - 1] == ' ')
                        text.len--;
                break;
        case COL_BOOL:
                text = str_is(text, "t") ? STR("true") : STR("false");
                break;
        case COL_NUMERIC:
        case COL_FLOAT4:
        case COL_FLOAT8:
                put_number(key, text, scratch);
                return 0;
        case COL_JSON:
                return put_json(key, text, scratch);
        case COL_ARRAY:
                return LOOKUP_NO_KEY;
        default:
                break;
        }
        buf_put_str(key, text);
        return 0;
}

int lookup_key_part(
        struct buf *key, size_t parts, enum col_kind kind, struct str text, struct buf *scratch)
{
        uint32_t len = 0; /* in front of each part of several: "a" "bc" is not "ab" "c" */
        size_t start = key->len;

        if (!text.ptr)
                return LOOKUP_NULL;
        if (parts > 1)
                buf_put(key, &len, sizeof(len));
        int rc = put_key(key, kind, text, scratch);
        if (rc || parts == 1 || key->error)
                return rc;
        len = (uint32_t)(key->len - start - sizeof(len));
        memcpy(key->data + start, &len, sizeof(len));
        return 0;
}

static struct str next_part(struct str *rest, size_t parts)
{
        struct str part = *rest;
        uint32_t len;

        if (parts > 1) {
                memcpy(&len, rest->ptr, sizeof(len));
                part = (struct str){rest->ptr + sizeof(len), len};
        }
        *rest = (struct str){
                part.ptr + part.len, (size_t)(rest->ptr + rest->len - part.ptr) - part.len};
        return part;
}

const char *lookup_show_key(struct str key, size_t parts, struct buf *out)
{
        struct str rest = key;

        for (size_t i = 0; i < parts; i++) {
                struct str part = next_part(&rest, parts);
                if (i)
                        buf_puts(out, ", ");
                if (part.len > SHOWN_BYTES)
                        part.len = SHOWN_BYTES;
                json_put_lossy(out, part);
        }
        const char *text = buf_cstr(out);
        return text ? text : "?";
}

/* ---- entries ---- */

static struct entry entry_at(const struct lookup_table *t, uint32_t at)
{
        const char *p = t->bytes.data + at;
        uint32_t lens[2];

        memcpy(lens, p, sizeof(lens));
        p += sizeof(lens);
        struct entry entry = {{p, lens[0]}, {p + lens[0], lens[1]}};
        if (lens[1] == NO_VALUE)
                entry.value = (struct str){NULL, 0};
        return entry;
}

/* The slot of @key, or the free one where it belongs. */
static struct lookup_slot *find_slot(const struct lookup_table *t, struct str key, uint64_t hash)
{
        size_t mask = t->room - 1;

        for (size_t i = (size_t)(hash >> 32) & mask;; i = (i + 1) & mask) {
                struct lookup_slot *slot = &t->slots[i];
                if (!slot->at)
                        return slot;
                if (slot->hash == (uint32_t)hash && str_eq(entry_at(t, slot->at - 1).key, key))
                        return slot;
        }
}

bool lookup_table_find(const struct lookup_table *t, struct str key, struct str *out)
{
        if (t->count == 0)
                return false;
        const struct lookup_slot *slot = find_slot(t, key, XXH3_64bits(key.ptr, key.len));
        if (!slot->at)
                return false;
        *out = entry_at(t, slot->at - 1).value;
        return true;
}

static int grow(struct lookup_table *t, struct err *e)
{
        struct lookup_table next = *t;

        if (t->count < t->room / 4 * 3)
                return 0;
        next.room = t->room ? t->room * 2 : FIRST_ROOM;
        next.slots = calloc(next.room, sizeof(*next.slots));
        if (!next.slots)
                return err_nomem(e, "a look-up");
        for (size_t i = 0; i < t->room; i++) {
                if (!t->slots[i].at)
                        continue;
                struct str key = entry_at(t, t->slots[i].at - 1).key;
                *find_slot(&next, key, XXH3_64bits(key.ptr, key.len)) = t->slots[i];
        }
        free(t->slots);
        t->slots = next.slots;
        t->room = next.room;
        return 0;
}

static bool same_value(struct str a, struct str b)
{
        return !a.ptr == !b.ptr && str_eq(a, b);
}

static int other_value(struct lookup_table *t, struct str key, size_t parts, struct err *e)
{
        cleanup_buf_ struct buf shown = BUF_INIT(ERR_TEXT_MAX);

        return lookup_table_error(t, NULL, e,
                "the key %s comes twice, with different values: a look-up needs one value for each "
                "key",
                lookup_show_key(key, parts, &shown));
}

static int too_large(const struct lookup_table *t, struct err *e)
{
        return lookup_table_error(t, NULL, e,
                "the look-ups of this mapper hold more than %d bytes, which stay in memory; select "
                "only key and value, or join the table in extract.query",
                LOOKUP_MAX_BYTES);
}

int lookup_check(const struct lookup_table *t, const struct buf *b, struct err *e)
{
        int rc = buf_check(b, "a look-up", e);

        return rc == -ERR_REJECT ? too_large(t, e) : rc;
}

static int check_bounds(struct lookup_table *t, size_t size, struct err *e)
{
        if (t->count == LOOKUP_MAX_ROWS)
                return lookup_table_error(t, NULL, e,
                        "more than %d keys: a look-up is held in memory; join the table in "
                        "extract.query instead",
                        LOOKUP_MAX_ROWS);
        if (size > LOOKUP_MAX_BYTES || t->set->bytes + size > LOOKUP_MAX_BYTES)
                return too_large(t, e);
        return 0;
}

int lookup_add(
        struct lookup_table *t, struct str key, size_t parts, struct str value, struct err *e)
{
        if (!value.ptr)
                value.len = 0;
        uint32_t lens[] = {(uint32_t)key.len, value.ptr ? (uint32_t)value.len : NO_VALUE};
        size_t size = sizeof(lens) + key.len + value.len, at = t->bytes.len;
        uint64_t hash = XXH3_64bits(key.ptr, key.len);
        int rc = grow(t, e);

        if (rc)
                return rc;
        struct lookup_slot *slot = find_slot(t, key, hash);
        if (slot->at)
                return same_value(entry_at(t, slot->at - 1).value, value)
                               ? 0
                               : other_value(t, key, parts, e);
        rc = check_bounds(t, size, e);
        if (rc)
                return rc;
        buf_put(&t->bytes, lens, sizeof(lens));
        buf_put_str(&t->bytes, key);
        buf_put_str(&t->bytes, value);
        rc = lookup_check(t, &t->bytes, e);
        if (rc)
                return rc;
        XXH128_hash_t digest = XXH3_128bits(t->bytes.data + at, size);
        t->sum[0] += digest.low64;
        t->sum[1] += digest.high64;
        t->set->bytes += size;
        t->count++;
        *slot = (struct lookup_slot){(uint32_t)hash, (uint32_t)at + 1};
        return 0;
}

int lookup_table_put(
        struct lookup_table *t, const struct str *key, size_t count, struct str json, struct err *e)
{
        cleanup_buf_ struct buf text = BUF_INIT(LOOKUP_MAX_BYTES);

        for (size_t i = 0; i < count; i++)
                (void)!lookup_key_part(&text, count, COL_TEXT, key[i], NULL);
        int rc = lookup_check(t, &text, e);
        if (rc)
                return rc;
        json = json_trim(json);
        return lookup_add(
                t, buf_str(&text), count, str_is(json, "null") ? (struct str){NULL, 0} : json, e);
}

void lookup_table_clear(struct lookup_table *t)
{
        t->set->bytes -= t->bytes.len;
        buf_clear(&t->bytes);
        if (t->slots)
                memset(t->slots, 0, t->room * sizeof(*t->slots));
        t->count = t->null_keys = 0;
        t->sum[0] = t->sum[1] = 0;
}

void lookup_table_end(struct lookup_table *t)
{
        t->rows = lookup_rows_free(t->rows);
}

size_t lookup_table_count(const struct lookup_table *t, size_t *null_keys)
{
        *null_keys = t->null_keys;
        return t->count;
}

const struct column *lookup_table_column(const struct lookup_table *t)
{
        return &t->column;
}

const struct lookup_spec *lookup_table_spec(const struct lookup_table *t)
{
        return t->spec;
}

int lookup_take_column(struct lookup_table *t, const struct column *column, struct err *e)
{
        struct arena *a = t->set->arena;
        struct column copy = *column;

        copy.name = arena_strdup(a, str_of(column->name));
        if (column->source_type)
                copy.source_type = arena_strdup(a, str_of(column->source_type));
        if (!copy.name || (column->source_type && !copy.source_type))
                return arena_failed(a, "a look-up", e);
        t->column = copy;
        return 0;
}

int lookup_table_error(
        const struct lookup_table *t, const char *key, struct err *e, const char *fmt, ...)
{
        static const char *const places[] = {
                [LOOKUP_QUERY] = "query", [LOOKUP_MAP] = "map", [LOOKUP_FILE] = "file"};
        const struct lookup_spec *spec = t->spec;
        const struct ynode *n = key ? ynode_get(spec->node, key) : NULL;
        char text[ERR_TEXT_MAX];
        va_list ap;

        va_start(ap, fmt);
        if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
                text[0] = '\0';
        va_end(ap);
        if (!n)
                n = ynode_get(spec->node, places[spec->origin]);
        return ynode_error(spec->doc, n ? n : spec->node, e, "lookup: %s", text);
}

/* ---- sets ---- */

int lookup_set_new(const struct mapper_spec *spec, struct lookup_set **out, struct err *e)
{
        cleanup_(lookup_set_freep) struct lookup_set *s = calloc(1, sizeof(*s));

        if (!s)
                return err_nomem(e, "look-ups");
        s->spec = spec;
        s->arena = arena_new(ARENA_MAX);
        s->tables = calloc(spec->lookup_count ? spec->lookup_count : 1, sizeof(*s->tables));
        if (!s->arena || !s->tables)
                return err_nomem(e, "look-ups");
        for (; s->count < spec->lookup_count; s->count++) {
                struct lookup_table *t = &s->tables[s->count];
                *t = (struct lookup_table){
                        .spec = spec->lookups[s->count],
                        .set = s,
                        .column = {.name = "value", .kind = COL_JSON},
                };
                buf_init(&t->bytes, LOOKUP_MAX_BYTES);
        }
        *out = TAKE(s);
        return 0;
}

struct lookup_set *lookup_set_free(struct lookup_set *s)
{
        if (!s)
                return NULL;
        for (size_t i = 0; s->tables && i < s->count; i++) {
                lookup_table_end(&s->tables[i]);
                buf_deinit(&s->tables[i].bytes);
                free(s->tables[i].slots);
        }
        free(s->tables);
        arena_free(s->arena);
        free(s);
        return NULL;
}

int lookup_table_load(struct lookup_table *t, struct err *e)
{
        return t->spec->origin == LOOKUP_QUERY ? 0 : lookup_file(t, e);
}

int lookup_set_load(struct lookup_set *s, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; i < s->count && !rc; i++)
                rc = lookup_table_load(&s->tables[i], e);
        return rc;
}

struct digest lookup_set_digest(const struct lookup_set *s)
{
        XXH128_canonical_t bytes;
        struct digest out;
        XXH3_state_t state;

        XXH3_128bits_reset(&state);
        for (size_t i = 0; i < s->count; i++) {
                const struct lookup_table *t = &s->tables[i];
                uint64_t facts[] = {t->sum[0], t->sum[1], t->count, t->column.kind, t->column.elem};
                XXH3_128bits_update(&state, facts, sizeof(facts));
        }
        XXH128_canonicalFromHash(&bytes, XXH3_128bits_digest(&state));
        memcpy(out.bytes, bytes.digest, DIGEST_BYTES);
        return out;
}

/* The field that @path begins with; @path is narrowed to what follows. */
static const struct field_spec *step_into(
        const struct field_spec *fields, size_t count, struct str *path)
{
        const struct field_spec *found = NULL;
        size_t taken = 0;

        for (size_t i = 0; i < count; i++) {
                struct str name = fields[i].name;
                char next = path->len > name.len ? path->ptr[name.len] : '\0';
                bool ends = path->len == name.len || next == '.' || next == '[';
                if (!str_starts(*path, name) || !ends || (found && name.len <= found->name.len))
                        continue; /* names may have dots: the longest counts */
                found = &fields[i];
                taken = name.len;
        }
        path->ptr += taken;
        path->len -= taken;
        if (str_starts(*path, STR("[]")))
                *path = (struct str){path->ptr + 2, path->len - 2};
        if (path->len > 0 && *path->ptr == '.')
                *path = (struct str){path->ptr + 1, path->len - 1};
        return found;
}

struct lookup_table *lookup_set_of_field(const struct lookup_set *s, struct str path)
{
        const struct field_spec *f = step_into(s->spec->fields, s->spec->field_count, &path);

        while (f && path.len > 0)
                f = step_into(f->fields, f->field_count, &path);
        return f && f->origin == FIELD_LOOKUP ? &s->tables[f->lookup] : NULL;
}

size_t lookup_set_count(const struct lookup_set *s)
{
        return s->count;
}

struct lookup_table *lookup_set_table(const struct lookup_set *s, size_t index)
{
        return &s->tables[index];
}
