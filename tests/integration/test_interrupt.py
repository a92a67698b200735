"""Signals, kills and locks: a run may end at any moment, and the next one goes on from there."""

import random
import signal
import subprocess
import time

import pytest

from support import faultproxy
from support.process import wait_until
from support.project import Exit

ROWS = 20000


@pytest.fixture
def table(project, database):
    """Rows enough for a load of a second or more."""
    database.sql(f"""CREATE TABLE item AS SELECT n AS id, md5(n::text) AS v,
                     repeat(md5((-n)::text), 10) AS w FROM generate_series(1, {ROWS}) n""")
    project.table_mapper(columns=["v", "w"])
    project.configure(couchdb={"max_batch_docs": 200})
    return project


@pytest.fixture
def slow_couch(table, couch, proxy):
    """The same through a proxy that lets a batch wait, so that a signal meets a run at work."""
    front = proxy("http", couch.host, couch.port)
    front.on("POST", "/_bulk_docs$", faultproxy.delay(before=0.2), times=None)
    table.configure(couchdb={"url": front.url})
    return front


def expected(database):
    return {f"item:{key}": {"_id": f"item:{key}", "type": "item", "v": v, "w": w}
            for key, v, w in database.sql("SELECT id, v, w FROM item")}


def working(project, front, batches=2):
    """A run that has written some batches."""
    before = front.count("POST", "/_bulk_docs$", status=201)
    process = project.start("run", "--json")

    def ready():
        written = front.count("POST", "/_bulk_docs$", status=201) - before
        return written >= batches or process.poll() is not None

    wait_until("some batches are written", 60, ready)
    return process


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, Exit.TERMINATED),
                                          (signal.SIGINT, Exit.INTERRUPTED)])
def test_a_signal_stops_cleanly(table, database, slow_couch, number, code):
    """What CouchDB has written, and only says so later, is waited for and counted."""
    slow_couch.clear()
    slow_couch.on("POST", "/_bulk_docs$", faultproxy.delay(after=0.3), times=None)
    process = working(table, slow_couch)
    process.send_signal(number)
    sent = time.monotonic()
    result = table.finish(process, 60).expect(code)
    assert time.monotonic() - sent < 20
    assert result.json["outcome"] == "interrupted"
    outcome = result.mapper("item")
    assert outcome["outcome"] == "interrupted"
    assert outcome["created"] == table.db("catalog").count() > 0, result  # flushed and counted
    slow_couch.clear()
    done = table.run().mapper("item")
    assert done["unchanged"] >= outcome["created"]
    assert table.db("catalog").docs() == expected(database)
    assert {rev[:2] for rev in table.db("catalog").revs().values()} == {"1-"}
    assert database.backends() == 0


def test_an_interrupted_run_deletes_nothing(table, database, slow_couch):
    slow_couch.clear()
    table.run()
    database.sql("UPDATE item SET v = 'x'; DELETE FROM item WHERE id <= 5")
    slow_couch.on("POST", "/_bulk_docs$", faultproxy.delay(before=0.2), times=None)
    process = working(table, slow_couch)
    process.send_signal(signal.SIGTERM)
    table.finish(process, 60).expect(Exit.TERMINATED)
    assert table.db("catalog").deleted() == {}
    slow_couch.clear()
    table.run()
    assert set(table.db("catalog").deleted()) == {f"item:{n}" for n in range(1, 6)}


def test_an_interrupted_run_keeps_its_cursor(table, database, slow_couch):
    """What it read counts as not read: the rows it did not come to are read by the next one."""
    slow_couch.clear()
    database.sql("DELETE FROM item WHERE id > 3000; ALTER TABLE item ADD stamp timestamptz;"
                 " UPDATE item SET stamp = now() - interval '2 days'")
    table.table_mapper(columns=["v", "w"], extract="cursor: stamp", more="timezone: UTC")
    table.configure(couchdb={"max_in_flight": 1})
    table.run()
    database.sql("UPDATE item SET v = 'new', stamp = now() - id * interval '10 seconds'")
    slow_couch.on("POST", "/_bulk_docs$", faultproxy.delay(before=0.2), times=None)
    process = working(table, slow_couch)
    process.send_signal(signal.SIGTERM)
    result = table.finish(process, 60).expect(Exit.TERMINATED)
    assert 0 < result.mapper("item")["updated"] < 3000
    slow_couch.clear()
    table.run()
    assert table.db("catalog").docs() == expected(database)


def test_a_second_signal_ends_at_once(table, slow_couch):
    slow_couch.clear()
    slow_couch.on("POST", "/_bulk_docs$", faultproxy.stall(), times=None)
    process = table.start("run", "--json")
    wait_until("a batch is under way", 60, lambda: slow_couch.count("POST", "/_bulk_docs$"))
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    result = table.finish(process, 10)
    assert result.code in (Exit.TERMINATED, -signal.SIGTERM), result


def test_a_signal_while_connecting(table, couch, proxy):
    front = proxy("http", couch.host, couch.port)
    front.on(".*", "", faultproxy.stall(), times=None)
    table.configure(couchdb={"url": front.url})
    process = table.start("run", "--json")
    wait_until("it has asked", 30, lambda: front.count())
    process.send_signal(signal.SIGTERM)
    assert table.finish(process, 15).expect(Exit.TERMINATED).json["outcome"] == "interrupted"


def test_a_signal_while_the_query_runs(table, database):
    path = table.folder / "mappers/item.yaml"
    path.write_text(path.read_text().replace(
        "table: item", "query: SELECT id, v, w FROM item, pg_sleep(600)"))
    process = table.start("run", "--json")
    wait_until("the query runs", 30, lambda: database.value(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = 'reader' AND state = 'active'"
        " AND query LIKE '%%pg_sleep(600)%%' AND query LIKE '%%COPY%%'"))
    process.send_signal(signal.SIGTERM)
    table.finish(process, 15).expect(Exit.TERMINATED)
    wait_until("the server has stopped it", 10, lambda: database.backends() == 0)


def test_a_second_run_is_locked_out(table, slow_couch):
    process = working(table, slow_couch)
    started = time.monotonic()
    result = table.run(code=Exit.LOCKED)
    assert time.monotonic() - started < 5
    assert result.json["outcome"] == "locked"
    assert result.mapper("item")["outcome"] == "locked"
    result.says("lock|another run")
    process.send_signal(signal.SIGTERM)
    table.finish(process, 60)
    slow_couch.clear()
    table.run()


def test_other_mappers_run_beside_a_locked_one(table, database, slow_couch):
    database.sql("CREATE TABLE shop AS SELECT 1 AS id")
    process = working(table, slow_couch)
    table.table_mapper("shop")
    result = table.run(code=Exit.LOCKED)
    assert {m["mapper"]: m["outcome"] for m in result.json["mappers"]} == {
        "item": "locked", "shop": "ok"}
    process.send_signal(signal.SIGTERM)
    table.finish(process, 60)


def test_a_killed_run_leaves_no_lock(table, slow_couch):
    process = working(table, slow_couch)
    process.kill()
    process.communicate()
    slow_couch.clear()
    table.run()


def kill_at_random_moments(project, database, times, seed):
    """Starts runs and kills each at a random moment until `times` were killed; then a quiet run."""
    chance = random.Random(seed)
    target = project.db("catalog")
    killed = 0
    longest = 1.0
    while killed < times:
        process = project.start("run", "--json")
        try:
            process.wait(chance.uniform(0.01, longest))
            if process.returncode != 0:
                out, err = process.communicate()
                raise AssertionError(f"run ended with {process.returncode}: {out} {err[-3000:]}")
            # Done before its time: begin again, on an empty database.
            longest *= 0.9
            target.recreate()
            if chance.random() < 0.5:
                subprocess.run(["rm", "-rf", project.state], check=True)
        except subprocess.TimeoutExpired:
            process.kill()
            killed += 1
        process.communicate()
    project.run()
    target.wait_quiet()
    assert target.docs() == expected(database)
    assert {rev[:2] for rev in target.revs().values()} == {"1-"}
    assert target.deleted() == {} and target.conflicts() == []
    project.quiet_run(unchanged=ROWS)


@pytest.mark.once
def test_kill_at_a_few_random_moments(table, database, apache_couch):
    kill_at_random_moments(table, database, 6, seed=1)


@pytest.mark.slow
def test_kill_at_50_random_moments(table, database, apache_couch):
    kill_at_random_moments(table, database, 50, seed=2)


@pytest.mark.slow
def test_kill_during_changes_of_every_kind(table, database, apache_couch):
    """Updates, moves and deletions, killed at random: the end is that of an undisturbed run, and
    no document has more revisions than its changes."""
    chance = random.Random(3)
    database.sql("DELETE FROM item WHERE id > 6000")
    table.table_mapper(columns=["v", "w"], target_id="item:${v}")
    database.sql("UPDATE item SET v = 'c' || id")
    table.run()
    target = table.db("catalog")
    for turn in range(8):
        database.sql(f"""
            UPDATE item SET w = 'turn {turn}' WHERE id % 5 = {turn % 5};
            UPDATE item SET v = 'c' || (id + {turn}) || 'm' WHERE id % 50 = {turn};
            DELETE FROM item WHERE id % 500 = {turn + 20}""")
        for _ in range(4):
            process = table.start("run", "--json")
            try:
                process.wait(chance.uniform(0.02, 0.8))
            except subprocess.TimeoutExpired:
                process.kill()
            process.communicate()
        table.run("--allow-deletes")
        target.wait_quiet()
        docs = {f"item:{v}": {"_id": f"item:{v}", "type": "item", "v": v, "w": w}
                for v, w in database.sql("SELECT v, w FROM item")}
        assert target.docs() == docs
        assert target.conflicts() == []
        before = table.snapshot("catalog")
        table.run()
        assert table.snapshot("catalog") == before
    # at most one revision for each turn that touched a record, and the first
    assert max(int(rev.split("-")[0]) for rev in target.revs().values()) <= 9
