-- Webhooks: where a shop's other systems want to be told. topics are separated
-- by spaces. state is on, or off; why says why we turned it off, failing since
-- when it has taken nothing, 0 if it has.
CREATE TABLE hook (
	shop       BIGINT NOT NULL,
	id         BYTEA  NOT NULL,
	url        TEXT   NOT NULL,
	secret     BYTEA  NOT NULL,
	topics     TEXT   NOT NULL,
	state      TEXT   NOT NULL,
	why        TEXT   NOT NULL,
	failing    BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (shop, id)
);

-- What is to be told, and what became of it: state is waiting, sent,
-- failed or dropped.
-- seq is the event's in the shop; due_at when to try next, if nothing before it
-- waits; status the HTTP status of the last answer, 0 if there was none.
CREATE TABLE hook_delivery (
	shop     BIGINT NOT NULL,
	id       BYTEA  NOT NULL,
	hook     BYTEA  NOT NULL,
	topic    TEXT   NOT NULL,
	seq      BIGINT NOT NULL,
	body     BYTEA  NOT NULL,
	state    TEXT   NOT NULL,
	attempts BIGINT NOT NULL,
	due_at   BIGINT NOT NULL,
	status   BIGINT NOT NULL,
	error    TEXT   NOT NULL,
	at       BIGINT NOT NULL,
	done_at  BIGINT NOT NULL,
	PRIMARY KEY (shop, id)
);
CREATE INDEX hook_delivery_line ON hook_delivery (shop, hook, topic, seq) WHERE state = 'waiting';
CREATE INDEX hook_delivery_due ON hook_delivery (due_at, shop) WHERE state = 'waiting';
CREATE INDEX hook_delivery_old ON hook_delivery (done_at, shop) WHERE state <> 'waiting';
