"""Replies that are not what they should be, through the whole program: the exit code and the words,
a cursor that stays, and a next run that ends where the source is."""

import gzip
import json
import socket
import threading

import pytest

from bench.measure import AnonSampler
from support.project import Exit
from support.rest_server import RestServer
from support.rest_tables import (ROWS, expected, paged, rows, since_time, stamp, touch)

PAGE = {"data": {"items": [{"id": n, "name": f"old {n}", "price": "1.00"} for n in range(6, 11)]}}
TEXT = json.dumps(PAGE)
BOMB = gzip.compress(b'{"data": {"items": [{"id": 1, "x": "' + b"x" * (64 << 20) + b'"}]}}')
ALWAYS = 99999


@pytest.fixture
def followed(rest, server, binary):
    """A project that followed changes of /items once; every record has changed since."""
    if b"ERP2COUCH_CRASH_WAIT" not in binary.read_bytes():
        pytest.skip("needs a program built with -Dcrash_points=true: others wait half a minute")

    def make(paging="page", source=None, **more):
        table, extract = paged(server, paging, changed=since_time("changed"), since="since")
        extract.update(cursor={"field": "changed", "param": "since"}, lookback="1m",
                       by_key={"path": "/items/${id}"}, **more)
        project = rest(extract, source)
        project.env["ERP2COUCH_CRASH_WAIT"] = "1"
        project.run().counts(created=ROWS)
        for row in list(table.rows):
            touch(table, row["id"], name=f"turned {row['id']}")
        server.forget()
        return project, table

    return make


def position(project):
    shown = project.erp2couch("state", "show", "item", "--json").expect(Exit.OK).json
    return shown["position"]


def fails_and_recovers(project, server, table, code, words):
    """A run that ends so moves nothing; the next one, of a server that is well, loses nothing."""
    before = position(project)
    result = project.run(code=code).says(words)
    assert result.mapper()["deleted"] == 0, result
    assert position(project) == before
    assert set(project.db("catalog").ids()) == set(expected(table))
    server.faults.clear()
    project.run()
    assert project.db("catalog").docs() == expected(table)
    return result


# What the second page is, always: a fault, the exit code, and words after the address.
BAD_PAGES = {
    "truncated": ({"body": TEXT[:200].encode()}, Exit.UNAVAILABLE, "cut|end"),
    "json after json": ({"body": (TEXT + TEXT).encode()}, Exit.UNAVAILABLE, "behind|after"),
    "bom": ({"body": b"\xef\xbb\xbf" + TEXT.encode()}, Exit.UNAVAILABLE, "byte order mark|BOM"),
    "utf-16": ({"body": TEXT.encode("utf-16-le")}, Exit.UNAVAILABLE, "UTF-16"),
    "utf-16 with bom": ({"body": TEXT.encode("utf-16")}, Exit.UNAVAILABLE, "UTF-16"),
    "html": ({"body": b"<!DOCTYPE html><title>Log in</title>",
              "headers": {"Content-Type": "text/html"}}, Exit.UNAVAILABLE, "HTML.*Log in"),
    "nothing": ({"body": b""}, Exit.UNAVAILABLE, "empty"),
    "text": ({"body": b"Fatal error in line 7"}, Exit.UNAVAILABLE, "not JSON"),
    "no records": ({"body": b'{"data": {"error": "x"}}'}, Exit.CONFIG, "no array of records"),
    "bomb": ({"body": BOMB, "headers": {"Content-Encoding": "gzip"}}, Exit.CONFIG, "compressed"),
    "redirects": ({"kind": "redirect", "to": "/items?page=2"}, Exit.CONFIG, "redirect"),
    "forbidden": ({"kind": "status", "status": 403, "body": {"message": "not yours"}},
                  Exit.CONFIG, "403.*not yours"),
    "short": ({"kind": "short"}, Exit.UNAVAILABLE, "cut|end"),
    "cut": ({"kind": "cut"}, Exit.UNAVAILABLE, "closed|cut|end|transfer"),
}


@pytest.mark.parametrize("name", BAD_PAGES)
def test_bad_pages_end_the_run_and_move_nothing(followed, server, name):
    fault, code, words = BAD_PAGES[name]
    fault = dict(fault)
    project, table = followed()
    server.fault(fault.pop("kind", "raw"), path="/items", at=1, times=ALWAYS, **fault)
    result = fails_and_recovers(project, server, table, code,
                                r"GET http://127.0.0.1:\d+/items: .*(?:" + words + ")")
    assert "since=" not in result.err  # addresses are told without their query


# ---- records that cannot be read, in pages that can

DEEP = '{"id": 1, "x": ' + "[" * 10000 + "]" * 10000 + "}"
BAD_RECORDS = {
    "latin-1": ('{"id": 6, "name": "M\u00fcller", "price": "1"}'.encode("latin-1"), "UTF-8"),
    "a name twice": (b'{"id": 6, "name": "a", "name": "b", "price": "1"}', "twice"),
    "deep": (DEEP.encode(), "deep"),
    "large": (b'{"id": 6, "name": "' + b"x" * 100000 + b'"}', "limit of"),
    "no key": (b'{"name": "a"}', "key id: it is not there"),
    "no object": (b"7", "object"),
}


@pytest.mark.parametrize("name", BAD_RECORDS)
def test_bad_records_are_rejects_until_they_are_well(followed, server, name):
    """The cursor goes on, and yet the record comes with the next run, though it did not change."""
    text, words = BAD_RECORDS[name]
    project, table = followed(source={"max_record": "64KiB"})
    table.update(6, changed=stamp(5))  # beyond the lookback of the next run
    others = [json.dumps({**row, "id": row["id"]}).encode() for row in table.rows[6:10]]
    body = b'{"data": {"items": [' + b",".join([text, *others]) + b"]}}"
    server.fault("raw", path="/items", at=1, body=body)
    result = project.run(code=Exit.REJECTS)
    assert result.mapper()["rejected"] == 1 and result.mapper()["deleted"] == 0, result
    [reject] = project.rejects()
    assert words in reject["reason"]
    result = project.run()
    assert project.db("catalog").docs() == expected(table), result
    project.run("--full").counts(unchanged=ROWS)
    assert project.rejects() == []


# ---- pages that go round

ROUNDS = {"a token that never changes": {None: "again", "again": "again"},
          "A-B-A": {None: "a", "a": "b", "b": "a"},
          "A-B-C-A": {None: "a", "a": "b", "b": "c", "c": "a"}}


@pytest.mark.parametrize("name", ROUNDS)
def test_tokens_that_go_round(followed, server, name):
    project, table = followed("cursor")
    tokens = list(ROUNDS[name])

    def page(ask):
        token = ask.param("token")
        return {"data": {"items": [table.rows[tokens.index(token)]]}, "after": ROUNDS[name][token]}

    server.call("/items", page)
    before = position(project)
    project.run(code=Exit.UNAVAILABLE).says("the pages go round: .* names the token '.*' again")
    assert len(server.asked("/items")) <= 6 * len(tokens)  # it does not go round for long
    assert position(project) == before
    server.calls.clear()
    server.forget()
    project.run()  # from the beginning: what came before the round may not be all
    assert "token" not in server.asked()[0].target
    assert project.db("catalog").docs() == expected(table)


# ---- redirects to another host

SECRETS = {
    "bearer": ({"auth": {"bearer": "hidden"}}, "Authorization"),
    "basic": ({"auth": {"user": "me", "password": "hidden"}}, "Authorization"),
    "header": ({"auth": {"header": {"X-Api-Key": "hidden"}}}, "X-Api-Key"),
    "query": ({"auth": {"query": {"key": "hidden"}}}, None),
    "headers": ({"headers": {"X-Company": "hidden"}}, "X-Company"),
    "session": ({"auth": {"session": {"path": "/Login", "body": {"password": "hidden"}}}},
                "Cookie"),
}


@pytest.mark.parametrize("name", SECRETS)
def test_another_host_is_asked_without_credentials(rest, server, name):
    """It answers: what it gives is read, and it never sees who we are, nor a cookie."""
    source, sent_as = SECRETS[name]
    with RestServer() as other:
        table = other.add("/items", rows(2))
        server.add("/items", [])
        server.call("/Login", lambda ask: ({}, {"Set-Cookie": "SESSION=hidden; Path=/"}))
        server.fault("redirect", path="/items", to=other.url.replace("127.0.0.1", "localhost")
                     + "/items")
        project = rest({"path": "/items", "key": "id"}, source)
        project.run().counts(created=2)
        [told], [asked] = other.asked(), server.asked("/items")
        assert "hidden" not in told.target + str(told.headers.items()) + str(told.body)
        assert not {"Authorization", "Cookie", "X-Api-Key", "X-Company"} & set(told.headers)
        if sent_as:
            assert sent_as in asked.headers
        else:
            assert "hidden" in asked.target
        assert project.db("catalog").docs() == expected(table)


# ---- clocks

@pytest.mark.parametrize("hours", [-9, 9])
def test_a_clock_of_the_server_that_is_hours_off_loses_nothing(rest, server, hours):
    """Date and stamps are of its clock; then its clock is set right."""
    def now(back=0):
        return stamp(back - 60 * hours)

    server.ahead = 3600 * hours
    table, extract = paged(server, "page", changed=since_time("changed"), since="since")
    for n, row in enumerate(table.rows):
        row["changed"] = now(600 + 10 * n)
    extract.update(cursor={"field": "changed", "param": "since"}, lookback="1m",
                   by_key={"path": "/items/${id}"})
    project = rest(extract)
    project.run().counts(created=ROWS)
    for key in (3, 4):
        table.update(key, name=f"another {key}", changed=now())
        result = project.run()
        assert result.mapper()["updated"] == 1 and result.mapper()["read"] <= 4, result
    server.ahead = 0
    table.update(5, name="by the right clock", changed=stamp(0))
    project.run()
    project.run("--full")
    assert project.db("catalog").docs() == expected(table)


@pytest.mark.parametrize("cursor", ["time", "header"])
def test_stamps_of_the_future_are_told_and_not_followed(rest, server, cursor):
    options = {"time": {"changed": since_time("changed"), "since": "since"},
               "header": {"modified": "changed"}}[cursor]
    spec = {"time": {"field": "changed", "param": "since"},
            "header": {"header": "If-Modified-Since"}}[cursor]
    table, extract = paged(server, "page", **options)
    table.update(9, changed=stamp(-60 * 24 * 365))
    project = rest({**extract, "cursor": spec, "lookback": "1m"})
    first = project.run().counts(created=ROWS)
    if cursor == "time":
        first.says("changed is up to .*, later than the source's clock")
    touch(table, 2, name="another")
    result = project.run()
    assert result.mapper()["updated"] == 1 and result.mapper()["read"] <= 3, result
    assert project.db("catalog").docs() == expected(table)


# ---- a string of hundreds of megabytes, and memory

PIECE = b"x" * (1 << 20)
HUGE = 300  # MiB


def serve_huge(listener):
    """Each connection gets [{"id": 1, "name": "xxx..."}, {"id": 2, ...}]."""
    head = b'[{"id": 1, "name": "a", "price": "1"},{"id": 2, "name": "'
    tail = b'", "price": "1"},{"id": 3, "name": "c", "price": "1"}]'
    while True:
        try:
            connection = listener.accept()[0]
        except OSError:
            return
        with connection:
            connection.recv(1 << 16)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                               b"Connection: close\r\nContent-Length: %d\r\n\r\n"
                               % (len(head) + len(tail) + HUGE * len(PIECE)) + head)
            for _ in range(HUGE):
                connection.sendall(PIECE)
            connection.sendall(tail)


@pytest.mark.slow
def test_a_huge_string_takes_no_memory(rest, server):
    """It is one reject; what stands before and behind it comes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve_huge, args=[listener], daemon=True).start()
        project = rest({"path": "/items", "key": "id"},
                       {"url": f"http://127.0.0.1:{listener.getsockname()[1]}",
                        "max_record": "1MiB"})
        process = project.start("run", "--json")
        sampler = AnonSampler(process.pid)
        sampler.start()
        result = project.finish(process)
        sampler.ended.set()
    result.expect(Exit.REJECTS).counts(created=2, rejected=1)
    assert 0 < sampler.peak < 32 << 10, sampler.peak  # KiB
    assert "limit of 1048576 bytes" in project.rejects()[0]["reason"]
    assert set(project.db("catalog").ids()) == {"item:1", "item:3"}
