"""The files of `erp2couch init` as C byte arrays: the plain templates and one set for each pack.

embed.py --list MAPPERS SCHEMAS         the files of all packs, then the schemas, one a line
embed.py OUT TEMPLATES SCHEMAS FILE...  writes the C file; FILEs are those of the plain set, of
                                        packs and of the folder SCHEMAS

A pack comes with the schemas of all types, and its erp2couch.yaml names their folder.
A pack is a folder of MAPPERS with a README.md and mappers (*.yaml). The first line of its README,
a heading, is what `init --help` says of it. The first ```sql block of its README, the role and the
grants that suffice, is a comment in front of the DSN in its erp2couch.yaml. Of a pack for an API
the first ```yaml block has the `sources` in place of those of the template.
"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ingest/base"))
from embedding import c_array, c_text, write  # noqa: E402

DSN = "    dsn: "  # the line of templates/erp2couch.yaml that the comment goes in front of
SOURCES = "\nsources:\n"
NO_SCHEMAS = "# schemas: schemas\n"  # the line that a pack has without its #
# Of our own YAML files, not of documents.
EDITOR = {"erp2couch.schema.json", "mapper.schema.json", "fields.schema.json"}


def packs(mappers):
    """The folders of all packs, sorted by name."""
    return sorted(readme.parent for readme in Path(mappers).glob("*/README.md")
                  if any(readme.parent.glob("*.yaml")))


def pack_files(pack):
    return [pack / "README.md", *sorted(pack.glob("*.yaml"))]


def schema_files(schemas):
    """The schemas of document types, what they share, and the text about them."""
    return [Path(schemas) / "README.md",
            *(path for path in sorted(Path(schemas).glob("*.schema.json"))
              if path.name not in EDITOR)]


def summary(pack):
    """The heading of its README."""
    first = (pack / "README.md").read_text(encoding="utf-8").split("\n", 1)[0]
    if not first.startswith("# ") or len(first) > 92:
        sys.exit(f"{pack}/README.md: the first line is '# ' and at most 90 letters for init --help")
    return first[2:].strip()


def block(pack, language):
    """The lines of the first block in that language of its README."""
    lines = (pack / "README.md").read_text(encoding="utf-8").splitlines()
    if "```" + language not in lines:
        return []
    start = lines.index("```" + language) + 1
    return lines[start:lines.index("```", start)]


def api(pack):
    """The `sources` of a pack for an API: the lines below that key; none for a database."""
    lines = block(pack, "yaml")
    if "    type: rest" not in lines:
        return []
    start = lines.index("sources:") + 1
    end = next(n for n in range(start, len(lines)) if lines[n] and lines[n][0] != " ")
    return lines[start:end]


def with_sources(template, lines):
    """The template with these lines below `sources`."""
    if template.count(SOURCES) != 1:
        sys.exit(f"templates/erp2couch.yaml: not one line '{SOURCES.strip()}'")
    start = template.index(SOURCES) + len(SOURCES)
    return template[:start] + "\n".join(lines) + "\n" + template[template.index("\n\n", start) + 1:]


def configuration(template, pack):
    """erp2couch.yaml with the pack's comment where the DSN is, or its sources, and with schemas."""
    lines = [f"This is what the mappers of the pack {pack.name} may read as; README.md says more."]
    lines += ["  " + line for line in block(pack, "sql")]
    comment = "".join(f"    # {line}".rstrip() + "\n" for line in lines)
    if template.count(DSN) != 1:
        sys.exit(f"templates/erp2couch.yaml: not one line '{DSN}'")
    if template.count(NO_SCHEMAS) != 1:
        sys.exit(f"templates/erp2couch.yaml: not one line '{NO_SCHEMAS.strip()}'")
    sources = api(pack)
    template = (with_sources(template, sources) if sources
                else template.replace(DSN, comment + DSN))
    return template.replace(NO_SCHEMAS, NO_SCHEMAS[2:])


def sets(templates, schemas, paths):
    """(pack or None, summary, [(name, bytes)]) of every set of files."""
    model = [(f"schemas/{path.name}", path.read_bytes()) for path in paths
             if path.parent == schemas]
    paths = [path for path in paths if path.parent != schemas]
    base = (templates / "erp2couch.yaml").read_bytes()
    plain = [path for path in paths if templates in path.parents and path.parent != templates]
    yield None, "", [("erp2couch.yaml", base)] + [
        (f"mappers/{path.name}", path.read_bytes()) for path in plain]
    for pack in sorted({path.parent for path in paths if templates not in path.parents}):
        config = configuration(base.decode(), pack).encode()
        yield pack.name, summary(pack), [("erp2couch.yaml", config)] + [
            ("README.md" if path.suffix == ".md" else f"mappers/{path.name}", path.read_bytes())
            for path in paths if path.parent == pack] + model


def main(out, templates, schemas, *paths):
    found = sets(Path(templates).resolve(), Path(schemas).resolve(),
                 [Path(path).resolve() for path in paths])
    lines = ['#include "cmd/templates.h"', ""]
    table, arrays = [], {}  # equal files are one array
    for n, (pack, what, files) in enumerate(found):
        rows = []
        for name, data in files:
            if data not in arrays:
                arrays[data] = f"data_{len(arrays)}"
                lines += c_array(arrays[data], data)
            rows.append(f'        {{"{name}", {arrays[data]}, sizeof({arrays[data]})}},')
        lines += [f"static const struct template_file files_{n}[] = {{", *rows, "};", ""]
        table.append(f"        {{{c_text(pack)}, {c_text(what)}, files_{n}, {len(rows)}}},")
    lines += ["const struct template_set template_sets[] = {", *table, "};",
              f"const size_t template_set_count = {len(table)};"]
    write(out, lines)


if sys.argv[1] == "--list":
    listed = [path for pack in packs(sys.argv[2]) for path in pack_files(pack)]
    print("\n".join(map(str, listed + schema_files(sys.argv[3]))))
else:
    main(*sys.argv[1:])
