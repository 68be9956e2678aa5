-- A room's day in one row. The farm's quantities come in where braces are: aggregates over the rows
-- of a day, and their names. Filters on day and room reach the primary key of daily_env_stats; what
-- is counted is asked by index for each row, and not at all where it is not selected.
CREATE VIEW farm.batch_day AS
SELECT
    e.stat_date,
    e.room_id,
    e.growth_day,
    e.batch_date,
    e.is_growth_phase,
    b.bag_count,
    r.verdict,
    r.reasons -> 0 ->> 'text' AS reason,
    greatest(e.settings_version, r.settings_version) AS settings_version,
    c.setpoint_changes,
    n.notes,
    h.harvest_kg,
    i.image_count,
    i.stage,
    i.stage_share,
    i.condition,
    i.condition_share,
    e.wet_hours{names}
FROM (
    SELECT
        stat_date,
        room_id,
        max(growth_day) AS growth_day,
        max(batch_date) AS batch_date,
        bool_and(is_growth_phase) AS is_growth_phase,
        max(settings_version) AS settings_version,
        max(wet_hours) AS wet_hours{figures}
    FROM farm.daily_env_stats
    GROUP BY stat_date, room_id
) AS e
LEFT JOIN farm.batch AS b ON b.room_id = e.room_id AND b.in_date = e.batch_date
LEFT JOIN farm.daily_room_report AS r ON r.stat_date = e.stat_date AND r.room_id = e.room_id
LEFT JOIN LATERAL (
    -- The two days more are for the index: an instant is no farm day
    SELECT count(*)::int AS setpoint_changes
    FROM farm.hourly_setpoint_changes
    WHERE room_id = e.room_id
        AND changed_at >= (e.stat_date - 1)::timestamp AT TIME ZONE 'UTC'
        AND changed_at < (e.stat_date + 2)::timestamp AT TIME ZONE 'UTC'
        AND (changed_at AT TIME ZONE {zone})::date = e.stat_date
) AS c ON true
LEFT JOIN LATERAL (
    SELECT count(*)::int AS notes
    FROM farm.note
    WHERE room_id = e.room_id
        AND noted_at >= (e.stat_date - 1)::timestamp AT TIME ZONE 'UTC'
        AND noted_at < (e.stat_date + 2)::timestamp AT TIME ZONE 'UTC'
        AND (noted_at AT TIME ZONE {zone})::date = e.stat_date
) AS n ON true
LEFT JOIN LATERAL (
    SELECT sum(weight_kg) AS harvest_kg
    FROM farm.harvest
    -- Of whatever batch: the last may be of the day on which the next bags come in
    WHERE room_id = e.room_id AND picked_on = e.stat_date
) AS h ON true
LEFT JOIN LATERAL (
    -- Of several labels that as many images have, the first by name
    SELECT
        count(*)::int AS image_count,
        mode() WITHIN GROUP (ORDER BY stage) AS stage,
        max(of_stage) / nullif(count(*), 0)::double precision AS stage_share,
        mode() WITHIN GROUP (ORDER BY condition) AS condition,
        max(of_condition) / nullif(count(*), 0)::double precision AS condition_share
    FROM (
        SELECT
            j.stage,
            j.condition,
            count(*) OVER (PARTITION BY j.stage) AS of_stage,
            count(*) OVER (PARTITION BY j.condition) AS of_condition
        FROM (
            SELECT
                coalesce(probe_stage, stage) AS stage,
                coalesce(probe_condition, condition) AS condition
            FROM farm.daily_clip_inference
            WHERE room_id = e.room_id AND image_date = e.stat_date AND status = 'ok'
                AND model_id = (
                    SELECT model_id FROM farm.daily_clip_inference
                    WHERE room_id = e.room_id AND image_date = e.stat_date AND status = 'ok'
                    ORDER BY computed_at DESC, model_id LIMIT 1
                )
        ) AS j
    ) AS counted
) AS i ON true;
