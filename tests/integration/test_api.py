"""The HTTP interface of `erp2couch serve`, held against its description."""

import json
import re
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import jsonschema
import pytest
import requests

from support import faultproxy, openapi, project as projects
from support.metrics import Metrics
from support.process import wait_until
from support.project import Exit
from support.service import PATIENCE, TOKEN, Service

RIGHT = {"Authorization": "Bearer " + TOKEN}
NDJSON = {"Content-Type": "application/x-ndjson"}


class Api:
    """Requests to a service; every reply is held against openapi.json."""

    def __init__(self, service):
        self.service, self.url, self.seen = service, service.url, set()
        service.session.headers.pop("Authorization", None)

    def __call__(self, method, path, code, **options):
        options.setdefault("headers", RIGHT if method == "POST" else {})
        reply = self.service.session.request(method, self.url + path, timeout=PATIENCE, **options)
        assert reply.status_code == code, f"{method} {path}: {reply.status_code} {reply.text}"
        self.seen.add(openapi.check_reply(reply, path.split("?")[0]))
        return reply

    def get(self, path, code=200, **options):
        return self("GET", path, code, **options).json()

    def post(self, path, code=200, **options):
        return self("POST", path, code, **options).json()

    def refused(self, method, path, code, word, **options):
        error = self(method, path, code, **options).json()["error"]
        assert error["code"] == word, error
        return error["message"]

    def mapper(self, name="item"):
        return self.get(f"/api/v1/mappers/{name}")

    def run(self, **body):
        """Runs the mapper. Returns its RUN once it has ended."""
        before = {run["id"] for run in self.get("/api/v1/runs?mapper=item")["runs"]}
        self.post("/api/v1/mappers/item/run", 202, **({"json": body} if body else {}))

        def ended():
            return [run for run in self.get("/api/v1/runs?mapper=item")["runs"]
                    if run["id"] not in before and run["phase"] == "ended"]

        wait_until("the run ends", PATIENCE, ended, 0.05)
        wait_until("the mapper is free", PATIENCE, lambda: self.mapper()["run"] is None, 0.05)
        return ended()[0]


def events(reply):
    """(event, data) of a stream of server-sent events."""
    kind = None
    for line in reply.iter_lines(decode_unicode=True):
        if line.startswith("event: "):
            kind = line[7:]
        elif line.startswith("data: "):
            yield kind, json.loads(line[6:])


def with_item(project):
    """Three rows of which one is rejected."""
    project.database.sql("CREATE TABLE item (id int PRIMARY KEY, v text);"
                         "INSERT INTO item VALUES (1, '1'), (2, '2'), (3, 'three')")
    project.table_mapper(fields="v: {from: v, type: integer}")
    return project


@pytest.fixture
def item(project):
    return with_item(project)


@pytest.fixture
def service(item):
    with Service(item) as running:
        yield running


@pytest.fixture
def api(service):
    return Api(service)


@pytest.fixture(scope="module")
def shared(tmp_path_factory, binary, couch, cluster):
    """One service for many tests."""
    database = cluster.create()
    project = with_item(projects.Project(tmp_path_factory.mktemp("shared") / "project", binary,
                                         couch, database))
    with Service(project) as running:
        yield Api(running)
    assert not project.db("catalog").exists()
    project.remove()
    database.drop()


@pytest.fixture
def web(shared):
    """The same, for requests that must change nothing and run nothing."""
    yield shared
    assert shared.mapper()["last_run"] is None and shared.mapper()["activity"] == "idle"


@pytest.mark.once
def test_the_document_is_right():
    """Every schema is one, every example what its schema says; every reference leads somewhere."""
    count = 0

    def walk(value, where):
        nonlocal count
        if isinstance(value, dict):
            if "$ref" in value:
                openapi.resolve(value)
            if "schema" in value and "example" in value and where[-1] == "application/json":
                openapi.check_schema(value["schema"], value["example"])
                count += 1
            for key, inner in value.items():
                walk(inner, where + [key])
        elif isinstance(value, list):
            for inner in value:
                walk(inner, where)

    walk(openapi.DOCUMENT, [""])
    assert count > 25
    for name, schema in openapi.DOCUMENT["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        for member, inner in schema["properties"].items():
            assert "$ref" in inner or inner.get("description") or "anyOf" in inner, (name, member)


def test_every_path_answers_as_described(api, database):
    ran = api.run()
    assert (ran["read"], ran["created"], ran["rejected"]) == (3, 2, 1)
    for path in ("/healthz", "/readyz", "/api/v1/openapi.json", "/api/v1/status",
                 "/api/v1/mappers", "/api/v1/mappers/item", "/api/v1/runs", "/api/v1/rejects"):
        body = api("GET", path, 200)
        head = api("HEAD", path, 200)
        lengths = [int(reply.headers["Content-Length"]) for reply in (head, body)]
        assert head.content == b"" and abs(lengths[0] - lengths[1]) < 40  # clocks go on
        assert body.headers["Content-Type"] == "application/json"
    api("GET", "/metrics", 200)
    api("GET", "/", 200)
    assert api.get("/api/v1/openapi.json") == openapi.DOCUMENT
    api("GET", f"/api/v1/runs/{ran['id']}/events", 200)
    assert api.post("/api/v1/mappers/item/pause")["activity"] == "paused"
    assert api.post("/api/v1/mappers/item/resume")["activity"] == "idle"
    api.post("/api/v1/mappers/item/records", json={"id": 4, "v": "4"})
    assert api.post("/api/v1/reload") == {"mappers": 1}
    [reject] = api.get("/api/v1/rejects")["rejects"]
    assert api.post(f"/api/v1/rejects/{quote(reject['id'])}/retry")["rejected"] == 1
    assert api.post(f"/api/v1/rejects/{quote(reject['id'])}/drop") == {"dropped": 1}
    assert api.seen - {None} == openapi.operations()


def test_status_says_what_is_served(api, item, couch):
    status = api.get("/api/v1/status")
    assert status["condition"] in ("starting", "ready") and status["reason"] is None
    assert status["config"] == str(item.path.resolve())
    assert status["couchdb"] == couch.base and couch.password not in json.dumps(status)
    assert [mapper["mapper"] for mapper in status["mappers"]] == ["item"]
    api.run()
    mapper = api.mapper()
    assert mapper["last_run"]["outcome"] == "rejects" and mapper["last_run"]["read"] == 3
    wait_until("the rejects are known", PATIENCE, lambda: api.mapper()["rejects"] == 1, 0.05)
    assert mapper["records"] == 2 and mapper["run"] is None and mapper["schedule"] is None


# ---- who is let in


def posts(mapper="item"):
    return [path.replace("{name}", mapper).replace("{id}", "reject:item:3")
            for method, path in sorted(openapi.operations()) if method == "POST"]


@pytest.mark.once
def test_what_changes_something_needs_the_token(web):
    for path in posts():
        web.refused("POST", path, 401, "unauthorized", headers={})
    for header in ("Bearer x", "Basic " + TOKEN, TOKEN):
        reply = web("POST", "/api/v1/mappers/item/run", 401, headers={"Authorization": header})
        assert reply.headers["WWW-Authenticate"] == "Bearer"


def test_wrong_tokens_are_limited(api):
    wrong = {"Authorization": "Bearer wrong"}
    for _ in range(10):
        api.refused("POST", "/api/v1/reload", 401, "unauthorized", headers=wrong)
    for headers in (wrong, RIGHT, {}):
        api.refused("POST", "/api/v1/reload", 429, "too_many_requests", headers=headers)
    assert 0 < int(api("POST", "/api/v1/reload", 429).headers["Retry-After"]) <= 60
    api.get("/api/v1/status")


def test_large_bodies_are_guesses_too(api):
    """A wrong token with a body that only a right one may have is counted like any other."""
    headers = {"Authorization": "Bearer wrong", **NDJSON}
    for _ in range(10):
        api("POST", "/api/v1/mappers/item/records", 413, data=b" " * 100000, headers=headers)
    api("POST", "/api/v1/reload", 429)


def test_a_guess_is_counted_once(api):
    """Of a chunked body the head does not tell whether a wrong token is refused by it."""
    headers = {"Authorization": "Bearer wrong", **NDJSON}
    for _ in range(9):
        api("POST", "/api/v1/mappers/item/records", 401, data=iter([b"{}"]), headers=headers)
    api("POST", "/api/v1/reload", 200)


def test_without_a_configured_token_nothing_can_be_changed(item):
    item.configure(http={"token": None})
    with Service(item) as service:
        api = Api(service)
        for headers in ({}, RIGHT, {"Authorization": "Bearer "}):
            for path in posts():
                assert "http.token" in api.refused("POST", path, 403, "forbidden",
                                                   headers=headers)
        api.get("/api/v1/status")


@pytest.mark.once
@pytest.mark.parametrize("headers", [
    {"Origin": "https://evil.example.com"}, {"Origin": "null"},
    {"Origin": "http://localhost:3000"}, {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"}, {"Host": "evil.example.com"},
    {"Host": "127.0.0.1.evil.example.com"}, {"Host": "evil.example.com:8090"}],
    ids=lambda headers: " ".join(map(str, headers.items())))
def test_pages_of_other_sites_get_nothing(web, headers):
    for path in ("/", "/api/v1/status", "/metrics", "/nowhere"):
        web.refused("GET", path, 403, "forbidden", headers=headers)
    web.refused("POST", "/api/v1/mappers/item/run", 403, "forbidden", headers={**RIGHT, **headers})


def test_our_own_page_and_listed_names_may_ask(item):
    item.configure(http={"hosts": ["erp.example.com"]})
    with Service(item) as service:
        api = Api(service)
        for headers in ({"Origin": api.url, "Sec-Fetch-Site": "same-origin"},
                        {"Host": "localhost"}, {"Host": "erp.example.com"},
                        {"Host": "erp.example.com", "Origin": "https://erp.example.com"},
                        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate",
                         "Sec-Fetch-Dest": "document"}):
            api("GET", "/api/v1/status", 200, headers=headers)


# ---- what is not there


@pytest.mark.once
def test_methods(web):
    for method, path in sorted(openapi.operations()):
        path = path.replace("{name}", "item").replace("{id}", "reject:item:3")
        allow = "POST, OPTIONS" if method == "POST" else "GET, HEAD, OPTIONS"
        others = {"GET", "POST", "PUT", "DELETE", "PATCH"} - {method}
        for other in sorted(others):
            assert web(other, path, 405, headers=RIGHT).headers["Allow"] == allow
        reply = web("OPTIONS", path, 204)
        assert reply.headers["Allow"] == allow and reply.content == b""
        assert "Access-Control-Allow-Origin" not in reply.headers


@pytest.mark.once
def test_options_of_no_path(web):
    for method, status in (b"OPTIONS", 204), (b"GET", 400):
        found = raw(web, method + b" * HTTP/1.1\r\nHost: @host@\r\nConnection: close\r\n\r\n")
        assert found.startswith(b"HTTP/1.1 %d " % status), found
        assert (b"Allow: GET, HEAD, POST, OPTIONS\r\n" in found) == (status == 204), found


def raw(api, request):
    """The bytes that a request, sent as it is, is answered with."""
    host, port = api.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(request.replace(b"@host@", f"{host}:{port}".encode()))
        connection.settimeout(10)
        found = b""
        while chunk := connection.recv(65536):
            found += chunk
    return found


@pytest.mark.once
@pytest.mark.parametrize("path", [
    "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/api/v1/../../etc/passwd", "//etc/passwd",
    "/page.css/../index.html", "/..%2f..%2fetc/passwd", "/api/v1/mappers/..%2f..", "/.git/config",
    "/index.html%00", "/api/v1/mappers/%ff"])
def test_paths_lead_nowhere_else(web, path):
    reply = raw(web, f"GET {path} HTTP/1.1\r\nHost: @host@\r\nConnection: close\r\n\r\n".encode())
    assert re.match(rb"HTTP/1.1 40[04] ", reply) and b"root:" not in reply
    assert b'"error"' in reply


@pytest.mark.once
@pytest.mark.parametrize("name", ["a%0d%0aX-Evil:%201", "a%0aX-Evil:%201", "a%00b", "%22%3Cb%3E"])
def test_names_put_nothing_into_headers(web, name):
    for path in (f"/api/v1/mappers/{name}", f"/api/v1/runs/{name}/events",
                 f"/api/v1/rejects?after=reject:{name}:1", f"/api/v1/runs?mapper={name}"):
        reply = raw(web, f"GET {path} HTTP/1.1\r\nHost: @host@\r\nConnection: close\r\n\r\n"
                    .encode())
        head, body = reply.split(b"\r\n\r\n", 1)
        assert b"X-Evil" not in head and re.match(rb"HTTP/1.1 40[04] ", head)
        assert set(json.loads(body)) == {"error"}


@pytest.mark.once
def test_unknown_names(web):
    assert '"item"' in web.refused("GET", "/api/v1/mappers/itme", 404, "not_found")
    for verb in ("run", "pause", "resume"):
        web.refused("POST", f"/api/v1/mappers/nobody/{verb}", 404, "not_found")
    web.refused("POST", "/api/v1/mappers/nobody/records", 404, "not_found", json={"id": 1})
    web.refused("GET", "/api/v1/runs?mapper=nobody", 404, "not_found")
    web.refused("GET", "/api/v1/rejects?mapper=nobody", 404, "not_found")
    web.refused("GET", "/api/v1/runs/item:2020-01-01T00:00:00.000Z/events", 404, "not_found")
    for verb in ("retry", "drop"):
        for one in ("reject:item:99", "reject:item:", "x", "run:item:1", "reject:nobody:1"):
            web.refused("POST", f"/api/v1/rejects/{one}/{verb}", 404, "not_found")
    for path in ("/nowhere", "/api/v2/status", "/api/v1/", "/api/v1/status/"):
        web.refused("GET", path, 404, "not_found")


@pytest.mark.once
@pytest.mark.parametrize("path", [
    "runs?limit=0", "runs?limit=501", "runs?limit=x", "runs?limit=", "rejects?limit=1001",
    "rejects?limit=-1", "rejects?after=x", "rejects?mapper=item&after=reject:other:1",
    "runs?mappr=item", "runs?after=x", "rejects?limit=1&Mapper=item",
    "runs?mapper=A", "runs?mapper=", "rejects?mapper=" + 100 * "a"])
def test_wrong_queries(web, path):
    message = web.refused("GET", "/api/v1/" + path, 400, "bad_request")
    assert ('did you mean "mapper"' in message) == ("mappr" in path or "Mapper" in path)


@pytest.mark.once
@pytest.mark.parametrize("body, kind, code, word", [
    (b"{}", "text/plain", 415, "unsupported_media_type"),
    (b"{}", "application/jsonx", 415, "unsupported_media_type"),
    (b"{", "application/json", 400, "bad_request"), (b"[]", "application/json", 400, "bad_request"),
    (b"{} {}", "application/json", 400, "bad_request"),
    (b'{"full": 1}', "application/json", 400, "bad_request"),
    (b'{"ful": true}', "application/json", 400, "bad_request"),
    (b'{"full": "\xff"}', "application/json", 400, "bad_request"),
    (b" " * 20000, "application/json", 413, "too_large")],
    ids=lambda value: str(value)[:20])
def test_wrong_bodies_of_run(web, body, kind, code, word):
    web.refused("POST", "/api/v1/mappers/item/run", code, word, data=body,
                headers={**RIGHT, "Content-Type": kind})


# ---- runs


def test_a_run_is_followed_to_its_end(api, database):
    held = database.connect()
    held.cursor().execute("BEGIN; LOCK TABLE item")
    begun = api.post("/api/v1/mappers/item/run", 202, json={"full": True})
    assert begun["activity"] in ("running", "waiting", "idle")
    wait_until("it runs", PATIENCE, lambda: api.mapper()["run"] is not None, 0.05)
    api.refused("POST", "/api/v1/mappers/item/run", 409, "conflict")
    run = api.mapper()["run"]
    assert run["full"] is True and run["trigger"] == "manual" and run["outcome"] is None
    stream = api("GET", f"/api/v1/runs/{run['id']}/events", 200, stream=True)
    assert stream.headers["Content-Type"].startswith("text/event-stream")
    incoming = events(stream)
    kind, first = next(incoming)
    assert kind == "progress" and first["id"] == run["id"]
    openapi.check_schema(openapi.DOCUMENT["components"]["schemas"]["Run"], first)
    held.close()
    rest = list(incoming)
    assert [kind for kind, _ in rest].count("end") == 1 and rest[-1][0] == "end"
    assert rest[-1][1]["outcome"] == "rejects" and rest[-1][1]["read"] == 3
    again = list(events(api("GET", f"/api/v1/runs/{run['id']}/events", 200)))
    assert again == [rest[-1]]
    assert api.get("/api/v1/runs?mapper=item&limit=1")["runs"] == [rest[-1][1]]


def test_runs_of_before_are_in_the_history(item, database):
    with Service(item) as service:
        ran = Api(service).run(full=True)
    with Service(item) as service:
        api = Api(service)
        answer = api.get("/api/v1/runs")
        assert answer["complete"] is True
        [old] = answer["runs"]
        assert old == {**ran, "expected": None, "seconds": old["seconds"]}
        assert (old["trigger"], old["full"]) == ("manual", True)
        assert {key: old[key] for key in ("read", "created", "rejected", "written")} == {
            "read": 3, "created": 2, "rejected": 1, "written": 2}
        new = api.run()
        assert [run["id"] for run in api.get("/api/v1/runs")["runs"]] == [new["id"], old["id"]]
        assert [run["id"] for run in api.get("/api/v1/runs?limit=1")["runs"]] == [new["id"]]
        [(kind, told)] = events(api("GET", f"/api/v1/runs/{quote(old['id'])}/events", 200))
        assert (kind, told) == ("end", old)


def test_runs_of_other_processes_stand_where_they_belong(item, api):
    """Between two of the service, too."""
    first = api.run()
    for _ in range(2):
        item.run("item", code=Exit.REJECTS)
    last = api.run()
    runs = api.get("/api/v1/runs")["runs"]
    assert [runs[0]["id"], runs[-1]["id"]] == [last["id"], first["id"]]
    assert len(runs) == 4
    assert [run["started"] for run in runs] == sorted((r["started"] for r in runs), reverse=True)
    assert [(run["trigger"], run["full"]) for run in runs] == [
        ("manual", False), (None, False), (None, False), ("manual", False)]


def test_a_stop_while_the_history_is_asked(item, couch, proxy):
    """Who only reads is not waited for; what the question had made is given back."""
    gate, front = faultproxy.Gate(), proxy("http", couch.host, couch.port)
    item.configure(couchdb={"url": front.url})
    with Service(item) as service, ThreadPoolExecutor() as pool:
        api = Api(service)
        api.run()
        wait_until("the rejects are known", PATIENCE,  # nothing else asks then
                   lambda: api.mapper()["rejects"] == 1)
        front.on(".*", "/_all_docs", gate.fault, times=None)
        asked = pool.submit(api.get, "/api/v1/runs")
        gate.wait()
        assert service.stop() < 15  # half of stop_timeout
        answer = asked.result(PATIENCE)
        assert answer["complete"] is False and len(answer["runs"]) == 1


def test_what_is_asked_while_the_service_stops(item, database):
    """It answers until the last run has ended: monitors are told why it is not ready."""
    item.configure(serve={"stop_timeout": "1s"})
    held = database.connect()
    held.cursor().execute("BEGIN; LOCK TABLE item")
    with Service(item) as service:
        api = Api(service)
        api.post("/api/v1/mappers/item/run", 202)
        wait_until("it runs", PATIENCE, lambda: api.mapper()["run"] is not None, 0.05)
        stream = api("GET", f"/api/v1/runs/{api.mapper()['run']['id']}/events", 200, stream=True)
        incoming = events(stream)
        assert next(incoming)[0] == "progress"
        service.send(15)
        service.wait_log("stopping: 1 run")
        assert api.get("/readyz", 503)["status"] == "stopping"
        api.refused("POST", "/api/v1/mappers/item/run", 503, "unavailable")
        *before, (kind, told) = incoming
        assert all(one == "progress" for one, _ in before)
        assert kind == "end" and told["outcome"] == "interrupted"
        held.close()
        service.process.wait(PATIENCE)


def test_paused_is_paused_also_after_a_restart(item):
    with Service(item) as service:
        Api(service).post("/api/v1/mappers/item/pause")
    with Service(item) as service:
        api = Api(service)
        assert api.mapper()["activity"] == "paused"
        api.refused("POST", "/api/v1/mappers/item/records", 409, "conflict", json={"id": 1})
        assert api.run()["outcome"] == "rejects"  # an operator may


def test_a_push_that_waits_ends_with_a_pause(api, database):
    held = database.connect()
    held.cursor().execute("BEGIN; LOCK TABLE item")
    api.post("/api/v1/mappers/item/run", 202)
    wait_until("it runs", PATIENCE, lambda: api.mapper()["run"] is not None, 0.05)
    with ThreadPoolExecutor() as pool:
        push = pool.submit(api.refused, "POST", "/api/v1/mappers/item/records", 409, "conflict",
                           json={"id": 7, "v": "7"})
        time.sleep(0.5)
        assert not push.done()
        requests.post(api.url + "/api/v1/mappers/item/pause", headers=RIGHT, timeout=PATIENCE)
        assert "paused" in push.result(PATIENCE)
    held.close()


# ---- pushes


def test_pushed_records(api, item):
    pushed = api.post("/api/v1/mappers/item/records", json=[
        {"id": 7, "v": "7"}, {"id": 8, "v": "eight"}, {"id": 9, "v": None}])
    assert {key: pushed[key] for key in ("received", "created", "rejected")} == {
        "received": 3, "created": 2, "rejected": 1}
    [reject] = pushed["rejects"]
    assert reject["key"] == 8 and reject["reason"].startswith("v: ")
    assert item.db("catalog").get("item:7")["v"] == 7
    lines = b'{"id": 7, "v": "7"}\n{"id": 8, "v": "8"}\n'
    again = api.post("/api/v1/mappers/item/records", data=lines, headers={**RIGHT, **NDJSON})
    assert (again["unchanged"], again["created"], again["rejects"]) == (1, 1, [])
    runs = {run["id"]: run for run in api.get("/api/v1/runs")["runs"]}
    assert runs[pushed["run"]]["kind"] == runs[again["run"]]["kind"] == "push"
    assert runs[pushed["run"]]["trigger"] is None and pushed["run"] != again["run"]


def test_wrong_pushes(api, item):
    path = "/api/v1/mappers/item/records"
    api.refused("POST", path, 415, "unsupported_media_type", data=b"{}",
                headers={**RIGHT, "Content-Type": "text/csv"})
    api.refused("POST", path, 415, "unsupported_media_type", data=b'{"id": 1}')
    for body in (b"", b"[", b'{"id": 1', b'[{"id": 1}, 2]', b'{"id": 1, "nosuch": 2}',
                 b'"x"'):
        message = api.refused("POST", path, 400, "bad_request", data=body,
                              headers={**RIGHT, "Content-Type": "application/json"})
        assert message
    for coding, code in ("gzip", 415), ("identity", 400):
        api.refused("POST", path, code, "unsupported_media_type" if code == 415 else "bad_request",
                    data=b"\x1f\x8b\x08", headers={**RIGHT, "Content-Encoding": coding,
                                                   "Content-Type": "application/json"})
    large = b"[" + b" " * (17 << 20) + b"]"
    api.refused("POST", path, 413, "too_large", data=large,
                headers={**RIGHT, "Content-Type": "application/json"})
    assert not item.db("catalog").exists() or item.db("catalog").docs() == {}


def test_a_refused_push_is_no_failure_of_the_mapper(api, item):
    """More of them than runs that may fail before the mapper counts as broken."""
    api.run()
    before = api.mapper()
    for _ in range(4):
        message = api.refused("POST", "/api/v1/mappers/item/records", 400, "bad_request",
                              json=[{"id": 1, "v": "1"}, {"id": 2, "w": "2"}])
        assert "line 1" in message and '"w"' in message and "did you mean" in message
    after = api.mapper()
    for member in ("failures", "activity", "last_run", "last_success", "waiting_for", "next_run"):
        assert after[member] == before[member], member
    assert api.get("/readyz") == {"status": "ready"}
    assert not api.service.messages(".", level="error")
    assert api.run()["outcome"] == "rejects"


def test_a_large_push(api, item):
    """Proved on a thread of its own; the answer comes when CouchDB has all of it."""
    rows = [{"id": n, "v": str(n)} for n in range(1000, 6500)]
    assert api.post("/api/v1/mappers/item/records", json=rows)["created"] == 5500
    assert len(item.db("catalog").docs()) == 5500
    body = json.dumps(rows).encode() + b"x"
    api.refused("POST", "/api/v1/mappers/item/records", 400, "bad_request", data=body,
                headers={**RIGHT, "Content-Type": "application/json"})


# ---- rejects


def test_a_reject_is_tried_again_until_it_is_gone(api, item, database):
    api.run()
    [reject] = api.get("/api/v1/rejects?mapper=item")["rejects"]
    assert (reject["id"], reject["key"], reject["field"], reject["attempts"]) == (
        "reject:item:3", 3, "v", 1)
    path = f"/api/v1/rejects/{quote(reject['id'])}/retry"
    nothing = {"written": 0, "unchanged": 0, "rejected": 0, "gone": 0}
    assert api.post(path) == {**nothing, "rejected": 1}
    assert api.get("/api/v1/rejects?key=3&mapper=item")["rejects"][0]["attempts"] == 2
    database.sql("UPDATE item SET v = '3' WHERE id = 3")
    assert api.post(path) == {**nothing, "written": 1}
    assert item.db("catalog").get("item:3")["v"] == 3
    api.refused("POST", path, 404, "not_found")
    assert api.get("/api/v1/rejects") == {"rejects": [], "next": None}
    wait_until("the mapper has none", PATIENCE, lambda: api.mapper()["rejects"] == 0, 0.05)


def test_a_reject_whose_record_is_gone(api, database):
    api.run()
    database.sql("DELETE FROM item WHERE id = 3")
    assert api.post("/api/v1/rejects/reject:item:3/retry")["gone"] == 1
    assert api.get("/api/v1/rejects")["rejects"] == []


def test_a_reject_is_dropped(api, item):
    api.run()
    assert api.post("/api/v1/rejects/reject%3Aitem%3A3/drop") == {"dropped": 1}
    assert item.rejects() == []
    api.refused("POST", "/api/v1/rejects/reject:item:3/drop", 404, "not_found")
    wait_until("the mapper has none", PATIENCE, lambda: api.mapper()["rejects"] == 0, 0.05)


def test_runs_and_pushes_wait_for_a_drop(item, couch, proxy):
    """It has the mapper's lock: who meets that would end without having done anything."""
    front = proxy("http", couch.host, couch.port)
    item.configure(couchdb={"url": front.url})
    item.table_mapper(fields="v: {from: v, type: integer}", more="schedule: {every: 1s}")
    with Service(item) as service, ThreadPoolExecutor(1) as pool:
        api = Api(service)
        service.wait_log("run ended: rejects", "item")
        slow = faultproxy.delay(before=3)
        front.on("POST", "control/_bulk_docs$", slow, body=b"_deleted")
        dropped = pool.submit(api.post, "/api/v1/rejects/reject:item:3/drop")
        wait_until("the drop is at work", 20, lambda: any(one.fault == slow for one in front.seen))
        assert api.post("/api/v1/mappers/item/records", json={"id": 4, "v": "4"})["created"] == 1
        assert dropped.result() == {"dropped": 1}
        service.wait_log("run ended: rejects", "item", since=len(service.log))
        assert not service.messages("locked|holds")
        assert api.mapper()["failures"] == 0


def test_keys_with_slashes(project, database):
    database.sql("CREATE TABLE item (id text PRIMARY KEY, v text);"
                 "INSERT INTO item VALUES ('a/b c?%', 'x'), ('../retry', 'x')")
    project.table_mapper(fields="v: {from: v, type: integer}")
    with Service(project) as service:
        api = Api(service)
        api.run()
        found = {reject["key"]: reject["id"] for reject in api.get("/api/v1/rejects")["rejects"]}
        assert set(found) == {"a/b c?%", "../retry"}
        for one in found.values():
            assert api.post(f"/api/v1/rejects/{quote(one, safe='')}/retry")["rejected"] == 1
            assert api.post(f"/api/v1/rejects/{quote(one, safe='')}/drop") == {"dropped": 1}


def test_pages_of_rejects(api, database):
    database.sql("INSERT INTO item SELECT n, 'x' FROM generate_series(100, 124) n")
    api.run()
    found, after, sizes = [], "", []
    while True:
        page = api.get(f"/api/v1/rejects?limit=10{after}")
        found += [reject["key"] for reject in page["rejects"]]
        sizes.append(len(page["rejects"]))
        if page["next"] is None:
            break
        assert page["next"] == page["rejects"][-1]["id"]
        after = "&after=" + quote(page["next"])
    assert sorted(found) == [3, *range(100, 125)] and sizes == [10, 10, 6]
    assert len(api.get("/api/v1/rejects?mapper=item")["rejects"]) == 26


# ---- reload


def test_reload_is_all_or_nothing(api, item):
    path = item.folder / "mappers/item.yaml"
    right = path.read_text()
    path.write_text(right.replace("extract:", "extrakt:"))
    message = api.refused("POST", "/api/v1/reload", 422, "config")
    assert re.search(r"item\.yaml:\d+:\d+: ", message) and "extract" in message
    assert [m["mapper"] for m in api.get("/api/v1/mappers")["mappers"]] == ["item"]
    path.write_text(right)
    item.table_mapper("other", table="item")
    assert api.post("/api/v1/reload") == {"mappers": 2}
    assert api.mapper("other")["activity"] == "idle"


# ---- without CouchDB


def test_without_couchdb(item):
    item.configure(couchdb={"url": "http://127.0.0.1:9", "retry_for": "0s"})
    with Service(item) as service:
        api = Api(service)
        answer = api.get("/api/v1/runs")
        assert answer == {"runs": [], "complete": False}
        asked = (("GET", "/api/v1/rejects"),
                 ("GET", "/api/v1/runs/item:2020-01-01T00:00:00.000Z/events"),
                 ("POST", "/api/v1/rejects/reject:item:3/retry"),
                 ("POST", "/api/v1/rejects/reject:item:3/drop"))
        with ThreadPoolExecutor() as pool:
            for reply in pool.map(lambda one: api(*one, 503), asked):
                assert int(reply.headers["Retry-After"]) > 0
        api.refused("POST", "/api/v1/mappers/item/records", 503, "unavailable",
                    json={"id": 1, "v": "1"})
        wait_until("it is degraded", PATIENCE, lambda: api("GET", "/healthz", 200) and
                   service.session.get(api.url + "/readyz").json()["status"] == "degraded", 0.2)
        assert "CouchDB" in api.get("/readyz", 503)["reason"]
        assert api.mapper()["rejects"] is None


@pytest.fixture
def silent(item):
    """A service whose CouchDB accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        item.configure(couchdb={"url": f"http://127.0.0.1:{listener.getsockname()[1]}"})
        with Service(item, ready=None) as service:
            yield Api(service)


def test_a_silent_couchdb_is_given_up_in_time(silent):
    """More than there are slots: those that waited for one have waited enough."""
    asked = ["/api/v1/rejects", "/api/v1/runs/item:2020-01-01T00:00:00.000Z/events"] * 3
    began = time.monotonic()
    with ThreadPoolExecutor(len(asked)) as pool:
        for reply in pool.map(lambda path: silent("GET", path, 503), asked):
            assert int(reply.headers["Retry-After"]) > 0
    assert time.monotonic() - began < 25


def test_strangers_hold_up_no_push_and_no_stop(silent):
    """They ask without an end for what anybody may read, and CouchDB never answers."""
    def read(_):
        codes = set()
        try:
            while not over.is_set():
                reply = requests.get(silent.url + "/api/v1/rejects", timeout=PATIENCE)
                codes.add(reply.status_code)
        except requests.RequestException:
            pass
        return codes

    def all_wait():
        found = Metrics(requests.get(silent.url + "/metrics", timeout=PATIENCE).text)
        return found.get("queue_waiting", queue="questions") == 16

    def push():
        began = time.monotonic()
        silent.refused("POST", "/api/v1/mappers/item/records", 400, "bad_request", data=large,
                       headers={**RIGHT, **NDJSON})
        return time.monotonic() - began

    over, large = threading.Event(), json.dumps({"id": 1, "v": "x" * 300_000}) + "\n{"
    with ThreadPoolExecutor(20) as pool:
        readers = [pool.submit(read, n) for n in range(20)]
        try:
            wait_until("there is no slot", PATIENCE, all_wait, 0.01)
            assert min(push() for _ in range(3)) < 3  # a slot becomes free after four
            assert silent.service.stop() < 15  # half of stop_timeout
        finally:
            over.set()
        assert set().union(*(reader.result() for reader in readers)) == {503}


# ---- `erp2couch status`


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_status_asks_the_service(item, make_project, couch, database):
    item.configure(http={"listen": f"127.0.0.1:{free_port()}"})
    before = item.erp2couch("status", "--json").expect(Exit.OK)
    assert before.json["service"] is None
    before.says("no service")
    with Service(item) as service:
        api = Api(service)
        api.run()
        wait_until("the rejects are known", PATIENCE, lambda: api.mapper()["rejects"] == 1, 0.05)
        asked = item.erp2couch("status", "--json").expect(Exit.OK).says("the service at")
        assert asked.json["service"]["version"] and asked.json["service"]["condition"] == "ready"
        now = {**api.mapper(), "lag_seconds": 0}
        [told] = asked.json["mappers"]
        assert {**told, "lag_seconds": 0} == now
        table = item.erp2couch("status", "item").expect(Exit.OK)
        table.says(r"MAPPER +LAST RUN", r"item +\S+ +rejects")
        api.post("/api/v1/mappers/item/pause")
        item.erp2couch("status").expect(Exit.OK).says("paused")
        # Another configuration that names the same address is not served here.
        other = make_project(couch, database)
        other.configure(http={"listen": item.settings["http"]["listen"]})
        other.table_mapper(fields="v: v")
        assert other.erp2couch("status", "--json").expect(Exit.OK).json["service"] is None
        # A mapper that the service does not know yet.
        item.table_mapper("other", table="item")
        late = item.erp2couch("status", "--json").expect(Exit.OK).says("reload")
        assert late.json["service"] is None and len(late.json["mappers"]) == 2
    after = item.erp2couch("status", "item", "--json").expect(Exit.OK).json
    assert after["service"] is None
    assert after["mappers"][0].items() <= {**told, "lag_seconds": after["mappers"][0][
        "lag_seconds"]}.items()


def test_counts_are_unknown_while_couchdb_is_away(item, couch, proxy):
    """Of before the outage they are no more than a guess: the service tells none."""
    front = proxy("http", couch.host, couch.port)
    item.configure(couchdb={"url": front.url, "retry_for": "0s"})

    def told(api):
        found = Metrics(requests.get(api.url + "/metrics", timeout=PATIENCE).text)
        return api.mapper()["rejects"], found.get("rejects", mapper="item")

    with Service(item) as service:
        api = Api(service)
        api.run()
        wait_until("they are known", PATIENCE, lambda: told(api) == (1, 1), 0.05)
        item.erp2couch("status").expect(Exit.OK)
        front.refuse()
        assert api.run()["outcome"] == "unavailable"
        wait_until("they are not", PATIENCE, lambda: told(api) == (None, None), 0.05)
        assert api.get("/api/v1/status")["mappers"][0]["rejects"] is None
        result = item.erp2couch("status", "--json").expect(Exit.UNAVAILABLE)
        result.says("does not know how many rejects")
        assert result.json["mappers"][0]["rejects"] is None
        front.refuse(False)
        api.run()
        wait_until("they are again", PATIENCE, lambda: told(api) == (1, 1), 0.05)


def test_status_is_not_held_up_by_what_listens_and_is_silent(item):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        item.configure(http={"listen": f"127.0.0.1:{silent.getsockname()[1]}"})
        began = time.monotonic()
        result = item.erp2couch("status", "--json").expect(Exit.OK)
        assert result.json["service"] is None and time.monotonic() - began < 15
