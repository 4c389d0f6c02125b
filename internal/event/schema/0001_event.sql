-- How far each subscriber has come with a shop's events.
-- narrow
CREATE TABLE event_cursor (
	shop BIGINT NOT NULL,
	name TEXT   NOT NULL,
	seq  BIGINT NOT NULL,
	PRIMARY KEY (shop, name)
);

-- Up to where every subscriber has come: what the clock has beyond it is news.
-- narrow
CREATE TABLE event_done (
	shop BIGINT NOT NULL,
	seq  BIGINT NOT NULL,
	PRIMARY KEY (shop)
);

-- Attempts at one event that did not succeed yet. It is written before the
-- attempt, so that a crash in the middle counts.
-- narrow
CREATE TABLE event_attempt (
	shop     BIGINT NOT NULL,
	name     TEXT   NOT NULL,
	seq      BIGINT NOT NULL,
	attempts BIGINT NOT NULL,
	unfinished BIGINT NOT NULL,
	PRIMARY KEY (shop, name, seq)
);

-- Events set aside: a poisonous one and, behind it, all later ones of its key.
CREATE TABLE event_parked (
	shop     BIGINT NOT NULL,
	name     TEXT   NOT NULL,
	key      TEXT   NOT NULL,
	seq      BIGINT NOT NULL,
	event    BYTEA  NOT NULL,
	topic    TEXT   NOT NULL,
	at       BIGINT NOT NULL,
	payload  BYTEA  NOT NULL,
	error    TEXT   NOT NULL,
	parked_at BIGINT NOT NULL,
	PRIMARY KEY (shop, name, key, seq)
);
