#!/bin/sh
# pg_cluster.sh: a private PostgreSQL cluster for one test program.
#
# Prints a connection string of its superuser, and removes the cluster when standard input ends:
# also when the program was killed. Passwords are asked for over TCP; TLS with a certificate that
# nobody signed, where openssl is installed. Exit 77: no PostgreSQL server is installed.
set -eu

bin=
for path in /usr/lib/postgresql/*/bin/postgres "$(command -v postgres || true)"; do
        [ ! -x "$path" ] || bin=${path%/postgres}
done
[ -n "$bin" ] || exit 77

as_postgres() { # PostgreSQL does not run as root
        if [ "$(id -u)" = 0 ]; then
                setpriv --reuid=postgres --regid=postgres --clear-groups "$@"
        else
                "$@"
        fi
}

if [ "$(id -u)" = 0 ] && ! id postgres >/dev/null 2>&1; then
        exit 77
fi
folder=$(mktemp -d "${TMPDIR:-/tmp}/pg-test-XXXXXX")
[ "$(id -u)" != 0 ] || chown postgres "$folder"
cd "$folder"
echo secret >password

# shellcheck disable=SC2317 # called by the trap
stop() {
        trap - EXIT INT TERM HUP
        [ ! -f data/postmaster.pid ] ||
                as_postgres "$bin/pg_ctl" -D data -m immediate stop >/dev/null 2>&1 || true
        cd /
        rm -rf "$folder"
}
trap stop EXIT INT TERM HUP

as_postgres "$bin/initdb" -D data -U postgres -E UTF8 --locale=C.UTF-8 --auth=scram-sha-256 \
        --pwfile=password --no-sync >initdb.log 2>&1 || { cat initdb.log >&2; exit 1; }
cat >>data/postgresql.conf <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = '$folder'
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 40
max_prepared_transactions = 4
lc_messages = 'C'
timezone = 'America/New_York'
DateStyle = 'SQL, DMY'
IntervalStyle = 'postgres'
extra_float_digits = 0
bytea_output = 'escape'
CONF
if openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test.invalid \
        -keyout data/server.key -out data/server.crt >/dev/null 2>&1; then
        [ "$(id -u)" != 0 ] || chown postgres data/server.key data/server.crt
        chmod 600 data/server.key
        echo 'ssl = on' >>data/postgresql.conf
fi

i=0
until [ $i -ge 10 ]; do
        i=$((i + 1))
        port=$((20000 + $(od -An -N2 -tu2 /dev/urandom) % 12000)) # below the ephemeral ones
        if as_postgres "$bin/pg_ctl" -D data -o "-p $port" -w -l data/server.log start \
                >/dev/null 2>&1; then
                echo "host=127.0.0.1 port=$port user=postgres password=secret dbname=postgres"
                cat >/dev/null # until the program that started this ends
                exit 0
        fi
done
cat data/server.log >&2
exit 1
