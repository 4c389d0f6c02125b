-- Up to which event a shop's outbox was published to the topic, and the epoch of
-- the lease under which it was. What was published beyond it, an earlier relay
-- published: it is published again, and known by its number.
-- narrow
CREATE TABLE event_published (
	shop  BIGINT NOT NULL,
	seq   BIGINT NOT NULL,
	epoch BIGINT NOT NULL,
	PRIMARY KEY (shop)
);
