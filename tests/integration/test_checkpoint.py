"""What a checkpoint holds and when it is written: after everything else, by a finished read only,
and never over a target that is not the one that the run began with."""

import json
import re
import signal

import pytest

from support import faultproxy
from support.process import wait_until
from support.project import Exit
from support.scene import ALL, KILLED, LOCAL, REBUILD, ROWS, SINCE, Scene


@pytest.fixture
def scene(project, database, apache_couch):
    return Scene(project, database)


@pytest.fixture
def front(scene, proxy):
    """A proxy before CouchDB, which runs go through."""
    made = proxy("http", scene.project.couch.host, scene.project.couch.port)
    scene.project.configure(couchdb={"url": made.url, "retry_for": "2s"})
    return made


def state(scene):
    return scene.project.erp2couch("state", "show", "item", "--json").expect(Exit.OK).json


def kept(scene):
    """What an unfinished run leaves as it was."""
    shown = state(scene)
    return ({name: scene.local(name) for name in ("a", "b")}, scene.local("control")["session"],
            [shown[key] for key in ("session", "position", "fingerprint", "closed")])


def test_a_checkpoint_stands_in_all_databases_and_in_the_state(scene):
    at_start = {name: scene.db(name).info() for name in "ab"}
    scene.project.run().counts(updated=4, unchanged=5)
    shown = state(scene)
    for name in ("a", "b", "control"):
        local = scene.local(name)
        assert local["session"] == shown["session"] and local["mapper"] == "item"
        assert local["cursor"] == shown["position"]
        assert len(local["fingerprint"]) == 32 and shown["fingerprint"] == "same"
    for name, info in at_start.items():
        local = scene.local(name)
        assert local["instance_start_time"] == info["instance_start_time"]
        assert local["update_seq"].split("-")[0] == str(info["update_seq"]).split("-")[0]
        assert local["own_writes"] == 2


# ---- unfinished reads ----

def terminated(scene, front):
    """By SIGTERM, while the read waits for CouchDB."""
    stalled = front.on("POST", "[ab]/_bulk_docs", faultproxy.delay(before=1), times=None)
    process = scene.project.start("run")
    wait_until("the run writes", 30, lambda: stalled.hits)
    process.send_signal(signal.SIGTERM)
    scene.project.finish(process).expect(Exit.TERMINATED)


def failed(scene, front):
    """A row that the ERP cannot compute, after others."""
    scene.database.sql("UPDATE item SET extra = 0 WHERE id = 40")
    scene.project.run(code=Exit.CONFIG)
    scene.database.sql("UPDATE item SET extra = 1 WHERE id = 40")


def refused(scene, front):
    """More rejects than max_rejects."""
    scene.database.sql("UPDATE item SET extra = NULL WHERE id = 40")
    scene.project.run(code=Exit.REFUSED)
    scene.database.sql("UPDATE item SET extra = 1 WHERE id = 40")


def not_written(scene, front):
    """Documents that CouchDB does not take."""
    front.on("POST", "[ab]/_bulk_docs", faultproxy.answer(503), times=None)
    scene.project.run(code=Exit.UNAVAILABLE)


def reject_not_written(scene, front):
    """A reject that the control database does not take."""
    scene.database.sql("UPDATE item SET extra = NULL WHERE id = 40")
    front.on("POST", "control/_bulk_docs", faultproxy.answer(503), times=None, body=b"reject:")
    scene.project.run(code=Exit.UNAVAILABLE)
    scene.database.sql("UPDATE item SET extra = 1 WHERE id = 40")


@pytest.mark.parametrize("how", [terminated, failed, refused, not_written, reject_not_written],
                         ids=lambda how: how.__name__)
def test_an_unfinished_read_moves_no_cursor(scene, front, how):
    scene.database.sql("CREATE VIEW live AS SELECT id, v, kind, 1 / extra AS extra, version FROM"
                       " item")
    scene.mapper(table="live", fields="n: {from: extra, required: true}",
                 more="max_rejects: " + ("0" if how is refused else "10"))
    scene.start()
    scene.change()
    scene.database.sql("UPDATE item SET version = nextval('stamp') WHERE id = 40")
    before = kept(scene)
    how(scene, front)
    assert kept(scene) == before
    front.clear()
    assert scene.start()[1] == SINCE
    assert scene.documents() == dict(scene.database.sql("SELECT 'item:' || id, v FROM item"))
    scene.project.quiet_run(databases=("a", "b"))


# ---- runs that die ----

def sent(front):
    """How many documents the targets were sent."""
    return sum(len(json.loads(one.body)["docs"]) for one in front.seen
               if one.method == "POST" and one.path.endswith(("a/_bulk_docs", "b/_bulk_docs")))


def test_what_a_first_load_wrote_before_it_died_is_not_sent_again(scene, front):
    scene.project.erp2couch("state", "reset", "item").expect(Exit.OK)
    scene.mapper(fields="round: {value: 1}")
    scene.die("RECORD_ACKED", ROWS * 9 // 10)
    landed = sum(doc.get("round") == 1 for name in "ab" for doc in scene.db(name).docs().values())
    assert landed >= ROWS * 9 // 10
    front.seen.clear()
    start, read, result = scene.start()
    assert (start, read) == (REBUILD, ALL)
    assert sent(front) == ROWS - landed and result.mapper()["unchanged"] == landed


@pytest.mark.parametrize("who", ["a run that died", "somebody else"])
def test_who_changed_documents_is_not_told_wrongly(scene, who):
    """What a run wrote that died is in no state: it looks like somebody's edit."""
    if who == "a run that died":
        scene.die("RECORD_ACKED", 3)
    else:
        scene.project.run()
        scene.db("a").put({"_id": scene.db("a").ids()[0], "v": "edit"})
    result = scene.project.run().says("of our documents were changed by others")
    assert ("or by the last run, which did not end" in result.err) == (who == "a run that died")


def test_the_state_is_durable_batch_by_batch(scene):
    """What it holds of a run that died need not be compared with CouchDB."""
    scene.database.sql("UPDATE item SET v = v || 'y', version = nextval('stamp')")
    scene.die("RECORD_ACKED", ROWS - 5)
    known = state(scene)
    result = scene.project.erp2couch("run").expect(Exit.OK)
    assert known["closed"] == 2 and known["run"] == 3
    lost = sum(int(number) for number in re.findall(r"(\d+) of our documents were", result.err))
    assert lost <= 20, result
    assert scene.documents() == dict(scene.database.sql("SELECT 'item:' || id, v FROM item"))


def test_former_ids_are_owed_from_the_same_transaction_on(scene):
    """Wherever a run over moved records dies, no former document is forgotten."""
    number, dead = 0, KILLED
    while dead == KILLED:
        number += 1
        scene.database.sql("UPDATE item SET version = nextval('stamp'), kind = CASE kind WHEN 'a'"
                           " THEN 'b' ELSE 'a' END WHERE id <= 4")
        env = {"ERP2COUCH_CRASH_AT": f"APPLIED:{number}", "ERP2COUCH_CRASH_BATCH": "1"}
        dead = scene.project.erp2couch("run", env=env).code
        scene.project.run()
        assert sorted((name, doc_id) for name in "ab" for doc_id in scene.db(name).ids()) == sorted(
            scene.database.sql("SELECT kind, 'item:' || id FROM item"))
    assert number > 4


# ---- the end ----

def replaced(**changes):
    """What CouchDB says of the target `a` at the run's end differs from what it said before."""
    def change(status, body):
        return status, json.dumps({**json.loads(body), **changes}).encode()

    return faultproxy.rewrite(change)


ENDS = {
    "another instance_start_time": ("a$", replaced(instance_start_time="1")),
    "a number below start and own writes": ("a$", replaced(update_seq="23-x")),
    "another session": (f"a/_local/{LOCAL}$", replaced(session="0" * 32)),
    "no checkpoint": (f"a/_local/{LOCAL}$", faultproxy.answer(404, b'{"error":"not_found"}')),
    "no database": ("a$", faultproxy.answer(404, b'{"error":"not_found"}')),
}


@pytest.mark.parametrize("name", ENDS)
def test_no_checkpoint_is_written_over_a_replaced_target(scene, front, name):
    assert scene.db("a").update_number() == 22  # and two writes are to come
    before = [scene.local(name) for name in ("a", "b")]
    path, fault = ENDS[name]
    rule = front.on("GET", path, fault, skip=1)
    result = scene.project.run(code=Exit.UNAVAILABLE)
    assert rule.hits == 1, result
    assert [scene.local(name) for name in ("a", "b")] == before
    assert not state(scene)["session"]
    assert scene.start()[:2] == (REBUILD, ALL)
    scene.check()


# ---- the cursor ----

def since(result):
    return re.search(r'reading what changed since ([^"]+)"', result.err).group(1)


def test_a_run_over_no_rows_leaves_the_cursor(scene):
    for _ in range(3):  # an integer cursor follows one run later
        before = since(scene.start()[2])
    scene.database.sql("UPDATE item SET version = version - 1000")
    for _ in range(3):
        result = scene.start()[2].counts()
        assert since(result) == before


def test_a_run_over_no_rows_leaves_a_time_where_it_was(project, database):
    database.sql("CREATE TABLE item AS SELECT n AS id, now() - n * interval '1 day' AS changed FROM"
                 " generate_series(1, 9) n")
    project.table_mapper(extract="cursor: changed\nlookback: 0s", more="timezone: UTC")
    project.run().counts(created=9)
    before = since(project.run().counts(unchanged=1))
    database.sql("UPDATE item SET changed = changed - interval '1 day'")
    for _ in range(2):
        result = project.run().counts()
        assert since(result) == before


def test_a_cursor_in_the_future_is_told_and_not_followed(project, database):
    database.sql("CREATE TABLE item AS SELECT n AS id, 'v' AS v, now() - interval '1 day' AS"
                 " changed FROM generate_series(1, 9) n")
    project.table_mapper(columns=["v"], extract="cursor: changed", more="timezone: UTC")
    project.run()
    database.sql("UPDATE item SET changed = '2999-01-01' WHERE id = 1")
    project.run().says("changed is up to 2999-01-01.* later than the source's clock")
    database.sql("UPDATE item SET v = 'w', changed = now() WHERE id = 2")
    project.run().counts(updated=1, unchanged=1)
