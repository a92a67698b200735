"""The mapper packs that come with the program, put into a test's project."""

import re

from .project import ROOT

FOLDER = ROOT / "mappers"
REFERENCE = re.compile(r"(product|category|price_list|customer|rep|stock|order|invoice|tax|unit"
                       r"|currency|payment|statement|promotion):\S.*")


def mappers(pack):
    """The pack's files by the names of their mappers."""
    return {path.stem: path for path in sorted((FOLDER / pack).glob("*.yaml"))}


def install(project, pack, *names):
    """Copies mappers of a pack (all of them by default), which follow the schemas where they lie;
    `erp` becomes project.db("erp")."""
    project.configure(schemas=str(ROOT / "schemas"))
    for name, path in mappers(pack).items():
        if not names or name in names:
            text, changed = re.subn(r"^  database: erp$", '  database: "@db@erp"',
                                    path.read_text(), flags=re.M)
            assert changed == 1, path
            project.mapper(name, text)
    return project


def by_type(docs):
    """{type: {ERP id: document}} of {document id: document}."""
    sorted_out = {}
    for key, doc in docs.items():
        kind, _, number = key.partition(":")
        assert doc["type"] == kind, doc
        sorted_out.setdefault(kind, {})[int(number)] = doc
    return sorted_out


def references(value):
    """Every reference to another document in a document."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key != "_id":
                yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, str) and REFERENCE.fullmatch(value):
        yield value


def dangling(docs):
    """{document id: references in it that are no document}."""
    found = {key: [ref for ref in references(doc) if ref not in docs]
             for key, doc in docs.items()}
    return {key: refs for key, refs in found.items() if refs}
