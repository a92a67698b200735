"""REST sources under the other commands and options, and what their replies may be: groups, empty
pages, errors with status 200, rejects that are tried again, preview, diff, verify, dry runs."""

import pytest

from support.project import Exit
from support.rest_tables import FIELDS, ROWS, expected, paged, rows, since_time, touch


# ---- groups

GROUPED = {"lines": {"each": "rows", "fields": {"line": "line", "sku": "sku"}}}
GROUPS = {"customer": "customer", **GROUPED}


def lines(count=24):
    """Three rows a customer, so that pages of five end within a group; two rows of some are equal
    in all they have."""
    return [{"customer": f"C{n // 3:02}", "line": n % 3 if n % 4 else 0, "sku": f"S{n % 2}"}
            for n in range(count)]


def groups(table):
    docs = {}
    for row in table.rows:
        doc = docs.setdefault(f"item:{row['customer']}", {
            "_id": f"item:{row['customer']}", "customer": row["customer"], "lines": []})
        doc["lines"].append({"line": row["line"], "sku": row["sku"]})
    return docs


@pytest.fixture
def grouped(rest, server):
    def make(paging, rows_, **options):
        table, extract = paged(server, paging, **options)
        if table.totals:
            extract["paging"]["total"] = "total"
        table.rows = rows_
        del extract["key"]
        extract["group"] = "customer"
        project = rest(extract, fields=GROUPS)
        path = project.folder / "mappers/item.yaml"
        path.write_text(path.read_text().replace("item:${id}", "item:${customer}"))
        project.env["ERP2COUCH_CRASH_WAIT"] = "1"
        return table, project

    return make


@pytest.mark.parametrize("paging", ["none", "page", "offset", "next_url", "cursor"])
def test_groups_have_each_row_once(grouped, paging):
    table, project = grouped(paging, lines())
    project.run().counts(created=8)
    assert project.db("catalog").docs() == groups(table)
    project.quiet_run(unchanged=8)


@pytest.mark.parametrize("equal", [2, 5, 9])
def test_rows_of_a_group_that_are_equal_all_count(grouped, equal):
    """Where a page ends between them, too."""
    table, project = grouped("offset", [
        {"customer": f"C{n}", "line": 1, "sku": "S"} for n in range(4) for _ in range(equal)])
    project.run().counts(created=4)
    assert project.db("catalog").docs() == groups(table)


def take_first(table):
    del table.rows[:3]


def put_first(table):
    table.rows[:0] = [{"customer": "C-", "line": n, "sku": "new"} for n in range(3)]


@pytest.mark.parametrize("paging, shift", [("offset", take_first), ("offset", put_first),
                                           ("page", take_first)])
def test_pages_that_shift_double_no_row_of_a_group(grouped, server, paging, shift):
    """Rows go, or come, while pages are read: groups are whole in the end; and with pages that
    overlap nothing that was half of one was ever written."""
    table, project = grouped(paging, lines(), totals=paging == "page")
    table.before_page = lambda number: shift(table) if number == 3 else None
    project.run()
    docs = groups(table)
    assert {key: doc for key, doc in project.db("catalog").docs().items() if key in docs} == docs
    if paging == "offset":
        assert {rev[:2] for rev in project.db("catalog").revs().values()} == {"1-"}
    project.run()
    assert project.db("catalog").docs() == docs


def test_children_that_are_equal_all_count(rest, server):
    """Of a call with pages that overlap."""
    _, extract = paged(server, "none", count=3)
    for n in (1, 2, 3):
        server.add(f"/items/{n}/lines", [{"sku": "S"}] * 7, key="sku", paging="offset", size=3)
    extract["children"] = {"lines": {"path": "/items/${id}/lines", "paging": {
        "type": "offset", "size_param": "limit", "size": 5}}}
    project = rest(extract, fields={"id": "id", "lines": {"each": "lines",
                                                          "fields": {"sku": "sku"}}})
    project.run().counts(created=3)
    assert [len(doc["lines"]) for doc in project.db("catalog").docs().values()] == [7, 7, 7]
