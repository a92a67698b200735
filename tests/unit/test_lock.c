#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "ingest/pipeline/lock.h"

static char root[] = "/tmp/erp2couch-lock-XXXXXX";

static int make_root(void **state)
{
        (void)state;
        return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
        char command[128];

        (void)state;
        snprintf(command, sizeof(command), "rm -rf '%s'", root);
        return system(command);
}

static void folders_are_made_and_the_second_taker_loses(void **state)
{
        struct lock *first = NULL, *second = NULL;
        char folder[128], expected[64];
        struct err e;

        (void)state;
        snprintf(folder, sizeof(folder), "%s/a/b", root);
        assert_int_equal(lock_take(folder, &first, &e), 0);
        assert_int_equal(lock_take(folder, &second, &e), -ERR_LOCKED);
        snprintf(expected, sizeof(expected), "(pid %ld)", (long)getpid());
        assert_non_null(strstr(e.text, expected));
        lock_release(first);
        assert_int_equal(lock_take(folder, &second, &e), 0);
        lock_release(second);
}

/* kill -9 of the holder frees the lock: nothing has to be cleaned up by hand. */
static void a_killed_holder_holds_nothing(void **state)
{
        struct lock *lock = NULL;
        char folder[128], byte;
        int fds[2];
        struct err e;

        (void)state;
        snprintf(folder, sizeof(folder), "%s/killed", root);
        assert_int_equal(pipe(fds), 0);
        pid_t child = fork();
        if (child == 0) {
                if (lock_take(folder, &lock, &e) == 0 && write(fds[1], "x", 1) == 1)
                        pause();
                _exit(1);
        }
        assert_int_equal(read(fds[0], &byte, 1), 1);
        assert_int_equal(lock_take(folder, &lock, &e), -ERR_LOCKED);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        assert_int_equal(lock_take(folder, &lock, &e), 0);
        lock_release(lock);
        close(fds[0]);
        close(fds[1]);
}

static void a_folder_that_cannot_be_made_is_a_configuration_error(void **state)
{
        struct lock *lock = NULL;
        char folder[128];
        struct err e;

        (void)state;
        snprintf(folder, sizeof(folder), "%s/file", root);
        FILE *f = fopen(folder, "w");
        assert_non_null(f);
        fclose(f);
        snprintf(folder, sizeof(folder), "%s/file/below", root);
        assert_int_equal(lock_take(folder, &lock, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "set state_dir"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(folders_are_made_and_the_second_taker_loses),
                cmocka_unit_test(a_killed_holder_holds_nothing),
                cmocka_unit_test(a_folder_that_cannot_be_made_is_a_configuration_error),
        };
        return cmocka_run_group_tests(tests, make_root, remove_root);
}
