"""discover: what it lists, and that the mapper it prints passes check and run unedited."""

import json
import re
import uuid

import pytest

from support.project import Exit

pytestmark = pytest.mark.once

SNOWMAN, LONG = "ünïcode ☃", "a_name_of_63_bytes_" + "x" * 44

# Tables that are hard to name, to key or to read: SQL, then the key that discover must find.
UGLY = [
    ("plain", "CREATE TABLE plain (id int PRIMARY KEY, name text, at timestamp)",
     "INSERT INTO plain SELECT n, 'n' || n, '2024-01-01' FROM generate_series(1, 5) n", ["id"]),
    ("Sale-Order", 'CREATE TABLE "Sale-Order" ("Id" int PRIMARY KEY, "Order No" text,'
     ' "Total (€)" numeric(9,2), "select" text, "from" int)',
     "INSERT INTO \"Sale-Order\" VALUES (1, 'a', 1.5, 's', 2), (2, 'b', 2, 't', 3)", ["Id"]),
    ("select", 'CREATE TABLE "select" ("order" int PRIMARY KEY, "null" text, "true" bool,'
     ' type text, _id text, _rev text, __ text, yes int, "1" int)',
     "INSERT INTO \"select\" VALUES (1, 'n', true, 't', 'i', 'r', 'u', 1, 1)", ["order"]),
    ("true", 'CREATE TABLE "true" ("null" int PRIMARY KEY)', 'INSERT INTO "true" VALUES (1)',
     ["null"]),
    ("a.b", 'CREATE TABLE "a.b" ("x.y" int, "x[0]" int, x_y int, "{k}" text, "${env:HOME}" text,'
     ' "${row.x}" text, " s " text, "q""q" text, "b\\b" text, "t\'t" text, "# c: d" text,'
     ' "new\nline" text, "tab\t" text, "<<" text, "- " text, "\u2028" text,'
     ' PRIMARY KEY ("x.y", "x[0]"))',
     "INSERT INTO \"a.b\" SELECT n, 1, 3, 'k', 'e', 'r', 's', 'q', 'b', 't', 'c', 'n', 't', '<',"
     " '-', 'u' FROM generate_series(1, 3) n", ["x.y", "x[0]"]),
    (SNOWMAN, f'CREATE TABLE "{SNOWMAN}" ("größe ☃" int PRIMARY KEY, "名前" text)',
     f"INSERT INTO \"{SNOWMAN}\" VALUES (1, '漢字')", ["größe ☃"]),
    (LONG, f"CREATE TABLE {LONG} ({LONG[:-1]}y int PRIMARY KEY, b text)",
     f"INSERT INTO {LONG} VALUES (7, 'b')", [LONG[:-1] + "y"]),
    ("wide", "CREATE TABLE wide (id int PRIMARY KEY, "
     + ", ".join(f"c{n} int" for n in range(1599)) + ")",
     "INSERT INTO wide (id, c0, c1598) VALUES (1, 2, 3)", ["id"]),
    ("empty", "CREATE TABLE empty (id int PRIMARY KEY, v text)", "", ["id"]),
    ("types", "CREATE TABLE types (id uuid PRIMARY KEY, d positive, m mood, r int4range,"
     " p pair, a int[], ts timestamp[], j jsonb, ja jsonb[], b bytea, ba bytea[], mo money,"
     " n numeric, f float8, i interval, t time, tz timestamptz, da date, c char(5),"
     " ip inet, x xml, v tsvector, dd positive[], \"char\" \"char\", g int GENERATED ALWAYS AS"
     " (f::int) STORED)",
     "INSERT INTO types SELECT gen_random_uuid(), 1, 'so so', '[1,3)', '(1,b)', '{1,2}',"
     " '{2024-01-01}', '{\"a\": 1}', '{\"{}\"}', 'x', '{x}', 2, 1.50, 0.1, '1 day', '10:00',"
     " now(), '2024-01-01', 'ab', '10.0.0.1', '<a/>', 'a:1', '{1}', 'c'"
     " FROM generate_series(1, 3)", ["id"]),
    ("unique_only", "CREATE TABLE unique_only (a int NOT NULL, b int NOT NULL, c int NOT NULL"
     " UNIQUE, UNIQUE (a, b))", "INSERT INTO unique_only VALUES (1, 1, 1), (1, 2, 2)", ["c"]),
    ("null_unique", "CREATE TABLE null_unique (v text, code text UNIQUE)",
     "INSERT INTO null_unique VALUES ('x', 'a'), ('x', 'b')", ["code"]),
    ("pair_unique", "CREATE TABLE pair_unique (v int, order_id int, line_no int)",
     "INSERT INTO pair_unique VALUES (1, 1, 1), (1, 1, 2), (1, 2, 1), (1, 2, 2)",
     ["order_id", "line_no"]),
    ("plain_view", "CREATE VIEW plain_view AS SELECT name, id AS \"Item-Id\", 1 AS id FROM plain",
     "", ["Item-Id"]),
    ("plain_stored", "CREATE MATERIALIZED VIEW plain_stored AS SELECT name, id FROM plain", "",
     ["id"]),
    ("parted", "CREATE TABLE parted (id int, day date, v text, PRIMARY KEY (id, day))"
     " PARTITION BY RANGE (day);"
     "CREATE TABLE parted_2023 PARTITION OF parted FOR VALUES FROM ('2023-01-01') TO"
     " ('2024-01-01') PARTITION BY LIST (id);"
     "CREATE TABLE parted_2023_1 PARTITION OF parted_2023 FOR VALUES IN (1);"
     "CREATE TABLE parted_2024 PARTITION OF parted FOR VALUES FROM ('2024-01-01') TO"
     " ('2025-01-01')",
     "INSERT INTO parted VALUES (1, '2023-05-01', 'a'), (1, '2024-05-01', 'b')", ["id", "day"]),
    ("secrets", "CREATE TABLE secrets (login text PRIMARY KEY, password_hash text, api_key text,"
     " photo bytea, \"Access_Token\" text, tokens int)",
     "INSERT INTO secrets VALUES ('me', 'h', 'k', 'p', 't', 4)", ["login"]),
    ("tokens", "CREATE TABLE tokens (token text PRIMARY KEY, v int)",
     "INSERT INTO tokens VALUES ('t1', 1)", ["token"]),
    ("noted", "CREATE TABLE noted (id int PRIMARY KEY, v int);"
     "COMMENT ON TABLE noted IS E'first\\nmapper: evil\\r\\n# \\u2028x: {\\u0007';"
     "COMMENT ON COLUMN noted.v IS E'one\\n  evil: true\\n\"${env:HOME}'",
     "INSERT INTO noted VALUES (1, 2)", ["id"]),
    ("parents", "CREATE TABLE parents (a int, b text, v int, PRIMARY KEY (a, b));"
     "CREATE TABLE parents_line (b text NOT NULL, a int NOT NULL, pos int, type text,"
     " PRIMARY KEY (a, b, pos), FOREIGN KEY (b, a) REFERENCES parents (b, a) ON DELETE CASCADE);"
     "CREATE TABLE parents_note (a int NOT NULL, b text NOT NULL, words text,"
     " FOREIGN KEY (a, b) REFERENCES parents ON DELETE CASCADE);"
     "CREATE TABLE visitor (id int PRIMARY KEY, a int, b text,"
     " FOREIGN KEY (a, b) REFERENCES parents)",
     "INSERT INTO parents VALUES (1, 'x', 1), (2, 'y', 2);"
     "INSERT INTO parents_line VALUES ('x', 1, 2, 't'), ('x', 1, 1, 'u'), ('y', 2, 1, 'v');"
     "INSERT INTO parents_note VALUES (1, 'x', 'twice'), (1, 'x', 'twice');"
     "INSERT INTO visitor VALUES (1, 1, 'x')", ["a", "b"]),
]

TRYTON = ["sale_sale", "sale_line", "party_party", "party_address", "product_template",
          "product_product", "product_list_price", "product_template-product_category",
          "res_user-res_group", "party_party__history", "currency_currency_rate",
          "account_tax"]
ODOO = ["sale_order", "res_partner", "product_category", "product_pricelist_item", "account_move",
        "res_users", "uom_uom", "res_currency", "account_tax", "stock_quant",
        "res_partner_res_partner_category_rel"]


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def starters(project, source, tables):
    """Writes the mapper of each table as it is printed. Returns {table: text}."""
    texts = {}
    for number, table in enumerate(tables):
        result = project.erp2couch("discover", source, table).expect(Exit.OK)
        texts[table] = result.out
        (project.folder / f"mappers/m{number}.yaml").write_text(result.out)
    return texts


def mapper_name(text):
    return re.search(r'^mapper: "?([a-z0-9_-]+)"?$', text, re.M).group(1)


def passes_unedited(project, database, texts):
    """check, check --connect, a run that creates every row, a run that finds all unchanged."""
    project.erp2couch("check").expect(Exit.OK)
    project.erp2couch("check", "--connect").expect(Exit.OK)
    result = project.run(timeout=300)
    for table, text in texts.items():
        rows = database.value(f"SELECT count(*) FROM {quoted(table)}")
        result.counts(mapper_name(text), created=rows)
    for mapper in project.run(timeout=300).json["mappers"]:  # where there is a cursor, not all
        assert mapper["read"] == mapper["unchanged"], mapper
    result = project.run("--full", timeout=300)
    for table, text in texts.items():
        rows = database.value(f"SELECT count(*) FROM {quoted(table)}")
        result.counts(mapper_name(text), unchanged=rows)


@pytest.fixture
def named(make_project, couch):
    """A function: a project whose source has a name that nobody else uses, as its database will."""

    def make(database, **dsn):
        project = make_project(couch, database)
        source = project.prefix + "src"
        if dsn:
            project.env["ERP_DSN"] = database.dsn(**dsn)
        project.configure(sources={"erp": None,
                                   source: {"type": "postgres", "dsn": "${ERP_DSN}"}})
        return project, source

    return make


@pytest.fixture
def ugly(database):
    database.sql("CREATE TYPE mood AS ENUM ('good', 'so so')")
    database.sql("CREATE DOMAIN positive AS int CHECK (value > 0)")
    database.sql("CREATE TYPE pair AS (a int, b text)")
    for _, create, insert, _ in UGLY:
        database.sql(create)
        if insert:
            database.sql(insert)
    database.sql("REFRESH MATERIALIZED VIEW plain_stored")
    return database


@pytest.mark.slow
def test_ugly_tables_pass_unedited(named, ugly):
    project, source = named(ugly)
    texts = starters(project, source, [name for name, *_ in UGLY])
    passes_unedited(project, ugly, texts)
    docs = project.db("src").docs()
    assert docs["parents:1:x"]["lines"] == [{"pos": 1, "type": "u"}, {"pos": 2, "type": "t"}]
    assert docs["parents:1:x"]["note"] == [{"words": "twice"}] * 2
    assert docs["sale-order:1"]["Total (€)"] == "1.50"
    assert docs["select:1"]["type"] == "select" and docs["select:1"]["select_type"] == "t"
    assert docs["select:1"]["id"] == "i" and docs["select:1"]["rev"] == "r"
    assert docs["a_b:1:1"]["env_home"] == "e" and docs["a_b:1:1"]["new_line"] == "n"
    assert docs["wide:1"]["c1598"] == 3
    assert set(docs["secrets:me"]) - {"_rev"} == {"_id", "type", "login", "tokens"}
    assert set(docs["noted:1"]) - {"_rev"} == {"_id", "type", "id", "v"}


def test_ugly_tables_are_described(named, ugly):
    project, source = named(ugly)
    result = project.erp2couch("discover", source, "--json").expect(Exit.OK)
    tables = {table["table"]: table for table in result.json["tables"]}
    assert result.json["source"] == source
    assert not {"parted_2023", "parted_2023_1", "parted_2024"} & set(tables)
    assert {name: tables[name]["kind"] for name in
            ("plain", "plain_view", "plain_stored", "parted")} == {
                "plain": "table", "plain_view": "view", "plain_stored": "materialized view",
                "parted": "partitioned table"}
    assert tables["parted"]["partitions"] == 2
    assert len(tables["wide"]["columns"]) == 1600
    assert tables["plain_view"]["key"] == [] and tables["parents"]["key"] == ["a", "b"]
    assert [(c["table"], c["columns"], c["composition"]) for c in tables["parents"]["children"]] \
        == [("parents_line", ["a", "b"], True), ("parents_note", ["a", "b"], True),
            ("visitor", ["a", "b"], False)]
    types = {c["name"]: (c["type"], c["nullable"]) for c in tables["types"]["columns"]}
    assert types["id"] == ("uuid", False) and types["d"] == ("positive", True)
    for name, _, _, key in UGLY:
        one = project.erp2couch("discover", source, name, "--json").expect(Exit.OK).json
        assert one["tables"][0]["key"] == key, one["tables"][0]
        assert f"\nsource: {source}\n" in one["mapper"]
    assert one["mapper"] == project.erp2couch("discover", source, name).out


def test_rows_and_cursors(named, database):
    database.sql("CREATE TABLE item (id int PRIMARY KEY, created_at timestamptz NOT NULL,"
                 " updated_at timestamptz NOT NULL, modified timestamp, exchange_date date,"
                 " v text)")
    database.sql("CREATE INDEX ON item (modified)")
    database.sql("CREATE INDEX ON item (created_at)")
    database.sql("CREATE TABLE version (id int PRIMARY KEY, row_version bigint NOT NULL UNIQUE)")
    database.sql("CREATE TABLE item_line (id int PRIMARY KEY, item_id int NOT NULL REFERENCES item"
                 " ON DELETE CASCADE, v text)")
    database.sql("INSERT INTO item SELECT n, now(), now(), now() FROM generate_series(1, 40) n")
    database.sql("ANALYZE item")
    project, source = named(database)
    found = project.erp2couch("discover", source, "--json").json["tables"]
    item, line, version = found
    assert item["rows"] == 40 and line["rows"] is None
    assert item["cursors"] == ["modified", "updated_at"]
    assert version["cursors"] == ["row_version"]
    text = project.erp2couch("discover", source, "version").out
    assert "\n  cursor: row_version\n" in text and "\nfull: " in text
    # Lines that show no change: a cursor would miss theirs.
    text = project.erp2couch("discover", source, "item").out
    assert "\n  # cursor: modified\n" in text and "\nfull: " not in text
    assert "    lines:\n" in text and "{from: modified, type: datetime, significant: false}" in text


def test_foreign_tables(named, database):
    if not database.value("SELECT count(*) FROM pg_available_extensions"
                          " WHERE name = 'postgres_fdw'"):
        pytest.skip("needs postgres_fdw")
    cluster = database.cluster
    database.sql("CREATE TABLE here (id int PRIMARY KEY, v text)")
    database.sql("INSERT INTO here SELECT n, 'v' FROM generate_series(1, 4) n")
    database.sql("CREATE EXTENSION postgres_fdw")
    database.sql(f"CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw OPTIONS"
                 f" (host '127.0.0.1', port '{cluster.port}', dbname '{database.name}')")
    database.sql(f"CREATE USER MAPPING FOR reader SERVER other OPTIONS"
                 f" (user 'postgres', password '{cluster.password}')")
    database.sql(f"CREATE USER MAPPING FOR postgres SERVER other OPTIONS"
                 f" (user 'postgres', password '{cluster.password}')")
    database.sql("CREATE FOREIGN TABLE far (v text, id int) SERVER other"
                 " OPTIONS (table_name 'here')")
    project, source = named(database)
    one = project.erp2couch("discover", source, "far", "--json").expect(Exit.OK).json
    assert one["tables"][0]["kind"] == "foreign table" and one["tables"][0]["key"] == ["id"]
    passes_unedited(project, database, starters(project, source, ["far"]))


def test_keys_that_must_be_checked_say_so(named, ugly):
    ugly.sql("CREATE TABLE double (v text, w text)")
    ugly.sql("INSERT INTO double VALUES ('a', 'b'), ('a', 'b'), ('c', NULL)")
    ugly.sql("CREATE TABLE nothing (v text)")
    project, source = named(ugly)
    for table, says in [("plain_view", "unique and never NULL in the 5 rows"),
                        ("pair_unique", "together were unique"),
                        ("null_unique", "may be NULL"), ("double", "What stands here is a guess"),
                        ("nothing", "no rows to find one in")]:
        text = re.sub(r"\n *# ", " ", project.erp2couch("discover", source, table).out)
        assert "CHECK THIS" in text and says in text, text
    assert "CHECK THIS" not in project.erp2couch("discover", source, "unique_only").out
    starters(project, source, ["double"])
    project.run(code=Exit.REJECTS)


def test_rights(named, database):
    role, secret = "limited_" + uuid.uuid4().hex[:8], "word"
    database.sql(f"CREATE ROLE {role} LOGIN PASSWORD '{secret}'")
    try:
        database.sql("CREATE TABLE shut (id int PRIMARY KEY)")
        database.sql("CREATE TABLE half (id int PRIMARY KEY, open text, shut text)")
        database.sql("INSERT INTO half VALUES (1, 'o', 's')")
        database.sql("CREATE SCHEMA closed CREATE TABLE inside (id int PRIMARY KEY)")
        database.sql(f"GRANT SELECT (id, open) ON half TO {role}")
        project, source = named(database, user=role, password=secret)
        result = project.erp2couch("discover", source).expect(Exit.OK)
        result.says(f"GRANT SELECT ON public.shut TO {role}",
                    f"GRANT USAGE ON SCHEMA closed TO {role}; GRANT SELECT ON closed.inside")
        project.erp2couch("discover", source, "shut").expect(Exit.CONFIG).says(
            "no right to read shut", f"GRANT SELECT ON public.shut TO {role}")
        result = project.erp2couch("discover", source, "inside", "--json").expect(Exit.CONFIG)
        assert result.json["tables"][0]["readable"] is False and "error" in result.json
        text = starters(project, source, ["half"])["half"]
        assert "no right to read it" in text
        project.run().counts(created=1)
        assert project.db("src").get("half:1")["open"] == "o"
    finally:
        database.sql(f"DROP OWNED BY {role}")
        database.sql(f"DROP ROLE {role}")


def test_finding_a_table(named, database):
    database.sql("CREATE TABLE customer (id int PRIMARY KEY)")
    database.sql("CREATE TABLE sale_order (id int PRIMARY KEY)")
    database.sql("CREATE SCHEMA crm CREATE TABLE customer (id int PRIMARY KEY)"
                 " CREATE TABLE lead (id int PRIMARY KEY)")
    database.sql("INSERT INTO crm.customer VALUES (1), (2)")
    project, source = named(database)

    def discover(*words, code=Exit.OK):
        return project.erp2couch("discover", source, *words).expect(code)

    discover("customer", code=Exit.CONFIG).says("crm.customer, public.customer")
    discover("sale_oder", code=Exit.CONFIG).says("did you mean public.sale_order")
    discover("Sale_Order", code=Exit.CONFIG).says("did you mean public.sale_order")
    discover("zzz", code=Exit.CONFIG).says("no table zzz")
    discover("--schema", "cmr", code=Exit.CONFIG).says("there is: crm, public")
    assert "FROM lead" not in discover("lead").out and "FROM crm.lead" in discover("lead").out
    assert "\nmapper: crm_lead\n" in discover("lead").out
    assert "FROM customer" in discover("public.customer").out
    assert "FROM crm.customer" in discover("customer", "--schema", "crm").out

    def tables(*words):
        return [(t["schema"], t["table"]) for t in discover("--json", *words).json["tables"]]

    assert tables("--schema", "crm") == [("crm", "customer"), ("crm", "lead")]
    assert tables("--like", "*CUST*") == [("crm", "customer"), ("public", "customer")]
    assert tables("--like", "nothing*") == []
    discover("--like", "nothing*").says("no table's name matches nothing[*]")
    project.erp2couch("discover", "epr").expect(Exit.USAGE).says("no source 'epr'", source)
    project.erp2couch("discover").expect(Exit.USAGE)
    project.mapper("m", discover("crm.customer").out)
    project.run().counts(created=2)


def test_before_there_is_a_mapper(named, database):
    """No mapper files, then one that is being written: `discover ... > mappers/item.yaml`."""
    database.sql("CREATE TABLE item (id int PRIMARY KEY)")
    project, source = named(database)
    project.erp2couch("discover", source, "item").expect(Exit.OK)
    (project.folder / "mappers/item.yaml").write_text("")
    (project.folder / "mappers/broken.yaml").write_text("mapper: [")
    assert "mapper: item" in project.erp2couch("discover", source, "item").expect(Exit.OK).out


def test_unreachable_and_refused(named, database):
    project, source = named(database)
    project.env["ERP_DSN"] = "host=127.0.0.1 port=9 dbname=none"
    result = project.erp2couch("discover", source, "--json").expect(Exit.UNAVAILABLE)
    assert result.json["error"]["class"] == "retry"
    project.env["ERP_DSN"] = database.dsn(password="wrong")
    result = project.erp2couch("discover", source).expect(Exit.CONFIG)
    assert "wrong" not in result.err


def test_what_is_shown_cannot_harm_a_terminal(named, database):
    database.sql("CREATE TABLE \"x\x1b[2J\ny\" (id int PRIMARY KEY, \"c\x1b]0;\x07\" text)")
    database.sql("COMMENT ON TABLE \"x\x1b[2J\ny\" IS E'\\u001b[31m\\u202Ered'")
    project, source = named(database)
    out = project.erp2couch("discover", source).expect(Exit.OK).out
    assert "\x1b" not in out and "\u202e" not in out and "\x07" not in out
    name = json.loads(project.erp2couch("discover", source, "--json").out)["tables"][0]["table"]
    assert name == "x\x1b[2J\ny"
    assert "\x1b" not in project.erp2couch("discover", source, name).expect(Exit.OK).out


def test_names_that_are_not_utf8(named, cluster):
    """A database without an encoding may hold any bytes; what YAML cannot hold is left out."""
    made = cluster.create(encoding="SQL_ASCII")
    try:
        connection = made.connect(client_encoding="SQL_ASCII")
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(b'CREATE TABLE "b\xff" (id int PRIMARY KEY)')
            cursor.execute(b'CREATE TABLE good (id int PRIMARY KEY, "v\xfe" int, "x\ny" int)')
            cursor.execute(b"INSERT INTO good VALUES (1, 2, 3)")
            cursor.execute(b"COMMENT ON TABLE good IS 'bad \xff'")
        connection.close()
        project, source = named(made)
        project.erp2couch("discover", source).expect(Exit.OK)
        listed = project.erp2couch("discover", source, "--json").expect(Exit.OK).json
        assert [t["table"] for t in listed["tables"]] == ["b\ufffd", "good"]
        project.erp2couch("discover", source, b"b\xff".decode(errors="surrogateescape")).expect(
            Exit.CONFIG).says("not UTF-8")
        text = starters(project, source, ["good"])["good"]
        assert "its name is not UTF-8" in text
        project.run().counts(created=1)
        assert project.db("src").get("good:1")["x_y"] == 3
    finally:
        made.drop()


def test_tables_that_others_inherit_from(named, database):
    database.sql("CREATE TABLE base (id int PRIMARY KEY); CREATE TABLE heir () INHERITS (base)")
    database.sql("INSERT INTO base VALUES (1); INSERT INTO heir VALUES (2)")
    project, source = named(database)
    assert {t["table"]: t.get("inheriting") for t in
            project.erp2couch("discover", source, "--json").json["tables"]} == {
                "base": 1, "heir": None}
    texts = starters(project, source, ["base"])
    assert "Other tables inherit from it" in texts["base"]
    passes_unedited(project, database, texts)


@pytest.mark.parametrize("erp, tables", [
    ("tryton", TRYTON), pytest.param("odoo", ODOO, marks=pytest.mark.slow)])
def test_tables_of_real_erps_pass_unedited(request, named, erp, tables):
    dumped = request.getfixturevalue("dumps").original(erp)
    if dumped is None:
        pytest.skip(f"the dump of {erp} is not in ../shared/data/erp")
    project, source = named(dumped)
    texts = starters(project, source, tables)
    passes_unedited(project, dumped, texts)
    if erp == "odoo":
        assert "    lines:\n" in texts["sale_order"]
        assert "\n  # access_token: " in texts["sale_order"]
        lines = [doc["lines"] for doc in project.db("src").docs().values()
                 if doc["type"] == "sale_order"]
        assert sum(map(len, lines)) == dumped.value("SELECT count(*) FROM sale_order_line")
    else:
        assert "\nmapper: product_template-product_category\n" in texts[
            "product_template-product_category"]
