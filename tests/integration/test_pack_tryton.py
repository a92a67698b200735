"""The pack mappers/tryton on the Northwind database of Tryton 6.0.

What the dump lacks (taxes, price lists, stock ...) comes from tests/data/tryton/more.sql, and what
must come of that stands here, worked out by hand and, once, compared with Tryton's own results.
"""

import re
import uuid
from decimal import ROUND_HALF_EVEN, Decimal

import pytest

from support import model, packs
from support.postgres import READER_PASSWORD
from support.project import ROOT, Exit

README = ROOT / "mappers/tryton/README.md"
MORE = ROOT / "tests/data/tryton/more.sql"
OWN_PARTY = 1  # of the company: no customer
ROWS = {  # one document for each row of
    "product": "product_product", "category": "product_category", "unit": "product_uom",
    "price_list": "product_price_list", "customer": f"party_party WHERE id <> {OWN_PARTY}",
    "stock": "product_product", "order": "sale_sale", "tax": "account_tax",
    "currency": "currency_currency", "invoice": "account_invoice WHERE type = 'out'",
    "rep": "company_employee"}


@pytest.fixture
def pack(make_project, couch, tryton):
    """A project with the mappers of the pack on a copy of the dump."""
    return packs.install(make_project(couch, tryton), "tryton")


@pytest.fixture
def more(pack, tryton):
    """The same with the rows of more.sql, loaded: all documents by id."""
    tryton.sql(MORE.read_text())
    pack.run()
    return pack.db("erp").docs()


def counted(tryton):
    return {name: tryton.value("SELECT count(*) FROM " + rows) for name, rows in ROWS.items()}


def of_type(docs, kind):
    return {key: doc for key, doc in docs.items() if doc["type"] == kind}


def written(result):
    """{mapper: {counter: number}} of what a run wrote, rejected or withheld."""
    counters = {m["mapper"]: {key: m[key] for key in ("created", "updated", "moved", "deleted",
                                                      "rejected") if m[key]}
                for m in result.json["mappers"]}
    return {mapper: values for mapper, values in counters.items() if values}


def is_part(expected, value):
    """Whether `value` has all of `expected`; lists have the same length."""
    if isinstance(expected, dict):
        return isinstance(value, dict) and all(
            key not in value if item is None else key in value and is_part(item, value[key])
            for key, item in expected.items())
    if isinstance(expected, list):
        return (isinstance(value, list) and len(expected) == len(value)
                and all(map(is_part, expected, value)))
    return expected == value and type(expected) is type(value)


# ---- the dump as it is ----

def test_every_row_is_a_document_and_a_second_run_writes_nothing(pack, tryton):
    rows = counted(tryton)
    assert (rows["order"], rows["product"], rows["customer"]) == (547, 77, 91)
    result = pack.run()
    assert written(result) == {name: {"created": n} for name, n in rows.items() if n}
    docs = pack.db("erp").docs()
    assert {name: len(of_type(docs, name)) for name in rows} == rows
    assert all(key == f"{doc['type']}:{key.split(':')[1]}" for key, doc in docs.items())
    assert pack.rejects() == []
    pack.quiet_run(databases=("erp",), unchanged=sum(rows.values()))
    assert {rev[:2] for rev in pack.db("erp").revs().values()} == {"1-"}


def test_orders_and_lines_are_those_of_sql(pack, tryton):
    pack.run("order")
    docs = pack.db("erp").docs()
    rows = tryton.sql("SELECT id, number, state, party, sale_date::text, reference,"
                      " total_amount_cache FROM sale_sale")
    cent = Decimal("0.01")
    total = 0
    for key, number, state, party, date, reference, cache in rows:
        doc = docs[f"order:{key}"]
        assert (doc.get("number"), doc["state"], doc["customer"], doc["ordered"],
                doc["reference"]) == (number, state, f"customer:{party}", date, reference), doc
        lines = tryton.sql("SELECT id, product, quantity, unit_price FROM sale_line"
                           " WHERE sale = %s ORDER BY sequence NULLS FIRST, id", [key])
        assert [(line["id"], line["product"], Decimal(line["quantity"]), Decimal(line["price"]))
                for line in doc["lines"]] == [
            (line, f"product:{product}", Decimal(str(quantity)), price)
            for line, product, quantity, price in lines], doc
        net = sum((Decimal(str(quantity)) * price).quantize(cent, ROUND_HALF_EVEN)
                  for _, _, quantity, price in lines)
        assert cache is None or cache == net
        assert doc["amounts"] == {"net": str(net), "tax": "0.00", "total": str(net)}, doc
        assert sum(Decimal(line["net"]) for line in doc["lines"]) == net
        total += net
    assert total == Decimal("863215.87")  # as Tryton says
    assert sum(len(doc["lines"]) for doc in docs.values()) == tryton.value(
        "SELECT count(*) FROM sale_line") == 1430


def test_products_and_customers_are_those_of_sql(pack, tryton):
    pack.run("product", "customer")
    docs = pack.db("erp").docs()
    for key, code, name, price, active, category in tryton.sql("""
            SELECT p.id, p.code, t.name, l.list_price::text, t.active, t.account_category
              FROM product_product p JOIN product_template t ON t.id = p.template
              JOIN product_list_price l ON l.template = t.id"""):
        assert is_part({"sku": code, "name": name, "names": {"en": name}, "price": price,
                        "active": active, "category": f"category:{category}", "unit": "unit:1",
                        "currency": "currency:1", "kind": "storable"}, docs[f"product:{key}"])
    assert sum(not doc["active"] for doc in of_type(docs, "product").values()) == 10
    for key, code, name, street, city, phone in tryton.sql("""
            SELECT p.id, p.code, p.name, a.street, a.city, m.value
              FROM party_party p JOIN party_address a ON a.party = p.id
              LEFT JOIN party_contact_mechanism m ON m.party = p.id WHERE p.id <> 1"""):
        assert is_part({"code": code, "name": name, "phone": phone, "payment_term": "30 days",
                        "addresses": [{"street": street, "city": city}],
                        "mechanisms": [{"kind": "phone", "value": phone}]},
                       docs[f"customer:{key}"])


# ---- what is not in the dump ----

EXPECTED = {
    "product:3": {"names": {"en": "Aniseed Syrup", "fr": "Sirop d'anis", "de": None, "es": None},
                  "category": "category:903", "categories": ["category:902", "category:903"],
                  "taxes": ["tax:901", "tax:902"], "active": True},
    "product:901": {"sku": "CH-A", "barcode": "4006381333931", "price": "12.5000",
                    "unit": "unit:2", "sale_unit": "unit:3", "kind": "consumable", "template": 901,
                    "attributes": [{"name": "milk", "value": "goat"},
                                   {"name": "Ripeness", "value": "1.50"}], "taxes": None},
    "product:902": {"active": False, "attributes": None},
    "product:903": {"sku": None, "kind": "service", "price": "80.1234", "salable": True},
    "category:902": {"path": "Beverages / Tea / Leaf", "parent": "category:901"},
    "category:904": {"path": None, "parent": "category:904"},
    "currency:901": {"rate": "0.95", "rate_date": "2024-01-01"},
    "currency:902": {"rate": None, "rounding": "0.05"},
    "tax:901": {"kind": "percent", "rate": "5", "use": "sale", "included": False, "active": True,
                "names": {"en": "VAT 5", "fr": "TVA 5"}},
    "tax:902": {"kind": "fixed", "amount": "0.25", "rate": None},
    "tax:906": {"parent": "tax:903", "from": "2099-01-01"},
    "tax:907": {"active": False, "until": "2006-12-31"},
    "price_list:901": {"name": "Wholesale", "currency": "currency:1", "rules": [
        {"id": 906, "category": "category:903", "compute": "percentage", "base": "list_price",
         "percent": "0"},
        {"id": 901, "product": "product:901", "compute": "fixed", "price": "9.5", "percent": None},
        {"id": 902, "product": "product:902", "compute": "fixed", "price": "8.25",
         "min_quantity": "10"},
        {"id": 903, "category": "category:1", "compute": "percentage", "base": "unit_price",
         "percent": "10", "from": "2020-01-01"},
        {"id": 904, "compute": "percentage", "base": "list_price", "percent": "25",
         "min_quantity": "2.5"},
        {"id": 905, "compute": "formula", "price": None, "base": None,
         "formula": "cost_price * 1.2 if cost_price else list_price"}]},
    "price_list:902": {"tax_included": True, "rules": []},
    "rep:902": {"name": "Nancy", "login": "nancy", "mobile": "+49 170 1", "employee": True,
                "agent": True, "active": True},
    "rep:903": {"name": "Paul", "active": False, "login": None},
    "rep:904": {"name": "Smith", "employee": False, "agent": True, "active": True},
    "customer:2": {
        "tax_id": "DE136695976", "email": "first@example.com", "phone": "030-0074321",
        "rep": "rep:902", "price_list": "price_list:901", "currency": "currency:1",
        "addresses": [
            {"id": 2, "kind": "invoice", "street": "Obere Str. 57",
             "street2": "Hinterhaus, 2. Stock", "zip": "12209", "city": "Berlin",
             "region": "Berlin", "country": "DE", "active": True},
            {"id": 901, "kind": "delivery", "name": "Herr Maier, Depot", "active": False}],
        "contacts": [{"id": 905, "name": "Maria", "function": "employs",
                      "email": "maria@example.com"}],
        "mechanisms": [{"id": 1}, {"id": 902}, {"id": 901, "name": "Accounts"}]},
    "customer:4": {"active": False, "replaced_by": "customer:5", "rep": "rep:904",
                   "price_list": "price_list:902"},
    "customer:905": {"contacts": [{"id": 2, "function": "works for"}]},
    "stock:3": {"product": "product:3", "quantity": "93", "reserved": "6", "levels": [
        {"location": "Storage Zone", "warehouse": "Warehouse", "quantity": "83", "reserved": "5"},
        {"location": "Shelf", "code": "S1", "quantity": "10", "reserved": "1"}]},
    "stock:901": {"quantity": "0.15", "levels": [{"quantity": "0.15", "reserved": "0.00"}]},
    "stock:902": {"quantity": "0.00", "levels": [], "active": False},
    "order:901": {"rep": "rep:902", "price_list": "price_list:901", "delivery_address": 901,
                  "amounts": {"net": "0.50", "tax": "0.02", "total": "0.52"}, "lines": [
                      {"id": 9012, "text": "By hand", "net": "0.38", "discount": None},
                      {"id": 9011, "text": "Aniseed Syrup", "net": "0.12", "discount": "50.00",
                       "taxes": ["tax:901"]}]},
    "order:902": {"number": "902", "rep": "rep:904", "customer": "customer:2",
                  "invoice_customer": "customer:3", "delivery_customer": None,
                  "amounts": {"net": "18.00", "tax": "2.62", "total": "20.62"}, "lines": [
                      {"kind": "section", "quantity": None, "net": None},
                      {"kind": "product", "quantity": "0.30", "unit": "unit:2", "net": "3.00"},
                      {"quantity": "2.50", "taxes": ["tax:902", "tax:903", "tax:907"]},
                      {"kind": "subtotal", "net": None}, {"kind": "note", "text": "Returned:"},
                      {"quantity": "-1", "net": "-10.00"}]},
    "order:903": {"amounts": {"net": "20.00", "tax": None, "total": None}},
    "order:904": {"state": "confirmed", "invoiced": "waiting",
                  "amounts": {"net": "100.00", "tax": "20.00", "total": "120.00"}},
    "order:906": {"currency": "currency:902",
                  "amounts": {"net": "0.30", "tax": "0.00", "total": "0.30"}},
    "invoice:901": {"number": "INV1", "kind": "invoice", "state": "posted", "payment": "partial",
                    "rep": "rep:904", "due": "2026-04-01", "orders": ["order:904"],
                    "amounts": {"net": "45.81", "tax": "7.68", "total": "53.49", "due": "48.49"},
                    "lines": [{"quantity": "3", "net": "30.38", "taxes": ["tax:901"]},
                              {"quantity": "1.25", "net": "15.43"}, {"kind": "note"}]},
    "invoice:902": {"number": None, "kind": "credit_note", "state": "draft", "orders": None,
                    "amounts": {"net": "30.38", "tax": "6.08", "total": "36.46", "due": "0.00"},
                    "lines": [{"quantity": "3", "net": "30.38"}]},
    "invoice:904": {"state": "posted", "payment": "paid",
                    "amounts": {"total": "10.00", "due": "0.00"}},
}
NOT_THERE = ["tax:909", "price_list:903", "order:905", "invoice:903", "stock:903", "rep:6",
             "customer:1", "customer:901", "customer:902", "customer:904"]


def test_what_is_computed_is_what_tryton_computes(more):
    wrong = {key: more.get(key) for key, expected in EXPECTED.items()
             if not is_part(expected, more.get(key))}
    assert wrong == {}
    assert [key for key in NOT_THERE if key in more] == []


def test_documents_follow_the_schemas_and_references_lead_to_documents(more):
    assert not model.faults(list(more.values()))
    assert packs.dangling(more) == {}
    assert len({ref.split(":")[0] for ref in packs.references(list(more.values()))}) == 9
    addresses = {key: {a["id"] for a in doc["addresses"]}
                 for key, doc in of_type(more, "customer").items()}
    for key, doc in of_type(more, "order").items():
        assert doc["invoice_address"] in addresses[
            doc.get("invoice_customer", doc["customer"])], key
        assert doc["delivery_address"] in addresses[
            doc.get("delivery_customer", doc["customer"])], key


def test_taxes_rounded_line_by_line(more, pack, tryton):
    assert more["order:901"]["amounts"]["tax"] == "0.02"  # 0.00625 + 0.01875
    tryton.sql("UPDATE account_configuration_tax_rounding SET tax_rounding = 'line'")
    pack.run("order").counts("order", updated=1, unchanged=551)
    # 0.01875 is 0.02, and 0.02 + 0.00625 is 0.03: the line without a sequence comes first.
    assert pack.db("erp").get("order:901")["amounts"] == {
        "net": "0.50", "tax": "0.03", "total": "0.53"}


def test_another_company(more, pack):
    lines = pack.erp2couch("preview", "product", "--key", "901",
                           env={"TRYTON_COMPANY": "2"}).expect(Exit.OK).lines
    assert lines[0]["price"] == "99.0000" and more["product:901"]["price"] == "12.5000"
    lines = pack.erp2couch("preview", "order", env={"TRYTON_COMPANY": "2"}).expect(Exit.OK).lines
    assert [line["_id"] for line in lines] == ["order:905"]


# ---- changes ----

CHANGES = {
    "UPDATE sale_line SET quantity = quantity + 1 WHERE id = 100": {"order": {"updated": 1}},
    "UPDATE sale_sale SET write_date = now() AT TIME ZONE 'UTC' WHERE id = 7": {},
    "UPDATE party_address SET city = 'Elsewhere' WHERE party = 9": {"customer": {"updated": 1}},
    "UPDATE product_list_price SET list_price = 20 WHERE template = 5": {"product": {"updated": 1}},
    "UPDATE product_list_price SET list_price = 20.00 WHERE template = 5": {},
    "UPDATE product_template SET active = false WHERE id = 6":
        {"product": {"updated": 1}, "stock": {"updated": 1}},
    "UPDATE currency_currency SET symbol = 'US$'": {"currency": {"updated": 1}},
    "INSERT INTO stock_move (product, uom, quantity, internal_quantity, from_location, to_location,"
    " state, effective_date, company) VALUES (8, 1, 2, 2, 6, 3, 'done', '2026-01-01', 1)":
        {"stock": {"updated": 1}},
    "DELETE FROM sale_line WHERE id = (SELECT min(id) FROM sale_line WHERE sale = 12)":
        {"order": {"updated": 1}},
    # As Tryton deletes, with module sale_history: a row of NULLs stays behind.
    "DELETE FROM sale_sale WHERE id = 11; INSERT INTO sale_sale__history (id, write_date)"
    " VALUES (11, now() AT TIME ZONE 'UTC')": {"order": {"deleted": 1}},
}


@pytest.mark.slow
def test_a_changed_row_is_a_changed_document(pack, tryton):
    pack.run()
    db = pack.db("erp")
    for change, expected in CHANGES.items():
        tryton.sql(change)
        before = db.update_number()
        assert written(pack.run()) == expected, change
        assert db.update_number() - before == sum(
            n for counts in expected.values() for n in counts.values()), change
    assert db.get("order:11") is None
    assert db.get("product:5")["price"] == "20.0000"
    changed = sorted(key for key, rev in db.revs().items() if not rev.startswith("1-"))
    assert changed == ["currency:1", "customer:9", "order:12", "order:38", "product:5",
                       "product:6", "stock:6", "stock:8"]


# ---- rights ----

def test_the_grants_of_the_readme_suffice(pack, tryton, cluster):
    readme = README.read_text()
    grants = re.search(r"^```sql\n(.*?)^```$", readme, re.M | re.S).group(1)
    role = "r_" + uuid.uuid4().hex[:12]
    grants = re.sub(r"\berp2couch\b", role, grants)
    cluster.sql(tryton.name, grants.replace("change-me", READER_PASSWORD.replace("'", "''")))
    try:
        pack.env["ERP_DSN"] = tryton.dsn(user=role)
        pack.erp2couch("check", "--connect").expect(Exit.OK)
        pack.run().counts("order", created=547)
        with pytest.raises(Exception, match="permission denied"):
            tryton.sql(f"SET ROLE {role}; SELECT password_hash FROM res_user")
    finally:
        cluster.sql(tryton.name, f"RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}")
