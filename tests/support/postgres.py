"""A private PostgreSQL cluster: one for a test session, a database for each test.

The program under test connects as `reader`, which may read everything and write nothing, so
that a run that needs more rights than it should fails here.
"""

import glob
import re
import shutil
import signal
import subprocess
import uuid
from pathlib import Path

import psycopg2
import psycopg2.extensions

from .process import (ServerError, child_setup, free_port, start_server, temporary_folder,
                      unprivileged_user, wait_until)

SETTINGS = """
listen_addresses = '127.0.0.1'
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = logical
max_wal_size = 4GB
shared_buffers = 256MB
maintenance_work_mem = 256MB
max_connections = 60
max_prepared_transactions = 5
max_locks_per_transaction = 256
timezone = 'UTC'
lc_messages = 'C'
log_line_prefix = '%m [%p] %d '
"""
READER_PASSWORD = "reader's secret%20+/"


def find_bindir():
    """The folder of the newest PostgreSQL here (14 or later), or None."""
    versions = []
    for path in glob.glob("/usr/lib/postgresql/*/bin/postgres"):
        number = re.search(r"/(\d+)/bin/postgres$", path)
        if number and int(number.group(1)) >= 14:
            versions.append((int(number.group(1)), Path(path).parent))
    if versions:
        return max(versions)[1]
    found = shutil.which("postgres")
    return Path(found).resolve().parent if found else None


class Cluster:
    """A running server; `stop()` and `start()` keep its data, `remove()` does not."""

    def __init__(self):
        self.bindir = find_bindir()
        if self.bindir is None:
            raise ServerError("no PostgreSQL server here: run deploy/install-deps --test")
        self.user = unprivileged_user()
        self.folder = temporary_folder("e2c-pg-", self.user)
        self.password = uuid.uuid4().hex
        self.port = None
        self.server = None
        self._connections = {}
        try:
            self._initialise()
            self.start()
            self.sql("postgres", "CREATE ROLE reader LOGIN PASSWORD %s", [READER_PASSWORD])
            self.sql("postgres", "GRANT pg_read_all_data TO reader")
        except BaseException:
            self.remove()
            raise

    def _run(self, *command, **options):
        """A PostgreSQL tool as the server's user. Returns its output."""
        done = subprocess.run(
            [str(self.bindir / command[0]), *map(str, command[1:])],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            cwd=str(self.folder), preexec_fn=child_setup(self.user), **options)
        if done.returncode != 0:
            raise ServerError(f"{command[0]}: {done.stdout.decode(errors='replace')}")
        return done.stdout.decode(errors="replace")

    def _initialise(self):
        secret = self.folder / "password"
        secret.write_text(self.password + "\n")
        secret.chmod(0o644)
        self._run("initdb", "--no-sync", "-D", self.folder / "data", "-U", "postgres",
                  "-E", "UTF8", "--locale=C.UTF-8", "-A", "scram-sha-256", f"--pwfile={secret}")
        with open(self.folder / "data" / "postgresql.conf", "a") as conf:
            conf.write(SETTINGS + f"unix_socket_directories = '{self.folder}'\n")

    def start(self):
        for attempt in range(3):
            if attempt or self.port is None:
                self.port = free_port()
            self.server = start_server(
                "PostgreSQL",
                [self.bindir / "postgres", "-D", self.folder / "data", "-p", self.port],
                self.folder, self.user, stop_signal=signal.SIGINT)
            try:
                wait_until("PostgreSQL answers", 60, self._answers)
                return
            except ServerError:
                if "could not bind" not in self.server.log_tail():
                    raise
        raise ServerError(f"PostgreSQL found no free port:\n{self.server.log_tail()}")

    def _answers(self):
        self.server.check()
        try:
            psycopg2.connect(self.dsn("postgres", "postgres", self.password)).close()
            return True
        except psycopg2.OperationalError:
            return False

    def stop(self):
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()
        if self.server:
            self.server.stop()

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def dsn(self, database, user="reader", password=READER_PASSWORD, port=None, **more):
        parameters = {"host": "127.0.0.1", "port": port or self.port, "dbname": database,
                      "user": user, "password": password, **more}
        return " ".join("{}='{}'".format(name, str(value).replace("\\", "\\\\").replace("'", "\\'"))
                        for name, value in parameters.items())

    def connect(self, database, **more):
        """A connection of the superuser's own, for tests that hold transactions open."""
        return psycopg2.connect(self.dsn(database, "postgres", self.password, **more))

    def connection(self, database):
        """The shared superuser connection to `database`, in autocommit."""
        found = self._connections.get(database)
        if found is None or found.closed:
            found = self.connect(database)
            found.autocommit = True
            self._connections[database] = found
        return found

    def sql(self, database, text, arguments=None):
        with self.connection(database).cursor() as cursor:
            cursor.execute(text, arguments)
            return cursor.fetchall() if cursor.description else None

    def create(self, name=None, encoding=None, template=None):
        """A new database: a copy of `template`, or an empty one in `encoding`."""
        name = name or "t_" + uuid.uuid4().hex[:12]
        options = ""
        if template:
            self.forget(template)
            options = f" TEMPLATE \"{template}\" STRATEGY file_copy"
        elif encoding:
            options = f" TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
        self.sql("postgres", f'CREATE DATABASE "{name}"{options}')
        return Database(self, name)

    def forget(self, name):
        connection = self._connections.pop(name, None)
        if connection:
            connection.close()

    def drop(self, name):
        self.forget(name)
        self.sql("postgres", f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def restore(self, name, dump):
        """Database `name` from a custom-format dump."""
        database = self.create(name)
        done = subprocess.run(
            [str(self.bindir / "pg_restore"), "--no-owner", "--no-privileges", "-j2",
             "-d", self.dsn(name, "postgres", self.password), str(dump)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise ServerError(f"pg_restore {dump}: {done.stdout.decode(errors='replace')[:4000]}")
        database.sql("ANALYZE")
        return database


class Database:
    """One database of the cluster."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.name = name

    def dsn(self, **options):
        return self.cluster.dsn(self.name, **options)

    def sql(self, text, arguments=None):
        """Runs `text` as superuser, committed at once. Returns rows (None for no result)."""
        return self.cluster.sql(self.name, text, arguments)

    def value(self, text, arguments=None):
        return self.sql(text, arguments)[0][0]

    def column(self, text, arguments=None):
        return [row[0] for row in self.sql(text, arguments)]

    def connect(self, **more):
        return self.cluster.connect(self.name, **more)

    def backends(self, user="reader"):
        """How many sessions `user` has in this database."""
        return self.value("SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
                          " AND usename = %s", [self.name, user])

    def drop(self):
        self.cluster.drop(self.name)
