"""The ERP of the soak: tables that live, and which of their records are bad.

All changes are honest: what changes gets a new stamp, a header when one of its lines goes. Products
1 to SWAPPED exchange their codes and are never bad; only the others become bad, and their codes are
never used again. So no bad record sits on the document of a good one, and the rejects are the bad
records, not one more.
"""

import random
import threading

import psycopg2

SWAPPED, PRODUCTS, PARTNERS, SALES, LINES, SKUS = 300, 1200, 200, 400, 1600, 5
BAD_MOST = 30  # of a kind; a mapper stops by itself where half of what it reads is bad
# locked, deadlock, unique; notifications cannot be prepared
DID_NOT_HAPPEN = {"55P03", "40P01", "23505", "0A000"}

SCHEMA = f"""
CREATE SEQUENCE stamp;
CREATE SEQUENCE fresh START 10000;
CREATE TABLE product (id int PRIMARY KEY, code text NOT NULL, kind text NOT NULL, name text,
                      price numeric(12,2) NOT NULL, version bigint,
                      UNIQUE (code) DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE stock (id int PRIMARY KEY, qty int NOT NULL, place text, changed timestamptz);
CREATE TABLE sale (id int PRIMARY KEY, ref text NOT NULL UNIQUE, state text NOT NULL,
                   partner int NOT NULL, version bigint);
CREATE TABLE line (id int PRIMARY KEY, sale int NOT NULL, sku text NOT NULL,
                   qty numeric(8,3) NOT NULL, version bigint);
CREATE TABLE price (partner int, sku text, amount numeric(10,2), PRIMARY KEY (partner, sku));
CREATE TABLE partner (id int PRIMARY KEY, name text NOT NULL, mail text, active boolean NOT NULL,
                      version bigint);
CREATE TABLE event (doc text);

CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  NEW.version := nextval('stamp'); RETURN NEW; END $$;
CREATE FUNCTION clock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  NEW.changed := now(); RETURN NEW; END $$;
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON product FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON sale FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON line FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON partner FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TRIGGER clock BEFORE INSERT OR UPDATE ON stock FOR EACH ROW EXECUTE FUNCTION clock();

CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  PERFORM pg_notify('stock_changed', ''); RETURN NULL; END $$;
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON stock FOR EACH STATEMENT
  EXECUTE FUNCTION tell();

-- how many bodies each document can have had
CREATE FUNCTION product_event() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP <> 'INSERT' THEN INSERT INTO event VALUES ('product:' || OLD.code); END IF;
  IF TG_OP = 'DELETE' OR TG_OP = 'UPDATE' AND (OLD.code, OLD.kind) = (NEW.code, NEW.kind) THEN
    RETURN NULL; END IF;
  INSERT INTO event VALUES ('product:' || NEW.code);
  RETURN NULL; END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON product FOR EACH ROW
  EXECUTE FUNCTION product_event();

INSERT INTO product SELECT n, 'c' || n, (ARRAY['a', 'b'])[1 + n % 2], 'Product ' || n, n * 1.25
  FROM generate_series(1, {PRODUCTS}) n;
INSERT INTO stock SELECT n, n % 50, 'P' || n % 7 FROM generate_series(1, {PRODUCTS}) n;
INSERT INTO partner SELECT n, 'Partner ' || n, 'p' || n || '@example.com', true
  FROM generate_series(1, {PARTNERS}) n;
INSERT INTO sale SELECT n, 's' || n, (ARRAY['draft', 'done'])[1 + n % 2], 1 + n % {PARTNERS}
  FROM generate_series(1, {SALES}) n;
INSERT INTO line SELECT n, 1 + n % {SALES}, 'c' || n, 1 + n % 9 FROM generate_series(1, {LINES}) n;
INSERT INTO price SELECT p, 'sku' || s, p + s FROM generate_series(1, {PARTNERS}) p,
  generate_series(1, {SKUS}) s;
CREATE INDEX ON line (sale);
"""


class Shop:
    """Draws changes as SQL, each of one transaction."""

    def __init__(self, seed):
        self.chance = random.Random(f"{seed} shop")
        self.lock = threading.Lock()
        self.turn = 0
        self.kinds = [
            (6, self.update_products), (2, self.insert_products), (3, self.delete_products),
            (3, self.swap_codes), (2, self.rename), (2, self.move), (1, self.heir),
            (1, self.spoil_products), (2, self.mend_products),
            (6, self.update_stock), (1, self.insert_stock), (1, self.delete_stock),
            (2, self.insert_sale), (3, self.update_sale), (4, self.update_line),
            (3, self.insert_line), (2, self.delete_line), (1, self.move_line),
            (1, self.delete_sale), (1, self.rename_sale), (1, self.spoil_sales),
            (2, self.mend_sales),
            (4, self.update_price), (1, self.delete_price), (1, self.insert_price),
            (1, self.spoil_prices), (2, self.mend_prices),
            (3, self.update_partner), (1, self.flag_partner), (1, self.insert_partner)]
        self.weights = [weight for weight, _ in self.kinds]

    def change(self):
        """One change, as SQL."""
        with self.lock:
            self.turn += 1
            [(_, kind)] = self.chance.choices(self.kinds, self.weights)
            return kind()

    def some(self, table, first=0, count=1):
        """A condition that picks rows of a table at random, from id `first` on."""
        return (f"id IN (SELECT id FROM {table} WHERE id > {first} ORDER BY"
                f" hashint4(id # {self.chance.getrandbits(30)}) LIMIT {count})")

    def few(self):
        return self.chance.choice([1, 1, 1, 3, 10])

    # ---- products

    def update_products(self):
        price = self.chance.randrange(10000)
        return (f"UPDATE product SET price = {price} / 100.0 WHERE price >= 0"
                f" AND {self.some('product', count=self.few())}")

    def insert_products(self):
        return ("INSERT INTO product SELECT n, 'c' || n, (ARRAY['a', 'b'])[1 + n % 2],"
                f" 'New {self.turn}', 1 FROM (SELECT nextval('fresh') AS n FROM"
                f" generate_series(1, {self.few()})) f")

    def delete_products(self):
        return f"DELETE FROM product WHERE {self.some('product', SWAPPED, self.few())}"

    def swap_codes(self):
        keys = self.chance.sample(range(1, SWAPPED + 1), self.chance.choice([2, 2, 3, 7]))
        pairs = ", ".join(f"({a}, {b})" for a, b in zip(keys, keys[1:] + keys[:1]))
        return (f"UPDATE product i SET code = o.code FROM product o WHERE (i.id, o.id) IN ({pairs})"
                f" AND (SELECT count(*) FROM product WHERE id IN ({', '.join(map(str, keys))}))"
                f" = {len(keys)}")

    def heir(self):
        """A new record takes the code of one that goes, or that gets another one."""
        key = self.chance.randrange(1, SWAPPED + 1)
        body = f"'a', 'Heir {self.turn}', 2"
        if self.chance.random() < 0.5:  # a key that comes again
            return (f"UPDATE product SET code = 'm' || nextval('fresh') WHERE id = {key};"
                    f" DELETE FROM product WHERE id = {key}; INSERT INTO product VALUES ({key},"
                    f" 'm' || nextval('fresh'), {body})")
        other = self.chance.randrange(1, SWAPPED + 1)
        return (f"DELETE FROM product WHERE id = {other} AND id <> {key}; INSERT INTO product"
                f" SELECT {other}, code, {body} FROM product WHERE id = {key} AND id <> {other};"
                f" UPDATE product SET code = 'm' || nextval('fresh') WHERE id = {key}")

    def rename(self):
        return ("UPDATE product SET code = 'm' || nextval('fresh') WHERE"
                f" {self.some('product', count=self.few())}")

    def move(self):
        return ("UPDATE product SET kind = CASE kind WHEN 'a' THEN 'b' ELSE 'a' END WHERE"
                f" {self.some('product', count=self.few())}")

    def spoil(self, table, change, bad, condition):
        return (f"UPDATE {table} SET {change} WHERE {condition} AND (SELECT count(*) FROM {table}"
                f" WHERE {bad}) < {BAD_MOST}")

    def spoil_products(self):
        change = self.chance.choice(["name = NULL", "price = -price - 1"])
        return self.spoil("product", change, "name IS NULL OR price < 0",
                          "price >= 0 AND " + self.some("product", SWAPPED, self.few()))

    def mend_products(self):
        return (f"UPDATE product SET name = 'Mended {self.turn}', price = abs(price) WHERE"
                f" (name IS NULL OR price < 0) AND id % 2 = {self.turn % 2}")

    # ---- stock

    def update_stock(self):
        return (f"UPDATE stock SET qty = {self.chance.randrange(1000)} WHERE"
                f" {self.some('stock', count=self.few())}")

    def insert_stock(self):
        return (f"INSERT INTO stock SELECT nextval('fresh'), 1, 'T{self.turn}' FROM"
                f" generate_series(1, {self.few()})")

    def delete_stock(self):
        return f"DELETE FROM stock WHERE {self.some('stock', count=self.few())}"

    # ---- sales and their lines

    def insert_sale(self):
        count = self.chance.choice([0, 1, 4])
        return ("WITH s AS (INSERT INTO sale SELECT n, 's' || n, 'draft',"
                f" {self.chance.randrange(1, PARTNERS)} FROM (SELECT nextval('fresh') AS n) f"
                " RETURNING id) INSERT INTO line SELECT nextval('fresh'), s.id, 'x' || n, n FROM s,"
                f" generate_series(1, {count}) n")

    def update_sale(self):
        return (f"UPDATE sale SET state = '{self.chance.choice(['draft', 'done', 'sent'])}' WHERE"
                f" state <> 'lost' AND {self.some('sale', count=self.few())}")

    def update_line(self):
        return f"UPDATE line SET qty = {self.turn % 1000} WHERE {self.some('line')}"

    def insert_line(self):
        return (f"INSERT INTO line SELECT nextval('fresh'), id, 'n{self.turn}', 0.5 FROM sale WHERE"
                f" {self.some('sale')}")

    def touched(self, condition):
        """The header of a line is stamped when the line leaves it."""
        return f"UPDATE sale SET ref = ref WHERE id = (SELECT sale FROM line WHERE {condition}); "

    def line(self):
        return f"id = {self.chance.randrange(1, LINES + 1)}"

    def delete_line(self):
        line = self.line()
        return f"{self.touched(line)}DELETE FROM line WHERE {line}"

    def move_line(self):
        line = self.line()
        return (f"{self.touched(line)}UPDATE line SET sale = (SELECT id FROM sale WHERE"
                f" {self.some('sale')}) WHERE {line}")

    def delete_sale(self):
        key = self.chance.randrange(1, SALES + 1)
        return f"DELETE FROM line WHERE sale = {key}; DELETE FROM sale WHERE id = {key}"

    def rename_sale(self):
        return f"UPDATE sale SET ref = 'r' || nextval('fresh') WHERE {self.some('sale')}"

    def spoil_sales(self):
        return self.spoil("sale", "state = 'lost'", "state = 'lost'", self.some("sale"))

    def mend_sales(self):
        return f"UPDATE sale SET state = 'done' WHERE state = 'lost' AND id % 2 = {self.turn % 2}"

    # ---- prices

    def partner(self):
        return self.chance.randrange(1, PARTNERS + 1)

    def update_price(self):
        return (f"UPDATE price SET amount = {self.chance.randrange(1000)} / 10.0 WHERE amount IS"
                f" NOT NULL AND partner = {self.partner()} AND sku LIKE"
                f" '%{self.chance.randrange(SKUS) + 1}'")

    def delete_price(self):
        only = self.chance.choice(["", " AND sku = 'sku1'", " AND sku = 'sku2'"])
        return f"DELETE FROM price WHERE partner = {self.partner()}{only}"

    def insert_price(self):
        return (f"INSERT INTO price SELECT {self.partner()}, 'sku' || n, n FROM"
                f" generate_series(1, {SKUS}) n ON CONFLICT DO NOTHING")

    def spoil_prices(self):
        return self.spoil("price", "amount = NULL", "amount IS NULL",
                          f"partner = {self.partner()} AND sku = 'sku3'")

    def mend_prices(self):
        return f"UPDATE price SET amount = 9 WHERE amount IS NULL AND partner % 2 = {self.turn % 2}"

    # ---- partners

    def update_partner(self):
        return f"UPDATE partner SET name = 'Renamed {self.turn}' WHERE {self.some('partner')}"

    def flag_partner(self):
        return f"UPDATE partner SET active = NOT active WHERE {self.some('partner')}"

    def insert_partner(self):
        return f"INSERT INTO partner SELECT nextval('fresh'), 'P{self.turn}', NULL, true"

    # ---- the end

    MENDED = """
        UPDATE product SET name = 'Good', price = abs(price) WHERE name IS NULL OR price < 0;
        UPDATE sale SET state = 'done' WHERE state = 'lost';
        UPDATE price SET amount = 9 WHERE amount IS NULL;
        """


def attempt(connection, action):
    """Whether it happened: another transaction may have locked the rows, or have the code."""
    try:
        action()
        return True
    except psycopg2.Error as problem:
        if problem.pgcode not in DID_NOT_HAPPEN:
            raise
        connection.rollback()
        return False


def execute(connection, sql):
    """Runs it; the caller commits. Returns whether it happened."""
    with connection.cursor() as cursor:
        return attempt(connection, lambda: cursor.execute(
            "SET LOCAL lock_timeout = '300ms'; " + sql))


def commit(connection):
    """Returns whether it happened: constraints are looked at late."""
    return attempt(connection, connection.commit)
