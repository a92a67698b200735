/*
 * Any bytes as a reply. The first one says what is looked for and how the rest is cut; it must give
 * the same as when it comes whole, and a reply is accepted where json_canonical() accepts it.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include <xxhash.h>

#include "ingest/record/json.h"
#include "ingest/record/json_records.h"

#define MAX_OUT (1 << 20)

/* All that was seen, as one number. */
struct seen {
        uint64_t log;
        size_t records;
        bool proved; /* all records are JSON */
        unsigned pause_every;
        struct buf scratch;
};

static bool names_twice_or_deep(const struct err *e)
{
        return strstr(e->text, "twice") || strstr(e->text, "nested deeper");
}

static void note(struct seen *s, struct str text)
{
        s->log = XXH3_64bits_withSeed(text.ptr, text.len, s->log + 1);
}

static int on_record(void *ctx, struct str text, struct err *e)
{
        struct seen *s = ctx;
        struct err why;

        note(s, text);
        buf_clear(&s->scratch);
        if (json_canonical(text, JSON_NUMBERS_STRING, &s->scratch, &why) &&
                !names_twice_or_deep(&why))
                s->proved = false;
        return s->pause_every && ++s->records % s->pause_every == 0 ? JSON_RECORDS_PAUSE : 0;
}

static int on_oversize(void *ctx, struct str head, struct err *e)
{
        struct seen *s = ctx;

        note(s, head);
        s->proved = false;
        return 0;
}

static int feed(struct json_records *j, struct str text, unsigned cut, struct err *e)
{
        size_t taken;

        while (text.len) {
                size_t n = cut == 0 ? text.len : 1 + (cut * text.len) % (1 + cut % 90);
                n = n < text.len ? n : text.len;
                char *copy = malloc(n); /* reading beyond it is then seen */
                if (!copy)
                        abort();
                memcpy(copy, text.ptr, n);
                int rc = json_records_feed(j, (struct str){copy, n}, &taken, e);
                free(copy);
                if (rc < 0)
                        return rc;
                if (taken > n || (rc == 0 && taken < n))
                        abort();
                text.ptr += taken;
                text.len -= taken;
        }
        return json_records_end(j, e);
}

static int run(
        const struct json_records_options *base, struct str text, unsigned cut, struct seen *s)
{
        cleanup_(json_records_freep) struct json_records *j = NULL;
        struct json_records_options o = *base;
        struct err e = {.text = ""};
        cleanup_buf_ struct buf names = BUF_INIT(MAX_OUT);

        s->scratch = BUF_INIT(MAX_OUT);
        s->proved = true;
        s->pause_every = cut % 5;
        o.ctx = s;
        if (json_records_new(&o, &j, &e))
                abort();
        int rc = feed(j, text, cut, &e);
        for (size_t i = 0; i < o.fact_count; i++)
                note(s, json_records_fact(j, i));
        json_records_names(j, &names);
        note(s, buf_str(&names));
        note(s, str_of(rc ? e.text : ""));
        uint64_t last[] = {json_records_hash(j), json_records_count(j), json_records_found(j)};
        note(s, (struct str){(const char *)last, sizeof(last)});
        buf_deinit(&s->scratch);
        return rc;
}

/* What is around and in the records together is what the canonicaliser takes. */
static void compare(struct str text, int rc, bool proved)
{
        cleanup_buf_ struct buf out = BUF_INIT(MAX_OUT);
        struct err e;

        int canonical = json_canonical(text, JSON_NUMBERS_STRING, &out, &e);
        if (canonical && names_twice_or_deep(&e))
                return;
        if (!canonical ? rc != 0 : rc == 0 && proved)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct json_records_options wanted[] = {
                {.path = NULL},
                {.path = "value", .facts = {"@odata\\.nextLink", "n", "n.a[1]"}, .fact_count = 3},
                {.path = "d.results", .facts = {"d.__next", "error"}, .fact_count = 2},
                {.path = "[0]", .facts = {"[1]"}, .fact_count = 1},
        };
        struct seen whole = {0}, cut = {0};

        if (size == 0)
                return 0;
        struct json_records_options o = wanted[data[0] % 4];
        o.max_record = data[0] & 0x40 ? 20 : MAX_OUT;
        o.on_record = on_record;
        o.on_oversize = on_oversize;
        struct str text = {(const char *)data + 1, size - 1};
        int rc = run(&o, text, 0, &whole);
        if (run(&o, text, 1 + data[0], &cut) != rc || cut.log != whole.log)
                abort();
        compare(text, rc, whole.proved);
        return 0;
}
