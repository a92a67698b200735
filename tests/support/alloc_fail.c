/* See alloc_fail.h. Counts are per thread: a server thread of a test is not disturbed. */
#include "tests/support/alloc_fail.h"

#include <errno.h>

static _Thread_local long countdown;
static _Thread_local bool hit;

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

void alloc_fail_at(long n)
{
        countdown = n;
        hit = false;
}

bool alloc_fail_hit(void)
{
        bool was = hit;

        alloc_fail_at(0);
        return was;
}

static bool fails(void)
{
        if (countdown == 0 || --countdown > 0)
                return false;
        hit = true;
        errno = ENOMEM;
        return true;
}

void *__wrap_malloc(size_t n)
{
        return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t count, size_t n)
{
        return fails() ? NULL : __real_calloc(count, n);
}

void *__wrap_realloc(void *p, size_t n)
{
        return fails() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *s)
{
        return fails() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t n)
{
        return fails() ? NULL : __real_strndup(s, n);
}
