/* An address is judged by the parser that will request it. */
#include "ingest/loop/http_options.h"

#include <curl/curl.h>

#define AT(member) offsetof(struct http_tls, member)

static const struct option tls_options[] = {
        {.name = "ca_file",
                .type = OPTION_STRING,
                .offset = AT(ca_file),
                .min = 1,
                .help = "Certificates of the authorities to trust (PEM)."},
        {.name = "cert_file",
                .type = OPTION_STRING,
                .offset = AT(cert_file),
                .min = 1,
                .help = "Our certificate (PEM)."},
        {.name = "key_file",
                .type = OPTION_STRING,
                .offset = AT(key_file),
                .min = 1,
                .help = "Key of our certificate (PEM)."},
};
OPTION_TABLE(http_tls_table, "tls", tls_options);

/* One address on its way. */
struct reading {
        const struct option_context *cx;
        const struct ynode *n;
        const char *text;
        const struct http_address_words *words;
        CURLU *url;
};

#define bad_url(r, e, ...) ynode_error((r)->cx->doc, (r)->n, (e), "'url' of " __VA_ARGS__)

static int url_part(
        const struct reading *r, CURLUPart part, unsigned flags, const char **out, struct err *e)
{
        char *text = NULL;

        if (curl_url_get(r->url, part, &text, flags) != CURLUE_OK) {
                *out = NULL;
                return 0;
        }
        *out = arena_strdup(r->cx->arena, str_of(text));
        curl_free(text);
        return *out ? 0 : options_nomem(r->cx, e);
}

/* Credentials into @out; they are then gone from the address. */
static int take_credentials(const struct reading *r, struct http_address *out, struct err *e)
{
        const char *user, *password, *raw_user, *raw_password;

        int rc = url_part(r, CURLUPART_USER, 0, &raw_user, e);
        if (rc == 0)
                rc = url_part(r, CURLUPART_PASSWORD, 0, &raw_password, e);
        if (rc == 0)
                rc = url_part(r, CURLUPART_USER, CURLU_URLDECODE, &user, e);
        if (rc == 0)
                rc = url_part(r, CURLUPART_PASSWORD, CURLU_URLDECODE, &password, e);
        if (rc || (!raw_user && !raw_password))
                return rc;
        if (!user || !*user || (raw_password && !password))
                return bad_url(r, e, "%s: its user or password is empty or holds control codes",
                        r->words->of);
        out->user = user;
        out->password = password ? password : "";
        if (curl_url_set(r->url, CURLUPART_USER, NULL, 0) ||
                curl_url_set(r->url, CURLUPART_PASSWORD, NULL, 0))
                return err_nomem(e, "an address");
        return 0;
}

static int check_parts(const struct reading *r, struct http_address *out, struct err *e)
{
        const char *scheme, *query, *fragment;

        int rc = url_part(r, CURLUPART_SCHEME, 0, &scheme, e);
        if (rc == 0)
                rc = url_part(r, CURLUPART_QUERY, 0, &query, e);
        if (rc == 0)
                rc = url_part(r, CURLUPART_FRAGMENT, 0, &fragment, e);
        if (rc)
                return rc;
        out->https = scheme && strcmp(scheme, "https") == 0;
        if (!out->https && (!scheme || strcmp(scheme, "http") != 0))
                return bad_url(r, e, "%s: it must begin with http:// or https://", r->words->of);
        if (query || fragment) {
                rc = bad_url(r, e,
                        "%s: it must end before ? and #, such as %s; in a password they are %%3F "
                        "and %%23",
                        r->words->of, r->words->example);
                return r->words->query ? err_hint(e, rc, "%s", r->words->query) : rc;
        }
        return 0;
}

static int split_url(const struct reading *r, struct http_address *out, struct err *e)
{
        const char *clean;

        if (!strstr(r->text, "://"))
                return bad_url(r, e, "%s: it must begin with http:// or https://, such as %s",
                        r->words->of, r->words->example);
        if (curl_url_set(r->url, CURLUPART_URL, r->text, 0) != CURLUE_OK)
                return bad_url(r, e,
                        "%s: it is not a URL such as %s; the characters @ : / ? # %% of a user or "
                        "password are percent-encoded (@ is %%40), or stand in %s as they are",
                        r->words->of, r->words->example, r->words->auth);
        int rc = check_parts(r, out, e);
        if (rc == 0)
                rc = take_credentials(r, out, e);
        if (rc == 0)
                rc = url_part(r, CURLUPART_URL, 0, &clean, e);
        if (rc)
                return rc;
        if (!clean)
                return bad_url(
                        r, e, "%s: it is not a URL such as %s", r->words->of, r->words->example);
        struct str s = str_of(clean);
        while (s.len > 0 && s.ptr[s.len - 1] == '/')
                s.len--;
        out->url = arena_strdup(r->cx->arena, s);
        return out->url ? 0 : options_nomem(r->cx, e);
}

int http_address_decode(const struct option_context *cx, const struct ynode *n, const char *text,
        const struct http_address_words *words, struct http_address *out, struct err *e)
{
        struct reading r = {cx, n, text, words, curl_url()};
        struct http_address address = {0};

        if (!r.url)
                return err_nomem(e, "an address");
        int rc = split_url(&r, &address, e);
        curl_url_cleanup(r.url);
        if (rc == 0)
                *out = address;
        return rc;
}

int http_tls_check(
        const struct option_context *cx, const struct ynode *n, struct http_tls *t, struct err *e)
{
        const char **files[] = {&t->ca_file, &t->cert_file, &t->key_file};

        if (!t->cert_file != !t->key_file)
                return ynode_error(cx->doc, n, e, "'cert_file' and 'key_file' stand together");
        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
                if (!*files[i])
                        continue;
                *files[i] = ydoc_path(cx->doc, cx->arena, *files[i]);
                if (!*files[i])
                        return options_nomem(cx, e);
        }
        return 0;
}

int http_basic_check(const struct option_context *cx, const struct ynode *n, const char *user,
        const char *password, const char *instead, struct err *e)
{
        if (!user || !password)
                return ynode_error(
                        cx->doc, n, e, "key '%s' is missing in auth", user ? "password" : "user");
        if (strchr(user, ':'))
                return ynode_error(cx->doc, ynode_get(n, "user"), e,
                        "basic authentication takes no ':' in 'user'; use %s", instead);
        return 0;
}
