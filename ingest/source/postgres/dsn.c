/*
 * libpq ends the user information of a URI at the first '@', unless a '/' comes before. A
 * password with one of the two in it is therefore cut, which shows as an '@' in the host or in
 * the path, or as a port that is no number.
 */
#include "ingest/source/postgres/dsn.h"

#include <string.h>
#include <strings.h>

#include "ingest/base/str.h"

struct habit {
        const char *word, *remedy;
};

/* How a string begins that was written for something else. */
static const struct habit beginnings[] = {
        {"jdbc:",
                "it is a JDBC url: begin it with postgresql://, and write USER:PASSWORD@ in front "
                "of the host"},
        {"mysql:", "it is a MySQL url, and this version reads PostgreSQL"},
        {"mariadb:", "it is a MariaDB url, and this version reads PostgreSQL"},
        {"sqlserver:", "it is an SQL Server url, and this version reads PostgreSQL"},
        {"oracle:", "it is an Oracle url, and this version reads PostgreSQL"},
        {"http:", "it is the url of a web server"},
        {"https:", "it is the url of a web server"},
        {"$", "a variable is written ${NAME}"},
        {"%", "a variable is written ${NAME}"},
        {"{", "a variable is written ${NAME}"},
};

/* Keywords of other libraries. */
static const struct habit keywords[] = {
        {"server", "'server' is written host"},
        {"hostname", "'hostname' is written host"},
        {"database", "'database' is written dbname"},
        {"db", "'db' is written dbname"},
        {"username", "'username' is written user"},
        {"uid", "'uid' is written user"},
        {"passwd", "'passwd' is written password"},
        {"pwd", "'pwd' is written password"},
        {"pass", "'pass' is written password"},
        {"ssl", "'ssl' is written sslmode"},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The word stands at @at as a keyword: KEYWORD = ... */
static bool is_keyword_at(const char *dsn, const char *at, const char *word)
{
        size_t n = strlen(word);

        return (at == dsn || strchr(" \t\r\n;,&?", at[-1])) && strncasecmp(at, word, n) == 0 &&
               at[n + strspn(at + n, " \t")] == '=';
}

/* What @dsn was probably meant to be; NULL where it does not show. Never a part of it. */
static const char *find_habit(const char *dsn)
{
        for (size_t i = 0; i < COUNT(beginnings); i++)
                if (strncasecmp(dsn, beginnings[i].word, strlen(beginnings[i].word)) == 0)
                        return beginnings[i].remedy;
        for (size_t i = 0; i < COUNT(keywords); i++)
                for (const char *at = dsn; *at; at++)
                        if (is_keyword_at(dsn, at, keywords[i].word))
                                return keywords[i].remedy;
        return NULL;
}

static int refuse(const char *dsn, struct err *e)
{
        const char *habit = find_habit(dsn);

        return err_set(e, ERR_CONFIG,
                "dsn is not a PostgreSQL connection string%s%s%s: give "
                "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, where the characters "
                "@ : / ? # %% of a user or password are percent-encoded (@ is %%40), or "
                "host=... port=... dbname=... user=... password='...'",
                habit ? " (" : "", habit ? habit : "", habit ? ")" : "");
}

int pg_dsn_parse(const char *dsn, PQconninfoOption **out, struct err *e)
{
        char *message = NULL;
        PQconninfoOption *options = PQconninfoParse(dsn, &message);

        if (message)
                PQfreemem(message); /* may quote a part of a password */
        if (!options)
                return refuse(dsn, e);
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
        for (const char *p = ports; *p; p += *p == ',') {
                size_t n = strcspn(p, ",");
                int64_t port;

                if (n > 0 && (!str_to_int64((struct str){p, n}, &port) || port < 1 || port > 65535))
                        return false;
                p += n;
        }
        return true;
}

/* Whether commas or semicolons were taken for separators: they and what is behind them, a password
 * too, are then a part of the value in front of them. */
static bool is_joined(const PQconninfoOption *options)
{
        static const char *const names[] = {"host", "hostaddr", "port", "dbname", "user"};

        for (size_t i = 0; i < COUNT(names); i++) {
                const char *value = pg_dsn_get(options, names[i]);
                size_t n = value ? strlen(value) : 0;

                bool list = strcmp(names[i], "port") == 0; /* 5432, is a port and a default one */

                if (n > 0 && (strchr(value, ';') || strchr(value, '=') ||
                                     (value[n - 1] == ',' && !list)))
                        return true;
        }
        return false;
}

static int check_sslmode(const char *mode, struct err *e)
{
        static const char *const modes[] = {
                "disable", "allow", "prefer", "require", "verify-ca", "verify-full"};

        for (size_t i = 0; i < COUNT(modes); i++)
                if (!mode || strcmp(mode, modes[i]) == 0)
                        return 0;
        return err_set(e, ERR_CONFIG,
                "dsn: sslmode is disable, allow, prefer, require, verify-ca or verify-full");
}

int pg_dsn_check(const char *dsn, struct err *e)
{
        cleanup_(pg_dsn_freep) PQconninfoOption *options = NULL;

        int rc = pg_dsn_parse(dsn, &options, e);
        if (rc)
                return rc;
        const char *port = pg_dsn_get(options, "port");
        if (is_joined(options))
                return err_set(e, ERR_CONFIG,
                        "dsn: its settings are separated by blanks, not by commas or semicolons: "
                        "host=... port=... dbname=... user=... password='...'");
        if (is_split_wrong(dsn))
                return refuse(dsn, e);
        if (port && !are_ports(port))
                return err_set(e, ERR_CONFIG,
                        "dsn: the port must be a number from 1 to 65535; the characters "
                        "@ : / ? # %% of a user or password in a url are percent-encoded");
        return check_sslmode(pg_dsn_get(options, "sslmode"), e);
}
