"""Moves: records whose document id changes, ids that are swapped, passed on and reused."""

import random

import pytest

from support.project import Exit


@pytest.fixture
def codes(project, database):
    """100 rows with codes K1..K100; the document id is the code. Returns the target."""
    database.sql("CREATE TABLE item (id int PRIMARY KEY, code text, v text)")
    database.sql("INSERT INTO item SELECT n, 'K' || n, 'v' || n FROM generate_series(1, 100) n")
    project.table_mapper(columns=["id", "code", "v"], target_id="item:${code}")
    project.run().counts(created=100)
    return project.db("catalog")


def expected(database):
    return {f"item:{code}": {"_id": f"item:{code}", "type": "item", "id": key, "code": code, "v": v}
            for key, code, v in database.sql("SELECT id, code, v FROM item") if code is not None}


def settled(project, database, target):
    """The documents are those of SQL, and the next run finds nothing to do."""
    assert target.docs() == expected(database)
    assert target.conflicts() == []
    project.quiet_run(unchanged=len(expected(database)))


def test_a_rename_writes_the_new_and_deletes_the_old(project, database, codes):
    database.sql("UPDATE item SET code = 'NEW' WHERE id = 5")
    project.run().counts(moved=1, unchanged=99)
    assert set(codes.deleted()) == {"item:K5"}
    assert codes.revs()["item:NEW"].startswith("1-")
    settled(project, database, codes)


def test_two_records_swap_ids(project, database, codes):
    database.sql("UPDATE item SET code = CASE id WHEN 1 THEN 'K2' ELSE 'K1' END WHERE id <= 2")
    project.run().counts(moved=2, unchanged=98)
    assert codes.deleted() == {}
    assert codes.revs()["item:K1"].startswith("2-") and codes.revs()["item:K2"].startswith("2-")
    settled(project, database, codes)


def test_a_chain_passes_ids_on(project, database, codes):
    database.sql("UPDATE item SET code = 'K' || (id + 1) WHERE id BETWEEN 1 AND 4;"
                 "UPDATE item SET code = 'FREE' WHERE id = 5")
    project.run().counts(moved=5, unchanged=95)
    assert set(codes.deleted()) == {"item:K1"}
    assert max(codes.revs().values())[:2] == "2-"  # none was deleted on the way
    settled(project, database, codes)


def test_a_ring_of_many(project, database, codes):
    database.sql("UPDATE item SET code = 'K' || (1 + (id + 36) % 100)")
    project.run().counts(moved=100)
    assert codes.deleted() == {}
    assert all(rev.startswith("2-") for rev in codes.revs().values())
    settled(project, database, codes)


def test_an_id_is_reused_by_a_new_record(project, database, codes):
    database.sql("UPDATE item SET code = 'OLD' WHERE id = 7;"
                 " INSERT INTO item VALUES (700, 'K7', 'w')")
    result = project.run()
    outcome = result.mapper()
    # the record is new, its document is not: either word is right
    assert (outcome["moved"], outcome["created"] + outcome["updated"]) == (1, 1), result
    assert outcome["unchanged"] == 99, result
    assert codes.deleted() == {}, result
    settled(project, database, codes)


def test_an_id_is_reused_after_its_holder_is_gone(project, database, codes):
    database.sql("DELETE FROM item WHERE id = 9; INSERT INTO item VALUES (0, 'K9', 'before it'),"
                 " (900, 'Z', 'z')")
    result = project.run()
    assert result.mapper()["unchanged"] == 99, result
    assert codes.deleted() == {}, result
    assert codes.get("item:K9")["id"] == 0
    settled(project, database, codes)


def test_a_holder_that_is_gone_gives_its_id_up_under_the_brake(project, database, codes):
    database.sql("DELETE FROM item WHERE id BETWEEN 41 AND 100;"
                 " INSERT INTO item VALUES (0, 'K50', 'new'), (900, 'K60', 'new')")
    result = project.run(code=Exit.REFUSED)
    assert result.mapper()["withheld"] == 58, result
    assert codes.deleted() == {}
    assert codes.get("item:K50")["id"] == 0 and codes.get("item:K60")["id"] == 900
    project.run("--allow-deletes").counts(deleted=58, unchanged=42)
    settled(project, database, codes)


def test_a_move_that_couchdb_refuses_leaves_the_old_document(project, database, codes,
                                                            apache_couch):
    codes.put({"_id": "_design/rule", "validate_doc_update":
               "function (doc) { if (doc.v == 'bad') throw({forbidden: 'no'}); }"})
    database.sql("UPDATE item SET code = 'NEW', v = 'bad' WHERE id = 5")
    for _ in range(2):
        project.run(code=Exit.REJECTS).counts(rejected=1, unchanged=99)
        assert codes.deleted() == {} and codes.get("item:K5")["id"] == 5
    database.sql("UPDATE item SET v = 'good' WHERE id = 5")
    project.run().counts(moved=1, unchanged=99)
    assert set(codes.deleted()) == {"item:K5"} and codes.get("item:NEW")["v"] == "good"


def test_a_move_and_a_change_at_once(project, database, codes):
    database.sql("UPDATE item SET code = 'N3', v = 'changed' WHERE id = 3")
    project.run().counts(moved=1, unchanged=99)
    settled(project, database, codes)


def test_there_and_back(project, database, codes):
    for code in ("THERE", "K4", "THERE"):
        database.sql("UPDATE item SET code = %s WHERE id = 4", [code])
        project.run().counts(moved=1, unchanged=99)
        settled(project, database, codes)


@pytest.mark.slow
def test_everything_is_renumbered(project, database):
    database.sql("CREATE TABLE item (id int PRIMARY KEY, code int, v text)")
    database.sql("INSERT INTO item SELECT n, n, md5(n::text) FROM generate_series(1, 6000) n")
    project.table_mapper(columns=["id", "code", "v"], target_id="item:${code}")
    project.run().counts(created=6000)
    target = project.db("catalog")
    for step in ("code + 1", "6003 - code", "code + 50000"):
        database.sql(f"UPDATE item SET code = {step}")
        outcome = project.run().mapper()
        # 6003 - code leaves at most one where it is
        assert outcome["moved"] >= 5998, (step, outcome)
        settled(project, database, target)


def test_random_permutations_end_where_sql_is(project, database, codes):
    chance = random.Random(7)
    for _ in range(6):
        keys = list(range(1, 101))
        some = chance.sample(keys, 40)
        shuffled = chance.sample(some, 40)
        database.sql("CREATE TEMP TABLE perm (id int, code text)")
        for key, other in zip(some, shuffled):
            database.sql("INSERT INTO perm SELECT %s, code FROM item WHERE id = %s", [key, other])
        database.sql("UPDATE item SET code = perm.code FROM perm WHERE perm.id = item.id;"
                     " DROP TABLE perm")
        gone = chance.choice(keys)
        database.sql("UPDATE item SET code = 'X' || id || '-' || %s WHERE id = %s",
                     [chance.randrange(1000), gone])
        project.run()
        settled(project, database, codes)


def test_two_records_with_one_id_reject_each_other(project, database, codes):
    database.sql("UPDATE item SET code = 'K21' WHERE id = 22")
    result = project.run(code=Exit.REJECTS)
    assert result.mapper()["rejected"] == 2, result
    reasons = sorted(reject["reason"] for reject in project.rejects())
    assert len(reasons) == 2
    assert any("22" in reason for reason in reasons) and any("21" in reason for reason in reasons)
    # what was there stays: neither may win by chance, and nothing is lost
    assert codes.get("item:K21")["id"] == 21
    assert codes.get("item:K22")["id"] == 22
    before = project.snapshot("catalog")
    result = project.run(code=Exit.REJECTS)
    assert project.snapshot("catalog") == before
    assert result.mapper()["rejected"] == 2, result
    # mended: read again together
    database.sql("UPDATE item SET code = 'K22' WHERE id = 22")
    project.run()
    assert project.rejects() == []
    settled(project, database, codes)


def test_two_records_that_come_at_once_reject_each_other(project, database, codes):
    """For an id whose holder would give it up, and for one whose holder stays."""
    database.sql("UPDATE item SET code = 'K7' WHERE id IN (8, 9); UPDATE item SET code = 'FREE'"
                 " WHERE id = 7; UPDATE item SET code = 'K17' WHERE id IN (18, 19)")
    project.run(code=Exit.REJECTS).counts(moved=1, rejected=5, unchanged=94)
    assert sorted(reject["key"] for reject in project.rejects()) == [8, 9, 17, 18, 19]
    assert [codes.get(f"item:K{n}")["id"] for n in (8, 9, 17, 18, 19)] == [8, 9, 17, 18, 19]
    database.sql("UPDATE item SET code = 'K' || id WHERE id IN (9, 18, 19)")
    project.run()
    assert project.rejects() == []
    settled(project, database, codes)


def test_records_that_reject_each_other_are_read_again_together(project, database):
    """In an incremental run, too, where only the one that gives way shows in the cursor."""
    database.sql("CREATE TABLE item AS SELECT n AS id, 'K' || n AS code, n AS v, n AS stamp FROM"
                 " generate_series(1, 30) n")
    project.table_mapper(columns=["id", "code", "v"], target_id="item:${code}",
                         extract="cursor: stamp")
    project.run().counts(created=30)
    database.sql("UPDATE item SET code = 'K21' WHERE id = 22")
    project.run("--full", code=Exit.REJECTS).counts(rejected=2, unchanged=28)
    project.run(code=Exit.REJECTS).counts(rejected=2, unchanged=1)
    database.sql("UPDATE item SET code = 'K50', stamp = 50 WHERE id = 21")
    project.run().counts(moved=2, unchanged=1)
    assert project.rejects() == []
    assert project.db("catalog").docs() == expected(database)


def test_two_new_records_with_one_id(project, database):
    database.sql("CREATE TABLE item AS SELECT n AS id, 'K' || n % 9 AS code, n AS v FROM"
                 " generate_series(1, 10) n")
    project.table_mapper(columns=["id", "code", "v"], target_id="item:${code}")
    result = project.run(code=Exit.REJECTS)
    assert result.mapper()["rejected"] == 2, result
    first = project.snapshot("catalog")
    project.run(code=Exit.REJECTS)
    assert project.snapshot("catalog") == first
    reasons = {reject["reason"] for reject in project.rejects()}
    assert any("10" in reason for reason in reasons) and len(reasons) == 2, reasons
    database.sql("DELETE FROM item WHERE id = 10")
    project.run()
    settled(project, database, project.db("catalog"))


def test_a_swap_in_the_middle_of_a_kill(project, database, codes):
    """A swap that dies half way is finished by the next run."""
    database.sql("UPDATE item SET code = 'K' || (101 - id)")
    process = project.start("run", "--json")
    try:
        process.wait(0.15)
    except Exception:
        process.kill()
    process.communicate()
    project.run()
    settled(project, database, codes)


# ---- interrupted, in full and in incremental runs ----

# Swap, ring, chain, reuse of an id that was left and of one whose holder is gone, a plain move.
TANGLE = """
UPDATE item i SET code = o.code FROM item o WHERE (i.id, o.id) IN (
  (1, 2), (2, 1), (10, 11), (11, 12), (12, 13), (13, 10), (20, 21), (21, 22), (22, 23));
UPDATE item SET code = 'FREE' WHERE id = 23;
DELETE FROM item WHERE id = 33;
INSERT INTO item VALUES (701, 'K20', 'w'), (702, 'K33', 'x'), (0, 'N0', 'y');
UPDATE item SET code = 'MOVED' WHERE id = 40;
"""
# Only those who come first show in the cursor: who stood in their way is found by key.
HIDDEN = "UPDATE item SET stamp = 1 WHERE id BETWEEN 1 AND 100 AND id NOT IN (1, 10, 40)"
# When the state of a run with a cursor holds a record that lost its document and has no other yet.
DISPLACED = ["APPLIED:9", "APPLIED:13"]
INTERRUPTIONS = [("", "APPLIED:7"), ("", "CLAIMS_GRANTED"), *(("cursor: stamp", at) for at in (
    "RECORD_ACKED:9", *DISPLACED, "CLAIMS_GRANTED", "CLAIMS_SETTLED",
    "OLD_ID_ACKED", "OLD_IDS_DELETED"))]


@pytest.fixture
def dying(project, database):
    """The same rows with a cursor; a function that runs, and dies at a crash point."""
    if b"ERP2COUCH_CRASH_AT" not in project.binary.read_bytes():
        pytest.skip("needs a program built with -Dcrash_points=true")
    database.sql("CREATE SEQUENCE s; CREATE TABLE item (id int PRIMARY KEY, code text, v text,"
                 " stamp bigint DEFAULT nextval('s'));"
                 " INSERT INTO item SELECT n, 'K' || n, 'v' || n FROM generate_series(1, 100) n")
    project.configure(couchdb={"max_batch_docs": 2, "max_in_flight": 1})

    def die(at, *words):
        return project.erp2couch("run", *words, env={"ERP2COUCH_CRASH_BATCH": "1",
                                                     "ERP2COUCH_CRASH_AT": at}).expect(-9)

    return die


def change(database, sql):
    database.sql(sql + "; UPDATE item SET stamp = nextval('s') WHERE stamp > 0;" + HIDDEN)


def state(project):
    return project.erp2couch("state", "show", "item", "--json").expect(Exit.OK).json


def owed(project):
    return state(project)["owed"]


def without_document(project):
    """How many records of the state have no document."""
    shown = state(project)
    return shown["records"] - sum(one["documents"] for one in shown["databases"])


@pytest.mark.parametrize("extract, at", INTERRUPTIONS)
def test_moves_that_were_interrupted_are_finished(project, database, dying, extract, at):
    """Also for a record that lost its document to a newcomer before it got its own, and that no
    cursor shows: it is owed one."""
    project.table_mapper(columns=["id", "code", "v"], target_id="item:${code}", extract=extract)
    project.run().counts(created=100)
    target = project.db("catalog")
    change(database, TANGLE)
    dying(at)
    assert at not in DISPLACED or without_document(project) > 0
    project.run()
    assert target.docs() == expected(database)
    assert set(target.deleted()) == {"item:K40"}
    assert max(target.revs().values())[:2] == "2-"
    assert owed(project) == 0
    project.quiet_run("--full", unchanged=102)


@pytest.mark.parametrize("at", ["RECORD_ACKED", "APPLIED", "OLD_ID_ACKED", "OLD_IDS_DELETED"])
def test_a_move_that_was_interrupted_is_finished(project, database, dying, at):
    """The old document is owed its deletion as soon as the state knows the new one."""
    project.table_mapper(columns=["id", "code", "v"], target_id="item:${code}",
                         extract="cursor: stamp")
    project.run().counts(created=100)
    database.sql("UPDATE item SET code = 'MOVED', stamp = nextval('s') WHERE id = 40")
    dying(at)
    project.run()
    target = project.db("catalog")
    assert target.docs() == expected(database)
    assert set(target.deleted()) == {"item:K40"}
    assert owed(project) == 0


def test_a_displaced_record_that_is_gone_meanwhile_is_owed_nothing(project, database, dying):
    project.table_mapper(columns=["id", "code", "v"], target_id="item:${code}",
                         extract="cursor: stamp")
    project.run()
    change(database, TANGLE)
    dying(DISPLACED[0])
    assert without_document(project) > 0
    database.sql("DELETE FROM item WHERE id = 2 OR id BETWEEN 10 AND 23")
    project.run()
    assert owed(project) == 0
    project.run("--full", "--allow-deletes")
    assert project.db("catalog").docs() == expected(database)


@pytest.mark.parametrize("seed", range(2))
def test_random_moves_are_interrupted_again_and_again(project, database, dying, seed):
    """Codes are shuffled between the interruptions, too; each run that ends leaves SQL's."""
    chance = random.Random(seed)
    project.table_mapper(columns=["id", "code", "v"], target_id="item:${code}",
                         extract="cursor: stamp")
    project.run().counts(created=100)
    for turn in range(6):
        for _ in range(2):
            some = chance.sample(range(1, 101), 12)
            shuffled = chance.sample(some, 12)
            left = chance.choice(some)
            database.sql(
                "UPDATE item i SET code = o.code, stamp = nextval('s') FROM item o WHERE (i.id,"
                " o.id) IN (" + ",".join(map(str, zip(some, shuffled))) + ");"
                f"UPDATE item SET code = 'T{turn}-' || code WHERE id = {left};"
                f"INSERT INTO item SELECT {101 + turn}, 'K{left}', 'new' WHERE NOT EXISTS (SELECT"
                f" FROM item WHERE code = 'K{left}')")
            project.erp2couch("run", env={"ERP2COUCH_CRASH_BATCH": "1", "ERP2COUCH_CRASH_AT":
                                          f"APPLIED:{chance.randrange(1, 12)}"})
        project.run()
        assert project.db("catalog").docs() == expected(database), turn
