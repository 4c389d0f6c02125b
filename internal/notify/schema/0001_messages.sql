-- Messages to a shop's shoppers and people. link is a path that the text ends
-- with: on the shop's own host, or for the staff below the shop's dashboard.
-- about is the order. state is queued, sent, failed or kept; error says why
-- it failed or was kept.
CREATE TABLE notify_message (
	shop      BIGINT  NOT NULL,
	id        BYTEA   NOT NULL,
	about     BYTEA   NOT NULL,
	kind      TEXT    NOT NULL,
	staff     BOOLEAN NOT NULL,
	channel   TEXT    NOT NULL,
	recipient TEXT    NOT NULL,
	subject   TEXT    NOT NULL,
	text      TEXT    NOT NULL,
	link      TEXT    NOT NULL,
	sender    TEXT    NOT NULL,
	reply_to  TEXT    NOT NULL,
	state     TEXT    NOT NULL,
	error     TEXT    NOT NULL,
	at        BIGINT  NOT NULL,
	done_at   BIGINT  NOT NULL,
	PRIMARY KEY (shop, id)
);
CREATE INDEX notify_message_about ON notify_message (shop, about, id);
CREATE INDEX notify_message_state ON notify_message (shop, state, id);
