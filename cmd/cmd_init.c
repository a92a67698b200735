/*
 * erp2couch init: a configuration folder with comments that passes `check` as it is. With --pack
 * it has the mappers of one ERP. One pack only: all of them name their mappers, source and
 * documents alike, so that an app reads any ERP.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/cli.h"
#include "cmd/scaffold.h"

#define MAX_PACKS 64 /* that a message names; there are a handful */

/* "odoo, tryton" */
static void pack_names(char *out, size_t size)
{
        size_t used = 0;

        out[0] = '\0';
        for (size_t i = 0; i < template_set_count && used < size; i++)
                if (template_sets[i].pack)
                        used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "",
                                template_sets[i].pack);
}

static int unknown_pack(const char *name, struct err *e)
{
        const char *names[MAX_PACKS] = {NULL};
        char all[256];
        size_t count = 0;

        for (size_t i = 0; i < template_set_count && count < MAX_PACKS; i++)
                if (template_sets[i].pack)
                        names[count++] = template_sets[i].pack;
        const char *near = str_nearest(str_of(name), names, count);
        pack_names(all, sizeof(all));
        int rc = err_set(e, ERR_USAGE, "there is no pack \"%s\"", name);
        if (near)
                return err_hint(e, rc, "did you mean \"%s\"? There are: %s", near, all);
        return err_hint(e, rc, "there are: %s (one at a time: their mappers share names)", all);
}

/* @name: NULL for the plain set. */
static int find_set(const char *name, const struct template_set **out, struct err *e)
{
        for (size_t i = 0; i < template_set_count; i++) {
                const char *pack = template_sets[i].pack;
                if (name && pack ? strcmp(name, pack) == 0 : !name && !pack) {
                        *out = &template_sets[i];
                        return 0;
                }
        }
        return unknown_pack(name ? name : "", e);
}

static int print_json(const char *dir, const struct template_set *set)
{
        cJSON *json = cJSON_CreateObject();

        cJSON_AddStringToObject(json, "folder", dir);
        cJSON_AddItemToObject(
                json, "pack", set->pack ? cJSON_CreateString(set->pack) : cJSON_CreateNull());
        cJSON *files = cJSON_AddArrayToObject(json, "files");
        for (size_t i = 0; i < set->file_count; i++)
                cJSON_AddItemToArray(files, cJSON_CreateString(set->files[i].name));
        return cli_print_json(json, EXIT_OK);
}

static void print_text(const char *dir, const struct template_set *set)
{
        for (size_t i = 0; i < set->file_count; i++)
                printf("%s/%s\n", dir, set->files[i].name);
        if (set->pack)
                printf("\nnext: read %s/README.md (what to adapt, which rights to give), set\n"
                       "the DSN in erp2couch.yaml beside it, then\n",
                        dir);
        else
                printf("\nnext: edit %s/erp2couch.yaml, then\n", dir);
        printf("  erp2couch -c %s/erp2couch.yaml check --connect\n", dir);
}

static int init(struct cli *cli)
{
        const char *dir = cli->values.words[0];
        const struct template_set *set = NULL;
        struct err e;

        if (!*dir) { /* "$DIR" of a shell where DIR is not set */
                err_set(&e, ERR_USAGE, "init: the name of the folder is empty");
                return cli_fail(cli, NULL, &e);
        }
        if (find_set(cli->values.pack, &set, &e) || scaffold_write(dir, set, &e))
                return cli_fail(cli, NULL, &e);
        if (cli->values.json)
                return print_json(dir, set);
        print_text(dir, set);
        return EXIT_OK;
}

static void print_packs(void)
{
        printf("\npacks:\n");
        for (size_t i = 0; i < template_set_count; i++)
                if (template_sets[i].pack)
                        printf("  %-12s %s\n", template_sets[i].pack, template_sets[i].summary);
}

static const struct cli_option options[] = {
        {"pack", 0, CLI_TEXT, "NAME", offsetof(struct cli_values, pack),
                "the mappers of an ERP, one of the packs below", .once = true},
};

const struct cli_command command_init = {
        .name = "init",
        .words = "DIR",
        .min_words = 1,
        .max_words = 1,
        .summary = "write a new configuration folder with comments",
        .detail = "Makes DIR with erp2couch.yaml and a first mapper, or with --pack all mappers\n"
                  "of one ERP and their README.md. Existing files are never overwritten.",
        .options = options,
        .option_count = 1,
        .more_help = print_packs,
        .run = init,
};
