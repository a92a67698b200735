#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <cmocka.h>

#include "ingest/state/state_codec.h"

#define ROUNDS   2000
#define TEXT_MAX 1200 /* longer than a key may be */

static uint8_t random_byte(void)
{
        return (uint8_t)(random() >> 7);
}

/* A string of random bytes in @space; every second one short. */
static struct str random_str(char *space, size_t min, size_t max)
{
        size_t len = min + (size_t)random() % (max - min + 1);

        if (random() % 2 && len > min + 20)
                len = min + 20;
        for (size_t i = 0; i < len; i++)
                space[i] = (char)random_byte();
        return (struct str){space, len};
}

static void random_digest(struct digest *d)
{
        memset(d, 0, sizeof(*d));
        for (size_t i = 0; random() % 4 && i < DIGEST_BYTES; i++)
                d->bytes[i] = random_byte();
}

static struct str random_rev(char space[STATE_MAX_REV])
{
        struct codec_rev rev = {.generation = (uint64_t)random() >> (random() % 31)};

        if (random() % 5 == 0)
                return random_str(space, 0, STATE_MAX_REV);
        for (size_t i = 0; i < sizeof(rev.hash); i++)
                rev.hash[i] = random_byte();
        rev.generation += rev.generation == 0;
        return (struct str){space, codec_rev_unpack(&rev, space)};
}

static void assert_str(struct str a, struct str b)
{
        assert_int_equal(a.len, b.len);
        if (a.len)
                assert_memory_equal(a.ptr, b.ptr, a.len);
}

struct texts {
        char ids[STATE_MAX_DOCS_PER_RECORD][TEXT_MAX];
        char revs[STATE_MAX_DOCS_PER_RECORD][STATE_MAX_REV];
        struct state_entry entry, back;
};

static void random_entry(struct texts *t)
{
        struct state_entry *en = &t->entry;

        en->ordinal = (uint32_t)random() * 2;
        en->run = (uint64_t)random() * (uint64_t)random();
        en->doc_count = (uint32_t)random() % (random() % 10 ? 3 : STATE_MAX_DOCS_PER_RECORD + 1);
        for (uint32_t i = 0; i < en->doc_count; i++) {
                struct state_doc *d = &en->docs[i];
                d->database = (uint16_t)random();
                d->id = random_str(t->ids[i], 0, TEXT_MAX);
                d->rev = random_rev(t->revs[i]);
                d->deleted = random() % 2;
                d->attachments = random() % 2;
                random_digest(&d->digest);
        }
}

static void assert_entries(const struct state_entry *a, const struct state_entry *b)
{
        assert_int_equal(a->ordinal, b->ordinal);
        assert_true(a->run == b->run);
        assert_int_equal(a->doc_count, b->doc_count);
        for (uint32_t i = 0; i < a->doc_count; i++) {
                assert_int_equal(a->docs[i].database, b->docs[i].database);
                assert_str(a->docs[i].id, b->docs[i].id);
                assert_str(a->docs[i].rev, b->docs[i].rev);
                assert_int_equal(a->docs[i].deleted, b->docs[i].deleted);
                assert_int_equal(a->docs[i].attachments, b->docs[i].attachments);
                assert_memory_equal(&a->docs[i].digest, &b->docs[i].digest, DIGEST_BYTES);
        }
}

static void entries_come_back(void **state)
{
        cleanup_(freep) struct texts *t = malloc(sizeof(*t));
        cleanup_buf_ struct buf out;
        char key_space[TEXT_MAX];

        assert_non_null(t);
        buf_init(&out, 1 << 20);
        for (int i = 0; i < ROUNDS; i++) {
                struct codec_space space;
                struct str key = random_str(key_space, 1, TEXT_MAX), full;
                struct str stored = codec_key(key, &space);
                random_entry(t);
                buf_clear(&out);
                codec_put_entry(&out, stored, key, &t->entry);
                assert_int_equal(buf_check(&out, "entry", NULL), 0);
                assert_int_equal(
                        codec_get_entry(buf_str(&out), stored, &key, &full, &t->back), CODEC_OK);
                assert_str(full, key);
                assert_entries(&t->entry, &t->back);
        }
}

/* Every shorter value, and many changed ones, are refused or decoded within their bytes: under
 * the sanitizers a read outside of them stops the test. */
static void damaged_entries_are_refused(void **state)
{
        cleanup_(freep) struct texts *t = malloc(sizeof(*t));
        cleanup_buf_ struct buf out;
        char key_space[TEXT_MAX];

        assert_non_null(t);
        buf_init(&out, 1 << 20);
        for (int i = 0; i < 100; i++) {
                struct codec_space space;
                struct str key = random_str(key_space, 1, TEXT_MAX);
                struct str stored = codec_key(key, &space);
                random_entry(t);
                t->entry.doc_count = t->entry.doc_count % 3;
                buf_clear(&out);
                codec_put_entry(&out, stored, key, &t->entry);
                for (size_t cut = 0; cut < out.len; cut++) {
                        cleanup_(freep) char *exact = malloc(cut + 1);
                        assert_non_null(exact);
                        memcpy(exact, out.data, cut);
                        struct str value = {exact, cut};
                        assert_int_not_equal(
                                codec_get_entry(value, stored, &key, NULL, &t->back), CODEC_OK);
                }
                buf_putc(&out, 'x');
                assert_int_equal(codec_get_entry(buf_str(&out), stored, &key, NULL, &t->back),
                        CODEC_DAMAGED);
                for (int j = 0; j < 200; j++) {
                        cleanup_(freep) char *exact = malloc(out.len);
                        assert_non_null(exact);
                        memcpy(exact, out.data, out.len);
                        exact[(size_t)random() % out.len] = (char)random_byte();
                        struct str value = {exact, out.len - 1};
                        (void)codec_get_entry(value, stored, &key, NULL, &t->back);
                        assert_true(t->back.doc_count <= STATE_MAX_DOCS_PER_RECORD);
                }
        }
}

static void long_keys_are_cut_and_told_apart(void **state)
{
        static char a[2000], b[2000];
        struct codec_space sa, sb;
        cleanup_buf_ struct buf out;
        static struct state_entry entry;
        struct str full;

        buf_init(&out, 1 << 20);
        memset(a, 'k', sizeof(a));
        memset(b, 'k', sizeof(b));
        b[1999] = 'l';
        struct str just = {a, 510}, at = {a, 511}, ka = {a, 2000}, kb = {b, 2000};
        assert_ptr_equal(codec_key(just, &sa).ptr, a);
        assert_false(codec_key_is_cut(codec_key(just, &sa)));
        assert_true(codec_key_is_cut(codec_key(at, &sa)));
        assert_int_equal(codec_key(ka, &sa).len, CODEC_KEY_MAX);
        struct str stored = codec_key(ka, &sa);
        assert_false(str_eq(stored, codec_key(kb, &sb)));
        /* As if both hashed to the same: the value tells. */
        codec_put_entry(&out, stored, ka, &entry);
        static struct state_entry back;
        assert_int_equal(codec_get_entry(buf_str(&out), stored, &ka, &full, &back), CODEC_OK);
        assert_str(full, ka);
        assert_int_equal(codec_get_entry(buf_str(&out), stored, &kb, NULL, &back), CODEC_OTHER);
        assert_int_equal(codec_get_entry(buf_str(&out), stored, NULL, &full, &back), CODEC_OK);
        assert_str(full, ka);
}

static void holders_come_back(void **state)
{
        cleanup_buf_ struct buf out;
        char id_space[TEXT_MAX], key_space[TEXT_MAX], rev_space[STATE_MAX_REV];

        buf_init(&out, 1 << 20);
        for (int i = 0; i < ROUNDS; i++) {
                struct codec_space space;
                uint16_t database = (uint16_t)random();
                struct str id = random_str(id_space, 1, TEXT_MAX), other = STR("other"), found;
                struct str key = random_str(key_space, 1, TEXT_MAX), got;
                struct str stored = codec_id_key(database, id, &space);
                struct state_holder doc = {.rev = random_rev(rev_space)}, back;
                assert_true(stored.len <= CODEC_KEY_MAX);
                assert_int_equal(codec_id_key_database(stored), database);

                buf_clear(&out);
                codec_put_holder(&out, stored, id, key);
                assert_int_equal(codec_get_holder(buf_str(&out), stored, id, &got), CODEC_OK);
                assert_str(got, key);
                assert_int_equal(codec_get_holder(buf_str(&out), stored, other, &got),
                        codec_key_is_cut(stored) ? CODEC_OTHER : CODEC_OK);

                doc.deleted = random() % 2;
                doc.attachments = random() % 2;
                doc.run = (uint64_t)random() << (random() % 33);
                random_digest(&doc.digest);
                buf_clear(&out);
                codec_put_unattached(&out, stored, id, &doc);
                assert_int_equal(
                        codec_get_unattached(buf_str(&out), stored, &id, &found, &back), CODEC_OK);
                assert_str(found, id);
                assert_str(back.rev, doc.rev);
                assert_int_equal(back.deleted, doc.deleted);
                assert_int_equal(back.attachments, doc.attachments);
                assert_int_equal(back.run, doc.run);
                assert_int_equal(back.key.len, 0);
                assert_memory_equal(&back.digest, &doc.digest, DIGEST_BYTES);
                for (size_t cut = 0; cut < out.len; cut++)
                        assert_int_not_equal(codec_get_unattached((struct str){out.data, cut},
                                                     stored, &id, NULL, &back),
                                CODEC_OK);
        }
}

static void owed_come_back(void **state)
{
        cleanup_buf_ struct buf out;
        char key[TEXT_MAX], id[TEXT_MAX], rev[STATE_MAX_REV];

        buf_init(&out, 1 << 20);
        for (int i = 0; i < ROUNDS; i++) {
                struct state_owed owed = {1 + (unsigned)random() % 3, random_str(key, 1, TEXT_MAX),
                        (uint16_t)random(), random_str(id, 0, TEXT_MAX), random_rev(rev)};
                struct state_owed back;
                buf_clear(&out);
                codec_put_owed(&out, &owed);
                assert_int_equal(codec_get_owed(buf_str(&out), &back), CODEC_OK);
                assert_int_equal(back.reason, owed.reason);
                assert_int_equal(back.database, owed.database);
                assert_str(back.key, owed.key);
                assert_str(back.id, owed.id);
                assert_str(back.rev, owed.rev);
                for (size_t cut = 0; cut < out.len; cut++)
                        assert_int_equal(
                                codec_get_owed((struct str){out.data, cut}, &back), CODEC_DAMAGED);
        }
}

static void debts_differ_by_key_reason_and_document(void **state)
{
        static const struct state_owed owed[] = {
                {STATE_OWED_DELETION, STR("a"), 0, STR(""), STR("")},
                {STATE_OWED_DISPLACED, STR("a"), 0, STR(""), STR("")},
                {STATE_OWED_OLD_ID, STR("a"), 0, STR("x"), STR("")},
                {STATE_OWED_OLD_ID, STR("a"), 1, STR("x"), STR("")},
                {STATE_OWED_OLD_ID, STR("a"), 0, STR("y"), STR("")},
                {STATE_OWED_OLD_ID, STR("a\0\x01"), 0, STR("x"), STR("")},
                {STATE_OWED_OLD_ID, STR("ax"), 0, STR(""), STR("")},
        };
        enum { COUNT = sizeof(owed) / sizeof(owed[0]) };
        struct codec_space x, y;

        for (int i = 0; i < COUNT; i++)
                for (int j = 0; j < COUNT; j++)
                        assert_int_equal(
                                str_eq(codec_owed_key(&owed[i], &x), codec_owed_key(&owed[j], &y)),
                                i == j);
        struct state_owed same = owed[0];
        same.id = STR("an id that does not matter");
        same.rev = STR("1-x");
        assert_true(str_eq(codec_owed_key(&owed[0], &x), codec_owed_key(&same, &y)));
}

static void parked_come_back(void **state)
{
        cleanup_buf_ struct buf out;
        char id[TEXT_MAX], key[TEXT_MAX], body[TEXT_MAX];

        buf_init(&out, 1 << 20);
        for (int i = 0; i < ROUNDS; i++) {
                struct state_parked parked = {.database = (uint16_t)random(),
                        .id = random_str(id, 1, TEXT_MAX),
                        .key = random_str(key, 1, TEXT_MAX),
                        .ordinal = (uint32_t)random(),
                        .body = random_str(body, 0, TEXT_MAX)};
                struct state_parked back;
                random_digest(&parked.digest);
                buf_clear(&out);
                codec_put_parked(&out, &parked);
                assert_int_equal(codec_get_parked(buf_str(&out), &back), CODEC_OK);
                assert_int_equal(back.database, parked.database);
                assert_int_equal(back.ordinal, parked.ordinal);
                assert_str(back.id, parked.id);
                assert_str(back.key, parked.key);
                assert_str(back.body, parked.body);
                assert_memory_equal(&back.digest, &parked.digest, DIGEST_BYTES);
                for (size_t cut = 0; cut < out.len; cut++)
                        assert_int_equal(codec_get_parked((struct str){out.data, cut}, &back),
                                CODEC_DAMAGED);
        }
}

static struct str parked_key(
        uint16_t database, struct str id, struct str key, struct codec_space *space)
{
        return codec_parked_key(
                &(struct state_parked){.database = database, .id = id, .key = key}, space);
}

static void parked_keys_sort_by_database_id_and_key(void **state)
{
        static const struct {
                uint16_t database;
                struct str id, key;
        } rows[] = {
                {0, STR("a"), STR("k")},
                {0, STR("a"), STR("k\0")},
                {0, STR("a"), STR("l")},
                {0, STR("a\0"), STR("a")},
                {0, STR("a\0\1"), STR("a")},
                {0, STR("a\1"), STR("a")},
                {0, STR("b"), STR("a")},
                {1, STR("a"), STR("a")},
                {256, STR("a"), STR("a")},
        };
        struct codec_space x, y;

        for (size_t i = 1; i < sizeof(rows) / sizeof(rows[0]); i++)
                assert_true(str_cmp(parked_key(rows[i - 1].database, rows[i - 1].id,
                                            rows[i - 1].key, &x),
                                    parked_key(rows[i].database, rows[i].id, rows[i].key, &y)) < 0);
}

/* Also of ids too long for a key: no other id comes between two claims of one. */
static void equal_long_ids_stand_together(void **state)
{
        static char ids[3][900];
        struct codec_space space[9];
        struct str sorted[9];
        size_t n = 0;

        for (int i = 0; i < 3; i++) {
                memset(ids[i], 'i', sizeof(ids[i]));
                ids[i][899] = (char)('0' + i);
                for (int k = 0; k < 3; k++, n++) {
                        char key[700];
                        memset(key, 'k', sizeof(key));
                        key[699] = (char)k;
                        sorted[n] = parked_key(7, (struct str){ids[i], sizeof(ids[i])},
                                (struct str){key, sizeof(key)}, &space[n]);
                }
        }
        for (int i = 0; i < 3; i++)
                for (int other = 0; other < 9; other++) {
                        if (other / 3 == i)
                                continue;
                        int below = 0;
                        for (int k = 0; k < 3; k++) {
                                assert_false(str_eq(sorted[i * 3 + k], sorted[other]));
                                below += str_cmp(sorted[i * 3 + k], sorted[other]) < 0;
                        }
                        assert_true(below == 0 || below == 3);
                }
}

static void rejects_come_back(void **state)
{
        cleanup_buf_ struct buf out;
        char key_space[TEXT_MAX], rev[STATE_MAX_REV], first[40];

        buf_init(&out, 1 << 20);
        for (int i = 0; i < ROUNDS; i++) {
                struct codec_space space;
                struct str key = random_str(key_space, 1, TEXT_MAX);
                struct str stored = codec_key(key, &space);
                struct state_reject reject = {random_rev(rev), random_str(first, 0, sizeof(first)),
                        (uint32_t)random(), (uint64_t)random() << 20};
                struct state_reject back;
                struct str full, other = STR("other");
                buf_clear(&out);
                codec_put_reject(&out, stored, key, &reject);
                assert_int_equal(
                        codec_get_reject(buf_str(&out), stored, &key, &full, &back), CODEC_OK);
                assert_str(full, key);
                assert_int_equal(back.run, reject.run);
                assert_int_equal(back.attempts, reject.attempts);
                assert_str(back.rev, reject.rev);
                assert_str(back.first, reject.first);
                if (codec_key_is_cut(stored))
                        assert_int_equal(
                                codec_get_reject(buf_str(&out), stored, &other, &full, &back),
                                CODEC_OTHER);
        }
}

static void revisions_pack_only_where_they_come_back(void **state)
{
        static const struct {
                struct str rev;
                bool packs;
        } cases[] = {
                {STR("1-7a7e4b29f3af401e69b6f86e4c26b727"), true},
                {STR("18446744073709551615-7a7e4b29f3af401e69b6f86e4c26b727"), true},
                {STR("18446744073709551616-7a7e4b29f3af401e69b6f86e4c26b727"), false},
                {STR("0-7a7e4b29f3af401e69b6f86e4c26b727"), false},
                {STR("01-7a7e4b29f3af401e69b6f86e4c26b727"), false},
                {STR("1-7A7E4b29f3af401e69b6f86e4c26b727"), false},
                {STR("1-7a7e4b29f3af401e69b6f86e4c26b72"), false},
                {STR("1-7a7e4b29f3af401e69b6f86e4c26b7277"), false},
                {STR("1-7a7e4b29f3af401e69b6f86e4c26b72g"), false},
                {STR("1-g"), false},
                {STR("-7a7e4b29f3af401e69b6f86e4c26b727"), false},
                {STR("17a7e4b29f3af401e69b6f86e4c26b727"), false},
                {STR("12"), false},
                {STR(""), false},
        };
        char text[STATE_MAX_REV];
        struct codec_rev rev;

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                assert_int_equal(codec_rev_pack(cases[i].rev, &rev), cases[i].packs);
                if (cases[i].packs)
                        assert_str((struct str){text, codec_rev_unpack(&rev, text)}, cases[i].rev);
        }
}

/* A plain entry of one document must stay small: states have millions of them. */
static void a_plain_entry_is_small(void **state)
{
        static struct state_entry entry = {.ordinal = 1000000, .run = 100, .doc_count = 1};
        cleanup_buf_ struct buf out;

        buf_init(&out, 1000);
        entry.docs[0] = (struct state_doc){.id = STR("product:A1000000"),
                .rev = STR("1-7a7e4b29f3af401e69b6f86e4c26b727"),
                .digest = {{1}}};
        codec_put_entry(&out, STR("i12345678"), STR("i12345678"), &entry);
        assert_int_equal(out.len, 3 + 1 + 1 + 1 + 1 + 1 + 16 + 1 + 16 + 16);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(entries_come_back),
                cmocka_unit_test(damaged_entries_are_refused),
                cmocka_unit_test(long_keys_are_cut_and_told_apart),
                cmocka_unit_test(holders_come_back),
                cmocka_unit_test(owed_come_back),
                cmocka_unit_test(debts_differ_by_key_reason_and_document),
                cmocka_unit_test(parked_come_back),
                cmocka_unit_test(parked_keys_sort_by_database_id_and_key),
                cmocka_unit_test(equal_long_ids_stand_together),
                cmocka_unit_test(rejects_come_back),
                cmocka_unit_test(revisions_pack_only_where_they_come_back),
                cmocka_unit_test(a_plain_entry_is_small),
        };
        srandom(20260131);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
