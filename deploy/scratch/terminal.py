"""What a person reads: steps with their time, figures, documents without their bulk."""

import contextlib
import json
import sys
import textwrap
import time

WIDTH = 80
LABEL = 13  # columns of the longest name of a step, and a blank
TIME = 8  # columns of the longest time
SHOWN = 2  # elements of an array in a document
COUNTERS = ("created", "updated", "moved", "deleted", "unchanged", "rejected")


def say(text=""):
    print(text, flush=True)


class Step:
    """One line: its name at once, its outcome and time when it is over."""

    def __init__(self):
        self.outcome = ""

    @classmethod
    @contextlib.contextmanager
    def of(cls, name):
        """`with Step.of("PostgreSQL") as step: ...; step.outcome = "15.14"`"""
        step = cls()
        started = time.monotonic()
        print(f"  {name:<{LABEL}}", end="", flush=True)
        try:
            yield step
        except BaseException:
            say()  # so that the message has a line of its own
            raise
        took = f"{time.monotonic() - started:.1f} s"
        room = WIDTH - LABEL - 2 - TIME
        outcome = step.outcome if len(step.outcome) < room else "..." + step.outcome[4 - room:]
        say(f"{outcome:<{room}}{took:>{TIME}}")


def print_figures(mappers):
    """The figures of `run --json`, a mapper a line, and their sums; without those that are 0."""
    sums = {name: sum(mapper[name] for mapper in mappers) for name in COUNTERS}
    for mapper in [*mappers, {"mapper": "all", **sums}]:
        counted = ", ".join(f"{name} {mapper[name]}" for name in COUNTERS if mapper[name])
        say(f"  {mapper['mapper']:<{LABEL}}{counted or 'nothing'}")


def print_document(document):
    """One field a line; of an array the first elements; long values are cut at the edge."""
    for name, value in document.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            say(f"    {name}:")
            for element in value[:SHOWN]:
                say(textwrap.fill(plain(element), WIDTH, initial_indent="      ",
                                  subsequent_indent="       "))
            if len(value) > SHOWN:
                say(f"      ... and {len(value) - SHOWN} more")
        else:
            say(cut(f"    {name + ':':<12} {plain(value)}"))


def plain(value):
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def cut(line):
    return line if len(line) <= WIDTH else line[:WIDTH - 3] + "..."


def complain(text):
    print(f"quickstart: {text}", file=sys.stderr, flush=True)
