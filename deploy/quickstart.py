"""What deploy/quickstart does once everything is installed: build, servers, two runs, the proof."""

import argparse
import errno
import fcntl
import json
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from scratch import couchdb
from scratch.postgres import Postgres, find_bindir
from scratch.process import (ServerError, child_setup, die_with_parent, port_problem,
                             unprivileged_user)
from scratch.terminal import Step, complain, print_document, print_figures, say
from scratch.workplace import Workplace

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "deploy/demo"
PREFIX = "erp2couch-quickstart-"  # of temporary folders
USAGE, UNAVAILABLE, INTERNAL, NO_RIGHTS, CONFIG = 64, 69, 70, 77, 78
BUILD_SECONDS, NPM_SECONDS, COMMAND_SECONDS = 1200, 600, 120
NO_CONNECTION = 2  # psql's exit code
DATABASES = ("control", "catalog", "sales")
# A mapper's documents are as many as rows of:
EXPECTED = {
    "category": "category", "customer": "customer", "order": "sales_order",
    "price_list": "price_list", "product": "product", "rep": "rep",
    "stock": "(SELECT DISTINCT product_id FROM stock_level) s",
}
PRODUCT, NEW_PRICE = "CD-106", "279.00"
ORDER = "SO-2025-0900"
CHANGES = (
    f"UPDATE product SET list_price = {NEW_PRICE} WHERE code = '{PRODUCT}'",
    f"DELETE FROM sales_order WHERE number = '{ORDER}'",
)
# The settings of whoever started us are for other servers than ours.
FOREIGN = re.compile(r"PG[A-Z]+|(https?|all|no)_proxy", re.I)


class Failure(Exception):
    """Ends quickstart with a message and an exit code."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class Interrupted(BaseException):
    """A signal that asks us to end."""

    def __init__(self, number):
        super().__init__(number)
        self.number = number


def interrupt(number, frame):
    raise Interrupted(number)


def run(words, seconds=COMMAND_SECONDS, env=None, cwd=None, stdin="", code=INTERNAL):
    """A command to its end. Returns (exit code, standard output, standard error)."""
    words = [str(word) for word in words]
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, errors="replace", cwd=cwd, env=env,
            preexec_fn=lambda: die_with_parent(signal.SIGTERM))
    except OSError as problem:
        raise Failure(UNAVAILABLE, f"cannot start {words[0]}: {problem.strerror}") from problem
    try:
        out, err = process.communicate(stdin, timeout=seconds)
    except subprocess.TimeoutExpired as late:
        end(process)
        raise Failure(code, f"{' '.join(words[:3])}: not done in {seconds} s") from late
    except BaseException:
        end(process)
        raise
    return process.returncode, out, err


def end(process):
    """Ends a command that is no longer wanted."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# ---- the program ----

def find_program(place):
    """erp2couch: $ERP2COUCH, or the build of build-quickstart. Returns (path, what it is)."""
    named = os.environ.get("ERP2COUCH")
    if named:
        if not os.access(named, os.X_OK) or not Path(named).is_file():
            raise Failure(CONFIG, f"$ERP2COUCH is not a program that can be run: {named}")
        return Path(named).resolve(), named
    folder = ROOT / "build-quickstart"
    program = folder / "cmd/erp2couch"
    if not os.access(folder if folder.exists() else ROOT, os.W_OK):
        if os.access(program, os.X_OK):
            return program, f"{folder.name}, built by another user"
        folder = place.folder / "build"
        program = folder / "cmd/erp2couch"
    folder.mkdir(exist_ok=True)
    with open(folder / "quickstart.lock", "w") as lock:  # another quickstart may build there
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = modified(program)
        build(folder)
    return program, f"{folder.name}, " + (
        "up to date" if modified(program) == before else "release build")


def modified(path):
    return path.stat().st_mtime_ns if path.exists() else None


def build(folder):
    """A release build without tests. One that another place or version left is made anew."""
    for tool in ("meson", "ninja", "cc"):
        if not shutil.which(tool):
            raise Failure(UNAVAILABLE,
                          f"there is no {tool}: deploy/install-deps --build --demo installs it")
    for _ in range(2):
        if not (folder / "build.ninja").exists():
            code, out, err = run(["meson", "setup", folder, ROOT, "--buildtype=release",
                                  "-Dtests=false"], BUILD_SECONDS)
            if code:
                break
        code, out, err = run(["ninja", "-C", folder, "cmd/erp2couch"], BUILD_SECONDS)
        if code == 0:
            return
        for path in folder.iterdir():
            if path.name != "quickstart.lock":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    raise Failure(INTERNAL, "the build failed:\n" + (out + err)[-4000:])


# ---- servers ----

def check_port(option, number):
    """A port that was asked for must be free."""
    problem = port_problem(number)
    if problem is None:
        return
    if problem.errno == errno.EACCES:
        raise Failure(NO_RIGHTS, f"{option} {number}: only root may listen on that port")
    raise Failure(UNAVAILABLE,
                  f"{option} {number}: port {number} of 127.0.0.1 is taken: choose another one,"
                  " or leave the option out and a free one is taken")


class Demo:
    """One quickstart: its folder, servers, configuration."""

    def __init__(self, options, place):
        self.options, self.place = options, place
        self.postgres = self.couch = self.program = None
        self.prefix = "demo_"
        self.user = unprivileged_user()
        self.env = {}

    def folder(self, name, user=None):
        path = self.place.folder / name
        path.mkdir(mode=0o700)
        if user:
            shutil.chown(path, user.pw_uid, user.pw_gid)
        return path

    def start_postgres(self):
        self.postgres = Postgres(self.folder("postgres", self.user), self.user,
                                 self.options.postgres_port, outlive=self.options.keep)
        self.postgres.start(self.place.add_server)
        return f"{self.postgres.version()}, a server of its own at 127.0.0.1:{self.postgres.port}"

    def psql(self, *words, stdin=""):
        """psql as the ERP's owner. Returns its output."""
        env = {name: value for name, value in os.environ.items() if not FOREIGN.fullmatch(name)}
        env.update(PGPASSWORD=self.postgres.password, PGCONNECT_TIMEOUT="20")
        code, out, err = run(
            [self.postgres.bindir / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
             "-h", "127.0.0.1", "-p", self.postgres.port, "-U", "postgres", *words],
            env=env, stdin=stdin)
        if code:
            raise Failure(UNAVAILABLE if code == NO_CONNECTION else INTERNAL, err.strip())
        return out.strip()

    def sql(self, text):
        return self.psql("-d", "erp", stdin=text + ";\n")

    def load_erp(self):
        self.psql("-d", "postgres", stdin="CREATE DATABASE erp;\n")
        self.psql("-d", "erp", "-f", DEMO / "erp.sql")
        reader = secrets.token_hex(12)
        self.sql(f"CREATE ROLE erp2couch LOGIN PASSWORD '{reader}';"
                 "GRANT pg_read_all_data TO erp2couch")
        self.env["ERP_DSN"] = self.postgres.dsn("erp", "erp2couch", reader)
        products, customers, orders, lines = (
            self.sql(f"SELECT count(*) FROM {table}")
            for table in ("product", "customer", "sales_order", "sales_order_line"))
        return f"{products} products, {customers} customers, {orders} orders of {lines} lines"

    def start_couchdb(self, kind):
        starters = {"url": self.use_couchdb_url, "installed": self.start_installed,
                    "docker": self.start_docker, "pouchdb": self.start_pouchdb}
        outcome = starters[kind]()
        self.env.update(COUCHDB_URL=self.couch.url, DB_PREFIX=self.prefix)
        return outcome

    def use_couchdb_url(self):
        """Somebody's CouchDB: databases with names of our own, and not one trace more."""
        if self.options.couchdb_port:
            raise Failure(USAGE, "--couchdb-port and $COUCHDB_URL exclude each other: nothing is"
                                 " started where a CouchDB is named")
        try:
            self.couch = couchdb.Endpoint(*couchdb.split_url(os.environ["COUCHDB_URL"]))
            status, info = self.couch.call("GET", "/_all_dbs")
        except ServerError as problem:
            raise Failure(CONFIG, f"$COUCHDB_URL: {problem}") from problem
        except OSError as problem:
            reason = getattr(problem, "reason", problem)
            raise Failure(UNAVAILABLE, f"$COUCHDB_URL: {self.couch.base} does not answer:"
                                       f" {reason}") from problem
        if status != 200:
            said = info.get("reason", "") if isinstance(info, dict) else ""
            raise Failure(CONFIG, f"$COUCHDB_URL: {self.couch.base} answers {status} {said}: it"
                                  " takes the name and password of an administrator,"
                                  " http://NAME:PASSWORD@HOST:PORT")
        self.prefix = f"quickstart_{secrets.token_hex(4)}_"
        self.place.add_databases(self.couch, [self.prefix + name for name in DATABASES])
        return f"{self.couch.base}, databases {self.prefix}*"

    def start_installed(self):
        self.couch = couchdb.Installed(self.folder("couchdb"), "admin", secrets.token_hex(12),
                                       self.options.couchdb_port or 0, outlive=self.options.keep)
        self.couch.start(self.place.add_server)
        return f"{self.version()}, a server of its own at {self.address()}"

    def start_docker(self):
        self.couch = couchdb.Docker("admin", secrets.token_hex(12), self.options.couchdb_port or 0)
        self.place.add_container(self.couch.container)
        self.couch.start()
        return f"{self.version()}, in docker, at {self.address()}"

    def start_pouchdb(self):
        self.couch = couchdb.Pouch(self.folder("couchdb"), "admin", secrets.token_hex(12),
                                   self.options.couchdb_port, outlive=self.options.keep)
        self.couch.start(self.place.add_server)
        return f"pouchdb-server {couchdb.POUCHDB_VERSION} in its place, at {self.address()}"

    def address(self):
        return self.couch.base.split("://")[1]

    def version(self):
        return (self.couch.call("GET", "/")[1] or {}).get("version", "")

    def servers(self):
        """Those that are ours, as the beginning of a sentence: somebody's CouchDB is not."""
        return "PostgreSQL is" if self.couch.kind == "url" else "Both servers are"

    # ---- the program at work ----

    def environment(self):
        env = {name: value for name, value in os.environ.items()
               if self.couch.kind == "url" or not FOREIGN.fullmatch(name)}
        return {**env, **self.env}

    def erp2couch(self, *words):
        """The program in the demo's configuration folder. Returns its standard output."""
        code, out, err = run([self.program, *words], env=self.environment(),
                             cwd=self.place.folder / "erp")
        if code:
            raise Failure(code if code > 2 else INTERNAL,
                          f"erp2couch {' '.join(words)} ended with {code}:\n{(err + out).strip()}")
        return out

    def run_mappers(self):
        """One run of all mappers. Returns the figures of each."""
        return json.loads(self.erp2couch("run", "--quiet", "--json"))["mappers"]

    def database(self, name):
        return "/" + self.prefix + name

    def document(self, database, doc_id):
        """The document, or None where it is not (or no more)."""
        status, value = self.couch.call("GET", f"{self.database(database)}/{doc_id}")
        if status not in (200, 404):
            raise Failure(UNAVAILABLE, f"CouchDB answers {status} for {doc_id}: {value}")
        return value if status == 200 else None

    def revisions(self):
        """{id: revision} of all documents of the demo."""
        found = {}
        for name in DATABASES[1:]:
            status, value = self.couch.call("GET", self.database(name) + "/_all_docs")
            if status != 200:
                raise Failure(UNAVAILABLE, f"CouchDB answers {status} for _all_docs: {value}")
            found.update({row["id"]: row["value"]["rev"] for row in value["rows"]})
        return found

    def write_env(self):
        """FOLDER/env: what a shell needs to go on where we stopped."""
        values = {**self.env, "PGHOST": "127.0.0.1", "PGPORT": str(self.postgres.port),
                  "PGDATABASE": "erp", "PGUSER": "postgres", "PGPASSWORD": self.postgres.password}
        path = self.place.folder / "env"
        path.touch(mode=0o600)
        folders = f"{self.program.parent}:{self.postgres.bindir}"
        path.write_text("".join(f"export {name}={shlex.quote(value)}\n"
                                for name, value in values.items())
                        + f"export PATH={shlex.quote(folders)}:\"$PATH\"\n")


def choose_couchdb():
    """Which of the four it is; to ask docker may take a while."""
    kind = couchdb.choice()
    if kind not in ("url", "installed", "docker", "pouchdb"):
        raise Failure(CONFIG, f"$ERP2COUCH_TEST_COUCHDB: there is no '{kind}'; there is"
                              " installed, docker, pouchdb")
    return kind


def install_pouchdb(options):
    """From npm, unless nothing may be installed. Returns what was done."""
    if options.no_install:
        raise Failure(UNAVAILABLE, "there is no CouchDB: $COUCHDB_URL is not set, none is in"
                                   " /opt/couchdb, no docker engine answers; without --no-install"
                                   " pouchdb-server comes from npm")
    code, out, err = run([ROOT / "deploy/install-deps", "--pouchdb"], BUILD_SECONDS)
    if code:
        raise Failure(code, f"pouchdb-server needs node and npm\n{err.strip()}")

    def npm(words, env):
        code, out, err = run(words, NPM_SECONDS, {**os.environ, **env}, code=UNAVAILABLE)
        return code, out + err

    code, output = couchdb.install_pouchdb(npm)
    if code:
        raise Failure(UNAVAILABLE, "there is no CouchDB here, and pouchdb-server did not come from"
                                   f" npm; is the network up?\n{output.strip()[-2000:]}")
    return ("nodejs and npm from Debian, " if err else "") + "pouchdb-server from npm"


# ---- what is shown and proved ----

def expect(what, wanted, got):
    if wanted != got:
        raise Failure(INTERNAL, f"{what} is not as it should be:\n  expected {wanted}\n"
                                f"  found    {got}")


def check_figures(mappers, **wanted):
    """Counters of each mapper: those of `wanted` (by mapper), 0 for all that are not named."""
    names = ("created", "updated", "moved", "deleted", "unchanged", "rejected")
    got = {one["mapper"]: {name: one[name] for name in names if one[name]} for one in mappers}
    for mapper, counters in wanted.items():
        counters = {name: count for name, count in counters.items() if count}
        expect(f"mapper {mapper}", counters, got.pop(mapper, "no such mapper"))
    expect("the list of mappers", {}, got)


def first_run(demo):
    """Everything is new. Returns how many documents each mapper has."""
    say("\n$ erp2couch run --json     (what it counted; zeros left out)")
    mappers = demo.run_mappers()
    print_figures(mappers)
    counts = {mapper: int(demo.sql(f"SELECT count(*) FROM {rows}"))
              for mapper, rows in EXPECTED.items()}
    check_figures(mappers, **{name: {"created": count} for name, count in counts.items()})
    expect("the number of documents in CouchDB", sum(counts.values()), len(demo.revisions()))
    return counts


def show(demo, database, doc_id):
    say(f"\n$ curl $COUCHDB_URL{demo.database(database)}/{doc_id}")
    document = demo.document(database, doc_id)
    if document is None:
        raise Failure(INTERNAL, f"{doc_id} is not in CouchDB")
    print_document({"_id": doc_id, "_rev": document["_rev"], **document})  # in any server's order


def second_run(demo, counts):
    """Two changes in the ERP are two writes, and nothing else is touched."""
    before = demo.revisions()
    say("\nNow somebody works in the ERP:")
    for statement in CHANGES:
        say(f"  erp=> {statement};")
        demo.sql(statement)
    say("\n$ erp2couch run --json     (what it counted; zeros left out)")
    mappers = demo.run_mappers()
    print_figures(mappers)
    wanted = {name: {"unchanged": count} for name, count in counts.items()}
    wanted["product"] = {"updated": 1, "unchanged": counts["product"] - 1}
    wanted["order"] = {"deleted": 1, "unchanged": counts["order"] - 1}
    check_figures(mappers, **wanted)
    product, after = demo.document("catalog", f"product:{PRODUCT}"), demo.revisions()
    expect(f"the price of {PRODUCT}", NEW_PRICE, product["price"])
    expect(f"order {ORDER}", None, demo.document("sales", f"order:{ORDER}"))
    touched = {doc_id for doc_id in {*before, *after} if before.get(doc_id) != after.get(doc_id)}
    expect("what was written", {f"product:{PRODUCT}", f"order:{ORDER}"}, touched)
    say(f"\n  product:{PRODUCT} costs {product['price']} now, order:{ORDER} is gone, and the other"
        f"\n  {len(after) - 1} documents have the revision they had: no device fetches them again.")


def tour(demo):
    """All steps, from the build to the proof."""
    with Step.of("erp2couch") as step:
        demo.program, step.outcome = find_program(demo.place)
    kind = choose_couchdb()
    if kind == "pouchdb" and not couchdb.pouchdb_program().exists():
        with Step.of("no CouchDB") as step:
            step.outcome = install_pouchdb(demo.options)
    with Step.of("CouchDB") as step:
        step.outcome = demo.start_couchdb(kind)
    with Step.of("PostgreSQL") as step:
        step.outcome = demo.start_postgres()
    with Step.of("demo ERP") as step:
        step.outcome = demo.load_erp()
    shutil.copytree(DEMO, demo.place.folder / "erp", ignore=shutil.ignore_patterns("erp.sql"))
    with Step.of("check") as step:
        demo.erp2couch("check", "--connect")
        step.outcome = "erp2couch check --connect: mappers, ERP and CouchDB fit"
    counts = first_run(demo)
    show(demo, "catalog", f"product:{PRODUCT}")
    show(demo, "sales", f"order:{ORDER}")
    second_run(demo, counts)


def print_next(demo):
    """How to go on."""
    if demo.options.keep:
        demo.write_env()
        say(f"\n{demo.servers()} left running. In a shell:\n"
            f"  cd {demo.place.folder}/erp && . ../env\n"
            f"  ls mappers                           # change one, then run again\n"
            f"  erp2couch preview customer --limit 2\n"
            f"  psql                                 # the ERP\n"
            f"  erp2couch discover erp sales_order   # a first mapper, as for your own tables\n"
            f"  erp2couch run                        # once\n"
            f"  erp2couch serve                      # every ten seconds; http://127.0.0.1:8090/\n"
            f"  curl \"$COUCHDB_URL/{demo.prefix}catalog/_all_docs?limit=5\"")
        if demo.couch.status("/_utils/") == 200:
            say(f"  {demo.couch.base}/_utils/        # in a browser; `echo $COUCHDB_URL` has the"
                " password")
        say(f"\nTo stop and remove it all:\n  {ROOT / 'deploy/quickstart'} --stop")
        return
    say("\nNext:\n"
        "  deploy/quickstart --keep           the same, and both servers stay to look at\n"
        "  ls deploy/demo/mappers             the seven mappers you just saw at work\n"
        "  erp2couch init DIR --pack odoo     a configuration for Odoo; or: tryton\n"
        "  erp2couch discover SOURCE TABLE    a first mapper for a table of your own ERP")


def stop():
    """--stop: whatever --keep left."""
    places = Workplace.kept(PREFIX)
    for place in places:
        place.remove()
        say(f"stopped and removed {place.folder}")
    if not places:
        say("nothing was left running")


def parse(arguments):
    parser = argparse.ArgumentParser(prog="deploy/quickstart", add_help=False)
    for name in ("--keep", "--stop", "--no-install"):
        parser.add_argument(name, action="store_true")
    for name in ("--couchdb-port", "--postgres-port"):
        parser.add_argument(name, type=int)
    return parser.parse_args(arguments)


def check_temporary():
    """Run as root, we start PostgreSQL as another user, who has to come to its folder."""
    user, folder = unprivileged_user(), tempfile.gettempdir()
    if user and subprocess.run(["test", "-x", folder], preexec_fn=child_setup(user)).returncode:
        raise Failure(NO_RIGHTS, f"user {user.pw_name}, as whom PostgreSQL runs, may not enter"
                                 f" {folder}: set TMPDIR to a folder that all may enter")


def check_before(options):
    """What can be told before anything is built or started."""
    check_temporary()
    if options.couchdb_port and options.couchdb_port == options.postgres_port:
        raise Failure(USAGE, f"PostgreSQL and CouchDB cannot both have port {options.couchdb_port}")
    for option in ("postgres_port", "couchdb_port"):
        if getattr(options, option):
            check_port("--" + option.replace("_", "-"), getattr(options, option))
    if find_bindir() is None:
        raise Failure(UNAVAILABLE, "there is no PostgreSQL server (14 or later) here:"
                                   " deploy/install-deps --demo installs it")


def main(options):
    check_before(options)
    place = Workplace.create(PREFIX, shared=os.geteuid() == 0)
    try:
        demo = Demo(options, place)
        tour(demo)
        print_next(demo)
        if options.keep:
            place.keep()
    finally:
        place.close()
    if not options.keep:
        say(f"\nAll as it should be. {demo.servers()} stopped, nothing of the demo is left.")


def guarded(arguments):
    """main() with every way to end turned into a message and an exit code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        options = parse(arguments)
        stop() if options.stop else main(options)
        return 0
    except Failure as failure:
        complain(failure)
        return failure.code
    except ServerError as problem:
        complain(problem)
        return UNAVAILABLE
    except Interrupted as interrupted:
        complain("interrupted; everything is stopped and removed")
        return 128 + interrupted.number
    except BrokenPipeError:  # nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + signal.SIGPIPE
    except OSError as problem:
        complain(f"{problem.strerror}: {problem.filename or ''}")
        return UNAVAILABLE


if __name__ == "__main__":
    sys.exit(guarded(sys.argv[1:]))
