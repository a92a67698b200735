/* The script is started through a pipe: when this program ends, however, the script sees it. */
#include "tests/support/pg_cluster.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONNECTIONS 8

static struct {
        bool tried, usable;
        pid_t pid;    /* of the script; 0: none */
        int stdin_fd; /* closing it stops the server */
        char dsn[256];
        struct {
                char name[64];
                PGconn *pg;
        } connections[CONNECTIONS];
        PGresult *results[4];
        unsigned next_result;
} cluster;

static bool start_script(char *line, size_t size)
{
        int in[2], out[2];

        if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
                return false;
        cluster.pid = fork();
        if (cluster.pid == 0) {
                dup2(in[0], 0);
                dup2(out[1], 1);
                execl("/bin/sh", "sh", PG_CLUSTER_SCRIPT, (char *)NULL);
                _exit(127);
        }
        close(in[0]);
        close(out[1]);
        cluster.stdin_fd = in[1];
        FILE *f = fdopen(out[0], "r");
        bool ok = f && fgets(line, (int)size, f);
        if (f)
                fclose(f);
        line[strcspn(line, "\n")] = '\0';
        return ok;
}

const char *pg_cluster(void)
{
        if (!cluster.tried) {
                cluster.tried = true;
                cluster.usable = start_script(cluster.dsn, sizeof(cluster.dsn));
        }
        return cluster.usable ? cluster.dsn : NULL;
}

static void close_connections(void)
{
        for (int i = 0; i < CONNECTIONS; i++)
                PQfinish(cluster.connections[i].pg);
        memset(cluster.connections, 0, sizeof(cluster.connections));
}

void pg_cluster_stop(void)
{
        close_connections();
        for (int i = 0; i < 4; i++)
                PQclear(cluster.results[i]);
        if (cluster.pid > 0) {
                close(cluster.stdin_fd);
                waitpid(cluster.pid, NULL, 0);
        }
        memset(&cluster, 0, sizeof(cluster));
}

static void broken(const char *what, const char *message)
{
        fprintf(stderr, "test PostgreSQL: %s: %s\n", what, message);
        pg_cluster_stop();
        exit(1);
}

static PGconn *connection(const char *database)
{
        char dsn[512];
        int i = 0;

        while (i < CONNECTIONS - 1 && cluster.connections[i].pg &&
                strcmp(cluster.connections[i].name, database) != 0)
                i++;
        if (cluster.connections[i].pg && strcmp(cluster.connections[i].name, database) == 0)
                return cluster.connections[i].pg;
        PQfinish(cluster.connections[i].pg);
        snprintf(dsn, sizeof(dsn), "%s dbname='%s' client_encoding='%s'", cluster.dsn, database,
                strcmp(database, "bytes") == 0 ? "SQL_ASCII" : "UTF8");
        cluster.connections[i].pg = PQconnectdb(dsn);
        if (PQstatus(cluster.connections[i].pg) != CONNECTION_OK)
                broken("connect", PQerrorMessage(cluster.connections[i].pg));
        snprintf(cluster.connections[i].name, sizeof(cluster.connections[i].name), "%s", database);
        return cluster.connections[i].pg;
}

const char *pg_sql(const char *database, const char *sql)
{
        PGconn *pg = connection(database ? database : "postgres");
        PGresult *result = PQexec(pg, sql);
        PGresult **kept = &cluster.results[cluster.next_result++ % 4];

        if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
                broken(sql, PQerrorMessage(pg));
        PQclear(*kept);
        *kept = result;
        return PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
}

int pg_port(void)
{
        const char *port = strstr(cluster.dsn, "port=");

        return port ? (int)strtol(port + strlen("port="), NULL, 10) : 0;
}

/* As the script started it: PostgreSQL does not run as root. */
void pg_cluster_restart(void)
{
        char command[2048];

        snprintf(command, sizeof(command),
                "%s%s/pg_ctl -D '%s' -o '-p %d' -m fast -w restart >/dev/null 2>&1",
                geteuid() == 0 ? "cd /; setpriv --reuid=postgres --regid=postgres --clear-groups "
                               : "",
                pg_sql(NULL, "SELECT setting FROM pg_config WHERE name = 'BINDIR'"),
                pg_sql(NULL, "SELECT current_setting('data_directory')"), pg_port());
        close_connections();
        if (system(command) != 0)
                broken("restart", command);
}
