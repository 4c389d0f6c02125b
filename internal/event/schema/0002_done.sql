-- The clock itself says now how far every subscriber has come.
UPDATE shop_clock SET done = COALESCE((SELECT d.seq FROM event_done d WHERE d.shop = shop_clock.shop), 0);
DROP TABLE event_done;
