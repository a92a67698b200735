"""A read of a REST source dies in the middle: of each paging, with each cursor, at each point.

The next run goes on at the page where the first one stood, ends where the source is, writes no
revision twice, and takes nothing for deleted that it did not read again.
"""

import re
import threading

import pytest

from support.process import wait_until
from support.project import ROOT, Exit
from support.rest_tables import (CURSORS, ROWS, SIZE, docs_of, expected, paged, stamp, touch)

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
        for row in list(table.rows):
            touch(table, row["id"], name=f"turned {row['id']}")
    crash_in_the_middle(project, server, tables, deleted=[ROWS - 1, ROWS])
    project.run("--full")
    for name, table in tables.items():
        assert docs_of(project, name) == expected(table, name)
    revs = project.db("catalog").revs()
    assert {rev[:2] for rev in revs.values()} == {"2-"}, revs  # none was written twice
    project.quiet_run("--full")
