/*
 * libcurl's own parser decides what a URL is, so that what passes here is what it will request.
 * The public form is made by hand: it must also work for what is no URL, where nothing but the
 * place of '@' says how far a password may reach.
 */
#include "ingest/loop/http_url.h"

#include <curl/curl.h>

#include "ingest/loop/http.h"

static CURLUcode get_scheme(CURLU *u, bool *web)
{
        char *scheme = NULL;
        CURLUcode code = curl_url_get(u, CURLUPART_SCHEME, &scheme, 0);

        if (code == CURLUE_OK)
                *web = strcasecmp(scheme, "http") == 0 || strcasecmp(scheme, "https") == 0;
        curl_free(scheme);
        return code;
}

static int unusable(struct err *e, const char *why)
{
        return err_set(
                e, ERR_CONFIG, "not a usable URL (%s); write it as http://HOST:PORT/PATH", why);
}

int http_url_check(const char *url, struct err *e)
{
        CURLU *u = curl_url();

        if (!u)
                return err_nomem(e, "a URL");
        bool web = false;
        CURLUcode code = curl_url_set(u, CURLUPART_URL, url, 0);
        if (code == CURLUE_OK)
                code = get_scheme(u, &web);
        int rc = 0;
        if (code == CURLUE_OUT_OF_MEMORY)
                rc = err_nomem(e, "a URL");
        else if (code != CURLUE_OK)
                rc = unusable(e, curl_url_strerror(code));
        else if (!web)
                rc = unusable(e, "its scheme is not http or https");
        curl_url_cleanup(u);
        return rc;
}

static bool is_printable(const char *text)
{
        while (*text > ' ' && *text <= '~')
                text++;
        return *text == '\0';
}

int http_url_check_again(struct http_url_origin *last, const char *url, struct err *e)
{
        if (last->len > 0 && strncmp(url, last->text, last->len) == 0 && url[last->len] == '/' &&
                is_printable(url + last->len))
                return 0;
        int rc = http_url_check(url, e);
        if (rc < 0)
                return rc;
        const char *authority = strstr(url, "://");
        size_t n = authority ? (size_t)(authority - url) + 3 : 0;
        n += strcspn(url + n, "/?#");
        last->len = authority && n < sizeof(last->text) ? n : 0;
        memcpy(last->text, url, last->len);
        return 0;
}

void http_url_public(struct buf *out, const char *url)
{
        const char *scheme_end = strstr(url, "://");
        const char *rest = scheme_end ? scheme_end + 3 : url;
        size_t end = strcspn(rest, "?#");
        size_t authority = strcspn(rest, "/?#");
        size_t begin = 0;

        for (size_t i = 0; i < authority; i++)
                if (rest[i] == '@')
                        begin = i + 1;
        /* A password may hold a slash, and then what looks like the host is a part of it. */
        CURLU *u = curl_url();
        bool parsed = u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK;
        curl_url_cleanup(u);
        if (!parsed && strchr(rest, '@')) {
                begin = (size_t)(strrchr(rest, '@') - rest) + 1;
                end = begin + strcspn(rest + begin, "?#");
        }
        buf_put(out, url, (size_t)(rest - url));
        buf_put(out, rest + begin, end - begin);
}

void http_url_encode(struct buf *out, struct str s)
{
        static const char hex[] = "0123456789ABCDEF";

        for (size_t i = 0; i < s.len; i++) {
                unsigned char c = (unsigned char)s.ptr[i];
                if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                        c == '-' || c == '.' || c == '_' || c == '~')
                        buf_putc(out, (char)c);
                else
                        buf_put(out, (char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
        }
}
