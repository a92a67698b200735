/* libcurl has the rules; here is only who owns what. */
#include "ingest/source/rest/url.h"

#include <curl/curl.h>
#include <strings.h>

static CURLU *url_free(CURLU *u)
{
        curl_url_cleanup(u);
        return NULL;
}
DEFINE_CLEANUP(CURLU *, url_free);

static char *text_free(char *text)
{
        curl_free(text);
        return NULL;
}
DEFINE_CLEANUP(char *, text_free);

static int unusable(CURLUcode code, const char *ref, struct err *e)
{
        if (code == CURLUE_OUT_OF_MEMORY)
                return err_nomem(e, "an address");
        return err_set(e, ERR_CONFIG, "the server names an address that is none: \"%.*s\" (%s)",
                (int)strcspn(ref, "?\r\n") < 200 ? (int)strcspn(ref, "?\r\n") : 200, ref,
                curl_url_strerror(code));
}

/* Scheme, host or port of @u, "" where it has none. */
static char *part_of(CURLU *u, CURLUPart part)
{
        char *text = NULL;

        return curl_url_get(u, part, &text, CURLU_DEFAULT_PORT) == CURLUE_OK ? text : NULL;
}

static bool part_is(CURLU *u, CURLUPart part, const char *value)
{
        cleanup_(text_freep) char *text = part_of(u, part);

        return text && strcasecmp(text, value) == 0;
}

static bool same_part(CURLU *a, CURLU *b, CURLUPart part)
{
        cleanup_(text_freep) char *value = part_of(b, part);

        return value && part_is(a, part, value);
}

static bool is_web(CURLU *u)
{
        return part_is(u, CURLUPART_SCHEME, "http") || part_is(u, CURLUPART_SCHEME, "https");
}

/* @base, then @ref over it, in @u. Servers leave blanks and umlauts as they are. */
static int join(CURLU *u, const char *base, const char *ref, struct err *e)
{
        CURLUcode code = curl_url_set(u, CURLUPART_URL, base, CURLU_URLENCODE);

        if (code == CURLUE_OK)
                code = curl_url_set(u, CURLUPART_URL, ref, CURLU_URLENCODE);
        if (code == CURLUE_OK)
                code = curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
        if (code == CURLUE_OK && !is_web(u))
                code = CURLUE_UNSUPPORTED_SCHEME;
        return code == CURLUE_OK ? 0 : unusable(code, ref, e);
}

static int put(CURLU *u, const char *ref, struct buf *out, struct err *e)
{
        cleanup_(text_freep) char *text = NULL;
        CURLUcode code = curl_url_get(u, CURLUPART_URL, &text, 0);

        if (code != CURLUE_OK)
                return unusable(code, ref, e);
        buf_puts(out, text);
        return buf_check(out, "an address", e);
}

int rest_url_join(const char *base, const char *ref, struct buf *out, struct err *e)
{
        cleanup_(url_freep) CURLU *u = curl_url();
        int rc = u ? join(u, base, ref, e) : err_nomem(e, "an address");

        return rc < 0 ? rc : put(u, ref, out, e);
}

/* Whether @u is what a server behind a TLS proxy calls a place at @base. */
static bool is_behind_proxy(CURLU *base, CURLU *u)
{
        return part_is(base, CURLUPART_SCHEME, "https") && part_is(u, CURLUPART_SCHEME, "http") &&
               same_part(base, u, CURLUPART_HOST) && part_is(u, CURLUPART_PORT, "80");
}

int rest_url_next(const char *base, const char *ref, struct buf *out, struct err *e)
{
        cleanup_(url_freep) CURLU *from = curl_url();
        cleanup_(url_freep) CURLU *u = curl_url();

        if (!from || !u)
                return err_nomem(e, "an address");
        int rc = join(u, base, ref, e);
        if (rc < 0)
                return rc;
        if (curl_url_set(from, CURLUPART_URL, base, CURLU_URLENCODE) == CURLUE_OK &&
                is_behind_proxy(from, u)) {
                cleanup_(text_freep) char *port = part_of(from, CURLUPART_PORT);
                CURLUcode code = curl_url_set(u, CURLUPART_SCHEME, "https", 0);
                if (code == CURLUE_OK)
                        code = curl_url_set(u, CURLUPART_PORT,
                                port && strcmp(port, "443") != 0 ? port : NULL, 0);
                if (code != CURLUE_OK)
                        return unusable(code, ref, e);
        }
        return put(u, ref, out, e);
}

bool rest_url_same_origin(const char *from, const char *to)
{
        cleanup_(url_freep) CURLU *a = curl_url();
        cleanup_(url_freep) CURLU *b = curl_url();

        return a && b && curl_url_set(a, CURLUPART_URL, from, CURLU_URLENCODE) == CURLUE_OK &&
               curl_url_set(b, CURLUPART_URL, to, CURLU_URLENCODE) == CURLUE_OK &&
               same_part(a, b, CURLUPART_SCHEME) && same_part(a, b, CURLUPART_HOST) &&
               same_part(a, b, CURLUPART_PORT);
}

bool rest_url_is_secure(const char *url)
{
        return strncasecmp(url, "https:", 6) == 0;
}

bool rest_url_has_param(const char *url, struct str name)
{
        const char *p = strchr(url, '?');

        while (p) {
                p++;
                size_t n = strcspn(p, "=&#");
                if (str_eq((struct str){p, n}, name))
                        return true;
                p += strcspn(p, "&#");
                p = *p == '&' ? p : NULL;
        }
        return false;
}
