"""A service manager's side of sd_notify(3): a datagram socket, and what was sent to it."""

import socket
import time
import uuid

from .process import wait_until


class Manager:
    """`address` is for NOTIFY_SOCKET; `messages` are those that came, with their times."""

    def __init__(self, path=None):
        """On `path`, or on an abstract name."""
        self.address = str(path) if path else "@erp2couch-" + uuid.uuid4().hex
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.address.replace("@", "\0", 1) if path is None else self.address)
        self.socket.setblocking(False)
        self.seen = []

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.socket.close()

    @property
    def env(self):
        return {"NOTIFY_SOCKET": self.address}

    @property
    def messages(self):
        """Each message as the list of its lines."""
        while True:
            try:
                message = self.socket.recv(65536).decode()
            except BlockingIOError:
                return [lines for _, lines in self.seen]
            self.seen.append((time.monotonic(), message.split("\n")))

    def having(self, start):
        """Positions of the messages of which a line begins so."""
        return [i for i, lines in enumerate(self.messages)
                if any(line.startswith(start) for line in lines)]

    def wait(self, start, count=1, seconds=60):
        wait_until(f"the manager is told {start!r}", seconds,
                   lambda: len(self.having(start)) >= count)
        return self.having(start)

    @property
    def status(self):
        """The last STATUS line."""
        found = [line for lines in self.messages for line in lines if line.startswith("STATUS=")]
        return found[-1].removeprefix("STATUS=") if found else None
