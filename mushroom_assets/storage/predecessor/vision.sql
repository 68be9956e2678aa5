-- mushroom_embedding of daily_clip_inference: of an image with several models' rows the latest ok
-- one. That is asked by NOT EXISTS, and not by DISTINCT ON, so that filters reach the indexes.
-- What stands in the list of columns as a query of samples costs nothing where it is not selected.
DROP INDEX IF EXISTS farm.local_daily_clip_inference_captured_at;
CREATE INDEX local_daily_clip_inference_captured_at
    ON farm.daily_clip_inference ((captured_at AT TIME ZONE {zone}));

CREATE OR REPLACE VIEW predecessor.mushroom_embedding AS
SELECT
    ('x' || left(md5(i.image_path), 15))::bit(60)::bigint AS id,
    i.captured_at AT TIME ZONE {zone} AS collection_datetime,
    i.image_path,
    i.room_id::varchar AS room_id,
    i.batch_date AS in_date,
    b.bag_count AS in_num,
    coalesce(i.growth_day, 0) AS growth_day,
    i.camera::varchar AS collection_ip,
    (
        SELECT coalesce(json_object_agg(p.point_alias, s.value ORDER BY p.point_alias), '{{}}')
        FROM {at_capture}
        WHERE p.room_id = i.room_id AND p.device_type = 'air_cooler'
    ) AS air_cooler_config,
    (
        SELECT coalesce(json_object_agg(p.point_alias, s.value ORDER BY p.point_alias), '{{}}')
        FROM {at_capture}
        WHERE p.room_id = i.room_id AND p.device_type = 'fresh_air_fan'
    ) AS fresh_fan_config,
    (
        SELECT coalesce(json_object_agg(p.point_alias, s.value ORDER BY p.point_alias), '{{}}')
        FROM {at_capture}
        WHERE p.room_id = i.room_id AND p.device_type = 'grow_light'
    ) AS light_config,
    (
        SELECT coalesce(json_object_agg(split_part(device_alias, '_', 1), config), '{{}}')
        FROM (
            SELECT
                p.device_alias,
                json_object_agg(p.point_alias, s.value ORDER BY p.point_alias) AS config
            FROM {at_capture}
            WHERE p.room_id = i.room_id AND p.device_type = 'humidifier'
            GROUP BY p.device_alias ORDER BY p.device_alias
        ) AS sides
    ) AS humidifier_config,
    json_build_object(
        'temperature', i.temperature_c, 'humidity', i.humidity_pct, 'co2', i.co2_ppm
    ) AS env_sensor_status,
    (
        SELECT (
            max(s.value) FILTER (WHERE p.point_alias = 'model') <> 0
            AND max(s.value) FILTER (WHERE p.point_alias IN ('status', 'mode')) < 3
        )::int
        FROM {at_capture}
        WHERE p.room_id = i.room_id AND p.device_type = 'grow_light'
    ) AS light_count,
    (
        SELECT CASE WHEN count(*) > 0 THEN count(*) FILTER (WHERE s.value <> 3) END::int
        FROM {at_capture}
        WHERE p.room_id = i.room_id AND p.device_type = 'humidifier' AND p.point_alias = 'status'
    ) AS humidifier_count,
    format('Mushroom Room %s, Day %s.', i.room_id, coalesce(i.growth_day, 0))
        AS semantic_description,
    (CASE WHEN vector_dims(i.embedding) = 512 THEN i.embedding END)::vector(512) AS embedding,
    i.computed_at AT TIME ZONE {zone} AS created_at,
    i.computed_at AT TIME ZONE {zone} AS updated_at,
    NULL::text AS llama_description,
    NULL::double precision AS image_quality_score
FROM farm.daily_clip_inference AS i
LEFT JOIN farm.batch AS b ON b.room_id = i.room_id AND b.in_date = i.batch_date
WHERE i.status = 'ok' AND NOT EXISTS (
    SELECT FROM farm.daily_clip_inference AS later
    WHERE later.image_path = i.image_path AND later.status = 'ok'
      AND (later.computed_at, later.model_id) > (i.computed_at, i.model_id)
);

COMMENT ON COLUMN predecessor.mushroom_embedding.id IS
    'derived from the path: stays the same when the day is computed anew; not ascending';
COMMENT ON COLUMN predecessor.mushroom_embedding.collection_datetime IS
    'time of the capture, from the file name, farm-local';
COMMENT ON COLUMN predecessor.mushroom_embedding.image_path IS
    'path in the image store, as it was without the bucket; one row each';
COMMENT ON COLUMN predecessor.mushroom_embedding.room_id IS
    'growing room, by the folder: 607, where the folder is 7';
COMMENT ON COLUMN predecessor.mushroom_embedding.in_date IS
    'in-date of the batch in force, by the batch table; null where none is known';
COMMENT ON COLUMN predecessor.mushroom_embedding.in_num IS 'bags of the batch';
COMMENT ON COLUMN predecessor.mushroom_embedding.growth_day IS
    'growth day by the batch table; 0 where no batch is known, as before';
COMMENT ON COLUMN predecessor.mushroom_embedding.collection_ip IS
    'camera as the file name has it: the digits of its address, without dots';
COMMENT ON COLUMN predecessor.mushroom_embedding.air_cooler_config IS
    'last sample of each point in the 5 min up to the capture, by alias; empty without samples. '
    'Costs a look-up per point and image: leave it out of long lists';
COMMENT ON COLUMN predecessor.mushroom_embedding.fresh_fan_config IS 'as air_cooler_config';
COMMENT ON COLUMN predecessor.mushroom_embedding.light_config IS 'as air_cooler_config';
COMMENT ON COLUMN predecessor.mushroom_embedding.humidifier_config IS
    'as air_cooler_config, by side: what the alias begins with, left or right';
COMMENT ON COLUMN predecessor.mushroom_embedding.env_sensor_status IS
    'temperature [°C], humidity [%], co2 [ppm]: the last sample of the 5 min up to the capture, '
    'not the mean of a minute before and after; null in it where there is none';
COMMENT ON COLUMN predecessor.mushroom_embedding.light_count IS
    '1 if the light was neither switched off nor closed, else 0; null where that is not known';
COMMENT ON COLUMN predecessor.mushroom_embedding.humidifier_count IS
    'sides that were not closed; null where no status is known';
COMMENT ON COLUMN predecessor.mushroom_embedding.semantic_description IS
    'room and growth day in words; no longer a part of the vector';
COMMENT ON COLUMN predecessor.mushroom_embedding.embedding IS
    'vector of the image alone, length 1; before, 0.3 of it was text, so do not compare the two. '
    'Null where the model has not 512 dimensions, as the packaged one';
COMMENT ON COLUMN predecessor.mushroom_embedding.created_at IS
    'when the image''s day was last computed, farm-local; it was in the server''s zone';
COMMENT ON COLUMN predecessor.mushroom_embedding.updated_at IS 'as created_at';
COMMENT ON COLUMN predecessor.mushroom_embedding.llama_description IS
    'always null: no language model describes images here; see stage and condition in '
    'farm.daily_clip_inference';
COMMENT ON COLUMN predecessor.mushroom_embedding.image_quality_score IS
    'always null: no language model gives points here; see sharpness and brightness in '
    'farm.daily_clip_inference';
