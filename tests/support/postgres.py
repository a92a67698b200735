"""A private PostgreSQL cluster: one for a test session, a database for each test.

The program under test connects as `reader`, which may read everything and write nothing, so
that a run that needs more rights than it should fails here.
"""

import shutil
import subprocess
import uuid

import psycopg2
import psycopg2.extensions
from scratch.postgres import Postgres, find_bindir

from .process import ServerError, temporary_folder, unprivileged_user, wait_until

SETTINGS = """
wal_level = logical
max_wal_size = 1GB
shared_buffers = 256MB
maintenance_work_mem = 256MB
max_connections = 60
max_prepared_transactions = 5
max_locks_per_transaction = 256
log_line_prefix = '%m [%p] %d '
unix_socket_directories = '{folder}'
"""
READER_PASSWORD = "reader's secret%20+/"


class Cluster(Postgres):
    """A running server; `stop()` and `start()` keep its data, `remove()` does not."""

    def __init__(self):
        if find_bindir() is None:
            raise ServerError("no PostgreSQL server here: run deploy/install-deps --test")
        user = unprivileged_user()
        folder = temporary_folder("e2c-pg-", user)
        self._connections = {}
        try:
            super().__init__(folder, user, settings=SETTINGS.format(folder=folder))
            self.start()
            self.sql("postgres", "CREATE ROLE reader LOGIN PASSWORD %s", [READER_PASSWORD])
            self.sql("postgres", "GRANT pg_read_all_data TO reader")
        except BaseException:
            self.remove(folder)
            raise

    def stop(self):
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()
        super().stop()

    def remove(self, folder=None):
        if folder is None or hasattr(self, "server"):
            self.stop()
        shutil.rmtree(folder or self.folder, ignore_errors=True)

    def dsn(self, database, user="reader", password=READER_PASSWORD, port=None, **more):
        return super().dsn(database, user, password, port, **more)

    def lets_in(self):
        """Whether connections are accepted: not while it recovers from a crash."""
        try:
            self.connect("postgres").close()
            return True
        except psycopg2.OperationalError:
            return False

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
        # Copied as files, not written to the log page by page: half the time. 14 does nothing else.
        options = " STRATEGY file_copy" if self.copies_as_it_is_told() else ""
        if template:
            self.forget(template)
            options += f" TEMPLATE \"{template}\""
        elif encoding:
            options += f" TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
        self.sql("postgres", f'CREATE DATABASE "{name}"{options}')
        return Database(self, name)

    def copies_as_it_is_told(self):
        return self.connection("postgres").server_version >= 150000

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


class Standby(Cluster):
    """A copy of a running cluster that follows it, with the settings `more`; it may be read unless
    they say `hot_standby = off`."""

    def __init__(self, primary, more=""):
        self.bindir, self.user, self.password = primary.bindir, primary.user, primary.password
        self.folder = temporary_folder("e2c-pg-", self.user)
        self.port, self.outlive, self.server = None, False, None
        self.closed = "hot_standby = off" in more
        self._connections = {}
        try:
            self._run("pg_basebackup", "--no-sync", "--checkpoint=fast", "-X", "stream", "-R",
                      "-D", self.folder / "data", "-d",
                      primary.dsn("replication", "postgres", self.password))
            with open(self.folder / "data/postgresql.conf", "a") as conf:
                conf.write(f"{more}\nunix_socket_directories = '{self.folder}'\n")
            self.start()
        except BaseException:
            self.remove()
            raise

    def follow(self, primary):
        """Waits until it has all that is written on `primary`."""
        lsn = primary.sql("postgres", "SELECT pg_current_wal_insert_lsn()")[0][0]
        wait_until("the standby follows", 30, lambda: self.sql(
            "postgres", "SELECT pg_last_wal_replay_lsn() >= %s", [lsn])[0][0])

    def _answers(self):
        if not self.closed:
            return super()._answers()
        self.server.check()
        state = self.folder / "data/postmaster.pid"
        return state.exists() and state.read_text().rstrip().endswith("standby")


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
