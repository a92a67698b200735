/* cJSON copies bytes as they are: names that are not UTF-8 go through the lossy writer. */
#include "cmd/discover_show.h"
#include "ingest/record/json.h"

#define TEXT_MAX (4 << 20) /* a comment of any length that PostgreSQL would show */

static cJSON *text(const char *s)
{
        cleanup_buf_ struct buf json = BUF_INIT(TEXT_MAX);

        if (!s)
                return cJSON_CreateNull();
        json_put_lossy(&json, str_of(s));
        const char *raw = buf_cstr(&json);
        return raw ? cJSON_CreateRaw(raw) : NULL;
}

static cJSON *names(const struct catalog_table *t, const size_t *columns, size_t count)
{
        cJSON *list = cJSON_CreateArray();

        for (size_t i = 0; i < count; i++)
                cJSON_AddItemToArray(list, text(t->columns[columns[i]].name));
        return list;
}

static cJSON *columns_json(const struct catalog_column *columns, size_t count);

static cJSON *column_json(const struct catalog_column *c)
{
        cJSON *json = cJSON_CreateObject();

        cJSON_AddItemToObject(json, "name", text(c->name));
        cJSON_AddItemToObject(json, "type", text(c->type));
        cJSON_AddBoolToObject(json, "nullable", c->nullable);
        cJSON_AddBoolToObject(json, "indexed", c->indexed);
        cJSON_AddBoolToObject(json, "readable", c->readable);
        if (c->comment)
                cJSON_AddItemToObject(json, "comment", text(c->comment));
        if (c->doubt)
                cJSON_AddItemToObject(json, "check", text(c->doubt));
        if (c->field_count)
                cJSON_AddItemToObject(json, "columns", columns_json(c->fields, c->field_count));
        return json;
}

/* Relations are children, not columns. */
static cJSON *columns_json(const struct catalog_column *columns, size_t count)
{
        cJSON *list = cJSON_CreateArray();

        for (size_t i = 0; i < count; i++)
                if (!columns[i].relation)
                        cJSON_AddItemToArray(list, column_json(&columns[i]));
        return list;
}

static void add_relations(const struct catalog_table *t, cJSON *list)
{
        for (size_t i = 0; i < t->column_count; i++) {
                const struct catalog_column *c = &t->columns[i];
                if (!c->relation)
                        continue;
                cJSON *json = cJSON_CreateObject();
                cJSON_AddItemToObject(json, "name", text(c->name));
                cJSON_AddItemToObject(json, "type", text(c->type));
                cJSON_AddBoolToObject(json, "many", c->nest == CATALOG_OBJECTS);
                cJSON_AddBoolToObject(json, "composition", c->composes);
                if (c->field_count)
                        cJSON_AddItemToObject(
                                json, "columns", columns_json(c->fields, c->field_count));
                cJSON_AddItemToArray(list, json);
        }
}

static cJSON *children_json(const struct catalog_table *t)
{
        cJSON *list = cJSON_CreateArray();

        for (size_t i = 0; i < t->child_count; i++) {
                const struct catalog_child *c = &t->children[i];
                cJSON *json = cJSON_CreateObject();
                cJSON_AddItemToObject(json, "schema", text(c->table->schema));
                cJSON_AddItemToObject(json, "table", text(c->table->name));
                cJSON_AddItemToObject(
                        json, "columns", names(c->table, c->columns, c->column_count));
                cJSON_AddBoolToObject(json, "composition", c->composition);
                cJSON_AddItemToArray(list, json);
        }
        add_relations(t, list);
        return list;
}

cJSON *discover_json(const struct catalog_table *t)
{
        cJSON *json = cJSON_CreateObject();

        cJSON_AddItemToObject(json, "schema", text(t->rest ? NULL : t->schema));
        cJSON_AddItemToObject(json, "table", text(t->name));
        cJSON_AddStringToObject(json, "kind", catalog_kind_name(t->kind));
        if (t->rows >= 0)
                cJSON_AddNumberToObject(json, "rows", (double)t->rows);
        else
                cJSON_AddNullToObject(json, "rows");
        cJSON_AddItemToObject(json, "comment", text(t->comment));
        cJSON_AddBoolToObject(json, "readable", t->readable);
        if (t->parts)
                cJSON_AddNumberToObject(json,
                        t->kind == CATALOG_PARTITIONED_TABLE ? "partitions" : "inheriting",
                        (double)t->parts);
        cJSON_AddItemToObject(json, "columns", columns_json(t->columns, t->column_count));
        cJSON_AddItemToObject(json, "key", names(t, t->key, t->key_count));
        cJSON_AddStringToObject(json, "key_from", catalog_key_from_name(t->key_from));
        cJSON_AddItemToObject(json, "cursors", names(t, t->cursors, t->cursor_count));
        cJSON_AddItemToObject(json, "children", children_json(t));
        return json;
}
