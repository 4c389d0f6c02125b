CREATE TRIGGER shop_enters AFTER INSERT ON shop BEGIN
	UPDATE shard SET shops = shops + 1 WHERE id = NEW.shard;
END;
CREATE TRIGGER shop_leaves AFTER DELETE ON shop BEGIN
	UPDATE shard SET shops = shops - 1 WHERE id = OLD.shard;
END;
CREATE TRIGGER shop_moves AFTER UPDATE OF shard ON shop WHEN NEW.shard <> OLD.shard BEGIN
	UPDATE shard SET shops = shops - 1 WHERE id = OLD.shard;
	UPDATE shard SET shops = shops + 1 WHERE id = NEW.shard;
END;
