-- What is sold out, which is little of what a shop has.
CREATE INDEX stock_product_sold_out ON stock_product (shop, product) WHERE NOT sellable;
