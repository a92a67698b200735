/*
 * state_fixture.h: what the tests of the state share: a folder per test, entries with a mark.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "ingest/state/state.h"

#define TEXT(...) text_of((char[1100]){0}, 1100, __VA_ARGS__)

__attribute__((format(printf, 3, 4))) static inline struct str text_of(
        char *space, size_t size, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        int n = vsnprintf(space, size, fmt, ap);
        va_end(ap);
        assert_true(n >= 0 && (size_t)n < size);
        return (struct str){space, (size_t)n};
}

static inline void assert_str(struct str a, struct str b)
{
        assert_int_equal(a.len, b.len);
        if (a.len)
                assert_memory_equal(a.ptr, b.ptr, a.len);
}

/* ---- a folder per test ---- */

struct fixture {
        char dir[64];
        char path[80];
        struct state *s;
        struct state_batch *b;
};

/* @command finds the folder in $DIR. */
static inline void run_shell(const char *command, const char *dir)
{
        assert_int_equal(setenv("DIR", dir, 1), 0);
        assert_int_equal(system(command), 0);
}

static inline void reopen(struct fixture *f, bool expect_fresh)
{
        struct err e = {0};
        bool fresh = !expect_fresh;

        f->s = state_close(f->s);
        int rc = state_open(f->path, NULL, &f->s, &fresh, &e);
        if (rc)
                print_error("%s\n", e.text);
        assert_int_equal(rc, 0);
        assert_int_equal(fresh, expect_fresh);
}

static inline int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;
        snprintf(f->dir, sizeof(f->dir), "/tmp/erp2couch-state-XXXXXX");
        if (!mkdtemp(f->dir) || state_batch_new(&f->b, NULL))
                return -1;
        snprintf(f->path, sizeof(f->path), "%s/mapper", f->dir);
        reopen(f, true);
        *state = f;
        return 0;
}

static inline int tear_down(void **state)
{
        struct fixture *f = *state;

        state_close(f->s);
        state_batch_free(f->b);
        run_shell("rm -rf $DIR", f->dir);
        free(f);
        return 0;
}

static inline void apply(struct fixture *f)
{
        struct err e = {0};
        int rc = state_apply(f->s, f->b, &e);

        if (rc)
                print_error("%s\n", e.text);
        assert_int_equal(rc, 0);
        assert_int_equal(state_batch_count(f->b), 0);
}

#define ID_SPACE 1100

/* doc:<key>, whatever bytes the key has. */
static inline struct str id_of_key(char space[ID_SPACE], struct str key)
{
        assert_true(key.len + 4 <= ID_SPACE);
        memcpy(space, "doc:", 4);
        memcpy(space + 4, key.ptr, key.len);
        return (struct str){space, key.len + 4};
}

#define ID(key) id_of_key((char[ID_SPACE]){0}, (key))

static const char rev_text[] = "1-7a7e4b29f3af401e69b6f86e4c26b727";

/* One document: database 3, id doc:<key>, a digest of @mark. */
static inline void put(struct fixture *f, struct str key, uint32_t ordinal, uint8_t mark)
{
        static struct state_entry en;
        struct str id = ID(key);

        en.ordinal = ordinal;
        en.run = 9;
        en.doc_count = 1;
        en.docs[0] = (struct state_doc){.database = 3,
                .id = id,
                .rev = str_of(rev_text),
                .digest = {{mark}},
                .deleted = mark == 255};
        assert_int_equal(state_batch_put(f->b, key, &en, NULL), 0);
        assert_int_equal(state_batch_hold(f->b, 3, id, key, NULL, NULL), 0);
}

/* The mark of @key's entry; -1: absent. */
static inline int mark_of(struct fixture *f, struct str key)
{
        static struct state_entry en;
        struct err e = {0};
        int rc = state_get(f->s, key, &en, &e);

        if (rc == STATE_ABSENT)
                return -1;
        assert_int_equal(rc, 0);
        assert_int_equal(en.doc_count, 1);
        assert_int_equal(en.docs[0].database, 3);
        assert_str(en.docs[0].id, ID(key));
        assert_str(en.docs[0].rev, str_of(rev_text));
        assert_int_equal(en.docs[0].deleted, en.docs[0].digest.bytes[0] == 255);
        return en.docs[0].digest.bytes[0];
}

static inline struct str key_of(char space[16], uint64_t n)
{
        space[0] = 'i';
        for (int i = 0; i < 8; i++)
                space[1 + i] = (char)(n >> (56 - 8 * i));
        return (struct str){space, 9};
}

#define KEY(n) key_of((char[16]){0}, (n))

#define STATE_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
