"""Child processes that end with whoever started them, however that ends."""

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
    """A server did not start; the text holds its log."""


def free_port():
    """A TCP port on 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(what, seconds, probe, interval=0.02):
    """The first true value of probe(); a ServerError that names `what` after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise ServerError(f"{what}: not within {seconds} s")
        time.sleep(interval)


def port_problem(port):
    """Why no server can listen on 127.0.0.1:port (an OSError), or None."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        try:
            s.bind(("127.0.0.1", port))
            s.listen(1)
        except OSError as problem:
            return problem
    return None


def die_with_parent(death_signal=signal.SIGKILL):
    """For a preexec_fn: the kernel sends the signal when the parent ends, however that ends."""
    _libc.prctl(PR_SET_PDEATHSIG, death_signal)


def child_setup(user=None, death_signal=signal.SIGKILL):
    """A preexec_fn: runs as `user` (a passwd entry), in a session of its own, and dies with us
    unless death_signal is None."""

    def setup():
        os.setsid()
        if user is not None:
            os.initgroups(user.pw_name, user.pw_gid)
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
        if death_signal is not None:
            die_with_parent(death_signal)  # after the change of user: that change clears it

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
    """A private folder below $TMPDIR; not in pytest's own tree, which other users cannot enter."""
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


def start_server(name, command, folder, user=None, env=None, stop_signal=signal.SIGTERM,
                 outlive=False):
    """Starts `command` in `folder` with its output in server.log there; the caller waits until it
    answers. It ends when we end, unless `outlive`."""
    log = folder / "server.log"
    with open(log, "ab") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=str(folder),
            env={**os.environ, **(env or {})},
            preexec_fn=child_setup(user, None if outlive else stop_signal),
        )
    return Server(name, process, folder, log, stop_signal)
