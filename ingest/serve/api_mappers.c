/* Mappers: how they do, and what they are told. */
#include "ingest/serve/api_internal.h"

#include <string.h>

/* ---- names ---- */

void api_no_mapper(struct api *a, struct http_exchange *x, struct str name)
{
        const struct config *config = service_config(a->service);
        const char *names[CONFIG_MAX_MAPPERS];

        for (size_t i = 0; i < config->mapper_count; i++)
                names[i] = config->mappers[i].spec->name;
        const char *near = str_nearest(name, names, config->mapper_count);
        api_error(x, API_NOT_FOUND,
                near ? "there is no mapper \"%.*s\"; did you mean \"%s\"?"
                     : "there is no mapper \"%.*s\"",
                (int)(name.len < API_NAME_MAX ? name.len : API_NAME_MAX), name.ptr, near);
}

bool api_mapper_find(struct api *a, struct http_exchange *x, struct str name, size_t *index)
{
        if (service_mapper_find(a->service, name, index))
                return true;
        api_no_mapper(a, x, name);
        return false;
}

/* ---- looking ---- */

void api_get_mappers(struct api *a, struct http_exchange *x, struct str part)
{
        cJSON *json = cJSON_CreateObject();
        cJSON *list = cJSON_AddArrayToObject(json, "mappers");

        (void)part;
        for (size_t i = 0; i < service_mapper_count(a->service); i++)
                cJSON_AddItemToArray(list, api_mapper_json(a->service, i));
        api_reply_json(x, 200, json);
}

void api_get_mapper(struct api *a, struct http_exchange *x, struct str part)
{
        size_t index;

        if (api_mapper_find(a, x, part, &index))
                api_reply_json(x, 200, api_mapper_json(a->service, index));
}

/* ---- telling ---- */

void api_post_run(struct api *a, struct http_exchange *x, struct str part)
{
        bool full = false, allow_deletes = false;
        const struct api_flag flags[] = {{"full", &full}, {"allow_deletes", &allow_deletes}};
        size_t index;
        struct err e;

        if (!api_mapper_find(a, x, part, &index) || !api_body_flags(x, flags, 2))
                return;
        int rc = service_start_run(a->service, index, full, allow_deletes, &e);
        if (rc == SERVICE_BUSY)
                api_error(x, API_CONFLICT, "%.*s runs already", STR_ARG(part));
        else if (rc)
                api_fail(x, &e);
        else
                api_reply_json(x, 202, api_mapper_json(a->service, index));
}

static void set_paused(struct api *a, struct http_exchange *x, struct str part, bool paused)
{
        size_t index;
        struct err e;

        if (!api_mapper_find(a, x, part, &index) || !api_body_flags(x, NULL, 0))
                return;
        if (service_pause(a->service, index, paused, &e) != 0)
                api_fail(x, &e);
        else
                api_reply_json(x, 200, api_mapper_json(a->service, index));
}

void api_post_pause(struct api *a, struct http_exchange *x, struct str part)
{
        set_paused(a, x, part, true);
}

void api_post_resume(struct api *a, struct http_exchange *x, struct str part)
{
        set_paused(a, x, part, false);
}

/* ---- reload ---- */

static void on_reloaded(void *ctx, int rc, const struct err *e)
{
        cleanup_(freep) struct api_call *c = ctx;
        struct http_exchange *x = api_call_end(c);
        cJSON *json;

        if (x && rc) {
                api_fail(x, e);
        } else if (x) {
                json = cJSON_CreateObject();
                cJSON_AddNumberToObject(
                        json, "mappers", (double)service_mapper_count(c->api->service));
                api_reply_json(x, 200, json);
        }
}

void api_post_reload(struct api *a, struct http_exchange *x, struct str part)
{
        struct err e;

        (void)part;
        if (!api_body_flags(x, NULL, 0))
                return;
        cleanup_(freep) struct api_call *c = malloc(sizeof(*c));
        if (!c) {
                api_error(x, API_INTERNAL, "out of memory");
                return;
        }
        api_call_begin(a, x, c);
        if (service_reload(a->service, on_reloaded, c, &e) != 0) {
                api_call_end(c);
                api_fail(x, &e);
                return;
        }
        TAKE(c);
}
