/*
 * notify.h: what a service manager wants to know and gives, in its own protocol (sd_notify(3),
 * sd_listen_fds(3)): datagrams of NAME=VALUE lines to the socket that NOTIFY_SOCKET names.
 *
 * Spoken directly: it is small and stable, and so there is no library to have or not to have.
 * Without the variables nothing is sent and nothing is taken.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct notify;

/** notify_new() - Return: NULL: nobody wants to be told. */
struct notify *notify_new(void);
struct notify *notify_free(struct notify *n);

/** notify_send() - one message, "READY=1\nSTATUS=..."; @n may be NULL. What cannot be sent is lost,
 * as a manager that is busy is told again soon. */
void notify_send(const struct notify *n, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));

/** notify_watchdog_ms() - how often WATCHDOG=1 is expected at the latest; 0: it is not */
int64_t notify_watchdog_ms(void);

/** notify_listening_fd() - a socket that the manager listens on for us; -1: none
 * Taken once: the variables are removed. The descriptor is the caller's. */
int notify_listening_fd(void);
