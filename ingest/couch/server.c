/* Who answers, and whether it lets us in. One attempt with credentials, whatever they are. */
#include <stdio.h>

#include "ingest/couch/client.h"

#define PREDICTS_SINCE 3 /* major version whose revisions rev.c was checked against */

static void copy_text(char *out, size_t size, const char *text)
{
        snprintf(out, size, "%s", text);
}

/* GET / names the vendor in an object; CouchDB's version stands beside it. */
static int read_welcome(const cJSON *json, struct couch_server *out, struct err *e)
{
        const cJSON *vendor = cJSON_GetObjectItemCaseSensitive(json, "vendor");
        bool couchdb = cJSON_HasObjectItem(json, "couchdb");

        if (!couchdb && !cJSON_HasObjectItem(json, "express-pouchdb"))
                return err_set(e, ERR_CONFIG,
                        "GET /: the server is not a CouchDB; check couchdb.url (a path after the "
                        "host is needed only behind a proxy)");
        copy_text(out->vendor, sizeof(out->vendor), couch_json_text(vendor, "name"));
        copy_text(out->version, sizeof(out->version), couch_json_text(json, "version"));
        copy_text(out->uuid, sizeof(out->uuid), couch_json_text(json, "uuid"));
        /* Others speak the protocol but make revisions their own way. */
        out->predicts = couchdb && strcmp(out->vendor, "The Apache Software Foundation") == 0 &&
                        strtol(out->version, NULL, 10) >= PREDICTS_SINCE;
        return 0;
}

/* On a server without users everybody is one. */
static bool is_admin(const cJSON *context)
{
        const cJSON *roles = cJSON_GetObjectItemCaseSensitive(context, "roles");
        const cJSON *role;

        cJSON_ArrayForEach(role, roles)
        {
                if (cJSON_IsString(role) && strcmp(role->valuestring, "_admin") == 0)
                        return true;
        }
        return false;
}

/* Credentials that CouchDB does not look at at all are as wrong as refused ones. */
static int check_user(
        const struct couch *c, const cJSON *json, struct couch_server *out, struct err *e)
{
        const cJSON *context = cJSON_GetObjectItemCaseSensitive(json, "userCtx");
        bool admin = is_admin(context);

        copy_text(out->user, sizeof(out->user), couch_json_text(context, "name"));
        /* Apache CouchDB asks for an admin; what others ask for is not known. */
        out->makes_databases = admin || !out->predicts;
        if (c->options->auth == COUCH_AUTH_NONE || out->user[0] || admin)
                return 0;
        return err_set_code(e, ERR_CONFIG, 401,
                "GET /_session: CouchDB ignores the credentials; check couchdb.auth, and "
                "CouchDB's [chttpd] authentication_handlers (a token needs jwt_authentication_"
                "handler)");
}

/* Nothing has answered yet, so the address is the first thing to look at. */
static int unreachable(const struct couch *c, int rc, struct err *e)
{
        bool https = strncmp(c->base, "https:", 6) == 0;

        rc = err_wrap(e, rc, "CouchDB at %s", c->base);
        if (rc != -ERR_RETRY || c->speaks_json)
                return rc;
        return err_hint(e, rc, "check couchdb.url%s, and that CouchDB runs there",
                https ? " (does that port speak https? CouchDB's own speaks http)" : "");
}

int couch_server(struct couch *c, struct couch_server *out, struct err *e)
{
        const struct couch_request root = {.method = "GET", .path = "/"};
        const struct couch_request session = {.method = "GET", .path = "/_session"};
        struct couch_server server = {.predicts = false};
        cJSON *json = NULL;
        int status;

        int rc = couch_call(c, &root, &status, &json, e);
        if (rc == 0)
                rc = read_welcome(json, &server, e);
        cJSON_Delete(json);
        json = NULL;
        if (rc == 0)
                rc = couch_call(c, &session, &status, &json, e);
        if (rc == 0)
                rc = check_user(c, json, &server, e);
        cJSON_Delete(json);
        if (rc < 0)
                return unreachable(c, rc, e);
        *out = server;
        return 0;
}
