"""embed.py OUT NAME=FILE...: files as C byte arrays, for `erp2couch init`."""
import sys


def main(out, pairs):
    lines = ['#include "cmd/templates.h"', ""]
    table = []
    for n, pair in enumerate(pairs):
        name, path = pair.split("=", 1)
        with open(path, "rb") as f:
            data = f.read()
        lines.append(f"static const unsigned char file_{n}[] = {{")
        for i in range(0, len(data), 20):
            lines.append("        " + ", ".join(str(b) for b in data[i : i + 20]) + ",")
        lines.append("};")
        table.append(f'        {{"{name}", file_{n}, sizeof(file_{n})}},')
    lines += ["", "const struct template_file template_files[] = {"] + table + ["};"]
    lines.append(f"const size_t template_file_count = {len(table)};")
    with open(out, "w", encoding="ascii") as f:
        f.write("\n".join(lines) + "\n")


main(sys.argv[1], sys.argv[2:])
