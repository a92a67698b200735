"""The metrics of the service: their form, what they count, and that the documents have them."""

import json
import re

import pytest

from support import faultproxy
from support.metrics import RULES, DOCUMENT, Metrics, documented, promtool
from support.process import wait_until
from support.service import PATIENCE, Service

# DESIGN.md section 4.
CONTRACT = {
    "erp2couch_records_total": {"mapper", "result"},
    "erp2couch_runs_total": {"mapper", "outcome"},
    "erp2couch_run_duration_seconds": set(),
    "erp2couch_last_success_timestamp_seconds": {"mapper"},
    "erp2couch_lag_seconds": {"mapper"},
    "erp2couch_rejects": {"mapper"},
    "erp2couch_couchdb_requests_total": {"code"},
    "erp2couch_couchdb_request_duration_seconds": set(),
    "erp2couch_build_info": {"version"},
}
COUNTS = ["read", "created", "updated", "moved", "deleted", "unchanged", "rejected"]


@pytest.fixture
def item(project, database):
    """Twelve rows; one whose `v` is NULL is a reject. Runs come when somebody asks."""
    database.sql("CREATE TABLE item (id int PRIMARY KEY, v text);"
                 "INSERT INTO item SELECT i, 'v' || i FROM generate_series(1, 12) i")
    project.table_mapper(fields="v: {from: v, required: true}")
    return project


def metrics(service):
    reply = service.session.get(service.url + "/metrics", timeout=PATIENCE)
    assert reply.status_code == 200
    assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Metrics(reply.text)


def run(service, mapper="item"):
    """A run that somebody asks for, to its end."""
    count = len(service.messages("run ended", mapper))
    service.post(f"/api/v1/mappers/{mapper}/run", code=202)
    service.wait_log("run ended", mapper, count + 1)


def settled(service):
    """Waits until nothing is asked any more that runs left. Returns the metrics then."""
    def still():
        now = metrics(service)
        return now if now.get("rejects", mapper="item") is not None else None

    wait_until("the control database was asked", PATIENCE, still)
    return metrics(service)


def check_form(found):
    names = list(found.types)
    assert names == sorted(names)
    for name, kind in found.types.items():
        assert (kind == "counter") == name.endswith("_total"), name
        if kind != "histogram":
            continue
        short = name.removeprefix("erp2couch_")
        buckets = found.buckets(short)
        counts = [n for _, n in buckets]
        assert buckets[-1][0] == float("inf") and counts == sorted(counts), name
        assert counts[-1] == found.get(short + "_count") and found.get(short + "_sum") >= 0


# ---- their form


@pytest.mark.once
def test_form_and_contract(item, database):
    database.sql("INSERT INTO item VALUES (13, NULL)")
    with Service(item, "-v") as service:
        run(service)
        found = settled(service)
    check_form(found)
    promtool("check", "metrics", text=found.text)
    labels = found.labels()
    for name, expected in CONTRACT.items():
        assert labels[name] == {frozenset(expected)}, name
    written = documented()
    assert {name: kind for name, (kind, _) in written.items()} == found.types
    for name, sets in labels.items():
        assert sets == {written[name][1]}, name


@pytest.mark.once
def test_names_in_rules_and_questions_exist():
    known = {name + suffix for name in documented() for suffix in ("", "_bucket", "_sum", "_count")}
    for path in (DOCUMENT, RULES / "alerts.yml", RULES / "alerts_test.yml"):
        used = set(re.findall(r"\berp2couch_\w+", path.read_text()))
        assert used and not used - known, path


@pytest.mark.once
def test_rules_do_what_they_say():
    promtool("check", "rules", "alerts.yml", cwd=RULES)
    promtool("test", "rules", "alerts_test.yml", cwd=RULES)


# ---- what they count


def check_against_api(service, found):
    runs = service.get("/api/v1/runs?mapper=item&limit=500")["runs"]
    mapper = service.mapper("item")
    assert found.by("records_total", "result", mapper="item") == {
        name: sum(r[name] for r in runs) for name in COUNTS}
    outcomes = [r["outcome"] for r in runs]
    told = found.by("runs_total", "outcome", mapper="item")
    assert {k: v for k, v in told.items() if v} == {o: outcomes.count(o) for o in set(outcomes)}
    assert found.get("run_duration_seconds_count") == len(runs)
    seconds = sum(r["seconds"] for r in runs)
    assert found.get("run_duration_seconds_sum") == pytest.approx(seconds, abs=0.1)
    assert found.get("run_seconds_total", mapper="item") == pytest.approx(seconds, abs=0.1)
    assert found.get("rejects", mapper="item") == mapper["rejects"]
    assert found.get("state_records", mapper="item") == mapper["records"]
    assert found.get("consecutive_failures", mapper="item") == mapper["failures"]
    assert found.get("lag_seconds", mapper="item") == pytest.approx(mapper["lag_seconds"], abs=2)


def test_values_are_those_of_runs_and_api(item, database):
    with Service(item, "-v") as service:
        run(service)
        database.sql("UPDATE item SET v = 'x' WHERE id <= 2; DELETE FROM item WHERE id = 12;"
                     "INSERT INTO item VALUES (13, 'n'), (14, NULL)")
        run(service)
        database.sql("ALTER TABLE item RENAME TO gone")
        run(service)
        wait_until("the rejects are known", PATIENCE,
                   lambda: metrics(service).get("rejects", mapper="item") == 1)
        found = metrics(service)
        check_against_api(service, found)
        assert found.by("records_total", "result", mapper="item") == {
            "read": 25, "created": 13, "updated": 2, "moved": 0, "deleted": 1, "unchanged": 9,
            "rejected": 1}
        assert found.get("runs_total", mapper="item", outcome="failed") == 1
        assert found.get("consecutive_failures", mapper="item") == 1
        assert found.get("waiting", mapper="item", reason="back_off") == 1
        assert found.get("queue_waiting", queue="runs") == 1
        service.post("/api/v1/mappers/item/pause")
        found = metrics(service)
        assert found.get("paused", mapper="item") == 1
        assert sum(found.by("waiting", "reason", mapper="item").values()) == 0
        assert found.get("next_run_timestamp_seconds", mapper="item") is None


def test_requests_to_couchdb(item, database, couch, proxy):
    """503 once: it is tried again. A document that somebody else wrote is a conflict."""
    front = proxy("http", couch.host, couch.port)
    item.configure(couchdb={"url": front.url})
    with Service(item, "-v") as service:
        settled(service)
        before = metrics(service)
        front.on("POST", "/_bulk_docs$", faultproxy.answer(503), times=1)
        run(service)
        found = metrics(service)
        assert found.get("couchdb_requests_total", code="503") == 1
        assert found.get("couchdb_retries_total") >= before.get("couchdb_retries_total") + 1
        assert found.get("couchdb_up") == 1
        assert found.get("couchdb_batches_in_flight") == 0
        batches, docs = "couchdb_batch_documents_count", "couchdb_batch_documents_sum"
        sent = front.count("POST", "/_bulk_docs$")
        assert found.get(batches) <= sent and found.get(docs) >= 24  # 12, and again after the 503
        total = sum(found.by("couchdb_requests_total", "code").values())
        assert total == found.get("couchdb_request_duration_seconds_count")
        assert found.get("couchdb_sent_bytes_total") > before.get("couchdb_sent_bytes_total") + 400
        assert found.get("couchdb_received_bytes_total") > 0
        assert found.get("couchdb_logins_total") == 0


def test_no_reply_is_a_code_of_its_own(item, couch, proxy):
    front = proxy("http", couch.host, couch.port)
    item.configure(couchdb={"url": front.url, "retry_for": "0s"})
    with Service(item, "-v") as service:
        settled(service)
        front.on("POST", "/_bulk_docs$", faultproxy.drop_reply(), times=1)
        run(service)
        assert metrics(service).get("couchdb_requests_total", code="none") == 1


def test_log_ins_are_counted(item, couch):
    item.configure(couchdb={"auth": {"user": None, "password": None, "session": {
        "user": couch.user, "password": "${COUCHDB_PASSWORD}"}}})
    with Service(item, "-v") as service:
        run(service)
        assert metrics(service).get("couchdb_logins_total") >= 1


def test_a_run_under_way(item, couch, proxy):
    front = proxy("http", couch.host, couch.port)
    gate = faultproxy.Gate()
    front.on("POST", "/_bulk_docs$", gate.fault)
    item.configure(couchdb={"url": front.url})
    with Service(item, "-v") as service:
        assert metrics(service).get("running", mapper="item") == 0
        service.post("/api/v1/mappers/item/run", code=202)
        gate.wait()
        wait_until("a batch is in flight", PATIENCE, lambda:
                   metrics(service).get("couchdb_batches_in_flight") == 1)
        found = metrics(service)
        check_form(found)
        promtool("check", "metrics", text=found.text)
        assert found.get("running", mapper="item") == 1
        assert found.get("queue_running", queue="runs") == 1
        assert found.get("queue_limit", queue="runs") == 4
        assert found.get("run_started_timestamp_seconds", mapper="item") > 1e9
        assert found.by("run_records", "result", mapper="item")["read"] == 12
        labels, written = found.labels(), documented()
        assert all(sets == {written[name][1]} for name, sets in labels.items())
        gate.open()
        service.wait_log("run ended: ok")
        found = metrics(service)
        assert found.get("couchdb_batches_in_flight") == 0
        assert found.get("running", mapper="item") == 0
        assert not found.by("run_records", "result", mapper="item")


def test_without_couchdb(item):
    item.configure(couchdb={"url": "http://127.0.0.1:9", "retry_for": "0s"})
    with Service(item) as service:
        service.wait_log("degraded")
        found = metrics(service)
        assert found.get("couchdb_up") == 0
        assert found.by("condition", "condition") == {
            "starting": 0, "ready": 0, "degraded": 1, "stopping": 0}
        assert found.get("rejects", mapper="item") is None
        assert found.get("couchdb_requests_total", code="none") >= 1


# ---- sources and reloads


def test_listeners(item):
    item.table_mapper(fields="v: {from: v, required: true}", more="schedule: {notify: changed}")
    with Service(item, "-v") as service:
        wait_until("the source is listened to", PATIENCE,
                   lambda: metrics(service).get("listener_up", source="erp") == 1)
        service.wait_log("run ended: ok", "item")
        assert metrics(service).get("notifications_total", mapper="item") >= 1


def test_a_reload(item, database):
    database.sql("CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (1)")
    path = item.table_mapper("other")
    with Service(item, "-v") as service:
        run(service)
        run(service, "other")
        before = settled(service)
        assert before.get("mapper_info", mapper="other", source="erp") == 1
        path.unlink()
        service.reload()
        run(service)
        after = metrics(service)
        assert 'mapper="other"' not in after.text
        gone = {key for key in before.samples if ("mapper", "other") in key[1]}
        for key, value in before.samples.items():
            family = re.sub("_(bucket|sum|count)$", "", key[0])
            if key not in gone and before.types.get(family, before.types.get(key[0])) in (
                    "counter", "histogram"):
                assert after.samples[key] >= value, key
        requests = [sum(m.by("couchdb_requests_total", "code").values()) for m in (before, after)]
        assert requests[1] > requests[0], "a reloaded configuration is counted, too"
        assert after.get("run_duration_seconds_count") == 3
        loaded = "config_last_reload_success_timestamp_seconds"
        assert after.get("config_last_reload_successful") == 1
        assert after.get(loaded) > before.get(loaded)
        item.mapper("broken", "mapper: broken\n")
        service.reload("the reload was refused")
        refused = metrics(service)
        assert refused.get("config_last_reload_successful") == 0
        assert refused.get(loaded) == after.get(loaded)


def test_labels_are_escaped_and_secrets_absent(item, couch):
    """A source may have any name that YAML can write."""
    name = 'a "b" \\ c'
    item.configure(sources={"erp": None, name: {"type": "postgres", "dsn": "${ERP_DSN}"}})
    text = (item.folder / "mappers/item.yaml").read_text()
    item.mapper("item", text.replace("source: erp", f"source: {json.dumps(name)}"))
    with Service(item) as service:
        found = metrics(service)
    promtool("check", "metrics", text=found.text)
    assert r'source="a \"b\" \\ c"' in found.text
    assert couch.password not in found.text
