/* Each request is passed on by a curl handle of its own: slow, simple, safe between threads. */
#include "tests/support/couch_proxy.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/support/fake_http.h"

#define RULES_MAX 16

struct couch_proxy {
        struct fake_http *server;
        const char *target;
        const struct proxy_rule *rules;
        size_t count;
        char url[64];
        pthread_mutex_t lock;
        int seen[RULES_MAX]; /* requests that matched each rule */
        struct cookie *cookies;
};

/* Header lines of a reply that set one: they live until the end. */
struct cookie {
        struct cookie *next;
        char headers[1024];
};

struct bytes {
        char *data;
        size_t len;
};

static size_t keep(char *ptr, size_t size, size_t n, void *ctx)
{
        struct bytes *b = ctx;

        b->data = realloc(b->data, b->len + size * n + 1);
        if (!b->data)
                abort();
        memcpy(b->data + b->len, ptr, size * n);
        b->len += size * n;
        b->data[b->len] = '\0';
        return size * n;
}

static void pass_header(struct curl_slist **list, const struct fake_request *r, const char *name)
{
        char value[2048], line[2200];

        if (!*fake_http_header(r, name, value, sizeof(value)))
                return;
        snprintf(line, sizeof(line), "%s: %s", name, value);
        *list = curl_slist_append(*list, line);
}

static size_t keep_cookie(char *line, size_t size, size_t n, void *ctx)
{
        if (n > 11 && strncasecmp(line, "Set-Cookie:", 11) == 0)
                snprintf(ctx, sizeof(((struct cookie *)NULL)->headers),
                        "Content-Type: application/json\r\n%.*s", (int)n, line);
        return size * n;
}

static struct cookie *new_cookie(struct couch_proxy *p)
{
        struct cookie *c = calloc(1, sizeof(*c));

        snprintf(c->headers, sizeof(c->headers), "Content-Type: application/json\r\n");
        pthread_mutex_lock(&p->lock);
        c->next = p->cookies;
        p->cookies = c;
        pthread_mutex_unlock(&p->lock);
        return c;
}

static void pass_on(struct couch_proxy *p, const struct fake_request *r, struct fake_reply *reply)
{
        struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
        struct bytes body = {NULL, 0};
        struct cookie *cookie = new_cookie(p);
        CURL *easy = curl_easy_init();
        char url[2048];
        long status = 0;

        snprintf(url, sizeof(url), "%s%s", p->target, r->path);
        pass_header(&headers, r, "Authorization");
        pass_header(&headers, r, "Cookie");
        pass_header(&headers, r, "Content-Type");
        curl_easy_setopt(easy, CURLOPT_URL, url);
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, r->method);
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, &body);
        curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, keep_cookie);
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, cookie->headers);
        if (r->body_len) {
                curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
                curl_easy_setopt(easy, CURLOPT_POSTFIELDS, r->body);
        }
        if (curl_easy_perform(easy) != CURLE_OK)
                abort();
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        reply->status = (int)status;
        reply->headers = cookie->headers;
        reply->body = body.data;
        reply->body_len = body.len;
        reply->owned = body.data != NULL;
        curl_slist_free_all(headers);
        curl_easy_cleanup(easy);
}

static const struct proxy_rule *find_rule(struct couch_proxy *p, const struct fake_request *r)
{
        static const struct proxy_rule pass = {.fault = PROXY_PASS};
        const struct proxy_rule *found = &pass;

        pthread_mutex_lock(&p->lock);
        for (size_t i = 0; i < p->count; i++) {
                const struct proxy_rule *rule = &p->rules[i];
                if (!strstr(r->path, rule->path) ||
                        (rule->if_body && !strstr(r->body, rule->if_body)))
                        continue;
                int number = p->seen[i]++;
                if (found == &pass && number >= rule->from && number < rule->to)
                        found = rule;
        }
        pthread_mutex_unlock(&p->lock);
        return found;
}

static void on_request(void *ctx, const struct fake_request *r, struct fake_reply *reply)
{
        static const enum fake_fault faults[] = {
                [PROXY_LOSE] = FAKE_CLOSE,
                [PROXY_LOSE_HALF] = FAKE_HALF,
                [PROXY_REFUSE] = FAKE_CLOSE,
                [PROXY_RESET] = FAKE_RESET,
                [PROXY_ANSWER] = FAKE_OK,
                [PROXY_ANSWER_AFTER] = FAKE_OK,
        };
        struct couch_proxy *p = ctx;
        const struct proxy_rule *rule = find_rule(p, r);

        if (rule->fault != PROXY_REFUSE && rule->fault != PROXY_RESET &&
                rule->fault != PROXY_ANSWER)
                pass_on(p, r, reply);
        reply->fault = faults[rule->fault];
        if (rule->fault == PROXY_ANSWER_AFTER) {
                free((char *)reply->body);
                reply->owned = false;
        }
        if (rule->fault == PROXY_ANSWER || rule->fault == PROXY_ANSWER_AFTER) {
                reply->status = rule->status;
                reply->headers = rule->headers;
                reply->body = rule->body;
                reply->body_len = rule->body ? strlen(rule->body) : 0;
        }
}

struct couch_proxy *couch_proxy_start(
        const char *target, const struct proxy_rule *rules, size_t count)
{
        struct couch_proxy *p = calloc(1, sizeof(*p));

        if (!p || count > RULES_MAX)
                abort();
        p->target = target;
        p->rules = rules;
        p->count = count;
        pthread_mutex_init(&p->lock, NULL);
        p->server = fake_http_start_handler(on_request, p);
        snprintf(p->url, sizeof(p->url), "http://127.0.0.1:%d", fake_http_port(p->server));
        return p;
}

void couch_proxy_stop(struct couch_proxy *p)
{
        fake_http_stop(p->server);
        while (p->cookies) {
                struct cookie *next = p->cookies->next;
                free(p->cookies);
                p->cookies = next;
        }
        pthread_mutex_destroy(&p->lock);
        free(p);
}

const char *couch_proxy_url(const struct couch_proxy *p)
{
        return p->url;
}

int couch_proxy_count(struct couch_proxy *p, const char *path)
{
        int count = 0;

        for (int i = 0; i < fake_http_count(p->server); i++)
                count += strstr(fake_http_request(p->server, i)->path, path) != NULL;
        return count;
}
