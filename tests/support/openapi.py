"""ingest/serve/openapi.json, and replies held against it."""

import functools
import json
import re

import jsonschema

from .project import ROOT

DOCUMENT = json.loads((ROOT / "ingest/serve/openapi.json").read_text())
HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


def operations():
    """{(method, path)} of the document."""
    return {(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item}


def template_of(path, method="get"):
    """The path of the document that `path` is one of; the longest, if of several."""
    found = []
    for template, item in DOCUMENT["paths"].items():
        pattern = re.sub(r"\\{id\\}", ".+", re.sub(r"\\{name\\}", "[^/]+", re.escape(template)))
        if method in item and re.fullmatch(pattern, path):
            found.append(template)
    return max(found, key=len, default=None)


def resolve(value):
    while "$ref" in value:
        found = DOCUMENT
        for name in value["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        value = found
    return value


@functools.cache
def validator_of(schema):
    """@schema: as text"""
    resolver = jsonschema.RefResolver("", DOCUMENT)
    return jsonschema.Draft202012Validator(
        json.loads(schema), resolver=resolver, format_checker=jsonschema.FormatChecker())


def check_schema(schema, value):
    validator = validator_of(json.dumps(schema))
    problem = jsonschema.exceptions.best_match(validator.iter_errors(value))
    assert not problem, f"{problem.message} at {list(problem.absolute_path)} of {value}"


def check_reply(reply, path):
    """`reply` (of requests) to its request for `path` is one that the document describes, or an
    error in the form of all errors. Returns (method, template) of what was answered."""
    method = reply.request.method.lower()
    described = "get" if method == "head" else method
    for name, value in HEADERS.items():
        assert reply.headers.get(name) == value, (path, name, reply.headers)
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"], path
    template = template_of(path, described)
    code = str(reply.status_code)
    if template is None or code not in DOCUMENT["paths"][template][described]["responses"]:
        assert reply.status_code in (204, 403, 404, 405), (path, code, reply.text)
        if reply.status_code != 204 and method != "head":
            check_schema(DOCUMENT["components"]["schemas"]["Error"], reply.json())
        return None
    response = resolve(DOCUMENT["paths"][template][described]["responses"][code])
    for name in response.get("headers", ()):
        assert name in reply.headers, (path, name)
    content = response.get("content", {})
    kind = reply.headers.get("Content-Type", "").split(";")[0]
    if content and method != "head":
        assert kind in content, (path, kind)
        if kind == "application/json":
            check_schema(content[kind]["schema"], reply.json())
    return described.upper(), template
