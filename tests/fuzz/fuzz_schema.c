/*
 * A schema and documents for it, with a line "---" between them. What
 * compiles must judge each document alike by both ways of checking, or say which limit was reached.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "schemas/eval.h"
#include "schemas/quick.h"

#define STEPS      20000 /* few: inputs that explode are not worth the time */
#define MEMORY_MAX (64 << 20)

struct judge {
        struct schema *schema;
        struct schema_checker *checker;
        struct arena *arena;
        struct regex_room *room;
        struct buf scratch;
};

static struct str next_part(struct str *rest)
{
        static const char separator[] = "\n---\n";
        const char *stop = rest->len ? memmem(rest->ptr, rest->len, separator, 5) : NULL;
        struct str part = {rest->ptr, stop ? (size_t)(stop - rest->ptr) : rest->len};
        size_t used = part.len + (stop ? 5 : 0);

        *rest = (struct str){rest->ptr + used, rest->len - used};
        return part;
}

static void judge(struct judge *j, struct str document)
{
        struct schema_fault fault;
        struct finding finding;
        struct node *doc = NULL;
        struct err e;
        bool quick = schema_is_quick(j->schema) &&
                     quick_fits(j->schema, document, STEPS, &j->scratch, j->room);

        arena_reset(j->arena);
        int rc = node_parse(document, j->arena, &j->scratch, &doc, NULL, &e);
        /* A key that stands twice is what the quick way need not see. */
        if (rc == -ERR_REJECT && quick && !strstr(e.text, "twice"))
                abort();
        if (rc)
                return;
        enum verdict verdict = eval_document(j->schema, doc, STEPS, j->arena, j->room, &finding);
        if (quick && verdict == VERDICT_FAULT)
                abort();
        if (verdict > VERDICT_FAULT)
                return;
        rc = schema_check(j->checker, document, SCHEMA_DOCUMENT, &fault, &e);
        if (rc != (verdict == VERDICT_FAULT ? SCHEMA_FAULT : 0))
                abort();
        if (rc && (!str_utf8_valid(str_of(fault.message)) || !*fault.message))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct str rest = {(const char *)data, size};
        struct schema_options options = {.assert_formats = size % 2};
        struct judge j = {.scratch = BUF_INIT(MEMORY_MAX)};
        struct err e = {0};

        if (schema_compile_text(next_part(&rest), "fuzz", &options, &j.schema, &e) == 0) {
                j.checker = schema_checker_new(j.schema);
                j.arena = arena_new(MEMORY_MAX);
                j.room = regex_room_new();
                while (rest.len > 0)
                        judge(&j, next_part(&rest));
        }
        schema_checker_free(j.checker);
        schema_free(j.schema);
        arena_free(j.arena);
        regex_room_free(j.room);
        buf_deinit(&j.scratch);
        return 0;
}
