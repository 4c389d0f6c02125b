-- The latest term that a primary of the shard is known to have begun to write in:
-- no server that does not know of it is a primary after that.
ALTER TABLE shard ADD COLUMN taken BIGINT NOT NULL DEFAULT 0;
