-- What the shopper wrote with the order: the timeline begins with it, and is
-- not written for it.
ALTER TABLE order_body ADD COLUMN note TEXT NOT NULL DEFAULT '';
