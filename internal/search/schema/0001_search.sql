-- The words of every active product, and how much each weighs.
-- narrow
CREATE TABLE search_term (
	shop    BIGINT NOT NULL,
	term    TEXT   NOT NULL,
	product BYTEA  NOT NULL,
	weight  BIGINT NOT NULL,
	PRIMARY KEY (shop, term, product)
);
CREATE INDEX search_term_product ON search_term (shop, product);
