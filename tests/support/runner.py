"""Builds, runs every kind of test, and adds up: what tests/run does once all is installed."""

import argparse
import contextlib
import fcntl
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import namedtuple
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
sys.dont_write_bytecode = True

# The sanitizers' tables hold 400,000 addresses: a program that may be loaded anywhere spends a
# quarter of its start on them, in each of thousands of starts. Optimised, it would be built in
# twice the time, and tests take hardly less: servers do the work.
BUILDS = {
    "sanitize": ["--buildtype=debug", "-Db_sanitize=address,undefined", "-Db_lundef=false",
                 "-Dc_args=-fno-pie", "-Dc_link_args=-no-pie", "-Dcrash_points=true"],
    "release": ["--buildtype=release"],
}
STEP_SECONDS = 1200  # of one step; CI as a whole has 20 minutes
AT_A_TIME = min(8, 2 * (os.cpu_count() or 1))  # tests: much of each is waiting

# Servers of tests make and remove thousands of files, which a disk takes much longer for. A step
# needs up to 2 GB.
MEMORY_FOLDER = Path("/dev/shm")
SCRATCH = "e2c-tests-"
FREE_BYTES = 6 << 30  # of it, and of memory: below that, files of tests are where $TMPDIR says

Outcome = namedtuple("Outcome", "suite name result detail")
TAP = re.compile(r"^(not )?ok\b\s*\d*\s*-?\s*(.*?)\s*(?:# SKIP\s*(.*))?$", re.I)

GROUP = re.compile(r"@\w+$")  # what xdist adds to the name of a test that has a group


class Tally:
    """All outcomes so far."""

    def __init__(self):
        self.outcomes = []

    def add(self, suite, name, result, detail=""):
        self.outcomes.append(Outcome(suite, name, result, (detail or "").strip()))

    def add_tap(self, suite, text):
        """The lines `ok` and `not ok` of a TAP stream. Returns how many, and how many bad."""
        found = bad = 0
        failed = False
        for line in text.splitlines():
            match = TAP.match(line)
            if match:
                found += 1
                failed, name, skipped = match.groups()
                # cmocka writes a skipped test as "not ok N # SKIP name"
                failed = bool(failed) and skipped is None
                bad += failed
                self.add(suite, name or skipped or "", "failed" if failed else
                         "passed" if skipped is None else "skipped",
                         skipped if name else "what it needs is not there")
            elif failed and line.startswith("#"):  # what was wrong, after its line
                last = self.outcomes[-1]
                self.outcomes[-1] = last._replace(
                    detail=(last.detail + "\n" + line[1:].strip()).strip())
        return found, bad

    def of(self, result):
        return [one for one in self.outcomes if one.result == result]


def say(text):
    print(text, flush=True)


def command(words, seconds=STEP_SECONDS, show=False, env=None):
    """Runs `words` in the project's folder. Returns (exit code, output)."""
    try:
        done = subprocess.run(
            [str(word) for word in words], cwd=ROOT, stdin=subprocess.DEVNULL, timeout=seconds,
            stdout=None if show else subprocess.PIPE, stderr=None if show else subprocess.STDOUT,
            env={**os.environ, **(env or {})})
    except subprocess.TimeoutExpired as late:
        return 124, (late.stdout or b"").decode(errors="replace") + f"\nnot done in {seconds} s"
    return done.returncode, (done.stdout or b"").decode(errors="replace")


def build(tally, name):
    """Configures and compiles. Returns the folder, or None after noting the failure."""
    folder = ROOT / "build-test" / name
    options = [*BUILDS[name], "-Dwerror=true"]
    if not (folder / "build.ninja").exists():
        shutil.rmtree(folder, ignore_errors=True)
        code, output = command(["meson", "setup", folder, *options])
        if code:
            tally.add(f"build {name}", "meson setup", "failed", output)
            return None
    code, output = command(["meson", "compile", "-C", folder])
    tally.add(f"build {name}", "compiles without a warning", "failed" if code else "passed",
              output if code else "")
    return None if code else folder


def memory_free_bytes():
    match = re.search(r"(?m)^MemAvailable:\s*(\d+) kB", Path("/proc/meminfo").read_text())
    return int(match[1]) << 10 if match else 0


def memory_usable():
    """Whether there is a memory file system with much room, where programs may be started."""
    try:
        found = os.statvfs(MEMORY_FOLDER)
        return (not found.f_flag & os.ST_NOEXEC and os.access(MEMORY_FOLDER, os.W_OK)
                and min(found.f_bavail * found.f_frsize, memory_free_bytes()) >= FREE_BYTES)
    except OSError:
        return False


def locked(folder):
    """A descriptor that holds the folder's lock; OSError where another run holds it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def scratch():
    """A folder in memory for the files of a step, as $TMPDIR, unless the caller has one set."""
    if "TMPDIR" in os.environ or not memory_usable():
        yield
        return
    for left in MEMORY_FOLDER.glob(SCRATCH + "*"):  # by a run that was killed
        with contextlib.suppress(OSError):
            os.close(locked(left))
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=MEMORY_FOLDER))
    lock = locked(folder)
    folder.chmod(0o755)  # PostgreSQL runs as another user
    os.environ["TMPDIR"], tempfile.tempdir = str(folder), None
    try:
        yield
    finally:
        del os.environ["TMPDIR"]
        tempfile.tempdir = None
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextlib.contextmanager
def unit_environment():
    """Variables for unit tests; Apache CouchDB is started once for all that want it."""
    from support import couchdb
    env = {"CMOCKA_MESSAGE_OUTPUT": "TAP",
           "ASAN_OPTIONS": "detect_leaks=1",
           "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}
    server = couchdb.start() if couchdb.choice() in ("installed", "docker") else None
    if server:
        env["COUCHDB_URL"] = server.url
    try:
        yield env
    finally:
        if server:
            server.remove()


def unit(tally, name, folder, only):
    """The programs of `meson test`: each case of a cmocka program counts as one test."""
    suite = f"unit {name}"
    code, listing = command(["meson", "test", "-C", folder, "--list", "--no-rebuild"])
    if code:
        tally.add(suite, "meson test --list", "failed", listing)
        return
    log = folder / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    with unit_environment() as env:
        command(["meson", "test", "-C", folder, "--no-rebuild", "--num-processes", AT_A_TIME],
                env=env)
    if not log.exists():
        if listing.strip() and "No tests" not in listing:
            tally.add(suite, "meson test", "failed", "it left no testlog.json")
        return
    for line in log.read_text().splitlines():
        program(tally, suite, json.loads(line), only)


def program(tally, suite, entry, only):
    """One test program: its cases where it printed some, else the program itself."""
    cases = Tally()
    label = entry["name"].split(" / ")[-1]
    found, bad = cases.add_tap(suite, entry.get("stdout", ""))
    for case in cases.outcomes:
        tally_unless_left_out(tally, case._replace(name=f"{label}: {case.name}"), only)
    result = entry["result"]
    if result in ("OK", "EXPECTEDFAIL") and found:
        return
    if result == "SKIP":
        outcome = ("skipped", entry.get("stdout", "").strip() or "the program said so")
    elif result in ("OK", "EXPECTEDFAIL"):
        outcome = ("passed", "")
    elif bad:
        return
    else:  # a crash, a time-out, a leak: after its last case, or without any
        outcome = ("failed", f"{result}\n{entry.get('stdout', '')[-2000:]}\n"
                             f"{entry.get('stderr', '')[-6000:]}")
    tally_unless_left_out(tally, Outcome(suite, label, *outcome), only)


def tally_unless_left_out(tally, outcome, only):
    if not only or only.lower() in outcome.name.lower() or outcome.result == "failed":
        tally.outcomes.append(outcome)


def prepare_couchdb(tally):
    """Installs pouchdb-server where there is no CouchDB. Returns whether there is one now."""
    from support import couchdb
    kind = couchdb.choice()
    say(f"   CouchDB: {kind}")
    if kind != "pouchdb" or couchdb.pouchdb_program().exists():
        return True
    code, output = command([ROOT / "deploy/install-deps", "--pouchdb"])
    if code == 0:
        code, output = couchdb.install_pouchdb(lambda words, env: command(words, 600, env=env))
    if code:
        tally.add("set-up", "pouchdb-server from npm", "failed", output)
    return code == 0


def marks(name, names, quick):
    """Which tests run with the build `name`, one of `names`, as pytest's -m says it; None: all."""
    if quick or name == "sanitize":
        return "not slow"
    return "slow or not once" if len(names) > 1 else None


def integration(tally, name, folder, only, chosen):
    """pytest against the program in `folder`."""
    suite = f"integration {name}"
    report = folder / "meson-logs" / "integration.xml"
    report.unlink(missing_ok=True)
    words = [sys.executable, "-m", "pytest", "-q", "--tb=short", "--durations=10",
             f"--junitxml={report}", "-o", "junit_family=xunit1"]
    if importlib.util.find_spec("xdist"):
        words += ["-n", str(AT_A_TIME), "--dist", "loadgroup"]
    if only:
        words += ["-k", only]
    if chosen:
        words += ["-m", chosen]
    words.append("tests/integration")
    code, _ = command(words, show=True, env={
        "ERP2COUCH": str(folder / "cmd" / "erp2couch"), "PYTHONDONTWRITEBYTECODE": "1"})
    if code not in (0, 1, 5) or not report.exists():
        tally.add(suite, "pytest", "failed", f"ended with {code}")
    if report.exists():
        add_junit(tally, suite, report)


def add_junit(tally, suite, report):
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        name = "{}::{}".format(case.get("classname", "").split(".")[-1],
                               GROUP.sub("", case.get("name", "")))
        result, detail = "passed", ""
        for child in case:
            if child.tag in ("failure", "error"):
                result, detail = "failed", child.text or child.get("message", "")
            elif child.tag == "skipped" and result == "passed":
                result, detail = "skipped", child.get("message", "")
        tally.add(suite, name, result, detail)


def style(tally, only):
    """The programs tests/tools/check-*: each prints TAP."""
    for path in sorted((ROOT / "tests/tools").glob("check-*")):
        code, output = command([path])
        part = Tally()
        found, bad = part.add_tap("style", output)
        for outcome in part.outcomes:
            tally_unless_left_out(tally, outcome, only)
        if code and not bad or not found:
            tally.add("style", path.name, "failed", f"exit code {code}\n{output}")


def step(title, action, *arguments):
    say(f"== {title}")
    started = time.monotonic()
    with scratch():
        result = action(*arguments)
    say(f"   {time.monotonic() - started:.0f} s")
    return result


def report(tally):
    """The end of the output. Returns the exit code."""
    reasons = {}
    for one in tally.of("skipped"):
        reasons.setdefault((one.suite, one.detail or "no reason given"), []).append(one.name)
    for (suite, reason), names in reasons.items():
        say(f"skipped ({suite}): {reason}: {', '.join(names)}")
    for one in tally.of("failed"):
        say(f"\nFAILED ({one.suite}): {one.name}")
        say("\n".join("    " + line for line in one.detail.splitlines()[-60:]))
    passed, failed, skipped = (len(tally.of(r)) for r in ("passed", "failed", "skipped"))
    say(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


def parse(arguments):
    parser = argparse.ArgumentParser(prog="tests/run", add_help=False)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", metavar="PATTERN")
    parser.add_argument("--sanitize", action="store_true")
    parser.add_argument("--release", action="store_true")
    parser.add_argument("--no-install", action="store_true")
    return parser.parse_args(arguments)


def main(arguments):
    options = parse(arguments)
    names = [name for name in BUILDS if getattr(options, name)] or list(BUILDS)
    if options.quick and len(names) > 1:
        names = ["sanitize"]
    tally = Tally()
    folders = {name: step(f"build {name}", build, tally, name) for name in names}
    step("style checks", style, tally, options.only)
    for name, folder in folders.items():
        if folder:
            step(f"unit tests, {name}", unit, tally, name, folder, options.only)
    if any(folders.values()) and step("set-up", prepare_couchdb, tally):
        for name, folder in folders.items():
            if folder:
                step(f"integration tests, {name}", integration, tally, name, folder, options.only,
                     marks(name, names, options.quick))
    return report(tally)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
