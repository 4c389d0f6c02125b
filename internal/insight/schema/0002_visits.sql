-- How many visits began in the quarter of an hour.
ALTER TABLE insight_slot ADD COLUMN visits BIGINT NOT NULL DEFAULT 0;
