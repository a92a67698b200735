-- erp.sql: a small demo ERP, the one deploy/quickstart reads.
--
-- Quayside Trade Supplies sells fixings, tools and building materials to the trade from three
-- warehouses. Products, price lists, customers, reps, stock, and ten months of orders. Everything is
-- computed from row numbers (`pick` below), so that every load gives the same rows; nothing in
-- here is a real company, person, address or telephone number.
--
--   createdb erp && psql -X -v ON_ERROR_STOP=1 -d erp -f deploy/demo/erp.sql

BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL timezone = 'Europe/Dublin';
SET LOCAL search_path = public, pg_temp;

-- A number from 0 to size - 1 that looks random and never changes.
CREATE FUNCTION pg_temp.pick(salt text, n bigint, size int) RETURNS int
LANGUAGE sql IMMUTABLE AS
$$ SELECT (('x' || left(md5(salt || ':' || n), 7))::bit(28)::int % size) $$;

-- A time of day in working hours.
CREATE FUNCTION pg_temp.worktime(salt text, n bigint) RETURNS interval LANGUAGE sql IMMUTABLE AS
$$ SELECT interval '8 hours' + pg_temp.pick(salt, n, 540) * interval '1 minute' $$;

-- The day itself, or the Monday after a Saturday or Sunday.
CREATE FUNCTION pg_temp.workday(day date) RETURNS date LANGUAGE sql IMMUTABLE AS
$$ SELECT day + CASE extract(isodow FROM day) WHEN 6 THEN 2 WHEN 7 THEN 1 ELSE 0 END $$;

-- ---- what is sold -------------------------------------------------------------------------

CREATE TABLE vat_rate (
    code       char(1)      PRIMARY KEY,
    name       text         NOT NULL,
    percent    numeric(5,2) NOT NULL
);
COMMENT ON TABLE vat_rate IS 'VAT by class of goods';
INSERT INTO vat_rate VALUES ('S', 'Standard', 23.00), ('R', 'Reduced', 13.50), ('Z', 'Zero', 0.00);

CREATE TABLE category (
    id         int  PRIMARY KEY,
    parent_id  int  REFERENCES category,
    code       text NOT NULL UNIQUE,
    name       text NOT NULL
);
COMMENT ON TABLE category IS 'Product groups, two levels deep';
COMMENT ON COLUMN category.parent_id IS 'NULL: a group at the top';
CREATE INDEX ON category (parent_id);
INSERT INTO category VALUES
    (1, NULL, 'FIX', 'Fixings'), (2, NULL, 'TOOL', 'Tools'), (3, NULL, 'SITE', 'Site and building'),
    (4, NULL, 'SAFE', 'Safety'), (5, NULL, 'FIN', 'Paint and finishing'),
    (10, 1, 'FIX-BOLT', 'Bolts and nuts'), (11, 1, 'FIX-SCREW', 'Screws'),
    (12, 1, 'FIX-ANCH', 'Anchors and plugs'), (20, 2, 'TOOL-POWER', 'Power tools'),
    (21, 2, 'TOOL-HAND', 'Hand tools'), (22, 2, 'TOOL-ACC', 'Drill bits and blades'),
    (30, 3, 'SITE-TIMB', 'Timber and sheet'), (31, 3, 'SITE-INSU', 'Insulation and membranes'),
    (40, 4, 'SAFE-PPE', 'Protective equipment'), (50, 5, 'FIN-PAINT', 'Paint'),
    (51, 5, 'FIN-SEAL', 'Sealants and adhesives');

CREATE TABLE product (
    id          int           PRIMARY KEY,
    code        text          NOT NULL UNIQUE,
    name        text          NOT NULL,
    category_id int           NOT NULL REFERENCES category,
    barcode     char(13)      UNIQUE,
    unit        text          NOT NULL,
    vat_code    char(1)       NOT NULL REFERENCES vat_rate,
    list_price  numeric(10,2) NOT NULL CHECK (list_price > 0),
    cost        numeric(12,4) NOT NULL,
    weight_kg   numeric(8,3),
    active      boolean       NOT NULL DEFAULT true,
    created_at  timestamptz   NOT NULL,
    updated_at  timestamptz   NOT NULL
);
COMMENT ON TABLE product IS 'Everything sold, one row an article; discontinued ones stay, inactive';
COMMENT ON COLUMN product.barcode IS 'EAN-13; NULL for what is cut or weighed to order';
COMMENT ON COLUMN product.list_price IS 'EUR without VAT, for one unit';
CREATE INDEX ON product (category_id);
CREATE INDEX ON product (updated_at);

-- A family is an article in several sizes and finishes: 'Hex bolt M8 x 40, stainless A2'.
CREATE TEMP TABLE family (
    id int GENERATED ALWAYS AS IDENTITY, category text, prefix text, name text, unit text,
    vat char(1), base numeric, weight numeric, sizes text[], finishes text[]) ON COMMIT DROP;
INSERT INTO family (category, prefix, name, unit, vat, base, weight, sizes, finishes) VALUES
('FIX-BOLT', 'HB', 'Hex bolt', 'box of 50', 'S', 6.40, 0.9,
    '{M6 x 30,M8 x 40,M8 x 60,M10 x 60,M10 x 80,M12 x 80,M12 x 100,M16 x 100}', '{zinc plated,stainless A2}'),
('FIX-BOLT', 'CB', 'Coach bolt', 'box of 25', 'S', 5.10, 1.1,
    '{M8 x 75,M8 x 100,M10 x 100,M10 x 130,M12 x 150,M12 x 200}', '{zinc plated,galvanised}'),
('FIX-BOLT', 'HN', 'Hex nut', 'box of 100', 'S', 2.35, 0.4, '{M6,M8,M10,M12,M16}', '{zinc plated,stainless A2}'),
('FIX-BOLT', 'FW', 'Flat washer', 'box of 100', 'S', 1.60, 0.2, '{M6,M8,M10,M12,M16}', '{zinc plated,stainless A2}'),
('FIX-SCREW', 'WS', 'Wood screw', 'box of 200', 'S', 4.95, 0.5,
    '{3.5 x 30,4 x 40,4 x 50,5 x 50,5 x 70,5 x 90,6 x 100,6 x 120}', '{yellow passivated,stainless A2}'),
('FIX-SCREW', 'DS', 'Drywall screw', 'box of 1000', 'S', 9.80, 1.4, '{3.5 x 25,3.5 x 35,3.5 x 45,3.5 x 55}', '{black phosphate}'),
('FIX-SCREW', 'KS', 'Decking screw', 'tub of 250', 'S', 18.50, 1.3, '{4.5 x 60,4.5 x 75,5 x 90}', '{green coated,stainless A4}'),
('FIX-ANCH', 'NP', 'Nylon plug', 'box of 100', 'S', 3.20, 0.1, '{6 mm,8 mm,10 mm,12 mm,14 mm}', '{}'),
('FIX-ANCH', 'TB', 'Throughbolt', 'box of 20', 'S', 12.75, 1.8, '{M8 x 80,M10 x 95,M12 x 110,M16 x 140}', '{zinc plated,stainless A4}'),
('FIX-ANCH', 'CR', 'Chemical anchor resin', 'cartridge', 'S', 11.40, 0.7, '{300 ml,380 ml,410 ml}', '{}'),
('TOOL-POWER', 'CD', 'Cordless combi drill', 'each', 'S', 129.00, 1.9, '{12 V,18 V}', '{bare unit,2 x 2.0 Ah,2 x 5.0 Ah}'),
('TOOL-POWER', 'CS', 'Circular saw', 'each', 'S', 109.00, 4.2, '{165 mm,190 mm,235 mm}', '{}'),
('TOOL-POWER', 'AG', 'Angle grinder', 'each', 'S', 64.00, 2.3, '{115 mm,125 mm,230 mm}', '{}'),
('TOOL-POWER', 'RH', 'Rotary hammer SDS-plus', 'each', 'S', 168.00, 3.1, '{2 kg,3 kg,4 kg}', '{}'),
('TOOL-POWER', 'LV', 'Laser level', 'each', 'S', 145.00, 0.8, '{2 lines,3 lines,360 degrees}', '{red,green}'),
('TOOL-HAND', 'CH', 'Claw hammer', 'each', 'S', 14.50, 0.8, '{16 oz,20 oz,24 oz}', '{fibreglass shaft,hickory shaft}'),
('TOOL-HAND', 'TM', 'Tape measure', 'each', 'S', 6.90, 0.3, '{3 m,5 m,8 m,10 m}', '{}'),
('TOOL-HAND', 'SL', 'Spirit level', 'each', 'S', 18.20, 0.9, '{600 mm,900 mm,1200 mm,1800 mm}', '{}'),
('TOOL-HAND', 'HS', 'Hand saw', 'each', 'S', 11.80, 0.5, '{400 mm,500 mm,550 mm}', '{}'),
('TOOL-HAND', 'CI', 'Bevel edge chisel', 'each', 'S', 8.60, 0.3, '{6 mm,10 mm,12 mm,19 mm,25 mm,32 mm}', '{}'),
('TOOL-ACC', 'HD', 'HSS drill bit', 'pack of 10', 'S', 5.70, 0.1, '{2 mm,3 mm,4 mm,5 mm,6 mm,8 mm,10 mm,13 mm}', '{}'),
('TOOL-ACC', 'MB', 'Masonry bit SDS-plus', 'each', 'S', 3.10, 0.1, '{6 x 110,8 x 160,10 x 160,12 x 210,16 x 310,20 x 450}', '{}'),
('TOOL-ACC', 'DB', 'Diamond blade', 'each', 'S', 16.90, 0.4, '{115 mm,125 mm,230 mm,300 mm}', '{concrete,porcelain}'),
('TOOL-ACC', 'SB', 'Circular saw blade', 'each', 'S', 13.40, 0.3, '{165 mm 24T,165 mm 48T,190 mm 24T,190 mm 60T,235 mm 40T}', '{}'),
('SITE-TIMB', 'TC', 'Treated timber C16', 'length', 'R', 6.80, 7.5, '{44 x 75 x 4.8 m,44 x 100 x 4.8 m,44 x 150 x 4.8 m,44 x 225 x 4.8 m}', '{}'),
('SITE-TIMB', 'PW', 'Plywood sheet 2440 x 1220', 'sheet', 'R', 24.50, 16.0, '{9 mm,12 mm,18 mm,25 mm}', '{structural,WBP hardwood}'),
('SITE-TIMB', 'OS', 'OSB3 sheet 2440 x 1220', 'sheet', 'R', 15.90, 17.0, '{9 mm,11 mm,18 mm}', '{}'),
('SITE-INSU', 'PI', 'PIR board 2400 x 1200', 'sheet', 'R', 19.60, 3.8, '{25 mm,50 mm,75 mm,100 mm,150 mm}', '{}'),
('SITE-INSU', 'DM', 'Damp proof membrane', 'roll', 'R', 42.00, 28.0, '{4 x 12.5 m,4 x 25 m}', '{1000 gauge,1200 gauge}'),
('SITE-INSU', 'MW', 'Mineral wool roll', 'roll', 'R', 26.80, 9.5, '{100 mm,150 mm,200 mm}', '{}'),
('SAFE-PPE', 'GL', 'Work gloves', 'pair', 'S', 3.40, 0.1, '{S,M,L,XL}', '{nitrile,leather}'),
('SAFE-PPE', 'SG', 'Safety glasses', 'each', 'S', 4.80, 0.1, '{clear,tinted}', '{}'),
('SAFE-PPE', 'HV', 'Hi-vis vest', 'each', 'S', 5.60, 0.2, '{M,L,XL,XXL}', '{yellow,orange}'),
('SAFE-PPE', 'BT', 'Safety boots S3', 'pair', 'S', 54.00, 1.4, '{40,41,42,43,44,45,46}', '{black,tan}'),
('FIN-PAINT', 'EM', 'Matt emulsion', 'tub', 'S', 21.50, 7.0, '{2.5 l,5 l,10 l}', '{brilliant white,magnolia,mid grey}'),
('FIN-PAINT', 'GP', 'Gloss paint', 'tin', 'S', 15.20, 1.4, '{750 ml,2.5 l}', '{brilliant white,black}'),
('FIN-PAINT', 'WD', 'Wood preservative', 'tin', 'S', 17.90, 5.2, '{2.5 l,5 l,20 l}', '{clear,dark oak}'),
('FIN-SEAL', 'SI', 'Silicone sealant', 'cartridge', 'S', 4.30, 0.4, '{310 ml}', '{clear,white,grey,brown}'),
('FIN-SEAL', 'GA', 'Grab adhesive', 'cartridge', 'S', 5.20, 0.5, '{290 ml,350 ml}', '{}'),
('FIN-SEAL', 'PF', 'Expanding foam', 'can', 'S', 6.70, 0.9, '{500 ml,750 ml}', '{hand held,gun grade}');

INSERT INTO product
SELECT id, code, name, category_id,
       -- One in fifteen has no barcode. The 13th digit is EAN's check digit.
       CASE WHEN pg_temp.pick('barcode', id, 15) > 0 THEN ean || (10 - (
           SELECT sum(substr(ean, i, 1)::int * CASE WHEN i % 2 = 0 THEN 3 ELSE 1 END)
           FROM generate_series(1, 12) i) % 10) % 10 END,
       unit, vat, price, round(price * (52 + pg_temp.pick('cost', id, 21)) / 100, 4), weight,
       pg_temp.pick('active', id, 25) > 0,
       pg_temp.workday(date '2022-03-01' + pg_temp.pick('created', id, 700)) + pg_temp.worktime('created', id),
       pg_temp.workday(date '2025-01-06' + pg_temp.pick('updated', id, 280)) + pg_temp.worktime('updated', id)
FROM (
    SELECT row_number() OVER w::int AS id,
           f.prefix || '-' || 100 + row_number() OVER (PARTITION BY f.id ORDER BY s.n, g.n) AS code,
           f.name || ' ' || s.size || coalesce(', ' || g.finish, '') AS name,
           c.id AS category_id, f.unit, f.vat,
           '539' || lpad((100000000 + row_number() OVER w * 7411)::text, 9, '0') AS ean,
           round(f.base * (1 + 0.22 * (s.n - 1)) * (1 + 0.45 * (coalesce(g.n, 1) - 1)), 1)
               - 0.01 * pg_temp.pick('cent', s.n * 10 + f.id, 6) AS price,
           round(f.weight * (1 + 0.3 * (s.n - 1)), 3) AS weight
    FROM family f
    JOIN category c ON c.code = f.category
    CROSS JOIN unnest(f.sizes) WITH ORDINALITY s (size, n)
    LEFT JOIN unnest(f.finishes) WITH ORDINALITY g (finish, n) ON true
    WINDOW w AS (ORDER BY f.id, s.n, g.n)) made;

CREATE TABLE price_list (
    id          int     PRIMARY KEY,
    code        text    NOT NULL UNIQUE,
    name        text    NOT NULL,
    currency    char(3) NOT NULL,
    valid_from  date    NOT NULL,
    valid_until date
);
COMMENT ON TABLE price_list IS 'Who pays what: each customer has one list';
COMMENT ON COLUMN price_list.valid_until IS 'NULL: until further notice';
INSERT INTO price_list VALUES
    (1, 'RETAIL', 'Counter prices', 'EUR', '2025-01-01', NULL),
    (2, 'TRADE', 'Trade account', 'EUR', '2025-01-01', NULL),
    (3, 'CONTRACT', 'Contractors, by quantity', 'EUR', '2025-01-01', '2025-12-31'),
    (4, 'EXPORT', 'Great Britain', 'GBP', '2025-02-01', NULL);

CREATE TABLE price_list_item (
    price_list_id int           NOT NULL REFERENCES price_list ON DELETE CASCADE,
    product_id    int           NOT NULL REFERENCES product,
    min_quantity  int           NOT NULL DEFAULT 1 CHECK (min_quantity > 0),
    price         numeric(10,2) NOT NULL CHECK (price > 0),
    PRIMARY KEY (price_list_id, product_id, min_quantity)
);
COMMENT ON TABLE price_list_item IS 'Price of one unit without VAT, from a quantity on';
CREATE INDEX ON price_list_item (product_id);
INSERT INTO price_list_item
SELECT s.list, p.id, s.quantity,
       round(p.list_price * (s.percent - s.spread * pg_temp.pick('list' || s.list, p.id, 5)) / 100, 2)
FROM product p
CROSS JOIN (VALUES (1, 1, 100, 0), (2, 1, 88, 1), (3, 1, 84, 1), (3, 20, 78, 1), (4, 1, 81, 1))
    s (list, quantity, percent, spread)
WHERE p.active;

CREATE TABLE warehouse (
    id   int  PRIMARY KEY,
    code text NOT NULL UNIQUE,
    name text NOT NULL,
    town text NOT NULL
);
COMMENT ON TABLE warehouse IS 'Where stock lies';
INSERT INTO warehouse VALUES (1, 'DUB', 'Dublin main store', 'Dublin'),
    (2, 'CRK', 'Cork depot', 'Cork'), (3, 'GWY', 'Galway depot', 'Galway');

CREATE TABLE stock_level (
    product_id   int           NOT NULL REFERENCES product,
    warehouse_id int           NOT NULL REFERENCES warehouse,
    on_hand      numeric(12,3) NOT NULL,
    reserved     numeric(12,3) NOT NULL DEFAULT 0,
    bin          text,
    counted_on   date,
    PRIMARY KEY (product_id, warehouse_id)
);
COMMENT ON TABLE stock_level IS 'On hand and reserved, by product and warehouse';
COMMENT ON COLUMN stock_level.bin IS 'Aisle and shelf; NULL: on the floor';
CREATE INDEX ON stock_level (warehouse_id);
INSERT INTO stock_level
SELECT p.id, w.id, on_hand, least(on_hand, pg_temp.pick('reserved' || w.id, p.id, 12)),
       CASE WHEN pg_temp.pick('floor' || w.id, p.id, 9) > 0 THEN
           chr(65 + pg_temp.pick('aisle', p.category_id, 12)) || lpad((1 + pg_temp.pick('bin', p.id, 40))::text, 2, '0') END,
       date '2025-06-30' + pg_temp.pick('counted' || w.id, p.id, 100)
FROM product p CROSS JOIN warehouse w
CROSS JOIN LATERAL (SELECT pg_temp.pick('stock' || w.id, p.id, 240 / w.id) AS on_hand) s
WHERE w.id = 1 OR pg_temp.pick('kept' || w.id, p.id, 3) > 0;

-- ---- to whom ------------------------------------------------------------------------------

CREATE TABLE rep (
    id        int  PRIMARY KEY,
    code      text NOT NULL UNIQUE,
    name      text NOT NULL,
    email     text NOT NULL,
    phone     text,
    territory text NOT NULL,
    active    boolean NOT NULL DEFAULT true
);
COMMENT ON TABLE rep IS 'Sales representatives';
INSERT INTO rep
SELECT n, upper(left(first, 1) || left(last, 2)), first || ' ' || last,
       lower(first || '.' || last) || '@quayside.example', '+353 20 915 0' || 100 + n, territory, n <> 8
FROM (VALUES (1, 'Aoife', 'Brennan', 'Dublin'), (2, 'Conor', 'Daly', 'East'),
    (3, 'Grainne', 'Foley', 'South'), (4, 'Liam', 'Hickey', 'West'), (5, 'Maeve', 'Keane', 'Midlands'),
    (6, 'Padraig', 'Nolan', 'North'), (7, 'Sinead', 'Roche', 'Great Britain'),
    (8, 'Tom', 'Walsh', 'South')) r (n, first, last, territory);

CREATE TABLE customer (
    id            int           PRIMARY KEY,
    account       text          NOT NULL UNIQUE,
    name          text          NOT NULL,
    price_list_id int           NOT NULL REFERENCES price_list,
    rep_id        int           REFERENCES rep,
    credit_limit  numeric(12,2),
    payment_days  int           NOT NULL,
    email         text,
    phone         text,
    blocked       boolean       NOT NULL DEFAULT false,
    note          text,
    updated_at    timestamp     NOT NULL
);
COMMENT ON TABLE customer IS 'Accounts: who may order';
COMMENT ON COLUMN customer.rep_id IS 'NULL: served by the office';
COMMENT ON COLUMN customer.updated_at IS 'Local time in Dublin, as the oldest part of this ERP writes it';
CREATE INDEX ON customer (price_list_id);
CREATE INDEX ON customer (rep_id);
CREATE INDEX ON customer (updated_at);

CREATE TABLE customer_address (
    id           int     PRIMARY KEY,
    customer_id  int     NOT NULL REFERENCES customer ON DELETE CASCADE,
    kind         char(1) NOT NULL CHECK (kind IN ('I', 'D')),
    street       text    NOT NULL,
    town         text    NOT NULL,
    county       text,
    postcode     text,
    country      char(2) NOT NULL
);
COMMENT ON TABLE customer_address IS 'One invoice address (I) and any number of delivery addresses (D) an account';
CREATE INDEX ON customer_address (customer_id);

CREATE TABLE contact (
    id          int  PRIMARY KEY,
    customer_id int  NOT NULL REFERENCES customer ON DELETE CASCADE,
    name        text NOT NULL,
    role        text,
    email       text,
    phone       text
);
COMMENT ON TABLE contact IS 'People to ask for';
CREATE INDEX ON contact (customer_id);

CREATE TEMP TABLE town (id int GENERATED ALWAYS AS IDENTITY, name text, county text, code text,
    country char(2), rep int) ON COMMIT DROP;
INSERT INTO town (name, county, code, country, rep) VALUES
    ('Dublin 2', 'Dublin', 'D02', 'IE', 1), ('Dublin 8', 'Dublin', 'D08', 'IE', 1),
    ('Dublin 15', 'Dublin', 'D15', 'IE', 1), ('Swords', 'Dublin', 'K67', 'IE', 1),
    ('Bray', 'Wicklow', 'A98', 'IE', 2), ('Arklow', 'Wicklow', 'Y14', 'IE', 2),
    ('Wexford', 'Wexford', 'Y35', 'IE', 2), ('Naas', 'Kildare', 'W91', 'IE', 2),
    ('Cork', 'Cork', 'T12', 'IE', 3), ('Mallow', 'Cork', 'P51', 'IE', 3),
    ('Bandon', 'Cork', 'P72', 'IE', 3), ('Tralee', 'Kerry', 'V92', 'IE', 3),
    ('Waterford', 'Waterford', 'X91', 'IE', 3), ('Clonmel', 'Tipperary', 'E91', 'IE', 3),
    ('Galway', 'Galway', 'H91', 'IE', 4), ('Tuam', 'Galway', 'H54', 'IE', 4),
    ('Castlebar', 'Mayo', 'F23', 'IE', 4), ('Ennis', 'Clare', 'V95', 'IE', 4),
    ('Limerick', 'Limerick', 'V94', 'IE', 4), ('Athlone', 'Westmeath', 'N37', 'IE', 5),
    ('Mullingar', 'Westmeath', 'N91', 'IE', 5), ('Tullamore', 'Offaly', 'R35', 'IE', 5),
    ('Portlaoise', 'Laois', 'R32', 'IE', 5), ('Sligo', 'Sligo', 'F91', 'IE', 6),
    ('Letterkenny', 'Donegal', 'F92', 'IE', 6), ('Dundalk', 'Louth', 'A91', 'IE', 6),
    ('Cavan', 'Cavan', 'H12', 'IE', 6), ('Liverpool', NULL, 'L3', 'GB', 7),
    ('Holyhead', 'Anglesey', 'LL65', 'GB', 7), ('Bristol', NULL, 'BS1', 'GB', 7);

-- A town, street and so on from a salt and a number; addresses and contacts share it.
CREATE FUNCTION pg_temp.street(salt text, n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE pg_temp.pick(salt || 'kind', n, 3)
       WHEN 0 THEN 'Unit ' || 1 + pg_temp.pick(salt || 'unit', n, 48) || ', '
              || (ARRAY['Riverside', 'Northgate', 'Station', 'Canal', 'Oakfield', 'Harbour'])[1 + pg_temp.pick(salt, n, 6)]
              || (ARRAY[' Business Park', ' Industrial Estate', ' Enterprise Centre'])[1 + pg_temp.pick(salt || 'park', n, 3)]
       ELSE 1 + pg_temp.pick(salt || 'house', n, 140) || ' '
              || (ARRAY['Main', 'Bridge', 'Church', 'Mill', 'Market', 'Castle', 'Abbey', 'Quay'])[1 + pg_temp.pick(salt, n, 8)]
              || (ARRAY[' Street', ' Road', ' Lane'])[1 + pg_temp.pick(salt || 'way', n, 3)] END $$;
CREATE FUNCTION pg_temp.postcode(code text, country text, n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT code || ' ' || CASE WHEN country = 'GB'
       THEN 1 + pg_temp.pick('gb', n, 9) || substr('ABDEFGHJLN', 1 + pg_temp.pick('gb1', n, 10), 1) || 'Q'
       ELSE substr('ACDEFHKNPRTVWXY', 1 + pg_temp.pick('e1', n, 15), 1) || 10 + pg_temp.pick('e2', n, 90)
            || substr('ACDEFHKNPRTVWXY', 1 + pg_temp.pick('e3', n, 15), 1) END $$;

CREATE TEMP TABLE account ON COMMIT DROP AS
SELECT n::int AS id, t.id AS town_id, t.country, t.rep,
       (ARRAY['Brennan', 'Byrne', 'Carroll', 'Casey', 'Clarke', 'Collins', 'Connolly', 'Cullen', 'Doyle',
              'Duffy', 'Farrell', 'Fitzgerald', 'Flynn', 'Gallagher', 'Healy', 'Higgins', 'Hughes', 'Kavanagh',
              'Kearney', 'Lynch', 'Maguire', 'McCarthy', 'Moran', 'Murphy', 'Nugent', 'Power', 'Quinn', 'Regan',
              'Ryan', 'Sheehan', 'Tierney', 'Whelan'])[1 + (n * 7 + n / 32) % 32] AS surname,
       (ARRAY['Joinery', 'Builders', 'Electrical', 'Roofing', 'Kitchens', 'Construction', 'Plumbing and Heating',
              'Carpentry', 'Interiors', 'Fencing', 'Property Care', 'Shopfitting', 'Windows', 'Civil Works',
              'Steel'])[1 + (n * 11) % 15] AS trade
FROM generate_series(1, 240) n
JOIN town t ON t.id = 1 + pg_temp.pick('town', n, 30);

INSERT INTO customer
SELECT a.id, 'C' || 10000 + a.id * 3,
       a.surname || ' ' || a.trade || CASE pg_temp.pick('form', a.id, 3) WHEN 0 THEN '' ELSE ' Ltd' END,
       CASE WHEN a.country = 'GB' THEN 4 ELSE (ARRAY[1, 2, 2, 2, 3, 3])[1 + pg_temp.pick('list', a.id, 6)] END,
       CASE WHEN pg_temp.pick('office', a.id, 12) > 0 THEN a.rep END,
       CASE WHEN pg_temp.pick('cash', a.id, 6) > 0 THEN 500 * (1 + pg_temp.pick('credit', a.id, 40)) END,
       (ARRAY[0, 14, 30, 30, 30, 60])[1 + pg_temp.pick('days', a.id, 6)],
       'accounts@' || lower(a.surname || '-' || split_part(a.trade, ' ', 1)) || '.example',
       CASE WHEN a.country = 'GB' THEN '+44 1632 960 ' || 100 + a.id ELSE '+353 20 917 ' || 1000 + a.id * 7 END,
       pg_temp.pick('blocked', a.id, 30) = 0,
       (ARRAY['Deliver before 10:00, gate code from the office.', 'Wants order confirmations by e-mail.',
              'Ring ahead; narrow lane, no articulated lorries.'])[1 + pg_temp.pick('note', a.id, 14)],
       pg_temp.workday(date '2025-01-07' + pg_temp.pick('customer', a.id, 290)) + pg_temp.worktime('customer', a.id)
FROM account a;

INSERT INTO customer_address
SELECT row_number() OVER (ORDER BY a.id, k.n), a.id, CASE WHEN k.n = 0 THEN 'I' ELSE 'D' END,
       pg_temp.street('street' || k.n, a.id), t.name, t.county, pg_temp.postcode(t.code, t.country, a.id * 5 + k.n), t.country
FROM account a
CROSS JOIN LATERAL generate_series(0, (ARRAY[0, 1, 1, 2, 3])[1 + pg_temp.pick('sites', a.id, 5)]) k (n)
JOIN town t ON t.id = CASE WHEN k.n < 2 THEN a.town_id  -- further sites are in the same country
    WHEN a.country = 'GB' THEN 28 + pg_temp.pick('site' || k.n, a.id, 3)
    ELSE 1 + pg_temp.pick('site' || k.n, a.id, 27) END;

INSERT INTO contact
SELECT row_number() OVER (ORDER BY a.id, k.n), a.id, first || ' ' || surname,
       (ARRAY['Owner', 'Purchasing', 'Site manager', 'Accounts'])[1 + (k.n - 1) % 4],
       lower(first) || '@' || lower(a.surname || '-' || split_part(a.trade, ' ', 1)) || '.example',
       CASE WHEN pg_temp.pick('mobile' || k.n, a.id, 4) > 0 THEN
           CASE WHEN a.country = 'GB' THEN '+44 7700 900 ' || 100 + a.id ELSE '+353 20 918 ' || 1000 + a.id * 4 + k.n END
       END
FROM account a
CROSS JOIN LATERAL generate_series(1, (ARRAY[0, 1, 1, 2, 3])[1 + pg_temp.pick('contacts', a.id, 5)]) k (n)
CROSS JOIN LATERAL (SELECT (ARRAY['Aidan', 'Brid', 'Cathal', 'Deirdre', 'Eoin', 'Fiona', 'Ger', 'Helen', 'Ita',
    'Joe', 'Kevin', 'Laura', 'Mary', 'Niall', 'Orla', 'Paul', 'Ruth', 'Sean', 'Una', 'Vincent'])
    [1 + pg_temp.pick('first' || k.n, a.id, 20)] AS first) f;

-- ---- orders -------------------------------------------------------------------------------

CREATE TABLE sales_order (
    id          int           PRIMARY KEY,
    number      text          NOT NULL UNIQUE,
    customer_id int           NOT NULL REFERENCES customer,
    address_id  int           REFERENCES customer_address,
    rep_id      int           REFERENCES rep,
    status      char(1)       NOT NULL CHECK (status IN ('D', 'O', 'P', 'S', 'I', 'X')),
    ordered_on  date          NOT NULL,
    deliver_by  date,
    reference   text,
    currency    char(3)       NOT NULL,
    net         numeric(12,2) NOT NULL DEFAULT 0,
    vat         numeric(12,2) NOT NULL DEFAULT 0,
    gross       numeric(12,2) NOT NULL DEFAULT 0,
    updated_at  timestamptz   NOT NULL,
    CHECK (gross = net + vat)
);
COMMENT ON TABLE sales_order IS 'Order headers; the totals are those of the lines';
COMMENT ON COLUMN sales_order.status IS 'D draft, O open, P picking, S shipped, I invoiced, X cancelled';
COMMENT ON COLUMN sales_order.reference IS 'The customer''s own order number';
CREATE INDEX ON sales_order (customer_id);
CREATE INDEX ON sales_order (address_id);
CREATE INDEX ON sales_order (rep_id);
CREATE INDEX ON sales_order (updated_at);

CREATE TABLE sales_order_line (
    order_id    int           NOT NULL REFERENCES sales_order ON DELETE CASCADE,
    line_no     int           NOT NULL,
    product_id  int           NOT NULL REFERENCES product,
    quantity    numeric(12,3) NOT NULL CHECK (quantity > 0),
    unit_price  numeric(10,2) NOT NULL,
    discount    numeric(5,2)  NOT NULL DEFAULT 0,
    vat_percent numeric(5,2)  NOT NULL,
    net         numeric(12,2) NOT NULL,
    PRIMARY KEY (order_id, line_no)
);
COMMENT ON TABLE sales_order_line IS 'Order lines: net = quantity * unit_price less discount';
COMMENT ON COLUMN sales_order_line.discount IS 'Per cent';
CREATE INDEX ON sales_order_line (product_id);

INSERT INTO sales_order (id, number, customer_id, address_id, rep_id, status, ordered_on, deliver_by,
                         reference, currency, updated_at)
SELECT n, 'SO-2025-' || lpad(n::text, 4, '0'), c.id,
       (SELECT max(id) FROM customer_address a WHERE a.customer_id = c.id), c.rep_id,
       CASE WHEN pg_temp.pick('cancelled', n, 40) = 0 THEN 'X' WHEN n <= 780 THEN 'I' WHEN n <= 840 THEN 'S'
            WHEN n <= 865 THEN 'P' WHEN n <= 893 THEN 'O' ELSE 'D' END,
       day, CASE WHEN n <= 893 THEN pg_temp.workday(day + 2 + pg_temp.pick('deliver', n, 6)) END,
       CASE WHEN pg_temp.pick('reference', n, 3) = 0 THEN 'PO ' || 4000 + pg_temp.pick('po', n, 5000) END,
       l.currency,
       day + pg_temp.worktime('time', n)
FROM generate_series(1, 900) n
-- One in three orders comes from the 40 best accounts.
JOIN customer c ON c.id = 1 + CASE WHEN pg_temp.pick('regular', n, 3) = 0
    THEN pg_temp.pick('account', n, 40) * 6 ELSE pg_temp.pick('account', n, 240) END
JOIN price_list l ON l.id = c.price_list_id
CROSS JOIN LATERAL (SELECT pg_temp.workday(date '2025-01-06' + n / 3) AS day) d;

INSERT INTO sales_order_line
SELECT o.id, row_number() OVER (PARTITION BY o.id ORDER BY k.n), p.id, q.quantity, i.price, d.discount,
       CASE WHEN o.currency = 'GBP' THEN 0 ELSE v.percent END,
       round(q.quantity * i.price * (100 - d.discount) / 100, 2)
FROM sales_order o
JOIN customer c ON c.id = o.customer_id
CROSS JOIN LATERAL generate_series(1, 1 + pg_temp.pick('lines', o.id, 8)) k (n)
CROSS JOIN LATERAL (SELECT (ARRAY[1, 1, 2, 3, 4, 5, 10, 20, 25, 50])[1 + pg_temp.pick('quantity' || k.n, o.id, 10)] AS quantity,
    1 + pg_temp.pick('product', o.id * 17 + k.n, (SELECT count(*)::int FROM product)) AS wanted) q
CROSS JOIN LATERAL (SELECT (ARRAY[0, 0, 0, 0, 0, 0, 2.5, 5, 10])[1 + pg_temp.pick('discount' || k.n, o.id, 9)] AS discount) d
-- What is discontinued is replaced by the next article that is not.
JOIN LATERAL (SELECT * FROM product WHERE active AND id >= q.wanted ORDER BY id LIMIT 1) p ON true
JOIN vat_rate v ON v.code = p.vat_code
JOIN LATERAL (SELECT price FROM price_list_item
    WHERE price_list_id = c.price_list_id AND product_id = p.id AND min_quantity <= q.quantity
    ORDER BY min_quantity DESC LIMIT 1) i ON true;

-- VAT is rounded once for each rate of an order, as on the invoice.
UPDATE sales_order o SET net = t.net, vat = t.vat, gross = t.net + t.vat
FROM (SELECT order_id, sum(net) AS net, sum(vat) AS vat
      FROM (SELECT order_id, sum(net) AS net, round(sum(net) * vat_percent / 100, 2) AS vat
            FROM sales_order_line GROUP BY order_id, vat_percent) rates
      GROUP BY order_id) t
WHERE t.order_id = o.id;

-- From here on the ERP is in use: whoever changes a row leaves the time.
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN NEW.updated_at := now(); RETURN NEW; END $$;
COMMENT ON FUNCTION touch() IS 'Sets updated_at to the time of the change';
CREATE TRIGGER touch BEFORE UPDATE ON product FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER touch BEFORE UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER touch BEFORE UPDATE ON sales_order FOR EACH ROW EXECUTE FUNCTION touch();

COMMIT;
ANALYZE;
