#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ingest/base/file.h"
#include "tests/unit/rest_auth_fixture.h"

/* ---- refresh tokens that rotate ---- */

static void read_kept(struct scene *s, struct buf *out)
{
        char path[100];
        struct err e;

        snprintf(path, sizeof(path), "%s/token", s->kept);
        assert_int_equal(file_read(path, out, &e), 0);
}

static void assert_kept(struct scene *s, const char *part, bool is)
{
        cleanup_buf_ struct buf text = BUF_INIT(10000);

        read_kept(s, &text);
        if ((strstr(buf_cstr(&text), part) != NULL) != is)
                fail_msg("%s: %s", part, text.data);
}

static void refresh_tokens_rotate_and_are_kept(void **state)
{
        struct scene s;
        struct stat st;
        char path[100];

        (void)state;
        scene_begin(&s, NULL, 0);
        scene_oauth2(&s, REST_OAUTH2_REFRESH_TOKEN);
        scene_open(&s);
        assert_int_equal(scene_get(&s, false), 0);
        assert_string_equal(scene_line(&s), "Authorization: Bearer access-1");
        assert_string_equal(scene_body(&s, 0),
                "grant_type=refresh_token&refresh_token=" REFRESH
                "&client_id=the%20client&client_secret=s3cret%2Fof%2Bclient");
        assert_kept(&s, "\"fresh-1\"", true);
        assert_kept(&s, REFRESH, false);
        assert_kept(&s, SECRET, false);
        snprintf(path, sizeof(path), "%s/token", s.kept);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(stat(s.kept, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0700);

        unsigned before = rest_auth_generation(s.auth);
        assert_int_equal(scene_get(&s, true), 0); /* 401 */
        assert_true(rest_auth_generation(s.auth) != before);
        assert_string_equal(scene_line(&s), "Authorization: Bearer access-2");
        assert_kept(&s, "\"fresh-2\"", true);
        scene_open(&s);
        assert_int_equal(scene_get(&s, false), 0); /* as it was kept */
        assert_string_equal(scene_line(&s), "Authorization: Bearer access-2");
        assert_int_equal(s.provider.given, 2);
        assert_int_equal(scene_get(&s, true), 0);
        assert_string_equal(scene_line(&s), "Authorization: Bearer access-3");
        assert_int_equal(s.provider.reused, 0);
        scene_end(&s);
}

static void another_configured_token_begins_another_chain(void **state)
{
        struct scene s;

        (void)state;
        scene_begin(&s, NULL, 0);
        scene_oauth2(&s, REST_OAUTH2_REFRESH_TOKEN);
        scene_open(&s);
        assert_int_equal(scene_get(&s, false), 0);
        assert_int_equal(scene_get(&s, true), 0);

        s.options.auth.oauth2.refresh_token = "fresh-from-nowhere";
        scene_open(&s);
        assert_int_equal(scene_get(&s, false), -ERR_CONFIG); /* the new one, which is wrong */
        assert_string_equal(strstr(scene_body(&s, 2), "fresh-from"), /* */
                "fresh-from-nowhere&client_id=the%20client&client_secret=s3cret%2Fof%2Bclient");
        s.options.auth.oauth2.refresh_token = REFRESH; /* and the old chain is still there */
        scene_open(&s);
        assert_int_equal(scene_get(&s, false), 0);
        assert_string_equal(scene_line(&s), "Authorization: Bearer access-2");

        s.options.auth.oauth2.refresh_token = "fresh-2"; /* by luck the good one */
        scene_open(&s);
        assert_int_equal(scene_get(&s, false), 0);
        assert_string_equal(scene_line(&s), "Authorization: Bearer access-3");

        /* Another scope: the same chain, but not the same access token. */
        s.options.auth.oauth2.scope = "more";
        scene_open(&s);
        assert_int_equal(scene_get(&s, false), 0);
        assert_string_equal(scene_line(&s), "Authorization: Bearer access-4");
        assert_non_null(strstr(scene_body(&s, 4), "refresh_token=fresh-3&"));
        scene_end(&s);
}

/* Each child is a run that is refused again and again. A provider that sees a token twice would
 * refuse from then on. */
static void processes_rotate_under_one_lock(void **state)
{
        enum { PROCESSES = 3, ROUNDS = 8 };
        struct scene s;
        pid_t pids[PROCESSES];
        int status;

        (void)state;
        scene_begin(&s, NULL, 0);
        s.provider.delay_ms = 3;
        scene_oauth2(&s, REST_OAUTH2_REFRESH_TOKEN);
        for (int p = 0; p < PROCESSES; p++) {
                pids[p] = fork();
                if (pids[p] > 0)
                        continue;
                scene_client(&s);
                scene_open(&s);
                int bad = 0;
                for (int i = 0; i < ROUNDS; i++)
                        bad += scene_get(&s, i > 0) != 0;
                rest_auth_close(s.auth);
                _exit(bad);
        }
        for (int p = 0; p < PROCESSES; p++) {
                assert_int_equal(waitpid(pids[p], &status, 0), pids[p]);
                assert_true(WIFEXITED(status));
                assert_int_equal(WEXITSTATUS(status), 0);
        }
        assert_int_equal(s.provider.reused, 0);
        assert_in_range(s.provider.given, ROUNDS, PROCESSES * ROUNDS);
        scene_end(&s);
}

/* The winner's token is taken: one request for runs that begin together. */
static void losers_take_what_the_winner_stored(void **state)
{
        struct scene s, other;
        struct err e;

        (void)state;
        scene_begin(&s, NULL, 0);
        s.provider.delay_ms = 100;
        scene_oauth2(&s, REST_OAUTH2_REFRESH_TOKEN);
        scene_open(&s);
        memset(&other, 0, sizeof(other));
        assert_int_equal(
                rest_auth_open(&s.options, "shop", s.kept, s.http, s.loop, s.log, &other.auth, &e),
                0);
        assert_int_equal(rest_auth_get(s.auth, false, scene_got, &s, &e), 0);
        assert_int_equal(rest_auth_get(other.auth, false, scene_got, &other, &e), 0);
        assert_int_equal(loop_run_until(s.loop, &other.done, &e), 0);
        assert_true(s.done);
        assert_int_equal(s.rc, 0);
        assert_int_equal(other.rc, 0);
        assert_int_equal(s.provider.given, 1);
        assert_string_equal(scene_line(&other), "Authorization: Bearer access-1");
        rest_auth_close(other.auth);
        scene_end(&s);
}

/* A run dies at each durable step between asking for a token and having it stored. */
static void kills_lose_no_token_that_was_used(void **state)
{
        bool survived = false;

        (void)state;
        for (int step = 1; !survived; step++) {
                struct scene s;
                int status;
                scene_begin(&s, NULL, 0);
                s.provider.grace = true;
                scene_oauth2(&s, REST_OAUTH2_REFRESH_TOKEN);
                scene_open(&s);
                assert_int_equal(
                        scene_get(&s, false), 0); /* a chain of which something is stored */
                s.auth = rest_auth_close(s.auth);
                pid_t pid = fork();
                if (pid == 0) {
                        scene_client(&s);
                        scene_open(&s);
                        assert_int_equal(scene_get(&s, false), 0);
                        durable_fail_at(step, 0);
                        scene_get(&s, true);
                        _exit(0);
                }
                assert_int_equal(waitpid(pid, &status, 0), pid);
                survived = WIFEXITED(status);
                assert_true(survived || WTERMSIG(status) == SIGKILL);
                int given = s.provider.given;
                scene_open(&s);
                assert_int_equal(scene_get(&s, false), 0); /* whatever is there is whole */
                assert_int_equal(scene_get(&s, true), 0);
                assert_int_equal(s.provider.given, given + 1);
                assert_int_equal(s.provider.reused, 0);

                scene_end(&s);
                assert_true(step < 10);
                if (survived)
                        assert_true(step >= 4); /* reserve, write, rename, folder */
        }
}

static void a_token_that_was_lost_with_its_run_is_named(void **state)
{
        struct scene s;
        int status;

        (void)state;
        scene_begin(&s, NULL, 0);
        scene_oauth2(&s, REST_OAUTH2_REFRESH_TOKEN);
        pid_t pid = fork();
        if (pid == 0) {
                scene_client(&s);
                scene_open(&s);
                durable_fail_at(2, 0); /* the reply is here, but not on disk */
                scene_get(&s, false);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        scene_open(&s);
        assert_int_equal(scene_get(&s, false), -ERR_CONFIG);
        assert_says(s.err.text, "invalid_grant");
        assert_says(s.err.text, "authorise the application anew");
        scene_end(&s);
}

/* ---- disks and folders ---- */

static void put_kept(struct scene *s, const char *text)
{
        char path[100];

        mkdir(s->kept, 0700);
        snprintf(path, sizeof(path), "%s/token", s->kept);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fputs(text, f);
        fclose(f);
}

static void damaged_files_fall_back_to_the_configuration(void **state)
{
        static const char *const cases[] = {"", "{", "null", "[]", "{}", "hello",
                "{\"version\":2,\"chain\":\"\",\"config\":\"\"}", "\xff\xfe",
                ("{\"version\":1,\"chain\":\"x\",\"config\":\"y\",\"got_us\":1,\"expires_us\":2,"
                 "\"access_token\":\"access-0\"}")};

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct scene s;
                scene_begin(&s, NULL, 0);
                scene_oauth2(&s, REST_OAUTH2_REFRESH_TOKEN);
                put_kept(&s, cases[i]);
                scene_open(&s);
                assert_int_equal(scene_get(&s, false), 0);
                assert_says(scene_said(&s), "level=warn");
                assert_says(
                        scene_said(&s), "token is damaged: the configured refresh token is used");
                assert_kept(&s, "\"fresh-1\"", true);
                put_kept(&s, cases[i]); /* and once more, when that one is used up */
                scene_open(&s);
                assert_int_equal(scene_get(&s, false), -ERR_CONFIG);
                assert_says(s.err.text, "token was damaged, and the configured one is used up");
                scene_end(&s);
        }
}

static void a_folder_that_cannot_be_costs_no_token(void **state)
{
        struct scene s;

        (void)state;
        scene_begin(&s, NULL, 0);
        scene_oauth2(&s, REST_OAUTH2_REFRESH_TOKEN);
        int fd = open(s.kept, O_CREAT | O_WRONLY, 0600); /* a file in the way */
        close(fd);
        scene_open(&s);
        assert_int_equal(scene_get(&s, false), -ERR_CONFIG);
        assert_says(s.err.text, "set state_dir");
        assert_int_equal(fake_http_count(s.server), 0);
        rest_auth_close(s.auth);
        s.auth = NULL;
        assert_int_equal(
                rest_auth_open(&s.options, "shop", NULL, s.http, s.loop, s.log, &s.auth, &s.err),
                -ERR_CONFIG); /* nowhere to keep it at all */
        scene_end(&s);
}

static void a_full_disk_costs_no_token(void **state)
{
        struct scene s;

        (void)state;
        scene_begin(&s, NULL, 0);
        scene_oauth2(&s, REST_OAUTH2_REFRESH_TOKEN);
        scene_open(&s);
        limit_files(1000);
        int rc = scene_get(&s, false);
        limit_files(RLIM_INFINITY);
        assert_int_equal(rc, -ERR_SYSTEM);
        assert_says(s.err.text, "make room");
        assert_int_equal(fake_http_count(s.server), 0);
        assert_int_equal(scene_get(&s, false), 0);
        scene_end(&s);
}

/* The disk fails after all when the new token is there: nothing uses it before it is stored. */
static void tokens_that_cannot_be_stored_wait_in_memory(void **state)
{
        (void)state;
        for (int step = 2; step <= 4; step++) {
                struct scene s, other;
                struct err e;
                scene_begin(&s, NULL, 0);
                scene_oauth2(&s, REST_OAUTH2_REFRESH_TOKEN);
                scene_open(&s);
                durable_fail_at(step, EIO);
                assert_int_equal(scene_get(&s, false), -ERR_SYSTEM);
                assert_says(s.err.text, "the new refresh token could not be kept");
                assert_false(rest_auth_ready(s.auth));
                assert_string_equal(scene_line(&s), "");

                memset(&other, 0, sizeof(other)); /* others do not spoil the chain meanwhile */
                assert_int_equal(rest_auth_open(&s.options, "shop", s.kept, s.http, s.loop, s.log,
                                         &other.auth, &e),
                        0);
                assert_int_equal(rest_auth_get(other.auth, false, scene_got, &other, &e), 0);
                assert_int_equal(loop_sleep(s.loop, 120, &e), 0);
                assert_false(other.done);
                assert_int_equal(scene_get(&s, false), 0);
                assert_string_equal(scene_line(&s), "Authorization: Bearer access-1");
                assert_int_equal(loop_run_until(s.loop, &other.done, &e), 0);
                assert_int_equal(other.rc, 0);
                rest_auth_close(other.auth);
                assert_int_equal(s.provider.given, 1);
                durable_fail_at(0, 0);
                scene_end(&s);
        }
}

static void tokens_that_can_be_had_again_need_no_disk(void **state)
{
        static const struct fake_reply script[] = {{.body = "{\"access_token\":\"access-a\"}"},
                {.body = "{\"access_token\":\"access-b\"}"}};
        struct scene s;

        (void)state;
        scene_begin(&s, script, COUNT(script));
        scene_oauth2(&s, REST_OAUTH2_CLIENT_CREDENTIALS);
        scene_open(&s);
        limit_files(1000);
        int rc = scene_get(&s, false);
        limit_files(RLIM_INFINITY);
        assert_int_equal(rc, 0);
        assert_string_equal(scene_line(&s), "Authorization: Bearer access-a");
        assert_says(scene_said(&s), "not kept for other runs");
        rest_auth_close(s.auth);
        s.auth = NULL;
        assert_int_equal(
                rest_auth_open(&s.options, "shop", NULL, s.http, s.loop, s.log, &s.auth, &s.err),
                0);
        assert_int_equal(scene_get(&s, false), 0);
        assert_string_equal(scene_line(&s), "Authorization: Bearer access-b");
        scene_end(&s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(refresh_tokens_rotate_and_are_kept),
                cmocka_unit_test(another_configured_token_begins_another_chain),
                cmocka_unit_test(processes_rotate_under_one_lock),
                cmocka_unit_test(losers_take_what_the_winner_stored),
                cmocka_unit_test(kills_lose_no_token_that_was_used),
                cmocka_unit_test(a_token_that_was_lost_with_its_run_is_named),
                cmocka_unit_test(damaged_files_fall_back_to_the_configuration),
                cmocka_unit_test(a_folder_that_cannot_be_costs_no_token),
                cmocka_unit_test(a_full_disk_costs_no_token),
                cmocka_unit_test(tokens_that_cannot_be_stored_wait_in_memory),
                cmocka_unit_test(tokens_that_can_be_had_again_need_no_disk),
        };

        http_test_main_begin();
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        http_test_main_end();
        return failed;
}
