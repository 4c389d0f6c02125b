-- words is what a customer is found by: name, numbers and address in small
-- letters, each word after a space.
CREATE TABLE customer (
	shop       BIGINT NOT NULL,
	id         BYTEA  NOT NULL,
	name       TEXT   NOT NULL,
	phone      TEXT   NOT NULL,
	email      TEXT   NOT NULL,
	words      TEXT   NOT NULL,
	orders     BIGINT NOT NULL,
	spent      BIGINT NOT NULL,
	last_at    BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (shop, id)
);
CREATE UNIQUE INDEX customer_phone ON customer (shop, phone) WHERE phone <> '';
CREATE UNIQUE INDEX customer_only_email ON customer (shop, email) WHERE phone = '';
CREATE INDEX customer_email ON customer (shop, email) WHERE email <> '';
CREATE INDEX customer_last ON customer (shop, last_at, id);
