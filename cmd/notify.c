#include "cmd/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ingest/base/log_line.h"
#include "ingest/base/str.h"

#define FIRST_FD    3 /* SD_LISTEN_FDS_START */
#define MESSAGE_MAX 1024
#define STATUS_MAX  (MESSAGE_MAX - 64) /* other lines stand before it */

struct notify {
        int fd;
        struct sockaddr_un address;
        socklen_t address_len;
};

/* "/run/..." or "@..." of the abstract name space. */
static bool put_address(struct notify *n, const char *name)
{
        size_t len = name ? strlen(name) : 0;

        if (len < 2 || (name[0] != '/' && name[0] != '@') || len >= sizeof(n->address.sun_path))
                return false;
        n->address.sun_family = AF_UNIX;
        memcpy(n->address.sun_path, name, len);
        if (name[0] == '@')
                n->address.sun_path[0] = '\0';
        n->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
        return true;
}

struct notify *notify_new(void)
{
        struct notify *n = calloc(1, sizeof(*n));

        if (!n || !put_address(n, getenv("NOTIFY_SOCKET"))) {
                free(n);
                return NULL;
        }
        n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (n->fd >= 0)
                return n;
        free(n);
        return NULL;
}

struct notify *notify_free(struct notify *n)
{
        if (n) {
                close(n->fd);
                free(n);
        }
        return NULL;
}

void notify_send(const struct notify *n, const char *fmt, ...)
{
        char text[MESSAGE_MAX];
        va_list ap;

        if (!n)
                return;
        va_start(ap, fmt);
        int len = vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        if (len < 0)
                return;
        size_t size = (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1;
        (void)sendto(n->fd, text, size, MSG_NOSIGNAL, (const struct sockaddr *)&n->address,
                n->address_len);
}

void notify_status(const struct notify *n, const char *before, const char *text)
{
        struct log_line line = {.len = 0};

        log_line_escape(&line, text, LOG_ESCAPE_TEXT, STATUS_MAX);
        notify_send(n, "%sSTATUS=%.*s", before, (int)line.len, line.data);
}

static bool number_of(const char *name, int64_t *out)
{
        const char *text = getenv(name);

        return text && str_to_int64(str_of(text), out);
}

int64_t notify_watchdog_ms(void)
{
        int64_t us, pid;

        if (!number_of("WATCHDOG_USEC", &us) || us <= 0)
                return 0;
        if (getenv("WATCHDOG_PID") && (!number_of("WATCHDOG_PID", &pid) || pid != getpid()))
                return 0; /* that of a parent of ours */
        return us < 2000 ? 1 : us / 1000;
}

static bool is_listening(int fd)
{
        int value = 0;
        socklen_t len = sizeof(value);

        return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &len) == 0 && value;
}

int notify_listening_fd(int *fd, struct err *e)
{
        int64_t pid, count;
        bool is_ours = number_of("LISTEN_PID", &pid) && pid == getpid() &&
                       number_of("LISTEN_FDS", &count) && count > 0;

        unsetenv("LISTEN_PID");
        unsetenv("LISTEN_FDS");
        unsetenv("LISTEN_FDNAMES");
        *fd = -1;
        if (!is_ours)
                return 0;
        if (count > 1) /* whoever connects to the others would wait for ever */
                return err_set(e, ERR_CONFIG,
                        "the service manager gives %" PRId64
                        " sockets, and one is served: leave one ListenStream= in the socket unit",
                        count);
        if (!is_listening(FIRST_FD))
                return err_set(e, ERR_CONFIG,
                        "nobody can connect to the socket of the service manager: it needs "
                        "ListenStream= and Accept=no in the socket unit");
        fcntl(FIRST_FD, F_SETFD, FD_CLOEXEC);
        fcntl(FIRST_FD, F_SETFL, fcntl(FIRST_FD, F_GETFL) | O_NONBLOCK);
        *fd = FIRST_FD;
        return 0;
}
