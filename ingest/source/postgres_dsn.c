/*
 * libpq ends the user information of a URI at the first '@', unless a '/' comes before. A
 * password with one of the two in it is therefore cut, which shows as an '@' in the host or in
 * the path, or as a port that is no number.
 */
#include "ingest/source/postgres_dsn.h"

#include <string.h>

#include "ingest/base/str.h"

static int refuse(struct err *e)
{
        return err_set(e, ERR_CONFIG,
                "dsn is not a PostgreSQL connection string: give "
                "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, where the characters "
                "@ : / ? # %% of a user or password are percent-encoded (@ is %%40), or "
                "host=... port=... dbname=... user=... password='...'");
}

int pg_dsn_parse(const char *dsn, PQconninfoOption **out, struct err *e)
{
        char *message = NULL;
        PQconninfoOption *options = PQconninfoParse(dsn, &message);

        if (message)
                PQfreemem(message); /* may quote a part of a password */
        if (!options)
                return refuse(e);
        *out = options;
        return 0;
}

const char *pg_dsn_get(const PQconninfoOption *options, const char *keyword)
{
        for (; options->keyword; options++) {
                if (strcmp(options->keyword, keyword) == 0)
                        return options->val;
        }
        return NULL;
}

/* Whether the user information of a URI was split at a character of the password. */
static bool is_split_wrong(const char *dsn)
{
        const char *scheme = strstr(dsn, "://");

        if (!scheme ||
                (strncmp(dsn, "postgresql://", 13) != 0 && strncmp(dsn, "postgres://", 11) != 0))
                return false;
        const char *authority = scheme + 3;
        const char *path = authority + strcspn(authority, "/");
        const char *at = memchr(authority, '@', path - authority);
        const char *host = at ? at + 1 : authority;

        if (at && memchr(host, '@', strcspn(host, "/?")))
                return true;
        return memchr(path, '@', strcspn(path, "?"));
}

/* "5432", or one for each host: "5432,,5433". */
static bool are_ports(const char *ports)
{
        return strspn(ports, "0123456789,") == strlen(ports);
}

int pg_dsn_check(const char *dsn, struct err *e)
{
        cleanup_(pg_dsn_freep) PQconninfoOption *options = NULL;

        int rc = pg_dsn_parse(dsn, &options, e);
        if (rc)
                return rc;
        const char *port = pg_dsn_get(options, "port");
        if (is_split_wrong(dsn) || (port && !are_ports(port)))
                return refuse(e);
        return 0;
}
