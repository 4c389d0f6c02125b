-- The version of the schemas of both shards when copying began: after an
-- upgrade that changes them, what was copied is not relied upon.
ALTER TABLE move ADD COLUMN version TEXT NOT NULL DEFAULT '';
