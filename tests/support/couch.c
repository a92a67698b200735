/* The script is started through a pipe: when this program ends, however, the script sees it. */
#include "tests/support/couch.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#define NAMES 8

static struct {
        bool tried, usable, apache;
        pid_t pid;    /* of the script; 0: none */
        int stdin_fd; /* closing it stops the server */
        char *url, *user, *password;
        struct test_couch couch;
} server;

static int hex_value(char c)
{
        return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static char *percent_decoded(const char *text, size_t n)
{
        char *out = calloc(1, n + 1), *p = out;

        for (size_t i = 0; i < n; i++) {
                if (text[i] == '%' && i + 2 < n + 0) {
                        *p++ = (char)(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]));
                        i += 2;
                } else {
                        *p++ = text[i];
                }
        }
        return out;
}

/* http://user:password@host:port */
static void split_url(const char *text)
{
        const char *host = strstr(text, "://");
        const char *at = host ? strrchr(text, '@') : NULL;

        host = host ? host + 3 : text;
        if (!at || asprintf(&server.url, "%.*s%s", (int)(host - text), text, at + 1) < 0) {
                server.url = strdup(text);
                return;
        }
        const char *colon = memchr(host, ':', (size_t)(at - host));
        if (!colon)
                colon = at;
        server.user = percent_decoded(host, (size_t)(colon - host));
        server.password =
                percent_decoded(colon + (colon < at), (size_t)(at - colon) - (colon < at));
}

static bool start_script(char *url, size_t size)
{
        int in[2], out[2];

        if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
                return false;
        server.pid = fork();
        if (server.pid == 0) {
                dup2(in[0], 0);
                dup2(out[1], 1);
                execl("/bin/sh", "sh", COUCH_SERVER_SCRIPT, (char *)NULL);
                _exit(127);
        }
        close(in[0]);
        close(out[1]);
        server.stdin_fd = in[1];
        FILE *f = fdopen(out[0], "r");
        bool ok = f && fgets(url, (int)size, f);
        if (f)
                fclose(f);
        url[strcspn(url, "\n")] = '\0';
        return ok;
}

static bool connect_client(void)
{
        struct couch_server info;
        struct err e;

        server.couch.options = (struct couch_options){.url = server.url,
                .auth = server.user ? COUCH_AUTH_BASIC : COUCH_AUTH_NONE,
                .user = server.user,
                .password = server.password,
                .create = true,
                .create_q = 2,
                .max_batch_docs = 1000,
                .max_batch_bytes = 4 << 20,
                .max_in_flight = 8,
                .retry_for_ms = 10000};
        if (loop_new(&server.couch.loop, &e) < 0 ||
                couch_open(&server.couch.options, server.couch.loop, NULL, &server.couch.client,
                        &e) < 0 ||
                couch_server(server.couch.client, &info, &e) < 0) {
                fprintf(stderr, "test CouchDB: %s\n", e.text);
                return false;
        }
        server.apache = info.predicts;
        return true;
}

struct test_couch *test_couch(void)
{
        const char *env = getenv("COUCHDB_URL");
        char url[256] = "";

        if (!server.tried) {
                server.tried = true;
                if (env && *env)
                        split_url(env);
                else if (start_script(url, sizeof(url)))
                        split_url(url);
                server.usable = server.url && connect_client();
        }
        return server.usable ? &server.couch : NULL;
}

bool test_couch_apache(void)
{
        return test_couch() && server.apache;
}

void test_couch_stop(void)
{
        couch_close(server.couch.client);
        loop_free(server.couch.loop);
        free(server.url);
        free(server.user);
        free(server.password);
        if (server.pid > 0) {
                close(server.stdin_fd);
                waitpid(server.pid, NULL, 0);
        }
        memset(&server, 0, sizeof(server));
        server.tried = true;
}

cJSON *test_call(const char *method, const char *path, const char *body)
{
        const struct couch_request request = {.method = method, .path = path, .body = str_of(body)};
        cJSON *json = NULL;
        struct err e;

        if (couch_call(test_couch()->client, &request, NULL, &json, &e) < 0) {
                fprintf(stderr, "%s %s: %s\n", method, path, e.text);
                abort();
        }
        return json;
}

const char *test_database(int q)
{
        static char names[NAMES][64];
        static unsigned next;
        char *name = names[next++ % NAMES];
        char path[96];

        snprintf(name, sizeof(names[0]), "unit-%d-%u", (int)getpid(), next);
        snprintf(path, sizeof(path), "/%s?q=%d", name, q);
        cJSON_Delete(test_call("PUT", path, NULL));
        return name;
}

void test_database_drop(const char *name)
{
        char path[96];

        snprintf(path, sizeof(path), "/%s", name);
        cJSON_Delete(test_call("DELETE", path, NULL));
}

const char *test_field(const cJSON *json, const char *dotted)
{
        char name[64];

        while (json && *dotted) {
                size_t n = strcspn(dotted, ".");
                snprintf(name, sizeof(name), "%.*s", (int)n, dotted);
                json = cJSON_GetObjectItemCaseSensitive(json, name);
                dotted += n + (dotted[n] == '.');
        }
        return cJSON_IsString(json) ? json->valuestring : "";
}
