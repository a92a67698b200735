"""What is measured all the time: lag, memory, threads, descriptors, and what the reports say."""

import os
import re
import statistics
import time

from support.metrics import Metrics

from mappers import AT_TIMES_GONE, NAMES

# Beyond outages: the longest interval of a mapper (20 s), a run of it, and what a busy machine
# adds.
LAG_SECONDS = 35
# A process that is judged has lived at least so long; soak.py leaves one alone for a third of the
# time. What it grows to at first is not looked at: connections, the heaps of its first threads, the
# caches of the first full reads.
LIFE_SECONDS, WARM_SECONDS = 600, 60
# Of the first decile in each half of a life: what runs need comes and goes by several MiB, with how
# many overlap and what they read; what is never given back is there in quiet moments, too. A leak
# of 1 KiB a run adds more than this within 20 minutes.
MEMORY_KIB = 2048
NEVER = ["failed", "refused"]  # outcomes of runs: nothing here is a reason for them
# A lock is met only where its holder was killed, or its server lost sight of the holder.
LOCKED_SECONDS = 30
THREADS, DESCRIPTORS = 1, 4  # floors: they are free of runs under way


def of_process(pid):
    """(RssAnon in KiB, threads, descriptors); OSError where it is gone."""
    with open(f"/proc/{pid}/status") as status:
        text = status.read()
    found = re.search(r"RssAnon:\s+(\d+) kB", text)
    threads = re.search(r"Threads:\s+(\d+)", text)
    if not found:
        raise ProcessLookupError(pid)
    return int(found[1]), int(threads[1]), len(os.listdir(f"/proc/{pid}/fd"))


class Figures:
    """The newest of all, and the largest."""

    def __init__(self):
        self.lag, self.most_lag, self.calm_lag = {}, {}, {}
        self.memory = self.threads = self.descriptors = 0
        self.answers = []  # seconds that /metrics took
        self.records = self.runs = 0  # of processes that are gone, and of this one
        self.counters, self.born = {}, None

    def take_process(self, life):
        try:
            sample = of_process(life.pid)
        except OSError:
            return
        life.samples.append((time.time(), *sample))
        self.memory, self.threads, self.descriptors = sample

    def take_metrics(self, text, seconds, outages):
        """A reply of /metrics. Yields what is wrong with it."""
        metrics, now = Metrics(text), time.time()
        self.answers.append(seconds)
        locked = outages.excuse(["service", "postgres"], now - LOCKED_SECONDS)
        yield from self.take_counters(metrics, NEVER if locked else [*NEVER, "locked"])
        self.lag = metrics.by("lag_seconds", "mapper")
        for mapper in NAMES:
            lag = self.lag.get(mapper)
            if lag is None:
                continue
            calm = outages.calm_seconds(mapper, now - lag, now)
            self.most_lag[mapper] = max(lag, self.most_lag.get(mapper, 0))
            self.calm_lag[mapper] = max(calm, self.calm_lag.get(mapper, 0))
            if calm > LAG_SECONDS:
                yield f"mapper {mapper} lags {lag:.0f} s, {calm:.0f} s of them without an outage"

    def take_counters(self, metrics, never):
        born = metrics.get("process_start_time_seconds")
        new = {key: value for key, value in metrics.samples.items() if key[0].endswith("_total")}
        old = self.counters if born == self.born else {}
        for key, value in old.items():
            if ("mapper", AT_TIMES_GONE) in key[1]:
                continue  # it begins at zero again
            if key in new and new[key] < value:
                yield f"the counter {key} went from {value} to {new[key]}"
        for key, value in new.items():
            more = value - old.get(key, 0)
            if key[0] == "erp2couch_records_total" and ("result", "read") in key[1]:
                self.records += more
            if key[0] == "erp2couch_runs_total":
                self.runs += more
                yield from (f"a run ended otherwise than runs may here: {sorted(key[1])}"
                            for word in never if more and ("outcome", word) in key[1])
        self.born, self.counters = born, new


def halves(life):
    """Samples of the first and the second half of what was lived warm; None: too short a life."""
    warm = [s for s in life.samples if s[0] > life.began + WARM_SECONDS]
    if not warm or warm[-1][0] - life.began < LIFE_SECONDS:
        return None
    return warm[:len(warm) // 2], warm[len(warm) // 2:]


def judge(life):
    """(text, problems) of one process; None: too short a life."""
    found = halves(life)
    if not found:
        return None
    memory, middle = ([round(statistics.quantiles([s[1] for s in part], n=10)[i]) for part in found]
                      for i in (0, 4))
    threads, descriptors = ([min(s[i] for s in part) for part in found] for i in (2, 3))
    minutes = (life.samples[-1][0] - life.began) / 60
    text = (f"process {life.pid}, {minutes:.1f} min: RssAnon {memory[0]} -> {memory[1]} KiB,"
            f" median {middle[0]} -> {middle[1]}, at most {max(s[1] for s in life.samples)},"
            f" threads {threads[0]} -> {threads[1]}, descriptors {descriptors[0]} ->"
            f" {descriptors[1]}")
    bad = [name for name, (early, late), more in (
        ("memory", memory, MEMORY_KIB), ("threads", threads, THREADS),
        ("descriptors", descriptors, DESCRIPTORS)) if late > early + more]
    return text, [f"{name} grow: {text}" for name in bad]
