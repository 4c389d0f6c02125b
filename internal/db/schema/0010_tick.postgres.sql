-- The timeline that this server writes on: a standby that is promoted begins
-- one of its own.
CREATE FUNCTION haat_timeline() RETURNS TEXT AS $$
	SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)
$$ LANGUAGE sql VOLATILE;
UPDATE shard_term SET timeline = haat_timeline();

-- Gives the shard's term to whoever may write in it. Raises HA002 on a server
-- that was promoted and was told no term since, and for a program that knows an
-- older term (haat.term; 0 of one that knows none); HA005 on a primary that was,
-- so that a COMMIT sent in the same packet is skipped.
CREATE FUNCTION haat_hold(OUT o_term BIGINT) AS $$
DECLARE
	known BIGINT := COALESCE(NULLIF(current_setting('haat.term', true), ''), '0')::bigint;
	told TEXT;
BEGIN
	SELECT term, timeline INTO o_term, told FROM shard_term;
	IF told <> left(pg_walfile_name(pg_current_wal_lsn()), 8) THEN
		RAISE EXCEPTION 'the server was promoted, and has no term yet' USING ERRCODE = 'HA002';
	ELSIF known > o_term THEN
		RAISE EXCEPTION 'the server is an earlier primary: its term is %, and that of the shard %', o_term, known USING ERRCODE = 'HA005';
	ELSIF known > 0 AND known < o_term THEN
		RAISE EXCEPTION 'the term of the shard is % now, and no longer %', o_term, known USING ERRCODE = 'HA002';
	END IF;
END
$$ LANGUAGE plpgsql;

-- As before, for whoever may write.
CREATE OR REPLACE FUNCTION haat_tick(p_shop BIGINT, p_epoch BIGINT, p_at BIGINT,
	p_events BYTEA[], p_topics TEXT[], p_keys TEXT[], p_tags TEXT[], p_payloads BYTEA[],
	OUT o_n BIGINT, OUT o_seq BIGINT, OUT o_term BIGINT) AS $$
DECLARE
	emits BIGINT := COALESCE(array_length(p_events, 1), 0);
BEGIN
	o_term := haat_hold();
	UPDATE shop_clock SET n = n + 1, seq = seq + emits, term = o_term,
		term_n = CASE WHEN term = o_term THEN term_n ELSE n END
	WHERE shop = p_shop AND epoch = p_epoch AND state = 'open'
	RETURNING n, seq INTO o_n, o_seq;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'shop is not open here at this epoch' USING ERRCODE = 'HA001';
	END IF;
	FOR k IN 1..emits LOOP
		INSERT INTO shop_outbox (shop, seq, i, event, at, topic, key, tags, payload)
		VALUES (p_shop, o_seq - emits + k, k - 1, p_events[k], p_at, p_topics[k], p_keys[k], p_tags[k], p_payloads[k]);
	END LOOP;
END
$$ LANGUAGE plpgsql;
