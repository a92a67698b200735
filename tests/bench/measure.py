"""One child process measured: wall time, CPU, peak anonymous memory. And runs side by side."""

import os
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass

SAMPLE_SECONDS = 0.01  # between two looks at a child's memory: below 1 % of a core
CHILD_SECONDS = 7200  # no child is waited for longer


class Failed(Exception):
    """A measured command did not do what it should have."""


@dataclass
class Measured:
    wall: float  # seconds
    cpu: float  # seconds, of the child and what it waited for
    anon_kib: int  # peak of RssAnon, sampled
    out: str  # standard output, where it was asked for


class AnonSampler(threading.Thread):
    """Watches RssAnon of a process until it is told to stop or the process is gone."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.path = f"/proc/{pid}/status"
        self.peak = 0
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(SAMPLE_SECONDS):
            try:
                with open(self.path) as status:
                    for line in status:
                        if line.startswith("RssAnon:"):
                            self.peak = max(self.peak, int(line.split()[1]))
                            break
            except OSError:
                return


def measure(command, env=None, cwd=None, keep_output=False, output=None, source=None):
    """Runs `command` (a list) to its end; it must end with 0. Standard input is /dev/null or the
    file object `source`; standard output goes to /dev/null, to the file object `output`, or, with
    keep_output, into the result."""
    words = [str(word) for word in command]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        stdout = output if output is not None else out if keep_output else subprocess.DEVNULL
        started = time.monotonic()
        process = subprocess.Popen(words, stdin=source or subprocess.DEVNULL, stdout=stdout,
                                   stderr=errors, env=env, cwd=cwd)
        killer = threading.Timer(CHILD_SECONDS, process.kill)
        killer.daemon = True
        killer.start()
        sampler = AnonSampler(process.pid)
        sampler.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        killer.cancel()
        sampler.ended.set()
        sampler.join()
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read().decode(errors="replace") if keep_output else ""
        if process.returncode != 0:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip()[-1500:]
            raise Failed(f"{os.path.basename(words[0])} {' '.join(words[1:4])} ...:"
                         f" exit code {process.returncode}: {said} {text[-500:]}")
    return Measured(wall, usage.ru_utime + usage.ru_stime, sampler.peak, text)


def side_by_side(runs, repeat):
    """Each of `runs` (name -> function) `repeat` times, in turn and from another first one each
    round, so that a slow minute of the machine hits all. Returns name -> list of results."""
    names = list(runs)
    results = {name: [] for name in names}
    for turn in range(repeat):
        for i in range(len(names)):
            name = names[(i + turn) % len(names)]
            results[name].append(runs[name]())
    return results


def median(values):
    return statistics.median(values)


def spread(values):
    """How far the values are apart: (largest - smallest) / median."""
    middle = median(values)
    return (max(values) - min(values)) / middle if middle else 0.0
