-- An index on what a tick changes, or under a condition on it, has every tick
-- enter the clock's new row into all of its indexes. This column changes only
-- when a shop has its first news and when the last of them are done: while a
-- shop is busy its ticks touch the row alone (HOT).
DROP INDEX shop_clock_news;
ALTER TABLE shop_clock ADD COLUMN news BOOLEAN GENERATED ALWAYS AS (seq > done) STORED;
CREATE INDEX shop_clock_news ON shop_clock (shop) WHERE news;
