-- Where this control database stands: 'open'; 'filling', while another one is
-- copied here; 'moving', while the last of it is copied to another; 'moved' to
-- the address in target, after which nothing is written here. claim is the copy
-- that says so, and until is how long others wait for it.
CREATE TABLE control_fence (
	one    BIGINT NOT NULL PRIMARY KEY,
	state  TEXT   NOT NULL,
	target TEXT   NOT NULL,
	claim  TEXT   NOT NULL,
	until  BIGINT NOT NULL
);
INSERT INTO control_fence (one, state, target, claim, until) VALUES (1, 'open', '', '', 0);
