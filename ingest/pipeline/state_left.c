/*
 * States that a mapper left behind. A mapper that was renamed finds none under its new name: the
 * one with documents of its id prefix is likely its own.
 */
#include "ingest/pipeline/state_tool.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "ingest/pipeline/lock_peek.h"
#include "ingest/state/state.h"

static DIR *closedir_null(DIR *d)
{
        if (d)
                closedir(d);
        return NULL;
}
DEFINE_CLEANUP(DIR *, closedir_null);

static bool is_name(const char *name)
{
        size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");

        return name[0] >= 'a' && name[0] <= 'z' && name[n] == '\0' && n < STATE_NAME_MAX;
}

static bool has_state(const struct config *config, const char *name)
{
        char path[4200];

        return snprintf(path, sizeof(path), "%s/%s/data/data.mdb", config->state_dir, name) <
                       (int)sizeof(path) &&
               access(path, F_OK) == 0;
}

int state_known(const struct config *config, const char *name, const struct config_mapper **mapper,
        struct err *e)
{
        *mapper = NULL;
        int rc = config_mapper(config, name, mapper, e);
        if (rc == -ERR_USAGE && is_name(name) && has_state(config, name)) {
                *mapper = NULL;
                return 0;
        }
        return rc;
}

struct names {
        char (*items)[STATE_NAME_MAX]; /* owned */
        size_t count;
};

static void names_deinit(struct names *n)
{
        free(n->items);
}

static int compare(const void *a, const void *b)
{
        return strcmp(a, b);
}

static int list(const struct config *config, struct names *out, struct err *e)
{
        cleanup_(closedir_nullp) DIR *d = opendir(config->state_dir);
        const struct config_mapper *m;
        const struct dirent *entry;

        while (d && (entry = readdir(d)) != NULL) {
                if (!is_name(entry->d_name) || !has_state(config, entry->d_name) ||
                        config_mapper(config, entry->d_name, &m, NULL) == 0)
                        continue;
                void *items = reallocarray(out->items, out->count + 1, STATE_NAME_MAX);
                if (!items)
                        return err_nomem(e, "names of states");
                out->items = items;
                memcpy(out->items[out->count++], entry->d_name, strlen(entry->d_name) + 1);
        }
        if (out->count > 1)
                qsort(out->items, out->count, STATE_NAME_MAX, compare);
        return 0;
}

int state_each_left(const struct config *config, state_name_fn fn, void *ctx, struct err *e)
{
        cleanup_(names_deinit) struct names names = {.count = 0};
        int rc = list(config, &names, e);

        for (size_t i = 0; !rc && i < names.count; i++)
                rc = fn(ctx, names.items[i], e);
        return rc;
}

/* ---- whose is it? ---- */

struct match {
        struct str prefix;
        bool found, other;
};

static int match_id(struct match *m, struct str id)
{
        m->found = str_starts(id, m->prefix);
        m->other = !m->found;
        return 1; /* ids of one mapper begin alike: the first one tells */
}

static int match_record(void *ctx, struct str key, const struct state_entry *entry, struct err *e)
{
        return entry->doc_count ? match_id(ctx, entry->docs[0].id) : 0;
}

static int match_unattached(
        void *ctx, uint16_t database, struct str id, const struct state_holder *doc, struct err *e)
{
        return match_id(ctx, id);
}

static bool holds_prefix(
        const struct config *config, const char *name, struct str prefix, const struct log *log)
{
        cleanup_(state_closep) struct state *state = NULL;
        struct match m = {.prefix = prefix};
        char folder[4200], data[4300];
        const char *why;
        struct err e;

        snprintf(folder, sizeof(folder), "%s/%s", config->state_dir, name);
        snprintf(data, sizeof(data), "%s/data", folder);
        if (state_peek(data, log, lock_peek(folder) != 0, &state, &why, &e) != 0)
                return false;
        if (state_each_record(state, match_record, &m, &e) == 0)
                (void)!state_each_unattached(state, match_unattached, &m, &e);
        return m.found;
}

bool state_former(const struct config *config, const struct config_mapper *mapper,
        const struct log *log, char out[STATE_NAME_MAX])
{
        cleanup_(names_deinit) struct names names = {.count = 0};
        struct err e;

        out[0] = '\0';
        if (has_state(config, mapper->spec->name) || list(config, &names, &e) != 0)
                return false;
        for (size_t i = 0; i < names.count; i++) {
                if (!holds_prefix(config, names.items[i], mapper->spec->id_prefix, log))
                        continue;
                snprintf(out, STATE_NAME_MAX, "%s", names.items[i]);
                return true;
        }
        return false;
}

void state_warn_former(
        const struct config *config, const struct config_mapper *mapper, const struct log *log)
{
        char old[STATE_NAME_MAX];

        if (state_former(config, mapper, log, old))
                log_warn(log,
                        "mapper %s has no state yet, and that of %s, which is not configured any "
                        "more, has its documents: if it was renamed, erp2couch state rename %s %s "
                        "takes state and rejects over; without it the next run begins anew",
                        mapper->spec->name, old, old, mapper->spec->name);
}
