"""Bytes as C arrays, for the scripts that put files into the program (cmd/embed.py,
ingest/serve/embed.py)."""
import json


def c_array(name, data):
    """The lines of `static const unsigned char NAME[]`."""
    yield f"static const unsigned char {name}[] = {{"
    for i in range(0, len(data), 20):
        yield "        " + ", ".join(str(b) for b in data[i : i + 20]) + ","
    yield "};"


def c_text(text):
    return "NULL" if text is None else json.dumps(text)  # of ASCII: a C literal, too


def write(out, lines):
    with open(out, "w", encoding="ascii") as f:
        f.write("\n".join(lines) + "\n")
