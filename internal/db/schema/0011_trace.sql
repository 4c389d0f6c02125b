-- What the event is part of, as a header traceparent; empty of earlier ones.
ALTER TABLE shop_outbox ADD COLUMN trace TEXT NOT NULL DEFAULT '';
