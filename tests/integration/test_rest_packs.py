"""The packs of ERPs with REST APIs, against servers that answer as the vendors' do.

Each pack: a first load with figures counted by hand, a quiet second run that writes no revision,
a change and a deletion followed, and how the vendor's error is shown.
"""

from zoneinfo import ZoneInfo

import pytest

from support import model, packs, rest_packs
from support.project import Exit


@pytest.fixture
def load(make_project, couch):
    """load(pack, server, source, env) -> a project with the pack."""

    def make(pack, server, source, env=None, only=()):
        project = make_project(couch)
        project.configure(sources={"erp": {"type": "rest", "dsn": None, "url": server.url,
                                           "retry_for": "2s", **source}})
        project.env.update(env or {})
        return packs.install(project, pack, *only)

    return make


def first_load(project, pack, **figures):
    """Runs all mappers of the pack: so many documents of each type, all valid, none pointing
    nowhere, none written twice."""
    result = project.run()
    assert {m["mapper"]: m["created"] for m in result.json["mappers"]} == figures, result
    assert set(figures) == set(packs.mappers(pack))
    docs = project.db("erp").docs()
    assert model.faults(list(docs.values())) == []
    assert packs.dangling(docs) == {}
    result = project.quiet_run(databases=("erp",))
    assert all(rev.startswith("1-") for rev in project.db("erp").revs().values())
    return docs, result


# ---- Odoo

ODOO_ENV = {"ODOO_DB": "erp", "ODOO_UID": "2", "ODOO_KEY": "secret"}
ODOO_PRODUCTS = 505


def odoo_products():
    yield {"id": 4711, "default_code": "FURN_7777", "name": "Office Chair", "categ_id": 8,
           "uom_id": 1, "detailed_type": "product", "sale_ok": True,
           "lst_price": 70.10000000000001, "currency_id": 1, "standard_price": 28.5,
           "taxes_id": [1], "weight": 9.2, "volume": 0.0, "product_tmpl_id": 7,
           "product_template_attribute_value_ids": [5]}
    yield {"id": 4712, "name": "Old Chair", "categ_id": 8, "uom_id": 1, "active": False,
           "detailed_type": "consu", "sale_ok": False, "lst_price": 1e-05, "currency_id": 1,
           "standard_price": 0.0, "taxes_id": [], "product_tmpl_id": 7}
    for n in range(1, ODOO_PRODUCTS - 1):
        yield {"id": n, "default_code": f"S{n}", "name": f"Service {n}", "categ_id": 1, "uom_id": 1,
               "detailed_type": "service", "sale_ok": True, "lst_price": n / 4, "currency_id": 1,
               "standard_price": 0.0, "taxes_id": [1], "product_tmpl_id": 100 + n}


ODOO = {
    "res.company": [{"id": 1, "name": "Ours", "partner_id": 1}],
    "crm.team": [{"id": 1, "name": "Sales"}],
    "uom.category": [{"id": 1, "name": "Unit"}],
    "uom.uom": [
        {"id": 1, "name": "Units", "category_id": 1, "factor_inv": 1.0, "rounding": 0.01},
        {"id": 2, "name": "Dozens", "category_id": 1, "factor_inv": 12.0, "rounding": 0.01}],
    "res.currency": [
        {"id": 1, "name": "EUR", "full_name": "Euro", "symbol": "€", "decimal_places": 2,
         "rounding": 0.01, "rate": 1.0, "date": False},
        {"id": 2, "name": "USD", "full_name": "US dollar", "symbol": "$", "decimal_places": 2,
         "rounding": 0.01, "rate": 1.0842, "date": "2026-01-02", "active": False}],
    "account.tax": [
        {"id": 1, "name": "23%", "amount_type": "percent", "amount": 23.0, "type_tax_use": "sale",
         "price_include": False, "company_id": 1, "country_code": "IE"},
        {"id": 2, "name": "Both", "amount_type": "group", "amount": 0.0, "type_tax_use": "sale",
         "children_tax_ids": [1], "company_id": 1}],
    "product.category": [
        {"id": 1, "name": "All", "complete_name": "All"},
        {"id": 8, "name": "Office", "complete_name": "All / Office", "parent_id": 1}],
    "product.template": [{"id": n} for n in (7, *range(101, 101 + ODOO_PRODUCTS))],
    "product.attribute": [{"id": 2, "name": "Colour"}],
    "product.template.attribute.value": [{"id": 5, "name": "Black", "attribute_id": 2}],
    "stock.warehouse": [{"id": 1, "name": "Main"}],
    "stock.location": [
        {"id": 4, "complete_name": "Partners/Customers", "usage": "customer"},
        {"id": 8, "complete_name": "WH/Stock", "usage": "internal", "warehouse_id": 1}],
    "stock.quant": [
        {"id": 1, "product_id": 4711, "location_id": 8, "quantity": 10.5,
         "reserved_quantity": 3.0},
        {"id": 2, "product_id": 4711, "location_id": 8, "quantity": 2.25,
         "reserved_quantity": 0.0},
        {"id": 3, "product_id": 4711, "location_id": 4, "quantity": -12.75,
         "reserved_quantity": 0.0}],
    "res.users": [
        {"id": 1, "login": "__system__", "name": "OdooBot", "share": False, "active": False},
        {"id": 2, "login": "admin", "name": "Admin", "share": False},
        {"id": 6, "login": "ann", "name": "Ann", "share": False, "email": "ann@example.com",
         "sale_team_id": 1},
        {"id": 7, "login": "buyer@example.com", "name": "Buyer", "share": True}],
    "res.country": [{"id": 233, "code": "US"}],
    "res.country.state": [{"id": 13, "name": "California"}],
    "account.payment.term": [{"id": 4, "name": "30 Days"}],
    "res.partner.category": [{"id": 3, "name": "Wholesale"}],
    "res.partner": [
        {"id": 1, "name": "Ours", "is_company": True, "partner_share": True,
         "commercial_partner_id": 1, "customer_rank": 0, "supplier_rank": 0},
        {"id": 3, "name": "Ann", "is_company": False, "partner_share": False,
         "commercial_partner_id": 3, "customer_rank": 0, "supplier_rank": 0},
        {"id": 14, "name": "Lumber Inc", "is_company": True, "partner_share": True, "ref": "LUMBER",
         "street": "1 Mill Rd", "zip": "95202", "city": "Stockton", "state_id": 13,
         "country_id": 233, "user_id": 6, "property_product_pricelist": 1,
         "property_payment_term_id": 4, "category_id": [3], "commercial_partner_id": 14,
         "customer_rank": 2, "supplier_rank": 0, "lang": "en_US"},
        {"id": 34, "name": "Lorraine", "parent_id": 14, "type": "contact", "is_company": False,
         "partner_share": True, "commercial_partner_id": 14, "email": "l@example.com"},
        {"id": 57, "name": "Yard 2", "parent_id": 14, "type": "delivery", "is_company": False,
         "partner_share": True, "commercial_partner_id": 14, "city": "Lodi"},
        {"id": 20, "name": "Supplier Ltd", "is_company": True, "partner_share": True,
         "commercial_partner_id": 20, "customer_rank": 0, "supplier_rank": 3},
        {"id": 21, "name": "Prospect", "is_company": False, "partner_share": True,
         "commercial_partner_id": 21, "customer_rank": 0, "supplier_rank": 0, "user_id": 1}],
    "product.pricelist": [{"id": 1, "name": "Public", "currency_id": 1}],
    "product.pricelist.item": [
        {"id": 11, "pricelist_id": 1, "applied_on": "3_global", "compute_price": "percentage",
         "percent_price": 5.0, "base": "list_price", "min_quantity": 0.0},
        {"id": 12, "pricelist_id": 1, "applied_on": "0_product_variant", "product_id": 4711,
         "compute_price": "fixed", "fixed_price": 61.0, "base": "list_price",
         "min_quantity": 10.0}],
    "sale.order": [
        {"id": 1, "name": "S00001", "state": "sale", "partner_id": 34, "partner_invoice_id": 14,
         "partner_shipping_id": 57, "user_id": 6, "pricelist_id": 1, "currency_id": 1,
         "date_order": "2026-01-02 11:00:00", "company_id": 1, "warehouse_id": 1,
         "amount_untaxed": 642.1, "amount_tax": 147.68, "amount_total": 789.78}],
    "sale.order.line": [
        {"id": 2, "order_id": 1, "sequence": 20, "display_type": "line_note", "name": "Thank you",
         "product_uom_qty": 0.0},
        {"id": 1, "order_id": 1, "sequence": 10, "product_id": 4711, "name": "Chair",
         "product_uom_qty": 10.0, "product_uom": 1, "price_unit": 64.21, "discount": 0.0,
         "tax_id": [1], "price_subtotal": 642.1, "price_total": 789.78, "qty_delivered": 4.0,
         "qty_invoiced": 10.0}],
    "account.move": [
        {"id": 13, "name": "INV/2026/00004", "move_type": "out_invoice", "state": "posted",
         "payment_state": "not_paid", "commercial_partner_id": 14, "currency_id": 1,
         "invoice_date": "2026-01-03", "amount_untaxed": 642.1, "amount_tax": 147.68,
         "amount_total": 789.78, "amount_residual": 789.78},
        {"id": 14, "name": "BILL/1", "move_type": "in_invoice", "state": "posted",
         "payment_state": "paid", "commercial_partner_id": 20, "currency_id": 1}],
    "account.move.line": [
        {"id": 23, "move_id": 13, "sequence": 10, "display_type": "product", "product_id": 4711,
         "name": "Chair", "quantity": 10.0, "product_uom_id": 1, "price_unit": 64.21,
         "tax_ids": [1], "price_subtotal": 642.1, "price_total": 789.78, "sale_line_ids": [1]}],
}


@pytest.fixture
def odoo():
    with rest_packs.Odoo({**ODOO, "product.product": list(odoo_products())}) as server:
        yield server


def test_odoo_is_loaded_and_followed(load, odoo):
    project = load("odoo-jsonrpc", odoo, {}, ODOO_ENV)
    docs, quiet = first_load(
        project, "odoo-jsonrpc", product=ODOO_PRODUCTS, category=2, price_list=1, customer=2,
        rep=2, stock=1, order=1, invoice=1, tax=2, unit=2, currency=2)
    chair, old = docs["product:4711"], docs["product:4712"]
    assert (chair["price"], chair["attributes"]) == \
        ("70.100000", [{"name": "Colour", "value": "Black"}])
    assert (old["active"], old["price"]) == (False, "0.000010")
    assert docs["stock:4711"]["levels"] == [
        {"location": "WH/Stock", "warehouse": "Main", "quantity": "12.75", "reserved": "3.0"}]
    assert [rule["id"] for rule in docs["price_list:1"]["rules"]] == [12, 11]
    lumber = docs["customer:14"]
    assert [a["id"] for a in lumber["addresses"]] == [14, 57]
    assert [c["name"] for c in lumber["contacts"]] == ["Lorraine"]
    assert "rep" not in docs["customer:21"]
    order = docs["order:1"]
    assert (order["customer"], order["contact"], order["delivery_address"]) == \
        ("customer:14", 34, 57)
    assert [line["kind"] for line in order["lines"]] == ["product", "note"]
    assert docs["invoice:13"]["orders"] == ["order:1"]
    # What has a cursor was not read again, but the newest.
    assert quiet.mapper("product")["read"] == 1, quiet

    odoo.write("sale.order", 1, amount_total=800.5)
    odoo.write("product.product", 400, name="Other")
    odoo.delete("product.product", 401)
    result = project.run("order", "product")
    result.counts("order", updated=1)
    result.counts("product", updated=1, unchanged=1)
    assert project.db("erp").docs()["order:1"]["amounts"]["total"] == "800.5"
    result = project.run("--full", "product")
    result.counts("product", deleted=1, unchanged=ODOO_PRODUCTS - 1)


def test_odoo_says_what_is_wrong_with_status_200(load, odoo):
    project = load("odoo-jsonrpc", odoo, {}, {**ODOO_ENV, "ODOO_KEY": "wrong"}, only=["unit"])
    project.erp2couch("preview", "unit").expect(Exit.CONFIG).says(
        r"POST http://127.0.0.1:\d+/jsonrpc: [^\n]*Access Denied")


# ---- Business Central

def guid(kind, number):
    return f"{kind:08x}-0000-4000-8000-{number:012x}"


ZERO = "00000000-0000-0000-0000-000000000000"
BC_ITEMS = 47
BC_ENV = {"BC_COMPANY": rest_packs.BusinessCentral.COMPANY}
BC = {
    "itemCategories": [{"id": guid(1, 1), "code": "TABLE", "displayName": "Tables"}],
    "unitsOfMeasure": [{"id": guid(2, 1), "code": "PCS", "displayName": "Piece", "symbol": "",
                        "internationalStandardCode": "EA"}],
    "currencies": [{"id": guid(3, n), "code": code, "displayName": name, "symbol": "",
                    "amountDecimalPlaces": "2:2", "amountRoundingPrecision": 0.01}
                   for n, code, name in ((1, "EUR", "Euro"), (2, "USD", "US dollar"))],
    "taxGroups": [{"id": guid(4, 1), "code": "STANDARD", "displayName": "Standard"}],
    "salespeoplePurchasers": [{"id": guid(5, 1), "code": "JR", "displayName": "John Roberts",
                               "email": "", "phoneNo": "", "jobTitle": "", "blocked": False}],
    "items": [{"id": guid(6, n), "number": str(1000 + n), "displayName": f"Table {n}",
               "type": "Inventory" if n % 2 else "Service", "itemCategoryId":
               guid(1, 1) if n % 2 else ZERO, "blocked": n == 47, "gtin": "", "unitPrice": n * 1.25,
               "unitCost": 1, "taxGroupCode": "STANDARD", "baseUnitOfMeasureId": guid(2, 1),
               "inventory": n * 2.5} for n in range(1, BC_ITEMS + 1)],
    "customers": [{"id": guid(7, 1), "number": "10000", "displayName": "Adatum", "type": "Company",
                   "addressLine1": "Station Road 21", "addressLine2": "", "city": "Atlanta",
                   "state": "GA", "country": "US", "postalCode": "31772", "phoneNumber": "",
                   "email": "", "website": "", "salespersonCode": "JR", "creditLimit": 0,
                   "taxRegistrationNumber": "", "currencyCode": "USD", "blocked": "_x0020_",
                   "paymentTerm": {"code": "30", "displayName": "30 days"}}],
    "salesOrders": [{
        "id": guid(8, n), "number": f"S{n}", "status": "Open", "customerId": guid(7, 1),
        "billToCustomerId": guid(7, 1), "salesperson": "JR", "currencyCode": "USD",
        "externalDocumentNumber": "", "orderDate": "2026-01-02", "fullyShipped": False,
        "requestedDeliveryDate": "0001-01-01", "totalAmountExcludingTax": 100.25,
        "totalTaxAmount": 6, "totalAmountIncludingTax": 106.25,
        "salesOrderLines": [
            {"id": guid(9, n), "sequence": 10000, "lineType": "Item", "itemId": guid(6, 1),
             "description": "Table", "unitOfMeasureId": guid(2, 1), "quantity": 2,
             "unitPrice": 50.125, "discountPercent": 0, "taxCode": "STANDARD", "netAmount": 100.25,
             "netAmountIncludingTax": 106.25, "shippedQuantity": 0, "invoicedQuantity": 0}]}
        for n in (1, 2)],
    "salesInvoices": [{
        "id": guid(10, 1), "number": "I1", "status": "Paid", "customerId": guid(7, 1),
        "salesperson": "", "currencyCode": "EUR", "orderId": guid(8, 1), "orderNumber": "S1",
        "externalDocumentNumber": "", "invoiceDate": "2026-01-03", "dueDate": "0001-01-01",
        "totalAmountExcludingTax": 1, "totalTaxAmount": 0, "totalAmountIncludingTax": 1,
        "remainingAmount": 0, "salesInvoiceLines": []}],
}


@pytest.fixture
def business_central():
    with rest_packs.BusinessCentral(BC, largest=20) as server:
        yield server


def test_business_central_is_loaded_and_followed(load, business_central):
    project = load("business-central", business_central, {"auth": {"bearer": "token"}}, BC_ENV)
    docs, quiet = first_load(
        project, "business-central", product=BC_ITEMS, category=1, customer=1, rep=1, stock=24,
        order=2, invoice=1, tax=1, unit=1, currency=2)
    table, service = docs["product:" + guid(6, 3)], docs["product:" + guid(6, 2)]
    assert (table["price"], table["category"]) == ("3.75", "category:" + guid(1, 1))
    assert (service["kind"], "category" in service) == ("service", False)
    assert docs["stock:" + guid(6, 3)]["quantity"] == "7.5"
    order = docs["order:" + guid(8, 1)]
    assert ("expected" in order, order["amounts"]["total"]) == (False, "106.25")
    assert order["lines"][0]["product"] == "product:" + guid(6, 1)
    assert ("due" in docs["invoice:" + guid(10, 1)]) is False
    assert quiet.mapper("product")["read"] == 1, quiet

    business_central.write("salesOrders", guid(8, 2), totalAmountIncludingTax=200)
    business_central.delete("salesOrders", guid(8, 1))
    result = project.run("order")
    result.counts("order", updated=1)
    result = project.run("--full", "order")
    result.counts("order", deleted=1, unchanged=1)
    assert project.db("erp").docs()["order:" + guid(8, 2)]["amounts"]["total"] == "200"


def test_business_central_says_what_is_wrong(load, business_central):
    project = load("business-central", business_central, {"auth": {"bearer": "old"}}, BC_ENV,
                   only=["unit"])
    project.erp2couch("preview", "unit").expect(Exit.CONFIG).says(
        r"GET http://127.0.0.1:\d+/companies\([^\n]*401[^\n]*rejected the client credentials")


# ---- Dolibarr

DOLIBARR_PRODUCTS = 230
DOLIBARR = {
    "/products": [
        {"id": str(n), "ref": f"P{n}", "label": f"Product {n}", "type": "0" if n % 10 else "1",
         "description": "", "barcode": None, "fk_unit": "3" if n % 2 else None, "status": "1",
         "price": f"{n}.50000000", "price_min": "0.00000000", "cost_price": "", "weight": "",
         "volume": None, "stock_reel": str(n) if n % 3 else ""}
        for n in range(1, DOLIBARR_PRODUCTS + 1)],
    "/categories": [{"id": "1", "label": "All", "fk_parent": "0"},
                    {"id": "8", "label": "Office", "fk_parent": "1"}],
    "/setup/dictionary/units": [{"id": "3", "label": "gram", "short_label": "g",
                                 "unit_type": "weight", "scale": "-3"}],
    "/setup/dictionary/currencies": [{"code_iso": "EUR", "label": "Euros", "unicode": "[8364]"}],
    "/users": [
        {"id": "6", "login": "ann", "firstname": "Ann", "lastname": "Murphy", "statut": "1",
         "employee": "1", "email": "", "datem": ""},
        {"id": "7", "login": "buyer", "lastname": "Buyer", "statut": "1", "socid": "14"}],
    "/thirdparties": [
        {"id": "14", "name": "Lumber", "client": "1", "code_client": "CU1", "status": "1",
         "typent_code": "TE_SMALL", "address": "1 rue du Moulin", "zip": "75001", "town": "Paris",
         "country_code": "FR", "outstanding_limit": "", "multicurrency_code": "EUR"},
        {"id": "15", "name": "Supplier", "client": "0", "status": "1"}],
    "/orders": [
        {"id": str(n), "ref": f"CO{n}", "socid": "14", "statut": "1", "date": 1767308400,
         "delivery_date": "", "total_ht": "642.10000000", "total_tva": "128.42000000",
         "total_ttc": "770.52000000", "lines": [
             {"id": str(n), "rang": "1", "product_type": "0", "fk_product": "1", "desc": "Chair",
              "qty": "10", "subprice": "64.21000000", "remise_percent": "0",
              "total_ht": "642.10000000", "total_ttc": "770.52000000"}]} for n in (1, 2)],
    "/invoices": [
        {"id": "13", "ref": "FA13", "type": "0", "statut": "2", "paye": "1", "socid": "14",
         "date": 1767308400, "date_lim_reglement": "", "total_ht": "1.00000000",
         "total_tva": "0.00000000", "total_ttc": "1.00000000", "remaintopay": "0", "lines": []}],
}


@pytest.fixture
def dolibarr():
    with rest_packs.Dolibarr(DOLIBARR) as server:
        yield server


def test_dolibarr_is_loaded_and_followed(load, dolibarr):
    auth = {"auth": {"header": {"DOLAPIKEY": "dolibarr-key"}}}
    project = load("dolibarr", dolibarr, auth)
    docs, quiet = first_load(
        project, "dolibarr", product=DOLIBARR_PRODUCTS, category=2, customer=1, rep=1, stock=207,
        order=2, invoice=1, unit=1, currency=1)
    assert (docs["product:5"]["price"], docs["product:5"]["unit"]) == ("5.50000000", "unit:3")
    assert (docs["stock:5"]["quantity"], docs["stock:6"]["quantity"]) == ("5", "0")
    assert docs["category:8"]["parent"] == "category:1"
    assert docs["order:1"]["lines"][0]["product"] == "product:1"
    assert (docs["invoice:13"]["payment"], docs["invoice:13"]["date"]) == ("paid", "2026-01-02")
    assert quiet.mapper("product")["read"] == 1, quiet

    dolibarr.write("/orders", "2", statut="3")
    dolibarr.delete("/orders", "1")
    project.run("order").counts("order", updated=1)
    project.run("--full", "order").counts("order", deleted=1, unchanged=1)
    assert project.db("erp").docs()["order:2"]["state"] == "done"


def test_dolibarr_says_what_is_wrong(load, dolibarr):
    project = load("dolibarr", dolibarr, {"auth": {"header": {"DOLAPIKEY": "old"}}}, only=["unit"])
    project.erp2couch("preview", "unit").expect(Exit.CONFIG).says(
        r"GET http://127.0.0.1:\d+/setup/dictionary/units: [^\n]*401[^\n]*Failed to login")


# ---- ERPNext

ERPNEXT_ITEMS = 520
ERPNEXT_ZONE = "America/New_York"  # behind UTC: a cursor in the wrong zone would miss changes
ERPNEXT = {
    "Item Group": [{"name": "All Item Groups", "item_group_name": "All Item Groups",
                    "parent_item_group": ""},
                   {"name": "Office", "item_group_name": "Office",
                    "parent_item_group": "All Item Groups"}],
    "UOM": [{"name": "Nos", "uom_name": "Nos", "must_be_whole_number": 1, "enabled": 1}],
    "Currency": [{"name": "EUR", "symbol": "€", "fraction_units": 100, "enabled": 1,
                  "smallest_currency_fraction_value": 0.01}],
    "Item Tax Template": [{"name": "VAT 23 - O", "title": "VAT 23", "company": "Ours",
                           "disabled": 0}],
    "Sales Person": [{"name": "Sales Team", "sales_person_name": "Sales Team", "enabled": 1},
                     {"name": "Ann", "sales_person_name": "Ann", "enabled": 1,
                      "parent_sales_person": "Sales Team"}],
    "Item": [{"name": f"ITEM/{n:03} \"a\" é", "item_name": f"Item {n}", "item_group": "Office",
              "stock_uom": "Nos", "is_stock_item": 1, "is_sales_item": 1, "has_variants": 0,
              "standard_rate": n / 4, "valuation_rate": 0.0, "disabled": 0, "barcodes": []}
             for n in range(1, ERPNEXT_ITEMS + 1)],
    "Bin": [{"name": f"b{n}", "item_code": f"ITEM/{1 + n // 2:03} \"a\" é", "warehouse": f"W{n}",
             "actual_qty": n + 0.5, "reserved_qty": 1.0, "ordered_qty": 0.0} for n in range(6)],
    "Item Price": [
        {"name": f"p{n}", "price_list": "Standard Selling" if n < 3 else "Standard Buying",
         "currency": "EUR", "item_code": f"ITEM/{n:03} \"a\" é", "price_list_rate": n * 1.5,
         "packing_unit": 0, "selling": int(n < 3)} for n in range(1, 5)],
    "Customer": [{"name": "Lumber & Co. 50%", "customer_name": "Lumber & Co. 50%",
                  "customer_type": "Company", "default_currency": "EUR", "disabled": 0,
                  "default_price_list": "Standard Selling", "customer_group": "Commercial"}],
    "Sales Order": [
        {"name": f"SO-{n}", "customer": "Lumber & Co. 50%", "status": "To Deliver and Bill",
         "transaction_date": "2026-01-02", "currency": "EUR", "net_total": 100.0,
         "total_taxes_and_charges": 23.0, "grand_total": 123.0,
         "sales_team": [{"name": f"t{n}", "sales_person": "Ann"}],
         "items": [{"name": f"l{n}", "idx": 1, "item_code": "ITEM/001 \"a\" é", "item_name": "One",
                    "qty": 2.0, "uom": "Nos", "rate": 50.0, "net_amount": 100.0,
                    "item_tax_template": "VAT 23 - O", "delivered_qty": 0.0}]} for n in (1, 2, 3)],
    "Sales Invoice": [
        {"name": "SI-1", "customer": "Lumber & Co. 50%", "docstatus": 1, "status": "Overdue",
         "is_return": 0, "posting_date": "2026-01-03", "currency": "EUR", "net_total": 100.0,
         "total_taxes_and_charges": 23.0, "grand_total": 123.0, "outstanding_amount": 123.0,
         "sales_team": [], "items": [
             {"name": "i1", "idx": 1, "item_code": "ITEM/001 \"a\" é", "item_name": "One",
              "qty": 2.0, "uom": "Nos", "rate": 50.0, "net_amount": 100.0,
              "sales_order": "SO-1"}]}],
}


@pytest.fixture
def erpnext():
    with rest_packs.ErpNext(ERPNEXT, ZoneInfo(ERPNEXT_ZONE)) as server:
        yield server


def test_erpnext_is_loaded_and_followed(load, erpnext):
    auth = {"auth": {"header": {"Authorization": "token key:secret"}}}
    project = load("erpnext", erpnext, auth, {"ERPNEXT_TIMEZONE": ERPNEXT_ZONE})
    docs, quiet = first_load(
        project, "erpnext", product=ERPNEXT_ITEMS, category=2, price_list=1, customer=1, rep=2,
        stock=3, order=3, invoice=1, tax=1, unit=1, currency=1)
    first = 'ITEM/001 "a" é'
    assert docs["product:" + first]["price"] == "0.25"
    assert [rule["price"] for rule in docs["price_list:Standard Selling"]["rules"]] == \
        ["1.5", "3.0"]
    assert (docs["stock:" + first]["quantity"], len(docs["stock:" + first]["levels"])) == ("2.0", 2)
    order = docs["order:SO-2"]
    assert (order["rep"], order["lines"][0]["product"]) == ("rep:Ann", "product:" + first)
    assert docs["invoice:SI-1"]["orders"] == ["order:SO-1"]
    assert quiet.mapper("product")["read"] == 1, quiet

    erpnext.write("Sales Order", "SO-2", status="Completed")
    erpnext.delete("Sales Order", "SO-3")
    erpnext.forget()
    project.run("order").counts("order", updated=1, unchanged=1)
    assert {ask.path.rpartition("/")[2] for ask in erpnext.asked()} == \
        {"Sales Order", "SO-1", "SO-2"}
    project.run("--full", "order").counts("order", deleted=1, unchanged=2)
    assert project.db("erp").docs()["order:SO-2"]["state"] == "done"


def test_erpnext_says_what_is_wrong(load, erpnext):
    auth = {"auth": {"header": {"Authorization": "token key:old"}}}
    project = load("erpnext", erpnext, auth, only=["unit"])
    project.erp2couch("preview", "unit").expect(Exit.CONFIG).says(
        r"GET http://127.0.0.1:\d+/api/resource/UOM: [^\n]*401[^\n]*Invalid API key or secret")
