/*
 * Vendors put their words under some forty names. One walk over the reply knows them all: in each
 * object the code, the title and the message are said, in this order, and then what stands in its
 * parts. What was said already is not said again: servers like to repeat themselves.
 */
#include "ingest/source/rest/error.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <strings.h>

#include "ingest/base/buf.h"
#include "ingest/base/cleanup.h"
#include "ingest/base/text.h"

#define BODY_MAX  (256 << 10) /* bytes looked at: explanations are short */
#define WORDS_MAX (8 << 10)   /* bytes of all that is said, before it is cut to the caller's size */
#define WORD_MAX  400         /* characters of one text: longer ones are traces */
#define DEPTH_MAX 8
#define PARTS_MAX 5 /* elements of a list: the first ones tell enough */

static cJSON *json_free(cJSON *json)
{
        cJSON_Delete(json);
        return NULL;
}
DEFINE_CLEANUP(cJSON *, json_free);

/* ---- words ---- */

static bool is_trace(struct str text)
{
        return str_starts(text, STR("Traceback")) ||
               memmem(text.ptr, text.len, "\n  File \"", 9) != NULL;
}

static bool said(const struct buf *words, struct str text)
{
        return words->len >= text.len && memmem(words->data, words->len, text.ptr, text.len);
}

/* "@name: text"; @name may be NULL. */
static void say(struct buf *words, const char *name, struct str text)
{
        cleanup_buf_ struct buf line = BUF_INIT(WORDS_MAX);

        text = str_trim(text);
        if (is_trace(text))
                return;
        text_put_line(&line, text, WORD_MAX);
        if (line.error || line.len == 0 || said(words, buf_str(&line)))
                return;
        /* "Not Found." and what follows it are two sentences already. */
        if (words->len > 0)
                buf_puts(words, words->data[words->len - 1] == '.' ? " " : ": ");
        if (name)
                buf_printf(words, "%.60s: ", name);
        buf_put_str(words, buf_str(&line));
}

/* Markup in messages that are meant for a browser. */
static void say_markup(struct buf *words, const char *text)
{
        cleanup_buf_ struct buf plain = BUF_INIT(WORDS_MAX);

        for (const char *p = text; *p && plain.len < WORDS_MAX / 2; p++) {
                const char *end = *p == '<' ? strchr(p, '>') : NULL;
                if (end)
                        p = end;
                else
                        buf_putc(&plain, *p);
        }
        say(words, NULL, buf_str(&plain));
}

/* ---- JSON ---- */

/* The first of each list that an object has. Names are compared in upper and lower case. */
static const char *const codes[] = {
        "code", "errorCode", "error_code", "o:errorCode", "ErrorNumber", "$dataCode", "Code", NULL};
static const char *const titles[] = {"title", "Title", "error_title", NULL};
static const char *const messages[] = {"message", "Message", "$message", "detail", "Detail",
        "error_description", "errorMessage", "ErrorMessage", "error_message", "faultstring",
        "exception", "description", "reason", "msg", "exc_type", NULL};
static const char *const parts[] = {"error", "errors", "data", "details", "innererror",
        "errordetails", "errorDetails", "o:errorDetails", "Elements", "ValidationErrors",
        "ia::result", "ia::error", "errorMessages", "messages", "violations", "invalid-params",
        "fault", "Fault", "odata.error", "Errors", NULL};

static void walk(struct buf *words, const cJSON *value, int depth);

static const cJSON *first_of(const cJSON *object, const char *const *names)
{
        for (; *names; names++) {
                const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, *names);
                if (value && !cJSON_IsNull(value))
                        return value;
        }
        return NULL;
}

/* A code that is the status, or nothing, adds nothing. */
static void say_code(struct buf *words, const cJSON *code)
{
        if (cJSON_IsString(code) && strcmp(code->valuestring, "0") != 0)
                say(words, NULL, str_of(code->valuestring));
        if (!cJSON_IsNumber(code) || code->valuedouble == 0 ||
                (code->valuedouble >= 100 && code->valuedouble < 600))
                return;
        char text[32];
        snprintf(text, sizeof(text), "%.0f", code->valuedouble);
        say(words, NULL, str_of(text));
}

static void say_message(struct buf *words, const cJSON *message, int depth)
{
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(message, "value");

        if (cJSON_IsString(value)) /* OData v2: {"lang": ..., "value": ...} */
                say(words, NULL, str_of(value->valuestring));
        else
                walk(words, message, depth + 1);
}

/* Frappe: a list, as JSON in a text, of messages as JSON in texts. */
static void say_server_messages(struct buf *words, const cJSON *list)
{
        if (!cJSON_IsString(list))
                return;
        cleanup_(json_freep) cJSON *messages_list = cJSON_Parse(list->valuestring);
        const cJSON *item;
        int n = 0;
        cJSON_ArrayForEach(item, messages_list)
        {
                if (!cJSON_IsString(item) || ++n > PARTS_MAX)
                        continue;
                cleanup_(json_freep) cJSON *inner = cJSON_Parse(item->valuestring);
                const cJSON *text = cJSON_GetObjectItemCaseSensitive(inner, "message");
                if (cJSON_IsString(text))
                        say_markup(words, text->valuestring);
        }
}

static bool is_list_of_texts(const cJSON *value)
{
        return cJSON_IsArray(value) && cJSON_IsString(value->child);
}

/* {"email": ["This field is required."]}, as it stands or under "errors". */
static void walk_fields(struct buf *words, const cJSON *object, bool texts_too)
{
        const cJSON *field;
        int n = 0;

        cJSON_ArrayForEach(field, object)
        {
                const cJSON *text = is_list_of_texts(field) ? field->child : field;
                if ((text == field && !texts_too) || !cJSON_IsString(text) || ++n > PARTS_MAX)
                        continue;
                say(words, field->string, str_of(text->valuestring));
        }
}

static void walk_object(struct buf *words, const cJSON *object, int depth)
{
        const cJSON *message = first_of(object, messages);

        say_code(words, first_of(object, codes));
        if (cJSON_IsString(first_of(object, titles)))
                say(words, NULL, str_of(first_of(object, titles)->valuestring));
        const cJSON *name = cJSON_GetObjectItemCaseSensitive(object, "error");
        if (cJSON_IsString(name)) /* OAuth2, Spring: a name, and the message explains it */
                say(words, NULL, str_of(name->valuestring));
        if (message)
                say_message(words, message, depth);
        for (const char *const *part = parts; *part; part++) {
                const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, *part);
                size_t before = words->len;
                if (value)
                        walk(words, value, depth + 1);
                if (words->len == before && cJSON_IsObject(value) &&
                        strcasecmp(*part, "errors") == 0)
                        walk_fields(words, value, true);
        }
        say_server_messages(words, cJSON_GetObjectItemCaseSensitive(object, "_server_messages"));
}

static void walk(struct buf *words, const cJSON *value, int depth)
{
        const cJSON *item;
        int n = 0;

        if (depth > DEPTH_MAX)
                return;
        if (cJSON_IsString(value)) {
                say(words, NULL, str_of(value->valuestring));
        } else if (cJSON_IsObject(value)) {
                walk_object(words, value, depth);
        } else if (cJSON_IsArray(value)) {
                cJSON_ArrayForEach(item, value)
                {
                        if (++n <= PARTS_MAX)
                                walk(words, item, depth + 1);
                }
        }
}

/* Return: whether @body is JSON that says something. */
static bool put_json(struct buf *words, struct str body)
{
        cleanup_(json_freep) cJSON *json = cJSON_ParseWithLength(body.ptr, body.len);

        if (!json)
                return false;
        walk(words, json, 0);
        if (words->len == 0 && cJSON_IsObject(json))
                walk_fields(words, json, false);
        return words->len > 0;
}

/* ---- markup ---- */

static const char *find_fold(struct str text, const char *what)
{
        size_t n = strlen(what);

        for (size_t i = 0; i + n <= text.len; i++)
                if (strncasecmp(text.ptr + i, what, n) == 0)
                        return text.ptr + i;
        return NULL;
}

/* The text of the first element <@name ...>; .len 0: none. */
static struct str element_text(struct str body, const char *name)
{
        const char *end = body.ptr + body.len, *tag = find_fold(body, name);
        const char *from = tag ? memchr(tag, '>', (size_t)(end - tag)) : NULL;
        const char *to = from ? memchr(from, '<', (size_t)(end - from)) : NULL;

        if (from && to == from + 1 && end - to > 9 && memcmp(to, "<![CDATA[", 9) == 0) {
                from = to + 8;
                to = memmem(from, (size_t)(end - from), "]]>", 3);
        }
        return to ? str_trim((struct str){from + 1, (size_t)(to - from - 1)}) : (struct str){"", 0};
}

static void put_html(struct buf *words, struct str body)
{
        cleanup_buf_ struct buf title = BUF_INIT(WORDS_MAX);

        text_put_line(&title, element_text(body, "<title"), WORD_MAX);
        if (title.len > 0)
                buf_printf(words, "an HTML page, titled \"%.*s\"", STR_ARG(buf_str(&title)));
        else
                buf_puts(words, "an HTML page");
}

static void put_xml(struct buf *words, struct str body)
{
        static const char *const names[] = {"<faultstring", ":faultstring", ":message", "<message",
                "<error_description", "<m:text", ":Text"};
        struct str text = {"", 0};

        for (size_t i = 0; i < sizeof(names) / sizeof(*names) && text.len == 0; i++)
                text = element_text(body, names[i]);
        if (text.len > 0)
                say(words, NULL, text);
        else
                buf_puts(words, "an XML document");
}

/* ---- the line ---- */

static struct str without_bom(struct str body)
{
        if (str_starts(body, STR("\xEF\xBB\xBF")))
                body = (struct str){body.ptr + 3, body.len - 3};
        return str_trim(body);
}

static void put_words(struct buf *words, const char *content_type, struct str body)
{
        bool html = find_fold(str_of(content_type), "html") != NULL;

        if (body.len == 0)
                return;
        if (strchr("{[\"", body.ptr[0]) && put_json(words, body))
                return;
        if (body.ptr[0] == '<' &&
                (html ||
                        find_fold((struct str){body.ptr, body.len < 1024 ? body.len : 1024},
                                "<html") ||
                        strncasecmp(body.ptr, "<!doctype html", body.len < 14 ? body.len : 14) ==
                                0))
                put_html(words, body);
        else if (body.ptr[0] == '<')
                put_xml(words, body);
        else
                say(words, NULL, body);
}

/* At most @size bytes with the NUL; no character is cut in two. */
static void put_cut(char *out, size_t size, struct str line)
{
        static const char dots[] = "...";
        size_t n = line.len;

        if (size == 0)
                return;
        if (n >= size) {
                n = size > sizeof(dots) ? size - sizeof(dots) : 0;
                while (n > 0 && ((unsigned char)line.ptr[n] & 0xC0) == 0x80)
                        n--;
        }
        memcpy(out, line.ptr, n);
        snprintf(out + n, size - n, "%s", n < line.len ? dots : "");
}

void rest_error_line(const char *content_type, struct str body, char *out, size_t size)
{
        cleanup_buf_ struct buf words = BUF_INIT(WORDS_MAX);

        if (body.len > BODY_MAX)
                body.len = BODY_MAX;
        put_words(&words, content_type ? content_type : "", without_bom(body));
        put_cut(out, size, buf_str(&words));
}

/* ---- statuses ---- */

static const struct {
        int status;
        struct rest_status is;
} statuses[] = {
        {300, {ERR_CONFIG, false, "Multiple Choices", NULL}},
        {301, {ERR_CONFIG, false, "Moved Permanently", NULL}},
        {302, {ERR_CONFIG, false, "Found", NULL}},
        {303, {ERR_CONFIG, false, "See Other", NULL}},
        {307, {ERR_CONFIG, false, "Temporary Redirect", NULL}},
        {308, {ERR_CONFIG, false, "Permanent Redirect", NULL}},
        {400, {ERR_CONFIG, false, "Bad Request", "check path, params and body of the mapper"}},
        {401, {ERR_CONFIG, false, "Unauthorized", "check `auth` of the source"}},
        {402, {ERR_CONFIG, false, "Payment Required", NULL}},
        {403, {ERR_CONFIG, false, "Forbidden",
                      "the user of `auth` has no right to it, or the key is blocked"}},
        {404, {ERR_CONFIG, false, "Not Found",
                      "check `url` of the source and path of the mapper; if it means that there "
                      "are no records: `empty_on: [404]`"}},
        {405, {ERR_CONFIG, false, "Method Not Allowed", "check `method` of the mapper"}},
        {406, {ERR_CONFIG, false, "Not Acceptable", "check the header Accept"}},
        {407, {ERR_CONFIG, false, "Proxy Authentication Required",
                      "put user and password into `proxy`"}},
        {408, {ERR_RETRY, true, "Request Timeout", NULL}},
        {409, {ERR_RETRY, false, "Conflict", NULL}},
        {410, {ERR_CONFIG, false, "Gone", "the server has it no more"}},
        {413, {ERR_CONFIG, false, "Content Too Large", NULL}},
        {414, {ERR_CONFIG, false, "URI Too Long", "ask by POST, or for fewer fields"}},
        {415, {ERR_CONFIG, false, "Unsupported Media Type", "check the header Content-Type"}},
        {417, {ERR_CONFIG, false, "Expectation Failed", NULL}},
        {421, {ERR_RETRY, true, "Misdirected Request", NULL}},
        {422, {ERR_CONFIG, false, "Unprocessable Content", "check params and body of the mapper"}},
        {423, {ERR_RETRY, true, "Locked", NULL}},
        {425, {ERR_RETRY, true, "Too Early", NULL}},
        {429, {ERR_RETRY, true, "Too Many Requests", "lower `rate_limit` of the source"}},
        {431, {ERR_CONFIG, false, "Request Header Fields Too Large", NULL}},
        {451, {ERR_CONFIG, false, "Unavailable For Legal Reasons", NULL}},
        {500, {ERR_RETRY, true, "Internal Server Error", NULL}},
        {501, {ERR_CONFIG, false, "Not Implemented", "check `method` of the mapper"}},
        {502, {ERR_RETRY, true, "Bad Gateway", NULL}},
        {503, {ERR_RETRY, true, "Service Unavailable", NULL}},
        {504, {ERR_RETRY, true, "Gateway Timeout", "if it stays, ask for smaller pages"}},
        {505, {ERR_CONFIG, false, "HTTP Version Not Supported", NULL}},
        {511, {ERR_CONFIG, false, "Network Authentication Required", NULL}},
};

struct rest_status rest_status_of(int status)
{
        for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++)
                if (statuses[i].status == status)
                        return statuses[i].is;
        /* What proxies and CDNs say with numbers of their own passes, as other 5xx do. */
        if (status >= 500)
                return (struct rest_status){ERR_RETRY, true, "", NULL};
        return (struct rest_status){ERR_CONFIG, false, "", NULL};
}
