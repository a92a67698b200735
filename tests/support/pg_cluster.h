/*
 * pg_cluster.h: a real PostgreSQL for unit tests.
 *
 * A private cluster that tests/support/pg_cluster.sh starts for this program and removes with it.
 * Its settings are not those we need (DateStyle, IntervalStyle, time zone ...): a connector that
 * relies on them fails here. A test that needs it begins with pg_cluster_or_skip(). One thread.
 */
#pragma once

#include <stdbool.h>

/** pg_cluster() - the superuser's connection string; NULL: no server is installed here */
const char *pg_cluster(void);

/** pg_cluster_stop() - at the end of the program */
void pg_cluster_stop(void);

/** pg_cluster_restart() - stops and starts the server; everybody's connections are lost */
void pg_cluster_restart(void);

/** pg_sql() - runs @sql in @database (NULL: postgres) as superuser; fails the test on an error
 * Return: the first value of its result, "" without one; valid until the next call but three. */
const char *pg_sql(const char *database, const char *sql);

/** pg_port() - the port on 127.0.0.1 */
int pg_port(void);

#define pg_cluster_or_skip()                                                                       \
        do {                                                                                       \
                if (!pg_cluster()) {                                                               \
                        print_message("skipped: no PostgreSQL server is installed here\n");        \
                        skip();                                                                    \
                }                                                                                  \
        } while (0)
