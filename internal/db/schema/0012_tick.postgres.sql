-- As before, with what the events are part of. The one without it is called by
-- earlier programs, while some are upgraded and some are not.
CREATE FUNCTION haat_tick(p_shop BIGINT, p_epoch BIGINT, p_at BIGINT,
	p_events BYTEA[], p_topics TEXT[], p_keys TEXT[], p_tags TEXT[], p_payloads BYTEA[], p_traces TEXT[],
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
		INSERT INTO shop_outbox (shop, seq, i, event, at, topic, key, tags, payload, trace)
		VALUES (p_shop, o_seq - emits + k, k - 1, p_events[k], p_at, p_topics[k], p_keys[k], p_tags[k], p_payloads[k], p_traces[k]);
	END LOOP;
END
$$ LANGUAGE plpgsql;
