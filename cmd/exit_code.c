#include "cmd/exit_code.h"

#include <stddef.h>

int exit_code_of(enum err_class class)
{
        static const int codes[ERR_CLASSES] = {
                [ERR_NONE] = EXIT_OK,
                [ERR_RETRY] = EXIT_UNAVAILABLE,
                [ERR_REJECT] = EXIT_REJECTS,
                [ERR_CONFIG] = EXIT_CONFIG,
                [ERR_CANCEL] = EXIT_SIGNAL,
                [ERR_NOMEM] = EXIT_INTERNAL,
                [ERR_BUG] = EXIT_INTERNAL,
                [ERR_SYSTEM] = EXIT_INTERNAL,
                [ERR_GUARD] = EXIT_REFUSED,
                [ERR_LOCKED] = EXIT_LOCKED,
                [ERR_USAGE] = EXIT_USAGE,
        };
        return (unsigned)class < ERR_CLASSES ? codes[class] : EXIT_INTERNAL;
}

static int rank(int code)
{
        static const int worst_first[] = {EXIT_INTERNAL, EXIT_CONFIG, EXIT_UNAVAILABLE,
                EXIT_REFUSED, EXIT_LOCKED, EXIT_REJECTS, EXIT_OK};
        const int count = sizeof(worst_first) / sizeof(worst_first[0]);

        for (int i = 0; i < count; i++)
                if (worst_first[i] == code)
                        return count - i;
        return count + 1; /* usage and signals say more than any of them */
}

int exit_code_worse(int a, int b)
{
        return rank(a) >= rank(b) ? a : b;
}
