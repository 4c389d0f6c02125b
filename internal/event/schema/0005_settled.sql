-- What became of events that were set aside: each is here once it was replayed
-- or dropped, and what it said before it was edited.
CREATE TABLE event_settled (
	shop    BIGINT NOT NULL,
	name    TEXT   NOT NULL,
	seq     BIGINT NOT NULL,
	at      BIGINT NOT NULL,
	how     TEXT   NOT NULL,
	key     TEXT   NOT NULL,
	event   BYTEA  NOT NULL,
	topic   TEXT   NOT NULL,
	payload BYTEA  NOT NULL,
	error   TEXT   NOT NULL,
	PRIMARY KEY (shop, name, seq, at)
);
