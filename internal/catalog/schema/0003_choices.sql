-- The options that products have, each list once for all products that have
-- the same: a shop of thousands of products has a few dozen. A page counts
-- products by their list, which an index does without looking at them. pairs
-- is what filters look through, each name and value in lower case, between
-- separators; options is JSON that only Go reads. A list that no product has
-- any longer is deleted.
CREATE TABLE product_choices (
	shop    BIGINT NOT NULL,
	id      BIGINT NOT NULL,
	pairs   TEXT   NOT NULL,
	options TEXT   NOT NULL,
	PRIMARY KEY (shop, id)
);
-- 0: no options, or not saved since this column is there.
ALTER TABLE product ADD COLUMN choices BIGINT NOT NULL DEFAULT 0;
CREATE INDEX product_by_choices ON product (shop, status, choices);
DROP TABLE product_option;
