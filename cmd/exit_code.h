/*
 * exit_code.h: what the program tells its caller (DESIGN.md section 4).
 */
#pragma once

#include "ingest/base/err.h"

enum exit_code {
        EXIT_OK = 0,
        EXIT_REJECTS = 2,
        EXIT_USAGE = 64,
        EXIT_UNAVAILABLE = 69,
        EXIT_INTERNAL = 70,
        EXIT_LOCKED = 75,
        EXIT_REFUSED = 77,
        EXIT_CONFIG = 78,
        EXIT_SIGNAL = 128 /* and the signal's number, after a clean stop */
};

/** exit_code_of() - for the class of an error; ERR_CANCEL gives EXIT_SIGNAL alone */
int exit_code_of(enum err_class class);

/** exit_code_worse() - which of two codes the program ends with: 70 before 78, 69, 77, 75, 2, 0 */
int exit_code_worse(int a, int b);
