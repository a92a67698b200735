"""One soak: what takes part, what happens, and what must be true in the end."""

import collections
import contextlib
import threading
import time
import traceback
from datetime import datetime, timezone
from pathlib import Path

import requests

from support import couchdb
from support.process import ServerError, free_port, wait_until
from support.project import Project
from support.rest_server import RestServer
from support.service import TOKEN

import actors
import watch
from mappers import DATABASES, NAMES, Expected, Mappers, Pace, differences
from parts import Host, Parts
from shop import SCHEMA, Shop

DEVICES = 150
PROBLEMS = 20  # so many are told
SHOWN = 5  # of what differs
GOOD = ("ok", "rejects")
MORE_SECONDS = 60
TRIED = ["changes", "late transactions", "pushes", "pages", "streams", "reloads", "bad reloads",
         "pauses", "retries"]


class Soak:
    def __init__(self, minutes, seed, binary, folder, say, lie=False):
        self.minutes, self.seed, self.say, self.lie = minutes, seed, say, lie
        self.gap_seconds = min(180, max(5, minutes * 4))  # between two restarts of one part
        self.outage_seconds = min(8, self.gap_seconds / 6)
        self.stop, self.end = threading.Event(), threading.Event()
        self.problems, self.pushed, self.local = [], {}, threading.local()
        self.figures, self.shop = watch.Figures(), Shop(seed)
        self.began, self.folder = time.monotonic(), Path(folder)
        self.parts = Parts()
        try:
            self.prepare(binary)
        except BaseException:
            self.parts.remove()
            raise

    def prepare(self, binary):
        parts = self.parts
        self.database = parts.cluster.create("soak")
        # What a transaction has committed must survive when PostgreSQL is stopped at once.
        self.database.sql("ALTER DATABASE soak SET synchronous_commit = on")
        self.database.sql(SCHEMA)
        self.rest = RestServer()
        self.devices = self.rest.add(
            "/devices", [{"id": n, "name": f"Device {n}"} for n in range(1, DEVICES + 1)],
            paging="keyset", records="data.items")
        self.project = Project(self.folder / "project", binary, parts.couch, self.database)
        self.project.configure(schemas="schemas", sources={
            "web": {"type": "rest", "url": self.rest.url, "retry_for": "5s"}})
        self.mappers = Mappers(self.project, Pace(self.minutes))
        parts.host = Host(self.project, free_port(), self.folder / "service.log")
        # Statistics of who looks come from a server object of their own: parts.couch is restarted.
        self.couch = couchdb.Couch(parts.couch.base)

    def session(self):
        """The HTTP session of a thread."""
        if not hasattr(self.local, "session"):
            self.local.session = requests.Session()
            self.local.session.trust_env = False
            self.local.session.headers["Authorization"] = "Bearer " + TOKEN
        return self.local.session

    def remove(self):
        self.stop.set()
        self.end.set()
        if self.parts.host.service and not self.parts.host.ended():
            self.parts.host.service.kill()
        with self.rest:
            self.parts.remove()

    def problem(self, text):
        self.problems.append(text)
        if len(self.problems) <= PROBLEMS and text not in self.problems[:-1]:
            self.say(f"PROBLEM {text}")

    # ---- threads

    def thread(self, name, act, stop):
        def work():
            while not stop.is_set():
                try:
                    rest = act()
                except Exception:  # whatever it is, it is a finding, and the others go on
                    self.problem(f"{name}: {traceback.format_exc()}")
                    rest = 5
                stop.wait(rest)

        made = threading.Thread(target=work, name=name, daemon=True)
        made.start()
        return made

    def spare(self, rest):
        """The service lives undisturbed for the middle third: what grows needs time to be seen.
        Returns how long to rest, so that no restart falls into it."""
        third, at = self.minutes * 20, time.monotonic() - self.began
        short = third < watch.LIFE_SECONDS
        return rest if short or at + rest < third or at > 2 * third else max(rest, 2 * third - at)

    def live(self):
        """Everything happens at once, for so many minutes."""
        acts = actors.Actors(self)
        self.parts.host.start()
        looking = [self.thread(name, getattr(acts, name), self.end) for name in acts.LOOKING]
        changing = [self.thread(name, getattr(acts, name), self.stop) for name in acts.CHANGING]
        changing += [self.thread("break " + part, acts.breaker(part), self.stop)
                     for part in self.parts.BREAKS]
        self.began = time.monotonic()
        for minute in range(1, max(1, round(self.minutes)) + 1):
            self.stop.wait(min(60, self.minutes * 60))
            self.say(self.line(minute))
        with contextlib.suppress(ServerError):  # a slow machine gets more time; judge() tells
            wait_until("everything was tried", MORE_SECONDS, lambda: not self.untried(), 0.5)
        self.stop.set()
        for thread in changing:
            thread.join(180)
            assert not thread.is_alive(), f"{thread.name} does not end"
        self.parts.cluster.forget(self.database.name)  # it may be one to a server that was stopped
        with contextlib.closing(self.database.connect()) as connection:
            acts.end_prepared(connection)
        return looking

    def line(self, minute):
        figures, counts = self.figures, self.parts.counts
        lags = " ".join(f"{name} {figures.lag.get(name, -1):.0f}"
                        f"({figures.most_lag.get(name, 0):.0f})" for name in NAMES)
        restarts = " ".join(f"{part} {self.parts.restarts(part)}" for part in self.parts.BREAKS)
        return (f"{minute:3} min: read {figures.records:.0f} revisions {self.revisions()}"
                f" changes {counts['changes']} runs {figures.runs:.0f} | lag(max) {lags} |"
                f" RssAnon {figures.memory / 1024:.1f} MiB threads {figures.threads} descriptors"
                f" {figures.descriptors} | restarts {restarts} reloads {counts['reloads']}+"
                f"{counts['bad reloads']} pushes {counts['pushes']} retries {counts['retries']}")

    def revisions(self):
        """Writes of all targets; '?' while CouchDB is away."""
        try:
            return sum(self.couch.db(self.project.prefix + name).update_number()
                       for name in DATABASES)
        except (requests.RequestException, AssertionError, ValueError, KeyError):
            return "?"

    # ---- the end

    def runs_since(self, mapper, since):
        """Good runs that began later."""
        reply = self.session().get(f"{self.parts.host.url}/api/v1/runs",
                                   params={"mapper": mapper, "limit": 500}, timeout=60)
        runs = reply.json()["runs"] if reply.status_code == 200 else []
        return [run for run in runs if run["kind"] == "run" and run["started"] > since
                and run["outcome"] in GOOD]

    def wait_runs(self, what):
        """Each mapper has run well twice from now on, once in full."""
        since = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        missing, records = set(NAMES), self.expected().records

        def done():
            for name in list(missing):
                runs = self.runs_since(name, since)
                if len(runs) >= 2 and any(run["read"] >= records[name] for run in runs):
                    missing.discard(name)
            return not missing

        seconds = 60 + watch.LAG_SECONDS + watch.LAG_SECONDS * 2
        try:
            wait_until(f"{what}: each mapper ran twice, once in full", seconds, done, 0.5)
        except Exception as late:
            raise AssertionError(f"{late}: {sorted(missing)}") from late

    def expected(self):
        found = Expected(self.database.sql, self.devices.rows, self.mappers.rounds)
        if self.lie:  # an expectation that is wrong must be noticed
            next(iter(found.documents.values()))["round"] += 1
        return found

    def documents(self):
        return {(name, doc_id): doc for name in DATABASES
                for doc_id, doc in self.project.db(name).docs().items()}

    def compare(self, when):
        expected = self.expected()
        found = self.documents()
        wrong = list(differences(found, expected))
        for text in wrong[:SHOWN]:
            self.problem(f"{when}: {text}")
        if len(wrong) > SHOWN:
            self.problem(f"{when}: and {len(wrong) - SHOWN} more differ")
        for name in NAMES:
            keys = {str(reject["key"]) for reject in self.project.rejects(name)}
            bad = {str(key) for key in expected.rejects[name]}  # keys of REST are text
            if keys != bad:
                self.problem(f"{when}: rejects of {name}: missing {sorted(bad - keys)}, too many"
                             f" {sorted(keys - bad)}")
        conflicts = [doc for name in DATABASES for doc in self.project.db(name).conflicts()]
        if conflicts:
            self.problem(f"{when}: documents with conflicts: {conflicts[:SHOWN]}")
        self.say(f"{when}: {len(expected.documents)} documents,"
                 f" {sum(map(len, expected.rejects.values()))} rejects, {len(wrong)} differ")

    def settle(self):
        """With bad records, without them, and then nothing more may be written."""
        self.wait_runs("the ERP stands still")
        self.compare("with bad records")
        self.database.sql(Shop.MENDED)
        with self.rest.mutex:
            for row in self.devices.rows:
                row["name"] = row["name"] or "Good"
        self.wait_runs("the bad records are mended")
        self.compare("without bad records")
        before = self.project.snapshot(*DATABASES)
        self.wait_runs("nothing changes")
        after = self.project.snapshot(*DATABASES)
        if after != before:
            self.problem(f"needless writes: {before} -> {after}")

    def check_revisions(self):
        """No product has more revisions than bodies that it can have had: of its own, of a mapper
        that was changed, and of pushes that were overtaken, and put right."""
        events = collections.Counter(dict(
            self.database.sql("SELECT doc, count(*) FROM event GROUP BY doc")))
        pushes = 2 * sum(n for (mapper, _), n in self.pushed.items() if mapper == "product")
        total = 0
        for name in "ab":
            for doc_id, (rev, _) in self.project.db(name).all_revs().items():
                total += int(rev.split("-")[0])
        most = sum(events.values()) + pushes + self.mappers.rounds["product"] * len(events)
        self.say(f"revisions of products: {total}, at most {most}")
        if total > most:
            self.problem(f"{total} revisions of products, {most} are explained")

    def untried(self):
        """What a soak must have had."""
        broken = [f"{part} {number.name}" for part, numbers in self.parts.BREAKS.items()
                  for number in numbers if not self.parts.broken[part, number.name]]
        return broken + [what for what in TRIED if not self.parts.counts[what]]

    def judge(self):
        """Of memory and threads; and whether the soak was one at all."""
        for life in self.parts.host.lives:
            found = watch.judge(life)
            if found:
                self.say(found[0])
                for text in found[1]:
                    self.problem(text)
        if self.untried():
            self.problem(f"not tried: {', '.join(self.untried())}")

    def tell(self):
        figures, answers = self.figures, sorted(self.figures.answers)
        self.say("restarts: " + ", ".join(
            f"{part} {name} {count}" for (part, name), count in sorted(self.parts.broken.items())))
        self.say("counted: " + ", ".join(
            f"{name} {count}" for name, count in sorted(self.parts.counts.items())))
        self.say("most lag: " + ", ".join(f"{name} {figures.most_lag.get(name, 0):.0f} s (without"
                                          f" outages {figures.calm_lag.get(name, 0):.0f})"
                                          for name in NAMES))
        if answers:
            self.say(f"/metrics: median {answers[len(answers) // 2] * 1000:.1f} ms, 99th percentile"
                     f" {answers[len(answers) * 99 // 100] * 1000:.1f} ms of {len(answers)}")

    def play(self):
        """Returns whether all was right."""
        looking = self.live()
        try:
            self.settle()
            self.check_revisions()
        except Exception:
            self.problem(traceback.format_exc())
        self.end.set()
        for thread in looking:
            thread.join(60)
        self.say(self.line(round((time.monotonic() - self.began) / 60)))
        try:
            self.parts.host.end(15)
        except Exception:
            self.problem(traceback.format_exc())
        self.judge()
        self.tell()
        self.say(f"{len(self.problems)} problems" if self.problems else "all is right")
        return not self.problems
