/* The schemas of document types that come with the program: they compile, need no tree for what
 * fits, take their own examples, and what they say to CouchDB can be read. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "ingest/base/file.h"
#include "schemas/annotation.h"
#include "schemas/node.h"
#include "schemas/schema.h"

#define TYPES 18

static bool is_of_documents(const char *path)
{
        static const char *const others[] = {"common.schema.json", "mapper.schema.json",
                "fields.schema.json", "erp2couch.schema.json"};
        const char *name = strrchr(path, '/') + 1;

        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
                if (strcmp(name, others[i]) == 0)
                        return false;
        return true;
}

/* Each of `examples`, with and without the members that CouchDB adds. */
static void check_examples(const char *path, const struct schema *schema)
{
        cleanup_(schema_checker_freep) struct schema_checker *checker = schema_checker_new(schema);
        cleanup_(arena_freep) struct arena *arena = arena_new(64 << 20);
        cleanup_buf_ struct buf text = BUF_INIT(SCHEMA_MAX_FILE_BYTES);
        cleanup_buf_ struct buf scratch = BUF_INIT(SCHEMA_MAX_FILE_BYTES);
        struct node *root;
        struct err e = {0};

        assert_int_equal(file_read(path, &text, &e), 0);
        assert_int_equal(node_parse(buf_str(&text), arena, &scratch, &root, NULL, &e), 0);
        const struct node *examples = node_member(root, STR("examples"));
        assert_non_null(examples);
        assert_true(examples->count > 0);
        for (const struct node *n = examples->first; n; n = n->next) {
                struct schema_fault fault = {0};
                int rc = schema_check(checker, n->raw, SCHEMA_DOCUMENT, &fault, &e);
                if (rc)
                        fail_msg("%s: %s", path, rc > 0 ? fault.message : e.text);
                struct str members = {n->raw.ptr + 1, n->raw.len - 2};
                assert_int_equal(schema_check(checker, members, SCHEMA_MEMBERS, &fault, &e), 0);
                assert_int_equal(schema_check(checker, STR("{}"), SCHEMA_DOCUMENT, &fault, &e),
                        SCHEMA_FAULT);
                assert_string_equal(fault.keyword, "required");
        }
}

static void check_schema(const char *path)
{
        const struct schema_options options = {.folder = MODEL_FOLDER, .assert_formats = true};
        cleanup_(schema_freep) struct schema *schema = NULL;
        cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
        struct schema_annotation said;
        struct err e = {0};

        if (schema_compile_file(path, &options, &schema, &e) ||
                schema_annotation_read(path, arena, &said, &e))
                fail_msg("%s", e.text);
        if (!schema_is_quick(schema))
                fail_msg("%s: documents that fit need a tree", path);
        if (said.tombstone_count == 0 || strcmp(said.tombstone[0], "type") != 0)
                fail_msg("%s: tombstones do not keep the type", path);
        check_examples(path, schema);
}

static void every_type_is_ready_for_use(void **state)
{
        glob_t found = {0};
        size_t types = 0;

        (void)state;
        assert_int_equal(glob(MODEL_FOLDER "/*.schema.json", 0, NULL, &found), 0);
        for (size_t i = 0; i < found.gl_pathc; i++) {
                if (!is_of_documents(found.gl_pathv[i]))
                        continue;
                types++;
                check_schema(found.gl_pathv[i]);
        }
        globfree(&found);
        assert_int_equal(types, TYPES);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_type_is_ready_for_use),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
