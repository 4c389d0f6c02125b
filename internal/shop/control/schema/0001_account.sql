-- People who have shops.
CREATE TABLE account (
	id         BYTEA  NOT NULL PRIMARY KEY,
	created_at BIGINT NOT NULL
);

-- Addresses at which they have shown that they are reached: any of them
-- signs in.
CREATE TABLE account_contact (
	address     TEXT   NOT NULL PRIMARY KEY,
	account     BYTEA  NOT NULL,
	kind        TEXT   NOT NULL,
	country     TEXT   NOT NULL,
	verified_at BIGINT NOT NULL
);
CREATE INDEX account_contact_account ON account_contact (account, verified_at);

-- The one code that is good for an address and purpose.
CREATE TABLE account_code (
	address    TEXT   NOT NULL,
	purpose    TEXT   NOT NULL,
	hash       BYTEA  NOT NULL,
	tries      BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (address, purpose)
);
CREATE INDEX account_code_expiry ON account_code (expires_at);

-- How often something was done since a window opened.
CREATE TABLE account_limit (
	subject TEXT   NOT NULL PRIMARY KEY,
	since   BIGINT NOT NULL,
	n       BIGINT NOT NULL
);
CREATE INDEX account_limit_since ON account_limit (since);

-- Signed-in devices, by the SHA-256 of their token.
CREATE TABLE account_session (
	hash       BYTEA  NOT NULL PRIMARY KEY,
	id         BYTEA  NOT NULL,
	account    BYTEA  NOT NULL,
	created_at BIGINT NOT NULL,
	seen_at    BIGINT NOT NULL,
	agent      TEXT   NOT NULL,
	ip         TEXT   NOT NULL
);
CREATE INDEX account_session_account ON account_session (account, seen_at);
CREATE INDEX account_session_seen ON account_session (seen_at);

-- Whose shop it is.
CREATE TABLE account_shop (
	account    BYTEA  NOT NULL,
	shop       BIGINT NOT NULL,
	role       TEXT   NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (account, shop)
);
CREATE INDEX account_shop_shop ON account_shop (shop);
