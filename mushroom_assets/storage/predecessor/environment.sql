-- mushroom_env_daily_stats of daily_env_stats: three rows of a room and day become one.
-- Filters on stat_date and room_id reach the primary key, since both are grouped by.
CREATE OR REPLACE VIEW predecessor.mushroom_env_daily_stats AS
SELECT
    ('x' || left(md5(room_id || ' ' || (stat_date - DATE '2000-01-01')), 15))::bit(60)::bigint
        AS id,
    room_id::varchar AS room_id,
    stat_date,
    max(growth_day) AS in_day_num,
    bool_and(is_growth_phase) AS is_growth_phase,
    max("median") FILTER (WHERE quantity = 'temperature') AS temp_median,
    max("min") FILTER (WHERE quantity = 'temperature') AS temp_min,
    max("max") FILTER (WHERE quantity = 'temperature') AS temp_max,
    max(q25) FILTER (WHERE quantity = 'temperature') AS temp_q25,
    max(q75) FILTER (WHERE quantity = 'temperature') AS temp_q75,
    coalesce(max(sample_count) FILTER (WHERE quantity = 'temperature'), 0) AS temp_count,
    max("median") FILTER (WHERE quantity = 'humidity') AS humidity_median,
    max("min") FILTER (WHERE quantity = 'humidity') AS humidity_min,
    max("max") FILTER (WHERE quantity = 'humidity') AS humidity_max,
    max(q25) FILTER (WHERE quantity = 'humidity') AS humidity_q25,
    max(q75) FILTER (WHERE quantity = 'humidity') AS humidity_q75,
    coalesce(max(sample_count) FILTER (WHERE quantity = 'humidity'), 0) AS humidity_count,
    max("median") FILTER (WHERE quantity = 'co2') AS co2_median,
    max("min") FILTER (WHERE quantity = 'co2') AS co2_min,
    max("max") FILTER (WHERE quantity = 'co2') AS co2_max,
    max(q25) FILTER (WHERE quantity = 'co2') AS co2_q25,
    max(q75) FILTER (WHERE quantity = 'co2') AS co2_q75,
    coalesce(max(sample_count) FILTER (WHERE quantity = 'co2'), 0) AS co2_count,
    max(batch_date) AS batch_date,
    NULL::text AS remark,
    max(computed_at) AT TIME ZONE {zone} AS created_at,
    max(computed_at) AT TIME ZONE {zone} AS updated_at
FROM farm.daily_env_stats
WHERE quantity IN ('temperature', 'humidity', 'co2')
GROUP BY stat_date, room_id
HAVING sum(sample_count) > 0;  -- a day without data had no row

COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.id IS
    'derived from room and day: stays the same when the day is computed anew; not ascending';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.room_id IS 'growing room';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.stat_date IS
    'farm-local day, half-open: 00:00 of the next day is not in it';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.in_day_num IS
    'growth day by the batch table, 1 on the in-date; the table before had the most frequent '
    'value of the controller';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.is_growth_phase IS
    'growth day within 1..cycle_days; null where no batch is known, which was true before';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.temp_median IS
    'median of the accepted samples, without implausible ones, which it had before [°C]';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.temp_min IS
    'smallest accepted sample [°C]';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.temp_max IS 'largest accepted sample [°C]';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.temp_q25 IS 'lower quartile [°C]';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.temp_q75 IS 'upper quartile [°C]';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.temp_count IS
    'accepted samples; 0 where there are none';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.humidity_median IS
    'median of the accepted samples [%]';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.humidity_min IS
    'smallest accepted sample [%]';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.humidity_max IS
    'largest accepted sample [%]';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.humidity_q25 IS 'lower quartile [%]';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.humidity_q75 IS 'upper quartile [%]';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.humidity_count IS
    'accepted samples; 0 where there are none';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.co2_median IS
    'median of the accepted samples [ppm]';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.co2_min IS 'smallest accepted sample [ppm]';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.co2_max IS 'largest accepted sample [ppm]';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.co2_q25 IS 'lower quartile [ppm]';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.co2_q75 IS 'upper quartile [ppm]';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.co2_count IS
    'accepted samples; 0 where there are none';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.batch_date IS 'in-date of the batch in force';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.remark IS
    'always null: nothing is interpolated here';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.created_at IS
    'when the day was last computed, farm-local: a rerun replaces the rows; it was the time of the '
    'first insert in the server''s zone';
COMMENT ON COLUMN predecessor.mushroom_env_daily_stats.updated_at IS
    'when the day was last computed, farm-local';
