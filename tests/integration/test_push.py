"""Pushed records: a run of records that somebody gives in place of a read (tests/tools/push starts
it as the service does). What a push wrote must be what a read would have written: so most tests end
with runs that find nothing to do.
"""

import json
import re
import shutil
import signal

import pytest

from support.process import wait_until
from support.project import Exit

TYPES = """
CREATE DOMAIN percent AS numeric(5,2) CHECK (VALUE BETWEEN 0 AND 100);
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE place AS (street text, zip varchar(5));
CREATE TABLE item (
  id bigint PRIMARY KEY, name varchar(20), code char(6), price numeric(12,2), rate percent,
  weight double precision, small real, active boolean, born date, at time, seen timestamp,
  stamp timestamptz, span interval, data jsonb, raw json, blob bytea, tags text[], grid int[],
  feel mood, uid uuid, cost money, home place, big numeric, version bigint);
"""
FULL = {
    "id": 7, "name": "Grüße \"x\"\\", "code": "ab", "price": 2.5, "rate": "12.345",
    "weight": 0.1, "small": 1e10, "active": True, "born": "2026-01-31", "at": "8:05",
    "seen": "2026-01-31T08:00:00.5", "stamp": "2026-01-31T08:00:00+05:30", "span": "1 day 2 hours",
    "data": {"b": 1, "a": [1, None, {"x": "é"}]}, "raw": ["x", 1.50], "blob": "\\x00FF",
    "tags": ["a b", None, "c\"d"], "grid": [[1, 2], [3, 4]], "feel": "happy",
    "uid": "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "cost": "1.50",
    "home": {"street": "Main", "zip": "12345"}, "big": "123456789012345678901234567890.12345",
    "version": 5,
}
INSERT = ("INSERT INTO item SELECT (json_populate_record(NULL::item, %s::json)).*"
          " ON CONFLICT (id) DO NOTHING")


@pytest.fixture
def typed(project, database):
    database.sql(TYPES)
    project.table_mapper(columns=[name for name in FULL if name != "version"],
                         extract="cursor: version\nlookback: 0s", more="timezone: Europe/Berlin")
    project.run().counts()
    return project.db("catalog")


def test_every_type_is_what_a_read_gives(project, database, typed):
    project.pushed("item", FULL, created=1, read=1)
    database.sql(INSERT, [json.dumps(FULL)])
    pushed = typed.get("item:7")
    assert pushed["price"] in (2.5, "2.50") and pushed["rate"] in (12.35, "12.35")
    project.quiet_run(unchanged=1)
    project.quiet_run("--full", unchanged=1)
    assert typed.revs()["item:7"].startswith("1-")
    project.pushed("item", [FULL], unchanged=1, read=1)
    assert typed.revs()["item:7"].startswith("1-")


def test_numbers_may_be_text_and_absent_columns_are_null(project, database, typed):
    body = {"id": "8", "price": "2.50", "active": "t", "data": None}
    project.pushed("item", body, created=1, read=1)
    database.sql(INSERT, [json.dumps(body)])
    assert typed.get("item:8")["price"] in (2.5, "2.50")
    project.quiet_run(unchanged=1)


BAD = [
    ({"born": "2026-13-01"}, "born.*date"),
    ({"name": "x" * 21}, "name.*too long"),
    ({"rate": 1000}, "rate.*overflow"),
    ({"price": "1e99"}, "price.*overflow"),
    ({"feel": "angry"}, "feel.*mood"),
    ({"active": "perhaps"}, "active.*boolean"),
    ({"price": {"x": 1}}, "price.*takes single values, not an object"),
    ({"name": ["x"]}, "name.*takes single values, not an array"),
    ({"uid": "nobody"}, "uid.*uuid"),
    ({"tags": "{a"}, "tags.*array"),
    ({"name": "a\u0000b"}, "name.*u0000"),
    ({"data": {"x": "a\u0000b"}}, "data.*u0000"),
    ({"version": 2 ** 63}, "version.*bigint"),
]


def test_what_a_column_cannot_hold_is_a_reject(project, database, typed):
    """Each alone, and all among good ones; the key is known, and a push that is right clears it."""
    rows = [{"id": n, **bad} for n, (bad, _) in enumerate(BAD, 100)]
    good = [{"id": n, "name": "good"} for n in range(1, 40)]
    project.pushed("item", good[:20] + rows + good[20:], "rejects", created=39,
                   rejected=len(rows), read=39 + len(rows))
    rejects = {doc["key"]: doc for doc in project.rejects("item")}
    assert set(rejects) == {row["id"] for row in rows}
    for row, (_, reason) in zip(rows, BAD):
        doc = rejects[row["id"]]
        assert doc["stage"] == "read" and re.search(reason, doc["reason"], re.S), doc
    project.pushed("item", [{"id": row["id"]} for row in rows], created=len(rows), read=len(rows))
    assert project.rejects("item") == []


def test_a_reject_keeps_its_document(project, database, typed):
    project.pushed("item", {"id": 1, "name": "good"}, created=1, read=1)
    project.pushed("item", {"id": 1, "price": "much"}, "rejects", rejected=1, read=1)
    assert typed.get("item:1")["name"] == "good"


KEYLESS = [
    ({"name": "no key"}, "id"),
    ({"id": None}, "id"),
    ({"id": "seven"}, r"line 1 of what was pushed: column \"id\": .*bigint"),
]


def test_without_a_key(project, typed):
    for body, reason in KEYLESS:
        before = {doc["_id"] for doc in project.rejects("item")}
        project.pushed("item", [body, {"id": 2}], "rejects", rejected=1, read=2,
                       **{"unchanged" if before else "created": 1})
        reject, = [doc for doc in project.rejects("item") if doc["_id"] not in before]
        assert reject["key"] is None and re.search(reason, reject["reason"]), reject
    # it says nothing about others: a settled reject is removed all the same
    body = KEYLESS[0][0]
    known = len(project.rejects("item"))
    project.pushed("item", {"id": 3, "price": "x"}, "rejects", rejected=1, read=1)
    project.pushed("item", [body, {"id": 3}], "rejects", created=1, rejected=1, read=2)
    assert len(project.rejects("item")) == known


def test_an_unknown_column_refuses_the_whole_push(project, typed):
    before = project.snapshot("catalog", "control")
    result = project.push("item", '{"id": 1}\n\n{"id": 2, "nmae": "x"}\n')
    assert (result.json["outcome"], result.json["class"]) == ("failed", "reject"), result
    assert "the record on line 3" in result.json["error"], result
    assert 'there is no column "nmae" in table item' in result.json["error"], result
    assert 'did you mean "name"?' in result.json["error"], result
    assert project.snapshot("catalog", "control") == before
    assert project.erp2couch("status", "--json").json["mappers"][0]["last_run"] is None or \
        "nmae" not in project.erp2couch("status", "--json").out


def test_the_last_of_one_key_wins(project, typed):
    body = [{"id": 1, "name": "a"}, {"id": "1", "price": "x"}, {"id": 2, "name": "b"},
            {"id": "01", "name": "c"}]
    result = project.pushed("item", body, created=2, read=2)
    assert result.json["received"] == 4
    assert typed.get("item:1")["name"] == "c" and typed.revs()["item:1"].startswith("1-")
    assert project.rejects() == []


# ---- what a run does besides ----

@pytest.fixture
def codes(project, database):
    """100 rows; the document id is the code."""
    database.sql("CREATE TABLE item (id int PRIMARY KEY, code text, v text, version bigint)")
    database.sql("INSERT INTO item SELECT n, 'K' || n, 'v' || n, n FROM generate_series(1, 100) n")
    project.table_mapper(columns=["id", "code", "v"], target_id="item:${code}",
                         extract="cursor: version\nlookback: 0s\ndeletes: {column: v, when: dead}")
    project.run().counts(created=100)
    return project.db("catalog")


def change(database, *rows):
    """The rows in the ERP, too; no cursor moves, so only a full read looks at them."""
    for row in rows:
        database.sql("INSERT INTO item (id, code, v) VALUES (%s, %s, %s) ON CONFLICT (id) DO UPDATE"
                     " SET code = excluded.code, v = excluded.v", [row["id"], row["code"],
                                                                  row["v"]])


def test_update_move_swap(project, database, codes):
    rows = [{"id": 1, "code": "K1", "v": "new"}, {"id": 2, "code": "NEW", "v": "v2"},
            {"id": 3, "code": "K4", "v": "v3"}, {"id": 4, "code": "K3", "v": "v4"},
            {"id": 5, "code": "K5", "v": "v5"}]
    project.pushed("item", rows, updated=1, moved=3, unchanged=1, read=5)
    assert codes.get("item:K4")["id"] == 3 and set(codes.deleted()) == {"item:K2"}
    change(database, *rows)
    project.quiet_run("--full", unchanged=100)


def test_a_claim_asks_the_holder(project, database, codes):
    """The id of a record that is not pushed: its holder is read by key; it has moved, or is gone,
    or keeps it."""
    database.sql("UPDATE item SET code = 'FREE' WHERE id = 10; DELETE FROM item WHERE id = 11")
    rows = [{"id": 200, "code": "K10", "v": "a"}, {"id": 201, "code": "K11", "v": "b"},
            {"id": 202, "code": "K12", "v": "c"}]
    result = project.push("item", rows)
    assert result.json["outcome"] == "rejects", result
    assert codes.get("item:K10")["id"] == 200 and codes.get("item:K11")["id"] == 201
    assert codes.get("item:FREE")["id"] == 10 and codes.get("item:K12")["id"] == 12
    assert sorted(doc["key"] for doc in project.rejects()) == [12, 202]


def checkpoint(project):
    stored = project.control.get("_local/erp2couch-item")
    del stored["_rev"]  # targets are listed before their first use
    return stored


def test_nothing_is_swept_and_no_cursor_moves(project, database, codes):
    database.sql("DELETE FROM item WHERE id = 50; UPDATE item SET v = 'later', version = 101"
                 " WHERE id = 51")
    local = checkpoint(project)
    project.pushed("item", [{"id": 300, "code": "X", "v": "x"}], created=1, read=1)
    assert checkpoint(project) == local
    assert "item:K50" in codes.docs() and codes.get("item:K51")["v"] == "v51"
    result = project.run()
    assert result.mapper()["read"] < 10 and codes.get("item:K51")["v"] == "later", result
    # what was pushed is not in the source: a full read deletes it, and what is gone
    project.run("--full").counts(deleted=2, unchanged=99)
    assert "item:X" not in codes.docs() and "item:K50" not in codes.docs()


def test_an_older_push_is_put_right_by_the_next_run(project, database, codes):
    database.sql("UPDATE item SET v = 'newest', version = 101 WHERE id = 1")
    project.run().counts(updated=1, unchanged=1)
    project.pushed("item", {"id": 1, "code": "K1", "v": "stale"}, updated=1, read=1)
    project.run("--full").counts(updated=1, unchanged=99)
    assert codes.get("item:K1")["v"] == "newest"


def test_a_deleted_one_goes_with_the_next_run(project, database, codes):
    database.sql("UPDATE item SET v = 'dead', version = 101 WHERE id = 1")
    project.pushed("item", {"id": 1, "code": "K1", "v": "dead"}, read=1)
    assert "item:K1" in codes.docs()
    project.run().counts(deleted=1, unchanged=1)


def test_the_history_says_what_it_was(project, codes):
    project.pushed("item", [{"id": 1, "code": "K1", "v": "x"}], updated=1, read=1)
    newest = max((doc for doc in project.control.docs().values() if doc.get("type") == "run"),
                 key=lambda doc: doc["started"])
    assert newest["pushed"] == 1 and newest["updated"] == 1 and newest["outcome"] == "ok"
    status = project.erp2couch("status").says("records that were pushed")
    assert status.code == Exit.OK
    finished = project.erp2couch("status", "--json").json["mappers"][0]
    assert finished["last_success"] != newest["started"]


def test_locked(project, database, codes):
    with database.connect() as other:
        other.cursor().execute("BEGIN; LOCK TABLE item IN ACCESS EXCLUSIVE MODE")
        running = project.start("run")
        wait_until("the run begins", 60, lambda: '"begun"' in (
            project.state / "item/last-run.json").read_text())
        result = project.push("item", {"id": 1})
        assert result.json["outcome"] == "locked", result
        running.send_signal(signal.SIGTERM)
        project.finish(running)


def test_the_source_is_down(project, codes):
    before = project.snapshot("catalog")
    project.env["ERP_DSN"] = "host=127.0.0.1 port=9 dbname=none"
    result = project.push("item", {"id": 1, "code": "K1", "v": "x"})
    assert result.json["outcome"] == "unavailable", result
    assert project.snapshot("catalog") == before


def test_a_lost_state_is_rebuilt(project, database, codes):
    shutil.rmtree(project.state)
    project.pushed("item", {"id": 1, "code": "K1", "v": "new"}, updated=1, read=1)
    change(database, {"id": 1, "code": "K1", "v": "new"})
    project.run().counts(unchanged=100)  # it reads everything: nothing else was


def test_a_target_that_was_deleted(project, database, codes):
    codes.delete()
    project.pushed("item", {"id": 1, "code": "K1", "v": "v1"}, created=1, read=1)
    project.run().counts(created=99, unchanged=1)


def test_schema_violations(project, database):
    database.sql("CREATE TABLE item (id int PRIMARY KEY, qty int)")
    (project.folder / "schemas").mkdir()
    (project.folder / "schemas/item.schema.json").write_text(json.dumps(
        {"type": "object", "properties": {"qty": {"type": "integer", "minimum": 1}}}))
    project.configure(schemas="schemas")
    project.table_mapper(columns=["qty"], target="schema: item")
    project.pushed("item", [{"id": 1, "qty": 0}, {"id": 2, "qty": 1}], "rejects", created=1,
                   rejected=1, read=2)
    reject, = project.rejects()
    assert (reject["key"], reject["stage"]) == (1, "validate")
    assert reject["record"]["qty"] in (0, "0")


# ---- rows ----

def orders(project, database):
    database.sql("""
        CREATE TABLE sale (id int PRIMARY KEY, name text, version bigint);
        CREATE TABLE line (id int PRIMARY KEY, sale int, no int, qty numeric(8,3));""")
    project.mapper("sale", """
        mapper: sale
        source: erp
        full: {every: 1d}
        extract:
          table: sale
          key: id
          cursor: version
          children:
            lines: {table: line, parent: sale, key: no}
        target: {database: "@db@catalog", id: "sale:${id}"}
        fields:
          name: name
          lines: {each: lines, fields: {no: no, sale: sale, qty: {from: qty, type: decimal}}}
        """)


def test_children(project, database):
    orders(project, database)
    body = {"id": 1, "name": "a", "lines": [{"no": 10, "qty": 1}, {"no": 9, "qty": "2.5"},
                                            {"no": 11, "sale": 1}, {"no": 2}]}
    project.pushed("sale", [body, {"id": 2}, {"id": 3, "lines": []}, {"id": 4, "lines": None}],
                   created=4, read=4)
    document = project.db("catalog").get("sale:1")
    assert [line["no"] for line in document["lines"]] == [2, 9, 10, 11]
    assert all(line["sale"] == 1 for line in document["lines"])
    database.sql("INSERT INTO sale VALUES (1, 'a', 1), (2, NULL, 2), (3, NULL, 3), (4, NULL, 4);"
                 " INSERT INTO line VALUES (1, 1, 10, 1), (2, 1, 9, 2.5), (3, 1, 11, NULL),"
                 " (4, 1, 2, NULL)")
    project.quiet_run(unchanged=4)


BAD_CHILDREN = [
    ({"lines": [{"no": 1}, {"no": "x"}]}, 'row 2 of "lines": column "no": .*integer'),
    ({"lines": [{"no": 1, "sale": 2}]}, 'a row of "lines" names another record .*"sale"'),
    ({"lines": {"no": 1}}, '"lines" is an array of rows'),
    ({"lines": [{"no": 1}, 7]}, 'row 2 of "lines" is not an object'),
    ({"lines": [{"no": {}}]}, "takes single values"),
]


def test_bad_children(project, database):
    """Each beside one that is right."""
    orders(project, database)
    body = [{"id": key, **bad} for key, (bad, _) in enumerate(BAD_CHILDREN)]
    good = [{"id": 100 + key, "lines": [{"no": 1}]} for key in range(len(body))]
    both = [one for pair in zip(body, good) for one in pair]
    project.pushed("sale", both, "rejects", created=len(good), rejected=len(body), read=len(both))
    rejects = {doc["key"]: doc for doc in project.rejects()}
    assert sorted(rejects) == list(range(len(body)))
    for key, (_, reason) in enumerate(BAD_CHILDREN):
        assert re.search(reason, rejects[key]["reason"]), rejects[key]


def test_an_unknown_column_of_a_child(project, database):
    orders(project, database)
    result = project.push("sale", {"id": 1, "lines": [{"no": 1, "qyt": 1}]})
    assert 'no column "qyt" in child lines: table line; did you mean "qty"' in \
        result.json["error"], result


def test_groups(project, database):
    database.sql("CREATE TABLE entry (move text, account text, amount numeric(8,2))")
    project.mapper("move", """
        mapper: move
        source: erp
        extract:
          query: SELECT * FROM entry
          group: move
        target: {database: "@db@catalog", id: "move:${move}"}
        fields:
          rows: {each: rows, fields: {account: account, amount: {from: amount, type: decimal}}}
        """)
    body = [{"move": "A", "account": "1", "rows": [{"account": "9", "amount": 3}, {"amount": 2.5}]},
            {"move": "B", "account": "7", "amount": 1}]
    project.pushed("move", body, created=2, read=2)
    database.sql("INSERT INTO entry VALUES ('A', '9', 3), ('A', '1', 2.5), ('B', '7', 1)")
    project.quiet_run(unchanged=2)
    project.pushed("move", {"move": "C", "rows": []}, "rejects", rejected=1, read=1)
    assert "at least one row" in project.rejects()[0]["reason"]


# ---- many, and bodies ----

@pytest.mark.slow
def test_many_records(project, database, codes):
    rows = [{"id": n, "code": f"N{n}", "v": "x" * 100} for n in range(1000, 11000)]
    project.pushed("item", "\n".join(map(json.dumps, rows)), created=10000, read=10000)
    project.pushed("item", rows, unchanged=10000, read=10000)
    result = project.push("item", rows + rows[:1])
    assert result.json["outcome"] == "refused-body" and "10000" in result.json["error"], result


@pytest.mark.slow
def test_many_bad_ones_among_them(project, database, codes):
    rows = [{"id": n, "code": f"N{n}", "version": "x" if n % 3 else 1} for n in range(1000, 1900)]
    project.pushed("item", rows, "rejects", created=300, rejected=600, read=900)


NO_BODIES = [
    ("", "the body is empty"),
    ('{"id": 1} x', "line 1, byte 11: not JSON: the end of the line"),
    ('[{"id": 1}] {}', "line 1, byte 13: not JSON: nothing behind the array"),
]


def test_a_body_that_is_none(project, typed):
    for body, error in NO_BODIES:
        result = project.push("item", body)
        assert error in result.json["error"], result


# ---- crashes ----

CRASHES = ["RUN_NUMBERED", "RECORD_ACKED", "APPLIED", "CLAIMS_GRANTED", "CLAIMS_SETTLED",
           "OLD_ID_ACKED", "OLD_IDS_DELETED", "REJECT_ACKED", "REJECTS_REMOVED",
           "HISTORY_WRITTEN"]


@pytest.fixture
def crash_points(binary):
    if b"ERP2COUCH_CRASH_AT" not in binary.read_bytes():
        pytest.skip("needs a program built with -Dcrash_points=true")


@pytest.mark.once
@pytest.mark.parametrize("point", CRASHES)
def test_killed(crash_points, project, database, codes, point):
    """The push dies; pushed again, or followed by a run, all is as if it had not."""
    rows = [{"id": 1, "code": "K1", "v": "new"}, {"id": 2, "code": "NEW", "v": "v2"},
            {"id": 3, "code": "K4", "v": "v3"}, {"id": 4, "code": "K3", "v": "v4"},
            {"id": 400, "code": "K400", "v": "v"}]
    bad = {"id": 5, "code": "K5", "v": None, "version": "x"}
    result = project.finish_push(project.start_push(
        "item", json.dumps(rows + [bad]), env={"ERP2COUCH_CRASH_AT": point}))
    assert result.code == -signal.SIGKILL, result
    project.push("item", rows)
    change(database, *rows)
    project.run("--full")
    project.quiet_run("--full", unchanged=101)
    assert {doc["id"]: doc["v"] for doc in codes.docs().values()}[1] == "new"
    assert set(codes.deleted()) == {"item:K2"} and project.rejects() == []
    assert all(int(rev.split("-")[0]) <= 2 for rev in codes.revs().values())


# ---- REST ----

def test_children_of_a_rest_source(rest, server):
    """A read asks for them by one path a parent; a push brings them along, and asks for nothing."""
    table = server.add("/items", [{"id": n, "name": f"Item {n}"} for n in (1, 2, 3)])
    table.children = {"lines": lambda key: [{"sku": f"S{key}-{n}", "qty": n}
                                            for n in range(int(key) % 3)]}
    project = rest({"path": "/items", "key": "id", "children": {
        "lines": {"path": "/items/${id}/lines", "records": "value"}}},
        fields={"id": "id", "name": "name",
                "lines": {"each": "lines", "fields": {"sku": "sku", "qty": "qty"}}})
    project.run().counts(created=3)
    read = project.db("catalog").docs()
    assert [len(read[f"item:{n}"]["lines"]) for n in (1, 2, 3)] == [1, 2, 0]
    asked = len(server.asked())
    body = [{"id": 1, "name": "Item 1", "lines": [{"sku": "S1-0", "qty": 0, "unused": [1]}]},
            {"id": 2, "name": "Item 2", "lines": [{"sku": "new", "qty": 7}]},
            {"id": 3, "name": "Item 3"}, {"id": 4, "name": "Item 4", "lines": None},
            {"id": 5, "name": "Item 5", "lines": {"sku": "no array"}}]
    result = project.pushed("item", body, "rejects", updated=1, created=1, unchanged=2, rejected=1,
                            read=5)
    assert len(server.asked()) == asked, result
    documents = project.db("catalog").docs()
    assert documents["item:2"]["lines"] == [{"sku": "new", "qty": 7}]
    assert documents["item:1"] == read["item:1"] and documents["item:4"]["lines"] == []
    [reject] = project.rejects()
    assert (reject["key"], reject["field"]) == ("5", "lines")
    project.run("--full").counts(updated=1, deleted=1, unchanged=2)
    assert project.db("catalog").docs() == read


def test_records_of_a_rest_source(rest):
    project = rest({"path": "/items", "key": "id"})
    body = [{"id": 1, "name": "x", "price": "2.50", "more": {"that": ["nobody", "uses"]}},
            {"id": 2, "name": None}, {"name": "no key"}, {"id": {"x": 1}}, {"id": "2"}]
    result = project.push("item", body)
    assert result.json["outcome"] == "rejects" and result.json["received"] == 5, result
    assert (result.json["created"], result.json["rejected"]) == (2, 2), result
    assert project.db("catalog").get("item:1")["name"] == "x"
    assert all("key id" in doc["reason"] for doc in project.rejects())
    project.pushed("item", body[:1], unchanged=1, read=1)
