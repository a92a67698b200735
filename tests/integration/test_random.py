"""Runs through faults, kills, restores and a changing ERP, drawn from a seed; in the end all must
be right: the documents are what SQL says, the rejects are the bad rows, and no document has more
revisions than it had bodies.

    ERP2COUCH_SEEDS=200 pytest test_random.py       # seeds 1 to 200; default: a few
    ERP2COUCH_SEEDS=101-150 pytest test_random.py
    ERP2COUCH_SEEDS=17-17 pytest -s test_random.py  # that one, with what happened

The seed draws what is done, not how threads and processes interleave: one that failed may pass
when it is tried again. Its log says what had happened.
"""

import os
import random
import shutil
import threading
import time

import pytest

from support import couchdb, faultproxy
from support.life import Life
from support.project import Exit, Project

FIRST, _, LAST = os.environ.get("ERP2COUCH_SEEDS", "3").rpartition("-")
SEEDS = range(int(FIRST or 1), int(LAST) + 1)
RUNS = 9
MAY_END = {Exit.OK, Exit.REJECTS, Exit.UNAVAILABLE, Exit.REFUSED, Exit.TERMINATED,
           -9, -15}  # killed; terminated before it could know of it
FAULTS = [faultproxy.drop_reply(), faultproxy.cut_reply(300), faultproxy.cut_request(2000),
          faultproxy.answer(503, retry_after=0), faultproxy.answer(500),
          faultproxy.answer(502, b"<html>bad gateway</html>", content_type="text/html"),
          faultproxy.answer(429, retry_after=0), faultproxy.delay(before=0.3),
          faultproxy.delay(after=0.3)]
NONSENSE = [faultproxy.answer(201, b"hello"),  # to GET / it would mean: no CouchDB here
            faultproxy.answer(201, b'[{"ok":true,"id":"item:1","rev":"1-')]

ITEM = """
    mapper: item
    source: erp
    extract:
      table: item
      key: id
      cursor: {cursor}
      lookback: {lookback}
      deletes: {{max: {brake}, column: gone, when: "true"{trace}}}
    timezone: UTC
    target: {{database: "@db@{database}", id: "item:${{code}}"}}
    fields:
      type: {{value: item}}
      id: id
      v: {{from: v, required: true}}
      round: {{value: {round}}}
    """
SALE = """
    mapper: sale
    source: erp
    extract:
      table: sale
      key: id
      cursor: {cursor}
      lookback: {lookback}
      deletes: {{max: {brake}}}
      children:
        lines: {{table: line, key: id, parent: sale, cursor: {cursor}}}
    timezone: UTC
    full: "0 3 * * *"
    target: {{database: "@db@a", id: "sale:${{ref}}"}}
    fields:
      type: {{value: sale}}
      customer: customer
      lines: {{each: lines, fields: {{id: id, qty: qty}}}}
      round: {{value: {round}}}
    """


class Story:
    """One seed: what is configured, what happens, what must be true in the end."""

    def __init__(self, seed, project, proxy, tmp_path):
        self.started, self.chance = time.monotonic(), random.Random(seed)
        self.project, self.couch = project, project.couch
        self.front = proxy("http", self.couch.host, self.couch.port)
        self.back = proxy("tcp", "127.0.0.1", project.database.cluster.port)
        self.kept = tmp_path / "kept state"
        self.backup = (couchdb.Backup(self.couch, tmp_path / "backup")
                       if isinstance(self.couch, couchdb.PrivateCouch) else None)
        self.dies = b"ERP2COUCH_CRASH_AT" in project.binary.read_bytes()
        self.honest = self.chance.random() < 0.6
        self.options = {"cursor": self.chance.choice(["version", "version", "changed"]),
                        "lookback": self.chance.choice(["0s", "0s", "1s", "5m"]),
                        "brake": self.chance.choice(["100%", "100%", "10%"]),
                        "database": self.chance.choice(["a", "${kind}", "${kind}"]),
                        "trace": ", query: SELECT id FROM item_deleted, key: id"
                                 if self.honest or self.chance.random() < 0.5 else ""}
        by_kind = "kind" in self.options["database"]
        self.targets = ["a", "b"] if by_kind else ["a"]
        self.round, self.edits, self.log, self.deaths = 0, {}, [], 0
        self.life = Life(project.database, random.Random(seed + 1), self.honest, by_kind,
                         self.note)
        self.note(f"seed {seed}: honest={self.honest} {self.options}")
        project.configure(couchdb={
            "url": self.front.url, "retry_for": "2s",
            "max_batch_docs": self.chance.choice([3, 20, 500])})
        project.env["ERP_DSN"] = project.database.dsn(port=self.back.port)
        project.configure()
        self.write_mappers()

    def note(self, text):
        self.log.append(f"[{time.monotonic() - self.started:7.2f}] {text}")

    def write_mappers(self):
        for name, text in (("item", ITEM), ("sale", SALE)):
            self.project.mapper(name, text.format(round=self.round, **self.options))

    # ---- troubles ----

    def weather(self, stop, chance):
        """Faults before CouchDB until `stop`."""
        while not stop.wait(chance.uniform(0.005, 0.12)):
            self.front.on(".*", "", chance.choice(FAULTS), skip=chance.randrange(4))
            if chance.random() < 0.2:
                self.front.on("POST", "", chance.choice(NONSENSE))
            if chance.random() < 0.1:
                self.front.cut_all()

    def changes(self, stop, chance):
        """The ERP lives until `stop`; now and then somebody edits a document."""
        while not stop.wait(chance.uniform(0.0, 0.1)):
            self.life.step()
            if chance.random() < 0.03:
                self.edit(chance)

    def edit(self, chance):
        """Somebody else changes, deletes or makes a document of ours."""
        target = self.project.db(chance.choice(self.targets))
        if not target.exists():
            return
        docs = target.docs()
        doc_id = chance.choice([*docs, "item:nobody's", "item:c5"])
        path = "/" + doc_id.replace("'", "%27")
        current = target.get(doc_id)
        if current and chance.random() < 0.2:
            leaf = f"1-{chance.getrandbits(128):032x}"
            target.bulk_replicated([{"_id": doc_id, "_rev": leaf, "v": "of a replica"}])
            reply = None
        elif current and chance.random() < 0.4:
            reply = target.call("DELETE", path, ok=False, params={"rev": current["_rev"]})
        else:
            body = {"type": "item", "v": f"edit {chance.random()}"}
            reply = target.call("PUT", path, ok=False, json={
                **body, **({"_rev": current["_rev"]} if current else {})})
        if reply is None or reply.status_code in (200, 201):
            key = target.name, doc_id
            self.edits[key] = self.edits.get(key, 0) + 1
            self.note(f"an edit of {doc_id} in {target.name}: {reply and reply.json()['rev']}")

    def trouble_source(self):
        what = self.chance.choice(["cut", "refuse", "slow"])
        wire = {"cut": faultproxy.Wire(down=self.chance.randrange(2000, 30000)),
                "refuse": faultproxy.Wire(refuse=True), "slow": faultproxy.Wire(slow=0.01)}[what]
        self.back.on(wire, skip=self.chance.randrange(3))
        return what

    def disaster(self):
        """Something between two runs, or nothing."""
        what = self.chance.choice([
            self.lose_state, self.old_state, self.keep_state, self.keep_state, self.lose_control,
            self.lose_target, self.change_mapper, self.change_mapper, self.back_up, self.back_up,
            self.restore, self.restore, self.restore] + 13 * [lambda: None])
        what()

    def lose_state(self):
        self.note("the state is lost")
        shutil.rmtree(self.project.state, ignore_errors=True)

    def keep_state(self):
        shutil.rmtree(self.kept, ignore_errors=True)
        if self.project.state.exists():
            shutil.copytree(self.project.state, self.kept)

    def old_state(self):
        if self.kept.exists():
            self.note("an older state is put back")
            shutil.rmtree(self.project.state, ignore_errors=True)
            shutil.copytree(self.kept, self.project.state)

    def lose_control(self):
        self.note("the control database is lost")
        self.project.control.delete()

    def lose_target(self):
        if self.project.db("a").exists():
            self.note("target a is deleted and made again")
            self.project.db("a").recreate()

    def change_mapper(self):
        self.round += 1
        self.note(f"another mapper: round {self.round}")
        self.write_mappers()

    def all_dbs(self):
        return [db for db in (self.project.db(name) for name in [*self.targets, "control"])
                if db.exists()]

    def back_up(self):
        """Nobody writes now: what a killed run had sent has landed."""
        if self.backup:
            for db in self.all_dbs():
                db.wait_quiet(0.1)
            self.note("the databases are backed up")
            self.backup.save(self.all_dbs())

    def restore(self):
        """One database or several are what they were; others may have written since."""
        held = [db for db in self.all_dbs() if self.backup and self.backup.holds(db)]
        if not held:
            return
        dbs = self.chance.sample(held, self.chance.randint(1, len(held)))
        self.backup.restore(dbs)
        more = self.chance.choice([0, 0, 3, 100])
        self.note(f"restored: {[db.name for db in dbs]}; {more} documents of others")
        for db in dbs:
            db.bulk([{"_id": f"other:{self.chance.random()}"} for _ in range(more)])

    # ---- runs ----

    def words(self):
        words = ["--full"] if self.chance.random() < 0.15 else []
        if self.chance.random() < 0.2:
            words.append(self.chance.choice(["item", "sale"]))
        return words

    def death(self):
        """(environment, when to send which signal)."""
        what = self.chance.random()
        if what < 0.25 and self.dies:
            from test_crash_points import POINTS
            point = f"{self.chance.choice(POINTS)}:{self.chance.choice([1, 1, 2, 5, 20])}"
            return {"ERP2COUCH_CRASH_AT": point}, None
        if what < 0.5:
            return {}, (self.chance.uniform(0.02, 1.0), "kill")
        if what < 0.6:
            return {}, (self.chance.uniform(0.02, 1.0), "terminate")
        return {}, None

    def run_once(self, number):
        """A run among troubles, while the ERP changes."""
        self.disaster()
        words, (env, signal), stop = self.words(), self.death(), threading.Event()
        threads = [(self.changes, random.Random(self.chance.random()))]
        if self.chance.random() < 0.5:
            threads.append((self.weather, random.Random(self.chance.random())))
        source = self.trouble_source() if self.chance.random() < 0.25 else None
        running = [threading.Thread(target=work, args=(stop, chance)) for work, chance in threads]
        self.note(f"run {number} {words} {env} signal={signal} source={source}"
                  f" weather={len(threads) > 1}")
        for thread in running:
            thread.start()
        try:
            process = self.project.start("run", "--json", *words, env=env)
            if signal:
                time.sleep(signal[0])
                getattr(process, signal[1])()
            result = self.project.finish(process, 180)
            self.deaths += result.code < 0
        finally:
            stop.set()
            for thread in running:
                thread.join()
            self.front.clear()
            self.back.clear()
        self.note(f"ended with {result.code}: {result.out[-1500:]}{result.err}")
        assert result.code in MAY_END, f"{result}"

    def quiet(self, *words, codes=(Exit.OK,)):
        result = self.project.erp2couch("run", "--json", "--allow-deletes", *words)
        self.note(f"quiet run {words}: {result.code} {result.out}{result.err}")
        assert result.code in codes, f"{result}"
        return result

    # ---- what must be true ----

    def documents(self):
        return {(name, doc_id): doc for name in self.targets
                for doc_id, doc in self.project.db(name).docs().items()
                if not doc_id.startswith("other:")}

    def expected(self):
        whole = {}
        for (kind, doc_id), members in self.life.items().items():
            name = kind if len(self.targets) > 1 else "a"
            whole[name, doc_id] = {"_id": doc_id, **members, "round": self.round}
        for doc_id, members in self.life.sales().items():
            whole["a", doc_id] = {"_id": doc_id, **members, "round": self.round}
        return whole

    def compare(self, found, expected, when):
        """The documents must be equal; of those that are not, tells the revisions."""
        wrong = [key for key in {*found, *expected} if found.get(key) != expected.get(key)]
        for name, doc_id in wrong:
            db = self.project.db(name)
            reply = db.call("GET", f"/{doc_id}", ok=False, params={
                "revs_info": "true", "rev": db.all_revs().get(doc_id, ("", 0))[0]})
            self.note(f"{when}: {doc_id} in {name} should be {expected.get((name, doc_id))}:"
                      f" {reply.text}")
            for one in reply.json().get("_revs_info", []):
                self.note("  " + db.call("GET", f"/{doc_id}", ok=False,
                                         params={"rev": one["rev"]}).text.strip())
        assert not wrong, f"{when}: {wrong}"

    def check_with_bad_rows(self):
        """Rejects are the bad rows, and those whose document a bad row still occupies."""
        self.life.calm()
        self.quiet(*([] if self.honest else ["--full"]), codes=(Exit.OK, Exit.REJECTS))
        rejects = {doc["key"]: doc for doc in self.project.rejects("item")}
        bad = self.life.bad_items()
        assert bad <= set(rejects), f"no rejects: {bad - set(rejects)}"
        for key in set(rejects) - bad:
            assert rejects[key]["stage"] == "claim", rejects[key]
        if not self.honest:
            return
        expected = {key: doc for key, doc in self.expected().items()
                    if doc.get("id") not in rejects}
        found = {key: doc for key, doc in self.documents().items() if key in expected}
        self.compare(found, expected, "with bad rows")

    def check_all_is_right(self):
        """After bad rows are mended: one incremental run, a full one, a quiet one."""
        self.life.sane()
        self.quiet(codes=(Exit.OK,) if self.honest else (Exit.OK, Exit.REJECTS))
        expected = self.expected()
        if self.honest:
            found = {key: doc for key, doc in self.documents().items() if key in expected}
            self.compare(found, expected, "after an incremental run")
        self.quiet("--full", codes=(Exit.OK, Exit.REJECTS))
        self.quiet("--full")  # documents without a record go in a run without rejects
        self.compare(self.documents(), expected, "after a full run")
        assert self.project.rejects() == []
        before = self.project.snapshot(*self.targets)
        self.quiet()
        self.quiet("--full")
        assert self.project.snapshot(*self.targets) == before

    def check_revisions(self):
        """No document has more revisions than bodies that it had."""
        events = self.life.events()
        for name in self.targets:
            for doc_id, (rev, _) in self.project.db(name).all_revs().items():
                if doc_id.startswith("other:"):
                    continue
                most = events.get(doc_id, 0) + self.round + 2 * self.edits.get(
                    (self.project.db(name).name, doc_id), 0)
                assert int(rev.split("-")[0]) <= most, (doc_id, rev, most)
        for name in self.targets:
            assert self.project.db(name).conflicts() == []

    def tell(self):
        faults = sum(one.fault != faultproxy.Fault() for one in self.front.seen)
        self.note(f"all is right after {self.life.turn} changes, {sum(self.edits.values())} edits,"
                  f" {faults} faults of {len(self.front.seen)} requests, {self.deaths} deaths")

    def play(self):
        for number in range(RUNS):
            self.run_once(number)
        self.project.db("a").wait_quiet()
        self.check_with_bad_rows()
        self.check_all_is_right()
        self.check_revisions()
        self.tell()


@pytest.fixture(scope="module")
def server(couch):
    """A CouchDB of this file's own where it can be one: only such can be restored."""
    if couchdb.installed_usable():
        own = couchdb.PrivateCouch()
        yield own
        own.remove()
    elif couch.apache:
        yield couch
    else:
        pytest.skip("needs Apache CouchDB; here is pouchdb-server")


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_life(seed, tmp_path, binary, server, database, proxy):
    project = Project(tmp_path / "project", binary, server, database)
    story = None
    try:
        story = Story(seed, project, proxy, tmp_path)
        story.play()
    except BaseException:
        if story:
            story.life.calm()
        raise
    finally:
        if story:
            print("\n".join(story.log))  # shown where it failed, or with -s
        project.remove()
