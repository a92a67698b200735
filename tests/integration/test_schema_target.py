"""`target.schema`: documents are checked before they are written, wherever they are made."""

import json

import pytest

from support.project import Exit

PRODUCT = {
    "type": "object",
    "required": ["type", "price", "lines"],
    "properties": {
        "type": {"const": "item"},
        "price": {"$ref": "money.json#/$defs/amount"},
        "seen": {"type": "string", "format": "date"},
        "lines": {"items": {"required": ["qty"], "properties": {"qty": {"type": "integer"}}}},
    },
}
MONEY = {"$defs": {"amount": {"type": "string", "maxLength": 5}}}
ROWS = [(1, "1.50", "2026-02-03", "[]"), (2, "12345.50", "2026-02-03", "[]"),
        (3, "2.50", "soon", "[]"), (4, "3.50", "2026-02-03", '[{"qty": 1}, {"qty": 1.5}]'),
        (5, None, "2026-02-03", "[]"), (6, "6.50", "2026-02-03", '[{}]')]
FAULTS = {  # the field, the reason without where the schema says so, and where
    2: ("price", '"12345.50": must have at most 5 characters, and has 8',
        "maxLength at schemas/money.json#/$defs/amount/maxLength"),
    3: ("seen", '"soon": must be in the format date',
        "format at schemas/item.schema.json#/properties/seen/format"),
    4: ("lines[1].qty", "1.5: must be of type integer",
        "type at schemas/item.schema.json#/properties/lines/items/properties/qty/type"),
    5: ("price", 'must have "price"', "required at schemas/item.schema.json#/required"),
    6: ("lines[0].qty", 'must have "qty"',
        "required at schemas/item.schema.json#/properties/lines/items/required"),
}


def write(project, name, value):
    folder = project.folder / "schemas"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(value if isinstance(value, str) else json.dumps(value))


@pytest.fixture
def shop(project, database):
    """Six records, of which the schema allows the first alone."""
    database.sql("CREATE TABLE item(id int PRIMARY KEY, price text, seen text, lines jsonb)")
    for row in ROWS:
        database.sql("INSERT INTO item VALUES (%s, %s, %s, %s)", row)
    project.configure(schemas="schemas")
    write(project, "item.schema.json", PRODUCT)
    write(project, "money.json", MONEY)
    project.table_mapper(columns=["price", "seen", "lines"], target="schema: item",
                         more="max_rejects: 100")
    return project


def test_a_run_rejects_what_the_schema_refuses_and_looks_again(shop, database):
    result = shop.run(code=Exit.REJECTS).counts(created=1, rejected=5)
    assert list(shop.db("catalog").docs()) == ["item:1"], result
    found = {doc["key"]: doc for doc in shop.rejects()}
    assert {key: (doc["field"], doc["reason"]) for key, doc in found.items()} == {
        key: (field, f"{reason} ({place})") for key, (field, reason, place) in FAULTS.items()}
    assert {doc["stage"] for doc in found.values()} == {"validate"}

    # An unchanged document under a stricter file that the schema refers to: rejected, stays there.
    write(shop, "money.json", {"$defs": {"amount": {"const": "2.50"}}})
    shop.run(code=Exit.REJECTS).counts(rejected=6)
    shop.run(code=Exit.REJECTS).counts(rejected=6)
    assert list(shop.db("catalog").docs()) == ["item:1"]
    # ... and back: nothing is written for it.
    write(shop, "money.json", {"$defs": {"amount": {"type": "string"}}})
    database.sql("UPDATE item SET seen = '2026-02-03', price = '5', lines = '[]' WHERE id > 2")
    shop.erp2couch("rejects", "retry", "item").expect(Exit.OK)
    assert shop.rejects() == []
    shop.quiet_run(unchanged=6)


def test_preview_diff_and_verify_check_too(shop):
    preview = shop.erp2couch("preview", "item", "--json").expect(Exit.REJECTS).json
    assert [doc["_id"] for doc in preview["documents"]] == ["item:1"]
    assert {reject["key"]: reject["field"] for reject in preview["rejects"]} == {
        str(key): fault[0] for key, fault in FAULTS.items()}
    for command in ("diff", "verify"):
        result = shop.erp2couch(command, "item", "--json")
        assert result.json["rejected"] == len(FAULTS), result


BROKEN = {  # what the folder holds, what check says
    "missing": ({"itme.schema.json": {}},
                r"mappers/item.yaml:\d+:11: there is no schema 'item': .*did you mean 'itme'"),
    "no JSON": ({"item.schema.json": '{"type": "object",\n "type" 1}'},
                r"item.yaml:\d+:11: schema 'item': .*item.schema.json:2:\d+: not JSON"),
    "a wrong keyword value": ({"item.schema.json": {"properties": {"v": {"type": "strin"}}}},
                              r"item.schema.json#/properties/v/type: .*did you mean string"),
    "a file that is not there": ({"item.schema.json": {"$ref": "else.json"}},
                                 r'item.schema.json#/[$]ref: there is no schema ..else.json'),
    "outside the folder": ({"item.schema.json": {"$ref": "../../../../etc/passwd"}},
                           r"item.schema.json#/[$]ref: there is no schema .*put it into"),
    "a URL": ({"item.schema.json": {"$ref": "https://example.com/x.json"}},
              r"item.schema.json#/[$]ref: .*nothing is fetched from elsewhere"),
    "endless": ({"item.schema.json": {"$ref": "#"}}, r"item.schema.json#.*"),
}


@pytest.mark.parametrize("files, message", BROKEN.values(), ids=BROKEN)
def test_a_broken_schema_is_said_at_check(make_project, files, message):
    project = make_project()
    project.configure(schemas="schemas")
    for name, value in files.items():
        write(project, name, value)
    project.table_mapper(columns=["v"], target="schema: item")
    result = project.erp2couch("check").expect(Exit.CONFIG).says(message)
    assert project.erp2couch("check", "--json").expect(Exit.CONFIG).json["ok"] is False, result


def test_a_schema_needs_a_folder(make_project):
    project = make_project()
    project.table_mapper(columns=["v"], target="schema: item")
    project.erp2couch("check").expect(Exit.CONFIG).says("write schemas: FOLDER there")


def findings(result):
    """(line, start of the message) of warnings and errors in `check --json`."""
    value = result.json
    errors = [e for mapper in value["mappers"] for e in mapper.get("errors", [])]
    for finding in value["warnings"] + errors:
        assert list(finding) == ["level", "file", "line", "column", "message"], finding
    return tuple(sorted((f["line"], f["message"].split("(")[0]) for f in found)
                 for found in (value["warnings"], errors))


def test_check_finds_what_no_record_could_pass(make_project):
    project = make_project()
    project.configure(schemas="schemas")
    write(project, "item.schema.json", {
        "requird": [], "required": ["type", "price", "other"],
        "properties": {"type": {"const": "thing"}, "price": {"type": "number"}}})
    project.table_mapper(columns=["price"], target="schema: item",
                         fields="money: {from: price, null_if: x}")
    result = project.erp2couch("check", "--json").expect(Exit.CONFIG)
    warnings, errors = findings(result)
    assert warnings == [(1, '"requird" is no keyword of JSON Schema, and checks nothing: did you'
                            ' mean "required"?')]
    assert errors == [(10, 'the schema requires "other" '),
                      (11, 'field \'type\': value gives "item": must be "thing" ')]
    assert result.json["mappers"][0]["ok"] is False
    project.erp2couch("check").expect(Exit.CONFIG).says(
        r"level=error msg=.mappers/item.yaml:11:17: field 'type'", "level=warn .*requird")


def test_what_is_found_in_an_included_file_has_its_place(make_project):
    project = make_project()
    project.configure(schemas="schemas")
    write(project, "item.schema.json", {"properties": {"kind": {"const": "thing"}}})
    (project.folder / "more.yaml").write_text("fields:\n  kind: {value: other}\n")
    project.table_mapper(columns=["price"], target="schema: item", fields="include: ../more.yaml")
    project.erp2couch("check").expect(Exit.CONFIG).says(
        r"level=error msg=.\S*/more.yaml:2:17: field 'kind': value gives .{1,2}other.{1,2}: must")
    mapper = project.folder / "mappers/item.yaml"
    mapper.write_text(mapper.read_text().replace("table: item", "query: SELECT id, price FROM i"))
    (project.folder / "more.yaml").write_text("fields:\n  kind: {from: prise}\n")
    project.erp2couch("check").expect(Exit.CONFIG).says(
        r"level=error msg=.\S*/more.yaml:2:9: field 'kind': there is no column 'prise'")


NULLS = {  # what is read, whether its code may be NULL
    "table: item": True,
    "query: SELECT id, code FROM item": True,
    "query: SELECT id, name AS code FROM item": False,
    "query: SELECT i.id, o.name AS code FROM item i LEFT JOIN item o ON o.id > i.id": False,
    "query: SELECT id, code FROM item WHERE code IS NOT NULL": False,
    "query: SELECT id, coalesce(code, name) AS code FROM item": False,
    "query: SELECT id, code FROM items": False,
    "table: named": False,
}


def test_connected_check_knows_nulls_and_types(project, database):
    database.sql("CREATE DOMAIN word AS text NOT NULL; CREATE TABLE item(id int PRIMARY KEY,"
                 " code text, name text NOT NULL); CREATE VIEW items AS SELECT * FROM item;"
                 " CREATE TABLE named(id int PRIMARY KEY, code word)")
    project.configure(schemas="schemas")
    write(project, "item.schema.json", {"properties": {"code": {"type": "string"}}})
    for extract, nullable in NULLS.items():
        project.mapper("item", f"""
            mapper: item
            source: erp
            extract:
              {extract}
              key: id
            target: {{database: "@db@x", id: "item:${{code}}", schema: item}}
            fields: {{code: code}}
            """)
        warnings, errors = findings(project.erp2couch("check", "--connect", "--json").expect(0))
        assert (warnings, errors) == ([(6, "id 'item:${code}': column 'code' may be NULL in the"
                                           " source, and a record without an id is rejected")]
                                      if nullable else [], []), extract
    write(project, "item.schema.json", {"properties": {"code": {"type": "integer"}}})
    result = project.erp2couch("check", "--connect", "--json").expect(Exit.CONFIG)
    assert findings(result)[1] == [
        (7, "field 'code': its type is string, and the schema wants integer ")]
