-- What each import asked for and how that went, for it: a later import may
-- ask for the same picture again. error is set where state is 'failed'.
CREATE TABLE catalog_import_want (
	shop    BIGINT NOT NULL,
	import  BYTEA  NOT NULL,
	product BYTEA  NOT NULL,
	url     TEXT   NOT NULL,
	state   TEXT   NOT NULL,
	error   TEXT   NOT NULL,
	PRIMARY KEY (shop, import, product, url)
);
CREATE INDEX catalog_import_want_open ON catalog_import_want (shop, product, url) WHERE state = 'queued';
INSERT INTO catalog_import_want (shop, import, product, url, state, error)
	SELECT shop, import, product, url, state, error FROM catalog_import_image;

-- catalog_import_image is only the queue from now on: a row leaves it when
-- its picture is there or given up.
DELETE FROM catalog_import_image WHERE state <> 'queued';
DROP INDEX catalog_import_image_import;
ALTER TABLE catalog_import_image DROP COLUMN import;
ALTER TABLE catalog_import_image DROP COLUMN position;
ALTER TABLE catalog_import_image DROP COLUMN alt;

-- file is empty once the file is no longer needed; files that no row names
-- are swept away.
UPDATE catalog_import SET file = '' WHERE state NOT IN ('queued', 'running');
CREATE INDEX catalog_import_file ON catalog_import (shop) WHERE file <> '';
