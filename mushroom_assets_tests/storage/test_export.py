"""What is read out equals what SQL gives: all kinds of columns, days as long as they are."""

import datetime as dt
import json
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest
import sqlalchemy as sa

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.faults.database import DatabaseRefused, DatabaseUnavailable
from mushroom_assets.storage.batch_day import ensure_batch_day
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.export.reading import Form, read_out
from mushroom_assets.storage.export.selection import NotExportable, names, select
from mushroom_assets.storage.months import ensure_months
from mushroom_assets.storage.schema import (
    TABLES,
    batch,
    clip_probe,
    daily_env_stats,
    daily_room_report,
    harvest,
    hourly_setpoint_changes,
    image_label,
    note,
    sample,
    setting,
)
from mushroom_assets.storage.schema.dictionary import Role, day_column
from mushroom_assets_tests.kit.exports import (
    TODAY,
    comparable,
    csv_of,
    file_of,
    parquet_of,
)
from mushroom_assets_tests.kit.plant import put_samples, rows
from mushroom_assets_tests.kit.vectors import image, put_images, unit

BERLIN = parse_farm(
    "timezone: Europe/Berlin\nfirst_day: 2026-01-01\nrooms: {'607': {}, '611': {}}\n"
)
NOON = dt.datetime(2026, 1, 5, 12, 0, 0, 123456, tzinfo=dt.UTC)
HARD = '湿度 "偏低", 97 %\nsecond line'
BY = {"run_id": "r", "computed_at": NOON}


def put(database: Database, table: sa.Table, *given: dict[str, Any]) -> None:
    with database.transaction() as connection:
        connection.execute(sa.insert(table), list(given))


def stat(day: dt.date, room: str = "611", **changed: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "stat_date": day, "room_id": room, "quantity": "temperature", "unit": "°C",
        "sample_count": 1440, "rejected_count": 0, "suspect_count": 0, "mean": 18.1, "min": None,
        "coverage": 1.0, "longest_gap_s": 0.0, "is_growth_phase": True,
    }  # fmt: skip
    return row | BY | changed


def put_hard_rows(database: Database) -> None:
    """Every kind of column, with what is hard to write."""
    day = NOON.date()
    put_images(
        database,
        [
            image(0, unit([1, 2, 2]), scores={"stage": {"菌丝": 0.1}}, sharpness=math.nan,
                  brightness=math.inf, image_date=day, probe_stages=['a"b', "c,d", "é"]),
            image(1, None, error=HARD, scores=None, stage="", probe_stages=[], image_date=day,
                  sharpness=-math.inf),
            image(2, unit([0, 0.1, 0]), room_id="607", image_date=day, probe_stages=None),
        ],
    )  # fmt: skip
    put(database, daily_env_stats, stat(day), stat(day, "607", is_growth_phase=False, mean=None))
    put(
        database,
        daily_room_report,
        {"stat_date": day, "room_id": "611", "verdict": "act", "reasons": [{"text": HARD}],
         "summary_md": HARD} | BY,
    )  # fmt: skip
    put(
        database,
        hourly_setpoint_changes,
        {"change_id": UUID(int=7), "point_id": 1, "changed_at": NOON,
         "previous_at": NOON - dt.timedelta(minutes=1), "room_id": "611", "device_type": "fan",
         "device_alias": "fan_611", "point_alias": "co2_on", "change_type": "analog_value",
         "previous_value": 0.1, "current_value": 1e22, "delta": 1 / 3, "run_id": "r",
         "detected_at": NOON},
    )  # fmt: skip
    put(
        database,
        clip_probe,
        {"encoder": "e", "kind": "stage", "probe_id": "p", "classes": ["a", "b"],
         "coefficients": [0.1, 1e-300], "intercepts": [0.0], "label_count": 2, "accuracy": 1.0,
         "by_class": {}, "run_id": "r", "fitted_at": NOON, "whitening": b"\0\xff"},
    )  # fmt: skip
    label = {"image_path": "p", "content_sha256": "0", "stage": "出菇", "labelled_at": NOON}
    put(database, image_label, label)
    put(database, batch, {"room_id": "611", "in_date": day, "bag_count": None})
    put(database, note, {"room_id": "611", "noted_at": NOON, "text": HARD, "author": ""})
    put(database, harvest, {"room_id": "611", "in_date": day, "picked_on": day, "weight_kg": 0.1})
    put(
        database,
        setting,
        {"key": "stages.fruiting.bands.co2", "value": [0.1, None], "room_id": None,
         "in_date": None, "valid_from": day, "undoes": None, "author": "王", "reason": HARD,
         "set_at": NOON},
    )  # fmt: skip
    values = [math.nan, math.inf, -math.inf, 0.1, 5e-324, 18.0]
    put_samples(
        database,
        [
            ("611", "env", "env_611", "co2", NOON + number * dt.timedelta(minutes=1), value)
            for number, value in enumerate(values)
        ],
    )


STORED = [name for name in names() if name in TABLES]


@pytest.mark.parametrize("name", STORED)
def test_a_parquet_file_holds_the_rows_that_sql_gives(
    database: Database, farm: Farm, name: str
) -> None:
    put_hard_rows(database)
    found = parquet_of(database, farm, name).to_pylist()
    expected = rows(database, TABLES[name], provenance=True)
    assert len(found) == len(expected) > 0
    for ours, theirs in zip(found, expected, strict=True):
        for column in json_columns(name):
            text = ours.pop(column)
            assert theirs.pop(column) == (None if text is None else json.loads(text))
        if theirs.get("embedding"):
            theirs["embedding"] = np.asarray(theirs["embedding"], np.float32).tolist()
    assert comparable(found) == comparable(expected)


def json_columns(name: str) -> list[str]:
    return [column.name for column in TABLES[name].columns if "JSON" in str(column.type)]


@pytest.mark.parametrize("name", STORED)
def test_a_csv_file_says_of_each_cell_what_the_parquet_file_holds(
    database: Database, farm: Farm, name: str
) -> None:
    put_hard_rows(database)
    typed = parquet_of(database, farm, name).to_pylist()
    assert [list(row) for row in csv_of(database, farm, name)] == [list(row) for row in typed]
    for text, value in zip(csv_of(database, farm, name), typed, strict=True):
        for column in text:
            single = "VECTOR" in str(TABLES[name].columns[column].type)
            found = meant(text[column], value[column], single=single)
            assert comparable([{column: found}]) == comparable([{column: value[column]}])


def meant(text: str | None, value: Any, *, single: bool) -> Any:
    """A cell's text as a value of the other's kind."""
    if text is None or isinstance(value, str):
        return text
    if isinstance(value, bool | list):
        found = json.loads(text)
        return np.asarray(found, np.float32).tolist() if single else found
    if isinstance(value, dt.datetime | dt.date):
        return type(value).fromisoformat(text)
    return bytes.fromhex(text) if isinstance(value, bytes) else type(value)(text)


def test_hard_cells_are_there_as_they_should_be(database: Database, farm: Farm) -> None:
    """Both tests above compare with what the code and the driver say; here with what was put."""
    put_hard_rows(database)
    first, second, third = csv_of(database, farm, "daily_clip_inference")
    assert (first["sharpness"], first["brightness"]) == ("NaN", "Infinity")
    assert (second["error"], second["stage"], second["embedding"]) == (HARD, "", None)
    assert (first["probe_stages"], second["probe_stages"]) == ('["a\\"b","c,d","é"]', "[]")
    assert (third["probe_stages"], third["embedding"]) == (None, "[0,1,0]")
    assert second["captured_at"] == "2026-01-10 04:00:00+00"
    assert json.loads(first["scores"]) == {"stage": {"菌丝": 0.1}}
    typed = parquet_of(database, farm, "daily_clip_inference")
    vectors = typed["embedding"].combine_chunks()
    assert vectors.type == pa.list_(pa.float32(), 3)
    assert vectors.to_pylist()[1] is None
    # As pandas and numpy users take them
    stacked = np.stack(typed.to_pandas()["embedding"].dropna())
    assert stacked.dtype == np.float32
    assert stacked == pytest.approx(np.array([[1 / 3, 2 / 3, 2 / 3], [0, 1, 0]]), abs=1e-7)


def test_vectors_of_models_with_other_sizes_are_lists(database: Database, farm: Farm) -> None:
    put_images(database, [image(0, unit([1, 0])), image(1, unit([1, 0, 0]), model_id="another")])
    typed = parquet_of(database, farm, "daily_clip_inference")
    assert typed["embedding"].type == pa.list_(pa.float32())
    assert [len(vector) for vector in typed["embedding"].to_pylist()] == [2, 3]


def test_a_parquet_file_says_what_its_columns_mean(database: Database, farm: Farm) -> None:
    put(database, daily_env_stats, stat(NOON.date()))
    schema = parquet_of(database, farm, "daily_env_stats").schema
    assert schema.metadata[b"timezone"] == b"Asia/Shanghai"
    told = schema.field("longest_gap_s").metadata
    assert told[b"unit"] == b"s"
    assert told[b"description"] == b"longest stretch of the day without a known value"
    assert told[b"description_zh"].decode() == "当天最长一段无已知值的时间"
    assert schema.field("computed_at").type == pa.timestamp("us", "UTC")


# The clock of Berlin goes on by an hour on the 29th of March, and back on the 25th of October 2026
@pytest.mark.parametrize(
    ("day", "first", "last", "hours"),
    [
        (dt.date(2026, 3, 28), "2026-03-27T23:00Z", "2026-03-28T22:59:59.999999Z", 24),
        (dt.date(2026, 3, 29), "2026-03-28T23:00Z", "2026-03-29T21:59:59.999999Z", 23),
        (dt.date(2026, 10, 25), "2026-10-24T22:00Z", "2026-10-25T22:59:59.999999Z", 25),
    ],
)
def test_a_day_has_the_samples_of_its_hours(
    database: Database, day: dt.date, first: str, last: str, hours: int
) -> None:
    begin = dt.datetime.fromisoformat(first)
    end = dt.datetime.fromisoformat(last)
    with database.transaction() as connection:
        ensure_months(connection, dt.date(2026, 3, 1), dt.date(2026, 11, 1))
    hour = dt.timedelta(hours=1)
    instants = [begin + number * hour for number in range(-2, 28)]
    instants += [begin - dt.timedelta(microseconds=1), end]
    put_samples(database, [("611", "env", "env_611", "co2", at, 1.0) for at in instants])
    found = parquet_of(database, BERLIN, "sample", since=day, until=day)["sampled_at"].to_pylist()
    assert found == [*(begin + number * hour for number in range(hours)), end]


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        (None, None, [1, 2, 3, 4]),
        (2, None, [2, 3, 4]),
        (None, 2, [1, 2]),
        (2, 3, [2, 3]),
        (3, 3, [3]),
    ],
)
@pytest.mark.parametrize("form", list(Form))
def test_both_days_are_included_and_without_them_all_rows_come_in_order(
    database: Database, since: int | None, until: int | None, days: list[int], form: Form
) -> None:
    """The farm begins on the first of them; one lies before it, one after today."""
    later = BERLIN.model_copy(update={"first_day": dt.date(2026, 2, 1)})
    dates = {1: dt.date(2025, 12, 1), 2: dt.date(2026, 2, 1), 3: TODAY, 4: dt.date(2026, 7, 1)}
    put(database, daily_env_stats, *(stat(date, room) for date in dates.values()
                                     for room in ("611", "607")))  # fmt: skip
    asked = {"since": dates.get(since or 0), "until": dates.get(until or 0)}
    expected = [(dates[day], room) for day in days for room in ("607", "611")]
    read = csv_of if form is Form.CSV else parquet_of
    found: Any = read(database, later, "daily_env_stats", **asked)
    found = found if isinstance(found, list) else found.to_pylist()
    assert [(str(row["stat_date"]), row["room_id"]) for row in found] == [
        (str(day), room) for day, room in expected
    ]


def test_only_some_rooms_samples_by_their_points(database: Database, farm: Farm) -> None:
    put_samples(
        database, [(room, "env", f"env_{room}", "co2", NOON, float(room)) for room in ("607", "9")]
    )
    assert csv_of(database, farm, "sample", rooms=["9"])[0]["value"] == "9"
    assert len(csv_of(database, farm, "sample", rooms=["9", "607"])) == 2
    assert [row["room_id"] for row in csv_of(database, farm, "point", rooms=["9"])] == ["9"]
    assert csv_of(database, farm, "sample", rooms=["x'); DROP TABLE farm.sample; --"]) == []


def test_settings_of_the_role_change_nothing(database: Database, farm: Farm) -> None:
    put_hard_rows(database)
    before = {name: file_of(database, farm, name, Form.CSV) for name in STORED}
    options = "-cdatestyle%3DGerman%20-ctimezone%3DAsia/Tokyo%20-cextra_float_digits%3D0"
    other = Database(f"{database.url}&options={options}")
    assert {name: file_of(other, farm, name, Form.CSV) for name in STORED} == before
    other.dispose()


def test_what_a_table_does_not_have_is_refused(farm: Farm) -> None:
    day = dt.date(2026, 1, 5)
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("samples", {}, "no table 'samples': choose one of daily_env_stats, "),
        ("run_lease", {}, "no table 'run_lease'"),
        ("point", {"since": day}, "rows of point belong to no day"),
        ("clip_probe", {"until": day}, "rows of clip_probe belong to no day"),
        ("image_label", {"rooms": ["611"]}, "rows of image_label are of no room"),
        ("sample", {"since": day, "until": dt.date(2026, 1, 4)}, "the last day, 2026-01-04, lies"),
        ("sample", {"since": dt.date(1, 1, 1)}, "0001-01-01 is no day of a farm"),
        ("sample", {"until": dt.date(9999, 12, 31)}, "9999-12-31 is no day of a farm"),
    ]
    for name, asked, message in wrong:
        with pytest.raises(NotExportable, match=message):
            select(name, farm, today=TODAY, **asked)


def test_all_that_people_want_can_be_read_out_and_says_which_column_is_its_day() -> None:
    wanted = {name for name, table in TABLES.items() if table.info["role"] is not Role.WORK}
    assert set(names()) == wanted | {"batch_day"}
    without = {name for name in wanted if day_column(TABLES[name]) is None}
    assert without == {"point", "clip_probe"}


def test_all_days_are_read_as_of_one_instant(database: Database, farm: Farm) -> None:
    put(database, daily_env_stats, *(stat(dt.date(2026, 1, day)) for day in (5, 6)))
    counted: list[int] = []

    def told(count: int) -> None:
        counted.append(count)
        if sum(counted) == 1:  # after the first day somebody computes the second anew
            with database.transaction() as connection:
                connection.execute(sa.delete(daily_env_stats))

    selection = select("daily_env_stats", farm, today=TODAY)
    b"".join(read_out(database, selection, Form.CSV, farm, told))
    assert sum(counted) == 2


@pytest.mark.parametrize("form", list(Form))
def test_a_database_that_goes_away_in_the_middle_is_told(
    database: Database, farm: Farm, form: Form
) -> None:
    """Two days: after the first the server ends the connection."""
    put(database, daily_env_stats, *(stat(dt.date(2026, 1, day)) for day in (5, 6)))
    other = Database(database.url)

    def told(count: int) -> None:
        if count:
            with other.transaction() as connection:
                connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )

    selection = select("daily_env_stats", farm, today=TODAY)
    with pytest.raises(DatabaseUnavailable, match=r"was broken off.*Remedy"):
        b"".join(read_out(database, selection, form, farm, told))
    other.dispose()


@pytest.mark.parametrize("form", list(Form))
def test_who_stops_reading_leaves_no_statement_and_no_connection_behind(
    database: Database, farm: Farm, form: Form
) -> None:
    put(database, daily_room_report, *(report(number) for number in range(1000)))
    pieces = read_out(database, select("daily_room_report", farm, today=TODAY), form, farm)
    if form is Form.CSV:  # 10 MB, and pieces of 0.25
        next(pieces)
    pieces.close()
    other = Database(database.url)
    with other.transaction() as connection:
        busy = connection.exec_driver_sql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND state <> 'idle' AND pid <> pg_backend_pid()"
        )
        assert busy.scalar() == 0
    other.dispose()


@pytest.mark.parametrize("form", list(Form))
def test_each_piece_may_be_asked_for_by_another_thread(
    database: Database, farm: Farm, form: Form
) -> None:
    """As a web server does, which sends them from a pool of threads."""
    put(database, daily_room_report, *(report(number) for number in range(100)))
    pieces = read_out(database, select("daily_room_report", farm, today=TODAY), form, farm)
    found = []
    while piece := ThreadPoolExecutor(1).submit(next, pieces, b"").result():
        found.append(piece)
    assert b"".join(found) == file_of(database, farm, "daily_room_report", form)


def report(number: int) -> dict[str, Any]:
    """A report of 10 kB, of a room of its own."""
    return {
        "stat_date": NOON.date(), "room_id": f"{number}", "verdict": "good", "reasons": [],
        "summary_md": "x" * 10_000,
    } | BY  # fmt: skip


def test_a_view_of_another_farm_file_is_told_with_its_remedy(
    database: Database, farm: Farm
) -> None:
    with pytest.raises(DatabaseRefused, match="mushroom init"):
        file_of(database, farm, "batch_day", Form.CSV)
    fewer = farm.model_copy(update={"quantities": {"co2": farm.quantities["co2"]}, "stages": []})
    with database.transaction() as connection:
        ensure_batch_day(connection, fewer)
    with pytest.raises(DatabaseRefused, match="mushroom init"):
        file_of(database, farm, "batch_day", Form.PARQUET)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_view_is_read_out_like_a_table(database: Database, farm: Farm, language: str) -> None:
    quantities = {**farm.quantities, "氧气": farm.quantities["co2"]}
    own = farm.model_copy(update={"quantities": quantities, "language": language})
    with database.transaction() as connection:
        ensure_batch_day(connection, own)
    days = [dt.date(2026, 1, day) for day in (5, 6, 7)]
    put(database, daily_env_stats, *(stat(day, quantity="氧气", mean=0.1 + 0.2) for day in days))
    asked = {"since": days[1], "until": days[2], "rooms": ["611"]}
    found = parquet_of(database, own, "batch_day", **asked)
    with database.transaction() as connection:
        query = "SELECT * FROM farm.batch_day WHERE stat_date > '2026-01-05' ORDER BY stat_date"
        expected = connection.exec_driver_sql(query).mappings().all()
    assert comparable(found.to_pylist()) == comparable(expected)
    assert found["氧气_mean"].to_pylist() == [0.1 + 0.2] * 2
    assert found.schema.field("氧气_mean").metadata[b"unit"] == b"ppm"
    text = csv_of(database, own, "batch_day", **asked)
    assert [row["氧气_mean"] for row in text] == ["0.30000000000000004"] * 2
    assert [row["temperature_mean"] for row in text] == [None] * 2


def test_a_file_without_rows_has_its_columns(database: Database, farm: Farm) -> None:
    assert file_of(database, farm, "batch", Form.CSV) == b"room_id,in_date,bag_count\n"
    assert parquet_of(database, farm, "sample").num_rows == 0
    assert parquet_of(database, farm, "sample").schema.names == [
        column.name for column in sample.columns
    ]
