-- What lists need of a product; the rest is in product_body. price, price_max,
-- compare_at, variants and the image are those of its variants and images,
-- kept when either is written. sort is the title as a key whose bytes sort.
CREATE TABLE product (
	shop        BIGINT  NOT NULL,
	id          BYTEA   NOT NULL,
	handle      TEXT    NOT NULL,
	title       TEXT    NOT NULL,
	sort        BYTEA   NOT NULL,
	status      TEXT    NOT NULL,
	vendor      TEXT    NOT NULL,
	kind        TEXT    NOT NULL,
	price       BIGINT  NOT NULL,
	price_max   BIGINT  NOT NULL,
	compare_at  BIGINT  NOT NULL,
	variants    BIGINT  NOT NULL,
	variant     BYTEA   NOT NULL,
	image       TEXT    NOT NULL,
	width       BIGINT  NOT NULL,
	height      BIGINT  NOT NULL,
	alt         TEXT    NOT NULL,
	placeholder TEXT    NOT NULL,
	found_by    TEXT    NOT NULL,
	created_at  BIGINT  NOT NULL,
	updated_at  BIGINT  NOT NULL,
	PRIMARY KEY (shop, id)
);
CREATE UNIQUE INDEX product_handle ON product (shop, handle);
CREATE INDEX product_newest ON product (shop, status, created_at, id);
CREATE INDEX product_kind ON product (shop, kind, status, created_at);

-- The wide parts, read for one product at a time. data is JSON that only Go reads.
CREATE TABLE product_body (
	shop        BIGINT NOT NULL,
	product     BYTEA  NOT NULL,
	description TEXT   NOT NULL,
	data        TEXT   NOT NULL,
	PRIMARY KEY (shop, product)
);

CREATE TABLE product_variant (
	shop         BIGINT  NOT NULL,
	id           BYTEA   NOT NULL,
	product      BYTEA   NOT NULL,
	position     BIGINT  NOT NULL,
	option1      TEXT    NOT NULL,
	option2      TEXT    NOT NULL,
	option3      TEXT    NOT NULL,
	sku          TEXT    NOT NULL,
	barcode      TEXT    NOT NULL,
	price        BIGINT  NOT NULL,
	compare_at   BIGINT  NOT NULL,
	cost         BIGINT  NOT NULL,
	grams        BIGINT  NOT NULL,
	tax_class    TEXT    NOT NULL,
	taxable      BOOLEAN NOT NULL,
	shipped      BOOLEAN NOT NULL,
	image        TEXT    NOT NULL,
	image_source TEXT    NOT NULL,
	extra        TEXT    NOT NULL,
	PRIMARY KEY (shop, id)
);
CREATE INDEX product_variant_product ON product_variant (shop, product, position);

-- The options' values, to show and to filter by. pair is name and value in
-- lower case.
-- narrow
CREATE TABLE product_option (
	shop     BIGINT NOT NULL,
	product  BYTEA  NOT NULL,
	pair     TEXT   NOT NULL,
	position BIGINT NOT NULL,
	name     TEXT   NOT NULL,
	value    TEXT   NOT NULL,
	place    BIGINT NOT NULL,
	PRIMARY KEY (shop, product, pair)
);

CREATE TABLE product_image (
	shop        BIGINT NOT NULL,
	product     BYTEA  NOT NULL,
	position    BIGINT NOT NULL,
	hash        TEXT   NOT NULL,
	alt         TEXT   NOT NULL,
	width       BIGINT NOT NULL,
	height      BIGINT NOT NULL,
	placeholder TEXT   NOT NULL,
	source      TEXT   NOT NULL,
	PRIMARY KEY (shop, product, position)
);

-- folded is the tag in lower case.
-- narrow
CREATE TABLE product_tag (
	shop    BIGINT NOT NULL,
	folded  TEXT   NOT NULL,
	product BYTEA  NOT NULL,
	tag     TEXT   NOT NULL,
	PRIMARY KEY (shop, folded, product)
);
CREATE INDEX product_tag_product ON product_tag (shop, product);

-- rule is JSON that only Go reads; empty: a list by hand. Collections of a
-- shop are few: a product's save reads all of their rules.
CREATE TABLE collection (
	shop        BIGINT  NOT NULL,
	id          BYTEA   NOT NULL,
	handle      TEXT    NOT NULL,
	title       TEXT    NOT NULL,
	description TEXT    NOT NULL,
	sort        TEXT    NOT NULL,
	rule        TEXT    NOT NULL,
	image       TEXT    NOT NULL,
	width       BIGINT  NOT NULL,
	height      BIGINT  NOT NULL,
	alt         TEXT    NOT NULL,
	placeholder TEXT    NOT NULL,
	seo         TEXT    NOT NULL,
	position    BIGINT  NOT NULL,
	created_at  BIGINT  NOT NULL,
	updated_at  BIGINT  NOT NULL,
	PRIMARY KEY (shop, id)
);
CREATE UNIQUE INDEX collection_handle ON collection (shop, handle);

-- narrow
CREATE TABLE collection_product (
	shop       BIGINT NOT NULL,
	collection BYTEA  NOT NULL,
	product    BYTEA  NOT NULL,
	position   BIGINT NOT NULL,
	PRIMARY KEY (shop, collection, product)
);
CREATE INDEX collection_product_product ON collection_product (shop, product);

CREATE TABLE catalog_import (
	shop        BIGINT  NOT NULL,
	id          BYTEA   NOT NULL,
	state       TEXT    NOT NULL,
	format      TEXT    NOT NULL,
	dry_run     BOOLEAN NOT NULL,
	file        TEXT    NOT NULL,
	name        TEXT    NOT NULL,
	counts      TEXT    NOT NULL,
	next        BIGINT  NOT NULL,
	done        BIGINT  NOT NULL,
	total       BIGINT  NOT NULL,
	error       TEXT    NOT NULL,
	created_at  BIGINT  NOT NULL,
	started_at  BIGINT  NOT NULL,
	updated_at  BIGINT  NOT NULL,
	finished_at BIGINT  NOT NULL,
	PRIMARY KEY (shop, id)
);
CREATE INDEX catalog_import_open ON catalog_import (state, shop) WHERE state IN ('queued', 'running');

CREATE TABLE catalog_import_error (
	shop    BIGINT NOT NULL,
	import  BYTEA  NOT NULL,
	n       BIGINT NOT NULL,
	line    BIGINT NOT NULL,
	field   TEXT   NOT NULL,
	handle  TEXT   NOT NULL,
	message TEXT   NOT NULL,
	skipped TEXT   NOT NULL,
	PRIMARY KEY (shop, import, n)
);

-- Handles that a dry run has seen, so that a product that comes again is not
-- counted as new twice.
-- narrow
CREATE TABLE catalog_import_handle (
	shop   BIGINT NOT NULL,
	import BYTEA  NOT NULL,
	handle TEXT   NOT NULL,
	PRIMARY KEY (shop, import, handle)
);

-- Pictures to bring from other hosts. position is that of the file.
CREATE TABLE catalog_import_image (
	shop     BIGINT NOT NULL,
	product  BYTEA  NOT NULL,
	url      TEXT   NOT NULL,
	import   BYTEA  NOT NULL,
	position BIGINT NOT NULL,
	alt      TEXT   NOT NULL,
	state    TEXT   NOT NULL,
	attempts BIGINT NOT NULL,
	next_at  BIGINT NOT NULL,
	error    TEXT   NOT NULL,
	PRIMARY KEY (shop, product, url)
);
CREATE INDEX catalog_import_image_next ON catalog_import_image (next_at, shop) WHERE state = 'queued';
CREATE INDEX catalog_import_image_import ON catalog_import_image (shop, import, state);
