"""The main job: rows become documents, unchanged rows write nothing, one change is one revision."""

import pytest

from support.project import Exit

COLUMNS = ("code", "name", "price", "active", "stock", "changed")


@pytest.fixture
def items(project, database):
    """500 rows and a mapper of them; returns the database of the documents."""
    database.sql("""
        CREATE TABLE item (id int PRIMARY KEY, code text NOT NULL, name text, price numeric(12,2),
                           active bool, stock double precision, changed timestamptz);
        INSERT INTO item SELECT n, 'C' || lpad(n::text, 5, '0'),
            CASE WHEN n % 7 > 0 THEN 'Item ' || n END, n * 1.25, n % 3 = 0, n / 8.0,
            timestamptz '2024-01-01Z' + n * interval '1 hour' FROM generate_series(1, 500) n""")
    project.table_mapper(columns=COLUMNS)
    return project.db("catalog")


def expected(database):
    """The documents as SQL sees them."""
    rows = database.sql("""SELECT id, code, name, price::text, active, stock,
        to_char(changed AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') FROM item""")
    docs = {}
    for key, *values in rows:
        doc = {"_id": f"item:{key}", "type": "item", **dict(zip(COLUMNS, values))}
        docs[doc["_id"]] = {name: value for name, value in doc.items() if value is not None}
    return docs


def test_first_run_creates_and_second_finds_all_unchanged(project, database, items):
    result = project.run().counts(created=500)
    assert result.mapper("item")["read"] == 500
    assert result.mapper("item")["outcome"] == "ok"
    assert items.docs() == expected(database)
    project.quiet_run(unchanged=500)
    project.quiet_run("--full", unchanged=500)
    assert all(rev.startswith("1-") for rev in items.revs().values())


def test_one_updated_row_is_one_revision(project, database, items):
    project.run()
    before, writes = items.all_revs(), items.update_number()
    database.sql("UPDATE item SET price = 99.99 WHERE id = 250")
    project.run().counts(updated=1, unchanged=499)
    after = items.all_revs()
    assert {key for key in after if after[key] != before.get(key)} == {"item:250"}
    assert after["item:250"][0].startswith("2-")
    assert items.update_number() == writes + 1
    assert items.docs() == expected(database)
    project.quiet_run(unchanged=500)


def test_changes_of_many_kinds_in_one_run(project, database, items):
    project.run()
    database.sql("""UPDATE item SET name = NULL WHERE id <= 10;
                    UPDATE item SET name = 'now named' WHERE id = 14;
                    DELETE FROM item WHERE id BETWEEN 101 AND 105;
                    INSERT INTO item (id, code) SELECT n, 'N' || n FROM generate_series(501, 520) n
                 """)
    # of the first ten, number 7 had no name
    project.run().counts(created=20, updated=10, deleted=5, unchanged=485)
    assert items.docs() == expected(database)
    assert set(items.deleted()) == {f"item:{n}" for n in range(101, 106)}
    project.quiet_run(unchanged=515)


def test_a_row_that_comes_back_revives_its_document(project, database, items):
    project.run()
    database.sql("CREATE TABLE kept AS SELECT * FROM item WHERE id <= 3")
    database.sql("DELETE FROM item WHERE id <= 3")
    project.run().counts(deleted=3, unchanged=497)
    database.sql("INSERT INTO item SELECT * FROM kept")
    project.run()
    assert items.docs() == expected(database)
    assert all(items.revs()[f"item:{n}"].startswith("3-") for n in (1, 2, 3))
    project.quiet_run(unchanged=500)


def test_a_query_reads_like_a_table(project, database, items):
    project.mapper("item", """
        mapper: item
        source: erp
        extract:
          query: |
            SELECT i.id, i.code,  -- a comment; with a semicolon
                   'x"{}[]\\' AS odd
              FROM item i
             WHERE id <= 3
          key: id
        target: {database: "@db@catalog", id: "item:${id}"}
        fields: {code: code, odd: odd}
        """)
    project.run().counts(created=3)
    assert items.docs()["item:2"] == {"_id": "item:2", "code": "C00002", "odd": 'x"{}[]\\'}
    project.quiet_run(unchanged=3)


def test_a_table_in_a_schema_with_a_name_that_needs_quotes(project, database):
    database.sql('CREATE SCHEMA "Sales Data"')
    database.sql('CREATE TABLE "Sales Data"."order-line" ("Nr" int PRIMARY KEY, "select" text)')
    database.sql("""INSERT INTO "Sales Data"."order-line" VALUES (1, 'a')""")
    project.mapper("line", """
        mapper: line
        source: erp
        extract:
          query: SELECT "Nr", "select" FROM "Sales Data"."order-line"
          key: Nr
        target: {database: "@db@catalog", id: "line:${Nr}"}
        fields: {text: select}
        """)
    project.run().counts(created=1)
    assert project.db("catalog").docs() == {"line:1": {"_id": "line:1", "text": "a"}}


def test_keys_of_several_columns_and_kinds(project, database):
    database.sql("""
        CREATE TABLE price (list text, item uuid, since date, amount numeric,
                            PRIMARY KEY (list, item, since));
        INSERT INTO price SELECT l, ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid,
            date '2024-01-01' + d, n + d FROM unnest(ARRAY['A', 'A:', 'ä/ %']) l,
            generate_series(1, 20) n, generate_series(0, 2) d""")
    project.mapper("price", """
        mapper: price
        source: erp
        extract: {table: price, key: [list, item, since]}
        target: {database: "@db@catalog", id: "price:${list}:${item}:${since}"}
        fields: {amount: amount}
        """)
    project.run().counts(created=180)
    catalog = project.db("catalog")
    doc = catalog.get("price:ä/ %:00000000-0000-0000-0000-000000000007:2024-01-03")
    assert doc["amount"] == "9"
    project.quiet_run(unchanged=180)
    database.sql("UPDATE price SET amount = -1 WHERE list = 'A:' AND amount = 5")
    project.run().counts(updated=3, unchanged=177)


def test_long_keys_and_ids(project, database):
    database.sql("CREATE TABLE item (id text PRIMARY KEY, n int)")
    for n in range(5):
        database.sql("INSERT INTO item VALUES (%s, %s)", ["k" * 600 + "é" * n, n])
    project.table_mapper(columns=["n"])
    project.run().counts(created=5)
    project.quiet_run(unchanged=5)
    database.sql("UPDATE item SET n = 9 WHERE n = 4")
    database.sql("DELETE FROM item WHERE n = 0")
    project.run().counts(updated=1, deleted=1, unchanged=3)
    assert project.db("catalog").docs()["item:" + "k" * 600 + "é" * 4]["n"] == 9


def test_several_mappers_side_by_side_and_by_name(project, database, items):
    database.sql("CREATE TABLE shop AS SELECT n AS id, 'Shop ' || n AS name FROM"
                 " generate_series(1, 40) n")
    database.sql("CREATE TABLE staff AS SELECT n AS id FROM generate_series(1, 30) n")
    project.table_mapper("shop", columns=["name"])
    project.table_mapper("staff", database="people")
    result = project.run("shop")
    assert [m["mapper"] for m in result.json["mappers"]] == ["shop"]
    result.counts("shop", created=40)
    result = project.run()
    assert sorted(m["mapper"] for m in result.json["mappers"]) == ["item", "shop", "staff"]
    result.counts("item", created=500)
    result.counts("shop", unchanged=40)
    result.counts("staff", created=30)
    assert project.db("people").count() == 30
    assert items.count() == 540
    project.quiet_run(databases=("catalog", "people"), unchanged=570)
    result = project.run("staff", "item")
    assert sorted(m["mapper"] for m in result.json["mappers"]) == ["item", "staff"]


def test_mappers_that_share_a_database_keep_to_their_own_documents(project, database, items):
    items.create()
    items.put({"_id": "note:1", "by": "somebody else"})
    items.put({"_id": "ite", "by": "somebody else"})
    project.run().counts(created=500)
    database.sql("DELETE FROM item WHERE id > 490")
    project.run().counts(deleted=10, unchanged=490)
    assert items.get("note:1")["_rev"].startswith("1-")
    assert items.get("ite")["_rev"].startswith("1-")


def test_empty_tables(project, database):
    database.sql("CREATE TABLE item (id int PRIMARY KEY)")
    project.table_mapper()
    project.run().counts()
    project.run().counts()
    database.sql("INSERT INTO item VALUES (1)")
    project.run().counts(created=1)


def test_fields_in_mapper_order_with_the_same_bytes(project, database, items):
    project.run()
    raw = items.raw("item:3")
    order = [raw.index(f'"{name}"') for name in ("type", *COLUMNS)]
    assert order == sorted(order)


def test_insignificant_changes_write_nothing(project, database, items):
    project.table_mapper(columns=("code", "price"),
                         fields="changed: {from: changed, significant: false}")
    project.run().counts(created=500)
    database.sql("UPDATE item SET changed = changed + interval '1 day'")
    project.quiet_run(unchanged=500)
    database.sql("UPDATE item SET price = 1, changed = '2030-01-01Z' WHERE id = 77")
    project.run().counts(updated=1, unchanged=499)
    assert items.get("item:77")["changed"] == "2030-01-01T00:00:00Z"


def test_a_changed_mapper_rewrites_what_differs(project, database, items):
    project.run()
    project.table_mapper(columns=(*COLUMNS, "id"))
    project.run().counts(updated=500)
    project.quiet_run(unchanged=500)
    # 71 rows have no name: their documents stay equal under the next mapper
    project.table_mapper(columns=(*COLUMNS, "id"), fields="alias: name")
    project.run().counts(updated=429, unchanged=71)
    project.quiet_run(unchanged=500)


def test_dry_run_counts_and_writes_nothing(project, database, items):
    project.run("--dry-run").counts(created=500).says("catalog is not there: a run without")
    assert not [name for name in project.couch.databases() if name.startswith(project.prefix)]
    project.run()
    database.sql("UPDATE item SET price = 0 WHERE id <= 3;"
                 " INSERT INTO item (id, code) VALUES (1001, 'new')")
    names = ("catalog", "control")
    before = project.snapshot(*names), items.local("erp2couch-item")
    project.run("--dry-run").counts(created=1, updated=3, unchanged=497)
    assert (project.snapshot(*names), items.local("erp2couch-item")) == before
    # and it left the state alone: the run finds the same
    project.run().counts(created=1, updated=3, unchanged=497)


@pytest.mark.parametrize("gone, code, counted", [(1, Exit.OK, 1), (100, Exit.REFUSED, 0)])
def test_dry_run_counts_deletions(project, database, items, gone, code, counted):
    project.run()
    database.sql("DELETE FROM item WHERE id <= %s", [gone])
    project.run("--dry-run", code=code).counts(deleted=counted, unchanged=500 - gone)
    assert items.deleted() == {}
    project.run(code=code).counts(deleted=counted, unchanged=500 - gone)


def test_run_prints_a_summary_for_people(project, items):
    result = project.erp2couch("run").expect(Exit.OK)
    line = [line for line in result.out.splitlines() if "item" in line]
    assert line and "500" in line[0], result
    assert "\r" not in result.err and "\x1b" not in result.err, result  # no terminal


def test_checkpoints_stand_in_the_target_and_the_control_database(project, items):
    project.run()
    here, there = items.local("erp2couch-item"), project.control.local("erp2couch-item")
    assert here["session"] == there["session"]
    project.run()
    assert items.local("erp2couch-item")["session"] != here["session"]
