-- Holds a mover's claim until the transaction ends; raises HA004 when there is a
-- newer one, so that a COMMIT sent in the same packet is skipped.
CREATE FUNCTION haat_claim(p_shop BIGINT, p_claim BIGINT) RETURNS VOID AS $$
BEGIN
	UPDATE shop_move SET claim = p_claim WHERE shop = p_shop AND claim = p_claim;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'another mover has taken the shop over' USING ERRCODE = 'HA004';
	END IF;
END
$$ LANGUAGE plpgsql;
