"""The validator against another one: random schemas and documents, judged by both alike.

The other is Python's jsonschema. Its verdicts are written as a test suite that schema-suite runs.
Without unevaluatedItems, on which the jsonschema of Debian 12 fails.
"""
import json
import random
import subprocess

import jsonschema

import pytest

pytestmark = pytest.mark.once

GROUPS, DOCUMENTS = 800, 8
SEED = 20201202
KEYS = "abcdx"


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def value(self, depth=0):
        pick, choice = self.random.randrange, self.random.choice
        kind = pick(9 if depth < 3 else 6)
        if kind < 6:
            return choice([None, True, False, pick(-5, 20), pick(-5, 20),
                           choice([1.5, 0.1, 2.0, 1e3, -0.25]),
                           choice(["", "a", "ab", "abc", "x1", "\u00e9", 'q"'])])
        if kind == 6:
            return [self.value(depth + 1) for _ in range(pick(4))]
        return {choice(KEYS): self.value(depth + 1) for _ in range(pick(5))}

    def some(self, depth, most=3):
        return [self.schema(depth + 1) for _ in range(self.random.randrange(1, most))]

    def keywords(self, depth):
        """Each keyword with what makes a value of it."""
        pick, choice, sample = self.random.randrange, self.random.choice, self.random.sample

        def one():
            return self.schema(depth + 1)

        return {
            "type": lambda: choice(["null", "boolean", "integer", "number", "string", "array",
                                    "object", ["string", "number"], ["object", "array"]]),
            "enum": lambda: [self.value(2) for _ in range(4)],
            "const": lambda: self.value(1),
            "minimum": lambda: pick(-3, 10),
            "exclusiveMaximum": lambda: choice([3, 10, 1.5]),
            "multipleOf": lambda: choice([1, 2, 0.5, 3]),
            "minLength": lambda: pick(3),
            "maxLength": lambda: pick(4),
            "pattern": lambda: choice(["^a", "b", "^[a-c]*$", "\\d"]),
            "minItems": lambda: pick(3),
            "maxItems": lambda: pick(4),
            "uniqueItems": lambda: True,
            "required": lambda: sample(KEYS, pick(3)),
            "minProperties": lambda: pick(3),
            "maxProperties": lambda: pick(1, 5),
            "properties": lambda: {key: one() for key in sample(KEYS, pick(1, 4))},
            "additionalProperties": one,
            "patternProperties": lambda: {choice(["^[ab]", "x", "."]): one()},
            "propertyNames": lambda: {"pattern": choice(["^[a-d]", "x"])},
            "dependentRequired": lambda: {choice(KEYS): [choice(KEYS)]},
            "dependentSchemas": lambda: {choice(KEYS): one()},
            "unevaluatedProperties": one,
            "items": one,
            "prefixItems": lambda: self.some(depth),
            "contains": one,
            "minContains": lambda: pick(3),
            "maxContains": lambda: pick(1, 4),
            "allOf": lambda: self.some(depth),
            "anyOf": lambda: self.some(depth),
            "oneOf": lambda: self.some(depth, 4),
            "not": one,
            "if": one,
            "then": one,
            "else": one,
            "$ref": lambda: f"#/$defs/{pick(2)}",
        }

    def schema(self, depth=0):
        if depth > 3 or self.random.random() < 0.08:
            return self.random.choice([True, False, {}])
        table = self.keywords(depth)
        count = self.random.choice([1, 1, 2, 3, 4])
        return {key: table[key]() for key in self.random.sample(sorted(table), count)}

    def root(self):
        """With two schemas to refer to, that refer to none: there are no loops."""
        schema, definitions = self.schema(), []
        while len(definitions) < 2:
            candidate = self.schema(2)
            if "$ref" not in json.dumps(candidate):
                definitions.append(candidate)
        named = {str(n): each for n, each in enumerate(definitions)}
        return {**(schema if isinstance(schema, dict) else {}), "$defs": named}

    def group(self):
        schema = self.root()
        other = jsonschema.Draft202012Validator(schema)
        documents = [self.value() for _ in range(DOCUMENTS)]
        return {"description": json.dumps(schema), "schema": schema, "tests": [
            {"description": json.dumps(document), "data": document,
             "valid": other.is_valid(document)} for document in documents]}


def test_two_validators_judge_alike(schema_suite, tmp_path):
    maker = Maker(SEED)
    groups = [maker.group() for _ in range(GROUPS)]
    verdicts = [test["valid"] for group in groups for test in group["tests"]]
    assert 0.1 < sum(verdicts) / len(verdicts) < 0.9  # else this proves little
    folder = tmp_path / "tests/draft2020-12"
    folder.mkdir(parents=True)
    (folder / "random.json").write_text(json.dumps(groups))
    done = subprocess.run([schema_suite, tmp_path], stdout=subprocess.PIPE, text=True)
    assert done.stdout.splitlines()[-1] == f"{len(verdicts)} passed, 0 failed", done.stdout[:4000]
