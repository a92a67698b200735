"""Target databases: templated names, how they are made, names that CouchDB refuses."""

import pytest

from support.project import Exit


@pytest.fixture
def shops(project, database):
    database.sql("CREATE TABLE item AS SELECT n AS id, 'shop_' || n % 4 AS shop, n AS v FROM"
                 " generate_series(1, 100) n")
    project.table_mapper(columns=["v"], database="${shop}")
    return project


def docs_by_shop(project):
    return {n: project.db(f"shop_{n}").docs() for n in range(4)}


def test_a_database_for_each_value(shops, database):
    shops.run().counts(created=100)
    for number, docs in docs_by_shop(shops).items():
        assert sorted(docs) == sorted(f"item:{n}" for n in range(1, 101) if n % 4 == number)
    names = [f"shop_{n}" for n in range(4)]
    shops.quiet_run(databases=names, unchanged=100)
    database.sql("UPDATE item SET v = 0 WHERE id = 7")
    database.sql("DELETE FROM item WHERE id IN (8, 9)")
    shops.run().counts(updated=1, deleted=2, unchanged=97)
    assert shops.db("shop_3").get("item:7")["v"] == 0
    assert set(shops.db("shop_0").deleted()) == {"item:8"}


def test_a_record_that_changes_database_moves(shops, database):
    shops.run()
    database.sql("UPDATE item SET shop = 'shop_1' WHERE id = 4")
    shops.run().counts(moved=1, unchanged=99)
    assert shops.db("shop_0").get("item:4") is None
    assert shops.db("shop_1").get("item:4")["v"] == 4
    shops.quiet_run(databases=[f"shop_{n}" for n in range(4)], unchanged=100)


def test_a_database_that_appears_later_is_made(shops, database):
    shops.run()
    database.sql("INSERT INTO item VALUES (500, 'shop_new', 1)")
    shops.run().counts(created=1, unchanged=100)
    assert shops.db("shop_new").count() == 1


def test_lost_state_with_many_databases(shops, database):
    shops.run()
    database.sql("DELETE FROM item WHERE id = 5")
    (shops.folder / "state").rename(shops.folder / "lost")
    shops.run().counts(deleted=1, unchanged=99)
    assert set(shops.db("shop_1").deleted()) == {"item:5"}


def test_rows_with_a_name_that_couchdb_refuses_are_rejects(shops, database):
    database.sql("INSERT INTO item VALUES (200, 'Upper Case!', 1), (201, NULL, 2), (202, %s, 3)",
                 ["x" * 300])
    result = shops.run(code=Exit.REJECTS).counts(created=100, rejected=3)
    assert result.json["outcome"] == "rejects"
    by_key = {str(reject.get("key") or reject): reject for reject in shops.rejects()}
    assert len(by_key) == 3
    assert any("Upper Case!" in reject["reason"] for reject in by_key.values()), by_key
    assert shops.db("shop_0").count() == 25


@pytest.mark.parametrize("name", ["Catalog", "_users", "1st", "a b", "a.b", ""])
def test_a_fixed_name_that_couchdb_refuses(project, database, name):
    database.sql("CREATE TABLE item AS SELECT 1 AS id")
    path = project.table_mapper()
    path.write_text(path.read_text().replace(f'"{project.prefix}catalog"', f'"{name}"'))
    result = project.erp2couch("check").expect(Exit.CONFIG).says(
        r"item\.yaml:\d+:\d+: ", "database")
    assert name in result.err + result.out
    project.run(code=Exit.CONFIG)


def test_names_with_a_slash_and_a_plus(project, database):
    database.sql("CREATE TABLE item AS SELECT 1 AS id")
    project.table_mapper(database="a/b+c(d)$e-f")
    project.run().counts(created=1)
    assert project.db("a/b+c(d)$e-f").ids() == ["item:1"]
    project.quiet_run(databases=["a/b+c(d)$e-f"], unchanged=1)


def test_databases_are_made_as_configured(project, database, apache_couch):
    project.configure(couchdb={"create": {"q": 3}})
    database.sql("CREATE TABLE item AS SELECT 1 AS id")
    project.table_mapper()
    project.run()
    assert project.db("catalog").info()["cluster"]["q"] == 3


def test_partitioned_databases(project, database, apache_couch):
    project.configure(couchdb={"create": {"q": 1, "partitioned": True}})
    database.sql("CREATE TABLE item AS SELECT n AS id FROM generate_series(1, 10) n")
    project.table_mapper()
    project.run().counts(created=10)
    assert project.db("catalog").info()["props"] == {"partitioned": True}
    project.quiet_run(unchanged=10)


def test_create_false_refuses(project, database):
    project.configure(couchdb={"create": False})
    database.sql("CREATE TABLE item AS SELECT 1 AS id")
    project.table_mapper()
    project.control.create()
    project.run(code=Exit.CONFIG).says(project.prefix + "catalog", "create")
    assert not project.db("catalog").exists()
    project.db("catalog").create()
    project.run().counts(created=1)


def test_document_ids_that_couchdb_refuses_are_rejects(project, database):
    database.sql("CREATE TABLE item (id int PRIMARY KEY, code text)")
    database.sql("INSERT INTO item VALUES (1, 'a'), (2, NULL), (3, '')")
    project.table_mapper(target_id="item:${code}")
    result = project.run(code=Exit.REJECTS)
    assert result.mapper()["created"] + result.mapper()["rejected"] == 3, result
    assert result.mapper()["rejected"] >= 1, result
    [reject] = [r for r in project.rejects() if "code" in r["reason"]][:1]
    assert "item:null" not in project.db("catalog").ids(), reject


def test_an_id_needs_a_literal_prefix(project, database):
    database.sql("CREATE TABLE item AS SELECT 1 AS id")
    project.table_mapper(target_id="${id}")
    project.erp2couch("check").expect(Exit.CONFIG).says("prefix", r"item\.yaml:\d+:\d+: ")


def test_prefixes_that_contain_each_other(project, database):
    database.sql("CREATE TABLE item AS SELECT 1 AS id")
    project.table_mapper()
    project.table_mapper("items", table="item", target_id="item:x${id}")
    project.erp2couch("check").expect(Exit.CONFIG).says("prefix", "item", "items")
    project.run(code=Exit.CONFIG)
    project.table_mapper("items", table="item", target_id="item:x${id}", database="other")
    project.erp2couch("check").expect(Exit.OK)
