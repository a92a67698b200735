"""The mistakes of beginners, one a row: what each message says, and that it is one message.

A row spoils a good project (support/mistakes.py), runs a command and names the exit code and the
words that tell where the mistake is, what it is, and what to do.
"""

import pytest

from support.mistakes import (AUTH, DOCUMENTS, ERP, SECRET, Bench, Mistake, apache, check_json,
                              check_message, check_secrets, config, couch_user, dsn, env, folder,
                              log_lines, product, query, recode, role, sale, shop, sql, the_message,
                              unreadable, web_server, web_server_for_shop, write)
from support.project import Exit

pytestmark = pytest.mark.once

CONNECT = "check --connect"
CONFIG = "erp2couch.yaml"
PRODUCT = "mappers/product.yaml"
SALE = "mappers/sale.yaml"
NOTHING = ()
NO_AUTH = config(AUTH, "")
SHORT_TIMEOUT = config("dsn: ${ERP_DSN}", "dsn: ${ERP_DSN}\n    connect_timeout: 300ms")


def row(name, spoil, command, where, what, remedy, code=Exit.CONFIG, **more):
    return Mistake(name, spoil, command, code, where, what, remedy, **more)


def reject(name, spoil, where, what, remedy, command="preview product", lines=1):
    return Mistake(name, spoil, command, Exit.REJECTS, f"reject: key {where}: ", what, remedy,
                   level="warn", lines=lines)


def usage(command, where, what, remedy):
    return Mistake(command, NOTHING, command, Exit.USAGE, where, what, remedy)


YAML = [
    row("tab", product("  database:", "\tdatabase:"), "check",
        PRODUCT + ":11:1: ", "a tab", "indent with spaces"),
    row("line indented too deep", product('  id: "', '   id: "'), "check",
        PRODUCT + ":12:6: ", "indented deeper than the line above", "indent both the same"),
    row("line indented too little", product("  code: code", " code: code"), "check",
        PRODUCT + ":15:2: ", "indented like no line above", "like its neighbours"),
    row("key that became a part of the query", product("  key: id", "    key: id"), "check",
        PRODUCT + ":5:3: ", "needs one of 'key' and 'group'", "indented so far"),
    row("colon in a value", product("@db@catalog", "catalog: eu"), "check",
        PRODUCT + ":11:20: ", "a second ': ' on this line", "in quotes"),
    row("no blank behind the colon", product("source: erp", "source:erp"), "check",
        PRODUCT + ":2:1: ", "no KEY: VALUE", "the blank behind the colon"),
    row("comment that was no comment", product('"product:${code}"', "product #${code}"), "check",
        PRODUCT + ":12:7: ", "'id' has no ${...}", "# behind a blank begins a comment"),
    row("value that is a comment", config("state_dir: state", "state_dir: #state"), "check",
        CONFIG + ":12:11: ", "'state_dir' must be a string, not null", "needs quotes"),
    row("percent sign", product("note: note", "note: %note"), "check",
        PRODUCT + ":23:9: ", "cannot begin with %", "put it in quotes"),
    row("at sign", product("note: note", "note: @note"), "check",
        PRODUCT + ":23:9: ", "cannot begin with @", "put it in quotes"),
    row("star", config("[mappers/*.yaml]", "*.yaml"), "check",
        CONFIG + ":11:11: ", "begins with *", "put it in quotes"),
    row("quote without end", product('"product:${code}"', '"product:${code}'), "check",
        PRODUCT + ":12:7: ", "the quote that begins here does not end", "close it"),
    row("brace without end", product("trim: true}", "trim: true"), "check",
        PRODUCT + ":16:9: ", "the { that begins here does not end", "before line 17"),
    row("template without quotes", product("note: note", "note: {template: ${code}}"), "check",
        PRODUCT + ":23:21: ", "inside {}", "in quotes"),
    row("one field as a list element", product("  code: code", "  - code"), "check",
        PRODUCT + ":15:3: ", "a list element (-)", "without -"),
    row("fields as a list", write(PRODUCT, "mapper: a\nsource: erp\nextract: {table: a, key: a}\n"
                                           'target: {database: d, id: "a:${a}"}\n'
                                           "fields:\n  - code\n"), "check",
        PRODUCT + ":6:3: ", "must be a map of fields, not a list", "NAME: COLUMN"),
    row("fields left empty", recode(PRODUCT, lambda text: text.split("fields:")[0].encode() +
                                    b"fields:\n"), "check",
        PRODUCT + ":13:8: ", "must be a map of fields, not null", "NAME: COLUMN"),
    row("yes for true", product("trim: true", "trim: yes"), "check",
        PRODUCT + ":16:28: ", "'trim' must be", "true or false"),
    row("true in quotes", product("trim: true", 'trim: "true"'), "check",
        PRODUCT + ":16:28: ", "'trim' must be true or false", "without quotes"),
    row("key twice", product("  code: code", "  code: code\n  code: name"), "check",
        PRODUCT + ":16:3: ", "duplicate key 'code', first on line 15", "keep one"),
    row("comma in a flow map", product("scale: 2", "scale: 2,5"), "check",
        PRODUCT + ":17:48: ", "unknown key '5'", "needs quotes inside {}"),
    row("no-break space", product("  code: code", "\u00a0 code: code"), "check",
        PRODUCT + ":15:1: ", "no-break space", "type the blanks"),
    row("typographic quotes", product('"product:${code}"', "\u201cproduct:${code}\u201d"), "check",
        PRODUCT + ":12:7: ", "typographic quotes", 'write " or \''),
    row("two documents", recode(PRODUCT, lambda text: text.encode() + b"---\na: b\n"), "check",
        PRODUCT + ":24:1: ", "a second document", "remove ---"),
]

KEYS = [
    row("feilds", product("fields:", "feilds:"), "check",
        PRODUCT + ":13:1: ", "unknown key 'feilds'", "did you mean 'fields'?"),
    row("datbase", product("database:", "datbase:"), "check",
        PRODUCT + ":11:3: ", "unknown key 'datbase'", "did you mean 'database'?"),
    row("querry", product("query:", "querry:"), "check",
        PRODUCT + ":5:3: ", "unknown key 'querry'", "did you mean 'query'?"),
    row("trm", product("trim:", "trm:"), "check",
        PRODUCT + ":16:22: ", "unknown key 'trm'", "did you mean 'trim'?"),
    row("parnt", sale("parent:", "parnt:"), "check",
        SALE + ":10:7: ", "unknown key 'parnt'", "did you mean 'parent'?"),
    row("dns", config("dsn:", "dns:"), "check",
        CONFIG + ":10:5: ", "unknown key 'dns'", "did you mean 'dsn'?"),
    row("capital letter", product("source:", "Source:"), "check",
        PRODUCT + ":2:1: ", "unknown key 'Source'", "did you mean 'source'?"),
    row("key of another program", config("url:", "address:"), "check",
        CONFIG + ":3:3: ", "unknown key 'address'", "couchdb takes url, auth"),
    row("format with an unknown directive", product("trim: true", "type: date, format: '%d.%N'"),
        "check", PRODUCT + ":16:42: ", "'%N' at column 4", "a fraction of a second is %f"),
    row("format in two readings", product("trim: true", "type: decimal, format: '1.234'"),
        "check", PRODUCT + ":16:45: ", "read in two ways", 'write "1.234,56" if'),
    row("bracket missing in a pattern", product("trim: true", "replace: {pattern: '(a'}"), "check",
        PRODUCT + ":16:41: ", "'pattern' is no regular expression: behind its character 2",
        "missing closing parenthesis"),
    row("expression", product("trim: true", "when: row.id >"), "check",
        PRODUCT + ":16:28: ", "'when': expr:1: ", "unexpected symbol near <eof>"),
    row("name in an expression", product("trim: true", "when: id > 1"), "check",
        PRODUCT + ":16:28: ", "line 1: id is no variable here", "a column is row.id"),
    row("version missing", config("version: 1\n", ""), "check",
        CONFIG + ":1:1: ", "key 'version' is missing", "add it: version"),
    row("version 1.0", config("version: 1\n", "version: 1.0\n"), "check",
        CONFIG + ":1:10: ", "'version' must be 1", "not '1.0'"),
    row("version in quotes", config("version: 1\n", 'version: "1"\n'), "check",
        CONFIG + ":1:10: ", "'version' must be 1", "without quotes"),
    row("unit missing", config("retry_for: 1s", "retry_for: 30"), "check",
        CONFIG + ":6:14: ", "'retry_for' must be a duration", "such as 500ms, 30s"),
    row("sources as a list", config("  erp:\n    type:", "  - type:"), "check",
        CONFIG + ":8:3: ", "'sources' must be a map of sources, not a list", "write NAME: {"),
    row("source as a string", config("  erp:\n    type: postgres\n    dsn: ", "  erp: "), "check",
        CONFIG + ":8:8: ", "source 'erp' must be a map, not a string", "{type: postgres"),
    row("type postgresql", config("type: postgres", "type: postgresql"), "check",
        CONFIG + ":9:11: ", "unknown source type 'postgresql'", "did you mean 'postgres'?"),
    row("type mysql", config("type: postgres", "type: mysql"), "check",
        CONFIG + ":9:11: ", "'mysql' is not in this version", "this version has: postgres"),
    row("schedule in words", sale("source: erp", "source: erp\nschedule: every 5 minutes"),
        "check", SALE + ":3:11: ", "'every 5 minutes'", "a cron expression is five fields"),
    row("cursor without full reads", sale("  key: id\n  ch", "  key: id\n  cursor: id\n  ch"),
        "check", SALE + ":6:3: ", "'cursor' with 'children'", "needs a 'full' schedule"),
]

FILES = [
    row("no such configuration", NOTHING, "-c nowhere.yaml check",
        "cannot read nowhere.yaml: ", "No such file", "erp2couch init DIR"),
    row("folder as configuration", NOTHING, "-c . check",
        "cannot read .: ", "Is a directory", "-c ./erp2couch.yaml"),
    row("mapper as configuration", NOTHING, f"-c {PRODUCT} check",
        PRODUCT, "is a mapper", "name the configuration, erp2couch.yaml"),
    row("cron in another folder", folder("elsewhere"), "run",
        "no configuration: ", "in this folder (@folder@/elsewhere)", "-c FILE", cwd="elsewhere"),
    row("unreadable mapper", unreadable(PRODUCT), "check",
        f"cannot read {PRODUCT}: ", "Permission denied", "give this user the right"),
    row("empty configuration", write(CONFIG, ""), "check",
        CONFIG + ":1:1: ", "the configuration is empty", "write its keys"),
    row("empty mapper", write(PRODUCT, "# later\n"), "check",
        PRODUCT + ":1:1: ", "the mapper is empty", "write its keys"),
    row("Latin-1", recode(PRODUCT, lambda text: text.replace("product}", "Stück}")
                          .encode("latin-1")), "check",
        PRODUCT + ":14:19: ", "not plain UTF-8", "save it as UTF-8"),
    row("spreadsheet", write(PRODUCT, b"PK\x03\x04\x14\x00\x06\x00"), "check",
        PRODUCT + ":1:3: ", "not plain UTF-8", "save it as UTF-8"),
    row("glob that matches nothing", config("mappers/*.yaml", "mappers/*.yml"), "check",
        CONFIG + ":11:11: ", "no file matches 'mappers/*.yml'", "relative to the folder of"),
    row("folder of mappers", config("[mappers/*.yaml]", "mappers"), "check",
        CONFIG + ":11:10: ", "mappers is a folder", "mappers/*.yaml"),
    row("glob that matches the configuration", config("[mappers/*.yaml]", '["*.yaml"]'), "check",
        CONFIG + ":11:11: ", "erp2couch.yaml is this file itself", "a folder of their own"),
    row("mapper names doubled", sale("mapper: sale", "mapper: product"), "check",
        SALE + ":1:9: ", "there is another mapper 'product'", "another name"),
    row("mapper name with a capital", sale("mapper: sale", "mapper: Sale"), "check",
        SALE + ":1:9: ", "a mapper's name is", "a-z 0-9 _ -"),
    row("ids of two mappers", [sale("@db@orders", "@db@catalog"), sale("sale:$", "prod$")],
        "check", SALE + ":13:7: ", "overlaps with id 'product:${code}' of mapper product",
        "a prefix of its own"),
    row("source not in sources", product("source: erp", "source: sap"), "check",
        PRODUCT + ":2:9: ", "unknown source 'sap'", "there is erp"),
    row("source misspelt", product("source: erp", "source: epr"), "check",
        PRODUCT + ":2:9: ", "unknown source 'epr'", "did you mean 'erp'?"),
]

VARIABLES = [
    row("unset variable", env(ERP_DSN=None), "run",
        CONFIG + ":10:10: ", "ERP_DSN is not set", "set it, or give a default"),
    row("empty variable", env(ERP_DSN=""), "check",
        CONFIG + ":10:10: ", "dsn is not a connection string, it is empty", "set the variable"),
    row("variable of the shell", config("${ERP_DSN}", "$ERP_DSN"), "check",
        CONFIG + ":10:10: ", "dsn is not a PostgreSQL connection string", "${NAME}"),
    row("variable in a mapper", [product("@db@catalog", "${CATALOG}"), env(CATALOG="catalog")],
        CONNECT, PRODUCT + ":11:13: target.database: ", "no column 'CATALOG'", "${env:CATALOG}"),
    row("variable without end", config("${ERP_DSN}", "${ERP_DSN"), "check",
        CONFIG + ":10:10: ", "'${' without a '}'", "write ${VAR}"),
    row("file of a secret", config("${ERP_DSN}", "${file:secrets/dsn}"), "check",
        CONFIG + ":10:10: ", "cannot read secrets/dsn", "check the path in ${file:...}"),
]

AT = "source erp: connect to PostgreSQL at "
DSN_AT = CONFIG + ":10:10: dsn"
DSN = [
    row("wrong port", dsn(port=9), CONNECT, AT + "127.0.0.1:9, database @pgname@, user reader: ",
        "Connection refused", "check host and port in the dsn", Exit.UNAVAILABLE),
    row("wrong port, run", dsn(port=9), "run product", AT + "127.0.0.1:9",
        "Connection refused", "check host and port in the dsn", Exit.UNAVAILABLE),
    row("host that does not resolve", dsn(host="erp.invalid"), CONNECT, AT + "erp.invalid:",
        "could not translate host name", "check host and port in the dsn", Exit.UNAVAILABLE),
    row("wrong database", dsn(dbname="erpp"), CONNECT, AT + "@pghost@, database erpp",
        'database "erpp" does not exist', "check dbname in the dsn"),
    row("wrong user", dsn(user="raeder"), CONNECT, AT + "@pghost@, database @pgname@, user raeder",
        "password authentication failed", "check user and password in the dsn"),
    row("wrong password", dsn(password=SECRET), "run product", AT + "@pghost@",
        "password authentication failed", "check user and password in the dsn"),
    row("no password", env(ERP_DSN="host=127.0.0.1 port=@pgport@ dbname=@pgname@ user=reader"),
        CONNECT, AT + "@pghost@", "no password supplied", "put one into the dsn"),
    row("@ in a password", env(ERP_DSN="postgresql://reader:hunt@er2@127.0.0.1/erp"), CONNECT,
        DSN_AT, "is not a PostgreSQL connection string", "percent-encoded (@ is %40)"),
    row("/ in a password", env(ERP_DSN="postgresql://reader:hunt/er2@127.0.0.1/erp"), CONNECT,
        DSN_AT, "is not a PostgreSQL connection string", "percent-encoded"),
    row("% in a password", env(ERP_DSN="postgresql://reader:hunt%er2@127.0.0.1/erp"), CONNECT,
        DSN_AT, "is not a PostgreSQL connection string", "percent-encoded"),
    row("blank in a password", env(ERP_DSN="host=a dbname=b password=my hunter2"), "check",
        DSN_AT, "is not a PostgreSQL connection string", "password='...'"),
    row("TLS that the server has not", dsn(sslmode="require"), CONNECT, AT + "@pghost@",
        "server does not support SSL", "check sslmode"),
    row("unknown sslmode", dsn(sslmode="on"), "check", DSN_AT, "sslmode is disable", "require"),
    row("MySQL url", env(ERP_DSN="mysql://reader:hunter2@127.0.0.1:3306/erp"), "check",
        DSN_AT, "it is a MySQL url", "postgresql://USER"),
    row("JDBC url", env(ERP_DSN="jdbc:postgresql://h/erp?user=reader&password=hunter2"), "check",
        DSN_AT, "it is a JDBC url", "begin it with postgresql://"),
    row("unknown keyword", env(ERP_DSN="host=a database=b password=hunter2"), "check",
        DSN_AT, "'database' is written dbname", "host=... port=... dbname=..."),
    row("semicolons", env(ERP_DSN="host=a;dbname=b;user=c;password=hunter2"), CONNECT,
        DSN_AT, "not by commas or semicolons", "host=... port=... dbname=..."),
    row("port out of range", env(ERP_DSN="host=a port=543200 password=hunter2"), "check",
        DSN_AT, "the port must be a number", "from 1 to 65535"),
    row("host beside the dsn", config("    dsn: ${ERP_DSN}", "    host: a"), "check",
        CONFIG + ":10:5: ", "unknown key 'host'", "takes dsn"),
    row("dsn as a map", config("${ERP_DSN}", "{host: a}"), "check",
        CONFIG + ":10:10: ", "'dsn' must be", "a string, not a map"),
    row("port of CouchDB", [SHORT_TIMEOUT, lambda bench: dsn(port=bench.couch.port)(bench)],
        CONNECT, AT + "127.0.0.1:@port@", "no answer within 300 ms", "is it PostgreSQL?",
        Exit.UNAVAILABLE),
]

ONE_TABLE = "GRANT SELECT ON product TO @role@; "
RIGHTS = [
    row("no right to a table", role("GRANT SELECT ON sale, sale_line TO @role@"), CONNECT,
        PRODUCT + ":5:3: query: ", "permission denied for table product", "GRANT SELECT"),
    row("no right to a table, run", role(), "run product",
        PRODUCT + ":5:3: query: ", "permission denied for table product", "GRANT SELECT"),
    row("no right to a child's table", role(ONE_TABLE + "GRANT SELECT ON sale TO @role@"), CONNECT,
        SALE + ":8:14: children.lines.query: ", "permission denied for table sale_line",
        "GRANT SELECT"),
    row("no right to a schema", [role(ONE_TABLE), query('SELECT * FROM shop."Customer"')],
        "preview product", PRODUCT + ":5:3: query: at line 1, column 15 of the query: ",
        "permission denied for schema shop", "USAGE"),
    row("no right to connect", [role(), sql('REVOKE CONNECT ON DATABASE "@pgname@" FROM PUBLIC')],
        CONNECT, AT + "@pghost@", "permission denied for database", "GRANT CONNECT"),
]

IN_QUERY = PRODUCT + ":5:3: query: "
QUERIES = [
    row("syntax error", query("SELECT id, code,\nFROM product"), CONNECT,
        IN_QUERY + "at line 2, column 1 of the query: ", "syntax error at or near \"FROM\"",
        "psql"),
    row("query that ends too early", query("SELECT id FROM product WHERE"), CONNECT,
        IN_QUERY, "syntax error", "the query ends too early"),
    row("SELEC", query("SELEC id FROM product"), CONNECT,
        IN_QUERY, "syntax error", "SELECT or WITH, not with SELEC"),
    row("table misspelt", query("SELECT * FROM prodct"), CONNECT,
        IN_QUERY + "at line 1, column 15 of the query: ", '"prodct" does not exist',
        "did you mean product?"),
    row("table of another schema", sale("table: sale", "table: Customer"), CONNECT,
        SALE + ":4:3: table: ", '"Customer" does not exist', "did you mean shop.Customer?"),
    row("table with capitals", query("SELECT * FROM shop.Customer"), CONNECT,
        IN_QUERY, '"shop.customer" does not exist', 'did you mean shop."Customer"?'),
    row("wrong ERP", sale("table: sale", "table: account_move"), CONNECT,
        SALE + ":4:3: table: ", '"account_move" does not exist', "check the name"),
    row("column misspelt", query("SELECT id, nam FROM product"), CONNECT,
        IN_QUERY + "at line 1, column 12 of the query: ", 'column "nam" does not exist',
        'Perhaps you meant to reference the column "product.name"'),
    row("column with capitals", query('SELECT CustNo FROM shop."Customer"'), CONNECT,
        IN_QUERY, 'column "custno" does not exist', "names with capitals stand in double quotes"),
    row("text in double quotes", query('SELECT * FROM product WHERE state = "d"'), CONNECT,
        IN_QUERY, 'column "d" does not exist', "texts in single ones"),
    row("backticks", query("SELECT `id` FROM product"), CONNECT,
        IN_QUERY, "syntax error", "not in backticks"),
    row("two statements", query("SELECT 1;\nSELECT 2"), "check",
        IN_QUERY, "more than one statement: the second one begins in line 2", "keep one"),
    row("INSERT", query("INSERT INTO product (id) VALUES (9)"), "run product",
        IN_QUERY, "a query only reads", "SELECT or WITH, not with INSERT"),
    row("DELETE in WITH", query("WITH d AS (DELETE FROM product RETURNING id) SELECT * FROM d"),
        "run product", IN_QUERY, "data-modifying statement", "it can only read"),
    row(":param", query("SELECT * FROM product WHERE id = :id"), CONNECT,
        IN_QUERY, 'syntax error at or near ":"', "write the value"),
    row("%s", query("SELECT * FROM product WHERE id = %s"), CONNECT,
        IN_QUERY, 'syntax error at or near "%"', "write the value"),
    row("?", query("SELECT * FROM product WHERE id = ?"), CONNECT,
        IN_QUERY, "syntax error", "write the value"),
    row("$1", query("SELECT * FROM product WHERE id = $1"), CONNECT,
        IN_QUERY, "requires 1", "remove $1"),
    row("query and table", product("  key: id", "  table: product\n  key: id"), "check",
        PRODUCT + ":9:3: ", "one of 'query' and 'table'", "not both"),
    row("columns of one name", query("SELECT p.*, s.id FROM product p, sale s"), CONNECT,
        IN_QUERY, 'two columns of the query are named "id" (number 1 and number 12)', "with AS"),
    row("division by zero", product("SELECT id,", "SELECT id, 1 / (id - 3) AS third,"),
        "preview product", IN_QUERY, "division by zero", "mend one of them"),
]

RECORDS = [
    row("key not in the query", product("key: id", "key: number"), CONNECT,
        PRODUCT + ":9:3: key: ", 'no column "number"', "there is id, code, name"),
    row("key in capitals", product("key: id", "key: ID"), CONNECT,
        PRODUCT + ":9:3: key: ", 'no column "ID"', 'did you mean "id"?'),
    row("cursor without a time zone", [product("timezone: UTC\n", ""),
        product("  changed: changed\n", ""), product("key: id", "key: id\n  cursor: changed")],
        CONNECT, PRODUCT + ":9:3: cursor: ", "changed is a timestamp without time zone",
        "add `timezone:`"),
    row("key missing", product("  key: id\n", ""), "check",
        PRODUCT + ":5:3: ", "needs one of 'key' and 'group'", "tell one record from another"),
    row("two columns as one name", product("key: id", "key: id, code"), CONNECT,
        PRODUCT + ":9:3: key: ", 'no column "id, code"', "as a list: [id, code]"),
    reject("key that is not unique", product("key: id", "key: active"), "Y",
           "another row has the same source key", "name more columns", command="run product"),
    reject("key that is NULL", [product("key: id", "key: note"),
                                sql("UPDATE product SET note = id WHERE id > 2")], "?",
           'key column "note" is null', "leave such rows out in the query", "run product"),
    row("parent not in the query", sale("id, sale, product", "id, product"), CONNECT,
        SALE + ":10:15: children.lines.parent: ", 'no column "sale"', "there is id, product, qty"),
    row("parent of another type", sale("id, sale, product", "id, sale::text, product"), CONNECT,
        SALE + ":10:15: children.lines.parent: ", '"sale" (text) cannot be merged with the key',
        "cast one of them"),
    row("parent missing", sale("      parent: sale\n", ""), "check",
        SALE + ":8:7: ", "key 'parent' is missing in a child", "columns that hold the parent's"),
    row("children as a list", sale("    lines:\n      query", "    - query"), "check",
        SALE + ":7:5: ", "'children' must be a map, not a list", "write NAME: {"),
    row("child as a column", sale("    each: lines\n    fields: {product: product, qty: qty}",
                                  "    from: lines"), CONNECT,
        SALE + ":17:5: field 'lines': ", "no column 'lines'", "{each: lines, fields: {...}}"),
    row("child misspelt", sale("each: lines", "each: line"), CONNECT,
        SALE + ":17:5: field 'lines': ", "no column 'line'", "did you mean 'lines'?"),
    row("column of a child misspelt", sale("qty: qty}", "qty: amount}"), CONNECT,
        SALE + ":18:37: field 'lines[].qty': ", "no column 'amount' in these elements",
        "there is id, sale, product, qty"),
]

ID_AT = PRODUCT + ":12:7: "
IDS = [
    row("id without a prefix", product("product:$", "$"), "check",
        ID_AT, "'id' must begin with text", 'as in "product:${code}"'),
    row("id without a variable", product("${code}", "code"), "check",
        ID_AT, "'id' has no ${...}", 'as in "product:${code}"'),
    row("id with braces alone", product("${code}", "{code}"), "check",
        ID_AT, "'id' has no ${...}", "with the dollar and the braces"),
    row("id of CouchDB", product("product:$", "_design/$"), "check",
        ID_AT, "'id' begins with _", "begin it with a letter"),
    row("id with an unknown column", product("${code}", "${cod}"), CONNECT,
        ID_AT, "no column 'cod'", "did you mean 'code'?"),
    reject("id that is null", [
        sql("ALTER TABLE product ALTER code DROP NOT NULL"),
        sql("UPDATE product SET code = NULL WHERE id = 1")], "1: _id",
           "${code} is null", "leave such records out"),
    reject("ids that are equal", sql("UPDATE product SET code = 'A2' WHERE id = 1"), "1: _id",
           "product:A2 is also claimed by the record with key 2", "put the key into it",
           command="run product", lines=2),
    row("field _id", product("  code: code", "  _id: code"), "check",
        PRODUCT + ":15:3: ", "field '_id'", "belong to CouchDB"),
]

NOTE = "note: {from: note, type: %s}"
TYPES = [
    reject("decimal comma", [product("note: note", NOTE % "decimal"),
                             sql("UPDATE product SET note = '12,50' WHERE id = 1")], "1: note",
           '"12,50" is not a number', 'format: "1.234,56"'),
    reject("date of another country", [product("note: note", NOTE % "date"),
                                       sql("UPDATE product SET note = '31.12.2026' WHERE id = 1")],
           "1: note", '"31.12.2026" is not a date (YYYY-MM-DD)', 'format: "%d.%m.%Y"'),
    reject("J for a boolean", [product("note: note", NOTE % "boolean"),
                               sql("UPDATE product SET note = 'J' WHERE id = 1")], "1: note",
           '"J" is not true, false, t or f', "in map"),
    row("integer as a boolean", product("qty: {from: qty, type: integer}",
                                        "qty: {from: qty, type: boolean}"), CONNECT,
        PRODUCT + ":18:8: field 'qty': ", "can never become a boolean", "in map"),
    row("timestamp without a zone", product("timezone: UTC\n", ""), CONNECT,
        PRODUCT + ":20:12: field 'changed': ", "a local time", "timezone: Europe/Dublin"),
    row("zone misspelt", product("timezone: UTC", "timezone: Europe/Dubln"), "check",
        PRODUCT + ":3:11: ", "no such zone", "Europe/Dublin"),
    reject("integer too large", [product("qty, weight", "qty::int8 * 9007199254740993 AS qty"),
                                 sql("UPDATE product SET qty = NULL WHERE id > 1"),
                                 sql("UPDATE product SET qty = 1 WHERE id = 1")], "1: qty",
           "is beyond 2^53-1", "type: string"),
    reject("scale that loses digits", sql("UPDATE product SET price = 1.125 WHERE id = 2"),
           "2: price", '"1.125" has digits beyond scale: 2', "write a rounding or a larger scale"),
    reject("value not in map", sql("UPDATE product SET state = 'x' WHERE id = 2"), "2: state",
           '"x" is not in map', "add it there, or write a default"),
    reject("required but null", [product("trim: true", "required: true"),
                                 sql("UPDATE product SET name = NULL WHERE id = 1")], "1: name",
           "required but null", "mend the record in the ERP, or write a default"),
    row("column misspelt in a field", product("code: code", "code: cod"), CONNECT,
        PRODUCT + ":15:9: field 'code': ", "no column 'cod'", "did you mean 'code'?"),
    row("column with its table", product("code: code", "code: p.code"), CONNECT,
        PRODUCT + ":15:9: field 'code': ", "no column 'p'", "write 'code' without a table's name"),
    row("constant as a column", product("code: code", "code: 5"), "check",
        PRODUCT + ":15:9: ", "a field is a column's name or a map", "{value: ...}"),
    row("template without its key", product("code: code", 'code: "${code} ${name}"'), "check",
        PRODUCT + ":15:9: ", "is a template", "{template: ...}"),
    row("dollar in a template", product("note: note", 'note: {template: "${"}'), "check",
        PRODUCT + ":23:20: ", "'${' without a '}'", "a dollar sign is $$"),
    row("null_if as a map", product("note: note", "note: {from: note, null_if: {a: b}}"), "check",
        PRODUCT + ":23:31: ", "'null_if' must be", "a string or a list of strings"),
    row("type of SQL", product("type: decimal", "type: numeric"), "check",
        PRODUCT + ":17:30: ", "'type' must be string, integer, number, decimal", "not 'numeric'"),
    row("scale without a type", product("type: decimal, scale", "scale"), "check",
        PRODUCT + ":17:24: ", "'scale'", "needs type: decimal"),
    row("field without an origin", product("from: name, trim", "trim"), "check",
        PRODUCT + ":16:9: ", "needs one of from, value", "where its value comes from"),
]

URL_AT = CONFIG + ":3:8: 'url' of couchdb: "
COUCH_AT = "CouchDB at "
COUCHDB = [
    row("nothing listens", config("@couch@", "http://127.0.0.1:9"), CONNECT,
        COUCH_AT + "http://127.0.0.1:9: ", "Connection refused", "check couchdb.url",
        Exit.UNAVAILABLE),
    row("nothing listens, run", config("@couch@", "http://127.0.0.1:9"), "run product",
        COUCH_AT + "http://127.0.0.1:9: ", "Connection refused", "check couchdb.url",
        Exit.UNAVAILABLE),
    row("host of CouchDB that does not resolve", config("@couch@", "http://couch.invalid:5984"),
        CONNECT, COUCH_AT + "http://couch.invalid:5984: ", "Could not resolve host",
        "check couchdb.url", Exit.UNAVAILABLE),
    row("wrong password of CouchDB", [apache, env(COUCHDB_PASSWORD=SECRET)], CONNECT,
        COUCH_AT + "@couch@: ", "refuses the credentials (401)", "couchdb.auth"),
    row("wrong password of CouchDB, run", [apache, env(COUCHDB_PASSWORD=SECRET)], "run product",
        COUCH_AT + "@couch@: ", "refuses the credentials (401)", "couchdb.auth"),
    row("no credentials", [apache, NO_AUTH], CONNECT,
        "control database @db@control ", "lets only a server admin make it, not us without",
        "in couchdb.auth, or have it made"),
    row("no admin", couch_user, CONNECT,
        "control database @db@control ", "lets only a server admin make it, not @couchuser@",
        "in couchdb.auth, or have it made"),
    row("no admin, run", couch_user, "run product",
        "control database: database @db@control: ", "lets only a server admin make it",
        "in couchdb.auth, or have it made"),
    row("no scheme", config("@couch@", "127.0.0.1:@port@"), "check",
        URL_AT, "it must begin with http:// or https://", "such as http://127.0.0.1:5984"),
    row("a path in the url", config("@couch@", "@couch@/catalog"), CONNECT,
        COUCH_AT + "@couch@/catalog: ", "not a CouchDB", "check couchdb.url"),
    row("url of Fauxton", config("@couch@", "@couch@/_utils/#login"), "check",
        URL_AT, "it must end before ? and #", "such as http://127.0.0.1:5984"),
    row("@ in a password of CouchDB", [config("@couch@", "http://adm:hunt@er2@127.0.0.1:5984"),
                                       NO_AUTH], "check",
        URL_AT, "it is not a URL", "percent-encoded (@ is %40)"),
    row("credentials twice", [apache, config("@couch@", "http://adm:hunter2@127.0.0.1:5984")],
        "check", URL_AT, "it holds a user, and there is 'auth', too", "keep one"),
    row("port of PostgreSQL", config("@couch@", "http://@pghost@"), CONNECT,
        COUCH_AT + "http://@pghost@: ", "Empty reply", "check couchdb.url", Exit.UNAVAILABLE),
    row("a web server", web_server, CONNECT,
        COUCH_AT + "@web@: ", "the reply is not JSON", "is couchdb.url the address of a CouchDB?"),
    row("a web server, run", web_server, "run product",
        COUCH_AT + "@web@: ", "the reply is not JSON", "is couchdb.url the address of a CouchDB?"),
    row("database with a capital", product("@db@catalog", "Catalog"), "check",
        PRODUCT + ":11:13: ", "'Catalog' is not a CouchDB database name", "a-z, then"),
    row("control database with a capital", config("@db@control", "Control"), "check",
        CONFIG + ":5:21: ", "'control_database' must be", "a-z, then"),
    row("database that may not be made", config("retry_for: 1s", "create: false"), CONNECT,
        "control database @db@control ", "couchdb.create is false", "make it"),
]

STATE = [
    row("state_dir is a file", write("state", "x"), "check",
        CONFIG + ":12:12: 'state_dir': ", "is no folder", "name another"),
    row("state_dir below a file", config("state_dir: state", f"state_dir: {CONFIG}/state"),
        "run product", f"state folder {CONFIG}/state/product: ", "Not a directory",
        "set state_dir"),
    row("state_dir on /proc", config("state_dir: state", "state_dir: /proc/state"), "run product",
        "state folder /proc/state/product: ", "mkdir /proc/state", "make it writable"),
    row("state_dir in the home folder", config("state_dir: state", "state_dir: ~/state"), "check",
        CONFIG + ":12:12: 'state_dir': ", "~ is not expanded", "write the whole path"),
    row("state_dir empty", config("state_dir: state", "state_dir: ~"), "check",
        CONFIG + ":12:12: ", "'state_dir' must be a string, not null", "needs quotes"),
]

COMMAND_LINE = [
    usage("run produkt", "there is no mapper 'produkt'", ",", "did you mean 'product'?"),
    usage(f"run {PRODUCT}", f"there is no mapper '{PRODUCT}'", ",", "did you mean 'product'?"),
    usage("run customers", "there is no mapper 'customers'", "in erp2couch.yaml",
          "there is product, sale"),
    usage("check product", "check: ", '"product" is one word too many', "usage: erp2couch"),
    usage("preview", "preview: ", "MAPPER is missing", "usage: erp2couch"),
    usage("preview product --limit -1", "--limit ", "takes a whole number from 0", 'not "-1"'),
    usage("preview product --limit", "--limit ", "needs a value", "--limit N"),
    usage("run --dryrun", "unknown option --dryrun", ",", "did you mean --dry-run?"),
    usage("run -full", "unknown option -full", ",", "did you mean --full?"),
    usage("run --limit 5", "unknown option --limit", "of run", "see erp2couch run --help"),
    usage("run --full=yes", "--full ", "takes no value", "write --full alone"),
    usage("--dry-run run", "unknown option --dry-run", "before the command", "stand behind it"),
    usage("run \u2014full", '"\u2014full" ', "a typographic dash", "--full"),
    usage("chekc", 'unknown command "chekc"', ",", 'did you mean "check"?'),
    usage("product", 'unknown command "product"', "there is check, test, preview",
          "erp2couch --help"),
    usage("check -c", "--config ", "needs a value", "--config FILE"),
    row("key of another type", NOTHING, "preview product --key abc",
        "key: ", 'invalid input syntax for type integer: "abc"', "--key takes a value"),
    row("init of a folder that is in use", NOTHING, "init .",
        "init: ./erp2couch.yaml ", "is there already", "name a new folder"),
]

CONTACT = "mappers/contact.yaml"


def source(old, new):
    return shop(old, new, CONFIG)


REST = [
    row("key of SQL in a REST mapper", shop("  path: /contacts", "  table: contact"), "check",
        CONTACT + ":4:3: ", "'table' is for SQL sources", "shop is rest"),
    row("key of REST in an SQL mapper", sale("  table: sale", "  path: /sale"), "check",
        SALE + ":4:3: ", "'path' is for REST sources", "erp is postgres"),
    row("path without a slash", shop("path: /contacts", "path: contacts"), "check",
        CONTACT + ":4:9: ", "'path' must begin with /", "under the source's url"),
    row("page that is asked for twice", shop("status: active", "page: 1"), "check",
        CONTACT + ":7:11: ", "stands in 'params', too", "keep one"),
    row("paging that is misspelt", shop("type: page", "type: pages"), "check",
        CONTACT + ":7:18: ", "not 'pages'", "did you mean 'page'?"),
    row("size that nobody is told", shop(", size: 50", ""), "check",
        CONTACT + ":7:36: ", "'size_param' needs 'size'", "how many records"),
    row("next page without its place",
        shop("{type: page, size_param: limit, size: 50}", "{type: next_url}"), "check",
        CONTACT + ":7:11: ", "needs 'next'", "such as paging.next"),
    row("cursor that is never sent", shop("cursor: {field: updated_at, param: updated_since}",
                                          "cursor: updated_at"), "check",
        CONTACT + ":9:11: ", "the cursor is never sent", "write the parameter"),
    row("cursor variable that is misspelt", shop("status: active", 'q: "at>${curser}"'), "check",
        CONTACT + ":5:15: ", "no variable 'curser' here", "did you mean 'cursor'?"),
    row("form of a cursor", shop("param: updated_since", "param: since, format: iso8601"), "check",
        CONTACT + ":9:53: ", "is no format of times", "write rfc3339"),
    row("by_key without the key", shop("/contacts/${id}", "/contact"), "check",
        CONTACT + ":10:11: ", "does not use ${id}", "every part of the key"),
    row("child that is the same for all",
        shop("full:", "  children: {notes: {path: /notes}}\nfull:"), "check",
        CONTACT + ":11:28: ", "names no column of its parent", "such as ${id}"),
    row("status that never means empty", shop("  key: id", "  key: id\n  empty_on: [404, 401]"),
        "check", CONTACT + ":9:19: ", "can mean an empty page", "such as 404"),
    row("feed without a key", shop("full:", "  deletes: {path: /gone}\nfull:"), "check",
        CONTACT + ":11:12: ", "'path' and 'key' stand together", "deleted records and their key"),
    row("url of a shop without scheme", source("https://shop.example.com/api", "shop.example.com"),
        "check", CONFIG + ":13:10: 'url' of a REST source: ", "must begin with http",
        "such as https"),
    row("rate without time", source("[10/s, 5000/day]", "10"), "check",
        CONFIG + ":15:17: ", "'rate_limit' must be a rate", "such as 10/s"),
    row("credentials in a header",
        source("    retry_for: 0", f"    headers: {{Authorization: {SECRET}}}"), "check",
        CONFIG + ":16:15: ", "carries credentials", "the source's 'auth'"),
    row("two ways to log in", source('auth: {bearer: "${SHOP_TOKEN:-hunter2}"}',
                                     f"auth: {{bearer: x, query: {{key: {SECRET}}}}}"), "check",
        CONFIG + ":14:11: ", "exactly one form", "{bearer}"),
    row("nothing listens at a shop", source("https://shop.example.com/api", "http://127.0.0.1:9"),
        "preview contact", "source shop: GET http://127.0.0.1:9/contacts: ", "Failed to connect",
        "Connection refused", Exit.UNAVAILABLE),
    row("a web page where the API should be", web_server_for_shop,
        "preview contact", "source shop: GET @web@/contacts: ", "an HTML page, not JSON",
        "is the address right", Exit.UNAVAILABLE),
]

MISTAKES = [*REST, *YAML, *KEYS, *FILES, *VARIABLES, *DSN, *RIGHTS, *QUERIES, *RECORDS, *IDS,
            *TYPES, *COUCHDB, *STATE, *COMMAND_LINE]


@pytest.fixture(scope="module")
def erp(cluster):
    """The ERP of all rows: what each of them copies."""
    made = cluster.create()
    made.sql(ERP)
    yield made
    made.drop()


@pytest.fixture
def bench(tmp_path, binary, couch, cluster, erp):
    database = cluster.create(template=erp.name)
    made = Bench(tmp_path / "project", binary, couch, database)
    yield made
    made.remove()
    database.drop()


def spoil(bench, mistake):
    for change in mistake.spoil if isinstance(mistake.spoil, (list, tuple)) else [mistake.spoil]:
        change(bench)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_one_message(bench, mistake):
    spoil(bench, mistake)
    result = mistake.run(bench).expect(mistake.code)
    message = the_message(result, mistake.level, mistake.lines)
    check_message(bench, message, mistake)
    as_json = mistake.run(bench, "--json").expect(mistake.code)
    check_json(bench, as_json, message)
    check_secrets(bench, result, as_json)
    if mistake.level == "error":
        assert bench.written() == [], "a mistake that a run finds first writes nothing"


@pytest.mark.parametrize("command", sorted({
    mistake.command for mistake in MISTAKES
    if mistake.code != Exit.USAGE and mistake.command in ("check", CONNECT, "run", "run product",
                                                          "preview product")}))
def test_without_the_mistake_the_command_is_fine(bench, command):
    """Else a row would prove nothing but that the project is broken anyway."""
    result = bench.erp2couch(*command.split()).expect(Exit.OK)
    assert all(level == "info" for level, _ in log_lines(result)), result
    if command == "run":
        for name, ids in DOCUMENTS.items():
            assert set(bench.db(name).ids()) == ids, name


def test_the_rows_are_many_and_differ():
    assert len(MISTAKES) >= 36
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES)


@pytest.mark.slow
def test_https_where_http_is_spoken(bench):
    config("@couch@", "https://127.0.0.1:@port@")(bench)
    mistake = row("https", NOTHING, CONNECT, COUCH_AT + "https://127.0.0.1:", "SSL",
                  "does that port speak https?", Exit.UNAVAILABLE)
    check_message(bench, the_message(mistake.run(bench).expect(mistake.code), "error"), mistake)


@pytest.mark.parametrize("change", [
    recode(PRODUCT, lambda text: text.encode("utf-16")),
    recode(PRODUCT, lambda text: text.encode("utf-8-sig")),
    recode(PRODUCT, lambda text: text.replace("\n", "\r\n").encode()),
    product("trim: true", "trim: True"),
    product("FROM product\n", "FROM product;  -- all\n"),
    product('"product:${code}"', "product:${code}"),
    product("note: note", "note: {from: note, null_if: 0}"),
    product("note: note", 'note: {template: "US$ ${price}"}'),
    sale("id, sale, product", "id, sale::bigint, product"),
    config("@couch@", "@couch@/"),
    config("state_dir: state", "state_dir: var/lib/state"),
    lambda bench: env(ERP_DSN=bench.env["ERP_DSN"].replace("=", " = "))(bench),
], ids=["UTF-16", "BOM", "CRLF", "True", "semicolon and comment", "id without quotes",
        "number in null_if", "dollar in a template", "bigint for int", "slash behind the url",
        "folders to be made", "blanks around ="])
def test_what_only_looks_like_a_mistake(bench, change):
    change(bench)
    bench.erp2couch("check", "--connect").expect(Exit.OK)
    assert bench.run("product", "sale").json["outcome"] == "ok"


def test_check_names_every_bad_mapper(bench):
    product("fields:", "feilds:")(bench)
    sale("source: erp", "source: sap")(bench)
    bench.write("mappers/third.yaml", "mapper: [\n")
    result = bench.erp2couch("check").expect(Exit.CONFIG)
    lines = [text for level, text in log_lines(result) if level == "error"]
    assert [text.split(":")[0] for text in lines] == [PRODUCT, SALE, "mappers/third.yaml"], result
    value = bench.erp2couch("check", "--json").expect(Exit.CONFIG).json
    assert value["ok"] is False and value["error"]["message"] == lines[0]
    assert [(one["file"], one["error"]["message"]) for one in value["mappers"]] == [
        (line.split(":")[0], line) for line in lines]
    one = bench.erp2couch("run").expect(Exit.CONFIG)
    assert the_message(one, "error") == lines[0]
    assert bench.written() == []
