"""The main job on real ERP databases: Odoo's variants and orders, Tryton's sales."""

from decimal import Decimal

import pytest

from support.project import ROOT

DATA = ROOT / "tests/data"


@pytest.fixture
def shop(make_project, couch, odoo):
    """A project on a copy of the Odoo database, with both mappers."""
    made = make_project(couch, odoo)
    for path in sorted((DATA / "odoo").glob("*.yaml")):
        made.mapper(path.stem, path.read_text())
    return made


def in_odoo(odoo, text):
    return {row[0]: row[1:] for row in odoo.sql(text)}


def check_variants(docs, odoo):
    rows = in_odoo(odoo, """
        SELECT p.id, t.name->>'en_US', round(t.list_price, 2)::text, p.active,
               NULLIF(btrim(p.default_code), '')
          FROM product_product p JOIN product_template t ON t.id = p.product_tmpl_id""")
    assert len(docs) == len(rows)
    for key, (name, price, active, sku) in rows.items():
        doc = docs[f"variant:{key}"]
        assert (doc["name"], doc["price"], doc["active"], doc.get("sku")) == (
            name, price, active, sku), doc
        assert doc["names"]["en_US"] == name


def check_orders(docs, odoo):
    totals = in_odoo(odoo, "SELECT name, amount_total::numeric(20,2)::text FROM sale_order")
    lines = {}
    for number, *values in odoo.sql("""
            SELECT o.name, l.product_id::text, l.product_uom_qty::text,
                   l.price_total::numeric(20,2)::text
              FROM sale_order_line l JOIN sale_order o ON o.id = l.order_id
             ORDER BY l.order_id, l.sequence, l.id"""):
        lines.setdefault(number, []).append(tuple(values))
    assert len(docs) == len(totals)
    for number, (total,) in totals.items():
        doc = docs[f"order:{number}"]
        assert doc["amounts"]["total"] == total, doc
        assert [(line.get("product"), line["quantity"], line["total"])
                for line in doc["lines"]] == lines.get(number, []), number
        assert sum(Decimal(line["total"]) for line in doc["lines"]) == Decimal(total), number


@pytest.mark.slow
def test_variants_and_orders_of_odoo(shop, odoo, apache_couch):
    assert odoo.value("SELECT count(*) FROM product_product") == 75717
    assert odoo.value("SELECT count(*) FROM sale_order") == 2025
    assert odoo.value("SELECT count(*) FROM sale_order_line") == 50050
    result = shop.run(timeout=600)
    result.counts("variant", created=75717)
    result.counts("order", created=2025)
    catalog, orders = shop.db("catalog"), shop.db("orders")
    check_variants(catalog.docs(), odoo)
    documents = orders.docs()
    check_orders(documents, odoo)
    assert sum(len(doc["lines"]) for doc in documents.values()) == 50050

    shop.quiet_run(databases=("catalog", "orders"), unchanged=75717 + 2025, timeout=600)
    for target in (catalog, orders):
        assert {rev[:2] for rev in target.revs().values()} == {"1-"}

    odoo.sql("UPDATE product_product SET barcode = 'one updated row' WHERE id = 4711")
    writes = catalog.update_number()
    result = shop.run(timeout=600)
    result.counts("variant", updated=1, unchanged=75716)
    result.counts("order", unchanged=2025)
    assert catalog.update_number() == writes + 1
    assert [key for key, rev in catalog.revs().items() if not rev.startswith("1-")] == [
        "variant:4711"]
    assert catalog.get("variant:4711")["barcode"] == "one updated row"
    changes_reach_what_they_concern(shop, odoo)


def changes_reach_what_they_concern(shop, odoo):
    """One price of a template reaches all its variants; one line its order; a rename moves."""
    template, variants = odoo.sql("SELECT product_tmpl_id, count(*) FROM product_product"
                                  " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1")[0]
    odoo.sql("UPDATE product_template SET list_price = list_price + 1 WHERE id = %s", [template])
    odoo.sql("UPDATE sale_order_line SET product_uom_qty = 77 WHERE id = 20000")
    odoo.sql("UPDATE sale_order SET name = 'RENAMED' WHERE id = (SELECT max(id) FROM sale_order"
             " WHERE id <> (SELECT order_id FROM sale_order_line WHERE id = 20000))")
    odoo.sql("UPDATE product_product SET write_date = now() AT TIME ZONE 'UTC'")  # not significant
    result = shop.run(timeout=600)
    result.counts("variant", updated=variants, unchanged=75717 - variants)
    result.counts("order", updated=1, moved=1, unchanged=2023)
    check_variants(shop.db("catalog").docs(), odoo)
    assert "order:RENAMED" in shop.db("orders").docs()
    (shop.folder / "state").rename(shop.folder / "lost")
    shop.quiet_run(databases=("catalog", "orders"), unchanged=75717 + 2025, timeout=600)


def test_sales_of_tryton(make_project, couch, tryton):
    project = make_project(couch, tryton)
    project.mapper("sale", (DATA / "tryton/sale.yaml").read_text())
    project.run().counts(created=547)
    docs = project.db("sales").docs()
    rows = tryton.sql("SELECT s.id, p.name, s.total_amount_cache::text, s.sale_date::text"
                      " FROM sale_sale s JOIN party_party p ON p.id = s.party")
    for key, name, total, date in rows:
        doc = docs[f"sale:{key}"]
        assert (doc["party"]["name"], doc["total"], doc.get("date")) == (name, total, date)
        assert [(line["quantity"], line["price"]) for line in doc["lines"]] == tryton.sql(
            "SELECT quantity, unit_price::text FROM sale_line WHERE sale = %s ORDER BY id", [key])
    project.quiet_run(databases=("sales",), unchanged=547)
    assert {rev[:2] for rev in project.db("sales").revs().values()} == {"1-"}
    tryton.sql("UPDATE sale_line SET quantity = quantity + 1 WHERE id = 100")
    project.run().counts(updated=1, unchanged=546)
