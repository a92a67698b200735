"""docs/http.md is true: its examples run against a service, and its table has every path."""

import json
import re
import shutil
import subprocess

import pytest
import requests

from support import docs, openapi
from support.foreign import Nginx, nginx
from support.process import free_port, wait_until
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


# ---- behind a reverse proxy

NAME = "erp2couch.example.com"
PASSWORD = "$1$ab$Il06zsSsfflVaIVV7CA6y0"  # "look", as htpasswd -m writes it


class Proxied:
    """The example of the page with the paths and ports of a test, and a client that knows the
    proxy's name and certificate."""

    def __init__(self, service, folder, certificates, **changes):
        block, = [block.text for block in docs.blocks(PAGE) if block.language == "nginx"]
        (folder / "htpasswd").write_text(f"operator:{PASSWORD}\n")
        port = free_port()
        for old, new in {"listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
                         "/etc/ssl/erp2couch.pem": certificates / "good.pem",
                         "/etc/ssl/erp2couch.key": certificates / "good.key",
                         "/etc/nginx/erp2couch.htpasswd": folder / "htpasswd",
                         "http://127.0.0.1:8090": service.url, **changes}.items():
            assert old in block, old
            block = block.replace(old, str(new))
        self.nginx = Nginx(block, port)
        self.url, self.authority = f"https://localhost:{port}", certificates / "ca.pem"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.nginx.remove()

    def __call__(self, method, path, code, headers=None, **options):
        reply = requests.request(method, self.url + path, verify=str(self.authority), timeout=60,
                                 headers={"Host": NAME, **(headers or {})}, **options)
        assert reply.status_code == code, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply


@pytest.fixture
def served(product):
    """The service as the page configures it for a proxy."""
    nginx()
    block, = [block for block in docs.blocks(PAGE)
              if block.language == "yaml" and block.section == "Behind a reverse proxy"]
    assert f"hosts: [{NAME}]" in block.text
    product.configure(http={"hosts": [NAME]})
    with Service(product) as service:
        yield service


def test_nginx_lets_those_look_who_may(served, tmp_path, certificates):
    with Proxied(served, tmp_path, certificates) as proxy:
        assert "<title>401" in proxy("GET", "/api/v1/status", 401).text
        user = {"auth": ("operator", "look")}
        assert proxy("GET", "/api/v1/status", 200, **user).json()["mappers"]
        page = proxy("GET", "/", 200, **user)
        assert page.headers["Content-Encoding"] == "gzip" and "page.js" in page.text
        own = {"Origin": "https://" + NAME, "Sec-Fetch-Site": "same-origin"}
        proxy("GET", "/api/v1/status", 200, headers=own, **user)
        other = {"Origin": "https://evil.example.com", "Sec-Fetch-Site": "cross-site"}
        proxy("GET", "/api/v1/status", 403, headers=other, **user)
        proxy("POST", "/api/v1/reload", 401, **user)  # the password is no token
        proxy("GET", "/api/v1/status", 403, headers={"Host": "evil.example.com"}, **user)


def test_nginx_lets_changes_and_events_through(served, database, tmp_path, certificates):
    """Where the proxy asks for something else than `Authorization`."""
    names = {"auth_basic           ": "# ", "auth_basic_user_file ": "# "}
    right = {"Authorization": "Bearer " + TOKEN}
    with Proxied(served, tmp_path, certificates, **names) as proxy:
        rows = [{"id": n, "code": "A" * 1500} for n in range(10000)]
        body = json.dumps(rows).encode()
        assert 14 << 20 < len(body) < 16 << 20
        pushed = proxy("POST", "/api/v1/mappers/product/records", 200, data=body,
                       headers={**right, "Content-Type": "application/json"}).json()
        assert pushed["created"] == 10000
        proxy("POST", "/api/v1/mappers/product/records", 413, data=b" " * (17 << 20),
              headers={**right, "Content-Type": "application/json"})
        held = database.connect()
        held.cursor().execute("BEGIN; LOCK TABLE product")
        proxy("POST", "/api/v1/mappers/product/run", 202, headers=right)
        wait_until("it runs", 20, lambda: served.mapper("product")["run"], 0.05)
        run = served.mapper("product")["run"]["id"]
        stream = proxy("GET", f"/api/v1/runs/{run}/events", 200, stream=True)
        lines = stream.iter_lines(decode_unicode=True)
        assert next(lines) == "event: progress"  # while the run cannot go on
        held.close()
        assert "event: end" in list(lines)
