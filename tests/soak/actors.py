"""Who does something during the soak: each on a thread of its own, drawn from the seed.

An actor is a method of Actors; it does one thing and returns for how many seconds it rests.
"""

import json
import random
import time
from urllib.parse import quote

import psycopg2
import requests

from support.process import wait_until

from mappers import AT_TIMES_GONE, NAMES
from shop import commit, execute

PUSHED = {  # what is pushed: rows as JSON, as they are committed
    "product": "SELECT id, code, kind, name, price, version FROM product WHERE",
    "stock": "SELECT id, qty, place, changed FROM stock WHERE",
    "sale": "SELECT id, ref, state, partner, version, coalesce((SELECT json_agg(l) FROM (SELECT id,"
            " sku, qty, version FROM line WHERE sale = sale.id) l), '[]') AS lines FROM sale WHERE",
    "partner": "SELECT * FROM partner WHERE active AND",
}
OUTCOMES = {"ok", "rejects", "unavailable", "locked", "refused", "interrupted", "failed"}
BAD_CONFIGURATIONS = [
    ("shedule", lambda m: m.write("price", shedule="5s")),
    ("after", lambda m: m.write("product", after="partner")),
    ("no source", lambda m: m.write("stock", source="nowhere")),
    ("no YAML", lambda m: m.project.mapper("sale", "mapper: [sale")),
    ("listen", lambda m: m.project.configure(http={"listen": "127.0.0.1:1"})),
]


class Actors:
    def __init__(self, soak):
        self.soak, self.parts, self.shop = soak, soak.parts, soak.shop
        self.outages, self.counts = soak.parts.outages, soak.parts.counts
        self.mappers, self.host = soak.mappers, soak.parts.host
        self.open, self.chances = {}, {}

    def chance(self, name):
        """The draws of one actor: what another one does changes none of them."""
        return self.chances.setdefault(name, random.Random(f"{self.soak.seed} {name}"))

    # ---- PostgreSQL

    def transact(self, name, action):
        """action(connection) on the actor's own connection. None while PostgreSQL is away."""
        connection, since = self.open.pop(name, (None, time.time()))
        try:
            if not connection or connection.closed:
                connection, since = self.soak.database.connect(application_name=name), time.time()
            result = action(connection)
            self.open[name] = connection, since
            return result
        except psycopg2.Error:
            if not self.outages.excuse(["postgres"], since):
                raise
            time.sleep(0.2)
            return None

    def change(self):
        """The ERP: small transactions, one after the other."""
        chance = self.chance("change")

        def some(connection):
            done = all(execute(connection, self.shop.change())
                       for _ in range(chance.choice([1, 1, 1, 3])))
            return done and commit(connection)

        self.counts["changes"] += bool(self.transact("change", some))
        self.change_device(chance)
        return chance.uniform(0, 0.12)

    def change_late(self):
        """Transactions that stay open: what they stamped commits late, prepared, or never."""
        chance = self.chance("late")

        def late(connection):
            done = execute(connection, self.shop.change())
            self.soak.stop.wait(chance.uniform(0.1, 6))
            how = chance.choice(["commit", "commit", "rollback", "prepare"])
            if not done or how == "rollback":
                connection.rollback()
            elif how == "commit":
                commit(connection)
            else:
                self.prepare(connection, f"late {time.time()}", chance.uniform(0.1, 4))
            return True

        self.counts["late transactions"] += bool(self.transact("late", late))
        return chance.uniform(0, 1)

    def prepare(self, connection, name, seconds):
        if execute(connection, f"PREPARE TRANSACTION '{name}'"):
            self.soak.stop.wait(seconds)
            self.end_prepared(connection)

    @staticmethod
    def end_prepared(connection):
        """Those that a restart left, too."""
        connection.rollback()
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT gid FROM pg_prepared_xacts")
            for (name,) in cursor.fetchall():
                cursor.execute("COMMIT PREPARED %s", [name])
        connection.autocommit = False

    def change_device(self, chance):
        """The REST source."""
        if chance.random() > 0.2:
            return
        with self.soak.rest.mutex:
            rows, turn = self.soak.devices.rows, self.shop.turn
            row, what = chance.choice(rows), chance.random()
            if what < 0.15:
                rows.append({"id": max(row["id"] for row in rows) + 1, "name": f"New {turn}"})
            elif what < 0.3 and len(rows) > 50:
                rows.remove(row)
            elif what < 0.36:
                row["name"] = None
            else:
                bad = [row for row in rows if row["name"] is None]
                (bad or [row])[0]["name"] = f"Device {turn}"

    # ---- HTTP

    def ask(self, method, path, codes, excuses=(), **options):
        """A request; its answer, or None where the service is away, or answers with another status
        than `codes` because one of `excuses` (a part, and the statuses that it explains) is."""
        began = time.time()
        session = self.soak.session()
        try:
            reply = session.request(method, self.host.url + path, timeout=120, **options)
        except requests.RequestException as problem:
            if not self.outages.excuse(["service"], began):
                raise AssertionError(f"{method} {path}: {problem}") from problem
            time.sleep(0.2)
            return None
        if reply.status_code in codes:
            return reply
        away = [(("service",), {503}), *excuses]
        # 409 comes when a run that had to wait was not over after a minute.
        since = began - 70 if reply.status_code == 409 else began
        assert any(reply.status_code in statuses and self.outages.excuse(parts, since)
                   for parts, statuses in away), \
            f"{method} {path}: {reply.status_code} {reply.text[:500]}"
        return None

    SERVERS = (("postgres", "couchdb"), {503})

    def look(self):
        """Whoever has the page open."""
        chance = self.chance("look")
        path = chance.choice(["/", "/page.css", "/healthz", "/api/v1/status", "/api/v1/mappers",
                              "/api/v1/runs?limit=50", "/api/v1/rejects?limit=20", "/readyz",
                              "/api/v1/mappers/" + chance.choice(NAMES)])
        codes = {200, 503} if path == "/readyz" else {200}
        if AT_TIMES_GONE in path:
            codes |= {404}
        reply = self.ask("GET", path, codes, [self.SERVERS])
        self.counts["pages"] += reply is not None
        return chance.uniform(0.1, 0.6)

    def follow(self):
        """A stream of events, to its end."""
        began = time.time()
        reply = self.ask("GET", "/api/v1/runs?limit=5", {200}, [self.SERVERS])
        runs = reply.json()["runs"] if reply is not None else []
        if not runs:
            return 0.5
        runs.sort(key=lambda run: run["phase"] == "ended")
        reply = self.ask("GET", f"/api/v1/runs/{quote(runs[0]['id'])}/events", {200, 404},
                         [self.SERVERS], stream=True)
        if reply is None or reply.status_code == 404:
            return 0.5
        kind = data = None
        try:
            for line in reply.iter_lines(decode_unicode=True):
                name, _, value = line.partition(": ")
                kind = value if name == "event" else kind
                data = json.loads(value) if name == "data" else data
        except requests.RequestException:
            pass  # it was cut
        if kind == "end" and data["outcome"] in OUTCOMES and data["id"] == runs[0]["id"]:
            self.counts["streams"] += 1
        else:
            assert self.outages.excuse(["service"], began), f"a stream ended with {kind} {data}"
        return 0.2

    def committed(self, mapper, chance):
        """Rows of a mapper as JSON, with their ids: most often after a change."""
        def fetch(connection):
            if chance.random() < 0.7 and execute(connection, self.shop.change()):
                commit(connection)
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT row_to_json(r), r.id FROM ({PUSHED[mapper]}"
                               f" {self.shop.some(mapper, 0, chance.choice([1, 1, 5, 50]))}) r")
                rows = cursor.fetchall()
            connection.rollback()
            return rows

        return self.transact("push", fetch)

    def push(self):
        """Records that are committed, of one mapper, as JSON or as lines of it."""
        chance = self.chance("push")
        mapper = chance.choice(list(PUSHED))
        rows = self.committed(mapper, chance)
        if not rows:
            return 0.5
        for _, key in rows:
            self.soak.pushed[mapper, key] = self.soak.pushed.get((mapper, key), 0) + 1
        lines = [json.dumps(row) for row, _ in rows]
        kind, body = chance.choice([("application/json", "[" + ",".join(lines) + "]"),
                                    ("application/x-ndjson", "\n".join(lines))])
        reply = self.ask("POST", f"/api/v1/mappers/{mapper}/records", {200},
                         [self.SERVERS, ((mapper, "postgres", "couchdb"), {409})],
                         data=body, headers={"Content-Type": kind})
        if reply is not None:
            answer = reply.json()
            assert answer["received"] == len(rows), answer
            self.counts["pushes"] += 1
            self.counts["pushed records"] += len(rows)
            self.counts["pushed rejects"] += answer["rejected"]
        return chance.uniform(0.2, 1.5)

    # ---- an operator

    def pause(self):
        chance = self.chance("pause")
        mapper = chance.choice([name for name in NAMES if name != AT_TIMES_GONE])
        with self.outages.of(mapper):
            if self.ask("POST", f"/api/v1/mappers/{mapper}/pause", {200}) is not None:
                self.counts["pauses"] += 1
                self.soak.stop.wait(chance.uniform(1, self.soak.gap_seconds / 8))
            self.resume(mapper)
        return chance.uniform(0.5, 1.5) * self.soak.gap_seconds / 4

    def resume(self, mapper):
        """Also where the service is away, or was when it was asked to pause."""
        wait_until(f"{mapper} is resumed", 120, lambda: self.ask(
            "POST", f"/api/v1/mappers/{mapper}/resume", {200}) is not None, 0.2)

    def retry(self):
        """A reject, tried again, or forgotten: the next full read finds it again."""
        chance = self.chance("retry")
        reply = self.ask("GET", "/api/v1/rejects?limit=50", {200}, [self.SERVERS])
        rejects = reply.json()["rejects"] if reply is not None else []
        if rejects:
            one, verb = chance.choice(rejects), "retry" if chance.random() < 0.9 else "drop"
            reply = self.ask("POST", f"/api/v1/rejects/{quote(one['id'], safe='')}/{verb}",
                             {200, 404}, [self.SERVERS, ((one["mapper"], "postgres", "couchdb"),
                                                         {409})])
            self.counts["retries"] += reply is not None and reply.status_code == 200
        return chance.uniform(0.5, 4)

    def start_run(self):
        """Somebody presses the button."""
        chance = self.chance("start")
        mapper = chance.choice([name for name in NAMES if name != AT_TIMES_GONE])
        reply = self.ask("POST", f"/api/v1/mappers/{mapper}/run", {202, 409}, json={
            "full": chance.random() < 0.3})
        self.counts["runs by hand"] += reply is not None and reply.status_code == 202
        return chance.uniform(1, 10)

    # ---- configurations

    def reload(self):
        """Another good configuration, or a bad one, which must change nothing."""
        chance = self.chance("reload")
        by_signal, draw = chance.random() < 0.5, chance.random()
        with self.parts.hands:
            if draw < 0.4:
                self.reload_bad(chance, by_signal)
            elif draw < 0.6:
                self.mappers.next_round(chance.choice(NAMES))
            elif draw < 0.9:
                self.mappers.project.configure(serve={"max_runs": chance.choice([2, 3, 4, 7])})
            if draw >= 0.4:
                self.read_again(by_signal)
        if draw >= 0.9:
            self.take_out(chance)
        return chance.uniform(0.5, 1.5) * self.soak.gap_seconds / 6

    def take_out(self, chance):
        """A mapper that is gone for a while."""
        with self.outages.of(AT_TIMES_GONE):
            with self.parts.hands:
                self.mappers.remove(AT_TIMES_GONE)
                self.read_again(False)
            self.soak.stop.wait(chance.uniform(3, 15))
            with self.parts.hands:
                self.mappers.write(AT_TIMES_GONE)
                self.read_again(True)

    def read_again(self, by_signal, bad=False):
        """Nobody stops the service meanwhile: its answer is certain."""
        service = self.host.service
        if by_signal and bad:
            service.reload("the reload was refused, all goes on as before")
        elif by_signal:
            service.reload()
        else:
            reply = self.soak.session().post(self.host.url + "/api/v1/reload", timeout=60)
            assert reply.status_code == (422 if bad else 200), f"{reply.status_code} {reply.text}"
            assert not bad or reply.json()["error"]["code"] == "config", reply.text
        self.counts["bad reloads" if bad else "reloads"] += 1

    def reload_bad(self, chance, by_signal):
        _, spoil = chance.choice(BAD_CONFIGURATIONS)
        spoil(self.mappers)
        try:
            self.read_again(by_signal, bad=True)
        finally:
            self.mappers.project.configure(http={"listen": self.host.url[7:]})
            for name in NAMES:
                self.mappers.write(name)
        self.read_again(False)  # degraded until somebody reads a good one

    # ---- what fails

    def breaker(self, part):
        """An actor that takes a part away."""
        chance, kinds = self.chance(part), self.parts.BREAKS[part]

        def act():
            turn = self.parts.restarts(part)
            number = kinds[turn % len(kinds)]
            # The first rest comes before the first break.
            if act.rested:
                self.parts.restart(part, number, chance.uniform(0, self.soak.outage_seconds))
            act.rested = True
            rest = chance.uniform(0.5, 1.5) * self.soak.gap_seconds
            return self.soak.spare(rest) if part == "service" else rest

        act.rested = False
        return act

    # ---- the watch

    def watch(self):
        """Once a second, until the very end."""
        figures, life = self.soak.figures, self.host.lives[-1]
        figures.take_process(life)
        began = time.monotonic()
        reply = self.ask("GET", "/metrics", {200})
        if reply is not None:
            for problem in figures.take_metrics(reply.text, time.monotonic() - began,
                                                self.outages):
                self.soak.problem(problem)
        assert not self.host.ended() or self.outages.excuse(["service"], time.time()), \
            f"the service ended by itself: {self.host.service.result_text()}"
        return 1

    CHANGING = ["change", "change_late", "push", "pause", "retry", "start_run", "reload"]
    LOOKING = ["look", "follow", "watch"]
