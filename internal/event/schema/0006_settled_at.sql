-- The latest, and those that were kept for long enough.
CREATE INDEX event_settled_at ON event_settled (at, shop);
