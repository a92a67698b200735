/*
 * Tokens are compared by their SHA-256, so that neither length nor content takes its own time.
 *
 * A host is compared by name: a site that makes its own name point to this machine (DNS rebinding)
 * asks under that name, which is neither an address nor listed.
 */
#include "ingest/serve/api_auth.h"

#include <arpa/inet.h>
#include <sha2.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- tokens ---- */

static bool digest_equal(struct str a, struct str b)
{
        uint8_t left[SHA256_DIGEST_LENGTH], right[SHA256_DIGEST_LENGTH];
        SHA2_CTX sha;
        volatile uint8_t differ = 0;

        SHA256Init(&sha);
        SHA256Update(&sha, (const uint8_t *)a.ptr, a.len);
        SHA256Final(left, &sha);
        SHA256Init(&sha);
        SHA256Update(&sha, (const uint8_t *)b.ptr, b.len);
        SHA256Final(right, &sha);
        for (size_t i = 0; i < sizeof(left); i++)
                differ |= left[i] ^ right[i];
        return differ == 0;
}

enum api_token api_token_check(const char *authorization, const char *token)
{
        if (!authorization)
                return API_TOKEN_NONE;
        if (strncasecmp(authorization, "Bearer ", 7) != 0)
                return API_TOKEN_WRONG;
        return digest_equal(str_trim(str_of(authorization + 7)), str_of(token)) ? API_TOKEN_RIGHT
                                                                                : API_TOKEN_WRONG;
}

/* ---- wrong ones ---- */

/* Whoever has an IPv6 address has its whole /64. */
static void put_network(const char *peer, char out[48])
{
        static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
        struct in6_addr a;

        snprintf(out, 48, "%s", peer);
        if (inet_pton(AF_INET6, peer, &a) != 1)
                return;
        if (memcmp(a.s6_addr, mapped, sizeof(mapped)) == 0) {
                inet_ntop(AF_INET, a.s6_addr + 12, out, 48);
                return;
        }
        memset(a.s6_addr + 8, 0, 8);
        inet_ntop(AF_INET6, &a, out, 48);
}

static const struct api_wrong *find(const struct api_limiter *l, const char *network)
{
        for (size_t i = 0; i < API_PEERS; i++)
                if (strcmp(l->peers[i].peer, network) == 0)
                        return &l->peers[i];
        return NULL;
}

static int64_t left_ms(const struct api_wrong *w, int64_t now_ms)
{
        return w->since_ms + API_WRONG_WINDOW_MS - now_ms;
}

int64_t api_limiter_wait_s(const struct api_limiter *l, const char *peer, int64_t now_ms)
{
        char network[48];

        put_network(peer, network);
        const struct api_wrong *w = find(l, network);
        if (!w || w->count < API_WRONG_MAX || left_ms(w, now_ms) <= 0)
                return 0;
        return (left_ms(w, now_ms) + 999) / 1000;
}

static struct api_wrong *oldest(struct api_limiter *l)
{
        struct api_wrong *found = &l->peers[0];

        for (size_t i = 1; i < API_PEERS && found->peer[0]; i++)
                if (!l->peers[i].peer[0] || l->peers[i].since_ms < found->since_ms)
                        found = &l->peers[i];
        return found;
}

void api_limiter_note(struct api_limiter *l, const char *peer, int64_t now_ms)
{
        char network[48];

        put_network(peer, network);
        struct api_wrong *w = (struct api_wrong *)find(l, network);
        if (!w) {
                w = oldest(l);
                *w = (struct api_wrong){.since_ms = now_ms};
                memcpy(w->peer, network, sizeof(w->peer));
        } else if (left_ms(w, now_ms) <= 0) {
                w->since_ms = now_ms;
                w->count = 0;
        }
        w->count++;
}

/* ---- names ---- */

/* "NAME:8090", "[::1]:8090" -> name and port, without brackets. */
static bool split_host(const char *text, struct str *name, struct str *port)
{
        const char *end = strrchr(text, ':');

        *port = STR("");
        if (*text == '[') {
                const char *close = strchr(text, ']');
                if (!close || (close[1] && close[1] != ':'))
                        return false;
                *name = (struct str){text + 1, (size_t)(close - text - 1)};
                if (close[1])
                        *port = str_of(close + 2);
        } else {
                *name = end ? (struct str){text, (size_t)(end - text)} : str_of(text);
                if (end)
                        *port = str_of(end + 1);
        }
        for (size_t i = 0; i < port->len; i++)
                if (port->ptr[i] < '0' || port->ptr[i] > '9')
                        return false;
        return name->len > 0;
}

static bool is_name(struct str a, struct str b)
{
        if (a.len && a.ptr[a.len - 1] == '.') /* an absolute name */
                a.len--;
        return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

static bool is_listed(struct str name, const struct string_list *names)
{
        for (size_t i = 0; i < names->count; i++)
                if (is_name(name, str_of(names->items[i])))
                        return true;
        return false;
}

static bool is_address(struct str name)
{
        char text[64];
        uint8_t bytes[16];

        if (name.len >= sizeof(text))
                return false;
        snprintf(text, sizeof(text), "%.*s", STR_ARG(name));
        return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

bool api_host_allowed(const char *host, const struct string_list *names)
{
        struct str name, port;

        if (!host || !split_host(host, &name, &port))
                return false;
        return is_address(name) || is_name(name, STR("localhost")) || is_listed(name, names);
}

bool api_host_is(const char *host, const char *listen)
{
        struct str name, port, own_name, own_port;

        return host && split_host(host, &name, &port) && split_host(listen, &own_name, &own_port) &&
               is_name(name, own_name);
}

static bool port_is(struct str a, struct str b, struct str standard)
{
        return str_eq(a.len ? a : standard, b.len ? b : standard);
}

bool api_origin_allowed(const char *origin, const char *host, const struct string_list *names)
{
        struct str name, port, own_name, own_port;
        bool secure = origin && strncmp(origin, "https://", 8) == 0;

        if (!origin)
                return true;
        if (!secure && strncmp(origin, "http://", 7) != 0) /* "null", too */
                return false;
        if (!split_host(origin + (secure ? 8 : 7), &name, &port) || !host ||
                !split_host(host, &own_name, &own_port))
                return false;
        if (is_listed(name, names))
                return true;
        return is_name(name, own_name) && port_is(port, own_port, secure ? STR("443") : STR("80"));
}

bool api_fetch_allowed(const char *site, const char *mode, const char *dest, bool reads)
{
        if (!site || strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0)
                return true;
        return reads && mode && strcmp(mode, "navigate") == 0 && dest &&
               strcmp(dest, "document") == 0;
}
