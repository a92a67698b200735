/*
 * schema-suite: a copy of the official JSON Schema test suite, draft 2020-12.
 *
 *     schema-suite [--optional] [-v] DIR
 *
 * DIR holds tests/draft2020-12 and remotes, which http://localhost:1234/ stands for. Runs the
 * required tests, or with --optional those in tests/draft2020-12/optional (formats asserted where
 * the file is about formats). Each failure is one line, with -v each test; the last line is
 * "N passed, N failed". A document that fits must also fit by the tree alone, and the other way
 * round: where the two ways of checking differ, the test has failed.
 *
 * Exit codes: 0 all passed; 1 some failed; 64 usage; 78 DIR cannot be read.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/base/file.h"
#include "schemas/eval.h"
#include "schemas/quick.h"
#include "schemas/schema.h"

#define FILE_MAX   (16 << 20)
#define MEMORY_MAX (256 << 20)
#define REMOTES    "http://localhost:1234/"

struct suite {
        const char *folder;
        bool optional, verbose;
        size_t passed, failed, quick;
        struct buf remote; /* of the resolver */
        struct arena *arena, *document;
        struct buf scratch;
};

struct group {
        struct suite *suite;
        const char *file;
        struct str description;
        struct schema *schema;
        struct schema_checker *checker;
        struct regex_room *room;
        const char *refused; /* why the schema did not compile; NULL: it did */
};

static int resolve(void *arg, struct str uri, struct str *text, struct err *e)
{
        struct suite *s = arg;
        char path[4096];

        if (!str_starts(uri, STR(REMOTES)))
                return SCHEMA_UNKNOWN;
        uri.ptr += sizeof(REMOTES) - 1;
        uri.len -= sizeof(REMOTES) - 1;
        snprintf(path, sizeof(path), "%s/remotes/%.*s", s->folder, STR_ARG(uri));
        buf_clear(&s->remote);
        int rc = file_read(path, &s->remote, e);
        *text = buf_str(&s->remote);
        return rc;
}

/* By the tree alone, whatever the schema allows. */
static bool fits_as_tree(struct group *g, struct str data)
{
        struct finding finding;
        struct node *doc;
        struct err e;

        arena_reset(g->suite->document);
        if (node_parse(data, g->suite->document, &g->suite->scratch, &doc, NULL, &e))
                return false;
        return eval_document(g->schema, doc, SCHEMA_BASE_STEPS, g->suite->document, g->room,
                       &finding) == VERDICT_FITS;
}

static void judge(struct group *g, struct str description, bool right, const char *why)
{
        struct suite *s = g->suite;

        s->passed += right;
        s->failed += !right;
        if (right && !s->verbose)
                return;
        printf("%s %s: %.*s: %.*s%s%s\n", right ? "ok" : "FAILED", g->file, STR_ARG(g->description),
                STR_ARG(description), why ? ": " : "", why ? why : "");
}

static void run_test(struct group *g, const struct node *test)
{
        struct str description = node_member(test, STR("description"))->text;
        struct str data = node_member(test, STR("data"))->raw;
        bool valid = node_member(test, STR("valid"))->kind == NODE_TRUE;
        struct schema_fault fault = {0};
        struct err e = {0};

        if (g->refused) {
                judge(g, description, false, g->refused);
                return;
        }
        int rc = schema_check(g->checker, data, SCHEMA_DOCUMENT, &fault, &e);
        bool quick = schema_is_quick(g->schema) &&
                     quick_fits(g->schema, data, SCHEMA_BASE_STEPS, &g->suite->scratch, g->room);
        g->suite->quick += quick;
        if (rc < 0)
                judge(g, description, false, e.text);
        else if (fits_as_tree(g, data) != (rc == 0))
                judge(g, description, false, "the two ways of checking differ");
        else
                judge(g, description, (rc == 0) == valid, rc ? fault.message : "it fits");
}

static void run_group(struct suite *s, const char *file, const struct node *node, bool formats)
{
        struct schema_options options = {
                .resolve = resolve, .resolve_arg = s, .assert_formats = formats};
        cleanup_(schema_freep) struct schema *schema = NULL;
        struct err e = {0};
        struct group g = {.suite = s, .file = file};

        g.description = node_member(node, STR("description"))->text;
        if (schema_compile_text(
                    node_member(node, STR("schema"))->raw, "schema", &options, &schema, &e))
                g.refused = e.text;
        cleanup_(schema_checker_freep) struct schema_checker *checker =
                schema ? schema_checker_new(schema) : NULL;
        cleanup_(regex_room_freep) struct regex_room *room = regex_room_new();
        g.schema = schema;
        g.checker = checker;
        g.room = room;
        for (const struct node *t = node_member(node, STR("tests"))->first; t; t = t->next)
                run_test(&g, t);
}

static int run_file(struct suite *s, const char *path, const char *name, bool formats)
{
        cleanup_buf_ struct buf text = BUF_INIT(FILE_MAX);
        struct node *root;
        struct err e = {0};
        int rc = file_read(path, &text, &e);

        arena_reset(s->arena);
        if (!rc)
                rc = node_parse(buf_str(&text), s->arena, &s->scratch, &root, NULL, &e);
        if (rc) {
                fprintf(stderr, "schema-suite: %s: %s\n", path, e.text);
                return rc;
        }
        for (const struct node *g = root->first; g; g = g->next)
                run_group(s, name, g, formats);
        return 0;
}

static int only_json(const struct dirent *entry)
{
        size_t n = strlen(entry->d_name);

        return n > 5 && strcmp(entry->d_name + n - 5, ".json") == 0;
}

/* @below: of tests/draft2020-12: "", "/optional", "/optional/format" */
static int run_folder(struct suite *s, const char *below, bool formats)
{
        char folder[4096], path[8192], name[512];
        struct dirent **entries;
        int rc = 0;

        snprintf(folder, sizeof(folder), "%s/tests/draft2020-12%s", s->folder, below);
        int count = scandir(folder, &entries, only_json, alphasort);
        if (count < 0) {
                fprintf(stderr, "schema-suite: cannot read %s: %s\n", folder, strerror(errno));
                return -1;
        }
        for (int i = 0; i < count; i++) {
                snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
                snprintf(name, sizeof(name), "%s%s%s", *below ? below + 1 : "", *below ? "/" : "",
                        entries[i]->d_name);
                rc = rc ? rc : run_file(s, path, name, formats);
                free(entries[i]);
        }
        free(entries);
        return rc;
}

static int run(struct suite *s)
{
        s->arena = arena_new(MEMORY_MAX);
        s->document = arena_new(MEMORY_MAX);
        buf_init(&s->remote, FILE_MAX);
        buf_init(&s->scratch, FILE_MAX);
        if (!s->arena || !s->document)
                return 70;
        int rc = s->optional ? run_folder(s, "/optional", false) : run_folder(s, "", false);
        if (!rc && s->optional)
                rc = run_folder(s, "/optional/format", true);
        arena_free(s->arena);
        arena_free(s->document);
        buf_deinit(&s->remote);
        buf_deinit(&s->scratch);
        if (rc)
                return 78;
        printf("%zu documents fitted without a tree\n", s->quick);
        printf("%zu passed, %zu failed\n", s->passed, s->failed);
        return s->failed > 0;
}

int main(int argc, char **argv)
{
        struct suite s = {0};

        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--optional") == 0)
                        s.optional = true;
                else if (strcmp(argv[i], "-v") == 0)
                        s.verbose = true;
                else if (*argv[i] != '-' && !s.folder)
                        s.folder = argv[i];
                else
                        argc = 0;
        }
        if (argc == 0 || !s.folder) {
                fprintf(stderr, "usage: schema-suite [--optional] [-v] DIR\n");
                return 64;
        }
        return run(&s);
}
