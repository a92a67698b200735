"""Replies that are not what they should be, through the whole program: the exit code and the words,
a cursor that stays, and a next run that ends where the source is."""

import gzip
import json
import socket
import threading

import pytest

from bench.measure import AnonSampler
from support.project import Exit
from support.rest_server import Refused, RestServer
from support.rest_tables import (ROWS, SIZE, expected, paged, rows, since_time, stamp, touch)

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
    "no gzip": ({"slow": True, "body": TEXT.encode(), "headers": {"Content-Encoding": "gzip"}},
                Exit.UNAVAILABLE, "encoding|compressed"),
    "redirects": ({"kind": "redirect", "to": "/items?page=2"}, Exit.CONFIG, "redirect"),
    "forbidden": ({"kind": "status", "status": 403, "body": {"message": "not yours"}},
                  Exit.CONFIG, "403.*not yours"),
    "short": ({"kind": "short"}, Exit.UNAVAILABLE, "cut|end"),
    "cut": ({"slow": True, "kind": "cut"}, Exit.UNAVAILABLE, "closed|cut|end|transfer"),
}


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=[pytest.mark.slow] * BAD_PAGES[name][0].pop("slow", False))
    for name in BAD_PAGES])
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
