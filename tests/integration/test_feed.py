"""When a run reads a target's _changes, and from where (PROTOCOL.md section 7)."""

import json
import shutil
from urllib.parse import unquote

import pytest

from support import faultproxy


@pytest.fixture
def front(project, database, couch, proxy, apache_couch):
    """30 rows, loaded through a proxy, which is returned."""
    made = proxy("http", couch.host, couch.port)
    project.configure(couchdb={"url": made.url})
    database.sql("CREATE TABLE item AS SELECT n AS id, 'c' || n AS code, 'v' || n AS v FROM"
                 " generate_series(1, 30) n")
    project.table_mapper(columns=["v"], target_id="item:${code}")
    return made


@pytest.fixture
def catalog(project, front):
    project.run().counts(created=30)
    return project.db("catalog")


def feeds(front):
    """The paths of all reads of the feed since the last call."""
    with front.lock:
        paths = [unquote(one.path) for one in front.seen if "catalog/_changes" in one.path]
        front.seen.clear()
    return paths


@pytest.mark.parametrize("sql", [
    "SELECT", "UPDATE item SET v = 'new' WHERE id < 9", "DELETE FROM item WHERE id < 3",
    "UPDATE item SET code = 'm' || id WHERE id < 9"])
def test_what_we_wrote_ourselves_is_no_reason_to_read_it(project, database, front, catalog, sql):
    database.sql(sql)
    project.run()
    project.quiet_run()
    assert feeds(front) == []


def test_documents_that_were_found_equal_are_not_taken_for_written(project, front, catalog):
    """Else the target would have fewer changes than it must have: restored, it would seem."""
    shutil.rmtree(project.state)
    project.quiet_run(unchanged=30)
    feeds(front)
    project.quiet_run(unchanged=30)
    assert feeds(front) == [] and front.count("GET", "catalog/_all_docs") == 0


def test_somebody_elses_write_is_a_reason_once(project, front, catalog):
    feeds(front)
    catalog.put({"_id": "other:1"})
    since = catalog.local("erp2couch-item")["update_seq"]
    project.quiet_run(unchanged=30)
    [path] = feeds(front)
    assert path.endswith("since=" + since) and "style=all_docs" in path
    project.quiet_run(unchanged=30)
    assert feeds(front) == []


def test_leaves_that_we_deleted_count_one_by_one(project, front, catalog):
    for letter in "0123":
        rev = letter * 32
        catalog.call("POST", "/_bulk_docs", json={"new_edits": False, "docs": [
            {"_id": "item:c5", "_rev": f"1-{rev}", "_revisions": {"start": 1, "ids": [rev]}}]})
    project.run().counts(unchanged=30)
    assert catalog.conflicts() == [] and len(feeds(front)) == 1
    project.quiet_run(unchanged=30)
    assert feeds(front) == []


def test_numbers_of_a_cluster_say_nothing(project, database, front):
    """Each replica has its own: the feed is always read, and nobody seems to have restored."""
    def clustered(status, body):
        info = json.loads(body)
        if status == 200:
            info["cluster"]["n"] = 3
            info["update_seq"] = "5-" + info["update_seq"].split("-", 1)[1]
        return status, json.dumps(info).encode()

    front.on("GET", "catalog$", faultproxy.rewrite(clustered), times=None)
    project.run().counts(created=30)
    database.sql("UPDATE item SET v = 'new' WHERE id < 9")
    project.run().counts(updated=8, unchanged=22)
    feeds(front)
    project.run().counts(unchanged=30)
    assert len(feeds(front)) == 1 and front.count("GET", "catalog/_all_docs") == 0
    catalog = project.db("catalog")
    catalog.put({**catalog.get("item:c20"), "v": "meddled"})
    project.run().counts(updated=1, unchanged=29)
