"""The help that editors show for the keys of a mapper, taken from docs/mapping.md and rest.md.

A key's `markdownDescription` in schemas/mapper.schema.json is its section there: the text, and the
first example as far as it shows the key. So there is one text, and its example is run. Keys of REST
have theirs in docs/rest.md; those that stand in several places, or are as for SQL, share one.
`tests/tools/hover-text --write` writes it.
"""

import json
import re

from support import docs

SCHEMA = docs.ROOT / "schemas/mapper.schema.json"
MAPPING = docs.ROOT / "docs/mapping.md"
REST = docs.ROOT / "docs/rest.md"
# The headings of the keys in each object of the schema; `fields` and others have two sections.
PREFIXES = {"": "", "extract": "extract.", "child": "extract.children.", "field": "",
            "test": "tests.", "lookup": "lookup.", "fields": "", "split": "split.",
            "replace": "replace.", "rest_extract": "extract.",
            "rest_child": "extract.children.", "rest_paging": "extract.paging.",
            "rest_cursor": "extract.cursor.", "schedule": "schedule.", "full": "full."}
# A call is described once, wherever it stands; what is no key of a call has no dot behind it.
CALL = re.compile(r"^extract\.(?:children|by_key|deletes)\.(?=(?:path|method|params|headers|body|"
                  r"records|paging)$)")
OTHERS = {("field", "timezone"): "timezone of a field", ("field", "fields"): "fields of each"}
HOVER = "markdownDescription"


def sections(text):
    """What stands below each heading, by its text without back-quotes."""
    found, heading, fenced = {}, None, False
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        if line.startswith("#") and not fenced:
            heading = line.lstrip("# ").replace("`", "")
            found[heading] = ""
        elif heading is not None:
            found[heading] += line + "\n"
    return found


def hover(body, is_test):
    """The text in front of the first example, and that example, else without its tests."""
    prose, _, rest = body.partition("```yaml\n")
    prose = re.sub(r"^`[\w./-]+`:\n```.*?^```\n", "", prose, flags=re.M | re.S)
    prose = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", prose)
    paragraphs = [re.sub(r"(?<!\|)\n *(?![ |-])", " ", part)
                  for part in prose.strip().split("\n\n")]
    example = rest.partition("```")[0].rstrip()
    example = example if is_test else example.partition("tests:\n")[0].rstrip()
    return "\n\n".join(paragraphs + ([f"```yaml\n{example}\n```"] if example else []))


def named(found, prefix, key):
    """The section of a key: several may share one ("upper, lower")."""
    for heading, body in found.items():
        if prefix + key in heading.split(", "):
            return body
    return None


def places(schema):
    """(the key's prefix or the pair for OTHERS, key, node) of each key of a mapper."""
    def walk(node, kind, prefix):
        for key, value in node.get("properties", {}).items():
            if key.startswith("_"):
                continue  # of a document
            yield kind, prefix, key, value
            yield from walk(value, kind, f"{prefix}{key}.")
        for alternative in node.get("anyOf", []):
            if alternative.get("type") == "object":
                yield from walk(alternative, kind, prefix)

    for kind, prefix in PREFIXES.items():
        if not kind or kind in schema["$defs"]:
            yield from walk(schema["$defs"][kind] if kind else schema, kind, prefix)


def rest_section(rest, mapping, name):
    """The section of a key of REST: its own, that of the call, that of SQL, that of its map."""
    places = [(rest, name), (rest, CALL.sub("extract.", name)), (mapping, name),
              (rest, name.rpartition(".")[0])]
    return next((body for found, key in places if (body := named(found, "", key))), None)


def with_hover(schema, text, rest):
    """A copy of the schema with that help. Returns it, and the keys that have no section."""
    schema, found, missing = json.loads(json.dumps(schema)), sections(text), []
    of_rest = sections(rest)
    for kind, prefix, key, node in places(schema):
        other = OTHERS.get((kind, prefix + key))
        body = rest_section(of_rest, found, prefix + key) if kind.startswith("rest_") else \
            found.get(other) if other else named(found, prefix, key)
        node.pop(HOVER, None)
        if body is None:
            missing.append(f"{kind or 'mapper'}: {prefix}{key}")
            continue
        rest = {name: value for name, value in node.items() if name != "description"}
        for name in rest:
            del node[name]
        node[HOVER] = hover(body, (prefix + key).startswith("tests"))
        node.update(rest)
    return schema, missing
