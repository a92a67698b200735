"""`erp2couch serve`, started for a test: its log as it comes, its HTTP interface, its end."""

import re
import signal
import threading
import time

import requests

from .process import wait_until
from .project import Exit, Result

TOKEN = "let-me-in"
PATIENCE = 60  # seconds; nothing here takes one, but other tests may have the processors
LINE = re.compile(r'level=(\w+) msg="?(.*?)"?(?: mapper=(\S+))?$')


class Service:
    """A service of `project`, used in a `with`; what it wrote is proved clean when it ends."""

    def __init__(self, project, *words, ready="ready|degraded", **options):
        http = {"listen": "127.0.0.1:0", "token": TOKEN}
        project.configure(http={**http, **project.settings.get("http", {})})
        self.project, self.log, self.told = project, [], False
        self.process = project.start("serve", *words, **options)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.session = requests.Session()
        self.session.headers["Authorization"] = "Bearer " + TOKEN
        if ready:
            self.wait_log(ready)

    def _read(self):
        for line in self.process.stderr:
            self.log.append(line.decode(errors="replace").rstrip("\n"))

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        if self.ended():
            assert kind or self.told, f"it ended by itself\n{self.result_text()}"
        else:
            if kind:
                self.process.kill()
            else:
                self.stop()
        self.reader.join(PATIENCE)
        self.session.close()
        if kind is None and self.process.returncode != -signal.SIGKILL:
            self.result()
        elif kind:
            print("\n".join(["--- log of the service", *self.log[-200:]]))

    # ---- what it says

    def messages(self, pattern, mapper=None, level=None, since=0):
        """Messages of the log in which the regular expression is found."""
        found = []
        for line in self.log[since:]:
            match = LINE.search(line)
            if match and re.search(pattern, match[2]) and mapper in (None, match[3]) \
                    and level in (None, match[1]):
                found.append(match[2])
        return found

    def wait_log(self, pattern, mapper=None, count=1, since=0, seconds=PATIENCE):
        """Waits until the log has `count` such messages. Returns the last."""
        def there():
            return len(self.messages(pattern, mapper, since=since)) >= count or self.ended()

        wait_until(f"the service says {pattern!r}", seconds, there)
        found = self.messages(pattern, mapper, since=since)
        assert len(found) >= count, self.result()
        return found[-1]

    def ended(self):
        return self.process.poll() is not None

    # ---- its HTTP interface

    @property
    def url(self):
        return "http://" + re.search(r"([\d.]+:\d+)", self.wait_log("^listening on "))[1]

    def get(self, path, code=200, **options):
        """The JSON reply of GET `path`."""
        return self._answer(self.session.get(self.url + path, timeout=PATIENCE, **options),
                            code)

    def post(self, path, code=200, **options):
        return self._answer(self.session.post(self.url + path, timeout=2 * PATIENCE, **options),
                            code)

    def _answer(self, reply, code):
        assert reply.status_code == code, f"{reply.status_code} {reply.text}\n{self.result_text()}"
        return reply.json() if reply.content else None

    def mapper(self, name):
        return self.get(f"/api/v1/mappers/{name}")

    # ---- signals, and the end

    def send(self, number):
        self.told = True
        self.process.send_signal(number)

    def reload(self, says="^reloaded "):
        """SIGHUP; waits until the log has what it `says`."""
        since = len(self.log)
        self.send(signal.SIGHUP)
        return self.wait_log(says, since=since)

    def stop(self, number=signal.SIGTERM, seconds=PATIENCE):
        """Stops it. Returns how long that took."""
        began = time.monotonic()
        self.send(number)
        self.process.wait(seconds)
        return time.monotonic() - began

    def begin_stop(self, number=signal.SIGTERM, count=1):
        """Sends the signal, for the `count`th time, while a run is held; waits until the service
        has done what that asks for."""
        self.send(number)
        self.wait_log(f"^{signal.strsignal(number)}$", count=count)
        self.get("/readyz", 503)  # answered after it, and after timers without delay

    def kill(self):
        self.told = True
        self.process.kill()
        self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)

    def result_text(self):
        return "\n".join([*self.log[-100:], f"exit code {self.process.poll()}"])

    def result(self, code=Exit.OK):
        """How it ended, proved."""
        assert self.ended()
        self.reader.join(PATIENCE)
        return Result(self.process.words, self.process.returncode, "", "\n".join(self.log),
                      time.monotonic() - self.process.started).expect(code)
