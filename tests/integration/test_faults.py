"""CouchDB and the network at their worst: nothing lost, nothing twice, no needless revision."""

import email.utils
import json
import random
import threading
import time

import pytest

from support import faultproxy
from support.project import Exit

ROWS = 1500  # 15 batches: more than are under way at a time


@pytest.fixture
def table(project, database):
    database.sql(f"CREATE TABLE item AS SELECT n AS id, md5(n::text) AS v FROM"
                 f" generate_series(1, {ROWS}) n")
    project.table_mapper(columns=["v"])
    project.configure(couchdb={"max_batch_docs": 100, "retry_for": "30s"})
    return project


@pytest.fixture
def front(table, couch, proxy):
    """The proxy that the project writes through."""
    made = proxy("http", couch.host, couch.port)
    table.configure(couchdb={"url": made.url})
    return made


def settled(project, database, generations={"1-"}):
    docs, revs, conflicts = project.db("catalog").contents()
    assert docs == {f"item:{key}": {"_id": f"item:{key}", "type": "item", "v": v}
                    for key, v in database.sql("SELECT id, v FROM item")}
    assert {rev[:2] for rev in revs.values()} <= set(generations)
    assert conflicts == []
    project.quiet_run(unchanged=len(docs))


def soon(seconds):
    """As servers write it in Retry-After."""
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


def read_json(body):
    """None where it is none: a storm meets requests and replies of every kind."""
    try:
        return json.loads(body)
    except ValueError:
        return None


def per_document(error, reason, status=201):
    """A reply of _bulk_docs that says the same of every document, none of which was written."""
    def reply(request):
        value = read_json(request)
        docs = value.get("docs", []) if isinstance(value, dict) else []
        return faultproxy.answer(status, json.dumps([
            {"id": doc.get("_id"), "error": error, "reason": reason} for doc in docs]).encode())

    return faultproxy.make(reply)


def each_row(status, change):
    """For replies of _bulk_docs; every other one, and what refuses a whole request, passes as it
    is."""
    def rewrite(met, body):
        rows = read_json(body)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            return met, body
        return status, json.dumps([change(row) for row in rows]).encode()

    return rewrite


# As a cluster answers that could write to one of its replicas only.
below_quorum = each_row(202, lambda row: {**row, "accepted": True} if row.get("ok") else row)

# As CouchDB answers when the processes that write did not answer in time, but wrote.
silent_workers = each_row(
    500, lambda row: {"id": row["id"], "error": "error", "reason": "internal_server_error"})


def failed(status, body):
    return 500, b'{"error":"internal_server_error","reason":"No DB shards could be opened."}'


BULK = ("POST", "catalog/_bulk_docs$")  # not those of the control database
FAULTS = {
    "500, written": faultproxy.rewrite(failed),
    "500 of each document, written": faultproxy.rewrite(silent_workers),
    "500 of each document": per_document("error", "internal_server_error", 500),
    "202": faultproxy.rewrite(below_quorum),
    "no space": per_document("insufficent_storage", "the disk is full"),
    "no space, spelt right": per_document("insufficient_storage", "the disk is full"),
    "507": faultproxy.answer(507),
    "lost replies": faultproxy.drop_reply(),
    "half replies": faultproxy.cut_reply(300),
    "lost requests": faultproxy.cut_request(2000),
    "503": faultproxy.answer(503, retry_after=0),
    "500": faultproxy.answer(500),
    "502": faultproxy.answer(502, b"<html>bad gateway</html>", content_type="text/html"),
    "504": faultproxy.answer(504, b""),
    "429": faultproxy.answer(429, retry_after=1),
    "408": faultproxy.answer(408),
    "no JSON": faultproxy.answer(201, b"hello"),
    "another kind of JSON": faultproxy.answer(201, b'{"ok":true}'),
    "nothing": faultproxy.answer(201, b""),
    "half JSON": faultproxy.answer(201, b'[{"ok":true,"id":"item:1","rev":"1-'),
    "slow": faultproxy.delay(before=0.3, after=0.3),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_some_batches_meet_a_fault(table, database, front, apache_couch, fault):
    rules = [front.on(*BULK, fault, skip=skip, times=2) for skip in (0, 3, 9)]
    result = table.run(timeout=180)
    assert all(rule.hits for rule in rules)
    result.counts(created=ROWS)
    settled(table, database)


@pytest.mark.parametrize("name", ["lost replies", "half replies", "500", "503"])
def test_updates_meet_a_fault(table, database, front, apache_couch, name):
    table.run()
    database.sql("UPDATE item SET v = v || 'x' WHERE id % 2 = 0")
    front.on(*BULK, FAULTS[name], times=4)
    table.run(timeout=180).counts(updated=ROWS // 2, unchanged=ROWS // 2)
    settled(table, database, {"1-", "2-"})


def test_deletions_meet_lost_replies(table, database, front, apache_couch):
    table.run()
    database.sql("DELETE FROM item WHERE id % 20 = 0")
    front.on(*BULK, faultproxy.drop_reply(), times=2)
    table.run(timeout=180).counts(deleted=ROWS // 20, unchanged=ROWS - ROWS // 20)
    settled(table, database)
    assert all(rev.startswith("2-") for rev in table.db("catalog").deleted().values())


def test_updates_have_their_parent(table, database, front, apache_couch):
    """So none conflicts; and what comes back is known by its revision after a lost reply."""
    table.run()
    database.sql(f"UPDATE item SET v = 'x' WHERE id <= 9; DELETE FROM item WHERE id > {ROWS - 10}")
    table.run().counts(updated=9, deleted=10, unchanged=ROWS - 19)
    assert front.count("POST", "/_revs_diff$") == 0
    front.on(*BULK, faultproxy.drop_reply())
    database.sql(f"INSERT INTO item SELECT n, 'back' FROM generate_series({ROWS - 9}, {ROWS}) n")
    table.run().counts(created=10, unchanged=ROWS - 10)
    settled(table, database, {"1-", "2-", "3-"})


def test_every_first_reply_is_lost(table, database, front, apache_couch):
    """Every batch lands and is not acknowledged; each is settled by asking, not by sending."""
    front.on(*BULK, faultproxy.drop_reply(), times=12)
    table.run(timeout=180)
    settled(table, database)


def test_a_413_of_a_proxy_is_bisected(table, database, front):
    """A body limit below our batches: halves of halves until they pass."""

    def too_large(method, path, body):
        return path.endswith("/_bulk_docs") and len(body) > 3000

    front.add(too_large, faultproxy.answer(413), times=None)
    table.run(timeout=180).counts(created=ROWS)
    settled(table, database)


def test_one_document_that_always_breaks_the_server_is_a_reject(table, database, front,
                                                                apache_couch):
    front.on(*BULK, faultproxy.answer(500), times=None, body=rb'"item:1234"')
    table.configure(couchdb={"retry_for": "3s"})
    result = table.run(code=Exit.REJECTS, timeout=240)
    result.counts(created=ROWS - 1, rejected=1)
    [reject] = table.rejects()
    assert "scripted" in reject["reason"], reject
    front.clear()
    table.run().counts(created=1, unchanged=ROWS - 1)
    settled(table, database)


@pytest.mark.parametrize("status, after", [(503, lambda: 3), (429, lambda: 3),
                                           (429, lambda: soon(4))], ids=["503", "429", "a date"])
def test_retry_after_is_obeyed(table, front, status, after):
    front.on(*BULK, faultproxy.make(lambda _: faultproxy.answer(status, retry_after=after())))
    started = time.monotonic()
    table.run(timeout=180).counts(created=ROWS)
    assert time.monotonic() - started >= 2.5


@pytest.mark.slow
def test_couchdb_is_away_for_a_while(table, database, front, apache_couch):
    front.on(*BULK, faultproxy.delay(before=0.15), times=None)
    process = table.start("run", "--json")
    while front.count(*BULK, status=201) < 3 and process.poll() is None:
        time.sleep(0.02)
    front.refuse()
    time.sleep(3)
    front.refuse(False)
    table.finish(process, 180).expect(Exit.OK)
    settled(table, database)


def test_couchdb_goes_away_for_good(table, database, front, apache_couch):
    table.configure(couchdb={"retry_for": "3s"})
    front.on(*BULK, faultproxy.delay(before=0.15), times=None)
    process = table.start("run", "--json")
    while front.count(*BULK, status=201) < 3 and process.poll() is None:
        time.sleep(0.02)
    front.refuse()
    result = table.finish(process, 120).expect(Exit.UNAVAILABLE)
    assert result.json["outcome"] == "unavailable"
    assert result.mapper("item")["created"] >= 100
    front.refuse(False)
    front.clear()
    table.run()
    settled(table, database)


@pytest.mark.parametrize("name", ["429", "503", "502", "no JSON", "half JSON", "lost requests",
                                  "no space"])
def test_what_does_not_end_ends_the_run_after_retry_for(table, database, front, apache_couch, name):
    front.on(*BULK, FAULTS[name], skip=2, times=None)
    table.configure(couchdb={"retry_for": "1s"})
    result = table.run(code=Exit.UNAVAILABLE, timeout=60).says("gave up after", "catalog/_")
    assert result.mapper("item")["created"] == table.db("catalog").count() == 200
    assert table.rejects() == []
    front.clear()
    table.run().counts(created=ROWS - 200, unchanged=200)
    settled(table, database)


HTML = b"<html>by the fault proxy</html>"
ENDS = {  # of a run: the reply, the exit code, what is said
    "401": (faultproxy.answer(401), Exit.CONFIG, ["401", "couchdb.auth"]),
    "403": (faultproxy.answer(403), Exit.CONFIG, ["403", "member of the database"]),
    "404": (faultproxy.answer(404, b'{"error":"not_found","reason":"Database does not exist."}'),
            Exit.UNAVAILABLE, ["catalog was deleted during the run", "next run"]),
    "404 of a proxy": (faultproxy.answer(404, HTML, content_type="text/html"),
                       Exit.CONFIG, ["404", "by the fault proxy", "couchdb.url"]),
    "302": (faultproxy.answer(302, HTML, location="http://127.0.0.1:9/"), Exit.CONFIG,
            ["302", "redirects"]),
    "405": (faultproxy.answer(405), Exit.CONFIG, ["405", "couchdb.url"]),
    "415": (faultproxy.answer(415), Exit.CONFIG, ["415", "Content-Type"]),
    "451": (faultproxy.answer(451, HTML), Exit.CONFIG, ["451", "couchdb.url"]),
}


@pytest.mark.parametrize("reply, code, words", ENDS.values(), ids=ENDS.keys())
def test_what_does_not_pass_ends_the_run(table, database, front, reply, code, words):
    """At once, and without another try: five wrong passwords lock an account."""
    front.on(*BULK, reply, skip=2, times=None)
    result = table.run(code=code, timeout=60).says(*words)
    assert result.mapper("item")["created"] == 200
    assert table.db("catalog").count() == 200
    assert front.count(*BULK, status=reply.status) <= 8  # those in flight, and no more
    front.clear()
    table.run().counts(created=ROWS - 200, unchanged=200)
    settled(table, database)


@pytest.mark.slow
def test_a_reply_that_does_not_come_does_not_hold_up_the_end(table, database, front):
    front.on(*BULK, faultproxy.stall())
    front.on(*BULK, faultproxy.answer(403), times=None)
    assert table.run(code=Exit.CONFIG).counts().seconds < 30
    front.clear()
    table.run().counts(created=ROWS)
    settled(table, database)


def test_a_target_deleted_in_the_middle(table, database, front, apache_couch):
    """The run may fail or not; the next one leaves everything right."""
    front.on(*BULK, faultproxy.delay(before=0.15), times=None)
    process = table.start("run", "--json")
    while front.count(*BULK, status=201) < 3 and process.poll() is None:
        time.sleep(0.02)
    table.db("catalog").recreate()
    table.finish(process, 180)
    front.clear()
    table.run()
    settled(table, database)


def test_checkpoints_that_cannot_be_written(table, database, front, apache_couch):
    """Documents are there, the checkpoint is not: the next run writes no document again."""
    front.on("PUT", "/_local/", faultproxy.answer(503), times=None)
    table.configure(couchdb={"retry_for": "2s"})
    result = table.erp2couch("run", "--json", timeout=120)
    assert result.code == Exit.UNAVAILABLE, result
    front.clear()
    table.run()
    settled(table, database)


@pytest.mark.parametrize("path", ["/_local/", "_changes$", "/_all_docs$", "/_session$",
                                  "/_revs_diff$"])
def test_every_other_request_meets_faults_too(table, database, front, apache_couch, path):
    table.run()
    rules = [front.on(".*", path, fault, skip=skip) for skip, fault in enumerate((
        faultproxy.answer(503), faultproxy.drop_reply(), faultproxy.cut_reply(200),
        faultproxy.answer(429, retry_after=1)))]
    table.db("catalog").put({"_id": "item:5", "v": "edited"})
    (table.folder / "state").rename(table.folder / "lost")
    front.on(*BULK, faultproxy.drop_reply(), times=1)
    table.run(timeout=120).counts(updated=1, unchanged=ROWS - 1)
    settled(table, database, {"1-", "3-"})
    assert rules


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_storm(table, database, front, apache_couch, seed):
    """Random faults over many runs; in the end the documents are those of SQL."""
    chance = random.Random(seed)
    faults = list(FAULTS.values())
    table.configure(couchdb={"retry_for": "3s"})  # a run that gives up is part of it
    stop = threading.Event()

    def weather():
        while not stop.wait(chance.uniform(0.01, 0.2)):
            front.on(".*", "", chance.choice(faults), skip=chance.randrange(4))
            if chance.random() < 0.1:
                front.cut_all()

    thread = threading.Thread(target=weather)
    thread.start()
    try:
        for turn in range(5):
            database.sql(f"UPDATE item SET v = v || '{turn}' WHERE id % 7 = {turn}")
            database.sql(f"DELETE FROM item WHERE id % 100 = {turn + 50}")
            table.erp2couch("run", "--json", timeout=300)
    finally:
        stop.set()
        thread.join()
        front.clear()
    table.run(timeout=120)
    settled(table, database, {f"{n}-" for n in range(1, 3)})
