"""deploy/quickstart: what it shows and proves, what it refuses, and that nothing of it stays."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from decimal import Decimal
from pathlib import Path

import pytest
import requests

from support import couchdb
from support.process import temporary_folder, wait_until
from support.project import ROOT, Exit, Result

DEMO = ROOT / "deploy/demo"
CHANGED = [r"product +updated 1, unchanged 248\n", r"order +deleted 1, unchanged 899\n",
           r"all +updated 1, deleted 1, unchanged 1664\n"]


class Quickstart:
    """deploy/quickstart --no-install with a TMPDIR of its own, and what is left there."""

    def __init__(self, binary):
        self.folder = temporary_folder("e2c-quick-")
        self.folder.chmod(0o711)  # PostgreSQL's user goes through it
        self.root = ROOT
        self.env = {"TMPDIR": str(self.folder), "ERP2COUCH": str(binary)}
        self.started = []

    def start(self, *words, stdout=subprocess.PIPE, **env):
        merged = {**os.environ, **self.env, **env}
        # The kind that the session was told to use goes before a URL.
        merged.pop("ERP2COUCH_TEST_COUCHDB" if "COUCHDB_URL" in env else "COUCHDB_URL", None)
        process = subprocess.Popen(
            [str(self.root / "deploy/quickstart"), *map(str, words)], stdin=subprocess.DEVNULL,
            stdout=stdout, stderr=subprocess.PIPE, env=merged)
        process.words, process.began = words, time.monotonic()
        self.started.append(process)
        return process

    @staticmethod
    def finish(process, timeout=600):
        out, err = process.communicate(timeout=timeout)
        return Result(process.words, process.returncode, (out or b"").decode(), err.decode(),
                      time.monotonic() - process.began)

    def __call__(self, *words, **env):
        return self.finish(self.start(*words, **env))

    def processes(self):
        """Command lines of everything that still runs with our TMPDIR."""
        wanted = f"TMPDIR={self.folder}".encode()
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if wanted in (place / "environ").read_bytes().split(b"\0"):
                    found.append((place / "cmdline").read_bytes().replace(b"\0", b" "))
        return found

    def assert_clean(self):
        """No process and no file is left."""
        wait_until("the processes end", 30, lambda: not self.processes(), 0.05)
        assert list(self.folder.iterdir()) == []

    def remove(self):
        for process in self.started:
            if process.poll() is None:
                process.terminate()
                process.communicate()
        self("--stop")
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def quickstart(binary):
    made = Quickstart(binary)
    yield made
    made.remove()


@pytest.fixture
def taken_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        yield s.getsockname()[1]


def files_of(folder):
    return sorted(str(path) for path in folder.rglob("*") if "__pycache__" not in path.parts)


# ---- what it does ----

def test_shows_two_runs_and_proves_them(quickstart):
    before = files_of(ROOT / "deploy")
    result = quickstart("--no-install").expect(Exit.OK)
    result.says(r"all +created 1666\n", "price: +298.99", *CHANGED, r"All as it should be")
    assert result.err == "", result
    assert max(map(len, result.out.splitlines())) <= 80, result
    assert len(result.out.splitlines()) < 100, result
    quickstart.assert_clean()
    assert files_of(ROOT / "deploy") == before


@pytest.mark.slow
def test_two_at_once_do_not_meet(quickstart):
    both = [quickstart.start("--no-install") for _ in range(2)]
    ports = []
    for process in both:
        result = quickstart.finish(process).expect(Exit.OK).says(*CHANGED)
        ports += re.findall(r"127\.0\.0\.1:(\d+)", result.out)
    assert len(ports) == len(set(ports)) == 4
    quickstart.assert_clean()


@pytest.mark.slow
def test_kept_servers_answer_until_they_are_stopped(quickstart):
    with socket.socket() as a, socket.socket() as b:
        for one in (a, b):
            one.bind(("127.0.0.1", 0))
        ports = a.getsockname()[1], b.getsockname()[1]
    result = quickstart("--no-install", "--keep", "--postgres-port", ports[0],
                        f"--couchdb-port={ports[1]}").expect(Exit.OK)
    result.says(f"CouchDB .*127.0.0.1:{ports[1]} .*PostgreSQL .*127.0.0.1:{ports[0]} ", *CHANGED,
                "--stop")
    folder, = quickstart.folder.iterdir()
    done = subprocess.run(
        ["sh", "-c", ". ../env; psql -Atc 'SELECT count(*) FROM sales_order';"
                     " erp2couch run --quiet product; echo $COUCHDB_URL"],
        cwd=folder / "erp", capture_output=True, text=True, timeout=60)
    orders, report, url = done.stdout.splitlines()
    assert f"cd {folder}/erp" in result.out and "erp2couch serve" in result.out
    assert orders == "899" and "unchanged 249" in report, done
    with requests.Session() as http:
        http.trust_env = False
        drill = http.get(f"{url}/demo_catalog/product:CD-106",
                         headers={"Accept": "application/json"}).json()
        assert drill["price"] == "279.00"
        if "pouchdb" not in result.out:  # which lets everybody read
            assert http.get(re.sub("//.*@", "//", url) + "/demo_catalog").status_code == 401
    secrets = [folder / "env", folder / "record.json"]
    assert all(path.stat().st_mode & 0o77 == 0 for path in secrets)
    assert str(folder) in result.out
    quickstart("--stop").expect(Exit.OK).says(f"stopped and removed {folder}")
    quickstart.assert_clean()
    quickstart("--stop").expect(Exit.OK).says("nothing was left running")


def test_a_record_of_somebody_else_is_not_believed(quickstart):
    """Nor one that names a process which has ended and whose number another one has now."""
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        folder = quickstart.folder / "erp2couch-quickstart-old"
        folder.mkdir()
        (folder / "record.json").write_text(
            '{"kept": true, "containers": [], "databases": [], "processes": [{"name": "old",'
            f' "pid": {stranger.pid}, "start": 1, "signal": 9}}]}}')
        link = quickstart.folder / "erp2couch-quickstart-link"
        link.symlink_to(folder)
        quickstart("--stop").expect(Exit.OK).says(f"removed {folder}")
        assert stranger.poll() is None and not folder.exists() and link.is_symlink()
    finally:
        stranger.kill()
        stranger.wait()


@pytest.fixture
def shared_couch(couch):
    """Somebody's CouchDB, with a database whose name begins as those of quickstart do."""
    kept = couch.db("quickstart_of_somebody").create()
    yield couch
    kept.delete()


@pytest.mark.slow
def test_somebodys_couchdb_is_left_as_it_was(quickstart, shared_couch):
    before = shared_couch.databases()
    result = quickstart("--no-install", COUCHDB_URL=shared_couch.url).expect(Exit.OK)
    result.says(*CHANGED, "PostgreSQL is stopped")
    assert "Both servers are" not in result.out
    assert shared_couch.databases() == before


@pytest.mark.slow
def test_somebodys_couchdb_after_a_kill(quickstart, shared_couch):
    before = shared_couch.databases()
    process = quickstart.start("--no-install", COUCHDB_URL=shared_couch.url)
    until(process, "all ")
    assert len(shared_couch.databases()) > len(before)
    process.kill()
    quickstart.finish(process)
    quickstart.assert_clean()
    assert shared_couch.databases() == before


@pytest.mark.slow
def test_builds_in_a_fresh_copy_and_leaves_only_the_build(quickstart, tmp_path):
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True,
                           stdout=subprocess.PIPE, check=True).stdout.splitlines()
    for name in names:
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    before = files_of(tmp_path)
    left = tmp_path / "build-quickstart/build.ninja"  # of another place or version
    left.parent.mkdir()
    left.write_text("rule nonsense\n")
    quickstart.root = tmp_path
    quickstart.env.pop("ERP2COUCH")
    quickstart.env["CFLAGS"] = "-O0"  # what is built is not what counts here
    quickstart("--no-install", ERP2COUCH="").expect(Exit.OK).says("release build", *CHANGED)
    assert [name for name in files_of(tmp_path)
            if not name.startswith(f"{tmp_path}/build-quickstart")] == before
    quickstart("--no-install", ERP2COUCH="").expect(Exit.OK).says("up to date", *CHANGED)


# ---- how it ends ----

def until(process, beginning):
    """Reads its output up to a line that begins so."""
    for line in process.stdout:
        if line.decode().strip().startswith(beginning):
            return
    raise AssertionError(f"no line {beginning}: {process.stderr.read().decode()}")


@pytest.mark.parametrize("number, code, step", [
    (signal.SIGINT, Exit.INTERRUPTED, "erp2couch"),
    (signal.SIGKILL, -9, "CouchDB"),
    pytest.param(signal.SIGTERM, Exit.TERMINATED, "PostgreSQL", marks=pytest.mark.slow),
    pytest.param(signal.SIGINT, Exit.INTERRUPTED, "$ erp2couch run", marks=pytest.mark.slow),
    pytest.param(signal.SIGKILL, -9, "check", marks=pytest.mark.slow),
], ids=["int couchdb", "kill postgres", "term load", "int run", "kill run"])
@pytest.mark.slow
def test_whatever_ends_it_nothing_stays(quickstart, number, code, step):
    process = quickstart.start("--no-install")
    until(process, step)
    process.send_signal(number)
    assert quickstart.finish(process, 60).code == code
    quickstart.assert_clean()


@pytest.mark.slow
def test_killed_while_it_keeps_its_servers(quickstart):
    process = quickstart.start("--no-install", "--keep")
    until(process, "check")
    process.kill()
    quickstart.finish(process)
    quickstart.assert_clean()


@pytest.mark.slow
def test_a_reader_that_goes_away(quickstart):
    process = quickstart.start("--no-install")
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    assert quickstart.finish(process).code != Exit.OK
    quickstart.assert_clean()


# ---- what it refuses ----

@pytest.mark.parametrize("words", [
    ["--nonsense"], ["demo"], ["--couchdb-port"], ["--couchdb-port", "x"],
    ["--postgres-port=0"], ["--postgres-port", "65536"], ["--couchdb-port="],
    ["--couchdb-port", "99999999999999999999"], ["--keep=yes"],
    ["--no-install", "--couchdb-port", "5990", "--postgres-port", "5990"],
], ids=" ".join)
def test_usage_errors(quickstart, words):
    result = quickstart(*words).expect(Exit.USAGE)
    assert result.out == "" and "quickstart: " in result.err, result


def test_help(quickstart):
    result = quickstart("--help").expect(Exit.OK)
    for option in ("--keep", "--stop", "--couchdb-port", "--postgres-port", "--no-install"):
        assert option in result.out


def test_a_temporary_folder_that_postgresql_may_not_enter(quickstart):
    if os.geteuid() != 0:
        pytest.skip("only root runs PostgreSQL as another user")
    quickstart.folder.chmod(0o700)
    result = quickstart("--no-install").expect(Exit.REFUSED)
    result.says(f"may not enter {quickstart.folder}: set TMPDIR")
    assert result.out == ""
    quickstart.assert_clean()


@pytest.mark.parametrize("option", ["--couchdb-port", "--postgres-port"])
def test_a_taken_port_is_named(quickstart, taken_port, option):
    quickstart("--no-install", option, taken_port).expect(Exit.UNAVAILABLE).says(
        f"{option} {taken_port}: port {taken_port} .*taken")
    quickstart.assert_clean()


@pytest.mark.parametrize("url, code, said", [
    ("http://adm:pass@127.0.0.1:9", Exit.UNAVAILABLE, "COUCHDB_URL.*127.0.0.1:9.*refused"),
    ("127.0.0.1:5984", Exit.CONFIG, "COUCHDB_URL.*http://"),
    ("http://127.0.0.1:port", Exit.CONFIG, "COUCHDB_URL.*http://"),
    ("ftp://127.0.0.1", Exit.CONFIG, "COUCHDB_URL.*http://"),
])
def test_a_couchdb_url_that_is_none(quickstart, url, code, said):
    result = quickstart("--no-install", COUCHDB_URL=url).expect(code).says(said)
    assert "pass" not in result.err.replace("password", ""), result
    quickstart.assert_clean()


def test_a_server_that_speaks_another_protocol(quickstart):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        process = quickstart.start(
            "--no-install", COUCHDB_URL=f"http://127.0.0.1:{listening.getsockname()[1]}")
        listening.settimeout(60)
        connection = listening.accept()[0]
        with connection:
            connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
            result = quickstart.finish(process).expect(Exit.UNAVAILABLE)
    assert "Traceback" not in result.says("COUCHDB_URL.*does not speak HTTP").err, result
    quickstart.assert_clean()


def test_a_couchdb_that_wants_another_password(quickstart, couch):
    wrong = couch.url_for(couch.base, couch.user, "wrong-one")
    result = quickstart("--no-install", COUCHDB_URL=wrong).expect(Exit.CONFIG)
    result.says("COUCHDB_URL.*401.*administrator")
    assert "wrong-one" not in result.out + result.err
    quickstart("--no-install", "--couchdb-port", 5991, COUCHDB_URL=couch.url).expect(Exit.USAGE)
    quickstart.assert_clean()


@pytest.mark.parametrize("lie, said", [
    # Figures that are not so, and figures that are so although nothing was written.
    ('"$ERP" "$@" | sed s/.deleted.:1/\\"deleted\\":0/', "mapper order"),
    ('[ $1 != run ] || { echo no such thing >&2; exit 75; }; exec "$ERP" "$@"', "no such thing"),
], ids=["figures", "failed"])
@pytest.mark.slow
def test_a_run_that_is_not_as_it_should_be(quickstart, binary, tmp_path, lie, said):
    liar = tmp_path / "erp2couch"
    liar.write_text(f"#!/bin/sh\nERP='{binary}'\n{lie}\n")
    liar.chmod(0o755)
    result = quickstart("--no-install", ERP2COUCH=liar).says(said)
    assert result.code == (75 if "75" in lie else Exit.INTERNAL), result
    assert "All as it should be" not in result.out
    quickstart.assert_clean()


def test_a_program_that_is_none(quickstart):
    quickstart("--no-install", ERP2COUCH="/nowhere/erp2couch").expect(Exit.CONFIG).says("nowhere")


# ---- machines that lack something ----

TOOLS = "sh env sed dirname date mktemp cat rm tr mkdir printf true tee".split()


@pytest.fixture
def machine(tmp_path):
    """A function that makes a PATH of a few tools and of the scripts given, which log their words
    in `calls`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        if shutil.which(tool):
            (folder / tool).symlink_to(shutil.which(tool))

    def make(**scripts):
        for name, body in scripts.items():
            path = folder / name.replace("_", "-")
            path.write_text(f"#!/bin/sh\necho {path.name} \"$*\" >>{tmp_path}/calls\n{body}\n")
            path.chmod(0o755)
        return {"PATH": str(folder)}

    make.calls = lambda: (tmp_path / "calls").read_text().splitlines()
    return make


MISSING = {"dpkg_query": "echo not-installed", "apt_get": "echo E: no network >&2; exit 100"}


def test_no_debian(quickstart, machine):
    quickstart(**machine()).expect(Exit.CONFIG).says("install what Debian calls", "postgresql",
                                                     "--no-install")


@pytest.mark.parametrize("sudo, said", [
    ({}, "not root, and there is no sudo; as root run: apt-get install .*postgresql"),
    ({"sudo": "exit 1"}, "sudo refused; as root run: apt-get install .*postgresql"),
], ids=["no sudo", "refused"])
def test_packages_are_missing_and_we_are_not_root(quickstart, machine, sudo, said):
    path = machine(**MISSING, id="echo 1000", **sudo)
    quickstart(**path).expect(Exit.REFUSED).says(said)
    quickstart.assert_clean()


def test_packages_are_missing_and_there_is_no_network(quickstart, machine):
    """What keeps Debian from making a cluster is there while apt-get runs, and gone after."""
    sudo = "case $2 in true) ;; env) shift; exec \"$@\" ;; *) cat >/dev/null ;; esac"
    path = machine(**MISSING, id="echo 1000", sudo=sudo)
    quickstart(**path).expect(Exit.UNAVAILABLE).says("no network", "is the network up")
    conf = "/etc/postgresql-common/createcluster.d/erp2couch-install-deps.conf"
    calls = [call for call in machine.calls() if conf in call or " install " in call]
    assert [call.split()[:3] for call in calls] == [
        ["sudo", "-n", "tee"], ["sudo", "-n", "env"], ["apt-get", "-q", "-y"],
        ["sudo", "-n", "rm"]], calls
    quickstart.assert_clean()


def test_no_couchdb_and_nothing_may_be_installed(quickstart, tmp_path):
    quickstart("--no-install", ERP2COUCH_TEST_COUCHDB="pouchdb", XDG_CACHE_HOME=tmp_path).expect(
        Exit.UNAVAILABLE).says("no CouchDB", "--no-install")
    quickstart.assert_clean()


def test_no_couchdb_and_npm_has_no_network(quickstart, machine, tmp_path):
    path = machine(npm="echo ENOTFOUND >&2; exit 1", node="exit 0", dpkg_query="echo installed",
                   apt_get="exit 1")
    path["PATH"] += ":" + os.environ["PATH"]
    quickstart(ERP2COUCH_TEST_COUCHDB="pouchdb", XDG_CACHE_HOME=tmp_path / "cache", **path).expect(
        Exit.UNAVAILABLE).says("no CouchDB", "npm", "ENOTFOUND")
    assert not list((tmp_path / "cache").rglob("package.json"))
    quickstart.assert_clean()


@pytest.mark.slow
@pytest.mark.skipif(not couchdb.pouchdb_program().exists(), reason="pouchdb-server is not here")
def test_with_pouchdb_server(quickstart):
    quickstart("--no-install", ERP2COUCH_TEST_COUCHDB="pouchdb").expect(Exit.OK).says(
        "pouchdb-server", *CHANGED)
    quickstart.assert_clean()


# ---- the demo ERP ----

@pytest.fixture
def demo(database):
    database.sql((DEMO / "erp.sql").read_text())
    return database


BOOKS = {
    "every order has lines": """
        SELECT number FROM sales_order o
        WHERE NOT EXISTS (SELECT FROM sales_order_line WHERE order_id = o.id)""",
    "the net of a line is quantity times price less discount": """
        SELECT order_id, line_no FROM sales_order_line
        WHERE net <> round(quantity * unit_price * (100 - discount) / 100, 2)""",
    "the net of an order is that of its lines": """
        SELECT number FROM sales_order o
        WHERE net <> (SELECT sum(net) FROM sales_order_line WHERE order_id = o.id)""",
    "VAT is rounded once a rate": """
        SELECT number FROM sales_order o
        WHERE vat <> (SELECT sum(round(net * vat_percent / 100, 2)) FROM (
            SELECT vat_percent, sum(net) AS net FROM sales_order_line WHERE order_id = o.id
            GROUP BY vat_percent) r)""",
    "gross is net and VAT": "SELECT number FROM sales_order WHERE gross <> net + vat",
    "who buys more pays no more": """
        SELECT * FROM price_list_item a JOIN price_list_item b USING (price_list_id, product_id)
        WHERE a.min_quantity < b.min_quantity AND a.price < b.price""",
    "exports have no VAT, the rest has": """
        SELECT number FROM sales_order WHERE (currency = 'GBP') <> (vat = 0)""",
    "a delivery goes to an address of that customer": """
        SELECT number FROM sales_order o JOIN customer_address a ON a.id = o.address_id
        WHERE a.customer_id <> o.customer_id""",
    "one invoice address each": """
        SELECT customer_id FROM customer c LEFT JOIN customer_address a ON a.customer_id = c.id
        GROUP BY customer_id HAVING count(*) FILTER (WHERE kind = 'I') <> 1""",
    "nobody reserves what is not there": "SELECT * FROM stock_level WHERE reserved > on_hand",
    "barcodes have the right check digit": """
        SELECT code FROM product WHERE (SELECT sum(substr(barcode, i, 1)::int
            * CASE WHEN i % 2 = 0 THEN 3 ELSE 1 END) % 10 FROM generate_series(1, 13) i) <> 0""",
    "every table says what it is": """
        SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        AND obj_description(oid, 'pg_class') IS NULL""",
    "no order is of a Sunday": "SELECT number FROM sales_order WHERE extract(isodow FROM"
                               " ordered_on) > 5",
}


def test_the_books_of_the_demo_balance(demo):
    assert {name: rows for name, query in BOOKS.items() if (rows := demo.sql(query))} == {}
    assert demo.value("SELECT count(*) FROM sales_order_line") > 4000


def test_the_demo_is_the_same_every_time(demo, cluster):
    again = cluster.create()
    try:
        again.sql((DEMO / "erp.sql").read_text())
        for table in demo.column("SELECT relname FROM pg_class WHERE relkind = 'r'"
                                 " AND relnamespace = 'public'::regnamespace"):
            query = f"SELECT md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM {table} t"
            assert demo.value(query) == again.value(query), table
    finally:
        again.drop()


def test_documents_of_the_demo_add_up(demo, project):
    shutil.copytree(DEMO, project.folder, dirs_exist_ok=True)
    project.env.update(ERP_DSN=demo.dsn(), COUCHDB_URL=project.couch.url, DB_PREFIX=project.prefix)
    project.erp2couch("check", "--connect").expect(Exit.OK)
    orders = project.erp2couch("preview", "order").expect(Exit.OK).lines
    assert len(orders) == 900
    for order in orders:
        assert sum(Decimal(line["net"]) for line in order["lines"]) == Decimal(order["net"])
        assert Decimal(order["net"]) + Decimal(order["vat"]) == Decimal(order["gross"])
    assert sum(Decimal(order["gross"]) for order in orders) == demo.value(
        "SELECT sum(gross) FROM sales_order")
    lists = project.erp2couch("preview", "price_list").expect(Exit.OK).lines
    assert sum(len(one["prices"]) for one in lists) == demo.value(
        "SELECT count(*) FROM price_list_item")
    customers = project.erp2couch("preview", "customer").expect(Exit.OK).lines
    for child, table in (("addresses", "customer_address"), ("contacts", "contact")):
        assert sum(len(one[child]) for one in customers) == demo.value(
            f"SELECT count(*) FROM {table}")
