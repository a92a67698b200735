/*
 * alloc_fail.h: makes the Nth allocation of the calling thread fail.
 *
 * The test program is linked with --wrap for malloc, calloc, realloc, strdup and strndup, so
 * that every allocation in our own objects passes here. Allocations inside shared libraries do
 * not: give those libraries our functions (event_set_mem_functions, curl_global_init_mem).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/** alloc_fail_at() - the @n-th allocation from now on fails, once; 0: none */
void alloc_fail_at(long n);

/** alloc_fail_hit() - whether that allocation was reached; disarms */
bool alloc_fail_hit(void);

/* Runs @body with the first, second, ... allocation failing, until none of its allocations was
 * the one to fail; `i` counts. Body checks what it returned: with a hit, an error. */
#define ALLOC_FAIL_EACH(i) for (long i = 1; i > 0; i = alloc_fail_hit() ? i + 1 : 0)
