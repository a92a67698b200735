"""Children and groups: header and lines from ordered streams, rows folded into one record."""

import pytest

from support import faultproxy
from support.project import Exit

ORDER_MAPPER = """
    mapper: order
    source: erp
    extract:
      query: SELECT id, number, customer FROM sale
      key: id
      children:
        lines: {query: "SELECT id, sale, product, quantity, price FROM sale_line", key: id,
                parent: sale}
        payments: {table: payment, key: [day, id], parent: sale}
    target: {database: "@db@orders", id: "order:${number}"}
    fields:
      number: number
      lines: {each: lines, fields: {product: product, quantity: quantity, price: price}}
      payments: {each: payments, fields: {day: day, amount: amount}}
    """


@pytest.fixture
def orders(project, database):
    """300 orders: every tenth without lines, one with 5,000."""
    database.sql("""
        CREATE TABLE sale (id int PRIMARY KEY, number text, customer int);
        CREATE TABLE sale_line (id int PRIMARY KEY, sale int, product text, quantity int,
                                price numeric(10,2));
        CREATE TABLE payment (id int, sale int, day date, amount numeric(10,2));
        INSERT INTO sale SELECT n, 'S' || n, n % 7 FROM generate_series(1, 300) n;
        INSERT INTO sale_line SELECT row_number() OVER (ORDER BY md5(n::text || l)), n, 'P' || l, l,
               n + l / 100.0 FROM generate_series(1, 300) n, generate_series(1, 12) l
               WHERE n % 10 > 0 AND l <= 1 + n % 12;
        INSERT INTO sale_line SELECT 100000 + n, 150, 'bulk', n, 0.01 FROM
               generate_series(1, 5000) n;
        INSERT INTO payment SELECT n, n % 300, date '2024-01-01' + n % 5, n FROM
               generate_series(1, 400) n""")
    project.mapper("order", ORDER_MAPPER)
    return project.db("orders")


def lines_of(database, order):
    return [{"product": product, "quantity": quantity, "price": price}
            for product, quantity, price in database.sql(
                "SELECT product, quantity, price::text FROM sale_line WHERE sale = %s ORDER BY id",
                [order])]


def check_all(database, orders):
    docs = orders.docs()
    assert len(docs) == database.value("SELECT count(*) FROM sale")
    for key, number in database.sql("SELECT id, number FROM sale"):
        doc = docs[f"order:{number}"]
        assert doc["lines"] == lines_of(database, key), number
        assert doc["payments"] == [
            {"day": day, "amount": amount} for day, amount in database.sql(
                "SELECT day::text, amount::text FROM payment WHERE sale = %s ORDER BY day, id",
                [key])], number


def test_lines_nest_in_their_orders(project, database, orders):
    project.run().counts(created=300)
    check_all(database, orders)
    assert orders.get("order:S10")["lines"] == []
    assert len(orders.get("order:S150")["lines"]) == 5000
    project.quiet_run(databases=("orders",), unchanged=300)


def test_a_changed_line_is_one_revision_of_its_order(project, database, orders):
    project.run()
    database.sql("UPDATE sale_line SET quantity = 99 WHERE id = 77")
    project.run().counts(updated=1, unchanged=299)
    database.sql("DELETE FROM sale_line WHERE sale = 5")
    project.run().counts(updated=1, unchanged=299)
    database.sql("UPDATE sale_line SET sale = 8 WHERE id = (SELECT max(id) FROM sale_line"
                 " WHERE sale = 9)")
    project.run().counts(updated=2, unchanged=298)
    database.sql("INSERT INTO sale_line VALUES (900000, 10, 'first', 1, 1)")
    project.run().counts(updated=1, unchanged=299)
    check_all(database, orders)
    project.quiet_run(databases=("orders",), unchanged=300)


def test_lines_without_an_order_belong_to_nobody(project, database, orders):
    database.sql("INSERT INTO sale_line VALUES (-1, -5, 'orphan', 1, 1),"
                 " (-2, 9999, 'orphan', 1, 1), (-3, NULL, 'orphan', 1, 1), (-4, 0, 'orphan', 1, 1)")
    project.run().counts(created=300)
    check_all(database, orders)


class Between(faultproxy.TcpProxy):
    """Does something when the parents' snapshot is taken, and no child's transaction has begun."""
    act = exported = None

    def passing(self, source, piece):
        if b"pg_export_snapshot" in piece:
            self.exported = True
        elif self.exported and b"BEGIN " in piece:
            self.exported = False
            self.act()
        return piece


def test_children_are_those_of_the_parents_snapshot(project, database, cluster, orders):
    def change():
        changes.append(database.sql("UPDATE sale_line SET quantity = -1; DELETE FROM payment"))

    project.run()
    changes, front = [], Between("127.0.0.1", cluster.port)
    front.act = change
    project.env["ERP_DSN"] = database.dsn(port=front.port, sslmode="disable",
                                          gssencmode="disable")
    try:
        project.quiet_run(databases=("orders",), unchanged=300)
        assert len(changes) == 1
        project.run()
    finally:
        front.close()
    check_all(database, orders)


def test_both_streams_read_one_snapshot(project, database, orders):
    """Lines that are added while a run reads never show in half an order."""
    import threading
    stop = threading.Event()

    def keep_changing():
        with database.connect() as connection, connection.cursor() as cursor:
            while not stop.is_set():
                cursor.execute("UPDATE sale SET customer = customer + 1;"
                               "UPDATE sale_line SET quantity = quantity + 1")
                connection.commit()

    project.mapper("order", """
        mapper: order
        source: erp
        extract:
          query: SELECT s.id, s.number, s.customer - s.id % 7 AS tick FROM sale s
          key: id
          children:
            lines:
              query: SELECT id, sale, quantity FROM sale_line WHERE sale <= 3 AND product = 'P1'
              key: id
              parent: sale
        target: {database: "@db@orders", id: "order:${number}"}
        fields:
          tick: tick
          lines: {each: lines, fields: {quantity: quantity}}
        """)
    thread = threading.Thread(target=keep_changing)
    thread.start()
    try:
        for _ in range(3):
            project.run()
            docs = orders.docs()
            assert len({doc["tick"] for doc in docs.values()}) == 1
            tick = docs["order:S1"]["tick"]
            for number in (1, 2, 3):  # quantity began at 1 and tick at 0
                assert docs[f"order:S{number}"]["lines"] == [{"quantity": tick + 1}]
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("kind", ["text", "uuid", "bigint", "numeric", "date"])
def test_parents_are_matched_whatever_the_key(project, database, kind):
    """Merging needs one order on both sides: text sorts by bytes there, not by language."""
    values = {
        "text": ["a", "B", "á", "Z", "z", "_", "a b", "ab", "a-b", "10", "9", "", "漢"],
        "uuid": [f"{n:02x}000000-0000-0000-0000-0000000000{n:02x}" for n in (1, 16, 160, 255)],
        "bigint": ["-5", "10", "9", "100", "0", "9007199254740993"],
        "numeric": ["1", "1.5", "10", "-1", "-1.25", "0.001"],
        "date": ["2024-01-01", "0001-01-01", "1999-12-31"],
    }[kind]
    database.sql(f'CREATE TABLE sale (id {kind} PRIMARY KEY, n int)')
    database.sql(f'CREATE TABLE line (id int PRIMARY KEY, sale {kind}, text text)')
    for number, value in enumerate(values):
        database.sql("INSERT INTO sale VALUES (%s, %s)", [value, number])
        for line in range(number % 3):
            database.sql("INSERT INTO line VALUES (%s, %s, %s)",
                         [number * 10 + line, value, f"{value}/{line}"])
    project.mapper("order", """
        mapper: order
        source: erp
        extract:
          table: sale
          key: id
          children: {lines: {table: line, key: id, parent: sale}}
        target: {database: "@db@orders", id: "order:${n}"}
        fields: {lines: {each: lines, fields: {text: text}}}
        """)
    project.run().counts(created=len(values))
    docs = project.db("orders").docs()
    for number, value in enumerate(values):
        assert docs[f"order:{number}"]["lines"] == [
            {"text": f"{value}/{line}"} for line in range(number % 3)]
    project.quiet_run(databases=("orders",), unchanged=len(values))


def test_parents_with_a_key_of_two_columns(project, database):
    database.sql("""
        CREATE TABLE sale (shop text, nr int, PRIMARY KEY (shop, nr));
        CREATE TABLE line (shop text, nr int, pos int, PRIMARY KEY (shop, nr, pos));
        INSERT INTO sale SELECT s, n FROM unnest(ARRAY['b', 'a', 'B']) s, generate_series(1, 12) n;
        INSERT INTO line SELECT s, n, p FROM unnest(ARRAY['b', 'a', 'B']) s,
               generate_series(1, 12) n, generate_series(1, 12) p WHERE p <= n AND n % 4 > 0""")
    project.mapper("order", """
        mapper: order
        source: erp
        extract:
          table: sale
          key: [shop, nr]
          children: {lines: {table: line, key: pos, parent: [shop, nr]}}
        target: {database: "@db@orders", id: "order:${shop}:${nr}"}
        fields: {lines: {each: lines, fields: {pos: pos}}}
        """)
    project.run().counts(created=36)
    for doc in project.db("orders").docs().values():
        number = int(doc["_id"].split(":")[2])
        expected = list(range(1, number + 1)) if number % 4 else []
        assert [line["pos"] for line in doc["lines"]] == expected, doc
    project.quiet_run(databases=("orders",), unchanged=36)


def test_rows_of_a_group_are_one_document(project, database):
    database.sql("""
        CREATE TABLE price (customer int, category text, item text, price numeric(8,2));
        INSERT INTO price SELECT c, 'cat' || k, 'I' || i, c + i / 100.0 FROM
               generate_series(1, 20) c, generate_series(1, 3) k, generate_series(1, 10) i
               ORDER BY md5(c::text || k || i)""")
    project.mapper("prices", """
        mapper: prices
        source: erp
        extract:
          query: SELECT customer, category, item, price FROM price ORDER BY customer, category, item
          group: [customer, category]
        target: {database: "@db@prices", id: "prices:${customer}:${category}"}
        fields:
          customer: customer
          prices: {each: rows, fields: {item: item, price: price}}
        """)
    result = project.run().counts(created=60)
    prices = project.db("prices")
    for doc in prices.docs().values():
        _, customer, category = doc["_id"].split(":")
        assert doc["prices"] == [
            {"item": item, "price": price} for item, price in database.sql(
                "SELECT item, price::text FROM price WHERE customer = %s AND category = %s"
                " ORDER BY item", [customer, category])], result
    project.quiet_run(databases=("prices",), unchanged=60)
    database.sql("UPDATE price SET price = 0 WHERE customer = 3 AND item = 'I4'"
                 " AND category = 'cat2'")
    database.sql("DELETE FROM price WHERE customer = 4 AND category = 'cat1'")
    project.run().counts(updated=1, deleted=1, unchanged=58)


def test_cursor_with_children_demands_a_full_schedule(project, database, orders):
    path = project.mapper("order", ORDER_MAPPER.replace(
        "      key: id\n", "      key: id\n      cursor: customer\n", 1))
    project.erp2couch("check").expect(Exit.CONFIG).says("full", path.name)


def test_a_child_column_that_is_not_there(project, database, orders):
    project.mapper("order", ORDER_MAPPER.replace("{product: product,", "{product: prodct,"))
    project.run(code=Exit.CONFIG).says("prodct", "product", r"order\.yaml:\d+:\d+: ")
    assert not orders.exists()
