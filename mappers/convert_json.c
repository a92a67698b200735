/*
 * JSON values. Without steps or a type they are copied in canonical form. Otherwise a scalar goes
 * the way of a column of its kind: strings as text, numbers as exact decimals, booleans.
 */
#include "mappers/convert.h"
#include "mappers/text_steps.h"

#include "ingest/record/json_scan.h"

/* Appends @text in canonical form. Return: 0, PUT_NULL for null, MAPPER_REJECT. */
static int put_canonical(struct render *r, const struct chain *c, struct str text)
{
        size_t start = r->out->len;
        struct err e;

        if (c->numbers == JSON_NUMBERS_EXACT && json_is_plain(text)) {
                buf_put_str(r->out, text);
                return 0;
        }
        int rc = json_canonical(text, c->numbers, r->out, &e);
        if (rc == -ERR_REJECT && !r->out->error)
                return reject_value(r, text, "%s", e.text);
        if (rc) {
                r->out->error = rc; /* the buffer remembers */
                return 0;
        }
        if (r->out->len - start == 4 && memcmp(r->out->data + start, "null", 4) == 0) {
                r->out->len = start;
                return PUT_NULL;
        }
        return 0;
}

static int put_json(struct render *r, const struct chain *c, struct str text, int depth);

static bool keeps_json(const struct chain *c)
{
        return c->type == FIELD_TYPE_NONE || c->type == FIELD_TYPE_JSON;
}

/* A string that stays one. */
static int put_plain_string(struct render *r, const struct chain *c, struct str text)
{
        int rc = chain_steps(r, c, COL_TEXT, &text);

        if (rc)
                return rc == STEPS_DONE ? 0 : rc;
        return convert_text(r, c, text);
}

/* Whether a string is put as it is. */
static bool keeps_text(const struct chain *c)
{
        return !c->has_steps && !c->split && !c->format &&
               (keeps_json(c) || c->type == FIELD_TYPE_STRING);
}

static int put_string_text(struct render *r, const struct chain *c, struct str text)
{
        if (c->type != FIELD_TYPE_JSON)
                return chain_put(r, c, COL_TEXT, text);
        return c->split ? text_split_put(r, c, text, put_plain_string)
                        : put_plain_string(r, c, text);
}

static int put_json_string(struct render *r, const struct chain *c, struct str text)
{
        struct str inside;
        struct err e;

        if (json_plain_inside(text, &inside)) {
                if (!keeps_text(c))
                        return put_string_text(r, c, inside);
                buf_put_str(r->out, text);
                return 0;
        }
        render_reuse(&r->string);
        int rc = json_unquote(text, &r->string, &e);
        if (rc == -ERR_REJECT && !r->string.error)
                return reject_value(r, text, "%s", e.text);
        if (rc) {
                r->out->error = rc; /* the buffer remembers */
                return 0;
        }
        return put_string_text(r, c, buf_str(&r->string));
}

static int put_json_number(struct render *r, const struct chain *c, struct str text)
{
        struct str plain = text;
        int rc = c->has_steps ? chain_steps(r, c, COL_NUMERIC, &plain) : 0;

        if (rc)
                return rc == STEPS_DONE ? 0 : rc;
        if (keeps_json(c))
                return put_canonical(r, c, text);
        convert_fn convert = chain_convert(c, COL_NUMERIC);
        if (!convert)
                return reject_value(
                        r, text, "is a number and cannot become a %s", field_type_name(c->type));
        return convert(r, c, text);
}

static int put_json_bool(struct render *r, const struct chain *c, struct str text)
{
        bool is_true = str_is(text, "true");

        if (!is_true && !str_is(text, "false"))
                return reject_value(r, text, "is not JSON");
        struct str plain = is_true ? STR("t") : STR("f");
        int rc = c->has_steps ? chain_steps(r, c, COL_BOOL, &plain) : 0;
        if (rc)
                return rc == STEPS_DONE ? 0 : rc;
        convert_fn convert =
                convert_find(COL_BOOL, c->type == FIELD_TYPE_JSON ? FIELD_TYPE_BOOLEAN : c->type);
        if (!convert)
                return reject_value(
                        r, text, "is a boolean and cannot become a %s", field_type_name(c->type));
        return convert(r, c, plain);
}

/* The chain for each element; nulls stay. */
static int put_json_array(struct render *r, const struct chain *c, struct str text, int depth)
{
        size_t start = r->out->len;
        struct json_walk w;
        struct str key, value;

        if (depth == JSON_MAX_DEPTH)
                return reject_value(r, text, "is nested deeper than %d levels", JSON_MAX_DEPTH);
        if (!json_walk_open(&w, text, '['))
                return reject_value(r, text, "is not JSON");
        while (json_walk_next(&w, &key, &value)) {
                buf_putc(r->out, ',');
                int rc = put_json(r, c, value, depth + 1);
                if (rc == MAPPER_REJECT)
                        return rc;
                if (rc == PUT_NULL)
                        buf_put(r->out, "null", 4);
        }
        if (w.bad)
                return reject_value(r, text, "is not JSON");
        render_close(r->out, start, '[', ']');
        return 0;
}

static int put_json(struct render *r, const struct chain *c, struct str text, int depth)
{
        if (text.len && (*text.ptr <= ' ' || text.ptr[text.len - 1] <= ' '))
                text = json_trim(text);
        if (c->split && text.len && !strchr("\"[n", *text.ptr))
                return reject_value(r, text, "is not text, which split needs");
        switch (text.len ? *text.ptr : '\0') {
        case '"':
                return put_json_string(r, c, text);
        case '-':
        case '0' ... '9':
                return put_json_number(r, c, text);
        case 't':
        case 'f':
                return put_json_bool(r, c, text);
        case '[':
                return put_json_array(r, c, text, depth);
        case '{':
                if (!keeps_json(c))
                        return reject_value(r, text, "is an object and cannot become a %s",
                                field_type_name(c->type));
                return put_canonical(r, c, text);
        default:
                return put_canonical(r, c, text); /* null, or not JSON */
        }
}

int convert_json(struct render *r, const struct chain *c, struct str text)
{
        if (!c->has_steps && keeps_json(c))
                return put_canonical(r, c, text);
        return put_json(r, c, text, 0);
}

int convert_text_json(struct render *r, const struct chain *c, struct str text)
{
        return put_canonical(r, c, text);
}
