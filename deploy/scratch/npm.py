"""Programs from npm, each in a folder of the cache of its own."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "erp2couch-tests"


def environment():
    """npm trusts its own list of authorities; this machine's owner may have added some."""
    system = "/etc/ssl/certs/ca-certificates.crt"
    if "NODE_EXTRA_CA_CERTS" in os.environ or not os.path.exists(system):
        return {}
    return {"NODE_EXTRA_CA_CERTS": system}


def install(target, packages, run, *options):
    """Installs `packages` (NAME@VERSION) so that the folder `target` is there whole, or not at all.
    run(words, env) returns (code, output); so does this."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = tempfile.mkdtemp(dir=target.parent)
    except OSError as problem:
        return 1, f"no place for {target.name}: {problem}"
    try:
        code, output = run(["npm", "install", "--prefix", fresh, *options, "--no-audit",
                            "--no-fund", "--loglevel=error", *packages], environment())
        if code == 0:
            with contextlib.suppress(OSError):  # somebody else was faster
                os.rename(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return code, output
