-- What a shop's notices say, as templates, where it is not the platform's text.
CREATE TABLE notify_text (
	shop     BIGINT NOT NULL,
	kind     TEXT   NOT NULL,
	language TEXT   NOT NULL,
	subject  TEXT   NOT NULL,
	long     TEXT   NOT NULL,
	short    TEXT   NOT NULL,
	PRIMARY KEY (shop, kind, language)
);
