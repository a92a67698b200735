#include "tests/unit/state_fixture.h"

#include "tests/support/alloc_fail.h"

/* ---- records and ids ---- */

static void an_empty_state_is_empty(void **state)
{
        struct fixture *f = *state;
        struct state_holder holder;
        struct state_reject reject;
        struct str value;

        assert_int_equal(mark_of(f, STR("a")), -1);
        assert_int_equal(mark_of(f, STR("")), -1);
        assert_int_equal(state_holder(f->s, 0, STR("a"), &holder, NULL), STATE_ABSENT);
        assert_int_equal(state_reject_get(f->s, STR("a"), &reject, NULL), STATE_ABSENT);
        assert_int_equal(state_meta_get(f->s, "a", &value, NULL), STATE_ABSENT);
        assert_false(state_has_parked(f->s, STR("a")));
        assert_int_equal(state_count(f->s), 0);
        assert_int_equal(state_next_ordinal(f->s), 0);
        assert_int_equal(state_database_count(f->s), 0);
        assert_null(state_database_name(f->s, 0));
        assert_true(state_size_bytes(f->s) > 0);
        assert_true(state_size_bytes(f->s) < 1 << 20); /* not the map's */
        apply(f);                                      /* of nothing */
        reopen(f, false);
}

static void records_survive_closing(void **state)
{
        struct fixture *f = *state;
        struct state_holder holder;

        for (uint32_t i = 0; i < 1000; i++)
                put(f, KEY(i), i, (uint8_t)(i % 254 + 1));
        apply(f);
        for (int again = 0; again < 2; again++) {
                assert_int_equal(state_count(f->s), 1000);
                assert_int_equal(state_next_ordinal(f->s), 1000);
                for (uint32_t i = 0; i < 1000; i++) {
                        assert_int_equal(mark_of(f, KEY(i)), i % 254 + 1);
                        assert_int_equal(state_holder(f->s, 3, ID(KEY(i)), &holder, NULL), 0);
                        assert_str(holder.key, KEY(i));
                }
                assert_int_equal(mark_of(f, KEY(1000)), -1);
                assert_int_equal(state_holder(f->s, 4, ID(KEY(0)), &holder, NULL), STATE_ABSENT);
                reopen(f, false);
        }
}

/* Any order of look-ups finds the same: the guess of the next entry is only a guess. */
static void look_ups_in_any_order(void **state)
{
        struct fixture *f = *state;
        enum { COUNT = 3000 };

        for (uint32_t i = 0; i < COUNT; i++)
                put(f, KEY(i * 2), i, (uint8_t)(i % 254 + 1));
        apply(f);
        srandom(3);
        for (int i = 0; i < 20000; i++) {
                uint32_t at = (uint32_t)random() % (COUNT * 2 + 2);
                for (int run = (int)random() % 4; run >= 0; run--, at++) {
                        bool there = at % 2 == 0 && at / 2 < COUNT;
                        assert_int_equal(mark_of(f, KEY(at)), there ? (int)(at / 2 % 254 + 1) : -1);
                }
        }
}

static void later_changes_win(void **state)
{
        struct fixture *f = *state;

        put(f, STR("a"), 0, 1);
        put(f, STR("b"), 1, 1);
        put(f, STR("c"), 2, 1);
        assert_int_equal(state_batch_delete(f->b, STR("a"), NULL), 0);
        put(f, STR("b"), 1, 2);
        put(f, STR("b"), 1, 3);
        assert_int_equal(state_batch_delete(f->b, STR("c"), NULL), 0);
        put(f, STR("c"), 2, 4);
        assert_int_equal(state_batch_delete(f->b, STR("never there"), NULL), 0);
        apply(f);
        assert_int_equal(mark_of(f, STR("a")), -1);
        assert_int_equal(mark_of(f, STR("b")), 3);
        assert_int_equal(mark_of(f, STR("c")), 4);
        assert_int_equal(state_count(f->s), 2);
}

/* Random changes in random batches against a plain array. */
static void batches_agree_with_a_model(void **state)
{
        struct fixture *f = *state;
        enum { KEYS = 700 };
        static int model[KEYS];

        srandom(11);
        memset(model, -1, sizeof(model));
        for (int batch = 0; batch < 120; batch++) {
                for (int i = (int)random() % 200; i >= 0; i--) {
                        uint32_t k = (uint32_t)random() % KEYS;
                        if (random() % 3 == 0) {
                                model[k] = -1;
                                assert_int_equal(state_batch_delete(f->b, KEY(k), NULL), 0);
                        } else {
                                model[k] = (int)(random() % 255 + 1);
                                put(f, KEY(k), k, (uint8_t)model[k]);
                        }
                }
                apply(f);
                if (batch % 10 == 0)
                        for (uint32_t k = 0; k < KEYS; k++)
                                assert_int_equal(mark_of(f, KEY(k)), model[k]);
        }
}

static void long_keys_and_ids(void **state)
{
        struct fixture *f = *state;
        static char a[1000], b[1000];
        struct state_holder holder;

        memset(a, 'x', sizeof(a));
        memset(b, 'x', sizeof(b));
        b[999] = 'y';
        struct str ka = {a, 1000}, kb = {b, 1000}, edge = {a, 511}, below = {a, 510};
        put(f, ka, 0, 1);
        put(f, kb, 1, 2);
        put(f, edge, 2, 3);
        put(f, below, 3, 4);
        apply(f);
        reopen(f, false);
        assert_int_equal(mark_of(f, ka), 1);
        assert_int_equal(mark_of(f, kb), 2);
        assert_int_equal(mark_of(f, edge), 3);
        assert_int_equal(mark_of(f, below), 4);
        assert_int_equal(state_holder(f->s, 3, ID(kb), &holder, NULL), 0);
        assert_str(holder.key, kb);
        assert_int_equal(state_batch_release(f->b, 3, ID(kb), ka, NULL), 0);
        assert_int_equal(state_batch_release(f->b, 3, ID(ka), ka, NULL), 0);
        assert_int_equal(state_batch_delete(f->b, ka, NULL), 0);
        apply(f);
        assert_int_equal(mark_of(f, ka), -1);
        assert_int_equal(state_holder(f->s, 3, ID(kb), &holder, NULL), 0);
        assert_int_equal(state_holder(f->s, 3, ID(ka), &holder, NULL), STATE_ABSENT);
}

static void an_entry_of_many_documents(void **state)
{
        struct fixture *f = *state;
        static struct state_entry en, back;
        static char ids[STATE_MAX_DOCS_PER_RECORD][300];

        en.doc_count = STATE_MAX_DOCS_PER_RECORD;
        en.run = UINT64_MAX;
        for (uint32_t i = 0; i < en.doc_count; i++)
                en.docs[i] = (struct state_doc){(uint16_t)(i * 1000),
                        text_of(ids[i], sizeof(ids[i]), "%0*u", (int)i * 4 + 1, i), STR("7-odd"),
                        {{0}}, i % 2};
        assert_int_equal(state_batch_put(f->b, STR("k"), &en, NULL), 0);
        en.doc_count++;
        assert_int_equal(state_batch_put(f->b, STR("too many"), &en, NULL), -ERR_BUG);
        apply(f);
        assert_int_equal(state_get(f->s, STR("k"), &back, NULL), 0);
        assert_int_equal(back.doc_count, STATE_MAX_DOCS_PER_RECORD);
        assert_true(back.run == UINT64_MAX);
        for (uint32_t i = 0; i < back.doc_count; i++) {
                assert_str(back.docs[i].id, en.docs[i].id);
                assert_str(back.docs[i].rev, STR("7-odd"));
                assert_int_equal(back.docs[i].database, i * 1000);
                assert_int_equal(back.docs[i].deleted, i % 2);
        }
}

/* ---- holders ---- */

static void hold(struct fixture *f, const char *id, const char *key)
{
        assert_int_equal(state_batch_hold(f->b, 0, str_of(id), str_of(key), NULL, NULL), 0);
}

static void unattach(struct fixture *f, const char *id, uint8_t mark)
{
        struct state_holder doc = {
                .rev = str_of(rev_text), .digest = {{mark}}, .deleted = mark % 2};

        assert_int_equal(state_batch_hold(f->b, 0, str_of(id), STR(""), &doc, NULL), 0);
}

/* "key", "#mark" of a document without one, or "-". */
static const char *holder_of(struct fixture *f, const char *id, char out[64])
{
        struct state_holder h;
        int rc = state_holder(f->s, 0, str_of(id), &h, NULL);

        if (rc == STATE_ABSENT)
                return "-";
        assert_int_equal(rc, 0);
        if (h.key.len) {
                snprintf(out, 64, "%.*s", STR_ARG(h.key));
        } else {
                assert_str(h.rev, str_of(rev_text));
                assert_int_equal(h.deleted, h.digest.bytes[0] % 2);
                snprintf(out, 64, "#%d", h.digest.bytes[0]);
        }
        return out;
}

#define assert_holder(f, id, who) assert_string_equal(holder_of((f), (id), (char[64]){0}), (who))

static void ids_are_held_and_released(void **state)
{
        struct fixture *f = *state;

        hold(f, "a", "k1");
        hold(f, "b", "k2");
        apply(f);
        assert_holder(f, "a", "k1");
        assert_int_equal(state_batch_release(f->b, 0, STR("a"), STR("k2"), NULL), 0);
        apply(f);
        assert_holder(f, "a", "k1");
        hold(f, "a", "k2");
        assert_int_equal(state_batch_release(f->b, 0, STR("a"), STR("k1"), NULL), 0);
        assert_int_equal(state_batch_release(f->b, 0, STR("b"), STR(""), NULL), 0);
        apply(f);
        assert_holder(f, "a", "k2");
        assert_holder(f, "b", "-");
        assert_int_equal(state_batch_release(f->b, 0, STR("a"), STR("k2"), NULL), 0);
        hold(f, "a", "k3");
        apply(f);
        assert_holder(f, "a", "k3");
        struct state_holder elsewhere;
        assert_int_equal(state_holder(f->s, 1, STR("a"), &elsewhere, NULL), STATE_ABSENT);
        assert_int_equal(state_batch_hold(f->b, 1, STR("a"), STR("k4"), NULL, NULL), 0);
        apply(f);
        assert_holder(f, "a", "k3");
}

struct seen {
        char text[400];
        size_t len;
        int stop_after;
};

static int see_unattached(
        void *ctx, uint16_t database, struct str id, const struct state_holder *doc, struct err *e)
{
        struct seen *seen = ctx;

        assert_int_equal(database, 0);
        seen->len += (size_t)snprintf(seen->text + seen->len, sizeof(seen->text) - seen->len,
                "%.*s#%d ", STR_ARG(id), doc->digest.bytes[0]);
        return seen->stop_after && --seen->stop_after == 0 ? 1 : 0;
}

static void documents_without_a_key_are_attached(void **state)
{
        struct fixture *f = *state;
        struct seen seen = {0};

        unattach(f, "a", 1);
        unattach(f, "b", 2);
        unattach(f, "c", 3);
        hold(f, "d", "k4");
        apply(f);
        assert_holder(f, "a", "#1");
        assert_holder(f, "b", "#2");
        assert_int_equal(state_each_unattached(f->s, see_unattached, &seen, NULL), 0);
        assert_string_equal(seen.text, "a#1 b#2 c#3 ");
        hold(f, "a", "k1");
        unattach(f, "d", 4);
        assert_int_equal(state_batch_release(f->b, 0, STR("b"), STR("k9"), NULL), 0);
        assert_int_equal(state_batch_release(f->b, 0, STR("c"), STR(""), NULL), 0);
        apply(f);
        assert_holder(f, "a", "k1");
        assert_holder(f, "b", "#2");
        assert_holder(f, "c", "-");
        assert_holder(f, "d", "#4");
        seen = (struct seen){.stop_after = 1};
        assert_int_equal(state_each_unattached(f->s, see_unattached, &seen, NULL), 0);
        assert_string_equal(seen.text, "b#2 ");
        /* both in one batch: the later one counts */
        unattach(f, "e", 5);
        hold(f, "e", "k5");
        hold(f, "g", "k6");
        unattach(f, "g", 6);
        apply(f);
        assert_holder(f, "e", "k5");
        assert_holder(f, "g", "#6");
}

/* ---- the other tables ---- */

static int see_owed(void *ctx, const struct state_owed *owed, struct err *e)
{
        struct seen *seen = ctx;

        seen->len += (size_t)snprintf(seen->text + seen->len, sizeof(seen->text) - seen->len,
                "%d:%.*s:%d:%.*s:%.*s ", owed->reason, STR_ARG(owed->key), owed->database,
                STR_ARG(owed->id), STR_ARG(owed->rev));
        return 0;
}

static void debts_are_owed_until_settled(void **state)
{
        struct fixture *f = *state;
        struct seen seen = {0};
        struct state_owed old = {STATE_OWED_OLD_ID, STR("k1"), 2, STR("doc:a"), STR("3-x")};
        struct state_owed other = {STATE_OWED_OLD_ID, STR("k1"), 2, STR("doc:b"), STR("4-x")};
        struct state_owed gone = {STATE_OWED_DELETION, STR("k1"), 0, STR(""), STR("")};

        assert_int_equal(state_batch_owe(f->b, &old, NULL), 0);
        assert_int_equal(state_batch_owe(f->b, &other, NULL), 0);
        assert_int_equal(state_batch_owe(f->b, &gone, NULL), 0);
        assert_int_equal(state_batch_owe(f->b, &gone, NULL), 0);
        apply(f);
        reopen(f, false);
        assert_int_equal(state_batch_settle(f->b, &old, NULL), 0);
        apply(f);
        assert_int_equal(state_each_owed(f->s, see_owed, &seen, NULL), 0);
        assert_string_equal(seen.text, "1:k1:0:: 2:k1:2:doc:b:4-x ");
}

static void park(struct fixture *f, uint16_t database, const char *id, const char *key)
{
        struct state_parked parked = {.database = database,
                .id = str_of(id),
                .key = str_of(key),
                .ordinal = 77,
                .digest = {{7}},
                .body = STR("\"sku\":\"A1\"")};

        assert_int_equal(state_batch_park(f->b, &parked, NULL), 0);
}

static int see_parked(void *ctx, const struct state_parked *parked, struct err *e)
{
        struct seen *seen = ctx;

        assert_int_equal(parked->ordinal, 77);
        assert_int_equal(parked->digest.bytes[0], 7);
        assert_str(parked->body, STR("\"sku\":\"A1\""));
        seen->len += (size_t)snprintf(seen->text + seen->len, sizeof(seen->text) - seen->len,
                "%d:%.*s:%.*s ", parked->database, STR_ARG(parked->id), STR_ARG(parked->key));
        return 0;
}

static void claims_are_parked_in_order(void **state)
{
        struct fixture *f = *state;
        struct seen seen = {0};

        park(f, 1, "a", "k1");
        park(f, 0, "b", "k2");
        park(f, 0, "ab", "k3");
        park(f, 0, "a", "k5");
        apply(f);
        park(f, 0, "a", "k4");
        apply(f);
        assert_true(state_has_parked(f->s, STR("k4")));
        assert_false(state_has_parked(f->s, STR("k")));
        assert_int_equal(state_each_parked(f->s, see_parked, &seen, NULL), 0);
        assert_string_equal(seen.text, "0:a:k4 0:a:k5 0:ab:k3 0:b:k2 1:a:k1 ");
        park(f, 9, "gone", "k7");
        assert_int_equal(state_batch_unpark_all(f->b, NULL), 0);
        park(f, 9, "stays", "k8");
        apply(f);
        assert_false(state_has_parked(f->s, STR("k4")));
        assert_false(state_has_parked(f->s, STR("k7")));
        assert_true(state_has_parked(f->s, STR("k8")));
        seen = (struct seen){0};
        assert_int_equal(state_each_parked(f->s, see_parked, &seen, NULL), 0);
        assert_string_equal(seen.text, "9:stays:k8 ");
        assert_int_equal(state_batch_unpark_all(f->b, NULL), 0);
        apply(f);
        assert_false(state_has_parked(f->s, STR("k8")));
}

/* From within the walk over all of them; an id is no rival of one that begins with it. */
static int see_rivals(void *ctx, const struct state_parked *parked, struct err *e)
{
        struct fixture *f = ctx;
        struct seen seen = {0};
        bool is_a = str_eq(parked->id, STR("a")) && parked->database == 0;

        int rc = state_each_rival(f->s, parked->database, parked->id, see_parked, &seen, e);
        if (rc)
                return rc;
        if (is_a)
                assert_string_equal(seen.text, "0:a:k4 0:a:k5 ");
        else /* only itself */
                assert_int_equal(strchr(seen.text, ' ') - seen.text + 1, seen.len);
        return 0;
}

static void rivals_claim_one_id(void **state)
{
        struct fixture *f = *state;
        struct seen seen = {0};

        park(f, 0, "a", "k5");
        park(f, 0, "ab", "k3");
        park(f, 0, "a", "k4");
        park(f, 1, "a", "k1");
        apply(f);
        assert_int_equal(state_each_parked(f->s, see_rivals, f, NULL), 0);
        assert_int_equal(state_each_rival(f->s, 0, STR("b"), see_parked, &seen, NULL), 0);
        assert_int_equal(seen.len, 0);
}

static void a_large_body_is_parked(void **state)
{
        struct fixture *f = *state;
        enum { BYTES = 64 << 20 };
        cleanup_(freep) char *body = malloc(BYTES);
        struct state_parked parked = {.id = STR("a"), .key = STR("k"), .body = {body, BYTES}};

        assert_non_null(body);
        memset(body, 'b', BYTES);
        assert_int_equal(state_batch_park(f->b, &parked, NULL), 0);
        assert_true(state_batch_bytes(f->b) > BYTES);
        apply(f);
        assert_true(state_has_parked(f->s, STR("k")));
}

static int see_reject(void *ctx, struct str key, const struct state_reject *reject, struct err *e)
{
        struct seen *seen = ctx;

        seen->len += (size_t)snprintf(seen->text + seen->len, sizeof(seen->text) - seen->len,
                "%.*s:%llu:%u ", STR_ARG(key), (unsigned long long)reject->run, reject->attempts);
        return 0;
}

static void rejects_are_kept_until_removed(void **state)
{
        struct fixture *f = *state;
        struct state_reject reject = {STR("1-x"), STR("2026-01-31T12:00:00.000Z"), 3, 12}, back;
        struct seen seen = {0};

        assert_int_equal(state_batch_reject(f->b, STR("k1"), &reject, NULL), 0);
        assert_int_equal(state_batch_reject(f->b, STR("k2"), &reject, NULL), 0);
        apply(f);
        assert_int_equal(state_reject_count(f->s), 2);
        assert_int_equal(state_reject_get(f->s, STR("k1"), &back, NULL), 0);
        assert_int_equal(back.attempts, 3);
        assert_str(back.rev, reject.rev);
        assert_str(back.first, reject.first);
        assert_int_equal(state_each_reject(f->s, see_reject, &seen, NULL), 0);
        assert_string_equal(seen.text, "k1:12:3 k2:12:3 ");
        assert_int_equal(state_batch_reject(f->b, STR("k1"), NULL, NULL), 0);
        apply(f);
        assert_int_equal(state_reject_get(f->s, STR("k1"), &back, NULL), STATE_ABSENT);
        assert_int_equal(state_batch_unreject_all(f->b, NULL), 0);
        apply(f);
        assert_int_equal(state_reject_count(f->s), 0);
}

static void meta_values_have_names(void **state)
{
        struct fixture *f = *state;
        struct str value;

        assert_int_equal(state_batch_meta(f->b, "session", STR("s1"), NULL), 0);
        assert_int_equal(state_batch_meta(f->b, "empty", STR(""), NULL), 0);
        assert_int_equal(state_batch_meta(f->b, "closing", STR("s2"), NULL), 0);
        assert_int_equal(state_batch_meta(f->b, "", STR("x"), NULL), -ERR_BUG);
        apply(f);
        assert_int_equal(state_batch_meta(f->b, "closing", (struct str){0}, NULL), 0);
        assert_int_equal(state_batch_meta(f->b, "session", STR("s3"), NULL), 0);
        apply(f);
        reopen(f, false);
        assert_int_equal(state_meta_get(f->s, "session", &value, NULL), 0);
        assert_str(value, STR("s3"));
        assert_int_equal(state_meta_get(f->s, "empty", &value, NULL), 0);
        assert_int_equal(value.len, 0);
        assert_int_equal(state_meta_get(f->s, "closing", &value, NULL), STATE_ABSENT);
}

static void databases_keep_their_numbers(void **state)
{
        struct fixture *f = *state;
        uint16_t number;

        for (int again = 0; again < 2; again++) {
                for (int i = 0; i < 40; i++) {
                        assert_int_equal(
                                state_database(f->s, TEXT("rep-%d", (i * 7) % 40), &number, NULL),
                                0);
                        assert_int_equal(number, i);
                        assert_int_equal(
                                state_database(f->s, TEXT("rep-%d", (i * 7) % 40), &number, NULL),
                                0);
                        assert_int_equal(number, i);
                }
                assert_int_equal(state_database_count(f->s), 40);
                assert_string_equal(state_database_name(f->s, 1), "rep-7");
                assert_int_equal(state_wipe(f->s, NULL), 0);
                reopen(f, false);
        }
        assert_int_equal(state_database(f->s, STR("a\0b"), &number, NULL), -ERR_BUG);
}

static void wiping_forgets_everything(void **state)
{
        struct fixture *f = *state;
        struct state_reject reject = {STR(""), STR(""), 1};
        struct state_owed owed = {STATE_OWED_DELETION, STR("k"), 0, STR(""), STR("")};
        struct seen seen = {0};
        struct str value;

        put(f, STR("k"), 12, 1);
        unattach(f, "u", 1);
        park(f, 1, "a", "k1");
        assert_int_equal(state_batch_owe(f->b, &owed, NULL), 0);
        assert_int_equal(state_batch_reject(f->b, STR("k"), &reject, NULL), 0);
        assert_int_equal(state_batch_meta(f->b, "session", STR("s"), NULL), 0);
        apply(f);
        assert_int_equal(state_next_ordinal(f->s), 13);
        assert_int_equal(state_wipe(f->s, NULL), 0);
        for (int again = 0; again < 2; again++) {
                assert_int_equal(state_count(f->s), 0);
                assert_int_equal(state_next_ordinal(f->s), 0);
                assert_int_equal(mark_of(f, STR("k")), -1);
                assert_holder(f, "u", "-");
                assert_false(state_has_parked(f->s, STR("k1")));
                assert_int_equal(state_reject_count(f->s), 0);
                assert_int_equal(state_meta_get(f->s, "session", &value, NULL), STATE_ABSENT);
                assert_int_equal(state_each_owed(f->s, see_owed, &seen, NULL), 0);
                assert_int_equal(seen.len, 0);
                assert_int_equal(state_wipe(f->s, NULL), 0); /* of an empty one */
                reopen(f, false);
        }
}

static void ordinals_go_up(void **state)
{
        struct fixture *f = *state;

        put(f, STR("a"), 4, 1);
        apply(f);
        assert_int_equal(state_next_ordinal(f->s), 5);
        put(f, STR("b"), 2, 1);
        apply(f);
        assert_int_equal(state_next_ordinal(f->s), 5);
        reopen(f, false);
        assert_int_equal(state_next_ordinal(f->s), 5);
        assert_int_equal(state_batch_delete(f->b, STR("a"), NULL), 0);
        assert_int_equal(state_batch_delete(f->b, STR("b"), NULL), 0);
        apply(f);
        /* a run may hold a set of seen ordinals: none is given twice while it is open */
        assert_int_equal(state_next_ordinal(f->s), 5);
        reopen(f, false);
        assert_int_equal(state_next_ordinal(f->s), 0);
}

/* ---- walks ---- */

struct deleting {
        struct fixture *f;
        uint32_t seen, extra;
        bool grow;
};

/* Deletes what it is given and puts something new behind it, all applied at once. */
static int delete_one(void *ctx, struct str key, const struct state_entry *entry, struct err *e)
{
        struct deleting *d = ctx;

        assert_str(key, KEY(d->seen * 2));
        assert_int_equal(entry->ordinal, d->seen);
        assert_str(entry->docs[0].rev, str_of(rev_text));
        if (d->seen % 50 == 0) {
                assert_int_equal(state_batch_delete(d->f->b, key, e), 0);
                put(d->f, KEY(d->seen * 2 + 101), 5000 + d->seen, 9);
                if (d->grow && d->seen % 500 == 0) {
                        cleanup_(freep) char *body = calloc(1, 40 << 20);
                        struct state_parked parked = {.id = TEXT("%u", d->seen),
                                .key = STR("k"),
                                .body = {body, 40 << 20}};
                        assert_non_null(body);
                        assert_int_equal(state_batch_park(d->f->b, &parked, e), 0);
                }
                apply(d->f);
                d->extra++;
        }
        d->seen++;
        return 0;
}

static void a_walk_sees_one_snapshot_with(struct fixture *f, bool grow)
{
        struct deleting d = {f, 0, 0, grow};
        enum { COUNT = 2000 };

        for (uint32_t i = 0; i < COUNT; i++)
                put(f, KEY(i * 2), i, 9);
        apply(f);
        assert_int_equal(state_each_record(f->s, delete_one, &d, NULL), 0);
        assert_int_equal(d.seen, COUNT);
        assert_int_equal(state_count(f->s), COUNT);
        for (uint32_t i = 0; i < COUNT; i++) {
                assert_int_equal(mark_of(f, KEY(i * 2)), i % 50 ? 9 : -1);
                if (i % 50 == 0)
                        assert_int_equal(mark_of(f, KEY(i * 2 + 101)), 9);
        }
}

static void a_walk_sees_one_snapshot(void **state)
{
        a_walk_sees_one_snapshot_with(*state, false);
}

/* The map begins at 64 MiB: four bodies of 40 MiB move it twice under the walk. */
static void a_walk_survives_a_growing_map(void **state)
{
        struct fixture *f = *state;

        a_walk_sees_one_snapshot_with(f, true);
        assert_true(state_size_bytes(f->s) > 160 << 20);
        reopen(f, false);
        assert_int_equal(state_count(f->s), 2000);
}

static int stop_at_once(void *ctx, struct str key, const struct state_entry *entry, struct err *e)
{
        int *rc = ctx;

        return *rc < 0 ? err_set(e, ERR_RETRY, "told to") : *rc;
}

static int walk_in_walk(void *ctx, struct str key, const struct state_entry *entry, struct err *e)
{
        struct fixture *f = ctx;
        struct deleting d = {f, 0, 0, false};
        int one = 1;

        assert_int_equal(state_each_record(f->s, stop_at_once, &one, e), 0);
        assert_int_equal(mark_of(f, key), 9);
        (void)d;
        return 0;
}

static void walks_stop_when_told(void **state)
{
        struct fixture *f = *state;
        int answer = 5;
        struct err e;

        for (uint32_t i = 0; i < 10; i++)
                put(f, KEY(i), i, 9);
        apply(f);
        assert_int_equal(state_each_record(f->s, stop_at_once, &answer, &e), 0);
        answer = -1;
        assert_int_equal(state_each_record(f->s, stop_at_once, &answer, &e), -ERR_RETRY);
        assert_string_equal(e.text, "told to");
        assert_int_equal(state_each_record(f->s, walk_in_walk, f, &e), 0);
}

/* ---- no memory ---- */

/* Everything a run does with a state; each failure leaves it usable. */
static int use(struct fixture *f)
{
        cleanup_(state_closep) struct state *s = NULL;
        cleanup_(state_batch_freep) struct state_batch *b = NULL;
        static struct state_entry en = {.doc_count = 1};
        struct state_owed owed = {STATE_OWED_DELETION, STR("k"), 0, STR(""), STR("")};
        struct state_parked parked = {.id = STR("a"), .key = STR("k")};
        uint16_t number;
        bool fresh;
        int rc = state_open(f->path, NULL, &s, &fresh, NULL);

        rc = rc ? rc : state_batch_new(&b, NULL);
        rc = rc ? rc : state_database(s, STR("catalog"), &number, NULL);
        rc = rc ? rc : state_batch_put(b, STR("k"), &en, NULL);
        rc = rc ? rc : state_batch_hold(b, 0, STR("doc"), STR("k"), NULL, NULL);
        rc = rc ? rc : state_batch_owe(b, &owed, NULL);
        rc = rc ? rc : state_batch_park(b, &parked, NULL);
        return rc ? rc : state_apply(s, b, NULL);
}

static void failing_allocations_are_reported(void **state)
{
        struct fixture *f = *state;

        f->s = state_close(f->s);
        for (long i = 1, hit = 1; hit; i++) {
                alloc_fail_at(i);
                int rc = use(f);
                hit = alloc_fail_hit();
                assert_int_equal(rc, hit ? -ERR_NOMEM : 0);
                run_shell("rm -rf $DIR", f->path);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                STATE_TEST(an_empty_state_is_empty),
                STATE_TEST(records_survive_closing),
                STATE_TEST(look_ups_in_any_order),
                STATE_TEST(later_changes_win),
                STATE_TEST(batches_agree_with_a_model),
                STATE_TEST(long_keys_and_ids),
                STATE_TEST(an_entry_of_many_documents),
                STATE_TEST(ids_are_held_and_released),
                STATE_TEST(documents_without_a_key_are_attached),
                STATE_TEST(debts_are_owed_until_settled),
                STATE_TEST(claims_are_parked_in_order),
                STATE_TEST(rivals_claim_one_id),
                STATE_TEST(a_large_body_is_parked),
                STATE_TEST(rejects_are_kept_until_removed),
                STATE_TEST(meta_values_have_names),
                STATE_TEST(databases_keep_their_numbers),
                STATE_TEST(wiping_forgets_everything),
                STATE_TEST(ordinals_go_up),
                STATE_TEST(a_walk_sees_one_snapshot),
                STATE_TEST(a_walk_survives_a_growing_map),
                STATE_TEST(walks_stop_when_told),
                STATE_TEST(failing_allocations_are_reported),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
