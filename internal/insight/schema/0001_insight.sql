-- Sales by the quarter of an hour in which they were placed: fine enough that
-- the days and hours of every time zone are sums of slots.
-- narrow
CREATE TABLE insight_slot (
	shop   BIGINT NOT NULL,
	slot   BIGINT NOT NULL,
	orders BIGINT NOT NULL,
	units  BIGINT NOT NULL,
	sales  BIGINT NOT NULL,
	PRIMARY KEY (shop, slot)
);

-- What was bought, until it is cancelled.
CREATE TABLE insight_line (
	shop    BIGINT NOT NULL,
	order_  BYTEA  NOT NULL,
	product BYTEA  NOT NULL,
	slot    BIGINT NOT NULL,
	title   TEXT   NOT NULL,
	units   BIGINT NOT NULL,
	sales   BIGINT NOT NULL,
	PRIMARY KEY (shop, order_, product)
);
CREATE INDEX insight_line_slot ON insight_line (shop, slot);
