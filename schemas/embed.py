"""The metaschemas in schemas/meta as C byte arrays: embed.py OUT FILE..."""
import json
import sys


def main(out, *paths):
    lines, table = ['#include "schemas/meta.h"', ""], []
    for n, path in enumerate(paths):
        with open(path, "rb") as opened:
            data = opened.read()
        lines.append(f"static const unsigned char data_{n}[] = {{")
        lines += ["        " + ", ".join(str(b) for b in data[i : i + 20]) + ","
                  for i in range(0, len(data), 20)]
        lines += ["};", ""]
        uri = json.dumps(json.loads(data)["$id"])
        table.append(f"        {{{uri}, data_{n}, sizeof(data_{n})}},")
    lines += ["const struct schema_meta_file schema_meta[] = {", *table, "};",
              f"const size_t schema_meta_count = {len(table)};"]
    with open(out, "w", encoding="ascii") as opened:
        opened.write("\n".join(lines) + "\n")


main(*sys.argv[1:])
