CREATE FUNCTION haat_count_shops() RETURNS TRIGGER AS $$
BEGIN
	IF TG_OP <> 'INSERT' THEN
		UPDATE shard SET shops = shops - 1 WHERE id = OLD.shard;
	END IF;
	IF TG_OP <> 'DELETE' THEN
		UPDATE shard SET shops = shops + 1 WHERE id = NEW.shard;
	END IF;
	RETURN NULL;
END
$$ LANGUAGE plpgsql;
CREATE TRIGGER shop_enters AFTER INSERT OR DELETE ON shop FOR EACH ROW EXECUTE FUNCTION haat_count_shops();
CREATE TRIGGER shop_moves AFTER UPDATE OF shard ON shop FOR EACH ROW WHEN (NEW.shard <> OLD.shard) EXECUTE FUNCTION haat_count_shops();
