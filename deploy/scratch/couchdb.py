"""A CouchDB for a while, in the order of choice of all our tools.

$COUCHDB_URL (with an administrator's name and password in it), an installed Apache CouchDB started
privately, Apache CouchDB in a docker container where an engine runs, pouchdb-server from npm: the
CouchDB protocol, not the product.
"""

import base64
import http.client
import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from . import npm
from .process import ServerError, free_port, start_server, wait_until

INSTALLED = Path("/opt/couchdb")
IMAGE = "couchdb:3.4"
POUCHDB_VERSION = "4.2.0"
ANSWER_SECONDS = 60  # for one request: a first request to a busy server takes long
START_TRIES = 3  # a free port may be taken before pouchdb-server gets it

INI = """
[couchdb]
single_node = true
database_dir = {folder}/data
view_index_dir = {folder}/data
uri_file = {folder}/uri
uuid = {uuid}
[chttpd]
bind_address = 127.0.0.1
port = {port}
[smoosh]
state_dir = {folder}/data
; indexes are built by who asks: building them in the background would take the time of loads
[ken]
batch_channels = 0
incremental_channels = 0
[log]
writer = file
file = {folder}/couch.log
level = warning
; 10 iterations: we log in often, and the default takes 0.2 s each time
[chttpd_auth]
iterations = 10
; five wrong passwords within five minutes would lock the account for all tests that follow
[chttpd_auth_lockout]
mode = off
[admins]
{user} = {password}
"""
# Without epmd and distribution nothing is shared with another CouchDB of this machine.
VM_ARGS = ["-start_epmd false", "-dist_listen false", "+sbwt none", "+sbwtdcpu none",
           "+sbwtdio none"]


def pouchdb_folder():
    return npm.cache_folder() / f"pouchdb-server-{POUCHDB_VERSION}"


def pouchdb_program():
    """Where pouchdb-server is, or would be, once installed."""
    return pouchdb_folder() / "node_modules/.bin/pouchdb-server"


def install_pouchdb(run):
    """pouchdb-server from npm into the cache folder. run(words, env) returns (code, output);
    so does this."""
    # No scripts: they compile its LevelDB binding, and we keep everything in memory.
    code, output = npm.install(pouchdb_folder(), [f"pouchdb-server@{POUCHDB_VERSION}"], run,
                               "--ignore-scripts", "--omit=optional")
    if code == 0 and not pouchdb_program().exists():
        return 1, f"npm install went well, but left no {pouchdb_program()}"
    return code, output


def installed_usable():
    """Whether the installed Apache CouchDB can be started by this user."""
    return all(os.access(INSTALLED / name, mode) for name, mode in (
        ("bin/couchdb", os.X_OK), ("etc/default.ini", os.R_OK), ("etc/vm.args", os.R_OK)))


def docker_usable():
    """Whether a docker engine answers and has, or can fetch, the image."""
    def works(*words):
        try:
            return subprocess.run(["docker", *words], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  timeout=300).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            return False

    return works("info") and (works("image", "inspect", IMAGE) or works("pull", "-q", IMAGE))


def choice():
    """Which CouchDB there will be: url, installed, docker or pouchdb.

    $ERP2COUCH_TEST_COUCHDB names one of the last three and asks no further.
    """
    forced = os.environ.get("ERP2COUCH_TEST_COUCHDB")
    if forced:
        return forced
    if os.environ.get("COUCHDB_URL"):
        return "url"
    if installed_usable():
        return "installed"
    return "docker" if docker_usable() else "pouchdb"


def split_url(url):
    """(URL without credentials, user, password); ServerError where it is no HTTP URL."""
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if parts.scheme not in ("http", "https") or not host:
        raise ServerError("it is not http://NAME:PASSWORD@HOST:PORT or https://...")
    host = f"[{host}]" if ":" in host else host
    base = f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path.rstrip('/')}"
    return base, unquote(parts.username or ""), unquote(parts.password or "")


def join_url(base, user=None, password=None):
    """The other way round."""
    if not user:
        return base
    scheme, rest = base.split("://", 1)
    return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"


class Endpoint:
    """A CouchDB that answers somewhere, with an administrator's rights."""

    kind = "url"
    direct = False  # True: past any proxy

    def __init__(self, base, user, password):
        self.base, self.user, self.password = base, user, password

    @property
    def url(self):
        return join_url(self.base, self.user, self.password)

    def call(self, method, path):
        """(status, JSON value or None); OSError where nobody answers."""
        request = urllib.request.Request(self.base + path, method=method,
                                         headers={"Accept": "application/json"})
        if self.user:
            secret = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            request.add_header("Authorization", f"Basic {secret}")
        handlers = [urllib.request.ProxyHandler({})] if self.direct else []
        try:
            with urllib.request.build_opener(*handlers).open(request,
                                                             timeout=ANSWER_SECONDS) as reply:
                status, body = reply.status, reply.read()
        except urllib.error.HTTPError as refusal:
            status, body = refusal.code, refusal.read()
        except http.client.HTTPException as problem:  # another protocol, or half an answer
            raise OSError(f"it does not speak HTTP: {problem!r}") from problem
        try:
            return status, json.loads(body)
        except ValueError:
            return status, None

    def status(self, path):
        """Of a GET; 0 where nobody answers yet."""
        try:
            return self.call("GET", path)[0]
        except OSError:
            return 0

    def stop(self, number=None):
        pass

    def remove(self):
        pass


class Installed(Endpoint):
    """An installed Apache CouchDB, started in a folder of its own; may be stopped and restarted.

    The folder is the caller's. `more` is added to local.ini, `flags` to vm.args.
    """

    kind = "installed"
    direct = True

    def __init__(self, folder, user, password, port=0, more="", flags=(),
                 outlive=False):
        super().__init__("http://127.0.0.1:0", user, password)
        if " " in str(folder):
            raise ServerError(f"CouchDB cannot live in '{folder}': set TMPDIR to a folder without"
                              " blanks in its name")
        self.folder, self.server, self.outlive = folder, None, outlive
        (folder / "data").mkdir()
        ini = folder / "local.ini"
        ini.touch(mode=0o600)
        ini.write_text(INI.format(folder=folder, uuid=uuid.uuid4().hex, port=port, user=user,
                                  password=password) + more)
        stock = (INSTALLED / "etc/vm.args").read_text()
        (folder / "vm.args").write_text(stock + "\n" + "\n".join([*VM_ARGS, *flags]) + "\n")

    def start(self, started=lambda server: None):
        """`started` is told of the process before it is waited for."""
        (self.folder / "uri").unlink(missing_ok=True)
        self.server = start_server("CouchDB", [INSTALLED / "bin/couchdb"], self.folder, env={
            "COUCHDB_ARGS_FILE": str(self.folder / "vm.args"),
            "COUCHDB_INI_FILES": f"{INSTALLED}/etc/default.ini {self.folder}/local.ini",
            "HOME": str(self.folder)}, outlive=self.outlive)
        started(self.server)
        wait_until("CouchDB answers", 120, self._answers, 0.1)

    def _answers(self):
        self.server.check()
        uri = self.folder / "uri"
        if not uri.exists() or not uri.read_text().strip():
            return False
        self.base = uri.read_text().split()[0].rstrip("/")
        return all(self.status(path) == 200 for path in ("/_up", "/_users", "/_replicator"))

    def use_port(self, port):
        """From the next start on."""
        ini = self.folder / "local.ini"
        ini.write_text(re.sub(r"(?m)^port = \d+$", f"port = {port}", ini.read_text()))

    def stop(self, number=None):
        if self.server:
            self.server.stop(number)


class Docker(Endpoint):
    """Apache CouchDB in a container."""

    kind = "docker"
    direct = True

    def __init__(self, user, password, port=0):
        super().__init__("http://127.0.0.1:0", user, password)
        self.container = "e2c-couch-" + uuid.uuid4().hex[:8]
        self.port = port

    def start(self):
        # Name and password by the environment: arguments can be read by every user.
        self._docker("run", "-d", "--rm", "--name", self.container,
                     "-p", f"127.0.0.1:{self.port or ''}:5984", "-e", "COUCHDB_USER",
                     "-e", "COUCHDB_PASSWORD", IMAGE)
        try:
            address = self._docker("port", self.container, "5984/tcp").splitlines()[0]
            self.base = "http://" + address.strip()
            wait_until("CouchDB in docker answers", 120, self._answers, 0.2)
        except BaseException:
            self.remove()
            raise

    def _docker(self, *words):
        try:
            done = subprocess.run(["docker", *words], stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, timeout=300, env={
                                      **os.environ, "COUCHDB_USER": self.user,
                                      "COUCHDB_PASSWORD": self.password})
        except subprocess.TimeoutExpired as late:
            raise ServerError(f"docker {words[0]}: not done in {late.timeout} s") from late
        if done.returncode != 0:
            raise ServerError(f"docker {words[0]}: {done.stderr}")
        return done.stdout

    def _answers(self):
        if self.status("/_up") != 200:
            return False
        for name in ("_users", "_replicator"):
            self.call("PUT", f"/{name}")
        return True

    def remove(self):
        self._docker("rm", "-f", self.container)


class Pouch(Endpoint):
    """pouchdb-server, in memory. The folder is the caller's."""

    kind = "pouchdb"
    direct = True

    def __init__(self, folder, user, password, port=None, outlive=False):
        super().__init__("http://127.0.0.1:0", user, password)
        self.folder, self.port, self.outlive, self.server = folder, port, outlive, None
        config = folder / "config.json"
        config.touch(mode=0o600)
        config.write_text(json.dumps({"admins": {user: password}}))

    def start(self, started=lambda server: None):
        """`started` is told of the process before it is waited for."""
        for attempt in range(START_TRIES):
            port = self.port or free_port()
            self.base = f"http://127.0.0.1:{port}"
            self.server = start_server(
                "pouchdb-server",
                [pouchdb_program(), "--in-memory", "--host", "127.0.0.1", "--port", port,
                 "--no-stdout-logs", "--config", self.folder / "config.json"], self.folder,
                outlive=self.outlive)
            started(self.server)
            try:
                wait_until("pouchdb-server answers", 60, self._answers, 0.1)
                return
            except ServerError:
                if "EADDRINUSE" not in self.server.log_tail() or attempt == START_TRIES - 1:
                    raise

    def _answers(self):
        self.server.check()
        return self.status("/_session") == 200

    def stop(self, number=None):
        if self.server:
            self.server.stop(number)
