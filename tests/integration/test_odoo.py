"""The main job on a real Tryton database: sales with their lines. Odoo: test_pack_odoo.py."""

from support.project import ROOT

DATA = ROOT / "tests/data"


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
