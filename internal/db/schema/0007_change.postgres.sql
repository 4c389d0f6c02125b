CREATE SEQUENCE shop_change_i;
