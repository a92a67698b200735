/*
 * option-tables: what the parser takes, for tests of the schemas for editors.
 *
 *     option-tables                 prints all option tables as one JSON object
 *     option-tables config FILE...  loads each as erp2couch.yaml
 *     option-tables mapper FILE...  loads each as a mapper of a postgres source
 *     option-tables rest FILE...    loads each as a mapper of a REST source
 *     option-tables fields FILE...  loads each as a file that a mapper includes
 *
 *     option-tables json FILE...    prints each as JSON, a line each, variables left as they are
 *
 * config, mapper, rest and fields print a line for each file: "ok", or the error.
 */
#include <stdio.h>

#include <cjson/cJSON.h>

#include "ingest/pipeline/config.h"
#include "ingest/source/rest/extract.h"

static const char *type_name(enum option_type type)
{
        static const char *const names[] = {
                [OPTION_STRING] = "string",
                [OPTION_BOOL] = "bool",
                [OPTION_INT] = "int",
                [OPTION_SIZE] = "size",
                [OPTION_DURATION] = "duration",
                [OPTION_CHOICE] = "choice",
                [OPTION_STRINGS] = "strings",
                [OPTION_MAP] = "map",
                [OPTION_NODE] = "node",
                [OPTION_HANDLER] = "handler",
                [OPTION_LATER] = "later",
        };
        return names[type];
}

static cJSON *table_json(const struct option_table *t);

static cJSON *option_json(const struct option *o)
{
        cJSON *out = cJSON_CreateObject();

        cJSON_AddStringToObject(out, "type", type_name(o->type));
        cJSON_AddBoolToObject(out, "required", o->required);
        cJSON_AddBoolToObject(out, "secret", o->secret);
        if (o->default_text)
                cJSON_AddStringToObject(out, "default", o->default_text);
        if (o->min || o->max) {
                cJSON_AddNumberToObject(out, "min", (double)o->min);
                cJSON_AddNumberToObject(out, "max", (double)o->max);
        }
        if (o->help)
                cJSON_AddStringToObject(out, "help", o->help);
        if (o->table)
                cJSON_AddItemToObject(out, "table", table_json(o->table));
        if (o->choices) {
                cJSON *choices = cJSON_AddArrayToObject(out, "choices");
                for (size_t i = 0; o->choices[i]; i++)
                        cJSON_AddItemToArray(choices, cJSON_CreateString(o->choices[i]));
        }
        return out;
}

/* Recursion ends: tables of nested maps are not recursive. */
static cJSON *table_json(const struct option_table *t)
{
        cJSON *out = cJSON_CreateObject();

        cJSON_AddStringToObject(out, "what", t->what);
        cJSON *keys = cJSON_AddObjectToObject(out, "keys");
        for (size_t i = 0; i < t->count; i++)
                cJSON_AddItemToObject(keys, t->options[i].name, option_json(&t->options[i]));
        return out;
}

static int print_tables(void)
{
        static const struct {
                const char *name;
                const struct option_table *table;
        } tables[] = {
                {"config", &config_table},
                {"couchdb", &couch_option_table},
                {"extract", &extract_sql_table},
                {"child", &extract_sql_child_table},
                {"rest_extract", &rest_extract_table},
                {"rest_child", &rest_child_table},
                {"mapper", &mapper_spec_table},
                {"field", &mapper_field_table},
                {"test", &mapper_test_table},
                {"replace", &mapper_replace_table},
                {"split", &mapper_split_table},
                {"lookup", &mapper_lookup_table},
                {"fields", &mapper_fields_file_table},
                {"schedule", &mapper_schedule_table},
                {"full", &mapper_full_table},
                {"source_common", &source_common_table},
        };
        cJSON *out = cJSON_CreateObject();

        for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
                cJSON_AddItemToObject(out, tables[i].name, table_json(tables[i].table));
        cJSON *sources = cJSON_AddObjectToObject(out, "sources");
        for (const struct source_ops *const *type = source_types(); *type; type++)
                cJSON_AddItemToObject(sources, (*type)->type, table_json((*type)->options));
        char *text = cJSON_Print(out);
        int rc = text && puts(text) >= 0 ? 0 : 1;
        cJSON_free(text);
        cJSON_Delete(out);
        return rc;
}

static int load_config(const char *path, struct err *e)
{
        struct config *c = NULL;
        int rc = config_load(path, &c, e);

        config_free(c);
        return rc;
}

static int load_extract(const char *path, const struct source_ops *ops, struct err *e)
{
        struct source_config source = {.name = "erp", .ops = ops};
        cleanup_(mapper_spec_freep) struct mapper_spec *m = NULL;
        struct extract *x;
        int rc = mapper_spec_load(path, &m, e);

        return rc ? rc : extract_decode(&source, m->doc, m->extract, m->arena, &x, e);
}

static int load_mapper(const char *path, struct err *e)
{
        return load_extract(path, &source_postgres, e);
}

static int load_rest(const char *path, struct err *e)
{
        return load_extract(path, &source_rest, e);
}

static int load_fields(const char *path, struct err *e)
{
        cleanup_(mapper_spec_freep) struct mapper_spec *m = NULL;
        cleanup_buf_ struct buf yaml = BUF_INIT(YDOC_MAX_BYTES);

        buf_printf(&yaml,
                "{mapper: m, source: erp, extract: {table: t, key: id}, "
                "target: {database: d, id: 'm:${id}'}, fields: {include: \"%s\"}}",
                path);
        const char *text = buf_cstr(&yaml);
        return text ? mapper_spec_parse(str_of(text), "m.yaml", &m, e) : buf_check(&yaml, path, e);
}

static int print_json(const char *path, struct err *e)
{
        cleanup_(ydoc_freep) struct ydoc *d = NULL;
        cleanup_buf_ struct buf json;

        buf_init(&json, YDOC_MAX_BYTES);
        int rc = ydoc_load(path, YDOC_EXPAND_NONE, &d, e);
        if (rc)
                return rc;
        ynode_json(d->root, &json);
        rc = buf_check(&json, path, e);
        if (rc == 0)
                puts(buf_cstr(&json));
        return rc;
}

int main(int argc, char **argv)
{
        int (*load)(const char *path, struct err *e) = NULL;

        if (argc == 1)
                return print_tables();
        if (strcmp(argv[1], "config") == 0)
                load = load_config;
        else if (strcmp(argv[1], "mapper") == 0)
                load = load_mapper;
        else if (strcmp(argv[1], "rest") == 0)
                load = load_rest;
        else if (strcmp(argv[1], "fields") == 0)
                load = load_fields;
        else if (strcmp(argv[1], "json") == 0)
                load = print_json;
        if (!load || argc == 2) {
                fprintf(stderr, "usage: option-tables [config|mapper|rest|fields|json FILE...]\n");
                return 64;
        }
        for (int i = 2; i < argc; i++) {
                struct err e = {0};
                if (load(argv[i], &e))
                        puts(e.text);
                else if (load != print_json)
                        puts("ok");
        }
        return 0;
}
