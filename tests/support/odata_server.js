// An OData v4 service over rows of a JSON file, read anew for each request: odata-v4-server (npm)
// does the protocol, this says what there is.  node odata_server.js FOLDER_OF_PACKAGES PORT FILE
"use strict";
const { createRequire } = require("module");
const fs = require("fs");

const [packages, port, file] = process.argv.slice(2);
const packaged = createRequire(packages + "/");
const { ODataServer, ODataController, odata, Edm } = packaged("odata-v4-server");
const { createFilter } = packaged("odata-v4-inmemory");

class Product {}
const TYPES = {
  id: Edm.Int64, no: Edm.String, name: Edm.String, price: Edm.Decimal, active: Edm.Boolean,
  changed: Edm.DateTimeOffset,
};
for (const [name, type] of Object.entries(TYPES)) type(Product.prototype, name);
Edm.Key(Product.prototype, "id");

function rows() {
  return JSON.parse(fs.readFileSync(file, "utf8"))
    .map((row) => Object.assign(new Product(), row, { changed: new Date(row.changed) }));
}

class Products extends ODataController {
  find(query) {
    return query ? rows().filter(createFilter(query)) : rows();
  }

  findOne(key) {
    return rows().find((row) => row.id == key); // the key comes as text
  }
}

function method(name, decorate) {
  const what = Object.getOwnPropertyDescriptor(Products.prototype, name);
  odata.GET(Products.prototype, name, what);
  decorate(Products.prototype, name, 0);
}
method("find", odata.filter);
method("findOne", odata.key);
odata.type(Product)(Products);

class Service extends ODataServer {}
odata.namespace("erp")(Service);
odata.controller(Products, "products")(Service);
Service.create(Number(port), "127.0.0.1");
