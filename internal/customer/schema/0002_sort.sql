-- The orders in which customers are listed.
CREATE INDEX customer_created ON customer (shop, created_at, id);
CREATE INDEX customer_orders ON customer (shop, orders, id);
CREATE INDEX customer_spent ON customer (shop, spent, id);
