"""A temporary folder with servers in it, and its end.

A keeper, forked off at the start, waits for the end of a pipe whose other end only we hold. When we
end, in whatever way (done, failed, Ctrl-C, kill -9), it stops the servers that the folder's record
names, removes what was made elsewhere, and then the folder. So there is one way to clean up, and
no signal can come in between.

The record stays behind with the folder when that is to be kept; `kept()` finds it again.
"""

import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path

from .couchdb import Endpoint

RECORD = "record.json"
STOP_SECONDS = 20  # then a server is killed
KEEP = b"k"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def process_start(pid):
    """When process `pid` started, in clock ticks since boot: with the pid, its identity. None when
    it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


class Workplace:
    """One such folder. Only its record is kept in memory, so that any process can take it over."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self._pipe = None
        self._keeper = None

    @classmethod
    def create(cls, prefix, shared):
        """A new folder and its keeper; other users may look up names in it if `shared`."""
        held = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until there is a keeper
        try:
            place = cls(tempfile.mkdtemp(prefix=prefix))
            place.folder.chmod(0o711 if shared else 0o700)
            place._write({"processes": [], "containers": [], "databases": [], "kept": False})
            place._start_keeper()
            return place
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)

    @classmethod
    def kept(cls, prefix):
        """Those of this user that were kept, oldest first."""
        found = []
        for folder in Path(tempfile.gettempdir()).glob(prefix + "*"):
            with contextlib.suppress(OSError, ValueError):
                status = folder.lstat()
                # The record names processes to end: believe nobody else's.
                if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
                    continue
                place = cls(folder)
                if place.read()["kept"]:
                    found.append((status.st_mtime, place))
        return [place for _, place in sorted(found, key=lambda pair: pair[0])]

    def read(self):
        return json.loads((self.folder / RECORD).read_text())

    def _write(self, record):
        fresh = self.folder / (RECORD + ".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(record, indent=1) + "\n")
        fresh.rename(self.folder / RECORD)

    def _add(self, kind, entry):
        record = self.read()
        record[kind].append(entry)
        self._write(record)

    def add_server(self, server):
        pid = server.process.pid
        self._add("processes", {"name": server.name, "pid": pid, "start": process_start(pid),
                                "signal": int(server.stop_signal)})

    def add_container(self, name):
        self._add("containers", name)

    def add_databases(self, endpoint, names):
        """Databases on somebody's CouchDB, to be removed from there."""
        self._add("databases", {"base": endpoint.base, "user": endpoint.user,
                                "password": endpoint.password, "names": names})

    def _start_keeper(self):
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid:
            os.close(read_end)
            self._pipe, self._keeper = write_end, pid
            return
        try:
            os.setsid()
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            os.close(write_end)
            nothing = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):  # who reads our output must not wait for the keeper
                os.dup2(nothing, descriptor)
            if os.read(read_end, 1) != KEEP:
                self.remove()
        finally:
            os._exit(0)

    def keep(self):
        """Everything stays when we end."""
        self._write({**self.read(), "kept": True})
        os.write(self._pipe, KEEP)

    def close(self):
        """Lets the keeper do its work, and waits for it."""
        os.close(self._pipe)
        os.waitpid(self._keeper, 0)

    def remove(self):
        """Stops and removes everything; a step that fails does not keep the others from it."""
        record = self.read()
        for entry in record["databases"]:
            place = Endpoint(entry["base"], entry["user"], entry["password"])
            for name in entry["names"]:
                with contextlib.suppress(OSError):
                    place.call("DELETE", "/" + name)
        stop_processes(record["processes"])
        for name in record["containers"]:
            with contextlib.suppress(OSError):
                subprocess.run(["docker", "rm", "-f", name], stdin=subprocess.DEVNULL,
                               capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def stop_processes(entries):
    """Those that still are who they were; each with its own signal, then with SIGKILL."""
    def alive():
        return [entry for entry in entries
                if entry["start"] and process_start(entry["pid"]) == entry["start"]]

    def send(number=None):
        for entry in alive():
            with contextlib.suppress(OSError):
                os.kill(entry["pid"], number or entry["signal"])

    send()
    end = time.monotonic() + STOP_SECONDS
    while alive() and time.monotonic() < end:
        time.sleep(0.02)
    send(signal.SIGKILL)
