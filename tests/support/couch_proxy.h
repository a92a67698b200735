/*
 * couch_proxy.h: stands between a client and a CouchDB and makes faults on demand.
 *
 * A rule says for which requests (by a piece of the path, and by their number among those) what
 * happens; requests without a rule pass. Runs on threads of its own (fake_http).
 */
#pragma once

#include <stddef.h>

enum proxy_fault {
        PROXY_PASS,
        PROXY_LOSE,        /* passed on; the connection is closed instead of a reply */
        PROXY_LOSE_HALF,   /* passed on; half of the reply, then closed */
        PROXY_REFUSE,      /* not passed on; closed without a reply */
        PROXY_RESET,       /* the same with a RST */
        PROXY_ANSWER,      /* not passed on; status, headers, body of the rule */
        PROXY_ANSWER_AFTER /* passed on, but answered by the rule */
};

struct proxy_rule {
        const char *path; /* piece of the path, "POST /db/..." style; "" matches all */
        int from, to;     /* requests [from, to) among those that match, from 0 */
        enum proxy_fault fault;
        int status;
        const char *headers, *body;
        const char *if_body; /* only requests whose body holds this; NULL: all (they count only
                              * where they match) */
};

struct couch_proxy;

/** couch_proxy_start() - @target: URL without credentials; @rules: borrowed */
struct couch_proxy *couch_proxy_start(
        const char *target, const struct proxy_rule *rules, size_t count);
void couch_proxy_stop(struct couch_proxy *p);

/** couch_proxy_url() - of the proxy itself; valid until it stops */
const char *couch_proxy_url(const struct couch_proxy *p);

/** couch_proxy_count() - requests so far whose path holds @path */
int couch_proxy_count(struct couch_proxy *p, const char *path);
