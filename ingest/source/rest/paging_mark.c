/*
 * The mark of a pager: one line of JSON. It is read back as if a stranger had written it: it comes
 * from a file. Hashes are hexadecimal text, since 64 bits do not survive as JSON numbers.
 */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>

#include "ingest/source/rest/paging_internal.h"

#define NUMBER_MAX (INT64_C(1) << 53) /* what a JSON number holds */
#define MARK_MAX   (8 * REST_PAGE_MAX_TOKEN)
#define HEX_BYTES  33 /* two hashes and a NUL */

static const char *const kind_names[] = {
        [REST_PAGING_NONE] = "none",
        [REST_PAGING_PAGE] = "page",
        [REST_PAGING_OFFSET] = "offset",
        [REST_PAGING_KEYSET] = "keyset",
        [REST_PAGING_NEXT_URL] = "next_url",
        [REST_PAGING_LINK_HEADER] = "link_header",
        [REST_PAGING_CURSOR] = "cursor",
        [REST_PAGING_ODATA] = "odata",
};

static bool put_number(cJSON *to, const char *name, int64_t n)
{
        return cJSON_AddNumberToObject(to, name, (double)n) != NULL;
}

static bool put_anchors(cJSON *to, const struct pager_tail *anchors)
{
        cJSON *list = cJSON_AddArrayToObject(to, "anchors");
        uint64_t held = anchors->count < PAGER_ANCHORS ? anchors->count : PAGER_ANCHORS;
        char text[HEX_BYTES];

        for (uint64_t i = 0; i < held; i++) {
                const struct pager_anchor *a =
                        &anchors->items[(anchors->count - held + i) % PAGER_ANCHORS];
                snprintf(text, sizeof(text), "%016" PRIx64 "%016" PRIx64, a->key, a->bytes);
                cJSON *item = cJSON_CreateString(text);
                if (!cJSON_AddItemToArray(list, item)) {
                        cJSON_Delete(item);
                        return false;
                }
        }
        return list != NULL;
}

/* Pages that do not overlap are begun with the one before, which must still hold what it held. */
static int64_t place_of(const struct rest_pager *p, bool *meet)
{
        bool numbered = p->spec->kind == REST_PAGING_PAGE;
        bool apart = numbered || (p->spec->kind == REST_PAGING_OFFSET && p->spec->disjoint);
        int64_t unit = numbered ? 1 : p->largest;

        *meet = p->must_meet;
        if (!apart || p->must_meet || p->at == 0 || p->anchors.count == 0)
                return p->at;
        *meet = p->at > unit;
        return p->at > unit ? p->at - unit : 0;
}

static bool put_members(cJSON *json, const struct rest_pager *p)
{
        const char *token = p->page.url ? p->page.url : p->page.after;
        bool meet;
        int64_t at = place_of(p, &meet);

        return cJSON_AddStringToObject(json, "kind", kind_names[p->spec->kind]) &&
               put_number(json, "number", (int64_t)p->page.number) && put_number(json, "at", at) &&
               put_number(json, "largest", p->largest) &&
               put_number(json, "delivered", p->delivered) &&
               put_number(json, "total", p->total < 0 ? 0 : p->total + 1) &&
               put_number(json, "back", p->back) && cJSON_AddBoolToObject(json, "meet", meet) &&
               (!token || cJSON_AddStringToObject(json, "token", token)) &&
               put_anchors(json, &p->anchors);
}

int rest_pager_mark(const struct rest_pager *p, struct buf *out, struct err *e)
{
        cJSON *json = cJSON_CreateObject();
        char *text = json && put_members(json, p) ? cJSON_PrintUnformatted(json) : NULL;

        cJSON_Delete(json);
        if (!text)
                return err_nomem(e, "a mark");
        buf_puts(out, text);
        cJSON_free(text);
        return buf_check(out, "mark", e);
}

/* ---- reading ---- */

static bool take_number(const cJSON *from, const char *name, int64_t *out)
{
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(from, name);
        double n = cJSON_IsNumber(item) ? item->valuedouble : -1;

        if (!(n >= 0 && n < (double)NUMBER_MAX))
                return false;
        *out = (int64_t)n;
        return (double)*out == n;
}

static bool take_hash(const char *hex, uint64_t *out)
{
        uint64_t hash = 0;

        for (int i = 0; i < 16; i++) {
                const char *digit = hex[i] ? strchr("0123456789abcdef", hex[i]) : NULL;
                if (!digit)
                        return false;
                hash = hash << 4 | (uint64_t)(*digit - (*digit > '9' ? 'a' - 10 : '0'));
        }
        *out = hash;
        return true;
}

static bool take_anchors(const cJSON *from, struct pager_tail *out)
{
        const cJSON *item, *list = cJSON_GetObjectItemCaseSensitive(from, "anchors");

        if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > PAGER_ANCHORS)
                return false;
        cJSON_ArrayForEach(item, list)
        {
                const char *text = cJSON_GetStringValue(item);
                struct pager_anchor *a = &out->items[out->count++];
                if (!text || strlen(text) != HEX_BYTES - 1 || !take_hash(text, &a->key) ||
                        !take_hash(text + 16, &a->bytes))
                        return false;
        }
        return true;
}

static bool take_members(struct rest_pager *p, const cJSON *json)
{
        const char *kind = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "kind"));
        const cJSON *meet = cJSON_GetObjectItemCaseSensitive(json, "meet");
        int64_t number, total;

        if (!kind || strcmp(kind, kind_names[p->spec->kind]) != 0 || !cJSON_IsBool(meet) ||
                !take_number(json, "number", &number) || !take_number(json, "at", &p->at) ||
                !take_number(json, "largest", &p->largest) || !take_number(json, "total", &total) ||
                !take_number(json, "delivered", &p->delivered) ||
                !take_number(json, "back", &p->back) || p->back < 1 ||
                !take_anchors(json, &p->anchors))
                return false;
        p->page.number = (uint64_t)number;
        p->total = total - 1;
        p->must_meet = cJSON_IsTrue(meet);
        bool counts = p->spec->kind == REST_PAGING_PAGE || p->spec->kind == REST_PAGING_OFFSET;
        return counts || (p->at == 0 && !p->must_meet);
}

static int take_token(struct rest_pager *p, const cJSON *json, struct err *e)
{
        const char *token = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "token"));
        bool counts = p->spec->kind == REST_PAGING_PAGE || p->spec->kind == REST_PAGING_OFFSET ||
                      p->spec->kind == REST_PAGING_NONE;
        bool wanted = !counts && p->page.number > 0;
        uint64_t before;

        if (wanted != (token && *token))
                return err_set(e, ERR_CONFIG, "its page has no name");
        if (!wanted)
                return 0;
        int rc = pager_set_token(p, str_of(token), e);
        return rc ? rc : pager_seen_add(&p->seen, buf_str(&p->token), p->page.number, &before, e);
}

int pager_take_mark(struct rest_pager *p, struct str mark, struct err *e)
{
        cJSON *json = mark.len <= MARK_MAX ? cJSON_ParseWithLength(mark.ptr, mark.len) : NULL;
        int rc = json && take_members(p, json) ? take_token(p, json, e)
                                               : err_set(e, ERR_CONFIG, "it is not of paging by %s",
                                                         kind_names[p->spec->kind]);

        cJSON_Delete(json);
        return err_wrap(e, rc, "where the last read got to cannot be used");
}
