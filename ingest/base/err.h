/*
 * err.h: the one error type.
 *
 * A fallible function returns 0, or a positive named outcome its header documents, or
 * -CLASS of the error it put into its last parameter. The class decides what happens
 * (retry, reject, stop); the text is for people only and is never parsed. The origin calls
 * err_set() once; every layer that knows more adds one err_wrap() with nouns, so that the text
 * reads from the outermost action to the cause:
 *
 *     mapper product: POST http://couch:5984/catalog/_bulk_docs: connect: Connection refused
 *
 * An error that an operator can mend ends with what to do. Fixed size, no allocation, any
 * thread. Library code never logs what it returns.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

enum err_class {
        ERR_NONE = 0,
        ERR_RETRY,  /* unavailable now: network, 429, 5xx, serialization failure; exit 69 */
        ERR_REJECT, /* this record is bad, the run goes on */
        ERR_CONFIG, /* the operator must change something: files, rights, names; exit 78 */
        ERR_CANCEL, /* shutdown was asked for; exit 130 or 143 */
        ERR_NOMEM,  /* out of memory; exit 70 */
        ERR_BUG,    /* cannot happen; exit 70 */
        ERR_SYSTEM, /* this machine failed: disk full, I/O error; exit 70 */
        ERR_GUARD,  /* a guard refused: delete brake, too many rejects; exit 77 */
        ERR_LOCKED, /* another run holds the lock; exit 75 */
        ERR_USAGE,  /* wrong command line; exit 64 */
        ERR_CLASSES
};

#define ERR_TEXT_MAX 1024 /* longer texts are cut in the middle: both ends matter */

struct err {
        enum err_class class;
        int code;         /* errno or HTTP status, 0 when neither */
        char sqlstate[6]; /* of a database error, else "" */
        const char *file; /* where err_set() was called */
        int line;
        char text[ERR_TEXT_MAX];
};

/** err_set() - fill @e (may be NULL) at the origin of a failure
 * @class: decides what happens next      @fmt: what went wrong and what to do
 * Return: -@class, so that callers write `return err_set(e, ERR_CONFIG, ...)`. */
#define err_set(e, class, ...) err_set_at((e), (class), 0, __FILE__, __LINE__, __VA_ARGS__)

/** err_set_code() - err_set() with an errno or HTTP status */
#define err_set_code(e, class, code, ...)                                                          \
        err_set_at((e), (class), (code), __FILE__, __LINE__, __VA_ARGS__)

/** err_set_errno() - err_set() for a failed system call: adds ": strerror(errnum)"
 * ENOMEM becomes ERR_NOMEM whatever @class says. */
#define err_set_errno(e, class, errnum, ...)                                                       \
        err_set_errno_at((e), (class), (errnum), __FILE__, __LINE__, __VA_ARGS__)

int err_set_at(struct err *e, enum err_class class, int code, const char *file, int line,
        const char *fmt, ...) __attribute__((format(printf, 6, 7)));
int err_set_errno_at(struct err *e, enum err_class class, int errnum, const char *file, int line,
        const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/** err_nomem() - the error of a failed allocation; @what names what it was for */
int err_nomem(struct err *e, const char *what);

/** err_wrap() - put "@fmt: " before the text of @e (may be NULL)
 * @rc: the value that is being returned
 * Return: @rc. */
int err_wrap(struct err *e, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/** err_hint() - append "; @fmt" to the text: what the operator can do about it
 * Return: @rc. */
int err_hint(struct err *e, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/** err_class_name() - "retry", "config", ...: for logs and debug output */
const char *err_class_name(enum err_class class);
