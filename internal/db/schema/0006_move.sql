-- Shops that are on their way, or whose copy is here: while role is 'record'
-- every row that is written is noted in shop_change; 'copy' is a copy of a shop
-- that lives elsewhere. Only the mover with the newest claim may go on.
-- narrow
CREATE TABLE shop_move (
	shop  BIGINT NOT NULL,
	role  TEXT   NOT NULL,
	claim BIGINT NOT NULL,
	PRIMARY KEY (shop)
);

-- Which rows were written: pk is the key without the shop, numbers as they are,
-- text and bytes in hexadecimal digits, with points between.
CREATE TABLE shop_change (
	shop BIGINT NOT NULL,
	i    BIGINT NOT NULL,
	tbl  TEXT   NOT NULL,
	pk   TEXT   NOT NULL,
	PRIMARY KEY (shop, i)
);
