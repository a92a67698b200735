"""check-style finds what it is there to find: each rule is broken once in a small repository."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]
CLEAN = "#pragma once\nint thing_count(void);\n"


@pytest.fixture
def repository(tmp_path):
    """A repository with the checker and one clean header; returns a function that adds a file and
    gives the names of the checks that then fail."""
    (tmp_path / "tests/tools").mkdir(parents=True)
    for name in ("check-style", "long-functions"):
        shutil.copy(ROOT / "tests/tools" / name, tmp_path / "tests/tools" / name)
    shutil.copy(ROOT / ".clang-format", tmp_path / ".clang-format")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)

    def failing(name="ingest/base/thing.h", text=CLEAN):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        done = subprocess.run([tmp_path / "tests/tools/check-style"], stdout=subprocess.PIPE,
                              text=True)
        failed = re.findall(r"^not ok \d+ - (.*)$", done.stdout, re.M)
        assert bool(failed) == bool(done.returncode), done.stdout
        for line in re.findall(r"^# (.*)", done.stdout, re.M):
            assert re.match(r"\S+:", line), line
        return failed

    return failing


def long_function(lines):
    return "int f(void)\n{\n" + "        f();\n" * (lines - 4) + "        return 0;\n}\n"


def test_clean_files_pass(repository):
    assert repository() == []


def test_words_in_comments_and_strings_are_not_calls(repository):
    assert repository("cmd/a.c", 'const char *s = "strcpy(a, b)"; /* gets() */\n') == []


@pytest.mark.parametrize("name, text, check", [
    ("cmd/a.c", "int f(char *a)\n{\n        return atoi(a);\n}\n", "no banned functions"),
    ("cmd/a.c", long_function(101), "no function over 100 lines"),
    ("cmd/a.c", "int a;\n" * 1001, "no file over 1000 lines"),
    ("ingest/base/a.c", '#include "ingest/loop/b.h"\n', "includes point down the layers"),
    ("ingest/couch/a.c", '#include "ingest/source/b.h"\n', "includes point down the layers"),
    ("mappers/a.c", '#include "ingest/state/b.h"\n', "includes point down the layers"),
    ("cmd/a.c", '#include "b.h"\n', "includes point down the layers"),
    ("cmd/a.h", "#pragma once\nextern size_t a;\n", "every header compiles alone"),
    ("cmd/a.h", "extern int a;\n", "every header compiles alone"),
    ("cmd/a.c", "int f( void );\n", "C is formatted"),
    ("README.md", "see /" + "home/somebody/x\n", "no machine paths"),
    ("tests/a.py", "def f(:\n", "Python compiles, in 100 columns"),
    ("tests/a", "#!/bin/sh\ncd $1\n", "shellcheck finds nothing"),
], ids="atoi long-function long-file layer equals mappers-state unrooted-include alone once"
       " format path python shell".split())
def test_each_rule_is_seen_to_be_broken(repository, name, text, check):
    assert repository(name, text) == [check]


def test_a_function_of_exactly_the_limit_passes(repository):
    assert repository("cmd/a.c", long_function(100)) == []


def test_list_of_long_functions_may_only_shrink(repository):
    entry = "cmd/a.c f {}\n"
    assert repository("tests/tools/long-functions", entry.format(120)) != []  # there is none
    repository("cmd/a.c", long_function(120))
    assert repository("tests/tools/long-functions", entry.format(120)) == []
    assert repository("cmd/a.c", long_function(121)) != []
    assert repository("cmd/a.c", long_function(119)) != []
    assert repository("tests/tools/long-functions", entry.format(119)) == []
