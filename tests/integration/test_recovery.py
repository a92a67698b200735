"""What a run finds that it did not leave: a lost state, a restored target, other people's edits."""

import shutil
import threading

import pytest

from support import faultproxy
from support.project import Exit


@pytest.fixture
def catalog(project, database):
    """300 rows, loaded."""
    load(project, database)
    return project.db("catalog")


def load(project, database):
    # no number without a fraction: pouchdb-server gives 5.0 back as 5
    database.sql("CREATE TABLE item AS SELECT n AS id, 'v' || n AS v, n * 0.1::float8 + 0.05 AS f"
                 " FROM generate_series(1, 300) n")
    project.table_mapper(columns=["v", "f"])
    project.run().counts(created=300)


def lose_state(project):
    shutil.rmtree(project.state)


def check(project, database, target):
    rows = database.sql("SELECT id, v, f FROM item")
    assert target.docs() == {f"item:{key}": {"_id": f"item:{key}", "type": "item", "v": v, "f": f}
                             for key, v, f in rows}
    project.quiet_run(unchanged=len(rows))


def test_a_lost_state_costs_no_revision(project, database, catalog):
    lose_state(project)
    project.quiet_run(unchanged=300)
    check(project, database, catalog)


def test_a_lost_state_and_changes_in_the_source(project, database, catalog):
    lose_state(project)
    database.sql("UPDATE item SET v = 'new' WHERE id <= 3; DELETE FROM item WHERE id = 4;"
                 " INSERT INTO item VALUES (1000, 'x', 1)")
    project.run().counts(created=1, updated=3, deleted=1, unchanged=296)
    assert catalog.revs()["item:1"].startswith("2-")
    check(project, database, catalog)


def test_documents_that_were_there_before_the_first_run_are_adopted(project, database):
    """Equal ones are unchanged, other ones are updated, ours by prefix but claimed by nobody go."""
    database.sql("CREATE TABLE item AS SELECT n AS id, 'v' || n AS v FROM"
                 " generate_series(1, 100) n")
    project.table_mapper(columns=["v"])
    catalog = project.db("catalog").create()
    catalog.bulk([{"_id": f"item:{n}", "type": "item", "v": f"v{n}"} for n in range(1, 61)])
    catalog.bulk([{"_id": f"item:{n}", "v": "other"} for n in range(61, 71)])
    catalog.bulk([{"_id": "item:777", "v": "claimed by nobody"},
                  {"_id": "other:1", "v": "not ours"}])
    project.run().counts(created=30, updated=10, deleted=1, unchanged=60)
    assert catalog.get("other:1") is not None
    revs = catalog.revs()
    assert all(revs[f"item:{n}"].startswith("1-") for n in range(1, 61))
    project.quiet_run(unchanged=100)


def test_adopted_documents_are_equal_in_any_order_of_their_fields(project, database):
    database.sql("CREATE TABLE item AS SELECT 1 AS id, 'a' AS v, 1.5::float8 AS f")
    project.table_mapper(columns=["v", "f"])
    project.db("catalog").create().put({"_id": "item:1", "f": 1.50, "v": "a", "type": "item"})
    result = project.run()
    # whatever is decided about order: once, and never again
    assert result.mapper()["unchanged"] + result.mapper()["updated"] == 1, result
    project.quiet_run(unchanged=1)


def test_a_tombstone_from_before_the_first_run(project, database):
    database.sql("CREATE TABLE item AS SELECT 1 AS id, 'a' AS v")
    project.table_mapper(columns=["v"])
    catalog = project.db("catalog").create()
    rev = catalog.put({"_id": "item:1", "v": "old"})
    catalog.call("DELETE", "/item:1", params={"rev": rev})
    project.run().counts(created=1)
    assert catalog.get("item:1")["_rev"].startswith("3-" if project.couch.apache else "")
    project.quiet_run(unchanged=1)


def test_a_target_that_was_deleted_is_loaded_again(project, database, catalog):
    catalog.delete()
    project.run()
    check(project, database, catalog)


def test_a_target_that_was_made_again(project, database, catalog, apache_couch):
    catalog.recreate()
    project.run()
    assert {rev[:2] for rev in catalog.revs().values()} == {"1-"}
    check(project, database, catalog)


def test_a_target_that_was_made_again_and_filled_by_others(project, database, catalog,
                                                           apache_couch):
    catalog.recreate()
    catalog.bulk([{"_id": f"item:{n}", "type": "item", "v": f"v{n}", "f": 0} for n in range(1, 50)])
    project.run().counts(created=251, updated=49)
    check(project, database, catalog)


def test_a_control_database_that_was_deleted(project, database, catalog):
    project.control.delete()
    project.quiet_run(unchanged=300)
    assert project.control.local("erp2couch-item")


def test_a_control_database_that_was_deleted_takes_the_rejects_along(project, database):
    """They are the memory of what an incremental run has to look at again."""
    database.sql("CREATE TABLE item AS SELECT n AS id, CASE n WHEN 7 THEN NULL ELSE 'v' END AS v,"
                 " n AS version FROM generate_series(1, 30) n")
    project.table_mapper(extract="cursor: version\nlookback: 0s",
                         fields="v: {from: v, required: true}")
    project.run(code=Exit.REJECTS).counts(created=29, rejected=1)
    project.run(code=Exit.REJECTS)
    project.control.delete()
    project.run(code=Exit.REJECTS).counts(unchanged=29, rejected=1)
    assert [doc["key"] for doc in project.rejects()] == [7]
    assert project.run(code=Exit.REJECTS).mapper()["read"] < 5


def test_an_edit_of_ours_is_overwritten(project, database, catalog):
    catalog.put({"_id": "item:7", "v": "edited"})
    project.run().counts(updated=1, unchanged=299)
    assert catalog.revs()["item:7"].startswith("3-")
    check(project, database, catalog)


def test_an_edit_that_changes_nothing_is_left(project, database, catalog):
    doc = catalog.get("item:7")
    doc.pop("_rev")
    catalog.put(doc)
    project.quiet_run(unchanged=300)
    assert catalog.revs()["item:7"].startswith("2-")


def test_an_edit_and_a_change_of_the_row(project, database, catalog):
    catalog.put({"_id": "item:7", "v": "edited"})
    database.sql("UPDATE item SET v = 'changed' WHERE id IN (7, 8)")
    project.run().counts(updated=2, unchanged=298)
    check(project, database, catalog)


def test_many_edits(project, database, catalog):
    for doc_id in list(catalog.revs())[:120]:
        catalog.put({"_id": doc_id, "v": "edited"})
    project.run().counts(updated=120, unchanged=180)
    check(project, database, catalog)


def test_a_purged_document_is_written_again(project, database, catalog, apache_couch):
    """Nothing in the feed shows it."""
    catalog.call("POST", "/_purge", json={"item:7": [catalog.revs()["item:7"]]})
    assert catalog.get("item:7") is None
    project.run().counts(created=1, unchanged=299)
    check(project, database, catalog)


def test_on_conflict_reject_leaves_the_edit(project, database):
    database.sql("CREATE TABLE item AS SELECT n AS id, 'v' || n AS v FROM generate_series(1, 30) n")
    project.table_mapper(columns=["v"], target="on_conflict: reject")
    project.run().counts(created=30)
    catalog = project.db("catalog")
    catalog.put({"_id": "item:7", "v": "edited"})
    project.run(code=Exit.REJECTS).counts(rejected=1, unchanged=29)
    assert catalog.get("item:7")["v"] == "edited"
    [reject] = project.rejects()
    assert "conflict" in reject["reason"].lower() or "revision" in reject["reason"].lower()
    project.run(code=Exit.REJECTS).counts(rejected=1, unchanged=29)  # looked at again
    catalog.put({"_id": "item:7", "type": "item", "v": "v7"})
    project.quiet_run(unchanged=30)
    assert project.rejects() == []


def copy_files(couch, away):
    shutil.copytree(couch.folder / "data", away)


def put_back(couch, away):
    shutil.rmtree(couch.folder / "data")
    shutil.copytree(away, couch.folder / "data")


@pytest.fixture
def restorable(own_couch, make_project, database, tmp_path):
    """A CouchDB of our own, a project on it, and functions that save and restore its files."""
    couch = own_couch()
    project = make_project(couch, database)

    def save():
        couch.stop()
        copy_files(couch, tmp_path / "saved")
        couch.restart_on_same_port()

    def restore():
        couch.stop()
        put_back(couch, tmp_path / "saved")
        couch.restart_on_same_port()

    return project, save, restore


@pytest.mark.slow
def test_a_server_restored_from_an_older_copy(restorable, database):
    """instance_start_time survives that; nothing may be believed to be there that is not."""
    project, save, restore = restorable
    load(project, database)
    catalog = project.db("catalog")
    save()
    database.sql("UPDATE item SET v = 'later' WHERE id <= 40; DELETE FROM item WHERE id > 290;"
                 " INSERT INTO item SELECT n, 'late', 0 FROM generate_series(400, 420) n")
    project.run().counts(created=21, updated=40, deleted=10, unchanged=250)
    restore()
    assert catalog.count() == 300
    project.run().counts(created=21, updated=40, deleted=10, unchanged=250)
    check(project, database, catalog)


@pytest.mark.slow
def test_a_server_restored_from_a_copy_of_the_middle_of_a_load(restorable, database):
    project, save, restore = restorable
    load(project, database)
    save()
    for turn in range(3):
        database.sql(f"UPDATE item SET v = 'turn {turn}' WHERE id % 3 = {turn}")
        project.run()
    restore()
    database.sql("UPDATE item SET v = 'last' WHERE id = 1")
    project.run()
    check(project, database, project.db("catalog"))


@pytest.mark.slow
def test_a_target_alone_restored_from_an_older_copy(restorable, database, tmp_path):
    """Only the checkpoint in the target itself shows it: the control database has the newest."""
    project, save, restore = restorable
    load(project, database)
    couch, catalog = project.couch, project.db("catalog")
    couch.stop()
    copy_files(couch, tmp_path / "old")
    couch.restart_on_same_port()
    database.sql("UPDATE item SET v = 'later' WHERE id <= 40")
    project.run().counts(updated=40, unchanged=260)
    couch.stop()
    replaced = 0
    for path in (tmp_path / "old").rglob(f"{project.prefix}catalog.*.couch"):
        shutil.copy(path, couch.folder / "data" / path.relative_to(tmp_path / "old"))
        replaced += 1
    assert replaced
    couch.restart_on_same_port()
    project.run().counts(updated=40, unchanged=260)
    check(project, database, catalog)


def test_a_restored_target_that_holds_the_newest_checkpoint(restorable, database, apache_couch):
    """Only the number in front of its update_seq is lower than the state's."""
    project, save, restore = restorable
    load(project, database)
    save()
    database.sql("UPDATE item SET v = 'later' WHERE id <= 40")
    project.run().counts(updated=40, unchanged=260)
    newest = {db: db.local("erp2couch-item") for db in (project.db("catalog"), project.control)}
    restore()
    for db, local in newest.items():
        db.call("PUT", "/_local/erp2couch-item", json={**local, "update_seq": "1-x"})
    project.run().says("restored to an earlier time").counts(updated=40, unchanged=260)
    check(project, database, project.db("catalog"))


def dies_closing(project, proxy, *words):
    """A run that writes, and dies when it stores its checkpoint."""
    front = proxy("http", project.couch.host, project.couch.port)
    front.on("PUT", "/_local/", faultproxy.answer(503), skip=1, times=None)  # the list of targets
    project.configure(couchdb={"url": front.url, "retry_for": "1s"})
    project.run(*words, code=Exit.UNAVAILABLE)
    project.configure(couchdb={"url": project.couch.base})


@pytest.mark.parametrize("change", ["UPDATE item SET v = 'later' WHERE id <= 3",
                                    "DELETE FROM item WHERE id <= 3"])
@pytest.mark.slow
def test_a_restore_whose_lost_writes_others_made_up_for(restorable, database, proxy, change):
    """The run dies while it closes, the target goes back to the checkpoint before, and somebody
    writes as much as was lost: no session and no number shows it, only the feed."""
    project, save, restore = restorable
    load(project, database)
    project.run()  # a checkpoint behind the load: the feed after it is empty
    save()
    database.sql(change)
    dies_closing(project, proxy)
    restore()
    project.db("catalog").bulk([{"_id": f"other:{n}"} for n in range(3)])
    project.run()
    docs = {key: doc["v"] for key, doc in project.db("catalog").docs().items()
            if key.startswith("item:")}
    assert docs == dict(database.sql("SELECT 'item:' || id, v FROM item"))


@pytest.mark.slow
def test_an_edit_after_a_restore_that_the_state_is_ahead_of(restorable, database, proxy):
    """As above, and the dead run began later than the copy was made: what others do to our
    documents first shows only in what follows the restored target's own checkpoint."""
    project, save, restore = restorable
    load(project, database)
    save()
    catalog = project.db("catalog")
    catalog.bulk([{"_id": f"other:{n}"} for n in range(5)])
    dies_closing(project, proxy)
    restore()
    catalog.put({"_id": "item:7", "v": "edited"})
    catalog.bulk([{"_id": f"other:{n}"} for n in range(20)])
    project.run().counts(updated=1, unchanged=299)
    assert catalog.get("item:7")["v"] == "v7"


@pytest.mark.slow
def test_a_restore_after_two_runs_that_did_not_close(restorable, database, proxy):
    """The first one wrote, the second one died while it closed. What the first one wrote is missing
    from a target that holds the checkpoint before both; the state had taken it for closed."""
    project, save, restore = restorable
    load(project, database)
    project.db("catalog").bulk([{"_id": "other:0"}])
    project.run()  # the next feed begins after the load
    save()
    database.sql("UPDATE item SET v = 'later' WHERE id <= 3")
    front = proxy("http", project.couch.host, project.couch.port)
    project.configure(couchdb={"url": front.url, "retry_for": "1s"})
    front.on("GET", "catalog/_local/", faultproxy.answer(503), skip=1, times=None)  # at the end
    project.run(code=Exit.UNAVAILABLE)
    front.clear()
    front.on("PUT", "/_local/", faultproxy.answer(503), skip=1, times=None)  # the list of targets
    project.run(code=Exit.UNAVAILABLE)
    project.configure(couchdb={"url": project.couch.base})
    restore()
    project.db("catalog").bulk([{"_id": f"other:{n}"} for n in range(1, 9)])
    project.run()
    docs = {key: doc["v"] for key, doc in project.db("catalog").docs().items()
            if key.startswith("item:")}
    assert docs == dict(database.sql("SELECT 'item:' || id, v FROM item"))


def test_a_restore_between_two_looks_at_a_target(restorable, database, proxy):
    """`_local` and update_seq are asked for one after the other. After a restore in between there
    must be no update_seq that the target has yet to reach: what others write before is not seen."""
    project, save, restore = restorable
    load(project, database)
    save()
    catalog, looks = project.db("catalog"), []
    catalog.bulk([{"_id": f"other:{n}"} for n in range(20)])
    between, restored = threading.Event(), threading.Event()

    def look(_):
        looks.append(_)
        if len(looks) == 3:  # the first one is whether the database is there at all
            between.set()
            restored.wait(60)
        return faultproxy.delay()

    def edit(_):
        """The feed has been read, records have not."""
        catalog.put({"_id": "item:7", "v": "edited"})
        catalog.bulk([{"_id": f"more:{n}"} for n in range(40)])
        return faultproxy.delay()

    front = proxy("http", project.couch.host, project.couch.port)
    front.on("GET", r"catalog(/_local/.*)?$", faultproxy.make(look), times=None)
    front.on("PUT", r"control/_local/", faultproxy.make(edit))
    project.configure(couchdb={"url": front.url})
    run = project.start("run")
    assert between.wait(60)
    restore()
    restored.set()
    project.finish(run).expect(Exit.OK)
    project.run()
    assert catalog.get("item:7")["v"] == "v7"


def test_an_older_state_directory_is_not_believed(project, database, catalog, tmp_path,
                                                  apache_couch):
    shutil.copytree(project.state, tmp_path / "old state")
    database.sql("UPDATE item SET v = 'later' WHERE id <= 40; DELETE FROM item WHERE id > 295;"
                 " INSERT INTO item VALUES (900, 'n', 1)")
    project.run()
    shutil.rmtree(project.state)
    shutil.copytree(tmp_path / "old state", project.state)
    before = project.snapshot("catalog")
    project.run()
    assert project.snapshot("catalog") == before
    check(project, database, catalog)


def test_the_state_of_another_server(project, make_project, own_couch, database, catalog):
    """The configuration now names an empty CouchDB: everything is written there."""
    other = own_couch()
    project.configure(couchdb={"url": other.base, "auth": {"user": other.user,
                                                           "password": other.password}})
    project.run()
    assert other.db(catalog.name).count() == 300


def test_a_cursor_reads_late_rows_too(project, database):
    """Until incremental reads come, a mapper with a cursor may read everything: nothing is lost."""
    database.sql("CREATE TABLE item AS SELECT n AS id, 'v' || n AS v, now() AS changed FROM"
                 " generate_series(1, 100) n")
    project.table_mapper(columns=["v"], extract="cursor: changed")
    project.run().counts(created=100)
    database.sql("UPDATE item SET v = 'w', changed = now() WHERE id = 5")
    project.run()
    assert project.db("catalog").get("item:5")["v"] == "w"


def test_schedules_are_no_obstacle(project, database):
    database.sql("CREATE TABLE item AS SELECT 1 AS id")
    project.table_mapper(more='schedule: "*/5 * * * *"\nfull: "0 3 * * *"')
    project.run().counts(created=1)


def test_what_an_unclosed_run_found_equal_is_not_missing(project, database):
    """A retry writes no checkpoint. It finds the reject's document equal, at a revision older than
    the last checkpoint, which no feed shows any more: nothing was lost, nothing is rebuilt."""
    database.sql("CREATE TABLE item AS SELECT n AS id, 'v' || n AS v FROM generate_series(1, 30) n")
    project.table_mapper(columns=["v"], target="on_conflict: reject")
    project.run().counts(created=30)
    catalog = project.db("catalog")
    catalog.put({**catalog.get("item:5"), "v": "edited"})
    project.run(code=Exit.REJECTS).counts(rejected=1, unchanged=29)
    database.sql("UPDATE item SET v = 'edited' WHERE id = 5")
    project.erp2couch("rejects", "retry", "item").expect(Exit.OK)
    catalog.put({**catalog.get("item:7"), "v": "edited"})
    result = project.run(code=Exit.REJECTS).counts(rejected=1, unchanged=29)
    assert "rebuilt" not in result.err and catalog.get("item:7")["v"] == "edited"


def test_what_an_unclosed_run_found_deleted_is_not_missing(project, database, catalog, proxy):
    """As above, with a deletion that was withheld and that somebody else was faster with."""
    catalog.call("DELETE", "/item:5", params={"rev": catalog.revs()["item:5"]})
    database.sql("DELETE FROM item WHERE id <= 40")
    project.run(code=Exit.REFUSED).counts(unchanged=260)
    dies_closing(project, proxy, "--allow-deletes")
    result = project.quiet_run(unchanged=260)
    assert "rebuilt" not in result.err
