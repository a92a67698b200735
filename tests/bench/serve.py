"""`erp2couch serve` as the benchmark looks at it: what it uses, and how fast it answers."""

import http.client
import json
import re
import resource
import signal
import socket
import subprocess
import time

from measure import Failed

TOKEN = "bench"
READY_SECONDS, RUN_SECONDS, STOP_SECONDS = 60, 3600, 90
LOOK_SECONDS = 0.05  # between two looks at a run
DESCRIPTORS = 8192  # of this process: each idle connection is one
NEVER = "schedule: 0 3 29 2 *\n"  # fires once in four years


def many(text, count, more=NEVER):
    """Files of `count` mappers as that of `text`, whose documents differ."""
    return {f"m{i}.yaml": text.replace("mapper: item", f"mapper: m{i}").replace(
        '"item:', f'"m{i}:') + more for i in range(count)}


class Serving:
    """A service of a Folder, in a `with`."""

    def __init__(self, folder):
        self.folder = folder
        folder.configure(http={"listen": "127.0.0.1:0", "token": TOKEN})
        self.log = open(folder.path / "serve.log", "w+b")
        self.process = subprocess.Popen([folder.setting.binary, "serve"], cwd=folder.path,
                                        env=folder.environment(), stdin=subprocess.DEVNULL,
                                        stderr=self.log)
        self.cpu_clock = (~self.process.pid << 3) | 2  # clock_getcpuclockid(3)
        try:
            self.port = int(self._wait_for(self._port, "it listens"))
            self._wait_for(lambda: self.ask("GET", "/readyz")[0] == 200, "it is ready")
        except BaseException:
            self.end()
            raise

    def _port(self):
        found = re.search(r"listening on 127\.0\.0\.1:(\d+)", self.said())
        return found and found[1]

    def said(self):
        with open(self.log.name, errors="replace") as log:
            return log.read()

    def _wait_for(self, there, what):
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            found = there()
            if found:
                return found
            time.sleep(LOOK_SECONDS)
        raise Failed(f"serve: not that {what}: {self.said()[-1500:]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    # ---- what it uses

    def cpu(self):
        """Seconds of CPU since it began, of threads that have ended, too."""
        return time.clock_gettime(self.cpu_clock)

    def loop_ms(self):
        """Milliseconds that the loop's thread had a CPU, and that it waited for one."""
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/schedstat") as stat:
            on_cpu, waited, _ = map(int, stat.read().split())
        return on_cpu / 1e6, waited / 1e6

    def anon_mib(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            found = re.search(r"RssAnon:\s+(\d+)", status.read())
        return int(found[1]) / 1024

    # ---- what it answers

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, method, path, connection=None):
        """(status, body); on a connection of its own unless one is given."""
        own = connection or self.connect()
        try:
            own.request(method, path, headers={"Authorization": "Bearer " + TOKEN})
            reply = own.getresponse()
            return reply.status, reply.read()
        finally:
            if not connection:
                own.close()

    def get(self, path):
        status, body = self.ask("GET", path)
        if status != 200:
            raise Failed(f"GET {path}: {status} {body[:300]!r}")
        return json.loads(body)

    def start(self, mapper):
        status, body = self.ask("POST", f"/api/v1/mappers/{mapper}/run")
        if status != 202:
            raise Failed(f"a run of {mapper}: {status} {body[:300]!r}")

    def last(self, mapper):
        """The last run of `mapper` that has ended; None while one is to come or under way."""
        now = self.get(f"/api/v1/mappers/{mapper}")
        return now["last_run"] if now["activity"] == "idle" and not now["run"] else None

    def run(self, mapper, meanwhile=lambda: time.sleep(LOOK_SECONDS)):
        """Runs it, calls `meanwhile` until it has ended. Returns what the service says of it."""
        before = self.get(f"/api/v1/mappers/{mapper}")["last_run"]
        self.start(mapper)
        until = time.monotonic() + RUN_SECONDS
        while time.monotonic() < until:
            meanwhile()
            last = self.last(mapper)
            if last and last != before:
                if last["outcome"] != "ok":
                    raise Failed(f"the run of {mapper}: {last}")
                return last
        raise Failed(f"the run of {mapper} has not ended in {RUN_SECONDS} s")

    def run_all(self):
        """A run of every mapper. Returns the seconds of CPU that all of them took."""
        mappers = [m["mapper"] for m in self.get("/api/v1/mappers")["mappers"]]
        before = {name: self.get(f"/api/v1/mappers/{name}")["last_run"] for name in mappers}
        cpu = self.cpu()
        for name in mappers:
            self.start(name)
        until = time.monotonic() + RUN_SECONDS
        while time.monotonic() < until:
            time.sleep(1)
            left = [m for m in self.get("/api/v1/mappers")["mappers"]
                    if m["activity"] != "idle" or m["last_run"] == before[m["mapper"]]]
            if not left:
                return self.cpu() - cpu
        raise Failed(f"runs of {len(left)} mappers have not ended in {RUN_SECONDS} s")


def idle_clients(serving, count):
    """`count` connections that have asked once and say nothing more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE,
                       (max(soft, min(DESCRIPTORS, hard)), hard))
    clients = []
    request = f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{serving.port}\r\n\r\n".encode()
    for _ in range(count):
        client = socket.create_connection(("127.0.0.1", serving.port), 30)
        client.sendall(request)
        if not client.recv(65536).startswith(b"HTTP/1.1 200 "):
            raise Failed("a connection that should stay idle was refused")
        clients.append(client)
    return clients


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
