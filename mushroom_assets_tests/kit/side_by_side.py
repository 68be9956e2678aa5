"""Writers, looks at the log and runs over a small farm whose transactions go on step by step."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import sqlalchemy as sa

from mushroom_assets.assets import environment, report, setpoints
from mushroom_assets.domain.windows import Window
from mushroom_assets.partitions import farm_clock, windows
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.inputs import follow
from mushroom_assets.storage.outdated import places, read_marks
from mushroom_assets.storage.schema import RESULTS
from mushroom_assets_tests.kit.databases import NO_RETRY
from mushroom_assets_tests.kit.plant import PROVENANCE
from mushroom_assets_tests.kit.small import SmallFarm
from mushroom_assets_tests.kit.steps import Work, pause

FIRST = dt.date(2026, 2, 10)
DAY = dt.timedelta(days=1)
DAYS = 2
DAILY = "daily_env_stats"
HOURLY = "hourly_setpoint_changes"
REPORT = "daily_room_report"
IMPATIENT = "&options=-c%20lock_timeout%3D50ms"
# All that a case changes, as it was
KEPT = ("sample", "point", DAILY, HOURLY, REPORT)
# What was there before, in the order of the hours; 23.9 is carried into the next day
SETPOINTS = {8.5: 17.0, 10.5: 18.0, 12.5: 17.0, 30.5: 18.0}
CLIMATE = {8.5: 18.0, 10.5: 18.5, 12.5: 19.0, 23.9: 18.0, 30.5: 18.0}
Rows = list[dict[str, Any]]
Partitions = set[tuple[str, str]]  # asset and key


class Undone(Exception):
    """A run that fails at its end."""


def refuse(_: sa.Connection) -> None:
    pause()
    raise Undone


class Ground:
    """Two days of a small farm, all results made, and works to be done side by side.

    A step of a writer or a look ends before its commit; one of a run before it reads, too.
    """

    def __init__(self, small: SmallFarm) -> None:
        self.small = small
        self.database = self._open(pause)
        self.failing = self._open(refuse)
        clock = farm_clock(small.farm)
        days = [f"{FIRST + number * DAY}" for number in range(DAYS)]
        hours = [f"{day}-{hour:02}:00" for day in days for hour in range(24)]
        self.days = windows(clock.daily, days)
        self.hours = windows(clock.hourly, hours)
        self.every = {HOURLY: self.hours, DAILY: self.days, REPORT: self.days}
        small.put([("A", "set", self.at(hour), value) for hour, value in SETPOINTS.items()])
        small.put([("A", "t", self.at(hour), value) for hour, value in CLIMATE.items()])
        self.make(self.hours)
        self.make_days(self.days)
        for day in self.days:
            self.make_report(day)
        self._keep()

    def _open(self, before_commit: Callable[[sa.Connection], None]) -> Database:
        url = self.small.database.url + IMPATIENT
        return Database(url, retry=NO_RETRY, before_commit=before_commit)

    def at(self, hour: float) -> dt.datetime:
        return self.small.at(f"{FIRST}", hour)

    def close(self) -> None:
        self.database.dispose()
        self.failing.dispose()

    # What happens side by side

    def write(self, *statements: str) -> Work:
        def do() -> None:
            with self.database.transaction() as connection:
                for statement in statements:
                    connection.exec_driver_sql(statement)

        return Work(do, 2)

    def look(self, *, fails: bool = False) -> Work:
        def do() -> None:
            with suppress(Undone):
                follow(self.failing if fails else self.database, self.small.farm)

        return Work(do, 2)

    def run(self, asset: str, hours: slice = slice(9, 11), *, fails: bool = False) -> Work:
        """A run of some hours, or of the first day."""

        def do() -> None:
            if asset == HOURLY:
                self.make(self.hours[hours], fails=fails)
            elif asset == DAILY:
                self.make_days(self.days[:1], fails=fails)
            else:
                self.make_report(self.days[0], fails=fails)

        return Work(do, 3)

    def make(self, hours: Sequence[Window], *, fails: bool = False) -> None:
        with self._transaction(fails) as connection:
            setpoints.replace_hours(connection, hours, self.small.farm, "run")

    def make_days(self, days: Sequence[Window], *, fails: bool = False) -> None:
        with self._transaction(fails) as connection:
            environment.replace_days(connection, days, self.small.farm, "run")

    def make_report(self, day: Window, *, fails: bool = False) -> None:
        with self._transaction(fails) as connection:
            report.replace_day(connection, day, self.small.farm, "run")

    @contextmanager
    def _transaction(self, fails: bool) -> Iterator[sa.Connection]:
        try:
            with (self.failing if fails else self.database).transaction() as connection:
                yield connection
        except Undone:
            assert fails

    # Statements

    def put(self, hour: float, *, setpoint: float, climate: float, received: str = "now()") -> str:
        at = self.at(hour)
        return (
            "INSERT INTO farm.sample (point_id, sampled_at, value, received_at) "
            f"SELECT point_id, '{at}', CASE point_alias WHEN 'set' THEN {setpoint} "
            f"ELSE {climate} END, {received} FROM farm.point WHERE room_id = 'A'"
        )

    def correct(self, hour: float, value: float) -> str:
        return f"UPDATE farm.sample SET value = {value} WHERE sampled_at = '{self.at(hour)}'"

    def remove(self, hour: float) -> str:
        return f"DELETE FROM farm.sample WHERE sampled_at = '{self.at(hour)}'"

    # What is left

    def _keep(self) -> None:
        self.small.execute("CREATE SCHEMA kept")
        for table in KEPT:
            self.small.execute(f"CREATE TABLE kept.{table} AS SELECT * FROM farm.{table}")

    def begin(self) -> None:
        """As it was, with no change and no mark."""
        back = [
            f"DELETE FROM farm.{table}; INSERT INTO farm.{table} OVERRIDING SYSTEM VALUE "
            f"SELECT * FROM kept.{table}"
            for table in KEPT
        ]
        gone = [f"DELETE FROM farm.{table}" for table in ("input_change", "outdated")]
        self.small.execute("; ".join([*back, *gone]))

    def lost(self, *assets: str) -> Partitions:
        """Look once more; the partitions that differ from clean ones and are not marked."""
        follow(self.database, self.small.farm)
        return self.wrong(*assets) - self.marked()

    def marked(self) -> Partitions:
        found: Partitions = set()
        with self.small.database.transaction() as connection:
            for asset, every in self.every.items():
                marks = read_marks(connection, asset).found
                for window, own in zip(every, places(marks, every), strict=True):
                    if own:
                        found.add((asset, window.key))
        return found

    def wrong(self, *assets: str) -> Partitions:
        """Partitions whose rows are not those of a clean computation."""
        with self.small.database.transaction() as connection:
            return {
                (asset, window.key)
                for asset in assets
                for window, stored, clean in self._compared(connection, asset)
                if _sorted(stored) != _sorted(clean)
            }

    def _compared(
        self, connection: sa.Connection, asset: str
    ) -> Iterator[tuple[Window, Rows, Sequence[Mapping[str, Any]]]]:
        """Of each partition the stored rows and clean ones."""
        every = self.every[asset]
        clean: Mapping[str, Sequence[Mapping[str, Any]]]
        if asset == HOURLY:
            clean = setpoints.find_changes(connection, every, self.small.farm)
        else:
            found = environment.summarise_days(connection, every, self.small.farm)
            clean = {key: day.rows for key, day in found.items()}
        for window, stored in _stored(connection, asset, every):
            yield window, stored, clean[window.key]

    def wrong_reports(self) -> Partitions:
        """Days whose reports are not those of the results that are stored: they are made anew."""
        before = {row["stat_date"]: row for row in self.small.rows(REPORT) if row["room_id"] == "A"}
        for day in self.days:
            self.make_report(day)
        after = {row["stat_date"]: row for row in self.small.rows(REPORT) if row["room_id"] == "A"}
        return {
            (REPORT, day.key) for day in self.days if before.get(day.date) != after.get(day.date)
        }


def _stored(
    connection: sa.Connection, asset: str, every: Sequence[Window]
) -> Iterator[tuple[Window, Rows]]:
    """The rows of each window."""
    table = RESULTS[asset]
    columns = [column for column in table.columns if column.name not in PROVENANCE]
    found = [dict(row) for row in connection.execute(sa.select(*columns)).mappings()]
    for window in every:
        if asset == HOURLY:
            own = [row for row in found if window.start <= row["changed_at"] < window.end]
        else:
            own = [row for row in found if row["stat_date"] == window.date]
        yield window, own


def _sorted(rows: Sequence[Mapping[str, Any]]) -> list[list[tuple[str, str]]]:
    return sorted(sorted((name, str(value)) for name, value in row.items()) for row in rows)


@contextmanager
def slow_runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs pause between their claim and their reading."""

    def pausing(real: Callable[..., Any]) -> Callable[..., Any]:
        def slow(*given: Any) -> Any:
            pause()
            return real(*given)

        return slow

    places = [
        (setpoints, "find_changes"),
        (environment, "summarise_days"),
        (report, "_room_days"),
    ]
    with monkeypatch.context() as patch:
        for module, name in places:
            patch.setattr(module, name, pausing(getattr(module, name)))
        yield
