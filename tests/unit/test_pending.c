#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "ingest/pipeline/pending.h"

static struct pending record(const char *key, uint16_t database, const char *id)
{
        return (struct pending){
                .kind = PENDING_RECORD, .key = str_of(key), .database = database, .id = str_of(id)};
}

static void records_are_found_by_key_and_by_place(void **state)
{
        struct pending_set *s = NULL;
        struct pending what = record("k1", 3, "product:A");

        (void)state;
        assert_int_equal(pending_set_new(&s, NULL), 0);
        what.old_id = STR("product:old");
        what.old_rev = STR("4-abc");
        struct pending *p = pending_add(s, &what);
        assert_non_null(p);
        assert_ptr_equal(pending_by_key(s, STR("k1")), p);
        assert_null(pending_by_key(s, STR("k2")));
        assert_ptr_equal(pending_by_id(s, 3, STR("product:A")), p);
        assert_null(pending_by_id(s, 4, STR("product:A")));
        assert_true(str_is(p->old_id, "product:old") && str_is(p->old_rev, "4-abc"));
        pending_remove(s, p);
        assert_null(pending_by_key(s, STR("k1")));
        assert_null(pending_by_id(s, 3, STR("product:A")));
        assert_int_equal(pending_count(s), 0);
        pending_set_free(s);
}

static void deletions_and_rejects_are_not_taken_for_records(void **state)
{
        struct pending_set *s = NULL;

        (void)state;
        assert_int_equal(pending_set_new(&s, NULL), 0);
        struct pending gone = record("k", 0, "id");
        gone.kind = PENDING_DELETE;
        assert_non_null(pending_add(s, &gone));
        assert_null(pending_by_key(s, STR("k")));
        assert_null(pending_by_id(s, 0, STR("id")));
        struct pending live = record("k", 0, "id");
        struct pending *p = pending_add(s, &live);
        assert_ptr_equal(pending_by_key(s, STR("k")), p);
        pending_set_free(s);
}

/* More records than buckets, removed in another order than added. */
static void many_records_come_and_go(void **state)
{
        enum { COUNT = 40000 };
        static struct pending *all[COUNT];
        struct pending_set *s = NULL;
        char key[32], id[32];

        (void)state;
        assert_int_equal(pending_set_new(&s, NULL), 0);
        for (int i = 0; i < COUNT; i++) {
                snprintf(key, sizeof(key), "key%d", i);
                snprintf(id, sizeof(id), "id%d", i);
                struct pending what = record(key, 1, id);
                all[i] = pending_add(s, &what);
                assert_non_null(all[i]);
        }
        for (int i = 0; i < COUNT; i += 2)
                pending_remove(s, all[i]);
        for (int i = 0; i < COUNT; i++) {
                snprintf(key, sizeof(key), "key%d", i);
                snprintf(id, sizeof(id), "id%d", i);
                assert_ptr_equal(pending_by_key(s, str_of(key)), i % 2 ? all[i] : NULL);
                assert_ptr_equal(pending_by_id(s, 1, str_of(id)), i % 2 ? all[i] : NULL);
        }
        assert_int_equal(pending_count(s), COUNT / 2);
        pending_set_free(s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(records_are_found_by_key_and_by_place),
                cmocka_unit_test(deletions_and_rejects_are_not_taken_for_records),
                cmocka_unit_test(many_records_come_and_go),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
