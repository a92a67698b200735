"""Bad input: each a clear message with its exit code, one try where a try costs, nothing lost."""

import os
import subprocess
import time

import pytest

from support import couchdb, faultproxy
from support.project import Exit


@pytest.fixture
def table(project, database):
    database.sql("CREATE TABLE item AS SELECT n AS id, 'v' || n AS v FROM generate_series(1, 50) n")
    project.table_mapper(columns=["v"])
    return project


# ---- the source ----

def test_nobody_listens_at_the_dsn(table):
    table.env["ERP_DSN"] = "host=127.0.0.1 port=9 dbname=x"
    result = table.run(code=Exit.UNAVAILABLE).says("127.0.0.1|port 9", "refused")
    assert result.json["outcome"] == "unavailable"


def test_a_host_that_does_not_exist(table):
    table.env["ERP_DSN"] = "host=no-such-host.invalid dbname=x"
    table.run(code=Exit.UNAVAILABLE).says("no-such-host.invalid")


def test_a_dsn_that_is_none(table):
    table.env["ERP_DSN"] = "host = 'unfinished"
    table.run(code=Exit.CONFIG).says("dsn")
    table.env["ERP_DSN"] = "not_an_option=1"
    table.run(code=Exit.CONFIG).says("dsn")


def test_a_database_that_does_not_exist(table, cluster):
    table.env["ERP_DSN"] = cluster.dsn("no_such_database")
    table.run(code=Exit.CONFIG).says("no_such_database")


def test_a_wrong_password_of_postgresql_is_tried_once(table, database, proxy, cluster):
    front = proxy("tcp", "127.0.0.1", cluster.port)
    table.env["ERP_DSN"] = database.dsn(password="not this", port=front.port)
    result = table.run(code=Exit.CONFIG).says("password")
    assert "not this" not in result.err + result.out
    assert front.connections <= 2, "libpq may try once with and once without TLS"


def test_no_right_to_read_a_table(table, database, cluster):
    cluster.sql("postgres", "CREATE ROLE nobody_much LOGIN PASSWORD 'x'")
    try:
        table.env["ERP_DSN"] = database.dsn(user="nobody_much", password="x")
        table.run(code=Exit.CONFIG).says("permission|denied", "item")
    finally:
        cluster.sql("postgres", "DROP ROLE nobody_much")


def test_a_missing_table(table, database):
    database.sql("DROP TABLE item")
    table.run(code=Exit.CONFIG).says("item", r"item\.yaml:\d+:\d+: ")
    assert not table.db("catalog").exists()


def test_a_query_that_does_not_parse(table):
    path = table.folder / "mappers/item.yaml"
    path.write_text(path.read_text().replace("table: item", "query: SELEC id, v FROM item"))
    table.run(code=Exit.CONFIG).says("syntax error", r"item\.yaml:\d+:\d+: ")


def test_a_query_of_more_than_one_statement(table, database):
    path = table.folder / "mappers/item.yaml"
    path.write_text(path.read_text().replace(
        "table: item", 'query: "SELECT id, v FROM item; DELETE FROM item"'))
    table.run(code=Exit.CONFIG)
    assert database.value("SELECT count(*) FROM item") == 50


def test_a_query_that_writes(table, database):
    """The snapshot is read only, whatever the rights."""
    path = table.folder / "mappers/item.yaml"
    path.write_text(path.read_text().replace(
        "table: item", 'query: "WITH d AS (DELETE FROM item RETURNING *) SELECT * FROM d"'))
    table.env["ERP_DSN"] = database.dsn(user="postgres", password=database.cluster.password)
    result = table.erp2couch("run", "--json")
    assert result.code == Exit.CONFIG, result
    assert database.value("SELECT count(*) FROM item") == 50


@pytest.mark.parametrize("change", ["DROP COLUMN v", "RENAME v TO w"])
def test_a_column_that_is_gone_since(table, database, change):
    table.run()
    before = table.snapshot("catalog")
    database.sql(f"ALTER TABLE item {change}")
    table.run(code=Exit.CONFIG).says(r'"?v"?', r"item\.yaml:\d+:\d+: ")
    assert table.snapshot("catalog") == before


def test_a_type_that_no_field_can_have_any_more(table, database):
    table.table_mapper(fields="v: {from: v, type: date}")
    database.sql("ALTER TABLE item ALTER v TYPE bytea USING v::bytea")
    table.run(code=Exit.CONFIG).says("v", "bytea", r"item\.yaml:\d+:\d+: ")


def test_a_type_that_changed_but_still_fits(table, database):
    table.table_mapper(columns=["v"])
    table.run().counts(created=50)
    database.sql("ALTER TABLE item ALTER v TYPE varchar(30)")
    table.quiet_run(unchanged=50)
    database.sql("ALTER TABLE item ALTER id TYPE bigint")
    table.quiet_run(unchanged=50)
    database.sql("ALTER TABLE item ALTER v TYPE int USING substr(v, 2)::int")
    table.run().counts(updated=50)


def test_a_missing_key_column(table):
    path = table.folder / "mappers/item.yaml"
    path.write_text(path.read_text().replace("key: id", "key: ident"))
    table.run(code=Exit.CONFIG).says("ident", r"item\.yaml:\d+:\d+: ")


@pytest.mark.slow
def test_a_statement_that_takes_too_long(table, database):
    database.sql(f'ALTER ROLE reader IN DATABASE "{database.name}" SET statement_timeout = 300')
    path = table.folder / "mappers/item.yaml"
    path.write_text(path.read_text().replace(
        "table: item", "query: SELECT id, v || pg_sleep(0.2) AS v FROM item"))
    started = time.monotonic()
    result = table.erp2couch("run", "--json")
    assert result.code in (Exit.UNAVAILABLE, Exit.CONFIG, Exit.OK), result
    if result.code != Exit.OK:  # a timeout of the role may be overridden by the program's own
        result.says("timeout")
        assert not table.db("catalog").exists() or table.db("catalog").count() < 50
    assert time.monotonic() - started < 60


@pytest.mark.slow
def test_a_source_that_dies_in_the_middle(table, database, proxy, cluster):
    database.sql("INSERT INTO item SELECT n, repeat('x', 500) FROM generate_series(100, 20000) n")
    front = proxy("tcp", "127.0.0.1", cluster.port)
    table.env["ERP_DSN"] = database.dsn(port=front.port)
    front.on(faultproxy.Wire(down=2_000_000), times=None)
    result = table.run(code=Exit.UNAVAILABLE)
    assert result.json["outcome"] == "unavailable"
    front.clear()
    table.run()
    assert table.db("catalog").count() == 50 + 19901
    assert set(rev[:2] for rev in table.db("catalog").revs().values()) == {"1-"}


# ---- CouchDB ----

def test_nobody_listens_at_couchdb(table):
    table.configure(couchdb={"url": "http://127.0.0.1:9", "retry_for": "1s"})
    result = table.run(code=Exit.UNAVAILABLE, timeout=60).says("127.0.0.1:9", "refused")
    assert result.seconds < 30


def test_a_wrong_password_of_couchdb_is_tried_once(table, couch, proxy):
    """Five of them lock the account for minutes."""
    couch.add_user(table.prefix + "user", "right")
    front = proxy("http", couch.host, couch.port)
    table.configure(couchdb={"url": front.url, "retry_for": "30s",
                             "auth": {"user": table.prefix + "user", "password": "wr0ng-pass"}})
    result = table.run(code=Exit.CONFIG, timeout=60)
    assert result.json["outcome"] == "failed"
    assert "wr0ng-pass" not in result.err + result.out
    assert front.count(status=401) == 1, front.seen
    assert result.seconds < 20


def test_a_wrong_password_of_a_session_is_tried_once(table, couch, proxy):
    couch.add_user(table.prefix + "user", "right")
    front = proxy("http", couch.host, couch.port)
    table.configure(couchdb={"url": front.url, "retry_for": "30s", "auth": {
        "user": None, "password": None,
        "session": {"user": table.prefix + "user", "password": "wr0ng-pass"}}})
    result = table.run(code=Exit.CONFIG, timeout=60)
    assert "wr0ng-pass" not in result.err + result.out
    assert front.count(status=401) == 1, front.seen


def test_a_session_logs_in_and_works(table, couch):
    table.configure(couchdb={"auth": {"user": None, "password": None, "session": {
        "user": couch.user, "password": couch.password}}})
    table.run().counts(created=50)
    table.quiet_run(unchanged=50)


def test_a_token_of_a_file_and_one_that_is_no_good(table, own_couch, tmp_path):
    couch = own_couch()
    (tmp_path / "token").write_text(couchdb.token(couch.user, 3600) + "\n")
    auth = {"user": None, "password": None, "jwt_file": str(tmp_path / "token")}
    table.configure(couchdb={"url": couch.base, "auth": auth})
    table.run().counts(created=50)
    (tmp_path / "token").write_text(couchdb.token(couch.user, -60))
    result = table.run(code=Exit.CONFIG)
    assert (tmp_path / "token").read_text() not in result.err + result.out


def test_name_and_password_in_the_url(table, couch):
    table.configure(couchdb={"auth": None, "url": couch.url})
    result = table.run().counts(created=50)
    assert couch.password not in result.err + result.out


def test_a_user_without_rights(table, couch, apache_couch):
    couch.add_user(table.prefix + "user", "right")
    table.configure(couchdb={"auth": {"user": table.prefix + "user", "password": "right"}})
    table.run(code=Exit.CONFIG).says("403|401|admin|right")


def test_not_a_couchdb(table, proxy, couch):
    front = proxy("http", couch.host, couch.port)
    front.on(".*", "", faultproxy.answer(200, b"<html>hello</html>", content_type="text/html"),
             times=None)
    table.configure(couchdb={"url": front.url, "retry_for": "2s"})
    result = table.erp2couch("run", "--json", timeout=60)
    assert result.code in (Exit.CONFIG, Exit.UNAVAILABLE), result
    result.says("CouchDB")


# ---- this machine ----

def test_a_state_directory_that_cannot_be_made(table):
    (table.folder / "state").write_text("a file")
    table.run(code=Exit.CONFIG).says("state")
    assert not table.db("catalog").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_state_directory(table):
    table.run()
    for path in [*table.state.rglob("*"), table.state]:
        path.chmod(0)
    try:
        table.run(code=Exit.CONFIG).says("state", "ermission")
    finally:
        table.state.chmod(0o700)
        for path in table.state.iterdir():
            path.chmod(0o700)
        for path in table.state.rglob("*"):
            path.chmod(0o700)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_an_unreadable_state_directory_as_another_user(table, tmp_path):
    """Root may read everything: the program runs as nobody here."""
    (table.folder / "state").mkdir(mode=0o700)
    for path in [table.folder, *table.folder.parents]:
        if path.stat().st_uid == 0 and str(path).startswith("/tmp/"):
            path.chmod(path.stat().st_mode | 0o055)
    result = table.erp2couch("run", "--json", wrapper=["setpriv", "--reuid=65534", "--regid=65534",
                                                       "--clear-groups"])
    if result.code == 127:
        pytest.skip("nobody may not run the program where it was built")
    result.expect(Exit.CONFIG).says("state", "ermission")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MB."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small tmpfs")
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder],
                          capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here: " + done.stderr.strip())
    yield folder
    subprocess.run(["umount", "-l", folder])


def test_no_space_for_the_state(table, database, small_disk):
    database.sql("INSERT INTO item SELECT n, 'x' FROM generate_series(100, 20000) n")
    table.configure(state_dir=str(small_disk))
    result = table.run(code=Exit.INTERNAL).says("[Nn]o space|disk")
    assert result.json["outcome"] == "failed"
    # nothing is lost: with space again the load goes on, and writes no document twice
    subprocess.run(["mount", "-o", "remount,size=200m", small_disk], check=True)
    table.run()
    catalog = table.db("catalog")
    assert catalog.count() == 50 + 19901
    assert {rev[:2] for rev in catalog.revs().values()} == {"1-"}
    table.quiet_run(unchanged=50 + 19901)


def test_a_disk_that_is_full_later(table, database, small_disk):
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    database.sql("INSERT INTO item SELECT n, 'x' FROM generate_series(100, 6000) n")
    table.configure(state_dir=str(small_disk))
    table.run().counts(created=50 + 5901)
    with open(small_disk / "filler", "wb", buffering=0) as filler, pytest.raises(OSError):
        while True:
            filler.write(bytes(4096))
    database.sql("UPDATE item SET v = 'y'")
    result = table.run(code=Exit.INTERNAL).says("state", "[Nn]o space")
    assert result.json["outcome"] == "failed"
    (small_disk / "filler").unlink()
    table.run()
    catalog = table.db("catalog")
    assert {doc["v"] for doc in catalog.docs().values()} == {"y"}
    assert {rev[:2] for rev in catalog.revs().values()} == {"2-"}
    table.quiet_run(unchanged=50 + 5901)


@pytest.mark.parametrize("loaded", [False, True])
def test_a_read_only_disk_under_the_state(table, database, small_disk, loaded):
    """It is seen before anything is written, and needs an operator."""
    table.configure(state_dir=str(small_disk / "state"))
    if loaded:
        table.run().counts(created=50)
        database.sql("UPDATE item SET v = 'y' WHERE id <= 5")
    before = table.snapshot("catalog") if loaded else None
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    table.run(code=Exit.CONFIG).says("state", "read-only file system", "state_dir")
    assert table.snapshot("catalog") == before if loaded else not table.db("catalog").exists()
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    table.run().counts(**({"updated": 5, "unchanged": 45} if loaded else {"created": 50}))
    table.quiet_run(unchanged=50)


def test_a_damaged_state_is_set_aside_and_rebuilt(table):
    table.run().counts(created=50)
    damaged = 0
    for path in table.state.rglob("*"):
        if path.is_file() and path.stat().st_size >= 8192:
            with open(path, "r+b") as opened:
                opened.write(os.urandom(8192))
            damaged += 1
    assert damaged
    result = table.quiet_run(unchanged=50)
    result.says("state")
    table.quiet_run(unchanged=50)


# ---- several mappers ----

def test_the_worst_exit_code_wins(table, database):
    table.table_mapper("broken", table="no_such_table")
    database.sql("CREATE TABLE bad AS SELECT 1 AS id, NULL AS v")
    table.table_mapper("bad", fields="v: {from: v, required: true}")
    result = table.run(code=Exit.CONFIG)
    assert {m["mapper"]: m["outcome"] for m in result.json["mappers"]} == {
        "item": "ok", "broken": "failed", "bad": "rejects"}
    assert table.db("catalog").count() == 50  # one mapper's failure does not stop the others
    result = table.run("bad", "item", code=Exit.REJECTS)
    assert result.json["outcome"] == "rejects"
