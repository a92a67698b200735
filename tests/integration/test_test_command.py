"""The command test: reports, exit codes, and that it needs no server."""

import xml.etree.ElementTree

import pytest

from support.project import Exit

MAPPER = """
mapper: {name}
source: erp
extract: {{query: "SELECT id, code, price FROM item", key: id}}
target: {{database: catalog, id: "{name}:${{id}}"}}
fields:
  code: {{from: code, required: true}}
  price: {{from: price, type: decimal, scale: 2}}
  note: note
tests:
{tests}
"""
GOOD = """\
  - {name: good, given: {id: 1, code: A, price: 2.5}, expect: {price: "2.50", note: null}}
"""
BAD = """\
  - {name: '<bad> & "worse"', given: {id: 1, code: A, price: "2.50"}, expect: {price: 2.5}}
"""
WRONG = "  - {name: wrong, given: {id: 1, cod: A}, reject: code}\n"


@pytest.fixture
def offline(project):
    project.configure(sources={"erp": {"type": "postgres", "dsn": "host=/nowhere"}},
                      couchdb={"url": "http://127.0.0.1:1"})

    def mappers(**texts):
        for name, tests in texts.items():
            project.mapper(name, MAPPER.format(name=name, tests=tests or "  []"))
        return project
    return mappers


def test_all_pass(offline):
    result = offline(a=GOOD, b="").erp2couch("test").expect(Exit.OK)
    assert "a: good: ok" in result.out and "b: no tests" in result.out
    assert "2 mappers, 1 test: 1 passed, 0 failed; 1 without tests" in result.out
    result.says("2 of 3 fields are asserted, in no test:\n    code")


@pytest.mark.parametrize("tests, code, outcomes", [
    (GOOD + BAD, Exit.REJECTS, ["ok", "failed"]), (WRONG + BAD, Exit.CONFIG, ["error", "failed"]),
], ids=["failed", "error"])
def test_what_fails_is_told(offline, tests, code, outcomes):
    project = offline(a=tests, b=GOOD)
    result = project.erp2couch("test", "a").expect(code)
    result.says(r'<bad> & "worse": FAILED \(.*a\.yaml:\d+\)\n    price: expected 2\.5 \(number\), '
                r'got "2\.50" \(string\)')
    report = project.erp2couch("test", "a", "--json").expect(code).json
    [mapper] = report["mappers"]
    assert [test["outcome"] for test in mapper["tests"]] == outcomes
    assert mapper["tests"][-1]["differences"] == [
        {"field": "price", "expected": 2.5, "got": "2.50"}]
    assert (report["outcome"], report["failed"]) == ("failed", 1)
    assert mapper["coverage"]["fields"] == 3
    if "error" in outcomes:
        assert "did you mean 'code'" in mapper["tests"][0]["error"]


def test_junit(offline, tmp_path):
    project = offline(a=GOOD + BAD + WRONG, b="")
    report = tmp_path / "report.xml"
    project.erp2couch("test", "--junit", report).expect(Exit.CONFIG)
    root = xml.etree.ElementTree.parse(report).getroot()
    assert root.attrib["tests"] == "3" and root.attrib["failures"] == "1"
    good, bad, wrong = root.findall("./testsuite[@name='a']/testcase")
    assert len(good) == 0 and bad.attrib["name"] == '<bad> & "worse"'
    assert "expected 2.5 (number)" in bad.find("failure").attrib["message"]
    assert "did you mean" in wrong.find("error").attrib["message"]
    assert list(tmp_path.glob("report.xml?*")) == []
    project.erp2couch("test", "--junit", tmp_path / "no" / "r.xml").expect(Exit.CONFIG).says(
        "cannot write")


def test_mistakes_are_found_by_check(offline):
    project = offline(a="  - {given: {id: 1}, expect: {prise: 1}}\n")
    project.erp2couch("check").expect(Exit.CONFIG).says(
        r"a\.yaml:10:\d+: there is no field 'prise'", "did you mean 'price'")
