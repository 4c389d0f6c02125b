-- The words of the first products of a shop, those of one to a row, and by how
-- much they weigh: each begins with a space. A search reads all of them, which
-- for a shop that has no more products is quicker than a row for every word,
-- and a fraction in size. The words of further products are rows of search_term.
CREATE TABLE search_words (
	shop    BIGINT NOT NULL,
	product BYTEA  NOT NULL,
	title   TEXT   NOT NULL,
	sku     TEXT   NOT NULL,
	kind    TEXT   NOT NULL,
	label   TEXT   NOT NULL,
	text    TEXT   NOT NULL,
	PRIMARY KEY (shop, product)
);
