"""REST sources in the benchmark: nginx serves files, so that the server costs next to nothing."""

import json
import shutil
import subprocess

from support.foreign import Foreign
from support.process import free_port, temporary_folder

CONFIG = """
daemon off; master_process off; worker_processes 1;
pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; sendfile on; keepalive_requests 100000000; default_type application/json;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    root {folder};
    location = /pages {{ try_files /page_$arg_page.json =404; }}
  }}
}}
"""


def record(n):
    """An item as an API of an ERP gives it: 26 members, some 800 bytes."""
    return {"id": n, "number": f"ART-{n:07}", "displayName": f"Hexagon bolt M{n % 24} x {n % 90}",
            "type": "Inventory", "itemCategoryId": "0f6e7c1a-3f3c-4f55-9d0e-0d5d8f3b1a77",
            "itemCategoryCode": "FASTENERS", "blocked": n % 50 == 0, "gtin": f"40063{n:08}",
            "inventory": n % 1000, "unitPrice": round(n % 5000 / 7, 2), "priceIncludesTax": False,
            "unitCost": round(n % 5000 / 9, 5), "taxGroupId": None, "taxGroupCode": "VAT19",
            "baseUnitOfMeasureId": "9f6b7c53-3a52-4b0f-8df3-9c1a2f6f0d11",
            "baseUnitOfMeasureCode": "PCS", "generalProductPostingGroupCode": "RETAIL",
            "inventoryPostingGroupCode": "RESALE", "weight": n % 300 / 8, "volume": 0,
            "description": "Steel, zinc plated, \u00a715 of the catalogue, \"strong\"",
            "tags": ["steel", "zinc", f"m{n % 24}"], "dimensions": {"l": n % 90, "d": n % 24},
            "countryOfOrigin": "DE", "tariffNo": "73181588",
            "lastModifiedDateTime": f"2026-0{1 + n % 9}-1{n % 10}T08:{n % 60:02}:11.123Z"}


MAPPER = """
mapper: item
source: shop
extract:
  path: {path}
  records: value
  key: id
{paging}
target: {{database: bench, id: "item:${{number}}"}}
fields:
  sku: number
  name: displayName
  kind: {{from: type, map: {{Inventory: storable, Service: service}}}}
  category: itemCategoryCode
  blocked: blocked
  gtin: gtin
  stock: {{from: inventory, type: integer}}
  price: {{from: unitPrice, type: decimal}}
  unit: baseUnitOfMeasureCode
  weight: {{from: weight, type: number}}
  origin: countryOfOrigin
  changed: {{from: lastModifiedDateTime, type: datetime}}
"""


class Shop(Foreign):
    """nginx before generated replies."""

    def __init__(self):
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if not program:
            raise LookupError("no nginx: deploy/install-deps --foreign")
        folder, port = temporary_folder("e2c-bench-rest-"), free_port()
        (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, port=port))
        super().__init__("nginx", [program, "-p", folder, "-c", folder / "nginx.conf", "-e",
                                   folder / "error.log"], port, folder)
        self.folder = folder

    def reply(self, size):
        """Writes one reply of about `size` bytes. Returns (bytes, records)."""
        count = 0
        with open(self.folder / "all.json", "w", encoding="utf-8") as out:
            out.write('{"@odata.context":"items","value":[')
            while out.tell() < size:
                lines = (json.dumps(record(count + i), ensure_ascii=False, separators=(",", ":"))
                         for i in range(1000))
                out.write(("," if count else "") + ",\n".join(lines))
                count += 1000
            out.write("]}")
        return (self.folder / "all.json").stat().st_size, count

    def pages(self, count, size):
        """Writes `count` pages of `size` records, and an empty one."""
        for page in range(1, count + 2):
            rows = [] if page > count else [record(page * size + i) for i in range(size)]
            (self.folder / f"page_{page}.json").write_text(json.dumps({"value": rows}))

    def config(self, folder):
        """Makes a configuration that reads this server."""
        (folder / "mappers").mkdir()
        (folder / "erp2couch.yaml").write_text(json.dumps({
            "version": 1, "couchdb": {"url": "http://127.0.0.1:9"},
            "sources": {"shop": {"type": "rest", "url": self.url, "max_record": "1MiB"}},
            "mappers": ["mappers/*.yaml"], "state_dir": "state"}))

    @staticmethod
    def mapper(folder, path, paging=""):
        (folder / "mappers/item.yaml").write_text(MAPPER.format(path=path, paging=paging))


def curl_version():
    done = subprocess.run(["curl", "--version"], capture_output=True, text=True)
    return done.stdout.split()[1] if done.returncode == 0 else None
