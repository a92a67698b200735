"""A short soak: the service among an ERP that changes, restarts of each part, reloads and pushes.
The long one is `tests/soak/run`, an hour. What it judges by is tried here on made-up figures."""

import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from support import couchdb
from support.project import ROOT

sys.path.insert(0, str(ROOT / "tests/soak"))

import mappers  # noqa: E402
import parts  # noqa: E402
import watch  # noqa: E402

SEED = 7


@pytest.mark.slow
@pytest.mark.skipif(not couchdb.installed_usable(),
                    reason="needs an installed Apache CouchDB to stop and start")
def test_a_short_life(binary, tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "tests/soak/run", "--seed", str(SEED), "--binary", binary,
         "--folder", tmp_path, "--minutes", "0.4"], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
    assert done.returncode == 0 and "all is right" in done.stdout, done.stdout


def life(seconds, memory=0.0, threads=0.0, descriptors=0.0):
    """A process that grew by so much a second; every other second a run is under way."""
    made = parts.Life(1)
    made.samples = [(made.began + n, 8000 + memory * n + 3000 * (n % 2),
                     int(2 + threads * n) + n % 2, int(20 + descriptors * n) + 9 * (n % 2))
                    for n in range(seconds)]
    return made


@pytest.mark.parametrize("grows", ["memory", "threads", "descriptors", None])
def test_what_grows_is_noticed(grows):
    """4 KiB, or one of the others in a hundred seconds, for half an hour."""
    by = {"memory": 4, "threads": 0.01, "descriptors": 0.01}
    _, problems = watch.judge(life(1800, **({grows: by[grows]} if grows else {})))
    assert [problem.split()[0] for problem in problems] == ([grows] if grows else [])
    assert watch.judge(life(100)) is None


def test_lag_is_what_no_outage_explains():
    outages, now = parts.Outages(), time.time()
    outages.all = [["postgres", now - 100, now - 90], ["couchdb", now - 95, now - 80],
                   ["sale", now - 20, None]]
    calm = 200 - 20 - parts.GRACE_SECONDS
    assert outages.calm_seconds("price", now - 200, now) == pytest.approx(calm)
    assert outages.calm_seconds("sale", now - 200, now) == pytest.approx(calm - 20)
    assert outages.calm_seconds("device", now - 200, now) == pytest.approx(calm + 5)
    text = ('# HELP erp2couch_lag_seconds .\n# TYPE erp2couch_lag_seconds gauge\n'
            'erp2couch_lag_seconds{mapper="price"} %d\n')
    figures = watch.Figures()
    assert not list(figures.take_metrics(text % (watch.LAG_SECONDS - 1), 0, parts.Outages()))
    problem, = figures.take_metrics(text % (watch.LAG_SECONDS + 1), 0, parts.Outages())
    assert problem.startswith("mapper price lags")


def test_what_differs_is_noticed():
    one = {"_id": "sale:1", "type": "sale", "id": 1}
    expected = SimpleNamespace(documents={("sale", "sale:1"): one}, rejects={"sale": {7}})
    kept = {("sale", "sale:old"): {**one, "id": 7}}  # a bad record keeps what it had
    assert not list(mappers.differences({("sale", "sale:1"): one, **kept}, expected))
    for found in ({}, {("sale", "sale:1"): {**one, "more": 1}},
                  {("sale", "sale:1"): one, ("sale", "sale:2"): {**one, "id": 2}}):
        assert len(list(mappers.differences(found, expected))) == 1
