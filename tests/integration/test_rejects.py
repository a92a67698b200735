"""Rejects: records that cannot be mapped or written are named, kept, counted and cleared."""

import json
import re

import pytest

from support import faultproxy
from support.project import Exit

pytestmark = pytest.mark.once


def load(project, database, rows="generate_series(1, 20) n", fields="", **options):
    database.sql(f"CREATE TABLE item AS SELECT n AS id, 'v' || n AS v FROM {rows}")
    project.table_mapper(fields=fields or "v: v", **options)


def test_a_reject_is_a_document_of_the_control_database(project, database):
    load(project, database, fields="v: {from: v, type: integer}")
    database.sql("UPDATE item SET v = id WHERE id <> 13;"
                 " UPDATE item SET v = 'thirteen' WHERE id = 13")
    result = project.run(code=Exit.REJECTS).counts(created=19, rejected=1)
    assert result.json["outcome"] == "rejects"
    [reject] = project.rejects()
    assert "thirteen" in reject.pop("reason")
    for name in ("first", "last"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", reject.pop(name))
    assert reject == {
        "_id": "reject:item:13", "type": "reject", "mapper": "item", "key": 13, "stage": "map",
        "field": "v", "attempts": 1, "record": {"id": 13, "v": "thirteen"}}
    assert project.db("catalog").get("item:13") is None


def test_attempts_are_counted_and_a_mended_record_is_cleared(project, database):
    load(project, database, fields="v: {from: v, required: true}")
    database.sql("UPDATE item SET v = NULL WHERE id IN (3, 4)")
    for attempt in (1, 2, 3):
        project.run(code=Exit.REJECTS)
        rejects = project.rejects()
        assert [reject["attempts"] for reject in rejects] == [attempt] * 2
        assert all(reject["first"] == reject["last"] for reject in rejects) == (attempt == 1)
        assert all(reject["first"] <= reject["last"] for reject in rejects)
    database.sql("UPDATE item SET v = 'there' WHERE id = 3")
    project.run(code=Exit.REJECTS).counts(created=1, rejected=1, unchanged=18)
    [reject] = project.rejects()
    assert reject["attempts"] == 4
    database.sql("DELETE FROM item WHERE id = 4")
    project.run()
    assert project.rejects() == []


def test_the_document_of_a_record_that_is_now_rejected_stays(project, database):
    load(project, database, fields="v: {from: v, required: true}")
    project.run().counts(created=20)
    database.sql("UPDATE item SET v = NULL WHERE id = 6")
    project.run(code=Exit.REJECTS).counts(rejected=1, unchanged=19)
    assert project.db("catalog").get("item:6")["v"] == "v6"
    database.sql("UPDATE item SET v = 'v6' WHERE id = 6")
    project.quiet_run(unchanged=20)


def test_a_reject_stays_until_the_document_of_its_record_is_there(project, database, couch, proxy):
    load(project, database, fields="v: {from: v, required: true}")
    database.sql("UPDATE item SET v = NULL WHERE id = 6")
    project.run(code=Exit.REJECTS).counts(created=19, rejected=1)
    front = proxy("http", couch.host, couch.port)
    front.on("POST", "catalog/_bulk_docs$", faultproxy.answer(503), times=None)
    project.configure(couchdb={"url": front.url, "retry_for": "1s"})
    database.sql("UPDATE item SET v = 'v6' WHERE id = 6")
    project.run(code=Exit.UNAVAILABLE)
    assert [reject["key"] for reject in project.rejects()] == [6]
    front.clear()
    project.run().counts(created=1, unchanged=19)
    assert project.rejects() == []


def test_a_reject_that_cannot_be_written_leaves_the_checkpoint_as_it_was(project, database,
                                                                         apache_couch):
    """Or an incremental run would not read its record again."""
    load(project, database, fields="v: {from: v, required: true}")
    project.run().counts(created=20)
    session = project.db("catalog").local("erp2couch-item")["session"]
    project.control.put({"_id": "_design/rule", "validate_doc_update":
                         "function (doc) { if (doc.reason) throw({forbidden: 'no rejects'}); }"})
    database.sql("UPDATE item SET v = NULL WHERE id = 6")
    project.run(code=Exit.CONFIG).says("reject:item:6 cannot be written", "no rejects")
    assert project.db("catalog").local("erp2couch-item")["session"] == session


def test_null_keys(project, database):
    load(project, database)
    database.sql("INSERT INTO item VALUES (NULL, 'nobody')")
    project.run(code=Exit.REJECTS).counts(created=20, rejected=1)
    [reject] = project.rejects()
    assert "null" in reject["reason"].lower() and "id" in reject["reason"]
    project.run(code=Exit.REJECTS).counts(unchanged=20, rejected=1)


def test_a_record_without_a_key_withholds_nothing_that_is_known(project, database):
    """With a NULL key one cannot tell who is gone: nothing may be deleted by mistake."""
    load(project, database)
    project.run()
    database.sql("UPDATE item SET id = NULL WHERE id = 8")
    project.run(code=Exit.REJECTS)
    # whatever the run does with the document, the 19 others stay
    assert len([key for key in project.db("catalog").ids() if key != "item:8"]) == 19


def test_duplicate_keys(project, database):
    load(project, database)
    database.sql("INSERT INTO item VALUES (5, 'again')")
    result = project.run(code=Exit.REJECTS)
    assert result.mapper()["rejected"] >= 1, result
    assert result.mapper()["created"] >= 19, result
    assert any("5" in reject["reason"] or "5" in json.dumps(reject) for reject in project.rejects())
    before = project.snapshot("catalog")
    project.run(code=Exit.REJECTS)
    assert project.snapshot("catalog") == before
    database.sql("DELETE FROM item WHERE v = 'again'")
    project.run()
    assert project.rejects() == []
    assert project.db("catalog").get("item:5")["v"] == "v5"
    project.quiet_run(unchanged=20)


def test_invalid_utf8(make_project, cluster, couch):
    database = cluster.create(encoding="SQL_ASCII")
    project = make_project(couch, database)
    database.sql("CREATE TABLE item (id int PRIMARY KEY, v text)")
    database.sql(r"INSERT INTO item VALUES (1, 'plain'), (2, E'\xff\xfe'), (3, E'caf\xe9'),"
                 r" (4, E'\xc3\xa9'), (5, E'\xed\xa0\x80'), (6, E'\xf4\x90\x80\x80'),"
                 r" (7, E'\xc0\xaf')")
    project.table_mapper(columns=["v"])
    project.run(code=Exit.REJECTS).counts(created=2, rejected=5)
    assert project.db("catalog").docs()["item:4"]["v"] == "é"
    for reject in project.rejects():
        assert "utf-8" in reject["reason"].lower() and reject["field"] == "v", reject
    database.drop()


def test_other_encodings_are_converted(make_project, cluster, couch):
    database = cluster.create(encoding="LATIN1")
    project = make_project(couch, database)
    database.sql("CREATE TABLE item (id int PRIMARY KEY, v text)")
    database.sql("INSERT INTO item VALUES (1, 'café')")
    project.table_mapper(columns=["v"])
    project.run().counts(created=1)
    assert project.db("catalog").docs()["item:1"]["v"] == "café"
    database.drop()


def test_a_document_larger_than_a_batch(project, database):
    project.configure(couchdb={"max_batch_bytes": "64KiB"})
    load(project, database)
    database.sql("UPDATE item SET v = repeat('x', 200000) WHERE id = 2")
    project.run(code=Exit.REJECTS).counts(created=19, rejected=1)
    [reject] = project.rejects()
    assert "max_batch_bytes" in reject["reason"], reject
    project.run(code=Exit.REJECTS).counts(unchanged=19, rejected=1)
    project.configure(couchdb={"max_batch_bytes": "1MiB"})
    project.run().counts(created=1, unchanged=19)
    assert project.rejects() == []


def test_a_document_larger_than_couchdb_takes(project, database, apache_couch):
    """A 413 rejects a whole batch: the writer must find the one to blame and write the others."""
    project.configure(couchdb={"max_batch_bytes": "32MiB"})
    load(project, database, rows="generate_series(1, 60) n")
    database.sql("UPDATE item SET v = repeat('x', 9000000) WHERE id IN (17, 40)")
    project.run(code=Exit.REJECTS).counts(created=58, rejected=2)
    rejects = project.rejects()
    assert len(rejects) == 2
    assert project.db("catalog").count() == 58
    assert len(json.dumps(rejects)) < 100_000  # a reject keeps a bounded piece of its record
    project.run(code=Exit.REJECTS).counts(unchanged=58, rejected=2)
    assert [reject["attempts"] for reject in project.rejects()] == [2, 2]


def test_a_server_limit_below_ours_is_met_by_bisecting(own_couch, make_project, database):
    couch = own_couch()
    couch.configure("couchdb", "max_document_size", "20000")
    project = make_project(couch, database)
    load(project, database, rows="generate_series(1, 300) n")
    database.sql("UPDATE item SET v = repeat('x', 30000) WHERE id % 100 = 50")
    project.run(code=Exit.REJECTS).counts(created=297, rejected=3)
    assert project.db("catalog").count() == 297
    project.run(code=Exit.REJECTS).counts(unchanged=297, rejected=3)


def test_rejects_hold_no_bytes(project, database):
    database.sql(r"CREATE TABLE item AS SELECT 1 AS id, 'x' AS v, '\xdeadbeef'::bytea AS photo")
    project.table_mapper(fields="v: {from: v, type: integer}\nphoto: photo")
    project.run(code=Exit.REJECTS)
    text = json.dumps(project.rejects())
    assert "3q2+7w" not in text and "deadbeef" not in text


def test_rejects_hold_no_secrets(project, database):
    """Columns that look like one, by the rule of discover; a table's mapper reads all columns."""
    database.sql("CREATE TABLE item AS SELECT 1 AS id, 'x' AS v, 'hash1' AS password, 'hash2'"
                 " AS \"API_Key\", '{\"a\": \"hash3\"}'::jsonb AS tokens, 7 AS pin,"
                 " array['hash4'] AS secrets")
    project.table_mapper(columns=["password", "API_Key", "tokens", "pin", "secrets"],
                         fields="v: {from: v, type: integer}")
    project.run(code=Exit.REJECTS)
    [reject] = project.rejects()
    assert reject["record"] == {"id": 1, "v": "x", "pin": 7}
    assert "hash" not in json.dumps(reject)
    shown = project.erp2couch("rejects", "show", "item").expect(Exit.OK)
    assert "hash" not in shown.out + shown.err


def test_too_many_rejects_stop_the_run(project, database):
    load(project, database, rows="generate_series(1, 300) n", fields="v: {from: v, required: true}")
    project.run().counts(created=300)
    before = project.snapshot("catalog")
    database.sql("UPDATE item SET v = NULL WHERE id > 100; DELETE FROM item WHERE id = 1")
    result = project.run(code=Exit.REFUSED).says("reject")
    assert result.mapper()["outcome"] == "refused"
    assert project.snapshot("catalog") == before  # an unfinished read deletes nothing


def test_max_rejects_of_a_mapper(project, database):
    load(project, database, fields="v: {from: v, required: true}", more="max_rejects: 3")
    database.sql("UPDATE item SET v = NULL WHERE id <= 3")
    project.run(code=Exit.REJECTS).counts(created=17, rejected=3)
    database.sql("UPDATE item SET v = NULL WHERE id = 4")
    project.run(code=Exit.REFUSED).says("max_rejects")


def test_few_records_may_all_be_rejects(project, database):
    """The default limit is for more than 100 records."""
    load(project, database, fields="v: {from: v, type: integer}")
    project.run(code=Exit.REJECTS).counts(rejected=20)


def test_history_of_the_last_100_runs(project, database):
    load(project, database)
    for _ in range(3):
        project.run()
    history = [doc for doc in project.control.docs().values()
               if doc.get("mapper") == "item" and "outcome" in doc]
    assert len(history) == 3
    assert sorted(doc["created"] for doc in history) == [0, 0, 20]
    assert all(doc["outcome"] == "ok" for doc in history)


def test_history_ends_at_100_runs(project, database):
    """The oldest go, a few with each run, until 100 are left."""
    load(project, database, rows="generate_series(1, 1) n")

    def history():
        return sorted(doc["started"] for doc in project.control.docs().values()
                      if doc.get("mapper") == "item" and "outcome" in doc)

    project.run()
    [first] = history()
    old = [f"2020-01-01T00:{n // 60:02}:{n % 60:02}Z" for n in range(102)]
    like = next(doc for doc in project.control.docs().values() if doc.get("started") == first)
    project.control.bulk([{**{key: like[key] for key in like if key != "_rev"},
                           "_id": f"run:item:{started}", "started": started} for started in old])
    for _ in range(2):
        project.run()
    assert len(history()) == 100
    assert history()[:97] == old[5:] and first in history()


def test_secrets_stay_out_of_everything(project, database):
    load(project, database, fields="v: {from: v, type: integer}")
    result = project.run(code=Exit.REJECTS)
    said = result.out + result.err + json.dumps(project.control.docs())
    state = b"".join(path.read_bytes() for path in project.state.rglob("*") if path.is_file())
    for secret in (project.couch.password, "reader's secret"):
        assert secret not in said
        assert secret.encode() not in state


# ---- rows that the source cannot hand over ----

@pytest.fixture
def growing(project, database):
    """30 records whose rows grow too large, loaded."""
    database.sql("CREATE TABLE base (id int PRIMARY KEY, large bool, keyless bool,"
                 " version int);"
                 " INSERT INTO base SELECT n, false, false, n FROM generate_series(1, 30) n;"
                 " CREATE VIEW item AS SELECT version, CASE WHEN keyless THEN NULL ELSE id END"
                 " AS id, CASE WHEN large THEN repeat('x', 64 << 20) ELSE 'v' || id END AS v"
                 " FROM base")

    def mapper(more=""):
        project.table_mapper(columns=["v"], extract="cursor: version\nlookback: 0s\n" + more)

    mapper()
    project.run().counts(created=30)
    project.run()
    return mapper


def test_a_row_that_grew_too_large_keeps_its_document(project, database, growing):
    """Read with the others or again by key, because it is a reject, or was called deleted."""
    database.sql("UPDATE base SET large = true, version = 100 WHERE id = 5")
    for _ in range(2):
        assert project.run(code=Exit.REJECTS).mapper()["rejected"] >= 1
        [reject] = project.rejects()
        assert (reject["key"], reject["document"]) == (5, "item:5")
    growing("deletes: {query: SELECT 5 AS id, key: id}")
    project.run(code=Exit.REJECTS)
    assert project.run(code=Exit.REJECTS).mapper()["deleted"] == 0
    assert project.db("catalog").get("item:5")["v"] == "v5"
    database.sql("UPDATE base SET large = false WHERE id = 5")
    project.run()
    assert project.rejects() == []


def test_a_row_too_large_hides_no_deletions(project, database, growing):
    database.sql("UPDATE base SET large = true WHERE id = 5; DELETE FROM base WHERE id IN (7, 8)")
    project.run("--full", code=Exit.REJECTS).counts(deleted=2, rejected=1, unchanged=27)


@pytest.mark.slow
def test_a_row_too_large_without_a_key_may_be_any_record(project, database, growing):
    """What is not there may be that one, also for a read by key."""
    growing("deletes: {query: SELECT 5 AS id, key: id}")
    project.run()
    database.sql("UPDATE base SET large = true, keyless = true, version = 100 WHERE id = 5")
    for words in (), ("--full",):
        result = project.run(*words, code=Exit.REJECTS).says("a record came without its key")
        assert result.mapper()["deleted"] == 0
    database.sql("DELETE FROM base WHERE id = 5")
    assert project.run().mapper()["deleted"] == 1  # the cursor stayed: rows may be read again


# ---- rejects of earlier runs, and max_rejects ----

def test_rejects_that_are_read_again_do_not_stop_an_incremental_run(project, database):
    """They say nothing of what is new, and would stop every run."""
    database.sql("CREATE TABLE item AS SELECT n AS id, CASE WHEN n <= 1400 THEN 'v' END AS v,"
                 " n AS version FROM generate_series(1, 2700) n")
    project.table_mapper(fields="v: {from: v, required: true}",
                         extract="cursor: version\nlookback: 0s")
    project.run(code=Exit.REJECTS).counts(created=1400, rejected=1300)
    for new in 3000, 3001:
        database.sql("INSERT INTO item VALUES (%s, 'new', %s)", [new, new])
        result = project.run(code=Exit.REJECTS)
        assert (result.mapper()["created"], result.mapper()["rejected"]) == (1, 1300)


def test_a_dry_run_counts_a_reject_once(project, database):
    """The look-back and the list of rejects both name the records."""
    database.sql("CREATE TABLE item AS SELECT n AS id, CASE WHEN n > 3 THEN 'v' END AS v,"
                 " now() AS changed FROM generate_series(1, 20) n")
    project.table_mapper(fields="v: {from: v, required: true}", extract="cursor: changed")
    project.run(code=Exit.REJECTS)
    for options in [], ["--dry-run"], []:
        result = project.run(*options, code=Exit.REJECTS).counts(unchanged=17, rejected=3)
        assert result.mapper()["read"] == 20


def test_max_rejects_counts_what_is_new(project, database):
    database.sql("CREATE TABLE item AS SELECT n AS id, CASE WHEN n > 3 THEN 'v' END AS v,"
                 " n AS version FROM generate_series(1, 20) n")
    project.table_mapper(fields="v: {from: v, required: true}", more="max_rejects: 3",
                         extract="cursor: version\nlookback: 0s")
    project.run(code=Exit.REJECTS)
    project.run(code=Exit.REJECTS)
    database.sql("INSERT INTO item SELECT n, NULL, n FROM generate_series(101, 102) n")
    assert project.run(code=Exit.REJECTS).mapper()["rejected"] == 5
    database.sql("INSERT INTO item SELECT n, NULL, n FROM generate_series(201, 204) n")
    project.run(code=Exit.REFUSED)
    project.run("--full", code=Exit.REFUSED)
