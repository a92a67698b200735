"""Fixtures of the integration tests. What they stand for is in tests/support."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import (couchdb, erp, faultproxy, postgres, project as projects,  # noqa: E402
                     rest_server, rest_tables)


def pytest_configure(config):
    for line in ("slow: takes long; left out of the sanitizer build and of tests/run --quick",
                 "once: about words and files, which no build changes, or long and the same in"
                 " both; where both builds are tested, the one with sanitizers does it",
                 "apache: needs Apache CouchDB",
                 "root: needs root (mounts a small tmpfs)"):
        config.addinivalue_line("markers", line)


def group_of(item):
    """The tests that one worker runs, in their order: those that share a fixture of their file, or
    the same dump of an ERP, which takes long to restore. None: the test stands alone."""
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    names = [*item.fixturenames, *(value for value in parameters if isinstance(value, str))]
    definitions = [found[-1] for found in item._fixtureinfo.name2fixturedefs.values()]
    if any(fixture.scope == "module" for fixture in definitions):
        return item.path.stem
    return next((name for name in ("odoo", "tryton") if name in names), None)


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the groups
def pytest_collection_modifyitems(config, items):
    """What takes long comes first: several workers take one test or group after the other, and none
    shall be alone with a long one at the end."""
    groups = {item: group_of(item) for item in items}
    weight = {}
    for item, group in groups.items():
        slow = item.get_closest_marker("slow") is not None
        for unit in (group, item.path):
            weight[unit] = weight.get(unit, 0) + (20 if slow else 1)
        if group and config.pluginmanager.hasplugin("xdist"):
            item.add_marker(pytest.mark.xdist_group(group))

    def order(item):
        group = groups[item]
        slow = item.get_closest_marker("slow") is not None
        return (group is None, -weight[group] if group else not slow, group or "",
                -weight[item.path], str(item.path))

    items.sort(key=order)


@pytest.fixture(scope="session")
def binary():
    """The program under test."""
    found = projects.find_binary()
    if found is None or not found.exists():
        pytest.exit(f"no program to test: build it, or set ERP2COUCH ({found})", 2)
    return found


@pytest.fixture(scope="session")
def option_tables(binary):
    """The tool that prints our option tables, and YAML files as JSON."""
    program = binary.parents[1] / "tests/tools/option-tables"
    if not program.exists():
        pytest.skip("option-tables is built beside the program only (-Dtests=true)")
    return program


@pytest.fixture(scope="session")
def schema_suite(binary):
    """The tool that runs a JSON Schema test suite."""
    program = binary.parents[1] / "tests/tools/schema-suite"
    if not program.exists():
        pytest.skip("schema-suite is built beside the program only (-Dtests=true)")
    return program


@pytest.fixture(scope="session")
def cluster():
    """The PostgreSQL server of the session."""
    server = postgres.Cluster()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def couch():
    """The CouchDB server of the session, of whatever kind there is."""
    server = couchdb.start()
    yield server
    server.remove()


@pytest.fixture
def apache_couch(couch):
    """The same, where it is Apache CouchDB; else the test is skipped."""
    if not couch.apache:
        pytest.skip("needs Apache CouchDB; here is pouchdb-server")
    return couch


@pytest.fixture
def own_couch():
    """A function that starts an Apache CouchDB for this test alone, to be stopped and restored."""
    if not couchdb.installed_usable():
        pytest.skip("needs an installed Apache CouchDB to start, stop and restore")
    started = []

    def start(kind=couchdb.PrivateCouch, **options):
        started.append(kind(**options))
        return started[-1]

    yield start
    for server in started:
        server.remove()


@pytest.fixture
def database(cluster):
    """An empty UTF-8 database for this test."""
    made = cluster.create()
    yield made
    made.drop()


@pytest.fixture
def project(tmp_path, binary, couch, database):
    """A configuration folder that reads `database` and writes to `couch`."""
    made = projects.Project(tmp_path / "project", binary, couch, database)
    yield made
    made.remove()


@pytest.fixture
def make_project(tmp_path, binary):
    """A function that makes such folders for other servers: make_project(couch, database)."""
    made = []

    def make(couch=None, database=None, **options):
        made.append(projects.Project(tmp_path / f"project{len(made)}", binary, couch, database,
                                     **options))
        return made[-1]

    yield make
    for one in made:
        try:
            one.remove()
        except OSError:
            pass  # its server is gone already


@pytest.fixture
def server():
    """A REST server over tables in memory."""
    with rest_server.RestServer() as running:
        yield running


@pytest.fixture
def rest(make_project, couch, server):
    """A function that makes a project of mappers that read `server`: rest({name: extract})."""
    return lambda *args, **more: rest_tables.rest_project(make_project, couch, server, *args,
                                                          **more)


@pytest.fixture
def proxy():
    """A function that starts a fault proxy: proxy("http", host, port), "tcp", or "pooler"."""
    started = []
    makers = {"http": faultproxy.HttpProxy, "tcp": faultproxy.TcpProxy,
              "pooler": faultproxy.PoolerProxy}

    def start(kind, host, port, **options):
        started.append(makers[kind](host, port, **options))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture(scope="session")
def dumps(cluster):
    return erp.Dumps(cluster)


@pytest.fixture
def odoo(dumps):
    """A copy of the Odoo database, to change at will."""
    made = dumps.copy("odoo")
    if made is None:
        pytest.skip("the Odoo dump is not in ../shared/data/erp")
    yield made
    made.drop()


@pytest.fixture
def tryton(dumps):
    """A copy of the Tryton database, to change at will."""
    made = dumps.copy("tryton")
    if made is None:
        pytest.skip("the Tryton dump is not in ../shared/data/erp")
    yield made
    made.drop()


def openssl(folder, *words):
    done = subprocess.run(["openssl", *map(str, words)], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip("no certificate can be made here: " + done.stderr)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """An authority, ca.pem, and what it signed for localhost: good, expired, for another name;
    alone.pem is signed by nobody."""
    folder = tmp_path_factory.mktemp("certificates")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", 2,
            "-subj", "/CN=authority")
    openssl(folder, "req", "-x509", *key, "-keyout", "alone.key", "-out", "alone.pem", "-days", 2,
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    for name, host, days in ("good", "localhost", 2), ("expired", "localhost", -1), (
            "other", "elsewhere.invalid", 2):
        (folder / f"{name}.ext").write_text(f"subjectAltName=DNS:{host}\n")
        openssl(folder, "req", "-new", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr",
                "-subj", f"/CN={host}")
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-out", f"{name}.pem", "-days", days, "-extfile", f"{name}.ext")
    return folder
