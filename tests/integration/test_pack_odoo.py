"""The pack mappers/odoo on a real Odoo 17: loaded whole, compared with SQL of the tests' own."""

import re
import uuid
from collections import Counter, defaultdict
from decimal import Decimal

import pytest

from support import model, packs

COUNTS = {
    "product": "SELECT count(*) FROM product_product",
    "category": "SELECT count(*) FROM product_category",
    "price_list": "SELECT count(*) FROM product_pricelist",
    "rep": "SELECT count(*) FROM res_users WHERE NOT share AND login NOT IN"
           " ('__system__', 'default')",
    "stock": "SELECT count(*) FROM product_product WHERE product_tmpl_id IN"
             " (SELECT id FROM product_template WHERE detailed_type = 'product')",
    "order": "SELECT count(*) FROM sale_order",
    "invoice": "SELECT count(*) FROM account_move WHERE move_type LIKE 'out%'",
    "tax": "SELECT count(*) FROM account_tax",
    "unit": "SELECT count(*) FROM uom_uom",
    "currency": "SELECT count(*) FROM res_currency",
}
SMALL = ("tax", "unit", "currency", "category", "rep", "price_list", "customer", "invoice")


# In the dump only contacts have a price list of their own. Every third of these is archived.
OWN_PRICE_LISTS = """
    INSERT INTO ir_property (fields_id, name, type, company_id, res_id, value_reference)
         SELECT f.id, f.name, 'many2one', 1, 'res.partner,' || p.id,
                'product.pricelist,' || CASE WHEN p.id % 3 = 0 THEN 36 ELSE 94 END
           FROM ir_model_fields f, res_partner p
          WHERE f.name = 'property_product_pricelist' AND f.model = 'res.partner'
            AND p.parent_id IS NULL AND p.id % 2 = 0"""


@pytest.fixture
def shop(make_project, couch, odoo):
    """A project with mappers of the pack, on a copy of the Odoo database."""
    odoo.sql(OWN_PRICE_LISTS)

    def make(*names):
        return packs.install(make_project(couch, odoo), "odoo", *names)
    return make


def by_id(odoo, text):
    return {row[0]: row[1:] for row in odoo.sql(text)}


def total(values):
    return sum(map(Decimal, values), Decimal(0))


def customers_of(odoo):
    """Ids by the rule in words: who bought, and everybody who is not staff or supplier only."""
    tree = by_id(odoo, "SELECT id, parent_id, is_company, customer_rank, supplier_rank"
                       " FROM res_partner")

    def top(partner):
        parent, is_company = tree[partner][:2]
        return partner if is_company or parent is None else top(parent)

    bought = {top(partner) for partner in odoo.column(
        "SELECT unnest(ARRAY[partner_id, partner_invoice_id, partner_shipping_id]) FROM sale_order"
        " UNION SELECT partner_id FROM account_move WHERE move_type LIKE 'out%'")}
    own = set(odoo.column("SELECT partner_id FROM res_users WHERE NOT share OR id IN (4, 5)"
                          " UNION SELECT partner_id FROM res_company"))
    others = {partner for partner, (_, _, buys, sells) in tree.items()
              if top(partner) == partner and partner not in own and (buys or not sells)}
    return bought | others, tree, top


def check_products(docs, odoo):
    rows = by_id(odoo, """
        SELECT p.id, t.name->>'en_US', p.active AND t.active, NULLIF(btrim(p.default_code), ''),
               'category:' || t.categ_id, t.list_price
          FROM product_product p, product_template t WHERE t.id = p.product_tmpl_id""")
    extras = by_id(odoo, """
        SELECT product_product_id, sum(price_extra), count(*) FROM product_variant_combination c,
               product_template_attribute_value v
         WHERE v.id = c.product_template_attribute_value_id GROUP BY 1""")
    costs = by_id(odoo, "SELECT substr(res_id, 17)::int, value_float::text FROM ir_property"
                        " WHERE name = 'standard_price' AND company_id = 1")
    for key, (name, active, sku, category, price) in rows.items():
        doc = docs[key]
        extra, values = extras.get(key, (0, 0))
        assert (doc["name"], doc["active"], doc.get("sku"), doc["category"], doc.get("cost")) == (
            name, active, sku, category, costs.get(key, (None,))[0]), doc
        assert Decimal(doc["price"]) == price + extra, doc
        assert len(doc.get("attributes", [])) == values, doc
    assert {doc["currency"] for doc in docs.values()} == {"currency:1"}
    taxes = by_id(odoo, "SELECT prod_id, array_agg(tax_id) FROM product_taxes_rel GROUP BY 1")
    for doc in docs.values():
        assert set(doc.get("taxes", [])) == {
            f"tax:{tax}" for tax in taxes.get(doc["template"], ([],))[0]}, doc


def check_categories(docs, odoo):
    rows = by_id(odoo, "SELECT id, name, parent_id FROM product_category")

    def path(key):
        name, parent = rows[key]
        return f"{path(parent)} / {name}" if parent else name

    for key, (name, parent) in rows.items():
        assert (docs[key]["name"], docs[key]["path"], docs[key].get("parent")) == (
            name, path(key), parent and f"category:{parent}")


BASES = {"list_price": "list_price", "standard_price": "cost_price", "pricelist": "price_list"}


def rule_of(row):
    """A rule of a price list as its document should have it, numbers as Decimal."""
    fixed, formula = row["compute_price"] == "fixed", row["compute_price"] == "formula"
    percent = row["price_discount"] if formula else row["percent_price"]
    scope = {"0_product_variant": ("product", f"product:{row['product_id']}"),
             "1_product": ("template", row["product_tmpl_id"]),
             "2_product_category": ("category", f"category:{row['categ_id']}")}
    expected = {"id": row["id"], "compute": row["compute_price"], "base": BASES[row["base"]]}
    expected.update([scope[row["applied_on"]]] if row["applied_on"] in scope else [])
    for name, value, present in (
            ("price", row["fixed_price"], fixed), ("percent", percent, not fixed),
            ("min_quantity", row["min_quantity"], row["min_quantity"]),
            ("surcharge", row["price_surcharge"], formula and row["price_surcharge"]),
            ("round", row["price_round"], formula and row["price_round"]),
            ("min_margin", row["price_min_margin"], formula and row["price_min_margin"]),
            ("max_margin", row["price_max_margin"], formula and row["price_max_margin"])):
        if present and value is not None:
            expected[name] = Decimal(str(value))
    return expected


def comparable(rule):
    numbers = ("price", "percent", "min_quantity", "surcharge", "round", "min_margin",
               "max_margin")
    return {name: Decimal(value) if name in numbers else value for name, value in rule.items()
            if name not in ("from", "until")}


def check_price_lists(docs, odoo):
    lists = by_id(odoo, "SELECT id, name->>'en_US', currency_id, active FROM product_pricelist")
    for key, (name, currency, active) in lists.items():
        doc = docs[key]
        assert (doc["name"], doc["currency"], doc["active"]) == (
            name, f"currency:{currency}", active)
    rules = {rule["id"]: (key, rule) for key, doc in docs.items() for rule in doc["rules"]}
    rows = [row[0] for row in odoo.sql("SELECT row_to_json(i) FROM product_pricelist_item i")]
    assert len(rows) == len(rules) == sum(len(doc["rules"]) for doc in docs.values())
    for row in rows:
        key, rule = rules[row["id"]]
        assert key == row["pricelist_id"]
        assert comparable(rule) == rule_of(row), row
    paths = by_id(odoo, "SELECT id, complete_name FROM product_category")
    for doc in docs.values():
        check_rule_order(doc, {f"category:{key}": path for key, (path,) in paths.items()})


def check_rule_order(doc, paths):
    """As Odoo tries them: by scope, then larger minimums, children of a category before it."""
    places, passed = [], defaultdict(list)
    for rule in doc["rules"]:
        scope = next((number for number, name in enumerate(("product", "template", "category"))
                      if name in rule), 3)
        places.append((scope, -Decimal(rule.get("min_quantity", 0))))
        if scope == 2:
            path = paths[rule["category"]]
            assert not any(path.startswith(before + " / ") for before in passed[places[-1]]), rule
            passed[places[-1]].append(path)
    assert places == sorted(places), doc["_id"]


def check_customers(docs, odoo):
    expected, tree, top = customers_of(odoo)
    assert set(docs) == expected
    below = defaultdict(set)
    for partner in tree:
        if top(partner) != partner:
            below[top(partner)].add(partner)
    rows = by_id(odoo, "SELECT id, name, active, is_company, NULLIF(btrim(ref), ''),"
                       " NULLIF(street, ''),"
                       " (SELECT code FROM res_country c WHERE c.id = country_id),"
                       " array_to_string(ARRAY[street, street2, zip, city], '') <> ''"
                       " OR state_id IS NOT NULL OR country_id IS NOT NULL"
                       " FROM res_partner")
    for key, doc in docs.items():
        name, active, is_company, ref, street, country, located = rows[key]
        assert (doc["name"], doc["active"], doc["company"], doc.get("code")) == (
            name.strip(), active, is_company, ref), doc
        assert {one["id"] for one in doc["contacts"]} == below[key]
        assert {one["id"] for one in doc["addresses"]} <= below[key] | {key}
        main = [one for one in doc["addresses"] if one["kind"] == "main"]
        assert [(one["id"], one.get("street"), one.get("country")) for one in main] == (
            [(key, street, country)] if located else []), doc
    check_terms(docs, odoo)


def check_terms(docs, odoo):
    """Price lists, payment terms and tags of customers."""
    active = set(odoo.column("SELECT id FROM product_pricelist WHERE active"))
    chosen = by_id(odoo, "SELECT substr(res_id, 13)::int, substr(value_reference, 19)::int"
                         " FROM ir_property WHERE name = 'property_product_pricelist'")
    company = by_id(odoo, "SELECT id, COALESCE(company_id, 1) FROM res_partner")
    own = {key: f"price_list:{chosen[key][0]}" for key in docs
           if key in chosen and company[key][0] == 1 and chosen[key][0] in active}
    assert 100 < len(own) < len(chosen)
    assert {key: docs[key]["price_list"] for key in own} == own
    first = by_id(odoo, """
        SELECT c.id, (SELECT l.id FROM product_pricelist l
                       WHERE active AND (company_id = c.id OR company_id IS NULL)
                       ORDER BY sequence, id LIMIT 1)
          FROM res_company c""")  # the database has no price lists for countries
    assert odoo.value("SELECT count(*) FROM res_country_group_pricelist_rel") == 0
    for key in set(docs) - set(own):
        assert docs[key]["price_list"] == f"price_list:{first[company[key][0]][0]}", docs[key]
    terms = odoo.sql("SELECT substr(res_id, 13)::int, t.name->>'en_US' FROM ir_property i,"
                     " account_payment_term t WHERE i.name = 'property_payment_term_id'"
                     " AND value_reference = 'account.payment.term,' || t.id AND i.company_id = 1")
    assert {key: docs[key]["payment_term"] for key, _ in terms if key in docs} == {
        key: term for key, term in terms if key in docs}
    tags = Counter(tag for doc in docs.values() for tag in doc.get("tags", []))
    assert tags == Counter(odoo.column(
        "SELECT c.name->>'en_US' FROM res_partner_category c, res_partner_res_partner_category_rel"
        " WHERE c.id = category_id AND partner_id = ANY (%s)", [list(docs)]))


def check_reps(docs, odoo):
    rows = by_id(odoo, "SELECT u.id, p.name, u.login, u.active FROM res_users u, res_partner p"
                       " WHERE p.id = u.partner_id AND NOT u.share AND u.id NOT IN (1, 3)")
    assert {key: (doc["name"], doc["login"], doc["active"]) for key, doc in docs.items()} == rows
    assert docs[2]["team"] == "Sales"


def check_stock(docs, odoo):
    rows = odoo.sql("SELECT product_id, complete_name, quantity, reserved_quantity"
                    " FROM stock_quant q JOIN stock_location l ON l.id = q.location_id"
                    " WHERE usage = 'internal'")
    held = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for product, location, quantity, reserved in rows:
        for key in ((product, location), product):
            held[key][0] += quantity or 0
            held[key][1] += reserved
    assert {row[0] for row in rows} <= set(docs)
    for key, doc in docs.items():
        assert [Decimal(doc["quantity"]), Decimal(doc["reserved"])] == held[key], doc
        assert doc["product"] == f"product:{key}"
    levels = {(key, level["location"]): [Decimal(level["quantity"]), Decimal(level["reserved"])]
              for key, doc in docs.items() for level in doc["levels"]}
    assert levels == {key: value for key, value in held.items() if isinstance(key, tuple)}


def check_lines(doc, lines):
    """`lines`: (id, product, quantity, total) in their order."""
    assert [(line["id"], line.get("product"), Decimal(line["quantity"]), Decimal(line["total"]))
            for line in doc["lines"]] == [
        (key, product and f"product:{product}", quantity, amount)
        for key, product, quantity, amount in lines], doc["_id"]
    assert total(line["total"] for line in doc["lines"]) == Decimal(doc["amounts"]["total"])
    assert total(line["net"] for line in doc["lines"]) == Decimal(doc["amounts"]["net"])


def lines_of(odoo, text):
    lines = defaultdict(list)
    for parent, *line in odoo.sql(text):
        lines[parent].append(line)
    return lines


def check_orders(docs, odoo):
    rows = by_id(odoo, "SELECT id, name, amount_total::text, partner_id, partner_invoice_id,"
                       " partner_shipping_id, to_char(date_order, 'YYYY-MM-DD\"T\"HH24:MI:SS')"
                       " FROM sale_order")
    lines = lines_of(odoo, "SELECT order_id, id, product_id, product_uom_qty, price_total"
                           " FROM sale_order_line ORDER BY order_id, sequence, id")
    top = customers_of(odoo)[2]
    for key, (number, amount, buyer, invoice, delivery, ordered) in rows.items():
        doc = docs[key]
        assert (doc["number"], doc["amounts"]["total"]) == (number, amount)
        assert doc["customer"] == f"customer:{top(buyer)}"
        assert doc.get("contact", top(buyer)) == buyer
        assert (doc["invoice_address"], doc["delivery_address"]) == (invoice, delivery)
        assert doc["ordered"].startswith(ordered) and doc["ordered"].endswith("Z")
        check_lines(doc, lines[key])
    taxes = Counter(tax for doc in docs.values() for line in doc["lines"]
                    for tax in line.get("taxes", []))
    assert taxes == Counter(odoo.column(
        "SELECT 'tax:' || account_tax_id FROM account_tax_sale_order_line_rel"))


def check_invoices(docs, odoo):
    rows = by_id(odoo, "SELECT id, name, move_type, amount_total::text, amount_residual::text,"
                       " invoice_date::text FROM account_move WHERE move_type LIKE 'out%'")
    lines = lines_of(odoo, "SELECT move_id, id, product_id, quantity, price_total"
                           " FROM account_move_line WHERE display_type = 'product'"
                           " ORDER BY move_id, sequence, id")
    kinds = {"out_invoice": "invoice", "out_refund": "credit_note"}
    for key, (number, kind, amount, due, date) in rows.items():
        doc = docs[key]
        assert (doc["number"], doc["kind"], doc["amounts"]["total"], doc["amounts"]["due"],
                doc["date"]) == (number, kinds[kind], amount, due, date)
        check_lines(doc, lines[key])


def check_small_ones(docs, odoo):
    taxes = by_id(odoo, "SELECT id, name->>'en_US', amount::text, type_tax_use FROM account_tax")
    assert {key: (doc["name"], doc["rate"], doc["use"])
            for key, doc in docs["tax"].items()} == taxes
    factors = {doc["name"]: doc["factor"] for doc in docs["unit"].values()}
    assert (factors["Units"], factors["Dozens"], factors["km"], factors["g"]) == (
        "1", "12", "1000", "0.001")
    rates = {}
    for currency, rate in odoo.sql("SELECT currency_id, rate::text FROM res_currency_rate"
                                   " WHERE name <= now()::date AND company_id = 1 ORDER BY name"):
        rates[currency] = rate
    assert {key: doc["rate"] for key, doc in docs["currency"].items() if "rate" in doc} == rates
    assert {doc["code"] for doc in docs["currency"].values() if doc["active"]} == set(
        odoo.column("SELECT name FROM res_currency WHERE active"))


CHECKS = {"product": check_products, "category": check_categories,
          "price_list": check_price_lists, "customer": check_customers, "rep": check_reps,
          "stock": check_stock, "order": check_orders, "invoice": check_invoices}


SAMPLE = 300  # documents of a type that are judged by its schema: Python takes a millisecond each


def check_all(docs, odoo):
    """Counts, values and totals of every type in `docs`, {type: {id: document}}."""
    for kind, found in docs.items():
        assert not model.faults(list(found.values())[::len(found) // SAMPLE + 1])
        if kind in COUNTS:
            assert len(found) == odoo.value(COUNTS[kind]), kind
    for kind, check in CHECKS.items():
        if kind in docs:
            check(docs[kind], odoo)
    check_small_ones(docs, odoo)


def check_addresses(docs):
    """An order's addresses are in the document of its customer, or of the one it names."""
    known = {key: {key, *(one["id"] for one in doc["addresses"] + doc["contacts"])}
             for key, doc in docs["customer"].items()}
    for order in docs["order"].values():
        for use in ("invoice", "delivery"):
            owner = order.get(f"{use}_customer", order["customer"])
            assert order[f"{use}_address"] in known[int(owner.partition(":")[2])], order


@pytest.mark.slow
def test_small_mappers(shop, odoo):
    """All but products, stock and orders: quick enough for the sanitizers."""
    project = shop(*SMALL)
    result = project.run(timeout=300)
    documents = project.db("erp").docs()
    docs = packs.by_type(documents)
    assert set(docs) == set(SMALL)
    check_all(docs, odoo)
    assert not project.rejects()
    for kind in SMALL:
        result.counts(kind, created=len(docs[kind]))
    missing = {ref.partition(":")[0] for refs in packs.dangling(documents).values()
               for ref in refs}
    assert missing <= {"product", "order"}
    project.quiet_run(databases=("erp",), unchanged=len(documents), timeout=300)


# One changed row, and the documents that it concerns.
CHANGES = [
    ("UPDATE product_product SET barcode = 'one row' WHERE id = 4711", "product:4711"),
    ("UPDATE sale_order_line SET product_uom_qty = 77 WHERE id = 20000", "order:{order}"),
    ("UPDATE stock_quant SET quantity = quantity + 1 WHERE id = (SELECT max(q.id) FROM stock_quant"
     " q, stock_location l WHERE l.id = q.location_id AND usage = 'internal')", "stock:{stocked}"),
    ("UPDATE product_pricelist_item SET min_quantity = 321 WHERE id = 100", "price_list:{list}"),
    ("UPDATE res_partner SET street = 'One Row 1' WHERE id = 26", "customer:14"),
    ("UPDATE account_move SET amount_residual = 1 WHERE id = 1", "invoice:1"),
    ("UPDATE res_users SET active = false WHERE id = 2", "rep:2"),
    ("UPDATE product_category SET complete_name = 'A' WHERE id = 7", "category:7"),
    ("UPDATE uom_uom SET factor = 0.5 WHERE id = 2", "unit:2"),
    ("UPDATE account_tax SET name = '{\"fr_BE\": \"TVA\"}' WHERE id = 2", "tax:2"),
    ("INSERT INTO res_currency_rate (currency_id, company_id, name, rate) VALUES"
     " (1, 1, '2020-01-01', 1.5)", "currency:1"),
]


def change_rows(odoo):
    """Does what CHANGES says. Returns the ids of the documents that must change."""
    ids = {
        "order": odoo.value("SELECT order_id FROM sale_order_line WHERE id = 20000"),
        "list": odoo.value("SELECT pricelist_id FROM product_pricelist_item WHERE id = 100"),
        "stocked": odoo.value("SELECT product_id FROM stock_quant q, stock_location l"
                              " WHERE l.id = q.location_id AND usage = 'internal'"
                              " ORDER BY q.id DESC LIMIT 1"),
    }
    for statement, _ in CHANGES:
        odoo.sql(statement)
    return [target.format(**ids) for _, target in CHANGES]


def change_what_concerns_others(odoo):
    """One price of a template concerns all its variants; modification times alone concern nothing.
    Returns the ids of the documents that must change."""
    template = odoo.value("SELECT product_tmpl_id FROM product_product GROUP BY 1"
                          " ORDER BY count(*) DESC, 1 LIMIT 1")
    odoo.sql("UPDATE product_template SET list_price = list_price + 1 WHERE id = %s", [template])
    odoo.sql("UPDATE product_product SET write_date = now() AT TIME ZONE 'UTC'")
    odoo.sql("UPDATE sale_order SET write_date = NULL")
    odoo.sql("UPDATE sale_order SET name = 'RENAMED' WHERE id = 7")
    variants = odoo.sql("SELECT id FROM product_product WHERE product_tmpl_id = %s", [template])
    return [f"product:{number}" for number, in variants] + ["order:7"]


@pytest.mark.slow
def test_whole_pack(shop, odoo, apache_couch):
    assert odoo.value("SELECT count(*) FROM product_product") == 75717
    assert odoo.value("SELECT count(*) FROM sale_order_line") == 50050
    project = shop()
    result = project.run(timeout=900)
    target = project.db("erp")
    documents, revs, _ = target.contents()
    docs = packs.by_type(documents)
    assert set(docs) == set(packs.mappers("odoo"))
    for kind, found in docs.items():
        result.counts(kind, created=len(found))
    assert not project.rejects()
    check_all(docs, odoo)
    assert sum(len(doc["lines"]) for doc in docs["order"].values()) == 50050
    assert not packs.dangling(documents)
    check_addresses(docs)

    assert {rev[:2] for rev in revs.values()} == {"1-"}

    rows, concerned = change_rows(odoo), change_what_concerns_others(odoo)
    expected, writes = sorted({*rows, *concerned}), target.update_number()
    result = project.run(timeout=900)
    changed = sorted(key for key, rev in target.revs().items() if not rev.startswith("1-"))
    assert changed == expected
    assert target.update_number() == writes + len(expected)
    for kind, found in docs.items():
        updated = sum(key.startswith(kind + ":") for key in expected)
        result.counts(kind, updated=updated, unchanged=len(found) - updated)
    assert target.get("tax:2")["name"] == "TVA"    # no en_US: any language
    assert target.get("currency:1")["rate"] == "1.5"
    assert target.get("order:7")["number"] == "RENAMED"
    for key in concerned[:-1]:
        assert Decimal(target.get(key)["price"]) == Decimal(documents[key]["price"]) + 1

    (project.folder / "state").rename(project.folder / "lost")
    project.quiet_run(databases=("erp",), unchanged=len(documents), timeout=900)


def test_traps(shop, odoo):
    """What the database has no example of: rows made here, the documents looked at one by one."""
    odoo.sql("""
        UPDATE sale_order_line SET display_type = 'line_section', product_id = NULL,
               product_uom = NULL, product_uom_qty = 0, price_unit = 0, customer_lead = 0
         WHERE id = 2;
        UPDATE sale_order_line SET display_type = 'line_note', product_id = NULL,
               product_uom = NULL, product_uom_qty = 0, price_unit = 0, customer_lead = 0
         WHERE id = 3;
        UPDATE sale_order SET user_id = 1, write_date = NULL, partner_shipping_id = 14,
               currency_id = NULL WHERE id = 1;
        UPDATE sale_order SET user_id = 7, partner_id = 26 WHERE id = 2;
        UPDATE res_partner SET vat = '/', ref = ' ', email = '' WHERE id = 14;
        UPDATE res_partner SET active = false, type = 'delivery' WHERE id = 26;
        INSERT INTO res_country_group (name) VALUES ('{"en_US": "US"}');
        INSERT INTO res_country_res_country_group_rel SELECT 233, max(id) FROM res_country_group;
        INSERT INTO res_country_group_pricelist_rel
             SELECT 106, max(id) FROM res_country_group;
        UPDATE account_tax SET amount_type = 'group' WHERE id = 1;
        INSERT INTO account_tax_filiation_rel VALUES (1, 4), (1, 3);
        UPDATE account_tax SET amount_type = 'fixed' WHERE id = 3;
        INSERT INTO res_currency_rate (currency_id, company_id, name, rate) VALUES
               (1, 1, '2999-01-01', 9), (126, NULL, '2025-01-01', 8), (126, 1, '2001-01-01', 7)""")
    odoo.sql("DELETE FROM res_currency_rate WHERE currency_id = 126 AND company_id = 1"
             " AND name > '2001-01-01'")
    leftover = odoo.value("UPDATE product_pricelist_item SET product_id = 4711 WHERE id = (SELECT"
                          " max(id) FROM product_pricelist_item WHERE applied_on = '3_global')"
                          " RETURNING id")
    project = shop("order", "customer", "price_list", "tax", "currency")

    def preview(mapper, key):
        doc = project.erp2couch("preview", mapper, "--key", key).expect(0).lines[0]
        assert not model.faults([doc])
        return doc

    order = preview("order", 1)
    assert [(line["kind"], "product" in line, "unit" in line) for line in order["lines"]] == [
        ("product", True, True), ("section", False, False), ("note", False, False)]
    assert not {"rep", "updated", "invoice_customer"} & set(order)
    assert (order["delivery_address"], order["delivery_customer"], order["currency"]) == (
        14, "customer:14", "currency:1")
    order = preview("order", 2)
    assert (order["customer"], order["contact"]) == ("customer:14", 26)
    assert "rep" not in order    # 7 is a user of the portal
    customer = preview("customer", 14)
    assert not {"tax_id", "code", "email"} & set(customer)
    assert [(one["id"], one["kind"], one["active"]) for one in customer["addresses"]] == [
        (14, "main", True), (26, "delivery", False), (27, "contact", True), (33, "contact", True)]
    assert [one["id"] for one in customer["contacts"]] == [27, 33]
    assert preview("customer", 14)["price_list"] == "price_list:94"    # its own
    odoo.sql("DELETE FROM ir_property WHERE name = 'property_product_pricelist'")
    assert preview("customer", 14)["price_list"] == "price_list:106"    # the list for its country
    odoo.sql("UPDATE res_partner SET country_id = NULL WHERE id = 14")
    assert preview("customer", 14)["price_list"] == "price_list:82"
    rules = [rule for doc in project.erp2couch("preview", "price_list").expect(0).lines
             for rule in doc["rules"]]
    assert leftover in [rule["id"] for rule in rules if not set(rule) & {"product", "template",
                                                                         "category"}]
    assert preview("tax", 1)["parts"] == ["tax:3", "tax:4"]
    assert "rate" not in preview("tax", 1) and "amount" not in preview("tax", 1)
    assert preview("tax", 3)["amount"] == "15.0000"
    assert preview("currency", 1).get("rate") != "9"    # not before 2999
    assert preview("currency", 126)["rate"] == "7"      # the company's before the one for all


def test_language_and_company(shop, odoo):
    odoo.sql("UPDATE uom_uom SET name = '{\"en_US\": \"Dozen\", \"fr_FR\": \"Douzaine\"}'"
             " WHERE id = 2")
    odoo.sql("INSERT INTO ir_property (fields_id, name, res_id, company_id, type, value_float)"
             " SELECT fields_id, name, 'product.product,4711', 3, type, 0.1 + 0.2 FROM ir_property"
             " WHERE name = 'standard_price' LIMIT 1")
    project = shop("unit", "product")
    project.env.update(ODOO_LANG="fr_FR", ODOO_COMPANY="3")
    unit = project.erp2couch("preview", "unit", "--key", 2).expect(0).lines[0]
    assert (unit["name"], unit["names"]["en_US"]) == ("Douzaine", "Dozen")
    product = project.erp2couch("preview", "product", "--key", 4711).expect(0).lines[0]
    assert product["cost"] == "0.3" and product["currency"] == "currency:1"
    assert product["name"] == product["names"]["en_US"]


@pytest.mark.slow
def test_rights_of_the_readme_suffice(shop, odoo):
    readme = (packs.FOLDER / "odoo/README.md").read_text()
    role = "role_" + uuid.uuid4().hex[:10]
    grants = re.search(r"```sql\n(.*?)```", readme, re.S).group(1)
    odoo.sql(re.sub(r"\berp2couch\b", role, grants))
    try:
        project = shop()
        project.env["ERP_DSN"] = odoo.dsn(user=role, password="change-me")
        project.erp2couch("check", "--connect").expect(0)
        for name in packs.mappers("odoo"):
            project.erp2couch("preview", name, "--limit", 1).expect(0)
    finally:
        odoo.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")
