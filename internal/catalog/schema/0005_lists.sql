-- Which content the blocks of a large shop have together: a number that is
-- drawn anew whenever one of them is written, so that a process that has read
-- them before does not read them again. A shop with blocks and no row here has
-- not been written since the row was thought of.
CREATE TABLE product_lists (
	shop    BIGINT NOT NULL PRIMARY KEY,
	version BIGINT NOT NULL,
	CHECK (version > 0)
);
