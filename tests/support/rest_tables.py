"""Tables for the REST server of tests/support/rest_server.py with the mappers that read them: each
kind of paging, each kind of cursor."""

import json
import time
from datetime import datetime, timedelta, timezone

from support.rest_server import instant

ROWS = 23
SIZE = 5

FIELDS = {"type": {"value": "item"}, "id": "id", "name": "name",
          "price": {"from": "price", "type": "decimal"}}


def rest_project(make_project, couch, server, extracts, source=None, fields=None):
    """A project of a mapper for each extract, {name: extract}, or of one mapper `item` for an
    extract alone. Documents are NAME:ID in catalog."""
    project = make_project(couch)
    project.configure(sources={"erp": {"type": "rest", "dsn": None, "url": server.url,
                                       "retry_for": "2s", **(source or {})}})
    for name, extract in ({"item": extracts} if "path" in extracts else extracts).items():
        project.mapper(name, json.dumps({
            "mapper": name, "source": "erp", "extract": extract,
            "target": {"database": "@db@catalog", "id": name + ":${id}"},
            "fields": fields or FIELDS}))
    return project


def stamp(minutes, form="%Y-%m-%dT%H:%M:%SZ"):
    """A time that far before now."""
    return (datetime.now(timezone.utc) - timedelta(minutes=minutes)).strftime(form)


def rows(count=ROWS):
    """The stamps are ten minutes apart: a lookback of one reads one record again."""
    return [{"id": n, "name": f"Item {n}", "price": f"{n}.50", "version": n, "edition": f"e{n:06}",
             "changed": stamp(600 + 10 * n), "day": stamp(600 + 10 * n, "%Y-%m-%d"),
             "time": stamp(600 + 10 * n, "%H:%M:%S"), "unix": time.time() // 1 - 36000 - 600 * n}
            for n in range(1, count + 1)]


def expected(table, name="item"):
    return {f"{name}:{row['id']}": {"_id": f"{name}:{row['id']}", "type": "item", "id": row["id"],
                                    "name": row["name"], "price": row["price"]}
            for row in table.rows}


def docs_of(project, name):
    return {key: doc for key, doc in project.db("catalog").docs().items()
            if key.startswith(name + ":")}


PAGINGS = {
    "none": ({}, {"records": "data.items"}, {}),
    "body": ({}, {}, {}),
    "page": ({"paging": {"type": "page", "param": "page", "first": 1, "size_param": "limit",
                         "size": SIZE}},
             {"records": "data.items"}, {}),
    "offset": ({"paging": {"type": "offset", "param": "offset", "size_param": "limit",
                           "size": SIZE}},
               {"records": "data.items"}, {}),
    "keyset": ({"paging": {"type": "keyset", "param": "after", "size_param": "limit",
                           "size": SIZE}},
               {"records": "data.items"}, {}),
    "next_url": ({"paging": {"type": "next_url", "next": "next"}}, {"records": "data.items"},
                 {"size": SIZE}),
    "link_header": ({"paging": {"type": "link_header"}}, {}, {"size": SIZE}),
    "cursor": ({"paging": {"type": "cursor", "param": "token", "next": "after"}},
               {"records": "data.items"}, {"size": SIZE}),
    "body_page": ({"method": "POST", "body": {"page": "${page}", "limit": "${size}"},
                   "paging": {"type": "page", "first": 1, "size": SIZE}},
                  {"records": "data.items"}, {"paging": "page"}),
    "odata4": ({"odata": {"version": 4, "page_size": SIZE}}, {}, {"paging": "odata"}),
    "odata2": ({"odata": {"version": 2}}, {},
               {"paging": "odata", "version": 2, "size": SIZE}),
}


def paged(server, kind, count=ROWS, path="/items", **options):
    """The table and the extract of one kind of paging."""
    extract, shared, own = PAGINGS[kind]
    paging = "none" if kind in ("none", "body") else kind
    table = server.add(path, rows(count), **{"paging": paging, **shared, **own, **options})
    return table, {"path": path, "key": "id", **extract, **shared}


def since_time(field):
    return lambda row, text: instant(row[field]) >= instant(text)


CURSORS = {
    "time": ({"field": "changed", "param": "since"}, {"changed": since_time("changed")}),
    "unix": ({"field": "unix", "param": "since", "format": "unix"},
             {"changed": lambda row, text: row["unix"] >= float(text)}),
    "date_and_time": ({"field": ["day", "time"], "param": "since", "format": "%Y-%m-%d %H:%M:%S"},
                      {"changed": lambda row, text: row["day"] >= text}),
    "integer": ({"field": "version", "param": "since", "format": "integer"},
                {"changed": lambda row, text: row["version"] > int(text)}),
    "text": ({"field": "edition", "param": "since", "format": "text"},
             {"changed": lambda row, text: row["edition"] >= text}),
    "header": ({"header": "If-Modified-Since"}, {"modified": "changed"}),
    "none": (None, {}),
}


def touch(table, key, **values):
    """A change, with all stamps that follow it."""
    version = max(row["version"] for row in table.rows) + 1
    table.update(key, changed=stamp(0), day=stamp(0, "%Y-%m-%d"), time=stamp(0, "%H:%M:%S"),
                 unix=time.time(), version=version, edition=f"e{version:06}", **values)
