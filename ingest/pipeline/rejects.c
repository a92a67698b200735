/*
 * PROTOCOL.md section 8. A reject is a document "reject:MAPPER:KEY" in the control database. Its
 * revision, its first time and its attempts are kept in the state by document id, read anew from
 * the control database at the start of every run. An incremental run reads rejected records again,
 * by key. Those that did not come again are removed: they were acknowledged, or are gone.
 */
#include "ingest/pipeline/run_internal.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#define REJECT_MAX_KEY    200        /* bytes of a key that stands in the id as it is */
#define REJECT_MAX_RECORD 65536      /* bytes of the record that a reject shows */
#define REJECTS_SHARE_OF  100        /* max_rejects' default needs so many records to judge */
#define REJECTS_REREAD    10000      /* rejected records that an incremental run looks at again */
#define REJECT_STAYS      UINT64_MAX /* in place of a run: its record is not read in this one */
#define REJECTS_EARLY     1000       /* and so many to judge before the read has ended */

static void put_prefix(const struct run *r, struct buf *out)
{
        buf_printf(out, "reject:%s:", r->spec->name);
}

/* KEY is the source key as JSON; long or unprintable ones are their hash. */
static void put_id(const struct run *r, const struct reject_note *note, struct buf *out)
{
        struct str key = note->key;
        cleanup_buf_ struct buf text = BUF_INIT(1 << 20);

        put_prefix(r, out);
        if (key.len)
                key_json(key, &text);
        else if (note->key_text)
                buf_puts(&text, note->key_text);
        else
                buf_puts(&text, note->reason);
        if (!key.len && note->record) /* records without a key are told apart by what they hold */
                mapper_record_json(&r->shape, note->record, REJECT_MAX_RECORD, &text);
        bool plain = key.len || note->key_text;
        if (!text.error && plain && text.len <= REJECT_MAX_KEY && str_utf8_valid(buf_str(&text))) {
                buf_put_str(out, buf_str(&text));
                return;
        }
        XXH128_hash_t h = XXH3_128bits(text.data, text.len);
        buf_printf(
                out, "%016llx%016llx", (unsigned long long)h.high64, (unsigned long long)h.low64);
}

static void put_text_member(struct buf *out, const char *name, const char *value)
{
        buf_printf(out, ",\"%s\":", name);
        if (!json_put_string(out, str_of(value)))
                buf_puts(out, "\"(not UTF-8)\"");
}

static void put_body(struct run *r, const struct reject_note *note, const char *first,
        const char *now, uint32_t attempts, struct buf *out)
{
        buf_puts(out, "\"type\":\"reject\"");
        put_text_member(out, "mapper", r->spec->name);
        buf_puts(out, ",\"key\":");
        if (note->key.len)
                key_json(note->key, out);
        else if (!note->key_text || !json_put_string(out, str_of(note->key_text)))
                buf_puts(out, "null");
        put_text_member(out, "stage", note->stage);
        put_text_member(out, "field", note->field);
        put_text_member(out, "reason", note->reason);
        buf_printf(out, ",\"attempts\":%u", attempts);
        put_text_member(out, "first", first);
        put_text_member(out, "last", now);
        if (note->record) {
                buf_puts(out, ",\"record\":");
                mapper_record_json(&r->shape, note->record, REJECT_MAX_RECORD, out);
        }
}

static int too_many(const struct run *r, struct err *e)
{
        const struct run_counts *n = r->counts;

        if (r->spec->max_rejects >= 0)
                return err_set(e, ERR_GUARD,
                        "%llu records were rejected, max_rejects is %lld: the run stops; see the "
                        "rejects in the control database",
                        (unsigned long long)n->rejected, (long long)r->spec->max_rejects);
        return err_set(e, ERR_GUARD,
                "%llu of %llu records were rejected: the run stops; mend the mapper, or raise "
                "max_rejects",
                (unsigned long long)n->rejected, (unsigned long long)n->read);
}

/* The share of the default is judged at the end of the read, and before only over so many records
 * that it says something whatever their order. */
static int check_limit(const struct run *r, uint64_t at_least, struct err *e)
{
        const struct run_counts *n = r->counts;
        int64_t max = r->spec->max_rejects;

        if (max >= 0 ? n->rejected > (uint64_t)max
                     : n->read > at_least && n->rejected > n->read / 2)
                return too_many(r, e);
        return 0;
}

int rejects_judge(struct run *r, struct err *e)
{
        return check_limit(r, REJECTS_SHARE_OF, e);
}

bool rejects_held(struct run *r, struct str key)
{
        struct reject_note note = {.key = key, .reason = ""};
        cleanup_buf_ struct buf id = BUF_INIT(MAPPER_MAX_ID);
        struct state_reject reject;
        struct err ignored;

        if (r->spec->on_conflict != ON_CONFLICT_REJECT || state_reject_count(r->state) == 0)
                return false;
        put_id(r, &note, &id);
        return !id.error && state_reject_get(r->state, buf_str(&id), &reject, &ignored) == 0;
}

bool rejects_came_again(struct run *r, struct str key)
{
        struct reject_note note = {.key = key, .reason = ""};
        cleanup_buf_ struct buf id = BUF_INIT(MAPPER_MAX_ID);
        struct state_reject reject;
        struct err ignored;

        if (state_reject_count(r->state) == 0)
                return false;
        put_id(r, &note, &id);
        return !id.error && state_reject_get(r->state, buf_str(&id), &reject, &ignored) == 0 &&
               reject.run == r->number;
}

static int push_reject(struct run *r, const struct reject_note *note, struct buf *id, struct err *e)
{
        struct state_reject before = {.attempts = 0};
        char now[CLOCK_RFC3339_MAX], first[CLOCK_RFC3339_MAX];
        cleanup_buf_ struct buf body = BUF_INIT(1 << 20);
        int rc = state_reject_get(r->state, buf_str(id), &before, e);

        if (rc < 0)
                return rc;
        if (rc == 0 && before.run == r->number && before.attempts)
                return 0; /* written in this run already */
        clock_rfc3339(clock_wall_us(), now);
        snprintf(first, sizeof(first), "%.*s", STR_ARG(rc == 0 ? before.first : str_of(now)));
        put_body(r, note, first, now, before.attempts + 1, &body);
        rc = buf_check(&body, "reject", e);
        if (rc)
                return rc;
        struct pending what = {.kind = PENDING_REJECT,
                .database = UINT16_MAX,
                .id = buf_str(id),
                .attempts = before.attempts + 1,
                .first = str_of(first)};
        struct bulk_doc doc = {.database = r->control,
                .id = buf_str(id),
                .parent = before.rev,
                .body = buf_str(&body),
                .digest = digest_body(buf_str(&body))};
        return pass_push(r, &what, &doc, e);
}

static void log_reject(const struct run *r, const struct reject_note *note)
{
        cleanup_buf_ struct buf key = BUF_INIT(4096);

        if (note->key.len)
                key_text(note->key, &key);
        else
                buf_puts(&key, note->key_text ? note->key_text : "?");
        log_warn(r->log, "reject: key %s: %s%s%s", buf_cstr(&key) ? buf_cstr(&key) : "?",
                note->field, note->field[0] ? ": " : "", note->reason);
}

#define REJECTS_LOGGED 20 /* of a run; the others stand in the control database */

int rejects_add(struct run *r, const struct reject_note *note, struct err *e)
{
        cleanup_buf_ struct buf id = BUF_INIT(MAPPER_MAX_ID);
        struct err limit;
        int rc = 0;

        r->counts->rejected++;
        atomic_store_explicit(&r->progress->rejected, r->counts->rejected, memory_order_relaxed);
        if (r->counts->rejected <= REJECTS_LOGGED)
                log_reject(r, note);
        else if (r->counts->rejected == REJECTS_LOGGED + 1)
                log_warn(r->log, "more rejects follow; they stand in the control database %s",
                        r->control);
        if (!r->options.dry_run) {
                put_id(r, note, &id);
                rc = buf_check(&id, "reject id", e);
                if (!rc)
                        rc = push_reject(r, note, &id, e);
                buf_deinit(&id);
        }
        if (rc < 0)
                return rc;
        int over = check_limit(r, REJECTS_EARLY, &limit);
        if (over)
                *e = limit;
        return over ? over : rc;
}

/* One component of a key as JSON: an integer, or text. */
static struct value component_of(const cJSON *item, char number[32])
{
        const char *text = cJSON_GetStringValue(item);

        if (cJSON_IsNumber(item)) {
                snprintf(number, 32, "%.0f", item->valuedouble);
                text = number;
        }
        return (struct value){text, text ? (uint32_t)strlen(text) : 0};
}

/* The source key of a reject in the form of key.h. Return: false where it has none. */
static bool reject_key(const struct run *r, const cJSON *json, struct buf *out)
{
        const cJSON *key = cJSON_GetObjectItemCaseSensitive(json, "key");
        size_t width = r->shape.key_count;
        bool is_list = cJSON_IsArray(key);
        char number[32];

        buf_clear(out);
        if ((is_list ? (size_t)cJSON_GetArraySize(key) : 1) != width)
                return false;
        for (size_t i = 0; i < width; i++) {
                struct value row[RECORD_MAX_COLUMNS];
                size_t at = r->shape.key[i];
                struct shape one = {
                        .columns = r->shape.columns, .key = &r->shape.key[i], .key_count = 1};
                row[at] = component_of(is_list ? cJSON_GetArrayItem(key, (int)i) : key, number);
                if (key_encode(&one, row, out, NULL) != 0)
                        return false;
        }
        return true;
}

static bool is_given(const struct run *r, struct str key)
{
        for (size_t i = 0; i < r->options.key_count; i++)
                if (str_eq(r->options.keys[i], key))
                        return true;
        return false;
}

/* Whether this run reads the record of the reject: then it is settled, or comes again. */
static int take_up(struct run *r, const cJSON *json, bool *read, struct err *e)
{
        cleanup_buf_ struct buf key = BUF_INIT(1 << 20);
        bool has_key = r->mode != RUN_READS_ALL && reject_key(r, json, &key);

        *read = r->mode == RUN_READS_ALL;
        if (!has_key)
                return 0;
        if (r->mode == RUN_READS_KEYS)
                *read = is_given(r, buf_str(&key));
        else if (r->wanted.count < REJECTS_REREAD)
                *read = true;
        return *read && r->mode == RUN_READS_SINCE ? keyed_want(r, buf_str(&key), e) : 0;
}

static int load_reject(void *ctx, const struct scan_doc *doc, struct err *e)
{
        struct run *r = ctx;
        bool read = false;
        cJSON *json = cJSON_ParseWithLength(doc->json.ptr, doc->json.len);
        const char *first = cJSON_GetStringValue(cJSON_GetObjectItem(json, "first"));
        const cJSON *attempts = cJSON_GetObjectItem(json, "attempts");
        struct state_reject reject = {.rev = doc->rev,
                .first = str_of(first ? first : ""),
                .attempts = attempts ? (uint32_t)attempts->valuedouble : 1};
        int rc = take_up(r, json, &read, e);
        if (!read)
                reject.run = REJECT_STAYS;
        if (!rc)
                rc = state_batch_reject(r->batch, doc->id, &reject, e);
        cJSON_Delete(json);
        if (rc || state_batch_count(r->batch) < RUN_APPLY_CHANGES)
                return rc;
        return state_apply(r->state, r->batch, e);
}

int rejects_load(struct run *r, struct err *e)
{
        cleanup_buf_ struct buf prefix = BUF_INIT(256);
        int rc = state_batch_unreject_all(r->batch, e);

        put_prefix(r, &prefix);
        if (!rc)
                rc = scan_prefix(r->couch, r->control, buf_str(&prefix), true, load_reject, r, e);
        if (!rc && state_batch_count(r->batch) > 0)
                rc = state_apply(r->state, r->batch, e);
        return rc ? err_wrap(e, rc, "reading the rejects in database %s", r->control) : 0;
}

static int clear_reject(void *ctx, struct str id, const struct state_reject *reject, struct err *e)
{
        struct run *r = ctx;

        if (reject->run == r->number || reject->run == REJECT_STAYS)
                return 0;
        struct pending what = {.kind = PENDING_UNREJECT, .database = UINT16_MAX, .id = id};
        struct bulk_doc doc = {
                .database = r->control, .id = id, .parent = reject->rev, .deleted = true};
        return pass_push_wait(r, &what, &doc, e);
}

int rejects_clear(struct run *r, struct err *e)
{
        if (r->options.dry_run)
                return 0;
        int rc = state_each_reject(r->state, clear_reject, r, e);
        if (!rc)
                rc = settle_all(r, false, e);
        return rc ? err_wrap(e, rc, "removing settled rejects") : 0;
}
