"""A read of a REST source dies in the middle: of each paging, with each cursor, at each point.

The next run goes on at the page where the first one stood, ends where the source is, writes no
revision twice, and takes nothing for deleted that it did not read again.
"""

import threading

import pytest

from support.process import wait_until
from support.project import Exit
from support.rest_tables import CURSORS, FIELDS, ROWS, docs_of, expected, paged, touch

KILLED = -9
PAGED = ["page", "offset", "keyset", "next_url", "link_header", "cursor", "odata4", "odata2"]
FOLLOWED = ["time", "integer", "text", "header", "none"]
AT = 3  # the page (from 0) at which a run dies
SIDE_BY_SIDE = 4  # mappers of one run
# Marks are kept every 5 s, and many entries share a transaction: here each page has its own.
OFTEN = {"ERP2COUCH_CRASH_BATCH": "4"}
ODATA_FILTERS = {"time": {4: "changed ge ${cursor}", 2: "changed ge datetimeoffset'${cursor}'"},
                 "integer": {4: "version ge ${cursor}", 2: "version ge ${cursor}"},
                 "text": {4: "edition ge '${cursor}'", 2: "edition ge '${cursor}'"}}


@pytest.fixture(autouse=True)
def mortal(binary):
    if b"ERP2COUCH_CRASH_AT" not in binary.read_bytes():
        pytest.skip("needs a program built with -Dcrash_points=true")


def followed(server, paging, cursor):
    """One paging with one cursor: (name, table, extract)."""
    name = f"{paging}-{cursor}"
    spec, options = CURSORS[cursor]
    table, extract = paged(server, paging, path="/" + name, **options)
    extract["by_key"] = {"path": f"/{name}/${{id}}"}
    if paging.startswith("odata"):
        extract.pop("by_key")
    if spec:
        if paging.startswith("odata") and cursor in ODATA_FILTERS:
            spec = {**spec, "filter": ODATA_FILTERS[cursor][table.version]}
            spec.pop("param")
        table.since = spec.get("param")
        extract.update(cursor=spec, lookback="1m")
    return name, table, extract


def turn(table):
    """Every record changes, and the newest."""
    for row in list(table.rows):
        touch(table, row["id"], name=row["name"] + "+")


class Barrier:
    """Each path's request number AT waits here, until all of them do, and the program is dead."""

    def __init__(self, server, paths):
        self.held, self.asked, self.paths = {}, {}, set(paths)
        self.mutex, self.open, self.server = threading.Lock(), threading.Event(), server
        server.before = self.pass_

    def pass_(self, ask):
        with self.mutex:
            self.asked.setdefault(ask.path, []).append(ask.target)
            wait = ask.path in self.paths and len(self.asked[ask.path]) == AT + 1
            if wait:
                self.held[ask.path] = ask.target
        if wait:
            self.open.wait(20)

    def kill(self, project, *words):
        """A run that is killed while all stand at the barrier."""
        process = project.start("run", *words, env=OFTEN)
        wait_until("every mapper is in the middle", 20, lambda: process.poll() is not None or
                   set(self.held) == self.paths)
        process.kill()
        result = project.finish(process)
        self.server.before = None
        self.open.set()
        assert result.code == KILLED, result

    def goes_on_at(self, path):
        """The address with which the next run begins: that of the page that was under way; of
        numbered pages that do not overlap the one before it."""
        return self.asked[path][AT - path.startswith("/page")]


def crash_in_the_middle(project, server, tables, deleted):
    """Killed and run again. Requests of the second run go on where the first one stood."""
    server.forget()
    barrier = Barrier(server, {table.path for table in tables.values()})
    barrier.kill(project)
    before = {name: docs_of(project, name) for name in tables}
    for table in tables.values():
        for key in deleted:
            table.delete(key)
    server.forget()
    result = project.run(env=OFTEN)
    for name, table in tables.items():
        asked = [ask.target for ask in server.asked(table.path)]
        assert asked[0] == barrier.goes_on_at(table.path), (name, asked, str(result))
        assert barrier.asked[table.path][0] not in asked, (name, asked)
        assert result.mapper(name)["deleted"] == 0, result
        assert set(before[name]) <= set(docs_of(project, name)), (name, "deletions are invented")
    return result


@pytest.mark.parametrize("cursor", FOLLOWED)
@pytest.mark.parametrize("pagings", [PAGED[:SIDE_BY_SIDE], PAGED[SIDE_BY_SIDE:]],
                         ids=["numbers", "links"])
def test_a_kill_in_the_middle(rest, server, pagings, cursor):
    """In a first load, and in a read of what changed."""
    tables, extracts = {}, {}
    for paging in pagings:
        name, tables[paging], extracts[name] = followed(server, paging, cursor)
    tables = dict(zip(extracts, tables.values()))
    server.delay = 0.006  # a mark is due behind each page
    project = rest(extracts, {"max_concurrent": 8})
    crash_in_the_middle(project, server, tables, deleted=[])
    for name, table in tables.items():
        assert docs_of(project, name) == expected(table, name)
    for table in tables.values():
        turn(table)
    crash_in_the_middle(project, server, tables, deleted=[2, ROWS])
    project.run("--full")
    for name, table in tables.items():
        assert docs_of(project, name) == expected(table, name)
    revs = project.db("catalog").revs()
    assert {rev[:2] for rev in revs.values()} == {"2-"}, revs  # none was written twice
    project.quiet_run("--full")


# ---- the points of ingest/pipeline/crash.h

# Of a first load; then each in a turn in which every record changed. SECOND: requests of the next
# run stand behind the first page.
FIRST, SECOND = ["MARK_OPENED:1"], ["MARK_STORED:2"]
ANYWHERE = ["RECORD_ACKED:8", "APPLIED:2", "TARGETS_VERIFIED:1", "CLOSING_STORED:1",
            "TARGET_CLOSED:1", "SESSION_STORED:1"]


def crash_at(project, point, *words):
    result = project.erp2couch("run", *words, env={**OFTEN, "ERP2COUCH_CRASH_AT": point})
    assert result.code == KILLED, f"{point} was not passed\n{result}"


@pytest.mark.parametrize("paging, cursor, more", [
    (paging, FOLLOWED[n % len(FOLLOWED)], ANYWHERE[n % len(ANYWHERE)])
    for n, paging in enumerate(PAGED)])
def test_a_crash_at_the_points_of_a_mark(rest, server, paging, cursor, more):
    name, table, extract = followed(server, paging, cursor)
    server.delay = 0.006
    project = rest({name: extract})
    for n, point in enumerate([*FIRST, *SECOND, more]):
        if n:
            turn(table)
        crash_at(project, point)
        first = server.asked(table.path)[0].target
        server.forget()
        result = project.run(env=OFTEN)
        if point in SECOND:
            assert first not in [ask.target for ask in server.asked(table.path)], (point, result)
        assert docs_of(project, name) == expected(table, name), (point, str(result))
        revs = set(rev[:2] for rev in project.db("catalog").revs().values())
        assert revs == {f"{n + 1}-"}, (point, revs, str(result))
        server.forget()
    project.quiet_run("--full", unchanged=ROWS)


def test_a_mark_of_another_kind_of_read_is_forgotten(rest, server):
    """A crash while that is done, too: all is read, and what is gone is deleted."""
    name, table, extract = followed(server, "next_url", "time")
    server.delay = 0.006
    project = rest({name: extract})
    project.run()
    turn(table)
    crash_at(project, "MARK_STORED:2")
    table.delete(1)
    crash_at(project, "MARK_FORGOTTEN:1", "--full")
    server.forget()
    result = project.run("--full")
    assert "token" not in server.asked()[0].target
    assert result.mapper()["deleted"] == 1, result
    assert docs_of(project, name) == expected(table, name)


@pytest.mark.parametrize("paging", ["page", "offset", "cursor"])
@pytest.mark.parametrize("point", ["CLAIMS_OWED:1", "MARK_STORED:2"])
def test_claims_on_ids_outlive_a_crash(rest, server, paging, point):
    """Rows of the first and the last page swapped their documents' ids: a claim waits meanwhile."""
    table, extract = paged(server, paging)
    server.delay = 0.006
    for row in table.rows:
        row["code"] = f"c{row['id']}"
    project = rest(extract, fields={"id": "id"})
    path = project.folder / "mappers/item.yaml"
    path.write_text(path.read_text().replace("${id}", "${code}"))
    project.run()
    table.row(1)["code"], table.row(ROWS)["code"] = f"c{ROWS}", "c1"
    crash_at(project, point)
    project.run(env=OFTEN)
    assert {key: doc["id"] for key, doc in project.db("catalog").docs().items()} == \
        {"item:" + row["code"]: row["id"] for row in table.rows}
    project.quiet_run(unchanged=ROWS)


@pytest.mark.parametrize("change, words", [
    ("mapper", "fields changed"), ("410", "not to be had any more; reading from the beginning"),
    ("500", "not to be had any more; reading from the beginning"),
    ("company", "does not go on where it stopped")])
def test_a_mark_that_does_not_hold_costs_a_read_of_everything(rest, server, change, words):
    name, table, extract = followed(server, "cursor", "none")
    server.delay = 0.006
    project = rest({name: extract}, {"retry_for": 0})
    crash_at(project, "MARK_STORED:3")
    fields = None
    if change == "mapper":
        fields = {**FIELDS, "more": {"value": 1}}
        path = project.folder / f"mappers/{name}.yaml"
        more = '"fields": {"more": {"value": 1}, '
        path.write_text(path.read_text().replace('"fields": {', more))
    elif change.isdigit():
        server.fault("status", path=table.path, status=int(change))
    else:
        project.configure(sources={"erp": {"params": {"company": "another"}}})
    server.forget()
    result = project.run()
    assert [ask.target for ask in server.asked()][change.isdigit()].count("token") == 0, result
    docs = docs_of(project, name)
    if fields:
        assert {doc.pop("more") for doc in docs.values()} == {1}
    else:
        result.says(words)
    assert docs == expected(table, name)
    project.quiet_run(unchanged=ROWS)
