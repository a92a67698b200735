"""The parts of the soak that are stopped and killed, and when each was out of order."""

import collections
import concurrent.futures
import contextlib
import signal
import threading
import time

from support import couchdb, postgres
from support.process import wait_until
from support.service import Service

# What a part may be missed after it is there again: two failures of a mapper wait for 10 and 20
# seconds at the most.
GRACE_SECONDS = 30
STOP_SECONDS = 60  # stop_timeout, and the patience with what was interrupted
READY_SECONDS = 60


class Outages:
    """When parts were out of order; what concerns one mapper alone is named after it."""

    def __init__(self):
        self.lock, self.all = threading.Lock(), []  # [name, begin, end or None]

    @contextlib.contextmanager
    def of(self, name):
        entry = [name, time.time(), None]
        with self.lock:
            self.all.append(entry)
        try:
            yield
        finally:
            entry[2] = time.time()

    def between(self, names, begin, end, grace=0):
        """Intervals, in order of their beginning, in which one of them was out of order."""
        with self.lock:
            found = [(a, (b or end) + grace) for name, a, b in self.all if name in names]
        return sorted((max(a, begin), min(b, end)) for a, b in found if a < end and b > begin)

    def calm_seconds(self, mapper, begin, end):
        """How much of that time all that a mapper needs was there, GRACE_SECONDS and longer."""
        calm, at = 0.0, begin
        parts = ["service", "couchdb", mapper] + ([] if mapper == "device" else ["postgres"])
        for a, b in self.between(parts, begin, end, GRACE_SECONDS):
            calm += max(0.0, a - at)
            at = max(at, b)
        return calm + max(0.0, end - at)

    def excuse(self, names, begin):
        """Whether one of them was out of order since `begin`, or seconds before."""
        return bool(self.between(names, begin, time.time(), grace=3))


class Life:
    """One process of the service."""

    def __init__(self, pid):
        self.pid, self.began, self.end = pid, time.time(), None
        self.samples = []  # (time, RssAnon in KiB, threads, descriptors)


class Host:
    """The service, one process after the other, always at the same address."""

    def __init__(self, project, port, log):
        self.project, self.log, self.lives = project, log, []
        self.url = f"http://127.0.0.1:{port}"
        project.configure(http={"listen": f"127.0.0.1:{port}"})
        self.service = None

    def start(self):
        self.service = Service(self.project, ready=None)
        self.lives.append(Life(self.service.process.pid))
        self.service.wait_log("^(ready|degraded)", seconds=READY_SECONDS)

    def end(self, number):
        """By a signal; it must obey, and end well unless it is killed."""
        if number == signal.SIGKILL:
            self.service.kill()
        else:
            self.service.stop(number, STOP_SECONDS)
        self.lives[-1].end = f"{signal.Signals(number).name} {time.strftime('%H:%M:%S')}"
        self.write_log()
        if number != signal.SIGKILL:
            self.service.result()

    def write_log(self):
        self.service.reader.join(10)
        with open(self.log, "a") as log:
            log.write(f"--- process {self.lives[-1].pid}, {self.lives[-1].end}\n")
            log.writelines(line + "\n" for line in self.service.log)

    def ended(self):
        return self.service.ended()


class Parts:
    """PostgreSQL, CouchDB and the service, and how each is taken away and given back."""

    def __init__(self):
        self.outages = Outages()
        self.counts, self.broken = collections.Counter(), collections.Counter()
        self.cluster = postgres.Cluster()
        self.couch = couchdb.PrivateCouch()
        self.couch.private.use_port(self.couch.port)
        self.host = None
        # A server ends with the thread that started it: these live until we end.
        self.starters = concurrent.futures.ThreadPoolExecutor(2)
        # Who stops the service, and who changes its files and has them read.
        self.hands = threading.Lock()

    def remove(self):
        self.couch.remove()
        self.cluster.remove()

    def break_service(self, number, seconds):
        with self.hands, self.outages.of("service"):
            try:
                self.host.end(number)
            finally:  # an end that was not as it should be is told; life goes on
                time.sleep(seconds)
                self.host.start()

    def break_postgres(self, number, seconds):
        with self.outages.of("postgres"):
            self.cluster.server.stop(number)
            time.sleep(seconds)
            self.starters.submit(self.cluster.start).result()
            wait_until("PostgreSQL lets us in", READY_SECONDS, self.cluster.lets_in, 0.1)

    def break_couchdb(self, number, seconds):
        with self.outages.of("couchdb"):
            self.couch.private.stop(number)
            time.sleep(seconds)
            self.starters.submit(self.couch.start).result()

    BREAKS = {
        "service": [signal.SIGTERM, signal.SIGKILL],
        "postgres": [signal.SIGINT, signal.SIGQUIT],  # fast, immediate
        "couchdb": [signal.SIGTERM, signal.SIGKILL],
    }

    def restart(self, part, number, seconds):
        getattr(self, "break_" + part)(number, seconds)
        self.broken[part, signal.Signals(number).name] += 1

    def restarts(self, part):
        return sum(count for (name, _), count in self.broken.items() if name == part)
