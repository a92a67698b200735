"""A mapper with a cursor and two targets, for tests of checkpoints and starts."""

import pytest

LOCAL = "erp2couch-item"
KILLED = -9
ROWS = 40
GO_ON, FINISH, REBUILD = "goes on", "finishes", "rebuilds"
SINCE, ALL = "what changed", "everything"


class Scene:
    """A mapper with a cursor and two targets, a and b, after a finished run and an update."""

    def __init__(self, project, database):
        if b"ERP2COUCH_CRASH_AT" not in project.binary.read_bytes():
            pytest.skip("needs a program built with -Dcrash_points=true")
        self.project, self.database, self.changed = project, database, 0
        database.sql("CREATE SEQUENCE stamp; CREATE TABLE item AS SELECT n AS id, 'v' AS v, chr("
                     "98 - n % 2) AS kind, 1 AS extra, nextval('stamp') AS version FROM"
                     f" generate_series(1, {ROWS}) n")
        self.mapper()
        project.run().counts(created=ROWS)
        self.change()
        project.run().counts(updated=4, unchanged=1)  # `>=` reads the newest row again
        self.change()

    def mapper(self, name="item", prefix="item", table="item", **options):
        return self.project.table_mapper(
            name, table=table, columns=["v", "kind", "extra"], database="${kind}",
            target_id=prefix + ":${id}", extract="cursor: version\nlookback: 0s", **options)

    def change(self):
        """Four other rows than before."""
        self.changed += 4
        self.database.sql("UPDATE item SET v = v || 'x', version = nextval('stamp')"
                          f" WHERE id > {self.changed - 4} AND id <= {self.changed}")

    def db(self, name):
        return self.project.control if name == "control" else self.project.db(name)

    def local(self, name, local=LOCAL, **changes):
        """The checkpoint in a database, after some of its members were changed."""
        doc = self.db(name).local(local)
        if changes:
            self.db(name).call("PUT", f"/_local/{local}", json={**doc, **changes})
        return doc

    def drop_local(self, name):
        self.db(name).call("DELETE", f"/_local/{LOCAL}")

    def die(self, point, number=1):
        """The run dies at that moment; its transactions are small."""
        env = {"ERP2COUCH_CRASH_AT": f"{point}:{number}", "ERP2COUCH_CRASH_BATCH": "10"}
        assert self.project.erp2couch("run", env=env).code == KILLED

    def start(self, *words):
        """A run: how it started, what it read, its Result."""
        trace = self.project.folder / "trace"
        trace.unlink(missing_ok=True)
        result = self.project.run(*words, env={"ERP2COUCH_CRASH_TRACE": str(trace)})
        points = set(trace.read_text().split())
        start = (REBUILD if "STATE_ERASED" in points else
                 FINISH if "CLOSING_FINISHED" in points else GO_ON)
        return start, ALL if result.mapper()["read"] == ROWS else SINCE, result

    def documents(self):
        return {doc_id: doc["v"] for name in "ab" for doc_id, doc in self.db(name).docs().items()
                if doc_id.startswith("item:")}

    def check(self):
        """All is there, nothing was written twice, and nothing more is to do."""
        rows = self.database.sql("SELECT id, v FROM item")
        assert self.documents() == {f"item:{key}": v for key, v in rows}
        generations = {doc_id: int(rev.split("-")[0]) for name in "ab"
                       for doc_id, rev in self.db(name).revs().items() if doc_id[:5] == "item:"}
        assert generations == {f"item:{key}": len(v) for key, v in rows}
        self.project.quiet_run(databases=("a", "b"))
