"""Conflict branches that replication leaves beside our documents (PROTOCOL.md section 7)."""

import pytest

from support.project import Exit


@pytest.fixture
def catalog(project, database, apache_couch):
    database.sql("CREATE TABLE item AS SELECT n AS id, 'v' || n AS v FROM generate_series(1, 30) n")
    project.table_mapper(columns=["v"])
    project.run().counts(created=30)
    return project.db("catalog")


def replicate_in(db, doc_id, generation, letter, **fields):
    """A leaf as a replication brings it: no check of revisions."""
    ids = [letter * 32] + [f"{n:x}" * 32 for n in range(generation - 1, 0, -1)]
    reply = db.call("POST", "/_bulk_docs", json={"new_edits": False, "docs": [
        {"_id": doc_id, "_rev": f"{generation}-{ids[0]}", **fields,
         "_revisions": {"start": generation, "ids": ids}}]})
    assert reply.json() == [], reply.text


@pytest.mark.parametrize("generation,letter,updated", [
    (1, "0", 0),  # loses against ours
    (1, "f", 1),  # wins
    (3, "a", 1),  # wins by its length
])
def test_a_branch_is_deleted_and_ours_stands(project, catalog, generation, letter, updated):
    replicate_in(catalog, "item:5", generation, letter, type="item", id=5, v="theirs")
    assert catalog.conflicts() == ["item:5"]
    project.run().counts(updated=updated, unchanged=30 - updated)
    assert catalog.conflicts() == []
    assert catalog.get("item:5")["v"] == "v5"
    project.quiet_run(unchanged=30)


def test_many_leaves_of_one_document(project, catalog):
    for letter in "0123":
        replicate_in(catalog, "item:5", 1, letter, v="theirs")
    project.run().counts(unchanged=30)
    assert catalog.conflicts() == []
    project.quiet_run(unchanged=30)


def test_a_deletion_lets_no_branch_win(project, database, catalog):
    replicate_in(catalog, "item:5", 1, "0", v="theirs")
    database.sql("DELETE FROM item WHERE id = 5")
    project.run().counts(deleted=1, unchanged=29)
    assert catalog.get("item:5") is None
    project.quiet_run(unchanged=29)


def test_a_rebuild_finds_branches(project, catalog):
    replicate_in(catalog, "item:5", 1, "0", v="theirs")
    for path in sorted(project.state.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    project.run().counts(unchanged=30)
    assert catalog.conflicts() == []


def test_a_database_that_only_the_read_finds(project, database, catalog):
    """No list names it any more: it is adopted when its first record comes, and item:5 goes."""
    project.table_mapper(columns=["v"], database="${shop}")
    database.sql("ALTER TABLE item ADD shop text DEFAULT 'shop'")
    project.run().counts(moved=30)
    shop = project.db("shop")
    replicate_in(shop, "item:5", 1, "0", v="theirs")
    database.sql("DELETE FROM item WHERE id = 5")
    project.db("control").delete()
    (project.folder / "state").rename(project.folder / "lost")
    project.run().counts(deleted=1, unchanged=29)
    assert shop.get("item:5") is None
    project.quiet_run(databases=["shop"], unchanged=29)


def test_under_reject_a_winner_of_others_is_theirs_to_settle(project, database, catalog):
    project.table_mapper(columns=["v"], target="on_conflict: reject")
    project.run().counts(unchanged=30)
    replicate_in(catalog, "item:5", 3, "a", v="theirs")
    replicate_in(catalog, "item:6", 1, "0", v="theirs")
    project.run(code=2).counts(rejected=1, unchanged=29)
    assert catalog.conflicts() == ["item:5"]
    assert catalog.get("item:5")["v"] == "theirs"


def test_what_stayed_is_settled_once_the_winner_is_ours(project, database, catalog):
    """Else our own older leaf would be back the day the record is deleted."""
    project.table_mapper(columns=["v"], target="on_conflict: reject")
    project.run()
    replicate_in(catalog, "item:5", 3, "a", type="item", v="theirs")
    project.run(code=Exit.REJECTS).counts(rejected=1, unchanged=29)
    database.sql("UPDATE item SET v = 'theirs' WHERE id = 5")
    project.run().counts(unchanged=30)
    database.sql("DELETE FROM item WHERE id = 5")
    project.run().counts(deleted=1, unchanged=29)
    assert catalog.get("item:5") is None
    project.quiet_run(unchanged=29)


def test_a_leaf_that_a_rule_protects_is_a_reject_and_holds_nothing_up(project, database, catalog):
    replicate_in(catalog, "item:3", 1, "0", v="theirs")
    catalog.put({"_id": "_design/rule", "validate_doc_update":
                 "function (doc) { if (doc._deleted) throw({forbidden: 'nothing goes'}); }"})
    database.sql("UPDATE item SET v = 'new' WHERE id = 1")
    project.run(code=Exit.REJECTS).counts(updated=1, unchanged=29, rejected=1)
    [reject] = project.rejects()
    assert "nothing goes" in reject["reason"] and reject["key"] == "item:3", reject
    project.run(code=Exit.REJECTS).counts(unchanged=30, rejected=1)
    assert catalog.conflicts() == ["item:3"]
    catalog.put({**catalog.get("_design/rule"), "_deleted": True})
    project.run().counts(unchanged=30)
    assert catalog.conflicts() == []
