"""The CouchDB of the tests, and what tests ask of it.

Which one it is, and how it is started, is in deploy/scratch/couchdb.py. Tests that need what
pouchdb-server lacks use the fixture apache_couch.
"""

import base64
import hashlib
import hmac
import json
import os
import shutil
import time
from urllib.parse import quote, urlsplit

import requests
from scratch import couchdb as scratch
from scratch.couchdb import (choice, install_pouchdb, installed_usable,  # noqa: F401
                             pouchdb_program)

from .process import ServerError, temporary_folder, wait_until

ADMIN, PASSWORD = "adm", "pa:ss/w@rd %"
JWT_SECRET = b"test-key-of-the-unit-tests"  # the one that tests/support/couch_server.sh sets

HANDLERS = ", ".join(f"{{chttpd_auth, {name}_authentication_handler}}"
                     for name in ("cookie", "jwt", "default"))
INI = f"""
[chttpd]
authentication_handlers = {HANDLERS}
[jwt_keys]
hmac:_default = {base64.b64encode(JWT_SECRET).decode()}
[jwt_auth]
required_claims = exp
"""

# Several servers share few processors here: sixteen threads for files in each, as CouchDB has it,
# take a third more of them in waking each other up.
ONE_FILE_THREAD = "+SDio 1"


def token(user, seconds):
    """A JWT that a PrivateCouch accepts from `user` (an administrator) for so long."""
    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    head = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    claims = part(json.dumps({"sub": user, "exp": int(time.time()) + seconds,
                              "_couchdb.roles": ["_admin"]}).encode())
    signature = hmac.new(JWT_SECRET, head + b"." + claims, hashlib.sha256).digest()
    return (head + b"." + claims + b"." + part(signature)).decode()


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
        return scratch.join_url(base, user, password)

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

    def remove_user(self, name):
        path = f"/_users/org.couchdb.user:{name}"
        self.call("DELETE", path, params={"rev": self.call("GET", path).json()["_rev"]})

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
        super().__init__("http://127.0.0.1:0", user, password)
        self.private = scratch.Installed(self.folder, user, password, more=INI,
                                         flags=[ONE_FILE_THREAD])
        try:
            self.start()
        except BaseException:
            self.remove()
            raise

    def start(self):
        self.private.start()
        self.base = self.private.base

    def stop(self, number=None):
        self.private.stop(number)
        self.http.close()

    def restart_on_same_port(self):
        """Stopped and started again where clients expect it."""
        self.private.use_port(self.port)
        self.stop()
        self.start()

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Backup:
    """Copies of the files of databases, made while the server runs but nobody writes."""

    def __init__(self, couch, folder):
        self.shards, self.couch, self.folder = couch.folder / "data/shards", couch, folder

    def files(self, root, db):
        return {path.relative_to(root) for path in root.glob(f"*/{db.name}.*.couch")}

    def save(self, dbs):
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in {name for db in dbs for name in self.files(self.shards, db)}:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.shards / name, self.folder / name)

    def holds(self, db):
        """Whether there is a copy, and not of a database that was deleted since."""
        files = self.files(self.folder, db)
        return bool(files) and files == self.files(self.shards, db)

    def restore(self, dbs):
        """The server stops, these databases become what they were, and it starts again."""
        self.couch.private.use_port(self.couch.port)
        self.couch.stop()
        for name in {name for db in dbs for name in self.files(self.folder, db)}:
            shutil.copyfile(self.folder / name, self.shards / name)
        self.couch.start()


class DockerCouch(Couch):
    """Apache CouchDB in a container."""

    kind = "docker"

    def __init__(self):
        self.private = scratch.Docker(ADMIN, PASSWORD)
        self.private.start()
        super().__init__(self.private.base)

    def remove(self):
        super().remove()
        self.private.remove()


class PouchCouch(Couch):
    """pouchdb-server, in memory: the protocol, not the product."""

    kind = "pouchdb"

    def __init__(self):
        if not pouchdb_program().exists():
            raise ServerError(
                f"no CouchDB: $COUCHDB_URL is not set, {scratch.INSTALLED} is not there or not"
                " readable, no docker engine answers, and pouchdb-server is not installed"
                f" ({pouchdb_program()}); tests/run installs it")
        self.private = scratch.Pouch(temporary_folder("e2c-pouch-"), ADMIN, PASSWORD)
        try:
            self.private.start()
        except BaseException:
            self.private.stop()
            raise
        super().__init__(self.private.base)

    def remove(self):
        super().remove()
        self.private.server.remove()


def start():
    """The CouchDB of this session, as choice() says; ServerError where there is none."""
    kind = choice()
    if kind == "installed":
        return PrivateCouch()
    if kind == "docker":
        return DockerCouch()
    if kind == "pouchdb":
        return PouchCouch()
    couch = Couch(*scratch.split_url(os.environ["COUCHDB_URL"]))
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

    def writes(self):
        """What is the same as long as nobody writes a revision, a deletion or an edit."""
        info = self.info()
        return (int(str(info["update_seq"]).split("-")[0]), info["doc_count"],
                info["doc_del_count"], info.get("instance_start_time"))

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

    def bulk_replicated(self, docs):
        """As replication writes them: with the revisions they have, beside what is there."""
        return self.call("POST", "/_bulk_docs", json={"new_edits": False, "docs": docs})

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
        return self.contents()[0]

    def contents(self):
        """All there is, in one request: {id: document} as docs() has it, {id: rev}, and the ids of
        documents with more than one live leaf."""
        docs, revs, conflicts = {}, {}, []
        for row in self.rows(include_docs="true", conflicts="true"):
            doc = docs[row["id"]] = row["doc"]
            revs[row["id"]] = doc.pop("_rev")
            if doc.pop("_conflicts", None):
                conflicts.append(row["id"])
        return docs, revs, conflicts

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
        return self.contents()[2]

    def raw(self, doc_id):
        """The text of a document as the server sends it: for numbers that Python would round."""
        return self.call("GET", "/" + quote(doc_id, safe="")).text

    def wait_quiet(self, seconds=0.3):
        """Until update_seq stands still: after a client was killed, its last batch may land."""
        before = None
        while before != (before := self.update_number()):
            time.sleep(seconds)
        return before
