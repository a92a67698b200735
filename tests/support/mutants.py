"""The table of the protocol's sentences: which code each stands on, and which tests notice.

tests/mutants/N-NAME.toml holds the sentences of one section of the protocol, in their order:

    title = "5. Incremental reads on PostgreSQL"

    [[sentence]]
    says = "NULL cursors are read too"         # the protocol's words, shortened
    out = "`or cursor is null` in the query"   # what is taken out of the code to prove it
    tests = ["test_since.c::null_cursors_are_read", "test_incremental.py::test_null_cursor"]
    [[sentence.edit]]                          # how; each text stands once in its file
    file = "ingest/source/postgres/since.c"
    from = '''...'''
    to = '''...'''

A sentence that no code of ours stands for (a fact about a server, a limit that the documentation
names) has `why` in place of `out`, and no edits. From the tables comes docs/protocol.md.
"""

import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLES = ROOT / "tests/mutants"
PAGE = ROOT / "docs/protocol.md"
KEYS = {"says", "out", "why", "tests", "edit"}
INTRODUCTION = """\
# What a run guarantees, sentence by sentence

Each line is a sentence of the run's protocol, what was taken out of the code to see whether
anything notices, and the tests that then fail. `tests/tools/mutants` takes each out in turn,
builds, runs the tests and expects them to fail (`--only WORD` for some). This page is written by
`tests/tools/mutants --write` from `tests/mutants`, where the exact edits are.
"""


def tables():
    """The sections in their order: (path, content)."""
    for path in sorted(TABLES.glob("*.toml")):
        yield path, tomllib.loads(path.read_text())


def sentences():
    """(path, number within its file, sentence) of every section."""
    for path, table in tables():
        for number, sentence in enumerate(table.get("sentence", []), 1):
            yield path, number, sentence


def test_file(name):
    """The file of a test named FILE::FUNCTION."""
    folder = "unit" if ".c::" in name else "integration"
    return ROOT / "tests" / folder / name.split("::")[0]


def cell(text):
    return " ".join(text.split()).replace("|", "\\|")


def page():
    """docs/protocol.md as the tables make it."""
    lines = [INTRODUCTION]
    for _, table in tables():
        lines += [f"## {table['title']}", "",
                  "| sentence | taken out | noticed by |", "|---|---|---|"]
        for sentence in table.get("sentence", []):
            tests = ", ".join(f"`{name}`" for name in sentence.get("tests", []))
            out = sentence.get("out") or "not in code: " + sentence.get("why", "")
            lines.append(f"| {cell(sentence['says'])} | {cell(out)} | {tests} |")
        lines.append("")
    return "\n".join(lines)


def edit_complaints(edit):
    path = ROOT / edit.get("file", "")
    if set(edit) != {"file", "from", "to"} or not path.is_file():
        yield f"an edit needs `file` (that exists), `from`, `to`: {edit.get('file')}"
        return
    times = path.read_text().count(edit["from"])
    if times != 1:
        yield f"{edit['file']} has the text to take out {times} times"


def sentence_complaints(sentence):
    """What is wrong with one sentence's entry."""
    if not sentence.get("says") or set(sentence) - KEYS:
        yield f"keys are {', '.join(sorted(KEYS))}; `says` is needed"
    if ("why" in sentence) == ("out" in sentence) or ("out" in sentence) != ("edit" in sentence):
        yield "either `why`, or `out` with edits"
    if "out" in sentence and not sentence.get("tests"):
        yield "no test notices when it is taken out"
    for name in sentence.get("tests", []):
        path, function = test_file(name), name.split("::")[-1]
        if not path.is_file() or not re.search(rf"\b{re.escape(function)}\(", path.read_text()):
            yield f"there is no test {name}"
    for edit in sentence.get("edit", []):
        yield from edit_complaints(edit)


def complaints():
    """All that is wrong with the tables and the page."""
    for path, number, sentence in sentences():
        for complaint in sentence_complaints(sentence):
            yield f"{path.name}: {number}, {sentence.get('says', '')[:40]}: {complaint}"
    if not PAGE.is_file() or PAGE.read_text() != page():
        yield "docs/protocol.md is not what the tables say: run tests/tools/mutants --write"


def tracked():
    done = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                          cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return [name for name in done.stdout.decode().split("\0") if name and (ROOT / name).is_file()]
