-- Who delivers a shop's events: on which shard, at which epoch of its lease.
-- Whoever delivers writes its epoch into held, in the transaction of every
-- effect: one whose time has passed breaks the rule, and all of it is undone.
-- narrow
CREATE TABLE event_turn (
	shop  BIGINT NOT NULL,
	shard TEXT   NOT NULL,
	epoch BIGINT NOT NULL,
	held  BIGINT NOT NULL,
	PRIMARY KEY (shop),
	CHECK (held >= epoch)
);
