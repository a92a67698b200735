/* Failed replies as errors: a table from status to class and to what an operator can do. */
#include <stdio.h>

#include "ingest/couch/client.h"

#define SHOWN_BYTES 200 /* of a body that is not CouchDB's: enough to recognise a proxy's page */

const char couch_server_error_hint[] = "the log of CouchDB says why: a full disk, for one";

struct status_rule {
        int status;
        enum err_class class;
        const char *hint; /* what to do, or NULL */
};

static const struct status_rule rules[] = {
        {400, ERR_REJECT, NULL},
        {401, ERR_CONFIG, NULL}, /* session.c knows which credentials were refused */
        {403, ERR_CONFIG,
                "give the user the right: a writer must be a member of the database (its "
                "_security), and only administrators create databases"},
        {404, ERR_CONFIG, "create the database, or set couchdb.create; check couchdb.url"},
        {405, ERR_CONFIG, "check couchdb.url, and that a proxy in front passes all methods"},
        {408, ERR_RETRY, NULL},
        {409, ERR_BUG, NULL}, /* local.c asks for the revision first */
        {412, ERR_REJECT, NULL},
        {413, ERR_REJECT,
                "raise CouchDB's max_document_size (or a proxy's limit), or make the document "
                "smaller"},
        {415, ERR_CONFIG, "check couchdb.url, and that a proxy in front passes Content-Type"},
        {429, ERR_RETRY, NULL},
};

static const struct status_rule locked_rule = {403, ERR_CONFIG,
        "CouchDB locks an account for about five minutes after five wrong passwords: correct "
        "couchdb.auth everywhere it is used, then wait"};

static struct status_rule rule_of(int status)
{
        for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
                if (rules[i].status == status)
                        return rules[i];
        if (status >= 500)
                return (struct status_rule){
                        status, ERR_RETRY, status == 500 ? couch_server_error_hint : NULL};
        if (status >= 300 && status < 400)
                return (struct status_rule){
                        status, ERR_CONFIG, "set couchdb.url to the address it redirects to"};
        if (status >= 400) /* not CouchDB's */
                return (struct status_rule){
                        status, ERR_CONFIG, "check couchdb.url, and the proxy in front, if any"};
        return (struct status_rule){status, ERR_BUG, NULL};
}

const char *couch_json_text(const cJSON *object, const char *name)
{
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);

        return cJSON_IsString(value) ? value->valuestring : "";
}

/* What is not JSON: its beginning, without control characters. */
static void put_shown(char *out, size_t size, struct str body)
{
        size_t n = 0;

        for (size_t i = 0; i < body.len && n < SHOWN_BYTES && n + 1 < size; i++)
                out[n++] = (unsigned char)body.ptr[i] < ' ' ? ' ' : body.ptr[i];
        out[n] = '\0';
}

int couch_reply_error(
        const struct http_reply *reply, const char *method, const char *path, struct err *e)
{
        struct status_rule rule = rule_of(reply->status);
        char shown[SHOWN_BYTES + 1];

        if (reply->rc < 0) {
                if (e)
                        *e = reply->err;
                return reply->rc;
        }
        cJSON *json = cJSON_ParseWithLength(reply->body.ptr, reply->body.len);
        const char *error = couch_json_text(json, "error");
        const char *reason = couch_json_text(json, "reason");
        int rc;
        if (*error || *reason) {
                if (strstr(reason, "temporarily locked"))
                        rule = locked_rule;
                rc = err_set_code(e, rule.class, reply->status, "%s %s: %d %s%s%.400s", method,
                        path, reply->status, error, *error && *reason ? ": " : "", reason);
        } else {
                put_shown(shown, sizeof(shown), reply->body);
                rc = err_set_code(e, rule.class, reply->status, "%s %s: HTTP status %d%s%s", method,
                        path, reply->status, *shown ? ": " : "", shown);
        }
        cJSON_Delete(json);
        return rule.hint ? err_hint(e, rc, "%s", rule.hint) : rc;
}

void couch_reply_reason(const struct http_reply *reply, char *out, size_t size)
{
        cJSON *json = cJSON_ParseWithLength(reply->body.ptr, reply->body.len);
        const char *error = couch_json_text(json, "error");
        const char *reason = couch_json_text(json, "reason");

        if (*error || *reason)
                snprintf(out, size, "%s%s%s", error, *error && *reason ? ": " : "", reason);
        else
                snprintf(out, size, "HTTP status %d", reply->status);
        cJSON_Delete(json);
}
