"""Proxies that break things on a script: HttpProxy before CouchDB, TcpProxy before PostgreSQL.

    proxy = HttpProxy("127.0.0.1", 5984)
    proxy.on("POST", r"/_bulk_docs$", drop_reply(), skip=1, times=2)
    ... run against proxy.url ...
    assert proxy.count("POST", r"/_bulk_docs$") == 7

A rule applies to requests (or connections) that match, after `skip` of them, `times` times
(None: always). The first rule that applies wins. Threads: one per connection, all daemons.
"""

import re
import socket
import ssl
import struct
import threading
import time
from collections import namedtuple

from .process import wait_until

ALERT_SECONDS = 5  # for a client to read why its handshake failed, and to close
GATE_SECONDS = 300  # a test that failed leaves its gates shut

# What happens to a request. `before`/`after` are seconds of delay before the request goes on and
# before the reply comes back; status: answer ourselves, nothing goes on; request_bytes: that much
# of the body goes on, then both sides are cut; reply_bytes: that much of the reply comes back,
# then the client is cut (0: none of it, though the server did its work); stall: never an answer;
# make: a function from the request's body to the fault that it meets; rewrite: a function from the
# server's status and body to those that come back.
Fault = namedtuple("Fault", "before after status headers body request_bytes reply_bytes stall make"
                            " rewrite", defaults=(0, 0, None, None, b"", None, None, False, None,
                                                  None))
Seen = namedtuple("Seen", "method path status fault bytes time body")


def delay(before=0.0, after=0.0):
    return Fault(before=before, after=after)


def answer(status, body=b'{"error":"scripted","reason":"by the fault proxy"}', **headers):
    """Answers without asking the server: answer(429, retry_after=1)."""
    return Fault(status=status, body=body, headers={
        name.replace("_", "-").title(): str(value) for name, value in headers.items()})


def drop_reply():
    """The server gets the request and does its work; the client sees the connection die."""
    return Fault(reply_bytes=0)


def cut_reply(after_bytes):
    return Fault(reply_bytes=after_bytes)


def cut_request(after_bytes=0):
    """The server gets only the beginning of the body."""
    return Fault(request_bytes=after_bytes)


def stall():
    return Fault(stall=True)


def make(function):
    """A fault for each request: make(lambda request: answer(500, request))."""
    return Fault(make=function)


def rewrite(function):
    """The server does its work; what it says comes back as function(status, body)."""
    return Fault(rewrite=function)


class Gate:
    """What meets its fault waits before it, until it is opened: then, and from then on, it passes.

        gate = Gate()
        proxy.on("POST", "/_bulk_docs$", gate.fault)
        gate.wait()
    """

    def __init__(self):
        self.held = 0  # how many came
        self.fault = make(self._pass)
        self._opened = threading.Event()

    def _pass(self, _):
        self.held += 1
        self._opened.wait(GATE_SECONDS)
        return Fault()

    def wait(self, count=1, seconds=60):
        """Until that many stand before it."""
        wait_until(f"{count} stand before the gate", seconds, lambda: self.held >= count)

    def open(self):
        self._opened.set()


class Rule:
    """When a fault happens."""

    def __init__(self, matches, fault, skip, times):
        self.matches, self.fault, self.skip, self.times = matches, fault, skip, times
        self.hits = 0  # how often the fault happened

    def take(self, *what):
        if not self.matches(*what):
            return None
        if self.skip:
            self.skip -= 1
            return None
        if self.times is not None and self.hits >= self.times:
            return None
        self.hits += 1
        return self.fault


def reset(sock):
    """Closes with RST, as a crash of the other side looks."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass
    hang_up(sock)


def hang_up(sock):
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    sock.close()


class Proxy:
    """Listens on 127.0.0.1:port; subclasses say what to do with a connection."""

    def __init__(self, host, port, tls=None):
        self.target = (host, port)
        self.tls = tls  # an ssl.SSLContext: clients come with TLS
        self.rules = []
        self.connections = 0
        self.lock = threading.Lock()
        self._open = set()
        self._closed = False
        self.refusing = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                number = self.connections
                refuse = self.refusing or self._closed
                if not refuse:
                    self._open.add(client)
            if refuse:
                reset(client)
                continue
            threading.Thread(target=self._serve, args=(client, number), daemon=True).start()

    def _serve(self, client, number):
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                with self.lock:
                    self._open.discard(client)
                client = self.tls.wrap_socket(client, server_side=True,
                                              do_handshake_on_connect=False)
                with self.lock:
                    self._open.add(client)
                self._shake_hands(client)
            self.serve(client, number)
        except OSError:
            pass  # one of the two went away: that is what we are here for
        finally:
            with self.lock:
                self._open.discard(client)
            hang_up(client)

    @staticmethod
    def _shake_hands(client):
        try:
            client.do_handshake()
        except ssl.SSLError:
            # What is closed with something unread is reset, and our alert would be lost with it.
            client.settimeout(ALERT_SECONDS)
            while socket.socket.recv(client, 1 << 16):  # past TLS
                pass
            raise

    def connect(self):
        server = socket.create_connection(self.target, timeout=60)
        server.settimeout(None)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.lock:
            self._open.add(server)
        return server

    def add(self, matches, fault, skip=0, times=1):
        rule = Rule(matches, fault, skip, times)
        with self.lock:
            self.rules.append(rule)
        return rule

    def clear(self):
        with self.lock:
            self.rules.clear()

    def fault_for(self, *what):
        with self.lock:
            for rule in self.rules:
                fault = rule.take(*what)
                if fault:
                    return fault
        return None

    def refuse(self, on=True):
        """New connections are reset from now on, and those that are open are cut."""
        self.refusing = on
        if on:
            self.cut_all()

    def cut_all(self):
        with self.lock:
            open_now = list(self._open)
        for sock in open_now:
            reset(sock)

    def close(self):
        self._closed = True
        hang_up(self._listener)
        self.cut_all()


class Message:
    """One HTTP message: its head as it came and its body, read whole."""

    def __init__(self, start, headers, head, body):
        self.start, self.headers, self.head, self.body = start, headers, head, body


class Reader:
    """Reads HTTP messages from a socket."""

    def __init__(self, sock):
        self.sock, self.buffer = sock, b""

    def _more(self):
        piece = self.sock.recv(1 << 16)
        if not piece:
            raise ConnectionError("closed")
        self.buffer += piece

    def _until(self, mark):
        while mark not in self.buffer:
            self._more()
        found, self.buffer = self.buffer.split(mark, 1)
        return found + mark

    def _exactly(self, count):
        pieces, have = [self.buffer], len(self.buffer)
        while have < count:
            piece = self.sock.recv(1 << 18)
            if not piece:
                raise ConnectionError("closed")
            pieces.append(piece)
            have += len(piece)
        whole = b"".join(pieces)
        self.buffer = whole[count:]
        return whole[:count]

    def _chunked(self):
        body = b""
        while True:
            size_line = self._until(b"\r\n")
            size = int(size_line.split(b";")[0], 16)
            body += size_line + self._exactly(size + 2) if size else size_line
            if not size:
                while True:  # trailers
                    line = self._until(b"\r\n")
                    body += line
                    if line == b"\r\n":
                        return body

    def head(self):
        text = self._until(b"\r\n\r\n")
        lines = text.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            if ":" in line:
                name, value = line.split(":", 1)
                headers[name.strip().lower()] = value.strip()
        return lines[0], headers, text

    def body(self, headers, until_close=False):
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return self._chunked()
        if "content-length" in headers:
            return self._exactly(int(headers["content-length"]))
        if not until_close:
            return b""
        pieces = [self.buffer]
        while piece := self.sock.recv(1 << 16):
            pieces.append(piece)
        self.buffer = b""
        return b"".join(pieces)


class HttpProxy(Proxy):
    """Knows HTTP/1.1: rules look at requests, and every request is kept in `seen`."""

    def __init__(self, host, port, tls=None):
        self.seen = []
        self.keep_bodies = False
        super().__init__(host, port, tls)

    @property
    def url(self):
        return f"https://localhost:{self.port}" if self.tls else f"http://{self.host}:{self.port}"

    def on(self, method, path, fault, skip=0, times=1, body=None):
        """A fault for requests of `method` (regular expression) whose path matches `path`; with
        `body`, only those whose body matches it too."""

        def matches(seen_method, seen_path, seen_body):
            return (re.fullmatch(method, seen_method) and re.search(path, seen_path.split("?")[0])
                    and (body is None or re.search(body, seen_body)))

        return self.add(matches, fault, skip, times)

    def count(self, method=".*", path="", status=None):
        """How many such requests came."""
        with self.lock:
            return sum(1 for one in self.seen
                       if re.fullmatch(method, one.method) and re.search(path, one.path)
                       and status in (None, one.status))

    def _note(self, method, path, status, fault, request):
        with self.lock:
            self.seen.append(Seen(method, path, status, fault, len(request), time.monotonic(),
                                  request if self.keep_bodies else None))

    def serve(self, client, number):
        server, reader, upstream = None, Reader(client), None
        try:
            while True:
                start, headers, head = reader.head()
                method, path, _ = start.split(" ", 2)
                if headers.get("expect", "").lower() == "100-continue":
                    client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                request = reader.body(headers)
                fault = self.fault_for(method, path, request) or Fault()
                if fault.make:
                    fault = fault.make(request)
                time.sleep(fault.before)
                if fault.status or fault.stall:
                    self._note(method, path, fault.status, fault, request)
                    if fault.stall:
                        self._wait_for_end(client)
                        return
                    self._answer(client, method, fault)
                    continue
                if server is None:
                    server = self.connect()
                    upstream = Reader(server)
                if fault.request_bytes is not None:
                    self._note(method, path, None, fault, request)
                    server.sendall(head + request[:fault.request_bytes])
                    time.sleep(0.05)
                    reset(server)
                    reset(client)
                    return
                server.sendall(head + request)
                if not self._reply(client, upstream, method, path, fault, request):
                    return
        finally:
            if server is not None:
                with self.lock:
                    self._open.discard(server)
                hang_up(server)

    @staticmethod
    def _wait_for_end(client):
        while client.recv(1 << 16):
            pass

    @staticmethod
    def _answer(client, method, fault):
        headers = {"Content-Type": "application/json", "Content-Length": len(fault.body),
                   **(fault.headers or {})}
        text = f"HTTP/1.1 {fault.status} Scripted\r\n"
        text += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        client.sendall(text.encode() + b"\r\n" + (b"" if method == "HEAD" else fault.body))

    def _reply(self, client, upstream, method, path, fault, request):
        """Sends the server's reply on. Returns whether the connection lives on."""
        start, headers, head = upstream.head()
        while start.split(" ")[1] == "100":
            start, headers, head = upstream.head()
        status = int(start.split(" ")[1])
        plain = fault.reply_bytes is None and not fault.after and not fault.rewrite
        if plain and method != "HEAD" and status not in (204, 304):
            self._note(method, path, status, fault, request)
            return self._stream(client, upstream, headers, head)
        body = b""
        if method != "HEAD" and status not in (204, 304):
            body = upstream.body(headers, until_close=True)
        if fault.rewrite:
            status, body = fault.rewrite(status, b"".join(self._chunks(headers, body)))
            head = (f"HTTP/1.1 {status} Scripted\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n").encode()
        self._note(method, path, status, fault, request)
        time.sleep(fault.after)
        whole = head + body
        if fault.reply_bytes is not None:
            client.sendall(whole[:fault.reply_bytes])
            if fault.reply_bytes:
                time.sleep(0.05)  # RST would overtake what is still in the buffers
            reset(client)
            return False
        client.sendall(whole)
        return headers.get("connection", "").lower() != "close"

    @staticmethod
    def _chunks(headers, body):
        """The pieces of a body as they came."""
        if "chunked" not in headers.get("transfer-encoding", "").lower():
            yield body
            return
        while body:
            line, body = body.split(b"\r\n", 1)
            size = int(line.split(b";")[0], 16)
            if not size:
                return
            yield body[:size]
            body = body[size + 2:]

    @staticmethod
    def _stream(client, upstream, headers, head):
        """Sends a reply on as it comes: long-lived and large replies keep their timing."""
        client.sendall(head)
        if "content-length" in headers:
            left = int(headers["content-length"])
            while left:
                if not upstream.buffer:
                    upstream._more()
                piece, upstream.buffer = upstream.buffer[:left], upstream.buffer[left:]
                client.sendall(piece)
                left -= len(piece)
        elif "chunked" in headers.get("transfer-encoding", "").lower():
            while True:
                line = upstream._until(b"\r\n")
                size = int(line.split(b";")[0], 16)
                client.sendall(line + (upstream._exactly(size + 2) if size else b""))
                if not size:
                    while line := upstream._until(b"\r\n"):
                        client.sendall(line)
                        if line == b"\r\n":
                            break
                    break
        else:
            client.sendall(upstream.body(headers, until_close=True))
            return False
        return headers.get("connection", "").lower() != "close"


# What happens to a TCP connection: refused (reset at once), cut after that many bytes from the
# client (up) or from the server (down), slowed (seconds before each piece from the server),
# stalled: after that many bytes from the server nothing more comes, and nothing is closed; or
# orphaned: when the client goes (see leave()), the server is not told.
Wire = namedtuple("Wire", "refuse up down slow stall_after orphan",
                  defaults=(False, None, None, 0, None, False))


class TcpProxy(Proxy):
    """Knows bytes only. Rules look at the number of a connection, from 1."""

    def __init__(self, host, port):
        self._orphans = {}  # number: (client, server)
        super().__init__(host, port)

    def on(self, fault, skip=0, times=1):
        return self.add(lambda number: True, fault, skip, times)

    def leave(self, number):
        """Cuts the client of an orphaned connection off."""
        reset(self._orphans[number][0])

    def close(self):
        super().close()
        for _, server in self._orphans.values():
            hang_up(server)

    def serve(self, client, number):
        fault = self.fault_for(number) or Wire()
        if fault.refuse:
            reset(client)
            return
        server = self.connect()
        if fault.orphan:
            self._orphans[number] = client, server
        back = threading.Thread(target=self._pump, daemon=True, args=(server, client, fault.down,
                                                                      fault))
        back.start()
        self._pump(client, server, fault.up, fault._replace(slow=0, stall_after=None))
        if not fault.orphan:
            back.join()
        with self.lock:
            self._open.discard(server)

    def passing(self, source, piece):
        """What goes on of `piece`, which came from the socket `source`."""
        return piece

    def _pump(self, source, sink, limit, fault):
        """Copies until one side ends, or the limit cuts both."""
        passed = 0
        try:
            while piece := source.recv(1 << 16):
                if fault.slow:
                    time.sleep(fault.slow)
                if fault.stall_after is not None and passed + len(piece) > fault.stall_after:
                    sink.sendall(piece[:max(fault.stall_after - passed, 0)])
                    while sink.recv(1 << 16):  # until the client gives up
                        pass
                    break
                if limit is not None and passed + len(piece) >= limit:
                    sink.sendall(piece[:limit - passed])
                    time.sleep(0.05)
                    reset(source)
                    reset(sink)
                    return
                sink.sendall(self.passing(source, piece))
                passed += len(piece)
        except OSError:
            pass
        if fault.orphan:
            return
        hang_up(source)
        hang_up(sink)


class PoolerProxy(TcpProxy):
    """Tells clients of PostgreSQL a process number of its own, as poolers do, and says so, as they
    do, when a server dies under a statement: one that holds `crash_at`."""

    KEY = b"K\0\0\0\x0c"  # BackendKeyData: the process, a secret
    CRASH = b"SFATAL\0C08P01\0Mserver conn crashed?\0\0"
    crash_at = None

    def passing(self, source, piece):
        if self.crash_at and self.crash_at in piece:
            source.sendall(b"E" + struct.pack("!I", len(self.CRASH) + 4) + self.CRASH)
            raise ConnectionError("as planned")
        at = piece.find(self.KEY)
        if at < 0:
            return piece
        at += len(self.KEY)
        return piece[:at] + struct.pack("!I", 77) + piece[at + 4:]
