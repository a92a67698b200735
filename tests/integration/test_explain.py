"""preview --explain: how each field of a record came about, for people and for programs."""

import os
import pty
import subprocess

import pytest

from support.project import Exit

FIELDS = """
name:  {from: name, trim: true, upper: true}
price: {from: price, type: decimal, scale: 1}
token: api_token
state: {from: state, map: {d: draft}}
lines: {each: lines, fields: {q: {from: q, type: integer}}}
"""


@pytest.fixture
def item(project, database):
    database.sql("CREATE TABLE item (id int, name text, price numeric(9,2), api_token text, "
                 "state text, lines jsonb)")
    database.sql("""INSERT INTO item VALUES
        (1, ' Bolt ', 2.50, 'hunter2', 'd', '[{"q": 1}, {"q": 2}]'),
        (2, E'a\\x1b[2Jb', 1, '', 'x', NULL)""")
    project.table_mapper(fields=FIELDS)
    return project


PAGE = """\
  name        name, text                     " Bolt "
              trim                           "Bolt"
              upper                          "BOLT"
  price       price, numeric(9,2)            2.50
              decimal, scale 1               "2.5"
  token       api_token, text                (masked: looks like a secret)
  state       state, text                    "d"
              map                            "draft"
  lines       each lines
  lines[0].q  q, JSON                        1
              integer                        1
  lines[1].q  q, JSON                        2
              integer                        2
"""


def test_a_page_shows_each_step(item):
    result = item.erp2couch("preview", "item", "--explain").expect(Exit.REJECTS)
    squeezed = [line.split() for line in result.out.splitlines()]
    for line in PAGE.splitlines():
        assert line.split() in squeezed, f"{line}\n{result.out}"
    result.says("^key 1: [a-z0-9_]*catalog/item:1\n", "\n\nkey 2: rejected\n")
    assert " ".join(result.out.split()).endswith(
        'refused: "x" is not in map: add it there, or write a default')
    assert all(len(line) <= 80 for line in result.out.splitlines())
    assert "hunter2" not in result.out + result.err and "\x1b" not in result.out


def test_programs_get_one_object(item):
    item.table_mapper(fields=FIELDS)
    result = item.erp2couch("preview", "item", "--explain", "--json").expect(Exit.REJECTS)
    first, second = result.json["records"]
    fields = {field["field"]: field for field in first["fields"]}
    assert (first["key"], first["id"]) == ("1", "item:1")
    assert first["database"].endswith("catalog")
    assert fields["price"] == {"field": "price", "result": "2.5", "steps": [
        {"step": "from", "detail": "price, numeric(9,2)", "value": "2.50"},
        {"step": "type", "detail": "decimal, scale 1", "value": "2.5"}]}
    assert fields["token"]["masked"] and "hunter2" not in result.out
    assert second["reject"]["field"] == "state"
    assert "not in map" in second["fields"][-1]["steps"][-1]["refused"]
    assert [reject["key"] for reject in result.json["rejects"]] == ["2"]
    limited = item.erp2couch("preview", "item", "--explain", "--json", "--limit", "1")
    assert len(limited.expect(Exit.OK).json["records"]) == 1
    one = item.erp2couch("preview", "item", "--explain", "--json", "--key", "2")
    assert [record["key"] for record in one.expect(Exit.REJECTS).json["records"]] == ["2"]


@pytest.mark.parametrize("env, coloured", [({}, True), ({"NO_COLOR": "1"}, False),
                                           ({"TERM": "dumb"}, False)], ids=str)
def test_colours_are_for_terminals(item, env, coloured):
    primary, terminal = pty.openpty()
    done = subprocess.run(
        [item.binary, "preview", "item", "--explain", "--key", "1"], cwd=item.folder,
        env={**item.environment(), "TERM": "xterm", **env}, stdout=terminal,
        stderr=subprocess.DEVNULL, timeout=30)
    os.close(terminal)
    said = os.read(primary, 1 << 16)
    os.close(primary)
    assert done.returncode == Exit.OK and b"Bolt" in said
    assert (b"\x1b[" in said) == coloured
