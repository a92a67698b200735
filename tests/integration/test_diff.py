"""diff shows what the next run does, verify what CouchDB holds beside the source."""

import os
import pty
import re
import subprocess

import pytest

from support.project import Exit

pytestmark = pytest.mark.once


@pytest.fixture
def catalog(project, database):
    database.sql("CREATE TABLE item AS SELECT n AS id, 'c' || n AS code, n * 1.5 AS price, 'x' AS"
                 " note FROM generate_series(1, 60) n")
    project.table_mapper(columns=["code", "note"], target_id="item:${code}",
                         fields="price: {from: price, type: decimal, scale: 2}")
    project.run().counts(created=60)
    return project.db("catalog")


def change(database):
    database.sql("UPDATE item SET price = 99, note = NULL WHERE id = 7; DELETE FROM item WHERE id"
                 " = 8; INSERT INTO item VALUES (100, 'c100', 1, 'new'); UPDATE item SET code ="
                 " 'z9' WHERE id = 9")


def diff(project, *words, code=Exit.OK):
    return project.erp2couch("diff", "item", "--json", *words).expect(code).json


def test_diff_tells_what_the_run_does(project, database, catalog):
    change(database)
    before = project.snapshot("catalog", "control")
    told = diff(project)
    assert project.snapshot("catalog", "control") == before
    assert {key: told[key] for key in ("create", "update", "move", "delete", "unchanged",
                                       "rejected")} == {
        "create": 1, "update": 1, "move": 1, "delete": 1, "unchanged": 57, "rejected": 0}
    samples = {sample["change"]: sample for sample in told["samples"]}
    assert samples["update"]["id"] == "item:c7" and samples["update"]["key"] == "7"
    assert samples["update"]["fields"] == [
        {"field": "note", "was": "x"}, {"field": "price", "was": "10.50", "is": "99.00"}]
    assert (samples["move"]["old_id"], samples["move"]["id"]) == ("item:c9", "item:z9")
    assert samples["delete"]["id"] == "item:c8"
    assert 500 < told["bytes"] < 3000
    project.run().counts(created=1, updated=1, moved=1, deleted=1, unchanged=57)
    assert diff(project)["bytes"] == 0


def test_diff_for_people(project, database, catalog):
    change(database)
    result = project.erp2couch("diff", "item").expect(Exit.OK)
    result.says(r"item: create 1, update 1, move 1, delete 1, unchanged 57, rejected 0",
                r'price: "10.50" -> "99.00"', r"\(now item:c9\)", "would pull about")
    assert not (project.state / "item" / "dry-run").exists()


def test_diff_follows_foreign_edits_and_swaps(project, database, catalog):
    doc = catalog.get("item:c3")
    catalog.put({**doc, "price": "0.00"})
    catalog.put({**catalog.get("item:c4"), "seen": True})
    back = catalog.put({**catalog.get("item:c5"), "price": "1.00"})
    catalog.put({**doc, "_id": "item:c5", "_rev": back["rev"] if isinstance(back, dict) else
                 catalog.get("item:c5")["_rev"], "code": "c5", "price": "7.50"})
    database.sql("UPDATE item SET code = CASE id WHEN 1 THEN 'c2' ELSE 'c1' END WHERE id < 3")
    told = diff(project)
    assert (told["update"], told["move"], told["unchanged"]) == (2, 2, 56)
    fields = {s["id"]: s["fields"] for s in told["samples"] if s["change"] == "update"}
    assert fields == {"item:c3": [{"field": "price", "was": "0.00", "is": "4.50"}],
                      "item:c4": [{"field": "seen", "was": True}]}
    project.run().counts(updated=2, moved=2, unchanged=56)


def test_diff_compares_all_where_others_changed_very_many(project, database, catalog):
    """More bytes of ids than it looks at one by one."""
    database.sql("INSERT INTO item SELECT n, '', 1, 'x' FROM generate_series(61, 80) n;"
                 " UPDATE item SET code = repeat(md5(id::text), 120)")
    project.run().counts(created=20, moved=60)
    revs = catalog.revs()
    docs = [{**doc, "_rev": revs[key], "note": "edited"} for key, doc in catalog.docs().items()]
    catalog.call("POST", "/_bulk_docs", json={"docs": docs[:79]})
    result = project.erp2couch("diff", "item", "--json").says("all documents are compared")
    assert {key: result.json[key] for key in ("create", "update", "move", "delete", "unchanged")} \
        == {"create": 0, "update": 79, "move": 0, "delete": 0, "unchanged": 1}
    project.run().counts(updated=79, unchanged=1)


def test_limit_bounds_the_samples(project, database, catalog):
    database.sql("UPDATE item SET note = 'all'")
    told = diff(project, "--limit", "3")
    assert told["update"] == 60 and len(told["samples"]) == 3
    assert diff(project, "--limit", "0")["samples"] == []


def test_diff_tells_what_the_brake_would_withhold(project, database, catalog):
    database.sql("DELETE FROM item WHERE id > 30")
    told = diff(project)
    assert (told["delete"], told["withheld"], told["outcome"]) == (30, 30, "ok")
    project.erp2couch("diff", "item").expect(Exit.OK).says("would withhold", "--allow-deletes")
    assert project.run(code=Exit.REFUSED).mapper()["withheld"] == 30
    project.run("--allow-deletes").counts(deleted=30, unchanged=30)
    assert "withheld" not in diff(project)


def test_text_of_strangers_is_fit_for_a_terminal(project, database, catalog):
    catalog.put({**catalog.get("item:c3"), "\x1b[2J": "\u202e\x9b", "long": "é" * 200})
    database.sql("INSERT INTO item VALUES (100, E'a\\u202eb', 1, '')")
    for words in (["diff", "item"], ["verify", "item"]):
        out = project.erp2couch(*words).out
        assert not set(re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ufffd]", out)), out
        assert r"item:a\u202eb" in out and '"é' in out and "(402 bytes)" in out, out
    assert diff(project)["samples"][0]["id"] == "item:a\u202eb"


def test_verify_believes_nothing(project, database, catalog):
    assert project.erp2couch("verify", "item", "--json").expect(Exit.OK).json["equal"] == 60
    change(database)
    catalog.put({"_id": "item:stray", "type": "item"})
    told = project.erp2couch("verify", "item", "--json").expect(Exit.REJECTS).json
    assert {key: told[key] for key in ("missing", "different", "extra", "equal", "outcome")} == {
        "missing": 2, "different": 1, "extra": 3, "equal": 57, "outcome": "different"}
    project.erp2couch("verify", "item").expect(Exit.REJECTS).says("extra .*item:stray", "missing")
    project.erp2couch("verify", "item", "--limit", "1").expect(Exit.REJECTS).says(
        r"\.\.\. and 1 more: missing", r"\.\.\. and 2 more: extra")


def test_verify_tells_of_extra_documents_that_a_run_leaves(project, database, catalog):
    project.table_mapper(columns=["code"], target_id="item:${code}",
                         extract="deletes: {sweep: false}",
                         fields="note: {from: note, required: true}\n"
                                "price: {from: price, type: decimal, scale: 2}")
    catalog.put({"_id": "item:stray", "type": "item"})
    told = project.erp2couch("verify", "item", "--json").expect(Exit.REJECTS).json
    assert (told["extra"], told["equal"], told["outcome"]) == (1, 60, "different")
    database.sql("UPDATE item SET note = NULL WHERE id = 1")  # one of them may be its own
    told = project.erp2couch("verify", "item", "--json").expect(Exit.REJECTS).json
    assert (told["extra"], told["unclaimed"], told["rejected"]) == (0, 2, 1)
    project.run(code=Exit.REJECTS).counts(unchanged=59, rejected=1)
    assert catalog.get("item:stray")


def test_verify_sees_an_edit_that_the_state_does_not_know(project, database, catalog):
    catalog.put({**catalog.get("item:c3"), "price": "0.00"})
    told = project.erp2couch("verify", "item", "--json").expect(Exit.REJECTS).json
    assert told["different"] == 1 and told["samples"][0]["id"] == "item:c3"


LOOKS = [["diff", "item"], ["verify", "item"], ["run", "--dry-run"]]


def state_files(project):
    return {str(path.relative_to(project.state)): path.read_bytes() for path in
            project.state.rglob("*") if path.is_file() and path.name not in ("lock", "lock.mdb")}


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
def test_nothing_is_written_before_the_first_run(project, database, words):
    database.sql("CREATE TABLE item AS SELECT n AS id FROM generate_series(1, 3) n")
    project.table_mapper()
    result = project.erp2couch(*words)
    assert "rejected 0" in result.out, result
    assert state_files(project) == {}
    assert not project.control.exists() and not project.db("catalog").exists()


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
def test_a_damaged_state_stays_as_it_is(project, database, catalog, words):
    data = project.state / "item/data/data.mdb"
    data.write_bytes(data.read_bytes()[:4096] + os.urandom(9000))
    before = state_files(project)
    result = project.erp2couch(*words).expect(Exit.OK)
    assert re.search("(unchanged|equal) 60", result.out), result
    assert ("sets it aside" in result.err) == (words[0] != "verify")
    assert state_files(project) == before
    project.quiet_run(unchanged=60)


@pytest.mark.parametrize("command", ["diff", "verify"])
def test_errors(project, database, catalog, command):
    project.erp2couch(command, "itme").expect(Exit.USAGE).says("item")
    project.erp2couch(command).expect(Exit.USAGE)
    project.env["ERP_DSN"] = "host=127.0.0.1 port=9 dbname=none"
    failed = project.erp2couch(command, "item", "--json").expect(Exit.UNAVAILABLE).json
    assert failed["error"]["message"]


@pytest.mark.parametrize("words", [["diff"], ["verify"], ["run"], ["diff", "--quiet"]],
                         ids=" ".join)
def test_the_progress_line_of_a_terminal(project, database, words):
    database.sql("CREATE VIEW item AS SELECT n AS id FROM generate_series(1, 900) n"
                 " WHERE pg_sleep(0.001)::text IS NOT NULL")
    project.table_mapper()
    ours, theirs = pty.openpty()
    process = subprocess.Popen([str(project.binary), *words, "item"], cwd=project.folder,
                               env=project.environment(), stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    out, seen = process.communicate(timeout=60)[0].decode(), b""
    try:
        while piece := os.read(ours, 1 << 16):
            seen += piece
    except OSError:
        pass  # the other side is closed
    os.close(ours)
    assert ("item: reading, " in seen.decode()) == ("--quiet" not in words), seen
    assert "rows/s" not in out
