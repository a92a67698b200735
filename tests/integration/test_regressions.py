"""What a review found: each test is one way in which a document was lost, kept or miscounted."""

import shutil

import pytest

from support.project import Exit


@pytest.fixture
def items(project, database):
    """20 rows with codes as ids, loaded."""
    database.sql("CREATE TABLE item AS SELECT n AS id, 'K' || n AS code, 'v' || n AS v FROM"
                 " generate_series(1, 20) n")
    mapper(project)
    project.run().counts(created=20)
    return project.db("catalog")


def mapper(project, target="", fields="v: {from: v, required: true}", extract=""):
    project.table_mapper(target_id="item:${row.code}", target=target, fields=fields,
                         extract=extract)


def lose_state(project):
    shutil.rmtree(project.state)


def test_the_document_of_a_rejected_record_outlives_a_lost_state(project, database, items):
    database.sql("UPDATE item SET v = NULL WHERE id = 7")
    lose_state(project)
    project.run(code=Exit.REJECTS).counts(unchanged=19, rejected=1, deleted=0)
    assert items.get("item:K7")["v"] == "v7"
    database.sql("UPDATE item SET v = 'v7' WHERE id = 7")
    project.run().counts(unchanged=20, rejected=0)


def test_a_document_that_a_reject_left_alone_is_not_swept(project, database, items):
    mapper(project, target="on_conflict: reject")
    items.put({"_id": "item:NEW", "by": "somebody else"})
    database.sql("INSERT INTO item VALUES (21, 'NEW', 'v21')")
    for _ in range(2):
        project.run(code=Exit.REJECTS).counts(unchanged=20, rejected=1)
        assert items.get("item:NEW")["by"] == "somebody else"


@pytest.mark.parametrize("change", ["DELETE FROM item WHERE id = 3",
                                    "UPDATE item SET code = 'M3' WHERE id = 3"])
def test_on_conflict_reject_holds_for_deletions(project, database, items, change):
    mapper(project, target="on_conflict: reject")
    project.run().counts(unchanged=20)
    edited = items.put({"_id": "item:K3", "by": "somebody else"})
    database.sql(change)
    project.run(code=Exit.REJECTS)
    assert items.revs()["item:K3"] == edited


def test_a_foreign_edit_that_is_a_reject_stays_one_without_the_state(project, items):
    mapper(project, target="on_conflict: reject")
    project.run().counts(unchanged=20)
    edited = items.put({"_id": "item:K1", "by": "somebody else"})
    project.run(code=Exit.REJECTS).counts(unchanged=19, rejected=1)
    lose_state(project)
    project.run(code=Exit.REJECTS).counts(unchanged=19, rejected=1)
    assert items.revs()["item:K1"] == edited


def test_a_ring_of_ids_leaves_documents_that_can_be_deleted(project, database, items):
    database.sql("UPDATE item SET code = 'K' || (id % 20) + 1")
    project.run().counts(moved=20)
    database.sql("DELETE FROM item WHERE id <= 9")
    project.run().counts(deleted=9, unchanged=11)
    assert items.count() == 11


def test_rejected_newcomers_do_not_hide_what_is_gone(project, database, items):
    database.sql("DELETE FROM item WHERE id = 5; INSERT INTO item VALUES (30, 'N', 'a'),"
                 " (31, 'N', 'b')")
    project.run(code=Exit.REJECTS).counts(created=1, deleted=1, unchanged=19, rejected=2)
    assert "item:K5" in items.deleted()


def test_a_kept_number_is_kept_as_it_is(project, database):
    database.sql("CREATE TABLE item AS SELECT 1 AS id, 'K1' AS code, 9007199254740991 AS n UNION"
                 " ALL SELECT n, 'K' || n, n FROM generate_series(2, 5) n")
    mapper(project, fields="n: n", extract="deletes: {keep: [type, n]}")
    project.run().counts(created=5)
    database.sql("DELETE FROM item WHERE id = 1")
    project.run().counts(deleted=1, unchanged=4)
    rev = project.db("catalog").deleted()["item:K1"]
    left = project.db("catalog").call("GET", "/item:K1", params={"rev": rev})
    assert '"n":9007199254740991' in left.text and left.json()["type"] == "item"


def test_a_dry_run_without_state_tells_what_the_run_does(project, items):
    lose_state(project)
    project.run("--dry-run").counts(unchanged=20, deleted=0)
    assert not (project.state / "item" / "dry-run").exists()
    project.run().counts(unchanged=20, deleted=0)


def test_a_dry_run_does_not_name_databases_in_the_state(project, database):
    database.sql("CREATE TABLE item AS SELECT n AS id, 'one' AS shop FROM generate_series(1, 9) n")
    project.table_mapper(database="${shop}")
    project.run().counts(created=9)
    database.sql("INSERT INTO item VALUES (10, 'two')")
    for _ in range(2):
        project.run("--dry-run").counts(unchanged=9, created=1, deleted=0)
    assert "anymore" not in project.run().counts(unchanged=9, created=1).err


def test_rows_without_a_key_are_rejects_of_their_own(project, database):
    database.sql("CREATE TABLE item (id int, code text, v text); INSERT INTO item VALUES"
                 " (1, 'A', 'a'), (NULL, 'B', 'b'), (NULL, 'C', 'c')")
    mapper(project)
    project.run(code=Exit.REJECTS).counts(created=1, rejected=2)
    assert len(project.rejects()) == 2


@pytest.mark.parametrize("bad, code", [("id <= 100", Exit.REFUSED), ("id <= 70", Exit.REJECTS)])
def test_max_rejects_does_not_depend_on_the_order_of_rows(project, database, bad, code):
    database.sql("CREATE TABLE item AS SELECT n AS id, 'K' || n AS code, 'v' AS v FROM"
                 f" generate_series(1, 150) n; UPDATE item SET v = NULL WHERE {bad}; "
                 "CREATE INDEX i ON item (id); CLUSTER item USING i")
    mapper(project)
    project.run(code=code)


def test_an_attachment_seen_only_while_comparing_stays(project, database, items, apache_couch):
    rev = items.revs()["item:K2"]
    items.call("PUT", "/item:K2/note.txt", params={"rev": rev}, data=b"by hand",
               headers={"Content-Type": "text/plain"})
    project.run().counts(unchanged=20)
    database.sql("UPDATE item SET v = 'new' WHERE id = 2")
    project.run().counts(updated=1, unchanged=19)
    document = items.get("item:K2")
    assert document["v"] == "new" and "note.txt" in document["_attachments"]
