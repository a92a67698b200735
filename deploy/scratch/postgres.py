"""A private PostgreSQL server in a folder of its own; the machine's service is never touched."""

import glob
import re
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

from .process import ServerError, child_setup, free_port, start_server, wait_until

# No TCP from elsewhere, no socket file (its path may be too long below $TMPDIR), no care for disks.
SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
synchronous_commit = off
full_page_writes = off
timezone = 'UTC'
lc_messages = 'C'
"""
OLDEST = 14  # major version that erp2couch reads
START_TRIES = 3  # a free port may be taken before PostgreSQL gets it
READY_LINE = 8  # of postmaster.pid: what pg_ctl waits for, too


def find_bindir():
    """The folder of the newest PostgreSQL here (14 or later), or None."""
    versions = []
    for path in glob.glob("/usr/lib/postgresql/*/bin/postgres"):
        number = re.search(r"/(\d+)/bin/postgres$", path)
        if number and int(number.group(1)) >= OLDEST:
            versions.append((int(number.group(1)), Path(path).parent))
    if versions:
        return max(versions)[1]
    found = shutil.which("postgres")
    return Path(found).resolve().parent if found else None


class Postgres:
    """A server with one superuser, `postgres`, who needs a password. start() and stop() keep the
    data; the folder is the caller's, and must belong to `user` (a passwd entry; None: to us)."""

    def __init__(self, folder, user=None, port=None, settings="", outlive=False):
        self.bindir = find_bindir()
        if self.bindir is None:
            raise ServerError("no PostgreSQL server (14 or later) is installed here")
        self.folder, self.user, self.port, self.outlive = folder, user, port, outlive
        self.password = secrets.token_hex(16)
        self.server = None
        self._initialise(settings)

    def _run(self, *command):
        """A PostgreSQL tool as the server's user."""
        done = subprocess.run(
            [str(self.bindir / command[0]), *map(str, command[1:])],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            cwd=str(self.folder), preexec_fn=child_setup(self.user))
        if done.returncode != 0:
            raise ServerError(f"{command[0]}: {done.stdout.decode(errors='replace').strip()}")

    def _initialise(self, settings):
        secret = self.folder / "password"
        secret.touch(mode=0o600)
        secret.write_text(self.password + "\n")
        if self.user:
            shutil.chown(secret, self.user.pw_uid, self.user.pw_gid)
        self._run("initdb", "--no-sync", "-D", self.folder / "data", "-U", "postgres",
                  "-E", "UTF8", "--locale=C.UTF-8", "-A", "scram-sha-256", f"--pwfile={secret}")
        secret.unlink()
        with open(self.folder / "data/postgresql.conf", "a") as conf:
            conf.write(SETTINGS + settings)

    def start(self, started=lambda server: None):
        """On `port`, or a free one; the same one again after stop(). `started` is told of the
        process before it is waited for."""
        fixed = self.port is not None
        for attempt in range(START_TRIES):
            if not fixed:
                self.port = free_port()
            self.server = start_server(
                "PostgreSQL",
                [self.bindir / "postgres", "-D", self.folder / "data", "-p", self.port],
                self.folder, self.user, stop_signal=signal.SIGINT, outlive=self.outlive)
            started(self.server)
            try:
                wait_until("PostgreSQL answers", 60, self._answers)
                return
            except ServerError:
                bound = "could not bind" not in self.server.log_tail()
                if bound or fixed and attempt == START_TRIES - 1:
                    raise
        raise ServerError(f"PostgreSQL found no free port:\n{self.server.log_tail()}")

    def _answers(self):
        """Whether our own server, not just any on that port, takes connections."""
        self.server.check()
        try:
            lines = (self.folder / "data/postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return (len(lines) >= READY_LINE and lines[READY_LINE - 1].strip() == "ready"
                and lines[0] == str(self.server.process.pid))

    def stop(self):
        if self.server:
            self.server.stop()

    def version(self):
        done = subprocess.run([str(self.bindir / "postgres"), "--version"], capture_output=True,
                              text=True)
        return " ".join(done.stdout.split()[2:3])

    def dsn(self, database, user, password, port=None, **more):
        """A connection string as libpq takes it."""
        parameters = {"host": "127.0.0.1", "port": port or self.port, "dbname": database,
                      "user": user, "password": password, **more}
        return " ".join("{}='{}'".format(name, str(value).replace("\\", "\\\\").replace("'", "\\'"))
                        for name, value in parameters.items())
