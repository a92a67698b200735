"""The schemas for editors and the parser say the same.

Both directions: every key of the option tables is in the schema with its type, limits, choices,
default and description, and nothing else is; and files, right and wrong ones, are judged alike.
"""

import copy
import json
import re
import subprocess

import jsonschema
import pytest

from support import hover, project as projects

pytestmark = pytest.mark.once

SCHEMAS = projects.ROOT / "schemas"
KINDS = {"config": "erp2couch.schema.json", "mapper": "mapper.schema.json",
         "fields": "fields.schema.json"}
EXACT_INTEGERS = 2 ** 53  # larger limits cannot stand in JSON
HELP = {"description", "markdownDescription", "enumDescriptions", "examples"}  # what editors show


def schema_of(kind):
    return json.loads((SCHEMAS / KINDS[kind]).read_text())


@pytest.fixture(scope="module")
def tables(option_tables):
    done = subprocess.run([option_tables], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def validator(schema):
    """References to the other schemas are to files beside it, as editors read them."""
    store = {name: json.loads((SCHEMAS / name).read_text()) for name in KINDS.values()}
    resolver = jsonschema.RefResolver.from_schema(schema, store=store)
    return jsonschema.Draft202012Validator(schema, resolver=resolver)


@pytest.mark.parametrize("kind", KINDS)
def test_is_a_schema(kind):
    jsonschema.Draft202012Validator.check_schema(schema_of(kind))


# What stands in a schema for each type of option; None: written by hand, its samples are below.

def whole_number(option):
    number = {"type": "integer"}
    if "min" in option:
        number["minimum"] = option["min"]
        if option["max"] < EXACT_INTEGERS:
            number["maximum"] = option["max"]
    return number


def with_minimum(ref, keyword, option):
    return {"$ref": ref, keyword: option["min"]} if option.get("min") else {"$ref": ref}


FRAGMENTS = {
    "string": lambda o: with_minimum("#/$defs/text", "minLength", o),
    "bool": lambda o: {"anyOf": [{"type": "boolean"}, {"$ref": "#/$defs/variable"}]},
    "int": lambda o: {"anyOf": [whole_number(o), {"$ref": "#/$defs/variable"}]},
    "size": lambda o: {"$ref": "#/$defs/size"},
    "duration": lambda o: {"$ref": "#/$defs/duration"},
    "choice": lambda o: {"anyOf": [{"enum": o["choices"]}, {"$ref": "#/$defs/reference"}]},
    "strings": lambda o: with_minimum("#/$defs/texts", "minItems", o),
}
# Strings that have a form of their own.
OWN_FORM = {"url", "from", "each", "timezone", "file", "token"}


def default_of(option):
    text = option["default"]
    return {"bool": lambda: text == "true", "int": lambda: int(text)}.get(
        option["type"], lambda: text)()


def objects_in(schema, root):
    """The object schemas behind @schema: itself, a reference, or an alternative."""
    if "$ref" in schema:
        yield from objects_in(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if schema.get("additionalProperties") is False:
        yield schema
    for alternative in schema.get("anyOf", []):
        yield from objects_in(alternative, root)


def differences(table, schema, root, place, extra=()):
    """Where @table and the object schema @schema do not say the same."""
    found = schema["properties"]
    keys = {name: o for name, o in table["keys"].items() if o["type"] != "later"}
    for name in set(keys) - set(found):
        yield f"{place}.{name} is in the parser only"
    for name in set(found) - set(keys) - set(extra):
        yield f"{place}.{name} is in the schema only"
    required = {name for name, option in keys.items() if option["required"]} | set(extra)
    if set(schema.get("required", [])) != required:
        yield f"{place} requires {required} in the parser, {schema.get('required')} in the schema"
    for name in set(keys) & set(found):
        yield from option_differences(keys[name], found[name], root, f"{place}.{name}")


def without_help(value):
    if isinstance(value, list):
        return [without_help(item) for item in value]
    if isinstance(value, dict):
        return {key: without_help(item) for key, item in value.items() if key not in HELP}
    return value


def option_differences(option, found, root, place):
    if found.get("description") != option["help"]:
        yield f"{place} is described as {found.get('description')!r}, not {option['help']!r}"
    if "default" in option and found.get("default") != default_of(option):
        yield f"{place} defaults to {option['default']!r}, not {found.get('default')!r}"
    if "default" not in option and "default" in found:
        yield f"{place} has a default in the schema only"
    rest = {k: without_help(v) for k, v in found.items() if k not in HELP | {"default"}}
    fragment = FRAGMENTS.get(option["type"])
    own_form = option["type"] == "string" and place.rpartition(".")[2] in OWN_FORM
    if fragment and not own_form and rest != fragment(option):
        yield f"{place} should be {fragment(option)}, not {rest}"
    if "table" in option:
        nested = list(objects_in(found, root))
        if len(nested) != 1:
            yield f"{place} is a map, the schema has {len(nested)} forms of it"
        for schema in nested:
            yield from differences(option["table"], schema, root, place)


def test_config_schema_has_the_keys_of_the_parser(tables):
    schema = schema_of("config")
    found = list(differences(tables["config"], schema, schema, "config"))
    for name, table in tables["sources"].items():
        table["keys"].update(tables["source_common"]["keys"])
        found += differences(table, schema["$defs"][name], schema, f"source {name}", {"type"})
    kinds = schema["$defs"]["source"]["properties"]["type"]["enum"]
    assert sorted(kinds) == sorted(tables["sources"])
    assert not found, "\n".join(found)


def test_mapper_schema_has_the_keys_of_the_parser(tables):
    schema = schema_of("mapper")
    found = list(differences(tables["mapper"], schema, schema, "mapper"))
    for name in ("extract", "child", "rest_extract", "rest_child", "field", "test", "replace",
                 "split", "lookup", "schedule", "full"):
        for part in objects_in(schema["$defs"][name], schema):
            found += differences(tables[name], part, schema, name)
    found += differences(tables["fields"], schema_of("fields"), schema, "fields")
    assert not found, "\n".join(found)


def test_a_difference_would_be_found(tables):
    schema = schema_of("config")
    breaches = [
        (lambda s: s["properties"].pop("http"), "config.http is in the parser only"),
        (lambda s: s["properties"].update(colour={}), "config.colour is in the schema only"),
        (lambda s: s["required"].remove("mappers"), "config requires"),
        (lambda s: s["$defs"]["couchdb"]["properties"]["max_in_flight"].update(default=9),
         "config.couchdb.max_in_flight defaults to"),
        (lambda s: s["$defs"]["couchdb"]["properties"]["retry_for"].update({"$ref": "#/x"}),
         "config.couchdb.retry_for should be"),
        (lambda s: s["properties"]["log"]["properties"]["level"]["anyOf"][0]["enum"].pop(),
         "config.log.level should be"),
        (lambda s: s["properties"]["state_dir"].update(description="x"),
         "config.state_dir is described"),
    ]
    for breach, complaint in breaches:
        changed = copy.deepcopy(schema)
        breach(changed)
        found = list(differences(tables["config"], changed, changed, "config"))
        assert len(found) == 1 and found[0].startswith(complaint), (complaint, found)


# --- the help that editors show --------------------------------------------------------------

def keys(node, place=""):
    """(place, schema) of every key that a file can have."""
    for name, value in node.get("properties", {}).items():
        yield f"{place}.{name}", value
        yield from keys(value, f"{place}.{name}")
    for name, value in node.get("$defs", {}).items():
        yield from keys(value, f"{place}.{name}")
    for alternative in node.get("anyOf", []):
        yield from keys(alternative, place)


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_is_described(kind):
    bad = [place for place, node in keys(schema_of(kind))
           if not re.match(r"[A-Z`].*[.)]$|false: ", node.get("description", ""))]
    assert not bad, f"no sentence: {bad}"


@pytest.mark.parametrize("kind", KINDS)
def test_every_choice_is_described(kind):
    for place, node in keys(schema_of(kind)):
        for part in (node, *node.get("anyOf", [])):
            if len(part.get("enum", [])) > 1:
                said = part.get("enumDescriptions", [])
                assert len(said) == len(part["enum"]) and all(said), place


@pytest.mark.parametrize("kind", KINDS)
def test_examples_are_right(kind):
    schema, seen = schema_of(kind), 0
    for place, node in keys(schema):
        check = validator({"$defs": schema.get("$defs", {}), "$id": schema["$id"], **node})
        for example in node.get("examples", []):
            check.validate(example)
            seen += 1
        if "default" in node:
            check.validate(node["default"])
    assert seen > 20 or kind == "fields"


def test_the_help_of_mappers_is_that_of_the_documentation():
    """tests/tools/hover-text --write mends it."""
    schema = schema_of("mapper")
    changed, missing = hover.with_hover(schema, hover.MAPPING.read_text(),
                                        hover.REST.read_text())
    assert not missing, "without a section in docs/mapping.md or rest.md"
    for (place, node), (_, wanted) in zip(keys(schema), keys(changed), strict=True):
        assert node == wanted, place


# --- the same verdict on files ---------------------------------------------------------------

CONFIG = {
    "version": 1,
    "couchdb": {
        "url": "https://127.0.0.1:6984", "auth": {"user": "u", "password": "p"},
        "tls": {"ca_file": "ca", "cert_file": "c", "key_file": "k"},
        "control_database": "ctl", "create": {"q": 4, "partitioned": True},
        "max_batch_docs": 10, "max_batch_bytes": "1MiB", "max_in_flight": 2, "retry_for": "1m30s",
    },
    "sources": {"erp": {"type": "postgres", "dsn": "host=h", "connect_timeout": "5s",
                        "statement_timeout": "1h", "application_name": "x", "max_runs": 3}},
    "mappers": ["m.yaml"], "schemas": "schemas", "state_dir": "state",
    "http": {"listen": "127.0.0.1:80", "token": "t", "hosts": ["a.example.com"]},
    "serve": {"max_runs": 2, "stop_timeout": "1m"},
    "log": {"level": "debug", "format": "json"},
}
MAPPER = {
    "mapper": "m", "source": "erp", "after": ["a", "b"],
    "schedule": {"cron": "*/5 * * * *", "timezone": "UTC", "jitter": "10s", "timeout": "30m",
                 "notify": "c"},
    "full": {"every": "24h"},
    "timezone": "Europe/Dublin", "max_rejects": 5,
    "extract": {
        "query": "SELECT 1", "key": ["id"], "cursor": "w", "lookback": "10m",
        "children": {"lines": {"table": "l", "key": "seq", "parent": "sale", "cursor": "w"}},
        "deletes": {"sweep": True, "max": "5%", "keep": ["type"], "every": "1h",
                    "column": "active", "when": False, "query": "SELECT 2", "key": "id"},
    },
    "target": {"database": "d", "id": "m:${sku}", "schema": "product", "on_conflict": "reject"},
    "fields": {
        "type": {"value": {"a": [1, None]}}, "sku": "code", "deep": "data.names[0].en",
        "price": {"from": "p", "type": "decimal", "scale": 2, "rounding": "half_up",
                  "as": "minor", "required": True, "trim": True, "null_if": ["", "x"]},
        "state": {"from": "s", "map": {"a": "b"}, "default": None, "keep_null": False},
        "at": {"from": "t", "type": "datetime", "timezone": "UTC", "significant": False},
        "due": {"from": "d", "type": "date", "format": "%d.%m.%Y"},
        "raw": {"from": "j", "type": "json", "numbers": "string"},
        "margin": {"expr": "row.p - 1", "type": "decimal", "when": "row.p"},
        "label": {"template": "${row.a} $$ ${doc.sku}"},
        "address": {"object": {"street": "street"}, "significant": False},
        "lines": {"each": "lines", "fields": {"qty": "q"}, "default": []},
        "tags": {"from": "t", "split": ", ", "upper": True, "lower": False,
                 "replace": [{"pattern": "(x)", "with": "$1"}, {"pattern": "y"}]},
        "words": {"from": "t", "split": {"pattern": " +"}, "replace": {"pattern": "z"}},
    },
    "tests": [{"name": "x", "given": {"id": 1}, "expect": {"_id": "m:1", "sku": 1},
               "now": "2026-01-31T08:00:00Z", "types": {"p": "text[]", "lines": {"q": "date"}}},
              {"given": {"id": 2}, "reject": "price"}],
}
# The newer keys of fields stand in a document of their own: the cost of all variants grows with the
# square of its size.
FIELDS = {
    "fields": {
        "a": "b", "include": ["f.yaml"],
        "more": {"object": {"include": "f.yaml"}},
        "named": {"object": {"include": {"from": "x"}}},
        "rate": {"lookup": {"from": "t", "query": "SELECT 3", "key": "id", "value": ["a", "b"]},
                 "required": True},
        "unit": {"from": "u", "lookup": {"map": {"a": 1, "b": [None]}, "value": "x"}},
        "tax": {"lookup": {"from": ["a", "b.c"], "file": "tax.csv", "key": ["a", "b"]}},
        "zone": {"lookup": {"file": "z.yaml", "key": "zone"}},
    },
}
# REST stands in documents of its own, too.
SOURCE = {
    **{key: CONFIG[key] for key in ("version", "couchdb", "mappers", "state_dir")},
    "couchdb": {"url": "http://127.0.0.1:5984"},
    "sources": {
        "erp": {"type": "postgres", "dsn": "host=h"},
        "a": {"type": "rest", "url": "https://h/api", "auth": {"user": "u", "password": "p"},
              "headers": {"X-Company": 1}, "params": {"p": "x"},
              "rate_limit": ["60/min", "5000/day"], "error_limit": "10/h", "max_concurrent": 2,
              "retry_for": "1m", "timeout": "2m", "connect_timeout": "5s", "idle_timeout": "30s",
              "max_record": "1MiB", "max_redirects": 1, "compressed": False,
              "tls": {"ca_file": "ca"}, "proxy": "http://proxy:3128"},
        "b": {"type": "rest", "url": "http://h", "auth": {"oauth2": {
            "token_url": "https://l/t", "grant": "refresh_token", "client_id": "c",
            "client_secret": "s", "client_auth": "basic", "scope": "x", "refresh_token": "r",
            "params": {"resource": "x"}}}},
        "c": {"type": "rest", "url": "http://h", "auth": {"session": {
            "path": "/Login", "method": "POST", "body": {"u": [1, None]}, "headers": {"X": "y"},
            "token": "t", "send": {"X": "$${token}"}, "logout": "/Logout"}}},
        "d": {"type": "rest", "url": "http://h", "rate_limit": "1/s",
              "auth": {"header": {"Authorization": "x"}}},
        "e": {"type": "rest", "url": "http://h", "auth": {"query": {"key": "x"}}},
        "f": {"type": "rest", "url": "http://h", "auth": {"bearer": "x"}},
    },
}
REST = {
    "mapper": "m", "source": "erp", "full": {"cron": "0 3 * * *", "timezone": "UTC"},
    "schedule": {"every": "1m", "jitter": "10s"}, "after": "a",
    "extract": {
        "path": "/p", "method": "POST", "params": {"a": ["b", 1]}, "headers": {"X-A": "b"},
        "body": {"since": "${cursor}", "list": [None, 1.5]}, "records": "data.items",
        "paging": {"type": "page", "param": "p", "first": 0, "size_param": "n", "size": 5,
                   "total": "t", "pages": "q", "more": "m", "stop": "pages", "max_pages": 3},
        "key": ["id"], "lookback": "1h",
        "cursor": {"field": ["d", "t"], "format": "rfc3339", "send": "%Y-%m-%d",
                   "precision": "1s", "timezone": "UTC"},
        "by_key": {"path": "/p/${id}", "records": "data"},
        "empty_on": [404, 410], "error_when": {"path": "e", "equals": "x", "message": "m",
                                                "retry": [429, "y"]},
        "children": {"lines": {"path": "/p/${id}", "records": "v", "concurrency": 2,
                               "paging": {"type": "offset", "overlap": False}}},
        "deletes": {"sweep": True, "max": "5%", "column": "s", "when": "x", "path": "/d",
                    "records": "ids", "key": "id", "paging": "link_header"},
    },
    "target": {"database": "d", "id": "m:${sku}"}, "fields": {"sku": "code"},
}
ODATA = {
    "mapper": "m", "source": "erp",
    "extract": {
        "path": "/Items", "key": "id", "cursor": {"field": "v", "filter": "v gt ${cursor}"},
        "odata": {"version": 2, "select": ["a"], "expand": "b", "filter": "c", "orderby": "d",
                  "page_size": 5},
        "error_when": "error", "empty_on": 404,
    },
    "target": {"database": "d", "id": "m:${sku}"}, "fields": {"sku": "code"},
}
# What is judged: the schema, how the parser is asked, the right document, and which part of it is
# spoilt.
RIGHT = {"config": ("config", "config", CONFIG, None), "mapper": ("mapper", "mapper", MAPPER, None),
         "fields": ("fields", "fields", FIELDS, None),
         "source": ("config", "config", SOURCE, "sources"),
         "rest": ("mapper", "rest", REST, "extract"), "odata": ("mapper", "rest", ODATA, "extract")}

VALUES = [None, True, 0, 1, -1, 1.5, 2 ** 40, "", "x", "x y", "_x", "X", "5m", "4MiB", "5%",
          "[0]", "a..b", "UTC", "json", "string", "* * * * *", "* * * * * *", "@daily",
          "@reboot", [], ["x"], [[]], {}, {"x": "y"},
          {"every": "1s"}, {"from": "a"}, {"type": "rest"}, {"table": "t", "parent": "p"}]
OWN_VALUES = {"config": ["http://h", "h:1", "[::1]:1"], "mapper": ["${x}", "p:${x}", "$${x}"],
              "fields": ["f.yaml", ["f.yaml"], "x.csv"]}

# Complaints that no schema can make: about other files, and about what stands inside a text.
PARSER_ONLY = re.compile("|".join([
    r"'mappers': (no file matches|a file name is empty)", r"unknown source", r"dsn is not a",
    r"must be from \d+ to \d+ (ms|bytes)", r"'jitter' must be shorter",
    r"'hosts' must be names", r"is no format of dates",
    r"of the pattern", r"is no pattern of a date", r"\bzone\b", r"a column's name is empty",
    r"is not the name of a table", r"there is no field", r"'tls' needs https", r"takes no ':'",
    r"there is no file", r"of the query does not end", r"'(expr|when)'(: line|: expr:\d| is empty)",
    r"is no regular expression", r"^[^ ]* 'with': ", r"'id' has no \$\{\.\.\.\}",
    r"'key' names \d+ columns", r"a map has one key", r"no such file", r"two files have a field",
    r"cannot read .*: Is a directory",
    # of REST: paths of JSON, templates, what belongs to which type of paging, auth or cursor
    r"is not a path|begins with an element", r"\$\{", r"is no (format of times|directive)",
    r"for paging of type", r"paging of type \w+ needs", r"'(size|stop)[^']*' (means nothing|needs)",
    r"asked for twice", r"the same parameter|stands in 'params', too", r"names column '.*' twice",
    r"the cursor is (never sent|sent in more)", r"'cursor' needs", r"this key is for times",
    r"names no column of its parent", r"needs method POST|asks by GET", r"is for SQL sources",
    r"is for REST sources", r"'field' names \d+ fields", r"is set by the program",
    r"carries (a time|credentials)", r"two rates of the same time", r"longer than 'timeout'",
    r"'tls' needs", r"'grant: \w+' needs|needs 'grant", r"needs 'client_secret'",
    r"is sent (by|already)", r"method.* of a log-in", r"sends no 'body'",
    r"'path' must begin with /", r"holds a user", r"no token has", r"'(logout|path)' must",
    r"'send' does not name",
]))


def places(value, path=()):
    """The path of every value in a document."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else \
        enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield from places(below, path + (key,))


def changed(document, path, change):
    copied = copy.deepcopy(document)
    parent = copied
    for step in path[:-1]:
        parent = parent[step]
    change(parent, path[-1])
    return copied


def variants(case):
    """The right document with each value replaced, each key removed or misspelt."""
    kind, _, document, part = RIGHT[case]
    for path in places(document):
        if part and path[0] != part:
            continue
        for value in VALUES + OWN_VALUES[kind]:
            yield changed(document, path, lambda p, k, v=value: p.__setitem__(k, v))
        yield changed(document, path, lambda p, k: p.__delitem__(k))
        if isinstance(path[-1], str):
            yield changed(document, path, lambda p, k: p.__setitem__(k + "_", p.pop(k)))


def verdicts(option_tables, kind, documents, folder):
    """What the parser says of each document; JSON is YAML."""
    names = []
    mapper = changed(MAPPER, ("target", "schema"), lambda p, k: p.__delitem__(k))
    del mapper["after"]  # a schema and other mappers would have to be there
    (folder / "m.yaml").write_text(json.dumps(mapper))
    (folder / "f.yaml").write_text("fields: {included: x}")
    (folder / "schemas").mkdir()
    (folder / "schemas/product.schema.json").write_text("{}")
    for number, document in enumerate(documents):
        names.append(f"{number}.json")
        (folder / names[-1]).write_text(json.dumps(document))
    done = subprocess.run([option_tables, kind, *names], cwd=folder, stdout=subprocess.PIPE,
                          check=True)
    said = done.stdout.decode().splitlines()
    assert len(said) == len(documents)
    return said


def test_our_own_files_are_right(option_tables):
    """What `init` writes, and every mapper that comes with the program."""
    files = [path for folder in ("cmd/templates", "mappers", "tests/data")
             for path in sorted((projects.ROOT / folder).rglob("*.yaml"))]
    assert any(path.parts[-2] == "mappers" for path in files)
    done = subprocess.run([option_tables, "json", *files], stdout=subprocess.PIPE, check=True)
    for path, line in zip(files, done.stdout.decode().splitlines(), strict=True):
        document = json.loads(line)
        kind = next((k for k in ("mapper", "couchdb") if k in document), "fields")
        kind = {"couchdb": "config"}.get(kind, kind)
        problem = jsonschema.exceptions.best_match(validator(schema_of(kind)).iter_errors(document))
        assert problem is None, f"{path}: {problem.message} at {list(problem.absolute_path)}"


@pytest.mark.parametrize("case", RIGHT)
def test_files_are_judged_alike(option_tables, case, tmp_path):
    kind, parser, right, _ = RIGHT[case]
    documents = [right, *variants(case)]
    check = validator(schema_of(kind))
    said = verdicts(option_tables, parser, documents, tmp_path)
    assert said[0] == "ok" and check.is_valid(right)
    too_strict, too_lax = [], []
    for document, message in zip(documents, said):
        valid = check.is_valid(document)
        if not valid and message == "ok":
            problem = jsonschema.exceptions.best_match(check.iter_errors(document))
            too_strict.append(f"{problem.message} at {list(problem.absolute_path)}")
        elif valid and message != "ok" and not PARSER_ONLY.search(message):
            too_lax.append(message)
    assert not too_strict, "\n".join(["the schema refuses what the parser takes:", *too_strict])
    assert not too_lax, "\n".join(["the schema takes what the parser refuses:", *too_lax])
