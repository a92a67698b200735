/*
 * A connection that is closed while the client still sends is reset by the kernel, and the reply
 * may be lost with it: whoever sends 20 MB would see "connection reset" where we said 413. So a
 * second descriptor keeps the socket open when evhttp closes its own (which ends our half of it),
 * and what comes is read and forgotten, for some seconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "ingest/loop/http_server_internal.h"

#define LINGER_MS    3000       /* a client that reads at all has seen the reply by then */
#define LINGER_BYTES (64 << 20) /* that are read at the most */
#define LINGER_MAX   64         /* at a time: beyond it, connections are reset */
#define READ_SIZE    (64 << 10)
#define READS        16 /* in a turn of the loop, so that one does not hold up the others */

struct http_linger {
        struct http_server *server;
        struct event *event;
        int fd;
        int64_t until_ms;
        size_t bytes;
        struct http_linger *prev, *next;
};

static void linger_free(struct http_linger *l)
{
        struct http_server *s = l->server;

        if (l->next)
                l->next->prev = l->prev;
        if (l->prev)
                l->prev->next = l->next;
        else
                s->lingers = l->next;
        s->linger_count--;
        event_free(l->event);
        close(l->fd);
        free(l);
}

static void arm(struct http_linger *l)
{
        int64_t wait = l->until_ms - loop_now_ms(l->server->loop);

        event_add(
                l->event, &(struct timeval){.tv_sec = wait / 1000, .tv_usec = wait % 1000 * 1000});
}

/* Return: whether more may come. */
static bool forget_some(struct http_linger *l)
{
        char bytes[READ_SIZE];
        ssize_t n = 1;

        for (int i = 0; i < READS && n > 0; i++) {
                n = recv(l->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
                l->bytes += n > 0 ? (size_t)n : 0;
        }
        return (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR))) && l->bytes < LINGER_BYTES;
}

static void on_event(evutil_socket_t fd, short what, void *ctx)
{
        struct http_linger *l = ctx;

        (void)fd;
        if ((what & EV_TIMEOUT) || !forget_some(l) || loop_now_ms(l->server->loop) >= l->until_ms)
                linger_free(l);
        else
                arm(l);
}

void http_linger_begin(struct http_server *s, int fd)
{
        struct http_linger *l = s->linger_count < LINGER_MAX ? calloc(1, sizeof(*l)) : NULL;

        if (!l)
                return;
        *l = (struct http_linger){.server = s,
                .fd = fcntl(fd, F_DUPFD_CLOEXEC, 0),
                .until_ms = loop_now_ms(s->loop) + LINGER_MS};
        if (l->fd >= 0)
                l->event = event_new(loop_base(s->loop), l->fd, EV_READ, on_event, l);
        if (!l->event) {
                if (l->fd >= 0)
                        close(l->fd);
                free(l);
                return;
        }
        l->next = s->lingers;
        if (l->next)
                l->next->prev = l;
        s->lingers = l;
        s->linger_count++;
        arm(l);
}

void http_linger_free_all(struct http_server *s)
{
        while (s->lingers)
                linger_free(s->lingers);
}
