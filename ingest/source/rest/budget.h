/*
 * budget.h: how many requests a source may get, and when the next one may go out.
 *
 * Several budgets at once (second, minute, day), an error budget (some APIs block a key after ten
 * errors an hour), and what the server says of its own limit (RateLimit-*, X-RateLimit-*,
 * Retry-After). The counts are shared by all mappers, threads and processes that use the source:
 * they stand in one small file under a lock, so that cron's next run knows what the day has left.
 * Pure but for that file; times are given. A take costs a few microseconds, and next to nothing
 * where nothing limits the source: then what another process is told to wait is seen 10 ms later.
 *
 * The scheme: sliding windows (budget_window.h). No window of a budget's length, wherever it
 * begins, ever holds more requests than the budget has. Nine tenths of a budget may go out at once;
 * the last tenth is spread until the oldest requests leave the window, so that one long read does
 * not shut out short ones for the rest of a window. Jitter is the caller's.
 *
 * A clock that goes back frees nothing and holds nothing for ever: what happened keeps its age.
 * What a server asks for is obeyed for a day at most; then it is asked again.
 */
#pragma once

#include "ingest/base/err.h"
#include "ingest/base/log.h"
#include "ingest/source/rest/options.h"

struct rest_budget;

/** rest_budget_open() - @folder: of the source, made when missing (0700); NULL: counts of this
 * object alone. @o outlives it. Not to be shared by threads, nor kept over fork(): each opens its
 * own.
 * Return: 0; -ERR_CONFIG no right to the folder; -ERR_SYSTEM; -ERR_NOMEM. A file that is damaged is
 * begun anew; where the disk is full or fails, counts are kept in memory: rest_budget_log(). */
int rest_budget_open(const struct rest_options *o, const char *folder, struct rest_budget **out,
        struct err *e) __attribute__((warn_unused_result));
struct rest_budget *rest_budget_close(struct rest_budget *b);
DEFINE_CLEANUP(struct rest_budget *, rest_budget_close);

/** rest_budget_log() - where to say once, as a warning, that the file is damaged or cannot be
 * written; @log outlives it */
void rest_budget_log(struct rest_budget *b, const struct log *log);

/** rest_budget_take() - takes one request from every budget
 * @now_us: wall time      @wait_ms: 0 where it was taken; else nothing was taken, and it is worth
 * asking again then
 * @why: which budget is spent: "5000/day", "the server's own limit"; for the log (constant or of b)
 */
int rest_budget_take(struct rest_budget *b, int64_t now_us, int64_t *wait_ms, const char **why,
        struct err *e) __attribute__((warn_unused_result));

/** rest_budget_refuse() - a reply said to wait (Retry-After, 429): for all who use the source */
int rest_budget_refuse(struct rest_budget *b, int64_t now_us, int64_t wait_ms, struct err *e)
        __attribute__((warn_unused_result));

/** rest_budget_note() - what the headers of a reply say of the server's limit
 * @remaining: -1: they do not; @reset_us: wall time at which the limit is new
 * With few left, requests are spread over the time that is left. */
int rest_budget_note(struct rest_budget *b, int64_t now_us, int64_t remaining, int64_t reset_us,
        struct err *e) __attribute__((warn_unused_result));

/** rest_budget_error() - a request ended with an error that an error budget counts (4xx, 5xx)
 * "10/h": the tenth error within an hour spends it.
 * Return: 0; -ERR_RETRY the error budget is spent: no request goes out before it is new. */
int rest_budget_error(struct rest_budget *b, int64_t now_us, struct err *e)
        __attribute__((warn_unused_result));

/** rest_budget_parse() - "60/min", "10/s", "5000/day", "6000/5min", "100/h": a count of at least 1
 * and a window of at most a year. Return: false if not one (@out is untouched). */
bool rest_budget_parse(struct str text, struct rest_budget_spec *out);
