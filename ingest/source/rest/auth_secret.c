/*
 * Servers repeat what they were sent ("the refresh token 12ab... has expired"), so whatever they
 * say passes here before it stands in an error. Short texts are not hidden: "a" is no secret, and
 * would make a riddle of every message.
 */
#include "ingest/source/rest/auth_internal.h"

#include <ctype.h>
#include <strings.h>

#define SHORTEST 4 /* bytes of a text that is hidden */
#define LONG     8 /* of one that is as a rule no secret */
#define STARS    "***"

void auth_forget_text(char **text)
{
        if (*text)
                explicit_bzero(*text, strlen(*text));
        free(*text);
        *text = NULL;
}

void auth_forget_buf(struct buf *b)
{
        if (b->data)
                explicit_bzero(b->data, b->cap);
        buf_deinit(b);
}

static int add(struct rest_auth *a, const char *secret, struct err *e)
{
        if (!secret || strlen(secret) < SHORTEST)
                return 0;
        const char **more = reallocarray(a->known, a->known_count + 1, sizeof(*more));
        if (!more)
                return err_nomem(e, "credentials");
        a->known = more;
        a->known[a->known_count++] = secret;
        return 0;
}

static bool name_tells_secret(struct str name)
{
        static const char *const words[] = {
                "pass", "pwd", "secret", "token", "key", "pin", "auth", "credential"};
        char text[64];
        size_t n = name.len < sizeof(text) - 1 ? name.len : sizeof(text) - 1;

        memcpy(text, name.ptr, n);
        text[n] = '\0';
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (strcasestr(text, words[i]))
                        return true;
        return false;
}

/* @min: bytes of a value that is hidden whatever its name */
static int add_pairs(struct rest_auth *a, const struct rest_pairs *pairs, size_t min, struct err *e)
{
        int rc = 0;

        for (size_t i = 0; i < pairs->count && rc == 0; i++) {
                const struct rest_pair *p = &pairs->items[i];
                if (strlen(p->value) >= min || name_tells_secret(str_of(p->name)))
                        rc = add(a, p->value, e);
        }
        return rc;
}

/* What came from the environment or a file, what stands under a name like "password", and what
 * stands in a list, where nothing tells what it is. */
static int add_node(struct rest_auth *a, const struct ynode *n, bool secret, struct err *e)
{
        int rc = 0;

        if (n->kind == YNODE_STRING || n->kind == YNODE_INT)
                return secret || n->expanded ? add(a, n->text.ptr, e) : 0;
        for (size_t i = 0; n->kind == YNODE_LIST && i < n->count && rc == 0; i++)
                rc = add_node(a, n->items[i], true, e);
        for (size_t i = 0; n->kind == YNODE_MAP && i < n->count && rc == 0; i++)
                rc = add_node(a, n->pairs[i].value, name_tells_secret(n->pairs[i].key), e);
        return rc;
}

/* Longer ones first: of one that begins with another the rest would be left. */
static int by_length(const void *a, const void *b)
{
        size_t m = strlen(*(const char *const *)a), n = strlen(*(const char *const *)b);

        return (m < n) - (m > n);
}

int auth_secrets_init(struct rest_auth *a, struct err *e)
{
        const struct rest_auth_options *o = &a->options->auth;
        const char *const texts[] = {
                o->password, o->bearer, o->oauth2.client_secret, o->oauth2.refresh_token};
        const struct rest_pairs *const pairs[] = {&o->pairs, &o->oauth2.params, &o->session.headers,
                &a->options->headers, &a->options->params};
        int rc = 0;

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && rc == 0; i++)
                rc = add(a, texts[i], e);
        for (size_t i = 0; i < 3 && rc == 0; i++)
                rc = add_pairs(a, pairs[i], SHORTEST, e);
        for (size_t i = 3; i < sizeof(pairs) / sizeof(pairs[0]) && rc == 0; i++)
                rc = add_pairs(a, pairs[i], LONG, e);
        if (rc == 0 && o->session.body)
                rc = add_node(a, o->session.body, ynode_is_scalar(o->session.body), e);
        if (a->known_count)
                qsort(a->known, a->known_count, sizeof(*a->known), by_length);
        return rc;
}

void auth_secrets_deinit(struct rest_auth *a)
{
        free(a->known);
        a->known = NULL;
        a->known_count = 0;
        for (size_t i = 0; i < sizeof(a->past) / sizeof(a->past[0]); i++)
                auth_forget_text(&a->past[i]);
}

void auth_secret_past(struct rest_auth *a, char *token)
{
        size_t last = sizeof(a->past) / sizeof(a->past[0]) - 1;

        if (!token)
                return;
        auth_forget_text(&a->past[last]);
        memmove(a->past + 1, a->past, last * sizeof(a->past[0]));
        a->past[0] = token;
}

static void hide_one(char *text, const char *secret)
{
        size_t n = secret ? strlen(secret) : 0;

        if (n < SHORTEST)
                return;
        for (char *p = text; (p = strstr(p, secret)); p += strlen(STARS)) {
                memcpy(p, STARS, strlen(STARS));
                memmove(p + strlen(STARS), p + n, strlen(p + n) + 1);
        }
}

void rest_auth_hide(const struct rest_auth *a, char *text)
{
        for (size_t i = 0; i < a->known_count; i++)
                hide_one(text, a->known[i]);
        for (size_t i = 0; i < sizeof(a->past) / sizeof(a->past[0]); i++)
                hide_one(text, a->past[i]);
        hide_one(text, a->oauth2.token.access);
        hide_one(text, a->oauth2.token.refresh);
        hide_one(text, a->session.token);
        for (size_t i = 0; i < a->line_count; i++) { /* "Basic dXNlcjp..." */
                const char *value = strchr(a->lines[i], ':');
                const char *space = value ? strrchr(value, ' ') : NULL;
                hide_one(text, space ? space + 1 : NULL);
        }
}
