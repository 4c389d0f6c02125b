-- narrow
CREATE TABLE pay_payment (
	shop   BIGINT NOT NULL,
	order_ BYTEA  NOT NULL,
	method TEXT   NOT NULL,
	status TEXT   NOT NULL,
	amount BIGINT NOT NULL,
	at     BIGINT NOT NULL,
	PRIMARY KEY (shop, order_),
	CHECK (amount >= 0),
	CHECK (status IN ('pending', 'paid', 'refund-due', 'void'))
);
