"""What the integration tests stand on: servers, a project to run, a proxy that breaks things."""

import sys
from pathlib import Path

# Servers are started by what deploy/quickstart starts them with.
sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "deploy"))
