"""The files of the status page and the API's description as C byte arrays.

embed.py OUT OPENAPI FILE...

Each comes in two forms, plain and compressed, where that is smaller: both are made here, so that
the service compresses nothing. Comments and indentation of scripts and style sheets stay behind:
they are for who reads the source, and a third of the bytes. Only whole lines go, so that no string
can be hit. The entity tag is of what is served.
"""
import gzip
import hashlib
import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "base"))
from embedding import c_array, c_text, write  # noqa: E402

TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
         ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".json": "application/json"}
COMMENTS = re.compile(r"^[ \t]*(/\*(?:[^*]|\*(?!/))*\*/|//[^\n]*)[ \t]*\n", re.M)


def content(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False).encode()
    if path.suffix in (".js", ".css"):
        text = re.sub(r"^[ \t]+|\n(?=\n)", "", COMMENTS.sub("", text), flags=re.M).lstrip("\n")
    return text.encode()


def address(path):
    return "/" if path.name == "index.html" else f"/{path.name}"


def form(array, data):
    """The lines of one form; its C initializer comes last."""
    etag = '"' + hashlib.sha256(data).hexdigest()[:20] + '"'
    yield from c_array(array, data)
    yield f"{{{c_text(etag)}, {{(const char *){array}, sizeof({array})}}}}"


def asset(path, address, array):
    data = content(path)
    packed = gzip.compress(data, 9, mtime=0)
    *lines, plain = form(array, data)
    gzipped = "{NULL, {NULL, 0}}"
    if len(packed) < len(data):
        *more, gzipped = form(f"{array}_gz", packed)
        lines += more
    yield from lines
    yield (f"#define {array.upper()} {{{c_text(address)}, {c_text(TYPES[path.suffix])},"
           f" {plain}, {gzipped}}}")


def main(out, openapi, *files):
    lines = ['#include "ingest/serve/assets_internal.h"', ""]
    files = [Path(name) for name in files]
    for n, path in enumerate(files):
        lines += asset(path, address(path), f"data_{n}")
    lines += asset(Path(openapi), "/api/v1/openapi.json", "openapi")
    lines += ["const struct asset asset_table[] = {",
              *(f"        DATA_{n}," for n in range(len(files))), "};",
              f"const size_t asset_count = {len(files)};",
              "const struct asset asset_api = OPENAPI;"]
    write(out, lines)


main(*sys.argv[1:])
