/*
 * Link headers, RFC 8288 section 3: <address>; name=value; name="quoted", <address>; ...
 *
 * Malformed parts are passed over, up to the next comma outside quotes: a server's slip in one
 * link must not hide another.
 */
#include <ctype.h>
#include <strings.h>

#include "ingest/source/rest/paging.h"

struct link {
        const char *p, *end;
        struct str address;
        bool has_rel, is_next, has_anchor;
};

static void pass_blanks(struct link *l)
{
        while (l->p < l->end && (*l->p == ' ' || *l->p == '\t'))
                l->p++;
}

static bool is_token(char c)
{
        return c && (isalnum((unsigned char)c) || strchr("!#$%&'*+-.^_`|~", c));
}

static struct str take_token(struct link *l)
{
        const char *start = l->p;

        while (l->p < l->end && is_token(*l->p))
                l->p++;
        return (struct str){start, (size_t)(l->p - start)};
}

/* A quoted string, without its quotes; what is escaped in it is no relation that we know. */
static struct str take_quoted(struct link *l)
{
        const char *start = ++l->p;

        while (l->p < l->end && *l->p != '"')
                l->p += *l->p == '\\' && l->p + 1 < l->end ? 2 : 1;
        struct str inside = {start, (size_t)(l->p - start)};
        l->p += l->p < l->end;
        return inside;
}

static bool is_word(struct str s, const char *word)
{
        return s.len == strlen(word) && strncasecmp(s.ptr, word, s.len) == 0;
}

/* Whether the list @rels of relations, divided by blanks, has "next". */
static bool has_next(struct str rels)
{
        const char *p = rels.ptr, *end = rels.ptr + rels.len;

        while (p < end) {
                const char *start = p;
                while (p < end && !isspace((unsigned char)*p))
                        p++;
                if (is_word((struct str){start, (size_t)(p - start)}, "next"))
                        return true;
                p++;
        }
        return false;
}

/* One parameter behind ';'. Of several rel only the first counts. */
static void take_parameter(struct link *l)
{
        struct str value = {0};

        pass_blanks(l);
        struct str name = take_token(l);
        pass_blanks(l);
        if (l->p < l->end && *l->p == '=') {
                l->p++;
                pass_blanks(l);
                value = l->p < l->end && *l->p == '"' ? take_quoted(l) : take_token(l);
        }
        if (is_word(name, "rel") && !l->has_rel) {
                l->has_rel = true;
                l->is_next = has_next(value);
        }
        l->has_anchor |= is_word(name, "anchor");
        pass_blanks(l);
}

/* What is malformed, up to the next ';' or ','. */
static void pass_rest(struct link *l)
{
        while (l->p < l->end && *l->p != ';' && *l->p != ',') {
                if (*l->p == '"')
                        (void)take_quoted(l);
                else
                        l->p++;
        }
}

/* Return: false where there is no '<...>'; then nothing more can be made of the header. */
static bool take_link(struct link *l)
{
        while (l->p < l->end && *l->p != '<') {
                if (*l->p == '"')
                        (void)take_quoted(l);
                else
                        l->p++;
        }
        const char *close = l->p < l->end ? memchr(l->p, '>', (size_t)(l->end - l->p)) : NULL;
        if (!close)
                return false;
        l->address = (struct str){l->p + 1, (size_t)(close - l->p - 1)};
        l->has_rel = l->is_next = l->has_anchor = false;
        l->p = close + 1;
        pass_rest(l);
        while (l->p < l->end && *l->p == ';') {
                l->p++;
                take_parameter(l);
                pass_rest(l);
        }
        return true;
}

bool rest_link_next(struct str header, struct str *out)
{
        struct link l = {.p = header.ptr, .end = header.ptr + header.len};

        while (take_link(&l))
                if (l.is_next && !l.has_anchor && l.address.len) {
                        *out = l.address;
                        return true;
                }
        return false;
}
