"""What comes late in a farm at work, what its tables must come to, and by how many runs.

Four things on four days, so that none of them makes good what another one touched. How the farm is
run is the business of `kit.running`, its first samples that of `faults.farm`.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import dagster as dg

from mushroom_assets.automation.following import REASON
from mushroom_assets.automation.timetable import PARTITIONED
from mushroom_assets.instance.outstanding import UNFINISHED, keys_of, makes
from mushroom_assets.partitions import farm_clock
from mushroom_assets_tests.kit.command import mushroom
from mushroom_assets_tests.kit.dumps import psql
from mushroom_assets_tests.kit.running import ZONE, Running

STATS = "daily_env_stats"
HOURLY = "hourly_setpoint_changes"
REPORT = "daily_room_report"
FOLLOW = (STATS, HOURLY, REPORT)
# On, so that all three follow; what has no schedule that is on is left alone
SWITCHES = ("following_inputs", f"{STATS}_schedule", f"{HOURLY}_schedule", f"{REPORT}_automation")
HEAD = "room_id,device_type,device_alias,point_alias,sampled_at,value"
Row = tuple[str, str, dt.datetime, float]  # device alias, point alias, instant, value


class Late:
    """The four of them, each on a day of its own.

    Attributes:
        backlog: the day on which a setpoint's rows come in two deliveries.
        batch: the day on which room B was filled.
        single: the day of two late samples.
        deleted: the day that loses a sample.
    """

    def __init__(self, running: Running) -> None:
        self.running = running
        today = dt.datetime.now(ZONE).date()
        self.today = today
        days = [today - dt.timedelta(days=back) for back in (5, 4, 3, 2)]
        self.backlog, self.batch, self.single, self.deleted = days

    def at(self, day: dt.date, clock: str) -> dt.datetime:
        return dt.datetime.combine(day, dt.time.fromisoformat(clock), ZONE)

    def _minutes(self, first: str, count: int, value: float) -> list[Row]:
        begin = self.at(self.backlog, first)
        minutes = [begin + dt.timedelta(minutes=number) for number in range(count)]
        return [("cooler_2", "set", minute, value) for minute in minutes]

    def before(self) -> None:
        """The first delivery of a setpoint's: it ends within the hour, before the value moves."""
        self._load("samples", [HEAD, *lines(self._minutes("22:00", 57, 18.0))])
        self._load("batches", ["room_id,in_date,bag_count", f"B,{self.single},9800"])

    def come(self) -> None:
        """All that is late: in files, and by hand."""
        rows = [
            *self._minutes("22:57", 1, 18.0),
            *self._minutes("22:58", 62, 17.0),
            ("cooler_A", "set", self.at(self.single, "00:40"), 19.0),
            ("env_A", "t", self.at(self.single, "12:15"), 18.5),
        ]
        self._load("samples", [HEAD, *lines(rows)])
        self._load("batches", ["room_id,in_date,bag_count", f"B,{self.batch},9800"])
        noon = self.at(self.deleted, "12:00").isoformat()
        gone = psql(
            self.running.server.uri,
            "DELETE FROM farm.sample USING farm.point WHERE sample.point_id = point.point_id"
            f" AND device_alias = 'env_A' AND point_alias = 't' AND sampled_at = '{noon}'",
        )
        assert gone == [["DELETE 1"]]

    def _load(self, what: str, text: list[str]) -> None:
        file = self.running.folder / "late.csv"
        file.write_text("\n".join(text), encoding="utf-8")
        done = mushroom("load", what, file, **self.running.environment)
        assert done.exit_code == 0, done.output

    def at_rest(self) -> bool:
        """Whether nothing of the days is out of date, and no run is left."""
        ((count,),) = psql(
            self.running.server.uri,
            "SELECT (SELECT count(*) FROM farm.input_change) + count(*) FROM farm.outdated"
            f" WHERE asset IN {FOLLOW} AND at >= '{self.at(self.backlog, '00:00').isoformat()}'"
            f" AND at < '{self.at(self.today, '00:00').isoformat()}'",
        )
        with self.running.instance() as instance:
            return count == "0" and not instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))

    def moves(self, device: str, first: dt.datetime, hours: int) -> list[tuple[Any, ...]]:
        """The changes of a device's setpoint in some hours: when, from what, to what."""
        end = first + dt.timedelta(hours=hours)
        return [
            (row["changed_at"], row["previous_value"], row["current_value"])
            for row in self.running.rows(HOURLY)
            if row["device_alias"] == device and first <= row["changed_at"] < end  # type: ignore[operator]
        ]

    def stats(self, room: str, day: dt.date) -> dict[str, Any]:
        """A room's temperature on a day."""
        (row,) = (
            row
            for row in self.running.rows(STATS)
            if (row["room_id"], row["stat_date"], row["quantity"]) == (room, day, "temperature")
        )
        return row

    def runs(self) -> list[dg.DagsterRun]:
        """Those that nobody asked for but the inputs."""
        with self.running.instance() as instance:
            return [run for run in instance.get_runs() if REASON in run.tags]

    def making(self, day: dt.date) -> int:
        """How many of them made something of a day."""
        return sum(day in set(self._days(run)) for run in self.runs())

    def _days(self, run: dg.DagsterRun) -> Iterator[dt.date]:
        clock = farm_clock(self.running.farm)
        for asset in FOLLOW:
            if makes(run, dg.AssetKey(asset)):
                for key in keys_of(run, PARTITIONED[asset].partitions(clock)):
                    yield dt.date.fromisoformat(key[:10])

    def would_change(self, asset: str) -> str:
        """What computing the days anew would change; nothing if that is nothing."""
        done = mushroom("diff", asset, "--since", self.backlog, **self.running.environment)
        return "" if done.exit_code == 0 else done.output


def lines(rows: list[Row]) -> Iterator[str]:
    """Of a file of samples of room A, in the farm's time."""
    for device, point, at, value in rows:
        kind = device.split("_")[0]
        yield f"A,{kind},{device},{point},{at:%Y-%m-%d %H:%M:%S},{value}"
