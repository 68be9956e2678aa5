"""Random histories of a farm: what comes late, is corrected, goes, and what dies meanwhile.

A history is drawn from a seed. In the end the sensor comes to rest, and the tables must be those
of one clean pass. On the way no neighbour of a run is touched, and nothing runs without a reason:
the bounds here are wider than the package's own, and made from the history alone.

`python -m mushroom_assets_tests.assets.histories N --seed S` runs many; pytest takes
`--histories N`.
"""

import argparse
import contextlib
import datetime as dt
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from mushroom_assets.automation import demand, following
from mushroom_assets.domain.settable import UnusableSetting
from mushroom_assets.ingestion.setting import Change, set_value, undo
from mushroom_assets.partitions import farm_clock, windows
from mushroom_assets.service.postgres import embedded_postgres
from mushroom_assets.storage import migrations
from mushroom_assets.storage.batches import read_batches
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import RESULTS
from mushroom_assets.storage.setting import read_settings
from mushroom_assets_tests.kit.cameras import picture
from mushroom_assets_tests.kit.databases import NO_RETRY, execute, uri_of
from mushroom_assets_tests.kit.following import Followed
from mushroom_assets_tests.kit.plant import put_batch, write_farm
from mushroom_assets_tests.kit.small import FARM, SmallFarm

DAILY = "daily_env_stats"
HOURLY = "hourly_setpoint_changes"
VISION = "daily_clip_inference"
REPORT = "daily_room_report"
PICTURED = 5  # of so many histories one has images: they take longer
DAYS = 3
STEPS = 8
POINTS = {
    "t": (17.0, 18.0, 19.5, 999.0),
    "h": (88.0, 90.0),
    "set": (17.0, 17.5, 18.0),
    "power": (0, 1),
}
LOOKBACK = dt.timedelta(hours=4, minutes=15)  # stuck_s and max_hold_s of the small farm
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
EDITS = (
    ("bands: {temperature: [17, 19]}", "bands: {temperature: [17.6, 19]}"),
    ("threshold: 0.1", "threshold: 0.6"),
    ("max_hold_s: 900", "max_hold_s: 1800"),
)
ADD_NOTE = "INSERT INTO farm.note (room_id, noted_at, text) VALUES (:room, :at, :text)"
CHANGE_NOTE = "UPDATE farm.note SET noted_at = :at, text = :text WHERE note_id = :number"
REMOVE_NOTE = "DELETE FROM farm.note WHERE note_id = :number"
REMOVE_PICKINGS = "DELETE FROM farm.harvest WHERE room_id = :room"
PICK = """INSERT INTO farm.harvest VALUES (:room, :in_date, :picked_on, :kg)
    ON CONFLICT (room_id, in_date, picked_on) DO UPDATE SET weight_kg = excluded.weight_kg"""


# Keys that may be set, with values that change rows
SETTINGS = {
    "stages.all.bands.temperature": ["[17.6, 19]", "[10, 30]", "none"],
    "quantities.temperature.plausible": ["[-20, 1000]", "[17.5, 60]"],
    "quantities.temperature.spike": ["0.5", "none"],
    "points.cooler.set.threshold": ["0.6", "0.1"],
    "points.cooler.set.description": ["the setpoint"],
    "report.act_below": ["0.1", "0.95"],
    "report.min_coverage": ["0", "1"],
}


class Killed(RuntimeError):
    """A run dies here."""


@dataclass
class History:
    """A farm, and what has happened to it.

    Attributes:
        hours, days: that may be made anew, and their reports; `reports`: days of reports alone.
        anything: every partition may.
        joins: what lies between two stretches may, too: as where there are many.
    """

    chance: random.Random
    followed: Followed
    told: list[str] = field(default_factory=list)
    hours: set[dt.datetime] = field(default_factory=set)
    days: set[dt.date] = field(default_factory=set)
    reports: set[dt.date] = field(default_factory=set)
    anything: bool = False
    joins: bool = False
    dies: int = 0

    @property
    def assets(self) -> list[str]:
        """That are made, as in the lineage."""
        seen = [] if self.followed.images is None else [VISION]
        return [DAILY, HOURLY, *seen, REPORT]

    @property
    def small(self) -> SmallFarm:
        return self.followed.small

    @property
    def begin(self) -> dt.datetime:
        """Midnight before the days."""
        today = dt.datetime.now(self.small.farm.zone).date()
        return self.small.at(f"{today - DAYS * DAY}")

    def instant(self) -> dt.datetime:
        minutes = self.chance.randrange(-300, DAYS * 1440)
        return self.begin + dt.timedelta(minutes=minutes, seconds=self.chance.choice([0, 0, 20]))

    def excuse(self, point: str, room: str, at: dt.datetime) -> None:
        """What a sample that came, changed or went may have made anew."""
        local = at.astimezone(self.small.farm.zone)
        span = (local - HOUR, local, local + LOOKBACK + HOUR)
        self.days |= {each.date() for each in span}
        self.hours.add(local.replace(minute=0, second=0, microsecond=0))
        query = """SELECT sampled_at FROM farm.sample JOIN farm.point USING (point_id)
            WHERE point_alias = :point AND room_id = :room AND sampled_at > :at
            ORDER BY sampled_at LIMIT 3"""
        with self.small.database.transaction() as connection:
            given = {"point": point, "room": room, "at": at}
            for (later,) in connection.execute(sa.text(query), given):
                hour = later.astimezone(self.small.farm.zone)
                self.hours.add(hour.replace(minute=0, second=0, microsecond=0))
                self.days.add(hour.date())

    # What happens

    def late_samples(self) -> None:
        """A handful anywhere, some of them together."""
        rows = []
        for _ in range(self.chance.randrange(1, 4)):
            point = self.chance.choice(list(POINTS))
            room = self.chance.choice("AB")
            # What was left long ago is what the next one changes
            at = self.instant() - self.chance.choice([0, 0, 0, 40]) * DAY
            for minute in range(self.chance.choice([1, 1, 20])):
                value = float(self.chance.choice(POINTS[point]))
                rows.append((room, point, at + dt.timedelta(minutes=minute), value))
        self.small.put(rows)
        for room, point, at, _ in rows:
            self.excuse(point, room, at)

    def _some(self, count: int) -> list[tuple[str, str, int, dt.datetime]]:
        query = """SELECT room_id, point_alias, point_id, sampled_at FROM farm.sample
            JOIN farm.point USING (point_id) ORDER BY point_id, sampled_at"""
        with self.small.database.transaction() as connection:
            rows = [tuple(row) for row in connection.execute(sa.text(query))]
        if not rows:
            return []
        first = self.chance.randrange(len(rows))
        return rows[first : first + count]

    def correction(self) -> None:
        """Values of a stretch are others."""
        for room, point, number, at in self._some(self.chance.choice([1, 5])):
            value = float(self.chance.choice(POINTS[point]))
            self._execute("UPDATE farm.sample SET value = :value", number, at, value=value)
            self.excuse(point, room, at)

    def deletion(self) -> None:
        """A stretch goes."""
        for room, point, number, at in self._some(self.chance.choice([1, 12])):
            self._execute("DELETE FROM farm.sample", number, at)
            self.excuse(point, room, at)

    def _execute(self, statement: str, number: int, at: dt.datetime, **given: Any) -> None:
        where = " WHERE point_id = :number AND sampled_at = :at"
        with self.small.database.transaction() as connection:
            connection.execute(sa.text(statement + where), {"number": number, "at": at, **given})

    def batch(self) -> None:
        """One comes or goes."""
        day = self.begin.astimezone(self.small.farm.zone).date()
        day += dt.timedelta(days=self.chance.randrange(-2, DAYS))
        room = self.chance.choice("AB")
        if self.chance.random() < 0.3:
            self.small.execute("DELETE FROM farm.batch WHERE room_id = 'A'")
        else:
            put_batch(self.small.database, room, day)
        self.anything = True

    def note(self) -> None:
        """One comes, changes or goes, whoever writes it."""
        at = self.instant()
        self.reports.add(at.astimezone(self.small.farm.zone).date())
        with self.small.database.transaction() as connection:
            known = connection.exec_driver_sql("SELECT note_id, noted_at FROM farm.note").all()
            number, before = self.chance.choice([(0, at), *known])
            self.reports.add(before.astimezone(self.small.farm.zone).date())
            statement = self.chance.choice([CHANGE_NOTE, REMOVE_NOTE]) if number else ADD_NOTE
            words = f"{self.chance.random()}"
            given = {"number": number, "room": self.chance.choice("AB"), "at": at, "text": words}
            connection.execute(sa.text(statement), given)

    def picking(self) -> None:
        """One comes, changes or goes; whether the batch is there or not."""
        first = self.begin.astimezone(self.small.farm.zone).date()
        in_date = first + self.chance.randrange(-2, DAYS) * DAY
        picked_on = in_date + self.chance.randrange(3) * DAY
        statement = self.chance.choice([PICK, PICK, REMOVE_PICKINGS])
        given = {"room": self.chance.choice("AB"), "in_date": in_date, "picked_on": picked_on}
        with self.small.database.transaction() as connection:
            connection.execute(sa.text(statement), given | {"kg": self.chance.randrange(1, 99)})
        after = first - 2 * DAY if statement != PICK else picked_on
        self.reports |= {after + number * DAY for number in range(DAYS + 5)}

    def bags(self) -> None:
        """Somebody counts them again."""
        self.small.execute(f"UPDATE farm.batch SET bag_count = {self.chance.randrange(1, 9)}")
        with self.small.database.transaction() as connection:
            if connection.exec_driver_sql("SELECT count(*) FROM farm.harvest").scalar_one():
                first = self.begin.astimezone(self.small.farm.zone).date()
                self.reports |= {first + number * DAY for number in range(DAYS)}

    def image(self) -> None:
        """One comes, is replaced or goes."""
        assert self.followed.images is not None
        day = self.begin + self.chance.randrange(DAYS) * DAY + 8 * HOUR
        local = day.astimezone(self.small.farm.zone)
        room = self.chance.choice("AB")
        name = f"{room}_cam1_202615_{local:%Y%m%d%H}{self.chance.randrange(3):02}00.jpg"
        file = self.followed.images / room / f"{local:%Y%m%d}" / name
        if file.exists() and self.chance.random() < 0.4:
            file.unlink()
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(picture(self.chance.randrange(1000)))
        self.anything = True  # a later day may have looked most like this one

    def edit(self) -> None:
        """Of the farm file."""
        text = self.small.path.read_text(encoding="utf-8")
        one, other = self.chance.choice(EDITS)
        old, new = (one, other) if one in text else (other, one)
        farm = write_farm(self.small.path, text.replace(old, new))
        self.followed.small = replace(self.small, farm=farm)
        self.anything = True

    def setting(self) -> None:
        """Somebody sets a key from some day on, or undoes what was set."""
        today = dt.datetime.now(self.small.farm.zone).date()
        farm = self.small.farm
        with self.small.database.transaction() as connection:
            known = read_settings(connection, farm).all
            if known and self.chance.random() < 0.3:
                version = self.chance.choice(known).version
                with contextlib.suppress(UnusableSetting):  # undone already
                    undo(connection, version, "somebody", "a mistake", farm)
            else:
                set_value(connection, self.some_change(connection), farm, today)
        self.anything = True

    def some_change(self, connection: sa.Connection) -> Change:
        """For the farm, a room or one of its batches."""
        first = self.begin.astimezone(self.small.farm.zone).date()
        key = self.chance.choice(list(SETTINGS))
        room = self.chance.choice([None, "A", "B"])
        in_dates = read_batches(connection).get(room or "", [])
        in_date = self.chance.choice([None, *in_dates])
        return Change(
            key=key,
            text=self.chance.choice([*SETTINGS[key], "null"]),
            room_id=room,
            in_date=in_date,
            valid_from=first + dt.timedelta(days=self.chance.randrange(-2, DAYS + 1)),
            author="somebody",
            reason="to see what follows",
        )

    def rerun(self) -> None:
        """Somebody makes a stretch anew, reason or not."""
        asset = self.chance.choice(self.assets)
        keys = self.keys(asset)
        first = self.chance.randrange(len(keys))
        last = min(len(keys) - 1, first + self.chance.randrange(3))
        self.small.run(asset, keys[first], keys[last], images=self.followed.images)

    def step(self) -> None:
        """The sensor looks, and what it asks for runs, or dies, or runs while more comes."""
        for request in self.followed.tick():
            if self.chance.random() < 0.4:
                self.dies = self.chance.randrange(1, 3)
            if self.chance.random() < 0.3:
                more = [self.late_samples, self.correction, self.deletion, self.note, self.picking]
                self.chance.choice(more)()
            self.checked_run(request)
            self.dies = 0

    # What must hold

    def checked_run(self, request: dg.RunRequest) -> None:
        """Run it, and compare what it must not touch."""
        before = self.provenance()
        done = self.followed.run(request, raise_on_error=False)
        asset, first, last = self.followed.runs[-1]
        assert done or self.dies, f"{asset} {first}...{last} failed"
        keys = self.keys(asset)
        ran = set(keys[keys.index(first) : keys.index(last) + 1])
        for (table, key, row), run_id in self.provenance().items():
            if table != asset or key not in ran:
                assert before.get((table, key, row)) == run_id, f"{asset} touched {table} {key}"
        if not self.anything:
            self.check_reasons(asset, keys[keys.index(first) : keys.index(last) + 1])

    def check_reasons(self, asset: str, ran: Sequence[str]) -> None:
        """Each has one; where stretches are joined, what lies between needs none for a day."""
        excused = [self.is_excused(asset, key) for key in ran]
        assert excused[0] and excused[-1], f"{asset} {ran[0]}...{ran[-1]}: no reason"
        gaps = [len(list(group)) for has_one, group in groupby(excused) if not has_one]
        longest = 0
        if self.joins:
            longest = 24 if asset == HOURLY else 1
        assert max(gaps, default=0) <= longest, f"{asset} {ran[0]}...{ran[-1]}: no reason between"

    def is_excused(self, asset: str, key: str) -> bool:
        if asset == HOURLY:
            return key in {f"{hour:%Y-%m-%d-%H:00}" for hour in self.hours}
        days = {f"{day}" for day in self.days}
        if asset == REPORT:
            more = {f"{day}" for day in self.reports}
            return key in days | more | {f"{hour.date()}" for hour in self.hours}
        return key in days

    def provenance(self) -> dict[tuple[str, str, str], str]:
        """Who wrote each row: by table, partition and key."""
        found = {}
        for asset in self.assets:
            for row in self.small.rows(asset, provenance=True):
                if asset == HOURLY:
                    at = row["changed_at"].astimezone(self.small.farm.zone)
                    key = f"{at:%Y-%m-%d-%H:00}"
                    own = f"{row['point_id']} {at}"
                else:
                    key = f"{row['image_date' if asset == VISION else 'stat_date']}"
                    own = f"{row['room_id']} {row.get('quantity')} {row.get('image_path')}"
                found[asset, key, own] = row["run_id"]
        return found

    def keys(self, asset: str) -> list[str]:
        day = self.begin.astimezone(self.small.farm.zone)
        if asset == HOURLY:
            return [f"{day + hour * HOUR:%Y-%m-%d-%H:00}" for hour in range(24 * DAYS)]
        return [f"{(day + number * DAY).date()}" for number in range(DAYS)]

    def make_all(self) -> None:
        for asset in self.assets:
            keys = self.keys(asset)
            self.small.run(asset, keys[0], keys[-1], images=self.followed.images)

    def play(self) -> None:
        """All of it, to the comparison at its end."""
        self.late_samples()
        if self.followed.images is not None:
            self.image()
        self.make_all()
        acts: list[Callable[[], None]] = [
            *[self.late_samples] * 3,
            *[self.correction, self.deletion] * 2,
            *[self.batch, self.edit, self.rerun, self.setting],
            *[self.note, self.picking] * 2,
            self.bags,
            *[self.step] * 5,
        ]
        if self.followed.images is not None:
            acts += [self.image] * 4
        for _ in range(STEPS):
            act = self.chance.choice(acts)
            self.told.append(act.__name__)
            act()
        for _ in range(40):
            requests = self.followed.tick()
            for request in requests:
                self.checked_run(request)
            if not requests:
                break
        else:
            raise AssertionError("it never comes to rest")
        self.compare()

    def compare(self) -> None:
        """The tables are those of one clean pass."""
        from mushroom_assets.assets import environment, report, setpoints, vision
        from mushroom_assets.assets.cameras import open_cameras

        after = {asset: self.small.rows(asset) for asset in self.assets}
        for name in RESULTS:
            self.small.execute(f"DELETE FROM farm.{name}")
        clock = farm_clock(self.small.farm)
        hours = windows(clock.hourly, self.keys(HOURLY))
        days = windows(clock.daily, self.keys(DAILY))
        with self.small.database.transaction() as connection:
            environment.replace_days(connection, days, self.small.farm, "clean")
            setpoints.replace_hours(connection, hours, self.small.farm, "clean")
        if self.followed.images is not None:
            doors = self.followed.doors
            seen = open_cameras(
                doors["image_store"],
                doors["clip"],
                self.small.database,
                self.small.farm,
                forget=False,
            )
            for day in days:
                vision.replace_day(self.small.database, day, seen, "clean")
        with self.small.database.transaction() as connection:
            for day in days:
                report.replace_day(connection, day, self.small.farm, "clean")
        for asset, rows in after.items():
            assert rows == self.small.rows(asset), asset


@contextmanager
def impatient(history: History, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """What failed is tried again at once, no schedule is near, and a run may die as it writes."""
    from mushroom_assets.assets import environment, report, setpoints

    patch.setattr(following, "is_near_its_tick", lambda *given: False)
    patch.setattr(following, "switched_off", lambda instance: set())
    patch.setattr(following, "PATIENCE", dt.timedelta(days=1))
    patch.setattr(following, "LISTED", 100)
    patch.setattr(following, "STRETCHES", 0 if history.joins else 1000)
    patch.setattr(demand, "wait_after_failures", lambda count: dt.timedelta(days=-1))
    patch.setattr(environment, "PICTURED", 0)
    patch.setattr(report, "pictured", lambda context: frozenset())
    for module in (environment, report, setpoints):
        write = module.replace_rows

        def dying(*given: Any, write: Any = write) -> Any:
            if history.dies == 1:
                raise Killed
            found = write(*given)
            if history.dies:
                raise Killed
            return found

        patch.setattr(module, "replace_rows", dying)
    yield


def play(seed: int, database: Database, folder: Path) -> History:
    """The history of a seed; raises AssertionError where it breaks."""
    path = folder / "farm.yaml"
    text = FARM.format(timezone="Asia/Shanghai")
    first = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=30)
    farm = write_farm(path, text.replace("first_day: 2025-01-01", f"first_day: {first}"))
    with dg.DagsterInstance.ephemeral() as instance, pytest.MonkeyPatch.context() as patch:
        small = SmallFarm(farm, path, database, instance)
        images = folder / f"images-{seed}" if seed % PICTURED == 0 else None
        if images is not None:
            images.mkdir()
        history = History(random.Random(seed), Followed(small, images), joins=seed % 3 == 2)
        with impatient(history, patch):
            try:
                history.play()
            except AssertionError as error:
                raise AssertionError(f"seed {seed}: {', '.join(history.told)}: {error}") from error
        return history


def main() -> None:
    """Run many; print each seed that breaks."""
    parser = argparse.ArgumentParser(description="Random histories.")
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    begun = time.monotonic()
    broken = 0
    runs = 0
    with (
        tempfile.TemporaryDirectory(prefix="histories-") as home,
        embedded_postgres(Path(home) / "pg") as uri,
    ):
        for seed in range(given.seed, given.seed + given.count):
            execute(uri, f"CREATE DATABASE h{seed}")
            database = Database(uri_of(uri, f"h{seed}"), retry=NO_RETRY)
            with database.transaction() as connection:
                migrations.upgrade(connection)
            try:
                runs += len(play(seed, database, Path(home)).followed.runs)
            except AssertionError as error:
                broken += 1
                print(error, flush=True)  # noqa: T201
            database.dispose()
            execute(uri, f"DROP DATABASE h{seed} WITH (FORCE)")
            if (seed - given.seed) % 25 == 24:
                done = seed - given.seed + 1
                took = time.monotonic() - begun
                print(f"{done} histories, {broken} broken, {runs} runs, {took:.0f} s", flush=True)  # noqa: T201
    took = time.monotonic() - begun
    print(f"{given.count} histories, {broken} broken, {runs} runs, {took:.0f} s")  # noqa: T201


if __name__ == "__main__":
    main()
