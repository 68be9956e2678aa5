"""Replacing a window of a result table: it and nothing else, all or nothing."""

import datetime as dt
import itertools
import threading
from typing import Any

import dagster as dg
import psycopg
import pytest
import sqlalchemy as sa

from mushroom_assets.domain.farm import Farm
from mushroom_assets.faults.database import DatabaseUnavailable, is_transient
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.day_locks import lock_days
from mushroom_assets.storage.results import latest_model, read_rows, replace_rows
from mushroom_assets.storage.schema import daily_clip_inference, daily_env_stats, daily_room_report
from mushroom_assets_tests.kit.plant import materialize, put_batch, put_samples, rows

NOON = dt.datetime(2026, 1, 5, 4, tzinfo=dt.UTC)
table = daily_room_report


def report(day: int, room: str, words: str, reasons: Any = ()) -> dict[str, Any]:
    return {
        "stat_date": dt.date(2026, 1, day), "room_id": room, "verdict": "good",
        "reasons": list(reasons), "summary_md": words, "settings_version": 0,
        "run_id": "run-1", "computed_at": NOON,
    }  # fmt: skip


def days(first: int, last: int) -> sa.ColumnElement[bool]:
    return table.c.stat_date.between(dt.date(2026, 1, first), dt.date(2026, 1, last))


def replace(database: Database, window: sa.ColumnElement[bool], *new: dict[str, Any]) -> list[Any]:
    with database.transaction() as connection:
        lock_days(connection, table, [dt.date(2026, 1, 5)])
        return replace_rows(connection, table, window, new)


def summaries(database: Database) -> list[tuple[int, str, str]]:
    return [
        (row["stat_date"].day, row["room_id"], row["summary_md"]) for row in rows(database, table)
    ]


def test_a_window_is_replaced_and_its_neighbours_stay(database: Database) -> None:
    places = itertools.product((4, 5, 6), ("611", "612"))
    old = [report(day, room, "old") for day, room in places]
    replace(database, days(1, 31), *old)
    replace(database, days(5, 5), report(5, "612", "new"))
    assert summaries(database) == [
        (4, "611", "old"), (4, "612", "old"),
        (5, "612", "new"),
        (6, "611", "old"), (6, "612", "old"),
    ]  # fmt: skip
    replace(database, days(6, 6))
    assert [day for day, _, _ in summaries(database)] == [4, 4, 5]


def test_texts_json_and_nulls_come_back_as_they_went_in(database: Database) -> None:
    words = 'tab\t, line\nbreak, back\\slash, \\N, 鹿茸菇 °C "quoted" \''
    reasons = [{"key": "温度", "value": 1.5, "deep": [None, True, "\\N\t\n"]}]
    given = report(5, "611", words, reasons)
    replace(database, days(5, 5), given)
    with database.transaction() as connection:
        assert read_rows(connection, table, days(1, 31)) == [given]
        kinds = connection.execute(
            sa.text("SELECT jsonb_typeof(reasons) FROM farm.daily_room_report")
        ).scalar()
    assert kinds == "array"


def image(
    path: str, model: str, computed_at: dt.datetime, embedding: list[float]
) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(column.name for column in daily_clip_inference.columns)
    return row | {
        "image_path": path, "model_id": model, "room_id": "611",
        "image_date": dt.date(2026, 1, 5), "status": "ok", "embedding": embedding,
        "scores": {"fruiting": 0.75}, "settings_version": 0,
        "run_id": "run-1", "computed_at": computed_at,
    }  # fmt: skip


def test_a_vector_keeps_its_float32_values_and_is_not_read_along(database: Database) -> None:
    embedding = [1 / 3, -1e-7, 0.1, 2 / 7]
    window = daily_clip_inference.c.image_date == dt.date(2026, 1, 5)
    with database.transaction() as connection:
        replace_rows(
            connection, daily_clip_inference, window, [image("611/a.jpg", "m", NOON, embedding)]
        )
        stored = connection.scalar(
            sa.text("SELECT embedding::float4[] FROM farm.daily_clip_inference")
        )
        (read,) = read_rows(connection, daily_clip_inference, window)
    with database.transaction() as connection:
        exact = connection.scalar(
            sa.text("SELECT CAST(:values AS float4[])"), {"values": embedding}
        )
    assert stored == exact
    assert "embedding" not in read
    assert (read["scores"], read["captured_at"]) == ({"fruiting": 0.75}, None)


def test_the_latest_model_is_the_one_that_judged_last(database: Database) -> None:
    later = NOON + dt.timedelta(hours=1)
    images = [image("611/a.jpg", "old", NOON, [1.0]), image("611/a.jpg", "new", later, [1.0])]
    with database.transaction() as connection:
        assert latest_model(connection, dt.date(2026, 1, 5)) is None
        replace_rows(connection, daily_clip_inference, sa.false(), images)
        assert latest_model(connection, dt.date(2026, 1, 5)) == "new"
        assert latest_model(connection, dt.date(2026, 1, 6)) is None


def test_a_row_that_the_table_refuses_leaves_the_old_rows(database: Database) -> None:
    replace(database, days(5, 5), report(5, "611", "old"))
    bad = report(5, "612", "new") | {"verdict": "splendid"}
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        replace(database, days(5, 5), report(5, "611", "new"), bad)
    assert not is_transient(caught.value)
    assert summaries(database) == [(5, "611", "old")]


def test_a_backend_killed_between_delete_and_insert_leaves_the_old_rows(database: Database) -> None:
    replace(database, days(5, 5), report(5, "611", "old"))

    class Killing(list[dict[str, Any]]):
        def __iter__(self) -> Any:
            with psycopg.connect(database.url, autocommit=True) as other:
                assert other.execute(
                    "SELECT pg_terminate_backend(%s, 30000)", (pid,)
                ).fetchone() == (True,)
            return super().__iter__()

    with (
        pytest.raises(DatabaseUnavailable) as caught,
        database.transaction() as connection,
    ):
        lock_days(connection, table, [dt.date(2026, 1, 5)])
        pid = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
        replace_rows(connection, table, days(5, 5), Killing([report(5, "611", "new")]))
    assert is_transient(caught.value)
    assert summaries(database) == [(5, "611", "old")]
    replace(database, days(5, 5), report(5, "611", "new"))  # nothing is left locked


def climate(first: dt.datetime) -> list[tuple[str, str, str, str, dt.datetime, float]]:
    minutes = [(first + dt.timedelta(minutes=n), 18 + n % 7 / 10) for n in range(1440)]
    return [
        ("611", "mushroom_env_status", "env_611", "temperature", at, value) for at, value in minutes
    ]


def test_parallel_runs_of_one_partition_leave_the_rows_of_one_run(
    database: Database, database_url: str, farm: Farm
) -> None:
    put_samples(database, climate(dt.datetime(2026, 1, 4, 16, tzinfo=dt.UTC)))
    put_batch(database, "611", dt.date(2026, 1, 1))
    materialize("daily_env_stats", database_url, farm, "2026-01-05")
    clean = rows(database, daily_env_stats)
    together = threading.Barrier(3, timeout=120)
    done: list[dg.ExecuteInProcessResult] = []

    def run() -> None:
        together.wait()
        with dg.DagsterInstance.ephemeral() as instance:
            done.append(
                materialize("daily_env_stats", database_url, farm, "2026-01-05", instance=instance)
            )

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.success for result in done] == [True] * 3
    assert len(clean) == 4 * 5
    assert rows(database, daily_env_stats) == clean
    with database.transaction() as connection:
        writers = connection.scalars(sa.select(daily_env_stats.c.run_id).distinct()).all()
    assert len(writers) == 1
    assert writers[0] in {result.run_id for result in done}
