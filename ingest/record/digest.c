/*
 * One XXH3-128 call over the canonical bytes. Where members are insignificant, what is left is
 * first put together: a member's removal takes one comma with it, so the result is canonical too.
 */
#include "ingest/record/digest.h"

#include <xxhash.h>

#include "ingest/record/json_scan.h"

bool digest_is_void(const struct digest *d)
{
        static const struct digest none;

        return digest_eq(d, &none);
}

struct digest digest_body(struct str body)
{
        struct digest d;
        XXH128_canonical_t canonical;

        XXH128_canonicalFromHash(&canonical, XXH3_128bits(body.ptr ? body.ptr : "", body.len));
        memcpy(d.bytes, canonical.digest, DIGEST_BYTES);
        if (digest_is_void(&d))
                d.bytes[DIGEST_BYTES - 1] = 1;
        return d;
}

static const struct digest_filter *find_name(const struct digest_filter *filter, struct str name)
{
        for (size_t i = 0; i < filter->member_count; i++)
                if (str_eq(filter->members[i].name, name))
                        return &filter->members[i];
        return NULL;
}

/* @key: with quotes and escapes */
static const struct digest_filter *find_member(const struct digest_filter *filter, struct str key)
{
        cleanup_buf_ struct buf name = {.max = key.len};

        if (!memchr(key.ptr, '\\', key.len))
                return find_name(filter, (struct str){key.ptr + 1, key.len - 2});
        return json_unquote(key, &name, NULL) ? NULL : find_name(filter, buf_str(&name));
}

static bool filter_value(struct str value, const struct digest_filter *filter, struct buf *out);

static bool filter_array(struct str value, const struct digest_filter *filter, struct buf *out)
{
        struct json_walk w;
        struct str none, element;
        char before = '[';

        if (!json_walk_open(&w, value, '['))
                return false;
        while (json_walk_next(&w, &none, &element)) {
                buf_putc(out, before);
                if (!filter_value(element, filter, out))
                        return false;
                before = ',';
        }
        buf_puts(out, before == '[' ? "[]" : "]");
        return !w.bad;
}

/* The members that stay, with @before in front of the first one. */
static bool filter_members(
        struct json_walk *w, const struct digest_filter *filter, char *before, struct buf *out)
{
        struct str key, member;

        while (json_walk_next(w, &key, &member)) {
                const struct digest_filter *f = find_member(filter, key);
                if (f && f->insignificant)
                        continue;
                if (*before)
                        buf_putc(out, *before);
                *before = ',';
                buf_put_str(out, key);
                buf_putc(out, ':');
                if (!f || f->member_count == 0)
                        buf_put_str(out, member);
                else if (!filter_value(member, f, out))
                        return false;
        }
        return !w->bad;
}

/* Recursion ends with the filter, which the mapper's own nesting bounds. */
static bool filter_value(struct str value, const struct digest_filter *filter, struct buf *out)
{
        struct json_walk w;
        char before = '{';

        if (value.len > 0 && value.ptr[0] == '[')
                return filter_array(value, filter, out);
        if (!json_walk_open(&w, value, '{')) {
                buf_put_str(out, value);
                return true;
        }
        if (!filter_members(&w, filter, &before, out))
                return false;
        buf_puts(out, before == '{' ? "{}" : "}");
        return true;
}

/* Digest of @body, which may lie in @scratch, filtered behind the content of @scratch. */
static int digest_rest(struct str body, const struct digest_filter *filter, struct buf *scratch,
        struct digest *out, struct err *e)
{
        struct json_walk w;
        char before = '\0';
        size_t start = scratch->len;

        json_walk_members(&w, body);
        if (!filter_members(&w, filter, &before, scratch))
                return err_set(e, ERR_REJECT, "not the members of a JSON object");
        int rc = buf_check(scratch, "document", e);
        if (rc)
                return rc;
        *out = digest_body((struct str){buf_str(scratch).ptr + start, scratch->len - start});
        return 0;
}

int digest_filtered(struct str body, const struct digest_filter *filter, struct buf *scratch,
        struct digest *out, struct err *e)
{
        if (!filter) {
                *out = digest_body(body);
                return 0;
        }
        buf_clear(scratch);
        return digest_rest(body, filter, scratch, out, e);
}

/* Appends the member that begins @in, unless its name begins with '_'. */
static int put_member(struct str *in, struct buf *out, struct err *e)
{
        size_t start = out->len;

        if (in->len == 0 || *in->ptr != '"')
                return err_set(e, ERR_REJECT, "the document is not JSON: a key is missing");
        if (start > 0)
                buf_putc(out, ',');
        size_t name = out->len + 1;
        int rc = json_copy_value(in, JSON_NUMBERS_NEAREST, out, e);
        if (rc)
                return rc;
        bool internal = out->data[name] == '_';
        *in = json_skip_space(*in);
        if (in->len == 0 || *in->ptr != ':')
                return err_set(e, ERR_REJECT, "the document is not JSON: ':' is missing");
        buf_putc(out, ':');
        *in = (struct str){in->ptr + 1, in->len - 1};
        rc = json_copy_value(in, JSON_NUMBERS_NEAREST, out, e);
        if (internal)
                out->len = start;
        *in = json_skip_space(*in);
        return rc;
}

static int put_members(struct str in, struct buf *out, struct err *e)
{
        int rc = 0;

        in = json_trim(in);
        if (in.len < 2 || in.ptr[0] != '{' || in.ptr[in.len - 1] != '}')
                return err_set(e, ERR_REJECT, "a document must be a JSON object");
        in = json_skip_space((struct str){in.ptr + 1, in.len - 2});
        while (in.len > 0) {
                rc = put_member(&in, out, e);
                if (rc || in.len == 0)
                        return rc;
                if (*in.ptr != ',')
                        return err_set(e, ERR_REJECT, "the document is not JSON: ',' is missing");
                in = json_skip_space((struct str){in.ptr + 1, in.len - 1});
                if (in.len == 0)
                        return err_set(e, ERR_REJECT, "the document is not JSON: ',' ends it");
        }
        return buf_check(out, "document", e);
}

int digest_document(struct str json, const struct digest_filter *filter, struct buf *scratch,
        struct buf *body, struct digest *out, struct err *e)
{
        buf_clear(scratch);
        int rc = put_members(json, scratch, e);
        if (rc)
                return rc;
        struct str members = buf_str(scratch);
        if (body) {
                buf_clear(body);
                buf_put_str(body, members);
                rc = buf_check(body, "document", e);
                if (rc)
                        return rc;
        }
        if (!filter) {
                *out = digest_body(members);
                return 0;
        }
        /* The filtered members are never longer: with room for them @members stays in place. */
        if (!buf_room(scratch, members.len + 1))
                return buf_check(scratch, "document", e);
        members.ptr = scratch->data;
        return digest_rest(members, filter, scratch, out, e);
}
