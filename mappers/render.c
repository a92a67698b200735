/*
 * One record: the body, then the id and the database (which may use any of its fields), then the
 * digest. Buffers remember the first append that failed, and are asked once, at the end.
 */
#include "mappers/program.h"

#define DATABASE_MAX_BYTES 238 /* as DATABASE_NAME_RULE says */

int render_check(struct render *r, struct err *e)
{
        bool large = false;
        int failed = 0, rc = 0;

        for (size_t i = 0; i < RENDER_BUFS; i++) {
                failed |= r->bufs[i].error;
                large |= r->bufs[i].cap > RENDER_KEEP_BYTES;
        }
        for (size_t i = 0; r->texts && i < TEXT_BUFS; i++) {
                failed |= r->texts->bufs[i].error;
                large |= r->texts->bufs[i].cap > RENDER_KEEP_BYTES;
        }
        r->renew = failed || large;
        for (size_t i = 0; failed && i < RENDER_BUFS && !rc; i++)
                rc = buf_check(&r->bufs[i], "the document", e);
        for (size_t i = 0; failed && r->texts && i < TEXT_BUFS && !rc; i++)
                rc = buf_check(&r->texts->bufs[i], "the document", e);
        return rc;
}

static void renew(struct buf *bufs, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                if (bufs[i].cap > RENDER_KEEP_BYTES)
                        buf_deinit(&bufs[i]);
                buf_clear(&bufs[i]);
        }
}

void render_clear(struct render *r)
{
        if (r->renew)
                renew(r->bufs, RENDER_BUFS);
        if (r->renew && r->texts)
                renew(r->texts->bufs, TEXT_BUFS);
        r->renew = false;
        r->body.len = 0;
        r->early.len = 0;
        r->part.len = 0;
        r->spans.len = 0;
        r->significant.len = 0;
}

static void begin(struct render *r, const struct record *record)
{
        r->record = record;
        r->row = record->row;
        r->element = (struct str){NULL, 0};
        r->out = &r->body;
        r->depth = 0;
        render_clear(r);
}

static int render_body(struct mapper_program *p, struct render *r)
{
        int rc = 0;

        if (p->root.early_count) {
                r->out = &r->early;
                rc = render_ops(r, p->root.early, p->root.early_count);
                r->out = &r->body;
        }
        return rc ? rc : render_ops(r, p->root.ops, p->root.op_count);
}

static bool has_control(struct str s)
{
        bool found = false;

        for (size_t i = 0; i < s.len; i++)
                found |= (unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7F;
        return found;
}

static int render_text(
        struct render *r, const struct plan *plan, const struct text_plan *t, struct buf *out)
{
        const struct part *null_part;

        r->plan = plan;
        render_reuse(out);
        int rc = text_put(r, t, out, &null_part);
        if (rc == PUT_NULL)
                return reject(r,
                        "${%.*s} is null: every record needs its value here; leave such records "
                        "out in the query, or use another column",
                        STR_ARG(null_part->text));
        return rc;
}

static int render_id(struct mapper_program *p, struct render *r, struct str *out)
{
        int rc = render_text(r, &p->id_plan, &p->id, &r->id);
        struct str id = buf_str(&r->id);

        if (rc)
                return rc;
        if (id.len == 0)
                return reject(r, "a document id must not be empty");
        if (id.len > MAPPER_MAX_ID)
                return reject_value(r, id, "is a document id of more than %d bytes", MAPPER_MAX_ID);
        if (*id.ptr == '_')
                return reject_value(r, id, "begins with _: such document ids belong to CouchDB");
        if (has_control(id))
                return reject_value(r, id,
                        "holds a control character, which no document id may: "
                        "mend the value in the ERP");
        *out = id;
        return 0;
}

bool database_name_valid(struct str s)
{
        static const char others[] = "_$()+/-";

        for (size_t i = 0; i < s.len; i++) {
                char c = s.ptr[i];
                if (c >= 'a' && c <= 'z')
                        continue;
                bool digit = c >= '0' && c <= '9';
                if (i == 0 || (!digit && !memchr(others, c, sizeof(others) - 1)))
                        return false;
        }
        return s.len > 0 && s.len <= DATABASE_MAX_BYTES;
}

static int render_database(struct mapper_program *p, struct render *r, struct str *out)
{
        if (p->constant_database.ptr) {
                *out = p->constant_database;
                return 0;
        }
        int rc = render_text(r, &p->database_plan, &p->database, &r->database);
        if (rc)
                return rc;
        if (!database_name_valid(buf_str(&r->database)))
                return reject_value(r, buf_str(&r->database), DATABASE_NAME_RULE);
        *out = buf_str(&r->database);
        return 0;
}

/* The body without its insignificant members. A span at the first member of a nested object
 * begins at the bracket that took its comma's place: the comma behind the span goes instead. */
static struct str significant_body(struct render *r)
{
        const struct span *spans = (const struct span *)r->spans.data;
        size_t count = r->spans.len / sizeof(*spans);
        const char *body = r->body.data;
        size_t at = 0;

        for (size_t i = 0; i < count; i++) {
                size_t start = spans[i].start, end = spans[i].end;
                if (body[start] != ',') {
                        start++;
                        end += end < r->body.len && body[end] == ',';
                }
                buf_put(&r->significant, body + at, start - at);
                at = end;
        }
        buf_put(&r->significant, body + at, r->body.len - at);
        return buf_str(&r->significant);
}

static struct str without_comma(struct str members)
{
        return members.len ? (struct str){members.ptr + 1, members.len - 1} : members;
}

static int render_all(struct mapper_program *p, struct render *r, struct mapped *out)
{
        int rc = render_body(p, r);

        if (!rc)
                rc = render_id(p, r, &out->id);
        return rc ? rc : render_database(p, r, &out->database);
}

static int fill_reject(struct render *r, struct mapper_reject *why, struct err *e)
{
        why->field = buf_cstr(&r->reject_field);
        why->reason = buf_cstr(&r->reject_reason);
        return why->field && why->reason ? MAPPER_REJECT : err_nomem(e, "a reject");
}

int mapper_render(struct mapper_program *p, const struct record *record, struct mapped *out,
        struct mapper_reject *why, struct err *e)
{
        struct render *r = &p->render;
        struct mapped done;

        begin(r, record);
        int rc = render_all(p, r, &done);
        bool excluded = r->spans.len > 0 && !rc && !r->body.error;
        struct str members = excluded ? significant_body(r) : buf_str(&r->body);
        int failed = render_check(r, e);
        if (failed == -ERR_REJECT) {
                r->plan = &p->document_plan;
                buf_clear(&r->reject_field);
                reject(r, "the document is larger than %d bytes", MAPPER_MAX_DOCUMENT);
                rc = MAPPER_REJECT;
        } else if (failed) {
                return failed;
        }
        if (rc)
                return fill_reject(r, why, e);
        done.body = without_comma(buf_str(&r->body));
        done.digest = digest_body(without_comma(members));
        *out = done;
        return 0;
}
