"""Servers that nobody here wrote, as REST sources: json-server and odata-v4-server from npm, nginx
and Tryton from Debian. Where one cannot be had, the test is skipped with the reason."""

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from scratch import npm

from support.process import free_port, start_server, temporary_folder, wait_until

JSON_SERVER = "json-server@0.17.4"
ODATA_SERVER = ["odata-v4-server@0.2.13", "odata-v4-inmemory@0.1.9"]
NPM_SECONDS = 300


def npm_folder(name, packages):
    """The folder with these packages, installed at the first use."""
    target = npm.cache_folder() / name
    if not target.exists():
        if not shutil.which("npm"):
            pytest.skip("needs node and npm")

        def run(words, env):
            done = subprocess.run(words, capture_output=True, text=True, timeout=NPM_SECONDS,
                                  env={**os.environ, **env}, stdin=subprocess.DEVNULL)
            return done.returncode, done.stdout + done.stderr

        code, output = npm.install(target, packages, run, "--ignore-scripts")
        if code:
            pytest.skip(f"npm did not give {packages}: {output.strip()[-200:]}")
    return target


def listening(server, port):
    def probe():
        server.check()
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) == 0

    wait_until(f"{server.name} on port {port}", 60, probe)


class Foreign:
    """A server, its address, and its end."""

    def __init__(self, name, command, port, folder, **options):
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self.server = start_server(name, command, folder, **options)
        try:
            listening(self.server, port)
        except BaseException:
            self.server.remove()
            raise

    def remove(self):
        self.server.remove()


class JsonServer(Foreign):
    """json-server over {resource: rows}; rows change through its own API."""

    def __init__(self, tables):
        packages = npm_folder(JSON_SERVER.replace("@", "-"), [JSON_SERVER])
        folder, port = temporary_folder("e2c-json-"), free_port()
        (folder / "db.json").write_text(json.dumps(tables))
        super().__init__("json-server", ["node", packages / "node_modules/.bin/json-server",
                                         "--host", "127.0.0.1", "--port", port, "--quiet",
                                         "db.json"], port, folder)

    def call(self, method, path, body=None):
        reply = requests.request(method, self.url + path, json=body, timeout=30)
        reply.raise_for_status()
        return reply.json()


class ODataServer(Foreign):
    """An OData v4 service whose entity set `products` is `rows`."""

    def __init__(self, rows):
        packages = npm_folder("odata-v4-server-0.2.13", ODATA_SERVER)
        folder, port = temporary_folder("e2c-odata-"), free_port()
        self.file = folder / "products.json"
        self.write(rows)
        super().__init__("odata-v4-server",
                         ["node", Path(__file__).with_name("odata_server.js"), packages, port,
                          self.file], port, folder)

    def write(self, rows):
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps(rows))
        fresh.rename(self.file)


NGINX = """
daemon off; master_process off; worker_processes 1;
pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  {block}
}}
"""

LIMITED = """
  limit_req_zone $binary_remote_addr zone=api:1m rate={rate};
  limit_req_status 429;
  server {{
    listen 127.0.0.1:{port};
    location / {{ limit_req zone=api burst={burst} nodelay; gzip on; gzip_types application/json;
                  gzip_proxied any; proxy_pass {upstream}; proxy_set_header Host $http_host; }}
  }}
"""


def nginx():
    """The program; where there is none, the test is skipped."""
    program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if not program:
        pytest.skip("needs nginx (deploy/install-deps --foreign)")
    return program


class Nginx(Foreign):
    """nginx with one `server` block, which listens at `port`."""

    def __init__(self, block, port):
        program, folder = nginx(), temporary_folder("e2c-nginx-")
        config, self.log = folder / "nginx.conf", folder / "access.log"
        config.write_text(NGINX.format(folder=folder, block=block))
        super().__init__("nginx", [program, "-p", folder, "-c", config, "-e",
                                   folder / "error.log"], port, folder)

    def statuses(self):
        """How often each status was answered."""
        found = {}
        for line in self.log.read_text().splitlines():
            status = int(line.split('"')[2].split()[0])
            found[status] = found.get(status, 0) + 1
        return found


class LimitedNginx(Nginx):
    """nginx with limit_req before another server; replies are compressed."""

    def __init__(self, upstream, rate, burst):
        port = free_port()
        super().__init__(LIMITED.format(port=port, upstream=upstream, rate=rate, burst=burst), port)


TRYTON = """
[database]
uri = {uri}
[web]
listen = 127.0.0.1:{port}
"""
TRYTON_PASSWORD = "northwind-of-tests"


class Tryton(Foreign):
    """trytond on a copy of the dump, with the modules that the dump names."""

    def __init__(self, database):
        program = shutil.which("trytond")
        if not program:
            pytest.skip("needs tryton-server (deploy/install-deps --test)")
        modules = Path("/usr/lib/python3/dist-packages/trytond/modules")
        absent = [name for name in database.column(
            "SELECT name FROM ir_module WHERE state = 'activated' AND name NOT IN ('ir', 'res')")
            if not (modules / name).is_dir()]
        if absent:
            pytest.skip("needs the modules of the dump: tryton-modules-"
                        + absent[0].replace("_", "-") + " ...")
        folder, port = temporary_folder("e2c-tryton-"), free_port()
        config = folder / "trytond.conf"
        cluster = database.cluster
        uri = f"postgresql://postgres:{quote(cluster.password)}@127.0.0.1:{cluster.port}/"
        config.write_text(TRYTON.format(uri=uri, port=port))
        self.password(program, config, database.name)
        super().__init__("trytond", [program, "-c", config, "-d", database.name], port, folder)
        self.database = database.name

    @staticmethod
    def password(program, config, database):
        """The dump's user admin gets a password that we know."""
        secret = config.with_name("password")
        secret.write_text(TRYTON_PASSWORD)
        done = subprocess.run([program + "-admin", "-c", config, "-d", database, "-p"],
                              env={**os.environ, "TRYTONPASSFILE": str(secret)},
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
