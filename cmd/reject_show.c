/* Members are JSON as CouchDB wrote it: programs get them as they are, people get their text. */
#include "cmd/reject_show.h"

#include "ingest/record/json_scan.h"

#define TEXT_MAX (1 << 20)

const struct table_column reject_columns[] = {
        {"MAPPER", 30},
        {"KEY", 40},
        {"DOCUMENT", 50},
        {"STAGE", 6},
        {"ATTEMPTS", 10},
        {"FIRST", 24},
        {"LAST", 24},
        {"FIELD", 30},
        {"REASON", 0},
};
const size_t reject_column_count = sizeof(reject_columns) / sizeof(reject_columns[0]);

/* The text of a string; anything else as it is written; "" for nothing and null. */
static struct str plain(struct str json, struct buf *text)
{
        buf_clear(text);
        if (!json.ptr || str_is(json, "null"))
                return STR("");
        if (*json.ptr != '"')
                return json;
        return json_unquote(json, text, NULL) == 0 ? buf_str(text) : json;
}

static struct str key_of(const struct reject_view *reject, struct buf *text)
{
        buf_clear(text);
        reject_view_key_text(reject, text);
        return text->len ? buf_str(text) : reject->id; /* its only name */
}

int reject_show_row(struct table *t, const struct reject_view *reject, struct err *e)
{
        const struct str members[] = {reject->mapper, reject->key, reject->document, reject->stage,
                reject->attempts, reject->first, reject->last, reject->field, reject->reason};
        cleanup_buf_ struct buf text = BUF_INIT(TEXT_MAX);
        int rc = 0;

        for (size_t i = 0; i < reject_column_count && !rc; i++)
                rc = table_cell(t, i == 1 ? key_of(reject, &text) : plain(members[i], &text), e);
        return rc;
}

static void put_line(struct buf *out, const char *indent, struct str name, struct str value)
{
        size_t width = 10;

        buf_puts(out, indent);
        size_t chars = out_text(out, name, 60);
        for (size_t i = chars; i < width; i++)
                buf_putc(out, ' ');
        buf_putc(out, ' ');
        out_text(out, value, 0);
        buf_putc(out, '\n');
}

static void put_record(struct buf *out, struct str record)
{
        cleanup_buf_ struct buf name = BUF_INIT(TEXT_MAX), value = BUF_INIT(TEXT_MAX);
        struct str key, json;
        struct json_walk w;

        if (!record.ptr || !json_walk_open(&w, record, '{')) {
                put_line(out, "  ", STR("record"), STR("(not known)"));
                return;
        }
        buf_puts(out, "  record\n");
        while (json_walk_next(&w, &key, &json)) {
                struct str text = str_is(json_trim(json), "null") ? STR("null")
                                                                  : plain(json_trim(json), &value);
                put_line(out, "    ", plain(key, &name), text);
        }
}

void reject_show_block(struct buf *out, const struct reject_view *reject)
{
        cleanup_buf_ struct buf text = BUF_INIT(TEXT_MAX);
        const struct {
                const char *name;
                struct str value;
        } lines[] = {{"document", reject->document}, {"database", reject->database},
                {"stage", reject->stage}, {"field", reject->field}, {"reason", reject->reason},
                {"attempts", reject->attempts}, {"first", reject->first}, {"last", reject->last}};

        out_text(out, plain(reject->mapper, &text), 0);
        buf_puts(out, ": key ");
        out_text(out, key_of(reject, &text), 0);
        buf_putc(out, '\n');
        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
                struct str value = plain(lines[i].value, &text);
                if (value.len)
                        put_line(out, "  ", str_of(lines[i].name), value);
        }
        put_record(out, reject->record);
}
