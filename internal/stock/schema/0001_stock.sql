-- What there is of each variant. sold counts every unit ever sold; a unit that
-- comes back is restocked, not unsold.
-- narrow
CREATE TABLE stock_level (
	shop      BIGINT  NOT NULL,
	variant   BYTEA   NOT NULL,
	product   BYTEA   NOT NULL,
	tracked   BOOLEAN NOT NULL,
	continue_ BOOLEAN NOT NULL,
	available BIGINT  NOT NULL,
	held      BIGINT  NOT NULL,
	sold      BIGINT  NOT NULL,
	PRIMARY KEY (shop, variant),
	CHECK (available >= 0 OR continue_),
	CHECK (held >= 0),
	CHECK (sold >= 0)
);
CREATE INDEX stock_level_product ON stock_level (shop, product);

-- Whether anything of a product can be bought: choices counts its variants
-- that can, and rises and falls in the transaction that makes it so.
-- narrow
CREATE TABLE stock_product (
	shop     BIGINT  NOT NULL,
	product  BYTEA   NOT NULL,
	choices  BIGINT  NOT NULL,
	sellable BOOLEAN NOT NULL,
	PRIMARY KEY (shop, product),
	CHECK (choices >= 0)
);

-- What orders hold. counted is false where the variant was not tracked, so
-- that nothing was taken. expires_at is NULL once the hold has run out and its
-- units were given back; what it held stays known for a late payment.
-- narrow
CREATE TABLE stock_hold (
	shop       BIGINT  NOT NULL,
	order_     BYTEA   NOT NULL,
	variant    BYTEA   NOT NULL,
	quantity   BIGINT  NOT NULL,
	counted    BOOLEAN NOT NULL,
	expires_at BIGINT,
	PRIMARY KEY (shop, order_, variant),
	CHECK (quantity > 0)
);
CREATE INDEX stock_hold_expiry ON stock_hold (expires_at, shop);

-- Why there is what there is. quantity is signed for adjustments and positive
-- for the other kinds; available is the level after it.
-- narrow
CREATE TABLE stock_ledger (
	shop      BIGINT NOT NULL,
	variant   BYTEA  NOT NULL,
	id        BYTEA  NOT NULL,
	kind      TEXT   NOT NULL,
	quantity  BIGINT NOT NULL,
	available BIGINT NOT NULL,
	order_    BYTEA  NOT NULL,
	note      TEXT   NOT NULL,
	at        BIGINT NOT NULL,
	PRIMARY KEY (shop, variant, id)
);
CREATE INDEX stock_ledger_order ON stock_ledger (shop, order_) WHERE kind IN ('sold', 'restocked');
