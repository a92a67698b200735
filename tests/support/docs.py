"""The examples in our Markdown: fenced blocks, and what stands around them.

docs/mapping.md shows mappers in whole or in part. A part is completed with what the page says at
its beginning; keys that it has itself stay, and it stays where it is, so that the lines of
messages are those of the block.
"""

import json
import re
from dataclasses import dataclass, field

from support import project as projects

ROOT = projects.ROOT
FENCE = re.compile(r"^```(\w*)\s*$")
FILE_NAME = re.compile(r"^`([\w./-]+)`:$")  # a line of its own: the block behind it is this file

MAPPER = {
    "mapper": "example",
    "source": "erp",
    "extract": {"table": "item", "key": "id"},
    "target": {"database": "example", "id": "example:${row.id}"},
    "fields": {"name": "name"},
}
CONFIG = {
    "version": 1,
    "couchdb": {"url": "http://127.0.0.1:5984"},
    "sources": {"erp": {"type": "postgres", "dsn": "host=127.0.0.1 dbname=erp"}},
    "mappers": ["mappers/*.yaml"],
    "state_dir": "state",
}


@dataclass
class Block:
    """One fenced block."""

    path: str
    line: int  # of its first line, from 1
    language: str
    text: str
    section: str  # the heading above it
    name: str = ""  # the file that it is
    files: dict = field(default_factory=dict)  # of its section, in front of it
    said: str = ""  # the `text` block behind it: what the program says of it

    @property
    def place(self):
        return f"{self.path}:{self.line}"

    @property
    def top_keys(self):
        """Keys of the outermost map of a YAML block."""
        return re.findall(r"^([A-Za-z_]\w*):", self.text, re.M)

    def completed(self, base):
        """The text with those keys of `base` behind it that it has not itself."""
        missing = {key: value for key, value in base.items() if key not in self.top_keys}
        return self.text + "".join(f"{key}: {json.dumps(value)}\n"
                                   for key, value in missing.items())

    def mapper(self, name=MAPPER["mapper"]):
        """As a mapper file. A part may get a name of its own; its records have id: 1."""
        text = self.text
        if "extract" not in self.top_keys or re.search(r"\bkey: id\b", text):
            text = re.sub(r"(given:\s*\{)(?![^}]*\bid:)", r"\1id: 1, ", text)
        target = {**MAPPER["target"], "id": name + ":${row.id}"}
        part = Block(self.path, self.line, self.language, text, self.section)
        return part.completed({**MAPPER, "mapper": name, "target": target})


def documents():
    """The Markdown files of the repository that people read."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("*/README.md"),
             *(ROOT / "mappers").glob("*/README.md"), *(ROOT / "deploy").glob("*/README.md")]
    return sorted(path for path in set(found) if path.name != "CHANGELOG.md")


def blocks(path):
    """The fenced blocks of a Markdown file."""
    found, section, files, name, inside = [], "", {}, "", None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        fence = FENCE.match(line)
        if inside is None and fence:
            inside = Block(str(path.relative_to(ROOT)), number + 1, fence[1], "", section, name,
                           dict(files))
        elif inside is not None and fence and not fence[1]:
            if inside.name:
                files[inside.name] = inside.text
            if inside.language == "text" and found and not inside.name:
                found[-1].said = inside.text
            found.append(inside)
            inside, name = None, ""
        elif inside is not None:
            inside.text += line + "\n"
        elif line.startswith("#"):
            section, files, name = line.lstrip("# "), {}, ""
        elif line.strip():
            named = FILE_NAME.match(line)
            name = named[1] if named else ""
    assert inside is None, f"{path}: the block at line {inside.line} has no end"
    return found


def sections(path):
    """The headings of a Markdown file."""
    return re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", path.read_text(),
                                           flags=re.M | re.S), re.M)
