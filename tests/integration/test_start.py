"""Where a run starts from, row by row of the protocol's table: what it finds in the targets, in the
control database and in its state, and whether it then goes on, finishes the closing of a run that
died, or rebuilds the state; and what is read again after another mapper was here."""

import re
import shutil

import pytest

from support.process import wait_until
from support.project import Exit
from support.scene import ALL, FINISH, GO_ON, LOCAL, REBUILD, ROWS, SINCE, Scene


@pytest.fixture
def scene(project, database, apache_couch):
    return Scene(project, database)


def others(name):
    def change(scene):
        scene.local(name, session="0" * 32)
    return change


def missing(name):
    return lambda scene: scene.drop_local(name)


def dead(point, number=1, then=None):
    """The last run died while it closed; `then` something happened to its checkpoints."""
    def change(scene):
        scene.die(point, number)
        if then:
            then(scene)
        scene.change()
    return change


def made_again(scene):
    """With the same documents, revisions and checkpoint, as a copy from elsewhere has them."""
    db, local = scene.db("a"), scene.db("a").local(LOCAL)
    docs = [{**doc, "_rev": db.revs()[doc_id]} for doc_id, doc in db.docs().items()]
    docs = [scene.db("a").get(doc["_id"], revs="true") for doc in docs]
    db.recreate()
    db.call("POST", "/_bulk_docs", json={"docs": docs, "new_edits": False})
    db.bulk([{"_id": f"other:{n}"} for n in range(100)])  # the number is no lower than it was
    db.call("PUT", f"/_local/{LOCAL}", json={key: value for key, value in local.items()
                                             if key != "_rev"})


def dead_in_the_read(scene):
    scene.die("APPLIED")


def lost_control(scene):
    scene.db("control").delete()


def number(text):
    return lambda scene: scene.local("a", update_seq=text)


def lost_state(scene):
    shutil.rmtree(scene.project.state)


def corrupt_state(scene):
    data = scene.project.state / "item/data/data.mdb"
    content = bytearray(data.read_bytes())
    for at in range(8192, len(content), 512):
        content[at:at + 16] = b"\xff" * 16
    data.write_bytes(content)


def no_state(scene):
    (scene.project.state / "item/data/data.mdb").write_bytes(b"SQLite format 3\0" + bytes(70000))


def stale_state(scene):
    """A copy from before the last run is put back."""
    copy = scene.project.folder / "copy"
    shutil.copytree(scene.project.state, copy)
    scene.project.run()
    scene.change()
    shutil.rmtree(scene.project.state)
    copy.rename(scene.project.state)


def state_of_another_mapper(scene):
    scene.mapper("thing", prefix="thing")
    scene.project.run("thing").counts("thing", created=ROWS)
    (scene.project.folder / "mappers/thing.yaml").unlink()
    shutil.rmtree(scene.project.state / "item")
    shutil.copytree(scene.project.state / "thing", scene.project.state / "item")


def state_of_another_server(scene):
    """The same mapper's, of databases elsewhere."""
    project = scene.project
    here = project.prefix
    shutil.move(project.state, project.folder / "here")
    project.prefix = here[:-1] + "z_"
    project.configure(couchdb={"control_database": project.prefix + "control"})
    scene.mapper()
    project.run().counts(created=ROWS)
    for name in ("a", "b", "control"):
        scene.db(name).delete()
    project.prefix = here
    project.configure(couchdb={"control_database": project.prefix + "control"})
    scene.mapper()


def edited_rules(scene):
    """Documents are compared in another way."""
    scene.mapper(fields="note: {value: 1, significant: false}")


STARTS = {
    "ours everywhere": (lambda scene: None, GO_ON, SINCE),
    "another run's in the first target": (others("a"), REBUILD, ALL),
    "another run's in the last target": (others("b"), REBUILD, ALL),
    "none in the first target": (missing("a"), REBUILD, ALL),
    "none in the last target": (missing("b"), REBUILD, ALL),
    "another run's in the control database": (others("control"), GO_ON, ALL),
    "none in the control database": (missing("control"), GO_ON, ALL),
    "no control database": (lost_control, GO_ON, ALL),
    "died in the read": (dead_in_the_read, GO_ON, SINCE),
    "died closing, no target has it": (dead("CLOSING_STORED"), FINISH, SINCE),
    "died closing, one target has it": (dead("TARGET_CLOSED", 1), FINISH, SINCE),
    "died closing, all targets have it": (dead("TARGET_CLOSED", 2), FINISH, SINCE),
    "died closing, the control database has it": (dead("CONTROL_CLOSED"), FINISH, SINCE),
    "died closed": (dead("SESSION_STORED"), GO_ON, SINCE),
    "died closing, then another run's": (dead("TARGET_CLOSED", 1, others("b")), REBUILD, ALL),
    "died closing, then none": (dead("TARGET_CLOSED", 1, missing("b")), REBUILD, ALL),
    "died closing, then no control": (dead("TARGET_CLOSED", 1, lost_control), FINISH, ALL),
    "another instance_start_time": (made_again, REBUILD, ALL),
    "a number below that of the checkpoint": (number("100000-x"), REBUILD, ALL),
    "no state": (lost_state, REBUILD, ALL),
    "a corrupt state": (corrupt_state, REBUILD, ALL),
    "a file that is no state": (no_state, REBUILD, ALL),
    "an older state": (stale_state, REBUILD, ALL),
    "another mapper's state": (state_of_another_mapper, REBUILD, ALL),
    "another server's state": (state_of_another_server, REBUILD, ALL),
    "digests taken in another way": (edited_rules, REBUILD, ALL),
}


@pytest.mark.parametrize("name", STARTS)
def test_start(scene, name):
    change, start, read = STARTS[name]
    change(scene)
    found = scene.start()
    assert found[:2] == (start, read), found[2]
    scene.check()


@pytest.mark.parametrize("point, number, holds", [
    ("CLOSING_STORED", 1, False), ("TARGET_CLOSED", 1, True), ("TARGET_CLOSED", 2, True),
    ("CONTROL_CLOSED", 1, True)])
def test_finishing_brings_all_checkpoints_to_one_session(scene, point, number, holds):
    before = scene.local("a")["session"]
    scene.die(point, number)
    closing = scene.local("a")["session"]
    assert (closing != before) == holds
    scene.die("CLOSING_FINISHED")
    assert {scene.local(name)["session"] for name in ("a", "b", "control")} == {closing}
    assert scene.start()[0] == GO_ON
    scene.check()


def test_a_rebuild_that_died_is_begun_again(scene):
    edited_rules(scene)
    scene.die("STATE_ERASED")
    assert scene.start()[:2] == (REBUILD, ALL)
    scene.check()


def test_the_cursor_of_a_run_that_died_while_closing_is_taken(scene):
    scene.die("TARGET_CLOSED", 1)
    scene.start()[2].counts(unchanged=5)  # not 9, as from the cursor before


def test_a_database_is_listed_before_its_first_document(scene):
    """So that a rebuild knows it, whatever the rows say by then."""
    scene.database.sql("INSERT INTO item VALUES (100, 'v', 'c', 1, nextval('stamp'))")
    scene.die("TARGET_MADE")
    assert scene.project.prefix + "c" in {
        target["database"] for target in scene.local("control")["targets"]}


def test_a_rebuild_looks_into_databases_that_no_row_names_any_more(scene):
    lost_state(scene)
    scene.database.sql("UPDATE item SET kind = 'b'")
    scene.project.run("--allow-deletes").counts(created=ROWS // 2, deleted=ROWS // 2, updated=2,
                                                unchanged=ROWS // 2 - 2)
    assert scene.db("a").ids() == []


def test_a_corrupt_state_is_set_aside_and_named(scene):
    corrupt_state(scene)
    result = scene.start()[2].says(r"state \S+/item/data/data.mdb is unusable \(damaged\)")
    aside = re.search(r"set aside as (\S+?corrupt[^\s,]*)", result.err).group(1)
    assert (scene.project.folder / aside).stat().st_size > 0


def test_a_rebuild_compares_without_asking_again(scene, proxy):
    """It has seen the documents: nothing is sent for those that are as the rows say."""
    scene.start()
    lost_state(scene)
    front = proxy("http", scene.project.couch.host, scene.project.couch.port)
    scene.project.configure(couchdb={"url": front.url})
    start, read, result = scene.start()
    assert (start, read) == (REBUILD, ALL)
    result.counts(unchanged=ROWS)
    assert front.count("POST", "_[ab]/") == 0


def test_orphans_stay_without_a_sweep(scene):
    path = scene.mapper(prefix="thing")
    path.write_text(path.read_text().replace("  lookback: 0s", "  lookback: 0s\n"
                                                               "  deletes: {sweep: false}"))
    scene.project.run("--allow-deletes").counts(created=ROWS)
    assert len(scene.documents()) == ROWS


def test_an_unchanged_run_leaves_the_records_alone(project, database):
    """It marks in memory what it saw: of a state of thousands of pages it writes a few."""
    database.sql("CREATE TABLE item AS SELECT n AS id, repeat('v', 100) || n AS v FROM"
                 " generate_series(1, 20000) n")
    project.table_mapper(columns=["v"])
    project.run().counts(created=20000)
    data = project.state / "item/data/data.mdb"
    before = data.read_bytes()
    project.quiet_run(unchanged=20000)
    after = data.read_bytes()
    changed = sum(before[at:at + 4096] != after[at:at + 4096] for at in range(0, len(after), 4096))
    assert len(after) > 400 * 4096 and changed < 100


# ---- former prefixes ----

def listed(scene):
    """(database, prefix) in the control database."""
    return sorted((target["database"][-1], target["prefix"])
                  for target in scene.local("control")["targets"])


def test_documents_under_a_former_prefix_are_found(scene):
    """They are documents without a record now: withheld, then deleted, whatever is lost between."""
    scene.mapper(prefix="thing")
    result = scene.project.run(code=Exit.REFUSED).counts(created=ROWS)
    assert result.mapper()["withheld"] == ROWS
    assert listed(scene) == [(name, prefix) for name in "ab" for prefix in ("item:", "thing:")]
    lost_state(scene)
    result = scene.project.run("--allow-deletes").counts(deleted=ROWS, unchanged=ROWS)
    assert scene.documents() == {}
    assert listed(scene) == [("a", "thing:"), ("b", "thing:")]
    scene.project.quiet_run(databases=("a", "b"))


def test_a_former_prefix_that_another_mapper_has_now_is_left_alone(scene):
    scene.mapper("other", prefix="item")
    scene.mapper(prefix="thing")
    scene.project.run("item").counts("item", created=ROWS)
    assert listed(scene) == [("a", "thing:"), ("b", "thing:")]
    assert len(scene.documents()) == ROWS


# ---- fingerprint ----

def with_schema(scene, text):
    """A mapper that names a schema."""
    scene.project.configure(schemas="schemas")
    (scene.project.folder / "schemas").mkdir(exist_ok=True)
    (scene.project.folder / "schemas/thing.schema.json").write_text(text)
    scene.mapper(target="schema: thing")


def with_variable(scene, value):
    scene.project.env["ROUND"] = value
    scene.mapper(fields='round: {value: "${env:ROUND}"}')


MAPPERS = {  # what it was, what it is, what is read
    "a field more": (lambda scene: scene.mapper(),
                     lambda scene: scene.mapper(fields="round: {value: 1}"), ALL),
    "another value of a variable": (lambda scene: with_variable(scene, "1"),
                                    lambda scene: with_variable(scene, "2"), ALL),
    "another schema": (lambda scene: with_schema(scene, "{}"),
                       lambda scene: with_schema(scene, '{"type": "object"}'), ALL),
    "another type of a column": (
        lambda scene: scene.mapper(),
        lambda scene: scene.database.sql("ALTER TABLE item ALTER extra TYPE text"), ALL),
    "a comment": (lambda scene: scene.mapper(),
                  lambda scene: scene.mapper(more="# nothing new"), SINCE),
}


@pytest.mark.parametrize("name", MAPPERS)
def test_another_mapper_means_a_full_read(scene, name):
    before, change, read = MAPPERS[name]
    before(scene)
    scene.start()
    assert scene.start()[1] == SINCE
    change(scene)
    assert scene.start()[1] == read
    assert scene.start()[1] == SINCE


def rounds(scene):
    return {doc.get("round") for name in "ab" for doc in scene.db(name).docs().values()}


def test_another_mapper_killed_half_way_means_a_full_read_of_the_first_one(scene):
    scene.mapper(fields="round: {value: 1}")
    scene.die("APPLIED")
    assert 1 in rounds(scene)
    scene.mapper()
    assert scene.start()[1] == ALL
    assert rounds(scene) == {None}
    assert scene.start()[1] == SINCE


def test_another_mapper_killed_half_way_reads_everything_again(scene):
    scene.mapper(fields="round: {value: 1}")
    scene.die("APPLIED")
    assert scene.start()[1] == ALL
    assert rounds(scene) == {1}


def test_records_retried_with_another_mapper_mean_a_full_read_of_the_first_one(scene):
    """No cursor shows the record: it is an old one."""
    key = ROWS + 1
    scene.mapper(fields="n: {from: extra, required: true}")
    scene.database.sql(f"INSERT INTO item VALUES ({key}, 'v', 'a', NULL, 0)")
    scene.project.run(code=Exit.REJECTS)
    scene.database.sql(f"UPDATE item SET extra = 2 WHERE id = {key}")
    scene.mapper(fields="n: {from: extra, required: true}\nround: {value: 1}")
    scene.project.erp2couch("rejects", "retry", "item").expect(Exit.OK)
    assert rounds(scene) == {None, 1}
    scene.mapper(fields="n: {from: extra, required: true}")
    scene.project.run()
    assert rounds(scene) == {None}


def test_a_mapper_that_was_edited_during_a_run_means_a_full_read(scene):
    """The run is the mapper that it read when it began."""
    scene.mapper(fields="round: {value: 1}")
    with scene.database.connect() as held:
        held.cursor().execute("LOCK TABLE item IN ACCESS EXCLUSIVE MODE")
        process = scene.project.start("run")
        wait_until("the run waits", 30, lambda: scene.database.value(
            "SELECT count(*) FROM pg_locks WHERE NOT granted") > 0)
        scene.mapper(fields="round: {value: 2}")
        held.rollback()
    scene.project.finish(process).expect(Exit.OK)
    assert rounds(scene) == {1}
    assert scene.start()[1] == ALL
    assert rounds(scene) == {2}
