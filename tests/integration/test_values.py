"""Values: what each SQL type becomes, and what is rejected rather than changed."""

import json
import re

import pytest

from support.project import Exit

ABSENT = object()

# SQL type, literal, JSON; ABSENT: no such field in the document
VALUES = [
    ("smallint", "-32768", -32768),
    ("integer", "2147483647", 2147483647),
    ("bigint", "9007199254740991", 2**53 - 1),
    ("bigint", "-9007199254740991", 1 - 2**53),
    ("numeric(12,4)", "1.5", "1.5000"),
    ("numeric", "1.10", "1.10"),
    ("numeric", "-0.000", "0.000"),
    ("numeric", "123456789012345678901234567890.123456789",
     "123456789012345678901234567890.123456789"),
    ("numeric(5,-2)", "12345", "12300"),
    ("real", "0.1", 0.1),
    ("real", "16777216", 16777216),
    ("double precision", "0.30000000000000004", 0.1 + 0.2),
    ("double precision", "1e300", 1e300),
    ("double precision", "-2.5", -2.5),
    ("char(8)", "ab cd", "ab cd"),
    ("char(4)", "", ""),
    ("varchar(20)", "trailing  ", "trailing  "),
    ("text", "", ""),
    ("text", 'quote " backslash \\ slash /', 'quote " backslash \\ slash /'),
    ("text", "line\nbreak\ttab\r\x01\x1f\x7f", "line\nbreak\ttab\r\x01\x1f\x7f"),
    ("text", "Ünïcödé 漢字 😀 \u2028\ufeff", "Ünïcödé 漢字 😀 \u2028\ufeff"),
    ("text", "\\N", "\\N"),
    ("text", "NULL", "NULL"),
    ('"char"', "x", "x"),
    ("name", "a_name", "a_name"),
    ("mood", "so so", "so so"),
    ("positive", "7", 7),
    ("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("inet", "192.168.0.1/24", "192.168.0.1/24"),
    ("cidr", "10.0.0.0/8", "10.0.0.0/8"),
    ("macaddr", "08:00:2B:01:02:03", "08:00:2b:01:02:03"),
    ("int4range", "[1,5]", "[1,6)"),
    ("bit(3)", "101", "101"),
    ("point", "(1,2.5)", "(1,2.5)"),
    ("pair", '(1,"a b")', '(1,"a b")'),
    ("tsvector", "a:1 b:2", "'a':1 'b':2"),
    ("boolean", "yes", True),
    ("boolean", "f", False),
    ("bytea", "\\x00ff10", "AP8Q"),
    ("bytea", "\\x", ""),
    ("date", "2024-02-29", "2024-02-29"),
    ("date", "0001-01-01", "0001-01-01"),
    ("time", "23:59:59", "23:59:59"),
    ("time", "12:34:56.500", "12:34:56.5"),
    ("interval", "1 year 2 mons 3 days 04:05:06.789", "P1Y2M3DT4H5M6.789S"),
    ("interval", "0", "PT0S"),
    ("interval", "-1 days +02:03:00", "P-1DT2H3M"),
    ("timestamptz", "2024-03-01 12:00:00+02", "2024-03-01T10:00:00Z"),
    ("timestamptz", "2024-03-01 12:00:00.120+00", "2024-03-01T12:00:00.12Z"),
    ("timestamptz", "1969-12-31 23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
    # Europe/Dublin: winter, summer, and the hour that comes twice (the first one is summer's)
    ("timestamp", "2024-01-15 09:30:00", "2024-01-15T09:30:00Z"),
    ("timestamp", "2024-07-15 09:30:00.25", "2024-07-15T08:30:00.25Z"),
    ("timestamp", "2024-10-27 01:30:00", "2024-10-27T00:30:00Z"),
    ("timestamp", "2024-10-27 02:00:00", "2024-10-27T02:00:00Z"),
    ("timestamp", "2024-03-31 00:59:59", "2024-03-31T00:59:59Z"),
    ("timestamp", "2024-03-31 02:00:00", "2024-03-31T01:00:00Z"),
    ("int[]", "{1,NULL,-3}", [1, None, -3]),
    ("int[]", "{}", []),
    ("int[][]", "{{1,2},{3,4}}", [[1, 2], [3, 4]]),
    ("int[]", "[0:1]={5,6}", [5, 6]),
    ("text[]", '{a,"b,c","d\\"e\\\\f",NULL,"NULL",""}', ["a", "b,c", 'd"e\\f', None, "NULL", ""]),
    ("numeric(6,2)[]", "{1.5,2}", ["1.50", "2.00"]),
    ("boolean[]", "{t,f}", [True, False]),
    ("timestamptz[]", "{2024-03-01 12:00:00+02}", ["2024-03-01T10:00:00Z"]),
    ("date[]", "{2024-03-01}", ["2024-03-01"]),
    ("bytea[]", '{"\\\\x00ff"}', ["AP8="]),
    ("uuid[]", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
    ("jsonb[]", '{"{\\"a\\": [1, 2]}"}', [{"a": [1, 2]}]),
    ("box[]", "{(1,1),(0,0);(3,3),(2,2)}", ["(1,1),(0,0)", "(3,3),(2,2)"]),
    ("json", '{"b": 1, "a": [true, null, "x\\u00e9\\n"], "o": {}}',
     {"b": 1, "a": [True, None, "xé\n"], "o": {}}),
    ("json", "12345678901234567890123", 12345678901234567890123),
    ("json", "[1.50, 1e2, -0.0, 1E-7]", [1.5, 100.0, 0.0, 1e-07]),
    ("json", "null", ABSENT),
    ("jsonb", '{"en_US": "Name", "n": 1.10}', {"en_US": "Name", "n": 1.1}),
    ("jsonb", '"text"', "text"),
    ("text", None, ABSENT),
    ("int[]", None, ABSENT),
    ("jsonb", None, ABSENT),
    ("timestamp", None, ABSENT),
]

# SQL type, literal, field options, what the reason must say
REJECTED = [
    ("bigint", "9007199254740992", "", "type: string"),
    ("bigint", "-9007199254740993", "", "type: string"),
    ("real", "NaN", "", "nan"),
    ("double precision", "Infinity", "", "infinity"),
    ("timestamptz", "infinity", "", "infinity"),
    ("timestamptz", "-infinity", "", "infinity"),
    ("timestamp", "2024-03-31 01:30:00", "", "2024-03-31 01:30:00"),
    ("json", "1.00000000000000000001", "", "numbers: string"),
    ("jsonb", '{"a": [0.1234567890123456789]}', "", "numbers: string"),
    ("json", "1e400", "", "numbers: string"),
    ("json", "1" + "0" * 300, "", ""),
    ("numeric", "1.005", ", type: decimal, scale: 2", "1.005"),
    ("text", "12x", ", type: integer", "12x"),
    ("text", "2024-02-30", ", type: date", "2024-02-30"),
    ("text", None, ", required: true", "required"),
    ("numeric", "0.1234567890123456789", ", type: decimal, as: number", "0.1234567890123456789"),
]


@pytest.fixture
def types(database):
    database.sql("CREATE TYPE mood AS ENUM ('good', 'so so')")
    database.sql("CREATE DOMAIN positive AS int CHECK (value > 0)")
    database.sql("CREATE TYPE pair AS (a int, b text)")
    return database


def exact(value):
    """Tells 1 from 1.0 and true; the order of members apart."""
    return json.dumps(value, sort_keys=True)


def columns_of(values):
    return ", ".join(f"c{n} {value[0]}" for n, value in enumerate(values))


def test_every_type_as_the_table_of_values_says(project, types, apache_couch):
    types.sql(f"CREATE TABLE item (id int PRIMARY KEY, {columns_of(VALUES)})")
    types.sql("INSERT INTO item VALUES (1" + ", %s" * len(VALUES) + ")", [v[1] for v in VALUES])
    project.table_mapper(columns=[f"c{n}" for n in range(len(VALUES))],
                         more="timezone: Europe/Dublin")
    project.run().counts(created=1)
    doc = project.db("catalog").docs()["item:1"]
    for number, (kind, literal, value) in enumerate(VALUES):
        got = doc.get(f"c{number}", ABSENT)
        assert (got is ABSENT) == (value is ABSENT), (kind, literal, got)
        assert value is ABSENT or exact(got) == exact(value) or (
            isinstance(value, (int, float)) and got == value), (kind, literal, got)
    project.quiet_run(unchanged=1)


def test_what_couchdb_gives_back_hashes_the_same(project, types, apache_couch):
    """Digests of bodies that CouchDB hands out are those of the bodies that were sent."""
    types.sql(f"CREATE TABLE item (id int PRIMARY KEY, {columns_of(VALUES)})")
    types.sql("INSERT INTO item VALUES (1" + ", %s" * len(VALUES) + ")", [v[1] for v in VALUES])
    project.table_mapper(columns=[f"c{n}" for n in range(len(VALUES))],
                         more="timezone: Europe/Dublin")
    project.run().counts(created=1)
    (project.folder / "state").rename(project.folder / "lost")
    project.quiet_run(unchanged=1)


def test_money_and_other_text_as_the_source_writes_them(project, types):
    types.sql("CREATE TABLE item (id int PRIMARY KEY, price money, at time with time zone)")
    types.sql("INSERT INTO item VALUES (1, '1234.5', '04:05:06+02')")
    project.table_mapper(columns=["price", "at"])
    project.run().counts(created=1)
    doc = project.db("catalog").get("item:1")
    assert re.sub(r"[$,]", "", doc["price"]) == "1234.50"
    assert doc["at"] == types.value("SELECT at::text FROM item")


def test_values_that_would_be_changed_are_rejects(project, types):
    for number, (kind, literal, options, _) in enumerate(REJECTED):
        types.sql(f"CREATE TABLE t{number} (id int PRIMARY KEY, c {kind})")
        types.sql(f"INSERT INTO t{number} VALUES (1, %s)", [literal])
        types.sql(f"INSERT INTO t{number} VALUES (2, NULL)" if "required" not in options else
                  f"INSERT INTO t{number} VALUES (2, 'there')")
        project.table_mapper(f"t{number}", more="timezone: Europe/Dublin",
                             fields=f"c: {{from: c{options}}}")
    result = project.run(code=Exit.REJECTS)
    for number, (kind, literal, options, says) in enumerate(REJECTED):
        result.counts(f"t{number}", created=1, rejected=1)
        [reject] = project.rejects(f"t{number}")
        assert says.lower() in reject["reason"].lower(), (kind, literal, reject)
        assert "c" == reject["field"], reject
    assert project.db("catalog").count() == len(REJECTED)


def test_integers_beyond_double_precision_as_text(project, types):
    types.sql("CREATE TABLE item (id int PRIMARY KEY, n bigint)")
    types.sql("INSERT INTO item VALUES (1, 9223372036854775807)")
    project.table_mapper(fields="n: {from: n, type: string}")
    project.run().counts(created=1)
    assert project.db("catalog").get("item:1")["n"] == "9223372036854775807"


def test_zoneless_timestamps_need_a_timezone(project, types):
    types.sql("CREATE TABLE item (id int PRIMARY KEY, at timestamp)")
    types.sql("INSERT INTO item VALUES (1, '2024-01-01')")
    path = project.table_mapper(columns=["at"])
    line = 1 + path.read_text().splitlines().index("  at: at")
    project.run(code=Exit.CONFIG).says("timezone", rf"item\.yaml:{line}:\d+: ")


def test_numbers_of_json_as_strings(project, types):
    types.sql("CREATE TABLE item (id int PRIMARY KEY, j jsonb)")
    types.sql("""INSERT INTO item VALUES (1, '{"a": 0.1234567890123456789, "b": [1]}')""")
    project.table_mapper(fields="j: {from: j, numbers: string}")
    project.run().counts(created=1)
    assert project.db("catalog").get("item:1")["j"]["a"] == "0.1234567890123456789"


def test_float_extremes_round_trip(project, types, apache_couch):
    """Whatever double: the document holds the same double, and a rebuild finds it equal."""
    types.sql("CREATE TABLE item (id int PRIMARY KEY, f double precision, r real)")
    numbers = [0.0, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 1 / 3, 1e21, 1e22,
               123456789012345680.0, 1e-5, 100.0, 4.35, 0.000001, 1e16, 1e15]
    for number, value in enumerate(numbers):
        types.sql("INSERT INTO item VALUES (%s, %s, %s)", [number, value, number / 10])
    project.table_mapper(columns=["f", "r"])
    project.run().counts(created=len(numbers))
    docs = project.db("catalog").docs()
    for number, value in enumerate(numbers):
        assert docs[f"item:{number}"]["f"] == value
        assert docs[f"item:{number}"]["r"] == number / 10
    (project.folder / "state").rename(project.folder / "lost")
    project.quiet_run(unchanged=len(numbers))


# SQL type, literal, options, JSON
FORMATTED = [
    ("text", "31.12.2026", "type: date, format: '%d.%m.%Y'", "2026-12-31"),
    ("char(20)", "01.07.2026 12:30", "type: datetime, format: '%d.%m.%Y %H:%M'",
     "2026-07-01T11:30:00Z"),
    ("numeric(8)", "20261231", "type: date, format: '%Y%m%d'", "2026-12-31"),
    ("bigint", "1798761599", "type: datetime, format: unix", "2026-12-31T23:59:59Z"),
    ("double precision", "1798761599123", "type: datetime, format: unix_ms",
     "2026-12-31T23:59:59.123Z"),
    ("double precision", "46204.520833333336", "type: datetime, format: excel",
     "2026-07-01T11:30:00Z"),
    ("jsonb", '"/Date(1550793549320+0000)/"', "type: datetime, format: odata",
     "2019-02-21T23:59:09.32Z"),
    ("varchar(20)", "1.234,56-", "type: decimal, scale: 2, format: '1.234,56'", "-1234.56"),
    ("text[]", '{"1\u202f234,5",NULL}', "type: decimal, format: '1 234,56'", ["1234.5", None]),
    ("jsonb", '["1,5", 2.5]', "type: decimal, format: '1.234,56'", ["1.5", "2.5"]),
]


def test_dates_and_numbers_in_local_notations(project, types):
    types.sql(f"CREATE TABLE item (id int PRIMARY KEY, {columns_of(FORMATTED)})")
    types.sql("INSERT INTO item VALUES (1" + ", %s" * len(FORMATTED) + ")",
              [v[1] for v in FORMATTED])
    project.table_mapper(more="timezone: Europe/Dublin", fields="\n".join(
        f"c{n}: {{from: c{n}, {value[2]}}}" for n, value in enumerate(FORMATTED)))
    [line] = project.erp2couch("preview", "item").expect(Exit.OK).out.splitlines()
    doc = json.loads(line)
    for number, (kind, literal, options, value) in enumerate(FORMATTED):
        assert doc[f"c{number}"] == value, (kind, literal, options)
