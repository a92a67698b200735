"""What every mapper pack keeps, whatever its ERP. Needs no ERP's data and no server."""

import json
import re
import subprocess

import jsonschema
import pytest

from support import model, packs
from support.project import ROOT

pytestmark = pytest.mark.once

PACKS = sorted({path.parent.name for path in packs.FOLDER.glob("*/*.yaml")})
MAPPERS = [(pack, name) for pack in PACKS for name in packs.mappers(pack)]
TYPES = {"product", "category", "customer", "rep", "stock", "order", "unit", "currency"}
# Of those that an API may not give: the pack's README says why it has none.
MORE = {"price_list", "tax", "invoice"}
SQL = {"odoo", "tryton"}
SCHEMA = json.loads((ROOT / "schemas/mapper.schema.json").read_text())


@pytest.fixture(scope="module")
def parsed(option_tables):
    """{(pack, mapper): the file as the program's own YAML parser reads it}"""
    files = [packs.mappers(pack)[name] for pack, name in MAPPERS]
    done = subprocess.run([option_tables, "json", *files], stdout=subprocess.PIPE, check=True)
    return dict(zip(MAPPERS, map(json.loads, done.stdout.decode().splitlines()), strict=True))


def test_there_are_packs():
    assert SQL | {"odoo-jsonrpc", "business-central", "dolibarr", "erpnext"} == set(PACKS)


@pytest.mark.parametrize("pack", PACKS)
def test_pack_is_whole(pack):
    """All documents that packs have in common; the others where the ERP gives them; a README, with
    the rights that are needed, and with the source of an API."""
    assert TYPES <= set(packs.mappers(pack)) <= TYPES | MORE
    readme = (packs.FOLDER / pack / "README.md").read_text()
    for name in packs.mappers(pack):
        assert f"`{name}:" in readme, f"the README does not tell of {name}"
    for name in MORE - {"invoice"} - set(packs.mappers(pack)):
        assert f"no `{name}`" in readme.replace("\n", " "), f"the README does not say why no {name}"
    assert (pack in SQL) == ("GRANT SELECT" in readme)
    if pack not in SQL:
        for words in ("type: rest", "rate_limit:", "max_concurrent:", "## What is read when",
                      "## Limits and errors"):
            assert words in readme, words


@pytest.mark.parametrize("pack, name", MAPPERS)
def test_mapper_has_the_form_of_a_pack(parsed, pack, name):
    mapper = parsed[pack, name]
    jsonschema.Draft202012Validator(SCHEMA).validate(mapper)
    assert (mapper["mapper"], mapper["source"]) == (name, "erp")
    assert mapper["target"]["database"] == "erp"
    assert mapper["target"]["schema"] == name
    assert re.fullmatch(re.escape(name) + r":\$\{[\w.]+\}", mapper["target"]["id"])
    assert mapper["fields"]["type"] == {"value": name}
    assert list(mapper["fields"])[0] == "type"
    assert mapper["fields"]["updated"]["significant"] is False
    assert mapper["tests"][0]["expect"]["_id"].startswith(name + ":")
    assert ("path" in mapper["extract"]) == (pack not in SQL)
    assert "cursor" not in mapper["extract"] or "full" in mapper
    text = packs.mappers(pack)[name].read_text()
    assert re.match(r"# \S.*\n(#.*\n)+mapper: ", text), "a comment at its top tells what it is"


def places(fields, schema):
    """(name, schema) of every field of a mapper, with the schema of the object that it is in."""
    for name, field in fields.items():
        yield name, schema
        below = field if isinstance(field, dict) else {}
        for key, inner in (("object", below.get("object")), ("each", below.get("fields"))):
            if inner:
                part = model.resolve(schema["properties"][name], schema)
                yield from places(inner, model.resolve(part["items"], part) if key == "each"
                                  else part)


@pytest.mark.parametrize("pack, name", MAPPERS)
def test_fields_are_those_of_the_schema(parsed, pack, name):
    """All of them, also those that no record of a test's database has."""
    mapper = parsed[pack, name]
    schema = model.SCHEMAS[name]
    for field, part in places(mapper["fields"], schema):
        assert field in part["properties"], field
    assert set(schema["required"]) <= set(mapper["fields"])
    assert set(schema["x-erp2couch"]["tombstone"]) <= set(schema["properties"])


@pytest.mark.parametrize("pack", PACKS)
def test_pack_is_checked(make_project, pack):
    """As an operator uses it: the files where they are, a source `erp`."""
    project = make_project()
    project.configure(mappers=[str(packs.FOLDER / pack / "*.yaml")],
                      schemas=str(ROOT / "schemas"))
    if pack not in SQL:
        project.configure(sources={"erp": {"type": "rest", "dsn": None,
                                           "url": "https://erp.example.com/api"}})
    answer = project.erp2couch("check", "--json").expect(0).json
    assert {mapper["mapper"] for mapper in answer["mappers"] if mapper["ok"]} == set(
        packs.mappers(pack))
    project.erp2couch("test").expect(0)
