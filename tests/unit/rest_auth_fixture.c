/* See rest_auth_fixture.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/rest_auth_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- durable calls that kill, or fail (wrapped by the linker) ---- */

static int calls_left; /* until one kills or fails; 0: none does */
static int fail_with;  /* 0: kill */

void durable_fail_at(int n, int errnum)
{
        calls_left = n;
        fail_with = errnum;
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);

static bool is_hit(void)
{
        if (calls_left == 0 || --calls_left > 0)
                return false;
        if (!fail_with)
                raise(SIGKILL);
        errno = fail_with;
        return true;
}

int __wrap_fsync(int fd)
{
        return is_hit() ? -1 : __real_fsync(fd);
}

int __wrap_rename(const char *from, const char *to)
{
        return is_hit() ? -1 : __real_rename(from, to);
}

/* ---- a provider that gives tokens, and rotates refresh tokens ---- */

static void field_of(const char *form, const char *name, char out[256])
{
        char key[64];

        snprintf(key, sizeof(key), "%s=", name);
        const char *at = strstr(form, key);
        snprintf(out, 256, "%.*s", at ? (int)strcspn(at + strlen(key), "&") : 0,
                at ? at + strlen(key) : "");
}

static bool token_is_good(struct provider *p, const char *token)
{
        char good[64], last[64];

        snprintf(good, sizeof(good), p->given ? "fresh-%d" : REFRESH, p->given);
        snprintf(last, sizeof(last), p->given > 1 ? "fresh-%d" : REFRESH, p->given - 1);
        return strcmp(token, good) == 0 || (p->grace && strcmp(token, last) == 0);
}

static void provide(void *ctx, const struct fake_request *q, struct fake_reply *r)
{
        struct provider *p = ctx;
        char token[256], *body;

        pthread_mutex_lock(&p->mutex);
        field_of(q->body, "refresh_token", token);
        bool good = !*token || token_is_good(p, token); /* client credentials have none */
        r->headers = "Content-Type: application/json\r\n";
        r->delay_ms = p->delay_ms;
        if (!good) {
                p->reused++;
                r->status = 400;
                assert_true(asprintf(&body,
                                    "{\"error\":\"invalid_grant\",\"error_description\":"
                                    "\"not valid: %s\"}",
                                    token) > 0);
        } else {
                p->given++;
                assert_true(asprintf(&body,
                                    "{\"access_token\":\"access-%d\",\"token_type\":\"bearer\","
                                    "\"expires_in\":%s,\"refresh_token\":\"fresh-%d\"}",
                                    p->given, p->life ? p->life : "\"600\"", p->given) > 0);
        }
        r->body = body;
        r->owned = true;
        pthread_mutex_unlock(&p->mutex);
}

/* ---- a scene: a folder, a server, a client of ours ---- */

void scene_client(struct scene *s)
{
        static const struct http_options options = {.cookies = true};
        struct err e;

        assert_int_equal(loop_new(&s->loop, &e), 0);
        assert_int_equal(http_new(s->loop, &options, &s->http, &e), 0);
}

void scene_begin(struct scene *s, const struct fake_reply *script, size_t count)
{
        memset(s, 0, sizeof(*s));
        snprintf(s->folder, sizeof(s->folder), "%s/test_rest_auth.XXXXXX",
                access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"); /* fsync() is cheap there */
        assert_non_null(mkdtemp(s->folder));
        snprintf(s->kept, sizeof(s->kept), "%s/shop", s->folder);
        pthread_mutex_init(&s->provider.mutex, NULL);
        s->server = script ? fake_http_start(script, count)
                           : fake_http_start_handler(provide, &s->provider);
        snprintf(s->url, sizeof(s->url), "%s", fake_http_url(s->server, "/api"));
        snprintf(s->token_url, sizeof(s->token_url), "%s",
                fake_http_url(s->server, "/token?tenant=" SECRET));
        assert_int_equal(pipe2(s->log_fds, O_NONBLOCK | O_CLOEXEC), 0);
        s->sink = log_sink_new(s->log_fds[1], LOG_LEVEL_DEBUG, LOG_FORMAT_LOGFMT);
        s->log = log_new(s->sink);
        s->options.url = s->url;
        scene_client(s);
}

const char *scene_said(struct scene *s)
{
        size_t len = strlen(s->said);
        ssize_t n = read(s->log_fds[0], s->said + len, sizeof(s->said) - len - 1);

        s->said[len + (size_t)(n > 0 ? n : 0)] = '\0';
        return s->said;
}

void assert_no_secret(const char *text)
{
        static const char *const secrets[] = {
                SECRET, REFRESH, PASSWORD, "access-", "fresh-", "pa\\\"ss", "s3cret%2Fof"};

        for (size_t i = 0; i < COUNT(secrets); i++)
                if (strstr(text, secrets[i]))
                        fail_msg("%s stands in: %s", secrets[i], text);
}

void scene_end(struct scene *s)
{
        char command[128];

        s->auth = rest_auth_close(s->auth);
        http_free(s->http);
        loop_free(s->loop);
        assert_no_secret(scene_said(s));
        fake_http_stop(s->server);
        log_free(s->log);
        log_sink_free(s->sink);
        close(s->log_fds[0]);
        close(s->log_fds[1]);
        snprintf(command, sizeof(command), "rm -rf %s", s->folder);
        assert_int_equal(system(command), 0);
}

int scene_try(struct scene *s)
{
        return rest_auth_open(
                &s->options, "shop", s->kept, s->http, s->loop, s->log, &s->auth, &s->err);
}

void scene_open(struct scene *s)
{
        s->auth = rest_auth_close(s->auth);
        assert_int_equal(scene_try(s), 0);
}

void scene_got(void *ctx, int rc, const struct err *e)
{
        struct scene *s = ctx;

        s->calls++;
        s->done = true;
        s->rc = rc;
        assert_int_equal(rc < 0, e != NULL);
        if (e)
                s->err = *e;
}

/* Return: what scene_get() came to. */
int scene_get(struct scene *s, bool refused)
{
        struct err e;

        s->done = false;
        s->calls = 0;
        assert_int_equal(rest_auth_get(s->auth, refused, scene_got, s, &e), 0);
        assert_false(s->done);
        assert_int_equal(loop_run_until(s->loop, &s->done, &e), 0);
        assert_int_equal(s->calls, 1);
        if (s->rc < 0)
                assert_no_secret(s->err.text);
        return s->rc;
}

void assert_says(const char *text, const char *part)
{
        if (!strstr(text, part))
                fail_msg("\"%s\" is not in: %s", part, text);
}

/* The first header line that goes into requests; "" where there is none. */
const char *scene_line(struct scene *s)
{
        static const char *headers[HTTP_MAX_HEADERS];
        cleanup_buf_ struct buf url = BUF_INIT(1000);
        struct err e;

        memset(headers, 0, sizeof(headers));
        assert_int_equal(rest_auth_put(s->auth, headers, &url, &e), 0);
        assert_int_equal(url.len, 0);
        return headers[0] ? headers[0] : "";
}

const char *scene_body(struct scene *s, int number)
{
        return fake_http_request(s->server, number)->body;
}

const char *scene_header(struct scene *s, int number, const char *name)
{
        static char value[512];

        return fake_http_header(fake_http_request(s->server, number), name, value, sizeof(value));
}

void scene_oauth2(struct scene *s, enum rest_oauth2_grant grant)
{
        s->options.auth = (struct rest_auth_options){.kind = REST_AUTH_OAUTH2,
                .oauth2 = {.token_url = s->token_url,
                        .grant = grant,
                        .client_id = "the client",
                        .client_secret = SECRET,
                        .refresh_token = REFRESH}};
}

void limit_files(unsigned long bytes)
{
        struct rlimit l;

        signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &l), 0);
        l.rlim_cur = bytes;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}
