"""The model in schemas/: each file by itself, its examples, its README. Needs no server."""

import copy
import json
import re

import jsonschema
import pytest

from support import model
from support.project import ROOT

pytestmark = pytest.mark.once

TYPES = ("product category price_list customer_price customer address contact rep stock order quote"
         " invoice payment statement tax unit currency promotion").split()
README = (model.FOLDER / "README.md").read_text()
EXAMPLES = {kind: model.SCHEMAS[kind]["examples"] for kind in model.SCHEMAS}


def objects(schema):
    """Every part of a schema that describes an object."""
    return [part for part in model.parts(schema)
            if isinstance(part, dict) and part.get("type") == "object"]


def test_there_is_a_schema_for_each_type():
    assert set(model.SCHEMAS) == set(TYPES)


@pytest.mark.parametrize("name", model.FILES)
def test_is_a_schema_that_says_what_it_means(name):
    schema = model.FILES[name]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == name and schema["title"] and schema["description"]
    for part in objects(schema):
        for field, about in part.get("properties", {}).items():
            assert about.get("description"), f"{field} is not described"
        if "properties" in part:
            assert part["additionalProperties"] is False and "^x_" in part["patternProperties"]
            assert set(part.get("required", [])) <= set(part["properties"])
    for about in schema.get("$defs", {}).values():
        assert about["title"] and about["description"]
        for example in about.get("examples", []):
            check = {"$ref": "common.schema.json#/$defs/" + next(
                key for key, value in schema["$defs"].items() if value is about)}
            model.validator("tax").evolve(schema=check).validate(example)


@pytest.mark.parametrize("kind", TYPES)
def test_examples_fit_and_show_what_is_required(kind):
    schema = model.SCHEMAS[kind]
    assert schema["properties"]["type"]["const"] == kind
    assert schema["examples"]
    for example in schema["examples"]:
        assert not model.faults([example])
        for field in schema["required"]:
            less = {key: value for key, value in example.items() if key != field}
            with pytest.raises(jsonschema.ValidationError, match=f"'{field}' is a required"):
                model.validator(kind).validate(less)


def broken(example):
    """Copies of a document with one thing wrong each."""
    yield "a field that nobody knows", {**example, "custmer": "customer:1"}
    yield "another type", {**example, "type": "thing"}
    yield "an id of another type", {**example, "_id": "thing:1"}
    for key, value in example.items():
        if key.startswith("x_"):
            continue
        text = value if isinstance(value, str) else ""
        if re.fullmatch(r"-?\d+[.]\d+", text):
            yield f"{key} as a number", {**example, key: float(value)}
            yield f"{key} with an exponent", {**example, key: "1e3"}
        if re.fullmatch(r"[a-z_]+:\d+", text) and key != "_id":
            yield f"{key} without its type", {**example, key: text.partition(":")[2]}
        if text and (key in model.SCHEMAS[example["type"]]["required"] or key == "updated"):
            yield f"{key} empty", {**example, key: ""}
        yield f"{key} null", {**example, key: None}
        if isinstance(value, list) and value and isinstance(value[0], dict):
            changed = copy.deepcopy(example)
            changed[key][0]["surprise"] = 1
            yield f"an unknown field in {key}", changed


@pytest.mark.parametrize("kind", TYPES)
def test_what_is_wrong_does_not_fit(kind):
    check = model.validator(kind)
    taken = [what for example in EXAMPLES[kind] for what, doc in broken(example)
             if check.is_valid(doc)]
    assert taken == []
    assert check.is_valid({**EXAMPLES[kind][0], "x_own": {"any": [1, None]}})


@pytest.mark.parametrize("kind", TYPES)
def test_annotations_name_fields_that_there_are(kind):
    schema = model.SCHEMAS[kind]
    said = schema["x-erp2couch"]
    assert set(said["tombstone"]) <= set(schema["properties"]) and "type" in said["tombstone"]
    for index in said["indexes"]:
        assert {field.partition(".")[0] for field in index["fields"]} <= set(schema["properties"])
        assert index["fields"][0] == "type" or index["partial_filter_selector"]["type"] == kind


# ---- the README ----

def test_the_picture_shows_every_reference():
    drawn = set(re.findall(r"^ +(\w+) --> (\w+)$", README, re.M))
    everywhere = {"currency", "unit", "tax"}
    assert drawn == {(kind, to) for kind, schema in model.SCHEMAS.items()
                     for to in set(model.references(schema)) - everywhere - {kind}}


PACKS = {path.parent.name for path in (ROOT / "mappers").glob("*/product.yaml")}


def test_the_table_names_what_is_required():
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \| ([^|]+) \|$", README, re.M)
    assert [kind for kind, _, _ in rows] and {kind for kind, _, _ in rows} == set(TYPES)
    for kind, required, packs in rows:
        names = re.findall(r"`(\w+)`", required.partition(", and")[0])
        assert ["type", *names] == model.SCHEMAS[kind]["required"], kind
        have = {path.parent.name for path in (ROOT / "mappers").glob(f"*/{kind}.yaml")}
        said, _, but = packs.partition(":")[0].partition(" but ")
        without = {name.strip().lower().replace(" ", "-") for name in but.split(",") if name}
        assert said in ("all", "none") and without <= PACKS
        assert have == (PACKS - without if said == "all" else set()), kind


def test_json_of_the_readme_is_right():
    blocks = re.findall(r"^```json\n(.*?)^```$", README, re.M | re.S)
    own, annotation, query = (json.loads(block if block.startswith("{") else "{" + block + "}")
                              for block in blocks)
    assert set(annotation["x-erp2couch"]) == set(model.SCHEMAS["order"]["x-erp2couch"])
    assert set(query) == {"selector", "sort"}
    check = model.validator("product").evolve(schema=own)
    example = EXAMPLES["product"][0]
    assert check.is_valid(example)
    assert not check.is_valid({**example, "x_warranty_years": -1})
    assert not check.is_valid({**example, "x_warranty_years": 1, "nme": 1})
