"""Mappers that their source wakes: the trigger of docs/serve.md, a server that restarts, a pooler,
a source that cannot."""

import json
import re

import pytest

from support.process import wait_until
from support.project import ROOT, Exit
from support.service import PATIENCE, Service

SERVE = (ROOT / "docs/serve.md").read_text()
TRIGGER = re.search(r"```sql\n(.*?)```", SERVE, re.S)[1]
TABLE = "CREATE TABLE product (id int PRIMARY KEY, name text, version serial)"


@pytest.fixture
def product(project, database):
    """The table and trigger of the documentation; its mapper would run once an hour."""
    database.sql(TABLE)
    database.sql(TRIGGER)
    project.table_mapper(name="product", columns=["name"], extract="cursor: version\nlookback: 0s",
                         more="schedule: {every: 1h, notify: product_changed}")
    return project.db("catalog")


def has(target, count):
    return lambda: target.exists() and len(target.docs()) == count


def test_a_change_wakes_the_mapper(project, database, product):
    with Service(project) as service:
        service.wait_log("listening for notifications")
        database.sql("INSERT INTO product VALUES (1, 'Bolt')")
        wait_until("the first document", PATIENCE, has(product, 1))
        database.sql("INSERT INTO product SELECT n, 'Nut' FROM generate_series(2, 50) n")
        wait_until("the others", PATIENCE, has(product, 50))
    project.quiet_run("--full", unchanged=50)


def test_the_server_restarts(project, database, cluster, product):
    with Service(project) as service:
        service.wait_log("listening for notifications")
        since = len(service.log)
        database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                     " WHERE query LIKE '%%set_config%%' AND pid <> pg_backend_pid()"
                     " AND datname = current_database()")
        service.wait_log("notifications do not come", since=since)
        database.sql("ALTER TABLE product DISABLE TRIGGER ALL;"
                     " INSERT INTO product VALUES (1, 'while nobody listened')")
        service.wait_log("listening for notifications", since=since)
        wait_until("what was missed", PATIENCE, has(product, 1))


def test_reload_changes_the_channel(project, database, product):
    with Service(project) as service:
        service.wait_log("listening for notifications")
        project.table_mapper(name="product", columns=["name"],
                             extract="cursor: version\nlookback: 0s",
                             more="schedule: {every: 1h, notify: 'Other \"one\"'}")
        since = len(service.log)
        service.reload()
        service.wait_log("listening for notifications", since=since)
        wait_until("the run after it", PATIENCE, has(product, 0))
        database.sql("ALTER TABLE product DISABLE TRIGGER ALL;"
                     " INSERT INTO product VALUES (1, 'x'); NOTIFY \"Other \"\"one\"\"\"")
        wait_until("the document", PATIENCE, has(product, 1))


def test_readiness_without_notifications(project, database, cluster, product, proxy):
    """With a schedule beside them the service does its work, and says what it misses; without one
    nothing would arrive."""
    front = proxy("tcp", "127.0.0.1", cluster.port)
    project.env["ERP_DSN"] = database.dsn(port=front.port)
    with Service(project) as service:
        service.wait_log("listening for notifications")
        service.wait_log("^ready")
        service.post("/api/v1/mappers/product/pause")  # a run that is cut would be a failure
        wait_until("no run", 20, lambda: service.mapper("product")["activity"] == "paused")
        assert service.get("/readyz") == {"status": "ready"}
        front.refuse()
        service.wait_log("notifications do not come")
        said = service.get("/readyz")
        assert said["status"] == "ready" and "source erp: notifications do not come" in \
            said["reason"] and "schedules still run" in said["reason"]
        status = service.get("/api/v1/status")
        assert (status["condition"], status["reason"]) == ("ready", said["reason"])
        project.table_mapper(name="product", columns=["name"],
                             extract="cursor: version\nlookback: 0s",
                             more="schedule: {notify: product_changed}")
        service.reload()
        service.wait_log("^degraded: .*nothing else wakes mapper product")
        assert service.get("/readyz", 503)["status"] == "degraded"
        front.refuse(False)
        service.wait_log("^ready", count=2)
        assert service.get("/readyz") == {"status": "ready"}


def test_a_pooler_is_recognised(project, database, cluster, product, proxy):
    front = proxy("pooler", "127.0.0.1", cluster.port)
    project.env["ERP_DSN"] = database.dsn(port=front.port)
    with Service(project) as service:
        service.wait_log("a pooler stands between us and the server")


def test_a_source_that_tells_of_nothing(rest):
    project = rest({"path": "/items", "key": "id"})
    path = project.folder / "mappers/item.yaml"
    mapper = json.loads(path.read_text())
    path.write_text(json.dumps({**mapper, "schedule": {"notify": "changed"}}))
    project.erp2couch("check").expect(Exit.CONFIG).says(
        r"item\.yaml:1:\d+: .*notify.*source 'erp' is of type rest.*tells of no changes")
