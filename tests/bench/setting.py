"""What all rows of the benchmark share: servers, data, configuration folders."""

import json
import os
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

from measure import Failed, measure
from support import couchdb
from support.postgres import Cluster

HERE = Path(__file__).resolve().parent

ITEM_COLUMNS = ("id, code, name, category, list_price, cost, stock, weight, active, barcode,"
                " created, updated")
ITEM_MAPPER = """\
mapper: item
source: erp
extract:
  query: "{query}"
  key: id
target:
  database: {database}
  id: "item:${{code}}"
fields:
  type: {{value: item}}
  sku: code
  name: {{from: name, trim: true}}
  category: category
  price: {{from: list_price, type: decimal, scale: 2}}
  cost: {{from: cost, type: decimal}}
  stock: {{from: stock, type: integer}}
  weight: weight
  active: active
  barcode: barcode
  created: {{from: created, type: date}}
  updated: {{from: updated, type: datetime}}
"""

_DECIMAL = {"$ref": "#/$defs/decimal"}
ITEM_SCHEMA = {  # types, limits, a reference, patterns and formats, as a usual schema has them
    "type": "object",
    "required": ["type", "sku", "name", "price", "updated"],
    "properties": {
        "type": {"const": "item"}, "sku": {"type": "string", "minLength": 1, "maxLength": 40},
        "name": {"type": "string", "minLength": 1}, "category": {"type": ["string", "integer"]},
        "price": _DECIMAL, "cost": _DECIMAL, "stock": {"type": "integer"},
        "weight": {"type": "number", "minimum": 0}, "active": {"type": "boolean"},
        "barcode": {"type": "string", "pattern": "^[0-9]*$"},
        "created": {"type": "string", "format": "date"},
        "updated": {"type": "string", "format": "date-time"}},
    "additionalProperties": False,
    "$defs": {"decimal": {"type": "string", "pattern": "^-?[0-9]+([.][0-9]+)?$"}}}

ORDER_QUERY = "SELECT id, number, customer, state, ordered, total FROM bench_orders"
LINE_QUERY = "SELECT id, order_id, sku, name, quantity, unit_price FROM bench_lines"
ORDER_MAPPER = """\
mapper: order
source: erp
extract:
  query: "{query}"
  key: id
  children:
    lines: {{query: "{lines}", key: id, parent: order_id}}
target:
  database: {database}
  id: "order:${{number}}"
fields:
  type: {{value: order}}
  number: number
  customer: customer
  state: state
  ordered: {{from: ordered, type: datetime}}
  total: {{from: total, type: decimal, scale: 2}}
  lines:
    each: lines
    fields:
      sku: sku
      name: name
      qty: {{from: quantity, type: decimal}}
      price: {{from: unit_price, type: decimal, scale: 2}}
"""

# The same documents, made by PostgreSQL in its two usual ways; the faster one counts.
_LINE_OBJECT = ("jsonb_agg(jsonb_build_object('sku', l.sku, 'name', l.name, 'qty',"
                " l.quantity::text, 'price', l.unit_price::text) ORDER BY l.id)")
_ORDER_OBJECT = ("jsonb_build_object('_id', 'order:' || o.number, 'type', 'order', 'number',"
                 " o.number, 'customer', o.customer, 'state', o.state, 'ordered', o.ordered,"
                 " 'total', o.total::text, 'lines', {lines})")
JSONB_AGG = {
    "jsonb_agg, a subquery per order":
        "SELECT " + _ORDER_OBJECT.format(
            lines=f"(SELECT {_LINE_OBJECT} FROM bench_lines l WHERE l.order_id = o.id)")
        + " FROM bench_orders o",
    "jsonb_agg, grouped and joined":
        "SELECT " + _ORDER_OBJECT.format(lines="g.lines") + " FROM bench_orders o JOIN"
        f" (SELECT l.order_id, {_LINE_OBJECT} AS lines FROM bench_lines l GROUP BY l.order_id) g"
        " ON g.order_id = o.id",
}


def item_query(rows=None):
    """The query of items, of the first `rows` only where given."""
    return f"SELECT {ITEM_COLUMNS} FROM bench_items" + (f" WHERE id <= {rows}" if rows else "")


class Folder:
    """A configuration folder with databases of its own."""

    def __init__(self, setting, mappers):
        """mappers: file name -> text with {database} in it"""
        self.setting = setting
        self.prefix = "bench_" + uuid.uuid4().hex[:10] + "_"
        self.path = Path(tempfile.mkdtemp(prefix="config-", dir=setting.folder))
        (self.path / "mappers").mkdir()
        couch = setting.couch
        config = {
            "version": 1,
            "couchdb": {"url": couch.base if couch else "http://127.0.0.1:9",
                        "control_database": self.prefix + "control"},
            "sources": {"erp": {"type": "postgres", "dsn": "${BENCH_DSN}"}},
            "mappers": ["mappers/*.yaml"], "state_dir": "state"}
        if couch and couch.user:
            config["couchdb"]["auth"] = {"user": couch.user, "password": "${BENCH_PASSWORD}"}
        (self.path / "erp2couch.yaml").write_text(json.dumps(config, indent=1))
        self.add(mappers)

    @classmethod
    def of_items(cls, setting, rows=None):
        folder = cls(setting, {})
        (folder.path / "mappers/item.yaml").write_text(
            ITEM_MAPPER.format(query=item_query(rows), database=folder.prefix + "items"))
        return folder

    @classmethod
    def of_orders(cls, setting):
        folder = cls(setting, {})
        (folder.path / "mappers/order.yaml").write_text(ORDER_MAPPER.format(
            query=ORDER_QUERY, lines=LINE_QUERY, database=folder.prefix + "orders"))
        return folder

    def add(self, mappers):
        """Adds mapper files: name -> text."""
        for name, text in mappers.items():
            (self.path / "mappers" / name).write_text(text)

    def extract(self, *lines):
        """Adds lines to the extract of the mapper of items."""
        path = self.path / "mappers/item.yaml"
        path.write_text(path.read_text().replace(
            "  key: id\n", "".join(f"  {line}\n" for line in ("key: id", *lines))))

    def validate(self, schema):
        """Documents of items must fit `schema` from now on; None: any will do."""
        mapper = self.path / "mappers/item.yaml"
        (self.path / "schemas").mkdir(exist_ok=True)
        (self.path / "schemas/item.schema.json").write_text(json.dumps(schema))
        self.configure(schemas="schemas")
        text = mapper.read_text().replace("  schema: item\n", "")
        if schema:
            text = text.replace("target:\n", "target:\n  schema: item\n")
        mapper.write_text(text)

    @property
    def items(self):
        return self.setting.couch.db(self.prefix + "items")

    def configure(self, **more):
        """Puts settings into erp2couch.yaml."""
        config = self.path / "erp2couch.yaml"
        config.write_text(json.dumps({**json.loads(config.read_text()), **more}, indent=1))

    def environment(self):
        return {**os.environ, "BENCH_DSN": self.setting.database.dsn(),
                "BENCH_PASSWORD": self.setting.couch.password if self.setting.couch else ""}

    def erp2couch(self, *words, **options):
        return measure([self.setting.binary, *words], cwd=self.path, env=self.environment(),
                       **options)

    def count_preview(self, mapper, expected):
        """Proves once, before it is timed, that `preview` prints all the documents."""
        counter = subprocess.Popen(["wc", "-l"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            self.erp2couch("preview", mapper, output=counter.stdin)
        finally:
            lines = int(counter.communicate()[0])
        if lines != expected:
            raise Failed(f"preview {mapper}: {lines} documents, not {expected}")

    def run(self, **expected):
        """`run --json`, whose counters must be `expected` and 0 elsewhere (None: any number)."""
        measured = self.erp2couch("run", "--json", keep_output=True)
        try:
            outcome = json.loads(measured.out)["mappers"][0]
        except (ValueError, KeyError, IndexError) as problem:
            raise Failed(f"run --json said {measured.out[:300]!r}") from problem
        for name in ("created", "updated", "moved", "deleted", "unchanged", "rejected"):
            if expected.get(name, 0) not in (None, outcome[name]):
                raise Failed(f"run: expected {expected}, got {outcome}")
        return measured

    def remove(self):
        couch = self.setting.couch
        for name in couch.databases() if couch else ():
            if name.startswith(self.prefix):
                couch.db(name).delete()
        shutil.rmtree(self.path, ignore_errors=True)


class Setting:
    """Private servers with generated data, until remove()."""

    def __init__(self, options, say):
        self.options = options
        self.binary, self.replay, self.state_bench, self.rest_bench = (
            options.binary, options.replay, options.state_bench, options.rest_bench)
        self.say = say
        self.cluster = self.couch = self._loaded = None
        self.load_cpu_us = None  # of a first load, once measured
        self.memory = {}  # command -> rows -> peak KiB
        self.databases = []  # made for other clients
        self.couch_missing = "not asked for"
        self.folder = Path(tempfile.mkdtemp(prefix="e2c-bench-", dir=options.tmp))
        try:
            say("starting PostgreSQL")
            self.cluster = Cluster()
            self.cluster.sql("postgres", "ALTER SYSTEM SET autovacuum = off")
            self.cluster.sql("postgres", "SELECT pg_reload_conf()")
            self.database = self.cluster.create("bench")
            say(f"generating {options.items:,} items and {options.orders:,} orders")
            self._generate()
            say("starting CouchDB")
            self._start_couch()
        except BaseException:
            self.remove()
            raise

    def _generate(self):
        measure([self.psql, "-X", "-q", "-v", "ON_ERROR_STOP=1",
                 "-v", f"items={self.options.items}", "-v", f"orders={self.options.orders}",
                 "-f", HERE / "generate.sql",
                 self.database.dsn(user="postgres", password=self.cluster.password)])

    def _start_couch(self):
        try:
            self.couch = couchdb.start()
            if not self.couch.apache:
                self.couch.remove()
                self.couch, self.couch_missing = None, "only pouchdb-server is here"
        except Exception as problem:  # whatever the reason: the other rows can be measured
            self.couch_missing = str(problem).splitlines()[0]

    @property
    def psql(self):
        return self.cluster.bindir / "psql"

    def copy(self, query):
        """psql's own time for the same query, to /dev/null."""
        return measure([self.psql, "-X", "-q", "-d", self.database.dsn(),
                        "-c", f"copy ({query}) to stdout"])

    def bodies(self, rows):
        """A file of the documents of the first `rows` items, one a line."""
        path = self.folder / f"bodies-{rows}.json"
        if not path.exists():
            folder = Folder.of_items(self, rows)
            with open(path, "wb") as output:
                folder.erp2couch("preview", "item", output=output)
            folder.remove()
        return path

    def new_database(self):
        db = self.couch.db("bench_" + uuid.uuid4().hex[:10] + "_other")
        self.databases.append(db)
        return db.create(q=2)

    def replay_into_new(self, path, batch, in_flight):
        """A replay of the documents in `path` into a new database. Returns its own figures."""
        db = self.new_database()
        try:
            return json.loads(measure([self.replay, self.couch.url, db.name, path, batch,
                                       in_flight], keep_output=True).out)
        finally:
            db.delete()

    def loaded(self):
        """A folder whose databases hold all items; loaded once."""
        if not self._loaded:
            self.say(f"loading {self.options.items:,} items")
            folder = Folder.of_items(self)
            self._loaded = folder
            rows = self.options.items
            self.note_memory("first load", rows, [folder.run(created=rows)])
        return self._loaded

    def note_memory(self, command, rows, measured):
        peaks = self.memory.setdefault(command, {})
        peaks[rows] = max([peaks.get(rows, 0), *(one.anon_kib for one in measured)])

    def remove(self):
        """Stops the servers; one that was there before ($COUCHDB_URL) is left as it was."""
        if self._loaded:
            self._loaded.remove()
        for db in self.databases:
            db.delete()
        for part in (self.couch, self.cluster):
            if part:
                part.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


def couchimport_command():
    """How to call couchimport where it is installed; None where it is not. Downloads nothing."""
    named = os.environ.get("COUCHIMPORT")
    if named:
        return [named]
    found = shutil.which("couchimport")
    if found:
        return [found]
    npx = shutil.which("npx")
    if not npx:
        return None
    try:
        done = subprocess.run([npx, "--no-install", "--offline", "couchimport", "--help"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=60)
    except subprocess.TimeoutExpired:
        return None
    return [npx, "--no-install", "--offline", "couchimport"] if done.returncode == 0 else None
