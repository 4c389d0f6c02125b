-- The processes that serve this fleet, each by the id of its data folder. run
-- is another at every start.
CREATE TABLE process (
	id      TEXT   NOT NULL PRIMARY KEY,
	run     TEXT   NOT NULL,
	host    TEXT   NOT NULL,
	address TEXT   NOT NULL,
	version TEXT   NOT NULL,
	roles   TEXT   NOT NULL,
	media   TEXT   NOT NULL,
	state   TEXT   NOT NULL,
	since   BIGINT NOT NULL,
	seen    BIGINT NOT NULL
);

-- What one process at a time does. epoch rises whenever the holder changes: what
-- an earlier one still writes can be told by it.
CREATE TABLE lease (
	name    TEXT   NOT NULL PRIMARY KEY,
	holder  TEXT   NOT NULL,
	run     TEXT   NOT NULL,
	epoch   BIGINT NOT NULL,
	taken   BIGINT NOT NULL,
	expires BIGINT NOT NULL
);

-- What all processes must agree on, such as the key of cookies.
CREATE TABLE agreed (
	name  TEXT  NOT NULL PRIMARY KEY,
	value BYTEA NOT NULL
);
