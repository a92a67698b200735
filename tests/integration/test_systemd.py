"""The service under systemd: units, sandbox, the protocol of its manager; and cron's example.

No systemd runs here: its side of the protocol is a socket, and its sandbox the system call filters
that the unit asks for.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from support import faultproxy, sandbox
from support.manager import Manager
from support.postgres import READER_PASSWORD
from support.process import wait_until
from support.project import ROOT, Exit
from support.service import PATIENCE, TOKEN, Service

UNITS = ROOT / "deploy/systemd"
SERVICES = ["erp2couch.service", "erp2couch-run.service"]
EXPOSURE = 1.5  # of 10, as systemd-analyze counts it
NO_LEAKS = {"ASAN_OPTIONS": "detect_leaks=0"}  # the leak checker traces, which no sandbox permits
WITH_SOCKET = 'exec 3<&{}; LISTEN_PID=$$ LISTEN_FDS={} exec "$@"'


@pytest.fixture
def item(project, database):
    """Two rows, read every second."""
    database.sql("CREATE TABLE item (id int PRIMARY KEY, v text);"
                 "INSERT INTO item VALUES (1, 'a 17'), (2, 'b')")
    project.table_mapper(columns=["v"], more="schedule: {every: 1s}")
    return project


def gate_before_couchdb(item, couch, proxy, method, path, times):
    gate, front = faultproxy.Gate(), proxy("http", couch.host, couch.port)
    front.on(method, path, gate.fault, times=times)
    item.configure(couchdb={"url": front.url})
    return gate


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    with Manager(tmp_path / "notify" if request.param == "path" else None) as made:
        yield made


@pytest.fixture
def told():
    """A manager, where its kind of address does not matter."""
    with Manager() as made:
        yield made


# ---- units


def analyze(*words, **options):
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs systemd-analyze (package systemd)")
    return subprocess.run(["systemd-analyze", *map(str, words)], text=True, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


@pytest.fixture
def units(tmp_path, binary):
    """The units as they are installed, for the program under test."""
    folder = tmp_path / "units"
    folder.mkdir()
    for path in UNITS.glob("erp2couch*.*"):
        text = path.read_text()
        (folder / path.name).write_text(text.replace("/usr/bin/erp2couch", str(binary)))
    return folder


@pytest.mark.once
@pytest.mark.parametrize("name", [*SERVICES, "erp2couch.socket", "erp2couch-run.timer"])
def test_systemd_understands_the_unit(units, name):
    env = {**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"}
    done = analyze("verify", "--man=no", units / name, env=env)
    assert done.returncode == 0 and not done.stdout.strip(), done.stdout
    (units / name).write_text((units / name).read_text() + "\n[Service]\nNoSuchSetting=1\n")
    assert analyze("verify", "--man=no", units / name, env=env).stdout.strip()


@pytest.mark.once
@pytest.mark.parametrize("name", SERVICES)
def test_exposure(units, name):
    done = analyze("security", "--offline=true", f"--threshold={int(EXPOSURE * 10)}", units / name)
    assert done.returncode == 0, done.stdout
    assert re.search(r"Overall exposure level .*: [\d.]+", done.stdout)


def sandbox_of(name):
    text = (UNITS / name).read_text()
    return [line for line in text[text.index("# The sandbox"):].split("[Install]")[0].splitlines()
            if line and not line.startswith("#")]


@pytest.mark.once
def test_both_services_have_one_sandbox():
    first, second = map(sandbox_of, SERVICES)
    assert first == second and len(first) > 25


@pytest.mark.once
def test_the_unit_leaves_time_to_stop():
    """serve.stop_timeout by default, and the minute in which what was interrupted flushes."""
    values = dict(sandbox.settings(UNITS / "erp2couch.service"))
    code = (ROOT / "cmd/cmd_serve.c").read_text()
    extra = int(re.search(r"#define STOP_EXTRA_MS +(\d+)", code)[1]) / 1000
    assert values["TimeoutStopSec"] == "2min" and 120 >= 30 + extra
    assert values["RestartPreventExitStatus"].split() == [str(Exit.USAGE), str(Exit.CONFIG)]
    run = dict(sandbox.settings(UNITS / "erp2couch-run.service"))
    assert run["SuccessExitStatus"].split() == [str(Exit.REJECTS), str(Exit.LOCKED),
                                                str(Exit.TERMINATED)]


@pytest.mark.once
def test_meson_installs_units_for_its_prefix(binary):
    """Of the build under test, whose prefix is not the /usr that the units of the source have."""
    build = binary.parents[1]
    if not (build / "build.ninja").exists():
        pytest.skip("needs a program in the folder where it was built")

    def introspect(what):
        done = subprocess.run(["meson", "introspect", f"--{what}", build], check=True,
                              stdout=subprocess.PIPE, timeout=60)
        return json.loads(done.stdout)

    options = {option["name"]: option["value"] for option in introspect("buildoptions")}
    if options["prefix"] == "/usr":
        pytest.skip("the build is for /usr")
    installed = {Path(source).name: target for source, target in introspect("installed").items()}
    for name in SERVICES:
        assert installed[name] == str(
            Path(options["prefix"], options["systemd_unit_dir"], name))
        path = build / "deploy" / name
        subprocess.run(["ninja", "-C", build, f"deploy/{name}"], check=True,
                       stdout=subprocess.DEVNULL)
        text = path.read_text()
        assert f"={options['prefix']}/bin/erp2couch " in text
        assert "/usr/bin/erp2couch" not in text


# ---- the sandbox


@pytest.mark.parametrize("command", ["serve", "run"])
def test_it_works_in_its_sandbox(item, units, binary, command):
    """System calls, address families and no memory that is written and executed: with patterns,
    which PCRE2 would compile, and everything that a run and the service do."""
    analyze("--version")
    item.table_mapper(fields='v: {from: v, replace: {pattern: "[0-9]+", with: "#"}}',
                      more="schedule: {every: 1s}")
    unit = units / SERVICES[command == "run"]
    wrapper = [sys.executable, ROOT / "tests/support/sandbox.py", unit]
    if command == "run":
        item.run(wrapper=wrapper, env=NO_LEAKS)
    else:
        with Service(item, wrapper=wrapper, env=NO_LEAKS) as service:
            service.wait_log("run ended: ok", "item")
            assert service.post("/api/v1/mappers/item/pause")["activity"] in ("paused", "running")
            service.reload()
            assert item.erp2couch("status", "--json").expect(Exit.OK).json["service"]
        assert not service.messages(".", level="error")
    docs = item.db("catalog").docs().values()
    assert sorted(doc["v"] for doc in docs if doc["type"] == "item") == ["a #", "b"]


TRY = """
import mmap, os, socket
for forbidden in (lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
                  lambda: mmap.mmap(-1, 4096, prot=7), lambda: os.chroot("/")):
    try:
        print(forbidden())
    except PermissionError:
        print("refused")
"""


@pytest.mark.once
def test_the_sandbox_refuses(units):
    """Else the test above could not fail."""
    analyze("--version")
    done = subprocess.run([sys.executable, ROOT / "tests/support/sandbox.py", units / SERVICES[0],
                           sys.executable, "-c", TRY], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == 3 * ["refused"], done


# ---- the manager is told


def test_the_manager_is_told(item, manager):
    with Service(item, env=manager.env) as service:
        manager.wait("READY=1")
        service.reload()
        manager.wait("READY=1", 2)
        service.stop()
    said = manager.messages
    ready, [reloading], [stopping] = map(manager.having, ("READY=1", "RELOADING=1", "STOPPING=1"))
    assert ready[0] < reloading < ready[1] < stopping and len(ready) == 2, said
    assert said[ready[0]][1].startswith("STATUS=1 mapper, "), said
    since = int(said[reloading][1].removeprefix("MONOTONIC_USEC="))
    assert 0 < time.monotonic() * 1e6 - since < 120e6
    assert said[stopping] == ["STOPPING=1", "EXTEND_TIMEOUT_USEC=90000000"]
    known = ("READY=", "STATUS=", "RELOADING=", "MONOTONIC_USEC=", "STOPPING=", "EXTEND_TIMEOUT_")
    assert all(line.startswith(known) for lines in said for line in lines), said


def test_ready_is_said_when_it_is(item, told, couch, proxy):
    """Listening, and CouchDB has answered; a reload before that does not say it too early."""
    gate = gate_before_couchdb(item, couch, proxy, "GET", ".", None)
    with Service(item, env=told.env, ready=None) as service:
        service.wait_log("^listening on ")
        gate.wait()
        assert service.get("/readyz", 503)["status"] == "starting"
        service.reload()
        gate.wait()
        assert not told.having("READY=1") and not told.having("RELOADING=1")
        gate.open()
        told.wait("READY=1")
        assert service.session.get(service.url + "/readyz").json()["status"] != "starting"


def test_degraded_says_why(item, told):
    item.configure(couchdb={"url": "http://127.0.0.1:9", "retry_for": "0s"})
    with Service(item, env=told.env) as service:
        told.wait("READY=1")  # it is up, and does what it can
        wait_until("the reason", PATIENCE, lambda: "; degraded: " in (told.status or ""))
        assert "127.0.0.1:9" in told.status
        assert service.get("/readyz", 503)["reason"] in told.status


def test_a_refused_reload_is_told(item, told):
    with Service(item, env=told.env) as service:
        told.wait("READY=1")
        (item.folder / "mappers/item.yaml").write_text("mapper: item\nno: key\n")
        service.reload("the reload was refused")
        told.wait("READY=1", 2)
        wait_until("the reason", PATIENCE, lambda: "item.yaml:2:1" in told.status)


def test_the_watchdog_is_fed_by_the_loop(item, told):
    """Every half of its time; not while the process hangs; not that of another process."""
    with Service(item, env={**told.env, "WATCHDOG_USEC": "400000"}) as service:
        fed = told.wait("WATCHDOG=1", 4)
        assert all(told.messages[i] == ["WATCHDOG=1"] for i in fed)
        service.send(signal.SIGSTOP)
        os.waitid(os.P_PID, service.process.pid, os.WSTOPPED)
        before = len(told.having("WATCHDOG=1"))
        time.sleep(1)
        assert len(told.having("WATCHDOG=1")) == before
        began = time.monotonic()
        service.send(signal.SIGCONT)
        told.wait("WATCHDOG=1", before + 4)
        took = time.monotonic() - began
    assert took > 0.5, "one at once, and three of them a fifth of a second apart"


def test_a_watchdog_of_another_process_is_not_fed(item, told):
    with Service(item, env={**told.env, "WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"}):
        told.wait("READY=1")
        time.sleep(0.5)
        assert not told.having("WATCHDOG=1")


@pytest.mark.parametrize("timeout, ends", [("1h", "ok"), ("0s", "interrupted")])
def test_it_drains_within_its_time(item, couch, proxy, told, timeout, ends):
    gate = gate_before_couchdb(item, couch, proxy, "POST", "/_bulk_docs$", 1)
    item.configure(serve={"stop_timeout": timeout})
    with Service(item, env={**told.env, "WATCHDOG_USEC": "400000"}) as service:
        gate.wait()
        service.begin_stop()
        [stopping] = told.wait("STOPPING=1")
        told.wait("WATCHDOG=1", len(told.having("WATCHDOG=1")) + 2)  # fed while it drains
        gate.open()
        service.process.wait(PATIENCE)
        service.result().says(f"run ended: {ends}", "stopped")
    extra = int(told.messages[stopping][1].removeprefix("EXTEND_TIMEOUT_USEC="))
    assert extra == (3600 if timeout == "1h" else 0) * 10**6 + 60 * 10**6
    assert told.status.endswith("stopping")


# ---- sockets


def given_socket(one, count=1):
    """Descriptor 3 is that socket, as systemd hands it over: LISTEN_PID names the process."""
    return {"wrapper": ["bash", "-c", WITH_SOCKET.format(one.fileno(), count), "bash"],
            "pass_fds": [one.fileno()]}


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_socket_of_the_manager_is_taken(item, address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        given = socket.create_server((address, 0), family=family)
    except OSError as problem:
        pytest.skip(f"{address}: {problem}")
    with given:
        port = given.getsockname()[1]
        url = f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"
        early = socket.create_connection((address, port))  # before the service is there
        early.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with Service(item, **given_socket(given)) as service, early:
            service.wait_log(f"listening on a socket of the service manager, port {port}")
            assert early.recv(100).startswith(b"HTTP/1.1 200 ")
            assert requests.get(url + "/healthz", timeout=PATIENCE).json() == {"status": "ok"}
            found = item.erp2couch("status", "--json").expect(Exit.OK)
            assert found.says(re.escape(f"{address}")).json["service"]


def test_a_socket_in_the_file_system(item, tmp_path):
    with socket.socket(socket.AF_UNIX) as given, socket.socket(socket.AF_UNIX) as client:
        given.bind(str(tmp_path / "http"))
        given.listen()
        with Service(item, **given_socket(given)) as service:
            service.wait_log("listening on a socket of the service manager$")
            client.connect(str(tmp_path / "http"))
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")
            assert not (item.state / ".service.json").exists()


def test_sockets_that_nobody_could_use_are_refused(item):
    item.configure(http={"listen": "127.0.0.1:0"})
    with socket.create_server(("127.0.0.1", 0)) as given, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        for options, says in ((given_socket(given, 2), "gives 2 sockets.*one ListenStream="),
                              (given_socket(datagrams), "nobody can connect.*Accept=no")):
            item.finish(item.start("serve", **options)).expect(Exit.CONFIG).says(says)


def test_a_socket_of_another_process_is_not_taken(item):
    with socket.create_server(("127.0.0.1", 0)) as given:
        options = given_socket(given)
        options["wrapper"][2] = options["wrapper"][2].replace("LISTEN_PID=$$", "LISTEN_PID=1")
        with Service(item, **options) as service:
            service.wait_log(r"^listening on 127\.0\.0\.1:\d+")


# ---- what `status` finds


def test_status_finds_a_port_that_the_kernel_picked(item):
    file = item.state / ".service.json"
    with Service(item) as service:
        found = item.erp2couch("status", "--json").expect(Exit.OK)
        assert found.says(re.escape(service.url.removeprefix("http://"))).json["service"]
        assert file.stat().st_mode & 0o777 in (0o640, 0o600)
        service.kill()
    assert file.exists()
    item.erp2couch("status", "--json").expect(Exit.OK).says("no service of this configuration")
    with Service(item):
        assert item.erp2couch("status", "--json").expect(Exit.OK).json["service"]
    assert not file.exists()


STRANGE = [
    "", "{", "[]", '{"pid": 1}', '{"pid": "x", "address": "127.0.0.1:1"}',
    '{"pid": 1, "address": "127.0.0.1:1/x?y@z"}', '{"pid": -1, "address": "127.0.0.1:1"}',
    '{"pid": 1, "address": "127.0.0.1:1"}', '{"pid": 1, "address": 5}', "x" * 5000]


def test_a_strange_file_does_no_harm(item):
    item.configure(http={"listen": "127.0.0.1:0"})
    item.state.mkdir()
    for text in STRANGE:
        (item.state / ".service.json").write_text(text)
        item.erp2couch("status", "--json").expect(Exit.OK).says("no service of this configuration")


# ---- secrets, and the log


def test_credentials(item, database, tmp_path):
    """LoadCredential= of the unit, and the way in which its comment names them. Between the quotes
    of a connection string a quote in a password has its backslash in the file, too."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "token").write_text(TOKEN + "\n")
    (folder / "erp-password").write_text(READER_PASSWORD.replace("'", "\\'") + "\n")
    reference = re.search(r"\$\{file:.*/token\}", (UNITS / SERVICES[0]).read_text())[0]
    dsn = "${ERP_DSN} password='" + reference.replace("token", "erp-password") + "'"
    item.env["ERP_DSN"] = database.dsn(password="wrong")  # of two the last one counts
    item.configure(http={"token": reference}, sources={"erp": {"dsn": dsn}})
    with Service(item, env={"CREDENTIALS_DIRECTORY": str(folder)}) as service:
        service.wait_log("run ended: ok", "item")
        assert service.post("/api/v1/mappers/item/pause")
        (folder / "token").write_text("another")
        service.reload()
        service.post("/api/v1/mappers/item/pause", 401)
        assert TOKEN not in service.result_text()
    (folder / "token").unlink()
    item.erp2couch("check", env={"CREDENTIALS_DIRECTORY": str(folder)}).expect(Exit.CONFIG).says(
        re.escape(f"cannot read {folder}/token"))


def test_lines_for_the_journal(item):
    """With a priority, without a time: the journal has its own."""
    start = 'JOURNAL_STREAM=$(stat -L -c %d:%i /dev/fd/2) exec "$@"'
    item.configure(couchdb={"url": "http://127.0.0.1:9", "retry_for": "0s"})
    with Service(item, wrapper=["bash", "-c", start, "bash"]) as service:
        service.wait_log("^degraded: ")
    assert all(re.match(r"<[3-7]>level=\w+ msg=", line) for line in service.log), service.log
    assert any(line.startswith("<6>level=info ") for line in service.log)
    assert any(line.startswith("<4>level=warn ") for line in service.log)
