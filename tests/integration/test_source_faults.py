"""What can happen to a read on the side of the source: that it is told from what the operator has
to mend (69, not 78), in words that help, and that nothing is lost or doubled by it.
"""

import os
import signal

import psycopg2
import pytest

from support import faultproxy, postgres
from support.process import wait_until
from support.project import Exit

ROWS = 3000
READING = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'COPY%%' AND usename = 'reader'"


@pytest.fixture(scope="module")
def other_cluster():
    """A server that may be stopped and crashed, and have standbys."""
    made = postgres.Cluster()
    yield made
    made.remove()


@pytest.fixture
def other_database(other_cluster):
    if not other_cluster.server.alive():
        other_cluster.start()
    made = other_cluster.create()
    yield made
    made.drop()


def fill(database):
    database.sql(f"CREATE TABLE item AS SELECT n AS id, md5(n::text) AS v FROM"
                 f" generate_series(1, {ROWS}) n; CREATE TABLE line AS SELECT * FROM item")


@pytest.fixture
def table(project, database):
    fill(database)
    project.table_mapper(columns=["v"])
    project.configure(couchdb={"max_batch_docs": 100})
    return project


@pytest.fixture
def slow(table):
    """The same, a row in 5 ms."""
    path = table.folder / "mappers/item.yaml"
    path.write_text(path.read_text().replace(
        "table: item", "query: SELECT id, v || pg_sleep(0.005) AS v FROM item"))
    return table


def reading(project, database):
    """A preview that has begun to read, and the process that serves it."""
    process = project.start("preview", "item")
    pids = wait_until("the read is under way", 30,
                      lambda: process.poll() is not None or database.column(READING))
    assert process.poll() is None, project.finish(process)
    return process, pids[0]


# ---- what is seen of it, on the real server ----

def terminate(database, pid, wire=None):
    database.sql("SELECT pg_terminate_backend(%s)", [pid])


def cancel(database, pid, wire=None):
    database.sql("SELECT pg_cancel_backend(%s)", [pid])


@pytest.mark.parametrize("act, words", [
    (terminate, ["terminating connection due to administrator command", "57P01"]),
    (cancel, ["due to user request", "57014", "somebody cancelled it"]),
])
def test_a_read_that_an_administrator_ends(slow, database, act, words):
    process, pid = reading(slow, database)
    act(database, pid)
    slow.finish(process).expect(Exit.UNAVAILABLE).says("source erp", *words)


def test_statement_timeout_of_the_server(slow, database):
    database.sql(f'ALTER ROLE reader IN DATABASE "{database.name}" SET statement_timeout = 500')
    slow.erp2couch("preview", "item").expect(Exit.UNAVAILABLE).says(
        "due to statement timeout", "57014", "statement_timeout")


def test_lock_timeout_of_the_server(table, database):
    database.sql(f'ALTER ROLE reader IN DATABASE "{database.name}" SET lock_timeout = 300')
    holder = database.connect()
    with holder.cursor() as cursor:
        cursor.execute("LOCK TABLE item IN ACCESS EXCLUSIVE MODE")
        table.erp2couch("preview", "item").expect(Exit.UNAVAILABLE).says("lock timeout", "55P03")
    holder.close()


def test_temp_file_limit_is_for_the_operator(table, database):
    for setting in "temp_file_limit = '1MB'", "work_mem = '64kB'":
        database.sql(f'ALTER ROLE reader IN DATABASE "{database.name}" SET {setting}')
    path = table.folder / "mappers/item.yaml"
    path.write_text(path.read_text().replace("table: item", (
        "query: SELECT n AS id, md5(n::text) AS v FROM generate_series(1, 200000) n ORDER BY 2")))
    table.erp2couch("preview", "item").expect(Exit.CONFIG).says("temp_file_limit", "53400")


@pytest.mark.parametrize("state, code", [
    ("40001", Exit.UNAVAILABLE), ("40P01", Exit.UNAVAILABLE), ("53100", Exit.UNAVAILABLE),
    ("55006", Exit.UNAVAILABLE), ("57P02", Exit.UNAVAILABLE), ("58030", Exit.UNAVAILABLE),
    ("72000", Exit.UNAVAILABLE), ("08006", Exit.UNAVAILABLE), ("XX001", Exit.CONFIG),
    ("22012", Exit.CONFIG), ("P0001", Exit.CONFIG)])
def test_other_errors_of_the_server(table, database, state, code):
    """Half way through the rows, raised by a function under the code of the real thing."""
    database.sql(f"""CREATE FUNCTION fail(n int) RETURNS int LANGUAGE plpgsql AS $$
        BEGIN IF n > {ROWS // 2} THEN RAISE EXCEPTION 'as planned' USING ERRCODE = '{state}';
        END IF; RETURN n; END $$""")
    path = table.folder / "mappers/item.yaml"
    path.write_text(path.read_text().replace("table: item", "query: SELECT fail(id) AS id, v"
                                             " FROM item"))
    table.erp2couch("preview", "item").expect(code).says("as planned", state)


def test_a_pooler_whose_server_dies(table, database, proxy, cluster):
    front = proxy("pooler", "127.0.0.1", cluster.port)
    front.crash_at = b"COPY"
    table.env["ERP_DSN"] = database.dsn(port=front.port)
    table.erp2couch("preview", "item").expect(Exit.UNAVAILABLE).says("server conn crashed", "08P01")


def test_servers_that_share_an_address_do_not_share_snapshots(
        table, database, cluster, other_cluster):
    class Balancer(faultproxy.TcpProxy):
        def connect(self):
            self.target = "127.0.0.1", (cluster, other_cluster)[self.connections % 2].port
            return super().connect()

    copy = other_cluster.create(database.name)
    fill(copy)
    table.table_mapper(columns=["v"], fields="lines: {each: lines, fields: {v: v}}", extract="""
        children:
          lines: {table: line, parent: id}""")
    table.erp2couch("preview", "item").expect(Exit.OK)
    front = Balancer("127.0.0.1", cluster.port)
    try:
        table.env["ERP_DSN"] = database.dsn(port=front.port)
        table.erp2couch("preview", "item").expect(Exit.UNAVAILABLE).says("snapshot",
                                                                        "several servers")
    finally:
        front.close()
        copy.drop()


# ---- a server that stops, crashes, or begins ----

def aim(project, database):
    """Reads from another database from now on."""
    project.database = database
    project.env["ERP_DSN"] = database.dsn()


def test_a_server_that_is_shut_down(slow, other_cluster, other_database):
    fill(other_database)
    aim(slow, other_database)
    process, _ = reading(slow, other_database)
    other_cluster.stop()
    result = slow.finish(process).expect(Exit.UNAVAILABLE).says("57P01", "administrator command")
    slow.erp2couch("preview", "item").expect(Exit.UNAVAILABLE).says("refused")
    other_cluster.start()
    assert result.seconds < 60


def test_a_server_that_crashes(slow, other_cluster, other_database):
    """One process dies, and the server ends all others: their memory is not to be trusted."""
    fill(other_database)
    other_database.sql("CHECKPOINT")
    aim(slow, other_database)
    process, pid = reading(slow, other_database)
    os.kill(pid, signal.SIGKILL)
    slow.finish(process).expect(Exit.UNAVAILABLE).says("connection", "server")
    other_cluster.forget(other_database.name)
    other_cluster.forget("postgres")
    wait_until("the server has recovered", 60, other_cluster.lets_in, 0.1)


def test_a_server_that_lets_nobody_in_yet(table, other_cluster, other_database):
    """As in a recovery that takes long."""
    fill(other_database)
    server = postgres.Standby(other_cluster, "hot_standby = off")
    try:
        table.env["ERP_DSN"] = server.dsn(other_database.name)
        table.erp2couch("preview", "item").expect(Exit.UNAVAILABLE).says(
            "starting up|not accepting connections", "57P03")
        assert table.run(code=Exit.UNAVAILABLE).json["outcome"] == "unavailable"
    finally:
        server.remove()


def rows_left(standby):
    """None where the standby does not wait for this question either."""
    try:
        return standby.value("SELECT count(*) FROM item")
    except psycopg2.errors.SerializationFailure:
        return None


def test_a_standby_that_cannot_wait_for_the_read(slow, other_cluster, other_database):
    fill(other_database)
    server = postgres.Standby(other_cluster, "max_standby_streaming_delay = 0")
    try:
        there = postgres.Database(server, other_database.name)
        aim(slow, there)
        slow.env["ERP_DSN"] = server.dsn(other_database.name)
        process, _ = reading(slow, there)
        other_database.sql("DELETE FROM item WHERE id > 10")
        other_database.sql("VACUUM item")
        slow.finish(process).expect(Exit.UNAVAILABLE).says(
            "due to conflict with recovery", "40001", "hot_standby_feedback")
        wait_until("the standby follows", 30, lambda: rows_left(there) == 10)
        slow.run().counts(created=10)
    finally:
        server.remove()


# ---- what becomes of a run ----

def settled(project, database, generation):
    docs, revs, _ = project.db("catalog").contents()
    assert docs == {f"item:{key}": {"_id": f"item:{key}", "type": "item", "v": v}
                    for key, v in database.sql("SELECT id, v FROM item")}
    assert {rev[:2] for rev in revs.values()} == {generation}
    assert project.rejects() == []
    project.quiet_run(unchanged=len(docs))


HALF = ROWS // 2
BROKEN = f"""CREATE TABLE broken (); INSERT INTO broken DEFAULT VALUES;
    CREATE FUNCTION half(n int) RETURNS text LANGUAGE plpgsql AS $$
    BEGIN IF n = {HALF} AND EXISTS (SELECT FROM broken) THEN
        RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '40001'; END IF;
    RETURN ''; END $$"""
GATE = f"""CREATE TABLE gate (); CREATE FUNCTION half(n int) RETURNS text LANGUAGE plpgsql AS $$
    BEGIN IF n = {HALF} AND EXISTS (SELECT FROM gate) THEN PERFORM pg_sleep(600); END IF;
    RETURN ''; END $$"""
PAUSE = f"""CREATE FUNCTION half(n int) RETURNS text LANGUAGE plpgsql AS $$
    BEGIN IF n = {HALF} THEN PERFORM pg_sleep(2); END IF; RETURN ''; END $$"""


def half_way(project):
    """Something happens in the middle of all rows."""
    path = project.folder / "mappers/item.yaml"
    path.write_text(path.read_text().replace(
        "table: item", "query: SELECT id, v || half(id) AS v FROM item"))


def changed(database):
    """All rows are others, and three are gone."""
    database.sql("UPDATE item SET v = v || 'x'; DELETE FROM item WHERE id <= 3")


def read_again(project, database, result, words):
    """Nothing is lost, doubled, or taken for deleted because it was not read."""
    result.expect(Exit.OK).says("reading again in 1 s", *words)
    result.counts(updated=ROWS - 3, deleted=3)
    assert result.mapper()["read"] == ROWS - 3
    settled(project, database, "2-")


def written(project):
    """Whether the run under way has written something."""
    return any(rev.startswith("2-") for rev in project.db("catalog").revs().values())


def cut(database, pid, wire):
    wire.cut_all()


@pytest.mark.parametrize("act", [terminate, cancel, cut])
def test_a_run_whose_read_ends_too_early(table, database, proxy, cluster, act):
    """What was read is written, once; what was not read is not taken for deleted."""
    database.sql(GATE)
    half_way(table)
    wire = proxy("tcp", "127.0.0.1", cluster.port)
    table.env["ERP_DSN"] = database.dsn(port=wire.port)
    table.run()
    changed(database)
    database.sql("INSERT INTO gate DEFAULT VALUES")
    process = table.start("run", "--json")
    wait_until("half is read", 60, lambda: process.poll() is not None or written(table))
    assert process.poll() is None, table.finish(process)
    database.sql("DELETE FROM gate")  # the read that waits there does not see it
    act(database, database.column(READING)[0], wire)
    read_again(table, database, table.finish(process), [])


@pytest.fixture
def breaking(table, database):
    """After a first run all rows changed, and reads break in the middle until `broken` is empty."""
    database.sql(BROKEN)
    half_way(table)
    database.sql("DELETE FROM broken")
    table.run()
    changed(database)
    database.sql("INSERT INTO broken DEFAULT VALUES")
    return table


def test_a_run_that_meets_a_serialization_failure(breaking, database):
    process = breaking.start("run", "--json")
    wait_until("half is read", 30, lambda: process.poll() is not None or written(breaking))
    database.sql("DELETE FROM broken")
    read_again(breaking, database, breaking.finish(process), ["could not serialize", "40001"])


@pytest.mark.slow
def test_a_run_that_meets_a_statement_timeout(table, database):
    database.sql(PAUSE)
    half_way(table)
    table.run()
    changed(database)
    role = f'ALTER ROLE reader IN DATABASE "{database.name}"'
    database.sql(f"{role} SET statement_timeout = 1000")
    process = table.start("run", "--json")
    wait_until("it reads", 30, lambda: process.poll() is not None or database.column(READING))
    database.sql(f"{role} RESET statement_timeout")
    read_again(table, database, table.finish(process), ["statement timeout", "57014"])


@pytest.mark.slow
def test_a_run_on_a_standby_that_cannot_wait_for_it(table, other_cluster, other_database):
    fill(other_database)
    other_database.sql(PAUSE)
    half_way(table)
    server = postgres.Standby(other_cluster, "max_standby_streaming_delay = 0")
    try:
        there = postgres.Database(server, other_database.name)
        aim(table, there)
        table.run()
        changed(other_database)
        server.follow(other_cluster)
        process = table.start("run", "--json")
        wait_until("it reads", 30, lambda: process.poll() is not None or there.column(READING))
        other_database.sql("UPDATE item SET v = v")
        other_database.sql("VACUUM item")
        read_again(table, there, table.finish(process), ["conflict with recovery", "40001"])
    finally:
        server.remove()


@pytest.mark.slow
def test_nothing_is_swept_after_half_a_read(breaking, database):
    """A source that fails again and again, for longer than a run is patient."""
    result = breaking.run(code=Exit.UNAVAILABLE).says("reading again in 16 s")
    assert result.mapper()["deleted"] == 0
    assert breaking.db("catalog").deleted() == {}
    database.sql("DELETE FROM broken")
    result = breaking.run()
    assert result.mapper()["deleted"] == 3
    settled(breaking, database, "2-")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
def test_a_server_that_restarts_during_a_run(table, couch, proxy, other_cluster, other_database,
                                             number):
    """Two connections break: that of the read and that of the lock."""
    fill(other_database)
    other_database.sql("UPDATE item SET v = repeat(v, 200)")
    aim(table, other_database)
    front = proxy("http", couch.host, couch.port)
    front.on("POST", "/_bulk_docs$", faultproxy.delay(before=0.2), times=None)
    table.configure(couchdb={"url": front.url})
    process = table.start("run", "--json")
    wait_until("batches are written", 60, lambda: front.count("POST", "/_bulk_docs$", status=201))
    other_cluster.forget(other_database.name)
    other_cluster.forget("postgres")
    other_cluster.server.stop(number)
    front.clear()
    other_cluster.start()
    result = table.finish(process)
    assert result.code in (Exit.OK, Exit.UNAVAILABLE), result
    table.run()
    settled(table, other_database, "1-")


# ---- a read that begins again ----

class Fuse:
    """While it is set the source fails at the record 290 of 300, each of which fills a page."""

    def __init__(self, project, database):
        self.database = database
        database.sql("""CREATE TABLE item AS SELECT n AS id, 'v' || n AS v, n AS version FROM
            generate_series(1, 300) n; CREATE TABLE fuse (); GRANT SELECT ON fuse TO PUBLIC;
            CREATE FUNCTION page(n int) RETURNS text STABLE LANGUAGE plpgsql AS $$
            BEGIN IF n = 290 AND EXISTS (SELECT FROM fuse) THEN
                RAISE EXCEPTION 'as planned' USING ERRCODE = '40001';
            END IF; RETURN repeat('x', 8000); END $$""")
        project.table_mapper(columns=["v", "page"], extract="cursor: version\nlookback: 0s")
        path = project.folder / "mappers/item.yaml"
        path.write_text(path.read_text().replace("table: item", (
            "query: SELECT id, v, version, page(id) AS page FROM item")))

    def light(self):
        self.database.sql("INSERT INTO fuse DEFAULT VALUES")

    def put_out(self):
        self.database.sql("DELETE FROM fuse")


@pytest.fixture
def fuse(project, database):
    return Fuse(project, database)


def begins_again(process):
    """Waits until the program says so. Returns what it said."""
    said = b""
    while b"reading again" not in said:
        piece = os.read(process.stderr.fileno(), 65536)
        assert piece, said.decode()
        said += piece
    return said.decode()


def test_a_read_by_key_begins_again(project, fuse, couch):
    """What it had delivered is not taken for other rows with the same keys."""
    project.run().counts(created=300)
    project.run()
    catalog = project.db("catalog")
    revs = catalog.revs()
    catalog.bulk([{**doc, "_rev": revs[key], "v": "meddled"}
                  for key, doc in catalog.docs().items()])
    fuse.light()
    process = project.start("run", "--json")
    begins_again(process)
    fuse.put_out()
    result = project.finish(process).expect(Exit.OK)
    result.counts(updated=300)
    assert result.mapper()["read"] == 300
    assert project.rejects() == []


def test_couchdb_that_is_down_is_not_a_reason_to_read_again(project, fuse, couch, proxy):
    front = proxy("http", couch.host, couch.port)
    front.on("POST", "/_bulk_docs$", faultproxy.delay(before=30), times=None)
    project.configure(couchdb={"url": front.url, "retry_for": "1s"})
    fuse.light()
    process = project.start("run", "--json")
    begins_again(process)
    front.refuse()
    front.cut_all()
    result = project.finish(process).expect(Exit.UNAVAILABLE)
    assert "reading again" not in result.err
