"""A small good project in plain files, ways to spoil it, and what every message must be.

The files are texts, not structures, because the mistakes of beginners are: a tab, a colon, a
missing quote. In them, in spoils and in expected words, `@couch@`, `@user@`, `@db@`, `@pghost@`,
`@pgname@` and whatever a spoil puts into `names` are filled in.
"""

import http.server
import json
import os
import re
import threading
from dataclasses import dataclass

import pytest

from .project import Exit, Project

CONFIG = """\
version: 1
couchdb:
  url: @couch@
  auth: {user: @user@, password: "${COUCHDB_PASSWORD}"}
  control_database: @db@control
  retry_for: 1s
sources:
  erp:
    type: postgres
    dsn: ${ERP_DSN}
mappers: [mappers/*.yaml]
state_dir: state
"""
AUTH = '  auth: {user: @user@, password: "${COUCHDB_PASSWORD}"}\n'

PRODUCT = """\
mapper: product
source: erp
timezone: UTC
extract:
  query: |
    SELECT id, code, name, price, qty, weight, active,
           added, changed, state, note
    FROM product
  key: id
target:
  database: @db@catalog
  id: "product:${code}"
fields:
  type: {value: product}
  code: code
  name: {from: name, trim: true}
  price: {from: price, type: decimal, scale: 2}
  qty: {from: qty, type: integer}
  active: {from: active, map: {Y: true, N: false}}
  added: {from: added, type: date}
  changed: changed
  state: {from: state, map: {d: draft, c: confirmed}}
  note: note
"""
QUERY = PRODUCT[PRODUCT.index("    SELECT"):PRODUCT.index("  key: id")]

SALE = """\
mapper: sale
source: erp
extract:
  table: sale
  key: id
  children:
    lines:
      query: SELECT id, sale, product, qty FROM sale_line
      key: id
      parent: sale
target:
  database: @db@orders
  id: "sale:${id}"
fields:
  customer: customer
  lines:
    each: lines
    fields: {product: product, qty: qty}
"""

SHOP_SOURCE = """\
  shop:
    type: rest
    url: https://shop.example.com/api
    auth: {bearer: "${SHOP_TOKEN:-hunter2}"}
    rate_limit: [10/s, 5000/day]
    retry_for: 0
"""
CONTACT = """\
mapper: contact
source: shop
extract:
  path: /contacts
  params: {status: active}
  records: items
  paging: {type: page, size_param: limit, size: 50}
  key: id
  cursor: {field: updated_at, param: updated_since}
  by_key: {path: "/contacts/${id}"}
full: "0 3 * * *"
target:
  database: @db@contacts
  id: "contact:${id}"
fields:
  name: name
"""

ERP = """
CREATE TABLE product (id int PRIMARY KEY, code text NOT NULL, name text, price numeric, qty int,
    weight float8, active char(1), added date, changed timestamp, state text, note text);
INSERT INTO product VALUES
    (1, 'A1', ' Bolt ', 2.5, 10, 0.1, 'Y', '2026-01-31', '2026-01-31 12:00', 'd', '7'),
    (2, 'A2', 'Nut', 1.12, 20, 0.2, 'N', '2026-02-01', '2026-02-01 12:00', 'c', NULL),
    (3, 'A3', 'Gear', 9, 30, 0.3, 'Y', '2026-02-02', '2026-02-02 12:00', 'd', NULL);
CREATE TABLE sale (id int PRIMARY KEY, customer text);
INSERT INTO sale VALUES (1, 'Anna'), (2, 'Ben');
CREATE TABLE sale_line (id int PRIMARY KEY, sale int, product text, qty int);
INSERT INTO sale_line VALUES (1, 1, 'A1', 5), (2, 1, 'A2', 6), (3, 2, 'A3', 7);
CREATE SCHEMA shop;
CREATE TABLE shop."Customer" ("CustNo" int PRIMARY KEY, "Name" text);
INSERT INTO shop."Customer" VALUES (1, 'Anna');
"""
DOCUMENTS = {"catalog": {"product:A1", "product:A2", "product:A3"}, "orders": {"sale:1", "sale:2"}}

SECRET = "hunter2"  # every password that a spoil writes
LINE = re.compile(r'^ts=\S+ level=(\w+) msg=("(?:[^"\\]|\\.)*"|\S*)(.*)$')


class Bench(Project):
    """The good project. What a spoil starts it leaves in `at_end`."""

    def __init__(self, folder, binary, couch, database):
        super().__init__(folder, binary, couch, database)
        self.names = {"couch": couch.base, "user": couch.user, "db": self.prefix,
                      "folder": folder, "port": couch.port, "pgname": database.name,
                      "pghost": f"127.0.0.1:{database.cluster.port}",
                      "pgport": database.cluster.port}
        self.at_end = []
        # Parts of passwords too: an error may show what stands behind a character.
        self.secrets = {SECRET, "secret%20", "er2", *([couch.password] if couch.password else [])}
        config = CONFIG if couch.user else CONFIG.replace(AUTH, "  # no users here\n")
        for name, text in (("erp2couch.yaml", config), ("mappers/product.yaml", PRODUCT),
                           ("mappers/sale.yaml", SALE)):
            self.write(name, text)

    def fill(self, text):
        return re.sub(r"@(\w+)@", lambda m: str(self.names.get(m.group(1), m.group())), text)

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(self.fill(content).encode() if isinstance(content, str) else content)

    def remove(self):
        for action in reversed(self.at_end):
            action()
        super().remove()

    def written(self):
        """The databases of this project in CouchDB."""
        return sorted(name for name in self.couch.databases() if name.startswith(self.prefix))


# ---- spoils: functions of the bench ----

def edit(name, old, new):
    """One place of a file; a spoil that changes nothing would make its test vacuous."""
    def spoil(bench):
        text = (bench.folder / name).read_text()
        before, after = bench.fill(old), bench.fill(new)
        assert text.count(before) == 1, f"{before!r} is {text.count(before)} times in {name}"
        assert before != after
        bench.write(name, text.replace(before, after))
    return spoil


def config(old, new):
    return edit("erp2couch.yaml", old, new)


def product(old, new):
    return edit("mappers/product.yaml", old, new)


def sale(old, new):
    return edit("mappers/sale.yaml", old, new)


def shop(old="", new="", file="mappers/contact.yaml"):
    """A REST source and its mapper beside the good project, and one place of them."""
    def spoil(bench):
        config("mappers: [", SHOP_SOURCE + "mappers: [")(bench)
        bench.write("mappers/contact.yaml", CONTACT)
        if old:
            edit(file, old, new)(bench)
    return spoil


def query(text):
    """Another query of the product mapper."""
    return product(QUERY, "".join(f"    {line}\n" for line in text.splitlines()))


def write(name, content):
    return lambda bench: bench.write(name, content)


def recode(name, encode):
    """The whole file `name` through `encode`, a function of its text that gives bytes."""
    return lambda bench: bench.write(name, encode((bench.folder / name).read_text()))


def folder(name):
    return lambda bench: (bench.folder / name).mkdir()


def unreadable(name):
    def spoil(bench):
        if os.geteuid() == 0:
            pytest.skip("root may read everything")
        (bench.folder / name).chmod(0)
    return spoil


def sql(text):
    return lambda bench: bench.database.sql(bench.fill(text))


def env(**values):
    """Environment variables; None removes one."""
    def spoil(bench):
        for name, value in values.items():
            if value is None:
                bench.env.pop(name)
            else:
                bench.env[name] = bench.fill(value)
    return spoil


def dsn(**parameters):
    """The DSN of the bench with other parameters."""
    def spoil(bench):
        bench.env["ERP_DSN"] = bench.database.dsn(**parameters)
    return spoil


def role(grants=""):
    """The source's user has only these rights."""
    def spoil(bench):
        name = "r_" + bench.prefix.strip("_")
        bench.names["role"] = name
        bench.database.sql(f"CREATE ROLE {name} LOGIN PASSWORD '{SECRET}'")
        bench.at_end.append(lambda: bench.database.sql(f"DROP OWNED BY {name}; DROP ROLE {name}"))
        if grants:
            bench.database.sql(bench.fill(grants))
        bench.env["ERP_DSN"] = bench.database.dsn(user=name, password=SECRET)
    return spoil


def apache(bench):
    if not bench.couch.apache:
        pytest.skip("needs Apache CouchDB; here is pouchdb-server")


def couch_user(bench):
    """A user of CouchDB who is no admin."""
    apache(bench)
    name = "u_" + bench.prefix.strip("_")
    bench.names["couchuser"] = name
    bench.couch.add_user(name, SECRET)
    bench.at_end.append(lambda: bench.couch.remove_user(name))
    config("user: @user@", f"user: {name}")(bench)
    bench.env["COUCHDB_PASSWORD"] = SECRET


class Page(http.server.BaseHTTPRequestHandler):
    """A web server's page, whatever is asked for."""

    def answer(self):
        body = b"<html><title>Welcome</title></html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST = answer

    def log_message(self, *words):
        pass


def start_web_server(bench):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    bench.at_end += [server.server_close, server.shutdown]
    bench.names["web"] = f"http://127.0.0.1:{server.server_port}"


def web_server_for_shop(bench):
    """A web server where the url of the REST source says."""
    start_web_server(bench)
    shop("https://shop.example.com/api", "@web@", "erp2couch.yaml")(bench)


def web_server(bench):
    """A web server where couchdb.url says."""
    start_web_server(bench)
    config("@couch@", "@web@")(bench)


# ---- rows ----

@dataclass
class Mistake:
    """One row: how the good project is spoilt, the command, and the words of its message."""

    name: str
    spoil: object  # a function, or several
    command: str
    code: int
    where: str     # the message begins with it
    what: str
    remedy: str    # what and remedy are in it, in this order
    level: str = "error"  # of the one line; "warn" where records are refused
    lines: int = 1         # two records that claim one document are both told
    cwd: str = "."

    def run(self, bench, *options):
        return bench.erp2couch(*options, *bench.fill(self.command).split(),
                               cwd=bench.folder / self.cwd)


def log_lines(result):
    """(level, message) of each line of stderr; every line must be one of the log."""
    found = []
    for line in result.err.splitlines():
        match = LINE.match(line)
        assert match, f"{result}\nnot a line of the log: {line!r}"
        text = match.group(2)
        found.append((match.group(1), json.loads(text) if text[:1] == '"' else text))
    return found


def the_message(result, level, lines=1):
    """The one message of the run, or the first; what is tried again may be told once before."""
    bad = [(seen, text) for seen, text in log_lines(result) if seen in ("error", "warn")
           and not (seen == "warn" and text.endswith("; trying again"))]
    assert len(bad) == lines, f"{result}\nexpected {lines} message(s), not {len(bad)}"
    assert {seen for seen, _ in bad} == {level}, f"{result}\nexpected level {level}"
    return bad[0][1]


def json_messages(value):
    """The messages of all errors and rejects in a JSON answer, once each."""
    found = []

    def visit(item):
        if isinstance(item, dict):
            for key, inner in item.items():
                if key == "error":
                    assert set(inner) == {"class", "message"}, inner
                    found.append(inner["message"])
                elif key == "rejects":
                    found.extend(f"reject: key {r['key']}: {r['field']}: {r['reason']}"
                                 for r in inner)
                else:
                    visit(inner)
        elif isinstance(item, list):
            for inner in item:
                visit(inner)

    visit(value)
    return list(dict.fromkeys(found))


def check_message(bench, message, mistake):
    """Where, what and what to do, in this order."""
    at = 0
    assert message.startswith(bench.fill(mistake.where)), message
    for words in (mistake.where, mistake.what, mistake.remedy):
        words = bench.fill(words)
        assert words, f"{mistake.name}: a row without words proves nothing"
        found = message.find(words, at)
        assert found >= 0, f"no {words!r} behind {message[:at]!r} in\n{message}"
        at = found + len(words)
    assert "\n" not in message and not message.endswith((";", ":", " "))


def check_secrets(bench, *results):
    """In no output, in no file that the program wrote, in no document."""
    texts = [result.out + result.err for result in results]
    texts += [path.read_bytes().decode(errors="replace")
              for path in bench.state.rglob("*") if path.is_file()] if bench.state.is_dir() else []
    texts += [json.dumps(bench.couch.db(name).docs()) for name in bench.written()]
    for text in texts:
        for secret in bench.secrets:
            assert secret not in text, f"{secret!r} is shown in\n{text[:4000]}"


def timeless(message):
    """Without what differs from one run to the next."""
    return re.sub(r"\d+ (tries|s|ms)\b", r"N \1", message)


def check_json(bench, result, message):
    """One object with the same message; a run's rejects are in the control database."""
    messages = json_messages(result.json)
    if not messages and result.code == Exit.REJECTS:
        assert any(reject["reason"] in message for reject in bench.rejects()), message
        return
    assert [timeless(text) for text in messages] == [timeless(message)], result
