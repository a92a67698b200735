"""docs/http.md is true: its examples run against a service, and its table has every path."""

import re
import shutil
import subprocess

import pytest

from support import docs, openapi
from support.process import wait_until
from support.project import ROOT
from support.service import PATIENCE, TOKEN, Service

pytestmark = pytest.mark.once

PAGE = ROOT / "docs/http.md"


def shell_blocks():
    return [block for block in docs.blocks(PAGE) if block.language == "sh"]


def test_every_path_is_in_the_table():
    table = re.findall(r"^\| `(GET|POST) (.*?)` \|", PAGE.read_text().replace("`, `", " "), re.M)
    shown = set()
    for method, paths in table:
        last = ""
        for path in paths.split():
            path = path.split("?")[0]
            whole = path if path.startswith("/api") or not last else last.rsplit("/", 1)[0] + path
            last = whole
            shown.add((method, whole))
    described = {(method, path.replace("{name}", "NAME").replace("{id}", "ID"))
                 for method, path in openapi.operations()}
    assert shown == described - {("GET", "/"), ("GET", "/api/v1/openapi.json")}


@pytest.fixture
def product(project, database):
    database.sql("CREATE TABLE product (id int PRIMARY KEY, code text);"
                 "INSERT INTO product VALUES (1, 'A0'), (2, NULL)")
    project.table_mapper("product", fields="code: {from: code, required: true}")
    return project


def test_examples_run(product, tmp_path):
    for tool in ("curl", "jq"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    with Service(product) as service:
        env = {"PATH": "/usr/bin:/bin", "ERP2COUCH_URL": service.url, "ERP2COUCH_TOKEN": TOKEN}
        service.post("/api/v1/mappers/product/run", 202)
        service.wait_log("run ended", "product")
        wait_until("it is known", PATIENCE, lambda: service.mapper("product")["last_run"])
        said = {}
        for block in shell_blocks():
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", block.text], env=env,
                                  capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, f"{block.place}: {done.stdout}{done.stderr}"
            said.setdefault(block.section, []).append(done.stdout)
        assert len(said["Looking"]) == 2 and "product\t" in said["Looking"][0]
        ran, retried, reloaded = said["Changing"]
        assert '"rejects"' in ran and '"rejected":1' in retried and reloaded == '{"mappers":1}'
        assert '"created":2' in said["Pushing records"][0]
