-- Small rows, to learn what the engine can do.
-- narrow
CREATE TABLE bench_row (
	shop BIGINT NOT NULL,
	i    BIGINT NOT NULL,
	j    BIGINT NOT NULL,
	v    TEXT   NOT NULL,
	PRIMARY KEY (shop, i, j)
);
