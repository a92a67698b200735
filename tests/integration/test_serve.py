"""The service: it runs mappers by their schedules, and takes signals, reloads and faults."""

import json
import re
import signal
import socket
import time

import pytest

from support import faultproxy
from support.process import wait_until
from support.project import Exit
from support.service import PATIENCE, Service

EVERY_SECOND = "schedule: {every: 1s}"


@pytest.fixture
def item(project, database):
    """Three rows, read every second."""
    database.sql("CREATE TABLE item (id int PRIMARY KEY, v text);"
                 "INSERT INTO item VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    project.table_mapper(columns=["v"], more=EVERY_SECOND)
    return project


@pytest.fixture
def gate(item, couch, proxy):
    """The same through a proxy that holds the first batch until the gate is opened."""
    made = faultproxy.Gate()
    front = proxy("http", couch.host, couch.port)
    front.on("POST", "/_bulk_docs$", made.fault)
    item.configure(couchdb={"url": front.url})
    made.front = front
    yield made
    made.open()


def values(project):
    if not project.db("catalog").exists():
        return {}
    docs = project.db("catalog").docs().values()
    return {doc["_id"]: doc["v"] for doc in docs if doc["type"] == "item"}


def wait_values(project, **expected):
    wanted = {f"item:{key[1:]}": v for key, v in expected.items()}
    wait_until(f"documents {wanted}", PATIENCE, lambda: values(project) == wanted, 0.05)


# ---- schedules


def test_what_changes_in_the_erp_arrives(item, database):
    with Service(item) as service:
        wait_values(item, _1="a", _2="b", _3="c")
        database.sql("UPDATE item SET v = 'x' WHERE id = 2; DELETE FROM item WHERE id = 3")
        wait_values(item, _1="a", _2="x")
        service.wait_log("run ended: ok", "item", 2)
    assert not service.messages(".", level="error")


def test_one_mapper_never_runs_twice_at_a_time(item, gate):
    with Service(item, "-v") as service:
        gate.wait()
        time.sleep(1.2)  # it is due again
        gate.open()
        service.wait_log("run ended", count=2)
        begun = [line for line in service.log if re.search("run (begins|ended)", line)]
    order = [re.search("run (begins|ended)", line)[1] for line in begun]
    assert order[:4] == ["begins", "ended", "begins", "ended"]


def test_mappers_run_side_by_side(project, database, couch, proxy):
    gate, front = faultproxy.Gate(), proxy("http", couch.host, couch.port)
    front.on("POST", "/_bulk_docs$", gate.fault, times=None)
    project.configure(couchdb={"url": front.url})
    for name in "abc":
        database.sql(f"CREATE TABLE {name} (id int PRIMARY KEY); INSERT INTO {name} VALUES (1)")
        project.table_mapper(name, more="schedule: {every: 1h}")
    with Service(project, "-v") as service:
        service.wait_log("run begins", count=3)
        gate.open()
        service.wait_log("run ended: ok", count=3)
    order = [line for line in service.log if re.search("run (begins|ended)", line)]
    assert all("begins" in line for line in order[:3])


# ---- the end


def test_a_run_may_end_while_the_service_stops(item, gate):
    with Service(item) as service:
        gate.wait()
        service.begin_stop()
        gate.open()
        service.process.wait(PATIENCE)
        result = service.result().says("stopping: 1 run may go on", "run ended: ok", "stopped")
    assert "interrupted" not in result.err
    assert values(item) == {"item:1": "a", "item:2": "b", "item:3": "c"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_interrupts(item, gate, number):
    """What is in flight is still waited for: nothing is lost, and nothing is written twice."""
    item.configure(serve={"stop_timeout": "1h"})
    with Service(item) as service:
        gate.wait()
        service.begin_stop(number)
        service.begin_stop(number, count=2)
        assert not service.ended()
        gate.open()
        service.process.wait(PATIENCE)
        service.result().says("run ended: interrupted", "stopped")
    item.run()
    assert {rev[:2] for rev in item.db("catalog").revs().values()} == {"1-"}


def test_stop_timeout_interrupts(item, gate):
    item.configure(serve={"stop_timeout": "0s"})
    with Service(item) as service:
        gate.wait()
        service.begin_stop()
        gate.open()
        service.process.wait(PATIENCE)
        service.result().says("run ended: interrupted", "stopped")


def test_an_idle_service_stops_at_once(item):
    with Service(item) as service:
        service.wait_log("run ended: ok")
        assert service.stop() < 10  # not stop_timeout


def test_a_killed_service_goes_on_where_it_was(item, database, gate):
    """CouchDB has its last batch, and nobody has heard of it."""
    with Service(item) as service:
        gate.wait()
        service.kill()
    gate.open()
    wait_until("the batch is written", PATIENCE, lambda: gate.front.count("POST", "/_bulk_docs$"))
    database.sql("INSERT INTO item VALUES (4, 'd')")
    with Service(item):
        wait_values(item, _1="a", _2="b", _3="c", _4="d")
    assert {rev[:2] for rev in item.db("catalog").revs().values()} == {"1-"}


def backdate(project, mapper, began):
    """Its last run began then, as far as its file tells."""
    file = project.state / mapper / "last-run.json"
    text = file.read_text()
    file.write_text(re.sub(r'("(?:started|success)":\s*)"[^"]*"', rf'\1"{began}"', text))


def test_what_was_missed_is_caught_up_once(project, database):
    """Daily, and a run two days ago: it is due when the service comes up, and once."""
    database.sql("CREATE TABLE item (id int PRIMARY KEY); INSERT INTO item VALUES (1)")
    project.table_mapper(more="schedule: {every: 1d}")
    project.run()
    backdate(project, "item",
             time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() - 2 * 86400)))
    with Service(project, "-v") as service:
        service.wait_log("run begins: catch-up")
        service.wait_log("run ended: ok")
        time.sleep(0.5)
        assert len(service.messages("run begins")) == 1
    with Service(project, "-v") as service:
        time.sleep(0.3)
        assert not service.messages("run begins")


@pytest.fixture
def pair(project, database):
    """`down` follows `up` and has no hour of its own; that of `up` is years away."""
    database.sql("CREATE TABLE up (id int PRIMARY KEY); CREATE TABLE down (id int PRIMARY KEY)")
    project.table_mapper("up", more='schedule: "0 0 29 2 *"')
    project.table_mapper("down", more="after: up")
    return project


def test_one_that_came_after_is_caught_up_after_a_restart(pair, database):
    pair.run("down")
    held = database.connect()
    with Service(pair, "-v") as service:
        held.cursor().execute("BEGIN; LOCK TABLE down")
        service.post("/api/v1/mappers/up/run", 202)
        service.wait_log("run begins: after", "down")
        service.kill()
    held.close()
    with Service(pair, "-v") as service:
        service.wait_log("run begins: catch-up", "down")
        service.wait_log("run ended: ok", "down")
        assert not service.messages("run begins", "up")
    with Service(pair, "-v") as service:
        assert service.mapper("down")["activity"] == "idle", "it has followed"
        assert service.mapper("down")["next_run"] is None
        assert not service.messages("run begins")


def test_a_run_beside_the_one_before_has_not_followed_it(pair):
    """Both began at the same time: what `up` wrote last, `down` may have missed."""
    pair.run("up")
    up = json.loads((pair.state / "up/last-run.json").read_text())
    pair.run("down")
    backdate(pair, "down", up["success"])
    with Service(pair, "-v") as service:
        service.wait_log("run begins: catch-up", "down")
        service.wait_log("run ended: ok", "down")


def test_a_first_run_that_failed_is_tried_again_after_a_restart(project, database):
    """Its schedule is years away; but that firing was not served."""
    project.table_mapper(more='schedule: "0 0 29 2 *"')
    with Service(project) as service:
        assert service.mapper("item")["activity"] == "idle", "nothing was tried so far"
    project.run(code=Exit.CONFIG)
    database.sql("CREATE TABLE item (id int PRIMARY KEY); INSERT INTO item VALUES (1)")
    planned = project.erp2couch("schedule", "--json", "--count", "1").expect(Exit.OK).json
    assert planned["runs"][0]["missed"]
    with Service(project, "-v") as service:
        service.wait_log("run begins: catch-up")
        service.wait_log("run ended: ok")


# ---- a run that takes too long


def test_a_run_that_takes_too_long_is_interrupted(project, gate):
    """And tried again, with what was asked for: its schedule is years away."""
    project.table_mapper(columns=["v"], more='schedule: {cron: "0 0 29 2 *", timeout: 1s}')
    with Service(project, "-v") as service:
        service.post("/api/v1/mappers/item/run", 202, json={"full": True})
        service.wait_log("takes longer than schedule.timeout .1 s.: interrupted", "item")
        gate.open()
        service.wait_log("run ended: interrupted", "item")
        assert service.mapper("item")["waiting_for"] == "the pause after 1 failure"
        service.post("/api/v1/mappers/item/run", 202)  # which does not wait for it
        service.wait_log("run ended: ok", "item")
        runs = service.get("/api/v1/runs?mapper=item")["runs"]
    assert [run["full"] for run in runs] == [True, True]
    assert values(project) == {"item:1": "a", "item:2": "b", "item:3": "c"}


# ---- reloads


def test_a_reload_swaps_all(item, database):
    database.sql("CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (7)")
    with Service(item) as service:
        service.wait_log("run ended: ok", "item")
        item.table_mapper("other", more=EVERY_SECOND)
        item.mapper("item", (item.folder / "mappers/item.yaml").read_text().replace(
            '  v: v', '  v: {value: new}'))
        assert "2 mappers" in service.reload()
        service.wait_log("run ended: ok", "other")
        wait_until("documents of the new mapper", PATIENCE,
                   lambda: set(values(item).values()) == {"new"}, 0.05)


def test_one_reload_after_the_other(item):
    """The configuration of the beginning is gone by then."""
    with Service(item, "-v") as service:
        for _ in range(3):
            service.wait_log("run ended: ok", "item", since=len(service.log))
            assert "erp2couch.yaml: 1 mapper" in service.reload()


def test_a_bad_reload_changes_nothing(item, database):
    config, mapper = item.path, item.folder / "mappers/item.yaml"
    right = mapper.read_text()
    spoil = [
        (lambda: mapper.write_text(right.replace("schedule:", "shedule:")),
         r"mappers/item\.yaml:\d+:\d+: "),
        (lambda: item.configure(http={"listen": "127.0.0.1:1"}),
         "http.listen is now 127.0.0.1:1, .*restart"),
        (lambda: item.configure(http={"listen": "127.0.0.1:0"}, state_dir="other"),
         "state_dir is now .*other, .*restart"),
        (config.unlink, "erp2couch.yaml")]
    with Service(item) as service:
        before = config.read_text()
        service.wait_log("run ended: ok", "item")
        for action, says in spoil:
            action()
            text = service.reload("the reload was refused, all goes on as before")
            assert re.search(says, text), text
            said = service.get("/readyz", 503)
            assert said["status"] == "degraded" and re.search(says, said["reason"])
            config.write_text(before)
            mapper.write_text(right)
        database.sql("INSERT INTO item VALUES (9, 'z')")
        wait_values(item, _1="a", _2="b", _3="c", _9="z")
        service.reload()
        assert service.get("/readyz") == {"status": "ready"}


def test_a_run_under_way_ends_under_the_old_mapper(item, gate):
    """A mapper that is gone: its run is not disturbed, and it does not run again."""
    with Service(item, "-v") as service:
        gate.wait()
        (item.folder / "mappers/item.yaml").unlink()
        item.table_mapper("other", table="item", more="schedule: {every: 1h}")
        service.reload()
        gate.open()
        service.wait_log("run ended: ok", "item")
        since = len(service.log)
        time.sleep(1.2)
        assert not service.messages("run begins", "item", since=since)
    assert values(item)["item:1"] == "a"


# ---- servers that fail


def test_many_clients_leave_room_for_runs(item, database):
    with Service(item, wrapper=["prlimit", "--nofile=128:128"]) as service:
        service.wait_log("run ended: ok", "item")
        host, port = service.url[7:].split(":")
        clients = [socket.create_connection((host, int(port)), 10) for _ in range(200)]
        database.sql("INSERT INTO item VALUES (9, 'z')")
        wait_values(item, _1="a", _2="b", _3="c", _9="z")
        assert service.get("/healthz") == {"status": "ok"}
        for client in clients:
            client.close()


def test_a_source_that_fails_shows_and_heals(item, cluster, database, proxy):
    front = proxy("tcp", "127.0.0.1", cluster.port)
    item.env["ERP_DSN"] = database.dsn(port=front.port)
    with Service(item, ready=None) as service:
        service.wait_log("^ready")
        service.wait_log("run ended: ok", "item")
        front.refuse()
        service.wait_log("^degraded: mapper item: ")
        front.refuse(False)
        since = len(service.log)
        service.post("/api/v1/mappers/item/run", 202)  # which does not wait for the back-off
        service.wait_log("^ready", since=since)


def test_without_couchdb_it_waits_for_it(item, couch, proxy):
    front = proxy("http", couch.host, couch.port)
    item.configure(couchdb={"url": front.url, "retry_for": "0s"})
    front.refuse()
    with Service(item) as service:
        service.wait_log("^degraded: .*CouchDB")
        front.refuse(False)
        service.wait_log("^ready", seconds=40)
        service.wait_log("run ended: ok", "item", seconds=40)


def test_a_couchdb_that_accepts_and_is_silent_does_not_hold_up_the_start(item):
    """The first question has ten seconds in all, not as long as HTTP waits: the service manager
    gives up a service that is not ready in time."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        item.configure(couchdb={"url": f"http://127.0.0.1:{silent.getsockname()[1]}"},
                       serve={"stop_timeout": "1s"})
        with Service(item, ready=None) as service:
            service.wait_log("^degraded: .*no answer within", seconds=45)
            assert "no answer" in service.get("/readyz", 503)["reason"]


# ---- what survives


def test_a_pause_survives_a_restart(item, database):
    with Service(item) as service:
        service.wait_log("run ended: ok", "item")
        assert service.post("/api/v1/mappers/item/pause")["activity"] in ("paused", "running")
    database.sql("UPDATE item SET v = 'later'")
    with Service(item, "-v") as service:
        assert service.mapper("item")["activity"] == "paused"
        time.sleep(1.2)
        assert not service.messages("run begins")
        service.post("/api/v1/mappers/item/resume")
        wait_values(item, _1="later", _2="later", _3="later")


# ---- the command line


def test_serve_needs_a_configuration(project):
    project.path.unlink()
    result = project.erp2couch("serve", "--json").expect(Exit.CONFIG)
    assert result.json["error"]["class"] == "config"


def test_one_service_of_a_state(item):
    """The second would start the same mappers, and take the first one's address away."""
    with Service(item) as service:
        second = item.erp2couch("serve", "--json").expect(Exit.LOCKED)
        assert f"another service (pid {service.process.pid})" in second.json["error"]["message"]
        assert item.erp2couch("status", "--json").expect(Exit.OK).json["service"]
        service.kill()
    with Service(item):
        pass


def test_without_a_schedule_it_says_so(project, database):
    database.sql("CREATE TABLE item (id int PRIMARY KEY)")
    project.table_mapper()
    with Service(project) as service:
        service.wait_log("no mapper has a schedule")
