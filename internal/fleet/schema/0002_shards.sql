-- What a shard is: its term, raised at every promotion; how many shops are put
-- on it at most, 0 for no limit; and which database it was when it was added.
ALTER TABLE shard ADD COLUMN term BIGINT NOT NULL DEFAULT 1;
ALTER TABLE shard ADD COLUMN capacity BIGINT NOT NULL DEFAULT 0;
ALTER TABLE shard ADD COLUMN identity TEXT NOT NULL DEFAULT '';

-- Standbys that a shard's shops may be read from.
CREATE TABLE shard_replica (
	shard TEXT NOT NULL,
	name  TEXT NOT NULL,
	dsn   TEXT NOT NULL,
	PRIMARY KEY (shard, name)
);
