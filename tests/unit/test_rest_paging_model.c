/*
 * Pagers against servers whose records come and go while they are read, at random: what a kind of
 * paging promises must hold. And against servers that answer anything: every read ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "ingest/source/rest/paging.h"
#include "tests/support/random_json.h"

#define SCENARIOS 6000
#define HOSTILE   3000
#define ROWS_MAX  400
#define IDS       100000

struct row {
        int id;      /* the order */
        bool always; /* there before the read, and never deleted */
        bool read;
};

struct world {
        uint64_t seed;
        struct row rows[ROWS_MAX];
        size_t count;
        struct rest_paging_spec spec;
        size_t cap;     /* the server's largest page */
        bool inclusive; /* a keyset's parameter means "from here on" */
        int changes;    /* of a hundred requests, before how many the table changes */
        uint64_t resumes;
        bool only_deletes;
        bool doubt; /* the pager says that it does not know */
        bool calm;  /* nothing ever changes */
        int pages;
};

static uint64_t below(struct world *w, uint64_t n)
{
        return random_next(&w->seed) % n;
}

/* ---- the table ---- */

static size_t place_of(const struct world *w, int id)
{
        size_t i = 0;

        while (i < w->count && w->rows[i].id < id)
                i++;
        return i;
}

static void insert(struct world *w, int id, bool always)
{
        size_t at = place_of(w, id);

        if (w->count == ROWS_MAX || (at < w->count && w->rows[at].id == id))
                return;
        memmove(&w->rows[at + 1], &w->rows[at], (w->count - at) * sizeof(w->rows[0]));
        w->rows[at] = (struct row){.id = id, .always = always};
        w->count++;
}

static void delete_some(struct world *w)
{
        size_t from = w->count ? below(w, w->count) : 0;
        size_t n = 1 + below(w, below(w, 8) ? 3 : 60);

        for (size_t i = from; i < w->count && n > 0; n--) {
                if (w->rows[i].always) {
                        i++;
                        continue;
                }
                memmove(&w->rows[i], &w->rows[i + 1], (w->count - i - 1) * sizeof(w->rows[0]));
                w->count--;
        }
}

static void change(struct world *w)
{
        if (w->only_deletes || below(w, 2)) {
                delete_some(w);
                return;
        }
        /* at the beginning, at the end, or anywhere */
        int near = (int)below(w, 3);
        for (size_t n = 1 + below(w, 5); n > 0; n--)
                insert(w,
                        near == 0   ? (int)below(w, IDS / 50)
                        : near == 1 ? IDS - (int)below(w, IDS / 50)
                                    : (int)below(w, IDS),
                        false);
}

/* ---- the server ---- */

static size_t page_size(const struct world *w)
{
        size_t size = w->spec.size > 0 ? (size_t)w->spec.size : w->cap;

        return size < w->cap ? size : w->cap;
}

static size_t page_start(const struct world *w, const struct rest_page *page)
{
        size_t at;

        switch (w->spec.kind) {
        case REST_PAGING_PAGE:
                return (size_t)(page->page - w->spec.first) * page_size(w);
        case REST_PAGING_OFFSET:
                return (size_t)(page->offset - w->spec.first);
        default:
                at = page->after ? place_of(w, (int)strtol(page->after, NULL, 10)) : 0;
                return at + (page->after && !w->inclusive && at < w->count &&
                                    w->rows[at].id == (int)strtol(page->after, NULL, 10));
        }
}

struct answer {
        struct rest_page_facts facts;
        char next[32], total[32], last[16];
};

static void serve(struct world *w, struct rest_pager *p, struct answer *a)
{
        size_t from = page_start(w, rest_pager_page(p)), n = page_size(w);
        XXH64_hash_t hash = 1;

        *a = (struct answer){0};
        n = from < w->count ? (w->count - from < n ? w->count - from : n) : 0;
        for (size_t i = from; i < from + n; i++) {
                uint64_t key = (uint64_t)w->rows[i].id;
                w->rows[i].read = true;
                hash = XXH3_64bits_withSeed(&key, sizeof(key), hash);
                (void)rest_pager_record(p, key, key);
        }
        a->facts = (struct rest_page_facts){.records = n, .hash = hash};
        if (n > 0)
                snprintf(a->last, sizeof(a->last), "%d", w->rows[from + n - 1].id);
        a->facts.last_field = n ? str_of(a->last) : (struct str){0};
        if (w->spec.kind == REST_PAGING_CURSOR && from + n < w->count) {
                snprintf(a->next, sizeof(a->next), "\"%s\"", a->last);
                a->facts.next = str_of(a->next);
        }
        if (w->spec.total) {
                snprintf(a->total, sizeof(a->total), "%zu", w->count);
                a->facts.total = str_of(a->total);
        }
}

/* ---- reads ---- */

/* A crash: the read goes on from its mark, after the table has changed. */
static void resume(struct world *w, struct rest_pager **p)
{
        cleanup_buf_ struct buf mark = BUF_INIT(1 << 16);
        struct err e = {0};

        assert_int_equal(rest_pager_mark(*p, &mark, &e), 0);
        *p = rest_pager_free(*p);
        for (uint64_t n = below(w, 4); n > 0; n--)
                change(w);
        if (rest_pager_new(&w->spec, buf_str(&mark), p, &e) != 0)
                fail_msg("%s: %s", e.text, buf_cstr(&mark));
}

static int read_all(struct world *w, struct err *e)
{
        struct rest_pager *p = NULL;
        struct answer a;
        bool more = true;
        int rc = rest_pager_new(&w->spec, (struct str){0}, &p, e);

        for (w->pages = 0; !rc && more; w->pages++) {
                if ((int)below(w, 100) < w->changes)
                        change(w);
                serve(w, p, &a);
                rc = rest_pager_advance(p, &a.facts, &more, e);
                if (!rc && more && w->resumes > 0 && below(w, 5) == 0) {
                        w->resumes--;
                        resume(w, &p);
                }
        }
        w->doubt = !rc && *rest_pager_doubt(p);
        p = rest_pager_free(p);
        return rc;
}

static void make_world(struct world *w, uint64_t seed)
{
        static const enum rest_paging_kind kinds[] = {REST_PAGING_PAGE, REST_PAGING_OFFSET,
                REST_PAGING_OFFSET, REST_PAGING_OFFSET, REST_PAGING_KEYSET, REST_PAGING_CURSOR};
        static const enum rest_stop stops[] = {
                REST_STOP_AUTO, REST_STOP_AUTO, REST_STOP_EMPTY, REST_STOP_TOTAL, REST_STOP_SHORT};

        *w = (struct world){.seed = seed};
        w->spec = (struct rest_paging_spec){.kind = kinds[below(w, 6)], .max_pages = 100000};
        w->spec.size = (int64_t)below(w, 3) ? (int64_t)(1 + below(w, 30)) : 0;
        w->cap = 1 + below(w, 30);
        if (w->spec.kind == REST_PAGING_OFFSET) { /* pages of one record cannot overlap */
                w->spec.size += w->spec.size == 1;
                w->cap += w->cap == 1;
        }
        w->spec.stop = stops[below(w, 5)];
        if (w->spec.stop == REST_STOP_SHORT && w->spec.size > (int64_t)w->cap)
                w->spec.stop = REST_STOP_AUTO; /* it is the mapper's word that none is shorter */
        w->spec.first = (int64_t)below(w, 2);
        w->spec.first_given = true;
        w->spec.next = w->spec.kind == REST_PAGING_CURSOR ? "next" : NULL;
        w->spec.field = "id";
        w->inclusive = w->spec.kind == REST_PAGING_KEYSET && page_size(w) > 1 && below(w, 2);
        w->resumes = below(w, 2) ? below(w, 4) : 0;
        w->changes = (int)below(w, 60);
        bool wants_total = w->spec.stop == REST_STOP_TOTAL || below(w, 4) == 0;
        if (wants_total && w->spec.kind != REST_PAGING_KEYSET && w->spec.kind != REST_PAGING_CURSOR)
                w->spec.total = "total";
        else if (w->spec.stop == REST_STOP_TOTAL)
                w->spec.stop = REST_STOP_AUTO;
        /* Of numbered pages only a total tells that they shift, and that of deletions alone. */
        w->spec.disjoint = w->spec.kind == REST_PAGING_OFFSET && below(w, 4) == 0;
        w->only_deletes = w->spec.kind == REST_PAGING_PAGE || w->spec.disjoint;
        if (w->only_deletes && !w->spec.total)
                w->changes = 0;
        w->calm = w->resumes == 0 && w->changes == 0;
        for (size_t n = below(w, 4) ? below(w, ROWS_MAX / 2) : below(w, 5); n > 0; n--)
                insert(w, (int)below(w, IDS), below(w, 10) > 0);
}

static void check_world(uint64_t seed, int *errors, int *doubts)
{
        struct world w;
        struct err e = {0};

        make_world(&w, seed);
        int rc = read_all(&w, &e);
        *errors += rc != 0;
        if (rc && (rc != -ERR_RETRY || w.calm))
                fail_msg("seed %llu: %s", (unsigned long long)seed, e.text);
        *doubts += w.doubt;
        for (size_t i = 0; !rc && !w.doubt && i < w.count; i++)
                if (w.rows[i].always && !w.rows[i].read)
                        fail_msg(
                                "seed %llu: kind %d: record %d was there all the time, and was not "
                                "read",
                                (unsigned long long)seed, w.spec.kind, w.rows[i].id);
}

static void what_is_there_all_the_time_is_read(void **state)
{
        int errors = 0, doubts = 0;

        for (uint64_t seed = 1; seed <= SCENARIOS; seed++)
                check_world(seed, &errors, &doubts);
        assert_true(doubts < SCENARIOS / 20);
        assert_true(errors < SCENARIOS / 20); /* pages of two records, and changes all the time */
}

/* ---- anything as an answer ---- */

static struct str any(struct world *w)
{
        static const char *const values[] = {NULL, "null", "true", "false", "0", "1", "-1", "7",
                "\"\"", "\"x\"", "\"y\"", "\"/p?a=1\"", "{}", "[]", "\"\\u0000\"", "\"\\ud800\"",
                "99999999999999999999", "1.5", "\"1\"", "\"\xc3\xa9 \\n\""};

        return str_of(values[below(w, sizeof(values) / sizeof(values[0]))]);
}

static struct str sometimes(struct world *w)
{
        return below(w, 3) ? (struct str){0} : any(w);
}

static void check_hostile(uint64_t seed, int *ends)
{
        struct world w = {.seed = seed};
        struct rest_pager *p = NULL;
        struct err e = {0};
        bool more = true;
        int rc, pages = 0;

        w.spec = (struct rest_paging_spec){
                .kind = (enum rest_paging_kind)below(&w, REST_PAGING_ODATA + 1),
                .size = (int64_t)below(&w, 4),
                .stop = (enum rest_stop)below(&w, 5),
                .next = "next",
                .field = "id",
                .param = "param",
                .disjoint = below(&w, 2),
                .max_pages = 500};
        assert_int_equal(rest_pager_new(&w.spec, (struct str){0}, &p, &e), 0);
        for (rc = 0; !rc && more; pages++) {
                struct rest_page_facts f = {.records = below(&w, 5),
                        .hash = below(&w, 50),
                        .next = any(&w),
                        .total = sometimes(&w),
                        .pages = sometimes(&w),
                        .more = sometimes(&w),
                        .link_next = below(&w, 9) ? STR("/next") : (struct str){0},
                        .last_field = any(&w)};
                for (size_t i = 0; i < f.records; i++)
                        (void)rest_pager_record(p, below(&w, 9), below(&w, 9));
                rc = rest_pager_advance(p, &f, &more, &e);
                if (!rc && more && below(&w, 4) == 0)
                        resume(&w, &p);
        }
        p = rest_pager_free(p);
        if (pages > 500 || (rc && !*e.text))
                fail_msg("seed %llu: %d pages", (unsigned long long)seed, pages);
        *ends += rc == 0;
}

static void every_read_ends_whatever_is_answered(void **state)
{
        int ends = 0;

        for (uint64_t seed = 1; seed <= HOSTILE; seed++)
                check_hostile(seed, &ends);
        assert_true(ends > HOSTILE / 10 && ends < HOSTILE); /* both ways were tried */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_there_all_the_time_is_read),
                cmocka_unit_test(every_read_ends_whatever_is_answered),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
