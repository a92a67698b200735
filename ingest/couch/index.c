/*
 * Read, compare, write; a conflict (somebody wrote in between) is tried again a few times. cJSON
 * compares objects in any order: the order of an index's fields is that of the list in options.def.
 */
#include "ingest/couch/index.h"

#include <stdio.h>
#include <string.h>

#include "ingest/couch/client.h"

#define WRITE_TRIES 5

/* What one call works on. */
struct keeping {
        struct couch *c;
        const char *database;
        const struct couch_index *wanted;
        size_t count;
        char id[128]; /* without _design/ */
        struct buf path;
};

/* ---- the form of an index ---- */

/* {"fields": [...], "partial_filter_selector": {...}}, as it was given */
static cJSON *definition(const struct couch_index *index)
{
        cJSON *def = cJSON_CreateObject();
        cJSON *fields = cJSON_CreateStringArray(index->fields, (int)index->field_count);

        cJSON_AddItemToObject(def, "fields", fields);
        if (index->filter.len)
                cJSON_AddItemToObject(def, "partial_filter_selector",
                        cJSON_ParseWithLength(index->filter.ptr, index->filter.len));
        bool whole = cJSON_GetArraySize(fields) == (int)index->field_count &&
                     cJSON_GetArraySize(def) == (index->filter.len ? 2 : 1);
        if (!whole)
                cJSON_Delete(def);
        return whole ? def : NULL;
}

static int no_definition(const struct couch_index *index, struct err *e)
{
        cJSON *filter = cJSON_ParseWithLength(index->filter.ptr, index->filter.len);
        bool is_json = filter || index->filter.len == 0;

        cJSON_Delete(filter);
        return is_json ? err_nomem(e, "an index")
                       : err_set(e, ERR_CONFIG, "index %s: its partial_filter_selector is not JSON",
                                 index->name);
}

/* In the same order. */
static bool has_fields(const cJSON *view, const struct couch_index *index)
{
        const cJSON *map = cJSON_GetObjectItemCaseSensitive(view, "map");
        const cJSON *fields = cJSON_GetObjectItemCaseSensitive(map, "fields");
        const cJSON *field = fields ? fields->child : NULL;

        for (size_t i = 0; i < index->field_count; i++, field = field->next)
                if (!field || !field->string || strcmp(field->string, index->fields[i]) != 0)
                        return false;
        return !field;
}

/* Return: 1, 0; -class. */
static int has_index(const cJSON *views, const struct couch_index *index, struct err *e)
{
        const cJSON *view = cJSON_GetObjectItemCaseSensitive(views, index->name);
        const cJSON *options = cJSON_GetObjectItemCaseSensitive(view, "options");
        cJSON *def = definition(index);

        if (!def)
                return no_definition(index, e);
        bool same = cJSON_Compare(def, cJSON_GetObjectItemCaseSensitive(options, "def"), true) &&
                    has_fields(view, index);
        cJSON_Delete(def);
        return same;
}

int couch_indexes_equal(
        const cJSON *doc, const struct couch_index *wanted, size_t count, struct err *e)
{
        const cJSON *views = cJSON_GetObjectItemCaseSensitive(doc, "views");
        int rc = cJSON_GetArraySize(views) == (int)count;

        for (size_t i = 0; rc == 1 && i < count; i++)
                rc = has_index(views, &wanted[i], e);
        return rc;
}

/* ---- CouchDB's normal form of a selector ---- */

static int explain_path(const struct keeping *k, struct buf *path, struct err *e)
{
        couch_path_put(path, str_of(k->database));
        buf_puts(path, "/_explain");
        return buf_cstr(path) ? 0 : buf_check(path, "a path", e);
}

/* @out: takes it. A server without _explain keeps the selector as it is. */
static int normal_form(
        const struct keeping *k, const struct couch_index *index, cJSON **out, struct err *e)
{
        cleanup_buf_ struct buf path = BUF_INIT(COUCH_PATH_MAX), body = BUF_INIT(1 << 20);
        cJSON *reply = NULL;
        int status = 0;
        int rc = explain_path(k, &path, e);

        buf_puts(&body, "{\"selector\":");
        buf_put_str(&body, index->filter);
        buf_puts(&body, "}");
        if (!rc)
                rc = buf_check(&body, "a selector", e);
        if (rc)
                return rc;
        const struct couch_request request = {
                .method = "POST", .path = path.data, .body = buf_str(&body)};
        rc = couch_call(k->c, &request, &status, &reply, e);
        if (rc == -ERR_REJECT) {
                struct err why = *e;
                return err_set_code(e, ERR_CONFIG, status,
                        "index %s: CouchDB refuses its partial_filter_selector: %s", index->name,
                        why.text);
        }
        cJSON *found = cJSON_DetachItemFromObjectCaseSensitive(reply, "selector");
        cJSON_Delete(reply);
        if (rc) {
                cJSON_Delete(found);
                return err_wrap(e, rc, "index %s", index->name);
        }
        if (!cJSON_IsObject(found)) {
                cJSON_Delete(found);
                found = cJSON_ParseWithLength(index->filter.ptr, index->filter.len);
        }
        *out = found;
        return found ? 0 : no_definition(index, e);
}

/* ---- the design document ---- */

static cJSON *ascending(const struct couch_index *index)
{
        cJSON *fields = cJSON_CreateObject();

        for (size_t i = 0; i < index->field_count; i++)
                cJSON_AddStringToObject(fields, index->fields[i], "asc");
        return fields;
}

/* As POST _index writes it. */
static int add_view(
        const struct keeping *k, cJSON *views, const struct couch_index *index, struct err *e)
{
        cJSON *filter = NULL, *def = definition(index);
        int rc = !def                ? no_definition(index, e)
                 : index->filter.len ? normal_form(k, index, &filter, e)
                                     : 0;

        if (rc) {
                cJSON_Delete(def);
                return rc;
        }
        cJSON *view = cJSON_AddObjectToObject(views, index->name);
        cJSON *map = cJSON_AddObjectToObject(view, "map");
        cJSON_AddItemToObject(map, "fields", ascending(index));
        cJSON_AddItemToObject(
                map, "partial_filter_selector", filter ? filter : cJSON_CreateObject());
        cJSON_AddStringToObject(view, "reduce", "_count");
        cJSON_AddItemToObject(cJSON_AddObjectToObject(view, "options"), "def", def);
        return 0;
}

/* @rev: NULL: there is none yet      @out: owned by the caller, JSON */
static int compose(const struct keeping *k, const char *rev, char **out, struct err *e)
{
        cJSON *doc = cJSON_CreateObject();
        int rc = 0;

        if (rev)
                cJSON_AddStringToObject(doc, "_rev", rev);
        cJSON_AddStringToObject(doc, "language", "query");
        cJSON *views = cJSON_AddObjectToObject(doc, "views");
        for (size_t i = 0; !rc && i < k->count; i++)
                rc = add_view(k, views, &k->wanted[i], e);
        if (!rc)
                rc = couch_indexes_equal(
                        doc, k->wanted, k->count, e); /* memory ran out: it lacks */
        if (rc >= 0) {
                *out = rc == 1 ? cJSON_PrintUnformatted(doc) : NULL;
                rc = *out ? 0 : err_nomem(e, "a design document");
        }
        cJSON_Delete(doc);
        return rc;
}

static int path_of(const struct keeping *k, const char *rev, struct buf *path, struct err *e)
{
        couch_path_put(path, str_of(k->database));
        buf_puts(path, "/_design");
        couch_path_put(path, str_of(k->id));
        if (rev) {
                buf_puts(path, "?rev=");
                http_url_encode(path, str_of(rev));
        }
        return buf_cstr(path) ? 0 : buf_check(path, "a path", e);
}

/* @out: NULL where there is none */
static int read_design(const struct keeping *k, cJSON **out, struct err *e)
{
        cleanup_buf_ struct buf path = BUF_INIT(COUCH_PATH_MAX);
        cJSON *json = NULL;
        int status = 0;
        int rc = path_of(k, NULL, &path, e);

        if (rc)
                return rc;
        const struct couch_request request = {.method = "GET", .path = path.data};
        rc = couch_call(k->c, &request, &status, &json, e);
        if (rc == 0 && status != 404)
                *out = TAKE(json);
        cJSON_Delete(json);
        return rc;
}

/* 403: a member of the database, whose credentials are right. 401 is about the credentials. */
static int outcome_of(int rc, int status, struct err *e)
{
        if (rc < 0 && status == 403) {
                err_set_code(e, ERR_CONFIG, status,
                        "CouchDB lets only admins of the database write indexes (status %d): have "
                        "one run once, or make this account an admin of the database",
                        status);
                return COUCH_INDEXES_REFUSED;
        }
        if (rc == 0 && status == 404)
                return err_set_code(e, ERR_RETRY, 404, "it is not there any more");
        if (rc == -ERR_REJECT) {
                struct err why = *e;
                return err_set_code(e, ERR_CONFIG, status, "CouchDB refuses it: %s", why.text);
        }
        return rc < 0 ? rc : COUCH_INDEXES_WRITTEN;
}

static int write_design(const struct keeping *k, const char *rev, int *status, struct err *e)
{
        cleanup_buf_ struct buf path = BUF_INIT(COUCH_PATH_MAX);
        cleanup_(freep) char *text = NULL;
        int rc = k->count ? compose(k, rev, &text, e) : 0;

        if (!rc)
                rc = path_of(k, k->count ? NULL : rev, &path, e);
        if (rc)
                return rc;
        const struct couch_request request = {.method = k->count ? "PUT" : "DELETE",
                .path = path.data,
                .body = str_of(text ? text : "")};
        rc = couch_call(k->c, &request, status, NULL, e);
        return outcome_of(rc, *status, e);
}

static int keep_once(const struct keeping *k, int *status, struct err *e)
{
        cJSON *doc = NULL;
        int rc = read_design(k, &doc, e);

        if (!rc && doc && strcmp(couch_json_text(doc, "language"), "query") != 0)
                rc = err_set(e, ERR_CONFIG,
                        "it holds no Mango indexes (its language is not \"query\"), so it is "
                        "somebody else's: give it another name");
        if (!rc && doc)
                rc = couch_indexes_equal(doc, k->wanted, k->count, e);
        bool same = rc == 1 ? k->count > 0 : !doc && k->count == 0;
        if (rc >= 0)
                rc = same ? COUCH_INDEXES_SAME
                          : write_design(k, doc ? couch_json_text(doc, "_rev") : NULL, status, e);
        cJSON_Delete(doc);
        return rc;
}

int couch_indexes_keep(struct couch *c, const char *database, const char *owner,
        const struct couch_index *wanted, size_t count, struct err *e)
{
        struct keeping k = {.c = c, .database = database, .wanted = wanted, .count = count};
        struct err own;
        int rc = 0;

        e = e ? e : &own;
        snprintf(k.id, sizeof(k.id), "erp2couch-%s", owner);
        for (int i = 0; i < WRITE_TRIES; i++) {
                int status = 0;
                rc = keep_once(&k, &status, e);
                if (rc >= 0 || status != 409)
                        break;
        }
        if (rc < 0 || rc == COUCH_INDEXES_REFUSED)
                err_wrap(e, rc, "database %s: design document _design/%s", database, k.id);
        return rc;
}
