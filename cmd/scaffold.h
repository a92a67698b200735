/*
 * scaffold.h: writes a set of embedded files into a folder, all of them or none.
 */
#pragma once

#include "cmd/templates.h"
#include "ingest/base/err.h"

/** scaffold_write() - the files of @set into @dir, which is made where it is missing
 * Nothing that exists is overwritten: where one of the files is there already, none is written.
 * After a failure half way what was written is removed again; the error says where that failed.
 * Return: 0; -ERR_CONFIG a file is there, or no rights; -ERR_USAGE path too long;
 * -ERR_SYSTEM disk full or broken. */
int scaffold_write(const char *dir, const struct template_set *set, struct err *e)
        __attribute__((warn_unused_result));
