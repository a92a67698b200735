"""`state show | rebuild | reset | rename` and `status`: the local state in an operator's hands."""

import fcntl
import json
import re
import shutil

import pytest

from support.process import wait_until
from support.project import Exit

pytestmark = pytest.mark.once

ROWS = 20


@pytest.fixture
def table(project, database):
    database.sql("CREATE TABLE item AS SELECT n AS id, 'v' || n AS v, clock_timestamp() AS at FROM"
                 f" generate_series(1, {ROWS}) n")
    project.table_mapper(columns=["v"])
    project.run().counts(created=ROWS)
    return project


def show(project, name="item", code=Exit.OK):
    return project.erp2couch("state", "show", name, "--json").expect(code).json


def files(project):
    """Everything in the state's folder with its content, but what LMDB's readers write."""
    return {str(path.relative_to(project.state)): path.read_bytes()
            for path in project.state.rglob("*") if path.is_file() and path.name != "lock.mdb"}


def session_of(project, name="item"):
    return (project.control.local(f"erp2couch-{name}") or {}).get("session")


# ---- show ----

def test_show_a_sound_state(table):
    value = show(table)
    assert value["state"] == "sound" and value["why"] is None and value["in_use_by"] is None
    assert value["records"] == ROWS and value["owed"] == value["parked"] == value["rejects"] == 0
    assert value["databases"] == [{"database": table.prefix + "catalog", "documents": ROWS,
                                   "unattached": 0, "distrust": None}]
    assert value["run"] == value["closed"] == 1 and value["session"] == session_of(table)
    assert value["fingerprint"] == "same"
    assert value["next"] == {"state": "trust", "read": "everything",
                             "why": "the mapper has no cursor", "database": None}
    text = table.erp2couch("state", "show", "item").expect(Exit.OK).out
    for part in ("sound", f"{ROWS} in {table.prefix}catalog", "trusts the state", "no cursor"):
        assert part in text


def test_show_changes_nothing(table):
    before, writes = files(table), table.snapshot("catalog")
    control = table.control.update_number()
    show(table)
    table.erp2couch("state", "show", "item").expect(Exit.OK)
    table.erp2couch("status").expect(Exit.OK)
    assert files(table) == before and table.snapshot("catalog") == writes
    assert table.control.update_number() == control
    table.quiet_run(unchanged=ROWS)


def test_show_before_the_first_run(project, database):
    database.sql("CREATE TABLE item (id int)")
    project.table_mapper()
    value = show(project)
    assert value["state"] == "missing" and value["next"]["state"] == "rebuild"
    assert value["next"]["why"] == "there is none"
    assert not project.state.exists() and not project.control.exists()


def damage(project):
    data = project.state / "item/data/data.mdb"
    content = bytearray(data.read_bytes())
    for at in range(8192, len(content), 512):
        content[at:at + 16] = b"\xff" * 16
    data.write_bytes(content)


def foreign(project):
    data = project.state / "item/data/data.mdb"
    data.write_bytes(b"SQLite format 3\0" + bytes(70000))


def older(project):
    """The version in LMDB's own header, in both of its pages."""
    data = project.state / "item/data/data.mdb"
    content = bytearray(data.read_bytes())
    for page in (0, 4096):
        at = content.index(b"\xde\xc0\xef\xbe", page)
        content[at + 4:at + 8] = (999).to_bytes(4, "little")
    data.write_bytes(content)


@pytest.mark.parametrize("spoil, state", [(damage, "corrupt"), (foreign, "corrupt"),
                                          (older, "foreign")])
def test_show_a_state_that_cannot_be_used(table, spoil, state):
    spoil(table)
    before = {name for name in files(table) if not name.endswith("/corrupt")}
    value = show(table)
    assert value["state"] == state and value["why"] and value["next"]["state"] == "rebuild"
    assert value["next"]["why"] == value["why"]
    assert {name for name in files(table) if not name.endswith("/corrupt")} == before
    status = table.erp2couch("status", "--json").expect(Exit.OK).json["mappers"][0]
    assert status["state"] == state
    table.erp2couch("status").expect(Exit.OK).says(state)
    table.erp2couch("state", "rebuild", "item").expect(Exit.OK)
    assert show(table)["state"] == "missing"
    table.quiet_run(unchanged=ROWS)


def another_session(project):
    local = project.db("catalog").local("erp2couch-item")
    local["session"] = "0" * 32
    project.db("catalog").call("PUT", "/_local/erp2couch-item", json=local)


def no_checkpoint(project):
    project.db("catalog").call("DELETE", "/_local/erp2couch-item", params={
        "rev": project.db("catalog").local("erp2couch-item")["_rev"]})


def recreated(project):
    project.db("catalog").recreate()
    project.db("catalog").create() if not project.db("catalog").exists() else None


def missing_database(project):
    project.db("catalog").delete()


@pytest.mark.parametrize("change, says", [
    (another_session, "another run"), (no_checkpoint, "no checkpoint"),
    (recreated, "no checkpoint"), (missing_database, "not there")])
def test_show_says_why_the_state_will_not_be_trusted(table, change, says):
    change(table)
    value = show(table)
    assert value["state"] == "sound" and value["next"]["state"] == "rebuild"
    assert says in value["next"]["why"]
    assert value["next"]["database"] == table.prefix + "catalog"
    assert says in value["databases"][0]["distrust"]
    table.erp2couch("state", "show", "item").expect(Exit.OK).says("rebuilds the state", says)


def test_show_a_mapper_that_changed(table):
    table.table_mapper(columns=["v"], fields="extra: {value: 1}")
    value = show(table)
    assert value["fingerprint"] == "changed" and value["next"]["state"] == "trust"


def test_show_a_mapper_with_another_target(table):
    table.table_mapper(columns=["v"], database="elsewhere")
    before = files(table)
    value = show(table)
    assert value["next"]["state"] == "rebuild" and "not there" in value["next"]["why"]
    assert files(table) == before and not table.db("elsewhere").exists()


def test_show_what_is_owed_and_rejected(table, database):
    database.sql("UPDATE item SET v = NULL WHERE id = 4")
    table.table_mapper(fields="v: {from: v, required: true}")
    table.run(code=Exit.REJECTS)
    assert show(table)["rejects"] == 1


def test_show_position_of_a_cursor(table):
    table.table_mapper("other", table="item", columns=["v"], extract="cursor: at",
                       target_id="other:${id}")
    table.run("other").counts("other", created=ROWS)
    value = show(table, "other")
    assert value["position"] and value["next"]["read"] == "changes"


def test_show_while_a_run_is_under_way(table):
    with open(table.state / "item/lock", "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        value = show(table)
        assert value["records"] == ROWS and isinstance(value["in_use_by"], int)
        table.erp2couch("status").expect(Exit.OK).says("running, pid")
    assert show(table)["in_use_by"] is None


@pytest.mark.slow
def test_show_without_servers(table):
    table.env["ERP_DSN"] = "host=127.0.0.1 port=9 dbname=none"
    value = show(table, code=Exit.UNAVAILABLE)
    assert value["records"] == ROWS and value["fingerprint"] == "unknown"
    assert value["next"]["state"] == "trust" and "error" in value
    table.configure(couchdb={"url": "http://127.0.0.1:9"})
    value = show(table, code=Exit.UNAVAILABLE)
    assert value["records"] == ROWS and value["next"]["state"] == "unknown"


# ---- rebuild ----

def test_rebuild(table):
    result = table.erp2couch("state", "rebuild", "item", "--json").expect(Exit.OK).json
    assert result["mapper"] == "item" and result["removed_bytes"] > 0
    assert show(table)["state"] == "missing" and session_of(table)
    table.quiet_run(unchanged=ROWS)
    assert show(table)["records"] == ROWS
    table.erp2couch("state", "rebuild", "item").expect(Exit.OK).says("rebuilds it from CouchDB")
    table.erp2couch("state", "rebuild", "item").expect(Exit.OK).says("there is no state")


# ---- reset ----

def test_reset(table, database):
    documents = table.snapshot("catalog")
    result = table.erp2couch("state", "reset", "item", "--json").expect(Exit.OK).json
    assert result["checkpoints"] == 2 and result["removed_bytes"] > 0
    assert session_of(table) is None and table.db("catalog").local("erp2couch-item") is None
    assert {path.name for path in (table.state / "item").iterdir()} == {"lock", "last-run.json"}
    assert table.snapshot("catalog") == documents
    table.quiet_run(unchanged=ROWS)
    assert session_of(table)
    database.sql("DELETE FROM item WHERE id = 1")
    table.run().counts(deleted=1, unchanged=ROWS - 1)


def test_reset_of_many_databases(project, database):
    database.sql("CREATE TABLE item AS SELECT n AS id, 'd' || n % 4 AS d FROM"
                 " generate_series(1, 20) n")
    project.table_mapper(database="${d}")
    project.run()
    names = [f"d{n}" for n in range(4)]
    assert all(project.db(name).local("erp2couch-item") for name in names)
    shutil.rmtree(project.state)  # the control database knows them, too
    project.erp2couch("state", "reset", "item").expect(Exit.OK).says("5 checkpoints")
    assert not any(project.db(name).local("erp2couch-item") for name in names)


def test_reset_of_a_mapper_that_is_no_more(table):
    (table.folder / "mappers/item.yaml").unlink()
    table.table_mapper("other", table="item", target_id="other:${id}")
    assert show(table)["configured"] is False
    table.erp2couch("state", "show", "item").expect(Exit.OK).says("not in the configuration")
    table.erp2couch("state", "reset", "item").expect(Exit.OK)
    assert session_of(table) is None
    table.erp2couch("state", "show", "item").expect(Exit.USAGE)


# ---- rename ----

def renamed(project):
    text = (project.folder / "mappers/item.yaml").read_text()
    (project.folder / "mappers/item.yaml").unlink()
    (project.folder / "mappers/thing.yaml").write_text(text.replace("mapper: item",
                                                                    "mapper: thing"))


def test_a_renamed_mapper_is_offered_its_old_state(table):
    renamed(table)
    hint = "erp2couch state rename item thing"
    table.erp2couch("check").expect(Exit.OK).says(hint)
    table.erp2couch("state", "show", "thing").expect(Exit.OK).says(hint)
    assert show(table, "thing")["former"] == "item"
    table.erp2couch("run", "--dry-run").expect(Exit.OK).says(hint)
    table.quiet_run(unchanged=ROWS)  # without it nothing is lost either
    assert hint not in table.erp2couch("check").expect(Exit.OK).err


def test_a_new_mapper_is_offered_nothing(table):
    (table.folder / "mappers/item.yaml").unlink()
    table.table_mapper("thing", table="item", target_id="thing:${id}")
    assert "rename" not in table.erp2couch("check").expect(Exit.OK).err
    assert show(table, "thing")["former"] is None


def test_a_look_at_a_renamed_mapper_makes_no_state(table):
    renamed(table)
    for words in (["diff", "thing"], ["verify", "thing"], ["run", "--dry-run"]):
        table.erp2couch(*words)
    assert "erp2couch state rename item thing" in table.erp2couch("check").err
    table.erp2couch("state", "rename", "item", "thing").expect(Exit.OK)
    table.quiet_run()


def test_rename_takes_everything_over(table, database):
    database.sql("UPDATE item SET v = NULL WHERE id IN (1, 2)")
    table.table_mapper(fields="v: {from: v, required: true}")
    for _ in range(3):
        table.run(code=Exit.REJECTS).counts(unchanged=ROWS - 2, rejected=2)
    session = session_of(table)
    renamed(table)
    result = table.erp2couch("state", "rename", "item", "thing", "--json").expect(Exit.OK).json
    assert result == {"mapper": "thing", "from": "item", "checkpoints": 2, "rejects": 2}
    assert session_of(table) is None and table.db("catalog").local("erp2couch-item") is None
    assert session_of(table, "thing") == session
    assert {one["attempts"] for one in table.rejects("thing")} == {3} and not table.rejects("item")
    value = show(table, "thing")
    assert value["next"]["state"] == "trust" and value["session"] == session
    result = table.run(code=Exit.REJECTS).counts(unchanged=ROWS - 2, rejected=2)
    assert "rebuilt" not in result.err
    assert {one["attempts"] for one in table.rejects("thing")} == {4}


def test_a_rename_that_broke_off_is_repeated(table, database):
    """After each of its steps: checkpoints copied, folder moved, rejects moved."""
    database.sql("UPDATE item SET v = NULL WHERE id IN (1, 2)")
    table.table_mapper(fields="v: {from: v, required: true}")
    table.run(code=Exit.REJECTS)
    session = session_of(table)
    renamed(table)
    for db in (table.control, table.db("catalog")):
        db.call("PUT", "/_local/erp2couch-thing", json={
            **{key: value for key, value in db.local("erp2couch-item").items() if key[0] != "_"}})
    (table.state / "thing").mkdir()
    (table.state / "item/data").rename(table.state / "thing/data")
    one = table.control.get("reject:item:1")
    table.control.put({**{key: value for key, value in one.items() if key != "_rev"},
                       "_id": "reject:thing:1", "mapper": "thing"})
    table.erp2couch("state", "rename", "item", "thing").expect(Exit.OK)
    assert session_of(table) is None and session_of(table, "thing") == session
    assert len(table.rejects("thing")) == 2 and not table.rejects("item")
    assert show(table, "thing")["next"]["state"] == "trust"
    table.erp2couch("state", "rename", "item", "thing").expect(Exit.USAGE).says("nothing")


def test_rename_refuses(table, database):
    table.erp2couch("state", "rename", "item", "thing").expect(Exit.USAGE)
    table.table_mapper("other", table="item", columns=["v"], target_id="other:${id}")
    table.run("other")
    table.erp2couch("state", "rename", "item", "other").expect(Exit.USAGE).says("configuration")
    (table.folder / "mappers/item.yaml").unlink()
    table.erp2couch("state", "rename", "item", "other").expect(Exit.CONFIG).says(
        "state of its own")
    table.erp2couch("state", "reset", "other").expect(Exit.OK)
    table.erp2couch("state", "rename", "item", "other").expect(Exit.CONFIG).says(
        "not the same mapper")
    table.erp2couch("state", "rename", "../x", "other").expect(Exit.USAGE)
    assert session_of(table) and (table.state / "item/data/data.mdb").exists()


# ---- status ----

def test_status(table, database):
    value = table.erp2couch("status", "--json").expect(Exit.OK).json
    [mapper] = value["mappers"]
    assert mapper["mapper"] == "item" and mapper["records"] == ROWS and mapper["rejects"] == 0
    assert mapper["last_run"]["outcome"] == "ok" and mapper["last_run"]["created"] == ROWS
    assert mapper["last_success"] == mapper["last_run"]["started"]
    assert 0 <= mapper["lag_seconds"] < 300 and mapper["running"] is None
    database.sql("ALTER TABLE item RENAME TO gone")
    table.run(code=Exit.CONFIG)
    table.erp2couch("status").expect(Exit.OK).says(r"item +\S+ +failed .*gone|item +\S+ +failed")
    assert table.erp2couch("status", "--json").json["mappers"][0]["last_success"] == \
        mapper["last_success"]


def only(result):
    [mapper] = result.json["mappers"]
    return mapper


def test_status_tells_a_failure_that_couchdb_never_heard_of(table):
    """The source is asked before CouchDB, and CouchDB itself may be down."""
    before = only(table.erp2couch("status", "--json"))
    dsn = table.env["ERP_DSN"]
    table.env["ERP_DSN"] = "host=127.0.0.1 port=9 dbname=none"
    table.run(code=Exit.UNAVAILABLE)
    table.run("--dry-run", code=Exit.UNAVAILABLE)
    after = only(table.erp2couch("status", "--json").expect(Exit.OK))
    assert after["last_run"]["outcome"] == "unavailable" and after["last_run"]["started"] > \
        before["last_run"]["started"]
    assert "Connection refused" in after["last_run"]["error"]
    assert after["last_success"] == before["last_success"] and after["lag_seconds"] >= 0
    table.erp2couch("status").expect(Exit.OK).says("unavailable .*Connection refused")
    table.env["ERP_DSN"] = dsn
    table.run()
    assert only(table.erp2couch("status", "--json"))["last_run"]["outcome"] == "ok"


def test_status_tells_of_a_run_that_was_killed(table, database):
    before = only(table.erp2couch("status", "--json"))
    held = database.connect()
    held.cursor().execute("BEGIN; LOCK TABLE item")
    process = table.start("run", "--json")
    wait_until("the run waits for the table", 30, lambda: (table.state / "item/last-run.json")
               .read_text().count("begun"))
    assert only(table.erp2couch("status", "--json"))["last_run"] == before["last_run"]
    process.kill()
    table.finish(process)
    held.close()
    after = only(table.erp2couch("status", "--json").expect(Exit.OK))
    assert after["last_run"]["outcome"] == "failed" and "killed" in after["last_run"]["error"]
    assert after["last_success"] == before["last_success"] and after["running"] is None
    table.erp2couch("status").expect(Exit.OK).says(r"item +\S+ +failed .*it was killed")
    table.run()
    assert only(table.erp2couch("status", "--json"))["last_run"]["outcome"] == "ok"


def test_status_without_couchdb_tells_what_is_known_here(table):
    before = only(table.erp2couch("status", "--json"))
    table.configure(couchdb={"url": "http://127.0.0.1:9", "retry_for": "1s"})
    result = table.erp2couch("status", "--json").expect(Exit.UNAVAILABLE)
    assert {**only(result), "lag_seconds": 0} == {**before, "lag_seconds": 0, "rejects": None}
    table.run(code=Exit.UNAVAILABLE)
    result = table.erp2couch("status").expect(Exit.UNAVAILABLE).says(r"item +\S+ +unavailable")
    assert only(table.erp2couch("status", "--json"))["last_success"] == before["last_success"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"run": 7, "success": {}}', '{"run": {}}',
                                  '{"success": "yesterday", "run": {"started": "x"}}'])
def test_status_with_a_file_of_the_last_run_that_is_not_ours(table, text):
    (table.state / "item/last-run.json").write_text(text)
    table.erp2couch("status").expect(Exit.OK)
    assert only(table.erp2couch("status", "--json").expect(Exit.OK))["records"] == ROWS
    table.run()
    assert only(table.erp2couch("status", "--json"))["last_run"]["outcome"] == "ok"


def test_status_before_the_first_run(project):
    project.table_mapper(columns=["v"])
    project.table_mapper("other", table="item", target_id="other:${id}")
    value = project.erp2couch("status", "--json").expect(Exit.OK).json
    assert [one["mapper"] for one in value["mappers"]] == ["item", "other"]
    assert value["mappers"][0]["last_run"] is None and value["mappers"][0]["lag_seconds"] is None
    assert len(project.erp2couch("status", "item").expect(Exit.OK).says("never").out
               .splitlines()) == 2
    project.erp2couch("status", "othr").expect(Exit.USAGE).says("other")


# ---- what can go wrong ----

VERBS = [["state", "show", "item"], ["state", "rebuild", "item"], ["state", "reset", "item"],
         ["status"]]


@pytest.mark.parametrize("words, code", [
    (["state", "show", "item"], Exit.OK), (["state", "rebuild", "item"], Exit.LOCKED),
    (["state", "reset", "item"], Exit.LOCKED), (["status"], Exit.OK)], ids=str)
def test_while_a_run_holds_the_lock(table, words, code):
    before = files(table)
    with open(table.state / "item/lock", "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert table.erp2couch(*words, "--json").expect(code).json
    assert files(table) == before and session_of(table)


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_couchdb_that_does_not_answer_or_refuses(table, words):
    offline = words[1:2] == ["rebuild"]
    table.configure(couchdb={"url": "http://127.0.0.1:9", "retry_for": "1s"})
    result = table.erp2couch(*words, "--json").expect(Exit.OK if offline else Exit.UNAVAILABLE)
    assert ("error" in result.json) != offline
    table.configure(couchdb={"url": table.couch.base})
    # a name of its own: CouchDB locks an account after five wrong passwords
    table.configure(couchdb={"auth": {"user": table.prefix + "stranger"}})
    result = table.erp2couch(*words, "--json").expect(Exit.OK if offline else Exit.CONFIG)
    assert ("error" in result.json) != offline
    if words[1:2] == ["reset"]:
        assert (table.state / "item/data/data.mdb").exists()


@pytest.mark.parametrize("words, says", [
    (["state"], "usage"), (["state", "shw", "item"], "show"), (["state", "show"], "usage"),
    (["state", "show", "itme"], "item"), (["state", "rebuild", "itme"], "item"),
    (["state", "reset", "itme"], "item"), (["state", "reset", "item", "item"], "usage"),
    (["state", "rename", "item"], "usage"), (["state", "rename", "old", "itme"], "item"),
    (["state", "show", ".."], "no mapper"), (["state", "reset", "a/../item"], "no mapper"),
    (["status", "itme"], "item"), (["state", "show", "item", "--limit", "3"], "limit"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_usage_errors(table, words, says):
    before = files(table)
    table.erp2couch(*words).expect(Exit.USAGE).says(re.escape(says))
    assert json.loads(table.erp2couch(*words, "--json").expect(Exit.USAGE).out)
    assert files(table) == before
