/* The order is the header's. A name in the folder has only letters, digits, '.', '-' and '_', and
 * does not begin with a dot: no path leads out of it. */
#include "schemas/source.h"

#include <stdio.h>

#include "ingest/base/file.h"
#include "schemas/meta.h"
#include "schemas/uri.h"

static bool find_built_in(struct str uri, struct buf *text, struct buf *name)
{
        for (size_t i = 0; i < schema_meta_count; i++)
                if (str_is(uri, schema_meta[i].uri)) {
                        buf_put(text, schema_meta[i].bytes, schema_meta[i].size);
                        buf_put_str(name, uri);
                        return true;
                }
        return false;
}

static bool is_name_char(char c)
{
        return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '-' || c == '_';
}

/* "/a/b.json" is a safe path below the folder. */
static bool is_safe(struct str path)
{
        if (path.len < 2 || *path.ptr != '/' || path.ptr[path.len - 1] == '/')
                return false;
        for (size_t i = 1; i < path.len; i++) {
                bool first = path.ptr[i - 1] == '/';
                if (path.ptr[i] == '/' ? first : !is_name_char(path.ptr[i]))
                        return false;
                if (first && path.ptr[i] == '.')
                        return false;
        }
        return true;
}

static int read_below(
        const char *folder, struct str path, struct buf *text, struct buf *name, struct err *e)
{
        buf_clear(name);
        buf_printf(name, "%s%.*s", folder, STR_ARG(path));
        if (!buf_cstr(name))
                return buf_check(name, "a file name", e);
        int rc = file_read(buf_cstr(name), text, e);
        return rc ? rc : SOURCE_FILE;
}

static bool exists_below(const char *folder, struct str path, struct buf *name)
{
        buf_clear(name);
        buf_printf(name, "%s%.*s", folder, STR_ARG(path));
        return buf_cstr(name) && access(buf_cstr(name), F_OK) == 0;
}

/* Tries all of the path, then without its first segment, and so on. */
static int find_file(const struct schema_options *options, struct str uri, struct buf *text,
        struct buf *name, struct err *e)
{
        struct uri u = uri_split(uri);
        struct str path = u.path;

        while (options->folder && is_safe(path)) {
                if (exists_below(options->folder, path, name))
                        return read_below(options->folder, path, text, name, e);
                if (str_starts(uri, STR(SOURCE_BASE)))
                        break;
                path.ptr++;
                path.len--;
                while (path.len > 0 && *path.ptr != '/') {
                        path.ptr++;
                        path.len--;
                }
        }
        if (name->error)
                return buf_check(name, "a file name", e);
        if (str_starts(uri, STR(SOURCE_BASE)))
                uri = (struct str){
                        uri.ptr + sizeof(SOURCE_BASE) - 1, uri.len - (sizeof(SOURCE_BASE) - 1)};
        if (!options->folder)
                return err_set(e, ERR_CONFIG, "there is no schema \"%.*s\" here", STR_ARG(uri));
        return err_set(e, ERR_CONFIG,
                "there is no schema \"%.*s\": put it into the folder %s (nothing is fetched from "
                "elsewhere)",
                STR_ARG(uri), options->folder);
}

int source_find(const struct schema_options *options, struct str uri, struct buf *text,
        struct buf *name, struct err *e)
{
        struct str found;

        buf_clear(text);
        buf_clear(name);
        if (find_built_in(uri, text, name))
                return 0;
        if (options->resolve) {
                int rc = options->resolve(options->resolve_arg, uri, &found, e);
                if (rc == 0) {
                        buf_put_str(text, found);
                        buf_put_str(name, uri);
                }
                if (rc != SCHEMA_UNKNOWN)
                        return rc;
        }
        return find_file(options, uri, text, name, e);
}
