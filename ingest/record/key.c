/*
 * One pass per component. Integers are parsed rather than compared as text so that "7", "07" and
 * "+7" cannot become three keys, and so that the state's B-tree is filled in ascending order when
 * a table is read in the order of its integer key.
 */
#include "ingest/record/key.h"

#include "ingest/record/json.h"
#include "ingest/record/json_scan.h"

#define TAG_INT   'i'
#define TAG_TEXT  't'
#define INT_BYTES 8
#define SIGN_BIT  (UINT64_C(1) << 63)

/* A zero byte of the text, and the end of a text: both sort before any longer text. */
static const char zero_escape[] = {'\x00', '\xFF'};
static const char text_end[] = {'\x00', '\x01'};

static void put_int(struct buf *out, int64_t value)
{
        uint64_t sortable = (uint64_t)value ^ SIGN_BIT;
        unsigned char bytes[1 + INT_BYTES] = {TAG_INT};

        for (size_t i = 0; i < INT_BYTES; i++)
                bytes[1 + i] = (unsigned char)(sortable >> (56 - 8 * i));
        buf_put(out, bytes, sizeof(bytes));
}

static void put_text(struct buf *out, struct str s)
{
        buf_putc(out, TAG_TEXT);
        while (s.len > 0) {
                const char *zero = memchr(s.ptr, '\0', s.len);
                size_t n = zero ? (size_t)(zero - s.ptr) : s.len;

                buf_put(out, s.ptr, n);
                if (zero) {
                        buf_put(out, zero_escape, sizeof(zero_escape));
                        n++;
                }
                s.ptr += n;
                s.len -= n;
        }
        buf_put(out, text_end, sizeof(text_end));
}

static void put_part(struct buf *out, enum col_kind kind, struct str text)
{
        int64_t number;

        if (kind == COL_INT && str_to_int64(text, &number))
                put_int(out, number);
        else
                put_text(out, text);
}

int key_encode(const struct shape *shape, const struct value *row, struct buf *out, struct err *e)
{
        for (size_t i = 0; i < shape->key_count; i++) {
                const struct column *column = &shape->columns.items[shape->key[i]];
                const struct value *v = &row[shape->key[i]];

                if (!v->ptr)
                        return err_set(e, ERR_REJECT,
                                "key column \"%s\" is null: a record without its source key "
                                "cannot be told from others; name another key, or leave such rows "
                                "out in the query",
                                column->name);
                put_part(out, column->kind, (struct str){v->ptr, v->len});
        }
        return buf_check(out, "source key", e);
}

struct component {
        bool is_int;
        int64_t number;
        struct str text; /* still with escaped zero bytes */
};

static struct component take_int(struct str *key)
{
        uint64_t sortable = 0;
        size_t n = key->len - 1 < INT_BYTES ? key->len - 1 : INT_BYTES;

        for (size_t i = 0; i < n; i++)
                sortable = sortable << 8 | (unsigned char)key->ptr[1 + i];
        key->ptr += 1 + n;
        key->len -= 1 + n;
        return (struct component){.is_int = true, .number = (int64_t)(sortable ^ SIGN_BIT)};
}

static struct component take_text(struct str *key)
{
        size_t i = 1;

        while (i + 1 < key->len && memcmp(key->ptr + i, text_end, 2) != 0)
                i += key->ptr[i] == '\0' ? 2 : 1;
        size_t end = i < key->len ? i : key->len;
        struct component c = {.text = {key->ptr + 1, end - 1}};
        size_t used = end + 2 < key->len ? end + 2 : key->len;
        key->ptr += used;
        key->len -= used;
        return c;
}

static struct component take_component(struct str *key)
{
        return key->ptr[0] == TAG_INT ? take_int(key) : take_text(key);
}

static void put_unescaped(struct buf *out, struct str s)
{
        for (size_t i = 0; i < s.len; i++) {
                buf_putc(out, s.ptr[i]);
                if (s.ptr[i] == '\0')
                        i++;
        }
}

static void put_component(const struct component *c, struct buf *out)
{
        if (c->is_int)
                buf_printf(out, "%lld", (long long)c->number);
        else
                put_unescaped(out, c->text);
}

int key_values(struct str key, struct buf *text, struct value *out, size_t max, struct err *e)
{
        size_t count = 0;

        buf_clear(text);
        for (; key.len > 0 && count < max; count++) {
                struct component c = take_component(&key);
                size_t start = text->len;
                put_component(&c, text);
                out[count] = (struct value){.len = (uint32_t)(text->len - start)};
        }
        if (key.len > 0 || count < max)
                return err_set(e, ERR_BUG, "a source key has not %zu components", max);
        const char *at = buf_cstr(text); /* only now does it not move any more */
        if (!at)
                return buf_check(text, "source key", e);
        for (size_t i = 0; i < count; at += out[i].len, i++)
                out[i].ptr = at;
        return 0;
}

void key_text(struct str key, struct buf *out)
{
        for (bool first = true; key.len > 0; first = false) {
                struct component c = take_component(&key);

                if (!first)
                        buf_putc(out, ',');
                put_component(&c, out);
        }
}

/* Integers that a double cannot hold are strings: readers of JSON would round them. */
static void put_json(struct buf *out, const struct component *c)
{
        cleanup_buf_ struct buf text = {.max = c->text.len};

        if (c->is_int && c->number <= JSON_MAX_INTEGER && c->number >= -JSON_MAX_INTEGER) {
                buf_printf(out, "%lld", (long long)c->number);
        } else if (c->is_int) {
                buf_printf(out, "\"%lld\"", (long long)c->number);
        } else {
                put_unescaped(&text, c->text);
                json_put_lossy(out, buf_str(&text));
        }
}

void key_json(struct str key, struct buf *out)
{
        size_t start = out->len;
        size_t count = 0;

        buf_putc(out, '[');
        for (; key.len > 0; count++) {
                struct component c = take_component(&key);

                if (count > 0)
                        buf_putc(out, ',');
                put_json(out, &c);
        }
        if (count != 1) {
                buf_putc(out, ']');
        } else if (!out->error) { /* a plain key needs no list */
                out->len--;
                memmove(out->data + start, out->data + start + 1, out->len - start);
        }
}

int key_recode(const struct shape *shape, struct str key, struct buf *out, struct err *e)
{
        cleanup_buf_ struct buf text = BUF_INIT(out->max);
        struct value parts[KEY_MAX_PARTS];

        if (shape->key_count > KEY_MAX_PARTS ||
                key_values(key, &text, parts, shape->key_count, NULL) != 0)
                return err_set(e, ERR_REJECT, "the source key has %zu columns, and this one others",
                        shape->key_count);
        for (size_t i = 0; i < shape->key_count; i++)
                put_part(out, shape->columns.items[shape->key[i]].kind,
                        (struct str){parts[i].ptr, parts[i].len});
        return buf_check(out, "source key", e);
}

static int put_part_of_json(struct str json, struct buf *out, struct err *e)
{
        cleanup_buf_ struct buf text = BUF_INIT(json.len);
        int64_t number;

        if (str_to_int64(json, &number)) {
                put_int(out, number);
                return 0;
        }
        int rc = json_unquote(json, &text, e);
        if (!rc)
                put_text(out, buf_str(&text));
        return rc;
}

int key_of_json(struct str json, struct buf *out, struct err *e)
{
        struct json_walk w = {.bad = false};
        struct str none, part;
        int rc = 0;

        json = json_trim(json);
        if (!json_walk_open(&w, json, '['))
                rc = put_part_of_json(json, out, e);
        else
                while (!rc && json_walk_next(&w, &none, &part))
                        rc = put_part_of_json(json_trim(part), out, e);
        if (!rc && w.bad)
                rc = err_set(e, ERR_REJECT, "a source key that is not JSON");
        return rc ? rc : buf_check(out, "source key", e);
}
