"""The model of the protocol (tests/model/protocol.pml), every state of it searched by spin: with
all rules nothing goes wrong; without any one of them spin finds how it does.
"""

import re
import shutil
import subprocess

import pytest

from support.project import ROOT

MODEL = ROOT / "tests/model/protocol.pml"
SECONDS = 120  # of one search; the longest takes 5

# The smallest worlds that show something: what may happen in them, and how often.
WORLDS = {
    "crash": "RUNS=2 CRASHES=1",
    "crash and change": "RUNS=3 CRASHES=1 CHANGES=1",
    "crash and two rows": "RUNS=2 CRASHES=1 CHANGES=1 ROWS=1",
    "edit": "RUNS=1 EDITS=1 ROWS=1",
    "switch": "RUNS=2 SWITCHES=2 CRASHES=1 ROWS=1",
    "late commit": "RUNS=2 CHANGES=1 LATE=1 ROWS=1",
    "broken read": "RUNS=2 BREAKS=1 CHANGES=1 ROWS=1",
    "broken full read": "RUNS=2 BREAKS=1 SWITCHES=1",
    "brake": "RUNS=2 CHANGES=2 BRAKES=1 ROWS=1",
    "ERP restored": "RUNS=2 CHANGES=1 ERP_RESTORES=1",
    "state restored": "RUNS=3 CRASHES=1 CHANGES=1 STATE_RESTORES=1 ROWS=1",
    "old state": "RUNS=3 CHANGES=3 STATE_RESTORES=1",
    "target restored": "RUNS=2 CHANGES=1 TARGET_RESTORES=1 OTHERS=1 ROWS=1",
    "torn copy restored": "RUNS=3 CRASHES=1 CHANGES=1 TARGET_RESTORES=1 TORN=1",
    "restored and edited": "RUNS=2 CRASHES=1 TARGET_RESTORES=1 OTHERS=1 EDITS=1",
    "crash and restored": "RUNS=3 CRASHES=1 CHANGES=1 TARGET_RESTORES=1 OTHERS=1",
    "two crashes and restored": "RUNS=4 CRASHES=2 CHANGES=1 TARGET_RESTORES=1 OTHERS=1",
    "both restored": "RUNS=2 CRASHES=1 CHANGES=1 TARGET_RESTORES=1 STATE_RESTORES=1 OTHERS=1",
}

# Which promise of the model's first comment breaks without the rule, and in which world.
RULES = [
    ("SESSION", "old state", "healed"),
    ("CLOSING", "crash", "cheap"),
    ("CLOSING_FIRST", "crash", "cheap"),
    ("CURSOR_LAST", "crash and two rows", "healed"),
    ("ACKED_FIRST", "crash and change", "cheap"),
    ("LOCAL_FIRST", "restored and edited", "healed"),
    ("LOCAL_SINCE", "restored and edited", "healed"),
    ("LOCAL_NUMBER", "crash and restored", "healed"),
    ("NUMBER", "torn copy restored", "healed"),
    ("ERASE", "two crashes and restored", "healed"),
    ("FULL_AFTER_REBUILD", "target restored", "healed"),
    ("FEED", "edit", "healed"),
    ("READ_BY_KEY", "edit", "healed"),
    ("MISSING", "crash and restored", "healed"),
    ("TOMBSTONES", "crash and restored", "healed"),
    ("END", "target restored", "healed"),
    ("FINGERPRINT", "switch", "healed"),
    ("VOID_FINGERPRINT", "switch", "healed"),
    ("OBSERVE_FIRST", "late commit", "healed"),
    ("CAP", "late commit", "healed"),
    ("TIMELINE", "ERP restored", "healed"),
    ("UNFINISHED_CURSOR", "broken read", "healed"),
    ("UNFINISHED_SWEEP", "broken full read", "deletions"),
    ("OWED", "brake", "healed"),
    ("OWED_BY_KEY", "brake", "deletions"),
]
REDUNDANT = [("WRITES_NOTED", world) for world in ("torn copy restored", "crash and restored")]

PROMISES = [("cheap", r"\(restored\|\|"), ("deletions", r"read_row"), ("healed", r"target\.body")]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("spin"), reason="spin is not installed"),
]


def search(folder, world, *without):
    """The promise that breaks in `world` without these rules, or None."""
    options = ["-D" + bound for bound in WORLDS[world].split()]
    options += [f"-DNO_{rule}" for rule in without]
    compiler = ["gcc", "-O0", "-w", "-DSAFETY", "-DCOLLAPSE", "-DMEMLIM=3000", "-o", "pan", "pan.c"]
    for words in (["spin", "-a", *options, str(MODEL)], compiler):
        subprocess.run(words, cwd=folder, check=True, timeout=SECONDS, stdout=subprocess.DEVNULL)
    found = subprocess.run(["./pan", "-m10000"], cwd=folder, check=True, timeout=SECONDS,
                           capture_output=True, text=True).stdout
    errors = re.search(r"errors: (\d+)", found)
    assert errors and "error: max search depth" not in found, found
    if errors[1] == "0":
        assert "Warning: Search not completed" not in found, found
        return None
    wrong = re.search(r"assertion violated (.*) \(at depth", found)[1]
    return next(promise for promise, pattern in PROMISES if re.search(pattern, wrong))


@pytest.mark.parametrize("world", WORLDS)
def test_with_all_rules_nothing_goes_wrong(tmp_path, world):
    assert search(tmp_path, world) is None


@pytest.mark.parametrize("rule, world, promise", RULES, ids=[rule for rule, _, _ in RULES])
def test_each_rule_is_needed(tmp_path, rule, world, promise):
    assert search(tmp_path, world, rule) == promise


@pytest.mark.parametrize("rule, world", REDUNDANT)
def test_a_rule_that_only_saves_work_is_not(tmp_path, rule, world):
    assert search(tmp_path, world, rule) is None


def test_the_table_has_every_rule_of_the_model():
    inside = set(re.findall(r"#if(?:n?def) NO_(\w+)", MODEL.read_text()))
    assert inside == {row[0] for row in [*RULES, *REDUNDANT]}
