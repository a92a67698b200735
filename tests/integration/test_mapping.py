"""Mapping: every key of a field, from a row to the document that `preview` prints."""

import pytest

from support.project import Exit

ABSENT = object()
COLUMNS = """
    id int, name text, padded char(10), price numeric(12,4), qty int, ratio float8, flag bool,
    at timestamptz, day date, empty text, nothing text, j jsonb, list int[], tags text[], raw bytea
"""
ROW = """
    1, '  Bolt, M8 ', 'AB', 1234.5650, 7, 0.25, true, '2024-03-01 12:00:00+02', '2024-02-29', '',
    NULL, '{"en": "Bolt", "a": [{"b": 1}, {"b": 2}], "n": null, "num": 1.50, "s": "7"}', '{3,4}',
    '{" x ",y}', '\\x00ff'
"""

FIELDS = [
    # where a value comes from
    ("{from: qty}", 7),
    ("{value: 12}", 12),
    ("{value: '12'}", "12"),
    ("{value: [1, a, true, null]}", [1, "a", True, None]),
    ("{value: {k: 1.50}}", {"k": 1.5}),
    ("{value: no}", "no"),
    ("{value: true}", True),
    ("{template: 'q${qty}-${row.padded}'}", "q7-AB"),
    ("{template: '$${qty} costs $$'}", "${qty} costs $"),
    ("{template: 'x${nothing}'}", ABSENT),
    ("{from: j.en}", "Bolt"),
    ("{from: 'j.a[1].b'}", 2),
    ("{from: 'j.a[9].b'}", ABSENT),
    ("{from: j.none.deep}", ABSENT),
    ("{from: j.n}", ABSENT),
    ("{from: j.a}", [{"b": 1}, {"b": 2}]),
    ("{from: 'list[0]'}", 3),
    ("{object: {q: qty, deep: {object: {n: {from: name, trim: true}}}, gone: nothing}}",
     {"q": 7, "deep": {"n": "Bolt, M8"}}),
    ("{expr: 'row.price - row.qty'}", "1227.5650"),
    ("{expr: row.price * row.qty, type: decimal, scale: 2, rounding: half_up}", "8641.96"),
    ("{expr: 'row.nothing == nil and row.price ~= 0'}", True),
    ("{expr: 'row.j.a[2].b + #row.list'}", 4),
    ("{expr: '{row.at, row.list, s = 1} and row.j'}",
     {"en": "Bolt", "a": [{"b": 1}, {"b": 2}], "n": None, "num": 1.5, "s": "7"}),
    ("{expr: \"row.name:match('%w+'):upper()\"}", "BOLT"),
    ("{expr: row.nothing}", ABSENT),
    ("{from: qty, when: row.flag}", 7),
    ("{from: qty, when: not row.flag}", ABSENT),
    ("{object: {q: qty}, when: row.qty > 7}", ABSENT),
    # what happens to it
    ("{from: name}", "  Bolt, M8 "),
    ("{from: name, trim: true}", "Bolt, M8"),
    ("{from: tags, trim: true}", ["x", "y"]),
    ("{from: padded}", "AB"),
    ("{from: empty}", ""),
    ("{from: empty, null_if: ''}", ABSENT),
    ("{from: qty, null_if: 7}", ABSENT),
    ("{from: qty, null_if: [1, 7]}", ABSENT),
    ("{from: qty, null_if: 8}", 7),
    ("{from: padded, map: {AB: first, CD: second}}", "first"),
    ("{from: padded, map: {X: first}, default: other}", "other"),
    ("{from: qty, map: {7: seven}}", "seven"),
    ("{from: flag, map: {true: yes, false: no}}", "yes"),
    ("{from: padded, map: {AB: {nested: [1]}}}", {"nested": [1]}),
    ("{from: nothing}", ABSENT),
    ("{from: nothing, default: 0}", 0),
    ("{from: nothing, default: {a: 1}}", {"a": 1}),
    ("{from: nothing, keep_null: true}", None),
    ("{from: empty, default: x}", ""),
    ("{from: empty, null_if: '', default: x}", "x"),
    # types
    ("{from: qty, type: string}", "7"),
    ("{from: qty, type: number}", 7),
    ("{from: qty, type: decimal}", "7"),
    ("{from: qty, type: decimal, scale: 2}", "7.00"),
    ("{from: price}", "1234.5650"),
    ("{from: price, type: decimal}", "1234.5650"),
    ("{from: price, type: decimal, scale: 3}", "1234.565"),
    ("{from: price, type: decimal, scale: 6}", "1234.565000"),
    ("{from: price, type: decimal, scale: 3, as: number}", 1234.565),
    ("{from: price, type: decimal, scale: 3, as: minor}", 1234565),
    ("{from: price, type: decimal, scale: 2, rounding: half_even}", "1234.56"),
    ("{from: price, type: decimal, scale: 2, rounding: half_up}", "1234.57"),
    ("{from: price, type: decimal, scale: 1, rounding: down}", "1234.5"),
    ("{from: price, type: decimal, scale: 1, rounding: up}", "1234.6"),
    ("{from: price, type: decimal, scale: 0, rounding: floor}", "1234"),
    ("{from: price, type: decimal, scale: 0, rounding: ceiling}", "1235"),
    ("{from: price, type: number}", 1234.565),
    ("{from: ratio, type: number}", 0.25),
    ("{from: ratio, type: decimal, scale: 2}", "0.25"),
    ("{from: j.s, type: integer}", 7),
    ("{from: j.num}", 1.5),
    ("{from: flag, type: string}", "true"),
    ("{from: day, type: date}", "2024-02-29"),
    ("{from: at, type: datetime}", "2024-03-01T10:00:00Z"),
    ("{from: at, type: string}", "2024-03-01T10:00:00Z"),
    ("{from: j, type: json}",
     {"en": "Bolt", "a": [{"b": 1}, {"b": 2}], "n": None, "num": 1.5, "s": "7"}),
    ("{from: raw}", "AP8="),
    ("{from: list}", [3, 4]),
    ("{from: list, type: string}", ["3", "4"]),
]

REJECTED = [
    ("{from: price, type: decimal, scale: 2}", "1234.565"),
    ("{from: name, type: integer}", "Bolt"),
    ("{from: name, type: decimal}", "Bolt"),
    ("{from: name, type: boolean}", "Bolt"),
    ("{from: name, type: date}", "Bolt"),
    ("{from: ratio, type: integer}", "0.25"),
    ("{from: padded, map: {X: first}}", "AB"),
    ("{from: nothing, required: true}", "required"),
    ("{from: empty, null_if: '', required: true}", "required"),
]

REFUSED = [  # by the compiler: these can never be
    ("{from: no_such}", "no_such"),
    ("{from: qtty}", "qty"),
    ("{template: 'x${no_such}'}", "no_such"),
    ("{from: raw, type: integer}", "bytea|bytes"),
    ("{each: qty, fields: {a: b}}", "qty"),
]


@pytest.fixture
def item(project, database):
    database.sql(f"CREATE TABLE item ({COLUMNS})")
    database.sql(f"INSERT INTO item VALUES ({ROW})")
    return project


def test_fields_are_mapped_as_written(item):
    item.table_mapper(fields="\n".join(
        f"f{number}: {text}" for number, (text, _) in enumerate(FIELDS)))
    [doc] = item.erp2couch("preview", "item").expect(Exit.OK).lines
    for number, (text, value) in enumerate(FIELDS):
        got = doc.get(f"f{number}", ABSENT)
        assert (got is ABSENT) == (value is ABSENT) and (got is ABSENT or got == value), (text, got)
        assert type(got) is type(value) or isinstance(value, (int, float)), (text, got)


def test_values_that_do_not_fit_are_rejects(item):
    for number, (text, says) in enumerate(REJECTED):
        item.table_mapper(f"m{number}", table="item", fields=f"f: {text}")
    for number, (text, says) in enumerate(REJECTED):
        result = item.erp2couch("preview", f"m{number}", "--json").expect(Exit.REJECTS)
        assert result.json["documents"] == [], text
        [reject] = result.json["rejects"]
        assert says in str(reject), (text, reject)


@pytest.mark.parametrize("text, says", REFUSED, ids=[text for text, _ in REFUSED])
def test_fields_that_can_never_be(item, text, says):
    path = item.table_mapper(fields=f"f: {text}")
    line = path.read_text().splitlines().index(f"  f: {text}") + 1
    item.erp2couch("preview", "item").expect(Exit.CONFIG).says(
        rf"item\.yaml:{line}:\d+: ", says)


def test_names_of_fields_and_columns_in_templates(project, database):
    """In a template the field wins over the column of that name; row. and doc. force one."""
    database.sql("CREATE TABLE item AS SELECT 1 AS id, 'column' AS name")
    project.mapper("item", """
        mapper: item
        source: erp
        extract: {table: item, key: id}
        target: {database: "@db@catalog", id: "item:${name}:${row.name}:${doc.name}:${id}"}
        fields:
          name: {value: field}
          label: {template: "${name} ${row.name} ${doc.name}"}
        """)
    [doc] = project.erp2couch("preview", "item").expect(Exit.OK).lines
    assert doc == {"_id": "item:field:column:field:1", "name": "field",
                   "label": "field column field"}


def test_members_of_json_objects_keep_their_names(project, database):
    database.sql("""CREATE TABLE item AS SELECT 1 AS id,
        '{"": 1, "a\\"b": 2, "_x": 3, "ключ": {"n": [[]]}}'::jsonb AS j""")
    project.table_mapper(columns=["j"])
    project.run().counts(created=1)
    assert project.db("catalog").get("item:1")["j"] == {
        "": 1, 'a"b': 2, "_x": 3, "ключ": {"n": [[]]}}
    project.quiet_run(unchanged=1)


def test_significant_lists_and_objects(project, database):
    database.sql("CREATE TABLE item AS SELECT n AS id, 1 AS a, 1 AS b FROM generate_series(1, 5) n")
    project.table_mapper(fields="o: {object: {a: a, b: {from: b, significant: false}}}")
    project.run().counts(created=5)
    database.sql("UPDATE item SET b = 2")
    project.quiet_run(unchanged=5)
    database.sql("UPDATE item SET a = 2 WHERE id = 1")
    project.run().counts(updated=1, unchanged=4)
    assert project.db("catalog").get("item:1")["o"] == {"a": 2, "b": 2}


def test_environment_in_mappers(project, database):
    database.sql("CREATE TABLE item AS SELECT 1 AS id")
    project.env["COUNTRY"] = "IE: \"é\""
    project.table_mapper(fields='country: {value: "${env:COUNTRY}"}')
    [doc] = project.erp2couch("preview", "item").expect(Exit.OK).lines
    assert doc["country"] == 'IE: "é"'
    project.env.pop("COUNTRY")
    project.erp2couch("preview", "item").expect(Exit.CONFIG).says("COUNTRY", r"item\.yaml:\d+:\d+")
