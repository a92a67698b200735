/* A field lives as long as the call that hands it over: each is copied into the record's arena. */
#include "ingest/pipeline/explain.h"

#include "ingest/pipeline/validate.h"

#define ARENA_MAX    ((size_t)1 << 30) /* a document of 64 MiB, at each of its steps */
#define FIRST_FIELDS 64

#define MASKED_REASON "(the reason is masked: it shows a value that looks like a secret)"

struct explain {
        struct validator *validator; /* borrowed */
        struct arena *arena;         /* owned; of one record */
        struct trace_field *fields;  /* owned */
        size_t count, capacity, left_out;
        struct mapped document;
        bool failed;
};

static const char *copy_text(struct explain *x, const char *text)
{
        const char *copy = arena_strdup(x->arena, str_of(text));

        x->failed |= !copy;
        return copy ? copy : "";
}

static struct str copy_str(struct explain *x, struct str s)
{
        struct str copy = arena_dup(x->arena, s.ptr ? s : STR(""));

        x->failed |= !copy.ptr;
        return copy.ptr ? copy : STR("");
}

static bool make_room(struct explain *x)
{
        size_t capacity = x->capacity ? 2 * x->capacity : FIRST_FIELDS;

        if (x->count < x->capacity)
                return true;
        struct trace_field *fields = reallocarray(x->fields, capacity, sizeof(*fields));
        x->failed |= !fields;
        if (!fields)
                return false;
        x->fields = fields;
        x->capacity = capacity;
        return true;
}

/* The field that is refused is always kept: it is what people look for. */
static void on_field(void *ctx, const struct trace_field *f)
{
        struct explain *x = ctx;
        bool full = x->count >= EXPLAIN_MAX_FIELDS && f->mark != TRACE_REFUSED;
        struct trace_step *steps = full ? NULL : arena_array(x->arena, f->count, sizeof(*steps));

        if (full) {
                x->left_out++;
                return;
        }
        if (!steps || !make_room(x)) {
                x->failed = true;
                return;
        }
        for (size_t i = 0; i < f->count; i++) {
                steps[i] = f->steps[i];
                steps[i].detail = copy_text(x, f->steps[i].detail);
                steps[i].value = copy_str(x, f->steps[i].value);
        }
        struct trace_field *to = &x->fields[x->count++];
        *to = *f;
        to->path = copy_text(x, f->path);
        to->result = copy_str(x, f->result);
        to->steps = steps;
}

int explain_new(struct validator *v, struct explain **out, struct err *e)
{
        cleanup_(explain_freep) struct explain *x = calloc(1, sizeof(*x));

        if (!x)
                return err_nomem(e, "an explanation");
        x->validator = v;
        x->arena = arena_new(ARENA_MAX);
        if (!x->arena)
                return err_nomem(e, "an explanation");
        int rc = validator_trace(v, on_field, x, e);
        if (rc)
                return rc;
        *out = TAKE(x);
        return 0;
}

struct explain *explain_free(struct explain *x)
{
        if (x) {
                arena_free(x->arena);
                free(x->fields);
                free(x);
        }
        return NULL;
}

static bool shows_secret(const struct trace_field *f)
{
        for (size_t k = 0; k < f->count; k++)
                if (f->steps[k].mark == TRACE_MASKED)
                        return true;
        return f->mark == TRACE_MASKED;
}

/* Whether @outer is @inner, or what holds it. */
static bool holds(const char *outer, const char *inner)
{
        size_t len = strlen(outer);

        return strncmp(outer, inner, len) == 0 && (!inner[len] || strchr(".[", inner[len]));
}

/* A reason may show any value of what it speaks of. */
static bool is_masked(const struct explain *x, const char *path)
{
        for (size_t i = 0; i < x->count; i++) {
                const struct trace_field *f = &x->fields[i];
                bool related = strcmp(path, "document") == 0 || holds(f->path, path) ||
                               holds(path, f->path);
                if (related && shows_secret(f))
                        return true;
        }
        return false;
}

int explain_record(struct explain *x, const struct record *record, const char *key,
        struct explained *out, struct err *e)
{
        struct mapper_reject why = {NULL, NULL};

        arena_reset(x->arena);
        x->count = x->left_out = 0;
        x->failed = false;
        int rc = validate_record(x->validator, record, &x->document, &why, e);
        if (rc < 0)
                return rc;
        *out = (struct explained){.key = copy_text(x, key),
                .document = rc ? NULL : &x->document,
                .fields = x->fields,
                .count = x->count,
                .left_out = x->left_out};
        if (rc) {
                out->field = copy_text(x, why.field);
                out->reason = is_masked(x, out->field) ? MASKED_REASON : copy_text(x, why.reason);
        }
        return x->failed ? arena_failed(x->arena, "an explanation", e) : rc;
}
