/*
 * The reply of a good batch is known beforehand, so each of its elements is compared byte for byte
 * with {"ok":true,"id":"...","rev":"PREDICTED"}; only what differs is taken apart.
 */
#include <stdio.h>

#include "ingest/couch/member.h"
#include "ingest/couch/meter.h"
#include "ingest/couch/writer.h"

/* The bytes at @*p, if they are @s. */
static bool skip(const char **p, const char *end, struct str s)
{
        if ((size_t)(end - *p) < s.len || memcmp(*p, s.ptr, s.len) != 0)
                return false;
        *p += s.len;
        return true;
}

/* Whether the next element is the one that was expected; then the walk is behind it. */
static bool as_expected(const struct batch *b, const struct item *i, struct json_walk *w)
{
        const char *p = w->p;

        if (!*i->rev || !skip(&p, w->end, STR("{\"ok\":true,\"id\":")) ||
                !skip(&p, w->end, item_id_json(b, i)) || !skip(&p, w->end, STR(",\"rev\":\"")) ||
                !skip(&p, w->end, str_of(i->rev)) || !skip(&p, w->end, STR("\"}")))
                return false;
        if (p == w->end || (*p != ',' && *p != ']'))
                return false;
        w->p = *p == ',' ? p + 1 : p;
        return true;
}

/* One element of the reply; strings as written, with quotes; .ptr NULL where absent. */
struct element {
        struct str id, rev, error, reason;
        bool ok;
};

static bool read_element(struct str text, struct element *out)
{
        struct json_walk w;
        struct str key, value;

        *out = (struct element){.ok = false};
        if (!json_walk_open(&w, text, '{'))
                return false;
        while (json_walk_next(&w, &key, &value)) {
                if (str_is(key, "\"id\""))
                        out->id = value;
                else if (str_is(key, "\"rev\""))
                        out->rev = value;
                else if (str_is(key, "\"error\""))
                        out->error = value;
                else if (str_is(key, "\"reason\""))
                        out->reason = value;
                else if (str_is(key, "\"ok\""))
                        out->ok = str_is(value, "true");
        }
        return !w.bad;
}

/* Whether a string as written is the id of @i, which may be escaped in another way there. */
static bool is_id(const struct batch *b, const struct item *i, struct str written)
{
        struct buf *scratch = &b->bulk->scratch;

        if (str_eq(written, item_id_json(b, i)))
                return true;
        buf_clear(scratch);
        return json_canonical(written, JSON_NUMBERS_NEAREST, scratch, NULL) == 0 &&
               str_eq(buf_str(scratch), item_id_json(b, i));
}

/* Appends the text of a JSON string, cut to what fits. */
static void put_text(struct batch *b, struct str written, char *out, size_t size)
{
        struct buf *scratch = &b->bulk->scratch;

        buf_clear(scratch);
        if (!written.ptr || json_unquote(written, scratch, NULL) < 0)
                return;
        size_t n = strlen(out);
        snprintf(out + n, size - n, "%s%.*s", n ? ": " : "", STR_ARG(buf_str(scratch)));
}

/* A document that we sent without _rev may come back over a tombstone we did not know: its
 * generation is then higher. Anything else that differs means that this server counts otherwise. */
static void check_prediction(const struct batch *b, const struct item *i, struct str rev)
{
        struct bulk *bulk = b->bulk;

        if (!bulk->predicts || !*i->rev || str_is(rev, i->rev))
                return;
        if (!item_sends_rev(i) && rev_generation(rev) > rev_generation(str_of(i->rev)))
                return;
        bulk->predicts = false;
        bulk->stats.mispredictions++;
        log_warn(bulk->log,
                "database %s, document %.*s: revision %.*s where %s was predicted; from now on "
                "documents are compared instead after a lost reply",
                b->database->name, STR_ARG(item_id_json(b, i)), STR_ARG(rev), i->rev);
}

static void written(struct batch *b, struct item *i, struct str rev, struct answer *out)
{
        check_prediction(b, i, rev);
        out->written++;
        bulk_settle(b, i, BULK_WRITTEN, rev, NULL);
}

enum refusal { REFUSED, CONFLICT, SERVER_ERROR, NO_SPACE };

/* CouchDB's names of per-document errors that are not the document's fault. */
static enum refusal refusal_of(struct str error, struct str reason)
{
        static const struct {
                const char *error, *reason; /* as written; reason NULL: any */
                enum refusal refusal;
        } rules[] = {
                {"\"conflict\"", NULL, CONFLICT},
                {"\"internal_server_error\"", NULL, SERVER_ERROR},
                {"\"error\"", "\"internal_server_error\"", SERVER_ERROR},
                {"\"timeout\"", NULL, SERVER_ERROR},
        };

        for (size_t n = 0; n < sizeof(rules) / sizeof(rules[0]); n++)
                if (str_is(error, rules[n].error) &&
                        (!rules[n].reason || str_is(reason, rules[n].reason)))
                        return rules[n].refusal;
        /* "insufficent_storage" (sic) up to 3.5.1, spelt right from 3.5.2 on */
        return str_starts(error, STR("\"insuffic")) ? NO_SPACE : REFUSED;
}

static void not_written(
        struct batch *b, struct item *i, const struct element *el, struct answer *out)
{
        enum refusal refusal = refusal_of(el->error, el->reason);
        char reason[REASON_MAX] = "";

        put_text(b, el->error, reason, sizeof(reason));
        put_text(b, el->reason, reason, sizeof(reason));
        if (refusal == REFUSED) {
                bulk_settle(b, i, BULK_REFUSED, STR(""), reason);
                return;
        }
        i->state = refusal == NO_SPACE ? ITEM_TODO : ITEM_DOUBT;
        i->conflicted = refusal == CONFLICT;
        out->conflicts += refusal == CONFLICT;
        if (refusal == CONFLICT)
                return;
        i->unsure = i->unsure || refusal == SERVER_ERROR;
        out->server_errors += refusal == SERVER_ERROR;
        out->no_space += refusal == NO_SPACE;
        memcpy(out->reason, reason, sizeof(reason));
}

/* Return: false where the element is not about @i: the rest of the reply is not believed. */
static bool take_element(struct batch *b, struct item *i, struct str text, struct answer *out)
{
        struct element el;

        if (!read_element(text, &el) || (el.id.ptr && !is_id(b, i, el.id)))
                return false;
        struct str rev = member_rev(el.rev, REV_MAX);
        if (el.error.ptr)
                not_written(b, i, &el, out);
        else if (el.id.ptr && rev.len)
                written(b, i, rev, out);
        else
                return false;
        return true;
}

static void doubt_rest(struct batch *b, size_t from)
{
        for (size_t n = from; n < b->count; n++) {
                b->items[n].state = ITEM_DOUBT;
                b->items[n].unsure = true;
                b->items[n].conflicted = false;
        }
}

void answer_read(struct batch *b, struct str reply, struct answer *out)
{
        struct json_walk w;
        struct str none, text;
        size_t n = 0;

        *out = (struct answer){.written = 0};
        if (json_walk_open(&w, reply, '[')) {
                for (; n < b->count; n++) {
                        struct item *i = &b->items[n];
                        if (as_expected(b, i, &w)) {
                                out->written++;
                                bulk_settle(b, i, BULK_WRITTEN, str_of(i->rev), NULL);
                        } else if (!json_walk_next(&w, &none, &text) ||
                                   !take_element(b, i, text, out)) {
                                break;
                        }
                }
        }
        out->broken = n < b->count;
        doubt_rest(b, n);
        meter_conflicts(b->bulk->couch->options->meter, out->conflicts);
}
