"""A source that is a standby: what it has not replayed yet is neither gone nor news."""

import time

import pytest

from support import postgres
from support.process import wait_until
from support.project import Exit

BEHIND = "the standby is behind what the last run read"


@pytest.fixture(scope="module")
def servers():
    """A server of its own, and a standby of it."""
    primary = postgres.Cluster()
    standby = postgres.Standby(primary)
    yield primary, standby
    standby.remove()
    primary.remove()


class Pair:
    """A project that reads the primary or its standby, and one database on both."""

    def __init__(self, project, primary, standby, name):
        self.project, self.name = project, name
        self.primary = postgres.Database(primary, name)
        self.standby = postgres.Database(standby, name)
        self.catalog = project.db("catalog")

    def read(self, side):
        self.project.database = side
        self.project.env["ERP_DSN"] = side.dsn()

    def follow(self):
        self.standby.cluster.follow(self.primary.cluster)

    def pause(self):
        self.follow()
        self.standby.sql("SELECT pg_wal_replay_pause()")
        wait_until("it pauses", 30, lambda: self.standby.value(
            "SELECT pg_get_wal_replay_pause_state()") == "paused")

    def resume(self):
        self.standby.sql("SELECT pg_wal_replay_resume()")
        self.follow()

    def settled(self):
        assert {key: doc["v"] for key, doc in self.catalog.docs().items()} == {
            f"item:{key}": v for key, v in self.primary.sql("SELECT id, v FROM item")}


def mapper(project, extract="cursor: changed", more=""):
    project.table_mapper(columns=["v"], extract=extract, more="timezone: UTC\n" + more)


@pytest.fixture
def pair(project, servers):
    """90 rows, loaded from the primary. Since then one is new and one was changed, 5 and 1 h ago:
    read from the primary, too, and not replayed by the standby, which is read from now on."""
    made = Pair(project, *servers, servers[0].create().name)
    made.primary.sql("CREATE TABLE item (id int PRIMARY KEY, v text, changed timestamptz);"
                     " INSERT INTO item SELECT n, 'v' || n, now() - interval '1 day'"
                     " FROM generate_series(1, 90) n; INSERT INTO item VALUES (91, 'v', now())")
    made.read(made.primary)
    mapper(project)
    project.run().counts(created=91)
    made.pause()
    made.primary.sql("INSERT INTO item VALUES (100, 'new', now());"
                     " UPDATE item SET v = 'changed', changed = now() WHERE id = 7")
    project.run().counts(created=1, updated=1, unchanged=1)
    made.primary.sql("UPDATE item SET changed = now() - interval '5 h' WHERE id IN (7, 100)")
    project.run()
    made.read(made.standby)
    yield made
    made.resume()
    made.standby.cluster.forget(made.name)
    made.primary.drop()


def incremental(pair):
    return ()


def full(pair):
    return ("--full",)


def swept(pair):
    mapper(pair.project, "cursor: changed\ndeletes: {every: 1s}")
    pair.read(pair.primary)
    pair.project.run()
    pair.read(pair.standby)
    time.sleep(1.1)
    return ()


def changed_mapper(pair):
    mapper(pair.project, "cursor: greatest(changed)")
    return ()


def by_key(pair):
    """Somebody else's edits: the records are read again."""
    for key in "item:7", "item:100":
        pair.catalog.put({**pair.catalog.get(key), "v": "meddled"})
    return ()


def table_of_deletions(pair):
    mapper(pair.project, "cursor: changed\ndeletes: {query: SELECT 100 AS id, key: id}")
    pair.read(pair.primary)
    pair.project.run()
    pair.read(pair.standby)
    return ()


def without_cursor(pair):
    mapper(pair.project, "")
    pair.read(pair.primary)
    pair.project.quiet_run(unchanged=92)
    pair.read(pair.standby)
    return ()


@pytest.mark.parametrize("how", [incremental, full, swept, changed_mapper, by_key,
                                 table_of_deletions, without_cursor])
def test_a_standby_that_is_behind(pair, how):
    """Nothing is deleted, and what it shows of the past does not last."""
    words = how(pair)
    result = pair.project.run(*words)
    result.says(BEHIND)
    assert result.mapper()["deleted"] == 0
    assert "item:100" in pair.catalog.ids()
    pair.resume()
    result = pair.project.run()
    assert BEHIND not in result.err
    pair.settled()
    assert pair.catalog.deleted() == {}
    pair.project.quiet_run("--full", unchanged=92)


def test_a_standby_that_is_behind_does_not_move_the_cursor(pair):
    """What was stamped meanwhile is read when it is there."""
    pair.primary.sql("INSERT INTO item VALUES (101, 'old', now() - interval '1 min')")
    cursor = pair.catalog.local("erp2couch-item")["cursor"]
    for _ in range(2):
        pair.project.run().says(BEHIND)
        assert pair.catalog.local("erp2couch-item")["cursor"] == cursor
    pair.resume()
    pair.project.erp2couch("run", "-v").expect(Exit.OK).says("reading what changed since")
    pair.settled()


@pytest.mark.parametrize("extract", ["cursor: changed", ""])
def test_a_standby_that_is_behind_settles_no_rejects(pair, extract):
    """Their records are not there yet, or as they were."""
    pair.read(pair.primary)
    pair.project.table_mapper(extract=extract, fields="v: {from: v, required: true}",
                              more="timezone: UTC")
    pair.primary.sql("INSERT INTO item VALUES (102, NULL, now());"
                     " UPDATE item SET v = NULL, changed = now() WHERE id = 3")
    pair.project.run(code=Exit.REJECTS)
    pair.read(pair.standby)
    retried = pair.project.erp2couch("rejects", "retry", "item", "--json").says(BEHIND)
    assert retried.json["mappers"][0]["gone"] == 0
    pair.project.run().says(BEHIND)
    assert sorted(reject["key"] for reject in pair.project.rejects()) == [3, 102]
    pair.primary.sql("UPDATE item SET v = 'there' WHERE id = 102")
    pair.resume()
    pair.project.run(code=Exit.REJECTS)
    assert [reject["key"] for reject in pair.project.rejects()] == [3]


def test_a_standby_is_read_like_its_primary(pair):
    pair.resume()
    pair.project.quiet_run()
    pair.primary.sql("UPDATE item SET v = 'x', changed = now() WHERE id = 3;"
                     " DELETE FROM item WHERE id = 4")
    pair.follow()
    pair.project.run().counts(updated=1, unchanged=1)
    pair.project.run("--full").counts(deleted=1, unchanged=91)
    pair.settled()
