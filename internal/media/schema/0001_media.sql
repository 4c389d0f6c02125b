-- The pictures that a shop has added. The files themselves lie under the hash.
-- narrow
CREATE TABLE media_image (
	shop        BIGINT NOT NULL,
	hash        TEXT   NOT NULL,
	width       BIGINT NOT NULL,
	height      BIGINT NOT NULL,
	placeholder TEXT   NOT NULL,
	bytes       BIGINT NOT NULL,
	created_at  BIGINT NOT NULL,
	PRIMARY KEY (shop, hash)
);
