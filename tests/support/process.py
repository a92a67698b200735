"""Child processes: those that deploy/quickstart starts its servers with, too."""

from scratch.process import *  # noqa: F401,F403
