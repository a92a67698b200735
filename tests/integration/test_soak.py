"""A short soak: the service among an ERP that changes, restarts of each part, reloads and pushes.
The long one is `tests/soak/run`, an hour."""

import subprocess
import sys

import pytest

from support import couchdb
from support.project import ROOT

SEED = 7


def soak(binary, folder, *words):
    done = subprocess.run(
        [sys.executable, ROOT / "tests/soak/run", "--seed", str(SEED), "--binary", binary,
         "--folder", folder, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=600)
    print(done.stdout)
    return done


@pytest.mark.slow
@pytest.mark.skipif(not couchdb.installed_usable(),
                    reason="needs an installed Apache CouchDB to stop and start")
def test_a_short_life(binary, tmp_path):
    done = soak(binary, tmp_path, "--minutes", "0.4")
    assert done.returncode == 0 and "all is right" in done.stdout
