"""Child processes that end with the tests, however these end."""

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class ServerError(Exception):
    """A server of the tests did not start; the text holds its log."""


def free_port():
    """A TCP port on 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(what, seconds, probe, interval=0.02):
    """The first true value of probe(); an AssertionError that names `what` after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(interval)


def child_setup(user=None, death_signal=signal.SIGKILL):
    """A preexec_fn: runs as `user` (a passwd entry), dies with us, in a session of its own."""

    def setup():
        os.setsid()
        if user is not None:
            os.initgroups(user.pw_name, user.pw_gid)
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
        # After the change of user: that change clears it.
        _libc.prctl(PR_SET_PDEATHSIG, death_signal)

    return setup


def unprivileged_user():
    """Whom to run servers as that refuse root; None where we are not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ServerError("root, but there is neither a user postgres nor nobody to run PostgreSQL as")


def temporary_folder(prefix, user=None):
    """A private folder outside pytest's own tree (which other users cannot enter)."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


@dataclass
class Server:
    """A started server: its process, its folder and its log."""

    name: str
    process: subprocess.Popen
    folder: Path
    log: Path
    stop_signal: int = signal.SIGTERM
    extra: dict = field(default_factory=dict)

    def alive(self):
        return self.process.poll() is None

    def log_tail(self, size=4000):
        try:
            return self.log.read_bytes()[-size:].decode(errors="replace")
        except OSError:
            return ""

    def check(self):
        if not self.alive():
            raise ServerError(
                f"{self.name} ended with {self.process.returncode}:\n{self.log_tail()}")

    def stop(self, number=None, seconds=20):
        if self.alive():
            self.process.send_signal(number or self.stop_signal)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def start_server(name, command, folder, user=None, env=None, stop_signal=signal.SIGTERM, cwd=None):
    """Starts `command` with its output in folder/server.log; the caller waits until it answers."""
    log = folder / "server.log"
    with open(log, "ab") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=str(cwd or folder),
            env={**os.environ, **(env or {})},
            preexec_fn=child_setup(user, stop_signal),
        )
    return Server(name, process, folder, log, stop_signal)
