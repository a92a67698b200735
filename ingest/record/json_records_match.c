/*
 * Which values outside the records are looked for: for each path, how many of its first steps lead
 * to where the walk is. A value is at the path when all do, and it lies no deeper.
 */
#include "ingest/record/json_records_internal.h"

#include "ingest/record/json_scan.h"

#define MAX_PATHS (64 << 10) /* bytes of all paths, and of what picks facts inside a record */

/* Facts below the value at the records' path are picked from it where it is a record. */
static int init_inside(struct json_records *j, struct err *e)
{
        const struct json_path *path = &j->tracks[0].path;
        const char *paths[JSON_RECORDS_FACTS];

        for (size_t i = 0; i < j->o.fact_count; i++) {
                const struct json_path *fact = &j->tracks[1 + i].path;
                size_t k = 0;
                while (k < path->count && k < fact->count &&
                        json_step_eq(&path->steps[k], &fact->steps[k]))
                        k++;
                if (k == fact->count)
                        return err_set(e, ERR_CONFIG,
                                "%s holds the records (%s), so it cannot be "
                                "kept as well",
                                fact->count ? j->o.facts[i] : "the whole reply",
                                path->count ? j->o.path : "the whole reply");
                if (k < path->count || !fact->steps[k].name.ptr)
                        continue;
                j->inside_facts[j->inside_count] = i;
                paths[j->inside_count++] = fact->steps[k].text;
        }
        return json_pick_new(paths, j->inside_count, j->arena, &j->inside, e);
}

int records_tracks_init(struct json_records *j, struct err *e)
{
        j->arena = arena_new(MAX_PATHS);
        if (!j->arena)
                return err_nomem(e, "paths");
        for (size_t i = 0; i <= j->o.fact_count; i++) {
                const char *text = i == 0 ? j->o.path : j->o.facts[i - 1];
                int rc = json_path_parse(str_of(text ? text : ""), j->arena, &j->tracks[i].path, e);
                if (rc)
                        return rc;
        }
        return init_inside(j, e);
}

/* Step @step of each path that led here goes on with @name, or the element @index. */
static uint32_t match(struct json_records *j, struct str name, size_t index)
{
        size_t step = j->depth - 1;
        uint32_t found = 0;

        for (size_t i = 0; i <= j->o.fact_count; i++) {
                struct records_track *t = &j->tracks[i];
                if (t->matched > step)
                        t->matched = step;
                if (t->matched < step || step >= t->path.count)
                        continue;
                const struct json_step *s = &t->path.steps[step];
                bool same = name.ptr ? s->name.ptr && str_eq(s->name, name)
                                     : !s->name.ptr && s->index == index;
                t->matched += same;
                found |= (uint32_t)same << i;
        }
        return found;
}

void records_match_index(struct json_records *j)
{
        if (j->depth <= JSON_PATH_MAX_STEPS)
                match(j, (struct str){NULL, 0}, j->index[j->depth - 1]);
}

/* The walk is behind a value: no step leads on from it. */
void records_leave(struct json_records *j)
{
        for (size_t i = 0; i <= j->o.fact_count; i++)
                if (j->depth == 0)
                        j->tracks[i].matched = 0;
                else if (j->tracks[i].matched >= j->depth)
                        j->tracks[i].matched = j->depth - 1;
}

static bool is_printable(struct str s)
{
        if (s.len > RECORDS_NAME_SHOWN)
                return false;
        for (size_t i = 0; i < s.len; i++)
                if ((unsigned char)s.ptr[i] < ' ')
                        return false;
        return true;
}

/* A name of the reply's top level, for json_records_names(). */
static void note_name(struct json_records *j, struct str name)
{
        static const struct str more = {"...", 3};

        if (j->names_full)
                return;
        if (!is_printable(name))
                name = more;
        j->names_full = j->names.len + 2 + name.len + 2 + more.len > RECORDS_NAMES_MAX;
        buf_puts(&j->names, j->names.len ? ", " : "");
        buf_put_str(&j->names, j->names_full ? more : name);
}

/* A second member of the same name would be more records, or others. */
static int note_step(struct json_records *j, struct err *e)
{
        size_t step = j->depth - 1;
        uint32_t bit = UINT32_C(1) << step;

        if (j->steps_seen & bit)
                return err_set(e, ERR_RETRY,
                        "the reply holds the name %.*s twice, and the records (%s) lie in it",
                        STR_ARG(j->tracks[0].path.steps[step].name), j->o.path);
        j->steps_seen |= bit;
        return 0;
}

/* The name that @quoted stands for, which was proved. Return: false where it is longer than any
 * name of a path. */
static bool unquote(struct str quoted, struct buf *name)
{
        struct err ignored;

        return quoted.len <= RECORDS_KEY_MAX && json_unquote(quoted, name, &ignored) == 0;
}

int records_match_key(struct json_records *j, struct str quoted, struct err *e)
{
        static const struct str none = {"", SIZE_MAX}; /* equal to nothing */
        char plain[RECORDS_KEY_MAX];
        struct buf room = {.data = plain, .cap = sizeof(plain), .max = sizeof(plain)};
        bool deep = j->depth > JSON_PATH_MAX_STEPS;

        struct str name = !deep && unquote(quoted, &room) ? buf_str(&room) : none;
        if (j->depth == 1)
                note_name(j, name);
        uint32_t found = deep ? 0 : match(j, name, 0);
        return found & 1 ? note_step(j, e) : 0;
}

static bool track_is_here(const struct json_records *j, const struct records_track *t)
{
        return t->matched == j->depth && t->path.count == j->depth;
}

bool records_at_path(const struct json_records *j)
{
        return track_is_here(j, &j->tracks[0]);
}

void records_facts_begin(struct json_records *j)
{
        for (size_t i = 0; i < j->o.fact_count; i++) {
                struct records_fact *f = &j->facts[i];
                if (!track_is_here(j, &j->tracks[1 + i]))
                        continue;
                buf_clear(&f->text);
                f->keeping = true;
                f->whole = false;
                f->depth = j->depth;
                f->start = j->p;
        }
}

static int keep(struct json_records *j, size_t i, struct str bytes, struct err *e)
{
        struct buf *text = &j->facts[i].text;

        buf_put_str(text, bytes);
        if (text->error == -ERR_REJECT)
                return err_set(e, ERR_CONFIG, "the value %s is longer than %d KiB", j->o.facts[i],
                        JSON_RECORDS_MAX_FACT >> 10);
        return buf_check(text, "value", e);
}

static int hold(struct json_records *j, size_t i, struct err *e)
{
        struct records_fact *f = &j->facts[i];
        struct str bytes = {f->start, (size_t)(j->p - f->start)};

        f->start = j->p;
        return keep(j, i, bytes, e);
}

int records_facts_hold(struct json_records *j, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; i < j->o.fact_count && !rc; i++)
                if (j->facts[i].keeping)
                        rc = hold(j, i, e);
        return rc;
}

int records_facts_end(struct json_records *j, struct err *e)
{
        for (size_t i = 0; i < j->o.fact_count; i++) {
                struct records_fact *f = &j->facts[i];
                if (!f->keeping || f->depth != j->depth)
                        continue;
                int rc = hold(j, i, e);
                if (rc)
                        return rc;
                f->keeping = false;
                f->whole = true;
        }
        return 0;
}

/* A fact that cannot be told to be there or not is an error: the next page may hang on it. */
int records_facts_inside(struct json_records *j, struct str record, struct err *e)
{
        struct str values[JSON_RECORDS_FACTS];
        struct err why;

        if (j->inside_count == 0)
                return 0;
        if (j->oversize)
                return err_set(e, ERR_CONFIG,
                        "the reply is one record of more than %zu bytes, too large to find %s in "
                        "it",
                        j->o.max_record, j->o.facts[j->inside_facts[0]]);
        if (json_pick_values(j->inside, record, values, &why))
                return err_set(e, ERR_RETRY, "the reply, which is one record: %s", why.text);
        for (size_t k = 0; k < j->inside_count; k++) {
                size_t i = j->inside_facts[k];
                if (!values[k].ptr)
                        continue;
                buf_clear(&j->facts[i].text);
                int rc = keep(j, i, values[k], e);
                if (rc)
                        return rc;
                j->facts[i].whole = true;
        }
        return 0;
}
