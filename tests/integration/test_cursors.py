"""Cursors of every kind on real servers, and on the databases of real ERPs: what a run reads by
them, what is refused, and rows that are stamped early and committed late."""

import time

import pytest

from support import faultproxy
from support.project import Exit

pytestmark = pytest.mark.once

ROWS = 50


def mapper(project, cursor, name="item", lookback="0s", more="timezone: UTC", **options):
    project.table_mapper(name, extract=f"cursor: {cursor}\nlookback: {lookback}", more=more,
                         **{"columns": ["v"], **options})


def read(result):
    return result.mapper()["read"]


# ---- each type ----

STAMP = "timestamptz '2026-01-01 12:00+00' + n * interval '1 day'"
KINDS = [  # a column, its value of the n-th row, the cursor
    ("timestamptz", STAMP, "w"),
    ("timestamptz(0)", STAMP, "w"),
    ("timestamp", f"({STAMP})::timestamp", "w"),
    ("date", f"({STAMP})::date", "w"),
    ("smallint", "n", "w"),
    ("bigint", "n + 5000000000", "w"),
    ("numeric", "n + 0.5", "w"),
    ("text", "to_char(n, 'FM00000')", "w"),
    ("varchar(9)", "to_char(n, 'FM00000')", "w"),
    ("timestamp", f"({STAMP})::timestamp", "greatest(w, q.w)"),
    ("timestamptz", STAMP, "(SELECT x.w FROM item x WHERE x.id = q.id)"),
    ("text", "n::text", "w::int"),
    ("jsonb", "jsonb_build_object('n', n)", "(w->>'n')::int"),
]


@pytest.mark.parametrize("kind, value, cursor", KINDS, ids=[f"{k[0]} {k[2]}" for k in KINDS])
def test_a_cursor_of_each_type(project, database, kind, value, cursor):
    database.sql(f"CREATE TABLE item (id int PRIMARY KEY, v text, w {kind});"
                 f" INSERT INTO item SELECT n, '2001-01-01', {value}"
                 f" FROM generate_series(1, {ROWS}) n")
    mapper(project, cursor)
    project.run().counts(created=ROWS)
    assert read(project.quiet_run()) == 1  # the newest
    database.sql(f"INSERT INTO item SELECT n, '2001-01-01', {value}"
                 f" FROM generate_series({ROWS + 1}, {ROWS + 2}) n;"
                 f" UPDATE item SET v = '2002-02-02', w = (SELECT {value} FROM (SELECT {ROWS + 2}"
                 f" AS n) x) WHERE id = 1; INSERT INTO item VALUES (900, '2003-03-03', NULL)")
    project.run().counts(created=3, updated=1, unchanged=1)
    assert project.db("catalog").get("item:1")["v"] == "2002-02-02"


def test_a_child_with_a_cursor_of_its_own(project, database):
    database.sql("CREATE TABLE item (id int PRIMARY KEY, w date);"
                 " CREATE TABLE line (id serial PRIMARY KEY, item int);"
                 " INSERT INTO item SELECT n, date '2026-01-01' + n"
                 f" FROM generate_series(1, {ROWS}) n;"
                 f" INSERT INTO line (item) SELECT n FROM generate_series(1, {ROWS}) n")
    project.table_mapper(extract="""
        cursor: w
        lookback: 0s
        children:
          lines: {table: line, key: id, parent: item, cursor: id}""",
                         fields="lines: {each: lines, fields: {id: id}}",
                         more='timezone: UTC\nfull: "0 3 * * *"')
    project.run()
    database.sql("INSERT INTO line (item) VALUES (7)")
    project.run().counts(updated=1, unchanged=1)
    assert [line["id"] for line in project.db("catalog").get("item:7")["lines"]] == [7, ROWS + 1]


def test_a_child_that_is_gone_is_seen_by_a_full_read(project, database):
    database.sql("CREATE TABLE item (id int PRIMARY KEY, w int);"
                 " CREATE TABLE line (id int PRIMARY KEY, item int);"
                 f" INSERT INTO item SELECT n, n FROM generate_series(1, {ROWS}) n;"
                 " INSERT INTO line SELECT n, n FROM generate_series(1, 9) n")
    project.table_mapper(extract="cursor: w\nchildren: {lines: {table: line, parent: item}}",
                         fields="lines: {each: lines, fields: {id: id}}",
                         more='timezone: UTC\nfull: "0 3 * * *"')
    project.run()
    database.sql("DELETE FROM line WHERE id = 7; UPDATE line SET item = 9 WHERE id = 8")
    project.quiet_run()
    project.run("--full").counts(updated=3, unchanged=ROWS - 3)
    assert len(project.db("catalog").get("item:9")["lines"]) == 2


def test_a_lookback_of_an_integer_is_time(project, database):
    """What was the cursor so long ago is where the read begins."""
    database.sql("CREATE TABLE item (id serial PRIMARY KEY, v text);"
                 f" INSERT INTO item SELECT n FROM generate_series(1, {ROWS}) n")
    mapper(project, "id", lookback="1h")
    project.run()
    project.run()
    database.sql(f"INSERT INTO item SELECT n FROM generate_series({ROWS + 1}, {ROWS + 9}) n")
    for _ in range(3):
        result = project.run()
    assert read(result) == 10
    mapper(project, "id", lookback="1s")
    project.run()
    time.sleep(1.1)
    assert read(project.run()) == 1


# ---- what does not fit any more ----

@pytest.fixture
def stamped(project, database):
    database.sql("CREATE TABLE item (id int PRIMARY KEY, v text, w timestamp);"
                 f" INSERT INTO item SELECT n, 'v', ({STAMP}) FROM generate_series(1, {ROWS}) n")
    mapper(project, "w")
    project.run()
    assert read(project.quiet_run()) == 1


def retype(project, database):
    database.sql("ALTER TABLE item ALTER w TYPE timestamptz")


def to_integers(project, database):
    database.sql("ALTER TABLE item ALTER w TYPE int USING id")


def retype_expression(project, database):
    database.sql("CREATE VIEW shown AS SELECT id, v FROM item")
    mapper(project, "(SELECT x.w FROM item x WHERE x.id = q.id)", table="shown")
    project.run()
    database.sql("ALTER TABLE item ALTER w TYPE date")


def replace(project, database):
    copy = database.cluster.create(template=database.name)
    project.env["ERP_DSN"] = copy.dsn()


def zone(project, database):
    mapper(project, "w", more="timezone: Asia/Tokyo")


def fewer_rights(project, database):
    """A hoster may hide which server it is at any time."""
    database.sql("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")


@pytest.mark.parametrize("act, why", [
    (retype, "its columns changed"), (to_integers, "its columns changed"),
    (retype_expression, "a cursor has another type"), (replace, "another database"),
    (zone, "the mapper or"), (fewer_rights, "another database")])
def test_what_fits_no_more_is_read_in_full_once(project, database, stamped, act, why):
    act(project, database)
    project.erp2couch("run", "-v").expect(Exit.OK).says("reading everything: .*" + why)
    assert read(project.quiet_run()) == 1


def test_a_type_that_cannot_be_a_cursor(project, database, stamped):
    database.sql("ALTER TABLE item ALTER w TYPE bool USING true")
    project.run(code=Exit.CONFIG).says(r"item\.yaml:6:3: cursor: w is boolean")
    assert len(project.db("catalog").ids()) == ROWS


def test_stamps_of_the_future_are_told_and_not_followed(project, database, stamped):
    database.sql("INSERT INTO item VALUES (900, 'x', '2999-01-01'), (901, 'x', now()::timestamp)")
    project.run().says("w is up to 2999-01-01 00:00:00, later than the source's clock")
    database.sql("INSERT INTO item VALUES (902, 'x', now()::timestamp)")
    project.run().counts(created=1, unchanged=2)
    database.sql("DELETE FROM item WHERE id = 900")
    assert "later than" not in project.run().err


# ---- late commits ----

class Wiretap(faultproxy.TcpProxy):
    """Keeps what the clients say."""

    def __init__(self, host, port):
        super().__init__(host, port)
        self.said = b""

    def passing(self, source, piece):
        if source.getpeername()[1] != self.target[1]:
            self.said += piece
        return piece


def test_the_observation_comes_before_the_snapshot(project, database, cluster, stamped):
    """The clock first, then who is there, since when, and what is prepared."""
    wire = Wiretap("127.0.0.1", cluster.port)
    project.env["ERP_DSN"] = database.dsn(port=wire.port, sslmode="disable",
                                          gssencmode="disable")
    project.run()
    wire.close()
    copy = wire.said.index(b"COPY (SELECT")
    order = [wire.said.rindex(word, 0, copy) for word in
             (b"statement_timestamp()", b"pg_stat_activity", b"pg_prepared_xacts", b"BEGIN ")]
    order.insert(1, wire.said.index(b"'virtualxid'", order[0]))
    assert order == sorted(order)
    assert b"BEGIN " not in wire.said[wire.said.rindex(b"ROLLBACK", 0, order[0]):order[-1]]
    statements = wire.said[order[0]:order[-1]].split(b"\0")
    for word in b"statement_timestamp", b"'virtualxid'", b"pg_stat_activity", b"pg_prepared_xacts":
        for other in b"'virtualxid'", b"pg_stat_activity", b"pg_prepared_xacts":
            assert word == other or not any(word in s and other in s for s in statements)


def plain(cursor):
    cursor.execute("BEGIN; INSERT INTO item (v) VALUES ('late')")
    return "COMMIT"


def idle(cursor):
    cursor.execute("BEGIN; SELECT nextval('item_id_seq')")
    return f"INSERT INTO item VALUES ({cursor.fetchone()[0]}, 'late'); COMMIT"


def prepared(cursor):
    cursor.execute("BEGIN; INSERT INTO item (v) VALUES ('late'); PREPARE TRANSACTION 'late'")
    return "COMMIT PREPARED 'late'"


def subtransaction(cursor):
    cursor.execute("BEGIN; SAVEPOINT a; INSERT INTO item (v) VALUES ('late')")
    return "RELEASE a; COMMIT"


@pytest.mark.parametrize("begin", [plain, idle, prepared, subtransaction])
def test_a_number_that_is_committed_late(project, database, begin):
    """Read by a role that sees of others that they are there, not since when."""
    database.sql("CREATE TABLE item (id serial PRIMARY KEY, v text);"
                 f" INSERT INTO item (v) SELECT 'v' FROM generate_series(1, {ROWS})")
    mapper(project, "id")
    project.run()
    late = database.connect()
    late.autocommit = True
    with late.cursor() as cursor:
        commit = begin(cursor)
        for n in range(3):
            database.sql("INSERT INTO item (v) VALUES ('v')")
            project.run()
        cursor.execute(commit)
    late.close()
    database.sql("INSERT INTO item (v) VALUES ('v')")
    project.run()
    docs = project.db("catalog").docs()
    assert docs[f"item:{ROWS + 1}"]["v"] == "late"
    assert len(docs) == ROWS + 5
    project.run()
    assert read(project.quiet_run()) == 1


@pytest.mark.slow
def test_a_stamp_that_is_committed_late(project, database):
    """Whoever reads by the clock alone loses it, though it keeps some seconds behind."""
    database.sql("CREATE TABLE item (id serial PRIMARY KEY, v text, w timestamptz DEFAULT now());"
                 f" INSERT INTO item (v) SELECT 'v' FROM generate_series(1, {ROWS})")
    mapper(project, "w")
    project.run()
    late = database.connect()
    with late.cursor() as cursor:
        cursor.execute("BEGIN; INSERT INTO item (v) VALUES ('late')")
        time.sleep(11)
        database.sql("INSERT INTO item (v) VALUES ('v')")
        project.run()
        project.run()
        cursor.execute("COMMIT")
    late.close()
    project.run()
    assert project.db("catalog").get(f"item:{ROWS + 1}")["v"] == "late"


def test_what_holds_the_cursor_back_is_named(project, database, stamped):
    other = database.connect(application_name="the ERP")
    other.autocommit = True
    with other.cursor() as cursor:
        cursor.execute("BEGIN; INSERT INTO item VALUES (900, 'x', now());"
                       " PREPARE TRANSACTION 'the payment'")
        project.erp2couch("run", "-v").expect(Exit.OK).says(
            "the cursor waits for the prepared transaction the payment")
        cursor.execute("ROLLBACK PREPARED 'the payment'")
        cursor.execute("BEGIN")
        to_integers(project, database)  # another position: since when is not known any more
        project.erp2couch("run", "-v").expect(Exit.OK).says(
            rf"the cursor waits for a transaction of process {other.info.backend_pid} \(the ERP\)")
        cursor.execute("ROLLBACK")
    other.close()
    assert "waits for" not in project.erp2couch("run", "-v").err


# ---- real ERPs ----

@pytest.mark.slow
def test_59913_equal_stamps_of_odoo(make_project, couch, odoo):
    """17 stamps of 75,717 variants: whoever goes on behind the last stamp loses rows, whoever
    goes on at it reads them again, and must not write them again."""
    project = make_project(couch, odoo)
    project.table_mapper("variant", table="product_product", columns=["active", "default_code"],
                         extract="cursor: write_date\nlookback: 0s", more="timezone: UTC")
    total = odoo.value("SELECT count(*) FROM product_product")
    top, equal = odoo.sql("SELECT write_date, count(*) FROM product_product GROUP BY 1"
                          " ORDER BY 1 DESC LIMIT 1")[0]
    assert (total, equal) == (75717, 59913)
    project.run().counts(created=total)
    assert read(project.quiet_run()) == equal
    one, other = odoo.column("SELECT min(id) FROM product_product WHERE write_date = %s UNION"
                             " SELECT min(id) FROM product_product WHERE write_date < %s",
                             [top, top])
    odoo.sql("UPDATE product_product SET default_code = 'tie', write_date = %s"
             " WHERE id IN (%s, %s)", [top, one, other])
    project.run().counts(updated=2, unchanged=equal - 1)
    odoo.sql("UPDATE product_product SET default_code = 'new', write_date = %s + interval '1 us'"
             " WHERE id = %s", [top, other])
    project.run().counts(updated=1, unchanged=equal)
    assert read(project.quiet_run()) == 1


def test_null_stamps_and_history_of_tryton(make_project, couch, tryton):
    """write_date is NULL until a row is updated first, and a deletion is a row of the history."""
    project = make_project(couch, tryton)
    project.table_mapper("sale", table="sale_sale", columns=["number", "state"],
                         more="timezone: UTC", extract="""
        cursor: write_date
        lookback: 0s
        deletes:
          query: SELECT id FROM sale_sale__history WHERE create_date IS NULL
          key: id""")
    sales = project.db("catalog")
    total, never = tryton.sql("SELECT count(*), count(*) FILTER (WHERE write_date IS NULL)"
                              " FROM sale_sale")[0]
    assert (total, never) == (547, 271)
    project.run().counts(created=total)
    newest = tryton.value("SELECT count(*) FROM sale_sale WHERE write_date ="
                          " (SELECT max(write_date) FROM sale_sale)")
    assert read(project.quiet_run()) == never + newest
    first, second, third = tryton.column(
        "SELECT id FROM sale_sale WHERE write_date IS NULL ORDER BY id LIMIT 3")
    tryton.sql("UPDATE sale_sale SET number = 'never stamped' WHERE id = %s;"
               " UPDATE sale_sale SET number = 'stamped', write_date = now() AT TIME ZONE 'UTC'"
               " WHERE id = %s", [first, second])
    tryton.sql("SET session_replication_role = replica; DELETE FROM sale_sale WHERE id = %s;"
               " RESET session_replication_role;"
               " INSERT INTO sale_sale__history (id, write_date)"
               " VALUES (%s, now() AT TIME ZONE 'UTC'), (%s, NULL)", [third, third, first])
    project.run().counts(updated=2, deleted=1, unchanged=never - 3 + newest)
    assert (sales.get(f"sale:{first}")["number"], sales.get(f"sale:{second}")["number"]) == (
        "never stamped", "stamped")
    assert set(sales.deleted()) == {f"sale:{third}"}
    project.quiet_run("--full", unchanged=total - 1)
    mapper(project, "coalesce(write_date, create_date)", "sale", table="sale_sale",
           columns=["number", "state"])
    project.quiet_run()
    assert read(project.quiet_run()) < never
