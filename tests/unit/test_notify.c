/* What a service manager gets, whatever the text is; and what it gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "cmd/notify.h"
#include "ingest/base/str.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct manager {
        int fd;
        struct notify *notify;
        char message[4096];
};

static void begin(struct manager *m)
{
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        char name[64];

        snprintf(name, sizeof(name), "@erp2couch-test-%ld", (long)getpid());
        memcpy(a.sun_path, name, strlen(name));
        a.sun_path[0] = '\0';
        m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_int_equal(
                bind(m->fd, (struct sockaddr *)&a,
                        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                0);
        setenv("NOTIFY_SOCKET", name, 1);
        m->notify = notify_new();
        assert_non_null(m->notify);
}

static void end(struct manager *m)
{
        notify_free(m->notify);
        close(m->fd);
        unsetenv("NOTIFY_SOCKET");
}

static const char *received(struct manager *m)
{
        ssize_t n = recv(m->fd, m->message, sizeof(m->message) - 1, 0);

        assert_true(n > 0);
        m->message[n] = '\0';
        return m->message;
}

static void a_status_stays_one_line(void **state)
{
        static const struct {
                const char *before, *text, *message;
        } cases[] = {{"", "1 mapper", "STATUS=1 mapper"},
                {"READY=1\n", "1 mapper", "READY=1\nSTATUS=1 mapper"},
                {"", "ERROR:  no\nMAINPID=1\r\nREADY=1",
                        "STATUS=ERROR:  no\\nMAINPID=1\\r\\nREADY=1"},
                {"", "100 % of \xc3\xa4\xff", "STATUS=100 % of \xc3\xa4\\xff"}};
        struct manager m;

        (void)state;
        begin(&m);
        for (size_t i = 0; i < COUNT(cases); i++) {
                notify_status(m.notify, cases[i].before, cases[i].text);
                assert_string_equal(received(&m), cases[i].message);
        }
        end(&m);
}

static void a_long_status_is_cut_between_characters(void **state)
{
        char text[4000];
        struct manager m;

        (void)state;
        begin(&m);
        for (size_t i = 0; i + 2 < sizeof(text); i += 2)
                memcpy(text + i, "\xc3\xa4", 3);
        for (size_t skipped = 0; skipped < 2; skipped++) {
                text[sizeof(text) - 2] = '\0';
                notify_status(m.notify, "READY=1\n", skipped ? text : text + 2);
                const char *message = received(&m);
                assert_true(strlen(message) > 900 && strlen(message) < 1024);
                assert_true(str_utf8_valid(str_of(message)));
        }
        end(&m);
}

static void nobody_is_told_without_an_address(void **state)
{
        static const char *const names[] = {"", "@", "notify", "vsock:2:3"};

        (void)state;
        unsetenv("NOTIFY_SOCKET");
        assert_null(notify_new());
        for (size_t i = 0; i < COUNT(names); i++) {
                setenv("NOTIFY_SOCKET", names[i], 1);
                assert_null(notify_new());
        }
        unsetenv("NOTIFY_SOCKET");
        notify_status(NULL, "", "x");
        notify_send(NULL, "WATCHDOG=1");
}

static void the_watchdog_is_that_of_this_process(void **state)
{
        char pid[32];
        static const struct {
                const char *us;
                int64_t ms;
        } cases[] = {{"30000000", 30000}, {"1", 1}, {"0", 0}, {"-1", 0}, {"x", 0}, {"", 0}};

        (void)state;
        snprintf(pid, sizeof(pid), "%ld", (long)getpid());
        for (size_t i = 0; i < COUNT(cases); i++) {
                setenv("WATCHDOG_USEC", cases[i].us, 1);
                setenv("WATCHDOG_PID", pid, 1);
                assert_int_equal(notify_watchdog_ms(), cases[i].ms);
                setenv("WATCHDOG_PID", "1", 1);
                assert_int_equal(notify_watchdog_ms(), 0);
                unsetenv("WATCHDOG_PID");
                assert_int_equal(notify_watchdog_ms(), cases[i].ms);
        }
        unsetenv("WATCHDOG_USEC");
        assert_int_equal(notify_watchdog_ms(), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_status_stays_one_line),
                cmocka_unit_test(a_long_status_is_cut_between_characters),
                cmocka_unit_test(nobody_is_told_without_an_address),
                cmocka_unit_test(the_watchdog_is_that_of_this_process),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
