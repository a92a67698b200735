"""The text format of Prometheus, read strictly, and the families that docs/metrics.md names."""

import re
import shutil
import subprocess

import pytest

from .project import ROOT

DOCUMENT = ROOT / "docs/metrics.md"
RULES = ROOT / "deploy/prometheus"
SAMPLE = re.compile(r'([a-z_][a-z0-9_]*)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\[\\"n])*)"(?:,|$)')
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count")}


def promtool(*words, text=None, cwd=None):
    """Runs promtool, which must be content and say nothing on stderr."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("there is no promtool: deploy/install-deps --foreign")
    done = subprocess.run([program, *words], input=text, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr.strip(), done.stdout + done.stderr
    return done.stdout


class Metrics:
    """One reply of /metrics: families in order, samples by name and labels."""

    def __init__(self, text):
        self.text, self.types, self.samples = text, {}, {}
        family, helps = None, []
        assert text.endswith("\n")
        for line in text.splitlines():
            if line.startswith("# HELP "):
                family = line.split()[2]
                helps.append(family)
            elif line.startswith("# TYPE "):
                _, _, name, kind = line.split()
                assert name == family and name not in self.types, line
                self.types[name] = kind
            else:
                self._sample(family, line)
        assert helps == list(self.types), "HELP and TYPE, once for each family"

    def _sample(self, family, line):
        match = SAMPLE.fullmatch(line)
        assert match, line
        name, labels = match[1], match[2] or ""
        allowed = [family + s for s in SUFFIXES.get(self.types[family], ("",))]
        assert name in allowed, f"{line} stands under {family}"
        pairs = LABEL.findall(labels)
        assert "".join(f'{k}="{v}",' for k, v in pairs) == labels + "," * bool(labels), line
        key = (name, frozenset(pairs))
        assert key not in self.samples, f"twice: {line}"
        self.samples[key] = float(match[3])

    def get(self, name, **labels):
        """The value of a sample; `erp2couch_` may be left out. None: there is none."""
        for full in (name, "erp2couch_" + name):
            found = self.samples.get((full, frozenset(labels.items())))
            if found is not None:
                return found
        return None

    def by(self, name, label, **labels):
        """Values of the samples with these labels, by one more label."""
        found = {}
        for (sample, pairs), value in self.samples.items():
            given = dict(pairs)
            key = given.pop(label, None)
            if sample == "erp2couch_" + name and key is not None and given == labels:
                found[key] = value
        return found

    def labels(self):
        """Label names of each family that has samples, `le` left out."""
        found = {}
        for name, pairs in self.samples:
            family = name if name in self.types else re.sub("_(bucket|sum|count)$", "", name)
            found.setdefault(family, set()).add(frozenset(k for k, _ in pairs) - {"le"})
        return found

    def buckets(self, name, **labels):
        """(bound, count) of a histogram, by bound."""
        found = self.by(name + "_bucket", "le", **labels)
        return sorted((float(bound.replace("+Inf", "inf")), n) for bound, n in found.items())


def documented():
    """{name: (type, labels)} of the tables of docs/metrics.md."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|", DOCUMENT.read_text(), re.M)
    assert len({name for name, _, _ in rows}) == len(rows), "a metric has two rows"
    return {name: (kind, frozenset(re.findall(r"`(\w+)`", labels)))
            for name, kind, labels in rows}
