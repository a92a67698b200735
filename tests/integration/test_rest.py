"""REST sources on the main job: every paging with every cursor, children, deletions, bad input."""

import time

import pytest

from support.project import Exit
from support.rest_server import RestServer, instant
from support.rest_tables import (CURSORS, PAGINGS, ROWS, SIZE, docs_of, expected, paged, rows,
                                 since_time, stamp, touch)


def test_every_paging_reads_the_table_and_nothing_twice(rest, server):
    tables, extracts = {}, {}
    for kind in PAGINGS:
        tables[kind], extracts[kind] = paged(server, kind, path="/" + kind)
    project = rest(extracts)
    result = project.run()
    for kind, table in tables.items():
        result.counts(kind, created=ROWS)
        assert docs_of(project, kind) == expected(table, kind)
    project.quiet_run(unchanged=ROWS * len(PAGINGS))
    assert all(rev.startswith("1-") for rev in project.db("catalog").revs().values())


# ---- cursors

def followed(server):
    """Each paging and each cursor: {name: table}, {name: extract}."""
    tables, extracts = {}, {}
    for paging, (cursor, (spec, options)) in zip(
            ("page", "offset", "keyset", "next_url", "cursor", "page", "link_header"),
            CURSORS.items()):
        name, path = f"{paging}-{cursor}", f"/{paging}-{cursor}"
        tables[name], extracts[name] = paged(server, paging, path=path, **options)
        extracts[name]["by_key"] = {"path": path + "/${id}"}
        if spec:
            tables[name].since = spec.get("param")
            extracts[name].update(cursor=spec, lookback="1m")
    return tables, extracts


def test_changes_are_followed_with_each_paging_and_cursor(rest, server):
    tables, extracts = followed(server)
    project = rest(extracts)
    project.run()
    for name, table in tables.items():
        assert docs_of(project, name) == expected(table, name)
        touch(table, 7, name="another")
        table.rows.append({**table.row(1), "id": 101, "name": "new"})
        touch(table, 101)
        table.delete(3)
    result = project.run()
    for name, table in tables.items():
        docs = docs_of(project, name)
        if name.endswith("none"):
            result.counts(name, created=1, updated=1, deleted=1, unchanged=ROWS - 2)
        else:
            docs.pop(f"{name}:3", None)  # which cursors show only where all was read again
        assert docs == expected(table, name), result
        if name.split("-")[1] in ("time", "unix", "header"):
            assert result.mapper(name)["read"] <= 4, result
    result = project.run("--full")
    for name, table in tables.items():
        assert docs_of(project, name) == expected(table, name)
        assert result.mapper(name)["unchanged"] == ROWS, result


@pytest.mark.parametrize("cursor", ["integer", "text"])
def test_a_cursor_without_clock_is_followed_within_the_lookback(rest, server, cursor):
    """Some seconds after a first read, too; beyond the lookback all is read once more."""
    spec, options = CURSORS[cursor]
    _, extract = paged(server, "page", since="since", **options)
    project = rest({**extract, "cursor": spec, "lookback": "1m"})
    server.ahead = -5  # as if the first run had been five seconds ago
    project.run().counts(created=ROWS)
    server.forget()
    project.run()
    assert "since" in dict(server.asked()[0].query)
    project = rest({**extract, "cursor": spec, "lookback": "3s"})
    project.run()
    server.forget()
    project.run()
    assert "since" not in dict(server.asked()[0].query)


@pytest.mark.parametrize("version", [4, 2])
def test_odata_follows_changes_and_reads_by_key(rest, server, version):
    table, extract = paged(server, f"odata{version}")
    if version == 2:
        for row in table.rows:
            row["changed"] = f"/Date({int(instant(row['changed']).timestamp() * 1000)})/"
            row["id"] = str(row["id"])  # which look like numbers: addresses are spelled twice
    extract["cursor"] = {"field": "changed", **({
        "format": "odata", "send": "%Y-%m-%dT%H:%M:%S",
        "filter": "changed ge datetime'${cursor}'"} if version == 2 else {})}
    extract["lookback"] = "1m"
    project = rest(extract)
    project.run().counts(created=ROWS)
    table.update(table.rows[4]["id"], name="other", changed=f"/Date({int(time.time() * 1000)})/"
                 if version == 2 else stamp(0))
    server.forget()
    result = project.run()
    assert result.mapper()["updated"] == 1 and result.mapper()["read"] <= 3, result
    assert "$filter" in server.asked("/items")[0].target or \
        "%24filter" in server.asked("/items")[0].target
    table.delete(table.rows[8]["id"])
    project.run("--full").counts(deleted=1, unchanged=ROWS - 1)
    asked = [ask.path for ask in server.asked() if ask.path != "/items"]
    assert asked[:2] == ["/items(9)", "/items('9')"]
    assert project.db("catalog").docs() == expected(table)


# ---- children

def test_children_are_fetched_for_each_parent_in_order(rest, server):
    table, extract = paged(server, "page")
    table.children = {"lines": lambda key: [{"sku": f"S{key}-{n}", "qty": n}
                                            for n in range(int(key) % 4)]}
    extract["children"] = {"lines": {"path": "/items/${id}/lines", "records": "value",
                                     "concurrency": 3}}
    server.delay = 0.005
    project = rest(extract, fields={
        "id": "id", "lines": {"each": "lines", "fields": {"sku": "sku", "qty": "qty"}}})
    project.run().counts(created=ROWS)
    docs = project.db("catalog").docs()
    assert docs == {f"item:{n}": {"_id": f"item:{n}", "id": n, "lines": [
        {"sku": f"S{n}-{i}", "qty": i} for i in range(n % 4)]} for n in range(1, ROWS + 1)}
    assert 1 < server.most_running <= 4
    assert [line["id"] for line in project.erp2couch("preview", "item").lines] == \
        list(range(1, ROWS + 1))
    project.quiet_run(unchanged=ROWS)


def test_a_mapper_without_the_child_asks_for_none(rest, server):
    _, extract = paged(server, "page")
    extract["children"] = {"lines": {"path": "/items/${id}/lines"}}
    rest(extract).run().counts(created=ROWS)
    assert {ask.path for ask in server.asked()} == {"/items"}


def test_a_child_that_fails_fails_the_read(rest, server):
    _, extract = paged(server, "none")
    extract["children"] = {"lines": {"path": "/items/${id}/lines"}}
    project = rest(extract, fields={"id": "id", "lines": {"each": "lines", "fields": {"a": "a"}}})
    project.erp2couch("preview", "item").expect(Exit.CONFIG).says("child lines: .*404.*no such")
    extract["empty_on"] = [404]
    project = rest(extract, fields={"id": "id", "lines": {"each": "lines", "fields": {"a": "a"}}})
    assert project.erp2couch("preview", "item").lines[0]["lines"] == []


# ---- deletions

def test_a_feed_of_deletions(rest, server):
    table, extract = paged(server, "page", changed=since_time("changed"), since="since")
    extract.update(cursor={"field": "changed", "param": "since"}, lookback="1m",
                   by_key={"path": "/items/${id}"},
                   deletes={"path": "/items/deleted", "records": "ids", "key": "id"})
    project = rest(extract)
    project.run().counts(created=ROWS)
    table.delete(4)
    table.deleted.append(5)  # it lives: what a feed says is proved by a read by key
    table.deleted.append(None)  # names nothing, and must not end every run from now on
    result = project.run()
    assert result.mapper()["deleted"] == 1, result
    assert project.db("catalog").docs() == expected(table)


def test_a_sweep_of_ids_with_the_brake(rest, server):
    table, extract = paged(server, "page", changed=since_time("changed"), since="since", count=40)
    extract.update(cursor={"field": "changed", "param": "since"}, lookback="1m",
                   by_key={"path": "/items/${id}"}, deletes={"sweep": True, "every": "1s"})
    project = rest(extract)
    project.run().counts(created=40)
    for key in range(10, 30):
        table.delete(key)
    time.sleep(1)
    project.run(code=Exit.REFUSED)
    assert len(project.db("catalog").docs()) == 40
    assert not [ask for ask in server.asked() if ask.path != "/items"]  # nor asked for one by one
    project.run("--full", "--allow-deletes").counts(deleted=20, unchanged=20)
    assert project.db("catalog").docs() == expected(table)


def test_nothing_is_deleted_after_a_read_that_did_not_finish(rest, server):
    table, extract = paged(server, "page")
    project = rest(extract)
    project.run().counts(created=ROWS)
    table.delete(4)
    server.fault("status", path="/items", at=2, times=99, status=403)
    project.run(code=Exit.CONFIG)
    assert len(project.db("catalog").docs()) == ROWS


# ---- pages that break, and pages that shift

@pytest.mark.parametrize("kind", ["cut", "short"])
@pytest.mark.parametrize("paging", ["none", "page", "next_url"])
def test_a_page_that_breaks_is_asked_for_again(rest, server, kind, paging):
    table, extract = paged(server, paging)
    server.fault(kind, path="/items", at=0 if paging == "none" else 1)
    project = rest(extract)
    result = project.run().counts(created=ROWS)
    assert result.mapper()["read"] == ROWS, result
    assert project.db("catalog").docs() == expected(table)
    assert len(server.asked("/items")) == (2 if paging == "none" else len(
        {ask.target for ask in server.asked("/items")}) + 1)


@pytest.mark.parametrize("fault", [{"kind": "reset"}, {"kind": "status", "status": 503},
                                   {"kind": "status", "status": 429,
                                    "headers": {"Retry-After": "0"}}])
def test_what_passes_by_itself_is_waited_for(rest, server, fault):
    table, extract = paged(server, "page")
    server.fault(fault.pop("kind"), path="/items", at=1, **fault)
    project = rest(extract)
    project.run().counts(created=ROWS)
    assert project.db("catalog").docs() == expected(table)


@pytest.mark.parametrize("paging", ["offset", "keyset"])
def test_rows_that_go_while_pages_are_read_lose_none(rest, server, paging):
    table, extract = paged(server, paging, count=40)
    gone = iter([1, 2, 3, 4, 5, 6])

    def shift(number):
        if number in (3, 4):
            for _ in range(3):
                table.delete(next(gone))

    table.before_page = shift
    project = rest(extract)
    project.run()
    assert expected(table).items() <= project.db("catalog").docs().items()


def test_compressed_pages(rest, server):
    table, extract = paged(server, "page")
    server.gzip = True
    project = rest(extract)
    project.run().counts(created=ROWS)
    assert project.db("catalog").docs() == expected(table)


def test_preview_asks_for_no_more_pages_than_it_shows(rest, server):
    _, extract = paged(server, "page", count=60)
    project = rest(extract)
    assert len(project.erp2couch("preview", "item", "--limit", "7").expect(Exit.OK).lines) == 7
    assert len(server.asked("/items")) <= 2
    assert ("limit", "5") in server.asked("/items")[0].query
    server.forget()
    extract["by_key"] = {"path": "/items/${id}"}
    project = rest(extract)
    assert project.erp2couch("preview", "item", "--key", "41").lines[0]["id"] == 41
    assert [ask.path for ask in server.asked()] == ["/items/41"]


# ---- replies that are not what they should be

DEEP = b'[{"id": 1, "x": ' + b"[" * 10000 + b"]" * 10000 + b"}]"
BAD_BODIES = {
    "truncated": (b'[{"id": 1}, {"id": 2', Exit.UNAVAILABLE, "cut|end"),
    "json after json": (b'[{"id": 1}] [{"id": 2}]', Exit.UNAVAILABLE, "behind|after"),
    "bom": (b'\xef\xbb\xbf[{"id": 1}]', Exit.UNAVAILABLE, "byte order mark|BOM"),
    "utf-16": ('[{"id": 1}]'.encode("utf-16-le"), Exit.UNAVAILABLE, "UTF-16"),
    "html": (b"<!DOCTYPE html><html><title>Log in</title></html>", Exit.UNAVAILABLE, "HTML"),
    "empty": (b"", Exit.UNAVAILABLE, "empty"),
    "text": (b"Fatal error in line 7", Exit.UNAVAILABLE, "not JSON"),
    "scalar": (b"7", Exit.CONFIG, "neither an array nor an object"),
    "no records": (b'{"items": [], "error": "x"}', Exit.CONFIG,
                   "no array of records at 'data.items'.*items"),
    "records is text": (b'{"data": {"items": "none"}}', Exit.CONFIG, "single value"),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_bad_bodies_end_the_read_with_a_clear_error(rest, server, name):
    body, code, words = BAD_BODIES[name]
    server.add("/items", [])
    server.fault("raw", path="/items", times=99, body=body)
    records = {"records": "data.items"} if "records" in name else {}
    project = rest({"path": "/items", "key": "id", **records})
    result = project.erp2couch("preview", "item").expect(code)
    result.says("GET http://127.0.0.1:[0-9]+/items: .*" + f"(?:{words})")


BAD_RECORDS = {
    "latin-1": ('[{"id": 1, "name": "M\u00fcller"}, {"id": 2}]'.encode("latin-1"), "UTF-8"),
    "a name twice": (b'[{"id": 1, "name": "a", "name": "b"}, {"id": 2}]', "twice"),
    "deep": (DEEP[:-1] + b', {"id": 2}]', "deep"),
    "no key": (b'[{"name": "a"}, {"id": 2}]', "key id: it is not there"),
    "null key": (b'[{"id": null}, {"id": 2}]', "key id: it is null"),
    "object key": (b'[{"id": {}}, {"id": 2}]', "key id: it is an object"),
    "no object": (b'[7, {"id": 2}]', "object"),
    "large": (b'[{"id": 1, "name": "' + b"x" * 100000 + b'"}, {"id": 2}]', "limit of"),
}


@pytest.mark.parametrize("name", BAD_RECORDS)
def test_bad_records_are_rejects_and_the_others_come(rest, server, name):
    body, words = BAD_RECORDS[name]
    server.add("/items", [])
    server.fault("raw", path="/items", times=99, body=body)
    project = rest({"path": "/items", "key": "id"}, {"max_record": "64KiB"},
                   fields={"id": "id", "name": "name"})
    result = project.erp2couch("preview", "item")
    if result.code == Exit.UNAVAILABLE:  # told before any record was looked at
        result.says(words)
        return
    assert [line["id"] for line in result.says(words).lines if "id" in line] == [2], result


def test_errors_with_status_200_and_empty_pages_with_404(rest, server):
    _, extract = paged(server, "page")
    extract.update(error_when={"path": "error", "message": "error.data.message"},
                   empty_on=[404])
    project = rest(extract)
    server.fault("raw", path="/items", times=1,
                 body={"error": {"code": 200, "data": {"message": "Access\nDenied"}}})
    project.erp2couch("preview", "item").expect(Exit.CONFIG).says("is an error: Access Denied")
    server.fault("status", path="/items", at=2, times=99, status=404)
    assert len(project.erp2couch("preview", "item").expect(Exit.OK).lines) == 2 * SIZE


@pytest.mark.parametrize("times, code", [(2, Exit.OK), (9, Exit.UNAVAILABLE)])
def test_errors_with_status_200_that_pass(rest, server, times, code):
    _, extract = paged(server, "page")
    extract["error_when"] = {"path": "error.code", "message": "error.text", "retry": [429, "busy"]}
    project = rest(extract)
    server.fault("raw", path="/items", at=2, times=times,
                 body={"error": {"code": 429, "text": "slow down"}})
    result = project.erp2couch("preview", "item").expect(code)
    if code == Exit.OK:
        assert len(result.lines) == ROWS
    else:
        result.says("is an error: slow down")


def test_tokens_that_never_change(rest, server):
    server.call("/items", lambda ask: {"items": [{"id": len(server.seen)}], "next": "again"})
    project = rest({"path": "/items", "key": "id", "records": "items",
                    "paging": {"type": "cursor", "param": "token", "next": "next"}})
    project.erp2couch("preview", "item").expect(Exit.UNAVAILABLE).says("again")
    assert len(server.asked("/items")) <= 4


def test_redirects_take_no_credentials_to_another_host(rest, server):
    with RestServer() as other:
        other.add("/items", rows(2))
        server.auth = lambda ask: ask.headers.get("Authorization") == "Bearer hidden"
        server.add("/items", [])
        server.fault("redirect", path="/items", times=1, to=other.url + "/items")
        project = rest({"path": "/items", "key": "id"}, {"auth": {"bearer": "hidden"},
                                                        "headers": {"X-Company": "1"}})
        project.erp2couch("preview", "item")
        for ask in other.asked():
            assert "Authorization" not in ask.headers and "X-Company" not in ask.headers
    server.fault("redirect", path="/items", times=999, to="/items")
    project.erp2couch("preview", "item").expect(Exit.CONFIG).says("redirect")
    assert len(server.asked()) < 20


def test_a_next_page_at_another_host_is_refused(rest, server):
    server.call("/items", lambda ask: {"items": [{"id": 1}],
                                       "next": "http://127.0.0.1:1/items?secret=1"})
    project = rest({"path": "/items", "key": "id", "records": "items",
                    "paging": {"type": "next_url", "next": "next"}})
    result = project.erp2couch("preview", "item").expect(Exit.CONFIG).says("another host")
    assert "secret=1" not in result.err


def test_check_connect_proves_address_credentials_and_path(rest, server):
    server.auth = lambda ask: ask.headers.get("Authorization") == "Bearer right"
    table, extract = paged(server, "page")
    rest(extract, {"auth": {"bearer": "right"}}).erp2couch("check", "--connect").expect(Exit.OK)
    assert len(server.asked()) == 1
    rest(extract, {"auth": {"bearer": "wrong"}}).erp2couch("check", "--connect").expect(
        Exit.CONFIG).says("401", "who are you")
    extract["path"] = "/itens"
    rest(extract, {"auth": {"bearer": "right"}}).erp2couch("check", "--connect").expect(
        Exit.CONFIG).says("404.*no such path")
