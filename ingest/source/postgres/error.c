/*
 * libpq gives no SQLSTATE for a failed connection attempt, but with PQERRORS_VERBOSE each server
 * message begins "SEVERITY:  SQLSTATE: ", in any language: the code is taken from there and cut
 * out of what people read, like the LOCATION lines that come with it.
 */
#include "ingest/source/postgres/error.h"

#include <stdlib.h>

struct sqlstate_class {
        const char *prefix; /* of the SQLSTATE; the first that fits decides */
        enum err_class class;
};

static const struct sqlstate_class sqlstate_classes[] = {
        {"08P01", ERR_CONFIG}, /* our own statements hold to the protocol: a $1 in a query */
        {"08", ERR_RETRY},     /* connection exception */
        {"25P03", ERR_RETRY},  /* idle_in_transaction_session_timeout */
        {"25P04", ERR_RETRY},  /* transaction_timeout */
        {"40", ERR_RETRY},     /* serialization failure, deadlock, conflict with recovery */
        {"53400", ERR_CONFIG}, /* temp_file_limit: of the query, and the same the next time */
        {"53", ERR_RETRY},     /* too many connections, disk full, out of memory */
        {"55006", ERR_RETRY},  /* the database is being copied or dropped */
        {"55P03", ERR_RETRY},  /* lock_timeout */
        {"57014", ERR_RETRY},  /* statement_timeout, or an administrator's cancel */
        {"57P04", ERR_CONFIG}, /* the database was dropped */
        {"57P", ERR_RETRY},    /* shutdown, crash, starting up */
        {"58", ERR_RETRY},     /* I/O error of the server */
        {"72", ERR_RETRY},     /* snapshot too old */
        {"HV00N", ERR_RETRY},  /* a foreign table's server cannot be reached */
        {"XX001", ERR_CONFIG}, /* a damaged table or index stays damaged */
        {"XX002", ERR_CONFIG},
        {"XX", ERR_RETRY}, /* internal error of the server: a table that is replaced meanwhile */
};

enum err_class pg_error_class(const char *sqlstate)
{
        for (size_t i = 0; i < sizeof(sqlstate_classes) / sizeof(sqlstate_classes[0]); i++) {
                const struct sqlstate_class *c = &sqlstate_classes[i];

                if (strncmp(sqlstate, c->prefix, strlen(c->prefix)) == 0)
                        return c->class;
        }
        return ERR_CONFIG;
}

static void set_sqlstate(struct err *e, const char *sqlstate)
{
        if (e && strlen(sqlstate) == sizeof(e->sqlstate) - 1)
                memcpy(e->sqlstate, sqlstate, sizeof(e->sqlstate));
}

struct sqlstate_hint {
        const char *prefix; /* of the SQLSTATE; the first that fits is taken */
        const char *hint;
};

static int hint_of(const struct sqlstate_hint *hints, size_t count, int rc, const char *sqlstate,
        struct err *e)
{
        for (size_t i = 0; i < count; i++)
                if (strncmp(sqlstate, hints[i].prefix, strlen(hints[i].prefix)) == 0)
                        return err_hint(e, rc, "%s", hints[i].hint);
        return rc;
}

/* The hint that goes with a failure which an operator mends in erp2couch.yaml or on the server. */
static int add_hint(int rc, const char *sqlstate, struct err *e)
{
        static const struct sqlstate_hint hints[] = {
                {"57014", "the limit is statement_timeout, of the source in erp2couch.yaml or of "
                          "the server, unless somebody cancelled it there"},
                {"08P01", "a query has no parameters: remove $1 and the like"},
                {"42501", "GRANT SELECT to the source's user, and USAGE on a schema"},
                {"25006", "a query must not write: it runs in a read only transaction"},
                {"42703", "names with capitals stand in double quotes, texts in single ones"},
                {"0A000", "a query is read as SELECT * FROM (query): it can only read"},
                {"40001", "a standby ends reads that its primary's changes cannot wait for: raise "
                          "max_standby_streaming_delay there, or set hot_standby_feedback = on"},
                {"53400", "raise it for the source's user, or have the query sort less"},
        };

        if (rc != -(int)pg_error_class(sqlstate)) /* said by a pooler */
                return rc;
        return hint_of(hints, sizeof(hints) / sizeof(hints[0]), rc, sqlstate, e);
}

/* The same for a connection that was not made. */
static int add_connection_hint(int rc, const char *sqlstate, struct err *e)
{
        static const struct sqlstate_hint hints[] = {
                {"28", "check user and password in the dsn, and pg_hba.conf of the server"},
                {"3D000", "check dbname in the dsn: psql -l lists what there is"},
                {"42501", "GRANT CONNECT ON DATABASE to the source's user"},
                {"53300", "a run takes two connections, one of them for its lock: raise the limit "
                          "of the server, the database or the user"},
        };

        return hint_of(hints, sizeof(hints) / sizeof(hints[0]), rc, sqlstate, e);
}

/* What ended a connection may pass, whatever it is called: poolers say "protocol violation" (08P01)
 * for all that happens to them. A database that was dropped does not come back. */
static enum err_class class_of_end(const char *sqlstate)
{
        return strcmp(sqlstate, "57P04") == 0 ? ERR_CONFIG : ERR_RETRY;
}

static enum err_class class_of(const PGresult *result, const char *sqlstate)
{
        const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

        if (!severity) /* poolers send the other one only, untranslated */
                severity = PQresultErrorField(result, PG_DIAG_SEVERITY);
        if (severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0))
                return class_of_end(sqlstate);
        return pg_error_class(sqlstate);
}

int pg_error_result(const PGresult *result, struct err *e)
{
        const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
        const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
        const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);

        if (!state) /* libpq's own words: the connection broke */
                return err_set(e, ERR_RETRY, "%s",
                        message ? message : "the connection to the server was lost");
        int rc = err_set(e, class_of(result, state), "%s (%s%s%s%sSQLSTATE %s)",
                message ? message : "error without a message", detail ? detail : "",
                detail ? "; " : "", hint ? hint : "", hint ? "; " : "", state);
        set_sqlstate(e, state);
        return add_hint(rc, state, e);
}

size_t pg_error_position(const PGresult *result)
{
        const char *text = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
        int64_t position;

        return text && str_to_int64(str_of(text), &position) && position > 0 ? (size_t)position : 0;
}

static bool is_sqlstate(const char *p)
{
        for (int i = 0; i < 5; i++) {
                if (!((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'A' && p[i] <= 'Z')))
                        return false;
        }
        return p[5] == ':' && p[6] == ' ';
}

/* Copies one line of libpq's message without its SQLSTATE, which goes to @state. */
static size_t copy_line(struct str line, char *out, size_t room, char state[6])
{
        size_t n = 0;

        for (size_t i = 0; i < line.len && n + 1 < room; i++) {
                out[n++] = line.ptr[i];
                bool behind_severity = i >= 2 && memcmp(line.ptr + i - 2, ":  ", 3) == 0;

                if (behind_severity && line.len - i > 7 && is_sqlstate(line.ptr + i + 1)) {
                        memcpy(state, line.ptr + i + 1, 5);
                        i += 7;
                }
        }
        return n;
}

/* libpq's text (several lines, one or more for each host tried) as one line. */
static void flatten(const char *text, char *out, size_t size, char state[6])
{
        static const struct str location = {"LOCATION:", 9};
        static const struct str question = {"Is the server running", 21}; /* our hint says it */
        size_t n = 0;

        while (*text) {
                size_t len = strcspn(text, "\n");
                struct str line = str_trim((struct str){text, len});

                text += len + (text[len] == '\n');
                if (line.len == 0 || str_starts(line, location) || str_starts(line, question))
                        continue;
                if (n > 0 && n + 2 < size) {
                        memcpy(out + n, "; ", 2);
                        n += 2;
                }
                n += copy_line(line, out + n, size - n, state);
        }
        out[n] = '\0';
}

/* libpq repeats the address, which stands in front of its words in our message already; with
 * several hosts each has its own. */
static const char *without_address(const char *text)
{
        static const char start[] = "connection to server ", end[] = " failed: ";
        const char *cause = strstr(text, end);

        if (strncmp(text, start, strlen(start)) != 0 || !cause || strstr(text + 1, start))
                return text;
        cause += strlen(end);
        return strncmp(cause, "FATAL:  ", 8) == 0 ? cause + 8 : cause;
}

static int hint_connection(
        const PGconn *pg, const char *state, bool answered, int rc, struct err *e)
{
        if (PQconnectionNeedsPassword(pg))
                return err_hint(e, rc, "the server asks for a password: put one into the dsn");
        if (state[0])
                return add_connection_hint(rc, state, e);
        return err_hint(e, rc, "%s",
                answered ? "check sslmode and the other settings in the dsn"
                         : "check host and port in the dsn, and that PostgreSQL listens there");
}

int pg_error_connection(const PGconn *pg, bool answered, bool closed, struct err *e)
{
        char flat[ERR_TEXT_MAX / 2], state[6] = "";
        enum err_class class;

        flatten(PQerrorMessage(pg), flat, sizeof(flat), state);
        const char *text = without_address(flat);
        if (state[0])
                class = pg_error_class(state);
        else if (PQconnectionNeedsPassword(pg))
                class = ERR_CONFIG;
        else
                class = answered && !closed ? ERR_CONFIG : ERR_RETRY;
        int rc = err_set(e, class, "%s%s%s%s", text[0] ? text : "the connection failed",
                state[0] ? " (SQLSTATE " : "", state, state[0] ? ")" : "");
        set_sqlstate(e, state);
        return hint_connection(pg, state, answered && !closed, rc, e);
}

int pg_error_lost(const PGconn *pg, struct err *e)
{
        char text[ERR_TEXT_MAX / 2], state[6] = "";

        flatten(PQerrorMessage(pg), text, sizeof(text), state);
        int rc = err_set(e, class_of_end(state), "connection lost: %s%s%s%s",
                text[0] ? text : "the server closed it", state[0] ? " (SQLSTATE " : "", state,
                state[0] ? ")" : "");
        set_sqlstate(e, state);
        return rc;
}
