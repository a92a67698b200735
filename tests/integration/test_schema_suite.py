"""The validator against the official JSON Schema test suite, where a copy of it lies.

In $JSON_SCHEMA_SUITE, or in ../shared/data/json-schema-test-suite seen from the project.
"""
import os
import re
import subprocess
from pathlib import Path

import pytest

from support import project as projects

pytestmark = pytest.mark.once

REQUIRED = 1299
# Files of optional tests that fail, each with its reason.
NOT_DONE = {"optional/cross-draft.json": "schemas of earlier drafts are refused"}


def suite_folder():
    """Where the suite is, or None."""
    named = os.environ.get("JSON_SCHEMA_SUITE")
    places = [Path(named)] if named else [
        above / "shared/data/json-schema-test-suite" for above in projects.ROOT.parents[:2]]
    return next((place for place in places if (place / "tests/draft2020-12").is_dir()), None)


@pytest.fixture(scope="module")
def run_suite(schema_suite):
    """run_suite(option...): what the tool prints, by lines."""
    folder = suite_folder()
    if folder is None:
        pytest.skip("no JSON Schema test suite: set JSON_SCHEMA_SUITE to a copy of it")

    def run(*options):
        done = subprocess.run([schema_suite, *options, folder], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        assert done.returncode in (0, 1), done.stderr
        return done.stdout.splitlines()

    return run


def test_all_required_tests_pass(run_suite):
    lines = run_suite()
    assert lines[-1] == f"{REQUIRED} passed, 0 failed", "\n".join(lines)


def test_optional_tests_pass_but_for_those_that_are_named(run_suite):
    lines = run_suite("--optional")
    assert re.fullmatch(r"[0-9]{3,} passed, [0-9]+ failed", lines[-1])
    failed = [line for line in lines if line.startswith("FAILED ")]
    assert [line for line in failed if line.split()[1].rstrip(":") not in NOT_DONE] == []


def test_usage(schema_suite):
    assert subprocess.run([schema_suite], stderr=subprocess.PIPE).returncode == 64
    missing = subprocess.run([schema_suite, "/nowhere"], stderr=subprocess.PIPE, text=True)
    assert missing.returncode == 78 and "/nowhere" in missing.stderr
