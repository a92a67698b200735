"""A configuration folder of erp2couch and the program run in it."""

import json
import os
import re
import signal
import subprocess
import textwrap
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VALGRIND = ["valgrind", "-q", "--error-exitcode=99", "--leak-check=full",
            "--errors-for-leak-kinds=definite,indirect,possible", "--show-leak-kinds=definite,"
            "indirect,possible", "--num-callers=30"]
SANITIZER = re.compile(r"ERROR: AddressSanitizer|ERROR: LeakSanitizer|runtime error:"
                       r"|==\d+== ERROR SUMMARY|==\d+==.*(Invalid|uninitialised|definitely lost)")
OUTCOME_KEYS = ["mapper", "read", "created", "updated", "moved", "deleted", "unchanged",
                "rejected", "seconds", "outcome"]
OUTCOMES = {"ok", "rejects", "unavailable", "locked", "refused", "interrupted", "failed"}


class Exit:
    """The exit codes of DESIGN.md section 4."""

    OK, REJECTS, USAGE, UNAVAILABLE, INTERNAL = 0, 2, 64, 69, 70
    LOCKED, REFUSED, CONFIG, INTERRUPTED, TERMINATED = 75, 77, 78, 130, 143


def find_binary():
    """The program under test: $ERP2COUCH, else the newest one in a build folder."""
    named = os.environ.get("ERP2COUCH")
    if named:
        return Path(named).resolve()
    built = [path for pattern in ("build*/cmd/erp2couch", "build*/*/cmd/erp2couch")
             for path in ROOT.glob(pattern)]
    return max(built, key=lambda path: path.stat().st_mtime, default=None)


class Result:
    """How a command ended."""

    def __init__(self, words, code, out, err, seconds):
        self.words, self.code, self.out, self.err, self.seconds = words, code, out, err, seconds
        assert not SANITIZER.search(err), f"{self}\nthe sanitizer or valgrind found an error"

    def __str__(self):
        def cut(text):
            return text if len(text) < 8000 else text[:4000] + "\n...\n" + text[-4000:]

        return (f"$ erp2couch {' '.join(map(str, self.words))}\nexit code {self.code} after"
                f" {self.seconds:.1f} s\n--- stdout\n{cut(self.out)}\n--- stderr\n{cut(self.err)}")

    @property
    def json(self):
        """The one JSON object on stdout; exactly one, whatever the exit code."""
        try:
            value = json.loads(self.out)
        except ValueError as problem:
            raise AssertionError(f"{self}\nstdout is not one JSON value: {problem}") from problem
        assert isinstance(value, dict), f"{self}\nnot an object"
        return value

    @property
    def lines(self):
        """Output of JSON lines, as preview prints."""
        return [json.loads(line) for line in self.out.splitlines()]

    def expect(self, code):
        assert self.code == code, f"expected exit code {code}\n{self}"
        return self

    def says(self, *patterns):
        """All of these (regular expressions, case ignored) are in stderr or stdout."""
        for pattern in patterns:
            assert re.search(pattern, self.err + self.out, re.I | re.S), \
                f"nothing like {pattern!r} in\n{self}"
        return self

    def mapper(self, name=None):
        """The outcome of one mapper of `run --json`; name may be left out when there is one."""
        mappers = self.json["mappers"]
        found = [m for m in mappers if name in (None, m["mapper"])]
        assert len(found) == 1, f"{self}\nexpected one outcome of {name}"
        return found[0]

    def counts(self, name=None, **expected):
        """Asserts counters of a mapper; those not named must be 0 (`read` may be anything)."""
        outcome = self.mapper(name)
        full = {key: 0 for key in OUTCOME_KEYS[2:8]}
        full.update(expected)
        got = {key: outcome[key] for key in full}
        assert got == full, f"{self}\nexpected {full}\n     got {got}"
        return self


def yaml_of(value, indent=0):
    """dicts, lists and scalars as block YAML; strings quoted as in JSON."""
    pad = "  " * indent
    if isinstance(value, dict) and value:
        return "\n" * bool(indent) + "\n".join(
            f"{pad}{json.dumps(str(key))}: {yaml_of(item, indent + 1)}"
            for key, item in value.items())
    if isinstance(value, (list, tuple)) and value:
        return "\n" * bool(indent) + "\n".join(
            f"{pad}- {yaml_of(item, indent + 1).lstrip()}" for item in value)
    return json.dumps(value, ensure_ascii=False)


def merged(base, changes):
    """A copy of the dict `base` with those of `changes` put over it, recursively."""
    result = dict(base)
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def without_none(value):
    """A copy of the dict `value` without the keys, at any depth, that are None."""
    return {key: without_none(item) if isinstance(item, dict) else item
            for key, item in value.items() if item is not None}


class Project:
    """A folder with erp2couch.yaml and mappers, its databases, and the program run there.

    In mapper texts `@db@` stands for a prefix that is this project's own, so that tests may share
    a server: `database: "@db@catalog"` is project.db("catalog").
    """

    def __init__(self, folder, binary, couch, database=None, wrapper=()):
        self.folder, self.binary, self.couch, self.database = folder, binary, couch, database
        self.wrapper = list(wrapper)
        self.prefix = "t" + uuid.uuid4().hex[:10] + "_"
        self.env = {}
        self.settings = {}
        self.path = folder / "erp2couch.yaml"
        (folder / "mappers").mkdir(parents=True, exist_ok=True)
        self.configure()

    def configure(self, **changes):
        """Writes erp2couch.yaml: the defaults, all changes so far and these; None removes a key."""
        self.settings = merged(self.settings, changes)
        base = {
            "version": 1,
            "couchdb": {"url": self.couch.base if self.couch else "http://127.0.0.1:9",
                        "control_database": self.prefix + "control", "retry_for": "10s"},
            "sources": {"erp": {"type": "postgres", "dsn": "${ERP_DSN}"}},
            "mappers": ["mappers/*.yaml"],
            "state_dir": "state",
        }
        if self.couch and self.couch.user:
            base["couchdb"]["auth"] = {"user": self.couch.user,
                                       "password": "${COUCHDB_PASSWORD}"}
            self.env.setdefault("COUCHDB_PASSWORD", self.couch.password)
        self.env.setdefault("ERP_DSN", self.database.dsn() if self.database else
                            "host=127.0.0.1 port=9 dbname=none")
        self.path.write_text(yaml_of(without_none(merged(base, self.settings))) + "\n")
        return self

    def mapper(self, name, text):
        """Writes mappers/NAME.yaml."""
        path = self.folder / "mappers" / f"{name}.yaml"
        path.write_text(textwrap.dedent(text).lstrip("\n").replace("@db@", self.prefix))
        return path

    def table_mapper(self, name="item", table=None, key="id", columns=(), target_id=None,
                     database="catalog", extract="", target="", fields="", more=""):
        """A mapper of one table: key as `id`, `columns` under their own names."""
        lines = [f"mapper: {name}", "source: erp", "extract:", f"  table: {table or name}",
                 f"  key: {key}"]
        lines += ["  " + line for line in textwrap.dedent(extract).strip().splitlines()]
        lines += ["target:", f'  database: "@db@{database}"',
                  f'  id: "{target_id or name + ":${" + key + "}"}"']
        lines += ["  " + line for line in textwrap.dedent(target).strip().splitlines()]
        lines += ["fields:", f"  type: {{value: {name}}}"]
        lines += [f"  {column}: {column}" for column in columns]
        lines += ["  " + line for line in textwrap.dedent(fields).strip().splitlines()]
        lines += textwrap.dedent(more).strip().splitlines()
        return self.mapper(name, "\n".join(lines) + "\n")

    def db(self, name):
        return self.couch.db(self.prefix + name)

    @property
    def control(self):
        return self.db("control")

    @property
    def state(self):
        return self.folder / "state"

    def rejects(self, mapper=None):
        """The rejects in the control database."""
        if not self.control.exists():
            return []
        return [doc for doc in self.control.docs().values()
                if "reason" in doc and "attempts" in doc and mapper in (None, doc.get("mapper"))]

    def environment(self, extra=None):
        env = {**os.environ, **self.env, **(extra or {})}
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY",
                     "ALL_PROXY", "PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE"):
            if name not in self.env:
                env.pop(name, None)
        env["ASAN_OPTIONS"] = "detect_leaks=1:exitcode=99:" + env.get("ASAN_OPTIONS", "")
        env["UBSAN_OPTIONS"] = "halt_on_error=1:exitcode=99:print_stacktrace=1"
        return env

    def start(self, *words, env=None, stdin=subprocess.DEVNULL, wrapper=None, cwd=None, **options):
        """Starts the program; the caller ends it with finish()."""
        command = [*(self.wrapper if wrapper is None else wrapper), str(self.binary),
                   *map(str, words)]
        process = subprocess.Popen(command, cwd=str(cwd or self.folder), stdin=stdin,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=self.environment(env), **options)
        process.words, process.started = words, time.monotonic()
        return process

    @staticmethod
    def finish(process, timeout=120):
        """Waits for a started program. Returns its Result."""
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as late:
            process.send_signal(signal.SIGABRT)
            out, err = process.communicate()
            raise AssertionError(
                f"erp2couch {' '.join(map(str, process.words))}: not done in {timeout} s\n"
                f"--- stdout\n{out.decode(errors='replace')[-4000:]}\n"
                f"--- stderr\n{err.decode(errors='replace')[-4000:]}") from late
        return Result(process.words, process.returncode, out.decode(errors="replace"),
                      err.decode(errors="replace"), time.monotonic() - process.started)

    def erp2couch(self, *words, timeout=120, **options):
        """Runs the program. Returns its Result."""
        return self.finish(self.start(*words, **options), timeout)

    def run(self, *words, code=Exit.OK, timeout=120, **options):
        """`run --json`, which must end with `code`. Returns its Result, its shape proved."""
        result = self.erp2couch("run", *words, "--json", timeout=timeout, **options).expect(code)
        check_run_shape(result)
        return result

    def push(self, mapper, body, timeout=120, **options):
        """Pushes records (a list, an object, or the text of a body) to a mapper by the tool
        tests/tools/push, which starts a run of them. Returns its Result; .json is how it ended."""
        text = body if isinstance(body, (str, bytes)) else json.dumps(body, ensure_ascii=False)
        return self.finish_push(self.start_push(mapper, text, **options), timeout)

    def start_push(self, mapper, text, env=None):
        """Starts a push; finish_push() waits for it."""
        tool = self.binary.parents[1] / "tests/tools/push"
        process = subprocess.Popen([str(tool), str(self.path), mapper], cwd=str(self.folder),
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=self.environment(env))
        process.words, process.started = ("push", mapper), time.monotonic()
        process.body = text.encode() if isinstance(text, str) else text
        return process

    @staticmethod
    def finish_push(process, timeout=120):
        out, err = process.communicate(process.body, timeout=timeout)
        return Result(process.words, process.returncode, out.decode(errors="replace"),
                      err.decode(errors="replace"), time.monotonic() - process.started)

    def pushed(self, mapper, body, outcome="ok", **counts):
        """A push that must end with `outcome` and these counters, those not named being 0."""
        result = self.push(mapper, body)
        got = {key: result.json[key] for key in ("outcome", *OUTCOME_KEYS[1:8])}
        assert got == {**{key: 0 for key in OUTCOME_KEYS[1:8]}, "outcome": outcome, **counts}, \
            result
        return result

    def snapshot(self, *names):
        """What would show a needless write: every one moves the number of a database on, and a
        database that was made anew has another age or other counts. Its revisions are left to
        who asks: they take seconds where there are thousands."""
        return {name: self.db(name).writes() for name in names}

    def quiet_run(self, *words, databases=("catalog",), unchanged=None, **options):
        """A run that must find everything unchanged, and must not have written a revision."""
        before = self.snapshot(*databases)
        result = self.run(*words, **options)
        assert self.snapshot(*databases) == before, result
        for mapper in result.json["mappers"]:
            written = {key: mapper[key] for key in OUTCOME_KEYS[2:8]
                       if key != "unchanged" and mapper[key]}
            assert not written, result
            assert mapper["read"] == mapper["unchanged"], result
        if unchanged is not None:
            assert sum(m["unchanged"] for m in result.json["mappers"]) == unchanged, result
        return result

    def remove(self):
        if self.couch:
            for name in self.couch.databases():
                if name.startswith(self.prefix):
                    self.couch.db(name).delete()


def allowed_more(outcome):
    """Keys that the outcome of a run, or of a mapper, may have beyond those of the design."""
    return set() if outcome["outcome"] in ("ok", "rejects") else {"error", "withheld"}


def check_run_shape(result):
    """The object of `run --json` has the keys of DESIGN.md section 4 in their order and with their
    types, and no others but `withheld` deletions and the `error` of what did not end well.
    """
    value = result.json
    assert list(value)[:2] == ["mappers", "outcome"], result
    assert value["outcome"] in OUTCOMES, result
    assert set(value) - {"mappers", "outcome"} <= allowed_more(value), result
    for mapper in value["mappers"]:
        assert list(mapper)[:len(OUTCOME_KEYS)] == OUTCOME_KEYS, result
        assert set(mapper) - set(OUTCOME_KEYS) <= allowed_more(mapper), result
        assert mapper["outcome"] in OUTCOMES, result
        for key in OUTCOME_KEYS[1:8]:
            assert type(mapper[key]) is int and mapper[key] >= 0, (key, str(result))
        assert isinstance(mapper["seconds"], (int, float)) and mapper["seconds"] >= 0, result
