-- done: every listener has had the events up to here. Which shops have news is
-- an index, which the engine itself keeps as true as the row: looking for them
-- takes as long as there are such shops, and no write needs a statement for it.
ALTER TABLE shop_clock ADD COLUMN done BIGINT NOT NULL DEFAULT 0;
CREATE INDEX shop_clock_news ON shop_clock (shop) WHERE seq > done;
