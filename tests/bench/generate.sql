-- Data of tests/bench/run: psql -v items=N -v orders=N -f generate.sql
-- The same numbers give the same rows. Items have columns of many kinds, a few NULLs and some
-- text that needs escaping; orders have 1 to 19 lines, 10 on average.

DROP TABLE IF EXISTS bench_items, bench_orders, bench_lines;

CREATE TABLE bench_items (
    id         integer PRIMARY KEY,
    code       text NOT NULL,
    name       text NOT NULL,
    category   varchar(40) NOT NULL,
    list_price numeric(12,2) NOT NULL,
    cost       numeric(12,4),
    stock      bigint NOT NULL,
    weight     double precision,
    active     boolean NOT NULL,
    barcode    char(13),
    created    date NOT NULL,
    updated    timestamptz NOT NULL
);

INSERT INTO bench_items
SELECT n,
       'SKU-' || lpad(n::text, 8, '0'),
       (ARRAY['Hex bolt', 'Washer', 'Pump "Delta"', 'Größe XL Schraube', 'Hose 1/2"'])[1 + n % 5]
           || ' ' || substr(md5(n::text), 1, 6 + n % 19),
       'Category / ' || n % 120,
       ((n::bigint * 7919) % 1000000) / 100.0,
       CASE WHEN n % 11 > 0 THEN ((n::bigint * 104729) % 80000000) / 10000.0 END,
       (n::bigint * 31) % 5000,
       CASE WHEN n % 7 > 0 THEN (n % 4000) / 16.0 END,
       n % 13 > 0,
       CASE WHEN n % 5 > 0 THEN lpad((n::bigint * 6700417 % 10000000000000)::text, 13, '0') END,
       date '2015-01-01' + n % 4000,
       timestamptz '2024-01-01 00:00:00+00' + n * interval '37.5 seconds'
  FROM generate_series(1, :items) n;

CREATE TABLE bench_orders (
    id       integer PRIMARY KEY,
    number   text NOT NULL,
    customer integer NOT NULL,
    state    text NOT NULL,
    ordered  timestamptz NOT NULL,
    total    numeric(14,2) NOT NULL
);

CREATE TABLE bench_lines (
    id         integer PRIMARY KEY,
    order_id   integer NOT NULL,
    sku        text NOT NULL,
    name       text NOT NULL,
    quantity   numeric(12,3) NOT NULL,
    unit_price numeric(12,2) NOT NULL
);

INSERT INTO bench_lines
SELECT row_number() OVER (), o, 'SKU-' || lpad((o * 37 + l)::text, 8, '0'), 'Line ' || md5(l::text),
       1 + (o + l) % 40 + (l % 3) * 0.125, ((o::bigint * 7919 + l * 104729) % 100000) / 100.0
  FROM generate_series(1, :orders) o, generate_series(1, 1 + o * 7 % 19) l;

INSERT INTO bench_orders
SELECT order_id, 'SO' || lpad(order_id::text, 7, '0'), order_id % 5000,
       (ARRAY['draft', 'confirmed', 'done'])[1 + order_id % 3],
       timestamptz '2025-06-01 08:00:00+00' + order_id * interval '61 seconds',
       sum(round(quantity * unit_price, 2))
  FROM bench_lines GROUP BY order_id ORDER BY order_id;

CREATE INDEX ON bench_lines (order_id, id);

VACUUM ANALYZE bench_items, bench_orders, bench_lines;
