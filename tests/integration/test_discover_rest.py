"""discover of REST sources: the mapper that it prints passes check and run unedited."""

import json
import re

import pytest

from support.project import Exit
from support.rest_server import Refused, RestServer

pytestmark = pytest.mark.once

METADATA = b"""<?xml version="1.0" encoding="utf-8"?>
<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">
<edmx:DataServices>
<Schema Namespace="Microsoft.NAV" xmlns="http://docs.oasis-open.org/odata/ns/edm">
<EntityType Name="salesOrder"><Key><PropertyRef Name="id"/></Key>
<Property Name="id" Type="Edm.Guid" Nullable="false"/>
<Property Name="number" Type="Edm.String" MaxLength="20"/>
<Property Name="orderDate" Type="Edm.Date"/>
<Property Name="total" Type="Edm.Decimal" Scale="Variable"/>
<Property Name="picture" Type="Edm.Stream"/>
<Property Name="address" Type="Microsoft.NAV.address"/>
<Property Name="lastModifiedDateTime" Type="Edm.DateTimeOffset"/>
<NavigationProperty Name="salesOrderLines" Type="Collection(Microsoft.NAV.line)"
 ContainsTarget="true"/></EntityType>
<EntityType Name="line"><Key><PropertyRef Name="id"/></Key>
<Property Name="id" Type="Edm.Guid" Nullable="false"/>
<Property Name="quantity" Type="Edm.Decimal" Scale="Variable"/></EntityType>
<ComplexType Name="address"><Property Name="city" Type="Edm.String"/></ComplexType>
<EntityContainer Name="c"><EntitySet Name="salesOrders" EntityType="Microsoft.NAV.salesOrder"/>
<EntitySet Name="units" EntityType="Microsoft.NAV.line"/></EntityContainer>
</Schema></edmx:DataServices></edmx:Edmx>"""

GUID = "5d115c9c-44e3-ea11-bb43-000d3a2f%04d"
ORDERS = [{"id": GUID % n, "number": f"SO{n}", "orderDate": "2026-01-31" if n % 2 else "0001-01-01",
           "total": n + 0.25, "picture@odata.mediaReadLink": "http://x/",
           "address": {"city": "Cork"},
           "lastModifiedDateTime": f"2026-01-31T10:00:{n:02}.5Z",
           "salesOrderLines": [{"id": GUID % (100 + n), "quantity": 1.5}]} for n in range(1, 8)]
PRODUCTS = [{"id": n, "sku": f"A{n}", "price": f"{n}.50", "token": "x", "tags": ["a"],
             "made": "2026-01-31", "sizes": [{"name": "S", "stock": n}]} for n in range(1, 24)]


@pytest.fixture
def server():
    with RestServer() as running:
        running.call("/nav/$metadata", lambda ask: (METADATA, {"Content-Type": "application/xml"}))
        running.add("/nav/companies(1)/salesOrders", ORDERS, paging="odata", size=3)
        running.call("/nav/companies(1)", lambda ask: {
            "@odata.context": f"{running.url}/nav/$metadata#companies/$entity", "id": "1"})
        running.add("/shop/products", PRODUCTS, paging="page", records="data.items", totals=True)
        yield running


@pytest.fixture
def project(make_project, couch, server):
    made = make_project(couch)
    source = {"type": "rest", "retry_for": "1s"}
    made.source = made.prefix + "src"  # names the database, too
    made.configure(sources={"erp": None,
                            made.source: {**source, "url": server.url + "/nav/companies(1)"},
                            "shop": {**source, "url": server.url + "/shop"},
                            "other": {**source, "url": server.url}})
    return made


def passes_unedited(project, text, count):
    """check, check --connect, a run that creates every record, one that finds all unchanged."""
    project.mapper("starter", text.replace("database: shop\n", f"database: {project.source}\n"))
    project.erp2couch("check").expect(Exit.OK)
    project.erp2couch("check", "--connect").expect(Exit.OK)
    name = re.search(r"^mapper: (\S+)", text, re.M)[1]
    shown = project.erp2couch("preview", name, "--limit", "3").expect(Exit.OK)
    project.run().counts(created=count)
    project.run("--full").counts(unchanged=count)
    return [json.loads(line) for line in shown.out.splitlines()]


def test_an_entity_set(project):
    """Below the service's root, whose metadata the reply names as its context."""
    text = project.erp2couch("discover", project.source, "salesOrders").expect(Exit.OK).out
    assert "expand: [salesOrderLines]" in text and "filter: " in text
    docs = passes_unedited(project, text, len(ORDERS))
    assert docs[0] == {"_id": f"salesorders:{GUID % 1}", "type": "salesorders", "id": GUID % 1,
                       "number": "SO1", "orderDate": "2026-01-31", "total": "1.25",
                       "address": {"city": "Cork"},
                       "lastModifiedDateTime": "2026-01-31T10:00:01.5Z",
                       "salesOrderLines": [{"id": GUID % 101, "quantity": "1.5"}]}
    assert "orderDate" not in docs[1]  # 0001-01-01 is null there


def test_a_list_of_entity_sets(project):
    out = project.erp2couch("discover", project.source).expect(Exit.OK).out
    assert re.search(r"^salesOrders  \(entity set\)$", out, re.M)
    assert re.search(r"^  key       id \(primary key\)$", out, re.M)
    assert "\n  children  salesOrderLines (Collection(Microsoft.NAV.line)), part of it\n" in out
    assert re.search(r"^            total +Edm.Decimal$", out, re.M)
    found = project.erp2couch("discover", project.source, "--like", "SALES*", "--json")
    [table] = found.expect(Exit.OK).json["tables"]
    assert table["table"] == "salesOrders" and table["kind"] == "entity set"
    assert table["key"] == ["id"] and table["cursors"] == ["lastModifiedDateTime"]
    assert table["children"] == [{"name": "salesOrderLines", "many": True, "composition": True,
                                  "type": "Collection(Microsoft.NAV.line)"}]


def test_a_page_of_records(project):
    text = project.erp2couch("discover", "shop", "/products?limit=10").expect(Exit.OK).out
    assert "{type: page" not in text  # the reply does not tell it
    text = project.erp2couch("discover", "shop", "/products?limit=10&page=1").expect(Exit.OK).out
    docs = passes_unedited(project, text, len(PRODUCTS))
    assert docs[0] == {"_id": "products:1", "type": "products", "id": 1, "sku": "A1",
                       "price": "1.50", "tags": ["a"], "made": "2026-01-31",
                       "sizes": [{"name": "S", "stock": "1"}]}


@pytest.mark.parametrize("words, code, says", [
    (["shop"], Exit.CONFIG, "of any other API name a path that gives a page of records: erp2couch "
                            "discover shop '/products?limit=5'"),
    (["shop", "products"], Exit.CONFIG, "erp2couch discover shop '/products?limit=5'"),
    (["shop", "/nothing"], Exit.CONFIG, "404"),
    (["shop", "/products?limit=5&page=99"], Exit.CONFIG, "holds no records (data.items is empty)"),
    (["shop", "--schema", "x"], Exit.USAGE, "a REST source has no schemas"),
    (["other", "/html"], Exit.CONFIG, "not JSON, but HTML"),
    (["other", "/error"], Exit.CONFIG, "the reply is an error: "),
    (["other", "/locked"], Exit.CONFIG, "401"),
])
def test_what_cannot_be_discovered(project, server, words, code, says):
    server.call("/html", lambda ask: (b"<html><title>Log in</title></html>", {}))
    server.call("/error", lambda ask: {"error": {"message": "no rights", "code": 200}})

    def locked(ask):
        raise Refused(401)

    server.call("/locked", locked)
    result = project.erp2couch("discover", *words).expect(code)
    assert says in result.err and result.out == ""


def test_a_service_that_is_hostile(project, server):
    """Entities are not expanded, and nothing else is fetched."""
    bomb = b'<!DOCTYPE x [<!ENTITY a SYSTEM "http://127.0.0.1:9/">]><edmx:Edmx Version="&a;"/>'
    server.call("/$metadata", lambda ask: (bomb, {"Content-Type": "application/xml"}))
    result = project.erp2couch("discover", "other").expect(Exit.CONFIG)
    assert "has a document type" in result.err
