"""Incremental runs: a cursor decides what is read, and nothing is lost by it."""

import time

import pytest

from support.project import Exit


def mapper(project, extract, columns=("v",), more="timezone: UTC", **options):
    project.table_mapper(columns=list(columns), extract=extract, more=more, **options)


@pytest.fixture
def stamped(project, database):
    """300 rows that changed long ago, loaded; the cursor is set."""
    database.sql("CREATE TABLE item (id int PRIMARY KEY, v text, changed timestamptz DEFAULT now(),"
                 " gone boolean NOT NULL DEFAULT false);"
                 " INSERT INTO item SELECT n, 'v' || n, now() - interval '1 day'"
                 " FROM generate_series(1, 300) n")
    mapper(project, "cursor: changed")
    project.run().counts(created=300)
    return project.db("catalog")


def read(result):
    return result.mapper()["read"]


def test_an_unchanged_erp_reads_next_to_nothing(project, stamped):
    assert read(project.quiet_run()) == 300  # the day-old rows all have the newest stamp
    project.erp2couch("run", "-v").expect(Exit.OK).says("reading what changed since")


def test_only_what_changed_is_read(project, database, stamped):
    database.sql("UPDATE item SET changed = now() - interval '2 days' WHERE id <= 290")
    project.run("--full").counts(unchanged=300)
    database.sql("UPDATE item SET v = 'new', changed = now() WHERE id = 7;"
                 " INSERT INTO item VALUES (500, 'v500')")
    result = project.run()
    result.counts(updated=1, created=1, unchanged=10)
    assert read(result) == 12
    assert stamped.get("item:7")["v"] == "new"


def test_full_reads_everything(project, database, stamped):
    database.sql("UPDATE item SET v = 'silent' WHERE id = 3")
    database.sql("UPDATE item SET changed = now() - interval '2 days' WHERE id = 3")
    result = project.run()
    result.counts(unchanged=299)
    result = project.run("--full")
    result.counts(updated=1, unchanged=299)
    assert stamped.get("item:3")["v"] == "silent"


@pytest.mark.parametrize("full, said, found", [
    ("{every: 1s}", "reading everything: its schedule `full` is due", "silent"),
    ("{every: 24h}", "reading what changed since", "v3"),
])
def test_a_due_schedule_reads_everything(project, database, stamped, full, said, found):
    mapper(project, "cursor: changed", more=f"timezone: Europe/Dublin\nfull: {full}")
    project.run("--full")
    database.sql("UPDATE item SET v = 'silent', changed = now() - interval '2 days' WHERE id = 3")
    time.sleep(1.1)
    project.erp2couch("run", "-v").expect(Exit.OK).says(said)
    assert stamped.get("item:3")["v"] == found


def test_rows_without_a_stamp_are_always_read(project, database, stamped):
    database.sql("INSERT INTO item VALUES (400, 'a', NULL)")
    project.run().counts(created=1, unchanged=300)
    database.sql("UPDATE item SET v = 'b' WHERE id = 400")
    project.run().counts(updated=1, unchanged=300)


def test_a_changed_mapper_reads_everything_again(project, database, stamped):
    database.sql("UPDATE item SET changed = now() - interval '2 days' WHERE id > 1")
    project.run("--full").counts(unchanged=300)
    assert read(project.run()) == 1
    mapper(project, "cursor: changed", columns=["v", "id"])
    project.run().counts(updated=300)
    assert read(project.run()) == 1


def test_a_row_that_committed_late_is_read(project, database, stamped):
    late = database.connect()
    with late.cursor() as cursor:
        cursor.execute("BEGIN; INSERT INTO item VALUES (401, 'late')")  # stamped now
        database.sql("INSERT INTO item SELECT n, 'x' FROM generate_series(600, 610) n")
        project.run().counts(created=11, unchanged=300)
        database.sql("INSERT INTO item VALUES (700, 'y')")
        project.run()
        cursor.execute("COMMIT")
    late.close()
    project.run()
    assert stamped.get("item:401")["v"] == "late"


def test_a_deletion_is_found_by_the_next_full_read(project, database, stamped):
    database.sql("DELETE FROM item WHERE id = 9")
    project.run().counts(unchanged=299)
    assert "item:9" in stamped.ids()
    project.run("--full").counts(deleted=1, unchanged=299)


def test_a_sweep_of_keys_finds_deletions_between_full_reads(project, database, stamped):
    mapper(project, "cursor: changed\ndeletes: {every: 1s}")
    project.run()
    database.sql("DELETE FROM item WHERE id = 9; INSERT INTO item VALUES (900, 'n')")
    time.sleep(1.1)
    project.run().counts(deleted=1, created=1, unchanged=299)
    assert set(stamped.deleted()) == {"item:9"}


def test_a_flag_deletes_and_its_removal_brings_back(project, database, stamped):
    mapper(project, 'cursor: changed\ndeletes: {column: gone, when: "true"}')
    project.run()
    database.sql("UPDATE item SET gone = true, changed = now() WHERE id = 5")
    project.run().counts(deleted=1, unchanged=299)
    assert set(stamped.deleted()) == {"item:5"}
    assert read(project.run()) == 1
    database.sql("UPDATE item SET gone = false, changed = now() WHERE id = 5")
    project.run().counts(created=1)
    assert stamped.get("item:5")["_rev"].startswith("3-")


def test_a_table_of_deletions(project, database, stamped):
    database.sql("CREATE TABLE item_deleted (item_id int);"
                 " UPDATE item SET changed = now() - interval '2 days' WHERE id = 10")
    mapper(project, "cursor: changed\ndeletes: {query: SELECT item_id FROM item_deleted,"
                    " key: item_id}")
    project.run()
    database.sql("DELETE FROM item WHERE id IN (8, 9);"
                 " INSERT INTO item_deleted VALUES (8), (9), (10), (9999), (NULL)")
    project.run().counts(deleted=2, unchanged=298)
    assert set(stamped.deleted()) == {"item:8", "item:9"}  # 10 lives, though it was not read
    project.run().counts(unchanged=298)


def test_withheld_deletions_are_owed_between_full_reads(project, database, stamped):
    mapper(project, 'cursor: changed\ndeletes: {query: "SELECT n FROM generate_series(1, 100) n",'
                    ' key: n}')
    project.run()
    database.sql("DELETE FROM item WHERE id <= 100")
    project.run(code=Exit.REFUSED)
    mapper(project, "cursor: changed")
    project.run(code=Exit.REFUSED)  # a full read: the mapper is another one
    project.run(code=Exit.REFUSED)  # an incremental one, which remembers
    database.sql("INSERT INTO item SELECT n, 'v' || n, now() - interval '1 day'"
                 " FROM generate_series(51, 100) n")
    project.run("--allow-deletes").counts(deleted=50, unchanged=250)
    project.run().counts(unchanged=250)


def test_a_foreign_edit_is_put_right_though_the_row_did_not_change(project, database, stamped):
    database.sql("UPDATE item SET changed = now() - interval '2 days' WHERE id <= 299")
    project.run("--full")
    doc = stamped.get("item:50")
    stamped.put({**doc, "v": "meddled"})
    stamped.put({**stamped.get("item:51"), "_deleted": True})
    result = project.run()
    assert stamped.get("item:50")["v"] == "v50"
    assert stamped.get("item:51")["v"] == "v51"
    assert read(result) == 3


def test_swapped_ids_in_an_incremental_run(project, database):
    database.sql("CREATE TABLE item (id int PRIMARY KEY, code text, changed timestamptz);"
                 " INSERT INTO item SELECT n, 'c' || n, now() - interval '2 days'"
                 " FROM generate_series(1, 50) n; INSERT INTO item VALUES (51, 'c51', now() -"
                 " interval '1 day')")
    mapper(project, "cursor: changed", columns=["code"], target_id="item:${code}")
    project.run().counts(created=51)
    # 1 takes the code of 2, whose own change carries no stamp
    database.sql("UPDATE item SET code = 'c2', changed = now() WHERE id = 1;"
                 " UPDATE item SET code = 'c1' WHERE id = 2")
    project.run().counts(moved=2, unchanged=1)
    docs = project.db("catalog").docs()
    assert len(docs) == 51
    # the holder is gone without a trace: it gives the id up
    database.sql("DELETE FROM item WHERE id = 3; UPDATE item SET code = 'c3', changed = now()"
                 " WHERE id = 4")
    project.run()
    assert "item:c4" not in project.db("catalog").ids()
    project.run("--full").counts(unchanged=50)


def test_a_rejected_record_without_a_document_gets_the_id_that_another_leaves(project, database):
    """It stands among the changed ones and among the rejects: it is to be read once."""
    database.sql("CREATE TABLE item (id int PRIMARY KEY, code text, changed timestamptz);"
                 " INSERT INTO item SELECT n, 'c' || n, now() FROM generate_series(1, 30) n;"
                 " UPDATE item SET code = 'c1' WHERE id = 2")
    mapper(project, "cursor: changed", columns=["code", "id"], target_id="item:${code}")
    project.run(code=Exit.REJECTS).counts(created=29, rejected=2)
    database.sql("UPDATE item SET code = 'free', changed = now() WHERE id = 1;"
                 " UPDATE item SET changed = now() WHERE id = 2")
    project.run()
    assert project.db("catalog").get("item:c1")["id"] == 2
    project.quiet_run("--full", unchanged=30)


def test_rejected_records_are_looked_at_again(project, database, stamped):
    database.sql("UPDATE item SET v = NULL, changed = now() WHERE id = 20")
    mapper(project, "cursor: changed", columns=[], fields="v: {from: v, required: true}")
    project.run(code=Exit.REJECTS).counts(rejected=1, unchanged=299)
    project.run(code=Exit.REJECTS).counts(rejected=1)
    assert project.rejects()[0]["attempts"] == 2
    database.sql("UPDATE item SET v = 'well', changed = now() - interval '3 days' WHERE id = 20")
    project.run().counts(updated=1)
    assert project.rejects() == []


def test_children_make_their_parent_new(project, database):
    database.sql("CREATE TABLE item (id int PRIMARY KEY, changed timestamptz);"
                 " CREATE TABLE line (id int PRIMARY KEY, item int, q int, changed timestamptz);"
                 " INSERT INTO item SELECT n, now() - interval '2 days'"
                 " FROM generate_series(1, 100) n; INSERT INTO line SELECT n, n % 100 + 1, n,"
                 " now() - interval '2 days' FROM generate_series(1, 300) n;"
                 " UPDATE item SET changed = now() - interval '1 day' WHERE id = 1;"
                 " UPDATE line SET changed = now() - interval '1 day' WHERE id = 300")
    mapper(project, "cursor: changed\nchildren:\n  lines: {table: line, key: id, parent: item,"
                    " cursor: changed}", columns=[],
           fields="lines: {each: lines, fields: {id: id, q: q}}",
           more='timezone: UTC\nfull: "0 3 * * *"')
    project.run().counts(created=100)
    database.sql("UPDATE line SET q = -1, changed = now() WHERE id = 150")
    result = project.run()
    result.counts(updated=1, unchanged=1)
    doc = project.db("catalog").get("item:51")
    assert [line["q"] for line in doc["lines"]] == [50, -1, 250]
