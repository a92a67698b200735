"""REST sources against servers that nobody here wrote: json-server and an OData service from npm,
nginx with a rate limit, and a real Tryton on the database of ../shared/data/erp."""

import ssl

import pytest

from support import foreign
from support.project import Exit

ROWS = [{"id": n, "code": f"A{n}", "name": f"Näme {n}", "price": n + 0.25, "tags": [n, None],
         "active": n % 2 == 0, "changed": f"2026-01-{1 + n % 20:02}T10:00:00Z"}
        for n in range(1, 61)]


@pytest.fixture(scope="module")
def json_server():
    server = foreign.JsonServer({"items": ROWS})
    yield server
    server.remove()


@pytest.fixture
def items(json_server):
    """The server with its rows as they were at first."""
    yield json_server
    there = {row["id"]: row for row in json_server.call("GET", "/items")}
    for row in ROWS:
        if row["id"] not in there:
            json_server.call("POST", "/items", row)
        elif there[row["id"]] != row:
            json_server.call("PUT", f"/items/{row['id']}", row)


@pytest.fixture
def rest(make_project, couch):
    """A project whose source `erp` is a REST server: rest(url, **options)."""

    def make(url, **options):
        made = make_project(couch)
        made.configure(sources={"erp": {"type": "rest", "url": url, "dsn": None, **options}})
        return made

    return make


MAPPER = """
    mapper: item
    source: erp
    extract:
      path: /items
      key: id
    %s
    target: {database: "@db@catalog", id: "item:${code}"}
    fields:
      id: id
      code: code
      name: name
      price: {from: price, type: decimal, scale: 2}
      tags: tags
      active: active
"""

PAGING = {
    "all at once": "",
    "pages": """
      paging: {type: page, param: _page, size_param: _limit, size: 7}""",
    "pages that fit": """
      paging: {type: page, param: _page, size_param: _limit, size: 20}""",
    "link header": """
      params: {_page: 1, _limit: 7}
      paging: {type: link_header}""",
    "offset": """
      params: {_sort: id}
      paging: {type: offset, param: _start, size_param: _limit, size: 7}""",
    "keyset": """
      params: {_sort: id}
      paging: {type: keyset, param: id_gte, size_param: _limit, size: 7}""",
}


def expected(row):
    return {"_id": f"item:{row['code']}", "id": row["id"], "code": row["code"],
            "name": row["name"], "price": f"{row['price']:.2f}", "tags": row["tags"],
            "active": row["active"]}


def documents(project):
    docs = project.db("catalog").docs().values()
    return {doc["_id"]: {k: v for k, v in doc.items() if k != "_rev"} for doc in docs
            if not doc["_id"].startswith("_design/")}


@pytest.mark.parametrize("paging", PAGING.values(), ids=PAGING)
def test_every_way_to_page(rest, items, paging):
    project = rest(items.url)
    project.mapper("item", MAPPER % paging)
    project.run().counts(read=60, created=60)
    assert documents(project) == {doc["_id"]: doc for doc in map(expected, ROWS)}
    project.quiet_run(unchanged=60)
    items.call("PATCH", "/items/3", {"name": "changed"})
    items.call("DELETE", "/items/9")
    project.run().counts(updated=1, deleted=1, unchanged=58)
    assert documents(project)["item:A3"]["name"] == "changed"
    assert "item:A9" not in documents(project)


def test_what_changed_since(rest, items):
    project = rest(items.url)
    project.mapper("item", MAPPER % """
      params: {_sort: id}
      paging: {type: page, param: _page, size_param: _limit, size: 25}
      cursor: {field: changed, param: changed_gte, format: rfc3339}
      lookback: 0s
      by_key: {path: "/items/${id}"}""")
    project.run().counts(read=60, created=60)
    newest = sum(row["changed"] == "2026-01-20T10:00:00Z" for row in ROWS)
    project.quiet_run(unchanged=newest)
    items.call("PATCH", "/items/4", {"name": "late", "changed": "2026-02-01T00:00:00.5Z"})
    project.run().counts(read=newest + 1, updated=1, unchanged=newest)
    assert documents(project)["item:A4"]["name"] == "late"
    project.quiet_run(unchanged=1)


def test_an_etag(rest, items):
    """The server says 304 while nothing has changed."""
    project = rest(items.url)
    project.mapper("item", MAPPER % """
      cursor: {header: If-None-Match}
      deletes: {every: 1h}""")
    project.run().counts(read=60, created=60)
    project.run().counts(read=0)
    items.call("PATCH", "/items/4", {"name": "other"})
    items.call("DELETE", "/items/7")
    project.run().counts(read=59, updated=1, unchanged=58)
    project.quiet_run(unchanged=0)
    project.run("--full").counts(read=59, deleted=1, unchanged=59)


def test_faults_between(rest, items, proxy):
    """Whatever the proxy does to replies, the next run ends right and nothing is doubled."""
    from support.faultproxy import answer, cut_reply, drop_reply

    between = proxy("http", "127.0.0.1", items.port)
    between.on("GET", r"_page=2", answer(503), times=1)
    between.on("GET", r"_page=3", cut_reply(300), times=2)
    between.on("GET", r"_page=5", answer(429, retry_after=1), times=1)
    between.on("GET", r"_page=6", drop_reply(), times=1)
    project = rest(between.url)
    project.mapper("item", MAPPER % PAGING["pages"])
    project.run().counts(read=60, created=60)
    assert all(rev.startswith("1-") for rev, _ in project.db("catalog").all_revs().values())
    project.quiet_run(unchanged=60)


def test_a_rate_limit_is_kept(rest, items):
    """Told of the limit, no request is refused; not told, refused ones are sent again later."""
    nginx = foreign.LimitedNginx(items.url, rate="20r/s", burst=4)
    try:
        project = rest(nginx.url, rate_limit="15/s")
        project.mapper("item", MAPPER % """
      paging: {type: page, param: _page, size_param: _limit, size: 3}""")
        project.run().counts(read=60, created=60)
        assert set(nginx.statuses()) == {200}
        project.configure(sources={"erp": {"rate_limit": None}})
        project.quiet_run(unchanged=60)
        assert nginx.statuses()[429] > 0
    finally:
        nginx.remove()


def test_by_way_of_a_proxy(rest, items):
    """The proxy finds the host, we need not."""
    nginx = foreign.LimitedNginx(items.url, rate="1000r/s", burst=100)
    try:
        project = rest("http://erp.invalid", proxy=nginx.url)
        project.mapper("item", MAPPER % "")
        project.run().counts(read=60, created=60)
        assert nginx.statuses() == {200: 1}
    finally:
        nginx.remove()


def test_a_server_that_asks_for_our_certificate(rest, items, proxy, certificates):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "good.pem", certificates / "good.key")
    context.load_verify_locations(certificates / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    front = proxy("http", "127.0.0.1", items.port, tls=context)
    ours = {"ca_file": str(certificates / "ca.pem"),
            "cert_file": str(certificates / "other.pem"),
            "key_file": str(certificates / "other.key")}
    project = rest(front.url, tls=ours, retry_for="1s")
    project.mapper("item", MAPPER % "")
    project.run().counts(read=60, created=60)
    project.configure(sources={"erp": {"tls": {"cert_file": None, "key_file": None}}})
    asked = front.count()
    project.erp2couch("preview", "item").expect(Exit.CONFIG).says("set cert_file and key_file")
    assert front.count() == asked


def test_an_odata_service(rest):
    rows = [{**row, "no": row["code"]} for row in ROWS]
    server = foreign.ODataServer(rows)
    try:
        project = rest(server.url)
        project.erp2couch("discover", "erp").expect(Exit.OK).says("products", "changed")
        starter = project.erp2couch("discover", "erp", "products").expect(Exit.OK)
        assert "path: /products" in starter.out
        project.mapper("item", """
            mapper: item
            source: erp
            extract:
              path: /products
              odata: {version: 4, select: [id, "no", name, price, active, changed]}
              key: id
              cursor: {field: changed, filter: "changed ge ${cursor}"}
              lookback: 0s
            target: {database: "@db@catalog", id: "item:${code}"}
            fields:
              code: no
              name: name
              price: {from: price, type: decimal, scale: 2}
              active: active
            """)
        project.run().counts(read=60, created=60)
        assert documents(project)["item:A7"] == {"_id": "item:A7", "code": "A7",
                                                 "name": "Näme 7", "price": "7.25",
                                                 "active": False}
        newest = sum(row["changed"] == "2026-01-20T10:00:00Z" for row in ROWS)
        project.quiet_run(unchanged=newest)
        rows[5].update(price=99.5, changed="2026-03-01T00:00:00Z")
        del rows[8]
        server.write(rows)
        project.run().counts(read=newest + 1, updated=1, unchanged=newest)
        project.run("--full").counts(read=59, deleted=1, unchanged=59 - 1 + 1)
    finally:
        server.remove()


TRYTON_PARTIES = r"""
    mapper: customer
    source: erp
    extract:
      path: /
      method: POST
      body:
        id: 1
        method: model.party.party.search_read
        params:
          - []
          - "${offset}"
          - "${size}"
          - [[id, ASC]]
          - [id, code, name, addresses.street, addresses.city]
          - {}
      records: result
      paging: {type: offset, size: 20}
      error_when: {path: error}
      key: id
    target: {database: "@db@erp", id: "customer:${row.id}"}
    fields:
      name: name
      code: code
      addresses: {each: addresses\., fields: {street: street, city: city}}
"""


@pytest.mark.once
def test_tryton_over_json_rpc(rest, tryton):
    server = foreign.Tryton(tryton)
    try:
        project = rest(f"{server.url}/{server.database}",
                       auth={"user": "admin", "password": foreign.TRYTON_PASSWORD})
        project.mapper("customer", TRYTON_PARTIES)
        parties = dict(tryton.sql("SELECT 'customer:' || id, name FROM party_party WHERE active"))
        project.run(timeout=300).counts(read=len(parties), created=len(parties))
        assert {key: doc["name"] for key, doc in project.db("erp").docs().items()} == parties
        project.quiet_run(databases=["erp"], unchanged=len(parties), timeout=300)
        tryton.sql("UPDATE party_party SET name = 'Renamed' WHERE id ="
                   " (SELECT max(id) FROM party_party WHERE active)")
        project.run(timeout=300).counts(updated=1, unchanged=len(parties) - 1)
        project.configure(sources={"erp": {"auth": {"password": "wrong"}}})
        project.run(code=Exit.CONFIG).says("401")
    finally:
        server.remove()
