/*
 * Loading and checking take place on a thread; what must hold for a service that runs is compared
 * there, too. The swap is one call on the service's thread: everything that it needs is there
 * before anything is changed, so that it cannot fail half way.
 *
 * Who asks while a reload is under way may mean files that it has read already: for those there is
 * another one after it.
 */
#include "ingest/serve/service_internal.h"

#include <string.h>

#include "ingest/base/clock.h"
#include "ingest/pipeline/static_check.h"

#define FINDINGS_ARENA ((size_t)4 << 20)

struct reload_wish {
        void (*on_done)(void *ctx, int rc, const struct err *e);
        void *ctx;
        struct reload_wish *next;
};

struct reload {
        struct work work;
        struct service *service;
        struct shared_config *before;
        bool read_states; /* no run of a mapper is under way that the configuration has not */
        struct reload_wish *wishes; /* owned */

        struct config *config; /* owned; what was loaded */
        struct scheduler_past *past;
        int rc;
        struct err err;
};

/* ---- on the thread ---- */

static void on_problem(void *ctx, const char *file, const struct err *e)
{
        const struct reload *r = ctx;

        (void)file;
        log_error(r->service->log, "%s", e->text);
}

static int same_text(const char *was, const char *is, const char *what, struct err *e)
{
        if (strcmp(was, is) == 0)
                return 0;
        return err_set(e, ERR_CONFIG,
                "%s is now %s, and was %s: that takes a restart of the service", what, is, was);
}

static int check_restart(const struct config *was, const struct config *is, struct err *e)
{
        int rc = same_text(was->http.listen, is->http.listen, "http.listen", e);

        rc = rc ? rc : same_text(was->state_dir, is->state_dir, "state_dir", e);
        return rc ? err_wrap(e, rc, "%s", is->path) : 0;
}

static int check_mapper(const struct reload *r, const struct config_mapper *m, struct err *e)
{
        cleanup_(arena_freep) struct arena *arena = arena_new(FINDINGS_ARENA);
        struct findings found = {.arena = arena};

        if (!arena)
                return err_nomem(e, "checks");
        int rc = static_check_mapper(m, NULL, &found, e);
        for (size_t i = 0; !rc && i < found.count; i++) {
                const struct finding *f = &found.list[i];
                if (f->level == FINDING_ERROR)
                        rc = err_set(e, ERR_CONFIG, "%s:%d:%d: %s", f->file, f->line, f->column,
                                f->message);
        }
        return rc;
}

/* The scheduler knows those that it has; and their state may be open in a run. */
static void read_past(
        const struct reload *r, const struct config_mapper *mapper, struct scheduler_past *out)
{
        const struct config_mapper *known;
        struct status status;

        out->paused = pause_read(r->config, mapper->spec->name);
        if (!r->read_states ||
                config_mapper(r->before->config, mapper->spec->name, &known, NULL) == 0)
                return;
        facts_read(r->config, mapper, r->service->log, out, &status);
        status_deinit(&status);
}

static int load(struct reload *r, struct err *e)
{
        int rc = config_load_all(r->service->config_path, on_problem, r, &r->config, e);

        rc = rc ? rc : check_restart(r->before->config, r->config, e);
        for (size_t i = 0; !rc && i < r->config->mapper_count; i++)
                rc = check_mapper(r, &r->config->mappers[i], e);
        if (rc)
                return rc;
        r->past = calloc(r->config->mapper_count + 1, sizeof(*r->past));
        if (!r->past)
                return err_nomem(e, "mappers");
        for (size_t i = 0; i < r->config->mapper_count; i++)
                read_past(r, &r->config->mappers[i], &r->past[i]);
        return 0;
}

static void reload_thread(struct work *w, struct loop *loop)
{
        struct reload *r = (struct reload *)w;

        (void)loop;
        r->rc = load(r, &r->err);
}

/* ---- the swap ---- */

/* What is to take the places of those in the service. */
struct swap {
        struct shared_config *config;
        struct scheduler *scheduler;
        struct served **served, **gone;
        size_t count; /* of served */
};

static struct served *find(struct served **list, size_t count, const char *name)
{
        for (size_t i = 0; i < count; i++)
                if (strcmp(list[i]->name, name) == 0)
                        return list[i];
        return NULL;
}

static int prepare(struct service *s, struct reload *r, struct swap *w, struct err *e)
{
        size_t count = r->config->mapper_count;

        w->config = calloc(1, sizeof(*w->config));
        w->served = calloc(count + 1, sizeof(struct served *));
        w->gone = calloc(s->gone_count + s->served_count + 1, sizeof(struct served *));
        if (!w->config || !w->served || !w->gone)
                return err_nomem(e, "mappers");
        for (; w->count < count; w->count++) {
                const char *name = r->config->mappers[w->count].spec->name;
                struct served *m = find(s->served, s->served_count, name);
                m = m ? m : find(s->gone, s->gone_count, name);
                m = m ? m : served_new(name);
                if (!m)
                        return err_nomem(e, "mappers");
                w->served[w->count] = m;
        }
        return scheduler_new(
                r->config, r->past, wall_ms(), (uint64_t)clock_wall_us(), &w->scheduler, e);
}

static void undo(struct service *s, struct swap *w)
{
        for (size_t i = 0; i < w->count; i++) {
                const char *name = w->served[i]->name;
                if (!find(s->served, s->served_count, name) && !find(s->gone, s->gone_count, name))
                        served_free(w->served[i]);
        }
        free(w->config);
        free(w->served);
        free(w->gone);
        scheduler_free(w->scheduler);
}

/* Those of @list that are not in the new configuration: kept while somebody needs them. */
static size_t retire(
        struct served **list, size_t count, const struct swap *w, struct served **gone, size_t at)
{
        for (size_t i = 0; i < count; i++) {
                struct served *m = list[i];
                if (find(w->served, w->count, m->name))
                        continue;
                m->is_gone = true;
                if (m->users)
                        gone[at++] = m;
                else
                        served_free(m);
        }
        return at;
}

static void commit(struct service *s, struct reload *r, struct swap *w)
{
        size_t gone = retire(s->gone, s->gone_count, w, w->gone, 0);

        gone = retire(s->served, s->served_count, w, w->gone, gone);
        scheduler_inherit(w->scheduler, s->scheduler);
        for (size_t i = 0; i < w->count; i++) {
                struct served *m = w->served[i];
                bool was_gone = m->is_gone;
                m->index = i;
                m->is_gone = false;
                /* The old scheduler knew nothing of it. */
                if (was_gone && (m->running || m->is_read || m->is_held))
                        (void)scheduler_hold(w->scheduler, i);
        }
        scheduler_free(s->scheduler);
        free(s->served);
        free(s->gone);
        *w->config = (struct shared_config){.config = TAKE(r->config), .users = 1};
        shared_config_leave(s->current);
        s->current = w->config;
        configured(s);
        s->scheduler = w->scheduler;
        s->served = w->served;
        s->served_count = w->count;
        s->gone = w->gone;
        s->gone_count = gone;
}

static int swap(struct service *s, struct reload *r, struct err *e)
{
        struct swap w = {.count = 0};
        int rc = prepare(s, r, &w, e);

        if (rc) {
                undo(s, &w);
                return rc;
        }
        commit(s, r, &w);
        requests_reload(s);
        s->listen_again = true;
        facts_want_all(s);
        if (s->options.on_config)
                s->options.on_config(s->options.ctx, current_config(s));
        return 0;
}

/* ---- back ---- */

static void answer(struct reload *r)
{
        while (r->wishes) {
                struct reload_wish *w = r->wishes;
                r->wishes = w->next;
                if (w->on_done)
                        w->on_done(w->ctx, r->rc, &r->err);
                free(w);
        }
}

static void tell(struct service *s, const struct reload *r)
{
        if (r->rc == 0) {
                replace_text(&s->reload_trouble, NULL);
                log_info(s->log, "reloaded %s: %zu mapper%s", current_config(s)->path,
                        s->served_count, s->served_count == 1 ? "" : "s");
                return;
        }
        cleanup_buf_ struct buf text = BUF_INIT(2 * ERR_TEXT_MAX);
        buf_printf(&text, "the reload was refused, all goes on as before: %s", r->err.text);
        replace_text(&s->reload_trouble, buf_cstr(&text));
        log_error(s->log, "%s", s->reload_trouble ? s->reload_trouble : r->err.text);
}

static void free_reload(struct reload *r)
{
        config_free(r->config);
        free(r->past);
        shared_config_leave(r->before);
        free(r);
}

static void reload_ended(struct work *w)
{
        struct reload *r = (struct reload *)w;
        struct service *s = r->service;

        s->reload = NULL;
        if (s->is_stopping && !r->rc)
                r->rc = err_set(&r->err, ERR_CANCEL, "the service is stopping");
        if (!r->rc)
                r->rc = swap(s, r, &r->err);
        if (!s->is_stopping)
                tell(s, r);
        answer(r);
        free_reload(r);
        watch_changed(s);
        service_later(s);
}

/* ---- asked ---- */

int service_reload(struct service *s, void (*on_done)(void *ctx, int rc, const struct err *e),
        void *ctx, struct err *e)
{
        if (s->is_stopping)
                return err_set(e, ERR_CANCEL, "the service is stopping");
        struct reload_wish *w = calloc(1, sizeof(*w));
        if (!w)
                return err_nomem(e, "a reload");
        *w = (struct reload_wish){.on_done = on_done, .ctx = ctx, .next = s->reload_wishes};
        s->reload_wishes = w;
        service_later(s);
        return 0;
}

void reload_pump(struct service *s)
{
        if (s->reload || !s->reload_wishes)
                return;
        struct reload *r = calloc(1, sizeof(*r));
        struct err e;
        if (!r)
                return; /* with the next look */
        *r = (struct reload){.work = {.run = reload_thread, .ended = reload_ended},
                .service = s,
                .before = shared_config_use(s->current),
                .read_states = s->gone_count == 0,
                .wishes = TAKE(s->reload_wishes)};
        s->reload = r;
        int rc = work_start(&r->work, s->loop, &e);
        if (!rc)
                return; /* r->rc is the thread's now */
        r->rc = rc;
        r->err = e;
        reload_ended(&r->work);
}

void reload_stop(struct service *s)
{
        struct err e;

        err_set(&e, ERR_CANCEL, "the service is stopping");
        struct reload_wish *w = TAKE(s->reload_wishes);
        while (w) {
                struct reload_wish *next = w->next;
                if (w->on_done)
                        w->on_done(w->ctx, -ERR_CANCEL, &e);
                free(w);
                w = next;
        }
}
