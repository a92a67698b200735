/* No answer, or one that is not ours, is no failure: the state is read then, as without a service.
 */
#include "cmd/service_ask.h"

#include <stdio.h>
#include <string.h>

#include "cmd/service_file.h"
#include "ingest/base/file.h"
#include "ingest/loop/http.h"

#define CONNECT_TIMEOUT_MS 1000
#define TIMEOUT_MS         2000 /* the service answers within milliseconds, or is in trouble */

bool service_address(const char *listen, int port, char out[SERVICE_ADDRESS_MAX])
{
        const char *colon = listen ? strrchr(listen, ':') : NULL;
        int64_t number = port;

        if (!colon || (!port && !str_to_int64(str_of(colon + 1), &number)) || number == 0)
                return false;
        struct str host = {listen, (size_t)(colon - listen)};
        if (str_is(host, "0.0.0.0")) /* everywhere: so here, too */
                host = STR("127.0.0.1");
        else if (str_is(host, "[::]"))
                host = STR("[::1]");
        return snprintf(out, SERVICE_ADDRESS_MAX, "%.*s:%d", STR_ARG(host), (int)number) <
               SERVICE_ADDRESS_MAX;
}

struct answer {
        bool done;
        int rc;
        cJSON *json; /* owned */
};

static void on_done(void *ctx, const struct http_reply *reply)
{
        struct answer *a = ctx;

        a->done = true;
        a->rc = reply->rc;
        if (!reply->rc && reply->status == 200)
                a->json = cJSON_ParseWithLength(reply->body.ptr, reply->body.len);
}

static int get_status(const char *address, struct loop *loop, struct answer *answer, struct err *e)
{
        const struct http_options options = {
                .proxy = "", .connect_timeout_ms = CONNECT_TIMEOUT_MS, .timeout_ms = TIMEOUT_MS};
        cleanup_(http_freep) struct http *http = NULL;
        char url[SERVICE_ADDRESS_MAX + 32];

        snprintf(url, sizeof(url), "http://%s/api/v1/status", address);
        const struct http_request request = {.method = "GET",
                .url = url,
                .headers = {"Accept: application/json"},
                .on_done = on_done,
                .ctx = answer};
        int rc = http_new(loop, &options, &http, e);
        rc = rc ? rc : http_start(http, &request, NULL, e);
        return rc ? rc : loop_run_until(loop, &answer->done, e);
}

static bool is_same(const cJSON *json, const char *name, const char *path)
{
        cleanup_(freep) char *ours = file_absolute(path);
        const char *theirs = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, name));

        return ours && theirs && strcmp(ours, theirs) == 0;
}

/* @out: NULL: what answers there, if anything, is none of ours. */
static int ask(const struct config *config, const char *address, struct loop *loop,
        const struct log *log, cJSON **out, struct err *e)
{
        struct answer answer = {.json = NULL};
        int rc = get_status(address, loop, &answer, e);

        if (rc && rc != -ERR_CANCEL && rc != -ERR_NOMEM)
                rc = 0; /* an address that cannot be asked */
        if (!rc && is_same(answer.json, "config", config->path) &&
                is_same(answer.json, "state_dir", config->state_dir) &&
                cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(answer.json, "mappers")))
                *out = TAKE(answer.json);
        else if (answer.json)
                log_debug(log, "what answers at %s is no service of this configuration", address);
        cJSON_Delete(answer.json);
        return rc;
}

int service_ask(const struct config *config, struct loop *loop, const struct log *log,
        char address[SERVICE_ADDRESS_MAX], cJSON **out, struct err *e)
{
        char told[SERVICE_ADDRESS_MAX] = "";
        int rc = 0;

        *out = NULL;
        if (service_file_read(config->state_dir, told)) {
                snprintf(address, SERVICE_ADDRESS_MAX, "%s", told);
                rc = ask(config, address, loop, log, out, e);
        }
        if (rc || *out || !service_address(config->http.listen, 0, address) ||
                strcmp(address, told) == 0)
                return rc;
        return ask(config, address, loop, log, out, e);
}
