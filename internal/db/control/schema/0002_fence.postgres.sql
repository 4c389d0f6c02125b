-- Raises HA003 when this database must not be written, or with p_read not even
-- read, any more. The lock is shared by all who write; who closes the fence
-- waits until they have ended.
CREATE FUNCTION haat_control(p_read BOOLEAN) RETURNS VOID AS $$
DECLARE
	is_now TEXT;
BEGIN
	IF NOT p_read THEN
		PERFORM pg_advisory_xact_lock_shared(1751216500);
	END IF;
	SELECT state INTO is_now FROM control_fence;
	IF is_now = 'moved' OR is_now = 'moving' AND NOT p_read THEN
		RAISE EXCEPTION 'the control database is %', is_now USING ERRCODE = 'HA003';
	END IF;
END
$$ LANGUAGE plpgsql;
