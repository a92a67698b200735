"""One run of a mapper at a time, on all machines: the lock in the source (PROTOCOL.md section 9).

A second folder with a state of its own, and the same databases, stands for a second machine.
"""

import json
import signal
import threading

import pytest

from support import faultproxy
from support.process import wait_until
from support.project import Exit

ROWS = 3000
HOLDERS = """SELECT (classid::bigint << 32) + objid::bigint, pid FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND database = (
        SELECT oid FROM pg_database WHERE datname = current_database())"""


@pytest.fixture
def table(project, database):
    database.sql(f"CREATE TABLE item AS SELECT n AS id, md5(n::text) AS v FROM"
                 f" generate_series(1, {ROWS}) n")
    project.table_mapper(columns=["v"])
    project.configure(couchdb={"max_batch_docs": 100})
    return project


@pytest.fixture
def slow_couch(table, couch, proxy):
    """The first machine's way to CouchDB, on which every batch waits."""
    front = proxy("http", couch.host, couch.port)
    front.on("POST", "/_bulk_docs$", faultproxy.delay(before=0.3), times=None)
    table.configure(couchdb={"url": front.url})
    return front


@pytest.fixture
def other_machine(table, make_project, couch, database):
    made = make_project(couch, database)
    made.prefix = table.prefix
    made.configure(couchdb={"control_database": table.prefix + "control"})
    made.table_mapper(columns=["v"])
    return made


def holders(database):
    """[(key, process)] of the locks that are held."""
    return database.sql(HOLDERS)


def running(project, database):
    """A run that holds its lock, and (key, process) of that."""
    process = project.start("run", "--json")
    wait_until("the lock is held", 60, lambda: holders(database) or process.poll() is not None)
    return process, holders(database)[0]


def stopped(project, process):
    process.send_signal(signal.SIGTERM)
    return project.finish(process, 60)


@pytest.fixture
def stranger(table, database, slow_couch):
    """A session of nobody's that can take the mapper's lock: stranger.take(), .release()."""

    class Stranger:
        def __init__(self):
            process, (self.key, _) = running(table, database)
            stopped(table, process)
            slow_couch.clear()
            wait_until("the lock is free", 10, lambda: not holders(database))
            self.session = database.connect(application_name="somebody else")
            self.session.autocommit = True

        def run(self, function):
            with self.session.cursor() as cursor:
                cursor.execute(f"SELECT {function}(%s)", [self.key])
                return cursor.fetchone()[0]

        def take(self):
            assert self.run("pg_try_advisory_lock")

        def release(self):
            assert self.run("pg_advisory_unlock")

    made = Stranger()
    yield made
    made.session.close()


def settled(project, database):
    docs, revs, _ = project.db("catalog").contents()
    assert docs == {f"item:{key}": {"_id": f"item:{key}", "type": "item", "v": v}
                    for key, v in database.sql("SELECT id, v FROM item")}
    assert {rev[:2] for rev in revs.values()} == {"1-"}
    assert "was lost" not in project.quiet_run(unchanged=len(docs)).err


@pytest.mark.slow
def test_the_second_machine_loses(table, database, slow_couch, other_machine):
    process, (_, holder) = running(table, database)
    slow_couch.on("POST", "/_bulk_docs$", faultproxy.delay(before=40), times=1)
    slow_couch.rules.reverse()
    result = other_machine.run(code=Exit.LOCKED, timeout=60)
    assert 29 < result.seconds < 40
    assert result.json["outcome"] == "locked"
    result.counts()
    result.says("another run", f"process {holder} ", "erp2couch", "127.0.0.1", "since 20")
    assert [doc for doc in table.control.docs().values() if doc.get("type") == "run"] == []
    slow_couch.clear()
    table.finish(process, 120).expect(Exit.OK)
    other_machine.run().counts(unchanged=ROWS)
    settled(other_machine, database)


def test_the_lock_is_waited_for(stranger, table, database):
    stranger.take()
    threading.Timer(2, stranger.release).start()
    result = table.run()
    assert result.seconds >= 1.5
    result.says("another run", "somebody else", "trying for 30 s")
    settled(table, database)


def test_a_killed_run_on_another_machine_is_soon_forgotten(table, database, slow_couch,
                                                           other_machine):
    process, _ = running(table, database)
    process.kill()
    process.communicate()
    result = other_machine.run(timeout=60)
    assert result.seconds < 20
    settled(other_machine, database)


def test_a_run_that_waits_can_be_stopped(stranger, table, database):
    stranger.take()
    process = table.start("run", "--json")
    wait_until("it waits", 30, lambda: database.backends() == 2)
    assert stopped(table, process).expect(Exit.TERMINATED).seconds < 20


def test_what_writes_nothing_needs_no_lock(stranger, table):
    stranger.take()
    for words in ("check", "--connect"), ("preview", "item"), ("run", "--dry-run"):
        assert table.erp2couch(*words).expect(Exit.OK).seconds < 20


def test_other_mappers_and_other_targets_have_other_locks(table, database, slow_couch, couch,
                                                          other_machine, make_project, proxy):
    """Another mapper, another control database, and another CouchDB with the same names."""
    table.table_mapper("goods", table="item", columns=["v"])
    elsewhere = make_project(couch, database)
    elsewhere.configure(couchdb={"url": slow_couch.url})
    elsewhere.table_mapper(columns=["v"])
    another = proxy("http", couch.host, couch.port)
    another.on("GET", "^/$", faultproxy.rewrite(
        lambda status, body: (status, json.dumps({**json.loads(body), "uuid": "x"}).encode())),
        times=None)
    another.on("POST", "/_bulk_docs$", faultproxy.delay(before=1.5), times=None)
    other_machine.configure(couchdb={"url": another.url})
    projects = table, elsewhere, other_machine
    slow_couch.clear()
    slow_couch.on("POST", "/_bulk_docs$", faultproxy.delay(before=1.5), times=None)
    processes = [(project, project.start("run", "--json")) for project in projects]
    wait_until("four locks are held", 60, lambda: len(holders(database)) == 4)
    assert len({key for key, _ in holders(database)}) == 4
    for project, process in processes:  # one may have come to its end meanwhile
        assert stopped(project, process).code in (Exit.TERMINATED, Exit.OK)


def test_a_lock_that_was_lost_is_taken_again(table, database, slow_couch):
    process, (_, holder) = running(table, database)
    database.sql("SELECT pg_terminate_backend(%s)", [holder])
    table.finish(process).expect(Exit.OK).says("lock .*was lost", "taking it again")
    slow_couch.clear()
    settled(table, database)


@pytest.mark.slow
def test_a_lock_that_another_has_meanwhile_closes_no_run(stranger, table, database, slow_couch):
    table.run()
    slow_couch.on("POST", "/_bulk_docs$", faultproxy.delay(before=0.3), times=None)
    database.sql("UPDATE item SET v = 'x' || id")
    process, (_, holder) = running(table, database)
    database.sql("SELECT pg_terminate_backend(%s)", [holder])
    wait_until("the lock is free", 10, lambda: not holders(database))
    stranger.take()
    before = table.db("catalog").local("erp2couch-item")
    result = table.finish(process).expect(Exit.LOCKED)
    assert result.json["outcome"] == "locked"
    result.says("lost during the run", "somebody else")
    assert table.db("catalog").local("erp2couch-item") == before
    stranger.release()
    slow_couch.clear()
    table.run()
    assert {rev[:2] for rev in table.db("catalog").revs().values()} == {"2-"}
    table.quiet_run(unchanged=ROWS)


def test_a_session_that_the_server_thinks_is_alive_is_ended(table, database, slow_couch, proxy,
                                                           cluster):
    """The network lost our connection, and the server does not know: its lock would be ours and
    not ours."""
    front = proxy("tcp", "127.0.0.1", cluster.port)
    front.on(faultproxy.Wire(orphan=True), skip=1)  # the first is for describing and reading
    table.env["ERP_DSN"] = database.dsn(port=front.port)
    process, (_, holder) = running(table, database)
    front.leave(2)
    assert holders(database)[0][1] == holder
    result = table.finish(process).expect(Exit.OK).says("lock .*was lost")
    assert result.seconds < 30
    assert holder not in {pid for _, pid in holders(database)}
    slow_couch.clear()
    settled(table, database)


def test_behind_a_pooler_a_transaction_holds_the_lock(table, database, slow_couch, proxy, cluster,
                                                     other_machine):
    front = proxy("pooler", "127.0.0.1", cluster.port)
    table.env["ERP_DSN"] = database.dsn(port=front.port)
    process, (key, holder) = running(table, database)
    assert database.value("SELECT state FROM pg_stat_activity WHERE pid = %s",
                          [holder]) == "idle in transaction"
    assert not database.value("SELECT pg_try_advisory_lock(%s)", [key])
    slow_couch.clear()
    table.finish(process).expect(Exit.OK)
    wait_until("the lock is free", 10, lambda: not holders(database))
    other_machine.run().counts(unchanged=ROWS)
    settled(other_machine, database)


def test_no_connection_is_left_for_the_lock(table, database):
    """A run needs two; nothing is written without the lock."""
    in_use = database.value("SELECT count(*) FROM pg_stat_activity WHERE datname ="
                            " current_database() AND backend_type = 'client backend'")
    database.sql(f'ALTER DATABASE "{database.name}" CONNECTION LIMIT {in_use + 1}')
    table.run(code=Exit.UNAVAILABLE).says("lock", "too many connections", "two connections")
    assert not table.db("catalog").exists()
    database.sql(f'ALTER DATABASE "{database.name}" CONNECTION LIMIT {in_use + 2}')
    table.run().counts(created=ROWS)


def test_a_server_that_gives_no_locks(table, database):
    database.sql("REVOKE EXECUTE ON FUNCTION pg_try_advisory_lock(bigint) FROM PUBLIC")
    table.run().counts(created=ROWS)
    table.run().says("no lock across machines", "pg_try_advisory_lock")
    settled(table, database)


def test_where_no_lock_holds_nothing_is_lost(table, database, other_machine):
    """Both do the work; the run after theirs ends with what SQL says."""
    database.sql("REVOKE EXECUTE ON FUNCTION pg_try_advisory_lock(bigint) FROM PUBLIC")
    projects = table, other_machine
    for turn in range(4):
        database.sql("UPDATE item SET v = v || 'x' WHERE id %% 4 = %s;"
                     " DELETE FROM item WHERE id = %s", [turn, 50 + turn])
        processes = [(project, project.start("run", "--json")) for project in projects]
        for project, process in processes:
            project.finish(process)
    for project in projects:
        project.run()
        assert {doc_id: doc["v"] for doc_id, doc in table.db("catalog").docs().items()} == {
            f"item:{key}": v for key, v in database.sql("SELECT id, v FROM item")}
    assert table.db("catalog").conflicts() == []
