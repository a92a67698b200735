/* erp2couch.yaml: one table; blocks of other modules are handed to their own decoders. */
#include "ingest/pipeline/config_internal.h"

#include <errno.h>
#include <sys/stat.h>

#define ARENA_MAX ((size_t)16 << 20) /* of what is decoded from erp2couch.yaml */

/* A longer one would outlive what service managers wait for, whatever they are told. */
#define STOP_TIMEOUT_MAX_MS 3600000

#define HOST_MAX 253 /* bytes of a host's name in DNS */

struct config_draft {
        struct config config;
        const struct ynode *couchdb, *sources;
        struct string_list mappers;
        int level, format;
};

#define AT(member) offsetof(struct config_draft, config.member)

static int decode_version(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        char shown[YNODE_SHOW_MAX];

        (void)field;
        if (n->kind == YNODE_STRING && str_is(n->text, "1"))
                return ynode_error(cx->doc, n, e, "'version' must be 1 without quotes");
        if (n->kind != YNODE_INT || !str_is(n->text, "1"))
                return ynode_error(cx->doc, n, e,
                        "'version' must be 1, the only version of this file there is, not %s",
                        ynode_show(n, shown));
        return 0;
}

/* HOST:PORT; a host with colons stands in brackets. */
static bool is_address(struct str s)
{
        const char *colon = memrchr(s.ptr, ':', s.len);
        int64_t port;

        if (!colon || colon == s.ptr)
                return false;
        struct str host = {s.ptr, (size_t)(colon - s.ptr)};
        struct str digits = {colon + 1, s.len - host.len - 1};
        bool bracketed = host.ptr[0] == '[' && host.ptr[host.len - 1] == ']' && host.len > 2;
        if (!bracketed && memchr(host.ptr, ':', host.len))
                return false;
        return digits.len > 0 && digits.ptr[0] != '+' && str_to_int64(digits, &port) && port >= 0 &&
               port <= 65535;
}

static int decode_listen(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        char shown[YNODE_SHOW_MAX];

        if (n->kind != YNODE_STRING || !is_address(n->text))
                return ynode_error(cx->doc, n, e,
                        "'listen' must be HOST:PORT, such as 127.0.0.1:8090, not %s",
                        ynode_show(n, shown));
        *(const char **)field = arena_strdup(cx->arena, n->text);
        return *(const char **)field ? 0 : options_nomem(cx, e);
}

/* As they stand in a request's Host, without the port. */
static bool is_host_name(struct str s)
{
        for (size_t i = 0; i < s.len; i++) {
                char c = s.ptr[i];
                bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
                bool inside = letter || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
                if (!inside)
                        return false;
        }
        return s.len > 0 && s.len <= HOST_MAX;
}

static int decode_hosts(
        const struct option_context *cx, const struct ynode *n, void *field, struct err *e)
{
        char shown[YNODE_SHOW_MAX];
        struct string_list hosts = {NULL, 0};
        int rc = options_strings(cx, "'hosts'", n, &hosts, e);

        for (size_t i = 0; i < hosts.count && rc == 0; i++) {
                const struct ynode *item = n->kind == YNODE_LIST ? n->items[i] : n;
                if (!is_host_name(str_of(hosts.items[i])))
                        rc = ynode_error(cx->doc, item, e,
                                "'hosts' must be names without scheme and port, such as "
                                "erp2couch.example.com, not %s",
                                ynode_show(item, shown));
        }
        if (rc == 0)
                *(struct string_list *)field = hosts;
        return rc;
}

static const struct option http_options[] = {
        {.name = "listen",
                .type = OPTION_HANDLER,
                .offset = AT(http.listen),
                .handler = decode_listen,
                .default_text = "127.0.0.1:8090",
                .help = "Address of the HTTP interface of serve: HOST:PORT."},
        {.name = "token",
                .type = OPTION_STRING,
                .offset = AT(http.token),
                .min = 1,
                .secret = true,
                .help = "Bearer token that requests must carry."},
        {.name = "hosts",
                .type = OPTION_HANDLER,
                .offset = AT(http.hosts),
                .handler = decode_hosts,
                .help = "Other names under which it is asked for, by a proxy in front of it."},
};
static OPTION_TABLE(http_table, "http", http_options);

static const struct option serve_options[] = {
        {.name = "max_runs",
                .type = OPTION_INT,
                .offset = AT(serve.max_runs),
                .min = 1,
                .max = SOURCE_MAX_RUNS,
                .default_text = "4",
                .help = "Mappers that run at a time."},
        {.name = "stop_timeout",
                .type = OPTION_DURATION,
                .offset = AT(serve.stop_timeout_ms),
                .min = 0,
                .max = STOP_TIMEOUT_MAX_MS,
                .default_text = "30s",
                .help = "How long runs may go on when the service is stopped; then they are "
                        "interrupted cleanly."},
};
static OPTION_TABLE(serve_table, "serve", serve_options);

/* In the order of enum log_level and enum log_format. */
static const char *const level_names[] = {"error", "warn", "info", "debug", NULL};
static const char *const format_names[] = {"auto", "text", "logfmt", "json", NULL};

static const struct option log_options[] = {
        {.name = "level",
                .type = OPTION_CHOICE,
                .offset = offsetof(struct config_draft, level),
                .choices = level_names,
                .default_text = "info",
                .help = "The least important lines that are logged."},
        {.name = "format",
                .type = OPTION_CHOICE,
                .offset = offsetof(struct config_draft, format),
                .choices = format_names,
                .default_text = "auto",
                .help = "Form of the log; auto is text on a terminal, else logfmt."},
};
static OPTION_TABLE(log_table, "log", log_options);

static const struct option config_options[] = {
        {.name = "version",
                .type = OPTION_HANDLER,
                .handler = decode_version,
                .required = true,
                .help = "Version of this file's form: 1."},
        {.name = "couchdb",
                .type = OPTION_NODE,
                .required = true,
                .offset = offsetof(struct config_draft, couchdb),
                .table = &couch_option_table,
                .help = "The CouchDB server."},
        {.name = "sources",
                .type = OPTION_NODE,
                .required = true,
                .offset = offsetof(struct config_draft, sources),
                .help = "The ERPs to read, by name."},
        {.name = "mappers",
                .type = OPTION_STRINGS,
                .required = true,
                .min = 1,
                .offset = offsetof(struct config_draft, mappers),
                .help = "Mapper files: globs, relative to this file."},
        {.name = "schemas",
                .type = OPTION_STRING,
                .offset = AT(schemas),
                .min = 1,
                .help = "Folder of NAME.schema.json files."},
        {.name = "state_dir",
                .type = OPTION_STRING,
                .offset = AT(state_dir),
                .required = true,
                .min = 1,
                .help = "Folder of the local state, one folder a mapper."},
        {.name = "http",
                .type = OPTION_MAP,
                .table = &http_table,
                .help = "The HTTP interface of serve."},
        {.name = "serve", .type = OPTION_MAP, .table = &serve_table, .help = "The service."},
        {.name = "log", .type = OPTION_MAP, .table = &log_table, .help = "Logging to stderr."},
};
OPTION_TABLE(config_table, "the configuration", config_options);

static int decode_sources(
        const struct option_context *cx, const struct ynode *n, struct config *c, struct err *e)
{
        if (n->kind != YNODE_MAP || n->count == 0)
                return ynode_error(cx->doc, n, e,
                        "'sources' must be a map of sources, not %s; write NAME: {type: ..., "
                        "dsn: ...}",
                        n->kind == YNODE_MAP ? "an empty one" : ynode_kind_name(n->kind));
        c->sources = arena_array(cx->arena, n->count, sizeof(*c->sources));
        if (!c->sources)
                return options_nomem(cx, e);
        for (; c->source_count < n->count; c->source_count++) {
                const struct ynode_pair *p = &n->pairs[c->source_count];
                if (p->key.len == 0)
                        return ydoc_error_at(
                                cx->doc, p->line, p->column, e, "a source needs a name");
                int rc = source_config_decode(
                        cx->doc, p->key.ptr, p->value, cx->arena, &c->sources[c->source_count], e);
                if (rc)
                        return rc;
        }
        return 0;
}

/* A shell would have made it the home folder; here it would be a folder named ~. */
static int refuse_tilde(
        const struct option_context *cx, const char *key, const char *path, struct err *e)
{
        if (!path || path[0] != '~')
                return 0;
        return ynode_error(cx->doc, ynode_get(cx->doc->root, key), e,
                "'%s': ~ is not expanded: write the whole path", key);
}

static int check_state_dir(const struct option_context *cx, const char *path, struct err *e)
{
        struct stat st;

        if (stat(path, &st) != 0 || S_ISDIR(st.st_mode))
                return 0;
        return ynode_error(cx->doc, ynode_get(cx->doc->root, "state_dir"), e,
                "'state_dir': %s is no folder: remove it, or name another", path);
}

static int resolve_folders(const struct option_context *cx, struct config *c, struct err *e)
{
        int rc = refuse_tilde(cx, "state_dir", c->state_dir, e);

        if (rc == 0)
                rc = refuse_tilde(cx, "schemas", c->schemas, e);
        if (rc)
                return rc;
        c->state_dir = ydoc_path(cx->doc, cx->arena, c->state_dir);
        if (c->schemas)
                c->schemas = ydoc_path(cx->doc, cx->arena, c->schemas);
        return c->state_dir ? check_state_dir(cx, c->state_dir, e) : options_nomem(cx, e);
}

/* A name is any text, and must not lead out of the folder: what is neither letter, digit, _ nor -
 * is written as %2F. */
static void put_folder_name(struct buf *out, const char *name)
{
        for (const unsigned char *p = (const unsigned char *)name; *p; p++) {
                bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                             (*p >= '0' && *p <= '9') || *p == '_' || *p == '-';
                if (plain)
                        buf_putc(out, (char)*p);
                else
                        buf_printf(out, "%%%02X", *p);
        }
}

static int name_source_folders(const struct option_context *cx, struct config *c, struct err *e)
{
        for (size_t i = 0; i < c->source_count; i++) {
                struct source_config *source = &c->sources[i];
                cleanup_buf_ struct buf name = BUF_INIT(SOURCE_FOLDER_MAX);
                cleanup_buf_ struct buf path = BUF_INIT(1 << 16);

                put_folder_name(&name, source->name);
                if (name.error == -ERR_REJECT)
                        return ynode_error(cx->doc, source->node, e,
                                "the name of a source is too long for a folder: %d bytes at most",
                                SOURCE_FOLDER_MAX);
                buf_printf(&path, "%s/" SOURCES_FOLDER "/", c->state_dir);
                buf_put_str(&path, buf_str(&name));
                int rc = buf_check(&path, "the folder of a source", e);
                if (rc)
                        return rc;
                source->folder = arena_strdup(cx->arena, buf_str(&path));
                if (!source->folder)
                        return options_nomem(cx, e);
        }
        return 0;
}

/* In a header, blanks around it are no part of it, and other bytes cannot stand there at all: no
 * request could ever carry such a token. */
static int check_token(const struct option_context *cx, const char *token, struct err *e)
{
        for (const char *p = token ? token : ""; *p; p++)
                if (*p <= ' ' || *p > '~')
                        return ynode_error(cx->doc,
                                ynode_get(ynode_get(cx->doc->root, "http"), "token"), e,
                                "'token' must be of visible ASCII characters, without white "
                                "space: a header cannot carry others");
        return 0;
}

/* @c->doc and @c->arena are there; the rest comes. */
static int decode(struct config *c, struct err *e)
{
        struct option_context cx = {c->doc, c->arena, NULL};
        struct config_draft d = {.config = *c};

        int rc = options_decode(&cx, &config_table, c->doc->root, &d, e);
        if (rc)
                return rc;
        *c = d.config;
        c->path = c->doc->name;
        c->log.level = (enum log_level)d.level;
        c->log.format = (enum log_format)d.format;
        rc = check_token(&cx, c->http.token, e);
        if (rc == 0)
                rc = couch_options_decode(c->doc, d.couchdb, c->arena, &c->couch, e);
        if (rc == 0)
                rc = decode_sources(&cx, d.sources, c, e);
        if (rc == 0)
                rc = resolve_folders(&cx, c, e);
        return rc ? rc : name_source_folders(&cx, c, e);
}

static int load_mappers(struct config *c, struct config_problems *problems, struct err *e)
{
        int rc = config_mappers_load(c, ynode_get(c->doc->root, "mappers"), problems, e);

        bool complete = !problems || problems->count == 0;
        if (rc == 0)
                rc = config_check(c, problems, e);
        if (rc == 0)
                rc = config_after_link(c, complete, problems, e);
        if (rc || !problems || problems->count == 0)
                return rc;
        *e = problems->first;
        return -ERR_CONFIG;
}

static int refuse_mapper(const char *path, struct err *e)
{
        return err_set(e, ERR_CONFIG,
                "%s is a mapper: name the configuration, erp2couch.yaml, with -c FILE", path);
}

static bool is_mapper(const struct ydoc *doc)
{
        return ynode_get(doc->root, "mapper") && ynode_get(doc->root, "extract");
}

/* With its ${...} a mapper may not even load as a configuration. */
static int not_loaded(const char *path, int rc, struct err *e)
{
        cleanup_(ydoc_freep) struct ydoc *doc = NULL;
        struct stat st;

        if (rc != -ERR_CONFIG)
                return rc;
        if (stat(path, &st) != 0 && errno == ENOENT)
                return err_hint(e, rc,
                        "name the configuration with -c FILE, or make one with erp2couch init DIR");
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
                return err_hint(e, rc, "name the file in it with -c %s/erp2couch.yaml", path);
        if (ydoc_load(path, YDOC_EXPAND_NONE, &doc, NULL) == 0 && is_mapper(doc))
                return refuse_mapper(path, e);
        return rc;
}

static int load(const char *path, bool with_mappers, struct config_problems *problems,
        struct config **out, struct err *e)
{
        cleanup_(config_freep) struct config *c = calloc(1, sizeof(*c));

        if (!c)
                return err_nomem(e, "the configuration");
        c->arena = arena_new(ARENA_MAX);
        if (!c->arena)
                return err_nomem(e, "the configuration");
        int rc = ydoc_load(path, YDOC_EXPAND_CONFIG, &c->doc, e);
        if (rc)
                return not_loaded(path, rc, e);
        rc = is_mapper(c->doc) ? refuse_mapper(path, e) : decode(c, e);
        if (rc == 0 && with_mappers)
                rc = load_mappers(c, problems, e);
        if (rc == 0)
                *out = TAKE(c);
        return rc;
}

int config_load(const char *path, struct config **out, struct err *e)
{
        return load(path, true, NULL, out, e);
}

int config_load_sources(const char *path, struct config **out, struct err *e)
{
        return load(path, false, NULL, out, e);
}

int config_load_all(
        const char *path, config_problem_fn fn, void *ctx, struct config **out, struct err *e)
{
        struct config_problems problems = {.fn = fn, .ctx = ctx};

        return load(path, true, &problems, out, e);
}

int config_problem(struct config_problems *p, const char *file, int rc, const struct err *e)
{
        if (!p || rc != -ERR_CONFIG)
                return rc;
        if (p->count++ == 0)
                p->first = *e;
        p->fn(p->ctx, file, e);
        return 0;
}

struct config *config_free(struct config *c)
{
        if (c) {
                for (size_t i = 0; i < c->mapper_count; i++)
                        mapper_spec_free(c->mappers[i].spec);
                for (struct config_schema *s = c->loaded_schemas; s; s = s->next)
                        schema_free(s->schema);
                ydoc_free(c->doc);
                arena_free(c->arena);
                free(c);
        }
        return NULL;
}

/* Names in a message: those that fit a line. */
#define NAMES_SHOWN 12

static int unknown_mapper(
        const struct config *c, const char *name, const char *const *names, struct err *e)
{
        cleanup_buf_ struct buf list = BUF_INIT(ERR_TEXT_MAX);
        const char *near = str_nearest(str_of(name), names, c->mapper_count);

        for (size_t i = 0; i < c->mapper_count; i++)
                if (strcmp(c->mappers[i].spec->path, name) == 0)
                        near = names[i]; /* its file was named */
        if (near)
                return err_set(
                        e, ERR_USAGE, "there is no mapper '%s', did you mean '%s'?", name, near);
        for (size_t i = 0; i < c->mapper_count && i < NAMES_SHOWN; i++)
                buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
        int rc = err_set(e, ERR_USAGE, "there is no mapper '%s' in %s", name, c->path);
        const char *text = buf_cstr(&list);
        if (!text || !*text)
                return rc;
        return err_hint(e, rc, "there is %s%s", text, c->mapper_count > NAMES_SHOWN ? " ..." : "");
}

int config_mapper(
        const struct config *c, const char *name, const struct config_mapper **out, struct err *e)
{
        const char *names[CONFIG_MAX_MAPPERS];

        for (size_t i = 0; i < c->mapper_count; i++) {
                names[i] = c->mappers[i].spec->name;
                if (strcmp(names[i], name) == 0) {
                        *out = &c->mappers[i];
                        return 0;
                }
        }
        return unknown_mapper(c, name, names, e);
}

const struct source_config *config_source(const struct config *c, const char *name)
{
        for (size_t i = 0; i < c->source_count; i++)
                if (strcmp(c->sources[i].name, name) == 0)
                        return &c->sources[i];
        return NULL;
}
