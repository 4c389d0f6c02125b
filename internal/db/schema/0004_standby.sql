-- What a snapshot says of itself: beat is when its primary last wrote here, in
-- the primary's own time; marks of terms before restored are of a life that was
-- put back on purpose.
ALTER TABLE shard_term ADD COLUMN beat BIGINT NOT NULL DEFAULT 0;
ALTER TABLE shard_term ADD COLUMN restored BIGINT NOT NULL DEFAULT 0;
UPDATE shard_term SET restored = term WHERE term > 1;

-- The term of the shop's newest write, and n as that term found it: a mark of
-- an older term above it was lost.
ALTER TABLE shop_clock ADD COLUMN term BIGINT NOT NULL DEFAULT 0;
ALTER TABLE shop_clock ADD COLUMN term_n BIGINT NOT NULL DEFAULT 0;
