/* erp2couch init: a configuration folder with comments that passes `check` as it is. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd/cli.h"
#include "cmd/templates.h"

#define PATH_BYTES 4096

static int join(char out[PATH_BYTES], const char *dir, const char *name, struct err *e)
{
        int n = snprintf(out, PATH_BYTES, "%s/%s", dir, name);

        return n < PATH_BYTES ? 0 : err_set(e, ERR_USAGE, "init: the path %s is too long", dir);
}

static int make_folder(const char *path, struct err *e)
{
        if (mkdir(path, 0755) == 0 || errno == EEXIST)
                return 0;
        return err_set_errno(e, ERR_CONFIG, errno, "init: mkdir %s", path);
}

/* Nothing is overwritten, and nothing is written where one file is there already. */
static int refuse_existing(const char *dir, struct err *e)
{
        char path[PATH_BYTES];

        for (size_t i = 0; i < template_file_count; i++) {
                int rc = join(path, dir, template_files[i].name, e);
                if (rc)
                        return rc;
                if (access(path, F_OK) == 0)
                        return err_set(e, ERR_CONFIG,
                                "init: %s is there already and is not overwritten; name a new "
                                "folder",
                                path);
        }
        return 0;
}

static int write_file(const char *path, const struct template_file *t, struct err *e)
{
        cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        size_t at = 0;

        if (fd < 0)
                return err_set_errno(e, ERR_CONFIG, errno, "init: %s", path);
        while (at < t->size) {
                ssize_t n = write(fd, t->data + at, t->size - at);
                if (n < 0 && errno != EINTR)
                        return err_set_errno(e, ERR_SYSTEM, errno, "init: writing %s", path);
                at += n > 0 ? (size_t)n : 0;
        }
        return 0;
}

static int write_all(const char *dir, struct err *e)
{
        char path[PATH_BYTES];
        int rc = make_folder(dir, e);

        if (!rc)
                rc = join(path, dir, "mappers", e);
        if (!rc)
                rc = make_folder(path, e);
        for (size_t i = 0; !rc && i < template_file_count; i++) {
                rc = join(path, dir, template_files[i].name, e);
                if (!rc)
                        rc = write_file(path, &template_files[i], e);
        }
        return rc;
}

static int init(struct cli *cli)
{
        const char *dir = cli->values.words[0];
        struct err e;

        if (refuse_existing(dir, &e) || write_all(dir, &e))
                return cli_fail(cli, NULL, &e);
        if (cli->values.json) {
                cJSON *json = cJSON_CreateObject();
                cJSON_AddStringToObject(json, "folder", dir);
                cJSON *files = cJSON_AddArrayToObject(json, "files");
                for (size_t i = 0; i < template_file_count; i++)
                        cJSON_AddItemToArray(files, cJSON_CreateString(template_files[i].name));
                return cli_print_json(json, EXIT_OK);
        }
        for (size_t i = 0; i < template_file_count; i++)
                printf("%s/%s\n", dir, template_files[i].name);
        printf("\nnext: edit %s/erp2couch.yaml, then\n"
               "  erp2couch -c %s/erp2couch.yaml check --connect\n",
                dir, dir);
        return EXIT_OK;
}

const struct cli_command command_init = {
        .name = "init",
        .words = "DIR",
        .min_words = 1,
        .max_words = 1,
        .summary = "write a new configuration folder with comments",
        .detail = "Makes DIR with erp2couch.yaml and a first mapper. Existing files are never\n"
                  "overwritten.",
        .run = init,
};
