-- What a promotion left to be looked at: shops that the new primary lacks, and
-- shops that it took for its own and that live elsewhere.
CREATE TABLE promoted_shop (
	shard   TEXT   NOT NULL,
	shop    BIGINT NOT NULL,
	missing BOOLEAN NOT NULL,
	term    BIGINT NOT NULL,
	at      BIGINT NOT NULL,
	PRIMARY KEY (shard, shop)
);
