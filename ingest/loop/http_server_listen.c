/*
 * A name can have several addresses (localhost has one of each family): all of them are listened
 * on, on one port.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "ingest/loop/http_server_internal.h"

#define BACKLOG  511 /* connections that the kernel accepts before us */
#define HOST_MAX 256

struct address {
        char host[HOST_MAX], port[8];
};

static int malformed(const char *text, struct err *e)
{
        return err_set(e, ERR_CONFIG,
                "listen \"%s\": write it as HOST:PORT, for example 127.0.0.1:8090 or [::1]:8090",
                text);
}

/* "HOST:PORT", "[V6]:PORT" */
static int split(const char *text, struct address *out, struct err *e)
{
        const char *colon = strrchr(text, ':');
        struct str host = {text, colon ? (size_t)(colon - text) : 0};
        int64_t port;

        if (!colon || !str_to_int64(str_of(colon + 1), &port) || port < 0 || port > 65535)
                return malformed(text, e);
        if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
                host = (struct str){host.ptr + 1, host.len - 2};
        else if (memchr(host.ptr, ':', host.len))
                return malformed(text, e);
        if (host.len == 0 || host.len >= HOST_MAX)
                return malformed(text, e);
        snprintf(out->host, sizeof(out->host), "%.*s", STR_ARG(host));
        snprintf(out->port, sizeof(out->port), "%d", (int)port);
        return 0;
}

int http_listen_port(const struct sockaddr_storage *a)
{
        if (a->ss_family == AF_INET)
                return ntohs(((const struct sockaddr_in *)a)->sin_port);
        if (a->ss_family == AF_INET6)
                return ntohs(((const struct sockaddr_in6 *)a)->sin6_port);
        return 0;
}

static int port_of(int fd)
{
        struct sockaddr_storage a = {0};
        socklen_t len = sizeof(a);

        return getsockname(fd, (struct sockaddr *)&a, &len) == 0 ? http_listen_port(&a) : 0;
}

static void set_port(struct sockaddr *a, int port)
{
        if (a->sa_family == AF_INET)
                ((struct sockaddr_in *)a)->sin_port = htons((uint16_t)port);
        else if (a->sa_family == AF_INET6)
                ((struct sockaddr_in6 *)a)->sin6_port = htons((uint16_t)port);
}

/* Return: the socket; -1 with errno. */
static int listen_on(const struct addrinfo *a)
{
        const int on = 1;
        int fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return -1;
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
                bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
                int saved = errno;
                close(fd);
                errno = saved;
                return -1;
        }
        return fd;
}

static int refused(const char *text, struct err *e)
{
        static const struct {
                int errnum;
                enum err_class class; /* what may pass by itself is no mistake of the file */
                const char *hint;
        } known[] = {{EADDRINUSE, ERR_RETRY,
                             "another process listens there; choose another port or stop it"},
                {EADDRNOTAVAIL, ERR_RETRY, "this machine does not have that address"},
                {EACCES, ERR_CONFIG, "ports below 1024 need CAP_NET_BIND_SERVICE"}};
        int errnum = errno;

        for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
                if (known[i].errnum == errnum) {
                        int rc = err_set_errno(e, known[i].class, errnum, "listen \"%s\"", text);
                        return err_hint(e, rc, "%s", known[i].hint);
                }
        return err_set_errno(e, ERR_CONFIG, errnum, "listen \"%s\"", text);
}

/* An address that the machine lacks (no IPv6) counts only where it is the only one. */
static int listen_all(
        const struct addrinfo *list, const char *text, int *fds, int *port, struct err *e)
{
        int count = 0;

        for (const struct addrinfo *a = list; a && count < HTTP_SERVER_MAX_LISTENERS;
                a = a->ai_next) {
                if (count > 0)
                        set_port(a->ai_addr, *port);
                int fd = listen_on(a);
                if (fd >= 0) {
                        fds[count++] = fd;
                        *port = port_of(fd);
                } else if (!a->ai_next && count == 0) {
                        return refused(text, e);
                } else if (errno != EADDRNOTAVAIL && errno != EAFNOSUPPORT) {
                        int rc = refused(text, e);
                        while (count > 0)
                                close(fds[--count]);
                        return rc;
                }
        }
        return count;
}

int http_listen(const char *address, int *fds, int *port, struct err *e)
{
        const struct addrinfo hints = {
                .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
        struct addrinfo *list = NULL;
        struct address a;
        int rc = split(address, &a, e);

        if (rc < 0)
                return rc;
        int why = getaddrinfo(a.host, a.port, &hints, &list);
        if (why != 0)
                return err_set(e, why == EAI_AGAIN ? ERR_RETRY : ERR_CONFIG, "listen \"%s\": %s",
                        address, gai_strerror(why));
        rc = listen_all(list, address, fds, port, e);
        freeaddrinfo(list);
        return rc;
}
