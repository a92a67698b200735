/*
 * Picked apart where it stands, without a tree: most rejects are only counted, compared or shown,
 * and there may be many.
 */
#include "ingest/pipeline/reject_view.h"

#include <stddef.h>
#include <string.h>

#include "ingest/record/json_scan.h"
#include "ingest/record/key.h"

#define KEY_TEXT_MAX (1 << 20)

void reject_view_read(struct str json, struct reject_view *out)
{
        static const struct {
                const char *name;
                size_t offset;
        } members[] = {
                {"\"mapper\"", offsetof(struct reject_view, mapper)},
                {"\"key\"", offsetof(struct reject_view, key)},
                {"\"database\"", offsetof(struct reject_view, database)},
                {"\"document\"", offsetof(struct reject_view, document)},
                {"\"stage\"", offsetof(struct reject_view, stage)},
                {"\"field\"", offsetof(struct reject_view, field)},
                {"\"reason\"", offsetof(struct reject_view, reason)},
                {"\"attempts\"", offsetof(struct reject_view, attempts)},
                {"\"first\"", offsetof(struct reject_view, first)},
                {"\"last\"", offsetof(struct reject_view, last)},
                {"\"record\"", offsetof(struct reject_view, record)},
        };
        struct json_walk w;
        struct str name, value;

        if (!json_walk_open(&w, json, '{'))
                return;
        while (json_walk_next(&w, &name, &value))
                for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
                        if (str_is(name, members[i].name))
                                *(struct str *)((char *)out + members[i].offset) = json_trim(value);
}

static void put_part(struct str json, struct buf *out)
{
        size_t before = out->len;

        if (json.len && *json.ptr != '"')
                buf_put_str(out, json);
        else if (json_unquote(json, out, NULL) != 0)
                out->len = before;
}

void reject_view_key_text(const struct reject_view *reject, struct buf *out)
{
        struct json_walk w;
        struct str none, part;
        bool first = true;

        if (!reject->key.ptr || str_is(reject->key, "null"))
                return;
        if (!json_walk_open(&w, reject->key, '[')) {
                put_part(reject->key, out);
                return;
        }
        for (; json_walk_next(&w, &none, &part); first = false) {
                if (!first)
                        buf_putc(out, ',');
                put_part(json_trim(part), out);
        }
}

bool reject_view_is(const struct reject_view *reject, const char *key)
{
        cleanup_buf_ struct buf text = BUF_INIT(KEY_TEXT_MAX);

        if (str_is(reject->id, key) ||
                (reject->key.ptr && str_is(reject->key, key) && !str_is(reject->key, "null")))
                return true;
        reject_view_key_text(reject, &text);
        return text.len > 0 && str_is(buf_str(&text), key);
}

/* Parts of a key of several columns that only its text is known of. */
static void put_split(struct str text, struct buf *json)
{
        buf_putc(json, '[');
        for (;;) {
                const char *comma = memchr(text.ptr, ',', text.len);
                size_t n = comma ? (size_t)(comma - text.ptr) : text.len;
                json_put_lossy(json, (struct str){text.ptr, n});
                if (!comma)
                        break;
                buf_putc(json, ',');
                text.ptr += n + 1;
                text.len -= n + 1;
        }
        buf_putc(json, ']');
}

bool reject_view_key(const struct reject_view *reject, size_t columns, struct buf *out)
{
        cleanup_buf_ struct buf text = BUF_INIT(KEY_TEXT_MAX), json = BUF_INIT(2 * KEY_TEXT_MAX),
                                space = BUF_INIT(KEY_TEXT_MAX);
        struct value parts[KEY_MAX_PARTS];

        if (!reject->key.ptr || columns > KEY_MAX_PARTS)
                return false;
        if (columns > 1 && *reject->key.ptr == '"') {
                reject_view_key_text(reject, &text);
                put_split(buf_str(&text), &json);
        } else {
                buf_put_str(&json, reject->key);
        }
        return key_of_json(buf_str(&json), out, NULL) == 0 &&
               key_values(buf_str(out), &space, parts, columns, NULL) == 0;
}

void reject_view_json(const struct reject_view *reject, bool record, struct buf *out)
{
        const struct {
                const char *name;
                struct str value;
        } members[] = {{"mapper", reject->mapper}, {"key", reject->key},
                {"database", reject->database}, {"document", reject->document},
                {"stage", reject->stage}, {"field", reject->field}, {"reason", reject->reason},
                {"attempts", reject->attempts}, {"first", reject->first}, {"last", reject->last}};

        buf_puts(out, "{\"id\":");
        json_put_lossy(out, reject->id);
        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
                buf_printf(out, ",\"%s\":", members[i].name);
                buf_put_str(out, members[i].value.ptr ? members[i].value : STR("null"));
        }
        if (record) {
                buf_puts(out, ",\"record\":");
                buf_put_str(out, reject->record.ptr ? reject->record : STR("null"));
        }
        buf_putc(out, '}');
}
