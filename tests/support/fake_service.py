"""A service that is not there: the files of the status page from the source folder, and the API of
`erp2couch serve` from tables that a test changes as it likes.

    with FakeService([mapper("customers", rejects=2)]) as service:
        service.mappers["customers"]["activity"] = "paused"

Run as a program it shows a lively service, to look at the page: fake_service.py [PORT]
"""

import copy
import json
import random
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

PAGE = Path(__file__).resolve().parents[2] / "ingest/serve/page"
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
         ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
HEADERS = {
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " connect-src 'self'; img-src 'self' data:; form-action 'none'; frame-ancestors 'none';"
    " base-uri 'none'"}
COUNTS = ["read", "created", "updated", "moved", "deleted", "unchanged", "rejected"]
TOKEN = "right-token"


def at(seconds=0):
    """A time relative to now, as the API writes it."""
    when = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def run(mapper, started, read=0, outcome="ok", error=None, **more):
    counts = {**dict.fromkeys(COUNTS, 0), "read": read, "unchanged": read}
    return {"id": f"{mapper}:{started}", "mapper": mapper, "trigger": "schedule", "kind": "run",
            "full": False, "started": started, "seconds": 0.4, "phase": "ended",
            "outcome": outcome, "error": error, **counts, "written": 0, "expected": None,
            "in_flight": 0, **more}


def last_run(of):
    """What /status keeps of a run."""
    return {name: of[name] for name in ("started", "seconds", "outcome", *COUNTS)} | (
        {"error": of["error"]} if of["error"] else {})


def mapper(name, **more):
    """A mapper that never ran."""
    return {"mapper": name, "source": "erp", "activity": "idle", "waiting_for": None,
            "schedule": "*/5 * * * *", "next_run": at(200), "next_full": None, "failures": 0,
            "run": None, "last_run": None, "last_success": None, "lag_seconds": None, "rejects": 0,
            "records": 0, "state": "sound", "running": None, **more}


def reject(mapper_name, key, **more):
    return {"id": f"reject:{mapper_name}:{key}", "mapper": mapper_name, "key": key,
            "database": "erp", "document": f"{mapper_name}:{key}", "stage": "map",
            "field": "email", "reason": f"email: no @ in record {key}", "attempts": 2,
            "first": at(-86400), "last": at(-300), **more}


class FakeService:
    """What the handler serves, and what it noted: `posts` are the paths that were posted to."""

    def __init__(self, mappers=(), port=0):
        self.lock = threading.RLock()
        self.mappers = {m["mapper"]: m for m in mappers}
        self.runs, self.rejects, self.posts, self.gets = [], [], [], []
        self.condition, self.reason = "ready", None
        self.broken = None  # (status, message) of every GET of the API
        self.streams = True  # server-sent events
        self.run_seconds = 0.6  # of a run that is started by POST
        self.page_of_rejects = 20
        self.open_streams = 0
        self.began = time.time()
        self.server, self.thread, self.closing = None, None, False
        self.port = port
        self.listen()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def listen(self):
        """Also after stop(): on the same port."""
        handler = type("Handler", (Handler,), {"service": self})
        self.closing = False
        self.server = Server(("127.0.0.1", self.port), handler)
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def stop(self):
        self.closing = True
        self.server.shutdown()
        self.server.server_close()
        self.server.drop_clients()
        self.thread.join()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    # ---- what happens ----

    def ended(self, done):
        """A run has ended: history, last run, lag."""
        with self.lock:
            self.runs.insert(0, done)
            m = self.mappers[done["mapper"]]
            m.update(last_run=last_run(done), run=None, activity="idle", running=None)
            if done["outcome"] in ("ok", "rejects"):
                m.update(lag_seconds=1, last_success=done["started"], failures=0)

    def start_run(self, name, full):
        with self.lock:
            m = self.mappers[name]
            now = run(name, at(), phase="reading", outcome=None, trigger="manual", full=full,
                      expected=1000)
            m.update(activity="running", run=now, running=4711)
        threading.Thread(target=self.live, args=(now,), daemon=True).start()

    def live(self, now):
        steps = 20
        for step in range(1, steps + 1):
            time.sleep(self.run_seconds / steps)
            with self.lock:
                now.update(read=1000 * step // steps, seconds=self.run_seconds * step / steps)
        with self.lock:
            now.update(phase="ended", outcome="ok", unchanged=990, updated=10, written=10)
            self.ended(now)

    # ---- what is asked ----

    def status(self):
        return {"version": "0.1.0", "started": at(self.began - time.time()),
                "uptime_seconds": time.time() - self.began, "condition": self.condition,
                "reason": self.reason, "config": "/etc/erp2couch/erp2couch.yaml",
                "couchdb": "http://127.0.0.1:5984", "mappers": list(self.mappers.values())}

    def get(self, path, query):
        """(status, body)"""
        if self.broken:
            return self.broken[0], error("unavailable", self.broken[1])
        limit = int(query.get("limit", 50))
        if path == "status":
            return 200, self.status()
        if path == "runs":
            going = [m["run"] for m in self.mappers.values() if m["run"]]
            found = [r for r in going + self.runs if query.get("mapper") in (None, r["mapper"])]
            return 200, {"runs": found[:limit], "complete": True}
        if path == "rejects":
            found = [r for r in self.rejects if query.get("mapper") in (None, r["mapper"])]
            ids = [r["id"] for r in found]
            begin = ids.index(query["after"]) + 1 if "after" in query else 0
            some = found[begin:begin + min(limit, self.page_of_rejects)]
            more = begin + len(some) < len(found)
            return 200, {"rejects": some, "next": some[-1]["id"] if more else None}
        return 404, error("not_found", f"there is no {path}")

    def post(self, path, body):
        words = path.split("/")
        if words[0] == "mappers" and unquote(words[1]) in self.mappers:
            return self.act(unquote(words[1]), words[2], body)
        if words[0] == "rejects":
            return self.settle(unquote(words[1]), words[2])
        if path == "reload":
            return 200, {"mappers": len(self.mappers)}
        return 404, error("not_found", f"there is no {path}")

    def act(self, name, verb, body):
        m = self.mappers[name]
        if verb == "run":
            if m["run"]:
                return 409, error("conflict", f"mapper {name} is running already")
            self.start_run(name, body.get("full", False))
            return 202, m
        m["activity"] = "paused" if verb == "pause" else "idle"
        m["next_run"] = None if verb == "pause" else at(100)
        return 200, m

    def settle(self, ident, verb):
        found = next((r for r in self.rejects if r["id"] == ident), None)
        if not found:
            return 404, error("not_found", f"there is no reject {ident}")
        stays = verb == "retry" and found["reason"].startswith("still")
        if stays:
            found["attempts"] += 1
        else:
            self.rejects.remove(found)
            self.mappers[found["mapper"]]["rejects"] -= 1
        if verb == "drop":
            return 200, {"dropped": 1}
        return 200, {"written": int(not stays), "unchanged": 0, "rejected": int(stays), "gone": 0}


def error(code, message):
    return {"error": {"code": code, "message": message}}


class Server(ThreadingHTTPServer):
    """It can hang up on everybody: a service that ends does."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *args):
        self.clients = set()
        super().__init__(*args)

    def process_request(self, request, address):
        self.clients.add(request)
        super().process_request(request, address)

    def shutdown_request(self, request):
        self.clients.discard(request)
        super().shutdown_request(request)

    def drop_clients(self):
        for client in list(self.clients):
            try:
                client.shutdown(2)
            except OSError:
                pass

    def handle_error(self, request, address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service = None

    def log_message(self, *_):
        pass

    def reply(self, status, content_type, body, **headers):
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": content_type, "Content-Length": len(body),
                            "Cache-Control": "no-store", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def json(self, status, value, **headers):
        self.reply(status, "application/json", json.dumps(value).encode(), **headers)

    def do_GET(self):
        url = urlsplit(self.path)
        if not url.path.startswith("/api/v1/"):
            return self.file("index.html" if url.path == "/" else url.path[1:])
        path = url.path.removeprefix("/api/v1/")
        if path.endswith("/events"):
            return self.events(unquote(path.split("/")[1]))
        with self.service.lock:
            self.service.gets.append(path)
            status, value = self.service.get(path, dict(parse_qsl(url.query)))
            value = copy.deepcopy(value)
        return self.json(status, value)

    def file(self, name):
        path = PAGE / name
        if path.parent != PAGE or not path.is_file():
            return self.json(404, error("not_found", f"there is no /{name}"))
        return self.reply(200, TYPES[path.suffix], path.read_bytes())

    def events(self, ident):
        service = self.service
        found = [m["run"] for m in service.mappers.values() if m["run"]] + service.runs
        live = next((r for r in found if r["id"] == ident), None)
        if not service.streams or not live:
            return self.json(404, error("not_found", "there is no such run"))
        self.send_response(200)
        for name, value in {**HEADERS, "Content-Type": "text/event-stream",
                            "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        service.open_streams += 1
        try:
            self.stream(live)
        except OSError:
            pass  # the page has gone
        finally:
            service.open_streams -= 1
        return None

    def stream(self, live):
        while not self.service.closing:
            with self.service.lock:
                kind = "end" if live["outcome"] else "progress"
                data = json.dumps(live)
            self.wfile.write(f"event: {kind}\ndata: {data}\n\n".encode())
            self.wfile.flush()
            if kind == "end":
                return
            time.sleep(0.1)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.removeprefix("/api/v1/")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.json(401, error("unauthorized", "the token is missing or wrong"),
                             WWW_Authenticate="Bearer")
        with self.service.lock:
            self.service.posts.append((path, json.loads(body) if body else None))
            status, value = self.service.post(path, json.loads(body) if body else {})
            value = copy.deepcopy(value)
        return self.json(status, value)


# ---- many mappers, as they may be ----

def history(name, chance, runs=30, every=300, end=-30):
    """Runs of a mapper, newest first; some read all."""
    found = []
    for n in range(runs):
        full = n % 12 == 7
        read = chance.randint(20000, 60000) if full else chance.choice([0, 0, 3, 12, 40, 150])
        updated = min(read, chance.choice([0, 1, 2, 5, 30]))
        found.append(run(name, at(end - n * every), read, full=full, updated=updated,
                         unchanged=read - updated, written=updated, seconds=0.2 + read / 9000))
    return found


FAILURE = "source erp: connect to 10.0.0.4:5432: Connection refused; is the server running?"


def lively(service, names, seed=7, runs=30):
    """Fills the service: mappers of those names, most of them well, with so many runs each."""
    chance = random.Random(seed)
    for n, name in enumerate(names):
        m = service.mappers[name] = mapper(
            name, source=chance.choice(["erp", "shop", "crm"]), records=chance.randint(9, 90000),
            next_run=at(chance.randint(5, 3600)), next_full=at(40000), lag_seconds=0)
        done = history(name, chance, runs)
        if n % 9 == 3:
            done[0].update(outcome="unavailable", error=FAILURE, read=0, updated=0)
            m.update(failures=3, activity="waiting", waiting_for="its back-off", lag_seconds=4210)
        if n % 9 == 5:
            done[0].update(outcome="rejects", rejected=3)
            m["rejects"] = 3
            service.rejects += [reject(name, key) for key in (17, 23, 4711)]
        service.runs += done
        m["last_run"] = last_run(done[0])
        m["last_success"] = done[1 if m["failures"] else 0]["started"]
        m["lag_seconds"] = m["lag_seconds"] or chance.randint(1, 290)
        if n % 9 == 7:
            m.update(activity="paused", next_run=None)
    service.runs.sort(key=lambda r: r["started"], reverse=True)


WORLD = ["customers", "products", "orders", "invoices", "stock", "prices", "carriers", "contacts",
         "countries", "payment-terms"]


def main():
    service = FakeService(port=int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    count = int(sys.argv[2]) if len(sys.argv) > 2 else len(WORLD)
    lively(service, (WORLD + [f"{name}-{n}" for n in range(2, 12) for name in WORLD])[:count])
    service.run_seconds = 60
    service.start_run("orders", True)
    print(service.url, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
