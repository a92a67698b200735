"""The rows of the benchmark: each measures figures that the project promises.

A row is a function of a Setting that returns a list of Result. What it needs and cannot get makes
it Skipped, with the reason.
"""

import json
import os
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import rest
import serve
from measure import Failed, measure, median, side_by_side, spread
from setting import ITEM_SCHEMA, JSONB_AGG, Folder, couchimport_command, item_query

# (documents in a batch, requests in flight): what a good client would try
REPLAYS = ((250, 8), (500, 8), (1000, 4))
CHECKED_MAPPERS = 100
SMALL_ROWS = 10_000  # the smallest size at which memory is looked at
OVERWRITTEN_ROWS = 10_000  # couchimport --overwrite takes minutes for more
SWEEP_EVERY_S = 1
STATE_ENTRIES, STATE_BATCH = 300_000, 1000
REST_PAGES, REST_PAGE_SIZE = 10_000, 5
SERVED_MAPPERS, SERVED_ROWS = 100, 100
IDLE_SECONDS = 60
METRICS_EVERY_S = 0.05
IDLE_CLIENTS = 1000


class Skipped(Exception):
    """A row that cannot be measured here."""


@dataclass
class Result:
    row: str
    what: str
    value: float  # the ratio or figure that the goal is about
    goal: float
    unit: str = ""  # none: a ratio
    at_least: bool = False  # else the goal is a maximum
    ours: str = ""
    against: str = ""
    detail: dict = field(default_factory=dict)

    @property
    def met(self):
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def as_json(self):
        return {**asdict(self), "met": self.met}


def seconds(values):
    return f"{median(values):.2f} s"


def walls(measured):
    return [one.wall for one in measured]


def cpu_us(measured, rows):
    return median([one.cpu for one in measured]) * 1e6 / rows


def need_couch(setting):
    if not setting.couch:
        raise Skipped(f"no Apache CouchDB: {setting.couch_missing}")


def compared(row, what, ours, theirs, goal, **detail):
    """The Result of two lists of Measured: their wall times as a ratio."""
    mine, other = walls(ours), walls(theirs)
    return Result(row, what, median(mine) / median(other), goal, ours=seconds(mine),
                  against=seconds(other), detail={
                      "ours_s": mine, "against_s": other, "ours_spread": spread(mine),
                      "against_spread": spread(other), **detail})


def check(setting):
    """`check` of a hundred mappers."""
    text = Folder.of_items(setting)
    mapper = (text.path / "mappers/item.yaml").read_text()
    text.remove()
    folder = Folder(setting, {
        f"m{i}.yaml": mapper.replace("mapper: item", f"mapper: item{i}").replace(
            '"item:', f'"item{i}:') for i in range(CHECKED_MAPPERS)})
    try:
        runs = [folder.erp2couch("check", "--json", keep_output=True)
                for _ in range(setting.options.repeat)]
        said = runs[0].out
        if not said.lstrip().startswith("{"):
            raise Failed(f"check --json said {said[:300]!r}")
    finally:
        folder.remove()
    return [Result("check", f"check of {CHECKED_MAPPERS} mappers", median(walls(runs)) * 1000, 50,
                   "ms", detail={"seconds": walls(runs)})]


def preview(setting):
    """`preview` of all items against psql's COPY, both to /dev/null."""
    rows = setting.options.items
    folder = Folder.of_items(setting)
    try:
        folder.count_preview("item", rows)
        runs = side_by_side({"ours": lambda: folder.erp2couch("preview", "item"),
                             "copy": lambda: setting.copy(item_query())}, setting.options.repeat)
    finally:
        folder.remove()
    setting.note_memory("preview", rows, runs["ours"])
    return [compared("preview", f"preview of {rows:,} rows against psql's COPY", runs["ours"],
                     runs["copy"], 1.1, cpu_us_per_row=cpu_us(runs["ours"], rows))]


def preview_validated(setting):
    """The same with a schema that all of them fit."""
    rows = setting.options.items
    folder = Folder.of_items(setting)
    folder.validate(ITEM_SCHEMA)
    try:
        folder.count_preview("item", rows)
        runs = side_by_side({"ours": lambda: folder.erp2couch("preview", "item"),
                             "copy": lambda: setting.copy(item_query())}, setting.options.repeat)
    finally:
        folder.remove()
    setting.note_memory("preview", rows, runs["ours"])
    return [compared("preview_validated",
                     f"preview of {rows:,} rows with a schema against psql's COPY", runs["ours"],
                     runs["copy"], 1.4, cpu_us_per_row=cpu_us(runs["ours"], rows))]


def orders(setting):
    """Orders with their lines nested, against jsonb_agg in PostgreSQL."""
    folder = Folder.of_orders(setting)
    runs = {"ours": lambda: folder.erp2couch("preview", "order")}
    for name, query in JSONB_AGG.items():
        runs[name] = lambda query=query: setting.copy(query)
    try:
        folder.count_preview("order", setting.options.orders)
        measured = side_by_side(runs, setting.options.repeat)
    finally:
        folder.remove()
    times = {name: walls(results) for name, results in measured.items()}
    ours = times.pop("ours")
    best = min(times, key=lambda name: median(times[name]))
    count = setting.options.orders
    return [Result("orders", f"{count:,} orders with lines, documents/s against {best}",
                   median(times[best]) / median(ours), 4.0, at_least=True,
                   ours=f"{count / median(ours):,.0f}/s",
                   against=f"{count / median(times[best]):,.0f}/s",
                   detail={"ours_s": ours, "jsonb_agg_s": times})]


def couchimport(setting, bodies, overwrite=False, db=None):
    """couchimport of the documents in `bodies`, into a new database unless `db` is given."""
    command = couchimport_command()
    if not command:
        raise Skipped("couchimport is not installed (npm; or $COUCHIMPORT names it)")
    db = db or setting.new_database()
    words = [*command, "--url", setting.couch.url, "--db", db.name, "--type", "jsonl",
             "--buffer", "500", "--parallelism", "4"]
    if overwrite:
        words += ["--overwrite", "true"]
    with open(bodies, "rb") as source:
        measured = measure(words, source=source)
    return db, measured


def first_load(setting):
    """A first load against a replay of the same bodies by a client that does nothing else."""
    need_couch(setting)
    rows = setting.options.load
    bodies = setting.bodies(rows)

    def ours():
        folder = Folder.of_items(setting, rows)
        try:
            return folder.run(created=rows)
        finally:
            folder.remove()

    runs = {"ours": ours}
    for batch, in_flight in REPLAYS:
        runs[f"{batch} x {in_flight}"] = lambda b=batch, n=in_flight: setting.replay_into_new(
            bodies, b, n)
    measured = side_by_side(runs, setting.options.load_repeat)
    mine = measured.pop("ours")
    setting.note_memory("first load", rows, mine)
    setting.load_cpu_us = cpu_us(mine, rows)
    times = {name: [one["seconds"] for one in found] for name, found in measured.items()}
    best = min(times, key=lambda name: median(times[name]))
    return [Result("first_load", f"first load of {rows:,} rows against a replay ({best})",
                   median(walls(mine)) / median(times[best]), 1.05,
                   ours=f"{rows / median(walls(mine)):,.0f}/s",
                   against=f"{rows / median(times[best]):,.0f}/s",
                   detail={"ours_s": walls(mine), "replay_s": times,
                           "cpu_us_per_document": setting.load_cpu_us,
                           "replay_cpu_us_per_document": {
                               name: median([one["cpu_seconds"] for one in found]) * 1e6 / rows
                               for name, found in measured.items()}})]


def load_cpu(setting):
    """CPU a document of a first load, against couchimport's."""
    need_couch(setting)
    rows = setting.options.load
    if setting.load_cpu_us is None:
        first_load(setting)
    db, measured = couchimport(setting, setting.bodies(rows))
    db.delete()
    theirs = measured.cpu * 1e6 / rows
    return [Result("load_cpu", f"first load of {rows:,} rows, CPU a document against couchimport",
                   setting.load_cpu_us / theirs, 0.1, ours=f"{setting.load_cpu_us:.2f} us",
                   against=f"{theirs:.2f} us")]


def unchanged(setting):
    """A run over unchanged rows against psql's COPY; its CPU a row; not one revision."""
    need_couch(setting)
    rows = setting.options.items
    folder = setting.loaded()
    before = folder.items.update_number()
    runs = side_by_side({"ours": lambda: folder.run(unchanged=rows),
                         "copy": lambda: setting.copy(item_query())}, setting.options.repeat)
    written = folder.items.update_number() - before
    setting.note_memory("unchanged", rows, runs["ours"])
    cpu = cpu_us(runs["ours"], rows)
    return [compared("unchanged", f"run over {rows:,} unchanged rows against psql's COPY",
                     runs["ours"], runs["copy"], 1.1, cpu_us_per_row=cpu),
            Result("revisions", f"revisions written by {setting.options.repeat} such runs", written,
                   0),
            Result("row_cpu", "CPU a row: read, map, digest, compare", cpu, 1.0, "us")]


def changed(setting):
    """A run with one row in a hundred changed, against couchimport --overwrite of all."""
    need_couch(setting)
    rows, part = setting.options.items, min(setting.options.load, OVERWRITTEN_ROWS)
    bodies = setting.bodies(part)
    folder = setting.loaded()
    touched = setting.database.value(
        "WITH u AS (UPDATE bench_items SET stock = stock + 1 WHERE id % 100 = 7 RETURNING 1)"
        " SELECT count(*) FROM u")
    ours = folder.run(updated=touched, unchanged=rows - touched)
    db, _ = couchimport(setting, bodies)
    _, theirs = couchimport(setting, bodies, overwrite=True, db=db)
    db.delete()
    scaled = theirs.wall * rows / part
    return [Result("changed", f"run with 1 % of {rows:,} rows changed against couchimport"
                   f" --overwrite (scaled from {part:,})", ours.wall / scaled, 0.01,
                   ours=f"{ours.wall:.2f} s", against=f"{scaled:.0f} s",
                   detail={"updated": touched, "couchimport_s": theirs.wall})]


def validated(setting):
    """CPU a row of a run over unchanged rows that checks each against a schema."""
    need_couch(setting)
    rows = setting.options.items
    folder = setting.loaded()
    folder.validate(ITEM_SCHEMA)
    try:
        runs = side_by_side({"ours": lambda: folder.run(unchanged=None),
                             "copy": lambda: setting.copy(item_query())}, setting.options.repeat)
    finally:
        folder.validate(None)
    return [Result("row_cpu_validated", "CPU a row: read, map, validate, digest, compare",
                   cpu_us(runs["ours"], rows), 1.5, "us", ours=seconds(walls(runs["ours"])),
                   against=seconds(walls(runs["copy"])))]


def incremental(setting):
    """With a cursor and nothing new: our own time; then with a sweep of all keys, against psql's
    COPY of them."""
    need_couch(setting)
    rows, repeat = setting.options.items, setting.options.repeat
    folder = setting.loaded()
    setting.database.sql("CREATE INDEX IF NOT EXISTS bench_updated ON bench_items (updated)")
    folder.extract("cursor: updated")
    folder.run(updated=None, unchanged=None)  # another mapper: everything is read
    idle = [folder.run(unchanged=None) for _ in range(repeat + 1)][1:]
    setting.note_memory("nothing new", rows, idle)
    folder.extract(f"deletes: {{every: {SWEEP_EVERY_S}s}}")

    def sweep():
        time.sleep(SWEEP_EVERY_S)
        return folder.run(unchanged=None)

    sweep()
    runs = side_by_side({"ours": sweep, "copy": lambda: setting.copy(
        "SELECT id FROM bench_items")}, repeat)
    setting.note_memory("sweep", rows, runs["ours"])
    return [Result("nothing_new", f"incremental run, nothing new in {rows:,} rows, CPU",
                   median([one.cpu for one in idle]) * 1000, 50, "ms",
                   ours=f"{median(walls(idle)) * 1000:.0f} ms wall"),
            Result("sweep", f"a sweep of {rows:,} keys, beyond a run without, against psql's COPY",
                   (median(walls(runs["ours"])) - median(walls(idle))) / median(
                       walls(runs["copy"])), 1.5, ours=seconds(walls(runs["ours"])),
                   against=seconds(walls(runs["copy"])),
                   detail={"ours_s": walls(runs["ours"]), "idle_s": walls(idle),
                           "against_s": walls(runs["copy"])})]


def with_shop(setting, measure_it):
    """What `measure_it` returns for a Shop and a folder of a configuration that reads it."""
    try:
        shop = rest.Shop()
    except LookupError as problem:
        raise Skipped(str(problem)) from problem
    folder = Path(tempfile.mkdtemp(prefix="rest-", dir=setting.folder))
    try:
        shop.config(folder)
        return measure_it(shop, folder)
    finally:
        shop.remove()
        shutil.rmtree(folder, ignore_errors=True)


def rest_reply(setting):
    """One reply of a gigabyte: from the socket to mapped documents."""

    def measured(shop, folder):
        size, records = shop.reply(setting.options.items * 1000)
        shop.mapper(folder, "/all.json")
        runs = [measure([setting.binary, "preview", "item"], cwd=folder)
                for _ in range(setting.options.repeat)]
        setting.note_memory("rest", records, runs)
        rates = [size / 1e6 / max(run.cpu, 1e-9) for run in runs]
        return [Result("rest_reply", f"a JSON reply of {size / 1e6:,.0f} MB, bytes for each second"
                       " of our CPU", median(rates), 200, "MB/s", at_least=True,
                       ours=seconds(walls(runs)), detail={"records": records, "rates": rates,
                                                          "wall_s": walls(runs)})]

    return with_shop(setting, measured)


def rest_pages(setting):
    """Small pages against curl, which fetches the same addresses over one connection."""

    def measured(shop, folder):
        count = min(REST_PAGES, setting.options.items // 100)
        shop.pages(count, REST_PAGE_SIZE)
        shop.mapper(folder, "/pages", "  paging: {type: page, param: page, stop: empty}")
        address = f"{shop.url}/pages?page=[1-{count + 1}]"
        runs = side_by_side({
            "ours": lambda: measure([setting.binary, "preview", "item"], cwd=folder),
            "curl": lambda: measure(["curl", "-s", address])}, setting.options.repeat)
        return [compared("rest_pages", f"{count:,} pages of {REST_PAGE_SIZE} records against curl",
                         runs["ours"], runs["curl"], 1.1, curl=rest.curl_version())]

    return with_shop(setting, measured)


def memory(setting):
    """Peak anonymous memory of first loads, runs and previews at all sizes seen."""
    small = Folder.of_items(setting, SMALL_ROWS)
    try:
        setting.note_memory("preview", SMALL_ROWS, [small.erp2couch("preview", "item")])
        if setting.couch:
            setting.note_memory("first load", SMALL_ROWS, [small.run(created=SMALL_ROWS)])
            setting.note_memory("unchanged", SMALL_ROWS, [small.run(unchanged=SMALL_ROWS)])
    finally:
        small.remove()
    results = []
    for command, peaks in setting.memory.items():
        text = ", ".join(f"{rows:,}: {kib / 1024:.1f}" for rows, kib in sorted(peaks.items()))
        results.append(Result(f"memory_{command.replace(' ', '_')}",
                              f"peak anonymous memory, {command}", max(peaks.values()) / 1024, 24,
                              "MiB", ours=text, detail={"kib": peaks}))
    return results


def state(setting):
    """The state alone: a look-up of a run over unchanged rows, a commit of a first load."""
    path = setting.folder / "state-alone"
    said = json.loads(measure([setting.state_bench, path, STATE_ENTRIES, STATE_BATCH],
                              keep_output=True).out)
    load = said["first_load"]
    return [Result("state_get", "state: one look-up in ascending order",
                   said["get_ascending_ns"] / 1000, 0.5, "us", detail=said),
            Result("state_apply", f"state: one entry of a first load, batches of {STATE_BATCH},"
                   " CPU", load["apply_cpu_us"], 5.0, "us",
                   ours=f"{load['commit_wall_us'] / 1000:.1f} ms a commit")]


def rest_json(setting):
    """A JSON reply, in memory, to mapped documents; yajl alone reads it, with empty callbacks."""
    said = json.loads(measure([setting.rest_bench, 64, setting.options.repeat],
                              keep_output=True).out)
    return [Result("rest_json", "JSON reply of a REST source to mapped documents, one core",
                   said["mapped"], 200, "MB/s", at_least=True,
                   against=f"{said['yajl']} MB/s to read it, by yajl" if said["yajl"] else "",
                   detail=said)]


def serve_idle(setting):
    """A service of a hundred mappers: while none of them fires, and what it costs when they do."""
    need_couch(setting)
    folder = Folder.of_items(setting, SERVED_ROWS)
    item = folder.path / "mappers/item.yaml"
    folder.add(serve.many(item.read_text(), SERVED_MAPPERS))
    item.unlink()
    try:
        with serve.Serving(folder) as serving:
            time.sleep(2)  # what it asks at its start
            cpu, began = serving.cpu(), time.monotonic()
            time.sleep(IDLE_SECONDS)
            share = (serving.cpu() - cpu) / (time.monotonic() - began)
            idle = serving.anon_mib()
            first, unchanged = serving.run_all(), serving.run_all()
            time.sleep(15)  # longer than the service keeps what runs needed
            after = serving.anon_mib()
    finally:
        folder.remove()
    name = f"serve, {SERVED_MAPPERS} mappers"
    return [Result("serve_idle", f"{name}: CPU while no schedule fires", share * 100, 0.1, "%"),
            Result("serve_idle_memory", f"{name}: anonymous memory while idle", idle, 12, "MiB"),
            Result("serve_idle_memory_after", f"{name}: the same after runs of all of them", after,
                   12, "MiB"),
            Result("serve_fires", f"{name}: CPU of a run by schedule, nothing new in"
                   f" {SERVED_ROWS} rows", unchanged / SERVED_MAPPERS * 1000, 50, "ms",
                   detail={"first_run_ms": first / SERVED_MAPPERS * 1000,
                           "percent_if_all_fire_every_5_min": unchanged / 300 * 100})]


def serve_metrics(setting):
    """/metrics of a hundred mappers during a first load, from another process."""
    need_couch(setting)
    rows = setting.options.load
    folder = Folder.of_items(setting, rows)
    folder.add(serve.many((folder.path / "mappers/item.yaml").read_text(), SERVED_MAPPERS - 1))
    took = {"/metrics": [], "/healthz": []}
    try:
        with serve.Serving(folder) as serving:
            connection = serving.connect()

            def ask():
                for path, times in took.items():
                    began = time.perf_counter()
                    status, body = serving.ask("GET", path, connection)
                    times.append((time.perf_counter() - began) * 1000)
                    if status != 200 or (path == "/metrics" and b"erp2couch_run" not in body):
                        raise Failed(f"GET {path}: {status}")
                    time.sleep(METRICS_EVERY_S)

            before = serving.loop_ms()
            run = serving.run("item", ask)
            on_cpu, waited = (b - a for a, b in zip(before, serving.loop_ms()))
            if run["created"] != rows:
                raise Failed(f"the load: {run}")
    finally:
        folder.remove()
    times = took["/metrics"]
    count = len(times)
    return [Result("serve_metrics_cpu", "the same: CPU of the service's loop for each, a /healthz"
                   " among it", on_cpu / count, 5, "ms",
                   detail={"waited_for_a_cpu_ms": waited / count}),
            Result("serve_metrics", f"/metrics of {SERVED_MAPPERS} mappers during a load of"
                   f" {rows:,} rows, p99 of {count}", serve.percentile(times, 0.99), 5, "ms",
                   ours=f"median {median(times):.2f} ms",
                   against=f"/healthz p99 {serve.percentile(took['/healthz'], 0.99):.2f} ms",
                   detail={"max_ms": max(times), "load_s": run["seconds"],
                           "healthz_median_ms": median(took["/healthz"])})]


def serve_connections(setting):
    """A run of the service, with and without a thousand clients that hold connections."""
    need_couch(setting)
    rows = setting.options.items
    folder = setting.loaded()
    try:
        with serve.Serving(folder) as serving:

            def run(clients):
                held = serve.idle_clients(serving, clients)
                try:
                    last = serving.run("item")
                finally:
                    for client in held:
                        client.close()
                if last["unchanged"] != rows:
                    raise Failed(f"the run: {last}")
                return last["seconds"]

            run(0)
            runs = side_by_side({"ours": lambda: run(IDLE_CLIENTS), "alone": lambda: run(0)},
                                2 * setting.options.repeat)
    finally:
        folder.configure(http={})
    return [Result("serve_connections", f"run over {rows:,} unchanged rows with {IDLE_CLIENTS:,}"
                   " idle connections against one without", median(runs["ours"]) / median(
                       runs["alone"]), 1.05, ours=seconds(runs["ours"]),
                   against=seconds(runs["alone"]),
                   detail={"with_s": runs["ours"], "without_s": runs["alone"],
                           "with_spread": spread(runs["ours"]),
                           "without_spread": spread(runs["alone"])})]


ROWS = {row.__name__: row for row in (
    check, preview, preview_validated, orders, first_load, load_cpu, unchanged, changed, validated,
    incremental, rest_json, rest_reply, rest_pages, memory, state, serve_idle, serve_metrics,
    serve_connections)}


def goal_text(result):
    return f"{'>=' if result.at_least else '<='} {result.goal:g}"


def environment(setting):
    """What the figures depend on."""
    with open("/proc/cpuinfo") as info:
        model = next((line.split(":")[1].strip() for line in info
                      if line.startswith("model name")), "unknown")
    return {"cpus": os.cpu_count(), "cpu": model,
            "postgresql": setting.database.value("SHOW server_version"),
            "couchdb": setting.couch.call("GET", "/").json().get("version")
            if setting.couch else None}
