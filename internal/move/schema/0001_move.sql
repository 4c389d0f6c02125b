-- Moves of shops between shards. Times are 0 when they have not come. epoch is
-- the shop's before the switch; a process works on a move while its claim is
-- the newest, until held_until. place is how far copying or checking is.
CREATE TABLE move (
	id         BIGINT NOT NULL PRIMARY KEY,
	shop       BIGINT NOT NULL,
	src        TEXT   NOT NULL,
	dst        TEXT   NOT NULL,
	phase      TEXT   NOT NULL,
	epoch      BIGINT NOT NULL,
	claim      BIGINT NOT NULL,
	holder     TEXT   NOT NULL,
	held_until BIGINT NOT NULL,
	next_at    BIGINT NOT NULL,
	place      TEXT   NOT NULL,
	rows_done  BIGINT NOT NULL,
	rows_all   BIGINT NOT NULL,
	checked    BIGINT NOT NULL,
	aborts     BIGINT NOT NULL,
	pause      BIGINT NOT NULL,
	failed     BIGINT NOT NULL,
	error      TEXT   NOT NULL,
	started_at BIGINT NOT NULL,
	step_at    BIGINT NOT NULL,
	moved_at   BIGINT NOT NULL,
	keep_until BIGINT NOT NULL,
	ended_at   BIGINT NOT NULL
);
CREATE UNIQUE INDEX move_open ON move (shop) WHERE ended_at = 0;
CREATE INDEX move_due ON move (next_at) WHERE ended_at = 0;
CREATE INDEX move_shop ON move (shop, id);
