/* Databases: what there is, and making what is missing. */
#include <stdio.h>

#include "ingest/couch/client.h"

#define NAME_MAX_BYTES 238 /* CouchDB's own limit: the shard suffix must fit a file name */
#define APPEAR_TRIES   20  /* after PUT: a cluster, or a delete just before, needs moments */
#define APPEAR_MS      100

bool couch_database_name_valid(struct str name)
{
        if (name.len == 0 || name.len > NAME_MAX_BYTES || name.ptr[0] < 'a' || name.ptr[0] > 'z')
                return false;
        for (size_t i = 0; i < name.len; i++) {
                char c = name.ptr[i];
                if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                            (c != '\0' && strchr("_$()+/-", c))))
                        return false;
        }
        return true;
}

static int name_check(const char *name, struct err *e)
{
        if (couch_database_name_valid(str_of(name)))
                return 0;
        return err_set(e, ERR_CONFIG,
                "CouchDB refuses the database name \"%s\": it must begin with a-z, hold only a-z, "
                "0-9 and _$()+/-, and have at most %d bytes",
                name, NAME_MAX_BYTES);
}

static int64_t json_number(const cJSON *object, const char *name, int64_t absent)
{
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);

        return cJSON_IsNumber(value) ? (int64_t)value->valuedouble : absent;
}

/* Opaque text in CouchDB ("12-g1AAAA..."), an integer in pouchdb-server. */
static int read_update_seq(const cJSON *json, struct couch_database *out, struct err *e)
{
        const cJSON *seq = cJSON_GetObjectItemCaseSensitive(json, "update_seq");
        char number[32];
        const char *text = number;

        snprintf(number, sizeof(number), "%lld", (long long)json_number(json, "update_seq", 0));
        if (cJSON_IsString(seq))
                text = seq->valuestring;
        char *copy = str_dup(str_of(text));
        if (!copy)
                return err_nomem(e, "a sequence");
        out->update_seq = str_of(copy);
        out->update_number = strtoll(copy, NULL, 10);
        return 0;
}

/* As opaque. 0 in pouchdb-server, which has none. */
static int64_t read_purge_number(const cJSON *json)
{
        const char *text =
                cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "purge_seq"));

        return text ? strtoll(text, NULL, 10) : json_number(json, "purge_seq", 0);
}

static int read_database(const cJSON *json, struct couch_database *out, struct err *e)
{
        const cJSON *cluster = cJSON_GetObjectItemCaseSensitive(json, "cluster");
        struct couch_database d = {
                .doc_count = json_number(json, "doc_count", 0),
                .doc_del_count = json_number(json, "doc_del_count", 0),
                .purge_number = read_purge_number(json),
                .n = json_number(cluster, "n", 1),
        };

        snprintf(d.instance_start_time, sizeof(d.instance_start_time), "%s",
                couch_json_text(json, "instance_start_time"));
        int rc = read_update_seq(json, &d, e);
        if (rc == 0)
                *out = d;
        return rc;
}

void couch_database_deinit(struct couch_database *d)
{
        free((char *)d->update_seq.ptr);
        d->update_seq = (struct str){NULL, 0};
}

/* @tail: appended to the path: a query, or "". */
static int call_database(struct couch *c, const char *method, const char *name, const char *tail,
        int *status, cJSON **json, struct err *e)
{
        cleanup_buf_ struct buf path = BUF_INIT(COUCH_PATH_MAX);

        int rc = name_check(name, e);
        if (rc < 0)
                return rc;
        couch_path_put(&path, str_of(name));
        buf_puts(&path, tail);
        const struct couch_request request = {.method = method, .path = buf_cstr(&path)};
        if (!request.path)
                return err_nomem(e, "a path");
        return couch_call(c, &request, status, json, e);
}

int couch_database(struct couch *c, const char *name, struct couch_database *out, struct err *e)
{
        cJSON *json = NULL;
        int status = 0;

        int rc = call_database(c, "GET", name, "", &status, &json, e);
        if (rc == 0)
                rc = status == 404 ? COUCH_ABSENT : read_database(json, out, e);
        cJSON_Delete(json);
        return rc < 0 ? err_wrap(e, rc, "database %s", name) : rc;
}

int couch_revs_missing(
        struct couch *c, const char *name, struct str question, bool *missing, struct err *e)
{
        cleanup_buf_ struct buf path = BUF_INIT(COUCH_PATH_MAX);
        cJSON *json = NULL;
        int status = 0;

        couch_path_put(&path, str_of(name));
        buf_puts(&path, "/_revs_diff");
        const struct couch_request request = {
                .method = "POST", .path = buf_cstr(&path), .body = question};
        if (!request.path)
                return err_nomem(e, "a path");
        int rc = couch_call(c, &request, &status, &json, e);
        *missing = status == 404 || (json && json->child);
        cJSON_Delete(json);
        return rc < 0 ? err_wrap(e, rc, "database %s", name) : 0;
}

static int appear(struct couch *c, const char *name, struct err *e)
{
        for (int i = 0; i < APPEAR_TRIES; i++) {
                int status = 0;
                int rc = call_database(c, "GET", name, "", &status, NULL, e);
                if (rc < 0 || status != 404)
                        return rc;
                rc = loop_sleep(c->loop, APPEAR_MS, e);
                if (rc < 0)
                        return rc;
        }
        return err_set(e, ERR_RETRY, "CouchDB made the database but does not show it");
}

static int create(struct couch *c, const char *name, bool *created, struct err *e)
{
        const struct couch_options *o = c->options;
        char query[64] = "";
        int status = 0;

        if (o->create_q > 0)
                snprintf(query, sizeof(query), "?q=%lld%s", (long long)o->create_q,
                        o->create_partitioned ? "&partitioned=true" : "");
        else if (o->create_partitioned)
                snprintf(query, sizeof(query), "?partitioned=true");
        int rc = call_database(c, "PUT", name, query, &status, NULL, e);
        if (rc < 0 && status == 412) /* somebody was faster, or a deletion is still under way */
                return appear(c, name, e);
        if (rc < 0 && status == 401) /* the credentials are right, or GET would have said so */
                return err_set_code(e, ERR_CONFIG, status,
                        "PUT: 401: CouchDB lets only a server admin make it: use the credentials "
                        "of one in couchdb.auth, or have it made");
        if (rc == 0 && status == 404)
                return err_set_code(e, ERR_CONFIG, 404,
                        "PUT: 404: the server does not make databases; check couchdb.url");
        if (rc == -ERR_REJECT)
                return err_set_code(e, ERR_CONFIG, status,
                        "CouchDB refuses to make it (status %d); check its name and "
                        "couchdb.create",
                        status);
        if (rc < 0)
                return rc;
        rc = appear(c, name, e);
        if (rc == 0) {
                log_info(c->log, "made database %s", name);
                *created = true;
        }
        return rc;
}

int couch_database_ensure(struct couch *c, const char *name, bool *created, struct err *e)
{
        bool made = false;
        int status = 0;

        int rc = call_database(c, "GET", name, "", &status, NULL, e);
        if (rc == 0 && status == 404) {
                if (c->options->create)
                        rc = create(c, name, &made, e);
                else
                        rc = err_set_code(e, ERR_CONFIG, 404,
                                "it does not exist and couchdb.create is false; make it, or "
                                "allow it to be made");
        }
        if (rc < 0)
                return err_wrap(e, rc, "database %s", name);
        if (created)
                *created = made;
        return 0;
}
