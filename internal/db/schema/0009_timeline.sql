-- The timeline of the server that was told the term: one that was promoted is
-- on another. Empty in a file.
ALTER TABLE shard_term ADD COLUMN timeline TEXT NOT NULL DEFAULT '';
