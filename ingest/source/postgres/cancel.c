/*
 * The thread and the loop share one request with two references and an eventfd; the last one to
 * let go frees it.
 */
#include "ingest/source/postgres/cancel.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

struct request {
        PGcancel *cancel; /* owned */
        int fd;           /* owned: readable when the server was asked */
        atomic_int references;
};

struct pg_cancel {
        struct request *request; /* one reference */
        struct loop_fd *watch;
        loop_fn fn;
        void *ctx;
};

static void drop(struct request *r)
{
        if (atomic_fetch_sub(&r->references, 1) > 1)
                return;
        if (r->cancel)
                PQfreeCancel(r->cancel);
        if (r->fd >= 0)
                close(r->fd);
        free(r);
}

static void *ask(void *ctx)
{
        static const uint64_t one = 1;
        struct request *r = ctx;
        char message[256];

        /* Best effort: a server that cannot be asked notices the closed connection. */
        (void)PQcancel(r->cancel, message, sizeof(message));
        while (write(r->fd, &one, sizeof(one)) < 0 && errno == EINTR)
                ;
        drop(r);
        return NULL;
}

static void on_asked(void *ctx, bool readable, bool writable)
{
        struct pg_cancel *c = ctx;

        (void)readable;
        (void)writable;
        loop_fd_set(c->watch, false, false);
        c->fn(c->ctx);
}

/* Signals belong to the threads that wait for them. */
static int start_thread(struct request *r, struct err *e)
{
        sigset_t all, before;
        pthread_t thread;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        atomic_fetch_add(&r->references, 1);
        int errnum = pthread_create(&thread, NULL, ask, r);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (errnum) {
                drop(r);
                return err_set_errno(e, ERR_SYSTEM, errnum, "cancel a query: start a thread");
        }
        pthread_detach(thread);
        return 0;
}

int pg_cancel_start(
        PGconn *pg, struct loop *loop, loop_fn fn, void *ctx, struct pg_cancel **out, struct err *e)
{
        cleanup_(pg_cancel_freep) struct pg_cancel *c = calloc(1, sizeof(*c));
        struct request *r = calloc(1, sizeof(*r));

        if (!c || !r) {
                free(r);
                return err_nomem(e, "cancelling a query");
        }
        *c = (struct pg_cancel){.request = r, .fn = fn, .ctx = ctx};
        atomic_init(&r->references, 1);
        r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r->cancel = PQgetCancel(pg);
        if (r->fd < 0)
                return err_set_errno(e, ERR_SYSTEM, errno, "cancel a query: eventfd");
        if (!r->cancel)
                return err_nomem(e, "cancelling a query");
        int rc = loop_fd_new(loop, r->fd, on_asked, c, &c->watch, e);
        if (rc)
                return rc;
        loop_fd_set(c->watch, true, false);
        rc = start_thread(r, e);
        if (rc)
                return rc;
        *out = TAKE(c);
        return 0;
}

struct pg_cancel *pg_cancel_free(struct pg_cancel *c)
{
        if (!c)
                return NULL;
        loop_fd_free(c->watch);
        if (c->request)
                drop(c->request);
        free(c);
        return NULL;
}
