"""Mango indexes that a schema's annotation asks for, kept in step by `run`; and the fields of
tombstones that it names."""

import json

import pytest

from support.project import Exit

BY_V = {"name": "by-v", "fields": ["type", "v"]}
BIG = {"name": "big", "fields": ["n"],
       "partial_filter_selector": {"type": "item", "n": {"$gt": 2},
                                   "$or": [{"v": "v3"}, {"v": "v4"}]}}
OWN = "_design/erp2couch-item"


class Scene:
    """A mapper `item` with a schema, over a table of four rows."""

    def __init__(self, project, database):
        self.project, self.database = project, database
        database.sql("CREATE TABLE item AS SELECT n AS id, 'v' || n AS v, n FROM"
                     " generate_series(1, 4) n")
        project.configure(schemas="schemas")
        (project.folder / "schemas").mkdir()

    def mapper(self, **options):
        return self.project.table_mapper("item", columns=["v", "n"], target="schema: item",
                                         **options)

    def schema(self, *indexes, **annotation):
        annotation = {"indexes": list(indexes), **annotation}
        (self.project.folder / "schemas/item.schema.json").write_text(
            json.dumps({"x-erp2couch": annotation}))
        return self

    @property
    def db(self):
        return self.project.db("catalog")

    def indexes(self):
        """{name: definition} of those in our design document."""
        found = self.db.call("GET", "/_index").json()["indexes"]
        return {index["name"]: index["def"] for index in found if index["ddoc"] == OWN}

    def find(self, selector, **more):
        query = {"selector": selector, **more}
        plan = self.db.call("POST", "/_explain", json=query).json()["index"]
        docs = self.db.call("POST", "/_find", json=query).json()["docs"]
        return (plan["ddoc"], plan["name"]), [doc["_id"] for doc in docs]


@pytest.fixture
def scene(project, database):
    made = Scene(project, database)
    made.mapper()
    return made


def test_indexes_are_made_and_used(scene, apache_couch):
    scene.schema(BY_V, BIG).project.run().counts(created=4)
    assert set(scene.indexes()) == {"by-v", "big"}
    assert scene.find({"type": "item", "v": "v2"}) == ((OWN, "by-v"), ["item:2"])
    assert scene.find({"type": "item", "v": {"$gt": "v2"}}, sort=[{"type": "desc"}, {"v": "desc"}]
                      ) == ((OWN, "by-v"), ["item:4", "item:3"])
    assert scene.find({"n": {"$gt": 0}, **BIG["partial_filter_selector"]}, use_index=[OWN, "big"]
                      ) == ((OWN, "big"), ["item:3", "item:4"])
    # The same as CouchDB would have written it.
    for index in (BY_V, BIG):
        scene.db.call("POST", "/_index", json={
            "ddoc": "theirs-" + index["name"], "name": index["name"],
            "index": {key: value for key, value in index.items() if key != "name"}})
        assert scene.db.get("_design/theirs-" + index["name"])["views"][index["name"]] == \
            scene.db.get(OWN)["views"][index["name"]]


def test_they_are_kept_in_step_and_others_are_left_alone(scene):
    scene.schema(BY_V).project.run()
    foreign = [{"_id": "_design/theirs", "language": "query", "views": {}},
               {"_id": "_design/erp2couch-other", "language": "javascript", "views": {}}]
    for doc in foreign:
        scene.db.put(doc)
    kept = [scene.db.get(doc["_id"]) for doc in foreign]
    rev = scene.db.get(OWN)["_rev"]
    scene.project.quiet_run(unchanged=4)
    assert scene.db.get(OWN)["_rev"] == rev

    scene.schema({**BY_V, "fields": ["v", "type"]}, BIG).project.run()
    assert list(scene.indexes()["by-v"]["fields"]) == [{"v": "asc"}, {"type": "asc"}]
    assert scene.db.get(OWN)["_rev"].startswith("2-")
    scene.db.put({"_id": OWN, "_deleted": True})
    scene.project.run()
    assert set(scene.indexes()) == {"by-v", "big"}
    scene.schema().project.run()
    assert scene.db.get(OWN) is None
    scene.project.quiet_run(unchanged=4)
    assert [scene.db.get(doc["_id"]) for doc in foreign] == kept


def test_no_schema_no_indexes(scene):
    scene.schema(BY_V).project.run()
    scene.project.table_mapper("item", columns=["v", "n"])
    scene.project.run()
    assert scene.db.get(OWN) is None


def test_each_database_of_a_template_has_them(scene):
    scene.mapper(database="c${n}")
    scene.schema(BY_V).project.run().counts(created=4)
    for n in (1, 4):
        assert scene.project.db(f"c{n}").get(OWN)["views"]["by-v"]["options"]["def"] == {
            "fields": BY_V["fields"]}
    scene.project.quiet_run(databases=[f"c{n}" for n in range(1, 5)], unchanged=4)


def test_a_dry_run_writes_none(scene):
    scene.schema(BY_V).project.run()
    scene.schema(BIG).project.run("--dry-run")
    scene.project.erp2couch("diff", "item").expect(Exit.OK)
    assert set(scene.indexes()) == {"by-v"}


def test_our_own_write_is_not_taken_for_somebody_elses(scene):
    """Else the next run would read all changes since the first load."""
    scene.schema(BY_V).project.run()
    result = scene.project.run()
    stored = scene.db.local("erp2couch-item")
    assert int(stored["update_seq"].split("-")[0]) == scene.db.update_number(), result


def test_a_first_load_goes_before_its_indexes(scene):
    """CouchDB would build them document by document."""
    scene.db.create(q=1)  # the changes of several shards have no order among each other
    scene.schema(BY_V).project.run().counts(created=4)
    changes = scene.db.call("GET", "/_changes").json()["results"]
    assert changes[-1]["id"] == OWN


def test_what_couchdb_refuses_is_named(scene, apache_couch):
    scene.schema().project.run()
    sequence = scene.db.update_number()
    scene.schema({**BIG, "partial_filter_selector": {"n": {"$foo": 1}}})
    scene.project.erp2couch("run").expect(Exit.CONFIG).says(
        "database t[0-9a-f]+_catalog", "_design/erp2couch-item", "index big", "\\$foo")
    assert scene.db.update_number() == sequence
    scene.db.put({"_id": OWN, "views": {"x": {"map": "function (doc) {}"}}})
    scene.schema(BY_V)
    scene.project.erp2couch("run").expect(Exit.CONFIG).says("somebody else's", OWN)


@pytest.mark.parametrize("session", [False, True])
def test_without_the_right_to_write_them_documents_are_written(scene, apache_couch, session):
    scene.schema(BY_V)
    for db in (scene.db, scene.project.control):
        db.create()
    name, password = scene.project.prefix + "user", "secret of the member"
    apache_couch.add_user(name, password)
    try:
        for db in (scene.db, scene.project.control):
            db.call("PUT", "/_security", json={"admins": {}, "members": {"names": [name]}})
        auth = {"user": name, "password": password}
        scene.project.configure(couchdb={"auth": {"session": auth, "user": None, "password": None}
                                         if session else auth})
        result = scene.project.run()
        result.counts(created=4)
        result.says("only admins", "_design/erp2couch-item", "catalog")
        assert scene.db.get(OWN) is None
    finally:
        apache_couch.remove_user(name)


MISTAKES = [
    ({"index": []}, "#/x-erp2couch/index: unknown member; there are: indexes, tombstone"),
    ({"indexes": [{**BY_V, "feilds": []}]}, "/indexes/0/feilds: unknown member, .*fields"),
    ({"tombstone": ["rep", "rep"]}, "/tombstone/1: .*rep.* stands twice"),
]


@pytest.mark.parametrize("annotation, message", MISTAKES)
def test_a_mistake_shows_in_check(scene, annotation, message):
    scene.schema(**annotation)
    scene.project.erp2couch("check").expect(Exit.CONFIG).says(message, "item.schema.json")


def test_a_schema_that_is_not_there(scene):
    scene.project.erp2couch("check").expect(Exit.CONFIG).says(
        r"mappers/item.yaml:\d+:\d+: there is no schema 'item'.*item.schema.json")


@pytest.mark.parametrize("extract, kept", [
    ("", {"type": "item", "v": "v1"}),
    ("deletes: {keep: [n]}", {"n": 1}),
    ("deletes: {keep: []}", {}),
])
def test_tombstones_keep_what_the_schema_says(scene, extract, kept):
    scene.mapper(extract=extract)
    scene.schema(tombstone=["type", "v", "elsewhere"]).project.run()
    scene.database.sql("DELETE FROM item WHERE id = 1")
    scene.project.run().counts(deleted=1, unchanged=3)
    rev = scene.db.deleted()["item:1"]
    doc = scene.db.get("item:1", rev=rev)
    assert {key: doc[key] for key in doc if not key.startswith("_")} == kept
