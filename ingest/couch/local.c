/*
 * _local documents. CouchDB does not compare their revisions; pouchdb-server does, so the present
 * one is always sent, and a conflict (somebody wrote in between) is tried again a few times.
 */
#include "ingest/couch/client.h"

#define PUT_TRIES 5 /* and of a deletion */

static int local_path(struct buf *path, const char *database, const char *id, struct err *e)
{
        buf_init(path, COUCH_PATH_MAX);
        couch_path_put(path, str_of(database));
        buf_puts(path, "/_local");
        couch_path_put(path, str_of(id));
        return buf_cstr(path) ? 0 : buf_check(path, "a path", e);
}

int couch_local_get(
        struct couch *c, const char *database, const char *id, cJSON **out, struct err *e)
{
        cleanup_buf_ struct buf path;
        cJSON *json = NULL;
        int status = 0;

        int rc = local_path(&path, database, id, e);
        if (rc < 0)
                return rc;
        const struct couch_request request = {.method = "GET", .path = path.data};
        rc = couch_call(c, &request, &status, &json, e);
        if (rc == 0 && status == 404)
                rc = COUCH_ABSENT;
        if (rc == 0)
                *out = TAKE(json);
        cJSON_Delete(json);
        return rc;
}

/* The text of @doc with the revision that is there now (if any). */
static int render(struct couch *c, const char *database, const char *id, const cJSON *doc,
        char **text, struct err *e)
{
        cJSON *old = NULL;
        cJSON *copy = cJSON_Duplicate(doc, true);

        if (!copy)
                return err_nomem(e, "a _local document");
        int rc = couch_local_get(c, database, id, &old, e);
        cJSON_DeleteItemFromObjectCaseSensitive(copy, "_rev");
        if (rc == 0 && !cJSON_AddStringToObject(copy, "_rev", couch_json_text(old, "_rev")))
                rc = err_nomem(e, "a _local document");
        if (rc >= 0) {
                rc = 0;
                *text = cJSON_PrintUnformatted(copy);
                if (!*text)
                        rc = err_nomem(e, "a _local document");
        }
        cJSON_Delete(old);
        cJSON_Delete(copy);
        return rc;
}

static int put_once(struct couch *c, const char *database, const char *id, const cJSON *doc,
        int *status, struct err *e)
{
        cleanup_(freep) char *text = NULL;
        cleanup_buf_ struct buf path;

        int rc = local_path(&path, database, id, e);
        if (rc == 0)
                rc = render(c, database, id, doc, &text, e);
        if (rc < 0)
                return rc;
        const struct couch_request request = {
                .method = "PUT", .path = path.data, .body = str_of(text)};
        rc = couch_call(c, &request, status, NULL, e);
        if (rc == 0 && *status == 404)
                rc = err_set_code(e, ERR_CONFIG, 404, "PUT %s: database %s does not exist",
                        path.data, database);
        return rc;
}

int couch_local_put(
        struct couch *c, const char *database, const char *id, const cJSON *doc, struct err *e)
{
        int rc = 0;

        for (int i = 0; i < PUT_TRIES; i++) {
                int status = 0;
                rc = put_once(c, database, id, doc, &status, e);
                if (rc == 0 || status != 409)
                        return rc;
        }
        return rc;
}

static int delete_once(
        struct couch *c, const char *database, const char *id, int *status, struct err *e)
{
        cleanup_buf_ struct buf path;
        cJSON *old = NULL;

        int rc = couch_local_get(c, database, id, &old, e);
        if (rc)
                return rc;
        rc = local_path(&path, database, id, e);
        if (rc == 0) {
                buf_puts(&path, "?rev=");
                http_url_encode(&path, str_of(couch_json_text(old, "_rev")));
                rc = buf_cstr(&path) ? 0 : buf_check(&path, "a path", e);
        }
        cJSON_Delete(old);
        if (rc < 0)
                return rc;
        const struct couch_request request = {.method = "DELETE", .path = path.data};
        return couch_call(c, &request, status, NULL, e);
}

int couch_local_delete(struct couch *c, const char *database, const char *id, struct err *e)
{
        int rc = 0;

        for (int i = 0; i < PUT_TRIES; i++) {
                int status = 0;
                rc = delete_once(c, database, id, &status, e);
                if (rc >= 0 || status != 409)
                        return rc;
        }
        return rc;
}
