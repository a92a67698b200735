"""Deletions found by sweeping, and the brake that holds back too many of them."""

import shutil
import time

import pytest

from support.project import Exit

pytestmark = pytest.mark.once


@pytest.fixture
def catalog(project, database):
    """200 rows, loaded."""
    database.sql("CREATE TABLE item AS SELECT n AS id, 'v' || n AS v, 'kept' AS rep FROM"
                 " generate_series(1, 200) n")
    project.table_mapper(columns=["v", "rep"])
    project.run().counts(created=200)
    return project.db("catalog")


def test_a_few_deletions_are_sent(project, database, catalog):
    database.sql("DELETE FROM item WHERE id <= 20")
    project.run().counts(deleted=20, unchanged=180)
    assert set(catalog.deleted()) == {f"item:{n}" for n in range(1, 21)}
    project.quiet_run(unchanged=180)


def test_a_record_that_comes_back_gets_its_document_back(project, database, catalog):
    """Over its tombstone, as its next generation; and it can go and come again."""
    for generation in (3, 5):
        database.sql("DELETE FROM item WHERE id = 1")
        project.run().counts(deleted=1, unchanged=199)
        database.sql("INSERT INTO item VALUES (1, 'v1', 'kept')")
        project.run().counts(created=1, unchanged=199)
        assert catalog.revs()["item:1"].startswith(f"{generation}-")
        project.quiet_run(unchanged=200)


def test_ten_of_few_are_sent_whatever_the_share(project, database, catalog):
    database.sql("DELETE FROM item WHERE id > 12")
    project.run("--allow-deletes").counts(deleted=188, unchanged=12)
    database.sql("DELETE FROM item WHERE id > 2")
    project.run().counts(deleted=10, unchanged=2)


def test_too_many_are_withheld_and_everything_else_goes_on(project, database, catalog):
    database.sql("DELETE FROM item WHERE id <= 30; UPDATE item SET v = 'new' WHERE id = 100;"
                 " INSERT INTO item VALUES (300, 'v300', 'x')")
    session = catalog.local("erp2couch-item")["session"]
    result = project.run(code=Exit.REFUSED).says("delet", "--allow-deletes|max")
    assert result.json["outcome"] == "refused"
    result.counts(created=1, updated=1, unchanged=169)
    assert catalog.deleted() == {}
    assert catalog.local("erp2couch-item")["session"] != session  # the checkpoint goes on, too
    # still owed
    project.run(code=Exit.REFUSED).counts(unchanged=171)
    project.run("--allow-deletes").counts(deleted=30, unchanged=171)
    assert len(catalog.deleted()) == 30
    project.quiet_run(unchanged=171)


def test_an_owed_deletion_is_forgotten_when_the_row_comes_back(project, database, catalog):
    database.sql("CREATE TABLE gone AS SELECT * FROM item WHERE id <= 50;"
                 " DELETE FROM item WHERE id <= 50")
    project.run(code=Exit.REFUSED)
    database.sql("INSERT INTO item SELECT * FROM gone")
    project.quiet_run(unchanged=200)


def test_what_is_owed_is_settled_in_transactions_of_a_bounded_size(project, database, catalog):
    """However many deletions were withheld and then came back; and a run may die between them."""
    if b"ERP2COUCH_CRASH_AT" not in project.binary.read_bytes():
        pytest.skip("needs a program built with -Dcrash_points=true")
    trace = project.folder / "trace"
    small = {"ERP2COUCH_CRASH_BATCH": "10", "ERP2COUCH_CRASH_TRACE": str(trace)}
    database.sql("ALTER TABLE item RENAME TO stock;"
                 " CREATE VIEW item AS SELECT * FROM stock LIMIT 0")
    project.run(code=Exit.REFUSED, env=small)
    assert trace.read_text().split().count("OWED_SOME") == 20
    database.sql("CREATE OR REPLACE VIEW item AS SELECT * FROM stock")
    died = project.erp2couch("run", env={**small, "ERP2COUCH_CRASH_AT": "OWED_SOME:5"})
    assert died.code == -9
    trace.unlink()
    project.quiet_run(unchanged=200, env=small)
    assert trace.read_text().split().count("OWED_SOME") == 15
    project.quiet_run(unchanged=200)


def test_an_empty_source_is_refused(project, database, catalog):
    database.sql("TRUNCATE item")
    project.run(code=Exit.REFUSED)
    assert catalog.count() == 200
    project.run("--allow-deletes").counts(deleted=200)
    assert catalog.count() == 0


def test_an_empty_source_is_refused_even_for_one_document(project, database):
    database.sql("CREATE TABLE item AS SELECT 1 AS id")
    project.table_mapper()
    project.run().counts(created=1)
    database.sql("TRUNCATE item")
    project.run(code=Exit.REFUSED)
    assert project.db("catalog").count() == 1


def test_a_sweep_of_keys_that_finds_none_is_refused(project, database):
    database.sql("CREATE TABLE item AS SELECT n AS id, now() AS changed FROM"
                 " generate_series(1, 5) n")
    project.table_mapper(extract="cursor: changed\ndeletes: {every: 1s}", more="timezone: UTC")
    project.run().counts(created=5)
    database.sql("TRUNCATE item")
    time.sleep(1.1)
    project.run(code=Exit.REFUSED)
    assert project.db("catalog").count() == 5
    project.run("--allow-deletes").counts(deleted=5)


@pytest.mark.parametrize("limit, gone, code", [
    ("50%", 100, Exit.OK), ("50%", 101, Exit.REFUSED), ("5%", 11, Exit.REFUSED),
    ("5%", 10, Exit.OK)])
def test_the_brake_is_set_by_max(project, database, catalog, limit, gone, code):
    project.table_mapper(columns=["v", "rep"], extract=f"deletes: {{max: {limit}}}")
    project.run()
    database.sql("DELETE FROM item WHERE id <= %s", [gone])
    project.run(code=code)
    assert catalog.count() == 200 - (gone if code == Exit.OK else 0)


def test_sweep_false_deletes_nothing(project, database, catalog):
    project.table_mapper(columns=["v", "rep"], extract="deletes: {sweep: false}")
    database.sql("DELETE FROM item WHERE id <= 20")
    project.run()
    assert catalog.count() == 200


NAMED = [  # what names the records 1 and 2 as deleted: the mapper, and the SQL
    ('deletes: {sweep: false, column: rep, when: "gone"}',
     "UPDATE item SET rep = 'gone' WHERE id <= 2"),
    ("deletes: {sweep: false, query: SELECT gone_id FROM gone, key: gone_id}",
     "INSERT INTO gone VALUES (1), (2); DELETE FROM item WHERE id <= 2"),
]


@pytest.mark.parametrize("deletes, sql", NAMED, ids=["flag", "table"])
def test_without_a_sweep_only_what_is_named_goes(project, database, catalog, deletes, sql):
    """Not what a read missed, nor what a read by key did not find."""
    database.sql("CREATE TABLE gone (gone_id int)")
    project.table_mapper(columns=["v", "rep"], extract=deletes)
    project.run().counts(unchanged=200)
    database.sql(sql)
    database.sql("DELETE FROM item WHERE id IN (5, 6)")
    catalog.put({**catalog.get("item:6"), "v": "edited"})
    project.run().counts(deleted=2, unchanged=196)
    assert set(catalog.deleted()) == {"item:1", "item:2"}
    told = project.erp2couch("verify", "item", "--json").expect(Exit.REJECTS).json
    assert (told["extra"], told["equal"]) == (2, 196)


def test_without_a_sweep_an_edit_of_a_document_without_a_record_stays(project, database):
    database.sql("CREATE TABLE item AS SELECT n AS id, 'v' || n AS v, now() AS changed FROM"
                 " generate_series(1, 20) n")
    project.table_mapper(columns=["v"], more="timezone: UTC",
                         extract="cursor: changed\ndeletes: {sweep: false}")
    project.run().counts(created=20)
    catalog = project.db("catalog")
    database.sql("DELETE FROM item WHERE id = 6")
    catalog.put({**catalog.get("item:6"), "v": "edited"})
    project.run()
    assert catalog.get("item:6")["v"] == "edited"


def test_a_flag_is_seen_without_the_state(project, database, catalog):
    """Set after the last run that the lost state knew; nothing else would find the document."""
    project.table_mapper(columns=["v", "rep"], extract=NAMED[0][0])
    project.run().counts(unchanged=200)
    (project.folder / "state").rename(project.folder / "lost")
    database.sql(NAMED[0][1])
    project.run().counts(deleted=2, unchanged=198)
    assert set(catalog.deleted()) == {"item:1", "item:2"}
    project.run().counts(unchanged=198)


def test_a_flag_deletes_no_document_that_another_row_took_over(project, database):
    """Without the state only its id tells whose a document is. The rows that have the codes now
    come before and behind those which say that they are gone."""
    database.sql("CREATE TABLE item (id int, code text, live boolean); INSERT INTO item VALUES"
                 " (20, 'a', true), (1, 'x', true), (2, 'a', false), (3, 'b', false),"
                 " (4, 'c', false), (30, 'b', true)")
    project.table_mapper(target_id="item:${code}", fields="code: code",
                         extract='deletes: {sweep: false, column: live, when: "false"}')
    catalog = project.db("catalog").create()
    catalog.bulk([{"_id": f"item:{code}", "type": "item", "code": code} for code in "abcx"])
    project.run().counts(deleted=1, unchanged=3)
    assert catalog.deleted().keys() == {"item:c"}
    project.run().counts(unchanged=3)


def test_a_tombstone_keeps_the_fields_it_is_told_to(project, database, catalog, apache_couch):
    project.table_mapper(columns=["v", "rep"], extract="deletes: {keep: [type, rep]}")
    database.sql("DELETE FROM item WHERE id = 5")
    project.run().counts(deleted=1, unchanged=199)
    [row] = [row for row in catalog.changes(include_docs="true") if row["id"] == "item:5"]
    tombstone = {key: value for key, value in row["doc"].items() if key != "_rev"}
    assert tombstone == {"_id": "item:5", "_deleted": True, "type": "item", "rep": "kept"}


def tombstone(catalog, doc_id):
    """The deleted document, without what CouchDB adds."""
    [row] = [row for row in catalog.changes(include_docs="true") if row["id"] == doc_id]
    assert row["doc"].pop("_deleted")
    return {key: value for key, value in row["doc"].items() if key not in ("_id", "_rev")}


def test_a_tombstone_keeps_what_the_document_holds_now(project, database, catalog, apache_couch):
    """Not what the source said last: somebody passed it to another rep."""
    project.table_mapper(columns=["v", "rep"], extract="deletes: {keep: [rep]}")
    catalog.put({**catalog.get("item:5"), "rep": "another"})
    database.sql("DELETE FROM item WHERE id = 5")
    project.run().counts(deleted=1, unchanged=199)
    assert tombstone(catalog, "item:5") == {"rep": "another"}


def test_a_tombstone_of_a_former_id_keeps_them_too(project, database, apache_couch):
    database.sql("CREATE TABLE item AS SELECT n AS id, 'c' || n AS code, 'kept' AS rep FROM"
                 " generate_series(1, 30) n")
    project.table_mapper(columns=["code", "rep"], target_id="item:${code}",
                         extract="deletes: {keep: [type, rep]}")
    project.run().counts(created=30)
    database.sql("UPDATE item SET code = 'm' || id, rep = 'new' WHERE id <= 3")
    project.run().counts(moved=3, unchanged=27)
    for number in (1, 2, 3):
        assert tombstone(project.db("catalog"), f"item:c{number}") == {"type": "item",
                                                                       "rep": "kept"}
    project.quiet_run(unchanged=30)


def test_a_tombstone_keeps_nothing_by_default(project, database, catalog, apache_couch):
    database.sql("DELETE FROM item WHERE id = 5")
    project.run()
    [row] = [row for row in catalog.changes(include_docs="true") if row["id"] == "item:5"]
    assert {key for key in row["doc"] if not key.startswith("_")} == set()


def delete(catalog):
    catalog.call("DELETE", "/item:5", params={"rev": catalog.revs()["item:5"]})


def edit_and_delete(catalog):
    """Not the revision that a deletion of ours would make."""
    catalog.put({**catalog.get("item:5"), "v": "edited"})
    delete(catalog)


def purge(catalog):
    catalog.call("POST", "/_purge", json={"item:5": [catalog.revs()["item:5"]]})


@pytest.mark.parametrize("meddle", [delete, edit_and_delete, purge])
def test_a_document_deleted_by_others_meanwhile(project, database, catalog, apache_couch, meddle):
    """Gone in the source and already deleted in CouchDB: done, and no error, and no tombstone."""
    meddle(catalog)
    before = catalog.deleted()
    database.sql("DELETE FROM item WHERE id = 5")
    project.run()
    assert catalog.deleted() == before
    project.quiet_run(unchanged=199)


def test_a_document_deleted_by_others_is_written_again(project, catalog):
    catalog.call("DELETE", "/item:5", params={"rev": catalog.revs()["item:5"]})
    project.run()
    assert catalog.get("item:5")["v"] == "v5"
    project.quiet_run(unchanged=200)


def test_documents_that_nobody_claims_are_swept(project, database, catalog):
    """Found under our prefix at a first run, with no record: orphans go, under the brake."""
    (project.folder / "state").rename(project.folder / "lost")
    for number in (901, 902):
        catalog.put({"_id": f"item:{number}", "type": "item", "v": "?"})
    project.run().counts(deleted=2, unchanged=200)
    assert set(catalog.deleted()) == {"item:901", "item:902"}


@pytest.fixture
def orphaned(project, database):
    """200 rows with a cursor, 3 documents more that nobody claims, and no state."""
    database.sql("CREATE TABLE item AS SELECT n AS id, 'v' || n AS v, now() - interval '1 day' AS"
                 " changed FROM generate_series(1, 200) n; UPDATE item SET changed = now() -"
                 " interval '2 days' WHERE id < 200")
    mapper(project)
    project.run().counts(created=200)
    (project.folder / "state").rename(project.folder / "lost")
    project.db("catalog").bulk([{"_id": f"item:{n}", "v": "?"} for n in (901, 902, 903)])
    return project.db("catalog")


def mapper(project):
    project.table_mapper(extract="cursor: changed", more="timezone: UTC",
                         fields="v: {from: v, required: true}")


def test_withheld_orphans_are_found_again_between_full_reads(project, database, orphaned):
    """They have no key to owe them by."""
    orphaned.bulk([{"_id": f"item:{n}", "v": "?"} for n in range(904, 940)])
    project.run(code=Exit.REFUSED).counts(unchanged=200)
    project.run(code=Exit.REFUSED).counts(unchanged=200)
    project.run("--allow-deletes").counts(deleted=39, unchanged=200)
    project.quiet_run(unchanged=1)


def test_orphans_wait_until_no_record_is_rejected(project, database, orphaned):
    """One of them may be the rejected record's own."""
    database.sql("UPDATE item SET v = NULL WHERE id = 7")
    project.run(code=Exit.REJECTS).counts(rejected=1, unchanged=199)
    project.run(code=Exit.REJECTS).counts(rejected=1, unchanged=1)
    told = project.erp2couch("verify", "item", "--json").expect(Exit.REJECTS).json
    assert (told["extra"], told["unclaimed"], told["rejected"]) == (0, 4, 1)  # its own, too
    project.erp2couch("verify", "item").expect(Exit.REJECTS).says("4 more documents have no record")
    database.sql("UPDATE item SET v = 'v7' WHERE id = 7")
    project.run().counts(unchanged=2)
    project.run().counts(deleted=3, unchanged=200)
    project.quiet_run(unchanged=1)


def test_trytons_history_tells_of_deletions(make_project, couch, tryton):
    """A deleted record is a row of NULLs there. Half of the records have no write_date."""
    project = make_project(couch, tryton)
    project.table_mapper("sale", table="sale_sale", more="timezone: UTC", extract="""
        cursor: COALESCE(write_date, create_date)
        deletes: {query: SELECT id FROM sale_sale__history WHERE create_date IS NULL, key: id}
        """)
    [[rows, key]] = tryton.sql("SELECT count(*), min(id) FROM sale_sale")
    project.run().counts(created=rows)
    tryton.sql(f"DELETE FROM sale_sale WHERE id = {key}; INSERT INTO sale_sale__history (id,"
               f" write_date) VALUES ({key}, now() AT TIME ZONE 'UTC')")
    outcome = project.run().mapper()
    assert outcome["deleted"] == 1 and outcome["read"] < rows, outcome
    assert project.db("catalog").get(f"sale:{key}") is None
    assert project.run().mapper()["deleted"] == 0
