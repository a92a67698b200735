"""What CouchDB, its rules, its disk and the way to it refuse: each is told in words that help, and
what can be written is written. Faults of single requests are in test_faults.py.
"""

import os
import ssl
import subprocess
import time

import pytest

from support import couchdb, faultproxy
from support.project import Exit

ROWS = 1000
BULK = ("POST", "catalog/_bulk_docs$")  # not those of the control database


def fill(project, database):
    database.sql(f"CREATE TABLE item AS SELECT n AS id, md5(n::text) AS v FROM"
                 f" generate_series(1, {ROWS}) n")
    project.table_mapper(columns=["v"])
    project.configure(couchdb={"max_batch_docs": 100})
    return project


@pytest.fixture
def table(project, database):
    return fill(project, database)


@pytest.fixture
def front(table, couch, proxy):
    made = proxy("http", couch.host, couch.port)
    table.configure(couchdb={"url": made.url})
    return made


def settled(project, database, generations={"1-"}):
    catalog = project.db("catalog")
    assert {doc_id: doc["v"] for doc_id, doc in catalog.docs().items()
            if doc_id.startswith("item:")} == {
        f"item:{key}": v for key, v in database.sql("SELECT id, v FROM item")}
    revs = [rev[:2] for doc_id, rev in catalog.revs().items() if doc_id.startswith("item:")]
    assert set(revs) <= set(generations)
    project.quiet_run(unchanged=len(revs))


# ---- documents that a database refuses ----

RULE = """function (doc, old, user) {
    if (doc._deleted) { if (old && old.v == 'kept') throw({forbidden: 'this one stays'}); return; }
    if (doc.v == 'bad') throw({forbidden: 'a bad one'});
    if (doc.v == 'theirs') throw({unauthorized: 'not yours'});
    if (doc.v == 'odd') return doc.no.such.member;
}"""


@pytest.fixture
def ruled(table, database, apache_couch):
    """A target with a validate_doc_update, after a first load."""
    database.sql("UPDATE item SET v = 'kept' WHERE id = 900")
    table.run()
    table.db("catalog").put({"_id": "_design/rule", "validate_doc_update": RULE})
    return table


def test_documents_that_a_rule_refuses_are_rejects(ruled, database):
    database.sql("UPDATE item SET v = CASE id WHEN 1 THEN 'bad' WHEN 2 THEN 'theirs' WHEN 3 THEN"
                 " 'odd' ELSE 'good' END WHERE id <= 300")
    ruled.run(code=Exit.REJECTS).counts(updated=297, rejected=3, unchanged=ROWS - 300)
    assert {reject["key"]: reject["reason"].split(":")[0] for reject in ruled.rejects()} == {
        1: "forbidden", 2: "unauthorized", 3: "TypeError"}
    assert ruled.db("catalog").get("item:1")["v"] == "c4ca4238a0b923820dcc509a6f75849b"
    ruled.run(code=Exit.REJECTS).counts(rejected=3, unchanged=ROWS - 3)
    assert {reject["attempts"] for reject in ruled.rejects()} == {2}
    database.sql("UPDATE item SET v = 'good' WHERE id <= 3")
    ruled.run().counts(updated=3, unchanged=ROWS - 3)
    assert ruled.rejects() == []
    settled(ruled, database, {"1-", "2-"})


def test_a_deletion_that_a_rule_refuses_is_a_reject(ruled, database):
    """The others are done, and the run closes: it is not held up for ever."""
    database.sql("DELETE FROM item WHERE id > 895 AND id <= 905")
    ruled.run(code=Exit.REJECTS).counts(deleted=9, rejected=1, unchanged=ROWS - 10)
    [reject] = ruled.rejects()
    assert "this one stays" in reject["reason"] and reject["key"] == 900, reject
    assert ruled.db("catalog").get("item:900")
    ruled.run(code=Exit.REJECTS).counts(rejected=1, unchanged=ROWS - 10)
    ruled.db("catalog").put({"_id": "_design/rule", "validate_doc_update": "function () {}"})
    ruled.run().counts(deleted=1, unchanged=ROWS - 10)
    assert ruled.rejects() == []
    settled(ruled, database)


def test_a_document_that_moved_and_may_not_leave_its_old_id(ruled, database):
    database.sql("ALTER TABLE item ADD code int; UPDATE item SET code = id")
    ruled.table_mapper(columns=["v"], target_id="item:${code}")
    ruled.run().counts(unchanged=ROWS)
    database.sql("UPDATE item SET code = 2000 WHERE id = 900")
    ruled.run(code=Exit.REJECTS).counts(moved=1, rejected=1, unchanged=ROWS - 1)
    assert {"item:900", "item:2000"} <= set(ruled.db("catalog").ids())
    ruled.run(code=Exit.REJECTS).counts(rejected=1, unchanged=ROWS)
    ruled.db("catalog").put({"_id": "_design/rule", "validate_doc_update": "function () {}"})
    ruled.run().counts(unchanged=ROWS)
    assert "item:900" not in ruled.db("catalog").ids()
    assert ruled.rejects() == []
    ruled.quiet_run(unchanged=ROWS)


def test_a_412_of_one_document_is_its_reject(table, database, front):
    front.on(*BULK, faultproxy.answer(412), times=None, body=rb'"item:777"')
    table.run(code=Exit.REJECTS).counts(created=ROWS - 1, rejected=1)
    assert [reject["key"] for reject in table.rejects()] == [777]
    front.clear()
    table.run().counts(created=1, unchanged=ROWS - 1)
    settled(table, database)


def test_somebody_else_makes_the_database_first(table, database, front, couch):
    """Between our question and our PUT: 412."""
    table.db("catalog").create()
    front.on("GET", f"/{table.prefix}catalog$", faultproxy.answer(
        404, b'{"error":"not_found","reason":"Database does not exist."}'), times=2)
    table.run().counts(created=ROWS)
    assert front.count("PUT", status=412) == 1
    settled(table, database)


def test_a_target_that_is_deleted_in_the_middle_and_stays_so(table, database, front, apache_couch):
    front.on(*BULK, faultproxy.delay(before=0.2), times=None)
    process = table.start("run", "--json")
    while front.count(*BULK, status=201) < 2 and process.poll() is None:
        time.sleep(0.02)
    table.db("catalog").delete()
    table.finish(process).expect(Exit.UNAVAILABLE).says("catalog was deleted during the run")
    assert not table.db("catalog").exists()
    front.clear()
    table.run().counts(created=ROWS)
    settled(table, database)


def test_a_session_that_ends_in_the_middle_is_begun_again(table, database, front, couch):
    table.configure(couchdb={"auth": {"user": None, "password": None, "session": {
        "user": couch.user, "password": couch.password}}})
    front.on(*BULK, faultproxy.answer(401), skip=2)
    table.run().counts(created=ROWS)
    assert front.count("POST", "/_session") == 2
    settled(table, database)


# ---- a full disk ----

@pytest.fixture
def small_couch(own_couch):
    """An Apache CouchDB whose data have 3 MB, and a function that gives it more."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small tmpfs")
    folder = None

    def mount(size, *options):
        return subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join([*options, f"size={size}"]),
                               "tmpfs", folder], capture_output=True, text=True)

    class SmallCouch(couchdb.PrivateCouch):
        def start(self):
            nonlocal folder
            folder = self.folder / "data"
            done = mount("3m")
            if done.returncode != 0:
                pytest.skip("a tmpfs cannot be mounted here: " + done.stderr.strip())
            super().start()

    server = own_couch(kind=SmallCouch)
    yield server, lambda: mount("100m", "remount")
    server.stop()
    subprocess.run(["umount", "-l", folder])


def test_no_space_in_couchdb(make_project, database, small_couch):
    """It answers 500 to all writes then, and says nothing of its disk."""
    server, make_room = small_couch
    table = fill(make_project(server, database), database)
    database.sql("UPDATE item SET v = (SELECT string_agg(md5((id * 1000 + n)::text), '') FROM"
                 " generate_series(1, 150) n)")
    table.configure(couchdb={"retry_for": "2s", "max_in_flight": 1})
    result = table.run(code=Exit.UNAVAILABLE)
    result.says("internal_server_error", "gave up after", "log of CouchDB", "full disk")
    assert 0 < result.mapper("item")["created"] < ROWS
    assert table.rejects() == []
    make_room()
    table.run()
    settled(table, database)


def test_writes_that_couchdb_stops_before_its_disk_is_full(make_project, database, own_couch):
    """[disk_monitor], from 3.4 on: an error of each document, under 201."""
    server = own_couch()
    table = fill(make_project(server, database), database)
    table.configure(couchdb={"retry_for": "2s"})
    table.run()
    database.sql("UPDATE item SET v = v || 'x' WHERE id <= 500")
    server.configure("disk_monitor", "interactive_database_writes_threshold", "0")
    server.configure("disk_monitor", "enable", "true")
    table.run(code=Exit.UNAVAILABLE).says("insuffic", "gave up after").counts()
    server.configure("disk_monitor", "enable", "false")
    table.run().counts(updated=500, unchanged=500)
    settled(table, database, {"1-", "2-"})


# ---- the way there ----

def tls(certificates, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    return context


@pytest.mark.parametrize("name, ca, words", [
    ("good", None, ["self-signed certificate in certificate chain|unable to get local issuer",
                    "ca_file"]),
    ("alone", "ca", ["self.signed certificate", "ca_file"]),
    ("expired", "ca", ["expired", "renew"]),
    ("other", "ca", ["localhost", "name"]),
])
def test_a_certificate_that_is_not_to_be_trusted(table, couch, proxy, certificates, name, ca,
                                                 words):
    """Nothing of ours is sent, and nothing is tried again."""
    front = proxy("http", couch.host, couch.port, tls=tls(certificates, name))
    table.configure(couchdb={"url": front.url, "tls": {
        "ca_file": str(certificates / f"{ca}.pem")} if ca else None})
    result = table.run(code=Exit.CONFIG, timeout=30).says(*words)
    assert couch.password not in result.err + result.out
    assert front.count() == 0 and front.connections <= 2


def test_tls_works_and_may_fail_in_the_middle(table, database, couch, proxy, certificates):
    front = proxy("http", couch.host, couch.port, tls=tls(certificates, "good"))
    front.on(*BULK, faultproxy.drop_reply(), skip=2, times=2)
    table.configure(couchdb={"url": front.url, "tls": {
        "ca_file": str(certificates / "ca.pem")}})
    table.run().counts(created=ROWS)
    settled(table, database)


def test_a_certificate_that_expires_in_the_middle(table, database, couch, proxy, certificates):
    """Connections are cut, and the next ones find a server that cannot prove who it is."""
    front = proxy("http", couch.host, couch.port, tls=tls(certificates, "good"))
    front.on(*BULK, faultproxy.delay(before=0.2), times=None)
    table.configure(couchdb={"url": front.url, "tls": {
        "ca_file": str(certificates / "ca.pem")}})
    process = table.start("run", "--json")
    while front.count(*BULK, status=201) < 2 and process.poll() is None:
        time.sleep(0.02)
    front.tls = tls(certificates, "expired")
    front.cut_all()
    table.finish(process, 60).expect(Exit.CONFIG).says("expired")
    front.tls = tls(certificates, "good")
    front.clear()
    table.run()
    settled(table, database)


def test_a_host_name_that_does_not_exist(table):
    table.configure(couchdb={"url": "http://no-such-host.invalid:5984", "retry_for": "1s"})
    table.run(code=Exit.UNAVAILABLE, timeout=60).says("no-such-host.invalid", "check the host name")


@pytest.mark.slow
def test_replies_that_never_come(table, database, front):
    """CouchDB did its work; after a minute and a half without a byte it is asked about it."""
    front.on(*BULK, faultproxy.delay(after=200), skip=1)
    result = table.run(timeout=180).counts(created=ROWS)
    assert result.seconds > 60
    settled(table, database)


# ---- the control database ----

@pytest.fixture
def member(table, couch, apache_couch):
    """The program is a user who may write to both databases, and make none."""
    name = table.prefix + "writer"
    couch.add_user(name, "right")
    for database in table.db("catalog").create(), table.control.create():
        database.call("PUT", "/_security", json={"members": {"names": [name]}, "admins": {}})
    table.configure(couchdb={"auth": {"user": name, "password": "right"}, "retry_for": "2s"})
    yield name
    couch.remove_user(name)


def shut_out(table):
    table.control.call("PUT", "/_security", json={"members": {"names": ["another"]}})


def rule(table, code):
    table.control.put({"_id": "_design/rule",
                       "validate_doc_update": f"function (doc) {{ {code} }}"})


@pytest.mark.parametrize("loaded", [False, True])
@pytest.mark.parametrize("close, words", [
    (shut_out, ["control database", "403", "member of the database"]),
    (lambda table: table.control.delete(), ["control database", "create|administrators"]),
], ids=["not a member", "may not make it"])
def test_a_control_database_without_rights(table, database, member, loaded, close, words):
    """Nothing is written before it is known that rejects and checkpoints can be."""
    if loaded:
        table.run().counts(created=ROWS)
    before = table.snapshot("catalog")
    database.sql("UPDATE item SET v = 'new' WHERE id <= 5")
    close(table)
    result = table.run(code=Exit.CONFIG, timeout=30).says(*words)
    assert table.prefix + "control" in result.err and result.seconds < 20
    assert table.snapshot("catalog") == before
    if not table.control.exists():
        table.control.create()
    table.control.call("PUT", "/_security", json={"members": {"names": [member]}, "admins": {}})
    table.run()
    settled(table, database, {"1-", "2-"})


def test_rejects_that_the_control_database_refuses(table, database, member):
    """A record that can be neither written nor be a reject ends the run; the next one finds it."""
    table.table_mapper(fields="v: {from: v, required: true}", extract="cursor: id")
    table.run().counts(created=ROWS)
    database.sql("INSERT INTO item VALUES (1001, NULL), (1002, 'x')")
    rule(table, "if (doc.type == 'reject') throw({forbidden: 'not here'});")
    for _ in range(2):
        table.run(code=Exit.CONFIG).says("control database", "reject reject:item:1001 cannot be "
                                         "written", "not here")
    rule(table, "")
    table.run(code=Exit.REJECTS)
    assert [reject["key"] for reject in table.rejects()] == [1001]
    assert table.db("catalog").get("item:1002")["v"] == "x"


def test_rights_to_the_control_database_that_end_in_the_middle(table, database, front):
    """Its checkpoint is refused, that of the target stands: the next run finishes it."""
    front.on("PUT", "control/_local/", faultproxy.answer(403), skip=1, times=None)
    table.run(code=Exit.CONFIG).says("checkpoint", "control/_local", "403", "member")
    assert table.db("catalog").local("erp2couch-item")["session"]
    front.clear()
    settled(table, database)
