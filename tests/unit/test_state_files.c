/* Bad files, full disks, crashes, other processes. */
#include "tests/unit/state_fixture.h"

#include "ingest/state/state_env.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- files that cannot be used ---- */

static int count_aside(struct fixture *f)
{
        DIR *d = opendir(f->path);
        const struct dirent *entry;
        int count = 0;

        assert_non_null(d);
        while ((entry = readdir(d)))
                count += strncmp(entry->d_name, "data.mdb.corrupt-", 17) == 0;
        closedir(d);
        return count;
}

static void fill(struct fixture *f, uint32_t count)
{
        for (uint32_t i = 0; i < count; i++)
                put(f, KEY(i), i, 9);
        apply(f);
}

static void an_unusable_file_is_set_aside(void **state)
{
        static const char *const ways[] = {
                "printf 'this is not a database' > $DIR/data.mdb",
                "head -c 100000 /dev/urandom > $DIR/data.mdb",
                "truncate -s 4096 $DIR/data.mdb",
                "truncate -s 20000 $DIR/data.mdb",
                "truncate -s -4096 $DIR/data.mdb",
                "dd if=/dev/zero of=$DIR/data.mdb bs=4096 count=2 conv=notrunc 2>/dev/null",
                "touch $DIR/corrupt",
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
                fill(f, 2000);
                f->s = state_close(f->s);
                run_shell(ways[i], f->path);
                reopen(f, true);
                assert_int_equal(count_aside(f), 1); /* an earlier one is removed */
                assert_int_equal(state_count(f->s), 0);
                reopen(f, false);
                run_shell("rm $DIR/data.mdb.corrupt-*", f->path);
        }
}

static void another_format_is_set_aside(void **state)
{
        struct fixture *f = *state;
        MDB_txn *txn;
        char name[] = SELF_FORMAT, other[] = {127};
        MDB_val key = {strlen(name), name}, value = {sizeof(other), other};

        fill(f, 20);
        assert_int_equal(mdb_txn_begin(f->s->env, NULL, 0, &txn), 0);
        assert_int_equal(mdb_put(txn, f->s->dbi[TABLE_SELF], &key, &value, 0), 0);
        assert_int_equal(mdb_txn_commit(txn), 0);
        reopen(f, true);
        assert_int_equal(count_aside(f), 1);
        assert_int_equal(state_count(f->s), 0);
        reopen(f, false);
}

static int count_one(void *ctx, struct str key, const struct state_entry *entry, struct err *e)
{
        ++*(uint32_t *)ctx;
        return 0;
}

/* Garbage (or zeros, or one bit) at a random place behind the header. */
static void damage(struct fixture *f, int how)
{
        char path[120], garbage[4 * 4096] = {0};
        size_t n = how == 2 ? 1 : 4096u << random() % 3;
        struct stat st;

        snprintf(path, sizeof(path), "%s/data.mdb", f->path);
        cleanup_(closep) int fd = open(path, O_RDWR);
        assert_true(fd >= 0 && fstat(fd, &st) == 0);
        off_t at = 8192 + random() % (st.st_size - 8192);
        if (how < 2)
                at = at / 4096 * 4096;
        if (how == 0)
                for (size_t i = 0; i < n; i++)
                        garbage[i] = (char)(random() >> 5);
        if (how == 2) {
                assert_int_equal(pread(fd, garbage, 1, at), 1);
                garbage[0] = (char)(garbage[0] ^ 1 << random() % 8);
        }
        if ((off_t)n > st.st_size - at)
                n = (size_t)(st.st_size - at);
        assert_int_equal(pwrite(fd, garbage, n, at), n);
}

/* LMDB alone dies of half of these. Whatever is opened can be read and written. */
static void damaged_pages_never_kill(void **state)
{
        struct fixture *f = *state;
        int set_aside = 0;

        srandom(17);
        for (int i = 0; i < 120; i++) {
                uint32_t count = 0;
                f->s = state_close(f->s);
                run_shell("rm -r $DIR", f->path);
                reopen(f, true);
                fill(f, 3000);
                f->s = state_close(f->s);
                damage(f, i % 3);
                struct err e = {0};
                bool fresh = false;
                assert_int_equal(state_open(f->path, NULL, &f->s, &fresh, &e), 0);
                assert_int_equal(state_each_record(f->s, count_one, &count, &e), 0);
                assert_int_equal(count, fresh ? 0 : 3000);
                set_aside += fresh;
                for (uint32_t k = 0; k < count; k++) {
                        static struct state_entry en;
                        int rc = state_get(f->s, KEY(k), &en, &e);
                        assert_true(rc == 0 || rc == STATE_ABSENT); /* a bit of its key is off */
                }
                for (uint32_t k = 0; k < 3000; k += 3)
                        put(f, KEY(k), k, 9);
                apply(f);
        }
        assert_true(set_aside > 60);
}

/* The check must let every file pass that LMDB wrote. */
static void sound_files_are_never_set_aside(void **state)
{
        struct fixture *f = *state;
        cleanup_(freep) char *body = malloc(300000);

        assert_non_null(body);
        memset(body, 'b', 300000);
        srandom(23);
        for (int i = 0; i < 150; i++) {
                for (long n = random() % 400; n > 0; n--) {
                        struct str key = KEY((uint64_t)random() % 5000);
                        if (random() % 3)
                                put(f, key, (uint32_t)random() % 5000, 9);
                        else
                                assert_int_equal(state_batch_delete(f->b, key, NULL), 0);
                }
                struct state_parked parked = {.id = TEXT("%ld", random() % 5),
                        .key = STR("k"),
                        .body = {body, (size_t)random() % 300000}};
                assert_int_equal(state_batch_park(f->b, &parked, NULL), 0);
                if (random() % 7 == 0)
                        assert_int_equal(state_batch_unpark_all(f->b, NULL), 0);
                apply(f);
                if (random() % 40 == 0)
                        assert_int_equal(state_wipe(f->s, NULL), 0);
                uint64_t count = state_count(f->s);
                f->s = state_close(f->s);
                run_shell("test -s $DIR/closed && rm $DIR/closed", f->path);
                reopen(f, false);
                assert_int_equal(state_count(f->s), count);
        }
        assert_int_equal(count_aside(f), 0);
}

/* Two in one second: still one left, and no error. */
/* A look makes, renames and repairs nothing, whatever it finds. */
static void a_look_changes_nothing(void **state)
{
        static const struct {
                const char *way;
                int finds;
        } cases[] = {
                {"true", 0},
                {"rm $DIR/closed", 0},
                {"printf 'this is not a database' > $DIR/data.mdb", STATE_DAMAGED},
                {"truncate -s 20000 $DIR/data.mdb", STATE_DAMAGED},
                {"touch $DIR/corrupt", STATE_DAMAGED},
                {"rm $DIR/data.mdb", STATE_ABSENT},
                {"truncate -s 0 $DIR/data.mdb", STATE_ABSENT},
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct state *s = NULL;
                const char *why = NULL;
                struct err e;

                fill(f, 2000);
                f->s = state_close(f->s);
                run_shell(cases[i].way, f->path);
                run_shell("ls -l --time-style=full-iso $DIR | grep -v lock > $DIR.before", f->path);
                assert_int_equal(state_peek(f->path, NULL, false, &s, &why, &e), cases[i].finds);
                assert_int_equal(s ? state_count(s) : 0, cases[i].finds ? 0 : 2000);
                assert_int_equal(why[0] != '\0', cases[i].finds == STATE_DAMAGED);
                state_close(s);
                run_shell("ls -l --time-style=full-iso $DIR | grep -v lock | "
                          "diff - $DIR.before",
                        f->path);
                run_shell("rm -r $DIR $DIR.before", f->path);
                reopen(f, true);
        }
}

static void setting_aside_twice(void **state)
{
        struct fixture *f = *state;

        for (int i = 0; i < 2; i++) {
                f->s = state_close(f->s);
                run_shell("echo foreign > $DIR/data.mdb", f->path);
                reopen(f, true);
        }
        assert_int_equal(count_aside(f), 1);
}

static void an_empty_file_is_a_new_state(void **state)
{
        struct fixture *f = *state;

        f->s = state_close(f->s);
        run_shell("truncate -s 0 $DIR/data.mdb", f->path);
        reopen(f, true);
        assert_int_equal(count_aside(f), 0);
}

static void not_a_folder_is_a_configuration_error(void **state)
{
        struct fixture *f = *state;
        struct state *s = NULL;
        struct err e;
        bool fresh;
        char path[120];

        snprintf(path, sizeof(path), "%s/data.mdb", f->path);
        assert_int_equal(state_open(path, NULL, &s, &fresh, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, path));
        assert_non_null(strstr(e.text, "state_dir"));
        snprintf(path, sizeof(path), "%s/data.mdb/below", f->path);
        assert_int_equal(state_open(path, NULL, &s, &fresh, &e), -ERR_CONFIG);
        assert_null(s);
}

/* Parents are made too. */
static void missing_folders_are_made(void **state)
{
        struct fixture *f = *state;
        struct state *s = NULL;
        bool fresh = false;
        char path[120];

        snprintf(path, sizeof(path), "%s/a/b//c/", f->dir);
        assert_int_equal(state_open(path, NULL, &s, &fresh, NULL), 0);
        assert_true(fresh);
        state_close(s);
}

/* Runs @fn in a child. Return: its exit status, or 128 + its signal. */
static int in_child(int (*fn)(struct fixture *), struct fixture *f)
{
        int status;
        pid_t pid = fork();

        if (pid == 0)
                _exit(fn(f));
        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int open_as_nobody(struct fixture *f)
{
        struct state *s = NULL;
        struct err e = {0};
        bool fresh;

        if (setgid(65534) || setuid(65534))
                return 100;
        if (state_open(f->path, NULL, &s, &fresh, &e) != -ERR_CONFIG)
                return 101;
        if (!strstr(e.text, f->path) || !strstr(e.text, "user id 65534"))
                return 102;
        return 0;
}

static void missing_rights_are_a_configuration_error(void **state)
{
        struct fixture *f = *state;

        if (geteuid() != 0)
                skip();
        f->s = state_close(f->s);
        run_shell("chmod 755 $DIR", f->dir);
        assert_int_equal(in_child(open_as_nobody, f), 0); /* the folder is root's */
        run_shell("chmod 755 $DIR", f->path);
        assert_int_equal(in_child(open_as_nobody, f), 0); /* the files are root's */
        reopen(f, false);
}

/* ---- full disks ---- */

static int fill_until_it_fails(struct fixture *f)
{
        struct err e = {0};
        uint32_t done = 0;
        int rc = 0;

        while (rc == 0 && done < 1000) {
                for (uint32_t i = 0; i < 500; i++)
                        put(f, KEY(done * 500 + i), done * 500 + i, 9);
                size_t count = state_batch_count(f->b);
                rc = state_apply(f->s, f->b, &e);
                if (rc && state_batch_count(f->b) != count)
                        return 103; /* the batch must be as it was */
                done += rc == 0;
        }
        if (rc != -ERR_SYSTEM || !strstr(e.text, "free space") || !strstr(e.text, f->path))
                return 100;
        /* what was applied is there, and only that */
        if (state_count(f->s) != done * 500)
                return 101;
        for (uint32_t i = 0; i < done * 500; i++)
                if (mark_of(f, KEY(i)) != 9)
                        return 102;
        if (mark_of(f, KEY(done * 500)) != -1)
                return 104;
        return done > 0 ? 0 : 105;
}

static int fill_under_a_limit(struct fixture *f)
{
        struct rlimit limit = {2 << 20, RLIM_INFINITY};

        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit))
                return 90;
        reopen(f, false);
        int rc = fill_until_it_fails(f);
        if (rc)
                return rc;
        /* there is room again: the same batch goes in */
        limit.rlim_cur = RLIM_INFINITY;
        uint64_t before = state_count(f->s);
        if (setrlimit(RLIMIT_FSIZE, &limit) || state_apply(f->s, f->b, NULL))
                return 91;
        return state_count(f->s) == before + 500 ? 0 : 92;
}

static void a_failed_write_leaves_batch_and_state(void **state)
{
        struct fixture *f = *state;

        f->s = state_close(f->s);
        assert_int_equal(in_child(fill_under_a_limit, f), 0);
        reopen(f, false);
        assert_true(state_count(f->s) > 0);
        assert_int_equal(state_count(f->s) % 500, 0);
}

static int fill_a_small_disk(struct fixture *f)
{
        char path[80];

        snprintf(path, sizeof(path), "%s/small", f->dir);
        if (mkdir(path, 0700) || mount("tmpfs", path, "tmpfs", 0, "size=3m"))
                return 77;
        memcpy(f->path, path, sizeof(path));
        reopen(f, true);
        int rc = fill_until_it_fails(f);
        f->s = state_close(f->s);
        reopen(f, false);
        f->s = state_close(f->s);
        umount(path);
        return rc;
}

static void a_full_disk_leaves_batch_and_state(void **state)
{
        struct fixture *f = *state;

        f->s = state_close(f->s);
        int rc = in_child(fill_a_small_disk, f);
        if (rc == 77)
                skip(); /* mounting needs root */
        assert_int_equal(rc, 0);
}

/* ---- crashes ---- */

#define CRASH_BATCH 200

/* Applies batches for ever: batch n puts keys n*200.. and counts itself in meta, in one go. */
static int apply_until_killed(struct fixture *f)
{
        struct str value;
        uint32_t n = 0;

        reopen(f, false);
        if (state_meta_get(f->s, "batches", &value, NULL) == 0)
                memcpy(&n, value.ptr, sizeof(n));
        for (;; n++) {
                uint32_t next = n + 1;
                for (uint32_t i = 0; i < CRASH_BATCH; i++) {
                        uint32_t k = n * CRASH_BATCH + (i * 7) % CRASH_BATCH;
                        put(f, KEY(k), k, (uint8_t)(n % 254 + 1));
                }
                if (state_batch_meta(f->b, "batches", (struct str){(char *)&next, 4}, NULL))
                        return 100;
                if (state_apply(f->s, f->b, NULL))
                        return 101;
        }
}

static void every_batch_is_whole_or_absent(void **state)
{
        struct fixture *f = *state;
        struct state_holder holder;
        uint32_t n = 0;

        srandom((unsigned)getpid());
        for (int round = 0; round < 40; round++) {
                struct str value;
                f->s = state_close(f->s);
                pid_t pid = fork();
                if (pid == 0)
                        _exit(apply_until_killed(f));
                assert_true(pid > 0);
                usleep((useconds_t)(random() % 60000));
                kill(pid, SIGKILL);
                int status;
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_true(WIFSIGNALED(status));
                reopen(f, false);
                uint32_t was = n;
                if (state_meta_get(f->s, "batches", &value, NULL) == 0)
                        memcpy(&n, value.ptr, sizeof(n));
                assert_true(n >= was);
                assert_int_equal(state_count(f->s), (uint64_t)n * CRASH_BATCH);
                assert_int_equal(state_next_ordinal(f->s), n * CRASH_BATCH);
                for (uint32_t k = was * CRASH_BATCH; k < n * CRASH_BATCH; k++) {
                        assert_int_equal(mark_of(f, KEY(k)), k / CRASH_BATCH % 254 + 1);
                        assert_int_equal(state_holder(f->s, 3, ID(KEY(k)), &holder, NULL), 0);
                }
                assert_int_equal(mark_of(f, KEY(n * CRASH_BATCH)), -1);
        }
        assert_true(n > 0);
}

/* A second process may look while one writes, and follows when the map grows. */
static int read_while_other_grows(struct fixture *f)
{
        for (int i = 0; i < 2000; i++) {
                if (state_count(f->s) > 100)
                        return mark_of(f, KEY(50)) == 9 ? 0 : 100;
                reopen(f, false);
                usleep(5000);
        }
        return 101;
}

static void another_process_may_read(void **state)
{
        struct fixture *f = *state;
        int status;

        f->s = state_close(f->s);
        pid_t pid = fork();
        if (pid == 0) {
                reopen(f, false);
                _exit(read_while_other_grows(f));
        }
        reopen(f, false);
        cleanup_(freep) char *body = calloc(1, 100 << 20);
        struct state_parked parked = {.id = STR("a"), .key = STR("k"), .body = {body, 100 << 20}};
        assert_non_null(body);
        assert_int_equal(state_batch_park(f->b, &parked, NULL), 0);
        apply(f);
        fill(f, 200);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                STATE_TEST(an_unusable_file_is_set_aside),
                STATE_TEST(another_format_is_set_aside),
                STATE_TEST(damaged_pages_never_kill),
                STATE_TEST(sound_files_are_never_set_aside),
                STATE_TEST(a_look_changes_nothing),
                STATE_TEST(setting_aside_twice),
                STATE_TEST(an_empty_file_is_a_new_state),
                STATE_TEST(not_a_folder_is_a_configuration_error),
                STATE_TEST(missing_folders_are_made),
                STATE_TEST(missing_rights_are_a_configuration_error),
                STATE_TEST(a_failed_write_leaves_batch_and_state),
                STATE_TEST(a_full_disk_leaves_batch_and_state),
                STATE_TEST(every_batch_is_whole_or_absent),
                STATE_TEST(another_process_may_read),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
