/*
 * Every call locks the file, reads the counts, decides, and writes them back where they changed. A
 * call that only has to wait writes nothing.
 *
 * Wall time, because the counts outlive processes and reboots. The newest time that anybody saw is
 * kept with them: where the clock is a little behind it (two processes, a small correction), time
 * stands still for as long; where it was set back, all that happened is moved back with it.
 *
 * Windows that this process does not know (another one has a newer configuration) are counted in
 * all the same, and make room only where ours need it.
 *
 * Where nothing limits a source, neither here nor in the file, there is nothing to count: the file
 * is only looked at from time to time, for what others have put there.
 */
#include "ingest/source/rest/budget.h"

#include <stdio.h>

#include "ingest/base/clock.h"
#include "ingest/source/rest/budget_file.h"

#define US_PER_MS     1000
#define CLOCK_SLACK   INT64_C(2000000)     /* us: behind by less is no clock that was set back */
#define MAX_WAIT_US   INT64_C(86400000000) /* a day: what a server can make us wait */
#define LOOK_US       10000                /* a refusal of another process may go unseen so long */
#define FEW_LEFT      10                   /* of the server's limit: from here on they are spread */
#define MAX_COUNT     INT64_C(1000000000)  /* of a budget */
#define MAX_WINDOW_MS (INT64_C(366) * 86400000)

struct rest_budget {
        const struct rest_options *options; /* borrowed */
        struct budget_file *file;
        const struct log *log; /* borrowed; may be NULL */
        char names[REST_MAX_BUDGETS][32], error_name[48];
        int64_t free_us;      /* when the file was seen to limit nothing; 0: it does */
        int64_t last_take_us; /* of those that were not counted */
};

struct unit {
        const char *name;
        int64_t ms;
};

/* The first name of a length is the one that is shown. */
static const struct unit units[] = {{"day", 86400000}, {"days", 86400000}, {"d", 86400000},
        {"h", 3600000}, {"hour", 3600000}, {"hours", 3600000}, {"min", 60000}, {"minute", 60000},
        {"minutes", 60000}, {"m", 60000}, {"s", 1000}, {"sec", 1000}, {"second", 1000},
        {"seconds", 1000}, {"ms", 1}};

static const struct unit *find_unit(struct str name)
{
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
                if (str_is(name, units[i].name))
                        return &units[i];
        return NULL;
}

/* "5min": the number is 1 where there is none. */
static bool parse_window(struct str text, int64_t *ms)
{
        size_t digits = 0;
        int64_t n = 1;

        while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
                digits++;
        if (digits && !str_to_int64((struct str){text.ptr, digits}, &n))
                return false;
        const struct unit *u =
                find_unit(str_trim((struct str){text.ptr + digits, text.len - digits}));
        if (!u || n < 1 || n > MAX_WINDOW_MS / u->ms)
                return false;
        *ms = n * u->ms;
        return true;
}

bool rest_budget_parse(struct str text, struct rest_budget_spec *out)
{
        const char *slash = text.len ? memchr(text.ptr, '/', text.len) : NULL;
        struct rest_budget_spec spec;

        if (!slash)
                return false;
        struct str count = str_trim((struct str){text.ptr, (size_t)(slash - text.ptr)});
        struct str window =
                str_trim((struct str){slash + 1, (size_t)(text.ptr + text.len - slash - 1)});
        if (count.len == 0 || count.ptr[0] < '0' || count.ptr[0] > '9' ||
                !str_to_int64(count, &spec.count) || spec.count < 1 || spec.count > MAX_COUNT ||
                !parse_window(window, &spec.window_ms))
                return false;
        *out = spec;
        return true;
}

/* As rest_budget_parse() takes it. */
static void put_name(const struct rest_budget_spec *s, char *out, size_t size)
{
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
                int64_t n = s->window_ms / units[i].ms;
                if (s->window_ms % units[i].ms)
                        continue;
                if (n == 1)
                        snprintf(out, size, "%lld/%s", (long long)s->count, units[i].name);
                else
                        snprintf(out, size, "%lld/%lld%s", (long long)s->count, (long long)n,
                                units[i].name);
                return;
        }
}

int rest_budget_open(
        const struct rest_options *o, const char *folder, struct rest_budget **out, struct err *e)
{
        char name[32] = "";
        struct rest_budget *b = calloc(1, sizeof(*b));

        if (!b)
                return err_nomem(e, "budgets");
        b->options = o;
        for (size_t i = 0; i < o->budget_count; i++)
                put_name(&o->budgets[i], b->names[i], sizeof(b->names[i]));
        put_name(&o->errors, name, sizeof(name));
        snprintf(b->error_name, sizeof(b->error_name), "error_limit %s", name);
        int rc = budget_file_open(folder, &b->file, e);
        if (rc < 0) {
                free(b);
                return err_wrap(e, rc, "budget of requests");
        }
        *out = b;
        return 0;
}

struct rest_budget *rest_budget_close(struct rest_budget *b)
{
        if (b)
                budget_file_close(b->file);
        free(b);
        return NULL;
}

static void tell(struct rest_budget *b)
{
        const char *trouble = b->log ? budget_file_trouble(b->file) : NULL;

        if (trouble)
                log_warn(b->log, "%s", trouble);
}

void rest_budget_log(struct rest_budget *b, const struct log *log)
{
        b->log = log;
        tell(b);
}

static void set_back(struct budget_counts *c, int64_t us)
{
        c->last_us -= us;
        c->last_take_us -= c->last_take_us ? us : 0;
        c->refused_until_us -= us;
        c->server_reset_us -= us;
        for (uint32_t i = 0; i < c->window_count; i++)
                budget_window_shift(&c->windows[i], us);
}

/* The counts, and the time to go by. @dirty: they have to be stored whatever comes. */
static struct budget_counts *enter(struct rest_budget *b, int64_t *now_us, bool *dirty)
{
        struct budget_counts *c = budget_file_load(b->file);
        int64_t behind_us = c->last_us - *now_us;

        tell(b);
        *dirty = behind_us > CLOCK_SLACK;
        if (*dirty)
                set_back(c, behind_us);
        else if (behind_us > 0)
                *now_us = c->last_us;
        c->last_us = *now_us;
        if (b->last_take_us > c->last_take_us && b->last_take_us <= *now_us)
                c->last_take_us = b->last_take_us;
        b->free_us = 0;
        return c;
}

static void leave(struct rest_budget *b, bool dirty)
{
        if (dirty) {
                budget_file_store(b->file);
                tell(b);
        } else {
                budget_file_leave(b->file);
        }
}

static const struct rest_budget_spec *spec_of(
        const struct rest_options *o, const struct budget_window *w)
{
        if (w->kind == BUDGET_ERRORS)
                return o->errors.count > 0 && o->errors.window_ms * US_PER_MS == w->window_us
                               ? &o->errors
                               : NULL;
        for (size_t i = 0; i < o->budget_count; i++)
                if (o->budgets[i].window_ms * US_PER_MS == w->window_us)
                        return &o->budgets[i];
        return NULL;
}

/* A place for a new window: the first that nobody here knows, or one more. Ours are at most
 * BUDGET_WINDOWS, so there is one. */
static struct budget_window *place(const struct rest_options *o, struct budget_counts *c)
{
        if (c->window_count < BUDGET_WINDOWS)
                return &c->windows[c->window_count++];
        for (uint32_t i = 0; i < c->window_count; i++)
                if (!spec_of(o, &c->windows[i]))
                        return &c->windows[i];
        return NULL;
}

/* The window that counts for @spec, made when missing. */
static struct budget_window *window_of(const struct rest_options *o, struct budget_counts *c,
        const struct rest_budget_spec *spec, enum budget_kind kind)
{
        int64_t window_us = spec->window_ms * US_PER_MS;

        for (uint32_t i = 0; i < c->window_count; i++)
                if (c->windows[i].kind == kind && c->windows[i].window_us == window_us)
                        return &c->windows[i];
        struct budget_window *w = place(o, c);
        if (w)
                *w = (struct budget_window){.kind = kind, .window_us = window_us};
        return w;
}

struct due {
        int64_t us;
        const char *why;
};

static void wait_for(struct due *due, int64_t us, const char *why)
{
        if (us > due->us)
                *due = (struct due){us, why};
}

static void ask_windows(
        struct rest_budget *b, struct budget_counts *c, int64_t now_us, struct due *due)
{
        const struct rest_options *o = b->options;
        struct budget_window *w;

        for (size_t i = 0; i < o->budget_count; i++) {
                w = window_of(o, c, &o->budgets[i], BUDGET_REQUESTS);
                if (w)
                        wait_for(due, budget_window_due(w, o->budgets[i].count, now_us),
                                b->names[i]);
        }
        w = o->errors.count > 0 ? window_of(o, c, &o->errors, BUDGET_ERRORS) : NULL;
        if (w)
                wait_for(due, budget_window_free_at(w, o->errors.count, now_us), b->error_name);
}

static void ask_server(const struct budget_counts *c, int64_t now_us, struct due *due)
{
        static const char limit[] = "the server's own limit";

        wait_for(due, c->refused_until_us, "the server asked to wait");
        if (c->server_reset_us <= now_us || c->server_left > FEW_LEFT)
                return;
        if (c->server_left <= 0)
                wait_for(due, c->server_reset_us, limit);
        else if (c->last_take_us)
                wait_for(due,
                        c->last_take_us +
                                (c->server_reset_us - c->last_take_us) / (c->server_left + 1),
                        limit);
}

static void count_request(const struct rest_options *o, struct budget_counts *c, int64_t now_us)
{
        for (uint32_t i = 0; i < c->window_count; i++) {
                struct budget_window *w = &c->windows[i];
                const struct rest_budget_spec *spec = spec_of(o, w);
                if (w->kind != BUDGET_REQUESTS)
                        continue;
                budget_window_used(w, now_us);
                budget_window_add(w, spec ? spec->count : MAX_COUNT, now_us);
        }
        if (c->server_left > 0)
                c->server_left--;
        c->last_take_us = now_us;
}

static bool is_free(const struct budget_counts *c, int64_t now_us)
{
        return c->window_count == 0 && c->server_reset_us <= now_us;
}

/* It was looked at a moment ago. */
static bool is_known_free(const struct rest_budget *b, int64_t now_us)
{
        return b->free_us && now_us >= b->free_us && now_us - b->free_us < LOOK_US;
}

int rest_budget_take(
        struct rest_budget *b, int64_t now_us, int64_t *wait_ms, const char **why, struct err *e)
{
        bool dirty;

        if (is_known_free(b, now_us)) {
                b->last_take_us = now_us;
                *wait_ms = 0;
                *why = NULL;
                return 0;
        }
        struct budget_counts *c = enter(b, &now_us, &dirty);
        struct due due = {now_us, NULL};

        (void)e;
        ask_windows(b, c, now_us, &due);
        ask_server(c, now_us, &due);
        *wait_ms = (due.us - now_us + US_PER_MS - 1) / US_PER_MS;
        *why = due.why;
        if (*wait_ms == 0 && is_free(c, now_us)) {
                b->free_us = b->last_take_us = now_us;
        } else if (*wait_ms == 0) {
                count_request(b->options, c, now_us);
                dirty = true;
        }
        leave(b, dirty);
        return 0;
}

int rest_budget_refuse(struct rest_budget *b, int64_t now_us, int64_t wait_ms, struct err *e)
{
        bool dirty;

        (void)e;
        if (wait_ms <= 0)
                return 0;
        struct budget_counts *c = enter(b, &now_us, &dirty);
        int64_t wait_us = wait_ms < MAX_WAIT_US / US_PER_MS ? wait_ms * US_PER_MS : MAX_WAIT_US;
        if (now_us + wait_us > c->refused_until_us) {
                c->refused_until_us = now_us + wait_us;
                dirty = true;
        }
        leave(b, dirty);
        return 0;
}

/* Replies overtake each other, and requests that are under way are not in them yet: within one
 * period of the server's the smaller number counts. */
int rest_budget_note(
        struct rest_budget *b, int64_t now_us, int64_t remaining, int64_t reset_us, struct err *e)
{
        bool dirty;

        (void)e;
        if (remaining < 0)
                return 0;
        struct budget_counts *c = enter(b, &now_us, &dirty);
        if (reset_us > now_us + MAX_WAIT_US)
                reset_us = now_us + MAX_WAIT_US;
        int64_t apart_us = reset_us - c->server_reset_us;
        bool same =
                c->server_reset_us > now_us && apart_us <= CLOCK_SLACK && apart_us >= -CLOCK_SLACK;
        if (reset_us > now_us && same && remaining < c->server_left) {
                c->server_left = remaining;
                dirty = true;
        } else if (reset_us > now_us && !same) {
                c->server_left = remaining;
                c->server_reset_us = reset_us;
                dirty = true;
        }
        leave(b, dirty);
        return 0;
}

static int error_budget_spent(const struct rest_budget *b, int64_t until_us, struct err *e)
{
        char until[CLOCK_RFC3339_MAX];

        return err_set(e, ERR_RETRY,
                "%s is spent: no request goes out before %s; look at the errors before, mend what "
                "causes them, or raise error_limit where the server allows more",
                b->error_name, clock_rfc3339(until_us, until));
}

int rest_budget_error(struct rest_budget *b, int64_t now_us, struct err *e)
{
        const struct rest_budget_spec *limit = &b->options->errors;
        bool dirty;

        if (limit->count <= 0)
                return 0;
        struct budget_counts *c = enter(b, &now_us, &dirty);
        struct budget_window *w = window_of(b->options, c, limit, BUDGET_ERRORS);
        int64_t until_us = now_us;
        if (w) {
                budget_window_used(w, now_us);
                budget_window_add(w, limit->count, now_us);
                until_us = budget_window_free_at(w, limit->count, now_us);
        }
        leave(b, true);
        return until_us > now_us ? error_budget_spent(b, until_us, e) : 0;
}
