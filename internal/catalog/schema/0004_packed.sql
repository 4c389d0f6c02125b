-- What lists need of a large shop's active products, many to a row, so that a
-- page of a list reads a few rows instead of thousands: those with ids from
-- first up to the next row's first. It follows from product and
-- collection_product, and is written in the transactions that write those. A
-- shop with no rows is read product by product. data is what only Go reads.
CREATE TABLE product_block (
	shop  BIGINT NOT NULL,
	first BYTEA  NOT NULL,
	data  BYTEA  NOT NULL,
	PRIMARY KEY (shop, first)
);
