"""An ERP that lives: random changes by many transactions, and what its documents should be.

Two kinds of records: items (one table, moved between targets, flagged, deleted, their keys and
codes reused and swapped) and sales (header and lines). Everything is drawn from one random.Random.

What happened to a document id is counted in the table `event` by triggers: an id cannot have had
more bodies than events, so more revisions than events are needless ones.
"""

import threading

import psycopg2

SCHEMA = """
CREATE SEQUENCE stamp;
CREATE TABLE item (id int PRIMARY KEY, code text NOT NULL, kind text NOT NULL, v text,
                   gone boolean NOT NULL DEFAULT false, changed timestamptz, version bigint);
CREATE TABLE item_deleted (id int);
CREATE TABLE sale (id int PRIMARY KEY, ref text NOT NULL, customer text, changed timestamptz,
                   version bigint);
CREATE TABLE line (id int PRIMARY KEY, sale int NOT NULL, qty int, changed timestamptz,
                   version bigint);
CREATE TABLE event (doc text);

-- ids from 900 on carry no stamp at all; `app.silent` is what an UPDATE past the ERP's code is
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP = 'INSERT' OR current_setting('app.silent', true) IS DISTINCT FROM 'yes' THEN
    NEW.changed := CASE WHEN NEW.id < 900 THEN now() END;
    NEW.version := CASE WHEN NEW.id < 900 THEN nextval('stamp') END;
  END IF;
  RETURN NEW; END $$;
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON item FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON sale FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON line FOR EACH ROW EXECUTE FUNCTION stamp();

CREATE FUNCTION item_event() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP <> 'INSERT' THEN INSERT INTO event VALUES ('item:' || OLD.code); END IF;
  IF TG_OP <> 'DELETE' THEN INSERT INTO event VALUES ('item:' || NEW.code); END IF;
  IF TG_OP = 'DELETE' THEN INSERT INTO item_deleted VALUES (OLD.id); END IF;
  RETURN NULL; END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON item FOR EACH ROW
  EXECUTE FUNCTION item_event();
CREATE FUNCTION sale_event() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP <> 'INSERT' THEN INSERT INTO event VALUES ('sale:' || OLD.ref); END IF;
  IF TG_OP <> 'DELETE' THEN INSERT INTO event VALUES ('sale:' || NEW.ref); END IF;
  RETURN NULL; END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON sale FOR EACH ROW
  EXECUTE FUNCTION sale_event();
CREATE FUNCTION line_event() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP <> 'INSERT' THEN
    INSERT INTO event SELECT 'sale:' || ref FROM sale WHERE id = OLD.sale; END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO event SELECT 'sale:' || ref FROM sale WHERE id = NEW.sale; END IF;
  RETURN NULL; END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON line FOR EACH ROW
  EXECUTE FUNCTION line_event();
CREATE INDEX ON line (sale);

INSERT INTO item SELECT n, 'c' || n, (ARRAY['a', 'b'])[1 + n % 2], 'v' || n
  FROM generate_series(1, 150) n;
INSERT INTO item SELECT n, 'c' || n, 'a', 'v' || n FROM generate_series(900, 905) n;
INSERT INTO sale SELECT n, 's' || n, 'customer ' || n FROM generate_series(1, 60) n;
INSERT INTO line SELECT n, 1 + n % 60, n FROM generate_series(1, 200) n;
"""

LOCK_TIMEOUT = "SET LOCAL lock_timeout = '200ms'; "


class Life:
    """Changes an ERP.

    honest: whatever changes is stamped, and deletions leave their trace;
    by_kind: a code stands for a document of its own in each kind.
    """

    def __init__(self, database, chance, honest, by_kind, note=lambda text: None):
        self.database, self.chance, self.honest, self.note = database, chance, honest, note
        self.same_place = "o.code = i.code" + (" AND o.kind = i.kind" if by_kind else "")
        self.next_item, self.next_sale, self.next_line, self.turn = 200, 100, 300, 0
        self.open, self.prepared = [], []
        self.lock = threading.Lock()
        database.sql(SCHEMA)

    # ---- single changes: each yields SQL ----

    def some_item(self):
        return self.chance.choice([*range(1, 151), *range(200, max(201, self.next_item)), 900, 903])

    def some_sale(self):
        return self.chance.choice([*range(1, 61), *range(100, max(101, self.next_sale))])

    def update_items(self):
        first = self.some_item()
        return (f"UPDATE item SET v = 'u{self.turn}' WHERE id BETWEEN {first} AND"
                f" {first + self.chance.choice([0, 0, 3, 20])}")

    def insert_items(self):
        count = self.chance.choice([1, 1, 5, 30])
        first, self.next_item = self.next_item, min(self.next_item + count, 890)
        return (f"INSERT INTO item SELECT n, 'c' || n, 'a', 'i{self.turn}' FROM"
                f" generate_series({first}, {self.next_item - 1}) n ON CONFLICT DO NOTHING")

    def delete_item(self):
        return f"DELETE FROM item WHERE id = {self.some_item()} AND id > 20 AND id < 900"

    def delete_many(self):
        """So many that the brake holds them; seldom, and they come again."""
        if self.chance.random() < 0.7:
            return self.insert_items()
        first = self.chance.randrange(21, 100)
        return (f"DELETE FROM item WHERE id BETWEEN {first} AND {first + 40}; INSERT INTO item"
                f" SELECT n, 'c' || n, 'b', 'back {self.turn}' FROM generate_series({first},"
                f" {first + self.chance.choice([-1, 20])}) n")

    def reuse_key(self):
        key = self.chance.randrange(21, 150)
        return (f"DELETE FROM item WHERE id = {key}; INSERT INTO item VALUES ({key},"
                f" 'r{key}-{self.turn}', 'b', 'reused {self.turn}')")

    def reuse_code(self):
        """A new record takes the code of one that is deleted, or that gets another one."""
        key, new = self.chance.randrange(21, 150), self.next_item
        self.next_item = min(new + 1, 890)
        leave = self.chance.choice(["DELETE FROM item",
                                    f"UPDATE item SET code = 'm{key}-{self.turn}'"])
        return (f"INSERT INTO item SELECT {new}, code, kind, 'heir {self.turn}' FROM item WHERE"
                f" id = {key} ON CONFLICT DO NOTHING; {leave} WHERE id = {key}")

    def swap_codes(self):
        keys = self.chance.sample(range(1, 150), self.chance.choice([2, 2, 3, 7]))
        pairs = ", ".join(f"({a}, {b})" for a, b in zip(keys, keys[1:] + keys[:1]))
        return (f"UPDATE item i SET code = o.code FROM item o WHERE (i.id, o.id) IN ({pairs})"
                f" AND (SELECT count(*) FROM item WHERE id IN ({', '.join(map(str, keys))}))"
                f" = {len(keys)}")

    def rename(self):
        return f"UPDATE item SET code = 'm{self.turn}' WHERE id = {self.some_item()}"

    def move(self):
        first = self.some_item()
        return (f"UPDATE item SET kind = CASE kind WHEN 'a' THEN 'b' ELSE 'a' END WHERE id BETWEEN"
                f" {first} AND {first + self.chance.choice([0, 4])}")

    def spoil(self):
        return f"UPDATE item SET v = NULL WHERE id = {self.some_item()}"

    def mend(self):
        return f"UPDATE item SET v = 'mended {self.turn}' WHERE v IS NULL"

    def double_code(self):
        a, b = self.chance.sample(range(1, 150), 2)
        return f"UPDATE item SET code = (SELECT code FROM item WHERE id = {a}) WHERE id = {b}" \
               f" AND EXISTS (SELECT FROM item WHERE id = {a})"

    def flag(self):
        return (f"UPDATE item SET gone = {self.chance.choice(['true', 'false', 'NOT gone'])}"
                f" WHERE id BETWEEN {self.some_item()} AND {self.some_item()} AND id % 9 = 0")

    def new_sale(self):
        key, line, count = self.next_sale, self.next_line, self.chance.choice([0, 1, 3])
        self.next_sale, self.next_line = key + 1, line + count
        return (f"INSERT INTO sale VALUES ({key}, 's{key}', 'n{self.turn}'); INSERT INTO line"
                f" SELECT n, {key}, n FROM generate_series({line}, {line + count - 1}) n")

    def change_sale(self):
        return f"UPDATE sale SET customer = 'u{self.turn}' WHERE id = {self.some_sale()}"

    def change_line(self):
        return (f"UPDATE line SET qty = {self.turn} WHERE id ="
                f" {self.chance.randrange(1, self.next_line)}")

    def new_line(self):
        self.next_line += 1
        return f"INSERT INTO line VALUES ({self.next_line - 1}, {self.some_sale()}, {self.turn})"

    def delete_line(self):
        """An honest ERP stamps the header when a line goes."""
        line = self.chance.randrange(1, self.next_line)
        touch = (f"UPDATE sale SET customer = customer WHERE id = (SELECT sale FROM line WHERE"
                 f" id = {line}); " if self.honest else "")
        return touch + f"DELETE FROM line WHERE id = {line}"

    def move_line(self):
        line = self.chance.randrange(1, self.next_line)
        touch = (f"UPDATE sale SET customer = customer WHERE id = (SELECT sale FROM line WHERE"
                 f" id = {line}); " if self.honest else "")
        return touch + f"UPDATE line SET sale = {self.some_sale()} WHERE id = {line}"

    def change(self):
        """One statement or several, at random."""
        self.turn += 1
        kinds = [self.update_items, self.update_items, self.insert_items, self.delete_item,
                 self.delete_many,
                 self.reuse_key, self.reuse_code, self.swap_codes, self.rename, self.move,
                 self.spoil, self.mend, self.double_code, self.flag, self.new_sale,
                 self.change_sale, self.change_line, self.change_line, self.new_line,
                 self.delete_line, self.move_line]
        sql = self.chance.choice(kinds)()
        silent = not self.honest and self.chance.random() < 0.2
        return ("SET LOCAL app.silent = 'yes'; " if silent else "") + sql

    # ---- transactions ----

    def begin(self):
        """A transaction that stays open: what it stamped commits late, or never."""
        connection = self.database.connect(application_name="late")
        try:
            self.execute(connection, LOCK_TIMEOUT + self.change())
            self.open.append(connection)
        except psycopg2.Error:
            connection.close()

    def execute(self, connection, sql):
        with connection.cursor() as cursor:
            cursor.execute(sql)
        self.note(f"SQL {connection.info.backend_pid}: {sql}")

    def end_one(self):
        if not self.open:
            return
        connection = self.open.pop(self.chance.randrange(len(self.open)))
        how = self.chance.choice(["COMMIT", "COMMIT", "COMMIT", "ROLLBACK", "PREPARE"])
        try:
            if how == "PREPARE" and len(self.prepared) < 3:
                self.turn += 1
                name = f"{self.database.name}-{self.turn}"
                self.execute(connection, f"PREPARE TRANSACTION '{name}'")
                self.prepared.append(name)
            else:
                self.execute(connection, "COMMIT" if how == "PREPARE" else how)
        finally:
            connection.close()

    def end_prepared(self):
        if self.prepared:
            name = self.prepared.pop()
            self.database.sql(f"COMMIT PREPARED '{name}'")
            self.note(f"SQL COMMIT PREPARED '{name}'")

    def step(self):
        """What may happen at any moment."""
        with self.lock:
            what = self.chance.random()
            if what < 0.15 and len(self.open) < 4:
                self.begin()
            elif what < 0.3:
                self.end_one()
            elif what < 0.33:
                self.end_prepared()
            else:
                self.at_once()

    def at_once(self):
        connection = self.database.connect()
        try:
            for _ in range(self.chance.choice([1, 1, 3])):
                self.execute(connection, LOCK_TIMEOUT + self.change())
            self.execute(connection, "COMMIT")
        except psycopg2.Error:
            pass  # another transaction has locked the row: this one did not happen
        finally:
            connection.close()

    def calm(self):
        """All transactions end."""
        with self.lock:
            while self.open:
                self.end_one()
            while self.prepared:
                self.end_prepared()

    def sane(self):
        """No bad rows, no code twice."""
        self.calm()
        self.database.sql(
            "UPDATE item SET v = 'sane' WHERE v IS NULL; UPDATE item i SET code = 'x' || id WHERE"
            f" EXISTS (SELECT FROM item o WHERE {self.same_place} AND o.id < i.id)")

    # ---- what the documents should be ----

    def bad_items(self):
        """Keys of the records that must be rejects."""
        return set(self.database.column(
            "SELECT id FROM item i WHERE NOT gone AND (v IS NULL OR EXISTS (SELECT FROM item o"
            f" WHERE {self.same_place} AND o.id <> i.id AND o.v IS NOT NULL AND NOT o.gone))"))

    def items(self):
        """{(kind, document id): members} of those that are no rejects."""
        bad = self.bad_items()
        return {(kind, f"item:{code}"): {"type": "item", "id": key, "v": v}
                for key, code, kind, v in self.database.sql(
                    "SELECT id, code, kind, v FROM item WHERE NOT gone") if key not in bad}

    def sales(self):
        lines = {}
        for key, sale, qty in self.database.sql("SELECT id, sale, qty FROM line ORDER BY id"):
            lines.setdefault(sale, []).append({"id": key, "qty": qty})
        return {f"sale:{ref}": {"type": "sale", "customer": customer, "lines": lines.get(key, [])}
                for key, ref, customer in self.database.sql("SELECT id, ref, customer FROM sale")}

    def events(self):
        return dict(self.database.sql("SELECT doc, count(*) FROM event GROUP BY doc"))
