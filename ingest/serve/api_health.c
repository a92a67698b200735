/* What monitors ask for, and files that are embedded in the program. */
#include "ingest/serve/api_internal.h"

#include <string.h>

#include "ingest/base/clock.h"
#include "ingest/base/file.h"
#include "ingest/serve/assets.h"
#include "ingest/serve/metrics.h"

#define METRICS_MAX ((size_t)32 << 20) /* a thousand mappers have some MiB */

/* The page loads its own files and asks its own server, nothing else. */
#define PAGE_POLICY                                                                                \
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "            \
        "img-src 'self' data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"

void api_get_healthz(struct api *a, struct http_exchange *x, struct str part)
{
        (void)a;
        (void)part;
        http_exchange_reply(x, 200, "application/json", STR("{\"status\":\"ok\"}"));
}

static void add_health(struct api *a, cJSON *json, const char *name, struct service_health *health)
{
        service_health(a->service, health);
        api_add_text(json, name, service_condition_name(health->condition));
        api_add_text(json, "reason", health->reason[0] ? health->reason : NULL);
}

void api_get_readyz(struct api *a, struct http_exchange *x, struct str part)
{
        cJSON *json = cJSON_CreateObject();
        struct service_health health;

        (void)part;
        add_health(a, json, "status", &health);
        if (!health.reason[0] && health.condition == SERVICE_READY)
                cJSON_DeleteItemFromObjectCaseSensitive(json, "reason");
        if (health.condition != SERVICE_READY)
                http_exchange_set_header(x, "Retry-After", "5");
        api_reply_json(x, health.condition == SERVICE_READY ? 200 : 503, json);
}

void api_get_metrics(struct api *a, struct http_exchange *x, struct str part)
{
        cleanup_buf_ struct buf text = BUF_INIT(METRICS_MAX);
        struct err e;

        (void)part;
        if (metrics_write(a->service, a->server, &text, &e) != 0)
                api_error(x, API_INTERNAL, "%s", e.text);
        else
                http_exchange_reply(x, 200, METRICS_CONTENT_TYPE, buf_str(&text));
}

static void add_path(cJSON *json, const char *name, const char *path)
{
        cleanup_(freep) char *absolute = file_absolute(path);

        api_add_text(json, name, absolute);
}

void api_get_status(struct api *a, struct http_exchange *x, struct str part)
{
        const struct config *config = service_config(a->service);
        int64_t started_us = service_started_us(a->service);
        char started[CLOCK_RFC3339_MAX];
        cJSON *json = cJSON_CreateObject();
        struct service_health health;

        (void)part;
        api_add_text(json, "version", ERP2COUCH_VERSION);
        api_add_text(json, "started", clock_rfc3339(started_us, started));
        int64_t up_us = clock_wall_us() - started_us;
        cJSON_AddNumberToObject(json, "uptime_seconds", up_us < 0 ? 0 : (double)(up_us / 1000000));
        add_health(a, json, "condition", &health);
        add_path(json, "config", config->path);
        add_path(json, "state_dir", config->state_dir);
        api_add_text(json, "couchdb", config->couch.url);
        cJSON *list = cJSON_AddArrayToObject(json, "mappers");
        for (size_t i = 0; i < service_mapper_count(a->service); i++)
                cJSON_AddItemToArray(list, api_mapper_json(a->service, i));
        api_reply_json(x, 200, json);
}

/* ---- files ---- */

/* If-None-Match: "*", or a list of tags; weak ones count. */
static bool names_tag(const char *header, const char *etag)
{
        size_t n = strlen(etag);

        if (strcmp(header, "*") == 0)
                return true;
        for (const char *p = header; (p = strstr(p, etag)) != NULL; p += n)
                if (p[n] == 0 || p[n] == ',' || p[n] == ' ')
                        return true;
        return false;
}

static void reply_asset(struct http_exchange *x, const struct asset *asset)
{
        const char *known = http_exchange_header(x, "If-None-Match");
        bool packed = asset->gzip.body.len &&
                      asset_takes_gzip(http_exchange_header(x, "Accept-Encoding"));
        const struct asset_form *form = packed ? &asset->gzip : &asset->plain;

        http_exchange_set_header(x, "Cache-Control", "no-cache");
        http_exchange_set_header(x, "ETag", form->etag);
        http_exchange_set_header(x, "Vary", "Accept-Encoding");
        if (known && names_tag(known, form->etag)) {
                http_exchange_reply(x, 304, NULL, STR(""));
                return;
        }
        if (packed)
                http_exchange_set_header(x, "Content-Encoding", "gzip");
        http_exchange_reply(x, 200, asset->content_type, form->body);
}

void api_get_openapi(struct api *a, struct http_exchange *x, struct str part)
{
        (void)a;
        (void)part;
        reply_asset(x, asset_openapi());
}

bool api_is_asset(struct str path)
{
        return asset_find(path) != NULL;
}

void api_reply_asset(struct http_exchange *x, struct str path)
{
        http_exchange_set_header(x, "Content-Security-Policy", PAGE_POLICY);
        reply_asset(x, asset_find(path));
}
