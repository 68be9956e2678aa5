"""A database like that of the system before: its tables as they were, and some of its rows."""

TABLES = """
CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE decision_analysis_static_config (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    room_id varchar(10) NOT NULL,
    device_type varchar(50) NOT NULL,
    device_name varchar(100) NOT NULL,
    device_alias varchar(100) NOT NULL,
    point_alias varchar(100) NOT NULL,
    point_name varchar(100) NOT NULL,
    remark varchar(200),
    change_type varchar(50) NOT NULL,
    threshold double precision,
    enum_mapping json,
    config_version integer NOT NULL DEFAULT 1,
    is_active boolean NOT NULL DEFAULT true,
    effective_time timestamp NOT NULL DEFAULT now(),
    UNIQUE (room_id, device_alias, point_alias)
);
CREATE TABLE mushroom_env_daily_stats (
    id bigserial PRIMARY KEY,
    room_id varchar(10) NOT NULL,
    stat_date date NOT NULL,
    in_day_num integer,
    is_growth_phase boolean NOT NULL,
    temp_median double precision, temp_min double precision, temp_max double precision,
    temp_q25 double precision, temp_q75 double precision, temp_count integer NOT NULL,
    humidity_median double precision, humidity_min double precision, humidity_max double precision,
    humidity_q25 double precision, humidity_q75 double precision, humidity_count integer NOT NULL,
    co2_median double precision, co2_min double precision, co2_max double precision,
    co2_q25 double precision, co2_q75 double precision, co2_count integer NOT NULL,
    batch_date date,
    remark text,
    created_at timestamp DEFAULT now(),
    updated_at timestamp DEFAULT now()
);
CREATE TABLE mushroom_embedding (
    id bigserial PRIMARY KEY,
    collection_datetime timestamp NOT NULL,
    image_path text NOT NULL UNIQUE,
    room_id varchar(10) NOT NULL,
    in_date date NOT NULL,
    in_num integer,
    growth_day integer NOT NULL,
    collection_ip varchar(15),
    air_cooler_config json NOT NULL, fresh_fan_config json NOT NULL, light_config json NOT NULL,
    humidifier_config json NOT NULL, env_sensor_status json NOT NULL,
    light_count integer,
    humidifier_count integer,
    semantic_description text NOT NULL,
    embedding vector(512) NOT NULL,
    created_at timestamp DEFAULT now(),
    updated_at timestamp DEFAULT now()
)"""
# One room. The day of the changeover names an in-date that no batch has; most images of the batch
# say 9792 bags, some nothing, one another number.
ROWS = """
INSERT INTO decision_analysis_static_config
    (room_id, device_type, device_name, device_alias, point_name, point_alias, change_type,
     threshold, is_active)
VALUES
    ('611', 'air_cooler', 'TD1_Q1MDCH01', 'air_cooler_611', 'TemSet', 'temp_set', 'analog_value',
     0.1, true),
    ('611', 'mushroom_env_status', 'TD1_Q1MDTM01', 'mushroom_env_status_611', 'Tatmosp',
     'temperature', 'analog_value', NULL, true),
    ('611', 'air_cooler', 'TD1_Q1MDCH01', 'air_cooler_611', 'Old', 'old', 'analog_value',
     NULL, false);
INSERT INTO mushroom_env_daily_stats
    (room_id, stat_date, is_growth_phase, temp_count, humidity_count, co2_count, batch_date)
SELECT '611', date '2025-11-27' + day, true, 1440, 1440, 1440,
       CASE WHEN day = 27 THEN date '2025-11-24' WHEN day < 27 THEN date '2025-11-27'
            ELSE date '2025-12-24' END
FROM generate_series(0, 40) AS day;
INSERT INTO mushroom_embedding
    (collection_datetime, image_path, room_id, in_date, in_num, growth_day, air_cooler_config,
     fresh_fan_config, light_config, humidifier_config, env_sensor_status, semantic_description,
     embedding)
SELECT '2026-01-05 08:01:30', '611/' || number, '611', '2025-12-24', bags, 13, '{}', '{}', '{}',
       '{}', '{}', 'Mushroom Room 611, Day 13.', array_fill(0.1::real, ARRAY[512])::vector
FROM unnest(ARRAY[0, 0, 0, 9792, 9792, 9700, NULL]) WITH ORDINALITY AS of (bags, number)"""
