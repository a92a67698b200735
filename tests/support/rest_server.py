"""A REST server over tables in memory: every kind of paging, cursor, credentials and fault.

    with RestServer() as server:
        table = server.add("/items", [{"id": 1, ...}], paging="page", records="data.items")
        server.fault("cut", path="/items", at=1)

Each request is answered from the table as it is then; `server.seen` has what was asked.
"""

import base64
import bisect
import gzip
import hashlib
import json
import re
import socket
import struct
import threading
import time
from datetime import datetime, timezone
from email.utils import formatdate, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit


def nested(path, value, beside=None):
    """{"data": {"items": value}} of "data.items"; with the members of `beside` at the top."""
    if not path:
        assert not beside, "a body that is the array has nothing beside it"
        return value
    result = value
    for name in reversed(path.split(".")):
        result = {name: result}
    return {**(beside or {}), **result}


def instant(text):
    """A datetime of RFC 3339, of seconds or milliseconds since 1970, of OData's /Date()/."""
    if isinstance(text, (int, float)):
        return datetime.fromtimestamp(text, timezone.utc)
    found = re.fullmatch(r"/Date\((-?\d+)(?:[+-]\d{4})?\)/", text)
    if found:
        return datetime.fromtimestamp(int(found[1]) / 1000, timezone.utc)
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return at if at.tzinfo else at.replace(tzinfo=timezone.utc)


class Refused(Exception):
    """A reply that is an error."""

    def __init__(self, status, body=None, **headers):
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers


class Table:
    """Rows, and how they are asked for.

    paging: none page offset keyset next_url link_header cursor odata
    size: records of a page where the request names no other
    cursor: a function (row, text) -> whether it changed since; None: everything always
    since: name of the parameter that carries it
    """

    def __init__(self, path, rows, key="id", paging="none", size=10, records="", since=None,
                 changed=None, version=4, envelope=None, children=(), totals=False,
                 modified=None, largest=1000):
        self.path, self.rows, self.key, self.paging = path, list(rows), key, paging
        self.size, self.records, self.since, self.changed = size, records, since, changed
        self.version, self.envelope, self.totals = version, envelope, totals
        self.children, self.modified, self.largest = children, modified, largest
        self.deleted = []
        self.before_page = None  # called with the number of the request: to shift pages

    # ---- what a test does to it

    def row(self, key):
        return next(row for row in self.rows if row[self.key] == key)

    def update(self, key, **values):
        self.row(key).update(values)

    def delete(self, key):
        self.rows.remove(self.row(key))
        self.deleted.append(key)

    # ---- what a request asks for

    def selected(self, ask):
        rows = self.rows
        if self.since and self.changed:
            value = ask.param(self.since)
            if value is not None:
                rows = [row for row in rows if self.changed(row, value)]
        if self.modified:
            rows = self._modified(ask, rows)
        if self.paging == "odata" and ask.param("$filter"):
            rows = [row for row in rows if odata_filter(row, ask.param("$filter"))]
        return rows

    def _modified(self, ask, rows):
        header = ask.headers.get("If-Modified-Since")
        if not header:
            return rows
        since = parsedate_to_datetime(header)
        rows = [row for row in rows if instant(row[self.modified]) >= since]
        if not rows:
            raise Refused(304)
        return rows

    def answer(self, ask):
        """The body of a page, and headers."""
        rows = self.selected(ask)
        return getattr(self, "_page_" + self.paging)(ask, rows)

    def _size(self, ask, *names):
        for name in names:
            if ask.param(name):
                return min(int(ask.param(name)), self.largest)
        return self.size

    def _body(self, rows, **beside):
        if self.totals:
            beside["total"] = self.totals if self.totals is not True else len(self.rows)
        return nested(self.records, rows, beside)

    def _page_none(self, ask, rows):
        return self._body(rows), {}

    def _page_page(self, ask, rows):
        size, page = self._size(ask, "limit"), int(ask.param("page") or 1)
        if page < 1:
            raise Refused(400, {"message": "pages begin with 1"})
        return self._body(rows[(page - 1) * size:page * size]), {}

    def _page_offset(self, ask, rows):
        size, offset = self._size(ask, "limit"), int(ask.param("offset") or 0)
        return self._body(rows[offset:offset + size]), {}

    def _page_keyset(self, ask, rows):
        rows = sorted(rows, key=lambda row: row[self.key])
        after = ask.param("after")
        if after is not None:
            kind = type(rows[0][self.key]) if rows else str
            at = bisect.bisect_right([row[self.key] for row in rows], kind(after))
            rows = rows[at:]
        return self._body(rows[:self._size(ask, "limit")]), {}

    def _following(self, ask, rows):
        size, token = self._size(ask, "limit"), ask.param("token")
        try:
            at = int(base64.urlsafe_b64decode(token)) if token else 0
        except ValueError as problem:
            raise Refused(400, {"message": "no such token"}) from problem
        more = at + size < len(rows)
        return rows[at:at + size], \
            base64.urlsafe_b64encode(str(at + size).encode()).decode() if more else None

    def _address(self, ask, **params):
        query = {**dict(ask.query), **{k: v for k, v in params.items() if v is not None}}
        return ask.path + "?" + urlencode(query)

    def _page_next_url(self, ask, rows):
        rows, token = self._following(ask, rows)
        link = self._address(ask, token=token) if token else None
        return self._body(rows, next=link), {}

    def _page_link_header(self, ask, rows):
        rows, token = self._following(ask, rows)
        link = f'<{self._address(ask, token=token)}>; rel="next"' if token else None
        return self._body(rows), {"Link": link} if link else {}

    def _page_cursor(self, ask, rows):
        rows, token = self._following(ask, rows)
        return self._body(rows, after=token), {}

    def _page_odata(self, ask, rows):
        preferred = re.search(r"odata\.maxpagesize=(\d+)", ask.headers.get("Prefer", ""))
        size = int(preferred[1]) if preferred else self.size
        at = int(ask.param("$skiptoken") or 0)
        if ask.param("$top"):
            rows = rows[:int(ask.param("$top"))]
        page, names = rows[at:at + size], ask.param("$select")
        if names:
            names = names.split(",") + (ask.param("$expand") or "").split(",")
            page = [{name: row[name] for name in row if name in names} for row in page]
        link = None
        if at + size < len(rows):
            link = ask.server.url + self._address(ask, **{"$skiptoken": at + size})
        if self.version == 4:
            return {"@odata.context": "$metadata", "value": page,
                    **({"@odata.nextLink": link} if link else {})}, {}
        return {"d": {"results": page, **({"__next": link} if link else {})}}, {}

    def entity(self, ask, text):
        """One record, at PATH/KEY or PATH(KEY)."""
        for row in self.rows:
            if str(row[self.key]) == text.strip("'"):
                quoted = text.startswith("'")
                if self.paging == "odata" and quoted != isinstance(row[self.key], str):
                    raise Refused(400, {"error": {"code": "x", "message": "a key of another type"}})
                return {"d": row} if self.paging == "odata" and self.version < 4 else row
        raise Refused(404, {"error": {"code": "404", "message": f"no {text} here"}})


def odata_filter(row, text):
    """FIELD (ge|gt) LITERAL, joined by `and`; literals of both versions."""
    for part in re.split(r" and ", text):
        field, op, literal = part.strip("() ").split(" ", 2)
        literal = re.sub(r"^datetime(?:offset)?", "", literal).strip("'")
        try:
            have, want = instant(row[field]), instant(literal)
        except (ValueError, TypeError):
            have, want = row[field], type(row[field])(literal)
        if not (have >= want if op == "ge" else have > want):
            return False
    return True


class Ask:
    """One request."""

    def __init__(self, server, method, target, headers, body):
        parts = urlsplit(target)
        self.server, self.method, self.path = server, method, unquote(parts.path)
        self.query = parse_qsl(parts.query, keep_blank_values=True)
        self.target, self.headers, self.body = target, headers, body
        self.at = time.monotonic()

    def param(self, name):
        """Of the address, or of a JSON body."""
        found = [value for key, value in self.query if key == name]
        if found:
            return found[0]
        if self.body and self.headers.get("Content-Type", "").startswith("application/json"):
            value = json.loads(self.body).get(name)
            return None if value is None else str(value)
        return None

    def __repr__(self):
        return f"{self.method} {self.target}"


class Fault:
    """What goes wrong with a request: kind, of requests to `path`, the `at`-th of them (from 0) and
    `times` in a row.

    kinds: cut (half of the body, then the connection closes), reset, short (half of the body with
    the length of all, as whole), slow, status, redirect, raw (these bytes as the body)
    """

    def __init__(self, kind, path=None, at=0, times=1, **more):
        self.kind, self.path, self.skip, self.times, self.more = kind, path, at, times, more

    def hits(self, ask):
        if self.path is not None and ask.path != self.path:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times <= 0:
            return False
        self.times -= 1
        return True


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def date_time_string(self, timestamp=None):
        return formatdate(self.server.owner.clock(), usegmt=True)

    def do_GET(self):
        self._answer()

    def do_POST(self):
        self._answer()

    def _answer(self):
        owner = self.server.owner
        length = int(self.headers.get("Content-Length") or 0)
        ask = Ask(owner, self.command, self.path, self.headers, self.rfile.read(length))
        with owner.mutex:
            owner.seen.append(ask)
            fault = next((fault for fault in owner.faults if fault.hits(ask)), None)
            owner.running += 1
            owner.most_running = max(owner.most_running, owner.running)
        try:
            time.sleep(owner.delay)
            if owner.before:
                owner.before(ask)
            self._reply(ask, fault, *self._outcome(owner, ask, fault))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with owner.mutex:
                owner.running -= 1

    def _outcome(self, owner, ask, fault):
        """(status, body as bytes, headers)"""
        try:
            if fault and fault.kind == "status":
                raise Refused(fault.more["status"], fault.more.get("body"),
                              **fault.more.get("headers", {}))
            if fault and fault.kind == "redirect":
                raise Refused(302, None, Location=fault.more["to"])
            body, headers = owner.answer(ask)
            status = 200
        except Refused as refused:
            status, body, headers = refused.status, refused.body, dict(refused.headers)
        if fault and fault.kind == "raw":
            body = fault.more["body"]
        if not isinstance(body, bytes):
            headers.setdefault("Content-Type", "application/json")
            body = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        return status, body, {**headers, **(fault.more.get("headers", {}) if fault else {})}

    def _reply(self, ask, fault, status, body, headers):
        if fault and fault.kind == "reset":
            self._reset()
            return
        if ask.server.gzip and "gzip" in ask.headers.get("Accept-Encoding", ""):
            body, headers = gzip.compress(body), {**headers, "Content-Encoding": "gzip"}
        whole = len(body)
        if fault and fault.kind in ("cut", "short"):
            body = body[:fault.more.get("bytes", whole // 2)]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length",
                         str(len(body) if fault and fault.kind == "short" else whole))
        self.end_headers()
        if status == 304:
            return
        if fault and fault.kind == "slow":
            time.sleep(fault.more.get("seconds", 0.3))
        self.wfile.write(body)
        self.wfile.flush()
        if fault and fault.kind == "cut":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def _reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass


class RestServer:
    """auth: a function (ask) -> whether it may; see basic(), bearer(), header(), query(), OAuth2
    and Session."""

    def __init__(self, auth=None):
        self.http = Server(("127.0.0.1", 0), Handler)
        self.http.owner = self
        self.port = self.http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.mutex = threading.Lock()
        self.tables, self.calls, self.seen, self.faults = {}, {}, [], []
        self.auth, self.gzip, self.delay = auth, False, 0
        self.before = None  # called with each request before it is answered; may block
        self.running = self.most_running = 0
        self.ahead = 0  # seconds that its clock is fast
        self.thread = threading.Thread(
            target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.http.shutdown()
        self.http.server_close()

    def clock(self):
        return time.time() + self.ahead

    def add(self, path, rows, **options):
        self.tables[path] = Table(path, rows, **options)
        return self.tables[path]

    def call(self, path, function):
        """`function(ask)` gives the body, or (body, headers), or raises Refused."""
        self.calls[path] = function

    def fault(self, kind, **options):
        self.faults.append(Fault(kind, **options))
        return self.faults[-1]

    def asked(self, path=None):
        """The requests since the last forget(), of one path."""
        with self.mutex:
            return [ask for ask in self.seen if path in (None, ask.path)]

    def forget(self):
        with self.mutex:
            self.seen.clear()

    def answer(self, ask):
        if self.auth and not self.auth(ask):
            raise Refused(401, {"message": "who are you?"}, WWW_Authenticate="Basic")
        if ask.path in self.calls:
            given = self.calls[ask.path](ask)
            return given if isinstance(given, tuple) else (given, {})
        with self.mutex:
            if ask.path in self.tables:
                table = self.tables[ask.path]
                if table.before_page:
                    table.before_page(sum(seen.path == ask.path for seen in self.seen))
                return table.answer(ask)
            for path, table in self.tables.items():
                if ask.path == path + "/deleted":
                    return {"ids": list(table.deleted)}, {}
                found = re.fullmatch(re.escape(path) + r"(?:/([^/]+)|\(([^)]*)\))", ask.path)
                if found:
                    return table.entity(ask, found[1] or found[2]), {}
                found = re.fullmatch(re.escape(path) + r"/([^/]+)/(\w+)", ask.path)
                if found and found[2] in table.children:
                    return {"value": table.children[found[2]](found[1])}, {}
        raise Refused(404, {"message": "no such path"})


# ---- credentials

def basic(user, password):
    wanted = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    return lambda ask: ask.headers.get("Authorization") == wanted


def bearer(token):
    return lambda ask: ask.headers.get("Authorization") == "Bearer " + token


def header(name, value):
    return lambda ask: ask.headers.get(name) == value


def query(name, value):
    return lambda ask: (name, value) in ask.query


class OAuth2:
    """A token endpoint at /token; `lives` requests a token; refresh tokens rotate."""

    def __init__(self, lives=1000, refresh=None):
        self.lives, self.refresh, self.tokens, self.given = lives, refresh, {}, 0

    def __call__(self, ask):
        if ask.path == "/token":
            return True
        token = ask.headers.get("Authorization", "")[len("Bearer "):]
        self.tokens[token] = self.tokens.get(token, 0) - 1
        return self.tokens[token] >= 0

    def token(self, ask):
        form = dict(parse_qsl(ask.body.decode()))
        if self.refresh and form.get("refresh_token") != self.refresh:
            raise Refused(400, {"error": "invalid_grant", "error_description": "used before"})
        self.given += 1
        token = hashlib.sha256(str(self.given).encode()).hexdigest()
        self.tokens[token] = self.lives
        if self.refresh:
            self.refresh = "r" + token
        return {"access_token": token, "expires_in": 3600, "token_type": "Bearer",
                **({"refresh_token": self.refresh} if self.refresh else {})}


class Session:
    """A log-in at /Login that gives a cookie; `lives` requests a session."""

    def __init__(self, user, password, lives=1000):
        self.wanted = {"user": user, "password": password}
        self.lives, self.left, self.given = lives, 0, 0

    def __call__(self, ask):
        if ask.path == "/Login":
            return True
        self.left -= 1
        return self.left >= 0 and f"SESSION={self.given}" in ask.headers.get("Cookie", "")

    def login(self, ask):
        if json.loads(ask.body) != self.wanted:
            raise Refused(401, {"message": "wrong password"})
        self.given += 1
        self.left = self.lives
        return {"timeout": 30}, {"Set-Cookie": f"SESSION={self.given}; Path=/"}
