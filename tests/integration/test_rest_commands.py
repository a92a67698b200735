"""REST sources under the other commands and options, and what their replies may be: groups, empty
pages, errors with status 200, rejects that are tried again, preview, diff, verify, dry runs."""

import pytest

from support.project import Exit
from support.rest_tables import ROWS, expected, paged, since_time, touch

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


# ---- replies that mean something else

def test_an_error_with_status_200_ends_the_run(rest, server):
    """On the second page of a server that says so itself; only a named value where `equals` is."""
    table, extract = paged(server, "page")
    extract["error_when"] = {"path": "error.code", "equals": "500", "message": "error.text"}
    project = rest(extract)
    project.env["ERP2COUCH_CRASH_WAIT"] = "1"
    server.fault("raw", path="/items", at=1, times=99,
                 body={"error": {"code": 500, "text": "Access\nDenied"}, "data": {"items": []}})
    project.run(code=Exit.CONFIG).says("is an error: Access Denied")
    server.faults.clear()
    server.fault("raw", path="/items", at=4, times=99,
                 body={"error": {"code": 0, "text": "all is well"},
                       "data": {"items": table.rows[20:]}})
    project.run()
    assert project.db("catalog").docs() == expected(table)


@pytest.mark.parametrize("status", [404, 204, 304])
def test_a_status_that_means_no_records(rest, server, status):
    """Behind the last full page; and as the only reply: then all is gone, under the brake."""
    table, extract = paged(server, "page", count=20)
    project = rest({**extract, "empty_on": [404], "deletes": {"sweep": True}})
    server.fault("status", path="/items", at=4, times=1, status=status)
    project.run().counts(created=20)
    assert len(server.asked("/items")) == 5
    assert project.db("catalog").docs() == expected(table)
    server.fault("status", path="/items", times=1, status=status)
    project.run(code=Exit.REFUSED)
    assert len(project.db("catalog").docs()) == 20
    project.quiet_run(unchanged=20)


def test_304_says_that_nothing_changed(rest, server):
    table, extract = paged(server, "page", modified="changed")
    extract["cursor"] = {"header": "If-Modified-Since"}
    project = rest(extract)
    project.run().counts(created=ROWS)
    server.forget()
    project.run().counts()  # reads nothing, deletes nothing
    [asked] = server.asked()
    assert "If-Modified-Since" in asked.headers
    assert project.db("catalog").docs() == expected(table)


# ---- the other commands

@pytest.fixture
def followed(rest, server):
    """A mapper with a cursor after its first run, whose table changed since."""
    table, extract = paged(server, "page", changed=since_time("changed"), since="since")
    extract.update(cursor={"field": "changed", "param": "since"}, lookback="1m",
                   by_key={"path": "/items/${id}"})
    project = rest(extract)
    project.run().counts(created=ROWS)
    touch(table, 7, name="another")
    table.rows.append({**table.row(1), "id": 101, "name": "new"})
    touch(table, 101)
    table.delete(3)
    server.forget()
    return project, table


def test_a_dry_run_and_a_diff_tell_what_would_be_and_change_nothing(followed):
    project, table = followed
    before = project.snapshot("catalog"), position(project)
    assert project.run("--dry-run").mapper()["updated"] == 1
    full = project.run("--dry-run", "--full")
    full.counts(created=1, updated=1, deleted=1, unchanged=ROWS - 2)
    told = project.erp2couch("diff", "item", "--json").expect(Exit.OK).json
    assert (told["create"], told["update"], told["delete"]) == (1, 1, 0)
    assert (project.snapshot("catalog"), position(project)) == before
    project.run("--full").counts(created=1, updated=1, deleted=1, unchanged=ROWS - 2)
    assert project.db("catalog").docs() == expected(table)


def position(project):
    return project.erp2couch("state", "show", "item", "--json").expect(Exit.OK).json["position"]


def test_verify_compares_everything_with_couchdb(followed):
    project, table = followed
    project.run("--full")
    project.erp2couch("verify", "item").expect(Exit.OK)
    before = position(project)
    project.db("catalog").put({"_id": "item:9", "name": "meddled"})
    table.update(8, name="by hand")  # no cursor shows it
    result = project.erp2couch("verify", "item")
    assert result.code not in (Exit.OK, Exit.INTERNAL), result
    result.says("item:8", "item:9")
    assert position(project) == before
    project.run("--full")
    project.erp2couch("verify", "item").expect(Exit.OK)


@pytest.mark.parametrize("by_key", [True, False])
def test_preview_of_a_key(rest, server, by_key):
    """By a call of its own; without one, pages are read up to the record."""
    table, extract = paged(server, "page")
    if by_key:
        extract["by_key"] = {"path": "/items/${id}"}
    project = rest(extract)
    shown = project.erp2couch("preview", "item", "--key", "7").expect(Exit.OK).lines
    assert shown == [expected(table)["item:7"]]
    assert [ask.path for ask in server.asked()] == (["/items/7"] if by_key else ["/items"] * 2)
    project.erp2couch("preview", "item", "--key", "999").says("999")
    assert not project.db("catalog").exists()


@pytest.mark.parametrize("by_key", [True, False])
def test_rejects_are_tried_again_by_key(rest, server, by_key):
    """One is mended, one still is bad, one is gone from the source."""
    table, extract = paged(server, "page", changed=since_time("changed"), since="since")
    extract.update(cursor={"field": "changed", "param": "since"}, lookback="1m")
    if by_key:
        extract["by_key"] = {"path": "/items/${id}"}
    for key in (2, 9, 17):
        table.update(key, price="no number")
    project = rest(extract)
    project.run(code=Exit.REJECTS).counts(created=ROWS - 3, rejected=3)
    table.update(2, price="2.50")
    table.delete(17)
    server.forget()
    result = project.erp2couch("rejects", "retry", "item", "--json").expect(Exit.REJECTS)
    assert (result.mapper()["created"], result.mapper()["rejected"]) == (1, 1), result
    assert [reject["key"] for reject in project.rejects()] in ([9], [[9]], ["9"], [["9"]])
    if by_key:
        assert {ask.path for ask in server.asked()} == {f"/items/{n}" for n in (2, 9, 17)}
    table.update(9, price="9.50")
    project.run()  # tries it, though no cursor shows it
    assert project.db("catalog").docs() == expected(table)
    assert project.rejects() == []


def test_a_full_read_finds_what_no_cursor_shows(followed, server):
    project, table = followed
    table.update(11, price="99.00")
    project.run()
    assert project.db("catalog").docs()["item:11"]["price"] == "11.50"
    project.run("--full").counts(updated=1, deleted=1, unchanged=ROWS - 2 + 1)
    assert project.db("catalog").docs() == expected(table)
