"""ERPs with REST APIs, as far as the packs of mappers/ call them: tables in memory behind the
vendors' ways of paging, of asking for changes, of writing values, of failing and of credentials.

The records are written by hand from what the vendors document. A test changes them with the
methods of the ERP (write, delete), which stamp them as the ERP does.
"""

import json
import operator
import re
from datetime import datetime, timedelta, timezone
from urllib.parse import urlencode

from .rest_server import RestServer, Refused, instant


def ago(**distance):
    return datetime.now(timezone.utc) - timedelta(**distance)


# ---- Odoo: JSON-RPC

# (kind, model) of relational fields.
ODOO_RELATIONS = {
    "product.category": {"parent_id": ("one", "product.category")},
    "uom.uom": {"category_id": ("one", "uom.category")},
    "account.tax": {"children_tax_ids": ("many", "account.tax"),
                    "company_id": ("one", "res.company")},
    "res.users": {"sale_team_id": ("one", "crm.team")},
    "product.product": {
        "categ_id": ("one", "product.category"), "uom_id": ("one", "uom.uom"),
        "currency_id": ("one", "res.currency"), "taxes_id": ("many", "account.tax"),
        "product_tmpl_id": ("one", "product.template"), "company_id": ("one", "res.company"),
        "product_template_attribute_value_ids": ("many", "product.template.attribute.value"),
        "stock_quant_ids": ("many", "stock.quant")},
    "product.template.attribute.value": {"attribute_id": ("one", "product.attribute")},
    "stock.quant": {"location_id": ("one", "stock.location")},
    "stock.location": {"warehouse_id": ("one", "stock.warehouse")},
    "res.partner": {
        "parent_id": ("one", "res.partner"), "commercial_partner_id": ("one", "res.partner"),
        "state_id": ("one", "res.country.state"), "country_id": ("one", "res.country"),
        "user_id": ("one", "res.users"), "company_id": ("one", "res.company"),
        "property_product_pricelist": ("one", "product.pricelist"),
        "property_payment_term_id": ("one", "account.payment.term"),
        "category_id": ("many", "res.partner.category"), "child_ids": ("many", "res.partner"),
        "sale_order_ids": ("many", "sale.order"), "ref_company_ids": ("many", "res.company")},
    "product.pricelist": {"currency_id": ("one", "res.currency"),
                          "company_id": ("one", "res.company"),
                          "item_ids": ("many", "product.pricelist.item")},
    "product.pricelist.item": {
        "product_id": ("one", "product.product"), "product_tmpl_id": ("one", "product.template"),
        "categ_id": ("one", "product.category"), "base_pricelist_id": ("one", "product.pricelist")},
    "sale.order": {
        "partner_id": ("one", "res.partner"), "partner_invoice_id": ("one", "res.partner"),
        "partner_shipping_id": ("one", "res.partner"), "user_id": ("one", "res.users"),
        "pricelist_id": ("one", "product.pricelist"), "currency_id": ("one", "res.currency"),
        "payment_term_id": ("one", "account.payment.term"), "company_id": ("one", "res.company"),
        "warehouse_id": ("one", "stock.warehouse"), "order_line": ("many", "sale.order.line")},
    "sale.order.line": {"product_id": ("one", "product.product"), "tax_id": ("many", "account.tax"),
                        "product_uom": ("one", "uom.uom"), "order_id": ("one", "sale.order")},
    "account.move": {
        "commercial_partner_id": ("one", "res.partner"), "invoice_user_id": ("one", "res.users"),
        "invoice_payment_term_id": ("one", "account.payment.term"),
        "currency_id": ("one", "res.currency"), "company_id": ("one", "res.company"),
        "reversed_entry_id": ("one", "account.move"),
        "invoice_line_ids": ("many", "account.move.line")},
    "account.move.line": {"product_id": ("one", "product.product"),
                          "product_uom_id": ("one", "uom.uom"), "tax_ids": ("many", "account.tax"),
                          "sale_line_ids": ("many", "sale.order.line")},
}
# (model, field): (model, field that points back)
ODOO_INVERSE = {
    ("product.product", "stock_quant_ids"): ("stock.quant", "product_id"),
    ("res.partner", "child_ids"): ("res.partner", "parent_id"),
    ("res.partner", "sale_order_ids"): ("sale.order", "partner_id"),
    ("res.partner", "ref_company_ids"): ("res.company", "partner_id"),
    ("product.pricelist", "item_ids"): ("product.pricelist.item", "pricelist_id"),
    ("sale.order", "order_line"): ("sale.order.line", "order_id"),
    ("account.move", "invoice_line_ids"): ("account.move.line", "move_id"),
}
# What is false where it is empty is anything but these.
ODOO_FLOATS = {
    "weight", "volume", "price_unit", "discount", "product_uom_qty", "price_subtotal",
    "price_total",
    "qty_delivered", "qty_invoiced", "quantity", "fixed_price", "percent_price", "price_discount",
    "price_surcharge", "price_round", "price_min_margin", "price_max_margin", "amount_untaxed",
    "amount_tax", "amount_total", "amount_residual", "min_quantity"}
ODOO_COMPARES = {"=": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge,
                 "in": lambda a, b: a in b}


class OdooError(Exception):
    """What comes with status 200."""

    def __init__(self, name, message):
        super().__init__(message)
        self.name, self.message = name, message


class Odoo(RestServer):
    """POST /jsonrpc: search_read and web_search_read. `rows` is {model: {id: record}}."""

    ACCESS = ("erp", 2, "secret")

    def __init__(self, rows):
        super().__init__()
        self.rows = {model: {row["id"]: {"write_date": ago(hours=24 + 2 * n), "active": True, **row}
                             for n, row in enumerate(records)} for model, records in rows.items()}
        self.called = []  # (model, method, domain) of each call

    def write(self, model, key, **values):
        row = self.rows[model].setdefault(key, {"id": key, "active": True})
        row.update(values, write_date=datetime.now(timezone.utc))

    def delete(self, model, key):
        del self.rows[model][key]

    # ---- the envelope

    def answer(self, ask):
        if (ask.method, ask.path) != ("POST", "/jsonrpc"):
            raise Refused(404, b"<!DOCTYPE html><html><title>404 Not Found</title></html>")
        body = json.loads(ask.body)
        reply = {"jsonrpc": "2.0", "id": body.get("id")}
        try:
            reply["result"] = self.execute(body["params"])
        except OdooError as error:
            reply["error"] = {
                "code": 200, "message": "Odoo Server Error",
                "data": {"name": error.name, "message": error.message, "arguments": [],
                         "debug": "Traceback (most recent call last):\n  ...\n", "context": {}}}
        return reply, {}

    def execute(self, params):
        assert (params["service"], params["method"]) == ("object", "execute_kw")
        database, uid, key, model, method, args, options = params["args"]
        if (database, int(uid), key) != self.ACCESS:
            raise OdooError("odoo.exceptions.AccessDenied", "Access Denied")
        if model not in self.rows:
            raise OdooError("builtins.KeyError", f"'{model}'")
        self.called.append((model, method, args[0]))
        context = options.get("context", {})
        found = self.search(model, args[0], context)
        found.sort(key=lambda row: row[options.get("order", "id")])
        offset, limit = options.get("offset", 0), options.get("limit", 1 << 30)
        page = found[offset:offset + limit]
        if method == "search_read":
            return [self.read(model, row, options["fields"]) for row in page]
        assert method == "web_search_read"
        return {"length": offset + len(page) if page else 0,
                "records": [self.web_read(model, row, options["specification"], context)
                            for row in page]}

    # ---- domains

    def search(self, model, domain, context):
        assert all(term in ("|", "&") or len(term) == 3 for term in domain), domain
        return [row for row in self.rows[model].values()
                if (row["active"] or context.get("active_test") is False)
                and self.matches(model, row, domain)]

    def matches(self, model, row, domain):
        terms = list(domain)

        def take():
            if not terms:
                raise OdooError("builtins.ValueError", f"Invalid domain {domain}")
            term = terms.pop(0)
            if term in ("|", "&"):
                left, right = take(), take()
                return left or right if term == "|" else left and right
            return self.holds(model, row, *term)

        result = True
        while terms:
            result = take() and result
        return result

    def holds(self, model, row, path, compare, value):
        name, _, more = path.partition(".")
        if more:
            comodel = ODOO_RELATIONS[model][name][1]
            return any(self.holds(comodel, below, more, compare, value)
                       for below in self.related(model, row, name))
        have = row.get(name, False)
        if (ODOO_RELATIONS.get(model, {}).get(name) or ("", ""))[0] == "many":
            return bool(self.related(model, row, name)) == (compare == "!=")
        if isinstance(have, datetime):
            value = datetime.strptime(value, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
        if name == "id":
            value = int(value)  # as PostgreSQL takes it
        return ODOO_COMPARES[compare](have, value)

    def related(self, model, row, name):
        kind, comodel = ODOO_RELATIONS[model][name]
        inverse = ODOO_INVERSE.get((model, name))
        if inverse:
            return [below for below in self.rows.get(inverse[0], {}).values()
                    if below.get(inverse[1]) == row["id"] and below["active"]]
        keys = row.get(name) or []
        keys = [keys] if isinstance(keys, int) else keys
        return [self.rows[comodel][key] for key in keys]

    # ---- values

    def shown(self, row, name):
        value = row.get(name, 0.0 if name in ODOO_FLOATS else False)
        if isinstance(value, datetime):
            return value.strftime("%Y-%m-%d %H:%M:%S")
        if name == "display_name":
            return row.get("display_name") or row.get("complete_name") or row.get("name")
        return value

    def read(self, model, row, fields):
        record = {"id": row["id"]}
        for name in fields:
            kind = ODOO_RELATIONS.get(model, {}).get(name, (None,))[0]
            below = self.related(model, row, name) if kind else []
            record[name] = (
                [[b["id"], self.shown(b, "display_name")] for b in below][0] if kind == "one"
                and below else [b["id"] for b in below] if kind == "many"
                else self.shown(row, name))
        return record

    def web_read(self, model, row, specification, context):
        record = {"id": row["id"]}
        for name, spec in specification.items():
            kind, comodel = ODOO_RELATIONS.get(model, {}).get(name, (None, None))
            if not kind:
                record[name] = self.shown(row, name)
                continue
            below = self.related(model, row, name)
            for column in reversed(spec.get("order", "id").split(", ")):
                column, _, way = column.partition(" ")
                below.sort(key=lambda b: b.get(column) or 0, reverse=way == "desc")
            if "fields" in spec:
                below = [self.web_read(comodel, b, spec["fields"], context) for b in below]
            else:
                below = [b["id"] for b in below]
            record[name] = below if kind == "many" else below[0] if below else False
        return record


# ---- Business Central: OData 4

class BusinessCentral(RestServer):
    """GET /companies(ID)/LIST: `lists` is {list: [record]}; a record has an id, and what it
    expands."""

    COMPANY = "c0ffee00-0000-4000-8000-000000000001"
    TOKEN = "token"
    EXPANDED = {"salesOrderLines", "salesInvoiceLines", "paymentTerm"}
    LARGEST = 20000

    def __init__(self, lists, largest=LARGEST):
        super().__init__()
        self.largest = largest
        self.lists = {name: [{"@odata.etag": 'W/"JzE7Jw=="',
                              "lastModifiedDateTime": self.stamp(hours=24 + 2 * n), **record}
                             for n, record in enumerate(records)]
                      for name, records in lists.items()}

    @staticmethod
    def stamp(**distance):
        return ago(**distance).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def write(self, name, key, **values):
        record = next(record for record in self.lists[name] if record["id"] == key)
        record.update(values, lastModifiedDateTime=self.stamp())

    def delete(self, name, key):
        self.lists[name] = [record for record in self.lists[name] if record["id"] != key]

    @staticmethod
    def refused(status, code, message):
        return Refused(status, {"error": {"code": code, "message": message + "  CorrelationId:  "
                                          "0d0d0d0d-0000-4000-8000-000000000000."}})

    def answer(self, ask):
        if ask.headers.get("Authorization") != "Bearer " + self.TOKEN:
            raise self.refused(401, "Authentication_InvalidCredentials",
                               "The server has rejected the client credentials.")
        found = re.fullmatch(r"/companies\(([^)]*)\)/(\w+)(?:\(([^)]*)\))?", ask.path)
        if not found or found[1] != self.COMPANY:
            raise self.refused(404, "Internal_CompanyNotFound", "The company does not exist.")
        if found[2] not in self.lists:
            raise self.refused(404, "BadRequest_NotFound", f"Resource not found for {found[2]}.")
        records = self.lists[found[2]]
        if found[3] is not None:
            return self.shaped(ask, self.entity(records, found[3])), {}
        return self.page(ask, [r for r in records if self.selects(r, ask.param("$filter"))]), {}

    def entity(self, records, key):
        if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", key):
            raise self.refused(400, "BadRequest", "Bad Request - Error in query syntax.")
        for record in records:
            if record["id"] == key:
                return record
        raise self.refused(404, "Internal_RecordNotFound", "The record does not exist.")

    def page(self, ask, records):
        wanted = re.search(r"odata\.maxpagesize=(\d+)", ask.headers.get("Prefer", ""))
        size = min(int(wanted[1]) if wanted else self.largest, self.largest)
        at = int(ask.param("$skiptoken") or 0)
        reply = {"@odata.context": self.url + "/$metadata#x",
                 "value": [self.shaped(ask, record) for record in records[at:at + size]]}
        if at + size < len(records):
            query = {**dict(ask.query), "$skiptoken": at + size}
            reply["@odata.nextLink"] = f"{self.url}{ask.path}?{urlencode(query)}"
        return reply

    def shaped(self, ask, record):
        expand = (ask.param("$expand") or "").split(",")
        names = ask.param("$select")
        return {key: value for key, value in record.items()
                if key.startswith("@") or key in expand
                or key not in self.EXPANDED and (not names or key in names.split(","))}

    def selects(self, record, text):
        for part in re.split(r"\)? and \(?", (text or "").strip("()")) if text else ():
            name, compare, literal = part.split(" ", 2)
            assert compare in ("eq", "ge") and name in record, text
            if compare == "eq" and record[name] != literal.strip("'"):
                return False
            if compare == "ge" and instant(record[name]) < instant(literal):
                return False
        return True


# ---- Dolibarr

class Dolibarr(RestServer):
    """GET /LIST?limit&page&sqlfilters, GET /LIST/ID: `lists` is {path: [record]}, all values text
    as there."""

    KEY = "dolibarr-key"

    def __init__(self, lists):
        super().__init__()
        self.lists = {path: [{"date_modification": int(ago(hours=24 + 2 * n).timestamp()), **record}
                             for n, record in enumerate(records)]
                      for path, records in lists.items()}

    def write(self, path, key, **values):
        record = next(record for record in self.lists[path] if record["id"] == key)
        record.update(values, date_modification=int(ago().timestamp()))

    def delete(self, path, key):
        self.lists[path] = [record for record in self.lists[path] if record["id"] != key]

    @staticmethod
    def refused(status, message):
        return Refused(status, {"error": {"code": status, "message": message},
                                "debug": {"source": "api.class.php:1 at call stage"}})

    def answer(self, ask):
        if ask.headers.get("DOLAPIKEY") != self.KEY:
            raise self.refused(401, "Unauthorized: Failed to login to API. No parameter "
                                    "'HTTP_DOLAPIKEY' on HTTP header (and no parameter DOLAPIKEY "
                                    "in URL).")
        path, _, key = ask.path.rpartition("/")
        if path in self.lists:
            for record in self.lists[path]:
                if record["id"] == key:
                    return record, {}
            raise self.refused(404, "Not Found: Object not found")
        if ask.path not in self.lists:
            raise self.refused(404, "Not Found")
        limit, page = int(ask.param("limit") or 100), int(ask.param("page") or 0)
        found = [r for r in self.lists[ask.path] if self.selects(r, ask)][
            page * limit:(page + 1) * limit]
        if not found:
            raise self.refused(404, "Not Found: No object found")
        return found, {}

    def selects(self, record, ask):
        if ask.path == "/products" and ask.param("mode") == "1" and record["type"] != "0":
            return False
        if ask.path == "/thirdparties" and ask.param("mode") == "1" and record["client"] != "1":
            return False
        filters = ask.param("sqlfilters")
        if not filters:
            return True
        if filters == "(t.fk_soc:is:null)":
            return not record.get("socid")
        found = re.fullmatch(r"\(t\.tms:>=:'(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)'\)", filters)
        if not found:
            raise self.refused(503, "Error when validating parameter sqlfilters -> " + filters)
        return record["date_modification"] >= instant(found[1]).timestamp()


# ---- ERPNext

class ErpNext(RestServer):
    """GET /api/resource/DOCTYPE and /api/resource/DOCTYPE/NAME: `doctypes` is {doctype: [record]};
    what is a list in a record is a child table, which a list of records does not give."""

    ACCESS = "token key:secret"

    def __init__(self, doctypes, zone=timezone.utc):
        super().__init__()
        self.zone = zone
        self.doctypes = {doctype: [{"modified": self.stamp(hours=24 + 2 * n), **record}
                                   for n, record in enumerate(records)]
                         for doctype, records in doctypes.items()}

    def stamp(self, **distance):
        return ago(**distance).astimezone(self.zone).strftime("%Y-%m-%d %H:%M:%S.%f")

    def write(self, doctype, name, **values):
        record = next(record for record in self.doctypes[doctype] if record["name"] == name)
        record.update(values, modified=self.stamp())

    def delete(self, doctype, name):
        self.doctypes[doctype] = [record for record in self.doctypes[doctype]
                                  if record["name"] != name]

    @staticmethod
    def refused(status, kind, message):
        return Refused(status, {
            "exception": f"frappe.exceptions.{kind}: {message}", "exc_type": kind,
            "exc": json.dumps(["Traceback (most recent call last):\n  ..."])})

    def answer(self, ask):
        if ask.headers.get("Authorization") != self.ACCESS:
            raise self.refused(401, "AuthenticationError", "Invalid API key or secret")
        found = re.fullmatch(r"/api/resource/([^/]+)(?:/(.+))?", ask.path)
        if not found or found[1] not in self.doctypes:
            raise self.refused(404, "DoesNotExistError", f"DocType {ask.path} not found")
        records = self.doctypes[found[1]]
        if found[2]:
            for record in records:
                if record["name"] == found[2]:
                    return {"data": {"doctype": found[1], "docstatus": 0, **record}}, {}
            raise self.refused(404, "DoesNotExistError", f"{found[1]} {found[2]} not found")
        return {"data": self.listed(ask, records)}, {}

    def listed(self, ask, records):
        for name, compare, value in json.loads(ask.param("filters") or "[]"):
            assert compare in ("=", ">=")
            if name == "modified":
                datetime.strptime(value, "%Y-%m-%d %H:%M:%S.%f")
            records = [r for r in records if (r[name] >= value if compare == ">=" else
                                              r[name] == value)]
        for term in reversed((ask.param("order_by") or "modified desc").split(", ")):
            name, _, way = term.partition(" ")
            records = sorted(records, key=lambda r: r[name], reverse=way == "desc")
        at, size = int(ask.param("limit_start") or 0), int(ask.param("limit_page_length") or 20)
        return [{name: self.field(record, name) for name in json.loads(
            ask.param("fields") or '["name"]')} for record in records[at:at + size]]

    def field(self, record, name):
        value = record.get(name)
        if isinstance(value, list):
            raise self.refused(417, "DataError", f"Field not permitted in query: {name}")
        return value
