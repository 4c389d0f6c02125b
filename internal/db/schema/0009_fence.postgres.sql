CREATE FUNCTION haat_timeline() RETURNS TEXT AS $$
	SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)
$$ LANGUAGE sql;
UPDATE shard_term SET timeline = haat_timeline();

-- No clock moves on a server that was promoted and not told its new term, nor
-- for a program that was told another term than the shard's: HA002. An earlier
-- primary that is back is HA004. Only who tells the term may pass.
CREATE FUNCTION haat_fence() RETURNS TRIGGER AS $$
DECLARE
	told BIGINT := COALESCE(NULLIF(current_setting('haat.term', true), ''), '0')::bigint;
	is_term BIGINT;
	is_timeline TEXT;
BEGIN
	IF told < 0 THEN
		RETURN NEW;
	END IF;
	SELECT term, timeline INTO is_term, is_timeline FROM shard_term;
	IF is_timeline <> haat_timeline() THEN
		RAISE EXCEPTION 'the server was promoted, and has no term yet' USING ERRCODE = 'HA002';
	ELSIF told > is_term THEN
		RAISE EXCEPTION 'the server is an earlier primary: its term is %, and that of the shard %', is_term, told USING ERRCODE = 'HA004';
	ELSIF told > 0 AND told < is_term THEN
		RAISE EXCEPTION 'the term of the shard is % now, and no longer %', is_term, told USING ERRCODE = 'HA002';
	END IF;
	RETURN NEW;
END
$$ LANGUAGE plpgsql;
CREATE TRIGGER haat_fence BEFORE INSERT OR UPDATE ON shop_clock FOR EACH ROW EXECUTE FUNCTION haat_fence();
