"""Each figure against rows that the test has put into the tables, counted by the test itself."""

import datetime as dt
from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from mushroom_assets.service import asking, counting, figures
from mushroom_assets.service.counting import Read
from mushroom_assets.service.figures import Figure
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import TABLES
from mushroom_assets_tests.kit.dagsters import add_run, beat
from mushroom_assets_tests.kit.databases import NO_RETRY
from mushroom_assets_tests.kit.plant import put_samples

ZONE = "Asia/Shanghai"
VALUES = {"rooms": ["607", "611", "612"], "zone": ZONE}
MINUTE = dt.timedelta(minutes=1)


def told(url: str, *wanted: Figure, values: Any = VALUES) -> dict[tuple[str, ...], float]:
    """By the values of its labels, of one figure or several."""
    with asking.asked(url, "test") as connection:
        return numbers(counting.read(connection, wanted, values))


def numbers(read: Read) -> dict[tuple[str, ...], float]:
    assert read.refused == []
    return {
        tuple(sample.labels.values()): sample.value
        for metric in read.metrics
        for sample in metric.samples
    }


def put(url: str, samples: Iterable[tuple[str, str, dt.datetime]], received: dt.datetime) -> None:
    """Samples of (room, sensor, instant), all received at one instant."""
    database = Database(url, retry=NO_RETRY)
    given = [(room, "env", sensor, "t", at, 20.0) for room, sensor, at in samples]
    put_samples(database, given, received=received.isoformat())
    database.dispose()


def test_of_each_room_the_newest_sample_counts_whichever_sensor_it_is_of(watched_url: str) -> None:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    put(
        watched_url,
        [
            ("607", "a", now - 5 * MINUTE),
            ("607", "b", now - 3 * MINUTE),
            ("607", "b", now - dt.timedelta(days=40)),  # another month's table
            ("611", "a", now - dt.timedelta(days=70)),
            ("611", "a", now + 60 * MINUTE),  # a clock that is wrong hides no silence
            ("unlisted", "a", now),
        ],
        now.replace(tzinfo=None),
    )
    assert told(watched_url, figures.NEWEST_SAMPLE) == {
        ("607",): (now - 3 * MINUTE).timestamp(),
        ("611",): (now - dt.timedelta(days=70)).timestamp(),
        ("612",): 0,
    }


def test_late_is_what_came_more_than_a_quarter_of_an_hour_after_it_was_taken(
    watched_url: str,
) -> None:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    ages = (14, 15, 16, 600, 23 * 60, 25 * 60)  # the last one is of another day
    samples = [("607", "a", now - age * MINUTE) for age in ages]
    put(watched_url, [*samples, ("611", "a", now - MINUTE)], now.replace(tzinfo=None))
    assert told(watched_url, figures.LATE) == {("607",): 3, ("611",): 0, ("612",): 0}


def test_the_daemons_heartbeats_have_an_age(rows: psycopg.Connection, watched_url: str) -> None:
    beat(rows, "SENSOR", 20)
    beat(rows, "SCHEDULER", 400)
    found = told(watched_url, figures.BEATS)
    assert found.keys() == {("sensor",), ("scheduler",)}
    assert found["sensor",] == pytest.approx(20, abs=10)
    assert found["scheduler",] == pytest.approx(400, abs=10)


def test_runs_that_have_not_ended_and_the_oldest_of_the_queue(
    rows: psycopg.Connection, watched_url: str
) -> None:
    assert told(watched_url, figures.QUEUE) == {(): 0}
    for status, age in (("QUEUED", 50), ("QUEUED", 700), ("STARTED", 900), ("SUCCESS", 5000)):
        add_run(rows, status, age)
    assert told(watched_url, figures.QUEUE)[()] == pytest.approx(700, abs=10)
    assert told(watched_url, figures.UNFINISHED) == {
        ("not_started",): 0, ("queued",): 2, ("starting",): 0, ("started",): 1, ("canceling",): 0
    }  # fmt: skip
    assert told(watched_url, figures.ENDED) == {("success",): 1, ("failure",): 0, ("canceled",): 0}


def test_retries_of_runs_and_of_steps(rows: psycopg.Connection, watched_url: str) -> None:
    for number in range(3):
        run_id = add_run(rows, "SUCCESS", 10)
        rows.execute(
            "INSERT INTO run_tags (run_id, key, value) VALUES (%s, %s, '1')",
            [run_id, "dagster/retry_number" if number else "dagster/partition"],
        )
    for kind in ("STEP_START", "STEP_UP_FOR_RETRY", "STEP_UP_FOR_RETRY", "STEP_UP_FOR_RETRY"):
        rows.execute(
            "INSERT INTO event_logs (run_id, event, dagster_event_type) VALUES (%s, '', %s)",
            [run_id, kind],
        )
    assert told(watched_url, figures.RETRIES) == {("run",): 2, ("step",): 3}


STATISTICS = """
INSERT INTO farm.daily_env_stats (stat_date, room_id, quantity, unit, sample_count, rejected_count,
    suspect_count, coverage, longest_gap_s, run_id, computed_at)
VALUES (%s, %s, 'temperature', '°C', %s, 0, 0, 1, 0, 'r', now())"""
REPORT = """
INSERT INTO farm.daily_room_report (stat_date, room_id, verdict, reasons, summary_md, run_id,
    computed_at)
VALUES (%s, %s, 'good', '[]', '', 'r', now())"""
IMAGE = """
INSERT INTO farm.daily_clip_inference (image_path, model_id, room_id, image_date, captured_at,
    status, error, content_sha256, run_id, computed_at)
VALUES (%s, 'm', %s, %s, %s, 'unreadable', '', %s, 'r', now())"""
CHANGE = """
INSERT INTO farm.hourly_setpoint_changes (change_id, point_id, changed_at, previous_at, room_id,
    device_type, device_alias, point_alias, point_description, change_type, previous_value,
    current_value, delta, run_id, detected_at)
VALUES (gen_random_uuid(), 1, %s, %s, %s, '', '', '', '', 'analog_value', 1, 2, 1, 'r', now())"""
VECTOR = """
INSERT INTO farm.image_embedding (content_sha256, encoder, embedding, width, height, sharpness,
    brightness, computed_at)
VALUES (%s, 'e', '[1]', 1, 1, 1, 1, %s)"""


def test_the_newest_result_of_each_asset_and_room(
    rows: psycopg.Connection, watched_url: str
) -> None:
    day = dt.date(2026, 3, 9)
    end = dt.datetime(2026, 3, 10, tzinfo=ZoneInfo(ZONE)).timestamp()  # midnight of the farm
    at = dt.datetime(2026, 3, 9, 8, 30, tzinfo=dt.UTC)
    hour = dt.timedelta(hours=1)
    for back, samples in ((0, 0), (1, 1440), (2, 1440)):  # of the newest day there is no data
        rows.execute(STATISTICS, [day - dt.timedelta(days=back), "607", samples])
    rows.execute(REPORT, [day, "607"])
    rows.execute(REPORT, [day - dt.timedelta(days=1), "611"])
    for back in (0, 1):
        rows.execute(CHANGE, [at - back * hour, at - 2 * hour, "611"])
        rows.execute(IMAGE, [f"p{back}", "607", day, at - back * hour, f"{back}"])
    rows.execute(IMAGE, ["no time", "611", day, None, "x"])
    assert told(watched_url, figures.RESULTS) == {
        ("daily_env_stats", "607"): end - 86400,
        ("daily_room_report", "607"): end,
        ("daily_room_report", "611"): end - 86400,
        ("hourly_setpoint_changes", "611"): at.timestamp(),
        ("daily_clip_inference", "607"): at.timestamp(),
    }


def test_images_a_second_are_of_the_newest_day_without_the_pauses_between_runs(
    rows: psycopg.Connection, watched_url: str
) -> None:
    assert told(watched_url, figures.IMAGE_SPEED, figures.IMAGES) == {(): 0}  # no speed at all
    begun = dt.datetime(2026, 3, 10, 3, 2, tzinfo=dt.UTC)
    # Batches of 8: 16 follow within 2 + 2 s, an hour later 8 more within 4 s. 24 images in 8 s.
    for number, after in enumerate((0, 2, 4, 3600, 3604)):
        for image in range(8):
            name = f"{number}-{image}"
            rows.execute(VECTOR, [name, begun + dt.timedelta(seconds=after)])
            rows.execute(IMAGE, [name, "607", dt.date(2026, 3, 9), begun, name])
    rows.execute(VECTOR, ["older", begun])
    rows.execute(IMAGE, ["older", "607", dt.date(2026, 3, 8), begun, "older"])
    assert told(watched_url, figures.IMAGE_SPEED) == {(): 3}
    assert told(watched_url, figures.IMAGES) == {(): 41}


def test_the_rows_of_every_table_are_counted_and_estimated_where_they_are_many(
    rows: psycopg.Connection, watched_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in range(1, 8):
        rows.execute(STATISTICS, [dt.date(2026, 3, day), "607", 1])
    now = dt.datetime.now(dt.UTC)
    put(watched_url, [("607", "a", now - n * MINUTE) for n in range(900)], now.replace(tzinfo=None))
    with asking.asked(watched_url, "test") as connection:
        found = numbers(counting.read_rows(connection))
        assert found.keys() == {(name,) for name in (*TABLES, "event_logs", "job_ticks", "runs")}
        assert (found["daily_env_stats",], found["sample",], found["runs",]) == (7, 900, 0)
        connection.execute("ANALYZE")
        monkeypatch.setattr(counting, "MOST_COUNTED", 500)
        rows.execute("DELETE FROM farm.sample WHERE ctid = '(0,1)'")
        estimated = numbers(counting.read_rows(connection))
    # As of ANALYZE, and of each empty month one
    assert 900 <= estimated["sample",] <= 930
    assert estimated["daily_env_stats",] == 7


def test_sessions_of_all_programs_are_counted(watched_url: str) -> None:
    before = told(watched_url, figures.SESSIONS)[()]
    with psycopg.connect(watched_url, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        assert told(watched_url, figures.SESSIONS)[()] > before
    lost = told(watched_url, figures.LOST_SESSIONS)
    assert lost.keys() == {("abandoned",), ("fatal",), ("killed",)}


EVERY = (*figures.AT_ONCE, *figures.EACH_MINUTE)


def test_before_there_are_tables_there_are_no_figures_and_no_fault(empty_database_url: str) -> None:
    with asking.asked(empty_database_url, "test") as connection:
        read = counting.read(connection, EVERY, VALUES)
    assert [metric.name for metric in read.metrics] == [
        "mushroom_database_sessions",
        "mushroom_database_sessions_lost",
    ]
    assert read.refused == []


def test_what_the_server_refuses_is_named_and_keeps_no_other_from_being_read(
    rows: psycopg.Connection, watched_url: str
) -> None:
    rows.execute("ALTER TABLE farm.daily_clip_inference RENAME captured_at TO elsewhere")
    with asking.asked(watched_url, "test") as connection:
        read = counting.read(connection, EVERY, VALUES)
    assert read.refused == ["mushroom_result_newest_seconds"]
    assert len(read.metrics) == len(EVERY) - 1


def test_a_query_that_takes_too_long_is_refused(rows: psycopg.Connection, watched_url: str) -> None:
    rows.autocommit = False
    rows.execute("LOCK TABLE farm.image_embedding")
    with asking.asked(watched_url, "test", statement_ms=200) as connection:
        read = counting.read(connection, (figures.IMAGES, figures.QUEUE), VALUES)
    rows.rollback()
    assert read.refused == ["mushroom_clip_images_total"]
    assert [metric.name for metric in read.metrics] == ["mushroom_queue_oldest_age_seconds"]


def test_without_a_farm_file_what_needs_its_rooms_is_left_out(watched_url: str) -> None:
    with asking.asked(watched_url, "test") as connection:
        read = counting.read(connection, (figures.NEWEST_SAMPLE, figures.QUEUE), None)
    assert read.refused == ["mushroom_sample_newest_seconds"]
    assert len(read.metrics) == 1


@pytest.mark.parametrize("figure", EVERY, ids=lambda figure: figure.name)
def test_every_figure_says_what_it_is_and_has_its_unit_in_its_name(figure: Figure) -> None:
    assert figure.name.startswith("mushroom_")
    assert figure.help.endswith(".")
    of_time = {"newest", "age"}.intersection(figure.name.split("_"))
    assert figure.name.endswith("_seconds") or not of_time
