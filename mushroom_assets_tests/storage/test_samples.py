"""Samples, points and batches: what goes in comes out again, once, and never over what is there."""

import datetime as dt
import math
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from mushroom_assets.storage.batches import insert_batches, read_batches
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.months import ensure_months
from mushroom_assets.storage.points import read_points, register_points
from mushroom_assets.storage.samples import (
    correct_samples,
    has_samples,
    insert_samples,
    read_samples,
)

DAY = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
MAY = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)  # a month that is not there yet
DAY_LONG = dt.timedelta(days=1)
Triple = tuple[int, dt.datetime, float]


def frame(triples: Sequence[Triple], received: dt.datetime = DAY) -> pd.DataFrame:
    made = pd.DataFrame(triples, columns=["point_id", "sampled_at", "value"])
    made["sampled_at"] = pd.to_datetime(made["sampled_at"], utc=True)
    return made.assign(received_at=pd.Timestamp(received))


def put(database: Database, *triples: Triple) -> tuple[int, int]:
    with database.transaction() as connection:
        return insert_samples(connection, frame(triples))


def triples(samples: pd.DataFrame) -> list[tuple[int, dt.datetime, float]]:
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    instants = [epoch + dt.timedelta(microseconds=at) for at in samples["at"].tolist()]
    return list(zip(samples["point_id"].tolist(), instants, samples["value"].tolist(), strict=True))


def stored(database: Database) -> list[tuple[Any, ...]]:
    """The table as the driver itself reads it: no code of `samples` is in between."""
    with database.transaction() as connection:
        statement = "SELECT point_id, sampled_at, value, received_at FROM farm.sample ORDER BY 1, 2"
        return [tuple(row) for row in connection.execute(sa.text(statement))]


def test_values_and_instants_come_back_bit_by_bit(database: Database) -> None:
    values = [17.5, 0.1 + 0.2, -0.0, 5e-324, 1.7976931348623157e308, math.inf, -math.inf, math.nan]
    instants = [DAY + dt.timedelta(microseconds=n * 999_983) for n in range(len(values))]
    given = [(7, at, value) for at, value in zip(instants, values, strict=True)]
    assert put(database, *given) == (8, 0)
    with database.transaction() as connection:
        read = read_samples(connection, [7], DAY, DAY + MINUTE)
    assert [str(kind) for kind in read.dtypes] == ["int32", "int64", "float64"]
    assert [at for _, at, _ in triples(read)] == instants
    assert np.array(values).tobytes() == read["value"].to_numpy().tobytes()
    assert repr(stored(database)) == repr([(*row, DAY) for row in given])


def test_instants_before_1970_and_far_ahead_are_kept(database: Database) -> None:
    given = [
        (1, dt.datetime(year, 6, 1, 1, 2, 3, 456789, dt.UTC), float(year))
        for year in (1969, 1999, 2300)
    ]
    assert put(database, *given) == (3, 0)
    with database.transaction() as connection:
        everything = read_samples(
            connection, [1], dt.datetime(1900, 1, 1, tzinfo=dt.UTC), given[-1][1] + MINUTE
        )
    assert triples(everything) == given


def months(database: Database) -> set[str]:
    with database.transaction() as connection:
        statement = "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'"
        return set(connection.scalars(sa.text(statement)))


def test_a_month_is_made_when_a_sample_needs_it_and_only_then(database: Database) -> None:
    before = months(database)
    instants = [
        dt.datetime(2027, 2, 28, 23, 59, 59, 999_999, dt.UTC),
        dt.datetime(2027, 3, 1, tzinfo=dt.UTC),
        dt.datetime(2206, 1, 5, tzinfo=dt.UTC),  # a controller with a wrong clock
    ]
    assert put(database, *[(1, at, float(n)) for n, at in enumerate(instants)]) == (3, 0)
    assert months(database) - before == {"sample_2027_02", "sample_2027_03", "sample_2206_01"}
    assert [row[1] for row in stored(database)] == instants
    with database.transaction() as connection:
        in_march = connection.scalar(sa.text("SELECT count(*) FROM ONLY farm.sample_2027_03"))
    assert in_march == 1


def test_the_months_of_a_span_are_made_once(database: Database) -> None:
    with database.transaction() as connection:
        assert ensure_months(connection, dt.date(2027, 11, 30), dt.date(2028, 2, 1)) == 4
        assert ensure_months(connection, dt.date(2027, 11, 30), dt.date(2028, 2, 1)) == 0
        assert ensure_months(connection, dt.date(2028, 2, 29), dt.date(2028, 3, 1)) == 1


def test_a_new_month_waits_for_no_reader_or_writer_and_they_do_not_wait_for_it(
    database: Database,
) -> None:
    count = sa.text("SELECT count(*) FROM farm.sample")
    insert = sa.text(
        "INSERT INTO farm.sample (point_id, sampled_at, value) VALUES (1, :at, 1), (2, :at, 1)"
    )
    with ExitStack() as open_at_once:
        before, load, after = (open_at_once.enter_context(database.transaction()) for _ in range(3))
        for connection in (before, load, after):
            connection.exec_driver_sql("SET LOCAL lock_timeout = '100ms'")
        before.execute(insert, {"at": DAY})
        assert before.scalar(count) == 2
        assert ensure_months(load, dt.date(2027, 11, 1), dt.date(2027, 11, 1)) == 1
        after.execute(insert, {"at": DAY + MINUTE})
        assert (before.scalar(count), after.scalar(count)) == (2, 2)
    assert put(database, (1, dt.datetime(2027, 11, 5, tzinfo=dt.UTC), 3.0)) == (1, 0)


def test_a_month_has_key_and_defaults_of_the_whole_table(database: Database) -> None:
    late = dt.datetime(2027, 11, 5, tzinfo=dt.UTC)
    put(database, (1, DAY, 1.0), (1, late, 1.0))
    insert = sa.text(
        "INSERT INTO farm.sample_2027_11 (point_id, sampled_at, value) VALUES (:p, :at, 1)"
    )
    with database.transaction() as connection:
        connection.execute(insert, {"p": 2, "at": late})
        made, parents = connection.execute(
            sa.text(
                "SELECT array_agg(inhrelid::regclass::text), array_agg(inhparent::regclass::text)"
                " FROM pg_inherits WHERE inhrelid::regclass::text LIKE '%_2027_11%'"
            )
        ).one()
    assert sorted(made) == ["farm.sample_2027_11", "farm.sample_2027_11_pkey"]
    assert sorted(parents) == ["farm.pk_sample", "farm.sample"]
    assert [row[3] is not None for row in stored(database)] == [True] * 3
    with pytest.raises(exc.IntegrityError), database.transaction() as connection:
        connection.execute(insert, {"p": 1, "at": late})


def test_a_repeated_load_adds_nothing_and_changes_nothing(database: Database) -> None:
    given = [(1, DAY, 1.0), (1, DAY + MINUTE, math.nan), (2, DAY, 2.0)]
    assert put(database, *given) == (3, 0)
    before = repr(stored(database))
    with database.transaction() as connection:
        assert insert_samples(connection, frame(given, received=DAY + 9 * MINUTE)) == (0, 0)
    assert repr(stored(database)) == before


def test_another_value_for_a_stored_sample_is_counted_and_the_first_stays(
    database: Database,
) -> None:
    put(database, (1, DAY, 1.0), (1, DAY + MINUTE, 2.0))
    given = [(1, DAY, 9.0), (1, DAY + MINUTE, math.nan), (1, DAY + 2 * MINUTE, 3.0)]
    assert put(database, *given) == (1, 2)
    assert [row[2] for row in stored(database)] == [1.0, 2.0, 3.0]


def test_a_correction_replaces_value_and_time_of_receipt_of_what_differs(
    database: Database,
) -> None:
    put(database, (1, DAY, 1.0), (1, DAY + MINUTE, math.nan), (2, DAY, 2.0), (2, MAY, 2.0))
    later = DAY + 9 * MINUTE
    given = [(1, DAY, 9.0), (1, DAY + MINUTE, math.nan), (1, MAY, 3.0), (2, MAY, math.inf)]
    with database.transaction() as connection:
        assert correct_samples(connection, frame([])) == (0, 0, [])
        assert correct_samples(connection, frame(given, received=later)) == (1, 2, [])
        # Of two values that one transaction brings, the first
        again = frame([(1, DAY, 8.0), (1, DAY + MINUTE, math.nan), (2, DAY, 5.0)], received=later)
        assert correct_samples(connection, again) == (0, 1, [(1, DAY)])
    rows = {row[:2]: row[2:] for row in stored(database)}
    assert repr(rows[1, DAY + MINUTE][0]) == "nan" and rows[1, DAY + MINUTE][1] != later
    del rows[1, DAY + MINUTE]
    assert {key: value for key, (value, _) in rows.items()} == {
        (1, DAY): 9.0,
        (1, MAY): 3.0,
        (2, DAY): 5.0,
        (2, MAY): math.inf,
    }
    assert {received for _, received in rows.values()} == {later}


def test_two_loads_in_one_transaction_and_none_at_all(database: Database) -> None:
    with database.transaction() as connection:
        assert insert_samples(connection, frame([])) == (0, 0)
        assert has_samples(connection) is False
        assert insert_samples(connection, frame([(1, DAY, 1.0)])) == (1, 0)
        assert insert_samples(connection, frame([(1, DAY + MINUTE, 1.0)])) == (1, 0)
        assert has_samples(connection) is True


def test_reading_is_half_open_ordered_and_of_the_points_asked_for(database: Database) -> None:
    instants = [DAY + n * MINUTE for n in (3, 0, 2, 1, -1)]
    for at in instants:
        put(database, *[(point, at, point * 10.0) for point in (3, 1, 2)])
    with database.transaction() as connection:
        read = read_samples(connection, [3, 1], DAY, DAY + 3 * MINUTE)
        assert read_samples(connection, [], DAY, DAY + 3 * MINUTE).empty
        none = read_samples(connection, [4], DAY, DAY + MINUTE)
    assert list(none.columns) == ["point_id", "at", "value"]
    first = [(1, DAY + n * MINUTE, 10.0) for n in (0, 1, 2)]
    third = [(3, DAY + n * MINUTE, 30.0) for n in (0, 1, 2)]
    assert triples(read) == first + third


def test_what_is_carried_is_the_last_finite_sample_of_each_point_however_long_ago(
    database: Database,
) -> None:
    before = DAY
    years_ago = dt.datetime(2019, 2, 3, tzinfo=dt.UTC)
    put(
        database,
        (1, DAY - 2 * MINUTE, 10.0), (1, DAY - MINUTE, 11.0), (1, DAY, 12.0),  # before is exclusive
        (2, DAY - 3 * MINUTE, 20.0), (2, DAY - 2 * MINUTE, math.nan), (2, DAY - MINUTE, math.inf),
        (3, years_ago, 30.0), (3, years_ago - 400 * DAY_LONG, 31.0), (3, DAY + MINUTE, 32.0),
        (4, years_ago, 40.0), (4, years_ago + 200 * DAY_LONG, math.nan),
        (5, DAY - MINUTE, -math.inf),
        (6, DAY - MINUTE, 60.0),  # not asked for
        (7, DAY, 70.0),  # its first
    )  # fmt: skip
    with database.transaction() as connection:
        read = read_samples(connection, [7, 5, 4, 3, 2, 1], before, before, carried=True)
    assert triples(read) == [
        (1, DAY - MINUTE, 11.0),
        (2, DAY - 3 * MINUTE, 20.0),
        (3, years_ago, 30.0),
        (4, years_ago, 40.0),
    ]


def points(*rows: tuple[str, str, str, str], **more: Any) -> pd.DataFrame:
    return pd.DataFrame(
        rows, columns=["room_id", "device_type", "device_alias", "point_alias"]
    ).assign(**more)


COOLER = ("611", "air_cooler", "air_cooler_611", "temp_set")
LAMP = ("611", "grow_light", "grow_light_611", "model")


def test_points_are_registered_once_and_keep_their_number(database: Database) -> None:
    with database.transaction() as connection:
        first = register_points(connection, points(COOLER, LAMP))
    with database.transaction() as connection:
        again = register_points(
            connection, points(LAMP, COOLER, LAMP).set_index(pd.Index([7, 8, 9]))
        )
        known = {point.point_id: point for point in read_points(connection)}
    assert again.to_dict() == {7: first[1], 8: first[0], 9: first[1]}
    assert str(again.dtype) == "int32"
    assert len(known) == 2
    with database.transaction() as connection:
        names = connection.execute(
            sa.text("SELECT device_name, point_name, unit FROM farm.point ORDER BY point_id")
        )
        assert [tuple(row) for row in names] == [
            ("air_cooler_611", "temp_set", None),
            ("grow_light_611", "model", None),
        ]


def test_names_and_units_are_stored_and_a_missing_unit_is_null(database: Database) -> None:
    given = points(
        COOLER,
        LAMP,
        device_name="TD1_Q1MDCH01",
        point_name=["TemSet", "Model"],
        unit=["°C", np.nan],
    )
    with database.transaction() as connection:
        register_points(connection, given)
        register_points(connection, points(COOLER, device_name="another name"))
        names = connection.execute(
            sa.text("SELECT device_name, point_name, unit FROM farm.point ORDER BY point_id")
        )
        assert [tuple(row) for row in names] == [
            ("TD1_Q1MDCH01", "TemSet", "°C"),
            ("TD1_Q1MDCH01", "Model", None),
        ]


def test_no_points_at_all_are_registered_as_none(database: Database) -> None:
    with database.transaction() as connection:
        none = register_points(connection, points())
        assert (len(none), str(none.dtype), read_points(connection)) == (0, "int32", [])


def test_points_that_are_known_use_up_no_numbers(database: Database) -> None:
    with database.transaction() as connection:
        (first,) = register_points(connection, points(COOLER))
        for _ in range(5):
            register_points(connection, points(COOLER))
        (second,) = register_points(connection, points(LAMP))
    assert second == first + 1


def batches(*rows: tuple[str, dt.date, Any]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["room_id", "in_date", "bag_count"])


@pytest.mark.parametrize("unknown", [None, math.nan, pd.NA])
def test_a_batch_is_added_corrected_and_otherwise_left_alone(
    database: Database, unknown: Any
) -> None:
    january = dt.date(2026, 1, 5)
    february = dt.date(2026, 2, 1)
    with database.transaction() as connection:
        assert insert_batches(connection, batches()) == (0, 0)
        given = batches(("611", february, 9800), ("611", january, unknown))
        assert insert_batches(connection, given) == (2, 0)
        same = batches(("611", january, unknown), ("611", february, 9800.0))
        assert insert_batches(connection, same) == (0, 0)
        assert insert_batches(connection, same, correct=True) == (0, 0)
        other = batches(("611", january, 9750), ("612", january, 1))
        assert insert_batches(connection, other) == (1, 1)
        assert insert_batches(connection, other, correct=True) == (0, 1)
        assert insert_batches(connection, other, correct=True) == (0, 0)
        assert read_batches(connection) == {"611": [january, february], "612": [january]}
        counts = connection.scalars(
            sa.text("SELECT bag_count FROM farm.batch ORDER BY room_id, in_date")
        ).all()
    assert counts == [9750, 9800, 1]
