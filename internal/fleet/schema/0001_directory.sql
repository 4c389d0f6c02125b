-- The directory: which shards there are, and where each shop lives.
CREATE TABLE shard (
	id         TEXT   NOT NULL PRIMARY KEY,
	dsn        TEXT   NOT NULL,
	state      TEXT   NOT NULL,
	created_at BIGINT NOT NULL
);

CREATE TABLE shop (
	id         BIGINT NOT NULL PRIMARY KEY,
	slug       TEXT   NOT NULL,
	name       TEXT   NOT NULL,
	shard      TEXT   NOT NULL,
	epoch      BIGINT NOT NULL,
	state      TEXT   NOT NULL,
	created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX shop_slug ON shop (slug);
CREATE INDEX shop_shard ON shop (shard, id);
