"""Look-ups and included files in the whole program: read once, part of what a mapper is."""

import pytest

from support.project import Exit

FIELDS = """\
maker:
  lookup:
    from: maker
    query: SELECT id, name FROM maker
    key: id
    value: name
"""


@pytest.fixture
def catalog(project, database):
    """300 items of three makers, and a mapper with a cursor that looks the makers up."""
    database.sql("CREATE TABLE maker (id int, name text, since timestamptz, rate numeric(6,3));"
                 " INSERT INTO maker VALUES (1, 'One', '2020-01-01 00:00Z', 0.500);"
                 " INSERT INTO maker VALUES (2, 'Two'), (NULL, 'Nobody'), (2, 'Two');"
                 " CREATE TABLE item (id int PRIMARY KEY, v text, maker text, changed timestamptz);"
                 " INSERT INTO item SELECT n, 'v' || n, n % 3, now() - n * interval '1 hour'"
                 " FROM generate_series(1, 300) n")
    write(project)
    return project.db("catalog")


def write(project, fields=FIELDS, extract="cursor: changed"):
    project.table_mapper(columns=["v"], extract=extract, fields=fields, more="timezone: UTC")


def test_a_changed_table_makes_the_next_run_a_full_one(project, database, catalog):
    result = project.run()
    result.counts(created=300)
    result.says(r"mappers/item.yaml:\d+:\d+: lookup: 1 rows have no key \(NULL\)")
    assert [catalog.get(f"item:{n}").get("maker") for n in (1, 2, 3)] == ["One", "Two", None]
    assert project.run().mapper()["read"] < 300
    # Another order of the same rows is the same table.
    database.sql("CREATE TABLE other AS SELECT * FROM maker ORDER BY name DESC;"
                 " DROP TABLE maker; ALTER TABLE other RENAME TO maker")
    assert project.run().mapper()["read"] < 300
    database.sql("UPDATE maker SET name = 'Uno' WHERE id = 1")
    result = project.run("-v")
    result.says("reading everything: the mapper, its columns or its look-ups changed")
    result.counts(updated=100, unchanged=200)
    assert catalog.get("item:298")["maker"] == "Uno"
    assert project.run().mapper()["read"] < 300


def test_no_record_asks_the_source(project, catalog):
    """Two fields share one look-up, which takes half a second."""
    query = "SELECT 'v' || n AS k, n::text || pg_sleep(0.5) AS x FROM generate_series(1, 1) n"
    write(project, f"""\
        x: {{lookup: {{from: v, query: "{query}", key: k, value: x}}}}
        y: {{lookup: {{from: v, query: "{query}", key: k, value: x}}}}
        """)
    result = project.run()
    result.counts(created=300)
    assert catalog.get("item:1")["y"] == "1"
    assert 0.5 < result.mapper()["seconds"] < 5


def test_values_keep_their_kind_in_all_commands(project, catalog):
    write(project, """\
        rate: {lookup: {from: maker, query: SELECT * FROM maker WHERE id = 1, value: rate}}
        all:
          from: maker
          lookup: {query: "SELECT id, name, rate, since FROM maker", value: [name, rate, since]}
        named: {lookup: {query: "SELECT id, upper(name) FROM maker", key: maker}}
        word: {lookup: {from: maker, map: {"1": first, "2": second}}, required: true, default: none}
        """)
    project.erp2couch("check", "--connect").expect(Exit.OK)
    shown = project.erp2couch("preview", "item", "--key", "1").expect(Exit.OK).lines
    project.run()
    document = catalog.get("item:1")
    assert shown == [{key: value for key, value in document.items() if key != "_rev"}]
    assert document["rate"] == "0.500" and document["named"] == "ONE"
    assert document["all"] == {"name": "One", "rate": "0.500", "since": "2020-01-01T00:00:00Z"}
    assert catalog.get("item:2")["all"] == {"name": "Two"}
    assert catalog.get("item:3")["word"] == "none"
    for words in (["diff", "item"], ["verify", "item"], ["state", "show", "item"]):
        project.erp2couch(*words).expect(Exit.OK)


def test_files_are_read_beside_the_mapper(project, catalog):
    folder = project.folder / "mappers"
    (folder / "makers.csv").write_text('id,name\n1,"One, ""big"""\n2,Two\n')
    (folder / "shared").mkdir()
    shared = folder / "shared" / "base.yaml"
    shared.write_text(
        "fields:\n  maker: {lookup: {from: maker, file: ../makers.csv}}\n  v: {value: hidden}\n")
    write(project, "include: shared/base.yaml")
    project.erp2couch("check").expect(Exit.OK)
    project.run().counts(created=300)
    document = catalog.get("item:1")
    assert document["maker"] == 'One, "big"' and document["v"] == "v1"
    # What a file holds is part of the mapper.
    (folder / "makers.csv").write_text("id,name\n1,Other\n2,Two\n")
    project.run().counts(updated=100, unchanged=200)
    shared.write_text(shared.read_text() + "  w: v\n")
    project.run().counts(updated=300)
    assert catalog.get("item:1")["w"] == "v1"


AT = "mappers/item.yaml:"


@pytest.mark.parametrize("query, key, connect, said", [
    ("SELECT id, name FROM makers", "id", True, "did you mean maker?"),
    ("SELECT id, name FROM maker", "ident", True, "there is no column 'ident' in the query"),
    ("SELECT id, name FROM maker; DELETE FROM maker", "id", False, "query"),
    ("SELECT id, name || ctid::text FROM maker", "id", None, "comes twice, with different values"),
    ("SELECT 1 / (id - 1) AS id, name FROM maker", "id", None, "division by zero"),
])
def test_a_broken_look_up_is_a_configuration_error(project, catalog, query, key, connect, said):
    """@connect: whether check needs --connect to find it; None: only the rows show it."""
    write(project, f"maker: {{lookup: {{from: maker, query: '{query}', key: {key}}}}}")
    commands = [["run"], ["preview", "item"], ["diff", "item"]]
    if connect is not None:
        commands.append(["check"] + ["--connect"] * connect)
    for words in commands:
        result = project.erp2couch(*words).expect(Exit.CONFIG)
        assert AT in result.err and said in result.err, result
    assert not catalog.exists() or not catalog.docs()


def test_check_finds_broken_files_offline(project):
    write(project, "maker: {lookup: {from: maker, file: none.csv}}")
    project.erp2couch("check").expect(Exit.CONFIG).says(AT + r"13:39: lookup: cannot read .*none")
    write(project, "include: none.yaml")
    project.erp2couch("check").expect(Exit.CONFIG).says(AT + r"13:12: include: .*no such file")


def test_a_retry_looks_up_again(project, database, catalog):
    write(project, FIELDS + "  required: true\n")
    database.sql("DELETE FROM item WHERE id > 3")
    project.run(code=Exit.REJECTS).counts(created=2, rejected=1)
    [reject] = project.rejects()
    assert reject["field"] == "maker" and reject["reason"].startswith('"0" is not in the look-up')
    database.sql("INSERT INTO maker VALUES (0, 'Zero')")
    project.erp2couch("rejects", "retry", "item").expect(Exit.OK)
    assert catalog.get("item:3")["maker"] == "Zero" and not project.rejects()
