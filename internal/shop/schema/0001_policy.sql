-- The texts of a shop's policies, plain.
CREATE TABLE shop_policy (
	shop BIGINT NOT NULL,
	kind TEXT   NOT NULL,
	text TEXT   NOT NULL,
	PRIMARY KEY (shop, kind)
);
