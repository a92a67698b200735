/*
 * reject_move.h: the rejects of a mapper that got another name.
 */
#pragma once

#include "ingest/pipeline/control.h"

/** reject_move() - writes the rejects of @from again as those of @to, and deletes them
 * A second call goes on where the first was broken off.
 * @moved: how many, also after a failure      Return: 0; -class. */
int reject_move(struct control *c, const struct log *log, const char *from, const char *to,
        uint64_t *moved, struct err *e) __attribute__((warn_unused_result));
