/*
 * token.h: the tokens of a source, on disk.
 *
 * One file in the source's folder (0600), replaced whole and durably, and a lock file beside it.
 * Who holds the lock may get a new token; whoever waited for it reads what was stored meanwhile.
 * Reading needs no lock. Blocking (a few fsyncs); loop thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ingest/base/cleanup.h"
#include "ingest/base/err.h"
#include "ingest/base/str.h"

#define REST_TOKEN_MAX  (16 << 10) /* bytes of one token: what servers take in a header */
#define REST_TOKEN_HASH 65         /* SHA-256 in hexadecimal, with the NUL */

struct rest_token {
        char *access, *refresh;      /* owned; NULL: none */
        int64_t got_us, expires_us;  /* wall; expires_us 0: it did not say */
        char chain[REST_TOKEN_HASH]; /* of the configured refresh token that the chain began with */
        char config[REST_TOKEN_HASH]; /* of all that the access token was asked for with */
};

/** rest_token_clear() - frees what it owns; no byte of it stays in memory */
void rest_token_clear(struct rest_token *t);

/** rest_token_set() - @field takes a copy of @value. Return: 0; -ERR_NOMEM. */
int rest_token_set(char **field, struct str value, struct err *e)
        __attribute__((warn_unused_result));

/** rest_token_hash() - of @count texts, each with its length; NULL is a text of its own */
void rest_token_hash(const char *const *texts, size_t count, char out[REST_TOKEN_HASH]);

struct rest_token_store;

/** rest_token_store_open() - nothing is made or read yet */
int rest_token_store_open(const char *folder, struct rest_token_store **out, struct err *e)
        __attribute__((warn_unused_result));
struct rest_token_store *rest_token_store_close(struct rest_token_store *s); /* unlocks */
DEFINE_CLEANUP(struct rest_token_store *, rest_token_store_close);

#define REST_TOKEN_BUSY 1

/** rest_token_lock() - does not wait; the folder is made when missing
 * Return: 0 ours (it may have been already); REST_TOKEN_BUSY; -ERR_CONFIG no right to the folder;
 * -ERR_SYSTEM. */
int rest_token_lock(struct rest_token_store *s, struct err *e) __attribute__((warn_unused_result));
void rest_token_unlock(struct rest_token_store *s);

#define REST_TOKEN_ABSENT  1
#define REST_TOKEN_DAMAGED 2

/** rest_token_read() - what is stored
 * @out: cleared first. Return: 0; REST_TOKEN_ABSENT; REST_TOKEN_DAMAGED; -ERR_CONFIG; -ERR_NOMEM.
 */
int rest_token_read(struct rest_token_store *s, struct rest_token *out, struct err *e)
        __attribute__((warn_unused_result));

/** rest_token_reserve() - under the lock, before a token is asked for: room on the disk, and the
 * right to write, so that what comes can be kept. Return: 0; -ERR_CONFIG; -ERR_SYSTEM. */
int rest_token_reserve(struct rest_token_store *s, struct err *e)
        __attribute__((warn_unused_result));

/** rest_token_write() - under the lock; when it returns 0, @t survives a power cut
 * Return: 0; -ERR_CONFIG; -ERR_SYSTEM; -ERR_NOMEM: what was stored before is still there. */
int rest_token_write(struct rest_token_store *s, const struct rest_token *t, struct err *e)
        __attribute__((warn_unused_result));

/** rest_token_path() - of the file, for messages */
const char *rest_token_path(const struct rest_token_store *s);
