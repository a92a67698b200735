"""The program dies at every point of ingest/pipeline/crash.h in turn; the next run must end right.

Two projects read one ERP: the reference is never disturbed, the lane is killed. After each crash
one run must bring the lane to where the reference is: the same documents with the same revisions
(a revision is a function of its history, so equal ones mean that nothing was written twice), the
same rejects; and the run after that must write nothing.

ERP2COUCH_TEST_DEEP=1 tries every passing of every point in every step; without it each point is
tried in the first step that passes it, and the points of writing in all.
"""

import os
import re
import shutil

import pytest

from support import faultproxy
from support.project import ROOT, Exit, Project

POINTS = re.findall(r"^\s*X\((\w+), ", (ROOT / "ingest/pipeline/crash.h").read_text(), re.M)
# Only sources without a snapshot pass these: tests/unit/test_shifting.c goes through them.
SHIFTING = {"CLAIMS_OWED", "MARK_OPENED", "MARK_STORED", "MARK_FORGOTTEN"}
EVERYWHERE = {"RECORD_ACKED", "APPLIED"}
DEEP = bool(os.environ.get("ERP2COUCH_TEST_DEEP"))
KILLED = -9
ENDED = Exit.OK, Exit.REJECTS, Exit.REFUSED
ROWS = 120

ERP = f"""
CREATE SEQUENCE stamp;
CREATE TABLE item (id int PRIMARY KEY, code text, kind text, v text, gone boolean DEFAULT false,
                   version bigint);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  NEW.version := CASE WHEN NEW.id BETWEEN 110 AND 112 THEN NULL ELSE nextval('stamp') END;
  RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON item FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TABLE fuse (until timestamptz);
CREATE FUNCTION whole(id int) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
  IF id = 111 AND EXISTS (SELECT FROM fuse WHERE until > clock_timestamp()) THEN
    RAISE EXCEPTION 'a read that breaks' USING ERRCODE = 'serialization_failure';
  END IF; RETURN true; END $$;
CREATE VIEW live AS SELECT * FROM item WHERE whole(id);
INSERT INTO item SELECT n, 'c' || n, CASE n % 3 WHEN 0 THEN 'a' ELSE 'b' END, 'v' || n
  FROM generate_series(1, {ROWS}) n;
"""

# One turn of the ERP's life; %(t)s is its number.
CHANGES = """
UPDATE item SET v = 'turn %(t)s' WHERE id <= 28 AND id %% 7 = %(t)s %% 7 OR id = 111;
INSERT INTO item SELECT 1000 + 2 * %(t)s + n, 'n' || %(t)s || n, 'a', 'new' FROM
  generate_series(0, 1) n;
UPDATE item SET code = 'm%(t)s' WHERE id = 30 + %(t)s %% 3;
UPDATE item SET kind = CASE kind WHEN 'a' THEN 'b' ELSE 'a' END WHERE id = 35 + %(t)s %% 3;
UPDATE item i SET code = o.code FROM item o WHERE (i.id, o.id) IN ((40, 41), (41, 40));
UPDATE item i SET code = o.code FROM item o WHERE (i.id, o.id) IN ((42, 43), (43, 44), (44, 42));
UPDATE item SET v = CASE id %% 2 WHEN %(t)s %% 2 THEN NULL ELSE 'mended %(t)s' END
  WHERE id IN (50, 51);
UPDATE item SET gone = (id - 60) %% 5 = %(t)s %% 5 WHERE id BETWEEN 60 AND 64;
"""
VANISH = "DELETE FROM item WHERE id IN (1000 + 2 * %(t)s - 2, 1000 + 2 * %(t)s - 1);"


class Lane:
    """A project with two targets, named by the rows."""

    def __init__(self, folder, binary, couch, database):
        self.project = Project(folder, binary, couch, database)
        self.project.configure(couchdb={"max_batch_docs": 5, "retry_for": "5s"})
        self.database, self.folder, self.renamed = database, folder, 0
        self.mapper()

    def mapper(self, extract=""):
        self.project.table_mapper(
            table="live", columns=["id", "kind"], target_id="item:${code}", database="${kind}",
            extract="cursor: version\nlookback: 0s\ndeletes: {column: gone, when: \"true\","
                    " max: 20%}\n" + extract,
            fields="v: {from: v, required: true}\nround: {value: " + str(self.renamed) + "}")

    def targets(self):
        return [self.project.db(name) for name in ("a", "b") if self.project.db(name).exists()]

    def run(self, *words, crash=None, trace=None, env=None):
        env = {"ERP2COUCH_CRASH_BATCH": "4", **(env or {})}
        if crash:
            env["ERP2COUCH_CRASH_AT"] = "{}:{}".format(*crash)
        if trace:
            env["ERP2COUCH_CRASH_TRACE"] = str(trace)
        return self.project.erp2couch("run", "--json", *words, env=env)

    def trace(self, *words, env=None):
        """A run, and {point: how often it was passed}."""
        path = self.folder / "trace"
        path.unlink(missing_ok=True)
        result = self.run(*words, trace=path, env=env)
        passed = path.read_text().split()
        return result, {point: passed.count(point) for point in POINTS if point in passed}

    def revisions(self):
        return {db.name[len(self.project.prefix):]: db.all_revs() for db in self.targets()}

    def documents(self):
        return {doc_id + " in " + db.name[len(self.project.prefix):]: doc for db in self.targets()
                for doc_id, doc in db.docs().items()}

    def expected(self):
        """What SQL says. A rejected record keeps the document that it had, so it is left out."""
        return {f"item:{code} in {kind}": {"_id": f"item:{code}", "type": "item", "id": key,
                                           "kind": kind, "v": v, "round": self.renamed}
                for key, code, kind, v in self.database.sql(
                    "SELECT id, code, kind, v FROM item WHERE v IS NOT NULL AND NOT gone")}

    def rejects(self):
        return {doc["_id"]: doc["reason"] for doc in self.project.rejects()}

    def remove(self):
        self.project.remove()


class Step:
    """A situation: what happens to the ERP and to each lane, and how the run is started.

    before(lane) happens before the run; during(lane) begins something and returns what ends it;
    settle is SQL after which the next turn may come; only: the points that are new here.
    """

    def __init__(self, sql="", words=(), before=None, during=None, fresh=False, settle="",
                 only=None):
        self.sql, self.words, self.before, self.during = sql, list(words), before, during
        self.fresh, self.settle, self.only = fresh, settle, only

    def run(self, lane, **options):
        """The run that this step is about, in its circumstances."""
        end = self.during(lane) if self.during else lambda: None
        try:
            return lane.trace(*self.words) if not options else lane.run(*self.words, **options)
        finally:
            end()


def documents_from_before(lane):
    """Equal ones, others, one that nobody claims, one that is not ours."""
    first = lane.database.sql("SELECT id, code, v FROM item WHERE kind = 'a' ORDER BY id LIMIT 30")
    lane.project.db("a").create().bulk(
        [{"_id": f"item:{code}", "type": "item", "id": key, "kind": "a", "v": v,
          "round": 0 if key % 2 else 9} for key, code, v in first]
        + [{"_id": "item:nobody's", "v": 1}, {"_id": "other:1"}])


def lose_state(lane):
    shutil.rmtree(lane.project.state)


def die_while_closing(lane):
    assert lane.run(crash=("TARGET_CLOSED", 1)).code == KILLED


def change_mapper(lane):
    lane.renamed += 1
    lane.mapper()


def edit(lane):
    """The same edits, and leaves from elsewhere, give the same revisions in each lane."""
    target = lane.project.db("b")
    for key in (3, 70, 71, 72):
        row = lane.database.sql("SELECT kind, code FROM item WHERE id = %s", [key])
        if row and row[0][0] == "b":
            target.put({"_id": f"item:{row[0][1]}", "v": "meddled"})
    doomed = lane.database.value("SELECT code FROM item WHERE id = 73")
    target.call("DELETE", f"/item:{doomed}", params={"rev": target.revs()[f"item:{doomed}"]})
    target.bulk_replicated([{"_id": "item:c4", "_rev": f"1-{digit * 32}", "v": "of a replica"}
                            for digit in "01"])


def proxied(lane):
    """A proxy before CouchDB that takes the checkpoint out of a target when documents come."""
    couch = lane.project.couch
    proxy = faultproxy.HttpProxy(couch.host, couch.port)

    def takes(method, path, body):
        if path.endswith("/_bulk_docs"):
            lane.project.db("a").call("DELETE", "/_local/erp2couch-item", ok=False)
        return False

    proxy.add(takes, faultproxy.delay())
    lane.project.configure(couchdb={"url": proxy.url})
    return lambda: (proxy.close(), lane.project.configure(couchdb={"url": couch.base}))


def blow_fuse(lane):
    """For a while the ERP ends every read, as a serialization failure does."""
    lane.database.sql("INSERT INTO fuse SELECT clock_timestamp() + interval '2 seconds'")
    return lambda: lane.database.sql("TRUNCATE fuse")


STEPS = {
    "a first load, and adoption": Step(fresh=True, before=documents_from_before),
    "changes": Step(CHANGES),
    "deletions by a sweep": Step(CHANGES + VANISH, words=["--full"]),
    "withheld deletions": Step(
        "DELETE FROM item WHERE id BETWEEN 76 AND 105", words=["--full"],
        settle="INSERT INTO item SELECT n, 'c' || n, CASE n % 3 WHEN 0 THEN 'a' ELSE 'b' END,"
               " 'v' || n FROM generate_series(76, 105) n"),
    "a lost state": Step(CHANGES + VANISH, before=lose_state),
    "another mapper": Step(CHANGES, before=change_mapper),
    "a run that died while closing": Step(CHANGES, before=die_while_closing),
    "edits of others": Step(CHANGES, before=edit),
    "a target replaced under the run": Step(CHANGES, during=proxied, only={"SESSION_FORGOTTEN"}),
    "a read that breaks": Step(CHANGES, during=blow_fuse, only={"READ_FORGOTTEN"}),
}


@pytest.fixture(scope="module")
def covered():
    """{point: the first step that passed it}, filled as the steps are taken."""
    return {}


@pytest.fixture
def lanes(tmp_path, binary, apache_couch, database):
    """A function that makes lanes; skips where the program cannot die on command."""
    if b"ERP2COUCH_CRASH_AT" not in binary.read_bytes():
        pytest.skip("needs a program built with -Dcrash_points=true")
    database.sql(ERP)
    made = []

    def make():
        made.append(Lane(tmp_path / f"lane{len(made)}", binary, apache_couch, database))
        return made[-1]

    yield make
    for lane in made:
        lane.remove()


def equal(lane, reference, what):
    """The lane is where the reference is, both are where SQL is, and there it stays."""
    assert lane.documents() == reference.documents(), f"{what}"
    assert lane.revisions() == reference.revisions(), f"{what}"
    assert lane.rejects() == reference.rejects(), f"{what}"
    before = lane.revisions(), [db.update_number() for db in lane.targets()]
    result = lane.run(*what.step.words)
    assert (lane.revisions(), [db.update_number() for db in lane.targets()]) == before, \
        f"{what}: the run after wrote\n{result}"
    assert lane.rejects() == reference.rejects(), f"{what}"


class Case:
    """What an assertion says when it fails."""

    def __init__(self, name, step, point, passing, log):
        self.name, self.step, self.point, self.passing, self.log = name, step, point, passing, log

    def __str__(self):
        return f"{self.name}: killed at {self.point}:{self.passing}\n" + "\n".join(
            map(str, self.log))


def passings(passed, step, covered):
    """The cases of a step: (point, N)."""
    for point, count in passed.items():
        if point in covered and not DEEP and (point not in EVERYWHERE or step.only):
            continue
        if step.only and point not in step.only:
            continue
        for n in range(1, count + 1) if DEEP else sorted({1, count}):
            yield point, n


def follow(reference, step):
    """The reference's run, traced; what it left undone is done by another one."""
    if step.before:
        step.before(reference)
    result, passed = step.run(reference)
    assert result.code in (*ENDED, Exit.UNAVAILABLE), f"{result}"
    if result.code == Exit.UNAVAILABLE:
        reference.run(*step.words)
    expected = reference.expected()
    found = reference.documents()
    assert expected.items() <= found.items(), result
    return passed


def crash(lane, reference, step, name, case):
    if step.before:
        step.before(lane)
    dead = step.run(lane, crash=case)
    result = lane.run(*step.words)
    what = Case(name, step, *case, [dead, result])
    # turns differ a little: the last passing of the first turn may be one too many
    assert dead.code == KILLED or case[1] > 1 and dead.code in ENDED, f"{what}"
    assert result.code in ENDED, f"{what}"
    equal(lane, reference, what)


def change_erp(database, sql, turn):
    if sql:
        database.sql(sql % {"t": turn} if "%(" in sql else sql)


def first_load(step, name, lanes, covered):
    """Each case has a lane of its own."""
    reference = lanes()
    passed = follow(reference, step)
    for case in passings(passed, step, covered):
        crash(lanes(), reference, step, name, case)
    return passed


def turns(step, name, lanes, covered, database):
    """Each case has a turn of its own; what the first turn passes makes the cases."""
    reference, lane = both = lanes(), lanes()
    for one in both:
        one.run()
    change_erp(database, CHANGES, 1)
    for one in both:
        one.run()
    cases, turn = None, 1
    while cases is None or cases:
        turn += 1
        change_erp(database, step.sql, turn)
        passed = follow(reference, step)
        if cases is None:
            seen, cases = passed, list(passings(passed, step, covered))
        crash(lane, reference, step, name, cases.pop(0))
        if step.settle:
            database.sql(step.settle)
            for one in both:
                one.run()
    return seen


@pytest.mark.parametrize("name", STEPS)
def test_a_crash_anywhere(name, lanes, database, covered):
    step = STEPS[name]
    passed = (first_load(step, name, lanes, covered) if step.fresh else
              turns(step, name, lanes, covered, database))
    for point in passed:
        covered.setdefault(point, name)


def test_every_point_of_the_table_is_passed(covered):
    if len(covered) < len(POINTS) / 2:
        pytest.skip("the steps above were not all taken")
    assert SHIFTING < set(POINTS) and set(covered) == set(POINTS) - SHIFTING
