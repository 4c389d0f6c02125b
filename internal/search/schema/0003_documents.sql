-- A product as it is searched for. doc is bytes that only Go reads; one zero, once
-- the product is not shown any more: indexes that have it are told by n. n is
-- search_state's when the row was written, 0 for those written with the shop.
CREATE TABLE search_doc (
	shop     BIGINT  NOT NULL,
	product  BYTEA   NOT NULL,
	n        BIGINT  NOT NULL,
	sellable BOOLEAN NOT NULL,
	doc      BYTEA   NOT NULL,
	PRIMARY KEY (shop, product)
);
CREATE INDEX search_doc_news ON search_doc (shop, n) WHERE n > 0;

-- n counts the changes of a shop's documents and synonyms. synonyms are the
-- merchant's own, a group to a line, parted by commas.
CREATE TABLE search_state (
	shop     BIGINT NOT NULL,
	n        BIGINT NOT NULL,
	synonyms TEXT   NOT NULL,
	PRIMARY KEY (shop)
);

-- What was searched for on a day of the shop, and how often it missed: nothing was found.
-- query '' is all that there was no room for.
CREATE TABLE search_query (
	shop    BIGINT NOT NULL,
	day     TEXT   NOT NULL,
	query   TEXT   NOT NULL,
	times   BIGINT NOT NULL,
	missed  BIGINT NOT NULL,
	PRIMARY KEY (shop, day, query)
);

DROP TABLE search_words;
DROP TABLE search_term;
