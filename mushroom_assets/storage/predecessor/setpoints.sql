-- device_setpoint_changes of hourly_setpoint_changes, one row per change in both.
-- The index serves filters on the local time: the one on changed_at cannot.
DROP INDEX IF EXISTS farm.local_hourly_setpoint_changes_changed_at;
CREATE INDEX local_hourly_setpoint_changes_changed_at
    ON farm.hourly_setpoint_changes ((changed_at AT TIME ZONE {zone}));

CREATE OR REPLACE VIEW predecessor.device_setpoint_changes AS
SELECT
    c.change_id AS id,
    c.room_id::varchar AS room_id,
    c.device_type::varchar AS device_type,
    c.device_alias::varchar AS device_name,
    c.point_alias::varchar AS point_name,
    c.point_description::varchar AS point_description,
    c.changed_at AT TIME ZONE {zone} AS change_time,
    c.previous_value,
    c.current_value,
    c.change_type::varchar AS change_type,
    c.detected_at AT TIME ZONE {zone} AS detection_time,
    c.detected_at AT TIME ZONE {zone} AS created_at,
    c.batch_date AS in_date,
    c.growth_day,
    b.bag_count AS in_num,
    (c.room_id || '_' || to_char(c.batch_date, 'YYYYMMDD'))::varchar AS batch_id,
    NULL::varchar AS change_detail,
    abs(c.delta) AS change_magnitude
FROM farm.hourly_setpoint_changes AS c
LEFT JOIN farm.batch AS b ON b.room_id = c.room_id AND b.in_date = c.batch_date;

COMMENT ON COLUMN predecessor.device_setpoint_changes.id IS
    'change_id: the same change keeps it when its hour is computed anew';
COMMENT ON COLUMN predecessor.device_setpoint_changes.room_id IS 'growing room';
COMMENT ON COLUMN predecessor.device_setpoint_changes.device_type IS 'kind of device';
COMMENT ON COLUMN predecessor.device_setpoint_changes.device_name IS
    'the alias (air_cooler_611), always; the table before had the controller''s name in some rows';
COMMENT ON COLUMN predecessor.device_setpoint_changes.point_name IS
    'the alias (temp_set), always; the table before had the controller''s name in some rows';
COMMENT ON COLUMN predecessor.device_setpoint_changes.point_description IS
    'the setpoint in words, by the farm file';
COMMENT ON COLUMN predecessor.device_setpoint_changes.change_time IS
    'first sample with the new value, farm-local, to the second; it was cut to the minute. Where '
    'the clock is set back an hour occurs twice';
COMMENT ON COLUMN predecessor.device_setpoint_changes.previous_value IS
    'value before, in the point''s unit';
COMMENT ON COLUMN predecessor.device_setpoint_changes.current_value IS
    'value after, in the point''s unit';
COMMENT ON COLUMN predecessor.device_setpoint_changes.change_type IS
    'digital_on_off, enum_state or analog_value, by the farm file';
COMMENT ON COLUMN predecessor.device_setpoint_changes.detection_time IS
    'when the hour was last computed, farm-local';
COMMENT ON COLUMN predecessor.device_setpoint_changes.created_at IS
    'as detection_time; it was in the server''s zone';
COMMENT ON COLUMN predecessor.device_setpoint_changes.in_date IS
    'in-date of the batch in force; null where none is known';
COMMENT ON COLUMN predecessor.device_setpoint_changes.growth_day IS
    'growth day by the batch table; null where no batch is known';
COMMENT ON COLUMN predecessor.device_setpoint_changes.in_num IS 'bags of the batch';
COMMENT ON COLUMN predecessor.device_setpoint_changes.batch_id IS 'room and in-date: 611_20260105';
COMMENT ON COLUMN predecessor.device_setpoint_changes.change_detail IS
    'always null: the system before gave it up';
COMMENT ON COLUMN predecessor.device_setpoint_changes.change_magnitude IS
    'distance of the two values; the system before gave the column up';
