-- The shop clock: one row a shop. n rises by one with every write, seq by the
-- number of events emitted, epoch with every move.
-- narrow
CREATE TABLE shop_clock (
	shop  BIGINT NOT NULL,
	n     BIGINT NOT NULL,
	seq   BIGINT NOT NULL,
	epoch BIGINT NOT NULL,
	state TEXT   NOT NULL,
	PRIMARY KEY (shop)
);

-- The term of this shard, from the control database at every promotion.
CREATE TABLE shard_term (
	one  BIGINT NOT NULL PRIMARY KEY,
	term BIGINT NOT NULL
);
INSERT INTO shard_term (one, term) VALUES (1, 1);

-- Events, in the order of their shop's clock.
CREATE TABLE shop_outbox (
	shop    BIGINT NOT NULL,
	seq     BIGINT NOT NULL,
	i       BIGINT NOT NULL,
	event   BYTEA  NOT NULL,
	at      BIGINT NOT NULL,
	topic   TEXT   NOT NULL,
	key     TEXT   NOT NULL,
	tags    TEXT   NOT NULL,
	payload BYTEA  NOT NULL,
	PRIMARY KEY (shop, seq)
);

-- What every page of a shop needs to know of it: settings and theme in one
-- document, written by the domain, read with the mark in one statement.
CREATE TABLE shop_doc (
	shop BIGINT NOT NULL PRIMARY KEY,
	doc  BYTEA  NOT NULL
);
