-- What the Northwind dump of Tryton lacks: taxes, price lists, reps, stock, invoices, translations,
-- contacts, a second company. Written for tests/integration/test_pack_tryton.py, which knows by hand
-- what documents must come of it. Ids begin at 901; account 5 is the receivable one, 7 of taxes.

-- Currencies: one whose rate will change in 2099, one that rounds to 0.05.
INSERT INTO currency_currency (id, code, name, symbol, digits, rounding, active) VALUES
  (901, 'EUR', 'Euro', '€', 2, 0.01, true), (902, 'CHF', 'Franc', 'Fr.', 2, 0.05, true);
INSERT INTO currency_currency_rate (currency, date, rate) VALUES
  (901, '2020-01-01', 0.90), (901, '2024-01-01', 0.950000), (901, '2099-01-01', 1.5);

-- A second company, with a price of its own.
INSERT INTO party_party (id, code, name, active) VALUES (901, '901', 'Second company', true);
INSERT INTO company_company (id, party, currency) VALUES (2, 901, 901);

-- Taxes: 901 plain, 902 a unit, 903 a group of 904, 905 and one that begins in 2099, 907 ended,
-- 908 taxes other taxes, 909 of the other company.
INSERT INTO account_tax_group (id, code, kind, name) VALUES (901, 'S', 'sale', 'Sales');
INSERT INTO account_tax (id, name, description, type, rate, amount, company, parent, "group", active,
                         start_date, end_date, update_unit_price, invoice_account,
                         credit_note_account) VALUES
  (901, 'VAT 5', 'VAT 5', 'percentage', 0.0500, NULL, 1, NULL, 901, true, NULL, NULL, false, 7, 7),
  (902, 'Eco', 'Eco', 'fixed', NULL, 0.25, 1, NULL, NULL, true, NULL, NULL, false, 7, 7),
  (903, 'Both', 'Both', 'none', NULL, NULL, 1, NULL, NULL, true, NULL, NULL, false, 7, 7),
  (904, 'Seven', 'Seven', 'percentage', 0.07, NULL, 1, 903, NULL, true, NULL, NULL, false, 7, 7),
  (905, 'Three', 'Three', 'percentage', 0.03, NULL, 1, 903, NULL, true, NULL, NULL, false, 7, 7),
  (906, 'Later', 'Later', 'percentage', 0.5, NULL, 1, 903, NULL, true, '2099-01-01', NULL, false, 7,
   7),
  (907, 'Old', 'Old', 'percentage', 0.19, NULL, 1, NULL, NULL, false, NULL, '2006-12-31', false, 7, 7),
  (908, 'On top', 'On top', 'percentage', 0.1, NULL, 1, NULL, NULL, true, NULL, NULL, true, 7, 7),
  (909, 'Theirs', 'Theirs', 'percentage', 0.1, NULL, 2, NULL, NULL, true, NULL, NULL, false, 7, 7);

-- Categories: 902 is taxed as 901 is, which is taxed as Beverages (1); 904 hangs in itself.
INSERT INTO product_category (id, name, parent, accounting, taxes_parent) VALUES
  (901, 'Tea', 1, true, true), (902, 'Leaf', 901, true, true), (903, 'Sorts', NULL, false, false),
  (904, 'Lost', NULL, false, false);
UPDATE product_category SET parent = 904 WHERE id = 904;
INSERT INTO product_category_customer_taxes_rel (category, tax) VALUES (1, 901), (1, 902), (1, 909);
UPDATE product_template SET account_category = 902 WHERE id = 3;
INSERT INTO "product_template-product_category" (template, category) VALUES (3, 903);

-- Translations: French, and two that do not count: an empty one and a guess.
INSERT INTO ir_translation (lang, name, res_id, type, value, src, fuzzy) VALUES
  ('fr', 'product.template,name', 3, 'model', 'Sirop d''anis', 'Aniseed Syrup', false),
  ('de', 'product.template,name', 3, 'model', '', 'Aniseed Syrup', false),
  ('es', 'product.template,name', 3, 'model', 'Jarabe?', 'Aniseed Syrup', true),
  ('fr', 'account.tax,name', 901, 'model', 'TVA 5', 'VAT 5', false);

-- Products: one by weight with a variant that has attributes, one archived by itself, a service.
INSERT INTO product_template (id, name, code, type, consumable, default_uom, sale_uom, salable,
                              active) VALUES
  (901, 'Cheese', 'CH', 'goods', true, 2, 3, true, true),
  (902, 'Consulting', NULL, 'service', false, 1, 1, true, true);
INSERT INTO product_attribute (id, name, string, type_) VALUES (901, 'ripe', 'Ripeness', 'numeric');
INSERT INTO product_product (id, template, code, active, attributes) VALUES
  (901, 901, 'CH-A', true,
   '{"ripe": {"__class__": "Decimal", "decimal": "1.50"}, "milk": "goat", "none": null}'),
  (902, 901, 'CH-B', false, NULL), (903, 902, ' ', true, NULL);
INSERT INTO product_list_price (template, company, list_price) VALUES
  (901, NULL, 11), (901, 1, 12.5), (901, 2, 99), (902, NULL, 80.1234);
INSERT INTO product_identifier (product, type, code, sequence) VALUES
  (901, 'brand', 'not a bar code', NULL), (901, 'ean', '5449000000996', 2),
  (901, 'ean', '4006381333931', 1);

-- Price lists: a rule of each form; the last one has no sequence and so comes first.
INSERT INTO product_price_list (id, name, company, unit, tax_included, active) VALUES
  (901, 'Wholesale', 1, 'product_default', false, true),
  (902, 'Default', 1, 'product_default', true, true),
  (903, 'Theirs', 2, 'product_default', false, true);
INSERT INTO product_price_list_line (id, price_list, sequence, product, category, quantity, formula,
                                     start_date) VALUES
  (901, 901, 1, 901, NULL, NULL, '9.5', NULL),
  (902, 901, 2, 902, NULL, 10, 'Decimal(''8.25'')', NULL),
  (903, 901, 3, NULL, 1, NULL, 'unit_price * 0.9', '2020-01-01'),
  (904, 901, 4, NULL, NULL, 2.5, 'list_price*(1 - Decimal("0.25"))', NULL),
  (905, 901, 5, NULL, NULL, NULL, 'cost_price * 1.2 if cost_price else list_price', NULL),
  (906, 901, NULL, NULL, 903, NULL, 'list_price', NULL);
INSERT INTO sale_configuration_sale_price_list (company, sale_price_list) VALUES (1, 902);
UPDATE party_party_sale_price_list SET sale_price_list = 901 WHERE party = 2;

-- Reps: Nancy is employee, user and agent; Paul left; Smith is an agent; party 6 pays commission.
INSERT INTO party_party (id, code, name, active) VALUES
  (902, '902', 'Nancy', true), (903, '903', 'Paul', true), (904, '904', 'Smith', true),
  (905, '905', 'Maria', true);
INSERT INTO company_employee (id, party, company, end_date) VALUES
  (901, 902, 1, NULL), (902, 903, 1, '2010-01-01');
INSERT INTO res_user (id, name, login, menu, active) VALUES (901, 'Nancy', 'nancy', 2, true);
INSERT INTO "res_user-company_employee" (employee, "user") VALUES (901, 901);
INSERT INTO commission_agent (id, party, company, currency, type_) VALUES
  (901, 902, 1, 1, 'agent'), (902, 904, 1, 1, 'agent'), (903, 6, 1, 1, 'principal');
INSERT INTO commission_agent_selection (agent, party, sequence, end_date) VALUES
  (902, 2, 1, '2010-01-01'), (901, 2, 2, NULL), (902, NULL, 1, NULL);

-- Party 2: addresses, ways to reach it, a tax identifier, a contact person; party 4 is merged into 5.
INSERT INTO country_country (id, name, code, active) VALUES (901, 'Germany', 'DE', true);
INSERT INTO country_subdivision (id, country, code, name, type, active) VALUES
  (901, 901, 'DE-BE', 'Berlin', 'state', true);
UPDATE party_address SET country = 901, subdivision = 901, invoice = true,
       street = E'Obere Str. 57\nHinterhaus\n2. Stock' WHERE party = 2;
INSERT INTO party_address (id, party, party_name, name, city, delivery, invoice, active) VALUES
  (901, 2, 'Herr Maier', 'Depot', 'Potsdam', true, false, false);
INSERT INTO party_contact_mechanism (id, party, type, value, sequence, active, name) VALUES
  (901, 2, 'email', 'second@example.com', 2, true, 'Accounts'),
  (902, 2, 'email', 'first@example.com', 1, true, NULL),
  (903, 2, 'email', 'gone@example.com', NULL, false, NULL),
  (904, 905, 'email', 'maria@example.com', NULL, true, NULL),
  (905, 902, 'mobile', '+49 170 1', NULL, true, NULL);
INSERT INTO party_identifier (party, type, code) VALUES
  (2, 'fr_siren', '732829320'), (2, 'de_vat', 'DE136695976');
INSERT INTO party_relation_type (id, name) VALUES (901, 'employs'), (902, 'works for');
UPDATE party_relation_type SET reverse = 1803 - id WHERE id > 900;
INSERT INTO party_relation (from_, "to", type) VALUES (2, 905, 901);
UPDATE party_party SET active = false, replaced_by = 5 WHERE id = 4;

-- Stock: a shelf in the storage zone (3), which lies between input (1) and output (2).
INSERT INTO stock_location (id, name, code, type, parent, "left", "right", active) VALUES
  (901, 'Shelf', 'S1', 'storage', 3, 0, 0, true);
INSERT INTO stock_move (product, uom, quantity, internal_quantity, from_location, to_location, state,
                        effective_date, company) VALUES
  (3, 1, 100, 100, 6, 3, 'done', '2026-01-01', 1), (3, 1, 10, 10, 3, 901, 'done', '2026-01-02', 1),
  (3, 1, 7, 7, 3, 7, 'done', '2026-01-03', 1), (3, 1, 4, 4, 6, 1, 'done', '2026-01-03', 1),
  (3, 1, 5, 5, 3, 2, 'assigned', NULL, 1), (3, 1, 1, 1, 901, 2, 'assigned', NULL, 1),
  (3, 1, 3, 3, 6, 3, 'draft', NULL, 1), (3, 1, 9, 9, 6, 3, 'cancelled', NULL, 1),
  (3, 1, 50, 50, 6, 3, 'done', '2099-01-01', 1), (3, 1, 60, 60, 6, 3, 'done', '2026-01-01', 2),
  (901, 2, 0.1, 0.1, 6, 3, 'done', '2026-01-01', 1),
  (901, 2, 0.2, 0.2, 6, 3, 'done', '2026-01-01', 1),
  (901, 3, 150, 0.15, 3, 7, 'done', '2026-01-01', 1),
  (902, 2, 5, 5, 6, 3, 'done', '2026-01-01', 1), (902, 2, 5, 5, 3, 7, 'done', '2026-01-02', 1);

-- Orders: 901 has two halves of a cent, 902 a tax of every kind and a return, 903 a tax on a tax,
-- 904 is confirmed and its amounts are those of the columns, 905 is of the other company, 906 rounds
-- to 0.05.
INSERT INTO sale_sale (id, party, invoice_party, invoice_address, shipment_address, number, state,
                       currency, company, invoice_method, invoice_state, shipment_method,
                       shipment_state, revision, quoted_by, agent, price_list, sale_date,
                       untaxed_amount_cache, tax_amount_cache, total_amount_cache) VALUES
  (901, 2, NULL, 2, 901, NULL, 'draft', 1, 1, 'order', 'none', 'order', 'none', 0, 901, NULL, 901,
   '2005-05-05', NULL, NULL, NULL),
  (902, 2, 3, 3, 2, '902', 'quotation', 1, 1, 'order', 'none', 'order', 'none', 0, 901, 902, NULL,
   NULL, NULL, NULL, NULL),
  (903, 2, NULL, 2, 2, NULL, 'draft', 1, 1, 'order', 'none', 'order', 'none', 0, NULL, NULL, NULL,
   NULL, NULL, NULL, NULL),
  (904, 2, NULL, 2, 2, '904', 'confirmed', 1, 1, 'order', 'waiting', 'order', 'none', 0, NULL, NULL,
   NULL, NULL, 100, 20.0, 120.000),
  (905, 2, NULL, 2, 2, '905', 'draft', 901, 2, 'order', 'none', 'order', 'none', 0, NULL, NULL, NULL,
   NULL, NULL, NULL, NULL),
  (906, 2, NULL, 2, 2, NULL, 'draft', 902, 1, 'order', 'none', 'order', 'none', 0, NULL, NULL, NULL,
   NULL, NULL, NULL, NULL);
INSERT INTO sale_line (id, sale, sequence, type, product, unit, quantity, unit_price, base_price,
                       description) VALUES
  (9011, 901, 2, 'line', 3, 1, 1, 0.125, 0.25, NULL),
  (9012, 901, NULL, 'line', 3, 1, 3, 0.125, 0.125, 'By hand'),
  (9021, 902, 1, 'title', NULL, NULL, NULL, NULL, NULL, 'Cheese'),
  (9022, 902, 2, 'line', 901, 2, 0.30000000000000004, 10, NULL, NULL),
  (9023, 902, 3, 'line', 901, 2, 2.5, 10, NULL, NULL),
  (9024, 902, 4, 'subtotal', NULL, NULL, NULL, NULL, NULL, 'So far'),
  (9025, 902, 5, 'comment', NULL, NULL, NULL, NULL, NULL, 'Returned:'),
  (9026, 902, 6, 'line', 3, 1, -1, 10, NULL, NULL),
  (9031, 903, 1, 'line', 3, 1, 2, 10, NULL, NULL),
  (9041, 904, 1, 'line', 3, 1, 1, 7, NULL, NULL),
  (9061, 906, 1, 'line', 3, 1, 1, 0.22, NULL, NULL),
  (9062, 906, 2, 'line', 3, 1, 1, 0.125, NULL, NULL);
INSERT INTO sale_line_account_tax (line, tax) VALUES
  (9011, 901), (9012, 901), (9023, 902), (9023, 903), (9023, 907), (9026, 901), (9031, 908),
  (9061, 901);

-- Invoices: 901 is posted, partly paid and of order 904; 902 is a credit note, still a draft; 903 a
-- supplier's bill; 904 is paid in full.
INSERT INTO account_fiscalyear (id, name, start_date, end_date, company, state, post_move_sequence)
SELECT 901, '2026', '2026-01-01', '2026-12-31', 1, 'open', min(id) FROM ir_sequence;
INSERT INTO account_period (id, name, start_date, end_date, fiscalyear, state, type) VALUES
  (901, '2026', '2026-01-01', '2026-12-31', 901, 'open', 'standard');
INSERT INTO account_move (id, number, date, journal, period, company, state) VALUES
  (901, '1', '2026-03-01', 1, 901, 1, 'posted'), (902, '2', '2026-03-05', 3, 901, 1, 'posted'),
  (903, '3', '2026-03-05', 1, 901, 1, 'posted');
INSERT INTO account_move_reconciliation (id, name, company, date) VALUES (901, '1', 1, '2026-03-05');
INSERT INTO account_move_line (id, move, account, debit, credit, maturity_date, reconciliation,
                               party, state) VALUES
  (901, 901, 5, 33.49, 0, '2026-04-01', NULL, 2, 'valid'),
  (902, 901, 5, 20, 0, '2026-03-15', NULL, 2, 'valid'),
  (903, 902, 5, 0, 5, NULL, NULL, 2, 'valid'),
  (904, 903, 5, 10, 0, '2026-04-01', 901, 2, 'valid');
INSERT INTO account_invoice (id, type, number, state, party, invoice_address, currency, company,
                             journal, account, move, invoice_date, agent) VALUES
  (901, 'out', 'INV1', 'posted', 2, 2, 1, 1, 1, 5, 901, '2026-03-01', 902),
  (902, 'out', NULL, 'draft', 2, 2, 1, 1, 1, 5, NULL, NULL, NULL),
  (903, 'in', 'BILL', 'posted', 3, 3, 1, 1, 2, 5, NULL, NULL, NULL),
  (904, 'out', 'INV2', 'paid', 2, 2, 1, 1, 1, 5, 903, '2026-03-01', NULL);
INSERT INTO "account_invoice-account_move_line" (invoice, line) VALUES (901, 903);
INSERT INTO account_invoice_line (id, invoice, type, company, currency, product, unit, quantity,
                                  unit_price, sequence, origin, description) VALUES
  (901, 901, 'line', 1, 1, 3, 1, 3, 10.125, 1, 'sale.line,9041', 'Syrup'),
  (902, 901, 'line', 1, 1, 901, 2, 1.25, 12.345, 2, NULL, NULL),
  (903, 901, 'comment', 1, 1, NULL, NULL, NULL, NULL, 3, NULL, 'Thank you'),
  (904, 902, 'line', 1, 1, 3, 1, -3, 10.125, NULL, NULL, NULL),
  (905, 904, 'line', 1, 1, 3, 1, 1, 10, NULL, NULL, NULL);
INSERT INTO account_invoice_line_account_tax (line, tax) VALUES (901, 901);
INSERT INTO account_invoice_tax (invoice, account, base, amount, description) VALUES
  (901, 7, 30.38, 7.68, 'VAT'), (902, 7, -30.38, -6.08, 'VAT');
