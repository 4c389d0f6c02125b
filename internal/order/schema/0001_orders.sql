-- What a list shows of an order, and what is searched. Money in minor units.
CREATE TABLE orders (
	shop         BIGINT NOT NULL,
	id           BYTEA  NOT NULL,
	number       BIGINT NOT NULL,
	token        TEXT   NOT NULL,
	status       TEXT   NOT NULL,
	method       TEXT   NOT NULL,
	payment      TEXT   NOT NULL,
	currency     TEXT   NOT NULL,
	subtotal     BIGINT NOT NULL,
	delivery     BIGINT NOT NULL,
	total        BIGINT NOT NULL,
	items        BIGINT NOT NULL,
	customer     BYTEA  NOT NULL,
	name         TEXT   NOT NULL,
	phone        TEXT   NOT NULL,
	email        TEXT   NOT NULL,
	city         TEXT   NOT NULL,
	find         TEXT   NOT NULL,
	placed_at    BIGINT NOT NULL,
	held_until   BIGINT NOT NULL,
	accepted_at  BIGINT NOT NULL,
	paid_at      BIGINT NOT NULL,
	fulfilled_at BIGINT NOT NULL,
	cancelled_at BIGINT NOT NULL,
	PRIMARY KEY (shop, id)
);
CREATE UNIQUE INDEX orders_number ON orders (shop, number);
CREATE UNIQUE INDEX orders_token ON orders (shop, token);
CREATE INDEX orders_status ON orders (shop, status, number);
CREATE INDEX orders_open ON orders (shop, number) WHERE status IN ('placed', 'accepted');
CREATE INDEX orders_payment ON orders (shop, payment, number);
CREATE INDEX orders_customer ON orders (shop, customer, number);

-- The rest of an order: JSON that only Go reads.
CREATE TABLE order_body (
	shop     BIGINT NOT NULL,
	id       BYTEA  NOT NULL,
	lines    BYTEA  NOT NULL,
	address  BYTEA  NOT NULL,
	tracking BYTEA,
	reason   TEXT   NOT NULL,
	PRIMARY KEY (shop, id)
);

-- What happened to an order, and who did it.
CREATE TABLE order_entry (
	shop    BIGINT NOT NULL,
	ord     BYTEA  NOT NULL,
	id      BYTEA  NOT NULL,
	at      BIGINT NOT NULL,
	kind    TEXT   NOT NULL,
	account BYTEA  NOT NULL,
	note    TEXT   NOT NULL,
	PRIMARY KEY (shop, ord, id)
);

-- The number of a shop's latest order.
-- narrow
CREATE TABLE order_counter (
	shop BIGINT NOT NULL,
	last BIGINT NOT NULL,
	PRIMARY KEY (shop)
);

-- Carts. Token is that of the order that the cart has become.
CREATE TABLE order_cart (
	shop       BIGINT NOT NULL,
	id         BYTEA  NOT NULL,
	updated_at BIGINT NOT NULL,
	contact    BYTEA,
	address    BYTEA,
	token      TEXT   NOT NULL,
	PRIMARY KEY (shop, id)
);
CREATE INDEX order_cart_age ON order_cart (updated_at, shop);

-- narrow
CREATE TABLE order_cart_line (
	shop     BIGINT NOT NULL,
	cart     BYTEA  NOT NULL,
	variant  BYTEA  NOT NULL,
	position BIGINT NOT NULL,
	quantity BIGINT NOT NULL,
	PRIMARY KEY (shop, cart, variant)
);
