"""deploy/cron: the example for those who use cron. Each test drives it with a program that ends as
the test says."""

import re
import subprocess
import time

import pytest

from support.project import ROOT

SCRIPT = ROOT / "deploy/cron/erp2couch-cron"
HOUR, DAY = 3600, 86400
AT_ONCE = [2, 64, 70, 77, 78, 1, 127]

pytestmark = pytest.mark.once


class Cron:
    def __init__(self, folder):
        self.notes, self.program = folder / "notes", folder / "fake"
        self.program.write_text('#!/bin/sh\necho "item: said $1 $2"\necho "why" >&2\nexit $CODE\n')
        self.program.chmod(0o755)

    def run(self, code, program=None):
        """What would be mailed. The code of the program is passed on."""
        done = subprocess.run(
            [SCRIPT, "-c", "a b.yaml"], text=True, stdout=subprocess.PIPE, timeout=30,
            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "ERP2COUCH": str(program or self.program),
                 "ERP2COUCH_CRON_DIR": str(self.notes), "CODE": str(code)})
        assert done.returncode == code, done
        return done.stdout

    def later(self, seconds):
        """Time goes by: notes are that much older."""
        for note in self.notes.glob("code-*"):
            since, told = map(int, note.read_text().split())
            note.write_text(f"{since - seconds} {told - seconds if told else 0}\n")


@pytest.fixture
def cron(tmp_path):
    return Cron(tmp_path)


@pytest.mark.parametrize("code", [0, 130, 143])
def test_silent(cron, code):
    for _ in range(3):
        assert cron.run(code) == ""
        cron.later(2 * DAY)
    assert (cron.notes / "last.log").read_text() == "item: said -c a b.yaml\nwhy\n"
    assert [path.name for path in cron.notes.iterdir()] == ["last.log"]


@pytest.mark.parametrize("code", AT_ONCE)
def test_told_at_once_and_then_daily(cron, code):
    first = cron.run(code)
    assert re.search(rf"\(exit code {code} of \S+/fake -c a b\.yaml on \S+\)", first), first
    assert "item: said -c a b.yaml\nwhy\n" in first
    assert cron.run(code) == ""
    cron.later(DAY - HOUR)
    assert cron.run(code) == ""
    cron.later(HOUR)
    assert cron.run(code) != ""
    assert cron.run(0) == ""
    assert cron.run(code) != "", "it was over, and is there again"


@pytest.mark.parametrize("code, patience, says", [
    (69, HOUR, "unavailable for an hour"), (75, DAY, "under way for a day")])
def test_told_when_it_lasts(cron, code, patience, says):
    assert cron.run(code) == ""
    cron.later(patience - 60)
    assert cron.run(code) == ""
    cron.later(60)
    assert says in cron.run(code)
    assert cron.run(code) == ""
    cron.later(DAY)
    assert says in cron.run(code)


@pytest.mark.parametrize("finished", [0, 2])
def test_what_passed_by_itself_is_never_told(cron, finished):
    assert cron.run(69) == ""
    cron.later(HOUR - 60)
    cron.run(finished)
    cron.later(120)
    assert cron.run(69) == ""


def test_one_trouble_does_not_hide_another(cron):
    assert cron.run(77) and not cron.run(77)
    assert cron.run(78)
    assert not cron.run(77) and not cron.run(75), "told today already"


def test_a_program_that_is_not_there(cron):
    assert "cannot be run" in cron.run(127, program="/nonexistent/erp2couch")


@pytest.mark.parametrize("note", ["", "x", "1 2 3", "-5 0", "08 09", "99999999999999999999 0", "5"])
def test_a_broken_note(cron, note):
    cron.notes.mkdir()
    (cron.notes / "code-78").write_text(note)
    cron.run(78)
    assert re.fullmatch(r"\d+ \d+\n", (cron.notes / "code-78").read_text())
    assert int(time.time()) - int((cron.notes / "code-78").read_text().split()[1]) < 60


def test_the_crontab():
    """It names what is there, and a user, as files in /etc/cron.d have to."""
    lines = [line for line in (ROOT / "deploy/cron/erp2couch").read_text().splitlines()
             if line and line[0] != "#" and "=" not in line.split()[0]]
    [line] = lines
    assert re.fullmatch(r"\*/5 \* \* \* \*  erp2couch  erp2couch-cron -c \S+ run", line)
