"""The CouchDB of the tests, and what tests ask of it.

Order of choice: $COUCHDB_URL (with an administrator's name and password in it), an installed
Apache CouchDB started privately, Apache CouchDB in a docker container where an engine runs,
pouchdb-server from npm. Only the first three are Apache CouchDB for sure; tests that need what
pouchdb-server lacks use the fixture apache_couch.
"""

import base64
import hashlib
import hmac
import json
import os
import shutil
import subprocess
import time
import uuid
from pathlib import Path
from urllib.parse import quote, urlsplit

import requests

from .process import ServerError, free_port, start_server, temporary_folder, wait_until

INSTALLED = Path("/opt/couchdb")
IMAGE = "couchdb:3.4"
POUCHDB_VERSION = "4.2.0"
ADMIN, PASSWORD = "adm", "pa:ss/w@rd %"
JWT_SECRET = b"test-key-of-the-unit-tests"  # the one that tests/support/couch_server.sh sets

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
authentication_handlers = {handlers}
[smoosh]
state_dir = {folder}/data
[log]
writer = file
file = {folder}/couch.log
level = warning
; 10 iterations: tests log in often, and the default takes 0.2 s each time
[chttpd_auth]
iterations = 10
[jwt_keys]
hmac:_default = {jwt_key}
[jwt_auth]
required_claims = exp
[admins]
{admin} = {password}
"""
HANDLERS = ", ".join(f"{{chttpd_auth, {name}_authentication_handler}}"
                     for name in ("cookie", "jwt", "default"))
JWT_KEY = base64.b64encode(JWT_SECRET).decode()
# Without epmd and distribution nothing is shared with another CouchDB of this machine.
VM_ARGS = ["-start_epmd false", "-dist_listen false", "+sbwt none", "+sbwtdcpu none",
           "+sbwtdio none"]


def token(user, seconds):
    """A JWT that a PrivateCouch accepts from `user` (an administrator) for so long."""
    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    head = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    claims = part(json.dumps({"sub": user, "exp": int(time.time()) + seconds,
                              "_couchdb.roles": ["_admin"]}).encode())
    signature = hmac.new(JWT_SECRET, head + b"." + claims, hashlib.sha256).digest()
    return (head + b"." + claims + b"." + part(signature)).decode()


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "erp2couch-tests"


def pouchdb_program():
    """Where pouchdb-server is, or would be, once installed."""
    return cache_folder() / f"pouchdb-server-{POUCHDB_VERSION}" / "node_modules/.bin/pouchdb-server"


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
    """Which CouchDB the tests will get: url, installed, docker or pouchdb.

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


class Couch:
    """A CouchDB server, with an administrator's rights."""

    kind = "url"

    def __init__(self, base, user=ADMIN, password=PASSWORD):
        self.base = base.rstrip("/")
        self.user, self.password = user, password
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.auth = (user, password) if user else None
        # Not `Accept: */*`: pouchdb-server answers that with text/plain.
        self.http.headers["Accept"] = "application/json"

    @property
    def url(self):
        """With name and password in it, as an operator may write it."""
        return self.url_for(self.base, self.user, self.password)

    @staticmethod
    def url_for(base, user=None, password=None):
        if not user:
            return base
        scheme, rest = base.split("://", 1)
        return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"

    @property
    def port(self):
        parts = urlsplit(self.base)
        return parts.port or (443 if parts.scheme == "https" else 80)

    @property
    def host(self):
        return urlsplit(self.base).hostname

    @property
    def apache(self):
        return "couchdb" in self.call("GET", "/").json()

    def call(self, method, path, ok=True, **options):
        """One request; an AssertionError for an answer of 400 and above unless ok is False."""
        if "json" in options:  # as UTF-8, integers of any size as they are
            options["data"] = json.dumps(options.pop("json"), ensure_ascii=False).encode()
            options.setdefault("headers", {})["Content-Type"] = "application/json"
        reply = self.http.request(method, self.base + path, timeout=120, **options)
        assert not ok or reply.status_code < 400, \
            f"{method} {path}: {reply.status_code} {reply.text[:500]}"
        return reply

    def db(self, name):
        return Db(self, name)

    def databases(self):
        return self.call("GET", "/_all_dbs").json()

    def add_user(self, name, password, roles=()):
        self.call("PUT", f"/_users/org.couchdb.user:{name}", json={
            "name": name, "password": password, "roles": list(roles), "type": "user"})

    def configure(self, section, key, value):
        """Sets an option of Apache CouchDB. Returns what it was ("" where unset)."""
        return self.call("PUT", f"/_node/_local/_config/{section}/{key}", json=value).json()

    def unconfigure(self, section, key):
        self.call("DELETE", f"/_node/_local/_config/{section}/{key}", ok=False)

    def remove(self):
        self.http.close()


class PrivateCouch(Couch):
    """An installed Apache CouchDB, started in a folder of its own; may be stopped and restarted."""

    kind = "installed"

    def __init__(self, user=ADMIN, password=PASSWORD):
        self.folder = temporary_folder("e2c-couch-")
        self.server = None
        super().__init__("http://127.0.0.1:0", user, password)
        (self.folder / "data").mkdir()
        try:
            self.start()
        except BaseException:
            self.remove()
            raise

    def start(self):
        uri = self.folder / "uri"
        uri.unlink(missing_ok=True)
        ini, arguments = self.folder / "local.ini", self.folder / "vm.args"
        if not ini.exists():
            ini.write_text(INI.format(folder=self.folder, uuid=uuid.uuid4().hex, port=0,
                                      handlers=HANDLERS, jwt_key=JWT_KEY,
                                      admin=self.user, password=self.password))
        stock = (INSTALLED / "etc/vm.args").read_text()
        arguments.write_text(stock + "\n" + "\n".join(VM_ARGS) + "\n")
        self.server = start_server("CouchDB", [INSTALLED / "bin/couchdb"], self.folder, env={
            "COUCHDB_ARGS_FILE": str(arguments),
            "COUCHDB_INI_FILES": f"{INSTALLED}/etc/default.ini {ini}",
            "HOME": str(self.folder)})
        wait_until("CouchDB answers", 120, self._answers, 0.1)

    def _answers(self):
        self.server.check()
        uri = self.folder / "uri"
        if not uri.exists() or not uri.read_text().strip():
            return False
        self.base = uri.read_text().split()[0].rstrip("/")
        try:
            return all(self.call("GET", path, ok=False).status_code == 200
                       for path in ("/_up", "/_users", "/_replicator"))
        except requests.ConnectionError:
            return False

    def stop(self, number=None):
        self.server.stop(number)
        self.http.close()

    def restart_on_same_port(self):
        """Stopped and started again where clients expect it."""
        port = self.port
        self.stop()
        ini = self.folder / "local.ini"
        ini.write_text(ini.read_text().replace("\nport = 0\n", f"\nport = {port}\n"))
        self.start()

    def remove(self):
        super().remove()
        if self.server:
            self.server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class DockerCouch(Couch):
    """Apache CouchDB in a container."""

    kind = "docker"

    def __init__(self):
        self.container = "e2c-couch-" + uuid.uuid4().hex[:8]
        self._docker("run", "-d", "--rm", "--name", self.container, "-p", "127.0.0.1::5984",
                     "-e", f"COUCHDB_USER={ADMIN}", "-e", f"COUCHDB_PASSWORD={PASSWORD}", IMAGE)
        try:
            address = self._docker("port", self.container, "5984/tcp").splitlines()[0]
            super().__init__("http://" + address.strip())
            wait_until("CouchDB in docker answers", 120, self._answers, 0.2)
        except BaseException:
            self._docker("rm", "-f", self.container)
            raise

    @staticmethod
    def _docker(*words):
        done = subprocess.run(["docker", *words], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=300)
        if done.returncode != 0:
            raise ServerError(f"docker {words[0]}: {done.stderr}")
        return done.stdout

    def _answers(self):
        try:
            if self.call("GET", "/_up", ok=False).status_code != 200:
                return False
            for name in ("_users", "_replicator"):
                self.call("PUT", f"/{name}", ok=False)
            return True
        except requests.ConnectionError:
            return False

    def remove(self):
        super().remove()
        self._docker("rm", "-f", self.container)


class PouchCouch(Couch):
    """pouchdb-server, in memory: the protocol, not the product."""

    kind = "pouchdb"

    def __init__(self):
        program = pouchdb_program()
        if not program.exists():
            raise ServerError(
                f"no CouchDB: $COUCHDB_URL is not set, {INSTALLED} is not there or not readable, no"
                f" docker engine answers, and pouchdb-server is not installed ({program});"
                " tests/run installs it")
        self.folder = temporary_folder("e2c-pouch-")
        port = free_port()
        (self.folder / "config.json").write_text(json.dumps({"admins": {ADMIN: PASSWORD}}))
        self.server = start_server(
            "pouchdb-server",
            [program, "--in-memory", "--host", "127.0.0.1", "--port", port, "--no-stdout-logs",
             "--config", self.folder / "config.json"], self.folder)
        super().__init__(f"http://127.0.0.1:{port}")
        try:
            wait_until("pouchdb-server answers", 60, self._answers, 0.1)
        except BaseException:
            self.remove()
            raise

    def _answers(self):
        self.server.check()
        try:
            return self.call("GET", "/_session", ok=False).status_code == 200
        except requests.ConnectionError:
            return False

    def remove(self):
        super().remove()
        self.server.remove()


def start():
    """The CouchDB of this session, as choice() says; ServerError where there is none."""
    kind = choice()
    if kind == "installed":
        return PrivateCouch()
    if kind == "docker":
        return DockerCouch()
    if kind == "pouchdb":
        return PouchCouch()
    parts = urlsplit(os.environ["COUCHDB_URL"])
    host = parts.hostname + (f":{parts.port}" if parts.port else "")
    couch = Couch(f"{parts.scheme}://{host}{parts.path}",
                  requests.utils.unquote(parts.username or ""),
                  requests.utils.unquote(parts.password or ""))
    try:
        couch.call("GET", "/_session")
    except (requests.ConnectionError, AssertionError) as problem:
        raise ServerError(f"$COUCHDB_URL does not answer: {problem}") from problem
    return couch


class Db:
    """One database of a server."""

    def __init__(self, couch, name):
        self.couch = couch
        self.name = name
        self.path = "/" + quote(name, safe="")

    def call(self, method, path="", **options):
        return self.couch.call(method, self.path + path, **options)

    def exists(self):
        return self.call("GET", ok=False).status_code == 200

    def create(self, **parameters):
        self.call("PUT", params=parameters)
        return self

    def delete(self):
        self.call("DELETE", ok=False)

    def recreate(self):
        """Deleted and made again; CouchDB may refuse the name for a moment, and its age in
        whole seconds is all that tells the two apart."""
        before = self.info().get("instance_start_time")
        self.delete()

        def made():
            if self.call("PUT", ok=False).status_code not in (201, 202):
                return False
            if self.info().get("instance_start_time") != before:
                return True
            self.delete()
            return False

        wait_until(f"{self.name} made again", 30, made, 0.3)

    def info(self):
        return self.call("GET").json()

    def update_number(self):
        """The number in front of update_seq: how many writes the database has seen."""
        return int(str(self.info()["update_seq"]).split("-")[0])

    def get(self, doc_id, **parameters):
        """The document, or None."""
        reply = self.call("GET", "/" + quote(doc_id, safe=""), ok=False, params=parameters)
        if reply.status_code == 404:
            return None
        assert reply.status_code == 200, reply.text
        return reply.json()

    def put(self, doc):
        """Writes over whatever is there."""
        current = self.get(doc["_id"])
        if current:
            doc = {**doc, "_rev": current["_rev"]}
        return self.call("PUT", "/" + quote(doc["_id"], safe=""), json=doc).json()["rev"]

    def bulk(self, docs):
        return self.call("POST", "/_bulk_docs", json={"docs": docs}).json()

    def local(self, doc_id):
        reply = self.call("GET", "/_local/" + quote(doc_id, safe=""), ok=False)
        return reply.json() if reply.status_code == 200 else None

    def rows(self, **parameters):
        """Rows of _all_docs without design documents."""
        rows = self.call("GET", "/_all_docs", params=parameters).json()["rows"]
        return [row for row in rows if not row["id"].startswith("_design/")]

    def ids(self):
        return [row["id"] for row in self.rows()]

    def revs(self):
        """{id: rev} of the live documents."""
        return {row["id"]: row["value"]["rev"] for row in self.rows()}

    def docs(self):
        """{id: document} with _id, without _rev."""
        found = {}
        for row in self.rows(include_docs="true"):
            row["doc"].pop("_rev")
            found[row["id"]] = row["doc"]
        return found

    def count(self):
        return len(self.rows())

    def changes(self, **parameters):
        return self.call("GET", "/_changes", params=parameters).json()["results"]

    def all_revs(self):
        """{id: (winning rev, deleted)} of every document that ever was."""
        return {row["id"]: (row["changes"][0]["rev"], row.get("deleted", False))
                for row in self.changes() if not row["id"].startswith("_design/")}

    def deleted(self):
        return {doc_id: rev for doc_id, (rev, gone) in self.all_revs().items() if gone}

    def conflicts(self):
        """Ids of documents with more than one live leaf."""
        rows = self.call("GET", "/_all_docs", params={"include_docs": "true", "conflicts": "true"})
        return [row["id"] for row in rows.json()["rows"] if row["doc"].get("_conflicts")]

    def raw(self, doc_id):
        """The text of a document as the server sends it: for numbers that Python would round."""
        return self.call("GET", "/" + quote(doc_id, safe="")).text

    def wait_quiet(self, seconds=0.3):
        """Until update_seq stands still: after a client was killed, its last batch may land."""
        before = None
        while before != (before := self.update_number()):
            time.sleep(seconds)
        return before
