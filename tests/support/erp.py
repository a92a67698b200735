"""The dumps of real ERP databases: read where they lie, restored once in a test session."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DUMPS = {"odoo": "odoo17_medium.dump", "tryton": "tryton60_northwind.dump"}


def shared_folders():
    """Where ../shared may be: beside this checkout, or beside the one it is a worktree of."""
    if os.environ.get("ERP2COUCH_SHARED"):
        yield Path(os.environ["ERP2COUCH_SHARED"])
    yield ROOT.parent / "shared"
    done = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--path-format=absolute",
                           "--git-common-dir"], capture_output=True, text=True)
    if done.returncode == 0:
        yield Path(done.stdout.strip()).parent.parent / "shared"


def find_dump(name):
    """The dump of that ERP, or None."""
    for folder in shared_folders():
        path = folder / "data" / "erp" / DUMPS[name]
        if path.is_file():
            return path
    return None


class Dumps:
    """Restores a dump at its first use; each test gets a copy of its own, or the original."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.restored = {}

    def original(self, name):
        """To read only. None where the dump is absent."""
        if name not in self.restored:
            dump = find_dump(name)
            self.restored[name] = self.cluster.restore(f"dump_{name}", dump) if dump else None
        return self.restored[name]

    def copy(self, name):
        original = self.original(name)
        return original and self.cluster.create(template=original.name)
