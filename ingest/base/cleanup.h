/*
 * cleanup.h: the one cleanup idiom.
 *
 * Every owned local is declared with cleanup_(x_freep); ownership leaves the function with
 * TAKE(p), which yields the pointer and leaves NULL behind. Destructors accept NULL.
 */
#pragma once

#include <stdlib.h>
#include <unistd.h>

#define cleanup_(fn) __attribute__((__cleanup__(fn)))

/* The pointer, leaving NULL: write it on the line that hands the object over. */
#define TAKE(p)                                                                                    \
        __extension__({                                                                            \
                __auto_type take_p_ = (p);                                                         \
                (p) = NULL;                                                                        \
                take_p_;                                                                           \
        })

/* DEFINE_CLEANUP(struct thing *, thing_free) defines thing_freep() for cleanup_(). */
#define DEFINE_CLEANUP(type, fn)                                                                   \
        static inline void fn##p(type *p)                                                          \
        {                                                                                          \
                if (*p)                                                                            \
                        fn(*p);                                                                    \
        }                                                                                          \
        struct cleanup_semicolon_

static inline void freep(void *p)
{
        free(*(void **)p);
}

static inline void closep(int *fd)
{
        if (*fd >= 0)
                close(*fd);
}
