"""`rejects list | show | retry | drop`: what an operator sees of rejects and does about them."""

import fcntl
import json
import re
import subprocess

import pytest

from support.project import Exit

pytestmark = pytest.mark.once

HOSTILE = ["a,b", '"q"', "two\nlines", "\x1b[2J\x1b]0;pwned\x07", "é" * 30, "\u202egpj.exe", "%s%n",
           "  ", "x" * 700, "\u0085next", "[1,2]", "null", "--all"]


@pytest.fixture
def table(project, database):
    """20 records, of which 3, 7 and 12 are rejected."""
    database.sql("CREATE TABLE item AS SELECT n AS id, 'v' || n AS v FROM generate_series(1, 20) n;"
                 " UPDATE item SET v = NULL WHERE id IN (3, 7, 12)")
    project.table_mapper(fields="v: {from: v, required: true}")
    project.run(code=Exit.REJECTS).counts(created=17, rejected=3)
    return project


def listed(project, *words, **options):
    return project.erp2couch("rejects", "list", "--json", *words, **options).expect(Exit.OK).json


def keys(project, *words):
    return [reject["key"] for reject in listed(project, *words)["rejects"]]


# ---- list and show ----

def test_list_has_a_line_for_each(table):
    out = table.erp2couch("rejects", "list").expect(Exit.OK).out.splitlines()
    assert out[0].split() == ["MAPPER", "KEY", "DOCUMENT", "STAGE", "ATTEMPTS", "FIRST", "LAST",
                              "FIELD", "REASON"]
    assert [line.split()[:4] for line in out[1:4]] == [["item", key, "map", "1"]
                                                       for key in ("12", "3", "7")]
    assert all("required but null" in line for line in out[1:4])
    assert out[4:] == ["3 rejects"]


def test_list_as_json(table):
    value = listed(table)
    assert value["count"] == 3 and list(value) == ["rejects", "count"]
    first = value["rejects"][0]
    assert list(first) == ["id", "mapper", "key", "database", "document", "stage", "field",
                           "reason", "attempts", "first", "last"]
    assert (first["mapper"], first["key"], first["stage"], first["field"], first["attempts"]) == (
        "item", 12, "map", "v", 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["first"])


def test_limits(table):
    value = listed(table, "--limit", "2")
    assert [reject["key"] for reject in value["rejects"]] == [12, 3] and value["more"] is True
    assert "more" not in listed(table, "--limit", "3")
    assert listed(table, "--limit", "0")["rejects"] == []
    table.erp2couch("rejects", "list", "--limit", "1").expect(Exit.OK).says("1 reject, and there")


def test_the_document_that_stays_is_named(table, database):
    database.sql("UPDATE item SET v = NULL WHERE id = 5")
    table.run(code=Exit.REJECTS)
    [reject] = [one for one in listed(table)["rejects"] if one["key"] == 5]
    assert reject["document"] == "item:5" and reject["database"] == table.prefix + "catalog"


def test_show_has_everything(table):
    value = table.erp2couch("rejects", "show", "item", "--key", "7", "--json").expect(0).json
    [reject] = value["rejects"]
    assert reject["record"] == {"id": 7, "v": None}
    text = table.erp2couch("rejects", "show", "item").expect(Exit.OK).out
    for part in ("item: key 12", "item: key 3", "item: key 7", "stage", "reason", "record",
                 "attempts"):
        assert part in text
    assert len(text.split("\n\n")) == 3


def test_several_mappers_and_none(table, database):
    assert listed(table, "item") == listed(table)
    database.sql("CREATE TABLE other AS SELECT 1 AS id, 'x' AS n")
    table.table_mapper("other", fields="n: {from: n, type: integer}")
    assert listed(table, "other")["count"] == 0
    table.run("other", code=Exit.REJECTS)
    assert [one["mapper"] for one in listed(table)["rejects"]] == ["item"] * 3 + ["other"]
    assert keys(table, "other", "item") == [1, 12, 3, 7]


def test_before_the_first_run(project):
    project.table_mapper(columns=["v"])
    assert project.erp2couch("rejects", "list").expect(Exit.OK).out == "no rejects\n"
    assert listed(project) == {"rejects": [], "count": 0}
    project.erp2couch("rejects", "retry").expect(Exit.OK).says("no rejects")
    project.erp2couch("rejects", "drop", "item", "--all").expect(Exit.OK).says("dropped 0")
    assert not project.control.exists()


def test_hostile_keys(project, database):
    database.sql("CREATE TABLE item (n serial, id text, v text)")
    for key in HOSTILE:
        database.sql("INSERT INTO item (id) VALUES (%s)", [key])
    project.table_mapper(fields="v: {from: v, required: true}", target_id="item:${n}",
                         more="max_rejects: 100")
    project.run(code=Exit.REJECTS).counts(rejected=len(HOSTILE))
    assert sorted(keys(project)) == sorted(HOSTILE)
    for verb in (["list"], ["show", "item"]):
        result = project.erp2couch("rejects", *verb).expect(Exit.OK)
        assert not set(re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", result.out)), verb
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", result.err)
    lines = project.erp2couch("rejects", "list").out.splitlines()
    assert len(lines) == len(HOSTILE) + 2
    for key in HOSTILE:
        one = project.erp2couch("rejects", "show", "item", f"--key={key}", "--json").expect(0).json
        assert [reject["key"] for reject in one["rejects"]] == [key]
    database.sql("UPDATE item SET v = 'x'")
    for count, key in enumerate(HOSTILE):
        result = project.erp2couch("rejects", "retry", "item", f"--key={key}", "--json").expect(0)
        assert result.json["mappers"][0]["created"] == 1, result
        assert len(keys(project)) == len(HOSTILE) - count - 1


def test_documents_that_are_no_rejects_do_no_harm(table):
    for number, body in enumerate(({}, {"key": {"a": 1}, "reason": 7, "record": [1]},
                                   {"key": None, "mapper": "\x1b[1m", "attempts": "many"})):
        table.control.call("PUT", f"/reject:item:junk{number}", json=body)
    assert listed(table)["count"] == 6
    table.erp2couch("rejects", "list").expect(Exit.OK)
    table.erp2couch("rejects", "show", "item").expect(Exit.OK)
    table.run(code=Exit.REJECTS).counts(unchanged=17, rejected=3)
    assert listed(table)["count"] == 3


# ---- the record of rejects that were found late ----

def test_rejects_of_claims_have_their_record(project, database):
    database.sql("CREATE TABLE item AS SELECT n AS id, 'c' || n AS code FROM"
                 " generate_series(1, 6) n")
    project.table_mapper(columns=["code"], target_id="item:${code}")
    project.run().counts(created=6)
    database.sql("UPDATE item SET code = 'c1' WHERE id IN (2, 3)")
    project.run(code=Exit.REJECTS)
    rejects = project.rejects()
    assert sorted(reject["key"] for reject in rejects) == [1, 2, 3]
    for reject in rejects:
        assert reject["stage"] == "claim" and reject["attempts"] == 1
        assert reject["record"] == {"id": reject["key"], "code": "c1"}, reject
    project.run(code=Exit.REJECTS)
    assert {reject["attempts"] for reject in project.rejects()} == {2}
    assert all("record" in reject for reject in project.rejects())
    database.sql("UPDATE item SET code = 'c' || id")
    project.run()
    assert project.rejects() == []


def test_rejects_of_couchdb_have_their_record(own_couch, make_project, database):
    couch = own_couch()
    couch.configure("couchdb", "max_document_size", "20000")
    project = make_project(couch, database)
    database.sql("CREATE TABLE item AS SELECT n AS id, CASE WHEN n % 3 = 0 THEN repeat('x', 30000)"
                 " ELSE 'x' END AS v FROM generate_series(1, 300) n")
    project.table_mapper(columns=["v"])
    project.run(code=Exit.REJECTS).counts(created=200, rejected=100)
    rejects = project.rejects()
    assert len(rejects) == 100
    for reject in rejects:
        assert reject["stage"] == "write" and reject["document"] == f"item:{reject['key']}"
        assert reject["record"]["id"] == reject["key"]
        assert len(json.dumps(reject)) < 70_000
    couch.configure("couchdb", "max_document_size", "8000000")
    result = project.erp2couch("rejects", "retry", "--json").expect(Exit.OK)
    assert result.json["mappers"][0]["created"] == 100, result
    assert project.rejects() == [] and project.db("catalog").count() == 300


# ---- retry ----

def retry(project, *words, code=Exit.OK, **expected):
    result = project.erp2couch("rejects", "retry", "--json", *words).expect(code)
    [mapper] = result.json["mappers"]
    got = {key: mapper[key] for key in expected}
    assert got == expected, result
    return result


def test_retry_writes_what_is_mended(table, database):
    database.sql("UPDATE item SET v = 'there' WHERE id = 3; UPDATE item SET v = 'unread' WHERE"
                 " id = 1; DELETE FROM item WHERE id = 2")
    retry(table, code=Exit.REJECTS, retried=3, created=1, rejected=2, gone=0, left=0,
          outcome="rejects")
    assert {reject["key"]: reject["attempts"] for reject in table.rejects()} == {7: 2, 12: 2}
    catalog = table.db("catalog")
    assert catalog.get("item:3")["v"] == "there"
    assert catalog.get("item:1")["v"] == "v1"  # only rejected records were read
    assert catalog.get("item:2") is not None   # and nothing was swept
    table.run(code=Exit.REJECTS).counts(updated=1, deleted=1, unchanged=16, rejected=2)
    assert {reject["attempts"] for reject in table.rejects()} == {3}


def test_retry_by_key(table, database):
    database.sql("UPDATE item SET v = 'there' WHERE v IS NULL")
    retry(table, "item", "--key", "7", retried=1, created=1, rejected=0, outcome="ok")
    assert sorted(keys(table)) == [3, 12]
    assert {reject["attempts"] for reject in table.rejects()} == {1}
    table.erp2couch("rejects", "retry", "item").expect(Exit.OK).says(
        "item: ok: retried 2, written 2, unchanged 0, still rejected 0, gone from the source 0")
    assert keys(table) == []
    table.quiet_run()


def test_a_record_that_is_gone_loses_its_reject(table, database):
    database.sql("DELETE FROM item WHERE id IN (3, 7)")
    result = retry(table, code=Exit.REJECTS, retried=3, gone=2, rejected=1, deleted=0)
    result.says("key 3 is gone from the source", "key 7 is gone")
    assert keys(table) == [12]


def test_the_document_of_a_record_that_is_gone_waits_for_a_sweep(table, database):
    database.sql("UPDATE item SET v = NULL WHERE id = 5")
    table.run(code=Exit.REJECTS)
    database.sql("DELETE FROM item WHERE id = 5")
    retry(table, "item", "--key", "5", retried=1, gone=1, deleted=0)
    assert table.db("catalog").get("item:5") is not None
    table.run(code=Exit.REJECTS).counts(deleted=1, unchanged=16, rejected=3)
    assert table.db("catalog").get("item:5") is None


def test_retry_with_composite_keys_and_large_integers(project, database):
    database.sql("CREATE TABLE item (a bigint, b text, v text);"
                 " INSERT INTO item VALUES (1, 'x,y'), (9007199254740993, '9007199254740993'),"
                 " (-5, ''), (2, 'ok')")
    project.table_mapper(key="[a, b]", target_id="item:${a}-${b}",
                         fields="v: {from: v, required: true}")
    project.run(code=Exit.REJECTS).counts(rejected=4)
    assert keys(project) == [["9007199254740993"] * 2, [-5, ""], [1, "x,y"], [2, "ok"]]
    database.sql("UPDATE item SET v = 'x'; DELETE FROM item WHERE a = 2")
    retry(project, "item", "--key", "1,x,y", retried=1, created=1)
    retry(project, "item", "--key", '[-5,""]', retried=1, created=1)
    retry(project, retried=2, created=1, gone=1)
    assert keys(project) == []
    project.quiet_run(unchanged=3)


def test_rejects_without_a_key_are_left_to_a_full_run(table, database):
    database.sql("INSERT INTO item VALUES (NULL, 'nobody'); UPDATE item SET v = 'x'")
    table.run(code=Exit.REJECTS)
    [reject] = listed(table)["rejects"]
    assert reject["key"] is None
    retry(table, code=Exit.REJECTS, retried=0, left=1)
    table.erp2couch("rejects", "show", "item", "--key", reject["id"]).expect(Exit.OK)
    table.erp2couch("rejects", "drop", "item", "--key", reject["id"]).expect(Exit.OK)
    assert keys(table) == []


def test_retry_passes_no_guard(project, database):
    """300 rejects that stay rejects are no reason to stop: nothing is deleted, nothing is new."""
    database.sql("CREATE TABLE item AS SELECT n AS id, NULL::text AS v FROM"
                 " generate_series(1, 300) n")
    project.table_mapper(fields="v: {from: v, required: true}", more="max_rejects: 300")
    project.run(code=Exit.REJECTS)
    project.table_mapper(fields="v: {from: v, required: true}", more="max_rejects: 3")
    retry(project, code=Exit.REJECTS, retried=300, rejected=300)


def test_a_claim_that_both_hold_is_settled_by_retry(project, database):
    database.sql("CREATE TABLE item (id int PRIMARY KEY, code text);"
                 " INSERT INTO item VALUES (1, 'a'), (2, 'b')")
    project.table_mapper(columns=["code"], target_id="item:${code}")
    project.run()
    database.sql("UPDATE item SET code = 'a' WHERE id = 2")
    project.run(code=Exit.REJECTS).counts(rejected=2)
    database.sql("UPDATE item SET code = 'c' WHERE id = 2")
    retry(project, retried=2, moved=1, rejected=0)
    assert keys(project) == []
    assert sorted(project.db("catalog").ids()) == ["item:a", "item:c"]
    project.quiet_run(unchanged=2)


def test_history_and_status_tell_a_retry_from_a_run(table, database):
    before = table.erp2couch("status", "--json").expect(0).json["mappers"][0]
    retry(table, code=Exit.REJECTS)
    after = table.erp2couch("status", "--json").expect(0).json["mappers"][0]
    assert after["last_success"] == before["last_success"]
    assert after["last_run"]["keys"] == 3 and "keys" not in before["last_run"]
    table.erp2couch("status").expect(Exit.OK).says("a retry of rejects")


def test_a_retry_without_the_source_leaves_everything(table):
    before = table.rejects()
    table.env["ERP_DSN"] = "host=127.0.0.1 port=9 dbname=none"
    retry(table, code=Exit.UNAVAILABLE, retried=0, read=0, rejected=0, outcome="unavailable")
    table.erp2couch("rejects", "retry").expect(Exit.UNAVAILABLE).says("rejects are as they were")
    assert table.rejects() == before


# ---- drop ----

def test_drop_one_and_all(table):
    result = table.erp2couch("rejects", "drop", "item", "--key", "7", "--json").expect(Exit.OK)
    assert result.json == {"mapper": "item", "dropped": 1}
    assert keys(table) == [12, 3]
    table.erp2couch("rejects", "drop", "item", "--all").expect(Exit.OK).says("dropped 2 rejects")
    assert keys(table) == []
    table.run(code=Exit.REJECTS).counts(unchanged=17, rejected=3)
    assert {reject["attempts"] for reject in table.rejects()} == {1}


def test_rejects_of_a_mapper_that_is_no_more(table):
    (table.folder / "mappers/item.yaml").unlink()
    table.table_mapper("other", table="item", database="elsewhere")
    assert keys(table) == [12, 3, 7] and keys(table, "item") == [12, 3, 7]
    table.erp2couch("rejects", "show", "item", "--key", "3").expect(Exit.OK)
    table.erp2couch("rejects", "retry", "item").expect(Exit.USAGE)
    table.erp2couch("rejects", "drop", "item", "--all").expect(Exit.OK).says("dropped 3")
    table.erp2couch("rejects", "list", "item").expect(Exit.USAGE)


def test_five_thousand(project, database):
    database.sql("CREATE TABLE item AS SELECT n AS id, NULL::text AS v FROM"
                 " generate_series(1, 5000) n")
    project.table_mapper(fields="v: {from: v, required: true}", more="max_rejects: 10000")
    project.run(code=Exit.REJECTS).counts(rejected=5000)
    value = listed(project)
    assert value["count"] == len({reject["key"] for reject in value["rejects"]}) == 5000
    assert len(project.erp2couch("rejects", "list").expect(0).out.splitlines()) == 5002
    assert len(keys(project, "--limit", "2500")) == 2500
    database.sql("UPDATE item SET v = 'x' WHERE id > 100; DELETE FROM item WHERE id <= 10")
    retry(project, code=Exit.REJECTS, retried=5000, created=4900, rejected=90, gone=10)
    assert len(keys(project)) == 90
    project.erp2couch("rejects", "drop", "item", "--all").expect(0).says("dropped 90 rejects")
    assert keys(project) == []


# ---- what can go wrong ----

ALL = [["list"], ["show", "item"], ["retry"], ["drop", "item", "--all"]]


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_servers_that_do_not_answer_or_refuse(table, words):
    table.configure(couchdb={"url": "http://127.0.0.1:9", "retry_for": "1s"})
    result = table.erp2couch("rejects", *words, "--json").expect(Exit.UNAVAILABLE)
    assert "error" in json.dumps(result.json)
    table.configure(couchdb={"url": table.couch.base})
    # a name of its own: CouchDB locks an account after five wrong passwords
    table.configure(couchdb={"auth": {"user": table.prefix + "stranger"}})
    result = table.erp2couch("rejects", *words, "--json").expect(Exit.CONFIG)
    assert "error" in json.dumps(result.json)


@pytest.mark.parametrize("words, code", [
    (["list"], Exit.OK), (["show", "item"], Exit.OK), (["retry"], Exit.LOCKED),
    (["drop", "item", "--all"], Exit.LOCKED)], ids=str)
def test_while_a_run_holds_the_lock(table, words, code):
    with open(table.state / "item/lock", "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = table.erp2couch("rejects", *words, "--json").expect(code)
        assert result.json
    assert len(keys(table)) == 3


@pytest.mark.parametrize("words, says", [
    ([], "usage"), (["lst"], "list"), (["list", "itme"], "item"), (["show"], "usage"),
    (["show", "itme"], "item"), (["show", "item", "--key", "99"], "no reject with key 99"),
    (["retry", "itme"], "item"), (["retry", "item", "--key", "99"], "no reject with key 99"),
    (["retry", "--key", "3"], "mapper"), (["drop", "item"], "--all"), (["drop"], "usage"),
    (["drop", "item", "--all", "--key", "3"], "--all"), (["drop", "itme", "--all"], "item"),
    (["drop", "item", "--key", "99"], "no reject with key 99"), (["list", "--all"], "--all"),
    (["list", "--key", "3"], "--key"), (["retry", "--limit", "3"], "--limit"),
    (["show", "item", "other"], "usage"), (["list", "It em:\n"], "there is no mapper"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_usage_errors(table, words, says):
    table.erp2couch("rejects", *words).expect(Exit.USAGE).says(re.escape(says))
    assert table.erp2couch("rejects", *words, "--json").expect(Exit.USAGE).json
    assert len(keys(table)) == 3


def test_a_reader_that_goes_away(table):
    done = subprocess.run(f"{table.binary} rejects list | head -n 1", shell=True, cwd=table.folder,
                          env=table.environment(), capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("MAPPER") and "rror" not in done.stderr


# ---- more keys than a list holds ----

def long_keys(project, database):
    """60 rows whose keys take 36 MB together."""
    database.sql("CREATE TABLE item AS SELECT repeat('k', 600000) || n AS id, n, NULL AS v,"
                 " n AS version FROM generate_series(1, 60) n")
    project.table_mapper(target_id="item:${n}", fields="n: n\nv: {from: v, required: true}",
                         extract="cursor: version\nlookback: 0s")


@pytest.mark.slow
def test_retry_reads_all_keys_in_parts(project, database):
    long_keys(project, database)
    project.run(code=Exit.REJECTS).counts(rejected=60)
    database.sql("UPDATE item SET v = 'there' WHERE n > 1")
    [mapper] = project.erp2couch("rejects", "retry", "--json").expect(
        Exit.REJECTS).json["mappers"]
    assert (mapper["created"], mapper["rejected"], mapper["gone"]) == (59, 1, 0)
    assert len(project.rejects()) == 1


def test_edits_of_others_keep_no_record_from_being_retried(project, database):
    """So many that a run would read everything for them."""
    long_keys(project, database)
    database.sql("UPDATE item SET v = 'there'; INSERT INTO item VALUES ('short', 99, NULL, 0)")
    project.run(code=Exit.REJECTS).counts(created=60, rejected=1)
    catalog = project.db("catalog")
    revs = catalog.revs()
    catalog.bulk([{**doc, "_rev": revs[key], "v": "meddled"}
                  for key, doc in catalog.docs().items()])
    assert {doc["v"] for doc in catalog.docs().values()} == {"meddled"}
    [mapper] = project.erp2couch("rejects", "retry", "--json").expect(
        Exit.REJECTS).json["mappers"]
    assert (mapper["rejected"], mapper["gone"]) == (1, 0)
    assert [reject["key"] for reject in project.rejects()] == ["short"]
    project.run(code=Exit.REJECTS)
    assert {doc["v"] for doc in catalog.docs().values()} == {"there"}
