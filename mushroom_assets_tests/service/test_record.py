"""What the watch reads in Dagster's record, counted by the test on the clock of this machine."""

import datetime as dt
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from mushroom_assets.automation.timetable import PARTITIONED
from mushroom_assets.definitions import build_definitions
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.versions import code_version
from mushroom_assets.instance.outstanding import range_tags
from mushroom_assets.instance.patience import DEADLINE_S
from mushroom_assets.instance.reporting import DATA_VERSION_TAG
from mushroom_assets.service.home import prepare_dagster_home
from mushroom_assets.service.record import AssetState, Record, RecordReader
from mushroom_assets.settings import Settings, load_settings
from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.kit.plant import write_farm
from mushroom_assets_tests.kit.server import server_in

pytestmark = pytest.mark.long
DUE_AFTER_H = {
    "daily_env_stats": 2,
    "hourly_setpoint_changes": 1,
    "daily_clip_inference": 5,
    "daily_room_report": 6,
}
DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)


@dataclass
class Ground:
    """A farm that began four days ago, with an instance on its database."""

    settings: Settings
    farm: Farm
    instance: dg.DagsterInstance

    def windows(self, asset: str) -> list[tuple[str, dt.datetime]]:
        """Key and end of every partition that has closed, oldest first, by this clock's counting.

        Shanghai's clock never jumps.
        """
        step = HOUR if asset.startswith("hourly") else DAY
        form = "%Y-%m-%d-%H:%M" if step == HOUR else "%Y-%m-%d"
        start = dt.datetime.combine(self.farm.first_day, dt.time(), self.farm.zone)
        found = []
        while start + step <= dt.datetime.now(self.farm.zone):
            found.append((start.strftime(form), start + step))
            start += step
        return found

    def make(self, asset: str, keys: list[str], version: str | None = None) -> None:
        current = code_version(PARTITIONED[asset].noun, self.farm)
        for key in keys:
            tags = {DATA_VERSION_TAG: f"{version or current}+{uuid.uuid4().hex[:8]}"}
            made = dg.AssetMaterialization(asset, partition=key, tags=tags)
            self.instance.report_runless_asset_event(made)

    def read(self) -> Record:
        return RecordReader(self.settings).read()


@contextmanager
def opened(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    file = folder / "farm.yaml"
    first = dt.datetime.now(dt.UTC).date() - 4 * DAY
    farm = write_farm(file, f"timezone: Asia/Shanghai\nfirst_day: {first}\nrooms: {{A: {{}}}}\n")
    given = {"DATABASE_URL": url, "MUSHROOM_HOME": str(folder / "home")}
    settings = load_settings(given | {"MUSHROOM_CONFIG": str(file)})
    prepare_dagster_home(settings)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        yield Ground(settings, farm, instance)


@pytest.fixture
def ground(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    with opened(database_url, tmp_path, monkeypatch) as ground:
        yield ground


def states(record: Record) -> dict[str, AssetState]:
    return {state.asset: state for state in record.assets}


def test_what_is_due_and_nobody_has_made_is_missing(ground: Ground) -> None:
    before = dt.datetime.now(ground.farm.zone)
    found = states(ground.read())
    assert found.keys() == DUE_AFTER_H.keys()
    for asset, state in found.items():
        ends = [end for _, end in ground.windows(asset)]
        limit = DUE_AFTER_H[asset] * HOUR
        due = {sum(end + limit <= now for end in ends) for now in (before, before + HOUR / 60)}
        assert state.due in due
        assert state == AssetState(asset, None, state.due, state.due, 0, 0)


def test_what_is_made_failed_and_outdated_is_counted(ground: Ground) -> None:
    hourly = ground.windows("hourly_setpoint_changes")
    keys = [key for key, _ in hourly]
    ground.make("hourly_setpoint_changes", keys)
    daily = [key for key, _ in ground.windows("daily_env_stats")]
    ground.make("daily_env_stats", daily[:2])
    ground.make("daily_env_stats", daily[1:2], version="an older one")
    job = build_definitions(ground.farm).resolve_job_def("daily_env_stats_job")
    run = ground.instance.create_run_for_job(
        job, tags=range_tags(daily[2], daily[2]), status=dg.DagsterRunStatus.STARTED
    )
    on_its_way = states(ground.read())["daily_env_stats"]
    ground.instance.report_run_failed(run)
    found = states(ground.read())
    complete = found["hourly_setpoint_changes"]
    assert complete[3:] == (0, 0, 0, ())
    assert complete.newest_end == hourly[-1][1].timestamp()  # of one that is not yet due
    lacking = found["daily_env_stats"]
    assert lacking.newest_end == ground.windows("daily_env_stats")[1][1].timestamp()
    # Due are those of four days, or three until two in the morning: two are made, one failed.
    assert lacking.missing == lacking.due - 3
    assert (lacking.failed, lacking.outdated) == (1, 1)
    assert (on_its_way.missing, on_its_way.failed) == (lacking.missing, 0)


def test_a_timetable_that_never_ticked_is_told_by_name(ground: Ground) -> None:
    faults = ground.read().faults
    assert {fault.part for fault in faults} == {"timetable"}
    assert [fault.fault for fault in faults] == [
        f"{name} has not ticked yet"
        for name in (
            "daily_env_stats_schedule",
            "hourly_setpoint_changes_schedule",
            "daily_clip_inference_schedule",
            "daily_room_report_automation",
            "catching_up",
            "following_inputs",
        )
    ]
    assert all(fault.remedy for fault in faults)


def test_the_farm_file_is_read_anew_and_a_mistake_in_it_told(ground: Ground) -> None:
    reader = RecordReader(ground.settings)
    assert len(reader.read().assets) == len(DUE_AFTER_H)
    config = ground.settings.config
    assert config is not None
    good = config.read_text()
    config.write_text(good.replace("Asia/Shanghai", "Asia/Nowhere"))
    record = reader.read()
    assert record.assets == ()
    assert "Asia/Nowhere" in record.faults[0].fault
    assert record.faults[0].remedy
    config.write_text(good)
    assert len(reader.read().assets) == len(DUE_AFTER_H)


def test_a_dagster_yaml_that_cannot_be_used_is_told(ground: Ground) -> None:
    (ground.settings.dagster_home / "dagster.yaml").write_text("storage: {nonsense: 1}\n")
    record = ground.read()
    assert record.assets == ()
    assert "dagster.yaml cannot be used" in record.faults[0].fault
    assert record.faults[0].remedy.startswith("correct it")


def test_a_record_that_was_read_does_not_wait_for_a_database_that_has_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server_in("mushroom-pg-") as server:
        server.start()
        with Database(server.uri).transaction() as connection:
            migrations.upgrade(connection)
        with opened(server.uri, tmp_path, monkeypatch) as ground:
            reader = RecordReader(ground.settings)
            assert reader.read().assets
            server.crash()
            begun = time.monotonic()
            record = reader.read()
            assert time.monotonic() - begun < DEADLINE_S / 2  # so long others wait
            assert record.assets == ()
            assert record.faults[0].part == "timetable"
            assert record.faults[0].remedy
            server.start()
            assert reader.read().assets
