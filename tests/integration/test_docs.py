"""The documentation is true: its YAML is what editors accept, and its examples do what they say.

Every YAML block of our Markdown is valid by the schemas for editors. Every mapper in
docs/mapping.md is run by `erp2couch test`; where the page shows a message behind it, the program
must say that. Those in docs/rest.md are checked.
"""

import json
import re
import subprocess

import jsonschema
import pytest

from support import docs
from support.project import ROOT, Exit

pytestmark = pytest.mark.once

MAPPING = ROOT / "docs/mapping.md"
REST = ROOT / "docs/rest.md"
COMPARISON = ROOT / "docs/comparison.md"
SCHEMAS = {path.name: json.loads(path.read_text())
           for name in ("erp2couch", "mapper", "fields")
           for path in (ROOT / "schemas").glob(name + ".schema.json")}
# What a look-up reads, what Redpanda Connect does and Prometheus: no files of ours.
FOREIGN = {"input", "scrape_configs"}


def validator(name):
    resolver = jsonschema.RefResolver.from_schema(SCHEMAS[name], store=SCHEMAS)
    return jsonschema.Draft202012Validator(SCHEMAS[name], resolver=resolver)


def as_json(option_tables, folder, texts):
    """YAML texts as our own parser reads them."""
    names = [f"{number}.yaml" for number in range(len(texts))]
    for name, text in zip(names, texts):
        (folder / name).write_text(text)
    done = subprocess.run([option_tables, "json", *names], cwd=folder, stdout=subprocess.PIPE,
                          check=True)
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def kind_of(block):
    """Which schema a YAML block is for, and what completes it; None: it is no file of ours."""
    keys = set(block.top_keys)
    if not keys or keys & FOREIGN or block.name.startswith("lookup"):
        return None
    if block.name and keys == {"fields"}:
        return "fields.schema.json", {}
    if keys <= set(SCHEMAS["mapper.schema.json"]["properties"]):
        return "mapper.schema.json", docs.MAPPER
    return "erp2couch.schema.json", docs.CONFIG


def yaml_blocks():
    """Those that no message stands behind: there the program says what is wrong."""
    return [block for path in docs.documents() for block in docs.blocks(path)
            if block.language == "yaml" and not block.said]


def test_yaml_is_valid_by_the_schemas(option_tables, tmp_path):
    found = [(block, kind_of(block)) for block in yaml_blocks()]
    ours = [(block, *kind) for block, kind in found if kind]
    assert {name for _, name, _ in ours} == set(SCHEMAS), "a kind of file has no example"
    values = as_json(option_tables, tmp_path, [b.completed(base) for b, _, base in ours])
    wrong = []
    for (block, name, _), value in zip(ours, values, strict=True):
        problem = jsonschema.exceptions.best_match(validator(name).iter_errors(value))
        if problem:
            wrong.append(f"{block.place}: {problem.message} at {list(problem.absolute_path)}")
    assert not wrong, "\n".join(wrong)


def test_the_comparison_shows_a_mapper_of_the_pack(option_tables, tmp_path):
    """What it shows is in the shipped file, too, which may have more."""
    shown = next(b for b in docs.blocks(COMPARISON) if "mapper" in b.top_keys)
    shipped = ROOT / "mappers/odoo/stock.yaml"
    ours, theirs = as_json(option_tables, tmp_path, [shown.text, shipped.read_text()])
    for key in ("mapper", "source", "extract", "timezone", "fields"):
        assert ours[key] == theirs[key], key
    assert ours["target"].items() <= theirs["target"].items()


# --- docs/mapping.md -------------------------------------------------------------------------

@pytest.fixture(scope="module")
def examples():
    return [block for block in docs.blocks(MAPPING)
            if block.language == "yaml" and not block.name and kind_of(block)
            and kind_of(block)[0] == "mapper.schema.json"]


def with_schemas(make_project):
    made = make_project()
    (made.folder / "schemas").symlink_to(ROOT / "schemas")
    return made.configure(schemas="schemas")


def project_of(make_project, blocks):
    """A folder with these examples, each a mapper in a file of its own; by the mapper's name."""
    made, names = with_schemas(make_project), {}
    for block in blocks:
        text = block.mapper(f"l{block.line}" if len(blocks) > 1 else "example")
        made.mapper(f"l{block.line}", text)
        names[re.search(r"^mapper: *\W?([\w-]+)", text, re.M)[1]] = block
        for file, content in block.files.items():
            path = made.folder / "mappers" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
    others = {file for block in blocks for file, text in block.files.items() if "mapper:" in text}
    made.configure(mappers=[*(f"mappers/l{block.line}.yaml" for block in blocks),
                            *(f"mappers/{file}" for file in sorted(others))])
    return made, names


def grouped(blocks):
    """Those that can stand in one configuration are run together: parts whose ids are their own."""
    parts = [b for b in blocks if not {"mapper", "target"} & set(b.top_keys)
             and not b.files and "_id:" not in b.text]
    return [parts] + [[b] for b in blocks if b not in parts]


def not_shown(block, mapper):
    """Fields that an example has, and its tests do not look at."""
    shown = "tests" in block.top_keys and "target" not in block.top_keys
    return mapper["coverage"]["unasserted"] if shown else []


def test_examples_do_what_they_say(make_project, examples):
    wrong, ran = [], 0
    for group in grouped([b for b in examples if not b.said]):
        made, names = project_of(make_project, group)
        result = made.erp2couch("test", "--json", *names)
        if result.code == Exit.CONFIG and "mappers" not in result.json:
            line = re.search(r"l(\d+)\.yaml:(\d+)", result.out)
            wrong.append(f"docs/mapping.md:{int(line[1]) + int(line[2]) - 1 if line else '?'}:"
                         f" {result.json['error']['message']}")
            continue
        for mapper in result.json["mappers"]:
            block = names[mapper["mapper"]]
            ran += len(mapper["tests"])
            wrong += [f"{block.place}: {test.get('error') or test['differences']}"
                      for test in mapper["tests"] if test["outcome"] != "ok"]
            wrong += [f"{block.place}: {name} is not shown" for name in not_shown(block, mapper)]
    assert not wrong, "\n".join(wrong)
    assert ran > 50


def test_mistakes_are_said_as_shown(make_project, examples):
    wrong = []
    for block in [b for b in examples if b.said]:
        made = with_schemas(make_project)
        made.mapper("example", block.mapper())
        said = made.erp2couch("check").expect(Exit.CONFIG).err
        if block.said.strip() not in said.replace('\\"', '"'):
            wrong.append(f"{block.place}: {said}")
    assert not wrong, "\n".join(wrong)


def keys_of(tables):
    """Every key of a mapper as the headings name it: "trim", "target.id", "extract.key"."""
    def walk(table, prefix=""):
        for name, option in table["keys"].items():
            if option["type"] != "later":
                yield prefix + name
                if "table" in option:
                    yield from walk(option["table"], f"{prefix}{name}.")

    places = {"mapper": "", "extract": "extract.", "child": "extract.children.", "field": "",
              "test": "tests.", "lookup": "lookup.", "replace": "replace.", "split": "split.",
              "schedule": "schedule.", "full": "full."}
    for table, prefix in places.items():
        if table in tables:
            yield from walk(tables[table], prefix)


def test_every_key_has_a_section(option_tables):
    done = subprocess.run([option_tables], stdout=subprocess.PIPE, check=True)
    keys = set(keys_of(json.loads(done.stdout)))
    described = {name for heading in docs.sections(MAPPING)
                 for name in re.findall(r"`([\w.]+)`", heading)}
    assert keys - described == set(), "without a section in docs/mapping.md"
    assert described - keys - {"include"} == set(), "sections of keys that there are not"


@pytest.mark.parametrize("page", [MAPPING, REST], ids=lambda page: page.stem)
def test_every_section_of_a_key_has_an_example(page):
    """The key stands in a block below its heading."""
    missing = []
    for heading in docs.sections(page):
        shown = "".join(b.text for b in docs.blocks(page)
                        if b.section == heading and b.language == "yaml")
        missing += [name for name in re.findall(r"`([\w.]+)`", heading)
                    if not re.search(rf"\b{name.rpartition('.')[2]}:", shown)]
    assert not missing, missing
    assert page.read_text().startswith("# ")


# --- docs/rest.md ----------------------------------------------------------------------------

def test_every_key_of_a_rest_source_is_described(option_tables):
    """Keys of its mappers: test_editor_schemas.py, which takes the help of editors from here."""
    def walk(table):
        for name, option in table["keys"].items():
            yield name
            yield from walk(option["table"]) if "table" in option else ()

    done = subprocess.run([option_tables], stdout=subprocess.PIPE, check=True)
    rest = json.loads(done.stdout)["sources"]["rest"]
    headings = {name for heading in docs.sections(REST)
                for name in re.findall(r"`([\w.]+)`", heading)}
    text = REST.read_text()
    assert set(rest["keys"]) - headings == set()
    assert [name for name in walk(rest) if not re.search(rf"\b{name}\b", text)] == []


def rest_sources(option_tables, folder):
    """Those that the page shows, under names of their own; its variables have values."""
    shown = [b for b in docs.blocks(REST) if "sources" in b.top_keys]
    values = as_json(option_tables, folder, [b.text for b in shown])
    sources = {f"l{block.line}_{name}": source for block, value in zip(shown, values)
               for name, source in value["sources"].items()}
    text = re.sub(r"\$\{(file:[^}]*|[A-Z]\w*)\}", "x", json.dumps(sources))
    return json.loads(text)


def test_sources_and_mappers_of_rest_are_right(make_project, option_tables, tmp_path):
    """Each mapper in a file of its own; all by one `check`."""
    made = make_project()
    for block in (b for b in docs.blocks(REST) if b.language == "yaml"):
        if kind_of(block)[0] == "mapper.schema.json":
            text = block.mapper(f"l{block.line}").replace('source: "erp"', "source: shop")
            made.mapper(f"l{block.line}", text)
    made.configure(sources={**rest_sources(option_tables, tmp_path),
                            "shop": {"type": "rest", "url": "http://127.0.0.1:9"}})
    done = made.erp2couch("check", "--json")
    assert done.code == 0, done.out
    assert len(done.json["mappers"]) > 50


def test_links_lead_somewhere():
    broken = []
    for path in docs.documents():
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
            file, _, anchor = target.partition("#")
            if re.match(r"\w+:", target):
                continue
            found = (path.parent / file).resolve() if file else path
            if not found.exists():
                broken.append(f"{path.relative_to(ROOT)}: {target}")
            elif anchor and anchor not in anchors(found):
                broken.append(f"{path.relative_to(ROOT)}: {target}")
    assert not broken, "\n".join(broken)


def anchors(path):
    """As GitHub makes them of headings."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            for heading in docs.sections(path)}
