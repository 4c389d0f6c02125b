-- How many shops the directory has on a shard, which triggers keep as true as
-- the directory itself: where the next one goes is one look at this table.
ALTER TABLE shard ADD COLUMN shops BIGINT NOT NULL DEFAULT 0;
UPDATE shard SET shops = (SELECT COUNT(*) FROM shop WHERE shop.shard = shard.id);

-- One database is one shard, whoever adds it at the same time.
CREATE UNIQUE INDEX shard_dsn ON shard (dsn) WHERE state <> 'removed';
CREATE UNIQUE INDEX shard_identity ON shard (identity) WHERE identity <> '' AND state <> 'removed';
