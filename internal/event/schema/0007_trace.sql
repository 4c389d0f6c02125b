-- What the event is part of, as a header traceparent; empty of earlier ones.
ALTER TABLE event_parked ADD COLUMN trace TEXT NOT NULL DEFAULT '';
