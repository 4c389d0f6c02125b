-- Answers already given under an Idempotency-Key, for 24 hours.
CREATE TABLE op_answer (
	shop   BIGINT NOT NULL,
	caller TEXT   NOT NULL,
	key    TEXT   NOT NULL,
	at     BIGINT NOT NULL,
	hash   BYTEA  NOT NULL,
	answer BYTEA  NOT NULL,
	PRIMARY KEY (shop, caller, key)
);
CREATE INDEX op_answer_at ON op_answer (shop, at);

-- Who changed what: the shop's activity log.
CREATE TABLE op_audit (
	shop      BIGINT NOT NULL,
	id        BYTEA  NOT NULL,
	at        BIGINT NOT NULL,
	operation TEXT   NOT NULL,
	account   BYTEA  NOT NULL,
	input     TEXT   NOT NULL,
	PRIMARY KEY (shop, id)
);
