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

#include "ingest/base/err.h"

struct notify;

/** notify_new() - Return: NULL: nobody wants to be told. */
struct notify *notify_new(void);
struct notify *notify_free(struct notify *n);

/** notify_send() - one message of lines that are our own: "WATCHDOG=1"; @n may be NULL. What cannot
 * be sent is lost, as a manager that is busy is told again soon. */
void notify_send(const struct notify *n, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));

/** notify_status() - STATUS=@text behind the lines @before ("READY=1\n", or "")
 * @text may hold what servers say: it stays one line, is cut where it is too long for a message,
 * and is valid UTF-8, without which it would be dropped. */
void notify_status(const struct notify *n, const char *before, const char *text);

/** notify_watchdog_ms() - how often WATCHDOG=1 is expected at the latest; 0: it is not */
int64_t notify_watchdog_ms(void);

/** notify_listening_fd() - the socket that the manager listens on for us
 * Taken once: the variables are removed. @fd: the caller's; -1: none was given
 * Return: 0; -ERR_CONFIG several, or one that nobody can connect to. */
int notify_listening_fd(int *fd, struct err *e) __attribute__((warn_unused_result));
