-- As on PostgreSQL, so that one statement finds the shops with news.
DROP INDEX shop_clock_news;
ALTER TABLE shop_clock ADD COLUMN news BOOLEAN GENERATED ALWAYS AS (seq > done) VIRTUAL;
CREATE INDEX shop_clock_news ON shop_clock (shop) WHERE news;
