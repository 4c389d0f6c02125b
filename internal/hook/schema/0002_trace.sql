-- What the event is part of that it tells of, as a header traceparent; empty of
-- earlier ones.
ALTER TABLE hook_delivery ADD COLUMN trace TEXT NOT NULL DEFAULT '';
