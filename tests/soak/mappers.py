"""The mappers of the soak, and what their documents should be, by SQL rows and Python alone."""

import json

from support.project import yaml_of

DATABASES = ["a", "b", "stock", "sale", "price", "partner", "device"]
NAMES = ["product", "stock", "sale", "price", "partner", "overview", "device"]
AT_TIMES_GONE = "overview"  # a reload may take it out: no other mapper waits for it
ALL = {"max": "100%"}  # the ERP may delete as many as it likes

PRODUCT_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["type", "id", "code", "name", "price"],
    "properties": {"type": {"const": "product"}, "id": {"type": "integer"},
                   "code": {"type": "string", "pattern": "^[cm][0-9]+$"},
                   "name": {"type": "string", "minLength": 1},
                   "price": {"type": "string", "pattern": r"^[0-9]+\.[0-9]{2}$"}},
}


class Pace:
    """How often mappers run."""

    def __init__(self, minutes):
        self.often, self.seldom, self.full = (
            ("1s", "3s", "5s") if minutes < 1 else ("5s", "20s", "1m"))


def texts(pace):
    """{mapper: its file, without what a reload changes}"""
    usual = {"schedule": {"every": pace.often}, "full": {"every": pace.full}}
    kept = {"lookback": "0s", "deletes": {"every": pace.seldom, **ALL}}
    money = {"type": "decimal", "scale": 2}
    return {
        "product": {
            **usual, "extract": {"table": "product", "key": "id", "cursor": "version", **kept},
            "target": {"database": "@db@${kind}", "id": "product:${code}", "schema": "product"},
            "fields": {"id": "id", "code": "code", "name": {"from": "name", "required": True},
                       "price": {"from": "price", **money}}},
        "stock": {
            **usual, "schedule": {"every": pace.seldom, "notify": "stock_changed"},
            "timezone": "UTC",
            "extract": {"table": "stock", "key": "id", "cursor": "changed", **kept},
            "target": {"database": "@db@stock", "id": "stock:${id}"},
            "fields": {"id": "id", "qty": "qty", "place": "place"}},
        "sale": {
            **usual, "extract": {
                "table": "sale", "key": "id", "cursor": "version", **kept,
                "children": {"lines": {"table": "line", "key": "id", "parent": "sale",
                                       "cursor": "version"}}},
            "target": {"database": "@db@sale", "id": "sale:${ref}"},
            "fields": {"id": "id", "partner": "partner",
                       "state": {"from": "state", "map": {"draft": 0, "sent": 1, "done": 2}},
                       "lines": {"each": "lines", "fields": {
                           "sku": "sku", "qty": {"from": "qty", "type": "decimal", "scale": 3}}}}},
        "price": {
            "schedule": {"every": pace.often},
            "extract": {"query": "SELECT partner, sku, amount FROM price", "group": "partner",
                        "deletes": ALL},
            "target": {"database": "@db@price", "id": "price:${partner}"},
            "fields": {"partner": "partner", "prices": {"each": "rows", "fields": {
                "sku": "sku", "amount": {"from": "amount", "required": True, **money}}}}},
        "partner": {
            "after": "product", "full": {"every": pace.full},
            "extract": {"table": "partner", "key": "id", "cursor": "version", "lookback": "0s",
                        "deletes": {"column": "active", "when": False, **ALL}},
            "target": {"database": "@db@partner", "id": "partner:${id}"},
            "fields": {"id": "id", "name": {"from": "name", "upper": True}, "mail": "mail"}},
        "overview": {
            "after": ["partner", "sale"],
            "extract": {"key": "id", "deletes": ALL, "query":
                        "SELECT p.id, count(s.id) AS sales FROM partner p LEFT JOIN sale s"
                        " ON s.partner = p.id GROUP BY p.id"},
            "target": {"database": "@db@partner", "id": "overview:${id}"},
            "fields": {"id": "id", "sales": "sales"}},
        "device": {
            "source": "web", "schedule": {"every": pace.seldom},
            "extract": {"path": "/devices", "key": "id", "records": "data.items", "deletes": ALL,
                        "paging": {"type": "keyset", "param": "after", "size_param": "limit",
                                   "size": 20}},
            "target": {"database": "@db@device", "id": "device:${id}"},
            "fields": {"id": "id", "name": {"from": "name", "required": True}}},
    }


class Mappers:
    """The configuration on disk. `rounds` counts how often the documents of each were changed."""

    def __init__(self, project, pace):
        self.project, self.texts = project, texts(pace)
        self.rounds = {name: 0 for name in NAMES}
        folder = project.folder / "schemas"
        folder.mkdir()
        (folder / "product.schema.json").write_text(json.dumps(PRODUCT_SCHEMA))
        for name in NAMES:
            self.write(name)

    def write(self, name, **more):
        """The file of a mapper, with other keys beside its own or in their place."""
        own = {"mapper": name, "source": "erp", **self.texts[name], **more}
        own["fields"] = {"type": {"value": name}, **own["fields"],
                         "round": {"value": self.rounds[name]}}
        return self.project.mapper(name, yaml_of(own) + "\n")

    def next_round(self, name):
        self.rounds[name] += 1
        self.write(name)

    def remove(self, name):
        (self.project.folder / "mappers" / f"{name}.yaml").unlink()


# ---- what should be

def decimal(value, places):
    return f"{value:.{places}f}"


class Expected:
    """Documents and rejects, of the rows that `fetch(sql)` gives and those of the REST table."""

    def __init__(self, fetch, devices, rounds):
        self.fetch, self.devices, self.rounds = fetch, devices, rounds
        self.documents = {}  # (database, id): document
        self.rejects = {name: set() for name in NAMES}
        self.records = {name: 0 for name in NAMES}  # how many a full read meets at the least
        for name in NAMES:
            getattr(self, name)()
            self.records[name] += len(self.rejects[name])

    def add(self, mapper, database, doc_id, **members):
        self.records[mapper] += 1
        self.documents[database, doc_id] = {
            "_id": doc_id, "type": mapper, **members, "round": self.rounds[mapper]}

    def product(self):
        for key, code, kind, name, price in self.fetch(
                "SELECT id, code, kind, name, price FROM product"):
            if not name or price < 0:
                self.rejects["product"].add(key)
            else:
                self.add("product", kind, f"product:{code}", id=key, code=code, name=name,
                         price=decimal(price, 2))

    def stock(self):
        for key, qty, place in self.fetch("SELECT id, qty, place FROM stock"):
            self.add("stock", "stock", f"stock:{key}", id=key, qty=qty, place=place)

    def sale(self):
        lines = {}
        for sale, sku, qty in self.fetch("SELECT sale, sku, qty FROM line ORDER BY id"):
            lines.setdefault(sale, []).append({"sku": sku, "qty": decimal(qty, 3)})
        for key, ref, state, partner in self.fetch("SELECT id, ref, state, partner FROM sale"):
            if state not in ("draft", "sent", "done"):
                self.rejects["sale"].add(key)
            else:
                self.add("sale", "sale", f"sale:{ref}", id=key, partner=partner,
                         state=("draft", "sent", "done").index(state), lines=lines.get(key, []))

    def price(self):
        prices = {}
        for partner, sku, amount in self.fetch("SELECT partner, sku, amount FROM price"):
            prices.setdefault(partner, []).append((sku, amount))
        for partner, rows in prices.items():
            if any(amount is None for _, amount in rows):
                self.rejects["price"].add(partner)
            else:
                self.add("price", "price", f"price:{partner}", partner=partner,
                         prices=[{"sku": sku, "amount": decimal(amount, 2)}
                                 for sku, amount in sorted(rows)])

    def partner(self):
        for key, name, mail in self.fetch("SELECT id, name, mail FROM partner WHERE active"):
            self.add("partner", "partner", f"partner:{key}", id=key, name=name.upper(),
                     **({"mail": mail} if mail is not None else {}))

    def overview(self):
        sales = {}
        for (partner,) in self.fetch("SELECT partner FROM sale"):
            sales[partner] = sales.get(partner, 0) + 1
        for (key,) in self.fetch("SELECT id FROM partner"):
            self.add("overview", "partner", f"overview:{key}", id=key, sales=sales.get(key, 0))

    def device(self):
        for row in self.devices:
            if row["name"] is None:
                self.rejects["device"].add(row["id"])
            else:
                self.add("device", "device", f"device:{row['id']}", id=row["id"],
                         name=row["name"])


def as_expected(doc):
    """A document as it is compared: the rows of a group have no order."""
    if "prices" in doc:
        return {**doc, "prices": sorted(doc["prices"], key=lambda price: price["sku"])}
    return doc


def differences(found, expected):
    """What is wrong, as text. A bad record may keep the document that it had."""
    for key in sorted({*found, *expected.documents}):
        doc = as_expected(found[key]) if key in found else None
        wanted = expected.documents.get(key)
        if doc == wanted:
            continue
        owner = doc and doc.get("id", doc.get("partner"))
        if doc and not wanted and owner in expected.rejects.get(doc.get("type"), ()):
            continue
        yield f"{'/'.join(key)} is {json.dumps(doc)}, should be {json.dumps(wanted)}"
