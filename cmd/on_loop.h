/*
 * on_loop.h: a command's work that needs a loop: on a thread of its own, so that a signal stops it.
 */
#pragma once

#include "ingest/base/err.h"
#include "ingest/loop/loop.h"

typedef int (*on_loop_fn)(void *ctx, struct loop *loop, struct err *e);

/** on_loop() - runs @fn to its end
 * @signal_number: the signal that stopped it; 0 for none      Return: what @fn returned. */
int on_loop(on_loop_fn fn, void *ctx, int *signal_number, struct err *e)
        __attribute__((warn_unused_result));
