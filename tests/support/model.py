"""The schemas of document types, schemas/TYPE.schema.json, for Python's jsonschema."""

import json
import re
import warnings

import jsonschema

from .project import ROOT

FOLDER = ROOT / "schemas"
EDITOR = {"mapper", "fields", "erp2couch"}  # schemas of our own YAML files
COMMON = "common"


def load(path):
    return json.loads(path.read_text())


FILES = {path.name: load(path) for path in sorted(FOLDER.glob("*.schema.json"))
         if path.name.partition(".")[0] not in EDITOR}
SCHEMAS = {name.partition(".")[0]: schema for name, schema in FILES.items()
           if not name.startswith(COMMON)}


def home(schema):
    """The file that a part of a schema stands in: references without a file are to it."""
    for name, whole in FILES.items():
        if any(part is schema for part in parts(whole)):
            return name
    raise AssertionError("no part of a schema")


def parts(value):
    yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(
            value, list) else ():
        yield from parts(item)


def resolve(schema, base):
    """What `schema`, found in the same file as `base`, stands for when references are followed."""
    while "$ref" in schema:
        name, _, pointer = schema["$ref"].partition("#")
        base = FILES[name] if name else FILES[home(schema)]
        schema = base
        for step in pointer.strip("/").split("/"):
            schema = schema[step] if step else schema
    return schema


def validator(kind):
    """Of documents of that type; formats are asserted."""
    schema = SCHEMAS[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Debian 12 has only this
        resolver = jsonschema.RefResolver("", schema, store=FILES)
    return jsonschema.Draft202012Validator(schema, resolver=resolver,
                                           format_checker=jsonschema.FormatChecker())


def faults(docs):
    """What is wrong with documents, each by the schema of its type: at most one line a document."""
    by_type = {kind: validator(kind) for kind in {doc["type"] for doc in docs}}
    found = []
    for doc in docs:
        fault = next(by_type[doc["type"]].iter_errors(doc), None)
        if fault:
            place = "/".join(map(str, fault.absolute_path))
            found.append(f"{doc['_id']} {place}: {fault.message[:200]}")
    return found


def references(schema):
    """The types that documents of a schema may name."""
    for part in parts(schema):
        target = part.get("$ref") if isinstance(part, dict) else None
        if not isinstance(target, str):
            continue
        kind = re.search(r"/ref_(\w+)$", target)
        if kind:
            yield kind.group(1)
        else:
            yield from references(resolve(part, schema))
